-- What fickle does to protected tables, done to our own views: a condition that gives another value each time shows no
-- row, no name and no address that is not there without it, whichever columns it compares.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE ROLE regress_app;
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user('u' || n || '@' || t || '.example', t || ' ' || n, u(n)))
	FROM (VALUES ('mine', '01'), ('mine', '02'), ('foreign', '03'), ('foreign', '04')) AS v(t, n);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'mine'), (u('b0'), 'foreign');
INSERT INTO teamrbac.membership (tenant_id, user_id, role)
	VALUES (u('a0'), u('01'), 'owner'), (u('b0'), u('03'), 'owner');
COMMIT;
-- In each tenant the same: a key in use, an invitation, a link, a domain, a request, a mail that came back.
CREATE PROCEDURE fill(tenant_id uuid, owner uuid, asker uuid, name text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM teamrbac.sign_in(owner);
	PERFORM teamrbac.create_api_key(tenant_id, name || ' key', 'reader');
	PERFORM teamrbac.invite_member(tenant_id, 'x@' || name || '.org', 'reader');
	PERFORM teamrbac.invite_by_link(tenant_id, 'reader');
	CALL teamrbac.allow_domain(tenant_id, name || '.example', 'reader', false);
	PERFORM teamrbac.sign_in(asker);
	CALL teamrbac.request_to_join(tenant_id);
	PERFORM teamrbac.sign_out();
	UPDATE teamrbac.api_key_use AS k SET last_used_at = '2001-01-01'::timestamptz + length(name) * interval '1 day'
		WHERE k.tenant_id = fill.tenant_id;
	UPDATE teamrbac.outbox AS o SET failed_at = now(), last_error = name, next_attempt_at = NULL, token = NULL
		WHERE o.tenant_id = fill.tenant_id;
END $$;
CALL fill(u('a0'), u('01'), u('02'), 'mine');
CALL fill(u('b0'), u('03'), u('04'), 'foreign');
-- What a column of that name is compared with: somebody else's first, then one's own.
CREATE TABLE id AS
	SELECT 'tenant_id' AS kind, u('b0') AS foreign, u('a0') AS own
	UNION ALL SELECT 'user', u('03'), u('01') UNION ALL SELECT 'user', u('04'), u('01')
	UNION ALL SELECT 'user', u('04'), u('02')
	UNION ALL SELECT 'key_id', f.key_id, o.key_id FROM teamrbac.api_key AS f, teamrbac.api_key AS o
		WHERE f.tenant_id = u('b0') AND o.tenant_id = u('a0')
	UNION ALL SELECT 'invitation_id', f.invitation_id, o.invitation_id
		FROM teamrbac.invitation AS f, teamrbac.invitation AS o WHERE f.tenant_id = u('b0') AND o.tenant_id = u('a0');
GRANT SELECT ON id TO regress_app;
CREATE TABLE tried (relation name, seen bigint, columns bigint);
GRANT ALL ON tried TO regress_app;
SELECT teamrbac.sign_in(u('01'), false);
SET ROLE regress_app;
-- The n-th call gives the n-th bit's choice.
CREATE FUNCTION pg_temp.fickle(foreign_id uuid, own_id uuid) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
DECLARE
	n int := current_setting('x.calls')::int;
BEGIN
	PERFORM set_config('x.calls', (n + 1)::text, false);
	RETURN CASE current_setting('x.choices')::int >> n & 1 WHEN 1 THEN own_id ELSE foreign_id END;
END $$;
CREATE FUNCTION pg_temp.foreign_rows(relation regclass, condition text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	usual text[];
BEGIN
	EXECUTE format('SELECT array_agg(v::text) FROM %s AS v', relation) INTO usual;
	FOR choices IN 0..127 LOOP
		PERFORM set_config('x.calls', '0', false), set_config('x.choices', choices::text, false);
		RETURN QUERY EXECUTE format('SELECT v::text FROM %s AS v WHERE %s EXCEPT SELECT unnest($1)', relation, condition)
			USING usual;
	END LOOP;
END $$;
-- Every uuid of every view that everybody may read, alone and two at a time.
CREATE PROCEDURE pg_temp.try(relation regclass) LANGUAGE plpgsql AS $$
DECLARE
	conditions text[];
BEGIN
	SELECT array_agg(format('v.%I = pg_temp.fickle(%L, %L)', a.attname, id.foreign, id.own)
			ORDER BY a.attnum, id.foreign, id.own) INTO conditions
		FROM pg_attribute AS a JOIN public.id
			ON id.kind = CASE WHEN a.attname IN ('tenant_id', 'key_id', 'invitation_id') THEN a.attname ELSE 'user' END
		WHERE a.attrelid = relation AND a.atttypid = 'uuid'::regtype;
	INSERT INTO public.tried
		SELECT relation::name, (SELECT count(*) FROM unnest(conditions) AS a, unnest(conditions || 'true'::text) AS b,
				pg_temp.foreign_rows(relation, concat_ws(' AND ', a, b)) WHERE a <> b), cardinality(conditions);
END $$;
DO $$
DECLARE
	v regclass;
BEGIN
	FOR v IN SELECT oid FROM pg_class WHERE relnamespace = 'teamrbac'::regnamespace AND relkind = 'v'
			AND has_table_privilege(oid, 'SELECT') ORDER BY relname LOOP
		CALL pg_temp.try(v);
	END LOOP;
END $$;
RESET ROLE;
SELECT relation, seen, columns FROM tried ORDER BY relation COLLATE "C";
SELECT teamrbac.sign_out();
DROP OWNED BY regress_app;
DROP TABLE id, tried;
DROP EXTENSION teamrbac CASCADE;
DROP PROCEDURE fill(uuid, uuid, uuid, text);
DROP FUNCTION u(text);
DROP ROLE regress_app;
