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
	'Whether whoever is asking has the permission in the tenant, as settled for the query that asks; false for a NULL or unknown tenant, and for any but the acting one once that was entered. Errors: 22023 unknown permission. In a policy it becomes an index condition on the tenant''s column. For everybody.';
CREATE FUNCTION teamrbac.require_permission(tenant_id uuid, permission text) RETURNS void
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_require_permission';
COMMENT ON FUNCTION teamrbac.require_permission(uuid, text) IS
	'Raises 42501 unless whoever is asking has the permission in the tenant, 28000 if nobody is, 22023 for an unknown permission. For everybody.';
CREATE FUNCTION teamrbac.permitted_tenant(permission text) RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE COST 1 AS 'MODULE_PATHNAME', 'teamrbac_permitted_tenant';
COMMENT ON FUNCTION teamrbac.permitted_tenant(text) IS
	'The acting tenant if whoever is asking has the permission there, else NULL; one value in all of a query. The policies of protect_table compare the tenant''s column with it. Errors: 55000 in several tenants and none entered, 22023 unknown permission. For everybody.';
CREATE FUNCTION teamrbac.is_acting_tenant_support(internal) RETURNS internal
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'teamrbac_is_acting_tenant_support';
COMMENT ON FUNCTION teamrbac.is_acting_tenant_support(internal) IS
	'Planner support for is_acting_tenant: selectivity and cost.';
REVOKE ALL ON FUNCTION teamrbac.is_acting_tenant_support(internal) FROM PUBLIC;
CREATE FUNCTION teamrbac.is_acting_tenant(tenant_id uuid) RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE COST 1 SUPPORT teamrbac.is_acting_tenant_support
	AS 'MODULE_PATHNAME', 'teamrbac_is_acting_tenant';
COMMENT ON FUNCTION teamrbac.is_acting_tenant(uuid) IS
	'Whether this is the acting tenant; false for NULL and where there is none. What the policies of protect_table ask each row besides, since PostgreSQL may compare the column with a value of the query''s instead of permitted_tenant''s. Errors: 55000 in several tenants and none entered. For everybody.';
CREATE FUNCTION teamrbac.permitted_tenants(permission text) RETURNS uuid[]
	LANGUAGE c STABLE PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'teamrbac_permitted_tenants';
COMMENT ON FUNCTION teamrbac.permitted_tenants(text) IS
	'The tenants in which whoever is asking has the permission, in order: at most the acting one, once that was entered. Errors: 22023 unknown permission. For everybody.';
CREATE FUNCTION teamrbac.visible_tenants() RETURNS uuid[]
	LANGUAGE c STABLE PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'teamrbac_visible_tenants';
COMMENT ON FUNCTION teamrbac.visible_tenants() IS
	'The tenants whose teams whoever is asking sees, in order: those they are live in, or the acting one alone, once that was entered. For everybody.';
CREATE FUNCTION teamrbac.my_permissions(tenant_id uuid) RETURNS text[]
	LANGUAGE c STABLE PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'teamrbac_my_permissions';
COMMENT ON FUNCTION teamrbac.my_permissions(uuid) IS
	'All permissions in the tenant of whoever is asking, sorted; empty for a tenant not theirs.';
CREATE FUNCTION teamrbac.my_tenants(OUT tenant_id uuid, OUT name text, OUT slug text, OUT role text)
	RETURNS SETOF record
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 10 AS 'MODULE_PATHNAME', 'teamrbac_my_tenants';
COMMENT ON FUNCTION teamrbac.my_tenants() IS
	'The tenants of whoever is asking and the role in each, by name, whichever was entered: for the menu that switches between them. An API key has one. For everybody.';
CREATE FUNCTION teamrbac.explain_permission(tenant_id uuid, permission text, OUT allowed boolean, OUT reason text, OUT role text, OUT identity teamrbac.identity)
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_explain_permission';
COMMENT ON FUNCTION teamrbac.explain_permission(uuid, text) IS
	'Why has_permission answers as it does, for whoever is asking, and in which tenant they act (identity). Says nothing of tenants not theirs, nor of any but the acting one once that was entered. Errors: 22023 unknown permission. For everybody.';
