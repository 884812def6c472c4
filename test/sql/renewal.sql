-- A membership whose time is over is none, for every command alike, whether or not the job has been there; renewing it
-- is set_membership_expiry in both cases.  The keys of a user, all at once; the slug of a deleted tenant.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
-- Runs a statement for its outcome alone.
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN concat(SQLSTATE, ' ', SQLERRM);
END $$;
-- Olivia owns, Adam and Amy are Admins, Cora is a contractor; Zoe has a role that Adam doesn't outrank.
SELECT count(teamrbac.register_user(name || '@example.com', name, u(id))) FROM (VALUES
	('Olivia', 'a1'), ('Adam', 'b1'), ('Amy', 'b2'), ('Cora', 'c1'), ('Zoe', 'd1')) AS v(name, id);
SELECT teamrbac.define_permission('vault.open', 'Open the vault', '{}');
SELECT teamrbac.define_role('keeper', 'Keeps the vault', '{vault.open}'), teamrbac.define_role('shortlived', 'For a while', '{logs.view}');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name, slug) VALUES (u('01'), 'Acme', 'acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('01'), u('a1'), 'owner'), (u('01'), u('b1'), 'admin'), (u('01'), u('b2'), 'admin'), (u('01'), u('c1'), 'developer'), (u('01'), u('d1'), 'keeper');
COMMIT;
SELECT teamrbac.sign_in(u('c1'), false);
SELECT count(*) FROM teamrbac.create_api_key(u('01'), 'Cora''s laptop');

-- Everything that takes a member, asked of an expired one.
CREATE VIEW answers AS SELECT command, try(command) AS outcome FROM (VALUES
	(1, 'CALL teamrbac.change_role(u(''01''), u(''c1''), ''reader'')'),
	(2, 'CALL teamrbac.change_role(u(''01''), u(''c1''), ''admin'', true)'),
	(3, 'CALL teamrbac.remove_member(u(''01''), u(''c1''))'),
	(4, 'CALL teamrbac.remove_member(u(''01''), u(''c1''), true)'),
	(5, 'CALL teamrbac.transfer_ownership(u(''01''), u(''c1''))'),
	(6, 'SELECT * FROM teamrbac.removal_impact(u(''01''), u(''c1''))')) AS v(n, command) ORDER BY n;
UPDATE teamrbac.membership SET expires_at = clock_timestamp() WHERE user_id = u('c1');
SELECT teamrbac.sign_in(u('a1'), false);
SELECT count(*) FROM teamrbac.team WHERE user_id = u('c1');
CREATE TEMP TABLE before AS SELECT * FROM answers;
SELECT * FROM before;
CALL teamrbac.expire_memberships();
SELECT count(*) FROM teamrbac.membership WHERE user_id = u('c1');
SELECT command, a.outcome FROM answers AS a JOIN before AS b USING (command) WHERE a.outcome <> b.outcome;
-- What she asks herself.
SELECT teamrbac.sign_in(u('c1'), false);
SELECT try('CALL teamrbac.leave_tenant(u(''01''))'), try('CALL teamrbac.revoke_member_keys(u(''01''), u(''c1''))');

-- Renewal: the role and the day of joining come back, in either case; whoever does it may give the role.
CREATE FUNCTION state() RETURNS TABLE (role text, joined_anew boolean, ends boolean, kept bigint) LANGUAGE sql AS $$
	SELECT m.role, m.joined_at > now() - interval '1 day', m.expires_at IS NOT NULL, (SELECT count(*) FROM teamrbac.expired_membership)
	FROM teamrbac.membership AS m WHERE m.user_id = u('c1') $$;
SELECT teamrbac.sign_in(u('b1'), false);
CALL teamrbac.set_membership_expiry(u('01'), u('c1'), now());
CALL teamrbac.set_membership_expiry(u('01'), u('c1'), now() + interval '1 day');
SELECT * FROM state();
UPDATE teamrbac.membership SET joined_at = '2020-01-01', expires_at = clock_timestamp() WHERE user_id = u('c1');
CALL teamrbac.set_membership_expiry(u('01'), u('c1'), NULL);
SELECT * FROM state();
UPDATE teamrbac.membership SET expires_at = clock_timestamp() WHERE user_id = u('c1');
CALL teamrbac.expire_memberships();
CALL teamrbac.set_membership_expiry(u('01'), u('c1'), NULL);
SELECT * FROM state();
SELECT before - 'expires_at' AS before, after FROM teamrbac.audit_event WHERE action = 'member.expiry_set' AND NOT after @? '$.expires_at ? (@ != null)' ORDER BY sequence;
-- Not by somebody whom the role outranks, before or after the job, nor by a Reader.
SELECT teamrbac.sign_in(u('a1'), false);
SELECT teamrbac.define_permission('vault.open', 'Open the vault', '{owner}');
UPDATE teamrbac.membership SET expires_at = clock_timestamp() WHERE user_id = u('d1');
SELECT teamrbac.sign_in(u('b1'), false);
SELECT try('CALL teamrbac.set_membership_expiry(u(''01''), u(''d1''), NULL)');
CALL teamrbac.expire_memberships();
SELECT try('CALL teamrbac.set_membership_expiry(u(''01''), u(''d1''), NULL)');
SELECT teamrbac.sign_in(u('c1'), false);
SELECT try('CALL teamrbac.set_membership_expiry(u(''01''), u(''d1''), NULL)');
SELECT teamrbac.sign_in(u('a1'), false);
CALL teamrbac.set_membership_expiry(u('01'), u('d1'), NULL);
SELECT role FROM teamrbac.team WHERE user_id = u('d1');

-- Whose membership ended in another way is not renewed, whatever expired earlier.
UPDATE teamrbac.membership SET expires_at = clock_timestamp() WHERE user_id = u('c1');
CALL teamrbac.expire_memberships();
SELECT token FROM teamrbac.invite_member(u('01'), 'cora@example.com', 'reader') \gset
SELECT teamrbac.sign_in(u('c1'), false);
SELECT role FROM teamrbac.accept_invitation(:'token');
SELECT teamrbac.sign_in(u('a1'), false);
CALL teamrbac.remove_member(u('01'), u('c1'));
CALL teamrbac.set_membership_expiry(u('01'), u('c1'), NULL);
-- Likewise when a DBA makes her a member by hand.
INSERT INTO teamrbac.membership (tenant_id, user_id, role, expires_at) VALUES (u('01'), u('c1'), 'shortlived', clock_timestamp());
CALL teamrbac.expire_memberships();
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('01'), u('c1'), 'reader');
DELETE FROM teamrbac.membership WHERE user_id = u('c1');
CALL teamrbac.set_membership_expiry(u('01'), u('c1'), NULL);
-- A role that is no more is not given, nor another of its name.
INSERT INTO teamrbac.membership (tenant_id, user_id, role, expires_at) VALUES (u('01'), u('c1'), 'shortlived', clock_timestamp());
CALL teamrbac.expire_memberships();
SELECT teamrbac.drop_role('shortlived');
CALL teamrbac.set_membership_expiry(u('01'), u('c1'), NULL);
SELECT teamrbac.define_role('shortlived', 'Another', '{logs.view,vault.open}');
CALL teamrbac.set_membership_expiry(u('01'), u('c1'), NULL);
-- After the period, before and after the job; then it is forgotten.
INSERT INTO teamrbac.expired_membership (tenant_id, user_id, role, expires_at, joined_at)
	VALUES (u('01'), u('c1'), 'reader', now() - interval '91 days', now() - interval '99 days');
