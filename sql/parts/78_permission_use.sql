-- Which permissions members and API keys use, while teamrbac.record_permission_use is on.

-- The last day alone: no more is needed to find out what a role has beyond it, and nothing grows with time.
CREATE TABLE teamrbac.member_permission_use (
	tenant_id    uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	user_id      uuid NOT NULL REFERENCES teamrbac.app_user ON DELETE CASCADE,
	permission   teamrbac.permission_name NOT NULL,
	last_used_on date NOT NULL,
	PRIMARY KEY (tenant_id, user_id, permission)
) WITH (fillfactor = 50);
CREATE INDEX member_permission_use_user_idx ON teamrbac.member_permission_use (user_id);
COMMENT ON TABLE teamrbac.member_permission_use IS
	'On which day each member used each permission last: written without triggers, at most once a day, when transactions commit that may write, or when a session ends.';
COMMENT ON COLUMN teamrbac.member_permission_use.tenant_id IS 'The tenant in which it was used.';
COMMENT ON COLUMN teamrbac.member_permission_use.user_id IS
	'The member. No reference to the membership: one that has expired can be renewed.';
COMMENT ON COLUMN teamrbac.member_permission_use.permission IS 'What was asked for, and had. No reference: drop_permission sees to it.';
COMMENT ON COLUMN teamrbac.member_permission_use.last_used_on IS 'The day in UTC, no more exactly than that.';
COMMENT ON INDEX teamrbac.member_permission_use_user_idx IS 'Answers the deletion of a user.';

CREATE TABLE teamrbac.key_permission_use (
	tenant_id    uuid NOT NULL,
	key_id       uuid NOT NULL,
	permission   teamrbac.permission_name NOT NULL,
	last_used_on date NOT NULL,
	PRIMARY KEY (tenant_id, key_id, permission),
	FOREIGN KEY (tenant_id, key_id) REFERENCES teamrbac.api_key ON DELETE CASCADE
) WITH (fillfactor = 50);
COMMENT ON TABLE teamrbac.key_permission_use IS 'On which day each API key used each permission last: written as member_permission_use.';
COMMENT ON COLUMN teamrbac.key_permission_use.tenant_id IS 'The key''s tenant.';
COMMENT ON COLUMN teamrbac.key_permission_use.key_id IS 'The key.';
COMMENT ON COLUMN teamrbac.key_permission_use.permission IS 'What was asked for, and had. No reference: drop_permission sees to it.';
COMMENT ON COLUMN teamrbac.key_permission_use.last_used_on IS 'The day in UTC, no more exactly than that.';

