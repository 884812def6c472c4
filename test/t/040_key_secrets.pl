# The secret of an API key is nowhere but with whoever was given it: not in a table, the WAL, a dump or a standby's files,
# and in the server's log only where the DBA has parameters or literals logged.  A standby signs keys in.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use File::Find;

my $owner = '00000000-0000-0000-0000-0000000000a1';
my $acme = '00000000-0000-0000-0000-000000000001';
my $sign_in = "SELECT teamrbac.sign_in('$owner', false) \\g /dev/null\n";

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "log_statement = all\nlog_min_duration_statement = 0\nlog_parameter_max_length = 0\n");
$primary->start;
$primary->safe_psql('postgres', <<SQL);
CREATE EXTENSION teamrbac CASCADE;
SELECT teamrbac.register_user('ann\@example.com', 'Ann', '$owner');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('$acme', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$acme', '$owner', 'owner');
COMMIT;
CREATE TABLE prompt (id int, tenant_id uuid PRIMARY KEY);
INSERT INTO prompt VALUES (1, '$acme');
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
CREATE ROLE app LOGIN;
GRANT ALL ON prompt TO app;
SQL

# Keys made in every way there is.
sub make_key
{
	my ($node, $call) = @_;
	my ($key_id, $secret) = split /\|/, $node->safe_psql('postgres', "${sign_in}SELECT * FROM $call;");
	like($secret, qr/^trk_[0-9a-f]{32}_[0-9A-Za-z]{49}$/, "$call: a key of the form documented");
	return ($key_id, $secret);
}
my ($first, $first_secret) = make_key($primary, "teamrbac.create_api_key('$acme', 'first')");
my ($second, $second_secret) = make_key($primary, "teamrbac.rotate_api_key('$first', '1 hour')");
my ($third, $third_secret) = make_key($primary, "teamrbac.create_api_key('$acme', 'third', 'reader')");
my ($fourth, $fourth_secret) = make_key($primary, "teamrbac.rotate_api_key('$third')");

# What must not be found: the random part, with and without its checksum.
my %secrets = (first => $first_secret, second => $second_secret, third => $third_secret, fourth => $fourth_secret);
my %needle = map { $_ => substr($secrets{$_}, 37, 43) } keys %secrets;

# Signs in by a parameter of the extended protocol, and returns whether that was accepted.
my $script = $primary->basedir . '/sign_in.sql';
append_to_file($script, "SELECT teamrbac.sign_in_with_api_key(:key, false);\n");
sub accepted
{
	my ($node, $secret) = @_;
	my ($out, $err) = run_command([ 'pgbench', '-n', '-M', 'extended', '-t', '1', '-D', "key=$secret", '-f', $script, '-U', 'app', $node->connstr('postgres') ]);
	return $out =~ m{actually processed: 1/1} ? 1 : $err =~ /invalid API key/ ? 0 : "$out$err";
}
is(accepted($primary, $secrets{$_}), $_ eq 'third' ? 0 : 1, "$_: signs in, unless it is over") for sort keys %secrets;

sub found_in
{
	my ($what, $text) = @_;
	is(join(' ', grep { index($text, $needle{$_}) >= 0 } sort keys %needle), '', "$what: no secret");
}

# Every table there is, ours, the application's and the catalogues.
my $tables = $primary->safe_psql('postgres', "SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'm') AND relpersistence <> 't'");
my $all = '';
$all .= $primary->safe_psql('postgres', "SELECT t::text FROM $_ AS t") for split /\n/, $tables;
cmp_ok(length($all), '>', 100_000, 'all tables were read');
found_in('tables', $all);
like($all, qr/$first/, 'the public id is there');
like($primary->safe_psql('postgres', "SELECT count(*) FROM teamrbac.api_key_use WHERE last_used_at IS NOT NULL"), qr/^3$/, 'the uses were noted');

my ($dumped) = run_command([ 'pg_dump', $primary->connstr('postgres') ]);
like($dumped, qr/COPY teamrbac\.api_key /, 'the dump has the keys');
found_in('pg_dump', $dumped);

# The log at log_statement = all and log_min_duration_statement = 0, refusals included, parameters left out.
my $log = slurp_file($primary->logfile);
like($log, qr/sign_in_with_api_key\(\$1, false\)/, 'the log has the statements');
like($log, qr/invalid API key/, 'and the refusal');
found_in('log, log_parameter_max_length = 0', $log);

# The files: whatever has been written anywhere.
$primary->safe_psql('postgres', 'CHECKPOINT');
my $files = 0;
my %in_file;
find({ no_chdir => 1, wanted => sub {
	return unless -f $_;
	my $content = slurp_file($_);
	$files++;
	$in_file{$_}++ for grep { index($content, $needle{$_}) >= 0 } keys %needle;
} }, $primary->data_dir . '/base', $primary->data_dir . '/pg_wal');
cmp_ok($files, '>', 100, 'all files were read');
is_deeply(\%in_file, {}, 'base and pg_wal: no secret');

# What the documentation warns of.
$primary->safe_psql('postgres', 'ALTER SYSTEM SET log_parameter_max_length = -1');
$primary->reload;
my $from = -s $primary->logfile;
$primary->safe_psql('postgres', 'SELECT 1');
is(accepted($primary, $first_secret), 1, 'signs in again');
like(substr(slurp_file($primary->logfile), $from), qr/$needle{first}/, 'by default, the log of all statements shows parameters');

# A standby signs in, notes nothing, and obeys what it has replayed, also where the key has signed in before.
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'log_parameter_max_length = 0');
$standby->start;
$primary->wait_for_catchup($standby);
is(accepted($standby, $second_secret), 1, 'a standby signs in');
is(accepted($standby, $third_secret), 0, 'a standby refuses a revoked key');
my ($in, $out) = ('', '');
my $session = IPC::Run::start([ 'psql', '-XqAt', '-U', 'app', '-d', $standby->connstr('postgres') ], '<', \$in, '>', \$out, '2>&1',
	IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default));
