-- Links, domains and requests: ways into a tenant beside an invitation by e-mail.

CREATE FUNCTION invitation_links(tenant_id uuid) RETURNS SETOF invitation_link
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT l.tenant_id, l.link_id, l.role, l.state, l.uses, l.used, l.made_by, l.maker, l.made_at, l.expires_at
		FROM teamrbac.invitation_link_overview AS l WHERE l.tenant_id = invitation_links.tenant_id
$$;
COMMENT ON FUNCTION invitation_links(uuid) IS 'Lists the invitation links of a tenant.

Without team.manage one sees none.';

CREATE FUNCTION invite_by_link(tenant_id uuid, role text, uses integer DEFAULT 1, expires_at timestamptz DEFAULT NULL)
	RETURNS new_link
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT l.link_id, l.token, l.expires_at INTO answer
		FROM teamrbac.invite_by_link(tenant_id, invite_by_link.role, uses, invite_by_link.expires_at) AS l;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION invite_by_link(uuid, text, integer, timestamptz) IS 'Makes a link by which so many may join.

Returns it with its token, for accept_invitation. Needs team.manage, and every permission of the role. Refusals: 401 nobody signed in; 403 not allowed, or owner; 400 no such role, not between 1 and 10000 uses, or a time in the past; 409 too many links.';

CREATE FUNCTION revoke_invitation_link(link_id uuid) RETURNS invitation_link
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.revoke_invitation_link(link_id);
	SELECT l.tenant_id, l.link_id, l.role, l.state, l.uses, l.used, l.made_by, l.maker, l.made_at, l.expires_at INTO answer
		FROM teamrbac.invitation_link_overview AS l WHERE l.link_id = revoke_invitation_link.link_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION revoke_invitation_link(uuid) IS 'Ends an invitation link.

Returns it. Needs team.manage, and every permission of its role. Refusals: 401 nobody signed in; 403 not allowed, or no such link; 409 revoked already.';

CREATE FUNCTION tenant_domains(tenant_id uuid) RETURNS SETOF tenant_domain
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT d.tenant_id, d.domain, d.role, d.automatic, d.allowed_by, d.allower, d.allowed_at
		FROM teamrbac.tenant_domain_overview AS d WHERE d.tenant_id = tenant_domains.tenant_id
$$;
COMMENT ON FUNCTION tenant_domains(uuid) IS 'Lists the domains of e-mail addresses that a tenant lets in.

Without team.manage one sees none.';

CREATE FUNCTION disallow_domain(tenant_id uuid, domain text) RETURNS tenant_domain
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT d.tenant_id, d.domain, d.role, d.automatic, d.allowed_by, d.allower, d.allowed_at INTO answer
		FROM teamrbac.tenant_domain_overview AS d
		WHERE d.tenant_id = disallow_domain.tenant_id AND d.domain = lower(disallow_domain.domain);
	CALL teamrbac.disallow_domain(tenant_id, domain);
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION disallow_domain(uuid, text) IS 'Lets a domain in no longer.

Returns it as it was; whoever has joined stays. Needs team.manage, and every permission of its role. Refusals: 401 nobody signed in; 403 not allowed; 404 not allowed before; 400 malformed.';

CREATE FUNCTION joinable_tenants() RETURNS SETOF joinable_tenant
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT j.tenant_id, j.tenant_name, j.role, j.automatic, j.requested_at FROM teamrbac.joinable_tenants() AS j
$$;
COMMENT ON FUNCTION joinable_tenants() IS 'Lists the tenants that whoever is signed in may join by their e-mail address.

By join_tenant if automatic, else by request_to_join; nobody has none.';

CREATE FUNCTION join_tenant(tenant_id uuid) RETURNS tenant
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	PERFORM teamrbac.join_tenant(tenant_id);
	SELECT t.tenant_id, t.name, t.slug, t.role INTO answer
		FROM teamrbac.my_tenants() AS t WHERE t.tenant_id = join_tenant.tenant_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION join_tenant(uuid) IS 'Joins a tenant by one''s e-mail address.

Returns the tenant. Refusals: 401 nobody signed in; 403 no such tenant, not for this address, only on request, or a member before; 409 a member already, whoever let the domain in may no longer, or no room for more.';

CREATE FUNCTION request_to_join(tenant_id uuid) RETURNS joinable_tenant
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.request_to_join(tenant_id);
	SELECT j.tenant_id, j.tenant_name, j.role, j.automatic, j.requested_at INTO answer
		FROM teamrbac.joinable_tenants() AS j WHERE j.tenant_id = request_to_join.tenant_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION request_to_join(uuid) IS 'Asks to join a tenant.

Returns the tenant; repeated, it changes nothing. Refusals: 401 nobody signed in; 403 no such tenant, not for this address, or a member before; 409 a member already, or refused before.';

CREATE FUNCTION withdraw_join_request(tenant_id uuid) RETURNS joinable_tenant
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.withdraw_join_request(tenant_id);
	SELECT j.tenant_id, j.tenant_name, j.role, j.automatic, j.requested_at INTO answer
		FROM teamrbac.joinable_tenants() AS j WHERE j.tenant_id = withdraw_join_request.tenant_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION withdraw_join_request(uuid) IS 'Asks to join no longer.

Returns the tenant, or nulls if one could not ask again. Refusals: 401 nobody signed in; 403 no such request.';

CREATE FUNCTION join_requests(tenant_id uuid) RETURNS SETOF join_request
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.tenant_id, r.user_id, r.display_name, r.email, r.role, r.state, r.changed_at
		FROM teamrbac.join_request_overview AS r WHERE r.tenant_id = join_requests.tenant_id
$$;
COMMENT ON FUNCTION join_requests(uuid) IS 'Lists who asks to join a tenant, and who was refused.

Without team.manage one sees none.';

CREATE FUNCTION approve_join_request(tenant_id uuid, user_id uuid, role text DEFAULT NULL)
	RETURNS member
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.approve_join_request(tenant_id, user_id, role);
	SELECT m.tenant_id, m.user_id, m.display_name, m.email, m.role, m.joined_at, m.expires_at, m.metadata INTO answer
		FROM teamrbac.team AS m
		WHERE m.tenant_id = approve_join_request.tenant_id AND m.user_id = approve_join_request.user_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION approve_join_request(uuid, uuid, text) IS 'Lets somebody in who asks to join.

Returns the member, with the role of their domain unless another is given. Needs team.manage, and every permission of the role. Refusals: 401 nobody signed in; 403 not allowed, or owner; 404 they do not ask; 400 no such role; 409 a member already, disabled, or no room for more.';

CREATE FUNCTION refuse_join_request(tenant_id uuid, user_id uuid) RETURNS join_request
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.refuse_join_request(tenant_id, user_id);
	SELECT r.tenant_id, r.user_id, r.display_name, r.email, r.role, r.state, r.changed_at INTO answer
		FROM teamrbac.join_request_overview AS r
		WHERE r.tenant_id = refuse_join_request.tenant_id AND r.user_id = refuse_join_request.user_id;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION refuse_join_request(uuid, uuid) IS 'Refuses somebody who asks to join.

Returns the request; they cannot ask again. Needs team.manage. Refusals: 401 nobody signed in; 403 not allowed; 404 they do not ask.';
