-- Several servers: the secret by which one takes another's word for who is asking.

CREATE TABLE teamrbac.cluster (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	keeps_team boolean NOT NULL,
	secret bytea NOT NULL CHECK (octet_length(secret) = 32),
	previous_secret bytea CHECK (octet_length(previous_secret) = 32),
	changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE teamrbac.cluster IS
	'The secret that tickets are signed with, in one row; none where this server stands alone. For superusers: not even the owner of teamrbac''s other objects may read it. No dump has it: a server restored from one is given it again.';
COMMENT ON COLUMN teamrbac.cluster.one IS 'There is one row.';
COMMENT ON COLUMN teamrbac.cluster.keeps_team IS 'Whether teams are kept on this server, which signs tickets; else it accepts them, and refuses commands.';
COMMENT ON COLUMN teamrbac.cluster.secret IS 'SHA-256 of the secret: what signs.';
COMMENT ON COLUMN teamrbac.cluster.previous_secret IS 'The one before, by which tickets are still accepted.';
COMMENT ON COLUMN teamrbac.cluster.changed_at IS 'Since when.';
COMMENT ON CONSTRAINT cluster_one_check ON teamrbac.cluster IS 'There is one row.';
COMMENT ON CONSTRAINT cluster_secret_check ON teamrbac.cluster IS 'It is a digest.';
COMMENT ON CONSTRAINT cluster_previous_secret_check ON teamrbac.cluster IS 'It is a digest.';
ALTER TABLE teamrbac.cluster ENABLE ROW LEVEL SECURITY;
CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE ON teamrbac.cluster
	FOR EACH ROW EXECUTE FUNCTION teamrbac.signal_change('definitions_changed');
ALTER TABLE teamrbac.cluster ENABLE ALWAYS TRIGGER signal_change;

-- With the caller's rights, who must be a superuser to change the table.
CREATE PROCEDURE teamrbac.set_cluster_secret(secret text, keeps_team boolean DEFAULT true)
	LANGUAGE plpgsql SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
DECLARE
	key bytea := sha256(convert_to(secret, 'UTF8'));
	answer record;
BEGIN
	IF keeps_team IS NULL THEN
		RAISE EXCEPTION 'keeps_team must not be null' USING ERRCODE = '22023', CONSTRAINT = 'argument_null';
	END IF;
	IF length(secret) < 32 THEN
		RAISE EXCEPTION 'a secret needs at least 32 characters'
			USING ERRCODE = '22023', CONSTRAINT = 'secret_too_short', HINT = 'SELECT encode(gen_random_bytes(32), ''hex'') makes a good one.';
	END IF;
	-- The workers first: from then on they accept what this server will sign.  They commit by themselves.
	IF keeps_team AND teamrbac.citus_is_coordinator() THEN
		FOR answer IN EXECUTE 'SELECT * FROM pg_catalog.run_command_on_workers($1)'
			USING format('CALL teamrbac.set_cluster_secret(%L, false)', secret)
		LOOP
			IF NOT answer.success THEN
				RAISE EXCEPTION 'node %:% has not taken the secret', answer.nodename, answer.nodeport
					USING ERRCODE = '55000', CONSTRAINT = 'node_unreachable', DETAIL = answer.result,
						HINT = 'Call it again once the node can be reached.';
			END IF;
		END LOOP;
	END IF;
	IF secret IS NULL THEN
		DELETE FROM teamrbac.cluster;
		RETURN;
	END IF;
	INSERT INTO teamrbac.cluster AS c (keeps_team, secret) VALUES (set_cluster_secret.keeps_team, key)
		ON CONFLICT (one) DO UPDATE SET keeps_team = EXCLUDED.keeps_team, secret = EXCLUDED.secret,
			previous_secret = NULLIF(c.secret, EXCLUDED.secret), changed_at = now();
END
$$;
COMMENT ON PROCEDURE teamrbac.set_cluster_secret(text, boolean) IS
	'The secret, of 32 characters or more, by which servers know each other''s tickets; the one before is accepted too, until the same secret is set again, and NULL ends it. keeps_team: whether this server keeps the teams and signs tickets, or (false) accepts them and refuses commands. On the coordinator of Citus it reaches the nodes first, then this one. Errors: 22023 too short, or keeps_team null; 55000 a node has not taken it. For superusers: the statement holds the secret, keep it out of logs. Takes ROW EXCLUSIVE on teamrbac.cluster.';
REVOKE ALL ON PROCEDURE teamrbac.set_cluster_secret(text, boolean) FROM PUBLIC;

CREATE FUNCTION teamrbac.citus_is_coordinator() RETURNS boolean
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	coordinator boolean := false;
BEGIN
	IF to_regclass('pg_catalog.pg_dist_local_group') IS NOT NULL THEN
		EXECUTE 'SELECT g.groupid = 0 FROM pg_catalog.pg_dist_local_group AS g' INTO coordinator;
	END IF;
	RETURN COALESCE(coordinator, false);
END
$$;
COMMENT ON FUNCTION teamrbac.citus_is_coordinator() IS
	'Internal: whether this server coordinates nodes of Citus'', or would.';
REVOKE ALL ON FUNCTION teamrbac.citus_is_coordinator() FROM PUBLIC;

CREATE FUNCTION teamrbac.make_ticket(database_role name DEFAULT NULL) RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'teamrbac_make_ticket';
COMMENT ON FUNCTION teamrbac.make_ticket(name) IS
	'A ticket that says who is asking here, in which tenant and with which permissions, to be set as teamrbac.ticket on a server with the same secret, in a session that logged in as the database role (default: this session''s own). Good for teamrbac.ticket_lifetime (60 s). Errors: 55000 no secret, or a server that keeps no team; 54000 somebody who is live in more than 256 tenants and has entered none. Whoever has the ticket and the role can act as the one who asks: for superusers, and for whom they trust with that.';
REVOKE ALL ON FUNCTION teamrbac.make_ticket(name) FROM PUBLIC;

-- For the constraint that protect_table gives tables where Citus is: what is written into a shard on the coordinator by
-- COPY passes no policy.
CREATE FUNCTION teamrbac.policies_bind() RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_policies_bind';
COMMENT ON FUNCTION teamrbac.policies_bind() IS
	'Whether a table''s policies bind whoever runs this: everybody but superusers, roles with BYPASSRLS, and the server where it enforces a foreign key. For the constraint teamrbac_rows, which protect_table makes where Citus is. For everybody.';

-- ---- findings ---------------------------------------------------------------------------------------

-- What a table's policies are, to be compared with those of its shards.  Executed on other nodes too, so by names alone.
CREATE FUNCTION teamrbac.policies_digest(relation regclass) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT md5(concat_ws(' ', c.relrowsecurity, c.relforcerowsecurity,
			(SELECT string_agg(concat_ws(' ', p.polname, p.polcmd, p.polpermissive, p.polroles = '{0}', pg_get_expr(p.polqual, p.polrelid), '/',
					pg_get_expr(p.polwithcheck, p.polrelid)), ';' ORDER BY p.polname COLLATE "C")
			 FROM pg_policy AS p WHERE p.polrelid = c.oid)))
	FROM pg_class AS c WHERE c.oid = relation;
$$;
COMMENT ON FUNCTION teamrbac.policies_digest(regclass) IS
	'Internal to check_setup: what row-level security a table or shard has, in short.';
REVOKE ALL ON FUNCTION teamrbac.policies_digest(regclass) FROM PUBLIC;

-- What each node is asked: the extension's version, what secret it has (a digest of its digest), and which of its shards
-- have other policies than their table.
CREATE FUNCTION teamrbac.cluster_question() RETURNS text
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	expected text;
BEGIN
	EXECUTE $q$
		SELECT string_agg(format('(%L::text, %L::text)', t.logicalrelid, teamrbac.policies_digest(t.logicalrelid)), ', ')
		FROM pg_catalog.pg_dist_partition AS t
		WHERE EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = t.logicalrelid AND p.polname LIKE 'teamrbac\_%') $q$ INTO expected;
	RETURN format($q$
		SELECT jsonb_build_object(
			'version', (SELECT x.extversion FROM pg_extension AS x WHERE x.extname = 'teamrbac'),
			'secret', (SELECT md5(c.secret) FROM teamrbac.cluster AS c),
			'keeps_team', (SELECT c.keeps_team FROM teamrbac.cluster AS c),
			'shards', (SELECT jsonb_agg(shard_name(s.logicalrelid, s.shardid) ORDER BY s.shardid)
					   FROM (VALUES %s) AS e(relation, digest)
					   JOIN pg_dist_shard AS s ON s.logicalrelid = to_regclass(e.relation)
					   JOIN pg_dist_placement AS p ON p.shardid = s.shardid
					   JOIN pg_dist_local_group AS g ON g.groupid = p.groupid
					   WHERE teamrbac.policies_digest(to_regclass(shard_name(s.logicalrelid, s.shardid))) IS DISTINCT FROM e.digest)) $q$,
		COALESCE(expected, '(NULL::text, NULL::text)'));
