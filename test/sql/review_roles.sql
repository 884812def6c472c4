-- Reviews: a tenant's own roles are items, and nothing is kept that has become more since the review began.
-- Olivia owns Acme, Adam is an Admin, Leo manages the team and no roles; editor is the role of Dana, Ann, two keys and
-- an invitation, spare nobody's, former that of a membership that is over.
\getenv srcdir PG_ABS_SRCDIR
\set acme :srcdir /fixtures/acme.sql
\i :acme
SELECT teamrbac.define_permission('reports.view', 'View reports', '{admin}', true);
SELECT teamrbac.define_role('analyst', 'Analyst', ARRAY['reports.view']);
SELECT teamrbac.sign_in(u('02'), false);
SELECT teamrbac.define_tenant_role(u('a0'), 'editor', 'Edits', ARRAY['prompts.view', 'prompts.edit']);
SELECT teamrbac.define_tenant_role(u('a0'), 'spare', 'Nobody', ARRAY['logs.view']);
SELECT teamrbac.define_tenant_role(u('a0'), 'former', 'Nobody any more', '{}');
SELECT teamrbac.define_tenant_role(u('a0'), 'chief', 'Audits', ARRAY['audit.view', 'prompts.view']);
CALL teamrbac.change_role(u('a0'), u('05'), 'editor');
CALL teamrbac.change_role(u('a0'), u('06'), 'analyst');
CALL teamrbac.set_membership_expiry(u('a0'), u('06'), '2998-01-01 00:00+00');
SELECT teamrbac.add_member(u('a0'), u('11'), 'editor'), teamrbac.add_member(u('a0'), u('12'), 'former');
UPDATE teamrbac.membership SET expires_at = now() WHERE user_id = u('12');
SELECT key_id AS edits FROM teamrbac.create_api_key(u('a0'), 'edits', 'editor') \gset
SELECT key_id AS views
	FROM teamrbac.create_api_key(u('a0'), 'views', 'editor', '2998-01-01 00:00+00', '{prompts.view}') \gset
SELECT count(*) FROM teamrbac.create_api_key(u('a0'), 'gone', 'editor');
CALL teamrbac.revoke_api_keys(u('a0'), name_like => 'gone');
SELECT invitation_id AS invited FROM teamrbac.invite_member(u('a0'), 'eve@acme.example', 'editor') \gset
UPDATE teamrbac.invitation SET expires_at = '2998-01-01 00:00+00' WHERE invitation_id = :'invited';
-- Another tenant's is no item here.
INSERT INTO teamrbac.tenant_role VALUES (u('b0'), 'editor', 'Another');
INSERT INTO teamrbac.user_activity VALUES (u('05'), '2026-01-02'), (u('11'), '2026-02-03');
INSERT INTO teamrbac.api_key_use (tenant_id, key_id, last_used_at) VALUES (u('a0'), :'edits', '2026-03-04 12:00+00')
	ON CONFLICT (tenant_id, key_id) DO UPDATE SET last_used_at = EXCLUDED.last_used_at;

--
-- What is reviewed: members, keys, invitations and roles, with what each is.
--
SELECT teamrbac.start_review(u('a0'), '2999-01-01 00:00+00') AS review \gset
CREATE FUNCTION item(name text) RETURNS integer LANGUAGE sql AS $$
	SELECT i.item FROM teamrbac.review_item AS i JOIN teamrbac.review AS r USING (review_id)
		WHERE i.name = item.name AND i.tenant_id = u('a0') ORDER BY r.started_at DESC LIMIT 1 $$;
\x on
SELECT item, kind, name, role, role_now, last_active, permissions = permissions_then AS as_it_was, permissions,
	expires_at = expires_at_then AS same_end, holders, findings FROM teamrbac.review_items(:'review')
	WHERE kind = 'role' OR name IN ('Dana', 'Rita', 'edits', 'views', 'eve@acme.example') ORDER BY item;
\x off
SELECT kind, subject_id IS NULL AS by_name, role FROM teamrbac.review_item WHERE kind = 'role' ORDER BY item;
-- One thing names the subject.
\set VERBOSITY terse
INSERT INTO teamrbac.review_item SELECT (i).* FROM (
	SELECT jsonb_populate_record(r, '{"item": 99, "kind": "member"}') AS i
	FROM teamrbac.review_item AS r WHERE r.kind = 'role' LIMIT 1) AS t;
