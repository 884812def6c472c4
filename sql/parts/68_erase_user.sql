-- The end of a user, and the language in which they are written to.

CREATE PROCEDURE teamrbac.set_user_locale(user_id uuid, locale text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_set_user_locale';
COMMENT ON PROCEDURE teamrbac.set_user_locale(uuid, text) IS
	'In which language mail to a user is written, as claim_mail tells the sender: a tag such as de or pt-BR; NULL: not known. Errors: 22023 malformed; P0002 no such user. Trusted, as register_user is. Locks the user''s row.';
REVOKE ALL ON PROCEDURE teamrbac.set_user_locale(uuid, text) FROM PUBLIC;

CREATE PROCEDURE teamrbac.delete_user(user_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_delete_user';
COMMENT ON PROCEDURE teamrbac.delete_user(uuid) IS
	'Erases a user: access ends as by disable_user, tokens issued until now are revoked and register nobody anew, memberships, mappings to database roles and requests to join go, and with them every trace of their e-mail addresses and names: invitations and mail to the addresses are deleted, mail that names them loses the name, reviews say their id instead, and events in the audit keep salted digests, without the salt, in the place of address, name and metadata, so that every chain still verifies. What stays is the opaque user_id, in the audit and in API keys that they made, which work until somebody revokes them; and what people have typed into names of keys, tenants and database roles, and into reasons and notes. Addresses that the user had before are known from the user''s own events; one that is another user''s by now is left alone. Errors: P0002 no such user; 55000 the Owner of a tenant, also of a deleted one that can still be restored, until purge has begun; 40001 they joined a tenant at the same moment; 23503 or 55000 where foreign keys of the application''s tables forbid it (see docs/security.md). Trusted, as register_user is. Locks the tenants'' rows, then the user''s.';
REVOKE ALL ON PROCEDURE teamrbac.delete_user(uuid) FROM PUBLIC;

-- Every address and name that the user has or had, as far as their own events tell.
CREATE FUNCTION teamrbac.user_traces(of_user uuid, OUT addresses text[], OUT names text[])
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH trace AS (
		SELECT u.email::text AS email, u.display_name FROM teamrbac.app_user AS u WHERE u.user_id = of_user
		UNION
		SELECT e.fields ->> 'email', e.fields ->> 'display_name'
		FROM (SELECT s.before AS fields FROM teamrbac.audit_event AS s WHERE s.tenant_id = of_user AND s.scope = 'user' AND s.salt IS NOT NULL
			  UNION ALL
			  SELECT s.after FROM teamrbac.audit_event AS s WHERE s.tenant_id = of_user AND s.scope = 'user' AND s.salt IS NOT NULL) AS e
	)
	SELECT COALESCE(array_agg(DISTINCT teamrbac.address_key(t.email)) FILTER (WHERE t.email IS NOT NULL AND NOT EXISTS (
				SELECT FROM teamrbac.app_user AS other WHERE teamrbac.address_key(other.email) = teamrbac.address_key(t.email) AND other.user_id <> of_user)), '{}'),
		   COALESCE(array_agg(DISTINCT t.display_name) FILTER (WHERE t.display_name <> ''), '{}')
	FROM trace AS t;
$$;
COMMENT ON FUNCTION teamrbac.user_traces(uuid, OUT text[], OUT text[]) IS
	'Internal to delete_user: the addresses, as address_key has them, and names that a user has and had; an address that is another user''s by now is not among them.';
REVOKE ALL ON FUNCTION teamrbac.user_traces(uuid) FROM PUBLIC;

-- What a mail says, without these addresses and names; NULL where it has none of them.
CREATE FUNCTION teamrbac.fields_without(fields jsonb, addresses text[], names text[]) RETURNS jsonb
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_object_agg(f.key, CASE WHEN f.personal THEN '' ELSE f.value END)
	FROM (SELECT e.key, e.value, e.value = ANY (names) OR teamrbac.address_key(e.value) = ANY (addresses) AS personal
		  FROM jsonb_each_text(fields) AS e) AS f
	HAVING bool_or(f.personal);
$$;
COMMENT ON FUNCTION teamrbac.fields_without(jsonb, text[], text[]) IS
	'Internal to delete_user: the fields of a mail with these addresses and names blank; NULL: it has none of them.';
REVOKE ALL ON FUNCTION teamrbac.fields_without(jsonb, text[], text[]) FROM PUBLIC;
