-- The audit as people read it.

CREATE VIEW teamrbac.audit_trail WITH (security_barrier = true) AS
	SELECT e.tenant_id,
		   e.sequence,
		   e.occurred_at,
		   CASE e.actor_kind
				WHEN 'user' THEN COALESCE(u.display_name, 'user ' || e.actor_id::text)
				WHEN 'api_key' THEN 'API key ' || e.actor_id::text
				ELSE 'role ' || e.session_role END AS actor,
		   e.action,
		   e.subject,
		   e.before,
		   e.after,
		   e.actor_kind,
		   e.actor_id,
		   e.session_role,
		   e.application_name
	FROM (SELECT permitted.* FROM teamrbac.audit_event AS permitted
		  WHERE permitted.scope = 'tenant' AND teamrbac.has_permission(permitted.tenant_id, 'audit.view')
		  UNION ALL
		  SELECT others.* FROM teamrbac.audit_event AS others
		  WHERE (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER)
			AND NOT (others.scope = 'tenant' AND teamrbac.has_permission(others.tenant_id, 'audit.view'))) AS e
	LEFT JOIN teamrbac.app_user AS u ON e.actor_kind = 'user' AND u.user_id = e.actor_id;
COMMENT ON VIEW teamrbac.audit_trail IS
	'What was done in the tenants in which whoever is asking has audit.view; a superuser sees all, definitions and users included. Order by tenant_id, sequence.';
COMMENT ON COLUMN teamrbac.audit_trail.tenant_id IS 'The tenant; for a superuser also a user, or the nil uuid for definitions.';
COMMENT ON COLUMN teamrbac.audit_trail.sequence IS 'Place in the tenant''s chain of events, from 1.';
COMMENT ON COLUMN teamrbac.audit_trail.occurred_at IS 'When.';
COMMENT ON COLUMN teamrbac.audit_trail.actor IS 'Who, for people.';
COMMENT ON COLUMN teamrbac.audit_trail.action IS 'What, such as member.removed; direct.* for a change of a table by hand.';
COMMENT ON COLUMN teamrbac.audit_trail.subject IS 'What it was done to, such as member:<user_id>.';
COMMENT ON COLUMN teamrbac.audit_trail.before IS 'What it was.';
COMMENT ON COLUMN teamrbac.audit_trail.after IS 'What it has become.';
COMMENT ON COLUMN teamrbac.audit_trail.actor_kind IS 'user, api_key or database_role.';
COMMENT ON COLUMN teamrbac.audit_trail.actor_id IS 'The user or the key; NULL for a database role.';
COMMENT ON COLUMN teamrbac.audit_trail.session_role IS 'The database role that had logged in.';
COMMENT ON COLUMN teamrbac.audit_trail.application_name IS 'What the client called itself.';
GRANT SELECT ON teamrbac.audit_trail TO PUBLIC;
