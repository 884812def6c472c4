# A dump takes along how tables were protected, and the guard; one that leaves out a protected table harms nothing.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION teamrbac CASCADE;
CREATE SCHEMA "Shop.1";
CREATE TABLE "Shop.1"."Order" (gone int, "Tenant.id" uuid PRIMARY KEY, n int);
SELECT teamrbac.protect_table('"Shop.1"."Order"', 'prompts.view', 'prompts.edit', tenant_column => 'Tenant.id');
CREATE TABLE kept (tenant_id uuid PRIMARY KEY);
SELECT teamrbac.protect_table('kept', 'logs.view', NULL);
CREATE TABLE dropped (tenant_id uuid PRIMARY KEY);
SELECT teamrbac.protect_table('dropped', 'logs.view', NULL);
DROP TABLE dropped;
-- Numbers of columns are others after a restore.
ALTER TABLE "Shop.1"."Order" DROP COLUMN gone;
SELECT teamrbac.guard_protection();
SQL
my $record = <<'SQL';
SELECT tenant_column, view_permission, edit_permission FROM teamrbac.protected_table
	WHERE tenant_column::text <> '' ORDER BY tenant_column::text;
SQL
my $before = $node->safe_psql('postgres', $record);
is($before, qq("Shop.1"."Order"."Tenant.id"|prompts.view|prompts.edit\npublic.kept.tenant_id|logs.view|),
	'what is on record');

my $dir = PostgreSQL::Test::Utils::tempdir();
my %dumps = (whole => [], without => [ '-T', '"Shop.1"."Order"' ], clean => [ '--clean', '--if-exists' ]);
for my $name (sort keys %dumps)
{
	$node->command_ok([ 'pg_dump', '-f', "$dir/$name.sql", @{ $dumps{$name} }, $node->connstr('postgres') ],
		"$name: dumped");
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->command_ok([ 'psql', '-Xq1', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($name), '-f', "$dir/$name.sql" ],
		"$name: restored in one transaction");
}
$node->command_ok([ 'psql', '-Xq1', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('clean'), '-f', "$dir/clean.sql" ],
	'clean: restored over itself');
is($node->safe_psql($_, $record), $before, "$_: the record is the same") for qw(whole clean);
is($node->safe_psql('without', $record), 'public.kept.tenant_id|logs.view|', 'without: the rest of the record is there');

for my $name (qw(whole clean))
{
	my ($rc, $out, $err) = $node->psql($name, 'DROP POLICY teamrbac_view ON "Shop.1"."Order"');
	like($err, qr/this would leave table "Order" without its protection/, "$name: the guard is there");
	is($node->safe_psql($name, <<'SQL'), qq("Shop.1"."Order"), "$name: what is missing is put back");
SET client_min_messages = warning;
DO $$ BEGIN PERFORM teamrbac.unguard_protection(); END $$;
DROP POLICY teamrbac_view ON "Shop.1"."Order";
ALTER TABLE "Shop.1"."Order" DISABLE ROW LEVEL SECURITY;
SELECT * FROM teamrbac.restore_protection();
SQL
	is($node->safe_psql($name, q{SELECT qual FROM pg_policies WHERE tablename = 'Order' AND cmd = 'SELECT'}),
		q{("Tenant.id" = teamrbac.permitted_tenant('prompts.view'::text))}, "$name: by the column that it was");
}
$node->stop;
done_testing();
