-- Rows of one's own: owner_column, edit_own_permission, view_own_permission.  Whoever has only these reaches the rows
-- of the acting tenant in which the column is themselves; the tenant stays an index condition.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\pset null '-'
CREATE ROLE regress_app;
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(n || '@example.com', n, u(n))) FROM unnest(ARRAY['01', '02', '03', '04', '05']) AS n;
SELECT teamrbac.define_permission('docs.view', 'See documents', '{admin}'), teamrbac.define_permission('docs.view_own', 'See one''s own', '{reader}', true),
	teamrbac.define_permission('docs.edit', 'Change documents', '{admin}'), teamrbac.define_permission('docs.edit_own', 'Change one''s own', '{developer}', true);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme'), (u('b0'), 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('b0'), u('05'), 'owner'), (u('a0'), u('02'), 'admin'), (u('a0'), u('03'), 'developer'), (u('a0'), u('04'), 'reader'), (u('b0'), u('03'), 'admin');
COMMIT;
CREATE TABLE doc (tenant_id uuid NOT NULL, id int, "Author" uuid, body text, PRIMARY KEY (tenant_id, id));
INSERT INTO doc SELECT t, g, CASE g % 4 WHEN 0 THEN NULL WHEN 1 THEN u('02') WHEN 2 THEN u('03') ELSE u('04') END FROM unnest(ARRAY[u('a0'), u('b0')]) AS t, generate_series(1, 40) AS g;
VACUUM ANALYZE doc;
GRANT ALL ON doc TO regress_app;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean), teamrbac.sign_in_as_member(uuid, uuid, boolean) TO regress_app;

