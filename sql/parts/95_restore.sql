-- Last of all, for the foreign keys of every part: a parallel pg_restore loads the tables in any order, so each
-- key's check of new rows is left to a trigger of the same name, which lets a restore pass.  What the keys do
-- when a referenced row goes stays the server's.

CREATE FUNCTION teamrbac.check_reference() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'teamrbac_check_reference';
COMMENT ON FUNCTION teamrbac.check_reference() IS
	'Trigger function: checks the row by the foreign key that has the trigger''s name (23503), unless a dump is being restored. Locks the referenced row FOR KEY SHARE, as every foreign key does.';
REVOKE ALL ON FUNCTION teamrbac.check_reference() FROM PUBLIC;

DO $$
DECLARE
	reference record;
BEGIN
	FOR reference IN
		SELECT c.conname, c.conrelid::pg_catalog.regclass AS relation, t.tgname,
			   (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
				WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)) AS columns,
			   t.tgfoid = 'pg_catalog."RI_FKey_check_ins"()'::pg_catalog.regprocedure AS on_insert
		FROM pg_catalog.pg_constraint AS c
		JOIN pg_catalog.pg_trigger AS t ON t.tgconstraint = c.oid AND t.tgrelid = c.conrelid
		WHERE c.connamespace = 'teamrbac'::pg_catalog.regnamespace
		  AND c.contype = 'f'
		  AND t.tgfoid = ANY (ARRAY['pg_catalog."RI_FKey_check_ins"()', 'pg_catalog."RI_FKey_check_upd"()']::pg_catalog.regprocedure[])
		ORDER BY c.conname, t.tgname
	LOOP
		EXECUTE pg_catalog.format('ALTER TABLE %s DISABLE TRIGGER %I', reference.relation, reference.tgname);
		IF reference.on_insert THEN
			EXECUTE pg_catalog.format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OF %s ON %s FOR EACH ROW EXECUTE FUNCTION teamrbac.check_reference()',
									  reference.conname, reference.columns, reference.relation);
		END IF;
	END LOOP;
END
$$;
