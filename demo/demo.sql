-- The team page, played end to end.  Every expectation is asserted: what is printed has been checked.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
\pset null '-'
\pset border 1

\echo '== 1. The extension, and an application of its own: five tables, three tenants, thousands of rows'
CREATE EXTENSION teamrbac CASCADE;

-- The application's roles: one owns the tables, one logs in from the connection pool.
CREATE ROLE demo_owner;
CREATE ROLE demo_app LOGIN;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO demo_app;
CREATE SCHEMA shop AUTHORIZATION demo_owner;
GRANT USAGE ON SCHEMA shop TO demo_app;
SET search_path = shop, public;

SELECT teamrbac.register_user(lower(name) || '@example.com', name,
	('00000000-0000-4000-8000-00000000000' || n)::uuid) FROM unnest(ARRAY['Olivia', 'Adam', 'Dana', 'Rita', 'Sam']) WITH ORDINALITY AS u(name, n) \g /dev/null
CREATE FUNCTION person(who text) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER AS
	$$ SELECT user_id FROM teamrbac.app_user WHERE display_name = who $$;

BEGIN;
SELECT teamrbac.sign_in(person('Olivia')) \g /dev/null
SELECT teamrbac.create_tenant('Acme', 'acme') AS acme \gset
SELECT teamrbac.sign_in(person('Sam')) \g /dev/null
SELECT teamrbac.create_tenant('Borealis', 'borealis') AS borealis, teamrbac.create_tenant('Cirrus', 'cirrus') AS cirrus \gset
COMMIT;
-- Olivia invites her team; each joins with the token of their invitation.
BEGIN; SELECT teamrbac.sign_in(person('Olivia')) \g /dev/null
SELECT a.token AS adams, d.token AS danas, r.token AS ritas FROM teamrbac.invite_member(:'acme', 'adam@example.com', 'admin') AS a,
	teamrbac.invite_member(:'acme', 'dana@example.com', 'developer') AS d, teamrbac.invite_member(:'acme', 'rita@example.com', 'reader') AS r \gset
SELECT teamrbac.sign_in(person('Adam')), teamrbac.accept_invitation(:'adams') \g /dev/null
SELECT teamrbac.sign_in(person('Dana')), teamrbac.accept_invitation(:'danas') \g /dev/null
SELECT teamrbac.sign_in(person('Rita')), teamrbac.accept_invitation(:'ritas') \g /dev/null
COMMIT;

