-- What the end of a proof, of a link, of a user or of trust in an issuer leaves behind: nothing that a token from
-- before brings back, and nobody who is taken for the DBA.
SET client_min_messages = error;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
CREATE FUNCTION base64url(bytes bytea) RETURNS text LANGUAGE sql IMMUTABLE
	AS $$ SELECT rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=') $$;
-- Issued ten seconds ago, unless it says otherwise.
CREATE FUNCTION token(claims jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT t || '.' || base64url(hmac(t::bytea, 'the secret that 32 bytes are for'::bytea, 'sha256'))
	FROM (SELECT base64url('{"alg": "HS256"}') || '.' || base64url(convert_to((jsonb_build_object(
		'iss', 'https://id.example.com', 'aud', 'app', 'iat', floor(EXTRACT(epoch FROM clock_timestamp())) - 10,
		'exp', floor(EXTRACT(epoch FROM clock_timestamp())) + 600) || claims)::text, 'UTF8'))) AS signed(t) $$;
CREATE FUNCTION keys() RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('keys', jsonb_build_array(jsonb_build_object('kty', 'oct', 'k',
		base64url('the secret that 32 bytes are for')))) $$;
CREATE FUNCTION refused(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE reason text;
BEGIN
	EXECUTE command;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS reason = CONSTRAINT_NAME;
	RETURN concat_ws(' ', SQLSTATE, NULLIF(reason, ''));
END $$;
CREATE FUNCTION signs_in(token text) RETURNS text LANGUAGE sql
	AS $$ SELECT refused(format('SELECT teamrbac.sign_in_with_token(%L)', token)) $$;
SELECT count(teamrbac.register_user(n || '@example.com', 'User ' || n, u(n))) FROM unnest(ARRAY['01', '02', '03',
	'04']) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('a0'), u('01'), 'owner'),
	(u('a0'), u('02'), 'reader');
COMMIT;
SELECT teamrbac.trust_issuer('https://id.example.com', keys(), '{app}', '{HS256}', register_users => true);

-- Whoever may add members may do so for users who may, and in their own name while nobody is signed in.  A proof that
-- has ended leaves nobody who could be taken for that.
CREATE FUNCTION adds() RETURNS text LANGUAGE sql
	AS $$ SELECT refused('SELECT teamrbac.add_member(u(''a0''), u(''03''), ''admin'')') $$;
BEGIN;
SELECT count(*) FROM teamrbac.sign_in_with_token(token(jsonb_build_object('sub', u('02'))));
SELECT adds() AS reader;
SAVEPOINT s;
CALL teamrbac.revoke_tokens(u('02'));
SELECT adds() AS revoked;
ROLLBACK TO s;
SELECT teamrbac.distrust_issuer('https://id.example.com');
SELECT adds() AS distrusted;
ROLLBACK TO s;
CALL teamrbac.disable_user(u('02'));
SELECT adds() AS disabled;
ROLLBACK TO s;
CALL teamrbac.delete_user(u('02'));
SELECT adds() AS deleted;
ROLLBACK;
-- A database role that is mapped to a user, and then no longer.
BEGIN;
SELECT teamrbac.map_database_role(u('02'), session_user::regrole);
SELECT adds() AS mapped;
SELECT teamrbac.act_in_tenant(u('a0'));
SELECT teamrbac.map_database_role(NULL, session_user::regrole);
SELECT adds() AS mapped_no_longer;
SELECT teamrbac.sign_out();
SELECT adds() AS nobody;
ROLLBACK;

-- A token outlives whoever it was of, and brings nobody back: by an id, by a link, by a link of what looks like an id.
CREATE TEMP TABLE kept (n int, sub text, t text);
INSERT INTO kept SELECT n, sub, token(jsonb_build_object('sub', sub, 'email', 'n' || n || '@example.com',
	'email_verified', true)) FROM (VALUES (1, u('81')::text), (2, 'lena'), (3, u('83')::text), (4, 'unlinked'))
	AS v(n, sub);
SELECT teamrbac.link_identity('https://id.example.com', u('83')::text, u('04'));
SELECT n, signs_in(t) FROM kept ORDER BY n;
SELECT count(*) FROM teamrbac.app_user;
CREATE FUNCTION whoever(address text) RETURNS uuid LANGUAGE sql
	AS $$ SELECT user_id FROM teamrbac.app_user WHERE email = address $$;
CALL teamrbac.delete_user(whoever('n1@example.com'));
CALL teamrbac.disable_user(whoever('n2@example.com'));
CALL teamrbac.delete_user(whoever('n2@example.com'));
CALL teamrbac.delete_user(u('04'));
-- Its address is free by now.
SELECT teamrbac.unlink_identity('https://id.example.com', 'unlinked');
SELECT teamrbac.update_user(whoever('n4@example.com'), 'other@example.com');
SELECT n, signs_in(t) FROM kept ORDER BY n;
SELECT count(*) FROM teamrbac.app_user;
-- What is left says nothing of them.
SELECT count(*) FROM teamrbac.token_revocation AS r WHERE r::text ~ 'lena|n[0-9]@';
-- Who comes back by a token of their own comes anew.
SELECT n, signs_in(token(jsonb_build_object('sub', sub, 'email', 'n' || n || '@example.com', 'email_verified', true,
	'iat', floor(EXTRACT(epoch FROM clock_timestamp())) + 1))) FROM kept ORDER BY n;

-- An issuer that is trusted again is another one to identities, but not to what was revoked and used before.
SELECT teamrbac.trust_issuer(i, keys(), '{app}', '{HS256}', one_time => i ~ 'once') FROM unnest(ARRAY[
	'https://once.example.com', 'https://user.example.com', 'https://all.example.com']) AS i;
TRUNCATE kept;
INSERT INTO kept SELECT n, sub, token(jsonb_build_object('iss', format('https://%s.example.com', issuer), 'sub', u(sub),
	'jti', n::text)) FROM (VALUES (1, 'once', '01'), (2, 'user', '01'), (3, 'user', '02'), (4, 'all', '01'))
	AS v(n, issuer, sub);
SELECT n, signs_in(t) FROM kept ORDER BY n;
CALL teamrbac.revoke_tokens(u('01'), 'https://user.example.com');
CALL teamrbac.revoke_tokens(issuer => 'https://all.example.com');
SELECT n, signs_in(t) FROM kept ORDER BY n;
-- More than once, too.
SELECT count(teamrbac.distrust_issuer(issuer)) FROM teamrbac.token_issuer WHERE issuer !~ '//id';
SELECT count(teamrbac.trust_issuer(format('https://%s.example.com', i), keys(), '{app}', '{HS256}',
	one_time => i = 'once'))
	FROM unnest(ARRAY['once', 'user', 'all']) AS i;
SELECT n, signs_in(t) FROM kept ORDER BY n;
SELECT count(teamrbac.distrust_issuer(issuer)) FROM teamrbac.token_issuer WHERE issuer !~ '//id';
SELECT n, signs_in(t) FROM kept ORDER BY n;
SELECT count(teamrbac.trust_issuer(format('https://%s.example.com', i), keys(), '{app}', '{HS256}',
	one_time => i = 'once'))
	FROM unnest(ARRAY['once', 'user', 'all']) AS i;
SELECT n, signs_in(t) FROM kept ORDER BY n;
SELECT valid FROM teamrbac.verify_audit('00000000-0000-0000-0000-000000000000');

-- Whichever way a token comes, what was said of its user and its issuer holds; without iat it is older than anything
-- said.
SELECT teamrbac.trust_issuer('https://links.example.com', keys(), '{app}', '{HS256}', subject_is_user_id => false);
CREATE FUNCTION claims(claims jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT refused('SELECT teamrbac.sign_in_from_jwt_claims()') FROM set_config('request.jwt.claims',
		(jsonb_build_object('iss', 'https://else.example.com', 'sub', u('02'),
			'iat', floor(EXTRACT(epoch FROM clock_timestamp())) - 10) || claims)::text, true) $$;
BEGIN;
SELECT claims('{}') AS any_issuer, claims('{"iss": "https://id.example.com"}') AS trusted,
	claims('{"iss": "https://links.example.com"}') AS held_to_links, claims('{"iat": "now"}') AS malformed;
CALL teamrbac.revoke_tokens(u('02'), 'https://id.example.com');
SELECT claims('{}') AS any_issuer, claims('{"iss": "https://id.example.com"}') AS revoked;
CALL teamrbac.revoke_tokens(u('02'));
SELECT claims('{}') AS revoked, claims('{"iat": null}') AS malformed, claims('{"sub": null}') AS nobody,
	claims(jsonb_build_object('iat', floor(EXTRACT(epoch FROM clock_timestamp())) + 1)) AS issued_since;
SELECT set_config('request.jwt.claims', jsonb_build_object('sub', u('02'))::text, true) <> '' AS set;
SELECT refused('SELECT teamrbac.sign_in_from_jwt_claims()') AS without_iat;
ROLLBACK;
-- And what is revoked while it is signed in ends.
BEGIN;
SELECT claims('{"iss": "https://id.example.com"}') AS signed_in;
SELECT teamrbac.current_user_id() = u('02') AS is_user;
CALL teamrbac.revoke_tokens(u('02'), 'https://id.example.com');
SELECT teamrbac.current_user_id();
ROLLBACK;

DROP TABLE kept;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION claims(jsonb), adds(), whoever(text), signs_in(text), refused(text), keys(), token(jsonb),
	base64url(bytea), u(text);
