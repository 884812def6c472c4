# Tickets between two servers without Citus: one keeps the team and signs, the other takes its word.  A client carries
# the tickets, and does with them what it should not.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Teamrbac;
use Test::More;

my $secret = 'a secret that both of the servers have';
my ($home, $away) = map { PostgreSQL::Test::Cluster->new($_) } qw(home away);
my ($acme, $borealis) = (id('01'), id('02'));
for my $node ($home, $away)
{
	$node->init;
	$node->append_conf('postgresql.conf', 'session_preload_libraries = teamrbac');
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION teamrbac CASCADE');
	$node->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE ROLE "Other ""app" LOGIN; CREATE ROLE psql_user LOGIN');
}
$home->safe_psql('postgres', <<"SQL");
SELECT teamrbac.register_user(n || '\@example.com', n, ('00000000-0000-0000-0000-0000000000' || i)::uuid)
	FROM (VALUES ('Olivia', 'a1'), ('Dora', 'a3'), ('Rita', 'a4'), ('Mia', 'a5')) AS t(n, i);
SELECT teamrbac.define_permission('reports.view', 'View reports', '{developer}', true);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('$acme', 'Acme'), ('$borealis', 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	('$acme', '${\id('a1')}', 'owner'), ('$acme', '${\id('a3')}', 'developer'), ('$acme', '${\id('a4')}', 'reader'),
	('$borealis', '${\id('a1')}', 'owner'), ('$borealis', '${\id('a5')}', 'developer');
COMMIT;
SELECT teamrbac.map_database_role('${\id('a3')}', 'psql_user');
SQL
$away->safe_psql('postgres', <<"SQL");
CREATE TABLE prompt (tenant_id uuid NOT NULL, id int, owner_id uuid DEFAULT teamrbac.current_user_id(), PRIMARY KEY (tenant_id, id));
INSERT INTO prompt SELECT t, g, '${\id('a1')}' FROM unnest('{$acme,$borealis}'::uuid[]) AS t, generate_series(1, 10) AS g;
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
CREATE TABLE log (LIKE prompt INCLUDING ALL);
INSERT INTO log SELECT * FROM prompt;
SELECT teamrbac.protect_table('log', 'logs.view', NULL, across_tenants => true);
GRANT SELECT, INSERT, UPDATE, DELETE ON prompt, log TO app, "Other ""app", psql_user;
SQL

# A ticket for whoever a statement signs in, as the setting's SQL literal.
sub ticket
{
	my ($sign_in, $role) = @_;
	my $out = $home->safe_psql('postgres', "BEGIN; $sign_in SELECT E'\\n' || teamrbac.make_ticket('" . ($role // 'app') . "'); COMMIT;");
	$out =~ s/.*?^(1 [0-9a-f]{64} )/$1/ms or die "no ticket: $out";
	return $out;
}
sub user { return "SELECT teamrbac.sign_in('" . id(shift) . "');" }
sub member { return "SELECT teamrbac.sign_in_as_member('" . id(shift) . "', '" . id(shift) . "');" }

# What the other server answers to somebody who brings a ticket.
sub ask
{
	my ($ticket, $sql, %options) = @_;
	my $node = $options{node} // $away;
	my ($rc, $out, $err) = $node->psql('postgres',
		"BEGIN;\nSET LOCAL teamrbac.ticket = '$ticket';\n$sql;\nCOMMIT;",
		extra_params => [ '-v', 'VERBOSITY=verbose', '-U', $options{role} // 'app' ]);
	return $rc == 0 ? $out : $err =~ /ERROR:\s+(\w{5}): (.*)/ ? "$1 $2" : $err;
}
my $count = 'SELECT tenant_id, count(*) FROM prompt GROUP BY 1 ORDER BY 1';
my $refused = qr/^28000 setting "teamrbac.ticket" cannot be set/;

# ---- without a secret ----------------------------------------------------------------------------------

my (undef, undef, $err) = $home->psql('postgres', user('a3') . 'SELECT teamrbac.make_ticket();');
like($err, qr/no secret is set/, 'without a secret no ticket is signed');
like(ask('1 ' . '0' x 64, $count), qr/^42501 setting "teamrbac.ticket" cannot be set/, 'and none accepted by a server that stands alone');

(undef, undef, $err) = $home->psql('postgres', "CALL teamrbac.set_cluster_secret('short')");
like($err, qr/at least 32 characters/, 'a secret is long');
$home->safe_psql('postgres', "CALL teamrbac.set_cluster_secret('$secret')");
$away->safe_psql('postgres', "CALL teamrbac.set_cluster_secret('$secret', false)");

# ---- whoever brings one is who it says -----------------------------------------------------------------

my $dora = ticket(user('a3'));
is(ask($dora, $count), "$acme|10", 'a member sees the rows of their tenant');
is(ask($dora, 'SELECT teamrbac.current_user_id(), teamrbac.current_tenant_id()'), id('a3') . "|$acme", 'and is who they are');
is(ask($dora, "INSERT INTO prompt VALUES ('$acme', 11) RETURNING owner_id"), id('a3'), 'writes there, as whom a default names');
like(ask($dora, "INSERT INTO prompt VALUES ('$borealis', 11)"), qr/^42501 new row violates row-level security/, 'and nowhere else');
is(ask($dora, "WITH d AS (DELETE FROM prompt WHERE id = 11 RETURNING 1) SELECT count(*) FROM d"), '1', 'deletes');
is(ask($dora, "SELECT teamrbac.has_permission('$acme', 'reports.view'), teamrbac.has_permission('$acme', 'reports.edit')"), 't|f',
	'a permission of the application\'s own counts by its name, where it is not defined');
is(ask(ticket(user('a4')), "$count; UPDATE prompt SET id = id; SELECT count(*) FROM prompt"), "$acme|10\n10", 'a reader sees, and changes nothing');
is(ask(ticket(''), $count), '', 'nobody sees nothing');
is(ask(ticket(member('a1', '02')), "$count; SELECT count(*) FROM log"), "$borealis|10\n10", 'who has entered one tenant of two is in that one');
like(ask(ticket(user('a1')), $count), qr/^55000 no tenant has been entered/, 'who has entered none is told to');
is(ask(ticket(user('a1')), 'SELECT count(*) FROM log'), '20', 'but sees all where a table is across tenants');
my $parallel = 'SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0';
is(ask($dora, "$parallel; $count"), "$acme|10", 'parallel workers take it over');
is(ask($dora, "$parallel; CREATE FUNCTION pg_temp.f() RETURNS bigint LANGUAGE sql PARALLEL SAFE AS 'SELECT count(*) FROM prompt'; SELECT max(pg_temp.f()) FROM prompt"), '10',
	'and so do queries within them');
is(ask(ticket('', 'psql_user'), $count, role => 'psql_user'), '', 'the role that logs in is looked up where the team is');
is($home->safe_psql('postgres', "SELECT teamrbac.make_ticket() LIKE '%" . id('a3') . "%'", extra_params => [ '-U', 'postgres' ]), 'f', 'a superuser is nobody');

my ($key) = $home->safe_psql('postgres', sign_in('a1') . "SELECT secret FROM teamrbac.create_api_key('$acme', 'key', 'reader')") =~ /(trk_\S+)/;
is(ask(ticket("SELECT teamrbac.sign_in_with_api_key('$key');"), $count), "$acme|10", 'a key sees the rows of its tenant');

# dblink carries one from a session of the server that keeps the team.
SKIP:
{
	skip 'dblink is not installed', 2 if $home->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'dblink'") eq '0';
	my $there = $away->connstr('postgres') =~ s/'/''/gr;
	my $carry = "SELECT dblink_connect('away', '$there user=app'), dblink_exec('away', 'BEGIN'), dblink_exec('away', format('SET LOCAL teamrbac.ticket = %L', teamrbac.make_ticket('app')));
		SELECT * FROM dblink('away', 'SELECT tenant_id, count(*) FROM prompt GROUP BY 1') AS r(tenant_id uuid, n bigint)";
	$home->safe_psql('postgres', 'CREATE EXTENSION dblink');
	like($home->safe_psql('postgres', "BEGIN; ${\user('a3')} $carry"), qr/^$acme\|10$/m, 'dblink carries it');
	unlike($home->safe_psql('postgres', "BEGIN; $carry"), qr/^.*\|10$/m, 'nobody\'s as well');
	$home->safe_psql('postgres', 'DROP EXTENSION dblink');
}

# ---- it lasts as long as SET LOCAL does ----------------------------------------------------------------

like(ask($dora, "SAVEPOINT s; SET LOCAL teamrbac.ticket = '${\ticket(user('a5'))}'; $count; ROLLBACK TO s; $count"), qr/^$borealis\|10\n$acme\|10$/,
	'ROLLBACK TO SAVEPOINT takes it back');
like(ask($dora, "COMMIT; $count; BEGIN"), qr/^28000 no valid ticket says who is asking/, 'with the transaction it is gone');
like(ask('', $count), qr/^28000 no valid ticket says who is asking/, 'without one there is an error, not no row');
like(ask($dora, "RESET teamrbac.ticket; $count"), qr/^28000 no valid ticket/, 'nor after RESET');
is(ask($dora, 'SHOW teamrbac.ticket'), '(not shown)', 'clients are not shown it');
is(ask($dora, "SELECT count(*) FROM pg_settings WHERE setting LIKE '%a3%' OR name = 'teamrbac.ticket'"), '0', 'nor among all settings');

# By SET it lasts, unless no identity may that long.
my $later = "COMMIT; SET teamrbac.ticket = '$dora'; $count; BEGIN; $count";
is(ask($dora, $later), "$acme|10\n$acme|10", 'one that was set for the session goes on');
$away->safe_psql('postgres', 'ALTER ROLE app SET teamrbac.allow_session_identity = off');
like(ask($dora, $later), qr/^28000 no valid ticket says who is asking/, 'where none may, it is over with its transaction');
is(ask($dora, "$parallel; $count"), "$acme|10", 'while that lasts, workers have it too');
$away->safe_psql('postgres', 'ALTER ROLE app RESET teamrbac.allow_session_identity');

{
	my $session = $away->background_psql('postgres', extra_params => [ '-U', 'app' ]);
	$session->query_safe("BEGIN; SET LOCAL teamrbac.ticket = '$dora'");
	is($away->safe_psql('postgres', "SELECT query FROM pg_stat_activity WHERE state = 'idle in transaction'", extra_params => [ '-U', 'app' ]), 'SET LOCAL teamrbac.ticket',
		'nor other sessions of the role in pg_stat_activity');
	$session->quit;
}

# ---- forged, altered, expired, replayed ----------------------------------------------------------------

like(ask('1 ' . '0' x 64 . " 0 9000000000000000 1\n617070\n\n", $count), $refused, 'a forged one is refused');
like(ask('nonsense', $count), $refused, 'so is nonsense');
like(ask("1 \n", $count), $refused, 'a beginning');
like(ask("own $dora", $count), $refused, 'and one marked as what a server issues itself');
my %altered = (
	signature => $dora =~ s/^(1 .)(.)/$1 . ($2 eq '0' ? '1' : '0')/er,
	user => $dora =~ s/${\id('a3')}/${\id('a1')}/r,
	tenant => $dora =~ s/$acme/$borealis/r,
	permissions => $dora =~ s/prompts\.edit/billing.manage/r,
	expiry => $dora =~ s/^(1 \w+ \d+) (\d)/$1 . ' ' . ($2 + 1)/er,
	role => $dora =~ s/\n617070\n/\n617071\n/r,
	end => $dora . "g $borealis 0 " . '9223372036854775807' . " 0 developer\n",
	start => $dora =~ s/\A1 /1  /r,
);
is(scalar(grep { $_ eq $dora } values %altered), 0, 'the altered ones differ');
like(ask($altered{$_}, $count), $refused, "one with another $_ is refused") for sort keys %altered;

$home->append_conf('postgresql.conf', 'teamrbac.ticket_lifetime = 10');
$home->reload;
my $short = ticket(user('a3'));
my ($from, $to) = $short =~ /^1 \w+ (\d+) (\d+) /;
is($to - $from, 10_000_000, 'a ticket lasts as long as the setting says');
is(ask($short, $count), "$acme|10", 'it is accepted until then');
my $late = ask($short, 'SELECT pg_sleep(extract(epoch FROM to_timestamp(946684800 + ' . ($to / 1000000) . ") - clock_timestamp())); $count");
like($late, qr/^28000 no valid ticket/, 'and says nothing once its time is over, in a transaction that began before');
like(ask($short, $count), $refused, 'an expired one is refused');

like(ask($dora, $count, role => 'Other "app'), $refused, 'one for another database role is refused');
is(ask(ticket(user('a3'), 'Other "app'), $count, role => 'Other "app'), "$acme|10", 'whatever the role is called');
like(ask($dora, $count, role => 'app', node => $home), qr/^42501 setting "teamrbac.ticket" cannot be set/, 'one replayed where the team is kept is refused');
for my $sql ("ALTER ROLE app SET teamrbac.ticket = '$dora'", "ALTER DATABASE postgres SET teamrbac.ticket = '$dora'", "ALTER SYSTEM SET teamrbac.ticket = 'x'")
{
	my (undef, undef, $error) = $away->psql('postgres', $sql);
	like($error, qr/cannot be (set|changed)/, 'none is stored: ' . ($sql =~ s/ SET.*//rs));
}
my $error;
{
	local $ENV{PGOPTIONS} = '-c teamrbac.ticket=' . ($dora =~ s/([\\\s])/\\$1/gr);
	(undef, undef, $error) = $away->psql('postgres', $count, extra_params => [ '-U', 'app' ]);
}
like($error, qr/no valid ticket/, 'one sent with the connection says nothing');

# A server that loads the library late judges what was set before.
$away->append_conf('postgresql.conf', "session_preload_libraries = ''");
$away->reload;
is(ask(ticket(user('a3')), $count), "$acme|10", 'without preloading a ticket is accepted');
like(ask($altered{tenant}, $count), qr/^28000 no valid ticket/, 'and an altered one says nothing');
$away->append_conf('postgresql.conf', 'session_preload_libraries = teamrbac');
$away->reload;

# ---- a demotion is obeyed by the next ticket -----------------------------------------------------------

$home->safe_psql('postgres', "UPDATE teamrbac.membership SET role = 'reader' WHERE user_id = '${\id('a3')}'");
like(ask(ticket(user('a3')), "INSERT INTO prompt VALUES ('$acme', 12)"), qr/^42501/, 'a demoted member writes no more');
$home->safe_psql('postgres', "UPDATE teamrbac.membership SET expires_at = '2001-01-01' WHERE user_id = '${\id('a3')}'");
is(ask(ticket(user('a3')), $count), '', 'an expired one sees nothing');

# ---- rotation ------------------------------------------------------------------------------------------

my $rita = ticket(user('a4'));
my $next = 'another secret, as long as the first one was';
$away->safe_psql('postgres', "CALL teamrbac.set_cluster_secret('$next', false)");
is(ask($rita, $count), "$acme|10", 'rotation: a ticket of the secret before is accepted');
$home->safe_psql('postgres', "CALL teamrbac.set_cluster_secret('$next')");
my $new = ticket(user('a4'));
is(ask($new, $count), "$acme|10", 'and one of the new secret');
$away->safe_psql('postgres', "CALL teamrbac.set_cluster_secret('$next', false)");
like(ask($rita, $count), $refused, 'until the new one is set again');
is(ask($new, $count), "$acme|10", 'which goes on');
$away->safe_psql('postgres', "CALL teamrbac.set_cluster_secret('a third secret that only one server has', false); CALL teamrbac.set_cluster_secret('a third secret that only one server has', false)");
like(ask($new, $count), $refused, 'a server with another secret accepts none');
$away->safe_psql('postgres', "CALL teamrbac.set_cluster_secret('$next', false)");

# ---- what others may -----------------------------------------------------------------------------------

for my $node ($home, $away)
{
	for my $sql ('TABLE teamrbac.cluster', "CALL teamrbac.set_cluster_secret('$next', true)", 'SELECT teamrbac.make_ticket()',
		"SET ROLE teamrbac_owner; TABLE teamrbac.cluster", 'SET teamrbac.ticket_lifetime = 3600')
	{
		my (undef, undef, $said) = $node->psql('postgres', $sql, extra_params => [ '-U', 'app' ]);
		like($said, qr/permission denied/, $node->name . ": an ordinary role may not: $sql");
	}
}
is($away->safe_psql('postgres', "SELECT has_table_privilege('teamrbac_owner', 'teamrbac.cluster', 'SELECT')"), 'f', 'not even the owner of our objects reads the secret');
$home->command_like([ 'pg_dump', '-d', $home->connstr('postgres'), '--inserts' ], qr/COPY|INSERT INTO teamrbac\.tenant/, 'a dump has the team');
unlike(scalar(`pg_dump --inserts -d '${\$home->connstr('postgres')}'`), qr/INTO teamrbac\.cluster/, 'and not the secret');

# ---- a server that keeps no team -----------------------------------------------------------------------

for my $sql ("SELECT teamrbac.create_tenant('Planted')", "SELECT teamrbac.act_in_tenant('$acme')")
{
	like(ask(ticket(user('a4')), $sql), qr/^55000 the team is not kept on this server/, "refuses: $sql");
}
for my $sql ("SELECT teamrbac.register_user('x\@example.com', 'X')", "SELECT teamrbac.define_role('x', 'x', '{logs.view}')")
{
	my (undef, undef, $said) = $away->psql('postgres', $sql);
	like($said, qr/the team is not kept on this server/, "refuses from a superuser: $sql");
}

for my $sql ('TABLE teamrbac.team', 'SELECT * FROM teamrbac.my_tenants()', "SELECT * FROM teamrbac.explain_permission('$acme', 'prompts.view')")
{
	like(ask(ticket(user('a4')), $sql), qr/^55000 the team is not kept on this server/, "answers nothing about teams: $sql");
}

# What check_setup says of another node's clock.
for my $off (-60, 0, 60)
{
	my $said = $home->safe_psql('postgres', "SELECT severity, problem FROM teamrbac.node_findings(jsonb_build_object('version', 'v', 'time', extract(epoch FROM clock_timestamp()) + $off), true, NULL, 'v', clock_timestamp())");
	$off == 0 ? is($said, '', 'a clock that is right') : like($said, qr/^warning\|its clock says /, "a clock that is $off s off");
}

# ---- as many tenants as a ticket names -----------------------------------------------------------------

$home->safe_psql('postgres', <<"SQL");
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT ('00000000-0000-0000-0001-' || lpad(to_hex(g), 12, '0'))::uuid, 'T' || g FROM generate_series(1, 2000) AS g;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT tenant_id, '${\id('a5')}', 'owner' FROM teamrbac.tenant WHERE name LIKE 'T%' AND substr(name, 2)::int <= 255;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT tenant_id, '${\id('a1')}', 'owner' FROM teamrbac.tenant WHERE name LIKE 'T%' AND substr(name, 2)::int > 255;
COMMIT;
SQL
my $many = ticket(user('a5'));
is(ask($many, 'SELECT count(*) FROM log'), '10', 'somebody in 256 tenants has a ticket');
cmp_ok(length($many), '<', 32_000, 'of ' . length($many) . ' bytes');
$home->safe_psql('postgres', "INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$acme', '${\id('a5')}', 'reader')");
for my $user ('a5', 'a1')
{
	(undef, undef, $err) = $home->psql('postgres', "\\set VERBOSITY verbose\nBEGIN; ${\user($user)} SELECT teamrbac.make_ticket('app');");
	like($err, qr/54000: a ticket cannot name more than 256 tenants/, "$user: in more there is an error");
}
my $one = ticket(member('a1', '02'));
is(ask($one, $count), "$borealis|10", 'unless one has been entered');
cmp_ok(length($one), '<', 1000, 'in a ticket of ' . length($one) . ' bytes');

# ---- the end -------------------------------------------------------------------------------------------

$away->safe_psql('postgres', 'CALL teamrbac.set_cluster_secret(NULL, false)');
is($away->safe_psql('postgres', $count, extra_params => [ '-U', 'app' ]), '', 'a server without a secret is one that stands alone');
done_testing();
