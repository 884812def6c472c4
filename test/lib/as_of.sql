-- A world of a few tenants and users in which anything may happen, by commands and by hand; the answers that were given
-- meanwhile, and how to ask for them again.  Used by 070_as_of.pl.
CREATE TABLE tenants (tenant_id uuid PRIMARY KEY);
CREATE TABLE users (n serial, user_id uuid PRIMARY KEY, email text);
CREATE TABLE keys (key_id uuid, tenant_id uuid, secret text);
CREATE TABLE tokens (token text, email text);
-- What was answered, at a time between two.
CREATE TABLE answers (n serial, from_time timestamptz, to_time timestamptz, tenant_id uuid, who uuid, is_key boolean, permission text, answer boolean);
CREATE TABLE teams (n serial, from_time timestamptz, to_time timestamptz, tenant_id uuid, team text, roles text);
CREATE TABLE done (command text, outcome text);

INSERT INTO users (user_id, email) SELECT gen_random_uuid(), 'user' || g || '@example.com' FROM generate_series(1, 12) AS g;
SELECT count(teamrbac.register_user(email, email, user_id)) FROM users;

CREATE FUNCTION any_of(names text[]) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT names[1 + floor(random() * cardinality(names))::int] $$;
CREATE FUNCTION any_user() RETURNS uuid LANGUAGE sql VOLATILE AS $$ SELECT user_id FROM users ORDER BY random() LIMIT 1 $$;
CREATE FUNCTION any_tenant() RETURNS uuid LANGUAGE sql VOLATILE AS $$ SELECT tenant_id FROM tenants ORDER BY random() LIMIT 1 $$;
CREATE FUNCTION any_role() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT any_of(ARRAY['reader', 'developer', 'admin', 'reader', 'developer', 'admin', 'auditor', 'lead', 'own', 'owner']) $$;
CREATE FUNCTION any_permission() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT any_of(ARRAY['prompts.view', 'prompts.edit', 'team.manage', 'api_keys.manage', 'audit.view', 'billing.manage', 'logs.view', 'reports.view', 'reports.edit']) $$;
-- reports.spare, which may be defined, is in no own role, so that it can be dropped.
-- Soon enough to be over before all is, late enough not to be at once.
CREATE FUNCTION any_time() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
	SELECT CASE floor(random() * 3) WHEN 0 THEN NULL WHEN 1 THEN clock_timestamp() + random() * interval '100 ms' ELSE clock_timestamp() + interval '1 year' END $$;
-- Somebody who can do something: a member of the tenant as a rule, its owner most often.
CREATE FUNCTION any_actor(tenant uuid) RETURNS uuid LANGUAGE sql VOLATILE AS $$
	SELECT COALESCE((SELECT m.user_id FROM teamrbac.membership AS m WHERE m.tenant_id = tenant
					 ORDER BY m.role = 'owner' AND random() < 0.6 DESC, m.role = 'admin' AND random() < 0.5 DESC, random() LIMIT 1), any_user()) $$;

CREATE PROCEDURE one_command() LANGUAGE plpgsql AS $$
DECLARE
	tenant uuid := any_tenant();
	actor uuid := any_actor(tenant);
	other uuid := any_user();
	member uuid := COALESCE((SELECT m.user_id FROM teamrbac.membership AS m WHERE m.tenant_id = tenant ORDER BY random() LIMIT 1), any_user());
	key keys := (SELECT k FROM keys AS k JOIN teamrbac.api_key AS a USING (key_id) ORDER BY a.revoked_at IS NULL AND a.replaced_by IS NULL AND (a.expires_at > clock_timestamp()) IS NOT FALSE AND random() < 0.8 DESC, random() LIMIT 1);
	command text := any_of(ARRAY['create', 'invite', 'invite', 'invite', 'accept', 'accept', 'accept', 'role', 'role', 'role', 'role and keys', 'remove', 'leave', 'expiry', 'expiry', 'expire',
		'transfer', 'assign', 'delete', 'restore', 'restore', 'disable', 'enable', 'enable', 'key', 'key', 'key', 'rotate', 'rotate now', 'revoke', 'rename', 'key expiry', 'user keys', 'member keys',
		'define role', 'define permission', 'drop role', 'drop permission', 'own role', 'drop own role', 'hand member', 'hand insert', 'hand remove', 'hand move', 'hand key', 'hand tenant', 'hand user',
		'hand grant', 'hand grant', 'purge', 'taken back']);
	secret record;
	created uuid;
	tenant_name text;
	revoked bigint;
	deleted uuid := COALESCE((SELECT t.tenant_id FROM teamrbac.tenant AS t WHERE t.deleted_at IS NOT NULL ORDER BY random() LIMIT 1), tenant);
	disabled uuid := COALESCE((SELECT u.user_id FROM teamrbac.app_user AS u WHERE u.disabled_at IS NOT NULL ORDER BY random() LIMIT 1), other);
