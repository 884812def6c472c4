# What a DBA sees from outside: the counts of all backends, and refusals in the log.
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

# Off, refusals are in the log only as the errors that they are.
my $offset = -s $node->logfile;
$node->psql('postgres', "SELECT teamrbac.create_tenant('x')");
unlike(slurp_file($node->logfile, $offset), qr/teamrbac refused/, 'nothing in the log unless asked for');

$node->append_conf('postgresql.conf', "teamrbac.log_denials = log\nlog_min_error_statement = panic\nlog_min_messages = log\nlog_statement = none\n");
$node->reload;

# Runs SQL as the application and returns what it adds to the log.
sub logged
{
	my ($sql) = @_;
	my $from = -s $node->logfile;
	$node->psql('postgres', $sql, on_error_stop => 0, extra_params => [ '-U', 'app' ]);
	return slurp_file($node->logfile, $from);
}
like(logged("SELECT teamrbac.sign_in('$user', false); SELECT teamrbac.require_permission('$stranger', 'prompts.view')"),
	qr/LOG:  teamrbac refused \(42501\): permission denied for tenant\n.*DETAIL:  This needs permission "prompts.view" in the tenant. The tenant is $stranger. Asked by user $user, logged in as "app"\./,
	'a refused command, with who asked');
like(logged("SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000ff')"),
	qr/teamrbac refused \(28000\): unknown or disabled user\n.*There is no active user 00000000-0000-0000-0000-0000000000ff. Asked by nobody, logged in as "app"/,
	'a failed sign-in');
like(logged("CALL teamrbac.leave_tenant('$tenant')"), qr/teamrbac refused \(28000\): nobody is signed in\n.*DETAIL:  The tenant is $tenant. Asked by nobody/, 'nobody at all');
# The tenant is known where the command names it by something of the tenant's; what a token or a key says is not
# repeated.
my $made = $node->safe_psql('postgres', "SELECT teamrbac.sign_in('$user', false); SELECT key_id, secret FROM teamrbac.create_api_key('$tenant', 'key'); SELECT token FROM teamrbac.invite_member('$tenant', 'carl\@example.com', 'reader')");
my ($key_id, $secret, $token) = $made =~ /^(\S+)\|(\S+)\n(\S+)$/m or die $made;
like(logged("SELECT teamrbac.sign_in('$stranger', false); CALL teamrbac.revoke_api_key('$key_id')"),
	qr/teamrbac refused \(42501\): permission denied for API key\n.*The tenant is $tenant. Asked by user $stranger/, 'somebody else\'s key');
unlike(logged("SELECT teamrbac.sign_in('$stranger', false); CALL teamrbac.revoke_api_key('$stranger')"), qr/The tenant is/, 'no key at all');
my $mail = logged("SELECT teamrbac.sign_in('$stranger', false); SELECT teamrbac.accept_invitation('$token')");
like($mail, qr/the invitation is for somebody else\n.*The tenant is $tenant/, 'somebody else\'s invitation');
unlike($mail, qr/\Q$token\E/, 'without its token');
unlike(logged("SELECT teamrbac.sign_in_with_api_key('$secret', false); SELECT teamrbac.create_tenant('x')"), qr/\Q$secret\E/, 'without the secret of a key that asks');

# An identity set by hand: nobody can, and it does not go unnoticed.  From a role that may not set such settings at
# all, the server refuses it without asking us.
$node->safe_psql('postgres', 'GRANT SET ON PARAMETER "teamrbac.identity" TO app');
my $before = $node->safe_psql('postgres', $total);
like(logged("SELECT teamrbac.sign_in('$stranger', false); SET teamrbac.identity = 'user:$user'"),
	qr/teamrbac refused \(42501\): setting "teamrbac.identity" cannot be set\n.*DETAIL:  It says who is asking, [^.]*\. Asked by user $stranger, logged in as "app"\./, 'an identity set by hand');
like(logged("LOAD 'teamrbac'; DO \$\$ BEGIN PERFORM set_config('teamrbac.identity', 'api_key:hunter2', true); EXCEPTION WHEN OTHERS THEN NULL; END \$\$"),
	qr/teamrbac refused \(42501\): setting "teamrbac.identity" cannot be set\n.*Asked by nobody/, 'also by a function, and caught');
is((split /\|/, $node->safe_psql('postgres', $total))[1] - (split /\|/, $before)[1], 2, 'both are counted');
unlike(slurp_file($node->logfile), qr/LOG: .*hunter2/, 'without what it was to be');

# Whoever catches the error to try many does not go unnoticed.
like(logged("DO \$\$ BEGIN PERFORM teamrbac.require_permission(NULL, 'prompts.view'); EXCEPTION WHEN OTHERS THEN NULL; END \$\$"),
	qr/teamrbac refused \(28000\)/, 'one that is caught');
# What stood in the statement does not get into the log by us.
my $log = logged("SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000ff'), 'hunter2'");
like($log, qr/teamrbac refused/, 'the refusal');
unlike($log, qr/hunter2|STATEMENT|CONTEXT/, 'without the statement');
# The one who is watched cannot turn it off.
like(logged("SET teamrbac.log_denials = off; CALL teamrbac.leave_tenant('$tenant')"), qr/teamrbac refused/, 'an ordinary role cannot turn it off');
# What a policy hides is no refusal.
unlike(logged("SELECT teamrbac.has_permission('$tenant', 'prompts.view')"), qr/teamrbac refused/, 'a question answered by no is none');

$node->stop;
done_testing();