INSERT INTO teamrbac.review_item SELECT (i).* FROM (
	SELECT jsonb_populate_record(r, '{"item": 99, "kind": "role"}') AS i
	FROM teamrbac.review_item AS r WHERE r.kind = 'member' LIMIT 1) AS t;
\set VERBOSITY default

--
-- A role is kept or dropped, under one's own rights; it is redefined by its own command.
--
SELECT * FROM everybody(format('CALL teamrbac.decide(%L, %s, ''remove'')', :'review', item('spare')));
SELECT * FROM everybody(format('CALL teamrbac.decide(%L, %s, ''keep'')', :'review', item('spare')));
SELECT * FROM everybody(format('CALL teamrbac.decide(%L, %s, ''change'', NULL, ''x'')', :'review', item('spare')));
CALL teamrbac.decide(:'review', item('spare'), 'change', new_role => 'reader');
CALL teamrbac.decide(:'review', item('editor'), 'remove');
-- One that nobody has can go; not by whoever may not all that it may.
SELECT teamrbac.define_tenant_role(u('a0'), 'deputy', 'Manages roles alone', ARRAY['team.manage', 'roles.manage']);
CALL teamrbac.change_role(u('a0'), u('04'), 'deputy');
SELECT teamrbac.sign_in(u('04'), false);
CALL teamrbac.decide(:'review', item('chief'), 'remove');
SELECT teamrbac.sign_in(u('02'), false);
CALL teamrbac.decide(:'review', item('spare'), 'remove', 'nobody ever had it');
CALL teamrbac.drop_tenant_role(u('a0'), 'chief');
CALL teamrbac.decide(:'review', item('chief'), 'keep');
CALL teamrbac.decide(:'review', item('chief'), 'remove');
SELECT name, role_now, holders, permissions, permissions_then, decision, outcome, note, decided_by
	FROM teamrbac.review_items(:'review') WHERE kind = 'role' ORDER BY item;
SELECT action, subject ~ '^review' AS of_review, before, after FROM teamrbac.audit_event
	WHERE tenant_id = u('a0') AND (action = 'role.dropped' OR action = 'review.decided') ORDER BY sequence;

--
-- What may do more than when the review began is not kept: the role, and all that have it.
--
SELECT teamrbac.define_tenant_role(u('a0'), 'editor', 'Edits', ARRAY['prompts.view', 'prompts.edit', 'logs.view',
	'audit.view']);
CALL teamrbac.decide(:'review', item('editor'), 'keep');
CALL teamrbac.decide(:'review', item('Dana'), 'keep');
CALL teamrbac.decide(:'review', item('edits'), 'keep');
CALL teamrbac.decide(:'review', item('eve@acme.example'), 'keep');
SELECT name, permissions, permissions_then FROM teamrbac.review_items(:'review')
	WHERE name IN ('editor', 'Dana', 'edits') ORDER BY item;
-- Another end is no answer to it, nor is another role to a later end.
CALL teamrbac.decide(:'review', item('edits'), 'change', new_expiry => '2997-01-01');
CALL teamrbac.decide(:'review', item('Dana'), 'change', new_expiry => '2997-01-01');
-- A key that is narrower than its role may do no more by it.
CALL teamrbac.decide(:'review', item('views'), 'keep');
-- Whoever names the role has seen it; and what is taken back can be kept.
CALL teamrbac.decide(:'review', item('Dana'), 'change', 'seen', new_role => 'editor');
SELECT teamrbac.define_tenant_role(u('a0'), 'editor', 'Edits', ARRAY['prompts.edit']);
CALL teamrbac.decide(:'review', item('editor'), 'keep', 'less is enough');
CALL teamrbac.decide(:'review', item('edits'), 'keep');
-- The same of a role of all tenants.
SELECT teamrbac.define_role('analyst', 'Analyst', ARRAY['reports.view', 'logs.view']);
CALL teamrbac.decide(:'review', item('Rita'), 'keep');
SELECT teamrbac.define_role('analyst', 'Analyst', ARRAY['reports.view']);

