-- The findings of check_setup about our own schema: what the install script made, as it left it, and nothing else.

-- What the install script put onto its tables and views; filled by the last part.
CREATE TABLE teamrbac.own_part (
	kind     text COLLATE "C",
	relation name,
	name     name,
	PRIMARY KEY (kind, relation, name)
);
COMMENT ON TABLE teamrbac.own_part IS
	'Columns, constraints, indexes, policies, rules and triggers of teamrbac''s own tables and views, as the extension '
		'made them. check_setup compares.';
COMMENT ON COLUMN teamrbac.own_part.kind IS 'column, constraint, index, policy, rule or trigger.';
COMMENT ON COLUMN teamrbac.own_part.relation IS 'The table or view, in schema teamrbac.';
COMMENT ON COLUMN teamrbac.own_part.name IS 'The part''s name.';
ALTER TABLE teamrbac.own_part ENABLE ROW LEVEL SECURITY;
-- A restore makes the extension anew, and with it this list.
SELECT pg_catalog.pg_extension_config_dump('teamrbac.own_part', 'WHERE false');

-- The tables and views that belong to the extension; others may have been made in its schema.
CREATE FUNCTION teamrbac.own_relation(OUT relation oid, OUT name name, OUT kind "char") RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp ROWS 40
AS $$
	SELECT c.oid, c.relname, c.relkind
	FROM pg_extension AS e
	JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
		AND d.classid = 'pg_class'::regclass
	JOIN pg_class AS c ON c.oid = d.objid
	WHERE e.extname = 'teamrbac' AND c.relkind IN ('r', 'v');
$$;
COMMENT ON FUNCTION teamrbac.own_relation(OUT oid, OUT name, OUT "char") IS
	'Internal to check_setup: the tables and views of the extension.';

-- What is on them now.  The triggers of foreign keys go with these; those of foreign keys of other tables that refer to
-- ours are no business of ours.
CREATE FUNCTION teamrbac.present_part(OUT kind text, OUT relation name, OUT name name) RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.kind, r.name, p.name
	FROM teamrbac.own_relation() AS r, LATERAL (
		SELECT 'column', a.attname FROM pg_attribute AS a WHERE a.attrelid = r.relation AND a.attnum > 0
			AND NOT a.attisdropped
		UNION ALL
		SELECT 'constraint', c.conname FROM pg_constraint AS c WHERE c.conrelid = r.relation AND c.contype IN ('c', 'f',
			'p', 'u', 'x')
		UNION ALL
		SELECT 'index', c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
			WHERE i.indrelid = r.relation
		UNION ALL
		SELECT 'policy', p.polname FROM pg_policy AS p WHERE p.polrelid = r.relation
		UNION ALL
		SELECT 'rule', w.rulename FROM pg_rewrite AS w WHERE w.ev_class = r.relation
		UNION ALL
		SELECT 'trigger', t.tgname FROM pg_trigger AS t WHERE t.tgrelid = r.relation AND NOT t.tgisinternal
	) AS p(kind, name);
$$;
COMMENT ON FUNCTION teamrbac.present_part(OUT text, OUT name, OUT name) IS
	'Internal to check_setup: columns, constraints, indexes, policies, rules and triggers of teamrbac''s own tables '
		'and views.';

