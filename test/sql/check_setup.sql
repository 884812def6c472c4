-- check_setup: every finding is made, seen, remedied by running its remedy as it stands, and gone.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE ROLE regress_app LOGIN;
CREATE ROLE regress_group;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_app, regress_group;
CREATE SCHEMA app;
CREATE TABLE app.prompt (tenant_id uuid NOT NULL REFERENCES teamrbac.tenant, id int, PRIMARY KEY (tenant_id, id));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.prompt TO regress_app;
SELECT teamrbac.protect_table('app.prompt', 'prompts.view', 'prompts.edit');

-- Prints what is found and runs the remedies in order, once; nothing may be left but what has no remedy.
CREATE PROCEDURE remedy() LANGUAGE plpgsql AS $$
DECLARE
	f record;
	without text[] = '{}';
BEGIN
	FOR f IN SELECT * FROM teamrbac.check_setup() LOOP
		-- Who granted a membership is named since 16.
		RAISE WARNING '% | % | %', f.severity, f.object, f.problem USING DETAIL = COALESCE(regexp_replace(f.remedy, ' GRANTED BY \w+', ''), 'No remedy.');
		IF f.remedy IS NULL THEN
			without = without || (f.object || f.problem);
		ELSE
			EXECUTE f.remedy;
		END IF;
	END LOOP;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'nothing found';
	END IF;
	FOR f IN SELECT * FROM teamrbac.check_setup() LOOP
		IF f.remedy IS NOT NULL OR f.object || f.problem <> ALL (without) THEN
			RAISE EXCEPTION 'still there: % | %', f.object, f.problem;
		END IF;
	END LOOP;
END
$$;

-- Nothing runs the maintenance.  Names that look like pg_cron's are not believed.
CREATE SCHEMA cron;
CREATE FUNCTION cron.trap() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the trap has snapped as %', CURRENT_USER; END $$;
CREATE VIEW cron.job AS SELECT cron.trap() AS jobid, 'x' AS jobname, 'CALL teamrbac.x()' AS command, 'x' AS database, 'x' AS username;
SELECT * FROM teamrbac.check_setup();
DROP SCHEMA cron CASCADE;
CALL remedy();
SELECT command, active FROM teamrbac.maintenance_jobs() ORDER BY 1;
UPDATE cron.job SET active = false WHERE command ~ 'purge';
CALL remedy();
-- Jobs of a database that was dropped.
INSERT INTO cron.job (schedule, command, database, username, jobname, nodeport) VALUES ('17 3 * * *', 'CALL teamrbac.purge()', 'regress_gone', CURRENT_USER, 'teamrbac.purge in regress_gone', 5432);
SELECT regexp_replace(object, '\d+', 'N') AS object, problem, regexp_replace(remedy, '\d+', 'N') AS remedy FROM teamrbac.check_setup();
DO $$ BEGIN EXECUTE (SELECT remedy FROM teamrbac.check_setup()); END $$;

-- A set-up as the README describes it has no finding.
SELECT * FROM teamrbac.check_setup();

