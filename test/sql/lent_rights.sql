-- What needs no permission of a superuser: their maintenance runs code of whoever owns a table, and lends it nothing of
-- that.
\set ECHO none
\i test/fixtures/acme.sql
\set ECHO all
CREATE ROLE regress_mallory;
CREATE SCHEMA mallory AUTHORIZATION regress_mallory;
BEGIN;
SELECT teamrbac.sign_in(u('01'));
SELECT teamrbac.start_review(u('a0'), now() + interval '1 day') AS review \gset
COMMIT;
-- Every function that everybody may execute and that runs with our rights, with arguments that a superuser would be
-- answered by.  Commands are tried as well.
CREATE VIEW public.everything AS
SELECT p.oid::regprocedure::text AS called,
	   CASE p.prokind WHEN 'p' THEN 'CALL ' ELSE 'SELECT count(*) FROM ' END || p.oid::regproc || '('
	   || COALESCE(string_agg(CASE
			WHEN a.type = 'uuid'::regtype THEN format('%L::uuid', CASE a.name WHEN 'review_id' THEN :'review'
				WHEN 'user_or_key_id' THEN u('02') WHEN 'user_id' THEN u('05') ELSE u('a0') END)
			WHEN a.type = 'timestamptz'::regtype THEN 'now()'
			WHEN a.name = 'scope' THEN '''tenant''' WHEN a.name = 'permission' THEN '''prompts.view'''
			WHEN a.name = 'role' THEN '''reader''' WHEN a.type = 'integer'::regtype THEN '10'
			WHEN a.name = 'after_sequence' THEN '0'
			ELSE format('NULL::%s', a.type::regtype) END, ', ' ORDER BY a.n) FILTER (WHERE a.n IS NOT NULL), '') || ')' AS call
FROM pg_proc AS p
LEFT JOIN LATERAL (SELECT u.n, u.type, p.proargnames[u.n] AS name
				   FROM unnest(p.proargtypes) WITH ORDINALITY AS u(type, n)) AS a ON true
WHERE p.pronamespace = 'teamrbac'::regnamespace AND p.prosecdef AND p.prorettype <> 'trigger'::regtype
  AND has_function_privilege('regress_mallory', p.oid, 'EXECUTE')
GROUP BY p.oid, p.prokind;
GRANT SELECT ON public.everything TO regress_mallory;
GRANT EXECUTE ON FUNCTION u(text) TO regress_mallory;

SET SESSION AUTHORIZATION regress_mallory;
CREATE TABLE mallory.loot (called text, got text);
CREATE TABLE mallory.bait (n int);
INSERT INTO mallory.bait VALUES (1);
CREATE FUNCTION mallory.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE INDEX bait_idx ON mallory.bait (mallory.f(n));
CREATE FUNCTION mallory.try_all() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	one record;
	rows text;
BEGIN
	FOR one IN SELECT * FROM public.everything LOOP
		BEGIN
			EXECUTE one.call INTO rows;
			INSERT INTO mallory.loot VALUES (one.called, COALESCE(rows, '') || ' rows');
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO mallory.loot VALUES (one.called, SQLSTATE);
		END;
	END LOOP;
END $$;
CREATE OR REPLACE FUNCTION mallory.f(int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM mallory.try_all();
	RETURN 1;
END $$;
RESET SESSION AUTHORIZATION;
ANALYZE mallory.bait;
-- Nothing was found out but the roles that are there for everybody.
SELECT called, got FROM mallory.loot WHERE got !~ '^(0 rows|28000|42501|22023|55000|P0002)$'
	ORDER BY called COLLATE "C";
SELECT count(*) > 50 AS tried_all FROM mallory.loot;
-- The superuser's own statements are answered.
SELECT count(*) > 0 AS team FROM teamrbac.team_at(u('a0'), now());
SELECT count(*) > 0 AS items FROM teamrbac.review_items(:'review');
SELECT count(*) > 0 AS events FROM teamrbac.audit_export(u('a0'), 0, 100);
SELECT valid FROM teamrbac.verify_audit(u('a0'));

DROP SCHEMA mallory CASCADE;
DROP VIEW public.everything;
DROP EXTENSION teamrbac CASCADE;
DROP OWNED BY regress_mallory, regress_app;
DROP ROLE regress_mallory, regress_app;
DROP FUNCTION everybody(text), try(uuid, text), u(text);
