-- The acting tenant: the one entered, the key's, or the only one; while one is entered, everything about another
-- answers as to a stranger, and nothing widens it but the next sign-in.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\pset null '-'
CREATE ROLE regress_app LOGIN;
CREATE ROLE regress_mapped LOGIN;
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(n || '@example.com', n, u(n))) FROM unnest(ARRAY['01', '02', '03', '04']) AS n;
-- 01 owns all three; 02 is admin of a0 and b0; 03 is in a0 alone; 04 in none.
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme'), (u('b0'), 'Borealis'), (u('c0'), 'Cirrus');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('b0'), u('01'), 'owner'), (u('c0'), u('01'), 'owner'),
	(u('a0'), u('02'), 'admin'), (u('b0'), u('02'), 'admin'), (u('a0'), u('03'), 'developer');
COMMIT;
CREATE TABLE note (tenant_id uuid NOT NULL DEFAULT teamrbac.current_tenant_id(), id int GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (tenant_id, id));
INSERT INTO note (tenant_id) SELECT t FROM unnest(ARRAY[u('a0'), u('a0'), u('b0'), u('c0')]) AS t;
SELECT teamrbac.protect_table('note', 'prompts.view', 'prompts.edit');
GRANT ALL ON note TO regress_app, regress_mapped;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean), teamrbac.sign_in_as_member(uuid, uuid, boolean) TO regress_app;
-- Who acts where, and what of it shows.
CREATE VIEW here AS
	SELECT right(teamrbac.current_user_id()::text, 2) AS who, right(teamrbac.current_tenant_id()::text, 2) AS tenant, (i).kind, right((i).tenant_id::text, 2) AS says
	FROM (SELECT teamrbac.current_identity() AS i) AS i;
GRANT SELECT ON here TO PUBLIC;

\echo == The only one, several, none
SET ROLE regress_app;
BEGIN; SELECT teamrbac.sign_in(u('03'));
SELECT * FROM here;
SELECT count(*) FROM note;
COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('02'));
SELECT * FROM here;
SAVEPOINT s;
\set VERBOSITY sqlstate
SELECT count(*) FROM note;
\set VERBOSITY default
ROLLBACK TO s;
SELECT teamrbac.permitted_tenant('prompts.view');
ROLLBACK TO s;
UPDATE note SET id = DEFAULT;
ROLLBACK TO s;
INSERT INTO note DEFAULT VALUES;
ROLLBACK TO s;
-- What names its tenant needs none to be entered.
SELECT teamrbac.has_permission(u('a0'), 'team.manage') AS a0, teamrbac.has_permission(u('b0'), 'team.manage') AS b0, cardinality(teamrbac.permitted_tenants('prompts.view')) AS permitted;
COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('04'));
SELECT * FROM here;
SELECT count(*), (SELECT teamrbac.permitted_tenant('prompts.view')) AS permitted FROM note;
COMMIT;
SELECT * FROM here;
SELECT count(*), (SELECT teamrbac.permitted_tenant('prompts.view')) AS permitted FROM note;

\echo == Entered: everything narrows
BEGIN; SELECT teamrbac.sign_in(u('02')); SELECT teamrbac.act_in_tenant(u('b0'));
SELECT * FROM here;
SELECT DISTINCT right(tenant_id::text, 2) AS rows_of FROM note;
SELECT right(t::text, 2) AS tenant, teamrbac.has_permission(t, 'team.manage') AS has, cardinality(teamrbac.my_permissions(t)) > 0 AS any, (e).allowed, (e).reason, right(((e).identity).tenant_id::text, 2) AS acting
	FROM (SELECT t, teamrbac.explain_permission(t, 'team.manage') AS e FROM unnest(ARRAY[u('a0'), u('b0'), u('ff')]) AS t) AS e;