-- Tables with a tenant's column, under whatever name; their permissions are guessed, or few have them.
CREATE TABLE app.endpoint (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id));
CREATE TABLE app.invoice (customer uuid NOT NULL REFERENCES teamrbac.tenant, id int, PRIMARY KEY (customer, id));
CREATE TABLE app."it's; DROP TABLE app.prompt; --" (tenant_id uuid NOT NULL REFERENCES teamrbac.tenant, id int, PRIMARY KEY (tenant_id, id));
CALL remedy();
SELECT tablename, policyname, qual FROM pg_policies WHERE policyname = 'teamrbac_view' ORDER BY tablename;
DROP TABLE app.endpoint, app.invoice, app."it's; DROP TABLE app.prompt; --";
-- No protection is possible where it may be null.
CREATE TABLE app.snippet (tenant_id uuid REFERENCES teamrbac.tenant, id int);
CALL remedy();
DROP TABLE app.snippet;
-- Half protected.
ALTER TABLE app.prompt DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
CALL remedy();
-- Partitions and inheritance children can be read by their own names.
CREATE TABLE app.log (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id)) PARTITION BY RANGE (id);
CREATE TABLE app.log_1 PARTITION OF app.log FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
CREATE TABLE app.log_1_1 PARTITION OF app.log_1 DEFAULT;
SELECT teamrbac.protect_table('app.log', 'logs.view', NULL);
CREATE TABLE app.prompt_old (PRIMARY KEY (tenant_id, id)) INHERITS (app.prompt);
GRANT SELECT ON app.log_1_1 TO regress_app;
CALL remedy();
SELECT tablename, policyname, qual FROM pg_policies WHERE schemaname = 'app' AND tablename ~ '_' ORDER BY tablename, policyname;
-- One whose parent's policies name several permissions gets none of them.
CREATE TABLE app.own (tenant_id uuid NOT NULL, author uuid, id int, PRIMARY KEY (tenant_id, id)) PARTITION BY RANGE (id);
CREATE TABLE app.own_1 PARTITION OF app.own DEFAULT;
SELECT teamrbac.protect_table('app.own', 'prompts.view', 'prompts.edit', owner_column => 'author', view_own_permission => 'logs.view', edit_own_permission => 'logs.view');
SELECT object, remedy FROM teamrbac.check_setup();
DROP TABLE app.own;
DROP TABLE app.log, app.prompt_old;
-- TRUNCATE.
GRANT ALL ON app.prompt TO regress_app, regress_group;
CALL remedy();
-- No index.
CREATE TABLE app.snippet (id int, tenant_id uuid NOT NULL, PRIMARY KEY (id, tenant_id));
CREATE INDEX ON app.snippet (tenant_id) WHERE id > 0;
CREATE INDEX ON app.snippet USING hash (tenant_id);
SELECT teamrbac.protect_table('app.snippet', 'snippets.view', 'snippets.edit');
CALL remedy();
DROP TABLE app.snippet;

-- Policies that let everything through; hand-written ones that ask us are fine.
CREATE POLICY hole ON app.prompt USING (true);
CREATE POLICY report ON app.prompt FOR SELECT TO regress_group USING (true);
CREATE POLICY narrower ON app.prompt AS RESTRICTIVE USING (id > 0);
CREATE TABLE app.snippet (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id));
CREATE POLICY own ON app.snippet USING (tenant_id IN (SELECT tenant_id FROM teamrbac.my_tenants()));
CREATE TABLE app.endpoint (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id));
CREATE POLICY old_hand ON app.endpoint USING (tenant_id = current_setting('app.tenant')::uuid);
CALL remedy();
SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'app' ORDER BY 1, 2;
DROP TABLE app.snippet, app.endpoint;
-- Unknown permissions, in policies and triggers.
CREATE TABLE app.snippet (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id));
ALTER TABLE app.snippet ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY typo ON app.snippet USING (teamrbac.has_permission(tenant_id, 'snipets.view'));
CREATE POLICY odd ON app.snippet FOR INSERT WITH CHECK (tenant_id = ANY (teamrbac.permitted_tenants('Don''t')));
CREATE TRIGGER typo BEFORE UPDATE ON app.snippet FOR EACH ROW EXECUTE FUNCTION teamrbac.require_permission_on_change('snipets.view', 'tenant_id');
CREATE TRIGGER odd BEFORE UPDATE ON app.snippet FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION teamrbac.require_permission_on_change('Don''t', 'tenant_id');
CALL remedy();
-- What they mean is for their author to say: by another policy, or by a definition.
SELECT teamrbac.define_permission('snipets.view', 'Not a misspelling, then');
DROP POLICY odd ON app.snippet;
DROP TRIGGER odd ON app.snippet;
CREATE TRIGGER odd BEFORE UPDATE ON app.snippet FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION teamrbac.require_permission_on_change('team.manage', 'tenant_id');
SELECT * FROM teamrbac.check_setup();
-- A permission is known by the call, however it is written, and by nothing that only looks like one.
CREATE POLICY spelt ON app.snippet USING (id > 0 AND EXISTS (SELECT FROM app.prompt AS p WHERE p.id = snippet.id AND
	teamrbac.has_permission(permission => 'sub.query', tenant_id => snippet.tenant_id)) OR tenant_id = ANY (teamrbac.permitted_tenants('in.an_array'))
	OR id::text = 'teamrbac.has_permission(tenant_id, ''text.only''::text)');
