-- What check_setup knows of the database around us.  These functions, and those of the next part, have a
-- search_path without any schema of ours or the application's: what the server prints of tables, policies and
-- triggers is then qualified, and can be run as it stands.

-- The policies of all tables, and what they ask.
CREATE FUNCTION teamrbac.setup_policy(OUT relation oid, OUT policy name, OUT permissive boolean, OUT for_public boolean, OUT asks boolean, OUT tenant_column smallint, OUT using_text text, OUT check_text text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.polrelid, p.polname, p.polpermissive, 0 = ANY (p.polroles),
		   EXISTS (SELECT FROM pg_depend AS d JOIN pg_proc AS f ON f.oid = d.refobjid
				   WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass
					 -- One of our functions, or one of the application's that calls ours.
					 AND (f.pronamespace = 'teamrbac'::regnamespace OR f.prosrc ~ '\mteamrbac\.')),
		   (SELECT CASE WHEN count(*) = 1 THEN min(d.refobjsubid) END::smallint FROM pg_depend AS d
			WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
			  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.polrelid AND d.refobjsubid > 0),
		   pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
	FROM pg_policy AS p;
$$;
COMMENT ON FUNCTION teamrbac.setup_policy() IS
	'Internal to check_setup: policies, whether they ask teamrbac, and the tenant''s column if one column alone is asked about.';

-- The tables of the application that hold rows of tenants: those whose policies ask about a column, that
-- reference teamrbac.tenant, or that have a uuid column with the name that is usual here.
CREATE FUNCTION teamrbac.setup_table(OUT relation oid, OUT name text, OUT owner oid, OUT tenant_column name, OUT column_number smallint, OUT not_null boolean, OUT is_reference boolean, OUT is_partition boolean, OUT enabled boolean, OUT forced boolean, OUT asks boolean)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH asking AS MATERIALIZED (
		SELECT p.relation, p.tenant_column FROM teamrbac.setup_policy() AS p WHERE p.asks
	), asked AS (
		SELECT DISTINCT a.relation, a.tenant_column FROM asking AS a WHERE a.tenant_column IS NOT NULL
	), candidate(relation, column_number, precedence) AS (
		SELECT a.relation, a.tenant_column, 1 FROM asked AS a
		UNION ALL
		SELECT f.conrelid, f.conkey[1], 2 FROM pg_constraint AS f
		WHERE f.contype = 'f' AND f.confrelid = 'teamrbac.tenant'::regclass AND cardinality(f.conkey) = 1
		UNION ALL
		SELECT a.attrelid, a.attnum, 3 FROM pg_attribute AS a
		WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = 'uuid'::regtype
		  AND a.attname IN (SELECT 'tenant_id' UNION
							SELECT ta.attname FROM asked JOIN pg_attribute AS ta ON ta.attrelid = asked.relation AND ta.attnum = asked.tenant_column)
	)
	SELECT DISTINCT ON (c.oid) c.oid, c.oid::regclass::text, c.relowner, a.attname, a.attnum, a.attnotnull,
		   EXISTS (SELECT FROM candidate AS r WHERE r.relation = c.oid AND r.precedence = 2),
		   c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
		   EXISTS (SELECT FROM asking WHERE asking.relation = c.oid)
	FROM candidate AS k
	JOIN pg_class AS c ON c.oid = k.relation
	JOIN pg_attribute AS a ON a.attrelid = k.relation AND a.attnum = k.column_number
	WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
	  AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
	  AND NOT EXISTS (SELECT FROM pg_depend AS d
					  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
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
		SELECT max(n.named) FILTER (WHERE p.polname = 'teamrbac_view') AS view_permission,
			   max(n.named) FILTER (WHERE p.polname = 'teamrbac_update') AS edit_permission
		FROM ancestor AS a JOIN pg_policy AS p ON p.polrelid = a.relation,
			 teamrbac.setup_named_permissions(pg_get_expr(p.polqual, p.polrelid)) AS n(named)
	), named AS (
		SELECT v.permission AS view_permission, e.permission AS edit_permission
		FROM pg_class AS c
		JOIN teamrbac.permission AS v
			ON v.permission IN (c.relname || '.view', c.relname || 's.view', regexp_replace(c.relname, 's$', '') || '.view')
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

CREATE FUNCTION teamrbac.setup_named_permissions(expression text) RETURNS SETOF text
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT replace(m.found[1], '''''', '''')
	FROM regexp_matches(expression,
		'teamrbac\.(?:has_permission\([^'']*, |permitted_tenants?\()''((?:[^'']|'''')*)''::text\)', 'g') AS m(found);
$$;
COMMENT ON FUNCTION teamrbac.setup_named_permissions(text) IS
	'Internal to check_setup: the permissions that a policy''s expression names.';

-- Who besides its owner has been granted something.
CREATE FUNCTION teamrbac.setup_grantees(acl aclitem[], owner oid, privilege text) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, ', ')
	FROM aclexplode(acl) AS a
	WHERE a.grantee <> owner AND (privilege IS NULL OR a.privilege_type = privilege);
$$;
COMMENT ON FUNCTION teamrbac.setup_grantees(aclitem[], oid, text) IS
	'Internal to check_setup: the roles to which a privilege (NULL: any) is granted, as REVOKE lists them; NULL if none.';

-- Roles of the application: who may sign users in, or has been granted a table of tenants; and the members of
-- these.  via is the role that was granted, the role itself where it can be.
CREATE FUNCTION teamrbac.setup_role(OUT role oid, OUT via oid) RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE granted AS (
		SELECT a.grantee AS role
		FROM pg_proc AS p, aclexplode(p.proacl) AS a
		WHERE p.pronamespace = 'teamrbac'::regnamespace AND p.proname IN ('sign_in', 'sign_in_from_jwt_claims')
		  AND a.grantee <> p.proowner
		UNION
		SELECT a.grantee
		FROM teamrbac.setup_table() AS t JOIN pg_class AS c ON c.oid = t.relation, aclexplode(c.relacl) AS a
		WHERE a.grantee <> c.relowner
	), member AS (
		SELECT g.role, g.role AS via FROM granted AS g WHERE g.role <> 0
		UNION
		SELECT am.member, m.via FROM member AS m JOIN pg_auth_members AS am ON am.roleid = m.role
	)
	SELECT DISTINCT ON (m.role) m.role, m.via
	FROM member AS m
	WHERE m.role <> 10 -- the cluster's first superuser is no application
	ORDER BY m.role, m.via <> m.role, m.via;
$$;
COMMENT ON FUNCTION teamrbac.setup_role() IS
	'Internal to check_setup: database roles that the application logs in as.';

REVOKE ALL ON FUNCTION teamrbac.setup_policy() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_table() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_permissions(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_named_permissions(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_grantees(aclitem[], oid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_role() FROM PUBLIC;
