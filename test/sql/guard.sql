-- Whoever changes the schema, by hand or by a tool, does not take a table's protection along by accident.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE ROLE regress_migrator;
CREATE ROLE regress_app;
CREATE ROLE regress_dba BYPASSRLS;
CREATE SCHEMA app AUTHORIZATION regress_migrator;
GRANT regress_dba TO regress_migrator;
GRANT CREATE ON SCHEMA app TO regress_dba;
SET search_path = app;

SET ROLE regress_migrator;
CREATE TABLE prompt (tenant_id uuid NOT NULL, id int, body text, PRIMARY KEY (tenant_id, id));
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
CREATE TABLE log (org uuid PRIMARY KEY, line text);
SELECT teamrbac.protect_table('log', 'logs.view', NULL, tenant_column => 'org', across_tenants => true);
CREATE TABLE draft (tenant_id uuid PRIMARY KEY, author uuid);
SELECT teamrbac.protect_table('draft', NULL, 'team.manage', owner_column => 'author',
	view_own_permission => 'prompts.view', edit_own_permission => 'prompts.edit');
CREATE TABLE plain (tenant_id uuid PRIMARY KEY);
RESET ROLE;
SELECT * FROM teamrbac.protected_table ORDER BY tenant_column::text;
CREATE FUNCTION app.protection() RETURNS TABLE (relation name, enabled boolean, forced boolean, policies text)
	LANGUAGE sql AS $$
	SELECT relname, relrowsecurity, relforcerowsecurity,
		(SELECT string_agg(concat(polname, ' ', pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)),
				E'\n' ORDER BY polname)
		 FROM pg_policy WHERE polrelid = c.oid)
	FROM pg_class AS c WHERE relnamespace = 'app'::regnamespace AND relkind = 'r' ORDER BY relname $$;
CREATE TABLE app.before AS SELECT * FROM app.protection();
\pset format unaligned
SELECT * FROM app.before WHERE relation <> 'before';
\pset format aligned
GRANT SELECT ON app.before TO regress_migrator;

-- Without the guard, all of this happens; restore_protection puts it back, as the tables' owner, and says of which.
SET ROLE regress_migrator;
SELECT teamrbac.restore_protection();
ALTER TABLE prompt DISABLE ROW LEVEL SECURITY;
DROP POLICY teamrbac_view ON prompt;
DROP POLICY teamrbac_insert ON prompt;
DROP POLICY teamrbac_update ON prompt;
DROP POLICY teamrbac_delete ON prompt;
ALTER TABLE log NO FORCE ROW LEVEL SECURITY;
ALTER TABLE log RENAME COLUMN org TO organization;
ALTER TABLE log RENAME TO logbook;
ALTER POLICY teamrbac_view ON draft USING (true);
SELECT restored FROM teamrbac.restore_protection() AS restored ORDER BY restored::text;
SELECT teamrbac.restore_protection();
SELECT * FROM app.protection() WHERE relation = 'logbook';
ALTER TABLE logbook RENAME COLUMN organization TO org;
ALTER TABLE logbook RENAME TO log;
SELECT count(*) AS different
	FROM (SELECT * FROM app.protection() WHERE relation <> 'before' EXCEPT SELECT * FROM app.before) AS d;
SELECT teamrbac.restore_protection('plain');
ALTER POLICY teamrbac_delete ON prompt RENAME TO mine;
SELECT teamrbac.restore_protection('prompt');
DROP POLICY mine ON prompt;
SELECT teamrbac.restore_protection('prompt');
RESET ROLE;
-- Nobody else does it for them, and only a superuser guards.
SET ROLE regress_app;
SELECT teamrbac.restore_protection();
SELECT teamrbac.restore_protection('app.prompt');
SELECT teamrbac.guard_protection();
SELECT teamrbac.unguard_protection();
SELECT teamrbac.guard_tables();
SELECT * FROM teamrbac.protected_table;
SELECT count(*) FROM teamrbac.recorded_table();
RESET ROLE;
DO $$ BEGIN PERFORM teamrbac.guard_tables();
EXCEPTION WHEN OTHERS THEN RAISE WARNING '%', SQLERRM; END $$;
GRANT EXECUTE ON FUNCTION teamrbac.guard_protection() TO regress_migrator;
SET ROLE regress_migrator;
SELECT teamrbac.guard_protection();
RESET ROLE;
REVOKE EXECUTE ON FUNCTION teamrbac.guard_protection() FROM regress_migrator;

