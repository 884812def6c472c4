-- Reviews of a team, item by item: who is to keep what they have, and what becomes of the rest.

CREATE FUNCTION teamrbac.holders_of_role(for_tenant uuid, role_name text, OUT holders text, OUT last_active date)
	RETURNS SETOF record
	LANGUAGE sql STABLE ROWS 1 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	WITH holder AS (
		SELECT 'member' AS kind, (SELECT a.last_active_on FROM teamrbac.user_activity AS a WHERE a.user_id = m.user_id) AS last_active
		FROM teamrbac.membership AS m
		WHERE m.tenant_id = for_tenant AND m.tenant_role = role_name AND (m.expires_at IS NULL OR m.expires_at > clock_timestamp())
		UNION ALL
		SELECT 'api_key', (SELECT (used.last_used_at AT TIME ZONE 'UTC')::date FROM teamrbac.api_key_use AS used WHERE used.tenant_id = k.tenant_id AND used.key_id = k.key_id)
		FROM teamrbac.api_key AS k
		WHERE k.tenant_id = for_tenant AND k.tenant_role_in_use = role_name AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
		UNION ALL
		SELECT 'invitation', NULL
		FROM teamrbac.invitation AS i
		WHERE i.tenant_id = for_tenant AND i.pending_tenant_role = role_name AND i.expires_at > clock_timestamp()
	)
	SELECT format('members: %s, API keys: %s, invitations: %s', count(*) FILTER (WHERE h.kind = 'member'),
				  count(*) FILTER (WHERE h.kind = 'api_key'), count(*) FILTER (WHERE h.kind = 'invitation')),
		   max(h.last_active)
	FROM holder AS h;
$$;
COMMENT ON FUNCTION teamrbac.holders_of_role(uuid, text, OUT text, OUT date) IS
	'Internal to the reviews: how many members, API keys and pending invitations have a role of a tenant''s own, and the latest day on which one of them was active.';
REVOKE ALL ON FUNCTION teamrbac.holders_of_role(uuid, text) FROM PUBLIC;

CREATE FUNCTION teamrbac.review_subject(for_tenant uuid, kind text, subject_id uuid, role_name text, OUT role text, OUT expires_at timestamptz, OUT last_active date, OUT permissions text[], OUT holders text)
	RETURNS SETOF record
	LANGUAGE sql STABLE ROWS 1 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	SELECT m.role::text, m.expires_at, (SELECT a.last_active_on FROM teamrbac.user_activity AS a WHERE a.user_id = m.user_id),
		   ARRAY(SELECT p.permission FROM teamrbac.permissions_of_role(m.tenant_id, m.role, m.own_role) AS p(permission) ORDER BY p.permission COLLATE "C"),
		   NULL::text
	FROM teamrbac.membership AS m
	WHERE review_subject.kind = 'member' AND m.tenant_id = for_tenant AND m.user_id = review_subject.subject_id
	  AND (m.expires_at IS NULL OR m.expires_at > clock_timestamp())
	UNION ALL
	SELECT k.role::text, k.expires_at, (SELECT (used.last_used_at AT TIME ZONE 'UTC')::date FROM teamrbac.api_key_use AS used WHERE used.tenant_id = k.tenant_id AND used.key_id = k.key_id),
		   ARRAY(SELECT p.permission FROM teamrbac.permissions_of_role(k.tenant_id, k.role, k.own_role) AS p(permission)
				 JOIN teamrbac.permission AS d ON d.permission = p.permission AND d.grantable_to_keys
				 WHERE k.permissions IS NULL OR p.permission = ANY (k.permissions) ORDER BY p.permission COLLATE "C"),
		   NULL
	FROM teamrbac.api_key AS k
	WHERE review_subject.kind = 'api_key' AND k.tenant_id = for_tenant AND k.key_id = review_subject.subject_id
	  AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
	UNION ALL
	SELECT i.role::text, i.expires_at, NULL,
		   ARRAY(SELECT p.permission FROM teamrbac.permissions_of_role(i.tenant_id, i.role, i.own_role) AS p(permission) ORDER BY p.permission COLLATE "C"),
		   NULL
	FROM teamrbac.invitation AS i
	WHERE review_subject.kind = 'invitation' AND i.tenant_id = for_tenant AND i.invitation_id = review_subject.subject_id
	  AND i.state = 'pending' AND i.expires_at > clock_timestamp()
	UNION ALL
	SELECT r.role::text, NULL, h.last_active,
		   ARRAY(SELECT p.permission FROM teamrbac.permissions_of_role(r.tenant_id, r.role, true) AS p(permission) ORDER BY p.permission COLLATE "C"),
		   h.holders
	FROM teamrbac.tenant_role AS r CROSS JOIN LATERAL teamrbac.holders_of_role(r.tenant_id, r.role) AS h
	WHERE review_subject.kind = 'role' AND r.tenant_id = for_tenant AND r.role = role_name;
