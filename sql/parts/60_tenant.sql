-- Commands on users, tenants and members.

CREATE FUNCTION teamrbac.register_user(email text, display_name text, user_id uuid DEFAULT pg_catalog.gen_random_uuid())
	RETURNS uuid
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_register_user';
COMMENT ON FUNCTION teamrbac.register_user(text, text, uuid) IS
	'Registers a user whose e-mail address the application has verified. Returns user_id. Errors: 22023 malformed address or name, 23505 address or id taken. Trusted, as sign_in is.';
CREATE FUNCTION teamrbac.update_user(user_id uuid, email text DEFAULT NULL, display_name text DEFAULT NULL)
	RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_update_user';
COMMENT ON FUNCTION teamrbac.update_user(uuid, text, text) IS
	'Changes a user''s verified e-mail address or name; NULL leaves it. Errors: 22023 malformed, 23505 address taken, P0002 no such user. Trusted, as sign_in is.';
REVOKE ALL ON FUNCTION teamrbac.register_user(text, text, uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.update_user(uuid, text, text) FROM PUBLIC;

CREATE FUNCTION teamrbac.create_tenant(name text, slug text DEFAULT NULL) RETURNS uuid
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_create_tenant';
COMMENT ON FUNCTION teamrbac.create_tenant(text, text) IS
	'Makes a tenant; the signed-in user becomes its Owner. Returns tenant_id. Errors: 28000 no user signed in, 22023 malformed name or slug, 23505 slug taken, also by a transaction in progress, 55000 more tenants than teamrbac.max_tenants_per_user. Locks the user''s row FOR SHARE; yields to disable_user and its like.';
CREATE PROCEDURE teamrbac.change_role(tenant_id uuid, user_id uuid, role text, revoke_keys boolean DEFAULT false)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_change_role';
COMMENT ON PROCEDURE teamrbac.change_role(uuid, uuid, text, boolean) IS
	'Gives a member another role, obeyed by every statement that starts after the commit. API keys that they made stay, unless revoke_keys: then all of them are revoked, which needs api_keys.manage. Needs team.manage, and every permission of the old and of the new role. Errors: 42501 not allowed, or owner; P0002 not a member; 22023 unknown role; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.remove_member(tenant_id uuid, user_id uuid, revoke_keys boolean DEFAULT false)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_remove_member';
COMMENT ON PROCEDURE teamrbac.remove_member(uuid, uuid, boolean) IS
	'Ends a membership, obeyed by every statement that starts after the commit. API keys that they made stay, unless revoke_keys: then all of them are revoked, which needs api_keys.manage. They come back by an invitation to their address only, not by a link or domain. Needs team.manage, and every permission of the member''s role. Errors: 42501 not allowed, or the Owner; P0002 not a member; 23503 or 55000 where foreign keys of the application''s tables forbid it (see docs/security.md); 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.leave_tenant(tenant_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_leave_tenant';
COMMENT ON PROCEDURE teamrbac.leave_tenant(uuid) IS
	'The signed-in user ends their own membership. They come back by an invitation to their address only, not by a link or domain. Errors: 42501 not a member, or the Owner, who transfers ownership first; 23503 or 55000 where foreign keys of the application''s tables forbid it (see docs/security.md); 28000 no user signed in. Locks the tenant''s row.';

CREATE VIEW teamrbac.team WITH (security_barrier = true) AS
	SELECT m.tenant_id,
		   m.user_id,
		   u.display_name,
		   CASE WHEN m.user_id = teamrbac.current_user_id()
					 OR teamrbac.has_permission(m.tenant_id, 'team.manage')
				THEN u.email::text END AS email,
		   m.role::text AS role,
		   m.joined_at,
		   m.expires_at,
		   CASE WHEN m.user_id = teamrbac.current_user_id()
					 OR teamrbac.has_permission(m.tenant_id, 'team.manage')
				THEN m.metadata END AS metadata
	FROM teamrbac.membership AS m
	-- One by one and in order, so that whoever wants the first of a large team in this order has not to wait for the rest.
	CROSS JOIN LATERAL (SELECT u.display_name, u.email FROM teamrbac.app_user AS u WHERE u.user_id = m.user_id OFFSET 0) AS u
	WHERE m.tenant_id = ANY (teamrbac.visible_tenants())
	  AND teamrbac.current_user_id() IS NOT NULL
	  AND (m.expires_at IS NULL OR m.expires_at > pg_catalog.clock_timestamp())
	ORDER BY m.tenant_id, m.user_id;
COMMENT ON VIEW teamrbac.team IS
	'The members of the signed-in user''s tenants, or of the acting one alone once that was entered: everyone in a team sees names and roles; e-mail addresses need team.manage.';
COMMENT ON COLUMN teamrbac.team.tenant_id IS 'A tenant of the signed-in user.';
COMMENT ON COLUMN teamrbac.team.user_id IS 'A member of it.';
COMMENT ON COLUMN teamrbac.team.display_name IS 'Their name.';
COMMENT ON COLUMN teamrbac.team.email IS 'Their address: one''s own, and all with team.manage.';
COMMENT ON COLUMN teamrbac.team.role IS 'What they are there.';
COMMENT ON COLUMN teamrbac.team.joined_at IS 'When they became a member.';
COMMENT ON COLUMN teamrbac.team.expires_at IS 'When the membership ends by itself; NULL: never.';
COMMENT ON COLUMN teamrbac.team.metadata IS 'The application''s own, by set_member_metadata: one''s own, and all with team.manage.';
GRANT SELECT ON teamrbac.team TO PUBLIC;
