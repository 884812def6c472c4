-- Events past their retention go; the chain stays verifiable, and a broken one keeps its evidence.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set acme '''00000000-0000-0000-0000-000000000001'''
\set zeta '''00000000-0000-0000-0000-000000000002'''
\set ann '''00000000-0000-0000-0000-0000000000a1'''
SELECT teamrbac.register_user('ann@example.com', 'Ann', :ann) IS NOT NULL AS registered;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (:acme, 'Acme'), (:zeta, 'Zeta');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (:acme, :ann, 'owner'), (:zeta, :ann, 'owner');
COMMIT;
UPDATE teamrbac.tenant SET name = name || n FROM generate_series(1, 4) AS n;
UPDATE teamrbac.tenant SET name = 'again ' || name;
UPDATE teamrbac.tenant SET name = 'and ' || name;
UPDATE teamrbac.tenant SET name = 'once more ' || name;
-- Ages the first n events of each chain by a year, with hashes to match, as time would have.
CREATE PROCEDURE age(n bigint) LANGUAGE plpgsql AS $$
DECLARE
	e teamrbac.audit_event;
	last bytea;
BEGIN
	FOR e IN SELECT * FROM teamrbac.audit_event ORDER BY tenant_id, scope, sequence LOOP
		last := CASE WHEN e.sequence = 1 THEN '\x'::bytea ELSE last END;
		e.previous_hash := last;
		e.occurred_at := e.occurred_at - CASE WHEN e.sequence <= n THEN interval '1 year' ELSE interval '0' END;
		e.hash := teamrbac.audit_hash(e);
		UPDATE teamrbac.audit_event SET occurred_at = e.occurred_at, previous_hash = e.previous_hash, hash = e.hash
			WHERE tenant_id = e.tenant_id AND scope = e.scope AND sequence = e.sequence;
		UPDATE teamrbac.audit_head SET hash = e.hash WHERE tenant_id = e.tenant_id AND scope = e.scope;
		last := e.hash;
	END LOOP;
END $$;
CREATE VIEW chains AS
	SELECT h.scope, right(h.tenant_id::text, 2) AS chain, h.anchor_sequence AS anchor, h.sequence AS last, count(e.sequence) AS events, min(e.sequence) AS first, v.valid, v.broken_at, v.problem
	FROM teamrbac.audit_head AS h LEFT JOIN teamrbac.audit_event AS e USING (tenant_id, scope), teamrbac.verify_audit(h.tenant_id) AS v
	GROUP BY h.scope, h.tenant_id, h.anchor_sequence, h.sequence, v.valid, v.broken_at, v.problem ORDER BY 1, 2;
CALL age(4);
SELECT * FROM chains;

-- For ever, unless somebody decides otherwise.
SELECT teamrbac.purge_audit_batch(100);
SET teamrbac.audit_retention = '2 years';
SELECT teamrbac.purge_audit_batch(100);
SET teamrbac.audit_retention = '30 days';
-- In batches, across chains; a user's only event goes too.
SELECT teamrbac.purge_audit_batch(3);
SELECT * FROM chains;
SELECT teamrbac.purge_audit_batch(3), teamrbac.purge_audit_batch(3), teamrbac.purge_audit_batch(3);
SELECT * FROM chains;
-- The chain goes on where it was.
UPDATE teamrbac.tenant SET name = 'later ' || name;
UPDATE teamrbac.app_user SET display_name = 'Ann B';
SELECT * FROM chains;
-- The anchor holds what was removed: the first of those left cannot be replaced, nor can a removed one come back.
BEGIN;
UPDATE teamrbac.audit_event AS e SET after = '{}' WHERE sequence = 5 AND tenant_id = :acme;
UPDATE teamrbac.audit_event AS e SET hash = teamrbac.audit_hash(e) WHERE sequence = 5 AND tenant_id = :acme;
SELECT broken_at, problem FROM teamrbac.verify_audit(:acme);
ROLLBACK;
BEGIN;
UPDATE teamrbac.audit_event AS e SET previous_hash = '\x' WHERE sequence = 5 AND tenant_id = :acme;
UPDATE teamrbac.audit_event AS e SET hash = teamrbac.audit_hash(e) WHERE sequence = 5 AND tenant_id = :acme;
SELECT broken_at, problem FROM teamrbac.verify_audit(:acme);
ROLLBACK;
BEGIN;
INSERT INTO teamrbac.audit_event SELECT tenant_id, scope, 4, occurred_at, actor_kind, actor_id, session_role, application_name, action, subject, before, after, salt, previous_hash, hash FROM teamrbac.audit_event WHERE sequence = 5 AND tenant_id = :acme;
SELECT broken_at, problem FROM teamrbac.verify_audit(:acme);
ROLLBACK;

-- Removed behind our back is noticed, before and after the rest is due.
BEGIN;
DELETE FROM teamrbac.audit_event WHERE tenant_id = :acme AND sequence = 6;
SELECT broken_at, problem FROM teamrbac.verify_audit(:acme);
ROLLBACK;
-- A broken chain keeps its events from the break on; the others are purged all the same.
UPDATE teamrbac.audit_event SET subject = 'tenant:x' WHERE sequence = 6 AND tenant_id = :acme;
SET teamrbac.audit_retention = '0';
SELECT teamrbac.purge_audit_batch(100);
SELECT * FROM chains;
SELECT teamrbac.purge_audit_batch(100);
SELECT * FROM chains;

-- Bad arguments; and it is nobody's but the DBA's.
SELECT teamrbac.purge_audit_batch(0);
SELECT teamrbac.purge_audit_batch(NULL);
CREATE ROLE regress_app;
SET ROLE regress_app;
SELECT teamrbac.purge_audit_batch(1);
SET teamrbac.audit_retention = '0';
RESET ROLE;

DROP VIEW chains;
DROP PROCEDURE age;
DROP EXTENSION teamrbac CASCADE;
DROP ROLE regress_app;
