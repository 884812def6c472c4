-- Users, tenants and memberships.

CREATE TABLE teamrbac.app_user (
	user_id      uuid PRIMARY KEY,
	email        teamrbac.email_address NOT NULL,
	display_name text NOT NULL,
	created_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	disabled_at  timestamptz,
	locale       text,
	CONSTRAINT app_user_display_name CHECK
		(teamrbac.is_printable_name(display_name)),
	CONSTRAINT app_user_locale CHECK
		(locale ~ '^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*$' AND pg_catalog.octet_length(locale) <= 35)
);
CREATE UNIQUE INDEX app_user_email_key ON teamrbac.app_user (teamrbac.address_key(email));
COMMENT ON TABLE teamrbac.app_user IS
	'The application''s users. user_id is the application''s own. Change it by register_user and update_user.';
COMMENT ON COLUMN teamrbac.app_user.user_id IS 'The application''s own id of the user.';
COMMENT ON COLUMN teamrbac.app_user.display_name IS 'For people, as is_printable_name has it.';
COMMENT ON COLUMN teamrbac.app_user.created_at IS 'When the user was registered here.';
COMMENT ON CONSTRAINT app_user_display_name ON teamrbac.app_user IS 'Fit to be printed, in a mail too.';
COMMENT ON CONSTRAINT app_user_locale ON teamrbac.app_user IS 'A language tag, such as de or pt-BR: fit to be part of a file''s name.';
COMMENT ON COLUMN teamrbac.app_user.locale IS 'The language of mail to the user; NULL: not known. Change it by set_user_locale.';
COMMENT ON INDEX teamrbac.app_user_email_key IS 'One user for an e-mail address, however it is spelt.';
COMMENT ON COLUMN teamrbac.app_user.email IS 'Verified by the application; unique, as address_key compares.';
COMMENT ON COLUMN teamrbac.app_user.disabled_at IS 'When set, the user can do nothing; memberships and keys stay.';

CREATE TABLE teamrbac.tenant (
	tenant_id  uuid PRIMARY KEY,
	name       text NOT NULL,
	slug       text COLLATE "C",
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	deleted_at timestamptz,
	purge_began_at timestamptz,
	metadata   jsonb NOT NULL DEFAULT '{}',
	CONSTRAINT tenant_name CHECK
		(teamrbac.is_printable_name(name)),
	CONSTRAINT tenant_slug CHECK
		(slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND pg_catalog.octet_length(slug) <= 63),
	CONSTRAINT tenant_purged_when_deleted CHECK (purge_began_at IS NULL OR deleted_at IS NOT NULL),
	CONSTRAINT tenant_metadata CHECK
		(pg_catalog.jsonb_typeof(metadata) = 'object' AND pg_catalog.octet_length(metadata::text) <= 8192)
);
-- Partial: a deleted tenant keeps its slug for a restoration, and keeps it from nobody.  Nor is a slug a key, then, and
-- changing it, or deleting the tenant, waits for no transaction that refers to the tenant.
CREATE UNIQUE INDEX tenant_slug_key ON teamrbac.tenant (slug) WHERE deleted_at IS NULL;
CREATE INDEX tenant_deleted_idx ON teamrbac.tenant (tenant_id) WHERE deleted_at IS NOT NULL;
COMMENT ON TABLE teamrbac.tenant IS
	'The tenants. Application tables reference tenant_id. Every change of a team locks its row here first.';
COMMENT ON COLUMN teamrbac.tenant.slug IS 'Optional short name for addresses, unique among the tenants that are not deleted.';
COMMENT ON COLUMN teamrbac.tenant.tenant_id IS 'What the application''s tables reference.';
COMMENT ON COLUMN teamrbac.tenant.name IS 'For people, as is_printable_name has it.';
COMMENT ON COLUMN teamrbac.tenant.created_at IS 'When it was made.';
COMMENT ON COLUMN teamrbac.tenant.metadata IS 'The application''s own, by set_tenant_metadata; never secrets.';
COMMENT ON CONSTRAINT tenant_metadata ON teamrbac.tenant IS 'A JSON object of at most 8 kB.';
COMMENT ON CONSTRAINT tenant_purged_when_deleted ON teamrbac.tenant IS 'Only a deleted tenant is purged.';
COMMENT ON CONSTRAINT tenant_name ON teamrbac.tenant IS 'Fit to be printed, in a mail too.';
COMMENT ON CONSTRAINT tenant_slug ON teamrbac.tenant IS 'Lower-case words joined by single hyphens, at most 63 bytes.';
COMMENT ON INDEX teamrbac.tenant_slug_key IS 'One tenant for a slug, deleted ones not counted.';
COMMENT ON INDEX teamrbac.tenant_deleted_idx IS 'The deleted tenants, which each session remembers.';
COMMENT ON COLUMN teamrbac.tenant.deleted_at IS 'When set, all access to the tenant has ended; its rows go after the retention.';
COMMENT ON COLUMN teamrbac.tenant.purge_began_at IS 'When set, purge is deleting the tenant''s rows: there is no way back, and no owner is needed.';

