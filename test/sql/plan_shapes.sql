-- What the planner makes of a policy: index conditions without a filter, and the same rows by every path.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE ROLE regress_app LOGIN;
CREATE FUNCTION u(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
SELECT count(teamrbac.register_user('u' || n || '@example.com', 'u' || n, u(n))) FROM generate_series(9001, 9003) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT u(n), 't' || n FROM generate_series(1, 100) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9001), 'owner' FROM generate_series(1, 100) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9002), 'developer' FROM generate_series(1, 7) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(7), u(9003), 'reader');
COMMIT;
CREATE TABLE endpoint (id int PRIMARY KEY, tenant_id uuid NOT NULL, created int NOT NULL, name text);
INSERT INTO endpoint SELECT g, u(1 + g % 100), g * 7919 % 20000, 'e' || g FROM generate_series(1, 20000) AS g;
CREATE INDEX endpoint_tenant_idx ON endpoint (tenant_id, created);
CREATE TABLE prompt (id int PRIMARY KEY, tenant_id uuid NOT NULL, endpoint_id int NOT NULL);
INSERT INTO prompt SELECT g, u(1 + g % 100), g FROM generate_series(1, 20000) AS g;
CREATE INDEX prompt_tenant_idx ON prompt (tenant_id);
CREATE INDEX prompt_endpoint_idx ON prompt (endpoint_id);
CREATE TABLE region (id int PRIMARY KEY, name text);
INSERT INTO region SELECT g, 'r' || g FROM generate_series(0, 9) AS g;
CREATE TABLE solo (id int PRIMARY KEY, tenant_id uuid NOT NULL);
INSERT INTO solo SELECT g, u(7) FROM generate_series(1, 20000) AS g;
CREATE INDEX solo_tenant_idx ON solo (tenant_id);
CREATE TABLE part (tenant_id uuid NOT NULL, created int NOT NULL) PARTITION BY HASH (created);
CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO part SELECT u(1 + g % 100), g FROM generate_series(1, 4000) AS g;
CREATE INDEX part_tenant_idx ON part (tenant_id, created);
VACUUM ANALYZE endpoint, prompt, region, solo, part;
SELECT teamrbac.protect_table(t, 'endpoints.view', 'endpoints.edit') FROM unnest(ARRAY['endpoint', 'prompt', 'solo', 'part']::regclass[]) AS t;
GRANT ALL ON endpoint, prompt, region, solo, part TO regress_app;
SELECT teamrbac.sign_in(u(9003), false);
SET ROLE regress_app;