sub ask
{
	my ($sql) = @_;
	$out = '';
	$in .= "$sql\n\\echo done\n";
	IPC::Run::pump($session) until $out =~ /^done$/m;
	(my $answer = $out) =~ s/^(done)?\n//mg;
	chomp $answer;
	return $answer;
}
is(ask("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT role FROM teamrbac.sign_in_with_api_key('$second_secret'); SELECT count(*) FROM prompt;"),
	"developer\n1", 'the key sees its row on the standby');
$primary->safe_psql('postgres', "${sign_in}CALL teamrbac.revoke_api_key('$second');");
$primary->wait_for_catchup($standby);
is(ask('SELECT count(*) FROM prompt;'), '0', 'a revocation is obeyed by the open transaction, once replayed');
is(ask("COMMIT; SELECT role FROM teamrbac.sign_in_with_api_key('$second_secret');"), 'ERROR:  invalid API key
DETAIL:  It is malformed, unknown, revoked or expired, or its tenant is deleted.', 'and by the next sign-in');
$in .= "\\q\n";
$session->finish;

# A dump brings the keys back, as they were.
$primary->safe_psql('postgres', 'CREATE DATABASE restored');
my $dump = $primary->basedir . '/dump.sql';
$primary->command_ok([ 'pg_dump', '-f', $dump, $primary->connstr('postgres') ], 'dump');
$primary->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $primary->connstr('restored') ], 'restore');
is($primary->safe_psql('restored', "SELECT role FROM teamrbac.sign_in_with_api_key('$fourth_secret', false);"), 'reader', 'a key works after a restore');
my ($rc, $stdout, $stderr) = $primary->psql('restored', "SELECT role FROM teamrbac.sign_in_with_api_key('$second_secret', false);");
like($stderr, qr/invalid API key/, 'a revoked one does not');
$standby->stop;
$primary->stop;
done_testing();
