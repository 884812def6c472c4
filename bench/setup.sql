-- 1,000 tenants, a table of 1,000,000 rows in three copies (protected by protect_table; without row
-- security; with the peers' policies), and the roles that read them.
\set ON_ERROR_STOP on
CREATE EXTENSION teamrbac CASCADE;
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO PUBLIC;

-- Scattered as an application's uuids are, and the same in each run; such that PostgreSQL inlines them.
CREATE FUNCTION bench.tenant(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$ SELECT md5('tenant ' || n::text)::uuid $$;
CREATE FUNCTION bench.user(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$ SELECT md5('user ' || n::text)::uuid $$;

-- Each tenant has an owner and five developers.  User 0, who reads, is a developer of tenant 7 alone.
BEGIN;
-- A bulk load: the audit of each row is not what is measured.
SET LOCAL session_replication_role = replica;
INSERT INTO teamrbac.app_user (user_id, email, display_name)
	SELECT bench.user(n), 'user' || n || '@example.com', 'User ' || n FROM generate_series(0, 1000) AS n;
INSERT INTO teamrbac.tenant (tenant_id, name)
	SELECT bench.tenant(n), 'Tenant ' || n FROM generate_series(1, 1000) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role)
	SELECT bench.tenant(n), bench.user((n + k - 1) % 1000 + 1), CASE k WHEN 0 THEN 'owner' ELSE 'developer' END
	FROM generate_series(1, 1000) AS n, generate_series(0, 5) AS k;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (bench.tenant(7), bench.user(0), 'developer');
COMMIT;

-- What the control of the churn changes: the same rows, the same indexes and foreign keys, no signal.
CREATE TABLE bench.unrelated (LIKE teamrbac.membership INCLUDING ALL,
	FOREIGN KEY (tenant_id) REFERENCES teamrbac.tenant,
	FOREIGN KEY (user_id) REFERENCES teamrbac.app_user,
	FOREIGN KEY (role) REFERENCES teamrbac.role);
INSERT INTO bench.unrelated SELECT * FROM teamrbac.membership;

-- What the peers' policies read.
CREATE TABLE bench.member (user_id uuid, tenant_id uuid, role text NOT NULL, PRIMARY KEY (user_id, tenant_id));
INSERT INTO bench.member SELECT user_id, tenant_id, role FROM teamrbac.membership;

-- Row n belongs to tenant n % 1000 + 1: a tenant's rows lie scattered, as they do where many tenants write.
CREATE TABLE bench.item (
	id         bigint NOT NULL,
	tenant_id  uuid NOT NULL,
	created_at timestamptz NOT NULL,
	title      text NOT NULL,
	body       text NOT NULL
);
INSERT INTO bench.item
	SELECT n, bench.tenant(n % 1000 + 1), timestamptz '2026-01-01' + n * interval '1 second', 'Item ' || n,
		   repeat(md5(n::text), 4)
	FROM generate_series(0, 999999) AS n;
CREATE TABLE bench.item_plain (LIKE bench.item);
INSERT INTO bench.item_plain SELECT * FROM bench.item;
CREATE TABLE bench.item_peer (LIKE bench.item);
INSERT INTO bench.item_peer SELECT * FROM bench.item;
ALTER TABLE bench.item ADD PRIMARY KEY (id);
ALTER TABLE bench.item_plain ADD PRIMARY KEY (id);
ALTER TABLE bench.item_peer ADD PRIMARY KEY (id);
CREATE INDEX ON bench.item (tenant_id, id);
CREATE INDEX ON bench.item_plain (tenant_id, id);
CREATE INDEX ON bench.item_peer (tenant_id, id);

-- Ordinary roles.  bench_ours is user 0 by map_database_role, as pgbench cannot sign in once a connection;
-- the peers find the user in a setting of the role.
CREATE ROLE bench_ours LOGIN;
CREATE ROLE bench_many LOGIN;
CREATE ROLE bench_plain LOGIN;
CREATE ROLE bench_in LOGIN;
CREATE ROLE bench_array LOGIN;
CREATE ROLE bench_function LOGIN;
DO $$ BEGIN PERFORM teamrbac.map_database_role(bench.user(0), 'bench_ours'); END $$;
SELECT format('ALTER ROLE %I SET app."user" = %L', role, bench.user(0))
	FROM unnest(ARRAY['bench_in', 'bench_array', 'bench_function']) AS role \gexec
GRANT SELECT ON ALL TABLES IN SCHEMA bench TO PUBLIC;

DO $$ BEGIN PERFORM teamrbac.protect_table('bench.item', 'prompts.view', 'prompts.edit'); END $$;

CREATE FUNCTION bench.may_view(tenant uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN EXISTS (SELECT FROM bench.member AS m
				   WHERE m.tenant_id = tenant AND m.user_id = current_setting('app.user')::uuid);
END $$;
ALTER TABLE bench.item_peer ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_in ON bench.item_peer TO bench_in USING (tenant_id IN
	(SELECT m.tenant_id FROM bench.member AS m WHERE m.user_id = current_setting('app.user')::uuid));
CREATE POLICY by_array ON bench.item_peer TO bench_array USING (tenant_id = ANY (ARRAY
	(SELECT m.tenant_id FROM bench.member AS m WHERE m.user_id = current_setting('app.user')::uuid)));
CREATE POLICY by_function ON bench.item_peer TO bench_function USING (bench.may_view(tenant_id));
-- The least that a policy can do: whoever reads the others may see tenant 7 here.
SELECT format('CREATE POLICY by_constant ON bench.item_peer TO bench_ours USING (tenant_id = %L::uuid)', bench.tenant(7)) \gexec

CREATE FUNCTION bench.empty(tenant_id uuid, permission text) RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE COST 1 AS :'empty', 'bench_empty';
