-- The role that our objects belong to: it can do nothing but what our own objects ask for, so that a hole in one of
-- our functions is no hole in the server.  Roles are the cluster's: several databases share it, and DROP EXTENSION
-- leaves it behind.  Part 99 hands it our objects.

DO $$
DECLARE
	ours pg_authid;
	problem text;
BEGIN
	SELECT r.* INTO ours FROM pg_authid AS r WHERE r.rolname = 'teamrbac_owner';
	IF NOT FOUND THEN
		CREATE ROLE teamrbac_owner NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
		RETURN;
	END IF;
	-- Whoever made it may have made it to get at what we give it.
	problem := CASE
		WHEN ours.rolcanlogin THEN 'It may log in.'
		WHEN ours.rolsuper OR ours.rolcreatedb OR ours.rolcreaterole OR ours.rolreplication OR ours.rolbypassrls
			THEN 'It has an attribute such as SUPERUSER or CREATEROLE.'
		WHEN EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = ours.oid) THEN 'It is a member of another role.'
		WHEN EXISTS (SELECT FROM pg_auth_members AS m WHERE m.roleid = ours.oid) THEN 'Another role is a member of it.'
		-- Of other databases the shared catalogues tell only what kind of object it is: ours are of these kinds.
		WHEN EXISTS (SELECT FROM pg_shdepend AS d
					 WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = ours.oid
					   AND (d.dbid = 0 OR d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
							OR NOT (d.deptype = 'i' OR d.classid = 'pg_proc'::regclass AND d.deptype IN ('o', 'a')
									OR d.classid IN ('pg_class'::regclass, 'pg_type'::regclass, 'pg_namespace'::regclass) AND d.deptype = 'o')))
			THEN 'It owns, or has been granted, something that is not part of teamrbac.' END;
	IF problem IS NOT NULL THEN
		RAISE EXCEPTION 'role "teamrbac_owner" exists, and is not fit to own the objects of teamrbac'
			USING ERRCODE = '55000', CONSTRAINT = 'owner_role_unfit', DETAIL = problem,
				HINT = 'Let nobody else use it, and leave it what this script would make: CREATE ROLE teamrbac_owner NOLOGIN. If nothing of teamrbac is installed in this cluster: DROP OWNED BY teamrbac_owner in each database, then DROP ROLE teamrbac_owner.';
	END IF;
END
$$;

-- pgcrypto, which this extension requires, is trusted: whoever may create in the database may have made it before
-- us.  It would belong to them, and their DROP ... CASCADE would take every team along.
CREATE FUNCTION teamrbac.pgcrypto_problem() RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN NOT o.rolsuper THEN format('The extension belongs to %I, who can drop it.', o.rolname)
		-- A database's owner, who public belongs to, can drop it whole.
		WHEN NOT (s.rolsuper OR s.rolname = 'pg_database_owner' OR s.oid = (SELECT d.datdba FROM pg_database AS d WHERE d.datname = current_database()))
			THEN format('Its schema, %I, belongs to %I, who can drop it.', n.nspname, s.rolname)
		ELSE (SELECT format('Its function %s belongs to %I, who can replace it.', f.oid::regprocedure, fo.rolname)
			  FROM pg_depend AS d JOIN pg_proc AS f ON f.oid = d.objid JOIN pg_roles AS fo ON fo.oid = f.proowner
			  WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
				AND d.classid = 'pg_proc'::regclass AND NOT fo.rolsuper
			  ORDER BY 1 LIMIT 1) END
	FROM pg_extension AS e
	JOIN pg_roles AS o ON o.oid = e.extowner
	JOIN pg_namespace AS n ON n.oid = e.extnamespace
	JOIN pg_roles AS s ON s.oid = n.nspowner
	WHERE e.extname = 'pgcrypto';
$$;
COMMENT ON FUNCTION teamrbac.pgcrypto_problem() IS
	'Internal to the installation and to check_setup: who could take pgcrypto away or replace it, though no superuser; NULL: nobody.';
REVOKE ALL ON FUNCTION teamrbac.pgcrypto_problem() FROM PUBLIC;

DO $$
BEGIN
	IF teamrbac.pgcrypto_problem() IS NOT NULL THEN
		RAISE EXCEPTION 'extension "pgcrypto" is not in the hands of a superuser'
			USING ERRCODE = '55000', CONSTRAINT = 'pgcrypto_unsafe', DETAIL = teamrbac.pgcrypto_problem(),
				HINT = 'Make it anew, as a superuser, in a schema of a superuser''s: DROP EXTENSION pgcrypto; CREATE EXTENSION pgcrypto SCHEMA public;';
	END IF;
END
$$;
