-- Reviews of a team as a campaign.  Olivia owns Acme, Adam is Admin, Dora a developer with a key, Rita a reader, Mal a stranger.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(name || '@example.com', name, u(n)))
	FROM (VALUES ('Olivia', 'a1'), ('Adam', 'a2'), ('Dora', 'a3'), ('Rita', 'a4'), ('Rob', 'a5'), ('Mal', 'b1')) AS t(name, n);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('01'), 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('01'), u('a1'), 'owner'), (u('01'), u('a2'), 'admin'), (u('01'), u('a3'), 'developer'), (u('01'), u('a4'), 'reader'), (u('01'), u('a5'), 'reader');
COMMIT;
CREATE ROLE regress_app;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_app;
SET ROLE regress_app;
SELECT teamrbac.sign_in(u('a3'), false);
SELECT count(*) FROM teamrbac.create_api_key(u('01'), 'build server of Dora', 'reader');
SELECT teamrbac.sign_in(u('a2'), false);
SELECT count(*) FROM teamrbac.invite_member(u('01'), 'new@example.com', 'reader');
SELECT teamrbac.start_review(u('01'), '2999-01-01 00:00+00') AS review \gset
SELECT item, kind, name, role, role_now, last_active IS NOT NULL AS active, permissions, findings, decision FROM teamrbac.review_items(:'review');

-- Carried out by the commands.
CALL teamrbac.decide(:'review', 1, 'keep', 'manages the team');
CALL teamrbac.decide(:'review', 2, 'change', 'no longer writes code', new_role => 'reader', new_expiry => '2998-01-01 00:00+00');
CALL teamrbac.decide(:'review', 4, 'remove', 'left');
CALL teamrbac.decide(:'review', 6, 'remove');
CALL teamrbac.decide(:'review', 7, 'remove', 'a mistake');
SELECT item, kind, name, role, role_now, expires_at AT TIME ZONE 'UTC' AS expires_at, decision, outcome, note, decided_by FROM teamrbac.review_items(:'review');
RESET ROLE;
SELECT action, subject ~ '^review:' AS of_review, after FROM teamrbac.audit_event WHERE action ~ '^(review|member|api_key|invitation)\.' AND tenant_id = u('01') ORDER BY sequence OFFSET 2;
SET ROLE regress_app;

-- Under one's own rights: an Admin removes no Owner.
CALL teamrbac.decide(:'review', 3, 'remove');
SELECT role_now, decision FROM teamrbac.review_items(:'review') WHERE item = 3;
\set VERBOSITY sqlstate
CALL teamrbac.decide(:'review', 1, 'remove');
CALL teamrbac.decide(:'review', 99, 'keep');
CALL teamrbac.decide(:'review', 5, 'perhaps');
CALL teamrbac.decide(:'review', 5, 'change');
CALL teamrbac.decide(:'review', 5, 'keep', E'two\nlines');
CALL teamrbac.decide(:'review', NULL, 'keep');
CALL teamrbac.decide(:'review', 5, NULL);
CALL teamrbac.finish_review(:'review');
SELECT teamrbac.start_review(u('01'), '2001-01-01');
SELECT teamrbac.start_review(u('01'), 'infinity');
SELECT teamrbac.start_review(u('01'), NULL);
-- What has changed since is not kept by somebody who has not seen it.
SELECT teamrbac.sign_in(u('a1'), false);
CALL teamrbac.change_role(u('01'), u('a5'), 'developer');
\set VERBOSITY default
CALL teamrbac.decide(:'review', 5, 'keep');
CALL teamrbac.decide(:'review', 5, 'change', 'seen', new_role => 'developer');
CALL teamrbac.remove_member(u('01'), u('a5'));
CALL teamrbac.decide(:'review', 3, 'keep');
CALL teamrbac.finish_review(:'review');
\set VERBOSITY sqlstate
CALL teamrbac.finish_review(:'review');
CALL teamrbac.decide(:'review', 3, 'keep');
\set VERBOSITY default
-- As an auditor takes it.
\pset format csv
SELECT item, kind, name, role, decision, outcome, note, decided_by FROM teamrbac.review_items(:'review');
\pset format html
SELECT item, name, decision FROM teamrbac.review_items(:'review') WHERE item = 1;
\pset format aligned

