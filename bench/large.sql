-- From 1,000 tenants to 1,000,000 with 100,000 more users and 1,000 more roles; user -1 is a developer of 10,000 of
-- them, tenant 7 among these.
\set ON_ERROR_STOP on
DO $$
BEGIN
	FOR n IN 1..1000 LOOP
		PERFORM teamrbac.define_role('role_' || n, 'One of many', ARRAY['prompts.view']);
	END LOOP;
END $$;
-- A bulk load: the audit of each row is not what is measured.
SET session_replication_role = replica;
INSERT INTO teamrbac.app_user (user_id, email, display_name)
	SELECT bench.user(n), 'user' || n || '@example.com', 'User ' || n FROM generate_series(1001, 101000) AS n;
INSERT INTO teamrbac.app_user (user_id, email, display_name)
	VALUES (bench.user(-1), 'many@example.com', 'User in many tenants');
DO $$
BEGIN
	FOR batch IN 0..9 LOOP
		INSERT INTO teamrbac.tenant (tenant_id, name)
			SELECT bench.tenant(n), 'Tenant ' || n
			FROM generate_series(batch * 100000 + 1, batch * 100000 + 100000) AS n WHERE n > 1000;
		INSERT INTO teamrbac.membership (tenant_id, user_id, role)
			SELECT bench.tenant(n), bench.user(1001 + n % 100000), 'owner'
			FROM generate_series(batch * 100000 + 1, batch * 100000 + 100000) AS n WHERE n > 1000;
		COMMIT;
	END LOOP;
END $$;
INSERT INTO teamrbac.membership (tenant_id, user_id, role)
	SELECT bench.tenant(n), bench.user(-1), 'developer' FROM generate_series(1, 10000) AS n;
RESET session_replication_role;
VACUUM ANALYZE;
