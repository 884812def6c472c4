-- What members and API keys use, by permission: recorded while a setting is on, whose it is and no one else's, and what
-- access_review makes of it.
\i test/fixtures/acme.sql
CREATE TABLE prompt (tenant_id uuid NOT NULL, id int PRIMARY KEY, body text);
INSERT INTO prompt VALUES (u('a0'), 1, 'of Acme'), (u('b0'), 2, 'of Borealis');
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
CREATE TABLE shared (tenant_id uuid NOT NULL, id int PRIMARY KEY);
INSERT INTO shared VALUES (u('a0'), 1), (u('b0'), 2);
SELECT teamrbac.protect_table('shared', 'logs.view', 'logs.view', across_tenants => true);
GRANT ALL ON prompt, shared TO regress_app;
-- All that is recorded.
CREATE FUNCTION today() RETURNS date LANGUAGE sql STABLE AS $$ SELECT (statement_timestamp() AT TIME ZONE 'UTC')::date $$;
CREATE VIEW used AS
	SELECT t.name AS tenant, a.display_name AS who, string_agg(p.permission
			|| CASE WHEN p.last_used_on = today() THEN '' ELSE format(' (%s days ago)', today() - p.last_used_on) END, ', ' ORDER BY p.permission) AS permissions
	FROM (SELECT tenant_id, user_id AS subject_id, permission, last_used_on FROM teamrbac.member_permission_use
		  UNION ALL SELECT tenant_id, key_id, permission, last_used_on FROM teamrbac.key_permission_use) AS p
	LEFT JOIN teamrbac.tenant AS t USING (tenant_id)
	LEFT JOIN (SELECT user_id AS subject_id, display_name FROM teamrbac.app_user UNION ALL SELECT key_id, 'key ' || name FROM teamrbac.api_key) AS a USING (subject_id)
	GROUP BY 1, 2 ORDER BY 1, 2;

-- Off, nothing is; on, what a policy lets through is, and what it does not is not.
BEGIN; SET LOCAL ROLE regress_app; SELECT teamrbac.sign_in(u('06')); SELECT id FROM prompt; COMMIT;
SELECT * FROM used;
SET teamrbac.record_permission_use = on;
BEGIN; SET LOCAL ROLE regress_app; SELECT teamrbac.sign_in(u('06')); SELECT id FROM prompt; UPDATE prompt SET body = ''; COMMIT;
BEGIN; SET LOCAL ROLE regress_app; SELECT teamrbac.sign_in(u('05')); UPDATE prompt SET body = body RETURNING id; COMMIT;
SELECT * FROM used;
-- Nobody, a stranger and an unknown tenant use nothing.
BEGIN; SET LOCAL ROLE regress_app; SELECT id FROM prompt; SELECT teamrbac.has_permission(u('a0'), 'logs.view'); COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('11')); SELECT teamrbac.has_permission(u('a0'), 'logs.view'), teamrbac.has_permission(u('ff'), 'logs.view'); COMMIT;
SELECT * FROM used;
DELETE FROM teamrbac.member_permission_use;
\c
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SET teamrbac.record_permission_use = on;

