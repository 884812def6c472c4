-- What each trigger and each foreign key is for: the same on every table.

DO $$
DECLARE
	item record;
BEGIN
	FOR item IN
		SELECT t.tgname AS name, t.tgrelid::pg_catalog.regclass AS relation,
			   CASE p.proname
					WHEN 'audit_direct_change' THEN 'Records in the audit what is changed here by hand; what a command does, it records itself.'
					WHEN 'signal_change' THEN 'Tells every session at commit that what it remembers of this table is out of date.'
					WHEN 'index_members' THEN 'Keeps what members_page finds members by.'
					WHEN 'guard_built_in' THEN 'Keeps what is built in as it is.'
					WHEN 'forget_expired_membership' THEN 'A member has no expired membership beside the one they have.'
					WHEN 'guard_audit' THEN 'Nobody but a superuser changes the audit.'
					WHEN 'check_reference' THEN 'Checks new rows by the foreign key of its name, so that a parallel restore may load the tables in any order.'
					WHEN 'check_owners' THEN 'Not even TRUNCATE leaves a tenant without an owner.' END AS purpose
		FROM pg_catalog.pg_trigger AS t
		JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
		JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
		WHERE c.relnamespace = 'teamrbac'::pg_catalog.regnamespace
		  AND NOT t.tgisinternal AND p.proname <> 'check_owner'
	LOOP
		EXECUTE pg_catalog.format('COMMENT ON TRIGGER %I ON %s IS %L', item.name, item.relation, item.purpose);
	END LOOP;
	FOR item IN
		SELECT c.conname AS name, c.conrelid::pg_catalog.regclass AS relation
		FROM pg_catalog.pg_constraint AS c
		WHERE c.connamespace = 'teamrbac'::pg_catalog.regnamespace AND c.contype = 'f'
	LOOP
		EXECUTE pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS %L', item.name, item.relation,
								  'Its check of new rows is left to the trigger of this name; what happens when a referenced row goes is the server''s.');
	END LOOP;
END
$$;
