-- Twenty users, each the owner of one tenant, with five rows there; what clients log in as.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
CREATE ROLE web LOGIN;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO web;
CREATE FUNCTION person(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000001' || lpad(n::text, 2, '0'))::uuid $$;
CREATE FUNCTION team(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000002' || lpad(n::text, 2, '0'))::uuid $$;
SELECT count(teamrbac.register_user(n || '@example.com', 'User ' || n, person(n))) FROM generate_series(0, 19) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT team(n), 'Team ' || n FROM generate_series(0, 19) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role)
	SELECT team(n), person(n), 'owner' FROM generate_series(0, 19) AS n;
COMMIT;
CREATE TABLE note (
	tenant_id uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	id        bigint NOT NULL,
	n         integer NOT NULL DEFAULT 0,
	PRIMARY KEY (tenant_id, id)
);
INSERT INTO note (tenant_id, id) SELECT team(n), id FROM generate_series(0, 19) AS n, generate_series(1, 5) AS id;
SELECT teamrbac.protect_table('note', 'prompts.view', 'prompts.edit');
GRANT SELECT, INSERT, UPDATE, DELETE ON note TO web;
-- README.md's.
CREATE TABLE endpoint (
	tenant_id uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	id        bigint NOT NULL,
	PRIMARY KEY (tenant_id, id)
);
INSERT INTO endpoint SELECT team(n), id FROM generate_series(0, 19) AS n, generate_series(1, 60) AS id;
SELECT teamrbac.protect_table('endpoint', 'endpoints.view', NULL);
GRANT SELECT ON endpoint TO web;
