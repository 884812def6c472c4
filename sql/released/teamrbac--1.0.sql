\echo Use "CREATE EXTENSION teamrbac" to load this file. \quit

-- The schema is a member of the extension: one planted beforehand makes the install fail instead of
-- being adopted.
CREATE SCHEMA teamrbac;
COMMENT ON SCHEMA teamrbac IS
	'Teams, roles, invitations, API keys and permission checks.';
GRANT USAGE ON SCHEMA teamrbac TO PUBLIC;

CREATE DOMAIN teamrbac.role_name AS text COLLATE "C"
	CONSTRAINT role_name_form CHECK (VALUE OPERATOR(pg_catalog.~) '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$')
	CONSTRAINT role_name_length CHECK (pg_catalog.octet_length(VALUE) OPERATOR(pg_catalog.<=) 63);
COMMENT ON DOMAIN teamrbac.role_name IS
	'Name of a role: dot-separated words of lower-case letters, digits and underscores, at most 63 bytes.';

CREATE DOMAIN teamrbac.permission_name AS text COLLATE "C"
	CONSTRAINT permission_name_form CHECK (VALUE OPERATOR(pg_catalog.~) '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$')
	CONSTRAINT permission_name_length CHECK (pg_catalog.octet_length(VALUE) OPERATOR(pg_catalog.<=) 63);
COMMENT ON DOMAIN teamrbac.permission_name IS
	'Name of a permission, such as prompts.edit: same form as a role''s.';

-- Deliberately loose, but for what could smuggle a second header or address into a mail.
CREATE DOMAIN teamrbac.email_address AS text
	CONSTRAINT email_address_form CHECK (VALUE OPERATOR(pg_catalog.~) '^[^[:space:][:cntrl:]@<>(),;:"\\]+@[^[:space:][:cntrl:]@<>(),;:"\\]+$')
	CONSTRAINT email_address_length CHECK (pg_catalog.octet_length(VALUE) OPERATOR(pg_catalog.<=) 254);
COMMENT ON DOMAIN teamrbac.email_address IS
	'One e-mail address, kept as given and compared lower-cased; at most 254 bytes.';

CREATE TYPE teamrbac.identity AS (
	kind      text,
	user_id   uuid,
	tenant_id uuid,
	key_id    uuid
);
COMMENT ON TYPE teamrbac.identity IS
	'Who is asking: kind is none, user (user_id is set) or api_key (tenant_id and key_id are set).';

-- What a commit tells the other sessions' caches.  These types hold nothing: a change sends a
-- relation-cache invalidation that carries the OID of one of them.  The changed table itself would do,
-- but then every session would rebuild that table's relation-cache entry after each change.
CREATE TYPE teamrbac.definitions_changed AS ();
COMMENT ON TYPE teamrbac.definitions_changed IS
	'Invalidation signal: roles, permissions or mapped database roles have changed.';
CREATE TYPE teamrbac.users_changed AS ();
COMMENT ON TYPE teamrbac.users_changed IS
	'Invalidation signal: a user was disabled, enabled or deleted.';
CREATE TYPE teamrbac.tenants_changed AS ();
COMMENT ON TYPE teamrbac.tenants_changed IS
	'Invalidation signal: a tenant was deleted or restored.';
CREATE TYPE teamrbac.memberships_changed AS ();
COMMENT ON TYPE teamrbac.memberships_changed IS
	'Invalidation signal: a membership was made, changed or ended.';
CREATE TYPE teamrbac.api_keys_changed AS ();
COMMENT ON TYPE teamrbac.api_keys_changed IS
	'Invalidation signal: an API key was made, changed or revoked.';

CREATE FUNCTION teamrbac.signal_change() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_signal_change';
COMMENT ON FUNCTION teamrbac.signal_change() IS
	'Trigger function: at commit, has every session forget what it cached about the facts that the trigger''s argument names. Takes no lock.';
REVOKE ALL ON FUNCTION teamrbac.signal_change() FROM PUBLIC;
-- Roles, permissions, and which role has which permission.

