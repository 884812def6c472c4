-- Ownership, contractors, deleted tenants and disabled users.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set owner '''00000000-0000-0000-0000-0000000000a1'''
\set admin '''00000000-0000-0000-0000-0000000000b1'''
\set developer '''00000000-0000-0000-0000-0000000000c1'''
\set other '''00000000-0000-0000-0000-0000000000d1'''
\set acme '''00000000-0000-0000-0000-000000000001'''
SELECT count(teamrbac.register_user(n || '@example.com', n, ('00000000-0000-0000-0000-0000000000' || n)::uuid)) FROM unnest(ARRAY['a1', 'b1', 'c1', 'd1']) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (:acme, 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (:acme, :owner, 'owner'), (:acme, :admin, 'admin'), (:acme, :developer, 'developer');
COMMIT;

-- Transfer: only by the Owner, only to an Admin whose membership lasts.
SELECT teamrbac.sign_in(:admin, false);
CALL teamrbac.transfer_ownership(:acme, :admin);
SELECT teamrbac.sign_in(:other, false);
CALL teamrbac.transfer_ownership(:acme, :admin);
SELECT teamrbac.sign_in(:owner, false);
CALL teamrbac.transfer_ownership(:acme, :owner);
CALL teamrbac.transfer_ownership(:acme, :developer);
CALL teamrbac.transfer_ownership(:acme, :other);
CALL teamrbac.transfer_ownership(:acme, NULL);
CALL teamrbac.set_membership_expiry(:acme, :admin, now() + interval '1 hour');
CALL teamrbac.transfer_ownership(:acme, :admin);
CALL teamrbac.set_membership_expiry(:acme, :admin, NULL);
CALL teamrbac.disable_user(:admin);
CALL teamrbac.transfer_ownership(:acme, :admin);
CALL teamrbac.enable_user(:admin);
CALL teamrbac.transfer_ownership(:acme, :admin);
SELECT display_name, role FROM teamrbac.team ORDER BY display_name;
-- Permanent: the previous Owner is an Admin now, and no more.
CALL teamrbac.transfer_ownership(:acme, :owner);
SELECT teamrbac.has_permission(:acme, 'billing.manage'), teamrbac.has_permission(:acme, 'team.manage');

-- Contractors: a membership that ends by itself, never the Owner's.
CALL teamrbac.set_membership_expiry(:acme, :admin, now() + interval '1 hour');
CALL teamrbac.set_membership_expiry(:acme, :developer, now());
CALL teamrbac.set_membership_expiry(:acme, :developer, clock_timestamp() + interval '0.3 s');
SELECT count(*) FROM teamrbac.team;
SELECT pg_sleep(0.5);
SELECT count(*) FROM teamrbac.team;
-- The row is still there for a job to remove; several batches.
SELECT count(*) FROM teamrbac.membership;
CALL teamrbac.expire_memberships(0);
CALL teamrbac.expire_memberships(1);
SELECT count(*) FROM teamrbac.membership;

SELECT action, actor_kind, subject, before ->> 'role' AS role FROM teamrbac.audit_event WHERE action = 'member.expired';

-- Before a removal.
SELECT * FROM teamrbac.removal_impact(:acme, :admin);
SELECT * FROM teamrbac.removal_impact(:acme, :other);

-- Disabled: access ends everywhere, the membership stays; an Owner is not disabled.
CALL teamrbac.disable_user(:admin);
CALL teamrbac.disable_user(:other);
CALL teamrbac.disable_user(:other);
SELECT teamrbac.sign_in(:other, false);
-- A superuser's way out when the Owner is gone.
CALL teamrbac.assign_owner(:acme, :other);
CALL teamrbac.enable_user(:other);
CALL teamrbac.enable_user(:other);
CALL teamrbac.enable_user('00000000-0000-0000-0000-0000000000ee');
CALL teamrbac.assign_owner(:acme, :other);
CALL teamrbac.assign_owner(:acme, :other);
CALL teamrbac.assign_owner('00000000-0000-0000-0000-0000000000ff', :other);
SELECT display_name, role FROM teamrbac.team ORDER BY display_name;

-- The end of a tenant.
CALL teamrbac.delete_tenant(:acme, 'Acme');
SELECT teamrbac.sign_in(:other, false);
CALL teamrbac.delete_tenant(:acme, 'acme');
CALL teamrbac.delete_tenant(:acme, 'Acme');
SELECT teamrbac.has_permission(:acme, 'logs.view'), (SELECT count(*) FROM teamrbac.my_tenants());
CALL teamrbac.delete_tenant(:acme, 'Acme');
CALL teamrbac.change_role(:acme, :admin, 'reader');
CALL teamrbac.restore_tenant(:acme);
CALL teamrbac.restore_tenant(:acme);
CALL teamrbac.restore_tenant('00000000-0000-0000-0000-0000000000ff');
SELECT teamrbac.has_permission(:acme, 'logs.view'), (SELECT count(*) FROM teamrbac.my_tenants());
-- Disabled while the tenant was deleted: it comes back, and the DBA is told.
CALL teamrbac.delete_tenant(:acme, 'Acme');
CALL teamrbac.disable_user(:other);
CALL teamrbac.restore_tenant(:acme);
CALL teamrbac.assign_owner(:acme, :admin);

-- A DBA's own changes: none or two owners fail at the latest at COMMIT.
UPDATE teamrbac.membership SET role = 'admin' WHERE role = 'owner';
UPDATE teamrbac.membership SET role = 'owner' WHERE role = 'admin';
DELETE FROM teamrbac.membership;
DELETE FROM teamrbac.app_user;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('00000000-0000-0000-0000-0000000000ff', 'Nobody''s');
BEGIN;
DELETE FROM teamrbac.membership WHERE role = 'owner';
\copy teamrbac.membership (tenant_id, user_id, role) FROM PROGRAM 'echo 00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-0000000000b1,admin' (FORMAT csv)
COMMIT;
TRUNCATE teamrbac.membership;
TRUNCATE teamrbac.app_user CASCADE;
SELECT role, count(*) FROM teamrbac.membership GROUP BY role ORDER BY role;
-- What leaves exactly one is fine, and so is no tenant at all.
BEGIN;
DELETE FROM teamrbac.membership WHERE role = 'owner';
UPDATE teamrbac.membership SET role = 'owner' WHERE user_id = :other;
COMMIT;
BEGIN;
TRUNCATE teamrbac.membership, teamrbac.tenant CASCADE;
ROLLBACK;
BEGIN;
DELETE FROM teamrbac.tenant;
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
SELECT role, count(*) FROM teamrbac.membership GROUP BY role ORDER BY role;

-- What only a DBA, or the application, may do.
CREATE ROLE regress_app;
SET ROLE regress_app;
CALL teamrbac.assign_owner(:acme, :owner);
CALL teamrbac.restore_tenant(:acme);
CALL teamrbac.disable_user(:owner);
CALL teamrbac.enable_user(:owner);
CALL teamrbac.expire_memberships();
RESET ROLE;
-- A grant of EXECUTE does not make a superuser.
GRANT EXECUTE ON PROCEDURE teamrbac.assign_owner(uuid, uuid) TO regress_app;
SET ROLE regress_app;
CALL teamrbac.assign_owner(:acme, :owner);
RESET ROLE;

DROP EXTENSION teamrbac CASCADE;
DROP ROLE regress_app;
