# Reviews begin and end by pg_cron, as docs/audit.md schedules them: under the rights of whoever ordered them.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($block) = slurp_file("$ENV{TESTDIR}/docs/audit.md") =~ /^```postgresql\n(SELECT cron\..*?)^```/ms;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', <<'EOC');
shared_preload_libraries = 'pg_cron'
cron.database_name = 'postgres'
cron.use_background_workers = on
EOC
$node->start;
my ($acme, $borealis, $ann, $bob) = map { "00000000-0000-0000-0000-0000000000$_" } qw(01 02 a1 b1);
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION pg_cron;
CREATE EXTENSION teamrbac CASCADE;
SELECT count(teamrbac.register_user(n || '\@example.com', n, id::uuid))
	FROM (VALUES ('Ann', '$ann'), ('Bob', '$bob')) AS u(n, id);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('$acme', 'Acme'), ('$borealis', 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	('$acme', '$ann', 'owner'), ('$acme', '$bob', 'reader'),
	('$borealis', '$bob', 'owner'), ('$borealis', '$ann', 'reader');
COMMIT;
SELECT teamrbac.sign_in('$ann', false);
CALL teamrbac.schedule_reviews('$acme', '90 days', due_in => '14 days');
SELECT teamrbac.sign_in('$bob', false);
SELECT teamrbac.start_review('$borealis', clock_timestamp() + interval '1 hour', remove_undecided => true);
SELECT teamrbac.sign_out();
UPDATE teamrbac.review SET due = clock_timestamp() WHERE tenant_id = '$borealis';
SQL
$node->safe_psql('postgres', $block);
# What a query prints.
sub said { return $node->safe_psql('postgres', shift) }
is(said('SELECT command, active FROM cron.job'), 'CALL teamrbac.hold_reviews()|t', 'the job is scheduled');
# Soon, rather than at night.
said("SELECT cron.alter_job(jobid, schedule => '* * * * *') FROM cron.job");
my $runs = "FROM cron.job_run_details WHERE status = 'succeeded'";
ok($node->poll_query_until('postgres', "SELECT count(*) > 0 $runs"), 'it has run, and ended well');
is(said(<<'SQL'), "$acme|$ann|t|t\n$borealis|$bob|f|f", 'one review has begun, the other is finished');
SELECT tenant_id, started_by, due > now() + interval '13 days', finished_at IS NULL FROM teamrbac.review ORDER BY 1
SQL
is(said("SELECT kind, subject_id FROM teamrbac.review_item WHERE tenant_id = '$acme' ORDER BY item"),
	"member|$ann\nmember|$bob", 'of the team as it is');
is(said("SELECT user_id FROM teamrbac.membership WHERE tenant_id = '$borealis'"), $bob, 'what was undecided is removed');
is(said(<<'SQL'), <<"EOT" =~ s/\n\z//r, 'all of it recorded, as who ordered it');
SELECT tenant_id, actor_id, action FROM teamrbac.audit_event
	WHERE action IN ('review.started', 'review.finished', 'member.removed') ORDER BY 1, sequence
SQL
$acme|$ann|review.started
$borealis|$bob|review.started
$borealis|$bob|member.removed
$borealis|$bob|review.finished
EOT
# Once, until the next is due.
ok($node->poll_query_until('postgres', "SELECT count(*) > 1 $runs"), 'it has run again');
is(said('SELECT count(*) FROM teamrbac.review'), '2', 'and has begun no other');
$node->stop;
done_testing();
