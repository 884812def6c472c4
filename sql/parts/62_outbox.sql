-- Mail to be sent.  Commands queue it in their own transaction, senders claim it: teamrbac-mailer, or a program
-- of the application's.

CREATE TYPE teamrbac.mail_kind AS ENUM
	('invitation', 'invitation_resent', 'role_changed', 'removed', 'ownership_transferred', 'invitation_accepted',
	 'invitation_declined');
COMMENT ON TYPE teamrbac.mail_kind IS 'What a mail says; the sender has a template for each.';

CREATE TYPE teamrbac.mail_error AS ENUM ('temporary', 'sender', 'recipient');
COMMENT ON TYPE teamrbac.mail_error IS
	'What an attempt failed for: for the time being; since the mail server refuses the sender, whoever the recipient is; since it refuses the recipient or the message.';

CREATE TABLE teamrbac.outbox (
	tenant_id       uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	mail_id         uuid NOT NULL,
	kind            teamrbac.mail_kind NOT NULL,
	recipient       teamrbac.email_address NOT NULL,
	invitation_id   uuid,
	token           text,
	fields          jsonb NOT NULL DEFAULT '{}',
	created_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	attempts        integer NOT NULL DEFAULT 0,
	next_attempt_at timestamptz DEFAULT pg_catalog.clock_timestamp(),
	claimed_by      text,
	sent_at         timestamptz,
	failed_at       timestamptz,
	withdrawn_at    timestamptz,
	last_error      text,
	error_kind      teamrbac.mail_error,
	blocked_attempts integer NOT NULL DEFAULT 0,
	PRIMARY KEY (tenant_id, mail_id),
	CONSTRAINT outbox_fields CHECK (pg_catalog.jsonb_typeof(fields) = 'object'),
	CONSTRAINT outbox_done CHECK
		((next_attempt_at IS NULL) = (pg_catalog.num_nonnulls(sent_at, failed_at, withdrawn_at) > 0)),
	CONSTRAINT outbox_token_unsent CHECK (token IS NULL OR next_attempt_at IS NOT NULL)
);
CREATE INDEX outbox_mail_idx ON teamrbac.outbox (mail_id);
CREATE INDEX outbox_due_idx ON teamrbac.outbox (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX outbox_invitation_idx ON teamrbac.outbox (tenant_id, invitation_id)
	WHERE next_attempt_at IS NOT NULL AND invitation_id IS NOT NULL;
CREATE INDEX outbox_latest_idx ON teamrbac.outbox (tenant_id, invitation_id, created_at, mail_id)
	WHERE invitation_id IS NOT NULL;
CREATE INDEX outbox_tenant_idx ON teamrbac.outbox (tenant_id, created_at);
CREATE INDEX outbox_recipient_idx ON teamrbac.outbox (teamrbac.address_key(recipient) COLLATE "C", created_at);
CREATE INDEX outbox_failed_idx ON teamrbac.outbox (failed_at) WHERE failed_at IS NOT NULL;
COMMENT ON TABLE teamrbac.outbox IS
	'Mail, sent and unsent. Senders use claim_mail, mail_sent, mail_failed, mail_blocked and mail_refused. Unsent mail is not dumped: a restored copy of a database never mails anybody.';
COMMENT ON COLUMN teamrbac.outbox.tenant_id IS 'The tenant whose team the mail is about.';
COMMENT ON COLUMN teamrbac.outbox.mail_id IS 'The same at each attempt: a receiver can tell a mail sent twice.';
COMMENT ON COLUMN teamrbac.outbox.kind IS 'What the mail says.';
COMMENT ON COLUMN teamrbac.outbox.recipient IS 'Whom it goes to, as the address was when it was queued.';
COMMENT ON COLUMN teamrbac.outbox.invitation_id IS 'The invitation that it is about, if any.';
COMMENT ON COLUMN teamrbac.outbox.created_at IS 'When it was queued.';
COMMENT ON COLUMN teamrbac.outbox.sent_at IS 'When a mail server took it.';
COMMENT ON CONSTRAINT outbox_fields ON teamrbac.outbox IS 'Templates look names up in it.';
COMMENT ON CONSTRAINT outbox_done ON teamrbac.outbox IS 'Unsent, or one of sent, given up and withdrawn.';
COMMENT ON CONSTRAINT outbox_token_unsent ON teamrbac.outbox IS 'A secret stays no longer than it must.';
COMMENT ON COLUMN teamrbac.outbox.token IS 'The secret of an invitation, here only until the mail is sent, given up or withdrawn.';
COMMENT ON COLUMN teamrbac.outbox.fields IS 'What the template may say besides the tenant''s name: role, inviter, ...; locale, where that of the user whose address it is was known: the sender has a template for each.';
COMMENT ON COLUMN teamrbac.outbox.attempts IS 'How often the mail was claimed.';
COMMENT ON COLUMN teamrbac.outbox.next_attempt_at IS 'When the mail may be claimed: due, end of a lease, or end of a back-off; NULL once sent, given up or withdrawn.';
COMMENT ON COLUMN teamrbac.outbox.claimed_by IS 'The session that claimed it last, in the form of log_line_prefix %c; NULL once it has reported.';
COMMENT ON COLUMN teamrbac.outbox.failed_at IS 'When it was given up, or came back after it was sent; last_error says why.';
COMMENT ON COLUMN teamrbac.outbox.withdrawn_at IS 'When its invitation ended before the mail was sent.';
COMMENT ON COLUMN teamrbac.outbox.last_error IS 'What the last failed attempt reported, at most 500 characters.';
COMMENT ON COLUMN teamrbac.outbox.error_kind IS
	'What last_error is about. Unsent mail with ''sender'' waits for somebody to put right what the mail server finds wrong with the sender; check_setup reports it.';
COMMENT ON COLUMN teamrbac.outbox.blocked_attempts IS
	'How many of the attempts failed for the sender''s sake: they don''t count against teamrbac.mail_max_attempts.';
COMMENT ON INDEX teamrbac.outbox_mail_idx IS 'Answers mail_sent, mail_failed, mail_blocked and mail_refused.';
COMMENT ON INDEX teamrbac.outbox_due_idx IS 'Answers claim_mail.';
COMMENT ON INDEX teamrbac.outbox_invitation_idx IS 'Finds the unsent mail of an invitation that has ended.';
COMMENT ON INDEX teamrbac.outbox_latest_idx IS 'Finds the last mail about an invitation, for those who look at it.';
COMMENT ON INDEX teamrbac.outbox_tenant_idx IS 'Answers how much mail there was of a tenant lately.';
COMMENT ON INDEX teamrbac.outbox_recipient_idx IS 'Answers how much mail there was for an address lately, whoever sent it.';
COMMENT ON INDEX teamrbac.outbox_failed_idx IS 'Finds the mail that was given up.';

ALTER TABLE teamrbac.outbox ENABLE ROW LEVEL SECURITY;

-- No token, and nothing that a sender of the restored database could send a second time.
SELECT pg_catalog.pg_extension_config_dump('teamrbac.outbox', 'WHERE next_attempt_at IS NULL');

CREATE FUNCTION teamrbac.claim_mail(batch integer DEFAULT 10, lease interval DEFAULT '15 minutes',
		OUT mail_id uuid, OUT kind text, OUT recipient text, OUT tenant_id uuid, OUT tenant_name text,
		OUT invitation_id uuid, OUT token text, OUT fields jsonb, OUT attempt integer, OUT created_at timestamptz)
	RETURNS SETOF record
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 10 AS 'MODULE_PATHNAME', 'teamrbac_claim_mail';
COMMENT ON FUNCTION teamrbac.claim_mail(integer, interval) IS
	'Hands out at most batch mails that are due, and to nobody else before the lease ends: commit, send each, then report by mail_sent, mail_failed, mail_blocked or mail_refused. A mail whose sender died is handed out again, with the same mail_id: make the Message-ID of it. Mail of deleted tenants waits. The lease has to be longer than a mail server may hesitate, which is ten minutes (RFC 5321). With teamrbac.notify_mailer, LISTEN teamrbac_outbox tells of new mail; without, look every few seconds. Errors: 22023 batch not within 1 and 1000, or lease not positive. For the mailer''s role, which needs EXECUTE and nothing else. Locks the rows, skips those that others have locked.';
CREATE FUNCTION teamrbac.mail_sent(mail_id uuid) RETURNS boolean
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_mail_sent';
COMMENT ON FUNCTION teamrbac.mail_sent(uuid) IS
	'The mail was sent; its token is wiped. Returns false, and changes nothing, if that was known already or there is no such mail. Errors: 22023 NULL. For the mailer''s role. Locks the row.';
CREATE FUNCTION teamrbac.mail_failed(mail_id uuid, reason text) RETURNS boolean
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_mail_failed';
COMMENT ON FUNCTION teamrbac.mail_failed(uuid, text) IS
	'The mail could not be sent now: it is due again after 1, 2, 4, ... minutes, 6 hours at most, and given up after teamrbac.mail_max_attempts attempts, its token wiped. If another session has claimed it since, that one''s lease stands. Returns whether the mail will be tried again; false, and changes nothing, if it was sent, given up or withdrawn meanwhile. Errors: 22023 NULL. For the mailer''s role. Locks the row.';
CREATE FUNCTION teamrbac.mail_blocked(mail_id uuid, reason text) RETURNS boolean
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_mail_blocked';
COMMENT ON FUNCTION teamrbac.mail_blocked(uuid, text) IS
	'The mail server refused the sender, whoever the recipient is (relaying denied, no authentication, SPF, on a list, ...): the mail is due again as after mail_failed, and never given up for that; check_setup reports it. Returns whether the mail will be tried again; false, and changes nothing, if it was sent, given up or withdrawn meanwhile. Errors: 22023 NULL. For the mailer''s role. Locks the row.';
CREATE FUNCTION teamrbac.mail_refused(mail_id uuid, reason text) RETURNS boolean
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_mail_refused';
COMMENT ON FUNCTION teamrbac.mail_refused(uuid, text) IS
	'The mail can never be sent (no such mailbox, ...): it is given up at once, its token wiped. For a mail that was sent, as a bounce tells later: it has failed after all. Those who manage the team see it in view undelivered_mail. Returns false. Errors: 22023 NULL. For the mailer''s role. Locks the row.';

REVOKE ALL ON FUNCTION teamrbac.claim_mail(integer, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.mail_sent(uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.mail_failed(uuid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.mail_blocked(uuid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.mail_refused(uuid, text) FROM PUBLIC;

CREATE VIEW teamrbac.undelivered_mail WITH (security_barrier = true) AS
	SELECT o.tenant_id,
		   o.mail_id,
		   o.kind::text AS kind,
		   o.recipient::text AS recipient,
		   o.invitation_id,
		   o.created_at,
		   o.sent_at,
		   o.failed_at,
		   o.last_error AS reason
	FROM teamrbac.outbox AS o
	WHERE teamrbac.has_permission(o.tenant_id, 'team.manage')
	  AND o.failed_at IS NOT NULL;
COMMENT ON VIEW teamrbac.undelivered_mail IS
	'The mail that never reached anybody, given up or come back after it was sent, of the tenants in which whoever is asking has team.manage.';
COMMENT ON COLUMN teamrbac.undelivered_mail.tenant_id IS 'The tenant whose team the mail is about.';
COMMENT ON COLUMN teamrbac.undelivered_mail.mail_id IS 'The mail.';
COMMENT ON COLUMN teamrbac.undelivered_mail.kind IS 'What it says: invitation, removed, ...';
COMMENT ON COLUMN teamrbac.undelivered_mail.recipient IS 'Whom it should have gone to.';
COMMENT ON COLUMN teamrbac.undelivered_mail.invitation_id IS 'The invitation that it is about, if any.';
COMMENT ON COLUMN teamrbac.undelivered_mail.created_at IS 'When it was queued.';
COMMENT ON COLUMN teamrbac.undelivered_mail.sent_at IS 'When a mail server took it that sent it back later; NULL: none did.';
COMMENT ON COLUMN teamrbac.undelivered_mail.failed_at IS 'When it was given up or came back.';
COMMENT ON COLUMN teamrbac.undelivered_mail.reason IS 'What the mail server said.';
GRANT SELECT ON teamrbac.undelivered_mail TO PUBLIC;
