-- Memberships that ended because their time was over, kept for a while so that they can be renewed.

CREATE TABLE teamrbac.expired_membership (
	tenant_id  uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	user_id    uuid NOT NULL REFERENCES teamrbac.app_user ON DELETE CASCADE,
	role       teamrbac.role_name NOT NULL,
	expires_at timestamptz NOT NULL,
	joined_at  timestamptz NOT NULL,
	metadata   jsonb NOT NULL DEFAULT '{}',
	own_role   boolean NOT NULL DEFAULT false,
	global_role teamrbac.role_name REFERENCES teamrbac.role ON DELETE CASCADE
		GENERATED ALWAYS AS (CASE WHEN NOT own_role THEN role END) STORED,
	tenant_role teamrbac.role_name GENERATED ALWAYS AS (CASE WHEN own_role THEN role END) STORED,
	PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX expired_membership_user_idx ON teamrbac.expired_membership (user_id);
CREATE INDEX expired_membership_expires_idx ON teamrbac.expired_membership (expires_at);
CREATE INDEX expired_membership_role_idx ON teamrbac.expired_membership (global_role)
	WHERE global_role <> ALL (ARRAY['reader', 'developer', 'admin', 'owner']);
CREATE INDEX expired_membership_tenant_role_idx ON teamrbac.expired_membership (tenant_id, tenant_role)
	WHERE tenant_role IS NOT NULL;
COMMENT ON TABLE teamrbac.expired_membership IS
	'What expire_memberships has removed: gives nothing, but says what set_membership_expiry brings back within teamrbac.membership_renewal_period. One that began anew in any way, or ended in another, is not here.';
COMMENT ON COLUMN teamrbac.expired_membership.tenant_id IS 'The tenant.';
COMMENT ON COLUMN teamrbac.expired_membership.user_id IS 'Who was a member of it.';
COMMENT ON COLUMN teamrbac.expired_membership.role IS 'What they were there. It keeps no role from being dropped: the row goes with it, lest another of the name be brought back.';
COMMENT ON COLUMN teamrbac.expired_membership.own_role IS 'Whether the role was one of the tenant''s own. Filled by resolve_role.';
COMMENT ON COLUMN teamrbac.expired_membership.global_role IS 'The role, if it was not one of the tenant''s own: what the foreign key checks.';
COMMENT ON COLUMN teamrbac.expired_membership.tenant_role IS 'The role, if it was one of the tenant''s own: likewise.';
COMMENT ON COLUMN teamrbac.expired_membership.expires_at IS 'When the membership ended.';
COMMENT ON COLUMN teamrbac.expired_membership.joined_at IS 'When it began.';
COMMENT ON COLUMN teamrbac.expired_membership.metadata IS 'What the application had noted.';
COMMENT ON INDEX teamrbac.expired_membership_user_idx IS 'Answers the deletion of a user.';
COMMENT ON INDEX teamrbac.expired_membership_expires_idx IS 'Answers expire_memberships.';
COMMENT ON INDEX teamrbac.expired_membership_role_idx IS 'Answers drop_role; the built-in roles are never dropped.';
COMMENT ON INDEX teamrbac.expired_membership_tenant_role_idx IS 'Answers drop_tenant_role.';

ALTER TABLE teamrbac.expired_membership ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('teamrbac.expired_membership', '');

-- Whoever makes the membership anew, a DBA by hand included: otherwise its next end, by removal, would leave
-- something to renew.
CREATE FUNCTION teamrbac.forget_expired_membership() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_forget_expired_membership';
COMMENT ON FUNCTION teamrbac.forget_expired_membership() IS
	'Trigger function: a membership that begins has no expired one beside it. Locks that one''s row.';
REVOKE ALL ON FUNCTION teamrbac.forget_expired_membership() FROM PUBLIC;
CREATE TRIGGER forget_expired AFTER INSERT ON teamrbac.membership
	FOR EACH ROW EXECUTE FUNCTION teamrbac.forget_expired_membership();
