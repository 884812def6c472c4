-- What the team page shows: members, invitations and the audit by pages, which buttons to offer, and how many there are.
-- Each function asks first who may read this, then reads the tables as their owner.  A page is read in the order of an
-- index, from where the last one ended, whatever the planner has not yet been told of the tables.

CREATE FUNCTION teamrbac.require_reader(tenant_id uuid, permission text) RETURNS void
	LANGUAGE c STABLE SET search_path = pg_catalog, teamrbac, pg_temp AS 'MODULE_PATHNAME', 'teamrbac_require_reader';
COMMENT ON FUNCTION teamrbac.require_reader(uuid, text) IS
	'Internal to the pages: raises 42501 unless whoever is asking has the permission in the tenant, or for NULL is a live member, as no API key is; 28000 if nobody is, 22023 tenant_id null.';
CREATE FUNCTION teamrbac.may_give_role(tenant_id uuid, role text) RETURNS boolean
	LANGUAGE c STABLE SET search_path = pg_catalog, teamrbac, pg_temp AS 'MODULE_PATHNAME', 'teamrbac_may_give_role';
COMMENT ON FUNCTION teamrbac.may_give_role(uuid, text) IS
	'Internal to the pages: whether whoever is asking may give, change or take away the role in the tenant, by the rule of the commands.';

CREATE FUNCTION teamrbac.require_page_size(page_size integer) RETURNS void
	LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF page_size IS NULL OR page_size NOT BETWEEN 1 AND 1000 THEN
		RAISE EXCEPTION 'page_size must be within 1 and 1000'
			USING ERRCODE = '22023', CONSTRAINT = 'page_size_out_of_range';
	END IF;
END
$$;
COMMENT ON FUNCTION teamrbac.require_page_size(integer) IS 'Internal to the pages: raises 22023 unless 1 to 1000.';

CREATE FUNCTION teamrbac.page_cursor(after_place text, OUT id uuid, OUT term text)
	LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF after_place !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:' OR octet_length(after_place) > 2000 THEN
		RAISE EXCEPTION 'after_place is not the place of a row' USING ERRCODE = '22023', CONSTRAINT = 'place_malformed',
			HINT = 'Pass the column place of the last row of the page before, as it is.';
	END IF;
	id := left(after_place, 36)::uuid;
	term := substr(after_place, 38);
END
$$;
COMMENT ON FUNCTION teamrbac.page_cursor(text, OUT uuid, OUT text) IS
	'Internal to the pages: what stands in column place; 22023 if it is not from there.';

-- The roles that exist in a tenant; NULL: in any.
CREATE FUNCTION teamrbac.roles_of_tenant(tenant_id uuid, OUT role text, OUT description text, OUT built_in boolean,
	OUT permissions text[])
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT * FROM (
		SELECT r.role::text, r.description, r.built_in,
			   ARRAY(SELECT p.permission::text FROM teamrbac.role_permission AS rp
					 JOIN teamrbac.permission AS p ON p.permission = rp.permission
					 WHERE rp.role = r.role ORDER BY p.position, p.permission)
		FROM teamrbac.role AS r
		ORDER BY r.position, r.role) AS global
	UNION ALL
	SELECT * FROM (
		SELECT r.role::text, r.description, false,
			   ARRAY(SELECT p.permission::text FROM teamrbac.tenant_role_permission AS rp
					 JOIN teamrbac.permission AS p ON p.permission = rp.permission
					 WHERE rp.tenant_id = r.tenant_id AND rp.role = r.role ORDER BY p.position, p.permission)
		FROM teamrbac.tenant_role AS r
		WHERE r.tenant_id = roles_of_tenant.tenant_id
		ORDER BY r.role) AS own;
$$;
COMMENT ON FUNCTION teamrbac.roles_of_tenant(uuid, OUT text, OUT text, OUT boolean, OUT text[]) IS
	'Internal to list_roles and assignable_roles: the roles that exist in the tenant, in the order of the reference page.';

CREATE FUNCTION teamrbac.list_roles(OUT role text, OUT description text, OUT built_in boolean, OUT permissions text[])
	RETURNS SETOF record
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp ROWS 10
AS $$
	SELECT r.role, r.description, r.built_in, r.permissions
		FROM teamrbac.roles_of_tenant(teamrbac.current_tenant_id()) AS r;
