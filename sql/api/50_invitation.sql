-- Invitations.

CREATE FUNCTION pending_invitations(tenant_id uuid) RETURNS SETOF invitation
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT i.tenant_id, i.invitation_id, i.email, i.role, i.invited_by, i.expires_at, i.metadata
		FROM teamrbac.pending_invitation AS i WHERE i.tenant_id = pending_invitations.tenant_id
$$;
COMMENT ON FUNCTION pending_invitations(uuid) IS 'Lists the invitations of a tenant that are pending.

Without team.manage one sees none.';

CREATE FUNCTION invite_member(tenant_id uuid, email text, role text,
		membership_expires_at timestamptz DEFAULT NULL)
	RETURNS sent_invitation
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	sent    record;
	refusal teamrbac.refusal;
BEGIN
	SELECT i.invitation_id, i.token, i.expires_at INTO sent
		FROM teamrbac.invite_member(tenant_id, email, invite_member.role, membership_expires_at) AS i;
	RETURN sent;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION invite_member(uuid, text, text, timestamptz) IS 'Invites somebody by e-mail.

Returns the invitation with its token. Needs team.manage, and every permission of the role. Refusals: 401 nobody signed in; 403 not allowed, or owner; 400 malformed address, no such role, or a time in the past; 409 a member already, invited already, or too many are pending.';

CREATE FUNCTION resend_invitation(invitation_id uuid) RETURNS sent_invitation
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	sent    record;
	refusal teamrbac.refusal;
BEGIN
	SELECT resend_invitation.invitation_id, i.token, i.expires_at INTO sent
		FROM teamrbac.resend_invitation(invitation_id) AS i;
	RETURN sent;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION resend_invitation(uuid) IS 'Sends an invitation again, with a new token and all its time.

Returns it; the old token is dead. Needs team.manage, and every permission of the role. Refusals: 401 nobody signed in; 403 not allowed, or no such invitation; 409 accepted, declined or cancelled, a member by now, or too many are pending.';

CREATE FUNCTION cancel_invitation(invitation_id uuid) RETURNS invitation
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT i.tenant_id, i.invitation_id, i.email, i.role, i.invited_by, i.expires_at, i.metadata INTO answer
		FROM teamrbac.pending_invitation AS i WHERE i.invitation_id = cancel_invitation.invitation_id;
	CALL teamrbac.cancel_invitation(invitation_id);
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION cancel_invitation(uuid) IS 'Takes an invitation back.

Returns it as it was. Needs team.manage, and every permission of the role. Refusals: 401 nobody signed in; 403 not allowed, or no such invitation; 409 accepted, declined or cancelled already; 410 expired.';

CREATE FUNCTION peek_invitation(token text) RETURNS offer
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT o.tenant_name, o.role, o.email, o.state::text, o.expires_at INTO answer FROM teamrbac.peek_invitation(token) AS o;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION peek_invitation(text) IS 'Tells what a token is for.

Changes nothing, for the page behind the link; nobody need be signed in. Refusals: 404 unknown token.';

CREATE FUNCTION accept_invitation(token text) RETURNS tenant
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	joined  uuid;
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT a.tenant_id INTO STRICT joined FROM teamrbac.accept_invitation(token) AS a;
	SELECT t.tenant_id, t.name, t.slug, t.role INTO answer
		FROM teamrbac.my_tenants() AS t WHERE t.tenant_id = joined;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION accept_invitation(text) IS 'Joins a tenant by the token of an invitation.

Returns the tenant. Whoever is signed in has the address that was invited; a link is for anybody. Refusals: 401 nobody signed in; 403 invited is somebody else, or by a link somebody who was a member before; 404 unknown token; 409 cancelled, declined, used up, accepted already, a member already, or no room for more; 410 expired.';

CREATE FUNCTION decline_invitation(token text) RETURNS offer
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.decline_invitation(token);
	SELECT o.tenant_name, o.role, o.email, o.state::text, o.expires_at INTO answer FROM teamrbac.peek_invitation(token) AS o;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION decline_invitation(text) IS 'Refuses an invitation.

