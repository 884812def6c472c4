-- The audit as people read it, and by whose names.

-- Granted to nobody: audit_trail and audit_page say who may see which.  The audit keeps ids, so these are the names of
-- today, of removed members too.
CREATE VIEW teamrbac.audit_name AS
	SELECT 'user' AS kind, NULL::uuid AS tenant_id, u.user_id AS id, u.display_name AS name
		FROM teamrbac.app_user AS u
	UNION ALL
	SELECT 'member', NULL, u.user_id, u.display_name FROM teamrbac.app_user AS u
	UNION ALL
	SELECT 'api_key', k.tenant_id, k.key_id, k.name FROM teamrbac.api_key AS k
	UNION ALL
	SELECT 'invitation', i.tenant_id, i.invitation_id, i.email::text FROM teamrbac.invitation AS i
	UNION ALL
	SELECT 'tenant', NULL, t.tenant_id, t.name FROM teamrbac.tenant AS t;
COMMENT ON VIEW teamrbac.audit_name IS
	'Internal to audit_trail and audit_page: the names of whom and what events are about.';
COMMENT ON COLUMN teamrbac.audit_name.kind IS 'Kind of actor or subject.';
COMMENT ON COLUMN teamrbac.audit_name.tenant_id IS 'The tenant that it belongs to, if to one.';
COMMENT ON COLUMN teamrbac.audit_name.id IS 'Its id.';
COMMENT ON COLUMN teamrbac.audit_name.name IS 'Its name, or an invitation''s address.';

CREATE VIEW teamrbac.audit_trail WITH (security_barrier = true) AS
	SELECT t.tenant_id,
		   t.sequence,
		   t.occurred_at,
		   CASE t.actor_kind
				WHEN 'user' THEN COALESCE(t.actor_name, 'user ' || t.actor_id::text)
				WHEN 'api_key' THEN 'API key ' || t.actor_id::text
				ELSE 'role ' || t.session_role END AS actor,
		   t.action,
		   t.subject,
		   t.before,
		   t.after,
		   t.actor_kind,
		   t.actor_id,
		   t.session_role,
		   t.application_name,
		   t.actor_name,
		   t.subject_name
	FROM (SELECT e.*,
		   CASE e.actor_kind WHEN 'database_role' THEN e.session_role
				ELSE (SELECT n.name FROM teamrbac.audit_name AS n
					  WHERE n.kind = e.actor_kind AND n.id = e.actor_id
						AND (n.tenant_id IS NULL OR n.tenant_id = e.tenant_id))
				END AS actor_name,
		   (SELECT n.name FROM teamrbac.audit_name AS n
			WHERE n.kind = pg_catalog.split_part(e.subject, ':', 1)
			  AND n.id = CASE WHEN e.subject ~ '^[a-z_]+:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
							  THEN pg_catalog.split_part(e.subject, ':', 2)::uuid END
			  AND (n.tenant_id IS NULL OR n.tenant_id = e.tenant_id)) AS subject_name
	-- Each in the order of the key, so that the last events of a tenant are read from the end.
	FROM ((SELECT permitted.* FROM teamrbac.audit_event AS permitted
		   WHERE permitted.scope = 'tenant' AND teamrbac.has_permission(permitted.tenant_id, 'audit.view')
		   ORDER BY permitted.tenant_id DESC, permitted.sequence DESC)
		  UNION ALL
		  (SELECT others.* FROM teamrbac.audit_event AS others
		   WHERE others.scope = 'tenant' AND NOT teamrbac.has_permission(others.tenant_id, 'audit.view')
			 AND (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER)
		   ORDER BY others.tenant_id DESC, others.sequence DESC)
		  UNION ALL
		  (SELECT users.* FROM teamrbac.audit_event AS users
		   WHERE users.scope = 'user' AND (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r
			WHERE r.rolname = CURRENT_USER)
		   ORDER BY users.tenant_id DESC, users.sequence DESC)
		  UNION ALL
		  (SELECT definitions.* FROM teamrbac.audit_event AS definitions
		   WHERE definitions.scope = ANY (ARRAY['platform', 'restore'])
			 AND (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER)
		   ORDER BY definitions.tenant_id DESC, definitions.sequence DESC)) AS e) AS t
	ORDER BY t.tenant_id DESC, t.sequence DESC;
COMMENT ON VIEW teamrbac.audit_trail IS
	'What was done in the tenants in which whoever is asking has audit.view; a superuser sees all, definitions and users included. The newest of a tenant come first, and reading them costs no more than they do.';
COMMENT ON COLUMN teamrbac.audit_trail.tenant_id IS
	'The tenant; for a superuser also a user, or the nil uuid for definitions.';
COMMENT ON COLUMN teamrbac.audit_trail.sequence IS 'Place in the tenant''s chain of events, from 1.';
COMMENT ON COLUMN teamrbac.audit_trail.occurred_at IS 'When.';
COMMENT ON COLUMN teamrbac.audit_trail.actor IS 'Who, for people.';
COMMENT ON COLUMN teamrbac.audit_trail.action IS
	'What, such as member.removed; direct.* for a change of a table by hand.';
COMMENT ON COLUMN teamrbac.audit_trail.subject IS 'What it was done to, such as member:<user_id>.';
COMMENT ON COLUMN teamrbac.audit_trail.before IS 'What it was.';
COMMENT ON COLUMN teamrbac.audit_trail.after IS 'What it has become.';
COMMENT ON COLUMN teamrbac.audit_trail.actor_kind IS 'user, api_key or database_role.';
COMMENT ON COLUMN teamrbac.audit_trail.actor_id IS 'The user or the key; NULL for a database role.';
COMMENT ON COLUMN teamrbac.audit_trail.session_role IS 'The database role that had logged in.';
COMMENT ON COLUMN teamrbac.audit_trail.application_name IS 'What the client called itself.';
COMMENT ON COLUMN teamrbac.audit_trail.actor_name IS
	'The name as it is now of the user or key, member or not, or the database role''s; NULL: deleted.';
COMMENT ON COLUMN teamrbac.audit_trail.subject_name IS
	'The name as it is now of the member, key or tenant, or the address of the invitation; NULL: deleted, or it has none.';
GRANT SELECT ON teamrbac.audit_trail TO PUBLIC;
