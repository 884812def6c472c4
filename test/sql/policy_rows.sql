-- The same rows by every path: sequential, index, index-only, bitmap and TID scans, parallel ones, partitions, children,
-- samples, generated columns; for somebody in no, one, seven, a hundred and ten thousand tenants.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE ROLE regress_app LOGIN;
CREATE FUNCTION u(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
-- 9001 is in 100 tenants; 9002 in seven, 1 to 7; 9003 in 7; 9004 in none; 9005 in 7, and may see nothing there.
SELECT count(teamrbac.register_user('u' || n || '@example.com', 'u' || n, u(n))) FROM generate_series(9001, 9005) AS n;
SELECT teamrbac.define_role('guest', 'May see nothing of these.', '{}');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT u(n), 't' || n FROM generate_series(1, 100) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9001), 'owner' FROM generate_series(1, 100) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9002), 'developer' FROM generate_series(1, 7) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(7), u(9003), 'reader'), (u(7), u(9005), 'guest');
COMMIT;
CREATE TABLE doc (id int PRIMARY KEY, tenant_id uuid NOT NULL, folder uuid, body text NOT NULL);
INSERT INTO doc SELECT g, u(1 + g % 100), u(1 + g % 100), 'body ' || g FROM generate_series(1, 4000) AS g;
CREATE INDEX doc_tenant_idx ON doc (tenant_id, id);
CREATE INDEX doc_body_idx ON doc (body text_pattern_ops);
CREATE TABLE board (LIKE doc INCLUDING ALL);
INSERT INTO board SELECT * FROM doc;
CREATE TABLE part (tenant_id uuid NOT NULL, id int NOT NULL, PRIMARY KEY (id, tenant_id)) PARTITION BY HASH (id);
CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO part SELECT tenant_id, id FROM doc;
CREATE INDEX ON part (tenant_id, id);
VACUUM ANALYZE doc, board, part;
SELECT teamrbac.protect_table(t, 'endpoints.view', 'endpoints.edit') FROM unnest(ARRAY['doc', 'part']::regclass[]) AS t;
SELECT teamrbac.protect_table('board', 'endpoints.view', 'endpoints.edit', across_tenants => true);
GRANT ALL ON doc, board, part TO regress_app;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean), teamrbac.sign_in_as_member(uuid, uuid, boolean) TO regress_app;

