-- Roles, permissions, and which role has which permission.

CREATE TABLE teamrbac.permission (
	permission        teamrbac.permission_name PRIMARY KEY,
	description       text NOT NULL,
	grantable_to_keys boolean NOT NULL DEFAULT false,
	built_in          boolean NOT NULL DEFAULT false,
	position          integer NOT NULL DEFAULT 1000,
	CONSTRAINT permission_description CHECK (teamrbac.is_printable_name(description))
);
COMMENT ON CONSTRAINT permission_description ON teamrbac.permission IS 'Fit to be printed.';
COMMENT ON TABLE teamrbac.permission IS 'What can be allowed. Change it by define_permission and drop_permission.';
COMMENT ON COLUMN teamrbac.permission.permission IS 'Its name, such as prompts.edit.';
COMMENT ON COLUMN teamrbac.permission.description IS 'For people.';
COMMENT ON COLUMN teamrbac.permission.grantable_to_keys IS 'Whether an API key may have it; the others are for people only.';
COMMENT ON COLUMN teamrbac.permission.built_in IS 'Part of the extension: neither changed nor dropped.';
COMMENT ON COLUMN teamrbac.permission.position IS 'Order in permission_matrix.';

CREATE TABLE teamrbac.role (
	role        teamrbac.role_name PRIMARY KEY,
	description text NOT NULL,
	built_in    boolean NOT NULL DEFAULT false,
	position    integer NOT NULL DEFAULT 1000,
	CONSTRAINT role_description CHECK (teamrbac.is_printable_name(description))
);
COMMENT ON CONSTRAINT role_description ON teamrbac.role IS 'Fit to be printed.';
COMMENT ON TABLE teamrbac.role IS 'Roles that a member or an API key can have. Change it by define_role and drop_role.';
COMMENT ON COLUMN teamrbac.role.role IS 'Its name, such as developer.';
COMMENT ON COLUMN teamrbac.role.description IS 'For people.';
COMMENT ON COLUMN teamrbac.role.built_in IS 'Part of the extension: neither changed nor dropped.';
COMMENT ON COLUMN teamrbac.role.position IS 'Order in permission_matrix.';

CREATE TABLE teamrbac.role_permission (
	role       teamrbac.role_name NOT NULL REFERENCES teamrbac.role ON DELETE CASCADE,
	permission teamrbac.permission_name NOT NULL REFERENCES teamrbac.permission ON DELETE CASCADE,
	built_in   boolean NOT NULL DEFAULT false,
	PRIMARY KEY (role, permission)
);
CREATE INDEX role_permission_permission_idx ON teamrbac.role_permission (permission);
COMMENT ON TABLE teamrbac.role_permission IS 'Which role has which permission.';
COMMENT ON COLUMN teamrbac.role_permission.role IS 'The role that has it.';
COMMENT ON COLUMN teamrbac.role_permission.permission IS 'What it may do.';
COMMENT ON INDEX teamrbac.role_permission_permission_idx IS 'Answers drop_permission.';
COMMENT ON COLUMN teamrbac.role_permission.built_in IS 'Part of the extension: neither changed nor dropped.';

INSERT INTO teamrbac.permission (permission, description, grantable_to_keys, built_in, position) VALUES
	('endpoints.view',           'View endpoints',                 true,  true, 1),
	('prompts.view',             'View prompts',                   true,  true, 2),
	('snippets.view',            'View snippets',                  true,  true, 3),
	('logs.view',                'View logs',                      true,  true, 4),
	('endpoints.edit',           'Create/edit endpoints',          true,  true, 5),
	('prompts.edit',             'Create/edit prompts',            true,  true, 6),
	('snippets.edit',            'Create/edit snippets',           true,  true, 7),
	('prompts.promote',          'Promote prompts to Live',        true,  true, 8),
	('api_keys.create_personal', 'Create a personal API key',      false, true, 9),
	('api_keys.manage',          'Manage API keys',                false, true, 10),
	('team.manage',              'Manage team members',            false, true, 11),
	('audit.view',               'View the audit trail',           false, true, 12),
	('roles.manage',             'Manage roles of the tenant',     false, true, 13),
	('billing.manage',           'Manage billing',                 false, true, 14),
	('tenant.delete',            'Delete tenant',                  false, true, 15),
	('tenant.rename',            'Rename tenant',                  false, true, 16);

INSERT INTO teamrbac.role (role, description, built_in, position) VALUES
	('reader',    'Views everything, changes nothing',                    true, 1),
	('developer', 'Creates and edits, promotes, has a personal API key',  true, 2),
	('admin',     'Manages the team and all API keys as well',            true, 3),
	('owner',     'Everything, billing and deletion included',            true, 4);

-- Each built-in role has what the one before it has, and more.
INSERT INTO teamrbac.role_permission (role, permission, built_in)
	SELECT r.role, p.permission, true
	FROM teamrbac.role r
	JOIN (VALUES ('endpoints.view', 1), ('prompts.view', 1), ('snippets.view', 1), ('logs.view', 1),
				 ('endpoints.edit', 2), ('prompts.edit', 2), ('snippets.edit', 2), ('prompts.promote', 2),
				 ('api_keys.create_personal', 2),
				 ('api_keys.manage', 3), ('team.manage', 3), ('audit.view', 3), ('roles.manage', 3),
				 ('billing.manage', 4), ('tenant.delete', 4), ('tenant.rename', 4)) AS p(permission, from_position)
	  ON r.position >= p.from_position;

