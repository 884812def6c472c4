-- The end of a user: what goes, what stays, and that every audit chain still verifies.
\getenv srcdir PG_ABS_SRCDIR
\set acme :srcdir /fixtures/acme.sql
\i :acme
-- Dora had another address and name before; Bob has her old address now.
SELECT teamrbac.register_user('first@old.example', 'Dana First', u('31'));
SELECT teamrbac.update_user(u('31'), 'second@old.example', 'Dana Second'), teamrbac.update_user(u('31'),
	'dora@new.example', 'Dora New');
SELECT teamrbac.update_user(u('12'), 'second@old.example');
CREATE ROLE regress_dora;
-- Everything that could say who she is: member, inviter, invitee at each address, mail to and about her, keys, links,
-- domains.
BEGIN;
SELECT teamrbac.add_member(u('a0'), u('31'), 'admin');
SELECT teamrbac.map_database_role(u('31'), 'regress_dora');
CALL teamrbac.set_user_locale(u('31'), 'pt-BR');
SELECT teamrbac.sign_in(u('01'));
CALL teamrbac.set_member_metadata(u('a0'), u('31'), '{"nickname": "Dodo"}');
SELECT count(teamrbac.invite_member(u('a0'), e, 'reader')) FROM unnest(ARRAY['first@old.example',
	'second@old.example']) AS e;
