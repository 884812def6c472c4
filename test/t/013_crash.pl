# Cancelled, timed out, or killed by kill -9, a backend alone or the whole server, in the middle of each command:
# afterwards it has happened as a whole, its audit event included, or not at all.
#
# TEAMRBAC_CRASHES (default 3) says how often the server is killed under load.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Teamrbac;
use Test::More;
use Time::HiRes qw(time usleep);

my $crashes = $ENV{TEAMRBAC_CRASHES} // 3;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nlog_statement = none\nlog_min_error_statement = panic");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION teamrbac CASCADE');
my @commands = commands($node, 'postgres');

my $before = team($node, 'postgres');
my $owners = "SELECT count(*) FROM teamrbac.tenant AS t WHERE (SELECT count(*) FROM teamrbac.membership AS m WHERE m.tenant_id = t.tenant_id AND role = 'owner') <> 1";
my $orphans = "SELECT (SELECT count(*) FROM teamrbac.membership AS m WHERE NOT EXISTS (SELECT FROM teamrbac.tenant AS t WHERE t.tenant_id = m.tenant_id))"
	. " + (SELECT count(*) FROM teamrbac.api_key AS m WHERE NOT EXISTS (SELECT FROM teamrbac.tenant AS t WHERE t.tenant_id = m.tenant_id))"
	. " + (SELECT count(*) FROM teamrbac.invitation AS m WHERE NOT EXISTS (SELECT FROM teamrbac.tenant AS t WHERE t.tenant_id = m.tenant_id))";

