# Uses of permissions where nothing may be written, or not now: read-only transactions, the end of a session, prepared
# transactions, parallel workers, a standby that is absent, a standby itself, a crash.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', <<'CONF');
max_prepared_transactions = 5
restart_after_crash = on
max_parallel_workers_per_gather = 2
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
CONF
$node->start;
# Olivia owns Acme, where Rita is a reader, and the application's tests never write.
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION teamrbac CASCADE;
ALTER DATABASE postgres SET teamrbac.record_permission_use = on;
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT teamrbac.register_user(name || '@example.com', name, u(id)) FROM (VALUES ('Olivia', 'a1'), ('Rita', 'a2')) AS v(name, id);
SELECT teamrbac.define_permission('things.n' || n, 'Number ' || n, '{reader}') FROM generate_series(1, 20) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('01'), 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('01'), u('a1'), 'owner'), (u('01'), u('a2'), 'reader');
COMMIT;
SELECT teamrbac.sign_in(u('a2'));
CREATE TABLE thing AS SELECT u('01') AS tenant_id, g AS id FROM generate_series(1, 10000) AS g;
CREATE FUNCTION asks(tenant uuid, n int) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$ BEGIN
	RETURN teamrbac.has_permission(tenant, 'things.n' || n); END $$;
SQL

sub used { return $_[0]->safe_psql('postgres', "SELECT string_agg(substr(permission, 9), ' ' ORDER BY substr(permission, 9)::int) FROM teamrbac.member_permission_use WHERE user_id = u('a2') AND permission ~ '^things'"); }
# A session end is not waited for by its client.
sub noted
{
	my ($n) = @_;
	return $node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM teamrbac.member_permission_use WHERE user_id = u('a2') AND permission = 'things.n$n')");
}
my $sign_in = "SELECT teamrbac.sign_in(u('a2'), false);";
# What has been used and noted on the same day: a transaction that writes what is left.
my $again = "SELECT teamrbac.has_permission(u('01'), 'things.n1');";
sub asks { return "SELECT teamrbac.has_permission(u('01'), 'things.n$_[0]');"; }

# A session that stays open; say() sends it a line and waits for the answer.
sub session
{
	my ($server) = @_;
	my $self = { in => '', out => '' };
	$self->{run} = IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=0', '-d', $server->connstr('postgres') ], '<', \$self->{in}, '>', \$self->{out}, '2>&1', IPC::Run::timeout(180));
	return $self;
}
sub say
{
	my ($self, $sql) = @_;
	$self->{out} = '';
	$self->{in} .= "$sql\n\\echo done\n";
	$self->{run}->pump until $self->{out} =~ /^done$/m;
	return $self->{out} =~ s/^done\n//mr =~ s/\n+\z//r;
}
sub bye
{
	my ($self) = @_;
	$self->{in} .= "\\q\n";
	eval { $self->{run}->finish };
	return;
}

# ---- read-only transactions, and the end of the session ----

my $reader = session($node);
say($reader, "$sign_in SET default_transaction_read_only = on;");
is(say($reader, 'BEGIN READ ONLY; ' . asks(1) . ' SELECT pg_current_xact_id_if_assigned() IS NULL; COMMIT;'), "t\nt", 'a read-only transaction asks, and writes nothing');
is(say($reader, asks(2)), 't', 'so does a statement of its own');
is(used($node), '', 'nothing is noted');
bye($reader);
ok(noted(1) && noted(2), 'until the session ends');

$reader = session($node);
my $pid = say($reader, "$sign_in SET default_transaction_read_only = on; SELECT pg_backend_pid();") =~ s/^\n//r;
say($reader, 'BEGIN; ' . asks(3));
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 60000)");
ok(noted(3), 'or is ended, in the middle of a transaction');
bye($reader);

# Whatever the session still holds, and with the extension gone, it ends well.
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', <<'SQL');
CREATE EXTENSION teamrbac CASCADE;
SET teamrbac.record_permission_use = on;
SELECT teamrbac.register_user('o@example.com', 'O', '00000000-0000-0000-0000-0000000000a1');
SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000a1', false);
SELECT teamrbac.create_tenant('T');
SET default_transaction_read_only = on;
SELECT teamrbac.permitted_tenants('logs.view');
BEGIN READ WRITE;
DROP EXTENSION teamrbac CASCADE;
COMMIT;
SQL
my ($rc) = $node->psql('other', 'SELECT 1');
is($rc, 0, 'a session outlives the extension');

# ---- prepared transactions hold nothing ----

my $writer = session($node);
say($writer, $sign_in);
is(say($writer, 'BEGIN; ' . asks(4) . " PREPARE TRANSACTION 'held';"), 't', 'a transaction that asks is prepared');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE pid IS NULL AND relation = 'teamrbac.member_permission_use'::regclass"), '0', 'and holds no lock for it');
is(used($node), '1 2 3', 'as nothing is written');
say($writer, $again);
is(used($node), '1 2 3 4', 'before the next transaction that asks');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'held'");

