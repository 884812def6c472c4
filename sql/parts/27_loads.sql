-- What restores have loaded: events of scope restore, until somebody has looked.

CREATE FUNCTION teamrbac.take_loads(OUT subject text, OUT after text) RETURNS SETOF record
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	WITH chain AS (
		-- A session that is loading has locked its own.
		SELECT h.tenant_id FROM teamrbac.audit_head AS h WHERE h.scope = 'restore' FOR UPDATE SKIP LOCKED
	), taken AS (
		DELETE FROM teamrbac.audit_event AS e USING chain
		WHERE e.tenant_id = chain.tenant_id AND e.scope = 'restore'
		RETURNING e.*
	), ended AS (
		DELETE FROM teamrbac.audit_head AS h USING chain
		WHERE h.tenant_id = chain.tenant_id AND h.scope = 'restore'
	)
	SELECT t.subject,
		   (t.after || jsonb_build_object('loaded_at', t.occurred_at, 'loaded_by', t.session_role, 'application_name', t.application_name))::text
	FROM taken AS t ORDER BY t.occurred_at, t.tenant_id, t.sequence;
$$;
COMMENT ON FUNCTION teamrbac.take_loads(OUT text, OUT text) IS
	'Internal to confirm_loads: removes the events of scope restore and returns what they said. Locks their chains'' heads, skips those that others have locked.';
REVOKE ALL ON FUNCTION teamrbac.take_loads(OUT text, OUT text) FROM PUBLIC;

CREATE PROCEDURE teamrbac.confirm_loads()
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_confirm_loads';
COMMENT ON PROCEDURE teamrbac.confirm_loads() IS
	'For the DBA, when check_setup has said that rows were loaded, and what came is as it should be: makes the events that say so part of the platform''s audit, so that they are reported no more, and dumped. Not while a restore is under way. No errors of its own. Locks the heads of the chains.';
REVOKE ALL ON PROCEDURE teamrbac.confirm_loads() FROM PUBLIC;
