-- teamrbac_api: what a gateway that cannot CALL is given.  Olivia owns Acme; Adam is invited and becomes Admin; Rita is
-- a reader; Mal is a stranger.  The gateway logs in as regress_gateway, which may sign in and use the schema api.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE EXTENSION teamrbac CASCADE;
CREATE SCHEMA api;
-- An object planted beforehand is not adopted.
CREATE FUNCTION api.leave_tenant(tenant_id uuid) RETURNS text LANGUAGE sql AS $$ SELECT 'trap' $$;
CREATE EXTENSION teamrbac_api SCHEMA api;
DROP FUNCTION api.leave_tenant(uuid);
CREATE EXTENSION teamrbac_api SCHEMA api;

-- What anybody may do with teamrbac has its counterpart here, but for what is no client's business: the gateway says
-- whom a request is for and in which tenant, tables are the DBA's, and some is for policies.  A new command shows up
-- in this list.
SELECT p.proname AS "without counterpart" FROM pg_proc AS p
	WHERE p.pronamespace = 'teamrbac'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE')
	  AND p.prorettype <> 'trigger'::regtype
	  AND NOT EXISTS (SELECT FROM pg_proc AS a WHERE a.pronamespace = 'api'::regnamespace
					  AND a.prosrc ~ ('teamrbac\.' || p.proname || '\M\('))
	ORDER BY p.proname;
-- And each view, but for those that are for people in psql.
SELECT v.relname AS "without counterpart" FROM pg_class AS v
	WHERE v.relnamespace = 'teamrbac'::regnamespace AND v.relkind = 'v' AND has_table_privilege('public', v.oid, 'SELECT')
	  AND NOT EXISTS (SELECT FROM pg_proc AS a WHERE a.pronamespace = 'api'::regnamespace
					  AND a.prosrc ~ ('teamrbac\.' || v.relname || '\M'))
	ORDER BY v.relname;
-- Gateways name an object type by the singular of its name: no two may have the same.
SELECT a.typname, b.typname AS singular FROM pg_type AS a JOIN pg_type AS b ON a.typname IN (b.typname || 's', b.typname || 'es')
	WHERE a.typnamespace = 'api'::regnamespace AND b.typnamespace = 'api'::regnamespace;
-- Nor has a list an argument that gateways add to lists themselves, or any an argument that PostgREST would take from a
-- GET for itself.
SELECT p.proname, n.name FROM pg_proc AS p, unnest(p.proargnames) AS n(name)
	WHERE p.pronamespace = 'api'::regnamespace AND p.proretset AND n.name IN ('first', 'last', 'before', 'after', 'offset')
	UNION SELECT p.proname, n.name FROM pg_proc AS p, unnest(p.proargnames) AS n(name)
	WHERE p.pronamespace = 'api'::regnamespace
	  AND n.name IN ('select', 'columns', 'order', 'limit', 'offset', 'and', 'or', 'not', 'on_conflict');
-- Nor have two functions one name.
SELECT proname FROM pg_proc WHERE pronamespace = 'api'::regnamespace GROUP BY proname HAVING count(*) > 1;
-- A counterpart of the same name takes the same arguments, with the same defaults, but for a name that PostgREST takes.
-- The verification of a statement has a name of its own here.
CREATE FUNCTION arguments(function oid) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', p.proargnames[n], format_type(t, NULL), pg_get_function_arg_default(p.oid, n::int)),
		', ' ORDER BY n)
	FROM pg_proc AS p, unnest(COALESCE(p.proallargtypes, p.proargtypes)) WITH ORDINALITY AS arg(t, n)
	WHERE p.oid = function AND COALESCE(p.proargmodes[n], 'i') = 'i'
$$;
SELECT a.proname, arguments(t.oid) AS teamrbac, arguments(a.oid) AS api
	FROM pg_proc AS a JOIN pg_proc AS t ON t.proname = a.proname
	WHERE t.pronamespace = 'teamrbac'::regnamespace AND has_function_privilege('public', t.oid, 'EXECUTE')
	  AND a.pronamespace = 'api'::regnamespace
	  AND NOT EXISTS (SELECT FROM pg_proc AS same WHERE same.proname = t.proname AND same.pronamespace = a.pronamespace
					  AND arguments(same.oid) IS NOT DISTINCT FROM arguments(t.oid));
