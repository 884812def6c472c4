# Maintenance by a real pg_cron: missing, in another database of the cluster, in this one; jobs that run; none left
# behind.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "max_worker_processes = 20");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('app', 'CREATE EXTENSION teamrbac CASCADE');

# The SQLSTATE and the whole message of a statement that should fail.
sub refusal
{
	my ($database, $sql) = @_;
	my ($status, $out, $err) = $node->psql($database, "\\set VERBOSITY verbose\n$sql", on_error_stop => 0);
	return $err;
}

my $schedule = 'SELECT count(*) FROM teamrbac.schedule_maintenance()';
my $jobs = 'SELECT job, schedule, command, active FROM teamrbac.maintenance_jobs()';
my $ids = 'SELECT string_agg(job_id::text, $$ $$) FROM teamrbac.maintenance_jobs()';

# Without pg_cron.
my $error = refusal('app', $schedule);
like($error, qr/ERROR:  55000: pg_cron is not running on this server/, 'without pg_cron, scheduling says so');
like($error, qr/HINT:  .*shared_preload_libraries.*cron\.database_name.*CREATE EXTENSION pg_cron/, 'and what to do');
is($node->safe_psql('app', $jobs), '', 'no job is listed');
$node->append_conf('postgresql.conf', "cron.database_name = 'nowhere'");
$node->reload;
like(refusal('app', $schedule), qr/55000: pg_cron is not running/, 'a line in the configuration is no pg_cron');
$node->safe_psql('app', 'DROP EXTENSION teamrbac; CREATE EXTENSION teamrbac');

# In another database.
$node->append_conf('postgresql.conf', <<'EOC');
shared_preload_libraries = 'pg_cron'
cron.database_name = 'postgres'
cron.use_background_workers = on
EOC
$node->restart;
$error = refusal('app', $schedule);
like($error, qr/ERROR:  55000: extension "pg_cron" is not installed in database "postgres"/, 'pg_cron not installed in its database');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
is($node->safe_psql('app', $jobs), '', 'nothing is scheduled yet');
is($node->safe_psql('app', $schedule), '3', 'scheduled from another database than pg_cron\'s');
my $scheduled = <<'EOT';
teamrbac.expire_invitations in app|* * * * *|CALL teamrbac.expire_invitations()|t
teamrbac.expire_memberships in app|* * * * *|CALL teamrbac.expire_memberships()|t
teamrbac.purge in app|17 3 * * *|CALL teamrbac.purge()|t
EOT
chomp $scheduled;
is($node->safe_psql('app', $jobs), $scheduled, 'the jobs are seen from there');
is($node->safe_psql('postgres', "SELECT count(*) FROM cron.job WHERE database = 'app' AND username = current_user"), '3', 'and in pg_cron');
my $first = $node->safe_psql('app', $ids);
is($node->safe_psql('app', $schedule), '3', 'scheduled again');
is($node->safe_psql('app', $ids), $first, 'the jobs are the same');

# Another superuser takes them over; jobs of another kind and another database stay.
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE dba SUPERUSER LOGIN;
CREATE DATABASE "a database with a long name, so that it has no place in a job";
SELECT cron.schedule_in_database('mine', '0 0 1 1 *', 'SELECT 1', 'app');
SQL
my $long = 'a database with a long name, so that it has no place in a job';
$node->safe_psql($long, 'CREATE EXTENSION teamrbac CASCADE');
is($node->safe_psql($long, $schedule), '3', 'a database with a long name');
is($node->safe_psql('app', "SET ROLE dba; $schedule"), '3', 'another superuser schedules');
is($node->safe_psql('app', 'SELECT DISTINCT run_as FROM teamrbac.maintenance_jobs()'), 'dba', 'the jobs run once, as the last who scheduled');
is($node->safe_psql('app', "$schedule"), '3', 'and back');
is($node->safe_psql($long, 'SELECT count(*) FROM teamrbac.maintenance_jobs()'), '3', 'the other database\'s jobs stay');
$node->safe_psql('app', 'CREATE ROLE nobody NOLOGIN; GRANT EXECUTE ON FUNCTION teamrbac.schedule_maintenance(), teamrbac.cron_call(text) TO nobody');
like(refusal('app', "SET ROLE nobody; $schedule"), qr/55000: could not reach pg_cron in database "postgres".*role "nobody"/s, 'a role that cannot connect is told so');
$node->safe_psql('app', 'CREATE ROLE somebody LOGIN; GRANT EXECUTE ON FUNCTION teamrbac.schedule_maintenance(), teamrbac.cron_call(text) TO somebody');
like(refusal('app', "SET ROLE somebody; $schedule"), qr/42501: permission denied for schema cron/, 'the worker has no more rights than its caller');