SELECT teamrbac.permitted_tenant('prompts.view') = u('b0') AS here, teamrbac.permitted_tenants('prompts.view') = ARRAY[u('b0')] AS listed, teamrbac.visible_tenants() = ARRAY[u('b0')] AS visible, teamrbac.permitted_tenant('billing.manage') AS not_had;
SELECT right(tenant_id::text, 2) AS tenant, count(*) FROM teamrbac.team GROUP BY 1;
-- The menu that switches between them.
SELECT name, role FROM teamrbac.my_tenants();
SAVEPOINT s;
SELECT teamrbac.require_permission(u('a0'), 'team.manage');
ROLLBACK TO s;
INSERT INTO note DEFAULT VALUES RETURNING right(tenant_id::text, 2) AS tenant;
INSERT INTO note VALUES (u('a0'));
ROLLBACK TO s;
-- Commands: another tenant is refused in the words for one that does not exist.
SELECT right(t::text, 2) AS tenant, (SELECT count(*) FROM teamrbac.create_api_key(t, 'key', 'reader')) AS key FROM unnest(ARRAY[u('b0')]) AS t;
SELECT count(*) AS invited FROM teamrbac.invite_member(u('b0'), 'new@example.com', 'reader');
ROLLBACK TO s;
CALL teamrbac.change_role(u('a0'), u('03'), 'reader');
ROLLBACK TO s;
CALL teamrbac.change_role(u('ff'), u('03'), 'reader');
ROLLBACK TO s;
SELECT * FROM teamrbac.create_api_key(u('a0'), 'key', 'reader');
ROLLBACK TO s;
SELECT * FROM teamrbac.invite_member(u('a0'), 'new@example.com', 'reader');
ROLLBACK TO s;
SELECT * FROM teamrbac.removal_impact(u('a0'), u('03'));
ROLLBACK TO s;
SELECT * FROM teamrbac.verify_audit(u('a0'));
ROLLBACK;
RESET ROLE;
SELECT teamrbac.sign_in(u('02'), false);
SELECT count(key_id) AS keys FROM unnest(ARRAY[u('a0'), u('b0')]) AS t, teamrbac.create_api_key(t, 'key', 'reader');
SELECT count(invitation_id) AS invited FROM unnest(ARRAY[u('a0'), u('b0')]) AS t, teamrbac.invite_member(t, 'new@example.com', 'reader');
CREATE FUNCTION shows() RETURNS TABLE (view text, tenants text[]) LANGUAGE plpgsql AS $$
DECLARE
	v text;
BEGIN
	FOREACH v IN ARRAY ARRAY['team', 'api_key_overview', 'pending_invitation', 'audit_trail'] LOOP
		view := v;
		EXECUTE format('SELECT array_agg(DISTINCT right(tenant_id::text, 2) ORDER BY right(tenant_id::text, 2)) FROM teamrbac.%I', v) INTO tenants;
		RETURN NEXT;
	END LOOP;
END $$;
SET ROLE regress_app;
SELECT * FROM shows();
BEGIN; SELECT teamrbac.act_in_tenant(u('a0'));
SELECT * FROM shows();
COMMIT;
-- It was entered for the transaction.
SELECT tenants FROM shows() WHERE view = 'team';
SELECT teamrbac.sign_out();

\echo == Both in one call
BEGIN; SELECT teamrbac.sign_in_as_member(u('02'), u('a0'));
SELECT * FROM here;
COMMIT;
SELECT * FROM here;
SELECT teamrbac.sign_in_as_member(u('02'), u('b0'), false);
SELECT * FROM here;
SELECT teamrbac.sign_in_as_member(u('02'), u('c0'), false);
SELECT teamrbac.sign_in_as_member(u('02'), u('ff'), false);
SELECT teamrbac.sign_in_as_member(u('02'), NULL, false);
SELECT teamrbac.sign_in_as_member(NULL, u('b0'), false);
SELECT teamrbac.sign_in_as_member(u('ff'), u('b0'), false);
-- What failed has changed nothing.
SELECT * FROM here;

