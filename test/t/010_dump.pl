# pg_dump and its ways back: the same team, the same policies, keys and invitations, and nothing done twice.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Teamrbac;
use Test::More;

my $source = PostgreSQL::Test::Cluster->new('source');
$source->init;
$source->start;
my $target = PostgreSQL::Test::Cluster->new('target');
$target->init;
$target->start;
$source->safe_psql('postgres', "CREATE EXTENSION teamrbac CASCADE; ${\application()}");
populate($source, 'postgres');
my $secrets = populate_more($source, 'postgres');
$source->safe_psql('postgres', "CREATE TABLE $_ AS SELECT tenant_id, n, repeat(md5(n::text), 100) AS body FROM teamrbac.tenant, generate_series(1, 100) AS n; ALTER TABLE $_ ADD FOREIGN KEY (tenant_id) REFERENCES teamrbac.tenant") for qw(large larger);
$target->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE ROLE psql_user LOGIN;');

my $rows = contents($source, 'postgres');
my $catalogue = catalogue($source, 'postgres');
cmp_ok(scalar @$rows, '>', 100, 'there is something to lose');
cmp_ok($source->safe_psql('postgres', 'SELECT count(*) FROM teamrbac.outbox WHERE next_attempt_at IS NOT NULL'), '>', 0, 'mail is waiting');
unlike(join("\n", @$rows), qr/$_/, 'what is dumped holds no secret') for @$secrets;
my $policies = "SELECT polrelid::regclass, p.polname, polcmd, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid), relforcerowsecurity FROM pg_policy AS p JOIN pg_class ON pg_class.oid = polrelid ORDER BY 1, 2;";
my $dir = $source->basedir;
my $connection = $source->connstr('postgres');

# Restores by a command into a new database, and looks at what is there then.
sub restored
{
	my ($db, @commands) = @_;
	$target->safe_psql('postgres', "CREATE DATABASE $db") if $db ne 'fresh';
	$target->command_ok([ @$_, '-d', $target->connstr($db) ], "$db: '@$_[0 .. 1]' without an error") for ref $commands[0] ? @commands : [@commands];
	is(differences($rows, contents($target, $db)), '', "$db: the same rows, and none added");
	is($target->safe_psql($db, $policies), $source->safe_psql('postgres', $policies), "$db: the same policies");
	is(differences($catalogue, catalogue($target, $db)), '', "$db: the same schema");
	is($target->safe_psql($db, 'SELECT count(*) FROM teamrbac.claim_mail(1000)'), '0', "$db: no mail is sent a second time");
	is_intact($target, $db, $db);
	loads_known($target, $db);
	secrets_work($target, $db, $secrets, $db);
	return;
}

# That what was loaded is on record, once a table with all its rows, until somebody confirms it.
sub loads_known
{
	my ($node, $db) = @_;
	my $tables = "'{app_user,tenant,membership,api_key,invitation}'::text[]";
	my $loads = $node->safe_psql($db, "SELECT substr(subject, 7), after ->> 'rows' FROM teamrbac.audit_event WHERE scope = 'restore' AND substr(subject, 7) = ANY ($tables) ORDER BY 1");
	my $there = join("\n", map { "$_|" . $node->safe_psql($db, "SELECT count(*) FROM teamrbac.$_") } sort qw(app_user tenant membership api_key invitation));
	is($loads, $there, "$db: each table's load is recorded once, with its rows");
	is($node->safe_psql($db, "SELECT severity, object, remedy FROM teamrbac.check_setup() WHERE severity = 'critical' AND object !~ '^public' OR object = 'rows from a dump'"),
		'notice|rows from a dump|', "$db: check_setup says so, without a remedy to be run unread, and nothing is broken");
	$node->safe_psql($db, 'CALL teamrbac.confirm_loads()');
	is($node->safe_psql($db, "SELECT count(*) FROM teamrbac.check_setup() WHERE object = 'rows from a dump'"), '0', "$db: no longer a finding");
	is($node->safe_psql($db, "SELECT count(*) FROM teamrbac.audit_event WHERE scope = 'restore'"), '0', "$db: confirmed");
	is($node->safe_psql($db, broken_chains()), '0', "$db: and every chain is whole");
	return;
}

