# Mailers that stay: woken by new mail, sharing the work, killed, and with servers that come and go. Nothing is lost,
# and nothing is sent twice that need not be.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use MailTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
start_database($node);
$node->append_conf('postgresql.conf', 'teamrbac.notify_mailer = on');
$node->reload;
my $smtp = start_smtp(PostgreSQL::Test::Utils::tempdir());
my $logs = PostgreSQL::Test::Utils::tempdir();

sub unsent { return $node->safe_psql('postgres', 'SELECT count(*) FROM teamrbac.outbox WHERE next_attempt_at IS NOT NULL') }
sub message_ids { return map { $_->{raw} =~ /^Message-ID: (\S+)\r$/m; $1 } received($smtp) }
sub twice { my %seen; return grep { $seen{$_}++ } message_ids() }
# While the server restarts, a query of ours fails as well.
sub all_sent { my ($rc, $out) = $node->psql('postgres', 'SELECT count(*) FROM teamrbac.outbox WHERE next_attempt_at IS NOT NULL'); return $rc == 0 && $out eq '0' }

# Woken by NOTIFY: far sooner than it would look by itself.
my $mailer = start_mailer($node, $smtp, "$logs/1", poll_interval => 3600);
ok(wait_until(sub { $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE usename = 'mailer' AND state = 'idle'") }), 'listening');
queue($node, 'ann@example.com');
ok(wait_until(\&all_sent), 'new mail wakes the mailer');

# The mailer itself needs hardly anything, and holds no transaction open while it waits.
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE usename = 'mailer' AND xact_start IS NOT NULL"), '0', 'no open transaction');

# Its session is ended by a DBA: it comes back.
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mailer'");
queue($node, 'bob@example.com');
ok(wait_until(\&all_sent), 'a session that was ended is replaced');

# The database restarts between the sending and the report.
unlink "$smtp/go";
queue($node, 'wait@example.com');
ok(wait_until(sub { slurp_file("$smtp/rcpt") =~ /^wait@/m }), 'a mail is in hand');
$node->stop('immediate');
$node->start;
append_to_file("$smtp/go", '');
ok(wait_until(\&all_sent), 'database restarted under the mailer: the report is made up for');
is_deeply([ twice() ], [], 'and nothing was sent twice');

# SIGTERM: the mail in hand is finished, the others are left.
unlink "$smtp/go";
queue($node, 'wait@example.com');
ok(wait_until(sub { (() = slurp_file("$smtp/rcpt") =~ /^wait@/mg) == 2 }), 'a mail is in hand');
queue($node, 'other@example.com');
$mailer->signal('TERM');
append_to_file("$smtp/go", '');
is(stop_mailer($mailer), 0, 'SIGTERM: exit status');
is($node->safe_psql('postgres', "SELECT string_agg(recipient || ' ' || (sent_at IS NOT NULL) || ' ' || attempts, ', ' ORDER BY created_at DESC) FROM (SELECT * FROM teamrbac.outbox ORDER BY created_at DESC LIMIT 2) AS o"),
	'other@example.com false 0, wait@example.com true 1', 'the mail in hand was sent and reported, the other not begun');
like(slurp_file("$logs/1"), qr/stopped$/, 'and it says so');

# Killed after the mail server has taken the mail and before the database knows: sent again with the same Message-ID.
$mailer = start_mailer($node, $smtp, "$logs/2");
ok(wait_until(\&all_sent), 'the one left is sent by the next mailer');
append_to_file("$smtp/victim", MailTest::process_id($mailer));
queue($node, 'kill@example.com');
ok(wait_until(sub { !-e "$smtp/victim" }), 'the mailer is killed');
my $killed = $node->safe_psql('postgres', "SELECT attempts, sent_at IS NULL, claimed_by IS NOT NULL FROM teamrbac.outbox WHERE recipient = 'kill\@example.com'");
is($killed, '1|t|t', 'the mail is leased to the dead mailer');
my ($status) = run_once($node, $smtp);
is_deeply([ twice() ], [], 'nobody else takes it while the lease lasts');
# A minute or two later.
my $lease = "SELECT next_attempt_at - now() > interval '1 min' FROM teamrbac.outbox WHERE recipient = 'kill\@example.com'";
is($node->safe_psql('postgres', $lease), 't', 'which it does beyond any wait for the mail server');
$node->safe_psql('postgres', "UPDATE teamrbac.outbox SET next_attempt_at = now() WHERE recipient = 'kill\@example.com'");
$mailer = start_mailer($node, $smtp, "$logs/3");
ok(wait_until(\&all_sent), 'afterwards another sends it');
is(stop_mailer($mailer), 0, 'stopped');
my @killed = grep { $_->{rcpt_to}[0] eq 'kill@example.com' } received($smtp);
is(scalar(@killed), 2, 'it was received twice');
is(scalar(my @ids = twice()), 1, 'with the same Message-ID');

# Two mailers share 200 mails; the server restarts, the mail server goes away and comes back meanwhile.
my @mailers = map { start_mailer($node, $smtp, "$logs/pair$_") } 1, 2;
$node->safe_psql('postgres', "SELECT count(queue('n' || n || '\@example.com')) FROM generate_series(1, 200) AS n");
ok(wait_until(\&all_sent), 'two mailers: all is sent');
is(scalar(@ids = twice()), 1, 'nothing twice');
is(scalar(my @n = grep { $_->{rcpt_to}[0] =~ /^n\d/ } received($smtp)), 200, 'nothing left out');
cmp_ok((() = slurp_file("$logs/pair$_") =~ /sent /g), '>', 20, 'each has done its part') for 1, 2;
my %connections = map { $_->{connection} => 1 } @n;
cmp_ok(scalar(keys %connections), '<=', 2, 'over one connection each');

$node->safe_psql('postgres', "SELECT count(queue('m' || n || '\@example.com')) FROM generate_series(1, 100) AS n");
$node->restart;
stop_smtp($smtp);
ok(wait_until(sub { slurp_file("$logs/pair1") =~ /could not send .*connect/ && slurp_file("$logs/pair2") =~ /could not send .*connect/ || all_sent() }), 'the mail server is away');
start_smtp($smtp);
# Those that were tried in vain wait a minute: not in a test.
ok(wait_until(sub { $node->psql('postgres', "UPDATE teamrbac.outbox SET next_attempt_at = now() WHERE next_attempt_at > now() AND claimed_by IS NULL"); all_sent() }),
	'everything away for a while: all is sent in the end');
is(scalar(@n = do { my %m; grep { !$m{$_}++ } map { $_->{rcpt_to}[0] } grep { $_->{rcpt_to}[0] =~ /^m\d/ } received($smtp) }), 100, 'nothing is lost');
is(stop_mailer($_), 0, 'stopped') for @mailers;
unlike(slurp_file("$logs/$_"), qr/secret|password|example\.com/, 'nothing in the log that does not belong there') for qw(1 2 3 pair1 pair2);

stop_smtp($smtp);
$node->stop;
done_testing();
