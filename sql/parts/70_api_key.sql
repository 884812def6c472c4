-- API keys: they authorise within one tenant, by their own role, and outlive whoever made them.

CREATE TABLE teamrbac.api_key (
	tenant_id     uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	key_id        uuid NOT NULL,
	name          text NOT NULL,
	role          teamrbac.role_name NOT NULL,
	permissions   text[],
	secret_hash   bytea NOT NULL,
	created_by    uuid NOT NULL,
	created_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	expires_at    timestamptz,
	replaced_by   uuid,
	revoked_at    timestamptz,
	revoked_by    uuid,
	revoke_reason text,
	own_role      boolean NOT NULL DEFAULT false,
	role_in_use   teamrbac.role_name REFERENCES teamrbac.role
		GENERATED ALWAYS AS (CASE WHEN revoked_at IS NULL AND NOT own_role THEN role END) STORED,
	tenant_role_in_use teamrbac.role_name
		GENERATED ALWAYS AS (CASE WHEN revoked_at IS NULL AND own_role THEN role END) STORED,
	metadata      jsonb NOT NULL DEFAULT '{}',
	PRIMARY KEY (tenant_id, key_id),
	CONSTRAINT api_key_tenant_role_fkey FOREIGN KEY (tenant_id, tenant_role_in_use) REFERENCES teamrbac.tenant_role,
	CONSTRAINT api_key_name CHECK (teamrbac.is_printable_name(name)),
	CONSTRAINT api_key_revoke_reason CHECK (teamrbac.is_printable_name(revoke_reason)),
	CONSTRAINT api_key_permissions CHECK
		(pg_catalog.cardinality(permissions) > 0
		 AND pg_catalog.array_position(permissions, NULL) IS NULL),
	CONSTRAINT api_key_secret_hash CHECK (pg_catalog.octet_length(secret_hash) = 32),
	CONSTRAINT api_key_revoked CHECK (revoked_at IS NOT NULL OR revoked_by IS NULL AND revoke_reason IS NULL),
	CONSTRAINT api_key_metadata CHECK
		(pg_catalog.jsonb_typeof(metadata) = 'object' AND pg_catalog.octet_length(metadata::text) <= 8192)
);
-- Not unique: where the table is distributed by tenant_id, uniqueness could not be enforced.
CREATE INDEX api_key_key_id_idx ON teamrbac.api_key (key_id);
CREATE UNIQUE INDEX api_key_active_name ON teamrbac.api_key (tenant_id, name)
	WHERE revoked_at IS NULL AND replaced_by IS NULL;
CREATE INDEX api_key_created_by_idx ON teamrbac.api_key (created_by, tenant_id) WHERE revoked_at IS NULL;
CREATE INDEX api_key_role_idx ON teamrbac.api_key (role_in_use)
	WHERE role_in_use <> ALL (ARRAY['reader', 'developer', 'admin', 'owner']);
CREATE INDEX api_key_tenant_role_idx ON teamrbac.api_key (tenant_id, tenant_role_in_use)
	WHERE tenant_role_in_use IS NOT NULL;
COMMENT ON TABLE teamrbac.api_key IS
	'API keys, revoked ones included. A key that expires_at has passed gives nothing, whether or not anything says so here.';
COMMENT ON COLUMN teamrbac.api_key.tenant_id IS 'The tenant within which it authorises.';
COMMENT ON COLUMN teamrbac.api_key.name IS 'For people: whose it is and what for. Unique among the tenant''s active keys.';
COMMENT ON COLUMN teamrbac.api_key.role IS 'What it may do, but for what is for people only.';
COMMENT ON COLUMN teamrbac.api_key.created_at IS 'When it was made.';
COMMENT ON COLUMN teamrbac.api_key.expires_at IS 'From then on it is refused; NULL: never.';
COMMENT ON COLUMN teamrbac.api_key.revoked_at IS 'When it was revoked; NULL: it was not.';
COMMENT ON COLUMN teamrbac.api_key.revoked_by IS 'The user who revoked it; NULL: a database role.';
COMMENT ON COLUMN teamrbac.api_key.revoke_reason IS 'Why, for people.';
COMMENT ON CONSTRAINT api_key_name ON teamrbac.api_key IS 'Fit to be printed.';
COMMENT ON CONSTRAINT api_key_revoke_reason ON teamrbac.api_key IS 'Fit to be printed.';
COMMENT ON CONSTRAINT api_key_permissions ON teamrbac.api_key IS 'A key narrowed to nothing would be none.';
COMMENT ON CONSTRAINT api_key_secret_hash ON teamrbac.api_key IS 'A SHA-256, not the secret itself.';
COMMENT ON COLUMN teamrbac.api_key.metadata IS 'The application''s own, by set_api_key_metadata; never secrets.';
COMMENT ON CONSTRAINT api_key_metadata ON teamrbac.api_key IS 'A JSON object of at most 8 kB.';
COMMENT ON CONSTRAINT api_key_revoked ON teamrbac.api_key IS 'Only a revoked key was revoked by somebody.';
COMMENT ON INDEX teamrbac.api_key_active_name IS 'A name tells one key from another while both work.';
COMMENT ON COLUMN teamrbac.api_key.key_id IS 'Stands in the key itself, as 32 hexadecimal digits.';
COMMENT ON COLUMN teamrbac.api_key.permissions IS
	'What the key may do at most, of what its role may and keys may at all; NULL: all of that.';
