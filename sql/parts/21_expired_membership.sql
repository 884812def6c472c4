-- Memberships that ended because their time was over, kept for a while so that they can be renewed.

CREATE TABLE teamrbac.expired_membership (
	tenant_id  uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	user_id    uuid NOT NULL REFERENCES teamrbac.app_user ON DELETE CASCADE,
	role       teamrbac.role_name NOT NULL,
	expires_at timestamptz NOT NULL,
	joined_at  timestamptz NOT NULL,
	metadata   jsonb NOT NULL DEFAULT '{}',
	PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX expired_membership_user_idx ON teamrbac.expired_membership (user_id);
CREATE INDEX expired_membership_expires_idx ON teamrbac.expired_membership (expires_at);
COMMENT ON TABLE teamrbac.expired_membership IS
	'What expire_memberships has removed: gives nothing, but says what set_membership_expiry brings back within teamrbac.membership_renewal_period. One that began anew in any way, or ended in another, is not here.';
COMMENT ON COLUMN teamrbac.expired_membership.tenant_id IS 'The tenant.';
COMMENT ON COLUMN teamrbac.expired_membership.user_id IS 'Who was a member of it.';
COMMENT ON COLUMN teamrbac.expired_membership.role IS 'What they were there. No reference: the role may be dropped, and is then not brought back.';
COMMENT ON COLUMN teamrbac.expired_membership.expires_at IS 'When the membership ended.';
COMMENT ON COLUMN teamrbac.expired_membership.joined_at IS 'When it began.';
COMMENT ON COLUMN teamrbac.expired_membership.metadata IS 'What the application had noted.';
COMMENT ON INDEX teamrbac.expired_membership_user_idx IS 'Answers the deletion of a user.';
COMMENT ON INDEX teamrbac.expired_membership_expires_idx IS 'Answers expire_memberships.';

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
