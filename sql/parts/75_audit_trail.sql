-- The audit as people read it, and by whose names.

-- Granted to nobody: audit_trail and audit_page say who may see which of them.  Names are those of today, of removed
-- members too: the audit itself keeps ids.
CREATE VIEW teamrbac.audit_named AS
	SELECT e.tenant_id, e.scope, e.sequence, e.occurred_at, e.actor_kind, e.actor_id, e.session_role, e.application_name,
		   e.action, e.subject, e.before, e.after,
		   CASE e.actor_kind
				WHEN 'user' THEN (SELECT u.display_name FROM teamrbac.app_user AS u WHERE u.user_id = e.actor_id)
				WHEN 'api_key' THEN (SELECT k.name FROM teamrbac.api_key AS k
									 WHERE k.tenant_id = e.tenant_id AND k.key_id = e.actor_id)
				ELSE e.session_role END AS actor_name,
		   CASE WHEN e.subject ~ '^[a-z_]+:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
				CASE pg_catalog.split_part(e.subject, ':', 1)
					 WHEN 'member' THEN (SELECT u.display_name FROM teamrbac.app_user AS u
										 WHERE u.user_id = pg_catalog.split_part(e.subject, ':', 2)::uuid)
					 WHEN 'user' THEN (SELECT u.display_name FROM teamrbac.app_user AS u
									   WHERE u.user_id = pg_catalog.split_part(e.subject, ':', 2)::uuid)
					 WHEN 'invitation' THEN (SELECT i.email::text FROM teamrbac.invitation AS i
											 WHERE i.tenant_id = e.tenant_id
											   AND i.invitation_id = pg_catalog.split_part(e.subject, ':', 2)::uuid)
					 WHEN 'api_key' THEN (SELECT k.name FROM teamrbac.api_key AS k
										  WHERE k.tenant_id = e.tenant_id
											AND k.key_id = pg_catalog.split_part(e.subject, ':', 2)::uuid)
					 WHEN 'tenant' THEN (SELECT t.name FROM teamrbac.tenant AS t
										 WHERE t.tenant_id = pg_catalog.split_part(e.subject, ':', 2)::uuid) END
				END AS subject_name
	FROM teamrbac.audit_event AS e;
COMMENT ON VIEW teamrbac.audit_named IS 'Internal to audit_trail and audit_page: the events, with the names of whom and what they are about.';
COMMENT ON COLUMN teamrbac.audit_named.tenant_id IS 'As in audit_event.';
COMMENT ON COLUMN teamrbac.audit_named.scope IS 'As in audit_event.';
COMMENT ON COLUMN teamrbac.audit_named.sequence IS 'As in audit_event.';
COMMENT ON COLUMN teamrbac.audit_named.occurred_at IS 'As in audit_event.';
COMMENT ON COLUMN teamrbac.audit_named.actor_kind IS 'As in audit_event.';
COMMENT ON COLUMN teamrbac.audit_named.actor_id IS 'As in audit_event.';
COMMENT ON COLUMN teamrbac.audit_named.session_role IS 'As in audit_event.';
COMMENT ON COLUMN teamrbac.audit_named.application_name IS 'As in audit_event.';
COMMENT ON COLUMN teamrbac.audit_named.action IS 'As in audit_event.';
COMMENT ON COLUMN teamrbac.audit_named.subject IS 'As in audit_event.';
COMMENT ON COLUMN teamrbac.audit_named.before IS 'As in audit_event.';
COMMENT ON COLUMN teamrbac.audit_named.after IS 'As in audit_event.';
COMMENT ON COLUMN teamrbac.audit_named.actor_name IS 'As in audit_trail.';
COMMENT ON COLUMN teamrbac.audit_named.subject_name IS 'As in audit_trail.';

CREATE VIEW teamrbac.audit_trail WITH (security_barrier = true) AS
	SELECT e.tenant_id,
		   e.sequence,
		   e.occurred_at,
		   CASE e.actor_kind
				WHEN 'user' THEN COALESCE(e.actor_name, 'user ' || e.actor_id::text)
				WHEN 'api_key' THEN 'API key ' || e.actor_id::text
				ELSE 'role ' || e.session_role END AS actor,
		   e.action,
		   e.subject,
		   e.before,
		   e.after,
		   e.actor_kind,
		   e.actor_id,
		   e.session_role,
		   e.application_name,
		   e.actor_name,
		   e.subject_name
	FROM (SELECT permitted.* FROM teamrbac.audit_named AS permitted
		  WHERE permitted.scope = 'tenant' AND teamrbac.has_permission(permitted.tenant_id, 'audit.view')
		  UNION ALL
		  SELECT others.* FROM teamrbac.audit_named AS others
		  WHERE (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER)
			AND NOT (others.scope = 'tenant' AND teamrbac.has_permission(others.tenant_id, 'audit.view'))) AS e;
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
COMMENT ON COLUMN teamrbac.audit_trail.actor_name IS
	'The name as it is now of the user or key, member or not, or the database role''s; NULL: deleted.';
COMMENT ON COLUMN teamrbac.audit_trail.subject_name IS
	'The name as it is now of the member, key or tenant, or the address of the invitation; NULL: deleted, or it has none.';
GRANT SELECT ON teamrbac.audit_trail TO PUBLIC;
