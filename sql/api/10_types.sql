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

CREATE TYPE listed_role AS (
	role        text,
	description text,
	built_in    boolean,
	permissions text[]
);
COMMENT ON TYPE listed_role IS 'A role.';
COMMENT ON COLUMN listed_role.role IS 'Its name.';
COMMENT ON COLUMN listed_role.description IS 'What it is for.';
COMMENT ON COLUMN listed_role.built_in IS 'Whether it is there from the beginning.';
COMMENT ON COLUMN listed_role.permissions IS 'What it may.';

CREATE TYPE assignable_role AS (
	role        text,
	description text,
	permissions text[]
);
COMMENT ON TYPE assignable_role IS 'A role that whoever asks may give.';
COMMENT ON COLUMN assignable_role.role IS 'Its name.';
COMMENT ON COLUMN assignable_role.description IS 'What it is for.';
COMMENT ON COLUMN assignable_role.permissions IS 'What it may.';

CREATE TYPE member_action AS (
	user_id         uuid,
	may_change_role boolean,
	may_remove      boolean
);
COMMENT ON TYPE member_action IS 'What whoever asks may do with a member.';
COMMENT ON COLUMN member_action.user_id IS 'The member.';
COMMENT ON COLUMN member_action.may_change_role IS 'Whether they may be given another of the assignable roles.';
COMMENT ON COLUMN member_action.may_remove IS 'Whether their membership may be ended.';

CREATE TYPE listed_member AS (
	user_id         uuid,
	display_name    text,
	email           text,
	role            text,
	joined_at       timestamptz,
	expires_at      timestamptz,
	may_change_role boolean,
	may_remove      boolean,
	place           text
);
COMMENT ON TYPE listed_member IS 'A member, on a page of them.';
COMMENT ON COLUMN listed_member.user_id IS 'The member.';
COMMENT ON COLUMN listed_member.display_name IS 'Their name.';
COMMENT ON COLUMN listed_member.email IS 'Their address: one''s own, and all with team.manage; else null.';
COMMENT ON COLUMN listed_member.role IS 'What they are there.';
COMMENT ON COLUMN listed_member.joined_at IS 'Since when.';
COMMENT ON COLUMN listed_member.expires_at IS 'When the membership ends by itself; null: never.';
COMMENT ON COLUMN listed_member.may_change_role IS 'Whether whoever asks may give them another role.';
COMMENT ON COLUMN listed_member.may_remove IS 'Whether whoever asks may end their membership.';
COMMENT ON COLUMN listed_member.place IS 'What the next page comes after, if this is the last of the page.';

CREATE TYPE listed_invitation AS (
	invitation_id uuid,
	email         text,
	role          text,
	invited_by    text,
	inviter_id    uuid,
	invited_at    timestamptz,
	expires_at    timestamptz,
	sent_at       timestamptz,
	mail_state    text,
	mail_error    text,
	may_cancel    boolean,
	place         text
);
COMMENT ON TYPE listed_invitation IS 'An invitation that is pending, on a page of them.';
COMMENT ON COLUMN listed_invitation.invitation_id IS 'The invitation, as the other functions take it.';
COMMENT ON COLUMN listed_invitation.email IS 'Who is invited.';
COMMENT ON COLUMN listed_invitation.role IS 'What they will be there.';
COMMENT ON COLUMN listed_invitation.invited_by IS 'The name of whoever sent it last; null: deleted.';
COMMENT ON COLUMN listed_invitation.inviter_id IS 'Whoever sent it last.';
COMMENT ON COLUMN listed_invitation.invited_at IS 'When it was made.';
COMMENT ON COLUMN listed_invitation.expires_at IS 'From then on it is refused.';
COMMENT ON COLUMN listed_invitation.sent_at IS 'When a mail server took the last mail about it; null: none has.';
COMMENT ON COLUMN listed_invitation.mail_state IS 'What became of that mail: queued, sent, failed or refused; null: unknown.';
COMMENT ON COLUMN listed_invitation.mail_error IS 'Why it was not sent, as the mail server said it.';
COMMENT ON COLUMN listed_invitation.may_cancel IS 'Whether whoever asks may cancel it, or send it again.';
COMMENT ON COLUMN listed_invitation.place IS 'What the next page comes after, if this is the last of the page.';

