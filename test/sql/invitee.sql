-- The invitee's own list, many invitations at once, and members that a back end adds.
\getenv srcdir PG_ABS_SRCDIR
\set acme :srcdir /fixtures/acme.sql
\i :acme
CREATE VIEW mails AS SELECT recipient, kind, fields - 'expires_at' AS fields FROM teamrbac.outbox ORDER BY created_at;

-- Ann is invited twice, Bob once; each sees their own alone, whatever case the address was typed in.
BEGIN;
SELECT teamrbac.sign_in(u('02'));
SELECT invitation_id AS ann, token AS ann_token FROM teamrbac.invite_member(u('a0'), 'ANN@Acme.Example',
	'developer') \gset
SELECT invitation_id AS bob FROM teamrbac.invite_member(u('a0'), 'bob@acme.example', 'reader') \gset
SELECT teamrbac.sign_in(u('07'));
SELECT invitation_id AS ann2 FROM teamrbac.invite_member(u('b0'), 'ann@acme.example', 'admin',
	now() + interval '1 year') \gset
COMMIT;
SET ROLE regress_app;
SELECT count(*) FROM teamrbac.my_invitations();
BEGIN;
SELECT teamrbac.sign_in(u('11'));
SELECT tenant_name, role, invited_by, invited_at < now() AS invited, round(extract(epoch
	FROM expires_at - invited_at) / 86400) AS days, membership_expires_at > now() AS ends
	FROM teamrbac.my_invitations();
SELECT teamrbac.sign_in(u('12'));
SELECT tenant_name, role, invited_by FROM teamrbac.my_invitations();
SELECT teamrbac.sign_in(u('13'));
SELECT count(*) FROM teamrbac.my_invitations();
COMMIT;
RESET ROLE;
-- What cannot be accepted isn't listed: its sender demoted by hand, its time over, its tenant deleted, the user
-- disabled.
BEGIN;
SELECT teamrbac.sign_in(u('11'));
SAVEPOINT s;
UPDATE teamrbac.membership SET role = 'reader' WHERE user_id = u('02');
SELECT tenant_name FROM teamrbac.my_invitations();
ROLLBACK TO s;
UPDATE teamrbac.invitation SET expires_at = clock_timestamp() WHERE tenant_id = u('a0');
SELECT tenant_name FROM teamrbac.my_invitations();
ROLLBACK TO s;
UPDATE teamrbac.tenant SET deleted_at = now() WHERE tenant_id = u('b0');
SELECT tenant_name FROM teamrbac.my_invitations();
ROLLBACK TO s;
UPDATE teamrbac.app_user SET disabled_at = now() WHERE user_id = u('11');
SELECT count(*) FROM teamrbac.my_invitations();
ROLLBACK;
-- Another's invitation looks like none.
SELECT who, try(u(who), format('SELECT teamrbac.accept_my_invitation(%L)', id)) AS accept, try(u(who),
	format('CALL teamrbac.decline_my_invitation(%L)', id)) AS decline
	FROM (VALUES ('11', :'ann'), ('12', :'ann'), ('02', :'ann'), ('11', u('ff')::text), ('11', NULL)) AS t(who, id);
SELECT try(NULL, format('SELECT teamrbac.accept_my_invitation(%L)', :'ann')) AS accept, try(NULL,
	format('CALL teamrbac.decline_my_invitation(%L)', :'ann')) AS decline;
