-- Links, domains and requests: ways into a team without an invitation by address.
\getenv srcdir PG_ABS_SRCDIR
\set acme :srcdir /fixtures/acme.sql
\i :acme
GRANT EXECUTE ON PROCEDURE teamrbac.allow_domain(uuid, text, text, boolean) TO regress_app;
CREATE VIEW members AS SELECT u.display_name, m.role FROM teamrbac.membership AS m
	JOIN teamrbac.app_user AS u USING (user_id)
	WHERE m.tenant_id = u('a0') AND user_id > u('10') ORDER BY 1;
CREATE VIEW audited AS SELECT action, COALESCE(u.display_name, e.actor_kind) AS actor, split_part(subject, ':',
	1) AS subject, before, after - 'link_id' - 'expires_at' AS after
	FROM teamrbac.audit_event AS e LEFT JOIN teamrbac.app_user AS u ON u.user_id = e.actor_id
	WHERE tenant_id = u('a0') ORDER BY sequence;

-- A link: who may make one, for which role; bad arguments.
SELECT role, e.* FROM unnest(ARRAY['owner', 'admin', 'lead', 'developer', 'reader', 'nonsense',
	NULL]) WITH ORDINALITY AS r(role, n),
	everybody(format('SELECT teamrbac.invite_by_link(%L, %L)', u('a0'), role)) AS e ORDER BY n;
SELECT uses, until, try(u('01'), format('SELECT teamrbac.invite_by_link(%L, ''reader'', %L, %L)', u('a0'), uses,
	until)) FROM (VALUES
	(1, NULL), (10000, '2999-01-01'), (0, NULL), (-1, NULL), (10001, NULL), (NULL, NULL), (1, '2001-01-01'), (1,
	'infinity'), (1, '-infinity')) AS t(uses, until);
SELECT try(u('01'), format('SELECT teamrbac.invite_by_link(%L, ''reader'')', u('ff'))), try(u('01'),
	'SELECT teamrbac.invite_by_link(NULL, ''reader'')');
-- Made by Adam, for two.  Only the hash of the token is stored.
BEGIN;
SELECT teamrbac.sign_in(u('02'));
SELECT link_id AS link, token, round(extract(epoch FROM expires_at - now()) / 86400) AS days
	FROM teamrbac.invite_by_link(u('a0'), 'developer', 2) \gset
SELECT role, state, uses, used, maker FROM teamrbac.invitation_link_overview;
COMMIT;
SELECT :days AS days, token_hash = digest(:'token', 'sha256') AS hashed, l::text ~ :'token' AS has_token
	FROM teamrbac.invitation_link AS l;
SELECT count(*) FROM teamrbac.audit_event AS e WHERE e::text ~ :'token' OR e.after ? 'token_hash';
SET ROLE regress_app;
SELECT count(*) FROM teamrbac.invitation_link_overview;
SELECT tenant_name, role, email, state FROM teamrbac.peek_invitation(:'token');
RESET ROLE;
-- Nobody, a member, the wrong token; a link is not declined.
SELECT try(NULL, format('SELECT teamrbac.accept_invitation(%L)', :'token')) AS nobody, try(u('05'),
	format('SELECT teamrbac.accept_invitation(%L)', :'token')) AS member,
	try(u('11'), 'SELECT teamrbac.accept_invitation(''wrong'')') AS wrong, try(u('11'),
	format('CALL teamrbac.decline_invitation(%L)', :'token')) AS decline;
