-- Invitations: who may send them, every state, every refusal.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
-- Acme's team: Olivia the Owner, Adam and Alma Admins, Leo a lead (manages the team and views, no more), Dana a
-- Developer, Rita a Reader.  Sam owns Borealis.  Ann, Bob and Cleo are in no team.
SELECT count(teamrbac.register_user(lower(name) || '@example.com', name, u(id))) FROM (VALUES
	('01', 'Olivia'), ('02', 'Adam'), ('03', 'Alma'), ('04', 'Leo'), ('05', 'Dana'), ('06', 'Rita'), ('07', 'Sam'),
	('11', 'Ann'), ('12', 'Bob'), ('13', 'Cleo')) AS t(id, name);
SELECT teamrbac.define_permission('reports.view', 'View reports', '{}');
SELECT teamrbac.define_role('lead', 'Team lead', ARRAY['team.manage', 'prompts.view', 'endpoints.view', 'snippets.view', 'logs.view']);
SELECT teamrbac.define_role('auditor', 'Auditor', ARRAY['reports.view']);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme'), (u('b0'), 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('a0'), u('02'), 'admin'), (u('a0'), u('03'), 'admin'), (u('a0'), u('04'), 'lead'),
	(u('a0'), u('05'), 'developer'), (u('a0'), u('06'), 'reader'), (u('b0'), u('07'), 'owner');
