-- A query that is resumed (FETCH, MOVE, the next rows of a loop) goes on only while nothing that it may have relied on
-- has been withdrawn or has expired: else 24000, whatever its plan.  What takes nothing away ends nothing.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE ROLE regress_app;
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(n || '@example.com', n, u(n))) FROM unnest(ARRAY['01', '02', '03', '04', '05']) AS n;
SELECT teamrbac.define_permission('reports.view', 'See reports'), teamrbac.define_role('analyst', 'Reports and prompts', '{reports.view,prompts.view}');
-- 02 is developer of a0; 03 developer of a0 and b0; 04 analyst of a0; 05 reader of b0.
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme'), (u('b0'), 'Borealis'), (u('c0'), 'Cirrus');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('b0'), u('01'), 'owner'), (u('c0'), u('01'), 'owner'),
	(u('a0'), u('02'), 'developer'), (u('a0'), u('03'), 'developer'), (u('b0'), u('03'), 'developer'), (u('a0'), u('04'), 'analyst'), (u('b0'), u('05'), 'reader');
COMMIT;
CREATE TABLE doc (tenant_id uuid NOT NULL, id int, body text, PRIMARY KEY (tenant_id, id));
INSERT INTO doc SELECT t, g, 'body ' || g FROM unnest(ARRAY[u('a0'), u('b0')]) AS t, generate_series(1, 200) AS g;
CREATE TABLE inbox (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id));
INSERT INTO inbox SELECT tenant_id, id FROM doc;
CREATE TABLE report (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id));
INSERT INTO report SELECT tenant_id, id FROM doc;
VACUUM ANALYZE doc, inbox, report;
SELECT teamrbac.protect_table('doc', 'prompts.view', 'prompts.edit'), teamrbac.protect_table('inbox', 'prompts.view', 'prompts.edit', across_tenants => true), teamrbac.protect_table('report', 'reports.view', NULL);
GRANT ALL ON doc, inbox, report TO regress_app;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean), teamrbac.sign_in_as_member(uuid, uuid, boolean) TO regress_app;
CREATE FUNCTION docs() RETURNS SETOF doc LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN QUERY SELECT * FROM doc ORDER BY id; END $$;
CREATE FUNCTION docs_sql() RETURNS SETOF doc LANGUAGE sql VOLATILE AS $$ SELECT * FROM doc ORDER BY id $$;
CREATE FUNCTION docs_by_cursor() RETURNS refcursor LANGUAGE plpgsql AS $$ DECLARE c refcursor; BEGIN OPEN c FOR SELECT id FROM doc ORDER BY id; RETURN c; END $$;
CREATE FUNCTION may_view() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN teamrbac.has_permission(u('a0'), 'prompts.view'); END $$;

-- One case: somebody opens a cursor, reads two rows, something happens, and three more are asked for, in a transaction
-- that is taken back.  What happens, happens by the superuser.
CREATE FUNCTION next_rows(who uuid, tenant uuid, query text, happens text, how text DEFAULT 'FETCH 3 FROM c') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	n int := 0;
BEGIN
	IF tenant IS NULL THEN PERFORM teamrbac.sign_in(who); ELSE PERFORM teamrbac.sign_in_as_member(who, tenant); END IF;
	SET LOCAL ROLE regress_app;
	EXECUTE 'DECLARE c SCROLL CURSOR FOR ' || query;
	EXECUTE 'MOVE 2 FROM c';
	RESET ROLE;
	EXECUTE happens;
	SET LOCAL ROLE regress_app;
	EXECUTE how;
	GET DIAGNOSTICS n = ROW_COUNT;
	RAISE EXCEPTION USING ERRCODE = 'TR000';
EXCEPTION
	WHEN SQLSTATE 'TR000' THEN RETURN n || ' rows';
	WHEN invalid_cursor_state THEN RETURN SQLERRM;
END $$;