SELECT object, problem, remedy FROM teamrbac.check_setup();
DROP POLICY spelt ON app.snippet;
-- A guard that is off.
ALTER TABLE app.snippet DISABLE TRIGGER odd;
CALL remedy();
DROP TABLE app.snippet;
SELECT teamrbac.drop_permission('snipets.view');

-- Views, over views as well; materialized ones.
CREATE VIEW app.direct AS SELECT * FROM app.prompt;
CREATE VIEW app.indirect WITH (security_barrier) AS SELECT count(*) FROM app.direct;
CREATE VIEW app.fine WITH (security_invoker = on) AS SELECT * FROM app.prompt;
CREATE ROLE regress_owner;
GRANT CREATE, USAGE ON SCHEMA app TO regress_owner;
CREATE VIEW app.owned AS SELECT * FROM app.prompt;
ALTER VIEW app.owned OWNER TO regress_owner;
CREATE VIEW app.names AS SELECT name FROM teamrbac.tenant;
CREATE VIEW app.dba_only AS SELECT name FROM teamrbac.tenant;
GRANT SELECT ON app.names TO PUBLIC;
CREATE MATERIALIZED VIEW app.total AS SELECT tenant_id, count(*) FROM app.prompt GROUP BY 1;
CREATE MATERIALIZED VIEW app.column_total AS SELECT tenant_id, count(*) FROM app.prompt GROUP BY 1;
GRANT SELECT (count) ON app.column_total TO regress_group;
CREATE MATERIALIZED VIEW app.dba_total AS SELECT tenant_id, count(*) FROM app.prompt GROUP BY 1;
GRANT SELECT ON app.total TO regress_app, PUBLIC;
CALL remedy();
DROP MATERIALIZED VIEW app.total, app.column_total, app.dba_total;
DROP VIEW app.indirect, app.direct, app.fine, app.owned, app.names, app.dba_only;

