-- The authority of a statement: who is asking, where, with which grants and when is settled once a query, and every
-- check in it answers from that, wherever PostgreSQL evaluates it; a query within a function has its own.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\pset null '-'
CREATE ROLE regress_app;
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(n || '@example.com', n, u(n))) FROM unnest(ARRAY['01', '02', '03', '04']) AS n;
SELECT teamrbac.define_role('prompter', 'Prompts alone', '{prompts.view,prompts.edit}');
-- 02 is developer of a0, 03 of b0; 04 may see prompts of a0 and nothing else.
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme'), (u('b0'), 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('b0'), u('01'), 'owner'), (u('a0'), u('02'), 'developer'), (u('b0'), u('03'), 'developer'), (u('a0'), u('04'), 'prompter');
COMMIT;
CREATE TABLE prompt (tenant_id uuid NOT NULL, id int, endpoint int, state text NOT NULL DEFAULT 'draft', PRIMARY KEY (tenant_id, id));
CREATE TABLE endpoint (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id));
INSERT INTO endpoint SELECT t, g FROM unnest(ARRAY[u('a0'), u('b0')]) AS t, generate_series(1, 20) AS g;
INSERT INTO prompt SELECT tenant_id, id, 1 + id % 10 FROM endpoint;
CREATE TABLE part (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id)) PARTITION BY LIST (tenant_id);
CREATE TABLE part_a PARTITION OF part FOR VALUES IN ('00000000-0000-0000-0000-0000000000a0');
CREATE TABLE part_b PARTITION OF part FOR VALUES IN ('00000000-0000-0000-0000-0000000000b0');
INSERT INTO part SELECT tenant_id, id FROM endpoint;
VACUUM ANALYZE prompt, endpoint, part;
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit'), teamrbac.protect_table('endpoint', 'endpoints.view', 'endpoints.edit'), teamrbac.protect_table('part', 'prompts.view', 'prompts.edit');
GRANT ALL ON prompt, endpoint, part TO regress_app;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_app;

SET ROLE regress_app;

\echo == Two permissions in one equivalence class
-- PostgreSQL puts permitted_tenant('prompts.view') = permitted_tenant('endpoints.view') in the place of one policy.
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
BEGIN; SELECT teamrbac.sign_in(u('02'));
SELECT count(*) AS compared FROM pg_temp.plan('SELECT FROM prompt JOIN endpoint ON endpoint.tenant_id = prompt.tenant_id AND endpoint.id = prompt.endpoint') AS line
	WHERE line ~ 'One-Time Filter: \(teamrbac.permitted_tenant\(.*\) = teamrbac.permitted_tenant\(.*\)\)';
SELECT count(*) FROM prompt JOIN endpoint ON endpoint.tenant_id = prompt.tenant_id AND endpoint.id = prompt.endpoint;
SELECT count(*) FROM prompt JOIN endpoint USING (tenant_id, id) JOIN part USING (tenant_id, id);
SELECT count(*) FROM prompt LEFT JOIN endpoint USING (tenant_id, id);
COMMIT;
-- Without the second permission, whichever comes first.
BEGIN; SELECT teamrbac.sign_in(u('04'));
SELECT count(*) FROM prompt;
SELECT count(*) FROM prompt JOIN endpoint ON endpoint.tenant_id = prompt.tenant_id AND endpoint.id = prompt.endpoint;
SELECT count(*) FROM endpoint JOIN prompt USING (tenant_id, id);
SELECT count(*), count(endpoint.id) AS endpoints FROM prompt LEFT JOIN endpoint USING (tenant_id, id);
SELECT count(*), count(endpoint.id) AS endpoints FROM prompt FULL JOIN endpoint USING (tenant_id, id);
SELECT count(*) FROM prompt AS p WHERE EXISTS (SELECT FROM endpoint AS e WHERE e.tenant_id = p.tenant_id);
SELECT count(*) FROM prompt AS p WHERE NOT EXISTS (SELECT FROM endpoint AS e WHERE e.tenant_id = p.tenant_id);
SELECT count(*) FROM prompt JOIN part USING (tenant_id, id);
COMMIT;

