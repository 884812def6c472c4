-- Tables of others that refer to ours: what a command deletes must run none of their code with our rights, nor with any
-- but their owner's, and go on working for the honest.  The attacker has REFERENCES and a schema, an application has a
-- table of comments.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
CREATE ROLE regress_mallory; CREATE ROLE regress_app; CREATE ROLE regress_other;
CREATE SCHEMA evil AUTHORIZATION regress_mallory;
CREATE SCHEMA app AUTHORIZATION regress_app;
GRANT USAGE ON SCHEMA app TO PUBLIC;
GRANT REFERENCES ON ALL TABLES IN SCHEMA teamrbac TO regress_mallory, regress_app;
SELECT count(teamrbac.register_user(n || '@example.com', n, u(n))) FROM unnest(ARRAY['01', '02', '03', '04', '05']) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('a0'), u('01'), 'owner'),
	(u('a0'), u('02'), 'reader'), (u('a0'), u('03'), 'reader'), (u('a0'), u('04'), 'reader'), (u('a0'), u('05'), 'reader');
COMMIT;
-- What the attacker's code got to do is noted here, by whoever it ran as.
CREATE TABLE evil.seen (what text, who name, settings text);
GRANT ALL ON evil.seen TO PUBLIC;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
ALTER TABLE evil.seen OWNER TO regress_mallory;
SET ROLE regress_mallory;
CREATE FUNCTION evil.trap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO evil.seen VALUES (concat_ws(' ', TG_TABLE_NAME, TG_WHEN, TG_OP, TG_LEVEL), CURRENT_USER);
	PERFORM set_config('search_path', 'evil', false);
	RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE PROCEDURE evil.arm(target regclass) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER a BEFORE UPDATE OR DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION evil.trap()', target);
	EXECUTE format('CREATE TRIGGER b BEFORE UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION evil.trap()', target);
	EXECUTE format('CREATE TRIGGER c AFTER UPDATE OR DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION evil.trap()', target);
	EXECUTE format('CREATE TRIGGER d AFTER UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION evil.trap()', target);
	EXECUTE format('CREATE CONSTRAINT TRIGGER e AFTER UPDATE OR DELETE ON %s DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil.trap()', target);
END $$;

-- Every action, every table of ours that a command deletes from, every kind of trigger.
CREATE TABLE evil.m_null (tenant_id uuid, user_id uuid, FOREIGN KEY (tenant_id, user_id) REFERENCES teamrbac.membership ON DELETE SET NULL);
CREATE TABLE evil.m_default (tenant_id uuid DEFAULT NULL, user_id uuid DEFAULT NULL, FOREIGN KEY (tenant_id, user_id) REFERENCES teamrbac.membership ON DELETE SET DEFAULT);
CREATE TABLE evil.m_cascade (tenant_id uuid, user_id uuid, FOREIGN KEY (tenant_id, user_id) REFERENCES teamrbac.membership ON DELETE CASCADE);
CREATE TABLE evil.m_parts (tenant_id uuid, user_id uuid, FOREIGN KEY (tenant_id, user_id) REFERENCES teamrbac.membership ON DELETE CASCADE) PARTITION BY HASH (user_id);
CREATE TABLE evil.m_part PARTITION OF evil.m_parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE evil.role (role text REFERENCES teamrbac.role ON DELETE CASCADE);
CREATE TABLE evil.permission (permission text REFERENCES teamrbac.permission ON DELETE SET NULL);
CREATE TABLE evil.role_permission (role text, permission text, FOREIGN KEY (role, permission) REFERENCES teamrbac.role_permission ON DELETE CASCADE);
CREATE TABLE evil.invitation (tenant_id uuid, invitation_id uuid, FOREIGN KEY (tenant_id, invitation_id) REFERENCES teamrbac.invitation ON DELETE CASCADE);
CREATE TABLE evil.mail (tenant_id uuid, mail_id uuid, FOREIGN KEY (tenant_id, mail_id) REFERENCES teamrbac.outbox ON DELETE CASCADE);
CREATE TABLE evil.event (tenant_id uuid, scope text, sequence bigint, FOREIGN KEY (tenant_id, scope, sequence) REFERENCES teamrbac.audit_event ON DELETE CASCADE);
CREATE TABLE evil.mapped (role regrole REFERENCES teamrbac.database_role ON DELETE CASCADE);
DO $$ DECLARE t regclass; BEGIN
	FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'evil'::regnamespace AND relkind IN ('r', 'p') AND relname NOT IN ('seen', 'm_parts') LOOP
		CALL evil.arm(t); END LOOP;
