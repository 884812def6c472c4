# The policies on Citus: a coordinator with shards of its own, two workers.  Where Citus is not installed there is nothing
# to test.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Teamrbac;
use Test::More;

my @nodes = map { PostgreSQL::Test::Cluster->new($_) } qw(coordinator worker1 worker2);
my ($coordinator, @workers) = @nodes;
my $secret = 'the secret that all the nodes of Citus have';
my ($acme, $borealis) = (id('01'), id('02'));

$coordinator->init;
$coordinator->start;
if ($coordinator->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'citus'") == 0)
{
	$coordinator->stop;
	plan skip_all => 'Citus is not installed';
}
$coordinator->stop;
$_->init for @workers;
for my $node (@nodes)
{
	$node->append_conf('postgresql.conf', <<"CONF");
listen_addresses = '127.0.0.1,127.0.0.2'
shared_preload_libraries = 'citus'
session_preload_libraries = 'teamrbac'
citus.node_conninfo = 'sslmode=disable'
citus.enable_statistics_collection = off
citus.max_background_task_executors = 1
log_min_messages = warning
wal_level = logical
CONF
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION citus');
}
sub sql { return $coordinator->safe_psql('postgres', shift) }

sql("SELECT citus_set_coordinator_host('127.0.0.1', ${\$coordinator->port})");
sql("SELECT citus_add_node('127.0.0.1', ${\$workers[0]->port})");
sql('CREATE EXTENSION teamrbac CASCADE; CREATE ROLE app LOGIN; CREATE ROLE owner LOGIN; GRANT CREATE ON SCHEMA public TO owner');
sql('GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean), teamrbac.sign_in_as_member(uuid, uuid, boolean) TO app');
sql(<<"SQL");
SELECT teamrbac.register_user(n || '\@example.com', n, ('00000000-0000-0000-0000-0000000000' || i)::uuid)
	FROM (VALUES ('Olivia', 'a1'), ('Dora', 'a3'), ('Rita', 'a4'), ('Mia', 'a5'), ('Stan', 'a6')) AS t(n, i);
SELECT teamrbac.define_permission('reports.view', 'View reports', '{developer}', true);
SELECT teamrbac.define_permission('reports.own', 'Change one''s own', '{reader}', true);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('$acme', 'Acme'), ('$borealis', 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	('$acme', '${\id('a1')}', 'owner'), ('$acme', '${\id('a3')}', 'developer'), ('$acme', '${\id('a4')}', 'reader'),
	('$borealis', '${\id('a1')}', 'owner'), ('$borealis', '${\id('a5')}', 'developer');
COMMIT;
SQL
sub try
{
	my ($sql, %options) = @_;
	my $node = $options{node} // $coordinator;
	my ($rc, $out, $err) = $node->psql('postgres', $sql, $options{host} ? (connstr => "host=$options{host} port=${\$node->port} dbname=postgres") : (),
		extra_params => [ '-v', 'VERBOSITY=verbose', '-U', $options{role} // 'app' ]);
	return $rc == 0 ? $out : $err =~ /ERROR:\s+(\w{5}): (.*)/ ? "$1 $2" : $err;
}
sub as
{
	my ($who, $sql, %options) = @_;
	my $sign_in = $who eq '' ? '' : $who =~ /^trk/ ? "DO \$\$ BEGIN PERFORM teamrbac.sign_in_with_api_key('$who'); END \$\$;"
		: $who =~ /^(..) in (..)$/ ? "DO \$\$ BEGIN PERFORM teamrbac.sign_in_as_member('${\id($1)}', '${\id($2)}'); END \$\$;"
		: "DO \$\$ BEGIN PERFORM teamrbac.sign_in('${\id($who)}'); END \$\$;";
	return try("BEGIN " . ($options{isolation} // '') . ";\n$sign_in\n$sql;\nCOMMIT;", %options);
}
my $tables = <<'SQL';
CREATE TABLE prompt (tenant_id uuid NOT NULL DEFAULT teamrbac.current_tenant_id(), id int, state text DEFAULT 'draft', PRIMARY KEY (tenant_id, id));
CREATE TABLE version (tenant_id uuid NOT NULL, prompt_id int, id int, PRIMARY KEY (tenant_id, prompt_id, id));
CREATE TABLE log (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id));
CREATE TABLE report (tenant_id uuid NOT NULL, id int, owner_id uuid DEFAULT teamrbac.current_user_id(), PRIMARY KEY (tenant_id, id));
GRANT ALL ON prompt, version, log, report TO app;
SQL

# ---- setting up ----------------------------------------------------------------------------------------

sql($tables);
my (undef, undef, $err) = $coordinator->psql('postgres', "SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit')");
like($err, qr/no secret is set to tell the nodes of Citus/, 'without a secret no table is protected');
sql("CALL teamrbac.set_cluster_secret('$secret')");
is($workers[0]->safe_psql('postgres', 'SELECT keeps_team FROM teamrbac.cluster'), 'f', 'the secret reaches the nodes');
sql("SELECT citus_add_node('127.0.0.1', ${\$workers[1]->port})");
sql("CALL teamrbac.set_cluster_secret('$secret')");
is($workers[1]->safe_psql('postgres', 'SELECT keeps_team FROM teamrbac.cluster'), 'f', 'and one that comes later');
(undef, undef, $err) = $coordinator->psql('postgres', "SET citus.enable_ddl_propagation = off; SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit')");
like($err, qr/would not reach its shards/, 'nor is it without propagation');
# Shards everywhere, the coordinator included.
sql("SELECT citus_set_node_property('127.0.0.1', ${\$coordinator->port}, 'shouldhaveshards', true)");
# Before they are distributed, and after.
sql("SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit')");
sql("SET citus.shard_count = 12; SELECT create_distributed_table('$_', 'tenant_id') FROM (SELECT 1) AS t") for qw(prompt version log report);
sql("SET search_path = teamrbac, public; SELECT teamrbac.protect_table('version', 'prompts.view', 'prompts.edit')");
sql("SELECT teamrbac.protect_table('log', 'logs.view', 'prompts.edit', across_tenants => true)");
sql("SELECT teamrbac.protect_table('report', 'reports.view', NULL, owner_column => 'owner_id', edit_own_permission => 'reports.own')");
# Many tenants' rows, on every node.
my $rows = "SELECT t, g FROM (SELECT '$acme'::uuid UNION ALL SELECT '$borealis' UNION ALL SELECT ('00000000-0000-0000-0001-' || lpad(to_hex(i), 12, '0'))::uuid FROM generate_series(1, 50) AS i) AS t(t), generate_series(1, 5) AS g";
sql("INSERT INTO $_ (tenant_id, id) $rows") for qw(prompt log report);
sql("INSERT INTO version SELECT t, g, 1 FROM ($rows) AS r");
is(sql("SELECT count(DISTINCT nodeport) FROM citus_shards WHERE table_name = 'prompt'::regclass"), '3', 'there are shards on each node');

# ---- reading -------------------------------------------------------------------------------------------

my $all = 'SELECT tenant_id, count(*) FROM prompt GROUP BY 1 ORDER BY 1';
my $key = sql("DO \$\$ BEGIN PERFORM teamrbac.sign_in('${\id('a1')}', false); END \$\$; SELECT secret FROM teamrbac.create_api_key('$acme', 'key', 'reader')");
my @reads = (
	[ 'a count over all shards', $all, 5 ],
	[ 'a tenant by its id', "$all" =~ s/FROM prompt/FROM prompt WHERE tenant_id = '$acme'/r, 5 ],
	[ 'a join', 'SELECT p.tenant_id, count(*) FROM prompt AS p JOIN version AS v ON v.tenant_id = p.tenant_id AND v.prompt_id = p.id GROUP BY 1', 5 ],
	[ 'a common table expression', 'WITH p AS MATERIALIZED (SELECT * FROM prompt ORDER BY id LIMIT 100) SELECT tenant_id, count(*) FROM p GROUP BY 1', 5 ],
	[ 'a sub-query', 'SELECT tenant_id, count(*) FROM prompt WHERE id IN (SELECT id FROM version ORDER BY id LIMIT 1000) GROUP BY 1', 0 ],
	[ 'own and others\' reports', 'SELECT tenant_id, count(*) FROM report GROUP BY 1', 5 ],
);
for my $read (@reads)
{
	my ($name, $sql, $n) = @$read;
	my $seen = as('a3', $sql);
	like($seen, qr/^($acme\|\d+)?$/, "$name: a member sees rows of their tenant alone");
	is($seen, "$acme|$n", "$name: all of them") if $n;
	is(as('a6', $sql), '', "$name: a stranger sees none");
	is(as('', $sql), '', "$name: nobody sees none");
	like(as('a1 in 02', $sql), qr/^($borealis\|\d+)?$/, "$name: who has entered another tenant sees that one's") if $sql !~ /= '$acme'/;
	is(as($key, $sql), $name =~ /report/ ? '' : $seen, "$name: a key of a reader sees what that role shows");
}
is(as('a1', 'SELECT tenant_id, count(*) FROM log GROUP BY 1 ORDER BY 1'), "$acme|5\n$borealis|5", 'across tenants, both are seen');
like(as('a1', $all), qr/^55000 no tenant has been entered/, 'who has entered none is told so by the worker');
is(as('a3', 'PREPARE p AS SELECT count(*) FROM prompt WHERE tenant_id = $1; ' . join('; ', ("EXECUTE p ('$acme')") x 7)), join("\n", (5) x 7), 'a prepared query');
is(as('a3', "SELECT count(*) FROM prompt; SAVEPOINT s; SELECT count(*) FROM version; ROLLBACK TO s; SELECT count(*) FROM prompt"), "5\n5\n5", 'savepoints');
is(as('a3', "DECLARE c CURSOR FOR SELECT id FROM prompt ORDER BY id; FETCH 2 FROM c; FETCH 3 FROM c"), "1\n2\n3\n4\n5", 'a cursor');
is(as('a3', "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT * FROM prompt WHERE tenant_id = '$acme'") =~ /rows=5/, 1, 'EXPLAIN ANALYZE');
is(as('a3', "EXPLAIN (COSTS off) SELECT * FROM prompt") =~ /Citus Adaptive/, 1, 'EXPLAIN');
is(as('a3', "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) WITH p AS MATERIALIZED (SELECT * FROM prompt ORDER BY id LIMIT 100) SELECT count(*) FROM p") =~ /Subplan/, 1, 'of several parts');
is(as('a3', "COPY (SELECT id FROM prompt WHERE id < 3 ORDER BY id) TO STDOUT; COPY version TO STDOUT") =~ tr/\n//, 6, 'COPY TO');
is(as('a3', "CREATE FUNCTION pg_temp.n() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM prompt); END'; SELECT pg_temp.n()"), '5', 'within a function');
is(as('a3', "SET LOCAL citus.enable_local_execution = off; $all"), "$acme|5", 'without local execution');
is(as('a3', "SET LOCAL citus.max_adaptive_executor_pool_size = 1; $all"), "$acme|5", 'with one connection for a node');
is(as('a3', "SET LOCAL citus.force_max_query_parallelization = on; $all"), "$acme|5", 'and with as many as there are shards');

# ---- writing -------------------------------------------------------------------------------------------

my $count = "SELECT count(*) FROM prompt WHERE tenant_id = '$acme'";
is(as('a3', "INSERT INTO prompt (id) VALUES (6), (7); UPDATE prompt SET state = 'live' WHERE id = 6; DELETE FROM prompt WHERE id = 7; $count"), '6', 'a member writes, in their tenant without naming it');
is(as('a3', "INSERT INTO prompt VALUES ('$acme', 6) ON CONFLICT (tenant_id, id) DO UPDATE SET state = 'x' RETURNING state"), 'x', 'upserts');
like(as('a3', "INSERT INTO prompt VALUES ('$borealis', 6)"), qr/^42501 new row violates row-level security/, 'and not in another');
is(as('a4', "UPDATE prompt SET state = 'w'; DELETE FROM prompt WHERE tenant_id = '$acme' AND id < 3; DELETE FROM prompt; SELECT count(*) FROM prompt WHERE state <> 'w'"), '6', 'a reader changes nothing');
like(as('a4', "INSERT INTO prompt VALUES ('$acme', 8)"), qr/^42501/, 'and adds nothing');
like(as('', "INSERT INTO prompt VALUES ('$acme', 8)"), qr/^42501/, 'nor does nobody');
is(as('a3', "UPDATE prompt SET state = 'y'; DELETE FROM prompt WHERE id = 6; $count") . sql("SELECT count(*) FROM prompt WHERE state = 'y'"), '55', 'a change of all rows changes one\'s own');
is(as('a4', "INSERT INTO report (tenant_id, id) VALUES ('$acme', 10); UPDATE report SET id = 11 WHERE id = 10; SELECT 1"), '1', 'own rows are written');
like(as('a4', "INSERT INTO report VALUES ('$acme', 12, '${\id('a3')}')"), qr/^42501/, 'others\' are not');
is(as('a3', "INSERT INTO version SELECT tenant_id, id, 2 FROM prompt; SELECT count(*) FROM version WHERE id = 2"), '5', 'INSERT ... SELECT within the shards');
sub rows_of { return sql("SELECT count(*) FROM $_[0] WHERE tenant_id " . ($_[1] // "<> '$acme'")) }

# COPY and INSERT ... SELECT by way of the coordinator: into each tenant's shard in turn, on each node.
my @tenants = split /\n/, sql("SELECT DISTINCT ON (nodeport) tenant_id FROM (SELECT tenant_id, get_shard_id_for_distribution_column('prompt', tenant_id) AS shardid FROM (SELECT DISTINCT tenant_id FROM prompt) AS t) AS t JOIN citus_shards USING (shardid) WHERE tenant_id NOT IN ('$acme', '$borealis') ORDER BY nodeport, tenant_id");
is(scalar @tenants, 3, 'a tenant on each node');
my $before = rows_of('prompt');
for my $tenant (@tenants)
{
	for my $who ('a3', '', 'a5')
	{
		like(as($who, "COPY prompt FROM STDIN;\n$tenant\t100\tcopied\n\\.\n"), qr/^(0A000|42501|23514) /, "'$who': COPY into another tenant is refused");
		like(as($who, "INSERT INTO prompt SELECT '$tenant'::uuid, g, 'x' FROM generate_series(200, 210) AS g"), qr/^(0A000|42501|23514) /, "'$who': INSERT ... SELECT too");
		like(as($who, "WITH a AS MATERIALIZED (SELECT g FROM generate_series(300, 301) AS g ORDER BY 1 LIMIT 5) INSERT INTO prompt SELECT '$tenant'::uuid, g, 'x' FROM a"), qr/^(0A000|42501|23514) /, "'$who': and of a common table expression");
	}
}
is(rows_of('prompt'), $before, 'no row of another tenant was written');
# MERGE, by way of the coordinator and within the shards.
for my $who ('a3', 'a4', '', 'a5')
{
	for my $source ("(SELECT t AS tenant_id, g AS id FROM unnest('{${\join(',', @tenants)}}'::uuid[]) AS t, generate_series(400, 401) AS g)", '(SELECT tenant_id, id + 400 AS id FROM log)')
	{
		my $said = as($who, "MERGE INTO prompt AS p USING $source AS s ON p.tenant_id = s.tenant_id AND p.id = s.id WHEN MATCHED THEN UPDATE SET state = 'merged' WHEN NOT MATCHED THEN INSERT (tenant_id, id) VALUES (s.tenant_id, s.id)");
		like($said, qr/^XX000 non-IMMUTABLE functions are not yet supported in MERGE/, "'$who': Citus has no MERGE of a table with policies that ask");
	}
}
is(rows_of('prompt'), $before, 'no row of another tenant was merged');

# ---- a change of the team is obeyed --------------------------------------------------------------------

for my $isolation ('', 'ISOLATION LEVEL REPEATABLE READ')
{
	my $session = $coordinator->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'app' ]);
	$session->query_safe("BEGIN $isolation");
	$session->query("SELECT teamrbac.sign_in('${\id('a3')}')");
	is($session->query("PREPARE p AS SELECT count(*) FROM prompt; EXECUTE p"), '5', "$isolation: a member sees");
	is($session->query("UPDATE prompt SET state = 'z' RETURNING 1") =~ tr/1//, 5, 'and changes');
	is($session->query("DELETE FROM report WHERE id = 5 RETURNING 1"), '', 'but not what one may only see');
	$session->query('DECLARE c CURSOR FOR SELECT id FROM prompt');
	is($session->query('FETCH 1 FROM c') =~ /^\d$/, 1, 'and begins to read');
	sql("UPDATE teamrbac.membership SET role = 'reader' WHERE user_id = '${\id('a3')}'");
	is($session->query("UPDATE prompt SET state = 'z' RETURNING 1"), '', "$isolation: once demoted, not a row is changed any more, in the same transaction");
	is($session->query('EXECUTE p'), '5', 'but seen they are');
	$session->query('SAVEPOINT s');
	unlike($session->query('FETCH 1 FROM c') // '', qr/^\d+$/, 'the cursor is read no more');
	like($session->{stderr}, qr/cursor can no longer be read/, 'and says why');
	$session->query('ROLLBACK TO s');
	sql("DELETE FROM teamrbac.membership WHERE user_id = '${\id('a3')}'");
	is($session->query('EXECUTE p'), '0', "$isolation: once removed, nothing is seen, prepared or not");
	$session->query('ROLLBACK');
	$session->quit;
	sql("INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$acme', '${\id('a3')}', 'developer')");
}

# A query within a function, of a statement that Citus executes, obeys too: it has an authority of its own.
sql("CREATE FUNCTION public.seen_by(who uuid) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM teamrbac.sign_in(who); RETURN (SELECT string_agg(DISTINCT tenant_id::text, '','') FROM public.prompt); END'");
is(as('a3', "SELECT public.seen_by('${\id('a5')}') FROM (SELECT count(*) FROM prompt) AS c"), $borealis, 'who signs in within a statement is asked about in there');
is(as('a3', "WITH c AS MATERIALIZED (SELECT count(*) AS n FROM prompt) SELECT n, public.seen_by('${\id('a5')}') FROM c"), "5|$borealis", 'beside a part of it, which has the statement\'s');

# ---- each query goes by its own ticket -----------------------------------------------------------------

# The tenants' shards on workers that are not the same, where they are asked by a connection.
sub port_of { return sql("SELECT nodeport FROM citus_shards WHERE shardid = get_shard_id_for_distribution_column('prompt', '$_[0]')") }
sub move
{
	my ($tenant, $to) = @_;
	my $from = port_of($tenant);
	return if $from == $to;
	sql("SELECT citus_move_shard_placement(get_shard_id_for_distribution_column('prompt', '$tenant'), '127.0.0.1', $from, '127.0.0.1', $to, 'block_writes')");
	sql('CALL citus_cleanup_orphaned_resources()');
}
my %port = map { $_ => port_of($_) } $acme, $borealis;
move($acme, $workers[0]->port);
move($borealis, $workers[1]->port);
my ($in_acme, $in_borealis) = map { "SELECT count(*) FROM prompt WHERE tenant_id = '$_'" } $acme, $borealis;
my $out = 'DO $$ BEGIN PERFORM teamrbac.sign_out(); END $$';
sql("CREATE FUNCTION public.atomic_count() RETURNS bigint LANGUAGE sql VOLATILE BEGIN ATOMIC SELECT count(*) FROM public.prompt; END");
is(as('a3', 'SELECT public.atomic_count()'), '5', 'an SQL function without a text of its own');
is(as('a3', "$all; $out; SELECT public.atomic_count()"), "$acme|5\n0", 'does not go by the ticket of the statement before');
is(as('a3', "$in_acme; SAVEPOINT s; $in_borealis; RELEASE s; $in_acme; $in_borealis"), "5\n0\n5\n0", 'a savepoint that was released');
is(as('a3', "SAVEPOINT s; $in_borealis; RELEASE s; $in_acme"), "0\n5", 'a worker that is asked for the first time after it');
is(as('a3', "$in_borealis; SAVEPOINT s; $out; $in_borealis; RELEASE s; $in_acme"), "0\n0\n0", 'is not asked in the name of who was there before it');
sql(<<"SQL");
CREATE FUNCTION public.count_as(who uuid, back uuid) RETURNS bigint LANGUAGE plpgsql AS
	'DECLARE n bigint; BEGIN PERFORM teamrbac.sign_in(who); SELECT count(*) INTO n FROM public.prompt; PERFORM teamrbac.sign_in(back); RETURN n; END';
CREATE FUNCTION public.hides() RETURNS bigint LANGUAGE plpgsql SET teamrbac.ticket = '' AS
	'BEGIN RETURN public.count_as(''${\id('a5')}'', ''${\id('a3')}''); END';
SQL
my $count_as = "public.count_as('${\id('a5')}', '${\id('a3')}')";
is(as('a3', "WITH s AS MATERIALIZED (SELECT $count_as AS n) SELECT tenant_id, n, count(*) FROM s, prompt GROUP BY 1, 2"), "$acme|5|5",
	'what a part of a statement asked in another\'s name leaves the statement its own');
is(as('a3', "WITH s AS MATERIALIZED (SELECT $count_as AS n), t AS MATERIALIZED (SELECT tenant_id, count(*) AS m FROM prompt, s GROUP BY 1 LIMIT 9) SELECT t.*, n FROM s, t"), "$acme|5|5",
	'and its other parts');
is(as('a3', "SELECT $count_as; $all"), "5\n$acme|5", 'and the next statement');
like(as('a3', "$all; SELECT public.hides(); $all"), qr/^42501 setting "teamrbac.ticket" cannot be set/, 'nobody takes the ticket away for the time of a function');
is(as('a3', "SELECT public.hides(); $all"), "5\n$acme|5", 'where there was none, there is none after it');
move($_, $port{$_}) for $acme, $borealis;

# ---- outside a transaction block -----------------------------------------------------------------------

my $session_in = "DO \$\$ BEGIN PERFORM teamrbac.sign_in('${\id('a3')}', false); END \$\$;\n";
is(try("$session_in $all"), "$acme|5", 'outside a block: over all shards');
is(try("$session_in $count"), '5', 'of one shard');
is(try("$session_in INSERT INTO prompt VALUES ('$acme', 50); UPDATE prompt SET state = 'q' WHERE id = 50; DELETE FROM prompt WHERE id = 50 RETURNING state"), 'q', 'writing');
is(try("$session_in CREATE FUNCTION pg_temp.n() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM prompt); END'; SELECT pg_temp.n()"), '5', 'within a function');
is(try("$session_in BEGIN; $count; COMMIT; $count; SELECT now() = statement_timestamp() OR true"), "5\n5\nt", 'each statement is a transaction of its own');
is(try("$session_in SELECT 1/0 FROM prompt; SELECT 1", role => 'app') =~ /^22012/ ? 1 : 0, 1, 'an error ends it');
is(sql("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"), '0', 'and no transaction stays open');
like(try("SELECT teamrbac.sign_in('${\id('a3')}', false); DO \$\$ DECLARE n bigint; BEGIN SELECT count(*) INTO n FROM prompt; COMMIT; RAISE EXCEPTION 'n=%', n; END \$\$"), qr/n=5/, 'in a block of code that commits');

# By the protocol that drivers use, each statement a transaction of its own.
my $script = PostgreSQL::Test::Utils::tempdir() . '/script.sql';
append_to_file($script, "SELECT 1 / (count(*) = 5)::int FROM prompt WHERE tenant_id = '$acme';\nSELECT 1 / (count(*) = 5)::int FROM prompt;\nUPDATE prompt SET state = 'p' WHERE id = 1;\n");
sql("ALTER ROLE app SET session_preload_libraries = 'teamrbac'; CREATE ROLE mapped LOGIN; GRANT app TO mapped; SELECT teamrbac.map_database_role('${\id('a3')}', 'mapped')");
for my $mode (qw(simple extended prepared))
{
	$coordinator->command_ok([ 'pgbench', '-n', '-M', $mode, '-U', 'mapped', '-c', '2', '-t', '20', '-f', $script, '-d', $coordinator->connstr('postgres') ],
		"$mode queries of a role that is mapped to a user, outside of any block");
}
is(sql("SELECT count(*) FROM prompt WHERE state = 'p'"), '1', 'what they wrote is committed');
is(sql("SELECT count(*) FROM pg_prepared_xacts"), '0', 'and nothing waits');

# ---- against a table of one server ---------------------------------------------------------------------

# Random statements by random people, with random changes of the team between them, on the distributed tables and on a copy
# that is not distributed: the same rows, or the same refusal.
srand(20);
sql("CREATE SCHEMA plain; GRANT USAGE ON SCHEMA plain TO app; SET search_path = plain; " . ($tables =~ s/CREATE TABLE \w+/$&/gr));
sql("INSERT INTO plain.$_ SELECT * FROM public.$_") for qw(prompt version log report);
sql("SET search_path = plain; SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit'), teamrbac.protect_table('version', 'prompts.view', 'prompts.edit'),
	teamrbac.protect_table('log', 'logs.view', 'prompts.edit', across_tenants => true),
	teamrbac.protect_table('report', 'reports.view', NULL, owner_column => 'owner_id', edit_own_permission => 'reports.own')");
sub pick { return $_[ rand @_ ] }
sub statement
{
	my $table = pick(qw(prompt version log report));
	my $tenant = pick($acme, $borealis, '00000000-0000-0000-0001-000000000007');
	my $where = pick('true', "tenant_id = '$tenant'", 'id < 3', "tenant_id = '$tenant' AND id = 2");
	return pick(
		"SELECT * FROM $table WHERE $where ORDER BY 1, 2, 3",
		"SELECT tenant_id, count(*) FROM $table WHERE $where GROUP BY 1 ORDER BY 1",
		"SELECT a.*, b.id FROM $table AS a JOIN log AS b ON b.tenant_id = a.tenant_id AND b.id = a.id WHERE a.$where ORDER BY 1, 2, 3, 4" =~ s/a\.true/true/r,
		"WITH t AS MATERIALIZED (SELECT * FROM $table WHERE $where ORDER BY 1, 2, 3 LIMIT 7) SELECT count(*) FROM t",
		"SELECT count(*) FROM $table AS a WHERE EXISTS (SELECT FROM prompt AS p WHERE p.tenant_id = a.tenant_id AND p.id = a.id)",
		"INSERT INTO $table (tenant_id, " . ($table eq 'version' ? 'prompt_id, ' : '') . "id) VALUES ('$tenant', " . ($table eq 'version' ? '1, ' : '') . int(rand(30)) . ") ON CONFLICT DO NOTHING",
		"UPDATE prompt SET state = '" . pick(qw(a b c)) . "' WHERE $where",
		"DELETE FROM $table WHERE id = " . int(rand(30)) . pick('', " AND tenant_id = '$tenant'"));
}
sub change
{
	my ($user, $tenant) = (id(pick(qw(a3 a4 a5 a6))), pick($acme, $borealis));
	return pick("DELETE FROM teamrbac.membership WHERE user_id = '$user' AND tenant_id = '$tenant'",
		"INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$tenant', '$user', '" . pick(qw(reader developer admin)) . "')
			ON CONFLICT (tenant_id, user_id) DO UPDATE SET role = EXCLUDED.role",
		"UPDATE teamrbac.membership SET expires_at = '" . pick('2001-01-01', '2999-01-01') . "' WHERE user_id = '$user'");
}
# What was printed up to the refusal, if any: a constraint of Citus' shards has another code than the policy.
sub outcome { return $_[0] =~ s/^(42501|23514) .*/42501/r }
my ($differences, $statements, $refusals) = (0, 0, 0);
for my $round (1 .. ($ENV{TEAMRBAC_ROUNDS} // 40))
{
	sql(change());
	my $who = pick('', 'a1', 'a1 in 01', 'a1 in 02', 'a3', 'a4', 'a5', 'a6');
	my @list = map { statement() } 1 .. 5;
	for my $sql (@list)
	{
		my ($there, $here) = map { outcome(as($who, "SET LOCAL search_path = $_; $sql")) } qw(public plain);
		$statements++;
		$refusals++ if $here =~ /^\d{5} /;
		next if $there eq $here;
		$differences++;
		diag("$who: $sql\nCitus: $there\nplain: $here");
	}
}
is($differences, 0, "$statements random statements, $refusals of them refused, as on one server");
for my $table (qw(prompt version log report))
{
	is(sql("SELECT count(*) FROM ((TABLE public.$table EXCEPT TABLE plain.$table) UNION ALL (TABLE plain.$table EXCEPT TABLE public.$table)) AS d"), '0', "$table: they leave the same rows");
}
sql(<<"SQL");
DELETE FROM teamrbac.membership WHERE user_id <> '${\id('a1')}';
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$acme', '${\id('a3')}', 'developer'), ('$acme', '${\id('a4')}', 'reader'), ('$borealis', '${\id('a5')}', 'developer');
TRUNCATE prompt, report, version, log;
SQL
sql("INSERT INTO $_ (tenant_id, id) $rows") for qw(prompt log report);
sql("INSERT INTO version SELECT t, g, 1 FROM ($rows) AS r");

# ---- what the client may not ---------------------------------------------------------------------------

like(as('a3', "SET LOCAL teamrbac.ticket = 'x'; $all"), qr/^42501 setting "teamrbac.ticket" cannot be set/, 'nobody sets a ticket on the coordinator');
is(as('a3', "$all; SHOW teamrbac.ticket"), "$acme|5\n(not shown)", 'nor sees one');
is(as('a3', "$all; SET LOCAL citus.propagate_set_commands = 'local'; RESET teamrbac.ticket; $all"), "$acme|5\n$acme|5", 'one taken away is given anew');
for my $worker (@workers)
{
	my $name = $worker->name;
	like(try($all, node => $worker), qr/^28000 no valid ticket says who is asking/, "$name: on a worker's own port nobody is anybody");
	like(try("SELECT teamrbac.sign_in('${\id('a3')}', false)", node => $worker), qr/^(42501|28000)/, "$name: nor signs in");
	(undef, undef, $err) = $worker->psql('postgres', "SELECT teamrbac.sign_in('${\id('a3')}', false)");
	like($err, qr/unknown or disabled user|the team is not kept/, "$name: not even as a superuser");
	(undef, undef, $err) = $worker->psql('postgres', "SELECT teamrbac.register_user('y\@example.com', 'Y')");
	like($err, qr/the team is not kept on this server/, "$name: commands are refused");
	(undef, undef, $err) = $worker->psql('postgres', "CREATE TABLE own (tenant_id uuid NOT NULL PRIMARY KEY); SELECT teamrbac.protect_table('own', 'prompts.view', NULL)", on_error_stop => 0);
	like($err, qr/the team is not kept on this server|operation is not allowed on this node/, "$name: so is protect_table");
	my @shards = split /\n/, $worker->safe_psql('postgres', "SELECT 'prompt_' || shardid FROM citus_shards WHERE table_name = 'prompt'::regclass AND nodeport = ${\$worker->port}");
	cmp_ok(scalar @shards, '>', 0, "$name: has shards");
	like(try("SET citus.override_table_visibility = off; SELECT count(*) FROM $shards[0]", node => $worker), qr/^28000/, "$name: a shard by its name shows nothing");
	like(try("SET citus.override_table_visibility = off; INSERT INTO $shards[0] VALUES ('$acme', 99)", node => $worker), qr/^(28000|42501)/, "$name: takes nothing");
	like(try("SET citus.override_table_visibility = off; COPY $shards[0] FROM STDIN;\n$acme\t99\tx\n\\.\n", node => $worker), qr/^(0A000|28000|42501|23514)/, "$name: nor by COPY");
	like(try("SET teamrbac.ticket = '1 ${\('0' x 64)} 0 1 1'; SELECT 1", node => $worker), qr/^28000/, "$name: no forged ticket");
	local $ENV{PGAPPNAME} = 'citus_internal gpid=10000000001';
	like(try("BEGIN; SET LOCAL teamrbac.ticket = '1 ${\('0' x 64)} 0 9000000000000000 1\n617070\n\n'; $all", node => $worker), qr/^28000/, "$name: nor in a session called Citus'");
}
{
	local $ENV{PGAPPNAME} = 'citus_internal gpid=10000000001';
	like(as('', $all), qr/^28000/, 'a session called Citus\' on the coordinator says who is asking, or nothing is answered');
}

# A ticket that others of the role get to see is of no use to them.
my $log = $workers[0]->logfile;
my $seen = -s $log;
is(as('a3', $all), "$acme|5", 'a query whose ticket is seen');
my ($stolen) = slurp_file($log, $seen) =~ /SET LOCAL teamrbac\.ticket (?:TO|=) '(1 [0-9a-f]{64} .*?)'/s;
ok(defined $stolen, 'in a worker\'s log');
$stolen =~ s/\n\t/\n/g;
my $use = "BEGIN; SET LOCAL teamrbac.ticket = '$stolen'; $all";
like(try($use, node => $workers[0]), qr/^28000 setting "teamrbac.ticket" cannot be set/, 'it is refused in a session of a client\'s');
like(try($use), qr/^42501 setting "teamrbac.ticket" cannot be set/, 'where the team is kept');
{
	local $ENV{PGAPPNAME} = 'citus_internal gpid=10000000001';
	like(try($use, node => $workers[0]), qr/^28000 setting "teamrbac.ticket" cannot be set/, 'in the name of another process');
}
# Whoever called themselves Citus' connection of the process that signed it, from the same machine, would be who it says for a
# minute, where rows are concerned, the audit's too: no team is managed so.
{
	my $session = $coordinator->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'app' ]);
	$session->query_safe('BEGIN');
	$session->query("SELECT teamrbac.sign_in('${\id('a1')}'), teamrbac.act_in_tenant('$acme')");
	my $pid = $session->query('SELECT pg_backend_pid()');
	$seen = -s $log;
	$session->query('SELECT count(*) FROM prompt');
	my ($hers) = slurp_file($log, $seen) =~ /SET LOCAL teamrbac\.ticket (?:TO|=) '(1 [0-9a-f]{64} .*?)'/s;
	$hers =~ s/\n\t/\n/g;
	local $ENV{PGAPPNAME} = sprintf('citus_internal gpid=1%010d', $pid);
	my $as_her = "BEGIN; SET LOCAL teamrbac.ticket = '$hers'";
	is(try("$as_her; SELECT teamrbac.current_user_id()"), id('a1'), 'a ticket in a session that calls itself Citus\'');
	for my $sql ("SELECT teamrbac.create_api_key('$acme', 'key', 'admin')", "SELECT teamrbac.invite_member('$acme', 'x\@example.com', 'admin')", 'SELECT teamrbac.make_ticket()',
		'TABLE teamrbac.team', 'SELECT * FROM teamrbac.my_tenants()', "SELECT teamrbac.create_tenant('Mine')", "SELECT teamrbac.act_in_tenant('$acme')",
		"CALL teamrbac.change_role('$acme', '${\id('a4')}', 'admin')", "CALL teamrbac.remove_member('$acme', '${\id('a4')}')", "CALL teamrbac.transfer_ownership('$acme', '${\id('a4')}')",
		"SELECT teamrbac.start_review('$acme', now() + interval '1 day')", "SELECT * FROM teamrbac.members_page('$acme')", 'TABLE teamrbac.api_key_overview')
	{
		like(try("$as_her; $sql"), qr/^(55000 the team is not asked for by a connection that Citus makes|42501 permission denied)/, "manages no team: $sql");
	}
	# The machine's other address is not one that the server's own connections come from.
	like(try("$as_her; SELECT 1", host => '127.0.0.2'), qr/^42501 setting "teamrbac.ticket" cannot be set/, 'nor is accepted by another way than the server\'s own');
	$session->quit;
}
(my $quoted = $stolen) =~ s/'/''''/g;
like(as('', "SELECT success, result FROM run_command_on_workers('SELECT set_config(''teamrbac.ticket'', ''$quoted'', true)')"), qr/^(f\|.*cannot be set\s*)+$/,
	'and by what Citus has to run commands');
like(as('a3', "SET LOCAL citus.log_remote_commands = on; $all"), qr/^55000 no ticket is given to the nodes of Citus while the client is shown it/, 'the client is not shown it');
like(as('', "SELECT success, result FROM run_command_on_shards('prompt', 'SELECT count(*) FROM %s')"), qr/^(f\|.*no valid ticket.*\s*)+$/, 'on no shard does anybody see no rows for want of a ticket');
for my $sql ('TABLE teamrbac.team', 'SELECT * FROM teamrbac.my_tenants()', "SELECT * FROM teamrbac.explain_permission('$acme', 'prompts.view')")
{
	like(try($sql, node => $workers[0]), qr/^(55000 the team is not kept|28000 no valid ticket)/, "a worker knows nothing of the team: $sql");
}

# ---- check_setup ---------------------------------------------------------------------------------------

# Findings about Citus' nodes, tables and settings; of others there are some in any fresh database.
sub findings { return sql("SELECT severity, object, problem FROM teamrbac.check_setup() WHERE object ~ 'node|citus' OR problem ~ 'Citus' OR severity = 'critical' AND problem !~ 'no policy asks'") =~ s/:\d+/:PORT/gr }
my $shards_here = qr/^notice\|node 127.0.0.1:PORT\|has shards of protected tables, and clients: .*$/;
like(findings(), $shards_here, 'nothing is wrong, but for shards where clients are');
sub wrong { return findings() =~ s/^notice\|node .*\n?//mr =~ s/\n\z//r }
is(wrong(), '', 'nothing else is');
$workers[1]->safe_psql('postgres', 'CALL teamrbac.set_cluster_secret(NULL, false)');
like(wrong(), qr/^critical\|node 127.0.0.1:PORT\|does not have this node's secret/, 'a node without the secret');
$workers[1]->safe_psql('postgres', "CALL teamrbac.set_cluster_secret('another secret than all the others have it', false)");
like(wrong(), qr/does not have this node's secret/, 'a node with another one');
like(as('a3', $all), qr/^28000/, 'which refuses tickets');
(undef, undef, $err) = $coordinator->psql('postgres', "\\set VERBOSITY verbose\nBEGIN; SELECT FROM teamrbac.sign_in('${\id('a3')}'); $all", extra_params => [ '-U', 'app' ]);
like($err, qr/setting "teamrbac.ticket" cannot be set/, 'and says so');
unlike($err, qr/[0-9a-f]{64}|${\id('a3')}|prompts\.view/, 'without what stands in it');
sql("CALL teamrbac.set_cluster_secret('$secret')");
is(wrong(), '', 'set again, all is well');
sql('SET citus.enable_ddl_propagation = off; ALTER TABLE log NO FORCE ROW LEVEL SECURITY');
like(wrong(), qr/4 shards have other policies than their table: public\.log_\d+, .*(\n.*){2}/, 'policies that differ on each node\'s shards');
sql('SET citus.enable_ddl_propagation = off; ALTER TABLE log FORCE ROW LEVEL SECURITY');
sql('CREATE POLICY late ON log AS RESTRICTIVE USING (false)');
like(wrong(), qr/critical\|policy late on public\.log\|restrictive: Citus makes it permissive/, 'a restrictive policy');
sql("DROP POLICY late ON log; ALTER TABLE log DROP CONSTRAINT teamrbac_rows");
like(wrong(), qr/critical\|public\.log\|was protected before Citus was there/, 'a table without a wall');
is(sql("SELECT teamrbac.restore_protection('log')"), 'log', 'restore_protection builds it again');
is(wrong(), '', 'protected again');
$workers[1]->safe_psql('postgres', "UPDATE pg_extension SET extversion = '1.9' WHERE extname = 'teamrbac'");
like(wrong(), qr/^critical\|node 127.0.0.1:PORT\|has version 1.9 of teamrbac/, 'ALTER EXTENSION that was not everywhere');
$workers[1]->safe_psql('postgres', "UPDATE pg_extension SET extversion = '2.0' WHERE extname = 'teamrbac'");
like(sql("SET citus.enable_ddl_propagation = off; SELECT problem FROM teamrbac.check_setup() WHERE object LIKE 'setting citus%'"), qr/does not reach its shards/, 'propagation that is off');
sql('CREATE TABLE own (tenant_id uuid NOT NULL PRIMARY KEY); CREATE POLICY mine ON own AS RESTRICTIVE USING (true)');
(undef, undef, $err) = $coordinator->psql('postgres', "SELECT teamrbac.protect_table('own', 'logs.view', 'prompts.edit')");
like($err, qr/has policies of its own/, 'a table with a restrictive policy is not protected');
sql('DROP TABLE own');

# ---- what DBAs do --------------------------------------------------------------------------------------

my $shard = sql("SELECT get_shard_id_for_distribution_column('prompt', '$acme')");
my ($from, $to) = split /\|/, sql("SELECT s.nodeport, (SELECT min(nodeport) FROM pg_dist_node WHERE nodeport <> s.nodeport) FROM citus_shards AS s WHERE shardid = $shard");
sql("SELECT citus_move_shard_placement($shard, '127.0.0.1', $from, '127.0.0.1', $to, 'block_writes')");
is(as('a3', $all), "$acme|5", 'a shard that has moved');
sql("SELECT isolate_tenant_to_new_shard('prompt', '$acme', 'CASCADE', shard_transfer_mode := 'block_writes')");
is(as('a3', $all), "$acme|5", 'a tenant on a shard of its own');
is(as('a6', $all), '', 'a stranger there');
sql('ALTER TABLE version ADD COLUMN note text');
is(as('a3', 'SELECT count(note), count(*) FROM version WHERE id = 1'), '0|5', 'a column added');
sql("BEGIN; SELECT teamrbac.unprotect_table('version'); SELECT teamrbac.protect_table('version', 'reports.view', 'prompts.edit'); COMMIT");
is(as('a4', 'SELECT count(*) FROM version'), '0', 'other permissions hold on all shards at once');
is(wrong(), '', 'nothing is wrong after all that');
sql("SELECT teamrbac.unprotect_table('log')");
is(as('', 'SELECT count(*) > 200 FROM log'), 't', 'no longer protected');
is(sql("SELECT count(*) FROM pg_constraint WHERE conname = 'teamrbac_rows' AND conrelid = 'log'::regclass"), '0', 'and without a wall');
sql("SELECT undistribute_table('report')");
is(as('a3', 'SELECT tenant_id, count(*) FROM report GROUP BY 1'), "$acme|5", 'undistributed, it is protected still');
like(wrong(), qr/^warning\|public\.report\|has the policies of protect_table, but is not on record/, 'but not on record');
sql("BEGIN; SELECT teamrbac.unprotect_table('report'); SELECT teamrbac.protect_table('report', 'reports.view', NULL, owner_column => 'owner_id', edit_own_permission => 'reports.own'); COMMIT");

# With the guard, what a schema tool does on the coordinator reaches no shard.
sql('SELECT teamrbac.guard_protection()');
for my $ddl ('ALTER TABLE prompt DISABLE ROW LEVEL SECURITY', 'DROP POLICY teamrbac_view ON prompt', 'CREATE POLICY open ON prompt USING (true)', 'CREATE POLICY narrow ON prompt AS RESTRICTIVE USING (true)', 'ALTER TABLE prompt DROP CONSTRAINT teamrbac_rows')
{
	(undef, undef, $err) = $coordinator->psql('postgres', $ddl);
	like($err, qr/this would leave table "prompt" without its protection/, "guarded: $ddl");
}
is(wrong(), '', 'the shards are as they were');
my $recorded = sql('SELECT count(*) FROM teamrbac.protected_table');
sql("CREATE TABLE late (tenant_id uuid NOT NULL PRIMARY KEY); SELECT teamrbac.protect_table('late', 'prompts.view', NULL); SELECT create_distributed_table('late', 'tenant_id'); ALTER TABLE late ADD COLUMN n int; DROP TABLE late");
is(sql('SELECT count(*) FROM teamrbac.protected_table'), $recorded, 'a table that is distributed under guard, and dropped, is off the record');
sql('SELECT teamrbac.unguard_protection()');

# Rows of a table whose owner policies bind are not lost when it is distributed, or no longer.
sql("SET ROLE owner; CREATE TABLE kept (tenant_id uuid NOT NULL PRIMARY KEY); INSERT INTO kept VALUES ('$acme'), ('$borealis'); SELECT teamrbac.protect_table('kept', 'prompts.view', NULL)");
my ($rc) = $coordinator->psql('postgres', "SET ROLE owner; SELECT create_distributed_table('kept', 'tenant_id')");
is($rc == 0 ? 'done' : 'refused', 'refused', 'its owner cannot distribute a table with rows once it is protected');
is(sql('SELECT count(*) FROM kept'), '2', 'which keeps its rows');
sql("SELECT create_distributed_table('kept', 'tenant_id')");
is(sql('SELECT count(*) FROM kept'), '2', 'a superuser can');
($rc, undef, $err) = $coordinator->psql('postgres', "SET ROLE owner; SET row_security = off; SELECT undistribute_table('kept')");
like($err, qr/would be affected by row-level security/, 'with row_security off its owner gets an error from what would copy what they see');
my $risky = sql("SELECT string_agg(problem, '') || string_agg(object, ' ' ORDER BY object) FROM teamrbac.check_setup() WHERE problem ~ 'lose the rows'");
like($risky, qr/pg_catalog\.alter_distributed_table.* pg_catalog\.undistribute_table/, 'check_setup says what loses them without');
sql("SELECT format('%s', remedy) FROM teamrbac.check_setup() WHERE problem ~ 'lose the rows' \\gexec");
is(wrong(), '', 'and how to forbid it');
($rc, undef, $err) = $coordinator->psql('postgres', "SET ROLE owner; SELECT undistribute_table('kept')");
like($err, qr/permission denied for function undistribute_table/, 'to the owner');
is(sql('SELECT count(*) FROM kept'), '2', 'who has lost no row');
for my $node (@nodes)
{
	my $shard = sql("SELECT get_shard_id_for_distribution_column('kept', '$acme')");
	my ($from, $to) = split /\|/, sql("SELECT s.nodeport, (SELECT min(nodeport) FROM pg_dist_node WHERE nodeport <> s.nodeport) FROM citus_shards AS s WHERE shardid = $shard");
	if ($from != $node->port)
	{
		sql("SELECT citus_move_shard_placement($shard, '127.0.0.1', $from, '127.0.0.1', ${\$node->port}, 'block_writes')");
		($from, $to) = ($node->port, $from);
	}
	($rc, undef, $err) = $coordinator->psql('postgres', "SET ROLE owner; SELECT citus_move_shard_placement($shard, '127.0.0.1', $from, '127.0.0.1', $to, 'block_writes')");
	like($err, qr/no valid ticket says who is asking/, $node->name . ': nor do they move a shard by what they see');
	is(sql('SELECT count(*) FROM kept'), '2', 'all rows are there');
}
sql("SELECT undistribute_table('kept')");
is(sql('SELECT count(*) FROM kept'), '2', 'a superuser undistributes it');
sql('DROP TABLE kept');

# A reference table is on every node.
sql("CREATE TABLE setting (tenant_id uuid NOT NULL PRIMARY KEY, v int); GRANT ALL ON setting TO app; INSERT INTO setting VALUES ('$acme'), ('$borealis'); SELECT teamrbac.protect_table('setting', 'prompts.view', 'prompts.edit'); SELECT create_reference_table('setting')");
is(as('a3', 'SELECT tenant_id FROM setting; UPDATE setting SET v = 1 RETURNING tenant_id'), "$acme\n$acme", 'a reference table: a member');
is(as('a4', 'UPDATE setting SET v = 2 RETURNING v; SELECT count(*) FROM setting AS s JOIN prompt AS p USING (tenant_id)'), '5', 'a reader, and a join');
is(as('', 'SELECT count(*) FROM setting'), '0', 'nobody');
like(as('a3', "COPY setting FROM STDIN;\n$tenants[0]\t1\n\\.\n"), qr/^(0A000|42501|23514) /, 'COPY');
sql('DROP TABLE setting');

# ---- schemas, and foreign keys -------------------------------------------------------------------------

sql("SET citus.enable_schema_based_sharding = on; CREATE SCHEMA tenant_acme; GRANT USAGE ON SCHEMA tenant_acme TO app; CREATE TABLE tenant_acme.note (tenant_id uuid NOT NULL PRIMARY KEY, body text);
	INSERT INTO tenant_acme.note VALUES ('$acme', 'x'); SELECT teamrbac.protect_table('tenant_acme.note', 'prompts.view', 'prompts.edit'); GRANT ALL ON tenant_acme.note TO app");
my $note = 'SELECT count(*) FROM tenant_acme.note';
for my $port (map { $_->port } @nodes)
{
	sql("SELECT citus_schema_move('tenant_acme', '127.0.0.1', $port, 'block_writes')") if sql("SELECT nodeport FROM citus_shards WHERE table_name = 'tenant_acme.note'::regclass") != $port;
	is(join(' ', map { as($_, $note) } 'a3', 'a6', ''), '1 0 0', 'a schema of a tenant\'s own, on each node');
}
# As docs/scale.md says it.
my ($key_there, $key_kept) = slurp_file("$ENV{TESTDIR}/docs/scale.md") =~ /^```sql\n(CREATE TABLE known_tenant.*?)(ALTER TABLE prompt.*?)^```/ms or die 'no such recipe';
my ($add, $job) = $key_kept =~ /^(ALTER .*?\n)(DO .*)/ms;
sql($key_there);
sql('INSERT INTO known_tenant SELECT DISTINCT tenant_id FROM prompt');
sql($add);
like(as('a5', "INSERT INTO prompt VALUES ('${\id('99')}', 1)"), qr/^(23503|42501|23514)/, 'a tenant that is not known has no rows');
sql($job);
is(sql("SELECT count(DISTINCT tenant_id) FROM prompt"), '2', 'the rows of tenants that are gone go with them, on every shard');
is(as('a3', $count), '5', 'others stay');
is(wrong(), '', 'nothing is wrong still');
# A second attempt, after one that only some of the nodes have heard of: tickets on their way are accepted still.
my $next = 'another secret that the nodes of Citus have';
my $there = sql("SELECT min(t.tenant_id::text) FROM (SELECT tenant_id, get_shard_id_for_distribution_column('prompt', tenant_id) AS shardid
	FROM (SELECT ('00000000-0000-0000-0001-' || lpad(to_hex(i), 12, '0'))::uuid AS tenant_id FROM generate_series(1, 50) AS i) AS i) AS t JOIN citus_shards USING (shardid) WHERE nodeport = ${\$workers[1]->port}");
$workers[0]->safe_psql('postgres', "CALL teamrbac.set_cluster_secret('$next', false)");
my $session = $coordinator->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'app' ]);
$session->query_safe('BEGIN');
$session->query("SELECT teamrbac.sign_in('${\id('a3')}')");
$session->query("SELECT count(*) FROM prompt WHERE tenant_id = '$there'");
sql("CALL teamrbac.set_cluster_secret('$next')");
is($session->query('SELECT count(*) FROM prompt'), '5', 'a secret is changed at the second attempt') or diag($session->{stderr});
$session->query('COMMIT');
$session->quit;
sql("CALL teamrbac.set_cluster_secret('$next')");
is(as('a3', $all), "$acme|5", 'the secret is changed');

# ---- one node ------------------------------------------------------------------------------------------

my $single = PostgreSQL::Test::Cluster->new('single');
$single->init;
$single->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'\nshared_preload_libraries = 'citus'\nsession_preload_libraries = 'teamrbac'\nlog_min_messages = warning\ncitus.node_conninfo = 'sslmode=disable'");
$single->start;
$single->safe_psql('postgres', "CREATE EXTENSION citus; SELECT citus_set_coordinator_host('127.0.0.1', ${\$single->port}); SELECT citus_set_node_property('127.0.0.1', ${\$single->port}, 'shouldhaveshards', true); CREATE EXTENSION teamrbac CASCADE; CREATE ROLE app LOGIN");
$single->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean), teamrbac.sign_in_as_member(uuid, uuid, boolean) TO app');
$single->safe_psql('postgres', <<"SQL");
SELECT teamrbac.register_user('dora\@example.com', 'Dora', '${\id('a3')}'), teamrbac.register_user('rita\@example.com', 'Rita', '${\id('a4')}');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('$acme', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$acme', '${\id('a3')}', 'owner'), ('$acme', '${\id('a4')}', 'reader');
COMMIT;
CALL teamrbac.set_cluster_secret('$secret');
$tables
SELECT create_distributed_table('prompt', 'tenant_id', shard_count := 8);
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
INSERT INTO prompt (tenant_id, id) $rows;
SQL
for my $local (qw(on off))
{
	my $set = "SET LOCAL citus.enable_local_execution = $local;";
	is(as('a3', "$set $all; UPDATE prompt SET state = 'x' WHERE id = 1; SELECT count(*) FROM prompt WHERE state = 'x'", node => $single), "$acme|5\n1", "a single node, local execution $local: a member");
	is(as('a4', "$set DELETE FROM prompt; UPDATE prompt SET state = 'y'; SELECT count(*) FROM prompt WHERE state <> 'y'", node => $single), '5', 'a reader');
	is(as('', "$set $all", node => $single), '', 'nobody');
	like(as('a4', "$set INSERT INTO prompt SELECT '$acme'::uuid, g FROM generate_series(50, 60) AS g", node => $single), qr/^(0A000|42501|23514)/, 'a reader\'s INSERT ... SELECT');
	like(as('a3', "$set COPY prompt FROM STDIN;\n$borealis\t1\tx\n\\.\n", node => $single), qr/^(0A000|42501|23514)/, 'COPY into another tenant');
}
$single->safe_psql('postgres', 'CALL teamrbac.set_cluster_secret(NULL)');
like(as('a3', "SET LOCAL citus.enable_local_execution = off; $all", node => $single), qr/^28000 no valid ticket/, 'without a secret an error, not half of the rows');
is($single->safe_psql('postgres', "SELECT count(*) FROM teamrbac.check_setup() WHERE object = 'extension citus'"), '1', 'which check_setup reports');
$single->stop;

$_->stop for @nodes;
done_testing();