-- Calls, in SQL, in PL/pgSQL without the executor, in a list, in a trigger.  Explanations and lists are no use.
BEGIN; SELECT teamrbac.sign_in(u('02')); SELECT teamrbac.has_permission(u('a0'), 'endpoints.edit'), teamrbac.has_permission(u('a0'), 'billing.manage'); COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('02')); SELECT teamrbac.require_permission(u('a0'), 'snippets.edit'); COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('02')); DO $$ BEGIN IF teamrbac.has_permission(u('a0'), 'logs.view') THEN NULL; END IF; END $$; COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('01')); SELECT teamrbac.permitted_tenants('prompts.promote') = ARRAY[u('a0')] AS permitted; COMMIT;
BEGIN; SET LOCAL ROLE regress_app; SELECT teamrbac.sign_in(u('07')); SELECT id FROM shared; COMMIT;
BEGIN;
SELECT teamrbac.sign_in(u('03'));
SELECT allowed FROM teamrbac.explain_permission(u('a0'), 'audit.view');
SELECT count(*) > 10 AS all_of_them FROM unnest(teamrbac.my_permissions(u('a0')));
SELECT count(*) FROM teamrbac.member_actions(u('a0'));
SELECT count(*) FROM teamrbac.my_tenants();
SELECT count(*) > 0 AS some FROM teamrbac.team;
COMMIT;
SELECT * FROM used;
-- Commands use what they need; of two permissions of which one is enough, the lesser one.
BEGIN; SELECT teamrbac.sign_in(u('03')); CALL teamrbac.change_role(u('a0'), u('06'), 'developer'); CALL teamrbac.change_role(u('a0'), u('06'), 'reader'); COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('03')); SELECT secret AS of_alma FROM teamrbac.create_api_key(u('a0'), 'key of Alma', 'developer') \gset
COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('02')); SELECT count(*) > 0 AS some FROM teamrbac.audit_export(u('a0')); COMMIT;
-- A key is itself, not its maker; nothing is counted twice, whatever the two have for an id.
BEGIN; SELECT role FROM teamrbac.sign_in_with_api_key(:'of_alma'); SET LOCAL ROLE regress_app; UPDATE prompt SET body = body RETURNING id; COMMIT;
-- One after another in one transaction.
BEGIN; SELECT teamrbac.sign_in(u('04')); SELECT teamrbac.has_permission(u('a0'), 'logs.view'); SELECT teamrbac.sign_in(u('05')); SELECT teamrbac.has_permission(u('a0'), 'endpoints.edit'); COMMIT;
SELECT * FROM used;
-- A visitor of the staff is no member.
BEGIN; SELECT teamrbac.sign_in_as_staff(u('14'), u('a0'), 'ticket 1'); COMMIT;
BEGIN; SELECT teamrbac.sign_in_as_staff(u('14'), u('a0'), 'ticket 1') IS NOT NULL AS visits; SELECT teamrbac.has_permission(u('a0'), 'logs.view'); COMMIT;
SELECT * FROM used WHERE who = 'Dave';

-- Nothing is written by a transaction that may not write, or stays of one that is rolled back; it is remembered, and
-- written as whose it is by whoever writes next in that session.
DELETE FROM teamrbac.member_permission_use;
DELETE FROM teamrbac.key_permission_use;
\c
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SET teamrbac.record_permission_use = on;
BEGIN READ ONLY; SELECT teamrbac.sign_in(u('02')); SELECT teamrbac.has_permission(u('a0'), 'audit.view'); SELECT pg_current_xact_id_if_assigned() IS NULL AS wrote_nothing; COMMIT;
SET default_transaction_read_only = on;
BEGIN; SELECT teamrbac.sign_in(u('02')); SELECT teamrbac.has_permission(u('a0'), 'roles.manage'); COMMIT;
SET default_transaction_read_only = off;
BEGIN TRANSACTION READ ONLY; SELECT * FROM used; COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('05')); SELECT teamrbac.has_permission(u('a0'), 'prompts.promote'); ROLLBACK;
BEGIN READ ONLY; SELECT * FROM used; COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('06')); SAVEPOINT s; SELECT teamrbac.has_permission(u('a0'), 'logs.view'); ROLLBACK TO s; COMMIT;
SELECT * FROM used;
-- What a transaction has written that is rolled back at the last moment is written by the next that uses something.
BEGIN;
SELECT teamrbac.sign_in(u('06'));
SELECT teamrbac.has_permission(u('a0'), 'snippets.view');
SELECT teamrbac.sign_out();
UPDATE teamrbac.membership SET role = 'reader' WHERE tenant_id = u('a0') AND role = 'owner';
COMMIT;
SELECT * FROM used WHERE who = 'Rita';
BEGIN; COMMIT;
SELECT * FROM used WHERE who = 'Rita';
BEGIN; SELECT teamrbac.sign_in(u('06')); SELECT teamrbac.has_permission(u('a0'), 'logs.view'); COMMIT;
SELECT * FROM used WHERE who = 'Rita';
-- In each isolation level.
BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT teamrbac.sign_in(u('06')); SELECT teamrbac.has_permission(u('a0'), 'prompts.view'); COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT teamrbac.sign_in(u('06')); SELECT teamrbac.has_permission(u('a0'), 'endpoints.view'); COMMIT;
SELECT * FROM used WHERE who = 'Rita';
-- A transaction that changes nothing else is not kept waiting for it, and the setting is the session's again.
SHOW synchronous_commit;
-- A procedure that commits.
SELECT teamrbac.sign_in(u('05'), false);
DO $$ BEGIN PERFORM teamrbac.has_permission(u('a0'), 'snippets.edit'); COMMIT; PERFORM teamrbac.has_permission(u('a0'), 'snippets.view'); COMMIT; END $$;
SELECT teamrbac.sign_out();
SELECT * FROM used WHERE who = 'Dana';

