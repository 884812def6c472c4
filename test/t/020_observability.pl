# What a DBA sees from outside: the counts of all backends.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'teamrbac'\n");
$node->start;
my $user = '00000000-0000-0000-0000-0000000000a1';
my $stranger = '00000000-0000-0000-0000-0000000000b1';
my $tenant = '00000000-0000-0000-0000-000000000001';
$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION teamrbac CASCADE;
SELECT teamrbac.register_user('ann\@example.com', 'Ann', '$user');
SELECT teamrbac.register_user('bob\@example.com', 'Bob', '$stranger');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('$tenant', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$tenant', '$user', 'owner');
COMMIT;
CREATE ROLE app LOGIN;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO app;
SQL

# Counts are kept when a backend ends, and no backend's are lost or counted twice.
my $total = 'SELECT sum(checks), sum(denials), count(*) FILTER (WHERE pid IS NULL) FROM teamrbac.statistics';
my ($checks, $denials) = split /\|/, $node->safe_psql('postgres', $total);
my $session = $node->background_psql('postgres');
$session->query_safe("SELECT count(teamrbac.has_permission('$tenant', 'prompts.view')) FROM generate_series(1, 1000)");
is($node->safe_psql('postgres', $total), join('|', $checks + 1000, $denials, 1), 'another backend sees what this one counts');
my $pid = $session->query_safe('SELECT pg_backend_pid()');
is($node->safe_psql('postgres', "SELECT checks FROM teamrbac.statistics WHERE pid = $pid"), '1000', 'by its pid');
$session->quit;
is($node->safe_psql('postgres', $total), join('|', $checks + 1000, $denials, 1), 'and keeps it when this one has ended');
is($node->safe_psql('postgres', "SELECT count(*) FROM teamrbac.statistics WHERE pid = $pid"), '0', 'whose row is gone');
$node->psql('postgres', "SELECT teamrbac.create_tenant('x')") for 1 .. 3;
is($node->safe_psql('postgres', $total), join('|', $checks + 1000, $denials + 3, 1), 'denials of backends that have ended');

$node->stop;
done_testing();
