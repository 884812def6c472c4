-- What CREATE EXTENSION leaves behind: who may execute what, under which settings, and what is documented.
SET client_min_messages = warning;
-- 18 adds where in the script it was.
\set SHOW_CONTEXT never
-- A schema planted beforehand is not adopted.
CREATE SCHEMA teamrbac;
CREATE EXTENSION teamrbac CASCADE;
DROP SCHEMA teamrbac;
CREATE EXTENSION teamrbac CASCADE;

-- What anybody may execute: it answers about, or acts for, nobody but whoever is signed in.
SELECT p.oid::regprocedure AS "PUBLIC may execute"
	FROM pg_proc AS p WHERE pronamespace = 'teamrbac'::regnamespace
	  AND has_function_privilege('public', p.oid, 'EXECUTE') ORDER BY p.oid::regprocedure::text COLLATE "C";
-- What runs with the extension owner's rights has a search_path of its own that ends in pg_temp.
SELECT p.oid::regprocedure FROM pg_proc AS p
	WHERE pronamespace = 'teamrbac'::regnamespace AND prosecdef
	  AND NOT COALESCE(proconfig @> ARRAY['search_path=pg_catalog, teamrbac, pg_temp'], false);
-- Views for everyone; tables for nobody, and without a row even for somebody who was granted them by mistake.
SELECT relname, relkind FROM pg_class WHERE relnamespace = 'teamrbac'::regnamespace AND relkind IN ('r', 'v')
	AND has_table_privilege('public', oid, 'SELECT') ORDER BY relname;
SELECT relname FROM pg_class WHERE relnamespace = 'teamrbac'::regnamespace AND relkind = 'r' AND NOT relrowsecurity;
SELECT count(teamrbac.register_user('ann@example.com', 'Ann'));
CREATE ROLE regress_app;
GRANT SELECT ON ALL TABLES IN SCHEMA teamrbac TO regress_app;
SET ROLE regress_app;
SELECT (SELECT count(*) FROM teamrbac.app_user) AS users, (SELECT count(*) FROM teamrbac.role) AS roles, (SELECT count(*) FROM teamrbac.team) AS team;
RESET ROLE;
-- Every table but the secret's is dumped, whole or its own part; every object belongs to the extension and says what it is.
SELECT relname FROM pg_class AS c WHERE relnamespace = 'teamrbac'::regnamespace AND relkind = 'r'
	AND NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'teamrbac' AND c.oid = ANY (extconfig));
SELECT proname FROM pg_proc WHERE pronamespace = 'teamrbac'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL;
SELECT relname FROM pg_class WHERE relnamespace = 'teamrbac'::regnamespace AND relkind IN ('r', 'v') AND obj_description(oid, 'pg_class') IS NULL;
SELECT typname FROM pg_type WHERE typnamespace = 'teamrbac'::regnamespace AND typtype IN ('d', 'e') AND obj_description(oid, 'pg_type') IS NULL;
SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE relnamespace = 'teamrbac'::regnamespace AND relkind IN ('r', 'v') AND col_description(c.oid, a.attnum) IS NULL;
SELECT i.indexrelid::regclass FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
	WHERE relnamespace = 'teamrbac'::regnamespace AND NOT indisprimary AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT conname FROM pg_constraint WHERE connamespace = 'teamrbac'::regnamespace AND contype IN ('c', 'f', 'x', 'u') AND obj_description(oid, 'pg_constraint') IS NULL;
SELECT tgrelid::regclass, tgname FROM pg_trigger
	WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'teamrbac'::regnamespace) AND NOT tgisinternal AND obj_description(oid, 'pg_trigger') IS NULL;
-- What else may come to belong to it: policies, event triggers, operators, sequences, ...
SELECT pg_describe_object(classid, objid, 0) FROM pg_depend
	WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'teamrbac')
	  AND obj_description(objid, classid::regclass::text::name) IS NULL
	  -- 17 has the types of rows and of arrays among the members.
	  AND NOT EXISTS (SELECT FROM pg_type AS t LEFT JOIN pg_class AS c ON c.oid = typrelid
					  WHERE classid = 'pg_type'::regclass AND t.oid = objid AND (typcategory = 'A' OR c.relkind IN ('r', 'v')))
UNION ALL
SELECT polname FROM pg_policy
	WHERE polrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'teamrbac'::regnamespace) AND obj_description(oid, 'pg_policy') IS NULL;
-- Every foreign key lets a parallel restore load the tables in any order, and nobody else break it.
SELECT conname FROM pg_constraint WHERE connamespace = 'teamrbac'::regnamespace AND contype = 'f'
	AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = conname AND tgrelid = conrelid AND tgfoid = 'teamrbac.check_reference'::regproc);
SELECT tgrelid::regclass FROM pg_trigger WHERE tgisinternal AND tgenabled <> 'D'
	AND tgfoid::regproc::text ~ 'RI_FKey_check' AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'teamrbac'::regnamespace);
-- Dropped and made again within one session, it starts anew.
DROP OWNED BY regress_app;
DROP ROLE regress_app;
SELECT count(*) FROM teamrbac.my_tenants();
DROP EXTENSION teamrbac CASCADE;
CREATE EXTENSION teamrbac;
SELECT count(*) FROM teamrbac.my_tenants();
SELECT count(*) FROM teamrbac.app_user;
DROP EXTENSION teamrbac CASCADE;
-- A database's owner cannot have it installed with other patterns than ours.
SET standard_conforming_strings = off;
SET escape_string_warning = off;
\set VERBOSITY terse
CREATE EXTENSION teamrbac;
RESET escape_string_warning;
RESET standard_conforming_strings;