BEGIN;
SELECT teamrbac.sign_in(u('12'));
SELECT teamrbac.accept_my_invitation(:'ann');
ROLLBACK;
BEGIN;
SELECT teamrbac.sign_in(u('12'));
SELECT teamrbac.accept_my_invitation(u('ff'));
ROLLBACK;
-- Accepted without the token, and again: the same answer.  Who sent it is told, by name.
BEGIN;
SELECT teamrbac.sign_in(u('11'));
SELECT tenant_id = u('a0') AS acme, role FROM teamrbac.accept_my_invitation(:'ann');
SELECT tenant_id = u('a0') AS acme, role FROM teamrbac.accept_my_invitation(:'ann');
SELECT tenant_id = u('a0') AS acme, role FROM teamrbac.accept_invitation(:'ann_token');
SELECT tenant_name FROM teamrbac.my_invitations();
SELECT teamrbac.sign_in(u('12'));
CALL teamrbac.decline_my_invitation(:'bob');
SELECT count(*) FROM teamrbac.my_invitations();
COMMIT;
SELECT * FROM mails WHERE kind::text ~ 'accepted|declined';
SELECT action, COALESCE(u.display_name, '-') AS actor, before, after - 'expires_at' AS after
	FROM teamrbac.audit_event AS e
	LEFT JOIN teamrbac.app_user AS u ON u.user_id = e.actor_id WHERE tenant_id = u('a0')
	AND action ~ 'accepted|joined|declined' ORDER BY sequence;
SELECT try(u('12'), format('SELECT teamrbac.accept_my_invitation(%L)', :'bob')), try(u('12'),
	format('CALL teamrbac.decline_my_invitation(%L)', :'bob'));
-- Nobody is told who could no longer send it, nor where the DBA doesn't want it, who alone can say so.
BEGIN;
SELECT teamrbac.sign_in(u('02'));
SELECT invitation_id AS cleo FROM teamrbac.invite_member(u('a0'), 'cleo@acme.example', 'reader') \gset
UPDATE teamrbac.membership SET role = 'reader' WHERE user_id = u('02');
SELECT teamrbac.sign_in(u('13'));
CALL teamrbac.decline_my_invitation(:'cleo');
SELECT count(*) FROM mails WHERE kind = 'invitation_declined';
ROLLBACK;
BEGIN;
SET LOCAL teamrbac.mail_inviter = off;
SELECT teamrbac.sign_in(u('11'));
SELECT role FROM teamrbac.accept_my_invitation(:'ann2');
SELECT count(*) FROM mails WHERE kind = 'invitation_accepted';
ROLLBACK;
SET ROLE regress_app;
SET teamrbac.mail_inviter = off;
RESET ROLE;

-- Many at once: each address has an outcome.
BEGIN;
SELECT teamrbac.sign_in(u('02'));
SELECT count(teamrbac.invite_member(u('a0'), e || '@example.com', 'reader')) FROM unnest(ARRAY['old', 'lapsed']) AS e;
UPDATE teamrbac.invitation SET expires_at = clock_timestamp() WHERE email = 'lapsed@example.com';
SELECT teamrbac.sign_in(u('01'));
SELECT count(teamrbac.invite_member(u('a0'), 'admin@example.com', 'admin'));
COMMIT;
CREATE FUNCTION many(emails text[], role text DEFAULT 'reader',
	until timestamptz DEFAULT NULL) RETURNS TABLE (email text, outcome text, has_id boolean, has_token boolean,
	has_end boolean)
	LANGUAGE sql AS $$ SELECT m.email, m.outcome, m.invitation_id IS NOT NULL, m.token ~ '^[0-9a-f]{64}$',
	m.expires_at > now()
	FROM teamrbac.invite_members(u('a0'), emails, role, until) AS m $$;
CREATE VIEW mixed AS SELECT ARRAY['n1@example.com', 'n2@example.com', 'N1@Example.com', 'old@example.com',
	'lapsed@example.com', 'Rita@Acme.example',
	'no address', '', NULL, 'a@b@c', E'x@y\nBcc: z@y', 'admin@example.com'] AS emails;