# ---- another server that does not confirm ----

# Whoever may merely read has a tool commit elsewhere, which takes its time: nobody waits for what they have used.
SKIP:
{
	skip 'postgres_fdw is not installed', 3 if $node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'") eq '0';
	$node->safe_psql('other', <<'SQL');
CREATE TABLE slow (i int);
CREATE FUNCTION waits() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION waits();
SQL
	my ($host, $port) = ($node->host, $node->port);
	$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION postgres_fdw;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'other');
CREATE USER MAPPING FOR PUBLIC SERVER elsewhere;
CREATE FOREIGN TABLE slow (i int) SERVER elsewhere;
SQL
	my $holder = session($node);
	say($holder, "\\c other\nSELECT pg_advisory_lock(1);");
	my $slow = session($node);
	# Its connection first, what is used after that.
	say($slow, "$sign_in SELECT count(*) FROM slow;");
	is(say($slow, 'BEGIN; INSERT INTO slow VALUES (1); ' . asks(15)), 't', 'a transaction that commits elsewhere too');
	$slow->{in} .= "COMMIT;\n";
	$slow->{run}->pump_nb;
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'other' AND wait_event = 'advisory'");
	my ($rc) = $node->psql('postgres', "BEGIN; SELECT FROM teamrbac.membership WHERE user_id = u('a2') FOR UPDATE NOWAIT; ROLLBACK;");
	is($rc, 0, 'holds up no command on its member');
	say($holder, 'SELECT pg_advisory_unlock(1);');
	say($slow, 'SELECT 1;');
	bye($_) for $slow, $holder;
	like(used($node), qr/ 15$/, 'and is noted once it is through');
	$node->safe_psql('postgres', "DELETE FROM teamrbac.member_permission_use WHERE permission = 'things.n15'");
}

# ---- parallel workers ----

my $parallel = 'SET parallel_leader_participation = off; SELECT count(*) FROM thing WHERE asks(tenant_id, %d);';
like($node->safe_psql('postgres', 'SET parallel_leader_participation = off; EXPLAIN SELECT count(*) FROM thing WHERE asks(tenant_id, 5)'), qr/Workers Planned: 2/, 'a parallel query');
is(say($writer, sprintf($parallel, 5)), '10000', 'of which the workers alone ask');
is(used($node), '1 2 3 4 5', 'is noted by the leader');
is(say($writer, 'BEGIN READ ONLY; ' . sprintf($parallel, 6) . ' COMMIT;'), '10000', 'in a read-only transaction');
is(used($node), '1 2 3 4 5', 'nobody writes');
say($writer, $again);
is(used($node), '1 2 3 4 5 6', 'before the next transaction of the leader');
like(say($writer, 'SELECT 1 / (id - 9999) FROM thing WHERE asks(tenant_id, 7);'), qr/division by zero/, 'a worker fails');
is(say($writer, sprintf($parallel, 8)), '10000', 'and the next query');
like(used($node), qr/^1 2 3 4 5 6( 7)? 8$/, 'is noted');
bye($writer);

# ---- a synchronous standby that is absent ----

$writer = session($node);
say($writer, $sign_in);
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'absent'");
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('synchronous_standby_names') = 'absent'");
is(say($writer, 'BEGIN; ' . asks(9) . ' COMMIT; SHOW synchronous_commit;'), "t\non", 'a transaction that only asks is not kept waiting');
like(used($node), qr/ 9$/, 'and what it used is noted');
$reader = session($node);
say($reader, "$sign_in SET default_transaction_read_only = on;");
say($reader, asks(10));
bye($reader);
ok(noted(10), 'nor is a session that ends');
bye($writer);
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('synchronous_standby_names') = ''");

# ---- a standby ----

$node->safe_psql('postgres', 'CHECKPOINT');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my $there = session($standby);
is(say($there, "$sign_in " . asks(11)), "\nt", 'a session asks on the standby');
bye($there);
$there = session($standby);
is(say($there, "$sign_in " . asks(12)), "\nt", 'another one too');

# ---- a crash loses what has not been noted, and no more ----

$reader = session($node);
$pid = say($reader, "$sign_in SET default_transaction_read_only = on; SELECT pg_backend_pid();") =~ s/^\n//r;
say($reader, asks(13));
my $before = used($node);
unlike($before, qr/1[123]/, 'none is noted yet');
kill 'KILL', $pid;
bye($reader);
$node->poll_query_until('postgres', 'SELECT true');
is(used($node), $before, 'after a crash it is not either');
$node->safe_psql('postgres', "$sign_in " . asks(14));
is(used($node), "$before 14", 'what is used afterwards is');

# ---- promoted ----

$node->wait_for_catchup($standby);
$node->stop;
$standby->promote;
is(used($standby), "$before 14", 'what a session used on the standby is noted nowhere');
say($there, $again);
is(used($standby), ($before =~ s/$/ 12 14/r), 'unless it is promoted while the session lasts');
bye($there);
$standby->stop;
done_testing();
