# A command in one database, whose standby never confirms, keeps none in another database waiting: a transaction that
# notifies commits with a lock on all databases, so commands do so only where teamrbac.notify_mailer asks for it.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Teamrbac;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE other');
my %commands;
for my $db ('postgres', 'other')
{
	$node->safe_psql($db, 'CREATE EXTENSION teamrbac CASCADE');
	$commands{$db} = { map { $_->[0] => "$_->[1] $_->[2]" } commands($node, $db) };
}
my $ear = $node->background_psql('other');
$ear->query_safe('LISTEN teamrbac_outbox');
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'");
$node->reload;

# Each is a command that queues mail.
my $said = '';
my $stuck = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', $commands{postgres}{invite_member} ], '<', \undef, '>&', \$said);
ok($node->poll_query_until('other', "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", '1'), 'a command waits for its standby');
for my $name ('invite_member', 'resend_invitation', 'change_role', 'transfer_ownership')
{
	my ($rc, $out, $err) = $node->psql('other', "SET synchronous_commit = local; SET statement_timeout = '20s'; $commands{other}{$name}");
	is($rc, 0, "$name in another database does not") or diag $err;
}
is($ear->query('SELECT 1'), '1', 'nobody hears of it');

# Asked for, it is heard of, at that price.
my $loud = "SET synchronous_commit = local; SET teamrbac.notify_mailer = on; SET statement_timeout = '20s';";
my ($rc, $out, $err) = $node->psql('other', "$loud $commands{other}{remove_member}");
is($rc, 0, 'a command that notifies waits for none that does not') or diag $err;
like($ear->query('SELECT 1'), qr/Asynchronous notification "teamrbac_outbox"/, 'and is heard of');
$ear->quit;
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->reload;
$stuck->finish;
is($stuck->result(0), 0, 'the first is done when it need not wait any more') or diag $said;
done_testing();
