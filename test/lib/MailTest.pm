# What the tests of the mailer share: a database with a queue, mail servers, mailers.
package MailTest;
use strict;
use warnings;
use Exporter 'import';
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(start_database queue start_smtp stop_smtp received mailer_settings run_once start_mailer stop_mailer wait_until);

my @running;

# A server with a tenant, and a role that may do what a mailer has to and no more.
sub start_database
{
	my ($node) = @_;
	$node->init;
	$node->start;
	$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION teamrbac CASCADE;
SELECT teamrbac.register_user('olivia@example.com', 'Olivia', '00000000-0000-0000-0000-0000000000a1');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000a1', 'owner');
COMMIT;
CREATE ROLE mailer LOGIN;
GRANT EXECUTE ON FUNCTION teamrbac.claim_mail(integer, interval), teamrbac.mail_sent(uuid),
	teamrbac.mail_failed(uuid, text), teamrbac.mail_blocked(uuid, text), teamrbac.mail_refused(uuid, text) TO mailer;
-- As a command queues it.
CREATE FUNCTION queue(recipient text, kind text DEFAULT 'removed', fields jsonb DEFAULT '{"changed_by": "Olivia"}') RETURNS void
LANGUAGE sql AS $$
	INSERT INTO teamrbac.outbox (tenant_id, mail_id, kind, recipient, token, fields)
	VALUES ('00000000-0000-0000-0000-000000000001', gen_random_uuid(), queue.kind::teamrbac.mail_kind, queue.recipient,
		CASE WHEN queue.kind LIKE 'invitation%' THEN 'secret-token' END, queue.fields);
	NOTIFY teamrbac_outbox
$$;
SQL
}

sub queue
{
	my ($node, @arguments) = @_;
	$node->safe_psql('postgres', 'SELECT queue(' . join(', ', map { s/'/''/gr =~ s/.*/'$&'/sr } @arguments) . ')');
}

# Starts a mail server; on the port it had if it was stopped before. Returns its directory.
sub start_smtp
{
	my ($dir, @options) = @_;
	unlink "$dir/ready";
	my $server = IPC::Run::start([ '/usr/bin/python3', "$ENV{TESTDIR}/test/smtp/server.py", $dir, @options ],
		'<', \undef, '>>', "$dir/log", '2>>', "$dir/log");
	push @running, { dir => $dir, handle => $server };
	wait_until(sub { -e "$dir/ready" }) or BAIL_OUT("no mail server: " . slurp_file("$dir/log"));
	return $dir;
}

sub stop_smtp
{
	my ($dir) = @_;
	for my $server (grep { $_->{dir} eq $dir } @running)
	{
		$server->{handle}->kill_kill;
	}
	@running = grep { $_->{dir} ne $dir } @running;
}

# What a mail server has accepted, in order.
sub received
{
	my ($dir) = @_;
	my @mails = -e "$dir/mail" ? split /\n/, slurp_file("$dir/mail") : ();
	@mails = map { JSON::PP->new->utf8->decode($_) } @mails;
	return @mails;
}

# The environment of a mailer.
sub mailer_settings
{
	my ($node, $dir, %more) = @_;
	chomp(my $port = slurp_file("$dir/port"));
	my %settings = (
		database => $node->connstr('postgres') . ' user=mailer',
		smtp_url => "smtp://127.0.0.1:$port",
		smtp_tls => 'off',
		from_address => 'no-reply@app.example',
		from_name => 'App',
		accept_url => 'https://app.example/join?token={{token}}',
		poll_interval => 1,
		# Machines that run tests may be busy.
		connect_timeout => 10,
		send_timeout => 20,
		answer_timeout => 20,
		%more);
	return map { 'TEAMRBAC_MAILER_' . uc($_) => $settings{$_} } keys %settings;
}

# Sends what is due. Returns the exit status and the log.
sub run_once
{
	my ($node, $dir, %more) = @_;
	local %ENV = (%ENV, mailer_settings($node, $dir, %more));
	my $log = '';
	IPC::Run::run([ 'teamrbac-mailer', '--once' ], '<', \undef, '>&', \$log);
	return ($? >> 8, $log);
}

# Starts a mailer that stays. Returns its handle; the log is in a file.
sub start_mailer
{
	my ($node, $dir, $log, %more) = @_;
	local %ENV = (%ENV, mailer_settings($node, $dir, %more));
	my $mailer = IPC::Run::start([ 'teamrbac-mailer' ], '<', \undef, '>&', $log);
	push @running, { dir => '', handle => $mailer };
	return $mailer;
}

sub process_id
{
	my ($mailer) = @_;
	return $mailer->{KIDS}[0]{PID};
}

# Stops a mailer as systemd does. Returns its exit status.
sub stop_mailer
{
	my ($mailer) = @_;
	$mailer->signal('TERM');
	$mailer->finish;
	@running = grep { $_->{handle} != $mailer } @running;
	return $mailer->full_result(0);
}

sub wait_until
{
	my ($condition) = @_;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if $condition->();
		select undef, undef, undef, 0.1;
	}
	return 0;
}

END
{
	my $status = $?;
	$_->{handle}->kill_kill for @running;
	$? = $status;
}

1;
