-- Maintenance by pg_cron, in whichever database of the cluster it lives.

CREATE FUNCTION teamrbac.cron_call(operation text) RETURNS text
	LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'teamrbac_cron_call';
COMMENT ON FUNCTION teamrbac.cron_call(text) IS
	'Internal to schedule_maintenance, unschedule_maintenance and maintenance_jobs: schedules, unschedules or lists this database''s jobs in pg_cron, as the role that calls; returns them as JSON. Errors: 55000 pg_cron is not running, not installed in its database, or out of reach; what pg_cron raises.';
REVOKE ALL ON FUNCTION teamrbac.cron_call(text) FROM PUBLIC;

CREATE FUNCTION teamrbac.maintenance_jobs(OUT job_id bigint, OUT job text, OUT schedule text, OUT command text, OUT run_as text,
		OUT active boolean, OUT last_status text, OUT last_start timestamptz, OUT last_message text)
	RETURNS SETOF record
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, teamrbac, pg_temp ROWS 3
AS $$
	SELECT j.* FROM json_to_recordset(teamrbac.cron_call('list')::json)
		AS j(job_id bigint, job text, schedule text, command text, run_as text, active boolean, last_status text, last_start timestamptz, last_message text);
$$;
COMMENT ON FUNCTION teamrbac.maintenance_jobs(OUT bigint, OUT text, OUT text, OUT text, OUT text, OUT boolean, OUT text, OUT timestamptz, OUT text) IS
	'This database''s maintenance jobs in pg_cron, with how each ended last; none if pg_cron is not there. For the DBA. Errors: 55000 pg_cron''s database is out of reach. Where that is another database, a background worker looks.';
CREATE FUNCTION teamrbac.schedule_maintenance(OUT job_id bigint, OUT job text, OUT schedule text, OUT command text)
	RETURNS SETOF record
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, teamrbac, pg_temp ROWS 3
AS $$
	SELECT j.* FROM json_to_recordset(teamrbac.cron_call('schedule')::json) AS j(job_id bigint, job text, schedule text, command text);
$$;
COMMENT ON FUNCTION teamrbac.schedule_maintenance(OUT bigint, OUT text, OUT text, OUT text) IS
	'Has pg_cron run expire_invitations and expire_memberships every minute and purge every night, as the calling role, and returns these jobs; calling it again changes nothing but what was altered. pg_cron may live in another database of the cluster: a background worker registers the jobs there, at once and whatever becomes of the transaction. For a superuser, or a role that may run the three procedures and use pg_cron. Errors: 55000 pg_cron is not running, not installed in its database, or out of reach.';
CREATE FUNCTION teamrbac.unschedule_maintenance() RETURNS bigint
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	SELECT json_array_length(teamrbac.cron_call('unschedule')::json)::bigint;
$$;
COMMENT ON FUNCTION teamrbac.unschedule_maintenance() IS
	'Undoes schedule_maintenance, and returns how many jobs it removed. DROP EXTENSION does so by itself; before DROP DATABASE or a renaming, call it. For the DBA. Errors: as schedule_maintenance.';
REVOKE ALL ON FUNCTION teamrbac.maintenance_jobs() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.schedule_maintenance() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.unschedule_maintenance() FROM PUBLIC;

CREATE FUNCTION teamrbac.unschedule_at_drop() RETURNS event_trigger
	LANGUAGE c SET search_path = pg_catalog, teamrbac, pg_temp AS 'MODULE_PATHNAME', 'teamrbac_unschedule_at_drop';
COMMENT ON FUNCTION teamrbac.unschedule_at_drop() IS
	'Event trigger function: before DROP EXTENSION teamrbac, removes this database''s maintenance jobs from pg_cron.';
REVOKE ALL ON FUNCTION teamrbac.unschedule_at_drop() FROM PUBLIC;
CREATE EVENT TRIGGER teamrbac_unschedule ON ddl_command_start WHEN TAG IN ('DROP EXTENSION')
	EXECUTE FUNCTION teamrbac.unschedule_at_drop();
COMMENT ON EVENT TRIGGER teamrbac_unschedule IS 'Leaves no maintenance job behind when teamrbac is dropped.';