COMMIT;
-- The application's role: it signs in, and has nothing else but what everyone has.
CREATE ROLE regress_app;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_app;
-- Each command is tried and taken back.
CREATE FUNCTION try(who uuid, command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM teamrbac.sign_in(who);
		EXECUTE command;
		RAISE EXCEPTION USING ERRCODE = 'TR000';
	EXCEPTION
		WHEN SQLSTATE 'TR000' THEN RETURN 'ok';
		WHEN OTHERS THEN RETURN SQLSTATE;
	END;
END $$;
-- What the DBA sees of them all.
CREATE VIEW invitations AS
	SELECT t.name AS tenant, i.email, i.role, u.display_name AS invited_by, i.state, a.display_name AS accepted_by,
		   i.expires_at <= clock_timestamp() AS lapsed
	FROM teamrbac.invitation AS i JOIN teamrbac.tenant AS t USING (tenant_id)
	LEFT JOIN teamrbac.app_user AS u ON u.user_id = i.invited_by LEFT JOIN teamrbac.app_user AS a ON a.user_id = i.accepted_by
	ORDER BY i.invited_at;
-- Time passes for an address's pending invitation.
CREATE FUNCTION lapse(address text) RETURNS bigint LANGUAGE sql AS $$
	WITH lapsed AS (UPDATE teamrbac.invitation SET expires_at = clock_timestamp() WHERE email = address AND state = 'pending' RETURNING 1) SELECT count(*) FROM lapsed $$;

-- Who may invite into which role: as everywhere, only what one has oneself; owner never.
SELECT actor AS "invites", string_agg(try(u(id), format('SELECT teamrbac.invite_member(%L, ''new@example.com'', %L)', u('a0'), role)), ' ' ORDER BY n) AS "owner admin lead developer reader auditor"
	FROM (VALUES ('01', 'Olivia, owner'), ('02', 'Adam, admin'), ('04', 'Leo, lead'), ('05', 'Dana, developer'), ('06', 'Rita, reader'), ('07', 'Sam, stranger')) AS a(id, actor),
		 unnest(ARRAY['owner', 'admin', 'lead', 'developer', 'reader', 'auditor']) WITH ORDINALITY AS r(role, n)
	GROUP BY id, actor ORDER BY id;

-- Sent, seen, accepted.
SET ROLE regress_app;
BEGIN;
SELECT teamrbac.sign_in(u('02'));
SELECT *, now() AS sent_at FROM teamrbac.invite_member(u('a0'), 'Ann@Example.COM', 'developer') \gset
SELECT email, role, invited_by FROM teamrbac.pending_invitation;
COMMIT;
RESET ROLE;
SELECT :'token' ~ '^[0-9a-f]{64}$' AS "256 bits", :'expires_at'::timestamptz - :'sent_at' BETWEEN interval '7 days' AND interval '7 days 1 min' AS "7 days";
-- Only the hash is stored, pgcrypto's; the token itself is in the unsent mail and nowhere else.
SELECT token_hash = digest(:'token', 'sha256') AS hashed, i::text ~ :'token' AS has_token FROM teamrbac.invitation AS i;
SELECT kind, recipient, token = :'token' AS has_token, fields - 'expires_at' AS fields FROM teamrbac.outbox;
SELECT count(*) FROM teamrbac.audit_event AS e WHERE e::text ~ :'token';
-- A link scanner, with no identity, burns nothing.
SET ROLE regress_app;
SELECT tenant_name, role, email, state, expires_at = :'expires_at' AS expires FROM teamrbac.peek_invitation(:'token');
SELECT tenant_name, role, email, state, expires_at = :'expires_at' AS expires FROM teamrbac.peek_invitation(:'token');
SELECT teamrbac.peek_invitation('no such token');
SELECT teamrbac.peek_invitation('');
SELECT teamrbac.peek_invitation(NULL);
-- Nobody, somebody else, and nonsense.
SELECT teamrbac.accept_invitation(:'token');
CALL teamrbac.decline_invitation(:'token');
SELECT teamrbac.sign_in(u('12'), false);
SELECT teamrbac.accept_invitation(:'token');
CALL teamrbac.decline_invitation(:'token');
SELECT teamrbac.accept_invitation('no such token');
SELECT teamrbac.accept_invitation(NULL);
CALL teamrbac.decline_invitation(repeat('x', 10000));
CALL teamrbac.decline_invitation(NULL);
-- Ann, however she spells her address.
SELECT teamrbac.sign_in(u('11'), false);
SELECT count(*) FROM teamrbac.my_tenants();
SELECT * FROM teamrbac.accept_invitation(:'token');
SELECT name, role FROM teamrbac.my_tenants();
-- Repeated by her it answers the same, and is nobody else's; nothing happens twice.
SELECT * FROM teamrbac.accept_invitation(:'token');
CALL teamrbac.decline_invitation(:'token');
SELECT teamrbac.sign_in(u('12'), false);
SELECT teamrbac.accept_invitation(:'token');
SELECT role, email, state FROM teamrbac.peek_invitation(:'token');
SELECT teamrbac.sign_in(u('02'), false);
SELECT teamrbac.resend_invitation(:'invitation_id');
CALL teamrbac.cancel_invitation(:'invitation_id');
SELECT count(*) FROM teamrbac.pending_invitation;
RESET ROLE;
SELECT * FROM invitations;
-- The mail that had not been sent is not sent any more, and its token has gone.
SELECT withdrawn_at IS NOT NULL AS withdrawn, token FROM teamrbac.outbox WHERE kind = 'invitation';
SELECT action, actor_kind, COALESCE(u.display_name, '-') AS actor, split_part(subject, ':', 1) AS subject, before, after - 'expires_at' AS after
	FROM teamrbac.audit_event AS e LEFT JOIN teamrbac.app_user AS u ON u.user_id = e.actor_id
	WHERE e.tenant_id = u('a0') AND action ~ '^(invitation|member)\.' ORDER BY sequence;
-- Removed since, she does not come back by it.
CALL teamrbac.remove_member(u('a0'), u('11'));
SELECT try(u('11'), format('SELECT teamrbac.accept_invitation(%L)', :'token'));

-- One pending invitation for an address and tenant; a member is not invited.
SELECT * FROM teamrbac.invite_member(u('a0'), 'ann@example.com', 'reader') \gset
SELECT teamrbac.invite_member(u('a0'), 'ANN@example.com', 'developer');
SELECT teamrbac.invite_member(u('a0'), 'Rita@Example.com', 'developer');
SELECT try(u('07'), format('SELECT teamrbac.invite_member(%L, ''ann@example.com'', ''reader'')', u('b0'))) AS "elsewhere";
-- A member by other means meanwhile: refused, and the role stays.
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('a0'), u('11'), 'admin');
SELECT teamrbac.sign_in(u('11'), false);
SELECT teamrbac.accept_invitation(:'token');
SELECT role FROM teamrbac.my_tenants();
SELECT teamrbac.sign_in(u('02'), false);
SELECT teamrbac.resend_invitation(:'invitation_id');
CALL teamrbac.cancel_invitation(:'invitation_id');
CALL teamrbac.remove_member(u('a0'), u('11'));

