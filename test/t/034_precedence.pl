# Whoever may not manage a team holds no lock that a manager's command waits for: not by any command that is theirs, in a
# transaction that stays open, whether its client sleeps or works, nor in one that is prepared.  And signing in takes a
# bounded number of locks.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Teamrbac;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
# Nobody is waited for any longer than it takes to tell; what waits all the same has failed.
$node->append_conf('postgresql.conf', "max_prepared_transactions = 10\nmax_locks_per_transaction = 10\nteamrbac.yield_after = '50 ms'\nteamrbac.max_recipient_mails_per_day = 1000");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION teamrbac CASCADE;
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(n || '@example.com', n, u(n))) FROM unnest(ARRAY['a1', 'b1', 'c1', 'd1', 'e1', 'a2', 'b2']) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('01'), 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('01'), u('a1'), 'owner'), (u('01'), u('b1'), 'admin');
COMMIT;
CREATE TABLE made (who text PRIMARY KEY, id uuid, secret text);
-- d1 is a Developer with a key, c1 a Reader who was one, e1 is invited; a2 may join by domain or link, b2 has asked to.
CREATE FUNCTION reset() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM teamrbac.invitation;
	DELETE FROM teamrbac.invitation_link;
	DELETE FROM teamrbac.join_request;
	DELETE FROM teamrbac.api_key;
	DELETE FROM teamrbac.membership WHERE user_id NOT IN (u('a1'), u('b1'));
	DELETE FROM made;
	INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('01'), u('c1'), 'developer'), (u('01'), u('d1'), 'developer');
	PERFORM teamrbac.sign_in(u('c1'));
	INSERT INTO made SELECT 'c1', k.* FROM teamrbac.create_api_key(u('01'), 'c1') AS k;
	PERFORM teamrbac.sign_in(u('d1'));
	INSERT INTO made SELECT 'd1', k.* FROM teamrbac.create_api_key(u('01'), 'd1') AS k;
	PERFORM teamrbac.sign_in(u('a1'));
	CALL teamrbac.change_role(u('01'), u('c1'), 'reader');
	INSERT INTO made SELECT 'e1', i.invitation_id, i.token FROM teamrbac.invite_member(u('01'), 'e1@example.com', 'reader') AS i;
	INSERT INTO made SELECT 'a2', l.link_id, l.token FROM teamrbac.invite_by_link(u('01'), 'reader') AS l;
	CALL teamrbac.allow_domain(u('01'), 'example.com', 'reader');
	PERFORM teamrbac.sign_in(u('b2'));
	CALL teamrbac.request_to_join(u('01'));
	PERFORM teamrbac.sign_out();
