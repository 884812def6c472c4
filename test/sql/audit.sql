-- The audit: one event for each thing done, by whom, before and after; append-only; a chain that shows tampering.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set ann '''00000000-0000-0000-0000-0000000000a1'''
\set bob '''00000000-0000-0000-0000-0000000000b1'''
\set cid '''00000000-0000-0000-0000-0000000000c1'''
\set acme '''00000000-0000-0000-0000-000000000001'''
CREATE FUNCTION readable(text) RETURNS text LANGUAGE sql IMMUTABLE
	AS $$ SELECT regexp_replace(regexp_replace($1, '00000000-0000-0000-0000-0000000000', '', 'g'), '\d{4}-\d\d-\d\dT[0-9:.+Z-]+', 'TIME', 'g') $$;
CREATE VIEW events AS
	SELECT scope, right(tenant_id::text, 2) AS chain, sequence AS n, actor_kind, right(actor_id::text, 2) AS actor, action, readable(subject) AS subject, readable(before::text) AS before, readable(after::text) AS after
	FROM teamrbac.audit_event WHERE tenant_id::text LIKE '00000000-%' ORDER BY scope, tenant_id, sequence;

-- Commands: one event each, by whoever was signed in.
SELECT count(teamrbac.register_user(n || '@example.com', n, ('00000000-0000-0000-0000-0000000000' || n)::uuid)) FROM unnest(ARRAY['a1', 'b1', 'c1']) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (:acme, 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (:acme, :ann, 'owner'), (:acme, :bob, 'admin'), (:acme, :cid, 'developer');
COMMIT;
SELECT teamrbac.sign_in(:ann, false);
CALL teamrbac.change_role(:acme, :cid, 'reader');
CALL teamrbac.set_membership_expiry(:acme, :cid, '2040-01-02 03:04:05+01');
CALL teamrbac.set_membership_expiry(:acme, :cid, NULL);
CALL teamrbac.remove_member(:acme, :cid);
CALL teamrbac.transfer_ownership(:acme, :bob);
CALL teamrbac.leave_tenant(:acme);
SELECT teamrbac.sign_in(:bob, false);
SELECT teamrbac.create_tenant('Borealis', 'borealis') AS borealis \gset
CALL teamrbac.assign_owner(:acme, :ann);
CALL teamrbac.assign_owner(:acme, :bob);
CALL teamrbac.delete_tenant(:acme, 'Acme');
CALL teamrbac.restore_tenant(:acme);
SELECT teamrbac.update_user(:cid, display_name => 'Cid "the Kid"');
CALL teamrbac.disable_user(:cid);
CALL teamrbac.enable_user(:cid);
SELECT teamrbac.define_permission('reports.view', 'View reports', '{admin}');
SELECT teamrbac.define_role('analyst', 'Analyst', '{reports.view}');
SELECT teamrbac.define_role('analyst', 'Analyst', '{reports.view,logs.view}');
SELECT teamrbac.drop_role('analyst');
SELECT teamrbac.drop_permission('reports.view');
CREATE ROLE regress_psql;
SELECT teamrbac.map_database_role(:cid, 'regress_psql');
SELECT teamrbac.map_database_role(NULL, 'regress_psql');
-- What fails, or is taken back, leaves none.
CALL teamrbac.change_role(:acme, :cid, 'reader');
BEGIN;
CALL teamrbac.change_role(:acme, :ann, 'reader');
ROLLBACK;
SELECT * FROM events;
SELECT action, after, session_role = session_user AS by_me, application_name FROM teamrbac.audit_event WHERE tenant_id = :'borealis';

-- Changes by hand: each row once, as a database role's.  A change that changes nothing is none.
SELECT max(sequence) AS before_direct FROM teamrbac.audit_event WHERE tenant_id = :acme \gset
UPDATE teamrbac.membership SET role = 'developer' WHERE tenant_id = :acme AND role = 'admin';
UPDATE teamrbac.membership SET role = role;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (:acme, :cid, 'reader');
DELETE FROM teamrbac.app_user WHERE user_id = :cid;
SELECT * FROM events WHERE scope <> 'platform' AND action LIKE 'direct.%' AND (scope <> 'tenant' OR n > :before_direct);
UPDATE teamrbac.tenant SET name = 'Acme Inc' WHERE tenant_id = :acme;
SELECT action, before ->> 'name' AS before, after ->> 'name' AS after FROM teamrbac.audit_event WHERE tenant_id = :acme ORDER BY sequence DESC LIMIT 1;
-- Whatever one setting says that a restore writes as well: no restore updates.
SET check_function_bodies = off;
UPDATE teamrbac.tenant SET name = 'Acme' WHERE tenant_id = :acme;
RESET check_function_bodies;
SELECT after ->> 'name' AS after FROM teamrbac.audit_event WHERE tenant_id = :acme ORDER BY sequence DESC LIMIT 1;

-- The view shows a tenant's events to those with audit.view there, and all of them to a superuser.
SELECT count(*) = (SELECT count(*) FROM teamrbac.audit_event) AS all FROM teamrbac.audit_trail;
CREATE ROLE regress_app;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_app;
GRANT ALL ON ALL TABLES IN SCHEMA teamrbac TO regress_app;
SET ROLE regress_app;
SELECT count(*) FROM teamrbac.audit_trail WHERE tenant_id <> :acme AND tenant_id <> :'borealis';
SELECT replace(actor, session_user, 'of the DBA') AS actor, action FROM teamrbac.audit_trail WHERE tenant_id = :acme ORDER BY sequence LIMIT 7;
SELECT valid, problem FROM teamrbac.verify_audit(:acme);
SELECT teamrbac.sign_in(:ann, false);
SELECT count(*) FROM teamrbac.audit_trail;
SELECT * FROM teamrbac.verify_audit(:acme);
SELECT * FROM teamrbac.verify_audit('00000000-0000-0000-0000-0000000000ff');
SELECT * FROM teamrbac.verify_audit(NULL);
SELECT teamrbac.sign_out();
SELECT count(*) FROM teamrbac.audit_trail;
SELECT * FROM teamrbac.verify_audit(:acme);
-- Append-only, whatever was granted by mistake.
UPDATE teamrbac.audit_event SET action = 'x';
DELETE FROM teamrbac.audit_event;
TRUNCATE teamrbac.audit_event;
DELETE FROM teamrbac.audit_head;
INSERT INTO teamrbac.audit_event SELECT * FROM teamrbac.audit_event;
INSERT INTO teamrbac.audit_event VALUES (:acme, 'tenant', 999, now(), 'database_role', NULL, 'x', 'x', 'x', 'x', NULL, NULL, '', '');
SELECT teamrbac.audit_hash(NULL);
RESET ROLE;

-- Tampering by a superuser is noticed, and where it begins.
CREATE FUNCTION tamper(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE verdict text;
BEGIN
	BEGIN
		EXECUTE statement;
		SELECT format('%s at %s', COALESCE(problem, 'nothing'), broken_at) INTO verdict FROM teamrbac.verify_audit('00000000-0000-0000-0000-000000000001');
		RAISE EXCEPTION USING ERRCODE = 'TR000';
	EXCEPTION WHEN SQLSTATE 'TR000' THEN RETURN verdict;
	END;
END $$;
SELECT n, left(statement, 60) AS statement, tamper(replace(statement, 'event', 'teamrbac.audit_event') || CASE WHEN statement ~ 'head' THEN '' ELSE ' AND tenant_id = ''00000000-0000-0000-0000-000000000001''' END) AS found FROM (VALUES
	(1, 'UPDATE event SET action = action WHERE true'),
	(2, 'UPDATE event SET after = ''{"role": "owner"}'' WHERE sequence = 5'),
	(3, 'UPDATE event SET occurred_at = occurred_at + interval ''1 us'' WHERE sequence = 6'),
	(4, 'UPDATE event SET actor_id = NULL, actor_kind = ''database_role'' WHERE sequence = 7'),
	(5, 'DELETE FROM event WHERE sequence = 8'),
	(6, 'DELETE FROM event WHERE sequence = 1'),
	(7, 'DELETE FROM event WHERE sequence > 12'),
	(8, 'DELETE FROM event WHERE true'),
	(9, 'UPDATE event SET sequence = sequence + 1000 WHERE sequence = 4'),
	(10, 'UPDATE event SET sequence = CASE sequence WHEN 3 THEN -4 ELSE -3 END WHERE sequence IN (3, 4)'),
	(11, 'INSERT INTO event SELECT tenant_id, scope, sequence + 1, occurred_at, actor_kind, actor_id, session_role, application_name, action, subject, before, after, salt, previous_hash, hash FROM event WHERE sequence >= (SELECT max(sequence) FROM event WHERE tenant_id = ''00000000-0000-0000-0000-000000000001'')'),
	(12, 'UPDATE teamrbac.audit_head SET sequence = sequence + 1'),
	(13, 'DELETE FROM teamrbac.audit_head')) AS t(n, statement) ORDER BY n;
-- Two events exchanged, each with its own hash.
BEGIN;
UPDATE teamrbac.audit_event SET sequence = -sequence WHERE tenant_id = :acme AND sequence IN (3, 4);
UPDATE teamrbac.audit_event SET sequence = 7 + sequence WHERE tenant_id = :acme AND sequence < 0;
SELECT * FROM teamrbac.verify_audit(:acme);
-- Even with hashes made anew, the next event gives it away.
UPDATE teamrbac.audit_event AS e SET hash = teamrbac.audit_hash(e) WHERE tenant_id = :acme AND sequence IN (3, 4);
SELECT * FROM teamrbac.verify_audit(:acme);
ROLLBACK;
SELECT * FROM teamrbac.verify_audit(:acme);
-- A user's chain and the definitions'.
SELECT valid, problem FROM teamrbac.verify_audit(:cid) UNION ALL SELECT valid, problem FROM teamrbac.verify_audit('00000000-0000-0000-0000-000000000000');

DROP VIEW events;
DROP FUNCTION tamper, readable;
DROP OWNED BY regress_app;
DROP EXTENSION teamrbac CASCADE;
DROP ROLE regress_app, regress_psql;