-- Declined: the token is dead, the address can be invited anew.
SELECT * FROM teamrbac.invite_member(u('a0'), 'ann@example.com', 'reader') \gset
SELECT teamrbac.sign_in(u('11'), false);
CALL teamrbac.decline_invitation(:'token');
CALL teamrbac.decline_invitation(:'token');
SELECT teamrbac.accept_invitation(:'token');
SELECT state FROM teamrbac.peek_invitation(:'token');
SELECT teamrbac.sign_in(u('02'), false);
SELECT teamrbac.resend_invitation(:'invitation_id');
CALL teamrbac.cancel_invitation(:'invitation_id');

-- Cancelled, likewise.
SELECT * FROM teamrbac.invite_member(u('a0'), 'ann@example.com', 'reader') \gset
CALL teamrbac.cancel_invitation(:'invitation_id');
CALL teamrbac.cancel_invitation(:'invitation_id');
SELECT teamrbac.resend_invitation(:'invitation_id');
SELECT try(u('11'), format('SELECT teamrbac.accept_invitation(%L)', :'token')) AS accept, try(u('11'), format('CALL teamrbac.decline_invitation(%L)', :'token')) AS decline;
SELECT state FROM teamrbac.peek_invitation(:'token');

-- Sent again: another token and all the time again; the old token is as unknown as any.
SELECT * FROM teamrbac.invite_member(u('a0'), 'ann@example.com', 'reader') \gset
\set old_token :token
SELECT teamrbac.sign_in(u('03'), false);
SELECT token, token <> :'old_token' AS another, expires_at > :'expires_at' AS later FROM teamrbac.resend_invitation(:'invitation_id') \gset
\echo :another :later
SELECT teamrbac.peek_invitation(:'old_token');
SELECT try(u('11'), format('SELECT teamrbac.accept_invitation(%L)', :'old_token')) AS old, try(u('11'), format('SELECT teamrbac.accept_invitation(%L)', :'token')) AS new;
-- Now it is Alma's, who sent it again.
SELECT email, role, invited_by FROM teamrbac.pending_invitation;
SELECT kind, recipient, token = :'token' AS new_token, withdrawn_at IS NOT NULL AS withdrawn, fields - 'expires_at' AS fields
	FROM teamrbac.outbox WHERE invitation_id = :'invitation_id' ORDER BY created_at;

-- Over in time: refused by every path, whether or not a job has marked it, and not among the pending ones.
SELECT lapse('ann@example.com');
SELECT state FROM teamrbac.peek_invitation(:'token');
SELECT count(*) FROM teamrbac.pending_invitation;
CALL teamrbac.cancel_invitation(:'invitation_id');
SELECT teamrbac.sign_in(u('11'), false);
SELECT teamrbac.accept_invitation(:'token');
CALL teamrbac.decline_invitation(:'token');
SELECT teamrbac.sign_in(u('02'), false);
-- It never blocks another one.
BEGIN;
SELECT count(token) FROM teamrbac.invite_member(u('a0'), 'ANN@example.com', 'developer');
SELECT email, role, state, lapsed FROM invitations WHERE lower(email) = 'ann@example.com' OFFSET 4;
-- Then it cannot be sent again itself, while the other one is pending.
SAVEPOINT s;
SELECT teamrbac.resend_invitation(:'invitation_id');
ROLLBACK TO s;
SELECT lapse('ANN@example.com');
SELECT count(token) FROM teamrbac.resend_invitation(:'invitation_id');
SELECT email, role, state, lapsed FROM invitations WHERE lower(email) = 'ann@example.com' OFFSET 4;
ROLLBACK;
-- It can be sent again, marked or not.
SELECT token FROM teamrbac.resend_invitation(:'invitation_id') \gset
SELECT try(u('11'), format('SELECT teamrbac.accept_invitation(%L)', :'token'));
SELECT lapse('ann@example.com');
CALL teamrbac.expire_invitations();
SELECT email, state, lapsed FROM invitations WHERE email = 'ann@example.com' OFFSET 3;
SELECT count(*) FROM teamrbac.outbox WHERE token IS NOT NULL;
SELECT teamrbac.sign_in(u('11'), false);
SELECT teamrbac.accept_invitation(:'token');
SELECT teamrbac.sign_in(u('02'), false);
SELECT token FROM teamrbac.resend_invitation(:'invitation_id') \gset
SELECT state FROM teamrbac.peek_invitation(:'token');
SELECT try(u('11'), format('SELECT teamrbac.accept_invitation(%L)', :'token'));
CALL teamrbac.cancel_invitation(:'invitation_id');

