-- A row by its key under a policy alone, where an index has the key after the tenant: that index is read for somebody with
-- one tenant, the key's for others; the rows are the same as by any other plan.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE ROLE regress_app LOGIN;
CREATE FUNCTION u(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
-- 9001 is in all 100 tenants; 9002 in seven; 9003 in one; 9004 in none; 9005 in one, and may not read there.
SELECT count(teamrbac.register_user('u' || n || '@example.com', 'u' || n, u(n))) FROM generate_series(9001, 9005) AS n;
DO $$ BEGIN
	PERFORM teamrbac.define_role('guest', 'May see nothing of these.', '{}');
END $$;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT u(n), 't' || n FROM generate_series(1, 100) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9001), 'owner' FROM generate_series(1, 100) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9002), 'developer' FROM generate_series(1, 7) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(7), u(9003), 'reader'), (u(7), u(9005), 'guest');
COMMIT;
CREATE TABLE note (id int PRIMARY KEY, tenant_id uuid NOT NULL, number int NOT NULL, part text NOT NULL, body text NOT NULL,
	UNIQUE (number, part));
ALTER TABLE note ADD gone int; ALTER TABLE note DROP gone;
INSERT INTO note SELECT g, u(1 + g % 100), g / 2, 'part ' || g % 2, 'body ' || g FROM generate_series(1, 20000) AS g;
CREATE INDEX note_id_idx ON note (tenant_id, id);
CREATE INDEX note_part_idx ON note (tenant_id, part, number);
VACUUM ANALYZE note;
SELECT teamrbac.protect_table('note', 'prompts.view', 'prompts.edit');
GRANT ALL ON note TO regress_app;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_app;
CREATE FUNCTION leak(body text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', body; RETURN true; END $$;
CREATE FUNCTION looks_up(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan::text LIKE '%TenantLookup%';
END $$;
SELECT teamrbac.sign_in(u(9003), false);
SET ROLE regress_app;
SELECT count(*) FROM note;

EXPLAIN (COSTS OFF) SELECT * FROM note WHERE id = 6;
EXPLAIN (COSTS OFF) SELECT * FROM note WHERE part = 'part 0' AND number = 3 AND body LIKE '%6';
-- Where the scan would do, and where not.
SELECT query, looks_up(query) FROM unnest(ARRAY[
	'SELECT * FROM note WHERE id = 6',
	'SELECT * FROM note WHERE 6 = id',
	'SELECT * FROM note WHERE id = 6::bigint',
	'SELECT * FROM note WHERE id = (SELECT 6)',
	'SELECT count(*) FROM note WHERE id = 6',
	'SELECT n.id FROM note AS n JOIN note AS m ON m.id = n.number WHERE n.id = 6',
	'SELECT * FROM note WHERE id = 6 ORDER BY body LIMIT 1',
	'SELECT * FROM note WHERE id = 6 FOR UPDATE',
	'SELECT ctid FROM note WHERE id = 6',
	'SELECT * FROM note WHERE id < 6',
	'SELECT * FROM note WHERE number = 3',
	'SELECT * FROM note WHERE id = 6 AND tenant_id = u(7)',
	'UPDATE note SET body = ''x'' WHERE id = 6',
	'DELETE FROM note WHERE id = 6',
	'DECLARE c CURSOR FOR SELECT * FROM note WHERE id = 6']) AS query;

-- The same rows as by another plan, for each of the users.
RESET ROLE;
CREATE TABLE query (n int, query text);
INSERT INTO query VALUES
	(1, 'SELECT id FROM note WHERE id = %s'),
	(2, 'SELECT id FROM note WHERE id = %s AND body LIKE ''%%6'''),
	(3, 'SELECT id FROM note WHERE part = ''part 0'' AND number = %s'),
	(4, 'SELECT id FROM note WHERE number = %s AND part = ''part 1'' AND id > 0'),
	(5, 'SELECT (note).id FROM note WHERE id = %s'),
	(6, 'SELECT n.id FROM generate_series(%s, %1$s + 20) AS g, LATERAL (SELECT id FROM note WHERE id = g OFFSET 0) AS n'),
	(7, 'SELECT (SELECT id FROM note WHERE id = g) AS id FROM generate_series(%s, %1$s + 20) AS g'),
	(8, 'SELECT n.id FROM note AS n JOIN note AS m ON m.number = n.number WHERE n.id = %s ORDER BY m.id'),
	(9, 'SELECT id FROM note WHERE id = NULL'),
	(10, 'SELECT id FROM note WHERE id = %s AND id %% 2 = 0');
GRANT SELECT ON query TO regress_app;
CREATE FUNCTION compare(who uuid) RETURNS TABLE (n int, looked_up bigint, rows bigint, same boolean) LANGUAGE plpgsql AS $$
DECLARE
	id int;
	q query;
	by_lookup int[];
	by_other int[];
BEGIN
	PERFORM teamrbac.sign_in(who);
	FOR q IN SELECT * FROM query ORDER BY query.n LOOP
		n := q.n; looked_up := 0; rows := 0; same := true;
		FOREACH id IN ARRAY ARRAY[-1, 1, 2, 3, 5, 6, 7, 99, 106, 206, 19906, 20000] LOOP
			looked_up := looked_up + looks_up(format(q.query, id))::int;
			EXECUTE format('SELECT array_agg(x.id) FROM (%s) AS x', format(q.query, id)) INTO by_lookup;
			SET LOCAL enable_indexscan = off;
			EXECUTE format('SELECT array_agg(x.id) FROM (%s) AS x', format(q.query, id)) INTO by_other;
			SET LOCAL enable_indexscan = on;
			rows := rows + coalesce(cardinality(array_remove(by_lookup, NULL)), 0);
			same := same AND by_lookup IS NOT DISTINCT FROM by_other;
		END LOOP;
		RETURN NEXT;
	END LOOP;
END $$;
SET ROLE regress_app;
SELECT * FROM compare(u(9001));
SELECT * FROM compare(u(9002));
SELECT * FROM compare(u(9003));
SELECT * FROM compare(u(9005));

-- One generic plan serves whoever comes, and obeys every change: of role, of membership, of time.
RESET ROLE;
PREPARE row(int) AS SELECT id, body FROM note WHERE id = $1;
SET plan_cache_mode = force_generic_plan;
SET ROLE regress_app;
SELECT teamrbac.sign_in(u(9003), false);
EXPLAIN (COSTS OFF) EXECUTE row(6);
EXECUTE row(6);
EXECUTE row(7);
SELECT teamrbac.sign_in(u(9005), false);
EXECUTE row(6);
SELECT teamrbac.sign_in(u(9002), false);
EXECUTE row(6);
EXECUTE row(7);
SELECT teamrbac.sign_in(u(9001), false);
EXECUTE row(7);
SELECT teamrbac.sign_out();
EXECUTE row(6);
SELECT teamrbac.sign_in(u(9003), false);
BEGIN ISOLATION LEVEL REPEATABLE READ;
EXECUTE row(6);
RESET ROLE;
UPDATE teamrbac.membership SET role = 'guest' WHERE user_id = u(9003);
SET ROLE regress_app;
EXECUTE row(6);
ROLLBACK;
EXECUTE row(6);
BEGIN;
RESET ROLE;
UPDATE teamrbac.membership SET expires_at = clock_timestamp() + '0.2 s' WHERE user_id = u(9003);
SET ROLE regress_app;
EXECUTE row(6);
SELECT pg_sleep(0.3);
EXECUTE row(6);
ROLLBACK;
RESET ROLE;
-- From one tenant to two, and another one, while the plan stays.
BEGIN;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(8), u(9003), 'reader');
SET ROLE regress_app;
EXECUTE row(6);
EXECUTE row(7);
EXECUTE row(8);
RESET ROLE;
DELETE FROM teamrbac.membership WHERE user_id = u(9003) AND tenant_id = u(7);
SET ROLE regress_app;
EXECUTE row(6);
EXECUTE row(7);
ROLLBACK;
RESET ROLE;
RESET plan_cache_mode;

-- Nothing is shown to a function of the hostile user's but what the policy lets through.
SET ROLE regress_app;
SET client_min_messages = notice;
SELECT teamrbac.sign_in(u(9003), false);
SELECT id FROM note WHERE id = 7 AND leak(body);
SELECT id FROM note WHERE leak(body) AND id = 6;
SELECT teamrbac.sign_in(u(9002), false);
SELECT id FROM note WHERE id = 8 AND leak(body);
SELECT id FROM note WHERE leak(body) AND id = 6;
SELECT id FROM note WHERE id = 8 AND 1 / (id - 8) > 0;
SET client_min_messages = warning;
RESET ROLE;

-- Without such an index, or with a partial one, PostgreSQL's own plan.
DROP INDEX note_part_idx;
SELECT looks_up('SELECT * FROM note WHERE part = ''part 0'' AND number = 3');
CREATE INDEX note_part_idx ON note (tenant_id, part, number) WHERE id > 0;
SET ROLE regress_app;
SELECT looks_up('SELECT * FROM note WHERE part = ''part 0'' AND number = 3 AND id > 0');
RESET ROLE;

SELECT teamrbac.unprotect_table('note');
DROP TABLE note, query;
DROP FUNCTION leak, looks_up, compare;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(int);
DROP ROLE regress_app;
