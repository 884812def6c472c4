# Parallel workers answer from what their leader has settled: who is asking, in which tenant, with which grants; one, a
# few or more than a backend remembers; and while the team changes, an answer is of one state of it.
#
# TEAMRBAC_PARALLEL_SECONDS (default 10) sets how long it changes.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{TEAMRBAC_PARALLEL_SECONDS} // 10;
my $node = PostgreSQL::Test::Cluster->new('main');
# 16 has renamed the setting that makes every query parallel.
my $all_parallel = $node->pg_version < 16 ? 'force_parallel_mode' : 'debug_parallel_query';
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
max_worker_processes = 16
max_parallel_workers = 16
max_parallel_workers_per_gather = 3
min_parallel_table_scan_size = 0
min_parallel_index_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
CONF
$node->start;
# ann is in tenant 1; cat in 1, 2 and 3; max in 3,000 tenants; bob owns them all. Of tenant n below 11, the tables have 1000 + n
# rows, so that a sum says whose they are.
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION teamrbac CASCADE;
CREATE FUNCTION u(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
SELECT count(teamrbac.register_user('u' || n || '@example.com', 'u' || n, u(n))) FROM generate_series(9001, 9004) AS n;
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT u(n), 't' || n FROM generate_series(1, 3000) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9004), 'owner' FROM generate_series(1, 3000) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(1), u(9001), 'reader'), (u(1), u(9002), 'reader'), (u(2), u(9002), 'reader'), (u(3), u(9002), 'reader');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9003), 'reader' FROM generate_series(1, 3000) AS n WHERE n <> 7;
COMMIT;
CREATE TABLE log (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id));
INSERT INTO log SELECT u(t), g FROM generate_series(1, 10) AS t, generate_series(1, 1000 + t) AS g;
INSERT INTO log SELECT u(t), 1 FROM generate_series(11, 5000) AS t;
CREATE TABLE board (LIKE log INCLUDING ALL);
INSERT INTO board SELECT * FROM log;
VACUUM ANALYZE log, board;
SELECT teamrbac.protect_table('log', 'logs.view', NULL), teamrbac.protect_table('board', 'logs.view', NULL, across_tenants => true);
CREATE ROLE app LOGIN;
GRANT SELECT ON log, board TO app;
CREATE FUNCTION seen_by_worker(tenant uuid) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$ BEGIN
	RETURN teamrbac.has_permission(tenant, 'logs.view') AND tenant = ANY (teamrbac.permitted_tenants('logs.view')) AND EXISTS (SELECT FROM board WHERE tenant_id = tenant); END $$;
SQL

my %user = (ann => 9001, cat => 9002, max => 9003, bob => 9004);
sub as
{
	my ($name, $tenant) = @_;
	return "SELECT teamrbac." . ($tenant ? "sign_in_as_member(u($user{$name}), u($tenant), false)" : "sign_in(u($user{$name}), false)") . "; SET ROLE app;";
}
sub answer
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql) =~ s/^\n+//r;
}

# ---- the same as by one process ----