$$;
COMMENT ON FUNCTION teamrbac.review_subject(uuid, text, uuid, text, OUT text, OUT timestamptz, OUT date, OUT text[], OUT text) IS
	'Internal to the reviews: what an item is at present, and for a role of the tenant''s own, which role_name names, how many have it; no row: it has no access any more, or there is no such role.';
REVOKE ALL ON FUNCTION teamrbac.review_subject(uuid, text, uuid, text) FROM PUBLIC;

CREATE FUNCTION teamrbac.items_to_review(for_tenant uuid, OUT item integer, OUT kind text, OUT subject_id uuid, OUT name text, OUT role text, OUT expires_at timestamptz, OUT permissions text[])
	RETURNS SETOF record
	LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	WITH candidate AS (
		SELECT 1 AS place, 'member' AS kind, m.user_id AS subject_id, u.display_name AS name
		FROM teamrbac.membership AS m JOIN teamrbac.app_user AS u ON u.user_id = m.user_id
		WHERE m.tenant_id = for_tenant
		UNION ALL
		SELECT 2, 'api_key', k.key_id, k.name FROM teamrbac.api_key AS k WHERE k.tenant_id = for_tenant AND k.revoked_at IS NULL
		UNION ALL
		SELECT 3, 'invitation', i.invitation_id, i.email::text FROM teamrbac.invitation AS i WHERE i.tenant_id = for_tenant AND i.state = 'pending'
		UNION ALL
		-- After those that have them: what is undecided goes in this order, and a role that nobody has any more can go.
		SELECT 4, 'role', NULL, r.role::text FROM teamrbac.tenant_role AS r WHERE r.tenant_id = for_tenant
	)
	SELECT row_number() OVER (ORDER BY c.place, c.name, c.subject_id), c.kind, c.subject_id, c.name, s.role, s.expires_at, s.permissions
	FROM candidate AS c CROSS JOIN LATERAL teamrbac.review_subject(for_tenant, c.kind, c.subject_id, c.name) AS s;
$$;
COMMENT ON FUNCTION teamrbac.items_to_review(uuid, OUT integer, OUT text, OUT uuid, OUT text, OUT text, OUT timestamptz, OUT text[]) IS
	'Internal to start_review: an item for each member, API key, pending invitation and role of the tenant''s own, as it is.';
REVOKE ALL ON FUNCTION teamrbac.items_to_review(uuid) FROM PUBLIC;

-- Not by the snapshot of a transaction that has seen the team before somebody else changed it.
CREATE FUNCTION teamrbac.review_subject_now(for_tenant uuid, kind text, subject_id uuid, role_name text, OUT role text, OUT accepted boolean, OUT expires_at timestamptz, OUT permissions text[])
	RETURNS SETOF record
	LANGUAGE c VOLATILE ROWS 1 SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_review_subject_now';
