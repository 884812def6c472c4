-- What restores have loaded: events of scope restore, until somebody has looked.

CREATE PROCEDURE teamrbac.confirm_loads()
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_confirm_loads';
COMMENT ON PROCEDURE teamrbac.confirm_loads() IS
	'For the DBA, when check_setup has said that rows were loaded, and what came is as it should be: makes the events that say so part of the platform''s audit, so that they are reported no more, and dumped. Not while a restore is under way. No errors of its own. Locks the heads of the chains.';
REVOKE ALL ON PROCEDURE teamrbac.confirm_loads() FROM PUBLIC;
