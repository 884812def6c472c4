-- API keys.

CREATE FUNCTION api_keys(tenant_id uuid) RETURNS SETOF api_key
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT k.tenant_id, k.key_id, k.name, k.role, k.permissions, k.state, k.created_by, k.creator, k.created_at,
			k.expires_at, k.last_used_at, k.replaced_by, k.revoked_at, k.revoked_by, k.revoke_reason,
			k.metadata
		FROM teamrbac.api_key_overview AS k WHERE k.tenant_id = api_keys.tenant_id
$$;
COMMENT ON FUNCTION api_keys(uuid) IS 'Lists the API keys of a tenant.

All of them with api_keys.manage, else those that whoever is asking made.';

CREATE FUNCTION create_api_key(tenant_id uuid, name text, role text DEFAULT 'developer',
		expires_at timestamptz DEFAULT NULL, permissions text[] DEFAULT NULL)
	RETURNS new_api_key
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made    record;
	refusal teamrbac.refusal;
BEGIN
	SELECT k.key_id, k.secret INTO made
		FROM teamrbac.create_api_key(tenant_id, name, role, expires_at, permissions) AS k;
	RETURN made;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION create_api_key(uuid, text, text, timestamptz, text[]) IS 'Makes an API key.

Returns it with its secret, which is shown this once. permissions narrows what it may do. Needs api_keys.manage or api_keys.create_personal, and every permission of the role. Refusals: 401 nobody signed in; 403 not allowed; 400 malformed name, no such role, a permission that it cannot have, or a time in the past; 409 an active key has the name.';

CREATE FUNCTION rotate_api_key(key_id uuid, overlap interval DEFAULT '0') RETURNS new_api_key
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made    record;
	refusal teamrbac.refusal;
BEGIN
	SELECT k.key_id, k.secret INTO made FROM teamrbac.rotate_api_key(rotate_api_key.key_id, overlap) AS k;
	RETURN made;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION rotate_api_key(uuid, interval) IS 'Replaces an API key by a new one.

Returns the new one with its secret, which is shown this once. The old one works for the time of the overlap. Needs api_keys.manage, or to be a member who made the key, and every permission of its role. Refusals: 401 nobody signed in; 403 not allowed; 400 negative overlap; 409 revoked, or rotated already; 410 expired.';

CREATE FUNCTION rename_api_key(key_id uuid, name text) RETURNS api_key
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.rename_api_key(key_id, name);
	SELECT k.tenant_id, k.key_id, k.name, k.role, k.permissions, k.state, k.created_by, k.creator, k.created_at,
			k.expires_at, k.last_used_at, k.replaced_by, k.revoked_at, k.revoked_by, k.revoke_reason,
			k.metadata INTO answer
		FROM teamrbac.api_key_overview AS k WHERE k.key_id = rename_api_key.key_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION rename_api_key(uuid, text) IS 'Gives an API key another name.

Returns it. Needs api_keys.manage, or to be a member who made the key. Refusals: 401 nobody signed in; 403 not allowed; 400 malformed name; 409 an active key has the name, or revoked or rotated; 410 expired.';

CREATE FUNCTION set_api_key_expiry(key_id uuid, expires_at timestamptz) RETURNS api_key
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.set_api_key_expiry(key_id, expires_at);
	SELECT k.tenant_id, k.key_id, k.name, k.role, k.permissions, k.state, k.created_by, k.creator, k.created_at,
			k.expires_at, k.last_used_at, k.replaced_by, k.revoked_at, k.revoked_by, k.revoke_reason,
			k.metadata INTO answer
		FROM teamrbac.api_key_overview AS k WHERE k.key_id = set_api_key_expiry.key_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION set_api_key_expiry(uuid, timestamptz) IS 'Says when an API key ends by itself; null: never.

Returns it. Needs api_keys.manage, or to be a member who made the key. To make it end later, every permission of its role as well. Refusals: 401 nobody signed in; 403 not allowed; 400 in the past; 409 revoked or rotated; 410 expired.';

CREATE FUNCTION revoke_api_key(key_id uuid, reason text DEFAULT NULL) RETURNS api_key
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.revoke_api_key(key_id, reason);
	SELECT k.tenant_id, k.key_id, k.name, k.role, k.permissions, k.state, k.created_by, k.creator, k.created_at,
			k.expires_at, k.last_used_at, k.replaced_by, k.revoked_at, k.revoked_by, k.revoke_reason,
			k.metadata INTO answer
		FROM teamrbac.api_key_overview AS k WHERE k.key_id = revoke_api_key.key_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION revoke_api_key(uuid, text) IS 'Revokes an API key.

Returns it. The next statement signed in with it is refused. Needs api_keys.manage, or to be a member who made the key. Refusals: 401 nobody signed in; 403 not allowed; 400 malformed reason; 409 revoked already.';

CREATE FUNCTION revoke_member_keys(tenant_id uuid, user_id uuid) RETURNS revocation
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	revoked bigint;
	done    record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.revoke_member_keys(tenant_id, user_id, revoked);
	SELECT revoked INTO done;
	RETURN done;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION revoke_member_keys(uuid, uuid) IS 'Revokes all API keys that somebody made in a tenant.

Returns how many. Needs api_keys.manage; for one''s own, membership. Refusals: 401 nobody signed in; 403 not allowed.';

CREATE FUNCTION revoke_api_keys(tenant_id uuid, created_by uuid DEFAULT NULL,
		unused_since timestamptz DEFAULT NULL, name_like text DEFAULT NULL, reason text DEFAULT NULL)
	RETURNS revocation
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	revoked bigint;
	done    record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.revoke_api_keys(tenant_id, created_by, unused_since, name_like, reason, revoked);
	SELECT revoked INTO done;
	RETURN done;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION revoke_api_keys(uuid, uuid, timestamptz, text, text) IS 'Revokes the API keys of a tenant that all the conditions given are true of.

Returns how many. Needs api_keys.manage. Refusals: 401 nobody signed in; 403 not allowed; 400 no condition, or a malformed reason.';

CREATE FUNCTION set_api_key_metadata(key_id uuid, metadata jsonb) RETURNS api_key
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.set_api_key_metadata(key_id, metadata);
	SELECT k.tenant_id, k.key_id, k.name, k.role, k.permissions, k.state, k.created_by, k.creator, k.created_at,
			k.expires_at, k.last_used_at, k.replaced_by, k.revoked_at, k.revoked_by, k.revoke_reason,
			k.metadata INTO answer
		FROM teamrbac.api_key_overview AS k WHERE k.key_id = set_api_key_metadata.key_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION set_api_key_metadata(uuid, jsonb) IS 'Replaces what the application notes about an API key.

Returns the key. Needs api_keys.manage, or to be a member who made it. Refusals: 401 nobody signed in; 403 not allowed, or no such key; 400 no object, or more than 8 kB.';
