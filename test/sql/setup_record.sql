-- What is on record as protected is found by check_setup, whatever its owner has made of it: that a policy asks
-- teamrbac something, or that a column has the usual name, says little.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE ROLE regress_owner;
CREATE SCHEMA app AUTHORIZATION regress_owner;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_owner', current_database()); END $$;
SET ROLE regress_owner;
CREATE EXTENSION tcn SCHEMA app;
CREATE PROCEDURE app.protect(name text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE app.%I (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id))', name);
	PERFORM teamrbac.protect_table(format('app.%I', name)::regclass, 'prompts.view', 'prompts.edit');
END $$;
CREATE PROCEDURE app.drop_policies(relation regclass) LANGUAGE plpgsql AS $$
DECLARE
	p name;
BEGIN
	FOR p IN SELECT polname FROM pg_policy WHERE polrelid = relation LOOP
		EXECUTE format('DROP POLICY %I ON %s', p, relation);
	END LOOP;
END $$;
CALL app.protect('whole');
-- Policies that ask, and mean something else; one that is missing; one beside them; one that nobody can read.
CALL app.protect('altered');
ALTER POLICY teamrbac_view ON app.altered USING (teamrbac.permitted_tenant('prompts.view') IS NULL OR true);
CALL app.protect('another_permission');
ALTER POLICY teamrbac_delete ON app.another_permission USING (tenant_id = teamrbac.permitted_tenant('prompts.view'));
CALL app.protect('for_some');
ALTER POLICY teamrbac_here ON app.for_some TO regress_owner;
CALL app.protect('not_here');
DROP POLICY teamrbac_here ON app.not_here;
CALL app.protect('beside');
CREATE POLICY extra ON app.beside USING (teamrbac.current_user_id() IS NOT NULL OR true);
CALL app.protect('deep');
DO $$ BEGIN EXECUTE 'ALTER POLICY teamrbac_here ON app.deep USING (teamrbac.is_acting_tenant(tenant_id) AND 0 < '
	|| repeat('(', 2000) || 'id' || repeat(' + 1)', 2000) || ')'; END $$;
-- Tables that nothing else tells of: the column has another name, or is gone, or the table is an extension's.
CALL app.protect('renamed');
CALL app.drop_policies('app.renamed');
ALTER TABLE app.renamed DISABLE ROW LEVEL SECURITY;
ALTER TABLE app.renamed RENAME tenant_id TO organization;
CALL app.protect('dropped');
ALTER TABLE app.dropped DROP COLUMN tenant_id CASCADE;
CALL app.protect('hidden');
CALL app.drop_policies('app.hidden');
ALTER EXTENSION tcn ADD TABLE app.hidden;
-- One that is read through another, which has no tenant's column.
CREATE TABLE app.top (id int);
CREATE TABLE app.between () INHERITS (app.top);
CALL app.protect('below');
ALTER TABLE app.below INHERIT app.between;
-- And one that the owner keeps locked.
CALL app.protect('locked');
BEGIN;
LOCK TABLE app.locked;
PREPARE TRANSACTION 'keep';
RESET ROLE;
SET lock_timeout = '1s';
\pset format unaligned
SELECT severity, object, problem, remedy FROM teamrbac.check_setup() WHERE object ~ '\mapp\.';
RESET lock_timeout;
SET max_stack_depth = '250kB';
SELECT severity, object, problem, remedy FROM teamrbac.check_setup() WHERE object ~ 'app.deep';
RESET max_stack_depth;
COMMIT PREPARED 'keep';
-- The remedies mend what can be mended, in their order.
DO $$
DECLARE
	r text;
BEGIN
	FOR r IN SELECT remedy FROM teamrbac.check_setup() WHERE object ~ '\mapp\.' AND remedy IS NOT NULL LOOP
		EXECUTE r;
	END LOOP;
END $$;
SELECT severity, object, problem, remedy FROM teamrbac.check_setup() WHERE object ~ '\mapp\.';
SET ROLE regress_owner;
SELECT teamrbac.protection_lack('app.whole'::regclass);
RESET ROLE;
DROP EXTENSION tcn CASCADE;
DROP SCHEMA app CASCADE;
DROP EXTENSION teamrbac CASCADE;
DROP OWNED BY regress_owner;
DROP ROLE regress_owner;