CREATE TABLE teamrbac.membership (
	tenant_id  uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	user_id    uuid NOT NULL REFERENCES teamrbac.app_user ON DELETE CASCADE,
	role       teamrbac.role_name NOT NULL,
	expires_at timestamptz,
	own_role   boolean NOT NULL DEFAULT false,
	joined_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	global_role teamrbac.role_name CONSTRAINT membership_role_fkey REFERENCES teamrbac.role
		GENERATED ALWAYS AS (CASE WHEN NOT own_role THEN role END) STORED,
	tenant_role teamrbac.role_name GENERATED ALWAYS AS (CASE WHEN own_role THEN role END) STORED,
	metadata   jsonb NOT NULL DEFAULT '{}',
	PRIMARY KEY (tenant_id, user_id),
	CONSTRAINT membership_owner_stays CHECK (role <> 'owner' OR expires_at IS NULL),
	CONSTRAINT membership_metadata CHECK
		(pg_catalog.jsonb_typeof(metadata) = 'object' AND pg_catalog.octet_length(metadata::text) <= 8192)
);
CREATE INDEX membership_user_idx ON teamrbac.membership (user_id, tenant_id);
CREATE INDEX membership_role_idx ON teamrbac.membership (global_role)
	WHERE global_role <> ALL (ARRAY['reader', 'developer', 'admin', 'owner']);
CREATE INDEX membership_tenant_role_idx ON teamrbac.membership (tenant_id, tenant_role) WHERE tenant_role IS NOT NULL;
CREATE INDEX membership_owned_idx ON teamrbac.membership (user_id) WHERE role = 'owner';
CREATE UNIQUE INDEX membership_one_owner ON teamrbac.membership (tenant_id) WHERE role = 'owner';
COMMENT ON INDEX teamrbac.membership_role_idx IS 'Answers drop_role; the built-in roles are never dropped.';
COMMENT ON INDEX teamrbac.membership_tenant_role_idx IS 'Answers drop_tenant_role.';
COMMENT ON TABLE teamrbac.membership IS
	'Who is in which tenant, with which role. Exactly one member of a tenant is its owner.';
COMMENT ON COLUMN teamrbac.membership.tenant_id IS 'The tenant.';
COMMENT ON COLUMN teamrbac.membership.user_id IS 'The member.';
COMMENT ON COLUMN teamrbac.membership.role IS 'What they are there.';
COMMENT ON COLUMN teamrbac.membership.own_role IS
	'Whether the role is one of the tenant''s own. Filled by resolve_role: a global role of the name comes first.';
COMMENT ON COLUMN teamrbac.membership.global_role IS 'The role, if it is not one of the tenant''s own: what the foreign key checks.';
COMMENT ON COLUMN teamrbac.membership.tenant_role IS 'The role, if it is one of the tenant''s own: likewise.';
COMMENT ON COLUMN teamrbac.membership.joined_at IS 'When they became a member.';
COMMENT ON COLUMN teamrbac.membership.metadata IS 'The application''s own, by set_member_metadata; never secrets.';
COMMENT ON CONSTRAINT membership_metadata ON teamrbac.membership IS 'A JSON object of at most 8 kB.';
COMMENT ON CONSTRAINT membership_owner_stays ON teamrbac.membership IS 'An owner whose time is over would leave none.';
COMMENT ON INDEX teamrbac.membership_user_idx IS 'Answers every permission check that memory cannot.';
COMMENT ON INDEX teamrbac.membership_owned_idx IS 'Answers how many tenants a user owns.';
COMMENT ON INDEX teamrbac.membership_one_owner IS 'At most one owner; check_owner sees to it that there is one.';
COMMENT ON COLUMN teamrbac.membership.expires_at IS 'When the membership ends by itself; NULL: never. The owner''s never does.';

