\echo Use "CREATE EXTENSION teamrbac_api SCHEMA api" to load this file. \quit

-- What the functions return.

CREATE TYPE identity AS (
	kind          text,
	user_id       uuid,
	tenant_id     uuid,
	key_id        uuid,
	proof_ends_at timestamptz
);
COMMENT ON TYPE identity IS 'Who is asking, and where.';
COMMENT ON COLUMN identity.kind IS 'none, user or api_key.';
COMMENT ON COLUMN identity.user_id IS 'The user.';
COMMENT ON COLUMN identity.tenant_id IS 'The acting tenant: the one entered, the API key''s, or the only one; null in several, with none entered.';
COMMENT ON COLUMN identity.key_id IS 'The API key.';
COMMENT ON COLUMN identity.proof_ends_at IS 'When the identity ends by itself; null: never.';

CREATE TYPE tenant AS (
	tenant_id uuid,
	name      text,
	slug      text,
	role      text
);
COMMENT ON TYPE tenant IS 'A tenant, as somebody in it sees it.';
COMMENT ON COLUMN tenant.tenant_id IS 'The tenant, as the other functions take it.';
COMMENT ON COLUMN tenant.name IS 'Its name.';
COMMENT ON COLUMN tenant.slug IS 'Its name in addresses; null: none.';
COMMENT ON COLUMN tenant.role IS 'What whoever asks is there.';

CREATE TYPE member AS (
	tenant_id    uuid,
	user_id      uuid,
	display_name text,
	email        text,
	role         text,
	joined_at    timestamptz,
	expires_at   timestamptz,
	metadata     jsonb
);
COMMENT ON TYPE member IS 'A member of a tenant.';
COMMENT ON COLUMN member.tenant_id IS 'The tenant.';
COMMENT ON COLUMN member.user_id IS 'The member.';
COMMENT ON COLUMN member.display_name IS 'Their name.';
COMMENT ON COLUMN member.email IS 'Their address: one''s own, and all with team.manage; else null.';
COMMENT ON COLUMN member.role IS 'What they are there.';
COMMENT ON COLUMN member.joined_at IS 'Since when.';
COMMENT ON COLUMN member.expires_at IS 'When the membership ends by itself; null: never.';
COMMENT ON COLUMN member.metadata IS 'What the application has noted: one''s own, and all with team.manage; else null.';

CREATE TYPE removal_consequence AS (
	kind    text,
	subject text,
	detail  text
);
COMMENT ON TYPE removal_consequence IS 'What a member''s removal would mean.';
COMMENT ON COLUMN removal_consequence.kind IS 'What it is about, such as their API keys.';
COMMENT ON COLUMN removal_consequence.subject IS 'Which one.';
COMMENT ON COLUMN removal_consequence.detail IS 'A sentence about it.';

CREATE TYPE invitation AS (
	tenant_id     uuid,
	invitation_id uuid,
	email         text,
	role          text,
	invited_by    text,
	expires_at    timestamptz,
	metadata      jsonb
);
COMMENT ON TYPE invitation IS 'An invitation that is pending.';
COMMENT ON COLUMN invitation.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN invitation.invitation_id IS 'The invitation, as the other functions take it.';
COMMENT ON COLUMN invitation.email IS 'Who is invited.';
COMMENT ON COLUMN invitation.role IS 'What they will be there.';
COMMENT ON COLUMN invitation.invited_by IS 'The name of whoever sent it last; null: deleted.';
COMMENT ON COLUMN invitation.expires_at IS 'From then on it is refused.';
COMMENT ON COLUMN invitation.metadata IS 'What the application has noted.';

CREATE TYPE sent_invitation AS (
	invitation_id uuid,
	token         text,
	expires_at    timestamptz
);
COMMENT ON TYPE sent_invitation IS 'An invitation with its token, which is never shown again.';
COMMENT ON COLUMN sent_invitation.invitation_id IS 'The invitation, as the other functions take it.';
COMMENT ON COLUMN sent_invitation.token IS 'What the link in the mail has.';
COMMENT ON COLUMN sent_invitation.expires_at IS 'From then on it is refused.';

CREATE TYPE offer AS (
	tenant_name text,
	role        text,
	email       text,
	state       text,
	expires_at  timestamptz
);
COMMENT ON TYPE offer IS 'What the token of an invitation is for.';
COMMENT ON COLUMN offer.tenant_name IS 'The tenant to join.';
COMMENT ON COLUMN offer.role IS 'What one will be there.';
COMMENT ON COLUMN offer.email IS 'Who is invited; null: whoever has the link.';
COMMENT ON COLUMN offer.state IS 'pending, accepted, declined, cancelled or expired.';
COMMENT ON COLUMN offer.expires_at IS 'From then on it is refused.';