\echo == Never widened
SELECT teamrbac.act_in_tenant(u('a0'), false);
SELECT teamrbac.act_in_tenant(u('b0'), false);
SELECT * FROM here;
BEGIN; SELECT teamrbac.act_in_tenant(u('a0')); ROLLBACK;
-- But by the next sign-in.
SELECT teamrbac.sign_in(u('02'), false);
SELECT * FROM here;

\echo == Who cannot enter: nobody, a stranger, who names none
SELECT teamrbac.act_in_tenant(u('c0'), false);
SELECT teamrbac.act_in_tenant(u('ff'), false);
SELECT teamrbac.act_in_tenant(NULL, false);
SELECT * FROM here;
SELECT teamrbac.sign_out();
SELECT teamrbac.act_in_tenant(u('a0'), false);

\echo == For the transaction, for the session, to a savepoint
SELECT teamrbac.sign_in(u('02'), false);
SELECT teamrbac.act_in_tenant(u('a0'));
SELECT * FROM here;
BEGIN;
SELECT teamrbac.act_in_tenant(u('a0'));
SELECT * FROM here;
ROLLBACK;
SELECT * FROM here;
BEGIN;
SAVEPOINT s;
SELECT teamrbac.act_in_tenant(u('a0'));
SELECT count(*) FROM note;
ROLLBACK TO s;
SELECT * FROM here;
SELECT teamrbac.act_in_tenant(u('b0'));
SELECT count(*) FROM note;
SAVEPOINT s;
SELECT teamrbac.act_in_tenant(u('a0'));
ROLLBACK TO s;
SELECT * FROM here;
RELEASE s;
COMMIT;
SELECT * FROM here;
SELECT teamrbac.act_in_tenant(u('b0'), false);
BEGIN; ROLLBACK;
SELECT * FROM here;
-- An identity that ends with the transaction cannot act beyond it.
SELECT teamrbac.sign_out();
BEGIN;
SELECT teamrbac.sign_in(u('02'));
SELECT teamrbac.act_in_tenant(u('a0'), false);
ROLLBACK;
SELECT * FROM here;
-- A function of one's own that enters a tenant has entered it, and an error takes it back.
CREATE FUNCTION pg_temp.enter(tenant uuid, fail boolean) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM teamrbac.act_in_tenant(tenant);
	IF fail THEN
		RAISE EXCEPTION 'failed';
	END IF;
	RETURN (SELECT count(*) FROM note);
EXCEPTION WHEN raise_exception THEN
	RETURN -1;
END $$;
BEGIN; SELECT teamrbac.sign_in(u('02'));
SELECT pg_temp.enter(u('a0'), true);
SELECT * FROM here;
SELECT pg_temp.enter(u('a0'), false);
SELECT * FROM here;
COMMIT;

\echo == A membership that ends
RESET ROLE;
SELECT teamrbac.sign_in_as_member(u('02'), u('b0'), false);
SET ROLE regress_app;
SELECT count(*) FROM note;
RESET ROLE;
BEGIN;
DELETE FROM teamrbac.membership WHERE user_id = u('02') AND tenant_id = u('b0');
SET ROLE regress_app;
-- Still there, and nothing to be had: not what the user has elsewhere.
SELECT * FROM here;
SELECT (SELECT count(*) FROM note) AS rows, teamrbac.permitted_tenant('prompts.view') AS here, teamrbac.permitted_tenants('prompts.view') AS listed, teamrbac.has_permission(u('a0'), 'prompts.view') AS a0, (SELECT count(*) FROM teamrbac.team) AS team;
SELECT name FROM teamrbac.my_tenants();
ROLLBACK;
RESET ROLE;
BEGIN;
UPDATE teamrbac.membership SET expires_at = now() - interval '1 s' WHERE user_id = u('02') AND tenant_id = u('b0');
SELECT (SELECT count(*) FROM teamrbac.team) AS team, teamrbac.permitted_tenant('prompts.view') AS here;
SELECT teamrbac.act_in_tenant(u('b0'));
ROLLBACK;
BEGIN;
UPDATE teamrbac.tenant SET deleted_at = now() WHERE tenant_id = u('b0');
SELECT (SELECT count(*) FROM teamrbac.team) AS team, teamrbac.permitted_tenant('prompts.view') AS here;
SELECT teamrbac.act_in_tenant(u('b0'));
ROLLBACK;
-- The only live one is the acting one, as soon as it is the only one.
SELECT teamrbac.sign_in(u('02'), false);
SELECT * FROM here;
BEGIN;
UPDATE teamrbac.membership SET expires_at = clock_timestamp() + interval '0.3 s' WHERE user_id = u('02') AND tenant_id = u('b0');
SELECT tenant FROM here;
SELECT pg_sleep(0.4);
SELECT tenant FROM here;
ROLLBACK;
SELECT tenant FROM here;
SELECT teamrbac.sign_out();