BEGIN
	BEGIN
		IF command NOT LIKE 'hand%' AND command <> ALL ('{assign,restore,disable,enable,user keys,define role,define permission,drop role,drop permission,expire,purge,accept}') THEN
			PERFORM teamrbac.sign_in(CASE WHEN command = ANY ('{rotate,rotate now,revoke,rename,key expiry}') THEN any_actor(key.tenant_id) ELSE actor END);
		END IF;
		CASE command
		WHEN 'create' THEN
			IF (SELECT count(*) FROM tenants) < 6 THEN
				created := teamrbac.create_tenant('T' || random()::text);
				INSERT INTO tenants VALUES (created);
			END IF;
		WHEN 'invite' THEN
			INSERT INTO tokens SELECT i.token, u.email FROM users AS u, teamrbac.invite_member(tenant, u.email, any_role(), membership_expires_at => any_time()) AS i WHERE u.user_id = other;
		WHEN 'accept' THEN
			SELECT t.* INTO secret FROM tokens AS t ORDER BY random() LIMIT 1;
			DELETE FROM tokens AS t WHERE t.token = secret.token;
			PERFORM teamrbac.sign_in((SELECT u.user_id FROM users AS u WHERE u.email = secret.email));
			PERFORM teamrbac.accept_invitation(secret.token);
		WHEN 'role' THEN CALL teamrbac.change_role(tenant, member, any_role());
		WHEN 'role and keys' THEN CALL teamrbac.change_role(tenant, member, any_role(), true);
		WHEN 'remove' THEN CALL teamrbac.remove_member(tenant, member, random() < 0.5);
		WHEN 'leave' THEN CALL teamrbac.leave_tenant(tenant);
		WHEN 'expiry' THEN CALL teamrbac.set_membership_expiry(tenant, CASE WHEN random() < 0.2 THEN other ELSE member END, any_time());
		WHEN 'expire' THEN PERFORM teamrbac.expire_membership_batch(1000);
		WHEN 'transfer' THEN
			PERFORM teamrbac.sign_in((SELECT m.user_id FROM teamrbac.membership AS m WHERE m.tenant_id = tenant AND m.role = 'owner'));
			member := COALESCE((SELECT m.user_id FROM teamrbac.membership AS m WHERE m.tenant_id = tenant AND m.role = 'admin' ORDER BY random() LIMIT 1), member);
			CALL teamrbac.transfer_ownership(tenant, member);
		WHEN 'assign' THEN CALL teamrbac.assign_owner(tenant, CASE WHEN random() < 0.3 THEN other ELSE member END);
		WHEN 'delete' THEN
			IF random() < 0.3 THEN
				tenant_name := (SELECT t.name FROM teamrbac.tenant AS t WHERE t.tenant_id = tenant);
				CALL teamrbac.delete_tenant(tenant, tenant_name);
			END IF;
		WHEN 'restore' THEN CALL teamrbac.restore_tenant(deleted);
		WHEN 'disable' THEN CALL teamrbac.disable_user(other);
		WHEN 'enable' THEN CALL teamrbac.enable_user(disabled);
		WHEN 'key' THEN
			SELECT * INTO secret FROM teamrbac.create_api_key(tenant, 'key ' || random()::text, any_role(), any_time(), CASE WHEN random() < 0.3 THEN ARRAY[any_of('{prompts.view,logs.view,prompts.edit,reports.view}')] END);
			INSERT INTO keys VALUES (secret.key_id, tenant, secret.secret);
		WHEN 'rotate', 'rotate now' THEN
			SELECT * INTO secret FROM teamrbac.rotate_api_key(key.key_id, CASE command WHEN 'rotate' THEN random() * interval '100 ms' ELSE '0' END);
			INSERT INTO keys VALUES (secret.key_id, key.tenant_id, secret.secret);
		WHEN 'revoke' THEN CALL teamrbac.revoke_api_key(key.key_id, 'lost');
		WHEN 'rename' THEN CALL teamrbac.rename_api_key(key.key_id, 'key ' || random()::text);
		WHEN 'key expiry' THEN CALL teamrbac.set_api_key_expiry(key.key_id, any_time());
		WHEN 'user keys' THEN
			IF random() < 0.3 THEN
				CALL teamrbac.revoke_user_keys(other, revoked);
			END IF;
		WHEN 'member keys' THEN CALL teamrbac.revoke_member_keys(tenant, member, revoked);
		WHEN 'define role' THEN PERFORM teamrbac.define_role(any_of('{auditor,lead}'), 'Role', ARRAY(SELECT DISTINCT any_permission() FROM generate_series(0, floor(random() * 4)::int)));
		WHEN 'drop role' THEN PERFORM teamrbac.drop_role(any_of('{auditor,lead}'));
		WHEN 'define permission' THEN PERFORM teamrbac.define_permission(any_of('{reports.view,reports.edit,reports.spare}'), 'Reports', ARRAY[any_of('{reader,developer,admin,owner}')], random() < 0.5);
		WHEN 'drop permission' THEN PERFORM teamrbac.drop_permission(any_of('{reports.view,reports.edit,reports.spare}'));
		WHEN 'own role' THEN EXECUTE 'SELECT teamrbac.define_tenant_role($1, ''own'', ''Own'', $2)' USING tenant, ARRAY(SELECT DISTINCT any_permission() FROM generate_series(0, floor(random() * 4)::int));
		WHEN 'drop own role' THEN EXECUTE 'CALL teamrbac.drop_tenant_role($1, ''own'')' USING tenant;
		WHEN 'hand member' THEN UPDATE teamrbac.membership AS m SET role = any_role(), expires_at = any_time() WHERE m.tenant_id = tenant AND m.user_id = member AND m.role <> 'owner';
		WHEN 'hand insert' THEN INSERT INTO teamrbac.membership (tenant_id, user_id, role, expires_at) VALUES (tenant, other, any_role(), any_time());
		WHEN 'hand remove' THEN DELETE FROM teamrbac.membership AS m WHERE m.tenant_id = tenant AND m.user_id = member AND m.role <> 'owner';
		WHEN 'hand move' THEN
			-- To another user or into another tenant.
			IF random() < 0.5 THEN
				UPDATE teamrbac.membership AS m SET user_id = other WHERE m.tenant_id = tenant AND m.user_id = member;
			ELSE
				UPDATE teamrbac.membership AS m SET tenant_id = any_tenant() WHERE m.tenant_id = tenant AND m.user_id = member AND m.role <> 'owner';
			END IF;
		WHEN 'hand key' THEN
			UPDATE teamrbac.api_key AS k SET role = any_role(), expires_at = any_time(), revoked_at = CASE WHEN random() < 0.3 THEN clock_timestamp() END, revoked_by = NULL, revoke_reason = NULL,
				permissions = CASE WHEN random() < 0.3 THEN ARRAY[any_permission()] END WHERE k.key_id = key.key_id;
		WHEN 'hand tenant' THEN UPDATE teamrbac.tenant AS t SET deleted_at = CASE WHEN random() < 0.2 THEN clock_timestamp() END WHERE t.tenant_id = tenant;
		WHEN 'hand user' THEN UPDATE teamrbac.app_user AS u SET disabled_at = CASE WHEN random() < 0.2 THEN clock_timestamp() END WHERE u.user_id = other;
		WHEN 'hand grant' THEN
			CASE floor(random() * 3)
			WHEN 0 THEN INSERT INTO teamrbac.role_permission (role, permission) VALUES (any_of('{auditor,lead,reader}'), any_of('{reports.view,reports.edit,logs.view}'));
			WHEN 1 THEN DELETE FROM teamrbac.role_permission AS rp WHERE rp.role = any_of('{auditor,lead,reader}') AND rp.permission = any_of('{reports.view,reports.edit,logs.view}') AND NOT rp.built_in;
			ELSE UPDATE teamrbac.role_permission AS rp SET permission = any_of('{reports.view,reports.edit,logs.view}') WHERE rp.role = any_of('{auditor,lead}') AND NOT rp.built_in;
			END CASE;
		WHEN 'purge' THEN
			IF random() < 0.2 AND EXISTS (SELECT FROM teamrbac.tenant AS t WHERE t.tenant_id = tenant AND t.deleted_at IS NOT NULL) THEN
				SET LOCAL teamrbac.deleted_tenant_retention = '0';
				WHILE teamrbac.purge_tenant_batch(tenant, 1000) LOOP
				END LOOP;
				RESET teamrbac.deleted_tenant_retention;
				-- By hand, the same id can come again.
				IF random() < 0.5 AND NOT EXISTS (SELECT FROM teamrbac.tenant AS t WHERE t.tenant_id = tenant) THEN
					INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (tenant, 'Again');
					INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (tenant, other, 'owner');
				ELSE
					DELETE FROM tenants AS t WHERE t.tenant_id = tenant AND (SELECT count(*) FROM tenants) > 2;
				END IF;
			END IF;
		WHEN 'taken back' THEN
			BEGIN
				UPDATE teamrbac.membership AS m SET role = 'developer' WHERE m.tenant_id = tenant AND m.role <> 'owner';
				UPDATE teamrbac.app_user SET disabled_at = clock_timestamp();
				RAISE EXCEPTION 'never mind' USING ERRCODE = 'P0001';
			EXCEPTION WHEN SQLSTATE 'P0001' THEN NULL;
			END;
		END CASE;
		-- What else would fail at the end of the transaction fails now, and is taken back.
		SET CONSTRAINTS ALL IMMEDIATE;
		SET CONSTRAINTS ALL DEFERRED;
		INSERT INTO done VALUES (command, '');
	EXCEPTION WHEN OTHERS THEN
		INSERT INTO done VALUES (command, SQLSTATE || ' ' || SQLERRM);
	END;
	PERFORM teamrbac.sign_out();