-- The lifetime is a setting, a superuser's.
SET teamrbac.invitation_lifetime = '200 ms';
SELECT token FROM teamrbac.invite_member(u('a0'), 'ann@example.com', 'reader') \gset
SELECT state FROM teamrbac.peek_invitation(:'token');
SELECT pg_sleep(0.3);
SELECT state FROM teamrbac.peek_invitation(:'token');
SELECT try(u('11'), format('SELECT teamrbac.accept_invitation(%L)', :'token'));
RESET teamrbac.invitation_lifetime;
SET ROLE regress_app;
SET teamrbac.invitation_lifetime = '1000 days';
SET teamrbac.max_pending_invitations = 1000000;
RESET ROLE;

-- The job works in batches; it is for the DBA.
DELETE FROM teamrbac.invitation;
SELECT count(teamrbac.invite_member(u('a0'), n || '@example.com', 'reader')) FROM generate_series(1, 7) AS n;
UPDATE teamrbac.invitation SET expires_at = clock_timestamp() WHERE email < '6';
SELECT teamrbac.expire_invitation_batch(2);
CALL teamrbac.expire_invitations(2);
SELECT state, count(*) FROM invitations GROUP BY state ORDER BY state;
CALL teamrbac.expire_invitations(1);
SELECT teamrbac.expire_invitation_batch(1000);
CALL teamrbac.expire_invitations(0);
CALL teamrbac.expire_invitations(NULL);
SELECT count(*), min(before::text) AS before, min(after::text) AS after FROM teamrbac.audit_event WHERE action = 'invitation.expired' AND before ->> 'email' ~ '^\d';
SELECT count(*), count(token) AS tokens, count(withdrawn_at) AS withdrawn FROM teamrbac.outbox WHERE recipient ~ '^\d';
SELECT valid, problem FROM teamrbac.verify_audit(u('a0'));
SET ROLE regress_app;
CALL teamrbac.expire_invitations();
SELECT teamrbac.expire_invitation_batch(1);
RESET ROLE;

-- No more than so many at once; expired ones don't count.
DELETE FROM teamrbac.invitation;
SET teamrbac.max_pending_invitations = 2;
SELECT count(token) FROM teamrbac.invite_member(u('a0'), 'a@example.com', 'reader');
SELECT invitation_id FROM teamrbac.invite_member(u('a0'), 'b@example.com', 'reader') \gset
SELECT teamrbac.invite_member(u('a0'), 'c@example.com', 'reader');
SELECT count(token) AS "sent again" FROM teamrbac.resend_invitation(:'invitation_id');
SELECT lapse('b@example.com');
SELECT count(token) FROM teamrbac.invite_member(u('a0'), 'c@example.com', 'reader');
SELECT teamrbac.resend_invitation(:'invitation_id');
SELECT try(u('07'), format('SELECT teamrbac.invite_member(%L, ''a@example.com'', ''reader'')', u('b0'))) AS "elsewhere";
RESET teamrbac.max_pending_invitations;
DELETE FROM teamrbac.invitation;

