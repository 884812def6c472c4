# pg_upgrade of a populated cluster, from the version that TEAMRBAC_OLD_PG_CONFIG speaks for to the one under test.
# Both need the extension installed; scripts/test-all-versions.sh sees to that.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Teamrbac;
use Test::More;

plan skip_all => 'TEAMRBAC_OLD_PG_CONFIG names no older server' unless $ENV{TEAMRBAC_OLD_PG_CONFIG};
my $old_bin = `$ENV{TEAMRBAC_OLD_PG_CONFIG} --bindir`;
chomp $old_bin;
my $new_bin = `pg_config --bindir`;
chomp $new_bin;

# Checksums, which 18 has by default, have to be the same on both sides.
my @options = ('--data-checksums', '--encoding', 'UTF8', '--locale', 'C');
my $old = PostgreSQL::Test::Cluster->new('old', install_path => $old_bin =~ s{/bin$}{}r);
$old->init(extra => \@options);
$old->start;
$old->safe_psql('postgres', "CREATE EXTENSION teamrbac CASCADE; ${\application()}");
populate($old, 'postgres');
my $secrets = populate_more($old, 'postgres');
my $policies = "SELECT polrelid::regclass, p.polname, polcmd, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid), relforcerowsecurity FROM pg_policy AS p JOIN pg_class ON pg_class.oid = polrelid ORDER BY 1, 2;";
my $old_policies = $old->safe_psql('postgres', $policies);
is_intact($old, 'postgres', 'before');
# Signing in is noted, so only now.
my $rows = contents($old, 'postgres');
$old->stop;

my $new = PostgreSQL::Test::Cluster->new('new');
$new->init(extra => \@options);
chdir $new->basedir;
command_ok(
	[ "$new_bin/pg_upgrade", '--no-sync', '-b', $old_bin, '-B', $new_bin, '-d', $old->data_dir, '-D', $new->data_dir,
		'-s', $new->host, '-p', $old->port, '-P', $new->port ],
	'pg_upgrade');
$new->start;
is(differences($rows, contents($new, 'postgres')), '', 'nothing is lost, and nothing added');
is($new->safe_psql('postgres', $policies), $old_policies, 'the policies are the same');
$new->safe_psql('postgres', 'CREATE DATABASE fresh');
$new->safe_psql('fresh', "CREATE EXTENSION teamrbac CASCADE; ${\application()}" =~ s/CREATE ROLE app LOGIN;//r);
is(differences(catalogue($new, 'fresh'), catalogue($new, 'postgres')), '', 'the extension is the same as a fresh installation');
# pg_upgrade makes the foreign keys anew, the server's own checks included.
remedied($new, 'postgres', 'checked by the server as well', 'after');
is_intact($new, 'postgres', 'after');
secrets_work($new, 'postgres', $secrets, 'after');
my ($was) = $old->pg_version =~ /^(\d+)/;
my ($is) = $new->pg_version =~ /^(\d+)/;
cmp_ok($is, '>', $was, "from $was to $is");
$new->stop;
done_testing();
