-- What counts as a restore: pg_dump's whole head in the session itself, and COPY or INSERT of its own by a superuser.
-- Anything less is audited and checked as changes by hand are.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set VERBOSITY terse
\set owner '''00000000-0000-0000-0000-0000000000a1'''
SELECT count(teamrbac.register_user('a1@example.com', 'Ann', :owner));
SELECT current_user AS superuser, current_database() AS db \gset
CREATE ROLE regress_restorer LOGIN;
GRANT INSERT, SELECT ON teamrbac.tenant, teamrbac.membership TO regress_restorer;
GRANT USAGE ON SCHEMA teamrbac TO regress_restorer;
-- Events since the last look.
CREATE FUNCTION news() RETURNS TABLE (scope text, action text, subject text, after text) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT e.scope, e.action, regexp_replace(e.subject, '0000.*', '...'), CASE WHEN e.action = 'restore.loaded' THEN e.after::text END
		FROM teamrbac.audit_event AS e WHERE e.occurred_at > current_setting('regress.looked')::timestamptz ORDER BY e.occurred_at;
	PERFORM set_config('regress.looked', clock_timestamp()::text, false);
END $$;
\set look 'SELECT * FROM public.news();'
CREATE FUNCTION id(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || lpad(n::text, 2, '0'))::uuid $$;
-- The head, as pg_dump 15 to 18 write it, and without one of its lines each.
CREATE TABLE head (n int, name text, value text);
INSERT INTO head VALUES (1, 'statement_timeout', '0'), (2, 'lock_timeout', '0'), (3, 'idle_in_transaction_session_timeout', '0'), (4, 'standard_conforming_strings', 'on'),
	(5, 'search_path', ''), (6, 'check_function_bodies', 'false'), (7, 'xmloption', 'content'), (8, 'client_min_messages', 'warning'), (9, 'row_security', 'off');
CREATE PROCEDURE write_head(but int DEFAULT 0, local boolean DEFAULT false) LANGUAGE plpgsql AS $$
DECLARE h record;
BEGIN FOR h IN SELECT * FROM public.head WHERE n <> but ORDER BY n LOOP PERFORM set_config(h.name, h.value, local); END LOOP; END $$;
CREATE PROCEDURE everywhere(what text) LANGUAGE plpgsql AS $$
DECLARE h record;
BEGIN FOR h IN SELECT * FROM public.head ORDER BY n LOOP EXECUTE format('ALTER %s SET %I = %L', what, h.name, h.value); END LOOP; END $$;
DO $$ BEGIN PERFORM set_config('regress.looked', clock_timestamp()::text, false); END $$;