my $seq = 'SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off;';
my $index = 'SET enable_seqscan = off; SET enable_bitmapscan = off;';
my $serial = 'SET max_parallel_workers_per_gather = 0;';
my $count = 'SELECT count(*), count(DISTINCT tenant_id) FROM';
for my $case (
	[ 'ann', '', 'log', '1001|1' ], [ 'ann', '', 'board', '1001|1' ], [ 'cat', 2, 'log', '1002|1' ], [ 'cat', 3, 'board', '1003|1' ],
	[ 'cat', '', 'board', '3006|3' ], [ 'max', 5, 'log', '1005|1' ], [ 'max', '', 'board', '12038|2999' ], [ 'bob', '', 'board', '13045|3000' ])
{
	my ($who, $tenant, $table, $expected) = @$case;
	my $what = "$who" . ($tenant ? " in $tenant" : '') . " of $table";
	is(answer(as($who, $tenant) . "$_->[1] $count $table;"), $expected, "$what: by $_->[0]")
		for ([ 'sequential scans', $seq ], [ 'index scans', $index ], [ 'one process', $serial ]);
}
for my $how ($seq, $index)
{
	my $plan = answer(as('cat') . "$how EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT count(*) FROM board;");
	like($plan, qr/Workers Launched: [1-9].*(has_permission|permitted_tenants)/s, 'workers run, and each checks');
}
like(answer(as('ann') . "$seq EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT count(*) FROM log;"), qr/Workers Launched: [1-9].*permitted_tenant\(/s, 'for one tenant too');
is(answer(as('cat', 2) . "$seq SELECT count(*) FROM log AS l JOIN board AS b USING (tenant_id, id);"), '1002', 'a join of both kinds');
is(answer("SET ROLE app; $seq SELECT count(*) FROM log;"), '0', 'nobody sees none');
my ($rc, $out, $err) = $node->psql('postgres', as('cat') . "$seq SELECT count(*) FROM log;");
like($err, qr/no tenant has been entered/, 'somebody in several must enter one');
# A function in a worker asks for itself, as anywhere.
is(answer(as('cat') . "$seq SELECT count(*) FROM board WHERE seen_by_worker(tenant_id);"), '3006', 'a function in a worker');
is(answer(as('cat') . "SET $all_parallel = on; SELECT teamrbac.has_permission(u(1), 'logs.view'), teamrbac.permitted_tenants('logs.view') = ARRAY[u(1), u(2), u(3)], teamrbac.current_user_id() = u(9002), teamrbac.visible_tenants() = ARRAY[u(1), u(2), u(3)], teamrbac.my_permissions(u(3)) @> '{logs.view}', (teamrbac.explain_permission(u(2), 'logs.view')).reason, teamrbac.current_tenant_id() IS NULL;"),
	't|t|t|t|t|granted by role reader|t', 'each function answers in a worker');
is(answer(as('cat', 2) . "SET $all_parallel = on; SELECT teamrbac.permitted_tenant('logs.view') = u(2), teamrbac.permitted_tenant('prompts.edit') IS NULL, teamrbac.current_tenant_id() = u(2);"), 't|t|t', 'in the tenant that was entered');

# Within one REPEATABLE READ transaction, another session removes cat between two parallel queries.
my $both = answer(as('cat') . <<"SQL");
$seq
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM board;
\\! psql -Xq -d "${\$node->connstr('postgres')}" -c "DELETE FROM teamrbac.membership WHERE user_id = u(9002) AND tenant_id = u(3)"
SELECT count(*) FROM board;
COMMIT;
SQL
is($both, "3006\n2003", 'the workers of the next query obey the removal');

# ---- the setting by which they are told ----

my $forged = "a -9223372036854775808 1 ${\$node->safe_psql('postgres', 'SELECT u(1)')}\\ns logs.view\\ng ${\$node->safe_psql('postgres', 'SELECT u(1)')} 0 9223372036854775807 0 reader\\n";
# By a role that may, where the library is not loaded.
$node->safe_psql('postgres', "ALTER ROLE app SET teamrbac.leader_authority = E'$forged'; ALTER DATABASE postgres SET teamrbac.leader_authority = E'$forged';");
($rc, $out, $err) = $node->psql('postgres', "$seq SET $all_parallel = on; SELECT count(*) FROM log; SELECT count(*) FROM board;", extra_params => [ '-U', 'app' ]);
is($out, "0\n0", 'planted for a role or a database it gives nothing');
like($err, qr/setting "teamrbac.leader_authority" cannot be set/, 'and is refused');
$node->safe_psql('postgres', 'ALTER ROLE app RESET ALL; ALTER DATABASE postgres RESET ALL;');
($rc, $out, $err) = $node->psql('postgres', "SET teamrbac.leader_authority = E'$forged'; $seq SET $all_parallel = on; SELECT count(*) FROM log;", extra_params => [ '-U', 'app' ]);
is($out, '0', 'set before the library is loaded it gives nothing');
for my $role ('app', undef)
{
	my @as = $role ? (extra_params => [ '-U', $role ]) : ();
	my $name = $role // 'a superuser';
	for my $set ("SET teamrbac.leader_authority = E'$forged'", "SET LOCAL teamrbac.leader_authority = E'$forged'", "SELECT set_config('teamrbac.leader_authority', E'$forged', false)",
		"CREATE FUNCTION pg_temp.f() RETURNS bigint LANGUAGE sql SET teamrbac.leader_authority = E'$forged' AS 'SELECT count(*) FROM log'; SELECT pg_temp.f()")
	{
		# A call loads the library.
		($rc, $out, $err) = $node->psql('postgres', "BEGIN; SELECT teamrbac.current_user_id(); $set", @as);
		like($err, qr/permission denied|cannot be set/, "$name: " . substr($set, 0, 40));
	}
}
{
	local $ENV{PGOPTIONS} = "-c teamrbac.leader_authority=forged";
	($rc, $out, $err) = $node->psql('postgres', "SET $all_parallel = on; SELECT count(*) FROM log;", extra_params => [ '-U', 'app' ]);
	is($out, '0', 'nor by PGOPTIONS');
}
# Nothing of it is left after a query, or after one that failed; nor is it there for a function in the query to read.
is(answer(as('cat', 2) . "$seq SELECT count(*) FROM log; RESET ROLE; SHOW teamrbac.leader_authority;"), "1002\n", 'nothing is left');
is(answer(as('cat', 2) . <<"SQL"), "-1\n1002\n1002\n", 'nor after an error');
$seq
DO \$\$ BEGIN
	PERFORM count(*) FROM log WHERE 1 / (id - 500) IS NOT NULL;
EXCEPTION WHEN division_by_zero THEN
	PERFORM set_config('x.y', '-1', false);
END \$\$;
SELECT current_setting('x.y');
SELECT count(*) FROM log;
BEGIN; SAVEPOINT s;
SELECT count(*) FROM log;
ROLLBACK TO s;
COMMIT;
RESET ROLE;
SHOW teamrbac.leader_authority;
SQL

# ---- while the team changes ----

# One transaction moves cat between tenants 4 to 10, always in exactly two of them, and ann in exactly one.
$node->safe_psql('postgres', 'DELETE FROM teamrbac.membership WHERE user_id IN (u(9001), u(9002)); INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(4), u(9002), $$reader$$), (u(5), u(9002), $$reader$$), (u(4), u(9001), $$reader$$)');
my $timer = IPC::Run::timer(20 * $seconds + $PostgreSQL::Test::Utils::timeout_default);
my $log = '';
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE enough ();
CREATE PROCEDURE churn() LANGUAGE plpgsql AS $$
DECLARE
	n int := 0;
BEGIN
	WHILE NOT EXISTS (SELECT FROM enough) LOOP
		DELETE FROM teamrbac.membership WHERE user_id IN (u(9001), u(9002));
		INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(4 + n % 7), u(9002), 'reader'), (u(4 + (n + 1) % 7), u(9002), 'reader'), (u(4 + n % 7), u(9001), 'reader');
		-- max leaves one and joins another, of the first ten.
		UPDATE teamrbac.membership SET tenant_id = u(CASE tenant_id WHEN u(8) THEN 7 ELSE 8 END) WHERE user_id = u(9003) AND tenant_id = ANY (CASE n % 2 WHEN 0 THEN ARRAY[u(8)] ELSE ARRAY[u(7)] END);
		COMMIT;
		n := n + 1;
	END LOOP;
	RAISE NOTICE 'changed % times', n;
