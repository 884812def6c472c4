-- Commands on members: the one rule against escalation, for every pair of roles, and exactly one owner.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(n || '@example.com', n, u(n))) FROM unnest(ARRAY['01', '02', '03', '04', '05', '06', '07', '99']) AS n;
SELECT teamrbac.define_permission('reports.view', 'View reports', '{}');
-- A lead manages the team and has nothing else; an auditor has what no Admin has.
SELECT teamrbac.define_role('lead', 'Team lead', ARRAY['team.manage', 'prompts.view', 'endpoints.view', 'snippets.view', 'logs.view']);
SELECT teamrbac.define_role('auditor', 'Auditor', ARRAY['reports.view']);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme'), (u('b0'), 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('a0'), u('02'), 'admin'), (u('a0'), u('03'), 'lead'), (u('a0'), u('04'), 'developer'),
	(u('a0'), u('05'), 'reader'), (u('a0'), u('06'), 'auditor'), (u('a0'), u('07'), 'admin'), (u('b0'), u('99'), 'owner');
COMMIT;

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
CREATE VIEW people AS SELECT * FROM (VALUES (1, '01', 'owner'), (2, '02', 'admin'), (3, '03', 'lead'), (4, '04', 'developer'), (5, '05', 'reader'), (6, '06', 'auditor'), (7, '99', 'stranger')) AS t(n, id, role);
-- Who may give which role to a reader.
SELECT actor.role AS "gives to a reader", string_agg(try(u(actor.id), format('CALL teamrbac.change_role(%L, %L, %L)', u('a0'), u('05'), given.role)), ' ' ORDER BY given.n) AS "owner admin lead developer reader auditor"
	FROM people AS actor, people AS given WHERE given.n <= 6 GROUP BY actor.n, actor.role ORDER BY actor.n;
-- Who may make whom a reader, and remove whom.
SELECT actor.role AS "makes a reader of", string_agg(try(u(actor.id), format('CALL teamrbac.change_role(%L, %L, ''reader'')', u('a0'), u(target.id))), ' ' ORDER BY target.n) AS "owner admin lead developer reader auditor stranger"
	FROM people AS actor, people AS target GROUP BY actor.n, actor.role ORDER BY actor.n;
SELECT actor.role AS "removes", string_agg(try(u(actor.id), format('CALL teamrbac.remove_member(%L, %L)', u('a0'), u(target.id))), ' ' ORDER BY target.n) AS "owner admin lead developer reader auditor stranger"
	FROM people AS actor, people AS target GROUP BY actor.n, actor.role ORDER BY actor.n;
SELECT actor.role AS "leaves", try(u(actor.id), format('CALL teamrbac.leave_tenant(%L)', u('a0'))) FROM people AS actor ORDER BY n;
-- Another Admin is within an Admin's reach.
SELECT try(u('02'), format('CALL teamrbac.remove_member(%L, %L)', u('a0'), u('07')));

-- A tenant that isn't theirs reads like one that doesn't exist.
SELECT teamrbac.sign_in(u('04'), false);
CALL teamrbac.change_role(u('b0'), u('99'), 'reader');
CALL teamrbac.change_role(u('ff'), u('99'), 'reader');
CALL teamrbac.remove_member(u('ff'), u('99'));
CALL teamrbac.leave_tenant(u('b0'));
-- The rest of the errors.
SELECT teamrbac.sign_in(u('02'), false);
CALL teamrbac.change_role(u('a0'), u('99'), 'reader');
CALL teamrbac.change_role(u('a0'), u('04'), 'boss');
CALL teamrbac.change_role(u('a0'), u('04'), 'owner');
CALL teamrbac.change_role(u('a0'), u('06'), 'reader');
CALL teamrbac.change_role(NULL, u('04'), 'reader');
CALL teamrbac.change_role(u('a0'), NULL, 'reader');
CALL teamrbac.change_role(u('a0'), u('04'), NULL);
CALL teamrbac.leave_tenant(NULL);
SELECT teamrbac.sign_out();
CALL teamrbac.change_role(u('a0'), u('04'), 'reader');
CALL teamrbac.leave_tenant(u('a0'));
SELECT teamrbac.create_tenant('Nobody''s');
-- A demotion of oneself is obeyed by the next statement.
BEGIN; SELECT teamrbac.sign_in(u('02'));
CALL teamrbac.change_role(u('a0'), u('02'), 'developer');
CALL teamrbac.change_role(u('a0'), u('02'), 'admin');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT teamrbac.sign_in(u('02'));
CALL teamrbac.change_role(u('a0'), u('04'), 'reader');
CALL teamrbac.remove_member(u('a0'), u('05'));
SELECT display_name, email, role FROM teamrbac.team ORDER BY display_name;
ROLLBACK;

-- Everyone in a team sees who else is; addresses need team.manage, but for one's own.
BEGIN; SELECT teamrbac.sign_in(u('05')); SELECT display_name, email, role FROM teamrbac.team ORDER BY display_name; COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('99')); SELECT display_name, role FROM teamrbac.team; COMMIT;
SELECT count(*) FROM teamrbac.team;