\echo == A restore: rows in any order, no event for each row, one for each table
CALL write_head();
COPY teamrbac.membership (tenant_id, user_id, role) FROM stdin;
00000000-0000-0000-0000-000000000001	00000000-0000-0000-0000-0000000000a1	owner
00000000-0000-0000-0000-000000000002	00000000-0000-0000-0000-0000000000a1	owner
\.
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'One');
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('00000000-0000-0000-0000-000000000002', 'Two'), ('00000000-0000-0000-0000-000000000003', 'Three');
:look
\echo == In such a session: what no dump does
UPDATE teamrbac.tenant SET name = 'Four' WHERE name = 'Three';
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT public.id(4), 'Four';
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT public.id(9), public.id(9), 'reader';
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (public.id(4), (SELECT name FROM teamrbac.tenant LIMIT 1));
WITH x AS (INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (public.id(4), 'Four') RETURNING name) SELECT * FROM x;
DO $$ BEGIN INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (public.id(4), 'Four'); END $$;
PREPARE p AS INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (public.id(4), 'Four');
EXECUTE p;
BEGIN;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000003', '00000000-0000-0000-0000-0000000000a1', 'owner');
UPDATE teamrbac.membership SET role = 'reader' WHERE tenant_id = '00000000-0000-0000-0000-000000000003';
COMMIT;
:look
\echo == By somebody who may insert, and no more
SET ROLE regress_restorer;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('00000000-0000-0000-0000-000000000004', 'Four');
RESET ROLE;
:look
\echo == The head but for one line, each in turn; the lines of one transaction only
\c -
SELECT format($$RESET ALL; CALL public.write_head(%s); INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000009', '00000000-0000-0000-0000-0000000000a1', 'reader');$$, n) FROM public.head ORDER BY n \gexec
RESET ALL;
BEGIN;
CALL public.write_head(0, true);
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000009', '00000000-0000-0000-0000-0000000000a1', 'reader');
ROLLBACK;
-- One line in one transaction only.
CALL public.write_head(9);
BEGIN;
SET LOCAL row_security = off;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000009', '00000000-0000-0000-0000-0000000000a1', 'reader');
ROLLBACK;
BEGIN;
SET row_security = off;
SET LOCAL row_security = off;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000009', '00000000-0000-0000-0000-0000000000a1', 'reader');
ROLLBACK;
-- In one transaction as psql -1 writes it, and after a rollback to a savepoint: a restore.
BEGIN;
SAVEPOINT s;
SET row_security = on;
ROLLBACK TO s;
SET row_security = off;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000005', '00000000-0000-0000-0000-0000000000a1', 'reader');
COMMIT;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000006', '00000000-0000-0000-0000-0000000000a1', 'reader');
RESET row_security;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000007', '00000000-0000-0000-0000-0000000000a1', 'reader');
\echo == By the database, the role, the role in the database, a function: all of the head, and nobody has said it
CALL public.everywhere('DATABASE ' || :'db');
\c -
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000009', '00000000-0000-0000-0000-0000000000a1', 'reader');
UPDATE teamrbac.app_user SET email = 'evil@example.com';
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('00000000-0000-0000-0000-000000000009', 'ownerless');
SELECT action FROM teamrbac.audit_event WHERE scope = 'user' ORDER BY sequence;
-- Nor with most of it said.
CALL public.write_head(6);
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000009', '00000000-0000-0000-0000-0000000000a1', 'reader');
ALTER DATABASE :"db" RESET ALL;
CALL public.everywhere('ROLE ' || current_user);
\c -
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000009', '00000000-0000-0000-0000-0000000000a1', 'reader');
ALTER ROLE :superuser RESET ALL;
CALL public.everywhere('ROLE ' || current_user || ' IN DATABASE ' || :'db');
\c -
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000009', '00000000-0000-0000-0000-0000000000a1', 'reader');
ALTER ROLE :superuser IN DATABASE :"db" RESET ALL;
\c -reuse-previous=on "options='-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c standard_conforming_strings=on -c search_path= -c check_function_bodies=off -c xmloption=content -c client_min_messages=warning -c row_security=off'"
SHOW check_function_bodies;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000009', '00000000-0000-0000-0000-0000000000a1', 'reader');
\c -reuse-previous=on "options="
SET client_min_messages = warning;
CREATE FUNCTION in_function() RETURNS void LANGUAGE sql SET search_path = '' SET check_function_bodies = off SET xmloption = content SET row_security = off SET lock_timeout = 0
	SET statement_timeout = 0 SET idle_in_transaction_session_timeout = 0 SET standard_conforming_strings = on SET client_min_messages = warning
	AS $$ INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000009', '00000000-0000-0000-0000-0000000000a1', 'reader') $$;
SELECT in_function();
CALL write_head();
SELECT public.in_function();
RESET ALL;
SET client_min_messages = warning;

\echo == What migration tools write
SET check_function_bodies = false;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (id(9), :owner, 'reader');
SET statement_timeout = 0; SET lock_timeout = 0; SET client_min_messages = warning; SET search_path = public, teamrbac;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (id(9), :owner, 'reader');
-- A schema dump at the top of a migration: its head is pg_dump's.  What comes after under a path is by hand ...
CALL public.write_head();
SET search_path TO "$user", public;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (id(9), :owner, 'reader');
-- ... and what is inserted under it counts as a dump's rows, and is known as such.
CALL public.write_head();
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000008', '00000000-0000-0000-0000-0000000000a1', 'reader');

\echo == What is left, and how it is told
RESET ALL;
SET client_min_messages = warning;
SELECT severity, object, replace(problem, quote_ident(current_user), 'of the DBA') AS problem, remedy FROM teamrbac.check_setup() WHERE severity <> 'warning' AND object ~ '^(rows|teamrbac\.)' ORDER BY 1, 2, 3;
SELECT scope, action, subject, after FROM teamrbac.audit_event WHERE scope = 'restore' ORDER BY occurred_at;
SELECT bool_and(valid) FROM (SELECT DISTINCT tenant_id FROM teamrbac.audit_event) AS t, teamrbac.verify_audit(t.tenant_id);
-- Only a superuser changes these events; a dump leaves them out.
SET ROLE regress_restorer;
CALL teamrbac.confirm_loads();
RESET ROLE;
SELECT relation::regclass, condition FROM pg_extension, unnest(extconfig, extcondition) AS c(relation, condition) WHERE extname = 'teamrbac' AND condition ~ 'restore';
CALL teamrbac.confirm_loads();
SELECT scope, action, subject, after - 'loaded_at' - 'loaded_by' AS after, after ->> 'loaded_by' = current_user AS by FROM teamrbac.audit_event WHERE action = 'restore.loaded' ORDER BY sequence;
SELECT count(*) FROM teamrbac.audit_head WHERE scope = 'restore';
CALL teamrbac.confirm_loads();
DELETE FROM teamrbac.membership WHERE user_id = :owner AND NOT EXISTS (SELECT FROM teamrbac.tenant AS t WHERE t.tenant_id = membership.tenant_id);
SELECT object, problem FROM teamrbac.check_setup() WHERE severity <> 'warning' AND object ~ '^(rows|teamrbac\.)';
-- Users lost to a unique violation, an event changed, a head missing.
ALTER TABLE teamrbac.app_user DISABLE TRIGGER ALL;
DELETE FROM teamrbac.app_user;
ALTER TABLE teamrbac.app_user ENABLE TRIGGER ALL;
UPDATE teamrbac.audit_head SET sequence = sequence + 1 WHERE scope = 'platform';
SELECT object, problem FROM teamrbac.check_setup() WHERE severity <> 'warning' AND object ~ '^(rows|teamrbac\.(audit|mem|ten))';
UPDATE teamrbac.audit_head SET sequence = sequence - 1 WHERE scope = 'platform';
UPDATE teamrbac.audit_event SET action = 'x' WHERE scope = 'tenant' AND sequence = 1;
SELECT scope, broken_at, problem FROM teamrbac.broken_chains();
SELECT object, problem FROM teamrbac.check_setup() WHERE object ~ '^teamrbac\.audit';
CALL write_head();
COPY teamrbac.app_user (user_id, email, display_name) FROM stdin;
00000000-0000-0000-0000-0000000000b1	b1@example.com	Bob
\.
RESET ALL;
SET client_min_messages = warning;
SELECT object, replace(problem, quote_ident(current_user), 'of the DBA') AS problem FROM teamrbac.check_setup() WHERE object ~ '^(rows|teamrbac\.audit)';
TRUNCATE teamrbac.audit_head;
SELECT object, problem FROM teamrbac.check_setup() WHERE object ~ '^teamrbac\.audit';

DROP EXTENSION teamrbac CASCADE;
DROP TABLE head;
DROP PROCEDURE write_head(int, boolean), everywhere(text);
DROP FUNCTION news(), id(int), in_function();
DROP OWNED BY regress_restorer;
DROP ROLE regress_restorer;
