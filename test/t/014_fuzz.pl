# Hostile input: every function, procedure and relation of the schema, called with random, boundary, huge and
# mis-encoded arguments, by a role that has nothing but PUBLIC's grants, and by one that has an application's and
# is signed in.  No crash, no internal error, nobody becomes somebody else, and nothing of another tenant is seen or
# changed.  A third role, in a database by itself, may execute everything: no crash, no internal error.
#
# TEAMRBAC_FUZZ_SECONDS (default 20) and TEAMRBAC_FUZZ_SEED set how long and where to begin.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Teamrbac;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{TEAMRBAC_FUZZ_SECONDS} // 20;
my $seed = $ENV{TEAMRBAC_FUZZ_SEED} // int(time);
# Seeds that have found something, run first.
my @kept = (1795830703);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\nlog_min_error_statement = panic\nlog_min_messages = log");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE mallory LOGIN;
CREATE ROLE app LOGIN;
CREATE ROLE trusted LOGIN;
CREATE DATABASE trusted TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
CREATE DATABASE utf8 TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C';
SQL

# The canary: a tenant with something of each kind, each text of which says so.
my ($tenant, $owner, $member, $table) = (id('01'), id('a1'), id('a2'), 'prompt');
for my $db (qw(utf8 ascii trusted))
{
	$node->safe_psql($db, <<"SQL");
CREATE EXTENSION teamrbac CASCADE;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO app;
SELECT teamrbac.register_user('canary1\@example.com', 'canary one', '$owner');
SELECT teamrbac.register_user('canary2\@example.com', 'canary two', '$member');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name, slug) VALUES ('$tenant', 'canary', 'canary');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$tenant', '$owner', 'owner'), ('$tenant', '$member', 'developer');
COMMIT;
CREATE TABLE prompt (tenant_id uuid NOT NULL, id int, body text, PRIMARY KEY (tenant_id, id));
INSERT INTO prompt VALUES ('$tenant', 1, 'canary');
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
GRANT ALL ON prompt TO mallory, app;
GRANT CREATE ON SCHEMA public TO mallory, app;
SQL
}
$node->safe_psql('trusted', 'GRANT EXECUTE ON ALL ROUTINES IN SCHEMA teamrbac TO trusted; GRANT ALL ON ALL TABLES IN SCHEMA teamrbac, public TO trusted; ALTER TABLE prompt OWNER TO trusted;');

# What the canary consists of: nobody may change it.
sub canary
{
	my ($db) = @_;
	return join "\n", grep { /$tenant|canary/ } @{ contents($node, $db) };
}
my %canary = map { $_ => canary($_) } qw(utf8 ascii);

# ---- arguments ---------------------------------------------------------------------------------------------

sub one_of { return $_[ rand @_ ] }

