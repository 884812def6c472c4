-- Several servers: the secret by which one takes another's word for who is asking.

CREATE TABLE teamrbac.cluster (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	keeps_team boolean NOT NULL,
	secret bytea NOT NULL CHECK (octet_length(secret) = 32),
	previous_secret bytea CHECK (octet_length(previous_secret) = 32),
	changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE teamrbac.cluster IS
	'The secret that tickets are signed with, in one row; none where this server stands alone. For superusers: not even '
		'the owner of teamrbac''s other objects may read it. No dump has it: a server restored from one is given it again.';
COMMENT ON COLUMN teamrbac.cluster.one IS 'There is one row.';
COMMENT ON COLUMN teamrbac.cluster.keeps_team IS
	'Whether teams are kept on this server, which signs tickets; else it accepts them, and refuses commands.';
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

-- Both with the caller's rights, who must be a superuser to change the table.
CREATE PROCEDURE teamrbac.take_cluster_secret(key bytea, previous bytea, keeps_team boolean)
	LANGUAGE plpgsql SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
BEGIN
	IF key IS NULL THEN
		DELETE FROM teamrbac.cluster;
		RETURN;
	END IF;
	INSERT INTO teamrbac.cluster (keeps_team, secret, previous_secret) VALUES (keeps_team, key, previous)
		ON CONFLICT (one) DO UPDATE SET keeps_team = EXCLUDED.keeps_team, secret = EXCLUDED.secret,
			previous_secret = EXCLUDED.previous_secret, changed_at = now();
END
$$;
COMMENT ON PROCEDURE teamrbac.take_cluster_secret(bytea, bytea, boolean) IS
	'Internal to set_cluster_secret, which calls it here and on the nodes of Citus: the SHA-256 of the secret, and of the '
		'one before. For superusers. Takes ROW EXCLUSIVE on teamrbac.cluster.';
REVOKE ALL ON PROCEDURE teamrbac.take_cluster_secret(bytea, bytea, boolean) FROM PUBLIC;

CREATE PROCEDURE teamrbac.set_cluster_secret(secret text, keeps_team boolean DEFAULT true)
	LANGUAGE plpgsql SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
DECLARE
	key bytea := sha256(convert_to(secret, 'UTF8'));
	-- What tickets were signed with that are on their way, here and on all nodes, whatever these have taken meanwhile.
	previous bytea := (SELECT NULLIF(c.secret, key) FROM teamrbac.cluster AS c);
	answer record;
BEGIN
	IF keeps_team IS NULL THEN
		RAISE EXCEPTION 'keeps_team must not be null' USING ERRCODE = '22023', CONSTRAINT = 'argument_null';
	END IF;
	IF length(secret) < 32 THEN
		RAISE EXCEPTION 'a secret needs at least 32 characters'
			USING ERRCODE = '22023', CONSTRAINT = 'secret_too_short',
				HINT = 'SELECT encode(gen_random_bytes(32), ''hex'') makes a good one.';
	END IF;
	-- The workers first: from then on they accept what this server will sign.  They commit by themselves.
	IF keeps_team AND teamrbac.citus_is_coordinator() THEN
		FOR answer IN EXECUTE 'SELECT * FROM pg_catalog.run_command_on_workers($1)'
			USING format('CALL teamrbac.take_cluster_secret(%L, %L, false)', key, previous)
		LOOP
			IF NOT answer.success THEN
				RAISE EXCEPTION 'node %:% has not taken the secret', answer.nodename, answer.nodeport
					USING ERRCODE = '55000', CONSTRAINT = 'node_unreachable', DETAIL = answer.result,
						HINT = 'Call it again once the node can be reached.';
			END IF;
		END LOOP;
	END IF;
	CALL teamrbac.take_cluster_secret(key, previous, keeps_team);
END
$$;
COMMENT ON PROCEDURE teamrbac.set_cluster_secret(text, boolean) IS
	'The secret, of 32 characters or more, by which servers know each other''s tickets; the one before is accepted too, '
		'until the same secret is set again, and NULL ends it. keeps_team: whether this server keeps the teams and signs '
		'tickets, or (false) accepts them and refuses commands. On the coordinator of Citus it reaches the nodes first, '
		'then this one. Errors: 22023 too short, or keeps_team null; 55000 a node has not taken it. For superusers: the '
		'statement holds the secret, keep it out of logs. Takes ROW EXCLUSIVE on teamrbac.cluster.';
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
	'A ticket that says who is asking here, in which tenant and with which permissions, to be set as teamrbac.ticket on a '
		'server with the same secret, in a session that logged in as the database role (default: this session''s own). '
		'Good for teamrbac.ticket_lifetime (60 s). Errors: 55000 no secret, or a server that keeps no team; 54000 somebody '
		'who is live in more than 256 tenants and has entered none. Whoever has the ticket and the role can act as the '
		'one who asks: for superusers, and for whom they trust with that.';
REVOKE ALL ON FUNCTION teamrbac.make_ticket(name) FROM PUBLIC;

-- For the constraint that protect_table gives tables where Citus is: what is written into a shard on the coordinator by
-- COPY passes no policy.
CREATE FUNCTION teamrbac.policies_bind() RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_policies_bind';
COMMENT ON FUNCTION teamrbac.policies_bind() IS
	'Internal to the constraint teamrbac_rows, which protect_table makes where Citus is: whether a table''s policies bind '
		'whoever runs this: everybody but superusers, roles with BYPASSRLS, and the server where it enforces a foreign key.';
