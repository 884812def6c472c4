-- protect_table(across_tenants => true): the rows of all tenants of whoever is asking, each by the permission there.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\pset null '-'
CREATE ROLE regress_app;
CREATE FUNCTION u(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
SELECT count(teamrbac.register_user('u' || n || '@example.com', 'u' || n, u(n))) FROM generate_series(9001, 9004) AS n;
-- 9001 owns 20 tenants; 9002 is developer in 1 and reader in 2, 3; 9003 is reader in 7; 9004 in none.
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT u(n), 't' || n FROM generate_series(1, 20) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9001), 'owner' FROM generate_series(1, 20) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(1), u(9002), 'developer'), (u(2), u(9002), 'reader'), (u(3), u(9002), 'reader'), (u(7), u(9003), 'reader');
COMMIT;
CREATE TABLE inbox (id int PRIMARY KEY, tenant_id uuid NOT NULL, owner uuid, body text NOT NULL);
INSERT INTO inbox SELECT g, u(1 + g % 20), u(9001 + g % 3), 'body ' || g FROM generate_series(1, 4000) AS g;
CREATE INDEX inbox_tenant_idx ON inbox (tenant_id, id);
VACUUM ANALYZE inbox;
SELECT teamrbac.protect_table('inbox', 'prompts.view', 'prompts.edit', across_tenants => true);
GRANT ALL ON inbox TO regress_app;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean), teamrbac.sign_in_as_member(uuid, uuid, boolean) TO regress_app;
SELECT policyname, cmd, qual, with_check FROM pg_policies WHERE tablename = 'inbox' ORDER BY 1;
SET ROLE regress_app;

-- Nobody is asked to enter a tenant; whoever has entered one sees that one.
CREATE FUNCTION pg_temp.try(who uuid, tenant uuid, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	IF tenant IS NOT NULL THEN PERFORM teamrbac.sign_in_as_member(who, tenant); ELSE PERFORM teamrbac.sign_in(who); END IF;
	EXECUTE statement;
	GET DIAGNOSTICS n = ROW_COUNT;
	RAISE EXCEPTION USING ERRCODE = 'TR000';
EXCEPTION
	WHEN SQLSTATE 'TR000' THEN RETURN n;
	WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
SELECT what, pg_temp.try(u(9001), NULL, s) AS owner, pg_temp.try(u(9002), NULL, s) AS three, pg_temp.try(u(9002), u(2), s) AS in_one, pg_temp.try(u(9003), NULL, s) AS one, pg_temp.try(u(9004), NULL, s) AS none
FROM (VALUES
	('see', 'SELECT FROM inbox'),
	('count of tenants', 'SELECT DISTINCT tenant_id FROM inbox'),
	('page', 'SELECT FROM inbox ORDER BY id LIMIT 50'),
	('key', 'SELECT FROM inbox WHERE id = 40'),
	('another''s key', 'SELECT FROM inbox WHERE id = 19'),
	('update', 'UPDATE inbox SET body = ''x'''),
	('delete', 'DELETE FROM inbox'),
	('insert where one edits', 'INSERT INTO inbox VALUES (5001, u(1), NULL, ''x'')'),
	('insert where one reads', 'INSERT INTO inbox VALUES (5001, u(2), NULL, ''x'')'),
	('move to where one reads', 'UPDATE inbox SET tenant_id = u(2) WHERE id = 20'),
	('join', 'SELECT FROM inbox AS a JOIN inbox AS b ON b.tenant_id = a.tenant_id AND b.id = a.id + 20'),
	('anti-join', 'SELECT FROM inbox AS a WHERE NOT EXISTS (SELECT FROM inbox AS b WHERE b.tenant_id = a.tenant_id AND b.id < a.id)'),
	('lock', 'SELECT FROM inbox FOR UPDATE')) AS t(what, s);

-- An index condition, without a filter; and without one, one look-up in memory a row.
BEGIN; SELECT teamrbac.sign_in(u(9002));
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM inbox;
EXPLAIN (COSTS OFF) SELECT * FROM inbox WHERE tenant_id = u(2);
SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = on;
EXPLAIN (COSTS OFF) SELECT * FROM inbox;
SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = on;
EXPLAIN (COSTS OFF) SELECT * FROM inbox;
COMMIT;

-- Each query obeys; a generic plan serves whoever comes.
PREPARE seen AS SELECT count(*), count(DISTINCT tenant_id) AS tenants FROM inbox;
SET plan_cache_mode = force_generic_plan;
BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT teamrbac.sign_in(u(9002));
EXECUTE seen;
RESET ROLE;
DELETE FROM teamrbac.membership WHERE user_id = u(9002) AND tenant_id = u(2);
UPDATE teamrbac.membership SET expires_at = now() - interval '1 s' WHERE user_id = u(9002) AND tenant_id = u(3);
SET ROLE regress_app;
EXECUTE seen;
SELECT teamrbac.sign_in(u(9001));
EXECUTE seen;
SELECT teamrbac.act_in_tenant(u(5));
EXECUTE seen;
SELECT teamrbac.sign_out();
EXECUTE seen;
ROLLBACK;
RESET plan_cache_mode;
RESET ROLE;

-- It is another protection than the default; and own rows go with it.
SELECT teamrbac.protect_table('inbox', 'prompts.view', 'prompts.edit');
SELECT teamrbac.unprotect_table('inbox');
SELECT teamrbac.protect_table('inbox', 'team.manage', NULL, across_tenants => true, owner_column => 'owner', edit_own_permission => 'prompts.edit', view_own_permission => 'prompts.view');
SELECT policyname, qual FROM pg_policies WHERE tablename = 'inbox' ORDER BY 1;
SET ROLE regress_app;
SELECT pg_temp.try(u(9001), NULL, 'SELECT FROM inbox') AS manager, pg_temp.try(u(9002), NULL, 'SELECT FROM inbox') AS own, pg_temp.try(u(9002), u(2), 'SELECT FROM inbox') AS own_in_one, pg_temp.try(u(9002), NULL, 'UPDATE inbox SET body = body') AS own_changed, pg_temp.try(u(9003), NULL, 'DELETE FROM inbox') AS reader_deletes;
RESET ROLE;
SELECT count(*) FILTER (WHERE owner = u(9002) AND tenant_id IN (u(1), u(2), u(3))) AS own, count(*) FILTER (WHERE owner = u(9002) AND tenant_id = u(2)) AS own_in_one, count(*) FILTER (WHERE owner = u(9002) AND tenant_id = u(1)) AS own_changed FROM inbox;

DROP OWNED BY regress_app;
DROP TABLE inbox;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(int);
DROP ROLE regress_app;
