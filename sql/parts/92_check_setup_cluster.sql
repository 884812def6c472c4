-- What check_setup finds where Citus is.

-- What a table's policies are, to be compared with those of its shards, on other nodes too: so by names alone.
CREATE FUNCTION teamrbac.policies_digest(relation regclass) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT md5(concat_ws(' ', c.relrowsecurity, c.relforcerowsecurity,
			(SELECT string_agg(concat_ws(' ', p.polname, p.polcmd, p.polpermissive, p.polroles = '{0}',
					pg_get_expr(p.polqual, p.polrelid), '/', pg_get_expr(p.polwithcheck, p.polrelid)),
					';' ORDER BY p.polname COLLATE "C")
			 FROM pg_policy AS p WHERE p.polrelid = c.oid),
			-- Of a shard the name may have the shard's number.
			(SELECT string_agg(pg_get_expr(w.conbin, w.conrelid), ';') FROM pg_constraint AS w
			 WHERE w.conrelid = c.oid AND w.contype = 'c' AND w.conname ~ '^teamrbac_rows(_[0-9]+)?$')))
	FROM pg_class AS c WHERE c.oid = relation;
$$;
COMMENT ON FUNCTION teamrbac.policies_digest(regclass) IS
	'Internal to check_setup: what row-level security a table or shard has, in short.';
REVOKE ALL ON FUNCTION teamrbac.policies_digest(regclass) FROM PUBLIC;

-- The distributed tables that have policies of ours, and those policies in short.
CREATE FUNCTION teamrbac.distributed_policies() RETURNS jsonb
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	expected jsonb;
BEGIN
	EXECUTE $q$
		SELECT jsonb_object_agg(t.logicalrelid::text, teamrbac.policies_digest(t.logicalrelid))
		FROM pg_catalog.pg_dist_partition AS t
		WHERE EXISTS (SELECT FROM pg_policy AS p
					  WHERE p.polrelid = t.logicalrelid AND p.polname LIKE 'teamrbac\_%') $q$ INTO expected;
	RETURN COALESCE(expected, '{}');
END
$$;
COMMENT ON FUNCTION teamrbac.distributed_policies() IS
	'Internal to check_setup: the tables of Citus'' that are protected, and how, in short.';
REVOKE ALL ON FUNCTION teamrbac.distributed_policies() FROM PUBLIC;

