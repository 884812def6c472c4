-- The platform's staff in a customer's tenant: noted before anything is seen, read only unless said, with an end, never
-- more than a visitor.  Olivia owns Acme and Beta, Adam is Acme's Admin, Rita a reader; Sam is of the staff.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE EXTENSION teamrbac CASCADE;
CREATE FUNCTION u(name text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
	SELECT ('00000000-0000-0000-0000-0000000000' || CASE name WHEN 'olivia' THEN 'a1' WHEN 'adam' THEN 'b1'
		WHEN 'rita' THEN 'c1' WHEN 'sam' THEN 'e1' ELSE 'd1' END)::uuid
$$;
SELECT count(teamrbac.register_user(name || '@example.com', initcap(name), u(name)))
	FROM unnest('{olivia,adam,rita,sam}'::text[]) AS name;
BEGIN;
SELECT teamrbac.sign_in(u('olivia'));
SELECT teamrbac.create_tenant('Acme', 'acme') AS acme, teamrbac.create_tenant('Beta', 'beta') AS beta \gset
SELECT teamrbac.add_member(:'acme', u('adam'), 'admin'), teamrbac.add_member(:'acme', u('rita'), 'reader');
CALL teamrbac.allow_domain(:'acme', 'example.com', 'admin', false);
COMMIT;
CREATE TABLE prompt (tenant_id uuid NOT NULL, body text);
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
INSERT INTO prompt VALUES (:'acme', 'of Acme'), (:'beta', 'of Beta');
CREATE ROLE regress_backoffice;
CREATE ROLE regress_app;
GRANT SELECT, INSERT, UPDATE ON prompt TO regress_backoffice, regress_app;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in_as_staff(uuid, uuid, text, boolean, interval, boolean) TO regress_backoffice;
SET client_min_messages = notice;

-- An outsider, and the application that signs customers in, cannot.
SET ROLE regress_app;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'ticket 1');
SELECT teamrbac.staff_visits_of(:'acme', NULL);
RESET ROLE;
SET ROLE regress_backoffice;

-- Seen is nothing before the visit is noted for good: not in the transaction that notes it, in no subtransaction of
-- it, and by no second call there.
BEGIN;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'ticket 1') AS noted;
SELECT count(*) FROM prompt;
SAVEPOINT s;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'ticket 1') AS noted;
RELEASE s;
SELECT kind FROM teamrbac.current_identity();
SELECT count(*) FROM prompt;
ROLLBACK;
BEGIN READ ONLY;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'ticket 1');
ROLLBACK;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', ' ticket 1 ') AS noted;
BEGIN READ ONLY;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'ticket 1') > now() AS signed_in;
SELECT kind, user_id = u('sam') AS sam, tenant_id = :'acme' AS in_acme, proof_ends_at <= now() + '1 hour' AS ends
	FROM teamrbac.current_identity();
SELECT body FROM prompt;
SELECT name, role FROM teamrbac.my_tenants();
SELECT allowed, reason FROM teamrbac.explain_permission(:'acme', 'prompts.view');
SELECT allowed, reason FROM teamrbac.explain_permission(:'acme', 'prompts.edit');
COMMIT;
-- Another reason, or changes, is another visit.
BEGIN;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'ticket 2') AS noted;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'ticket 1', true) AS noted;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'beta', 'ticket 1') AS noted;
ROLLBACK;

-- For the session, if that is allowed.
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'ticket 1', local => false) > now() AS signed_in;
SELECT body FROM prompt;
SELECT teamrbac.sign_out();
SELECT body FROM prompt;

-- To read is to read, and here is here.
CREATE FUNCTION pg_temp.try(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(' ', SQLSTATE, SQLERRM);
END
$$;
BEGIN;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'ticket 1') > now() AS signed_in;
SELECT pg_temp.try(format('INSERT INTO prompt VALUES (%L, ''by Sam'')', :'acme'));
SELECT pg_temp.try(format('CALL teamrbac.change_role(%L, %L, ''developer'')', :'acme', u('rita')));
SELECT pg_temp.try(format('SELECT teamrbac.act_in_tenant(%L)', :'beta'));
SELECT pg_temp.try(format('SELECT teamrbac.act_in_tenant(%L)', :'acme'));
SELECT pg_temp.try('SET teamrbac.identity = ''user=00000000-0000-0000-0000-0000000000a1''');
UPDATE prompt SET body = 'changed';
SELECT body FROM prompt;
SELECT count(*) FROM teamrbac.staff_visits(:'acme');
ROLLBACK;

