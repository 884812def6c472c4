-- Tokens that we verify: which issuers are trusted, by which keys, who their subjects are, and what is revoked.

CREATE TYPE teamrbac.issuers_changed AS ();
COMMENT ON TYPE teamrbac.issuers_changed IS
	'Invalidation signal: an issuer of tokens or a key of one was added, changed or removed.';
CREATE TYPE teamrbac.revocations_changed AS ();
COMMENT ON TYPE teamrbac.revocations_changed IS
	'Invalidation signal: tokens were revoked, or a subject of tokens has become another user.';

CREATE TABLE teamrbac.token_issuer (
	issuer             text COLLATE "C" PRIMARY KEY,
	issuer_number      integer NOT NULL,
	audience           text[] NOT NULL,
	algorithms         text[] NOT NULL,
	typ                text,
	tenant_claim       text[],
	register_users     boolean NOT NULL DEFAULT false,
	one_time           boolean NOT NULL DEFAULT false,
	subject_is_user_id boolean NOT NULL DEFAULT true,
	revoked_at         timestamptz,
	trusted_at         timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT token_issuer_name CHECK (pg_catalog.octet_length(issuer) BETWEEN 1 AND 1000),
	CONSTRAINT token_issuer_number CHECK (issuer_number > 0)
);
CREATE UNIQUE INDEX token_issuer_number_key ON teamrbac.token_issuer (issuer_number);
COMMENT ON TABLE teamrbac.token_issuer IS
	'The issuers whose tokens sign_in_with_token believes. Change it by trust_issuer and distrust_issuer.';
COMMENT ON COLUMN teamrbac.token_issuer.issuer IS 'As the tokens name it by iss, to the letter.';
COMMENT ON COLUMN teamrbac.token_issuer.issuer_number IS
	'Drawn at random when it is trusted: what identities bear, so that those of a distrusted issuer end whoever is trusted afterwards.';
COMMENT ON COLUMN teamrbac.token_issuer.audience IS 'One of these must be in a token''s aud.';
COMMENT ON COLUMN teamrbac.token_issuer.algorithms IS 'What it signs by, as alg names it.';
COMMENT ON COLUMN teamrbac.token_issuer.typ IS 'What a token''s typ must be; NULL: anything, or nothing.';
COMMENT ON COLUMN teamrbac.token_issuer.tenant_claim IS
	'The names that lead to the claim which says the acting tenant, such as {o,slg}; NULL: none does.';
COMMENT ON COLUMN teamrbac.token_issuer.register_users IS 'Whether unknown subjects with a verified address become users.';
COMMENT ON COLUMN teamrbac.token_issuer.one_time IS 'Whether each token, by its jti, signs in once.';
COMMENT ON COLUMN teamrbac.token_issuer.subject_is_user_id IS 'Whether a sub that is a uuid is the user_id itself.';
COMMENT ON COLUMN teamrbac.token_issuer.revoked_at IS 'Tokens issued until then are refused; NULL: none are.';
COMMENT ON COLUMN teamrbac.token_issuer.trusted_at IS 'When trust_issuer was called first.';
COMMENT ON CONSTRAINT token_issuer_name ON teamrbac.token_issuer IS 'Fit for an index.';
COMMENT ON CONSTRAINT token_issuer_number ON teamrbac.token_issuer IS 'An identity without an issuer has 0.';
COMMENT ON INDEX teamrbac.token_issuer_number_key IS 'Answers whether the issuer of an identity''s proof is still trusted.';

-- Two tables, because what is public belongs into a dump and what is secret does not.
CREATE TABLE teamrbac.token_key (
	issuer_number integer NOT NULL REFERENCES teamrbac.token_issuer (issuer_number) ON DELETE CASCADE,
	key_hash      bytea NOT NULL,
	key           jsonb NOT NULL,
	ends_at       timestamptz,
	PRIMARY KEY (issuer_number, key_hash)
);
COMMENT ON TABLE teamrbac.token_key IS 'The public keys of each issuer. Change it by set_issuer_keys.';
COMMENT ON COLUMN teamrbac.token_key.issuer_number IS 'The issuer.';
COMMENT ON COLUMN teamrbac.token_key.key_hash IS 'SHA-256 of the key as text.';
COMMENT ON COLUMN teamrbac.token_key.key IS 'A JSON Web Key.';
COMMENT ON COLUMN teamrbac.token_key.ends_at IS 'From then on it verifies nothing; NULL: it is one of the present keys.';

