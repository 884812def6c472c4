-- Against the authority of a statement, by a role with its ordinary grants: settings, functions with settings of their
-- own, plans that are kept, others' functions, triggers and views, and errors in the middle of queries.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\pset null '-'
CREATE ROLE regress_app;
CREATE ROLE regress_other;
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(n || '@example.com', n, u(n))) FROM unnest(ARRAY['01', '02', '03']) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme'), (u('b0'), 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('b0'), u('01'), 'owner'), (u('a0'), u('02'), 'developer'), (u('b0'), u('03'), 'developer');
COMMIT;
CREATE TABLE doc (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id));
INSERT INTO doc SELECT t, g FROM unnest(ARRAY[u('a0'), u('b0')]) AS t, generate_series(1, 50) AS g;
VACUUM ANALYZE doc;
SELECT teamrbac.protect_table('doc', 'prompts.view', 'prompts.edit');
CREATE TABLE loot (what text);
GRANT ALL ON doc, loot TO regress_app, regress_other;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_app;
-- What a query sees, in one word.
CREATE FUNCTION sees() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT COALESCE(string_agg(DISTINCT right(tenant_id::text, 2), ','), '-') FROM doc); END $$;
CREATE FUNCTION sees_sql() RETURNS text LANGUAGE sql AS $$ SELECT COALESCE(string_agg(DISTINCT right(tenant_id::text, 2), ','), '-') FROM doc $$;

\echo == Settings
SELECT teamrbac.sign_in(u('02'), false);
-- What somebody else's session has is not to be had by taking it along.
CREATE FUNCTION taken() RETURNS text LANGUAGE plpgsql SET teamrbac.identity FROM CURRENT AS $$ BEGIN RETURN sees(); END $$;
CREATE FUNCTION emptied() RETURNS text LANGUAGE plpgsql SET teamrbac.identity = '' AS $$ BEGIN RETURN sees(); END $$;
SELECT teamrbac.sign_out();
SET ROLE regress_app;
SELECT emptied();
CREATE FUNCTION pg_temp.forged() RETURNS text LANGUAGE plpgsql SET teamrbac.identity = 'user=00000000-0000-0000-0000-000000000002' AS $$ BEGIN RETURN sees(); END $$;
CREATE FUNCTION pg_temp.forged() RETURNS text LANGUAGE plpgsql SET teamrbac.leader_authority = 'x' AS $$ BEGIN RETURN sees(); END $$;
SELECT set_config(s, 'user=00000000-0000-0000-0000-000000000002', true) FROM unnest(ARRAY['teamrbac.identity']) AS s;
SELECT set_config(s, 'x', true) FROM unnest(ARRAY['teamrbac.leader_authority']) AS s;
DO $$ BEGIN EXECUTE 'SHOW teamrbac.leader_authority'; EXCEPTION WHEN insufficient_privilege THEN RAISE WARNING '%', SQLSTATE; END $$;
SELECT count(*) FROM pg_settings WHERE name = 'teamrbac.leader_authority';
RESET ROLE;
ALTER ROLE regress_app SET teamrbac.identity = 'user=00000000-0000-0000-0000-000000000002';
ALTER ROLE regress_app SET teamrbac.leader_authority = 'x';
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET teamrbac.leader_authority = %L', current_database(), 'x'); END $$;
-- RESET only ever gives back less.
BEGIN; SELECT teamrbac.sign_in(u('02')); SET LOCAL ROLE regress_app;
SELECT sees();
RESET ALL;
SELECT sees();
ROLLBACK;

\echo == Plans that are kept
SET plan_cache_mode = force_generic_plan;
SET ROLE regress_app;
PREPARE p AS SELECT string_agg(DISTINCT right(tenant_id::text, 2), ',') FROM doc;
CREATE FUNCTION pg_temp.each(who uuid) RETURNS TABLE (plpgsql text, sql text, prepared text, viewed text) LANGUAGE plpgsql AS $$
BEGIN
	IF who IS NULL THEN PERFORM teamrbac.sign_out(); ELSE PERFORM teamrbac.sign_in(who); END IF;
	plpgsql := sees(); sql := sees_sql();
	FOR prepared IN EXECUTE 'EXECUTE p' LOOP END LOOP;
	SELECT count(*)::text INTO viewed FROM seen;
	RETURN NEXT;
END $$;
RESET ROLE;
CREATE VIEW seen WITH (security_barrier) AS SELECT DISTINCT tenant_id FROM doc;
ALTER VIEW seen OWNER TO regress_other;
GRANT SELECT ON seen TO regress_app;
SET ROLE regress_app;
BEGIN;
SELECT * FROM pg_temp.each(u('02')), pg_temp.each(u('02')) AS again;
SELECT * FROM pg_temp.each(u('03'));
SELECT * FROM pg_temp.each(NULL);
SELECT * FROM pg_temp.each(u('02'));
COMMIT;
SELECT * FROM pg_temp.each(NULL);
RESET plan_cache_mode;