-- Two join, the third finds it used up; nothing is counted twice, nor for who was in already.
BEGIN;
SELECT teamrbac.sign_in(u('11'));
SELECT tenant_id = u('a0') AS acme, role FROM teamrbac.accept_invitation(:'token');
COMMIT;
SELECT try(u('11'), format('SELECT teamrbac.accept_invitation(%L)', :'token'));
SELECT used FROM teamrbac.invitation_link;
BEGIN;
SELECT teamrbac.sign_in(u('12'));
SELECT role FROM teamrbac.accept_invitation(:'token');
SELECT teamrbac.sign_in(u('13'));
SELECT state FROM teamrbac.peek_invitation(:'token');
SELECT teamrbac.accept_invitation(:'token');
ROLLBACK;
SELECT * FROM members;
SELECT recipient, kind, fields FROM teamrbac.outbox WHERE kind = 'invitation_accepted';
-- Whoever was removed, or whose time ran out, does not come back by the link, nor who leaves to be rid of a lesser
-- role;
-- by an invitation to their address they do.
BEGIN;
SELECT teamrbac.sign_in(u('01'));
CALL teamrbac.remove_member(u('a0'), u('11'));
SELECT try(u('11'), format('SELECT teamrbac.accept_invitation(%L)', :'token'));
SELECT token AS mine FROM teamrbac.invite_member(u('a0'), 'ann@acme.example', 'reader') \gset
SELECT teamrbac.sign_in(u('11'));
SELECT role FROM teamrbac.accept_invitation(:'mine');
CALL teamrbac.leave_tenant(u('a0'));
SELECT teamrbac.accept_invitation(:'token');
ROLLBACK;
BEGIN;
UPDATE teamrbac.membership SET expires_at = clock_timestamp() WHERE user_id = u('11');
SELECT try(u('11'), format('SELECT teamrbac.accept_invitation(%L)', :'token'));
SELECT teamrbac.expire_membership_batch(10);
SELECT try(u('11'), format('SELECT teamrbac.accept_invitation(%L)', :'token'));
ROLLBACK;
-- It ends by the clock, with its maker's authority, by hand or by a command, and when it is revoked.
BEGIN;
UPDATE teamrbac.invitation_link SET expires_at = clock_timestamp();
SELECT state, try(u('12'), format('SELECT teamrbac.accept_invitation(%L)', :'token'))
	FROM teamrbac.peek_invitation(:'token');
ROLLBACK;
BEGIN;
UPDATE teamrbac.membership SET role = 'reader' WHERE user_id = u('02');
SELECT state, try(u('12'), format('SELECT teamrbac.accept_invitation(%L)', :'token'))
	FROM teamrbac.peek_invitation(:'token');
ROLLBACK;
BEGIN;
SELECT teamrbac.sign_in(u('01'));
CALL teamrbac.change_role(u('a0'), u('02'), 'lead');
SELECT state, used FROM teamrbac.invitation_link_overview;
CALL teamrbac.change_role(u('a0'), u('02'), 'admin');
SELECT state, try(u('12'), format('SELECT teamrbac.accept_invitation(%L)', :'token'))
	FROM teamrbac.peek_invitation(:'token');
ROLLBACK;
BEGIN;
SELECT teamrbac.define_role('odd', 'Odd', '{prompts.view}');
SELECT teamrbac.sign_in(u('02'));
SELECT token AS odd FROM teamrbac.invite_by_link(u('a0'), 'odd') \gset
CALL teamrbac.allow_domain(u('a0'), 'odd.example', 'odd');
SELECT teamrbac.sign_out();
SAVEPOINT s;
SELECT teamrbac.drop_role('odd');
ROLLBACK TO s;
UPDATE teamrbac.invitation_link SET used = uses WHERE role = 'odd';
SELECT teamrbac.drop_role('odd');
ROLLBACK TO s;
UPDATE teamrbac.invitation_link SET revoked_at = now() WHERE role = 'odd';
DELETE FROM teamrbac.tenant_domain WHERE role = 'odd';
SELECT teamrbac.drop_role('odd');
SELECT state, try(u('12'), format('SELECT teamrbac.accept_invitation(%L)', :'odd'))
	FROM teamrbac.peek_invitation(:'odd');
ROLLBACK;
SELECT e.* FROM everybody(format('CALL teamrbac.revoke_invitation_link(%L)', :'link')) AS e UNION ALL SELECT e.*
	FROM everybody(format('CALL teamrbac.revoke_invitation_link(%L)', u('ff'))) AS e;
BEGIN;
SELECT teamrbac.sign_in(u('03'));
CALL teamrbac.revoke_invitation_link(:'link');
SELECT try(u('03'), format('CALL teamrbac.revoke_invitation_link(%L)', :'link')), try(u('12'),
	format('SELECT teamrbac.accept_invitation(%L)', :'token'));
SELECT state FROM teamrbac.invitation_link_overview;
COMMIT;
-- Purged with old invitations, when the DBA has set a retention.
BEGIN;
UPDATE teamrbac.invitation_link SET expires_at = clock_timestamp() - interval '2 days';
SELECT teamrbac.purge_invitation_batch(10);
SET LOCAL teamrbac.invitation_retention = '3 days';
SELECT teamrbac.purge_invitation_batch(10);
SET LOCAL teamrbac.invitation_retention = '1 day';
SELECT teamrbac.purge_invitation_batch(10);
SELECT count(*) FROM teamrbac.invitation_link;
ROLLBACK;
-- As many as invitations may be pending.
SET teamrbac.max_pending_invitations = 0;
SELECT try(u('01'), format('SELECT teamrbac.invite_by_link(%L, ''reader'')', u('a0')));
RESET teamrbac.max_pending_invitations;
SELECT * FROM audited WHERE action ~ 'link|joined';

