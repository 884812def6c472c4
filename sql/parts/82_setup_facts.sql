-- What check_setup knows of the database around us.
--
-- The owners of what is looked at may wish that nobody looks.  So nothing here prints an expression of theirs, waits for
-- a lock of theirs, as to open a table may be, runs a function of theirs, or ends with an error that they can bring
-- about; and what is big beyond reason is searched in a way that costs no memory.

-- Whether a text, such as a function's body, has a word: a pattern between \m and \M.  A regular expression needs four
-- times the text's size at once, which can be more than there may be.
CREATE FUNCTION teamrbac.setup_mentions(body text, word text) RETURNS boolean
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
AS $$
	SELECT CASE WHEN octet_length(body) > 1000000 THEN strpos(body, word) > 0
				ELSE body ~ ('\m' || regexp_replace(word, '\.$', '\.') || CASE WHEN word ~ '\.$' THEN ''
					ELSE '\M' END) END;
$$;
COMMENT ON FUNCTION teamrbac.setup_mentions(text, text) IS
	'Internal to check_setup: whether the text has the word, which may end in a dot.';

-- The permissions that a policy names.  One that is nested too deeply to be read, by its owner's intent or not, must
-- not end the check of all the others.
CREATE FUNCTION teamrbac.policy_permissions(policy oid) RETURNS text[]
	LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'teamrbac_policy_permissions';
COMMENT ON FUNCTION teamrbac.policy_permissions(oid) IS
	'Internal to check_setup: the permissions for which the policy asks teamrbac. Errors: 54001 too deeply nested; '
		'55000 the extension has another version than the library.';
CREATE FUNCTION teamrbac.setup_policy_permissions(policy oid, OUT permissions text[], OUT failure text)
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	permissions := teamrbac.policy_permissions(policy);
EXCEPTION WHEN OTHERS THEN
	permissions := '{}';
	failure := SQLERRM;
END
$$;
COMMENT ON FUNCTION teamrbac.setup_policy_permissions(oid, OUT text[], OUT text) IS
	'Internal to check_setup: the permissions that the policy names, or why they cannot be known.';

-- The policies of all tables, and what they ask.
CREATE FUNCTION teamrbac.setup_policy(OUT policy oid, OUT relation oid, OUT name name, OUT permissive boolean,
	OUT for_public boolean, OUT asks boolean, OUT asks_directly boolean, OUT tenant_column smallint)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.oid, p.polrelid, p.polname, p.polpermissive, 0 = ANY (p.polroles), COALESCE(f.ours OR f.calls_ours, false),
		COALESCE(f.ours, false),
		   (SELECT CASE WHEN count(*) = 1 THEN min(d.refobjsubid) END::smallint FROM pg_depend AS d
			WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
			  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.polrelid AND d.refobjsubid > 0)
	FROM pg_policy AS p
	LEFT JOIN LATERAL (
		-- One of our functions, or one of the application's that calls ours.
		SELECT bool_or(f.pronamespace = 'teamrbac'::regnamespace) AS ours, bool_or(teamrbac.setup_mentions(f.prosrc,
			'teamrbac.')) AS calls_ours
		FROM pg_depend AS d JOIN pg_proc AS f ON f.oid = d.refobjid
		WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
			AND d.refclassid = 'pg_proc'::regclass) AS f ON true;
$$;
COMMENT ON FUNCTION teamrbac.setup_policy() IS
	'Internal to check_setup: policies, whether they ask teamrbac, and the tenant''s column if one column alone is '
		'asked about.';

-- What a table that is on record as protected lacks of it, compared with what protect_table made: that a policy asks
-- teamrbac something says little.
CREATE FUNCTION teamrbac.protection_lack(relation oid) RETURNS text
	LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'teamrbac_protection_lack';
COMMENT ON FUNCTION teamrbac.protection_lack(oid) IS
	'Internal to check_setup: what the table lacks of what protect_table made; NULL: nothing, or not on record. Errors: '
		'55P03 the table is locked; 54001 a policy is too deeply nested. Takes ACCESS SHARE on the table for a moment, '
		'and waits for nobody.';