SELECT teamrbac.sign_in(u('31'));
SELECT count(teamrbac.invite_member(u('a0'), 'friend@new.example', 'reader'));
SELECT count(teamrbac.invite_by_link(u('a0'), 'reader'));
CALL teamrbac.allow_domain(u('a0'), 'new.example', 'reader');
CALL teamrbac.change_role(u('a0'), u('06'), 'developer');
SELECT secret FROM teamrbac.create_api_key(u('a0'), 'The key of the build') \gset
SELECT teamrbac.sign_in(u('07'));
SELECT count(teamrbac.invite_member(u('b0'), 'DORA@new.example', 'reader'));
SELECT token FROM teamrbac.invite_member(u('b0'), 'dora2@new.example', 'reader') \gset
SELECT teamrbac.start_review(u('b0'), '2999-01-01') IS NOT NULL AS of_invitation;
SELECT teamrbac.sign_in(u('01'));
SELECT teamrbac.start_review(u('a0'), '2999-01-01') IS NOT NULL AS of_member;
COMMIT;
UPDATE teamrbac.app_user SET display_name = 'Dora Newer' WHERE user_id = u('31');
UPDATE teamrbac.membership SET metadata = '{"nickname": "Dodo the Second"}' WHERE user_id = u('31');
-- Where any table says any of it.
CREATE FUNCTION found() RETURNS TABLE (relation text, rows bigint) LANGUAGE plpgsql AS $$
BEGIN
	FOR relation IN SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'teamrbac'::regnamespace
	AND c.relkind = 'r' ORDER BY 1 LOOP
		EXECUTE
		format('SELECT count(*) FROM teamrbac.%I AS t
			WHERE t::text ~* ''first@old|dora@new|dana (first|second)|dora new|dodo''',
		relation) INTO rows;
		IF rows > 0 THEN RETURN NEXT; END IF;
	END LOOP;
END $$;
SELECT * FROM found();
CREATE FUNCTION chains() RETURNS TABLE (chain text, valid boolean, problem text) LANGUAGE sql AS $$
	SELECT right(h.tenant_id::text, 2), v.valid, v.problem FROM (SELECT DISTINCT tenant_id
	FROM teamrbac.audit_head) AS h, teamrbac.verify_audit(h.tenant_id) AS v WHERE NOT v.valid ORDER BY 1 $$;
SELECT * FROM chains();

-- Trusted, as register_user is.  Not while she owns a tenant, deleted or not.
SELECT * FROM everybody(format('CALL teamrbac.delete_user(%L)', u('31')));
CALL teamrbac.delete_user(u('ff'));
CALL teamrbac.delete_user(NULL);
CALL teamrbac.delete_user(u('01'));
BEGIN;
UPDATE teamrbac.tenant SET deleted_at = now() WHERE tenant_id = u('a0');
SAVEPOINT s;
CALL teamrbac.delete_user(u('01'));
ROLLBACK TO s;
UPDATE teamrbac.tenant SET purge_began_at = now() WHERE tenant_id = u('a0');
CALL teamrbac.delete_user(u('01'));
SELECT count(*) FROM teamrbac.app_user WHERE user_id = u('01');
ROLLBACK;
SELECT * FROM chains();

-- Erased: access ends in the same session, nothing says who she was, every chain verifies.
SELECT teamrbac.sign_in(u('31'), false);
SELECT teamrbac.has_permission(u('a0'), 'team.manage') AS before;
BEGIN;
CALL teamrbac.delete_user(u('31'));
SELECT count(*) FROM found();
ROLLBACK;
SELECT count(*) > 0 AS taken_back FROM found();
CALL teamrbac.delete_user(u('31'));
SELECT teamrbac.has_permission(u('a0'), 'team.manage') AS after;
SELECT teamrbac.sign_out();
SELECT * FROM found();
SELECT * FROM chains();
SELECT teamrbac.sign_in(u('31'));
SELECT count(*) FROM teamrbac.database_role;
-- The others' stay: Bob's address, which was hers, and those whom she invited, whose invitation has ended with her.
SELECT email, state FROM teamrbac.invitation ORDER BY email;
SELECT role, revoked_at IS NOT NULL AS revoked FROM teamrbac.invitation_link;
SELECT count(*) FROM teamrbac.tenant_domain;
SELECT kind, regexp_replace(name, '[0-9a-f]{8}-[-0-9a-f]{27}', 'ID') AS name FROM teamrbac.review_item
	WHERE name ~ ' [0-9a-f]{8}-' OR kind = 'invitation' ORDER BY 1, 2;
SELECT recipient, kind, fields - 'expires_at' AS fields, withdrawn_at IS NOT NULL AS withdrawn FROM teamrbac.outbox
	ORDER BY created_at;
-- Her key works on, as that of any former member.
BEGIN;
SELECT role FROM teamrbac.sign_in_with_api_key(:'secret');
ROLLBACK;
-- What the audit says: what was done, to whom by an opaque id, and digests that nothing can be tried against.
CREATE FUNCTION blurred(fields jsonb) RETURNS text
	LANGUAGE sql AS $$ SELECT regexp_replace(regexp_replace(fields::text, '[0-9a-f]{64}', 'DIGEST', 'g'),
	'\d{4}-\d\d-\d\d[^"]*', 'TIME', 'g') $$;
SELECT right(tenant_id::text, 2) AS chain, action, salt IS NOT NULL AS salt, blurred(before) AS before,
	blurred(after) AS after FROM teamrbac.audit_event
	WHERE subject IN ('user:' || u('31'), 'member:' || u('31')) OR before ? 'email' AND before -> 'email' ? 'erased'
	OR after ? 'email' AND after -> 'email' ? 'erased' ORDER BY scope DESC, tenant_id, sequence;
SELECT count(*) FROM teamrbac.audit_event WHERE salt IS NOT NULL AND (before::text ~ 'erased'
	OR after::text ~ 'erased');
SELECT actor, action FROM teamrbac.audit_trail WHERE actor_id = u('31') ORDER BY sequence LIMIT 1;
-- An event that somebody changes is found as ever: a digest, and an address that has not been erased.
BEGIN;
UPDATE teamrbac.audit_event SET after = jsonb_set(after, '{email,erased}', to_jsonb(repeat('0', 64)))
	WHERE tenant_id = u('31') AND action = 'user.registered';
SELECT chain, problem FROM chains();
ROLLBACK;
BEGIN;
UPDATE teamrbac.audit_event SET after = jsonb_set(after, '{email}', '"dora@new.example"') WHERE tenant_id = u('31')
	AND action = 'user.registered';
SELECT chain, problem FROM chains();
ROLLBACK;
BEGIN;
UPDATE teamrbac.audit_event SET after = jsonb_set(after, '{email}', '"eve@new.example"') WHERE tenant_id = u('12')
	AND action = 'user.registered';
SELECT chain, problem FROM chains();
ROLLBACK;
BEGIN;
UPDATE teamrbac.audit_event SET salt = 'x' WHERE tenant_id = u('12') AND action = 'user.registered';
SELECT chain, problem FROM chains();
ROLLBACK;
-- The same person may come back, under the same id, and goes on in the same chain.
SELECT teamrbac.register_user('dora@new.example', 'Dora', u('31')) = u('31') AS same;
SELECT * FROM chains();
CALL teamrbac.delete_user(u('31'));
SELECT * FROM chains();
SELECT * FROM found();

-- Tables of the application's that refer to the user: what their foreign keys say, as their owner.
GRANT REFERENCES ON teamrbac.app_user, teamrbac.membership TO regress_app;
GRANT CREATE ON SCHEMA public TO regress_app;
SET ROLE regress_app;
CREATE TABLE note (id int, user_id uuid REFERENCES teamrbac.app_user ON DELETE CASCADE);
CREATE TABLE post (id int, user_id uuid REFERENCES teamrbac.app_user);
CREATE TABLE desk (id int, tenant_id uuid, user_id uuid,
	FOREIGN KEY (tenant_id, user_id) REFERENCES teamrbac.membership ON DELETE SET NULL (user_id));
CREATE FUNCTION whose() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.post VALUES (-1, NULL);
	RAISE WARNING '% of % by %', TG_OP, TG_TABLE_NAME, CURRENT_USER;
	RETURN NULL;
END $$;
CREATE TRIGGER whose AFTER UPDATE OR DELETE ON note FOR EACH ROW EXECUTE FUNCTION whose();
CREATE TRIGGER whose AFTER UPDATE OR DELETE ON desk FOR EACH ROW EXECUTE FUNCTION whose();
RESET ROLE;
BEGIN;
SELECT teamrbac.add_member(u('a0'), u('14'), 'developer');
INSERT INTO note VALUES (1, u('14')), (2, u('13'));
INSERT INTO desk VALUES (3, u('a0'), u('14'));
INSERT INTO post VALUES (4, u('14'));
SAVEPOINT s;
CALL teamrbac.delete_user(u('14'));
ROLLBACK TO s;
DELETE FROM post;
CALL teamrbac.delete_user(u('14'));
SELECT (SELECT array_agg(id) FROM note) AS note, (SELECT array_agg(id) FROM post) AS post,
	 (SELECT array_agg(id) FROM desk WHERE user_id IS NULL) AS desk;
SELECT count(*) FROM teamrbac.app_user WHERE user_id = u('14');
-- Sealing is the command's alone: whoever has the rights of the table's owner cannot.
SET LOCAL ROLE teamrbac_owner;
UPDATE teamrbac.audit_event SET salt = NULL;
ROLLBACK;
DROP TABLE note, post, desk;
DROP FUNCTION whose();
REVOKE CREATE ON SCHEMA public FROM regress_app;
REVOKE REFERENCES ON teamrbac.app_user, teamrbac.membership FROM regress_app;
-- An address that only looks alike is another's, and stays.
BEGIN;
SELECT teamrbac.register_user('kim@kelvin.example', 'Kim', u('51'));
SELECT teamrbac.sign_in(u('01'));
SELECT count(teamrbac.invite_member(u('a0'), e, 'reader')) FROM unnest(ARRAY['KIM@Kelvin.example',
	U&'\212Aim@kelvin.example']) AS e;
CALL teamrbac.delete_user(u('51'));
SELECT email FROM teamrbac.invitation WHERE email ~ 'kelvin';
SELECT recipient FROM teamrbac.outbox WHERE recipient ~ 'kelvin';
ROLLBACK;

-- Locale: by the DBA's hand, as register_user; nothing that could leave a folder.
SELECT left(locale, 20) AS locale, try(u('01'), format('CALL teamrbac.set_user_locale(%L, %L)', u('11'),
	locale)) AS app FROM (VALUES ('de')) AS t(locale);
GRANT EXECUTE ON PROCEDURE teamrbac.set_user_locale(uuid, text) TO regress_app;
SELECT left(locale, 20) AS locale, try(u('01'), format('CALL teamrbac.set_user_locale(%L, %L)', u('11'),
	locale)) AS app FROM (VALUES
	('de'), ('pt-BR'), ('zh_Hant_TW'), (NULL), (''), ('d'), ('../etc'), ('de/../x'), ('de.txt'), (E'de\n'),
	('english'), (repeat('de-', 20) || 'de'), (repeat('d', 1000000))) AS t(locale);
SELECT try(NULL, format('CALL teamrbac.set_user_locale(%L, ''de'')', u('ff'))), try(NULL,
	'CALL teamrbac.set_user_locale(NULL, ''de'')');
DELETE FROM teamrbac.outbox;
BEGIN;
CALL teamrbac.set_user_locale(u('11'), 'pt-BR');
SELECT action, before, after FROM teamrbac.audit_event WHERE tenant_id = u('11') ORDER BY sequence DESC LIMIT 1;
SELECT teamrbac.sign_in(u('01'));
SELECT count(teamrbac.invite_member(u('a0'), e, 'reader')) FROM unnest(ARRAY['ANN@acme.example',
	'nobody@acme.example']) AS e;
SELECT recipient, fields ->> 'locale' AS locale FROM teamrbac.claim_mail() ORDER BY 1;
-- A bounce, days after: who manages the team sees it, nobody else.
SELECT teamrbac.mail_sent(mail_id) AS sent, teamrbac.mail_refused(mail_id, E'550 no such\nmailbox') AS again
	FROM teamrbac.outbox WHERE recipient = 'nobody@acme.example';
SELECT kind, recipient, reason, sent_at IS NOT NULL AS sent, failed_at IS NOT NULL AS failed
	FROM teamrbac.undelivered_mail;
SELECT teamrbac.sign_in(u('05'));
SELECT count(*) FROM teamrbac.undelivered_mail;
SELECT teamrbac.sign_in(u('07'));
SELECT count(*) FROM teamrbac.undelivered_mail;
ROLLBACK;
DROP FUNCTION found();
DROP FUNCTION chains();
DROP FUNCTION blurred(jsonb);
DROP ROLE regress_dora;

DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION everybody(text);
DROP FUNCTION try(uuid, text);
DROP FUNCTION u(text);
DROP ROLE regress_app;
