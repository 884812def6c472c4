# Signing in by token, where it takes a server of its own: the clock around the end of a token, open transactions and
# cursors, parallel workers, keys that rotate under load, a hundred sessions with one token, what a log, the statistics
# and a dump show, a restore, a standby, and tokens of every algorithm from another implementation.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TokenTest ();
use Time::HiRes qw(time sleep);

my $json   = JSON::PP->new->canonical->ascii;
my $secret = 'the secret that 32 bytes are for';
my $issuer = 'https://id.example.com';
my $acme   = '00000000-0000-0000-0000-000000000001';
my $ann    = '00000000-0000-0000-0000-0000000000a1';

sub token
{
	my ($key, %claims) = @_;
	my %all = (iss => $issuer, aud => 'app', sub => $ann, iat => int(time) - 10, exp => int(time) + 600, %claims);
	my $text = encode_base64url('{"alg":"HS256"}') . '.' . encode_base64url($json->encode(\%all));
	return $text . '.' . encode_base64url(hmac_sha256($text, $key));
}

sub jwks { return $json->encode({ keys => [ map { { kty => 'oct', k => encode_base64url($_) } } @_ ] }) }

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'pg_stat_statements'
log_statement = all
log_min_duration_statement = 0
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
teamrbac.log_denials = log
max_connections = 130
CONF
TokenTest::start_server($primary);
my $quiet = "SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic';";
$primary->safe_psql('postgres', <<SQL);
$quiet
CREATE EXTENSION teamrbac CASCADE;
CREATE EXTENSION pg_stat_statements;
SELECT teamrbac.register_user('ann\@example.com', 'Ann', '$ann');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('$acme', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$acme', '$ann', 'owner');
COMMIT;
CREATE TABLE prompt (tenant_id uuid, id int, owner uuid, PRIMARY KEY (tenant_id, id));
INSERT INTO prompt SELECT '$acme', g, '$ann' FROM generate_series(1, 20000) AS g;
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
CREATE ROLE app LOGIN;
GRANT SELECT ON prompt TO app;
ANALYZE prompt;
SQL
sub quoted { my $t = shift; $t =~ s/'/''/g; return "'$t'" }
# The key is no part of the statement, as the documentation advises; the one that brings it is kept out of the log.
sub trust
{
	my ($command, $keys, $rest) = @_;
	$primary->safe_psql('postgres',
		"$quiet SELECT set_config('test.keys', " . quoted($keys) . ", false) \\g /dev/null\n"
		. "RESET log_statement; RESET log_min_duration_statement; RESET log_min_error_statement;\n"
		. "SELECT teamrbac.$command('$issuer', current_setting('test.keys')::jsonb, $rest);");
}
trust('trust_issuer', jwks($secret), "'{app}', '{HS256}'");

# A session whose statements may hold tokens.
sub session { return $primary->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'app' ]) }
sub sign_in_sql
{
	my ($token, $rest) = @_;
	return 'SELECT user_id IS NOT NULL FROM teamrbac.sign_in_with_token(' . quoted($token) . ($rest // '') . ')';
}

sub pgbench
{
	return ('pgbench', '-n', '-U', 'app', '-h', $primary->host, '-p', $primary->port, @_, 'postgres');
}

# ---- the end of a token --------------------------------------------------------------------------------------

# The clock passes the end: a new statement in the same transaction has nobody, in each isolation level, and a
# cursor that is read on fails.  The server's own clock says when it is over.
for my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	my $token = token($secret, exp => int(time) + 5);
	my ($rc, $out) = $primary->psql('postgres', <<SQL, extra_params => [ '-U', 'app' ], on_error_stop => 0);
BEGIN ISOLATION LEVEL $level;
${\sign_in_sql($token)};
DECLARE c CURSOR FOR SELECT id FROM prompt;
DECLARE f CURSOR FOR SELECT 1 FROM generate_series(1, 10) AS g WHERE teamrbac.current_user_id() IS NOT NULL;
FETCH 1 FROM c;
FETCH 1 FROM f;
SELECT count(*) FROM prompt;
DO \$\$ BEGIN
	PERFORM pg_sleep(EXTRACT(epoch FROM (teamrbac.current_identity()).proof_ends_at - clock_timestamp()));
END \$\$;
SELECT (teamrbac.current_identity()).kind, count(*) FROM prompt;
SAVEPOINT s;
FETCH 1 FROM c;
\\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
FETCH 1 FROM f;
\\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
${\sign_in_sql($token)};
\\echo :LAST_ERROR_SQLSTATE
SQL
	is($out, "t\n1\n1\n20000\nnone|0\n24000\n24000\n28000", "$level: over at exp, cursors included");
}
# Within one statement it stays; a procedure's next statement has nobody.
my $short = token($secret, exp => int(time) + 5);
my $long = $primary->safe_psql('postgres', <<SQL, extra_params => [ '-U', 'app' ]);
${\sign_in_sql($short, ', local => false')};
WITH first AS MATERIALIZED (SELECT count(*) AS n FROM prompt), wait AS MATERIALIZED (SELECT pg_sleep(6), n FROM first)
	SELECT (SELECT count(*) FROM prompt WHERE n IS NOT NULL), teamrbac.current_user_id() IS NOT NULL FROM wait;