-- With the caller's rights, under a search_path of their own; a read is STABLE, which makes it a query or a GET; a
-- write returns one row.  What refuses says so by a status.
SELECT proname FROM pg_proc WHERE pronamespace = 'api'::regnamespace
	AND (prosecdef OR proconfig IS DISTINCT FROM '{"search_path=pg_catalog, pg_temp"}' OR prokind <> 'f');
SELECT string_agg(proname, ' ' ORDER BY proname) AS reads
	FROM pg_proc WHERE pronamespace = 'api'::regnamespace AND provolatile = 's';
SELECT string_agg(proname, ' ' ORDER BY proname) AS writes
	FROM pg_proc WHERE pronamespace = 'api'::regnamespace AND provolatile = 'v';
SELECT proname FROM pg_proc JOIN pg_type AS t ON t.oid = prorettype
	WHERE pronamespace = 'api'::regnamespace AND provolatile = 'v' AND (t.typtype <> 'c' OR proretset);
SELECT proname FROM pg_proc WHERE pronamespace = 'api'::regnamespace
	AND (obj_description(oid, 'pg_proc') ~ 'Refusals: ')
		IS DISTINCT FROM (prosrc ~ 'raise_http_status\(refusal\);\s+RAISE;');
-- A gateway makes its documentation of these.
SELECT relname, attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
	WHERE relnamespace = 'api'::regnamespace
	  AND (obj_description(c.reltype, 'pg_type') IS NULL OR col_description(c.oid, a.attnum) IS NULL);