CREATE TYPE api_key AS (
	tenant_id     uuid,
	key_id        uuid,
	name          text,
	role          text,
	permissions   text[],
	state         text,
	created_by    uuid,
	creator       text,
	created_at    timestamptz,
	expires_at    timestamptz,
	last_used_at  timestamptz,
	replaced_by   uuid,
	revoked_at    timestamptz,
	revoked_by    uuid,
	revoke_reason text,
	metadata      jsonb
);
COMMENT ON TYPE api_key IS 'An API key, without its secret.';
COMMENT ON COLUMN api_key.tenant_id IS 'The key''s tenant.';
COMMENT ON COLUMN api_key.key_id IS 'The key, as the other functions take it.';
COMMENT ON COLUMN api_key.name IS 'Whose it is and what for.';
COMMENT ON COLUMN api_key.role IS 'What it may do, but for what is for people only.';
COMMENT ON COLUMN api_key.permissions IS 'What it may do at most; null: all that its role and keys may.';
COMMENT ON COLUMN api_key.state IS 'active, rotated (works until expires_at), expired or revoked.';
COMMENT ON COLUMN api_key.created_by IS 'Whoever made or rotated it.';
COMMENT ON COLUMN api_key.creator IS 'Their name; null: deleted.';
COMMENT ON COLUMN api_key.created_at IS 'Since when.';
COMMENT ON COLUMN api_key.expires_at IS 'When it ends by itself; null: never.';
COMMENT ON COLUMN api_key.last_used_at IS 'When it signed in last, to some minutes; null: never.';
COMMENT ON COLUMN api_key.replaced_by IS 'The key it was rotated to.';
COMMENT ON COLUMN api_key.revoked_at IS 'Since when it is refused.';
COMMENT ON COLUMN api_key.revoked_by IS 'Whoever revoked it.';
COMMENT ON COLUMN api_key.revoke_reason IS 'Why.';
COMMENT ON COLUMN api_key.metadata IS 'What the application has noted.';

CREATE TYPE new_api_key AS (
	key_id uuid,
	secret text
);
COMMENT ON TYPE new_api_key IS 'An API key with its secret, which is never shown again.';
COMMENT ON COLUMN new_api_key.key_id IS 'The key, as the other functions take it.';
COMMENT ON COLUMN new_api_key.secret IS 'What a program signs in with.';

CREATE TYPE revocation AS (
	revoked bigint
);
COMMENT ON TYPE revocation IS 'What a revocation of many did.';
COMMENT ON COLUMN revocation.revoked IS 'How many API keys it revoked.';

CREATE TYPE granted_permission AS (
	permission text,
	role       text,
	granted    boolean
);
COMMENT ON TYPE granted_permission IS 'A permission of a role.';
COMMENT ON COLUMN granted_permission.permission IS 'The permission.';
COMMENT ON COLUMN granted_permission.role IS 'A role.';
COMMENT ON COLUMN granted_permission.granted IS 'Whether the role has the permission.';

CREATE TYPE explanation AS (
	allowed boolean,
	reason  text,
	role    text
);
COMMENT ON TYPE explanation IS 'Why somebody may do something, or may not.';
COMMENT ON COLUMN explanation.allowed IS 'Whether they may.';
COMMENT ON COLUMN explanation.reason IS 'Why.';
COMMENT ON COLUMN explanation.role IS 'What they are in the tenant.';

CREATE TYPE event AS (
	tenant_id        uuid,
	sequence         bigint,
	occurred_at      timestamptz,
	actor            text,
	action           text,
	subject          text,
	before           jsonb,
	after            jsonb,
	actor_kind       text,
	actor_id         uuid,
	application_name text
);
COMMENT ON TYPE event IS 'Something that was done in a tenant.';
COMMENT ON COLUMN event.tenant_id IS 'The tenant.';
COMMENT ON COLUMN event.sequence IS 'Place in the tenant''s chain of events, from 1.';
COMMENT ON COLUMN event.occurred_at IS 'When.';
COMMENT ON COLUMN event.actor IS 'Who, for people.';
COMMENT ON COLUMN event.action IS 'What, such as member.removed.';
COMMENT ON COLUMN event.subject IS 'What it was done to.';
COMMENT ON COLUMN event.before IS 'What it was.';
COMMENT ON COLUMN event.after IS 'What it has become.';
COMMENT ON COLUMN event.actor_kind IS 'user, api_key or database_role.';
COMMENT ON COLUMN event.actor_id IS 'The user or the key; null for a database role.';
COMMENT ON COLUMN event.application_name IS 'What the client called itself.';

