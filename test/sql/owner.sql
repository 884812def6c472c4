-- Whose our objects are, what their owner can do, and what a statement that gets to run with its rights cannot.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE EXTENSION teamrbac CASCADE;
-- A role that can do nothing else.
SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,
	(SELECT count(*) FROM pg_auth_members WHERE oid IN (roleid, member)) AS members
	FROM pg_roles WHERE rolname = 'teamrbac_owner';
-- All is its own, but for what is listed in docs/security.md; that belongs to a superuser.
CREATE VIEW object AS
	SELECT pg_describe_object(d.classid, d.objid, 0) AS object, COALESCE(p.proowner, c.relowner, t.typowner, n.nspowner, e.evtowner)::regrole AS owner,
		p.prosecdef AS lends_rights
	FROM pg_depend AS d
	LEFT JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
	LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
	LEFT JOIN pg_type AS t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
	LEFT JOIN pg_namespace AS n ON d.classid = 'pg_namespace'::regclass AND n.oid = d.objid
	LEFT JOIN pg_event_trigger AS e ON d.classid = 'pg_event_trigger'::regclass AND e.oid = d.objid
	WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'teamrbac');
SELECT object, (SELECT rolsuper FROM pg_roles WHERE oid = owner) AS by_superuser, lends_rights FROM object
	WHERE owner IS DISTINCT FROM 'teamrbac_owner'::regrole AND object !~ '^type teamrbac\.cluster' -- the table's, listed since 18
	ORDER BY object COLLATE "C";
SELECT s.function FROM teamrbac.superuser_functions() AS s(function) ORDER BY s.function::text COLLATE "C";
SELECT indexrelid::regclass FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid
	WHERE c.relnamespace = 'teamrbac'::regnamespace AND c.relowner <> 'teamrbac_owner'::regrole;
SELECT typname FROM pg_type WHERE typnamespace = 'teamrbac'::regnamespace AND typowner <> 'teamrbac_owner'::regrole ORDER BY typname COLLATE "C";
-- Every function that lends somebody's rights, and whose.
SELECT p.oid::regprocedure AS function, CASE WHEN proowner = 'teamrbac_owner'::regrole THEN 'teamrbac_owner' WHEN r.rolsuper THEN 'a superuser' ELSE r.rolname END AS lends_the_rights_of
	FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = proowner
	WHERE pronamespace = 'teamrbac'::regnamespace AND prosecdef ORDER BY 2, p.oid::regprocedure::text COLLATE "C";
-- What it has been granted of others': nothing but what PUBLIC has.
SELECT pg_describe_object(classid, objid, 0) FROM pg_shdepend
	WHERE refclassid = 'pg_authid'::regclass AND refobjid = 'teamrbac_owner'::regrole AND deptype = 'a'
	  AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database());
-- The privileges are recorded as those of the extension, so that a dump does not repeat them.
SELECT pg_describe_object(i.classoid, i.objoid, 0) FROM pg_init_privs AS i
	LEFT JOIN pg_proc AS p ON i.classoid = 'pg_proc'::regclass AND p.oid = i.objoid
	LEFT JOIN pg_class AS c ON i.classoid = 'pg_class'::regclass AND c.oid = i.objoid
	LEFT JOIN pg_namespace AS n ON i.classoid = 'pg_namespace'::regclass AND n.oid = i.objoid
	WHERE COALESCE(p.pronamespace, c.relnamespace, n.oid) = 'teamrbac'::regnamespace AND i.initprivs IS DISTINCT FROM COALESCE(p.proacl, c.relacl, n.nspacl);

-- It cannot be dropped, and what is its own not with it.
\set VERBOSITY sqlstate
DROP ROLE teamrbac_owner;
DROP OWNED BY teamrbac_owner;
\set VERBOSITY terse

