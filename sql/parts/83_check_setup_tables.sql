-- The findings of check_setup, a function for each subject.  step puts them in an order in which the remedies
-- can be run.  See the part before on search_path.

-- Tables with rows of tenants that are not protected, or not wholly.
CREATE FUNCTION teamrbac.check_setup_tables(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH tenant_table AS MATERIALIZED (SELECT * FROM teamrbac.setup_table()),
	granted AS MATERIALIZED (
		SELECT t.*, c.relkind, c.relacl, t.name AS table_name,
			   teamrbac.setup_grantees(c.relacl, c.relowner, NULL) AS grantees,
			   teamrbac.setup_grantees(c.relacl, c.relowner, 'TRUNCATE') AS may_truncate
		FROM tenant_table AS t JOIN pg_class AS c ON c.oid = t.relation
	)
	SELECT 'critical', 2, t.table_name, format('column %I allows nulls, so the table cannot be protected', t.tenant_column),
		   format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', t.table_name, t.tenant_column)
	FROM granted AS t WHERE NOT t.asks AND NOT t.not_null
	UNION ALL
	SELECT CASE WHEN t.is_partition AND t.grantees IS NULL THEN 'warning' ELSE 'critical' END, 3, t.table_name,
		   CASE WHEN t.is_partition THEN 'a partition read by its own name is not covered by its parent''s policies'
				WHEN t.is_reference THEN 'references teamrbac.tenant, but no policy asks teamrbac'
				ELSE format('has a tenant''s column, %I, but no policy asks teamrbac', t.tenant_column) END,
		   format('SELECT teamrbac.protect_table(%L, %L, %s, %L)', t.table_name, p.view_permission, quote_nullable(p.edit_permission), t.tenant_column)
	FROM granted AS t, teamrbac.setup_permissions(t.relation) AS p WHERE NOT t.asks
	UNION ALL
	SELECT 'critical', 4, t.table_name, 'has policies, but row-level security is disabled',
		   format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t.table_name)
	FROM granted AS t WHERE t.asks AND NOT t.enabled
	UNION ALL
	SELECT 'warning', 4, t.table_name, 'row-level security does not apply to the table''s owner',
		   format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t.table_name)
	FROM granted AS t WHERE t.asks AND NOT t.forced
	UNION ALL
	SELECT 'warning', 5, t.table_name, format('%s may TRUNCATE, which row-level security does not cover', t.may_truncate),
		   format('REVOKE TRUNCATE ON %s FROM %s', t.table_name, t.may_truncate)
	FROM granted AS t WHERE t.may_truncate IS NOT NULL
	UNION ALL
	SELECT 'notice', 6, t.table_name, format('no index leads with column %I, so each query reads the rows of all tenants', t.tenant_column),
		   format('CREATE INDEX ON %s (%I)', t.table_name, t.tenant_column)
	FROM granted AS t
	WHERE NOT t.is_partition
	  AND NOT EXISTS (SELECT FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid JOIN pg_am AS am ON am.oid = ic.relam
					  WHERE i.indrelid = t.relation AND i.indisvalid AND i.indpred IS NULL
						AND i.indkey[0] = t.column_number AND am.amname = 'btree');