END
$$;

CREATE PROCEDURE one_answer() LANGUAGE plpgsql AS $$
DECLARE
	asked answers;
	key keys;
BEGIN
	asked.is_key := random() < 0.3;
	asked.tenant_id := any_tenant();
	asked.permission := any_permission();
	key := (SELECT k FROM keys AS k ORDER BY random() LIMIT 1);
	asked.from_time := clock_timestamp();
	BEGIN
		IF asked.is_key THEN
			asked.tenant_id := key.tenant_id;
			asked.who := key.key_id;
			PERFORM teamrbac.sign_in_with_api_key(key.secret);
		ELSE
			asked.who := any_actor(asked.tenant_id);
			PERFORM teamrbac.sign_in(asked.who);
		END IF;
		asked.from_time := clock_timestamp();
		asked.answer := teamrbac.has_permission(asked.tenant_id, asked.permission);
	EXCEPTION WHEN invalid_authorization_specification THEN
		asked.answer := false;
	WHEN invalid_parameter_value THEN
		-- There is no such permission at the time.
		asked.answer := false;
	END;
	asked.to_time := clock_timestamp();
	PERFORM teamrbac.sign_out();
	IF asked.who IS NOT NULL THEN
		INSERT INTO answers (from_time, to_time, tenant_id, who, is_key, permission, answer)
			VALUES (asked.from_time, asked.to_time, asked.tenant_id, asked.who, asked.is_key, asked.permission, asked.answer);
	END IF;