CREATE TABLE teamrbac.token_secret (
	issuer_number integer NOT NULL REFERENCES teamrbac.token_issuer (issuer_number) ON DELETE CASCADE,
	secret_hash   bytea NOT NULL,
	secret_key    jsonb NOT NULL,
	ends_at       timestamptz,
	PRIMARY KEY (issuer_number, secret_hash)
);
COMMENT ON TABLE teamrbac.token_secret IS
	'The symmetric keys of each issuer, by which anybody could make tokens: for nobody to read, and never dumped. After a restore, set_issuer_keys gives them back.';
COMMENT ON COLUMN teamrbac.token_secret.issuer_number IS 'The issuer.';
COMMENT ON COLUMN teamrbac.token_secret.secret_hash IS 'SHA-256 of the key as text.';
COMMENT ON COLUMN teamrbac.token_secret.secret_key IS 'A JSON Web Key of kty oct.';
COMMENT ON COLUMN teamrbac.token_secret.ends_at IS 'As in token_key.';

-- By the issuer's name rather than its number: links outlive distrust, and serve sign_in_from_jwt_claims too.
CREATE TABLE teamrbac.linked_identity (
	issuer    text COLLATE "C" NOT NULL,
	subject   text COLLATE "C" NOT NULL,
	user_id   uuid NOT NULL REFERENCES teamrbac.app_user ON DELETE CASCADE,
	linked_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (issuer, subject),
	CONSTRAINT linked_identity_length CHECK
		(pg_catalog.octet_length(issuer) >= 1 AND pg_catalog.octet_length(issuer) <= 1000
		 AND pg_catalog.octet_length(subject) >= 1 AND pg_catalog.octet_length(subject) <= 1000)
);
CREATE INDEX linked_identity_user_idx ON teamrbac.linked_identity (user_id);
COMMENT ON TABLE teamrbac.linked_identity IS
	'Which user a subject of an issuer''s tokens is. Change it by link_identity and unlink_identity.';
COMMENT ON COLUMN teamrbac.linked_identity.issuer IS 'iss, to the letter.';
COMMENT ON COLUMN teamrbac.linked_identity.subject IS 'sub, to the letter.';
COMMENT ON COLUMN teamrbac.linked_identity.user_id IS 'Who that is.';
COMMENT ON COLUMN teamrbac.linked_identity.linked_at IS 'When it was linked.';
COMMENT ON CONSTRAINT linked_identity_length ON teamrbac.linked_identity IS 'Fit for an index.';
COMMENT ON INDEX teamrbac.linked_identity_user_idx IS 'Answers the deletion of a user.';

-- Without a reference to the user: a token outlives whoever is erased, and must not bring them back.
CREATE TABLE teamrbac.token_revocation (
	user_id       uuid NOT NULL,
	issuer_number integer NOT NULL DEFAULT 0,
	revoked_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (user_id, issuer_number)
);
COMMENT ON TABLE teamrbac.token_revocation IS 'Whose tokens were revoked, and when last. Change it by revoke_tokens.';
COMMENT ON COLUMN teamrbac.token_revocation.user_id IS
	'The user, also one who is erased; or what stands for a subject whose link was undone, made of a hash of issuer and subject.';
COMMENT ON COLUMN teamrbac.token_revocation.issuer_number IS
	'The issuer; 0: every one. No reference: a number is never given twice.';
COMMENT ON COLUMN teamrbac.token_revocation.revoked_at IS 'Tokens issued until then are refused, and so are those that do not say when.';

-- No reference to the issuer, whose row would be locked at each sign-in.
CREATE TABLE teamrbac.token_use (
	issuer_number integer NOT NULL,
	token_hash    bytea NOT NULL,
	expires_at    timestamptz NOT NULL,
	PRIMARY KEY (issuer_number, token_hash)
);
CREATE INDEX token_use_expires_idx ON teamrbac.token_use (expires_at);
COMMENT ON TABLE teamrbac.token_use IS
	'The tokens that have signed in, of issuers whose tokens do so once. purge deletes them when they have expired.';
COMMENT ON COLUMN teamrbac.token_use.issuer_number IS 'The issuer.';
COMMENT ON COLUMN teamrbac.token_use.token_hash IS 'SHA-256 of the token''s jti.';
COMMENT ON COLUMN teamrbac.token_use.expires_at IS 'When the token ends by itself.';
COMMENT ON INDEX teamrbac.token_use_expires_idx IS 'Answers purge.';

