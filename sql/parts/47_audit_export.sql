-- The audit as a collector of logs takes it: JSON in the field names of the Elastic Common Schema.

-- Values of a person go as the digests that the hash is of, so that nothing of a user who is erased stays with the collector.
-- ECS rather than OCSF: it has event.sequence and event.hash, takes an action under its own name, and leaves a namespace to
-- each product for the rest; OCSF wants each action to be one of its numbers, which an application's own are not.
CREATE FUNCTION teamrbac.audit_line(event teamrbac.audit_event, head_sequence bigint, head_hash bytea) RETURNS json
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_audit_line';
COMMENT ON FUNCTION teamrbac.audit_line(teamrbac.audit_event, bigint, bytea) IS
	'Internal to audit_export: an event as JSON in the fields of the Elastic Common Schema 8.11, and what that has no name for under teamrbac: all that its hash is of, values of a person as their salted digests, and the head of its chain at the time. Takes no lock.';
REVOKE ALL ON FUNCTION teamrbac.audit_line(teamrbac.audit_event, bigint, bytea) FROM PUBLIC;

CREATE FUNCTION teamrbac.audit_lines(chain uuid, after_sequence bigint DEFAULT NULL, "limit" integer DEFAULT 1000, scope text DEFAULT 'tenant')
	RETURNS SETOF json
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 1000 AS 'MODULE_PATHNAME', 'teamrbac_audit_lines';
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