SELECT count(*), teamrbac.current_user_id() IS NOT NULL FROM prompt;
SQL
is($long, "t\n20000|t\n0|f", 'a statement goes on with what it began with');

# Parallel workers are the leader's user, by a token too; what was revoked before they start is over for them.
my $parallel = <<'SQL';
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SQL
my $workers = $primary->safe_psql('postgres', <<SQL, extra_params => [ '-U', 'app' ]);
$parallel
BEGIN;
${\sign_in_sql(token($secret))};
SELECT count(*) FROM prompt WHERE owner = teamrbac.current_user_id();
COMMIT;
SQL
is($workers, "t\n20000", 'parallel workers act for the token\'s user');

# ---- revocation and distrust ---------------------------------------------------------------------------------

sub over
{
	my ($how, $what) = @_;
	my $session = session();
	$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; ' . sign_in_sql(token($secret)));
	$session->query_safe('DECLARE c CURSOR FOR SELECT id FROM prompt; FETCH 1 FROM c');
	is($session->query_safe('SELECT count(*) FROM prompt'), '20000', "$what: before");
	$primary->safe_psql('postgres', $how);
	is($session->query_safe('SELECT count(*), teamrbac.current_user_id() IS NULL FROM prompt'), '0|t',
		"$what: the next statement has nobody");
	$session->query('FETCH 1 FROM c');
	like($session->{stderr}, qr/cursor can no longer be read/, "$what: nor does the cursor go on");
	$session->{stderr} = '';
	$session->query('ROLLBACK');
	$session->quit;
	return;
}
over("CALL teamrbac.revoke_tokens('$ann')", 'revoke_tokens');
$primary->safe_psql('postgres', 'DELETE FROM teamrbac.token_revocation');
over("CALL teamrbac.revoke_tokens(issuer => '$issuer')", 'revoke_tokens of an issuer');
$primary->safe_psql('postgres', 'UPDATE teamrbac.token_issuer SET revoked_at = NULL');
over("SELECT teamrbac.distrust_issuer('$issuer')", 'distrust_issuer');
trust('trust_issuer', jwks($secret), "'{app}', '{HS256}'");

# ---- rotation under load, and a hundred sessions --------------------------------------------------------------

my $dir = $primary->basedir;
sub script
{
	my ($token, $expected) = @_;
	return join "\n", 'BEGIN;', "SELECT teamrbac.sign_in_with_token('$token');",
	  "SELECT 1 / ($expected)::int FROM prompt;", 'COMMIT;', '';
}
my @keys = map { "key number $_, which has 32 bytes too" } 0 .. 9;
trust('set_issuer_keys', jwks($keys[0]), "'1 hour'");
# Each transaction takes one of the tokens; those of the next key come to be good while it runs.
for my $i (0 .. 9)
{
	my $t = token($keys[$i]);
	append_to_file("$dir/key$i.sql", script($t, 'count(*) = 20000'));
}
my ($out, $err) = ('', '');
my $load = IPC::Run::start([ pgbench('-c', '4', '-T', '8', '-f', "$dir/key0.sql") ],
	'>', \$out, '2>', \$err);
