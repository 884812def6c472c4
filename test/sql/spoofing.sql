-- Who is asking: what sets it, how long it lasts, and every attempt to forge it.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never
\set superuser :USER
-- 16 has renamed the setting that makes every query parallel.
SELECT CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'debug_parallel_query' ELSE 'force_parallel_mode' END AS all_parallel \gset

CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(name || '@example.com', name, u(n)))
	FROM (VALUES ('victim', '01'), ('mallory', '02')) AS t(name, n);
BEGIN;
SELECT teamrbac.sign_in(u('01'));
SELECT teamrbac.create_tenant('Victim Ltd') AS tenant \gset
COMMIT;
CREATE TABLE secret (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id));
INSERT INTO secret SELECT :'tenant', g FROM generate_series(1, 1000) g;
SELECT teamrbac.protect_table('secret', 'prompts.view', 'prompts.edit');
VACUUM ANALYZE secret;
CREATE ROLE regress_mallory LOGIN;
CREATE ROLE regress_pool LOGIN;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean), teamrbac.sign_in_from_jwt_claims() TO regress_pool;
GRANT SELECT ON secret TO regress_mallory, regress_pool;
GRANT CREATE, USAGE ON SCHEMA public TO regress_mallory, regress_pool;
CREATE FUNCTION me() RETURNS text LANGUAGE sql
	AS $$ SELECT concat_ws(' ', (i).kind, right((i).user_id::text, 2), (SELECT count(*) FROM secret)) FROM teamrbac.current_identity() AS i $$;

-- How long it lasts.
\c - regress_pool
SELECT me();
BEGIN; SELECT teamrbac.sign_in(u('01')); SELECT me(); COMMIT;
SELECT me();
BEGIN; SELECT teamrbac.sign_in(u('01')); ROLLBACK; SELECT me();
BEGIN; SELECT teamrbac.sign_in(u('01')); SAVEPOINT s; SELECT teamrbac.sign_in(u('02')); SELECT me(); ROLLBACK TO s; SELECT me(); COMMIT;
-- It survives the function that calls sign_in, one with settings of its own as well.
CREATE FUNCTION login(who uuid) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog
	AS $$ BEGIN PERFORM teamrbac.sign_in(who); END $$;