CREATE TABLE teamrbac.permission (
	permission        teamrbac.permission_name PRIMARY KEY,
	description       text NOT NULL,
	grantable_to_keys boolean NOT NULL DEFAULT false,
	built_in          boolean NOT NULL DEFAULT false,
	position          integer NOT NULL DEFAULT 1000
);
COMMENT ON TABLE teamrbac.permission IS 'What can be allowed. Change it by define_permission and drop_permission.';
COMMENT ON COLUMN teamrbac.permission.grantable_to_keys IS 'Whether an API key may have it; the others are for people only.';
COMMENT ON COLUMN teamrbac.permission.built_in IS 'Part of the extension: neither changed nor dropped.';
COMMENT ON COLUMN teamrbac.permission.position IS 'Order in permission_matrix.';

CREATE TABLE teamrbac.role (
	role        teamrbac.role_name PRIMARY KEY,
	description text NOT NULL,
	built_in    boolean NOT NULL DEFAULT false,
	position    integer NOT NULL DEFAULT 1000
);
COMMENT ON TABLE teamrbac.role IS 'Roles that a member or an API key can have. Change it by define_role and drop_role.';
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
	('billing.manage',           'Manage billing',                 false, true, 13),
	('tenant.delete',            'Delete tenant',                  false, true, 14);

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
				 ('api_keys.manage', 3), ('team.manage', 3), ('audit.view', 3),
				 ('billing.manage', 4), ('tenant.delete', 4)) AS p(permission, from_position)
	  ON r.position OPERATOR(pg_catalog.>=) p.from_position;

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
	'Drops a permission of the application''s own. Errors: 22023 unknown, 55000 built in, or in use by a custom role, an API key, a policy or a trigger (DETAIL says which). For the DBA. Locks teamrbac.permission against other definitions.';
CREATE FUNCTION teamrbac.define_role(name text, description text, permissions text[]) RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_define_role';
COMMENT ON FUNCTION teamrbac.define_role(text, text, text[]) IS
	'Adds a role of the application''s own, or redefines it: it has exactly the permissions named, for all who have it, at their next statement. Errors: 22023 bad or unknown name, 55000 built in. For the DBA. Locks teamrbac.permission against other definitions.';
CREATE FUNCTION teamrbac.drop_role(name text) RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_drop_role';
COMMENT ON FUNCTION teamrbac.drop_role(text) IS
	'Drops a role of the application''s own. Errors: 22023 unknown, 55000 built in, or in use by a member, an invitation or an API key. For the DBA. Locks teamrbac.permission against other definitions.';

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
		   ON rp.role OPERATOR(pg_catalog.=) r.role AND rp.permission OPERATOR(pg_catalog.=) p.permission
	ORDER BY p.position, p.permission, r.position, r.role;
COMMENT ON VIEW teamrbac.permission_matrix IS
	'Which role has which permission, custom ones included. In psql: SELECT * FROM teamrbac.permission_matrix \crosstabview';
GRANT SELECT ON teamrbac.permission_matrix TO PUBLIC;
-- Users, tenants and memberships.

CREATE TABLE teamrbac.app_user (
	user_id      uuid PRIMARY KEY,
	email        teamrbac.email_address NOT NULL,
	display_name text NOT NULL,
	created_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	disabled_at  timestamptz,
	CONSTRAINT app_user_display_name CHECK
		(display_name OPERATOR(pg_catalog.~) '^[^[:cntrl:]]*$' AND pg_catalog.char_length(display_name) OPERATOR(pg_catalog.<=) 200)
);
CREATE UNIQUE INDEX app_user_email_key ON teamrbac.app_user (pg_catalog.lower(email::text));
COMMENT ON TABLE teamrbac.app_user IS
	'The application''s users. user_id is the application''s own. Change it by register_user and update_user.';
COMMENT ON COLUMN teamrbac.app_user.email IS 'Verified by the application; unique, compared lower-cased.';
COMMENT ON COLUMN teamrbac.app_user.disabled_at IS 'When set, the user can do nothing; memberships and keys stay.';

CREATE TABLE teamrbac.tenant (
	tenant_id  uuid PRIMARY KEY,
	name       text NOT NULL,
	slug       text,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	deleted_at timestamptz,
	CONSTRAINT tenant_name CHECK
		(name OPERATOR(pg_catalog.~) '^[^[:cntrl:]]+$' AND pg_catalog.char_length(name) OPERATOR(pg_catalog.<=) 200),
	CONSTRAINT tenant_slug CHECK
		(slug OPERATOR(pg_catalog.~) '^[a-z0-9]+(-[a-z0-9]+)*$' AND pg_catalog.octet_length(slug) OPERATOR(pg_catalog.<=) 63)
);
CREATE UNIQUE INDEX tenant_slug_key ON teamrbac.tenant (slug);
CREATE INDEX tenant_deleted_idx ON teamrbac.tenant (tenant_id) WHERE deleted_at IS NOT NULL;
COMMENT ON TABLE teamrbac.tenant IS
	'The tenants. Application tables reference tenant_id. Every change of a team locks its row here first.';
