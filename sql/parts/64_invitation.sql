-- Invitations, from the one that is sent to the one that is accepted, or isn't.

CREATE TYPE teamrbac.invitation_state AS ENUM ('pending', 'accepted', 'declined', 'cancelled', 'expired');
COMMENT ON TYPE teamrbac.invitation_state IS
	'What became of an invitation. One that is pending has expired as soon as its time is over, whether or not any job has marked it.';

CREATE TABLE teamrbac.invitation (
	tenant_id             uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	invitation_id         uuid NOT NULL,
	email                 teamrbac.email_address NOT NULL,
	role                  teamrbac.role_name NOT NULL,
	membership_expires_at timestamptz,
	invited_by            uuid NOT NULL,
	token_hash            bytea NOT NULL,
	invited_at            timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	expires_at            timestamptz NOT NULL,
	state                 teamrbac.invitation_state NOT NULL DEFAULT 'pending',
	decided_at            timestamptz,
	accepted_by           uuid,
	own_role              boolean NOT NULL DEFAULT false,
	pending_role          teamrbac.role_name REFERENCES teamrbac.role
		GENERATED ALWAYS AS (CASE WHEN state = 'pending' AND NOT own_role THEN role END) STORED,
	pending_tenant_role   teamrbac.role_name
		GENERATED ALWAYS AS (CASE WHEN state = 'pending' AND own_role THEN role END) STORED,
	metadata              jsonb NOT NULL DEFAULT '{}',
	PRIMARY KEY (tenant_id, invitation_id),
	CONSTRAINT invitation_tenant_role_fkey FOREIGN KEY (tenant_id, pending_tenant_role) REFERENCES teamrbac.tenant_role,
	CONSTRAINT invitation_owner_never CHECK (role <> 'owner'),
	CONSTRAINT invitation_token_hash CHECK (pg_catalog.octet_length(token_hash) = 32),
	CONSTRAINT invitation_decided CHECK
		((state = 'pending') = (decided_at IS NULL)),
	CONSTRAINT invitation_accepted CHECK
		((state = 'accepted') = (accepted_by IS NOT NULL)),
	CONSTRAINT invitation_metadata CHECK
		(pg_catalog.jsonb_typeof(metadata) = 'object' AND pg_catalog.octet_length(metadata::text) <= 8192)
);
CREATE UNIQUE INDEX invitation_one_pending ON teamrbac.invitation (tenant_id, teamrbac.address_key(email))
	WHERE state = 'pending';
CREATE INDEX invitation_address_idx ON teamrbac.invitation (teamrbac.address_key(email));
CREATE INDEX invitation_id_idx ON teamrbac.invitation (invitation_id);
CREATE INDEX invitation_token_idx ON teamrbac.invitation (token_hash);
CREATE INDEX invitation_sender_idx ON teamrbac.invitation (tenant_id, invited_by)
	WHERE state = 'pending';
CREATE INDEX invitation_expires_idx ON teamrbac.invitation (expires_at)
	WHERE state = 'pending';
CREATE INDEX invitation_role_idx ON teamrbac.invitation (pending_role)
	WHERE pending_role <> ALL (ARRAY['reader', 'developer', 'admin', 'owner']);
CREATE INDEX invitation_tenant_role_idx ON teamrbac.invitation (tenant_id, pending_tenant_role)
	WHERE pending_tenant_role IS NOT NULL;
COMMENT ON TABLE teamrbac.invitation IS
	'Who was invited into which tenant, by whom, and what came of it. Change it by invite_member and its like.';
COMMENT ON COLUMN teamrbac.invitation.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN teamrbac.invitation.invitation_id IS 'As the commands on it take it.';
COMMENT ON COLUMN teamrbac.invitation.role IS 'What the invitee will be there.';
COMMENT ON COLUMN teamrbac.invitation.invited_at IS 'When it was sent first.';
COMMENT ON COLUMN teamrbac.invitation.state IS 'What became of it; expires_at counts as well.';
COMMENT ON COLUMN teamrbac.invitation.accepted_by IS 'The user who joined.';
COMMENT ON CONSTRAINT invitation_owner_never ON teamrbac.invitation IS 'Ownership is transferred, never given by invitation.';
COMMENT ON CONSTRAINT invitation_token_hash ON teamrbac.invitation IS 'A SHA-256, not the token itself.';
COMMENT ON CONSTRAINT invitation_decided ON teamrbac.invitation IS 'Pending until decided.';
COMMENT ON CONSTRAINT invitation_accepted ON teamrbac.invitation IS 'Somebody accepted, or it is not accepted.';
COMMENT ON COLUMN teamrbac.invitation.metadata IS 'The application''s own, by set_invitation_metadata; never secrets.';
COMMENT ON CONSTRAINT invitation_metadata ON teamrbac.invitation IS 'A JSON object of at most 8 kB.';
COMMENT ON INDEX teamrbac.invitation_address_idx IS 'Answers my_invitations, and the erasure of a user.';
COMMENT ON INDEX teamrbac.invitation_id_idx IS 'Answers the commands on an invitation.';
COMMENT ON INDEX teamrbac.invitation_token_idx IS 'Answers peek_invitation, accept_invitation and decline_invitation.';
COMMENT ON COLUMN teamrbac.invitation.email IS 'As it was given; compared with the invitee''s by address_key.';
COMMENT ON COLUMN teamrbac.invitation.membership_expires_at IS 'When the membership will end by itself; NULL: never.';
COMMENT ON COLUMN teamrbac.invitation.invited_by IS
	'Whoever sent it, or sent it again last: it works for as long as they may give its role. No reference, since it outlives them.';