\echo == Whatever the plan
CREATE TABLE query (n int, query text);
INSERT INTO query VALUES
	(1, 'SELECT id FROM doc'),
	(2, 'SELECT id FROM doc WHERE tenant_id = ''00000000-0000-0000-0000-0000000000a0'''),
	(3, 'SELECT id FROM doc ORDER BY body'),
	(4, 'SELECT id FROM doc ORDER BY body LIMIT 100'),
	(5, 'SELECT id % 50, count(*) FROM doc GROUP BY 1'),
	(6, 'SELECT g, d.id FROM generate_series(1, 200) AS g LEFT JOIN doc AS d ON d.id = g'),
	(7, 'SELECT g FROM generate_series(1, 200) AS g WHERE NOT EXISTS (SELECT FROM doc AS d WHERE d.id = g + 300)'),
	(8, 'SELECT d.id, l FROM doc AS d, unnest(ARRAY[1, 2, 3]) AS l'),
	(9, 'SELECT g, (SELECT count(*) FROM doc) FROM generate_series(1, 200) AS g'),
	(10, 'WITH d AS MATERIALIZED (SELECT id FROM doc) SELECT id FROM d'),
	(11, 'SELECT id, row_number() OVER (ORDER BY id) FROM doc'),
	(12, 'SELECT id FROM doc UNION SELECT id FROM inbox'),
	(13, 'SELECT id FROM inbox'),
	(14, 'SELECT id FROM docs()'),
	(15, 'SELECT id FROM docs_sql()'),
	(16, 'SELECT docs_sql()'),
	(17, 'SELECT d.id FROM generate_series(1, 200) AS g, LATERAL (SELECT id FROM docs() WHERE id = g) AS d'),
	(18, 'SELECT g FROM generate_series(1, 200) AS g WHERE may_view()'),
	(19, 'SELECT g FROM generate_series(1, 200) AS g WHERE g > 0 AND teamrbac.has_permission(''00000000-0000-0000-0000-0000000000a0'', ''prompts.view'')'),
	(20, 'SELECT g, teamrbac.current_tenant_id() FROM generate_series(1, 200) AS g'),
	(21, 'SELECT unnest(teamrbac.my_permissions(''00000000-0000-0000-0000-0000000000a0''))'),
	(22, 'SELECT g, teamrbac.permitted_tenant(''prompts.view'') FROM generate_series(1, 200) AS g'),
	(23, 'SELECT g, name FROM generate_series(1, 200) AS g, teamrbac.my_tenants()'),
	(24, 'SELECT g, display_name FROM generate_series(1, 200) AS g, teamrbac.team');
SELECT n, next_rows(u('02'), NULL, query, 'SELECT') AS nothing, next_rows(u('02'), NULL, query, 'DELETE FROM teamrbac.membership WHERE user_id = u(''02'')') AS removed FROM query ORDER BY n;

\echo == Whatever is withdrawn, and what withdraws nothing
CREATE TABLE event (n int, what text, happens text);
INSERT INTO event VALUES
	(1, 'nothing', 'SELECT'),
	(2, 'removed', 'DELETE FROM teamrbac.membership WHERE user_id = u(''04'')'),
	(3, 'demoted to a role without it', 'UPDATE teamrbac.membership SET role = ''reader'' WHERE user_id = u(''04'')'),
	(4, 'another role that has it', 'UPDATE teamrbac.membership SET role = ''admin2'' WHERE user_id = u(''04'')'),
	(5, 'the role has lost it', 'SELECT teamrbac.define_role(''analyst'', ''x'', ''{prompts.view}'')'),
	(6, 'the role has lost something else', 'SELECT teamrbac.define_role(''analyst'', ''x'', ''{reports.view}'')'),
	(7, 'the role has more', 'SELECT teamrbac.define_role(''analyst'', ''x'', ''{prompts.view,reports.view,logs.view}'')'),
	(8, 'expired', 'UPDATE teamrbac.membership SET expires_at = clock_timestamp() WHERE user_id = u(''04'')'),
	(9, 'expires within the transaction', 'UPDATE teamrbac.membership SET expires_at = clock_timestamp() + interval ''0.1 s'' WHERE user_id = u(''04''); SELECT pg_sleep(0.2)'),
	(10, 'will expire', 'UPDATE teamrbac.membership SET expires_at = ''2999-01-01'' WHERE user_id = u(''04'')'),
	(11, 'user disabled', 'CALL teamrbac.disable_user(u(''04''))'),
	(12, 'tenant deleted', 'UPDATE teamrbac.tenant SET deleted_at = now() WHERE tenant_id = u(''a0'')'),
	(13, 'another tenant deleted', 'UPDATE teamrbac.tenant SET deleted_at = now() WHERE tenant_id = u(''c0'')'),
	(14, 'joined another tenant', 'INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(''b0''), u(''04''), ''developer'')'),
	(15, 'another member removed', 'DELETE FROM teamrbac.membership WHERE user_id IN (u(''02''), u(''05''))'),
	(16, 'signed out', 'SELECT teamrbac.sign_out()'),
	(17, 'another user', 'SELECT teamrbac.sign_in(u(''01''))'),
	(18, 'another user of the tenant alone', 'SELECT teamrbac.sign_in(u(''02''))'),
	(19, 'the same user again', 'SELECT teamrbac.sign_in(u(''04''))'),
	(20, 'the same user, in the tenant', 'SELECT teamrbac.sign_in_as_member(u(''04''), u(''a0''))'),
	(21, 'entered the tenant', 'SELECT teamrbac.act_in_tenant(u(''a0''))'),
	(22, 'removed and back again', 'DELETE FROM teamrbac.membership WHERE user_id = u(''04''); INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(''a0''), u(''04''), ''analyst'')');
