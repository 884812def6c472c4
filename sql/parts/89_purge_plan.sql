-- Which rows are a tenant's, and in which order they go.

CREATE FUNCTION teamrbac.key_condition(foreign_key oid, parent text, child text) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	-- With the operator's own types: among operators of that name, another may fit the columns' better.
	SELECT string_agg(format('%s::%I.%I OPERATOR(%I.%s) %s.%I::%I.%I', CASE WHEN f.confrelid = 'teamrbac.tenant'::regclass AND p.attname = 'tenant_id' THEN '$1'
															   WHEN f.confrelid = 'teamrbac.tenant'::regclass AND p.attname = 'slug' THEN '$2'
															   ELSE format('%s.%I', parent, p.attname) END,
							 ln.nspname, l.typname, n.nspname, o.oprname, child, c.attname, rn.nspname, r.typname), ' AND ' ORDER BY k.n)
	FROM pg_constraint AS f
	CROSS JOIN LATERAL unnest(f.conkey, f.confkey, f.conpfeqop) WITH ORDINALITY AS k(child_column, parent_column, equals, n)
	JOIN pg_attribute AS c ON c.attrelid = f.conrelid AND c.attnum = k.child_column
	JOIN pg_attribute AS p ON p.attrelid = f.confrelid AND p.attnum = k.parent_column
	JOIN pg_operator AS o ON o.oid = k.equals
	JOIN pg_namespace AS n ON n.oid = o.oprnamespace
	JOIN pg_type AS l ON l.oid = o.oprleft JOIN pg_namespace AS ln ON ln.oid = l.typnamespace
	JOIN pg_type AS r ON r.oid = o.oprright JOIN pg_namespace AS rn ON rn.oid = r.typnamespace
	WHERE f.oid = foreign_key;
$$;
COMMENT ON FUNCTION teamrbac.key_condition(oid, text, text) IS
	'Internal to purge: that a row of alias child refers by a foreign key to the row of alias parent, or to the tenant whose id is $1 and whose slug is $2.';
REVOKE ALL ON FUNCTION teamrbac.key_condition(oid, text, text) FROM PUBLIC;

CREATE FUNCTION teamrbac.is_own_table(relation oid) RETURNS boolean
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'teamrbac'
				   WHERE d.classid = 'pg_class'::regclass AND d.objid = relation AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e');
$$;
COMMENT ON FUNCTION teamrbac.is_own_table(oid) IS 'Internal to purge: whether a table is one of the extension''s.';
REVOKE ALL ON FUNCTION teamrbac.is_own_table(oid) FROM PUBLIC;