\echo == A function in WHERE signs in as somebody else
-- It is given a column, so that it is called for rows that the policy has let through.
CREATE FUNCTION pg_temp.become(who uuid, id int) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
	AS $$ BEGIN PERFORM teamrbac.sign_in(who); RETURN true; END $$;
CREATE FUNCTION pg_temp.who() RETURNS text LANGUAGE sql AS $$ SELECT right(teamrbac.current_user_id()::text, 2) $$;
-- Of each query, the rows of whoever began it; afterwards the other is asking.
BEGIN; SELECT teamrbac.sign_in(u('02'));
SELECT right(tenant_id::text, 2) AS tenant, count(*), right(teamrbac.current_user_id()::text, 2) AS who, right(teamrbac.current_tenant_id()::text, 2) AS here FROM prompt WHERE pg_temp.become(u('03'), id) GROUP BY 1;
SELECT pg_temp.who();
SELECT teamrbac.sign_in(u('02'));
SELECT right(p.tenant_id::text, 2) AS tenant, count(*) FROM prompt AS p, LATERAL (SELECT e.id FROM endpoint AS e WHERE e.id = p.endpoint AND pg_temp.become(u('03'), e.id) OFFSET 0) AS e GROUP BY 1;
SELECT teamrbac.sign_in(u('02'));
-- Scanned again for each row, and with each of its own checks made late.
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_material = off; SET LOCAL enable_memoize = off;
SELECT right(p.tenant_id::text, 2) AS p, right(e.tenant_id::text, 2) AS e, count(*) FROM prompt AS p JOIN endpoint AS e ON e.id = p.endpoint WHERE pg_temp.become(u('03'), p.id) GROUP BY 1, 2;
SELECT teamrbac.sign_in(u('02'));
SELECT count(*) FROM prompt AS p WHERE pg_temp.become(u('03'), id) AND (SELECT count(*) FROM endpoint AS e WHERE e.id = p.endpoint) = 1;
SELECT teamrbac.sign_in(u('02'));
SELECT count(*) FROM prompt AS p WHERE CASE WHEN pg_temp.become(u('03'), id) THEN teamrbac.has_permission(p.tenant_id, 'prompts.edit') AND teamrbac.permitted_tenant('logs.view') = u('a0') AND teamrbac.permitted_tenants('logs.view') = ARRAY[u('a0')] AND teamrbac.my_permissions(u('b0')) = '{}' AND (teamrbac.explain_permission(u('a0'), 'logs.view')).allowed END;
SELECT teamrbac.sign_in(u('02'));
UPDATE prompt SET state = 'x' WHERE pg_temp.become(u('03'), id) AND id < 3 RETURNING right(tenant_id::text, 2) AS tenant, id, right(teamrbac.current_user_id()::text, 2) AS who;
SELECT teamrbac.sign_in(u('02'));
INSERT INTO prompt SELECT tenant_id, 100 FROM prompt WHERE id = 1 AND pg_temp.become(u('03'), id) RETURNING right(tenant_id::text, 2) AS tenant;
SAVEPOINT s;
SELECT teamrbac.sign_in(u('02'));
INSERT INTO prompt SELECT u('b0'), 101 FROM prompt WHERE id = 1 AND pg_temp.become(u('03'), id);
ROLLBACK TO s;
SELECT teamrbac.sign_in(u('02'));
MERGE INTO prompt AS p USING (SELECT id FROM endpoint WHERE pg_temp.become(u('03'), id)) AS v ON p.id = v.id WHEN MATCHED THEN UPDATE SET state = 'merged';
SELECT right(tenant_id::text, 2) AS tenant, count(*) FROM prompt WHERE state = 'merged' GROUP BY 1;
SELECT teamrbac.sign_in(u('02'));
SELECT count(*) FROM prompt WHERE state = 'merged';
-- One that is given no column may be called before any check: then it is the other's query, and again all of it.
SELECT count(DISTINCT tenant_id) AS tenants FROM prompt WHERE pg_temp.become(u('03'), 0);
-- An error takes it back, wherever it was.
SELECT teamrbac.sign_in(u('02'));
SAVEPOINT s;
SELECT count(*) FROM prompt WHERE pg_temp.become(CASE id WHEN 5 THEN u('ff') ELSE u('03') END, id);
ROLLBACK TO s;
SELECT pg_temp.who(), count(*) FROM prompt;
ROLLBACK;