\echo == An API key has its tenant
SELECT secret FROM teamrbac.sign_in(u('01'), false), teamrbac.create_api_key(u('b0'), 'deploy', 'developer') \gset
SELECT teamrbac.sign_out();
SET ROLE regress_app;
SELECT count(*) FROM teamrbac.sign_in_with_api_key(:'secret', false);
SELECT kind, tenant, says FROM here;
SELECT DISTINCT right(tenant_id::text, 2) AS rows_of FROM note;
SELECT teamrbac.act_in_tenant(u('b0'), false);
SELECT teamrbac.act_in_tenant(u('a0'), false);
SELECT kind, tenant, says FROM here;
SELECT teamrbac.sign_out();
RESET ROLE;

\echo == A database role that is mapped
SELECT teamrbac.map_database_role(u('02'), 'regress_mapped');
SELECT current_user AS superuser \gset
\c - regress_mapped
\pset null '-'
SELECT * FROM here;
SELECT count(*) FROM note;
BEGIN; SELECT teamrbac.act_in_tenant(u('a0'));
SELECT * FROM here;
SELECT count(*) FROM note;
COMMIT;
SELECT * FROM here;
SELECT teamrbac.act_in_tenant(u('b0'), false);
SELECT * FROM here;
SELECT teamrbac.act_in_tenant(u('a0'), false);
-- Out again as after logging in.
SELECT teamrbac.sign_out();
SELECT * FROM here;
SELECT teamrbac.act_in_tenant(u('b0'), false);
\c - :superuser
SET client_min_messages = warning;
\pset null '-'
-- What was entered by it lasts as long as the login and the mapping.
SET SESSION AUTHORIZATION regress_mapped;
SELECT teamrbac.act_in_tenant(u('b0'), false);
SELECT * FROM here;
RESET SESSION AUTHORIZATION;
SELECT * FROM here;
SELECT teamrbac.map_database_role(NULL, 'regress_mapped');
SET SESSION AUTHORIZATION regress_mapped;
SELECT * FROM here;
SELECT count(*) FROM note;
RESET SESSION AUTHORIZATION;
SELECT teamrbac.map_database_role(u('01'), 'regress_mapped');
SET SESSION AUTHORIZATION regress_mapped;
SELECT * FROM here;
SELECT teamrbac.sign_out();
SELECT * FROM here;
RESET SESSION AUTHORIZATION;

\echo == Where an identity may not outlive its transaction
SET teamrbac.allow_session_identity = off;
SET ROLE regress_app;
\set VERBOSITY sqlstate
SELECT teamrbac.sign_in(u('02'), false);
\set VERBOSITY default
SELECT teamrbac.sign_in_as_member(u('02'), u('a0'), false);
SELECT teamrbac.sign_in_with_api_key(:'secret', false) IS NULL;
SELECT * FROM here;
BEGIN; SELECT teamrbac.sign_in_as_member(u('02'), u('a0'));
SELECT * FROM here;
COMMIT;
SELECT teamrbac.sign_out();
SET teamrbac.allow_session_identity = on;
RESET teamrbac.allow_session_identity;
RESET ROLE;
RESET teamrbac.allow_session_identity;

DROP FUNCTION shows;
DROP VIEW here;
DROP TABLE note;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(text);
DROP ROLE regress_app, regress_mapped;
