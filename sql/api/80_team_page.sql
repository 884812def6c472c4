-- The team page: pages of a large team, which buttons to show, counts.

CREATE FUNCTION list_roles() RETURNS SETOF listed_role
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.role, r.description, r.built_in, r.permissions FROM teamrbac.list_roles() AS r
$$;
COMMENT ON FUNCTION list_roles() IS 'Lists the roles and what they may.

Those of the tenant in which whoever is asking acts, if any.';

CREATE FUNCTION assignable_roles(tenant_id uuid)
	RETURNS SETOF assignable_role
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN QUERY SELECT r.role, r.description, r.permissions
		FROM teamrbac.assignable_roles(tenant_id) AS r;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION assignable_roles(uuid) IS 'Lists the roles that whoever is asking may give.

To whom they invite, and to members. Needs team.manage. Refusals: 401 nobody signed in; 403 not allowed; 400 no tenant.';

CREATE FUNCTION member_actions(tenant_id uuid)
	RETURNS SETOF member_action
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN QUERY SELECT m.user_id, m.may_change_role, m.may_remove
		FROM teamrbac.member_actions(tenant_id) AS m;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION member_actions(uuid) IS 'Lists what whoever is asking may do with each member.

Of a large team, members_page tells it page by page. Refusals: 401 nobody signed in; 403 not a member; 400 no tenant.';

CREATE FUNCTION members_page(tenant_id uuid, after_place text DEFAULT NULL, page_size integer DEFAULT 50,
	search text DEFAULT NULL)
	RETURNS SETOF listed_member
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN QUERY SELECT m.user_id, m.display_name, m.email, m.role, m.joined_at, m.expires_at,
			m.may_change_role, m.may_remove, m.place
		FROM teamrbac.members_page(tenant_id, after_place, page_size, search) AS m;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION members_page(uuid, text, integer, text) IS 'Lists a page of a tenant''s members, by name.

The next page is of after_place: the place of the last one seen. search is how a name, a later word of it, or with team.manage an address begins. Refusals: 401 nobody signed in; 403 not a member; 400 no tenant, page_size not 1 to 1000, no place.';

CREATE FUNCTION invitations_page(tenant_id uuid, after_place text DEFAULT NULL, page_size integer DEFAULT 50,
	search text DEFAULT NULL)
	RETURNS SETOF listed_invitation
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN QUERY SELECT i.invitation_id, i.email, i.role, i.invited_by, i.inviter_id, i.invited_at, i.expires_at,
			i.sent_at, i.mail_state, i.mail_error, i.may_cancel, i.place
		FROM teamrbac.invitations_page(tenant_id, after_place, page_size, search) AS i;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION invitations_page(uuid, text, integer, text) IS 'Lists a page of a tenant''s pending invitations, by address.

The next page is of after_place: the place of the last one seen. search is how the address begins. Needs team.manage. Refusals: 401 nobody signed in; 403 not allowed; 400 no tenant, page_size not 1 to 1000, no place.';

CREATE FUNCTION audit_page(tenant_id uuid, before_sequence bigint DEFAULT NULL, page_size integer DEFAULT 50,
	of_action text DEFAULT NULL, of_actor uuid DEFAULT NULL, of_subject text DEFAULT NULL)
	RETURNS SETOF listed_event
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN QUERY SELECT e.sequence, e.occurred_at, e.action, e.actor_kind, e.actor_id, e.actor_name, e.session_role,
			e.application_name, e.subject, e.subject_name, e.before, e.after
		FROM teamrbac.audit_page(tenant_id, before_sequence, page_size, of_action, of_actor, of_subject) AS e;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION audit_page(uuid, bigint, integer, text, uuid, text) IS 'Lists a page of what was done in a tenant, the newest first.

The next page is of before_sequence: the last one seen. At most one of action, actor (a user or a key) and subject is asked for. Needs audit.view. Refusals: 401 nobody signed in; 403 not allowed; 400 no tenant, page_size not 1 to 1000, asked for several.';

CREATE FUNCTION team_counts(tenant_id uuid, at_most integer DEFAULT 1000) RETURNS team_count
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT c.members, c.pending_invitations, c.api_keys, c.events INTO answer
		FROM teamrbac.team_counts(tenant_id, at_most) AS c;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION team_counts(uuid, integer) IS 'Counts members, invitations, API keys and events, for badges.

None further than at_most, events apart. Refusals: 401 nobody signed in; 403 not a member; 400 no tenant, at_most not positive.';

CREATE FUNCTION staff_visits(tenant_id uuid)
	RETURNS SETOF staff_visit
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN QUERY SELECT v.user_id, v.display_name, v.reason, v.allow_changes, v.entered_at, v.ends_at, v.present
		FROM teamrbac.staff_visits(tenant_id) AS v;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION staff_visits(uuid) IS 'Lists the visits of the platform''s staff in a tenant.

The newest first. Needs team.manage. Refusals: 401 nobody signed in; 403 not allowed; 400 no tenant.';