COMMENT ON FUNCTION teamrbac.review_subject_now(uuid, text, uuid, text, OUT text, OUT boolean, OUT timestamptz, OUT text[]) IS
	'Internal to decide and finish_review: what an item is at this moment, whatever the transaction''s isolation level; role NULL: it has no access any more, or there is no such role. accepted: it is an invitation that has been accepted. The caller has locked the tenant.';
REVOKE ALL ON FUNCTION teamrbac.review_subject_now(uuid, text, uuid, text) FROM PUBLIC;

CREATE FUNCTION teamrbac.refuse_changed_item(of teamrbac.review_item, role_now text, expires_now timestamptz, permissions_now text[], new_role text, new_expiry timestamptz) RETURNS void
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
DECLARE
	is_other boolean := new_role IS NULL AND role_now <> of.role;
	is_later boolean := new_expiry IS NULL AND COALESCE(expires_now, 'infinity') > COALESCE(of.expires_at, 'infinity');
	added text := (SELECT string_agg(p.permission, ', ' ORDER BY p.permission COLLATE "C") FROM unnest(permissions_now) AS p(permission)
				   WHERE new_role IS NULL AND NOT is_other AND p.permission <> ALL (of.permissions));
	-- By naming it; what cannot be named in a change cannot be confirmed.
	confirmed_end text := CASE WHEN is_later THEN CASE WHEN expires_now IS NULL THEN 'with new_expiry "infinity"' ELSE 'with that end as new_expiry' END END;
	named text := CASE WHEN of.kind = 'member' THEN concat_ws(' and ', CASE WHEN is_other THEN 'to that role' WHEN added IS NOT NULL THEN 'to its role' END, confirmed_end)
					   WHEN of.kind = 'api_key' AND added IS NULL THEN confirmed_end END;