-- With changes they do what an Admin does, in their own name; nothing that would stay theirs, nothing of an Owner's.
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'ticket 3', true, '30 min') AS noted;
RESET ROLE;
-- Sam asks to join, to be let in by themselves.
BEGIN;
SELECT teamrbac.sign_in(u('sam'));
CALL teamrbac.request_to_join(:'acme');
COMMIT;
GRANT EXECUTE ON FUNCTION teamrbac.add_member(uuid, uuid, text, timestamptz) TO regress_backoffice;
SET ROLE regress_backoffice;
BEGIN;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'ticket 3', true) <= now() + '30 min' AS signed_in;
INSERT INTO prompt VALUES (:'acme', 'by Sam');
CALL teamrbac.change_role(:'acme', u('rita'), 'developer');
SELECT attempt, pg_temp.try(format(attempt, :'acme', u('sam'))) FROM unnest(ARRAY[
	'CALL teamrbac.approve_join_request(%L, %L)', 'SELECT teamrbac.add_member(%L, %L, ''reader'')',
	'CALL teamrbac.change_role(%L, %L, ''admin'')', 'CALL teamrbac.set_membership_expiry(%L, %L, NULL)',
	'CALL teamrbac.transfer_ownership(%L, %L)', 'CALL teamrbac.leave_tenant(%L)',
	'CALL teamrbac.delete_tenant(%L, ''Acme'')', 'SELECT teamrbac.update_tenant(%L, ''Other'')',
	'SELECT teamrbac.create_tenant(''Other'', %L)', 'SELECT teamrbac.invite_member(%L, ''x@example.org'', ''reader'')',
	'SELECT teamrbac.invite_by_link(%L, ''reader'')', 'SELECT teamrbac.create_api_key(%L, ''key'', ''reader'')',
	'CALL teamrbac.revoke_api_keys(%L, name_like => ''%%'')', 'CALL teamrbac.request_to_join(%L)',
	'SELECT teamrbac.join_tenant(%L)'
	]) AS attempt;
SELECT pg_temp.try(format('CALL teamrbac.change_role(%L, %L, ''owner'')', :'acme', u('rita')));
SELECT pg_temp.try(format('CALL teamrbac.change_role(%L, %L, ''reader'')', :'acme', u('olivia')));
SELECT pg_temp.try(format('CALL teamrbac.remove_member(%L, %L)', :'acme', u('olivia')));
COMMIT;
RESET ROLE;
-- Who becomes a member meanwhile makes no more of themselves by the visit, and comes as a member from then on.
BEGIN;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'ticket 3', true) > now() AS signed_in;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (:'acme', u('sam'), 'reader');
SET LOCAL ROLE regress_backoffice;
SELECT pg_temp.try(format('CALL teamrbac.change_role(%L, %L, ''admin'')', :'acme', u('sam')));
SELECT pg_temp.try(format('CALL teamrbac.set_membership_expiry(%L, %L, ''2999-01-01'')', :'acme', u('sam')));
SELECT pg_temp.try(format('SELECT teamrbac.sign_in_as_staff(%L, %L, ''ticket 3'', true)', u('sam'), :'acme'));
ROLLBACK;
SET ROLE regress_backoffice;

-- What an argument may be.
SELECT pg_temp.try(format('SELECT teamrbac.sign_in_as_staff(%s)', arguments)) FROM unnest(ARRAY[
	format('NULL, %L, ''why''', :'acme'), format('%L, NULL, ''why''', u('sam')), format('%L, %L, NULL', u('sam'), :'acme'),
	format('%L, %L, ''  ''', u('sam'), :'acme'), format('%L, %L, ''why'', true, ''9 hours''', u('sam'), :'acme'),
	format('%L, %L, ''why'', true, ''-1 s''', u('sam'), :'acme'), format('%L, %L, ''why'', true, NULL', u('sam'), :'acme'),
	format('%L, %L, ''why''', u('nobody'), :'acme'), format('%L, %L, ''why''', u('sam'), u('nobody')),
	format('%L, %L, ''why''', u('adam'), :'acme')]) AS arguments;

-- It ends: with its time, in an open transaction too; with the user, and with the tenant.
RESET ROLE;
BEGIN;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'ticket 1') > now() AS signed_in;
CALL teamrbac.disable_user(u('sam'));
SET LOCAL ROLE regress_backoffice;
SELECT count(*) FROM prompt;
ROLLBACK;
BEGIN;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'ticket 1') > now() AS signed_in;
UPDATE teamrbac.tenant SET deleted_at = now() WHERE tenant_id = :'acme';
SET LOCAL ROLE regress_backoffice;
SELECT count(*) FROM prompt;
ROLLBACK;
-- The visit ends when it was noted to, whatever a later call says.
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'brief', false, '2 s') AS noted;
BEGIN;
SELECT teamrbac.sign_in_as_staff(u('sam'), :'acme', 'brief', false, '8 hours') AS ends \gset
SET LOCAL ROLE regress_backoffice;
SELECT count(*) FROM prompt;
SELECT pg_sleep_until(:'ends'::timestamptz + '10 ms');
SELECT count(*) FROM prompt;
SELECT kind FROM teamrbac.current_identity();
SELECT teamrbac.has_permission(:'acme', 'prompts.view');
COMMIT;

-- The tenant sees it: managers, nobody else.
BEGIN;
SELECT teamrbac.sign_in(u('adam'));
SELECT display_name, reason, allow_changes, ends_at - entered_at <= '1 hour' AS ends, present
	FROM teamrbac.staff_visits(:'acme');
SELECT actor, action, subject, after ->> 'reason' AS reason, after ->> 'access' AS access FROM teamrbac.audit_trail
	WHERE tenant_id = :'acme' AND actor_id = u('sam') ORDER BY sequence;
SELECT valid FROM teamrbac.verify_audit(:'acme');
SELECT teamrbac.sign_in(u('rita'));
SELECT pg_temp.try(format('SELECT teamrbac.staff_visits(%L)', :'acme'));
ROLLBACK;
DROP TABLE prompt;
DROP OWNED BY regress_backoffice, regress_app;
DROP ROLE regress_backoffice, regress_app;
DROP FUNCTION u;
DROP EXTENSION teamrbac CASCADE;
