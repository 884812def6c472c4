-- What the backends count.

CREATE FUNCTION teamrbac.read_statistics(OUT pid integer, OUT checks bigint, OUT cache_hits bigint, OUT reloads bigint, OUT probes bigint, OUT denials bigint)
	RETURNS SETOF record
	LANGUAGE c VOLATILE ROWS 100 AS 'MODULE_PATHNAME', 'teamrbac_statistics';
COMMENT ON FUNCTION teamrbac.read_statistics() IS
	'Internal to the views statistics and backend_statistics, which have the columns'' meaning. For members of pg_monitor, who read the views. Takes a spinlock for a moment.';
REVOKE ALL ON FUNCTION teamrbac.read_statistics() FROM PUBLIC;
-- A view does not lend its owner's right to execute functions.
GRANT EXECUTE ON FUNCTION teamrbac.read_statistics() TO pg_monitor;

CREATE VIEW teamrbac.statistics AS
	SELECT s.pid, s.checks, s.cache_hits, s.reloads, s.probes, s.denials
	FROM teamrbac.read_statistics() AS s;
COMMENT ON VIEW teamrbac.statistics IS
	'What has been counted since the server''s start, in all its databases: a row for each backend, and one without pid for those that have ended. Without teamrbac in shared_preload_libraries, this backend''s row only. For members of pg_monitor: counts tell of others'' activity.';
COMMENT ON COLUMN teamrbac.statistics.pid IS 'The backend, as in pg_stat_activity; NULL: all that have ended.';
COMMENT ON COLUMN teamrbac.statistics.checks IS
	'Calls of has_permission, require_permission and permitted_tenants, those of policies and commands included; an index scan calls once, a sequential scan once a row.';
COMMENT ON COLUMN teamrbac.statistics.cache_hits IS
	'How often what an identity may do was looked for and found in the backend''s memory, as new as the tables.';
COMMENT ON COLUMN teamrbac.statistics.reloads IS 'How often it was not, and was loaded from the tables.';
COMMENT ON COLUMN teamrbac.statistics.probes IS 'Memberships and keys looked up one at a time.';
COMMENT ON COLUMN teamrbac.statistics.denials IS
	'Refused commands and failed sign-ins (42501 and 28000); see the setting teamrbac.log_denials. Not what a policy hides.';
GRANT SELECT ON teamrbac.statistics TO pg_monitor;

CREATE VIEW teamrbac.backend_statistics AS
	SELECT s.checks, s.cache_hits, s.reloads, s.probes, s.denials
	FROM teamrbac.read_statistics() AS s
	WHERE s.pid = pg_catalog.pg_backend_pid();
COMMENT ON VIEW teamrbac.backend_statistics IS
	'What this backend has counted since it began; the columns are those of view statistics. For members of pg_monitor.';
COMMENT ON COLUMN teamrbac.backend_statistics.checks IS 'As in view statistics.';
COMMENT ON COLUMN teamrbac.backend_statistics.cache_hits IS 'As in view statistics.';
COMMENT ON COLUMN teamrbac.backend_statistics.reloads IS 'As in view statistics.';
COMMENT ON COLUMN teamrbac.backend_statistics.probes IS 'As in view statistics.';
COMMENT ON COLUMN teamrbac.backend_statistics.denials IS 'As in view statistics.';
GRANT SELECT ON teamrbac.backend_statistics TO pg_monitor;
