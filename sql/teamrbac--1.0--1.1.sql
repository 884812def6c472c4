\echo Use "ALTER EXTENSION teamrbac UPDATE TO '1.1'" to load this file. \quit

-- From 1.0 to 1.1: the audit, mail, invitations, API keys, the review, maintenance. What each part adds stands
-- here as in its file in sql/parts, in the same order, so that both ways lead to the same (test/t/011_upgrade.pl).

COMMENT ON CONSTRAINT role_name_form ON DOMAIN teamrbac.role_name IS 'Words of lower-case letters, digits and underscores, joined by dots.';
COMMENT ON CONSTRAINT role_name_length ON DOMAIN teamrbac.role_name IS 'As long as a name of PostgreSQL''s own.';
COMMENT ON CONSTRAINT permission_name_form ON DOMAIN teamrbac.permission_name IS 'As a role''s.';
COMMENT ON CONSTRAINT permission_name_length ON DOMAIN teamrbac.permission_name IS 'As a role''s.';
COMMENT ON CONSTRAINT email_address_form ON DOMAIN teamrbac.email_address IS 'One name, @ and one domain; nothing that could end a header or begin a second address.';
COMMENT ON CONSTRAINT email_address_length ON DOMAIN teamrbac.email_address IS 'As long as SMTP allows.';
COMMENT ON COLUMN teamrbac.identity.kind IS 'none, user or api_key.';
COMMENT ON COLUMN teamrbac.identity.user_id IS 'The user.';
COMMENT ON COLUMN teamrbac.identity.tenant_id IS 'The tenant of the API key.';
COMMENT ON COLUMN teamrbac.identity.key_id IS 'The API key.';

COMMENT ON COLUMN teamrbac.permission.permission IS 'Its name, such as prompts.edit.';
COMMENT ON COLUMN teamrbac.permission.description IS 'For people.';
COMMENT ON COLUMN teamrbac.role.role IS 'Its name, such as developer.';
COMMENT ON COLUMN teamrbac.role.description IS 'For people.';
COMMENT ON COLUMN teamrbac.role_permission.role IS 'The role that has it.';
COMMENT ON COLUMN teamrbac.role_permission.permission IS 'What it may do.';
COMMENT ON INDEX teamrbac.role_permission_permission_idx IS 'Answers drop_permission.';
COMMENT ON COLUMN teamrbac.permission_matrix.permission IS 'In the order of the reference page; custom ones last.';
COMMENT ON COLUMN teamrbac.permission_matrix.role IS 'In the order of the reference page; custom ones last.';
COMMENT ON COLUMN teamrbac.permission_matrix.granted IS 'x: the role has the permission.';

COMMENT ON COLUMN teamrbac.app_user.user_id IS 'The application''s own id of the user.';
COMMENT ON COLUMN teamrbac.app_user.display_name IS 'For people: at most 200 characters, no control characters.';
COMMENT ON COLUMN teamrbac.app_user.created_at IS 'When the user was registered here.';
COMMENT ON CONSTRAINT app_user_display_name ON teamrbac.app_user IS 'Fit to be printed, in a mail too.';
COMMENT ON INDEX teamrbac.app_user_email_key IS 'One user for an e-mail address, however it is spelt.';

ALTER TABLE teamrbac.tenant
	ADD COLUMN purge_began_at timestamptz,
	ADD CONSTRAINT tenant_purged_when_deleted CHECK (purge_began_at IS NULL OR deleted_at IS NOT NULL);
COMMENT ON COLUMN teamrbac.tenant.tenant_id IS 'What the application''s tables reference.';
COMMENT ON COLUMN teamrbac.tenant.name IS 'For people: 1 to 200 characters, no control characters.';
COMMENT ON COLUMN teamrbac.tenant.created_at IS 'When it was made.';
COMMENT ON CONSTRAINT tenant_purged_when_deleted ON teamrbac.tenant IS 'Only a deleted tenant is purged.';
COMMENT ON CONSTRAINT tenant_name ON teamrbac.tenant IS 'Fit to be printed, in a mail too.';
COMMENT ON CONSTRAINT tenant_slug ON teamrbac.tenant IS 'Lower-case words joined by single hyphens, at most 63 bytes.';
COMMENT ON INDEX teamrbac.tenant_slug_key IS 'One tenant for a slug.';
COMMENT ON INDEX teamrbac.tenant_deleted_idx IS 'The deleted tenants, which each session remembers.';
COMMENT ON COLUMN teamrbac.tenant.purge_began_at IS 'When set, purge is deleting the tenant''s rows: there is no way back, and no owner is needed.';
COMMENT ON COLUMN teamrbac.membership.tenant_id IS 'The tenant.';
COMMENT ON COLUMN teamrbac.membership.user_id IS 'The member.';
COMMENT ON COLUMN teamrbac.membership.role IS 'What they are there.';
COMMENT ON COLUMN teamrbac.membership.joined_at IS 'When they became a member.';
COMMENT ON CONSTRAINT membership_owner_stays ON teamrbac.membership IS 'An owner whose time is over would leave none.';
COMMENT ON INDEX teamrbac.membership_user_idx IS 'Answers every permission check that memory cannot.';
COMMENT ON INDEX teamrbac.membership_one_owner IS 'At most one owner; check_owner sees to it that there is one.';

-- A table of its own, so that noting it neither waits for a command on the user nor makes it wait.
CREATE TABLE teamrbac.user_activity (
	user_id        uuid PRIMARY KEY REFERENCES teamrbac.app_user ON DELETE CASCADE,
	last_active_on date NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE teamrbac.user_activity IS
	'On which day each user signed in last: written without triggers, at most once a day, and only by transactions that commit and may write.';
COMMENT ON COLUMN teamrbac.user_activity.user_id IS 'The user; one who has never signed in has no row.';
COMMENT ON COLUMN teamrbac.user_activity.last_active_on IS 'The day in UTC, no more exactly than that.';
COMMENT ON COLUMN teamrbac.database_role.database_role IS 'The role that logs in.';
COMMENT ON COLUMN teamrbac.database_role.user_id IS 'Who that is.';
COMMENT ON INDEX teamrbac.database_role_user_idx IS 'Answers the deletion of a user.';
CREATE FUNCTION teamrbac.check_owners() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_check_owners';
COMMENT ON FUNCTION teamrbac.check_owners() IS
	'Statement trigger function, for TRUNCATE: refuses what leaves a tenant without owner (23514); truncating the tenants as well leaves none.';
REVOKE ALL ON FUNCTION teamrbac.check_owners() FROM PUBLIC;
CREATE TRIGGER check_owners AFTER TRUNCATE ON teamrbac.membership
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.check_owners();

COMMENT ON TRIGGER check_owner ON teamrbac.membership IS 'A tenant whose owner goes has another one at commit.';
COMMENT ON TRIGGER check_owner ON teamrbac.tenant IS 'A new tenant has an owner at commit.';
ALTER TABLE teamrbac.user_activity ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('teamrbac.user_activity', '');

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
	subject          text NOT NULL,
	before           jsonb,
	after            jsonb,
	previous_hash    bytea NOT NULL,
	hash             bytea NOT NULL,
	PRIMARY KEY (tenant_id, scope, sequence),
	CONSTRAINT audit_event_scope CHECK (scope OPERATOR(pg_catalog.=) ANY (ARRAY['tenant', 'user', 'platform'])),
	CONSTRAINT audit_event_actor CHECK
		(actor_kind OPERATOR(pg_catalog.=) ANY (ARRAY['user', 'api_key'])
		 OR actor_kind OPERATOR(pg_catalog.=) 'database_role' AND actor_id IS NULL)
);
CREATE INDEX audit_event_occurred_idx ON teamrbac.audit_event (occurred_at);
COMMENT ON TABLE teamrbac.audit_event IS
	'What was done, one event for each thing. Nobody but a superuser can change it. No reference to the tenant: events outlive it.';
COMMENT ON COLUMN teamrbac.audit_event.tenant_id IS
	'The tenant; in scope user, the user; in scope platform, the nil uuid. Each has a chain of its own.';
COMMENT ON COLUMN teamrbac.audit_event.scope IS 'tenant, user (what concerns no tenant) or platform (definitions).';
COMMENT ON COLUMN teamrbac.audit_event.sequence IS 'Place in the chain, from 1, without gaps.';
COMMENT ON COLUMN teamrbac.audit_event.actor_kind IS
	'user, api_key, or database_role: a DBA, the application or a job, by the right of session_role.';
COMMENT ON COLUMN teamrbac.audit_event.actor_id IS 'The user or the key; NULL for a database role.';
COMMENT ON COLUMN teamrbac.audit_event.session_role IS 'The database role that had logged in.';
COMMENT ON COLUMN teamrbac.audit_event.action IS
	'Such as member.removed; direct.* for a change of a table by hand.';
COMMENT ON COLUMN teamrbac.audit_event.subject IS 'What was changed, such as member:<user_id>.';
COMMENT ON COLUMN teamrbac.audit_event.hash IS
	'SHA-256 of previous_hash and all other columns; see audit_hash.';
COMMENT ON COLUMN teamrbac.audit_event.occurred_at IS 'When it was recorded, by the clock.';
COMMENT ON COLUMN teamrbac.audit_event.application_name IS 'What the client called itself.';
COMMENT ON COLUMN teamrbac.audit_event.before IS 'What it was, without secrets and their hashes; NULL: it is new.';
COMMENT ON COLUMN teamrbac.audit_event.after IS 'What it has become, likewise; NULL: it is gone.';
COMMENT ON COLUMN teamrbac.audit_event.previous_hash IS 'The hash of the event before; empty for the first.';
COMMENT ON CONSTRAINT audit_event_scope ON teamrbac.audit_event IS 'The three kinds of chains.';
COMMENT ON CONSTRAINT audit_event_actor ON teamrbac.audit_event IS 'A database role has no id of ours.';
COMMENT ON INDEX teamrbac.audit_event_occurred_idx IS 'Answers the removal of events past their retention.';

CREATE TABLE teamrbac.audit_head (
	tenant_id       uuid NOT NULL,
	scope           text NOT NULL,
	sequence        bigint NOT NULL DEFAULT 0,
	hash            bytea NOT NULL DEFAULT '\x',
	anchor_sequence bigint NOT NULL DEFAULT 0,
	anchor_hash     bytea NOT NULL DEFAULT '\x',
	PRIMARY KEY (tenant_id, scope)
);
COMMENT ON TABLE teamrbac.audit_head IS
	'The end of each chain, so that a missing last event is noticed, and its anchor: the last event removed by retention, verified before.';
COMMENT ON COLUMN teamrbac.audit_head.tenant_id IS 'Of the chain, as in audit_event.';
COMMENT ON COLUMN teamrbac.audit_head.scope IS 'Of the chain, as in audit_event.';
COMMENT ON COLUMN teamrbac.audit_head.sequence IS 'Of the last event.';
COMMENT ON COLUMN teamrbac.audit_head.hash IS 'Of the last event.';
COMMENT ON COLUMN teamrbac.audit_head.anchor_sequence IS 'Of the last event that was removed; 0: none was.';
COMMENT ON COLUMN teamrbac.audit_head.anchor_hash IS 'Of the last event that was removed.';

-- Plain SQL, so that an auditor can compute it without us.
CREATE FUNCTION teamrbac.audit_hash(event teamrbac.audit_event) RETURNS bytea
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN pg_catalog.sha256(event.previous_hash OPERATOR(pg_catalog.||) pg_catalog.convert_to(
		pg_catalog.jsonb_build_array(event.tenant_id, event.scope, event.sequence,
			(EXTRACT(epoch FROM event.occurred_at) OPERATOR(pg_catalog.*) 1000000)::bigint,
			event.actor_kind, event.actor_id, event.session_role, event.application_name,
			event.action, event.subject, event.before, event.after)::text, 'UTF8'));
COMMENT ON FUNCTION teamrbac.audit_hash(teamrbac.audit_event) IS
	'The hash that an event should bear: SHA-256 of previous_hash, followed by a JSON array of the other columns (time in microseconds since 1970) as UTF-8 text.';
REVOKE ALL ON FUNCTION teamrbac.audit_hash(teamrbac.audit_event) FROM PUBLIC;

CREATE FUNCTION teamrbac.guard_audit() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_guard_audit';
COMMENT ON FUNCTION teamrbac.guard_audit() IS
	'Trigger function: the audit is changed by superusers only (42501), whoever has been granted the table.';
REVOKE ALL ON FUNCTION teamrbac.guard_audit() FROM PUBLIC;
CREATE TRIGGER guard_audit BEFORE UPDATE OR DELETE OR TRUNCATE ON teamrbac.audit_event
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.guard_audit();
CREATE TRIGGER guard_audit BEFORE DELETE OR TRUNCATE ON teamrbac.audit_head
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.guard_audit();