-- A membership that will end by itself: as promised, and not one that would have ended already.
SELECT teamrbac.invite_member(u('a0'), 'ann@example.com', 'developer', now());
SELECT teamrbac.invite_member(u('a0'), 'ann@example.com', 'developer', '-infinity');
SELECT token FROM teamrbac.invite_member(u('a0'), 'ann@example.com', 'developer', clock_timestamp() + interval '0.5 s') \gset
BEGIN;
SELECT teamrbac.sign_in(u('11'));
SELECT role FROM teamrbac.accept_invitation(:'token');
SELECT expires_at < now() + interval '1 s' AS contractor FROM teamrbac.membership WHERE user_id = u('11');
ROLLBACK;
SELECT pg_sleep(0.6);
SELECT teamrbac.sign_in(u('11'), false);
SELECT teamrbac.accept_invitation(:'token');
DELETE FROM teamrbac.invitation;
SELECT teamrbac.sign_in(u('02'), false);
SELECT token FROM teamrbac.invite_member(u('a0'), 'ann@example.com', 'developer', 'infinity') \gset
-- One that has ended, and was not removed by a job yet, stops neither an invitation nor its acceptance.
INSERT INTO teamrbac.membership (tenant_id, user_id, role, expires_at) VALUES (u('a0'), u('11'), 'admin', now() - interval '1 day'), (u('a0'), u('12'), 'admin', now() - interval '1 day');
SELECT count(token) FROM teamrbac.invite_member(u('a0'), 'bob@example.com', 'reader');
SELECT teamrbac.sign_in(u('11'), false);
SELECT role FROM teamrbac.accept_invitation(:'token');
SELECT role, expires_at FROM teamrbac.membership WHERE user_id = u('11');
SELECT name, role FROM teamrbac.my_tenants();
CALL teamrbac.leave_tenant(u('a0'));
DELETE FROM teamrbac.membership WHERE user_id = u('12');
DELETE FROM teamrbac.invitation;

