# Eight sessions give random commands on twenty tenants, with rollbacks and savepoints, and some are terminated in the
# middle; one watches from outside.  A tenant has exactly one owner at any moment, nothing is left without what it
# belongs to, nobody waits in a circle, no error is of a kind that a command should not raise, and the audit is whole.
#
# TEAMRBAC_STRESS_SECONDS (default 45) and TEAMRBAC_STRESS_SEED set how long and which.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(time sleep);

my $seconds = $ENV{TEAMRBAC_STRESS_SECONDS} // 45;
my $seed = srand($ENV{TEAMRBAC_STRESS_SEED} // time);
note("TEAMRBAC_STRESS_SEED=$seed");
my $sessions = 8;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', <<'EOC');
log_statement = none
log_min_messages = error
teamrbac.deleted_tenant_retention = '2 s'
teamrbac.invitation_lifetime = '3 s'
max_connections = 40
teamrbac.max_tenants_per_user = 1000000
teamrbac.max_tenant_mails_per_day = 1000000
teamrbac.max_recipient_mails_per_day = 1000000
EOC
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION teamrbac CASCADE;
CREATE TABLE prompt (tenant_id uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE, id int);
CREATE INDEX ON prompt (tenant_id);
SELECT count(teamrbac.register_user(n || '@example.com', 'User ' || n, ('00000000-0000-0000-0000-0000000001' || lpad(n::text, 2, '0'))::uuid)) FROM generate_series(1, 30) AS n;
CREATE FUNCTION pick_user() RETURNS uuid LANGUAGE sql VOLATILE AS $$
	SELECT ('00000000-0000-0000-0000-0000000001' || lpad((1 + floor(random() * 30))::text, 2, '0'))::uuid $$;
CREATE FUNCTION pick_tenant() RETURNS uuid LANGUAGE sql VOLATILE AS $$
	SELECT tenant_id FROM teamrbac.tenant WHERE deleted_at IS NULL OR random() < 0.2 ORDER BY random() LIMIT 1 $$;
CREATE FUNCTION pick_member(tenant uuid, roles text[] DEFAULT NULL) RETURNS uuid LANGUAGE sql VOLATILE AS $$
	SELECT COALESCE((SELECT user_id FROM teamrbac.membership WHERE tenant_id = tenant AND (roles IS NULL OR role = ANY (roles)) ORDER BY random() LIMIT 1), pick_user()) $$;
CREATE FUNCTION pick_deleted() RETURNS uuid LANGUAGE sql VOLATILE AS $$
	SELECT tenant_id FROM teamrbac.tenant WHERE deleted_at IS NOT NULL ORDER BY random() LIMIT 1 $$;
CREATE FUNCTION pick_disabled() RETURNS uuid LANGUAGE sql VOLATILE AS $$
	SELECT COALESCE((SELECT user_id FROM teamrbac.app_user WHERE disabled_at IS NOT NULL ORDER BY random() LIMIT 1), pick_user()) $$;
CREATE FUNCTION pick_invitation(tenant uuid) RETURNS uuid LANGUAGE sql VOLATILE AS $$
	SELECT invitation_id FROM teamrbac.invitation WHERE tenant_id = tenant ORDER BY random() LIMIT 1 $$;
CREATE FUNCTION pick_key(tenant uuid) RETURNS uuid LANGUAGE sql VOLATILE AS $$
	SELECT key_id FROM teamrbac.api_key WHERE tenant_id = tenant ORDER BY random() LIMIT 1 $$;
CREATE FUNCTION name_of(tenant uuid) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT name FROM teamrbac.tenant WHERE tenant_id = $1 $$;
-- Whoever signs in, most of the time one who may; nobody for those who are disabled.
CREATE FUNCTION act_as(who uuid) RETURNS void LANGUAGE sql VOLATILE AS $$ SELECT teamrbac.sign_in(who) $$;
DO $$
BEGIN
	FOR n IN 1 .. 20 LOOP
		PERFORM teamrbac.sign_in(pick_user());
		INSERT INTO prompt SELECT teamrbac.create_tenant('Tenant ' || n), g FROM generate_series(1, 1) AS g;
	END LOOP;
END $$;
INSERT INTO teamrbac.membership (tenant_id, user_id, role)
	SELECT tenant_id, pick_user(), (ARRAY['admin', 'admin', 'developer', 'reader'])[1 + n % 4] FROM teamrbac.tenant, generate_series(1, 8) AS n
	ON CONFLICT DO NOTHING;
SQL

# ---- what a session does

sub one_of { $_[ rand @_ ] }

my $owner = "SELECT act_as(pick_member(:'t', '{owner}'));";
my $manager = "SELECT act_as(pick_member(:'t', '{owner,admin}'));";
my $member = "SELECT act_as(pick_member(:'t'));";
my @commands = (
	sub { "$owner CALL teamrbac.transfer_ownership(:'t', pick_member(:'t', '{admin}'));" },
	sub { "$owner CALL teamrbac.transfer_ownership(:'t', pick_member(:'t', '{admin}'));" },
	sub { "$manager CALL teamrbac.change_role(:'t', pick_member(:'t'), '" . one_of(qw(admin admin developer reader)) . "', " . one_of('true', 'false') . ");" },
	sub { "$manager CALL teamrbac.change_role(:'t', pick_member(:'t', '{admin}'), '" . one_of(qw(developer reader)) . "');" },
	sub { "$manager CALL teamrbac.remove_member(:'t', pick_member(:'t'), " . one_of('true', 'false') . ");" },
	sub { "$member CALL teamrbac.leave_tenant(:'t');" },
	sub { "$manager CALL teamrbac.set_membership_expiry(:'t', pick_member(:'t'), " . one_of("clock_timestamp() + interval '0.2 s'", "NULL") . ");" },
	sub { "$owner CALL teamrbac.delete_tenant(:'t', name_of(:'t'));" },
	sub { "CALL teamrbac.restore_tenant(pick_deleted());" },
	sub { "CALL teamrbac.assign_owner(:'t', pick_user());" },
	sub { "CALL teamrbac.disable_user(pick_user());" },
	sub { "CALL teamrbac.enable_user(pick_disabled());" },
	sub { "SELECT act_as(pick_user()); INSERT INTO prompt SELECT teamrbac.create_tenant('Tenant'), 1;" },
	sub { "$manager SELECT * FROM teamrbac.removal_impact(:'t', pick_member(:'t'));" },
	sub { "$member SELECT count(*) FROM teamrbac.team; SELECT count(*) FROM teamrbac.my_tenants();" },
	# The token is used in this session's next transactions, or by then is good no more.
	(sub { "SELECT pick_user() AS invitee \\gset\n$manager SELECT token FROM teamrbac.invite_member(:'t', right(:'invitee', 2)::int || '\@example.com', '" . one_of(qw(admin admin developer reader)) . "') \\gset\n" }) x 2,
	(sub { "SELECT act_as(:'invitee'); SELECT count(*) FROM teamrbac.accept_invitation(:'token');" }) x 3,
	sub { "SELECT act_as(:'invitee'); CALL teamrbac.decline_invitation(:'token');" },
	sub { "$manager SELECT token FROM teamrbac.resend_invitation(pick_invitation(:'t')) \\gset\n" },
	sub { "$manager CALL teamrbac.cancel_invitation(pick_invitation(:'t'));" },
	(sub { "$manager SELECT secret FROM teamrbac.create_api_key(:'t', 'key " . int(rand 1000) . "', '" . one_of(qw(developer reader)) . "') \\gset\n" }) x 2,
	sub { "SELECT count(*) FROM teamrbac.sign_in_with_api_key(:'secret'); SELECT count(*) FROM prompt;" },
	sub { "$manager SELECT count(*) FROM teamrbac.rotate_api_key(pick_key(:'t'), '1 s');" },
	sub { "$manager CALL teamrbac.revoke_api_key(pick_key(:'t'), 'stress');" });
my @jobs = ('CALL teamrbac.expire_memberships(3);', 'CALL teamrbac.expire_invitations(3);', 'CALL teamrbac.purge(5);');

# Most transactions are about one tenant: who has locked one and asks for another may well wait in a circle.
sub transaction
{
	my $sql = "SELECT pick_tenant() AS t \\gset\nBEGIN;\n";
	$sql .= one_of(@commands)->() . "\n";
	$sql .= "SAVEPOINT s;\n" . one_of(@commands)->() . "\nROLLBACK TO s;\n" if rand() < 0.1;
	return $sql . (rand() < 0.15 ? "ROLLBACK;\n" : "COMMIT;\n");
}

# A script for one connection; all its transactions have one isolation level.
my @levels = ('read committed', 'read committed', 'read committed', 'repeatable read', 'serializable');
sub script
{
	my $sql = "\\set VERBOSITY sqlstate\n\\set t 00000000-0000-0000-0000-000000000000\n\\set token none\n\\set secret none\n\\set invitee 00000000-0000-0000-0000-000000000101\n";
	for (1 .. 60) { $sql .= rand() < 0.06 ? one_of(@jobs) . "\n" : transaction() }
	return $sql;
}

my $directory = PostgreSQL::Test::Utils::tempdir();
my (%running, @logs);
sub start_session
{
	my $level = one_of(@levels);
	my $name = "$directory/" . scalar @logs;
	append_to_file("$name.sql", script());
	push @logs, [ $level, "$name.log" ];
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		$ENV{PGOPTIONS} = "-c default_transaction_isolation=" . $level =~ s/ /\\ /r;
		$ENV{PGAPPNAME} = 'stress';
		open(STDOUT, '>', "$name.log") and open(STDERR, '>&', \*STDOUT) or POSIX::_exit(1);
		exec('psql', '-XqAt', '-d', $node->connstr('postgres'), '-f', "$name.sql") or POSIX::_exit(1);
	}
	$running{$pid} = 1;
}