sub quoted
{
	my ($bytes) = @_;
	$bytes =~ s/([^ -&(-\[\]-~])/sprintf('\\x%02x', ord $1)/ge;
	return "E'$bytes'";
}

sub random_uuid { return join '-', map { join '', map { sprintf '%x', rand 16 } 1 .. $_ } 8, 4, 4, 4, 12 }

my @words = ('', ' ', 'x', 'owner', 'admin', 'reader', 'team.manage', 'prompts.view', 'endpoints.vie', 'a.b.', 'own', "'; DROP TABLE x; --",
	'%s%n%d', "\\", '"', "a\tb", "a\r\nBcc: x\@example.com", "x\@example.com", "X\@EXAMPLE.COM", 'x@', '@x', "\x01", "\x7f", 'trk_', 'trk_0_0', "tri_\xe4",
	'{"sub": 1}', '{', 'null', '[]', '/', '../../etc/passwd', '0', '-1', '1e400', 'infinity', "\xc3\xa9", "\xf0\x9f\x98\x80", "\xef\xbf\xbf", 'tenant_id', 'current_user', 'user:' . $owner);

sub word
{
	my $kind = int rand 10;
	return quoted(one_of(@words)) if $kind < 6;
	return quoted(join '', map { chr(1 + rand 255) } 1 .. rand 30) if $kind < 7;    # mostly mis-encoded
	return quoted(one_of(@words) . one_of("\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xed\xa0\x80", "\xc0\x80")) if $kind < 8;
	return 'repeat(' . quoted(one_of('x', 'a.', "\xc3\xa9", '"', '%')) . ', ' . one_of(62, 63, 64, 199, 200, 201, 255, 256, 1000, 100000, 3000000) . ')' if $kind < 9;
	return 'NULL';
}

sub argument
{
	my ($type, $mine) = @_;
	my $cast = "::$type";
	return "NULL$cast" if rand() < 0.08;
	return quoted(one_of($tenant, $owner, $member, @$mine, @$mine, '00000000-0000-0000-0000-000000000000', random_uuid())) . $cast if $type eq 'uuid';
	return one_of('true', 'false') if $type eq 'boolean';
	return '(' . one_of(0, 1, -1, 2, 1000, 1001, 2147483647, -2147483648, int rand 100000) . ")$cast" if $type =~ /^(integer|bigint|oid|real|double precision|numeric)$/;
	return quoted(one_of('0', '1 day', '-1 day', '7 days', '1000000 years', '-178000000 years', '1 microsecond', '2147483647 days', '1 mon -30 days')) . $cast if $type eq 'interval';
	return quoted(one_of('infinity', '-infinity', 'epoch', 'now', 'tomorrow', '294276-12-31', '4714-11-24 00:00:00+00 BC', '2999-01-01')) . $cast if $type =~ /^timestamp/;
	return quoted(one_of('prompt', 'pg_class', 'teamrbac.membership', 'teamrbac.team', '0', '4294967295', '12345', 'pg_toast.pg_toast_1255')) . $cast if $type eq 'regclass';
	return quoted(one_of('mallory', 'app', 'postgres', '0', '4294967295', 'pg_monitor')) . $cast if $type eq 'regrole';
	return quoted(one_of('{}', 'null', '[]', '{"a": [1, {"b": null}]}', '"x"', '1e1000', '[[[[[[[[[[]]]]]]]]]]')) . $cast if $type =~ /^jsonb?$/;
	return one_of("decode('', 'hex')", "decode('00ff', 'hex')", 'sha256(repeat(\'x\', 100)::bytea)') . $cast if $type eq 'bytea';
	if ($type =~ /^(.*)\[\]$/)
	{
		my $of = $1;
		return "ARRAY[]::$type" if rand() < 0.1;
		return "array_fill(" . argument($of, $mine) . ", ARRAY[" . one_of('1', '3', '2, 2', '20000', '1, 1, 1') . "], ARRAY[" . one_of('1', '0', '-5') . "])" if rand() < 0.3;
		return 'ARRAY[' . join(', ', map { argument($of, $mine) } 1 .. 1 + rand 4) . "]::$type";
	}
	return word() . $cast if $type =~ /^(text|name|character varying|cstring|"?teamrbac.*|unknown)$/ || rand() < 0.5;
	return "NULL$cast";
}

# Everything there is to call: [name, kind, returns a set, types of the arguments, how many have defaults].
my %callable;
for my $db (qw(utf8 ascii trusted))
{
	$callable{$db} = [ map { my @f = split /\|/; [ @f[ 0 .. 2 ], [ split /;/, $f[3] // '' ], $f[4] ] } split /\n/, $node->safe_psql($db, <<'SQL') ];
SELECT oid::regproc, prokind, proretset,
	   (SELECT string_agg(format_type(t, NULL), ';' ORDER BY n) FROM unnest(proargtypes) WITH ORDINALITY AS a(t, n)), pronargdefaults
	FROM pg_proc WHERE pronamespace = 'teamrbac'::regnamespace AND NOT 'internal'::regtype = ANY (proargtypes) ORDER BY oid::regprocedure::text
SQL
}
my @relations = split /\n/, $node->safe_psql('utf8', "SELECT oid::regclass FROM pg_class WHERE relnamespace = 'teamrbac'::regnamespace AND relkind IN ('r', 'v', 'S') ORDER BY 1");
cmp_ok(scalar @{ $callable{utf8} }, '>', 40, 'there is something to call');

sub statement
{
	my ($db, $mine) = @_;
	if (rand() < 0.08)
	{
		my $relation = one_of(@relations);
		return one_of("TABLE $relation;", "SELECT count(*) FROM $relation WHERE $relation.*::text LIKE '%canary%';", "DELETE FROM $relation;",
			"UPDATE $relation SET tenant_id = tenant_id;", "COPY $relation TO STDOUT;", "LOCK $relation;", "TRUNCATE $relation;",
			"SELECT * FROM prompt AS p, $relation AS r;", "SELECT * FROM $relation TABLESAMPLE SYSTEM (100);");
	}
	my ($name, $kind, $set, $types, $defaults) = @{ one_of(@{ $callable{$db} }) };
	my @types = @$types;
	$#types -= int rand($defaults + 1);
	my $call = "$name(" . join(', ', map { argument($_, $mine) } @types) . ')';
	return "CALL $call;" if $kind eq 'p';
	return one_of("SELECT * FROM $call;", "SELECT $call;", "SELECT $call;", "SELECT $call FROM generate_series(1, 3);", "SELECT $call LIMIT 1;",
		"SELECT * FROM generate_series(1, 2) AS g, LATERAL (SELECT $call OFFSET 0) AS l;", "SELECT count(*) FROM prompt WHERE ($call) IS NULL;",
		"BEGIN; SAVEPOINT s; SELECT $call; ROLLBACK TO s; SELECT $call; COMMIT;", "EXPLAIN SELECT $call;",
		"DO \$do\$ BEGIN PERFORM $call; EXCEPTION WHEN OTHERS THEN RAISE; END \$do\$;",
		"DECLARE c CURSOR WITH HOLD FOR SELECT $call; FETCH 1 FROM c; CLOSE c;");
}

# ---- batches -----------------------------------------------------------------------------------------------

my (@findings, %states);
my $calls = 0;

# One session that makes some hundred calls, with a tenant of its own where it may sign in.
sub batch
{
	my ($number) = @_;
	srand($number);
	my $db = one_of('utf8', 'ascii', 'trusted');
	my $role = $db eq 'trusted' ? 'trusted' : one_of('mallory', 'app', 'app');
	my ($me, $other, $home) = map { random_uuid() } 1 .. 3;
	my $script = "\\set VERBOSITY verbose\nSET client_min_messages = error; SET statement_timeout = '60s';\n";
	if ($role ne 'mallory')
	{
		$node->safe_psql($db, <<"SQL");
SELECT teamrbac.register_user('me$me\@example.com', 'me', '$me');
SELECT teamrbac.register_user('other$other\@example.com', 'other', '$other');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('$home', 'home');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$home', '$me', 'owner'), ('$home', '$other', 'admin');
COMMIT;
SQL
		$script .= "SELECT teamrbac.sign_in('$me', false);\n";
	}
	my @statements;
	for (1 .. 300)
	{
		my $statement = statement($db, [ $me, $other, $home ]);
		# The one function that takes the application's word for who somebody is.
		next if $role eq 'app' && $statement =~ /teamrbac\.sign_in\(/;
		push @statements, $statement;
		$script .= "\\echo @@@ $#statements\n$statement\nROLLBACK;\n\\echo @@@ identity\nSELECT (teamrbac.current_identity()).*;\n";
	}
	$calls += @statements;
	judge("seed $number, $role in $db", $role, $me, \@statements, run_script($db, $role, $script));
	return;
}

sub run_script
{
	my ($db, $role, $script) = @_;
	my $out = '';
	IPC::Run::run([ 'psql', '-XqAt', '-U', $role, '-d', $node->connstr($db) ], '<', \$script, '>', \$out, '2>&1');
	return $out;
}

# Reads what a session printed, and adds to the findings.
sub judge
{
	my ($which, $role, $me, $statements, $out) = @_;
	my ($at, $complete) = ('', 0);
	my $allowed = $role eq 'mallory' ? qr/^none\|\|\|\|$/ : qr/^(user\|$me\|[-0-9a-f]*\|\||none\|\|\|\|)$/;
	for my $line (split /\n/, $out)
	{
		if ($line =~ /^@@@ (.*)$/)
		{
			$at = $1;
			$complete = $at if $at ne 'identity';
			next;
		}
		my $problem;
		if ($line =~ /(?:ERROR|FATAL|PANIC): +([0-9A-Z]{5}):/)
		{
			$states{$1}++;
			$problem = 'internal error' if $1 =~ /^(XX|58)/ || $1 eq '57014';
		}
		$problem = 'server gone' if $line =~ /terminating connection|server closed|connection to server|TRAP:/;
		if ($role ne 'trusted')
		{
			$problem = 'canary' if $line =~ /canary/i && $line !~ /LIKE '%canary%'/;
			$problem = 'identity' if $at eq 'identity' && $line !~ $allowed && $line !~ /^(ERROR|LOCATION|DETAIL|HINT|psql)/;
		}
		push @findings, "$which: $problem: $line\n  after: $statements->[$complete]" if $problem;
		last if $problem && $problem eq 'server gone';
	}
	push @findings, "$which: the session ended after: $statements->[$complete]" if $complete != $#$statements;
	return;
}

# That a finding would be found.
my $canary_seen = run_script('utf8', 'app', "SELECT teamrbac.sign_in('$owner', false);\n\\echo @@@ 0\nTABLE teamrbac.team;\n\\echo @@@ identity\nSELECT (teamrbac.current_identity()).*;\n");
judge('canary', 'app', $member, ['TABLE teamrbac.team'], $canary_seen);
is(scalar @findings, 3, 'the canary seen, and being somebody else, would be noticed') or diag("@findings");
@findings = ();

note("TEAMRBAC_FUZZ_SEED=$seed");
batch($_) for @kept;
my $end = time + $seconds;
batch($seed++) while time < $end;

note("$calls calls, last seed @{[ $seed - 1 ]}; SQLSTATEs: " . join(' ', map { "$_=$states{$_}" } sort keys %states));
cmp_ok($calls, '>=', 300, 'there were calls enough');
cmp_ok(scalar keys %states, '>', 8, 'which met many kinds of refusal');
is(scalar @findings, 0, 'no crash, no internal error, no identity gained, nothing of another tenant seen')
	or diag(join "\n", @findings[ 0 .. ($#findings < 19 ? $#findings : 19) ]);
is(canary($_), $canary{$_}, "$_: nothing of another tenant was changed") for qw(utf8 ascii);
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|was terminated by signal|canary/, 'the log has neither a crash nor the canary');
$node->stop;
done_testing();