CREATE FUNCTION try(who uuid, tenant uuid, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	IF tenant IS NOT NULL THEN PERFORM teamrbac.sign_in_as_member(who, tenant); ELSE PERFORM teamrbac.sign_in(who); END IF;
	SET LOCAL ROLE regress_app;
	EXECUTE statement;
	GET DIAGNOSTICS n = ROW_COUNT;
	RAISE EXCEPTION USING ERRCODE = 'TR000';
EXCEPTION
	WHEN SQLSTATE 'TR000' THEN RETURN n;
	WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
CREATE TABLE attempt (n int, what text, s text);
INSERT INTO attempt VALUES
	(1, 'see', 'SELECT FROM doc'),
	(2, 'see one''s own', 'SELECT FROM doc WHERE "Author" = teamrbac.current_user_id()'),
	(3, 'update', 'UPDATE doc SET body = ''x'''),
	(4, 'delete', 'DELETE FROM doc'),
	(5, 'insert one''s own', 'INSERT INTO doc VALUES (u(''a0''), 100, teamrbac.current_user_id())'),
	(6, 'insert another''s', 'INSERT INTO doc VALUES (u(''a0''), 100, u(''01''))'),
	(7, 'insert nobody''s', 'INSERT INTO doc VALUES (u(''a0''), 100, NULL)'),
	(8, 'insert elsewhere', 'INSERT INTO doc VALUES (u(''b0''), 100, teamrbac.current_user_id())'),
	(9, 'give away', 'UPDATE doc SET "Author" = u(''01'') WHERE "Author" = teamrbac.current_user_id()'),
	(10, 'take', 'UPDATE doc SET "Author" = teamrbac.current_user_id() WHERE "Author" IS NULL'),
	(11, 'move', 'UPDATE doc SET tenant_id = u(''b0''), id = id + 1000');
CREATE FUNCTION attempts() RETURNS TABLE (what text, owner text, admin text, developer text, reader text, "developer, admin elsewhere" text, outsider text) LANGUAGE sql AS $$
	SELECT what, try(u('01'), NULL, s), try(u('02'), NULL, s), try(u('03'), u('a0'), s), try(u('04'), NULL, s), try(u('03'), u('b0'), s), try(u('05'), NULL, s) FROM attempt ORDER BY n $$;

-- All see what they may; whoever may not edit all, edits their own.
SELECT teamrbac.protect_table('doc', 'docs.view', 'docs.edit', owner_column => 'Author', edit_own_permission => 'docs.edit_own', view_own_permission => 'docs.view_own');
SELECT policyname, cmd, qual, with_check FROM pg_policies WHERE tablename = 'doc' ORDER BY 1;
SELECT * FROM attempts();
SELECT try(u('03'), NULL, 'SELECT FROM doc') AS in_two_entered_none, try(NULL, NULL, 'SELECT FROM doc') AS nobody;
-- A key is nobody's author.
SELECT secret FROM teamrbac.sign_in(u('02'), false), teamrbac.create_api_key(u('a0'), 'key', 'developer') \gset
SELECT count(*) FROM teamrbac.sign_in_with_api_key(:'secret', false);
SET ROLE regress_app;
SELECT count(*), teamrbac.has_permission(u('a0'), 'docs.view_own') AS may FROM doc;
RESET ROLE;
SELECT teamrbac.sign_out();

-- An index condition on the tenant, whoever asks; and what the planner has made serves another.
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
SET plan_cache_mode = force_generic_plan;
PREPARE page AS SELECT count(*), min(id), bool_and("Author" = teamrbac.current_user_id()) AS own FROM (SELECT * FROM doc WHERE id > 5 ORDER BY id LIMIT 5) AS d;
SET enable_seqscan = off; SET enable_bitmapscan = off;
BEGIN; SELECT teamrbac.sign_in(u('04')); SET LOCAL ROLE regress_app;
SELECT line FROM plan('SELECT * FROM doc ORDER BY id LIMIT 5') AS line WHERE line ~ 'Sort|Scan|Index Cond';
SELECT line FROM plan('UPDATE doc SET body = ''x'' WHERE id = 7') AS line WHERE line ~ 'Scan|Index Cond';
EXECUTE page;
SELECT teamrbac.sign_in(u('02'));
EXECUTE page;
SELECT teamrbac.sign_in_as_member(u('03'), u('b0'));
EXECUTE page;
SELECT teamrbac.sign_in_as_member(u('03'), u('a0'));
EXECUTE page;
RESET ROLE;
-- From all rows to one's own, and to none.
UPDATE teamrbac.membership SET role = 'reader' WHERE user_id = u('02');
SET LOCAL ROLE regress_app;
SELECT teamrbac.sign_in(u('02'));
EXECUTE page;
RESET ROLE;
DELETE FROM teamrbac.membership WHERE user_id = u('02');
SET LOCAL ROLE regress_app;
EXECUTE page;
ROLLBACK;
RESET plan_cache_mode; RESET enable_seqscan; RESET enable_bitmapscan;
SELECT teamrbac.unprotect_table('doc');

-- All see everything; each changes their own.
SELECT teamrbac.protect_table('doc', 'docs.view_own', NULL, owner_column => 'Author', edit_own_permission => 'docs.edit_own');
SELECT policyname, qual, with_check FROM pg_policies WHERE tablename = 'doc' ORDER BY 1;
SELECT * FROM attempts();
SELECT teamrbac.unprotect_table('doc');
-- One's own alone, to see and to change.
SELECT teamrbac.protect_table('doc', NULL, NULL, owner_column => 'Author', view_own_permission => 'docs.view_own', edit_own_permission => 'docs.edit_own');
SELECT policyname, qual, with_check FROM pg_policies WHERE tablename = 'doc' ORDER BY 1;
SELECT * FROM attempts();
SELECT teamrbac.unprotect_table('doc');
-- One's own to see, and never to change.
SELECT teamrbac.protect_table('doc', 'docs.view', 'docs.edit', owner_column => 'Author', view_own_permission => 'docs.view_own');
SELECT * FROM attempts() WHERE what IN ('see', 'update', 'insert one''s own');
SELECT teamrbac.unprotect_table('doc');

-- An operator of somebody's own in the way is not taken for PostgreSQL's.
CREATE SCHEMA evil;
CREATE FUNCTION evil.yes(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR evil.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = evil.yes);
SET search_path = evil, pg_catalog, public;
SELECT teamrbac.protect_table('doc', 'docs.view', 'docs.edit', owner_column => 'Author', edit_own_permission => 'docs.edit_own', view_own_permission => 'docs.view_own');
RESET search_path;
SELECT count(*) FROM pg_depend WHERE classid = 'pg_policy'::regclass AND refclassid = 'pg_operator'::regclass AND refobjid = 'evil.=(uuid,uuid)'::regoperator;
SELECT try(u('04'), NULL, 'SELECT FROM doc') AS sees;
SELECT teamrbac.unprotect_table('doc');
DROP SCHEMA evil CASCADE;

-- Bad input.
SELECT teamrbac.protect_table('doc', 'docs.view', 'docs.edit', owner_column => 'Author');
SELECT teamrbac.protect_table('doc', 'docs.view', 'docs.edit', edit_own_permission => 'docs.edit_own');
SELECT teamrbac.protect_table('doc', 'docs.view', 'docs.edit', owner_column => 'missing', edit_own_permission => 'docs.edit_own');
SELECT teamrbac.protect_table('doc', 'docs.view', 'docs.edit', owner_column => 'body', edit_own_permission => 'docs.edit_own');
SELECT teamrbac.protect_table('doc', 'docs.view', 'docs.edit', owner_column => 'Author', edit_own_permission => 'docs.edit_owm');
SELECT teamrbac.protect_table('doc', NULL, 'docs.edit', owner_column => 'Author', edit_own_permission => 'docs.edit_own');
SELECT count(*) FROM pg_policy WHERE polrelid = 'doc'::regclass;

DROP FUNCTION attempts, try, plan;
DROP TABLE doc, attempt;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(text);
DROP ROLE regress_app;
