-- The findings of check_setup, a function for each subject.  step puts them in an order in which the remedies can be
-- run.
--
-- A remedy is run by a superuser, perhaps unread.  So the owners of what it is about have no say in it but by names,
-- which are quoted; it gives nobody a right, an owner or code that they did not have; and it makes no use of operators,
-- functions or types that a search_path could mistake.  What is not mended in this way has no remedy: then the problem
-- says what to do.

-- Tables with rows of tenants that are not protected, or not wholly.
CREATE FUNCTION teamrbac.check_setup_tables(OUT severity text, OUT step integer, OUT object text, OUT problem text,
	OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE tenant_table AS MATERIALIZED (SELECT * FROM teamrbac.setup_table()),
	granted AS MATERIALIZED (
		SELECT t.*, c.relkind, c.relacl, t.name AS table_name,
			teamrbac.printable_identifier(t.tenant_column) AS column_name,
			   teamrbac.setup_grantees(teamrbac.setup_acl(c.oid), c.relowner, NULL) AS grantees,
			   teamrbac.setup_grantees(c.relacl, c.relowner, 'TRUNCATE') AS may_truncate,
			   t.relation IN (SELECT * FROM teamrbac.recorded_table()) AS on_record, a.attisdropped AS column_is_gone,
			   -- What protect_table would refuse.  No remedy mends it: to see whether a CHECK implies NOT NULL, or to
			   -- change a type, the server runs functions of the table's owner as whoever is asking.
			   CASE WHEN a.attisdropped
					THEN 'the column that held the tenant is gone; let its owner call unprotect_table, then protect_table '
						'with another'
					WHEN a.atttypid <> 'uuid'::regtype
					THEN format('column %s is no uuid; let its owner change that',
						teamrbac.printable_identifier(t.tenant_column))
					WHEN NOT t.not_null
					THEN format('column %s allows nulls; let its owner SET NOT NULL',
						teamrbac.printable_identifier(t.tenant_column)) END AS column_obstacle,
			   CASE WHEN EXISTS (SELECT FROM pg_policy AS p
								 WHERE p.polrelid = t.relation AND NOT p.polpermissive
								   AND p.polname IN ('teamrbac_view', 'teamrbac_insert', 'teamrbac_update',
								       'teamrbac_delete'))
					THEN 'a policy has the name of one that protect_table makes; let its owner rename '
						'that' END AS policy_obstacle
		FROM tenant_table AS t JOIN pg_class AS c ON c.oid = t.relation
		JOIN pg_attribute AS a ON a.attrelid = t.relation AND a.attnum = t.column_number
	), above(relation, below) AS (
		SELECT i.inhparent, t.table_name FROM granted AS t JOIN pg_inherits AS i ON i.inhrelid = t.relation WHERE t.asks
		UNION
		SELECT i.inhparent, a.below FROM above AS a JOIN pg_inherits AS i ON i.inhrelid = a.relation
	)
	SELECT CASE WHEN t.is_partition AND t.grantees IS NULL THEN 'warning' ELSE 'critical' END, 3, t.table_name,
		   CASE WHEN t.is_partition THEN 'a partition read by its own name is not covered by its parent''s policies'
				WHEN t.is_reference THEN 'references teamrbac.tenant, but no policy asks teamrbac'
				ELSE format('has a tenant''s column, %s, but no policy asks teamrbac', t.column_name) END
		   || COALESCE(', nor can it be protected as it is: '
		       || COALESCE(t.column_obstacle, CASE WHEN NOT t.on_record THEN t.policy_obstacle END), ''),
		   CASE WHEN t.column_obstacle IS NOT NULL THEN NULL
				WHEN t.on_record
				THEN format('SELECT teamrbac.restore_protection(%s)',
				            teamrbac.printable_literal(t.relation::regclass::text))
				WHEN t.policy_obstacle IS NULL
				THEN format('SELECT teamrbac.protect_table(%s, %L, %s, %s)',
							teamrbac.printable_literal(t.relation::regclass::text), p.view_permission,
							quote_nullable(p.edit_permission), teamrbac.printable_literal(t.tenant_column)) END
	FROM granted AS t, teamrbac.setup_permissions(t.relation) AS p WHERE NOT t.asks
	UNION ALL
	-- Whatever it still asks.
	SELECT 'critical', 4, t.table_name, 'no longer has what protect_table made: ' || l.lack
			|| COALESCE(' It cannot be put back as it is: ' || t.column_obstacle, ''),
		   CASE WHEN t.column_obstacle IS NULL
				THEN format('SELECT teamrbac.restore_protection(%s)',
				            teamrbac.printable_literal(t.relation::regclass::text)) END
	FROM granted AS t, teamrbac.setup_protection_lack(t.relation) AS l
	WHERE t.on_record AND t.asks AND t.enabled AND t.forced AND l.lack IS NOT NULL
	UNION ALL
	SELECT 'warning', 4, t.table_name,
		   format('cannot be looked at, so that it is not known whether it has what protect_table made (%s)', l.failure), NULL
	FROM granted AS t, teamrbac.setup_protection_lack(t.relation) AS l
	WHERE t.on_record AND t.asks AND t.enabled AND t.forced AND l.failure IS NOT NULL
	UNION ALL
	-- One that has a tenant's column is found by that.
	SELECT 'critical', 3, teamrbac.printable_relation(c.oid),
		   format('rows of protected tables (%s) are read through it past their policies',
				  string_agg(a.below, ', ' ORDER BY a.below COLLATE "C")),
		   format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', teamrbac.printable_relation(c.oid))
	FROM above AS a JOIN pg_class AS c ON c.oid = a.relation
	WHERE c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
	  AND NOT EXISTS (SELECT FROM granted AS t WHERE t.relation = c.oid)
	GROUP BY c.oid
	UNION ALL
	SELECT 'critical', 4, t.table_name, 'has policies, but row-level security is disabled',
		   format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t.table_name)
	FROM granted AS t WHERE t.asks AND NOT t.enabled
	UNION ALL
	SELECT 'warning', 4, t.table_name, 'row-level security does not apply to the table''s owner',
		   format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t.table_name)
	FROM granted AS t WHERE t.asks AND NOT t.forced
	UNION ALL
	SELECT 'warning', 5, t.table_name, format('%s may TRUNCATE, which row-level security does not cover',
		t.may_truncate),
		   format('REVOKE TRUNCATE ON %s FROM %s CASCADE', t.table_name, t.may_truncate)
	FROM granted AS t WHERE t.may_truncate IS NOT NULL
	UNION ALL
	SELECT 'notice', 6, t.table_name, format('no index leads with column %s, so each query reads the rows of all '
		'tenants', t.column_name),
		   format('CREATE INDEX ON %s (%s)', t.table_name, t.column_name)
	FROM granted AS t
	WHERE NOT t.is_partition AND NOT t.column_is_gone
	  AND NOT EXISTS (SELECT FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid
	      JOIN pg_am AS am ON am.oid = ic.relam
					  WHERE i.indrelid = t.relation AND i.indisvalid AND i.indpred IS NULL
						AND i.indkey[0] = t.column_number AND am.amname = 'btree');