-- Domains.  Only what has proved the domain may allow it, for somebody who manages the team and has the role.
SELECT role, e.* FROM unnest(ARRAY['owner', 'admin', 'lead', 'developer', 'reader', 'nonsense',
	NULL]) WITH ORDINALITY AS r(role, n),
	everybody(format('CALL teamrbac.allow_domain(%L, ''acme.example'', %L)', u('a0'), role)) AS e ORDER BY n;
REVOKE EXECUTE ON PROCEDURE teamrbac.allow_domain(uuid, text, text, boolean) FROM regress_app;
SELECT try(u('01'), format('CALL teamrbac.allow_domain(%L, ''acme.example'', ''reader'')', u('a0')));
GRANT EXECUTE ON PROCEDURE teamrbac.allow_domain(uuid, text, text, boolean) TO regress_app;
SELECT left(domain, 30) AS domain, try(u('01'), format('CALL teamrbac.allow_domain(%L, %L, ''reader'')', u('a0'),
	domain)) FROM (VALUES
	('a.example'), ('ACME.Example'), ('xn--bcher-kva.example'), ('com'), (''), ('.example'), ('a.'), ('a..b'),
	('a@b.c'), ('a b.c'), ('-a.b'), ('bücher.example'), (E'a.b\n'), (NULL),
	(repeat('a.', 130) || 'b'), (repeat('a', 1000000)), ('gmail.com'), ('GMail.COM'), ('Outlook.com'),
	('mail.gmail.com')) AS t(domain);
-- The list of public ones is the DBA's; what they add is dumped, what is built in stays.
SELECT try(u('01'), 'CALL teamrbac.set_public_mail_domain(''a.example'', true)');
BEGIN;
CALL teamrbac.set_public_mail_domain('A.Example', true);
CALL teamrbac.set_public_mail_domain('gmail.com', false);
SELECT domain, try(u('01'), format('CALL teamrbac.allow_domain(%L, %L, ''reader'')', u('a0'), domain))
	FROM (VALUES ('a.example'), ('gmail.com')) AS t(domain);
CALL teamrbac.set_public_mail_domain('gmail.com', true);
SELECT * FROM teamrbac.public_mail_domain WHERE NOT built_in ORDER BY 1;
SELECT action, subject, before, after FROM teamrbac.audit_event WHERE scope = 'platform' AND action ~ '^mail'
	ORDER BY sequence;
ROLLBACK;
DELETE FROM teamrbac.public_mail_domain WHERE domain = 'gmail.com';
CALL teamrbac.set_public_mail_domain('nonsense', true);
CALL teamrbac.set_public_mail_domain('a.example', NULL);

-- acme.example lets people join as readers by themselves; Borealis lets them ask.
SELECT teamrbac.update_user(u('13'), 'cleo@elsewhere.example'), teamrbac.update_user(u('14'), 'dave@ACME.Example');
BEGIN;
SELECT teamrbac.sign_in(u('02'));
CALL teamrbac.allow_domain(u('a0'), 'acme.example', 'reader');
SELECT domain, role, automatic, allower FROM teamrbac.tenant_domain_overview;
SELECT teamrbac.sign_in(u('07'));
CALL teamrbac.allow_domain(u('b0'), 'acme.example', 'admin', automatic => false);
COMMIT;
CREATE VIEW joinable AS SELECT u.display_name, j.tenant_name, j.role, j.automatic, j.requested_at IS NOT NULL AS asked
	FROM (SELECT 1) AS one,
	teamrbac.joinable_tenants() AS j LEFT JOIN teamrbac.app_user AS u ON u.user_id = teamrbac.current_user_id();
SELECT * FROM joinable;
BEGIN;
SELECT teamrbac.sign_in(u('14'));
SELECT * FROM joinable;
SELECT teamrbac.sign_in(u('13'));
SELECT * FROM joinable;
SELECT teamrbac.sign_in(u('05'));
SELECT * FROM joinable;
COMMIT;
SELECT who, try(u(who), format('SELECT teamrbac.join_tenant(%L)', u('a0'))) AS join_acme, try(u(who),
	format('SELECT teamrbac.join_tenant(%L)', u('b0'))) AS join_borealis,
	try(u(who), format('SELECT teamrbac.join_tenant(%L)', u('ff'))) AS join_none, try(u(who),
	format('CALL teamrbac.request_to_join(%L)', u('b0'))) AS ask_borealis,
	try(u(who), format('CALL teamrbac.request_to_join(%L)', u('ff'))) AS ask_none
	FROM (VALUES ('14'), ('13'), ('05'), ('11')) AS t(who);
