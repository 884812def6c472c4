-- What an application, or somebody else, put onto teamrbac's own tables and into its schema, or was granted there; and
-- the role for migrations, which needs one such grant.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
CREATE EXTENSION pg_cron;
\set SHOW_CONTEXT never
\set superuser :USER
SELECT count(*) FROM teamrbac.schedule_maintenance();
CREATE ROLE regress_app LOGIN;
CREATE ROLE regress_other;
CREATE PROCEDURE remedy() LANGUAGE plpgsql AS $$
DECLARE f record;
BEGIN
	FOR f IN SELECT * FROM teamrbac.check_setup() AS c WHERE c.remedy IS NOT NULL LOOP
		RAISE WARNING '%', f.remedy;
		EXECUTE f.remedy;
	END LOOP;
END $$;
SELECT * FROM teamrbac.check_setup();

-- Whatever is added to a table of ours is lost by a restore, a column with all of the table's rows.
CREATE FUNCTION public.seats() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
ALTER TABLE teamrbac.tenant ADD COLUMN "metadata'; --" jsonb NOT NULL DEFAULT '{}';
ALTER TABLE teamrbac.tenant ADD CONSTRAINT named CHECK (name <> 'x');
CREATE TRIGGER seats AFTER INSERT ON teamrbac.membership FOR EACH ROW EXECUTE FUNCTION public.seats();
CREATE TRIGGER signal_seats AFTER INSERT ON teamrbac.membership FOR EACH ROW EXECUTE FUNCTION public.seats();
ALTER TABLE teamrbac.membership DISABLE TRIGGER signal_seats;
CREATE TRIGGER instead INSTEAD OF INSERT ON teamrbac.team FOR EACH ROW EXECUTE FUNCTION public.seats();
CREATE INDEX membership_joined ON teamrbac.membership (joined_at);
CREATE UNIQUE INDEX tenant_name ON teamrbac.tenant (lower(name));
CREATE POLICY rename ON teamrbac.tenant FOR UPDATE USING (teamrbac.has_permission(tenant_id, 'tenant.delete'));
CREATE RULE log AS ON DELETE TO teamrbac.outbox DO ALSO SELECT 1;
SELECT severity, object, problem, remedy FROM teamrbac.check_setup();
-- What such a trigger or rule does, a remedy's statement would do as a superuser: there is none meanwhile.
BEGIN;
INSERT INTO teamrbac.app_user (user_id, email, display_name) VALUES ('00000000-0000-0000-0000-0000000000a1',
	'ann@example.com', 'Ann');
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role)
	VALUES ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000a1', 'owner');
INSERT INTO teamrbac.outbox (tenant_id, mail_id, kind, recipient, next_attempt_at, failed_at, last_error)
	VALUES ('00000000-0000-0000-0000-000000000001', gen_random_uuid(), 'removed', 'bob@example.com', NULL,
		now(), '550');
COMMIT;
SELECT object, problem, remedy FROM teamrbac.check_setup() WHERE object ~ 'mail';
DROP RULE log ON teamrbac.outbox;
SELECT object, remedy IS NULL AS no_remedy FROM teamrbac.check_setup() WHERE object ~ 'mail';
DELETE FROM teamrbac.outbox;
ALTER TABLE teamrbac.tenant DROP COLUMN "metadata'; --", DROP CONSTRAINT named;
DROP TRIGGER seats ON teamrbac.membership;
DROP TRIGGER signal_seats ON teamrbac.membership;
DROP TRIGGER instead ON teamrbac.team;
DROP INDEX teamrbac.membership_joined, teamrbac.tenant_name;
DROP POLICY rename ON teamrbac.tenant;
SELECT * FROM teamrbac.check_setup();
-- What the extension made and is gone.
BEGIN;
DROP TRIGGER check_owner ON teamrbac.membership;
DROP INDEX teamrbac.membership_user_idx;
ALTER TABLE teamrbac.tenant RENAME COLUMN slug TO short_name;
SELECT severity, object, problem, remedy FROM teamrbac.check_setup() WHERE problem ~ 'gone';
ROLLBACK;