command_ok([ 'pg_dump', '-d', $connection, '-f', "$dir/plain.sql" ], 'a plain dump');
restored('plain', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain.sql");
restored('one_transaction', 'psql', '-Xq', '-1', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain.sql");

command_ok([ 'pg_dump', '-Fc', '-d', $connection, '-f', "$dir/custom" ], 'a custom dump');
restored('custom', 'pg_restore', '--exit-on-error', "$dir/custom");

# The application's foreign keys to teamrbac.tenant need its rows, which the dump does not say: in one step, two workers
# would load the two largest tables and give them their keys before anything else.  So the keys go into a second step.
command_ok([ 'pg_dump', '-Fd', '-j', '2', '-d', $connection, '-f', "$dir/parallel" ], 'a parallel dump');
restored('parallel', map { [ 'pg_restore', @$_, '--exit-on-error', '-j', '2', "$dir/parallel" ] } [ '--section=pre-data', '--section=data' ], ['--section=post-data']);
is($target->safe_psql('parallel', q{SELECT count(*) FROM pg_constraint WHERE confrelid = 'teamrbac.tenant'::regclass AND conrelid::regclass::text ~ '^large' AND convalidated}), '2', 'large tables have their foreign keys');

command_ok([ 'pg_dump', '--inserts', '-d', $connection, '-f', "$dir/inserts.sql" ], 'a dump of INSERTs');
restored('inserts', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/inserts.sql");

# The schema by itself, then the data by themselves.
command_ok([ 'pg_dump', '--schema-only', '-d', $connection, '-f', "$dir/schema.sql" ], 'the schema alone');
$target->safe_psql('postgres', 'CREATE DATABASE fresh');
$target->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/schema.sql", '-d', $target->connstr('fresh') ], 'the schema alone is restored');
is($target->safe_psql('fresh', 'SELECT (SELECT count(*) FROM teamrbac.tenant), (SELECT count(*) FROM teamrbac.app_user), (SELECT count(*) FROM prompt)'), '0|0|0', 'and is empty');
is($target->safe_psql('fresh', $policies), $source->safe_psql('postgres', $policies), 'with its policies');
command_ok([ 'pg_dump', '--data-only', '-d', $connection, '-f', "$dir/data.sql" ], 'the data alone');
restored('fresh', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/data.sql");

# With triggers disabled, pg_restore ends by enabling all of them: the server's checks that stand aside for ours too,
# and the signals for ordinary sessions only.
command_ok([ 'pg_dump', '-Fc', '--data-only', '-d', $connection, '-f', "$dir/data" ], 'the data alone, for pg_restore');
$target->safe_psql('postgres', 'CREATE DATABASE untriggered');
$target->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/schema.sql", '-d', $target->connstr('untriggered') ], 'the schema once more');
$target->command_ok([ 'pg_restore', '--exit-on-error', '--disable-triggers', "$dir/data", '-d', $target->connstr('untriggered') ], 'the data with triggers disabled');
is(differences($rows, contents($target, 'untriggered')), '', 'the same rows');
remedied($target, 'untriggered', 'checked by the server as well', 'triggers disabled');
remedied($target, 'untriggered', 'not always enabled', 'triggers disabled');
is(differences($catalogue, catalogue($target, 'untriggered')), '', 'and the schema is as it was');

# Into a database that has a user of its own with somebody's address: the table of users does not come at all.
$target->safe_psql('postgres', 'CREATE DATABASE taken');
$target->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/schema.sql", '-d', $target->connstr('taken') ], 'the schema once more');
$target->safe_psql('taken', "SELECT teamrbac.register_user('adam\@example.com', 'Another Adam')");
$target->command_checks_all([ 'pg_restore', "$dir/data", '-d', $target->connstr('taken') ], 1, [qr/^$/], [qr/app_user_email_key/], 'users are lost');
is($target->safe_psql('taken', "SELECT object, substring(problem FROM '^\\d+ rows? refers?, by foreign key \\w+') FROM teamrbac.check_setup() WHERE severity = 'critical' AND object ~ '^teamrbac' ORDER BY 1, 2"), <<'EOT' =~ s/\n$//r, 'check_setup says what refers to them');
teamrbac.database_role|1 row refers, by foreign key database_role_user_id_fkey
teamrbac.join_request|1 row refers, by foreign key join_request_user_id_fkey
teamrbac.member_permission_use|1 row refers, by foreign key member_permission_use_user_id_fkey
teamrbac.membership|8 rows refer, by foreign key membership_user_id_fkey
teamrbac.user_activity|4 rows refer, by foreign key user_activity_user_id_fkey
EOT

# Row-secured tables: a role that they hold for gets no dump by mistake, and by --enable-row-security its own
# rows only; a role with BYPASSRLS gets all.
$source->safe_psql('postgres', <<'SQL');
CREATE ROLE backup LOGIN BYPASSRLS;
GRANT pg_read_all_data TO backup, psql_user;
SQL
command_fails_like([ 'pg_dump', '-U', 'psql_user', '-d', $connection, '-t', 'prompt' ], qr/row-level security/, 'a role without BYPASSRLS is refused');
my ($mine, $none);
IPC::Run::run([ 'pg_dump', '-U', 'psql_user', '--enable-row-security', '--data-only', '-t', 'prompt', '-d', $connection ], '>', \$mine);
is(scalar(() = $mine =~ /^00000000/mg), 20, 'with --enable-row-security it dumps what its user sees');
command_ok([ 'pg_dump', '-U', 'backup', '-d', $connection, '-Fc', '-f', "$dir/by_backup_role" ], 'a role with BYPASSRLS and pg_read_all_data dumps all');
$target->safe_psql('postgres', 'CREATE ROLE backup');
restored('by_backup_role', 'pg_restore', '--exit-on-error', "$dir/by_backup_role");

# What an application put onto our own tables is lost, and a column takes its table's rows along: check_setup says so
# before.  A table beside, a foreign key, and grants come back.
$source->safe_psql('postgres', 'CREATE DATABASE additions');
$source->safe_psql('additions', <<"SQL");
CREATE EXTENSION teamrbac CASCADE;
SELECT teamrbac.register_user('a\@example.com', 'A', '${\id('a1')}');
${\sign_in('a1')}
SELECT teamrbac.create_tenant('T', 't');
CREATE TABLE profile (tenant_id uuid PRIMARY KEY REFERENCES teamrbac.tenant ON DELETE CASCADE, seats int);
INSERT INTO profile SELECT tenant_id, 7 FROM teamrbac.tenant;
SELECT teamrbac.protect_table('profile', 'prompts.view', 'team.manage');
GRANT REFERENCES (tenant_id) ON teamrbac.tenant TO app;
SQL
my $lost = q{SELECT severity, object FROM teamrbac.check_setup() WHERE object ~ ' on teamrbac\.'};
is($source->safe_psql('additions', $lost), '', 'a table beside ours is no finding');
$source->safe_psql('additions', <<'SQL');
CREATE FUNCTION seats() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER seats AFTER INSERT ON teamrbac.membership FOR EACH ROW EXECUTE FUNCTION seats();
CREATE INDEX membership_joined ON teamrbac.membership (joined_at);
CREATE POLICY rename ON teamrbac.tenant FOR UPDATE USING (teamrbac.has_permission(tenant_id, 'tenant.delete'));
CREATE RULE log AS ON DELETE TO teamrbac.outbox DO ALSO SELECT 1;
ALTER TABLE teamrbac.tenant ADD CONSTRAINT named CHECK (name <> 'x');
SQL
my $additions = <<'SQL' =~ s/\n$//r;
critical|rule log on teamrbac.outbox
critical|trigger seats on teamrbac.membership
warning|constraint named on teamrbac.tenant
warning|index membership_joined on teamrbac.membership
warning|policy rename on teamrbac.tenant
SQL
is($source->safe_psql('additions', $lost), $additions, 'what was added to ours is found');

sub restored_additions
{
	my ($db) = @_;
	$source->command_ok([ 'pg_dump', '-Fc', '-d', $source->connstr('additions'), '-f', "$dir/$db" ], "$db: a dump");
	$target->safe_psql('postgres', "CREATE DATABASE $db");
	my ($out, $err);
	IPC::Run::run([ 'pg_restore', '-d', $target->connstr($db), "$dir/$db" ], '>', \$out, '2>', \$err);
	is($target->safe_psql($db, $lost), '', "$db: what had been added is not there");
	is($target->safe_psql($db, 'SELECT seats FROM profile'), '7', "$db: the table beside is");
	is($target->safe_psql($db, "SELECT has_column_privilege('app', 'teamrbac.tenant', 'tenant_id', 'REFERENCES')"), 't', "$db: and grants are");
	return $err;
}
is(restored_additions('without_column'), '', 'without_column: no error');
is($target->safe_psql('without_column', 'SELECT count(*) FROM teamrbac.tenant'), '1', 'without_column: the tenant is there');
$source->safe_psql('additions', q{ALTER TABLE teamrbac.tenant ADD COLUMN notes jsonb NOT NULL DEFAULT '{}'});
like($source->safe_psql('additions', $lost), qr/^critical\|column notes on teamrbac\.tenant$/m, 'a column is found');
like(restored_additions('with_column'), qr/column "notes" of relation "tenant" does not exist/, 'with_column: it cannot be loaded');
is($target->safe_psql('with_column', 'SELECT count(*) FROM teamrbac.tenant'), '0', 'with_column: all tenants are lost');
is($target->safe_psql('with_column', "SELECT object FROM teamrbac.check_setup() WHERE severity = 'critical'"), 'teamrbac.membership', 'with_column: and check_setup says that members refer to nothing');

$source->stop;
$target->stop;
done_testing();