-- Roles of the application that policies don't apply to: by themselves, and through a group.
ALTER ROLE regress_app SUPERUSER BYPASSRLS;
CREATE ROLE regress_web LOGIN SUPERUSER IN ROLE regress_group;
CREATE ROLE regress_job LOGIN BYPASSRLS IN ROLE regress_group;
CREATE ROLE regress_dba LOGIN SUPERUSER;
CALL remedy();
SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname LIKE 'regress%' ORDER BY 1;
DROP ROLE regress_web, regress_job, regress_dba;
-- Trusted functions granted to everyone, and our own tables granted at all.
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean), teamrbac.sign_in_from_jwt_claims(), teamrbac.register_user(text, text, uuid), teamrbac.check_setup() TO PUBLIC;
GRANT EXECUTE ON PROCEDURE teamrbac.assign_owner(uuid, uuid) TO PUBLIC;
GRANT SELECT ON teamrbac.membership, teamrbac.app_user TO regress_app, PUBLIC;
CALL remedy();
-- The application owns a table, itself or by a role whose member it is.  No remedy: whoever owns it runs its code.
ALTER TABLE app.prompt OWNER TO regress_app;
CALL remedy();
ALTER TABLE app.prompt OWNER TO regress_owner;
SELECT * FROM teamrbac.check_setup();
GRANT regress_owner TO regress_app;
CALL remedy();
REVOKE regress_owner FROM regress_app;
ALTER TABLE app.prompt OWNER TO CURRENT_USER;
-- Functions that lend the right to sign in.  The login function that is granted to somebody is somebody's decision.
CREATE FUNCTION app.become(uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM teamrbac.sign_in($1); END $$;
CREATE FUNCTION app.become_too(uuid) RETURNS void LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT teamrbac.sign_in($1); END;
CREATE PROCEDURE app.become_as_well() LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM teamrbac.sign_in_from_jwt_claims(); END $$;
CREATE FUNCTION app.login(uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM teamrbac.sign_in($1); END $$;
REVOKE ALL ON FUNCTION app.login(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.login(uuid) TO regress_app;
CREATE FUNCTION app.no_definer(uuid) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM teamrbac.sign_in($1); END $$;
CREATE FUNCTION app.no_right(uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM teamrbac.sign_in($1); END $$;
ALTER FUNCTION app.no_right OWNER TO regress_owner;
CREATE FUNCTION app.by_key(text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM teamrbac.sign_in_with_api_key($1); END $$;
CALL remedy();
DROP FUNCTION app.become, app.become_too, app.login, app.no_definer, app.no_right, app.by_key;
DROP PROCEDURE app.become_as_well;

-- Our own tables without their triggers or row-level security.
ALTER TABLE teamrbac.membership DISABLE TRIGGER signal_change, DISABLE TRIGGER check_owner, DISABLE TRIGGER audit_update, DISABLE TRIGGER membership_role_fkey;
ALTER TABLE teamrbac.app_user ENABLE TRIGGER signal_change;
ALTER TABLE teamrbac.tenant DISABLE ROW LEVEL SECURITY;
CALL remedy();

-- The server's check of a foreign key is superfluous beside ours; without ours it is all there is, and stays.
CREATE PROCEDURE servers_check(mode text) LANGUAGE plpgsql AS $$
DECLARE trigger name;
BEGIN
	FOR trigger IN SELECT tgname FROM pg_trigger
		WHERE tgconstraint = (SELECT oid FROM pg_constraint WHERE conname = 'membership_role_fkey') AND tgrelid = 'teamrbac.membership'::regclass AND tgisinternal
	LOOP
		EXECUTE format('ALTER TABLE teamrbac.membership %s TRIGGER %I', mode, trigger);
	END LOOP;
END $$;
CALL servers_check('ENABLE');
\set VERBOSITY terse
CALL remedy();
\set VERBOSITY default
ALTER TRIGGER membership_role_fkey ON teamrbac.membership RENAME TO not_ours;
CALL servers_check('ENABLE');
SELECT severity, object, remedy FROM teamrbac.check_setup();
ALTER TRIGGER not_ours ON teamrbac.membership RENAME TO membership_role_fkey;
CALL servers_check('DISABLE');
DROP PROCEDURE servers_check;

-- Publications that copy hashes or tokens; other columns and tables are the DBA's decision.
SET client_min_messages = error; -- says that wal_level is too low to use them
CREATE PUBLICATION regress_all FOR ALL TABLES WITH (publish = 'insert, delete');
CREATE PUBLICATION "regress;some" FOR TABLE teamrbac.outbox, app.prompt;
CREATE PUBLICATION regress_schema FOR TABLES IN SCHEMA teamrbac, app;
CREATE PUBLICATION regress_fine FOR TABLE teamrbac.outbox (tenant_id, mail_id), teamrbac.membership;
SELECT object, regexp_replace(problem, 'in teamrbac.*included', 'in ... included') AS problem FROM teamrbac.check_setup();
CREATE TEMP TABLE remedies AS SELECT remedy FROM teamrbac.check_setup();
SELECT regexp_replace(remedy, 'DROP TABLE .*', 'DROP TABLE ...') FROM remedies WHERE remedy !~ 'CREATE';
SELECT regexp_replace(remedy, 'FOR TABLE .* WITH', 'FOR TABLE ... WITH') FROM remedies WHERE remedy ~ 'CREATE';
DO $$ DECLARE r record; BEGIN FOR r IN TABLE remedies LOOP EXECUTE r.remedy; END LOOP; END $$;
SET client_min_messages = warning;
SELECT * FROM teamrbac.check_setup();
SELECT p.pubname, puballtables, pubinsert, pubupdate, bool_or(tablename = 'prompt') AS prompt, bool_or(tablename = 'membership') AS membership, bool_or(tablename = 'outbox' AND 'token' = ANY (attnames)) AS token
	FROM pg_publication AS p LEFT JOIN pg_publication_tables AS t USING (pubname) GROUP BY 1, 2, 3, 4 ORDER BY 1;
DROP PUBLICATION regress_all, "regress;some", regress_schema, regress_fine;

-- Mail that was given up.
BEGIN;
INSERT INTO teamrbac.app_user (user_id, email, display_name) VALUES ('00000000-0000-0000-0000-0000000000a1', 'ann@example.com', 'Ann');
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000a1', 'owner');
INSERT INTO teamrbac.outbox (tenant_id, mail_id, kind, recipient, next_attempt_at, failed_at, last_error)
	SELECT '00000000-0000-0000-0000-000000000001', gen_random_uuid(), kind::teamrbac.mail_kind, 'bob@example.com', NULL, now(), error
	FROM unnest(ARRAY['invitation', 'role_changed']) AS kind, unnest(ARRAY['550 no such mailbox', '550 no such mailbox', $$'; DROP TABLE x; --$$, NULL]) AS error;
COMMIT;
CALL remedy();
SELECT kind, count(*), count(next_attempt_at) AS due FROM teamrbac.outbox GROUP BY 1;
-- Mail that is kept, since the mail server refuses the sender: one finding, whatever the answers were; not what is being
-- tried, what failed for another reason, or what was done with.
DELETE FROM teamrbac.outbox;
INSERT INTO teamrbac.outbox (tenant_id, mail_id, kind, recipient, next_attempt_at, sent_at, claimed_by, last_error, error_kind)
	SELECT '00000000-0000-0000-0000-000000000001', gen_random_uuid(), 'removed', n || '@example.com',
		CASE WHEN n <> 6 THEN now() + n * interval '1 hour' END, CASE WHEN n = 6 THEN now() END, CASE WHEN n = 5 THEN 'a mailer' END,
		'550 5.7.1 answer ' || n, (CASE WHEN n = 4 THEN 'temporary' ELSE 'sender' END)::teamrbac.mail_error
	FROM generate_series(1, 6) AS n;
CALL remedy();
SELECT recipient, next_attempt_at <= now() AS due FROM teamrbac.outbox ORDER BY 1;
-- Mail that nobody sends; that of a deleted tenant waits for its restoration, and one that is being tried again is due later.
DELETE FROM teamrbac.outbox;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name, deleted_at) VALUES ('00000000-0000-0000-0000-000000000002', 'Gone', now());
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-0000000000a1', 'owner');
COMMIT;
INSERT INTO teamrbac.outbox (tenant_id, mail_id, kind, recipient, token, created_at, next_attempt_at)
	SELECT ('00000000-0000-0000-0000-00000000000' || t)::uuid, gen_random_uuid(), 'invitation', 'bob@example.com', 'secret', now() - interval '3 days', now() - d::interval
	FROM (VALUES (1, '25 hours'), (1, '2 days'), (1, '23 hours'), (1, '-1 hour'), (2, '2 days')) AS v(t, d);
CALL remedy();
SELECT right(tenant_id::text, 1) AS tenant, count(*), count(next_attempt_at) AS due, count(token) AS tokens, count(withdrawn_at) AS withdrawn FROM teamrbac.outbox GROUP BY 1 ORDER BY 1;
DELETE FROM teamrbac.outbox;

-- It is for the DBA, who may let somebody else run it.
SET ROLE regress_app;
SELECT * FROM teamrbac.check_setup();
RESET ROLE;
GRANT EXECUTE ON FUNCTION teamrbac.check_setup() TO regress_owner;
SET ROLE regress_owner;
SELECT * FROM teamrbac.check_setup();
SELECT * FROM teamrbac.check_setup_tables();
RESET ROLE;

DROP PROCEDURE remedy;
SELECT teamrbac.unschedule_maintenance();
DROP EXTENSION pg_cron;
DROP SCHEMA app CASCADE;
DROP EXTENSION teamrbac CASCADE;
DROP OWNED BY regress_app, regress_group, regress_owner;
DROP ROLE regress_app, regress_group, regress_owner;
