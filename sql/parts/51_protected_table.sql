-- How each table is protected, on record, so that what a schema tool took away can be put back, and is guarded.

-- Names in a dump, numbers in here: columns and tables are renamed, and dumps leave tables out.
CREATE TYPE teamrbac.table_column;
CREATE FUNCTION teamrbac.table_column_in(cstring) RETURNS teamrbac.table_column
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_table_column_in';
COMMENT ON FUNCTION teamrbac.table_column_in(cstring) IS
	'Internal: the column of that name. Errors: 22P02 not three names.';
CREATE FUNCTION teamrbac.table_column_out(teamrbac.table_column) RETURNS cstring
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_table_column_out';
COMMENT ON FUNCTION teamrbac.table_column_out(teamrbac.table_column) IS
	'Internal: the column''s present name, with its table and schema; empty where it is gone.';
CREATE TYPE teamrbac.table_column (INPUT = teamrbac.table_column_in, OUTPUT = teamrbac.table_column_out, LIKE = pg_catalog.int8);
COMMENT ON TYPE teamrbac.table_column IS
	'A column of a table: written schema.table.column, and kept through renamings of any of them; empty for one that is not there.';
CREATE FUNCTION teamrbac.table_of(column_of teamrbac.table_column) RETURNS oid
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_table_column_relation';
COMMENT ON FUNCTION teamrbac.table_of(teamrbac.table_column) IS
	'Internal: the column''s table, or what was its OID if that is gone.';
CREATE FUNCTION teamrbac.number_of(column_of teamrbac.table_column) RETURNS smallint
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_table_column_number';
COMMENT ON FUNCTION teamrbac.number_of(teamrbac.table_column) IS
	'Internal: the column''s number in its table, of a dropped one too.';

CREATE TABLE teamrbac.protected_table (
	tenant_column       teamrbac.table_column NOT NULL,
	owner_column        teamrbac.table_column,
	across_tenants      boolean NOT NULL,
	view_permission     text,
	edit_permission     text,
	view_own_permission text,
	edit_own_permission text
);
COMMENT ON TABLE teamrbac.protected_table IS
	'How protect_table was asked to protect each table; written by it, unprotect_table and restore_protection alone.';
COMMENT ON COLUMN teamrbac.protected_table.tenant_column IS 'The column that holds the tenant, and so the table.';
COMMENT ON COLUMN teamrbac.protected_table.owner_column IS 'The column that holds the user whose row it is; NULL: rows are nobody''s own.';
COMMENT ON COLUMN teamrbac.protected_table.across_tenants IS 'Whether rows of several tenants are seen at once.';
COMMENT ON COLUMN teamrbac.protected_table.view_permission IS 'The permission to see rows; NULL: none.';
COMMENT ON COLUMN teamrbac.protected_table.edit_permission IS 'The permission to change rows; NULL: none.';
COMMENT ON COLUMN teamrbac.protected_table.view_own_permission IS 'The permission to see one''s own rows; NULL: none.';
COMMENT ON COLUMN teamrbac.protected_table.edit_own_permission IS 'The permission to change one''s own rows; NULL: none.';
ALTER TABLE teamrbac.protected_table ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('teamrbac.protected_table', '');

CREATE FUNCTION teamrbac.recorded_table() RETURNS SETOF oid
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
	SELECT c.oid FROM teamrbac.protected_table AS p JOIN pg_class AS c ON c.oid = teamrbac.table_of(p.tenant_column);
$$;
COMMENT ON FUNCTION teamrbac.recorded_table() IS
	'Internal to restore_protection: the tables that are on record as protected. No errors.';
CREATE FUNCTION teamrbac.restore_table_protection("table" regclass) RETURNS boolean
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_restore_table_protection';
COMMENT ON FUNCTION teamrbac.restore_table_protection(regclass) IS
	'Internal to restore_protection, for one table: whether anything was missing.';
CREATE FUNCTION teamrbac.restore_protection("table" regclass DEFAULT NULL) RETURNS SETOF regclass
	LANGUAGE plpgsql SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
DECLARE
	recorded regclass;
BEGIN
	FOR recorded IN
		SELECT restore_protection."table" WHERE restore_protection."table" IS NOT NULL
		UNION ALL
		SELECT c.oid::regclass FROM teamrbac.recorded_table() AS r(relation) JOIN pg_class AS c ON c.oid = r.relation
		WHERE restore_protection."table" IS NULL AND pg_has_role(c.relowner, 'USAGE')
	LOOP
		IF teamrbac.restore_table_protection(recorded) THEN
			RETURN NEXT recorded;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION teamrbac.restore_protection(regclass) IS
	'Puts back what is missing of what protect_table made: of one table, or of all that the caller owns; returns those of which anything was. Errors: 55000 not on record as protected, or permissive policies exist; 22023 its column is gone, or no uuid NOT NULL any more; 42501 not the table''s owner. Takes ACCESS EXCLUSIVE on each of these, ACCESS SHARE on the others.';

