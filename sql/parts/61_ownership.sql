-- Ownership, contractors, and the end of a tenant.

CREATE PROCEDURE teamrbac.transfer_ownership(tenant_id uuid, new_owner uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_transfer_ownership';
COMMENT ON PROCEDURE teamrbac.transfer_ownership(uuid, uuid) IS
	'The Owner hands the tenant to an Admin and becomes an Admin; permanent. Errors: 42501 not the Owner; P0002 the other is not a member; 55000 not an Admin, about to expire, or disabled, or would own more than teamrbac.max_tenants_per_user; 28000 no user signed in. Locks the tenant''s row, then the new Owner''s.';
CREATE PROCEDURE teamrbac.set_membership_expiry(tenant_id uuid, user_id uuid, expires_at timestamptz)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_set_membership_expiry';
COMMENT ON PROCEDURE teamrbac.set_membership_expiry(uuid, uuid, timestamptz) IS
	'A membership ends by itself at that time, refused from then on whether or not any job runs; NULL: never. Also renews one that has ended so, with the role it had, within teamrbac.membership_renewal_period, whether or not expire_memberships has removed it meanwhile; no other command takes such a one for a member. Needs team.manage, and every permission of the member''s role. Errors: 22023 time not in the future, or the role is no more; 55000 it had ended, and there is no room by set_tenant_limit; 42501 not allowed, or the Owner; P0002 not a member, or expired too long ago. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.delete_tenant(tenant_id uuid, confirm_name text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_delete_tenant';
COMMENT ON PROCEDURE teamrbac.delete_tenant(uuid, text) IS
	'Ends all access to a tenant, obeyed by every statement that starts after the commit; its rows stay for teamrbac.deleted_tenant_retention, its slug is free. Needs tenant.delete. Errors: 22023 confirm_name is not the tenant''s name; 42501 not allowed; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.restore_tenant(tenant_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_restore_tenant';
COMMENT ON PROCEDURE teamrbac.restore_tenant(uuid) IS
	'Undoes delete_tenant within teamrbac.deleted_tenant_retention; warns if the Owner was disabled meanwhile. Where another tenant has taken its slug since, it comes back without one, and a warning says so. Errors: P0002 no such tenant; 55000 not deleted, or deleted too long ago. For the DBA. Locks the tenant''s row, then the Owner''s.';
CREATE PROCEDURE teamrbac.assign_owner(tenant_id uuid, user_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_assign_owner';
COMMENT ON PROCEDURE teamrbac.assign_owner(uuid, uuid) IS
	'Makes a user the Owner of a tenant, member or not; the previous Owner becomes an Admin. For a superuser, when the only Owner is gone. Errors: P0002 no such tenant; 22023 unknown or disabled user; 55000 they are the Owner already. Locks the tenant''s row, then the user''s.';

CREATE FUNCTION teamrbac.removal_impact(tenant_id uuid, user_id uuid, OUT kind text, OUT subject text, OUT detail text)
	RETURNS SETOF record
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_removal_impact';
COMMENT ON FUNCTION teamrbac.removal_impact(uuid, uuid, OUT text, OUT text, OUT text) IS
	'What removing a member would end or leave behind. Needs team.manage. Errors: 42501 not allowed; P0002 not a member.';

CREATE PROCEDURE teamrbac.disable_user(user_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_disable_user';
COMMENT ON PROCEDURE teamrbac.disable_user(uuid) IS
	'Ends a user''s access everywhere, obeyed by every statement that starts after the commit; memberships and keys stay. Errors: P0002 no such user; 55000 disabled already, or the Owner of a tenant. Trusted, as register_user is. Locks the user''s row, which whoever makes the user an Owner locks after the tenant''s.';
CREATE PROCEDURE teamrbac.enable_user(user_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_enable_user';
COMMENT ON PROCEDURE teamrbac.enable_user(uuid) IS
	'Undoes disable_user. Errors: P0002 no such user; 55000 not disabled. Trusted, as register_user is. Locks the user''s row.';

REVOKE ALL ON PROCEDURE teamrbac.restore_tenant(uuid) FROM PUBLIC;
REVOKE ALL ON PROCEDURE teamrbac.assign_owner(uuid, uuid) FROM PUBLIC;
REVOKE ALL ON PROCEDURE teamrbac.disable_user(uuid) FROM PUBLIC;
REVOKE ALL ON PROCEDURE teamrbac.enable_user(uuid) FROM PUBLIC;
