-- The regular review of a team: who has access without needing it, and what hangs by one thread.

CREATE FUNCTION teamrbac.note_review(user_id uuid) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'teamrbac_note_review';
COMMENT ON FUNCTION teamrbac.note_review(uuid) IS
	'Internal to access_review: true, with a notice about once a second of how many calls there have been.';
REVOKE ALL ON FUNCTION teamrbac.note_review(uuid) FROM PUBLIC;

CREATE FUNCTION teamrbac.unused_days() RETURNS integer
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_unused_days';
COMMENT ON FUNCTION teamrbac.unused_days() IS 'Internal to access_review: teamrbac.unused_after in days. No errors, no locks.';
REVOKE ALL ON FUNCTION teamrbac.unused_days() FROM PUBLIC;

-- All findings of a tenant, or of all of them.  Whoever is to be removed, and what is to be revoked, has one
-- finding, so that the remedies can be run one after the other.  These take access away or record it better: who is to
-- have more, or longer, or whether a team goes, is for somebody to decide, and the detail says how.
CREATE FUNCTION teamrbac.review_tenants(only_tenant uuid, OUT tenant_id uuid, OUT finding text, OUT severity text, OUT subject text, OUT detail text, OUT remedy text, OUT subject_id uuid)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH today AS (
		SELECT now() AS time, (now() AT TIME ZONE 'UTC')::date AS day, teamrbac.unused_days() AS unused_days, 14 AS notice_days
	), member AS MATERIALIZED (
		SELECT m.tenant_id, m.user_id, m.role::text AS role, m.own_role, m.expires_at, u.disabled_at,
			   format('%s <%s>', u.display_name, u.email) AS subject,
			   COALESCE('last active on ' || to_char(a.last_active_on, 'YYYY-MM-DD'), 'never signed in, joined on ' || to_char(m.joined_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')) AS activity,
			   GREATEST(a.last_active_on, (m.joined_at AT TIME ZONE 'UTC')::date) AS last_seen,
			   -- Of a period that was recorded for a part, nothing can be said.
			   GREATEST(a.recorded_since, (m.joined_at AT TIME ZONE 'UTC')::date) < (now() AT TIME ZONE 'UTC')::date - teamrbac.unused_days()
					AND a.recorded_since IS NOT NULL AS is_recorded,
			   -- A database role of their own signs nobody in.
			   EXISTS (SELECT FROM teamrbac.database_role AS d WHERE d.user_id = m.user_id) AS is_mapped,
			   EXISTS (SELECT FROM teamrbac.permissions_of_role(m.tenant_id, m.role, m.own_role) AS rp(permission) WHERE rp.permission = 'team.manage') AS manages
		FROM teamrbac.membership AS m
		JOIN teamrbac.tenant AS t ON t.tenant_id = m.tenant_id AND t.deleted_at IS NULL
		JOIN teamrbac.app_user AS u ON u.user_id = m.user_id
		LEFT JOIN teamrbac.user_activity AS a ON a.user_id = m.user_id
		WHERE (only_tenant IS NULL OR m.tenant_id = only_tenant) AND (m.expires_at IS NULL OR m.expires_at > now())
	), judged AS MATERIALIZED (
		SELECT m.*, NOT m.is_mapped AND m.last_seen < t.day - t.unused_days AS unused, m.disabled_at IS NOT NULL AS disabled
		FROM member AS m, today AS t
		WHERE teamrbac.note_review(m.user_id)
	), staying AS (
		SELECT j.* FROM judged AS j WHERE NOT j.unused AND NOT j.disabled
	), team AS (
		-- Nothing here grows with the team: of the managers one is named, since only a single one is told.
		SELECT j.tenant_id, count(s.user_id) FILTER (WHERE s.manages) AS managers, max(s.subject) FILTER (WHERE s.manages) AS manager,
			   bool_or(NOT s.manages AND s.expires_at IS NULL) AS has_heir, bool_or(s.role = 'admin' AND s.expires_at IS NULL) AS has_admin
		FROM judged AS j LEFT JOIN staying AS s ON s.tenant_id = j.tenant_id AND s.user_id = j.user_id
		GROUP BY j.tenant_id
	), key AS MATERIALIZED (
		SELECT k.tenant_id, k.key_id, k.role::text AS role, k.expires_at, k.name, k.replaced_by, k.created_at,
			   format('API key "%s"', k.name) AS subject, COALESCE(u.display_name, 'a deleted user') AS creator,
			   COALESCE('last used ' || to_char(used.last_used_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'never used, made ' || to_char(k.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')) AS use,
			   GREATEST(used.last_used_at, k.created_at) < t.time - make_interval(days => t.unused_days) AS unused,
			   GREATEST(used.recorded_since, (k.created_at AT TIME ZONE 'UTC')::date) < t.day - t.unused_days AND used.recorded_since IS NOT NULL AS is_recorded,
			   k.own_role, k.permissions, m.user_id IS NULL AS orphaned,
			   m.user_id IS NOT NULL AND EXISTS (
					SELECT FROM teamrbac.permissions_of_role(k.tenant_id, k.role, k.own_role) AS kp(permission)
					JOIN teamrbac.permission AS p ON p.permission = kp.permission AND p.grantable_to_keys
					WHERE (k.permissions IS NULL OR kp.permission = ANY (k.permissions))
					  AND NOT EXISTS (SELECT FROM teamrbac.permissions_of_role(m.tenant_id, m.role, m.own_role) AS mp(permission)
									  WHERE mp.permission = kp.permission)) AS exceeds,
			   lower(k.name) ~ '^(my|new|old|the|a|temp|tmp|test|dev|prod)?[ _-]*(api)?[ _-]*(key|token|secret|test|testing|temp|tmp|default|foo|bar|baz|asdf|untitled|unnamed|new|name|api|app|prod|dev)?[ _-]*[0-9]*$'
					OR char_length(k.name) < 4 AS vague
		FROM teamrbac.api_key AS k
		JOIN teamrbac.tenant AS tenant ON tenant.tenant_id = k.tenant_id AND tenant.deleted_at IS NULL
		LEFT JOIN teamrbac.api_key_use AS used ON used.tenant_id = k.tenant_id AND used.key_id = k.key_id
		LEFT JOIN teamrbac.app_user AS u ON u.user_id = k.created_by
		LEFT JOIN staying AS m ON m.tenant_id = k.tenant_id AND m.user_id = k.created_by
		CROSS JOIN today AS t
		WHERE (only_tenant IS NULL OR k.tenant_id = only_tenant)
		  AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > t.time)
	), member_use AS (
		-- Whoever got another role meanwhile, or whose role became another, has not had the time to use it.
		SELECT m.tenant_id, m.user_id, m.role, m.subject, m.manages, held.permissions AS held, used.permissions AS used
		FROM staying AS m CROSS JOIN today AS t
		CROSS JOIN LATERAL (SELECT array_agg(h.permission) AS permissions FROM teamrbac.permissions_of_role(m.tenant_id, m.role, m.own_role) AS h(permission)) AS held
		CROSS JOIN LATERAL (SELECT COALESCE(array_agg(p.permission::text ORDER BY p.permission), '{}') AS permissions FROM teamrbac.member_permission_use AS p
							WHERE p.tenant_id = m.tenant_id AND p.user_id = m.user_id AND p.last_used_on >= t.day - t.unused_days) AS used
		WHERE m.is_recorded AND m.role <> 'owner'
		  AND NOT teamrbac.changed_since(m.tenant_id, ARRAY['member:' || m.user_id::text, 'role:' || m.role], (t.day - t.unused_days)::timestamp AT TIME ZONE 'UTC')
	), key_use AS (
		SELECT k.tenant_id, k.key_id, k.role, k.creator, k.subject, held.permissions AS held, used.permissions AS used
		FROM key AS k CROSS JOIN today AS t
		CROSS JOIN LATERAL (SELECT array_agg(h.permission) AS permissions FROM teamrbac.permissions_of_role(k.tenant_id, k.role, k.own_role) AS h(permission)
							JOIN teamrbac.permission AS p ON p.permission = h.permission AND p.grantable_to_keys
							WHERE k.permissions IS NULL OR h.permission = ANY (k.permissions)) AS held
		CROSS JOIN LATERAL (SELECT COALESCE(array_agg(p.permission::text ORDER BY p.permission), '{}') AS permissions FROM teamrbac.key_permission_use AS p
							WHERE p.tenant_id = k.tenant_id AND p.key_id = k.key_id AND p.last_used_on >= t.day - t.unused_days) AS used
		WHERE k.is_recorded AND k.replaced_by IS NULL AND NOT (k.orphaned OR k.exceeds OR k.unused)
		  AND NOT teamrbac.changed_since(k.tenant_id, ARRAY['role:' || k.role], (t.day - t.unused_days)::timestamp AT TIME ZONE 'UTC')
	)
	SELECT j.tenant_id, 'unused member', CASE WHEN j.manages THEN 'warning' ELSE 'notice' END, j.subject,
		   format('%s; %s', j.role, j.activity)
		   || CASE WHEN j.role <> 'owner' THEN ''
				   WHEN team.has_admin OR team.has_heir THEN '; if they are gone for good, a superuser can have another follow, by assign_owner'
				   ELSE '; nobody else is active: delete_tenant, if nobody needs the tenant' END,
		   CASE WHEN j.role <> 'owner' THEN format('CALL teamrbac.remove_member(%L, %L)', j.tenant_id, j.user_id) END, j.user_id
	FROM judged AS j JOIN team ON team.tenant_id = j.tenant_id WHERE j.unused AND NOT j.disabled
	UNION ALL
	SELECT j.tenant_id, 'disabled member', 'notice', j.subject, format('%s; disabled on %s', j.role, to_char(j.disabled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')),
		   format('CALL teamrbac.remove_member(%L, %L)', j.tenant_id, j.user_id), j.user_id
	FROM judged AS j WHERE j.disabled AND j.role <> 'owner'
	UNION ALL
	SELECT team.tenant_id, 'single manager', 'warning', COALESCE(team.manager, 'nobody'), 'nobody else who is active may manage the team; '
		   || CASE WHEN team.has_heir THEN 'make somebody an admin, by change_role' ELSE 'invite an admin, by invite_member' END, NULL, NULL
	FROM team WHERE team.managers < 2
	UNION ALL
	SELECT m.tenant_id, 'membership about to expire', 'notice', m.subject,
		   format('%s; ends %s unless prolonged by set_membership_expiry', m.role, to_char(m.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')), NULL, m.user_id
	FROM staying AS m, today AS t WHERE m.expires_at < t.time + make_interval(days => t.notice_days)
	UNION ALL
	SELECT m.tenant_id, 'role beyond use', CASE WHEN m.manages THEN 'warning' ELSE 'notice' END, m.subject,
		   format('%s; in %s days used only what %s may: %s', m.role, t.unused_days, l.role, v.used)
		   || CASE WHEN v.alone THEN '; by that role, nobody but one would manage the team' ELSE '' END,
		   CASE WHEN NOT v.alone THEN format('CALL teamrbac.change_role(%L, %L, %L)', m.tenant_id, m.user_id, l.role) END, m.user_id
	FROM member_use AS m JOIN team ON team.tenant_id = m.tenant_id CROSS JOIN today AS t
	CROSS JOIN LATERAL teamrbac.least_role(m.tenant_id, m.held, m.used, false) AS l(role)
	CROSS JOIN LATERAL (SELECT COALESCE(NULLIF(array_to_string(m.used, ', '), ''), 'nothing') AS used,
							   m.manages AND team.managers < 3 AND NOT EXISTS (SELECT FROM teamrbac.present_grants(m.tenant_id) AS g WHERE g.role = l.role AND g.permission = 'team.manage') AS alone) AS v
	WHERE l.role IS NOT NULL
	UNION ALL
	SELECT k.tenant_id, 'key beyond its use', 'notice', k.subject,
		   format('%s, by %s; in %s days used only what a key with role %s may: %s; its role stays, so make another by create_api_key', k.role, k.creator, t.unused_days, l.role,
				  COALESCE(NULLIF(array_to_string(k.used, ', '), ''), 'nothing')), NULL, k.key_id
	FROM key_use AS k CROSS JOIN today AS t
	CROSS JOIN LATERAL teamrbac.least_role(k.tenant_id, k.held, k.used, true) AS l(role)
	WHERE l.role IS NOT NULL
	UNION ALL
	SELECT k.tenant_id, v.finding, v.severity, k.subject, format('%s, by %s; %s', k.role, k.creator, k.use),
		   format('CALL teamrbac.revoke_api_key(%L, %L)', k.key_id, v.finding), k.key_id
	FROM key AS k, LATERAL (SELECT CASE WHEN k.orphaned THEN 'key of a former member' WHEN k.exceeds THEN 'key beyond its creator' ELSE 'unused key' END,
								   CASE WHEN k.orphaned OR k.exceeds THEN 'warning' ELSE 'notice' END) AS v(finding, severity)
	WHERE k.orphaned OR k.exceeds OR k.unused
	UNION ALL
	SELECT k.tenant_id, 'key without expiry', 'notice', k.subject, format('%s, by %s; %s', k.role, k.creator, k.use),
		   format('CALL teamrbac.set_api_key_expiry(%L, %L)', k.key_id, to_char((t.time + interval '1 year') AT TIME ZONE 'UTC', 'YYYY-MM-DD 00:00:00+00')), k.key_id
	FROM key AS k, today AS t
	WHERE k.expires_at IS NULL AND k.replaced_by IS NULL AND NOT (k.orphaned OR k.exceeds OR k.unused)
	UNION ALL
	SELECT k.tenant_id, 'vague key name', 'notice', k.subject, format('%s, by %s; %s', k.role, k.creator, k.use),
		   format('CALL teamrbac.rename_api_key(%L, %s)', k.key_id,
				  teamrbac.printable_literal(left(format('%s of %s, made %s, %s', k.role, k.creator, to_char(k.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), left(k.key_id::text, 8)), 200))), k.key_id
	FROM key AS k WHERE k.vague AND k.replaced_by IS NULL AND NOT (k.orphaned OR k.exceeds OR k.unused)
	UNION ALL
	SELECT i.tenant_id, 'pending invitation', CASE WHEN EXISTS (SELECT FROM teamrbac.permissions_of_role(i.tenant_id, i.role, i.own_role) AS rp(permission) WHERE rp.permission = 'team.manage') THEN 'warning' ELSE 'notice' END,
		   i.email::text, format('%s; invited %s, expires %s', i.role, to_char(i.invited_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), to_char(i.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')),
		   format('CALL teamrbac.cancel_invitation(%L)', i.invitation_id), i.invitation_id
	FROM teamrbac.invitation AS i
	JOIN teamrbac.tenant AS tenant ON tenant.tenant_id = i.tenant_id AND tenant.deleted_at IS NULL
	WHERE (only_tenant IS NULL OR i.tenant_id = only_tenant) AND i.state = 'pending' AND i.expires_at > now()
	  -- The others are cancelled with their sender.
	  AND EXISTS (SELECT FROM staying AS s WHERE s.tenant_id = i.tenant_id AND s.user_id = i.invited_by)
	UNION ALL
	-- Nobody has it, in any of the ways that keep drop_tenant_role from dropping it; of a new one, nobody has it yet.
	SELECT o.tenant_id, 'unused role', 'notice', format('role "%s"', o.role), 'nobody has it, and nobody is offered it',
		   format('CALL teamrbac.drop_tenant_role(%L, %L)', o.tenant_id, o.role), NULL
	FROM teamrbac.tenant_role AS o
	JOIN teamrbac.tenant AS tenant ON tenant.tenant_id = o.tenant_id AND tenant.deleted_at IS NULL
	CROSS JOIN today AS t
	WHERE (only_tenant IS NULL OR o.tenant_id = only_tenant)
	  AND NOT EXISTS (SELECT FROM teamrbac.membership AS m WHERE m.tenant_id = o.tenant_id AND m.tenant_role = o.role)
	  AND NOT EXISTS (SELECT FROM teamrbac.api_key AS k WHERE k.tenant_id = o.tenant_id AND k.tenant_role_in_use = o.role)
	  AND NOT EXISTS (SELECT FROM teamrbac.invitation AS i WHERE i.tenant_id = o.tenant_id AND i.pending_tenant_role = o.role)
	  AND NOT EXISTS (SELECT FROM teamrbac.invitation_link AS l WHERE l.tenant_id = o.tenant_id AND l.tenant_role_in_use = o.role)
	  AND NOT EXISTS (SELECT FROM teamrbac.tenant_domain AS d WHERE d.tenant_id = o.tenant_id AND d.tenant_role = o.role)
	  AND NOT EXISTS (SELECT FROM teamrbac.join_request AS j WHERE j.tenant_id = o.tenant_id AND j.pending_tenant_role = o.role)
	  AND NOT teamrbac.changed_since(o.tenant_id, ARRAY['role:' || o.role::text], (t.day - t.unused_days)::timestamp AT TIME ZONE 'UTC')
	UNION ALL
	SELECT r.tenant_id, 'overdue review', 'warning', format('review %s', r.review_id),
		   format('%s items undecided; due since %s', (SELECT count(*) FROM teamrbac.review_item AS i WHERE i.tenant_id = r.tenant_id AND i.review_id = r.review_id AND i.decision IS NULL),
				  to_char(r.due AT TIME ZONE 'UTC', 'YYYY-MM-DD')), format('CALL teamrbac.finish_review(%L)', r.review_id), r.review_id
	FROM teamrbac.review AS r
	JOIN teamrbac.tenant AS tenant ON tenant.tenant_id = r.tenant_id AND tenant.deleted_at IS NULL
	WHERE (only_tenant IS NULL OR r.tenant_id = only_tenant) AND r.finished_at IS NULL AND r.due <= now();
$$;
COMMENT ON FUNCTION teamrbac.review_tenants(uuid, OUT uuid, OUT text, OUT text, OUT text, OUT text, OUT text, OUT uuid) IS
	'Internal to access_review: the findings of a tenant; NULL: of all. subject_id: the user, key, invitation or review that one is about; NULL: the team, or a role.';
REVOKE ALL ON FUNCTION teamrbac.review_tenants(uuid) FROM PUBLIC;

CREATE FUNCTION teamrbac.review_tenant(tenant_id uuid, OUT finding text, OUT severity text, OUT subject text, OUT detail text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	-- Most names show as they are.
	SELECT r.finding, r.severity,
		   CASE WHEN r.subject ~ '^[ -~]*$' THEN r.subject ELSE teamrbac.printable(r.subject) END,
		   CASE WHEN r.detail ~ '^[ -~]*$' THEN r.detail ELSE teamrbac.printable(r.detail) END, r.remedy || ';'
	FROM teamrbac.review_tenants(tenant_id) AS r
	ORDER BY r.severity DESC, r.finding, r.subject, r.remedy;
$$;
COMMENT ON FUNCTION teamrbac.review_tenant(uuid, OUT text, OUT text, OUT text, OUT text, OUT text) IS
	'Internal to access_review of one tenant: its findings as they can be shown, in order.';
REVOKE ALL ON FUNCTION teamrbac.review_tenant(uuid) FROM PUBLIC;

CREATE FUNCTION teamrbac.access_review(tenant_id uuid, OUT finding text, OUT severity text, OUT subject text, OUT detail text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 10 AS 'MODULE_PATHNAME', 'teamrbac_access_review';
COMMENT ON FUNCTION teamrbac.access_review(uuid, OUT text, OUT text, OUT text, OUT text, OUT text) IS
	'What to look at in a team: members not active for teamrbac.unused_after (90 days), or disabled; a single active manager; memberships that end within 14 days; API keys not used for that long, of former members, beyond what their creator may, without expiry or with a vague name; members and keys that used only what a lesser role may, where that has been recorded for all of teamrbac.unused_after; pending invitations; roles of the tenant''s own that nobody has, unless they were defined within that time; reviews that are due. severity is warning or notice; remedy is a statement to run after reading it, NULL where somebody would have more or longer by it: then detail says how. The time is that of reading the team once; about once a second a notice says how far it is. Needs team.manage. Errors: 42501 not allowed, 28000 nobody signed in, 22023 tenant_id null. Takes no lock.';

CREATE FUNCTION teamrbac.access_review(OUT tenant_id uuid, OUT tenant text, OUT finding text, OUT severity text, OUT subject text, OUT detail text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 100
AS $$
	SELECT r.tenant_id, teamrbac.printable(t.name), r.finding, r.severity, teamrbac.printable(r.subject), teamrbac.printable(r.detail), r.remedy || ';'
	FROM teamrbac.review_tenants(NULL) AS r JOIN teamrbac.tenant AS t ON t.tenant_id = r.tenant_id
	ORDER BY t.name, t.tenant_id, r.severity DESC, r.finding, r.subject, r.remedy;
$$;
COMMENT ON FUNCTION teamrbac.access_review(OUT uuid, OUT text, OUT text, OUT text, OUT text, OUT text, OUT text) IS
	'The review of all tenants that are not deleted. The remedies are for somebody who is signed in and may manage the tenant. For the DBA. Takes no lock.';
REVOKE ALL ON FUNCTION teamrbac.access_review() FROM PUBLIC;