-- TRUNCATE and changes of the tables' definition send an invalidation of their own.
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON teamrbac.token_issuer
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('issuers_changed');
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON teamrbac.token_key
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('issuers_changed');
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON teamrbac.token_secret
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('issuers_changed');
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON teamrbac.token_revocation
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('revocations_changed');
CREATE TRIGGER signal_change AFTER UPDATE OR DELETE ON teamrbac.linked_identity
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('revocations_changed');
-- Who was nobody until now is remembered by nobody; a uuid may have been a user by itself.
CREATE TRIGGER signal_insert AFTER INSERT ON teamrbac.linked_identity
	FOR EACH ROW WHEN (pg_catalog.octet_length(NEW.subject) = 36) EXECUTE FUNCTION teamrbac.signal_change('revocations_changed');
ALTER TABLE teamrbac.token_issuer ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE teamrbac.token_key ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE teamrbac.token_secret ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE teamrbac.token_revocation ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE teamrbac.linked_identity ENABLE ALWAYS TRIGGER signal_change;
ALTER TABLE teamrbac.linked_identity ENABLE ALWAYS TRIGGER signal_insert;

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.token_issuer REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('issuer', 'issuer');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.token_issuer REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('issuer', 'issuer');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.token_issuer REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('issuer', 'issuer');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.token_issuer
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('issuer', 'issuer');

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.token_key REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('issuer_key', 'issuer_number');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.token_key REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('issuer_key', 'issuer_number');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.token_key REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('issuer_key', 'issuer_number');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.token_key
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('issuer_key', 'issuer_number');

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.token_secret REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('issuer_key', 'issuer_number');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.token_secret REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('issuer_key', 'issuer_number');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.token_secret REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('issuer_key', 'issuer_number');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.token_secret
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('issuer_key', 'issuer_number');

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.linked_identity REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('linked_identity', 'subject');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.linked_identity REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('linked_identity', 'subject');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.linked_identity REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('linked_identity', 'subject');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.linked_identity
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('linked_identity', 'subject');

CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.token_revocation REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('user', 'user_id');
CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.token_revocation REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('user', 'user_id');
CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.token_revocation REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('user', 'user_id');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.token_revocation
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change('user', 'user_id');

ALTER TABLE teamrbac.token_issuer ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.token_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.token_secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.linked_identity ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.token_revocation ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.token_use ENABLE ROW LEVEL SECURITY;

SELECT pg_catalog.pg_extension_config_dump('teamrbac.token_issuer', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.token_key', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.token_secret', 'WHERE false');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.linked_identity', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.token_revocation', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.token_use', '');

-- Issuers.

CREATE FUNCTION teamrbac.jwks_keys(keys jsonb, OUT key jsonb, OUT hash bytea, OUT secret boolean) RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	SELECT DISTINCT k.key, sha256(convert_to(k.key::text, 'UTF8')), k.key ->> 'kty' = 'oct'
	FROM (SELECT (SELECT jsonb_object_agg(m.key, m.value) FROM jsonb_each(given.key) AS m
				  WHERE m.key = ANY (ARRAY['kty', 'kid', 'use', 'key_ops', 'alg', 'n', 'e', 'crv', 'x', 'y'])
					 OR m.key = 'k' AND given.key ->> 'kty' = 'oct')
		  FROM jsonb_array_elements(keys -> 'keys') AS given(key)) AS k(key);
$$;
COMMENT ON FUNCTION teamrbac.jwks_keys(jsonb, OUT jsonb, OUT bytea, OUT boolean) IS
	'Internal to trust_issuer and set_issuer_keys: the keys of a JSON Web Key Set, each once, without certificates and whatever else verifies nothing (the private part of a key for encryption, say), and which of them are secret.';