CREATE FUNCTION teamrbac.purge_plan(OUT relation regclass, OUT name text, OUT row_name text, OUT condition text, OUT leaves text, OUT cascades boolean, OUT ours boolean)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE reference AS MATERIALIZED (
		-- Foreign keys as they were declared, without their copies for partitions.
		SELECT f.oid, f.conrelid AS child, f.confrelid AS parent, f.confdeltype AS on_delete, f.conkey, f.confkey, f.conpfeqop
		FROM pg_constraint AS f WHERE f.contype = 'f' AND f.conparentid = 0
	), reached AS (
		-- From the tenant's row downwards: which rows of a table are the tenant's.  A table that names the tenant
		-- itself is not looked for along longer ways.  A longer way leads through tables of one role.
		SELECT 'teamrbac.tenant'::regclass::oid AS relation, 0 AS depth, a.attnum AS tenant_column,
			   't0.tenant_id = $1' COLLATE "C" AS condition, true AS cascades, ARRAY['teamrbac.tenant'::regclass::oid] AS path
		FROM pg_attribute AS a WHERE a.attrelid = 'teamrbac.tenant'::regclass AND a.attname = 'tenant_id'
		UNION ALL
		SELECT r.child, p.depth + 1, own.attnum,
			   CASE WHEN own.attnum IS NOT NULL THEN format('t%s.%I = $1', p.depth + 1, own.attname)
					WHEN p.depth = 0 THEN teamrbac.key_condition(r.oid, 't0', 't1')
					ELSE format('EXISTS (SELECT FROM %s%s AS t%s WHERE %s AND %s)', CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END,
								r.parent::regclass, p.depth, teamrbac.key_condition(r.oid, 't' || p.depth, 't' || (p.depth + 1)), p.condition) END,
			   r.on_delete = 'c', p.path || r.child
		FROM reached AS p
		JOIN reference AS r ON r.parent = p.relation AND r.child <> ALL (p.path)
		JOIN pg_class AS c ON c.oid = r.parent
		JOIN pg_class AS child ON child.oid = r.child
		LEFT JOIN LATERAL (SELECT a.attnum, a.attname
						   FROM unnest(r.conkey, r.confkey) AS k(child_column, parent_column)
						   JOIN pg_attribute AS a ON a.attrelid = r.child AND a.attnum = k.child_column
						   WHERE k.parent_column = p.tenant_column AND a.atttypid = 'uuid'::regtype) AS own ON true
		WHERE p.cascades AND r.on_delete IN ('a', 'r', 'c')
		  AND (own.attnum IS NOT NULL OR p.depth = 0 OR child.relowner = c.relowner)
		  AND (p.depth = 0 OR NOT EXISTS (SELECT FROM reference AS direct WHERE direct.child = r.child
										  AND direct.parent = 'teamrbac.tenant'::regclass AND direct.on_delete = 'c'))
	), step AS (
		SELECT DISTINCT ON (r.relation) r.relation, r.depth, r.condition, r.cascades
		FROM reached AS r WHERE r.depth > 0
		ORDER BY r.relation, r.cascades DESC, r.depth, r.condition
	), way(relation, n) AS (
		-- How many tables a row may refer on through that leads here; round and round, if they refer in a circle.
		SELECT s.relation, 0::bigint FROM step AS s
		UNION
		SELECT parent.relation, w.n + 1
		FROM way AS w
		JOIN reference AS r ON COALESCE(pg_partition_root(r.child), r.child) = w.relation
		JOIN step AS parent ON parent.relation = COALESCE(pg_partition_root(r.parent), r.parent) AND parent.relation <> w.relation
		WHERE w.n < (SELECT count(*) FROM step)
	), ordered AS (
		SELECT s.relation, s.depth, s.condition, s.cascades, 't' || s.depth AS row_name,
			   (SELECT max(w.n) FROM way AS w WHERE w.relation = s.relation) AS height
		FROM step AS s
	)
	SELECT COALESCE(leaf.relid, o.relation), COALESCE(leaf.relid, o.relation)::regclass::text, o.row_name, o.condition,
		   -- Where the order does not see to it: in trees and circles.
		   (SELECT string_agg(format('NOT EXISTS (SELECT FROM %s AS c WHERE %s AND ROW(c.tableoid, c.ctid) <> ROW(%s.tableoid, %s.ctid))',
									 r.child::regclass, teamrbac.key_condition(r.oid, o.row_name, 'c'), o.row_name, o.row_name), ' AND ' ORDER BY r.oid)
			FROM reference AS r JOIN ordered AS other ON other.relation = r.child AND other.cascades AND other.height >= o.height
			JOIN pg_class AS child ON child.oid = r.child
			JOIN pg_class AS parent ON parent.oid = r.parent AND parent.relowner = child.relowner
			WHERE r.parent = o.relation AND r.on_delete IN ('a', 'r', 'c')),
		   o.cascades, teamrbac.is_own_table(o.relation)
	FROM ordered AS o
	LEFT JOIN LATERAL pg_partition_tree(o.relation) AS leaf ON leaf.isleaf AND o.cascades
	ORDER BY o.height, o.depth DESC, o.relation::regclass::text COLLATE "C", leaf.relid;
$$;
COMMENT ON FUNCTION teamrbac.purge_plan(OUT regclass, OUT text, OUT text, OUT text, OUT text, OUT boolean, OUT boolean) IS
	'Internal to purge: the tables with rows that refer to a tenant or to its rows, in the order of deletion. cascades false: their foreign key says neither ON DELETE CASCADE nor SET NULL nor SET DEFAULT, so that a tenant with such rows stays. condition: of the rows, of alias row_name, whose tenant is $1, with slug $2; leaves: that no other row refers to them, where the order does not see to that. Neither names tables of several roles.';
REVOKE ALL ON FUNCTION teamrbac.purge_plan(OUT regclass, OUT text, OUT text, OUT text, OUT text, OUT boolean, OUT boolean) FROM PUBLIC;