--
-- Nor what ends later.
--
CALL teamrbac.set_membership_expiry(u('a0'), u('06'), '2998-01-02 00:00+00');
CALL teamrbac.decide(:'review', item('Rita'), 'keep');
CALL teamrbac.set_membership_expiry(u('a0'), u('06'), NULL);
CALL teamrbac.decide(:'review', item('Rita'), 'keep');
CALL teamrbac.decide(:'review', item('Rita'), 'change', new_role => 'analyst');
SELECT expires_at, expires_at_then AT TIME ZONE 'UTC' AS expires_at_then FROM teamrbac.review_items(:'review')
	WHERE name = 'Rita';
CALL teamrbac.decide(:'review', item('Rita'), 'change', 'stays', new_role => 'analyst', new_expiry => 'infinity');
UPDATE teamrbac.invitation SET expires_at = '2998-01-02 00:00+00' WHERE invitation_id = :'invited';
CALL teamrbac.decide(:'review', item('eve@acme.example'), 'keep');
-- What ends earlier can be kept.
CALL teamrbac.set_membership_expiry(u('a0'), u('11'), '2997-01-01 00:00+00');
CALL teamrbac.decide(:'review', item('Ann'), 'keep');
UPDATE teamrbac.invitation SET expires_at = '2997-01-02 00:00+00' WHERE invitation_id = :'invited';
CALL teamrbac.decide(:'review', item('eve@acme.example'), 'keep');
SELECT teamrbac.start_review(u('a0'), '2999-01-01 00:00+00') AS second \gset
CALL teamrbac.set_api_key_expiry(:'views', NULL);
CALL teamrbac.decide(:'second', item('views'), 'keep');
CALL teamrbac.decide(:'second', item('views'), 'change', new_expiry => 'infinity');
SELECT name, outcome FROM teamrbac.review_items(:'review') WHERE decision IS NOT NULL ORDER BY item;
SELECT name, outcome FROM teamrbac.review_items(:'second') WHERE decision IS NOT NULL ORDER BY item;

--
-- Undecided when due: those who have it before the role, and what cannot go is noted, without stopping the rest.
--
SELECT teamrbac.start_review(u('a0'), clock_timestamp() + interval '1 hour', true) AS removing \gset
CALL teamrbac.decide(:'removing', item('edits'), 'keep');
SELECT teamrbac.define_tenant_role(u('a0'), 'newer', 'No item of the review', '{}');
UPDATE teamrbac.review SET due = clock_timestamp() WHERE review_id = :'removing';
CALL teamrbac.finish_review(:'removing');
SELECT item, kind, name, role_now, outcome FROM teamrbac.review_items(:'removing') ORDER BY item;
SELECT role FROM teamrbac.tenant_role WHERE tenant_id = u('a0') ORDER BY role;
SELECT after FROM teamrbac.audit_event WHERE action = 'review.finished';
SELECT valid FROM teamrbac.verify_audit(u('a0'));

-- A role that nobody has for long is a finding, with the command that drops it.
SELECT finding FROM teamrbac.access_review(u('a0')) WHERE finding = 'unused role';
SET session_replication_role = replica;
UPDATE teamrbac.audit_event SET occurred_at = occurred_at - interval '91 days'
	WHERE subject IN ('role:newer', 'role:editor', 'role:former');
RESET session_replication_role;
SELECT finding, severity, subject, detail, replace(remedy, u('a0')::text, 'ACME') AS remedy
	FROM teamrbac.access_review(u('a0')) WHERE finding = 'unused role';
SELECT teamrbac.start_review(u('a0'), '2999-01-01 00:00+00') AS last \gset
SELECT name, holders, findings FROM teamrbac.review_items(:'last') WHERE kind = 'role' ORDER BY item;
DO $$ BEGIN
	EXECUTE (SELECT remedy FROM teamrbac.access_review(u('a0')) WHERE finding = 'unused role');
END $$;
SELECT name, role_now FROM teamrbac.review_items(:'last') WHERE kind = 'role' ORDER BY item;

SELECT teamrbac.sign_out();
DROP FUNCTION item;
DROP EXTENSION teamrbac CASCADE;
DROP OWNED BY regress_app;
DROP ROLE regress_app;
DROP FUNCTION everybody, try, u;
