# A transaction-mode pooler: two clients take turns on one server connection, and neither is ever the other.
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
SELECT teamrbac.register_user('ann@example.com', 'Ann', '00000000-0000-0000-0000-0000000000a1');
SELECT teamrbac.register_user('bob@example.com', 'Bob', '00000000-0000-0000-0000-0000000000b1');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000b1', 'owner'),
	('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000a1', 'developer');
COMMIT;
CREATE TABLE prompt (id int, tenant_id uuid PRIMARY KEY);
INSERT INTO prompt VALUES (1, '00000000-0000-0000-0000-000000000001');
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
CREATE ROLE pool LOGIN;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO pool;
GRANT ALL ON prompt TO pool;
SQL

my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $port = PostgreSQL::Test::Cluster::get_free_port();
append_to_file("$dir/users", "\"pool\" \"\"\n");
append_to_file("$dir/pgbouncer.ini", <<"INI");
[databases]
postgres = host=${\$node->host} port=${\$node->port} dbname=postgres pool_size=1
[pgbouncer]
listen_addr =
unix_socket_dir = $dir
listen_port = $port
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
pidfile = $dir/pid
logfile = $dir/log
INI
my $bouncer = (grep { -x } qw(/usr/sbin/pgbouncer /usr/bin/pgbouncer))[0];
system_or_bail($bouncer, '-d', "$dir/pgbouncer.ini");
my $pooled = "host=$dir port=$port user=pool dbname=postgres";

# Each call is a client of its own: all are served by the one server connection.
sub client
{
	my ($sql) = @_;
	my ($out, $err);
	IPC::Run::run([ 'psql', '-XqAt', '-d', $pooled, '-f', '-' ], '<', \$sql, '>', \$out, '2>', \$err);
	$out =~ s/^\n//mg;
	chomp $out;
	return $out;
}
my $ann = "SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000a1');";
my $bob = "SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000b1');";
my $server = '';
for (1 .. 100)
{
	last if ($server = client('SELECT pg_backend_pid();')) ne '';
	select undef, undef, undef, 0.1;
}
is(client("BEGIN; $ann SELECT count(*) FROM prompt; COMMIT;"), '1', 'a client sees its rows');
is(client('SELECT count(*) FROM prompt;'), '0', 'the next client on that connection is nobody');
is(client("BEGIN; $ann SELECT 1/0; COMMIT;\nSELECT count(*) FROM prompt;"), '0', 'nor is it after an error');
is(client("BEGIN; $bob SELECT teamrbac.current_user_id(); COMMIT; SELECT teamrbac.current_user_id() IS NULL;"),
	"00000000-0000-0000-0000-0000000000b1\nt", 'the identity ends with the transaction');
is(client("BEGIN; $ann SELECT count(*) FROM prompt WHERE teamrbac.has_permission(tenant_id, 'prompts.edit'); COMMIT;"),
	'1', 'a developer may edit');
$node->safe_psql('postgres', "UPDATE teamrbac.membership SET role = 'reader' WHERE role = 'developer'");
is(client("BEGIN; $ann SELECT count(*) FROM prompt WHERE teamrbac.has_permission(tenant_id, 'prompts.edit'); COMMIT;"),
	'0', 'a demotion made elsewhere is obeyed on the pooled connection');

is(client('SELECT pg_backend_pid();'), $server, 'all of this ran on one server connection');

my $pid = slurp_file("$dir/pid");
chomp $pid;
kill 'INT', $pid;
for (1 .. 100)
{
	last unless kill 0, $pid;
	select undef, undef, undef, 0.1;
}
ok(!kill(0, $pid), 'pgbouncer has stopped');
$node->stop;
done_testing();