BEGIN; SELECT login(u('01')); SELECT me(); COMMIT;
-- For the session, until signed out, DISCARD ALL or RESET ALL.
SELECT teamrbac.sign_in(u('01'), local => false); SELECT me(); SELECT teamrbac.sign_out(); SELECT me();
SELECT teamrbac.sign_in(u('01'), false); DISCARD ALL; SELECT me();
SELECT teamrbac.sign_in(u('01'), false); RESET ALL; SELECT me();
BEGIN; SELECT teamrbac.sign_in(u('01'), false); ROLLBACK; SELECT me();
-- A developer at a prompt is told why nothing happens.
SELECT teamrbac.sign_in(u('01'));
SELECT me();
-- Bad identities.
SELECT teamrbac.sign_in(NULL);
SELECT teamrbac.sign_in(u('99'));
SELECT me();
-- JWT claims, as a gateway leaves them.
BEGIN; SET LOCAL request.jwt.claims = '{"sub": "00000000-0000-0000-0000-000000000001", "role": "web"}'; SELECT teamrbac.sign_in_from_jwt_claims(); SELECT me(); COMMIT;
SELECT me();
BEGIN; SELECT teamrbac.sign_in(u('01')); SET LOCAL request.jwt.claims = '{"role": "anon"}'; SELECT teamrbac.sign_in_from_jwt_claims() IS NULL AS nobody; SELECT me(); COMMIT;
BEGIN; SET LOCAL request.jwt.claims = ''; SELECT teamrbac.sign_in_from_jwt_claims() IS NULL AS nobody; SELECT me(); COMMIT;
BEGIN; SET LOCAL request.jwt.claims = '{"sub": null}'; SELECT teamrbac.sign_in_from_jwt_claims() IS NULL AS nobody; COMMIT;
BEGIN; SET LOCAL request.jwt.claims = '{"sub": '; SELECT teamrbac.sign_in_from_jwt_claims(); ROLLBACK;
BEGIN; SET LOCAL request.jwt.claims = '[]'; SELECT teamrbac.sign_in_from_jwt_claims(); ROLLBACK;
BEGIN; SET LOCAL request.jwt.claims = '{"sub": 7}'; SELECT teamrbac.sign_in_from_jwt_claims(); ROLLBACK;
BEGIN; SET LOCAL request.jwt.claims = '{"sub": "root"}'; SELECT teamrbac.sign_in_from_jwt_claims(); ROLLBACK;
BEGIN; SET LOCAL request.jwt.claims = '{"sub": "00000000-0000-0000-0000-000000000099"}'; SELECT teamrbac.sign_in_from_jwt_claims(); ROLLBACK;
\set VERBOSITY sqlstate
BEGIN; SET LOCAL request.jwt.claims = '{"sub": "root"}'; SELECT teamrbac.sign_in_from_jwt_claims(); ROLLBACK;
SELECT teamrbac.sign_in(u('99'));
\set VERBOSITY default
-- A prepared statement with a generic plan, a cursor and a held cursor, from one identity to another.
SET plan_cache_mode = force_generic_plan;
PREPARE see AS SELECT count(*) FROM secret;
BEGIN; SELECT teamrbac.sign_in(u('01')); EXECUTE see; COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('02')); EXECUTE see; COMMIT;
EXECUTE see;
-- Opened by one and fetched by another, it is the other's.
BEGIN; SELECT teamrbac.sign_in(u('01')); DECLARE c CURSOR FOR SELECT id FROM secret; SELECT teamrbac.sign_in(u('02')); FETCH 1 FROM c; COMMIT;
-- What a WITH HOLD cursor holds was read as the one who committed; it is gone with DISCARD ALL.
BEGIN; SELECT teamrbac.sign_in(u('02')); DECLARE h CURSOR WITH HOLD FOR SELECT count(*) FROM secret; COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('01')); FETCH h; COMMIT;
CLOSE h;
DEALLOCATE see; RESET plan_cache_mode;
-- Parallel workers are whoever their leader is.
SET :all_parallel = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0;
BEGIN; SELECT teamrbac.sign_in(u('01')); SELECT count(*) FROM secret; SELECT (teamrbac.current_identity()).kind, teamrbac.current_user_id(); COMMIT;
SELECT count(*) FROM secret;
-- And sign_in is refused where it could not last.
SELECT proparallel FROM pg_proc WHERE oid = 'teamrbac.sign_in'::regproc;

