-- What a tenant is called, and what the application notes about tenants, members, invitations and keys.

CREATE FUNCTION teamrbac.update_tenant(tenant_id uuid, name text DEFAULT NULL, slug text DEFAULT NULL) RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_update_tenant';
COMMENT ON FUNCTION teamrbac.update_tenant(uuid, text, text) IS
	'Changes a tenant''s name or slug; NULL leaves it. Needs tenant.rename. Errors: 42501 not allowed; 22023 malformed; 23505 slug taken, also by a transaction in progress; 28000 nobody signed in. Locks the tenant''s row.';
CREATE FUNCTION teamrbac.is_slug_free(slug text) RETURNS boolean
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_is_slug_free';
COMMENT ON FUNCTION teamrbac.is_slug_free(text) IS
	'Whether create_tenant and update_tenant would take this slug now, as far as committed; that of a deleted tenant is free. Tells no more than create_tenant does. Errors: 22023 malformed; 28000 no user signed in. Takes no lock: another may be faster.';

CREATE PROCEDURE teamrbac.set_tenant_metadata(tenant_id uuid, metadata jsonb)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_set_tenant_metadata';
COMMENT ON PROCEDURE teamrbac.set_tenant_metadata(uuid, jsonb) IS
	'Replaces what the application notes about a tenant. Needs tenant.rename. Never for secrets: whoever manages the team sees it, and the audit keeps it. Errors: 22023 not a JSON object, or more than 8 kB as text; 42501 not allowed; 28000 nobody signed in. Locks the tenant''s row.';
CREATE FUNCTION teamrbac.tenant_metadata(tenant_id uuid) RETURNS jsonb
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_tenant_metadata';
COMMENT ON FUNCTION teamrbac.tenant_metadata(uuid) IS
	'What the application has noted about a tenant. Needs team.manage. Errors: 42501 not allowed; 28000 nobody signed in. Takes no lock.';
CREATE PROCEDURE teamrbac.set_member_metadata(tenant_id uuid, user_id uuid, metadata jsonb)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_set_member_metadata';
COMMENT ON PROCEDURE teamrbac.set_member_metadata(uuid, uuid, jsonb) IS
	'Replaces what the application notes about a member, such as a department; view team shows it. Needs team.manage, and every permission of the member''s role. Never for secrets. Errors: 22023 not a JSON object, or more than 8 kB as text; 42501 not allowed; P0002 not a member; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.set_invitation_metadata(invitation_id uuid, metadata jsonb)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_set_invitation_metadata';
COMMENT ON PROCEDURE teamrbac.set_invitation_metadata(uuid, jsonb) IS
	'Replaces what the application notes about an invitation; view pending_invitation shows it. Needs team.manage, and every permission of its role. Never for secrets. Errors: 22023 not a JSON object, or more than 8 kB as text; 42501 not allowed, or no such invitation; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.set_api_key_metadata(key_id uuid, metadata jsonb)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_set_api_key_metadata';
COMMENT ON PROCEDURE teamrbac.set_api_key_metadata(uuid, jsonb) IS
	'Replaces what the application notes about an API key; view api_key_overview shows it. Needs api_keys.manage, or to be a member who made the key. Never for secrets. Errors: 22023 not a JSON object, or more than 8 kB as text; 42501 not allowed, or no such key; 28000 nobody signed in. Locks the tenant''s row.';