COMMENT ON COLUMN teamrbac.invitation.token_hash IS 'SHA-256 of the token, which is in the mail alone.';
COMMENT ON COLUMN teamrbac.invitation.expires_at IS 'From then on it is refused.';
COMMENT ON COLUMN teamrbac.invitation.decided_at IS 'When it ceased to be pending.';
COMMENT ON COLUMN teamrbac.invitation.pending_role IS
	'The role, while it is pending, if it is a global one: only then does it keep the role from being dropped.';
COMMENT ON COLUMN teamrbac.invitation.pending_tenant_role IS 'The role, while it is pending, if it is one of the tenant''s own.';
COMMENT ON COLUMN teamrbac.invitation.own_role IS 'Whether the role is one of the tenant''s own. Filled by resolve_role.';
COMMENT ON INDEX teamrbac.invitation_tenant_role_idx IS 'Answers drop_tenant_role.';
COMMENT ON INDEX teamrbac.invitation_one_pending IS 'One pending invitation for an address and tenant.';
COMMENT ON INDEX teamrbac.invitation_sender_idx IS 'Answers the removal and demotion of whoever sent them.';
COMMENT ON INDEX teamrbac.invitation_expires_idx IS 'Answers expire_invitations.';
COMMENT ON INDEX teamrbac.invitation_role_idx IS 'Answers drop_role; the built-in roles are never dropped.';

-- Of the state too: one that is sent again may find that its role is another one by now.
CREATE TRIGGER resolve_role BEFORE INSERT OR UPDATE OF tenant_id, role, own_role, state ON teamrbac.invitation
	FOR EACH ROW WHEN (NEW.own_role OR NEW.role <> ALL (ARRAY['reader', 'developer', 'admin', 'owner']))
	EXECUTE FUNCTION teamrbac.resolve_role();

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.invitation REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('invitation', 'invitation_id');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.invitation REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('invitation', 'invitation_id');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.invitation REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('invitation', 'invitation_id');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.invitation
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('invitation', 'invitation_id');

ALTER TABLE teamrbac.invitation ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('teamrbac.invitation', '');

CREATE FUNCTION teamrbac.invite_member(tenant_id uuid, email text, role text, membership_expires_at timestamptz DEFAULT NULL,
		OUT invitation_id uuid, OUT token text, OUT expires_at timestamptz)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_invite_member';
COMMENT ON FUNCTION teamrbac.invite_member(uuid, text, text, timestamptz, OUT uuid, OUT text, OUT timestamptz) IS
	'Invites an e-mail address into the tenant, and queues the mail with the token, which is returned this once and not stored. Good for teamrbac.invitation_lifetime. Needs team.manage, and every permission of the role. Errors: 42501 not allowed, or owner; 22023 malformed address, unknown role, membership_expires_at not in the future; 23505 a member already, or invited already; 55000 as many pending invitations as teamrbac.max_pending_invitations, or as many mails within a day as teamrbac.max_tenant_mails_per_day or, to this address, teamrbac.max_recipient_mails_per_day; 28000 nobody signed in. Locks the tenant''s row.';
CREATE FUNCTION teamrbac.resend_invitation(invitation_id uuid, OUT token text, OUT expires_at timestamptz)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_resend_invitation';
COMMENT ON FUNCTION teamrbac.resend_invitation(uuid, OUT text, OUT timestamptz) IS
	'Sends a pending or expired invitation again, with a new token and all its time; the old token is dead. From now on it depends on the authority of whoever sent it again. Needs team.manage, and every permission of the role. Errors: 42501 not allowed, or no such invitation; 55000 accepted, declined or cancelled, or too many are pending, or too many mails within a day, as for invite_member; 23505 a member by now, or invited anew; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.cancel_invitation(invitation_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_cancel_invitation';
