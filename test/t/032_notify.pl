# The channel that wakes the mailer is open to everybody: whoever listens learns that there is mail, and nothing of it;
# whoever sends, whatever and however much, cannot keep the mailer from sending each mail, once.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use MailTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Teamrbac;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
start_database($node);
$node->append_conf('postgresql.conf', 'teamrbac.notify_mailer = on');
$node->reload;
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN');
my $smtp = start_smtp(PostgreSQL::Test::Utils::tempdir());
my $log = PostgreSQL::Test::Utils::tempdir() . '/log';

sub mallory { return $node->safe_psql('postgres', $_[0], extra_params => [ '-U', 'mallory' ]) }
# Kilobytes of notifications at once, no two the same, so that PostgreSQL keeps them all.
sub flood { return "SELECT count(pg_notify('$_[0]', n || repeat('x', 7990))) FROM generate_series(1, $_[1] / 8) AS n" }
sub all_sent { return $node->safe_psql('postgres', 'SELECT count(*) FROM teamrbac.outbox WHERE next_attempt_at IS NOT NULL') eq '0' }
sub is_sent_once
{
	my ($pattern, $count, $what) = @_;
	ok(wait_until(\&all_sent), "$what: all is sent");
	my @got = grep { /^$pattern\@/ } map { $_->{rcpt_to}[0] } received($smtp);
	my %different = map { $_ => 1 } @got;
	is(scalar(@got) . ' ' . keys %different, "$count $count", "$what: each once");
	is($node->safe_psql('postgres', "SELECT max(attempts) FROM teamrbac.outbox WHERE recipient ~ '^$pattern\@'"), '1', "$what: at the first attempt");
	return;
}

# ---- what is heard -----------------------------------------------------------------------------------------

# One session listens, another keeps the queue from being cleared: what has been sent is still in its files.
my @commands = commands($node, 'postgres');
my ($listener, $keeper) = map { $node->background_psql('postgres', extra_params => [ '-U', 'mallory' ]) } 1, 2;
$_->query_safe('LISTEN teamrbac_outbox') for $listener, $keeper;
$keeper->query_safe('BEGIN');
$node->safe_psql('postgres', "$_->[1] $_->[2]") for @commands;
my $heard = '';
ok(wait_until(sub { $heard .= $listener->query('SELECT 1') . "\n"; $heard =~ /Asynchronous/ }), 'a stranger hears that there is mail');
$heard =~ s/^1$//mg;
$heard =~ s/with PID \d+/with PID n/g;
my %lines = map { $_ => 1 } grep { $_ ne '' } split /\n/, $heard;
is(join("\n", keys %lines), 'Asynchronous notification "teamrbac_outbox" received from server process with PID n.', 'and nothing else');
# On no other channel either: the flood moves the queue out of memory.
mallory(flood('flood', 2000));
my %texts = map { $_ => 1 } grep { !/^(flood|\d*x+P?)$/ } map { slurp_file($_) =~ /[ -~]{5,}/g } glob($node->data_dir . '/pg_notify/*');
is(join(' ', sort keys %texts), 'teamrbac_outbox', 'the queue has nothing but the name of the channel');
$_->quit for $listener, $keeper;

# ---- what is sent ------------------------------------------------------------------------------------------

# Mail of a tenant that the commands have deleted waits.
$node->safe_psql('postgres', 'DELETE FROM teamrbac.outbox');
# It never looks by itself: each mail is sent because the mailer was woken.
my $mailer = start_mailer($node, $smtp, $log, poll_interval => 3600);
my $session = "SELECT pid FROM pg_stat_activity WHERE usename = 'mailer' AND state = 'idle'";
ok(wait_until(sub { $node->safe_psql('postgres', $session) }), 'listening');
my $backend = $node->safe_psql('postgres', $session);
# Any text, from 0 to 7999 bytes.
mallory(join ' ', 'NOTIFY teamrbac_outbox;', map { "SELECT pg_notify('teamrbac_outbox', $_);" } "''", "'%s%n%s%n'", "E'\\r\\n.\\r\\n'", "E'\\x01\\x7f'",
	"'''; DELETE FROM teamrbac.outbox; --'", "'{\"mail_id\": null}'", "repeat('x', 7999)", "repeat(E'\\u00eb', 3999)", "gen_random_uuid()::text",
	"'00000000-0000-0000-0000-000000000001'");
mallory('NOTIFY "teamrbac_outbox "; NOTIFY "TEAMRBAC_OUTBOX"; NOTIFY teamrbac');
queue($node, 'forged@example.com');
is_sent_once('forged', 1, 'payloads of all shapes');
is(scalar(received($smtp)), 1, 'nothing else is sent for them');

# Hundreds of transactions, and thousands of notifications in one, while mail is queued.
my $file = PostgreSQL::Test::Utils::tempdir() . '/flood.sql';
append_to_file($file, "NOTIFY teamrbac_outbox, '$_';\n") for 1 .. 1000;
append_to_file($file, flood('teamrbac_outbox', 8000) . ";\n");
my $flood = IPC::Run::start([ 'psql', '-XqAt', '-U', 'mallory', '-d', $node->connstr('postgres'), '-f', $file ], '<', \undef, '>', \my $printed, '2>&1');
queue($node, "flooded$_\@example.com") for 1 .. 30;
$flood->finish;
is($printed, "1000\n", 'the flood was let through');
is_sent_once('flooded\d+', 30, 'a flood');
# It rests again.
my $last = "SELECT state_change FROM pg_stat_activity WHERE usename = 'mailer'";
ok(wait_until(sub { my $before = $node->safe_psql('postgres', $last); sleep 1; $node->safe_psql('postgres', $last) eq $before }), 'and afterwards the mailer rests');

# While the mailer waits for the mail server, nobody listens: neither does that hold up commands, nor is what has come
# meanwhile kept in the mailer's memory.
sub peak_kilobytes { return slurp_file('/proc/' . MailTest::process_id($mailer) . '/status') =~ /^VmHWM:\s*(\d+)/m ? $1 : die }
my $peak = peak_kilobytes();
queue($node, 'wait@example.com');
ok(wait_until(sub { slurp_file("$smtp/rcpt") =~ /^wait@/m }), 'a mail is in hand');
mallory(flood('teamrbac_outbox', 40_000));
queue($node, "behind$_\@example.com") for 1 .. 5;
append_to_file("$smtp/go", '');
is_sent_once('wait', 1, 'a flood while a mail is in hand');
is_sent_once('behind\d', 5, 'the mail behind it');
cmp_ok(peak_kilobytes() - $peak, '<', 10_000, 'the mailer needs no memory for a flood');

is($node->safe_psql('postgres', $session), $backend, 'it has worked by the same session all the time');
is(stop_mailer($mailer), 0, 'stopped');
is(join('', grep { !/: (version \S+ started|sent [-0-9a-f]{36} \(\w+\)|stopped)$/ } split /^/, slurp_file($log)), '', 'its log tells of nothing but mail');
stop_smtp($smtp);
$node->stop;
done_testing();