SELECT try(NULL, format('SELECT teamrbac.join_tenant(%L)', u('a0'))) AS nobody_joins, try(NULL,
	format('CALL teamrbac.request_to_join(%L)', u('a0'))) AS nobody_asks, try(u('14'),
	'SELECT teamrbac.join_tenant(NULL)');
-- A stranger cannot tell whether there is such a tenant.
BEGIN;
SELECT teamrbac.sign_in(u('13'));
SAVEPOINT s;
SELECT teamrbac.join_tenant(u('a0'));
ROLLBACK TO s;
SELECT teamrbac.join_tenant(u('ff'));
ROLLBACK;
BEGIN;
SELECT teamrbac.sign_in(u('14'));
SELECT teamrbac.join_tenant(u('a0'));
SELECT teamrbac.has_permission(u('a0'), 'prompts.view') AS views, teamrbac.has_permission(u('a0'),
	'prompts.edit') AS edits;
SELECT * FROM joinable;
COMMIT;
-- Removed: not by the domain either. What was allowed ends with the authority of whoever allowed it, and when the
-- domain turns out to be public.
BEGIN;
SELECT teamrbac.sign_in(u('01'));
CALL teamrbac.remove_member(u('a0'), u('14'));
SELECT try(u('14'), format('SELECT teamrbac.join_tenant(%L)', u('a0'))), try(u('14'),
	format('CALL teamrbac.request_to_join(%L)', u('a0'))), try(u('14'),
	format('CALL teamrbac.withdraw_join_request(%L)', u('a0')));
SELECT * FROM teamrbac.join_request_overview;
SELECT teamrbac.sign_in(u('14'));
SELECT * FROM joinable;
ROLLBACK;
BEGIN;
UPDATE teamrbac.membership SET role = 'developer' WHERE user_id = u('02');
SELECT try(u('12'), format('SELECT teamrbac.join_tenant(%L)', u('a0')));
ROLLBACK;
BEGIN;
SELECT teamrbac.sign_in(u('01'));
CALL teamrbac.remove_member(u('a0'), u('02'));
SELECT count(*) FROM teamrbac.tenant_domain_overview;
SELECT try(u('12'), format('SELECT teamrbac.join_tenant(%L)', u('a0')));
ROLLBACK;
BEGIN;
CALL teamrbac.set_public_mail_domain('acme.example', true);
SELECT try(u('12'), format('SELECT teamrbac.join_tenant(%L)', u('a0')));
SELECT teamrbac.sign_in(u('12'));
SELECT count(*) FROM joinable;
ROLLBACK;
SELECT e.* FROM everybody(format('CALL teamrbac.disallow_domain(%L, ''ACME.example'')', u('a0'))) AS e
	UNION ALL SELECT e.* FROM everybody(format('CALL teamrbac.disallow_domain(%L, ''b.example'')', u('a0'))) AS e;

-- Requests.
CREATE VIEW requests AS SELECT display_name, email, role, state FROM teamrbac.join_request_overview ORDER BY 1;
BEGIN;
SELECT teamrbac.sign_in(u('11'));
CALL teamrbac.request_to_join(u('b0'));
CALL teamrbac.request_to_join(u('b0'));
SELECT * FROM joinable;
SELECT * FROM requests;
SELECT teamrbac.sign_in(u('12'));
CALL teamrbac.request_to_join(u('b0'));
SELECT teamrbac.sign_in(u('07'));
SELECT * FROM requests;
COMMIT;
-- Only who manages that team decides, and gives only what they have.
SELECT e.* FROM everybody(format('CALL teamrbac.approve_join_request(%L, %L)', u('b0'), u('11'))) AS e
	UNION ALL SELECT e.* FROM everybody(format('CALL teamrbac.refuse_join_request(%L, %L)', u('b0'), u('11'))) AS e;
SELECT role, try(u('07'), format('CALL teamrbac.approve_join_request(%L, %L, %L)', u('b0'), u('11'), role))
	FROM (VALUES ('owner'), ('admin'), ('nonsense'), (NULL)) AS t(role);
SELECT try(u('07'), format('CALL teamrbac.approve_join_request(%L, %L)', u('b0'), u('13'))), try(u('07'),
	format('CALL teamrbac.refuse_join_request(%L, %L)', u('b0'), u('ff'))),
	try(u('13'), format('CALL teamrbac.withdraw_join_request(%L)', u('b0'))), try(u('13'),
	format('CALL teamrbac.withdraw_join_request(%L)', u('ff'))), try(u('11'),
	format('CALL teamrbac.withdraw_join_request(%L)', u('b0')));
