-- What a psql user can do who has the documented grants and nothing else: Mallory, owner of a tenant of her own,
-- against the victim's. Each attempt is refused, or sees and changes her own rows only. Where PostgreSQL itself
-- lets something through, a comment says so, and docs/ what to do about it.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set superuser :USER
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(name || '@example.com', name, u(n)))
	FROM (VALUES ('victim', '01'), ('mallory', '02'), ('friend', '03'), ('clerk', '04')) AS t(name, n);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Victim Ltd'), (u('b0'), 'Mallory''s');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('a0'), u('03'), 'admin'), (u('a0'), u('04'), 'developer'), (u('b0'), u('02'), 'owner');
COMMIT;
CREATE TABLE secret (tenant_id uuid NOT NULL, id int, body text, name text UNIQUE, PRIMARY KEY (tenant_id, id));
INSERT INTO secret SELECT u('a0'), g, 'canary', 'canary ' || g FROM generate_series(1, 1000) AS g;
INSERT INTO secret SELECT md5((g % 100)::text)::uuid, g, 'canary', 'canary too ' || g FROM generate_series(1, 10000) AS g;
INSERT INTO secret SELECT u('b0'), g, 'mine', 'mine ' || g FROM generate_series(1, 2) AS g;
SELECT teamrbac.protect_table('secret', 'prompts.view', 'prompts.edit');
CREATE TABLE child (tenant_id uuid NOT NULL, id int PRIMARY KEY, secret_id int NOT NULL, FOREIGN KEY (tenant_id, secret_id) REFERENCES secret);
SELECT teamrbac.protect_table('child', 'prompts.view', 'prompts.edit');
-- Statistics of each kind, of whole rows and of what an expression says of them.
CREATE STATISTICS secret_stats (ndistinct, dependencies, mcv) ON tenant_id, body FROM secret;
CREATE STATISTICS secret_words ON (upper(body)), id FROM secret;
VACUUM ANALYZE secret;
SELECT count(*) > 0 AS columns, count(*) FILTER (WHERE 'canary' = ANY (most_common_vals::text::text[])) > 0 AS canary FROM pg_stats WHERE tablename = 'secret';
SELECT (SELECT count(*) FROM pg_stats_ext WHERE most_common_vals @> '{canary}') AS rows, (SELECT count(*) FROM pg_stats_ext_exprs WHERE most_common_vals::text ~ 'CANARY') AS expressions;
-- CVE-2024-4317, mended in 16.3: of those releases of 16 that came before, this one view is not asked for.
SELECT current_setting('server_version_num')::int BETWEEN 160000 AND 160002 AS shows_expressions \gset
SELECT lo_from_bytea(4712, 'canary') AS large_object;
CREATE ROLE regress_mallory LOGIN;
GRANT SELECT, INSERT, UPDATE, DELETE ON secret, child TO regress_mallory;
CREATE SCHEMA evil AUTHORIZATION regress_mallory;
SELECT teamrbac.map_database_role(u('02'), 'regress_mallory');
-- What the victim has, to be compared at the end.
CREATE TABLE before AS SELECT md5(string_agg(s::text, ' ' ORDER BY id)) AS rows,
	(SELECT string_agg(m::text, ' ' ORDER BY user_id) FROM teamrbac.membership AS m WHERE tenant_id = u('a0')) AS team
	FROM secret AS s WHERE tenant_id = u('a0');

\c - regress_mallory
SET client_min_messages = warning;
SET search_path = evil, public;
\set VERBOSITY sqlstate
SELECT right(teamrbac.current_user_id()::text, 2) AS me, count(*) FROM secret;

