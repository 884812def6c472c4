-- Reviews of a team.

CREATE FUNCTION start_review(tenant_id uuid, due timestamptz, remove_undecided boolean DEFAULT false) RETURNS review
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	SELECT teamrbac.start_review(tenant_id, due, remove_undecided) AS review_id INTO answer;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION start_review(uuid, timestamptz, boolean) IS 'Begins a review of a team.

An item for each member, key, pending invitation and role of the tenant''s own; what is undecided when due is reported, or removed if remove_undecided. Needs team.manage. Refusals: 401 nobody signed in; 403 not allowed; 400 due is not in the future.';

CREATE FUNCTION review_items(review_id uuid) RETURNS SETOF review_item
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	refusal teamrbac.refusal;
BEGIN
	RETURN QUERY SELECT i.item, i.kind, i.name, i.role, i.role_now, i.expires_at, i.last_active, i.permissions, i.findings, i.decision, i.outcome, i.note, i.decided_by, i.decided_at, i.permissions_then, i.expires_at_then, i.holders
		FROM teamrbac.review_items(review_id) AS i;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION review_items(uuid) IS 'Lists what is to be decided in a review, and what has been.

Needs team.manage. Refusals: 401 nobody signed in; 403 not allowed, or no such review; 400 no review.';

CREATE FUNCTION decide(review_id uuid, item integer, decision text, note text DEFAULT NULL, new_role text DEFAULT NULL, new_expiry timestamptz DEFAULT NULL) RETURNS review_item
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.decide(review_id, item, decision, note, new_role, new_expiry);
	SELECT i.item, i.kind, i.name, i.role, i.role_now, i.expires_at, i.last_active, i.permissions, i.findings, i.decision, i.outcome, i.note, i.decided_by, i.decided_at, i.permissions_then, i.expires_at_then, i.holders INTO answer
		FROM teamrbac.review_items(review_id) AS i WHERE i.item = decide.item;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION decide(uuid, integer, text, text, text, timestamptz) IS 'Decides on an item of a review: keep, change or remove.

Once, and it is carried out at once, under one''s own rights. Returns the item. Needs team.manage, and what the change needs. Refusals: 401 nobody signed in; 403 not allowed, or no such review; 404 no such item; 409 decided already, or not what it was, or a role in use; 400 a bad decision, or a change of what is not changed so.';

CREATE FUNCTION finish_review(review_id uuid) RETURNS review
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.finish_review(review_id);
	SELECT finish_review.review_id INTO answer;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION finish_review(uuid) IS 'Ends a review once all is decided, or it is due.

Needs team.manage. Refusals: 401 nobody signed in; 403 not allowed, or no such review; 409 finished already, or undecided before it is due; 400 no review.';

CREATE FUNCTION schedule_reviews(tenant_id uuid, every interval, due_in interval DEFAULT '14 days', remove_undecided boolean DEFAULT false) RETURNS review_schedule
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer  record;
	refusal teamrbac.refusal;
BEGIN
	CALL teamrbac.schedule_reviews(tenant_id, every, due_in, remove_undecided);
	SELECT schedule_reviews.tenant_id, schedule_reviews.every, schedule_reviews.due_in, schedule_reviews.remove_undecided INTO answer;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS refusal.code = RETURNED_SQLSTATE, refusal.message = MESSAGE_TEXT,
		refusal.detail = PG_EXCEPTION_DETAIL, refusal.hint = PG_EXCEPTION_HINT, refusal.reason = CONSTRAINT_NAME;
	PERFORM teamrbac.raise_http_status(refusal);
	RAISE;
END
$$;
COMMENT ON FUNCTION schedule_reviews(uuid, interval, interval, boolean) IS 'Has a team reviewed now and then; every null: no more.

Needs team.manage. Refusals: 401 nobody signed in; 403 not allowed; 400 an argument is missing, every is shorter than a day, or due_in shorter than an hour or longer than every.';