# Each command does its work and then waits to record it: the heads of the audit's chains are locked.
sub in_the_middle
{
	my ($settings) = @_;
	my @sessions;
	my ($in, $out) = ("BEGIN; LOCK TABLE teamrbac.audit_head IN EXCLUSIVE MODE;\n\\echo locked\n", '');
	push @sessions, { name => 'lock', out => \$out, in => \$in, run => IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>&1') };
	$sessions[0]{run}->pump until $out =~ /locked/;
	for my $command (@commands)
	{
		my ($name, $sign_in, $sql) = @$command;
		my $printed = '';
		push @sessions, { name => $name, out => \$printed, run => IPC::Run::start(
			[ 'psql', '-XqAt', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'), '-c', "SET application_name = 'middle'; $settings $sign_in", '-c', $sql ],
			'<', \undef, '>', \$printed, '2>&1') };
	}
	# Those with a timeout of their own need no waiting for.
	my $waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'middle' AND wait_event_type = 'Lock'";
	my $end = time + 60;
	while ($settings eq '' && $node->safe_psql('postgres', $waiting) != @commands)
	{
		die join "\n", map { "$_->{name}: ${ $_->{out} }" } @sessions if time > $end;
		$_->{run}->pump_nb for @sessions[ 1 .. $#sessions ];
		usleep(100_000);
	}
	return @sessions;
}

sub finish
{
	my @sessions = @_;
	$_->{run}->finish for @sessions[ 1 .. $#sessions ];
	${ $sessions[0]{in} } .= "\\q\n";
	eval { $sessions[0]{run}->finish };
	return;
}

sub is_sound
{
	my ($what) = @_;
	is($node->safe_psql('postgres', broken_chains()), '0', "$what: every chain of the audit is whole");
	is($node->safe_psql('postgres', $owners), '0', "$what: every tenant has one owner");
	is($node->safe_psql('postgres', $orphans), '0', "$what: nothing belongs to no tenant");
	return;
}

# The whole server at once, so that nothing has time to clean up.
sub kill_server
{
	my @pids = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity');
	$node->kill9;
	kill 'KILL', @pids;
	# It starts again when the last of the dead has let go of the shared memory.
	usleep(50_000) while grep { kill 0, $_ } @pids;
	$node->start;
	return;
}

# ---- in the middle -----------------------------------------------------------------------------------------

my @sessions = in_the_middle("SET statement_timeout = '1s';");
finish(@sessions);
is(join(' ', map { $_->{name} } grep { ${ $_->{out} } !~ /57014/ } @sessions[ 1 .. $#sessions ]), '', 'each command timed out');
is(differences($before, team($node, 'postgres')), '', 'and nothing of it has happened');

@sessions = in_the_middle('');
$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'middle'");
finish(@sessions);
is(join(' ', map { $_->{name} } grep { ${ $_->{out} } !~ /57014/ } @sessions[ 1 .. $#sessions ]), '', 'each command was cancelled');
is(differences($before, team($node, 'postgres')), '', 'and nothing of it has happened');

@sessions = in_the_middle('');
my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'middle' LIMIT 1");
kill 'KILL', $pid;
finish(@sessions);
$node->poll_query_until('postgres', 'SELECT 1', '1');
is(differences($before, team($node, 'postgres')), '', 'a backend killed: nothing of any command has happened');
is_sound('a backend killed');

@sessions = in_the_middle('');
kill_server();
finish(@sessions);
is(differences($before, team($node, 'postgres')), '', 'the server killed: nothing of any command has happened');
is_sound('the server killed');

# ---- when each has returned --------------------------------------------------------------------------------

my $events = "SELECT count(*) FROM teamrbac.audit_event";
for my $command (@commands)
{
	my ($name, $sign_in, $sql) = @$command;
	my $count = $node->safe_psql('postgres', $events);
	$node->safe_psql('postgres', "$sign_in $sql");
	cmp_ok($node->safe_psql('postgres', $events), '>', $count, "$name is done and recorded");
}
my $after = team($node, 'postgres');
kill_server();
is(differences($after, team($node, 'postgres')), '', 'and is all there when the server has been killed');
is_sound('all commands done');

# ---- under load --------------------------------------------------------------------------------------------

# Four sessions hand a tenant of their own back and forth, and its developer up and down, numbering what they
# write; what was acknowledged must be there, and at most one command more.
sub load_session
{
	my ($n) = @_;
	my @u = map { "7000000$n-0000-0000-0000-00000000000$_" } 0 .. 2;
	return "SELECT teamrbac.sign_in('$u[0]', false); SELECT 'begun';\n" . join '', map {
		my ($new, $role) = ($_ % 2 ? ($u[1], 'reader') : ($u[0], 'developer'));
		my $back = $new eq $u[0] ? $u[1] : $u[0];
		"CALL teamrbac.change_role('$u[0]', '$u[2]', '$role');\nCALL teamrbac.transfer_ownership('$u[0]', '$new');\nSELECT teamrbac.sign_in('$new', false);\n\\echo done $_\n"
	} 1 .. 3000;
}
sub transfers { return "SELECT count(*) FROM teamrbac.audit_event WHERE tenant_id = '$_[0]' AND action = 'ownership.transferred'" }

for my $n (0 .. 3)
{
	$node->safe_psql('postgres', <<"SQL");
SELECT teamrbac.register_user('load$n' || i || '\@example.com', 'x', ('7000000$n-0000-0000-0000-00000000000' || i)::uuid) FROM generate_series(0, 2) AS i;
SQL
}
for my $round (1 .. $crashes)
{
	my @load;
	for my $n (0 .. 3)
	{
		my $tenant = "7000000$n-0000-0000-0000-000000000000";
		$node->safe_psql('postgres', <<"SQL");
BEGIN;
DELETE FROM teamrbac.tenant WHERE tenant_id = '$tenant';
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('$tenant', 'load');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$tenant', '$tenant', 'owner'),
	('$tenant', '7000000$n-0000-0000-0000-000000000001', 'admin'), ('$tenant', '7000000$n-0000-0000-0000-000000000002', 'developer');
COMMIT;
SQL
		my ($script, $out) = ($node->basedir . "/load$n.sql", '');
		append_to_file($script, load_session($n)) if $round == 1;
		my $events = $node->safe_psql('postgres', transfers($tenant));
		push @load, { tenant => $tenant, out => \$out, events => $events,
			run => IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $script ], '<', \undef, '>', \$out, '2>&1') };
	}
	my $until = time + 0.5 + rand;
	while (time < $until) { $_->{run}->pump_nb for @load; usleep(1000) }
	kill_server();
	eval { $_->{run}->finish } for @load;
	for my $s (@load)
	{
		my $done = () = ${ $s->{out} } =~ /^done/mg;
		my $recorded = $node->safe_psql('postgres', transfers($s->{tenant})) - $s->{events};
		ok($done > 0 && ($recorded == $done || $recorded == $done + 1), "round $round: $done acknowledged, $recorded recorded");
		my $owner = $node->safe_psql('postgres', "SELECT right(user_id::text, 1) FROM teamrbac.membership WHERE tenant_id = '$s->{tenant}' AND role = 'owner'");
		is($owner, $recorded % 2, "round $round: the owner is whom the last event says");
	}
	is_sound("round $round");
}
$node->stop;
done_testing();