COMMENT ON PROCEDURE teamrbac.cancel_invitation(uuid) IS
	'Takes a pending invitation back; a mail not yet sent is not sent. Needs team.manage, and every permission of the role. Errors: 42501 not allowed, or no such invitation; 55000 no longer pending; 28000 nobody signed in. Locks the tenant''s row.';

CREATE FUNCTION teamrbac.peek_invitation(token text, OUT tenant_name text, OUT role text, OUT email text,
		OUT state teamrbac.invitation_state, OUT expires_at timestamptz)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_peek_invitation';
COMMENT ON FUNCTION teamrbac.peek_invitation(text, OUT text, OUT text, OUT text, OUT teamrbac.invitation_state, OUT timestamptz) IS
	'What a token is for, for the page behind the link; email is NULL for a link of invite_by_link; changes nothing and needs nobody signed in, so that a link scanner burns no token. state is what accept_invitation would find now: cancelled also where whoever sent it may no longer give the role, expired also where the membership offered would be over, or a link is used up. Errors: P0002 unknown token, as an old one is once the invitation was sent again.';
CREATE FUNCTION teamrbac.accept_invitation(token text, OUT tenant_id uuid, OUT role text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_accept_invitation';
COMMENT ON FUNCTION teamrbac.accept_invitation(text, OUT uuid, OUT text) IS
	'The signed-in user, whose e-mail address was invited, or who has a link of invite_by_link, joins the tenant. An invitation repeated by the same user while they are a member answers the same. Whoever sent it is told by mail, if teamrbac.mail_inviter. Errors: P0002 unknown token; 42501 invited is somebody else, or by a link somebody who was a member before; 55000 expired, cancelled, declined, used up or accepted already, whoever sent it may no longer give the role, or no room by set_tenant_limit; 23505 a member already, whose role stays; 28000 no user signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.decline_invitation(token text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_decline_invitation';
COMMENT ON PROCEDURE teamrbac.decline_invitation(text) IS
	'The signed-in user, whose e-mail address was invited, does not want to join. Whoever sent it is told by mail, if teamrbac.mail_inviter and they could still send it. Errors: P0002 unknown token, as that of a link, which is for nobody in particular; 42501 invited is somebody else; 55000 no longer pending; 28000 no user signed in. Locks the tenant''s row.';

-- Granted to nobody: pending_invitation and invitations_page say who may see which of them.
CREATE VIEW teamrbac.invitation_detail AS
	SELECT i.tenant_id,
		   i.invitation_id,
		   i.email::text AS email,
		   i.role::text AS role,
		   u.display_name AS invited_by,
		   i.expires_at,
		   i.invited_by AS inviter_id,
		   i.invited_at,
		   mail.sent_at,
		   CASE WHEN mail.mail_id IS NULL OR mail.withdrawn_at IS NOT NULL THEN NULL
				WHEN mail.failed_at IS NOT NULL AND (mail.error_kind = 'recipient' OR mail.sent_at IS NOT NULL) THEN 'refused'
				WHEN mail.failed_at IS NOT NULL THEN 'failed'
				WHEN mail.sent_at IS NOT NULL THEN 'sent'
				ELSE 'queued' END AS mail_state,
		   CASE WHEN mail.sent_at IS NULL OR mail.failed_at IS NOT NULL THEN mail.last_error END AS mail_error,
		   i.metadata
	FROM teamrbac.invitation AS i
	LEFT JOIN LATERAL (SELECT u.display_name FROM teamrbac.app_user AS u WHERE u.user_id = i.invited_by OFFSET 0) AS u ON true
	LEFT JOIN LATERAL (SELECT o.mail_id, o.sent_at, o.failed_at, o.withdrawn_at, o.error_kind, o.last_error
					   FROM teamrbac.outbox AS o
					   WHERE o.tenant_id = i.tenant_id AND o.invitation_id = i.invitation_id
					   ORDER BY o.created_at DESC, o.mail_id DESC LIMIT 1) AS mail ON true
	WHERE i.state = 'pending'
	  AND i.expires_at > pg_catalog.clock_timestamp();
COMMENT ON VIEW teamrbac.invitation_detail IS 'Internal to pending_invitation and invitations_page, which have the columns'' meaning.';
COMMENT ON COLUMN teamrbac.invitation_detail.tenant_id IS 'As in view pending_invitation.';
COMMENT ON COLUMN teamrbac.invitation_detail.invitation_id IS 'As in view pending_invitation.';
COMMENT ON COLUMN teamrbac.invitation_detail.email IS 'As in view pending_invitation.';
COMMENT ON COLUMN teamrbac.invitation_detail.role IS 'As in view pending_invitation.';
COMMENT ON COLUMN teamrbac.invitation_detail.invited_by IS 'As in view pending_invitation.';
COMMENT ON COLUMN teamrbac.invitation_detail.expires_at IS 'As in view pending_invitation.';
COMMENT ON COLUMN teamrbac.invitation_detail.inviter_id IS 'As in view pending_invitation.';
COMMENT ON COLUMN teamrbac.invitation_detail.invited_at IS 'As in view pending_invitation.';
COMMENT ON COLUMN teamrbac.invitation_detail.sent_at IS 'As in view pending_invitation.';
COMMENT ON COLUMN teamrbac.invitation_detail.mail_state IS 'As in view pending_invitation.';
COMMENT ON COLUMN teamrbac.invitation_detail.mail_error IS 'As in view pending_invitation.';
COMMENT ON COLUMN teamrbac.invitation_detail.metadata IS 'As in view pending_invitation.';

CREATE VIEW teamrbac.pending_invitation WITH (security_barrier = true) AS
	SELECT i.tenant_id,
		   i.invitation_id,
		   i.email,
		   i.role,
		   i.invited_by,
		   i.expires_at,
		   i.inviter_id,
		   i.invited_at,
		   i.sent_at,
		   i.mail_state,
		   i.mail_error,
		   i.metadata
	FROM teamrbac.invitation_detail AS i
	WHERE teamrbac.has_permission(i.tenant_id, 'team.manage');
COMMENT ON VIEW teamrbac.pending_invitation IS
	'The invitations that are pending, of the tenants in which whoever is asking has team.manage. Expired ones are not among them; one whose sender has lost the authority for it is, for somebody else to send again.';
COMMENT ON COLUMN teamrbac.pending_invitation.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN teamrbac.pending_invitation.invitation_id IS 'As the commands on it take it.';
COMMENT ON COLUMN teamrbac.pending_invitation.email IS 'Who is invited.';
COMMENT ON COLUMN teamrbac.pending_invitation.role IS 'What they will be there.';
COMMENT ON COLUMN teamrbac.pending_invitation.invited_by IS 'The name of whoever sent it last; NULL: deleted.';
COMMENT ON COLUMN teamrbac.pending_invitation.expires_at IS 'From then on it is refused.';
COMMENT ON COLUMN teamrbac.pending_invitation.metadata IS 'The application''s own, by set_invitation_metadata.';
COMMENT ON COLUMN teamrbac.pending_invitation.inviter_id IS 'The user who sent it last, member or not.';
COMMENT ON COLUMN teamrbac.pending_invitation.invited_at IS 'When it was made.';
COMMENT ON COLUMN teamrbac.pending_invitation.sent_at IS 'When a mail server took the last mail about it; NULL: none has, or none is known.';
COMMENT ON COLUMN teamrbac.pending_invitation.mail_state IS
	'What became of the last mail about it: queued (mail_error says what the last attempt failed for), sent, failed (given up after many attempts), refused (by the recipient''s mail server); NULL: none is known, as after a restore.';
COMMENT ON COLUMN teamrbac.pending_invitation.mail_error IS 'Why it was not sent, as the mail server said it.';
GRANT SELECT ON teamrbac.pending_invitation TO PUBLIC;

-- As in 90_maintenance.sql: the procedure commits, and so runs as whoever calls it.
CREATE FUNCTION teamrbac.expire_invitation_batch(batch_size integer) RETURNS bigint
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_expire_invitation_batch';
COMMENT ON FUNCTION teamrbac.expire_invitation_batch(integer) IS
	'Internal to expire_invitations: marks at most batch_size invitations that are due, and returns how many. Errors: 22023 batch_size not positive. Locks the tenants'' rows, skips those that others have locked.';
REVOKE ALL ON FUNCTION teamrbac.expire_invitation_batch(integer) FROM PUBLIC;

CREATE PROCEDURE teamrbac.expire_invitations(batch_size integer DEFAULT 1000)
	LANGUAGE plpgsql
AS $$
BEGIN
	LOOP
		EXIT WHEN teamrbac.expire_invitation_batch(batch_size) OPERATOR(pg_catalog.=) 0;
		COMMIT;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE teamrbac.expire_invitations(integer) IS
	'Marks the invitations as expired whose time is over, batch_size in a transaction. For a scheduler; nothing depends on it, since they are refused anyway. Errors: 22023 batch_size not positive. Never waits for a tenant: one that a command has locked is left for the next run.';
REVOKE ALL ON PROCEDURE teamrbac.expire_invitations(integer) FROM PUBLIC;