CREATE FUNCTION teamrbac.setup_protection_lack(relation oid, OUT lack text, OUT failure text)
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
BEGIN
	lack := teamrbac.protection_lack(relation);
EXCEPTION WHEN OTHERS THEN
	failure := SQLERRM;
END
$$;
COMMENT ON FUNCTION teamrbac.setup_protection_lack(oid, OUT text, OUT text) IS
	'Internal to check_setup: what the table lacks of what protect_table made, or why that cannot be known.';

-- The tables of the application that hold rows of tenants: those on record as protected, whatever has become of them, and
-- those whose policies ask about a column, that reference teamrbac.tenant, or that have a uuid column with the name that is usual: tenant_id, or what the table's
-- owner, or a superuser, calls it elsewhere.  What others call it says nothing: it would bring the owner's own policies
-- to fall.
CREATE FUNCTION teamrbac.setup_table(OUT relation oid, OUT name text, OUT owner oid, OUT tenant_column name,
	OUT column_number smallint, OUT not_null boolean, OUT is_reference boolean, OUT is_partition boolean,
	OUT enabled boolean, OUT forced boolean, OUT asks boolean)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH asking AS MATERIALIZED (
		SELECT p.relation, p.tenant_column FROM teamrbac.setup_policy() AS p WHERE p.asks
	), asked AS (
		SELECT DISTINCT a.relation, a.tenant_column, ta.attname, c.relowner, o.rolsuper
		FROM asking AS a
		JOIN pg_attribute AS ta ON ta.attrelid = a.relation AND ta.attnum = a.tenant_column
		JOIN pg_class AS c ON c.oid = a.relation
		JOIN pg_roles AS o ON o.oid = c.relowner
	), candidate(relation, column_number, precedence) AS (
		SELECT teamrbac.table_of(r.tenant_column), teamrbac.number_of(r.tenant_column), 0 FROM teamrbac.protected_table AS r
		UNION ALL
		SELECT a.relation, a.tenant_column, 1 FROM asked AS a
		UNION ALL
		SELECT f.conrelid, f.conkey[1], 2 FROM pg_constraint AS f
		WHERE f.contype = 'f' AND f.confrelid = 'teamrbac.tenant'::regclass AND cardinality(f.conkey) = 1
		UNION ALL
		SELECT a.attrelid, a.attnum, 3 FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
		WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = 'uuid'::regtype
		  AND (a.attname = 'tenant_id'
			   OR EXISTS (SELECT FROM asked WHERE asked.attname = a.attname AND (asked.rolsuper
			       OR asked.relowner = c.relowner)))
	)
	SELECT DISTINCT ON (c.oid) c.oid, teamrbac.printable_relation(c.oid), c.relowner, a.attname, a.attnum, a.attnotnull,
		   EXISTS (SELECT FROM candidate AS r WHERE r.relation = c.oid AND r.precedence = 2),
		   c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
		   EXISTS (SELECT FROM asking WHERE asking.relation = c.oid)
	FROM candidate AS k
	JOIN pg_class AS c ON c.oid = k.relation
	JOIN pg_attribute AS a ON a.attrelid = k.relation AND a.attnum = k.column_number
	WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
	  AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace,
	      'teamrbac'::regnamespace)
	  -- An extension's tables are its author's, but the owner of both can make a table one of them.
	  AND (k.precedence = 0
		   OR NOT EXISTS (SELECT FROM pg_depend AS d
						  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
	ORDER BY c.oid, k.precedence, k.column_number;
$$;
COMMENT ON FUNCTION teamrbac.setup_table() IS
	'Internal to check_setup: the application''s tables with a column that names the tenant.';

-- Which permissions a table should be protected by: its parent's, else those that bear its name, else one that
-- few have, so that nothing is opened by running the remedy unread.
CREATE FUNCTION teamrbac.setup_permissions(for_table oid, OUT view_permission text, OUT edit_permission text)
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH ancestor AS (
		SELECT a.relid::oid AS relation FROM pg_partition_ancestors(for_table) AS a
		UNION
		SELECT i.inhparent FROM pg_inherits AS i WHERE i.inhrelid = for_table
	), inherited AS (
		-- A policy that names several is about more than the table: none of them alone says the same.
		SELECT CASE WHEN count(DISTINCT k.permission) FILTER (WHERE p.polname = 'teamrbac_view') > 1 THEN 'team.manage'
					ELSE max(k.permission) FILTER (WHERE p.polname = 'teamrbac_view') END AS view_permission,
			   CASE WHEN count(DISTINCT k.permission) FILTER (WHERE p.polname = 'teamrbac_update') > 1 THEN
			       'team.manage'
					ELSE max(k.permission) FILTER (WHERE p.polname = 'teamrbac_update') END AS edit_permission
		FROM ancestor AS a JOIN pg_policy AS p ON p.polrelid = a.relation, teamrbac.setup_policy_permissions(p.oid) AS n
		JOIN teamrbac.permission AS k ON k.permission = ANY (n.permissions)
	), named AS (
		SELECT v.permission AS view_permission, e.permission AS edit_permission
		FROM pg_class AS c
		JOIN teamrbac.permission AS v
			ON v.permission IN (c.relname || '.view', c.relname || 's.view', regexp_replace(c.relname, 's$', '')
				|| '.view')
		LEFT JOIN teamrbac.permission AS e ON e.permission = regexp_replace(v.permission, 'view$', 'edit')
		WHERE c.oid = COALESCE(pg_partition_root(for_table), for_table)
		ORDER BY length(v.permission) DESC LIMIT 1
	)
	SELECT COALESCE(i.view_permission, n.view_permission, 'team.manage'),
		   CASE WHEN i.view_permission IS NOT NULL THEN i.edit_permission
				WHEN n.view_permission IS NOT NULL THEN n.edit_permission
				ELSE 'team.manage' END
	FROM inherited AS i LEFT JOIN named AS n ON true;
$$;
COMMENT ON FUNCTION teamrbac.setup_permissions(oid, OUT text, OUT text) IS
	'Internal to check_setup: permissions by which to protect a table.';

-- What has been granted on a table, view or materialized view, its columns included.
CREATE FUNCTION teamrbac.setup_acl(relation oid) RETURNS aclitem[]
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.relacl || (SELECT array_agg(i) FROM pg_attribute AS a, unnest(a.attacl) AS i WHERE a.attrelid = c.oid)
	FROM pg_class AS c WHERE c.oid = relation;
$$;
COMMENT ON FUNCTION teamrbac.setup_acl(oid) IS
	'Internal to check_setup: the privileges granted on a relation or any column of it; NULL if none.';

-- Who besides the owner has been granted something, by whom: of a relation, its columns, or a routine.
CREATE FUNCTION teamrbac.setup_grant(acl aclitem[], owner oid, OUT grantee oid, OUT privilege text, OUT grantor oid)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT a.grantee, a.privilege_type, a.grantor FROM aclexplode(acl) AS a WHERE a.grantee <> owner;
$$;
COMMENT ON FUNCTION teamrbac.setup_grant(aclitem[], oid, OUT oid, OUT text, OUT oid) IS
	'Internal to check_setup: what has been granted to others than the owner.';

CREATE FUNCTION teamrbac.setup_role_name(role oid) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE role WHEN 0 THEN 'PUBLIC' ELSE teamrbac.printable_identifier(pg_get_userbyid(role)) END;
$$;
COMMENT ON FUNCTION teamrbac.setup_role_name(oid) IS 'Internal to check_setup: a role as GRANT and REVOKE name it.';

CREATE FUNCTION teamrbac.setup_grantees(acl aclitem[], owner oid, only_privilege text) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(DISTINCT teamrbac.setup_role_name(g.grantee), ', ')
	FROM teamrbac.setup_grant(acl, owner) AS g
	WHERE only_privilege IS NULL OR g.privilege = only_privilege;
$$;
COMMENT ON FUNCTION teamrbac.setup_grantees(aclitem[], oid, text) IS
	'Internal to check_setup: the roles to which a privilege (NULL: any) is granted, as REVOKE lists them; NULL '
		'if none.';

-- What takes EXECUTE from PUBLIC, also where somebody granted it who had been given the right to grant.
CREATE FUNCTION teamrbac.setup_revoke_from_public(routine oid) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat_ws('; ', string_agg(format('REVOKE GRANT OPTION FOR EXECUTE ON ROUTINE %s FROM %s CASCADE', n.name,
		teamrbac.setup_role_name(g.grantor)), '; ')
							FILTER (WHERE g.grantor <> p.proowner),
					 format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', n.name))
	FROM pg_proc AS p
	CROSS JOIN LATERAL (SELECT teamrbac.printable_routine(p.oid) AS name) AS n
	LEFT JOIN LATERAL (SELECT DISTINCT a.grantor FROM teamrbac.setup_grant(p.proacl, p.proowner) AS a
		WHERE a.grantee = 0) AS g ON true
	WHERE p.oid = routine
	GROUP BY n.name;
$$;
COMMENT ON FUNCTION teamrbac.setup_revoke_from_public(oid) IS
	'Internal to check_setup: the statements that take EXECUTE on a function or procedure from PUBLIC.';

-- The functions that sign somebody in on the caller's word alone: those that the install script took from PUBLIC.
CREATE FUNCTION teamrbac.setup_sign_in(OUT function oid, OUT name name) RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
AS $$
	SELECT p.oid, p.proname
	FROM pg_proc AS p JOIN pg_init_privs AS i ON i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid
		AND i.objsubid = 0
	WHERE p.pronamespace = 'teamrbac'::regnamespace AND p.proname LIKE 'sign\_in%'
	  AND NOT EXISTS (SELECT FROM aclexplode(i.initprivs) AS a WHERE a.grantee = 0);
$$;
COMMENT ON FUNCTION teamrbac.setup_sign_in(OUT oid, OUT name) IS
	'Internal to check_setup: the functions that sign somebody in on the caller''s word alone.';

-- Roles of the application: who may sign users in, or has been granted a table of tenants; and the members of
-- these.  signs_in: whoever owns sign_in has called the role itself one of the application's.  Otherwise via is
-- the role whose member it is, once for each, or the role itself if it was granted a table, by whoever owns it.
CREATE FUNCTION teamrbac.setup_role(OUT role oid, OUT via oid, OUT signs_in boolean) RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE granted AS (
		SELECT a.grantee AS role, a.grantor = p.proowner AS signs_in
		FROM teamrbac.setup_sign_in() AS s JOIN pg_proc AS p ON p.oid = s.function,
			 teamrbac.setup_grant(p.proacl, p.proowner) AS a
		UNION
		SELECT a.grantee, false
		FROM teamrbac.setup_table() AS t, teamrbac.setup_grant(teamrbac.setup_acl(t.relation), t.owner) AS a
	), member AS (
		SELECT g.role, g.role AS via, bool_or(g.signs_in) AS signs_in FROM granted AS g WHERE g.role <> 0
			GROUP BY g.role
		UNION
		SELECT am.member, am.roleid, false FROM member AS m JOIN pg_auth_members AS am ON am.roleid = m.role
	)
	SELECT m.role, m.via, m.signs_in FROM member AS m
	WHERE m.role <> 10; -- the cluster's first superuser is no application
$$;
COMMENT ON FUNCTION teamrbac.setup_role() IS
	'Internal to check_setup: database roles that the application logs in as.';

REVOKE ALL ON FUNCTION teamrbac.setup_mentions(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.policy_permissions(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_policy_permissions(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_policy() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.protection_lack(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_protection_lack(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_table() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_permissions(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_acl(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_grant(aclitem[], oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_role_name(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_grantees(aclitem[], oid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_revoke_from_public(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_sign_in() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_role() FROM PUBLIC;
