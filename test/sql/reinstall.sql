-- One session that drops the extension, takes the drop back, and creates it anew: what it remembers of the old one
-- (grants, OIDs, plans) is worth nothing.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
CREATE FUNCTION u(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
CREATE ROLE regress_app;
CREATE TABLE note (id int PRIMARY KEY, tenant_id uuid NOT NULL);
INSERT INTO note SELECT g, u(1 + g % 3) FROM generate_series(1, 300) AS g;
CREATE INDEX ON note (tenant_id, id);
ANALYZE note;
GRANT SELECT ON note TO regress_app;
CREATE PROCEDURE set_up(tenant int) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM teamrbac.register_user('ann@example.com', 'Ann', u(91));
	INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u(tenant), 'Acme');
	INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(tenant), u(91), 'owner');
	PERFORM teamrbac.protect_table('note', 'prompts.view', 'prompts.edit');
	PERFORM teamrbac.sign_in(u(91), false);
END $$;
CALL set_up(1);
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off; SET enable_sort = off;
PREPARE named(uuid) AS SELECT count(*) FROM note WHERE tenant_id = $1;
PREPARE page AS SELECT id, tenant_id FROM note ORDER BY id LIMIT 1;
CREATE FUNCTION see() RETURNS TABLE (may boolean, permitted bigint, counted bigint) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT teamrbac.has_permission(u(1), 'prompts.view'), cardinality(teamrbac.permitted_tenants('prompts.view'))::bigint,
		(SELECT count(*) FROM note);
END $$;
SET ROLE regress_app;
SELECT * FROM see();
EXECUTE named(u(1));
EXECUTE page;
RESET ROLE;

-- Dropped, and the drop taken back.
BEGIN;
DROP EXTENSION teamrbac CASCADE;
SET LOCAL ROLE regress_app;
-- Row security stays on without a policy: nothing is seen.
EXECUTE named(u(1));
EXECUTE page;
ROLLBACK;
SET ROLE regress_app;
SELECT * FROM see();
EXECUTE named(u(1));
EXECUTE page;
RESET ROLE;

-- Created anew: the one signed in is nobody here, until somebody makes them known; then in another tenant.
DROP EXTENSION teamrbac CASCADE;
CREATE EXTENSION teamrbac CASCADE;
SELECT teamrbac.has_permission(u(1), 'prompts.view'), teamrbac.permitted_tenants('prompts.view');
CALL set_up(2);
SET ROLE regress_app;
SELECT * FROM see();
EXECUTE named(u(1));
EXECUTE named(u(2));
EXECUTE page;
RESET ROLE;

-- A creation that is rolled back was never there.
DROP EXTENSION teamrbac CASCADE;
BEGIN;
CREATE EXTENSION teamrbac CASCADE;
CALL set_up(3);
SELECT teamrbac.has_permission(u(3), 'prompts.view');
ROLLBACK;
SET ROLE regress_app;
EXECUTE named(u(3));
SELECT * FROM see();
RESET ROLE;

DROP FUNCTION see;
DROP PROCEDURE set_up;
DROP TABLE note;
DROP FUNCTION u(int);
DROP ROLE regress_app;