-- With it, nothing of it does, whoever tries.
SELECT teamrbac.guard_protection();
SELECT teamrbac.guard_protection();
\set VERBOSITY default
SET ROLE regress_migrator;
ALTER TABLE prompt DISABLE ROW LEVEL SECURITY;
\set VERBOSITY terse
ALTER TABLE prompt NO FORCE ROW LEVEL SECURITY;
DROP POLICY teamrbac_view ON prompt;
DROP POLICY teamrbac_here ON prompt;
ALTER POLICY teamrbac_view ON prompt USING (true);
ALTER POLICY teamrbac_view ON prompt TO regress_app;
ALTER POLICY teamrbac_view ON prompt RENAME TO view;
CREATE POLICY open ON prompt USING (true);
-- Nor under a name of protect_table's, where that made none: nobody changes a log.
CREATE POLICY teamrbac_delete ON log FOR DELETE USING (true);
ALTER TABLE prompt DROP COLUMN tenant_id;
ALTER TABLE prompt DROP COLUMN tenant_id CASCADE;
ALTER TABLE prompt ALTER COLUMN tenant_id TYPE text;
ALTER TABLE draft DROP COLUMN author CASCADE;
ALTER TABLE prompt OWNER TO regress_dba;
-- Who reads a parent reads its children by the parent's policies.
CREATE TABLE ancestor (tenant_id uuid PRIMARY KEY, id int, body text);
ALTER TABLE prompt INHERIT ancestor;
SELECT teamrbac.protect_table('ancestor', 'prompts.view', NULL);
ALTER TABLE prompt INHERIT ancestor;
ALTER TABLE prompt NO INHERIT ancestor;
DROP TABLE ancestor;
CREATE TABLE whole (LIKE prompt) PARTITION BY LIST (tenant_id);
ALTER TABLE whole ATTACH PARTITION prompt DEFAULT;
CREATE TABLE part (LIKE prompt);
ALTER TABLE whole ATTACH PARTITION part DEFAULT;
SELECT teamrbac.protect_table('part', 'prompts.view', NULL);
DROP TABLE whole;
-- However far up, and whatever lets rows through there, from the beginning or later on.
CREATE TABLE ancestor (tenant_id uuid, id int, body text);
ALTER TABLE ancestor ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY teamrbac_view ON ancestor USING (true);
ALTER TABLE prompt INHERIT ancestor;
DROP POLICY teamrbac_view ON ancestor;
CREATE TABLE between () INHERITS (ancestor);
ALTER TABLE between ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE prompt INHERIT between;
ALTER TABLE between DISABLE ROW LEVEL SECURITY;
ALTER TABLE ancestor NO FORCE ROW LEVEL SECURITY;
CREATE POLICY open ON ancestor USING (true);
CREATE TABLE top (tenant_id uuid, id int, body text);
ALTER TABLE ancestor INHERIT top;
ALTER TABLE top ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE ancestor INHERIT top;
CREATE POLICY narrower ON top AS RESTRICTIVE USING (true);
ALTER TABLE prompt NO INHERIT between;
ALTER TABLE top DISABLE ROW LEVEL SECURITY;
DROP TABLE between, ancestor, top;
-- The parent's permissions are changed as any other's.
CREATE TABLE ancestor (tenant_id uuid PRIMARY KEY, id int, body text);
SELECT teamrbac.protect_table('ancestor', 'prompts.view', NULL);
ALTER TABLE prompt INHERIT ancestor;
BEGIN;
SELECT teamrbac.unprotect_table('ancestor');
SELECT teamrbac.protect_table('ancestor', 'logs.view', NULL);
COMMIT;
ALTER TABLE ancestor DISABLE ROW LEVEL SECURITY;
ALTER TABLE prompt NO INHERIT ancestor;
DROP TABLE ancestor;
ALTER TABLE prompt ADD COLUMN n int, DISABLE ROW LEVEL SECURITY;
DO $$ BEGIN ALTER TABLE app.prompt DISABLE ROW LEVEL SECURITY; END $$;
RESET ROLE;
ALTER TABLE prompt DISABLE ROW LEVEL SECURITY;
ALTER TABLE prompt OWNER TO CURRENT_USER;
SET session_replication_role = replica;
ALTER TABLE prompt DISABLE ROW LEVEL SECURITY;
DROP POLICY teamrbac_view ON prompt;
RESET session_replication_role;
DROP TABLE app.before;
CREATE TABLE app.before AS SELECT * FROM app.protection();
-- What is no harm is let be.
SET ROLE regress_migrator;
ALTER TABLE prompt ADD COLUMN n int;
ALTER TABLE prompt DROP COLUMN n;
ALTER TABLE prompt RENAME COLUMN tenant_id TO org;
ALTER TABLE prompt RENAME TO prompts;
ALTER TABLE prompts ADD COLUMN n int;
CREATE POLICY narrower ON prompts AS RESTRICTIVE USING (id > 0);
DROP POLICY narrower ON prompts;
ALTER TABLE plain ENABLE ROW LEVEL SECURITY;
CREATE POLICY open ON plain USING (true);
DROP POLICY open ON plain;
ALTER TABLE plain DISABLE ROW LEVEL SECURITY;
-- Protection is changed and taken away by its own functions, and by DROP TABLE.
SELECT teamrbac.unprotect_table('prompts');
SELECT teamrbac.protect_table('prompts', 'snippets.view', 'snippets.edit', tenant_column => 'org');
SELECT teamrbac.unprotect_table('prompts');
ALTER TABLE prompts DISABLE ROW LEVEL SECURITY;
RESET ROLE;
-- A publication of all tables wants a key for each DELETE.
SET client_min_messages = error;
CREATE PUBLICATION regress_all FOR ALL TABLES;
SET client_min_messages = warning;
DROP TABLE log;
DROP PUBLICATION regress_all;
SELECT tenant_column, view_permission FROM teamrbac.protected_table ORDER BY tenant_column::text;
-- A table that lost its protection before it was guarded is put back under it.
SELECT teamrbac.unguard_protection();
SELECT teamrbac.unguard_protection();
SET ROLE regress_migrator;
ALTER TABLE draft DISABLE ROW LEVEL SECURITY;
DROP POLICY teamrbac_update ON draft;
RESET ROLE;
SELECT teamrbac.guard_protection();
SET ROLE regress_migrator;
ALTER TABLE draft ADD COLUMN n int;
SELECT teamrbac.restore_protection();
ALTER TABLE draft ADD COLUMN n int;
-- A rollback takes the record back with the policies.
BEGIN;
SELECT teamrbac.unprotect_table('draft');
ROLLBACK;
ALTER TABLE draft DISABLE ROW LEVEL SECURITY;
RESET ROLE;
-- check_setup sees it as before, and its remedy is what was.
SELECT teamrbac.unguard_protection();
ALTER TABLE draft DISABLE ROW LEVEL SECURITY;
SELECT severity, object, problem, remedy FROM teamrbac.check_setup() WHERE object = 'app.draft';
DROP POLICY teamrbac_view ON draft;
DROP POLICY teamrbac_insert ON draft;
DROP POLICY teamrbac_update ON draft;
DROP POLICY teamrbac_delete ON draft;
DROP POLICY teamrbac_here ON draft;
SELECT severity, object, problem, remedy FROM teamrbac.check_setup() WHERE object = 'app.draft';
SELECT remedy FROM teamrbac.check_setup() WHERE object = 'app.draft' \gexec
SELECT count(*) FROM teamrbac.check_setup() WHERE object = 'app.draft';
SELECT policies FROM app.protection() WHERE relation = 'draft'
	EXCEPT SELECT policies FROM app.before WHERE relation = 'draft';
SELECT teamrbac.guard_protection();

-- The type of the record: what is not there is none, and no reason to fail.
SELECT 'app.draft.author'::teamrbac.table_column, 'app.draft.gone'::teamrbac.table_column AS no_column,
	'gone.x.y'::teamrbac.table_column AS no_schema,
	'app."draft".tenant_id'::teamrbac.table_column AS quoted;
SELECT 'draft'::teamrbac.table_column;
SELECT 'app.draft.'::teamrbac.table_column;
-- The extension takes the guard along.
DROP EXTENSION teamrbac;
DROP EXTENSION teamrbac CASCADE;
SELECT count(*) FROM pg_event_trigger;
DROP SCHEMA app CASCADE;
DROP ROLE regress_app, regress_migrator, regress_dba;