-- At most once a day; an older day is renewed, one in the future left alone.
SELECT max(xmin::text::bigint) AS before FROM teamrbac.member_permission_use \gset
BEGIN; SELECT teamrbac.sign_in(u('06')); SELECT teamrbac.has_permission(u('a0'), 'logs.view') FROM generate_series(1, 3); COMMIT;
\c
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SET teamrbac.record_permission_use = on;
BEGIN; SELECT teamrbac.sign_in(u('06')); SELECT teamrbac.has_permission(u('a0'), 'logs.view') FROM generate_series(1, 3); COMMIT;
SELECT max(xmin::text::bigint) = :before AS unchanged FROM teamrbac.member_permission_use;
UPDATE teamrbac.member_permission_use SET last_used_on = last_used_on + CASE permission WHEN 'logs.view' THEN -5 WHEN 'prompts.view' THEN 5 ELSE -7 END WHERE user_id = u('06');
\c
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SET teamrbac.record_permission_use = on;
BEGIN; SELECT teamrbac.sign_in(u('06')); SELECT teamrbac.has_permission(u('a0'), 'logs.view'), teamrbac.has_permission(u('a0'), 'prompts.view'); COMMIT;
SELECT * FROM used WHERE who = 'Rita';

-- Who may know: whoever may view the audit, of their own tenant; a superuser.
SELECT kind, name, role, permission, today() - last_used_on AS days_ago, today() - recorded_since AS recorded_for FROM teamrbac.access_used(u('a0'));
SELECT kind, name, permission FROM teamrbac.access_used(u('a0'), today() - 6) WHERE name = 'Rita';
SELECT * FROM everybody($$SELECT teamrbac.access_used(u('a0'))$$);
SELECT * FROM everybody($$SELECT teamrbac.access_used(NULL)$$);
SELECT * FROM everybody($$SELECT FROM teamrbac.member_permission_use$$);
SELECT * FROM everybody($$SELECT FROM teamrbac.key_permission_use$$);
SELECT * FROM everybody($$SELECT teamrbac.uses_in_tenant(u('a0'), NULL)$$);
SELECT * FROM everybody($$SELECT teamrbac.least_role(u('a0'), NULL, NULL, false)$$);
SELECT * FROM everybody($$SELECT teamrbac.changed_since(u('a0'), '{}', now())$$);
SELECT * FROM everybody($$SELECT teamrbac.purge_use_batch(1)$$);
SELECT * FROM everybody($$SET teamrbac.record_permission_use = off$$);
SELECT * FROM everybody($$SET teamrbac.unused_after = '1 day'$$);

