-- API keys: who makes, sees, rotates and revokes them, and what they may do.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(n || '@example.com', n, u(n))) FROM unnest(ARRAY['01', '02', '03', '04', '05', '06', '99']) AS n;
SELECT teamrbac.define_permission('reports.view', 'View reports', '{developer}', true);
SELECT teamrbac.define_permission('payroll.view', 'View the payroll', '{}', true);
-- A keeper manages keys and may view; a maker makes keys for themselves and has little else.
SELECT teamrbac.define_role('keeper', 'Keeper of keys', ARRAY['api_keys.manage', 'prompts.view', 'endpoints.view', 'snippets.view', 'logs.view']);
SELECT teamrbac.define_role('maker', 'Maker', ARRAY['api_keys.create_personal', 'prompts.view']);
SELECT teamrbac.define_role('viewer', 'Views prompts', ARRAY['prompts.view']);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme'), (u('b0'), 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('a0'), u('02'), 'admin'), (u('a0'), u('03'), 'developer'), (u('a0'), u('04'), 'reader'),
	(u('a0'), u('05'), 'keeper'), (u('a0'), u('06'), 'maker'), (u('b0'), u('99'), 'owner');
COMMIT;
CREATE TABLE prompt (id int PRIMARY KEY, tenant_id uuid NOT NULL, title text);
CREATE INDEX ON prompt (tenant_id);
INSERT INTO prompt VALUES (1, u('a0'), 'p'), (2, u('b0'), 'q');
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
CREATE ROLE regress_app;
GRANT ALL ON prompt TO regress_app;

-- Each command is tried and taken back.
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
CREATE VIEW people AS SELECT * FROM (VALUES (1, '01', 'owner'), (2, '02', 'admin'), (3, '03', 'developer'), (4, '04', 'reader'), (5, '05', 'keeper'), (6, '06', 'maker'), (7, '99', 'stranger')) AS t(n, id, role);
-- Who may make a key with which role: none that may do more than they may.
SELECT actor.role AS "makes a key of", string_agg(try(u(actor.id), format('SELECT * FROM teamrbac.create_api_key(%L, ''k'', %L)', u('a0'), given.role)), ' ' ORDER BY given.n) AS "owner admin developer reader keeper maker"
	FROM people AS actor, people AS given WHERE given.n <= 6 GROUP BY actor.n, actor.role ORDER BY actor.n;

-- Making one.
CREATE TABLE made (who text PRIMARY KEY, key_id uuid, secret text);
GRANT SELECT ON made TO regress_app;
SELECT teamrbac.sign_in(u('03'), false);
INSERT INTO made SELECT 'dev', * FROM teamrbac.create_api_key(u('a0'), 'Dana''s laptop');
SELECT teamrbac.sign_in(u('02'), false);
INSERT INTO made SELECT 'admin', * FROM teamrbac.create_api_key(u('a0'), 'CI', 'admin');
INSERT INTO made SELECT 'narrow', * FROM teamrbac.create_api_key(u('a0'), 'narrow', permissions => '{prompts.view,reports.view}');
SELECT teamrbac.sign_in(u('01'), false);
INSERT INTO made SELECT 'owner', * FROM teamrbac.create_api_key(u('a0'), 'billing export', 'owner', now() + interval '1 day');
-- The form that the documentation gives to scanners; and nothing of the secret is kept but pgcrypto's hash of it.
SELECT bool_and(secret ~ '^trk_[0-9a-f]{32}_[0-9A-Za-z]{49}$') AS form, bool_and(substr(secret, 5, 32)::uuid = key_id) AS id,
	   bool_and(secret_hash = digest(secret, 'sha256')) AS hash, count(DISTINCT secret) FROM made JOIN teamrbac.api_key USING (key_id);
-- Refused: names, roles, permissions and times that won't do.
SELECT teamrbac.sign_in(u('02'), false);
SELECT * FROM teamrbac.create_api_key(u('a0'), 'CI');
SELECT * FROM teamrbac.create_api_key(u('a0'), '');
SELECT * FROM teamrbac.create_api_key(u('a0'), E'two\nlines');
SELECT * FROM teamrbac.create_api_key(u('a0'), repeat('x', 201));
SELECT * FROM teamrbac.create_api_key(u('a0'), NULL);
SELECT * FROM teamrbac.create_api_key(NULL, 'k');
SELECT * FROM teamrbac.create_api_key(u('a0'), 'k', NULL);
SELECT * FROM teamrbac.create_api_key(u('a0'), 'k', 'boss');
SELECT * FROM teamrbac.create_api_key(u('a0'), 'k', 'owner');
SELECT * FROM teamrbac.create_api_key(u('a0'), 'k', 'reader', now());
SELECT * FROM teamrbac.create_api_key(u('a0'), 'k', 'reader', '-infinity');
SELECT * FROM teamrbac.create_api_key(u('a0'), 'k', permissions => '{}');
SELECT * FROM teamrbac.create_api_key(u('a0'), 'k', permissions => '{NULL}');
SELECT * FROM teamrbac.create_api_key(u('a0'), 'k', permissions => '{prompts.veiw}');
SELECT * FROM teamrbac.create_api_key(u('a0'), 'k', 'reader', permissions => '{prompts.view,prompts.edit}');
SELECT * FROM teamrbac.create_api_key(u('a0'), 'k', 'admin', permissions => '{team.manage}');
-- A tenant that isn't theirs reads like one that doesn't exist.
SELECT * FROM teamrbac.create_api_key(u('b0'), 'k');
SELECT * FROM teamrbac.create_api_key(u('ff'), 'k');
SELECT teamrbac.sign_out();
SELECT * FROM teamrbac.create_api_key(u('a0'), 'k');
SELECT * FROM teamrbac.rotate_api_key(u('ff'));
CALL teamrbac.revoke_api_key(u('ff'));
CALL teamrbac.revoke_member_keys(u('a0'), u('02'));
CALL teamrbac.revoke_api_keys(u('a0'), name_like => '%');