-- After the rows above, which it would refuse.
CREATE FUNCTION teamrbac.guard_built_in() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_guard_built_in';
COMMENT ON FUNCTION teamrbac.guard_built_in() IS
	'Trigger function: refuses (55000) to insert, change or delete built-in roles and permissions, for everyone; extension scripts excepted.';
REVOKE ALL ON FUNCTION teamrbac.guard_built_in() FROM PUBLIC;

CREATE TRIGGER guard_built_in BEFORE INSERT OR UPDATE OR DELETE ON teamrbac.permission
	FOR EACH ROW EXECUTE FUNCTION teamrbac.guard_built_in();
CREATE TRIGGER guard_built_in_truncate BEFORE TRUNCATE ON teamrbac.permission
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.guard_built_in();
CREATE TRIGGER guard_built_in BEFORE INSERT OR UPDATE OR DELETE ON teamrbac.role
	FOR EACH ROW EXECUTE FUNCTION teamrbac.guard_built_in();
CREATE TRIGGER guard_built_in_truncate BEFORE TRUNCATE ON teamrbac.role
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.guard_built_in();
CREATE TRIGGER guard_built_in BEFORE INSERT OR UPDATE OR DELETE ON teamrbac.role_permission
	FOR EACH ROW EXECUTE FUNCTION teamrbac.guard_built_in();
CREATE TRIGGER guard_built_in_truncate BEFORE TRUNCATE ON teamrbac.role_permission
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.guard_built_in();

-- Row triggers, not statement triggers: logical replication fires only the former.
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON teamrbac.permission
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('definitions_changed');
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON teamrbac.role
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('definitions_changed');
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON teamrbac.role_permission
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('definitions_changed');
ALTER TABLE teamrbac.permission ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE teamrbac.role ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE teamrbac.role_permission ENABLE ALWAYS TRIGGER signal_change;

-- Nobody is granted these tables; should a DBA grant "all tables" to the application by mistake, it still
-- sees no row.
ALTER TABLE teamrbac.permission ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.role ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.role_permission ENABLE ROW LEVEL SECURITY;

SELECT pg_catalog.pg_extension_config_dump('teamrbac.permission', 'WHERE NOT built_in');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.role', 'WHERE NOT built_in');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.role_permission', 'WHERE NOT built_in');

CREATE FUNCTION teamrbac.define_permission(name text, description text, roles text[] DEFAULT '{}', grantable_to_keys boolean DEFAULT false)
	RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_define_permission';
COMMENT ON FUNCTION teamrbac.define_permission(text, text, text[], boolean) IS
	'Adds a permission of the application''s own, or redefines it. It is given to the roles named; a built-in role that has it passes it on to those above it, so admin may always do what developer may, and owner may do everything. Redefining takes it from built-in roles no longer named; custom roles keep it until define_role. Errors: 22023 bad or unknown name, 55000 built in. For the DBA; grant EXECUTE to the role that runs migrations. Locks teamrbac.permission against other definitions.';
CREATE FUNCTION teamrbac.drop_permission(name text) RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_drop_permission';
COMMENT ON FUNCTION teamrbac.drop_permission(text) IS
	'Drops a permission of the application''s own. Errors: 22023 unknown, 55000 built in, or in use by a custom role, an API key, a policy or a trigger (DETAIL says which); 23503 or 55000 where foreign keys of the application''s tables forbid it. For the DBA. Locks teamrbac.permission against other definitions.';
CREATE FUNCTION teamrbac.define_role(name text, description text, permissions text[]) RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_define_role';
COMMENT ON FUNCTION teamrbac.define_role(text, text, text[]) IS
	'Adds a role of the application''s own, or redefines it: it has exactly the permissions named, for all who have it, at their next statement. Errors: 22023 bad or unknown name, 55000 built in. For the DBA. Locks teamrbac.permission against other definitions.';
CREATE FUNCTION teamrbac.drop_role(name text) RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_drop_role';
COMMENT ON FUNCTION teamrbac.drop_role(text) IS
	'Drops a role of the application''s own. Errors: 22023 unknown, 55000 built in, or in use by a member, an invitation or an API key; 23503 or 55000 where foreign keys of the application''s tables forbid it. For the DBA. Locks teamrbac.permission against other definitions.';

REVOKE ALL ON FUNCTION teamrbac.define_permission(text, text, text[], boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.drop_permission(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.define_role(text, text, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.drop_role(text) FROM PUBLIC;

CREATE VIEW teamrbac.permission_matrix AS
	SELECT p.permission::text AS permission,
		   r.role::text AS role,
		   CASE WHEN rp.role IS NULL THEN '' ELSE 'x' END AS granted
	FROM teamrbac.permission p
	CROSS JOIN teamrbac.role r
	LEFT JOIN teamrbac.role_permission rp
		   ON rp.role = r.role AND rp.permission = p.permission
	ORDER BY p.position, p.permission, r.position, r.role;
COMMENT ON VIEW teamrbac.permission_matrix IS
	'Which role has which permission, custom ones included. In psql: SELECT * FROM teamrbac.permission_matrix \crosstabview';
COMMENT ON COLUMN teamrbac.permission_matrix.permission IS 'In the order of the reference page; custom ones last.';
COMMENT ON COLUMN teamrbac.permission_matrix.role IS 'In the order of the reference page; custom ones last.';
COMMENT ON COLUMN teamrbac.permission_matrix.granted IS 'x: the role has the permission.';
GRANT SELECT ON teamrbac.permission_matrix TO PUBLIC;
