-- What was done, by whom: append-only, each event chained to the one before by a hash.

CREATE TABLE teamrbac.audit_event (
	tenant_id        uuid NOT NULL,
	scope            text NOT NULL,
	sequence         bigint NOT NULL,
	occurred_at      timestamptz NOT NULL,
	actor_kind       text NOT NULL,
	actor_id         uuid,
	session_role     text NOT NULL,
	application_name text NOT NULL,
	action           text NOT NULL,
	subject          text COLLATE "C" NOT NULL,
	before           jsonb,
	after            jsonb,
	salt             bytea,
	previous_hash    bytea NOT NULL,
	hash             bytea NOT NULL,
	PRIMARY KEY (tenant_id, scope, sequence),
	CONSTRAINT audit_event_scope CHECK (scope = ANY (ARRAY['tenant', 'user', 'platform', 'restore'])),
	CONSTRAINT audit_event_actor CHECK
		(actor_kind = ANY (ARRAY['user', 'api_key'])
		 OR actor_kind = 'database_role' AND actor_id IS NULL)
);
CREATE INDEX audit_event_occurred_idx ON teamrbac.audit_event (occurred_at);
CREATE INDEX audit_event_personal_idx ON teamrbac.audit_event (subject) WHERE salt IS NOT NULL;
CREATE INDEX audit_event_address_before_idx ON teamrbac.audit_event (teamrbac.address_key(before ->> 'email')) WHERE salt IS NOT NULL;
CREATE INDEX audit_event_address_after_idx ON teamrbac.audit_event (teamrbac.address_key(after ->> 'email')) WHERE salt IS NOT NULL;
COMMENT ON TABLE teamrbac.audit_event IS
	'What was done, one event for each thing. Appended to by the commands; nobody but a superuser can change it. No reference to the tenant: events outlive it.';
COMMENT ON COLUMN teamrbac.audit_event.tenant_id IS
	'The tenant; in scope user, the user; in scope platform, the nil uuid; in scope restore, a session. Each has a chain of its own.';
COMMENT ON COLUMN teamrbac.audit_event.scope IS 'tenant, user (what concerns no tenant), platform (definitions) or restore (rows that a dump brought, until confirm_loads).';
COMMENT ON COLUMN teamrbac.audit_event.sequence IS 'Place in the chain, from 1, without gaps.';
COMMENT ON COLUMN teamrbac.audit_event.actor_kind IS
	'user, api_key, or database_role: a DBA, the application or a job, by the right of session_role.';
COMMENT ON COLUMN teamrbac.audit_event.actor_id IS 'The user or the key; NULL for a database role.';
COMMENT ON COLUMN teamrbac.audit_event.session_role IS 'The database role that had logged in.';
COMMENT ON COLUMN teamrbac.audit_event.action IS
	'Such as member.removed; direct.* for a change of a table by hand, restore.loaded for rows that a dump brought.';
COMMENT ON COLUMN teamrbac.audit_event.subject IS 'What was changed, such as member:<user_id>.';
COMMENT ON COLUMN teamrbac.audit_event.hash IS
	'SHA-256 of previous_hash and all other columns but salt, with before and after as audit_sealed gives them; see audit_hash.';
COMMENT ON COLUMN teamrbac.audit_event.occurred_at IS 'When it was recorded, by the clock, but never before the event before.';
COMMENT ON COLUMN teamrbac.audit_event.application_name IS 'What the client called itself.';
COMMENT ON COLUMN teamrbac.audit_event.before IS 'What it was, without secrets and their hashes; NULL: it is new.';
COMMENT ON COLUMN teamrbac.audit_event.after IS 'What it has become, likewise; NULL: it is gone.';
COMMENT ON COLUMN teamrbac.audit_event.salt IS
	'Random, where before or after has values of a person: what audit_sealed digests them with. NULL where there are none, or they have been erased.';