for my $i (1 .. 4)
{
	sleep 1;
	trust('set_issuer_keys', jwks($keys[$i]), "'1 hour'");
	is($primary->safe_psql('postgres', sign_in_sql(token($keys[$i]))), 't', "key $i is good at once");
}
$load->finish;
like($out, qr/number of failed transactions: 0 /, 'rotation: the former keys verified all along') or diag($err);
unlike($err, qr/ERROR/, 'rotation: no error');

append_to_file("$dir/one.sql", script(token($keys[4]), 'count(*) > 0'));
command_like([ pgbench('-c', '100', '-j', '2', '-t', '20', '-f', "$dir/one.sql") ],
	qr{number of transactions actually processed: 2000/2000}, 'a hundred sessions with one token');

# A token for once, presented by many at a time, signs in one of them.
trust('trust_issuer', jwks($secret), "'{app}', '{HS256}', one_time => true");
my $once = token($secret, jti => 'only');
append_to_file("$dir/once.sql", "SELECT user_id FROM teamrbac.sign_in_with_token('$once', local => false);\n");
my ($used, $used_err) = run_command([ pgbench('-c', '20', '-t', '1', '-f', "$dir/once.sql") ]);
is(scalar(() = $used_err =~ /invalid token/g), 19,
	'of twenty that present a one-time token at once, nineteen are refused') or diag($used_err);

# The same new subject, by ten requests at a time, is one user.
trust('trust_issuer', jwks($secret), "'{app}', '{HS256}', register_users => true");
my $newcomer = token($secret, sub => 'auth0|new', email => 'new@example.com', email_verified => JSON::PP::true);
append_to_file("$dir/new.sql", "SELECT user_id FROM teamrbac.sign_in_with_token('$newcomer', local => false);\n");
my ($registered, $registered_err) = run_command([ pgbench('-c', '10', '-t', '1', '-f', "$dir/new.sql") ]);
unlike($registered_err, qr/ERROR/, 'ten first requests of one user at a time');
is($primary->safe_psql('postgres', "SELECT count(*) FROM teamrbac.app_user WHERE email = 'new\@example.com'"),
	'1', 'make one user');

# ---- what shows ----------------------------------------------------------------------------------------------

# Tokens that are refused stand in no line of ours, even where the statement holds them; keys in none at all.
my $log_at = -s $primary->logfile;
my $hidden = token('a key that nobody here has, 32 bytes', sub => 'hidden');
$primary->psql('postgres', "SET log_statement = 'none'; SET log_min_duration_statement = -1; " . sign_in_sql($hidden));
my $log = slurp_file($primary->logfile, $log_at);
like($log, qr/teamrbac refused \(28000\): invalid token/, 'a refusal is logged');
unlike($log, qr/\Q$hidden\E/, 'without the token, although the statement held it');
my $bad_key = encode_base64url('short secret');
$primary->psql('postgres',
	"SET log_statement = 'none'; SET log_min_duration_statement = -1;"
	. "SELECT teamrbac.trust_issuer('$issuer', '{\"keys\": [{\"kty\": \"oct\", \"k\": \"$bad_key\"}]}',"
	. " '{app}', '{HS256}')");
unlike(slurp_file($primary->logfile, $log_at), qr/\Q$bad_key\E/, 'nor with a key that is refused');
my $whole_log = slurp_file($primary->logfile);
unlike($whole_log, qr/\Q${\encode_base64url($_)}\E/, 'no key in the log') for $secret, @keys[ 0 .. 4 ];
my $statements = $primary->safe_psql('postgres',
	"SELECT query FROM pg_stat_statements WHERE query ~ 'sign_in_with_token|trust_issuer|set_issuer_keys|eyJ'");
