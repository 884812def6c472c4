-- Who could do what at a time that is past, by the audit.
--
-- Each fact (a membership, a key, a user, whether the tenant existed, whether a role has a permission) is what the last
-- event about it up to then has made of it.  Where there is none, it is what the first event afterwards found; where
-- there is none of these either, nothing has changed since, and it is what the tables say.  An event of a new kind that
-- changes one of these facts has to be named here.  In PL/pgSQL, since a session keeps the plans of that.

CREATE INDEX audit_event_fact_idx ON teamrbac.audit_event (tenant_id, scope, subject, occurred_at, sequence);
COMMENT ON INDEX teamrbac.audit_event_fact_idx IS 'Answers what the last event about something was up to a time, by one probe.';
-- Few, and about more than their subject.
CREATE INDEX audit_event_turn_idx ON teamrbac.audit_event (tenant_id, sequence)
	WHERE scope = 'tenant' AND action = ANY (ARRAY['tenant.created', 'tenant.deleted', 'tenant.restored', 'tenant.purged',
		'direct.tenant.inserted', 'direct.tenant.updated', 'direct.tenant.deleted',
		'ownership.transferred', 'ownership.assigned', 'api_key.revoked_all']);
COMMENT ON INDEX teamrbac.audit_event_turn_idx IS 'The events that concern a whole tenant, its owners before, or several keys.';

CREATE FUNCTION teamrbac.require_audit_kept(for_tenant uuid, chain text, at timestamptz) RETURNS void
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
DECLARE
	kept_since timestamptz;
