-- The audit for a collector of logs: audit_export, audit_lines, audit_heads.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set acme '''00000000-0000-0000-0000-000000000001'''
\set ann '''00000000-0000-0000-0000-0000000000a1'''
\set bob '''00000000-0000-0000-0000-0000000000b1'''
SET application_name = 'a "quoted" name';
SELECT count(teamrbac.register_user(name || '@example.com', name, id::uuid)) FROM (VALUES ('Ann', :ann), ('Bob', :bob)) AS u(name, id);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (:acme, 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (:acme, :ann, 'owner'), (:acme, :bob, 'reader');
COMMIT;
SELECT teamrbac.sign_in(:ann, false);
CALL teamrbac.change_role(:acme, :bob, 'developer');
CALL teamrbac.remove_member(:acme, :bob);
-- What each line says, times and hashes apart.
SELECT jsonb_pretty(l::jsonb #- '{@timestamp}' #- '{event,hash}' #- '{teamrbac,previous_hash}' #- '{teamrbac,head,hash}' #- '{teamrbac,session_role}') AS line
	FROM teamrbac.audit_export(:acme) AS l WHERE l -> 'event' ->> 'action' ~ '^member';
SELECT l -> 'event' ->> 'sequence' AS sequence, l -> 'event' ->> 'action' AS action, l -> 'event' ->> 'type' AS type, l ->> '@timestamp' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$' AS dated,
	l #>> '{teamrbac,previous_hash}' = COALESCE(lag(l #>> '{event,hash}') OVER (ORDER BY n), '') AS follows, (l #>> '{teamrbac,head,hash}') = h.hash AS head, l #>> '{teamrbac,head,sequence}' AS last
	FROM teamrbac.audit_export(:acme) WITH ORDINALITY AS x(l, n), teamrbac.audit_heads() AS h WHERE h.chain = :acme;
-- A line is a line.
SELECT count(*) FROM teamrbac.audit_export(:acme) AS l WHERE l::text ~ '[\n\r]';
-- By pages.
SELECT l -> 'event' ->> 'sequence' AS sequence FROM teamrbac.audit_export(:acme, NULL, 2) AS l;
SELECT l -> 'event' ->> 'sequence' AS sequence FROM teamrbac.audit_export(:acme, 2, 2) AS l;
SELECT count(*) FROM teamrbac.audit_export(:acme, 5);
-- Of people and definitions, for the role that ships the audit.
CREATE ROLE regress_siem;
\set VERBOSITY sqlstate
SET ROLE regress_siem;
SELECT teamrbac.audit_lines(:ann, NULL, 10, 'user');
SELECT teamrbac.audit_heads();
SELECT teamrbac.sign_out();
SELECT teamrbac.audit_export(:acme);
SELECT teamrbac.sign_in(:bob, false);
RESET ROLE;
GRANT EXECUTE ON FUNCTION teamrbac.audit_lines(uuid, bigint, integer, text), teamrbac.audit_heads() TO regress_siem;
SET ROLE regress_siem;
SELECT l -> 'event' ->> 'action' AS action, l -> 'organization' AS organization FROM teamrbac.audit_lines(:ann, NULL, 10, 'user') AS l;
SELECT scope, chain, sequence, kept_after FROM teamrbac.audit_heads();
SELECT teamrbac.audit_lines(:acme, 0, 0);
SELECT teamrbac.audit_lines(:acme, 0, 10001);
SELECT teamrbac.audit_lines(:acme, 0, NULL);
SELECT teamrbac.audit_lines(:acme, 0, 1, 'restore');
SELECT teamrbac.audit_lines(NULL);
RESET ROLE;
\set VERBOSITY default
-- Retention leaves no gap that nobody notices.
SELECT pg_sleep(0.01);
SET teamrbac.audit_retention = '0';
SELECT teamrbac.purge_audit_batch(1000) > 0 AS purged;
RESET teamrbac.audit_retention;
SELECT teamrbac.audit_export(:acme, 2);
SELECT count(*) FROM teamrbac.audit_export(:acme, 5);
UPDATE teamrbac.tenant SET name = 'Later';
SELECT l -> 'event' ->> 'sequence' AS sequence FROM teamrbac.audit_export(:acme) AS l;
DROP EXTENSION teamrbac CASCADE;
DROP ROLE regress_siem;
