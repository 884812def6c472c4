-- What the team page shows and offers: for whom, and nothing to anybody else.  Olga owns Acme, Adam is an Admin, Dora a
-- Developer, Rita a Reader, Lena a team lead with few permissions; Sam owns Borealis and is a stranger in Acme.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(lower(n) || '@example.com', n, u(id)))
	FROM (VALUES ('01', 'Olga'), ('02', 'Adam'), ('03', 'Dora'), ('04', 'Rita'), ('05', 'Lena'), ('99',
		'Sam')) AS t(id, n);
SELECT teamrbac.define_role('lead', 'Leads a team', ARRAY['team.manage', 'prompts.view', 'endpoints.view',
	'snippets.view', 'logs.view']);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme'), (u('b0'), 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('a0'), u('02'), 'admin'), (u('a0'), u('03'), 'developer'), (u('a0'), u('04'),
		'reader'),
	(u('a0'), u('05'), 'lead'), (u('b0'), u('99'), 'owner');
COMMIT;
CREATE ROLE regress_app;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean), u(text) TO regress_app;
CREATE VIEW people AS SELECT * FROM (VALUES (1, '01', 'Olga'), (2, '02', 'Adam'), (3, '05', 'Lena'), (4, '03',
	'Dora'), (5, '04', 'Rita'), (6, '99', 'Sam')) AS t(n, id, name);

