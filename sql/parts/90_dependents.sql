-- What becomes of the rows that refer to a row of ours when a command deletes it.

-- The foreign keys to a table of ours.  statement does what ON DELETE says, probe finds the rows that still refer, to the
-- row whose referenced columns are the parameters.  Rows of our own tables go before, by the command.
CREATE FUNCTION teamrbac.dependents(referenced regclass, OUT "constraint" text, OUT relation text, OUT owner oid, OUT statement text, OUT probe text, OUT columns smallint[], OUT obstacle text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE dependent AS MATERIALIZED (
		SELECT f.*, c.relowner, c.relkind, c.relowner = (SELECT o.relowner FROM pg_class AS o WHERE o.oid = referenced) AS is_ours
		FROM pg_constraint AS f
		JOIN pg_class AS c ON c.oid = f.conrelid
		WHERE f.contype = 'f' AND f.confrelid = referenced AND f.conparentid = 0
	), reached(key, relowner, relation, deleted, columns) AS (
		-- What that changes, as far as foreign keys carry it.
		SELECT d.oid, d.relowner, d.conrelid, d.confdeltype = 'c', COALESCE(d.confdelsetcols, d.conkey)
		FROM dependent AS d WHERE NOT d.is_ours AND d.confdeltype IN ('c', 'n', 'd')
		UNION
		SELECT r.key, r.relowner, f.conrelid, CASE WHEN r.deleted THEN f.confdeltype = 'c' ELSE false END, f.conkey
		FROM reached AS r
		JOIN pg_constraint AS f ON f.confrelid = r.relation AND f.contype = 'f'
			AND CASE WHEN r.deleted THEN f.confdeltype ELSE f.confupdtype END IN ('c', 'n', 'd')
			AND (r.deleted OR f.confkey && r.columns)
	), foreigner AS (
		-- Whose code would run for another: what fires on their table, or on a partition of theirs.
		SELECT DISTINCT ON (r.key) r.key, t.oid::regclass AS relation
		FROM reached AS r
		LEFT JOIN LATERAL pg_partition_tree(r.relation) AS part ON true
		JOIN pg_class AS t ON t.oid = COALESCE(part.relid, r.relation)
		WHERE t.relowner <> r.relowner
		ORDER BY r.key, t.oid::regclass::text COLLATE "C"
	)
	SELECT d.conname::text, d.conrelid::regclass::text, d.relowner,
		   CASE WHEN d.is_ours THEN NULL
				WHEN d.confdeltype = 'c' THEN format('DELETE FROM %s WHERE %s', t.name, k.refers)
				WHEN d.confdeltype IN ('n', 'd') THEN format('UPDATE %s SET %s WHERE %s', t.name,
					(SELECT string_agg(format('%I = %s', a.attname, CASE d.confdeltype WHEN 'n' THEN 'NULL' ELSE 'DEFAULT' END), ', ' ORDER BY a.attnum)
					 FROM pg_attribute AS a WHERE a.attrelid = d.conrelid AND a.attnum = ANY (COALESCE(d.confdelsetcols, d.conkey))), k.refers) END,
		   format('SELECT FROM %s WHERE %s LIMIT 1', t.name, k.refers),
		   d.confkey, (SELECT o.relation::text FROM foreigner AS o WHERE o.key = d.oid)
	FROM dependent AS d
	CROSS JOIN LATERAL (SELECT CASE WHEN d.relkind = 'p' THEN '' ELSE 'ONLY ' END || d.conrelid::regclass) AS t(name)
	CROSS JOIN LATERAL (
		SELECT string_agg(format('$%s OPERATOR(%I.%s) %I', k.n, n.nspname, o.oprname, a.attname), ' AND ' ORDER BY k.n)
		FROM unnest(d.conkey, d.conpfeqop) WITH ORDINALITY AS k(referring, equals, n)
		JOIN pg_attribute AS a ON a.attrelid = d.conrelid AND a.attnum = k.referring
		JOIN pg_operator AS o ON o.oid = k.equals
		JOIN pg_namespace AS n ON n.oid = o.oprnamespace) AS k(refers)
	ORDER BY d.conrelid::regclass::text COLLATE "C", d.conname;
$$;
COMMENT ON FUNCTION teamrbac.dependents(regclass, OUT text, OUT text, OUT oid, OUT text, OUT text, OUT smallint[], OUT text) IS
	'Internal to the commands that delete: the foreign keys to a table of teamrbac; what they say ON DELETE, as a statement whose parameters are the referenced columns; and a table of yet another owner whose code that would run with the rights of the first, if any.';
REVOKE ALL ON FUNCTION teamrbac.dependents(regclass) FROM PUBLIC;