$$;
COMMENT ON FUNCTION teamrbac.check_setup_tables(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: tables not protected, or not wholly.';

-- Policies and triggers of these tables.
CREATE FUNCTION teamrbac.check_setup_policies(OUT severity text, OUT step integer, OUT object text, OUT problem text,
	OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
AS $$
	WITH policy AS MATERIALIZED (
		SELECT p.*, format('policy %s on %s', teamrbac.printable_identifier(p.name),
			teamrbac.printable_relation(p.relation)) AS object
		FROM teamrbac.setup_policy() AS p
	), guard AS MATERIALIZED (
		SELECT t.tgrelid, t.tgenabled, teamrbac.printable_identifier(t.tgname) AS name,
			teamrbac.printable_relation(t.tgrelid) AS table_name,
			   format('trigger %s on %s', teamrbac.printable_identifier(t.tgname),
			       teamrbac.printable_relation(t.tgrelid)) AS object,
			   t.tgparentid = 0 AS original,
			   CASE WHEN t.tgnargs > 0 THEN convert_from(substring(t.tgargs
			       FROM 1 FOR position('\x00'::bytea IN t.tgargs) - 1), getdatabaseencoding()) END AS permission
		FROM pg_trigger AS t
		WHERE t.tgfoid = 'teamrbac.require_permission_on_change()'::regprocedure AND NOT t.tgisinternal
	), read AS MATERIALIZED (
		SELECT p.object, n.permissions, n.failure
		FROM policy AS p, teamrbac.setup_policy_permissions(p.policy) AS n
		WHERE p.asks_directly
	), unknown AS (
		SELECT u.object, u.permission
		FROM (SELECT r.object, unnest(r.permissions) AS permission FROM read AS r
			  UNION
			  SELECT g.object, g.permission FROM guard AS g WHERE g.original AND g.permission IS NOT NULL) AS u
		WHERE NOT EXISTS (SELECT FROM teamrbac.permission AS k WHERE k.permission = u.permission)
	)
	-- Whatever else is asked, such a policy lets rows through.
	SELECT CASE WHEN p.for_public OR NOT t.asks THEN 'critical' ELSE 'notice' END, 1, p.object,
		   'lets rows through whatever teamrbac says', format('DROP POLICY %s ON %s',
		       teamrbac.printable_identifier(p.name), t.name)
	FROM teamrbac.setup_table() AS t JOIN policy AS p ON p.relation = t.relation
	WHERE p.permissive AND NOT p.asks
	UNION ALL
	SELECT 'warning', 1, p.object, 'lets rows through besides those that protect_table''s own policies do',
		   format('DROP POLICY %s ON %s', teamrbac.printable_identifier(p.name), teamrbac.printable_relation(p.relation))
	FROM policy AS p
	WHERE p.permissive AND p.asks AND p.relation IN (SELECT * FROM teamrbac.recorded_table())
	  AND p.name NOT IN ('teamrbac_view', 'teamrbac_insert', 'teamrbac_update', 'teamrbac_delete', 'teamrbac_here')
	UNION ALL
	-- Whether the name or the definition is wrong, and what it was to be, its author knows.
	SELECT 'warning', 5, u.object,
		   format('permission %s is unknown, so every use is an error: make it again with one that is in '
		       'teamrbac.permission, or define this one',
				  teamrbac.printable_literal(left(u.permission, 100))), NULL
	FROM unknown AS u
	UNION ALL
	SELECT 'warning', 5, r.object, format('cannot be read, so that what it asks is not known (%s): make it again, '
		'simpler', r.failure), NULL
	FROM read AS r WHERE r.failure IS NOT NULL
	UNION ALL
	SELECT 'critical', 5, g.object, 'disabled: the change that it guards is open to all who may edit',
		   format('ALTER TABLE %s ENABLE TRIGGER %s', g.table_name, g.name)
	FROM guard AS g WHERE g.tgenabled NOT IN ('O', 'A');
$$;
COMMENT ON FUNCTION teamrbac.check_setup_policies(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: policies and triggers that let through what they should not, or name unknown '
		'permissions.';

-- Views that read with their owner's rights.
CREATE FUNCTION teamrbac.check_setup_views(OUT severity text, OUT step integer, OUT object text, OUT problem text,
	OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE base AS (
		SELECT t.relation, true AS protected FROM teamrbac.setup_table() AS t
		UNION ALL
		SELECT c.oid, false FROM pg_class AS c WHERE c.relnamespace = 'teamrbac'::regnamespace AND c.relkind = 'r'
	), reader(relation, protected) AS (
		SELECT b.relation, b.protected FROM base AS b
		UNION
		SELECT r.ev_class, b.protected
		FROM reader AS b
		JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = b.relation
			AND d.classid = 'pg_rewrite'::regclass
		JOIN pg_rewrite AS r ON r.oid = d.objid
		JOIN pg_class AS c ON c.oid = r.ev_class AND c.relkind IN ('v', 'm') AND c.relpersistence <> 't'
			AND c.relnamespace <> 'teamrbac'::regnamespace
	), view AS (
		SELECT teamrbac.printable_relation(c.oid) AS name, c.relkind, bool_or(r.protected) AS protected, o.rolsuper
			OR o.rolbypassrls AS bypasses,
			   teamrbac.setup_grantees(teamrbac.setup_acl(c.oid), c.relowner, NULL) AS grantees,
			   COALESCE((SELECT v.option_value::boolean FROM pg_options_to_table(c.reloptions) AS v
			       WHERE v.option_name = 'security_invoker'), false) AS invoker
		FROM reader AS r JOIN pg_class AS c ON c.oid = r.relation AND c.relkind IN ('v', 'm')
			JOIN pg_roles AS o ON o.oid = c.relowner
		GROUP BY c.oid, c.relkind, o.rolsuper, o.rolbypassrls
	)
	SELECT CASE WHEN NOT v.protected THEN 'warning' WHEN v.bypasses THEN 'critical' ELSE 'notice' END, 5, v.name,
		   CASE WHEN NOT v.protected THEN 'shows teamrbac''s own tables to whoever may read the view'
				WHEN v.bypasses THEN 'the view''s owner bypasses row-level security, so it shows the rows of all '
					'tenants'
				ELSE 'reads protected tables with its owner''s rights instead of the reader''s' END,
		   format('ALTER VIEW %s SET (security_invoker = true)', v.name)
	FROM view AS v
	WHERE v.relkind = 'v' AND NOT v.invoker AND (v.protected OR v.bypasses AND v.grantees IS NOT NULL)
	UNION ALL
	SELECT 'critical', 5, v.name, format('a materialized view has rows of tenants and no row-level security, and %s '
		'may use it', v.grantees),
		   format('REVOKE ALL ON %s FROM %s CASCADE', v.name, v.grantees)
	FROM view AS v WHERE v.relkind = 'm' AND v.grantees IS NOT NULL;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_views(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: views that show more than their reader may see.';

-- Who has been granted what.
CREATE FUNCTION teamrbac.check_setup_privileges(OUT severity text, OUT step integer, OUT object text, OUT problem text,
	OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH trusted AS (
		-- What the install script took away from PUBLIC.
		SELECT p.oid, p.proname, EXISTS (SELECT FROM aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a
			WHERE a.grantee = 0) AS by_public
		FROM pg_proc AS p
		JOIN pg_init_privs AS i ON i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid AND i.objsubid = 0
		WHERE p.pronamespace = 'teamrbac'::regnamespace
		  AND NOT EXISTS (SELECT FROM aclexplode(i.initprivs) AS a WHERE a.grantee = 0)
	), application AS MATERIALIZED (
		SELECT r.role, r.via, r.signs_in, r.role = r.via AS direct, teamrbac.setup_role_name(r.role) AS name,
			teamrbac.setup_role_name(r.via) AS via_name,
			   o.rolsuper, o.rolbypassrls,
			   CASE WHEN o.rolsuper THEN 'a superuser' WHEN o.rolbypassrls THEN 'one with BYPASSRLS' END AS exempt
		FROM teamrbac.setup_role() AS r JOIN pg_roles AS o ON o.oid = r.role
	), reconnect(advice) AS (
		VALUES ('; afterwards have its sessions reconnect, since statements that they have prepared go on without')
	)
	SELECT 'critical', 5, teamrbac.printable_routine(t.oid),
		   CASE WHEN t.oid IN (SELECT s.function FROM teamrbac.setup_sign_in() AS s) THEN 'whoever may connect can act '
		       'as any user'
				ELSE 'whoever may connect can do what is for the application or the DBA' END,
		   teamrbac.setup_revoke_from_public(t.oid)
	FROM trusted AS t WHERE t.by_public
	UNION ALL
	SELECT 'critical', 5, 'role ' || a.name, 'row-level security does not apply to this role of the application, a '
		'superuser' || r.advice,
		   format('ALTER ROLE %s NOSUPERUSER', a.name)
	FROM application AS a, reconnect AS r WHERE a.rolsuper AND a.signs_in
	UNION ALL
	SELECT 'critical', 5, 'role ' || a.name, 'row-level security does not apply to this role of the application, which '
		'has BYPASSRLS' || r.advice,
		   format('ALTER ROLE %s NOBYPASSRLS', a.name)
	FROM application AS a, reconnect AS r WHERE a.rolbypassrls AND a.signs_in
	UNION ALL
	-- A membership makes no role one of the application's beyond doubt: a group's administrator can give it to the DBA.
	SELECT 'critical', 5, 'role ' || a.name, format('row-level security does not apply to this member of %s, a role of '
		'the application: it is %s', a.via_name, a.exempt),
		   (SELECT string_agg(format('REVOKE %s FROM %s', a.via_name, a.name)
							  || CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN ' GRANTED BY '
							      || teamrbac.setup_role_name(m.grantor) ELSE '' END
							  || ' CASCADE', '; ' ORDER BY m.grantor)
			FROM pg_auth_members AS m WHERE m.member = a.role AND m.roleid = a.via)
	FROM application AS a WHERE a.exempt IS NOT NULL AND NOT a.direct
	UNION ALL
	-- Nor does a grant by the owner of some table.
	SELECT 'warning', 5, 'role ' || a.name, format('row-level security does not apply to this role, %s, which has been '
		'granted tables of tenants: if it is the application''s, take the attribute from it and have its sessions '
		'reconnect; if not, it may stay', a.exempt), NULL
	FROM application AS a WHERE a.exempt IS NOT NULL AND a.direct AND NOT a.signs_in
	UNION ALL
	-- No remedy: the code of indexes, triggers and policies runs with the rights of the table's owner.
	SELECT 'notice', 5, t.name,
		   format('the application has the rights of its owner, %s, and can take the protection away: let a role own '
		       'it that nobody logs in as and that has no other right, never a superuser',
				  teamrbac.setup_role_name(t.owner)), NULL
	FROM teamrbac.setup_table() AS t
	WHERE NOT t.is_partition
	  AND EXISTS (SELECT FROM application AS a WHERE a.role = t.owner OR NOT a.rolsuper AND pg_has_role(a.role, t.owner,
	      'MEMBER'));
$$;
COMMENT ON FUNCTION teamrbac.check_setup_privileges(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: privileges and role attributes that make protection void.';

-- Functions of the application that lend their owner's right to sign somebody in.
CREATE FUNCTION teamrbac.check_setup_functions(OUT severity text, OUT step integer, OUT object text, OUT problem text,
	OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'critical', 5, teamrbac.printable_routine(f.oid),
		   'a SECURITY DEFINER function that can sign somebody in, and PUBLIC may execute it',
		   teamrbac.setup_revoke_from_public(f.oid)
	FROM pg_proc AS f
	WHERE f.prosecdef AND f.pronamespace NOT IN ('teamrbac'::regnamespace, 'pg_catalog'::regnamespace)
	  AND EXISTS (SELECT FROM aclexplode(COALESCE(f.proacl, acldefault('f', f.proowner))) AS a WHERE a.grantee = 0)
	  AND EXISTS (SELECT FROM teamrbac.setup_sign_in() AS s
				  WHERE has_function_privilege(f.proowner, s.function, 'EXECUTE')
					-- By name in its text, or by reference in a body that was parsed when it was made.
					AND (teamrbac.setup_mentions(f.prosrc, s.name)
						 OR EXISTS (SELECT FROM pg_depend AS d
									WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid
									  AND d.refclassid = 'pg_proc'::regclass AND d.refobjid = s.function)));
$$;
COMMENT ON FUNCTION teamrbac.check_setup_functions(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: SECURITY DEFINER functions that can sign somebody in.';

REVOKE ALL ON FUNCTION teamrbac.check_setup_tables() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_policies() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_views() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_privileges() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_functions() FROM PUBLIC;