$$;
COMMENT ON FUNCTION teamrbac.list_roles() IS
	'The roles that exist where whoever is asking acts, what they are for and what they may, in the order of the reference page. For everybody. Takes no lock.';

CREATE FUNCTION teamrbac.assignable_roles(tenant_id uuid, OUT role text, OUT description text, OUT permissions text[])
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp ROWS 5
AS $$
#variable_conflict use_column
BEGIN
	PERFORM teamrbac.require_reader(assignable_roles.tenant_id, 'team.manage');
	RETURN QUERY SELECT r.role, r.description, r.permissions
		FROM teamrbac.roles_of_tenant(assignable_roles.tenant_id) AS r
		WHERE teamrbac.may_give_role(assignable_roles.tenant_id, r.role);
END
$$;
COMMENT ON FUNCTION teamrbac.assignable_roles(uuid, OUT text, OUT text, OUT text[]) IS
	'The roles that whoever is asking may give in the tenant, by invite_member and change_role, in the order of the reference page. Needs team.manage. Errors: 42501 not allowed, 28000 nobody signed in, 22023 tenant_id null. Takes no lock.';

CREATE FUNCTION teamrbac.member_actions(tenant_id uuid, OUT user_id uuid, OUT may_change_role boolean,
	OUT may_remove boolean)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp ROWS 100
AS $$
#variable_conflict use_column
BEGIN
	PERFORM teamrbac.require_reader(member_actions.tenant_id, NULL);
	RETURN QUERY
		WITH r AS MATERIALIZED (
			SELECT g.role, teamrbac.may_give_role(member_actions.tenant_id, g.role::text) AS ours
			FROM (SELECT DISTINCT m.role FROM teamrbac.membership AS m
				WHERE m.tenant_id = member_actions.tenant_id) AS g)
		SELECT m.user_id, r.ours, r.ours
		FROM teamrbac.membership AS m JOIN r ON r.role = m.role
		WHERE m.tenant_id = member_actions.tenant_id AND (m.expires_at IS NULL OR m.expires_at > clock_timestamp());
END
$$;
COMMENT ON FUNCTION teamrbac.member_actions(uuid, OUT uuid, OUT boolean, OUT boolean) IS
	'For each member what whoever is asking may do: change_role (as far as the new role is one of assignable_roles), remove_member. For every member of the tenant; all false without team.manage. Of a large team, members_page says it page by page. Errors: 42501 not a member, or an API key; 28000 nobody signed in; 22023 tenant_id null. Takes no lock.';