COMMENT ON COLUMN teamrbac.tenant.slug IS 'Optional short name for addresses, unique.';
COMMENT ON COLUMN teamrbac.tenant.deleted_at IS 'When set, all access to the tenant has ended; its rows go after the retention.';

CREATE TABLE teamrbac.membership (
	tenant_id  uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	user_id    uuid NOT NULL REFERENCES teamrbac.app_user ON DELETE CASCADE,
	role       teamrbac.role_name NOT NULL REFERENCES teamrbac.role,
	expires_at timestamptz,
	joined_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (tenant_id, user_id),
	CONSTRAINT membership_owner_stays CHECK (role OPERATOR(pg_catalog.<>) 'owner' OR expires_at IS NULL)
);
CREATE INDEX membership_user_idx ON teamrbac.membership (user_id, tenant_id);
CREATE INDEX membership_role_idx ON teamrbac.membership (role)
	WHERE role OPERATOR(pg_catalog.<>) ALL (ARRAY['reader', 'developer', 'admin', 'owner']);
CREATE UNIQUE INDEX membership_one_owner ON teamrbac.membership (tenant_id) WHERE role OPERATOR(pg_catalog.=) 'owner';
COMMENT ON INDEX teamrbac.membership_role_idx IS 'Answers drop_role; the built-in roles are never dropped.';
COMMENT ON TABLE teamrbac.membership IS
	'Who is in which tenant, with which role. Exactly one member of a tenant is its owner.';
COMMENT ON COLUMN teamrbac.membership.expires_at IS 'When the membership ends by itself; NULL: never. The owner''s never does.';

CREATE TABLE teamrbac.database_role (
	database_role regrole PRIMARY KEY,
	user_id       uuid NOT NULL REFERENCES teamrbac.app_user ON DELETE CASCADE
);
CREATE INDEX database_role_user_idx ON teamrbac.database_role (user_id);
COMMENT ON TABLE teamrbac.database_role IS
	'Which user a login role of the database is while nobody has signed in. Change it by map_database_role.';

CREATE TRIGGER signal_change AFTER UPDATE OF user_id, disabled_at OR DELETE ON teamrbac.app_user
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('users_changed');
CREATE TRIGGER signal_insert AFTER INSERT ON teamrbac.tenant
	FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION teamrbac.signal_change('tenants_changed');
CREATE TRIGGER signal_change AFTER UPDATE OF tenant_id, deleted_at OR DELETE ON teamrbac.tenant
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('tenants_changed');
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OF tenant_id, user_id, role, expires_at OR DELETE ON teamrbac.membership
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('memberships_changed');
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON teamrbac.database_role
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('definitions_changed');
-- TRUNCATE and changes of the tables' definition send an invalidation of their own.
ALTER TABLE teamrbac.app_user ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE teamrbac.tenant ENABLE ALWAYS TRIGGER signal_insert;
ALTER TABLE teamrbac.tenant ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE teamrbac.membership ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE teamrbac.database_role ENABLE ALWAYS TRIGGER signal_change;

CREATE FUNCTION teamrbac.check_owner() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_check_owner';
COMMENT ON FUNCTION teamrbac.check_owner() IS
	'Constraint trigger function, deferred: a tenant that exists has exactly one owner when the transaction commits (23514). Locks the tenant''s row.';
REVOKE ALL ON FUNCTION teamrbac.check_owner() FROM PUBLIC;

CREATE CONSTRAINT TRIGGER check_owner AFTER UPDATE OR DELETE ON teamrbac.membership
	DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.role OPERATOR(pg_catalog.=) 'owner') EXECUTE FUNCTION teamrbac.check_owner();
CREATE CONSTRAINT TRIGGER check_owner AFTER INSERT ON teamrbac.tenant
	DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION teamrbac.check_owner();

ALTER TABLE teamrbac.app_user ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.membership ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.database_role ENABLE ROW LEVEL SECURITY;

SELECT pg_catalog.pg_extension_config_dump('teamrbac.app_user', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.tenant', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.membership', '');
-- A mapping whose role is gone would be dumped as a bare number, and could meet another role when restored.
SELECT pg_catalog.pg_extension_config_dump('teamrbac.database_role',
	'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid OPERATOR(pg_catalog.=) database_role)');