BEGIN;
SELECT teamrbac.sign_in(u('04'));
-- Leo may not touch an invitation as Admin.
SELECT m.* FROM mixed, many(emails) AS m;
SELECT email, role, invited_by FROM teamrbac.pending_invitation ORDER BY 1;
SELECT count(*), count(token) AS unsent FROM teamrbac.outbox WHERE recipient ~ '^(n1|old|lapsed)';
-- The same call once more: the same invitations, sent again; the first mails are withdrawn.
SELECT outcome, count(*) FROM mixed, many(emails) GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM teamrbac.pending_invitation;
SELECT count(*), count(token) AS unsent FROM teamrbac.outbox WHERE recipient ~ '^(n1|old|lapsed)';
-- Another role: another invitation takes the place of the one before.
SELECT teamrbac.sign_in(u('01'));
SELECT email, outcome FROM many(ARRAY['n1@example.com', 'admin@example.com'], 'developer', now() + interval '1 day');
SELECT email, role FROM teamrbac.pending_invitation ORDER BY 1;
-- Over the limit: the others go through.
SET LOCAL teamrbac.max_pending_invitations = 6;
SELECT email, outcome FROM many(ARRAY['n1@example.com', 'n3@example.com', 'bad', 'n4@example.com',
	'dana@acme.example']);
SELECT count(*) FROM teamrbac.pending_invitation;
SELECT action, count(*) FROM teamrbac.audit_trail WHERE tenant_id = u('a0') AND action ~ '^invitation' GROUP BY 1
	ORDER BY 1;
SAVEPOINT s;
SET LOCAL teamrbac.max_pending_invitations = 1000;
SET LOCAL teamrbac.max_recipient_mails_per_day = 0;
SELECT email, outcome FROM many(ARRAY['n1@example.com', 'n9@example.com', 'bad']);
SET LOCAL teamrbac.max_recipient_mails_per_day = 1000;
SELECT set_config('teamrbac.max_tenant_mails_per_day', (count(*) + 1)::text, true) <> '' AS set FROM teamrbac.outbox
	WHERE tenant_id = u('a0');
SELECT email, outcome FROM many(ARRAY['n8@example.com', 'n9@example.com', 'bad']);
ROLLBACK TO s;
SELECT * FROM many('{}');
SELECT email, outcome FROM many('{{five@example.com,six@example.com},{bad,n2@example.com}}');
COMMIT;
-- The whole call: who may, for which role; bad arguments.
SELECT role, e.* FROM unnest(ARRAY['owner', 'admin', 'lead', 'developer', 'reader', 'nonsense',
	NULL]) WITH ORDINALITY AS r(role, n),
	everybody(format('SELECT teamrbac.invite_members(%L, ''{x@example.com}'', %L)', u('a0'), role)) AS e ORDER BY n;
SELECT try(u('01'), format('SELECT teamrbac.invite_members(%L, %L, ''reader'', %L)', tenant, emails, until))
	FROM (VALUES
	(u('a0'), '{x@example.com}', '2001-01-01'), (u('a0'), NULL, NULL), (NULL, '{x@example.com}', NULL), (u('ff'),
	'{x@example.com}', NULL), (u('a0'), '{x@example.com}', 'infinity'),
	(u('a0'), (SELECT array_agg(format('x%s@example.com', g)) FROM generate_series(1, 10001) AS g)::text,
	NULL)) AS t(tenant, emails, until);
-- Huge addresses are malformed, and no more.
BEGIN;
SELECT teamrbac.sign_in(u('01'));
SELECT outcome, count(*) FROM teamrbac.invite_members(u('a0'), (SELECT array_agg(repeat('x',
	100000) || g || '@example.com') FROM generate_series(1, 100) AS g), 'reader') GROUP BY 1;
COMMIT;

-- add_member: not for everybody.
SELECT try(u('01'), format('SELECT teamrbac.add_member(%L, %L, ''reader'')', u('a0'), u('13')));
GRANT EXECUTE ON FUNCTION teamrbac.add_member(uuid, uuid, text, timestamptz) TO regress_app;
-- Under the rule of whoever is signed in, or of the DBA when nobody is.
SELECT role, e.* FROM unnest(ARRAY['owner', 'admin', 'lead', 'developer', 'reader', 'nonsense',
	NULL]) WITH ORDINALITY AS r(role, n),
	everybody(format('SELECT teamrbac.add_member(%L, %L, %L)', u('a0'), u('13'), role)) AS e ORDER BY n;
