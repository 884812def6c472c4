-- Roles of a tenant's own.

CREATE TYPE tenant_role AS (
	tenant_id   uuid,
	role        text,
	permissions text[]
);
COMMENT ON TYPE tenant_role IS 'A role of a tenant''s own.';
COMMENT ON COLUMN tenant_role.tenant_id IS 'The tenant, in which alone it exists.';
COMMENT ON COLUMN tenant_role.role IS 'Its name.';
COMMENT ON COLUMN tenant_role.permissions IS 'What it may do.';

CREATE FUNCTION define_tenant_role(tenant_id uuid, name text, description text, permissions text[]) RETURNS tenant_role
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	PERFORM teamrbac.define_tenant_role(tenant_id, name, description, permissions);
	RETURN ROW(tenant_id, name, ARRAY(SELECT DISTINCT p FROM unnest(permissions) AS p ORDER BY p));
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION define_tenant_role(uuid, text, text, text[]) IS 'Makes a role of the tenant''s own, or redefines it.

Returns it; it has exactly the permissions named, for all who have it, at once. Needs roles.manage, and every permission that the role is to have or has had. Refusals: 400 bad name or description, or an unknown permission; 401 nobody signed in; 403 not allowed; 409 a role of all tenants has the name, or the tenant has too many.';

CREATE FUNCTION drop_tenant_role(tenant_id uuid, name text) RETURNS tenant_role
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT tenant_id, name, COALESCE(array_agg(m.permission ORDER BY m.permission), '{}') INTO answer
		FROM teamrbac.permission_matrix AS m WHERE m.role = name AND m.granted = 'x';
	CALL teamrbac.drop_tenant_role(tenant_id, name);
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION drop_tenant_role(uuid, text) IS 'Drops a role of the tenant''s own.

Returns it as it was. Needs roles.manage, and every permission of the role. Refusals: 401 nobody signed in; 403 not allowed; 404 no such role; 409 somebody has it, or is offered it.';
