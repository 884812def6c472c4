-- The end of deleted tenants: retention, the application's rows, what keeps a tenant, and others going on.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set owner '''00000000-0000-0000-0000-0000000000a1'''
\set acme '''00000000-0000-0000-0000-000000000001'''
\set borealis '''00000000-0000-0000-0000-000000000002'''
\set cirrus '''00000000-0000-0000-0000-000000000003'''
SELECT count(teamrbac.register_user(n || '@example.com', n, ('00000000-0000-0000-0000-0000000000' || n)::uuid)) FROM unnest(ARRAY['a1', 'b1']) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name, slug) VALUES (:acme, 'Acme', 'acme'), (:borealis, 'Borealis', 'borealis'), (:cirrus, 'Cirrus', 'cirrus');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT t, :owner, 'owner' FROM unnest(ARRAY[:acme, :borealis, :cirrus]::uuid[]) AS t;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (:acme, '00000000-0000-0000-0000-0000000000b1', 'reader');
COMMIT;

-- An application: tables that name the tenant; that refer by both columns, or by one; a tree; partitions; a name.
CREATE ROLE regress_app;
CREATE SCHEMA "my shop" AUTHORIZATION regress_app;
GRANT USAGE ON SCHEMA teamrbac TO regress_app;
GRANT REFERENCES ON teamrbac.tenant TO regress_app;
SET ROLE regress_app;
SET search_path = "my shop";
CREATE TABLE "Doc" (tenant_id uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE, id int, PRIMARY KEY (tenant_id, id));
CREATE TABLE tag ("Tenant" uuid NOT NULL, doc int, name text, FOREIGN KEY ("Tenant", doc) REFERENCES "Doc" ON DELETE CASCADE);
CREATE TABLE tag_note (id serial, t uuid, doc int, name text);
CREATE TABLE note (tenant_id uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE, id int PRIMARY KEY);
CREATE TABLE attachment (note_id int REFERENCES note ON DELETE CASCADE, id int PRIMARY KEY);
CREATE TABLE page (attachment_id int REFERENCES attachment ON DELETE CASCADE, n int);
-- Not to be deleted after the notes that it refers to, though it is the tenant's by itself.
CREATE TABLE a_quote (tenant_id uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE, note_id int REFERENCES note);
CREATE TABLE folder (tenant_id uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE, id int PRIMARY KEY, parent int REFERENCES folder ON DELETE CASCADE);
-- Round and round: a chat knows its last message.
CREATE TABLE chat (tenant_id uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE, id int PRIMARY KEY, last_message int);
CREATE TABLE message (chat_id int REFERENCES chat ON DELETE CASCADE, id int PRIMARY KEY);
ALTER TABLE chat ADD FOREIGN KEY (last_message) REFERENCES message DEFERRABLE;
CREATE TABLE log (tenant_id uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE, n int, PRIMARY KEY (tenant_id, n)) PARTITION BY RANGE (n);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (10);
CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM (10) TO (100);
CREATE TABLE branding (tenant uuid REFERENCES teamrbac.tenant ON DELETE CASCADE, slug text, colour text);
CREATE TABLE statistic (tenant_id uuid REFERENCES teamrbac.tenant ON DELETE SET NULL, n int);
CREATE TABLE invoice (tenant_id uuid NOT NULL REFERENCES teamrbac.tenant, n int);
RESET ROLE;
SELECT teamrbac.protect_table('log', 'logs.view', NULL), teamrbac.protect_table('note', 'snippets.view', 'snippets.edit');
INSERT INTO "Doc" SELECT t, g FROM unnest(ARRAY[:acme, :borealis, :cirrus]::uuid[]) AS t, generate_series(1, 10) AS g;
INSERT INTO tag SELECT tenant_id, id, n FROM "Doc", unnest(ARRAY['x', 'y', 'z']) AS n;
INSERT INTO note SELECT tenant_id, row_number() OVER () FROM "Doc";
INSERT INTO attachment SELECT id, id FROM note;
INSERT INTO page SELECT id, g FROM attachment, generate_series(1, 4) AS g;
INSERT INTO a_quote SELECT tenant_id, id FROM note;
INSERT INTO folder SELECT tenant_id, id, NULLIF((id - 1) / 5 * 5 + 1, id) FROM note ORDER BY 2;
INSERT INTO chat SELECT tenant_id, id FROM note;
INSERT INTO message SELECT id, 10 * id + g FROM chat, generate_series(1, 5) AS g;
UPDATE chat SET last_message = 10 * id + 5;
INSERT INTO log SELECT tenant_id, id + g FROM "Doc", generate_series(0, 10, 10) AS g;
INSERT INTO branding SELECT tenant_id, slug, 'blue' FROM teamrbac.tenant;
INSERT INTO statistic SELECT tenant_id, 1 FROM teamrbac.tenant;
INSERT INTO invoice VALUES (:borealis, 1);
CREATE VIEW remaining AS
	SELECT t.name, (SELECT count(*) FROM teamrbac.membership AS m WHERE m.tenant_id = t.tenant_id) AS members,
		(SELECT count(*) FROM "Doc" AS d WHERE d.tenant_id = t.tenant_id) AS docs, (SELECT count(*) FROM tag WHERE "Tenant" = t.tenant_id) AS tags,
		(SELECT count(*) FROM note AS d WHERE d.tenant_id = t.tenant_id) AS notes, (SELECT count(*) FROM folder AS d WHERE d.tenant_id = t.tenant_id) AS folders,
		(SELECT count(*) FROM log AS d WHERE d.tenant_id = t.tenant_id) AS logs, (SELECT count(*) FROM branding AS d WHERE d.slug = t.slug) AS brandings
	FROM teamrbac.tenant AS t ORDER BY t.name;

-- In which order, and why: the application's part of the plan.
SELECT name, condition, leaves, cascades FROM teamrbac.purge_plan() WHERE name NOT LIKE 'teamrbac.%';

-- Nothing happens to a tenant that is not deleted, or within its retention; which is when it may be restored.
SELECT teamrbac.sign_in(:owner, false);
CALL teamrbac.delete_tenant(:acme, 'Acme');
CALL teamrbac.delete_tenant(:borealis, 'Borealis');
CALL teamrbac.purge(0);
CALL teamrbac.purge(NULL);
CALL teamrbac.purge();
SELECT * FROM remaining;
UPDATE teamrbac.tenant SET deleted_at = now() - interval '719 hours' WHERE deleted_at IS NOT NULL;
CALL teamrbac.purge();
CALL teamrbac.restore_tenant(:acme);
CALL teamrbac.delete_tenant(:acme, 'Acme');
UPDATE teamrbac.tenant SET deleted_at = now() - interval '721 hours' WHERE deleted_at IS NOT NULL;
CALL teamrbac.restore_tenant(:acme);
SET teamrbac.deleted_tenant_retention = '722 hours';
CALL teamrbac.restore_tenant(:acme);
CALL teamrbac.delete_tenant(:acme, 'Acme');
UPDATE teamrbac.tenant SET deleted_at = now() - interval '721 hours' WHERE deleted_at IS NOT NULL;
RESET teamrbac.deleted_tenant_retention;

-- One batch by hand: it deletes no more rows than it was allowed, and there is no way back.
CREATE FUNCTION all_rows() RETURNS bigint LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM "Doc") + (SELECT count(*) FROM tag) + (SELECT count(*) FROM note) + (SELECT count(*) FROM attachment)
		+ (SELECT count(*) FROM page) + (SELECT count(*) FROM a_quote) + (SELECT count(*) FROM folder) + (SELECT count(*) FROM log)
		+ (SELECT count(*) FROM branding) + (SELECT count(*) FROM chat) + (SELECT count(*) FROM message) + (SELECT count(*) FROM teamrbac.membership) $$;
SELECT all_rows() AS before \gset
SELECT teamrbac.purge_tenant_batch(:acme, 7);
SELECT :before - all_rows() AS deleted;
SET teamrbac.deleted_tenant_retention = '1 year';
CALL teamrbac.restore_tenant(:acme);
RESET teamrbac.deleted_tenant_retention;
-- However small the batches: never more in one, the tree's rows from the leaves; but for the last messages.
DO $$
DECLARE
	before bigint := all_rows();
	after bigint;
	most bigint := 0;
BEGIN
	WHILE teamrbac.purge_tenant_batch('00000000-0000-0000-0000-000000000001', 3) LOOP
		after := all_rows();
		most := greatest(most, before - after);
		before := after;
	END LOOP;
	RAISE WARNING 'at most % rows in a batch', most;
END $$;
SELECT * FROM remaining;
SELECT (SELECT count(*) FROM attachment) AS attachments, (SELECT count(*) FROM page) AS pages, (SELECT count(*) FROM a_quote) AS quotes;
SELECT tenant_id, count(*) FROM statistic GROUP BY 1 ORDER BY 1;

-- Borealis is kept by an invoice, named before anything has gone; the others go on.
CALL teamrbac.delete_tenant(:cirrus, 'Cirrus');
UPDATE teamrbac.tenant SET deleted_at = now() - interval '31 days' WHERE tenant_id = :cirrus;
CALL teamrbac.purge(10);
SELECT * FROM remaining;
CALL teamrbac.restore_tenant(:borealis);
DELETE FROM invoice;
-- A trigger that keeps rows does not keep purge busy for ever.
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER keep BEFORE DELETE ON tag FOR EACH ROW EXECUTE FUNCTION keep();
CALL teamrbac.purge();
SELECT * FROM remaining;
DROP TRIGGER keep ON tag;
-- The application's triggers run with the rights of the table's owner, at commit too.
CREATE FUNCTION who() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING '% by %', TG_NAME, current_user; RETURN NULL; END $$;
CREATE TRIGGER immediate AFTER DELETE ON branding FOR EACH ROW EXECUTE FUNCTION who();
CREATE CONSTRAINT TRIGGER deferred AFTER DELETE ON branding DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION who();
-- So does whatever else of theirs is in the way: what the planner evaluates, triggers that fire once a statement.
SET ROLE regress_app;
CREATE FUNCTION planned() RETURNS int LANGUAGE plpgsql IMMUTABLE
	AS $$ BEGIN IF current_user <> 'regress_app' THEN RAISE WARNING 'planned by %', current_user; END IF; RETURN 0; END $$;
CREATE TABLE trap (tenant_id uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE, n int);
CREATE INDEX ON trap ((n + planned()));
INSERT INTO trap VALUES (:borealis, 1);
CREATE TRIGGER each_statement AFTER DELETE ON trap FOR EACH STATEMENT EXECUTE FUNCTION who();
-- Nothing is put off to the commit, which would run it with ours.
CREATE TABLE later (n int);
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION who();
CREATE FUNCTION put_off() RETURNS trigger LANGUAGE plpgsql
	AS $$ BEGIN SET CONSTRAINTS ALL DEFERRED; INSERT INTO "my shop".later VALUES (1); RETURN NULL; END $$;
CREATE TRIGGER put_off AFTER DELETE ON trap FOR EACH ROW EXECUTE FUNCTION put_off();
RESET ROLE;
CALL teamrbac.purge();
DROP TRIGGER put_off ON trap;
CALL teamrbac.purge();
SELECT * FROM remaining;
SELECT all_rows();

-- What was done is known for as long as the audit is kept, and was no change by hand.
SELECT action, actor_kind, before ->> 'name' AS name FROM teamrbac.audit_event WHERE tenant_id = :acme AND sequence > 6 ORDER BY sequence;
SELECT valid, problem FROM teamrbac.verify_audit(:acme);

-- Mail that is no longer to be sent, after 30 days.
SELECT teamrbac.create_tenant('Delta') AS delta \gset
INSERT INTO teamrbac.outbox (tenant_id, mail_id, kind, recipient, created_at, next_attempt_at, sent_at, failed_at)
	SELECT :'delta', gen_random_uuid(), 'removed', n || '@example.com', now() - n * interval '20 days', CASE WHEN n = 4 THEN now() END, CASE WHEN n < 3 THEN now() END, CASE WHEN n = 3 THEN now() END
	FROM generate_series(1, 4) AS n;
CALL teamrbac.purge(1);
SELECT recipient FROM teamrbac.outbox ORDER BY 1;

-- Invitations that are no longer pending: for ever, unless it is said for how long.  One that is pending stays, however
-- old; that they go is not a change by hand.
INSERT INTO teamrbac.invitation (tenant_id, invitation_id, email, role, invited_by, token_hash, invited_at, expires_at, state, decided_at, accepted_by)
	SELECT :'delta', gen_random_uuid(), s || d || '@example.com', 'reader', :owner, sha256((s || d)::bytea), now() - interval '9 years', now() - interval '9 years', s::teamrbac.invitation_state,
		CASE WHEN s <> 'pending' THEN now() - d * interval '1 day' END, CASE s WHEN 'accepted' THEN :owner::uuid END
	FROM unnest(ARRAY['pending', 'accepted', 'declined', 'cancelled', 'expired']) AS s, unnest(ARRAY[89, 91]) AS d;
SELECT count(*) AS events FROM teamrbac.audit_event \gset
CALL teamrbac.purge();
SELECT count(*) FROM teamrbac.invitation;
SET teamrbac.invitation_retention = 'soon';
SET teamrbac.invitation_retention = '90 days';
SELECT teamrbac.purge_invitation_batch(0);
SELECT teamrbac.purge_invitation_batch(3);
CALL teamrbac.purge(1);
SELECT email FROM teamrbac.invitation ORDER BY 1;
SELECT count(*) - :events AS "new events" FROM teamrbac.audit_event;
SELECT token AS still FROM teamrbac.invite_member(:'delta', 'still@example.com', 'reader') \gset
SET teamrbac.invitation_retention = '0';
CALL teamrbac.purge();
SELECT email FROM teamrbac.invitation ORDER BY 1;
RESET teamrbac.invitation_retention;

-- For the DBA.
SET ROLE regress_app;
CALL teamrbac.purge();
SELECT teamrbac.purge_tenant_batch(:acme, 1);
RESET ROLE;
RESET search_path;
DROP SCHEMA "my shop" CASCADE;
DROP EXTENSION teamrbac CASCADE;
DROP ROLE regress_app;
