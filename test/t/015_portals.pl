# A result that a driver fetches by portions (Execute with a row limit): it goes on only while nothing that its rows were
# read by has been withdrawn, whatever the plan.  libpq cannot ask for portions, so this speaks the protocol itself.
use strict;
use warnings;
use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'teamrbac'");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION teamrbac CASCADE;
CREATE ROLE app LOGIN;
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT teamrbac.register_user(n || '@example.com', n, u(n)) FROM unnest(ARRAY['a1', 'b1']) n;
SELECT teamrbac.map_database_role(u('a1'), 'app');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('01'), 'Acme'), (u('02'), 'Beta');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('01'), u('b1'), 'owner'), (u('02'), u('b1'), 'owner');
COMMIT;
CREATE TABLE log (id int PRIMARY KEY, tenant_id uuid NOT NULL, line text);
INSERT INTO log SELECT g, u('0' || g % 2 + 1), 'line ' || g FROM generate_series(1, 2000) g;
CREATE INDEX ON log (tenant_id, id);
ANALYZE log;
SELECT teamrbac.protect_table('log', 'logs.view', NULL);
CREATE TABLE board (LIKE log INCLUDING ALL);
INSERT INTO board SELECT * FROM log;
ANALYZE board;
SELECT teamrbac.protect_table('board', 'logs.view', 'prompts.edit', across_tenants => true);
CREATE FUNCTION lines() RETURNS SETOF log LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN QUERY SELECT * FROM log ORDER BY id; END $$;
GRANT SELECT ON log TO app;
GRANT ALL ON board TO app;
SQL

# ---- the protocol ----

my $socket;

sub send_message
{
	my ($type, $body) = @_;
	print $socket $type, pack('N', 4 + length $body), $body;
	return;
}

sub read_bytes
{
	my ($length) = @_;
	my $bytes = '';
	while (length $bytes < $length)
	{
		my $got = sysread($socket, $bytes, $length - length $bytes, length $bytes);
		die 'the server hung up' unless $got;
	}
	return $bytes;
}

# Reads up to one of the messages of these types; returns how many rows came before it, its type, and its body.
sub read_until
{
	my ($types) = @_;
	my $rows = 0;
	while (1)
	{
		my ($type, $length) = unpack('aN', read_bytes(5));
		my $body = read_bytes($length - 4);
		$rows++ if $type eq 'D';
		return ($rows, $type, $body) if index($types, $type) >= 0;
	}
}

sub open_session
{
	$socket = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port) or die "connect: $!";
	$socket->autoflush(1);
	send_message('', pack('N', 196608) . "user\0app\0database\0postgres\0\0");
	return read_until('Z');
}

# Opens a portal of this query within a transaction.
sub open_portal
{
	my ($query) = @_;
	for my $statement ('BEGIN', $query)
	{
		send_message('P', "\0$statement\0" . pack('n', 0));
		send_message('B', "\0\0" . pack('nnn', 0, 0, 0));
		send_message('E', "\0" . pack('N', 0)) if $statement eq 'BEGIN';
	}
	return;
}

# The next portion of up to this many rows: how many came, and what came after: more, end, or the SQLSTATE of an error.
sub portion
{
	my ($limit) = @_;
	send_message('E', "\0" . pack('N', $limit));
	send_message('H', '');
	my ($rows, $type, $body) = read_until('sEC');
	# BEGIN's own end.
	($rows, $type, $body) = read_until('sEC') if $type eq 'C' && $body eq "BEGIN\0";
	my ($state) = $body =~ /(?:^|\0)C([^\0]*)\0/ if $type eq 'E';
	return $rows . ' ' . ($type eq 's' ? 'more' : $type eq 'C' ? 'end' : $state);
}

sub close_session
{
	send_message('S', '');
	read_until('Z');
	send_message('X', '');
	close $socket;
	return;
}

# ---- the cases ----

