-- What a scheduler does: nothing of it decides what is allowed, since whatever has expired is refused at
-- once.  These run as whoever calls them, the extension's owner as a rule: a procedure that commits can be
-- neither SECURITY DEFINER nor have settings of its own, so every name in them is qualified.

CREATE PROCEDURE teamrbac.expire_memberships(batch_size integer DEFAULT 1000)
	LANGUAGE plpgsql
AS $$
DECLARE
	ended bigint;
BEGIN
	IF batch_size IS NULL OR batch_size OPERATOR(pg_catalog.<) 1 THEN
		RAISE EXCEPTION 'batch_size must be positive' USING ERRCODE = '22023';
	END IF;
	LOOP
		-- Rows that a command holds are left for the next run, so that this never waits for a team.
		DELETE FROM teamrbac.membership AS m
		USING (SELECT due.tenant_id, due.user_id
			   FROM teamrbac.membership AS due
			   WHERE due.expires_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()
			   ORDER BY due.expires_at
			   LIMIT batch_size
			   FOR UPDATE SKIP LOCKED) AS due
		WHERE m.tenant_id OPERATOR(pg_catalog.=) due.tenant_id AND m.user_id OPERATOR(pg_catalog.=) due.user_id;
		GET DIAGNOSTICS ended = ROW_COUNT;
		COMMIT;
		EXIT WHEN ended OPERATOR(pg_catalog.<) batch_size;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE teamrbac.expire_memberships(integer) IS
	'Removes memberships that have expired, batch_size in a transaction. For a scheduler. Errors: 22023 batch_size not positive. Skips rows that a command has locked.';
REVOKE ALL ON PROCEDURE teamrbac.expire_memberships(integer) FROM PUBLIC;

CREATE INDEX membership_expires_idx ON teamrbac.membership (expires_at) WHERE expires_at IS NOT NULL;
COMMENT ON INDEX teamrbac.membership_expires_idx IS 'Answers expire_memberships.';
