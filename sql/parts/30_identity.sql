-- Who is asking.

CREATE FUNCTION teamrbac.sign_in(user_id uuid, local boolean DEFAULT true) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_sign_in';
COMMENT ON FUNCTION teamrbac.sign_in(uuid, boolean) IS
	'The transaction (local, the default) or the session acts as this user from now on; ROLLBACK takes it back. Errors: 28000 unknown or disabled user, 42501 local => false while teamrbac.allow_session_identity is off. Trusted: grant EXECUTE only to the application''s login role. Notes the day of the user''s last activity, without waiting for any lock, where the transaction may write; works on a standby.';
CREATE FUNCTION teamrbac.sign_in_as_member(user_id uuid, tenant_id uuid, local boolean DEFAULT true) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_sign_in_as_member';
COMMENT ON FUNCTION teamrbac.sign_in_as_member(uuid, uuid, boolean) IS
	'sign_in and act_in_tenant in one call: the transaction (local) or the session acts as this user in this tenant. Errors: 28000 unknown or disabled user, 42501 not a live member, or local => false while teamrbac.allow_session_identity is off, 22023 tenant_id null. Trusted, as sign_in is. Waits for no lock.';
CREATE FUNCTION teamrbac.act_in_tenant(tenant_id uuid, local boolean DEFAULT true) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_act_in_tenant';
COMMENT ON FUNCTION teamrbac.act_in_tenant(uuid, boolean) IS
	'Narrows whoever is asking to this tenant, for the transaction (local) or the session: everything about another one answers as to a stranger, my_tenants excepted. Once entered, it lasts until the next sign-in, or as ROLLBACK takes it back; entering the same one again changes nothing. Errors: 42501 not a live member, or another tenant entered already; 28000 nobody signed in; 55000 local => false with an identity that ends with the transaction; 22023 tenant_id null. For everybody. Waits for no lock.';
CREATE FUNCTION teamrbac.sign_in_from_jwt_claims() RETURNS uuid
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_sign_in_from_jwt_claims';
COMMENT ON FUNCTION teamrbac.sign_in_from_jwt_claims() IS
	'The transaction acts as the user that sub in the setting request.jwt.claims names, by a link of iss and sub (link_identity) or as the user''s own id; without claims or sub, as nobody. What revoke_tokens revokes is refused here too, by iat; and of an issuer that is trusted (trust_issuer), its subject_is_user_id holds. Returns the user. Errors: 28000, with a reason as the error''s constraint: claims_malformed, user_unregistered, user_disabled, token_revoked. For a gateway that verifies the token, such as PostgREST''s pre-request hook. Trusted: whoever may execute it may set the claims.';
CREATE FUNCTION teamrbac.sign_out() RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_sign_out';
COMMENT ON FUNCTION teamrbac.sign_out() IS
	'The session acts as nobody from now on (or as the user its database role is mapped to). ROLLBACK takes it back.';
CREATE FUNCTION teamrbac.current_identity() RETURNS teamrbac.identity
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_current_identity';
COMMENT ON FUNCTION teamrbac.current_identity() IS
	'Who is asking, and in which tenant: kind none, user or api_key, their ids, the acting tenant and when the proof ends. Within maintenance of the server''s (ANALYZE, REINDEX, REFRESH, ...) none. For everybody.';
CREATE FUNCTION teamrbac.current_user_id() RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_current_user_id';
COMMENT ON FUNCTION teamrbac.current_user_id() IS
	'The user who is asking; NULL for nobody and for an API key. For everybody.';
CREATE FUNCTION teamrbac.current_tenant_id() RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_current_tenant_id';
COMMENT ON FUNCTION teamrbac.current_tenant_id() IS
	'The acting tenant: the one entered, the API key''s, or else the only one in which the user is a live member; NULL if there is none such. Fit for a column''s DEFAULT. For everybody.';
CREATE FUNCTION teamrbac.map_database_role(user_id uuid, role regrole) RETURNS void
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_map_database_role';
COMMENT ON FUNCTION teamrbac.map_database_role(uuid, regrole) IS
	'Sessions that logged in as this database role (session_user, whatever SET ROLE says) are this user while nobody has signed in; a NULL user ends the mapping. Errors: 22023 no role, or unknown user. For superusers.';

REVOKE ALL ON FUNCTION teamrbac.sign_in(uuid, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.sign_in_as_member(uuid, uuid, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.sign_in_from_jwt_claims() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.map_database_role(uuid, regrole) FROM PUBLIC;