-- Whoever sent it must still be able to: demoted, removed, gone, expired, disabled, or the role made more.
SELECT teamrbac.sign_in(u('02'), false);
SELECT token FROM teamrbac.invite_member(u('a0'), 'ann@example.com', 'developer') \gset
SELECT teamrbac.define_role('helper', 'Helper', ARRAY['prompts.view']);
SELECT token AS helper_token FROM teamrbac.invite_member(u('a0'), 'bob@example.com', 'helper') \gset
CREATE FUNCTION accept_after(who uuid, token text, happening text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE happening;
		RAISE EXCEPTION USING ERRCODE = 'TR000', MESSAGE = try(who, format('SELECT teamrbac.accept_invitation(%L)', token)),
			DETAIL = (SELECT state FROM teamrbac.peek_invitation(token));
	EXCEPTION WHEN SQLSTATE 'TR000' THEN
		DECLARE state text;
		BEGIN
			GET STACKED DIAGNOSTICS state = PG_EXCEPTION_DETAIL;
			RETURN SQLERRM || ' ' || state;
		END;
	END;
END $$;
SELECT happening, accept_after(u('11'), :'token', statement) FROM (VALUES
	(1, 'nothing', 'SELECT'),
	(2, 'demoted to developer', format('CALL teamrbac.change_role(%L, %L, ''developer'')', u('a0'), u('02'))),
	(3, 'demoted to lead', format('CALL teamrbac.change_role(%L, %L, ''lead'')', u('a0'), u('02'))),
	(4, 'gone', format('CALL teamrbac.leave_tenant(%L)', u('a0'))),
	(5, 'removed', format('SELECT teamrbac.sign_in(%L); CALL teamrbac.remove_member(%L, %L)', u('01'), u('a0'), u('02'))),
	(6, 'made the Owner', format('SELECT teamrbac.sign_in(%L); CALL teamrbac.transfer_ownership(%L, %L)', u('01'), u('a0'), u('02'))),
	-- What cancels nothing, and counts all the same.
	(7, 'disabled', format('CALL teamrbac.disable_user(%L)', u('02'))),
	(8, 'demoted by hand', format('UPDATE teamrbac.membership SET role = ''reader'' WHERE user_id = %L', u('02'))),
	(9, 'membership expired', format('UPDATE teamrbac.membership SET expires_at = now() WHERE user_id = %L', u('02'))),
	(10, 'expired and removed by the job', format('UPDATE teamrbac.membership SET expires_at = now() WHERE user_id = %L; SELECT teamrbac.expire_membership_batch(10)', u('02'))),
	(11, 'deleted', format('DELETE FROM teamrbac.app_user WHERE user_id = %L', u('02')))) AS t(n, happening, statement) ORDER BY n;
SELECT happening, accept_after(u('12'), :'helper_token', statement) FROM (VALUES
	(1, 'helper may more, but no more than Adam', 'SELECT teamrbac.define_role(''helper'', ''Helper'', ARRAY[''prompts.view'', ''prompts.edit''])'),
	(2, 'helper may what Adam may not', 'SELECT teamrbac.define_role(''helper'', ''Helper'', ARRAY[''prompts.view'', ''reports.view''])'),
	(3, 'an Admin may no longer what helper may', 'SELECT teamrbac.define_permission(''shop.view'', ''x'', ''{admin}''); SELECT teamrbac.define_role(''helper'', ''Helper'', ARRAY[''shop.view'']); SELECT teamrbac.define_permission(''shop.view'', ''x'', ''{}'')')) AS t(n, happening, statement) ORDER BY n;
-- What it says then.
UPDATE teamrbac.membership SET role = 'reader' WHERE user_id = u('02');
SELECT teamrbac.sign_in(u('11'), false);
SELECT teamrbac.accept_invitation(:'token');
UPDATE teamrbac.membership SET role = 'admin' WHERE user_id = u('02');
-- What a demotion leaves is what may still be sent: a lead may send what is a helper's, not what is a developer's.
SELECT teamrbac.sign_in(u('01'), false);
SELECT * FROM teamrbac.removal_impact(u('a0'), u('02')) ORDER BY kind, subject;
BEGIN;
CALL teamrbac.change_role(u('a0'), u('02'), 'lead');
SELECT email, role, state FROM invitations;
SELECT subject = 'invitation:' || invitation_id AS cancelled, before, after FROM teamrbac.audit_event JOIN teamrbac.invitation USING (tenant_id) WHERE state = 'cancelled' AND action = 'invitation.cancelled' ORDER BY sequence DESC LIMIT 1;
ROLLBACK;
-- The Owner's, once ownership is transferred: an Admin may not give what no Admin has.
BEGIN;
SELECT count(token) FROM teamrbac.invite_member(u('a0'), 'a@example.com', 'auditor');
SELECT count(token) FROM teamrbac.invite_member(u('a0'), 'b@example.com', 'admin');
CALL teamrbac.transfer_ownership(u('a0'), u('03'));
SELECT email, role, state FROM invitations WHERE invited_by = 'Olivia';
ROLLBACK;
BEGIN;
SELECT count(token) FROM teamrbac.invite_member(u('a0'), 'a@example.com', 'auditor');
CALL teamrbac.assign_owner(u('a0'), u('03'));
SELECT email, role, state FROM invitations WHERE invited_by = 'Olivia';
ROLLBACK;

-- A role is in use while an invitation into it is pending, and only then.
SELECT teamrbac.drop_role('helper');
SELECT teamrbac.sign_in(u('12'), false);
CALL teamrbac.decline_invitation(:'helper_token');
SELECT teamrbac.drop_role('helper');
DELETE FROM teamrbac.invitation;

-- Sending again and taking back need what sending needs; a lead's reach ends at a lead's permissions.
SELECT teamrbac.sign_in(u('02'), false);
SELECT invitation_id FROM teamrbac.invite_member(u('a0'), 'ann@example.com', 'developer') \gset
SELECT actor, try(u(id), format('SELECT teamrbac.resend_invitation(%L)', :'invitation_id')) AS resend, try(u(id), format('CALL teamrbac.cancel_invitation(%L)', :'invitation_id')) AS cancel
	FROM (VALUES ('01', 'Olivia, owner'), ('03', 'Alma, admin'), ('04', 'Leo, lead'), ('05', 'Dana, developer'), ('06', 'Rita, reader'), ('07', 'Sam, stranger'), ('11', 'Ann, invited')) AS a(id, actor) ORDER BY id;
-- Whoever manages the team sees them.
CREATE FUNCTION seen_by(who uuid) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN PERFORM teamrbac.sign_in(who); RETURN (SELECT count(*) FROM teamrbac.pending_invitation); END $$;
SELECT actor, seen_by(u(id)) FROM (VALUES ('01', 'Olivia, owner'), ('02', 'Adam, admin'), ('04', 'Leo, lead'), ('05', 'Dana, developer'), ('06', 'Rita, reader'), ('07', 'Sam, stranger'), ('11', 'Ann, invited')) AS a(id, actor) ORDER BY id;
-- Another tenant's invitation reads like one that doesn't exist.
SELECT teamrbac.sign_in(u('07'), false);
SELECT teamrbac.resend_invitation(:'invitation_id');
SELECT teamrbac.resend_invitation(u('ff'));
CALL teamrbac.cancel_invitation(:'invitation_id');
CALL teamrbac.cancel_invitation(u('ff'));
SELECT teamrbac.invite_member(u('a0'), 'ann@example.com', 'reader');
SELECT teamrbac.invite_member(u('ff'), 'ann@example.com', 'reader');
-- Nobody, and nothing.
SELECT teamrbac.resend_invitation(NULL);
CALL teamrbac.cancel_invitation(NULL);
SELECT teamrbac.invite_member(NULL, 'ann@example.com', 'reader');
SELECT teamrbac.invite_member(u('a0'), NULL, 'reader');
SELECT teamrbac.invite_member(u('a0'), 'ann@example.com', NULL);
SELECT teamrbac.sign_out();
SELECT teamrbac.resend_invitation(:'invitation_id');
CALL teamrbac.cancel_invitation(:'invitation_id');
SELECT teamrbac.invite_member(u('a0'), 'ann@example.com', 'reader');
SELECT count(*) FROM teamrbac.pending_invitation;

-- A deleted tenant has no invitations; a restored one has them again.
SELECT teamrbac.sign_in(u('01'), false);
SELECT token FROM teamrbac.resend_invitation(:'invitation_id') \gset
CALL teamrbac.delete_tenant(u('a0'), 'Acme');
SELECT teamrbac.peek_invitation(:'token');
SELECT try(u('11'), format('SELECT teamrbac.accept_invitation(%L)', :'token')) AS accept, try(u('11'), format('CALL teamrbac.decline_invitation(%L)', :'token')) AS decline,
	try(u('01'), format('CALL teamrbac.cancel_invitation(%L)', :'invitation_id')) AS cancel, seen_by(u('01'));
CALL teamrbac.restore_tenant(u('a0'));
SELECT try(u('11'), format('SELECT teamrbac.accept_invitation(%L)', :'token'));

-- Whoever registers after being invited; a disabled user; one whose address has changed.
SELECT token AS late_token FROM teamrbac.invite_member(u('a0'), 'jürgen@bücher.example', 'reader') \gset
SELECT count(teamrbac.register_user('JüRGEN@Bücher.EXAMPLE', 'Jürgen', u('14')));
SELECT try(u('14'), format('SELECT teamrbac.accept_invitation(%L)', :'late_token'));
CALL teamrbac.disable_user(u('14'));
SELECT try(u('14'), format('SELECT teamrbac.accept_invitation(%L)', :'late_token'));
CALL teamrbac.enable_user(u('14'));
SELECT teamrbac.update_user(u('14'), 'other@example.com');
SELECT try(u('14'), format('SELECT teamrbac.accept_invitation(%L)', :'late_token'));

-- An API key is no person: it neither invites nor accepts.
SELECT secret FROM teamrbac.sign_in(u('01'), false), teamrbac.create_api_key(u('a0'), 'deploy', 'owner') \gset
SELECT role FROM teamrbac.sign_in_with_api_key(:'secret', false);
SELECT teamrbac.invite_member(u('a0'), 'new@example.com', 'reader');
SELECT teamrbac.resend_invitation(:'invitation_id');
CALL teamrbac.cancel_invitation(:'invitation_id');
SELECT teamrbac.accept_invitation(:'token');
CALL teamrbac.decline_invitation(:'token');
SELECT count(*) FROM teamrbac.pending_invitation;

-- Addresses: what could smuggle a second header or address is refused.
SELECT teamrbac.sign_in(u('02'), false);
SELECT try(u('02'), format('SELECT teamrbac.invite_member(%L, %L, ''reader'')', u('a0'), e)) AS state, left(e, 24) AS address
	FROM unnest(ARRAY['', 'x', '@', 'a@', '@b', 'a b@c', 'a@b@c', 'a@b,c@d', 'A <a@b>', '"a"@b', E'a@b\r\nBcc: c@d', E'a@b\nX: y', E'a\r@b', E'a\tb@c', repeat('x', 10000) || '@x.io', repeat('x', 250) || '@x.io',
		repeat('x', 248) || '@x.io', '用户@例子.公司', 'ann+tag@example.com', 'o''brien@example.com']) WITH ORDINALITY AS t(e, n) ORDER BY n;
SELECT teamrbac.invite_member(u('a0'), E'a@b\r\nBcc: c@d', 'reader');
SELECT try(u('02'), format('SELECT teamrbac.invite_member(%L, ''new@example.com'', %L)', u('a0'), r)) AS state, left(r, 20) AS role
	FROM unnest(ARRAY['', 'boss', 'Reader', 'owner', repeat('r', 10000), E'reader\n']) WITH ORDINALITY AS t(r, n) ORDER BY n;

-- Tags and dots distinguish addresses; an invitation is for one of them only.
SELECT token FROM teamrbac.invite_member(u('a0'), 'ann+work@example.com', 'reader') \gset
SELECT try(u('11'), format('SELECT teamrbac.accept_invitation(%L)', :'token'));
-- Rolled back, there is neither an invitation nor a mail.
BEGIN;
SELECT token FROM teamrbac.invite_member(u('a0'), 'gone@example.com', 'reader') \gset
ROLLBACK;
SELECT teamrbac.peek_invitation(:'token');
SELECT count(*) FROM teamrbac.outbox WHERE recipient = 'gone@example.com';
-- Accepted and rolled back, it is pending.
SELECT token FROM teamrbac.invite_member(u('a0'), 'cleo@example.com', 'reader') \gset
BEGIN;
SELECT teamrbac.sign_in(u('13'));
SELECT role FROM teamrbac.accept_invitation(:'token');
SELECT state FROM teamrbac.peek_invitation(:'token');
ROLLBACK;
SELECT state FROM teamrbac.peek_invitation(:'token');

-- A look at the link says what acceptance would, while nobody has marked anything: its sender disabled for a while, or
-- a membership that would be over.
CREATE FUNCTION looks(token text) RETURNS text LANGUAGE sql AS $$
	SELECT state || ', ' || try(u('13'), format('SELECT teamrbac.accept_invitation(%L)', token)) FROM teamrbac.peek_invitation(token) $$;
SELECT looks(:'token') AS "as it is";
RESET ROLE;
BEGIN;
CALL teamrbac.disable_user(u('02'));
SELECT looks(:'token') AS "its sender disabled";
CALL teamrbac.enable_user(u('02'));
SELECT looks(:'token') AS "and enabled";
UPDATE teamrbac.invitation SET membership_expires_at = clock_timestamp() WHERE email = 'cleo@example.com' AND state = 'pending';
SELECT looks(:'token') AS "the membership would be over";
ROLLBACK;
SELECT looks(:'token') AS "as it was";

-- What the schema itself refuses to a DBA.
\set VERBOSITY sqlstate
INSERT INTO teamrbac.invitation (tenant_id, invitation_id, email, role, invited_by, token_hash, expires_at) VALUES (u('a0'), u('e1'), 'CLEO@example.com', 'reader', u('01'), sha256('x'), 'infinity');
INSERT INTO teamrbac.invitation (tenant_id, invitation_id, email, role, invited_by, token_hash, expires_at) VALUES (u('a0'), u('e1'), 'x@example.com', 'owner', u('01'), sha256('x'), 'infinity');
INSERT INTO teamrbac.invitation (tenant_id, invitation_id, email, role, invited_by, token_hash, expires_at) VALUES (u('a0'), u('e1'), 'x@example.com', 'boss', u('01'), sha256('x'), 'infinity');
INSERT INTO teamrbac.invitation (tenant_id, invitation_id, email, role, invited_by, token_hash, expires_at) VALUES (u('a0'), u('e1'), 'x@example.com', 'reader', u('01'), 'token', 'infinity');
INSERT INTO teamrbac.invitation (tenant_id, invitation_id, email, role, invited_by, token_hash, expires_at) VALUES (u('a0'), u('e1'), E'x@example.com\nBcc: y@z', 'reader', u('01'), sha256('x'), 'infinity');
UPDATE teamrbac.invitation SET state = 'accepted' WHERE email = 'cleo@example.com';
UPDATE teamrbac.invitation SET state = 'cancelled' WHERE email = 'cleo@example.com';
UPDATE teamrbac.invitation SET accepted_by = u('01') WHERE email = 'cleo@example.com';
\set VERBOSITY default
-- With the tenant they go.
DELETE FROM teamrbac.tenant WHERE tenant_id = u('a0');
SELECT count(*) FROM teamrbac.invitation;

DROP VIEW invitations;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION try, accept_after, lapse, seen_by, u;
DROP OWNED BY regress_app;
DROP ROLE regress_app;
