-- Audit and review.

CREATE FUNCTION audit(tenant_id uuid, before_sequence bigint DEFAULT NULL, page_size integer DEFAULT 50)
	RETURNS SETOF event
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT e.tenant_id, e.sequence, e.occurred_at, e.actor, e.action, e.subject, e.before, e.after,
			e.actor_kind, e.actor_id, e.application_name
		FROM teamrbac.audit_trail AS e
		WHERE e.tenant_id = audit.tenant_id
		  AND e.sequence < COALESCE(before_sequence, 9223372036854775807)
		ORDER BY e.sequence DESC
		LIMIT LEAST(page_size, 1000)
$$;
COMMENT ON FUNCTION audit(uuid, bigint, integer) IS 'Lists what was done in a tenant, the newest first.

At most 1000 at once; the next page is of before_sequence: the last one seen. Without audit.view one sees nothing.';

CREATE FUNCTION verify_audit(tenant_id uuid) RETURNS audit_verification
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT v.valid, v.events, v.broken_at, v.problem INTO answer FROM teamrbac.verify_audit(tenant_id) AS v;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION verify_audit(uuid) IS 'Tells whether a tenant''s audit is whole.

Reads all of it. Needs audit.view. Refusals: 401 nobody signed in; 403 not allowed; 400 no tenant.';

CREATE FUNCTION access_review(tenant_id uuid) RETURNS SETOF finding
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN QUERY SELECT r.finding, r.severity, r.subject, r.detail, r.remedy
		FROM teamrbac.access_review(tenant_id) AS r;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION access_review(uuid) IS 'Lists what a review of a team finds.

Such as keys that nobody uses; remedy is a statement to run after reading it. Needs team.manage. Refusals: 401 nobody signed in; 403 not allowed; 400 no tenant.';

CREATE FUNCTION team_at(tenant_id uuid, at timestamptz) RETURNS SETOF past_member
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN QUERY SELECT t.user_id, t.member, t.role, t.expires_at, t.state, t.events FROM teamrbac.team_at(tenant_id, at) AS t;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION team_at(uuid, timestamptz) IS 'Lists who was a member at a time that is past.

By the audit. Needs audit.view. Refusals: 401 nobody signed in; 403 not allowed; 409 the audit of that time is no longer kept; 400 an argument is missing or the time in the future.';

CREATE FUNCTION roles_at(tenant_id uuid, at timestamptz) RETURNS SETOF past_role
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN QUERY SELECT r.role, r.own, r.permissions, r.events FROM teamrbac.roles_at(tenant_id, at) AS r;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION roles_at(uuid, timestamptz) IS 'Lists which roles there were at a time that is past, and what they could do.

By the audit. Needs audit.view. Refusals: 401 nobody signed in; 403 not allowed; 409 the audit of that time is no longer kept; 400 an argument is missing or the time in the future.';

CREATE FUNCTION explain_permission_at(tenant_id uuid, user_or_key_id uuid, permission text, at timestamptz) RETURNS past_permission
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
	answer  record;
BEGIN
	SELECT e.allowed, e.reason, e.role, e.events INTO answer FROM teamrbac.explain_permission_at(tenant_id, user_or_key_id, permission, at) AS e;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION explain_permission_at(uuid, uuid, text, timestamptz) IS 'Tells whether a user or an API key had a permission at a time that is past, and why.

By the audit. Needs audit.view. Refusals: 401 nobody signed in; 403 not allowed; 409 the audit of that time is no longer kept; 400 an argument is missing or the time in the future.';

CREATE FUNCTION audit_export(tenant_id uuid, after_sequence bigint DEFAULT NULL, page_size integer DEFAULT 1000) RETURNS SETOF json
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN QUERY SELECT l.line FROM teamrbac.audit_export(tenant_id, after_sequence, page_size) AS l(line);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION audit_export(uuid, bigint, integer) IS 'Lists what was done in a tenant, the oldest first, for a collector of logs.

In the fields of the Elastic Common Schema; at most 10000 at once, and the next page is of after_sequence: the event.sequence of the last one. Needs audit.view. Refusals: 401 nobody signed in; 403 not allowed; 409 events after that one are no longer kept; 400 no tenant, or page_size not 1 to 10000.';

CREATE FUNCTION access_used(tenant_id uuid, since date DEFAULT NULL) RETURNS SETOF used_permission
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN QUERY SELECT u.kind, u.subject_id, u.name, u.role, u.permission, u.last_used_on, u.recorded_since
		FROM teamrbac.access_used(tenant_id, since) AS u;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION access_used(uuid, date) IS 'Lists which permissions the members and API keys of a tenant have used, and on which day last.

As far as that is recorded; since: on that day or later. Needs audit.view. Refusals: 401 nobody signed in; 403 not allowed; 400 no tenant.';

CREATE FUNCTION audit_statement(tenant_id uuid, scope text DEFAULT 'tenant') RETURNS text
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN teamrbac.audit_statement(tenant_id, scope);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION audit_statement(uuid, text) IS 'States where a tenant''s audit stands, signed.

A JSON Web Signature, to be kept elsewhere. Needs audit.view. Refusals: 401 nobody signed in; 403 not allowed; 409 there is no key to sign with; 400 no tenant.';

CREATE FUNCTION audit_public_keys() RETURNS jsonb
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN teamrbac.audit_public_keys();
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION audit_public_keys() IS 'Tells the public key that statements of the audit are verified by.

As a JSON Web Key Set. Refusals: 409 there is no key to sign with.';

CREATE FUNCTION verify_audit_statement(tenant_id uuid, statement text, jwks jsonb) RETURNS audit_verification
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT v.valid, v.events, v.broken_at, v.problem INTO answer FROM teamrbac.verify_audit(tenant_id, statement, jwks) AS v;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION verify_audit_statement(uuid, text, jsonb) IS 'Tells whether a tenant''s audit is whole, and the one that a statement is about.

Reads all of it; jwks are the public keys as they were kept. Needs audit.view. Refusals: 401 nobody signed in; 403 not allowed; 400 no tenant, or a statement that none of the keys has signed.';
