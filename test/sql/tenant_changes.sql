-- What a tenant is called, and what the application notes about tenants, members, invitations and keys.
\getenv srcdir PG_ABS_SRCDIR
\set acme :srcdir /fixtures/acme.sql
\i :acme

-- Renaming is the Owner's.
SELECT * FROM everybody($$SELECT teamrbac.update_tenant(u('a0'), 'New')$$);
SELECT * FROM everybody($$SELECT teamrbac.update_tenant(u('ff'), 'New')$$);
BEGIN;
SELECT teamrbac.sign_in(u('01'));
SELECT teamrbac.update_tenant(u('a0'), 'Acme Ltd');
SELECT name, slug FROM teamrbac.tenant WHERE tenant_id = u('a0');
SELECT teamrbac.update_tenant(u('a0'), slug => 'acme-ltd');
-- The same again, and nothing at all, are no errors, and no events.
SELECT teamrbac.update_tenant(u('a0'), 'Acme Ltd', 'acme-ltd');
SELECT teamrbac.update_tenant(u('a0'));
SELECT name, slug FROM teamrbac.my_tenants();
SELECT teamrbac.is_slug_free('acme'), teamrbac.is_slug_free('acme-ltd');
SELECT action, before, after FROM teamrbac.audit_trail WHERE tenant_id = u('a0') AND action = 'tenant.updated'
	ORDER BY sequence;