SELECT teamrbac.define_role('admin2', 'x', '{reports.view}');
SELECT what, next_rows(u('04'), NULL, 'SELECT id FROM report', happens) AS next FROM event ORDER BY n;
SELECT what, next_rows(u('04'), u('a0'), 'SELECT id FROM report', happens) AS "next, entered" FROM event WHERE n IN (1, 2, 14, 16, 19, 20, 21) ORDER BY n;

\echo == Several tenants
SELECT what, next_rows(u('03'), tenant, query, happens) AS next
FROM (VALUES
	(1, 'across, one of two is left', NULL, 'SELECT id FROM inbox', 'DELETE FROM teamrbac.membership WHERE user_id = u(''03'') AND tenant_id = u(''b0'')'),
	(2, 'across, narrowed to one', NULL, 'SELECT id FROM inbox', 'SELECT teamrbac.act_in_tenant(u(''a0''))'),
	(3, 'across, another permission is lost', NULL, 'SELECT id FROM inbox', 'UPDATE teamrbac.membership SET role = ''reader'' WHERE user_id = u(''03'')'),
	(4, 'across, a third is joined', NULL, 'SELECT id FROM inbox', 'INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(''c0''), u(''03''), ''reader'')'),
	(5, 'in one, the other is left', u('a0'), 'SELECT id FROM doc', 'DELETE FROM teamrbac.membership WHERE user_id = u(''03'') AND tenant_id = u(''b0'')'),
	(6, 'in one, which is left', u('a0'), 'SELECT id FROM doc', 'DELETE FROM teamrbac.membership WHERE user_id = u(''03'') AND tenant_id = u(''a0'')'),
	(7, 'in one, and then in the other', u('a0'), 'SELECT id FROM doc', 'SELECT teamrbac.sign_in_as_member(u(''03''), u(''b0''))'),
	(8, 'in one, and then in none', u('a0'), 'SELECT id FROM doc', 'SELECT teamrbac.sign_in(u(''03''))'),
	(9, 'across, in one, and then in the other', u('a0'), 'SELECT id FROM inbox', 'SELECT teamrbac.sign_in_as_member(u(''03''), u(''b0''))'),
	(10, 'the menu, and then in one', NULL, 'SELECT name, g FROM teamrbac.my_tenants(), generate_series(1, 10) AS g', 'SELECT teamrbac.act_in_tenant(u(''a0''))')) AS t(n, what, tenant, query, happens) ORDER BY n;

