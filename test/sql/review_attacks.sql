-- What a hostile session can do with the DBA's views and functions: nothing of its own runs with their rights, and
-- it is shown nothing that is not its own.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set superuser :USER
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(n || '@example.com', 'canary ' || n, u(n))) FROM unnest(ARRAY['01', '02']) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'canary a'), (u('b0'), 'b');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('a0'), u('01'), 'owner'), (u('b0'), u('02'), 'reader'), (u('b0'), u('01'), 'owner');
COMMIT;
SELECT teamrbac.sign_in(u('01'), false);
SELECT count(*) FROM teamrbac.create_api_key(u('a0'), 'canary key', 'reader') AS k, teamrbac.invite_member(u('a0'), 'canary@example.com', 'reader') AS i;
SELECT teamrbac.sign_out();
CREATE ROLE regress_mallory LOGIN;
CREATE SCHEMA mallory AUTHORIZATION regress_mallory;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_mallory;

\c - regress_mallory
SET search_path = mallory, pg_catalog;
-- Functions that tell what they are shown: cheap, so that the planner would have them first.
CREATE FUNCTION leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE WARNING 'leaked %', $1; RETURN true; END $$;
CREATE FUNCTION leak_equal(text, text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE WARNING 'leaked %', $1; RETURN true; END $$;
CREATE OPERATOR mallory.= (LEFTARG = text, RIGHTARG = text, FUNCTION = leak_equal);
-- A reader of b, who is nothing in a.
SELECT teamrbac.sign_in('00000000-0000-0000-0000-000000000002', false);
SELECT count(*) FROM teamrbac.audit_trail WHERE leak(action || subject || after::text);
SELECT count(*) FROM teamrbac.audit_trail WHERE actor = 'canary 01' AND action = 'x';
SELECT count(*) FROM teamrbac.pending_invitation WHERE leak(email);
SELECT count(*) FROM teamrbac.api_key_overview WHERE leak(name);
SELECT count(*) FROM teamrbac.team WHERE leak(tenant_id::text) AND tenant_id = '00000000-0000-0000-0000-0000000000a0';
SELECT count(*) FROM teamrbac.audit_trail AS a RIGHT JOIN (VALUES (1)) AS one ON leak(a.subject);
-- Nor by what the planner or a lock would tell.
EXPLAIN (COSTS OFF) SELECT FROM teamrbac.audit_event;
COPY teamrbac.audit_event TO STDOUT;
SELECT count(*) FROM pg_catalog.pg_stats WHERE schemaname OPERATOR(pg_catalog.=) 'teamrbac';
SELECT * FROM teamrbac.verify_audit('00000000-0000-0000-0000-0000000000a0');
SELECT * FROM teamrbac.verify_audit('00000000-0000-0000-0000-000000000000');
-- Temporary objects, and settings, that pass for the server's or ours.
CREATE TEMP TABLE pg_class (oid oid, relname name);
CREATE TEMP VIEW audit_event AS SELECT leak('temp') AS x;
CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'mine ran as %', CURRENT_USER; RETURN pg_catalog.now(); END $$;
CREATE FUNCTION pg_temp.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'mine ran as %', CURRENT_USER; RETURN $1; END $$;
SET search_path = pg_temp, mallory, pg_catalog;
SELECT teamrbac.sign_in('00000000-0000-0000-0000-000000000001', false);
SELECT pg_catalog.count(*) FROM teamrbac.access_review('00000000-0000-0000-0000-0000000000a0');
SELECT valid FROM teamrbac.verify_audit('00000000-0000-0000-0000-0000000000a0');
SELECT teamrbac.sign_out();
-- Traps for the DBA who checks the set-up: whatever of this ran would say so.
SET search_path = mallory, pg_catalog;
CREATE FUNCTION trap() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE WARNING 'the trap has snapped as %', CURRENT_USER; RETURN true; END $$;
CREATE FUNCTION trap_for_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'the trap has snapped as %', CURRENT_USER; RETURN NULL; END $$;
CREATE TABLE "x'); SELECT mallory.trap(); --" (tenant_id uuid, "y""'); --" int DEFAULT trap()::int, CHECK (trap()));
ALTER TABLE "x'); SELECT mallory.trap(); --" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "p'); SELECT mallory.trap(); --" ON "x'); SELECT mallory.trap(); --" USING (trap());
CREATE POLICY q ON "x'); SELECT mallory.trap(); --" USING (trap() AND teamrbac.has_permission(tenant_id, 'no''); SELECT mallory.trap(); --'));
CREATE VIEW "v'); SELECT mallory.trap(); --" AS SELECT *, trap() FROM "x'); SELECT mallory.trap(); --";
CREATE TRIGGER "t'); --" BEFORE UPDATE ON "x'); SELECT mallory.trap(); --" FOR EACH ROW WHEN (trap()) EXECUTE FUNCTION teamrbac.require_permission_on_change('no''); SELECT mallory.trap(); --', 'tenant_id');
CREATE FUNCTION "f'); --"() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM teamrbac.sign_in(NULL); END $$;

\c - :"superuser"
SET search_path = mallory, public, pg_catalog;
SELECT object FROM teamrbac.check_setup() WHERE object <> 'maintenance';
-- Nor when the remedies are run, all of them, unread.
DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM teamrbac.check_setup() WHERE object <> 'maintenance' AND remedy IS NOT NULL LOOP EXECUTE r.remedy; END LOOP; END $$;
SELECT object, problem FROM teamrbac.check_setup() WHERE object <> 'maintenance';
SELECT count(*) FROM teamrbac.access_review();
SELECT pg_catalog.count(*) > 0 AS counted FROM teamrbac.statistics;

RESET search_path;
DROP OWNED BY regress_mallory CASCADE;
DROP ROLE regress_mallory;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u;
