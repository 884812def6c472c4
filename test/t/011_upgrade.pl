# A library and a script that do not fit together: a clear error from everything that depends on it, no crash,
# and no row.  An upgrade: the same as a fresh installation, with nothing lost.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Teamrbac;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
my ($version) = slurp_file("$ENV{TESTDIR}/teamrbac.control") =~ /^default_version = '(.*)'/m;
my @released = map { m{--(.*)\.sql$} } glob("$ENV{TESTDIR}/sql/released/teamrbac--*.sql");
cmp_ok(scalar @released, '>', 0, 'there are released versions');
$node->safe_psql('postgres', application() =~ s/GRANT.*//sr);

# Each function and procedure of the schema, called with something for each argument, in a session of its own
# each, as nothing must depend on what an earlier one has loaded.
sub call_everything
{
	my ($db, $what) = @_;
	my @calls = split /\n/, $node->safe_psql($db, <<'SQL');
SELECT format('%s teamrbac.%I(%s);', CASE prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, proname,
		(SELECT string_agg(CASE t::regtype::text WHEN 'uuid' THEN '''00000000-0000-0000-0000-000000000001'''
			WHEN 'text' THEN CASE WHEN proargnames[n] = 'email' THEN '''x@example.com''' ELSE '''endpoints.view''' END WHEN 'boolean' THEN 'false' WHEN 'integer' THEN '1' WHEN 'bigint' THEN '1'
			WHEN 'interval' THEN '''1 day''' WHEN 'timestamp with time zone' THEN '''2999-01-01''' WHEN 'text[]' THEN '''{endpoints.view}'''
			WHEN 'name' THEN '''tenant_id''' WHEN 'regclass' THEN '''prompt''' WHEN 'regrole' THEN '''postgres''' ELSE 'NULL' END || '::' || t::regtype, ', ' ORDER BY n)
		 FROM unnest(proargtypes) WITH ORDINALITY AS a(t, n)))
	FROM pg_proc
	WHERE pronamespace = 'teamrbac'::regnamespace AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) AND NOT 'internal'::regtype = ANY (proargtypes)
	  AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')
	ORDER BY oid::regprocedure::text;
SQL
	cmp_ok(scalar @calls, '>', 20, "$what: there is something to call");
	my @wrong;
	for my $call (@calls)
	{
		my ($rc, $out, $err) = $node->psql($db, "\\set VERBOSITY verbose\n$call", on_error_stop => 1);
		# These look at no table of ours, and a job with nothing to do says that it did nothing.
		next if $err =~ /55000: +extension "teamrbac"/ || $call =~ /sign_out|sign_in_from_jwt_claims|unprotect_table|read_statistics/ || $rc == 0 && $out eq '0';
		push @wrong, "$call $out $err";
	}
	is(join("\n", @wrong), '', "$what: everything says that the versions differ");
	is($node->safe_psql($db, 'SELECT 1'), '1', "$what: the server is alive");
	my ($rc, $out, $err) = $node->psql($db, 'SET ROLE app; SELECT * FROM prompt;');
	is($out, '', "$what: no row of a protected table is seen");
	like($err, qr/does not have the version of its library/, "$what: but why is");
	($rc, $out, $err) = $node->psql($db, "INSERT INTO teamrbac.role (role, description) VALUES ('x', 'x')");
	like($err, qr/does not have the version of its library/, "$what: nothing is changed that other sessions would not be told of");
	return;
}

# The files of a new version have been installed and ALTER EXTENSION UPDATE has not been run; and the reverse,
# where sessions have an older library than the script that made the objects.
for my $other (@released, '99.0')
{
	my $db = "version_$other" =~ tr/./_/r;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, 'CREATE EXTENSION teamrbac CASCADE') if $other eq '99.0';
	$node->safe_psql($db, "CREATE EXTENSION teamrbac VERSION '$other' CASCADE") if $other ne '99.0';
	$node->safe_psql($db, <<'SQL');
CREATE TABLE prompt (tenant_id uuid PRIMARY KEY);
INSERT INTO prompt VALUES ('00000000-0000-0000-0000-000000000001');
ALTER TABLE prompt ENABLE ROW LEVEL SECURITY;
CREATE POLICY view ON prompt USING (teamrbac.has_permission(tenant_id, 'prompts.view'));
GRANT ALL ON prompt TO app;
SQL
	$node->safe_psql($db, "UPDATE pg_extension SET extversion = '99.0' WHERE extname = 'teamrbac'") if $other eq '99.0';
	call_everything($db, "script $other, library $version");
}
# ---- upgrades ----------------------------------------------------------------------------------------------