\echo == What the executor leaves for its end
-- A change in WITH that nobody reads runs after all else: by the same authority.
BEGIN; SELECT teamrbac.sign_in(u('02'));
WITH changed AS (UPDATE prompt SET state = 'late') SELECT count(*) FROM endpoint WHERE pg_temp.become(u('03'), id);
RESET ROLE;
SELECT right(tenant_id::text, 2) AS tenant, count(*) FROM prompt WHERE state = 'late' GROUP BY 1;
SET ROLE regress_app;
SAVEPOINT s;
SELECT teamrbac.sign_in(u('02'));
WITH added AS (INSERT INTO prompt VALUES (u('b0'), 102)) SELECT count(*) FROM endpoint WHERE pg_temp.become(u('03'), id);
ROLLBACK TO s;
SELECT teamrbac.sign_in(u('02'));
WITH added AS (INSERT INTO prompt VALUES (u('a0'), 102)) SELECT count(*) FROM endpoint WHERE pg_temp.become(u('03'), id);
ROLLBACK;
-- Triggers ask by it as well, before and after the change.
RESET ROLE;
CREATE TRIGGER guard BEFORE UPDATE ON prompt FOR EACH ROW WHEN (NEW.state = 'live') EXECUTE FUNCTION teamrbac.require_permission_on_change('prompts.promote', 'tenant_id');
CREATE TRIGGER guard_after AFTER UPDATE ON prompt FOR EACH ROW WHEN (NEW.state = 'live') EXECUTE FUNCTION teamrbac.require_permission_on_change('prompts.promote', 'tenant_id');
SET ROLE regress_app;
BEGIN; SELECT teamrbac.sign_in(u('02'));
UPDATE prompt SET state = 'live' WHERE id < 3 AND pg_temp.become(u('04'), id) RETURNING id;
SELECT teamrbac.sign_in(u('04'));
UPDATE prompt SET state = 'live' WHERE id > 18 AND pg_temp.become(u('02'), id);
ROLLBACK;
RESET ROLE;
-- One that is put off to the end of the transaction asks then.
DROP TRIGGER guard ON prompt; DROP TRIGGER guard_after ON prompt;
CREATE CONSTRAINT TRIGGER guard_later AFTER UPDATE ON prompt DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION teamrbac.require_permission_on_change('prompts.promote', 'tenant_id');
SET ROLE regress_app;
BEGIN; SELECT teamrbac.sign_in(u('02'));
UPDATE prompt SET state = 'live' WHERE id = 1;
SELECT teamrbac.sign_in(u('04'));
COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('04'));
UPDATE prompt SET state = 'draft' WHERE id = 1;
SELECT teamrbac.sign_in(u('02'));
COMMIT;
RESET ROLE;
DROP TRIGGER guard_later ON prompt;
SET ROLE regress_app;

