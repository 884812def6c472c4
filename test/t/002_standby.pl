# A streaming replica answers checks, obeys what it has replayed, refuses commands, and carries on when promoted.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use lib "$ENV{TESTDIR}/test/lib";
use Teamrbac;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
$primary->safe_psql('postgres', <<'SQL');
CREATE EXTENSION teamrbac CASCADE;
SELECT teamrbac.register_user('ann@example.com', 'Ann', '00000000-0000-0000-0000-0000000000a1');
SELECT teamrbac.register_user('bob@example.com', 'Bob', '00000000-0000-0000-0000-0000000000b1');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000b1', 'owner'),
	('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000a1', 'developer');
COMMIT;
CREATE TABLE prompt (id int, tenant_id uuid PRIMARY KEY);
INSERT INTO prompt VALUES (1, '00000000-0000-0000-0000-000000000001');
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
CREATE ROLE app;
GRANT ALL ON prompt TO app;
SQL
my ($key, $invitation) = split /\|/, $primary->safe_psql('postgres', <<'SQL') =~ s/^\n//r;
SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000b1', false);
SELECT secret, token FROM teamrbac.create_api_key('00000000-0000-0000-0000-000000000001', 'key'),
	teamrbac.invite_member('00000000-0000-0000-0000-000000000001', 'new@example.com', 'reader');
SQL
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

# Two sessions that stay open on the standby while the primary changes the team.
my $sign_in = "SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000a1', false);";
my %session;
for my $isolation ('READ COMMITTED', 'REPEATABLE READ')
{
	my ($in, $out) = ('', '');
	my $timer = IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default);
	my @command = ('psql', '-XqAt', '-d', $standby->connstr('postgres'));
	my $run = IPC::Run::start(\@command, '<', \$in, '>', \$out, '2>&1', $timer);
	$session{$isolation} = { in => \$in, out => \$out, run => $run };
	ask($isolation, "$sign_in SET ROLE app; BEGIN ISOLATION LEVEL $isolation;");
}

# Sends SQL to an open session and returns what it prints.
sub ask
{
	my ($name, $sql) = @_;
	my $s = $session{$name};
	${ $s->{out} } = '';
	${ $s->{in} } .= "$sql\n\\echo done\n";
	IPC::Run::pump($s->{run}) until ${ $s->{out} } =~ /^done$/m;
	(my $answer = ${ $s->{out} }) =~ s/^(done)?\n//mg;
	chomp $answer;
	return $answer;
}
my $see = "SELECT count(*) FROM prompt;";
my $may = "SELECT teamrbac.has_permission('00000000-0000-0000-0000-000000000001', 'prompts.edit');";
for my $isolation (sort keys %session)
{
	is(ask($isolation, $see), '1', "$isolation: the standby shows a member's row");
	is(ask($isolation, $may), 't', "$isolation: and what they may do");
}
$primary->safe_psql('postgres', "UPDATE teamrbac.membership SET role = 'reader' WHERE role = 'developer'");
$primary->wait_for_catchup($standby);
is(ask($_, $may), 'f', "$_: a demotion is obeyed by the open transaction, once replayed") for sort keys %session;
is(ask($_, $see), '1', "$_: a reader still sees") for sort keys %session;
$primary->safe_psql('postgres', "DELETE FROM teamrbac.membership WHERE role = 'reader'");
$primary->wait_for_catchup($standby);
is(ask($_, $see), '0', "$_: a removal is obeyed likewise") for sort keys %session;
for my $isolation (sort keys %session)
{
	${ $session{$isolation}{in} } .= "\\q\n";
	$session{$isolation}{run}->finish;
}

# A key signs in, is seen to be revoked once that is replayed; an invitation can be looked at.
my $by_key = "SELECT (teamrbac.sign_in_with_api_key('$key', false)).role; SET ROLE app; SELECT count(*) FROM prompt;";
is($standby->safe_psql('postgres', $by_key), "developer\n1", 'a key signs in on the standby, which notes nothing');
is($standby->safe_psql('postgres', "SELECT state FROM teamrbac.peek_invitation('$invitation')"), 'pending', 'an invitation is looked at');
is($standby->safe_psql('postgres', "SELECT valid FROM teamrbac.verify_audit('00000000-0000-0000-0000-000000000001')"), 't', 'the audit is verified');
my @commands = commands($primary, 'postgres');
$primary->safe_psql('postgres', "UPDATE teamrbac.api_key SET revoked_at = now() WHERE name = 'key' AND tenant_id = '00000000-0000-0000-0000-000000000001'");
$primary->wait_for_catchup($standby);
my (undef, undef, $revoked) = $standby->psql('postgres', $by_key);
like($revoked, qr/ERROR/, 'a revocation is obeyed likewise');
for my $command (@commands)
{
	my ($name, $sign_in, $sql) = @$command;
	my ($code, $printed, $error) = $standby->psql('postgres', "\\set VERBOSITY verbose\n$sign_in\n$sql");
	like($error, qr/ERROR: +25006: .*read-only|ERROR: +25006: .*recovery/, "$name says that the standby is read-only");
}

my ($rc, $out, $err) = $standby->psql('postgres',
	"SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000b1', false); \\set VERBOSITY sqlstate\nSELECT teamrbac.create_tenant('x');");
like($err, qr/25006|read-only/, 'a command on the standby says that it is read-only');
# What a DBA asks is answered there too, and signing in notes nothing.
is($standby->safe_psql('postgres', "SELECT count(*) > 0 FROM teamrbac.check_setup() WHERE object = 'maintenance'"), 't', 'the set-up is checked on the standby');
is($standby->safe_psql('postgres', "SELECT count(*) > 0 FROM teamrbac.access_review()"), 't', 'the teams are reviewed on the standby');
is($standby->safe_psql('postgres', "SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000b1', false); SELECT count(*) FROM teamrbac.user_activity;") =~ s/^\n//r,
	$primary->safe_psql('postgres', 'SELECT count(*) FROM teamrbac.user_activity'), 'no activity is noted on the standby');
$standby->promote;
is($standby->safe_psql('postgres',
		"SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000b1', false); SELECT teamrbac.create_tenant('x') IS NOT NULL;"),
	"\nt", 'promoted, it carries on');
$standby->stop;
$primary->stop;
done_testing();
