# Parallel workers: a plan with several that really run, by whoever is asking, obeying a change made in between.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
# 16 has renamed the setting that makes every query parallel.
my $all_parallel = $node->pg_version < 16 ? 'force_parallel_mode' : 'debug_parallel_query';
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
max_worker_processes = 8
max_parallel_workers_per_gather = 3
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
CONF
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION teamrbac CASCADE;
SELECT teamrbac.register_user('ann@example.com', 'Ann', '00000000-0000-0000-0000-0000000000a1');
SELECT teamrbac.register_user('bob@example.com', 'Bob', '00000000-0000-0000-0000-0000000000b1');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000b1', 'owner'),
	('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000a1', 'reader');
COMMIT;
CREATE TABLE log (id int, tenant_id uuid NOT NULL);
INSERT INTO log SELECT g, CASE WHEN g % 4 = 0 THEN '00000000-0000-0000-0000-000000000001'::uuid ELSE gen_random_uuid() END FROM generate_series(1, 100000) g;
ANALYZE log;
SELECT teamrbac.protect_table('log', 'logs.view', NULL);
CREATE ROLE app;
GRANT SELECT ON log TO app;
SQL

my $ann = "SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000a1', false); SET ROLE app;";
my $plan = $node->safe_psql('postgres', "$ann EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT count(*) FROM log;");
like($plan, qr/Workers Launched: [1-9].*has_permission/s, 'workers run, and each checks');
is($node->safe_psql('postgres', "$ann SELECT count(*) FROM log;"), "\n25000", 'all of a reader\'s rows, and no more');
is($node->safe_psql('postgres', "SET ROLE app; SELECT count(*) FROM log;"), '0', 'nobody sees none');

# Within one REPEATABLE READ transaction, another session removes Ann between two parallel queries.
my $both = $node->safe_psql('postgres', <<"SQL");
$ann
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM log;
\\! psql -Xq -d "${\$node->connstr('postgres')}" -c "DELETE FROM teamrbac.membership WHERE role = 'reader'"
SELECT count(*) FROM log;
COMMIT;
SET $all_parallel = on;
SELECT teamrbac.has_permission('00000000-0000-0000-0000-000000000001', 'logs.view'), teamrbac.permitted_tenants('logs.view');
SQL
is($both, "\n25000\n0\nf|{}", 'the workers of the next query obey the removal');
$node->stop;
done_testing();
