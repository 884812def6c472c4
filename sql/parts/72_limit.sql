-- How much a tenant may have of what costs, for plans that are sold by seats.

CREATE TABLE teamrbac.tenant_limit (
	tenant_id uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	name      text NOT NULL,
	value     integer NOT NULL,
	PRIMARY KEY (tenant_id, name),
	CONSTRAINT tenant_limit_name CHECK (name = ANY (ARRAY['members', 'keys_per_member', 'pending_invitations'])),
	CONSTRAINT tenant_limit_value CHECK (value >= -1)
);
COMMENT ON TABLE teamrbac.tenant_limit IS 'The limits of a tenant of its own, in place of the settings. Change it by set_tenant_limit.';
COMMENT ON COLUMN teamrbac.tenant_limit.tenant_id IS 'The tenant.';
COMMENT ON COLUMN teamrbac.tenant_limit.name IS 'members, keys_per_member or pending_invitations.';
COMMENT ON COLUMN teamrbac.tenant_limit.value IS 'How many at most; -1: as many as they like.';
COMMENT ON CONSTRAINT tenant_limit_name ON teamrbac.tenant_limit IS 'What can be limited by tenant.';
COMMENT ON CONSTRAINT tenant_limit_value ON teamrbac.tenant_limit IS '-1 is no limit.';

ALTER TABLE teamrbac.tenant_limit ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('teamrbac.tenant_limit', '');

CREATE PROCEDURE teamrbac.set_tenant_limit(tenant_id uuid, name text, value integer)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_set_tenant_limit';
COMMENT ON PROCEDURE teamrbac.set_tenant_limit(uuid, text, integer) IS
	'How many of something a tenant may have: members (setting teamrbac.max_members), keys_per_member (teamrbac.max_keys_per_member) or pending_invitations (teamrbac.max_pending_invitations). -1: no limit; NULL: what the setting says. Whoever is there already stays. Errors: 22023 no such limit, or value below -1; P0002 no such tenant. Trusted: for the DBA, or whatever sells the plans. Locks the tenant''s row.';
REVOKE ALL ON PROCEDURE teamrbac.set_tenant_limit(uuid, text, integer) FROM PUBLIC;

CREATE FUNCTION teamrbac.tenant_limits(tenant_id uuid, OUT name text, OUT value integer, OUT used bigint)
	RETURNS SETOF record
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 3 AS 'MODULE_PATHNAME', 'teamrbac_tenant_limits';
COMMENT ON FUNCTION teamrbac.tenant_limits(uuid, OUT text, OUT integer, OUT bigint) IS
	'What the tenant may have at most, NULL: as many as they like, and how many it has: members, keys_per_member (used: of the signed-in user) and pending_invitations. Needs team.manage. Errors: 42501 not allowed; 28000 nobody signed in; 22023 tenant_id null. Takes no lock.';

CREATE FUNCTION teamrbac.tenant_usage(of_tenant uuid, of_user uuid, OUT members bigint, OUT keys bigint, OUT invitations bigint)
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (SELECT count(*) FROM teamrbac.membership AS m
			WHERE m.tenant_id = of_tenant AND (m.expires_at IS NULL OR m.expires_at > clock_timestamp())),
		   (SELECT count(*) FROM teamrbac.api_key AS k
			WHERE k.tenant_id = of_tenant AND k.created_by = of_user AND k.revoked_at IS NULL
			  AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())),
		   (SELECT count(*) FROM teamrbac.invitation AS i
			WHERE i.tenant_id = of_tenant AND i.state = 'pending' AND i.expires_at > clock_timestamp());
$$;
COMMENT ON FUNCTION teamrbac.tenant_usage(uuid, uuid, OUT bigint, OUT bigint, OUT bigint) IS
	'Internal to tenant_limits: what counts towards each limit.';
REVOKE ALL ON FUNCTION teamrbac.tenant_usage(uuid, uuid) FROM PUBLIC;
