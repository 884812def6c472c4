-- PostgreSQL may compute what a query compares a column with more than once, and compare one of the values with the
-- policy's and another with the column.  One that says it is stable and is not gets nobody a foreign row.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE ROLE regress_app;
CREATE FUNCTION u(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
SELECT count(teamrbac.register_user('u' || n || '@example.com', 'u' || n, u(n))) FROM generate_series(9001, 9002) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT u(n), 't' || n FROM generate_series(1, 10) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u(n), u(9001), 'owner' FROM generate_series(1, 10) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u(7), u(9002), 'developer');
COMMIT;
CREATE TABLE doc (tenant_id uuid NOT NULL, id int, body text, PRIMARY KEY (tenant_id, id));
INSERT INTO doc SELECT u(1 + g % 10), g, 'body' FROM generate_series(1, 1000) AS g;
CREATE TABLE part (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (tenant_id);
CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO part SELECT tenant_id, id FROM doc;
VACUUM ANALYZE doc, part;
SELECT teamrbac.protect_table(t, 'prompts.view', 'prompts.edit') FROM unnest(ARRAY['doc', 'part']::regclass[]) AS t;
GRANT ALL ON doc, part TO regress_app;
SELECT teamrbac.sign_in(u(9002), false);
SET ROLE regress_app;
CREATE TEMP SEQUENCE flips;
CREATE FUNCTION pg_temp.fickle() RETURNS uuid LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN CASE nextval('flips') % 2 WHEN 0 THEN u(7) ELSE u(8) END; END $$;
CREATE FUNCTION pg_temp.seen(query text) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
DECLARE
	m text;
BEGIN
	FOREACH m IN ARRAY ARRAY['seqscan', 'indexscan', 'bitmapscan', 'indexonlyscan'] LOOP
		PERFORM set_config('enable_' || x, CASE WHEN x = m THEN 'on' ELSE 'off' END, true) FROM unnest(ARRAY['seqscan', 'indexscan', 'bitmapscan', 'indexonlyscan']) AS x;
		-- Two in a row begin with either value, whatever their number.
		FOR i IN 1..6 LOOP
			PERFORM nextval('flips') FROM generate_series(1, i % 3);
			RETURN QUERY EXECUTE query;
		END LOOP;
	END LOOP;
END $$;
SELECT seen FROM pg_temp.seen('SELECT tenant_id FROM doc WHERE tenant_id = pg_temp.fickle()') AS seen WHERE seen <> u(7) GROUP BY 1;
SELECT seen FROM pg_temp.seen('SELECT tenant_id FROM part WHERE tenant_id = pg_temp.fickle()') AS seen WHERE seen <> u(7) GROUP BY 1;
SELECT seen FROM pg_temp.seen('SELECT d.tenant_id FROM doc AS d JOIN part AS p USING (tenant_id, id) WHERE p.tenant_id = pg_temp.fickle()') AS seen WHERE seen <> u(7) GROUP BY 1;
SELECT seen FROM pg_temp.seen('UPDATE doc SET body = body WHERE tenant_id = pg_temp.fickle() RETURNING tenant_id') AS seen WHERE seen <> u(7) GROUP BY 1;
-- With what everybody has: a setting that the query itself changes.
CREATE FUNCTION pg_temp.by_setting() RETURNS SETOF uuid LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('x.tenant', u(7)::text, true);
	SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_material = off;
	RETURN QUERY SELECT d.tenant_id FROM (SELECT set_config('x.tenant', u(8)::text, true) AS s OFFSET 0) AS s CROSS JOIN doc AS d WHERE d.tenant_id = current_setting('x.tenant')::uuid AND s.s <> '';
END $$;
SELECT seen FROM pg_temp.by_setting() AS seen WHERE seen <> u(7) GROUP BY 1;
RESET ROLE;
SELECT teamrbac.sign_out();
DROP OWNED BY regress_app;
DROP TABLE doc, part;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(int);
DROP ROLE regress_app;
