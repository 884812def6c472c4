-- Where a chain of the audit stood, signed, so that who has kept that notices if it is made anew.

CREATE FUNCTION teamrbac.head_statement(for_id uuid, of_scope text) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	SELECT json_build_object('chain', h.tenant_id, 'scope', h.scope, 'sequence', h.sequence, 'hash', encode(h.hash, 'hex'),
							 'database', current_database(), 'iat', EXTRACT(epoch FROM clock_timestamp())::bigint)::text
	FROM teamrbac.audit_head AS h WHERE h.tenant_id = for_id AND h.scope = of_scope;
$$;
COMMENT ON FUNCTION teamrbac.head_statement(uuid, text) IS 'Internal to audit_statement: what it signs.';
REVOKE ALL ON FUNCTION teamrbac.head_statement(uuid, text) FROM PUBLIC;

CREATE FUNCTION teamrbac.statement_verdict(for_id uuid, stated jsonb, OUT valid boolean, OUT events bigint, OUT broken_at bigint, OUT problem text)
	RETURNS SETOF record
	LANGUAGE sql STABLE ROWS 1 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	WITH stated AS (
		SELECT (s.stated ->> 'chain')::uuid AS chain, s.stated ->> 'scope' AS scope, (s.stated ->> 'sequence')::bigint AS sequence, decode(s.stated ->> 'hash', 'hex') AS hash
		FROM (VALUES (stated)) AS s(stated)
	), told AS (
		SELECT s.sequence,
			   CASE WHEN s.chain <> for_id THEN 'the statement is about another chain'
					WHEN s.sequence = h.anchor_sequence AND s.hash = h.anchor_hash OR e.hash = s.hash OR s.sequence = 0 THEN NULL
					WHEN s.sequence < h.anchor_sequence THEN 'the event that was stated has been removed by retention'
					ELSE 'not the event that was stated' END AS problem
		FROM stated AS s
		LEFT JOIN teamrbac.audit_head AS h ON h.tenant_id = s.chain AND h.scope = s.scope
		LEFT JOIN teamrbac.audit_event AS e ON e.tenant_id = s.chain AND e.scope = s.scope AND e.sequence = s.sequence
	)
	SELECT v.problem IS NULL AND t.problem IS NULL, v.events, CASE WHEN v.problem IS NULL AND t.problem IS NOT NULL THEN t.sequence ELSE v.broken_at END, COALESCE(v.problem, t.problem)
	FROM teamrbac.audit_verdict(for_id) AS v, told AS t;
$$;
COMMENT ON FUNCTION teamrbac.statement_verdict(uuid, jsonb, OUT boolean, OUT bigint, OUT bigint, OUT text) IS
	'Internal to verify_audit: the verdict on a chain, and whether it holds the event that a statement names.';
REVOKE ALL ON FUNCTION teamrbac.statement_verdict(uuid, jsonb) FROM PUBLIC;

CREATE FUNCTION teamrbac.audit_statement(tenant_id uuid, scope text DEFAULT 'tenant') RETURNS text
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_audit_statement';
COMMENT ON FUNCTION teamrbac.audit_statement(uuid, text) IS
	'The sequence and hash of a chain''s last event, the database and the time, as a JSON Web Signature by Ed25519 (typ teamrbac-head+jws): to be kept elsewhere, and checked by anybody with the public key, or against the chain by verify_audit. Signs with the key of teamrbac.audit_signing_key_file. Needs audit.view in the tenant, or a superuser, who may also name a user (scope user) or the nil uuid (scope platform). Errors: 42501 not allowed; 55000 no key is set; 58030 its file cannot be read; 22023 argument null, or no such key in the file; P0002 there is no such chain; 0A000 without OpenSSL; 28000 nobody signed in. Takes no lock.';
CREATE FUNCTION teamrbac.audit_public_keys() RETURNS jsonb
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_audit_public_keys';
COMMENT ON FUNCTION teamrbac.audit_public_keys() IS
	'The public key of audit_statement as a JSON Web Key Set. To be kept elsewhere, too. Errors: as audit_statement. Takes no lock.';
CREATE FUNCTION teamrbac.verify_audit(tenant_id uuid, statement text, jwks jsonb, OUT valid boolean, OUT events bigint, OUT broken_at bigint, OUT problem text)
	RETURNS SETOF record
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 1 AS 'MODULE_PATHNAME', 'teamrbac_verify_audit_statement';
COMMENT ON FUNCTION teamrbac.verify_audit(uuid, text, jsonb, OUT boolean, OUT bigint, OUT bigint, OUT text) IS
	'The same as verify_audit(tenant_id), and whether the chain still has the event that a statement of audit_statement names: one that somebody has made anew, hashes and all, has not. jwks: the public keys as they were kept, not as the database says now. Needs audit.view in the tenant, or a superuser. Errors: 42501 not allowed; 22023 argument null, or a statement that none of the keys has signed; 0A000 without OpenSSL; 28000 nobody signed in.';
