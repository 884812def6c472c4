-- A page in some order under a policy alone: an index on (tenant_id, order) is read for the first rows of each
-- of the user's tenants, and the rows are the same, in the same order, as by reading and sorting everything.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
-- What is forced below costs so much on paper that it would be compiled.
SET jit = off;
\set SHOW_CONTEXT never
CREATE ROLE regress_app;
CREATE FUNCTION u(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
-- 9001 is in all 100 tenants, more than are merged; 9002 in seven; 9003 in one; 9004 in none.
SELECT count(teamrbac.register_user('u' || n || '@example.com', 'u' || n, u(n))) FROM generate_series(9001, 9004) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT u(n), 't' || n FROM generate_series(1, 100) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9001), 'owner' FROM generate_series(1, 100) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9002), 'developer' FROM generate_series(1, 7) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(7), u(9003), 'reader');
COMMIT;
CREATE TABLE note (id int NOT NULL, tenant_id uuid NOT NULL, written int, title text NOT NULL, tag varchar NOT NULL);
INSERT INTO note SELECT g, u(1 + g % 100), nullif(g * 7919 % 500, 13), 'title ' || g * 31 % 1000, 'tag ' || g * 17 % 900 FROM generate_series(1, 20000) AS g;
CREATE INDEX note_id_idx ON note (tenant_id, id);
CREATE INDEX note_written_idx ON note (tenant_id, written, id);
CREATE INDEX note_recent_idx ON note (tenant_id, written DESC NULLS LAST, id DESC);
CREATE INDEX note_title_idx ON note (tenant_id, title COLLATE "C", id);
CREATE INDEX note_tag_idx ON note (tenant_id, tag, id) WHERE id > 1000;
VACUUM ANALYZE note;
SELECT teamrbac.protect_table('note', 'prompts.view', 'prompts.edit');
GRANT ALL ON note TO regress_app;

