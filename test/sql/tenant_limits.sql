-- Limits of a tenant: members, keys of a member, pending invitations.
\getenv srcdir PG_ABS_SRCDIR
\set acme :srcdir /fixtures/acme.sql
\i :acme
-- Five registered users more, who are in no team.
SELECT count(teamrbac.register_user('n' || n || '@acme.example', 'N' || n, u('2' || n))) FROM generate_series(1,
	5) AS n;

-- The application that sells plans sets them, nobody else; who manages the team sees them.
SELECT * FROM everybody(format('CALL teamrbac.set_tenant_limit(%L, ''members'', 3)', u('a0')));
SELECT * FROM everybody(format('SELECT teamrbac.tenant_limits(%L)', u('a0')));
CALL teamrbac.set_tenant_limit(u('a0'), 'members', -2);
CALL teamrbac.set_tenant_limit(u('a0'), 'nonsense', 1);
CALL teamrbac.set_tenant_limit(u('a0'), NULL, 1);
CALL teamrbac.set_tenant_limit(NULL, 'members', 1);
CALL teamrbac.set_tenant_limit(u('ff'), 'members', 1);
SET ROLE regress_app;
SET teamrbac.max_members = 1000;
SET teamrbac.max_keys_per_member = 1000;
RESET ROLE;

-- Members.  Acme has six, and may have seven.
CALL teamrbac.set_tenant_limit(u('a0'), 'members', 7);
BEGIN;
SELECT teamrbac.sign_in(u('02'));
SELECT * FROM teamrbac.tenant_limits(u('a0'));
SELECT token AS t1 FROM teamrbac.invite_member(u('a0'), 'n1@acme.example', 'reader') \gset
SELECT token AS t2 FROM teamrbac.invite_member(u('a0'), 'n2@acme.example', 'reader') \gset
SELECT token AS link FROM teamrbac.invite_by_link(u('a0'), 'reader', 10) \gset
CALL teamrbac.allow_domain(u('a0'), 'acme.example', 'reader');
SELECT teamrbac.sign_in(u('23'));
CALL teamrbac.request_to_join(u('a0'));
SELECT teamrbac.sign_in(u('21'));
SELECT role FROM teamrbac.accept_invitation(:'t1');
COMMIT;
-- Full: by no way in.  A member is told that they are one, whatever the limit.
CREATE VIEW ways AS SELECT way, try(who, command) AS outcome FROM (VALUES
	(1, 'invitation', u('22'), format('SELECT teamrbac.accept_invitation(%L)', (SELECT current_setting('my.t2')))),
	(2, 'my invitation', u('22'), format('SELECT teamrbac.accept_my_invitation(%L)', (SELECT invitation_id
	FROM teamrbac.invitation WHERE email = 'n2@acme.example'))),
	(3, 'link', u('24'), format('SELECT teamrbac.accept_invitation(%L)', (SELECT current_setting('my.link')))),
	(4, 'domain', u('24'), format('SELECT teamrbac.join_tenant(%L)', u('a0'))),
	(5, 'request', u('01'), format('CALL teamrbac.approve_join_request(%L, %L)', u('a0'), u('23'))),
	(6, 'member by link', u('06'), format('SELECT teamrbac.accept_invitation(%L)',
	(SELECT current_setting('my.link')))),
	(7, 'member by domain', u('06'), format('SELECT teamrbac.join_tenant(%L)', u('a0')))) AS t(n, way, who, command)
	ORDER BY n;
