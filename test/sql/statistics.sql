-- What a backend counts, and who may read it.  Shared memory is tested by 020_observability.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(n || '@example.com', n, u(n))) FROM unnest(ARRAY['01', '02']) AS n;
SELECT teamrbac.sign_in(u('01'), false);
SELECT teamrbac.create_tenant('Acme') AS tenant \gset
CREATE ROLE regress_app;
CREATE ROLE regress_monitor IN ROLE pg_monitor;
-- What each of the following added to the count.
CREATE TABLE before AS SELECT * FROM teamrbac.backend_statistics;
PREPARE added AS WITH now AS (SELECT * FROM teamrbac.backend_statistics), taken AS (DELETE FROM before RETURNING *), noted AS (INSERT INTO before SELECT * FROM now)
	SELECT now.checks - taken.checks AS checks, now.cache_hits > taken.cache_hits AS found, now.reloads > taken.reloads AS loaded, now.denials - taken.denials AS denials FROM now, taken;
EXECUTE added;
-- The first check loads and probes; the others are answered from memory.
SELECT teamrbac.sign_in(u('01'), false);
SELECT count(teamrbac.has_permission(:'tenant', 'prompts.view')) FROM generate_series(1, 1000);
EXECUTE added;
SELECT count(teamrbac.has_permission(:'tenant', 'prompts.view')) FROM generate_series(1, 1000);
EXECUTE added;
SELECT cardinality(teamrbac.permitted_tenants('prompts.view'));
EXECUTE added;
-- Refusals, those that somebody catches included.
DO $$ BEGIN PERFORM teamrbac.sign_in(u('99')); EXCEPTION WHEN OTHERS THEN NULL; END $$;
SELECT teamrbac.require_permission(u('77'), 'prompts.view');
SELECT teamrbac.sign_out();
SELECT teamrbac.create_tenant('x');
EXECUTE added;
-- An error that is no refusal.
SELECT teamrbac.has_permission(:'tenant', 'prompt.view');
EXECUTE added;
-- Without shared memory there is this backend's row only.
SELECT pid = pg_backend_pid() AS mine, checks > 2000 AS counted FROM teamrbac.statistics;

-- Counts tell of others: members of pg_monitor may read them, nobody else.
SET ROLE regress_app;
SELECT checks > 0 FROM teamrbac.backend_statistics;
SELECT checks > 0 FROM teamrbac.statistics;
SELECT checks > 0 FROM teamrbac.read_statistics();
SET ROLE regress_monitor;
SELECT checks > 0 FROM teamrbac.backend_statistics;
RESET ROLE;

DROP TABLE before;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u;
DROP ROLE regress_app, regress_monitor;
