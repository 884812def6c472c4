-- What keeps the code of others from running as teamrbac_owner, whose rights our commands have.

-- An event trigger, since the owner of a table or function could otherwise take its guards away, or put code into it
-- for the next superuser who passes by.  It is a superuser's, whom no command of ours runs as.
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

-- In C, since a query within a REPEATABLE READ transaction shows the catalogues as they were: see src/command/guard_references.c.
CREATE FUNCTION teamrbac.guard_references() RETURNS event_trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_guard_references';
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