-- The planner expects thousands of partitions everywhere; compiling for them takes longer than anything here.
-- In PL/pgSQL, which keeps the plan.
CREATE FUNCTION teamrbac.purge_reach(for_relations oid[], deletes boolean, OUT relation oid, OUT owner oid, OUT behind oid, OUT behind_owner oid)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH RECURSIVE edge AS MATERIALIZED (
		-- Copies for partitions included; and whatever refers, all its partitions.
		SELECT f.confrelid AS parent, m.relation AS child, f.confdeltype AS on_delete, f.confupdtype AS on_update
		FROM pg_constraint AS f
		JOIN pg_class AS c ON c.oid = f.conrelid
		CROSS JOIN LATERAL (SELECT c.oid WHERE c.relkind <> 'p' UNION ALL SELECT t.relid FROM pg_partition_tree(c.oid) AS t WHERE c.relkind = 'p') AS m(relation)
		WHERE f.contype = 'f'
	), reached AS (
		SELECT r.relation, deletes AS deleted FROM unnest(for_relations) AS r(relation)
		UNION
		SELECT t.relid, deletes FROM unnest(for_relations) AS r(relation), pg_partition_tree(r.relation) AS t
		UNION
		SELECT e.child, p.deleted AND e.on_delete = 'c'
		FROM reached AS p
		JOIN edge AS e ON e.parent = p.relation AND CASE WHEN p.deleted THEN e.on_delete ELSE e.on_update END IN ('c', 'n', 'd')
		JOIN pg_class AS parent ON parent.oid = e.parent
		JOIN pg_class AS child ON child.oid = e.child AND child.relowner = parent.relowner
	)
	SELECT parent.oid, parent.relowner, child.oid, child.relowner
	FROM reached AS p
	JOIN edge AS e ON e.parent = p.relation AND CASE WHEN p.deleted THEN e.on_delete ELSE e.on_update END IN ('c', 'n', 'd')
	JOIN pg_class AS parent ON parent.oid = e.parent
	JOIN pg_class AS child ON child.oid = e.child
	UNION
	-- A partition is changed with what its parent is made of.
	SELECT root.oid, root.relowner, c.oid, c.relowner
	FROM reached AS p
	CROSS JOIN LATERAL pg_partition_ancestors(p.relation) AS a
	JOIN pg_class AS root ON root.oid = a.relid
	JOIN pg_class AS c ON c.oid = p.relation
	WHERE root.oid <> c.oid
	ORDER BY 1, 3;
END
$$;
COMMENT ON FUNCTION teamrbac.purge_reach(oid[], boolean, OUT oid, OUT oid, OUT oid, OUT oid) IS
	'Internal to purge: the pairs of tables through which the server goes on by itself when rows of a table are deleted, or updated, by foreign keys with ON DELETE or ON UPDATE; not beyond a table of another role than the one it refers to. Partitions with what they are partitions of.';
REVOKE ALL ON FUNCTION teamrbac.purge_reach(oid[], boolean, OUT oid, OUT oid, OUT oid, OUT oid) FROM PUBLIC;

CREATE FUNCTION teamrbac.purge_references(parent oid, OUT relation regclass, OUT name text, OUT target text, OUT condition text, OUT assignments text, OUT ours boolean)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT f.conrelid, f.conrelid::regclass::text, CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END || f.conrelid::regclass,
		   CASE WHEN f.confrelid = 'teamrbac.tenant'::regclass THEN teamrbac.key_condition(f.oid, 't0', 't1') ELSE named.condition END,
		   CASE WHEN f.confdeltype IN ('n', 'd')
				THEN (SELECT string_agg(format('%I = %s', a.attname, CASE f.confdeltype WHEN 'n' THEN 'NULL' ELSE 'DEFAULT' END), ', ' ORDER BY a.attnum)
					  FROM pg_attribute AS a WHERE a.attrelid = f.conrelid AND a.attnum = ANY (COALESCE(f.confdelsetcols, f.conkey))) END,
		   teamrbac.is_own_table(f.conrelid)
	FROM pg_constraint AS f JOIN pg_class AS c ON c.oid = f.conrelid
	-- What refers to a row of the tenant's by a key that includes the tenant does so if no column of it is NULL.
	LEFT JOIN LATERAL (SELECT string_agg(CASE WHEN pa.attname = 'tenant_id' THEN format('t1.%I = $1', ca.attname) ELSE format('t1.%I IS NOT NULL', ca.attname) END,
										 ' AND ' ORDER BY k.n) AS condition
					   FROM unnest(f.conkey, f.confkey) WITH ORDINALITY AS k(child_column, parent_column, n)
					   JOIN pg_attribute AS ca ON ca.attrelid = f.conrelid AND ca.attnum = k.child_column
					   JOIN pg_attribute AS pa ON pa.attrelid = f.confrelid AND pa.attnum = k.parent_column
					   HAVING bool_or(pa.attname = 'tenant_id' AND ca.atttypid = 'uuid'::regtype)) AS named ON true
	WHERE f.contype = 'f' AND f.confrelid = purge_references.parent AND f.conparentid = 0
	ORDER BY f.conrelid::regclass::text COLLATE "C", f.conname;
$$;
COMMENT ON FUNCTION teamrbac.purge_references(oid, OUT regclass, OUT text, OUT text, OUT text, OUT text, OUT boolean) IS
	'Internal to purge: the foreign keys to a table of ours. target: the table, as UPDATE names it; condition: of the rows, of alias t1, that refer to the tenant whose id is $1 and whose slug is $2, or to its rows, NULL if that cannot be told; assignments: what ON DELETE SET NULL or SET DEFAULT does to them.';
REVOKE ALL ON FUNCTION teamrbac.purge_references(oid, OUT regclass, OUT text, OUT text, OUT text, OUT text, OUT boolean) FROM PUBLIC;
