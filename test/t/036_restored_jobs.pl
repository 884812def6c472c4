# Maintenance after a restore: the dump of pg_cron's database brings the jobs along, their roles or their database may
# be gone, and what check_setup says then ends in one job of each kind that runs.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A server whose pg_cron lives in a database, which is empty.
sub server
{
	my ($name, $database) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init;
	$node->start;
	$node->safe_psql('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_cron'\ncron.use_background_workers = on\nmax_worker_processes = 20");
	move_cron($node, $database);
	return $node;
}

sub move_cron
{
	my ($node, $database) = @_;
	$node->append_conf('postgresql.conf', "cron.database_name = '$database'");
	$node->restart;
	return;
}

sub restore
{
	my ($node, $database, $dump) = @_;
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr($database), $dump ], $node->name . ": restored into $database");
	return;
}

my $jobs = 'SELECT job, run_as, active FROM teamrbac.maintenance_jobs()';
my $findings = 'SELECT severity, object, problem FROM teamrbac.check_setup()';

sub jobs_of
{
	my ($database, $role) = @_;
	return join "\n", map { "teamrbac.$_ in $database|$role|t" } qw(expire_invitations expire_memberships purge);
}

# Runs the remedies once, in the order printed, as a DBA does with \gexec; a remedy that fails ends it.
sub remedy
{
	my ($node, $database, $what) = @_;
	my ($status, $out, $err) = $node->psql($database, 'SELECT remedy FROM teamrbac.check_setup() \gexec');
	is($err, '', "$what: every remedy runs");
	is($node->safe_psql($database, $findings), '', "$what: nothing is left to report");
	return;
}

# pg_cron numbers runs across a restore, so only a run of now is proof.
sub jobs_run
{
	my ($node, $database, $since, $what) = @_;
	ok($node->poll_query_until($database, <<"SQL"), "$what: the jobs run") or diag($node->safe_psql($database, 'TABLE cron.job_run_details'));
SELECT count(*) = 2 FROM teamrbac.maintenance_jobs() WHERE last_start > '$since' AND last_status = 'succeeded'
SQL
	return;
}

my $source = server('source', 'app');
$source->safe_psql('app', <<'SQL');
CREATE EXTENSION pg_cron;
CREATE EXTENSION teamrbac CASCADE;
CREATE ROLE dba SUPERUSER LOGIN;
SELECT cron.schedule('mine', '0 0 1 1 *', 'SELECT 1');
SET ROLE dba;
SELECT teamrbac.schedule_maintenance();
SQL
is($source->safe_psql('app', $findings), '', 'nothing is wrong before');
my $owner = $source->safe_psql('app', 'SELECT current_user');
my $dump = $source->basedir . '/app';
$source->command_ok([ 'pg_dump', '-Fc', '-d', $source->connstr('app'), '-f', $dump ], 'a dump of the database that has pg_cron and teamrbac');
$source->stop;

# With the role.
my $with = server('with_role', 'app');
$with->safe_psql('app', 'CREATE ROLE dba SUPERUSER LOGIN');
restore($with, 'app', $dump);
my $restored_with = $with->safe_psql('app', 'SELECT clock_timestamp()');
is($with->safe_psql('app', $jobs), jobs_of('app', 'dba'), 'with the role: the jobs are in the dump');
is($with->safe_psql('app', $findings), '', 'with the role: nothing to report');

# Without it.
my $without = server('without_role', 'app');
restore($without, 'app', $dump);
my $gone = $without->safe_psql('app', <<'SQL');
SELECT format('warning|cron job %s, %L|its role, dba, is gone', job_id, job) FROM teamrbac.maintenance_jobs() ORDER BY job_id::text COLLATE "C"
SQL
is($without->safe_psql('app', $findings), "$gone\nnotice|maintenance|scheduled by a role that is gone: expire_invitations, expire_memberships, purge",
	'without the role: a job that cannot run is no maintenance');
