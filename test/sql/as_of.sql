-- Who could do what then: team_at, roles_at, explain_permission_at.  Olivia owns Acme, Adam is Admin, Dora a developer who
-- becomes a reader, Rita a stranger who owns Borealis.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
-- Moments, by name.
CREATE TABLE moment (name text PRIMARY KEY, at timestamptz);
CREATE PROCEDURE now_is(name text) LANGUAGE sql AS $$ INSERT INTO moment VALUES (name, clock_timestamp()) $$;
CREATE FUNCTION at(text) RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT at FROM moment WHERE name = $1 $$;
CALL now_is('before all');
SELECT count(teamrbac.register_user(name || '@example.com', name, u(n)))
	FROM (VALUES ('Olivia', 'a1'), ('Adam', 'a2'), ('Dora', 'a3'), ('Rita', 'a4')) AS t(name, n);
SELECT teamrbac.define_permission('reports.view', 'View reports', '{admin}', true);
SELECT teamrbac.define_role('auditor', 'Auditor', '{audit.view,reports.view}');
SELECT teamrbac.sign_in(u('a1'), false);
SELECT teamrbac.create_tenant('Acme') AS acme \gset
CALL now_is('founded');
SELECT token FROM teamrbac.invite_member(:'acme', 'adam@example.com', 'admin') \gset
SELECT teamrbac.sign_in(u('a2'), false);
SELECT role FROM teamrbac.accept_invitation(:'token');
SELECT token FROM teamrbac.invite_member(:'acme', 'dora@example.com', 'developer') \gset
SELECT teamrbac.sign_in(u('a3'), false);
SELECT role FROM teamrbac.accept_invitation(:'token');
SELECT key_id FROM teamrbac.create_api_key(:'acme', 'of Dora', permissions => '{prompts.view}') \gset
CALL now_is('three');
SELECT teamrbac.sign_in(u('a1'), false);
CALL teamrbac.change_role(:'acme', u('a3'), 'reader');
CALL teamrbac.set_membership_expiry(:'acme', u('a3'), '2999-01-01 12:00+00');
CALL now_is('Dora a reader');
CALL teamrbac.transfer_ownership(:'acme', u('a2'));
CALL teamrbac.revoke_api_key(:'key_id');
CALL now_is('transferred');
SELECT teamrbac.sign_out();
CALL teamrbac.disable_user(u('a3'));
SELECT teamrbac.define_role('auditor', 'Auditor', '{audit.view}');
CALL now_is('Dora disabled');
SELECT teamrbac.sign_in(u('a2'), false);
CALL teamrbac.delete_tenant(:'acme', 'Acme');
CALL now_is('deleted');
SELECT teamrbac.sign_out();
CALL teamrbac.restore_tenant(:'acme');
SELECT teamrbac.sign_in(u('a2'), false);
CALL teamrbac.remove_member(:'acme', u('a1'));
CALL now_is('Olivia gone');

SELECT m.name, t.member, t.role, t.expires_at AT TIME ZONE 'UTC' AS expires_at, t.state, t.events
	FROM moment AS m, teamrbac.team_at(:'acme', m.at) AS t ORDER BY m.at, t.member;