-- Who is asking.

CREATE FUNCTION teamrbac.sign_in(user_id uuid, local boolean DEFAULT true) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_sign_in';
COMMENT ON FUNCTION teamrbac.sign_in(uuid, boolean) IS
	'The transaction (local, the default) or the session acts as this user from now on; ROLLBACK takes it back. Errors: 28000 unknown or disabled user. Trusted: grant EXECUTE only to the application''s login role. Writes nothing, works on a standby.';
CREATE FUNCTION teamrbac.sign_in_from_jwt_claims() RETURNS uuid
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_sign_in_from_jwt_claims';
COMMENT ON FUNCTION teamrbac.sign_in_from_jwt_claims() IS
	'The transaction acts as the user that sub in the setting request.jwt.claims names; without claims or sub, as nobody. Returns the user. Errors: 28000 malformed claims or sub, unknown or disabled user. For a gateway that verifies the token, such as PostgREST''s pre-request hook. Trusted: whoever may execute it may set the claims.';
CREATE FUNCTION teamrbac.sign_out() RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_sign_out';
COMMENT ON FUNCTION teamrbac.sign_out() IS
	'The session acts as nobody from now on (or as the user its database role is mapped to). ROLLBACK takes it back.';
CREATE FUNCTION teamrbac.current_identity() RETURNS teamrbac.identity
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_current_identity';
COMMENT ON FUNCTION teamrbac.current_identity() IS
	'Who is asking: kind none, user or api_key, and their ids.';
CREATE FUNCTION teamrbac.current_user_id() RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_current_user_id';
COMMENT ON FUNCTION teamrbac.current_user_id() IS
	'The user who is asking; NULL for nobody and for an API key.';
CREATE FUNCTION teamrbac.map_database_role(user_id uuid, role regrole) RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_map_database_role';
COMMENT ON FUNCTION teamrbac.map_database_role(uuid, regrole) IS
	'Sessions that logged in as this database role (session_user, whatever SET ROLE says) are this user while nobody has signed in; a NULL user ends the mapping. Errors: 22023 no role, or unknown user. For superusers.';