remedy($without, 'app', 'without the role');
is($without->safe_psql('app', $jobs), jobs_of('app', $owner), 'without the role: each job once');
is($without->safe_psql('app', "SELECT jobname FROM cron.job WHERE jobname !~ 'teamrbac'"), 'mine', 'without the role: the job of another kind has stayed');
my $restored_without = $without->safe_psql('app', 'SELECT clock_timestamp()');

jobs_run($with, 'app', $restored_with, 'with the role');
jobs_run($without, 'app', $restored_without, 'without the role');

# Whoever schedules again, though nothing asks for it, takes the jobs over.
$with->safe_psql('app', 'SELECT teamrbac.schedule_maintenance()');
is($with->safe_psql('app', $jobs), jobs_of('app', $owner), 'scheduled again after a restore: each job once');

# Under another name.
$with->safe_psql('postgres', 'CREATE DATABASE renamed');
move_cron($with, 'renamed');
$with->safe_psql('postgres', 'DROP DATABASE app');
restore($with, 'renamed', $dump);
is($with->safe_psql('renamed', $jobs), '', 'under another name: no job is this database\'s');
is($with->safe_psql('renamed', "$findings" . " WHERE severity = 'notice'"),
	'notice|maintenance|not scheduled, or not active: expire_invitations, expire_memberships, purge', 'under another name: which is found');
is($with->safe_psql('renamed', "SELECT count(*) FROM teamrbac.check_setup() WHERE problem = 'its database, app, is gone'"), '3', 'under another name: and what the old one left');
remedy($with, 'renamed', 'under another name');
is($with->safe_psql('renamed', $jobs), jobs_of('renamed', $owner), 'under another name: each job once');

# Where pg_cron lives in another database, a dump of teamrbac's has no job.
$without->safe_psql('app', 'DROP EXTENSION pg_cron');
move_cron($without, 'postgres');
$without->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
$without->safe_psql('app', 'SELECT teamrbac.schedule_maintenance()');
my $elsewhere = $without->basedir . '/elsewhere';
$without->command_ok([ 'pg_dump', '-Fc', '-d', $without->connstr('app'), '-f', $elsewhere ], 'a dump of a database without pg_cron');
my $other = server('elsewhere', 'postgres');
$other->safe_psql('postgres', 'CREATE EXTENSION pg_cron; CREATE DATABASE app');
restore($other, 'app', $elsewhere);
is($other->safe_psql('app', $findings), 'notice|maintenance|not scheduled, or not active: expire_invitations, expire_memberships, purge', 'elsewhere: the jobs were not in the dump');
remedy($other, 'app', 'elsewhere');
is($other->safe_psql('app', $jobs), jobs_of('app', $owner), 'elsewhere: each job once');
$other->safe_psql('app', 'CREATE ROLE dba SUPERUSER LOGIN; SET ROLE dba; SELECT teamrbac.schedule_maintenance(); RESET ROLE; DROP ROLE dba;');
is($other->safe_psql('app', $findings), 'notice|maintenance|scheduled by a role that is gone: expire_invitations, expire_memberships, purge', 'elsewhere: the role is gone');
# One that nothing lacks may have a companion of a role that is gone.
$other->safe_psql('postgres', <<'SQL');
UPDATE cron.job SET username = current_user;
INSERT INTO cron.job (schedule, command, database, username, jobname, nodeport) SELECT schedule, command, database, 'dba', jobname, nodeport FROM cron.job WHERE jobname ~ 'purge';
SQL
is($other->safe_psql('app', $findings), 'notice|maintenance|scheduled by a role that is gone: purge', 'elsewhere: a second job whose role is gone');
remedy($other, 'app', 'elsewhere, the role gone');
is($other->safe_psql('app', $jobs), jobs_of('app', $owner), 'elsewhere, the role gone: each job once');

$_->stop for $with, $without, $other;
done_testing();