ALTER TABLE teamrbac.audit_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.audit_head ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('teamrbac.audit_event', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.audit_head', '');

-- Changes by hand.  Statement triggers: one for each kind of change, because only such have transition tables.
CREATE FUNCTION teamrbac.audit_direct_change() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_audit_direct_change';
COMMENT ON FUNCTION teamrbac.audit_direct_change() IS
	'Statement trigger function (kind of subject, column that names it): records each changed row, unless a command or the restore of a dump makes the change. Locks the heads of the chains.';
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
	'Whether the chain of a tenant''s events is whole; broken_at is the sequence of the first event that is changed, missing or out of order, and problem says which. Needs audit.view in the tenant, or a superuser, who may also name a user (for what concerned no tenant) or the nil uuid (definitions). Errors: 42501 not allowed, 28000 nobody signed in, 22023 tenant_id null.';

-- The audit's retention.

CREATE FUNCTION teamrbac.purge_audit_batch(batch_size integer) RETURNS bigint
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_purge_audit_batch';
COMMENT ON FUNCTION teamrbac.purge_audit_batch(integer) IS
	'Internal to the maintenance: removes up to batch_size events older than teamrbac.audit_retention and returns how many. Each is verified before; the last one removed of a chain stays as its anchor, on which verify_audit goes on. A chain that is broken keeps its events from the break on, with a warning. Errors: 22023 batch_size not positive. Locks the heads of the chains, skips those that somebody has locked.';
REVOKE ALL ON FUNCTION teamrbac.purge_audit_batch(integer) FROM PUBLIC;

COMMENT ON FUNCTION teamrbac.sign_in(uuid, boolean) IS
	'The transaction (local, the default) or the session acts as this user from now on; ROLLBACK takes it back. Errors: 28000 unknown or disabled user. Trusted: grant EXECUTE only to the application''s login role. Notes the day of the user''s last activity, without waiting for any lock, where the transaction may write; works on a standby.';

CREATE FUNCTION teamrbac.permitted_tenant(tenant_id uuid, permission text) RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_permitted_tenant';
COMMENT ON FUNCTION teamrbac.permitted_tenant(uuid, text) IS
	'The tenant if has_permission(tenant_id, permission), else NULL: what EXPLAIN shows where an index condition answers for has_permission. Errors: 22023 unknown permission.';

-- The audit as people read it.

CREATE VIEW teamrbac.audit_trail WITH (security_barrier = true) AS
	SELECT e.tenant_id,
		   e.sequence,
		   e.occurred_at,
		   CASE e.actor_kind
				WHEN 'user' THEN COALESCE(u.display_name, 'user ' OPERATOR(pg_catalog.||) e.actor_id::text)
				WHEN 'api_key' THEN 'API key ' OPERATOR(pg_catalog.||) e.actor_id::text
				ELSE 'role ' OPERATOR(pg_catalog.||) e.session_role END AS actor,
		   e.action,
		   e.subject,
		   e.before,
		   e.after,
		   e.actor_kind,
		   e.actor_id,
		   e.session_role,
		   e.application_name
	FROM (SELECT permitted.* FROM teamrbac.audit_event AS permitted
		  WHERE permitted.scope OPERATOR(pg_catalog.=) 'tenant' AND teamrbac.has_permission(permitted.tenant_id, 'audit.view')
		  UNION ALL
		  SELECT others.* FROM teamrbac.audit_event AS others
		  WHERE (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER)
			AND NOT (others.scope OPERATOR(pg_catalog.=) 'tenant' AND teamrbac.has_permission(others.tenant_id, 'audit.view'))) AS e
	LEFT JOIN teamrbac.app_user AS u ON e.actor_kind OPERATOR(pg_catalog.=) 'user' AND u.user_id OPERATOR(pg_catalog.=) e.actor_id;
COMMENT ON VIEW teamrbac.audit_trail IS
	'What was done in the tenants in which whoever is asking has audit.view; a superuser sees all, definitions and users included. Order by tenant_id, sequence.';
COMMENT ON COLUMN teamrbac.audit_trail.tenant_id IS 'The tenant; for a superuser also a user, or the nil uuid for definitions.';
COMMENT ON COLUMN teamrbac.audit_trail.sequence IS 'Place in the tenant''s chain of events, from 1.';
COMMENT ON COLUMN teamrbac.audit_trail.occurred_at IS 'When.';
COMMENT ON COLUMN teamrbac.audit_trail.actor IS 'Who, for people.';
COMMENT ON COLUMN teamrbac.audit_trail.action IS 'What, such as member.removed; direct.* for a change of a table by hand.';
COMMENT ON COLUMN teamrbac.audit_trail.subject IS 'What it was done to, such as member:<user_id>.';
COMMENT ON COLUMN teamrbac.audit_trail.before IS 'What it was.';
COMMENT ON COLUMN teamrbac.audit_trail.after IS 'What it has become.';
COMMENT ON COLUMN teamrbac.audit_trail.actor_kind IS 'user, api_key or database_role.';
COMMENT ON COLUMN teamrbac.audit_trail.actor_id IS 'The user or the key; NULL for a database role.';
COMMENT ON COLUMN teamrbac.audit_trail.session_role IS 'The database role that had logged in.';
COMMENT ON COLUMN teamrbac.audit_trail.application_name IS 'What the client called itself.';
GRANT SELECT ON teamrbac.audit_trail TO PUBLIC;

COMMENT ON PROCEDURE teamrbac.change_role(uuid, uuid, text, boolean) IS
	'Gives a member another role, obeyed by every statement that starts after the commit. API keys that they made stay, unless revoke_keys: then all of them are revoked, which needs api_keys.manage. Needs team.manage, and every permission of the old and of the new role. Errors: 42501 not allowed, or owner; P0002 not a member; 22023 unknown role; 28000 nobody signed in. Locks the tenant''s row.';
COMMENT ON PROCEDURE teamrbac.remove_member(uuid, uuid, boolean) IS
	'Ends a membership, obeyed by every statement that starts after the commit. API keys that they made stay, unless revoke_keys: then all of them are revoked, which needs api_keys.manage. Needs team.manage, and every permission of the member''s role. Errors: 42501 not allowed, or the Owner; P0002 not a member; 28000 nobody signed in. Locks the tenant''s row.';
COMMENT ON COLUMN teamrbac.team.tenant_id IS 'A tenant of the signed-in user.';
COMMENT ON COLUMN teamrbac.team.user_id IS 'A member of it.';
COMMENT ON COLUMN teamrbac.team.display_name IS 'Their name.';
COMMENT ON COLUMN teamrbac.team.email IS 'Their address: one''s own, and all with team.manage.';
COMMENT ON COLUMN teamrbac.team.role IS 'What they are there.';
COMMENT ON COLUMN teamrbac.team.joined_at IS 'When they became a member.';
COMMENT ON COLUMN teamrbac.team.expires_at IS 'When the membership ends by itself; NULL: never.';

COMMENT ON PROCEDURE teamrbac.transfer_ownership(uuid, uuid) IS
	'The Owner hands the tenant to an Admin and becomes an Admin; permanent. Errors: 42501 not the Owner; P0002 the other is not a member; 55000 not an Admin, about to expire, or disabled; 28000 no user signed in. Locks the tenant''s row, then the new Owner''s.';
COMMENT ON PROCEDURE teamrbac.delete_tenant(uuid, text) IS
	'Ends all access to a tenant, obeyed by every statement that starts after the commit; its rows stay for teamrbac.deleted_tenant_retention. Needs tenant.delete. Errors: 22023 confirm_name is not the tenant''s name; 42501 not allowed; 28000 nobody signed in. Locks the tenant''s row.';
COMMENT ON PROCEDURE teamrbac.restore_tenant(uuid) IS
	'Undoes delete_tenant within teamrbac.deleted_tenant_retention; warns if the Owner was disabled meanwhile. Errors: P0002 no such tenant; 55000 not deleted, or deleted too long ago. For the DBA. Locks the tenant''s row, then the Owner''s.';
COMMENT ON PROCEDURE teamrbac.assign_owner(uuid, uuid) IS
	'Makes a user the Owner of a tenant, member or not; the previous Owner becomes an Admin. For a superuser, when the only Owner is gone. Errors: P0002 no such tenant; 22023 unknown or disabled user; 55000 they are the Owner already. Locks the tenant''s row, then the user''s.';
COMMENT ON PROCEDURE teamrbac.disable_user(uuid) IS
	'Ends a user''s access everywhere, obeyed by every statement that starts after the commit; memberships and keys stay. Errors: P0002 no such user; 55000 disabled already, or the Owner of a tenant. Trusted, as register_user is. Locks the user''s row, which whoever makes the user an Owner locks after the tenant''s.';
COMMENT ON PROCEDURE teamrbac.enable_user(uuid) IS
	'Undoes disable_user. Errors: P0002 no such user; 55000 not disabled. Trusted, as register_user is. Locks the user''s row.';

-- Mail to be sent.  Commands queue it in their own transaction, senders claim it: teamrbac-mailer, or a program
-- of the application's.

CREATE TYPE teamrbac.mail_kind AS ENUM
	('invitation', 'invitation_resent', 'role_changed', 'removed', 'ownership_transferred');
COMMENT ON TYPE teamrbac.mail_kind IS 'What a mail says; the sender has a template for each.';

CREATE TABLE teamrbac.outbox (
	tenant_id       uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	mail_id         uuid NOT NULL,
	kind            teamrbac.mail_kind NOT NULL,
	recipient       teamrbac.email_address NOT NULL,
	invitation_id   uuid,
	token           text,
	fields          jsonb NOT NULL DEFAULT '{}',
	created_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	attempts        integer NOT NULL DEFAULT 0,
	next_attempt_at timestamptz DEFAULT pg_catalog.clock_timestamp(),
	claimed_by      text,
	sent_at         timestamptz,
	failed_at       timestamptz,
	withdrawn_at    timestamptz,
	last_error      text,
	PRIMARY KEY (tenant_id, mail_id),
	CONSTRAINT outbox_fields CHECK (pg_catalog.jsonb_typeof(fields) OPERATOR(pg_catalog.=) 'object'),
	CONSTRAINT outbox_done CHECK
		((next_attempt_at IS NULL) OPERATOR(pg_catalog.=) (pg_catalog.num_nonnulls(sent_at, failed_at, withdrawn_at) OPERATOR(pg_catalog.>) 0)),
	CONSTRAINT outbox_token_unsent CHECK (token IS NULL OR next_attempt_at IS NOT NULL)
);
CREATE INDEX outbox_mail_idx ON teamrbac.outbox (mail_id);
CREATE INDEX outbox_due_idx ON teamrbac.outbox (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX outbox_invitation_idx ON teamrbac.outbox (tenant_id, invitation_id)
	WHERE next_attempt_at IS NOT NULL AND invitation_id IS NOT NULL;
CREATE INDEX outbox_failed_idx ON teamrbac.outbox (failed_at) WHERE failed_at IS NOT NULL;
COMMENT ON TABLE teamrbac.outbox IS
	'Mail, sent and unsent. Senders use claim_mail, mail_sent, mail_failed and mail_refused. Unsent mail is not dumped: a restored copy of a database never mails anybody.';
COMMENT ON COLUMN teamrbac.outbox.tenant_id IS 'The tenant whose team the mail is about.';
COMMENT ON COLUMN teamrbac.outbox.mail_id IS 'The same at each attempt: a receiver can tell a mail sent twice.';
COMMENT ON COLUMN teamrbac.outbox.kind IS 'What the mail says.';
COMMENT ON COLUMN teamrbac.outbox.recipient IS 'Whom it goes to, as the address was when it was queued.';
COMMENT ON COLUMN teamrbac.outbox.invitation_id IS 'The invitation that it is about, if any.';
COMMENT ON COLUMN teamrbac.outbox.created_at IS 'When it was queued.';
COMMENT ON COLUMN teamrbac.outbox.sent_at IS 'When a mail server took it.';
COMMENT ON CONSTRAINT outbox_fields ON teamrbac.outbox IS 'Templates look names up in it.';
COMMENT ON CONSTRAINT outbox_done ON teamrbac.outbox IS 'Unsent, or one of sent, given up and withdrawn.';
COMMENT ON CONSTRAINT outbox_token_unsent ON teamrbac.outbox IS 'A secret stays no longer than it must.';
COMMENT ON COLUMN teamrbac.outbox.token IS 'The secret of an invitation, here only until the mail is sent, given up or withdrawn.';
COMMENT ON COLUMN teamrbac.outbox.fields IS 'What the template may say besides the tenant''s name: role, inviter, ...';
COMMENT ON COLUMN teamrbac.outbox.attempts IS 'How often the mail was claimed.';
COMMENT ON COLUMN teamrbac.outbox.next_attempt_at IS 'When the mail may be claimed: due, end of a lease, or end of a back-off; NULL once sent, given up or withdrawn.';
COMMENT ON COLUMN teamrbac.outbox.claimed_by IS 'The session that claimed it last, in the form of log_line_prefix %c; NULL once it has reported.';
COMMENT ON COLUMN teamrbac.outbox.failed_at IS 'When it was given up; last_error says why.';
COMMENT ON COLUMN teamrbac.outbox.withdrawn_at IS 'When its invitation ended before the mail was sent.';
COMMENT ON COLUMN teamrbac.outbox.last_error IS 'What the last failed attempt reported, at most 500 characters.';
COMMENT ON INDEX teamrbac.outbox_mail_idx IS 'Answers mail_sent, mail_failed and mail_refused.';
COMMENT ON INDEX teamrbac.outbox_due_idx IS 'Answers claim_mail.';
COMMENT ON INDEX teamrbac.outbox_invitation_idx IS 'Finds the unsent mail of an invitation that has ended.';
COMMENT ON INDEX teamrbac.outbox_failed_idx IS 'Finds the mail that was given up.';

ALTER TABLE teamrbac.outbox ENABLE ROW LEVEL SECURITY;

-- No token, and nothing that a sender of the restored database could send a second time.
SELECT pg_catalog.pg_extension_config_dump('teamrbac.outbox', 'WHERE next_attempt_at IS NULL');

CREATE FUNCTION teamrbac.claim_mail(batch integer DEFAULT 10, lease interval DEFAULT '5 minutes',
		OUT mail_id uuid, OUT kind text, OUT recipient text, OUT tenant_id uuid, OUT tenant_name text,
		OUT invitation_id uuid, OUT token text, OUT fields jsonb, OUT attempt integer, OUT created_at timestamptz)
	RETURNS SETOF record
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 10 AS 'MODULE_PATHNAME', 'teamrbac_claim_mail';
COMMENT ON FUNCTION teamrbac.claim_mail(integer, interval) IS
	'Hands out at most batch mails that are due, and to nobody else before the lease ends: commit, send each, then report by mail_sent, mail_failed or mail_refused. A mail whose sender died is handed out again, with the same mail_id: make the Message-ID of it. Mail of deleted tenants waits. LISTEN teamrbac_outbox tells of new mail. Errors: 22023 batch not within 1 and 1000, or lease not positive. For the mailer''s role, which needs EXECUTE and nothing else. Locks the rows, skips those that others have locked.';
CREATE FUNCTION teamrbac.mail_sent(mail_id uuid) RETURNS boolean
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_mail_sent';
COMMENT ON FUNCTION teamrbac.mail_sent(uuid) IS
	'The mail was sent; its token is wiped. Returns false, and changes nothing, if that was known already or there is no such mail. Errors: 22023 NULL. For the mailer''s role. Locks the row.';
CREATE FUNCTION teamrbac.mail_failed(mail_id uuid, reason text) RETURNS boolean
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_mail_failed';
COMMENT ON FUNCTION teamrbac.mail_failed(uuid, text) IS
	'The mail could not be sent now: it is due again after 1, 2, 4, ... minutes, 6 hours at most, and given up after teamrbac.mail_max_attempts attempts, its token wiped. If another session has claimed it since, that one''s lease stands. Returns whether the mail will be tried again; false, and changes nothing, if it was sent, given up or withdrawn meanwhile. Errors: 22023 NULL. For the mailer''s role. Locks the row.';
CREATE FUNCTION teamrbac.mail_refused(mail_id uuid, reason text) RETURNS boolean
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_mail_refused';
COMMENT ON FUNCTION teamrbac.mail_refused(uuid, text) IS
	'The mail can never be sent (no such mailbox, ...): it is given up at once, its token wiped. Returns false. Errors: 22023 NULL. For the mailer''s role. Locks the row.';

REVOKE ALL ON FUNCTION teamrbac.claim_mail(integer, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.mail_sent(uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.mail_failed(uuid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.mail_refused(uuid, text) FROM PUBLIC;

-- Invitations, from the one that is sent to the one that is accepted, or isn't.

CREATE TYPE teamrbac.invitation_state AS ENUM ('pending', 'accepted', 'declined', 'cancelled', 'expired');
COMMENT ON TYPE teamrbac.invitation_state IS
	'What became of an invitation. One that is pending has expired as soon as its time is over, whether or not any job has marked it.';

CREATE TABLE teamrbac.invitation (
	tenant_id             uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	invitation_id         uuid NOT NULL,
	email                 teamrbac.email_address NOT NULL,
	role                  teamrbac.role_name NOT NULL,
	membership_expires_at timestamptz,
	invited_by            uuid NOT NULL,
	token_hash            bytea NOT NULL,
	invited_at            timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	expires_at            timestamptz NOT NULL,
	state                 teamrbac.invitation_state NOT NULL DEFAULT 'pending',
	decided_at            timestamptz,
	accepted_by           uuid,
	pending_role          teamrbac.role_name REFERENCES teamrbac.role
		GENERATED ALWAYS AS (CASE WHEN state OPERATOR(pg_catalog.=) 'pending' THEN role END) STORED,
	PRIMARY KEY (tenant_id, invitation_id),
	CONSTRAINT invitation_owner_never CHECK (role OPERATOR(pg_catalog.<>) 'owner'),
	CONSTRAINT invitation_token_hash CHECK (pg_catalog.octet_length(token_hash) OPERATOR(pg_catalog.=) 32),
	CONSTRAINT invitation_decided CHECK
		((state OPERATOR(pg_catalog.=) 'pending') OPERATOR(pg_catalog.=) (decided_at IS NULL)),
	CONSTRAINT invitation_accepted CHECK
		((state OPERATOR(pg_catalog.=) 'accepted') OPERATOR(pg_catalog.=) (accepted_by IS NOT NULL))
);
CREATE UNIQUE INDEX invitation_one_pending ON teamrbac.invitation (tenant_id, pg_catalog.lower(email::text))
	WHERE state OPERATOR(pg_catalog.=) 'pending';
CREATE INDEX invitation_id_idx ON teamrbac.invitation (invitation_id);
CREATE INDEX invitation_token_idx ON teamrbac.invitation (token_hash);
CREATE INDEX invitation_sender_idx ON teamrbac.invitation (tenant_id, invited_by)
	WHERE state OPERATOR(pg_catalog.=) 'pending';
CREATE INDEX invitation_expires_idx ON teamrbac.invitation (expires_at)
	WHERE state OPERATOR(pg_catalog.=) 'pending';
CREATE INDEX invitation_role_idx ON teamrbac.invitation (pending_role)
	WHERE pending_role OPERATOR(pg_catalog.<>) ALL (ARRAY['reader', 'developer', 'admin', 'owner']);
COMMENT ON TABLE teamrbac.invitation IS
	'Who was invited into which tenant, by whom, and what came of it. Change it by invite_member and its like.';
COMMENT ON COLUMN teamrbac.invitation.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN teamrbac.invitation.invitation_id IS 'As the commands on it take it.';
COMMENT ON COLUMN teamrbac.invitation.role IS 'What the invitee will be there.';
COMMENT ON COLUMN teamrbac.invitation.invited_at IS 'When it was sent first.';
COMMENT ON COLUMN teamrbac.invitation.state IS 'What became of it; expires_at counts as well.';
COMMENT ON COLUMN teamrbac.invitation.accepted_by IS 'The user who joined.';
COMMENT ON CONSTRAINT invitation_owner_never ON teamrbac.invitation IS 'Ownership is transferred, never given by invitation.';
COMMENT ON CONSTRAINT invitation_token_hash ON teamrbac.invitation IS 'A SHA-256, not the token itself.';
COMMENT ON CONSTRAINT invitation_decided ON teamrbac.invitation IS 'Pending until decided.';
COMMENT ON CONSTRAINT invitation_accepted ON teamrbac.invitation IS 'Somebody accepted, or it is not accepted.';
COMMENT ON INDEX teamrbac.invitation_id_idx IS 'Answers the commands on an invitation.';
COMMENT ON INDEX teamrbac.invitation_token_idx IS 'Answers peek_invitation, accept_invitation and decline_invitation.';
COMMENT ON COLUMN teamrbac.invitation.email IS 'As it was given; compared lower-cased with the invitee''s.';
COMMENT ON COLUMN teamrbac.invitation.membership_expires_at IS 'When the membership will end by itself; NULL: never.';
COMMENT ON COLUMN teamrbac.invitation.invited_by IS
	'Whoever sent it, or sent it again last: it works for as long as they may give its role. No reference, since it outlives them.';
COMMENT ON COLUMN teamrbac.invitation.token_hash IS 'SHA-256 of the token, which is in the mail alone.';
COMMENT ON COLUMN teamrbac.invitation.expires_at IS 'From then on it is refused.';
COMMENT ON COLUMN teamrbac.invitation.decided_at IS 'When it ceased to be pending.';
COMMENT ON COLUMN teamrbac.invitation.pending_role IS
	'The role, while it is pending: only then does it keep the role from being dropped.';
COMMENT ON INDEX teamrbac.invitation_one_pending IS 'One pending invitation for an address and tenant.';
COMMENT ON INDEX teamrbac.invitation_sender_idx IS 'Answers the removal and demotion of whoever sent them.';
COMMENT ON INDEX teamrbac.invitation_expires_idx IS 'Answers expire_invitations.';
COMMENT ON INDEX teamrbac.invitation_role_idx IS 'Answers drop_role; the built-in roles are never dropped.';

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.invitation REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('invitation', 'invitation_id');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.invitation REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('invitation', 'invitation_id');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.invitation REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('invitation', 'invitation_id');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.invitation
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('invitation', 'invitation_id');

ALTER TABLE teamrbac.invitation ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('teamrbac.invitation', '');

CREATE FUNCTION teamrbac.invite_member(tenant_id uuid, email text, role text, membership_expires_at timestamptz DEFAULT NULL,
		OUT invitation_id uuid, OUT token text, OUT expires_at timestamptz)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_invite_member';
COMMENT ON FUNCTION teamrbac.invite_member(uuid, text, text, timestamptz, OUT uuid, OUT text, OUT timestamptz) IS
	'Invites an e-mail address into the tenant, and queues the mail with the token, which is returned this once and not stored. Good for teamrbac.invitation_lifetime. Needs team.manage, and every permission of the role. Errors: 42501 not allowed, or owner; 22023 malformed address, unknown role, membership_expires_at not in the future; 23505 a member already, or invited already; 55000 as many pending invitations as teamrbac.max_pending_invitations; 28000 nobody signed in. Locks the tenant''s row.';
CREATE FUNCTION teamrbac.resend_invitation(invitation_id uuid, OUT token text, OUT expires_at timestamptz)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_resend_invitation';
COMMENT ON FUNCTION teamrbac.resend_invitation(uuid, OUT text, OUT timestamptz) IS
	'Sends a pending or expired invitation again, with a new token and all its time; the old token is dead. From now on it depends on the authority of whoever sent it again. Needs team.manage, and every permission of the role. Errors: 42501 not allowed, or no such invitation; 55000 accepted, declined or cancelled, or too many are pending; 23505 a member by now, or invited anew; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.cancel_invitation(invitation_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_cancel_invitation';
COMMENT ON PROCEDURE teamrbac.cancel_invitation(uuid) IS
	'Takes a pending invitation back; a mail not yet sent is not sent. Needs team.manage, and every permission of the role. Errors: 42501 not allowed, or no such invitation; 55000 no longer pending; 28000 nobody signed in. Locks the tenant''s row.';

CREATE FUNCTION teamrbac.peek_invitation(token text, OUT tenant_name text, OUT role text, OUT email text,
		OUT state teamrbac.invitation_state, OUT expires_at timestamptz)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_peek_invitation';
COMMENT ON FUNCTION teamrbac.peek_invitation(text, OUT text, OUT text, OUT text, OUT teamrbac.invitation_state, OUT timestamptz) IS
	'What a token is for, for the page behind the link; changes nothing and needs nobody signed in, so that a link scanner burns no token. state is what accept_invitation would find now: cancelled also where whoever sent it may no longer give the role, expired also where the membership offered would be over. Errors: P0002 unknown token, as an old one is once the invitation was sent again.';
CREATE FUNCTION teamrbac.accept_invitation(token text, OUT tenant_id uuid, OUT role text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_accept_invitation';
COMMENT ON FUNCTION teamrbac.accept_invitation(text, OUT uuid, OUT text) IS
	'The signed-in user, whose e-mail address was invited, joins the tenant. Repeated by the same user while they are a member, it answers the same. Errors: P0002 unknown token; 42501 invited is somebody else; 55000 expired, cancelled, declined or accepted already, or whoever sent it may no longer give the role; 23505 a member already, whose role stays; 28000 no user signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.decline_invitation(token text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_decline_invitation';
COMMENT ON PROCEDURE teamrbac.decline_invitation(text) IS
	'The signed-in user, whose e-mail address was invited, does not want to join. Errors: P0002 unknown token; 42501 invited is somebody else; 55000 no longer pending; 28000 no user signed in. Locks the tenant''s row.';

CREATE VIEW teamrbac.pending_invitation WITH (security_barrier = true) AS
	SELECT i.tenant_id,
		   i.invitation_id,
		   i.email::text AS email,
		   i.role::text AS role,
		   u.display_name AS invited_by,
		   i.expires_at
	FROM teamrbac.invitation AS i
	LEFT JOIN teamrbac.app_user AS u ON u.user_id OPERATOR(pg_catalog.=) i.invited_by
	WHERE teamrbac.has_permission(i.tenant_id, 'team.manage')
	  AND i.state OPERATOR(pg_catalog.=) 'pending'
	  AND i.expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp();
COMMENT ON VIEW teamrbac.pending_invitation IS
	'The invitations that are pending, of the tenants in which whoever is asking has team.manage. Expired ones are not among them; one whose sender has lost the authority for it is, for somebody else to send again.';
COMMENT ON COLUMN teamrbac.pending_invitation.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN teamrbac.pending_invitation.invitation_id IS 'As the commands on it take it.';
COMMENT ON COLUMN teamrbac.pending_invitation.email IS 'Who is invited.';
COMMENT ON COLUMN teamrbac.pending_invitation.role IS 'What they will be there.';
COMMENT ON COLUMN teamrbac.pending_invitation.invited_by IS 'The name of whoever sent it last; NULL: deleted.';
COMMENT ON COLUMN teamrbac.pending_invitation.expires_at IS 'From then on it is refused.';
GRANT SELECT ON teamrbac.pending_invitation TO PUBLIC;

-- As in 90_maintenance.sql: the procedure commits, and so runs as whoever calls it.
CREATE FUNCTION teamrbac.expire_invitation_batch(batch_size integer) RETURNS bigint
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_expire_invitation_batch';
COMMENT ON FUNCTION teamrbac.expire_invitation_batch(integer) IS
	'Internal to expire_invitations: marks at most batch_size invitations that are due, and returns how many. Errors: 22023 batch_size not positive. Locks the tenants'' rows, skips those that others have locked.';
REVOKE ALL ON FUNCTION teamrbac.expire_invitation_batch(integer) FROM PUBLIC;

CREATE PROCEDURE teamrbac.expire_invitations(batch_size integer DEFAULT 1000)
	LANGUAGE plpgsql
AS $$
BEGIN
	LOOP
		EXIT WHEN teamrbac.expire_invitation_batch(batch_size) OPERATOR(pg_catalog.=) 0;
		COMMIT;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE teamrbac.expire_invitations(integer) IS
	'Marks the invitations as expired whose time is over, batch_size in a transaction. For a scheduler; nothing depends on it, since they are refused anyway. Errors: 22023 batch_size not positive. Never waits for a tenant: one that a command has locked is left for the next run.';
REVOKE ALL ON PROCEDURE teamrbac.expire_invitations(integer) FROM PUBLIC;

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
	role_in_use   teamrbac.role_name GENERATED ALWAYS AS (CASE WHEN revoked_at IS NULL THEN role END) STORED
		REFERENCES teamrbac.role,
	PRIMARY KEY (tenant_id, key_id),
	CONSTRAINT api_key_name CHECK
		(name OPERATOR(pg_catalog.~) '^[^[:cntrl:]]+$' AND pg_catalog.char_length(name) OPERATOR(pg_catalog.<=) 200),
	CONSTRAINT api_key_permissions CHECK
		(pg_catalog.cardinality(permissions) OPERATOR(pg_catalog.>) 0
		 AND pg_catalog.array_position(permissions, NULL) IS NULL),
	CONSTRAINT api_key_secret_hash CHECK (pg_catalog.octet_length(secret_hash) OPERATOR(pg_catalog.=) 32),
	CONSTRAINT api_key_revoked CHECK (revoked_at IS NOT NULL OR revoked_by IS NULL AND revoke_reason IS NULL)
);
-- Not unique: where the table is distributed by tenant_id, uniqueness could not be enforced.
CREATE INDEX api_key_key_id_idx ON teamrbac.api_key (key_id);
CREATE UNIQUE INDEX api_key_active_name ON teamrbac.api_key (tenant_id, name)
	WHERE revoked_at IS NULL AND replaced_by IS NULL;
CREATE INDEX api_key_created_by_idx ON teamrbac.api_key (tenant_id, created_by) WHERE revoked_at IS NULL;
CREATE INDEX api_key_role_idx ON teamrbac.api_key (role_in_use)
	WHERE role_in_use OPERATOR(pg_catalog.<>) ALL (ARRAY['reader', 'developer', 'admin', 'owner']);
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
COMMENT ON CONSTRAINT api_key_name ON teamrbac.api_key IS 'Fit to be printed: 1 to 200 characters, no control characters.';
COMMENT ON CONSTRAINT api_key_permissions ON teamrbac.api_key IS 'A key narrowed to nothing would be none.';
COMMENT ON CONSTRAINT api_key_secret_hash ON teamrbac.api_key IS 'A SHA-256, not the secret itself.';
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
COMMENT ON INDEX teamrbac.api_key_created_by_idx IS 'Answers the revocation of all keys of a member.';
COMMENT ON INDEX teamrbac.api_key_role_idx IS 'Answers drop_role; the built-in roles are never dropped.';

-- A table of its own, so that noting a use neither waits for a command on the key nor makes it wait.
CREATE TABLE teamrbac.api_key_use (
	tenant_id    uuid NOT NULL,
	key_id       uuid NOT NULL,
	last_used_at timestamptz,
	PRIMARY KEY (tenant_id, key_id),
	FOREIGN KEY (tenant_id, key_id) REFERENCES teamrbac.api_key ON DELETE CASCADE
) WITH (fillfactor = 50);
COMMENT ON TABLE teamrbac.api_key_use IS
	'When each API key was last used: one row per key, written without triggers, at most once in teamrbac.key_use_granularity, and only by transactions that commit and may write.';

COMMENT ON COLUMN teamrbac.api_key_use.tenant_id IS 'The key''s tenant.';
COMMENT ON COLUMN teamrbac.api_key_use.key_id IS 'The key.';
COMMENT ON COLUMN teamrbac.api_key_use.last_used_at IS 'When it signed in last, give or take the granularity; NULL: never.';

CREATE TRIGGER signal_change
	AFTER INSERT OR UPDATE OF tenant_id, key_id, role, permissions, expires_at, revoked_at OR DELETE ON teamrbac.api_key
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('api_keys_changed');
ALTER TABLE teamrbac.api_key ENABLE ALWAYS TRIGGER signal_change;

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
	'Makes an API key; the secret is shown this once. It may do what its role may and keys may at all, narrowed to permissions unless NULL, until expires_at, NULL for ever. Needs api_keys.manage or api_keys.create_personal, and every permission of the role. Errors: 42501 not allowed, also for an API key; 22023 malformed name, unknown role, permission unknown, not the role''s or for people only, time not in the future; 23505 an active key has the name; 28000 nobody signed in. Locks the tenant''s row.';
CREATE FUNCTION teamrbac.rotate_api_key(key_id uuid, overlap interval DEFAULT '0', OUT key_id uuid, OUT secret text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_rotate_api_key';
COMMENT ON FUNCTION teamrbac.rotate_api_key(uuid, interval) IS
	'Replaces an API key by a new one of the same name, role, permissions and expiry, which belongs to whoever rotates it. The old one works on for overlap; by default it is revoked at once. Needs api_keys.manage, or to be a member who made the key, and every permission of its role. Errors: 42501 not allowed, or no such key; 55000 revoked, expired or rotated already; 22023 negative overlap; 28000 nobody signed in. Locks the tenant''s row.';
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

CREATE FUNCTION teamrbac.sign_in_with_api_key(secret text, local boolean DEFAULT true, OUT tenant_id uuid, OUT key_id uuid, OUT role text)
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_sign_in_with_api_key';
COMMENT ON FUNCTION teamrbac.sign_in_with_api_key(text, boolean) IS
	'The transaction (local, the default) or the session acts as this API key from now on; ROLLBACK takes it back. Errors: 28000, the same for a key that is unknown, malformed, revoked or expired, or whose tenant is deleted. Notes when the key was last used, without waiting for any lock, where the transaction may write; works on a standby. Pass the secret as a parameter, lest the statement in a log show it.';

CREATE VIEW teamrbac.api_key_overview WITH (security_barrier = true) AS
	SELECT k.tenant_id,
		   k.key_id,
		   k.name,
		   k.role::text AS role,
		   k.permissions,
		   CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked'
				WHEN k.expires_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp() THEN 'expired'
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
		   k.revoke_reason
	FROM (SELECT mine.tenant_id, teamrbac.has_permission(mine.tenant_id, 'api_keys.manage') AS manages
		  FROM teamrbac.my_tenants() AS mine) AS mine
	JOIN teamrbac.api_key AS k ON k.tenant_id OPERATOR(pg_catalog.=) mine.tenant_id
	LEFT JOIN teamrbac.api_key_use AS used
		   ON used.tenant_id OPERATOR(pg_catalog.=) k.tenant_id AND used.key_id OPERATOR(pg_catalog.=) k.key_id
	LEFT JOIN teamrbac.app_user AS u ON u.user_id OPERATOR(pg_catalog.=) k.created_by
	WHERE teamrbac.current_user_id() IS NOT NULL
	  AND (mine.manages OR k.created_by OPERATOR(pg_catalog.=) teamrbac.current_user_id());
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
GRANT SELECT ON teamrbac.api_key_overview TO PUBLIC;

-- The regular review of a team: who has access without needing it, and what hangs by one thread.

-- All findings of a tenant, or of all of them.  Whoever is to be removed, and what is to be revoked, has one
-- finding, so that the remedies can be run one after the other.
CREATE FUNCTION teamrbac.review_tenants(only_tenant uuid, OUT tenant_id uuid, OUT finding text, OUT severity text, OUT subject text, OUT detail text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH today AS (
		SELECT now() AS time, (now() AT TIME ZONE 'UTC')::date AS day, 90 AS unused_days, 14 AS notice_days
	), member AS MATERIALIZED (
		SELECT m.tenant_id, m.user_id, m.role::text AS role, m.expires_at, u.disabled_at,
			   format('%s <%s>', u.display_name, u.email) AS subject,
			   COALESCE('last active on ' || to_char(a.last_active_on, 'YYYY-MM-DD'), 'never signed in, joined on ' || to_char(m.joined_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')) AS activity,
			   GREATEST(a.last_active_on, (m.joined_at AT TIME ZONE 'UTC')::date) AS last_seen,
			   -- A database role of their own signs nobody in.
			   EXISTS (SELECT FROM teamrbac.database_role AS d WHERE d.user_id = m.user_id) AS is_mapped,
			   EXISTS (SELECT FROM teamrbac.role_permission AS rp WHERE rp.role = m.role AND rp.permission = 'team.manage') AS manages
		FROM teamrbac.membership AS m
		JOIN teamrbac.tenant AS t ON t.tenant_id = m.tenant_id AND t.deleted_at IS NULL
		JOIN teamrbac.app_user AS u ON u.user_id = m.user_id
		LEFT JOIN teamrbac.user_activity AS a ON a.user_id = m.user_id
		WHERE (only_tenant IS NULL OR m.tenant_id = only_tenant) AND (m.expires_at IS NULL OR m.expires_at > now())
	), judged AS MATERIALIZED (
		SELECT m.*, NOT m.is_mapped AND m.last_seen < t.day - t.unused_days AS unused, m.disabled_at IS NOT NULL AS disabled
		FROM member AS m, today AS t
	), staying AS (
		SELECT j.* FROM judged AS j WHERE NOT j.unused AND NOT j.disabled
	), team AS (
		SELECT j.tenant_id, count(s.user_id) FILTER (WHERE s.manages) AS managers,
			   string_agg(s.subject, ', ') FILTER (WHERE s.manages) AS manager,
			   (array_agg(s.user_id ORDER BY s.last_seen DESC, s.user_id) FILTER (WHERE NOT s.manages AND s.expires_at IS NULL))[1] AS heir,
			   (array_agg(s.user_id ORDER BY s.last_seen DESC, s.user_id) FILTER (WHERE s.role = 'admin' AND s.expires_at IS NULL))[1] AS admin
		FROM judged AS j LEFT JOIN staying AS s ON s.tenant_id = j.tenant_id AND s.user_id = j.user_id
		GROUP BY j.tenant_id
	), key AS MATERIALIZED (
		SELECT k.tenant_id, k.key_id, k.role::text AS role, k.expires_at, k.name, k.replaced_by, k.created_at,
			   format('API key "%s"', k.name) AS subject, COALESCE(u.display_name, 'a deleted user') AS creator,
			   COALESCE('last used ' || to_char(used.last_used_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'never used, made ' || to_char(k.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')) AS use,
			   GREATEST(used.last_used_at, k.created_at) < t.time - make_interval(days => t.unused_days) AS unused,
			   m.user_id IS NULL AS orphaned,
			   m.user_id IS NOT NULL AND EXISTS (
					SELECT FROM teamrbac.role_permission AS kp
					JOIN teamrbac.permission AS p ON p.permission = kp.permission AND p.grantable_to_keys
					WHERE kp.role = k.role AND (k.permissions IS NULL OR kp.permission = ANY (k.permissions))
					  AND NOT EXISTS (SELECT FROM teamrbac.role_permission AS mp WHERE mp.role = m.role AND mp.permission = kp.permission)) AS exceeds,
			   lower(k.name) ~ '^(my|new|old|the|a|temp|tmp|test|dev|prod)?[ _-]*(api)?[ _-]*(key|token|secret|test|testing|temp|tmp|default|foo|bar|baz|asdf|untitled|unnamed|new|name|api|app|prod|dev)?[ _-]*[0-9]*$'
					OR char_length(k.name) < 4 AS vague
		FROM teamrbac.api_key AS k
		JOIN teamrbac.tenant AS tenant ON tenant.tenant_id = k.tenant_id AND tenant.deleted_at IS NULL
		LEFT JOIN teamrbac.api_key_use AS used ON used.tenant_id = k.tenant_id AND used.key_id = k.key_id
		LEFT JOIN teamrbac.app_user AS u ON u.user_id = k.created_by
		LEFT JOIN staying AS m ON m.tenant_id = k.tenant_id AND m.user_id = k.created_by
		CROSS JOIN today AS t
		WHERE (only_tenant IS NULL OR k.tenant_id = only_tenant)
		  AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > t.time)
	)
	SELECT j.tenant_id, 'unused member', CASE WHEN j.manages THEN 'warning' ELSE 'notice' END, j.subject, format('%s; %s', j.role, j.activity),
		   CASE WHEN j.role <> 'owner' THEN format('CALL teamrbac.remove_member(%L, %L)', j.tenant_id, j.user_id)
				-- By a superuser.  Where nobody else is active, nobody needs the tenant.
				WHEN COALESCE(team.admin, team.heir) IS NOT NULL THEN format('CALL teamrbac.assign_owner(%L, %L)', j.tenant_id, COALESCE(team.admin, team.heir))
				ELSE format('CALL teamrbac.delete_tenant(%L, %L)', j.tenant_id, (SELECT t.name FROM teamrbac.tenant AS t WHERE t.tenant_id = j.tenant_id)) END
	FROM judged AS j JOIN team ON team.tenant_id = j.tenant_id WHERE j.unused AND NOT j.disabled
	UNION ALL
	SELECT j.tenant_id, 'disabled member', 'notice', j.subject, format('%s; disabled on %s', j.role, to_char(j.disabled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')),
		   format('CALL teamrbac.remove_member(%L, %L)', j.tenant_id, j.user_id)
	FROM judged AS j WHERE j.disabled AND j.role <> 'owner'
	UNION ALL
	SELECT team.tenant_id, 'single manager', 'warning', COALESCE(team.manager, 'nobody'), 'nobody else who is active may manage the team',
		   CASE WHEN team.heir IS NOT NULL THEN format('CALL teamrbac.change_role(%L, %L, %L)', team.tenant_id, team.heir, 'admin')
				ELSE format('SELECT * FROM teamrbac.invite_member(%L, %L, %L)', team.tenant_id, 'somebody@example.com', 'admin') END
	FROM team WHERE team.managers < 2
	UNION ALL
	SELECT m.tenant_id, 'membership about to expire', 'notice', m.subject, format('%s; ends %s', m.role, to_char(m.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')),
		   format('CALL teamrbac.set_membership_expiry(%L, %L, %L)', m.tenant_id, m.user_id, to_char((m.expires_at + interval '90 days') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS+00'))
	FROM staying AS m, today AS t WHERE m.expires_at < t.time + make_interval(days => t.notice_days)
	UNION ALL
	SELECT k.tenant_id, v.finding, v.severity, k.subject, format('%s, by %s; %s', k.role, k.creator, k.use),
		   format('CALL teamrbac.revoke_api_key(%L, %L)', k.key_id, v.finding)
	FROM key AS k, LATERAL (SELECT CASE WHEN k.orphaned THEN 'key of a former member' WHEN k.exceeds THEN 'key beyond its creator' ELSE 'unused key' END,
								   CASE WHEN k.orphaned OR k.exceeds THEN 'warning' ELSE 'notice' END) AS v(finding, severity)
	WHERE k.orphaned OR k.exceeds OR k.unused
	UNION ALL
	SELECT k.tenant_id, 'key without expiry', 'notice', k.subject, format('%s, by %s; %s', k.role, k.creator, k.use),
		   format('CALL teamrbac.set_api_key_expiry(%L, %L)', k.key_id, to_char((t.time + interval '1 year') AT TIME ZONE 'UTC', 'YYYY-MM-DD 00:00:00+00'))
	FROM key AS k, today AS t
	WHERE k.expires_at IS NULL AND k.replaced_by IS NULL AND NOT (k.orphaned OR k.exceeds OR k.unused)
	UNION ALL
	SELECT k.tenant_id, 'vague key name', 'notice', k.subject, format('%s, by %s; %s', k.role, k.creator, k.use),
		   format('CALL teamrbac.rename_api_key(%L, %L)', k.key_id,
				  left(format('%s of %s, made %s, %s', k.role, k.creator, to_char(k.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), left(k.key_id::text, 8)), 200))
	FROM key AS k WHERE k.vague AND k.replaced_by IS NULL AND NOT (k.orphaned OR k.exceeds OR k.unused)
	UNION ALL
	SELECT i.tenant_id, 'pending invitation', CASE WHEN EXISTS (SELECT FROM teamrbac.role_permission AS rp WHERE rp.role = i.role AND rp.permission = 'team.manage') THEN 'warning' ELSE 'notice' END,
		   i.email::text, format('%s; invited %s, expires %s', i.role, to_char(i.invited_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), to_char(i.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')),
		   format('CALL teamrbac.cancel_invitation(%L)', i.invitation_id)
	FROM teamrbac.invitation AS i
	JOIN teamrbac.tenant AS tenant ON tenant.tenant_id = i.tenant_id AND tenant.deleted_at IS NULL
	WHERE (only_tenant IS NULL OR i.tenant_id = only_tenant) AND i.state = 'pending' AND i.expires_at > now()
	  -- The others are cancelled with their sender.
	  AND EXISTS (SELECT FROM staying AS s WHERE s.tenant_id = i.tenant_id AND s.user_id = i.invited_by);
$$;
COMMENT ON FUNCTION teamrbac.review_tenants(uuid, OUT uuid, OUT text, OUT text, OUT text, OUT text, OUT text) IS
	'Internal to access_review: the findings of a tenant; NULL: of all.';
REVOKE ALL ON FUNCTION teamrbac.review_tenants(uuid) FROM PUBLIC;

CREATE FUNCTION teamrbac.access_review(tenant_id uuid, OUT finding text, OUT severity text, OUT subject text, OUT detail text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 10 AS 'MODULE_PATHNAME', 'teamrbac_access_review';
COMMENT ON FUNCTION teamrbac.access_review(uuid, OUT text, OUT text, OUT text, OUT text, OUT text) IS
	'What to look at in a team: members not active for 90 days, or disabled; a single active manager; memberships that end within 14 days; API keys not used for 90 days, of former members, beyond what their creator may, without expiry or with a vague name; pending invitations. severity is warning or notice; remedy is a statement to run after reading it. Needs team.manage. Errors: 42501 not allowed, 28000 nobody signed in, 22023 tenant_id null. Takes no lock.';

CREATE FUNCTION teamrbac.access_review(OUT tenant_id uuid, OUT tenant text, OUT finding text, OUT severity text, OUT subject text, OUT detail text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 100
AS $$
	SELECT r.tenant_id, t.name, r.finding, r.severity, r.subject, r.detail, r.remedy || ';'
	FROM teamrbac.review_tenants(NULL) AS r JOIN teamrbac.tenant AS t ON t.tenant_id = r.tenant_id
	ORDER BY t.name, t.tenant_id, r.severity DESC, r.finding, r.subject, r.remedy;
$$;
COMMENT ON FUNCTION teamrbac.access_review(OUT uuid, OUT text, OUT text, OUT text, OUT text, OUT text, OUT text) IS
	'The review of all tenants that are not deleted. The remedies are for somebody who is signed in and may manage the tenant, but for assign_owner. For the DBA. Takes no lock.';
REVOKE ALL ON FUNCTION teamrbac.access_review() FROM PUBLIC;

-- What check_setup knows of the database around us.  These functions, and those of the next part, have a
-- search_path without any schema of ours or the application's: what the server prints of tables, policies and
-- triggers is then qualified, and can be run as it stands.

-- The policies of all tables, and what they ask.
CREATE FUNCTION teamrbac.setup_policy(OUT relation oid, OUT policy name, OUT permissive boolean, OUT for_public boolean, OUT asks boolean, OUT tenant_column smallint, OUT using_text text, OUT check_text text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.polrelid, p.polname, p.polpermissive, 0 = ANY (p.polroles),
		   EXISTS (SELECT FROM pg_depend AS d JOIN pg_proc AS f ON f.oid = d.refobjid
				   WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass
					 -- One of our functions, or one of the application's that calls ours.
					 AND (f.pronamespace = 'teamrbac'::regnamespace OR f.prosrc ~ '\mteamrbac\.')),
		   (SELECT CASE WHEN count(*) = 1 THEN min(d.refobjsubid) END::smallint FROM pg_depend AS d
			WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
			  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.polrelid AND d.refobjsubid > 0),
		   pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
	FROM pg_policy AS p;
$$;
COMMENT ON FUNCTION teamrbac.setup_policy() IS
	'Internal to check_setup: policies, whether they ask teamrbac, and the tenant''s column if one column alone is asked about.';

-- The tables of the application that hold rows of tenants: those whose policies ask about a column, that
-- reference teamrbac.tenant, or that have a uuid column with the name that is usual here.
CREATE FUNCTION teamrbac.setup_table(OUT relation oid, OUT name text, OUT owner oid, OUT tenant_column name, OUT column_number smallint, OUT not_null boolean, OUT is_reference boolean, OUT is_partition boolean, OUT enabled boolean, OUT forced boolean, OUT asks boolean)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH asking AS MATERIALIZED (
		SELECT p.relation, p.tenant_column FROM teamrbac.setup_policy() AS p WHERE p.asks
	), asked AS (
		SELECT DISTINCT a.relation, a.tenant_column FROM asking AS a WHERE a.tenant_column IS NOT NULL
	), candidate(relation, column_number, precedence) AS (
		SELECT a.relation, a.tenant_column, 1 FROM asked AS a
		UNION ALL
		SELECT f.conrelid, f.conkey[1], 2 FROM pg_constraint AS f
		WHERE f.contype = 'f' AND f.confrelid = 'teamrbac.tenant'::regclass AND cardinality(f.conkey) = 1
		UNION ALL
		SELECT a.attrelid, a.attnum, 3 FROM pg_attribute AS a
		WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = 'uuid'::regtype
		  AND a.attname IN (SELECT 'tenant_id' UNION
							SELECT ta.attname FROM asked JOIN pg_attribute AS ta ON ta.attrelid = asked.relation AND ta.attnum = asked.tenant_column)
	)
	SELECT DISTINCT ON (c.oid) c.oid, c.oid::regclass::text, c.relowner, a.attname, a.attnum, a.attnotnull,
		   EXISTS (SELECT FROM candidate AS r WHERE r.relation = c.oid AND r.precedence = 2),
		   c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
		   EXISTS (SELECT FROM asking WHERE asking.relation = c.oid)
	FROM candidate AS k
	JOIN pg_class AS c ON c.oid = k.relation
	JOIN pg_attribute AS a ON a.attrelid = k.relation AND a.attnum = k.column_number
	WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
	  AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
	  AND NOT EXISTS (SELECT FROM pg_depend AS d
					  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
	ORDER BY c.oid, k.precedence, k.column_number;
$$;
COMMENT ON FUNCTION teamrbac.setup_table() IS
	'Internal to check_setup: the application''s tables with a column that names the tenant.';

-- Which permissions a table should be protected by: its parent's, else those that bear its name, else one that
-- few have, so that nothing is opened by running the remedy unread.
CREATE FUNCTION teamrbac.setup_permissions(for_table oid, OUT view_permission text, OUT edit_permission text)
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH ancestor AS (
		SELECT a.relid::oid AS relation FROM pg_partition_ancestors(for_table) AS a
		UNION
		SELECT i.inhparent FROM pg_inherits AS i WHERE i.inhrelid = for_table
	), inherited AS (
		SELECT max(n.named) FILTER (WHERE p.polname = 'teamrbac_view') AS view_permission,
			   max(n.named) FILTER (WHERE p.polname = 'teamrbac_update') AS edit_permission
		FROM ancestor AS a JOIN pg_policy AS p ON p.polrelid = a.relation,
			 teamrbac.setup_named_permissions(pg_get_expr(p.polqual, p.polrelid)) AS n(named)
	), named AS (
		SELECT v.permission AS view_permission, e.permission AS edit_permission
		FROM pg_class AS c
		JOIN teamrbac.permission AS v
			ON v.permission IN (c.relname || '.view', c.relname || 's.view', regexp_replace(c.relname, 's$', '') || '.view')
		LEFT JOIN teamrbac.permission AS e ON e.permission = regexp_replace(v.permission, 'view$', 'edit')
		WHERE c.oid = COALESCE(pg_partition_root(for_table), for_table)
		ORDER BY length(v.permission) DESC LIMIT 1
	)
	SELECT COALESCE(i.view_permission, n.view_permission, 'team.manage'),
		   CASE WHEN i.view_permission IS NOT NULL THEN i.edit_permission
				WHEN n.view_permission IS NOT NULL THEN n.edit_permission
				ELSE 'team.manage' END
	FROM inherited AS i LEFT JOIN named AS n ON true;
$$;
COMMENT ON FUNCTION teamrbac.setup_permissions(oid, OUT text, OUT text) IS
	'Internal to check_setup: permissions by which to protect a table.';

CREATE FUNCTION teamrbac.setup_named_permissions(expression text) RETURNS SETOF text
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT replace(m.found[1], '''''', '''')
	FROM regexp_matches(expression,
		'teamrbac\.(?:has_permission\([^'']*, |permitted_tenants\()''((?:[^'']|'''')*)''::text\)', 'g') AS m(found);
$$;
COMMENT ON FUNCTION teamrbac.setup_named_permissions(text) IS
	'Internal to check_setup: the permissions that a policy''s expression names.';

-- Who besides its owner has been granted something.
CREATE FUNCTION teamrbac.setup_grantees(acl aclitem[], owner oid, privilege text) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, ', ')
	FROM aclexplode(acl) AS a
	WHERE a.grantee <> owner AND (privilege IS NULL OR a.privilege_type = privilege);
$$;
COMMENT ON FUNCTION teamrbac.setup_grantees(aclitem[], oid, text) IS
	'Internal to check_setup: the roles to which a privilege (NULL: any) is granted, as REVOKE lists them; NULL if none.';

-- Roles of the application: who may sign users in, or has been granted a table of tenants; and the members of
-- these.  via is the role that was granted, the role itself where it can be.
CREATE FUNCTION teamrbac.setup_role(OUT role oid, OUT via oid) RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE granted AS (
		SELECT a.grantee AS role
		FROM pg_proc AS p, aclexplode(p.proacl) AS a
		WHERE p.pronamespace = 'teamrbac'::regnamespace AND p.proname IN ('sign_in', 'sign_in_from_jwt_claims')
		  AND a.grantee <> p.proowner
		UNION
		SELECT a.grantee
		FROM teamrbac.setup_table() AS t JOIN pg_class AS c ON c.oid = t.relation, aclexplode(c.relacl) AS a
		WHERE a.grantee <> c.relowner
	), member AS (
		SELECT g.role, g.role AS via FROM granted AS g WHERE g.role <> 0
		UNION
		SELECT am.member, m.via FROM member AS m JOIN pg_auth_members AS am ON am.roleid = m.role
	)
	SELECT DISTINCT ON (m.role) m.role, m.via
	FROM member AS m
	WHERE m.role <> 10 -- the cluster's first superuser is no application
	ORDER BY m.role, m.via <> m.role, m.via;
$$;
COMMENT ON FUNCTION teamrbac.setup_role() IS
	'Internal to check_setup: database roles that the application logs in as.';

REVOKE ALL ON FUNCTION teamrbac.setup_policy() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_table() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_permissions(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_named_permissions(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_grantees(aclitem[], oid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_role() FROM PUBLIC;

-- The findings of check_setup, a function for each subject.  step puts them in an order in which the remedies
-- can be run.  See the part before on search_path.

-- Tables with rows of tenants that are not protected, or not wholly.
CREATE FUNCTION teamrbac.check_setup_tables(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH tenant_table AS MATERIALIZED (SELECT * FROM teamrbac.setup_table()),
	granted AS MATERIALIZED (
		SELECT t.*, c.relkind, c.relacl, t.name AS table_name,
			   teamrbac.setup_grantees(c.relacl, c.relowner, NULL) AS grantees,
			   teamrbac.setup_grantees(c.relacl, c.relowner, 'TRUNCATE') AS may_truncate
		FROM tenant_table AS t JOIN pg_class AS c ON c.oid = t.relation
	)
	SELECT 'critical', 2, t.table_name, format('column %I allows nulls, so the table cannot be protected', t.tenant_column),
		   format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', t.table_name, t.tenant_column)
	FROM granted AS t WHERE NOT t.asks AND NOT t.not_null
	UNION ALL
	SELECT CASE WHEN t.is_partition AND t.grantees IS NULL THEN 'warning' ELSE 'critical' END, 3, t.table_name,
		   CASE WHEN t.is_partition THEN 'a partition read by its own name is not covered by its parent''s policies'
				WHEN t.is_reference THEN 'references teamrbac.tenant, but no policy asks teamrbac'
				ELSE format('has a tenant''s column, %I, but no policy asks teamrbac', t.tenant_column) END,
		   format('SELECT teamrbac.protect_table(%L, %L, %s, %L)', t.table_name, p.view_permission, quote_nullable(p.edit_permission), t.tenant_column)
	FROM granted AS t, teamrbac.setup_permissions(t.relation) AS p WHERE NOT t.asks
	UNION ALL
	SELECT 'critical', 4, t.table_name, 'has policies, but row-level security is disabled',
		   format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t.table_name)
	FROM granted AS t WHERE t.asks AND NOT t.enabled
	UNION ALL
	SELECT 'warning', 4, t.table_name, 'row-level security does not apply to the table''s owner',
		   format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t.table_name)
	FROM granted AS t WHERE t.asks AND NOT t.forced
	UNION ALL
	SELECT 'warning', 5, t.table_name, format('%s may TRUNCATE, which row-level security does not cover', t.may_truncate),
		   format('REVOKE TRUNCATE ON %s FROM %s', t.table_name, t.may_truncate)
	FROM granted AS t WHERE t.may_truncate IS NOT NULL
	UNION ALL
	SELECT 'notice', 6, t.table_name, format('no index leads with column %I, so each query reads the rows of all tenants', t.tenant_column),
		   format('CREATE INDEX ON %s (%I)', t.table_name, t.tenant_column)
	FROM granted AS t
	WHERE NOT t.is_partition
	  AND NOT EXISTS (SELECT FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid JOIN pg_am AS am ON am.oid = ic.relam
					  WHERE i.indrelid = t.relation AND i.indisvalid AND i.indpred IS NULL
						AND i.indkey[0] = t.column_number AND am.amname = 'btree');
$$;
COMMENT ON FUNCTION teamrbac.check_setup_tables(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: tables not protected, or not wholly.';

-- Policies and triggers of these tables.
CREATE FUNCTION teamrbac.check_setup_policies(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH policy AS MATERIALIZED (
		SELECT p.*, format('policy %I on %s', p.policy, p.relation::regclass) AS object FROM teamrbac.setup_policy() AS p
	), guard AS MATERIALIZED (
		SELECT t.tgname, t.tgrelid::regclass AS relation, t.tgenabled, pg_get_triggerdef(t.oid) AS definition,
			   format('trigger %I on %s', t.tgname, t.tgrelid::regclass) AS object,
			   t.tgparentid = 0 AS original,
			   CASE WHEN t.tgnargs > 0 THEN convert_from(substring(t.tgargs FROM 1 FOR position('\x00'::bytea IN t.tgargs) - 1), getdatabaseencoding()) END AS permission
		FROM pg_trigger AS t
		WHERE t.tgfoid = 'teamrbac.require_permission_on_change()'::regprocedure AND NOT t.tgisinternal
	), unknown AS MATERIALIZED (
		SELECT u.*, u.permission ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$' AND octet_length(u.permission) <= 63 AS well_formed
		FROM (SELECT p.object, n.permission, format('ALTER POLICY %I ON %s', p.policy, p.relation::regclass)
						|| COALESCE(' USING (' || replace(p.using_text, quote_literal(n.permission), quote_literal('team.manage')) || ')', '')
						|| COALESCE(' WITH CHECK (' || replace(p.check_text, quote_literal(n.permission), quote_literal('team.manage')) || ')', '') AS replacement
			  FROM policy AS p, LATERAL (SELECT DISTINCT teamrbac.setup_named_permissions(concat(p.using_text, ' ', p.check_text))) AS n(permission)
			  UNION ALL
			  SELECT g.object, g.permission,
					 replace(regexp_replace(g.definition, '^CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER'), quote_literal(g.permission), quote_literal('team.manage'))
			  FROM guard AS g WHERE g.original) AS u
		WHERE NOT EXISTS (SELECT FROM teamrbac.permission AS k WHERE k.permission = u.permission)
	)
	-- Whatever else is asked, such a policy lets rows through.
	SELECT CASE WHEN p.for_public OR NOT t.asks THEN 'critical' ELSE 'notice' END, 1, p.object,
		   'lets rows through whatever teamrbac says', format('DROP POLICY %I ON %s', p.policy, t.name)
	FROM teamrbac.setup_table() AS t JOIN policy AS p ON p.relation = t.relation
	WHERE p.permissive AND NOT p.asks
	UNION ALL
	SELECT 'warning', 5, string_agg(u.object, ', ' ORDER BY u.object), format('permission "%s" is unknown, so every use is an error', u.permission),
		   format('SELECT teamrbac.define_permission(%L, %L)', u.permission, 'Used by ' || string_agg(u.object, ', ' ORDER BY u.object))
	FROM unknown AS u WHERE u.well_formed GROUP BY u.permission
	UNION ALL
	SELECT 'warning', 5, u.object, format('permission "%s" is unknown and no possible name, so every use is an error', u.permission), u.replacement
	FROM unknown AS u WHERE NOT u.well_formed
	UNION ALL
	SELECT 'critical', 5, g.object, 'disabled: the change that it guards is open to all who may edit',
		   format('ALTER TABLE %s ENABLE TRIGGER %I', g.relation, g.tgname)
	FROM guard AS g WHERE g.tgenabled NOT IN ('O', 'A');
$$;
COMMENT ON FUNCTION teamrbac.check_setup_policies(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: policies and triggers that let through what they should not, or name unknown permissions.';

-- Views that read with their owner's rights.
CREATE FUNCTION teamrbac.check_setup_views(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE base AS (
		SELECT t.relation, true AS protected FROM teamrbac.setup_table() AS t
		UNION ALL
		SELECT c.oid, false FROM pg_class AS c WHERE c.relnamespace = 'teamrbac'::regnamespace AND c.relkind = 'r'
	), reader(relation, protected) AS (
		SELECT b.relation, b.protected FROM base AS b
		UNION
		SELECT r.ev_class, b.protected
		FROM reader AS b
		JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = b.relation AND d.classid = 'pg_rewrite'::regclass
		JOIN pg_rewrite AS r ON r.oid = d.objid
		JOIN pg_class AS c ON c.oid = r.ev_class AND c.relkind IN ('v', 'm') AND c.relnamespace <> 'teamrbac'::regnamespace
	), view AS (
		SELECT c.oid::regclass AS name, c.relkind, bool_or(r.protected) AS protected, o.rolsuper OR o.rolbypassrls AS bypasses,
			   teamrbac.setup_grantees(c.relacl, c.relowner, NULL) AS grantees,
			   COALESCE((SELECT v.option_value::boolean FROM pg_options_to_table(c.reloptions) AS v WHERE v.option_name = 'security_invoker'), false) AS invoker
		FROM reader AS r JOIN pg_class AS c ON c.oid = r.relation AND c.relkind IN ('v', 'm') JOIN pg_roles AS o ON o.oid = c.relowner
		GROUP BY c.oid, c.relkind, o.rolsuper, o.rolbypassrls
	)
	SELECT CASE WHEN NOT v.protected THEN 'warning' WHEN v.bypasses THEN 'critical' ELSE 'notice' END, 5, v.name::text,
		   CASE WHEN NOT v.protected THEN 'shows teamrbac''s own tables to whoever may read the view'
				WHEN v.bypasses THEN 'the view''s owner bypasses row-level security, so it shows the rows of all tenants'
				ELSE 'reads protected tables with its owner''s rights instead of the reader''s' END,
		   format('ALTER VIEW %s SET (security_invoker = true)', v.name)
	FROM view AS v
	WHERE v.relkind = 'v' AND NOT v.invoker AND (v.protected OR v.bypasses AND v.grantees IS NOT NULL)
	UNION ALL
	SELECT 'critical', 5, v.name::text, format('a materialized view has rows of tenants and no row-level security, and %s may use it', v.grantees),
		   format('REVOKE ALL ON %s FROM %s', v.name, v.grantees)
	FROM view AS v WHERE v.relkind = 'm' AND v.grantees IS NOT NULL;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_views(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: views that show more than their reader may see.';

-- Who has been granted what.
CREATE FUNCTION teamrbac.check_setup_privileges(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH trusted AS (
		-- What the install script took away from PUBLIC.
		SELECT p.oid, p.oid::regprocedure AS signature, p.proname,
			   EXISTS (SELECT FROM aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a WHERE a.grantee = 0) AS by_public
		FROM pg_proc AS p
		JOIN pg_init_privs AS i ON i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid AND i.objsubid = 0
		WHERE p.pronamespace = 'teamrbac'::regnamespace
		  AND NOT EXISTS (SELECT FROM aclexplode(i.initprivs) AS a WHERE a.grantee = 0)
	), application AS MATERIALIZED (
		SELECT r.role, quote_ident(pg_get_userbyid(r.role)) AS name, quote_ident(pg_get_userbyid(r.via)) AS via, r.role = r.via AS direct,
			   o.rolsuper, o.rolbypassrls
		FROM teamrbac.setup_role() AS r JOIN pg_roles AS o ON o.oid = r.role
	)
	SELECT 'critical', 5, t.signature::text,
		   CASE WHEN t.proname IN ('sign_in', 'sign_in_from_jwt_claims') THEN 'whoever may connect can act as any user'
				ELSE 'whoever may connect can do what is for the application or the DBA' END,
		   format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', t.signature)
	FROM trusted AS t WHERE t.by_public
	UNION ALL
	SELECT 'critical', 5, 'role ' || a.name, 'row-level security does not apply to this role of the application, a superuser',
		   CASE WHEN a.direct THEN format('ALTER ROLE %s NOSUPERUSER', a.name) ELSE format('REVOKE %s FROM %s', a.via, a.name) END
	FROM application AS a WHERE a.rolsuper
	UNION ALL
	SELECT 'critical', 5, 'role ' || a.name, 'row-level security does not apply to this role of the application, which has BYPASSRLS',
		   format('ALTER ROLE %s NOBYPASSRLS', a.name)
	FROM application AS a WHERE a.rolbypassrls AND (a.direct OR NOT a.rolsuper)
	UNION ALL
	SELECT 'notice', 5, t.name, format('its owner, %s, is a role of the application and can take the protection away', a.name),
		   format('ALTER TABLE %s OWNER TO %I', t.name, (SELECT o.rolname FROM pg_roles AS o WHERE o.oid = n.nspowner))
	FROM teamrbac.setup_table() AS t JOIN application AS a ON a.role = t.owner
	JOIN pg_namespace AS n ON n.nspname = 'teamrbac'
	WHERE NOT t.is_partition
	UNION ALL
	SELECT 'warning', 5, c.oid::regclass::text, format('%s may use a table of teamrbac''s own', g.grantees),
		   format('REVOKE ALL ON %s FROM %s', c.oid::regclass, g.grantees)
	FROM pg_class AS c, teamrbac.setup_grantees(c.relacl, c.relowner, NULL) AS g(grantees)
	WHERE c.relnamespace = 'teamrbac'::regnamespace AND c.relkind = 'r' AND g.grantees IS NOT NULL;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_privileges(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: privileges and role attributes that make protection void.';

-- Functions of the application that lend their owner's right to sign somebody in.
CREATE FUNCTION teamrbac.check_setup_functions(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'critical', 5, f.oid::regprocedure::text,
		   'a SECURITY DEFINER function that can sign somebody in, and PUBLIC may execute it',
		   format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', f.oid::regprocedure)
	FROM pg_proc AS f
	WHERE f.prosecdef AND f.pronamespace NOT IN ('teamrbac'::regnamespace, 'pg_catalog'::regnamespace)
	  AND EXISTS (SELECT FROM aclexplode(COALESCE(f.proacl, acldefault('f', f.proowner))) AS a WHERE a.grantee = 0)
	  AND EXISTS (SELECT FROM pg_proc AS s
				  WHERE s.pronamespace = 'teamrbac'::regnamespace AND s.proname IN ('sign_in', 'sign_in_from_jwt_claims')
					AND has_function_privilege(f.proowner, s.oid, 'EXECUTE')
					-- By name in its text, or by reference in a body that was parsed when it was made.
					AND (f.prosrc ~ ('\m' || s.proname || '\M')
						 OR EXISTS (SELECT FROM pg_depend AS d
									WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid
									  AND d.refclassid = 'pg_proc'::regclass AND d.refobjid = s.oid)));
$$;
COMMENT ON FUNCTION teamrbac.check_setup_functions(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: SECURITY DEFINER functions that can sign somebody in.';

-- Our own tables: triggers and row-level security as the install script left them.
CREATE FUNCTION teamrbac.check_setup_own_tables(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'critical', 5, format('trigger %I on %s', t.tgname, c.oid::regclass),
		   CASE WHEN t.tgenabled = 'O' THEN 'not always enabled: changes of the table by replication or a restore are not obeyed by sessions that have read it'
				WHEN t.tgname LIKE 'signal\_%' THEN 'disabled: changes of the table are not obeyed by sessions that have read it'
				ELSE 'disabled: the table is not guarded' END,
		   format('ALTER TABLE %s ENABLE %sTRIGGER %I', c.oid::regclass, CASE WHEN t.tgname LIKE 'signal\_%' THEN 'ALWAYS ' ELSE '' END, t.tgname)
	FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
	WHERE c.relnamespace = 'teamrbac'::regnamespace
	  AND CASE WHEN t.tgname LIKE 'signal\_%' THEN t.tgenabled <> 'A' ELSE t.tgenabled NOT IN ('O', 'A') END
	  -- The foreign keys' checks of new rows, which check_reference does instead.
	  AND NOT (t.tgisinternal AND t.tgfoid IN ('pg_catalog."RI_FKey_check_ins"()'::regprocedure, 'pg_catalog."RI_FKey_check_upd"()'::regprocedure))
	UNION ALL
	-- pg_upgrade, and a restore with --disable-triggers, turn these on again.
	SELECT 'notice', 5, format('foreign key %I on %s', f.conname, f.conrelid::regclass),
		   'checked by the server as well as by teamrbac: each new row twice, and a restore must load the tables in order',
		   format('ALTER TABLE %s %s', f.conrelid::regclass, string_agg(format('DISABLE TRIGGER %I', t.tgname), ', ' ORDER BY t.tgname))
	FROM pg_constraint AS f JOIN pg_trigger AS t ON t.tgconstraint = f.oid AND t.tgrelid = f.conrelid
	WHERE f.connamespace = 'teamrbac'::regnamespace AND t.tgenabled <> 'D'
	  AND t.tgfoid IN ('pg_catalog."RI_FKey_check_ins"()'::regprocedure, 'pg_catalog."RI_FKey_check_upd"()'::regprocedure)
	  AND EXISTS (SELECT FROM pg_trigger AS ours
				  WHERE ours.tgrelid = f.conrelid AND ours.tgname = f.conname AND ours.tgfoid = 'teamrbac.check_reference()'::regprocedure)
	GROUP BY f.oid, f.conname, f.conrelid
	UNION ALL
	SELECT 'critical', 5, c.oid::regclass::text, 'row-level security is disabled on a table of teamrbac''s own',
		   format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', c.oid::regclass)
	FROM pg_class AS c
	WHERE c.relnamespace = 'teamrbac'::regnamespace AND c.relkind = 'r' AND NOT c.relrowsecurity;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_own_tables(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: teamrbac''s own tables without their triggers or row-level security.';

REVOKE ALL ON FUNCTION teamrbac.check_setup_tables() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_policies() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_views() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_privileges() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_functions() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_own_tables() FROM PUBLIC;

-- What the backends count.

CREATE FUNCTION teamrbac.read_statistics(OUT pid integer, OUT checks bigint, OUT cache_hits bigint, OUT reloads bigint, OUT probes bigint, OUT denials bigint)
	RETURNS SETOF record
	LANGUAGE c VOLATILE ROWS 100 AS 'MODULE_PATHNAME', 'teamrbac_statistics';
COMMENT ON FUNCTION teamrbac.read_statistics() IS
	'Behind the views statistics and backend_statistics, which have the columns'' meaning. For members of pg_monitor, who read the views. Takes a spinlock for a moment.';
REVOKE ALL ON FUNCTION teamrbac.read_statistics() FROM PUBLIC;
-- A view does not lend its owner's right to execute functions.
GRANT EXECUTE ON FUNCTION teamrbac.read_statistics() TO pg_monitor;

CREATE VIEW teamrbac.statistics AS
	SELECT s.pid, s.checks, s.cache_hits, s.reloads, s.probes, s.denials
	FROM teamrbac.read_statistics() AS s;
COMMENT ON VIEW teamrbac.statistics IS
	'What has been counted since the server''s start, in all its databases: a row for each backend, and one without pid for those that have ended. Without teamrbac in shared_preload_libraries, this backend''s row only. For members of pg_monitor: counts tell of others'' activity.';
COMMENT ON COLUMN teamrbac.statistics.pid IS 'The backend, as in pg_stat_activity; NULL: all that have ended.';
COMMENT ON COLUMN teamrbac.statistics.checks IS
	'Calls of has_permission, require_permission and permitted_tenants, those of policies and commands included; an index scan calls once, a sequential scan once a row.';
COMMENT ON COLUMN teamrbac.statistics.cache_hits IS
	'How often what an identity may do was looked for and found in the backend''s memory, as new as the tables.';
COMMENT ON COLUMN teamrbac.statistics.reloads IS 'How often it was not, and was loaded from the tables.';
COMMENT ON COLUMN teamrbac.statistics.probes IS 'Memberships and keys looked up one at a time.';
COMMENT ON COLUMN teamrbac.statistics.denials IS
	'Refused commands and failed sign-ins (42501 and 28000); see the setting teamrbac.log_denials. Not what a policy hides.';
GRANT SELECT ON teamrbac.statistics TO pg_monitor;

CREATE VIEW teamrbac.backend_statistics AS
	SELECT s.checks, s.cache_hits, s.reloads, s.probes, s.denials
	FROM teamrbac.read_statistics() AS s
	WHERE s.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid();
COMMENT ON VIEW teamrbac.backend_statistics IS
	'What this backend has counted since it began; the columns are those of view statistics. For members of pg_monitor.';
COMMENT ON COLUMN teamrbac.backend_statistics.checks IS 'As in view statistics.';
COMMENT ON COLUMN teamrbac.backend_statistics.cache_hits IS 'As in view statistics.';
COMMENT ON COLUMN teamrbac.backend_statistics.reloads IS 'As in view statistics.';
COMMENT ON COLUMN teamrbac.backend_statistics.probes IS 'As in view statistics.';
COMMENT ON COLUMN teamrbac.backend_statistics.denials IS 'As in view statistics.';
GRANT SELECT ON teamrbac.backend_statistics TO pg_monitor;

-- The views once more, for people at a psql prompt: two uuids alone take 75 of a window's 120 columns, so these
-- say names instead, cut short, and times to the minute.  A program reads the views that have the ids.

CREATE VIEW teamrbac.team_list WITH (security_barrier = true) AS
	SELECT COALESCE(t.slug, t.name)::varchar(20) AS tenant,
		   m.display_name::varchar(30) AS member,
		   m.email,
		   m.role,
		   pg_catalog.to_char(m.expires_at, 'YYYY-MM-DD HH24:MI') AS expires_at
	FROM teamrbac.team AS m
	JOIN teamrbac.tenant AS t ON t.tenant_id OPERATOR(pg_catalog.=) m.tenant_id
	ORDER BY 1, 2, m.tenant_id, m.user_id;
COMMENT ON VIEW teamrbac.team_list IS 'View team for people: no ids, within 120 columns.';
COMMENT ON COLUMN teamrbac.team_list.tenant IS 'The tenant''s slug, or else its name, cut after 20 characters.';
COMMENT ON COLUMN teamrbac.team_list.member IS 'Their name, cut after 30 characters.';
COMMENT ON COLUMN teamrbac.team_list.email IS 'Their address: one''s own, and all with team.manage.';
COMMENT ON COLUMN teamrbac.team_list.role IS 'What they are there.';
COMMENT ON COLUMN teamrbac.team_list.expires_at IS 'When the membership ends by itself, in the session''s time zone; NULL: never.';

CREATE VIEW teamrbac.pending_invitation_list WITH (security_barrier = true) AS
	SELECT COALESCE(t.slug, t.name)::varchar(20) AS tenant,
		   i.email,
		   i.role,
		   i.invited_by::varchar(30) AS invited_by,
		   pg_catalog.to_char(i.expires_at, 'YYYY-MM-DD HH24:MI') AS expires_at
	FROM teamrbac.pending_invitation AS i
	JOIN teamrbac.tenant AS t ON t.tenant_id OPERATOR(pg_catalog.=) i.tenant_id
	ORDER BY 1, 2, i.tenant_id, i.invitation_id;
COMMENT ON VIEW teamrbac.pending_invitation_list IS 'View pending_invitation for people: no ids, within 120 columns.';
COMMENT ON COLUMN teamrbac.pending_invitation_list.tenant IS 'The tenant''s slug, or else its name, cut after 20 characters.';
COMMENT ON COLUMN teamrbac.pending_invitation_list.email IS 'Who is invited.';
COMMENT ON COLUMN teamrbac.pending_invitation_list.role IS 'What they will be there.';
COMMENT ON COLUMN teamrbac.pending_invitation_list.invited_by IS 'The name of whoever sent it last, cut after 30 characters; NULL: deleted.';
COMMENT ON COLUMN teamrbac.pending_invitation_list.expires_at IS 'From then on it is refused; in the session''s time zone.';

CREATE VIEW teamrbac.api_key_list WITH (security_barrier = true) AS
	SELECT COALESCE(t.slug, t.name)::varchar(15) AS tenant,
		   k.name::varchar(30) AS name,
		   k.role,
		   k.state,
		   k.creator::varchar(15) AS creator,
		   k.last_used_at::date AS last_used,
		   k.expires_at::date AS expires
	FROM teamrbac.api_key_overview AS k
	JOIN teamrbac.tenant AS t ON t.tenant_id OPERATOR(pg_catalog.=) k.tenant_id
	ORDER BY 1, 2, k.created_at, k.key_id;
COMMENT ON VIEW teamrbac.api_key_list IS 'View api_key_overview for people: no ids, within 120 columns.';
COMMENT ON COLUMN teamrbac.api_key_list.tenant IS 'The tenant''s slug, or else its name, cut after 15 characters.';
COMMENT ON COLUMN teamrbac.api_key_list.name IS 'Whose it is and what for, cut after 30 characters.';
COMMENT ON COLUMN teamrbac.api_key_list.role IS 'What it may do, but for what is for people only.';
COMMENT ON COLUMN teamrbac.api_key_list.state IS 'active, rotated (works until it expires), expired or revoked.';
COMMENT ON COLUMN teamrbac.api_key_list.creator IS 'The name of whoever made or rotated it, cut after 15 characters; NULL: deleted.';
COMMENT ON COLUMN teamrbac.api_key_list.last_used IS 'The day it signed in last, in the session''s time zone; NULL: never.';
COMMENT ON COLUMN teamrbac.api_key_list.expires IS 'The day it ends by itself, in the session''s time zone; NULL: never.';

CREATE VIEW teamrbac.audit_list WITH (security_barrier = true) AS
	SELECT COALESCE(t.slug, t.name)::varchar(15) AS tenant,
		   e.sequence AS event,
		   pg_catalog.to_char(e.occurred_at, 'YYYY-MM-DD HH24:MI') AS occurred_at,
		   CASE WHEN e.actor_kind OPERATOR(pg_catalog.=) 'api_key'
				THEN COALESCE((SELECT 'key ' OPERATOR(pg_catalog.||) k.name FROM teamrbac.api_key AS k
							   WHERE k.tenant_id OPERATOR(pg_catalog.=) e.tenant_id AND k.key_id OPERATOR(pg_catalog.=) e.actor_id), e.actor)
				ELSE e.actor END::varchar(18) AS actor,
		   e.action::varchar(26) AS action,
		   COALESCE(CASE s.kind
						 WHEN 'member' THEN (SELECT u.display_name FROM teamrbac.app_user AS u WHERE u.user_id OPERATOR(pg_catalog.=) s.id)
						 WHEN 'user' THEN (SELECT u.display_name FROM teamrbac.app_user AS u WHERE u.user_id OPERATOR(pg_catalog.=) s.id)
						 WHEN 'invitation' THEN (SELECT i.email::text FROM teamrbac.invitation AS i
												 WHERE i.tenant_id OPERATOR(pg_catalog.=) e.tenant_id AND i.invitation_id OPERATOR(pg_catalog.=) s.id)
						 WHEN 'api_key' THEN (SELECT 'key ' OPERATOR(pg_catalog.||) k.name FROM teamrbac.api_key AS k
											  WHERE k.tenant_id OPERATOR(pg_catalog.=) e.tenant_id AND k.key_id OPERATOR(pg_catalog.=) s.id)
						 WHEN 'tenant' THEN t.name END, e.subject)::varchar(22) AS subject
	FROM teamrbac.audit_trail AS e
	LEFT JOIN teamrbac.tenant AS t ON t.tenant_id OPERATOR(pg_catalog.=) e.tenant_id
	CROSS JOIN LATERAL (SELECT pg_catalog.split_part(e.subject, ':', 1) AS kind,
							   CASE WHEN e.subject OPERATOR(pg_catalog.~) '^[a-z_]+:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
									THEN pg_catalog.split_part(e.subject, ':', 2)::uuid END AS id) AS s
	ORDER BY e.tenant_id, e.sequence;
COMMENT ON VIEW teamrbac.audit_list IS
	'View audit_trail for people: names as they are now instead of ids, within 120 columns; what changed is in audit_trail.';
COMMENT ON COLUMN teamrbac.audit_list.tenant IS 'The tenant''s slug, or else its name, cut after 15 characters; NULL: gone, or the event concerns no tenant.';
COMMENT ON COLUMN teamrbac.audit_list.event IS 'Place in the tenant''s chain of events, from 1: sequence in audit_trail.';
COMMENT ON COLUMN teamrbac.audit_list.occurred_at IS 'When, in the session''s time zone.';
COMMENT ON COLUMN teamrbac.audit_list.actor IS 'Who, cut after 18 characters.';
COMMENT ON COLUMN teamrbac.audit_list.action IS 'What, such as member.removed; direct.* for a change of a table by hand. Cut after 26 characters.';
COMMENT ON COLUMN teamrbac.audit_list.subject IS 'The name of what it was done to, or what audit_trail says; cut after 22 characters.';

GRANT SELECT ON teamrbac.team_list, teamrbac.pending_invitation_list, teamrbac.api_key_list, teamrbac.audit_list TO PUBLIC;

-- What a scheduler does: nothing of it decides what is allowed, since whatever has expired is refused at
-- once.  The procedures run as whoever calls them, the extension's owner as a rule: a procedure that commits can
-- be neither SECURITY DEFINER nor have settings of its own, so every name in them is qualified.

CREATE FUNCTION teamrbac.expire_membership_batch(batch_size integer) RETURNS bigint
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_expire_membership_batch';
COMMENT ON FUNCTION teamrbac.expire_membership_batch(integer) IS
	'Internal to expire_memberships: ends at most batch_size memberships that are due, and returns how many. Errors: 22023 batch_size not positive. Locks the tenants'' rows, skips those that others have locked.';
REVOKE ALL ON FUNCTION teamrbac.expire_membership_batch(integer) FROM PUBLIC;

CREATE OR REPLACE PROCEDURE teamrbac.expire_memberships(batch_size integer DEFAULT 1000)
	LANGUAGE plpgsql
AS $$
BEGIN
	LOOP
		EXIT WHEN teamrbac.expire_membership_batch(batch_size) OPERATOR(pg_catalog.=) 0;
		COMMIT;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE teamrbac.expire_memberships(integer) IS
	'Removes memberships that have expired, batch_size in a transaction. For a scheduler. Errors: 22023 batch_size not positive. Never waits for a tenant: one that a command has locked is left for the next run.';

-- The end of deleted tenants.

CREATE FUNCTION teamrbac.key_condition(foreign_key oid, parent text, child text) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format('%s OPERATOR(%I.%s) %s.%I', CASE WHEN f.confrelid = 'teamrbac.tenant'::regclass AND p.attname = 'tenant_id' THEN '$1'
															   WHEN f.confrelid = 'teamrbac.tenant'::regclass AND p.attname = 'slug' THEN '$2'
															   ELSE format('%s.%I', parent, p.attname) END,
							 n.nspname, o.oprname, child, c.attname), ' AND ' ORDER BY k.n)
	FROM pg_constraint AS f
	CROSS JOIN LATERAL unnest(f.conkey, f.confkey, f.conpfeqop) WITH ORDINALITY AS k(child_column, parent_column, equals, n)
	JOIN pg_attribute AS c ON c.attrelid = f.conrelid AND c.attnum = k.child_column
	JOIN pg_attribute AS p ON p.attrelid = f.confrelid AND p.attnum = k.parent_column
	JOIN pg_operator AS o ON o.oid = k.equals
	JOIN pg_namespace AS n ON n.oid = o.oprnamespace
	WHERE f.oid = foreign_key;
$$;
COMMENT ON FUNCTION teamrbac.key_condition(oid, text, text) IS
	'Internal to purge: that a row of alias child refers by a foreign key to the row of alias parent, or to the tenant whose id is $1 and whose slug is $2.';
REVOKE ALL ON FUNCTION teamrbac.key_condition(oid, text, text) FROM PUBLIC;

CREATE FUNCTION teamrbac.purge_plan(OUT relation regclass, OUT name text, OUT row_name text, OUT condition text, OUT leaves text, OUT cascades boolean)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE reference AS MATERIALIZED (
		-- Foreign keys as they were declared, without their copies for partitions.
		SELECT f.oid, f.conrelid AS child, f.confrelid AS parent, f.confdeltype AS on_delete, f.conkey, f.confkey, f.conpfeqop
		FROM pg_constraint AS f WHERE f.contype = 'f' AND f.conparentid = 0
	), reached AS (
		-- From the tenant's row downwards: which rows of a table are the tenant's.  A table that names the tenant
		-- itself is not looked for along longer ways.
		SELECT 'teamrbac.tenant'::regclass::oid AS relation, 0 AS depth, a.attnum AS tenant_column,
			   't0.tenant_id OPERATOR(pg_catalog.=) $1' COLLATE "C" AS condition, true AS cascades, ARRAY['teamrbac.tenant'::regclass::oid] AS path
		FROM pg_attribute AS a WHERE a.attrelid = 'teamrbac.tenant'::regclass AND a.attname = 'tenant_id'
		UNION ALL
		SELECT r.child, p.depth + 1, own.attnum,
			   CASE WHEN own.attnum IS NOT NULL THEN format('t%s.%I OPERATOR(pg_catalog.=) $1', p.depth + 1, own.attname)
					WHEN p.depth = 0 THEN teamrbac.key_condition(r.oid, 't0', 't1')
					ELSE format('EXISTS (SELECT FROM %s%s AS t%s WHERE %s AND %s)', CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END,
								r.parent::regclass, p.depth, teamrbac.key_condition(r.oid, 't' || p.depth, 't' || (p.depth + 1)), p.condition) END,
			   r.on_delete = 'c', p.path || r.child
		FROM reached AS p
		JOIN reference AS r ON r.parent = p.relation AND r.child <> ALL (p.path)
		JOIN pg_class AS c ON c.oid = r.parent
		LEFT JOIN LATERAL (SELECT a.attnum, a.attname
						   FROM unnest(r.conkey, r.confkey) AS k(child_column, parent_column)
						   JOIN pg_attribute AS a ON a.attrelid = r.child AND a.attnum = k.child_column
						   WHERE k.parent_column = p.tenant_column AND a.atttypid = 'uuid'::regtype) AS own ON true
		WHERE p.cascades AND r.on_delete IN ('a', 'r', 'c')
		  AND (p.depth = 0 OR NOT EXISTS (SELECT FROM reference AS direct WHERE direct.child = r.child
										  AND direct.parent = 'teamrbac.tenant'::regclass AND direct.on_delete = 'c'))
	), step AS (
		SELECT DISTINCT ON (r.relation) r.relation, r.depth, r.condition, r.cascades
		FROM reached AS r WHERE r.depth > 0
		ORDER BY r.relation, r.cascades DESC, r.depth, r.condition
	), way(relation, n) AS (
		-- How many tables a row may refer on through that leads here; round and round, if they refer in a circle.
		SELECT s.relation, 0::bigint FROM step AS s
		UNION
		SELECT parent.relation, w.n + 1
		FROM way AS w
		JOIN reference AS r ON COALESCE(pg_partition_root(r.child), r.child) = w.relation
		JOIN step AS parent ON parent.relation = COALESCE(pg_partition_root(r.parent), r.parent) AND parent.relation <> w.relation
		WHERE w.n < (SELECT count(*) FROM step)
	), ordered AS (
		SELECT s.relation, s.depth, s.condition, s.cascades, 't' || s.depth AS row_name,
			   (SELECT max(w.n) FROM way AS w WHERE w.relation = s.relation) AS height
		FROM step AS s
	)
	SELECT COALESCE(leaf.relid, o.relation), COALESCE(leaf.relid, o.relation)::regclass::text, o.row_name, o.condition,
		   -- Where the order does not see to it: in trees and circles.
		   (SELECT string_agg(format('NOT EXISTS (SELECT FROM %s AS c WHERE %s AND ROW(c.tableoid, c.ctid) OPERATOR(pg_catalog.<>) ROW(%s.tableoid, %s.ctid))',
									 r.child::regclass, teamrbac.key_condition(r.oid, o.row_name, 'c'), o.row_name, o.row_name), ' AND ' ORDER BY r.oid)
			FROM reference AS r JOIN ordered AS other ON other.relation = r.child AND other.cascades AND other.height >= o.height
			WHERE r.parent = o.relation AND r.on_delete IN ('a', 'r', 'c')),
		   o.cascades
	FROM ordered AS o
	LEFT JOIN LATERAL pg_partition_tree(o.relation) AS leaf ON leaf.isleaf AND o.cascades
	ORDER BY o.height, o.depth DESC, o.relation::regclass::text COLLATE "C", leaf.relid;
$$;
COMMENT ON FUNCTION teamrbac.purge_plan(OUT regclass, OUT text, OUT text, OUT text, OUT text, OUT boolean) IS
	'Internal to purge: the tables with rows that refer to a tenant or to its rows, in the order of deletion. cascades false: their foreign key says neither ON DELETE CASCADE nor SET NULL nor SET DEFAULT, so that a tenant with such rows stays. condition: of the rows, of alias row_name, whose tenant is $1, with slug $2; leaves: that no other row refers to them, where the order does not see to that.';
REVOKE ALL ON FUNCTION teamrbac.purge_plan(OUT regclass, OUT text, OUT text, OUT text, OUT text, OUT boolean) FROM PUBLIC;

CREATE FUNCTION teamrbac.purge_references(OUT relation regclass, OUT name text, OUT target text, OUT condition text, OUT assignments text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT f.conrelid, f.conrelid::regclass::text, CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END || f.conrelid::regclass, teamrbac.key_condition(f.oid, 't0', 't1'),
		   CASE WHEN f.confdeltype IN ('n', 'd')
				THEN (SELECT string_agg(format('%I = %s', a.attname, CASE f.confdeltype WHEN 'n' THEN 'NULL' ELSE 'DEFAULT' END), ', ' ORDER BY a.attnum)
					  FROM pg_attribute AS a WHERE a.attrelid = f.conrelid AND a.attnum = ANY (COALESCE(f.confdelsetcols, f.conkey))) END
	FROM pg_constraint AS f JOIN pg_class AS c ON c.oid = f.conrelid
	WHERE f.contype = 'f' AND f.confrelid = 'teamrbac.tenant'::regclass AND f.conparentid = 0
	ORDER BY f.conrelid::regclass::text COLLATE "C", f.conname;
$$;
COMMENT ON FUNCTION teamrbac.purge_references(OUT regclass, OUT text, OUT text, OUT text, OUT text) IS
	'Internal to purge: the foreign keys to teamrbac.tenant. target: the table, as UPDATE names it; condition: of the rows, of alias t1, that refer to the tenant whose id is $1 and whose slug is $2; assignments: what ON DELETE SET NULL or SET DEFAULT does to them.';
REVOKE ALL ON FUNCTION teamrbac.purge_references(OUT regclass, OUT text, OUT text, OUT text, OUT text) FROM PUBLIC;

CREATE FUNCTION teamrbac.next_tenant_to_purge(after uuid) RETURNS uuid
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_next_tenant_to_purge';
COMMENT ON FUNCTION teamrbac.next_tenant_to_purge(uuid) IS
	'Internal to purge: the next tenant past teamrbac.deleted_tenant_retention, in the order of their ids; NULL begins, and ends.';
REVOKE ALL ON FUNCTION teamrbac.next_tenant_to_purge(uuid) FROM PUBLIC;
CREATE FUNCTION teamrbac.purge_tenant_batch(tenant_id uuid, batch_size integer) RETURNS boolean
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_purge_tenant_batch';
COMMENT ON FUNCTION teamrbac.purge_tenant_batch(uuid, integer) IS
	'Internal to purge: deletes at most batch_size rows of a tenant past teamrbac.deleted_tenant_retention, with the rights of their tables'' owners (who may read the tables that these rows refer to), and the tenant when none is left. Returns whether there is more to do. Errors: 22023 batch_size not positive; 23503 a foreign key without ON DELETE keeps the tenant. Locks the tenant''s row; does nothing if somebody else has.';
REVOKE ALL ON FUNCTION teamrbac.purge_tenant_batch(uuid, integer) FROM PUBLIC;

CREATE FUNCTION teamrbac.purge_mail_batch(batch_size integer) RETURNS bigint
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_purge_mail_batch';
COMMENT ON FUNCTION teamrbac.purge_mail_batch(integer) IS
	'Internal to purge: deletes at most batch_size mails that were queued 30 days ago and are no longer to be sent, and returns how many. Errors: 22023 batch_size not positive. Skips rows that others have locked.';
REVOKE ALL ON FUNCTION teamrbac.purge_mail_batch(integer) FROM PUBLIC;
CREATE INDEX outbox_done_idx ON teamrbac.outbox (created_at) WHERE next_attempt_at IS NULL;
COMMENT ON INDEX teamrbac.outbox_done_idx IS 'Answers purge.';

CREATE FUNCTION teamrbac.purge_invitation_batch(batch_size integer) RETURNS bigint
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_purge_invitation_batch';
COMMENT ON FUNCTION teamrbac.purge_invitation_batch(integer) IS
	'Internal to purge: deletes at most batch_size invitations that ceased to be pending longer ago than teamrbac.invitation_retention, and returns how many. Errors: 22023 batch_size not positive. Locks the tenants'' rows, skips those that others have locked.';
REVOKE ALL ON FUNCTION teamrbac.purge_invitation_batch(integer) FROM PUBLIC;
CREATE INDEX invitation_decided_idx ON teamrbac.invitation (decided_at) WHERE decided_at IS NOT NULL;
COMMENT ON INDEX teamrbac.invitation_decided_idx IS 'Answers purge.';

CREATE PROCEDURE teamrbac.purge(batch_size integer DEFAULT 1000)
	LANGUAGE plpgsql
AS $$
DECLARE
	tenant uuid;
	more boolean;
	detail text;
	hint text;
BEGIN
	IF batch_size IS NULL OR batch_size OPERATOR(pg_catalog.<) 1 THEN
		RAISE EXCEPTION 'batch_size must be positive' USING ERRCODE = '22023';
	END IF;
	LOOP
		tenant := teamrbac.next_tenant_to_purge(tenant);
		EXIT WHEN tenant IS NULL;
		more := true;
		WHILE more LOOP
			BEGIN
				more := teamrbac.purge_tenant_batch(tenant, batch_size);
			EXCEPTION WHEN OTHERS THEN
				-- One tenant must not keep the others.
				more := false;
				GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
				RAISE WARNING 'tenant % is not purged: %', tenant, SQLERRM
					USING ERRCODE = SQLSTATE,
						DETAIL = pg_catalog.rtrim(pg_catalog.replace(pg_catalog.concat_ws(' ', pg_catalog.concat('SQLSTATE ', SQLSTATE, '.'), detail, hint), '  ', ' '));
			END;
			COMMIT;
		END LOOP;
	END LOOP;
	LOOP
		EXIT WHEN teamrbac.purge_mail_batch(batch_size) OPERATOR(pg_catalog.=) 0;
		COMMIT;
	END LOOP;
	LOOP
		EXIT WHEN teamrbac.purge_invitation_batch(batch_size) OPERATOR(pg_catalog.=) 0;
		COMMIT;
	END LOOP;
	LOOP
		EXIT WHEN teamrbac.purge_audit_batch(batch_size) OPERATOR(pg_catalog.=) 0;
		COMMIT;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE teamrbac.purge(integer) IS
	'Deletes for good, at most batch_size rows in a transaction: tenants deleted longer ago than teamrbac.deleted_tenant_retention, with the application''s rows whose foreign keys say ON DELETE CASCADE; mail that was sent, withdrawn or given up and is 30 days old; invitations that ceased to be pending longer ago than teamrbac.invitation_retention; audit events older than teamrbac.audit_retention. A tenant that a foreign key without ON DELETE keeps is left, with a WARNING that names the table. For a scheduler. Errors: 22023 batch_size not positive. Locks the tenant''s row; leaves a tenant that somebody else has locked for the next run.';
REVOKE ALL ON PROCEDURE teamrbac.purge(integer) FROM PUBLIC;

-- Maintenance by pg_cron, in whichever database of the cluster it lives.

CREATE FUNCTION teamrbac.cron_call(operation text) RETURNS text
	LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'teamrbac_cron_call';
COMMENT ON FUNCTION teamrbac.cron_call(text) IS
	'Internal to schedule_maintenance, unschedule_maintenance and maintenance_jobs: schedules, unschedules or lists this database''s jobs in pg_cron, as the role that calls; returns them as JSON. Errors: 55000 pg_cron is not running, not installed in its database, or out of reach; what pg_cron raises.';
REVOKE ALL ON FUNCTION teamrbac.cron_call(text) FROM PUBLIC;

CREATE FUNCTION teamrbac.maintenance_jobs(OUT job_id bigint, OUT job text, OUT schedule text, OUT command text, OUT run_as text,
		OUT active boolean, OUT last_status text, OUT last_start timestamptz, OUT last_message text)
	RETURNS SETOF record
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp ROWS 3
AS $$
	SELECT j.* FROM json_to_recordset(teamrbac.cron_call('list')::json)
		AS j(job_id bigint, job text, schedule text, command text, run_as text, active boolean, last_status text, last_start timestamptz, last_message text);
$$;
COMMENT ON FUNCTION teamrbac.maintenance_jobs(OUT bigint, OUT text, OUT text, OUT text, OUT text, OUT boolean, OUT text, OUT timestamptz, OUT text) IS
	'This database''s maintenance jobs in pg_cron, with how each ended last; none if pg_cron is not there. For the DBA. Errors: 55000 pg_cron''s database is out of reach. Where that is another database, a background worker looks.';
CREATE FUNCTION teamrbac.schedule_maintenance(OUT job_id bigint, OUT job text, OUT schedule text, OUT command text)
	RETURNS SETOF record
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp ROWS 3
AS $$
	SELECT j.* FROM json_to_recordset(teamrbac.cron_call('schedule')::json) AS j(job_id bigint, job text, schedule text, command text);
$$;
COMMENT ON FUNCTION teamrbac.schedule_maintenance(OUT bigint, OUT text, OUT text, OUT text) IS
	'Has pg_cron run expire_invitations and expire_memberships every minute and purge every night, as the calling role, and returns these jobs; calling it again changes nothing but what was altered. pg_cron may live in another database of the cluster: a background worker registers the jobs there, at once and whatever becomes of the transaction. For a superuser, or a role that may run the three procedures and use pg_cron. Errors: 55000 pg_cron is not running, not installed in its database, or out of reach.';
CREATE FUNCTION teamrbac.unschedule_maintenance() RETURNS bigint
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT json_array_length(teamrbac.cron_call('unschedule')::json)::bigint;
$$;
COMMENT ON FUNCTION teamrbac.unschedule_maintenance() IS
	'Undoes schedule_maintenance, and returns how many jobs it removed. DROP EXTENSION does so by itself; before DROP DATABASE or a renaming, call it. For the DBA. Errors: as schedule_maintenance.';
REVOKE ALL ON FUNCTION teamrbac.maintenance_jobs() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.schedule_maintenance() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.unschedule_maintenance() FROM PUBLIC;

CREATE FUNCTION teamrbac.unschedule_at_drop() RETURNS event_trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_unschedule_at_drop';
COMMENT ON FUNCTION teamrbac.unschedule_at_drop() IS
	'Event trigger function: before DROP EXTENSION teamrbac, removes this database''s maintenance jobs from pg_cron.';
REVOKE ALL ON FUNCTION teamrbac.unschedule_at_drop() FROM PUBLIC;
CREATE EVENT TRIGGER teamrbac_unschedule ON ddl_command_start WHEN TAG IN ('DROP EXTENSION')
	EXECUTE FUNCTION teamrbac.unschedule_at_drop();
COMMENT ON EVENT TRIGGER teamrbac_unschedule IS 'Leaves no maintenance job behind when teamrbac is dropped.';

-- The findings of check_setup about what leaves the database, and what runs in it by itself.

-- Publications that copy secrets to another server.
CREATE FUNCTION teamrbac.check_setup_publications(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH secret AS (
		SELECT c.oid AS relation, c.relname, a.attname
		FROM (VALUES ('api_key', 'secret_hash'), ('invitation', 'token_hash'), ('outbox', 'token')) AS s(relname, attname)
		JOIN pg_class AS c ON c.relname = s.relname AND c.relnamespace = 'teamrbac'::regnamespace
		JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = s.attname
	), copied AS (
		SELECT DISTINCT p.oid AS publication, s.relation
		FROM pg_publication AS p
		JOIN pg_publication_tables AS t ON t.pubname = p.pubname AND t.schemaname = 'teamrbac'
		JOIN secret AS s ON s.relname = t.tablename AND s.attname = ANY (t.attnames)
	), listed AS (
		SELECT p.oid AS publication, string_agg(c.relation::regclass::text, ', ' ORDER BY c.relation::regclass::text COLLATE "C") AS tables
		FROM copied AS c JOIN pg_publication AS p ON p.oid = c.publication
		GROUP BY p.oid
	)
	SELECT 'critical', 5, format('publication %I', p.pubname), 'copies all tables to its subscribers, hashes and tokens in ' || l.tables || ' included',
		   format('DROP PUBLICATION %I', p.pubname)
		   || COALESCE('; CREATE PUBLICATION ' || quote_ident(p.pubname) || ' FOR TABLE ' || others.tables
					   || format(' WITH (publish = %L, publish_via_partition_root = %s)',
								 concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
										   CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END),
								 p.pubviaroot::text), '')
	FROM listed AS l JOIN pg_publication AS p ON p.oid = l.publication,
		 (SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid::regclass::text COLLATE "C") AS tables
		  FROM pg_class AS c
		  WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relispartition AND c.oid >= 16384
			AND c.relnamespace <> 'information_schema'::regnamespace AND c.oid NOT IN (SELECT s.relation FROM secret AS s)) AS others
	WHERE p.puballtables
	UNION ALL
	SELECT 'critical', 5, format('publication %I', p.pubname), 'copies a whole schema to its subscribers, hashes and tokens in ' || l.tables || ' included',
		   format('ALTER PUBLICATION %I DROP TABLES IN SCHEMA teamrbac', p.pubname)
	FROM listed AS l JOIN pg_publication AS p ON p.oid = l.publication
	JOIN pg_publication_namespace AS n ON n.pnpubid = p.oid AND n.pnnspid = 'teamrbac'::regnamespace
	UNION ALL
	SELECT 'critical', 5, format('publication %I', p.pubname), 'copies hashes or tokens to its subscribers',
		   format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname, string_agg(c.relation::regclass::text, ', ' ORDER BY c.relation::regclass::text COLLATE "C"))
	FROM copied AS c JOIN pg_publication AS p ON p.oid = c.publication
	JOIN pg_publication_rel AS r ON r.prpubid = p.oid AND r.prrelid = c.relation
	GROUP BY p.pubname;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_publications(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: publications that copy hashes or tokens.';

-- Mail that was given up, and mail that nobody sends.
CREATE FUNCTION teamrbac.check_setup_mail(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH failed AS (
		SELECT o.kind, o.last_error, count(*) AS mails, o.kind IN ('invitation', 'invitation_resent') AS had_token,
			   format('failed_at IS NOT NULL AND kind = %L AND last_error IS NOT DISTINCT FROM %L', o.kind, o.last_error) AS condition
		FROM teamrbac.outbox AS o WHERE o.failed_at IS NOT NULL
		GROUP BY o.kind, o.last_error
	)
	SELECT 'warning', 5, format('mail %s', f.kind),
		   format('%s given up: %s', f.mails, COALESCE(f.last_error, 'no reason known'))
		   || CASE WHEN f.had_token THEN '; whoever manages the team can send a pending invitation again, by resend_invitation' ELSE '' END,
		   CASE WHEN f.had_token THEN format('DELETE FROM teamrbac.outbox WHERE %s', f.condition)
				ELSE format('UPDATE teamrbac.outbox SET failed_at = NULL, attempts = 0, next_attempt_at = pg_catalog.clock_timestamp() WHERE %s', f.condition) END
	FROM failed AS f
	UNION ALL
	SELECT 'warning', 5, 'mail', format('%s due for more than a day, and nobody takes it: start teamrbac-mailer, or another sender; the remedy is for what shall not be sent any more', count(*)),
		   'UPDATE teamrbac.outbox SET next_attempt_at = NULL, withdrawn_at = pg_catalog.clock_timestamp(), claimed_by = NULL, token = NULL WHERE next_attempt_at < pg_catalog.now() - interval ''1 day'' AND tenant_id IN (SELECT tenant_id FROM teamrbac.tenant WHERE deleted_at IS NULL)'
	FROM teamrbac.outbox AS o JOIN teamrbac.tenant AS t ON t.tenant_id = o.tenant_id
	WHERE o.next_attempt_at < now() - interval '1 day' AND t.deleted_at IS NULL
	HAVING count(*) > 0;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_mail(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: mail that was given up, whose remedy sends it again, or forgets it where its token is gone; mail that nobody sends.';

-- Maintenance.  In PL/pgSQL, since it reads pg_cron's table where there is one, and only a real one: somebody who
-- may create schemas might have planted a view of that name.
CREATE FUNCTION teamrbac.check_setup_maintenance(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	cron_database CONSTANT text := current_setting('cron.database_name', true);
	cron_is_here CONSTANT boolean := EXISTS (
		SELECT FROM pg_extension AS e JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
		WHERE e.extname = 'pg_cron' AND d.classid = 'pg_class'::regclass AND d.objid = to_regclass('cron.job'));
	missing text;
	orphaned text;
BEGIN
	severity := 'notice';
	step := 5;
	object := 'maintenance';
	remedy := 'SELECT * FROM teamrbac.schedule_maintenance()';
	IF cron_database IS NULL THEN
		problem := 'nothing is known to run it: pg_cron is not loaded; after the remedy, restart, and see what is found then';
		remedy := format('ALTER SYSTEM SET shared_preload_libraries = %s',
						 (SELECT string_agg(quote_literal(trim(l)), ', ') FROM unnest(string_to_array(concat_ws(',', NULLIF(current_setting('shared_preload_libraries'), ''), 'pg_cron'), ',')) AS l));
		RETURN NEXT;
		RETURN;
	END IF;
	IF cron_database = current_database() AND NOT cron_is_here THEN
		problem := 'nothing is known to run it: pg_cron is not installed in this database, where it is to live';
		remedy := 'CREATE EXTENSION pg_cron; ' || remedy;
		RETURN NEXT;
		RETURN;
	END IF;
	BEGIN
		-- A job comes along with a restore, its role does not; pg_cron lists it as active all the same.
		SELECT string_agg(d.procedure, ', ' ORDER BY d.procedure) FILTER (WHERE NOT d.runs AND NOT d.orphaned),
			   string_agg(d.procedure, ', ' ORDER BY d.procedure) FILTER (WHERE d.orphaned)
		INTO missing, orphaned
		FROM (SELECT due.procedure, COALESCE(bool_or(j.active AND r.oid IS NOT NULL), false) AS runs,
					 bool_or(j.job_id IS NOT NULL AND r.oid IS NULL) AS orphaned
			  FROM unnest(ARRAY['expire_invitations', 'expire_memberships', 'purge']) AS due(procedure)
			  LEFT JOIN teamrbac.maintenance_jobs() AS j ON j.command = format('CALL teamrbac.%s()', due.procedure)
			  LEFT JOIN pg_roles AS r ON r.rolname = j.run_as
			  GROUP BY due.procedure) AS d;
		IF missing IS NOT NULL OR orphaned IS NOT NULL THEN
			problem := concat_ws('; ', 'not scheduled, or not active: ' || missing, 'scheduled by a role that is gone: ' || orphaned);
			remedy := 'SELECT teamrbac.unschedule_maintenance(); ' || remedy;
			RETURN NEXT;
		END IF;
	EXCEPTION WHEN OTHERS THEN
		problem := format('nothing is known to run it: %s (%s)', SQLERRM, SQLSTATE);
		RETURN NEXT;
	END;
	IF cron_is_here THEN
		RETURN QUERY
			SELECT 'warning', 5, format('cron job %s, %s', j.jobid, j.jobname),
				   CASE WHEN d.oid IS NULL THEN format('its database, %s, is gone', j.database)
						ELSE format('its role, %s, is gone', j.username) END,
				   format('SELECT cron.unschedule(%s)', j.jobid)
			FROM cron.job AS j
			LEFT JOIN pg_database AS d ON d.datname = j.database
			LEFT JOIN pg_roles AS r ON r.rolname = j.username
			WHERE j.command ~ '\mteamrbac\.' AND (d.oid IS NULL OR r.oid IS NULL);
	END IF;
END
$$;
COMMENT ON FUNCTION teamrbac.check_setup_maintenance(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: maintenance that nothing runs, and jobs of databases and roles that are gone.';

REVOKE ALL ON FUNCTION teamrbac.check_setup_publications() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_maintenance() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_mail() FROM PUBLIC;

-- All findings.

CREATE FUNCTION teamrbac.check_setup(OUT severity text, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 10
AS $$
	SELECT f.severity, f.object, f.problem, f.remedy || ';'
	FROM (SELECT * FROM teamrbac.check_setup_tables()
		  UNION ALL SELECT * FROM teamrbac.check_setup_policies()
		  UNION ALL SELECT * FROM teamrbac.check_setup_views()
		  UNION ALL SELECT * FROM teamrbac.check_setup_privileges()
		  UNION ALL SELECT * FROM teamrbac.check_setup_functions()
		  UNION ALL SELECT * FROM teamrbac.check_setup_own_tables()
		  UNION ALL SELECT * FROM teamrbac.check_setup_publications()
		  UNION ALL SELECT * FROM teamrbac.check_setup_mail()
		  UNION ALL SELECT * FROM teamrbac.check_setup_maintenance()) AS f
	ORDER BY array_position(ARRAY['critical', 'warning', 'notice'], f.severity), f.step, f.object COLLATE "C", f.problem COLLATE "C";
$$;
COMMENT ON FUNCTION teamrbac.check_setup(OUT text, OUT text, OUT text, OUT text) IS
	'What is wrong with the set-up: severity (critical, warning, notice), object, problem, and remedy, a statement to run after reading it; all of them, run in order, leave nothing to report. For the DBA. Errors: none of its own. Takes ACCESS SHARE on system catalogues. Where pg_cron lives in another database, a background worker asks there for the jobs.';
REVOKE ALL ON FUNCTION teamrbac.check_setup() FROM PUBLIC;

-- Last of all, for the foreign keys of every part: a parallel pg_restore loads the tables in any order, so each
-- key's check of new rows is left to a trigger of the same name, which lets a restore pass.  What the keys do
-- when a referenced row goes stays the server's.

CREATE FUNCTION teamrbac.check_reference() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_check_reference';
COMMENT ON FUNCTION teamrbac.check_reference() IS
	'Trigger function: checks the row by the foreign key that has the trigger''s name (23503), unless a dump is being restored. Locks the referenced row FOR KEY SHARE, as every foreign key does.';
REVOKE ALL ON FUNCTION teamrbac.check_reference() FROM PUBLIC;

DO $$
DECLARE
	reference record;
BEGIN
	FOR reference IN
		SELECT c.conname, c.conrelid::pg_catalog.regclass AS relation, t.tgname,
			   (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
				WHERE a.attrelid OPERATOR(pg_catalog.=) c.conrelid AND a.attnum OPERATOR(pg_catalog.=) ANY (c.conkey)) AS columns,
			   t.tgfoid OPERATOR(pg_catalog.=) 'pg_catalog."RI_FKey_check_ins"()'::pg_catalog.regprocedure AS on_insert
		FROM pg_catalog.pg_constraint AS c
		JOIN pg_catalog.pg_trigger AS t ON t.tgconstraint OPERATOR(pg_catalog.=) c.oid AND t.tgrelid OPERATOR(pg_catalog.=) c.conrelid
		WHERE c.connamespace OPERATOR(pg_catalog.=) 'teamrbac'::pg_catalog.regnamespace
		  AND c.contype OPERATOR(pg_catalog.=) 'f'
		  AND t.tgfoid OPERATOR(pg_catalog.=) ANY (ARRAY['pg_catalog."RI_FKey_check_ins"()', 'pg_catalog."RI_FKey_check_upd"()']::pg_catalog.regprocedure[])
		ORDER BY c.conname, t.tgname
	LOOP
		EXECUTE pg_catalog.format('ALTER TABLE %s DISABLE TRIGGER %I', reference.relation, reference.tgname);
		IF reference.on_insert THEN
			EXECUTE pg_catalog.format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OF %s ON %s FOR EACH ROW EXECUTE FUNCTION teamrbac.check_reference()',
									  reference.conname, reference.columns, reference.relation);
		END IF;
	END LOOP;
END
$$;

-- What each trigger and each foreign key is for: the same on every table.

DO $$
DECLARE
	item record;
BEGIN
	FOR item IN
		SELECT t.tgname AS name, t.tgrelid::pg_catalog.regclass AS relation,
			   CASE p.proname
					WHEN 'audit_direct_change' THEN 'Records in the audit what is changed here by hand; what a command does, it records itself.'
					WHEN 'signal_change' THEN 'Tells every session at commit that what it remembers of this table is out of date.'
					WHEN 'guard_built_in' THEN 'Keeps what is built in as it is.'
					WHEN 'guard_audit' THEN 'Nobody but a superuser changes the audit.'
					WHEN 'check_reference' THEN 'Checks new rows by the foreign key of its name, so that a parallel restore may load the tables in any order.'
					WHEN 'check_owners' THEN 'Not even TRUNCATE leaves a tenant without an owner.' END AS purpose
		FROM pg_catalog.pg_trigger AS t
		JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) t.tgrelid
		JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) t.tgfoid
		WHERE c.relnamespace OPERATOR(pg_catalog.=) 'teamrbac'::pg_catalog.regnamespace
		  AND NOT t.tgisinternal AND p.proname OPERATOR(pg_catalog.<>) 'check_owner'
	LOOP
		EXECUTE pg_catalog.format('COMMENT ON TRIGGER %I ON %s IS %L', item.name, item.relation, item.purpose);
	END LOOP;
	FOR item IN
		SELECT c.conname AS name, c.conrelid::pg_catalog.regclass AS relation
		FROM pg_catalog.pg_constraint AS c
		WHERE c.connamespace OPERATOR(pg_catalog.=) 'teamrbac'::pg_catalog.regnamespace AND c.contype OPERATOR(pg_catalog.=) 'f'
	LOOP
		EXECUTE pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS %L', item.name, item.relation,
								  'Its check of new rows is left to the trigger of this name; what happens when a referenced row goes is the server''s.');
	END LOOP;
END
$$;
