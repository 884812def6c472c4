-- When a user was last active: known by the day, noted in passing, never in anybody's way.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(n || '@example.com', n, u(n))) FROM unnest(ARRAY['01', '02', '03', '04']) AS n;
-- Users come in by other ways too.
INSERT INTO teamrbac.app_user (user_id, email, display_name) VALUES (u('05'), '05@example.com', '05');
CREATE VIEW active AS SELECT right(user_id::text, 2) AS who, (now() AT TIME ZONE 'UTC')::date - last_active_on AS days_ago FROM teamrbac.user_activity ORDER BY 1;
SELECT * FROM active;

-- Signing in notes it, by whichever way.
SELECT teamrbac.sign_in(u('01'), false);
BEGIN; SELECT teamrbac.sign_in(u('05')); COMMIT;
BEGIN; SET LOCAL request.jwt.claims = '{"sub": "00000000-0000-0000-0000-000000000002"}'; SELECT teamrbac.sign_in_from_jwt_claims() IS NOT NULL AS signed_in; COMMIT;
SELECT * FROM active;
-- Not one who fails to, nor one whose transaction fails or may not write.
SELECT teamrbac.sign_in(u('99'));
BEGIN; SELECT teamrbac.sign_in(u('03')); ROLLBACK;
BEGIN; SAVEPOINT s; SELECT teamrbac.sign_in(u('03')); SELECT teamrbac.sign_in(u('03')); ROLLBACK TO s; COMMIT;
BEGIN READ ONLY; SELECT teamrbac.sign_in(u('03')); SELECT teamrbac.current_user_id() = u('03') AS signed_in; COMMIT;
SELECT * FROM active;
-- Several times in one transaction, in REPEATABLE READ and SERIALIZABLE.
BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM teamrbac.user_activity; SELECT teamrbac.sign_in(u('03')), teamrbac.sign_in(u('03')); SELECT teamrbac.sign_in(u('03')); COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM teamrbac.user_activity; SELECT teamrbac.sign_in(u('04')); COMMIT;
SELECT * FROM active;

-- Another day: renewed once.  A backend remembers whom it has noted today, hence another one.
UPDATE teamrbac.user_activity SET last_active_on = last_active_on - 100;
\c -
SELECT xmin AS before FROM teamrbac.user_activity WHERE user_id = u('01') \gset
BEGIN; SELECT teamrbac.sign_in(u('01')); COMMIT;
SELECT xmin AS after, xmin <> :'before'::xid AS written FROM teamrbac.user_activity WHERE user_id = u('01') \gset
\echo :written
BEGIN; SELECT teamrbac.sign_in(u('01')); COMMIT;
BEGIN; SELECT teamrbac.sign_in(u('01')); COMMIT;
SELECT xmin = :'after'::xid AS unchanged FROM teamrbac.user_activity WHERE user_id = u('01');
SELECT * FROM active;
-- A day in the future, by a clock that was wrong, is left alone.
UPDATE teamrbac.user_activity SET last_active_on = last_active_on + 200 WHERE user_id = u('02');
BEGIN; SELECT teamrbac.sign_in(u('02')); COMMIT;
SELECT * FROM active;
-- It goes with the user.
DELETE FROM teamrbac.app_user WHERE user_id = u('02');
SELECT * FROM active;

DROP VIEW active;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u;