\echo == Names that pass for ours
CREATE FUNCTION has_permission(uuid, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION permitted_tenants(text) RETURNS uuid[] LANGUAGE sql AS $$ SELECT ARRAY[u('a0'), u('b0')] $$;
CREATE FUNCTION current_user_id() RETURNS uuid LANGUAGE sql AS $$ SELECT u('01') $$;
CREATE FUNCTION yes(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION yes(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR = (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = yes);
CREATE OPERATOR = (LEFTARG = text, RIGHTARG = text, FUNCTION = yes);
CREATE FUNCTION lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'victim@example.com' $$;
CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2001-01-01'::timestamptz $$;
CREATE TEMP TABLE membership AS SELECT u('a0') AS tenant_id, u('02') AS user_id, 'owner'::text AS role, NULL::timestamptz AS expires_at;
CREATE TEMP TABLE tenant AS SELECT u('a0') AS tenant_id, 'x'::text AS name, NULL::timestamptz AS deleted_at;
CREATE TEMP TABLE app_user AS SELECT u('02') AS user_id, 'victim@example.com'::text AS email;
GRANT ALL ON membership, tenant, app_user TO PUBLIC;
SET search_path = evil, pg_temp, pg_catalog, teamrbac, public;
SELECT count(*) FROM secret;
SELECT teamrbac.has_permission(u('a0'), 'prompts.view'), teamrbac.permitted_tenants('prompts.view');
SELECT count(*) FROM teamrbac.team;
CALL teamrbac.change_role(u('a0'), u('02'), 'admin');
CALL teamrbac.leave_tenant(u('a0'));
CALL teamrbac.delete_tenant(u('a0'), 'x');
SELECT name FROM teamrbac.my_tenants();
-- Shadows that a command's own query might fall for, in its own schema: no.
CREATE FUNCTION teamrbac.has_permission(uuid, varchar) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE TABLE teamrbac.mine (id int);
CREATE OPERATOR teamrbac.= (LEFTARG = uuid, RIGHTARG = text, FUNCTION = evil.yes);
SET search_path = evil, public;

\echo == Another role, other settings
SET ROLE :"superuser";
SET SESSION AUTHORIZATION :"superuser";
SET row_security = off;
SELECT count(*) FROM secret;
RESET row_security;
SET session_replication_role = replica;
SET teamrbac.identity = 'user:00000000-0000-0000-0000-000000000001';
SELECT set_config('teamrbac.identity', 'user:00000000-0000-0000-0000-000000000001', false);
SET check_function_bodies = off;
SELECT count(teamrbac.create_tenant('x'));
RESET check_function_bodies;
SELECT teamrbac.sign_in(u('01'));
SELECT teamrbac.sign_in_from_jwt_claims();
SELECT teamrbac.map_database_role(u('01'), 'regress_mallory');
SELECT teamrbac.register_user('x@example.com', 'x');
SELECT teamrbac.update_user(u('01'), 'mallory2@example.com');
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_mallory;
UPDATE pg_proc SET proacl = NULL WHERE proname = 'sign_in';
-- The tenant that she made is a second one: from now on she says which she means.
SELECT count(*) FROM secret;
SELECT teamrbac.act_in_tenant(u('a0'), false);
SELECT teamrbac.act_in_tenant(u('b0'), false);

\echo == The objects themselves
ALTER TABLE secret DISABLE ROW LEVEL SECURITY;
ALTER TABLE secret NO FORCE ROW LEVEL SECURITY;
DROP POLICY teamrbac_view ON secret;
CREATE POLICY open ON secret USING (true);
SELECT teamrbac.unprotect_table('secret');
SELECT teamrbac.protect_table('secret', 'prompts.view', NULL);
TRUNCATE secret;
CREATE TRIGGER spy BEFORE UPDATE ON secret FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE RULE spy AS ON SELECT TO secret DO INSTEAD SELECT 1;
CREATE INDEX ON secret (yes(tenant_id, tenant_id));
CREATE STATISTICS spy ON id, body FROM secret;
CREATE TABLE mine_too () INHERITS (secret);
ALTER FUNCTION teamrbac.has_permission(uuid, text) LEAKPROOF;
ALTER FUNCTION teamrbac.create_tenant(text, text) SET search_path = evil;
ALTER EXTENSION teamrbac DROP TABLE teamrbac.membership;
DROP EXTENSION teamrbac;
COMMENT ON FUNCTION teamrbac.sign_in(uuid, boolean) IS 'x';
-- Their parts, used elsewhere.
CREATE FUNCTION fast(uuid) RETURNS boolean LANGUAGE sql SUPPORT teamrbac.has_permission_support AS 'SELECT true';
CREATE FUNCTION sign_in(uuid, boolean) RETURNS void LANGUAGE c AS '$libdir/teamrbac', 'teamrbac_sign_in';
CREATE FUNCTION leakproof(uuid) RETURNS boolean LANGUAGE sql LEAKPROOF AS 'SELECT true';
CREATE TABLE mine (tenant_id uuid NOT NULL, user_id uuid, role text, deleted_at timestamptz);
CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('memberships_changed');
CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION teamrbac.check_owner();
CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION teamrbac.guard_built_in();
CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION teamrbac.check_reference();
-- This one is for everybody: it asks for the permission in the tenant that the row names.
CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION teamrbac.require_permission_on_change('prompts.promote', 'tenant_id');
INSERT INTO mine VALUES (u('a0'));
INSERT INTO mine VALUES (u('b0'));
SELECT teamrbac.protect_table('mine', 'prompts.view', 'prompts.edit');
SELECT count(*) FROM mine;

\echo == The tables behind it
-- On none of them has she any privilege.
SELECT relname FROM pg_class WHERE relnamespace = 'teamrbac'::regnamespace AND relkind IN ('r', 'p', 'f', 'm', 'S')
	AND has_table_privilege(oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');
SELECT * FROM teamrbac.membership;
COPY teamrbac.app_user TO STDOUT;
BEGIN; LOCK TABLE teamrbac.tenant IN ACCESS SHARE MODE; ROLLBACK;
SELECT FROM teamrbac.tenant FOR UPDATE;
CREATE TABLE oracle (tenant_id uuid REFERENCES teamrbac.tenant);
SELECT count(*) FROM pg_statistic;
SELECT count(*) FROM pg_stats WHERE schemaname = 'teamrbac';

\echo == Views and functions over a protected table
CREATE VIEW see AS SELECT * FROM secret;
CREATE VIEW see_as_caller WITH (security_invoker = true) AS SELECT * FROM secret;
-- A materialized view is filled by maintenance, in which nobody is asking.
CREATE MATERIALIZED VIEW kept AS SELECT * FROM secret;
CREATE FUNCTION see() RETURNS SETOF secret LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM secret';
SELECT (SELECT count(*) FROM see) AS view, (SELECT count(*) FROM see_as_caller) AS invoker, (SELECT count(*) FROM kept) AS kept, (SELECT count(*) FROM see()) AS definer;
-- A function in WHERE, a join, an ORDER BY, an aggregate or a sample, cheaper than anything: given her rows only.
CREATE FUNCTION leak(tenant uuid, body text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
	AS $$ BEGIN IF tenant OPERATOR(pg_catalog.<>) u('b0') THEN RAISE EXCEPTION 'seen: %', body; END IF; RETURN true; END $$;
CREATE FUNCTION leak(body text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
	AS $$ BEGIN IF body OPERATOR(pg_catalog.<>) 'mine' THEN RAISE EXCEPTION 'seen: %', body; END IF; RETURN true; END $$;
CREATE OPERATOR ~~~ (LEFTARG = uuid, RIGHTARG = text, FUNCTION = leak, RESTRICT = contsel);
SELECT count(*) FROM secret WHERE leak(tenant_id, body);
SELECT count(*) FROM secret WHERE leak(tenant_id, body) AND id OPERATOR(pg_catalog.=) 1;
SELECT count(*) FROM secret WHERE tenant_id ~~~ body OR id > 0;
SELECT count(*) FROM secret WHERE tenant_id OPERATOR(pg_catalog.=) u('a0') AND leak(body);
SELECT count(*) FROM secret WHERE CASE WHEN body OPERATOR(pg_catalog.=) 'canary' THEN 1 / (id - id) > 0 ELSE true END;
SELECT count(*) FROM secret AS a JOIN secret AS b ON leak(a.tenant_id, a.body) AND leak(b.tenant_id, b.body) AND a.id OPERATOR(pg_catalog.=) b.id;
SELECT count(*) FROM generate_series(1, 2) AS g, LATERAL (SELECT * FROM secret WHERE leak(tenant_id, body) AND id OPERATOR(pg_catalog.=) g) AS l;
SELECT count(*) FROM secret AS s, LATERAL leak(s.tenant_id, s.body) AS l;
SELECT count(*) FROM (SELECT FROM secret ORDER BY leak(tenant_id, body), body) AS o;
SELECT bool_and(leak(tenant_id, body)) FILTER (WHERE leak(body)) FROM secret GROUP BY leak(tenant_id, body) HAVING bool_and(leak(body));
SELECT count(*) FROM secret TABLESAMPLE BERNOULLI (100) WHERE leak(tenant_id, body);
SELECT count(*) FROM secret TABLESAMPLE SYSTEM (100) WHERE leak(tenant_id, body);
SELECT count(*) FROM secret WHERE ctid OPERATOR(pg_catalog.=) '(0,1)' AND leak(tenant_id, body);
SELECT count(*) FROM secret WHERE ctid OPERATOR(pg_catalog.<) '(10000,1)' AND leak(tenant_id, body);
SELECT count(*) FROM see WHERE leak(tenant_id, body);
SELECT max(name) FROM secret;
SELECT min(id) FROM secret WHERE id OPERATOR(pg_catalog.>) 2;
SET enable_seqscan = off; SET enable_bitmapscan = off;
SELECT count(*) FROM secret WHERE name OPERATOR(pg_catalog.>=) 'canary' AND leak(tenant_id, body);
SELECT count(*) FROM secret WHERE id OPERATOR(pg_catalog.>) 0 AND leak(tenant_id, body);
SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = on;
SELECT count(*) FROM secret WHERE name OPERATOR(pg_catalog.>=) 'canary' AND leak(tenant_id, body);
RESET enable_seqscan; RESET enable_bitmapscan; RESET enable_indexscan; RESET enable_indexonlyscan;
BEGIN; DECLARE c CURSOR FOR SELECT * FROM secret WHERE leak(tenant_id, body) FOR UPDATE; MOVE 1 FROM c; UPDATE secret SET body = 'mine' WHERE CURRENT OF c; COMMIT;

\echo == Changes
INSERT INTO secret VALUES (u('a0'), 9, 'x', 'x');
UPDATE secret SET body = 'x' WHERE tenant_id OPERATOR(pg_catalog.=) u('a0');
UPDATE secret SET tenant_id = u('a0'), id = 5000;
UPDATE secret SET body = 'x' WHERE leak(tenant_id, body) RETURNING id, body;
UPDATE secret SET body = 'mine';
DELETE FROM secret WHERE tenant_id OPERATOR(pg_catalog.=) u('a0') RETURNING body;
DELETE FROM secret USING secret AS other WHERE other.tenant_id OPERATOR(pg_catalog.<>) u('b0');
INSERT INTO secret VALUES (u('a0'), 1, 'x', 'x') ON CONFLICT (tenant_id, id) DO UPDATE SET body = secret.body RETURNING body;
INSERT INTO secret VALUES (u('a0'), 1, 'x', 'x') ON CONFLICT DO NOTHING;
INSERT INTO secret VALUES (u('b0'), 3, 'x', 'canary 1') ON CONFLICT (name) DO UPDATE SET body = 'x' RETURNING secret.body;
MERGE INTO secret AS s USING (VALUES (1)) AS v(id) ON s.id OPERATOR(pg_catalog.=) v.id AND s.tenant_id OPERATOR(pg_catalog.=) u('a0')
	WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (u('a0'), 1, 'x', 'x');
MERGE INTO secret AS s USING (VALUES (1)) AS v(id) ON s.id OPERATOR(pg_catalog.=) v.id
	WHEN MATCHED THEN UPDATE SET tenant_id = u('a0'), id = 5000;
WITH moved AS (UPDATE secret SET tenant_id = u('a0'), id = 5000 RETURNING *) SELECT count(*) FROM moved;
CREATE FUNCTION do_it() RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO secret VALUES (u('a0'), 9, 'x', 'x'); EXCEPTION WHEN OTHERS THEN RAISE EXCEPTION USING ERRCODE = SQLSTATE; END $$;
SELECT do_it();

\echo == COPY and large objects
COPY secret (body) TO STDOUT;
COPY (SELECT body FROM secret WHERE leak(tenant_id, body)) TO STDOUT;
COPY (SELECT token FROM teamrbac.outbox) TO STDOUT;
COPY (UPDATE secret SET body = 'x' WHERE tenant_id OPERATOR(pg_catalog.=) u('a0') RETURNING body) TO STDOUT;
-- PostgreSQL refuses COPY FROM into a protected table, rows of her own tenant included.
\copy secret FROM '/dev/null'
\copy teamrbac.membership FROM '/dev/null'
\copy see FROM '/dev/null'
COPY secret FROM PROGRAM 'true';
COPY secret FROM '/tmp/secret';
COPY secret TO '/tmp/secret';
COPY secret TO PROGRAM 'cat';
COPY (SELECT body FROM secret) TO '/tmp/secret';
COPY (SELECT body FROM secret) TO PROGRAM 'cat';
-- A large object of hers holds what she may read, and is hers; the server's files are out of reach. Somebody else's
-- large object is refused; PostgreSQL tells that it exists.
SELECT lo_from_bytea(4711, (SELECT string_agg(body, ' ' ORDER BY body)::bytea FROM secret)) AS mine;
SELECT convert_from(lo_get(4711), 'UTF8') AS holds;
SELECT lo_get(4712);
SELECT lo_put(4712, 0, 'x');
SELECT lo_open(4712, 262144);
SELECT lo_unlink(4712);
GRANT SELECT ON LARGE OBJECT 4712 TO regress_mallory;
SELECT lo_import('/etc/passwd');
SELECT lo_import('/etc/passwd', 4713);
SELECT lo_export(4711, '/tmp/secret');
SELECT lo_export(4712, '/tmp/secret');
SELECT count(*) FROM pg_largeobject;
SELECT lo_unlink(4711) AS unlinked;
SELECT pg_read_file('postgresql.conf');

\echo == Oracles
-- PostgreSQL answers whether a key exists that is unique across tenants: lead unique keys with the tenant. The
-- message does not show the row.
\set VERBOSITY default
INSERT INTO secret VALUES (u('b0'), 3, 'x', 'canary 1');
INSERT INTO secret VALUES (u('b0'), 3, 'x', 'canary 1') ON CONFLICT DO NOTHING;
-- A foreign key that leads with the tenant says nothing of another's rows; a policy stops the rest.
INSERT INTO child VALUES (u('b0'), 1, 999);
INSERT INTO child VALUES (u('a0'), 1, 999);
INSERT INTO child VALUES (u('b0'), 1, 1);
DELETE FROM child;
\set VERBOSITY sqlstate
CREATE TABLE spy (tenant_id uuid, id int, FOREIGN KEY (tenant_id, id) REFERENCES secret);
-- Column statistics of a protected table are hidden; how large it is, is not.
SELECT count(*) FROM pg_stats WHERE tablename = 'secret';
SELECT (SELECT count(*) FROM pg_stats_ext) AS rows, (SELECT count(*) FROM pg_stats_ext_exprs WHERE NOT :'shows_expressions') AS expressions;
SELECT stxdmcv FROM pg_statistic_ext_data;
SELECT stavalues1 FROM pg_statistic WHERE starelid OPERATOR(pg_catalog.=) 'secret'::regclass;
-- That there are such statistics, and of which columns, everybody sees.
SELECT stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext ORDER BY stxname COLLATE "C";
ALTER STATISTICS secret_stats SET STATISTICS 10000;
ANALYZE secret;
SELECT relname, reltuples FROM pg_class WHERE relname = 'secret';
-- An index condition removes no rows; a sequential scan's EXPLAIN ANALYZE tells how many it has removed.
CREATE FUNCTION removed(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ DECLARE l text; BEGIN
	FOR l IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP IF l LIKE '%Removed%' THEN RETURN NEXT trim(l); END IF; END LOOP; END $$;
SELECT * FROM removed('SELECT count(*) FROM secret');
SELECT * FROM removed('SELECT count(*) FROM secret WHERE leak(tenant_id, body)');
SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off;
SELECT * FROM removed('SELECT count(*) FROM secret');
RESET enable_indexscan; RESET enable_indexonlyscan; RESET enable_bitmapscan;

\echo == A tenant that is not hers and one that does not exist
\set VERBOSITY terse
SELECT right(t::text, 2) AS tenant, teamrbac.has_permission(t, 'prompts.view'), teamrbac.my_permissions(t), (e).allowed, (e).reason
	FROM (SELECT t, teamrbac.explain_permission(t, 'prompts.view') AS e FROM unnest(ARRAY[u('a0'), u('ff')]) AS t) AS e;
SELECT teamrbac.require_permission(u('a0'), 'team.manage');
SELECT teamrbac.require_permission(u('ff'), 'team.manage');
CREATE FUNCTION attempt(call text) RETURNS text LANGUAGE plpgsql
	AS $$ BEGIN EXECUTE call; RETURN 'done'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM; END $$;
SELECT replace(call, '%', ' ') AS attempt, attempt(format(call, u('a0'), u('03'))) AS hers_not, attempt(format(call, u('a0'), u('03'))) IS NOT DISTINCT FROM attempt(format(call, u('ff'), u('03'))) AS same_for_no_tenant
FROM (VALUES
	('CALL teamrbac.change_role(%1$L, %2$L, ''reader'')'),
	('CALL teamrbac.remove_member(%1$L, %2$L)'),
	('CALL teamrbac.leave_tenant(%1$L)'),
	('CALL teamrbac.set_membership_expiry(%1$L, %2$L, ''2999-01-01'')'),
	('CALL teamrbac.transfer_ownership(%1$L, %2$L)'),
	('CALL teamrbac.delete_tenant(%1$L, ''Victim Ltd'')'),
	('CALL teamrbac.restore_tenant(%1$L)'),
	('CALL teamrbac.assign_owner(%1$L, %2$L)'),
	('CALL teamrbac.disable_user(%2$L)'),
	('SELECT * FROM teamrbac.removal_impact(%1$L, %2$L)'),
	('SELECT * FROM teamrbac.verify_audit(%1$L)'),
	('SELECT * FROM teamrbac.create_api_key(%1$L, ''x'')')) AS t(call);

\echo == The views
SELECT (SELECT count(*) FROM teamrbac.team WHERE tenant_id OPERATOR(pg_catalog.=) u('a0')) AS team, (SELECT count(*) FROM teamrbac.my_tenants() WHERE name OPERATOR(pg_catalog.=) 'Victim Ltd') AS tenants;
SELECT count(*) FROM teamrbac.team WHERE leak(u('b0'), display_name) AND display_name OPERATOR(pg_catalog.<>) 'mallory';
-- What everybody may read holds rows of tenants back from functions of the reader's; the matrix has none.
SELECT relname FROM pg_class WHERE relnamespace = 'teamrbac'::regnamespace AND relkind = 'v' AND has_table_privilege(oid, 'SELECT')
	AND NOT COALESCE(reloptions @> '{security_barrier=true}', false) ORDER BY relname COLLATE "C";

\echo == Everything she may execute
SELECT p.oid::regprocedure FROM pg_proc AS p WHERE pronamespace = 'teamrbac'::regnamespace
	AND has_function_privilege(p.oid, 'EXECUTE') AND NOT has_function_privilege('public', p.oid, 'EXECUTE');

\c - :"superuser"
SET client_min_messages = warning;
SELECT before.rows = md5(string_agg(s::text, ' ' ORDER BY id)) AS rows_untouched,
	before.team = (SELECT string_agg(m::text, ' ' ORDER BY user_id) FROM teamrbac.membership AS m WHERE tenant_id = u('a0')) AS team_untouched
	FROM secret AS s, before WHERE tenant_id = u('a0') GROUP BY before.rows, before.team;
SELECT convert_from(lo_get(4712), 'UTF8') AS large_object_untouched, lo_unlink(4712) AS unlinked;
DROP SCHEMA evil CASCADE;
DROP TABLE child, secret, before;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(text);
DROP OWNED BY regress_mallory;
DROP ROLE regress_mallory;
