-- Roles of a tenant's own: who may define, give and take them, what they give, and that they exist in their tenant alone.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE EXTENSION teamrbac CASCADE;
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
-- Acme: Olivia owner, Adam admin, Dora developer, Rita reader, Meg whatever she is made.  Borealis: Bob owner, Bea admin, and Meg.
SELECT count(teamrbac.register_user(n || '@example.com', n, u(n))) FROM unnest(ARRAY['01', '02', '03', '04', '05', 'b1', 'b2', 'c1']) AS n;
SELECT teamrbac.define_permission('reports.view', 'View reports', '{}', true);
SELECT teamrbac.define_role('auditor', 'Auditor', ARRAY['reports.view', 'audit.view']);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme'), (u('b0'), 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('a0'), u('02'), 'admin'), (u('a0'), u('03'), 'developer'), (u('a0'), u('04'), 'reader'), (u('a0'), u('05'), 'reader'),
	(u('b0'), u('b1'), 'owner'), (u('b0'), u('b2'), 'admin');
COMMIT;
-- A command is tried as somebody and taken back.
CREATE FUNCTION try(who uuid, command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM teamrbac.sign_in(who);
		EXECUTE command;
		RAISE EXCEPTION USING ERRCODE = 'TR000';
	EXCEPTION
		WHEN SQLSTATE 'TR000' THEN RETURN 'ok';
		WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
	END;
END $$;
CREATE FUNCTION define(tenant text, name text, VARIADIC permissions text[] DEFAULT '{}') RETURNS text LANGUAGE sql
	AS $$ SELECT format('SELECT teamrbac.define_tenant_role(%L, %L, ''For a test'', %L)', u(tenant), name, permissions) $$;
CREATE VIEW people AS SELECT * FROM (VALUES (1, '01', 'owner'), (2, '02', 'admin'), (3, '03', 'developer'), (4, '04', 'reader'), (5, 'b1', 'stranger')) AS t(n, id, role);

--
-- Who may define one, and of what.
--
SELECT role, try(u(id), define('a0', 'editor', 'prompts.view', 'prompts.edit')) FROM people ORDER BY n;
-- No permission that its maker doesn't have, not even one of a role that everybody may be given.
SELECT role, try(u(id), define('a0', 'biller', 'billing.manage')) FROM people ORDER BY n;
SELECT role, try(u(id), define('a0', 'biller', 'reports.view')) FROM people ORDER BY n;
SELECT try(u('02'), define('a0', 'biller', 'billing.mange'));
SELECT try(u('02'), define('a0', 'nothing'));
-- Nor by an API key, which manages no roles whatever its role is; nor by nobody.
SELECT teamrbac.sign_in(u('01'), false);
SELECT secret FROM teamrbac.create_api_key(u('a0'), 'The key of an admin', 'admin') \gset
SELECT teamrbac.sign_out();
BEGIN;
SELECT role FROM teamrbac.sign_in_with_api_key(:'secret');
SELECT teamrbac.define_tenant_role(u('a0'), 'editor', 'By a key', ARRAY['prompts.view']);
ROLLBACK;
SELECT teamrbac.define_tenant_role(u('a0'), 'editor', 'By nobody', ARRAY['prompts.view']);
CALL teamrbac.drop_tenant_role(u('a0'), 'editor');

--
-- Names: as every role's, and none that a global role has, whatever the spelling.
--
-- How wide psql takes an invisible character for differs by version.
\pset format unaligned
SELECT n AS name, try(u('01'), define('a0', n, 'prompts.view'))
	FROM unnest(ARRAY['owner', 'admin', 'auditor', 'Editor', 'ADMIN', 'admın', 'аdmin', 'admin ', E'admin\t', E'ad\u200bmin', '', ' ', '.', 'a..b', '1a', repeat('x', 64),
		'x''); DELETE FROM teamrbac.role; --', '"x"', 'x; DROP', '$1', 'a.b_1', repeat('x', 63)]) AS n;
\pset format aligned
SELECT try(u('01'), format('SELECT teamrbac.define_tenant_role(%L, ''x'', %L, ''{}'')', u('a0'), d)) FROM unnest(ARRAY['', E'a\nb', repeat('d', 201), 'Robert''); DROP TABLE x']) AS d;
SELECT try(u('01'), format('SELECT teamrbac.define_tenant_role(%L, %L, %L, %L)', t, n, d, p))
	FROM (VALUES (NULL, 'x', 'd', '{}'), (u('a0')::text, NULL, 'd', '{}'), (u('a0')::text, 'x', NULL, '{}'), (u('a0')::text, 'x', 'd', NULL), (u('a0')::text, 'x', 'd', '{NULL}'),
		(u('ff')::text, 'x', 'd', '{}'), (u('a0')::text, 'x', 'd', '{{prompts.view},{logs.view}}')) AS t(t, n, d, p);

--
-- It is given, taken and used like any other.
--
SELECT teamrbac.sign_in(u('02'), false);
SELECT teamrbac.define_tenant_role(u('a0'), 'editor', 'Edits prompts', ARRAY['prompts.view', 'prompts.edit']);
SELECT teamrbac.define_tenant_role(u('a0'), 'lead', 'Leads the editors', ARRAY['team.manage', 'roles.manage', 'prompts.view', 'prompts.edit']);
CALL teamrbac.change_role(u('a0'), u('05'), 'editor');
SELECT display_name, role FROM teamrbac.team WHERE role = 'editor';
SELECT token FROM teamrbac.invite_member(u('a0'), 'c1@example.com', 'editor') \gset
SELECT email, role FROM teamrbac.pending_invitation;
SELECT key_id AS editor_key, secret FROM teamrbac.create_api_key(u('a0'), 'Editing by machine', 'editor') \gset
SELECT key_id AS narrow_key, secret AS narrow FROM teamrbac.create_api_key(u('a0'), 'Viewing by machine', 'editor', NULL, ARRAY['prompts.view']) \gset
SELECT teamrbac.create_api_key(u('a0'), 'More than the role', 'editor', NULL, ARRAY['logs.view']);
SELECT name, role FROM teamrbac.api_key_overview WHERE role = 'editor' ORDER BY name;
SELECT teamrbac.sign_in(u('05'), false);
SELECT teamrbac.my_permissions(u('a0')), teamrbac.has_permission(u('a0'), 'prompts.edit') AS edits, teamrbac.has_permission(u('a0'), 'logs.view') AS views_logs;
SELECT teamrbac.permitted_tenant('prompts.edit') = u('a0') AS permitted, teamrbac.permitted_tenants('prompts.edit') = ARRAY[u('a0')] AS listed;
SELECT allowed, reason, role FROM teamrbac.explain_permission(u('a0'), 'prompts.edit');
SELECT allowed, reason, role FROM teamrbac.explain_permission(u('a0'), 'logs.view');
SELECT name, role FROM teamrbac.my_tenants();
SELECT role, string_agg(permission, ' ') FILTER (WHERE granted = 'x') AS permissions FROM teamrbac.permission_matrix WHERE role IN ('reader', 'auditor', 'editor', 'lead') GROUP BY role ORDER BY role;
BEGIN;
SELECT tenant_id = u('a0') AS acme, role FROM teamrbac.sign_in_with_api_key(:'secret');
SELECT teamrbac.my_permissions(u('a0'));
COMMIT;
BEGIN;
SELECT role FROM teamrbac.sign_in_with_api_key(:'narrow');
SELECT teamrbac.my_permissions(u('a0'));
COMMIT;
SELECT teamrbac.sign_in(u('c1'), false);
SELECT tenant_name, role, state FROM teamrbac.peek_invitation(:'token');
SELECT role FROM teamrbac.accept_invitation(:'token');
SELECT teamrbac.my_permissions(u('a0'));
SELECT teamrbac.sign_in(u('01'), false);
SELECT * FROM teamrbac.removal_impact(u('a0'), u('05'));

--
-- In its tenant alone: others neither see nor use it, and may have another of the name.
--
SELECT teamrbac.sign_in(u('b2'), false);
SELECT DISTINCT role FROM teamrbac.permission_matrix ORDER BY role;
CALL teamrbac.change_role(u('b0'), u('b1'), 'editor');
SELECT teamrbac.invite_member(u('b0'), 'x@example.com', 'editor');
SELECT teamrbac.create_api_key(u('b0'), 'A foreign role', 'editor');
SELECT teamrbac.create_api_key(u('b0'), 'A foreign role', 'editor', NULL, ARRAY['prompts.view']);
CALL teamrbac.drop_tenant_role(u('b0'), 'editor');
CALL teamrbac.drop_tenant_role(u('a0'), 'editor');
SELECT teamrbac.define_tenant_role(u('a0'), 'editor', 'Taken over', ARRAY['logs.view']);
SELECT teamrbac.define_tenant_role(u('b0'), 'editor', 'Another one', ARRAY['logs.view']);
SELECT role, string_agg(permission, ' ') FROM teamrbac.permission_matrix WHERE granted = 'x' AND role = 'editor' GROUP BY role;
-- A condition of the reader's own sees no other tenant's.
CREATE FUNCTION leak(role text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN IF role = 'lead' THEN RAISE WARNING 'leaked %', role; END IF; RETURN false; END $$;
SELECT role FROM teamrbac.permission_matrix WHERE leak(role);
DROP FUNCTION leak;
-- Who is in both acts in one of them, and sees that one's; in none of them, the global ones.
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('b0'), u('05'), 'editor');
SELECT teamrbac.sign_in(u('05'), false);
SELECT teamrbac.my_permissions(u('a0')) AS in_acme, teamrbac.my_permissions(u('b0')) AS in_borealis;
SELECT string_agg(DISTINCT role, ' ' ORDER BY role) FROM teamrbac.permission_matrix;
SELECT teamrbac.act_in_tenant(u('a0'), false);
SELECT string_agg(DISTINCT role, ' ' ORDER BY role) FROM teamrbac.permission_matrix;
SELECT teamrbac.my_permissions(u('a0')) AS in_acme, teamrbac.my_permissions(u('b0')) AS in_borealis;
SELECT teamrbac.sign_in_as_member(u('05'), u('b0'), false);
SELECT role, string_agg(permission, ' ') AS permissions FROM teamrbac.permission_matrix WHERE granted = 'x' AND role IN ('editor', 'lead') GROUP BY role;
-- Whoever is not live in the tenant they entered sees none.
UPDATE teamrbac.membership SET expires_at = now() - interval '1 day' WHERE user_id = u('05') AND tenant_id = u('b0');
SELECT string_agg(DISTINCT role, ' ' ORDER BY role) FROM teamrbac.permission_matrix;
DELETE FROM teamrbac.membership WHERE user_id = u('05') AND tenant_id = u('b0');
SELECT teamrbac.sign_out();
SELECT string_agg(DISTINCT role, ' ' ORDER BY role) AS for_nobody FROM teamrbac.permission_matrix;

--
-- Redefined: obeyed at the next statement, by members and keys, within the transaction, and taken back with it.
--
SELECT teamrbac.sign_in(u('02'), false);
SELECT teamrbac.define_tenant_role(u('a0'), 'editor', 'Promotes as well', ARRAY['prompts.view', 'prompts.promote']);
SELECT teamrbac.sign_in(u('05'), false);
SELECT teamrbac.my_permissions(u('a0'));
BEGIN;
SELECT role FROM teamrbac.sign_in_with_api_key(:'secret');
SELECT teamrbac.my_permissions(u('a0'));
COMMIT;
BEGIN;
SELECT teamrbac.sign_in(u('02'));
SELECT teamrbac.define_tenant_role(u('a0'), 'editor', 'Nothing', '{}');
SELECT teamrbac.sign_in(u('05'));
SELECT teamrbac.my_permissions(u('a0')), teamrbac.has_permission(u('a0'), 'prompts.view');
ROLLBACK;
SELECT teamrbac.my_permissions(u('a0'));

--
-- Escalation: all that the role gave and all that it will give is the own of whoever changes it.
--
SELECT teamrbac.sign_in(u('01'), false);
SELECT teamrbac.define_tenant_role(u('a0'), 'treasurer', 'Pays', ARRAY['billing.manage', 'prompts.view']);
-- An Admin neither widens nor narrows what they have not, gives nor takes it, invites to it, makes a key of it, nor drops it.
SELECT try(u('02'), define('a0', 'treasurer', 'prompts.view'));
SELECT try(u('02'), define('a0', 'treasurer', 'billing.manage', 'prompts.view'));
SELECT try(u('02'), define('a0', 'editor', 'billing.manage'));
SELECT try(u('02'), format('CALL teamrbac.change_role(%L, %L, ''treasurer'')', u('a0'), u('04')));
SELECT try(u('02'), format('SELECT teamrbac.invite_member(%L, ''t@example.com'', ''treasurer'')', u('a0')));
SELECT try(u('02'), format('SELECT teamrbac.create_api_key(%L, ''Paying by machine'', ''treasurer'')', u('a0')));
SELECT try(u('02'), format('CALL teamrbac.drop_tenant_role(%L, ''treasurer'')', u('a0')));
CALL teamrbac.change_role(u('a0'), u('04'), 'treasurer');
SELECT try(u('02'), format('CALL teamrbac.change_role(%L, %L, ''reader'')', u('a0'), u('04')));
SELECT try(u('02'), format('CALL teamrbac.remove_member(%L, %L)', u('a0'), u('04')));
SELECT try(u('02'), format('CALL teamrbac.set_member_metadata(%L, %L, ''{}'')', u('a0'), u('04')));
SELECT try(u('02'), format('SELECT teamrbac.invite_by_link(%L, ''treasurer'')', u('a0')));
SELECT try(u('02'), format('CALL teamrbac.allow_domain(%L, ''acme.example'', ''treasurer'')', u('a0')));
SELECT try(u('02'), format('SELECT teamrbac.invite_members(%L, ''{t@example.com}'', ''treasurer'')', u('a0')));
SELECT try(u('02'), format('SELECT teamrbac.add_member(%L, %L, ''treasurer'')', u('a0'), u('b1')));
-- Its holder widens it by nothing that they have not, be it what their own role gives away.
CALL teamrbac.change_role(u('a0'), u('03'), 'lead');
SELECT try(u('03'), define('a0', 'lead', 'team.manage', 'roles.manage', 'prompts.view', 'prompts.edit', 'api_keys.manage'));
SELECT try(u('03'), define('a0', 'lead', 'team.manage', 'roles.manage', 'prompts.view', 'prompts.edit', 'billing.manage'));
SELECT try(u('03'), define('a0', 'accomplice', 'api_keys.manage'));
SELECT try(u('03'), define('a0', 'accomplice', 'team.manage', 'prompts.edit'));
SELECT try(u('03'), define('a0', 'editor', 'prompts.view'));
SELECT try(u('03'), format('CALL teamrbac.change_role(%L, %L, ''admin'')', u('a0'), u('03')));
-- Narrowing it they may, once: what they gave up is gone.
BEGIN;
SELECT teamrbac.sign_in(u('03'));
SELECT teamrbac.define_tenant_role(u('a0'), 'lead', 'Led once', ARRAY['roles.manage']);
SELECT teamrbac.define_tenant_role(u('a0'), 'lead', 'Leads again', ARRAY['roles.manage', 'team.manage']);
ROLLBACK;
-- What their sender could no longer send is cancelled, what they still could is not.
BEGIN;
SELECT teamrbac.sign_in(u('03'));
SELECT count(*) FROM teamrbac.invite_member(u('a0'), 'by-lead@example.com', 'lead');
SELECT teamrbac.sign_in(u('02'));
SELECT count(*) FROM teamrbac.invite_member(u('a0'), 'by-admin@example.com', 'lead');
SELECT teamrbac.define_tenant_role(u('a0'), 'lead', 'Leads no more', ARRAY['roles.manage']);
SELECT email, state FROM teamrbac.invitation WHERE email LIKE 'by-%' ORDER BY email;
ROLLBACK;
BEGIN;
SELECT teamrbac.sign_in(u('03'));
SELECT count(*) FROM teamrbac.invite_member(u('a0'), 'by-lead@example.com', 'lead');
SELECT teamrbac.sign_in(u('02'));
SELECT teamrbac.define_tenant_role(u('a0'), 'lead', 'Leads on', ARRAY['roles.manage', 'team.manage']);
SELECT email, state FROM teamrbac.invitation WHERE email LIKE 'by-%' ORDER BY email;
ROLLBACK;

--
-- Dropped: only while nobody has it.
--
SELECT teamrbac.sign_in(u('02'), false);
\set VERBOSITY default
CALL teamrbac.drop_tenant_role(u('a0'), 'editor');
BEGIN;
CALL teamrbac.change_role(u('a0'), u('05'), 'reader');
CALL teamrbac.change_role(u('a0'), u('c1'), 'reader');
SELECT invitation_id FROM teamrbac.invite_member(u('a0'), 'new@example.com', 'editor') \gset
SAVEPOINT s;
CALL teamrbac.drop_tenant_role(u('a0'), 'editor');
ROLLBACK TO s;
CALL teamrbac.cancel_invitation(:'invitation_id');
SAVEPOINT s;
CALL teamrbac.drop_tenant_role(u('a0'), 'editor');
ROLLBACK TO s;
CALL teamrbac.revoke_api_key(:'editor_key');
CALL teamrbac.revoke_api_key(:'narrow_key');
CALL teamrbac.drop_tenant_role(u('a0'), 'editor');
CALL teamrbac.drop_tenant_role(u('a0'), 'editor');
ROLLBACK;
BEGIN;
SELECT invitation_id FROM teamrbac.invite_member(u('a0'), 'late@example.com', 'editor') \gset
UPDATE teamrbac.invitation SET expires_at = now() - interval '1 day' WHERE invitation_id = :'invitation_id';
CALL teamrbac.change_role(u('a0'), u('05'), 'reader');
CALL teamrbac.change_role(u('a0'), u('c1'), 'reader');
CALL teamrbac.revoke_api_key(:'editor_key');
CALL teamrbac.revoke_api_key(:'narrow_key');
SAVEPOINT s;
CALL teamrbac.drop_tenant_role(u('a0'), 'editor');
ROLLBACK TO s;
SELECT teamrbac.expire_invitation_batch(10);
CALL teamrbac.drop_tenant_role(u('a0'), 'editor');
-- An expired invitation cannot be sent again for a role that is gone.
SELECT teamrbac.resend_invitation(:'invitation_id');
ROLLBACK;
\set VERBOSITY terse
SELECT try(u('02'), format('CALL teamrbac.drop_tenant_role(%L, %L)', u('a0'), n)) FROM unnest(ARRAY['reader', 'auditor', 'nobodys', '', repeat('é', 200), 'x'' OR true --', NULL]) AS n;
SELECT try(u('04'), format('CALL teamrbac.drop_tenant_role(%L, %L)', u('a0'), 'lead'));
SELECT try(u('02'), format('CALL teamrbac.drop_tenant_role(%L, %L)', u('ff'), 'lead'));

--
-- The other ways in: a link, a domain, a request, a batch, a back end.
--
\set VERBOSITY default
BEGIN;
SELECT teamrbac.sign_in(u('02'));
SELECT teamrbac.define_tenant_role(u('a0'), 'writer', 'Writes', ARRAY['prompts.view', 'prompts.edit']);
SELECT link_id, token AS link FROM teamrbac.invite_by_link(u('a0'), 'writer', 2) \gset
CALL teamrbac.allow_domain(u('a0'), 'example.com', 'writer', false);
SELECT email, outcome FROM teamrbac.invite_members(u('a0'), ARRAY['w@example.com', 'c1@example.com'], 'writer');
SELECT teamrbac.sign_in(u('b1'));
SELECT role, state FROM teamrbac.peek_invitation(:'link');
SELECT role FROM teamrbac.accept_invitation(:'link');
SELECT teamrbac.my_permissions(u('a0'));
SELECT teamrbac.sign_in(u('b2'));
SELECT tenant_name, role FROM teamrbac.joinable_tenants();
CALL teamrbac.request_to_join(u('a0'));
SELECT teamrbac.sign_out();
SELECT 'link' AS way, role, own_role, role_in_use AS global, tenant_role_in_use AS own FROM teamrbac.invitation_link UNION ALL
	SELECT 'domain', role, own_role, global_role, tenant_role FROM teamrbac.tenant_domain UNION ALL
	SELECT 'request', role, own_role, pending_role, pending_tenant_role FROM teamrbac.join_request;
-- In its tenant alone.
SELECT try(u('b2'), format('SELECT teamrbac.invite_by_link(%L, ''writer'')', u('b0')));
SELECT try(u('b2'), format('CALL teamrbac.allow_domain(%L, ''b.example'', ''writer'')', u('b0')));
SELECT try(u('b2'), format('SELECT teamrbac.invite_members(%L, ''{x@example.com}'', ''writer'')', u('b0')));
SELECT try(u('b2'), format('SELECT teamrbac.add_member(%L, %L, ''writer'')', u('b0'), u('c1')));
SELECT teamrbac.add_member(u('a0'), u('b1'), 'writer') AS added_again;
SAVEPOINT s;
SELECT teamrbac.add_member(u('b0'), u('c1'), 'writer');
ROLLBACK TO s;
SELECT teamrbac.add_member(u('a0'), u('b2'), 'writer') AS added;
SELECT count(*) AS requests FROM teamrbac.join_request;
ROLLBACK TO s;
INSERT INTO teamrbac.tenant_domain (tenant_id, domain, role, automatic, allowed_by) VALUES (u('b0'), 'b.example', 'writer', true, u('b1'));
ROLLBACK TO s;
-- Each keeps it from being dropped, until it is over.
SELECT teamrbac.sign_in(u('02'));
CALL teamrbac.change_role(u('a0'), u('b1'), 'reader');
SELECT invitation_id FROM teamrbac.pending_invitation WHERE email = 'w@example.com' \gset
CALL teamrbac.cancel_invitation(:'invitation_id');
SAVEPOINT s;
CALL teamrbac.drop_tenant_role(u('a0'), 'writer');
ROLLBACK TO s;
DELETE FROM teamrbac.tenant_role WHERE role = 'writer';
ROLLBACK TO s;
CALL teamrbac.revoke_invitation_link(:'link_id');
SAVEPOINT s;
CALL teamrbac.drop_tenant_role(u('a0'), 'writer');
ROLLBACK TO s;
CALL teamrbac.disallow_domain(u('a0'), 'example.com');
SAVEPOINT s;
CALL teamrbac.drop_tenant_role(u('a0'), 'writer');
ROLLBACK TO s;
CALL teamrbac.refuse_join_request(u('a0'), u('b2'));
CALL teamrbac.drop_tenant_role(u('a0'), 'writer');
-- Whoever was refused may still be let in, but not as what is no more.
SAVEPOINT s;
CALL teamrbac.approve_join_request(u('a0'), u('b2'));
ROLLBACK TO s;
CALL teamrbac.approve_join_request(u('a0'), u('b2'), 'reader');
ROLLBACK;
-- A former member's row has no role, and so none of the tenant's own.
BEGIN;
INSERT INTO teamrbac.join_request (tenant_id, user_id, role) VALUES (u('a0'), u('b1'), 'editor') RETURNING own_role;
UPDATE teamrbac.join_request SET state = 'former', role = NULL RETURNING own_role, pending_role, pending_tenant_role;
ROLLBACK;
-- Redefined: what its maker could no longer make ends, be it that they may less or that the role may more.
\set VERBOSITY terse
BEGIN;
SELECT teamrbac.sign_in(u('03'));
SELECT count(*) FROM teamrbac.invite_by_link(u('a0'), 'lead');
CALL teamrbac.allow_domain(u('a0'), 'lead.example', 'lead');
SELECT teamrbac.sign_in(u('02'));
SELECT count(*) FROM teamrbac.invite_by_link(u('a0'), 'lead');
CALL teamrbac.allow_domain(u('a0'), 'admin.example', 'lead');
SAVEPOINT s;
SELECT teamrbac.define_tenant_role(u('a0'), 'lead', 'Leads no more', ARRAY['roles.manage']);
SELECT maker, state FROM teamrbac.invitation_link_overview ORDER BY maker;
SELECT domain, allower FROM teamrbac.tenant_domain_overview;
SELECT action, subject, before FROM teamrbac.audit_trail WHERE action IN ('domain.disallowed', 'link.revoked') AND before ->> 'role' = 'lead' AND action LIKE 'domain%';
ROLLBACK TO s;
SELECT teamrbac.sign_in(u('01'));
SELECT teamrbac.define_tenant_role(u('a0'), 'lead', 'Pays as well', ARRAY['roles.manage', 'team.manage', 'billing.manage']);
SELECT maker, state FROM teamrbac.invitation_link_overview ORDER BY maker;
SELECT domain, allower FROM teamrbac.tenant_domain_overview ORDER BY domain;
ROLLBACK;
-- Renewed: as what they were, unless that is no more; another of the name is not brought back.
BEGIN;
SELECT teamrbac.sign_in(u('02'));
SELECT teamrbac.define_tenant_role(u('a0'), 'writer', 'Writes', ARRAY['prompts.edit']);
INSERT INTO teamrbac.membership (tenant_id, user_id, role, expires_at, metadata) VALUES (u('a0'), u('b1'), 'writer', clock_timestamp(), '{"desk": 7}');
SELECT teamrbac.expire_membership_batch(10);
SELECT role, own_role, global_role, tenant_role, metadata FROM teamrbac.expired_membership;
SAVEPOINT s;
CALL teamrbac.set_membership_expiry(u('a0'), u('b1'), NULL);
SELECT role, own_role, global_role, tenant_role, metadata FROM teamrbac.membership WHERE tenant_id = u('a0') AND user_id = u('b1');
ROLLBACK TO s;
-- It keeps no role from being dropped.
CALL teamrbac.drop_tenant_role(u('a0'), 'writer');
SELECT teamrbac.define_tenant_role(u('a0'), 'writer', 'Another', ARRAY['prompts.edit', 'team.manage']);
CALL teamrbac.set_membership_expiry(u('a0'), u('b1'), NULL);
ROLLBACK;
-- Only by somebody who has all that the role gives by now.
BEGIN;
INSERT INTO teamrbac.membership (tenant_id, user_id, role, expires_at) VALUES (u('a0'), u('b1'), 'treasurer', clock_timestamp());
SELECT teamrbac.expire_membership_batch(10);
SELECT try(u('02'), format('CALL teamrbac.set_membership_expiry(%L, %L, NULL)', u('a0'), u('b1')));
SELECT try(u('01'), format('CALL teamrbac.set_membership_expiry(%L, %L, NULL)', u('a0'), u('b1')));
ROLLBACK;

--
-- Global roles: no name that a tenant has, by command or by hand; what a tenant has, stays.
--
SELECT teamrbac.sign_out();
SELECT teamrbac.define_role('editor', 'For all', ARRAY['prompts.view', 'logs.view']);
INSERT INTO teamrbac.role (role, description) VALUES ('lead', 'By hand');
UPDATE teamrbac.role SET role = 'lead' WHERE role = 'auditor';
INSERT INTO teamrbac.tenant_role (tenant_id, role, description) VALUES (u('b0'), 'auditor', 'By hand');
UPDATE teamrbac.tenant_role SET role = 'admin' WHERE tenant_id = u('b0') AND role = 'editor';
SELECT teamrbac.drop_role('editor');
SELECT teamrbac.define_permission('tickets.view', 'View tickets', ARRAY['editor']);
-- A permission that a tenant's role has is in use.
SELECT teamrbac.define_permission('tickets.view', 'View tickets', ARRAY['admin']);
SELECT teamrbac.sign_in(u('02'), false);
SELECT teamrbac.define_tenant_role(u('a0'), 'support', 'Reads tickets', ARRAY['tickets.view']);
\set VERBOSITY default
SELECT teamrbac.drop_permission('tickets.view');
DELETE FROM teamrbac.permission WHERE permission = 'tickets.view';
\set VERBOSITY terse

--
-- By hand: the role's name alone says which, and the schema keeps what the commands do.
--
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('b0'), u('c1'), 'lead');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('b0'), u('c1'), 'nobodys');
INSERT INTO teamrbac.membership (tenant_id, user_id, role, own_role) VALUES (u('b0'), u('c1'), 'reader', true), (u('b0'), u('04'), 'editor', false) RETURNING role, own_role, global_role, tenant_role;
UPDATE teamrbac.membership SET role = 'editor' WHERE tenant_id = u('b0') AND user_id = u('c1') RETURNING role, own_role, global_role, tenant_role;
UPDATE teamrbac.membership SET own_role = false WHERE tenant_id = u('b0') AND user_id = u('c1') RETURNING role, own_role;
UPDATE teamrbac.membership SET role = 'auditor' WHERE tenant_id = u('b0') AND user_id = u('c1') RETURNING role, own_role;
DELETE FROM teamrbac.tenant_role WHERE tenant_id = u('b0') AND role = 'editor';
DELETE FROM teamrbac.membership WHERE tenant_id = u('b0') AND user_id IN (u('c1'), u('04'));

