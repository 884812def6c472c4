-- 1,000 tenants with 1,000 rows each in a table that protect_table protects, and the roles that read it.
\set ON_ERROR_STOP on
CREATE EXTENSION teamrbac CASCADE;
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO PUBLIC;

-- Scattered as an application's uuids are, and the same in each run; such that PostgreSQL inlines them.
CREATE FUNCTION bench.tenant(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$ SELECT md5('tenant ' || n::text)::uuid $$;
CREATE FUNCTION bench.user(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$ SELECT md5('user ' || n::text)::uuid $$;

-- Each tenant has an owner and five developers, so that each user is in six.  User 0, who reads, is a developer of
-- tenant 7 alone.
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

-- Row n belongs to tenant n % 1000 + 1: a tenant's rows lie scattered, as they do where many tenants write.
CREATE TABLE bench.item (
	id         bigint NOT NULL,
	tenant_id  uuid NOT NULL,
	folder_id  bigint NOT NULL,
	author_id  bigint NOT NULL,
	created_at timestamptz NOT NULL,
	title      text NOT NULL,
	body       text NOT NULL
);
INSERT INTO bench.item
	SELECT n, bench.tenant(n % 1000 + 1), n % 100000, n % 10000, timestamptz '2026-01-01' + n * interval '1 second',
		   'Item ' || n, repeat(md5(n::text), 4)
	FROM generate_series(0, 999999) AS n;
ALTER TABLE bench.item ADD PRIMARY KEY (id);
CREATE INDEX ON bench.item (tenant_id, id);
CREATE INDEX ON bench.item (tenant_id, folder_id);
DO $$ BEGIN PERFORM teamrbac.protect_table('bench.item', 'prompts.view', 'prompts.edit'); END $$;

-- bench_app signs in, in each transaction.  bench_mapped is user 0 by map_database_role: what its first statement costs
-- has nothing before it.  bench_plain asks nothing of teamrbac.
CREATE ROLE bench_app LOGIN;
CREATE ROLE bench_mapped LOGIN;
CREATE ROLE bench_plain LOGIN;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean), teamrbac.sign_in_as_member(uuid, uuid, boolean) TO bench_app;
DO $$ BEGIN PERFORM teamrbac.map_database_role(bench.user(0), 'bench_mapped'); END $$;
GRANT SELECT ON bench.item TO PUBLIC;