\echo == Functions, triggers and views of others answer whoever asks, never their owner
RESET ROLE;
CREATE FUNCTION as_owner() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN sees() || ' of ' || COALESCE(right(teamrbac.current_user_id()::text, 2), '-'); END $$;
ALTER FUNCTION as_owner() OWNER TO regress_other;
SELECT teamrbac.map_database_role(u('01'), 'regress_other');
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO loot VALUES (TG_WHEN || ' ' || sees()); RETURN NEW; END $$;
ALTER FUNCTION note() OWNER TO regress_other;
CREATE TRIGGER note BEFORE INSERT ON doc FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER note_after AFTER INSERT ON doc FOR EACH ROW EXECUTE FUNCTION note();
SET ROLE regress_app;
BEGIN; SELECT teamrbac.sign_in(u('02'));
SELECT as_owner();
INSERT INTO doc VALUES (u('a0'), 100);
SELECT * FROM loot;
COMMIT;
SELECT as_owner();
RESET ROLE;
DROP TRIGGER note ON doc; DROP TRIGGER note_after ON doc;
DELETE FROM doc WHERE id = 100;

\echo == Errors in the middle of queries leave nothing behind
SET ROLE regress_app;
-- Fails at some depth, within and below a query that goes on, after having been somebody else.
CREATE FUNCTION pg_temp.fail(depth int, id int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM teamrbac.sign_in(u('03'));
	IF depth = 0 THEN
		PERFORM count(*) FROM doc AS d WHERE 1 / (d.id - 7) IS NOT NULL;
	END IF;
	RETURN (SELECT bool_and(pg_temp.fail(depth - 1, d.id)) FROM doc AS d WHERE d.id = 1);
END $$;
CREATE FUNCTION pg_temp.survive(depth int, id int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.fail(depth, id);
	RETURN 'no error';
EXCEPTION WHEN division_by_zero THEN
	RETURN sees() || ' ' || right(teamrbac.current_user_id()::text, 2);
END $$;
BEGIN; SELECT teamrbac.sign_in(u('02'));
SELECT DISTINCT right(tenant_id::text, 2) AS tenant, pg_temp.survive(0, id), pg_temp.survive(1, id), pg_temp.survive(3, id), teamrbac.has_permission(u('b0'), 'prompts.view') AS b0, right(teamrbac.current_user_id()::text, 2) AS who FROM doc WHERE id < 10;
SELECT sees(), right(teamrbac.current_user_id()::text, 2) AS who;
-- Errors that nobody catches: of a query, of one within, of a cursor, of the planner, of the stack, of the clock.
SAVEPOINT s;
SELECT count(*) FROM doc WHERE pg_temp.fail(2, id);
ROLLBACK TO s;
SELECT sees(), right(teamrbac.current_user_id()::text, 2) AS who;
DECLARE c CURSOR FOR SELECT id, 1 / (id - 3) FROM doc ORDER BY id;
FETCH 2 FROM c;
SAVEPOINT s;
FETCH 2 FROM c;
ROLLBACK TO s;
SELECT sees();
CREATE FUNCTION pg_temp.endless(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT pg_temp.endless(n + 1) FROM doc WHERE id = 1); END $$;
SAVEPOINT s;
\set VERBOSITY sqlstate
SELECT pg_temp.endless(1);
\set VERBOSITY default
ROLLBACK TO s;
SELECT sees(), right(teamrbac.current_user_id()::text, 2) AS who;
CREATE FUNCTION pg_temp.folded(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM teamrbac.sign_in(u('03')); RETURN 1 / $1; END $$;
SAVEPOINT s;
SELECT count(*) FROM doc WHERE id = pg_temp.folded(0);
ROLLBACK TO s;
SELECT sees(), right(teamrbac.current_user_id()::text, 2) AS who;
SET LOCAL statement_timeout = '50ms';
SAVEPOINT s;
SELECT count(*) FROM doc WHERE id > 0 AND pg_sleep(0.02) IS NOT NULL;
ROLLBACK TO s;
SET LOCAL statement_timeout = 0;
SELECT sees(), right(teamrbac.current_user_id()::text, 2) AS who;
COMMIT;
SELECT sees(), teamrbac.current_user_id() AS who;

\echo == Withdrawn while a function runs: its next statement has nothing, and its cursors end
RESET ROLE;
CREATE FUNCTION withdraw() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN DELETE FROM teamrbac.membership WHERE user_id = u('02'); END $$;
SET ROLE regress_app;
CREATE FUNCTION pg_temp.hoard() RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	a refcursor;
	b CURSOR FOR SELECT id FROM doc ORDER BY id;
	n int;
	result text[] := '{}';
BEGIN
	OPEN a FOR SELECT id FROM doc;
	OPEN b;
	FETCH a INTO n;
	FETCH b INTO n;
	PERFORM withdraw();
	result := result || sees() || sees_sql();
	BEGIN
		FETCH a INTO n;
		result := result || 'a goes on'::text;
	EXCEPTION WHEN invalid_cursor_state THEN
		result := result || SQLSTATE::text;
	END;
	BEGIN
		MOVE ALL FROM b;
		result := result || 'b goes on'::text;
	EXCEPTION WHEN OTHERS THEN
		result := result || SQLSTATE::text;
	END;
	RETURN result;
END $$;
BEGIN; SELECT teamrbac.sign_in(u('02'));
SELECT pg_temp.hoard();
ROLLBACK;

RESET ROLE;
DROP OWNED BY regress_app;
DROP VIEW seen;
DROP FUNCTION emptied, sees, sees_sql, as_owner, note, withdraw;
DROP TABLE doc, loot;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(text);
DROP ROLE regress_app, regress_other;