ALTER TABLE teamrbac.member_permission_use ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.key_permission_use ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('teamrbac.member_permission_use', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.key_permission_use', '');

CREATE FUNCTION teamrbac.uses_in_tenant(for_tenant uuid, since date, OUT kind text, OUT subject_id uuid, OUT name text, OUT role text, OUT permission text, OUT last_used_on date, OUT recorded_since date)
	RETURNS SETOF record
	LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	SELECT u.kind, u.subject_id, teamrbac.printable(u.name), u.role, u.permission, u.last_used_on, u.recorded_since
	FROM (
		SELECT 'member' AS kind, m.user_id AS subject_id, a.display_name AS name, m.role::text AS role, p.permission::text AS permission, p.last_used_on, s.recorded_since
		FROM teamrbac.member_permission_use AS p
		JOIN teamrbac.membership AS m ON m.tenant_id = p.tenant_id AND m.user_id = p.user_id AND p.last_used_on >= (m.joined_at AT TIME ZONE 'UTC')::date
		JOIN teamrbac.app_user AS a ON a.user_id = m.user_id
		LEFT JOIN teamrbac.user_activity AS s ON s.user_id = m.user_id
		WHERE p.tenant_id = for_tenant AND (m.expires_at IS NULL OR m.expires_at > now())
		UNION ALL
		SELECT 'api_key', k.key_id, k.name, k.role::text, p.permission::text, p.last_used_on, s.recorded_since
		FROM teamrbac.key_permission_use AS p
		JOIN teamrbac.api_key AS k ON k.tenant_id = p.tenant_id AND k.key_id = p.key_id
		LEFT JOIN teamrbac.api_key_use AS s ON s.tenant_id = k.tenant_id AND s.key_id = k.key_id
		WHERE p.tenant_id = for_tenant AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
	) AS u
	WHERE since IS NULL OR u.last_used_on >= since
	ORDER BY u.kind DESC, u.name, u.subject_id, u.permission;
$$;
COMMENT ON FUNCTION teamrbac.uses_in_tenant(uuid, date, OUT text, OUT uuid, OUT text, OUT text, OUT text, OUT date, OUT date) IS
	'Internal to access_used, whoever asks.';
REVOKE ALL ON FUNCTION teamrbac.uses_in_tenant(uuid, date) FROM PUBLIC;

CREATE FUNCTION teamrbac.access_used(tenant_id uuid, since date DEFAULT NULL, OUT kind text, OUT subject_id uuid, OUT name text, OUT role text, OUT permission text, OUT last_used_on date, OUT recorded_since date)
	RETURNS SETOF record
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 100 AS 'MODULE_PATHNAME', 'teamrbac_access_used';
COMMENT ON FUNCTION teamrbac.access_used(uuid, date, OUT text, OUT uuid, OUT text, OUT text, OUT text, OUT date, OUT date) IS
	'Which permissions each present member (kind member) and API key (api_key) of a tenant has used, and on which day in UTC last; since: on that day or later, NULL: ever. A use is a check that granted: by a policy, has_permission and its like, or a command. Recorded while teamrbac.record_permission_use is on, for them without a gap from recorded_since on, NULL: they are not recorded now. What is asked on a standby is not recorded, and what the last transactions used shows when their sessions write or end. Needs audit.view in the tenant, or a superuser. Errors: 42501 not allowed, 28000 nobody signed in, 22023 tenant_id null. Takes no lock.';

CREATE FUNCTION teamrbac.least_role(for_tenant uuid, held text[], used text[], for_key boolean) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	SELECT g.role
	FROM teamrbac.present_grants(for_tenant) AS g
	JOIN teamrbac.permission AS p ON p.permission = g.permission
	LEFT JOIN teamrbac.role AS r ON g.scope = 'platform' AND r.role = g.role
	CROSS JOIN LATERAL (SELECT CASE WHEN p.grantable_to_keys OR NOT for_key THEN g.permission END) AS c(counts)
	WHERE g.role <> 'owner'
	GROUP BY g.scope, g.role, r.position
	HAVING array_agg(c.counts) @> used AND array_remove(array_agg(c.counts), NULL) <@ held AND count(c.counts) < cardinality(held)
	ORDER BY count(*), r.position, g.role
	LIMIT 1;
$$;
COMMENT ON FUNCTION teamrbac.least_role(uuid, text[], text[], boolean) IS
	'Internal to access_review: the role with the fewest permissions that has what was used, and less than what is held; NULL: none.';
REVOKE ALL ON FUNCTION teamrbac.least_role(uuid, text[], text[], boolean) FROM PUBLIC;

CREATE FUNCTION teamrbac.changed_since(for_tenant uuid, subjects text[], since timestamptz) RETURNS boolean
	LANGUAGE sql STABLE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM teamrbac.audit_event AS e
				   WHERE e.tenant_id = for_tenant AND e.scope = 'tenant' AND e.subject = ANY (subjects) AND e.occurred_at >= since)
		OR EXISTS (SELECT FROM teamrbac.audit_event AS e
				   WHERE e.tenant_id = '00000000-0000-0000-0000-000000000000' AND e.scope = 'platform' AND e.subject = ANY (subjects) AND e.occurred_at >= since);
$$;
COMMENT ON FUNCTION teamrbac.changed_since(uuid, text[], timestamptz) IS
	'Internal to access_review: whether the audit has an event about one of the subjects since then, in the tenant or among the definitions.';
REVOKE ALL ON FUNCTION teamrbac.changed_since(uuid, text[], timestamptz) FROM PUBLIC;
