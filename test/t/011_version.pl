# A library and a script that do not fit together: a clear error from everything that depends on it, no crash,
# and no row.
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
			WHEN 'bytea' THEN '''x''' WHEN 'name' THEN '''tenant_id''' WHEN 'regclass' THEN '''prompt''' WHEN 'regrole' THEN '''postgres''' ELSE 'NULL' END || '::' || t::regtype, ', ' ORDER BY n)
		 FROM unnest(proargtypes) WITH ORDINALITY AS a(t, n)))
	FROM pg_proc
	WHERE pronamespace = 'teamrbac'::regnamespace AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) AND NOT 'internal'::regtype = ANY (proargtypes)
	  -- What a type is written and read by, and what only an event trigger can be given, look at no table of ours.
	  AND NOT proargtypes::regtype[] && '{cstring,teamrbac.table_column,pg_ddl_command}'::regtype[]
	  AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'c') AND provolatile <> 'i'
	ORDER BY oid::regprocedure::text;
SQL
	cmp_ok(scalar @calls, '>', 20, "$what: there is something to call");
	my @wrong;
	for my $call (@calls)
	{
		my ($rc, $out, $err) = $node->psql($db, "\\set VERBOSITY verbose\n$call", on_error_stop => 1);
		# These look at no table of ours, an argument may be refused before any is, and a job with nothing to do says that
		# it did nothing.
		next if $err =~ /55000: +extension "teamrbac"|22023: / || $call =~ /sign_out|sign_in_from_jwt_claims|sign_in_from_request|unprotect_table|read_statistics|policies_bind|row_is_restored|note_review|audit_public_keys|audit_line|unused_days/ || $rc == 0 && $out eq '0';
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
my $db = 'other_version';
$node->safe_psql('postgres', "CREATE DATABASE $db");
$node->safe_psql($db, <<'SQL');
CREATE EXTENSION teamrbac CASCADE;
CREATE TABLE prompt (tenant_id uuid PRIMARY KEY);
INSERT INTO prompt VALUES ('00000000-0000-0000-0000-000000000001');
ALTER TABLE prompt ENABLE ROW LEVEL SECURITY;
CREATE POLICY view ON prompt USING (teamrbac.has_permission(tenant_id, 'prompts.view'));
GRANT ALL ON prompt TO app;
UPDATE pg_extension SET extversion = '99.0' WHERE extname = 'teamrbac';
SQL
call_everything($db, "script 99.0, library $version");
$node->stop;
done_testing();