-- Strangers learn nothing of it.
SELECT teamrbac.sign_in(u('b1'), false);
SELECT * FROM teamrbac.review_items(:'review');
SELECT * FROM teamrbac.review_items(u('ff'));
CALL teamrbac.decide(:'review', 1, 'keep');
CALL teamrbac.decide(u('ff'), 1, 'keep');
SELECT teamrbac.start_review(u('01'), '2999-01-01');
SELECT teamrbac.sign_out();
\set VERBOSITY sqlstate
CALL teamrbac.finish_review(:'review');
CALL teamrbac.hold_reviews();
SELECT * FROM teamrbac.review;
SELECT * FROM teamrbac.review_item;
\set VERBOSITY default

-- Undecided when due: reported, or removed, by the rights of whoever began it.
SELECT teamrbac.sign_in(u('a2'), false);
SELECT teamrbac.start_review(u('01'), clock_timestamp() + '1 hour') AS reported \gset
SELECT teamrbac.start_review(u('01'), clock_timestamp() + '1 hour', true) AS removing \gset
CALL teamrbac.decide(:'removing', 1, 'keep');
SELECT teamrbac.sign_out();
RESET ROLE;
UPDATE teamrbac.review SET due = clock_timestamp() WHERE review_id IN (:'reported', :'removing');
SELECT finding, severity, replace(replace(subject, :'reported', 'REPORTED'), :'removing', 'REMOVING') AS subject, regexp_replace(detail, 'since .*', 'since DAY') AS detail
	FROM teamrbac.access_review() WHERE finding = 'overdue review' ORDER BY 3;
CALL teamrbac.hold_reviews();
SELECT item, kind, name, role, role_now, decision, outcome, decided_by FROM teamrbac.review_items(:'removing');
SELECT count(*) FROM teamrbac.access_review() WHERE finding = 'overdue review';
SELECT after FROM teamrbac.audit_event WHERE action = 'review.finished' ORDER BY sequence;
SELECT valid FROM teamrbac.verify_audit(u('01'));


-- Regularly, as long as whoever scheduled them may.
SET ROLE regress_app;
SELECT teamrbac.sign_in(u('a2'), false);
CALL teamrbac.schedule_reviews(u('01'), '90 days', due_in => '10 days', remove_undecided => true);
\set VERBOSITY sqlstate
CALL teamrbac.schedule_reviews(u('01'), '1 minute');
CALL teamrbac.schedule_reviews(u('01'), '170000000 years');
CALL teamrbac.schedule_reviews(u('01'), '70000000 months -2099999000 days');
CALL teamrbac.schedule_reviews(u('01'), '-70000000 months 2100001000 days');
CALL teamrbac.schedule_reviews(u('01'), '90 days', '91 days');
CALL teamrbac.schedule_reviews(u('01'), '90 days', NULL);
SELECT teamrbac.sign_in(u('b1'), false);
CALL teamrbac.schedule_reviews(u('01'), '90 days');
SELECT teamrbac.sign_out();
\set VERBOSITY default
RESET ROLE;
CALL teamrbac.hold_reviews();
SELECT count(*) FROM teamrbac.review WHERE finished_at IS NULL AND remove_undecided;
UPDATE teamrbac.review SET started_at = started_at - interval '91 days';
CALL teamrbac.hold_reviews();
CALL teamrbac.hold_reviews();
SELECT count(*) FILTER (WHERE due > now() + interval '9 days') AS due_later, count(*) AS reviews FROM teamrbac.review WHERE finished_at IS NULL AND remove_undecided;
UPDATE teamrbac.review SET started_at = started_at - interval '91 days';
CALL teamrbac.disable_user(u('a2'));
\set VERBOSITY sqlstate
CALL teamrbac.hold_reviews();
\set VERBOSITY default
SELECT count(*) FROM teamrbac.review WHERE finished_at IS NULL AND remove_undecided;
CALL teamrbac.enable_user(u('a2'));
SELECT teamrbac.sign_in(u('a2'), false);
CALL teamrbac.schedule_reviews(u('01'), NULL);
SELECT count(*) FROM teamrbac.review_schedule;

DROP EXTENSION teamrbac CASCADE;
DROP OWNED BY regress_app;
DROP ROLE regress_app;
DROP FUNCTION u;
