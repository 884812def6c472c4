-- Last of all, every object becomes teamrbac_owner's, but for the functions that need more, and is guarded against it.  No
-- part after this one may make anything.

DO $$
DECLARE
	object record;
BEGIN
	FOR object IN
		SELECT CASE WHEN d.classid = 'pg_namespace'::regclass THEN format('SCHEMA %s', d.objid::regnamespace)
					WHEN d.classid = 'pg_proc'::regclass THEN format('ROUTINE %s', d.objid::regprocedure)
					WHEN d.classid = 'pg_type'::regclass THEN format('TYPE %s', d.objid::regtype)
					WHEN c.relkind = 'v' THEN format('VIEW %s', c.oid::regclass)
					ELSE format('TABLE %s', c.oid::regclass) END AS name,
			   i.objoid IS NOT NULL AS has_privileges
		FROM pg_depend AS d
		LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
		LEFT JOIN pg_type AS t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
		LEFT JOIN pg_class AS tc ON tc.oid = t.typrelid
		LEFT JOIN pg_init_privs AS i ON i.classoid = d.classid AND i.objoid = d.objid AND i.objsubid = 0
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
		  AND d.refobjid = (SELECT e.oid FROM pg_extension AS e WHERE e.extname = 'teamrbac')
		  AND (d.classid = 'pg_namespace'::regclass
			   OR d.classid = 'pg_proc'::regclass AND d.objid NOT IN (SELECT s.function FROM teamrbac.superuser_functions() AS s(function))
			   OR c.relkind IN ('r', 'v') AND c.oid <> 'teamrbac.cluster'::regclass
			   -- The types of rows and of arrays go with theirs.
			   OR t.typcategory <> 'A' AND (t.typrelid = 0 OR tc.relkind = 'c'))
		ORDER BY d.classid, d.objid
	LOOP
		EXECUTE format('ALTER %s OWNER TO teamrbac_owner', object.name);
		-- Nothing new, but recorded as the privileges that the extension has given: pg_dump dumps what differs from it.
		IF object.has_privileges THEN
			EXECUTE format('GRANT ALL ON %s TO teamrbac_owner', regexp_replace(object.name, '^VIEW', 'TABLE'));
		END IF;
	END LOOP;
END
$$;

CREATE EVENT TRIGGER teamrbac_guard_owner ON ddl_command_start EXECUTE FUNCTION teamrbac.guard_owner();
COMMENT ON EVENT TRIGGER teamrbac_guard_owner IS 'The role that owns the objects of teamrbac executes no DDL.';
-- After every command: a column's type is changed by ALTER TYPE and ALTER FOREIGN TABLE too.
CREATE EVENT TRIGGER teamrbac_guard_references ON ddl_command_end EXECUTE FUNCTION teamrbac.guard_references();
COMMENT ON EVENT TRIGGER teamrbac_guard_references IS 'No code of others runs when the server checks a reference to a table of teamrbac.';