REVOKE ALL ON FUNCTION teamrbac.sign_in(uuid, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.sign_in_from_jwt_claims() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.map_database_role(uuid, regrole) FROM PUBLIC;
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
-- Protection of the application's tables.

CREATE FUNCTION teamrbac.protect_table("table" regclass, view_permission text, edit_permission text, tenant_column name DEFAULT 'tenant_id')
	RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_protect_table';
COMMENT ON FUNCTION teamrbac.protect_table(regclass, text, text, name) IS
	'Enables and forces row-level security: rows of a tenant are seen with view_permission in it, inserted, updated and deleted with edit_permission (NULL: by nobody). On a partitioned table it covers access through the parent. Warns where no index leads with the column. Errors: 22023 no such permission or column, column not uuid NOT NULL, not a table; 55000 protected already, or permissive policies exist; 42501 not the table''s owner. Takes ACCESS EXCLUSIVE on the table.';
CREATE FUNCTION teamrbac.unprotect_table("table" regclass) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_unprotect_table';
COMMENT ON FUNCTION teamrbac.unprotect_table(regclass) IS
	'Drops what protect_table made; row-level security stays enabled if other policies remain. Errors: 55000 not protected; 42501 not the table''s owner. Takes ACCESS EXCLUSIVE on the table.';
CREATE FUNCTION teamrbac.require_permission_on_change() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_require_permission_on_change';
COMMENT ON FUNCTION teamrbac.require_permission_on_change() IS
	'Row trigger function (permission, tenant column): the change needs the permission in the row''s tenant, in the old and the new one if it moves. Raises 42501 otherwise. Use the trigger''s WHEN to guard a transition.';
-- Commands on users, tenants and members.

CREATE FUNCTION teamrbac.register_user(email text, display_name text, user_id uuid DEFAULT pg_catalog.gen_random_uuid())
	RETURNS uuid
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_register_user';
COMMENT ON FUNCTION teamrbac.register_user(text, text, uuid) IS
	'Registers a user whose e-mail address the application has verified. Returns user_id. Errors: 22023 malformed address or name, 23505 address or id taken. Trusted, as sign_in is.';
CREATE FUNCTION teamrbac.update_user(user_id uuid, email text DEFAULT NULL, display_name text DEFAULT NULL)
	RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_update_user';
COMMENT ON FUNCTION teamrbac.update_user(uuid, text, text) IS
	'Changes a user''s verified e-mail address or name; NULL leaves it. Errors: 22023 malformed, 23505 address taken, P0002 no such user. Trusted, as sign_in is.';
REVOKE ALL ON FUNCTION teamrbac.register_user(text, text, uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.update_user(uuid, text, text) FROM PUBLIC;

CREATE FUNCTION teamrbac.create_tenant(name text, slug text DEFAULT NULL) RETURNS uuid
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_create_tenant';
COMMENT ON FUNCTION teamrbac.create_tenant(text, text) IS
	'Makes a tenant; the signed-in user becomes its Owner. Returns tenant_id. Errors: 28000 no user signed in, 22023 malformed name or slug, 23505 slug taken.';
CREATE PROCEDURE teamrbac.change_role(tenant_id uuid, user_id uuid, role text, revoke_keys boolean DEFAULT false)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_change_role';
COMMENT ON PROCEDURE teamrbac.change_role(uuid, uuid, text, boolean) IS
	'Gives a member another role, obeyed by every statement that starts after the commit. Needs team.manage, and every permission of the old and of the new role. Errors: 42501 not allowed, or owner; P0002 not a member; 22023 unknown role; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.remove_member(tenant_id uuid, user_id uuid, revoke_keys boolean DEFAULT false)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_remove_member';
COMMENT ON PROCEDURE teamrbac.remove_member(uuid, uuid, boolean) IS
	'Ends a membership, obeyed by every statement that starts after the commit. Needs team.manage, and every permission of the member''s role. Errors: 42501 not allowed, or the Owner; P0002 not a member; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.leave_tenant(tenant_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_leave_tenant';
COMMENT ON PROCEDURE teamrbac.leave_tenant(uuid) IS
	'The signed-in user ends their own membership. Errors: 42501 not a member, or the Owner, who transfers ownership first; 28000 no user signed in. Locks the tenant''s row.';

CREATE VIEW teamrbac.team WITH (security_barrier = true) AS
	SELECT m.tenant_id,
		   m.user_id,
		   u.display_name,
		   CASE WHEN m.user_id OPERATOR(pg_catalog.=) teamrbac.current_user_id()
					 OR teamrbac.has_permission(m.tenant_id, 'team.manage')
				THEN u.email::text END AS email,
		   m.role::text AS role,
		   m.joined_at,
		   m.expires_at
	FROM (SELECT mine.tenant_id FROM teamrbac.my_tenants() AS mine) AS mine
	JOIN teamrbac.membership AS m ON m.tenant_id OPERATOR(pg_catalog.=) mine.tenant_id
	JOIN teamrbac.app_user AS u ON u.user_id OPERATOR(pg_catalog.=) m.user_id
	WHERE teamrbac.current_user_id() IS NOT NULL
	  AND (m.expires_at IS NULL OR m.expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp());
COMMENT ON VIEW teamrbac.team IS
	'The members of the signed-in user''s tenants: everyone in a team sees names and roles; e-mail addresses need team.manage.';
GRANT SELECT ON teamrbac.team TO PUBLIC;
-- Ownership, contractors, and the end of a tenant.

CREATE PROCEDURE teamrbac.transfer_ownership(tenant_id uuid, new_owner uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_transfer_ownership';
COMMENT ON PROCEDURE teamrbac.transfer_ownership(uuid, uuid) IS
	'The Owner hands the tenant to an Admin and becomes an Admin; permanent. Errors: 42501 not the Owner; P0002 the other is not a member; 55000 not an Admin, about to expire, or disabled; 28000 no user signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.set_membership_expiry(tenant_id uuid, user_id uuid, expires_at timestamptz)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_set_membership_expiry';
COMMENT ON PROCEDURE teamrbac.set_membership_expiry(uuid, uuid, timestamptz) IS
	'A membership ends by itself at that time, refused from then on whether or not any job runs; NULL: never. Needs team.manage, and every permission of the member''s role. Errors: 22023 time not in the future; 42501 not allowed, or the Owner; P0002 not a member. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.delete_tenant(tenant_id uuid, confirm_name text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_delete_tenant';
COMMENT ON PROCEDURE teamrbac.delete_tenant(uuid, text) IS
	'Ends all access to a tenant, obeyed by every statement that starts after the commit; its rows stay. Needs tenant.delete. Errors: 22023 confirm_name is not the tenant''s name; 42501 not allowed; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.restore_tenant(tenant_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_restore_tenant';
COMMENT ON PROCEDURE teamrbac.restore_tenant(uuid) IS
	'Undoes delete_tenant. Errors: P0002 no such tenant; 55000 not deleted. For the DBA. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.assign_owner(tenant_id uuid, user_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_assign_owner';
COMMENT ON PROCEDURE teamrbac.assign_owner(uuid, uuid) IS
	'Makes a user the Owner of a tenant, member or not; the previous Owner becomes an Admin. For a superuser, when the only Owner is gone. Errors: P0002 no such tenant; 22023 unknown or disabled user; 55000 they are the Owner already. Locks the tenant''s row.';

CREATE FUNCTION teamrbac.removal_impact(tenant_id uuid, user_id uuid, OUT kind text, OUT subject text, OUT detail text)
	RETURNS SETOF record
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_removal_impact';
COMMENT ON FUNCTION teamrbac.removal_impact(uuid, uuid, OUT text, OUT text, OUT text) IS
	'What removing a member would end or leave behind. Needs team.manage. Errors: 42501 not allowed; P0002 not a member.';

CREATE PROCEDURE teamrbac.disable_user(user_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_disable_user';
COMMENT ON PROCEDURE teamrbac.disable_user(uuid) IS
	'Ends a user''s access everywhere, obeyed by every statement that starts after the commit; memberships and keys stay. Errors: P0002 no such user; 55000 disabled already, or the Owner of a tenant. Trusted, as register_user is. Locks the rows of the user''s tenants.';
CREATE PROCEDURE teamrbac.enable_user(user_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_enable_user';
COMMENT ON PROCEDURE teamrbac.enable_user(uuid) IS
	'Undoes disable_user. Errors: P0002 no such user; 55000 not disabled. Trusted, as register_user is.';

REVOKE ALL ON PROCEDURE teamrbac.restore_tenant(uuid) FROM PUBLIC;
REVOKE ALL ON PROCEDURE teamrbac.assign_owner(uuid, uuid) FROM PUBLIC;
REVOKE ALL ON PROCEDURE teamrbac.disable_user(uuid) FROM PUBLIC;
REVOKE ALL ON PROCEDURE teamrbac.enable_user(uuid) FROM PUBLIC;
-- What a scheduler does: nothing of it decides what is allowed, since whatever has expired is refused at
-- once.  These run as whoever calls them, the extension's owner as a rule: a procedure that commits can be
-- neither SECURITY DEFINER nor have settings of its own, so every name in them is qualified.

CREATE PROCEDURE teamrbac.expire_memberships(batch_size integer DEFAULT 1000)
	LANGUAGE plpgsql
AS $$
DECLARE
	ended bigint;
BEGIN
	IF batch_size IS NULL OR batch_size OPERATOR(pg_catalog.<) 1 THEN
		RAISE EXCEPTION 'batch_size must be positive' USING ERRCODE = '22023';
	END IF;
	LOOP
		-- Rows that a command holds are left for the next run, so that this never waits for a team.
		DELETE FROM teamrbac.membership AS m
		USING (SELECT due.tenant_id, due.user_id
			   FROM teamrbac.membership AS due
			   WHERE due.expires_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()
			   ORDER BY due.expires_at
			   LIMIT batch_size
			   FOR UPDATE SKIP LOCKED) AS due
		WHERE m.tenant_id OPERATOR(pg_catalog.=) due.tenant_id AND m.user_id OPERATOR(pg_catalog.=) due.user_id;
		GET DIAGNOSTICS ended = ROW_COUNT;
		COMMIT;
		EXIT WHEN ended OPERATOR(pg_catalog.<) batch_size;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE teamrbac.expire_memberships(integer) IS
	'Removes memberships that have expired, batch_size in a transaction. For a scheduler. Errors: 22023 batch_size not positive. Skips rows that a command has locked.';
REVOKE ALL ON PROCEDURE teamrbac.expire_memberships(integer) FROM PUBLIC;

CREATE INDEX membership_expires_idx ON teamrbac.membership (expires_at) WHERE expires_at IS NOT NULL;
COMMENT ON INDEX teamrbac.membership_expires_idx IS 'Answers expire_memberships.';
