# Queries that nobody would think of: sqlsmith makes them up from all tables, views, functions and operators that an
# application's role may use, and the role, a member of one tenant, runs them.  Every text of another tenant, the
# canary, says so: it may show up in no result and no message.  Nor may its rows change, the server crash, or an
# internal error come up.
#
# TEAMRBAC_SQLSMITH_QUERIES (default 1500) says how many queries are made of each seed, TEAMRBAC_SQLSMITH_SEEDS of which.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $queries = $ENV{TEAMRBAC_SQLSMITH_QUERIES} // 1500;
my @seeds = split ' ', $ENV{TEAMRBAC_SQLSMITH_SEEDS} // '1 2';
my $chunk = 50;
my $canary = 'CANARY';

system('command -v sqlsmith >/dev/null') == 0 or plan skip_all => 'sqlsmith is not installed';

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "log_min_messages = fatal\nlog_min_error_statement = panic");
$node->start;
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION teamrbac CASCADE;
CREATE ROLE app LOGIN;
ALTER ROLE app SET statement_timeout = '300ms';
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS \$\$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid \$\$;
SELECT teamrbac.register_user('$canary-' || n || '\@example.com', '$canary', u(n)) FROM unnest(ARRAY['c1', 'c2']) n;
SELECT teamrbac.register_user('mine\@example.com', 'mine', u('a1'));
SELECT teamrbac.map_database_role(u('a1'), 'app');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name, slug) VALUES (u('01'), 'mine', 'mine'), (u('02'), '$canary', lower('$canary'));
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('01'), u('a1'), 'owner'), (u('02'), u('c1'), 'owner'), (u('02'), u('c2'), 'admin');
COMMIT;
CREATE TABLE item (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES teamrbac.tenant, title text, fields jsonb, tags text[], raw bytea);
CREATE TABLE note (id int, tenant_id uuid NOT NULL, body text, at timestamptz DEFAULT now(), PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (tenant_id);
CREATE TABLE note_0 PARTITION OF note FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE note_1 PARTITION OF note FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO item SELECT g, u('0' || 1 + g % 2), w || g, jsonb_build_object('w', w, 'n', g), ARRAY[w, w || g], convert_to(w, 'UTF8')
	FROM generate_series(1, 60) g, LATERAL (SELECT CASE g % 2 WHEN 0 THEN 'mine' ELSE '$canary' END) AS x(w);
INSERT INTO note SELECT id, tenant_id, title FROM item;
CREATE VIEW titles WITH (security_invoker = true) AS SELECT i.id, i.title, n.body FROM item i JOIN note n USING (tenant_id, id);
SELECT teamrbac.protect_table(t, 'prompts.view', 'prompts.edit') FROM unnest(ARRAY['item', 'note', 'note_0', 'note_1']::regclass[]) t;
ANALYZE;
GRANT SELECT, INSERT, UPDATE, DELETE ON item, note, note_0, note_1, titles TO app;
SQL

my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
my $dir = PostgreSQL::Test::Utils::tempdir();

# All of the canary's rows, whatever they hold.
sub canary_state
{
	return $node->safe_psql('postgres', <<'SQL');
SELECT md5(string_agg(r, '' ORDER BY r)) FROM (SELECT 'item' || i::text FROM item i WHERE tenant_id = u('02')
	UNION ALL SELECT 'note' || n::text FROM note n WHERE tenant_id = u('02')
	UNION ALL SELECT 'membership' || m::text FROM teamrbac.membership m WHERE tenant_id = u('02')
	UNION ALL SELECT 'tenant' || t::text FROM teamrbac.tenant t WHERE tenant_id = u('02')) AS all_rows(r)
SQL
}

# The queries of a seed, made but not run by sqlsmith.
sub make_queries
{
	my ($seed) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'sqlsmith', '--target=' . $node->connstr('postgres') . ' user=app', "--seed=$seed", "--max-queries=$queries",
			'--dry-run', '--exclude-catalog' ], '>', \$out, '2>', \$err);
	my @made = grep { /\S/ } split /;\s*\n/, $out;
	diag($err) if @made < $queries / 2;
	return @made;
}

# Runs them in transactions that are rolled back, some to a session; returns all that the session printed.
sub run_queries
{
	my ($name, @made) = @_;
	my $printed = '';
	while (my @part = splice @made, 0, $chunk)
	{
		my $file = "$dir/$name.sql";
		my ($out, $err) = ('', '');
		open my $handle, '>', $file or die $!;
		print $handle "\\set VERBOSITY verbose\nSET bytea_output = escape;\n", map { "BEGIN;\n$_;\nROLLBACK;\n" } @part;
		print $handle "\\echo all of them\n";
		close $handle;
		IPC::Run::run([ 'psql', '-XAqt', '-d', $node->connstr('postgres') . ' user=app', '-f', $file ], '>', \$out, '2>', \$err);
		$printed .= $out . $err;
	}
	return $printed;
}

# The control: what tells a leak would tell one.
my $shown = run_queries('control', 'SELECT * FROM item', 'SELECT title::int FROM item');
like($shown, qr/mine2/, 'the role sees rows of its own tenant');
unlike($shown, qr/$canary/i, 'and none of the canary\'s');
$node->safe_psql('postgres', 'ALTER TABLE item DISABLE ROW LEVEL SECURITY');
like(run_queries('control', 'SELECT fields FROM item'), qr/$canary/, 'without row security, the canary shows in a result');
like(run_queries('control', 'SELECT title::int FROM item WHERE id % 2 = 1'), qr/ERROR.*$canary/, 'and in an error message');
$node->safe_psql('postgres', 'ALTER TABLE item ENABLE ROW LEVEL SECURITY');

my $state = canary_state();
for my $seed (@seeds)
{
	my @made = make_queries($seed);
	my $printed = run_queries("seed_$seed", @made);
	my %states;
	$states{$1}++ while $printed =~ /(?:ERROR|FATAL):  (\w{5}):/g;
	# The server's own, without any library: a random interval type's modifier.
	my @internal = grep { !/invalid INTERVAL typmod/ } $printed =~ /((?:ERROR|FATAL|PANIC):  XX\w{3}: .*)/g;
	my $mine = () = $printed =~ /mine/g;
	my $failed = 0;
	$failed += $_ for values %states;
	note("seed $seed: " . @made . " queries, $failed failed: " . join ', ', map { "$_ $states{$_}" } sort keys %states);
	note("own rows show $mine times");
	cmp_ok(scalar @made, '>=', $queries / 2, "seed $seed: queries were made");
	cmp_ok(@made - $failed, '>=', @made / 4, "seed $seed: and at least a quarter of them run");
	cmp_ok($mine, '>', 100, "seed $seed: the role's own rows show");
	my @leaks = $printed =~ /(.*$canary.*)/gi;
	is(scalar @leaks, 0, "seed $seed: the canary shows nowhere") or diag(join "\n", @leaks[0 .. ($#leaks < 5 ? $#leaks : 5)]);
	is(join("\n", @internal), '', "seed $seed: no internal error");
	# A query may end its own session, by pg_terminate_backend.
	my $sessions = () = $printed =~ /^all of them$/mg;
	cmp_ok($sessions, '>=', 0.9 * @made / $chunk, "seed $seed: nearly all sessions ran to their end");
	unlike($printed, qr/server closed the connection unexpectedly/, "seed $seed: no session crashed");
}
is(canary_state(), $state, 'the canary\'s rows are as they were');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server never restarted');
$node->stop;
done_testing();