-- A query's one value as somebody sees it, or the SQLSTATE.
CREATE FUNCTION sees(who uuid, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
	IF who IS NULL THEN PERFORM teamrbac.sign_out(); ELSE PERFORM teamrbac.sign_in(who); END IF;
	EXECUTE query INTO answer;
	RETURN COALESCE(answer, '-');
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE;
END $$;

-- The roles: what they are for is for everybody, signed in or not.
SET ROLE regress_app;
SELECT role, description, built_in, cardinality(permissions) AS permissions FROM teamrbac.list_roles();
RESET ROLE;

-- The roles to choose from are those that the commands would take: all of whose permissions the giver has, never owner.
SELECT name, sees(u(id), $$SELECT string_agg(role, ' ')
	FROM teamrbac.assignable_roles(u('a0'))$$) AS assignable_roles FROM people ORDER BY n;
SELECT sees(NULL, $$SELECT string_agg(role, ' ') FROM teamrbac.assignable_roles(u('a0'))$$) AS nobody,
	   sees(u('01'), $$SELECT string_agg(role, ' ') FROM teamrbac.assignable_roles(u('c0'))$$) AS "no such tenant",
	   sees(u('01'), $$SELECT string_agg(role, ' ') FROM teamrbac.assignable_roles(NULL)$$) AS "null";
SELECT teamrbac.sign_in(u('05'), false);
SELECT * FROM teamrbac.assignable_roles(u('a0'));
SELECT teamrbac.sign_out();

-- The buttons beside each member, in the order Olga Adam Lena Dora Rita: r changes the role, x removes.
CREATE VIEW buttons AS SELECT string_agg(CASE WHEN a.may_change_role THEN 'r' ELSE '.' END || CASE WHEN a.may_remove
	THEN 'x' ELSE '.' END, ' ' ORDER BY p.n) AS buttons
	FROM teamrbac.member_actions(u('a0')) AS a JOIN people AS p ON u(p.id) = a.user_id;
SELECT name, sees(u(id), 'TABLE buttons') AS "Olga Adam Lena Dora Rita" FROM people ORDER BY n;
SELECT sees(NULL, 'TABLE buttons') AS nobody, sees(u('01'), $$SELECT count(*)
	FROM teamrbac.member_actions(u('b0'))$$) AS stranger,
	   sees(u('01'), 'SELECT count(*) FROM teamrbac.member_actions(NULL)') AS "null";
-- A button that is offered works, one that is not is refused: for each pair of them, changed and taken back.
CREATE FUNCTION try(who uuid, command text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM teamrbac.sign_in(who);
	EXECUTE command;
	RAISE EXCEPTION USING ERRCODE = 'TR000';
EXCEPTION WHEN SQLSTATE 'TR000' THEN RETURN true; WHEN insufficient_privilege THEN RETURN false;
END $$;
SELECT count(*) AS pairs, count(*) FILTER (WHERE offered = 'true' AND works OR offered = 'false'
	AND NOT works) AS agree
FROM (SELECT sees(u(actor.id),
	format('SELECT may_remove FROM teamrbac.member_actions(u(''a0'')) WHERE user_id = %L', u(target.id))) AS offered,
			 try(u(actor.id), format('CALL teamrbac.remove_member(%L, %L)', u('a0'), u(target.id))) AS works
	  FROM people AS actor, people AS target WHERE actor.id <> '99' AND target.id <> '99'
	  UNION ALL
	  SELECT sees(u(actor.id),
		format('SELECT may_change_role FROM teamrbac.members_page(u(''a0'')) WHERE user_id = %L', u(target.id))),
			 try(u(actor.id), format('CALL teamrbac.change_role(%L, %L, ''reader'')', u('a0'), u(target.id)))
	  FROM people AS actor, people AS target WHERE actor.id <> '99' AND target.id <> '99') AS t;

-- Members: names and roles for everyone in the team, addresses for those who manage it, one's own for oneself.
SELECT name, sees(u(id), $$SELECT string_agg(display_name || COALESCE(' ' || split_part(email, '@', 1), ''), ', '
	ORDER BY place) FROM teamrbac.members_page(u('a0'))$$) AS members FROM people ORDER BY n;
-- Who may not see addresses may not search them either.
SELECT name, sees(u(id), $$SELECT string_agg(display_name, ', ')
	FROM teamrbac.members_page(u('a0'), search => 'OLGA@exam')$$) AS "search OLGA@exam",
	   sees(u(id), $$SELECT string_agg(display_name, ', ')
		FROM teamrbac.members_page(u('a0'), search => 'ol')$$) AS "search ol" FROM people ORDER BY n;
SELECT teamrbac.sign_in(u('02'), false);
SELECT display_name, email, role, expires_at, may_change_role, may_remove FROM teamrbac.members_page(u('a0'));

-- An API key sees nobody: people are for people.
SELECT teamrbac.sign_in(u('01'), false);
SELECT secret FROM teamrbac.create_api_key(u('a0'), 'Olga: deployment', 'developer') \gset
SELECT teamrbac.sign_in_with_api_key(:'secret', false) IS NOT NULL AS signed_in;
SELECT count(*) FROM teamrbac.members_page(u('a0'));
SELECT count(*) FROM teamrbac.member_actions(u('a0'));
SELECT count(*) FROM teamrbac.assignable_roles(u('a0'));
SELECT count(*) FROM teamrbac.invitations_page(u('a0'));
SELECT count(*) FROM teamrbac.audit_page(u('a0'));
SELECT members FROM teamrbac.team_counts(u('a0'));
SELECT count(*) FROM teamrbac.list_roles();

-- Pending invitations: who sent them when, and what became of the mail.
SELECT teamrbac.sign_in(u('02'), false);
SELECT count(teamrbac.invite_member(u('a0'), n || '@example.com', CASE n WHEN 'boss' THEN 'admin' ELSE 'reader'
	END)) FROM unnest(ARRAY['boss', 'gone', 'late', 'lost', 'new', 'sent']) AS n;
CREATE VIEW mail AS SELECT m.mail_id, split_part(m.recipient, '@', 1) AS who FROM teamrbac.claim_mail() AS m;
SELECT who, CASE who WHEN 'sent' THEN teamrbac.mail_sent(mail_id) WHEN 'gone' THEN teamrbac.mail_refused(mail_id,
	'550 no such user')
	WHEN 'late' THEN teamrbac.mail_failed(mail_id, '451 try again later') WHEN 'boss' THEN
		teamrbac.mail_sent(mail_id) END AS reported FROM mail ORDER BY who;
UPDATE teamrbac.outbox SET next_attempt_at = NULL, failed_at = now(), token = NULL, error_kind = 'temporary',
	last_error = '421 busy' WHERE recipient = 'lost@example.com';
SELECT teamrbac.sign_in(u('05'), false);
SELECT split_part(email, '@', 1) AS who, role, invited_by, inviter_id = u('02') AS by_id,
	invited_at < now() AS invited, sent_at IS NOT NULL AS sent, mail_state, mail_error, may_cancel
	FROM teamrbac.invitations_page(u('a0'));
SELECT split_part(email, '@', 1) AS who, invited_by, inviter_id = u('02') AS by_id, invited_at < now() AS invited,
	sent_at IS NOT NULL AS sent, mail_state, mail_error
	FROM teamrbac.pending_invitation ORDER BY email;
-- Sent again: the new mail is what counts.
SELECT count(teamrbac.resend_invitation(invitation_id)) FROM teamrbac.pending_invitation
	WHERE email = 'gone@example.com';
SELECT invited_by, mail_state, mail_error FROM teamrbac.invitations_page(u('a0'), search => 'gone');
SELECT name, sees(u(id), $$SELECT count(*) FROM teamrbac.invitations_page(u('a0'))$$) AS invitations_page,
	sees(u(id), $$SELECT count(*) FROM teamrbac.pending_invitation
	WHERE tenant_id = u('a0')$$) AS pending_invitation FROM people ORDER BY n;
SELECT sees(NULL, $$SELECT count(*) FROM teamrbac.invitations_page(u('a0'))$$) AS nobody;

-- Badges: each counts what its reader may see.
SELECT name, sees(u(id), $$SELECT format('%s members, %s invitations, %s keys, %s events', c.members,
	c.pending_invitations, c.api_keys, c.events > 8) FROM teamrbac.team_counts(u('a0')) AS c$$) AS team_counts
	FROM people ORDER BY n;
SELECT sees(u('01'), $$SELECT c.members || ' ' || c.pending_invitations
	FROM teamrbac.team_counts(u('a0'), 3) AS c$$) AS "at most 3", sees(u('01'),
	$$SELECT teamrbac.team_counts(u('a0'), 0)$$) AS "0",
	   sees(u('01'), $$SELECT teamrbac.team_counts(u('a0'), NULL)$$) AS "null", sees(NULL,
		$$SELECT teamrbac.team_counts(u('a0'))$$) AS nobody;

-- The audit names people, also those who have gone, and both whoever was signed in and the role that a wrapper ran for.
CREATE FUNCTION rename_tenant(which uuid, new_name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp AS $$
BEGIN PERFORM teamrbac.require_permission(which, 'tenant.delete'); UPDATE teamrbac.tenant SET name = new_name
	WHERE tenant_id = which; END $$;
SELECT teamrbac.sign_in(u('01'), false);
SET ROLE regress_app;
SELECT rename_tenant(u('a0'), 'Acme Inc');
RESET ROLE;
CALL teamrbac.remove_member(u('a0'), u('04'));
SELECT teamrbac.update_user(u('04'), display_name => 'Rita Rae');
SELECT teamrbac.sign_out();
-- A change by hand of nobody in particular is the database role's.
UPDATE teamrbac.membership SET role = 'reader' WHERE tenant_id = u('a0') AND user_id = u('03');
SELECT teamrbac.sign_in(u('02'), false);
SELECT action, actor_kind, replace(actor_name, session_user, 'the DBA') AS actor_name,
	session_role = session_user AS session_role, regexp_replace(subject, ':.*', '') AS subject, subject_name,
	before ->> 'name' AS before, after ->> 'name' AS after
	FROM teamrbac.audit_page(u('a0'), page_size => 3);
SELECT action, replace(actor, session_user, 'the DBA') AS actor, replace(actor_name, session_user,
	'the DBA') AS actor_name, subject_name FROM teamrbac.audit_trail WHERE tenant_id = u('a0') LIMIT 3;
-- The list for people has names in full and what changed; beside it a narrow one.
SELECT teamrbac.sign_in(u('01'), false);
SELECT teamrbac.update_user(u('02'), display_name => 'Adam with a name that no narrow column holds');
SELECT teamrbac.sign_in(u('02'), false);
CALL teamrbac.change_role(u('a0'), u('03'), 'developer');
SELECT actor, action, subject, before, after FROM teamrbac.audit_list WHERE action = 'member.role_changed';
SELECT actor, action, subject FROM teamrbac.audit_list_narrow WHERE action = 'member.role_changed';
-- The name of somebody who has been deleted is gone, their id stays.
DELETE FROM teamrbac.app_user WHERE user_id = u('04');
SELECT subject = 'member:' || u('04') AS by_id, subject_name
	FROM teamrbac.audit_page(u('a0'), of_action => 'member.removed');
SELECT name, sees(u(id), $$SELECT count(*) > 0 FROM teamrbac.audit_page(u('a0'))$$) AS audit_page FROM people
	ORDER BY n;
SELECT sees(NULL, $$SELECT count(*) FROM teamrbac.audit_page(u('a0'))$$) AS nobody;

-- What stands behind the pages is nobody's to use.
SET ROLE regress_app;
SELECT teamrbac.may_give_role(u('a0'), 'admin');
SELECT teamrbac.require_reader(u('a0'), NULL);
SELECT * FROM teamrbac.roles_of_tenant(u('a0'));
SELECT * FROM teamrbac.terms_of_name('a', 'b');
SELECT teamrbac.prefix_end('a');
TABLE teamrbac.member_term;
TABLE teamrbac.invitation_detail;
TABLE teamrbac.audit_name;
RESET ROLE;
GRANT SELECT ON teamrbac.member_term TO regress_app;
SET ROLE regress_app;
SELECT count(*) AS "granted by mistake" FROM teamrbac.member_term;
RESET ROLE;

DROP OWNED BY regress_app;
DROP ROLE regress_app;
DROP VIEW buttons, mail, people;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION sees, try, rename_tenant, u;