BEGIN;
SELECT teamrbac.sign_in(u('07'));
CALL teamrbac.refuse_join_request(u('b0'), u('12'));
CALL teamrbac.refuse_join_request(u('b0'), u('12'));
SELECT try(u('12'), format('CALL teamrbac.request_to_join(%L)', u('b0'))), try(u('12'),
	format('CALL teamrbac.withdraw_join_request(%L)', u('b0')));
SELECT * FROM requests;
-- Thought better of.
CALL teamrbac.approve_join_request(u('b0'), u('12'), 'reader');
CALL teamrbac.approve_join_request(u('b0'), u('11'));
SELECT display_name, role FROM teamrbac.team ORDER BY 1;
SELECT * FROM requests;
SELECT action, before, after FROM teamrbac.audit_event WHERE tenant_id = u('b0') AND action ~ 'request|joined'
	ORDER BY sequence;
SELECT valid FROM teamrbac.verify_audit(u('b0'));
ROLLBACK;
BEGIN;
CALL teamrbac.disable_user(u('11'));
SELECT try(u('07'), format('CALL teamrbac.approve_join_request(%L, %L)', u('b0'), u('11')));
SELECT try(u('11'), format('CALL teamrbac.withdraw_join_request(%L)', u('b0')));
ROLLBACK;
BEGIN;
SELECT teamrbac.sign_in(u('11'));
CALL teamrbac.withdraw_join_request(u('b0'));
SELECT try(u('07'), format('CALL teamrbac.approve_join_request(%L, %L)', u('b0'), u('11')));
CALL teamrbac.request_to_join(u('b0'));
ROLLBACK;
-- Whose time is over does not come back by domain, before and after a job has noticed; a manager renews them, with all
-- that was noted, and no bar stays.
BEGIN;
SELECT teamrbac.register_user('zoe@acme.example', 'Zoe', u('53'));
SELECT teamrbac.add_member(u('a0'), u('53'), 'reader', now() + interval '1 day');
SELECT teamrbac.sign_in(u('01'));
CALL teamrbac.allow_domain(u('a0'), 'acme.example', 'reader');
CALL teamrbac.set_member_metadata(u('a0'), u('53'), '{"desk": 12}');
UPDATE teamrbac.membership SET expires_at = clock_timestamp() WHERE user_id = u('53');
SELECT try(u('53'), format('SELECT teamrbac.join_tenant(%L)', u('a0')));
SELECT teamrbac.expire_membership_batch(10);
SELECT try(u('53'), format('SELECT teamrbac.join_tenant(%L)', u('a0'))),
	(SELECT state FROM teamrbac.join_request WHERE user_id = u('53'));
CALL teamrbac.set_membership_expiry(u('a0'), u('53'), NULL);
SELECT role, expires_at, metadata FROM teamrbac.membership WHERE user_id = u('53');
SELECT count(*) FROM teamrbac.join_request WHERE user_id = u('53');
ROLLBACK;
-- The Kelvin sign is no K: whoever has a domain that only looks alike, or folds to it in lower(), is nobody's.
BEGIN;
SELECT teamrbac.register_user(U&'kim@\212Aelvin.example', 'Kim', u('51'));
SELECT teamrbac.register_user('ken@KELVIN.Example', 'Ken', u('52'));
SELECT teamrbac.sign_in(u('01'));
CALL teamrbac.allow_domain(u('a0'), 'Kelvin.example', 'reader');
SELECT try(u('01'), format('CALL teamrbac.allow_domain(%L, %L, ''reader'')', u('a0'), U&'\212Aelvin.example'));
SELECT try(u('51'), format('SELECT teamrbac.join_tenant(%L)', u('a0'))) AS kim,
	try(u('52'), format('SELECT teamrbac.join_tenant(%L)', u('a0'))) AS ken;
SELECT domain FROM teamrbac.tenant_domain_overview WHERE domain ~ '^k';
ROLLBACK;
-- Changes by hand are recorded too; a secret's hash is not.
BEGIN;
UPDATE teamrbac.invitation_link SET uses = 3;
SELECT action, actor, subject, before -> 'uses' AS before, after -> 'uses' AS after, before ? 'token_hash' AS has_hash
	FROM audited WHERE action ~ '^direct.invitation_link.updated';
ROLLBACK;
SELECT * FROM audited WHERE action ~ '^domain|domain';
DROP VIEW members, audited, joinable, requests;

DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION everybody(text);
DROP FUNCTION try(uuid, text);
DROP FUNCTION u(text);
DROP ROLE regress_app;
