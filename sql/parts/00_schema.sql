\echo Use "CREATE EXTENSION teamrbac" to load this file. \quit

-- Whatever schema a required extension lives in, the names of this script are the server's own.
SET LOCAL search_path = pg_catalog, pg_temp;

-- The schema is a member of the extension: one planted beforehand makes the install fail instead of
-- being adopted.
CREATE SCHEMA teamrbac;
COMMENT ON SCHEMA teamrbac IS
	'Teams, roles, invitations, API keys and permission checks.';
GRANT USAGE ON SCHEMA teamrbac TO PUBLIC;

CREATE DOMAIN teamrbac.role_name AS text COLLATE "C"
	CONSTRAINT role_name_form CHECK (VALUE ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$')
	CONSTRAINT role_name_length CHECK (pg_catalog.octet_length(VALUE) <= 63);
COMMENT ON DOMAIN teamrbac.role_name IS
	'Name of a role: dot-separated words of lower-case letters, digits and underscores, at most 63 bytes.';

CREATE DOMAIN teamrbac.permission_name AS text COLLATE "C"
	CONSTRAINT permission_name_form CHECK (VALUE ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$')
	CONSTRAINT permission_name_length CHECK (pg_catalog.octet_length(VALUE) <= 63);
COMMENT ON DOMAIN teamrbac.permission_name IS
	'Name of a permission, such as prompts.edit: same form as a role''s.';

-- Deliberately loose, but for what could smuggle a second header or address into a mail.
CREATE DOMAIN teamrbac.email_address AS text
	CONSTRAINT email_address_form CHECK (VALUE ~ '^[^[:space:][:cntrl:]@<>(),;:"\\]+@[^[:space:][:cntrl:]@<>(),;:"\\]+$')
	CONSTRAINT email_address_length CHECK (pg_catalog.octet_length(VALUE) <= 254);
COMMENT ON DOMAIN teamrbac.email_address IS
	'One e-mail address, kept as given and compared lower-cased; at most 254 bytes.';

COMMENT ON CONSTRAINT role_name_form ON DOMAIN teamrbac.role_name IS 'Words of lower-case letters, digits and underscores, joined by dots.';
COMMENT ON CONSTRAINT role_name_length ON DOMAIN teamrbac.role_name IS 'As long as a name of PostgreSQL''s own.';
COMMENT ON CONSTRAINT permission_name_form ON DOMAIN teamrbac.permission_name IS 'As a role''s.';
COMMENT ON CONSTRAINT permission_name_length ON DOMAIN teamrbac.permission_name IS 'As a role''s.';
COMMENT ON CONSTRAINT email_address_form ON DOMAIN teamrbac.email_address IS 'One name, @ and one domain; nothing that could end a header or begin a second address.';
COMMENT ON CONSTRAINT email_address_length ON DOMAIN teamrbac.email_address IS 'As long as SMTP allows.';

CREATE TYPE teamrbac.identity AS (
	kind           text,
	user_id        uuid,
	tenant_id      uuid,
	key_id         uuid,
	proof_ends_at  timestamptz
);
COMMENT ON TYPE teamrbac.identity IS
	'Who is asking: kind is none, user (user_id is set) or api_key (key_id is set); tenant_id is the acting tenant.';
COMMENT ON COLUMN teamrbac.identity.kind IS 'none, user or api_key.';
COMMENT ON COLUMN teamrbac.identity.user_id IS 'The user.';
COMMENT ON COLUMN teamrbac.identity.tenant_id IS
	'The acting tenant: the one entered, the API key''s, or the only one; NULL in several, with none entered.';
COMMENT ON COLUMN teamrbac.identity.key_id IS 'The API key.';
COMMENT ON COLUMN teamrbac.identity.proof_ends_at IS 'When the identity ends by itself, because what proved it does; NULL: never.';

-- What a commit tells the other sessions' caches.  These types hold nothing: a change sends a
-- relation-cache invalidation that carries the OID of one of them.  The changed table itself would do,
-- but then every session would rebuild that table's relation-cache entry after each change.
CREATE TYPE teamrbac.definitions_changed AS ();
COMMENT ON TYPE teamrbac.definitions_changed IS
	'Invalidation signal: permissions or mapped database roles have changed.';
CREATE TYPE teamrbac.roles_changed AS ();
COMMENT ON TYPE teamrbac.roles_changed IS
	'Invalidation signal: a role, a tenant''s own or one of all tenants, was made, changed or dropped.';
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
