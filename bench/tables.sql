-- What else is read and changed: each table protected by protect_table, and a copy without row-level security.
\set ON_ERROR_STOP on

-- Row n belongs to tenant n % 1000 + 1 in each: ten projects, ten people and a hundred folders of a tenant, and five
-- comments on each of a hundred items.
CREATE TABLE bench.project AS
	SELECT n::bigint AS id, bench.tenant(n % 1000 + 1) AS tenant_id, 'Project ' || n AS name
	FROM generate_series(0, 9999) AS n;
CREATE TABLE bench.person AS
	SELECT n::bigint AS id, bench.tenant(n % 1000 + 1) AS tenant_id, 'Person ' || n AS name
	FROM generate_series(0, 9999) AS n;
CREATE TABLE bench.folder AS
	SELECT n::bigint AS id, bench.tenant(n % 1000 + 1) AS tenant_id, n::bigint % 10000 AS project_id,
		   'Folder ' || n AS name
	FROM generate_series(0, 99999) AS n;
CREATE TABLE bench.comment AS
	SELECT n::bigint AS id, bench.tenant(n % 1000 + 1) AS tenant_id, n::bigint % 100000 AS item_id,
		   'Comment ' || n AS body
	FROM generate_series(0, 499999) AS n;
CREATE TABLE bench.project_plain AS TABLE bench.project;
CREATE TABLE bench.person_plain AS TABLE bench.person;
CREATE TABLE bench.folder_plain AS TABLE bench.folder;
CREATE TABLE bench.comment_plain AS TABLE bench.comment;
CREATE TABLE bench.item_plain AS TABLE bench.item;

-- What across_tenants and a policy written by hand let through.
CREATE TABLE bench.item_across AS SELECT * FROM bench.item WHERE id < 300000;
CREATE TABLE bench.item_array AS TABLE bench.item_across;

SELECT format('ALTER TABLE bench.%1$I ALTER tenant_id SET NOT NULL, ADD PRIMARY KEY (id)', relname),
	   format('CREATE INDEX ON bench.%I (tenant_id, id)', relname)
	FROM pg_class WHERE relnamespace = 'bench'::regnamespace AND relkind = 'r' AND relname <> 'item' \gexec
CREATE INDEX ON bench.item_plain (tenant_id, folder_id);
CREATE INDEX ON bench.folder (tenant_id, project_id);
CREATE INDEX ON bench.folder_plain (tenant_id, project_id);
CREATE INDEX ON bench.comment (tenant_id, item_id);
CREATE INDEX ON bench.comment_plain (tenant_id, item_id);

-- 64 partitions by tenant.
CREATE TABLE bench.part (id bigint NOT NULL, tenant_id uuid NOT NULL, title text NOT NULL, PRIMARY KEY (tenant_id, id))
	PARTITION BY HASH (tenant_id);
CREATE TABLE bench.part_plain (LIKE bench.part INCLUDING ALL) PARTITION BY HASH (tenant_id);
SELECT format('CREATE TABLE bench.%1$s_%2$s PARTITION OF bench.%1$s FOR VALUES WITH (MODULUS 64, REMAINDER %2$s)',
			  parent, n)
	FROM unnest(ARRAY['part', 'part_plain']) AS parent, generate_series(0, 63) AS n \gexec
INSERT INTO bench.part SELECT id, tenant_id, title FROM bench.item WHERE id < 200000;
INSERT INTO bench.part_plain SELECT id, tenant_id, title FROM bench.item WHERE id < 200000;

-- Where 300,000 rows are inserted and updated.
CREATE TABLE bench.bulk (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, n integer NOT NULL);
CREATE TABLE bench.bulk_plain (LIKE bench.bulk INCLUDING ALL);
CREATE INDEX ON bench.bulk (tenant_id);
CREATE INDEX ON bench.bulk_plain (tenant_id);

GRANT SELECT ON ALL TABLES IN SCHEMA bench TO PUBLIC;
GRANT INSERT, UPDATE, TRUNCATE ON bench.bulk, bench.bulk_plain TO bench_app;

DO $$
DECLARE
	"table" text;
BEGIN
	FOREACH "table" IN ARRAY ARRAY['project', 'person', 'folder', 'comment', 'part', 'bulk'] LOOP
		PERFORM teamrbac.protect_table(('bench.' || "table")::regclass, 'prompts.view', 'prompts.edit');
	END LOOP;
	PERFORM teamrbac.protect_table('bench.item_across', 'prompts.view', 'prompts.edit', across_tenants => true);
END $$;

-- The policy that people write instead of across_tenants: user 8, who is in six tenants, is in a setting.
CREATE TABLE bench.member (user_id uuid, tenant_id uuid, role text NOT NULL, PRIMARY KEY (user_id, tenant_id));
INSERT INTO bench.member SELECT user_id, tenant_id, role FROM teamrbac.membership;
GRANT SELECT ON bench.member TO PUBLIC;
ALTER TABLE bench.item_array ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_array ON bench.item_array USING (tenant_id = ANY (ARRAY
	(SELECT m.tenant_id FROM bench.member AS m WHERE m.user_id = current_setting('bench.user')::uuid)));
SELECT format('ALTER ROLE bench_app SET bench."user" = %L', bench.user(8)) \gexec

-- A tenant that a query names by an expression that is no constant.
SELECT format('ALTER ROLE bench_app SET bench.tenant = %L', bench.tenant(7)) \gexec

-- What the control of the churn changes: the same rows, the same indexes and foreign keys, no signal.
CREATE TABLE bench.unrelated (LIKE teamrbac.membership INCLUDING ALL,
	FOREIGN KEY (tenant_id) REFERENCES teamrbac.tenant,
	FOREIGN KEY (user_id) REFERENCES teamrbac.app_user,
	FOREIGN KEY (global_role) REFERENCES teamrbac.role);
INSERT INTO bench.unrelated (tenant_id, user_id, role, expires_at, own_role, joined_at, metadata)
	SELECT tenant_id, user_id, role, expires_at, own_role, joined_at, metadata FROM teamrbac.membership;

CREATE FUNCTION bench.empty(tenant_id uuid, permission text) RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE COST 1 AS :'empty', 'bench_empty';