COMMENT ON COLUMN teamrbac.audit_event.previous_hash IS 'The hash of the event before; empty for the first.';
COMMENT ON CONSTRAINT audit_event_scope ON teamrbac.audit_event IS 'The four kinds of chains.';
COMMENT ON CONSTRAINT audit_event_actor ON teamrbac.audit_event IS 'A database role has no id of ours.';
COMMENT ON INDEX teamrbac.audit_event_personal_idx IS 'Finds what is to be erased with a user: events about them.';
COMMENT ON INDEX teamrbac.audit_event_address_before_idx IS 'Finds what is to be erased with a user: events with their address.';
COMMENT ON INDEX teamrbac.audit_event_address_after_idx IS 'Finds what is to be erased with a user: events with their address.';
COMMENT ON INDEX teamrbac.audit_event_occurred_idx IS 'Answers the removal of events past their retention.';

CREATE TABLE teamrbac.audit_head (
	tenant_id       uuid NOT NULL,
	scope           text NOT NULL,
	sequence        bigint NOT NULL DEFAULT 0,
	hash            bytea NOT NULL DEFAULT '\x',
	occurred_at     timestamptz NOT NULL DEFAULT '-infinity',
	anchor_sequence bigint NOT NULL DEFAULT 0,
	anchor_hash     bytea NOT NULL DEFAULT '\x',
	anchor_at       timestamptz,
	PRIMARY KEY (tenant_id, scope)
);
COMMENT ON TABLE teamrbac.audit_head IS
	'The end of each chain, so that a missing last event is noticed, and its anchor: the last event removed by retention, verified before.';
COMMENT ON COLUMN teamrbac.audit_head.tenant_id IS 'Of the chain, as in audit_event.';
COMMENT ON COLUMN teamrbac.audit_head.scope IS 'Of the chain, as in audit_event.';
COMMENT ON COLUMN teamrbac.audit_head.sequence IS 'Of the last event.';
COMMENT ON COLUMN teamrbac.audit_head.hash IS 'Of the last event.';
COMMENT ON COLUMN teamrbac.audit_head.occurred_at IS 'Of the last event: the next is dated no earlier, even if the clock has been put back.';
COMMENT ON COLUMN teamrbac.audit_head.anchor_sequence IS 'Of the last event that was removed; 0: none was.';
COMMENT ON COLUMN teamrbac.audit_head.anchor_hash IS 'Of the last event that was removed.';
COMMENT ON COLUMN teamrbac.audit_head.anchor_at IS 'When the last event that was removed had been recorded: what was before is no longer known.';

-- Values of a person can be erased without breaking a chain: the chain holds only their salted digests, and an
-- erased value leaves its digest behind, without the salt, so that nobody can find the value by trying.
CREATE FUNCTION teamrbac.audit_is_personal(fields jsonb) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_audit_is_personal';
COMMENT ON FUNCTION teamrbac.audit_is_personal(jsonb) IS
	'Internal to the audit: whether before or after of an event has values of a person: email, display_name, metadata.';
REVOKE ALL ON FUNCTION teamrbac.audit_is_personal(jsonb) FROM PUBLIC;
CREATE FUNCTION teamrbac.audit_sealed(fields jsonb, salt bytea) RETURNS jsonb
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_audit_sealed';
COMMENT ON FUNCTION teamrbac.audit_sealed(jsonb, bytea) IS
	'before or after of an event with each value of a person replaced by {"erased": digest}: SHA-256 of the salt, followed by the value as JSON. Without a salt, digests stay, and nothing else does. What an event says once it is erased, and what its hash covers before and after.';
REVOKE ALL ON FUNCTION teamrbac.audit_sealed(jsonb, bytea) FROM PUBLIC;

-- Plain SQL, so that an auditor can compute it without us; of audit_sealed, test/sql/audit_sealed.sql shows how.
CREATE FUNCTION teamrbac.audit_hash(event teamrbac.audit_event) RETURNS bytea
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN pg_catalog.sha256(event.previous_hash || pg_catalog.convert_to(
		pg_catalog.jsonb_build_array(event.tenant_id, event.scope, event.sequence,
			(EXTRACT(epoch FROM event.occurred_at) * 1000000)::bigint,
			event.actor_kind, event.actor_id, event.session_role, event.application_name,
			event.action, event.subject,
			teamrbac.audit_sealed(event.before, event.salt), teamrbac.audit_sealed(event.after, event.salt)
		)::text, 'UTF8'));