-- New tenants.
BEGIN; SELECT teamrbac.sign_in(u('99'));
SELECT teamrbac.create_tenant('Cirrus', 'cirrus') IS NOT NULL;
SELECT name, slug, role FROM teamrbac.my_tenants();
SAVEPOINT s;
SELECT teamrbac.create_tenant('Other', 'cirrus');
ROLLBACK TO s;
SELECT teamrbac.create_tenant('');
ROLLBACK TO s;
SELECT teamrbac.create_tenant(E'a\nb');
ROLLBACK TO s;
SELECT teamrbac.create_tenant(repeat('x', 10000));
ROLLBACK TO s;
SELECT teamrbac.create_tenant('x', 'No Slug');
ROLLBACK TO s;
SELECT teamrbac.create_tenant(NULL);
ROLLBACK;

-- Users.
SELECT teamrbac.register_user('Ann.Lee+tag@Example.com', 'Ann', u('a1')), teamrbac.register_user('jürgen@bücher.example', 'Jürgen Müller', u('a2'));
SELECT teamrbac.register_user('ann.lee+TAG@example.COM', 'Ann', u('a3'));
SELECT teamrbac.register_user('new@example.com', 'Ann', u('a1'));
CREATE FUNCTION sqlstate_of(command text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; RETURN 'ok'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END $$;
SELECT sqlstate_of(format('SELECT teamrbac.register_user(%L, ''x'')', e)) AS state, left(e, 20) AS address
	FROM unnest(ARRAY['', 'x', '@', 'a@', '@b', 'a b@c', 'a@b@c', 'a@b, c@d', '<a@b>', E'a@b\r\nBcc: c@d', E'a@b\n', repeat('x', 250) || '@x.io']) AS e;
SELECT sqlstate_of(format('SELECT teamrbac.register_user(''z@example.com'', %L)', n)) AS state, left(n, 10) AS name
	FROM unnest(ARRAY['', E'a\nb', repeat('n', 201), repeat('n', 10000), repeat('ü', 200)]) AS n;
SELECT teamrbac.register_user(NULL, 'x');
SELECT teamrbac.register_user('y@example.com', NULL);
SELECT teamrbac.register_user('y@example.com', 'x', NULL);
SELECT teamrbac.update_user(u('a1'), display_name => 'Ann Lee');
SELECT teamrbac.update_user(u('a1'), 'ann@example.com');
SELECT teamrbac.update_user(u('a1'), 'ANN@example.com');
SELECT teamrbac.update_user(u('a1'), 'jürgen@bücher.example');
SELECT teamrbac.update_user(u('a1'), 'nonsense');
SELECT teamrbac.update_user(u('ee'), 'x@example.com');
SELECT email, display_name FROM teamrbac.app_user WHERE user_id = u('a1');

-- Exactly one owner, whatever a DBA does by hand.
UPDATE teamrbac.membership SET role = 'admin' WHERE user_id = u('01');
DELETE FROM teamrbac.membership WHERE user_id = u('01');
DELETE FROM teamrbac.app_user WHERE user_id = u('01');
UPDATE teamrbac.membership SET role = 'owner' WHERE user_id = u('02');
\set VERBOSITY terse
UPDATE teamrbac.membership SET expires_at = now() WHERE user_id = u('01');
\set VERBOSITY default
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('c0'), 'Ownerless');
BEGIN;
UPDATE teamrbac.membership SET role = 'admin' WHERE user_id = u('01');
UPDATE teamrbac.membership SET role = 'owner' WHERE user_id = u('02');
COMMIT;
DELETE FROM teamrbac.tenant WHERE tenant_id = u('a0');
SELECT count(*) FROM teamrbac.membership WHERE tenant_id = u('a0');
-- What is built in stays, whoever asks.
UPDATE teamrbac.role_permission SET role = 'reader' WHERE permission = 'billing.manage';
DELETE FROM teamrbac.role WHERE role = 'owner';
INSERT INTO teamrbac.permission (permission, description, built_in) VALUES ('x', 'x', true);
TRUNCATE teamrbac.role_permission;
SELECT teamrbac.define_role('admin', 'x', '{}');
SELECT teamrbac.define_permission('billing.manage', 'x', '{reader}');
SELECT teamrbac.drop_role('reader');
SELECT teamrbac.drop_permission('logs.view');
SELECT teamrbac.define_role('Bad Name', 'x', '{}');
SELECT teamrbac.define_role('x', 'x', '{nothing.here}');
SELECT teamrbac.define_role('x', 'x', ARRAY[NULL]);
SELECT teamrbac.define_permission('x', 'x', '{nobody}');
SELECT teamrbac.drop_role('nobody');
SELECT teamrbac.drop_permission('reports.view');
SELECT teamrbac.drop_role('auditor');
SELECT teamrbac.drop_permission('reports.view');
SELECT teamrbac.define_permission('reports.view', 'View reports', '{developer}', true);
SELECT role, granted FROM teamrbac.permission_matrix WHERE permission = 'reports.view';
SELECT teamrbac.define_permission('reports.view', 'View reports', '{admin}', true);
SELECT string_agg(role, ' ') FROM teamrbac.permission_matrix WHERE permission = 'reports.view' AND granted = 'x';
-- Many of both.
SELECT count(teamrbac.define_permission('many.p' || n, 'P', '{}')) FROM generate_series(1, 256) AS n;
SELECT count(teamrbac.define_role('many.r' || n, 'R', ARRAY['many.p' || n % 256 + 1])) FROM generate_series(1, 1000) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('b0'), u('05'), 'many.r999');
SELECT teamrbac.sign_in(u('05'), false);
SELECT teamrbac.my_permissions(u('b0'));
SELECT teamrbac.drop_role('many.r999');
SELECT teamrbac.sign_out();

DROP VIEW people;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION try, sqlstate_of, u;