SELECT about, try(u('01'), command) AS owner, try(NULL, command) AS dba FROM (VALUES
	(1, 'no such tenant', format('SELECT teamrbac.add_member(%L, %L, ''reader'')', u('ff'), u('13'))),
	(2, 'no such user', format('SELECT teamrbac.add_member(%L, %L, ''reader'')', u('a0'), u('ff'))),
	(3, 'over already', format('SELECT teamrbac.add_member(%L, %L, ''reader'', ''2001-01-01'')', u('a0'), u('13'))),
	(4, 'a member so', format('SELECT teamrbac.add_member(%L, %L, ''reader'')', u('a0'), u('06'))),
	(5, 'a member otherwise', format('SELECT teamrbac.add_member(%L, %L, ''developer'')', u('a0'), u('06'))),
	(6, 'the Owner', format('SELECT teamrbac.add_member(%L, %L, ''reader'')', u('a0'), u('01'))),
	(7, 'null', format('SELECT teamrbac.add_member(NULL, %L, ''reader'')', u('13'))),
	(8, 'null', format('SELECT teamrbac.add_member(%L, NULL, ''reader'')', u('a0')))) AS t(n, about, command)
	ORDER BY n;
CREATE VIEW members AS SELECT u.display_name, m.role, m.expires_at IS NOT NULL AS ends FROM teamrbac.membership AS m
	JOIN teamrbac.app_user AS u USING (user_id)
	WHERE m.tenant_id = u('a0') AND user_id > u('10') ORDER BY 1;
BEGIN;
SELECT teamrbac.sign_in(u('02'));
SELECT invitation_id FROM teamrbac.invite_member(u('a0'), 'dave@acme.example', 'reader') \gset
SELECT teamrbac.add_member(u('a0'), u('14'), 'developer');
SELECT teamrbac.add_member(u('a0'), u('14'), 'developer');
SELECT teamrbac.sign_out();
SELECT teamrbac.add_member(u('a0'), u('13'), 'admin', now() + interval '1 day');
SELECT * FROM members;
-- The invitation that has become pointless is gone.
SELECT state FROM teamrbac.invitation WHERE invitation_id = :'invitation_id';
SELECT action, actor_kind, split_part(subject, ':', 1) AS subject, after - 'expires_at' AS after
	FROM teamrbac.audit_event WHERE tenant_id = u('a0') AND action = 'member.added' ORDER BY sequence;
-- A membership that has expired gives way; somebody disabled is not added.
UPDATE teamrbac.membership SET expires_at = clock_timestamp() WHERE user_id = u('13');
SELECT teamrbac.add_member(u('a0'), u('13'), 'reader');
CALL teamrbac.disable_user(u('12'));
SELECT try(NULL, format('SELECT teamrbac.add_member(%L, %L, ''reader'')', u('a0'), u('12')));
SELECT * FROM members;
SELECT teamrbac.sign_in(u('01'));
SELECT valid FROM teamrbac.verify_audit(u('a0'));
ROLLBACK;
-- An API key manages no team, whatever its role, and has no invitations.
BEGIN;
SELECT teamrbac.sign_in(u('01'));
SELECT secret FROM teamrbac.create_api_key(u('a0'), 'The key of the back end', 'owner') \gset
SELECT count(*) FROM teamrbac.sign_in_with_api_key(:'secret');
SELECT count(*) FROM teamrbac.my_invitations();
SAVEPOINT s;
SELECT teamrbac.add_member(u('a0'), u('13'), 'reader');
ROLLBACK TO s;
SELECT teamrbac.invite_members(u('a0'), '{x@example.com}', 'reader');
ROLLBACK TO s;
SELECT teamrbac.accept_my_invitation(u('ff'));
ROLLBACK;
DROP VIEW mails, members, mixed;
DROP FUNCTION many(text[], text, timestamptz);

DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION everybody(text);
DROP FUNCTION try(uuid, text);
DROP FUNCTION u(text);
DROP ROLE regress_app;