END $$;
CREATE TRIGGER a BEFORE DELETE ON evil.m_parts FOR EACH STATEMENT EXECUTE FUNCTION evil.trap();
CREATE TRIGGER c AFTER DELETE ON evil.m_parts FOR EACH STATEMENT EXECUTE FUNCTION evil.trap();
RESET ROLE;
-- Whose code ran as whom, and what is left of it.
CREATE FUNCTION outcome(OUT ran_as text, OUT tables bigint, OUT times bigint) RETURNS SETOF record LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM evil.seen RETURNING *)
	SELECT who::text, count(DISTINCT split_part(what, ' ', 1)), count(*) FROM gone GROUP BY who $$;
CREATE PROCEDURE refer(member text) LANGUAGE sql AS $$
	INSERT INTO evil.m_null VALUES (u('a0'), u(member)); INSERT INTO evil.m_default VALUES (u('a0'), u(member));
	INSERT INTO evil.m_cascade VALUES (u('a0'), u(member)); INSERT INTO evil.m_parts VALUES (u('a0'), u(member)) $$;
CALL refer('02'); CALL refer('03'); CALL refer('04');

BEGIN;
SELECT teamrbac.sign_in(u('02'));
CALL teamrbac.leave_tenant(u('a0'));
COMMIT;
SHOW search_path;
SELECT * FROM outcome();
SELECT (SELECT count(user_id) FROM evil.m_null) AS null, (SELECT count(user_id) FROM evil.m_default) AS default, (SELECT count(*) FROM evil.m_cascade) AS cascade, (SELECT count(*) FROM evil.m_parts) AS parts;
BEGIN;
SELECT teamrbac.sign_in(u('01'));
CALL teamrbac.remove_member(u('a0'), u('03'));
COMMIT;
SELECT * FROM outcome();
UPDATE teamrbac.membership SET expires_at = '2001-01-01' WHERE user_id = u('04');
CALL teamrbac.expire_memberships();
SHOW search_path;
SELECT * FROM outcome();
SELECT (SELECT count(user_id) FROM evil.m_null) AS null, (SELECT count(user_id) FROM evil.m_default) AS default, (SELECT count(*) FROM evil.m_cascade) AS cascade, (SELECT count(*) FROM evil.m_parts) AS parts;
SELECT teamrbac.define_permission('x.y', 'X', '{}');
SELECT teamrbac.define_permission('x.z', 'Z', '{admin}');
SELECT teamrbac.define_role('clerk', 'C', '{x.y,logs.view}');
INSERT INTO evil.role VALUES ('clerk');
INSERT INTO evil.role_permission VALUES ('clerk', 'x.y'), ('clerk', 'logs.view'), ('admin', 'x.z');
INSERT INTO evil.permission VALUES ('x.y'), ('x.z');
SELECT teamrbac.define_role('clerk', 'C', '{logs.view}');
SELECT * FROM outcome();
SELECT teamrbac.define_permission('x.z', 'Z', '{}');
SELECT * FROM outcome();
SELECT teamrbac.drop_permission('x.y');
SELECT * FROM outcome();
SELECT teamrbac.drop_role('clerk');
SELECT * FROM outcome();
SELECT (SELECT count(*) FROM evil.role) AS roles, (SELECT count(*) FROM evil.role_permission) AS pairs, (SELECT count(permission) FROM evil.permission) AS permissions;
SELECT teamrbac.map_database_role(u('02'), 'regress_other');
INSERT INTO evil.mapped VALUES ('regress_other');
SELECT teamrbac.map_database_role(NULL, 'regress_other');
SELECT * FROM outcome();
SELECT count(*) FROM evil.mapped;
BEGIN;
SELECT teamrbac.sign_in(u('01'));
SELECT count(teamrbac.invite_member(u('a0'), 'x@example.com', 'reader'));
COMMIT;
UPDATE teamrbac.invitation SET state = 'cancelled', decided_at = '2001-01-01';
UPDATE teamrbac.outbox SET next_attempt_at = NULL, token = NULL, sent_at = now(), created_at = '2001-01-01';
INSERT INTO evil.invitation SELECT tenant_id, invitation_id FROM teamrbac.invitation;
INSERT INTO evil.mail SELECT tenant_id, mail_id FROM teamrbac.outbox;
INSERT INTO evil.event SELECT tenant_id, scope, sequence FROM teamrbac.audit_event;
SET teamrbac.invitation_retention = '1 day';
SET teamrbac.audit_retention = '1 microsecond';
CALL teamrbac.purge();
RESET teamrbac.invitation_retention;
RESET teamrbac.audit_retention;
SHOW search_path;
SELECT * FROM outcome();
SELECT (SELECT count(*) FROM evil.invitation) AS invitations, (SELECT count(*) FROM evil.mail) AS mails, (SELECT count(*) FROM evil.event) AS events;
SELECT bool_and(valid) FROM (SELECT DISTINCT tenant_id FROM teamrbac.audit_head) AS h, teamrbac.verify_audit(h.tenant_id);
-- None of it counts as a change by hand.
SELECT DISTINCT action FROM teamrbac.audit_event WHERE action LIKE 'direct.%' ORDER BY 1;