SELECT m.name, e.* FROM moment AS m, teamrbac.explain_permission_at(:'acme', u('a3'), 'prompts.edit', m.at) AS e ORDER BY m.at;
SELECT m.name, e.* FROM moment AS m, teamrbac.explain_permission_at(:'acme', u('a1'), 'tenant.delete', m.at) AS e ORDER BY m.at;
-- An API key goes by its id.
SELECT m.name, e.* FROM moment AS m, teamrbac.explain_permission_at(:'acme', :'key_id', 'prompts.view', m.at) AS e ORDER BY m.at;
SELECT allowed, reason FROM teamrbac.explain_permission_at(:'acme', :'key_id', 'prompts.edit', at('three'));
SELECT m.name, r.permissions, r.events FROM moment AS m, teamrbac.roles_at(:'acme', m.at) AS r WHERE r.role = 'auditor' ORDER BY m.at;
SELECT role, own, cardinality(permissions), events FROM teamrbac.roles_at(:'acme', at('three'));
-- A permission that there is no more; one that there never was.
SELECT teamrbac.define_permission('billing.export', 'Export', '{reader}');
CALL now_is('exports');
SELECT teamrbac.drop_permission('billing.export');
SELECT allowed, reason FROM teamrbac.explain_permission_at(:'acme', u('a2'), 'billing.export', at('exports'));
SELECT allowed, reason FROM teamrbac.explain_permission_at(:'acme', u('a2'), 'billing.export', clock_timestamp());
SELECT * FROM teamrbac.explain_permission_at(:'acme', u('a2'), 'billing.expert', at('exports'));

-- Who may ask: whoever views the audit, and a superuser.
CREATE ROLE regress_app;
SELECT teamrbac.sign_in(u('a4'), false);
SELECT teamrbac.create_tenant('Borealis') AS borealis \gset
\set VERBOSITY sqlstate
SET ROLE regress_app;
SELECT * FROM teamrbac.team_at(:'acme', '2020-01-01');
SELECT * FROM teamrbac.roles_at(:'acme', '2020-01-01');
SELECT * FROM teamrbac.explain_permission_at(:'acme', u('a4'), 'prompts.view', '2020-01-01');
SELECT count(*) FROM teamrbac.team_at(:'borealis', clock_timestamp());
SELECT * FROM teamrbac.team_at(NULL, '2020-01-01');
SELECT * FROM teamrbac.team_at(:'borealis', NULL);
SELECT * FROM teamrbac.team_at(:'borealis', clock_timestamp() + '1 hour');
SELECT * FROM teamrbac.team_at(:'borealis', 'infinity');
SELECT * FROM teamrbac.explain_permission_at(:'borealis', NULL, 'prompts.view', '2020-01-01');
SELECT teamrbac.sign_out();
SELECT * FROM teamrbac.team_at(:'borealis', '2020-01-01');
RESET ROLE;
SELECT count(*) FROM teamrbac.team_at(:'borealis', clock_timestamp());
\set VERBOSITY default

-- A row that an update gives to somebody else, or to another tenant, is gone from the one and new to the other.
SELECT teamrbac.register_user('vera@example.com', 'Vera', u('a5'));
CALL now_is('before the move');
UPDATE teamrbac.membership SET user_id = u('a5'), tenant_id = :'borealis' WHERE tenant_id = :'acme' AND user_id = u('a3');
SELECT tenant, m.name, t.member, t.role FROM (VALUES ('acme', :'acme'), ('borealis', :'borealis')) AS x(tenant, id),
	(VALUES ('before', at('before the move')), ('after', clock_timestamp())) AS m(name, at), teamrbac.team_at(x.id::uuid, m.at) AS t ORDER BY 1, 2 DESC, 3;

-- What retention has removed is not made up.
SELECT pg_sleep(0.01);
SET teamrbac.audit_retention = '0';
SELECT teamrbac.purge_audit_batch(1000) > 0 AS purged;
SELECT * FROM teamrbac.team_at(:'borealis', at('before the move'));
SELECT * FROM teamrbac.explain_permission_at(:'borealis', u('a5'), 'prompts.view', at('before the move'));
RESET teamrbac.audit_retention;
SELECT teamrbac.sign_in(u('a4'), false);
CALL teamrbac.change_role(:'borealis', u('a5'), 'admin');
-- From the first event kept on, it is known again, of those too whom nothing has changed since.
SELECT member, role, state, events FROM teamrbac.team_at(:'borealis', clock_timestamp());
\set VERBOSITY sqlstate
SELECT * FROM teamrbac.team_at(:'borealis', at('before the move'));

DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION at, u;
DROP PROCEDURE now_is;
DROP TABLE moment;
DROP ROLE regress_app;