BEGIN
	SELECT CASE WHEN h.anchor_sequence = 0 THEN '-infinity'
				WHEN chain <> 'tenant' THEN COALESCE(h.anchor_at, 'infinity')
				-- Not the time of the last one removed: an answer about a tenant rests on an event.
				ELSE COALESCE((SELECT e.occurred_at FROM teamrbac.audit_event AS e
							   WHERE e.tenant_id = for_tenant AND e.scope = chain
							   ORDER BY e.sequence LIMIT 1), 'infinity') END
		INTO kept_since
		FROM teamrbac.audit_head AS h WHERE h.tenant_id = for_tenant AND h.scope = chain;
	IF at < kept_since THEN
		RAISE EXCEPTION 'the audit of that time is no longer kept'
			USING ERRCODE = '55000', CONSTRAINT = 'audit_not_kept',
				DETAIL = CASE WHEN isfinite(kept_since)
							  THEN format('Events of scope "%s" from before %s have been removed by teamrbac.audit_retention.', chain,
										  to_char(kept_since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'))
							  ELSE format('All events of scope "%s" have been removed by teamrbac.audit_retention.', chain) END;
	END IF;
END
$$;
COMMENT ON FUNCTION teamrbac.require_audit_kept(uuid, text, timestamptz) IS
	'Internal to team_at and its kin: an error (55000) where retention has removed events of a chain that what was then rests on. Takes no lock.';
REVOKE ALL ON FUNCTION teamrbac.require_audit_kept(uuid, text, timestamptz) FROM PUBLIC;

-- ---- members -------------------------------------------------------------------------------------------------------

CREATE FUNCTION teamrbac.audit_role(state jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE WHEN state ? 'owner' THEN 'owner' ELSE state ->> 'role' END;
COMMENT ON FUNCTION teamrbac.audit_role(jsonb) IS
	'Internal to team_at: the role that a state of a membership in the audit gives; NULL: none.';
REVOKE ALL ON FUNCTION teamrbac.audit_role(jsonb) FROM PUBLIC;

CREATE FUNCTION teamrbac.tenant_as_of(for_tenant uuid, at timestamptz, OUT live boolean, OUT purged_by bigint, OUT event text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH turn AS MATERIALIZED (
		SELECT e.sequence, e.occurred_at <= at AS past, e.action, e.before, e.after FROM teamrbac.audit_event AS e
		WHERE e.tenant_id = for_tenant AND e.scope = 'tenant'
		  AND e.action = ANY (ARRAY['tenant.created', 'tenant.deleted', 'tenant.restored', 'tenant.purged',
			'direct.tenant.inserted', 'direct.tenant.updated', 'direct.tenant.deleted',
			'ownership.transferred', 'ownership.assigned', 'api_key.revoked_all'])
		  AND (e.action LIKE 'tenant.%' OR e.action LIKE 'direct.tenant.%')
	), nearest AS (
		(SELECT t.* FROM turn AS t WHERE t.past ORDER BY t.sequence DESC LIMIT 1)
		UNION ALL
		(SELECT t.* FROM turn AS t WHERE NOT t.past ORDER BY t.sequence LIMIT 1)
	)
	SELECT CASE WHEN n.past THEN CASE WHEN n.action LIKE 'direct.%' THEN n.after IS NOT NULL AND n.after ->> 'deleted_at' IS NULL
									  ELSE n.action IN ('tenant.created', 'tenant.restored') END
				WHEN n.action IS NULL THEN EXISTS (SELECT FROM teamrbac.tenant AS t WHERE t.tenant_id = for_tenant AND t.deleted_at IS NULL AND t.created_at <= at)
				WHEN n.action LIKE 'direct.%' THEN n.before IS NOT NULL AND n.before ->> 'deleted_at' IS NULL
				ELSE n.action = 'tenant.deleted' END,
		   (SELECT max(t.sequence) FROM turn AS t WHERE t.past AND t.action IN ('tenant.purged', 'direct.tenant.deleted')),
		   CASE WHEN n.past THEN 'tenant/' || n.sequence END
	FROM (VALUES (1)) AS one LEFT JOIN nearest AS n ON true
	ORDER BY n.past DESC NULLS LAST LIMIT 1;
END
$$;
COMMENT ON FUNCTION teamrbac.tenant_as_of(uuid, timestamptz, OUT boolean, OUT bigint, OUT text) IS
	'Internal to team_at: whether a tenant existed and was not deleted, after which event it had no rows any more, and the event that this rests on.';
REVOKE ALL ON FUNCTION teamrbac.tenant_as_of(uuid, timestamptz) FROM PUBLIC;

-- Asked of each member: inlined, so its names are bound here and now.
CREATE FUNCTION teamrbac.user_as_of(for_user uuid, at timestamptz, OUT active boolean, OUT kept boolean, OUT event text)
	RETURNS SETOF record LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
	WITH nearest AS (
		-- The second only where there is no first.
		SELECT COALESCE(
			(SELECT e FROM teamrbac.audit_event AS e
			 WHERE e.tenant_id = for_user AND e.scope = 'user' AND e.subject = 'user:' || for_user::text AND e.occurred_at <= at
			   AND (e.action = ANY (ARRAY['user.registered', 'user.disabled', 'user.enabled', 'user.deleted']) OR e.action LIKE 'direct.app_user.%')
			 ORDER BY e.occurred_at DESC, e.sequence DESC LIMIT 1),
			(SELECT e FROM teamrbac.audit_event AS e
			 WHERE e.tenant_id = for_user AND e.scope = 'user' AND e.subject = 'user:' || for_user::text AND e.occurred_at > at
			   AND (e.action = ANY (ARRAY['user.registered', 'user.disabled', 'user.enabled', 'user.deleted']) OR e.action LIKE 'direct.app_user.%')
			 ORDER BY e.occurred_at, e.sequence LIMIT 1)) AS event
		OFFSET 0
	), n AS (
		SELECT (f.event).sequence, (f.event).action, (f.event).occurred_at <= at AS past,
			   CASE WHEN (f.event).occurred_at <= at THEN (f.event).after ELSE (f.event).before END AS state
		FROM nearest AS f
	)
	SELECT CASE WHEN n.action IS NULL THEN EXISTS (SELECT FROM teamrbac.app_user AS u WHERE u.user_id = for_user AND u.disabled_at IS NULL)
				WHEN n.action LIKE 'direct.%' THEN n.state IS NOT NULL AND n.state ->> 'disabled_at' IS NULL
				WHEN n.past THEN n.action IN ('user.registered', 'user.enabled')
				ELSE n.action IN ('user.disabled', 'user.deleted') END,
		   NOT EXISTS (SELECT FROM teamrbac.audit_head AS h WHERE h.tenant_id = for_user AND h.scope = 'user' AND h.anchor_sequence > 0 AND at < h.anchor_at),
		   CASE WHEN n.past THEN 'user/' || n.sequence END
	FROM n;
END;
COMMENT ON FUNCTION teamrbac.user_as_of(uuid, timestamptz, OUT boolean, OUT boolean, OUT text) IS
	'Internal to team_at: whether a user was known and not disabled, whether the audit of that time is kept, and the event that this rests on.';
REVOKE ALL ON FUNCTION teamrbac.user_as_of(uuid, timestamptz) FROM PUBLIC;

CREATE FUNCTION teamrbac.members_as_of(for_tenant uuid, at timestamptz, only_user uuid, OUT user_id uuid, OUT role text, OUT expires_at timestamptz, OUT event text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE ROWS 100 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH RECURSIVE tenant AS MATERIALIZED (
		SELECT t.purged_by FROM teamrbac.tenant_as_of(for_tenant, at) AS t
	), named (subject) AS (
		-- The next subject each time, instead of all events.
		SELECT (SELECT e.subject FROM teamrbac.audit_event AS e
				WHERE e.tenant_id = for_tenant AND e.scope = 'tenant' AND e.subject > 'member:' AND e.subject < 'member;'
				ORDER BY e.subject LIMIT 1)
		WHERE only_user IS NULL
		UNION ALL
		SELECT (SELECT e.subject FROM teamrbac.audit_event AS e
				WHERE e.tenant_id = for_tenant AND e.scope = 'tenant' AND e.subject > n.subject AND e.subject < 'member;'
				ORDER BY e.subject LIMIT 1)
		FROM named AS n WHERE n.subject IS NOT NULL
	), owning AS MATERIALIZED (
		-- Those who became the owner with the tenant, or ceased to be: they are not what the event is about.
		SELECT o.user_id, o.role_before, o.role_after, e.sequence, e.occurred_at <= at AS past
		FROM teamrbac.audit_event AS e,
			LATERAL (SELECT COALESCE(e.after ->> 'owner', e.actor_id::text)::uuid AS user_id, NULL AS role_before, 'owner' AS role_after
					 WHERE e.action = 'tenant.created'
					 UNION ALL
					 SELECT (e.before ->> 'owner')::uuid, 'owner', 'admin' WHERE e.action LIKE 'ownership.%' AND e.before ->> 'owner' IS NOT NULL) AS o
		WHERE e.tenant_id = for_tenant AND e.scope = 'tenant'
		  AND e.action = ANY (ARRAY['tenant.created', 'tenant.deleted', 'tenant.restored', 'tenant.purged',
			'direct.tenant.inserted', 'direct.tenant.updated', 'direct.tenant.deleted',
			'ownership.transferred', 'ownership.assigned', 'api_key.revoked_all'])
	), owned AS (
		SELECT DISTINCT ON (o.user_id, o.past) o.* FROM owning AS o
		ORDER BY o.user_id, o.past, CASE WHEN o.past THEN - o.sequence ELSE o.sequence END
	), person AS (
		SELECT substr(n.subject, 8)::uuid AS user_id FROM named AS n WHERE n.subject IS NOT NULL
		UNION SELECT o.user_id FROM owning AS o WHERE only_user IS NULL
		UNION SELECT m.user_id FROM teamrbac.membership AS m WHERE m.tenant_id = for_tenant AND only_user IS NULL
		UNION SELECT only_user WHERE only_user IS NOT NULL
	), found AS (
		SELECT p.user_id,
			   CASE WHEN GREATEST(last.sequence, ceased.sequence) < t.purged_by THEN t.purged_by
					ELSE GREATEST(last.sequence, ceased.sequence) END AS sequence,
			   CASE WHEN GREATEST(last.sequence, ceased.sequence) < t.purged_by THEN NULL
					WHEN ceased.sequence > COALESCE(last.sequence, 0) THEN jsonb_build_object('role', ceased.role_after)
					ELSE last.state END AS state
		FROM person AS p CROSS JOIN tenant AS t
		LEFT JOIN LATERAL (
			SELECT e.sequence, CASE WHEN e.action = ANY (ARRAY['member.removed', 'member.left', 'member.expired']) THEN NULL ELSE e.after END AS state
			FROM teamrbac.audit_event AS e
			WHERE e.tenant_id = for_tenant AND e.scope = 'tenant' AND e.subject = 'member:' || p.user_id::text AND e.occurred_at <= at
			  AND e.action = ANY (ARRAY['member.joined', 'member.added', 'member.role_changed', 'member.expiry_set', 'member.removed', 'member.left', 'member.expired',
				'ownership.transferred', 'ownership.assigned', 'direct.membership.inserted', 'direct.membership.updated', 'direct.membership.deleted'])
			ORDER BY e.occurred_at DESC, e.sequence DESC LIMIT 1) AS last ON true
		LEFT JOIN owned AS ceased ON ceased.user_id = p.user_id AND ceased.past
	), told AS (
		SELECT f.user_id, f.sequence,
			   CASE WHEN f.sequence IS NOT NULL THEN f.state
					WHEN next.sequence IS NOT NULL OR lost.sequence IS NOT NULL THEN
						CASE WHEN lost.sequence < COALESCE(next.sequence, lost.sequence + 1) THEN jsonb_build_object('role', lost.role_before) ELSE next.state END
					ELSE (SELECT jsonb_build_object('role', m.role, 'expires_at', m.expires_at) FROM teamrbac.membership AS m
						  WHERE m.tenant_id = for_tenant AND m.user_id = f.user_id AND m.joined_at <= at) END AS state
		FROM found AS f
		LEFT JOIN LATERAL (
			SELECT e.sequence,
				   CASE WHEN e.action = 'ownership.transferred' THEN jsonb_build_object('role', 'admin')
						-- The owner in it is the one before.
						ELSE e.before - 'owner' END AS state
			FROM teamrbac.audit_event AS e
			WHERE f.sequence IS NULL
			  AND e.tenant_id = for_tenant AND e.scope = 'tenant' AND e.subject = 'member:' || f.user_id::text AND e.occurred_at > at
			  AND e.action = ANY (ARRAY['member.joined', 'member.added', 'member.role_changed', 'member.expiry_set', 'member.removed', 'member.left', 'member.expired',
				'ownership.transferred', 'ownership.assigned', 'direct.membership.inserted', 'direct.membership.updated', 'direct.membership.deleted'])
			ORDER BY e.occurred_at, e.sequence LIMIT 1) AS next ON true
		LEFT JOIN owned AS lost ON lost.user_id = f.user_id AND NOT lost.past AND f.sequence IS NULL
	)
	SELECT o.user_id, teamrbac.audit_role(o.state), (o.state ->> 'expires_at')::timestamptz, 'tenant/' || o.sequence
	FROM told AS o;
END
$$;
COMMENT ON FUNCTION teamrbac.members_as_of(uuid, timestamptz, uuid, OUT uuid, OUT text, OUT timestamptz, OUT text) IS
	'Internal to team_at and explain_permission_at: what everybody who ever was a member was then, expired or not, and the event that this rests on (NULL: unchanged since before the first event kept); role NULL: no member. only_user: of one user.';
REVOKE ALL ON FUNCTION teamrbac.members_as_of(uuid, timestamptz, uuid) FROM PUBLIC;

CREATE FUNCTION teamrbac.team_as_of(for_tenant uuid, at timestamptz, OUT user_id uuid, OUT member text, OUT role text, OUT expires_at timestamptz, OUT state text, OUT events text[])
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE ROWS 100 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
DECLARE
	tenant record;
BEGIN
	PERFORM teamrbac.require_audit_kept(for_tenant, 'tenant', at);
	SELECT * INTO tenant FROM teamrbac.tenant_as_of(for_tenant, at) AS t;
	RETURN QUERY
		SELECT m.user_id, COALESCE(u.display_name, 'user ' || m.user_id::text), m.role, m.expires_at,
			   CASE WHEN NOT known.kept THEN teamrbac.require_audit_kept(m.user_id, 'user', at)::text
					WHEN NOT tenant.live THEN 'tenant deleted' WHEN NOT known.active THEN 'user disabled' ELSE 'active' END,
			   array_remove(ARRAY[m.event, CASE WHEN NOT tenant.live THEN tenant.event END, known.event], NULL)
		FROM teamrbac.members_as_of(for_tenant, at, NULL) AS m
		CROSS JOIN LATERAL teamrbac.user_as_of(m.user_id, at) AS known
		LEFT JOIN teamrbac.app_user AS u ON u.user_id = m.user_id
		WHERE m.role IS NOT NULL AND (m.expires_at IS NULL OR m.expires_at > at)
		ORDER BY m.role = 'owner' DESC, 2, m.user_id;
END
$$;
COMMENT ON FUNCTION teamrbac.team_as_of(uuid, timestamptz, OUT uuid, OUT text, OUT text, OUT timestamptz, OUT text, OUT text[]) IS
	'Internal to team_at, whoever asks.';
REVOKE ALL ON FUNCTION teamrbac.team_as_of(uuid, timestamptz) FROM PUBLIC;

-- ---- roles ---------------------------------------------------------------------------------------------------------

-- A tenant's own roles are in its chain, those of all in the platform's; the events have one form.
CREATE FUNCTION teamrbac.role_events(for_tenant uuid, only_role text, only_permission text)
	RETURNS SETOF teamrbac.audit_event
	LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	SELECT e.* FROM teamrbac.audit_event AS e
	WHERE e.tenant_id = for_tenant AND e.scope = 'tenant'
	  AND e.subject >= 'role:' || COALESCE(only_role, '') AND e.subject <= COALESCE('role:' || only_role, 'role;')
	UNION ALL
	SELECT e.* FROM teamrbac.audit_event AS e
	WHERE e.tenant_id = '00000000-0000-0000-0000-000000000000' AND e.scope = 'platform'
	  AND e.subject >= 'role:' || COALESCE(only_role, '') AND e.subject <= COALESCE('role:' || only_role, 'role;')
	UNION ALL
	SELECT e.* FROM teamrbac.audit_event AS e
	WHERE e.tenant_id = '00000000-0000-0000-0000-000000000000' AND e.scope = 'platform'
	  AND e.subject >= 'permission:' || COALESCE(only_permission, '') AND e.subject <= COALESCE('permission:' || only_permission, 'permission;');
$$;
COMMENT ON FUNCTION teamrbac.role_events(uuid, text, text) IS
	'Internal to roles_at and explain_permission_at: the events about the roles that exist in a tenant, and about permissions; NULL: all.';
REVOKE ALL ON FUNCTION teamrbac.role_events(uuid, text, text) FROM PUBLIC;

CREATE FUNCTION teamrbac.present_grants(for_tenant uuid, OUT scope text, OUT role text, OUT permission text)
	RETURNS SETOF record
	LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	SELECT 'platform', rp.role::text, rp.permission::text FROM teamrbac.role_permission AS rp
	UNION ALL
	SELECT 'tenant', rp.role::text, rp.permission::text FROM teamrbac.tenant_role_permission AS rp WHERE rp.tenant_id = for_tenant;
$$;
COMMENT ON FUNCTION teamrbac.present_grants(uuid, OUT text, OUT text, OUT text) IS
	'Internal to roles_at: which role that exists in a tenant has which permission now.';
REVOKE ALL ON FUNCTION teamrbac.present_grants(uuid) FROM PUBLIC;

CREATE FUNCTION teamrbac.grants_as_of(for_tenant uuid, at timestamptz, only_role text, only_permission text, OUT scope text, OUT role text, OUT permission text, OUT granted boolean, OUT event text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE ROWS 100 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH mention AS (
		SELECT e.scope, e.sequence, e.occurred_at <= at AS past, g.*
		FROM teamrbac.role_events(for_tenant, only_role, only_permission) AS e,
			LATERAL (
				SELECT substr(e.subject, 6) AS role, p.name AS permission,
					   COALESCE(e.before -> 'permissions' ? p.name, false) AS before, COALESCE(e.after -> 'permissions' ? p.name, false) AS after
				FROM (SELECT jsonb_array_elements_text(e.before -> 'permissions') UNION SELECT jsonb_array_elements_text(e.after -> 'permissions')) AS p(name)
				WHERE e.action = ANY (ARRAY['role.defined', 'role.redefined', 'role.dropped'])
				UNION ALL
				SELECT r.name, substr(e.subject, 12), COALESCE(e.before -> 'roles' ? r.name, false), COALESCE(e.after -> 'roles' ? r.name, false)
				FROM (SELECT jsonb_array_elements_text(e.before -> 'roles') UNION SELECT jsonb_array_elements_text(e.after -> 'roles')) AS r(name)
				WHERE e.action = ANY (ARRAY['permission.defined', 'permission.dropped'])
				UNION ALL
				SELECT row.role, row.permission, bool_or(row.before), bool_or(NOT row.before)
				FROM (SELECT e.before ->> 'role', e.before ->> 'permission', true WHERE e.before IS NOT NULL
					  UNION ALL
					  SELECT e.after ->> 'role', e.after ->> 'permission', false WHERE e.after IS NOT NULL) AS row(role, permission, before)
				WHERE e.action LIKE 'direct.%role\_permission.%'
				GROUP BY row.role, row.permission) AS g
	), told AS (
		SELECT DISTINCT ON (m.scope, m.role, m.permission) m.* FROM mention AS m
		WHERE (only_role IS NULL OR m.role = only_role) AND (only_permission IS NULL OR m.permission = only_permission)
		ORDER BY m.scope, m.role, m.permission, m.past DESC, CASE WHEN m.past THEN - m.sequence ELSE m.sequence END
	), present AS (
		SELECT p.scope, p.role, p.permission FROM teamrbac.present_grants(for_tenant) AS p
		WHERE (only_role IS NULL OR p.role = only_role) AND (only_permission IS NULL OR p.permission = only_permission)
	)
	SELECT COALESCE(t.scope, p.scope), COALESCE(t.role, p.role), COALESCE(t.permission, p.permission),
		   CASE WHEN t.role IS NULL THEN true WHEN t.past THEN t.after ELSE t.before END,
		   CASE WHEN t.past THEN t.scope || '/' || t.sequence END
	FROM told AS t FULL JOIN present AS p ON p.scope = t.scope AND p.role = t.role AND p.permission = t.permission;
END
$$;
COMMENT ON FUNCTION teamrbac.grants_as_of(uuid, timestamptz, text, text, OUT text, OUT text, OUT text, OUT boolean, OUT text) IS
	'Internal to roles_at and explain_permission_at: which role had which permission, and the event that this rests on (NULL: never changed). scope: tenant for a role of the tenant''s own, platform for one of all.';
REVOKE ALL ON FUNCTION teamrbac.grants_as_of(uuid, timestamptz, text, text) FROM PUBLIC;

CREATE FUNCTION teamrbac.present_roles(for_tenant uuid, OUT scope text, OUT role text)
	RETURNS SETOF record
	LANGUAGE sql STABLE ROWS 10 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	SELECT 'platform', r.role::text FROM teamrbac.role AS r
	UNION ALL
	SELECT 'tenant', r.role::text FROM teamrbac.tenant_role AS r WHERE r.tenant_id = for_tenant;
$$;
COMMENT ON FUNCTION teamrbac.present_roles(uuid, OUT text, OUT text) IS
	'Internal to roles_at: the roles that exist in a tenant now.';
REVOKE ALL ON FUNCTION teamrbac.present_roles(uuid) FROM PUBLIC;

CREATE FUNCTION teamrbac.roles_as_of(for_tenant uuid, at timestamptz, OUT role text, OUT own boolean, OUT permissions text[], OUT events text[])
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE ROWS 10 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
BEGIN
	PERFORM teamrbac.require_audit_kept(for_tenant, 'tenant', at);
	PERFORM teamrbac.require_audit_kept('00000000-0000-0000-0000-000000000000', 'platform', at);
	RETURN QUERY
		WITH mention AS (
			SELECT DISTINCT ON (e.scope, e.subject) e.scope, substr(e.subject, 6) AS role, e.occurred_at <= at AS past,
				   CASE WHEN e.occurred_at <= at THEN e.after IS NOT NULL ELSE e.before IS NOT NULL END AS existed, e.sequence
			FROM teamrbac.role_events(for_tenant, NULL, '') AS e
			WHERE e.subject LIKE 'role:%'
			  AND (e.action = ANY (ARRAY['role.defined', 'role.redefined', 'role.dropped'])
				   OR e.action ~ '^direct\.(tenant_)?role\.')
			ORDER BY e.scope, e.subject, e.occurred_at <= at DESC, CASE WHEN e.occurred_at <= at THEN - e.sequence ELSE e.sequence END
		), existing AS (
			SELECT COALESCE(m.scope, p.scope) AS scope, COALESCE(m.role, p.role) AS role,
				   CASE WHEN m.past THEN m.scope || '/' || m.sequence END AS event
			FROM mention AS m FULL JOIN teamrbac.present_roles(for_tenant) AS p ON p.scope = m.scope AND p.role = m.role
			WHERE m.existed IS NOT FALSE
		), grants AS MATERIALIZED (
			SELECT g.* FROM teamrbac.grants_as_of(for_tenant, at, NULL, NULL) AS g
		)
		SELECT x.role, x.scope = 'tenant',
			   COALESCE(array_agg(g.permission ORDER BY g.permission) FILTER (WHERE g.granted), '{}'),
			   ARRAY(SELECT DISTINCT v.event FROM unnest(array_append(array_agg(g.event), x.event)) AS v(event) WHERE v.event IS NOT NULL ORDER BY 1)
		FROM existing AS x LEFT JOIN grants AS g ON g.scope = x.scope AND g.role = x.role
		GROUP BY x.scope, x.role, x.event
		ORDER BY x.scope = 'tenant', (SELECT r.position FROM teamrbac.role AS r WHERE r.role = x.role AND x.scope = 'platform'), x.role;
END
$$;
COMMENT ON FUNCTION teamrbac.roles_as_of(uuid, timestamptz, OUT text, OUT boolean, OUT text[], OUT text[]) IS
	'Internal to roles_at, whoever asks.';
REVOKE ALL ON FUNCTION teamrbac.roles_as_of(uuid, timestamptz) FROM PUBLIC;

-- ---- API keys ------------------------------------------------------------------------------------------------------

-- All events of a key are read: there are few of a key.
CREATE FUNCTION teamrbac.key_as_of(for_tenant uuid, for_key uuid, at timestamptz, OUT known boolean, OUT existed boolean, OUT role text, OUT permissions text[], OUT expires_at timestamptz, OUT revoked boolean, OUT events text[])
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH event AS MATERIALIZED (
		SELECT e.sequence, e.occurred_at <= at AS past, e.action,
			   CASE WHEN e.occurred_at <= at THEN e.after ELSE e.before END AS state,
			   e.action LIKE 'direct.%' AS direct,
			   CASE WHEN e.action = 'api_key.rotated' THEN (e.after ->> 'works_until')::timestamptz <= e.occurred_at
					ELSE e.action = ANY (ARRAY['api_key.revoked', 'api_key.revoked_all']) END AS revokes
		FROM teamrbac.audit_event AS e
		WHERE e.tenant_id = for_tenant AND e.scope = 'tenant'
		  AND e.subject = 'api_key:' || for_key::text AND (e.action LIKE 'api_key.%' OR e.action LIKE 'direct.api_key.%')
		UNION ALL
		SELECT e.sequence, e.occurred_at <= at, e.action, NULL, false, true
		FROM teamrbac.audit_event AS e
		WHERE e.tenant_id = for_tenant AND e.scope = 'tenant'
		  AND e.action = ANY (ARRAY['tenant.created', 'tenant.deleted', 'tenant.restored', 'tenant.purged',
			'direct.tenant.inserted', 'direct.tenant.updated', 'direct.tenant.deleted',
			'ownership.transferred', 'ownership.assigned', 'api_key.revoked_all'])
		  AND e.action = 'api_key.revoked_all' AND for_key::text = ANY (string_to_array(e.after ->> 'keys', ' '))
	), nearest AS (
		SELECT e.*, row_number() OVER (ORDER BY e.past DESC, CASE WHEN e.past THEN - e.sequence ELSE e.sequence END) AS place FROM event AS e
	), present AS (
		SELECT to_jsonb(k) - 'secret_hash' AS state FROM teamrbac.api_key AS k WHERE k.tenant_id = for_tenant AND k.key_id = for_key AND k.created_at <= at
	), existence AS (
		SELECT n.past, n.state IS NOT NULL AS there FROM nearest AS n
		WHERE n.direct OR n.action = 'api_key.created' ORDER BY n.place LIMIT 1
	), creation AS (
		SELECT n.sequence, n.past, n.state FROM nearest AS n WHERE n.direct OR n.action = 'api_key.created' ORDER BY n.place LIMIT 1
	), ending AS (
		SELECT n.past, n.sequence, CASE WHEN n.past AND n.action = 'api_key.rotated' THEN n.state ->> 'works_until' ELSE n.state ->> 'expires_at' END AS expires_at
		FROM nearest AS n
		WHERE n.direct OR n.action = ANY (ARRAY['api_key.created', 'api_key.rotated', 'api_key.expiry_set']) ORDER BY n.place LIMIT 1
	), revocation AS (
		SELECT n.past, n.sequence, CASE WHEN n.direct THEN n.state ->> 'revoked_at' IS NOT NULL ELSE n.past AND n.revokes END AS revoked
		FROM nearest AS n WHERE n.direct OR n.revokes ORDER BY n.place LIMIT 1
	), chosen AS (
		SELECT COALESCE(c.state, p.state) AS state, c.sequence AS created_by, c.past AS created, (c.sequence IS NOT NULL OR p.state IS NOT NULL) AS known,
			   CASE WHEN c.sequence IS NOT NULL THEN c.state IS NOT NULL ELSE p.state IS NOT NULL END AS existed, p.state AS present
		FROM (VALUES (1)) AS one LEFT JOIN creation AS c ON true LEFT JOIN present AS p ON true
	)
	SELECT c.known OR EXISTS (SELECT FROM event), c.existed AND COALESCE((SELECT x.there FROM existence AS x), true), c.state ->> 'role',
		   CASE jsonb_typeof(c.state -> 'permissions') WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(c.state -> 'permissions'))
													   WHEN 'string' THEN (c.state ->> 'permissions')::text[] END,
		   CASE WHEN EXISTS (SELECT FROM ending) THEN (SELECT x.expires_at::timestamptz FROM ending AS x) ELSE (c.present ->> 'expires_at')::timestamptz END,
		   CASE WHEN EXISTS (SELECT FROM revocation) THEN (SELECT x.revoked FROM revocation AS x) ELSE COALESCE(c.present ->> 'revoked_at' IS NOT NULL, false) END,
		   ARRAY(SELECT 'tenant/' || v.sequence
				 FROM (SELECT c.created_by WHERE c.created UNION SELECT x.sequence FROM ending AS x WHERE x.past UNION SELECT x.sequence FROM revocation AS x WHERE x.past) AS v(sequence)
				 ORDER BY v.sequence)
	FROM chosen AS c;
END
$$;
COMMENT ON FUNCTION teamrbac.key_as_of(uuid, uuid, timestamptz, OUT boolean, OUT boolean, OUT text, OUT text[], OUT timestamptz, OUT boolean, OUT text[]) IS
	'Internal to explain_permission_at: what an API key was, and the events that this rests on. known: the tenant has or had such a key at all.';
REVOKE ALL ON FUNCTION teamrbac.key_as_of(uuid, uuid, timestamptz) FROM PUBLIC;

CREATE FUNCTION teamrbac.permission_as_of(name text, at timestamptz, OUT known boolean, OUT existed boolean, OUT grantable_to_keys boolean, OUT built_in boolean, OUT event text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH nearest AS (
		SELECT e.sequence, e.occurred_at <= at AS past, CASE WHEN e.occurred_at <= at THEN e.after ELSE e.before END AS state
		FROM teamrbac.audit_event AS e
		WHERE e.tenant_id = '00000000-0000-0000-0000-000000000000' AND e.scope = 'platform' AND e.subject = 'permission:' || name
		  AND (e.action = ANY (ARRAY['permission.defined', 'permission.dropped']) OR e.action LIKE 'direct.permission.%')
		ORDER BY e.occurred_at <= at DESC, CASE WHEN e.occurred_at <= at THEN - e.sequence ELSE e.sequence END LIMIT 1
	)
	SELECT n.sequence IS NOT NULL OR p.permission IS NOT NULL,
		   CASE WHEN n.sequence IS NOT NULL THEN n.state IS NOT NULL ELSE p.permission IS NOT NULL END,
		   CASE WHEN n.sequence IS NOT NULL THEN (n.state ->> 'grantable_to_keys')::boolean ELSE p.grantable_to_keys END,
		   COALESCE(p.built_in, false),
		   CASE WHEN n.past THEN 'platform/' || n.sequence END
	FROM (VALUES (1)) AS one LEFT JOIN nearest AS n ON true LEFT JOIN teamrbac.permission AS p ON p.permission = name;
END
$$;
COMMENT ON FUNCTION teamrbac.permission_as_of(text, timestamptz, OUT boolean, OUT boolean, OUT boolean, OUT boolean, OUT text) IS
	'Internal to explain_permission_at: whether a permission existed, and for keys too, and the event that this rests on. known: it exists now, or did at any time.';
REVOKE ALL ON FUNCTION teamrbac.permission_as_of(text, timestamptz) FROM PUBLIC;

-- ---- why -----------------------------------------------------------------------------------------------------------

CREATE FUNCTION teamrbac.permission_explained_as_of(for_tenant uuid, who uuid, permission text, at timestamptz, OUT allowed boolean, OUT reason text, OUT role text, OUT events text[])
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
DECLARE
	asked record;
	tenant record;
	person record;
	known record;
	active boolean := true;
	key record;
	given record;
	is_key boolean;
BEGIN
	allowed := false;
	PERFORM teamrbac.require_audit_kept(for_tenant, 'tenant', at);
	SELECT * INTO asked FROM teamrbac.permission_as_of(permission, at) AS p;
	SELECT * INTO tenant FROM teamrbac.tenant_as_of(for_tenant, at) AS t;
	SELECT * INTO key FROM teamrbac.key_as_of(for_tenant, who, at) AS k;
	is_key := key.known;
	IF is_key THEN
		role := CASE WHEN key.existed THEN key.role END;
		events := key.events;
		reason := CASE WHEN NOT key.existed THEN 'key does not exist'
					   WHEN key.revoked THEN 'key revoked'
					   WHEN NOT tenant.live THEN 'tenant deleted'
					   WHEN key.expires_at <= at THEN 'key expired' END;
	ELSE
		SELECT * INTO person FROM teamrbac.members_as_of(for_tenant, at, who) AS m;
		role := person.role;
		events := array_remove(ARRAY[person.event], NULL);
		IF role IS NOT NULL THEN
			PERFORM teamrbac.require_audit_kept(who, 'user', at);
			SELECT * INTO known FROM teamrbac.user_as_of(who, at) AS u;
			active := known.active;
			events := array_remove(array_append(events, known.event), NULL);
		END IF;
		reason := CASE WHEN role IS NULL THEN 'not a member'
					   WHEN NOT active THEN 'user disabled'
					   WHEN NOT tenant.live THEN 'tenant deleted'
					   WHEN person.expires_at <= at THEN 'membership expired' END;
	END IF;
	IF reason = 'tenant deleted' THEN
		events := array_remove(array_append(events, tenant.event), NULL);
	END IF;
	IF reason IS NOT NULL THEN
		RETURN;
	END IF;
	-- What is built in has never changed.
	IF NOT asked.built_in OR NOT EXISTS (SELECT FROM teamrbac.role AS r WHERE r.role = permission_explained_as_of.role AND r.built_in) THEN
		PERFORM teamrbac.require_audit_kept('00000000-0000-0000-0000-000000000000', 'platform', at);
	END IF;
	IF NOT asked.existed THEN
		reason := 'there was no such permission';
		events := array_remove(array_append(events, asked.event), NULL);
		RETURN;
	END IF;
	SELECT bool_or(g.granted) AS granted, array_agg(g.event) AS events INTO given
		FROM teamrbac.grants_as_of(for_tenant, at, role, permission) AS g;
	events := array_remove(events || given.events, NULL);
	reason := CASE WHEN given.granted IS NOT TRUE THEN format('not granted by role %s', role)
				   WHEN is_key AND NOT asked.grantable_to_keys THEN 'for people only, not for keys'
				   WHEN is_key AND permission <> ALL (key.permissions) THEN 'outside the key''s permissions'
				   ELSE format('granted by role %s', role) END;
	allowed := reason = format('granted by role %s', role);
END
$$;
COMMENT ON FUNCTION teamrbac.permission_explained_as_of(uuid, uuid, text, timestamptz, OUT boolean, OUT text, OUT text, OUT text[]) IS
	'Internal to explain_permission_at, whoever asks.';
REVOKE ALL ON FUNCTION teamrbac.permission_explained_as_of(uuid, uuid, text, timestamptz) FROM PUBLIC;

-- ---- for whoever views the audit -----------------------------------------------------------------------------------

CREATE FUNCTION teamrbac.team_at(tenant_id uuid, at timestamptz, OUT user_id uuid, OUT member text, OUT role text, OUT expires_at timestamptz, OUT state text, OUT events text[])
	RETURNS SETOF record
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 100 AS 'MODULE_PATHNAME', 'teamrbac_team_at';
COMMENT ON FUNCTION teamrbac.team_at(uuid, timestamptz, OUT uuid, OUT text, OUT text, OUT timestamptz, OUT text, OUT text[]) IS
	'Who was a member of a tenant at a time that is past, by the audit. state: active, user disabled or tenant deleted, and then could do nothing; member is their name of today; events: what this rests on, as scope/sequence, none of the tenant''s if nothing has changed since before the first event kept. Needs audit.view in the tenant, or a superuser. Errors: 42501 not allowed; 55000 retention has removed events that it rests on; 22023 argument null, or time in the future; 28000 nobody signed in. Takes no lock.';

CREATE FUNCTION teamrbac.roles_at(tenant_id uuid, at timestamptz, OUT role text, OUT own boolean, OUT permissions text[], OUT events text[])
	RETURNS SETOF record
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 10 AS 'MODULE_PATHNAME', 'teamrbac_roles_at';
COMMENT ON FUNCTION teamrbac.roles_at(uuid, timestamptz, OUT text, OUT boolean, OUT text[], OUT text[]) IS
	'Which roles there were in a tenant at a time that is past, and what they could do, by the audit. own: a role of the tenant''s own; events: what this rests on beside what is built in, as scope/sequence. Needs audit.view in the tenant, or a superuser. Errors: 42501 not allowed; 55000 retention has removed events that it rests on; 22023 argument null, or time in the future; 28000 nobody signed in. Takes no lock.';

CREATE FUNCTION teamrbac.explain_permission_at(tenant_id uuid, user_or_key_id uuid, permission text, at timestamptz, OUT allowed boolean, OUT reason text, OUT role text, OUT events text[])
	RETURNS SETOF record
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 1 AS 'MODULE_PATHNAME', 'teamrbac_explain_permission_at';
COMMENT ON FUNCTION teamrbac.explain_permission_at(uuid, uuid, text, timestamptz, OUT boolean, OUT text, OUT text, OUT text[]) IS
	'Whether a user, or an API key of the tenant, had a permission at a time that is past, by the audit, and why: what has_permission answered them then. A change counts from when its event was recorded, for others a moment later, when it was committed. events: what this rests on, as scope/sequence. Needs audit.view in the tenant, or a superuser. Errors: 42501 not allowed; 55000 retention has removed events that it rests on; 22023 argument null, time in the future, or a permission that there never was; 28000 nobody signed in. Takes no lock.';
