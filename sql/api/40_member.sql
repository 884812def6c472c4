-- Members of a tenant.

CREATE FUNCTION members(tenant_id uuid) RETURNS SETOF member
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT m.tenant_id, m.user_id, m.display_name, m.email, m.role, m.joined_at, m.expires_at, m.metadata
		FROM teamrbac.team AS m WHERE m.tenant_id = members.tenant_id
$$;
COMMENT ON FUNCTION members(uuid) IS 'Lists the members of a tenant.

Those who are not in it see none.';

CREATE FUNCTION change_role(tenant_id uuid, user_id uuid, role text, revoke_keys boolean DEFAULT false) RETURNS member
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.change_role(tenant_id, user_id, role, revoke_keys);
	SELECT m.tenant_id, m.user_id, m.display_name, m.email, m.role, m.joined_at, m.expires_at, m.metadata INTO answer
		FROM teamrbac.team AS m WHERE m.tenant_id = change_role.tenant_id AND m.user_id = change_role.user_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION change_role(uuid, uuid, text, boolean) IS 'Gives a member another role.

Returns the member. revoke_keys revokes all API keys that they made. Needs team.manage, and every permission of the old and of the new role. Refusals: 401 nobody signed in; 403 not allowed, or owner; 404 not a member; 400 no such role.';

CREATE FUNCTION set_membership_expiry(tenant_id uuid, user_id uuid, expires_at timestamptz) RETURNS member
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.set_membership_expiry(tenant_id, user_id, expires_at);
	SELECT m.tenant_id, m.user_id, m.display_name, m.email, m.role, m.joined_at, m.expires_at, m.metadata INTO answer
		FROM teamrbac.team AS m WHERE m.tenant_id = set_membership_expiry.tenant_id AND m.user_id = set_membership_expiry.user_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION set_membership_expiry(uuid, uuid, timestamptz) IS 'Says when a membership ends by itself; null: never.

Returns the member. Needs team.manage, and every permission of the member''s role. Refusals: 401 nobody signed in; 403 not allowed, or the Owner; 404 not a member; 400 in the past.';

CREATE FUNCTION remove_member(tenant_id uuid, user_id uuid, revoke_keys boolean DEFAULT false) RETURNS member
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT m.tenant_id, m.user_id, m.display_name, m.email, m.role, m.joined_at, m.expires_at, m.metadata INTO answer
		FROM teamrbac.team AS m WHERE m.tenant_id = remove_member.tenant_id AND m.user_id = remove_member.user_id;
	CALL teamrbac.remove_member(tenant_id, user_id, revoke_keys);
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION remove_member(uuid, uuid, boolean) IS 'Ends somebody''s membership.

Returns the member as they were. revoke_keys revokes all API keys that they made. Needs team.manage, and every permission of the member''s role. Refusals: 401 nobody signed in; 403 not allowed, or the Owner; 404 not a member.';

CREATE FUNCTION removal_impact(tenant_id uuid, user_id uuid) RETURNS SETOF removal_consequence
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN QUERY SELECT i.kind, i.subject, i.detail
		FROM teamrbac.removal_impact(tenant_id, user_id) AS i;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION removal_impact(uuid, uuid) IS 'Lists what a member''s removal would mean.

Needs team.manage. Refusals: 401 nobody signed in; 403 not allowed; 404 not a member.';

CREATE FUNCTION set_member_metadata(tenant_id uuid, user_id uuid, metadata jsonb) RETURNS member
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.set_member_metadata(tenant_id, user_id, metadata);
	SELECT m.tenant_id, m.user_id, m.display_name, m.email, m.role, m.joined_at, m.expires_at, m.metadata INTO answer
		FROM teamrbac.team AS m
		WHERE m.tenant_id = set_member_metadata.tenant_id AND m.user_id = set_member_metadata.user_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION set_member_metadata(uuid, uuid, jsonb) IS 'Replaces what the application notes about a member.

Returns the member. Needs team.manage, and every permission of the member''s role. Refusals: 401 nobody signed in; 403 not allowed; 404 not a member; 400 no object, or more than 8 kB.';