END
$$;

CREATE FUNCTION present_team(tenant uuid, at timestamptz) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s %s %s', m.user_id, m.role, m.expires_at AT TIME ZONE 'UTC',
							 CASE WHEN t.deleted_at IS NOT NULL THEN 'tenant deleted' WHEN u.disabled_at IS NOT NULL THEN 'user disabled' ELSE 'active' END), E'\n' ORDER BY m.user_id)
	FROM teamrbac.membership AS m JOIN teamrbac.tenant AS t USING (tenant_id) JOIN teamrbac.app_user AS u USING (user_id)
	WHERE m.tenant_id = tenant AND (m.expires_at IS NULL OR m.expires_at > at) $$;
CREATE FUNCTION past_team(tenant uuid, at timestamptz) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s %s %s', m.user_id, m.role, m.expires_at AT TIME ZONE 'UTC', m.state), E'\n' ORDER BY m.user_id)
	FROM teamrbac.team_at(tenant, at) AS m $$;
CREATE FUNCTION present_roles() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s', r.role, ARRAY(SELECT rp.permission::text FROM teamrbac.role_permission AS rp WHERE rp.role = r.role ORDER BY 1)), E'\n' ORDER BY r.role)
	FROM teamrbac.role AS r $$;
CREATE FUNCTION past_roles(tenant uuid, at timestamptz) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s', r.role, r.permissions), E'\n' ORDER BY r.role COLLATE "C") FROM teamrbac.roles_at(tenant, at) AS r WHERE NOT r.own $$;

