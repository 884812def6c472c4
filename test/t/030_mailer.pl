# teamrbac-mailer and a real mail server: what arrives, and what becomes of mail that is not taken.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use MailTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
start_database($node);
my $smtp = start_smtp(PostgreSQL::Test::Utils::tempdir());

# What a header says, decoded; the undecoded one is in {raw}.
sub header
{
	my ($mail, $name) = @_;
	my @values = map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $mail->{headers} };
	return join '|', @values;
}

sub outbox
{
	my ($recipient) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT CASE WHEN sent_at IS NOT NULL THEN 'sent' WHEN failed_at IS NOT NULL THEN 'given up' ELSE 'waits' END,
			attempts, token IS NOT NULL, last_error
		FROM teamrbac.outbox WHERE recipient = '$recipient'});
}

# An invitation, as the invitee gets it.
queue($node, 'ann@example.com', 'invitation', '{"role": "developer", "inviter": "Olivia", "expires_at": "2026-12-02T10:30:00.123456Z"}');
my ($status, $log) = run_once($node, $smtp);
is($status, 0, 'everything due is sent');
like($log, qr/^teamrbac-mailer: sent [0-9a-f-]{36} \(invitation\)$/m, 'the log says so');
unlike($log, qr/secret-token|ann@/, 'and has neither token nor address');
my ($mail) = received($smtp);
is($mail->{mail_from}, 'no-reply@app.example', 'envelope: from');
is_deeply($mail->{rcpt_to}, ['ann@example.com'], 'envelope: to the invitee alone');
is(header($mail, 'To'), 'ann@example.com', 'To');
is(header($mail, 'From'), 'App <no-reply@app.example>', 'From');
is(header($mail, 'Subject'), 'Olivia invites you to Acme', 'Subject');
like(header($mail, 'Message-ID'), qr/^<[0-9a-f-]{36}\@app\.example>$/, 'Message-ID');
like(header($mail, 'Date'), qr/^\w{3}, \d\d? \w{3} \d{4} \d\d:\d\d:\d\d \+0000$/, 'Date');
is(header($mail, 'Auto-Submitted'), 'auto-generated', 'no vacation notice answers it');
is_deeply($mail->{defects}, [], 'a parser finds nothing wrong');
is($mail->{body}, <<'BODY', 'the text');
Hello,

Olivia invites you to join Acme as developer.

To accept, open this address:

https://app.example/join?token=secret-token

The invitation is for ann@example.com and can be accepted until 2026-12-02 10:30 UTC.
If you did not expect it, ignore this mail: nothing happens unless you accept.
BODY
unlike($mail->{raw}, qr/(?<!\r)\n|\r(?!\n)/, 'lines end with CRLF');
is(outbox('ann@example.com'), 'sent|1|f|', 'the outbox knows, and has no token any more');

