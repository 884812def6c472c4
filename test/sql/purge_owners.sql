-- purge and tables of several roles: each is read and changed as its own owner, and nobody's code runs as another.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set owner '''00000000-0000-0000-0000-0000000000a1'''
SELECT count(teamrbac.register_user('a1@example.com', 'Ann', :owner));
CREATE ROLE regress_mallory;
CREATE ROLE regress_alice;
CREATE ROLE regress_bob;
CREATE ROLE regress_dba SUPERUSER;
CREATE SCHEMA alice AUTHORIZATION regress_alice;
CREATE SCHEMA bob AUTHORIZATION regress_bob;
CREATE SCHEMA mallory AUTHORIZATION regress_mallory;
GRANT USAGE ON SCHEMA teamrbac TO regress_mallory, regress_alice, regress_bob;
GRANT USAGE ON SCHEMA alice, bob, mallory TO PUBLIC;
GRANT REFERENCES ON teamrbac.tenant, teamrbac.membership TO regress_mallory, regress_alice, regress_bob;
\set purge 'SET regress.purging = on; CALL teamrbac.purge(3); RESET regress.purging;'
-- Traps: whose code is it, and who runs it?  An immutable function that says so behind an index and statistics;
-- triggers of each kind.
CREATE FUNCTION trap(owner name, what text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user <> owner AND current_setting('regress.purging', true) = 'on' THEN RAISE WARNING '% of % run by %', what, owner, CASE WHEN pg_has_role(current_user, 'pg_monitor', 'USAGE') THEN 'a superuser' ELSE current_user::text END; END IF;
	RETURN 0;
END $$;
CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.trap(TG_ARGV[0]::name, TG_WHEN || ' ' || TG_LEVEL || ' trigger');
	RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE PROCEDURE set_traps(relation regclass) LANGUAGE plpgsql AS $$
DECLARE owner name := (SELECT relowner::regrole FROM pg_class WHERE oid = relation);
BEGIN
	EXECUTE format('CREATE INDEX ON %s ((id + public.trap(%L, %L)))', relation, owner, 'index');
	EXECUTE format('CREATE STATISTICS %s_trap ON (id + public.trap(%L, %L)), id FROM %s', relation, owner, 'statistics', relation);
	EXECUTE format('CREATE TRIGGER bs BEFORE DELETE OR UPDATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION public.trap(%L)', relation, owner);
	EXECUTE format('CREATE TRIGGER br BEFORE DELETE OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION public.trap(%L)', relation, owner);
	EXECUTE format('CREATE TRIGGER ar AFTER DELETE OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION public.trap(%L)', relation, owner);
	EXECUTE format('CREATE TRIGGER astm AFTER DELETE OR UPDATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION public.trap(%L)', relation, owner);
END $$;
CREATE FUNCTION doomed(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || lpad(n::text, 2, '0'))::uuid $$;
CREATE PROCEDURE make(n int) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO teamrbac.tenant (tenant_id, name, deleted_at) VALUES (doomed(n), 'T', now() - interval '31 days');
	INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (doomed(n), '00000000-0000-0000-0000-0000000000a1', 'owner');
END $$;

-- 1. A superuser's own table refers to a stranger's, whose index is a trap.
CALL make(1);
SET ROLE regress_mallory;
CREATE TABLE mallory.parent (id int PRIMARY KEY, tenant_id uuid REFERENCES teamrbac.tenant ON DELETE CASCADE);
GRANT REFERENCES ON mallory.parent TO PUBLIC;
RESET ROLE;
CREATE TABLE child (id int REFERENCES mallory.parent ON DELETE CASCADE);
ALTER TABLE child OWNER TO regress_dba;
INSERT INTO mallory.parent VALUES (1, doomed(1));
INSERT INTO child VALUES (1);
CALL set_traps('mallory.parent');
CALL set_traps('child');
:purge
SELECT count(*) FROM mallory.parent;
-- As the hint says.
ALTER TABLE child ADD tenant_id uuid DEFAULT doomed(1) REFERENCES teamrbac.tenant ON DELETE CASCADE, DROP CONSTRAINT child_id_fkey,
	ADD CONSTRAINT child_id_fkey FOREIGN KEY (id) REFERENCES mallory.parent;
:purge
SELECT count(*) FROM mallory.parent;
DROP TABLE child, mallory.parent;

-- 2. Two roles, each with tables of the tenant's that refer to each other's without ON DELETE, to memberships, to the
-- slug, and along a way of their own.
CALL make(2);
UPDATE teamrbac.tenant SET slug = 'two' WHERE tenant_id = doomed(2);
SET ROLE regress_alice;
CREATE TABLE alice.doc (tenant_id uuid REFERENCES teamrbac.tenant ON DELETE CASCADE, id int PRIMARY KEY);
CREATE TABLE alice.line (doc int REFERENCES alice.doc ON DELETE CASCADE, id int PRIMARY KEY);
CREATE TABLE alice.word (line int REFERENCES alice.line ON DELETE CASCADE, id int);
GRANT REFERENCES ON alice.doc TO regress_bob;
SET ROLE regress_bob;
CREATE TABLE bob.remark (tenant_id uuid REFERENCES teamrbac.tenant ON DELETE CASCADE, doc int REFERENCES alice.doc, id int);
CREATE TABLE bob.task (tenant_id uuid NOT NULL, user_id uuid, id int, FOREIGN KEY (tenant_id, user_id) REFERENCES teamrbac.membership ON DELETE CASCADE);
CREATE TABLE bob.assignee (tenant_id uuid, user_id uuid, id int, FOREIGN KEY (tenant_id, user_id) REFERENCES teamrbac.membership ON DELETE SET NULL (user_id));
CREATE TABLE bob.former (tenant_id uuid REFERENCES teamrbac.tenant ON DELETE SET NULL, id int PRIMARY KEY);
RESET ROLE;
INSERT INTO alice.doc VALUES (doomed(2), 1), (doomed(2), 2);
INSERT INTO alice.line VALUES (1, 1), (2, 2);
INSERT INTO alice.word SELECT 1 + n % 2, n FROM generate_series(1, 10) AS n;
INSERT INTO bob.remark VALUES (doomed(2), 1, 1);
INSERT INTO bob.task VALUES (doomed(2), :owner, 1);
INSERT INTO bob.assignee VALUES (doomed(2), :owner, 1), (doomed(2), NULL, 2);
INSERT INTO bob.former VALUES (doomed(2), 1);
DO $$ DECLARE r regclass; BEGIN
	FOREACH r IN ARRAY '{alice.doc,alice.line,alice.word,bob.remark,bob.task,bob.assignee,bob.former}'::regclass[] LOOP CALL set_traps(r); END LOOP; END $$;
:purge
SELECT (SELECT count(*) FROM alice.doc) AS docs, (SELECT count(*) FROM alice.word) AS words, (SELECT count(*) FROM bob.remark) AS remarks,
	(SELECT count(*) FROM bob.task) AS tasks, (SELECT count(*) FROM bob.assignee WHERE user_id IS NULL) AS unassigned,
	(SELECT count(*) FROM bob.former WHERE tenant_id IS NULL) AS former, (SELECT count(*) FROM teamrbac.tenant) AS tenants;
DROP TABLE bob.remark, bob.task, bob.assignee, bob.former, alice.word, alice.line, alice.doc;

-- 3. Behind a table of ours, a foreign key that does not say the tenant.
CALL make(3);
CREATE UNIQUE INDEX once ON teamrbac.membership (joined_at);
SET ROLE regress_bob;
CREATE TABLE bob.loose (joined_at timestamptz REFERENCES teamrbac.membership (joined_at) ON DELETE CASCADE, id int);
RESET ROLE;
:purge
DROP TABLE bob.loose;
DROP INDEX teamrbac.once;
:purge
SELECT count(*) FROM teamrbac.tenant;

-- 4. Partitions and heirs of another role.
CALL make(4);
SET ROLE regress_alice;
CREATE TABLE alice.log (tenant_id uuid REFERENCES teamrbac.tenant ON DELETE CASCADE, id int) PARTITION BY RANGE (id);
CREATE TABLE alice.log_1 PARTITION OF alice.log FOR VALUES FROM (0) TO (10);
CREATE TABLE alice.folder (tenant_id uuid REFERENCES teamrbac.tenant ON DELETE CASCADE, id int PRIMARY KEY, parent int REFERENCES alice.folder ON DELETE CASCADE);
RESET ROLE;
INSERT INTO alice.log VALUES (doomed(4), 1);
ALTER TABLE alice.log_1 OWNER TO regress_bob;
CALL set_traps('alice.log_1');
:purge
ALTER TABLE alice.log OWNER TO regress_bob;
INSERT INTO alice.folder VALUES (doomed(4), 1);
CREATE TABLE bob.folder () INHERITS (alice.folder);
ALTER TABLE bob.folder OWNER TO regress_bob;
CALL set_traps('bob.folder');
:purge
DROP TABLE bob.folder;
:purge
SELECT count(*) FROM teamrbac.tenant;
DROP TABLE alice.log, alice.folder;

-- 5. A way that another role's table stands in: by a cascade beyond, by an update, in a circle.
CALL make(5);
SET ROLE regress_alice;
CREATE TABLE alice.a (tenant_id uuid REFERENCES teamrbac.tenant ON DELETE CASCADE, id int PRIMARY KEY);
CREATE TABLE alice.b (a int REFERENCES alice.a ON DELETE SET NULL ON UPDATE CASCADE, id int PRIMARY KEY, UNIQUE (a));
GRANT REFERENCES ON alice.a, alice.b TO regress_bob;
SET ROLE regress_bob;
CREATE TABLE bob.c (a int REFERENCES alice.b (a) ON UPDATE SET NULL, id int PRIMARY KEY);
RESET ROLE;
INSERT INTO alice.a VALUES (doomed(5), 1);
INSERT INTO alice.b VALUES (1, 1);
INSERT INTO bob.c VALUES (1, 1);
CALL set_traps('bob.c');
:purge
ALTER TABLE bob.c DROP CONSTRAINT c_a_fkey;
GRANT REFERENCES ON bob.c TO regress_alice;
ALTER TABLE alice.a ADD c int REFERENCES bob.c ON DELETE CASCADE;
ALTER TABLE bob.c ADD FOREIGN KEY (a) REFERENCES alice.a ON DELETE CASCADE;
UPDATE alice.a SET c = 1;
:purge
DROP TABLE bob.c CASCADE;
:purge
SELECT count(*) FROM teamrbac.tenant;
DROP TABLE alice.a, alice.b;

-- ... or behind a partition alone, of a table whose rows forget the tenant.
CALL make(5);
SET ROLE regress_alice;
CREATE TABLE alice.part (tenant_id uuid REFERENCES teamrbac.tenant ON DELETE SET NULL, id int, part int) PARTITION BY LIST (part);
CREATE TABLE alice.part_1 PARTITION OF alice.part FOR VALUES IN (1);
ALTER TABLE alice.part_1 ADD UNIQUE (tenant_id);
GRANT REFERENCES ON alice.part_1 TO regress_bob;
SET ROLE regress_bob;
CREATE TABLE bob.behind (tenant_id uuid REFERENCES alice.part_1 (tenant_id) ON UPDATE CASCADE, id int);
RESET ROLE;
INSERT INTO alice.part VALUES (doomed(5), 1, 1);
INSERT INTO bob.behind VALUES (doomed(5), 1);
CALL set_traps('bob.behind');
:purge
DROP TABLE bob.behind;
:purge
SELECT count(*) FROM teamrbac.tenant;
DROP TABLE alice.part;

-- 6. While a batch runs: a trigger of Bob's lets a table of his refer to Alice's.
CALL make(6);
SET ROLE regress_alice;
CREATE TABLE alice.doc (tenant_id uuid REFERENCES teamrbac.tenant ON DELETE CASCADE, id int PRIMARY KEY);
GRANT REFERENCES, SELECT ON alice.doc TO regress_bob;
SET ROLE regress_bob;
CREATE TABLE bob.early (tenant_id uuid REFERENCES teamrbac.tenant ON DELETE CASCADE, doc int REFERENCES alice.doc, id int);
CREATE TABLE bob.later (doc int, id int);
CREATE FUNCTION bob.sneak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	ALTER TABLE bob.later ADD FOREIGN KEY (doc) REFERENCES alice.doc ON DELETE CASCADE; RETURN NULL; END $$;
CREATE TRIGGER sneak AFTER DELETE ON bob.early FOR EACH STATEMENT EXECUTE FUNCTION bob.sneak();
RESET ROLE;
INSERT INTO alice.doc VALUES (doomed(6), 1);
INSERT INTO bob.early VALUES (doomed(6), 1, 1);
INSERT INTO bob.later VALUES (1, 1);
CALL set_traps('bob.later');
:purge
DROP TRIGGER sneak ON bob.early;
:purge
SELECT count(*) FROM teamrbac.tenant;
DROP TABLE bob.early, bob.later, alice.doc;

-- 7. While a batch runs: the owner of a schema puts another table in the place of one.
CALL make(7);
GRANT CREATE ON DATABASE :DBNAME TO regress_alice;
SET ROLE regress_alice;
CREATE SCHEMA hall;
GRANT ALL ON SCHEMA hall TO regress_bob;
CREATE TABLE alice.z_first (tenant_id uuid REFERENCES teamrbac.tenant ON DELETE CASCADE, doc int, id int);
CREATE FUNCTION alice.swap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	ALTER SCHEMA hall RENAME TO old_hall;
	CREATE SCHEMA hall;
	GRANT ALL ON SCHEMA hall TO PUBLIC;
	CREATE TABLE hall.doc (tenant_id uuid, id int);
	GRANT ALL ON hall.doc TO PUBLIC;
	CREATE INDEX ON hall.doc ((id + public.trap('regress_alice', 'index')));
	RETURN NULL; END $$;
CREATE TRIGGER swap AFTER DELETE ON alice.z_first FOR EACH STATEMENT EXECUTE FUNCTION alice.swap();
SET ROLE regress_bob;
CREATE TABLE hall.doc (tenant_id uuid REFERENCES teamrbac.tenant ON DELETE CASCADE, id int PRIMARY KEY);
GRANT REFERENCES ON hall.doc TO regress_alice;
RESET ROLE;
ALTER TABLE alice.z_first ADD FOREIGN KEY (doc) REFERENCES hall.doc;
INSERT INTO hall.doc VALUES (doomed(7), 1);
INSERT INTO alice.z_first VALUES (doomed(7), 1, 1);
:purge
-- The same with a table of its own in the place: not the rows that were found.
ALTER TABLE hall.doc OWNER TO regress_alice;
:purge
DROP TRIGGER swap ON alice.z_first;
:purge
SELECT count(*) FROM teamrbac.tenant;
DROP SCHEMA hall CASCADE;
DROP TABLE alice.z_first;

-- 8. A circle of one role's tables whose index and constraint have other names by now.
CALL make(8);
SET ROLE regress_alice;
CREATE TABLE alice.chat (tenant_id uuid REFERENCES teamrbac.tenant ON DELETE CASCADE, id int PRIMARY KEY, last int);
CREATE TABLE alice.message (chat int REFERENCES alice.chat ON DELETE CASCADE, id int PRIMARY KEY);
ALTER TABLE alice.chat ADD FOREIGN KEY (last) REFERENCES alice.message;
RESET ROLE;
INSERT INTO alice.chat VALUES (doomed(8), 1);
INSERT INTO alice.message VALUES (1, 1);
UPDATE alice.chat SET last = 1;
CALL set_traps('alice.chat');
CALL set_traps('alice.message');
ALTER INDEX alice.chat_pkey RENAME TO swap;
ALTER INDEX alice.message_pkey RENAME TO chat_pkey;
ALTER INDEX alice.swap RENAME TO "message ""pkey""";
ALTER TABLE alice.chat RENAME CONSTRAINT chat_last_fkey TO "other ""name""";
:purge
SELECT count(*) FROM teamrbac.tenant;
DROP TABLE alice.chat, alice.message;

-- 9. A stranger's operator behind a foreign key, and a rule.
CALL make(9);
SET ROLE regress_mallory;
CREATE FUNCTION mallory.eq(int, int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM public.trap('regress_mallory', 'operator'); RETURN $1 = $2; END $$;
CREATE FUNCTION mallory.lt(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 < $2';
CREATE OPERATOR mallory.= (LEFTARG = int, RIGHTARG = int, FUNCTION = mallory.eq);
CREATE OPERATOR mallory.< (LEFTARG = int, RIGHTARG = int, FUNCTION = mallory.lt);
RESET ROLE;
CREATE OPERATOR CLASS mallory.ops FOR TYPE int USING btree AS OPERATOR 1 mallory.<, OPERATOR 3 mallory.=, FUNCTION 1 pg_catalog.btint4cmp(int, int);
SET ROLE regress_alice;
CREATE TABLE alice.doc (tenant_id uuid REFERENCES teamrbac.tenant ON DELETE CASCADE, id int);
CREATE UNIQUE INDEX ON alice.doc (id mallory.ops);
CREATE TABLE alice.line (doc int, id int);
RESET ROLE;
ALTER TABLE alice.line ADD FOREIGN KEY (doc) REFERENCES alice.doc (id) ON DELETE CASCADE;
SELECT DISTINCT conpfeqop[1]::regoperator FROM pg_constraint WHERE conrelid = 'alice.line'::regclass;
INSERT INTO alice.doc VALUES (doomed(9), 1);
CALL set_traps('alice.doc');
:purge
ALTER TABLE alice.line DROP CONSTRAINT line_doc_fkey;
CREATE TABLE none ();
CREATE RULE instead AS ON DELETE TO alice.doc DO INSTEAD DELETE FROM public.none;
:purge
DROP RULE instead ON alice.doc;
CREATE RULE also AS ON DELETE TO alice.doc DO ALSO DELETE FROM public.none;
:purge
DROP RULE also ON alice.doc;
:purge
SELECT count(*) FROM teamrbac.tenant;

DROP SCHEMA alice, bob, mallory CASCADE;
DROP TABLE none;
DROP EXTENSION teamrbac CASCADE;
DROP PROCEDURE set_traps(regclass), make(int);
DROP FUNCTION trap(name, text), trap(), doomed(int);
DROP OWNED BY regress_alice, regress_bob, regress_mallory;
DROP ROLE regress_mallory, regress_alice, regress_bob, regress_dba;
