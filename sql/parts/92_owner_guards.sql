-- What keeps the code of others from running as teamrbac_owner, whose rights our commands have.

-- An event trigger, since the owner of a table or function could otherwise take its guards away, or put code into it
-- for the next superuser who passes by.  It is a superuser's, whom no command of ours runs as.  In PL/pgSQL, so that
-- DDL doesn't load our library.
CREATE FUNCTION teamrbac.guard_owner() RETURNS event_trigger
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- Only superusers can make it the session's user: pg_restore --use-set-session-authorization does, for its GRANTs.
	IF CURRENT_USER = 'teamrbac_owner' AND SESSION_USER <> 'teamrbac_owner' THEN
		RAISE EXCEPTION 'role "teamrbac_owner" executes no DDL'
			USING ERRCODE = '42501', CONSTRAINT = 'owner_role_ddl',
				DETAIL = 'It owns the objects of teamrbac, and changes rows alone.';
	END IF;
END
$$;
COMMENT ON FUNCTION teamrbac.guard_owner() IS
	'Event trigger function: the role that owns the objects of teamrbac executes no DDL (42501).';
REVOKE ALL ON FUNCTION teamrbac.guard_owner() FROM PUBLIC;

-- The server checks a foreign key with the rights of the table that is referred to, and casts the new value for it:
-- a cast that the referring table's owner wrote would run with ours.  Only types of their own have such casts.
CREATE FUNCTION teamrbac.guard_references() RETURNS event_trigger
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command record;
	reference record;
	base pg_type;
BEGIN
	FOR command IN SELECT c.classid, c.objid FROM pg_event_trigger_ddl_commands() AS c LOOP
		FOR reference IN
			SELECT f.conname, f.conrelid::regclass AS relation, f.confrelid::regclass AS referenced, a.attname, a.atttypid
			FROM pg_constraint AS f
			JOIN pg_class AS c ON c.oid = f.confrelid AND c.relnamespace = 'teamrbac'::regnamespace
			JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = ANY (f.conkey)
			WHERE command.classid = 'pg_class'::regclass AND f.conrelid = command.objid AND f.contype = 'f'
			ORDER BY f.conname, a.attnum
		LOOP
			SELECT t.* INTO base FROM pg_type AS t WHERE t.oid = reference.atttypid;
			WHILE base.typtype = 'd' LOOP
				SELECT t.* INTO base FROM pg_type AS t WHERE t.oid = base.typbasetype;
			END LOOP;
			IF base.oid >= 16384 THEN
				RAISE EXCEPTION 'foreign key "%" of table % refers to % by a column of a type that is not the server''s own',
						reference.conname, reference.relation, reference.referenced
					USING ERRCODE = '55000', CONSTRAINT = 'column_wrong_type',
						DETAIL = format('The check of column "%s" would run a cast of its type with the rights of teamrbac.', reference.attname),
						HINT = 'Give the column the type of the column that it refers to.';
			END IF;
		END LOOP;
		SELECT t.tgname, t.tgrelid::regclass AS relation INTO reference
			FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid AND c.relnamespace = 'teamrbac'::regnamespace
			WHERE command.classid = 'pg_trigger'::regclass AND t.oid = command.objid
			  AND NOT (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = CURRENT_USER);
		IF FOUND THEN
			RAISE EXCEPTION 'only a superuser may create a trigger on table %', reference.relation
				USING ERRCODE = '42501', CONSTRAINT = 'superuser_only',
					DETAIL = format('Trigger "%s" would run with the rights of teamrbac.', reference.tgname);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION teamrbac.guard_references() IS
	'Event trigger function: refuses foreign keys to tables of teamrbac by columns of types that are not the server''s own or domains over these (55000), and triggers on these tables but a superuser''s (42501).';
REVOKE ALL ON FUNCTION teamrbac.guard_references() FROM PUBLIC;

-- What stays with the superuser who installs.
CREATE FUNCTION teamrbac.superuser_functions() RETURNS SETOF regprocedure
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	VALUES ('teamrbac.check_setup_cluster()'::regprocedure),
		   ('teamrbac.check_setup_maintenance()'::regprocedure),
		   ('teamrbac.guard_owner()'::regprocedure),
		   ('teamrbac.guard_references()'::regprocedure),
		   ('teamrbac.unschedule_at_drop()'::regprocedure);
$$;
COMMENT ON FUNCTION teamrbac.superuser_functions() IS
	'Internal to the installation and to check_setup: the functions that stay with the superuser who installs, all others belonging to teamrbac_owner.';
REVOKE ALL ON FUNCTION teamrbac.superuser_functions() FROM PUBLIC;