-- Keys that only forbid: their tables' functions run in the planner, and could leave something for the commit.
SET ROLE regress_mallory;
DROP TABLE evil.m_null, evil.m_default, evil.m_cascade, evil.m_parts;
CREATE TABLE evil.later (n int);
CREATE CONSTRAINT TRIGGER e AFTER INSERT ON evil.later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil.trap();
CREATE FUNCTION evil.volatile() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO evil.seen VALUES ('index', CURRENT_USER); INSERT INTO evil.later VALUES (1); RETURN 1; END $$;
CREATE FUNCTION evil.immutable(uuid) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
	IF (SELECT count(*) FROM evil.armed) > 0 THEN RETURN evil.volatile(); END IF; RETURN 1; END $$;
CREATE TABLE evil.armed ();
CREATE TABLE evil.m_forbid (tenant_id uuid, user_id uuid, FOREIGN KEY (tenant_id, user_id) REFERENCES teamrbac.membership);
CREATE INDEX ON evil.m_forbid (evil.immutable('00000000-0000-0000-0000-000000000000'), user_id);
INSERT INTO evil.armed DEFAULT VALUES;
RESET ROLE;
INSERT INTO teamrbac.membership VALUES (u('a0'), u('04'), 'reader', '2001-01-01');
CALL teamrbac.expire_memberships();
SELECT * FROM outcome();
SET ROLE regress_mallory;
DELETE FROM evil.armed;
INSERT INTO evil.m_forbid VALUES ('00000000-0000-0000-0000-0000000000a0', '00000000-0000-0000-0000-000000000005');
RESET ROLE;
UPDATE teamrbac.membership SET expires_at = '2001-01-01' WHERE user_id = u('05');
CALL teamrbac.expire_memberships();
SET ROLE regress_mallory;
DROP TABLE evil.m_forbid;
RESET ROLE;

-- A table in between, of somebody stronger: the attacker's would be changed with that one's rights.
CREATE TABLE app.comment (id int PRIMARY KEY, tenant_id uuid, author_id uuid, body text,
	FOREIGN KEY (tenant_id, author_id) REFERENCES teamrbac.membership ON DELETE CASCADE);