COMMENT ON COLUMN teamrbac.api_key.secret_hash IS 'SHA-256 of the whole key, as pgcrypto''s digest(key, ''sha256'').';
COMMENT ON COLUMN teamrbac.api_key.created_by IS
	'Who was given the secret: whoever made or rotated it. No reference: the user may leave, or be deleted, and the key stays.';
COMMENT ON COLUMN teamrbac.api_key.replaced_by IS
	'The key that has taken over its name: by rotation, or because it had expired. It works on until expires_at.';
COMMENT ON COLUMN teamrbac.api_key.role_in_use IS 'The role, while the key is not revoked: for the reference.';
COMMENT ON INDEX teamrbac.api_key_key_id_idx IS 'Answers sign_in_with_api_key and the commands on a key.';
COMMENT ON INDEX teamrbac.api_key_created_by_idx IS 'Answers the revocation of all keys of a member, or of a user.';
COMMENT ON COLUMN teamrbac.api_key.tenant_role_in_use IS 'The role, unless the key is revoked, if it is one of the tenant''s own.';
COMMENT ON COLUMN teamrbac.api_key.own_role IS 'Whether the role is one of the tenant''s own. Filled by resolve_role.';
COMMENT ON INDEX teamrbac.api_key_tenant_role_idx IS 'Answers drop_tenant_role.';
COMMENT ON INDEX teamrbac.api_key_role_idx IS 'Answers drop_role; the built-in roles are never dropped.';

-- A table of its own, so that noting a use neither waits for a command on the key nor makes it wait.
CREATE TABLE teamrbac.api_key_use (
	tenant_id    uuid NOT NULL,
	key_id       uuid NOT NULL,
	last_used_at timestamptz,
	recorded_since date,
	PRIMARY KEY (tenant_id, key_id),
	FOREIGN KEY (tenant_id, key_id) REFERENCES teamrbac.api_key ON DELETE CASCADE
) WITH (fillfactor = 50);
COMMENT ON TABLE teamrbac.api_key_use IS
	'When each API key was last used: one row per key, written without triggers, at most once in teamrbac.key_use_granularity, and only by transactions that commit and may write.';

COMMENT ON COLUMN teamrbac.api_key_use.tenant_id IS 'The key''s tenant.';
COMMENT ON COLUMN teamrbac.api_key_use.key_id IS 'The key.';
COMMENT ON COLUMN teamrbac.api_key_use.last_used_at IS 'When it signed in last, give or take the granularity; NULL: never.';
COMMENT ON COLUMN teamrbac.api_key_use.recorded_since IS
	'The first day of the period, without a sign-in while teamrbac.record_permission_use was off, in which what it uses has been recorded; NULL: it is not.';

CREATE TRIGGER signal_change
	AFTER INSERT OR UPDATE OF tenant_id, key_id, role, own_role, permissions, expires_at, revoked_at OR DELETE ON teamrbac.api_key
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('api_keys_changed');
ALTER TABLE teamrbac.api_key ENABLE ALWAYS TRIGGER signal_change;

CREATE TRIGGER resolve_role BEFORE INSERT OR UPDATE OF tenant_id, role, own_role, revoked_at ON teamrbac.api_key
	FOR EACH ROW WHEN (NEW.own_role OR NEW.role <> ALL (ARRAY['reader', 'developer', 'admin', 'owner']))
	EXECUTE FUNCTION teamrbac.resolve_role();

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.api_key REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('api_key', 'key_id');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.api_key REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('api_key', 'key_id');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.api_key REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('api_key', 'key_id');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.api_key
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('api_key', 'key_id');

ALTER TABLE teamrbac.api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.api_key_use ENABLE ROW LEVEL SECURITY;

