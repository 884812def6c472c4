-- Data for bench/api_key.sh: API keys, and the table that people write instead.
CREATE EXTENSION teamrbac CASCADE;
CREATE SCHEMA bench;
CREATE ROLE bench_app LOGIN;
GRANT USAGE ON SCHEMA bench TO bench_app;

SELECT teamrbac.register_user('owner@example.com', 'Owner', '00000000-0000-0000-0000-0000000000a1');
SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000a1', false);
CREATE TABLE bench.key AS
	SELECT (100 * (t - 1) + n)::int AS id, k.key_id, k.secret
	FROM (SELECT t, teamrbac.create_tenant('Tenant ' || t) AS tenant_id FROM generate_series(1, 50) AS t OFFSET 0) AS tenant,
		 generate_series(1, 100) AS n,
		 teamrbac.create_api_key(tenant_id, 'key ' || n) AS k;
ALTER TABLE bench.key ADD PRIMARY KEY (id);
GRANT SELECT ON bench.key TO bench_app;

CREATE TABLE bench.peer (
	key_hash  bytea PRIMARY KEY,
	tenant_id uuid NOT NULL,
	key_id    uuid NOT NULL,
	role      text NOT NULL
);
INSERT INTO bench.peer SELECT secret_hash, tenant_id, key_id, role FROM teamrbac.api_key;
GRANT SELECT ON bench.peer TO bench_app;
-- The first use of a key writes; what is measured comes after it.
UPDATE teamrbac.api_key_use SET last_used_at = pg_catalog.now();

-- Keys that are refused, each for another reason.
CREATE TABLE bench.refused_key (kind text PRIMARY KEY, tenant_id uuid, key_id uuid, secret text NOT NULL);
INSERT INTO bench.refused_key
	SELECT kind, tenant_id, k.key_id, k.secret
	FROM (SELECT kind, teamrbac.create_tenant('Refused ' || kind) AS tenant_id
		  FROM unnest(ARRAY['revoked', 'expired', 'deleted', 'unknown']) AS kind OFFSET 0) AS tenant,
		 teamrbac.create_api_key(tenant_id, kind, expires_at => now() + interval '1 day') AS k;
INSERT INTO bench.refused_key (kind, secret) SELECT 'malformed', overlay(secret PLACING '!!' FROM 50) FROM bench.refused_key WHERE kind = 'unknown';
SELECT format('CALL teamrbac.revoke_api_key(%L)', key_id) FROM bench.refused_key WHERE kind = 'revoked' \gexec
SELECT format('CALL teamrbac.delete_tenant(%L, %L)', tenant_id, 'Refused deleted') FROM bench.refused_key WHERE kind = 'deleted' \gexec
BEGIN;
-- What no command does.
SET LOCAL session_replication_role = replica;
UPDATE teamrbac.api_key AS k SET expires_at = k.created_at FROM bench.refused_key AS r WHERE r.kind = 'expired' AND k.key_id = r.key_id;
DELETE FROM teamrbac.api_key AS k USING bench.refused_key AS r WHERE r.kind = 'unknown' AND k.key_id = r.key_id;
COMMIT;
CREATE FUNCTION bench.refused(secret text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM teamrbac.sign_in_with_api_key(secret, false);
	RAISE 'the key was accepted';
EXCEPTION WHEN invalid_authorization_specification THEN
END $$;