GRANT REFERENCES ON app.comment TO regress_mallory;
SET ROLE regress_mallory;
CREATE TABLE evil.reaction (comment_id int REFERENCES app.comment ON DELETE CASCADE);
CALL evil.arm('evil.reaction');
RESET ROLE;
INSERT INTO app.comment VALUES (1, u('a0'), u('05'), 'x');
INSERT INTO evil.reaction VALUES (1);
CALL teamrbac.expire_memberships();
\set VERBOSITY default
BEGIN;
UPDATE teamrbac.membership SET expires_at = NULL WHERE user_id = u('05');  -- one whose time is over is no member
SELECT teamrbac.sign_in(u('01'));
CALL teamrbac.remove_member(u('a0'), u('05'));
ROLLBACK;
\set VERBOSITY terse
SELECT * FROM outcome();
DROP TABLE app.comment CASCADE;
-- One whose name the first one's trigger gives to another table: as the owner of the schema they may.
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_mallory', current_database()); END $$;
CREATE SCHEMA evil2 AUTHORIZATION regress_mallory;
CREATE TABLE evil2.z (tenant_id uuid, user_id uuid, FOREIGN KEY (tenant_id, user_id) REFERENCES teamrbac.membership ON DELETE CASCADE);
SET ROLE regress_mallory;
CREATE FUNCTION evil.swap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	ALTER SCHEMA evil2 RENAME TO evil3; CREATE SCHEMA evil2;
	CREATE TABLE evil2.z (tenant_id uuid, user_id uuid);
	CALL evil.arm('evil2.z'); RETURN OLD; END $$;
CREATE TABLE evil.a (tenant_id uuid, user_id uuid, FOREIGN KEY (tenant_id, user_id) REFERENCES teamrbac.membership ON DELETE CASCADE);
CREATE TRIGGER swap BEFORE DELETE ON evil.a FOR EACH ROW EXECUTE FUNCTION evil.swap();
INSERT INTO evil.a VALUES ('00000000-0000-0000-0000-0000000000a0', '00000000-0000-0000-0000-000000000005');
RESET ROLE;
INSERT INTO evil2.z VALUES (u('a0'), u('05'));
\set VERBOSITY sqlstate
CALL teamrbac.expire_memberships();
\set VERBOSITY terse
SELECT * FROM outcome();
DROP TABLE evil2.z, evil.a;
-- One that puts back what was deleted, or keeps it.
SET ROLE regress_mallory;
CREATE TABLE evil.keeps (tenant_id uuid, user_id uuid, FOREIGN KEY (tenant_id, user_id) REFERENCES teamrbac.membership ON DELETE CASCADE);
CREATE FUNCTION evil.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE DELETE ON evil.keeps FOR EACH ROW EXECUTE FUNCTION evil.keep();
INSERT INTO evil.keeps VALUES ('00000000-0000-0000-0000-0000000000a0', '00000000-0000-0000-0000-000000000005');
RESET ROLE;
CALL teamrbac.expire_memberships();
SET ROLE regress_mallory;
CREATE OR REPLACE FUNCTION evil.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO evil.keeps VALUES (OLD.*); RETURN OLD; END';
RESET ROLE;
CALL teamrbac.expire_memberships();
SET ROLE regress_mallory;
DROP TABLE evil.keeps;
RESET ROLE;

CREATE FOREIGN DATA WRAPPER regress_nothing;
CREATE SERVER regress_nowhere FOREIGN DATA WRAPPER regress_nothing;
GRANT USAGE ON FOREIGN SERVER regress_nowhere TO regress_mallory;
-- A cast of the attacker's own, which the server would run as the owner of the table referred to; however it comes in.
SET ROLE regress_mallory;
CREATE TYPE evil.id AS (id uuid);
CREATE FUNCTION evil.to_uuid(evil.id) RETURNS uuid LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
	RAISE WARNING 'the cast runs as %', CURRENT_USER; RETURN ($1).id; END $$;