CREATE TYPE listed_event AS (
	sequence         bigint,
	occurred_at      timestamptz,
	action           text,
	actor_kind       text,
	actor_id         uuid,
	actor_name       text,
	session_role     text,
	application_name text,
	subject          text,
	subject_name     text,
	before           jsonb,
	after            jsonb
);
COMMENT ON TYPE listed_event IS 'Something that was done in a tenant, on a page of the audit.';
COMMENT ON COLUMN listed_event.sequence IS 'Place in the tenant''s chain of events, from 1.';
COMMENT ON COLUMN listed_event.occurred_at IS 'When.';
COMMENT ON COLUMN listed_event.action IS 'What, such as member.removed.';
COMMENT ON COLUMN listed_event.actor_kind IS 'user, api_key or database_role.';
COMMENT ON COLUMN listed_event.actor_id IS 'The user or the key; null for a database role.';
COMMENT ON COLUMN listed_event.actor_name IS 'Their name as it is now; null: deleted.';
COMMENT ON COLUMN listed_event.session_role IS 'The database role that had logged in.';
COMMENT ON COLUMN listed_event.application_name IS 'What the client called itself.';
COMMENT ON COLUMN listed_event.subject IS 'What it was done to, such as member:<user_id>.';
COMMENT ON COLUMN listed_event.subject_name IS 'Its name as it is now; null: deleted, or it has none.';
COMMENT ON COLUMN listed_event.before IS 'What it was.';
COMMENT ON COLUMN listed_event.after IS 'What it has become.';

CREATE TYPE team_count AS (
	members             bigint,
	pending_invitations bigint,
	api_keys            bigint,
	events              bigint
);
COMMENT ON TYPE team_count IS 'How many there are.';
COMMENT ON COLUMN team_count.members IS 'Members.';
COMMENT ON COLUMN team_count.pending_invitations IS 'Invitations that are pending; null without team.manage.';
COMMENT ON COLUMN team_count.api_keys IS 'API keys that work: one''s own, and all with api_keys.manage.';
COMMENT ON COLUMN team_count.events IS 'Events of the audit; null without audit.view.';

CREATE TYPE staff_visit AS (
	user_id       uuid,
	display_name  text,
	reason        text,
	allow_changes boolean,
	entered_at    timestamptz,
	ends_at       timestamptz,
	present       boolean
);
COMMENT ON TYPE staff_visit IS 'A visit of the platform''s staff in a tenant.';
COMMENT ON COLUMN staff_visit.user_id IS 'Who.';
COMMENT ON COLUMN staff_visit.display_name IS 'Their name; null: deleted.';
COMMENT ON COLUMN staff_visit.reason IS 'Why.';
COMMENT ON COLUMN staff_visit.allow_changes IS 'Whether they may change things.';
COMMENT ON COLUMN staff_visit.entered_at IS 'From when.';
COMMENT ON COLUMN staff_visit.ends_at IS 'To when.';
COMMENT ON COLUMN staff_visit.present IS 'Whether it goes on.';
CREATE TYPE past_member AS (
	user_id    uuid,
	member     text,
	role       text,
	expires_at timestamptz,
	state      text,
	events     text[]
);
COMMENT ON TYPE past_member IS 'Who was a member of a tenant at a time that is past.';
COMMENT ON COLUMN past_member.user_id IS 'The user.';
COMMENT ON COLUMN past_member.member IS 'Their name of today.';
COMMENT ON COLUMN past_member.role IS 'What they were there.';
COMMENT ON COLUMN past_member.expires_at IS 'When the membership was to end by itself; null: never.';
COMMENT ON COLUMN past_member.state IS 'active, user disabled or tenant deleted.';
COMMENT ON COLUMN past_member.events IS 'The events of the audit that this rests on, as scope/sequence.';

CREATE TYPE past_role AS (
	role        text,
	own         boolean,
	permissions text[],
	events      text[]
);
COMMENT ON TYPE past_role IS 'A role that there was in a tenant at a time that is past.';
COMMENT ON COLUMN past_role.role IS 'Its name.';
COMMENT ON COLUMN past_role.own IS 'Whether it was the tenant''s own.';
COMMENT ON COLUMN past_role.permissions IS 'What it could do.';
COMMENT ON COLUMN past_role.events IS 'The events of the audit that this rests on, as scope/sequence.';