# The other kinds; fields that a mail does not have are left out.
queue($node, 'again@example.com', 'invitation_resent', '{"role": "reader", "inviter": "Olivia"}');
queue($node, 'role@example.com', 'role_changed', '{"role": "admin", "old_role": "reader", "changed_by": "Olivia"}');
queue($node, 'removed@example.com', 'removed', '{"changed_by": "Olivia"}');
queue($node, 'owner@example.com', 'ownership_transferred', '{"old_owner": "Olivia", "new_owner": "Ann", "role": "owner"}');
queue($node, 'in@example.com', 'invitation_accepted', '{"invitee": "Ann", "role": "reader"}');
queue($node, 'out@example.com', 'invitation_declined', '{"invitee": "Ann", "role": "reader"}');
run_once($node, $smtp);
my %by_recipient = map { $_->{rcpt_to}[0] => $_ } received($smtp);
is(header($by_recipient{'again@example.com'}, 'Subject'), 'Reminder: Olivia invites you to Acme', 'invitation sent again');
is(header($by_recipient{'role@example.com'}, 'Subject'), 'Your role in Acme is now admin', 'role changed');
like($by_recipient{'removed@example.com'}{body}, qr/^Olivia has removed you from Acme\./m, 'removed');
is(header($by_recipient{'owner@example.com'}, 'Subject'), 'Ann now owns Acme', 'ownership transferred');
is(header($by_recipient{'in@example.com'}, 'Subject'), 'Ann has joined Acme', 'invitation accepted');
is(header($by_recipient{'out@example.com'}, 'Subject'), 'Ann does not join Acme', 'invitation declined');
unlike($_->{raw}, qr/\{\{/, 'nothing is left to fill in') for values %by_recipient;

# From the command to the member, by the link in the mail.
my $olivia = "SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000a1', false);";
$node->safe_psql('postgres', qq{
	SELECT teamrbac.register_user('Carla\@Example.com', 'Carla', '00000000-0000-0000-0000-0000000000c1');
	$olivia
	SELECT count(*) FROM teamrbac.invite_member('00000000-0000-0000-0000-000000000001', 'carla\@example.com', 'developer');
	SELECT count(*) FROM teamrbac.invite_member('00000000-0000-0000-0000-000000000001', 'late\@example.com', 'developer');
	UPDATE teamrbac.invitation SET expires_at = clock_timestamp() WHERE email = 'late\@example.com'; });
run_once($node, $smtp);
($mail) = (received($smtp))[-1];
is($mail->{rcpt_to}[0], 'carla@example.com', 'invited by the command; an invitation that has expired meanwhile is not sent');
my ($token) = $mail->{body} =~ m{^https://app\.example/join\?token=(\S+)$}m;
is($node->safe_psql('postgres', "SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000c1', false); SELECT role FROM teamrbac.accept_invitation('$token')"),
	"\ndeveloper", 'the link in the mail makes a member');
$node->safe_psql('postgres', "$olivia CALL teamrbac.change_role('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000c1', 'reader');
	CALL teamrbac.remove_member('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000c1')");
run_once($node, $smtp);
my @last = (received($smtp))[-2, -1];
is(join(', ', map { $_->{rcpt_to}[0] . ': ' . header($_, 'Subject') } @last),
	'Carla@Example.com: Your role in Acme is now reader, Carla@Example.com: You are no longer a member of Acme', 'and the member hears of what follows');
is($node->safe_psql('postgres', 'SELECT count(*) FROM teamrbac.outbox WHERE token IS NOT NULL'), '0', 'no token is left');

# Names that would add a header, if they could; the schema keeps them out, a superuser may not have.
$node->safe_psql('postgres', <<'SQL');
ALTER TABLE teamrbac.tenant DROP CONSTRAINT tenant_name;
UPDATE teamrbac.tenant SET name = E'Evil\r\nBcc: victim@example.com\r\n\r\nbody {{token}} =?UTF-8?Q?=0D=0ABcc=3A_x?=';
SQL
queue($node, 'inject@example.com', 'invitation', '{"role": "r\r\n.\r\nMAIL FROM:<x@example.com>", "inviter": "Ev\u0085e\nX-Injected: yes\u2028\u202eab"}');
run_once($node, $smtp);
($mail) = (received($smtp))[-1];
is_deeply($mail->{rcpt_to}, ['inject@example.com'], 'injection: nobody else gets it');
is_deeply([ map { lc $_->[0] } @{ $mail->{headers} } ],
	[qw(from to subject date message-id auto-submitted mime-version content-type content-transfer-encoding)],
	'injection: no header more');
is(header($mail, 'Subject'),
	'Ev e X-Injected: yes  ab invites you to Evil  Bcc: victim@example.com    body {{token}} =?UTF-8?Q?=0D=0ABcc=3A_x?=',
	'injection: what is in a value stays text, braces and encoded words too');
like($mail->{body}, qr/ as r  \.  MAIL FROM:<x\@example\.com>\.$/m, 'injection: nor does it end the message');

# Long and international names.
my $long = 'Zo' . "\xc3\xab" x 9998;
$node->safe_psql('postgres', "UPDATE teamrbac.tenant SET name = '$long'");
queue($node, 'long@example.com');
run_once($node, $smtp);
($mail) = (received($smtp))[-1];
is(header($mail, 'Subject'), "You are no longer a member of Zo" . "\xeb" x 198 . "\x{2026}", 'a name of 10,000 characters is cut to 200');
is((grep { length($_) > 78 } split /\r\n/, $mail->{raw}), 0, 'no line is longer than 78 characters');
unlike($mail->{raw}, qr/[^\x00-\x7f]/, 'encoded as ASCII');
is_deeply($mail->{defects}, [], 'a parser finds nothing wrong');
$node->safe_psql('postgres', "UPDATE teamrbac.tenant SET name = E'.\\U0001F680 \x{5f62}=\\U0001F680'");
queue($node, 'astral@example.com');
run_once($node, $smtp);
($mail) = (received($smtp))[-1];
is(header($mail, 'Subject'), "You are no longer a member of .\x{1F680} \x{5f62}=\x{1F680}", 'any character in a subject');
like($mail->{body}, qr/removed you from \.\x{1F680} \x{5f62}=\x{1F680}\. Your/, 'and in the text');
$node->safe_psql('postgres', "UPDATE teamrbac.tenant SET name = 'Acme'");

# International domains go out as the DNS has them, in the header as in the envelope, to any server. What stands before
# the @ goes as it is where the mail server takes it, and is told to no other.
queue($node, "J\xc3\xb6rg\@B\xc3\xbccher.example");
run_once($node, $smtp);
($mail) = (received($smtp))[-1];
is_deeply($mail->{rcpt_to}, ["J\xf6rg\@xn--bcher-kva.example"], 'an international address');
like($mail->{raw}, qr/^To: <J\xf6rg\@xn--bcher-kva\.example>\r$/m, 'and its header');
my $ascii = start_smtp(PostgreSQL::Test::Utils::tempdir(), '--ascii');
queue($node, "Zo\xc3\xab\@example.com");
queue($node, "zoe\@b\xc3\xbccher.example");
($status) = run_once($node, $ascii, from_address => "no-reply\@b\xc3\xbccher.example", reply_to => "help\@\xe4\xbe\x8b\xe3\x81\x88.example");
is($status, 0, 'a mail server without SMTPUTF8');
is(outbox("Zo\xc3\xab\@example.com"), 'given up|1|f|the mail server does not take international addresses (SMTPUTF8)', 'where the server takes none');
is(slurp_file("$ascii/rcpt"), "zoe\@xn--bcher-kva.example\n", 'nor is it asked');
my @ascii = received($ascii);
is(scalar(@ascii), 1, 'a domain alone needs nothing of the server');
is($ascii[0]{mail_from}, 'no-reply@xn--bcher-kva.example', 'the sender');
unlike($ascii[0]{raw} =~ s/\r\n\r\n.*//sr, qr/[^\x00-\x7f]/, 'the header is ASCII');
like($ascii[0]{raw}, qr/^$_\r$/m, $_)
	for 'To: <zoe@xn--bcher-kva\.example>', 'From: =\?UTF-8.*\r\n <no-reply@xn--bcher-kva\.example>', 'Reply-To: <help@xn--r8jz45g\.example>', 'Message-ID: <[-0-9a-f]{36}@xn--bcher-kva\.example>';
# Domains that are none, or would become another one on the way: U+FF20 is a wide @, U+FF0C a comma; one is too long.
queue($node, "a\@\xef\xbc\xa0b.example");
queue($node, "b\@a\xef\xbc\x8cb.example");
queue($node, "b\@\xc3\xbc..example");
queue($node, 'c@' . "\xc3\xbc" x 70 . '.example');
run_once($node, $ascii);
is(scalar(received($ascii)), 1, 'malformed domains: nothing is sent');
is($node->safe_psql('postgres', "SELECT count(*) FROM teamrbac.outbox WHERE last_error = 'malformed address' AND failed_at IS NOT NULL"), '4', 'given up as malformed');
$node->safe_psql('postgres', 'DELETE FROM teamrbac.outbox');
# An address that the domain would not have let in.
$node->safe_psql('postgres', <<'SQL');
ALTER DOMAIN teamrbac.email_address DROP CONSTRAINT email_address_form;
SELECT queue(E'a@example.com>\r\nRCPT TO:<b@example.com');
SELECT queue('a@example.com,b@example.com');
SQL
my $before = received($smtp);
run_once($node, $smtp);
is(scalar(received($smtp)), $before, 'two addresses in one: sent to neither');
is($node->safe_psql('postgres', "SELECT count(*) FROM teamrbac.outbox WHERE last_error = 'malformed address' AND failed_at IS NOT NULL"), '2', 'given up as malformed');

# Refused by the mail server: for good, for now, and by a policy that somebody may change.
queue($node, "$_\@example.com", 'invitation', '{}') for qw(550 451 policy later never quote);
($status, $log) = run_once($node, $smtp);
is($status, 0, 'all due mail was dealt with');
is(outbox('550@example.com'), 'given up|1|f|RCPT TO: 550 5.1.1 no such mailbox', 'no such mailbox');
is(outbox('451@example.com'), 'waits|1|t|RCPT TO: 451 4.3.0 try again later', 'try again later');
is(outbox('policy@example.com'), 'waits|1|t|RCPT TO: 550 5.7.1 relaying denied', 'relaying denied');
like($log, qr/kept [-0-9a-f]{36} \(invitation\), attempt 1: the mail server refuses the sender: RCPT TO: 550 5\.7\.1 relaying denied$/m, 'the log says whose fault it is');
is(outbox('later@example.com'), 'waits|1|t|the message: 452 4.3.1 insufficient storage', 'message: later');
is(outbox('never@example.com'), 'given up|1|f|the message: 554 5.6.0 not acceptable', 'message: never');
is(outbox('quote@example.com'), 'given up|1|f|the message: 554 5.6.0 blocked: https://app.example/join?token=[...]', 'a token quoted by the server is not kept');
unlike($log, qr/secret-token/, 'nor logged');
is($node->safe_psql('postgres', "SELECT DISTINCT next_attempt_at - now() BETWEEN '50 s' AND '61 s' FROM teamrbac.outbox WHERE next_attempt_at IS NOT NULL"), 't', 'tried again in a minute');

# Which answers are about the recipient, who is given up, and which about the sender, whose mail is kept.
my @sender = qw(policy access spf ptr list login helo domain sender unlisted barelogin barerelay bareverify barehelo barelist qmail);
my @recipient = qw(user full nullmx bareuser relay);
my @unknown = qw(bare zeroes);
$node->safe_psql('postgres', 'DELETE FROM teamrbac.outbox');
queue($node, "$_\@example.com") for @sender, @recipient, @unknown;
($status) = run_once($node, $smtp);
is($status, 0, 'refused in many ways: all due mail was dealt with');
sub kinds { return $node->safe_psql('postgres', "SELECT string_agg(split_part(recipient, '\@', 1), ' ' ORDER BY created_at) FROM teamrbac.outbox WHERE $_[0]") }
is(kinds("error_kind = 'sender' AND next_attempt_at > now()"), "@sender", 'about the sender: kept');
is(kinds("error_kind = 'recipient' AND failed_at IS NOT NULL"), "@recipient", 'about the recipient: given up');
is(kinds("error_kind = 'temporary' AND next_attempt_at > now()"), "@unknown", 'about nobody knows what: kept, as long as attempts are left');
like($node->safe_psql('postgres', "SELECT problem FROM teamrbac.check_setup() WHERE problem LIKE '%refuses the sender%'"),
	qr/^16 kept, since the mail server refuses the sender: 'RCPT TO: 5/, 'check_setup tells');
# One that takes nothing from this sender is not asked again for each mail.
my $unwelcome = start_smtp(PostgreSQL::Test::Utils::tempdir(), '--unwelcome', '550 5.7.1 you are on a list');
$node->safe_psql('postgres', 'DELETE FROM teamrbac.outbox');
queue($node, $_) for 'first@example.com', 'second@example.com';
($status, $log) = run_once($node, $unwelcome);
is($status, 1, 'unwelcome: --once fails');
is(outbox('first@example.com'), 'waits|1|f|MAIL FROM: 550 5.7.1 you are on a list', 'unwelcome: the mail waits');
is(outbox('second@example.com'), 'waits|0|f|', 'unwelcome: the next is not tried');
is(kinds("error_kind = 'sender'"), 'first', 'unwelcome: about the sender');

# A mail server that is away, slow, or goes away midway is no fault of a mail: the mailer stops, and nothing is lost.
$node->safe_psql('postgres', 'DELETE FROM teamrbac.outbox');
queue($node, 'slow@example.com');
($status, $log) = run_once($node, $smtp, answer_timeout => 2);
is($status, 1, 'slow: --once fails');
like(outbox('slow@example.com'), qr/^waits\|1\|f\|the message: .*time/i, 'slow: the mail waits');
$node->safe_psql('postgres', 'DELETE FROM teamrbac.outbox');
# One that takes its time over the message is waited for: it may have taken it already.
queue($node, 'delay@example.com');
($status) = run_once($node, $smtp, send_timeout => 5);
is($status, 0, 'hesitant: waited for');
is(outbox('delay@example.com'), 'sent|1|f|', 'hesitant: sent');
is((grep { $_->{rcpt_to}[0] eq 'delay@example.com' } received($smtp)), 1, 'hesitant: once');
queue($node, 'close@example.com');
($status) = run_once($node, $smtp);
is($status, 1, 'closed midway: --once fails');
like(outbox('close@example.com'), qr/^waits\|1\|f\|the message: /, 'closed midway: the mail waits');
queue($node, '421@example.com');
($status) = run_once($node, $smtp);
is($status, 1, 'going down: --once fails');
is(outbox('421@example.com'), 'waits|1|f|RCPT TO: 421 4.3.2 going down', 'going down: the mail waits');
stop_smtp($smtp);
queue($node, "down$_\@example.com") for 1 .. 3;
($status, $log) = run_once($node, $smtp);
is($status, 1, 'down: --once fails');
is($node->safe_psql('postgres', "SELECT sum(attempts) FROM teamrbac.outbox WHERE recipient LIKE 'down%'"), '1', 'down: it is not tried with mail after mail');
like(outbox('down1@example.com'), qr/^waits\|1\|f\|connecting: .*connect/i, 'down: the reason is kept');
start_smtp($smtp);
$node->safe_psql('postgres', "UPDATE teamrbac.outbox SET next_attempt_at = now() WHERE recipient LIKE 'down%'");
($status) = run_once($node, $smtp);
is($status, 0, 'up again');
is($node->safe_psql('postgres', "SELECT count(*) FROM teamrbac.outbox WHERE recipient LIKE 'down%' AND sent_at IS NOT NULL AND last_error IS NULL"), '3', 'all of it is sent');

# STARTTLS and authentication.
my $tls_dir = PostgreSQL::Test::Utils::tempdir();
system_or_bail('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1',
	'-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', "$tls_dir/key", '-out', "$tls_dir/cert");
my $tls = start_smtp($tls_dir, '--tls', "$tls_dir/cert", "$tls_dir/key", '--auth', 'app', 'open sesame');
my %login = (smtp_tls => 'on', smtp_user => 'app', smtp_password => 'open sesame');
$node->safe_psql('postgres', 'DELETE FROM teamrbac.outbox');
queue($node, 'tls@example.com');
sub due { $node->safe_psql('postgres', 'UPDATE teamrbac.outbox SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL') }
($status, $log) = run_once($node, $tls, %login);
is($status, 1, 'a certificate that nobody vouches for: --once fails');
like(outbox('tls@example.com'), qr/^waits\|1\|f\|connecting: .*certificate/i, 'the mail waits');
due();
($status, $log) = run_once($node, $tls, %login, smtp_ca_file => "$tls_dir/cert", smtp_password => 'wrong');
is($status, 1, 'a wrong password: --once fails');
like(outbox('tls@example.com'), qr/^waits\|2\|f\|connecting: 535/, 'the mail waits');
unlike($log, qr/wrong|sesame/, 'no password in the log');
due();
append_to_file("$tls_dir/password", "open sesame\n");
chmod 0600, "$tls_dir/password";
delete $login{smtp_password};
($status, $log) = run_once($node, $tls, %login, smtp_ca_file => "$tls_dir/cert", smtp_password_file => "$tls_dir/password");
is($status, 0, 'with TLS and the password from a file');
($mail) = received($tls);
is($mail->{login}, 'app', 'logged in');
ok($mail->{tls}, 'encrypted');
queue($node, 'clear@example.com');
($status) = run_once($node, $smtp, smtp_tls => 'on');
is($status, 1, 'a server without STARTTLS: --once fails');
like(outbox('clear@example.com'), qr/^waits\|1\|f\|connecting: /, 'nothing is sent in clear');

# Settings and template: what is wrong with them is said at start.
my $dir = PostgreSQL::Test::Utils::tempdir();

# Languages, HTML and where to say no more: each is there if its file or setting is.
sub template { return join '', map { "[$_]\n$_[0]\n" } qw(invitation invitation_resent role_changed removed ownership_transferred
	invitation_accepted invitation_declined) }
append_to_file("$dir/t[1]", template("Subject: Hello\n\nText for {{tenant}}"));
append_to_file("$dir/t[1].html", "[invitation]\n<p title=\"{{tenant}}\">{{inviter}} <a href='{{accept_url}}'>\xc3\xa4</a>\n");
append_to_file("$dir/t[1].de", template("Subject: Hallo\n\nText f\xc3\xbcr {{tenant}}"));
append_to_file("$dir/t[1].pt-BR", template("Subject: Ol\xc3\xa1\n\nTexto"));
append_to_file("$dir/t[1].orig", 'no template, and no locale either');
$node->safe_psql('postgres', "UPDATE teamrbac.tenant SET name = 'A&B'");
sub letter
{
	my ($kind, $fields, %more) = @_;
	queue($node, 'letter@example.com', $kind, $fields);
	run_once($node, $smtp, template => "$dir/t[1]", accept_url => 'https://app.example/join?a=b&t={{token}}', %more);
	return (received($smtp))[-1];
}
$mail = letter('invitation', q({"inviter": "<script>\"'Olivia"}));
is($mail->{type}, 'multipart/alternative', 'HTML beside text');
is_deeply($mail->{defects}, [], 'a parser finds nothing wrong');
is_deeply($mail->{parts}, [
	[ 'text/plain', "Text for A&B\n" ],
	[ 'text/html', "<p title=\"A&#38;B\">&#60;script&#62;&#34;&#39;Olivia <a href='https://app.example/join?a=b&#38;t=secret-token'>\xe4</a>\n" ] ],
	'values in HTML are text');
is(header($mail, 'List-Unsubscribe'), '', 'no header without the setting');
is(letter('removed', '{}')->{type}, 'text/plain', 'a kind that has no HTML');
is(header(letter('removed', qq({"locale": "$_->[0]"})), 'Subject'), $_->[1], "locale '$_->[0]'")
	for [ 'de', 'Hallo' ], [ 'de-AT', 'Hallo' ], [ 'DE_at.UTF-8', 'Hallo' ], [ 'pt_BR', "Ol\xe1" ], [ 'pt', 'Hello' ], [ 'd', 'Hello' ], [ 'deu', 'Hello' ],
	[ 'fr', 'Hello' ], [ '', 'Hello' ], [ 'orig', 'Hello' ], [ '../de', 'Hello' ];
is(letter('invitation', '{"locale": "de"}')->{type}, 'text/plain', 'no HTML of another language');
my %unsubscribe = (unsubscribe_url => 'https://app.example/no?t={{token}}');
is(header(letter('invitation', '{}', %unsubscribe), 'List-Unsubscribe'), '<https://app.example/no?t=secret-token>', 'List-Unsubscribe of an invitation');
is(header(letter('removed', '{}', %unsubscribe), 'List-Unsubscribe'), '', 'none of what a member has to know');

append_to_file("$dir/conf", "smtp_url = smtp://ignored.example\n# comment\n\nfrom_name = \xc3\x84 \"App\"\n");
chmod 0644, "$dir/conf";
sub usage
{
	my ($name, $expected, %settings) = @_;
	local %ENV = (%ENV, mailer_settings($node, $smtp, %settings));
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'teamrbac-mailer', '--once', '--config', "$dir/conf" ], '<', \undef, '>', \$out, '2>', \$err);
	is($? >> 8, 2, "$name: exit status");
	like($err, $expected, $name);
	unlike($err, qr/hush/, "$name: no password is shown");
}
usage('malformed URL', qr/smtp_url must be/, smtp_url => 'http://x');
usage('password in URL', qr/must not have a user name/, smtp_url => 'smtp://u:hush@x');
usage('password in clear', qr/not sent in clear/, smtp_user => 'u', smtp_password => 'hush');
usage('number', qr/poll_interval must be a number of seconds/, poll_interval => '1h');
usage('switch', qr/smtp_tls must be on or off/, smtp_tls => 'maybe');
usage('from', qr/from_address must be/, from_address => 'a@example.com, b@example.com');
usage('reply_to', qr/reply_to must be/, reply_to => "a\@example.com\nBcc: b\@example.com");
usage('accept_url', qr/accept_url must be/, accept_url => 'https://app.example/join');
usage('unsubscribe_url', qr/unsubscribe_url must be/, unsubscribe_url => "https://app.example/{{token}}\r\nBcc: b\@example.com");
usage('unknown setting', qr/no setting "TEAMRBAC_MAILER_SMPT_URL"/, smpt_url => 'x');
usage('missing template', qr/cannot open "\/nonexistent"/, template => '/nonexistent');
my @sections = map { "[$_]\nSubject: s\n\nt\n" } qw(invitation invitation_resent role_changed removed);
for (['incomplete', qr/no text for \[ownership_transferred\]/, @sections],
	['twice', qr/\[removed\] was there already/, @sections, $sections[3]],
	['unknown kind', qr/:5: no kind of mail is called \[invited\]/, $sections[0], '[invited]'],
	['unknown name', qr/:4: unknown name/, "[removed]\nSubject: s\n\nHello {{tenat}}\n"],
	['no subject', qr/:2: a section starts with/, "[removed]\nHello\n"],
	['not UTF-8', qr/:2: not UTF-8/, "[removed]\nSubject: \xe9\n"])
{
	my ($name, $expected, @lines) = @$_;
	unlink "$dir/template";
	append_to_file("$dir/template", join('', @lines));
	usage("template: $name", $expected, template => "$dir/template");
}
unlink "$dir/template";
append_to_file("$dir/template", template("Subject: s\n\nt"));
append_to_file("$dir/template.de", "[removed]\nSubject: s\n\nt\n");
usage('template: a language incomplete', qr/template\.de: there is no text for \[invitation\]/, template => "$dir/template");
unlink "$dir/template.de";
append_to_file("$dir/template.html", "[removed]\n{{tenat}}\n");
usage('template: HTML', qr/template\.html:2: unknown name/, template => "$dir/template");

# A password in a file that others may read: in any form, for each of them.
sub conf
{
	my ($mode, @lines) = @_;
	unlink "$dir/conf";
	append_to_file("$dir/conf", join('', map { "$_\n" } @lines));
	chmod $mode, "$dir/conf";
}
my %secrets = (
	'a password' => 'smtp_password = hush',
	'a password in capitals' => ' SMTP_PASSWORD=hush',
	'a URL with a password' => 'smtp_url = smtp://u:hush@mail.example:587',
	'a URL with a user' => 'smtp_url = smtp://hush@mail.example',
	'a connection string' => 'database = dbname=app password=hush',
	'a connection string with spaces' => "database = dbname=app password  =  'hush hush'",
	'a connection string that is a URL' => 'database = postgresql://u:hush@db.example/app',
	'the same in short' => 'database = postgres://u:hush@/app',
	'a parameter of a URL' => 'database = postgres:///app?password=hush',
	'an escaped one' => 'database = postgres:///app?%70assword=hush',
	'the password of a key' => 'database = dbname=app sslpassword=hush',
	'a URL in another place' => 'accept_url = https://u:hush@app.example/{{token}}',
);
for my $form (sort keys %secrets)
{
	for my $mode (0640, 0604, 0620, 0602, 0644)
	{
		conf($mode, $secrets{$form});
		my $shown = sprintf '%04o', $mode;
		usage("$form, mode $shown", qr/"\Q$dir\E\/conf" holds a password and is open to others \(mode $shown\): chmod 600 it$/);
	}
}
for my $open ('database = dbname=app user=password', 'database = app', 'database = service=app passfile=/x', 'accept_url = https://app.example/{{token}}?by=a@b')
{
	conf(0644, $open, 'frm_name = x');
	usage("no secret: $open", qr/:2: there is no setting "frm_name"/);
}
conf(0600, map({ "# $_" } 1 .. 5), 'smtp_password = hush', 'frm_name = x');
usage('unknown setting in the file', qr/:7: there is no setting "frm_name"/);
conf(0644, 'from_name = x');
usage('malformed connection string', qr/database: malformed connection string/, database => 'hush dbname=x');
append_to_file("$dir/password", "hush\n");
for my $mode (0640, 0644, 0604)
{
	chmod $mode, "$dir/password";
	usage(sprintf('the file of a password, mode %o', $mode), qr/"\Q$dir\E\/password" holds a password and is open to others/, smtp_password_file => "$dir/password");
}

# The file's settings count where the environment has none.
{
	local %ENV = (%ENV, mailer_settings($node, $smtp));
	delete $ENV{TEAMRBAC_MAILER_FROM_NAME};
	unlink "$dir/conf";
	append_to_file("$dir/conf", "smtp_url = smtp://ignored.example\nfrom_name = \xc3\x84 \"App\"\n");
	queue($node, 'file@example.com');
	IPC::Run::run([ 'teamrbac-mailer', '-1', '-c', "$dir/conf" ], '<', \undef, '>&', \$log);
	($mail) = (received($smtp))[-1];
	like($mail->{raw}, qr/^From: =\?UTF-8\?B\?w4QgIkFwcCI=\?=\r\n <no-reply\@app\.example>\r\n/m, 'settings from a file; the environment wins');
}
command_like([ 'teamrbac-mailer', '--help' ], qr/^Usage: teamrbac-mailer/m, '--help');
command_like([ 'teamrbac-mailer', '--version' ], qr/^teamrbac-mailer \d+\.\d+$/, '--version');
command_fails([ 'teamrbac-mailer', '--password=x' ], 'no such option');

stop_smtp($_) for $smtp, $ascii, $unwelcome, $tls;
$node->stop;
done_testing();