-- Signing in: anybody who has the secret, as any database role.
CREATE FUNCTION sign_in_as(text) RETURNS TABLE (tenant_id uuid, key_known boolean, role text) LANGUAGE sql
	AS 'SELECT k.tenant_id, k.key_id = made.key_id, k.role FROM made, teamrbac.sign_in_with_api_key(made.secret, false) AS k WHERE made.who = $1';
SET ROLE regress_app;
SELECT * FROM sign_in_as('dev');
SELECT kind, user_id, tenant_id, key_id = (SELECT key_id FROM made WHERE who = 'dev') AS key FROM teamrbac.current_identity();
SELECT teamrbac.current_user_id(), (SELECT count(*) FROM teamrbac.my_tenants()) AS tenants, (SELECT count(*) FROM teamrbac.team) AS team, (SELECT count(*) FROM teamrbac.api_key_overview) AS keys;
SELECT * FROM prompt;
UPDATE prompt SET title = title || '!' RETURNING id;
-- What a key may do: what its role may, minus what is for people only.
SELECT teamrbac.my_permissions(u('a0'));
SELECT * FROM sign_in_as('admin');
SELECT teamrbac.my_permissions(u('a0'));
SELECT * FROM sign_in_as('owner');
SELECT teamrbac.my_permissions(u('a0'));
SELECT * FROM sign_in_as('narrow');
SELECT teamrbac.my_permissions(u('a0')), teamrbac.my_permissions(u('b0'));
SELECT * FROM prompt;
UPDATE prompt SET title = title || '!' RETURNING id;
INSERT INTO prompt VALUES (3, u('a0'), 'p');
SELECT p.permission, e.allowed, e.reason, e.role, (e.identity).kind FROM unnest(ARRAY['prompts.view', 'prompts.edit', 'api_keys.create_personal', 'team.manage']) WITH ORDINALITY AS p(permission, n),
	teamrbac.explain_permission(u('a0'), p.permission) AS e ORDER BY n;
SELECT reason FROM teamrbac.explain_permission(u('b0'), 'prompts.view');
-- A key manages nothing, whatever its role.
SELECT * FROM sign_in_as('owner');
SELECT * FROM teamrbac.create_api_key(u('a0'), 'k', 'reader');
SELECT * FROM teamrbac.rotate_api_key((SELECT key_id FROM made WHERE who = 'owner'));
SELECT key_id AS own FROM made WHERE who = 'owner' \gset
CALL teamrbac.revoke_api_key(:'own');
CALL teamrbac.revoke_member_keys(u('a0'), u('01'));
CALL teamrbac.revoke_api_keys(u('a0'), name_like => '%');
CALL teamrbac.change_role(u('a0'), u('04'), 'developer');
CALL teamrbac.delete_tenant(u('a0'), 'Acme');
SELECT teamrbac.create_tenant('k');
-- An identity that ends with its transaction, and one that a savepoint takes back.
BEGIN;
SELECT role FROM made, teamrbac.sign_in_with_api_key(secret) WHERE who = 'narrow';
SAVEPOINT s;
SELECT role FROM made, teamrbac.sign_in_with_api_key(secret) WHERE who = 'dev';
SELECT array_length(teamrbac.my_permissions(u('a0')), 1);
ROLLBACK TO s;
SELECT array_length(teamrbac.my_permissions(u('a0')), 1);
COMMIT;
SELECT (SELECT key_id FROM teamrbac.current_identity()) = key_id AS "the session's" FROM made WHERE who = 'owner';
SELECT teamrbac.sign_out();
RESET ROLE;