CREATE CAST (evil.id AS uuid) WITH FUNCTION evil.to_uuid(evil.id) AS IMPLICIT;
CREATE DOMAIN evil.id_domain AS evil.id;
CREATE TABLE evil.t (id evil.id REFERENCES teamrbac.tenant);
CREATE TABLE evil.t (id evil.id_domain REFERENCES teamrbac.tenant);
CREATE TABLE evil.t (id evil.id, other uuid REFERENCES teamrbac.tenant);
ALTER TABLE evil.t ADD FOREIGN KEY (id) REFERENCES teamrbac.tenant;
ALTER TABLE evil.t ADD FOREIGN KEY (id) REFERENCES teamrbac.tenant NOT VALID;
ALTER TABLE evil.t ALTER other TYPE evil.id USING NULL;
ALTER TABLE evil.t ADD member evil.id, ADD FOREIGN KEY (other, member) REFERENCES teamrbac.membership;
CREATE TABLE evil.p (id evil.id REFERENCES teamrbac.tenant) PARTITION BY LIST (id);
RESET ROLE;
SET ROLE regress_mallory;
CREATE SCHEMA evil5 CREATE TABLE t (id evil.id REFERENCES teamrbac.tenant);
DO $$ BEGIN EXECUTE 'CREATE TABLE evil.t2 (id evil.id REFERENCES teamrbac.tenant)'; END $$;
-- The type of a column changes with that of a parent's, whatever kind of table it is, and with the type of a typed table.
CREATE FUNCTION evil.from_uuid(uuid) RETURNS evil.id LANGUAGE sql IMMUTABLE AS 'SELECT ROW($1)::evil.id';
CREATE CAST (uuid AS evil.id) WITH FUNCTION evil.from_uuid(uuid) AS ASSIGNMENT;
CREATE TABLE evil.parent (id uuid);
CREATE TABLE evil.child () INHERITS (evil.parent);
CREATE TABLE evil.grandchild (FOREIGN KEY (id) REFERENCES teamrbac.tenant) INHERITS (evil.child);
ALTER TABLE evil.parent ALTER id TYPE evil.id;
ALTER TABLE evil.parent ALTER id TYPE evil.id_domain;
CREATE FOREIGN TABLE evil.remote (id uuid) SERVER regress_nowhere;
CREATE TABLE evil.near (FOREIGN KEY (id) REFERENCES teamrbac.tenant) INHERITS (evil.remote);
ALTER FOREIGN TABLE evil.remote ALTER id TYPE evil.id;
CREATE TABLE evil.whole (n int, id uuid) PARTITION BY LIST (n);
CREATE TABLE evil.part PARTITION OF evil.whole (FOREIGN KEY (id) REFERENCES teamrbac.tenant) DEFAULT;
ALTER TABLE evil.whole ALTER id TYPE evil.id;
CREATE TYPE evil.row AS (id uuid);
CREATE TABLE evil.typed OF evil.row (FOREIGN KEY (id) REFERENCES teamrbac.tenant);
ALTER TYPE evil.row ALTER ATTRIBUTE id TYPE evil.id CASCADE;
ALTER TYPE evil.row ALTER ATTRIBUTE id TYPE text CASCADE;
BEGIN;
SAVEPOINT s;
ALTER TABLE evil.whole ALTER id TYPE evil.id;
ROLLBACK TO s;
ALTER TYPE evil.row ADD ATTRIBUTE n int CASCADE;
COMMIT;
SELECT conrelid::regclass, format_type(atttypid, NULL) FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
	WHERE confrelid = 'teamrbac.tenant'::regclass AND conrelid::regclass::text LIKE 'evil.%' ORDER BY conrelid::regclass::text;
DROP TABLE evil.grandchild, evil.child, evil.parent, evil.near, evil.whole, evil.typed;
DROP FOREIGN TABLE evil.remote;
-- The server's own types are fine.
CREATE DOMAIN evil.key AS uuid;
CREATE TABLE evil.honest (id evil.key REFERENCES teamrbac.tenant, role varchar(63) REFERENCES teamrbac.role);
INSERT INTO evil.honest VALUES ('00000000-0000-0000-0000-0000000000a0', 'reader');
INSERT INTO evil.honest VALUES ('00000000-0000-0000-0000-0000000000a1', 'reader');
RESET ROLE;
DROP TABLE evil.honest, evil.t;
-- TRIGGER on a table of ours, granted by mistake.
GRANT TRIGGER ON teamrbac.membership TO regress_mallory;
SET ROLE regress_mallory;
CREATE TRIGGER t BEFORE DELETE ON teamrbac.membership FOR EACH ROW EXECUTE FUNCTION evil.trap();
RESET ROLE;
REVOKE TRIGGER ON teamrbac.membership FROM regress_mallory;