END $$;
CREATE FUNCTION id(text) RETURNS uuid LANGUAGE sql STABLE AS 'SELECT id FROM made WHERE who = $1';
CREATE FUNCTION secret(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT secret FROM made WHERE who = $1';
SQL

# Whose command, what it is, and what a manager wants of the very same thing.
my $timeout = "SET statement_timeout = '20s';";
my %managers = (
	member => "CALL teamrbac.remove_member(u('01'), u('%s'), true);",
	key => "CALL teamrbac.revoke_api_key(id('%s'));",
	invitation => "CALL teamrbac.cancel_invitation(id('%s'));",
	joining => "SELECT teamrbac.add_member(u('01'), u('%s'), 'reader');",
	request => "CALL teamrbac.refuse_join_request(u('01'), u('%s'));");
my @commands = (
	[ 'c1', 'leave_tenant', "CALL teamrbac.leave_tenant(u('01'));", 'member' ],
	[ 'c1', 'revoke_member_keys', "CALL teamrbac.revoke_member_keys(u('01'), u('c1'));", 'member' ],
	[ 'c1', 'revoke_api_key', "CALL teamrbac.revoke_api_key(id('c1'));", 'key' ],
	[ 'c1', 'rename_api_key', "CALL teamrbac.rename_api_key(id('c1'), 'mine');", 'key' ],
	[ 'c1', 'set_api_key_expiry', "CALL teamrbac.set_api_key_expiry(id('c1'), '2030-01-01');", 'key' ],
	[ 'd1', 'rotate_api_key', "SELECT count(*) FROM teamrbac.rotate_api_key(id('d1'));", 'key' ],
	[ 'd1', 'create_api_key', "SELECT count(*) FROM teamrbac.create_api_key(u('01'), 'more');", 'member' ],
	[ 'e1', 'accept_invitation', "SELECT role FROM teamrbac.accept_invitation(secret('e1'));", 'invitation' ],
	[ 'e1', 'decline_invitation', "CALL teamrbac.decline_invitation(secret('e1'));", 'invitation' ],
	[ 'c1', 'set_api_key_metadata', "CALL teamrbac.set_api_key_metadata(id('c1'), '{}');", 'key' ],
	[ 'e1', 'accept_my_invitation', "SELECT role FROM teamrbac.accept_my_invitation(id('e1'));", 'invitation' ],
	[ 'e1', 'decline_my_invitation', "CALL teamrbac.decline_my_invitation(id('e1'));", 'invitation' ],
	[ 'a2', 'accept_link', "SELECT role FROM teamrbac.accept_invitation(secret('a2'));", 'joining' ],
	[ 'a2', 'join_tenant', "SELECT teamrbac.join_tenant(u('01'));", 'joining' ],
	[ 'a2', 'request_to_join', "CALL teamrbac.request_to_join(u('01'));", 'joining' ],
	[ 'b2', 'withdraw_join_request', "CALL teamrbac.withdraw_join_request(u('01'));", 'request' ]);

sub owner { return $node->psql('postgres', sign_in('a1') . " $timeout $_[0]") }
sub sessions { return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE application_name = '$_[0]'") }

for my $command (@commands)
{
	my ($who, $name, $sql, $of) = @$command;
	my $theirs = sprintf $managers{$of}, $who;

	# Prepared: refused.
	$node->safe_psql('postgres', 'SELECT reset()');
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\nBEGIN; SELECT teamrbac.sign_in(u('$who')); $sql PREPARE TRANSACTION '$name';");
	like($err, qr/ERROR:  55000$/, "$name: not to be prepared");

	for my $busy (0, 1)
	{
		my $what = $name . ($busy ? ', working' : ', asleep');
		$node->safe_psql('postgres', 'SELECT reset()');
		my $seen = $node->safe_psql('postgres', 'SELECT count(*) FROM teamrbac.audit_event');
		my ($in, $printed) = ("SET application_name = 'held'; BEGIN; SELECT teamrbac.sign_in(u('$who')); $sql\n\\echo open\n" . ($busy ? "SELECT pg_sleep(3600);\n" : ''), '');
		my $held = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$printed, '2>&1');
		$held->pump until $printed =~ /open/;
		# Something else of the team first, by somebody for whom it is an effort; then the very same thing.
		($rc, $out, $err) = $node->psql('postgres', sign_in('b1') . " $timeout SELECT count(*) FROM teamrbac.invite_member(u('01'), 'other$busy\@example.com', 'reader');");
		is($rc, 0, "$what: an Admin invites") or diag $err;
		($rc, $out, $err) = owner($theirs);
		is($rc, 0, "$what: the Owner's own command on it") or diag $err;
		is(sessions('held'), '0', "$what: its session has been ended");
		is($node->safe_psql('postgres', "SELECT count(*) FROM teamrbac.audit_event WHERE actor_id = u('$who') AND sequence > $seen"), '0', "$what: and what it did undone");
		$held->kill_kill;
	}
}
$node->safe_psql('postgres', 'SELECT reset()');

# Nor does somebody who joins keep the application from erasing them: their membership refers to their row.
{
	my ($in, $printed) = ("SET application_name = 'held'; BEGIN; SELECT teamrbac.sign_in(u('a2')); SELECT teamrbac.join_tenant(u('01'));\n\\echo open\n", '');
	my $held = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$printed, '2>&1');
	$held->pump until $printed =~ /open/;
	my ($rc, $out, $err) = $node->psql('postgres', "$timeout CALL teamrbac.delete_user(u('a2'));");
	is($rc, 0, 'somebody who joins is erased') or diag $err;
	is(sessions('held'), '0', 'their session has been ended');
	$held->kill_kill;
}

# What a Reader does without changing anything takes no lock that a manager could meet: nobody is ended, nobody waits.
{
	my $reads = join ' ', "SELECT teamrbac.has_permission(u('01'), 'logs.view');", 'SELECT count(*) FROM teamrbac.team;', 'SELECT count(*) FROM teamrbac.api_key_overview;',
		"CALL teamrbac.revoke_member_keys(u('01'), u('f1'));";
	$node->safe_psql('postgres', "SELECT teamrbac.register_user('f1\@example.com', 'f1', u('f1')); INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('01'), u('f1'), 'reader');");
	my $reader = $node->background_psql('postgres');
	$reader->query_safe("BEGIN; SELECT teamrbac.sign_in(u('f1')); $reads");
	my ($rc, $out, $err) = owner("SET teamrbac.yield_after = '1 hour'; CALL teamrbac.change_role(u('01'), u('f1'), 'developer'); CALL teamrbac.remove_member(u('01'), u('f1'), true);");
	is($rc, 0, 'a Reader who only reads holds up nobody') or diag $err;
	is($reader->query('SELECT count(*) FROM teamrbac.team;'), '0', 'and goes on, as a stranger');
	$reader->quit;
	$node->safe_psql('postgres', "INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('01'), u('f1'), 'reader'); BEGIN; SELECT teamrbac.sign_in(u('f1')); $reads PREPARE TRANSACTION 'read';");
	($rc, $out, $err) = owner("SET teamrbac.yield_after = '1 hour'; CALL teamrbac.remove_member(u('01'), u('f1'), true);");
	is($rc, 0, 'prepared neither') or diag $err;
	$node->safe_psql('postgres', "COMMIT PREPARED 'read'");
}

