# A tenant moves to a server of its own, with its team, keys and audit, as docs/operations.md says.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Teamrbac;
use Test::More;

my ($old, $new) = map { PostgreSQL::Test::Cluster->new($_) } qw(old new);
for my $node ($old, $new)
{
	$node->init;
	$node->start;
}
$new->safe_psql('postgres', 'CREATE ROLE app LOGIN');
my ($acme, $borealis) = (id('01'), id('02'));
$old->safe_psql('postgres', 'CREATE EXTENSION teamrbac CASCADE');
$old->safe_psql('postgres', application());
populate($old, 'postgres');
my $secrets = populate_more($old, 'postgres');
$old->safe_psql('postgres', "ALTER TABLE prompt DROP CONSTRAINT prompt_tenant_id_fkey, ADD FOREIGN KEY (tenant_id) REFERENCES teamrbac.tenant ON DELETE CASCADE");
$new->safe_psql('postgres', 'CREATE ROLE psql_user LOGIN');

# The recipe's two scripts, with the tenant's id.
my $text = slurp_file("$ENV{TESTDIR}/docs/operations.md");
my ($section) = $text =~ /^## A tenant on a server of its own\n(.*?)(?=^## )/ms or die 'no such section';
my @scripts = $section =~ /^```psql\n(.*?)^```/msg;
is(scalar @scripts, 2, 'the recipe has two scripts');
s/:'tenant'/'$acme'/g for @scripts;

my $audit = "SELECT count(*), (SELECT valid FROM teamrbac.verify_audit('$acme')) FROM teamrbac.audit_event WHERE tenant_id = '$acme'";
my $before = $old->safe_psql('postgres', $audit);
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$old->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $old->connstr('postgres') ], 'all is dumped');
$new->command_ok([ 'pg_restore', '-d', $new->connstr('postgres'), $dump ], 'and restored on the new server');
$new->safe_psql('postgres', $scripts[0]);

is($new->safe_psql('postgres', 'SELECT tenant_id FROM teamrbac.tenant'), $acme, 'the new server has this tenant alone');
is($new->safe_psql('postgres', 'SELECT DISTINCT tenant_id FROM prompt'), $acme, 'and its rows alone');
is($new->safe_psql('postgres', 'SELECT count(DISTINCT tenant_id) FROM teamrbac.api_key'), '1', 'and its keys alone');
is($new->safe_psql('postgres', $audit), $before, 'its audit is whole');
is($new->safe_psql('postgres', "SELECT (teamrbac.sign_in_with_api_key('$secrets->[0]', false)).role; SET ROLE app; SELECT count(*) FROM prompt;"), "developer\n10", 'its keys work');
is($new->safe_psql('postgres', sign_in('a3') . 'SET ROLE app; SELECT count(*) FROM prompt') =~ s/^\n//r, '10', 'its members see their rows');

$old->safe_psql('postgres', $scripts[1]);
is($old->safe_psql('postgres', "SELECT count(*) FROM teamrbac.tenant WHERE tenant_id = '$acme'"), '0', 'the old server has it no more');
is($old->safe_psql('postgres', "SELECT count(*) FROM prompt WHERE tenant_id = '$acme'"), '0', 'nor its rows');
is($old->safe_psql('postgres', "SELECT count(*) FROM prompt WHERE tenant_id = '$borealis'"), '10', 'but those of others');
my (undef, undef, $err) = $old->psql('postgres', "SELECT teamrbac.sign_in_with_api_key('$secrets->[0]')");
like($err, qr/28000|API key/, 'nor its keys');
for my $node ($old, $new)
{
	is($node->safe_psql('postgres', broken_chains()), '0', $node->name . ': every chain of the audit is whole');
}
done_testing();
