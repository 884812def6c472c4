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