CREATE TYPE past_permission AS (
	allowed boolean,
	reason  text,
	role    text,
	events  text[]
);
COMMENT ON TYPE past_permission IS 'Whether somebody had a permission at a time that is past.';
COMMENT ON COLUMN past_permission.allowed IS 'Whether they had it.';
COMMENT ON COLUMN past_permission.reason IS 'Why, or why not.';
COMMENT ON COLUMN past_permission.role IS 'What they were in the tenant; null: nothing.';
COMMENT ON COLUMN past_permission.events IS 'The events of the audit that this rests on, as scope/sequence.';

CREATE TYPE used_permission AS (
	kind           text,
	subject_id     uuid,
	name           text,
	role           text,
	permission     text,
	last_used_on   date,
	recorded_since date
);
COMMENT ON TYPE used_permission IS 'A permission that a member or an API key has used.';
COMMENT ON COLUMN used_permission.kind IS 'member or api_key.';
COMMENT ON COLUMN used_permission.subject_id IS 'The user or the key.';
COMMENT ON COLUMN used_permission.name IS 'The user''s or the key''s.';
COMMENT ON COLUMN used_permission.role IS 'What they are in the tenant now.';
COMMENT ON COLUMN used_permission.permission IS 'What was asked for, and had.';
COMMENT ON COLUMN used_permission.last_used_on IS 'The day in UTC.';
COMMENT ON COLUMN used_permission.recorded_since IS 'The day since which this has been recorded without a gap; null: it is not recorded now.';

CREATE TYPE review AS (
	review_id uuid
);
COMMENT ON TYPE review IS 'A review of a team.';
COMMENT ON COLUMN review.review_id IS 'The review, as the other functions take it.';

CREATE TYPE review_item AS (
	item        integer,
	kind        text,
	name        text,
	role        text,
	role_now    text,
	expires_at  timestamptz,
	last_active date,
	permissions text,
	findings    text,
	decision    text,
	outcome     text,
	note        text,
	decided_by  text,
	decided_at  timestamptz,
	permissions_then text,
	expires_at_then  timestamptz,
	holders          text
);
COMMENT ON TYPE review_item IS 'What is to be decided in a review, and what has been.';
COMMENT ON COLUMN review_item.item IS 'Its number in the review.';
COMMENT ON COLUMN review_item.kind IS 'member, api_key, invitation, or role: one of the tenant''s own.';
COMMENT ON COLUMN review_item.name IS 'For people.';
COMMENT ON COLUMN review_item.role IS 'What it had when the review began.';
COMMENT ON COLUMN review_item.role_now IS 'What it has now; null: no access any more, or no such role.';
COMMENT ON COLUMN review_item.expires_at IS 'When that ends by itself; null: never.';
COMMENT ON COLUMN review_item.last_active IS 'The day of its last activity.';
COMMENT ON COLUMN review_item.permissions IS 'What it may do.';
COMMENT ON COLUMN review_item.findings IS 'What access_review finds about it.';
COMMENT ON COLUMN review_item.decision IS 'keep, change or remove; null: undecided.';
COMMENT ON COLUMN review_item.outcome IS 'What was done about it.';
COMMENT ON COLUMN review_item.note IS 'Why.';
COMMENT ON COLUMN review_item.decided_by IS 'Who decided it.';
COMMENT ON COLUMN review_item.decided_at IS 'When.';
COMMENT ON COLUMN review_item.permissions_then IS 'What it might do when the review began.';
COMMENT ON COLUMN review_item.expires_at_then IS 'When it was to end by itself as the review began; null: never.';
COMMENT ON COLUMN review_item.holders IS 'Of a role, how many have it.';

CREATE TYPE review_schedule AS (
	tenant_id        uuid,
	every            interval,
	due_in           interval,
	remove_undecided boolean
);
COMMENT ON TYPE review_schedule IS 'How often a team is reviewed.';
COMMENT ON COLUMN review_schedule.tenant_id IS 'The tenant.';
COMMENT ON COLUMN review_schedule.every IS 'How often; null: not by itself.';
COMMENT ON COLUMN review_schedule.due_in IS 'How long there is to decide.';
COMMENT ON COLUMN review_schedule.remove_undecided IS 'Whether what is undecided then is removed.';
