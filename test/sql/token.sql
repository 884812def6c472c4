-- Tokens: whom one signs in, where and for how long, and what it is refused for.
SET client_min_messages = error;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;

-- An issuer's side: tokens signed by a secret, which pgcrypto can do.
CREATE FUNCTION base64url(bytes bytea) RETURNS text LANGUAGE sql IMMUTABLE
	AS $$ SELECT rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=') $$;
CREATE FUNCTION token(claims jsonb, key text DEFAULT 'the secret that 32 bytes are for',
	header jsonb DEFAULT '{"alg": "HS256"}') RETURNS text
	LANGUAGE sql STABLE AS $$
	SELECT t || '.' || base64url(hmac(t::bytea, key::bytea, 'sha256'))
	FROM (SELECT base64url(convert_to(header::text, 'UTF8')) || '.' || base64url(convert_to(
		(jsonb_build_object('iss', 'https://id.example.com', 'aud', 'app',
			'iat', floor(EXTRACT(epoch FROM clock_timestamp())) - 10,
			'exp', floor(EXTRACT(epoch FROM clock_timestamp())) + 600) || claims - COALESCE(claims ->> 'without',
				''))::text, 'UTF8'))) AS signed(t) $$;
CREATE FUNCTION jwks(VARIADIC secrets text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('keys', jsonb_agg(jsonb_build_object('kty', 'oct', 'kid', 'key ' || n, 'k',
		base64url(s::bytea))))
	FROM unnest(secrets) WITH ORDINALITY AS t(s, n) $$;
CREATE FUNCTION seconds(n int) RETURNS numeric LANGUAGE sql
	AS $$ SELECT floor(EXTRACT(epoch FROM clock_timestamp())) + n $$;

SELECT count(teamrbac.register_user(n || '@example.com', 'User ' || n, u(n))) FROM unnest(ARRAY['01', '02', '03',
	'04']) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name, slug) VALUES (u('a0'), 'Acme', 'acme'), (u('b0'), 'Borealis',
	'borealis'), (u('c0'), 'Cirrus', 'cirrus');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('b0'), u('01'), 'owner'), (u('c0'), u('02'), 'owner'), (u('a0'), u('03'), 'reader');
COMMIT;
CREATE TABLE prompt (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id));
INSERT INTO prompt SELECT t, g FROM unnest(ARRAY[u('a0'), u('b0'), u('c0')]) AS t, generate_series(1, 3) AS g;
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
-- The application's role: nothing is granted to it but its own table.
CREATE ROLE regress_app;
GRANT SELECT, UPDATE ON prompt TO regress_app;
CREATE FUNCTION me() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', (i).kind, right((i).user_id::text, 2), 'in', COALESCE(right((i).tenant_id::text, 2),
		'-'), 'until', to_char((i).proof_ends_at, '"a time"'))
	FROM teamrbac.current_identity() AS i $$;