CREATE FUNCTION rows_of(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	EXECUTE query;
	GET DIAGNOSTICS n = ROW_COUNT;
	RAISE EXCEPTION USING ERRCODE = 'TR001';
EXCEPTION WHEN SQLSTATE 'TR001' THEN
	RETURN n;
END $$;
-- How many rows each query gives, by each path: one number, if they agree.
CREATE FUNCTION by_every_path(who uuid, tenant uuid, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	m text;
	result bigint[] := '{}';
BEGIN
	IF tenant IS NULL THEN PERFORM teamrbac.sign_in(who); ELSE PERFORM teamrbac.sign_in_as_member(who, tenant); END IF;
	FOREACH m IN ARRAY ARRAY['seqscan', 'indexscan', 'indexonlyscan', 'bitmapscan', 'tidscan', 'hashjoin', 'mergejoin', 'nestloop', 'parallel'] LOOP
		PERFORM set_config('enable_' || s, (s = m OR m = 'parallel' OR (m ~ 'scan') IS DISTINCT FROM (s ~ 'scan'))::text, true)
			FROM unnest(ARRAY['seqscan', 'indexscan', 'indexonlyscan', 'bitmapscan', 'tidscan', 'hashjoin', 'mergejoin', 'nestloop']) AS s;
		IF m = 'parallel' THEN
			SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL min_parallel_index_scan_size = 0;
			-- 16 has renamed it.
			PERFORM set_config(CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'debug_parallel_query' ELSE 'force_parallel_mode' END, 'on', true);
		END IF;
		SET LOCAL ROLE regress_app;
		result := result || rows_of(query);
		RESET ROLE;
	END LOOP;
	RAISE EXCEPTION USING ERRCODE = 'TR000';
EXCEPTION
	WHEN SQLSTATE 'TR000' THEN RETURN (SELECT string_agg(DISTINCT n::text, ' or ') FROM unnest(result) AS n);
	WHEN object_not_in_prerequisite_state OR invalid_authorization_specification THEN RETURN SQLSTATE;
END $$;
CREATE TABLE query (n int GENERATED ALWAYS AS IDENTITY, query text);
INSERT INTO query (query) VALUES
	('SELECT * FROM {t}'), ('SELECT id FROM {t}'), ('SELECT FROM {t} WHERE tenant_id = u(7)'), ('SELECT FROM {t} WHERE tenant_id = u(8)'),
	('SELECT FROM {t} WHERE u(7) = tenant_id ORDER BY id LIMIT 50'), ('SELECT id FROM {t} ORDER BY id LIMIT 50'), ('SELECT FROM {t} WHERE id = 106'), ('SELECT FROM {t} WHERE id = 107'),
	('SELECT FROM {t} WHERE tenant_id = u(7) AND tenant_id = u(8)'), ('SELECT FROM {t} WHERE tenant_id = u(7) OR tenant_id = u(8)'), ('SELECT FROM {t} WHERE tenant_id = NULL'),
	('SELECT FROM {t} WHERE tenant_id IN (u(7), u(8), u(9))'), ('SELECT FROM {t} WHERE NOT tenant_id = u(7)'), ('SELECT FROM {t} WHERE (tenant_id = u(7)) IS NOT TRUE'),
	('SELECT DISTINCT tenant_id FROM {t}'), ('SELECT tenant_id, count(*) FROM {t} GROUP BY 1'), ('SELECT FROM {t} AS a JOIN {t} AS b USING (tenant_id, id)'), ('SELECT FROM {t} AS a JOIN {t} AS b ON b.id = a.id + 1 AND a.id < 500'),
	('SELECT FROM {t} AS a LEFT JOIN {t} AS b ON b.id = a.id + 1 AND a.id < 500'), ('SELECT FROM {t} AS a WHERE EXISTS (SELECT FROM {t} AS b WHERE b.tenant_id = u(8))'), ('SELECT FROM {t} AS a WHERE NOT EXISTS (SELECT FROM {t} AS b WHERE b.tenant_id = a.tenant_id AND b.id < a.id)'),
	('SELECT FROM {t} WHERE tenant_id = u(7) UNION ALL SELECT FROM {t} WHERE tenant_id = u(8)'), ('SELECT FROM {t} TABLESAMPLE SYSTEM (100)'), ('SELECT FROM {t} FOR UPDATE'), ('UPDATE {t} SET id = id WHERE id < 1000'), ('DELETE FROM {t} WHERE id > 1000');
SELECT n, by_every_path(u(9002), u(7), replace(query, '{t}', 'doc')) AS entered, by_every_path(u(9003), NULL, replace(query, '{t}', 'doc')) AS one, by_every_path(u(9004), NULL, replace(query, '{t}', 'doc')) AS none, by_every_path(u(9005), NULL, replace(query, '{t}', 'doc')) AS guest,
	by_every_path(u(9002), NULL, replace(query, '{t}', 'board')) AS across_seven, CASE WHEN n NOT BETWEEN 17 AND 21 THEN by_every_path(u(9001), NULL, replace(query, '{t}', 'board')) END AS across_all, by_every_path(u(9002), u(7), replace(query, '{t}', 'part')) AS partitions
	FROM query ORDER BY n;

-- A function that tells is given nothing else, by whatever path.
CREATE FUNCTION leak(body text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', body; RETURN true; END $$;
CREATE FUNCTION try_leak(condition text) RETURNS SETOF int LANGUAGE plpgsql AS $$
DECLARE m text;
BEGIN
	FOREACH m IN ARRAY ARRAY['seqscan', 'indexscan', 'bitmapscan'] LOOP
		PERFORM set_config('enable_' || x, CASE WHEN x = m THEN 'on' ELSE 'off' END, true) FROM unnest(ARRAY['seqscan', 'indexscan', 'bitmapscan']) AS x;
		RETURN QUERY EXECUTE 'SELECT id FROM doc WHERE leak(body) AND ' || condition;
	END LOOP;
END $$;
SET client_min_messages = notice;
BEGIN; SELECT teamrbac.sign_in(u(9003)); SET LOCAL ROLE regress_app;
SELECT * FROM try_leak('id < 120');
SELECT * FROM try_leak('tenant_id = u(8) AND id < 30');
SELECT * FROM try_leak('tenant_id = ''00000000-0000-0000-0000-000000000008''');
SELECT * FROM try_leak('body ~~ ''body 17%'' AND id < 200');
SELECT * FROM try_leak('ctid = ''(0,7)''');
SELECT id FROM doc WHERE id < 10 AND 1 / (id - 7) > 0;
COMMIT;
SET client_min_messages = warning;

-- A misspelt permission is an error where it is asked.
BEGIN; SELECT teamrbac.sign_in(u(9003)); SET LOCAL ROLE regress_app;
SELECT count(*) FROM doc WHERE teamrbac.has_permission(tenant_id, 'endpoints.vie');
ROLLBACK;

-- A partial index whose predicate says what the query says; children; a generated column, virtual from 18 on.
CREATE INDEX doc_partial_idx ON doc (id) WHERE tenant_id = '00000000-0000-0000-0000-000000000008';
CREATE TABLE doc_child () INHERITS (doc);
INSERT INTO doc_child SELECT g, u(6 + g % 3), NULL, 'child' FROM generate_series(30001, 30006) AS g;
DO $$ BEGIN
	EXECUTE 'CREATE TABLE made (id int PRIMARY KEY, tenant_id uuid NOT NULL, twice int GENERATED ALWAYS AS (id * 2) '
		|| CASE WHEN current_setting('server_version_num')::int >= 180000 THEN 'VIRTUAL)' ELSE 'STORED)' END;
END $$;
CREATE INDEX ON made (tenant_id, id);
INSERT INTO made SELECT g, u(5 + g % 4) FROM generate_series(1, 400) AS g;
SELECT teamrbac.protect_table('made', 'endpoints.view', 'endpoints.edit');
GRANT SELECT ON made TO regress_app;
VACUUM ANALYZE doc, made;
SELECT query, by_every_path(u(9003), NULL, query) AS one, by_every_path(u(9002), u(6), query) AS entered
FROM unnest(ARRAY['SELECT id FROM doc WHERE tenant_id = ''00000000-0000-0000-0000-000000000008'' AND id < 1000', 'SELECT id FROM doc WHERE tenant_id = ''00000000-0000-0000-0000-000000000007'' AND id < 1000', 'SELECT id FROM doc WHERE id > 30000', 'SELECT id FROM ONLY doc WHERE id > 30000', 'SELECT twice FROM made WHERE twice > 100']) AS query;
-- Further policies narrow.
CREATE POLICY narrow ON doc AS RESTRICTIVE FOR SELECT USING (id % 50 = 6);
SELECT by_every_path(u(9003), NULL, 'SELECT FROM doc') AS one;
DROP POLICY narrow ON doc;

-- Somebody in 10,000 tenants, more than a backend remembers, and a tenant of many members.
BEGIN;
-- Like a bulk load, without the triggers that audit each row; the caches are told all the same.
SET LOCAL session_replication_role = replica;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT u(n), 't' || n FROM generate_series(10001, 20000) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9001), 'owner' FROM generate_series(10001, 20000) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9003), 'reader' FROM generate_series(10001, 20000) AS n;
INSERT INTO teamrbac.app_user (user_id, email, display_name) SELECT u(n), n || '@example.com', n FROM generate_series(100001, 110000) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(7), u(n), 'reader' FROM generate_series(100001, 110000) AS n;
-- More deleted tenants than any memory of them.
INSERT INTO teamrbac.tenant (tenant_id, name, deleted_at) SELECT u(n), 't' || n, now() FROM generate_series(200001, 270000) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9002), 'owner' FROM generate_series(200001, 270000, 1000) AS n;
INSERT INTO board SELECT n, u(n), NULL, 'deleted' FROM generate_series(200001, 270000, 1000) AS n;
COMMIT;
SELECT teamrbac.sign_in(u(9003), false);
SELECT cardinality(teamrbac.permitted_tenants('endpoints.view')) AS view, cardinality(teamrbac.permitted_tenants('endpoints.edit')) AS edit, (SELECT count(*) FROM teamrbac.my_tenants()) AS mine, teamrbac.has_permission(u(10001), 'endpoints.view') AS one, teamrbac.has_permission(u(8), 'endpoints.view') AS another;
SELECT n, by_every_path(u(9003), NULL, replace(query, '{t}', 'board')) AS across_many, by_every_path(u(9003), u(7), replace(query, '{t}', 'doc')) AS entered, by_every_path(u(9003), NULL, replace(query, '{t}', 'doc')) AS undecided FROM query WHERE n IN (1, 3, 4, 6, 8, 15, 24) ORDER BY n;
-- Held cursors, savepoints and errors with so many.
BEGIN; SELECT teamrbac.sign_in(u(9003)); SET LOCAL ROLE regress_app;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM board ORDER BY id;
DECLARE c CURSOR FOR SELECT id FROM board ORDER BY id;
FETCH 1 FROM held;
FETCH 1 FROM c;
SAVEPOINT s;
DECLARE d CURSOR FOR SELECT id FROM board ORDER BY id;
FETCH 1 FROM d;
SELECT count(*) FROM board WHERE 1 / (id - 106) IS NULL;
ROLLBACK TO s;
FETCH 1 FROM c;
COMMIT;
FETCH 1 FROM held;
CLOSE held;
SELECT teamrbac.sign_in(u(9002), false);
SELECT cardinality(teamrbac.permitted_tenants('endpoints.view')) AS view, teamrbac.has_permission(u(7), 'endpoints.view') AS live, teamrbac.has_permission(u(200001), 'endpoints.view') AS deleted;
SELECT by_every_path(u(9002), NULL, 'SELECT FROM board') AS across;
SELECT teamrbac.sign_in(u(100001), false);
SELECT (SELECT count(*) FROM teamrbac.team) AS team, teamrbac.has_permission(u(7), 'endpoints.view') AS one, teamrbac.has_permission(u(8), 'endpoints.view') AS another;
SELECT teamrbac.sign_out();

DROP FUNCTION by_every_path, rows_of, leak, try_leak;
DROP TABLE doc, board, part, query, made CASCADE;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(int);
DROP OWNED BY regress_app;
DROP ROLE regress_app;