-- Since when it has been recorded without a gap: a sign-in while it is off ends that.
CREATE VIEW recorded AS SELECT a.display_name AS who, today() - s.recorded_since AS recorded_for FROM teamrbac.user_activity AS s JOIN teamrbac.app_user AS a USING (user_id) ORDER BY 1;
UPDATE teamrbac.user_activity SET recorded_since = recorded_since - 100;
SELECT * FROM recorded;
BEGIN; SELECT teamrbac.sign_in(u('06')); COMMIT;
SELECT * FROM recorded WHERE who = 'Rita';
SET teamrbac.record_permission_use = off;
BEGIN; SELECT teamrbac.sign_in(u('06')); COMMIT;
SELECT * FROM recorded WHERE who = 'Rita';
SET teamrbac.record_permission_use = on;
BEGIN; SELECT teamrbac.sign_in(u('06')); COMMIT;
SELECT * FROM recorded WHERE who = 'Rita';
BEGIN; SELECT teamrbac.sign_in(u('11')); COMMIT;
SELECT * FROM recorded WHERE who = 'Ann';
-- A key likewise, however seldom its use is noted.
SET teamrbac.key_use_granularity = '1 day';
CREATE FUNCTION key_recorded() RETURNS int LANGUAGE sql AS $$ SELECT today() - recorded_since FROM teamrbac.api_key_use $$;
UPDATE teamrbac.api_key_use SET recorded_since = recorded_since - 100;
SELECT key_recorded();
BEGIN; SELECT role FROM teamrbac.sign_in_with_api_key(:'of_alma'); COMMIT;
SELECT key_recorded();
SET teamrbac.record_permission_use = off;
BEGIN; SELECT role FROM teamrbac.sign_in_with_api_key(:'of_alma'); COMMIT;
SELECT key_recorded();
SET teamrbac.record_permission_use = on;
BEGIN; SELECT role FROM teamrbac.sign_in_with_api_key(:'of_alma'); COMMIT;
SELECT key_recorded();

-- What access_review says: who has more than they used in 90 days, all of which were recorded.  Adam viewed the audit,
-- Alma nothing that a reader may not; Dana edited, Leo managed, Rita is a reader.
CREATE FUNCTION readable(t text) RETURNS text LANGUAGE sql AS $$ SELECT regexp_replace(t, '0000-0000-0000-0000000000', '..', 'g') $$;
CREATE VIEW review AS SELECT finding, severity, subject, readable(detail) AS detail, readable(remedy) AS remedy FROM teamrbac.access_review() WHERE tenant = 'Acme' AND finding ~ 'use$';
DELETE FROM teamrbac.member_permission_use;
INSERT INTO teamrbac.member_permission_use SELECT u('a0'), u(who), permission, today() - days FROM (VALUES
	('02', 'audit.view', 90), ('02', 'logs.view', 1), ('03', 'prompts.view', 0), ('03', 'logs.view', 5), ('03', 'audit.view', 91),
	('04', 'team.manage', 3), ('05', 'prompts.edit', 3), ('06', 'logs.view', 3)) AS v(who, permission, days);
INSERT INTO teamrbac.user_activity SELECT u(n), today(), today() - 91 FROM unnest(ARRAY['01', '02', '03', '04', '05', '06']) AS n
	ON CONFLICT (user_id) DO UPDATE SET last_active_on = EXCLUDED.last_active_on, recorded_since = EXCLUDED.recorded_since;
