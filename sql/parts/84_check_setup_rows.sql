-- The findings of check_setup about the rows themselves: what a restore, or whoever turned triggers off, left broken.

CREATE FUNCTION teamrbac.dangling_references(OUT name name, OUT relation regclass, OUT referenced regclass, OUT dangling bigint)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	condition text;
BEGIN
	FOR name, relation, referenced, condition IN
		SELECT f.conname, f.conrelid, f.confrelid,
			   (SELECT format('ROW(%s) IS NOT NULL AND NOT EXISTS (SELECT FROM %s AS p WHERE %s)', string_agg(format('c.%I', c.attname), ', ' ORDER BY k.n),
							  f.confrelid::regclass, string_agg(format('p.%I = c.%I', p.attname, c.attname), ' AND ' ORDER BY k.n))
				FROM unnest(f.conkey, f.confkey) WITH ORDINALITY AS k(child_column, parent_column, n)
				JOIN pg_attribute AS c ON c.attrelid = f.conrelid AND c.attnum = k.child_column
				JOIN pg_attribute AS p ON p.attrelid = f.confrelid AND p.attnum = k.parent_column)
		FROM pg_constraint AS f
		WHERE f.contype = 'f' AND f.connamespace = 'teamrbac'::regnamespace
		ORDER BY f.conrelid::regclass::text COLLATE "C", f.conname
	LOOP
		EXECUTE format('SELECT count(*) FROM %s AS c WHERE %s', relation, condition) INTO dangling;
		CONTINUE WHEN dangling = 0;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION teamrbac.dangling_references(OUT name, OUT regclass, OUT regclass, OUT bigint) IS
	'Internal to check_setup: the foreign keys of our tables by which rows refer to rows that are not there, and how many do. Takes ACCESS SHARE on our tables.';
REVOKE ALL ON FUNCTION teamrbac.dangling_references(OUT name, OUT regclass, OUT regclass, OUT bigint) FROM PUBLIC;

CREATE FUNCTION teamrbac.broken_chains(OUT scope text, OUT tenant_id uuid, OUT broken_at bigint, OUT problem text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT v.scope, chain.tenant_id, v.broken_at, v.problem
	FROM (SELECT h.tenant_id FROM teamrbac.audit_head AS h UNION SELECT e.tenant_id FROM teamrbac.audit_event AS e) AS chain,
		 teamrbac.audit_verdict(chain.tenant_id) AS v
	WHERE v.problem IS NOT NULL;
$$;
COMMENT ON FUNCTION teamrbac.broken_chains(OUT text, OUT uuid, OUT bigint, OUT text) IS
	'For the DBA: of all chains of the audit, those that do not verify, as verify_audit says of one. Computes the hash of every event, a million in some ten seconds. No errors of its own.';
REVOKE ALL ON FUNCTION teamrbac.broken_chains(OUT text, OUT uuid, OUT bigint, OUT text) FROM PUBLIC;

CREATE FUNCTION teamrbac.check_setup_rows(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH ownerless AS (
		SELECT t.tenant_id FROM teamrbac.tenant AS t
		WHERE t.purge_began_at IS NULL AND NOT EXISTS (SELECT FROM teamrbac.membership AS m WHERE m.tenant_id = t.tenant_id AND m.role = 'owner')
	), loaded AS (
		SELECT e.session_role, substr(e.subject, 7) AS relation, sum((e.after ->> 'rows')::bigint) AS rows
		FROM teamrbac.audit_event AS e WHERE e.scope = 'restore' AND e.action = 'restore.loaded'
		GROUP BY 1, 2
	), broken AS (
		-- Every event's hash only while somebody should look anyway; the ends of the chains always.
		SELECT b.scope, b.tenant_id FROM teamrbac.broken_chains() AS b WHERE EXISTS (SELECT FROM loaded)
		UNION
		SELECT h.scope, h.tenant_id
		FROM teamrbac.audit_head AS h
		LEFT JOIN LATERAL (SELECT e.sequence, e.hash FROM teamrbac.audit_event AS e
						   WHERE e.tenant_id = h.tenant_id AND e.scope = h.scope
						   ORDER BY e.sequence DESC LIMIT 1) AS last ON true
		WHERE ROW(h.sequence, h.hash) <> ROW(COALESCE(last.sequence, h.anchor_sequence), COALESCE(last.hash, h.anchor_hash))
		UNION
		SELECT e.scope, e.tenant_id FROM teamrbac.audit_event AS e WHERE NOT EXISTS (SELECT FROM teamrbac.audit_head)
	)
	SELECT 'critical', 0, 'teamrbac.tenant',
		   format('%s without an Owner, such as %s: nobody can manage their teams until CALL teamrbac.assign_owner(tenant_id, user_id)',
				  CASE count(*) WHEN 1 THEN '1 tenant' ELSE count(*) || ' tenants' END, min(o.tenant_id::text)), NULL
	FROM ownerless AS o HAVING count(*) > 0
	UNION ALL
	SELECT 'critical', 0, d.relation::text,
		   format('%s, by foreign key %I, to %s not there: restore what is missing, or delete what refers to it',
				  CASE d.dangling WHEN 1 THEN '1 row refers' ELSE d.dangling || ' rows refer' END, d.name,
				  CASE d.dangling WHEN 1 THEN 'a row of ' || d.referenced || ' that is' ELSE 'rows of ' || d.referenced || ' that are' END), NULL
	FROM teamrbac.dangling_references() AS d
	UNION ALL
	SELECT 'critical', 0, 'teamrbac.tenant_role',
		   format('%s the name of a global role, such as %I of tenant %s: whoever is given it from now on gets the global one', CASE count(*) WHEN 1 THEN '1 role bears' ELSE count(*) || ' roles bear' END,
				  (min(ARRAY[o.role::text, o.tenant_id::text]))[1], (min(ARRAY[o.role::text, o.tenant_id::text]))[2]), NULL
	FROM teamrbac.tenant_role AS o JOIN teamrbac.role AS g ON g.role = o.role HAVING count(*) > 0
	UNION ALL
	SELECT 'critical', 0, 'teamrbac.audit_event',
		   format('%s of the audit not whole, such as that of %s (scope %s): SELECT * FROM teamrbac.broken_chains()',
				  CASE count(*) WHEN 1 THEN '1 chain' ELSE count(*) || ' chains' END, min(b.tenant_id::text), (min(ARRAY[b.tenant_id::text, b.scope]))[2]), NULL
	FROM broken AS b HAVING count(*) > 0
	UNION ALL
	SELECT 'notice', 9, 'rows from a dump',
		   format('%s, and nobody has confirmed by CALL teamrbac.confirm_loads() that this was meant: a superuser''s session that looks like pg_restore is not audited row by row',
				  string_agg(format('role %I has loaded %s into %I', l.session_role, CASE l.rows WHEN 1 THEN '1 row' ELSE l.rows || ' rows' END, l.relation),
							 ', ' ORDER BY l.session_role, l.relation COLLATE "C")),
		   NULL
	FROM loaded AS l HAVING count(*) > 0;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_rows(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: tenants without an Owner, references to nothing, roles of tenants with the name of a global one, chains of the audit that are not whole, and rows that a restore has loaded. While such a load is not confirmed, every event''s hash is computed. Takes ACCESS SHARE on our tables.';
REVOKE ALL ON FUNCTION teamrbac.check_setup_rows(OUT text, OUT integer, OUT text, OUT text, OUT text) FROM PUBLIC;
