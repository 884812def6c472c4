-- Roles of a tenant's own, beside the global ones of 10_role.sql.

CREATE TABLE teamrbac.tenant_role (
	tenant_id   uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	role        teamrbac.role_name NOT NULL,
	description text NOT NULL,
	PRIMARY KEY (tenant_id, role),
	CONSTRAINT tenant_role_description CHECK (teamrbac.is_printable_name(description))
);
COMMENT ON CONSTRAINT tenant_role_description ON teamrbac.tenant_role IS 'Fit to be printed.';
CREATE INDEX tenant_role_name_idx ON teamrbac.tenant_role (role);
COMMENT ON TABLE teamrbac.tenant_role IS
	'Roles of a tenant''s own, which exist in that tenant alone and bear the name of no global role. Change it by define_tenant_role and drop_tenant_role.';
COMMENT ON COLUMN teamrbac.tenant_role.tenant_id IS 'The tenant.';
COMMENT ON COLUMN teamrbac.tenant_role.role IS 'Its name; other tenants may have another role of this name.';
COMMENT ON COLUMN teamrbac.tenant_role.description IS 'For people.';
COMMENT ON INDEX teamrbac.tenant_role_name_idx IS 'Answers define_role, whether a tenant has the name.';

CREATE TABLE teamrbac.tenant_role_permission (
	tenant_id  uuid NOT NULL,
	role       teamrbac.role_name NOT NULL,
	permission teamrbac.permission_name NOT NULL REFERENCES teamrbac.permission,
	PRIMARY KEY (tenant_id, role, permission),
	FOREIGN KEY (tenant_id, role) REFERENCES teamrbac.tenant_role ON DELETE CASCADE
);
CREATE INDEX tenant_role_permission_permission_idx ON teamrbac.tenant_role_permission (permission);
COMMENT ON TABLE teamrbac.tenant_role_permission IS 'Which role of a tenant''s own has which permission.';
COMMENT ON COLUMN teamrbac.tenant_role_permission.tenant_id IS 'The role''s tenant.';
COMMENT ON COLUMN teamrbac.tenant_role_permission.role IS 'The role that has it.';
COMMENT ON COLUMN teamrbac.tenant_role_permission.permission IS 'What it may do.';
COMMENT ON INDEX teamrbac.tenant_role_permission_permission_idx IS 'Answers drop_permission.';

CREATE FUNCTION teamrbac.guard_role_name() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_guard_role_name';
COMMENT ON FUNCTION teamrbac.guard_role_name() IS
	'Trigger function: no tenant''s own role bears the name of a global one, whichever comes first (23505), unless a dump is being restored. For a global role, locks teamrbac.tenant_role against new roles of tenants (SHARE).';
REVOKE ALL ON FUNCTION teamrbac.guard_role_name() FROM PUBLIC;
CREATE TRIGGER guard_role_name BEFORE INSERT OR UPDATE OF role ON teamrbac.role
	FOR EACH ROW EXECUTE FUNCTION teamrbac.guard_role_name();
CREATE TRIGGER guard_role_name BEFORE INSERT OR UPDATE OF role ON teamrbac.tenant_role
	FOR EACH ROW EXECUTE FUNCTION teamrbac.guard_role_name();

CREATE FUNCTION teamrbac.resolve_role() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_resolve_role';
COMMENT ON FUNCTION teamrbac.resolve_role() IS
	'Trigger function: fills own_role by the role''s name, whether it is one of the tenant''s own or a global one, unless a dump is being restored. Takes no lock.';
REVOKE ALL ON FUNCTION teamrbac.resolve_role() FROM PUBLIC;

ALTER TABLE teamrbac.membership ADD CONSTRAINT membership_tenant_role_fkey
	FOREIGN KEY (tenant_id, tenant_role) REFERENCES teamrbac.tenant_role;
CREATE TRIGGER resolve_role BEFORE INSERT OR UPDATE OF tenant_id, role, own_role ON teamrbac.membership
	FOR EACH ROW WHEN (NEW.own_role OR NEW.role <> ALL (ARRAY['reader', 'developer', 'admin', 'owner']))
	EXECUTE FUNCTION teamrbac.resolve_role();
ALTER TABLE teamrbac.expired_membership ADD CONSTRAINT expired_membership_tenant_role_fkey
	FOREIGN KEY (tenant_id, tenant_role) REFERENCES teamrbac.tenant_role ON DELETE CASCADE;
CREATE TRIGGER resolve_role BEFORE INSERT OR UPDATE OF tenant_id, role, own_role ON teamrbac.expired_membership
	FOR EACH ROW WHEN (NEW.own_role OR NEW.role <> ALL (ARRAY['reader', 'developer', 'admin', 'owner']))
	EXECUTE FUNCTION teamrbac.resolve_role();

CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON teamrbac.tenant_role
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('roles_changed');
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON teamrbac.tenant_role_permission
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('roles_changed');
ALTER TABLE teamrbac.tenant_role ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE teamrbac.tenant_role_permission ENABLE ALWAYS TRIGGER signal_change;

ALTER TABLE teamrbac.tenant_role ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.tenant_role_permission ENABLE ROW LEVEL SECURITY;

SELECT pg_catalog.pg_extension_config_dump('teamrbac.tenant_role', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.tenant_role_permission', '');

-- Plain enough for the planner to put it in the place of the call.
CREATE FUNCTION teamrbac.permissions_of_role(tenant_id uuid, role text, own_role boolean) RETURNS SETOF text
	LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT rp.permission::text FROM teamrbac.role_permission AS rp
		WHERE NOT permissions_of_role.own_role AND rp.role = permissions_of_role.role
	UNION ALL
	SELECT rp.permission::text FROM teamrbac.tenant_role_permission AS rp
		WHERE permissions_of_role.own_role AND rp.tenant_id = permissions_of_role.tenant_id
		  AND rp.role = permissions_of_role.role;
END;
COMMENT ON FUNCTION teamrbac.permissions_of_role(uuid, text, boolean) IS
	'Internal to access_review: the permissions of a role, global or a tenant''s own.';
REVOKE ALL ON FUNCTION teamrbac.permissions_of_role(uuid, text, boolean) FROM PUBLIC;