CALL teamrbac.set_membership_expiry(u('01'), u('c1'), NULL);
SET teamrbac.membership_renewal_period = '100 days';
BEGIN;
CALL teamrbac.set_membership_expiry(u('01'), u('c1'), NULL);
SELECT role FROM teamrbac.team WHERE user_id = u('c1');
ROLLBACK;
CALL teamrbac.expire_memberships();
SELECT count(*) FROM teamrbac.expired_membership;
RESET teamrbac.membership_renewal_period;
CALL teamrbac.expire_memberships();
SELECT count(*) FROM teamrbac.expired_membership;
INSERT INTO teamrbac.membership (tenant_id, user_id, role, expires_at) VALUES (u('01'), u('c1'), 'reader', now() - interval '91 days');
CALL teamrbac.set_membership_expiry(u('01'), u('c1'), NULL);
SELECT valid FROM teamrbac.verify_audit(u('01'));

-- All keys of a user, in all tenants, deleted ones and those they have left included; one event a tenant.
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('02'), 'Borealis'), (u('03'), 'Cirrus');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT t, m, r FROM unnest(ARRAY[u('02'), u('03')]) AS t, (VALUES (u('a1'), 'owner'), (u('b2'), 'admin'), (u('c1'), 'developer')) AS v(m, r);
COMMIT;
SELECT teamrbac.sign_in(u('c1'), false);
SELECT secret FROM teamrbac.create_api_key(u('02'), 'Cora''s server') \gset
SELECT count(*) FROM teamrbac.create_api_key(u('03'), 'Cora''s script') UNION ALL SELECT count(*) FROM teamrbac.create_api_key(u('03'), 'Cora''s other');
SELECT teamrbac.sign_in(u('b2'), false);
SELECT count(*) FROM teamrbac.create_api_key(u('02'), 'Amy''s');
SELECT teamrbac.sign_in(u('a1'), false);
CALL teamrbac.delete_tenant(u('03'), 'Cirrus');
SELECT teamrbac.sign_out();
CALL teamrbac.disable_user(u('c1'));
SELECT role FROM teamrbac.sign_in_with_api_key(:'secret', false);
CALL teamrbac.revoke_user_keys(u('c1'));
CALL teamrbac.revoke_user_keys(u('c1'));
SELECT role FROM teamrbac.sign_in_with_api_key(:'secret', false);
CALL teamrbac.revoke_user_keys(u('ff'));
CALL teamrbac.revoke_user_keys(NULL);
SELECT t.name AS tenant, k.name, k.revoked_at IS NOT NULL AS revoked, k.revoke_reason FROM teamrbac.api_key AS k JOIN teamrbac.tenant AS t USING (tenant_id) ORDER BY 1, 2;
SELECT t.name, actor_kind, subject = 'user:' || u('c1') AS subject, array_length(string_to_array(after ->> 'keys', ' '), 1) AS keys
	FROM teamrbac.audit_event AS e JOIN teamrbac.tenant AS t USING (tenant_id) WHERE action = 'api_key.revoked_all' ORDER BY 1;