END
$$;
COMMENT ON FUNCTION teamrbac.cluster_question() IS
	'Internal to check_setup: the query that each node of Citus is asked.';
REVOKE ALL ON FUNCTION teamrbac.cluster_question() FROM PUBLIC;

-- A superuser's: Citus connects to the nodes as whoever runs it.
CREATE FUNCTION teamrbac.check_setup_cluster(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
DECLARE
	home teamrbac.cluster;
	node record;
	said jsonb;
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
		severity := 'warning'; object := 'setting citus.enable_ddl_propagation'; remedy := 'SET citus.enable_ddl_propagation = on';
		problem := 'off: what is done to a table does not reach its shards';
		RETURN NEXT;
	END IF;
	IF concat_ws(',', current_setting('session_preload_libraries'), current_setting('shared_preload_libraries')) !~ '\mteamrbac\M'
		AND EXISTS (SELECT FROM teamrbac.database_role) THEN
		severity := 'warning'; object := 'setting session_preload_libraries'; remedy := NULL;
		problem := 'teamrbac is not preloaded: the nodes of Citus refuse the first queries of a database role that is mapped to a user; add it, and reload';
		RETURN NEXT;
	END IF;
	FOR severity, object, problem, remedy IN EXECUTE $q$
		SELECT 'critical', format('policy %I on %s', p.polname, t.logicalrelid),
			   'restrictive: Citus makes it permissive on the shards, which lets through whatever it should keep out', format('DROP POLICY %I ON %s', p.polname, t.logicalrelid)
		FROM pg_catalog.pg_dist_partition AS t JOIN pg_policy AS p ON p.polrelid = t.logicalrelid AND NOT p.polpermissive
		WHERE p.polname <> 'teamrbac_here'
		UNION ALL
		SELECT 'critical', format('%s', t.logicalrelid),
			   'was protected before Citus was there: COPY into shards on this node passes its policies; call teamrbac.unprotect_table and protect_table again', NULL
		FROM pg_catalog.pg_dist_partition AS t
		WHERE EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = t.logicalrelid AND p.polname LIKE 'teamrbac\_%')
		  AND (NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conrelid = t.logicalrelid AND c.conname = 'teamrbac_rows')
			   OR EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = t.logicalrelid AND p.polname = 'teamrbac_here')) $q$
	LOOP
		RETURN NEXT;
	END LOOP;
	FOR node IN EXECUTE 'SELECT n.nodename, n.nodeport, n.groupid, r.success, r.result FROM pg_catalog.run_command_on_all_nodes($1) AS r
			JOIN pg_catalog.pg_dist_node AS n ON n.nodeid = r.nodeid ORDER BY n.nodeid' USING teamrbac.cluster_question()
	LOOP
		object := format('node %s:%s', node.nodename, node.nodeport);
		remedy := NULL;
		severity := 'critical';
		IF NOT node.success THEN
			problem := format('cannot be asked about its shards: %s', node.result);
			RETURN NEXT;
			CONTINUE;
		END IF;
		said := node.result::jsonb;
		IF said ->> 'version' IS DISTINCT FROM (SELECT x.extversion FROM pg_extension AS x WHERE x.extname = 'teamrbac') THEN
			problem := format('has version %s of teamrbac: run ALTER EXTENSION teamrbac UPDATE there', COALESCE(said ->> 'version', '(none)'));
			RETURN NEXT;
		END IF;
		IF node.groupid <> 0 AND home.secret IS NOT NULL AND (said ->> 'secret' IS DISTINCT FROM md5(home.secret) OR said ->> 'keeps_team' IS DISTINCT FROM 'false') THEN
			problem := 'does not have this node''s secret: it refuses to be told who is asking; call teamrbac.set_cluster_secret';
			RETURN NEXT;
		END IF;
		IF said -> 'shards' <> 'null' THEN
			problem := format('%s shards have other policies than their table: %s; with citus.enable_ddl_propagation on, call teamrbac.unprotect_table and protect_table again',
				jsonb_array_length(said -> 'shards'), (SELECT string_agg(s.shard, ', ') FROM (SELECT jsonb_array_elements_text(said -> 'shards') LIMIT 3) AS s(shard)));
			RETURN NEXT;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION teamrbac.check_setup_cluster(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: on the coordinator of Citus, nodes without its secret or version, shards without their table''s policies, tables whose policies Citus cannot keep. A superuser''s, since Citus connects to the nodes as whoever runs it.';
REVOKE ALL ON FUNCTION teamrbac.check_setup_cluster() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION teamrbac.check_setup_cluster() TO teamrbac_owner;
