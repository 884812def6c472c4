# Two of the clients of docs/clients.md, by their own blocks behind a pooler; `make test-clients` runs all of them.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $modules = $ENV{NODE_POSTGRES} // (-d '/usr/share/nodejs/pg' ? '-' : undef);
plan skip_all => 'make test installs node-postgres and psycopg, and they are not here'
  if !defined $modules || system('/usr/bin/python3', '-c', 'import psycopg, psycopg_pool') != 0;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'max_connections = 60');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE clients');
local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'clients',
	POOLER_PORT => PostgreSQL::Test::Cluster::get_free_port());
my ($out, $err) = ('', '');
my $ran = IPC::Run::run([ "$ENV{TESTDIR}/test/clients/run.sh", $modules, 'node-postgres', 'psycopg 3' ],
	'<', \undef, '>', \$out, '2>', \$err);
ok($ran, 'the clients end well') or diag($err);
is($out, <<"OUT", 'and have seen no wrong row');
node-postgres: 2000 requests of 20 users, nested, interrupted: no wrong row.
psycopg 3: 2000 requests of 20 users, nested, interrupted: no wrong row.
OUT
$node->stop;
done_testing();