UPDATE teamrbac.membership SET joined_at = now() - interval '92 days';
SET session_replication_role = replica;
DELETE FROM teamrbac.audit_event WHERE tenant_id = u('a0');
RESET session_replication_role;
SELECT * FROM review;
-- Not for a period of which a part was not recorded, or they were no member, or had another role.
UPDATE teamrbac.user_activity SET recorded_since = recorded_since + 1;
SELECT * FROM review;
SET teamrbac.unused_after = '89 days';
SELECT count(*) FROM review;
RESET teamrbac.unused_after;
UPDATE teamrbac.user_activity SET recorded_since = recorded_since - 1;
UPDATE teamrbac.membership SET joined_at = now() - interval '90 days';
SELECT * FROM review;
UPDATE teamrbac.membership SET joined_at = now() - interval '92 days';
SELECT teamrbac.sign_in(u('01'), false);
CALL teamrbac.change_role(u('a0'), u('03'), 'lead');
CALL teamrbac.change_role(u('a0'), u('03'), 'admin');
SELECT * FROM review;
SET session_replication_role = replica;
DELETE FROM teamrbac.audit_event WHERE tenant_id = u('a0');
RESET session_replication_role;
-- The smallest role that there is, a tenant's own among them; and the remedy works.
SELECT teamrbac.define_tenant_role(u('a0'), 'watcher', 'Watches', ARRAY['prompts.view', 'logs.view']);
SELECT teamrbac.define_tenant_role(u('a0'), 'auditor', 'Audits', ARRAY['audit.view', 'prompts.view', 'logs.view']);
SELECT * FROM review;
SELECT teamrbac.start_review(u('a0'), now() + interval '1 day') AS review \gset
SELECT name, role, findings FROM teamrbac.review_items(:'review') WHERE findings ~ 'use';
-- The team keeps two who manage it.
UPDATE teamrbac.app_user SET disabled_at = now() WHERE user_id IN (u('04'), u('02'));
SELECT * FROM review WHERE subject ~ 'Alma';
UPDATE teamrbac.app_user SET disabled_at = NULL;
-- Nor of a role that became another one meanwhile.
UPDATE teamrbac.membership SET role = 'auditor' WHERE user_id = u('03');
SET session_replication_role = replica;
DELETE FROM teamrbac.audit_event WHERE tenant_id = u('a0') AND subject ~ 'member';
RESET session_replication_role;
SELECT * FROM review WHERE subject ~ 'Alma';
UPDATE teamrbac.membership SET role = 'admin' WHERE user_id = u('03');
SET session_replication_role = replica;
DELETE FROM teamrbac.audit_event WHERE tenant_id = u('a0');
RESET session_replication_role;
DO $$ BEGIN EXECUTE (SELECT remedy FROM teamrbac.access_review(u('a0')) WHERE finding = 'role beyond use' AND subject ~ 'Alma'); END $$;
SELECT role FROM teamrbac.membership WHERE user_id = u('03');
SELECT * FROM review;
-- Keys, by what keys may at all and what their own list leaves.
SELECT key_id AS wide FROM teamrbac.create_api_key(u('a0'), 'wide key of Olivia', 'developer', now() + interval '1 month') \gset
SELECT key_id AS narrow FROM teamrbac.create_api_key(u('a0'), 'narrow key of Olivia', 'developer', now() + interval '1 month', '{logs.view,prompts.view}') \gset
UPDATE teamrbac.api_key SET created_at = now() - interval '92 days';
UPDATE teamrbac.api_key_use SET last_used_at = now(), recorded_since = today() - 91;
INSERT INTO teamrbac.key_permission_use VALUES (u('a0'), :'wide', 'snippets.view', today()), (u('a0'), :'narrow', 'logs.view', today());
SELECT * FROM review WHERE finding = 'key beyond its use';
INSERT INTO teamrbac.key_permission_use VALUES (u('a0'), :'wide', 'snippets.edit', today() - 90);
SELECT * FROM review WHERE finding = 'key beyond its use';