-- One table: index-only, index and bitmap scan, each without a filter; and a filter where nothing else is left.
EXPLAIN (COSTS OFF) SELECT count(*) FROM endpoint;
SET enable_bitmapscan = off; SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM endpoint;
RESET enable_bitmapscan; RESET enable_seqscan; SET enable_indexscan = off; SET enable_indexonlyscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM endpoint;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM endpoint;
RESET enable_bitmapscan; RESET enable_indexscan; RESET enable_indexonlyscan;
-- A key look-up; a tenant named by the query itself; both.
EXPLAIN (COSTS OFF) SELECT * FROM endpoint WHERE id = 7;
EXPLAIN (COSTS OFF) SELECT count(*) FROM endpoint WHERE tenant_id = u(7);
EXPLAIN (COSTS OFF) SELECT * FROM endpoint WHERE tenant_id = u(7) AND created = 7;
SET enable_indexscan = off; SET enable_indexonlyscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM endpoint WHERE tenant_id = u(7);
EXPLAIN (COSTS OFF) SELECT * FROM endpoint WHERE tenant_id = u(7) AND (created < 100 OR created > 19900);
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM endpoint WHERE tenant_id = u(7);
RESET enable_indexscan; RESET enable_indexonlyscan; RESET enable_bitmapscan;
-- The tenant on the right of the operator; one bitmap of two that has the tenant; partitions merged in order.
EXPLAIN (COSTS OFF) SELECT created FROM endpoint WHERE u(7) = tenant_id;
SELECT count(*) FROM endpoint WHERE u(7) = tenant_id;
SELECT count(*) FROM endpoint WHERE u(8) = tenant_id;
SET enable_seqscan = off; SET enable_indexscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM prompt WHERE tenant_id = u(7) AND endpoint_id < 500;
SELECT count(*) FROM prompt WHERE tenant_id = u(7) AND endpoint_id < 500;
SELECT count(*) FROM prompt WHERE tenant_id = u(8) AND endpoint_id < 500;
RESET enable_indexscan; SET enable_bitmapscan = off; SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT created FROM part WHERE tenant_id = u(7) ORDER BY created;
SELECT array_agg(created) FROM (SELECT created FROM part WHERE tenant_id = u(7) ORDER BY created LIMIT 5) AS o;
SELECT array_agg(created) FROM (SELECT created FROM part WHERE tenant_id = u(8) ORDER BY created LIMIT 5) AS o;
RESET enable_seqscan; RESET enable_bitmapscan; RESET enable_sort;
-- Two protected tables, one that isn't, an aggregate per tenant, changes.
EXPLAIN (COSTS OFF) SELECT * FROM endpoint AS e JOIN prompt AS p ON p.endpoint_id = e.id WHERE e.created < 1000;
EXPLAIN (COSTS OFF) SELECT * FROM endpoint AS e JOIN region AS r ON r.id = e.id % 10;
EXPLAIN (COSTS OFF) SELECT tenant_id, count(*) FROM endpoint GROUP BY tenant_id;
EXPLAIN (COSTS OFF) UPDATE endpoint SET name = 'x' WHERE id = 7;
-- Two permissions, of which each must be there.
EXPLAIN (COSTS OFF) UPDATE endpoint SET name = 'x' WHERE tenant_id = u(7) AND created = 7;
UPDATE endpoint SET name = 'x' WHERE tenant_id = u(7) AND created = 6 * 7919 % 20000 RETURNING id;
-- A permission from the row stays a filter.
EXPLAIN (COSTS OFF) SELECT * FROM endpoint WHERE tenant_id = u(7) AND created = 7 AND teamrbac.has_permission(tenant_id, name);
-- A cursor keeps the filter behind the index, because each FETCH looks again.
EXPLAIN (COSTS OFF) DECLARE c CURSOR FOR SELECT created FROM endpoint;
EXPLAIN (COSTS OFF) DECLARE c CURSOR FOR SELECT * FROM endpoint WHERE tenant_id = u(7) AND created = 7;
-- Every row of the table is one tenant's: the whole of it is read as it is.
EXPLAIN (COSTS OFF) SELECT * FROM solo;
-- A value that is another one each time it is computed, though it says otherwise, gets nobody a foreign row.
SET enable_seqscan = off; SET enable_bitmapscan = off;
CREATE TEMP SEQUENCE flips;
CREATE FUNCTION pg_temp.fickle() RETURNS uuid LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN CASE nextval('flips') % 2 WHEN 0 THEN u(7) ELSE u(8) END; END $$;
EXPLAIN (COSTS OFF) SELECT tenant_id FROM endpoint WHERE tenant_id = pg_temp.fickle();
CREATE FUNCTION pg_temp.seen() RETURNS SETOF uuid LANGUAGE plpgsql AS
	$$ BEGIN FOR i IN 1..20 LOOP RETURN QUERY SELECT tenant_id FROM endpoint WHERE tenant_id = pg_temp.fickle(); END LOOP; END $$;
SELECT DISTINCT seen FROM pg_temp.seen() AS seen;
RESET enable_seqscan; RESET enable_bitmapscan;
-- A misspelt permission is an error at execution, not at planning, and by whatever path.
EXPLAIN (COSTS OFF) SELECT count(*) FROM region WHERE teamrbac.has_permission(u(7), 'endpoints.vie');
SELECT count(*) FROM region WHERE teamrbac.has_permission(u(7), 'endpoints.vie');

-- An index that has the tenant second gets no array condition before 17, and a sort order is kept.
RESET ROLE;
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
CREATE INDEX endpoint_created_idx ON endpoint (created, tenant_id);
DROP INDEX endpoint_tenant_idx;
SELECT teamrbac.sign_in(u(9002), false);
SET ROLE regress_app;
UPDATE endpoint SET name = 'x' WHERE tenant_id = u(7) AND created = 6 * 7919 % 20000 RETURNING id;
SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off;
SELECT bool_or(line ~ 'endpoint_created_idx') AS by_index, bool_or(line ~ 'Sort') AS sorts,
	   bool_or(line ~ 'Index Cond: .*permitted_tenants') = (current_setting('server_version_num')::int >= 170000) AS condition_from_17_on
	FROM plan('SELECT created FROM endpoint WHERE created > 100 ORDER BY created') AS line;
SELECT bool_and(created >= before) AS ordered, count(*) FROM (SELECT created, lag(created, 1, 0) OVER () AS before FROM (SELECT created FROM endpoint WHERE created > 100 ORDER BY created) AS o) AS w;
RESET enable_seqscan; RESET enable_sort; RESET enable_bitmapscan;
RESET ROLE;
CREATE INDEX endpoint_tenant_idx ON endpoint (tenant_id, created);
SET ROLE regress_app;

-- The same rows by every path, for somebody in no, one, seven and all tenants, against a count by hand.
RESET ROLE;
CREATE FUNCTION by_every_path(who uuid) RETURNS TABLE (method text, endpoints bigint, named bigint, joined bigint, per_tenant bigint) LANGUAGE plpgsql AS $$
DECLARE
	m text;
