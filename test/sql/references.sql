-- Foreign keys: checked for everybody, a superuser's own DML included, except while a dump is restored.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(n || '@example.com', n, u(n))) FROM unnest(ARRAY['01', '02', '03']) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('a0'), u('01'), 'owner'), (u('a0'), u('02'), 'reader');
COMMIT;
SELECT teamrbac.define_role('auditor', 'Audits', '{logs.view}');

-- A row that refers to nothing is refused, inserted or updated.
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('b0'), u('02'), 'reader');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('a0'), u('09'), 'reader');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('a0'), u('03'), 'king');
UPDATE teamrbac.membership SET role = 'king' WHERE user_id = u('02');
UPDATE teamrbac.membership SET user_id = u('09') WHERE user_id = u('02');
UPDATE teamrbac.role_permission SET permission = 'logs.burn' WHERE role = 'auditor';
INSERT INTO teamrbac.database_role VALUES (current_user::regrole, u('09'));
-- One that refers to something is not, in whatever order one statement inserts both.
WITH t AS (INSERT INTO teamrbac.role (role, description) VALUES ('clerk', 'x'))
	INSERT INTO teamrbac.role_permission (role, permission) VALUES ('clerk', 'logs.view');
UPDATE teamrbac.membership SET role = 'auditor' WHERE user_id = u('02');
-- What is referred to stays, or takes with it what refers to it.
DELETE FROM teamrbac.role WHERE role = 'auditor';
UPDATE teamrbac.role SET role = 'inspector' WHERE role = 'auditor';
DELETE FROM teamrbac.role WHERE role = 'clerk';
SELECT count(*) FROM teamrbac.role_permission WHERE role = 'clerk';
DELETE FROM teamrbac.app_user WHERE user_id = u('02');
SELECT right(user_id::text, 2) AS member, role FROM teamrbac.membership;

-- A restore brings the rows in any order; how it is told from anything else, see restores.sql.
SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false; SET xmloption = content; SET client_min_messages = warning; SET row_security = off;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (public.u('b0'), public.u('03'), 'owner');
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (public.u('b0'), 'Borealis');
SET search_path = public;
SELECT count(*) FROM teamrbac.membership JOIN teamrbac.tenant USING (tenant_id);
-- All that is of no use to somebody who may not insert rows by hand: here in a function of a superuser's, as our
-- commands are.
CREATE FUNCTION command(role text) RETURNS void LANGUAGE sql SECURITY DEFINER
	AS $$ INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (public.u('a0'), public.u('03'), role) $$;
CREATE FUNCTION ownerless() RETURNS void LANGUAGE sql SECURITY DEFINER
	AS $$ INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (public.u('c0'), 'Nobody''s') $$;
CREATE ROLE regress_app;
SET ROLE regress_app;
SELECT pg_catalog.set_config('search_path', '', false);
SELECT public.command('king');
SELECT public.ownerless();
RESET ROLE;
SELECT public.command('king');
SELECT public.ownerless();
RESET ALL;
SET client_min_messages = warning;
SELECT command('reader');

-- The trigger function is good for nothing else.
CREATE TABLE other (id int);
CREATE TRIGGER wrong BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION teamrbac.check_reference();
INSERT INTO other VALUES (1);
DROP TRIGGER wrong ON other;
CREATE TRIGGER missing AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION teamrbac.check_reference();
INSERT INTO other VALUES (1);
ALTER TABLE other ADD CONSTRAINT missing CHECK (id > 0);
INSERT INTO other VALUES (1);

DROP TABLE other;
DROP FUNCTION command(text), ownerless();
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(text);
DROP ROLE regress_app;