like($statements, qr/sign_in_with_token/, 'pg_stat_statements has the calls');
unlike($statements, qr/eyJ|"k"/, 'without tokens and keys');

# ---- dump and restore ----------------------------------------------------------------------------------------

my ($dump) = run_command([ 'pg_dump', '-d', $primary->connstr('postgres') ]);
like($dump, qr/COPY teamrbac\.token_issuer/, 'issuers are dumped');
unlike($dump, qr/\Q${\encode_base64url($_)}\E/, 'no secret is') for $secret, @keys[ 0 .. 4 ];
my %made = map { $_->{alg} => $_ } @{ $json->decode(slurp_file("$ENV{TESTDIR}/test/tokens/jose.json")) };
my @public = grep { $_ !~ /^HS/ } sort keys %made;
my $public_keys = $json->encode({ keys => [ map { $made{$_}{key} } @public ] });
trust('trust_issuer', $public_keys, "'{app}', '{RS256,ES256}'");
$primary->safe_psql('postgres',
	"SELECT teamrbac.link_identity('$issuer', 'auth0|x', '$ann'); CALL teamrbac.revoke_tokens('$ann', '$issuer')");
command_ok([ 'pg_dump', '-Fc', '-d', $primary->connstr('postgres'), '-f', "$dir/dump" ], 'dumped');
$primary->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $primary->connstr('restored'), "$dir/dump" ], 'restored');
for my $table (qw(token_issuer token_key linked_identity token_revocation token_use))
{
	my $rows = "SELECT count(*) > 0, md5(string_agg(t::text, '|' ORDER BY t::text)) FROM teamrbac.$table AS t";
	my $before = $primary->safe_psql('postgres', $rows);
	like($before, qr/^t/, "$table has rows");
	is($primary->safe_psql('restored', $rows), $before, "which are restored");
}
$primary->safe_psql($_, 'DELETE FROM teamrbac.token_revocation') for qw(postgres restored);
is($primary->safe_psql('restored', 'SELECT count(*) FROM teamrbac.token_key'), scalar @public,
	'public keys are restored');
is($primary->safe_psql('restored', 'SELECT count(*) FROM teamrbac.token_secret'), '0', 'secret ones are not');
my ($rc, $o, $e) = $primary->psql('restored', "\\set VERBOSITY verbose\n" . sign_in_sql(token($secret)));
like($e, qr/CONSTRAINT NAME:  token_(algorithm|key)/, 'without its secret, an issuer has no key for such a token');

# ---- every algorithm, by another implementation ---------------------------------------------------------------

$primary->safe_psql('postgres',
	"SELECT teamrbac.link_identity('https://jose.example.com', 'subject of $_', '$ann')") for sort keys %made;
my $all = $json->encode({ keys => [ map { $made{$_}{key} } sort keys %made ] });
$primary->safe_psql('postgres',
	"$quiet SELECT teamrbac.trust_issuer('https://jose.example.com', "
	. quoted($all) . ", '{teamrbac}', '{" . join(',', sort keys %made) . "}')");
for my $alg (sort keys %made)
{
	is($primary->safe_psql('postgres', "SELECT user_id FROM teamrbac.sign_in_with_token('$made{$alg}{token}')"),
		$ann, "$alg: by the jose package");
}

# ---- a standby -----------------------------------------------------------------------------------------------

trust('trust_issuer', jwks($secret), "'{app}', '{HS256}'");
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
TokenTest::start_server($standby);
$primary->wait_for_catchup($standby);
my $on_standby = $standby->background_psql('postgres', extra_params => [ '-U', 'app' ]);
is($on_standby->query_safe("BEGIN; " . sign_in_sql(token($secret)) . "; SELECT count(*) FROM prompt"), "t\n20000",
	'a standby signs in');
$primary->safe_psql('postgres', "CALL teamrbac.revoke_tokens('$ann')");
$primary->wait_for_catchup($standby);
is($on_standby->query_safe('SELECT count(*) FROM prompt'), '0', 'and obeys a revocation that it has replayed');
$on_standby->quit;

$standby->stop;
$primary->stop;
done_testing();