Returns what it was. Whoever is signed in has the address that was invited. Refusals: 401 nobody signed in; 403 invited is somebody else; 404 unknown token; 409 no longer pending; 410 expired.';

CREATE FUNCTION invite_members(tenant_id uuid, emails text[], role text,
		membership_expires_at timestamptz DEFAULT NULL)
	RETURNS batch
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT COALESCE(jsonb_agg(to_jsonb(i)), '[]') INTO answer
		FROM teamrbac.invite_members(tenant_id, emails, invite_members.role, membership_expires_at) AS i;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION invite_members(uuid, text[], text, timestamptz) IS 'Invites many by e-mail.

Returns for each address what became of it; none hinders the others. Needs team.manage, and every permission of the role. Refusals: 401 nobody signed in; 403 not allowed, or owner; 400 no such role, a time in the past, or more than 10000 addresses.';

CREATE FUNCTION set_invitation_metadata(invitation_id uuid, metadata jsonb) RETURNS invitation
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.set_invitation_metadata(invitation_id, metadata);
	SELECT i.tenant_id, i.invitation_id, i.email, i.role, i.invited_by, i.expires_at, i.metadata INTO answer
		FROM teamrbac.pending_invitation AS i
		WHERE i.invitation_id = set_invitation_metadata.invitation_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION set_invitation_metadata(uuid, jsonb) IS 'Replaces what the application notes about an invitation.

Returns the invitation. Needs team.manage, and every permission of its role. Refusals: 401 nobody signed in; 403 not allowed, or no such invitation; 400 no object, or more than 8 kB.';

CREATE FUNCTION my_invitations() RETURNS SETOF my_invitation
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT i.invitation_id, i.tenant_id, i.tenant_name, i.role, i.invited_by, i.invited_at, i.expires_at,
			i.membership_expires_at
		FROM teamrbac.my_invitations() AS i
$$;
COMMENT ON FUNCTION my_invitations() IS 'Lists the invitations of whoever is signed in.

Those that can be accepted now, by their verified address; nobody has none.';

CREATE FUNCTION accept_my_invitation(invitation_id uuid) RETURNS tenant
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	joined  uuid;
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT a.tenant_id INTO STRICT joined FROM teamrbac.accept_my_invitation(invitation_id) AS a;
	SELECT t.tenant_id, t.name, t.slug, t.role INTO answer
		FROM teamrbac.my_tenants() AS t WHERE t.tenant_id = joined;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION accept_my_invitation(uuid) IS 'Joins a tenant by an invitation whose mail was lost.

Returns the tenant. Refusals: 401 nobody signed in; 403 no such invitation, or for somebody else; 409 cancelled, declined, accepted already, a member already, or no room for more; 410 expired.';

CREATE FUNCTION decline_my_invitation(invitation_id uuid) RETURNS my_invitation
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT i.invitation_id, i.tenant_id, i.tenant_name, i.role, i.invited_by, i.invited_at, i.expires_at,
			i.membership_expires_at INTO answer
		FROM teamrbac.my_invitations() AS i WHERE i.invitation_id = decline_my_invitation.invitation_id;
	CALL teamrbac.decline_my_invitation(invitation_id);
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION decline_my_invitation(uuid) IS 'Refuses an invitation whose mail was lost.

Returns it as it was. Refusals: 401 nobody signed in; 403 no such invitation, or for somebody else; 409 no longer pending; 410 expired.';

CREATE FUNCTION undelivered_mails(tenant_id uuid) RETURNS SETOF undelivered_mail
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT m.tenant_id, m.mail_id, m.kind, m.recipient, m.invitation_id, m.created_at, m.sent_at, m.failed_at, m.reason
		FROM teamrbac.undelivered_mail AS m WHERE m.tenant_id = undelivered_mails.tenant_id
$$;
COMMENT ON FUNCTION undelivered_mails(uuid) IS 'Lists the mail of a tenant that never reached anybody.

Without team.manage one sees none.';