CREATE FUNCTION merges(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan::text LIKE '%TenantMerge%';
END $$;

SELECT teamrbac.sign_in(u(9003), false);
SET ROLE regress_app;
EXPLAIN (COSTS OFF) SELECT * FROM note ORDER BY id LIMIT 50;
EXPLAIN (COSTS OFF) SELECT * FROM note WHERE id > 4000 AND title LIKE '%1%' ORDER BY id DESC LIMIT 50;
-- Where the scan would not do: a cursor, whose FETCH looks again; locked rows; system columns; no limit; another order.
EXPLAIN (COSTS OFF) DECLARE c CURSOR FOR SELECT * FROM note ORDER BY id LIMIT 50;
SELECT query, merges(query) FROM unnest(ARRAY[
	'SELECT * FROM note ORDER BY id LIMIT 50',
	'SELECT * FROM note ORDER BY id LIMIT 50 FOR UPDATE',
	'SELECT ctid FROM note ORDER BY id LIMIT 50',
	'SELECT id FROM note WHERE xmin IS NOT NULL ORDER BY id LIMIT 50',
	'SELECT * FROM note ORDER BY id',
	'SELECT * FROM note ORDER BY written NULLS FIRST LIMIT 50',
	'SELECT * FROM note WHERE tenant_id = u(7) ORDER BY id LIMIT 50']) AS query;
RESET ROLE;
-- For somebody in more tenants than are merged, another scan of the index may still be better; never one of everybody's rows.
CREATE TABLE wide (id int NOT NULL, tenant_id uuid NOT NULL);
INSERT INTO wide SELECT g, u(1 + g % 4000) FROM generate_series(1, 40000) AS g;
CREATE INDEX ON wide (tenant_id, id);
VACUUM ANALYZE wide;
SELECT teamrbac.protect_table('wide', 'prompts.view', 'prompts.edit');
GRANT SELECT ON wide TO regress_app;
SELECT teamrbac.sign_in(u(9001), false);
SET ROLE regress_app;
EXPLAIN (COSTS OFF) SELECT id FROM wide ORDER BY id LIMIT 50;
RESET ROLE;
DROP TABLE wide;

-- Each page by the merge and by sorting, for each of the users.
CREATE TABLE page (n int, query text);
INSERT INTO page VALUES
	(1, 'SELECT id FROM note ORDER BY id LIMIT 50'),
	(2, 'SELECT id FROM note ORDER BY id DESC LIMIT 50'),
	(3, 'SELECT id FROM note ORDER BY id LIMIT 50 OFFSET 20'),
	(4, 'SELECT id FROM note WHERE id > 10000 ORDER BY id LIMIT 50'),
	(5, 'SELECT id FROM note WHERE id < (SELECT 10000) AND id > 200 ORDER BY id DESC LIMIT 50'),
	(6, 'SELECT id FROM note ORDER BY written, id LIMIT 50'),
	(7, 'SELECT id FROM note ORDER BY written DESC, id DESC LIMIT 50'),
	(8, 'SELECT id FROM note ORDER BY written DESC NULLS LAST, id DESC LIMIT 50'),
	(9, 'SELECT id FROM note ORDER BY written NULLS FIRST, id LIMIT 50'),
	(10, 'SELECT id FROM note WHERE written = 77 ORDER BY written, id LIMIT 50'),
	(11, 'SELECT id FROM note WHERE title COLLATE "C" >= ''title 5'' ORDER BY title COLLATE "C", id LIMIT 50'),
	(12, 'SELECT id FROM note WHERE id > 1000 ORDER BY tag, id LIMIT 50'),
	(13, 'SELECT id FROM note WHERE title LIKE ''%7%'' ORDER BY id LIMIT 50'),
	(14, 'SELECT id FROM note WHERE tag = ''no such tag'' ORDER BY id LIMIT 50'),
	(15, 'SELECT (note).id FROM note ORDER BY id LIMIT 50'),
	(16, 'SELECT n.id FROM note AS n JOIN note AS m USING (tenant_id, id) ORDER BY n.id LIMIT 50'),
	(17, 'SELECT id FROM note ORDER BY written, id, title LIMIT 50'),
	(18, 'SELECT (SELECT id FROM note WHERE id > g ORDER BY id LIMIT 1) AS id FROM generate_series(0, 15000, 700) AS g');
GRANT SELECT ON page TO regress_app;
CREATE FUNCTION ids(query text, by_index boolean) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
	result int[];
BEGIN
	PERFORM set_config('enable_' || s, by_index::text, true) FROM unnest(ARRAY['indexscan', 'bitmapscan', 'indexonlyscan']) AS s;
	EXECUTE format('SELECT array_agg(q.id) FROM (%s) AS q', query) INTO result;
	PERFORM set_config('enable_' || s, 'on', true) FROM unnest(ARRAY['indexscan', 'bitmapscan', 'indexonlyscan']) AS s;
	RETURN result;
END $$;
CREATE FUNCTION compare(who uuid) RETURNS TABLE (n int, merges boolean, same boolean, rows int) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM teamrbac.sign_in(who);
	SET LOCAL ROLE regress_app;
	-- Whatever the estimates: the merge wherever it can be.
	SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
	RETURN QUERY SELECT p.n, merges(p.query), ids(p.query, true) IS NOT DISTINCT FROM ids(p.query, false), cardinality(ids(p.query, true))
		FROM page AS p ORDER BY p.n;
	RESET ROLE;
END $$;
SELECT teamrbac.sign_out();
SELECT * FROM compare(u(9003));
SELECT * FROM compare(u(9002));
SELECT * FROM compare(u(9001));
SELECT DISTINCT rows FROM compare(u(9004));
-- And against a count by hand.
SELECT id, tenant_id FROM note WHERE tenant_id <= u(7) ORDER BY written, id LIMIT 4;
SELECT teamrbac.sign_in(u(9002), false);
SET ROLE regress_app;
SELECT id, tenant_id FROM note ORDER BY written, id LIMIT 4;

-- A generic plan holds no tenant: the same one serves whoever comes, and obeys every change.
SET plan_cache_mode = force_generic_plan;
PREPARE page(int) AS SELECT id, tenant_id FROM note WHERE id > $1 ORDER BY id LIMIT 3;
EXPLAIN (COSTS OFF) EXECUTE page(0);
EXECUTE page(0);
RESET ROLE;
DELETE FROM teamrbac.membership WHERE user_id = u(9002) AND tenant_id = u(3);
UPDATE teamrbac.membership SET expires_at = now() - interval '1 s' WHERE user_id = u(9002) AND tenant_id = u(4);
SET ROLE regress_app;
EXECUTE page(0);
EXECUTE page(500);
RESET ROLE;
SELECT teamrbac.sign_in(u(9001), false);
SET ROLE regress_app;
EXECUTE page(0);
RESET ROLE;
SELECT teamrbac.sign_in(u(9004), false);
SET ROLE regress_app;
EXECUTE page(0);
RESET ROLE;
SELECT teamrbac.sign_out();
SET ROLE regress_app;
EXECUTE page(0);
EXPLAIN (COSTS OFF) EXECUTE page(0);
RESET ROLE;
DEALLOCATE page;
RESET plan_cache_mode;

DROP FUNCTION compare, ids, merges;
DROP TABLE note, page;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(int);
DROP ROLE regress_app;