COMMIT;
-- Somebody else has the slug; a deleted tenant keeps its own from nobody.
BEGIN;
SELECT teamrbac.sign_in(u('07'));
SELECT try(u('07'), $$SELECT teamrbac.update_tenant(u('b0'), slug => 'acme-ltd')$$);
SELECT teamrbac.update_tenant(u('b0'), slug => 'acme');
CALL teamrbac.delete_tenant(u('b0'), 'Borealis');
SELECT teamrbac.is_slug_free('acme');
ROLLBACK;
-- Bad input; who is not signed in is told nothing.
SELECT left(name, 20) AS name, length(name), try(u('01'), format('SELECT teamrbac.update_tenant(%L, %L)', u('a0'),
	name)) FROM (VALUES
	(''), (E'a\nb'), (E'a\tb'), (repeat('x', 201)), (repeat('x', 200)), ('x'),
	($$'; DROP TABLE x; --$$), (repeat('x', 1000000))) AS t(name);
SELECT left(slug, 20) AS slug, length(slug), try(u('01'), format('SELECT teamrbac.update_tenant(%L, slug => %L)',
	u('a0'), slug)) AS set, try(u('01'), format('SELECT teamrbac.is_slug_free(%L)', slug)) AS ask
	FROM (VALUES (''), ('-a'), ('a--b'), ('Acme'), ('a b'), (repeat('a', 64)), (repeat('a', 1000000)), ('a-1'),
	(NULL)) AS t(slug);
SELECT * FROM everybody($$SELECT teamrbac.is_slug_free('free')$$);
SELECT try(u('01'), 'SELECT teamrbac.update_tenant(NULL, $$x$$)');
-- A tenant that is deleted is nobody's to rename.
BEGIN;
UPDATE teamrbac.tenant SET deleted_at = now() WHERE tenant_id = u('a0');
SELECT try(u('01'), $$SELECT teamrbac.update_tenant(u('a0'), 'New')$$);
ROLLBACK;

-- Metadata: of the tenant, its Owner's; of members and invitations, whoever manages the team and has their role; of a
-- key, its maker's and its managers'.
BEGIN;
SELECT teamrbac.sign_in(u('01'));
SELECT invitation_id AS invitation FROM teamrbac.invite_member(u('a0'), 'new@example.com', 'developer') \gset
SELECT teamrbac.sign_in(u('05'));
SELECT key_id AS key FROM teamrbac.create_api_key(u('a0'), 'Dana''s key for the build') \gset
COMMIT;
SELECT about, e.* FROM (VALUES
	(1, 'tenant', format('CALL teamrbac.set_tenant_metadata(%L, %L)', u('a0'), '{"plan": "gold"}')),
	(2, 'tenant, read', format('SELECT teamrbac.tenant_metadata(%L)', u('a0'))),
	(3, 'Owner', format('CALL teamrbac.set_member_metadata(%L, %L, %L)', u('a0'), u('01'), '{}')),
	(4, 'Admin', format('CALL teamrbac.set_member_metadata(%L, %L, %L)', u('a0'), u('03'), '{}')),
	(5, 'Developer', format('CALL teamrbac.set_member_metadata(%L, %L, %L)', u('a0'), u('05'), '{}')),
	(6, 'Reader', format('CALL teamrbac.set_member_metadata(%L, %L, %L)', u('a0'), u('06'), '{}')),
	(7, 'no member', format('CALL teamrbac.set_member_metadata(%L, %L, %L)', u('a0'), u('07'), '{}')),
	(8, 'invitation', format('CALL teamrbac.set_invitation_metadata(%L, %L)', :'invitation', '{}')),
	(9, 'no invitation', format('CALL teamrbac.set_invitation_metadata(%L, %L)', u('ff'), '{}')),
	(10, 'Dana''s key', format('CALL teamrbac.set_api_key_metadata(%L, %L)', :'key', '{}')),
	(11, 'no key', format('CALL teamrbac.set_api_key_metadata(%L, %L)', u('ff'), '{}'))) AS t(n, about, command),
	everybody(command) AS e ORDER BY n;
SELECT left(value, 20) AS metadata, length(value), try(u('01'), format('CALL teamrbac.set_tenant_metadata(%L, %L)',
	u('a0'), value)) AS tenant,
	try(u('01'), format('CALL teamrbac.set_member_metadata(%L, %L, %L)', u('a0'), u('02'), value)) AS member,
	try(u('01'), format('CALL teamrbac.set_invitation_metadata(%L, %L)', :'invitation', value)) AS invitation,
	try(u('05'), format('CALL teamrbac.set_api_key_metadata(%L, %L)', :'key', value)) AS key
	FROM (VALUES (1, NULL), (2, '{}'), (3, '[]'), (4, '1'), (5, '"text"'), (6, 'null'), (7, '{'), (8,
	format('{"a": "%s"}', repeat('x', 8184))), (9, format('{"a": "%s"}', repeat('x', 8183))),
		(10, format('{"a": "%s"}', repeat('x', 10000000))), (11, format('{"a": [%s1]}', repeat('1, ', 2700)))) AS t(n,
		value) ORDER BY n;
-- The tables refuse it as well, whoever writes.
\set VERBOSITY sqlstate
UPDATE teamrbac.membership SET metadata = '[]';
UPDATE teamrbac.tenant SET metadata = jsonb_build_object('a', repeat('x', 9000));
\set VERBOSITY default
-- Shown in the lists: a member sees their own, managers all.
BEGIN;
SELECT teamrbac.sign_in(u('01'));
CALL teamrbac.set_tenant_metadata(u('a0'), '{"plan": "gold"}');
CALL teamrbac.set_member_metadata(u('a0'), u('05'), '{"department": "R&D"}');
CALL teamrbac.set_member_metadata(u('a0'), u('05'), '{"department": "Sales"}');
CALL teamrbac.set_member_metadata(u('a0'), u('06'), '{"erased": "no"}');
CALL teamrbac.set_invitation_metadata(:'invitation', '{"campaign": 7}');
CALL teamrbac.set_api_key_metadata(:'key', '{"service": "build"}');
SELECT teamrbac.tenant_metadata(u('a0'));
SELECT display_name, metadata FROM teamrbac.team WHERE metadata <> '{}' ORDER BY 1;
SELECT email, metadata FROM teamrbac.pending_invitation;
SELECT name, metadata FROM teamrbac.api_key_overview;
SELECT action, before, after FROM teamrbac.audit_trail WHERE tenant_id = u('a0') AND action ~ 'metadata'
	ORDER BY sequence;
SELECT valid FROM teamrbac.verify_audit(u('a0'));
SELECT teamrbac.sign_in(u('05'));
SELECT display_name, metadata FROM teamrbac.team ORDER BY 1;
COMMIT;

DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION everybody(text);
DROP FUNCTION try(uuid, text);
DROP FUNCTION u(text);
DROP ROLE regress_app;