CREATE FUNCTION teamrbac.replace_issuer_keys(issuer_number integer, keys jsonb, ends_at timestamptz) RETURNS void
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	UPDATE teamrbac.token_key AS k SET ends_at = LEAST(k.ends_at, $3)
		WHERE k.issuer_number = $1 AND k.key_hash <> ALL (ARRAY(SELECT g.hash FROM teamrbac.jwks_keys($2) AS g));
	UPDATE teamrbac.token_secret AS k SET ends_at = LEAST(k.ends_at, $3)
		WHERE k.issuer_number = $1 AND k.secret_hash <> ALL (ARRAY(SELECT g.hash FROM teamrbac.jwks_keys($2) AS g));
	INSERT INTO teamrbac.token_key AS k SELECT $1, g.hash, g.key, NULL FROM teamrbac.jwks_keys($2) AS g WHERE NOT g.secret
		ON CONFLICT ON CONSTRAINT token_key_pkey DO UPDATE SET ends_at = NULL;
	INSERT INTO teamrbac.token_secret AS k SELECT $1, g.hash, g.key, NULL FROM teamrbac.jwks_keys($2) AS g WHERE g.secret
		ON CONFLICT ON CONSTRAINT token_secret_pkey DO UPDATE SET ends_at = NULL;
$$;
COMMENT ON FUNCTION teamrbac.replace_issuer_keys(integer, jsonb, timestamptz) IS
	'Internal to trust_issuer and set_issuer_keys: these keys are an issuer''s from now on, its others until ends_at.';

CREATE FUNCTION teamrbac.trust_issuer(issuer text, keys jsonb, audience text[], algorithms text[], typ text DEFAULT NULL,
		tenant_claim text[] DEFAULT NULL, register_users boolean DEFAULT false, one_time boolean DEFAULT false,
		subject_is_user_id boolean DEFAULT true) RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_trust_issuer';
COMMENT ON FUNCTION teamrbac.trust_issuer(text, jsonb, text[], text[], text, text[], boolean, boolean, boolean) IS
	'sign_in_with_token believes tokens with this iss from now on, if one of the keys (a JSON Web Key Set) has signed them by one of the algorithms (RS256 to ES512, EdDSA, HS256 to HS512) and they are for one of the audience. typ: what their header''s typ must be, such as at+jwt. tenant_claim: the names that lead to the claim which says the acting tenant by its id or slug, such as {o,slg}. register_users: an unknown subject with email and email_verified true becomes a user. one_time: a token, by its jti, signs in once. subject_is_user_id: a sub that is a uuid is the user_id, unless it is linked. Called again, it replaces all of that, and the keys at once. Errors: 22023 malformed, weak or private key, no key for these algorithms, unknown algorithm, empty list; 0A000 a server without OpenSSL. For superusers, or roles it is granted to, who thereby can make themselves any user. Pass secret keys as parameters, lest a log show them. Locks the issuer''s row.';
CREATE FUNCTION teamrbac.set_issuer_keys(issuer text, keys jsonb, overlap interval DEFAULT '1 hour') RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_set_issuer_keys';
COMMENT ON FUNCTION teamrbac.set_issuer_keys(text, jsonb, interval) IS
	'Gives a trusted issuer other keys; those that are no longer among them verify tokens for overlap more. With a key that has leaked, let overlap be 0 and CALL revoke_tokens(issuer => ...), since identities last as long as the tokens they came from. Without a change it writes nothing, so that it may be called every minute. Errors: P0002 no such issuer; 22023 as trust_issuer, negative overlap, or more than 64 keys with those that are ending; 0A000 a server without OpenSSL. For superusers, or roles it is granted to. Locks the issuer''s row.';
CREATE FUNCTION teamrbac.distrust_issuer(issuer text) RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_distrust_issuer';
COMMENT ON FUNCTION teamrbac.distrust_issuer(text) IS
	'Tokens of this issuer are refused, and identities made from them are over at the next statement, also if it is trusted again later. Links stay, and so does what was revoked or, for once, used: trusted again, it has that. Errors: P0002 no such issuer. For superusers, or roles it is granted to. Locks the issuer''s row.';
CREATE PROCEDURE teamrbac.revoke_tokens(user_id uuid DEFAULT NULL, issuer text DEFAULT NULL)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_revoke_tokens';
COMMENT ON PROCEDURE teamrbac.revoke_tokens(uuid, text) IS
	'Tokens of a user, of an issuer, or of a user from an issuer, that were issued until now are refused, and identities made from them are over at the next statement. What counts is iat, in whole seconds as a rule: one issued within the same second is refused too; so is one without iat, at any time. A token whose issuer''s clock is ahead of ours may pass for as long as that is. Errors: 22023 neither given; P0002 no such user or issuer. For superusers, or roles it is granted to. Locks the user''s or the issuer''s row.';

-- Who a subject is.

