# The role that our objects belong to, which is the cluster's: two databases share it, a dump is restored where it does not
# exist, pg_upgrade keeps it, and it goes last.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Teamrbac;
use Test::More;

my $owned = q{SELECT count(*) > 50 FROM pg_proc WHERE pronamespace = 'teamrbac'::regnamespace AND proowner = 'teamrbac_owner'::regrole};
my $findings = 'SELECT * FROM teamrbac.check_setup_owner()';
my $role = q{SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolpassword FROM pg_authid WHERE rolname = 'teamrbac_owner'};
my $attributes = 'teamrbac_owner|f|f|f|f|f|f|';

# That a database's teams work, and belong to the role.
sub works
{
	my ($node, $db, $what) = @_;
	is($node->safe_psql($db, $owned), 't', "$what: the role owns the functions");
	is($node->safe_psql($db, $findings), '', "$what: and all is as it should be");
	is($node->safe_psql('postgres', $role), $attributes, "$what: the role can do nothing else");
	is_intact($node, $db, $what);
	return;
}

my $source = PostgreSQL::Test::Cluster->new('source');
$source->init;
$source->start;
$source->safe_psql('postgres', "CREATE DATABASE one; CREATE DATABASE two; CREATE ROLE nobodys;");
$source->safe_psql('one', "CREATE EXTENSION teamrbac CASCADE; ${\application()}");
populate($source, 'one');
$source->safe_psql('two', 'CREATE EXTENSION teamrbac CASCADE');
works($source, 'one', 'the first database');
is($source->safe_psql('two', $findings), '', 'two databases share the role');

# Grants by the DBA are dumped, what the extension gave by itself is not.
my $dir = $source->basedir;
$source->command_ok([ 'pg_dump', '-d', $source->connstr('one'), '-f', "$dir/one.sql" ], 'a dump');
my $dump = slurp_file("$dir/one.sql");
unlike($dump, qr/^(?!--).*teamrbac_owner/m, 'a dump does not mention the role');
my @grants = $dump =~ /^((?:GRANT|REVOKE) .*\bteamrbac\..*)$/mg;
is_deeply([ sort map { /(\w+)\(/ } @grants ], [qw(register_user sign_in sign_in_as_member update_user)], 'nor any privilege but those that the DBA gave');

my $target = PostgreSQL::Test::Cluster->new('target');
$target->init;
$target->start;
$target->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE ROLE psql_user LOGIN; CREATE DATABASE one');
$target->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $target->connstr('one'), '-f', "$dir/one.sql" ], 'restored where there is no such role');
works($target, 'one', 'after the restore');
$source->command_ok([ 'pg_dump', '-Fc', '-d', $source->connstr('one'), '-f', "$dir/one.custom" ], 'a custom dump');
$target->safe_psql('postgres', 'CREATE DATABASE as_owners');
$target->command_ok([ 'pg_restore', '--exit-on-error', '--use-set-session-authorization', '-d', $target->connstr('as_owners'), "$dir/one.custom" ], 'restored as the owners');
works($target, 'as_owners', 'after the restore as the owners');
my $rows = contents($source, 'one');
is(differences($rows, contents($target, 'as_owners')), '', 'nothing is lost, and nothing added');

# The whole cluster: the role comes before the databases.
$source->command_ok([ 'pg_dumpall', '-d', $source->connstr('postgres'), '-f', "$dir/all.sql" ], 'a dump of the cluster');
my $all = PostgreSQL::Test::Cluster->new('all');
$all->init;
$all->start;
my ($out, $err) = ('', '');
# The superuser who restores is there already.
IPC::Run::run([ 'psql', '-Xq', '-d', $all->connstr('postgres'), '-f', "$dir/all.sql" ], '>', \$out, '2>', \$err);
is(join("\n", grep { /ERROR/ && !/role "\w+" already exists/ } split /\n/, $err), '', 'restored without an error');
works($all, 'one', 'after the restore of the cluster');
is($all->safe_psql('two', $findings), '', 'the other database too');
$all->stop;

# pg_upgrade, here to the same version.
$source->stop;
my $bin = `pg_config --bindir`;
chomp $bin;
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init;
chdir $new->basedir;
command_ok(
	[ "$bin/pg_upgrade", '--no-sync', '-b', $bin, '-B', $bin, '-d', $source->data_dir, '-D', $new->data_dir, '-s', $new->host, '-p', $source->port, '-P', $new->port ],
	'pg_upgrade');
$new->start;
works($new, 'one', 'after pg_upgrade');
is($new->safe_psql('two', $findings), '', 'the other database too');
$new->command_ok([ 'pg_dump', '-d', $new->connstr('one'), '-f', "$dir/upgraded.sql" ], 'dumped again');
unlike(slurp_file("$dir/upgraded.sql"), qr/^(?!--).*teamrbac_owner/m, 'and still without the role');

# It goes last: refused while any database of the cluster has an object of its.
my $refused = sub {
	my ($db, $what) = @_;
	my ($rc, undef, $stderr) = $new->psql($db, 'DROP ROLE teamrbac_owner');
	like($stderr, qr/role "teamrbac_owner" cannot be dropped because some objects depend on it/, $what);
};
$refused->('one', 'the role cannot be dropped');
$refused->('postgres', 'nor from a database without the extension');
$new->safe_psql('one', 'DROP EXTENSION teamrbac CASCADE');
$refused->('one', 'nor as long as the other database needs it');
$new->safe_psql('one', 'CREATE EXTENSION teamrbac');
is($new->safe_psql('one', $findings), '', 'made again beside the other');
$new->safe_psql($_, 'DROP EXTENSION teamrbac CASCADE') for qw(one two);
$new->safe_psql('postgres', 'DROP ROLE teamrbac_owner');
$new->safe_psql('two', 'CREATE EXTENSION teamrbac');
is($new->safe_psql('two', $findings), '', 'and made anew');

# Something of another database's that is none of ours.
$new->safe_psql('two', 'DROP EXTENSION teamrbac CASCADE');
$new->safe_psql('one', 'CREATE TABLE theirs (); GRANT SELECT ON theirs TO teamrbac_owner');
my ($rc, undef, $stderr) = $new->psql('two', 'CREATE EXTENSION teamrbac');
like($stderr, qr/role "teamrbac_owner" exists, and is not fit/, 'a role that has been granted something elsewhere is not ours');
$new->safe_psql('one', 'DROP TABLE theirs');
$new->safe_psql('two', 'CREATE EXTENSION teamrbac');
is($new->safe_psql('two', $findings), '', 'without it, it is');
$new->stop;
$target->stop;
done_testing();