-- The guard.  It looks at what a command has left, with our rights, since nobody else may read the record.
CREATE FUNCTION teamrbac.require_protection(relation oid, command pg_ddl_command) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_require_protection';
COMMENT ON FUNCTION teamrbac.require_protection(oid, pg_ddl_command) IS
	'Internal to the guard: refuses (55000) what leaves a table without its protection that is on record as protected.';
CREATE FUNCTION teamrbac.require_named_protection(schema text, relation text) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_require_named_protection';
COMMENT ON FUNCTION teamrbac.require_named_protection(text, text) IS
	'Internal to the guard: require_protection for the table of a policy that was dropped.';
CREATE FUNCTION teamrbac.forget_protected_table(relation oid) RETURNS boolean
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_forget_protected_table';
COMMENT ON FUNCTION teamrbac.forget_protected_table(oid) IS
	'Internal to the guard: takes a table that was dropped off the record; whether it was on it.';
CREATE FUNCTION teamrbac.guard_tables() RETURNS event_trigger
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
BEGIN
	-- Which table it is, and whether it is on record, is found in C: a query of ours would see what the transaction's
	-- snapshot does, which is old in REPEATABLE READ.
	IF TG_EVENT = 'sql_drop' THEN
		PERFORM teamrbac.forget_protected_table(d.objid) FROM pg_event_trigger_dropped_objects() AS d WHERE d.object_type = 'table';
		PERFORM teamrbac.require_named_protection(d.address_names[1], d.address_names[2])
			FROM pg_event_trigger_dropped_objects() AS d WHERE d.classid = 'pg_policy'::regclass;
	ELSE
		PERFORM teamrbac.require_protection(COALESCE(p.polrelid, c.objid), c.command)
			FROM pg_event_trigger_ddl_commands() AS c
			LEFT JOIN pg_policy AS p ON c.classid = 'pg_policy'::regclass AND p.oid = c.objid
			WHERE c.classid IN ('pg_class'::regclass, 'pg_policy'::regclass);
	END IF;
END
$$;
COMMENT ON FUNCTION teamrbac.guard_tables() IS
	'Event trigger function: refuses (55000) commands that leave a table without its protection, but for unprotect_table. Takes ACCESS SHARE on the tables that the command has changed.';

CREATE FUNCTION teamrbac.guard_protection() RETURNS void
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM teamrbac.unguard_protection();
	CREATE EVENT TRIGGER teamrbac_guard_tables ON ddl_command_end
		WHEN TAG IN ('ALTER TABLE', 'ALTER POLICY', 'CREATE POLICY') EXECUTE FUNCTION teamrbac.guard_tables();
	CREATE EVENT TRIGGER teamrbac_guard_tables_drop ON sql_drop EXECUTE FUNCTION teamrbac.guard_tables();
	-- Also for a session that replicates, or loads data.
	ALTER EVENT TRIGGER teamrbac_guard_tables ENABLE ALWAYS;
	ALTER EVENT TRIGGER teamrbac_guard_tables_drop ENABLE ALWAYS;
	COMMENT ON EVENT TRIGGER teamrbac_guard_tables IS 'Protected tables stay protected; see teamrbac.guard_protection().';
	COMMENT ON EVENT TRIGGER teamrbac_guard_tables_drop IS 'Protected tables stay protected; see teamrbac.guard_protection().';
END
$$;
COMMENT ON FUNCTION teamrbac.guard_protection() IS
	'Installs two event triggers, teamrbac_guard_tables and teamrbac_guard_tables_drop, which from then on refuse (55000) what takes from a table anything that protect_table made: to disable or no longer force row-level security, to drop or change its policies or the columns that they compare, to add a permissive policy, to give the table to a role for whom policies do not hold (but REASSIGN OWNED, which event triggers do not see), to make it a partition or child of a table that row-level security is not forced on or that has other permissive policies, directly or further up, or to make such a one of a table that it inherits from. unprotect_table does so, and DROP TABLE. They are dumped with the database, and go with DROP EXTENSION teamrbac CASCADE. May be called again. Superusers only (42501).';
CREATE FUNCTION teamrbac.unguard_protection() RETURNS void
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_event_trigger AS e WHERE e.evtname = 'teamrbac_guard_tables') THEN
		DROP EVENT TRIGGER teamrbac_guard_tables;
	END IF;
	IF EXISTS (SELECT FROM pg_event_trigger AS e WHERE e.evtname = 'teamrbac_guard_tables_drop') THEN
		DROP EVENT TRIGGER teamrbac_guard_tables_drop;
	END IF;
END
$$;
COMMENT ON FUNCTION teamrbac.unguard_protection() IS
	'Removes what guard_protection installed; nothing if it is not there. Superusers only (42501).';

REVOKE ALL ON TYPE teamrbac.table_column FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.table_column_in(cstring) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.table_column_out(teamrbac.table_column) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.table_of(teamrbac.table_column) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.number_of(teamrbac.table_column) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.require_protection(oid, pg_ddl_command) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.require_named_protection(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.forget_protected_table(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.guard_tables() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.guard_protection() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.unguard_protection() FROM PUBLIC;