SELECT set_config('my.t2', :'t2', false) <> '' AS t2, set_config('my.link', :'link', false) <> '' AS link;
SELECT * FROM ways;
BEGIN;
SELECT teamrbac.sign_in(u('22'));
SELECT teamrbac.accept_invitation(:'t2');
ROLLBACK;
SELECT teamrbac.add_member(u('a0'), u('24'), 'reader');
-- Nothing of it is used up by failing.
SELECT used FROM teamrbac.invitation_link;
-- Somebody leaves, or their time runs out: room for one.  Whose time was over does not get it back for nothing.
BEGIN;
SELECT teamrbac.sign_in(u('06'));
CALL teamrbac.leave_tenant(u('a0'));
SELECT * FROM ways WHERE way !~ '^member';
ROLLBACK;
BEGIN;
UPDATE teamrbac.membership SET expires_at = clock_timestamp() WHERE user_id = u('06');
SELECT try(u('01'), format('CALL teamrbac.set_membership_expiry(%L, %L, NULL)', u('a0'), u('06')));
SELECT teamrbac.add_member(u('a0'), u('24'), 'reader');
SELECT try(u('01'), format('CALL teamrbac.set_membership_expiry(%L, %L, NULL)', u('a0'), u('06')));
SELECT try(u('01'), format('CALL teamrbac.set_membership_expiry(%L, %L, NULL)', u('a0'), u('24')));
ROLLBACK;
-- Lower than what there is: whoever is there stays.  -1: no limit; NULL: what the setting says.
BEGIN;
CALL teamrbac.set_tenant_limit(u('a0'), 'members', 0);
SELECT count(*) FROM teamrbac.membership WHERE tenant_id = u('a0');
SELECT * FROM ways WHERE way = 'domain';
CALL teamrbac.set_tenant_limit(u('a0'), 'members', -1);
SELECT * FROM ways WHERE way = 'domain';
SET LOCAL teamrbac.max_members = 5;
SELECT * FROM ways WHERE way = 'domain';
CALL teamrbac.set_tenant_limit(u('a0'), 'members', NULL);
SELECT * FROM ways WHERE way = 'domain';
SET LOCAL teamrbac.max_members = 8;
SELECT * FROM ways WHERE way = 'domain';
SELECT action, before, after FROM teamrbac.audit_event WHERE tenant_id = u('a0') AND action = 'tenant.limit_set'
	ORDER BY sequence;
ROLLBACK;
-- A new tenant has room for its Owner, whatever the setting.
BEGIN;
SET LOCAL teamrbac.max_members = 0;
SELECT try(u('24'), 'SELECT teamrbac.create_tenant(''New'')');
ROLLBACK;

-- Keys of a member: those that work and that they made, in this tenant; also one that was rotated and works on.
CALL teamrbac.set_tenant_limit(u('a0'), 'keys_per_member', 2);
BEGIN;
SELECT teamrbac.sign_in(u('05'));
SELECT key_id AS k1 FROM teamrbac.create_api_key(u('a0'), 'The first of Dana''s') \gset
SELECT key_id AS k2 FROM teamrbac.create_api_key(u('a0'), 'The second of Dana''s') \gset
SELECT teamrbac.sign_in(u('01'));
SELECT count(teamrbac.create_api_key(u('a0'), 'The keys of Olivia''s, ' || n)) FROM generate_series(1, 2) AS n;
SELECT name, value, used FROM teamrbac.tenant_limits(u('a0'));
COMMIT;
SELECT try(u('05'), format('SELECT teamrbac.create_api_key(%L, ''The third of hers'')', u('a0'))) AS third,
	try(u('02'), format('SELECT teamrbac.create_api_key(%L, ''The first of his'')', u('a0'))) AS of_another,
	try(u('05'), format('SELECT teamrbac.rotate_api_key(%L)', :'k1')) AS rotated, try(u('05'),
	format('SELECT teamrbac.rotate_api_key(%L, ''100 years'')', :'k1')) AS with_overlap, try(u('01'),
	format('SELECT teamrbac.rotate_api_key(%L)', :'k1')) AS rotated_by_another;
BEGIN;
SELECT teamrbac.sign_in(u('05'));
SAVEPOINT s;
SELECT teamrbac.create_api_key(u('a0'), 'The third of hers');
ROLLBACK TO s;
CALL teamrbac.revoke_api_key(:'k1');
SELECT try(u('05'), format('SELECT teamrbac.create_api_key(%L, ''The third of hers'')', u('a0')));
ROLLBACK;

-- Pending invitations, of the tenant's own.
CALL teamrbac.set_tenant_limit(u('a0'), 'pending_invitations', 2);
BEGIN;
SELECT teamrbac.sign_in(u('01'));
SELECT email, outcome FROM teamrbac.invite_members(u('a0'), ARRAY['a@b.example', 'b@b.example', 'c@b.example'],
	'reader');
SELECT try(u('01'), format('SELECT teamrbac.invite_member(%L, ''d@b.example'', ''reader'')', u('a0')));
SELECT * FROM teamrbac.tenant_limits(u('a0'));
ROLLBACK;
-- A tenant that is gone takes its limits along.
DELETE FROM teamrbac.tenant WHERE tenant_id = u('a0');
SELECT count(*) FROM teamrbac.tenant_limit;
DROP VIEW ways;

DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION everybody(text);
DROP FUNCTION try(uuid, text);
DROP FUNCTION u(text);
DROP ROLE regress_app;
