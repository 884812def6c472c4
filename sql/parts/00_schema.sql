\echo Use "CREATE EXTENSION teamrbac" to load this file. \quit

-- Whatever schema a required extension lives in, the names of this script are the server's own.
SET LOCAL search_path = pg_catalog, pg_temp;

-- A database's owner may have turned this off for everybody, and the patterns of this script would match other names.
DO $$
BEGIN
	IF current_setting('standard_conforming_strings') <> 'on' THEN
		RAISE EXCEPTION 'backslashes in strings would be taken for escapes'
			USING ERRCODE = '55000', CONSTRAINT = 'strings_not_standard',
				DETAIL = 'Setting "standard_conforming_strings" is off.',
				HINT = 'SET standard_conforming_strings = on;';
	END IF;
END
$$;

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

-- The rules for names and addresses, which the commands go by too: whatever the database's encoding and collation.
CREATE FUNCTION teamrbac.is_printable_name(name text) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_is_printable_name';
COMMENT ON FUNCTION teamrbac.is_printable_name(text) IS
	'Internal to the tables'' checks: whether this is fit to be printed as a name, a description or a reason: 1 to 200 characters, at least one of them visible, no spaces around it, no control character, none that turns the direction of writing and none of no width. The commands trim what they are given.';
CREATE FUNCTION teamrbac.is_email_address(address text) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_is_email_address';
COMMENT ON FUNCTION teamrbac.is_email_address(text) IS
	'Internal to the tables'' checks: whether this is one name, @ and one domain, at most 254 bytes, without spaces, control characters, invisible ones and what could end a header or begin a second address.';
-- Not lower(): that one makes a k of the Kelvin sign, and an i of a dotted capital I, so that somebody else's address
-- would count as theirs, and depends on the collation besides.
CREATE FUNCTION teamrbac.address_key(address text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	RETURN pg_catalog.translate(address, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz');
COMMENT ON FUNCTION teamrbac.address_key(text) IS
	'Internal to indexes and look-ups: what e-mail addresses are compared by: A to Z lower-cased, all else as it is.';
REVOKE ALL ON FUNCTION teamrbac.is_printable_name(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.is_email_address(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.address_key(text) FROM PUBLIC;

CREATE DOMAIN teamrbac.email_address AS text
	CONSTRAINT email_address_form CHECK (teamrbac.is_email_address(VALUE));
COMMENT ON DOMAIN teamrbac.email_address IS
	'One e-mail address, kept as given and compared by address_key; at most 254 bytes.';

COMMENT ON CONSTRAINT role_name_form ON DOMAIN teamrbac.role_name IS 'Words of lower-case letters, digits and underscores, joined by dots.';
COMMENT ON CONSTRAINT role_name_length ON DOMAIN teamrbac.role_name IS 'As long as a name of PostgreSQL''s own.';
COMMENT ON CONSTRAINT permission_name_form ON DOMAIN teamrbac.permission_name IS 'As a role''s.';
COMMENT ON CONSTRAINT permission_name_length ON DOMAIN teamrbac.permission_name IS 'As a role''s.';
COMMENT ON CONSTRAINT email_address_form ON DOMAIN teamrbac.email_address IS 'One name, @ and one domain, as long as SMTP allows; nothing that could end a header or begin a second address.';

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