\echo == Partitions are pruned when the query starts
CREATE FUNCTION pg_temp.pruned(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ DECLARE l text; BEGIN
	FOR l IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP IF l ~ 'Removed|Scan' THEN RETURN NEXT regexp_replace(trim(l), ' \(actual.*', ''); END IF; END LOOP; END $$;
BEGIN; SELECT teamrbac.sign_in(u('02'));
SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off;
SELECT * FROM pg_temp.pruned('SELECT count(*) FROM part');
SELECT * FROM pg_temp.pruned('UPDATE part SET id = id');
SELECT count(*) FROM part WHERE pg_temp.become(u('03'), id);
SELECT count(*), min(right(tenant_id::text, 2)) AS tenant FROM part WHERE pg_temp.become(u('02'), id);
PREPARE parts AS SELECT right(tenant_id::text, 2) AS tenant, count(*) FROM part GROUP BY 1;
SET LOCAL plan_cache_mode = force_generic_plan;
SELECT teamrbac.sign_in(u('02'));
EXECUTE parts;
SELECT teamrbac.sign_in(u('03'));
EXECUTE parts;
SELECT teamrbac.sign_in(u('04'));
EXECUTE parts;
SELECT teamrbac.sign_out();
EXECUTE parts;
COMMIT;

\echo == A query within a function has its own
CREATE FUNCTION pg_temp.rows_of(who uuid) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	PERFORM teamrbac.sign_in(who);
	RETURN (SELECT string_agg(DISTINCT right(tenant_id::text, 2), ',') FROM prompt);
END $$;
BEGIN; SELECT teamrbac.sign_in(u('02'));
SELECT right(tenant_id::text, 2) AS outer_query, pg_temp.rows_of(u('03')) AS within, right(teamrbac.current_user_id()::text, 2) AS who FROM prompt WHERE id = 1;
COMMIT;
-- What is evaluated without a query looks anew each time, and so does each query of a loop.
DO $$
DECLARE
	n int;
BEGIN
	PERFORM teamrbac.sign_in(u('02'));
	RAISE WARNING '% % %', right(teamrbac.current_user_id()::text, 2), teamrbac.has_permission(u('a0'), 'prompts.edit'), right(teamrbac.permitted_tenant('prompts.edit')::text, 2);
	PERFORM teamrbac.sign_in(u('03'));
	RAISE WARNING '% % %', right(teamrbac.current_user_id()::text, 2), teamrbac.has_permission(u('a0'), 'prompts.edit'), right(teamrbac.permitted_tenant('prompts.edit')::text, 2);
	FOR i IN 1..4 LOOP
		PERFORM teamrbac.sign_in(CASE i % 2 WHEN 0 THEN u('02') ELSE u('03') END);
		IF teamrbac.has_permission(u('a0'), 'prompts.view') IS DISTINCT FROM (i % 2 = 0) THEN
			RAISE EXCEPTION 'round % remembers', i;
		END IF;
		SELECT count(*) INTO n FROM prompt WHERE tenant_id = u('a0');
		RAISE WARNING 'round %: % rows', i, n;
	END LOOP;
END $$;
-- In a query, with a function that changes what it relies on.
RESET ROLE;
CREATE FUNCTION demote(who uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
	AS $$ BEGIN UPDATE teamrbac.membership SET role = 'reader' WHERE user_id = who; RETURN true; END $$;
SET ROLE regress_app;
BEGIN; SELECT teamrbac.sign_in(u('02'));
UPDATE prompt SET state = 'all of them' WHERE demote(u('02'));
SELECT count(*) FROM prompt WHERE state = 'all of them';
UPDATE prompt SET state = 'none of them';
SELECT DISTINCT state FROM prompt;
ROLLBACK;

\echo == While another query is planned
-- A function that says it is immutable is evaluated then: by an authority of its own.
CREATE FUNCTION pg_temp.n_prompts(int) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (SELECT count(*) FROM prompt WHERE id > $1); END $$;
CREATE FUNCTION pg_temp.n_prompts_stable(int) RETURNS bigint LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT count(*) FROM prompt WHERE id > $1); END $$;
CREATE FUNCTION pg_temp.n_prompts_sql(int) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT count(*) FROM prompt WHERE id > $1 $$;
BEGIN; SELECT teamrbac.sign_in(u('02'));
SELECT pg_temp.n_prompts(0), pg_temp.n_prompts_stable(0), pg_temp.n_prompts_sql(0), pg_temp.n_prompts(10), pg_temp.n_prompts_stable(10), pg_temp.n_prompts_sql(10);
SELECT count(*), max(pg_temp.n_prompts(10)) FROM prompt WHERE id <= pg_temp.n_prompts(10) AND pg_temp.become(u('03'), id);
COMMIT;

\echo == The default of a column
RESET ROLE;
CREATE TABLE made (tenant_id uuid NOT NULL DEFAULT teamrbac.current_tenant_id(), made_by uuid DEFAULT teamrbac.current_user_id(), id int);
CREATE INDEX ON made (tenant_id);
SELECT teamrbac.protect_table('made', 'prompts.view', 'prompts.edit');
GRANT ALL ON made TO regress_app;
SET ROLE regress_app;
BEGIN; SELECT teamrbac.sign_in(u('02'));
INSERT INTO made (id) VALUES (1), (2) RETURNING right(tenant_id::text, 2) AS tenant, right(made_by::text, 2) AS by;
INSERT INTO made (id) SELECT id FROM prompt WHERE id < 3 AND pg_temp.become(u('03'), id) RETURNING right(tenant_id::text, 2) AS tenant, right(made_by::text, 2) AS by;
COMMIT;
INSERT INTO made (id) VALUES (3);
RESET ROLE;

\echo == Maintenance answers nobody
-- A table owner's code in a DBA's ANALYZE, REINDEX, REFRESH, CREATE INDEX.
CREATE ROLE regress_owner;
CREATE SCHEMA evil AUTHORIZATION regress_owner;
GRANT SELECT ON prompt TO regress_owner;
SELECT teamrbac.sign_in(u('01'), false);
SET ROLE regress_owner;
CREATE TABLE evil.loot (what text);
CREATE FUNCTION evil.look() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO evil.loot SELECT format('%s, %s, %s prompts, %s tenants, %s', teamrbac.current_user_id(), (teamrbac.current_identity()).kind,
		(SELECT count(*) FROM public.prompt), (SELECT count(*) FROM teamrbac.my_tenants()), teamrbac.has_permission('00000000-0000-0000-0000-0000000000a0', 'prompts.view'));
	BEGIN
		PERFORM teamrbac.act_in_tenant('00000000-0000-0000-0000-0000000000a0');
	EXCEPTION WHEN OTHERS THEN
		INSERT INTO evil.loot VALUES (SQLERRM);
	END;
	BEGIN
		PERFORM secret FROM teamrbac.create_api_key('00000000-0000-0000-0000-0000000000a0', 'loot', 'admin');
	EXCEPTION WHEN OTHERS THEN
		INSERT INTO evil.loot VALUES (SQLERRM);
	END;
END $$;
CREATE FUNCTION evil.f(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM evil.look(); RETURN $1; END';
CREATE TABLE evil.bait (id int);
INSERT INTO evil.bait VALUES (1);
CREATE INDEX bait_idx ON evil.bait (evil.f(id));
CREATE MATERIALIZED VIEW evil.kept AS SELECT evil.f(id) FROM evil.bait WITH NO DATA;
TRUNCATE evil.loot;
RESET ROLE;
ANALYZE evil.bait;
SELECT * FROM evil.loot; TRUNCATE evil.loot;
REINDEX TABLE evil.bait;
SELECT * FROM evil.loot; TRUNCATE evil.loot;
REFRESH MATERIALIZED VIEW evil.kept;
SELECT * FROM evil.loot; TRUNCATE evil.loot;
VACUUM FULL evil.bait;
SELECT * FROM evil.loot; TRUNCATE evil.loot;
CLUSTER evil.bait USING bait_idx;
SELECT * FROM evil.loot; TRUNCATE evil.loot;
CREATE INDEX ON evil.bait ((evil.f(id) + 1));
SELECT * FROM evil.loot; TRUNCATE evil.loot;
-- In the middle of a query of the DBA's, who is asking as before.
CREATE FUNCTION maintain() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN REFRESH MATERIALIZED VIEW evil.kept; RETURN true; END $$;
SELECT teamrbac.act_in_tenant(u('a0'), false);
SELECT count(*), right(teamrbac.current_user_id()::text, 2) AS who, right(teamrbac.permitted_tenant('prompts.view')::text, 2) AS here FROM generate_series(1, 2) WHERE maintain() AND teamrbac.current_user_id() IS NOT NULL;
SELECT DISTINCT what FROM evil.loot WHERE what ~ 'prompts';
-- Nor can it sign anybody in who stays.
SELECT secret FROM teamrbac.create_api_key(u('a0'), 'planted', 'reader') \gset
CREATE TABLE evil.secret AS SELECT :'secret' AS secret;
GRANT SELECT ON evil.secret TO regress_owner;
CREATE OR REPLACE FUNCTION evil.look() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM teamrbac.sign_in_with_api_key(secret, false) FROM evil.secret;
	INSERT INTO evil.loot VALUES ('signed in as ' || (teamrbac.current_identity()).kind);
END $$;
TRUNCATE evil.loot;
ANALYZE evil.bait;
SELECT * FROM evil.loot;
SELECT (teamrbac.current_identity()).kind, right(teamrbac.current_user_id()::text, 2) AS who;
SELECT teamrbac.sign_out();

DROP OWNED BY regress_app;
DROP FUNCTION maintain, demote;
DROP SCHEMA evil CASCADE;
DROP TABLE prompt, endpoint, part, made;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(text);
DROP ROLE regress_app, regress_owner;