BEGIN
	PERFORM teamrbac.sign_in(who);
	FOREACH m IN ARRAY ARRAY['seqscan', 'indexscan', 'bitmapscan', 'indexonlyscan', 'hashjoin', 'mergejoin', 'nestloop', 'parallel'] LOOP
		PERFORM set_config('enable_' || s, (s = m OR m = 'parallel' OR m LIKE '%join' OR m LIKE '%loop' OR s LIKE '%join' OR s LIKE '%loop')::text, true)
			FROM unnest(ARRAY['seqscan', 'indexscan', 'bitmapscan', 'indexonlyscan']) AS s;
		PERFORM set_config('enable_' || s, (s = m OR m NOT IN ('hashjoin', 'mergejoin', 'nestloop'))::text, true)
			FROM unnest(ARRAY['hashjoin', 'mergejoin', 'nestloop']) AS s;
		IF m = 'parallel' THEN
			SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0;
			SET LOCAL min_parallel_index_scan_size = 0;
			-- 16 has renamed it.
			PERFORM set_config(CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'debug_parallel_query' ELSE 'force_parallel_mode' END, 'on', true);
		END IF;
		SET LOCAL ROLE regress_app;
		method := m;
		EXECUTE 'SELECT count(*) FROM endpoint' INTO endpoints;
		EXECUTE 'SELECT count(*) FROM endpoint WHERE tenant_id = $1' INTO named USING u(7);
		EXECUTE 'SELECT count(*) FROM endpoint AS e JOIN prompt AS p ON p.endpoint_id = e.id' INTO joined;
		EXECUTE 'SELECT count(*) FROM (SELECT tenant_id FROM prompt GROUP BY tenant_id) AS g' INTO per_tenant;
		RESET ROLE;
		RETURN NEXT;
	END LOOP;
END $$;
SELECT teamrbac.sign_out();
SELECT DISTINCT endpoints, named, joined, per_tenant FROM by_every_path(u(9003));
SELECT DISTINCT endpoints, named, joined, per_tenant FROM by_every_path(u(9002));
SELECT DISTINCT endpoints, named, joined, per_tenant FROM by_every_path(u(9001));
SELECT count(*) FILTER (WHERE tenant_id = u(7)) AS one, count(*) FILTER (WHERE tenant_id <= u(7)) AS seven, count(*) AS every FROM endpoint;

-- Somebody in 10,000 tenants, and a tenant of 100,000 members: slower to load, never a row too many.
BEGIN;
-- Like a bulk load, without the triggers that audit each row; the caches are told all the same.
SET LOCAL session_replication_role = replica;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT u(n), 't' || n FROM generate_series(10001, 20000) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9001), 'owner' FROM generate_series(10001, 20000) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9003), 'reader' FROM generate_series(10001, 20000) AS n;
INSERT INTO teamrbac.app_user (user_id, email, display_name) SELECT u(n), n || '@example.com', n FROM generate_series(100001, 200000) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(7), u(n), 'reader' FROM generate_series(100001, 200000) AS n;
COMMIT;
SELECT teamrbac.sign_in(u(9003), false);
SELECT cardinality(teamrbac.permitted_tenants('endpoints.view')), cardinality(teamrbac.permitted_tenants('endpoints.edit')), (SELECT count(*) FROM teamrbac.my_tenants());
SELECT DISTINCT endpoints, named, joined, per_tenant FROM by_every_path(u(9003));
SELECT teamrbac.sign_in(u(100001), false);
SELECT (SELECT count(*) FROM teamrbac.team), teamrbac.has_permission(u(7), 'endpoints.view'), teamrbac.has_permission(u(8), 'endpoints.view');
SELECT DISTINCT endpoints, named, joined, per_tenant FROM by_every_path(u(100001));
SELECT teamrbac.sign_out();

-- More deleted tenants than a cache remembers: each is looked up instead, and shows no row.
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO teamrbac.tenant (tenant_id, name, deleted_at) SELECT u(n), 't' || n, now() FROM generate_series(200001, 270000) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9002), 'owner' FROM generate_series(200001, 270000, 1000) AS n;
INSERT INTO endpoint SELECT n, u(n), 1, 'deleted' FROM generate_series(200001, 270000, 1000) AS n;
COMMIT;
SELECT teamrbac.sign_in(u(9002), false);
SELECT cardinality(teamrbac.permitted_tenants('endpoints.view')), teamrbac.has_permission(u(7), 'endpoints.view'), teamrbac.has_permission(u(200001), 'endpoints.view');
SELECT DISTINCT endpoints, named, joined, per_tenant FROM by_every_path(u(9002));
SELECT teamrbac.sign_out();

-- The query that loads the library is planned before it can help; its plan is not kept.
SELECT teamrbac.map_database_role(u(9003), 'regress_app');
SELECT current_user AS regress_superuser \gset
\c - regress_app
PREPARE named AS SELECT count(*) FROM endpoint WHERE tenant_id = '00000000-0000-0000-0000-000000000007';
EXPLAIN (COSTS OFF) EXECUTE named;
EXPLAIN (COSTS OFF) EXECUTE named;
EXECUTE named;
\c - :regress_superuser
SET client_min_messages = warning;

DROP FUNCTION by_every_path, plan(text);
DROP TABLE endpoint, prompt, region, solo, part;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(int);
DROP ROLE regress_app;