CREATE TYPE audit_verification AS (
	valid     boolean,
	events    bigint,
	broken_at bigint,
	problem   text
);
COMMENT ON TYPE audit_verification IS 'Whether a tenant''s chain of events is whole.';
COMMENT ON COLUMN audit_verification.valid IS 'Whether it is.';
COMMENT ON COLUMN audit_verification.events IS 'How many events it has.';
COMMENT ON COLUMN audit_verification.broken_at IS 'The first event that does not fit.';
COMMENT ON COLUMN audit_verification.problem IS 'What is wrong with it.';

CREATE TYPE finding AS (
	finding  text,
	severity text,
	subject  text,
	detail   text,
	remedy   text
);
COMMENT ON TYPE finding IS 'Something that a review of a team found.';
COMMENT ON COLUMN finding.finding IS 'What kind it is.';
COMMENT ON COLUMN finding.severity IS 'How grave it is.';
COMMENT ON COLUMN finding.subject IS 'Who or what it is about.';
COMMENT ON COLUMN finding.detail IS 'A sentence about it.';
COMMENT ON COLUMN finding.remedy IS 'What mends it.';

CREATE TYPE tenant_notes AS (
	tenant_id uuid,
	metadata  jsonb
);
COMMENT ON TYPE tenant_notes IS 'What the application has noted about a tenant.';
COMMENT ON COLUMN tenant_notes.tenant_id IS 'The tenant.';
COMMENT ON COLUMN tenant_notes.metadata IS 'What it has noted.';

CREATE TYPE tenant_limit AS (
	name  text,
	value integer,
	used  bigint
);
COMMENT ON TYPE tenant_limit IS 'What a tenant may have, and has.';
COMMENT ON COLUMN tenant_limit.name IS 'members, keys_per_member or pending_invitations.';
COMMENT ON COLUMN tenant_limit.value IS 'How many at most; null: as many as they like.';
COMMENT ON COLUMN tenant_limit.used IS 'How many there are.';

CREATE TYPE batch AS (
	outcomes jsonb
);
COMMENT ON TYPE batch IS 'What became of many addresses.';
COMMENT ON COLUMN batch.outcomes IS 'An array with an object for each address, in their order: email; outcome, which is invited, invited again, member already, malformed, over the limit, not allowed or repeated; and, where an invitation was sent, invitation_id, token, which is never shown again, and expires_at, else null.';

CREATE TYPE my_invitation AS (
	invitation_id         uuid,
	tenant_id             uuid,
	tenant_name           text,
	role                  text,
	invited_by            text,
	invited_at            timestamptz,
	expires_at            timestamptz,
	membership_expires_at timestamptz
);
COMMENT ON TYPE my_invitation IS 'An invitation of whoever is signed in.';
COMMENT ON COLUMN my_invitation.invitation_id IS 'The invitation, as the other functions take it.';
COMMENT ON COLUMN my_invitation.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN my_invitation.tenant_name IS 'Its name.';
COMMENT ON COLUMN my_invitation.role IS 'What one will be there.';
COMMENT ON COLUMN my_invitation.invited_by IS 'The name of whoever sent it last; null: deleted.';
COMMENT ON COLUMN my_invitation.invited_at IS 'Since when.';
COMMENT ON COLUMN my_invitation.expires_at IS 'From then on it is refused.';
COMMENT ON COLUMN my_invitation.membership_expires_at IS 'When the membership will end by itself; null: never.';

CREATE TYPE new_link AS (
	link_id    uuid,
	token      text,
	expires_at timestamptz
);
COMMENT ON TYPE new_link IS 'An invitation link with its token, which is never shown again.';
COMMENT ON COLUMN new_link.link_id IS 'The link, as the other functions take it.';
COMMENT ON COLUMN new_link.token IS 'What accept_invitation takes.';
COMMENT ON COLUMN new_link.expires_at IS 'From then on it is refused.';