# ---- the watch

my $ownerless = <<'SQL';
SELECT count(*) FROM teamrbac.tenant AS t WHERE purge_began_at IS NULL
	AND (SELECT count(*) FROM teamrbac.membership AS m WHERE m.tenant_id = t.tenant_id AND role = 'owner') <> 1
SQL
my ($watched, $terminated, $bad) = (0, 0, 0);
start_session() for 1 .. $sessions;
my $end = time + $seconds;
my $next_watch = 0;
while (%running)
{
	for my $pid (keys %running)
	{
		next if waitpid($pid, WNOHANG) == 0;
		delete $running{$pid};
		start_session() if time < $end;
	}
	if (time > $next_watch)
	{
		$bad += $node->safe_psql('postgres', $ownerless);
		$watched++;
		$terminated += $node->safe_psql('postgres', "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE application_name = 'stress' ORDER BY random() LIMIT 1) AS s")
			if rand() < 0.4;
		$next_watch = time + 0.3;
	}
	sleep(0.05);
}
is($bad, 0, "never a tenant without exactly one owner, in $watched looks");
is($node->safe_psql('postgres', $ownerless), '0', 'nor in the end');
cmp_ok($terminated, '>', $seconds / 5, "$terminated sessions were terminated");

# ---- errors

my %expected = map { $_ => 1 } qw(42501 P0002 55000 22023 23505 28000 25P02 3B001 57P01);
my (%errors, @unexpected);
for (@logs)
{
	my ($level, $log) = @$_;
	for my $line (split /\n/, slurp_file($log))
	{
		next unless $line =~ /(?:ERROR|FATAL):  ([0-9A-Z]{5})/;
		$errors{$1}++;
		push @unexpected, "$level: $line ($log)" unless $expected{$1} || ($1 eq '40001' && $level ne 'read committed');
	}
}
note('errors: ', join(', ', map { "$_ $errors{$_}" } sort keys %errors));
is(scalar @unexpected, 0, 'no error of another kind') or diag(join("\n", @unexpected[ 0 .. ($#unexpected < 9 ? $#unexpected : 9) ]));
unlike(slurp_file($node->logfile), qr/deadlock detected|PANIC|TRAP|terminated by signal/, 'no deadlock, no crash');

# ---- what is left

my $done = $node->safe_psql('postgres', <<'SQL');
SELECT string_agg(action || ' ' || n, ', ' ORDER BY action) FROM (SELECT action, count(*) AS n FROM teamrbac.audit_event GROUP BY 1) AS e
SQL
note("done: $done");
for my $action (qw(tenant.created tenant.deleted tenant.restored tenant.purged member.role_changed member.removed member.left member.joined
	member.expiry_set member.expired ownership.transferred ownership.assigned invitation.created invitation.resent invitation.cancelled
	invitation.accepted invitation.declined invitation.expired api_key.created api_key.rotated api_key.revoked user.disabled user.enabled))
{
	like($done, qr/\b\Q$action\E [1-9]/, "$action happened");
}
# Whatever names a tenant or a user names one that there is; foreign keys say which.
my @orphans = split /\n/, $node->safe_psql('postgres', <<'SQL');
SELECT format('SELECT %L, count(*) FROM %s AS c WHERE NOT EXISTS (SELECT FROM %s AS p WHERE %s) AND NOT (%s)', f.conname, f.conrelid::regclass, f.confrelid::regclass,
		(SELECT string_agg(format('p.%I = c.%I', p.attname, c.attname), ' AND ') FROM unnest(f.conkey, f.confkey) AS k(child, parent)
		 JOIN pg_attribute AS c ON c.attrelid = f.conrelid AND c.attnum = k.child
		 JOIN pg_attribute AS p ON p.attrelid = f.confrelid AND p.attnum = k.parent),
		(SELECT string_agg(format('c.%I IS NULL', attname), ' OR ') FROM pg_attribute WHERE attrelid = f.conrelid AND attnum = ANY (f.conkey)))
	FROM pg_constraint AS f WHERE f.contype = 'f' AND (f.connamespace = 'teamrbac'::regnamespace OR f.confrelid = 'teamrbac.tenant'::regclass)
SQL
cmp_ok(scalar @orphans, '>', 5, 'there are foreign keys to check');
for my $sql (@orphans)
{
	my ($name, $count) = split /\|/, $node->safe_psql('postgres', $sql);
	is($count, 0, "no orphan by $name");
}
is($node->safe_psql('postgres', <<'SQL'), '0', 'every chain of the audit is whole');
SELECT count(*) FROM (SELECT DISTINCT tenant_id FROM teamrbac.audit_head) AS h, teamrbac.verify_audit(h.tenant_id) AS v WHERE NOT v.valid
SQL
is($node->safe_psql('postgres', <<'SQL'), '0', 'the last transfer in the audit names the owner that there is');
SELECT count(*) FROM teamrbac.membership AS m JOIN LATERAL (
	SELECT a.after ->> 'owner' AS owner FROM teamrbac.audit_event AS a
	WHERE a.tenant_id = m.tenant_id AND a.action IN ('ownership.transferred', 'ownership.assigned') ORDER BY a.sequence DESC LIMIT 1) AS last ON true
WHERE m.role = 'owner' AND last.owner::uuid <> m.user_id
SQL
$node->stop;
done_testing();