-- The honest: rows of an application that protects its tables, with triggers and deferred keys of its own.
DROP SCHEMA evil CASCADE;
SET ROLE regress_app;
CREATE TABLE app.comment (tenant_id uuid NOT NULL, id int NOT NULL, author_id uuid, body text, edits int DEFAULT 0,
	PRIMARY KEY (tenant_id, id) DEFERRABLE,
	FOREIGN KEY (tenant_id, author_id) REFERENCES teamrbac.membership ON DELETE SET NULL (author_id));
CREATE TABLE app.draft (tenant_id uuid NOT NULL, id int, author_id uuid, PRIMARY KEY (tenant_id, id),
	FOREIGN KEY (tenant_id, author_id) REFERENCES teamrbac.membership ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE app.attachment (tenant_id uuid NOT NULL, draft int, FOREIGN KEY (tenant_id, draft) REFERENCES app.draft ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE app.log (line text);
CREATE FUNCTION app.log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO app.log VALUES (concat_ws(' ', TG_TABLE_NAME, TG_OP, CURRENT_USER)); RETURN NULL; END $$;
CREATE TRIGGER log AFTER UPDATE OR DELETE ON app.comment FOR EACH ROW EXECUTE FUNCTION app.log();
CREATE TRIGGER log AFTER UPDATE OR DELETE ON app.draft FOR EACH ROW EXECUTE FUNCTION app.log();
CREATE CONSTRAINT TRIGGER log AFTER DELETE ON app.attachment DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.log();
SELECT teamrbac.protect_table('app.comment', 'prompts.view', 'prompts.edit');
SELECT teamrbac.protect_table('app.draft', 'prompts.view', 'prompts.edit');
RESET ROLE;
INSERT INTO teamrbac.membership VALUES (u('a0'), u('02'), 'reader'), (u('a0'), u('03'), 'reader');
INSERT INTO app.comment VALUES (u('a0'), 1, u('02'), 'hello'), (u('a0'), 2, u('03'), 'hi');
INSERT INTO app.draft VALUES (u('a0'), 1, u('02')), (u('a0'), 2, u('03'));
INSERT INTO app.attachment VALUES (u('a0'), 1), (u('a0'), 2);
BEGIN;
SELECT teamrbac.sign_in(u('02'));
CALL teamrbac.leave_tenant(u('a0'));
COMMIT;
SELECT id, author_id IS NULL AS orphaned FROM app.comment ORDER BY 1;
SELECT (SELECT count(*) FROM app.draft) AS drafts, (SELECT count(*) FROM app.attachment) AS attachments;
SELECT * FROM app.log ORDER BY 1;
-- A key that forbids does, and says so.
SET ROLE regress_app;
CREATE TABLE app.invoice (tenant_id uuid, member uuid, FOREIGN KEY (tenant_id, member) REFERENCES teamrbac.membership);
RESET ROLE;
INSERT INTO app.invoice VALUES (u('a0'), u('03'));
\set VERBOSITY default
BEGIN;
SELECT teamrbac.sign_in(u('03'));
CALL teamrbac.leave_tenant(u('a0'));
ROLLBACK;
\set VERBOSITY terse
DELETE FROM app.invoice;
BEGIN;
SELECT teamrbac.sign_in(u('03'));
CALL teamrbac.leave_tenant(u('a0'));
COMMIT;
SELECT count(*) FROM teamrbac.membership;

DROP SCHEMA app CASCADE;
DROP FOREIGN DATA WRAPPER regress_nothing CASCADE;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(text), outcome();
DROP PROCEDURE refer(text);
DROP OWNED BY regress_mallory, regress_app, regress_other CASCADE;
DROP ROLE regress_mallory, regress_app, regress_other;