# They run.  purge is made to run soon, as it would only at night.
$node->safe_psql('app', <<'SQL');
SELECT teamrbac.register_user('ann@example.com', 'Ann', '00000000-0000-0000-0000-0000000000a1');
SELECT teamrbac.register_user('bob@example.com', 'Bob', '00000000-0000-0000-0000-0000000000b1');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name, deleted_at) VALUES
	('00000000-0000-0000-0000-000000000001', 'Acme', NULL), ('00000000-0000-0000-0000-000000000002', 'Borealis', now() - interval '31 days');
INSERT INTO teamrbac.membership (tenant_id, user_id, role, expires_at) VALUES
	('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000a1', 'owner', NULL),
	('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-0000000000a1', 'owner', NULL),
	('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000b1', 'developer', now());
COMMIT;
SQL
$node->safe_psql('postgres', "SELECT cron.alter_job(jobid, schedule => '* * * * *') FROM cron.job WHERE jobname = 'teamrbac.purge in app'");
ok($node->poll_query_until('app', <<'SQL'), 'the jobs have run, and ended well');
SELECT count(*) FILTER (WHERE last_status = 'succeeded') = 2 FROM teamrbac.maintenance_jobs() WHERE job !~ 'invitations'
SQL
is($node->safe_psql('app', 'SELECT user_id FROM teamrbac.membership'), '00000000-0000-0000-0000-0000000000a1', 'the expired member has gone');
is($node->safe_psql('app', 'SELECT name FROM teamrbac.tenant'), 'Acme', 'and so has the deleted tenant');
is($node->safe_psql('app', "SELECT action, actor_kind, session_role = current_user FROM teamrbac.audit_event WHERE action IN ('member.expired', 'tenant.purged') ORDER BY 1"),
	"member.expired|database_role|t\ntenant.purged|database_role|t", 'both recorded, as the role that scheduled them');
is($node->safe_psql('app', $schedule), '3', 'scheduled once more');
is($node->safe_psql('app', $jobs), $scheduled, 'what was altered is as it was');

# An end.
is($node->safe_psql('app', 'SELECT teamrbac.unschedule_maintenance()'), '3', 'unscheduled');
is($node->safe_psql('app', 'SELECT teamrbac.unschedule_maintenance()'), '0', 'and again');
is($node->safe_psql('app', "$schedule"), '3', 'scheduled');
my ($status, $out, $notice) = $node->psql('app', 'DROP EXTENSION teamrbac');
like($notice, qr/NOTICE:  maintenance of this database is no longer scheduled/, 'DROP EXTENSION says that it unschedules');
is($node->safe_psql('postgres', 'SELECT jobname FROM cron.job WHERE database = $$app$$'), 'mine', 'and leaves no job but those of others');
$node->safe_psql('app', 'CREATE EXTENSION teamrbac');
$node->safe_psql('app', $schedule);
$node->safe_psql('app', 'DROP EXTENSION pgcrypto CASCADE');
is($node->safe_psql('postgres', 'SELECT count(*) FROM cron.job WHERE database = $$app$$'), '1', 'so does DROP EXTENSION of what it requires');

# In this database.
$node->safe_psql('postgres', 'CREATE EXTENSION teamrbac CASCADE');
$node->safe_psql('postgres', "BEGIN; $schedule; ROLLBACK;");
is($node->safe_psql('postgres', $jobs), '', 'in pg_cron\'s own database, scheduling can be rolled back');
is($node->safe_psql('postgres', $schedule), '3', 'scheduled there');
$node->safe_psql('postgres', 'BEGIN; DROP EXTENSION teamrbac; ROLLBACK;');
is($node->safe_psql('postgres', 'SELECT count(*) FROM teamrbac.maintenance_jobs()'), '3', 'and still, when dropping it was rolled back');
$node->safe_psql('postgres', 'DROP EXTENSION teamrbac');
is($node->safe_psql('postgres', 'SELECT count(*) FROM cron.job WHERE database = current_database()'), '0', 'no job is left');
$node->stop;
done_testing();
