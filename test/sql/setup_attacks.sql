-- All remedies of check_setup, run unread by a superuser in a database where everything has been named, written and
-- granted with that moment in mind: nobody gains anything by it, nothing of others goes, and the findings end.
--
-- Mallory may log in, owns a schema, and has what a role for migrations has.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
CREATE EXTENSION pg_cron;
\set SHOW_CONTEXT never
\set superuser :USER
SELECT count(*) FROM teamrbac.schedule_maintenance();
CREATE ROLE regress_mallory LOGIN;
CREATE ROLE regress_accomplice;
CREATE ROLE regress_victim LOGIN;
CREATE ROLE regress_dba SUPERUSER;
CREATE ROLE regress_backup BYPASSRLS;
CREATE ROLE regress_group ADMIN regress_mallory;
CREATE ROLE "regress'; ALTER ROLE regress_mallory SUPERUSER; --" BYPASSRLS;
CREATE ROLE U&"regress""\202E; \000A\001B[2J" BYPASSRLS;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_mallory, regress_group,
	"regress'; ALTER ROLE regress_mallory SUPERUSER; --", U&"regress""\202E; \000A\001B[2J";
GRANT REFERENCES (tenant_id) ON teamrbac.tenant TO regress_mallory;
CREATE SCHEMA mallory AUTHORIZATION regress_mallory;
CREATE SCHEMA victim AUTHORIZATION regress_victim;
SET ROLE regress_victim;
-- Of another application: its uuid is no tenant's.
CREATE TABLE victim.account (id uuid PRIMARY KEY, balance int);
CREATE POLICY own ON victim.account USING (balance > 0);
RESET ROLE;

\c - regress_mallory
SET search_path = mallory;
CREATE FUNCTION gain() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM mallory.gain_now(); RETURN
	true; END $$;
CREATE FUNCTION gain_now() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) CURRENT_USER) THEN ALTER ROLE
			regress_mallory SUPERUSER; END IF;
	END $$;
-- A policy whose text, with its misspelt permission replaced, is another statement.
CREATE TABLE replaced (tenant_id uuid NOT NULL, "c'" text, "c'team.manage'abc" text);
CREATE POLICY p ON replaced USING (teamrbac.has_permission(tenant_id, '" = ') AND "c'" = 'abc" IS NULL))); ALTER ROLE '
	'regress_mallory SUPERUSER; --');
CREATE POLICY q ON replaced USING (teamrbac.has_permission(tenant_id, E'x'' || E\'\\\'\n$$;ALTER ROLE regress_mallory '
	'SUPERUSER;--'));
CREATE TRIGGER t BEFORE UPDATE ON replaced FOR EACH ROW WHEN (NEW."c'" = 'abc" IS NULL) EXECUTE FUNCTION '
	'teamrbac.sign_out(); ALTER ROLE regress_mallory SUPERUSER; --')
	EXECUTE FUNCTION teamrbac.require_permission_on_change('" = ', 'tenant_id');
CREATE TRIGGER "off'; --" BEFORE UPDATE ON replaced FOR EACH ROW
	EXECUTE FUNCTION teamrbac.require_permission_on_change('prompts.edit', 'tenant_id');