CREATE PROCEDURE one_team() LANGUAGE plpgsql AS $$
DECLARE
	-- Where something has just happened, as a rule.
	tenant uuid := CASE WHEN random() < 0.8 THEN (SELECT e.tenant_id FROM teamrbac.audit_event AS e JOIN tenants AS t USING (tenant_id) ORDER BY e.occurred_at DESC LIMIT 1)
						ELSE any_tenant() END;
	from_time timestamptz := clock_timestamp();
	team text := present_team(tenant, from_time);
BEGIN
	INSERT INTO teams (from_time, to_time, tenant_id, team, roles) VALUES (from_time, clock_timestamp(), tenant, team, present_roles());
END
$$;

-- One transaction for each thing that happens.
CREATE PROCEDURE live(commands int) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1 .. commands LOOP
		CALL one_command();
		COMMIT;
		CALL one_answer();
		CALL one_answer();
		CALL one_team();
		COMMIT;
	END LOOP;
END
$$;

-- What is asked about has been a permission once, whatever chance makes of it.
SELECT teamrbac.define_permission(p, 'Reports', '{}') FROM unnest(ARRAY['reports.view', 'reports.edit']) AS p;
SELECT teamrbac.drop_permission(p) FROM unnest(ARRAY['reports.view', 'reports.edit']) AS p;

-- What is answered now otherwise than it was then; within those times something may have expired.
CREATE VIEW wrong_answers AS
	SELECT a.*, e.allowed, e.reason, e.role, e.events
	FROM answers AS a, teamrbac.explain_permission_at(a.tenant_id, a.who, a.permission, a.from_time) AS e
	WHERE e.allowed <> a.answer
	  AND a.answer <> (SELECT l.allowed FROM teamrbac.explain_permission_at(a.tenant_id, a.who, a.permission, a.to_time) AS l);
CREATE VIEW wrong_teams AS
	SELECT t.n, t.from_time, t.tenant_id, t.team, p.past
	FROM teams AS t, LATERAL (SELECT past_team(t.tenant_id, t.from_time) OFFSET 0) AS p(past)
	WHERE t.team IS DISTINCT FROM p.past;
CREATE VIEW wrong_roles AS
	SELECT t.n, t.from_time, t.tenant_id, t.roles, past_roles(t.tenant_id, t.from_time) AS past
	FROM teams AS t WHERE t.roles IS DISTINCT FROM past_roles(t.tenant_id, t.from_time);

-- To begin with.
DO $$
DECLARE
	created uuid;
BEGIN
	FOR n IN 1 .. 3 LOOP
		PERFORM teamrbac.sign_in((SELECT user_id FROM users AS u WHERE u.n = one.n)) FROM (VALUES (n)) AS one(n);
		created := teamrbac.create_tenant('Tenant ' || n);
		INSERT INTO tenants VALUES (created);
	END LOOP;
END
$$;
SELECT teamrbac.define_role('auditor', 'Auditor', '{audit.view}');

-- The same where some events are no longer kept: an answer, or none.
CREATE FUNCTION kept_answer(tenant uuid, who uuid, permission text, at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT e.allowed FROM teamrbac.explain_permission_at(tenant, who, permission, at) AS e);
EXCEPTION WHEN object_not_in_prerequisite_state THEN RETURN NULL;
WHEN invalid_parameter_value THEN RETURN NULL;
END
$$;
CREATE FUNCTION kept_team(tenant uuid, at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN COALESCE(past_team(tenant, at), 'nobody');
EXCEPTION WHEN object_not_in_prerequisite_state THEN RETURN NULL;
END
$$;