# Whoever upgrades has a populated database, which the old version's library has made.  That library is gone: its
# rows are copied from a database of today, past the triggers, which refuse to work on an old catalogue.
sub populate_old
{
	my ($db, $source) = @_;
	my @tables = grep { $_ ne '' } split /\n/, $node->safe_psql($db, "SELECT unnest(extconfig)::regclass FROM pg_extension WHERE extname = 'teamrbac'");
	my $load = '';
	for my $table (@tables)
	{
		my $columns = $node->safe_psql($db, "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '$table'::regclass AND attnum > 0");
		my $condition = $node->safe_psql($db, "SELECT condition FROM (SELECT unnest(extconfig) AS relation, unnest(extcondition) AS condition FROM pg_extension WHERE extname = 'teamrbac') AS c WHERE relation = '$table'::regclass");
		my $rows = $node->safe_psql($source, "COPY (SELECT $columns FROM $table $condition) TO STDOUT");
		$load .= "COPY $table ($columns) FROM STDIN;\n$rows\n\\.\n" if $rows ne '';
	}
	$node->safe_psql($db, 'CREATE TABLE enabled AS SELECT oid, tgenabled FROM pg_trigger');
	$node->safe_psql($db, "UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'teamrbac'::regnamespace)");
	$node->safe_psql($db, $load);
	$node->safe_psql($db, 'UPDATE pg_trigger AS t SET tgenabled = e.tgenabled FROM enabled AS e WHERE e.oid = t.oid; DROP TABLE enabled;');
	# The application's own tables, as pg_dump has them.
	my $dump = "$ENV{TESTDATADIR}/tables.sql";
	PostgreSQL::Test::Utils::system_or_bail('pg_dump', '-d', $node->connstr($source), '-n', 'public', '-f', $dump);
	my $tables = slurp_file($dump);
	$tables =~ s/^(CREATE SCHEMA public|COMMENT ON SCHEMA public).*//mg;
	$node->safe_psql($db, $tables);
	return;
}

$node->safe_psql('postgres', 'CREATE DATABASE today; CREATE DATABASE fresh');
$node->safe_psql('today', "CREATE EXTENSION teamrbac CASCADE; ${\application()}" =~ s/CREATE ROLE app LOGIN;//r);
populate($node, 'today');
$node->safe_psql('fresh', 'CREATE EXTENSION teamrbac CASCADE');
my $fresh = catalogue($node, 'fresh');
for my $old (@released)
{
	my $db = "upgraded_$old" =~ tr/./_/r;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, "CREATE EXTENSION teamrbac VERSION '$old' CASCADE");
	my $tables = join '|', map { quotemeta } 'prompt', 'report',
		split /\n/, $node->safe_psql($db, "SELECT unnest(extconfig)::regclass FROM pg_extension WHERE extname = 'teamrbac'");
	populate_old($db, 'today');
	# A session that is open across the upgrade has seen the old catalogue and refused it.
	my $open = $node->background_psql($db, on_error_stop => 0);
	$open->query("SELECT teamrbac.has_permission('${\id('01')}', 'prompts.view')");
	$node->safe_psql($db, 'ALTER EXTENSION teamrbac UPDATE');
	is(differences($fresh, catalogue($node, $db)), '', "$old to $version: the same objects as a fresh installation");
	is(differences([ grep { /^(?:$tables): / } @{ contents($node, 'today') } ], [ grep { /^(?:$tables): / } @{ contents($node, $db) } ]), '', "$old to $version: nothing is lost");
	like($open->query("SELECT teamrbac.has_permission('${\id('01')}', 'prompts.view')"), qr/^f\n?$/, "$old to $version: an open session goes on");
	$open->quit;
	$node->safe_psql($db, 'GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO app');
	is_intact($node, $db, "$old to $version");
	is($node->safe_psql($db, sign_in('a1') . " CALL teamrbac.change_role('${\id('01')}', '${\id('a3')}', 'developer'); SELECT events, valid FROM teamrbac.verify_audit('${\id('01')}');") =~ s/^\n//r,
		'1|t', "$old to $version: commands work, and the audit begins");
}
$node->stop;
done_testing();