sub join_tenants
{
	my $tenants = join ', ', map { "(u('0$_'), u('a1'), 'reader')" } @_;
	$node->safe_psql('postgres', "DELETE FROM teamrbac.membership WHERE user_id = u('a1')");
	$node->safe_psql('postgres', "INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES $tenants");
	return;
}

sub leave_tenant
{
	my ($tenant) = @_;
	$node->safe_psql('postgres', "DELETE FROM teamrbac.membership WHERE user_id = u('a1') AND tenant_id = u('0$tenant')");
	return;
}

# case NAME, QUERY, [TENANTS], TENANT, EXPECTED: of a member of some tenants who leaves one between two portions.
sub check_case
{
	my ($name, $query, $tenants, $left, $expected) = @_;
	join_tenants(@$tenants);
	open_session();
	open_portal($query);
	is(portion(5), '5 more', "$name: the first portion");
	leave_tenant($left);
	is(portion(5), $expected, "$name: the next");
	close_session();
	return;
}

my $page = 'SELECT id, line FROM log ORDER BY id LIMIT 100';
check_case('a page', $page, [1], 1, '0 24000');
check_case('by index or bitmap', 'SELECT id, line FROM log', [1], 1, '0 24000');
check_case('sorted', 'SELECT id, line FROM log ORDER BY line', [1], 1, '0 24000');
check_case('named tenant', "SELECT id FROM log WHERE tenant_id = u('01') AND id > 10", [1], 1, '0 24000');
check_case('grouped', 'SELECT id % 50, count(*) FROM log GROUP BY 1', [1], 1, '0 24000');
check_case('unnested', 'SELECT id, l FROM log, unnest(ARRAY[1, 2, 3]) AS l', [1], 1, '0 24000');
check_case('of a function', 'SELECT id FROM lines()', [1], 1, '0 24000');
check_case('of a function in the list', 'SELECT lines()', [1], 1, '0 24000');
check_case('across, one of two', 'SELECT id FROM board', [1, 2], 2, '0 24000');
check_case('across, sorted', 'SELECT id FROM board ORDER BY line', [1, 2], 2, '0 24000');
check_case('across, the other is the one named', "SELECT id FROM board WHERE tenant_id = u('01')", [1, 2], 1, '0 24000');

# A session's second query, whose plan may be another.
join_tenants(1);
open_session();
open_portal('SELECT id FROM log WHERE id = 2');
is(portion(0), '1 end', 'the second query: the one before');
open_portal("SELECT id FROM log WHERE tenant_id = '00000000-0000-0000-0000-000000000001' AND id > 10");
is(portion(5), '5 more', 'the second query: the first portion');
leave_tenant(1);
is(portion(5), '0 24000', 'the second query: the next');
close_session();

# What takes nothing away ends nothing.
join_tenants(1);
open_session();
open_portal($page);
is(portion(5), '5 more', 'unchanged: the first portion');
$node->safe_psql('postgres', "UPDATE teamrbac.membership SET role = 'developer' WHERE user_id = u('a1')");
is(portion(5), '5 more', 'unchanged: another role that has the permission');
$node->safe_psql('postgres', "INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('02'), u('a1'), 'reader')");
is(portion(5), '5 more', 'unchanged: another tenant joined');
$node->safe_psql('postgres', "DELETE FROM teamrbac.membership WHERE user_id = u('a1') AND tenant_id = u('02')");
is(portion(5), '5 more', 'unchanged: and left');
is(portion(0), '80 end', 'unchanged: the rest');
close_session();

# What a change returns has been read to its end before the first portion: the change has been made, of all rows.
join_tenants(1);
$node->safe_psql('postgres', "UPDATE teamrbac.membership SET role = 'developer' WHERE user_id = u('a1')");
open_session();
open_portal("UPDATE board SET line = 'x' RETURNING id");
is(portion(5), '5 more', 'RETURNING: the first portion');
leave_tenant(1);
is(portion(0), '995 end', 'RETURNING: the rest');
close_session();
is($node->safe_psql('postgres', "SELECT count(*) FROM board WHERE line = 'x'"), '0', 'RETURNING: rolled back with its session');

$node->stop;
done_testing();
