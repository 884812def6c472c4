# Other libraries with executor hooks, preloaded before and after ours: the same rows, the same refusals, and nothing
# left behind by an error.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Teamrbac;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
max_worker_processes = 8
compute_query_id = on
CONF
$node->start;
$node->safe_psql('postgres', "CREATE EXTENSION teamrbac CASCADE; ${\application()}");
$node->safe_psql('postgres', <<"SQL");
SELECT teamrbac.register_user(n || '\@example.com', n, ('00000000-0000-0000-0000-0000000000' || n)::uuid) FROM unnest('{a1,a2}'::text[]) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'T' || n FROM generate_series(1, 3) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT tenant_id, '${\id('a1')}', 'owner' FROM teamrbac.tenant;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('${\id('01')}', '${\id('a2')}', 'developer'), ('${\id('02')}', '${\id('a2')}', 'reader');
COMMIT;
CREATE TABLE doc (tenant_id uuid NOT NULL, id int, body text, PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (tenant_id);
SELECT format('CREATE TABLE doc_%s PARTITION OF doc FOR VALUES WITH (MODULUS 4, REMAINDER %s)', n, n) FROM generate_series(0, 3) AS n \\gexec
INSERT INTO doc SELECT tenant_id, g, 'body ' || g FROM teamrbac.tenant, generate_series(1, 300) AS g;
CREATE TABLE note (tenant_id uuid NOT NULL, id int, doc_id int, PRIMARY KEY (tenant_id, id));
INSERT INTO note SELECT tenant_id, g, g % 300 FROM teamrbac.tenant, generate_series(1, 900) AS g;
ANALYZE;
SELECT teamrbac.protect_table('doc', 'prompts.view', 'prompts.edit');
SELECT teamrbac.protect_table('note', 'snippets.view', 'snippets.edit', across_tenants => true);
CREATE FUNCTION titles() RETURNS SETOF text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN QUERY SELECT body FROM doc ORDER BY id; END';
GRANT SELECT, INSERT, UPDATE, DELETE ON doc, note TO app;
SQL

my $script = <<"SQL";
\\set VERBOSITY sqlstate
SET ROLE app;
SELECT count(*) FROM doc;
BEGIN;
SELECT teamrbac.sign_in('${\id('a2')}');
SELECT count(*) FROM note;
SAVEPOINT undecided;
SELECT count(*) FROM doc;
ROLLBACK TO undecided;
SELECT teamrbac.act_in_tenant('${\id('01')}');
PREPARE page AS SELECT count(*) FROM doc JOIN note USING (tenant_id) WHERE doc.id = note.doc_id AND doc.id < \$1;
EXECUTE page(100);
UPDATE doc SET body = 'changed' WHERE id = 1;
SAVEPOINT division;
SELECT sum(1 / (id - 7)) FROM doc WHERE EXISTS (SELECT FROM note WHERE note.doc_id = doc.id);
ROLLBACK TO division;
EXECUTE page(100);
DECLARE c CURSOR FOR SELECT * FROM titles();
FETCH 2 FROM c;
RESET ROLE;
UPDATE teamrbac.membership SET role = 'reader' WHERE user_id = '${\id('a2')}';
SET ROLE app;
FETCH 1 FROM c;
SAVEPOINT before;
UPDATE doc SET body = 'not mine' WHERE id = 2;
RESET ROLE;
DELETE FROM teamrbac.membership WHERE user_id = '${\id('a2')}';
SET ROLE app;
FETCH 1 FROM c;
ROLLBACK TO before;
FETCH 1 FROM c;
EXECUTE page(100);
ROLLBACK;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;
BEGIN;
SELECT teamrbac.sign_in_as_member('${\id('a2')}', '${\id('02')}');
SELECT count(*) FROM note, doc WHERE doc.id = note.doc_id;
COMMIT;
SELECT count(*) FROM note;
SQL

# Rows and refusals, in order, as one text.
sub outcome
{
	my ($rc, $out, $err) = $node->psql('postgres', $script, on_error_stop => 0);
	$err =~ s/^psql:<stdin>:(\d+): /line $1: /mg;
	return "$out\n---\n$err";
}

my $expected = outcome();
like($expected, qr/^0\n\n1800\n\n/, 'nobody sees nothing, a member of two tenants all of theirs across tenants');
like($expected, qr/ERROR:  55000/, 'a member of two tenants enters one');
like($expected, qr/ERROR:  22012/, 'an error in the middle of a query');
like($expected, qr/\n897\n0\n---/, 'workers of a parallel query, then nobody');
like($expected, qr/ERROR:  24000/, 'a cursor that can no longer be read');

my @others = grep { $node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = '$_'") }
	qw(pg_stat_statements pgaudit pg_qualstats hypopg set_user);
# For 15, the packages that the installation names bring all of them.
is(scalar @others, 5, 'the other libraries are there') if $node->pg_version < 16;
for my $order ([ 'teamrbac', 'auto_explain', @others ], [ reverse('teamrbac', 'auto_explain', @others) ])
{
	my $libraries = join ',', @$order;
	$node->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = '$libraries'
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_nested_statements = on
pgaudit.log = 'all'
pg_qualstats.sample_rate = 1
CONF
	$node->restart;
	is(outcome(), $expected, "the same with $libraries");
}
$node->stop;
done_testing();
