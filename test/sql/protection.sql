-- protect_table: who sees and changes which rows, as the application's login role and as the tables' owner.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never
CREATE ROLE regress_owner;
CREATE ROLE regress_app;
CREATE SCHEMA app AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA app TO regress_app;
CREATE FUNCTION app.u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SET search_path = app, public;
SELECT count(teamrbac.register_user(n || '@example.com', n, u(n))) FROM unnest(ARRAY['01', '02', '03', '04', '05']) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme'), (u('b0'), 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('a0'), u('02'), 'admin'), (u('a0'), u('03'), 'developer'), (u('a0'), u('04'), 'reader'), (u('b0'), u('05'), 'owner');
COMMIT;

SET ROLE regress_owner;
CREATE TABLE prompt (tenant_id uuid NOT NULL, id int, state text NOT NULL DEFAULT 'draft', PRIMARY KEY (tenant_id, id));
INSERT INTO prompt SELECT t, g FROM unnest(ARRAY[u('a0'), u('b0')]) AS t, generate_series(1, 3) AS g;
CREATE TRIGGER promote BEFORE UPDATE ON prompt FOR EACH ROW WHEN (NEW.state = 'live' AND OLD.state <> 'live')
	EXECUTE FUNCTION teamrbac.require_permission_on_change('prompts.promote', 'tenant_id');
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
CREATE TABLE log (tenant_id uuid NOT NULL, line text);
INSERT INTO log VALUES (u('a0'), 'a'), (u('b0'), 'b');
SELECT teamrbac.protect_table('log', 'logs.view', NULL);
GRANT ALL ON prompt, log TO regress_app;
-- FORCE: the owner of the tables sees no more than others.
SELECT (SELECT count(*) FROM prompt) AS prompts, (SELECT count(*) FROM log) AS logs;
RESET ROLE;