CREATE ROLE regress_gateway;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_gateway;
GRANT USAGE ON SCHEMA api TO regress_gateway;
CREATE FUNCTION u(name text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
	SELECT ('00000000-0000-0000-0000-0000000000' || CASE name WHEN 'olivia' THEN 'a1' WHEN 'adam' THEN 'b1'
		WHEN 'rita' THEN 'c1' ELSE 'd1' END)::uuid
$$;
SELECT count(teamrbac.register_user(name || '@example.com', initcap(name), u(name)))
	FROM unnest('{olivia,adam,rita,mal}'::text[]) AS name;
-- What a request answers: the row, or the status, the details, the message and the hint.
CREATE FUNCTION answer(asker text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
	details text;
	advice text;
BEGIN
	IF asker <> 'nobody' THEN
		PERFORM teamrbac.sign_in(u(asker));
	END IF;
	EXECUTE format('SELECT string_agg(to_jsonb(r)::text, E''\n'') FROM (%s) AS r', query) INTO answer;
	PERFORM teamrbac.sign_out();
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS details = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, details, SQLERRM, NULLIF(advice, ''));
END
$$;
SET ROLE regress_gateway;

-- A team comes to be.
SELECT answer('olivia', $$SELECT name, slug, role FROM api.create_tenant('Acme', 'acme')$$);
RESET ROLE;
SELECT tenant_id FROM teamrbac.tenant \gset
CREATE FUNCTION acme() RETURNS uuid LANGUAGE sql IMMUTABLE RETURN :'tenant_id'::uuid;
SET ROLE regress_gateway;
SELECT answer('olivia', $$SELECT name, slug, role FROM api.my_tenants()$$);
BEGIN;
SELECT teamrbac.sign_in(u('olivia'));
SELECT token AS adams, invitation_id AS for_adam FROM api.invite_member(acme(), 'adam@example.com', 'admin') \gset
SELECT token AS ritas FROM api.invite_member(acme(), 'rita@example.com', 'reader') \gset
SELECT token AS mals, invitation_id AS for_mal FROM api.invite_member(acme(), 'mal@example.com', 'reader') \gset
SELECT token AS adams_second FROM api.resend_invitation(:'for_adam') \gset
COMMIT;
SELECT answer('olivia', $$SELECT email, role, invited_by FROM api.pending_invitations(acme()) ORDER BY email$$);
SELECT answer('nobody', format($$SELECT tenant_name, role, email, state FROM api.peek_invitation(%L)$$,
	:'adams_second'));
SELECT answer('adam', format($$SELECT name, role FROM api.accept_invitation(%L)$$, :'adams_second'));
SELECT answer('rita', format($$SELECT name, role FROM api.accept_invitation(%L)$$, :'ritas'));
SELECT answer('mal', format($$SELECT tenant_name, state FROM api.decline_invitation(%L)$$, :'mals'));
SELECT answer('olivia', $$SELECT email, role
	FROM api.cancel_invitation((api.invite_member(acme(), 'x@example.com', 'reader')).invitation_id)$$);
SELECT answer('rita', $$SELECT display_name, email, role FROM api.members(acme()) ORDER BY display_name$$);
SELECT answer('adam', $$SELECT display_name, role FROM api.change_role(acme(), u('rita'), 'developer')$$);
SELECT answer('adam', $$SELECT role, permissions
	FROM api.define_tenant_role(acme(), 'editor', 'Edits prompts', '{prompts.view,prompts.edit,prompts.view}')$$);
SELECT answer('adam', $$SELECT permission FROM api.permission_matrix() WHERE role = 'editor' AND granted$$);
SELECT answer('adam', $$SELECT api.define_tenant_role(acme(), 'boss', 'Pays', '{billing.manage}')$$);
SELECT answer('adam', $$SELECT api.define_tenant_role(acme(), 'admin', 'Another', '{}')$$);
SELECT answer('adam', $$SELECT api.drop_tenant_role(acme(), 'nobodys')$$);
SELECT answer('adam', $$SELECT role, permissions FROM api.drop_tenant_role(acme(), 'editor')$$);
SELECT answer('adam', $$SELECT display_name, expires_at
	FROM api.set_membership_expiry(acme(), u('rita'), '2999-01-01 UTC')$$);
SELECT answer('rita', $$SELECT kind, user_id FROM api.whoami()$$);
SELECT answer('rita', $$SELECT api.has_permission(acme(), 'prompts.edit'), api.permitted_tenants('team.manage'),
	cardinality(api.my_permissions(acme()))$$);
SELECT answer('rita', $$SELECT * FROM api.explain_permission(acme(), 'team.manage')$$);
SELECT answer('nobody', $$SELECT * FROM api.permission_matrix() WHERE permission = 'team.manage'$$);

-- Other ways in, and what is noted.  That the domain is Acme's, the application has proved.
RESET ROLE;
BEGIN;
SELECT teamrbac.sign_in(u('olivia'));
CALL teamrbac.allow_domain(acme(), 'example.com', 'reader', false);
COMMIT;
SET ROLE regress_gateway;
SELECT answer('olivia', $$SELECT name, slug FROM api.update_tenant(acme(), slug => 'acme-inc')$$);
SELECT answer('olivia', $$SELECT api.is_slug_free('acme') AS old, api.is_slug_free('acme-inc') AS new$$);
SELECT answer('olivia', $$SELECT slug FROM api.update_tenant(acme(), 'Acme', 'acme')$$);
SELECT answer('olivia', $$SELECT * FROM api.tenant_limits(acme())$$);
SELECT answer('olivia', $$SELECT metadata FROM api.set_tenant_metadata(acme(), '{"plan": "gold"}')$$);
SELECT answer('olivia', $$SELECT api.tenant_metadata(acme())$$);
SELECT answer('olivia', $$SELECT display_name, metadata FROM api.set_member_metadata(acme(), u('rita'), '{"a": 1}')$$);
SELECT answer('mal', $$SELECT tenant_name, role, automatic, requested_at IS NOT NULL AS asked
	FROM api.joinable_tenants()$$);
SELECT answer('mal', $$SELECT api.join_tenant(acme())$$);
SELECT answer('mal', $$SELECT tenant_name, requested_at IS NOT NULL AS asked FROM api.request_to_join(acme())$$);
SELECT answer('adam', $$SELECT display_name, role, state FROM api.join_requests(acme())$$);
SELECT answer('mal', $$SELECT tenant_name, requested_at IS NOT NULL AS asked FROM api.withdraw_join_request(acme())$$);
SELECT answer('mal', $$SELECT tenant_name FROM api.request_to_join(acme())$$);
SELECT answer('adam', $$SELECT display_name, state FROM api.refuse_join_request(acme(), u('mal'))$$);
SELECT answer('mal', $$SELECT api.request_to_join(acme())$$);
SELECT answer('adam', $$SELECT display_name, role FROM api.approve_join_request(acme(), u('mal'), 'developer')$$);
SELECT answer('adam', $$SELECT display_name FROM api.remove_member(acme(), u('mal'))$$);
SELECT answer('adam', $$SELECT domain, automatic, allower FROM api.tenant_domains(acme())$$);
SELECT answer('adam', $$SELECT domain FROM api.disallow_domain(acme(), 'EXAMPLE.com')$$);
SELECT answer('adam', $$SELECT o ->> 'email' AS email, o ->> 'outcome' AS outcome, o ->> 'token' IS NOT NULL AS token
	FROM api.invite_members(acme(), '{mal@example.com,nonsense}', 'reader'), jsonb_array_elements(outcomes) AS o$$);
SELECT answer('mal', $$SELECT tenant_name, role, invited_by FROM api.my_invitations()$$);
BEGIN;
SELECT teamrbac.sign_in(u('mal'));
SELECT invitation_id AS mine FROM api.my_invitations() \gset
COMMIT;
SELECT answer('adam', format($$SELECT email, metadata FROM api.set_invitation_metadata(%L, '{"b": 2}')$$, :'mine'));
SELECT answer('rita', format($$SELECT api.accept_my_invitation(%L)$$, :'mine'));
SELECT answer('mal', format($$SELECT tenant_name FROM api.decline_my_invitation(%L)$$, :'mine'));
SELECT answer('mal', format($$SELECT api.accept_my_invitation(%L)$$, :'mine'));
BEGIN;
SELECT teamrbac.sign_in(u('adam'));
SELECT link_id AS link, token AS linked FROM api.invite_by_link(acme(), 'reader', 2) \gset
COMMIT;
SELECT answer('nobody', format($$SELECT tenant_name, role, email, state FROM api.peek_invitation(%L)$$, :'linked'));
SELECT answer('mal', format($$SELECT api.accept_invitation(%L)$$, :'linked'));
SELECT answer('adam', $$SELECT role, state, uses, used, maker FROM api.invitation_links(acme())$$);
SELECT answer('adam', format($$SELECT role, state FROM api.revoke_invitation_link(%L)$$, :'link'));
SELECT answer('adam', $$SELECT count(*) FROM api.undelivered_mails(acme())$$);

-- Keys: the secret once.
BEGIN;
SELECT teamrbac.sign_in(u('rita'));
SELECT key_id, secret ~ '^trk_' AS secret FROM api.create_api_key(acme(), 'CI') \gset
SELECT name, role, state FROM api.rename_api_key(:'key_id', 'CI of the web team');
SELECT name, expires_at FROM api.set_api_key_expiry(:'key_id', '2999-01-01 UTC');
SELECT name, metadata FROM api.set_api_key_metadata(:'key_id', '{"c": 3}');
SELECT key_id AS second_key_id, secret ~ '^trk_' AS secret FROM api.rotate_api_key(:'key_id') \gset
SELECT name, state, creator FROM api.api_keys(acme()) ORDER BY state;
SELECT name, state, revoke_reason FROM api.revoke_api_key(:'second_key_id', 'example');
SELECT count(api.create_api_key(acme(), 'key ' || n)) FROM generate_series(1, 3) AS n;
SELECT * FROM api.revoke_member_keys(acme(), u('rita'));
SELECT count(api.create_api_key(acme(), 'key ' || n)) FROM generate_series(1, 2) AS n;
COMMIT;
SELECT answer('olivia', $$SELECT * FROM api.revoke_api_keys(acme(), name_like => 'key%')$$);
SELECT answer('olivia', $$SELECT * FROM api.removal_impact(acme(), u('rita'))$$);

-- The team page.
SELECT answer('adam', $$SELECT role, cardinality(permissions) > 0 AS may FROM api.list_roles() WHERE built_in$$);
SELECT answer('adam', $$SELECT role FROM api.assignable_roles(acme())$$);
SELECT answer('adam', $$SELECT user_id, may_change_role, may_remove
	FROM api.member_actions(acme()) ORDER BY user_id$$);
SELECT answer('adam', $$SELECT display_name, email, role, may_remove, place
	FROM api.members_page(acme(), search => 'AD')$$);
SELECT answer('adam', $$SELECT p.display_name FROM api.members_page(acme(), page_size => 1) AS f,
	api.members_page(acme(), f.place, page_size => 1) AS p$$);
SELECT answer('adam', $$SELECT jsonb_array_length(outcomes) AS invited
	FROM api.invite_members(acme(), '{page1@example.com,page2@example.com}', 'reader')$$);
SELECT answer('adam', $$SELECT email, role, invited_by, mail_state, may_cancel
	FROM api.invitations_page(acme(), page_size => 1, search => 'PAGE')$$);
SELECT answer('adam', $$SELECT i.email FROM api.invitations_page(acme(), page_size => 1, search => 'page') AS f,
	api.invitations_page(acme(), f.place, search => 'page') AS i$$);
SELECT answer('adam', $$SELECT actor_name, action, subject_name
	FROM api.audit_page(acme(), page_size => 2, of_action => 'invitation.created')$$);
SELECT answer('adam', $$SELECT members, pending_invitations, api_keys, events > 20 AS events
	FROM api.team_counts(acme(), 2)$$);
SELECT page, who, answer(who, format('SELECT count(*) FROM api.%s', page)) FROM unnest('{mal,nobody}'::text[]) AS who,
	unnest('{assignable_roles(acme()),member_actions(acme()),members_page(acme()),invitations_page(acme()),
	audit_page(acme()),team_counts(acme()),staff_visits(acme())}'::text[]) AS page ORDER BY page COLLATE "C", who;
SELECT answer('adam', $$SELECT api.members_page(acme(), 'elsewhere')$$);
SELECT answer('adam', $$SELECT api.audit_page(acme(), of_action => 'x', of_subject => 'y')$$);

-- Whoever goes is shown as they were.
SELECT answer('olivia', $$SELECT display_name, role FROM api.remove_member(acme(), u('rita'))$$);
SELECT answer('olivia', $$SELECT display_name, role FROM api.transfer_ownership(acme(), u('adam'))$$);
SELECT answer('olivia', $$SELECT name, role FROM api.leave_tenant(acme())$$);
SELECT answer('adam', $$SELECT sequence, actor, action FROM api.audit(acme(), page_size => 3)$$);
SELECT answer('adam', $$SELECT sequence, actor, action FROM api.audit(acme(), 3)$$);
SELECT answer('adam', $$SELECT valid, events > 20 AS events FROM api.verify_audit(acme())$$);
SELECT answer('adam', $$SELECT finding, severity FROM api.access_review(acme()) ORDER BY 1 LIMIT 1$$);

-- Refusals.
SELECT answer('nobody', $$SELECT api.create_tenant('Other')$$);
SELECT answer('adam', $$SELECT api.create_tenant('')$$);
SELECT answer('adam', $$SELECT api.create_tenant('Other', 'acme')$$);
SELECT answer('adam', $$SELECT api.has_permission(acme(), 'team.mange')$$);
-- The message is part of the answer's first line, and no argument ends that.
SELECT answer('adam', $$SELECT api.has_permission(acme(), E'x\r\nSet-Cookie: a=b\r\n\r\n<script>')$$);
SELECT answer('mal', $$SELECT api.invite_member(acme(), 'm@example.com', 'reader')$$);
SELECT answer('mal', $$SELECT api.invite_member('00000000-0000-0000-0000-0000000000ff', 'm@example.com', 'reader')$$);
SELECT answer('adam', $$SELECT api.remove_member(acme(), u('mal'))$$);
SELECT answer('adam', $$SELECT api.leave_tenant(acme())$$);
SELECT answer('adam', $$SELECT api.delete_tenant(acme(), 'Acne')$$);
SELECT answer('mal', $$SELECT api.peek_invitation('unknown')$$);
SELECT answer('mal', format($$SELECT api.accept_invitation(%L)$$, :'mals'));
SELECT answer('adam', format($$SELECT api.revoke_api_key(%L)$$, :'second_key_id'));
BEGIN;
SELECT teamrbac.sign_in(u('adam'));
SELECT token AS late, invitation_id AS lapsed FROM api.invite_member(acme(), 'mal@example.com', 'reader') \gset
COMMIT;
RESET ROLE;
UPDATE teamrbac.invitation SET expires_at = now() - interval '1 second' WHERE invitation_id = :'lapsed';
SET ROLE regress_gateway;
SELECT answer('mal', format($$SELECT api.accept_invitation(%L)$$, :'late'));
SELECT answer('nobody', format($$SELECT state FROM api.peek_invitation(%L)$$, :'late'));
-- What is not ours keeps its code: a client tries again on 40001, and knows a bug by another.
SELECT answer('nobody', $$SELECT teamrbac.raise_http_status(('40001', 'could not serialize', '', '', ''))$$);
SELECT answer('adam', $$SELECT api.audit(acme(), page_size => -1)$$);
-- With a reason, that is the details; what the details were goes before the hint.
SELECT answer('nobody',
	$$SELECT teamrbac.raise_http_status(('55000', 'no', 'It is full.', 'Make room.', 'tenant_full'))$$);
SELECT answer('nobody', $$SELECT teamrbac.raise_http_status(('55000', 'no', '', '', 'invitation_expired'))$$);
-- A check that fails tells its name, not the row.
SELECT answer('adam', $$SELECT api.schedule_reviews(acme(), '1 minute')$$);

-- Strangers and nobody see nothing in the lists.  A GET changes nothing, and a write by GET is a bug of the client's.
SELECT who, answer(who, format('SELECT count(*) FROM api.%s(acme())', list)) FROM unnest('{mal,nobody}'::text[]) AS who,
	unnest('{members,pending_invitations,api_keys,audit,my_permissions,invitation_links,tenant_domains,join_requests,
	undelivered_mails}'::text[]) AS list ORDER BY list COLLATE "C", who;
SELECT answer('adam', $$SELECT 'begun' FROM api.start_review(acme(), '2999-01-01')$$);
RESET ROLE;
SELECT review_id AS review FROM teamrbac.review \gset
SET ROLE regress_gateway;
CREATE TEMP TABLE example (name text, value text);
INSERT INTO example VALUES ('tenant_id', 'acme()'), ('user_id', 'u(''adam'')'), ('permission', '''team.manage'''),
	('token', quote_literal(:'late')), ('at', 'clock_timestamp()'), ('user_or_key_id', 'u(''adam'')'), ('review_id', quote_literal(:'review')), ('page_size', '50'), ('at_most', '9');
BEGIN READ ONLY;
SELECT p.proname, answer('adam', format('SELECT count(*) FROM api.%I(%s)', p.proname,
		(SELECT string_agg(COALESCE(e.value, 'NULL'), ', ' ORDER BY n)
		 FROM unnest(p.proargnames) WITH ORDINALITY AS a(name, n) LEFT JOIN example AS e USING (name))))
	FROM pg_proc AS p WHERE p.pronamespace = 'api'::regnamespace AND p.provolatile = 's' ORDER BY p.proname;
SELECT answer('adam', $$SELECT api.create_tenant('By GET')$$);
COMMIT;

-- The schema is given another name, or the extension another schema: nothing in it depends on either.
RESET ROLE;
ALTER SCHEMA api RENAME TO v1;
SET ROLE regress_gateway;
SELECT answer('adam', $$SELECT name FROM v1.create_tenant('Second')$$);
RESET ROLE;
CREATE SCHEMA v2;
ALTER EXTENSION teamrbac_api SET SCHEMA v2;
GRANT USAGE ON SCHEMA v2 TO regress_gateway;
SET ROLE regress_gateway;
SELECT answer('adam', $$SELECT display_name FROM v2.members(acme())$$);
SELECT answer('adam', $$SELECT name FROM v2.delete_tenant(acme(), 'Acme')$$);
RESET ROLE;
DROP EXTENSION teamrbac_api;
SELECT count(*) FROM pg_proc WHERE pronamespace = 'v2'::regnamespace;
DROP SCHEMA v1, v2;
DROP OWNED BY regress_gateway;
DROP ROLE regress_gateway;
DROP FUNCTION u, acme, answer, arguments;
DROP EXTENSION teamrbac CASCADE;