-- What each node answers: the extension's version, what secret it has (a digest of its digest), its time, which of its
-- shards have other policies than their table, and how many have these.  A function of the node's own, since what
-- stands in a query that is sent there would be looked for by the search_path there.
CREATE FUNCTION teamrbac.cluster_answer(expected jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	bad jsonb;
	good bigint;
BEGIN
	EXECUTE $q$
		SELECT jsonb_agg(s.shard ORDER BY s.shardid) FILTER (WHERE s.digest IS DISTINCT FROM e.value),
			   count(*) FILTER (WHERE s.digest = e.value)
		FROM jsonb_each_text($1) AS e,
		LATERAL (SELECT d.shardid, n.shard, teamrbac.policies_digest(to_regclass(n.shard)) AS digest
				 FROM pg_catalog.pg_dist_shard AS d JOIN pg_class AS c ON c.oid = d.logicalrelid
				 JOIN pg_catalog.pg_dist_placement AS p ON p.shardid = d.shardid
				 JOIN pg_catalog.pg_dist_local_group AS g ON g.groupid = p.groupid,
				 -- Citus leaves out this one schema's name.
				 concat(CASE c.relnamespace::regnamespace::text WHEN 'public' THEN 'public.' END,
					 pg_catalog.shard_name(d.logicalrelid, d.shardid)) AS n(shard)
				 WHERE d.logicalrelid = to_regclass(e.key)) AS s $q$ INTO bad, good USING expected;
	RETURN jsonb_build_object('version', (SELECT x.extversion FROM pg_extension AS x WHERE x.extname = 'teamrbac'),
		'secret', (SELECT md5(c.secret) FROM teamrbac.cluster AS c),
		'keeps_team', (SELECT c.keeps_team FROM teamrbac.cluster AS c),
		'time', extract(epoch FROM clock_timestamp()), 'shards', bad, 'protected', good);
END
$$;
COMMENT ON FUNCTION teamrbac.cluster_answer(jsonb) IS
	'Internal to check_setup: what a node of Citus answers about itself. For superusers.';
REVOKE ALL ON FUNCTION teamrbac.cluster_answer(jsonb) FROM PUBLIC;

-- Tables whose policies Citus cannot keep, or that it has made anew.
CREATE FUNCTION teamrbac.check_setup_citus_tables(OUT severity text, OUT step integer, OUT object text,
	OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
BEGIN
	IF NOT teamrbac.citus_is_coordinator() THEN
		RETURN;
	END IF;
	RETURN QUERY EXECUTE $q$
		WITH tenant_table AS (
			SELECT c.oid AS relation, teamrbac.printable_relation(c.oid) AS name,
				EXISTS (SELECT FROM pg_constraint AS w
						WHERE w.conrelid = c.oid AND w.conname = 'teamrbac_rows') AS has_wall,
				c.oid IN (SELECT r.relation FROM teamrbac.recorded_table() AS r(relation)) AS recorded,
				EXISTS (SELECT FROM pg_catalog.pg_dist_partition AS d WHERE d.logicalrelid = c.oid) AS distributed,
				NOT (o.rolsuper OR o.rolbypassrls) AS binds_owner
			FROM pg_class AS c JOIN pg_roles AS o ON o.oid = c.relowner
			WHERE c.relkind IN ('r', 'p') AND NOT pg_catalog.relation_is_a_known_shard(c.oid)
			  AND EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid
						  AND p.polname IN ('teamrbac_view', 'teamrbac_insert', 'teamrbac_update', 'teamrbac_delete'))
		)
		SELECT 'critical', 6, format('policy %s on %s', teamrbac.printable_identifier(p.polname), t.name),
			'restrictive: Citus makes it permissive on the shards, which lets through whatever it should keep out',
			format('DROP POLICY %s ON %s', teamrbac.printable_identifier(p.polname), t.name)
		FROM tenant_table AS t JOIN pg_policy AS p ON p.polrelid = t.relation AND NOT p.polpermissive
		WHERE t.distributed AND p.polname <> 'teamrbac_here'
		UNION ALL
		SELECT 'critical', 6, t.name,
			'was protected before Citus was there: COPY into shards on this node passes its policies',
			CASE WHEN t.recorded
				 THEN format('SELECT teamrbac.restore_protection(%s)',
					 teamrbac.printable_literal(t.relation::regclass::text)) END
		FROM tenant_table AS t
		WHERE t.distributed
		  AND (NOT t.has_wall
			   OR EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = t.relation AND p.polname = 'teamrbac_here'))
		UNION ALL
		SELECT 'warning', 6, t.name,
			'has the policies of protect_table, but is not on record as protected: Citus makes a table anew that it '
			'undistributes or alters; call teamrbac.unprotect_table and protect_table in one transaction', NULL
		FROM tenant_table AS t WHERE NOT t.recorded
		UNION ALL
		SELECT 'critical', 6, 'function ' || teamrbac.printable_routine(p.oid),
			'owners who are bound by policies lose the rows that they do not see of a table that Citus makes anew by it, '
			'and PUBLIC may execute it', teamrbac.setup_revoke_from_public(p.oid)
		FROM pg_proc AS p
		WHERE p.pronamespace = 'pg_catalog'::regnamespace
		  AND p.proname IN ('undistribute_table', 'alter_distributed_table', 'alter_table_set_access_method',
			  'alter_old_partitions_set_access_method', 'citus_schema_undistribute')
		  AND EXISTS (SELECT FROM aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a
					  WHERE a.grantee = 0)
		  AND EXISTS (SELECT FROM tenant_table AS t WHERE t.distributed AND t.binds_owner) $q$;
