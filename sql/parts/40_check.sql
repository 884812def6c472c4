-- The permission check.  The functions read the team by themselves, whatever the caller may read: they
-- answer only about the caller's own identity.

CREATE FUNCTION teamrbac.has_permission_support(internal) RETURNS internal
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'teamrbac_has_permission_support';
COMMENT ON FUNCTION teamrbac.has_permission_support(internal) IS
	'Planner support for has_permission: index condition, selectivity and cost.';
REVOKE ALL ON FUNCTION teamrbac.has_permission_support(internal) FROM PUBLIC;

CREATE FUNCTION teamrbac.has_permission(tenant_id uuid, permission text) RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE COST 1 SUPPORT teamrbac.has_permission_support
	AS 'MODULE_PATHNAME', 'teamrbac_has_permission';
COMMENT ON FUNCTION teamrbac.has_permission(uuid, text) IS
	'Whether whoever is asking has the permission in the tenant, at this moment; false for a NULL or unknown tenant. Errors: 22023 unknown permission. In a policy it becomes an index condition on the tenant''s column.';
CREATE FUNCTION teamrbac.require_permission(tenant_id uuid, permission text) RETURNS void
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_require_permission';
COMMENT ON FUNCTION teamrbac.require_permission(uuid, text) IS
	'Raises 42501 unless whoever is asking has the permission in the tenant, 28000 if nobody is, 22023 for an unknown permission.';
CREATE FUNCTION teamrbac.permitted_tenants(permission text) RETURNS uuid[]
	LANGUAGE c STABLE PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'teamrbac_permitted_tenants';
COMMENT ON FUNCTION teamrbac.permitted_tenants(text) IS
	'The tenants in which whoever is asking has the permission, in order. Errors: 22023 unknown permission.';
CREATE FUNCTION teamrbac.permitted_tenant(tenant_id uuid, permission text) RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_permitted_tenant';
COMMENT ON FUNCTION teamrbac.permitted_tenant(uuid, text) IS
	'The tenant if has_permission(tenant_id, permission), else NULL: what EXPLAIN shows where an index condition answers for has_permission. Errors: 22023 unknown permission.';
CREATE FUNCTION teamrbac.my_permissions(tenant_id uuid) RETURNS text[]
	LANGUAGE c STABLE PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'teamrbac_my_permissions';
COMMENT ON FUNCTION teamrbac.my_permissions(uuid) IS
	'All permissions in the tenant of whoever is asking, sorted; empty for a tenant not theirs.';
CREATE FUNCTION teamrbac.my_tenants(OUT tenant_id uuid, OUT name text, OUT slug text, OUT role text)
	RETURNS SETOF record
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 10 AS 'MODULE_PATHNAME', 'teamrbac_my_tenants';
COMMENT ON FUNCTION teamrbac.my_tenants() IS
	'The tenants of whoever is asking and the role in each, by name; an API key has one.';
CREATE FUNCTION teamrbac.explain_permission(tenant_id uuid, permission text, OUT allowed boolean, OUT reason text, OUT role text, OUT identity teamrbac.identity)
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_explain_permission';
COMMENT ON FUNCTION teamrbac.explain_permission(uuid, text) IS
	'Why has_permission answers as it does, for whoever is asking. Says nothing of tenants not theirs. Errors: 22023 unknown permission.';