BEGIN
	IF is_other OR is_later OR added IS NOT NULL THEN
		RAISE EXCEPTION 'item has changed since the review began' USING ERRCODE = '55000', CONSTRAINT = 'item_changed',
			DETAIL = concat_ws(' ',
				CASE WHEN is_other THEN format('It had role "%s", and has "%s" now.', of.role, role_now) END,
				CASE WHEN added IS NOT NULL THEN format('It may do more now: %s.', added) END,
				CASE WHEN is_later THEN format('It was to end %s, and now %s.', to_char(of.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
											   COALESCE('ends ' || to_char(expires_now AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), 'never ends')) END),
			HINT = CASE WHEN named IS NULL THEN 'Take back what was added, decide "remove", or leave it to another review.'
						ELSE format('To confirm what it is now, decide "change" %s.', named) END;
	END IF;
END
$$;
COMMENT ON FUNCTION teamrbac.refuse_changed_item(teamrbac.review_item, text, timestamptz, text[], text, timestamptz) IS
	'Internal to decide: an error (55000) where an item has another role, a later end or more permissions than when the review began, but for what the decision names itself, new_role or new_expiry. Takes no lock.';
REVOKE ALL ON FUNCTION teamrbac.refuse_changed_item(teamrbac.review_item, text, timestamptz, text[], text, timestamptz) FROM PUBLIC;

-- By the commands, under the rights of whoever is asking.
CREATE FUNCTION teamrbac.change_item(of teamrbac.review_item, present_role text, new_role text, new_expiry timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
BEGIN
	IF of.kind = 'api_key' THEN
		CALL teamrbac.set_api_key_expiry(of.subject_id, new_expiry);
	ELSE
		IF new_role <> present_role THEN
			CALL teamrbac.change_role(of.tenant_id, of.subject_id, new_role);
		END IF;
		IF new_expiry IS NOT NULL THEN
			CALL teamrbac.set_membership_expiry(of.tenant_id, of.subject_id, new_expiry);
		END IF;
	END IF;
	RETURN concat_ws(', ', 'changed to ' || new_role, CASE WHEN new_expiry = 'infinity' THEN 'never ends'
						   ELSE 'ends ' || to_char(new_expiry AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') END);
END
$$;
COMMENT ON FUNCTION teamrbac.change_item(teamrbac.review_item, text, text, timestamptz) IS
	'Internal to decide: gives a member another role or end, or a key another end, and says what that was. Errors: those of the commands.';
REVOKE ALL ON FUNCTION teamrbac.change_item(teamrbac.review_item, text, text, timestamptz) FROM PUBLIC;

CREATE FUNCTION teamrbac.remove_item(of teamrbac.review_item, present_role text) RETURNS text
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
BEGIN
	CASE of.kind
		WHEN 'member' THEN CALL teamrbac.remove_member(of.tenant_id, of.subject_id);
		WHEN 'api_key' THEN CALL teamrbac.revoke_api_key(of.subject_id, 'access review');
		WHEN 'invitation' THEN CALL teamrbac.cancel_invitation(of.subject_id);
		ELSE
			CALL teamrbac.drop_tenant_role(of.tenant_id, of.role);
			RETURN 'dropped';
	END CASE;
	RETURN format('removed, was %s', present_role);
END
$$;
COMMENT ON FUNCTION teamrbac.remove_item(teamrbac.review_item, text) IS
	'Internal to decide and finish_review: removes a member, revokes a key, cancels an invitation or drops a role, and says what that was. Errors: those of the commands.';
REVOKE ALL ON FUNCTION teamrbac.remove_item(teamrbac.review_item, text) FROM PUBLIC;

CREATE FUNCTION teamrbac.carry_out_decision(of teamrbac.review_item, decision text, new_role text, new_expiry timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
DECLARE
	present record;
BEGIN
	SELECT s.* INTO present FROM teamrbac.review_subject_now(of.tenant_id, of.kind, of.subject_id, of.role) AS s;
	IF present.role IS NULL THEN
		IF decision <> 'remove' THEN
			RAISE EXCEPTION '%', CASE WHEN present.accepted THEN 'the invitation has been accepted' WHEN of.kind = 'role' THEN 'the role has been dropped'
									  ELSE 'item has no access any more' END
				USING ERRCODE = '55000', CONSTRAINT = 'item_gone',
					HINT = CASE WHEN present.accepted THEN 'Decide "remove", which records that; whoever was invited is a member now, and no item of this review.'
								ELSE 'Decide "remove", which records that.' END;
		END IF;
		RETURN CASE WHEN present.accepted THEN 'had been accepted, by a member now' WHEN of.kind = 'role' THEN 'had been dropped' ELSE 'had no access any more' END;
	ELSIF decision = 'remove' THEN
		RETURN teamrbac.remove_item(of, present.role);
	ELSIF decision = 'keep' THEN
		PERFORM teamrbac.refuse_changed_item(of, present.role, present.expires_at, present.permissions, NULL, NULL);
		RETURN CASE WHEN of.kind <> 'role' THEN format('kept as %s', present.role)
					ELSE 'kept, with ' || COALESCE(NULLIF(array_to_string(present.permissions, ' '), ''), 'no permission') END;
	ELSIF of.kind = ANY (ARRAY['invitation', 'role']) OR of.kind = 'api_key' AND new_role IS NOT NULL THEN
		RAISE EXCEPTION '%', CASE of.kind WHEN 'invitation' THEN 'an invitation cannot be changed' WHEN 'role' THEN 'a role cannot be changed by a review'
										  ELSE 'the role of an API key cannot be changed' END
			USING ERRCODE = '22023', CONSTRAINT = 'item_unchangeable',
				HINT = CASE WHEN of.kind = 'role' THEN 'Redefine it by teamrbac.define_tenant_role; decide "keep" if it then may do no more than when the review began.'
							ELSE 'Decide "remove", and make another.' END;
	ELSIF new_role IS NULL AND new_expiry IS NULL THEN
		RAISE EXCEPTION 'a change needs a new_role or a new_expiry' USING ERRCODE = '22023', CONSTRAINT = 'change_missing';
	END IF;
	PERFORM teamrbac.refuse_changed_item(of, present.role, present.expires_at, present.permissions, new_role, new_expiry);
	RETURN teamrbac.change_item(of, present.role, new_role, new_expiry);
END
$$;
COMMENT ON FUNCTION teamrbac.carry_out_decision(teamrbac.review_item, text, text, timestamptz) IS
	'Internal to decide and finish_review: does what was decided, and says what that was. Errors: 55000 the item has changed, or has no access any more; 22023 it is not changed that way; those of the commands.';
REVOKE ALL ON FUNCTION teamrbac.carry_out_decision(teamrbac.review_item, text, text, timestamptz) FROM PUBLIC;

CREATE FUNCTION teamrbac.decide_item(for_tenant uuid, for_review uuid, for_item integer, decision text, note text, new_role text, new_expiry timestamptz, decided_by uuid, OUT before text, OUT after text)
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
DECLARE
	decided teamrbac.review_item;
	outcome text;
BEGIN
	IF EXISTS (SELECT FROM teamrbac.review AS r WHERE r.tenant_id = for_tenant AND r.review_id = for_review AND r.finished_at IS NOT NULL) THEN
		RAISE EXCEPTION 'the review is finished' USING ERRCODE = '55000', CONSTRAINT = 'review_finished';
	END IF;
	SELECT i.* INTO decided FROM teamrbac.review_item AS i
		WHERE i.tenant_id = for_tenant AND i.review_id = for_review AND i.item = for_item FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'the review has no such item' USING ERRCODE = 'P0002', CONSTRAINT = 'no_such_item';
	ELSIF decided.decision IS NOT NULL THEN
		RAISE EXCEPTION 'the item is decided already' USING ERRCODE = '55000', CONSTRAINT = 'item_decided', DETAIL = format('It was %s.', decided.outcome);
	END IF;
	outcome := teamrbac.carry_out_decision(decided, decision, new_role, new_expiry);
	UPDATE teamrbac.review_item AS i SET decision = decide_item.decision, outcome = decide_item_outcome.outcome, note = decide_item.note,
			decided_by = decide_item.decided_by, decided_at = clock_timestamp()
		FROM (VALUES (outcome)) AS decide_item_outcome(outcome)
		WHERE i.tenant_id = for_tenant AND i.review_id = for_review AND i.item = for_item;
	before := jsonb_build_object('item', for_item, 'role', decided.role)
		|| CASE WHEN decided.kind <> 'role' THEN jsonb_build_object(decided.kind, decided.subject_id) ELSE '{}' END;
	after := jsonb_build_object('decision', decision, 'outcome', outcome, 'note', note);
END
$$;
COMMENT ON FUNCTION teamrbac.decide_item(uuid, uuid, integer, text, text, text, timestamptz, uuid, OUT text, OUT text) IS
	'Internal to decide: checks, carries out and notes a decision, and says for the audit what was decided. The caller has locked the tenant.';
REVOKE ALL ON FUNCTION teamrbac.decide_item(uuid, uuid, integer, text, text, text, timestamptz, uuid) FROM PUBLIC;

CREATE FUNCTION teamrbac.end_review(for_tenant uuid, for_review uuid, finished_by uuid) RETURNS text
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
DECLARE
	ended teamrbac.review;
	undecided teamrbac.review_item;
	outcome text;
BEGIN
	SELECT r.* INTO ended FROM teamrbac.review AS r WHERE r.tenant_id = for_tenant AND r.review_id = for_review FOR NO KEY UPDATE;
	IF ended.finished_at IS NOT NULL THEN
		RAISE EXCEPTION 'the review is finished already' USING ERRCODE = '55000', CONSTRAINT = 'review_finished';
	END IF;
	IF ended.due > clock_timestamp() AND EXISTS (SELECT FROM teamrbac.review_item AS i WHERE i.tenant_id = for_tenant AND i.review_id = for_review AND i.decision IS NULL) THEN
		RAISE EXCEPTION 'items of the review are undecided' USING ERRCODE = '55000', CONSTRAINT = 'items_undecided',
			HINT = format('Decide them, or wait until the review is due, %s.', to_char(ended.due AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'));
	END IF;
	FOR undecided IN SELECT i.* FROM teamrbac.review_item AS i WHERE i.tenant_id = for_tenant AND i.review_id = for_review AND i.decision IS NULL ORDER BY i.item LOOP
		outcome := 'undecided';
		-- Nobody removes themselves by having decided nothing.
		IF ended.remove_undecided AND undecided.subject_id IS DISTINCT FROM finished_by THEN
			BEGIN
				outcome := 'undecided: ' || teamrbac.carry_out_decision(undecided, 'remove', NULL, NULL);
			EXCEPTION
			WHEN insufficient_privilege THEN
				outcome := 'undecided: not removed, as that takes more rights';
			WHEN object_not_in_prerequisite_state OR foreign_key_violation THEN
				outcome := format('undecided: not removed (%s)', SQLERRM);
			END;
		END IF;
		UPDATE teamrbac.review_item AS i SET outcome = o.outcome FROM (VALUES (outcome)) AS o(outcome)
			WHERE i.tenant_id = for_tenant AND i.review_id = for_review AND i.item = undecided.item;
	END LOOP;
	UPDATE teamrbac.review AS r SET finished_at = clock_timestamp(), finished_by = end_review.finished_by
		WHERE r.tenant_id = for_tenant AND r.review_id = for_review;
	RETURN (SELECT jsonb_build_object('keep', count(*) FILTER (WHERE i.decision = 'keep'), 'change', count(*) FILTER (WHERE i.decision = 'change'),
									  'remove', count(*) FILTER (WHERE i.decision = 'remove'), 'undecided', count(*) FILTER (WHERE i.decision IS NULL))
			FROM teamrbac.review_item AS i WHERE i.tenant_id = for_tenant AND i.review_id = for_review);
END
$$;
COMMENT ON FUNCTION teamrbac.end_review(uuid, uuid, uuid) IS
	'Internal to finish_review: removes what is undecided if the review says so, and says for the audit what was decided. The caller has locked the tenant.';
REVOKE ALL ON FUNCTION teamrbac.end_review(uuid, uuid, uuid) FROM PUBLIC;

CREATE FUNCTION teamrbac.items_of_review(for_tenant uuid, for_review uuid, OUT item integer, OUT kind text, OUT name text, OUT role text, OUT role_now text, OUT expires_at timestamptz,
		OUT last_active date, OUT permissions text, OUT findings text, OUT decision text, OUT outcome text, OUT note text, OUT decided_by text, OUT decided_at timestamptz,
		OUT permissions_then text, OUT expires_at_then timestamptz, OUT holders text)
	RETURNS SETOF record
	LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	WITH finding AS MATERIALIZED (
		SELECT r.finding, r.subject_id, r.subject FROM teamrbac.review_tenants(for_tenant) AS r
	)
	SELECT i.item, i.kind, teamrbac.printable(i.name), i.role, s.role, s.expires_at, s.last_active, array_to_string(s.permissions, ' '),
		   (SELECT string_agg(DISTINCT f.finding, ', ') FROM finding AS f WHERE f.subject_id = i.subject_id OR i.kind = 'role' AND f.finding = 'unused role' AND f.subject = format('role "%s"', i.role)),
		   i.decision, teamrbac.printable(i.outcome), teamrbac.printable(i.note), teamrbac.printable(COALESCE(u.display_name, 'user ' || i.decided_by::text)), i.decided_at,
		   array_to_string(i.permissions, ' '), i.expires_at, s.holders
	FROM teamrbac.review_item AS i
	LEFT JOIN LATERAL teamrbac.review_subject(for_tenant, i.kind, i.subject_id, i.role) AS s ON true
	LEFT JOIN teamrbac.app_user AS u ON u.user_id = i.decided_by
	WHERE i.tenant_id = for_tenant AND i.review_id = for_review
	ORDER BY i.item;
$$;
COMMENT ON FUNCTION teamrbac.items_of_review(uuid, uuid, OUT integer, OUT text, OUT text, OUT text, OUT text, OUT timestamptz, OUT date, OUT text, OUT text, OUT text, OUT text, OUT text, OUT text, OUT timestamptz, OUT text, OUT timestamptz, OUT text) IS
	'Internal to review_items, whoever asks.';
REVOKE ALL ON FUNCTION teamrbac.items_of_review(uuid, uuid) FROM PUBLIC;

CREATE FUNCTION teamrbac.start_review(tenant_id uuid, due timestamptz, remove_undecided boolean DEFAULT false) RETURNS uuid
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_start_review';
COMMENT ON FUNCTION teamrbac.start_review(uuid, timestamptz, boolean) IS
	'Begins a review of the team as it is: an item for each member, API key, pending invitation and role of the tenant''s own, to be decided until due; what is undecided then is reported by access_review, or removed by finish_review if remove_undecided. Returns the review''s id. Needs team.manage. Errors: 42501 not allowed, also for an API key; 22023 argument null, due not in the future; 28000 nobody signed in. Locks the tenant''s row.';
CREATE FUNCTION teamrbac.review_items(review_id uuid, OUT item integer, OUT kind text, OUT name text, OUT role text, OUT role_now text, OUT expires_at timestamptz,
		OUT last_active date, OUT permissions text, OUT findings text, OUT decision text, OUT outcome text, OUT note text, OUT decided_by text, OUT decided_at timestamptz,
		OUT permissions_then text, OUT expires_at_then timestamptz, OUT holders text)
	RETURNS SETOF record
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 100 AS 'MODULE_PATHNAME', 'teamrbac_review_items';
COMMENT ON FUNCTION teamrbac.review_items(uuid, OUT integer, OUT text, OUT text, OUT text, OUT text, OUT timestamptz, OUT date, OUT text, OUT text, OUT text, OUT text, OUT text, OUT text, OUT timestamptz, OUT text, OUT timestamptz, OUT text) IS
	'What is to be decided in a review, and what has been. kind: member, api_key, invitation, or role, one of the tenant''s own; role as the review began, role_now (NULL: no access any more, or no such role), when it ends, the day of its last activity (a role''s: of those who have it), what it may do, what access_review finds; the decision, what was done about it, why, by whom and when; what it might do and when it was to end as the review began; how many have it, of a role. The record of a review is this table: in psql by \H, or \copy with CSV. Needs team.manage in its tenant, or a superuser. Errors: 42501 not allowed, or no such review; 22023 review_id null; 28000 nobody signed in. Takes no lock.';
CREATE PROCEDURE teamrbac.decide(review_id uuid, item integer, decision text, note text DEFAULT NULL, new_role text DEFAULT NULL, new_expiry timestamptz DEFAULT NULL)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_decide';
COMMENT ON PROCEDURE teamrbac.decide(uuid, integer, text, text, text, timestamptz) IS
	'Decides on an item of a review, once, and carries it out by the commands, under one''s own rights: keep what it was when the review began, no longer and with no more permissions; change a member''s role or expiry (infinity: never), or a key''s expiry, where what new_role and new_expiry leave alone is likewise as it was; remove the member, revoke the key, cancel the invitation, drop the role. A role is changed by define_tenant_role alone. Needs team.manage, and what the command needs. Errors: 42501 not allowed, or no such review; P0002 no such item; 55000 decided already, the review is finished, or the item is not what it was; 22023 argument null or bad, or a change of what is not changed so; those of change_role, set_membership_expiry, remove_member, set_api_key_expiry, revoke_api_key, cancel_invitation and drop_tenant_role; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.finish_review(review_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_finish_review';
COMMENT ON PROCEDURE teamrbac.finish_review(uuid) IS
	'Ends a review once all is decided, or it is due: what is undecided then is noted as such, and removed under one''s own rights if the review says so, oneself excepted; what cannot be, a role that is in use for one, is noted with the reason. Needs team.manage. Errors: 42501 not allowed, or no such review; 55000 finished already, or undecided before it is due; 22023 review_id null; 28000 nobody signed in. Locks the tenant''s row.';

CREATE PROCEDURE teamrbac.schedule_reviews(tenant_id uuid, every interval, due_in interval DEFAULT '14 days', remove_undecided boolean DEFAULT false)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_schedule_reviews';
COMMENT ON PROCEDURE teamrbac.schedule_reviews(uuid, interval, interval, boolean) IS
	'Has hold_reviews begin a review of the team now and then, under the rights of whoever schedules them; every NULL: no more. Needs team.manage. Errors: 42501 not allowed, also for an API key; 22023 argument null; 23514 every shorter than a day or longer than 1000 years, due_in shorter than an hour or longer than every; 22008 an interval that leads out of the calendar; 28000 nobody signed in. Locks the tenant''s row.';

-- Whoever began a review, or had it begin, has ordered what becomes of it.
CREATE PROCEDURE teamrbac.hold_reviews()
	LANGUAGE plpgsql
AS $$
DECLARE
	due record;
BEGIN
	FOR due IN
		SELECT r.review_id, NULL::uuid AS tenant_id, r.started_by AS ordered_by, NULL::interval AS due_in, true AS remove_undecided FROM teamrbac.review AS r
		WHERE r.finished_at IS NULL AND r.remove_undecided AND r.due OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()
		UNION ALL
		SELECT NULL, s.tenant_id, s.scheduled_by, s.due_in, s.remove_undecided FROM teamrbac.review_schedule AS s
		JOIN teamrbac.tenant AS t ON t.tenant_id OPERATOR(pg_catalog.=) s.tenant_id AND t.deleted_at IS NULL
		WHERE NOT EXISTS (SELECT FROM teamrbac.review AS r WHERE r.tenant_id OPERATOR(pg_catalog.=) s.tenant_id
						  AND r.started_at OPERATOR(pg_catalog.>) (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) s.every))
	LOOP
		-- Whoever locks one tenant's team keeps the others' reviews from nothing for longer than this.
		IF pg_catalog.current_setting('lock_timeout') OPERATOR(pg_catalog.=) '0' THEN
			PERFORM pg_catalog.set_config('lock_timeout', '5s', true);
		END IF;
		BEGIN
			PERFORM teamrbac.sign_in(due.ordered_by);
			IF due.review_id IS NULL THEN
				PERFORM teamrbac.start_review(due.tenant_id, pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) due.due_in, due.remove_undecided);
			ELSE
				CALL teamrbac.finish_review(due.review_id);
			END IF;
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING '%: %', CASE WHEN due.review_id IS NULL THEN pg_catalog.concat('tenant ', due.tenant_id, ' is not reviewed')
									   ELSE pg_catalog.concat('review ', due.review_id, ' is not finished') END, SQLERRM USING ERRCODE = SQLSTATE;
		END;
		PERFORM teamrbac.sign_out();
		COMMIT;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE teamrbac.hold_reviews() IS
	'Begins the reviews that schedule_reviews asks for, and finishes those that are due and remove what is undecided: each in a transaction of its own, as the user who ordered it and under that user''s rights of now. Where these are gone, a WARNING, and access_review goes on to report what is due; likewise where a team is locked for longer than lock_timeout (5 s if that is 0), until the next call. For a scheduler. Locks the tenants'' rows.';
REVOKE ALL ON PROCEDURE teamrbac.hold_reviews() FROM PUBLIC;