END $$;
SQL
# Both tenants 7 and 8 cannot be max's at the beginning.
$node->safe_psql('postgres', 'DELETE FROM teamrbac.membership WHERE user_id = u(9003) AND tenant_id IN (u(7), u(8)); INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(8), u(9003), $$reader$$)');
my $churn = IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-c', 'CALL churn()' ], '<', \undef, '>', \$log, '2>&1', $timer);
my %allowed = (
	ann => { map { ((1000 + $_) . '|1' => 1) } 4 .. 10 },
	cat => { map { my $n = $_; ((2000 + 4 + $n % 7 + 4 + ($n + 1) % 7) . '|2' => 1) } 0 .. 6 },
	max => { '12038|2999' => 1, '12037|2999' => 1 });
my ($queries, %seen, @wrong) = (0);
my $end = time + $seconds;
# A slow machine gets the time to see changes.
while (time < $end || time < $end + 10 * $seconds && grep { keys %{ $seen{$_} // {} } < 2 } keys %allowed)
{
	for my $case ([ 'ann', 'log' ], [ 'ann', 'board' ], [ 'cat', 'board' ], [ 'max', 'board' ])
	{
		my ($who, $table) = @$case;
		my @sql = map { "$_ $count $table;" } ($seq, "RESET enable_indexscan; RESET enable_indexonlyscan; $index", 'RESET enable_seqscan;') x ($who eq 'max' ? 2 : 8);
		my ($rc, $out, $err) = $node->psql('postgres', as($who) . "@sql", on_error_stop => 0);
		for my $answer (grep { /\|/ } split /\n/, $out)
		{
			$queries++;
			$seen{$who}{$answer}++;
			push @wrong, "$who of $table: $answer" unless $allowed{$who}{$answer};
		}
		push @wrong, "$who of $table: $err" if $err ne '';
	}
}
$node->safe_psql('postgres', 'INSERT INTO enough DEFAULT VALUES');
$churn->finish;
my ($changes) = $log =~ /changed (\d+) times/;
note("$queries queries, $changes changes; " . join ', ', map { "$_: " . keys(%{ $seen{$_} }) . ' different answers (' . join(' ', sort keys %{ $seen{$_} }) . ')' } sort keys %seen);
cmp_ok($changes // 0, '>', 20, 'the team changed');
ok(!grep({ keys %{ $seen{$_} // {} } < 2 } keys %allowed), 'and each has seen it');
is(scalar @wrong, 0, 'each answer is of one state') or diag(join "\n", @wrong[ 0 .. ($#wrong < 9 ? $#wrong : 9) ]);
$node->stop;
done_testing();