CREATE FUNCTION teamrbac.link_identity(issuer text, subject text, user_id uuid) RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_link_identity';
COMMENT ON FUNCTION teamrbac.link_identity(text, text, uuid) IS
	'Tokens with this iss and sub are of this user: for providers whose ids are no uuids of ours, and for further accounts of a user. The issuer need not be trusted (yet): sign_in_from_jwt_claims follows links too. Linking the same again changes nothing. Errors: 23505 linked to another user; P0002 no such user; 22023 null, or longer than 1000 bytes. Trusted, as sign_in is: whoever may execute it can make themselves any user. Locks the user''s row.';
CREATE FUNCTION teamrbac.unlink_identity(issuer text, subject text) RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_unlink_identity';
COMMENT ON FUNCTION teamrbac.unlink_identity(text, text) IS
	'Undoes link_identity, and revokes the tokens that the user has from this issuer, as revoke_tokens does; what was issued to the subject until now registers nobody either. Errors: P0002 no such link; 22023 null. For superusers, or roles it is granted to. Locks the user''s row.';

-- Called from C, which asks for no privilege: what a sign-in writes, it writes with these functions' rights.
CREATE FUNCTION teamrbac.register_token_user(issuer text, subject text, user_id uuid, email text, display_name text) RETURNS uuid
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_register_token_user';
COMMENT ON FUNCTION teamrbac.register_token_user(text, text, uuid, text, text) IS
	'Internal to sign_in_with_token: makes a user of a verified token''s claims, and links the subject unless its id is the user''s. Returns the user, who may have been registered meanwhile; NULL if the address is another user''s.';
CREATE FUNCTION teamrbac.use_token(issuer_number integer, token_hash bytea, expires_at timestamptz) RETURNS boolean
	LANGUAGE c STRICT SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_use_token';
COMMENT ON FUNCTION teamrbac.use_token(integer, bytea, timestamptz) IS
	'Internal to sign_in_with_token: notes that a token is used, and returns whether this is the first time; NULL if an argument is. Waits for a transaction that is using it.';

-- Signing in.

CREATE FUNCTION teamrbac.sign_in_with_token(token text, tenant_id uuid DEFAULT NULL, local boolean DEFAULT true,
		OUT user_id uuid, OUT tenant_id uuid, OUT expires_at timestamptz)
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_sign_in_with_token';
COMMENT ON FUNCTION teamrbac.sign_in_with_token(text, uuid, boolean) IS
	'The transaction (local, the default) or the session acts as the subject of a JSON Web Token of a trusted issuer, which is verified here, until the token ends; ROLLBACK takes it back. In the tenant that the issuer''s tenant_claim says, if the token has it, or else in tenant_id; tenant_id must not contradict it. What else the token says, of roles for one, does not count. Returns the user, the acting tenant (NULL: several, and none entered) and when the identity ends. Errors: 28000, with a reason as the error''s constraint (token_expired, token_revoked, user_unregistered, ...: see the security model); 42501 not a live member of the tenant, another tenant than the token''s, or local => false while teamrbac.allow_session_identity is off. For everybody. Registers an unknown user, and notes a token''s use, where the issuer''s configuration says so and the transaction may write. Waits for no lock, but for a transaction that is about to register the same user or use the same one-time token. Pass the token as a parameter, lest the statement in a log show it.';
CREATE FUNCTION teamrbac.sign_in_from_request() RETURNS uuid
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_sign_in_from_request';
COMMENT ON FUNCTION teamrbac.sign_in_from_request() IS
	'The transaction acts as the bearer token of the HTTP request says, verified as sign_in_with_token verifies it: by the header authorization in the JSON setting request.headers, as PostgREST leaves it before its pre-request function, or, where there are no headers, by the setting request.token, for gateways that set settings one by one; both ways at once are refused. Without a token, or with another scheme than Bearer, as nobody. The acting tenant: by the token''s claim, the header teamrbac-tenant or the setting request.tenant, an id or a slug; none may contradict another. Returns the user. Errors: as sign_in_with_token, and 28000 with reason headers_malformed or request_ambiguous. For everybody, since whoever sets these settings gains nothing without a token.';

REVOKE ALL ON FUNCTION teamrbac.jwks_keys(jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.replace_issuer_keys(integer, jsonb, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.trust_issuer(text, jsonb, text[], text[], text, text[], boolean, boolean, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.set_issuer_keys(text, jsonb, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.distrust_issuer(text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE teamrbac.revoke_tokens(uuid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.link_identity(text, text, uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.unlink_identity(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.register_token_user(text, text, uuid, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.use_token(integer, bytea, timestamptz) FROM PUBLIC;
