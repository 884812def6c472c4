-- The findings of check_setup about our own objects: whose they are, and whose code runs with their owner's rights.
-- Each statement names roles, tables and triggers, quoted; what no statement can mend has a description alone.

CREATE FUNCTION teamrbac.check_setup_owner(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH ours AS (
		SELECT r.* FROM pg_roles AS r WHERE r.rolname = 'teamrbac_owner'
	), member AS (
		-- Ours alone: what others have put into the schema is theirs, and must not be given our owner's rights.
		SELECT d.classid, d.objid
		FROM pg_depend AS d JOIN pg_extension AS x ON x.oid = d.refobjid AND x.extname = 'teamrbac'
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	), object AS (
		SELECT format('ROUTINE %s', p.oid::regprocedure) AS name, p.proowner AS owner,
			   p.oid IN (SELECT s.function FROM teamrbac.superuser_functions() AS s(function)) AS needs_superuser
		FROM pg_proc AS p JOIN member AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
		UNION ALL
		SELECT format('%s %s', CASE c.relkind WHEN 'r' THEN 'TABLE' ELSE 'VIEW' END, c.oid::regclass), c.relowner, c.oid = 'teamrbac.cluster'::regclass
		FROM pg_class AS c JOIN member AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
		WHERE c.relkind IN ('r', 'v')
		UNION ALL
		SELECT format('TYPE %s', t.oid::regtype), t.typowner, false
		FROM pg_type AS t JOIN member AS m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
		LEFT JOIN pg_class AS c ON c.oid = t.typrelid
		WHERE t.typcategory <> 'A' AND (t.typrelid = 0 OR c.relkind = 'c')
		UNION ALL
		SELECT 'SCHEMA teamrbac', n.nspowner, false FROM pg_namespace AS n WHERE n.nspname = 'teamrbac'
	)
	SELECT 'critical', 5, lower(substring(o.name FROM '^[A-Z]+')) || substring(o.name FROM ' .*$'),
		   format('belongs to %I instead of teamrbac_owner, whose rights are enough for it', pg_get_userbyid(o.owner)),
		   format('ALTER %s OWNER TO teamrbac_owner', o.name)
	FROM object AS o WHERE NOT o.needs_superuser AND o.owner IS DISTINCT FROM (SELECT u.oid FROM ours AS u)
	UNION ALL
	SELECT 'critical', 5, lower(substring(o.name FROM '^[A-Z]+')) || substring(o.name FROM ' .*$'),
		   format('belongs to %I, who is no superuser: it works for superusers alone, and its owner can replace it; have a superuser own it', pg_get_userbyid(o.owner)), NULL
	FROM object AS o JOIN pg_roles AS r ON r.oid = o.owner WHERE o.needs_superuser AND NOT r.rolsuper
	UNION ALL
	SELECT 'critical', 5, 'role teamrbac_owner', 'has rights that the owner of teamrbac''s objects does not need',
		   'ALTER ROLE teamrbac_owner NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS'
	FROM ours AS u WHERE u.rolcanlogin OR u.rolsuper OR u.rolcreatedb OR u.rolcreaterole OR u.rolreplication OR u.rolbypassrls
	UNION ALL
	SELECT 'critical', 5, 'role teamrbac_owner', format('%I is a member, and can read all hashes and change every team', m.rolname),
		   format('REVOKE teamrbac_owner FROM %I', m.rolname)
	FROM ours AS u JOIN pg_auth_members AS a ON a.roleid = u.oid JOIN pg_roles AS m ON m.oid = a.member
	UNION ALL
	SELECT 'critical', 5, 'role teamrbac_owner', format('is a member of %I: a hole in one of teamrbac''s functions would be one there', g.rolname),
		   format('REVOKE %I FROM teamrbac_owner', g.rolname)
	FROM ours AS u JOIN pg_auth_members AS a ON a.member = u.oid JOIN pg_roles AS g ON g.oid = a.roleid
	UNION ALL
	SELECT 'warning', 5, 'role teamrbac_owner', format('owns %s, which is no part of teamrbac: give it another owner', pg_describe_object(d.classid, d.objid, 0)), NULL
	FROM ours AS u JOIN pg_shdepend AS d ON d.refclassid = 'pg_authid'::regclass AND d.refobjid = u.oid AND d.deptype = 'o'
		AND d.dbid = (SELECT b.oid FROM pg_database AS b WHERE b.datname = current_database())
	WHERE NOT EXISTS (SELECT FROM pg_depend AS e
					  WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e' AND e.refclassid = 'pg_extension'::regclass
						AND e.refobjid = (SELECT x.oid FROM pg_extension AS x WHERE x.extname = 'teamrbac'))
	  -- Those of the types that go with our tables and types.
	  AND NOT (d.classid = 'pg_type'::regclass AND EXISTS (SELECT FROM pg_type AS t WHERE t.oid = d.objid AND t.typnamespace = 'teamrbac'::regnamespace))
	UNION ALL
	SELECT 'critical', 5, format('event trigger %I', e.evtname), 'disabled: code of others could come to run with the rights of teamrbac',
		   format('ALTER EVENT TRIGGER %I ENABLE', e.evtname)
	FROM pg_event_trigger AS e
	WHERE e.evtfoid IN ('teamrbac.guard_owner()'::regprocedure, 'teamrbac.guard_references()'::regprocedure) AND e.evtenabled NOT IN ('O', 'A')
	UNION ALL
	SELECT 'critical', 5, 'extension pgcrypto', p.problem || ' It is required by teamrbac, which would go with it; let superusers alone own it.', NULL
	FROM (SELECT teamrbac.pgcrypto_problem() AS problem) AS p WHERE p.problem IS NOT NULL;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_owner(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: objects of teamrbac, the role that owns them, and pgcrypto, in other hands than the installation left them.';
REVOKE ALL ON FUNCTION teamrbac.check_setup_owner() FROM PUBLIC;