ALTER TABLE replaced DISABLE TRIGGER "off'; --";
-- Names of tables, columns, policies, views, rules, functions and types: quotes, ends of statements and of lines, marks
-- of direction, what a terminal obeys, what has no width, and other findings' words.
CREATE TABLE names (id int, name text);
INSERT INTO names VALUES (1, 'x''; ALTER ROLE regress_mallory SUPERUSER; --'), (2, 'x"; ALTER ROLE regress_mallory '
	'SUPERUSER; --'), (3, '$$; $x$ ''''""'),
	(4, E'two\nlines; ALTER ROLE regress_mallory SUPERUSER;\n--'), (5, E'back\\slash\\''; --'),
		(6, U&'\202Eesrever\202C\200B'),
	(7, E'\x1b]0;title\x07\x1b[2J\r\u009b1m'), (8, U&'tag\+0E0041 \FEFF'), (9, 'x is fine; REVOKE ALL'),
		(10, ':superuser :''x'' \! id');
DO $$
DECLARE n record;
BEGIN
	FOR n IN SELECT * FROM mallory.names ORDER BY id LOOP
		EXECUTE format('CREATE TABLE mallory.%1$I (%1$I uuid REFERENCES teamrbac.tenant, gain int DEFAULT '
			'mallory.gain()::int, CHECK (mallory.gain()))', n.name);
		EXECUTE format('CREATE TABLE mallory.%I (%I uuid NOT NULL REFERENCES teamrbac.tenant, CHECK (mallory.gain()))',
			'n' || n.name, n.name);
		EXECUTE format('CREATE INDEX ON mallory.%I ((mallory.gain()))', n.name);
		EXECUTE format('CREATE POLICY %1$I ON mallory.%1$I USING (mallory.gain())', n.name);
		EXECUTE format('CREATE RULE %1$I AS ON INSERT TO mallory.%1$I WHERE mallory.gain() DO ALSO SELECT '
			'mallory.gain()', n.name);
		EXECUTE format('COMMENT ON TABLE mallory.%I IS %L', n.name, n.name);
		EXECUTE format('CREATE VIEW mallory.%I AS SELECT *, mallory.gain() AS gained FROM mallory.%I', 'v' || n.name,
			n.name);
		EXECUTE format('CREATE MATERIALIZED VIEW mallory.%I AS SELECT *, mallory.gain() AS gained FROM mallory.%I', 'm'
			|| n.name, n.name);
		EXECUTE format('GRANT ALL ON mallory.%I, mallory.%I, mallory.%I TO regress_accomplice WITH GRANT OPTION',
			n.name, 'v' || n.name, 'm' || n.name);
		EXECUTE format('CREATE TYPE mallory.%I AS ENUM ()', 'e' || n.name);
		EXECUTE format('CREATE FUNCTION mallory.%I(mallory.%I, int[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER '
			'AS ''BEGIN PERFORM teamrbac.sign_in(NULL); END''', n.name, 'e' || n.name);
		EXECUTE format('ALTER ROLE regress_mallory SET application_name = %L', n.name);
	END LOOP;
END $$;
-- A function with a body too big for a regular expression to be worth it.
DO $$ BEGIN EXECUTE format('CREATE FUNCTION mallory.big() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS %L',
	'BEGIN PERFORM teamrbac.sign_in(NULL); END -- ' || repeat('x', 1100000)); END $$;
