-- Visits of the platform's staff in a customer's tenant.

CREATE FUNCTION teamrbac.staff_visits_of(tenant_id uuid, user_id uuid, OUT visitor uuid, OUT reason text,
	OUT allow_changes boolean, OUT entered_at timestamptz, OUT ends_at timestamptz, OUT noted_by xid)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT e.actor_id, e.after ->> 'reason', e.after ->> 'access' = 'change', e.occurred_at,
		   CASE WHEN e.action = 'staff.entered' THEN (e.after ->> 'ends_at')::timestamptz END, e.xmin
	FROM teamrbac.audit_event AS e
	WHERE e.tenant_id = staff_visits_of.tenant_id AND e.scope = 'tenant' AND e.action = 'staff.entered'
	  AND e.actor_kind = 'user' AND (staff_visits_of.user_id IS NULL OR e.actor_id = staff_visits_of.user_id)
	ORDER BY e.sequence DESC;
$$;
COMMENT ON FUNCTION teamrbac.staff_visits_of(uuid, uuid, OUT uuid, OUT text, OUT boolean, OUT timestamptz,
	OUT timestamptz, OUT xid) IS
	'Internal to staff_visits and sign_in_as_staff: the visits in a tenant, of one user or (NULL) all, newest first, and the transaction that noted each.';
REVOKE ALL ON FUNCTION teamrbac.staff_visits_of(uuid, uuid) FROM PUBLIC;

CREATE FUNCTION teamrbac.sign_in_as_staff(user_id uuid, tenant_id uuid, reason text,
	allow_changes boolean DEFAULT false, duration interval DEFAULT '1 hour', local boolean DEFAULT true)
	RETURNS timestamptz
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_sign_in_as_staff';
COMMENT ON FUNCTION teamrbac.sign_in_as_staff(uuid, uuid, text, boolean, interval, boolean) IS
	'The transaction (local, the default) or the session acts as this user of the platform''s staff in a tenant of which they are no member. The first call for a reason notes the visit in the tenant''s audit (staff.entered, in the user''s own name), signs nobody in for the rest of the transaction and returns NULL; once that is committed, the same call signs in and returns when the visit ends: after duration, at most teamrbac.max_staff_visit. So nothing is seen of which a ROLLBACK leaves no trace. They may what role reader may, with allow_changes what role admin may, and are a stranger elsewhere. What is the Owner''s, whatever is done in one''s own name (invitations, links, requests to join and their approval, API keys, new tenants, ...) and a membership or role of their own are refused with 42501. It ends with its time, the user (disable_user) or the tenant. Errors: 28000 unknown or disabled user; 42501 a member, past or present, of whom a row is left, or local => false while teamrbac.allow_session_identity is off; P0002 no such tenant; 22023 a null id, reason not printable or empty, duration not positive or too long; 25006 a visit to be noted in a read-only transaction. Trusted: grant EXECUTE only to the login role of the staff''s own application. The first call locks the tenant''s row, later ones wait for no lock.';
REVOKE ALL ON FUNCTION teamrbac.sign_in_as_staff(uuid, uuid, text, boolean, interval, boolean) FROM PUBLIC;

CREATE FUNCTION teamrbac.staff_visits(tenant_id uuid, OUT user_id uuid, OUT display_name text, OUT reason text,
	OUT allow_changes boolean, OUT entered_at timestamptz, OUT ends_at timestamptz, OUT present boolean)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM teamrbac.require_reader(staff_visits.tenant_id, 'team.manage');
	RETURN QUERY SELECT v.visitor, u.display_name, v.reason, v.allow_changes, v.entered_at, v.ends_at,
			v.ends_at > clock_timestamp() AND u.disabled_at IS NULL
		FROM teamrbac.staff_visits_of(staff_visits.tenant_id, NULL) AS v
		LEFT JOIN teamrbac.app_user AS u ON u.user_id = v.visitor
		ORDER BY v.entered_at DESC;
END
$$;
COMMENT ON FUNCTION teamrbac.staff_visits(uuid, OUT uuid, OUT text, OUT text, OUT boolean, OUT timestamptz, OUT timestamptz, OUT boolean) IS
	'The visits of the platform''s staff in the tenant, by sign_in_as_staff, newest first, as long as the audit is kept: who (display_name NULL: deleted), why, whether they could change things, from when to when, and whether they still may come. Needs team.manage. Errors: 42501 not allowed, 28000 nobody signed in, 22023 tenant_id null. Takes no lock.';