-- It goes with the member, however that ends; with the user, the key's row, the permission, and by purge.
SELECT teamrbac.sign_out();
DELETE FROM teamrbac.member_permission_use;
INSERT INTO teamrbac.member_permission_use SELECT tenant_id, user_id, 'logs.view', today() FROM teamrbac.membership;
BEGIN; SELECT teamrbac.sign_in(u('01')); CALL teamrbac.remove_member(u('a0'), u('02')); COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('05')); CALL teamrbac.leave_tenant(u('a0')); COMMIT;
SELECT who FROM used WHERE tenant = 'Acme' AND who !~ '^key';
CALL teamrbac.delete_user(u('04'));
DELETE FROM teamrbac.app_user WHERE user_id = u('06');
SELECT who FROM used WHERE tenant = 'Acme' AND who !~ '^key';
-- Where others refer to the memberships, their rows go first, and past the server's own triggers.
CREATE ROLE regress_other;
CREATE TABLE desk (tenant_id uuid, user_id uuid, FOREIGN KEY (tenant_id, user_id) REFERENCES teamrbac.membership ON DELETE CASCADE);
ALTER TABLE desk OWNER TO regress_other;
INSERT INTO desk VALUES (u('a0'), u('03'));
BEGIN; SELECT teamrbac.sign_in(u('03')); CALL teamrbac.leave_tenant(u('a0')); COMMIT;
SELECT who FROM used WHERE tenant = 'Acme' AND who !~ '^key';
DROP TABLE desk;
-- A membership that has expired can be renewed, and then was no less recorded; forgotten, or ended by hand, it is purged.
BEGIN;
INSERT INTO teamrbac.membership (tenant_id, user_id, role, expires_at) VALUES (u('a0'), u('11'), 'reader', now()), (u('a0'), u('12'), 'reader', NULL);
INSERT INTO teamrbac.member_permission_use VALUES (u('a0'), u('11'), 'logs.view', today()), (u('a0'), u('12'), 'logs.view', today());
COMMIT;
CALL teamrbac.expire_memberships();
DELETE FROM teamrbac.membership WHERE user_id = u('12');
CALL teamrbac.purge();
SELECT who FROM used WHERE tenant = 'Acme' AND who !~ '^key';
SELECT name, permission FROM teamrbac.access_used(u('a0')) WHERE kind = 'member';
DELETE FROM teamrbac.expired_membership;
CALL teamrbac.purge(1);
SELECT who FROM used WHERE tenant = 'Acme';
UPDATE teamrbac.api_key SET revoked_at = now() WHERE key_id = :'wide';
SELECT name, permission FROM teamrbac.access_used(u('a0'));
CALL teamrbac.purge(1);
SELECT who FROM used;
SELECT teamrbac.define_permission('reports.view', 'View reports', '{developer}', true);
INSERT INTO teamrbac.member_permission_use VALUES (u('a0'), u('01'), 'reports.view', today());
INSERT INTO teamrbac.key_permission_use VALUES (u('a0'), :'narrow', 'reports.view', today());
SELECT teamrbac.drop_permission('reports.view');
SELECT * FROM used WHERE permissions ~ 'reports';
-- And with its tenant.
BEGIN; SELECT teamrbac.sign_in(u('07')); CALL teamrbac.delete_tenant(u('b0'), 'Borealis'); COMMIT;
SET teamrbac.deleted_tenant_retention = '0';
CALL teamrbac.purge();
SELECT * FROM used WHERE who = 'Sam';
-- One who is no member any more when it is to be written is forgotten, and so is what was used of an extension that is gone.
BEGIN READ ONLY; SELECT teamrbac.sign_in(u('01')); SELECT teamrbac.has_permission(u('a0'), 'billing.manage'); COMMIT;
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE teamrbac.membership SET user_id = u('13') WHERE user_id = u('01');
COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('13')); SELECT teamrbac.has_permission(u('a0'), 'billing.manage'); COMMIT;
SELECT who, permissions FROM used WHERE permissions ~ 'billing';

DROP VIEW used, recorded, review;
DROP TABLE prompt, shared;
DROP FUNCTION try, everybody, today, key_recorded, readable CASCADE;
BEGIN;
SELECT teamrbac.sign_in(u('13'));
SELECT teamrbac.has_permission(u('a0'), 'tenant.delete');
DROP EXTENSION teamrbac CASCADE;
COMMIT;
BEGIN; COMMIT;
DROP FUNCTION u;
DROP OWNED BY regress_app;
DROP ROLE regress_app, regress_other;