-- A protected table with code in its index, to be run by whoever owns it; and a partition.
CREATE TABLE document (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (tenant_id);
CREATE TABLE "document'1" PARTITION OF document FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE INDEX ON document ((gain()));
SELECT teamrbac.protect_table('document', 'prompts.view', 'prompts.edit');
-- What protect_table refuses: another type, and a policy that has its policies' name.
CREATE DOMAIN own_uuid AS uuid CHECK (gain());
CREATE TABLE other_type (tenant_id own_uuid NOT NULL PRIMARY KEY REFERENCES teamrbac.tenant);
CREATE TABLE other_policy (tenant_id uuid NOT NULL PRIMARY KEY);
CREATE POLICY teamrbac_view ON other_policy AS RESTRICTIVE USING (gain());
-- Grants that call the DBA and the backup roles of the application, and so do memberships.
GRANT SELECT ON document TO regress_dba, regress_backup;
GRANT regress_group TO regress_backup;
-- Granted on by somebody else than the owner.
GRANT USAGE ON SCHEMA mallory TO regress_accomplice;
GRANT TRUNCATE ON document TO regress_accomplice WITH GRANT OPTION;
-- A policy that calls every table's id a tenant's.
CREATE TABLE teacher (id uuid NOT NULL PRIMARY KEY);
SELECT teamrbac.protect_table('teacher', 'prompts.view', 'prompts.edit', 'id');
-- A policy that is locked, and one that is deep: neither ends or holds up the check.
CREATE TABLE locked (tenant_id uuid NOT NULL PRIMARY KEY);
CREATE TABLE locked_too (tenant_id uuid NOT NULL PRIMARY KEY);
CREATE POLICY locked ON locked USING (EXISTS (SELECT FROM locked_too AS l WHERE teamrbac.has_permission(l.tenant_id,
	'x.y')));
CREATE TABLE deep (tenant_id uuid NOT NULL PRIMARY KEY, a int);
DO $$ BEGIN EXECUTE 'CREATE POLICY deep ON mallory.deep USING (teamrbac.has_permission(tenant_id, ''x.y'') AND 0 < '
	|| repeat('(a + ', 1500) || '1' || repeat(')', 1500) || ')'; END $$;
-- Operators and functions that a statement would take for the server's.
CREATE FUNCTION trap(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT mallory.gain()';
CREATE FUNCTION trap(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT mallory.gain()';
CREATE FUNCTION trap(teamrbac.mail_kind, teamrbac.mail_kind) RETURNS boolean LANGUAGE sql AS 'SELECT mallory.gain()';
CREATE FUNCTION trap(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT mallory.gain()';
CREATE OPERATOR = (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = trap);
CREATE OPERATOR = (LEFTARG = text, RIGHTARG = text, FUNCTION = trap);
CREATE OPERATOR = (LEFTARG = teamrbac.mail_kind, RIGHTARG = teamrbac.mail_kind, FUNCTION = trap);
CREATE OPERATOR < (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = trap);
CREATE FUNCTION now() RETURNS timestamptz LANGUAGE sql AS 'SELECT mallory.gain(); SELECT pg_catalog.clock_timestamp()';

\c - :"superuser"
SET client_min_messages = error; -- says that wal_level is too low for publications
GRANT EXECUTE ON FUNCTION teamrbac.register_user(text, text, uuid), teamrbac.sign_in(uuid, boolean)
	TO regress_accomplice WITH GRANT OPTION;
SET ROLE regress_accomplice;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_dba;
GRANT EXECUTE ON FUNCTION teamrbac.register_user(text, text, uuid) TO PUBLIC;
GRANT TRUNCATE ON mallory.document TO PUBLIC;
RESET ROLE;
CREATE PUBLICATION "regress'; ALTER ROLE regress_mallory SUPERUSER; --" FOR ALL TABLES;
CREATE PUBLICATION U&"regress\202E" FOR TABLE teamrbac.outbox;
BEGIN;
INSERT INTO teamrbac.app_user (user_id, email, display_name) VALUES ('00000000-0000-0000-0000-0000000000a1',
	'ann@example.com', 'Ann');
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('00000000-0000-0000-0000-000000000001',
	'00000000-0000-0000-0000-0000000000a1', 'owner');
INSERT INTO teamrbac.outbox (tenant_id, mail_id, kind, recipient, next_attempt_at, failed_at, last_error)
	SELECT '00000000-0000-0000-0000-000000000001', gen_random_uuid(), 'role_changed', 'bob@example.com', NULL, now(),
		'550 ' || name FROM mallory.names;
COMMIT;

-- Everything that somebody could gain: who may what, who owns what, and what runs.
CREATE VIEW state AS
	SELECT 'role' AS kind, rolname::text AS name, concat_ws(' ', rolsuper, rolcreaterole, rolcreatedb, rolcanlogin,
		rolreplication, rolbypassrls) AS is FROM pg_roles
	UNION ALL SELECT 'member', member::regrole::text, format('%s %s', roleid::regrole, admin_option)
		FROM pg_auth_members
	UNION ALL SELECT 'owner', pg_describe_object('pg_class'::regclass, oid, 0), relowner::regrole::text FROM pg_class
		WHERE oid >= 16384 AND relkind NOT IN ('i', 'I', 't')
	UNION ALL SELECT 'owner', oid::regprocedure::text, proowner::regrole::text FROM pg_proc WHERE oid >= 16384
	UNION ALL SELECT 'owner', nspname, nspowner::regrole::text FROM pg_namespace WHERE oid >= 16384
	UNION ALL SELECT 'owner', datname, datdba::regrole::text FROM pg_database
	UNION ALL SELECT 'owner', 'publication ' || pubname, pubowner::regrole::text FROM pg_publication
	UNION ALL SELECT 'grant', c.oid::regclass::text, concat_ws(' ', CASE grantee WHEN 0 THEN 'PUBLIC'
		ELSE grantee::regrole::text END, privilege_type, o) FROM pg_class AS c, aclexplode(relacl) AS a,
		unnest(ARRAY['', CASE WHEN is_grantable THEN 'grantable' ELSE '' END]) AS o WHERE oid >= 16384
	UNION ALL SELECT 'grant', c.oid::regclass || '.' || attname, concat_ws(' ', CASE grantee WHEN 0 THEN 'PUBLIC'
		ELSE grantee::regrole::text END, privilege_type, o) FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid,
		aclexplode(attacl) AS a, unnest(ARRAY['', CASE WHEN is_grantable THEN 'grantable' ELSE '' END]) AS o
		WHERE c.oid >= 16384
	UNION ALL SELECT 'grant', oid::regprocedure::text, concat_ws(' ', CASE grantee WHEN 0 THEN 'PUBLIC'
		ELSE grantee::regrole::text END, privilege_type, o) FROM pg_proc, aclexplode(COALESCE(proacl, acldefault('f',
		proowner))) AS a, unnest(ARRAY['', CASE WHEN is_grantable THEN 'grantable' ELSE '' END]) AS o
	UNION ALL SELECT 'grant', nspname, concat_ws(' ', CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
		privilege_type, o) FROM pg_namespace, aclexplode(nspacl) AS a, unnest(ARRAY['', CASE
		WHEN is_grantable THEN 'grantable' ELSE '' END]) AS o
	UNION ALL SELECT 'definition', oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc WHERE oid >= 16384
		AND prokind IN ('f', 'p')
	UNION ALL SELECT 'definition', oid::regclass::text, pg_get_viewdef(oid) FROM pg_class WHERE oid >= 16384
		AND relkind IN ('v', 'm')
	UNION ALL SELECT 'options', oid::regclass::text, reloptions::text FROM pg_class WHERE oid >= 16384 AND reloptions
		IS NOT NULL
	UNION ALL SELECT 'trigger', pg_get_triggerdef(oid), tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
	UNION ALL SELECT 'rule', pg_get_ruledef(oid), ev_enabled::text FROM pg_rewrite WHERE oid >= 16384
	UNION ALL SELECT 'policy', polrelid::regclass || ' ' || polname, concat_ws(' ', polcmd, polpermissive,
		polroles::regrole[], pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
	UNION ALL SELECT 'protection', oid::regclass::text, concat_ws(' ', relrowsecurity, relforcerowsecurity)
		FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p')
	UNION ALL SELECT 'setting', COALESCE(datname, ''), setrole::regrole || ' ' || setconfig::text
		FROM pg_db_role_setting LEFT JOIN pg_database AS d ON d.oid = setdatabase
	UNION ALL SELECT 'permission', permission, description FROM teamrbac.permission
	UNION ALL SELECT 'permission of', role, permission FROM teamrbac.role_permission
	UNION ALL SELECT 'membership', user_id::text, role::text FROM teamrbac.membership
	UNION ALL SELECT 'job', jobname, concat_ws(' ', command, database, username, active) FROM cron.job;
CREATE TABLE before AS TABLE state;
CREATE TEMP TABLE found AS SELECT * FROM teamrbac.check_setup();

-- No setting of the session, which its role or its database may have been given, changes what is found.
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET search_path = mallory, public, pg_catalog;
SET DateStyle = 'German';
SET backslash_quote = on;
SET quote_all_identifiers = on;
SELECT * FROM teamrbac.check_setup() EXCEPT ALL SELECT * FROM pg_temp.found;
RESET standard_conforming_strings;
RESET quote_all_identifiers;
RESET search_path;
RESET DateStyle;
SET max_stack_depth = '250kB';
SELECT severity, object, problem, remedy FROM teamrbac.check_setup() WHERE object ~ 'policy deep';
SELECT count(*) > 50 AS others FROM teamrbac.check_setup();
RESET max_stack_depth;
-- Nothing is opened that its owner might have locked, nor printed that a terminal would obey or nobody would see.
BEGIN;
SELECT count(*) > 50 AS found FROM teamrbac.check_setup();
SELECT relation::regclass FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN (SELECT oid FROM pg_class
	WHERE relnamespace IN ('mallory'::regnamespace, 'victim'::regnamespace));
COMMIT;
SELECT object FROM found WHERE concat(object, problem,
	remedy) ~ '[\x01-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\ufeff\U000e0041]';

SELECT severity, object, problem FROM teamrbac.check_setup() WHERE remedy IS NULL AND object !~ 'mallory'
	OR object ~ 'document|locked|deep|replaced|victim|teacher|other|big|^publication|^role';

-- The DBA runs them all, in a session whose search_path Mallory would have chosen.
SET search_path = mallory, public, pg_catalog;
SELECT remedy FROM teamrbac.check_setup() \gexec
RESET search_path;
-- What autovacuum would do.
ANALYZE;
SELECT object, problem, remedy FROM teamrbac.check_setup() WHERE remedy IS NOT NULL;
-- Nobody has gained anything: no attribute, membership, ownership, grant, code, setting or job is new.
SELECT kind, name, "is" FROM (TABLE state EXCEPT TABLE before) AS gained
	WHERE kind NOT IN ('policy', 'protection', 'options', 'trigger', 'owner') AND NOT (kind = 'role'
		AND name ~ '^regress["'']' AND "is" ~ 'f$')
	ORDER BY 1, 2, 3;
SELECT kind, name, "is" FROM (TABLE state EXCEPT TABLE before) AS gained WHERE kind = 'owner'
	AND name !~ '^pg_(toast_)?temp|^table (before|found)$' AND "is" NOT IN (SELECT "is" FROM before AS b
	WHERE b.kind = 'owner' AND b.name = gained.name);
-- What is new besides protects: by the server's own operators, whatever the search_path.
SELECT kind, CASE kind WHEN 'policy' THEN CASE WHEN "is" ~ 'teamrbac\.(permitted_tenant|has_permission)' THEN 'asks' END
			   || CASE WHEN "is" ~ 'OPERATOR\(mallory' THEN ', by a planted operator' ELSE '' END ELSE "is" END AS is,
			       count(*)
	FROM (TABLE state EXCEPT TABLE before) AS gained
	WHERE kind IN ('policy', 'protection', 'options', 'trigger')
	GROUP BY 1, 2 ORDER BY 1, 2;
-- And nothing of others is lost.
SELECT kind, name, "is" FROM (TABLE before EXCEPT TABLE state) AS lost WHERE name ~ 'victim|dba|backup' ORDER BY 1, 2;
SELECT teamrbac.printable(rolname) AS role, rolsuper, rolbypassrls FROM pg_roles WHERE rolname ~ '^regress'
	ORDER BY rolname COLLATE "C";

-- What has no remedy ends by doing what the problem says.
SELECT severity, object, problem FROM teamrbac.check_setup() WHERE object !~ '[\\'';]';
SELECT teamrbac.define_permission('x.y', 'Meant after all');
ALTER POLICY p ON mallory.replaced USING (teamrbac.has_permission(tenant_id, 'prompts.view'));
DROP POLICY q ON mallory.replaced;
DROP TABLE mallory.other_type, mallory.other_policy;
REVOKE EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) FROM regress_accomplice CASCADE;
DROP TRIGGER t ON mallory.replaced;
REVOKE SELECT ON mallory.document FROM regress_dba, regress_backup;
DO $$ DECLARE c record; BEGIN FOR c IN SELECT attrelid::regclass AS table, attname FROM pg_attribute
	JOIN mallory.names ON attname = name WHERE attrelid::regclass::text ~ '^mallory' AND atttypid = 'uuid'::regtype
	AND NOT attnotnull AND (SELECT relkind FROM pg_class WHERE oid = attrelid) = 'r' LOOP
	-- As the owner: an immutable function in a CHECK is run when the server looks whether that implies NOT NULL.
	EXECUTE format('SET LOCAL ROLE regress_mallory; ALTER TABLE %s ALTER COLUMN %I SET NOT NULL; RESET ROLE; SELECT '
		'teamrbac.protect_table(%L, ''prompts.view'', NULL, %L)', c.table, c.attname, c.table,
		c.attname); END LOOP; END $$;
SELECT remedy FROM teamrbac.check_setup() WHERE severity = 'notice' AND remedy ~ 'INDEX' \gexec
CREATE ROLE regress_owner NOLOGIN;
GRANT USAGE ON SCHEMA mallory TO regress_owner;
DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'mallory'::regnamespace
	AND relkind IN ('r', 'p') LOOP EXECUTE format('ALTER TABLE %s OWNER TO regress_owner', t); END LOOP; END $$;
ANALYZE;
SELECT * FROM teamrbac.check_setup();
SELECT rolname, rolsuper FROM pg_roles WHERE rolname IN ('regress_mallory', 'regress_owner') ORDER BY 1;

DROP VIEW state;
DROP TABLE before;
DROP PUBLICATION "regress'; ALTER ROLE regress_mallory SUPERUSER; --", U&"regress\202E";
SELECT teamrbac.unschedule_maintenance();
DROP EXTENSION pg_cron;
DROP EXTENSION teamrbac CASCADE;
DROP SCHEMA mallory CASCADE;
DROP OWNED BY regress_mallory, regress_accomplice, regress_victim, regress_backup, regress_group, regress_owner;
DROP ROLE regress_mallory, regress_accomplice, regress_victim, regress_dba, regress_backup, regress_group,
	regress_owner,
	"regress'; ALTER ROLE regress_mallory SUPERUSER; --", U&"regress""\202E; \000A\001B[2J";