-- Whoever gets a statement run with its rights changes no audit, and defines nothing.
CREATE FUNCTION injected(statement text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN EXECUTE statement; END $$;
SELECT count(teamrbac.register_user('o@example.com', 'O', '00000000-0000-0000-0000-000000000001'));
ALTER FUNCTION injected(text) OWNER TO teamrbac_owner;
CREATE ROLE regress_mallory;
GRANT EXECUTE ON FUNCTION injected(text) TO regress_mallory;
SET ROLE regress_mallory;
SELECT injected('DELETE FROM teamrbac.audit_event');
SELECT injected('UPDATE teamrbac.audit_event SET action = ''x''');
SELECT injected('TRUNCATE teamrbac.audit_event');
SELECT injected('INSERT INTO teamrbac.audit_event SELECT * FROM teamrbac.audit_event WHERE false');
SELECT injected('WITH x AS (DELETE FROM teamrbac.audit_event RETURNING 1) SELECT count(*) FROM x');
SELECT injected('UPDATE teamrbac.audit_head SET sequence = 0');
SELECT injected('DELETE FROM teamrbac.audit_head');
SELECT injected('INSERT INTO teamrbac.audit_head VALUES (gen_random_uuid(), ''tenant'')');
SELECT injected('ALTER TABLE teamrbac.audit_event DISABLE TRIGGER guard_audit');
SELECT injected('ALTER TABLE teamrbac.audit_event DISABLE TRIGGER ALL');
SELECT injected('DROP TRIGGER guard_audit ON teamrbac.audit_event');
SELECT injected('CREATE RULE r AS ON DELETE TO teamrbac.audit_head DO INSTEAD NOTHING');
SELECT injected('CREATE OR REPLACE FUNCTION teamrbac.audit_hash(teamrbac.audit_event) RETURNS bytea LANGUAGE sql AS ''SELECT NULL::bytea''');
SELECT injected('ALTER FUNCTION teamrbac.check_setup() SECURITY INVOKER');
SELECT injected('CREATE FUNCTION teamrbac.f() RETURNS int LANGUAGE sql AS ''SELECT 1''');
SELECT injected('GRANT SELECT ON teamrbac.api_key TO regress_mallory');
SELECT injected('CREATE TEMP TABLE t (n int)');
SELECT injected('SELECT 1 AS n INTO TEMP t');
SELECT injected('ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_mallory');
\set VERBOSITY sqlstate
SELECT injected('COPY teamrbac.audit_head TO PROGRAM ''true''');
SELECT injected('ALTER EVENT TRIGGER teamrbac_guard_owner DISABLE');
SELECT injected('DROP EVENT TRIGGER teamrbac_guard_owner');
SELECT injected('SET session_replication_role = replica');
SELECT injected('ALTER ROLE teamrbac_owner LOGIN');
SELECT injected('SET ROLE postgres');
SELECT injected('SELECT pg_read_file(''postgresql.conf'')');
SELECT injected('SELECT count(*) FROM pg_authid');
\set VERBOSITY terse
-- What it does to the rows is recorded.
SELECT injected('UPDATE teamrbac.app_user SET display_name = ''P''');
RESET ROLE;
SELECT action, session_role = SESSION_USER AS by_session, after ->> 'display_name' AS name FROM teamrbac.audit_event ORDER BY occurred_at;
SELECT valid FROM teamrbac.verify_audit('00000000-0000-0000-0000-000000000001');
DROP FUNCTION injected(text);
DROP ROLE regress_mallory;

-- check_setup watches it, and what it says helps.
CREATE ROLE regress_member;
GRANT teamrbac_owner TO regress_member;
GRANT pg_monitor TO teamrbac_owner;
ALTER ROLE teamrbac_owner LOGIN CREATEDB;
ALTER FUNCTION teamrbac.sign_out() OWNER TO regress_member;
ALTER TABLE teamrbac.role OWNER TO regress_member;
ALTER TYPE teamrbac.identity OWNER TO regress_member;
ALTER FUNCTION teamrbac.guard_owner() OWNER TO regress_member;
CREATE TABLE theirs (n int);
ALTER TABLE theirs OWNER TO teamrbac_owner;
ALTER EVENT TRIGGER teamrbac_guard_references DISABLE;
SELECT severity, object, problem, remedy FROM teamrbac.check_setup_owner() ORDER BY object COLLATE "C", problem COLLATE "C";
SELECT remedy FROM teamrbac.check_setup_owner() WHERE remedy IS NOT NULL ORDER BY object COLLATE "C", problem COLLATE "C" \gexec
DROP TABLE theirs;
ALTER FUNCTION teamrbac.guard_owner() OWNER TO CURRENT_USER;
SELECT * FROM teamrbac.check_setup_owner();
DROP ROLE regress_member;

-- A role of that name that is of use to somebody is not ours.
DROP VIEW object;
DROP EXTENSION teamrbac;
CREATE ROLE regress_member;
\set VERBOSITY default
ALTER ROLE teamrbac_owner LOGIN;
CREATE EXTENSION teamrbac;
\set VERBOSITY terse
ALTER ROLE teamrbac_owner NOLOGIN CREATEROLE;
CREATE EXTENSION teamrbac;
ALTER ROLE teamrbac_owner NOCREATEROLE;
GRANT teamrbac_owner TO regress_member;
CREATE EXTENSION teamrbac;
REVOKE teamrbac_owner FROM regress_member;
GRANT regress_member TO teamrbac_owner;
CREATE EXTENSION teamrbac;
REVOKE regress_member FROM teamrbac_owner;
CREATE SCHEMA planted AUTHORIZATION teamrbac_owner;
CREATE EXTENSION teamrbac;
DROP SCHEMA planted;
CREATE TABLE planted ();
GRANT SELECT ON planted TO teamrbac_owner;
CREATE EXTENSION teamrbac;
DROP TABLE planted;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO teamrbac_owner', current_database()); END $$;
CREATE EXTENSION teamrbac;
DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM teamrbac_owner', current_database()); END $$;
-- One that is as ours is serves, and may go when nothing is left.
CREATE EXTENSION teamrbac;
DROP EXTENSION teamrbac;
DROP ROLE teamrbac_owner;
CREATE EXTENSION teamrbac;
DROP EXTENSION teamrbac;

-- pgcrypto in others' hands: theirs, in a schema of theirs, or with a function of theirs.
DROP EXTENSION pgcrypto;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_member', current_database()); END $$;
SET ROLE regress_member;
CREATE SCHEMA mine;
CREATE EXTENSION pgcrypto SCHEMA mine;
RESET ROLE;
\set VERBOSITY default
CREATE EXTENSION teamrbac;
\set VERBOSITY terse
DROP EXTENSION pgcrypto;
CREATE EXTENSION pgcrypto SCHEMA mine;
CREATE EXTENSION teamrbac;
DROP EXTENSION pgcrypto;
CREATE EXTENSION pgcrypto SCHEMA public;
ALTER FUNCTION public.gen_salt(text) OWNER TO regress_member;
CREATE EXTENSION teamrbac;
ALTER FUNCTION public.gen_salt(text) OWNER TO CURRENT_USER;
-- Its schema has no say in what the script's names and operators mean: somebody planted better matches there, and in public.
DROP EXTENSION pgcrypto;
CREATE SCHEMA roomy;
GRANT ALL ON SCHEMA roomy, public TO regress_member;
CREATE EXTENSION pgcrypto SCHEMA roomy;
SET ROLE regress_member;
CREATE FUNCTION roomy.trap(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped as %'', CURRENT_USER; END';
CREATE FUNCTION roomy.trap_name(name, name) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped as %'', CURRENT_USER; END';
CREATE FUNCTION roomy.trap_name_text(name, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped as %'', CURRENT_USER; END';
CREATE FUNCTION roomy.trap_integer(integer, integer) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped as %'', CURRENT_USER; END';
CREATE FUNCTION roomy.trap_oid(oid, oid) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped as %'', CURRENT_USER; END';
CREATE OPERATOR roomy.= (FUNCTION = roomy.trap, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR roomy.= (FUNCTION = roomy.trap_name, LEFTARG = name, RIGHTARG = name);
CREATE OPERATOR roomy.= (FUNCTION = roomy.trap_name_text, LEFTARG = name, RIGHTARG = text);
CREATE OPERATOR roomy.>= (FUNCTION = roomy.trap_integer, LEFTARG = integer, RIGHTARG = integer);
CREATE OPERATOR roomy.= (FUNCTION = roomy.trap_oid, LEFTARG = oid, RIGHTARG = oid);
CREATE OPERATOR public.= (FUNCTION = roomy.trap_oid, LEFTARG = oid, RIGHTARG = oid);
CREATE FUNCTION roomy.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped as %'', CURRENT_USER; END';
CREATE FUNCTION public.format(text, regclass, name) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped as %'', CURRENT_USER; END';
CREATE FUNCTION public.format(text, regprocedure) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped as %'', CURRENT_USER; END';
CREATE FUNCTION roomy.current_database() RETURNS name LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped as %'', CURRENT_USER; END';
CREATE TABLE roomy.pg_depend (n int);
CREATE TYPE roomy.uuid AS (n int);
RESET ROLE;
SET search_path = roomy, public, pg_catalog;
CREATE EXTENSION teamrbac;
RESET search_path;
SELECT count(teamrbac.register_user('o@example.com', 'O', '00000000-0000-0000-0000-000000000001'));
SELECT count(*) FROM teamrbac.check_setup() WHERE problem ~ 'trapped';
DROP EXTENSION teamrbac CASCADE;
DROP EXTENSION pgcrypto;
DROP SCHEMA roomy, mine CASCADE;
DROP OWNED BY regress_member CASCADE;
DROP ROLE regress_member;
