-- Who is asking, and what they may.

CREATE FUNCTION whoami() RETURNS identity
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT i.kind, i.user_id, i.tenant_id, i.key_id, i.proof_ends_at FROM teamrbac.current_identity() AS i
$$;
COMMENT ON FUNCTION whoami() IS 'Tells who is asking, and in which tenant.';

CREATE FUNCTION my_tenants() RETURNS SETOF tenant
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT t.tenant_id, t.name, t.slug, t.role FROM teamrbac.my_tenants() AS t
$$;
COMMENT ON FUNCTION my_tenants() IS 'Lists the tenants of whoever is asking.

For the menu that switches between them; nobody has none.';

CREATE FUNCTION my_permissions(tenant_id uuid) RETURNS text[]
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT teamrbac.my_permissions(tenant_id)
$$;
COMMENT ON FUNCTION my_permissions(uuid) IS 'Lists what whoever is asking may do in a tenant.

For what a page shows; the database decides anyhow. A tenant that is not theirs gives an empty list.';

CREATE FUNCTION has_permission(tenant_id uuid, permission text) RETURNS boolean
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN teamrbac.has_permission(tenant_id, permission);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION has_permission(uuid, text) IS 'Tells whether whoever is asking has a permission in a tenant.

Refusals: 400 no such permission.';

CREATE FUNCTION permitted_tenants(permission text) RETURNS uuid[]
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN teamrbac.permitted_tenants(permission);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION permitted_tenants(text) IS 'Lists the tenants in which whoever is asking has a permission.

Refusals: 400 no such permission.';

CREATE FUNCTION explain_permission(tenant_id uuid, permission text) RETURNS explanation
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT e.allowed, e.reason, e.role INTO answer
		FROM teamrbac.explain_permission(tenant_id, explain_permission.permission) AS e;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION explain_permission(uuid, text) IS 'Tells why whoever is asking has a permission in a tenant, or has not.

Refusals: 400 no such permission.';

CREATE FUNCTION permission_matrix() RETURNS SETOF granted_permission
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT m.permission, m.role, m.granted = 'x' FROM teamrbac.permission_matrix AS m
$$;
COMMENT ON FUNCTION permission_matrix() IS 'Lists which role has which permission.

In the order of the team page.';
