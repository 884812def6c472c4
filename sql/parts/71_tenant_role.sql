-- The commands on roles of a tenant's own, and the matrix of those that whoever is asking can be given.

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.tenant_role REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.tenant_role REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.tenant_role REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.tenant_role
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');
CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.tenant_role_permission REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.tenant_role_permission REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.tenant_role_permission REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.tenant_role_permission
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');

CREATE FUNCTION teamrbac.define_tenant_role(tenant_id uuid, name text, description text, permissions text[]) RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_define_tenant_role';
COMMENT ON FUNCTION teamrbac.define_tenant_role(uuid, text, text, text[]) IS
	'Adds a role of the tenant''s own, or redefines it: it has exactly the permissions named, for all who have it, members and API keys, at their next statement. It exists in this tenant alone. Pending invitations, links and domains end whose sender or maker may by then no longer give their role. Needs roles.manage, and every permission that the role is to have or has had. Errors: 42501 not allowed, or a permission that is not one''s own; 22023 bad name, or unknown permission; 23505 a role of all tenants has the name; 55000 as many roles as teamrbac.max_tenant_roles; 28000 nobody signed in. Locks the tenant''s row, and waits for a define_role that is not committed.';
CREATE PROCEDURE teamrbac.drop_tenant_role(tenant_id uuid, name text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_drop_tenant_role';
COMMENT ON PROCEDURE teamrbac.drop_tenant_role(uuid, text) IS
	'Drops a role of the tenant''s own; memberships with it that have expired can no longer be renewed. Needs roles.manage, and every permission of the role. Errors: 42501 not allowed, or a permission of the role is not one''s own; P0002 the tenant has no such role of its own; 55000 in use by a member, a pending invitation, a link that is neither revoked nor used up, a domain, a request to join or an API key that is not revoked (DETAIL says which), expired ones included until they are ended or the jobs have removed them; 23503 or 55000 where foreign keys of the application''s tables forbid it; 28000 nobody signed in. Locks the tenant''s row.';

-- security_barrier: a condition of the reader's own must not see the roles of other tenants before ours does.
CREATE VIEW teamrbac.permission_matrix WITH (security_barrier = true) AS
	SELECT p.permission::text AS permission,
		   r.role::text AS role,
		   CASE WHEN r.granted THEN 'x' ELSE '' END AS granted
	FROM teamrbac.permission AS p
	CROSS JOIN LATERAL (
		SELECT g.role, false AS own, g.position,
			   EXISTS (SELECT FROM teamrbac.role_permission AS rp WHERE rp.role = g.role AND rp.permission = p.permission) AS granted
		FROM teamrbac.role AS g
		UNION ALL
		SELECT o.role, true, 0,
			   EXISTS (SELECT FROM teamrbac.tenant_role_permission AS rp
					   WHERE rp.tenant_id = o.tenant_id AND rp.role = o.role AND rp.permission = p.permission)
		FROM teamrbac.tenant_role AS o
		WHERE o.tenant_id = teamrbac.current_tenant_id() AND o.tenant_id = ANY (teamrbac.visible_tenants())) AS r
	ORDER BY p.position, p.permission, r.own, r.position, r.role;
COMMENT ON VIEW teamrbac.permission_matrix IS
	'Which role has which permission, custom ones included, and the acting tenant''s own roles, for its members and keys. In psql: SELECT * FROM teamrbac.permission_matrix \crosstabview';
COMMENT ON COLUMN teamrbac.permission_matrix.permission IS 'In the order of the reference page; custom ones last.';
COMMENT ON COLUMN teamrbac.permission_matrix.role IS 'In the order of the reference page; then custom ones, then the tenant''s own.';
COMMENT ON COLUMN teamrbac.permission_matrix.granted IS 'x: the role has the permission.';
GRANT SELECT ON teamrbac.permission_matrix TO PUBLIC;