-- What a call is refused with: SQLSTATE and reason.
CREATE FUNCTION refused(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE reason text;
BEGIN
	EXECUTE command;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS reason = CONSTRAINT_NAME;
	RETURN concat_ws(' ', SQLSTATE, NULLIF(reason, ''));
END $$;
CREATE FUNCTION refused_token(claims jsonb, key text DEFAULT 'the secret that 32 bytes are for',
	header jsonb DEFAULT '{"alg": "HS256"}') RETURNS text
	LANGUAGE sql AS $$ SELECT refused(format('SELECT teamrbac.sign_in_with_token(%L)', token(claims, key, header))) $$;

-- Nobody's tokens are believed until somebody says so; and that is for superusers, or whoever they grant it to.
SELECT refused_token(jsonb_build_object('sub', u('01')));
SET ROLE regress_app;
SELECT refused($$SELECT teamrbac.trust_issuer('https://mine', jwks('the secret that 32 bytes are for'), '{app}',
	'{HS256}')$$) AS trust,
	refused($$SELECT teamrbac.set_issuer_keys('https://id.example.com', '{}')$$) AS keys,
	refused($$SELECT teamrbac.distrust_issuer('https://id.example.com')$$) AS distrust,
	refused($$CALL teamrbac.revoke_tokens(u('01'))$$) AS revoke,
	refused($$SELECT teamrbac.link_identity('https://id.example.com', 'me', u('01'))$$) AS link,
	refused($$SELECT teamrbac.unlink_identity('https://id.example.com', 'me')$$) AS unlink,
	refused($$SELECT teamrbac.register_token_user('x', 'x', NULL, 'x@example.com', 'x')$$) AS register,
	refused($$SELECT teamrbac.use_token(1, 'x', now())$$) AS use,
	refused($$SELECT teamrbac.replace_issuer_keys(1, '{}', now())$$) AS replace,
	refused($$SELECT * FROM teamrbac.token_secret$$) AS secret;
RESET ROLE;
-- What only this extension calls withstands nulls.
SELECT teamrbac.use_token(1, NULL, now()) AS use,
	refused($$SELECT teamrbac.register_token_user(NULL, NULL, NULL, NULL, NULL)$$) AS register,
	refused($$SELECT teamrbac.register_token_user('x', NULL, NULL, NULL, NULL)$$) AS without_subject,
	refused($$SELECT teamrbac.replace_issuer_keys(NULL, NULL, NULL)$$) AS replace;

-- What makes no issuer.
SELECT refused(format('SELECT teamrbac.trust_issuer(%s)', arguments)) AS refused, arguments FROM (VALUES
	($$NULL, jwks('the secret that 32 bytes are for'), '{app}', '{HS256}'$$),
	($$'', jwks('the secret that 32 bytes are for'), '{app}', '{HS256}'$$),
	($$'i', NULL, '{app}', '{HS256}'$$),
	($$'i', '{}', '{app}', '{HS256}'$$),
	($$'i', '{"keys": []}', '{app}', '{HS256}'$$),
	($$'i', jwks('too short'), '{app}', '{HS256}'$$),
	($$'i', jwks('the secret that 32 bytes are for'), NULL, '{HS256}'$$),
	($$'i', jwks('the secret that 32 bytes are for'), '{}', '{HS256}'$$),
	($$'i', jwks('the secret that 32 bytes are for'), '{NULL}', '{HS256}'$$),
	($$'i', jwks('the secret that 32 bytes are for'), '{app}', '{}'$$),
	($$'i', jwks('the secret that 32 bytes are for'), '{app}', '{none}'$$),
	($$'i', jwks('the secret that 32 bytes are for'), '{app}', '{hs256}'$$),
	($$'i', jwks('the secret that 32 bytes are for'), '{app}', '{RS256,ES256,EdDSA}'$$),
	($$'i', jwks('the secret that 32 bytes are for'), '{app}', '{HS256}', tenant_claim => '{}'$$)) AS t(arguments);
SELECT count(*) FROM teamrbac.token_issuer;

SELECT teamrbac.trust_issuer('https://id.example.com', jwks('the secret that 32 bytes are for'), '{app,other}',
	'{HS256,ES256}', tenant_claim => '{o,id}');

-- Whom it signs in: the subject, and for as long as it says. Roles that it claims count for nothing.
SET ROLE regress_app;
BEGIN;
SELECT user_id, tenant_id, expires_at = to_timestamp(seconds(0) + 600) AS expires
	FROM teamrbac.sign_in_with_token(token(jsonb_build_object('sub', u('03'), 'exp', seconds(600), 'role',
	'owner', 'roles', '["owner"]')));
SELECT me(), (SELECT count(*) FROM prompt) AS prompts, teamrbac.has_permission(u('a0'), 'prompts.edit') AS edits;
COMMIT;
SELECT me();
BEGIN; SELECT user_id FROM teamrbac.sign_in_with_token(token(jsonb_build_object('sub',
	u('03')))); ROLLBACK; SELECT me();
SELECT user_id FROM teamrbac.sign_in_with_token(token(jsonb_build_object('sub', upper(u('03')::text))),
	local => false); SELECT me(); SELECT teamrbac.sign_out(); SELECT me();

-- Where: as the token says, by id or slug; else as the call says; neither widens the other.
CREATE TEMP TABLE tried (n serial, what text, claims jsonb, tenant uuid);
INSERT INTO tried (what, claims, tenant) VALUES
	('in several, none named', '{}', NULL),
	('the call names one', '{}', u('a0')),
	('the token names one, by id', jsonb_build_object('o', jsonb_build_object('id', u('b0'))), NULL),
	('the token names one, by slug', '{"o": {"id": "borealis"}}', NULL),
	('both name the same', '{"o": {"id": "borealis"}}', u('b0')),
	('the call contradicts', '{"o": {"id": "borealis"}}', u('a0')),
	('not theirs, by the token', '{"o": {"id": "cirrus"}}', NULL),
	('not theirs, by the call', '{}', u('c0')),
	('no such slug', '{"o": {"id": "nowhere"}}', NULL),
	('no such id', jsonb_build_object('o', jsonb_build_object('id', u('99'))), NULL),
	('no such id, by the call', '{}', u('99')),
	('a number', '{"o": {"id": 7}}', NULL),
	('an empty name', '{"o": {"id": ""}}', NULL),
	('an array', '{"o": {"id": ["acme"]}}', NULL),
	('a name too long for a slug', jsonb_build_object('o', jsonb_build_object('id', 'acme' || repeat(' ', 60))), NULL),
	('something else on the way', '{"o": "acme"}', NULL),
	('null, as for nobody''s tenant', '{"o": {"id": null}}', NULL),
	('null on the way', '{"o": null}', NULL),
	('another name', '{"org": "acme"}', NULL);
CREATE FUNCTION pg_temp.outcome(t tried) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM teamrbac.sign_in_with_token(token(t.claims || jsonb_build_object('sub', u('01'))), t.tenant);
	RETURN me();
EXCEPTION WHEN OTHERS THEN RETURN concat_ws(' ', SQLSTATE, SQLERRM);
END $$;
SELECT what, pg_temp.outcome(t) FROM tried AS t ORDER BY n;
SELECT me();

-- What a token is refused for.
SELECT what, refused_token(jsonb_build_object('sub', u('01')) || claims) FROM (VALUES
	(1, 'nothing', '{}'::jsonb),
	(2, 'another issuer', '{"iss": "https://id.example.com/"}'),
	(3, 'another audience', '{"aud": ["else"]}'),
	(4, 'one audience of many', '{"aud": ["else", "other"]}'),
	(5, 'over', jsonb_build_object('exp', seconds(0))),
	(6, 'over, within any leeway', jsonb_build_object('exp', seconds(-1))),
	(7, 'not yet', jsonb_build_object('nbf', seconds(120))),
	(8, 'not yet, within the leeway', jsonb_build_object('nbf', seconds(20))),
	(9, 'from the future', jsonb_build_object('iat', seconds(120))),
	(10, 'from the future, within the leeway', jsonb_build_object('iat', seconds(20))),
	(11, 'sub is no string', '{"sub": 7}'),
	(12, 'nobody known', '{"sub": "auth0|62f1a"}'),
	(13, 'nobody known, by id', jsonb_build_object('sub', u('99'))),
	(14, 'a subject too long for an index', jsonb_build_object('sub', repeat('x', 2000)))) AS t(n, what,
		claims) ORDER BY n;
SELECT refused_token(jsonb_build_object('sub', u('01')), 'another secret, as long as that one') AS "by another key",
	refused_token(jsonb_build_object('sub', u('01')), header => '{"alg": "none"}') AS unsigned,
	refused_token(jsonb_build_object('sub', u('01')), header => '{"alg": "RS256"}') AS "another algorithm",
	refused_token(jsonb_build_object('sub', u('01')), header => '{"alg": "ES256"}') AS "an algorithm without a key",
	refused_token(jsonb_build_object('sub', u('01')), header => '{"alg": "HS256", "kid": "else"}') AS "no such key",
	refused($$SELECT teamrbac.sign_in_with_token(NULL)$$) AS "null",
	refused($$SELECT teamrbac.sign_in_with_token('')$$) AS empty,
	refused($$SELECT teamrbac.sign_in_with_token(repeat('x', 20000))$$) AS long;
RESET ROLE;
CALL teamrbac.disable_user(u('04'));
SELECT refused_token(jsonb_build_object('sub', u('04'))) AS disabled;
SET teamrbac.token_leeway = '0';
SELECT refused_token(jsonb_build_object('sub', u('01'), 'nbf', seconds(20), 'jti', 'x')) AS "without leeway";
RESET teamrbac.token_leeway;
-- What it says to people.
SELECT teamrbac.sign_in_with_token('x.y.z');

-- A token that was seen before is good for no longer than a new one.
CREATE TABLE kept AS SELECT token(jsonb_build_object('sub', u('03'))) AS t;
GRANT SELECT ON kept TO regress_app;
SET ROLE regress_app;
SELECT count(teamrbac.sign_in_with_token(t)) FROM kept, generate_series(1, 3);
RESET ROLE;
CALL teamrbac.disable_user(u('03'));
SELECT refused($$SELECT teamrbac.sign_in_with_token(t) FROM kept$$) AS disabled;
CALL teamrbac.enable_user(u('03'));
SELECT refused($$SELECT teamrbac.sign_in_with_token(t) FROM kept$$) AS enabled;
SELECT refused($$SELECT teamrbac.sign_in_with_token(overlay(t PLACING CASE substr(t, length(t) - 5,
	1) WHEN 'A' THEN 'B' ELSE 'A' END FROM length(t) - 5)) FROM kept$$) AS changed;

-- Keys: both sets for a time, then the new one.
SELECT teamrbac.set_issuer_keys('https://id.example.com', jwks('another secret, as long as that one'));
SELECT refused($$SELECT teamrbac.sign_in_with_token(t) FROM kept$$) AS former,
	refused_token(jsonb_build_object('sub', u('01')), 'another secret, as long as that one') AS present,
	(SELECT count(*) FROM teamrbac.token_secret) AS keys;
-- Called again without a change, it writes nothing.
SELECT count(*) AS events FROM teamrbac.audit_event WHERE action = 'issuer.keys_set';
SELECT teamrbac.set_issuer_keys('https://id.example.com', jwks('another secret, as long as that one'));
SELECT count(*) AS events FROM teamrbac.audit_event WHERE action = 'issuer.keys_set';
-- The time over, by hand: a key that is known in memory has ended too.
UPDATE teamrbac.token_secret SET ends_at = clock_timestamp() + interval '100 ms' WHERE ends_at IS NOT NULL;
SELECT refused($$SELECT teamrbac.sign_in_with_token(t) FROM kept$$) AS former;
SELECT pg_sleep(0.15);
SELECT refused($$SELECT teamrbac.sign_in_with_token(t) FROM kept$$) AS former,
	refused_token(jsonb_build_object('sub', u('01')), 'another secret, as long as that one') AS present;
SELECT teamrbac.set_issuer_keys('https://id.example.com', jwks('the secret that 32 bytes are for'), overlap => '0');
SELECT refused($$SELECT teamrbac.sign_in_with_token(t) FROM kept$$) AS back,
	refused_token(jsonb_build_object('sub', u('01')), 'another secret, as long as that one') AS gone,
	(SELECT count(*) FROM teamrbac.token_secret) AS keys;
SELECT refused($$SELECT teamrbac.set_issuer_keys('https://id.example.com',
	jwks('the secret that 32 bytes are for'), '-1 s')$$) AS negative,
	refused($$SELECT teamrbac.set_issuer_keys('https://id.example.com', jwks('the secret that 32 bytes are for'),
		NULL)$$) AS "null",
	refused($$SELECT teamrbac.set_issuer_keys('https://else', jwks('the secret that 32 bytes are for'))$$) AS unknown,
	refused($$SELECT teamrbac.set_issuer_keys('https://id.example.com',
		jwks(VARIADIC ARRAY(SELECT 'a secret, as long as one must be ' || g FROM generate_series(1,
		64) AS g)))$$) AS many;
-- Taken back, it never was.
BEGIN;
SELECT teamrbac.set_issuer_keys('https://id.example.com', jwks('another secret, as long as that one'), '0');
SELECT refused($$SELECT teamrbac.sign_in_with_token(t) FROM kept$$) AS within,
	refused_token(jsonb_build_object('sub', u('01')), 'another secret, as long as that one') AS present;
ROLLBACK;
SELECT refused($$SELECT teamrbac.sign_in_with_token(t) FROM kept$$) AS after,
	refused_token(jsonb_build_object('sub', u('01')), 'another secret, as long as that one') AS never;

-- What verifies nothing is not kept: a private key that is for something else, certificates.
BEGIN;
SELECT teamrbac.set_issuer_keys('https://id.example.com', jsonb_insert(jwks('the secret that 32 bytes are for'), '{keys,0}',
	'{"kty": "RSA", "use": "enc", "kid": "enc", "n": "AQ", "e": "AQAB", "d": "private", "k": "private", "x5c": ["MII"]}'));
SELECT key FROM teamrbac.token_key;
ROLLBACK;

-- Links: ids of other providers, and a second account; a link counts before the id.
SELECT teamrbac.link_identity('https://id.example.com', 'auth0|62f1a', u('01'));
SELECT teamrbac.link_identity('https://id.example.com', 'auth0|62f1a', u('01'));
SELECT refused($$SELECT teamrbac.link_identity('https://id.example.com', 'auth0|62f1a', u('02'))$$) AS taken,
	refused($$SELECT teamrbac.link_identity('https://id.example.com', 'auth0|9', u('99'))$$) AS nobody,
	refused($$SELECT teamrbac.link_identity('https://id.example.com', '', u('01'))$$) AS empty,
	refused($$SELECT teamrbac.link_identity('https://id.example.com', repeat('x', 1001), u('01'))$$) AS long,
	refused($$SELECT teamrbac.unlink_identity('https://id.example.com', 'auth0|9')$$) AS unknown;
SELECT right(user_id::text, 2) AS who FROM teamrbac.sign_in_with_token(token('{"sub": "auth0|62f1a"}'), local => false);
SELECT right(user_id::text, 2) AS who FROM teamrbac.sign_in_with_token(token('{"sub": "auth0|62F1A"}'), local => false);
SELECT right(user_id::text, 2) AS who FROM teamrbac.sign_in_with_token((SELECT t FROM kept));
SELECT teamrbac.link_identity('https://id.example.com', u('03')::text, u('02'));
SELECT right(user_id::text, 2) AS who FROM teamrbac.sign_in_with_token((SELECT t FROM kept));
SELECT me();
-- Unlinked, the tokens that the user has from there are over.
SELECT teamrbac.unlink_identity('https://id.example.com', 'auth0|62f1a');
SELECT me();
SELECT refused_token('{"sub": "auth0|62f1a"}') AS unlinked, refused_token(jsonb_build_object('sub',
	u('01'))) AS "issued before",
	refused_token(jsonb_build_object('sub', u('01'), 'iat', seconds(2))) AS "issued after";
SELECT teamrbac.unlink_identity('https://id.example.com', u('03')::text);
SELECT right(user_id::text, 2) AS who FROM teamrbac.sign_in_with_token((SELECT t FROM kept));
DELETE FROM teamrbac.token_revocation;

-- Revocation: of a user, of a user from one issuer, of an issuer. Without iat, a token is older than any.
SELECT teamrbac.trust_issuer('https://second.example.com', jwks('the secret that 32 bytes are for'), '{app}',
	'{HS256}', subject_is_user_id => false);
SELECT teamrbac.link_identity('https://second.example.com', 'ann', u('03'));
SELECT refused_token(jsonb_build_object('sub', u('03'), 'iss', 'https://second.example.com')) AS "its ids are not ours";
CREATE FUNCTION by_both() RETURNS text LANGUAGE sql
	AS $$ SELECT refused($q$SELECT teamrbac.sign_in_with_token(t) FROM kept$q$) || ', '
	|| refused_token('{"sub": "ann", "iss": "https://second.example.com"}') $$;
BEGIN; CALL teamrbac.revoke_tokens(u('03')); SELECT by_both(); ROLLBACK;
BEGIN; CALL teamrbac.revoke_tokens(u('03'), 'https://second.example.com'); SELECT by_both(); ROLLBACK;
BEGIN; CALL teamrbac.revoke_tokens(issuer => 'https://second.example.com'); SELECT by_both(); ROLLBACK;
BEGIN; CALL teamrbac.revoke_tokens(u('01')); SELECT by_both(), refused_token(jsonb_build_object('sub', u('01'),
	'iat', seconds(2))) AS "issued after",
	refused_token(jsonb_build_object('sub', u('01'), 'without', 'iat')) AS "without iat"; ROLLBACK;
SELECT by_both();
SELECT refused($$CALL teamrbac.revoke_tokens()$$) AS none,
	refused($$CALL teamrbac.revoke_tokens(u('99'))$$) AS nobody,
	refused($$CALL teamrbac.revoke_tokens(issuer => 'else')$$) AS unknown;

-- An identity is over at the next statement: all that asks who is asking says nobody.
SELECT user_id FROM teamrbac.sign_in_with_token((SELECT t FROM kept), local => false);
SELECT me();
CALL teamrbac.revoke_tokens(u('03'));
SELECT me(), teamrbac.current_user_id(), (SELECT count(*) FROM teamrbac.my_tenants()) AS tenants;
SELECT refused($$SELECT teamrbac.create_tenant('Mine')$$) AS command,
	refused($$SELECT teamrbac.act_in_tenant(u('a0'))$$) AS enter;
SELECT refused($$SELECT teamrbac.sign_in_with_token(t) FROM kept$$) AS again;
DELETE FROM teamrbac.token_revocation;
-- Distrusted and trusted again, its identities stay over; links are still there.
SELECT user_id FROM teamrbac.sign_in_with_token(token('{"sub": "ann", "iss": "https://second.example.com"}'),
	local => false);
SELECT teamrbac.distrust_issuer('https://second.example.com');
SELECT me(), by_both();
SELECT teamrbac.trust_issuer('https://second.example.com', jwks('the secret that 32 bytes are for'), '{app}',
	'{HS256}');
SELECT me(), by_both();
-- Whoever signed in without a token is not concerned.
SELECT teamrbac.sign_in(u('03'), false);
CALL teamrbac.revoke_tokens(u('03'));
SELECT me();
SELECT teamrbac.sign_out();
DELETE FROM teamrbac.token_revocation;

-- Registration, of whoever has a verified address.
SELECT teamrbac.trust_issuer('https://open.example.com', jwks('the secret that 32 bytes are for'), '{app}',
	'{HS256}', register_users => true);
CREATE FUNCTION newcomer(claims jsonb) RETURNS text LANGUAGE sql AS $$ SELECT refused_token(claims
	|| '{"iss": "https://open.example.com"}') $$;
SELECT newcomer('{"sub": "n1"}') AS "no address", newcomer('{"sub": "n1", "email": "n1@example.com"}') AS unverified,
	newcomer('{"sub": "n1", "email": "n1@example.com", "email_verified": "true"}') AS "a string",
		newcomer('{"sub": "n1", "email": "n1", "email_verified": true}') AS malformed,
	newcomer('{"sub": "n1", "email": "01@EXAMPLE.com", "email_verified": true}') AS taken;
SET ROLE regress_app;
BEGIN READ ONLY;
SELECT newcomer('{"sub": "n1", "email": "n1@example.com", "email_verified": true}') AS "read-only";
COMMIT;
SELECT newcomer('{"sub": "n1", "email": "n1@example.com", "email_verified": true, "name": "New One"}') AS first,
	newcomer('{"sub": "n1"}') AS second,
	newcomer(jsonb_build_object('sub', u('05'), 'email', 'n2@example.com', 'email_verified', true, 'name',
		E'a\nb')) AS "by id";
RESET ROLE;
SELECT a.email, a.display_name, a.user_id = u('05') AS by_id, l.subject FROM teamrbac.app_user AS a LEFT
	JOIN teamrbac.linked_identity AS l USING (user_id) WHERE a.email LIKE 'n%' ORDER BY 1;
-- Taken back, there is nobody, whatever this session remembers of the token.
BEGIN;
CREATE TABLE fresh AS SELECT token('{"sub": "n3", "iss": "https://open.example.com", "email": "n3@example.com",
	"email_verified": true}') AS t;
SAVEPOINT s;
SELECT user_id IS NOT NULL AS registered FROM teamrbac.sign_in_with_token((SELECT t FROM fresh));
ROLLBACK TO s;
SELECT (SELECT count(*) FROM teamrbac.app_user WHERE email LIKE 'n3%') AS users, me();
SELECT user_id IS NOT NULL AS registered FROM teamrbac.sign_in_with_token((SELECT t FROM fresh));
ROLLBACK;

-- For once.
SELECT teamrbac.trust_issuer('https://once.example.com', jwks('the secret that 32 bytes are for'), '{app}',
	'{HS256}', one_time => true, typ => 'at+jwt');
CREATE FUNCTION once(claims jsonb, header jsonb DEFAULT '{"alg": "HS256", "typ": "at+jwt"}') RETURNS text LANGUAGE sql
	AS $$ SELECT refused_token(jsonb_build_object('sub', u('03'), 'iss', 'https://once.example.com') || claims,
		header => header) $$;
SELECT once('{}') AS "no jti", once('{"jti": "1"}', '{"alg": "HS256"}') AS "no typ",
	once('{"jti": "1"}') AS first, once('{"jti": "1"}') AS again, once('{"jti": "2"}') AS another;
BEGIN; SELECT once('{"jti": "3"}'); ROLLBACK; SELECT once('{"jti": "3"}') AS "taken back";
SET ROLE regress_app; BEGIN READ ONLY; SELECT once('{"jti": "4"}') AS "read-only"; COMMIT; RESET ROLE;
SELECT count(*), bool_and(octet_length(token_hash) = 32) AS hashed FROM teamrbac.token_use;
UPDATE teamrbac.token_use SET expires_at = now() - interval '2 hours';
CALL teamrbac.purge();
SELECT count(*) FROM teamrbac.token_use;

-- Gateways: PostgREST's headers, and settings one by one.
SET ROLE regress_app;
CREATE FUNCTION pg_temp.request(headers text, bearer text DEFAULT NULL, tenant text DEFAULT NULL) RETURNS text
	LANGUAGE plpgsql AS $$
DECLARE reason text;
BEGIN
	PERFORM set_config('request.headers', headers, true);
	IF bearer IS NOT NULL THEN PERFORM set_config('request.token', bearer, true), set_config('request.tenant',
		COALESCE(tenant, ''), true); END IF;
	PERFORM teamrbac.sign_in_from_request();
	RETURN me();
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS reason = CONSTRAINT_NAME;
	RETURN concat_ws(' ', SQLSTATE, NULLIF(reason, ''));
END $$;
CREATE TEMP TABLE two AS SELECT token(jsonb_build_object('sub', u('01'), 'iat', seconds(2))) AS t,
	token(jsonb_build_object('sub', u('01'), 'iat', seconds(2), 'o', '{"id": "acme"}'::jsonb)) AS in_acme;
SELECT pg_temp.request('') AS "no headers", pg_temp.request('{"accept": "*/*"}') AS "no token",
	pg_temp.request('{"authorization": "Basic eDp5"}') AS "another scheme",
	pg_temp.request('{"authorization": "Bearer "}') AS empty,
		pg_temp.request('{"authorization": "Bearer x"}') AS malformed,
		pg_temp.request('{"authorization": 7}') AS number,
	pg_temp.request('[]') AS array,
		pg_temp.request('{"authorization": "Bearer x", "authorization": "Bearer y"}') AS twice;
SELECT pg_temp.request(jsonb_build_object('authorization', 'Bearer ' || t)::text) AS several,
	pg_temp.request(jsonb_build_object('authorization', 'bearer  ' || t, 'teamrbac-tenant', 'borealis')::text) AS slug,
	pg_temp.request(jsonb_build_object('authorization', 'Bearer ' || t, 'teamrbac-tenant', u('a0'))::text) AS id,
	pg_temp.request(jsonb_build_object('authorization', 'Bearer ' || t, 'teamrbac-tenant',
		'cirrus')::text) AS "not theirs",
	pg_temp.request(jsonb_build_object('authorization', 'Bearer ' || t, 'teamrbac-tenant', 7)::text) AS number,
	pg_temp.request(jsonb_build_object('authorization', 'Bearer ' || in_acme, 'teamrbac-tenant',
		'acme')::text) AS agrees,
	pg_temp.request(jsonb_build_object('authorization', 'Bearer ' || in_acme, 'teamrbac-tenant',
		'borealis')::text) AS contradicts FROM two;
SELECT pg_temp.request('', t) AS setting, pg_temp.request('', t, 'acme') AS tenant,
	pg_temp.request('{"teamrbac-tenant": "borealis"}', t) AS "both ways", pg_temp.request('', '') AS nobody,
	pg_temp.request('', in_acme, 'borealis') AS contradicts FROM two;
-- What somebody's SQL has planted on a pooled connection is for nobody who comes next, whichever way the gateway uses.
SET request.token = 'planted';
SELECT pg_temp.request('{}') AS "by headers";
RESET request.token;
SET request.headers = '{"authorization": "Bearer planted"}';
BEGIN;
SET LOCAL request.token = '';
SELECT refused('SELECT teamrbac.sign_in_from_request()') AS "by settings";
COMMIT;
RESET request.headers;
-- A former identity does not stay where the request has none.
BEGIN;
SELECT count(teamrbac.sign_in_with_token(t)) FROM two;
SET LOCAL request.token = '';
SELECT teamrbac.sign_in_from_request(), me();
COMMIT;
RESET ROLE;

-- Claims that a gateway has verified: links, and a reason for whoever is to be registered.
GRANT EXECUTE ON FUNCTION teamrbac.sign_in_from_jwt_claims() TO regress_app;
SET ROLE regress_app;
CREATE FUNCTION pg_temp.claims(claims text) RETURNS text LANGUAGE sql AS $$
	SELECT refused('SELECT teamrbac.sign_in_from_jwt_claims()') FROM (SELECT set_config('request.jwt.claims',
		claims, true)) AS s WHERE s IS NOT NULL $$;
SELECT pg_temp.claims('{"iss": "https://second.example.com", "sub": "ann"}') AS linked,
	pg_temp.claims('{"sub": "ann"}') AS "no issuer",
	pg_temp.claims('{"iss": "else", "sub": "ann"}') AS "another issuer",
	pg_temp.claims('{"sub": "00000000-0000-0000-0000-000000000099"}') AS unregistered,
		pg_temp.claims('{"sub": "00000000-0000-0000-0000-000000000004"}') AS disabled,
		pg_temp.claims('{"sub": 7}') AS malformed;
RESET ROLE;

-- On record, and nothing of a key in it; a change by hand too.
SELECT action, subject ~ '^issuer:' AS of_issuer, count(*) FROM teamrbac.audit_event
	WHERE action ~ 'issuer|token|identity|key' GROUP BY 1, 2 ORDER BY action COLLATE "C";
SELECT count(*) FROM teamrbac.audit_event AS e WHERE e::text ~ base64url('the secret that 32 bytes are for'::bytea);
SELECT valid FROM teamrbac.verify_audit('00000000-0000-0000-0000-000000000000');
-- A user who is deleted takes links along; what was revoked stays so.
CALL teamrbac.revoke_tokens(u('03'));
DELETE FROM teamrbac.app_user WHERE user_id = u('03');
SELECT (SELECT count(*) FROM teamrbac.linked_identity WHERE user_id = u('03')) AS links, (SELECT count(*)
	FROM teamrbac.token_revocation WHERE user_id = u('03')) AS revocations, by_both();

DROP FUNCTION pg_temp.outcome(tried);
DROP TABLE prompt, kept, tried, two;
DROP EXTENSION teamrbac CASCADE;
DROP OWNED BY regress_app;
DROP ROLE regress_app;
DROP FUNCTION once(jsonb, jsonb), newcomer(jsonb), by_both(), refused_token(jsonb, text, jsonb), refused(text),
	me(), seconds(int), jwks(text[]),
	token(jsonb, text, jsonb), base64url(bytea), u(text);