SELECT u.valid FROM unnest(ARRAY[u('01'), u('02'), u('03')]) AS t, teamrbac.verify_audit(t) AS u;
CREATE ROLE regress_app;
SET ROLE regress_app;
CALL teamrbac.revoke_user_keys(u('b2'));
RESET ROLE;
DROP ROLE regress_app;

-- A slug is free as soon as its tenant is deleted; a restoration does without where it has been taken.
SELECT teamrbac.sign_in(u('a1'), false);
SELECT try('SELECT teamrbac.create_tenant(''New Acme'', ''acme'')');
CALL teamrbac.delete_tenant(u('01'), 'Acme');
SELECT teamrbac.sign_in(u('b2'), false);
SELECT count(teamrbac.create_tenant('New Acme', 'acme'));
SELECT try('SELECT teamrbac.create_tenant(''Newer Acme'', ''acme'')');
CALL teamrbac.restore_tenant(u('01'));
SELECT name, slug FROM teamrbac.tenant WHERE name LIKE '%Acme' ORDER BY name;
SELECT before, after FROM teamrbac.audit_event WHERE action = 'tenant.restored';
-- Not taken: it comes back with it.
UPDATE teamrbac.tenant SET slug = 'first' WHERE tenant_id = u('01');
SELECT teamrbac.sign_in(u('a1'), false);
CALL teamrbac.delete_tenant(u('01'), 'Acme');
CALL teamrbac.restore_tenant(u('01'));
SELECT slug FROM teamrbac.tenant WHERE tenant_id = u('01');

DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION state();
DROP VIEW answers;
DROP TABLE before;
DROP FUNCTION try(text), u(text);