-- Our functions look for functions and operators in our schema: nothing of others may be there, or get there.
GRANT CREATE ON SCHEMA teamrbac TO regress_app, regress_other WITH GRANT OPTION;
SET ROLE regress_app;
GRANT CREATE ON SCHEMA teamrbac TO PUBLIC;
CREATE FUNCTION teamrbac.lower(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE TABLE teamrbac.side (tenant_id uuid PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY);
CREATE VIEW teamrbac.side_view AS SELECT 1 AS x;
CREATE TYPE teamrbac.side_kind AS ENUM ();
CREATE OPERATOR teamrbac.### (RIGHTARG = int, FUNCTION = pg_catalog.abs);
RESET ROLE;
SELECT severity, object, problem, remedy FROM teamrbac.check_setup();
CALL remedy();
DROP FUNCTION teamrbac.lower;
DROP TABLE teamrbac.side;
DROP VIEW teamrbac.side_view;
DROP TYPE teamrbac.side_kind;
DROP OPERATOR teamrbac.### (NONE, int);
SELECT * FROM teamrbac.check_setup();

-- Grants, of tables and of columns, and by others than the owner: all but what migrations need.
GRANT SELECT ON teamrbac.app_user TO regress_other WITH GRANT OPTION;
GRANT UPDATE (name), SELECT (name) ON teamrbac.tenant TO regress_app;
GRANT REFERENCES ON teamrbac.tenant TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON teamrbac.tenant TO regress_other;
GRANT TRIGGER ON teamrbac.outbox TO regress_app;
GRANT REFERENCES (user_id) ON teamrbac.app_user TO regress_app;
SET ROLE regress_other;
GRANT SELECT ON teamrbac.app_user TO regress_app;
RESET ROLE;
SELECT severity, object, problem FROM teamrbac.check_setup();
CALL remedy();
SELECT * FROM teamrbac.check_setup();
SELECT c.relname, a.grantee::regrole, a.privilege_type FROM pg_class AS c, aclexplode(relacl) AS a
	WHERE relnamespace = 'teamrbac'::regnamespace AND relkind = 'r' AND a.grantee <> relowner;

-- The role for migrations, as the documentation makes it: it creates and protects tables that reference tenants,
-- before and after the remedies.
DROP OWNED BY regress_other;
CREATE ROLE regress_migrator LOGIN;
CREATE SCHEMA shop AUTHORIZATION regress_migrator;
GRANT REFERENCES (tenant_id) ON teamrbac.tenant TO regress_migrator;
GRANT EXECUTE ON FUNCTION teamrbac.define_permission(text, text, text[], boolean) TO regress_migrator;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_app;
CREATE PROCEDURE migrate(name text) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL ROLE regress_migrator;
	EXECUTE format('CREATE TABLE shop.%I (tenant_id uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
		id bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (tenant_id, id))', name);
	PERFORM teamrbac.protect_table(format('shop.%I', name)::regclass, 'prompts.view', 'prompts.edit');
	EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON shop.%I TO regress_app', name);
END $$;
CALL migrate('first');
SELECT * FROM teamrbac.check_setup();
SELECT remedy FROM teamrbac.check_setup() \gexec
CALL migrate('second');
SELECT * FROM teamrbac.check_setup();
-- Of the whole table as well; and what is more than it needs, is found and taken without that.
GRANT SELECT, REFERENCES ON teamrbac.tenant TO regress_migrator;
SELECT severity, object, problem, remedy FROM teamrbac.check_setup();
CALL remedy();
CALL migrate('third');
SELECT * FROM teamrbac.check_setup();
-- A foreign key to another table of ours that carries changes on.
GRANT REFERENCES (user_id) ON teamrbac.app_user TO regress_migrator;
SET ROLE regress_migrator;
CREATE TABLE shop.author (user_id uuid PRIMARY KEY REFERENCES teamrbac.app_user);
CREATE TABLE shop."cart'" (user_id uuid CONSTRAINT "to'user" REFERENCES teamrbac.app_user ON DELETE CASCADE);
RESET ROLE;
CALL remedy();
SELECT severity, object, problem, remedy FROM teamrbac.check_setup();

DROP SCHEMA shop CASCADE;
DROP PROCEDURE remedy, migrate;
DROP FUNCTION public.seats;
SELECT teamrbac.unschedule_maintenance();
DROP EXTENSION pg_cron;
DROP EXTENSION teamrbac CASCADE;
DROP ROLE regress_app, regress_other, regress_migrator;