END
$$;
COMMENT ON FUNCTION teamrbac.check_setup_citus_tables(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: on the coordinator of Citus, tables whose policies Citus cannot keep, or has lost the '
		'record of.';
REVOKE ALL ON FUNCTION teamrbac.check_setup_citus_tables() FROM PUBLIC;

-- What is wrong with a node by what it has said, asked at some time by one that has a secret, or none, and a version.
CREATE FUNCTION teamrbac.node_findings(said jsonb, is_coordinator boolean, secret text, version text, asked timestamptz)
	RETURNS TABLE (severity text, problem text)
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'critical', format('has version %s of teamrbac: run ALTER EXTENSION teamrbac UPDATE there',
		COALESCE(said ->> 'version', '(none)'))
	WHERE said ->> 'version' IS DISTINCT FROM version
	UNION ALL
	SELECT 'critical', 'does not have this node''s secret: it refuses to be told who is asking; call '
		'teamrbac.set_cluster_secret'
	WHERE NOT is_coordinator AND secret IS NOT NULL
	  AND (said ->> 'secret' IS DISTINCT FROM secret OR said ->> 'keeps_team' IS DISTINCT FROM 'false')
	UNION ALL
	SELECT 'critical', format('%s shards have other policies than their table: %s; with citus.enable_ddl_propagation on, '
		'call teamrbac.unprotect_table and protect_table again', jsonb_array_length(said -> 'shards'),
		(SELECT string_agg(s.shard, ', ')
		 FROM (SELECT jsonb_array_elements_text(said -> 'shards') LIMIT 3) AS s(shard)))
	WHERE jsonb_typeof(said -> 'shards') = 'array'
	UNION ALL
	-- A ticket is good from one clock's time to another's.
	SELECT 'warning', format('its clock says %s, when here it is %s: tickets end there too early, or too late', c.there,
		clock_timestamp())
	FROM to_timestamp((said ->> 'time')::double precision) AS c(there)
	WHERE c.there < asked - interval '2 seconds' OR c.there > clock_timestamp() + interval '2 seconds'
	UNION ALL
	SELECT 'notice', 'has shards of protected tables, and clients: what Citus writes there by COPY passes no policy, and '
		'constraint teamrbac_rows alone keeps it within them; citus_set_node_property(..., ''shouldhaveshards'', false) '
		'and rebalance_table_shards() take the shards away'
	WHERE is_coordinator AND (said ->> 'protected')::bigint > 0;
$$;
COMMENT ON FUNCTION teamrbac.node_findings(jsonb, boolean, text, text, timestamptz) IS
	'Internal to check_setup: what is wrong with a node of Citus by what it answers.';
REVOKE ALL ON FUNCTION teamrbac.node_findings(jsonb, boolean, text, text, timestamptz) FROM PUBLIC;

-- A superuser's: Citus connects to the nodes as whoever runs it, and the secret is for superusers.
CREATE FUNCTION teamrbac.check_setup_cluster(OUT severity text, OUT step integer, OUT object text, OUT problem text,
	OUT remedy text)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
DECLARE
	home teamrbac.cluster;
	version text;
	node record;
	asked timestamptz;
BEGIN
	IF NOT teamrbac.citus_is_coordinator() OR pg_is_in_recovery() THEN
		RETURN;
	END IF;
	step := 6;
	SELECT c.* INTO home FROM teamrbac.cluster AS c;
	IF home.secret IS NULL THEN
		severity := 'critical'; object := 'extension citus'; remedy := NULL;
		problem := 'no secret is set: no node of Citus can be told who is asking; call teamrbac.set_cluster_secret';
		RETURN NEXT;
	END IF;
	IF current_setting('citus.enable_ddl_propagation', true) = 'off' THEN
		severity := 'warning'; object := 'setting citus.enable_ddl_propagation';
		remedy := 'SET citus.enable_ddl_propagation = on';
		problem := 'off: what is done to a table does not reach its shards';
		RETURN NEXT;
	END IF;
	IF concat_ws(',', current_setting('session_preload_libraries'), current_setting('shared_preload_libraries'))
			!~ '\mteamrbac\M'
		AND EXISTS (SELECT FROM teamrbac.database_role) THEN
		severity := 'warning'; object := 'setting session_preload_libraries'; remedy := NULL;
		problem := 'teamrbac is not preloaded: the nodes of Citus refuse the first queries of a database role that is '
			'mapped to a user; add it, and reload';
		RETURN NEXT;
	END IF;
	SELECT x.extversion INTO version FROM pg_extension AS x WHERE x.extname = 'teamrbac';
	remedy := NULL;
	asked := clock_timestamp();
	FOR node IN EXECUTE $q$
		SELECT n.nodename, n.nodeport, n.groupid, r.success, r.result
		FROM pg_catalog.run_command_on_all_nodes($1) AS r JOIN pg_catalog.pg_dist_node AS n ON n.nodeid = r.nodeid
		ORDER BY n.nodeid $q$
		USING format('SELECT teamrbac.cluster_answer(%L::pg_catalog.jsonb)', teamrbac.distributed_policies())
	LOOP
		object := format('node %s:%s', node.nodename, node.nodeport);
		IF NOT node.success THEN
			severity := 'critical';
			problem := format('cannot be asked about its shards; is this version of teamrbac there? %s', node.result);
			RETURN NEXT;
			CONTINUE;
		END IF;
		FOR severity, problem IN
			SELECT f.severity, f.problem
			FROM teamrbac.node_findings(node.result::jsonb, node.groupid = 0, md5(home.secret), version, asked) AS f
		LOOP
			RETURN NEXT;
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION teamrbac.check_setup_cluster(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: on the coordinator of Citus, nodes without its secret or version, shards without their '
		'table''s policies, settings. A superuser''s, since Citus connects to the nodes as whoever runs it.';
REVOKE ALL ON FUNCTION teamrbac.check_setup_cluster() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION teamrbac.check_setup_cluster() TO teamrbac_owner;