-- One answer to every key that is none, without a word of it.
CREATE FUNCTION refusal(secret text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; detail text; hint text; context text;
BEGIN
	PERFORM teamrbac.sign_in_with_api_key(secret);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
	IF secret <> '' AND strpos(concat(message, detail, hint, context), secret) > 0 THEN RETURN 'shown'; END IF;
	RETURN concat_ws(': ', SQLSTATE, message, detail || hint);
END $$;
SELECT refusal(secret) FROM made WHERE who = 'dev';
SELECT refusal(NULL);
CREATE TABLE wrong (what text, secret text);
INSERT INTO wrong SELECT w.* FROM made, LATERAL (VALUES
	('empty', ''), ('no key', 'hello'), ('a novel', repeat('trk_', 100000)), ('one character short', left(secret, -1)), ('one more', secret || '0'),
	('a typo', overlay(secret PLACING CASE substr(secret, 50, 1) WHEN 'x' THEN 'y' ELSE 'x' END FROM 50)),
	('wrong checksum', left(secret, -1) || CASE right(secret, 1) WHEN 'x' THEN 'y' ELSE 'x' END),
	('upper case', upper(secret)), ('blank before', ' ' || secret), ('another prefix', 'trl' || substr(secret, 4)), ('nothing but the form', 'trk_' || repeat('0', 32) || '_' || repeat('0', 49))) AS w
	WHERE who = 'dev';
SELECT count(*), count(DISTINCT refusal(secret)), min(refusal(secret)) FROM wrong;

-- Right but for the secret: a checksum is computed as the documentation says.
CREATE FUNCTION checksum(key text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	crc bigint := 4294967295; result text := '';
	alphabet CONSTANT text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
BEGIN
	FOR i IN 1 .. length(key) LOOP
		crc := crc # ascii(substr(key, i, 1));
		FOR bit IN 1 .. 8 LOOP
			crc := (crc >> 1) # CASE WHEN crc & 1 = 1 THEN 3988292384 ELSE 0 END;
		END LOOP;
	END LOOP;
	crc := crc # 4294967295;
	FOR i IN 1 .. 6 LOOP
		result := substr(alphabet, (crc % 62)::int + 1, 1) || result;
		crc := crc / 62;
	END LOOP;
	RETURN result;
END $$;
SELECT bool_and(right(secret, 6) = checksum(left(secret, -6))) AS "checksums hold" FROM made;
CREATE FUNCTION forged(id text, secret text) RETURNS text LANGUAGE sql
	AS $$ SELECT k || checksum(k) FROM (VALUES ('trk_' || id || '_' || secret)) AS v(k) $$;
SELECT count(DISTINCT refusal(forged)) AS refusals, bool_and(refusal(forged) LIKE '28000: invalid API key: %') AS the_same
	FROM made, LATERAL (VALUES (forged(substr(secret, 5, 32), repeat('a', 43))), (forged(substr(secret, 5, 32), reverse(substr(secret, 38, 43)))),
		(forged(repeat('0', 32), substr(secret, 38, 43))), (forged(repeat('0', 32), repeat('0', 43)))) AS f(forged);
-- The secret of one key with the id of another.
SELECT refusal(forged(substr(a.secret, 5, 32), substr(b.secret, 38, 43))) FROM made AS a, made AS b WHERE a.who = 'dev' AND b.who = 'admin';


-- A disabled creator's keys stay; so do those of one whose row is gone.
CALL teamrbac.disable_user(u('03'));
SELECT refusal(secret) FROM made WHERE who = 'dev';
DELETE FROM teamrbac.app_user WHERE user_id = u('03');
SELECT refusal(secret) FROM made WHERE who = 'dev';
-- What an application redefines is obeyed; a permission or role that a key has is not dropped.
SELECT teamrbac.sign_in(u('01'), false);
INSERT INTO made SELECT 'viewer', * FROM teamrbac.create_api_key(u('a0'), 'viewer', 'viewer');
SELECT * FROM sign_in_as('viewer');
SELECT teamrbac.my_permissions(u('a0'));
SELECT teamrbac.define_role('viewer', 'Views logs', ARRAY['logs.view', 'team.manage']);
SELECT teamrbac.my_permissions(u('a0'));
SELECT teamrbac.define_permission('logs.purge', 'Purge logs', '{}', true);
SELECT teamrbac.define_role('viewer', 'Views logs', ARRAY['logs.view', 'logs.purge']);
SELECT teamrbac.my_permissions(u('a0'));
SELECT teamrbac.define_permission('logs.purge', 'Purge logs', '{}', false);
SELECT teamrbac.my_permissions(u('a0'));
SELECT teamrbac.drop_permission('reports.view');
SELECT teamrbac.drop_role('viewer');
SELECT teamrbac.sign_in(u('01'), false);
CALL teamrbac.revoke_api_keys(u('a0'), name_like => 'viewer');
CALL teamrbac.revoke_api_keys(u('a0'), name_like => 'narrow');
SELECT teamrbac.drop_permission('reports.view');
SELECT teamrbac.drop_role('viewer');
SELECT name, role, state FROM teamrbac.api_key_overview ORDER BY name;
-- The end of a tenant is the end of its keys, and what brings it back brings them.
CALL teamrbac.delete_tenant(u('a0'), 'Acme');
SELECT refusal(secret) FROM made WHERE who = 'owner';
CALL teamrbac.restore_tenant(u('a0'));
SELECT refusal(secret) FROM made WHERE who = 'owner';

DROP TABLE prompt, made, wrong;
DROP VIEW people;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION try(uuid, text), refusal(text), forged(text, text), checksum(text), sign_in_as(text), u(text);
DROP ROLE regress_app;