CREATE FUNCTION teamrbac.members_page(tenant_id uuid, after_place text DEFAULT NULL, page_size integer DEFAULT 50,
	search text DEFAULT NULL,
		OUT user_id uuid, OUT display_name text, OUT email text, OUT role text, OUT joined_at timestamptz,
			OUT expires_at timestamptz,
		OUT may_change_role boolean, OUT may_remove boolean, OUT place text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
		SET jit = off
	ROWS 50
AS $$
#variable_conflict use_column
DECLARE
	team CONSTANT uuid := members_page.tenant_id;
	beginning text := regexp_replace(ltrim(lower(COALESCE(search, ''))), '\s+', ' ', 'g');
	from_term text;
	from_user uuid;
	shown_before CONSTANT boolean := after_place IS NOT NULL;
	manages boolean;
BEGIN
	PERFORM teamrbac.require_reader(team, NULL), teamrbac.require_page_size(page_size);
	manages := teamrbac.has_permission(team, 'team.manage');
	IF shown_before THEN
		SELECT c.id, c.term INTO from_user, from_term FROM teamrbac.page_cursor(after_place) AS c;
	END IF;
	IF from_term IS NULL OR from_term COLLATE "C" < beginning COLLATE "C" THEN
		from_user := '00000000-0000-0000-0000-000000000000';
		from_term := beginning;
	END IF;
	RETURN QUERY
		WITH page AS MATERIALIZED (
			SELECT found.term, m.user_id, u.display_name, u.email, m.role, m.joined_at, m.expires_at
			FROM (SELECT t.term, t.user_id
				  FROM (SELECT 'n'::"char" AS kind, 0 AS shared
						UNION ALL
						SELECT k.kind, s.shared
						FROM (SELECT 'w'::"char" AS kind UNION ALL SELECT 'a'::"char" WHERE manages) AS k
						-- No two terms of 255 characters are alike: an address is shorter.
						CROSS JOIN generate_series(0, LEAST(char_length(beginning), 255) - 1) AS s(shared)) AS g
				  CROSS JOIN LATERAL (
						SELECT t.term, t.user_id
						FROM teamrbac.member_term AS t
						JOIN teamrbac.membership AS m ON m.tenant_id = t.tenant_id AND m.user_id = t.user_id
						WHERE t.tenant_id = team AND t.kind = g.kind AND t.shared = g.shared
						  AND (t.term, t.user_id) >= (from_term, from_user)
							AND t.term < teamrbac.prefix_end(beginning)
						  AND NOT (shown_before AND t.term = from_term AND t.user_id = from_user)
						  AND (m.expires_at IS NULL OR m.expires_at > clock_timestamp())
						ORDER BY t.term, t.user_id LIMIT page_size) AS t
				  ORDER BY t.term, t.user_id LIMIT page_size) AS found
			JOIN teamrbac.membership AS m ON m.tenant_id = team AND m.user_id = found.user_id
			JOIN teamrbac.app_user AS u ON u.user_id = m.user_id
		), r AS MATERIALIZED (
			SELECT g.role, teamrbac.may_give_role(team, g.role::text) AS ours FROM (SELECT DISTINCT p.role
				FROM page AS p) AS g
		)
		SELECT p.user_id, p.display_name, CASE WHEN manages OR p.user_id = teamrbac.current_user_id() THEN
			p.email::text END,
			   p.role::text, p.joined_at, p.expires_at, r.ours, r.ours, p.user_id::text || ':' || p.term
		FROM page AS p JOIN r ON r.role = p.role
		ORDER BY p.term, p.user_id;
END
$$;
COMMENT ON FUNCTION teamrbac.members_page(uuid, text, integer, text, OUT uuid, OUT text, OUT text, OUT text,
	OUT timestamptz, OUT timestamptz, OUT boolean, OUT boolean, OUT text) IS
	'The next page_size members in order of what they are found by, whose cost is that of the page, however large the team. after_place is the column place of the last row shown, NULL for the first page; whoever joins or leaves meanwhile moves nobody else. Without search, in order of the lower-cased name. With search, those of whom the name from one of its first four words on, or with team.manage the e-mail address, begins with it, upper or lower case, each once. E-mail addresses, one''s own apart, need team.manage. may_change_role and may_remove as in member_actions. For every member of the tenant. Errors: 42501 not a member, or an API key; 28000 nobody signed in; 22023 tenant_id null, page_size not within 1 and 1000, after not a place. Takes no lock.';

CREATE FUNCTION teamrbac.invitations_page(tenant_id uuid, after_place text DEFAULT NULL, page_size integer DEFAULT 50,
	search text DEFAULT NULL,
		OUT invitation_id uuid, OUT email text, OUT role text, OUT invited_by text, OUT inviter_id uuid,
			OUT invited_at timestamptz,
		OUT expires_at timestamptz, OUT sent_at timestamptz, OUT mail_state text, OUT mail_error text,
			OUT may_cancel boolean, OUT place text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
		SET jit = off
	ROWS 50
AS $$
#variable_conflict use_column
DECLARE
	team CONSTANT uuid := invitations_page.tenant_id;
	beginning text := teamrbac.address_key(COALESCE(search, ''));
	from_term text;
	from_id uuid;
	shown_before CONSTANT boolean := after_place IS NOT NULL;
BEGIN
	PERFORM teamrbac.require_reader(team, 'team.manage'), teamrbac.require_page_size(page_size);
	IF shown_before THEN
		SELECT c.id, c.term INTO from_id, from_term FROM teamrbac.page_cursor(after_place) AS c;
	END IF;
	IF from_term IS NULL OR from_term COLLATE "C" < beginning COLLATE "C" THEN
		from_id := '00000000-0000-0000-0000-000000000000';
		from_term := beginning;
	END IF;
	RETURN QUERY
		WITH page AS MATERIALIZED (
			SELECT i.*, teamrbac.address_key(i.email) COLLATE "C" AS term
			FROM teamrbac.invitation_detail AS i
			WHERE i.tenant_id = team
			  AND (teamrbac.address_key(i.email) COLLATE "C", i.invitation_id) >= (from_term, from_id)
			  AND teamrbac.address_key(i.email) COLLATE "C" < teamrbac.prefix_end(beginning)
			  AND NOT (shown_before AND teamrbac.address_key(i.email) COLLATE "C" = from_term
				AND i.invitation_id = from_id)
			ORDER BY teamrbac.address_key(i.email) COLLATE "C", i.invitation_id LIMIT page_size
		), r AS MATERIALIZED (
			SELECT g.role, teamrbac.may_give_role(team, g.role) AS ours FROM (SELECT DISTINCT p.role
				FROM page AS p) AS g
		)
		SELECT p.invitation_id, p.email, p.role, p.invited_by, p.inviter_id, p.invited_at, p.expires_at, p.sent_at,
			p.mail_state,
			   p.mail_error, r.ours, p.invitation_id::text || ':' || p.term
		FROM page AS p JOIN r ON r.role = p.role
		ORDER BY p.term, p.invitation_id;
END
$$;
COMMENT ON FUNCTION teamrbac.invitations_page(uuid, text, integer, text, OUT uuid, OUT text, OUT text, OUT text,
	OUT uuid, OUT timestamptz, OUT timestamptz, OUT timestamptz, OUT text, OUT text, OUT boolean, OUT text) IS
	'The next page_size pending invitations in order of the lower-cased address, whose cost is that of the page. after_place is the column place of the last row shown, NULL for the first page; search is what the address begins with, upper or lower case. Columns as in view pending_invitation; may_cancel: whether cancel_invitation and resend_invitation would be allowed. Needs team.manage. Errors: 42501 not allowed; 28000 nobody signed in; 22023 tenant_id null, page_size not within 1 and 1000, after not a place. Takes no lock.';

CREATE FUNCTION teamrbac.audit_page(tenant_id uuid, before_sequence bigint DEFAULT NULL, page_size integer DEFAULT 50,
		of_action text DEFAULT NULL, of_actor uuid DEFAULT NULL, of_subject text DEFAULT NULL,
		OUT sequence bigint, OUT occurred_at timestamptz, OUT action text, OUT actor_kind text, OUT actor_id uuid,
			OUT actor_name text,
		OUT session_role text, OUT application_name text, OUT subject text, OUT subject_name text, OUT before jsonb,
			OUT after jsonb)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
	ROWS 50
AS $$
#variable_conflict use_column
DECLARE
	team CONSTANT uuid := audit_page.tenant_id;
	until CONSTANT bigint := COALESCE(before_sequence, 9223372036854775807);
BEGIN
	PERFORM teamrbac.require_reader(team, 'audit.view'), teamrbac.require_page_size(page_size);
	IF num_nonnulls(of_action, of_actor, of_subject) > 1 THEN
		RAISE EXCEPTION 'only one of of_action, of_actor and of_subject may be given'
			USING ERRCODE = '22023', CONSTRAINT = 'too_many_filters';
	END IF;
	RETURN QUERY
		-- One of these has rows.
		WITH e AS MATERIALIZED (
			(SELECT a.* FROM teamrbac.audit_event AS a
			 WHERE num_nonnulls(of_action, of_actor, of_subject) = 0 AND a.tenant_id = team AND a.scope = 'tenant'
				AND a.sequence < until
			 ORDER BY a.sequence DESC LIMIT page_size)
			UNION ALL
			(SELECT a.* FROM teamrbac.audit_event AS a
			 WHERE a.tenant_id = team AND a.scope = 'tenant' AND a.action = of_action AND a.sequence < until
			 ORDER BY a.sequence DESC LIMIT page_size)
			UNION ALL
			(SELECT a.* FROM teamrbac.audit_event AS a
			 WHERE a.tenant_id = team AND a.scope = 'tenant' AND a.actor_id = of_actor AND a.sequence < until
			 ORDER BY a.sequence DESC LIMIT page_size)
			UNION ALL
			(SELECT a.* FROM teamrbac.audit_event AS a
			 WHERE a.tenant_id = team AND a.scope = 'tenant' AND a.subject = of_subject AND a.sequence < until
			 ORDER BY a.sequence DESC LIMIT page_size)
		), named AS (
			SELECT e.*,
		   CASE e.actor_kind WHEN 'database_role' THEN e.session_role
				ELSE (SELECT n.name FROM teamrbac.audit_name AS n
					  WHERE n.kind = e.actor_kind AND n.id = e.actor_id
						AND (n.tenant_id IS NULL OR n.tenant_id = e.tenant_id))
				END AS actor_name,
		   (SELECT n.name FROM teamrbac.audit_name AS n
			WHERE n.kind = split_part(e.subject, ':', 1)
			  AND n.id = CASE WHEN e.subject ~ '^[a-z_]+:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
							  THEN split_part(e.subject, ':', 2)::uuid END
			  AND (n.tenant_id IS NULL OR n.tenant_id = e.tenant_id)) AS subject_name
			FROM e
		)
		SELECT n.sequence, n.occurred_at, n.action, n.actor_kind, n.actor_id, n.actor_name, n.session_role,
			n.application_name,
			   n.subject, n.subject_name, n.before, n.after
		FROM named AS n ORDER BY n.sequence DESC;
END
$$;
COMMENT ON FUNCTION teamrbac.audit_page(uuid, bigint, integer, text, uuid, text, OUT bigint, OUT timestamptz,
	OUT text, OUT text, OUT uuid, OUT text, OUT text, OUT text, OUT text, OUT text, OUT jsonb, OUT jsonb) IS
	'The tenant''s page_size last events before before_sequence (NULL: the last of all), newest first, whose cost is that of the page: the next page begins before the sequence of the last row shown. Of one action, one actor (a user or a key) or one subject (member:<user_id>, ...), if given; not of several at once, which would cost more than the page. Columns as in view audit_trail. Needs audit.view. Errors: 42501 not allowed; 28000 nobody signed in; 22023 tenant_id null, page_size not within 1 and 1000, more than one filter. Takes no lock.';

CREATE FUNCTION teamrbac.team_counts(tenant_id uuid, at_most integer DEFAULT 1000,
		OUT members bigint, OUT pending_invitations bigint, OUT api_keys bigint, OUT events bigint)
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	team CONSTANT uuid := team_counts.tenant_id;
	manages_keys boolean;
BEGIN
	PERFORM teamrbac.require_reader(team, NULL);
	IF at_most IS NULL OR at_most < 1 THEN
		RAISE EXCEPTION 'at_most must be positive' USING ERRCODE = '22023', CONSTRAINT = 'limit_out_of_range';
	END IF;
	members := (SELECT count(*) FROM (SELECT FROM teamrbac.membership AS m WHERE m.tenant_id = team
		AND (m.expires_at IS NULL OR m.expires_at > clock_timestamp()) LIMIT at_most) AS counted);
	IF teamrbac.has_permission(team, 'team.manage') THEN
		pending_invitations := (SELECT count(*) FROM (SELECT FROM teamrbac.invitation AS i WHERE i.tenant_id = team
			AND i.state = 'pending' AND i.expires_at > clock_timestamp() LIMIT at_most) AS counted);
	END IF;
	manages_keys := teamrbac.has_permission(team, 'api_keys.manage');
	api_keys := (SELECT count(*) FROM (SELECT FROM teamrbac.api_key AS k WHERE k.tenant_id = team
		AND k.revoked_at IS NULL
		AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
		AND (manages_keys OR k.created_by = teamrbac.current_user_id()) LIMIT at_most) AS counted);
	IF teamrbac.has_permission(team, 'audit.view') THEN
		events := COALESCE((SELECT h.sequence - h.anchor_sequence FROM teamrbac.audit_head AS h
			WHERE h.tenant_id = team AND h.scope = 'tenant'), 0);
	END IF;
END
$$;
COMMENT ON FUNCTION teamrbac.team_counts(uuid, integer, OUT bigint, OUT bigint, OUT bigint, OUT bigint) IS
	'How many there are, for badges: live members; pending invitations (NULL without team.manage); API keys that work (without api_keys.manage those that one made); events (NULL without audit.view). None is counted further than at_most, events apart: a count of at_most means at least as many. For every member of the tenant. Errors: 42501 not a member, or an API key; 28000 nobody signed in; 22023 tenant_id null, at_most not positive. Takes no lock.';

REVOKE ALL ON FUNCTION teamrbac.require_reader(uuid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.may_give_role(uuid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.require_page_size(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.page_cursor(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.roles_of_tenant(uuid) FROM PUBLIC;