$$;
COMMENT ON FUNCTION teamrbac.check_setup_tables(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: tables not protected, or not wholly.';

-- Policies and triggers of these tables.
CREATE FUNCTION teamrbac.check_setup_policies(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH policy AS MATERIALIZED (
		SELECT p.*, format('policy %I on %s', p.policy, p.relation::regclass) AS object FROM teamrbac.setup_policy() AS p
	), guard AS MATERIALIZED (
		SELECT t.tgname, t.tgrelid::regclass AS relation, t.tgenabled, pg_get_triggerdef(t.oid) AS definition,
			   format('trigger %I on %s', t.tgname, t.tgrelid::regclass) AS object,
			   t.tgparentid = 0 AS original,
			   CASE WHEN t.tgnargs > 0 THEN convert_from(substring(t.tgargs FROM 1 FOR position('\x00'::bytea IN t.tgargs) - 1), getdatabaseencoding()) END AS permission
		FROM pg_trigger AS t
		WHERE t.tgfoid = 'teamrbac.require_permission_on_change()'::regprocedure AND NOT t.tgisinternal
	), unknown AS MATERIALIZED (
		SELECT u.*, u.permission ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$' AND octet_length(u.permission) <= 63 AS well_formed
		FROM (SELECT p.object, n.permission, format('ALTER POLICY %I ON %s', p.policy, p.relation::regclass)
						|| COALESCE(' USING (' || replace(p.using_text, quote_literal(n.permission), quote_literal('team.manage')) || ')', '')
						|| COALESCE(' WITH CHECK (' || replace(p.check_text, quote_literal(n.permission), quote_literal('team.manage')) || ')', '') AS replacement
			  FROM policy AS p, LATERAL (SELECT DISTINCT teamrbac.setup_named_permissions(concat(p.using_text, ' ', p.check_text))) AS n(permission)
			  UNION ALL
			  SELECT g.object, g.permission,
					 replace(regexp_replace(g.definition, '^CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER'), quote_literal(g.permission), quote_literal('team.manage'))
			  FROM guard AS g WHERE g.original) AS u
		WHERE NOT EXISTS (SELECT FROM teamrbac.permission AS k WHERE k.permission = u.permission)
	)
	-- Whatever else is asked, such a policy lets rows through.
	SELECT CASE WHEN p.for_public OR NOT t.asks THEN 'critical' ELSE 'notice' END, 1, p.object,
		   'lets rows through whatever teamrbac says', format('DROP POLICY %I ON %s', p.policy, t.name)
	FROM teamrbac.setup_table() AS t JOIN policy AS p ON p.relation = t.relation
	WHERE p.permissive AND NOT p.asks
	UNION ALL
	SELECT 'warning', 5, string_agg(u.object, ', ' ORDER BY u.object), format('permission "%s" is unknown, so every use is an error', u.permission),
		   format('SELECT teamrbac.define_permission(%L, %L)', u.permission, 'Used by ' || string_agg(u.object, ', ' ORDER BY u.object))
	FROM unknown AS u WHERE u.well_formed GROUP BY u.permission
	UNION ALL
	SELECT 'warning', 5, u.object, format('permission "%s" is unknown and no possible name, so every use is an error', u.permission), u.replacement
	FROM unknown AS u WHERE NOT u.well_formed
	UNION ALL
	SELECT 'critical', 5, g.object, 'disabled: the change that it guards is open to all who may edit',
		   format('ALTER TABLE %s ENABLE TRIGGER %I', g.relation, g.tgname)
	FROM guard AS g WHERE g.tgenabled NOT IN ('O', 'A');
$$;
COMMENT ON FUNCTION teamrbac.check_setup_policies(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: policies and triggers that let through what they should not, or name unknown permissions.';

-- Views that read with their owner's rights.
CREATE FUNCTION teamrbac.check_setup_views(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
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
		JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = b.relation AND d.classid = 'pg_rewrite'::regclass
		JOIN pg_rewrite AS r ON r.oid = d.objid
		JOIN pg_class AS c ON c.oid = r.ev_class AND c.relkind IN ('v', 'm') AND c.relnamespace <> 'teamrbac'::regnamespace
	), view AS (
		SELECT c.oid::regclass AS name, c.relkind, bool_or(r.protected) AS protected, o.rolsuper OR o.rolbypassrls AS bypasses,
			   teamrbac.setup_grantees(c.relacl, c.relowner, NULL) AS grantees,
			   COALESCE((SELECT v.option_value::boolean FROM pg_options_to_table(c.reloptions) AS v WHERE v.option_name = 'security_invoker'), false) AS invoker
		FROM reader AS r JOIN pg_class AS c ON c.oid = r.relation AND c.relkind IN ('v', 'm') JOIN pg_roles AS o ON o.oid = c.relowner
		GROUP BY c.oid, c.relkind, o.rolsuper, o.rolbypassrls
	)
	SELECT CASE WHEN NOT v.protected THEN 'warning' WHEN v.bypasses THEN 'critical' ELSE 'notice' END, 5, v.name::text,
		   CASE WHEN NOT v.protected THEN 'shows teamrbac''s own tables to whoever may read the view'
				WHEN v.bypasses THEN 'the view''s owner bypasses row-level security, so it shows the rows of all tenants'
				ELSE 'reads protected tables with its owner''s rights instead of the reader''s' END,
		   format('ALTER VIEW %s SET (security_invoker = true)', v.name)
	FROM view AS v
	WHERE v.relkind = 'v' AND NOT v.invoker AND (v.protected OR v.bypasses AND v.grantees IS NOT NULL)
	UNION ALL
	SELECT 'critical', 5, v.name::text, format('a materialized view has rows of tenants and no row-level security, and %s may use it', v.grantees),
		   format('REVOKE ALL ON %s FROM %s', v.name, v.grantees)
	FROM view AS v WHERE v.relkind = 'm' AND v.grantees IS NOT NULL;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_views(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: views that show more than their reader may see.';

-- Who has been granted what.
CREATE FUNCTION teamrbac.check_setup_privileges(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH trusted AS (
		-- What the install script took away from PUBLIC.
		SELECT p.oid, p.oid::regprocedure AS signature, p.proname,
			   EXISTS (SELECT FROM aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a WHERE a.grantee = 0) AS by_public
		FROM pg_proc AS p
		JOIN pg_init_privs AS i ON i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid AND i.objsubid = 0
		WHERE p.pronamespace = 'teamrbac'::regnamespace
		  AND NOT EXISTS (SELECT FROM aclexplode(i.initprivs) AS a WHERE a.grantee = 0)
	), application AS MATERIALIZED (
		SELECT r.role, quote_ident(pg_get_userbyid(r.role)) AS name, quote_ident(pg_get_userbyid(r.via)) AS via, r.role = r.via AS direct,
			   o.rolsuper, o.rolbypassrls
		FROM teamrbac.setup_role() AS r JOIN pg_roles AS o ON o.oid = r.role
	)
	SELECT 'critical', 5, t.signature::text,
		   CASE WHEN t.proname IN ('sign_in', 'sign_in_from_jwt_claims') THEN 'whoever may connect can act as any user'
				ELSE 'whoever may connect can do what is for the application or the DBA' END,
		   format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', t.signature)
	FROM trusted AS t WHERE t.by_public
	UNION ALL
	SELECT 'critical', 5, 'role ' || a.name, 'row-level security does not apply to this role of the application, a superuser',
		   CASE WHEN a.direct THEN format('ALTER ROLE %s NOSUPERUSER', a.name) ELSE format('REVOKE %s FROM %s', a.via, a.name) END
	FROM application AS a WHERE a.rolsuper
	UNION ALL
	SELECT 'critical', 5, 'role ' || a.name, 'row-level security does not apply to this role of the application, which has BYPASSRLS',
		   format('ALTER ROLE %s NOBYPASSRLS', a.name)
	FROM application AS a WHERE a.rolbypassrls AND (a.direct OR NOT a.rolsuper)
	UNION ALL
	SELECT 'notice', 5, t.name, format('its owner, %s, is a role of the application and can take the protection away', a.name),
		   format('ALTER TABLE %s OWNER TO %I', t.name, (SELECT o.rolname FROM pg_roles AS o WHERE o.oid = n.nspowner))
	FROM teamrbac.setup_table() AS t JOIN application AS a ON a.role = t.owner
	JOIN pg_namespace AS n ON n.nspname = 'teamrbac'
	WHERE NOT t.is_partition
	UNION ALL
	SELECT 'warning', 5, c.oid::regclass::text, format('%s may use a table of teamrbac''s own', g.grantees),
		   format('REVOKE ALL ON %s FROM %s', c.oid::regclass, g.grantees)
	FROM pg_class AS c, teamrbac.setup_grantees(c.relacl, c.relowner, NULL) AS g(grantees)
	WHERE c.relnamespace = 'teamrbac'::regnamespace AND c.relkind = 'r' AND g.grantees IS NOT NULL;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_privileges(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: privileges and role attributes that make protection void.';

-- Functions of the application that lend their owner's right to sign somebody in.
CREATE FUNCTION teamrbac.check_setup_functions(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'critical', 5, f.oid::regprocedure::text,
		   'a SECURITY DEFINER function that can sign somebody in, and PUBLIC may execute it',
		   format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', f.oid::regprocedure)
	FROM pg_proc AS f
	WHERE f.prosecdef AND f.pronamespace NOT IN ('teamrbac'::regnamespace, 'pg_catalog'::regnamespace)
	  AND EXISTS (SELECT FROM aclexplode(COALESCE(f.proacl, acldefault('f', f.proowner))) AS a WHERE a.grantee = 0)
	  AND EXISTS (SELECT FROM pg_proc AS s
				  WHERE s.pronamespace = 'teamrbac'::regnamespace AND s.proname IN ('sign_in', 'sign_in_from_jwt_claims')
					AND has_function_privilege(f.proowner, s.oid, 'EXECUTE')
					-- By name in its text, or by reference in a body that was parsed when it was made.
					AND (f.prosrc ~ ('\m' || s.proname || '\M')
						 OR EXISTS (SELECT FROM pg_depend AS d
									WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid
									  AND d.refclassid = 'pg_proc'::regclass AND d.refobjid = s.oid)));
$$;
COMMENT ON FUNCTION teamrbac.check_setup_functions(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: SECURITY DEFINER functions that can sign somebody in.';

-- Our own tables: triggers and row-level security as the install script left them.
CREATE FUNCTION teamrbac.check_setup_own_tables(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'critical', 5, format('trigger %I on %s', t.tgname, c.oid::regclass),
		   CASE WHEN t.tgenabled = 'O' THEN 'not always enabled: changes of the table by replication or a restore are not obeyed by sessions that have read it'
				WHEN t.tgname LIKE 'signal\_%' THEN 'disabled: changes of the table are not obeyed by sessions that have read it'
				ELSE 'disabled: the table is not guarded' END,
		   format('ALTER TABLE %s ENABLE %sTRIGGER %I', c.oid::regclass, CASE WHEN t.tgname LIKE 'signal\_%' THEN 'ALWAYS ' ELSE '' END, t.tgname)
	FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
	WHERE c.relnamespace = 'teamrbac'::regnamespace
	  AND CASE WHEN t.tgname LIKE 'signal\_%' THEN t.tgenabled <> 'A' ELSE t.tgenabled NOT IN ('O', 'A') END
	  -- The foreign keys' checks of new rows, which check_reference does instead.
	  AND NOT (t.tgisinternal AND t.tgfoid IN ('pg_catalog."RI_FKey_check_ins"()'::regprocedure, 'pg_catalog."RI_FKey_check_upd"()'::regprocedure))
	UNION ALL
	-- pg_upgrade, and a restore with --disable-triggers, turn these on again.
	SELECT 'notice', 5, format('foreign key %I on %s', f.conname, f.conrelid::regclass),
		   'checked by the server as well as by teamrbac: each new row twice, and a restore must load the tables in order',
		   format('ALTER TABLE %s %s', f.conrelid::regclass, string_agg(format('DISABLE TRIGGER %I', t.tgname), ', ' ORDER BY t.tgname))
	FROM pg_constraint AS f JOIN pg_trigger AS t ON t.tgconstraint = f.oid AND t.tgrelid = f.conrelid
	WHERE f.connamespace = 'teamrbac'::regnamespace AND t.tgenabled <> 'D'
	  AND t.tgfoid IN ('pg_catalog."RI_FKey_check_ins"()'::regprocedure, 'pg_catalog."RI_FKey_check_upd"()'::regprocedure)
	  AND EXISTS (SELECT FROM pg_trigger AS ours
				  WHERE ours.tgrelid = f.conrelid AND ours.tgname = f.conname AND ours.tgfoid = 'teamrbac.check_reference()'::regprocedure)
	GROUP BY f.oid, f.conname, f.conrelid
	UNION ALL
	SELECT 'critical', 5, c.oid::regclass::text, 'row-level security is disabled on a table of teamrbac''s own',
		   format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', c.oid::regclass)
	FROM pg_class AS c
	WHERE c.relnamespace = 'teamrbac'::regnamespace AND c.relkind = 'r' AND NOT c.relrowsecurity;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_own_tables(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: teamrbac''s own tables without their triggers or row-level security.';

REVOKE ALL ON FUNCTION teamrbac.check_setup_tables() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_policies() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_views() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_privileges() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_functions() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_own_tables() FROM PUBLIC;