# Managers wait for each other as ever; their transactions are neither ended nor unfit to be prepared.
{
	my $admin = $node->background_psql('postgres');
	$admin->query_safe("BEGIN; SELECT teamrbac.sign_in(u('b1')); CALL teamrbac.leave_tenant(u('01'));");
	my ($rc, $out, $err) = $node->psql('postgres', sign_in('a1') . " SET statement_timeout = '1s'; CALL teamrbac.change_role(u('01'), u('b1'), 'reader');");
	like($err, qr/statement timeout/, 'the Owner waits for an Admin');
	is($admin->query('SELECT count(*) FROM teamrbac.team;'), '0', 'who goes on');
	$admin->query_safe('ROLLBACK');
	$admin->query_safe("BEGIN; SELECT teamrbac.sign_in(u('b1')); CALL teamrbac.change_role(u('01'), u('c1'), 'developer'); PREPARE TRANSACTION 'admin'");
	$node->safe_psql('postgres', "COMMIT PREPARED 'admin'");
	is($node->safe_psql('postgres', "SELECT role FROM teamrbac.membership WHERE user_id = u('c1')"), 'developer', 'prepared and committed');
	$admin->quit;
}

# One after the other in line: somebody who waits behind an Admin comes next, but keeps the Owner no longer than others.
{
	my $line = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
	my $admin = $node->background_psql('postgres');
	$admin->query_safe("BEGIN; SELECT teamrbac.sign_in(u('b1')); CALL teamrbac.change_role(u('01'), u('c1'), 'reader');");
	my $printed = '';
	my $developer = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), map { ('-c', $_) } 'BEGIN', "SELECT teamrbac.sign_in(u('d1'))",
		"CALL teamrbac.leave_tenant(u('01'))", '\echo left', 'SELECT pg_sleep(3600)' ], '<', \undef, '>&', \$printed);
	$node->poll_query_until('postgres', "$line", '1') or die;
	my $said = '';
	my $owner = IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', sign_in('a1'), '-c', $timeout, '-c', "CALL teamrbac.remove_member(u('01'), u('d1'))" ], '<', \undef, '>&', \$said);
	$node->poll_query_until('postgres', "$line", '2') or die;
	$admin->query_safe('COMMIT');
	$owner->finish;
	$developer->finish;
	is($owner->result(0), 0, 'the Owner, behind a Developer, behind an Admin') or diag $said;
	like($printed, qr/left/, 'the Developer had their turn');
	is($node->safe_psql('postgres', "SELECT count(*) FROM teamrbac.membership WHERE user_id = u('d1')"), '0', 'and is removed');
	$admin->quit;
	like(slurp_file($node->logfile), qr/teamrbac ended 1 sessions that held up somebody who manages a team/, 'the log says so');
}

# Nor does anybody keep the application from disabling them, or others from a slug.
{
	my $maker = $node->background_psql('postgres');
	$maker->query_safe("BEGIN; SELECT teamrbac.sign_in(u('e1')); SELECT teamrbac.create_tenant('Mine', 'mine');");
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n" . sign_in('a1') . " $timeout SELECT teamrbac.create_tenant('Yours', 'mine');");
	like($err, qr/ERROR:  23505$/, 'a slug in an open transaction is taken, not waited for');
	($rc, $out, $err) = $node->psql('postgres', "$timeout CALL teamrbac.disable_user(u('e1'));");
	is($rc, 0, 'whoever makes a tenant is disabled at once') or diag $err;
	is($node->safe_psql('postgres', "SELECT count(*) FROM teamrbac.tenant WHERE slug = 'mine'"), '0', 'and has made none');
	eval { $maker->quit };
	$node->safe_psql('postgres', "CALL teamrbac.enable_user(u('e1'));");
}

# Thousands sign in within one transaction, where the server has room for few locks: it takes no more than before.
{
	$node->safe_psql('postgres', "INSERT INTO teamrbac.app_user (user_id, email, display_name) SELECT gen_random_uuid(), g || '\@many.example', 'Many' FROM generate_series(1, 5000) AS g");
	my $all = "SELECT count(teamrbac.sign_in(user_id)) FROM teamrbac.app_user WHERE display_name = 'Many'";
	my $crowd = $node->background_psql('postgres');
	my $locks = $crowd->query_safe("BEGIN; $all; SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid();");
	cmp_ok((split /\n/, $locks)[-1], '<', 20, 'a bounded number of locks');
	# Somebody else who signs the same ones in waits for nothing, and notes nothing twice.
	my ($rc, $out, $err) = $node->psql('postgres', "$timeout $all;");
	is($rc, 0, 'others sign the same users in meanwhile') or diag $err;
	$crowd->query_safe('COMMIT');
	is($node->safe_psql('postgres', "SELECT count(*) FROM teamrbac.user_activity JOIN teamrbac.app_user USING (user_id) WHERE display_name = 'Many'"), '5000', 'each is noted');
	$crowd->quit;
}
is($node->safe_psql('postgres', broken_chains()), '0', 'the audit is whole');
done_testing();