-- Runs a statement as a user and takes it back: how many rows it touched, or why it was refused.
CREATE FUNCTION try(who uuid, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	BEGIN
		PERFORM teamrbac.sign_in(who);
		SET LOCAL ROLE regress_app;
		EXECUTE statement;
		GET DIAGNOSTICS n = ROW_COUNT;
		RAISE EXCEPTION USING ERRCODE = 'TR000';
	EXCEPTION
		WHEN SQLSTATE 'TR000' THEN RETURN n;
		WHEN OTHERS THEN RETURN SQLSTATE;
	END;
END $$;
SELECT what, try(u('01'), s) AS owner, try(u('02'), s) AS admin, try(u('03'), s) AS developer, try(u('04'), s) AS reader, try(u('05'), s) AS elsewhere
FROM (VALUES
	('see',                 'SELECT FROM prompt'),
	('see logs',            'SELECT FROM log'),
	('update',              'UPDATE prompt SET id = id + 10'),
	('update one''s own',   'UPDATE prompt SET id = 10 WHERE tenant_id = u(''a0'') AND id = 1'),
	('delete',              'DELETE FROM prompt'),
	('insert',              'INSERT INTO prompt VALUES (u(''a0''), 9)'),
	('insert elsewhere',    'INSERT INTO prompt VALUES (u(''b0''), 9)'),
	('move elsewhere',      'UPDATE prompt SET tenant_id = u(''b0''), id = 77 WHERE tenant_id = u(''a0'') AND id = 1'),
	('promote',             'UPDATE prompt SET state = ''live'' WHERE tenant_id = u(''a0'')'),
	('write a log',         'INSERT INTO log VALUES (u(''a0''), ''x'')'),
	('change a log',        'UPDATE log SET line = ''x'''),
	('delete a log',        'DELETE FROM log'),
	('upsert',              'INSERT INTO prompt VALUES (u(''a0''), 1) ON CONFLICT (tenant_id, id) DO UPDATE SET state = ''draft'''),
	('upsert elsewhere',    'INSERT INTO prompt VALUES (u(''b0''), 1) ON CONFLICT (tenant_id, id) DO UPDATE SET state = ''draft'''),
	('merge',               'MERGE INTO prompt p USING (VALUES (1), (8)) AS v(id) ON p.id = v.id AND p.tenant_id = u(''a0'') WHEN MATCHED THEN UPDATE SET state = ''draft'' WHEN NOT MATCHED THEN INSERT VALUES (u(''a0''), v.id)'),
	('returning',           'WITH r AS (UPDATE prompt SET state = ''draft'' RETURNING *) SELECT FROM r'),
	('lock',                'SELECT FROM prompt FOR UPDATE'),
	('sample',              'SELECT FROM prompt TABLESAMPLE BERNOULLI (100)'),
	('truncate',            'TRUNCATE prompt')
	) AS t(what, s);
SELECT try(NULL, 'SELECT FROM prompt') AS nobody;

-- A function that tells what it is given is given no row of another tenant.
GRANT CREATE ON SCHEMA app TO regress_app;
SET ROLE regress_app;
CREATE FUNCTION leak(t uuid) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'seen %', right(t::text, 2); RETURN true; END $$;
RESET ROLE;
BEGIN; SELECT teamrbac.sign_in(u('05')); SET LOCAL ROLE regress_app;
SELECT count(*) FROM prompt WHERE leak(tenant_id);
SELECT count(*) FROM prompt WHERE leak(tenant_id) AND id = 1;
COPY (SELECT right(tenant_id::text, 2), id FROM prompt ORDER BY id) TO STDOUT;
COMMIT;
-- A view of an owner who is bound by the policies is bound too; a superuser's view sees all, unless it asks as its caller.
CREATE VIEW careless AS SELECT * FROM prompt;
CREATE VIEW careful WITH (security_invoker = true) AS SELECT * FROM prompt;
GRANT SELECT ON careless, careful TO regress_app;
SELECT try(u('05'), 'SELECT FROM careless') AS careless, try(u('05'), 'SELECT FROM careful') AS careful;

-- Names that need quoting, other schemas, partitions, temporary tables.
CREATE SCHEMA "Sch ema"; GRANT USAGE ON SCHEMA "Sch ema" TO regress_app;
CREATE TABLE "Sch ema"."My ""odd"" Table" ("Tenant's Id" uuid PRIMARY KEY);
INSERT INTO "Sch ema"."My ""odd"" Table" VALUES (u('a0')), (u('b0'));
SELECT teamrbac.protect_table('"Sch ema"."My ""odd"" Table"', 'prompts.view', 'prompts.edit', 'Tenant''s Id');
GRANT ALL ON "Sch ema"."My ""odd"" Table" TO regress_app;
SELECT try(u('04'), 'SELECT FROM "Sch ema"."My ""odd"" Table"') AS sees, try(u('03'), 'DELETE FROM "Sch ema"."My ""odd"" Table"') AS deletes;
CREATE TABLE part (tenant_id uuid NOT NULL, id int) PARTITION BY HASH (tenant_id);
CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON part (tenant_id);
INSERT INTO part SELECT t, 1 FROM unnest(ARRAY[u('a0'), u('b0')]) AS t;
SELECT teamrbac.protect_table('part', 'logs.view', 'prompts.edit');
GRANT ALL ON part TO regress_app;
SELECT try(u('04'), 'SELECT FROM part') AS sees, try(u('04'), 'DELETE FROM part') AS deletes, try(u('03'), 'DELETE FROM part') AS developer_deletes;
CREATE TEMP TABLE scratch (tenant_id uuid PRIMARY KEY);
SELECT teamrbac.protect_table('scratch', 'logs.view', NULL);
SELECT count(*) FROM pg_policy WHERE polrelid = 'scratch'::regclass;

-- Bad input.
CREATE TABLE wrong (id int PRIMARY KEY, tenant_id text NOT NULL, maybe uuid);
CREATE TABLE free (tenant_id uuid PRIMARY KEY);
CREATE MATERIALIZED VIEW mat AS SELECT * FROM free;
CREATE SEQUENCE seq;
SELECT teamrbac.protect_table('wrong', 'prompts.view', 'prompts.edit');
SELECT teamrbac.protect_table('wrong', 'prompts.view', 'prompts.edit', 'maybe');
SELECT teamrbac.protect_table('wrong', 'prompts.view', 'prompts.edit', 'missing');
SELECT teamrbac.protect_table('wrong', 'prompts.view', 'prompts.edit', 'ctid');
SELECT teamrbac.protect_table('careful', 'prompts.view', 'prompts.edit');
SELECT teamrbac.protect_table('mat', 'prompts.view', 'prompts.edit');
SELECT teamrbac.protect_table('seq', 'prompts.view', 'prompts.edit');
SELECT teamrbac.protect_table('free_pkey', 'prompts.view', 'prompts.edit');
SELECT teamrbac.protect_table('pg_class', 'prompts.view', 'prompts.edit');
SELECT teamrbac.protect_table('teamrbac.membership', 'prompts.view', 'prompts.edit');
SELECT teamrbac.protect_table(4294967294::oid::regclass, 'prompts.view', 'prompts.edit');
SELECT teamrbac.protect_table('nothing', 'prompts.view', 'prompts.edit');
SELECT teamrbac.protect_table(NULL, 'prompts.view', 'prompts.edit');
SELECT teamrbac.protect_table('free', NULL, 'prompts.edit');
SELECT teamrbac.protect_table('free', 'prompts.view', 'prompts.edit', NULL);
SELECT teamrbac.protect_table('free', 'prompts.look', 'prompts.edit');
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
SELECT teamrbac.unprotect_table('free');
SET ROLE regress_app;
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
SELECT teamrbac.unprotect_table('prompt');
RESET ROLE;
-- A permissive policy would let rows through whatever we say.
CREATE POLICY open_door ON free USING (true);
SELECT teamrbac.protect_table('free', 'prompts.view', 'prompts.edit');
DROP POLICY open_door ON free;
CREATE POLICY narrow ON free AS RESTRICTIVE USING (true);
SELECT teamrbac.protect_table('free', 'prompts.view', 'prompts.edit');
SELECT teamrbac.unprotect_table('free');
SELECT relrowsecurity, relforcerowsecurity, (SELECT array_agg(polname) FROM pg_policy WHERE polrelid = c.oid) FROM pg_class AS c WHERE oid = 'free'::regclass;
SELECT teamrbac.unprotect_table('log');
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'log'::regclass;
-- The trigger function, misused.
CREATE TRIGGER t1 AFTER INSERT ON free FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.require_permission_on_change('prompts.edit', 'tenant_id');
INSERT INTO free VALUES (u('a0'));
DROP TRIGGER t1 ON free;
CREATE TRIGGER t1 BEFORE INSERT ON free FOR EACH ROW EXECUTE FUNCTION teamrbac.require_permission_on_change('prompts.edit', 'tenant');
INSERT INTO free VALUES (u('a0'));
SELECT teamrbac.require_permission_on_change();
-- A permission that a policy or a trigger names is not dropped.
SELECT teamrbac.define_permission('reports.view', 'View reports', '{reader}');
SELECT teamrbac.protect_table('log', 'reports.view', NULL);
SELECT teamrbac.drop_permission('reports.view');
SELECT teamrbac.unprotect_table('log');
SELECT teamrbac.drop_permission('reports.view');

SET client_min_messages = warning;
RESET search_path;
DROP SCHEMA app, "Sch ema" CASCADE;
DROP EXTENSION teamrbac CASCADE;
DROP ROLE regress_owner, regress_app;