--
-- As many as teamrbac.max_tenant_roles; redefining takes no room.
--
SET teamrbac.max_tenant_roles = 4;
\set VERBOSITY default
SELECT teamrbac.define_tenant_role(u('a0'), 'one_more', 'Too many', '{}');
\set VERBOSITY terse
SELECT teamrbac.define_tenant_role(u('a0'), 'support', 'Reads tickets, still', ARRAY['tickets.view']);
SET teamrbac.max_tenant_roles = 0;
SELECT try(u('b1'), define('b0', 'x'));
RESET teamrbac.max_tenant_roles;

--
-- The audit: in the tenant's chain, with what it was and has become.
--
SELECT action, subject, before, after FROM teamrbac.audit_trail WHERE action LIKE 'role.%' AND tenant_id = u('a0') ORDER BY sequence;
BEGIN;
CALL teamrbac.drop_tenant_role(u('a0'), 'support');
SELECT action, actor, subject, before, after FROM teamrbac.audit_trail WHERE action = 'role.dropped';
UPDATE teamrbac.tenant_role SET description = 'By hand' WHERE role = 'treasurer';
SELECT scope, tenant_id = u('a0') AS acme, action, subject, after FROM teamrbac.audit_event WHERE action LIKE 'direct.tenant_role%' ORDER BY sequence DESC LIMIT 1;
ROLLBACK;
SELECT valid FROM teamrbac.verify_audit(u('a0'));
-- The review: a key beyond its creator, an invitation to a role that manages, and who else manages, by roles of the tenant's own.
SELECT teamrbac.sign_in(u('01'), false);
BEGIN;
UPDATE teamrbac.api_key SET created_by = u('04') WHERE key_id = :'editor_key';
SELECT count(*) FROM teamrbac.invite_member(u('a0'), 'lead@example.com', 'lead');
SELECT finding, severity, subject, regexp_replace(detail, ';.*', '') AS detail FROM teamrbac.access_review(u('a0')) WHERE finding IN ('key beyond its creator', 'pending invitation') ORDER BY finding, subject;
ROLLBACK;
BEGIN;
CALL teamrbac.remove_member(u('a0'), u('02'));
SELECT finding FROM teamrbac.access_review(u('a0')) WHERE finding = 'single manager';
SELECT teamrbac.define_tenant_role(u('a0'), 'lead', 'Leads nobody', ARRAY['prompts.view']);
SELECT finding FROM teamrbac.access_review(u('a0')) WHERE finding = 'single manager';
ROLLBACK;

--
-- It goes with its tenant.
--
SELECT teamrbac.sign_in(u('01'), false);
CALL teamrbac.delete_tenant(u('a0'), 'Acme');
SELECT teamrbac.sign_out();
UPDATE teamrbac.tenant SET deleted_at = '2000-01-01' WHERE tenant_id = u('a0');
CALL teamrbac.purge(2);
SELECT count(*) FILTER (WHERE tenant_id = u('a0')) AS acme, count(*) FILTER (WHERE tenant_id = u('b0')) AS borealis FROM teamrbac.tenant_role;
SELECT count(*) FROM teamrbac.tenant_role_permission WHERE tenant_id = u('a0');
DELETE FROM teamrbac.tenant WHERE tenant_id = u('b0');
SELECT count(*) FROM teamrbac.tenant_role;
SELECT teamrbac.define_role('editor', 'For all, now', ARRAY['prompts.view']);

DROP VIEW people;
DROP FUNCTION u, try, define;
DROP EXTENSION teamrbac CASCADE;