COMMENT ON FUNCTION teamrbac.audit_hash(teamrbac.audit_event) IS
	'The hash that an event should bear: SHA-256 of previous_hash, followed by a JSON array of the other columns but salt (time in microseconds since 1970, before and after by audit_sealed) as UTF-8 text.';
REVOKE ALL ON FUNCTION teamrbac.audit_hash(teamrbac.audit_event) FROM PUBLIC;

CREATE FUNCTION teamrbac.guard_audit() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_guard_audit';
COMMENT ON FUNCTION teamrbac.guard_audit() IS
	'Trigger function: the audit is changed by teamrbac''s own statements for it, and by superusers (42501), whoever has been granted the table or has the rights of its owner.';
REVOKE ALL ON FUNCTION teamrbac.guard_audit() FROM PUBLIC;
CREATE TRIGGER guard_audit BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON teamrbac.audit_event
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.guard_audit();
CREATE TRIGGER guard_audit BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON teamrbac.audit_head
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.guard_audit();

ALTER TABLE teamrbac.audit_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.audit_head ENABLE ROW LEVEL SECURITY;
-- What this database has loaded and nobody has looked at yet is no other database's.
SELECT pg_catalog.pg_extension_config_dump('teamrbac.audit_event', 'WHERE scope <> ''restore''');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.audit_head', 'WHERE scope <> ''restore''');

-- Changes by hand.  Statement triggers: one for each kind of change, because only such have transition tables.
CREATE FUNCTION teamrbac.audit_direct_change() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_audit_direct_change';
COMMENT ON FUNCTION teamrbac.audit_direct_change() IS
	'Statement trigger function (kind of subject, column that names it): records each changed row, unless a command makes the change; of the rows that the restore of a dump brings, how many. Locks the heads of the chains.';
REVOKE ALL ON FUNCTION teamrbac.audit_direct_change() FROM PUBLIC;

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.app_user REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('user', 'user_id');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.app_user REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('user', 'user_id');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.app_user REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('user', 'user_id');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.app_user
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('user', 'user_id');

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.tenant REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('tenant', 'tenant_id');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.tenant REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('tenant', 'tenant_id');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.tenant REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('tenant', 'tenant_id');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.tenant
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('tenant', 'tenant_id');

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.membership REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('member', 'user_id');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.membership REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('member', 'user_id');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.membership REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('member', 'user_id');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.membership
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('member', 'user_id');

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.role REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.role REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.role REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.role
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.permission REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('permission', 'permission');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.permission REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('permission', 'permission');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.permission REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('permission', 'permission');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.permission
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('permission', 'permission');

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.role_permission REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.role_permission REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.role_permission REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.role_permission
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('role', 'role');

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.database_role REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('database_role', 'database_role');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.database_role REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('database_role', 'database_role');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.database_role REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('database_role', 'database_role');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.database_role
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('database_role', 'database_role');

CREATE FUNCTION teamrbac.verify_audit(tenant_id uuid, OUT valid boolean, OUT events bigint, OUT broken_at bigint, OUT problem text)
	RETURNS SETOF record
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 1 AS 'MODULE_PATHNAME', 'teamrbac_verify_audit';
COMMENT ON FUNCTION teamrbac.verify_audit(uuid, OUT boolean, OUT bigint, OUT bigint, OUT text) IS
	'Whether the chain of a tenant''s events is whole; broken_at is the sequence of the first event that is changed, missing or out of order, and problem says which. Needs audit.view in the tenant, or a superuser, who may also name a user (for what concerned no tenant) or the nil uuid (definitions). The time is that of reading the events once; about once a second a notice says how far it is. Errors: 42501 not allowed, 28000 nobody signed in, 22023 tenant_id null. Takes no lock.';
