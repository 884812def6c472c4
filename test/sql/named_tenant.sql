-- A query that names its tenant is planned without the policy's call until its paths are made: the call is there in whatever
-- plan comes of it, and nothing is evaluated before it that could not be before.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set t7 '\'00000000-0000-0000-0000-000000000007\''
\set t8 '\'00000000-0000-0000-0000-000000000008\''
CREATE ROLE regress_app LOGIN;
CREATE FUNCTION u(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
SELECT count(teamrbac.register_user('u' || n || '@example.com', 'u' || n, u(n))) FROM generate_series(9001, 9002) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT u(n), 't' || n FROM generate_series(1, 10) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9002), 'owner' FROM generate_series(1, 10) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9001), 'developer' FROM generate_series(1, 10) AS n WHERE n <> 8;
COMMIT;
CREATE TABLE doc (id int PRIMARY KEY, tenant_id uuid NOT NULL, folder uuid, body text NOT NULL);
INSERT INTO doc SELECT g, u(1 + g % 10), u(1 + g % 10), 'body ' || g FROM generate_series(1, 5000) AS g;
CREATE INDEX doc_tenant_idx ON doc (tenant_id, id);
CREATE INDEX doc_body_idx ON doc (body text_pattern_ops);
CREATE INDEX doc_folder_idx ON doc (folder);
VACUUM ANALYZE doc;
SELECT teamrbac.protect_table('doc', 'endpoints.view', 'endpoints.edit');
GRANT ALL ON doc TO regress_app;
-- Tells what it is shown; as cheap as can be, so that only the policy keeps it behind.
CREATE FUNCTION leak(body text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', body; RETURN true; END $$;
SELECT teamrbac.sign_in(u(9001), false);
SET ROLE regress_app;
-- The first query of a session that asks about this policy finds the functions.
SELECT count(*) FROM doc;

-- The condition comes before the call only in such a plan.
SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM doc WHERE tenant_id = :t7 AND body <> '';
EXPLAIN (COSTS OFF) SELECT * FROM doc WHERE tenant_id = u(7) AND body <> '';
RESET enable_indexscan; RESET enable_bitmapscan; RESET enable_indexonlyscan;
EXPLAIN (COSTS OFF) SELECT * FROM doc WHERE tenant_id = :t7 ORDER BY id LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM doc WHERE tenant_id = :t7 AND id > 100 AND body <> '' ORDER BY id LIMIT 5;
EXPLAIN (COSTS OFF) SELECT * FROM doc WHERE tenant_id = :t7 AND folder = :t7 AND id = 6;

-- The same rows by every path: of one's own tenant, of another's, of both and of neither; and the wrong column with the right value.
RESET ROLE;
CREATE FUNCTION rows_of(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN EXECUTE query; GET DIAGNOSTICS n = ROW_COUNT; RETURN n; END $$;
CREATE FUNCTION by_every_path(condition text) RETURNS TABLE (rows bigint[]) LANGUAGE plpgsql AS $$
DECLARE
	m text;
	method text;
BEGIN
	rows := '{}';
	FOREACH m IN ARRAY ARRAY['seqscan', 'indexscan', 'indexonlyscan', 'bitmapscan', 'tidscan'] LOOP
		FOREACH method IN ARRAY ARRAY['seqscan', 'indexscan', 'indexonlyscan', 'bitmapscan', 'tidscan'] LOOP
			PERFORM set_config('enable_' || method, CASE WHEN method = m THEN 'on' ELSE 'off' END, true);
		END LOOP;
		rows := rows || rows_of('SELECT * FROM doc WHERE ' || condition) || rows_of('SELECT id FROM doc WHERE ' || condition || ' ORDER BY id')
			|| rows_of('SELECT DISTINCT tenant_id FROM doc WHERE ' || condition) || rows_of('SELECT row_number() OVER () FROM doc WHERE ' || condition)
			|| rows_of('SELECT id FROM doc WHERE ' || condition || ' FOR UPDATE') || rows_of('SELECT FROM doc WHERE ' || condition || ' LIMIT 3');
	END LOOP;
	rows := ARRAY(SELECT DISTINCT n FROM unnest(rows) AS n ORDER BY n);
	RETURN NEXT;
END $$;
SET ROLE regress_app;
SELECT condition, by_every_path(replace(replace(condition, 't7', quote_literal(u(7))), 't8', quote_literal(u(8))))
FROM unnest(ARRAY['tenant_id = t7', 'tenant_id = t8', 'tenant_id = t7 AND body > $$body 1$$', 'tenant_id = t8 AND body > $$body 1$$',
	'tenant_id = t7 AND tenant_id = t8', 'tenant_id = t8 AND tenant_id = t7', 'tenant_id = t7 OR tenant_id = t8', 'tenant_id = t7 AND false',
	'tenant_id = NULL', 'tenant_id = t8 AND folder = t8', 'folder = t8', 'folder = t7', 't8 = tenant_id', 'NOT tenant_id = t8 AND folder = t8',
	'tenant_id = t8 AND ctid = $$(0,7)$$', 'tenant_id = t7 AND ctid = $$(0,6)$$', 'tenant_id = t8 AND id = 7', 'tenant_id = t7 AND id = 6',
	'tenant_id = t8 AND EXISTS (SELECT FROM doc AS d WHERE d.tenant_id = t7)', 'tenant_id = t7 AND (tenant_id = t8) IS NOT TRUE']) AS condition;
SELECT min(id), max(id), count(*), sum(id) FROM doc WHERE tenant_id = :t7;
SELECT min(id), max(id), count(*), sum(id) FROM doc WHERE tenant_id = :t8;
SELECT count(*) FROM (SELECT * FROM doc WHERE tenant_id = :t8 OFFSET 0) AS d;
SELECT count(*) FROM (SELECT * FROM doc WHERE tenant_id = :t8 UNION ALL SELECT * FROM doc WHERE tenant_id = :t7) AS d;
SELECT count(*) FROM doc TABLESAMPLE SYSTEM (100) WHERE tenant_id = :t8;

-- Nothing is shown to a function of the hostile user's before the policy has let it through, by whatever path.
CREATE FUNCTION pg_temp.try(condition text) RETURNS SETOF int LANGUAGE plpgsql AS $$
DECLARE m text;
BEGIN
	FOREACH m IN ARRAY ARRAY['seqscan', 'indexscan', 'bitmapscan'] LOOP
		PERFORM set_config('enable_' || x, CASE WHEN x = m THEN 'on' ELSE 'off' END, true) FROM unnest(ARRAY['seqscan', 'indexscan', 'bitmapscan']) AS x;
		RETURN QUERY EXECUTE 'SELECT id FROM doc WHERE ' || condition;
	END LOOP;
END $$;
SET client_min_messages = notice;
SELECT * FROM pg_temp.try('leak(body) AND tenant_id = ''00000000-0000-0000-0000-000000000008'' AND id < 30');
SELECT * FROM pg_temp.try('leak(body) AND tenant_id = ''00000000-0000-0000-0000-000000000008'' AND body ~~ ''body 17%''');
SELECT * FROM pg_temp.try('leak(body) AND tenant_id = ''00000000-0000-0000-0000-000000000008'' AND ctid = ''(0,7)''');
SELECT * FROM pg_temp.try('leak(body) AND tenant_id = ''00000000-0000-0000-0000-000000000007'' AND id < 30 AND id > 20');
SELECT id FROM doc WHERE tenant_id = :t8 AND 1 / (id - 7) > 0 AND id < 10;
SET client_min_messages = warning;

-- A prepared statement obeys, by plans of its own and by a generic one.
PREPARE of(uuid) AS SELECT id FROM doc WHERE tenant_id = $1 ORDER BY id LIMIT 2;
EXECUTE of(:t7);
EXECUTE of(:t8);
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE of(:t7);
EXECUTE of(:t7);
EXECUTE of(:t8);
RESET ROLE;
DELETE FROM teamrbac.membership WHERE tenant_id = u(7) AND user_id = u(9001);
SET ROLE regress_app;
EXECUTE of(:t7);
SET plan_cache_mode = force_custom_plan;
EXECUTE of(:t7);
RESET plan_cache_mode;
-- A parameter that is null leaves nothing of the condition, and an index without the column to read.
PREPARE none(uuid) AS SELECT true FROM doc WHERE tenant_id = $1 AND id < 100;
SET enable_seqscan = off; SET enable_bitmapscan = off;
EXECUTE none(NULL);
RESET enable_seqscan; RESET enable_bitmapscan;
RESET ROLE;

-- A partial index whose predicate says what the query says has no such column.
CREATE INDEX doc_partial_idx ON doc (id) WHERE tenant_id = '00000000-0000-0000-0000-000000000008';
CREATE INDEX doc_partial_own_idx ON doc (id) WHERE tenant_id = '00000000-0000-0000-0000-000000000006';
DROP INDEX doc_tenant_idx;
VACUUM doc;
SET ROLE regress_app;
SET enable_seqscan = off; SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM doc WHERE tenant_id = '00000000-0000-0000-0000-000000000006' AND id < 100;
SELECT count(*) FROM (SELECT id FROM doc WHERE tenant_id = '00000000-0000-0000-0000-000000000006' AND id < 100) AS d;
EXPLAIN (COSTS OFF) SELECT id FROM doc WHERE tenant_id = :t8 AND id < 100;
SELECT id FROM doc WHERE tenant_id = :t8 AND id < 100;
SELECT id, body FROM doc WHERE tenant_id = :t8 AND id < 100;
SET client_min_messages = notice;
SELECT id, body FROM doc WHERE tenant_id = :t8 AND id < 100 AND leak(body);
SELECT id, body FROM doc WHERE tenant_id = '00000000-0000-0000-0000-000000000006' AND id < 10 AND leak(body);
SET client_min_messages = warning;
RESET enable_seqscan; RESET enable_bitmapscan;
-- One that cannot serve the query changes nothing.
SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM doc WHERE tenant_id = '00000000-0000-0000-0000-000000000005';
RESET enable_indexscan; RESET enable_indexonlyscan; RESET enable_bitmapscan;
RESET ROLE;

-- A cursor that is held reads its rows again at COMMIT, which is a command of its own.
BEGIN;
SET LOCAL ROLE regress_app;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM doc WHERE tenant_id = '00000000-0000-0000-0000-000000000004' ORDER BY id;
FETCH 1 FROM held;
RESET ROLE;
DELETE FROM teamrbac.membership WHERE tenant_id = u(4) AND user_id = u(9001);
COMMIT;
BEGIN;
SET LOCAL ROLE regress_app;
DECLARE held NO SCROLL CURSOR WITH HOLD FOR SELECT id FROM doc WHERE tenant_id = '00000000-0000-0000-0000-000000000004' ORDER BY id;
FETCH 1 FROM held;
RESET ROLE;
DELETE FROM teamrbac.membership WHERE tenant_id = u(4) AND user_id = u(9001);
COMMIT;
FETCH ALL FROM held;
CLOSE held;

-- Children have rows of their own, and come and go.
CREATE TABLE doc_child () INHERITS (doc);
INSERT INTO doc_child SELECT g, u(6 + g % 3), NULL, 'child' FROM generate_series(10001, 10006) AS g;
SET ROLE regress_app;
SELECT id FROM doc WHERE tenant_id = :t8 AND id > 10000;
SELECT id FROM doc WHERE tenant_id = '00000000-0000-0000-0000-000000000006' AND id > 10000 ORDER BY id;
SELECT count(*) FROM doc WHERE tenant_id = :t8;
RESET ROLE;
DROP TABLE doc_child;
SET ROLE regress_app;
SELECT count(*) FROM (SELECT id FROM doc WHERE tenant_id = :t8) AS d;

-- 18 plans another query where a column is virtual.
RESET ROLE;
DO $$ BEGIN
	EXECUTE 'CREATE TABLE made (id int PRIMARY KEY, tenant_id uuid NOT NULL, twice int GENERATED ALWAYS AS (id * 2) '
		|| CASE WHEN current_setting('server_version_num')::int >= 180000 THEN 'VIRTUAL)' ELSE 'STORED)' END;
END $$;
CREATE INDEX made_tenant_idx ON made (tenant_id, id);
INSERT INTO made SELECT g, u(5 + g % 4) FROM generate_series(1, 400) AS g;
VACUUM ANALYZE made;
SELECT teamrbac.protect_table('made', 'endpoints.view', 'endpoints.edit');
GRANT SELECT ON made TO regress_app;
SET ROLE regress_app;
SELECT id, twice FROM made WHERE tenant_id = '00000000-0000-0000-0000-000000000006' ORDER BY id LIMIT 3;
SELECT id, twice FROM made WHERE tenant_id = :t8 AND twice > 0 ORDER BY id LIMIT 3;
RESET ROLE;
SELECT teamrbac.unprotect_table('made');
DROP TABLE made;

-- Further policies are not mistaken for the call.
RESET ROLE;
CREATE POLICY narrow ON doc AS RESTRICTIVE FOR SELECT USING (id % 50 = 5);
SET ROLE regress_app;
SELECT count(*) FROM (SELECT id FROM doc WHERE tenant_id = '00000000-0000-0000-0000-000000000006') AS d;
SELECT count(*) FROM (SELECT id FROM doc WHERE tenant_id = :t8) AS d;
RESET ROLE;
DROP POLICY narrow ON doc;

-- Another extension in its place, in the same session.
DROP EXTENSION teamrbac CASCADE;
CREATE EXTENSION teamrbac;
SELECT count(teamrbac.register_user('u' || n || '@example.com', 'u' || n, u(n))) FROM generate_series(9001, 9001) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u(6), 't6');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(6), u(9001), 'owner');
COMMIT;
SET client_min_messages = error; -- the index is gone
SELECT teamrbac.protect_table('doc', 'endpoints.view', 'endpoints.edit');
SET ROLE regress_app;
SELECT id FROM doc WHERE tenant_id = '00000000-0000-0000-0000-000000000006' ORDER BY id LIMIT 2;
SELECT id FROM doc WHERE tenant_id = '00000000-0000-0000-0000-000000000006' ORDER BY id LIMIT 2;
SELECT id FROM doc WHERE tenant_id = :t7 ORDER BY id LIMIT 2;
RESET ROLE;

SELECT teamrbac.unprotect_table('doc');
DROP TABLE doc;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION leak, by_every_path, rows_of, u, pg_temp.try;
DROP ROLE regress_app;