CREATE TYPE invitation_link AS (
	tenant_id  uuid,
	link_id    uuid,
	role       text,
	state      text,
	uses       integer,
	used       integer,
	made_by    uuid,
	maker      text,
	made_at    timestamptz,
	expires_at timestamptz
);
COMMENT ON TYPE invitation_link IS 'An invitation without an address, without its token.';
COMMENT ON COLUMN invitation_link.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN invitation_link.link_id IS 'The link, as the other functions take it.';
COMMENT ON COLUMN invitation_link.role IS 'What whoever uses it will be there.';
COMMENT ON COLUMN invitation_link.state IS 'active, used up, expired or revoked.';
COMMENT ON COLUMN invitation_link.uses IS 'How many may join by it.';
COMMENT ON COLUMN invitation_link.used IS 'How many have.';
COMMENT ON COLUMN invitation_link.made_by IS 'Whoever made it.';
COMMENT ON COLUMN invitation_link.maker IS 'Their name; null: deleted.';
COMMENT ON COLUMN invitation_link.made_at IS 'Since when.';
COMMENT ON COLUMN invitation_link.expires_at IS 'From then on it is refused.';

CREATE TYPE tenant_domain AS (
	tenant_id  uuid,
	domain     text,
	role       text,
	automatic  boolean,
	allowed_by uuid,
	allower    text,
	allowed_at timestamptz
);
COMMENT ON TYPE tenant_domain IS 'A domain of e-mail addresses that a tenant lets in.';
COMMENT ON COLUMN tenant_domain.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN tenant_domain.domain IS 'The domain.';
COMMENT ON COLUMN tenant_domain.role IS 'What whoever joins will be there.';
COMMENT ON COLUMN tenant_domain.automatic IS 'Whether they may join by themselves, or ask.';
COMMENT ON COLUMN tenant_domain.allowed_by IS 'Whoever allowed it last.';
COMMENT ON COLUMN tenant_domain.allower IS 'Their name; null: deleted.';
COMMENT ON COLUMN tenant_domain.allowed_at IS 'When.';

CREATE TYPE joinable_tenant AS (
	tenant_id    uuid,
	tenant_name  text,
	role         text,
	automatic    boolean,
	requested_at timestamptz
);
COMMENT ON TYPE joinable_tenant IS 'A tenant that whoever is signed in may join by their e-mail address.';
COMMENT ON COLUMN joinable_tenant.tenant_id IS 'The tenant, as the other functions take it.';
COMMENT ON COLUMN joinable_tenant.tenant_name IS 'Its name.';
COMMENT ON COLUMN joinable_tenant.role IS 'What one will be there.';
COMMENT ON COLUMN joinable_tenant.automatic IS 'Whether one joins at once, or asks.';
COMMENT ON COLUMN joinable_tenant.requested_at IS 'When one has asked; null: not yet.';

CREATE TYPE join_request AS (
	tenant_id    uuid,
	user_id      uuid,
	display_name text,
	email        text,
	role         text,
	state        text,
	changed_at   timestamptz
);
COMMENT ON TYPE join_request IS 'Somebody who asks to join, or was refused.';
COMMENT ON COLUMN join_request.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN join_request.user_id IS 'Who asks.';
COMMENT ON COLUMN join_request.display_name IS 'Their name.';
COMMENT ON COLUMN join_request.email IS 'Their address.';
COMMENT ON COLUMN join_request.role IS 'What they will be unless another role is given.';
COMMENT ON COLUMN join_request.state IS 'pending or refused.';
COMMENT ON COLUMN join_request.changed_at IS 'When they asked or were refused.';

CREATE TYPE undelivered_mail AS (
	tenant_id     uuid,
	mail_id       uuid,
	kind          text,
	recipient     text,
	invitation_id uuid,
	created_at    timestamptz,
	sent_at       timestamptz,
	failed_at     timestamptz,
	reason        text
);
COMMENT ON TYPE undelivered_mail IS 'A mail that never reached anybody.';
COMMENT ON COLUMN undelivered_mail.tenant_id IS 'The tenant whose team it is about.';
COMMENT ON COLUMN undelivered_mail.mail_id IS 'The mail.';
COMMENT ON COLUMN undelivered_mail.kind IS 'What it says: invitation, removed, ...';
COMMENT ON COLUMN undelivered_mail.recipient IS 'Whom it should have gone to.';
COMMENT ON COLUMN undelivered_mail.invitation_id IS 'The invitation that it is about, if any.';
COMMENT ON COLUMN undelivered_mail.created_at IS 'When it was queued.';
COMMENT ON COLUMN undelivered_mail.sent_at IS 'When a mail server took it that sent it back later; null: none did.';
COMMENT ON COLUMN undelivered_mail.failed_at IS 'When it was given up or came back.';
COMMENT ON COLUMN undelivered_mail.reason IS 'What the mail server said.';
