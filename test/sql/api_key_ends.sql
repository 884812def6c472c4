-- API keys: rotation, revocation, expiry, last use, and who sees what.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(name || '@example.com', name, u(n)))
	FROM (VALUES ('01', 'Olivia'), ('02', 'Adam'), ('03', 'Dana'), ('04', 'Rita'), ('05', 'Dan'), ('99', 'Sam')) AS v(n, name);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme'), (u('b0'), 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('a0'), u('02'), 'admin'), (u('a0'), u('03'), 'developer'), (u('a0'), u('04'), 'reader'),
	(u('a0'), u('05'), 'developer'), (u('b0'), u('99'), 'owner');
COMMIT;
CREATE TABLE made (who text PRIMARY KEY, key_id uuid, secret text);
CREATE FUNCTION key(text) RETURNS uuid LANGUAGE sql STABLE AS 'SELECT key_id FROM made WHERE who = $1';
-- Whether a key works, tried without a trace.
CREATE FUNCTION works(name text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM teamrbac.sign_in_with_api_key(secret) FROM made WHERE who = name;
		RAISE EXCEPTION USING ERRCODE = 'TR000';
	EXCEPTION
		WHEN SQLSTATE 'TR000' THEN RETURN true;
		WHEN SQLSTATE '28000' THEN
			IF SQLERRM <> 'invalid API key' THEN RAISE; END IF;
			RETURN false;
	END;
END $$;
CREATE FUNCTION try(who uuid, command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM teamrbac.sign_in(who);
		EXECUTE command;
		RAISE EXCEPTION USING ERRCODE = 'TR000';
	EXCEPTION
		WHEN SQLSTATE 'TR000' THEN RETURN 'ok';
		WHEN OTHERS THEN RETURN SQLSTATE;
	END;
END $$;
CREATE VIEW people AS SELECT * FROM (VALUES (1, '01', 'owner'), (2, '02', 'admin'), (3, '03', 'developer'), (4, '04', 'reader'), (5, '05', 'other dev'), (6, '99', 'stranger')) AS t(n, id, role);
SELECT teamrbac.sign_in(u('01'), false);
INSERT INTO made SELECT 'owner', * FROM teamrbac.create_api_key(u('a0'), 'owner''s', 'owner');
SELECT teamrbac.sign_in(u('02'), false);
INSERT INTO made SELECT 'admin', * FROM teamrbac.create_api_key(u('a0'), 'admin''s', 'admin');
SELECT teamrbac.sign_in(u('03'), false);
INSERT INTO made SELECT 'developer', * FROM teamrbac.create_api_key(u('a0'), 'developer''s', 'developer', now() + interval '1 day', '{prompts.view,logs.view}');
INSERT INTO made SELECT 'reader', * FROM teamrbac.create_api_key(u('a0'), 'another', 'reader');
SELECT teamrbac.sign_in(u('99'), false);
INSERT INTO made SELECT 'foreign', * FROM teamrbac.create_api_key(u('b0'), 'foreign', 'developer');

-- Who sees which keys.
CREATE FUNCTION sees(who uuid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM teamrbac.sign_in(who, false);
	RETURN (SELECT string_agg(name, ', ' ORDER BY name) FROM teamrbac.api_key_overview);
END $$;
SELECT role AS "sees", sees(u(id)) AS keys FROM people ORDER BY n;
-- The reader made the reader's key while more than that.
UPDATE teamrbac.api_key SET created_by = u('04') WHERE key_id = key('reader');
-- Who may revoke and rotate whose: an Admin anybody's, others their own; a secret goes to nobody whose role it exceeds.
SELECT actor.role AS "revokes a key of", string_agg(try(u(actor.id), format('CALL teamrbac.revoke_api_key(%L)', made.key_id)), ' ' ORDER BY made.who) AS "admin developer foreign owner reader"
	FROM people AS actor, made GROUP BY actor.n, actor.role ORDER BY actor.n;
SELECT actor.role AS "rotates a key of", string_agg(try(u(actor.id), format('SELECT * FROM teamrbac.rotate_api_key(%L)', made.key_id)), ' ' ORDER BY made.who) AS "admin developer foreign owner reader"
	FROM people AS actor, made GROUP BY actor.n, actor.role ORDER BY actor.n;
SELECT actor.role AS "revokes all keys of", string_agg(try(u(actor.id), format('CALL teamrbac.revoke_member_keys(%L, %L)', u('a0'), u(target.id))), ' ' ORDER BY target.n) AS "owner admin developer reader other stranger"
	FROM people AS actor, people AS target GROUP BY actor.n, actor.role ORDER BY actor.n;
SELECT actor.role AS "revokes by a filter", try(u(actor.id), format('CALL teamrbac.revoke_api_keys(%L, name_like => ''%%'')', u('a0'))) FROM people AS actor ORDER BY n;
-- A key that isn't theirs reads like one that doesn't exist.
SELECT teamrbac.sign_in(u('02'), false);
SELECT key('foreign') AS foreign, key('owner') AS owner, key('developer') AS developer, key('reader') AS reader, key('admin') AS admin \gset
CALL teamrbac.revoke_api_key(:'foreign');
CALL teamrbac.revoke_api_key(u('ff'));
SELECT * FROM teamrbac.rotate_api_key(:'foreign');
SELECT * FROM teamrbac.rotate_api_key(:'owner');

-- Rotation with an overlap: both work, with the same role, permissions and expiry; the new one is the rotator's.
SELECT teamrbac.sign_in(u('02'), false);
INSERT INTO made SELECT 'rotated', * FROM teamrbac.rotate_api_key(:'developer', '1 hour');
SELECT works('developer'), works('rotated');
SELECT name, state, creator, role, permissions, expires_at - created_at < interval '61 min' AS "ends soon", replaced_by = key('rotated') AS replaced FROM teamrbac.api_key_overview WHERE name = 'developer''s' ORDER BY state;
SELECT * FROM teamrbac.rotate_api_key(:'developer');
-- It never lasts longer than it would have.
INSERT INTO made SELECT 'rotated again', * FROM teamrbac.rotate_api_key(key('rotated'), '1 year');
SELECT count(*), count(DISTINCT expires_at) FROM teamrbac.api_key WHERE key_id IN (key('rotated'), key('rotated again'));
-- Without an overlap the old one ends at once.
INSERT INTO made SELECT 'rotated at once', * FROM teamrbac.rotate_api_key(key('rotated again'));
SELECT works('rotated again'), works('rotated at once');
SELECT state, revoke_reason, revoked_by = u('02') AS by FROM teamrbac.api_key_overview WHERE key_id = key('rotated again');
SELECT * FROM teamrbac.rotate_api_key(key('rotated again'));
SELECT * FROM teamrbac.rotate_api_key(key('rotated at once'), '-1 second');
SELECT * FROM teamrbac.rotate_api_key(key('rotated at once'), NULL);
SELECT * FROM teamrbac.rotate_api_key(NULL);
-- A failed rotation leaves the old key as it was.
BEGIN;
SELECT count(*) FROM teamrbac.rotate_api_key(key('rotated at once'));
SELECT works('rotated at once');
ROLLBACK;
SELECT works('rotated at once');

-- Revocation, obeyed by the next statement of a session that has signed in.
SELECT teamrbac.sign_in(u('02'), false);
BEGIN;
SELECT k.role FROM made, teamrbac.sign_in_with_api_key(secret) AS k WHERE who = 'reader';
SELECT teamrbac.has_permission(u('a0'), 'prompts.view');
SELECT teamrbac.sign_in(u('02'));
CALL teamrbac.revoke_api_key(:'reader', 'left on a train');
SELECT works('reader');
ROLLBACK;
SELECT works('reader');
CALL teamrbac.revoke_api_key(:'reader', E'two\nlines');
CALL teamrbac.revoke_api_key(:'reader', 'left on a train');
SELECT works('reader');
CALL teamrbac.revoke_api_key(:'reader');
CALL teamrbac.revoke_api_key(NULL);
SELECT name, state, revoke_reason, revoked_by = u('02') AS by FROM teamrbac.api_key_overview WHERE key_id = :'reader';
-- The name is free again.
INSERT INTO made SELECT 'reader 2', * FROM teamrbac.create_api_key(u('a0'), 'another', 'reader');
-- A session that is still signed in with a key that has ended, and why it may nothing.
SELECT k.role FROM made, teamrbac.sign_in_with_api_key(secret, false) AS k WHERE who = 'reader 2';
UPDATE teamrbac.api_key SET revoked_at = now() WHERE key_id = key('reader 2');
SELECT allowed, reason FROM teamrbac.explain_permission(u('a0'), 'prompts.view');
UPDATE teamrbac.api_key SET revoked_at = NULL, expires_at = now() WHERE key_id = key('reader 2');
SELECT allowed, reason FROM teamrbac.explain_permission(u('a0'), 'prompts.view');
SELECT teamrbac.my_permissions(u('a0')), (SELECT count(*) FROM teamrbac.my_tenants()), teamrbac.permitted_tenants('prompts.view');
UPDATE teamrbac.tenant SET deleted_at = now() WHERE tenant_id = u('a0');
UPDATE teamrbac.api_key SET expires_at = NULL WHERE key_id = key('reader 2');
SELECT allowed, reason FROM teamrbac.explain_permission(u('a0'), 'prompts.view');
UPDATE teamrbac.tenant SET deleted_at = NULL WHERE tenant_id = u('a0');
SELECT allowed, reason FROM teamrbac.explain_permission(u('a0'), 'prompts.view');
DELETE FROM teamrbac.api_key WHERE key_id = key('reader 2');
SELECT allowed, reason FROM teamrbac.explain_permission(u('a0'), 'prompts.view');

-- Expiry: nothing needs to run, and the name of an expired key is free.
SELECT teamrbac.sign_in(u('02'), false);
INSERT INTO made SELECT 'short', * FROM teamrbac.create_api_key(u('a0'), 'short', 'reader', clock_timestamp() + interval '0.3 s');
SELECT works('short');
SELECT * FROM teamrbac.create_api_key(u('a0'), 'short', 'reader');
SELECT pg_sleep(0.4);
SELECT works('short');
SELECT * FROM teamrbac.rotate_api_key(key('short'));
INSERT INTO made SELECT 'short 2', * FROM teamrbac.create_api_key(u('a0'), 'short', 'reader');
SELECT name, state, replaced_by = key('short 2') AS replaced FROM teamrbac.api_key_overview WHERE name = 'short' ORDER BY state;
-- An expired key can still be marked.
CALL teamrbac.revoke_api_key((key('short')), 'expired');

-- Many at once: each filter, all of them together, and how many.
CALL teamrbac.revoke_api_keys(u('a0'));
CALL teamrbac.revoke_api_keys(u('a0'), reason => 'for fun');
CALL teamrbac.revoke_api_keys(NULL, name_like => '%');
CALL teamrbac.revoke_api_keys(u('b0'), name_like => '%');
CALL teamrbac.revoke_api_keys(u('a0'), name_like => 'x', reason => '');
CALL teamrbac.revoke_api_keys(u('a0'), name_like => E'\\');
CALL teamrbac.revoke_api_keys(u('a0'), created_by => u('99'));
SELECT teamrbac.sign_in(u('03'), false);
INSERT INTO made SELECT 'bot ' || n, k.* FROM generate_series(1, 5) AS n, teamrbac.create_api_key(u('a0'), 'bot ' || n) AS k;
SELECT teamrbac.sign_in(u('02'), false);
INSERT INTO made SELECT 'tool ' || n, k.* FROM generate_series(1, 2) AS n, teamrbac.create_api_key(u('a0'), 'tool ' || n) AS k;
UPDATE teamrbac.api_key SET created_at = now() - interval '1 year' WHERE name ~ '^(bot|tool)';
UPDATE teamrbac.api_key_use SET last_used_at = now() - interval '2 months' WHERE key_id IN (key('bot 1'), key('bot 2'), key('tool 1'));
UPDATE teamrbac.api_key_use SET last_used_at = now() WHERE key_id = key('bot 3');
BEGIN;
CALL teamrbac.revoke_api_keys(u('a0'), unused_since => now() - interval '3 months');
ROLLBACK;
BEGIN;
CALL teamrbac.revoke_api_keys(u('a0'), unused_since => now() - interval '3 months', name_like => 'bot%');
ROLLBACK;
CALL teamrbac.revoke_api_keys(u('a0'), created_by => u('03'), unused_since => now() - interval '1 month', name_like => 'bot _', reason => 'unused');
SELECT name, state, revoke_reason FROM teamrbac.api_key_overview WHERE name ~ '^(bot|tool)' ORDER BY name;
-- When somebody leaves: their keys stay until asked otherwise, and belong to the Admins now.
SELECT kind, subject, regexp_replace(detail, '20..-..-.. ..:..', 'then', 'g') AS detail FROM teamrbac.removal_impact(u('a0'), u('03'));
BEGIN;
CALL teamrbac.remove_member(u('a0'), u('03'), true);
SELECT works('bot 3'), works('tool 1');
SELECT name, revoke_reason FROM teamrbac.api_key_overview WHERE name = 'bot 3';
ROLLBACK;
-- A demotion leaves the keys alone, unless asked otherwise.
BEGIN;
CALL teamrbac.change_role(u('a0'), u('03'), 'reader');
SELECT works('bot 3');
CALL teamrbac.change_role(u('a0'), u('03'), 'reader', true);
SELECT works('bot 3'), works('tool 1');
SELECT name, revoke_reason FROM teamrbac.api_key_overview WHERE name = 'bot 3';
ROLLBACK;
-- Somebody who manages the team but not its keys may not revoke them that way.
SELECT teamrbac.define_role('lead', 'Team lead', ARRAY['team.manage', 'endpoints.view', 'prompts.view', 'snippets.view', 'logs.view']);
UPDATE teamrbac.membership SET role = 'lead' WHERE user_id = u('04');
UPDATE teamrbac.membership SET role = 'reader' WHERE user_id = u('05');
SELECT revoke, try(u('04'), format('CALL teamrbac.remove_member(%L, %L, %L)', u('a0'), u('05'), revoke)) AS removes, try(u('04'), format('CALL teamrbac.change_role(%L, %L, ''reader'', %L)', u('a0'), u('05'), revoke)) AS changes
	FROM unnest(ARRAY[true, false, NULL]) AS revoke;
CALL teamrbac.remove_member(u('a0'), u('03'));
SELECT works('bot 3');
SELECT creator, state FROM teamrbac.api_key_overview WHERE name = 'bot 3';
SELECT teamrbac.sign_in(u('03'), false);
SELECT count(*) FROM teamrbac.api_key_overview;
CALL teamrbac.revoke_member_keys(u('a0'), u('03'));
CALL teamrbac.revoke_api_key((key('bot 3')));
SELECT teamrbac.sign_in(u('02'), false);
CALL teamrbac.revoke_member_keys(u('a0'), u('03'));
CALL teamrbac.revoke_member_keys(u('a0'), u('03'));
CALL teamrbac.revoke_member_keys(u('a0'), NULL);
SELECT works('bot 3'), works('tool 1');

-- Every event is in the audit, without any secret.
SELECT action, count(*) FROM teamrbac.audit_event WHERE action ~ '^api_key' GROUP BY action ORDER BY action;
SELECT action, before - 'expires_at' AS before, after - ARRAY['replaced_by', 'works_until', 'expires_at'] AS after FROM teamrbac.audit_event WHERE subject = 'api_key:' || key('developer') ORDER BY sequence;
SELECT count(*) FROM teamrbac.audit_event AS e, made WHERE e::text ~ right(secret, 49) OR e::text ~ encode(digest(secret, 'sha256'), 'hex');

-- Last use: noted at most once within the granularity, nothing where nothing may be written.
SELECT teamrbac.sign_in(u('01'), false);
CREATE VIEW used AS SELECT name, last_used_at IS NOT NULL AS used, last_used_at > now() - interval '1 minute' AS lately FROM teamrbac.api_key_use JOIN teamrbac.api_key USING (tenant_id, key_id) WHERE key_id = key('admin');
SELECT * FROM used;
BEGIN READ ONLY; SELECT role FROM made, teamrbac.sign_in_with_api_key(secret) WHERE who = 'admin'; SELECT teamrbac.has_permission(u('a0'), 'prompts.edit'); COMMIT;
SELECT * FROM used;
-- Nor does a transaction that fails.
BEGIN; SELECT role FROM made, teamrbac.sign_in_with_api_key(secret) WHERE who = 'admin'; ROLLBACK;
SELECT * FROM used;
BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT role FROM made, teamrbac.sign_in_with_api_key(secret) WHERE who = 'admin'; COMMIT;
SELECT * FROM used;
SELECT xmin AS once FROM teamrbac.api_key_use WHERE key_id = key('admin') \gset
BEGIN; SELECT role FROM made, teamrbac.sign_in_with_api_key(secret) WHERE who = 'admin'; COMMIT;
SELECT xmin = :once::text::xid AS "not again" FROM teamrbac.api_key_use WHERE key_id = key('admin');
UPDATE teamrbac.api_key_use SET last_used_at = now() - interval '4 min 50 s' WHERE key_id = key('admin');
BEGIN; SELECT role FROM made, teamrbac.sign_in_with_api_key(secret) WHERE who = 'admin'; COMMIT;
SELECT * FROM used;
UPDATE teamrbac.api_key_use SET last_used_at = now() - interval '5 min 10 s' WHERE key_id = key('admin');
-- A backend remembers what it has seen noted, which this test has just undone by hand.
\c -
SET client_min_messages = warning;
SELECT teamrbac.sign_in(u('01'), false);
BEGIN; SELECT role FROM made, teamrbac.sign_in_with_api_key(secret) WHERE who = 'admin'; COMMIT;
SELECT * FROM used;
-- As often as a superuser wants it.
SET teamrbac.key_use_granularity = '0';
SELECT xmin AS once FROM teamrbac.api_key_use WHERE key_id = key('admin') \gset
BEGIN; SELECT role FROM made, teamrbac.sign_in_with_api_key(secret) WHERE who = 'admin'; SELECT role FROM made, teamrbac.sign_in_with_api_key(secret) WHERE who = 'admin'; COMMIT;
SELECT xmin = :once::text::xid AS "not again" FROM teamrbac.api_key_use WHERE key_id = key('admin');
RESET teamrbac.key_use_granularity;
-- Without a row, as after a restore of half a dump, a key works all the same.
DELETE FROM teamrbac.api_key_use WHERE key_id = key('admin');
SELECT works('admin');
SELECT last_used_at FROM teamrbac.api_key_overview WHERE key_id = key('admin');

DROP TABLE made CASCADE;
DROP EXTENSION teamrbac CASCADE;
DROP VIEW people;
DROP FUNCTION try(uuid, text), works(text), sees(uuid), key(text), u(text);