-- Parts that were added, which a dump leaves out, and parts that are gone.
CREATE FUNCTION teamrbac.check_setup_parts(OUT severity text, OUT step integer, OUT object text, OUT problem text,
	OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH added AS (
		SELECT p.* FROM teamrbac.present_part() AS p EXCEPT SELECT o.kind, o.relation, o.name
			FROM teamrbac.own_part AS o
	), gone AS (
		SELECT o.kind, o.relation, o.name FROM teamrbac.own_part AS o EXCEPT SELECT p.*
			FROM teamrbac.present_part() AS p
	)
	SELECT CASE WHEN a.kind IN ('column', 'rule', 'trigger') THEN 'critical' ELSE 'warning' END, 5,
		   format('%s %s on teamrbac.%I', a.kind, teamrbac.printable_identifier(a.name), a.relation),
		   CASE a.kind WHEN 'column' THEN 'added to teamrbac''s own table: no dump of this database can be restored, '
		       'all rows of the table are lost'
					   WHEN 'rule' THEN 'added to what is teamrbac''s own: runs with teamrbac''s rights, and is lost '
					       'by a restore'
					   WHEN 'trigger' THEN 'added to what is teamrbac''s own: runs with teamrbac''s rights, and is '
					       'lost by a restore'
					   ELSE 'added to teamrbac''s own table: is lost by a restore' END
		   || '; keep what is the application''s in a table of its own, with a foreign key to teamrbac.tenant, then '
		       'drop this', NULL
	FROM added AS a
	UNION ALL
	SELECT 'critical', 5, format('%s %I on teamrbac.%I', g.kind, g.name, g.relation),
		   'gone, although the extension made it: restore a dump, which makes it again, or make it as a new database '
		       'with the extension has it', NULL
	FROM gone AS g;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_parts(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: what was added to teamrbac''s own tables and views, or taken from them.';

-- Foreign keys of others that carry a change of ours on, to tables whose triggers then run with the rights of whoever
-- made it.  On teamrbac.tenant they are what purge goes by, which minds that.
CREATE FUNCTION teamrbac.setup_follower(OUT foreign_key oid, OUT of_table oid, OUT on_table oid) RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT f.oid, f.conrelid, f.confrelid
	FROM teamrbac.own_relation() AS r JOIN pg_constraint AS f ON f.confrelid = r.relation AND f.contype = 'f'
	WHERE f.connamespace <> 'teamrbac'::regnamespace AND r.name <> 'tenant'
	  AND (f.confdeltype NOT IN ('a', 'r') OR f.confupdtype NOT IN ('a', 'r'));
$$;
COMMENT ON FUNCTION teamrbac.setup_follower(OUT oid, OUT oid, OUT oid) IS
	'Internal to check_setup: foreign keys of the application that delete or change its rows with those of a table '
		'of ours.';

CREATE FUNCTION teamrbac.check_setup_followers(OUT severity text, OUT step integer, OUT object text, OUT problem text,
	OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'warning', 5, format('foreign key %s on %s', teamrbac.printable_identifier(c.conname),
		teamrbac.printable_relation(f.of_table)),
		   format('changes with %s, so that triggers there run with the rights of whoever changes that: let it say NO '
		       'ACTION, or refer to teamrbac.tenant alone', teamrbac.printable_relation(f.on_table)), NULL
	FROM teamrbac.setup_follower() AS f JOIN pg_constraint AS c ON c.oid = f.foreign_key;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_followers(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: foreign keys that carry changes of teamrbac''s tables on, but those to teamrbac.tenant.';

-- Whether a statement on a table of ours, run by a superuser, runs nobody else's code.
CREATE FUNCTION teamrbac.setup_runs_only_ours(own_table oid) RETURNS boolean
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT NOT EXISTS (SELECT FROM teamrbac.present_part() AS p JOIN pg_class AS c ON c.relname = p.relation
		AND c.oid = own_table
					   WHERE p.kind IN ('trigger', 'rule', 'constraint', 'index', 'policy')
						 AND NOT EXISTS (SELECT FROM teamrbac.own_part AS o WHERE o.kind = p.kind
						     AND o.relation = p.relation AND o.name = p.name))
	   AND NOT EXISTS (SELECT FROM teamrbac.setup_follower() AS f WHERE f.on_table = own_table);
$$;
COMMENT ON FUNCTION teamrbac.setup_runs_only_ours(oid) IS
	'Internal to check_setup: whether nobody has added anything to a table of ours that runs when a row of it changes.';

-- What is in the schema without belonging to the extension, and who may put it there: our functions look there.
CREATE FUNCTION teamrbac.check_setup_schema(OUT severity text, OUT step integer, OUT object text, OUT problem text,
	OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'critical', 5, 'schema teamrbac', format('%s may create objects that teamrbac''s functions would take for '
		'their own', string_agg(DISTINCT teamrbac.setup_role_name(g.grantee), ', ')),
		   format('REVOKE CREATE ON SCHEMA teamrbac FROM %s CASCADE',
		       string_agg(DISTINCT teamrbac.setup_role_name(g.grantee), ', '))
	FROM pg_namespace AS n, teamrbac.setup_grant(n.nspacl, n.nspowner) AS g
	WHERE n.nspname = 'teamrbac' AND g.privilege = 'CREATE'
	HAVING count(*) > 0
	UNION ALL
	SELECT 'critical', 5,
		   CASE f.catalogue WHEN 'pg_class'::regclass THEN 'relation ' || teamrbac.printable_relation(f.oid)
							WHEN 'pg_proc'::regclass THEN 'routine ' || teamrbac.printable_routine(f.oid)
							ELSE format('%s teamrbac.%s', f.kind, f.name) END,
		   'in schema teamrbac without being part of it: teamrbac''s functions may take it for their own; move it to '
		   'another schema, or drop it', NULL
	FROM (SELECT 'pg_class'::regclass AS catalogue, c.oid, 'relation' AS kind, c.relname AS name FROM pg_class AS c
		  WHERE c.relnamespace = 'teamrbac'::regnamespace AND c.relkind NOT IN ('i', 'I', 'c', 't')
		  UNION ALL
		  SELECT 'pg_proc'::regclass, p.oid, 'routine', p.proname FROM pg_proc AS p
		  WHERE p.pronamespace = 'teamrbac'::regnamespace
		  UNION ALL
		  SELECT 'pg_operator'::regclass, o.oid, 'operator', o.oprname FROM pg_operator AS o
		  WHERE o.oprnamespace = 'teamrbac'::regnamespace
		  UNION ALL
		  -- Types of rows and arrays go with the others.
		  SELECT 'pg_type'::regclass, t.oid, 'type', teamrbac.printable_identifier(t.typname) FROM pg_type AS t
		  WHERE t.typnamespace = 'teamrbac'::regnamespace AND t.typelem = 0
			AND (t.typrelid = 0
				 OR EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind = 'c'))) AS f
	WHERE NOT EXISTS (SELECT FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'teamrbac'
					  WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.classid = f.catalogue
					      AND d.objid = f.oid)
	  -- The range type's constructors, the sequence's of an identity column.
	  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.deptype = 'i' AND d.classid = f.catalogue AND d.objid = f.oid);
$$;
COMMENT ON FUNCTION teamrbac.check_setup_schema(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: objects in schema teamrbac that are not the extension''s, and who may make them.';

-- Who may use our tables.  REFERENCES on teamrbac.tenant is what a role for migrations needs.
CREATE FUNCTION teamrbac.check_setup_grants(OUT severity text, OUT step integer, OUT object text, OUT problem text,
	OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH granted AS (
		SELECT r.relation, r.name AS relation_name, NULL::name AS column_name, g.grantee, g.privilege
		FROM teamrbac.own_relation() AS r JOIN pg_class AS c ON c.oid = r.relation, teamrbac.setup_grant(c.relacl,
			c.relowner) AS g
		WHERE r.kind = 'r'
		UNION
		SELECT r.relation, r.name, a.attname, g.grantee, g.privilege
		FROM teamrbac.own_relation() AS r JOIN pg_class AS c ON c.oid = r.relation
		JOIN pg_attribute AS a ON a.attrelid = c.oid AND NOT a.attisdropped, teamrbac.setup_grant(a.attacl,
			c.relowner) AS g
		WHERE r.kind = 'r'
	), excessive AS (
		SELECT g.relation, g.grantee,
			   string_agg(g.privilege || COALESCE(' (' || teamrbac.printable_identifier(g.column_name) || ')', ''), ', '
			       ORDER BY g.privilege, g.column_name NULLS FIRST) AS privileges,
			   bool_or(g.privilege IN ('REFERENCES', 'TRIGGER', 'TRUNCATE')) AS dangerous
		FROM granted AS g
		WHERE NOT (g.relation_name = 'tenant' AND g.privilege = 'REFERENCES' AND g.grantee <> 0)
		GROUP BY g.relation, g.grantee
	)
	SELECT CASE WHEN e.dangerous THEN 'critical' ELSE 'warning' END, 5, teamrbac.printable_relation(e.relation),
		   format('%s may use a table of teamrbac''s own', string_agg(teamrbac.setup_role_name(e.grantee), ', '
		       ORDER BY teamrbac.setup_role_name(e.grantee) COLLATE "C"))
		   || CASE WHEN e.dangerous THEN ': ' || e.privileges ELSE '' END,
		   format('REVOKE %s ON %s FROM %s CASCADE', e.privileges, teamrbac.printable_relation(e.relation),
				  string_agg(teamrbac.setup_role_name(e.grantee), ', '
				      ORDER BY teamrbac.setup_role_name(e.grantee) COLLATE "C"))
	FROM excessive AS e
	GROUP BY e.relation, e.privileges, e.dangerous;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_grants(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: privileges on teamrbac''s own tables.';

-- Triggers and row-level security of our tables.
CREATE FUNCTION teamrbac.check_setup_own_tables(OUT severity text, OUT step integer, OUT object text, OUT problem text,
	OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
AS $$
	SELECT 'critical', 5, format('trigger %I on teamrbac.%I', t.tgname, r.name),
		   CASE WHEN t.tgenabled = 'O' THEN 'not always enabled: changes of the table by replication or a restore are '
		       'not obeyed by sessions that have read it'
				WHEN s.signals THEN 'disabled: changes of the table are not obeyed by sessions that have read it'
				ELSE 'disabled: the table is not guarded' END,
		   format('ALTER TABLE teamrbac.%I ENABLE %sTRIGGER %I', r.name, CASE WHEN s.signals THEN 'ALWAYS ' ELSE '' END,
		       t.tgname)
	FROM pg_trigger AS t JOIN teamrbac.own_relation() AS r ON r.relation = t.tgrelid AND r.kind = 'r'
	CROSS JOIN LATERAL (SELECT t.tgname LIKE 'signal\_%' AS signals) AS s
	LEFT JOIN pg_constraint AS f ON f.oid = t.tgconstraint
	WHERE CASE WHEN s.signals THEN t.tgenabled <> 'A' ELSE t.tgenabled NOT IN ('O', 'A') END
	  -- Others' triggers are a finding of their own.  Of the server's, those of foreign keys, but for their checks of
	  -- new rows, which check_reference does instead.
	  AND CASE WHEN t.tgisinternal
			   THEN f.connamespace = 'teamrbac'::regnamespace
					AND t.tgfoid NOT IN ('pg_catalog."RI_FKey_check_ins"()'::regprocedure,
						'pg_catalog."RI_FKey_check_upd"()'::regprocedure)
			   ELSE EXISTS (SELECT FROM teamrbac.own_part AS o WHERE o.kind = 'trigger' AND o.relation = r.name
			       AND o.name = t.tgname) END
	UNION ALL
	-- pg_upgrade, and a restore with --disable-triggers, turn these on again.
	SELECT 'notice', 5, format('foreign key %I on teamrbac.%I', f.conname, r.name),
		   'checked by the server as well as by teamrbac: each new row twice, and a restore must load the tables '
		       'in order',
		   format('ALTER TABLE teamrbac.%I %s', r.name, string_agg(format('DISABLE TRIGGER %I', t.tgname), ', '
		       ORDER BY t.tgname))
	FROM pg_constraint AS f JOIN teamrbac.own_relation() AS r ON r.relation = f.conrelid
	JOIN pg_trigger AS t ON t.tgconstraint = f.oid AND t.tgrelid = f.conrelid
	WHERE t.tgenabled <> 'D'
	  AND t.tgfoid IN ('pg_catalog."RI_FKey_check_ins"()'::regprocedure,
	      'pg_catalog."RI_FKey_check_upd"()'::regprocedure)
	  AND EXISTS (SELECT FROM pg_trigger AS ours
				  WHERE ours.tgrelid = f.conrelid AND ours.tgname = f.conname
				      AND ours.tgfoid = 'teamrbac.check_reference()'::regprocedure)
	GROUP BY f.oid, f.conname, r.name
	UNION ALL
	SELECT 'critical', 5, format('teamrbac.%I', r.name), 'row-level security is disabled on a table of teamrbac''s own',
		   format('ALTER TABLE teamrbac.%I ENABLE ROW LEVEL SECURITY', r.name)
	FROM teamrbac.own_relation() AS r JOIN pg_class AS c ON c.oid = r.relation
	WHERE r.kind = 'r' AND NOT c.relrowsecurity;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_own_tables(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: teamrbac''s own tables without their triggers or row-level security.';

REVOKE ALL ON FUNCTION teamrbac.own_relation() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.present_part() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_parts() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_follower() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_followers() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.setup_runs_only_ours(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_schema() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_grants() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_own_tables() FROM PUBLIC;
