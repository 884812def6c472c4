-- Tenants: made, handed over, left, deleted.

CREATE FUNCTION create_tenant(name text, slug text DEFAULT NULL) RETURNS tenant
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made    uuid;
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	made := teamrbac.create_tenant(name, slug);
	SELECT t.tenant_id, t.name, t.slug, t.role INTO answer
		FROM teamrbac.my_tenants() AS t WHERE t.tenant_id = made;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION create_tenant(text, text) IS 'Makes a tenant, whose Owner is whoever is signed in.

Returns it. Refusals: 401 nobody signed in; 400 malformed name or slug; 409 slug taken.';

CREATE FUNCTION transfer_ownership(tenant_id uuid, new_owner uuid) RETURNS member
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.transfer_ownership(tenant_id, new_owner);
	SELECT m.tenant_id, m.user_id, m.display_name, m.email, m.role, m.joined_at, m.expires_at, m.metadata INTO answer
		FROM teamrbac.team AS m
		WHERE m.tenant_id = transfer_ownership.tenant_id AND m.user_id = new_owner;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION transfer_ownership(uuid, uuid) IS 'Hands a tenant to one of its Admins.

Returns the new Owner. The previous one becomes Admin. Only the Owner may. Refusals: 401 nobody signed in; 403 not the Owner; 404 not a member; 409 no Admin, disabled, or a membership that expires.';

CREATE FUNCTION leave_tenant(tenant_id uuid) RETURNS tenant
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT t.tenant_id, t.name, t.slug, t.role INTO answer
		FROM teamrbac.my_tenants() AS t WHERE t.tenant_id = leave_tenant.tenant_id;
	CALL teamrbac.leave_tenant(tenant_id);
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION leave_tenant(uuid) IS 'Ends one''s own membership.

Returns the tenant that was left. Refusals: 401 nobody signed in; 403 not a member, or the Owner, who hands the tenant over first.';

CREATE FUNCTION delete_tenant(tenant_id uuid, confirm_name text) RETURNS tenant
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT t.tenant_id, t.name, t.slug, t.role INTO answer
		FROM teamrbac.my_tenants() AS t WHERE t.tenant_id = delete_tenant.tenant_id;
	CALL teamrbac.delete_tenant(tenant_id, confirm_name);
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION delete_tenant(uuid, text) IS 'Deletes a tenant.

Returns it as it was. confirm_name is its name, typed once more. The DBA can restore it for some time. Needs tenant.delete. Refusals: 401 nobody signed in; 403 not allowed; 400 another name.';

CREATE FUNCTION update_tenant(tenant_id uuid, name text DEFAULT NULL, slug text DEFAULT NULL)
	RETURNS tenant
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	PERFORM teamrbac.update_tenant(tenant_id, name, slug);
	SELECT t.tenant_id, t.name, t.slug, t.role INTO answer
		FROM teamrbac.my_tenants() AS t WHERE t.tenant_id = update_tenant.tenant_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION update_tenant(uuid, text, text) IS 'Gives a tenant another name or slug.

Returns the tenant; null leaves what is. Needs tenant.rename. Refusals: 401 nobody signed in; 403 not allowed; 400 malformed; 409 slug taken.';

CREATE FUNCTION is_slug_free(slug text) RETURNS boolean
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN teamrbac.is_slug_free(slug);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION is_slug_free(text) IS 'Tells whether a slug can be had.

For the form in which a tenant is made or renamed. Refusals: 401 nobody signed in; 400 malformed.';

CREATE FUNCTION tenant_limits(tenant_id uuid) RETURNS SETOF tenant_limit
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN QUERY SELECT l.name, l.value, l.used FROM teamrbac.tenant_limits(tenant_id) AS l;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION tenant_limits(uuid) IS 'Lists what a tenant may have at most, and has.

Needs team.manage. Refusals: 401 nobody signed in; 403 not allowed.';

CREATE FUNCTION tenant_metadata(tenant_id uuid) RETURNS jsonb
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN teamrbac.tenant_metadata(tenant_id);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION tenant_metadata(uuid) IS 'Tells what the application has noted about a tenant.

Needs team.manage. Refusals: 401 nobody signed in; 403 not allowed.';

CREATE FUNCTION set_tenant_metadata(tenant_id uuid, metadata jsonb) RETURNS tenant_notes
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.set_tenant_metadata(tenant_id, metadata);
	SELECT tenant_id, metadata INTO answer;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION set_tenant_metadata(uuid, jsonb) IS 'Replaces what the application notes about a tenant.

Returns it. Needs tenant.rename. Refusals: 401 nobody signed in; 403 not allowed; 400 no object, or more than 8 kB.';