SELECT pg_catalog.pg_extension_config_dump('teamrbac.api_key', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.api_key_use', '');

CREATE FUNCTION teamrbac.create_api_key(tenant_id uuid, name text, role text DEFAULT 'developer', expires_at timestamptz DEFAULT NULL, permissions text[] DEFAULT NULL, OUT key_id uuid, OUT secret text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_create_api_key';
COMMENT ON FUNCTION teamrbac.create_api_key(uuid, text, text, timestamptz, text[]) IS
	'Makes an API key; the secret is shown this once. It may do what its role may and keys may at all, narrowed to permissions unless NULL, until expires_at, NULL for ever. Needs api_keys.manage or api_keys.create_personal, and every permission of the role. Errors: 42501 not allowed, also for an API key; 22023 malformed name, unknown role, permission unknown, not the role''s or for people only, time not in the future; 23505 an active key has the name; 55000 as many keys as keys_per_member by set_tenant_limit or teamrbac.max_keys_per_member; 28000 nobody signed in. Locks the tenant''s row.';
CREATE FUNCTION teamrbac.rotate_api_key(key_id uuid, overlap interval DEFAULT '0', OUT key_id uuid, OUT secret text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_rotate_api_key';
COMMENT ON FUNCTION teamrbac.rotate_api_key(uuid, interval) IS
	'Replaces an API key by a new one of the same name, role, permissions and expiry, which belongs to whoever rotates it. The old one works on for overlap; by default it is revoked at once. Needs api_keys.manage, or to be a member who made the key, and every permission of its role. Errors: 42501 not allowed, or no such key; 55000 revoked, expired or rotated already, or no room by keys_per_member for one more where the old one works on or was somebody else''s; 22023 negative overlap; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.revoke_api_key(key_id uuid, reason text DEFAULT NULL)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_revoke_api_key';
COMMENT ON PROCEDURE teamrbac.revoke_api_key(uuid, text) IS
	'Ends an API key for good, obeyed by every statement that starts after the commit, also where the key has signed in already. Needs api_keys.manage, or to be a member who made the key. Errors: 42501 not allowed, or no such key; 55000 revoked already; 22023 malformed reason; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.rename_api_key(key_id uuid, name text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_rename_api_key';
COMMENT ON PROCEDURE teamrbac.rename_api_key(uuid, text) IS
	'Gives an API key a name that says more. Needs api_keys.manage, or to be a member who made the key. Errors: 42501 not allowed, or no such key; 55000 revoked, expired or rotated; 22023 malformed name; 23505 an active key has the name; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.set_api_key_expiry(key_id uuid, expires_at timestamptz)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_set_api_key_expiry';
COMMENT ON PROCEDURE teamrbac.set_api_key_expiry(uuid, timestamptz) IS
	'An API key ends by itself at that time; NULL: never. Needs api_keys.manage, or to be a member who made the key; to make it end later, every permission of its role as well. Errors: 42501 not allowed, or no such key; 55000 revoked, expired or rotated; 22023 time not in the future; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.revoke_member_keys(tenant_id uuid, user_id uuid, INOUT revoked bigint DEFAULT NULL)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_revoke_member_keys';
COMMENT ON PROCEDURE teamrbac.revoke_member_keys(uuid, uuid, bigint) IS
	'Revokes all active API keys of the tenant that a user made, whether or not they are still a member; returns how many. Needs api_keys.manage; for one''s own, membership. Errors: 42501 not allowed; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.revoke_api_keys(tenant_id uuid, created_by uuid DEFAULT NULL, unused_since timestamptz DEFAULT NULL, name_like text DEFAULT NULL, reason text DEFAULT NULL, INOUT revoked bigint DEFAULT NULL)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_revoke_api_keys';
COMMENT ON PROCEDURE teamrbac.revoke_api_keys(uuid, uuid, timestamptz, text, text, bigint) IS
	'Revokes the active API keys of a tenant that satisfy all filters given: made by a user; neither made nor used since a time; name LIKE a pattern. Returns how many. Needs api_keys.manage. Errors: 22023 no filter, or malformed reason; 22025 malformed pattern; 42501 not allowed; 28000 nobody signed in. Locks the tenant''s row.';

CREATE PROCEDURE teamrbac.revoke_user_keys(user_id uuid, INOUT revoked bigint DEFAULT NULL)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_revoke_user_keys';
COMMENT ON PROCEDURE teamrbac.revoke_user_keys(uuid, bigint) IS
	'Revokes the active API keys that a user made, in all tenants, deleted ones included; returns how many. One event a tenant names them. After disable_user, nothing that the user could use is left. Errors: P0002 no such user, and no such key; 22023 NULL. Trusted, as disable_user is. Locks the rows of all tenants in which the user is or was a member, or made a key, in the order of their ids.';
REVOKE ALL ON PROCEDURE teamrbac.revoke_user_keys(uuid, bigint) FROM PUBLIC;

CREATE FUNCTION teamrbac.sign_in_with_api_key(secret text, local boolean DEFAULT true, OUT tenant_id uuid, OUT key_id uuid, OUT role text)
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_sign_in_with_api_key';
COMMENT ON FUNCTION teamrbac.sign_in_with_api_key(text, boolean) IS
	'The transaction (local, the default) or the session acts as this API key from now on; ROLLBACK takes it back. Errors: 28000, the same for a key that is unknown, malformed, revoked or expired, or whose tenant is deleted. Notes when the key was last used, without waiting for any lock, where the transaction may write; works on a standby. Pass the secret as a parameter, lest the statement in a log show it.';

-- Row by row of what was asked about (OFFSET 0), here and in our other views: of a plain join, and a condition of the
-- reader's on its column, PostgreSQL makes a condition on either table, and computes what they are compared with for each.
-- One that is not the same the second time would join what the reader may see to rows of somebody else.
CREATE VIEW teamrbac.api_key_overview WITH (security_barrier = true) AS
	SELECT k.tenant_id,
		   k.key_id,
		   k.name,
		   k.role::text AS role,
		   k.permissions,
		   CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked'
				WHEN k.expires_at <= pg_catalog.clock_timestamp() THEN 'expired'
				WHEN k.replaced_by IS NOT NULL THEN 'rotated'
				ELSE 'active' END AS state,
		   k.created_by,
		   u.display_name AS creator,
		   k.created_at,
		   k.expires_at,
		   used.last_used_at,
		   k.replaced_by,
		   k.revoked_at,
		   k.revoked_by,
		   k.revoke_reason,
		   k.metadata
	FROM teamrbac.api_key AS k
	LEFT JOIN LATERAL (SELECT s.last_used_at FROM teamrbac.api_key_use AS s
					   WHERE s.tenant_id = k.tenant_id AND s.key_id = k.key_id OFFSET 0) AS used ON true
	LEFT JOIN LATERAL (SELECT u.display_name FROM teamrbac.app_user AS u WHERE u.user_id = k.created_by OFFSET 0) AS u ON true
	WHERE teamrbac.current_user_id() IS NOT NULL
	  AND k.tenant_id = ANY (teamrbac.visible_tenants())
	  AND (teamrbac.has_permission(k.tenant_id, 'api_keys.manage') OR k.created_by = teamrbac.current_user_id());
COMMENT ON VIEW teamrbac.api_key_overview IS
	'The API keys of the signed-in user''s tenants: all of them with api_keys.manage, else those they made. state is active, rotated (works until expires_at), expired or revoked.';
COMMENT ON COLUMN teamrbac.api_key_overview.tenant_id IS 'The key''s tenant.';
COMMENT ON COLUMN teamrbac.api_key_overview.key_id IS 'The key, as the commands on it take it.';
COMMENT ON COLUMN teamrbac.api_key_overview.name IS 'Whose it is and what for.';
COMMENT ON COLUMN teamrbac.api_key_overview.role IS 'What it may do, but for what is for people only.';
COMMENT ON COLUMN teamrbac.api_key_overview.permissions IS 'What it may do at most; NULL: all that its role and keys may.';
COMMENT ON COLUMN teamrbac.api_key_overview.state IS 'active, rotated (works until expires_at), expired or revoked.';
COMMENT ON COLUMN teamrbac.api_key_overview.created_by IS 'Whoever made or rotated it, member or not.';
COMMENT ON COLUMN teamrbac.api_key_overview.creator IS 'Their name; NULL: deleted.';
COMMENT ON COLUMN teamrbac.api_key_overview.created_at IS 'When it was made.';
COMMENT ON COLUMN teamrbac.api_key_overview.expires_at IS 'From then on it is refused; NULL: never.';
COMMENT ON COLUMN teamrbac.api_key_overview.last_used_at IS 'When it signed in last, give or take teamrbac.key_use_granularity; NULL: never.';
COMMENT ON COLUMN teamrbac.api_key_overview.replaced_by IS 'The key that took over its name.';
COMMENT ON COLUMN teamrbac.api_key_overview.revoked_at IS 'When it was revoked.';
COMMENT ON COLUMN teamrbac.api_key_overview.revoked_by IS 'The user who revoked it; NULL: a database role.';
COMMENT ON COLUMN teamrbac.api_key_overview.revoke_reason IS 'Why.';
COMMENT ON COLUMN teamrbac.api_key_overview.metadata IS 'The application''s own, by set_api_key_metadata.';
GRANT SELECT ON teamrbac.api_key_overview TO PUBLIC;
