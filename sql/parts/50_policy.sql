-- Protection of the application's tables.

CREATE FUNCTION teamrbac.protect_table("table" regclass, view_permission text, edit_permission text, tenant_column name DEFAULT 'tenant_id',
									   across_tenants boolean DEFAULT false, owner_column name DEFAULT NULL,
									   edit_own_permission text DEFAULT NULL, view_own_permission text DEFAULT NULL)
	RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_protect_table';
COMMENT ON FUNCTION teamrbac.protect_table(regclass, text, text, name, boolean, name, text, text) IS
	'Enables and forces row-level security: rows of the acting tenant are seen with view_permission there, inserted, updated and deleted with edit_permission (NULL: by nobody). across_tenants: the rows of all tenants of whoever is asking instead, each by the permission there. owner_column (uuid) with edit_own_permission, view_own_permission: whoever has only these reaches the rows in which it is current_user_id(). On a partitioned table it covers access through the parent. Warns where no index leads with the tenant''s column. Errors: 22023 no such permission or column, tenant_column not uuid NOT NULL, owner_column not uuid or without a permission, not a table; 55000 protected already, or permissive policies exist; 42501 not the table''s owner. For the table''s owner. Takes ACCESS EXCLUSIVE on the table.';
CREATE FUNCTION teamrbac.unprotect_table("table" regclass) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_unprotect_table';
COMMENT ON FUNCTION teamrbac.unprotect_table(regclass) IS
	'Drops what protect_table made; row-level security stays enabled if other policies remain. Errors: 55000 not protected; 42501 not the table''s owner. Takes ACCESS EXCLUSIVE on the table.';
CREATE FUNCTION teamrbac.require_permission_on_change() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_require_permission_on_change';
COMMENT ON FUNCTION teamrbac.require_permission_on_change() IS
	'Row trigger function (permission, tenant column): the change needs the permission in the row''s tenant, in the old and the new one if it moves. Raises 42501 otherwise. Use the trigger''s WHEN to guard a transition.';
