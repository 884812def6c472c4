-- The audit as a collector of logs takes it: JSON in the field names of the Elastic Common Schema.

-- Values of a person go as the digests that the hash is of, so that nothing of a user who is erased stays with the collector.
-- ECS rather than OCSF: it has event.sequence and event.hash, takes an action under its own name, and leaves a namespace to
-- each product for the rest; OCSF wants each action to be one of its numbers, which an application's own are not.
CREATE FUNCTION teamrbac.audit_line(event teamrbac.audit_event, head_sequence bigint, head_hash bytea) RETURNS json
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN pg_catalog.format('{"@timestamp": "%s", "ecs": {"version": "8.11"}, '
		'"event": {"kind": "event", "category": ["iam"], "type": ["%s"], "outcome": "success", "module": "teamrbac", "dataset": "teamrbac.audit", '
		'"action": %s, "sequence": %s, "hash": "%s"}, %s%s'
		'"teamrbac": {"chain": "%s", "scope": "%s", "actor_kind": "%s", "actor_id": %s, "session_role": %s, "application_name": %s, "subject": %s, '
		'"before": %s, "after": %s, "previous_hash": "%s", "head": {"sequence": %s, "hash": "%s"}}}',
		pg_catalog.to_char(event.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
		CASE WHEN event.before IS NULL AND event.after IS NOT NULL THEN 'creation' WHEN event.after IS NULL AND event.before IS NOT NULL THEN 'deletion' ELSE 'change' END,
		pg_catalog.to_json(event.action), event.sequence, pg_catalog.encode(event.hash, 'hex'),
		CASE WHEN event.scope = 'tenant' THEN '"organization": {"id": "' || event.tenant_id::text || '"}, ' END,
		CASE WHEN event.actor_kind = 'user' THEN '"user": {"id": "' || event.actor_id::text || '"}, ' END,
		event.tenant_id, event.scope, event.actor_kind, COALESCE('"' || event.actor_id::text || '"', 'null'),
		pg_catalog.to_json(event.session_role), pg_catalog.to_json(event.application_name), pg_catalog.to_json(event.subject),
		COALESCE(CASE WHEN teamrbac.audit_is_personal(event.before) THEN teamrbac.audit_sealed(event.before, event.salt) ELSE event.before END::text, 'null'),
		COALESCE(CASE WHEN teamrbac.audit_is_personal(event.after) THEN teamrbac.audit_sealed(event.after, event.salt) ELSE event.after END::text, 'null'), pg_catalog.encode(event.previous_hash, 'hex'),
		head_sequence, pg_catalog.encode(head_hash, 'hex'))::json;
COMMENT ON FUNCTION teamrbac.audit_line(teamrbac.audit_event, bigint, bytea) IS
	'Internal to audit_export: an event as JSON in the fields of the Elastic Common Schema 8.11, and what that has no name for under teamrbac: all that its hash is of, values of a person as their salted digests, and the head of its chain at the time. Takes no lock.';
REVOKE ALL ON FUNCTION teamrbac.audit_line(teamrbac.audit_event, bigint, bytea) FROM PUBLIC;

-- A chain's events become visible in their order, as each is recorded under the lock of the chain's head: what a snapshot
-- shows has no gap, and nothing before what it shows comes later.
CREATE FUNCTION teamrbac.audit_lines(chain uuid, after_sequence bigint DEFAULT NULL, "limit" integer DEFAULT 1000, scope text DEFAULT 'tenant')
	RETURNS SETOF json
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp ROWS 1000
AS $$
DECLARE
	head teamrbac.audit_head;
BEGIN
	IF chain IS NULL THEN
		RAISE EXCEPTION 'tenant_id must not be null' USING ERRCODE = '22023', CONSTRAINT = 'argument_null';
	END IF;
	IF (audit_lines.scope = ANY (ARRAY['tenant', 'user', 'platform'])) IS NOT TRUE THEN
		RAISE EXCEPTION 'scope must be tenant, user or platform' USING ERRCODE = '22023', CONSTRAINT = 'scope_invalid';
	END IF;
	IF ("limit" BETWEEN 1 AND 10000) IS NOT TRUE THEN
		RAISE EXCEPTION 'limit must be between 1 and 10000' USING ERRCODE = '22023', CONSTRAINT = 'limit_invalid';
	END IF;
	SELECT h.* INTO head FROM teamrbac.audit_head AS h WHERE h.tenant_id = chain AND h.scope = audit_lines.scope;
	IF after_sequence < head.anchor_sequence THEN
		RAISE EXCEPTION 'events after % are no longer kept', after_sequence
			USING ERRCODE = '55000', CONSTRAINT = 'audit_not_kept', DETAIL = format('Those up to %s have been removed by teamrbac.audit_retention.', head.anchor_sequence),
				HINT = 'Let after_sequence be NULL to begin with the first event that is kept.';
	END IF;
	-- The head may be newer than the snapshot of what follows, by a READ COMMITTED caller's nested statement: never older.
	RETURN QUERY
		SELECT teamrbac.audit_line(e, head.sequence, head.hash) FROM teamrbac.audit_event AS e
		WHERE e.tenant_id = chain AND e.scope = audit_lines.scope AND e.sequence > COALESCE(after_sequence, 0)
		ORDER BY e.sequence LIMIT "limit";
END
$$;
COMMENT ON FUNCTION teamrbac.audit_lines(uuid, bigint, integer, text) IS
	'The same as audit_export, of any chain and whoever asks: scope tenant, user (chain: the user) or platform (chain: the nil uuid). For the role that ships the audit, to which a superuser grants it. Errors: 22023 chain null, unknown scope, limit not between 1 and 10000; 55000 retention has removed events after after_sequence. Takes no lock.';
REVOKE ALL ON FUNCTION teamrbac.audit_lines(uuid, bigint, integer, text) FROM PUBLIC;

CREATE FUNCTION teamrbac.audit_heads(OUT chain uuid, OUT scope text, OUT sequence bigint, OUT hash text, OUT kept_after bigint)
	RETURNS SETOF record
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp ROWS 1000
AS $$
	SELECT h.tenant_id, h.scope, h.sequence, encode(h.hash, 'hex'), h.anchor_sequence
	FROM teamrbac.audit_head AS h WHERE h.scope <> 'restore' ORDER BY h.scope, h.tenant_id;
$$;
COMMENT ON FUNCTION teamrbac.audit_heads(OUT uuid, OUT text, OUT bigint, OUT text, OUT bigint) IS
	'The chains of the audit with their last event''s sequence and hash, for whoever ships or watches them; kept_after: the last event that retention has removed. For the role to which a superuser grants it. Takes no lock.';
REVOKE ALL ON FUNCTION teamrbac.audit_heads() FROM PUBLIC;

CREATE FUNCTION teamrbac.audit_export(tenant_id uuid, after_sequence bigint DEFAULT NULL, "limit" integer DEFAULT 1000)
	RETURNS SETOF json
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 1000 AS 'MODULE_PATHNAME', 'teamrbac_audit_export';
COMMENT ON FUNCTION teamrbac.audit_export(uuid, bigint, integer) IS
	'The events of a tenant after one of them, in their order, each a line of JSON in the fields of the Elastic Common Schema, with the hash of the chain''s last event. Go on with after_sequence: the event.sequence of the last line; NULL begins with the first event kept. Nothing is left out or comes later in between, whatever goes on. Needs audit.view in the tenant, or a superuser. Errors: 42501 not allowed; 22023 tenant_id null, or limit not between 1 and 10000; 55000 retention has removed events after after_sequence; 28000 nobody signed in. Takes no lock.';
