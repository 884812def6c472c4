# What is shipped while teams change has no gap and comes once; and from what was shipped alone, an empty database learns the
# team, the roles and what anybody could do.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\nlog_statement = none\n");
$node->start;
my $nil = '00000000-0000-0000-0000-000000000000';
my ($acme, $ann) = ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000a1');
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION teamrbac CASCADE;
SELECT teamrbac.register_user('ann\@example.com', 'Ann', '$ann');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('$acme', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$acme', '$ann', 'owner');
COMMIT;
CREATE ROLE siem LOGIN;
GRANT EXECUTE ON FUNCTION teamrbac.audit_lines(uuid, bigint, integer, text), teamrbac.audit_heads() TO siem;
SQL

# Four sessions write, some of their transactions for a while, some in vain, until the fifth has read enough.
$node->safe_psql('postgres', <<'SQL');
CREATE PROCEDURE write(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 150 LOOP
		PERFORM teamrbac.sign_in('00000000-0000-0000-0000-0000000000a1');
		PERFORM teamrbac.create_api_key('00000000-0000-0000-0000-000000000001', format('key %s %s', n, i));
		IF random() < 0.3 THEN
			PERFORM pg_sleep(random() * 0.005);
		END IF;
		IF random() < 0.2 THEN
			ROLLBACK;
		ELSE
			COMMIT;
		END IF;
	END LOOP;
END $$;
SQL
my $said = '';
my @writers = map { IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', "CALL write($_)" ], '<', \undef, '>', \$said, '2>&1') } 1 .. 4;
my @shipped;
my $after = "NULL";
my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
my $pages = 0;
while (time < $deadline)
{
	# Asked before it is read: what is not there then will not come.
	$_->pump_nb for grep { $_->pumpable } @writers;
	my $finished = !grep { $_->pumpable } @writers;
	my @lines = split /\n/, $node->safe_psql('postgres', "SELECT l FROM teamrbac.audit_lines('$acme', $after, 7) AS l", extra_params => [ '-U', 'siem' ]);
	last if !@lines && $finished;
	$pages++ if @lines;
	push @shipped, @lines;
	($after) = $lines[-1] =~ /"sequence": (\d+), "hash"/ if @lines;
}
$_->finish for @writers;
is($said, '', 'the writers had no trouble');
my ($last) = $node->safe_psql('postgres', "SELECT sequence FROM teamrbac.audit_head WHERE tenant_id = '$acme' AND scope = 'tenant'");
my @sequences = map { /"sequence": (\d+), "hash"/ ? $1 : 'none' } @shipped;
cmp_ok($pages, '>', 10, "$pages pages while others wrote");
is("@sequences", join(' ', 1 .. $last), 'each event came once, in its order');
my $previous = '';
my $broken = 0;
for (@shipped)
{
	my ($hash) = /"sequence": \d+, "hash": "([0-9a-f]{64})"/;
	my ($follows) = /"previous_hash": "([0-9a-f]*)"/;
	$broken++ unless $follows eq $previous;
	$previous = $hash;
}
is($broken, 0, 'and follows the one before');

# The shipper of the documentation, twice: all of it once.
my $folder = PostgreSQL::Test::Utils::tempdir();
my ($script) = slurp_file("$ENV{TESTDIR}/docs/audit.md") =~ /^```bash\n(#!\S+\n# ship-audit .*?)^```/ms;
PostgreSQL::Test::Utils::append_to_file("$folder/ship-audit", $script);
for (1, 2)
{
	$node->safe_psql('postgres', "UPDATE teamrbac.tenant SET name = 'Round $_'");
	local @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER)} = ($node->host, $node->port, 'postgres', 'siem');
	is(system('bash', "$folder/ship-audit", $folder), 0, "the shipper runs, round $_");
}
my @lines = split /\n/, slurp_file("$folder/audit.ndjson");
my %hashes = map { /"sequence": \d+, "hash": "([0-9a-f]{64})"/ ? ($1 => 1) : () } @lines;
is(scalar @lines . ' ' . scalar keys %hashes, join(' ', ($node->safe_psql('postgres', 'SELECT count(*) FROM teamrbac.audit_event')) x 2), 'each event has been shipped, once');

# A world of which everything is shipped, and loaded elsewhere.
$node->safe_psql('postgres', 'CREATE DATABASE world');
$node->safe_psql('world', 'CREATE EXTENSION teamrbac CASCADE;');
$node->psql('world', '\i test/lib/as_of.sql', on_error_die => 1);
$node->safe_psql('world', 'SELECT setseed(0.4); CALL live(400);');
my $dir = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('world', "COPY (SELECT l FROM teamrbac.audit_heads() AS h, teamrbac.audit_lines(h.chain, NULL, 10000, h.scope) AS l) TO STDOUT", extra_params => [ '-o', "$dir/audit.ndjson" ]);
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->psql('elsewhere', <<"SQL", on_error_die => 1);
CREATE EXTENSION teamrbac CASCADE;
CREATE TABLE line (l json);
\\copy line FROM '$dir/audit.ndjson' WITH (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')
INSERT INTO teamrbac.audit_event (tenant_id, scope, sequence, occurred_at, actor_kind, actor_id, session_role, application_name, action, subject, before, after, previous_hash, hash)
	SELECT (l #>> '{teamrbac,chain}')::uuid, l #>> '{teamrbac,scope}', (l #>> '{event,sequence}')::bigint, (l ->> '\@timestamp')::timestamptz, l #>> '{teamrbac,actor_kind}',
		(l #>> '{teamrbac,actor_id}')::uuid, l #>> '{teamrbac,session_role}', l #>> '{teamrbac,application_name}', l #>> '{event,action}', l #>> '{teamrbac,subject}',
		NULLIF((l #> '{teamrbac,before}')::jsonb, 'null'), NULLIF((l #> '{teamrbac,after}')::jsonb, 'null'), decode(l #>> '{teamrbac,previous_hash}', 'hex'), decode(l #>> '{event,hash}', 'hex')
	FROM line;
INSERT INTO teamrbac.audit_head (tenant_id, scope, sequence, hash)
	SELECT DISTINCT ON (1, 2) (l #>> '{teamrbac,chain}')::uuid, l #>> '{teamrbac,scope}', (l #>> '{teamrbac,head,sequence}')::bigint, decode(l #>> '{teamrbac,head,hash}', 'hex')
	FROM line ORDER BY 1, 2, 3 DESC;
SQL
# The hashes are of what was shipped, to the letter.
is($node->safe_psql('elsewhere', 'SELECT count(*) FROM (SELECT DISTINCT tenant_id FROM teamrbac.audit_head) AS h, teamrbac.verify_audit(h.tenant_id) AS v WHERE NOT v.valid'), '0', 'the chains are whole elsewhere');
cmp_ok($node->safe_psql('elsewhere', 'SELECT count(*) FROM teamrbac.audit_event'), '>', 50, 'and long');
# What there is to know of any time, by what was shipped alone: each answer that was recorded, each team, each tenant's roles.
$node->safe_psql('world', "COPY (SELECT tenant_id, who, permission, from_time, to_time, answer FROM answers) TO STDOUT", extra_params => [ '-o', "$dir/answers" ]);
$node->psql('elsewhere', "CREATE TABLE answers (tenant_id uuid, who uuid, permission text, from_time timestamptz, to_time timestamptz, answer boolean);\n"
	. "\\copy answers FROM '$dir/answers'", on_error_die => 1);
cmp_ok($node->safe_psql('elsewhere', 'SELECT count(*) FILTER (WHERE answer) FROM answers'), '>', 50, 'there are answers');
is($node->safe_psql('elsewhere', <<'SQL', timeout => 600), '', 'an empty database answers as this one did');
SELECT a.*, e.allowed, e.reason FROM answers AS a, teamrbac.explain_permission_at(a.tenant_id, a.who, a.permission, a.from_time) AS e
	WHERE e.allowed <> a.answer
	  AND a.answer <> (SELECT l.allowed FROM teamrbac.explain_permission_at(a.tenant_id, a.who, a.permission, a.to_time) AS l) LIMIT 5
SQL
my $middle = $node->safe_psql('world', 'SELECT from_time FROM answers ORDER BY n OFFSET (SELECT count(*) / 2 FROM answers) LIMIT 1');
for my $then ("'$middle'", 'now()')
{
	# Names are not shipped.
	my $teams = "SELECT h.tenant_id, t.user_id, t.role, t.expires_at, t.state, t.events FROM teamrbac.audit_head AS h, teamrbac.team_at(h.tenant_id, $then) AS t"
		. " WHERE h.scope = 'tenant' ORDER BY 1, 2";
	my $there = $node->safe_psql('world', $teams);
	isnt($there, '', "there were teams at $then");
	is($node->safe_psql('elsewhere', $teams), $there, 'the same elsewhere');
	my $roles = "SELECT h.tenant_id, r.* FROM teamrbac.audit_head AS h, teamrbac.roles_at(h.tenant_id, $then) AS r WHERE h.scope = 'tenant' ORDER BY 1, r.role COLLATE \"C\"";
	is($node->safe_psql('elsewhere', $roles), $node->safe_psql('world', $roles), 'and so are the roles of each tenant');
}
# The roles and permissions of the application's own, users, tenants and members, by what was shipped alone.
$node->psql('elsewhere', <<"SQL", on_error_die => 1);
INSERT INTO teamrbac.permission (permission, description)
	SELECT DISTINCT p, 'shipped' FROM teamrbac.roles_at('$nil', clock_timestamp()) AS r, unnest(r.permissions) AS p
	WHERE NOT EXISTS (SELECT FROM teamrbac.permission AS known WHERE known.permission = p);
INSERT INTO teamrbac.role (role, description) SELECT r.role, 'shipped' FROM teamrbac.roles_at('$nil', clock_timestamp()) AS r WHERE NOT EXISTS (SELECT FROM teamrbac.role AS known WHERE known.role = r.role);
INSERT INTO teamrbac.role_permission (role, permission)
	SELECT r.role, p FROM teamrbac.roles_at('$nil', clock_timestamp()) AS r, unnest(r.permissions) AS p ON CONFLICT DO NOTHING;
INSERT INTO teamrbac.app_user (user_id, email, display_name)
	SELECT tenant_id, tenant_id || '\@example.com', 'shipped' FROM teamrbac.audit_head WHERE scope = 'user';
BEGIN;
CREATE TABLE shipped AS SELECT h.tenant_id, t.* FROM teamrbac.audit_head AS h, teamrbac.team_at(h.tenant_id, clock_timestamp()) AS t WHERE h.scope = 'tenant';
INSERT INTO teamrbac.tenant (tenant_id, name, deleted_at) SELECT DISTINCT tenant_id, 'shipped', CASE WHEN state = 'tenant deleted' THEN now() END FROM shipped;
INSERT INTO teamrbac.membership (tenant_id, user_id, role, expires_at) SELECT tenant_id, user_id, role, expires_at FROM shipped;
COMMIT;
SQL
my $members = 'SELECT m.tenant_id, m.user_id, m.role, m.expires_at FROM teamrbac.membership AS m JOIN teamrbac.tenant AS t USING (tenant_id) WHERE m.expires_at IS NULL OR m.expires_at > now() ORDER BY 1, 2';
my $team = $node->safe_psql('world', $members);
cmp_ok(scalar(split /\n/, $team), '>', 5, 'there is a team');
is($node->safe_psql('elsewhere', $members), $team, 'the team is the same elsewhere');
my $grants = 'SELECT role, permission FROM teamrbac.role_permission ORDER BY 1, 2';
is($node->safe_psql('elsewhere', $grants), $node->safe_psql('world', $grants), 'and so are the roles');
$node->stop;
done_testing();
