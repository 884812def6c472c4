-- What restores have loaded: events of scope restore, until somebody has looked.

CREATE FUNCTION teamrbac.loads_to_confirm(OUT chain uuid, OUT subject text, OUT after text) RETURNS SETOF record
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	WITH chain AS (
		-- A session that is loading has locked its own.
		SELECT h.tenant_id FROM teamrbac.audit_head AS h WHERE h.scope = 'restore' FOR UPDATE SKIP LOCKED
	)
	SELECT e.tenant_id, e.subject,
		   (e.after || jsonb_build_object('loaded_at', e.occurred_at, 'loaded_by', e.session_role, 'application_name', e.application_name))::text
	FROM teamrbac.audit_event AS e JOIN chain ON chain.tenant_id = e.tenant_id
	WHERE e.scope = 'restore'
	ORDER BY e.occurred_at, e.tenant_id, e.sequence;
$$;
COMMENT ON FUNCTION teamrbac.loads_to_confirm(OUT uuid, OUT text, OUT text) IS
	'Internal to confirm_loads: the events of scope restore. Locks their chains'' heads, skips those that others have locked.';
REVOKE ALL ON FUNCTION teamrbac.loads_to_confirm(OUT uuid, OUT text, OUT text) FROM PUBLIC;

CREATE PROCEDURE teamrbac.confirm_loads()
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_confirm_loads';
COMMENT ON PROCEDURE teamrbac.confirm_loads() IS
	'For the DBA, when check_setup has said that rows were loaded, and what came is as it should be: makes the events that say so part of the platform''s audit, so that they are reported no more, and dumped. Not while a restore is under way. No errors of its own. Locks the heads of the chains.';
REVOKE ALL ON PROCEDURE teamrbac.confirm_loads() FROM PUBLIC;