-- A table of its own, so that noting it neither waits for a command on the user nor makes it wait.
CREATE TABLE teamrbac.user_activity (
	user_id        uuid PRIMARY KEY REFERENCES teamrbac.app_user ON DELETE CASCADE,
	last_active_on date NOT NULL,
	recorded_since date
) WITH (fillfactor = 50);
COMMENT ON TABLE teamrbac.user_activity IS
	'On which day each user signed in last: written without triggers, at most once a day, and only by transactions that commit and may write.';
COMMENT ON COLUMN teamrbac.user_activity.user_id IS 'The user; one who has never signed in has no row.';
COMMENT ON COLUMN teamrbac.user_activity.last_active_on IS 'The day in UTC, no more exactly than that.';
COMMENT ON COLUMN teamrbac.user_activity.recorded_since IS
	'The first day of the period, without a sign-in while teamrbac.record_permission_use was off, in which what they use has been recorded; NULL: it is not.';

CREATE TABLE teamrbac.database_role (
	database_role regrole PRIMARY KEY,
	user_id       uuid NOT NULL REFERENCES teamrbac.app_user ON DELETE CASCADE
);
CREATE INDEX database_role_user_idx ON teamrbac.database_role (user_id);
COMMENT ON TABLE teamrbac.database_role IS
	'Which user a login role of the database is while nobody has signed in. Change it by map_database_role.';
COMMENT ON COLUMN teamrbac.database_role.database_role IS 'The role that logs in.';
COMMENT ON COLUMN teamrbac.database_role.user_id IS 'Who that is.';
COMMENT ON INDEX teamrbac.database_role_user_idx IS 'Answers the deletion of a user.';

CREATE TRIGGER signal_change AFTER UPDATE OF user_id, disabled_at OR DELETE ON teamrbac.app_user
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('users_changed');
CREATE TRIGGER signal_insert AFTER INSERT ON teamrbac.tenant
	FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION teamrbac.signal_change('tenants_changed');
CREATE TRIGGER signal_change AFTER UPDATE OF tenant_id, deleted_at OR DELETE ON teamrbac.tenant
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('tenants_changed');
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OF tenant_id, user_id, role, own_role, expires_at OR DELETE ON teamrbac.membership
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
CREATE FUNCTION teamrbac.check_owners() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_check_owners';
COMMENT ON FUNCTION teamrbac.check_owners() IS
	'Statement trigger function, for TRUNCATE: refuses what leaves a tenant without owner (23514); truncating the tenants as well leaves none.';
REVOKE ALL ON FUNCTION teamrbac.check_owners() FROM PUBLIC;

CREATE CONSTRAINT TRIGGER check_owner AFTER UPDATE OR DELETE ON teamrbac.membership
	DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.role = 'owner') EXECUTE FUNCTION teamrbac.check_owner();
-- The condition is evaluated when the row comes, the check at commit.
CREATE FUNCTION teamrbac.row_is_restored(relation oid) RETURNS boolean
	LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'teamrbac_row_is_restored';
COMMENT ON FUNCTION teamrbac.row_is_restored(oid) IS
	'Internal to a trigger: whether the statement at work restores a dump''s rows of that table. No errors, no locks.';
REVOKE ALL ON FUNCTION teamrbac.row_is_restored(oid) FROM PUBLIC;
CREATE CONSTRAINT TRIGGER check_owner AFTER INSERT ON teamrbac.tenant
	DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NOT teamrbac.row_is_restored(NEW.tableoid)) EXECUTE FUNCTION teamrbac.check_owner();
CREATE TRIGGER check_owners AFTER TRUNCATE ON teamrbac.membership
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.check_owners();

COMMENT ON TRIGGER check_owner ON teamrbac.membership IS 'A tenant whose owner goes has another one at commit.';
COMMENT ON TRIGGER check_owner ON teamrbac.tenant IS 'A new tenant has an owner at commit.';

ALTER TABLE teamrbac.app_user ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.membership ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.user_activity ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.database_role ENABLE ROW LEVEL SECURITY;

SELECT pg_catalog.pg_extension_config_dump('teamrbac.app_user', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.tenant', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.membership', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.user_activity', '');
-- A mapping whose role is gone would be dumped as a bare number, and could meet another role when restored.
SELECT pg_catalog.pg_extension_config_dump('teamrbac.database_role',
	'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid = database_role)');