-- Forgery.  Mallory may log in, create functions, and read the table.
\c - regress_mallory
SELECT teamrbac.sign_in(u('01'));
SELECT teamrbac.sign_in_from_jwt_claims();
SELECT teamrbac.map_database_role(u('01'), 'regress_mallory');
SELECT teamrbac.register_user('x@example.com', 'x');
SET teamrbac.identity = 'user:00000000-0000-0000-0000-000000000001';
SET LOCAL teamrbac.identity = 'user:00000000-0000-0000-0000-000000000001';
SELECT set_config('teamrbac.identity', 'user:00000000-0000-0000-0000-000000000001', true);
ALTER ROLE regress_mallory SET teamrbac.identity = 'user:00000000-0000-0000-0000-000000000001';
CREATE FUNCTION forge() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET teamrbac.identity = 'user:00000000-0000-0000-0000-000000000001' AS 'SELECT count(*) FROM secret';
UPDATE pg_settings SET setting = 'user:00000000-0000-0000-0000-000000000001' WHERE name = 'teamrbac.identity';
SELECT me();
-- Planted before the library is loaded, when any name is free.
\c - regress_mallory
SET teamrbac.identity = 'user:00000000-0000-0000-0000-000000000001';
SELECT me();
\c - regress_mallory
BEGIN; SET LOCAL teamrbac.identity = 'user:00000000-0000-0000-0000-000000000001'; SAVEPOINT s; SET LOCAL teamrbac.identity = 'user:00000000-0000-0000-0000-000000000001'; SELECT me(); ROLLBACK TO s; SELECT me(); COMMIT;
\c - regress_mallory
ALTER ROLE regress_mallory SET teamrbac.identity = 'user:00000000-0000-0000-0000-000000000001';
\c - regress_mallory
SELECT me();
ALTER ROLE regress_mallory RESET ALL;
-- In a function's own settings, made before the library is loaded.
\c - regress_mallory
CREATE FUNCTION forge() RETURNS bigint LANGUAGE plpgsql SET teamrbac.identity = 'user:00000000-0000-0000-0000-000000000001' AS 'BEGIN RETURN count(*) FROM secret; END';
-- In a parallel worker only, that is the first to load the library.
\c - regress_mallory
CREATE FUNCTION late() RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$ BEGIN RETURN teamrbac.current_user_id() IS NULL; END $$;
\c - regress_mallory
SET teamrbac.identity = 'user:00000000-0000-0000-0000-000000000001';
SET :all_parallel = on;
-- The server warns that the value was refused, in each version's own words.
SET client_min_messages = error;
SELECT late() AS nobody;
DROP FUNCTION late();
RESET client_min_messages;
-- By the connection's options.
\c -reuse-previous=on 'user=regress_mallory options=-cteamrbac.identity=user:00000000-0000-0000-0000-000000000001'
SELECT me();
-- By a function that passes for one of ours.
CREATE FUNCTION pg_temp.has_permission(uuid, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
SET search_path = pg_temp, public;
SELECT count(*) FROM public.secret;
RESET search_path;

-- A superuser can't set it by mistake either; what ALTER DATABASE planted is refused.
\c - :"superuser"
SELECT teamrbac.current_user_id();
\c -reuse-previous=on 'options='
SELECT teamrbac.current_user_id();
SET teamrbac.identity = 'user:00000000-0000-0000-0000-000000000001';
ALTER SYSTEM SET teamrbac.identity = 'user:00000000-0000-0000-0000-000000000001';
ALTER DATABASE :"DBNAME" SET teamrbac.identity = 'user:00000000-0000-0000-0000-000000000001';

-- A login role mapped to a user: the one that logged in counts, not the one put on.
SELECT teamrbac.map_database_role(u('01'), 'regress_mallory');
SET ROLE regress_mallory; SELECT me(); RESET ROLE;
SET SESSION AUTHORIZATION regress_mallory; SELECT me(); RESET SESSION AUTHORIZATION;
SELECT me();
-- PL/pgSQL remembers who was asking for the whole transaction: not beyond a change of the session's user.
CREATE FUNCTION may(tenant uuid) RETURNS boolean LANGUAGE plpgsql
	AS $$ BEGIN RETURN teamrbac.has_permission(tenant, 'prompts.view'); END $$;
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_mallory; SELECT may(:'tenant');
SET LOCAL SESSION AUTHORIZATION regress_pool; SELECT may(:'tenant');
COMMIT;
\c - regress_mallory
SELECT me();
SET :all_parallel = on; SELECT me(); RESET :all_parallel;
\c - :"superuser"
GRANT regress_mallory TO regress_pool;
\c - regress_pool
SET ROLE regress_mallory; SELECT me(); RESET ROLE;
-- Whoever signs in is no longer the mapped user.
\c - regress_mallory
SELECT me();
\c - :"superuser"
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_mallory;
\c - regress_mallory
BEGIN; SELECT teamrbac.sign_in(u('02')); SELECT me(); COMMIT; SELECT me();
\c - :"superuser"
SELECT teamrbac.map_database_role(NULL, 'regress_mallory');
SELECT teamrbac.map_database_role(u('99'), 'regress_mallory');
SELECT teamrbac.map_database_role(u('01'), NULL);
\c - regress_mallory
SELECT me();

\c - :"superuser"
SET client_min_messages = warning;
DROP FUNCTION me(), may(uuid), login(uuid), u(text);
DROP TABLE secret;
DROP EXTENSION teamrbac CASCADE;
DROP OWNED BY regress_mallory, regress_pool;
DROP ROLE regress_mallory, regress_pool;