\echo == API keys
SELECT key_id, secret FROM teamrbac.sign_in_as_member(u('03'), u('a0'), false), teamrbac.create_api_key(u('a0'), 'key', 'developer') \gset
SELECT teamrbac.sign_out();
CREATE FUNCTION next_rows_of_key(secret text, happens text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n int;
BEGIN
	PERFORM teamrbac.sign_in_with_api_key(secret);
	DECLARE
		c CURSOR FOR SELECT id FROM doc;
	BEGIN
		SET LOCAL ROLE regress_app;
		OPEN c;
		MOVE 2 FROM c;
		RESET ROLE;
		EXECUTE happens;
		SET LOCAL ROLE regress_app;
		MOVE FORWARD 3 FROM c;
		GET DIAGNOSTICS n = ROW_COUNT;
		RAISE EXCEPTION USING ERRCODE = 'TR000';
	END;
EXCEPTION
	WHEN SQLSTATE 'TR000' THEN RETURN n || ' rows';
	WHEN invalid_cursor_state THEN RETURN SQLERRM;
END $$;
SELECT what, next_rows_of_key(:'secret', happens) AS next
FROM (VALUES
	('nothing', 'SELECT'),
	('revoked', format('UPDATE teamrbac.api_key SET revoked_at = now() WHERE key_id = %L', :'key_id')),
	('expired', format('UPDATE teamrbac.api_key SET expires_at = now() WHERE key_id = %L', :'key_id')),
	('narrowed', format('UPDATE teamrbac.api_key SET permissions = ''{logs.view}'' WHERE key_id = %L', :'key_id')),
	('narrowed to this', format('UPDATE teamrbac.api_key SET permissions = ''{prompts.view}'' WHERE key_id = %L', :'key_id')),
	('its maker is disabled', 'CALL teamrbac.disable_user(u(''03''))'),
	('tenant deleted', 'UPDATE teamrbac.tenant SET deleted_at = now() WHERE tenant_id = u(''a0'')'),
	('its maker signs in', 'SELECT teamrbac.sign_in_as_member(u(''03''), u(''a0''))')) AS t(what, happens);

\echo == However it is resumed
SELECT how, next_rows(u('02'), NULL, 'SELECT id FROM doc ORDER BY body', 'SELECT', how) AS nothing, next_rows(u('02'), NULL, 'SELECT id FROM doc ORDER BY body', 'DELETE FROM teamrbac.membership WHERE user_id = u(''02'')', how) AS removed
FROM unnest(ARRAY['FETCH NEXT FROM c', 'FETCH PRIOR FROM c', 'FETCH FIRST FROM c', 'FETCH LAST FROM c', 'FETCH ABSOLUTE 7 FROM c', 'FETCH RELATIVE 2 FROM c', 'FETCH RELATIVE 0 FROM c', 'FETCH ALL FROM c', 'FETCH BACKWARD ALL FROM c', 'MOVE 1 FROM c', 'MOVE BACKWARD ALL FROM c', 'CLOSE c']) AS how;

\echo == Loops, nested cursors, and functions that leave one open
SET ROLE regress_app;
CREATE FUNCTION pg_temp.count_loop(upto int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n int := 0;
	d doc;
BEGIN
	FOR d IN SELECT * FROM doc ORDER BY id LOOP
		n := n + 1;
		IF n = upto THEN
			PERFORM teamrbac.sign_in(u('05'));
		END IF;
	END LOOP;
	RETURN n;
EXCEPTION WHEN invalid_cursor_state THEN
	RETURN SQLERRM || ' after ' || n;
END $$;
BEGIN; SELECT teamrbac.sign_in(u('02'));
SELECT pg_temp.count_loop(1000);
SELECT pg_temp.count_loop(1);
-- The error has taken it back.
SELECT right(teamrbac.current_user_id()::text, 2) AS who, pg_temp.count_loop(1000);
-- A cursor that one query opens and another reads; each relies on what it has read.
SELECT docs_by_cursor() AS c \gset
FETCH 2 FROM :"c";
CREATE FUNCTION pg_temp.next_of(c refcursor) RETURNS SETOF int LANGUAGE plpgsql AS $$
DECLARE
	n int;
BEGIN
	FETCH c INTO n;
	RETURN NEXT n;
	FETCH c INTO n;
	RETURN NEXT n;
END $$;
DECLARE outer_cursor CURSOR FOR SELECT * FROM pg_temp.next_of(:'c');
FETCH 1 FROM outer_cursor;
SAVEPOINT s;
SELECT teamrbac.sign_in(u('05'));
FETCH 1 FROM outer_cursor;
ROLLBACK TO s;
FETCH 1 FROM :"c";
SAVEPOINT s;
SELECT teamrbac.sign_in(u('05'));
SELECT * FROM pg_temp.next_of(:'c');
ROLLBACK;
-- Nobody's cursor is nobody's for good.
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM doc;
FETCH 1 FROM c;
SELECT teamrbac.sign_in(u('02'));
FETCH 1 FROM c;
COMMIT;

\echo == Savepoints
-- What was granted within, is withdrawn by ROLLBACK TO; what was withdrawn within, is back.
RESET ROLE;
BEGIN;
SELECT teamrbac.sign_in(u('05'));
SET LOCAL ROLE regress_app;
DECLARE r CURSOR FOR SELECT id FROM report ORDER BY id;
SAVEPOINT s;
RESET ROLE;
UPDATE teamrbac.membership SET role = 'analyst' WHERE user_id = u('05');
SET LOCAL ROLE regress_app;
FETCH 1 FROM r;
ROLLBACK TO s;
FETCH 1 FROM r;
ROLLBACK;
BEGIN;
SELECT teamrbac.sign_in(u('02'));
SET LOCAL ROLE regress_app;
DECLARE d CURSOR FOR SELECT id FROM doc ORDER BY id;
FETCH 1 FROM d;
SAVEPOINT s;
RESET ROLE;
DELETE FROM teamrbac.membership WHERE user_id = u('02');
SET LOCAL ROLE regress_app;
SELECT count(*) FROM doc;
ROLLBACK TO s;
FETCH 1 FROM d;
ROLLBACK;

\echo == A cursor that is held
-- Its rows are read at COMMIT, by what there is then; after that they are a copy, like any that a client has.
BEGIN;
SELECT teamrbac.sign_in(u('02'));
SET LOCAL ROLE regress_app;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM doc ORDER BY id;
FETCH 1 FROM held;
RESET ROLE;
UPDATE teamrbac.membership SET role = 'reader' WHERE user_id = u('02');
COMMIT;
FETCH 1 FROM held;
CLOSE held;
BEGIN;
SELECT teamrbac.sign_in(u('02'));
SET LOCAL ROLE regress_app;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM doc ORDER BY id;
FETCH 1 FROM held;
RESET ROLE;
DELETE FROM teamrbac.membership WHERE user_id = u('02');
COMMIT;
FETCH 1 FROM held;
SELECT role FROM teamrbac.membership WHERE user_id = u('02');
-- A loop over a query is held by a COMMIT within.
CREATE PROCEDURE walk(withdrawn boolean) LANGUAGE plpgsql AS $$
DECLARE
	n int := 0;
	d record;
BEGIN
	FOR d IN SELECT id FROM doc ORDER BY id LOOP
		n := n + 1;
		IF n = 1 THEN
			IF withdrawn THEN
				UPDATE teamrbac.membership SET expires_at = clock_timestamp() WHERE user_id = u('03');
			END IF;
			COMMIT;
		END IF;
	END LOOP;
	RAISE WARNING '% rows', n;
END $$;
ALTER TABLE doc OWNER TO regress_app;
GRANT SELECT, UPDATE ON teamrbac.membership TO regress_app;
CREATE POLICY for_the_test ON teamrbac.membership TO regress_app USING (true);
SELECT teamrbac.sign_in_as_member(u('03'), u('a0'), false);
SET ROLE regress_app;
CALL walk(false);
CALL walk(true);
RESET ROLE;
SELECT teamrbac.sign_out();

DROP OWNED BY regress_app CASCADE;
DROP PROCEDURE walk;
DROP FUNCTION next_rows, next_rows_of_key, docs_by_cursor, may_view;
DROP TABLE inbox, report, query, event;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(text);
DROP ROLE regress_app;