SET ROLE demo_owner;
CREATE TABLE endpoint (tenant_id uuid NOT NULL, id bigint, path text NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE prompt (tenant_id uuid NOT NULL, id bigint, title text NOT NULL, state text NOT NULL DEFAULT 'draft', PRIMARY KEY (tenant_id, id));
CREATE TABLE snippet (tenant_id uuid NOT NULL, id bigint, body text NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE log (tenant_id uuid NOT NULL, id bigint, line text NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE billing_account (tenant_id uuid NOT NULL, id bigint, balance numeric NOT NULL, PRIMARY KEY (tenant_id, id));
INSERT INTO endpoint SELECT t, g, '/v1/' || g FROM unnest(ARRAY[:'acme', :'borealis', :'cirrus']::uuid[]) t, generate_series(1, 400) g;
INSERT INTO prompt SELECT t, g, 'Prompt ' || g FROM unnest(ARRAY[:'acme', :'borealis', :'cirrus']::uuid[]) t, generate_series(1, 300) g;
INSERT INTO snippet SELECT t, g, 'Snippet ' || g FROM unnest(ARRAY[:'acme', :'borealis', :'cirrus']::uuid[]) t, generate_series(1, 200) g;
INSERT INTO log SELECT t, g, 'GET /v1/' || g % 400 || ' 200' FROM unnest(ARRAY[:'acme', :'borealis', :'cirrus']::uuid[]) t, generate_series(1, 5000) g;
-- And fifty more tenants' logs, which nobody here may see.
INSERT INTO log SELECT t, g, 'GET /v1/' || g % 400 || ' 200' FROM (SELECT gen_random_uuid() AS t FROM generate_series(1, 50)) AS other, generate_series(1, 1000) g;
INSERT INTO billing_account SELECT t, 1, 100 FROM unnest(ARRAY[:'acme', :'borealis', :'cirrus']::uuid[]) t;
CREATE TRIGGER promote BEFORE UPDATE ON prompt FOR EACH ROW
	WHEN (NEW.state = 'live' AND OLD.state <> 'live')
	EXECUTE FUNCTION teamrbac.require_permission_on_change('prompts.promote', 'tenant_id');
SELECT teamrbac.protect_table('endpoint', 'endpoints.view', 'endpoints.edit'),
	   teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit'),
	   teamrbac.protect_table('snippet', 'snippets.view', 'snippets.edit'),
	   teamrbac.protect_table('log', 'logs.view', NULL),
	   teamrbac.protect_table('billing_account', 'billing.manage', 'billing.manage') \g /dev/null
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO demo_app;
RESET ROLE;
VACUUM ANALYZE;

-- The stage: tries a statement as demo_app and says what came of it.
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	EXECUTE statement;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN CASE WHEN statement LIKE 'CALL%' THEN 'done' WHEN n = 0 THEN 'no row' ELSE 'done' END;
EXCEPTION WHEN OTHERS THEN
	RETURN 'refused ' || SQLSTATE;
END $$;
CREATE FUNCTION reason(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE TABLE try_out (n serial, what text, statement text);
INSERT INTO try_out (what, statement) VALUES
	('edit an endpoint',      format('UPDATE endpoint SET path = ''/v2'' WHERE tenant_id = %L AND id = 1', :'acme')),
	('edit a prompt',         format('UPDATE prompt SET title = ''New'' WHERE tenant_id = %L AND id = 1', :'acme')),
	('promote it to Live',    format('UPDATE prompt SET state = ''live'' WHERE tenant_id = %L AND id = 2', :'acme')),
	('add a snippet',         format('INSERT INTO snippet VALUES (%L, 1000, ''Hi'')', :'acme')),
	('forge a log line',      format('INSERT INTO log VALUES (%L, 99999, ''x'')', :'acme')),
	('change the bill',       format('UPDATE billing_account SET balance = 0 WHERE tenant_id = %L', :'acme')),
	('edit Borealis'' prompt', format('UPDATE prompt SET title = ''Mine'' WHERE tenant_id = %L AND id = 1', :'borealis')),
	('plant one in Borealis', format('INSERT INTO prompt VALUES (%L, 999, ''Planted'')', :'borealis')),
	('make Rita a developer', format('CALL teamrbac.change_role(%L, %L, ''developer'')', :'acme', person('Rita'))),
	('make Rita the Owner',   format('CALL teamrbac.change_role(%L, %L, ''owner'')', :'acme', person('Rita'))),
	('remove Olivia (Owner)', format('CALL teamrbac.remove_member(%L, %L)', :'acme', person('Olivia')));
GRANT SELECT ON try_out TO demo_app;
CREATE TABLE seen (who text, n int, what text, outcome text);
GRANT ALL ON seen TO demo_app;
-- What the page says, to hold against what happens.
CREATE TABLE expected (n int, olivia text, adam text, dana text, rita text, sam text);
INSERT INTO expected VALUES
	(1, 'done', 'done', 'done', 'no row', 'no row'),
	(2, 'done', 'done', 'done', 'no row', 'no row'),
	(3, 'done', 'done', 'done', 'no row', 'no row'),
	(4, 'done', 'done', 'done', 'refused 42501', 'refused 42501'),
	(5, 'refused 42501', 'refused 42501', 'refused 42501', 'refused 42501', 'refused 42501'),
	(6, 'done', 'no row', 'no row', 'no row', 'no row'),
	(7, 'no row', 'no row', 'no row', 'no row', 'done'),
	(8, 'refused 42501', 'refused 42501', 'refused 42501', 'refused 42501', 'done'),
	(9, 'done', 'done', 'refused 42501', 'refused 42501', 'refused 42501'),
	(10, 'refused 42501', 'refused 42501', 'refused 42501', 'refused 42501', 'refused 42501'),
	(11, 'refused 42501', 'refused 42501', 'refused 42501', 'refused 42501', 'refused 42501');

\echo
\echo '== 2. Who may do what: the permission matrix'
SELECT * FROM teamrbac.permission_matrix \crosstabview

\echo '== 3. What each sees: the same five queries, no WHERE clause, through one login role (Sam has two tenants, and acts in one)'
CREATE TABLE counts (who text, role text, endpoints bigint, prompts bigint, snippets bigint, logs bigint, bills bigint);
GRANT ALL ON counts TO demo_app;
SET ROLE demo_app;
\set ask 'INSERT INTO counts SELECT :''who'', COALESCE((SELECT role FROM teamrbac.my_tenants() WHERE slug = ''acme''), ''not in Acme''), (SELECT count(*) FROM endpoint), (SELECT count(*) FROM prompt), (SELECT count(*) FROM snippet), (SELECT count(*) FROM log), (SELECT count(*) FROM billing_account);'
\set who Olivia
BEGIN; SELECT teamrbac.sign_in(person(:'who')) \g /dev/null
:ask COMMIT;
\set who Adam
BEGIN; SELECT teamrbac.sign_in(person(:'who')) \g /dev/null
:ask COMMIT;
\set who Dana
BEGIN; SELECT teamrbac.sign_in(person(:'who')) \g /dev/null
:ask COMMIT;
\set who Rita
BEGIN; SELECT teamrbac.sign_in(person(:'who')) \g /dev/null
:ask COMMIT;
\set who Sam
BEGIN; SELECT teamrbac.sign_in(person(:'who')), teamrbac.act_in_tenant(:'borealis') \g /dev/null
:ask COMMIT;
\set who nobody
:ask
RESET ROLE;
SELECT * FROM counts;
DO $$ BEGIN
	ASSERT (SELECT array_agg((endpoints, prompts, snippets, logs, bills)::text) FROM counts) =
		ARRAY['(400,300,200,5000,1)', '(400,300,200,5000,0)', '(400,300,200,5000,0)', '(400,300,200,5000,0)', '(400,300,200,5000,1)', '(0,0,0,0,0)'], 'rows seen';
END $$;

\echo '== 4. What each may change in Acme, and what is refused (each attempt is rolled back)'
SET ROLE demo_app;
\set try 'SELECT json_agg(json_build_object(''n'', n, ''outcome'', attempt(statement))) AS outcomes FROM (SELECT * FROM try_out ORDER BY n) AS t'
\set keep 'INSERT INTO seen SELECT :''who'', o.n, t.what, o.outcome FROM json_to_recordset(:''outcomes'') AS o(n int, outcome text) JOIN try_out AS t USING (n);'
\set who Olivia
BEGIN; SELECT teamrbac.sign_in(person(:'who')) \g /dev/null
:try \gset
ROLLBACK; :keep
\set who Adam
BEGIN; SELECT teamrbac.sign_in(person(:'who')) \g /dev/null
:try \gset
ROLLBACK; :keep
\set who Dana
BEGIN; SELECT teamrbac.sign_in(person(:'who')) \g /dev/null
:try \gset
ROLLBACK; :keep
\set who Rita
BEGIN; SELECT teamrbac.sign_in(person(:'who')) \g /dev/null
:try \gset
ROLLBACK; :keep
\set who Sam
BEGIN; SELECT teamrbac.sign_in(person(:'who')), teamrbac.act_in_tenant(:'borealis') \g /dev/null
:try \gset
ROLLBACK; :keep
RESET ROLE;
SELECT what,
	max(outcome) FILTER (WHERE who = 'Olivia') AS "Olivia, Owner",
	max(outcome) FILTER (WHERE who = 'Adam') AS "Adam, Admin",
	max(outcome) FILTER (WHERE who = 'Dana') AS "Dana, Developer",
	max(outcome) FILTER (WHERE who = 'Rita') AS "Rita, Reader",
	max(outcome) FILTER (WHERE who = 'Sam') AS "Sam, stranger"
FROM seen GROUP BY n, what ORDER BY n;
DO $$
DECLARE r record;
BEGIN
	FOR r IN SELECT s.who, s.what, s.outcome, to_jsonb(e) ->> lower(s.who) AS expected
			 FROM seen AS s JOIN expected AS e USING (n) LOOP
		ASSERT r.outcome = r.expected, format('%s: %s: %s, not %s', r.who, r.what, r.outcome, r.expected);
	END LOOP;
	ASSERT (SELECT count(*) FROM seen) = 55, 'attempts';
END $$;

\echo '== 5. How a refusal reads'
SET ROLE demo_app;
BEGIN; SELECT teamrbac.sign_in(person('Dana')) \g /dev/null
SELECT who AS "Dana tries", reason(statement) AS "and is told" FROM (VALUES
	('change_role in her own team', format('CALL teamrbac.change_role(%L, %L, ''reader'')', :'acme', person('Adam'))),
	('the same in another team',    format('CALL teamrbac.change_role(%L, %L, ''reader'')', :'borealis', person('Sam'))),
	('the same in no team at all',  format('CALL teamrbac.change_role(gen_random_uuid(), %L, ''reader'')', person('Sam'))),
	('a misspelt permission',       format('SELECT teamrbac.has_permission(%L, ''prompts.edti'')', :'acme')),
	('to be Olivia',                format('SET teamrbac.identity = %L', 'user:' || person('Olivia')))
	) AS t(who, statement);
SELECT p.permission, e.allowed, e.reason
	FROM unnest(ARRAY['prompts.promote', 'billing.manage']) AS p(permission),
		 teamrbac.explain_permission(:'acme', p.permission) AS e;
ROLLBACK;
RESET ROLE;

\echo '== 6. A demotion is obeyed at the next statement of a transaction that is already open'
CREATE TABLE story (step serial, session text, what text, outcome text);
CREATE EXTENSION dblink;
SELECT dblink_connect('dana', format('dbname=%s', current_database())) \g /dev/null
SELECT dblink_exec('dana', 'SET search_path = shop, public') \g /dev/null
SELECT dblink_exec('dana', 'SET ROLE demo_app') \g /dev/null
SELECT dblink_exec('dana', 'BEGIN ISOLATION LEVEL REPEATABLE READ') \g /dev/null
SELECT * FROM dblink('dana', format('SELECT teamrbac.sign_in(%L)::text', person('Dana'))) AS t(x text) \g /dev/null
\set edit 'SELECT * FROM dblink(''dana'', format(''SELECT attempt(%L)'', ''UPDATE prompt SET title = title WHERE id = 7'')) AS t(x text)'
\set see 'SELECT * FROM dblink(''dana'', ''SELECT count(*)::text FROM prompt'') AS t(x text)'
INSERT INTO story (session, what, outcome) SELECT 'Dana, REPEATABLE READ', 'edit a prompt', (:edit);
BEGIN; SELECT teamrbac.sign_in(person('Adam')) \g /dev/null
CALL teamrbac.change_role(:'acme', person('Dana'), 'reader');
COMMIT;
INSERT INTO story (session, what, outcome) VALUES ('Adam', 'make Dana a Reader, COMMIT', 'done');
INSERT INTO story (session, what, outcome) SELECT 'Dana, same transaction', 'edit a prompt', (:edit);
INSERT INTO story (session, what, outcome) SELECT 'Dana, same transaction', 'prompts seen', (:see);
BEGIN; SELECT teamrbac.sign_in(person('Adam')) \g /dev/null
CALL teamrbac.remove_member(:'acme', person('Dana'));
COMMIT;
INSERT INTO story (session, what, outcome) VALUES ('Adam', 'remove Dana, COMMIT', 'done');
INSERT INTO story (session, what, outcome) SELECT 'Dana, same transaction', 'prompts seen', (:see);
SELECT dblink_exec('dana', 'ROLLBACK') \g /dev/null
SELECT dblink_disconnect('dana') \g /dev/null
SELECT session, what, outcome FROM story ORDER BY step;
DO $$ BEGIN
	ASSERT (SELECT array_agg(outcome ORDER BY step) FROM story) = ARRAY['done', 'done', 'no row', '300', 'done', '0'], 'demotion';
END $$;

\echo '== 7. What it costs: the plan of a query that names no tenant'
SET ROLE demo_app;
BEGIN; SELECT teamrbac.sign_in(person('Olivia')) \g /dev/null
EXPLAIN (COSTS OFF) SELECT count(*) FROM log;
EXPLAIN (COSTS OFF) SELECT * FROM log WHERE id = 17;
COMMIT;

\echo '== 8. Nora is invited: teamrbac-mailer sends the mail to a mail server on this machine'
RESET ROLE;
-- It may take the queued mail and report on it, and nothing else.
CREATE ROLE demo_mailer LOGIN;
GRANT EXECUTE ON FUNCTION teamrbac.claim_mail(integer, interval), teamrbac.mail_sent(uuid), teamrbac.mail_failed(uuid, text), teamrbac.mail_blocked(uuid, text),
	teamrbac.mail_refused(uuid, text) TO demo_mailer;
BEGIN; SELECT teamrbac.sign_in(person('Olivia')) \g /dev/null
SELECT count(*) AS invited FROM teamrbac.invite_member(:'acme', 'nora@example.com', 'developer') \g /dev/null
SELECT email, role, invited_by, expires_at::date - current_date AS "days left" FROM teamrbac.pending_invitation;
COMMIT;
\set log `teamrbac-mailer --once 2>&1`
\echo :log
\set mail `grep nora@example.com "$DEMO_MAIL/mail"`
\echo 'What arrived:'
SELECT (SELECT string_agg(h ->> 0 || ': ' || (h ->> 1), E'\n') FROM jsonb_array_elements(:'mail'::jsonb -> 'headers') AS h WHERE h ->> 0 IN ('From', 'To', 'Subject'))
	|| E'\n\n' || (:'mail'::jsonb ->> 'body') \g (format=unaligned tuples_only=on)
SELECT substring(:'mail'::jsonb ->> 'body' FROM 'https://app.example/join\?token=([0-9a-f]{64})') AS token \gset
SELECT kind, recipient, sent_at IS NOT NULL AS sent, token FROM teamrbac.outbox WHERE recipient = 'nora@example.com';
\echo 'The link is opened: by the page behind it, by somebody else, by Nora, who registers first'
SELECT count(teamrbac.register_user('Nora@Example.com', 'Nora')) \g /dev/null
SET ROLE demo_app;
SELECT tenant_name, role, email, state FROM teamrbac.peek_invitation(:'token');
BEGIN; SELECT teamrbac.sign_in(person('Rita')) \g /dev/null
SELECT reason(format('SELECT teamrbac.accept_invitation(%L)', :'token')) AS told \gset
ROLLBACK;
BEGIN; SELECT teamrbac.sign_in(person('Nora')) \g /dev/null
SELECT :'told' AS "Rita is told", a.role AS "Nora is", (SELECT count(*) FROM endpoint) AS "endpoints she sees" FROM teamrbac.accept_invitation(:'token') AS a;
COMMIT;
RESET ROLE;
SELECT 1 / (:'told' LIKE '42501 %')::int \g /dev/null
DO $$ BEGIN
	ASSERT (SELECT role FROM teamrbac.membership WHERE user_id = person('Nora')) = 'developer', 'joined by the token in the mail';
	ASSERT (SELECT sent_at IS NOT NULL AND token IS NULL FROM teamrbac.outbox WHERE recipient = 'nora@example.com'), 'sent, and the token wiped';
	ASSERT (SELECT count(*) FROM teamrbac.outbox WHERE token IS NOT NULL) = 0, 'no token is left';
END $$;
SET ROLE demo_app;

\echo '== 9. An API key: made by Adam, used by a program, revoked by Olivia while the program is at it'
RESET ROLE;
TRUNCATE story RESTART IDENTITY;
BEGIN; SELECT teamrbac.sign_in(person('Adam')) \g /dev/null
SELECT key_id, secret FROM teamrbac.create_api_key(:'acme', 'Nightly import of the web team', permissions => '{prompts.view,prompts.edit}') \gset
COMMIT;
SELECT :'secret' AS "the key, shown once";
SELECT dblink_connect('program', format('dbname=%s', current_database())) \g /dev/null
SELECT dblink_exec('program', 'SET search_path = shop, public') \g /dev/null
SELECT dblink_exec('program', 'SET ROLE demo_app') \g /dev/null
SELECT dblink_exec('program', 'BEGIN ISOLATION LEVEL REPEATABLE READ') \g /dev/null
\set see 'SELECT * FROM dblink(''program'', ''SELECT count(*)::text FROM prompt'') AS t(x text)'
INSERT INTO story (session, what, outcome) SELECT 'program', 'sign in with the key', role FROM dblink('program', format('SELECT role FROM teamrbac.sign_in_with_api_key(%L)', :'secret')) AS t(role text);
INSERT INTO story (session, what, outcome) SELECT 'program', 'prompts seen', (:see);
INSERT INTO story (session, what, outcome) SELECT 'program', 'endpoints seen', n FROM dblink('program', 'SELECT count(*)::text FROM endpoint') AS t(n text);
BEGIN; SELECT teamrbac.sign_in(person('Olivia')) \g /dev/null
SELECT name, role, permissions, creator, state FROM teamrbac.api_key_overview;
CALL teamrbac.revoke_api_key(:'key_id', 'demo');
COMMIT;
INSERT INTO story (session, what, outcome) VALUES ('Olivia', 'revoke it, COMMIT', 'done');
INSERT INTO story (session, what, outcome) SELECT 'program, same transaction', 'prompts seen', (:see);
SELECT dblink_exec('program', 'ROLLBACK') \g /dev/null
SELECT dblink_disconnect('program') \g /dev/null
INSERT INTO story (session, what, outcome) SELECT 'program', 'sign in again', reason(format('SELECT teamrbac.sign_in_with_api_key(%L)', :'secret'));
SELECT session, what, outcome FROM story ORDER BY step;
DO $$ BEGIN
	ASSERT (SELECT array_agg(outcome ORDER BY step) FROM story) = ARRAY['developer', '300', '0', 'done', '0', '28000 invalid API key'], 'revocation';
END $$;
SET ROLE demo_app;

SELECT clock_timestamp() AS before_it \gset
\echo '== 10. Olivia hands Acme to Adam; Nora, a contractor, is a member until her contract ends'
BEGIN; SELECT teamrbac.sign_in(person('Olivia')) \g /dev/null
SELECT who AS "Olivia tries", reason(statement) AS "and is told" FROM (VALUES
	('to hand Acme to Nora, a Developer', format('CALL teamrbac.transfer_ownership(%L, %L)', :'acme', person('Nora'))),
	('to hand it to Adam, an Admin',      format('CALL teamrbac.transfer_ownership(%L, %L)', :'acme', person('Adam'))),
	('to take it back',                   format('CALL teamrbac.transfer_ownership(%L, %L)', :'acme', person('Olivia')))) AS t(who, statement);
CALL teamrbac.set_membership_expiry(:'acme', person('Nora'), clock_timestamp() + interval '0.2 s');
COMMIT;
BEGIN; SELECT teamrbac.sign_in(person('Nora')) \g /dev/null
SELECT pg_sleep(0.3) \g /dev/null
SELECT e.allowed, e.reason FROM teamrbac.explain_permission(:'acme', 'endpoints.view') AS e;
ROLLBACK;
RESET ROLE;
\echo 'pg_cron tidies up; here, its jobs'
CREATE EXTENSION pg_cron;
SELECT job, schedule, command FROM teamrbac.schedule_maintenance();
CALL teamrbac.expire_memberships();
DO $$ BEGIN
	ASSERT (SELECT user_id FROM teamrbac.membership JOIN teamrbac.tenant USING (tenant_id) WHERE slug = 'acme' AND role = 'owner') = person('Adam'), 'Adam owns Acme';
	ASSERT (SELECT count(*) FROM teamrbac.membership WHERE user_id = person('Nora')) = 0, 'the contract has ended';
	ASSERT (SELECT count(*) FROM teamrbac.maintenance_jobs() WHERE active) = 3, 'maintenance is scheduled';
END $$;

\echo '== 11. Olivia leaves; the team that remains, as Adam sees it'
SET ROLE demo_app;
BEGIN; SELECT teamrbac.sign_in(person('Olivia')) \g /dev/null
CALL teamrbac.leave_tenant(:'acme');
COMMIT;
BEGIN; SELECT teamrbac.sign_in(person('Adam')) \g /dev/null
SELECT display_name, email, role FROM teamrbac.team ORDER BY display_name;
SELECT (SELECT string_agg(role, ' ' ORDER BY role) FROM teamrbac.team) = 'owner reader' AS two_remain \gset
COMMIT;
RESET ROLE;
SELECT 1 / (:'two_remain'::boolean)::int \g /dev/null
\echo '== 12. Signing in by a token that the database verifies: an SQL injection gets what that one user may'
-- The identity provider, as far as the database knows it; here it signs with a secret, so that the demo can play its part.
SELECT teamrbac.trust_issuer('https://id.example', '{"keys": [{"kty": "oct", "k": "dGhlIHNlY3JldCB0aGF0IDMyIGJ5dGVzIGFyZSBmb3I"}]}', '{shop}', '{HS256}') \g /dev/null
CREATE FUNCTION base64url(bytes bytea) RETURNS text LANGUAGE sql AS $$ SELECT rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=') $$;
CREATE FUNCTION provider(who text, seconds int) RETURNS text LANGUAGE sql AS $$
	SELECT t || '.' || base64url(public.hmac(t::bytea, 'the secret that 32 bytes are for', 'sha256'))
	FROM (SELECT base64url('{"alg": "HS256"}') || '.' || base64url(convert_to(json_build_object('iss', 'https://id.example', 'aud', 'shop', 'sub', person(who), 'role', 'owner',
		'iat', extract(epoch FROM now())::int, 'exp', extract(epoch FROM clock_timestamp()) + seconds)::text, 'UTF8'))) AS s(t) $$;
SELECT provider('Rita', 60) AS ritas, provider('Rita', 1) AS short \gset
-- The application's search puts what the user types into its SQL. Its role may execute nothing that signs in by a name.
CREATE ROLE demo_web LOGIN;
GRANT USAGE ON SCHEMA shop TO demo_web;
GRANT SELECT, UPDATE ON endpoint, prompt, snippet, log, billing_account TO demo_web;
CREATE FUNCTION search(term text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'SELECT title FROM prompt WHERE title = ''' || term || '''';
END $$;
CREATE FUNCTION injected(term text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT 'rows: ' || count(*) FROM search(term));
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE TABLE injection (n serial, "somebody types into Rita's search" text, term text);
INSERT INTO injection ("somebody types into Rita's search", term) VALUES
	('Prompt 7',                        'Prompt 7'),
	('all prompts there are',           ''' OR true --'),
	('everybody''s bills',              ''' UNION ALL SELECT balance::text FROM billing_account --'),
	('the users'' addresses',           ''' UNION ALL SELECT email FROM teamrbac.app_user --'),
	('sign me in as Adam, the Owner',   format(''' UNION ALL SELECT teamrbac.sign_in(%L)::text --', person('Adam'))),
	('I am Adam, says the gateway',     ''' UNION ALL SELECT teamrbac.sign_in_from_jwt_claims()::text --'),
	('trust my issuer',                 ''' UNION ALL SELECT teamrbac.trust_issuer(''me'', ''{"keys": []}'', ''{shop}'', ''{HS256}'')::text --'),
	('here is a token of mine',         ''' UNION ALL SELECT teamrbac.sign_in_with_token(''eyJhbGciOiJub25lIn0.e30.'')::text --'),
	('set who is asking',               ''' UNION ALL SELECT set_config(''teamrbac.identity'', ''user=...'', true) --');
GRANT SELECT ON injection TO demo_web;
SET ROLE demo_web;
BEGIN;
SELECT user_id = '00000000-0000-4000-8000-000000000004' AS "Rita has signed in" FROM teamrbac.sign_in_with_token(:'ritas');
SELECT "somebody types into Rita's search", injected(term) AS "and gets" FROM injection ORDER BY n;
SELECT string_agg(injected(term), ', ' ORDER BY n) = 'rows: 1, rows: 300, rows: 0, 42501 permission denied for table app_user, '
	|| '42501 permission denied for function sign_in, 42501 permission denied for function sign_in_from_jwt_claims, 42501 permission denied for function trust_issuer, '
	|| '28000 invalid token, 42501 permission denied to set parameter "teamrbac.identity"' AS contained FROM injection \gset
COMMIT;
\echo 'A second later, the token is over, and with it the identity, in the middle of a transaction'
BEGIN;
SELECT expires_at FROM teamrbac.sign_in_with_token(:'short') \g /dev/null
SELECT count(*) AS before FROM prompt \gset
SELECT pg_sleep(1.1) \g /dev/null
SELECT count(*) AS after FROM prompt \gset
COMMIT;
\echo :before 'prompts, then' :after
RESET ROLE;
SELECT 1 / (:'contained'::boolean AND :before = 300 AND :after = 0)::int \g /dev/null

\echo '== 13. Three seats, a link, and a list of addresses'
CALL teamrbac.set_tenant_limit(:'acme', 'members', 3);
SELECT teamrbac.register_user('vera@example.com', 'Vera', '00000000-0000-4000-8000-0000000000b1'),
	teamrbac.register_user('walt@example.com', 'Walt', '00000000-0000-4000-8000-0000000000b2') \g /dev/null
SET ROLE demo_app;
BEGIN; SELECT teamrbac.sign_in(person('Adam')) \g /dev/null
SELECT email, outcome FROM teamrbac.invite_members(:'acme', '{una@example.com,rita@example.com,nonsense}', 'reader');
SELECT token AS link FROM teamrbac.invite_by_link(:'acme', 'developer', uses => 10) \gset
COMMIT;
BEGIN; SELECT teamrbac.sign_in(person('Vera')) \g /dev/null
SELECT role AS "Vera is now" FROM teamrbac.accept_invitation(:'link');
SELECT teamrbac.sign_in(person('Walt')) \g /dev/null
SELECT reason(format('SELECT teamrbac.accept_invitation(%L)', :'link')) AS walt \gset
\echo 'And Walt:' :walt
COMMIT;
RESET ROLE;
SELECT 1 / (:'walt' = '55000 tenant has too many members')::int \g /dev/null

\echo '== 14. An auditor asks: who was in the team before the hand-over, and has anybody looked at it since?'
SET ROLE demo_app;
BEGIN; SELECT teamrbac.sign_in(person('Adam')) \g /dev/null
SELECT member, role, state, events FROM teamrbac.team_at(:'acme', :'before_it');
SELECT allowed, reason FROM teamrbac.explain_permission_at(:'acme', person('Adam'), 'billing.manage', :'before_it');
SELECT NOT allowed AS not_yet FROM teamrbac.explain_permission_at(:'acme', person('Adam'), 'billing.manage', :'before_it') \gset
SELECT teamrbac.start_review(:'acme', now() + interval '14 days') AS review \gset
SELECT item, kind, name, role_now, last_active FROM teamrbac.review_items(:'review');
CALL teamrbac.decide(:'review', 1, 'keep', 'owns Acme');
SELECT item, name, decision, outcome, note, decided_by FROM teamrbac.review_items(:'review') WHERE item = 1;
\echo 'What a collector of logs gets of it:'
SELECT l -> 'event' ->> 'sequence' AS sequence, l -> 'event' ->> 'action' AS action, l -> 'user' ->> 'id' AS "user.id", l -> 'teamrbac' ->> 'after' AS after
	FROM teamrbac.audit_export(:'acme') AS l WHERE l -> 'event' ->> 'action' ~ '^review';
COMMIT;
RESET ROLE;
SELECT 1 / (:'not_yet'::boolean)::int \g /dev/null

\echo '== 15. The chain stated elsewhere: a superuser rewrites it, hashes and all'
\set key_file `echo "$DEMO_MAIL/audit.pem"`
SET teamrbac.audit_signing_key_file = :'key_file';
SELECT teamrbac.audit_statement(:'acme') AS statement, teamrbac.audit_public_keys() AS keys \gset
\setenv STATEMENT :statement
\echo 'A third party, with the public key and openssl alone, reads where the chain stood:'
\set head `bash "$DEMO_MAIL/check-head" "$DEMO_MAIL/public.pem" "$STATEMENT" 2>/dev/null`
SELECT :'head'::json ->> 'sequence' AS sequence, :'head'::json ->> 'hash' AS hash;
SELECT 1 / (:'head'::json ->> 'hash' = encode(hash, 'hex'))::int FROM teamrbac.audit_head WHERE tenant_id = :'acme' \g /dev/null
CREATE FUNCTION pg_temp.rewrite(tenant uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	e teamrbac.audit_event;
	last bytea := '';
BEGIN
	FOR e IN SELECT * FROM teamrbac.audit_event WHERE tenant_id = tenant ORDER BY sequence LOOP
		e.action := CASE e.action WHEN 'ownership.transferred' THEN 'nothing.happened' ELSE e.action END;
		e.previous_hash := last;
		e.hash := teamrbac.audit_hash(e);
		UPDATE teamrbac.audit_event SET action = e.action, previous_hash = e.previous_hash, hash = e.hash WHERE tenant_id = tenant AND sequence = e.sequence;
		last := e.hash;
	END LOOP;
	UPDATE teamrbac.audit_head SET hash = last WHERE tenant_id = tenant;
END $$;
BEGIN;
SELECT pg_temp.rewrite(:'acme') \g /dev/null
SELECT a.valid AS "whole by itself", s.valid AS "and by the statement", s.problem
	FROM teamrbac.verify_audit(:'acme') AS a, teamrbac.verify_audit(:'acme', :'statement', :'keys') AS s;
SELECT 1 / (a.valid AND NOT s.valid)::int FROM teamrbac.verify_audit(:'acme') AS a, teamrbac.verify_audit(:'acme', :'statement', :'keys') AS s \g /dev/null
ROLLBACK;
SELECT 1 / s.valid::int FROM teamrbac.verify_audit(:'acme', :'statement', :'keys') AS s \g /dev/null
\echo 'Everything printed above was checked as it happened.'
