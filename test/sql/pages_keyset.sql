-- Pages: in one order, each member once, whatever happens between two of them; searches; arguments that make no sense.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
CREATE FUNCTION m(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5('member ' || n)::uuid $$;
-- Olga owns Acme, with 60 members: ten Anns, ten Annas, ten Bobs and so on.  Otto owns Borealis, with one Ann.
SELECT count(teamrbac.register_user(email, name, id)) FROM (VALUES ('olga@acme.example', 'Olga', u('01')),
	('otto@borealis.example', 'Otto', u('02')), ('ann@borealis.example', 'Ann', u('03'))) AS t(email, name, id);
SELECT count(teamrbac.register_user(format('%s.%s@acme.example', lower(split_part(name, ' ', 1)), n),
	format('%s %s', name, chr(64 + n % 26)), m(n)))
	FROM (SELECT n, (ARRAY['Ann', 'Anna Maria', 'Bob', 'cid', 'Dora', 'Émile'])[n % 6 + 1] AS name
		FROM generate_series(1, 60) AS n) AS t;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme'), (u('b0'), 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('a0'), u('01'), 'owner'), (u('b0'), u('02'),
	'owner'), (u('b0'), u('03'), 'reader');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT u('a0'), m(n), 'reader'
	FROM generate_series(1, 60) AS n;
COMMIT;

-- All pages of a size, one after the other.
CREATE FUNCTION walk(size int, search text DEFAULT NULL, OUT page int, OUT members bigint, OUT from_name text,
	OUT to_name text) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE after text; last text;
BEGIN
	page := 0;
	LOOP
		page := page + 1;
		SELECT count(*), (array_agg(p.display_name ORDER BY p.n))[1], (array_agg(p.display_name
			ORDER BY p.n DESC))[1], (array_agg(p.place ORDER BY p.n DESC))[1] INTO members, from_name, to_name, last
		FROM (SELECT m.*, row_number() OVER () AS n FROM teamrbac.members_page(u('a0'), after, size,
			search) AS m) AS p;
		EXIT WHEN members = 0;
		after := last;
		RETURN NEXT;
	END LOOP;
END $$;
CREATE FUNCTION everybody(size int, search text DEFAULT NULL) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
DECLARE after text; row record; shown int;
BEGIN
	LOOP
		shown := 0;
		FOR row IN SELECT * FROM teamrbac.members_page(u('a0'), after, size, search) LOOP
			RETURN NEXT row.user_id; after := row.place; shown := shown + 1;
		END LOOP;
		EXIT WHEN shown = 0;
	END LOOP;
END $$;
SELECT teamrbac.sign_in(u('01'), false);
SELECT * FROM walk(20);
SELECT size, count(*), count(DISTINCT id) FROM unnest(ARRAY[1, 7, 60, 61, 62, 1000]) AS size,
	everybody(size) AS id GROUP BY size ORDER BY size;
-- In order of the lower-cased name, by the bytes of it; those of one name in the order of their ids.
SELECT bool_and(pair > before) AS in_order FROM (SELECT (lower(display_name) COLLATE "C", user_id) AS pair,
	lag((lower(display_name) COLLATE "C", user_id)) OVER (ROWS UNBOUNDED PRECEDING) AS before
	FROM (SELECT * FROM teamrbac.members_page(u('a0'), page_size => 1000)) AS p) AS t;

-- A search finds who has a word of the name that begins so, or the address, each once; whatever the case.
CREATE VIEW truth AS SELECT s.search, count(*) FROM (VALUES ('a'), ('an'), ('ann'), ('ANN '), ('anna m'), ('maria'),
	('m'), ('bob.'), ('bob.2@acme.example'), ('É'), ('c'), ('olga'), ('z'), ('%'), ('_nn'), ('\'),
	('nn')) AS s(search),
	LATERAL (SELECT u.user_id FROM teamrbac.membership AS m JOIN teamrbac.app_user AS u USING (user_id)
		WHERE m.tenant_id = u('a0')
		AND (starts_with(lower(u.email), lower(s.search)) OR EXISTS (SELECT FROM generate_series(1, 4) AS i
			WHERE starts_with(substring(lower(u.display_name) FROM format('^(?:\S+\s+){%s}(.*)$', i - 1)),
			lower(s.search))))) AS f GROUP BY s.search;
SELECT s.search, COALESCE(t.count, 0) AS members, f.found, f.once
	FROM (VALUES ('a'), ('an'), ('ann'), ('ANN '), ('anna m'), ('maria'), ('m'), ('bob.'), ('bob.2@acme.example'),
		('É'), ('c'), ('olga'), ('z'), ('%'), ('_nn'), ('\'), ('nn')) AS s(search)
	LEFT JOIN truth AS t USING (search),
	LATERAL (SELECT count(*) AS found, count(DISTINCT id) AS once FROM everybody(3, s.search) AS id) AS f
		ORDER BY s.search COLLATE "C";
SELECT * FROM walk(8, 'ann');
SELECT count(*) AS "longer than any name" FROM teamrbac.members_page(u('a0'), search => repeat('a', 100000));
SELECT count(*) AS "no search" FROM teamrbac.members_page(u('a0'), search => '');

-- Between two pages somebody joins, leaves, and is renamed: nobody else is shown twice or left out.
SELECT place AS after FROM teamrbac.members_page(u('a0'), page_size => 25) OFFSET 24 \gset
CREATE TEMP TABLE shown AS SELECT user_id FROM teamrbac.members_page(u('a0'), page_size => 25);
SELECT user_id AS first FROM shown LIMIT 1 \gset
SELECT user_id AS last FROM shown OFFSET 24 \gset
CALL teamrbac.remove_member(u('a0'), :'first');
CALL teamrbac.remove_member(u('a0'), :'last');
SELECT teamrbac.register_user('aaron@acme.example', 'Aaron', u('04')) IS NOT NULL AS registered;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('a0'), u('04'), 'reader');
SELECT count(*) AS others, count(*) FILTER (WHERE user_id IN (TABLE shown)) AS shown_twice
	FROM teamrbac.members_page(u('a0'), :'after', 1000);
SELECT user_id = u('04') AS first_now FROM teamrbac.members_page(u('a0'), page_size => 1);

-- Found by what they are called now, in each of their tenants, and not after they have gone.
SELECT teamrbac.update_user(u('04'), email => 'zoe@acme.example', display_name => 'Zoë  van der Zee  ');
SELECT search, (SELECT string_agg(display_name, ', ')
	FROM teamrbac.members_page(u('a0'), search => search)) AS found FROM unnest(ARRAY['aaron', 'zo', 'zoë van',
	'van', 'der z', 'zee', 'zoe@']) AS search;
CALL teamrbac.remove_member(u('a0'), u('04'));
SELECT count(*) AS removed FROM teamrbac.members_page(u('a0'), search => 'zo');
DELETE FROM teamrbac.app_user WHERE user_id = u('04');
-- The membership of one whose time is over is none.
CALL teamrbac.set_membership_expiry(u('a0'), m(2), clock_timestamp() + interval '100 ms');
SELECT pg_sleep(0.2);
SELECT count(*) AS over FROM teamrbac.members_page(u('a0'), search => 'bob.2@');
-- What members are found by is theirs, and nobody else's: of those who are members.
SELECT count(*) AS strays FROM teamrbac.member_term AS t WHERE NOT EXISTS (SELECT FROM teamrbac.membership AS m
	WHERE m.tenant_id = t.tenant_id AND m.user_id = t.user_id);
SELECT count(*) AS missing FROM (SELECT m.tenant_id, t.kind, t.shared, t.term, m.user_id
	FROM teamrbac.membership AS m JOIN teamrbac.app_user AS u USING (user_id),
	teamrbac.terms_of_name(u.display_name, u.email) AS t
	EXCEPT SELECT tenant_id, kind, shared, term, user_id FROM teamrbac.member_term) AS t;

-- Another tenant's members, invitations and events are nobody's business, whatever place one comes with.
SELECT count(*) FROM teamrbac.members_page(u('b0'));
SELECT count(*) FROM teamrbac.members_page(u('b0'), :'after');
SELECT count(*) FROM teamrbac.invitations_page(u('b0'));
SELECT count(*) FROM teamrbac.audit_page(u('b0'));
SELECT count(*) FROM teamrbac.members_page(u('c0'));
SELECT count(*) AS anns FROM teamrbac.members_page(u('a0'), search => 'ann@borealis');

-- Arguments that make no sense.
SELECT count(*) FROM teamrbac.members_page(NULL);
SELECT count(*) FROM teamrbac.members_page(u('a0'), page_size => NULL);
SELECT count(*) FROM teamrbac.members_page(u('a0'), page_size => 0);
SELECT count(*) FROM teamrbac.members_page(u('a0'), page_size => -1);
SELECT count(*) FROM teamrbac.members_page(u('a0'), page_size => 1001);
SELECT count(*) FROM teamrbac.members_page(u('a0'), page_size => 2147483647);
SELECT count(*) FROM teamrbac.members_page(u('a0'), '');
SELECT count(*) FROM teamrbac.members_page(u('a0'), 'x');
SELECT count(*) FROM teamrbac.members_page(u('a0'), u('01')::text);
SELECT count(*) FROM teamrbac.members_page(u('a0'), u('01') || ':' || repeat('x', 3000));
SELECT count(*) AS "from the end" FROM teamrbac.members_page(u('a0'), u('01') || ':' || U&'\+10FFFF');
SELECT count(*) AS "a place before the search" FROM teamrbac.members_page(u('a0'), u('01') || ':', search => 'bob');
SELECT count(*) AS "a place after the search" FROM teamrbac.members_page(u('a0'), u('01') || ':z', search => 'bob');
SELECT count(*) FROM teamrbac.invitations_page(NULL);
SELECT count(*) FROM teamrbac.invitations_page(u('a0'), page_size => 0);
SELECT count(*) FROM teamrbac.invitations_page(u('a0'), 'x');
SELECT count(*) FROM teamrbac.audit_page(NULL);
SELECT count(*) FROM teamrbac.audit_page(u('a0'), page_size => 0);
SELECT count(*) FROM teamrbac.audit_page(u('a0'), page_size => NULL);
SELECT count(*) FROM teamrbac.audit_page(u('a0'), of_action => 'x', of_subject => 'y');

-- Invitations, by address.
SELECT count(teamrbac.invite_member(u('a0'), n || '@Elsewhere.example', 'reader'))
	FROM unnest(ARRAY['b', 'a', 'C', 'aa', 'ab', 'É']) AS n;
SELECT split_part(email, '@', 1) AS page_1 FROM teamrbac.invitations_page(u('a0'), page_size => 2);
SELECT place AS after FROM teamrbac.invitations_page(u('a0'), page_size => 2) OFFSET 1 \gset
SELECT split_part(email, '@', 1) AS page_2 FROM teamrbac.invitations_page(u('a0'), :'after', 2);
SELECT string_agg(split_part(email, '@', 1), ' ') AS a FROM teamrbac.invitations_page(u('a0'), search => 'A');
SELECT count(*) AS aa FROM teamrbac.invitations_page(u('a0'), :'after', search => 'aa');
SELECT invitation_id AS b FROM teamrbac.invitations_page(u('a0'), search => 'b@') \gset
CALL teamrbac.cancel_invitation(:'b');
SELECT string_agg(split_part(email, '@', 1), ' ') AS pending FROM teamrbac.invitations_page(u('a0'));

-- The audit, newest first; the next page begins before the last row of this one.
SELECT count(*) AS events, max(sequence) AS last FROM teamrbac.audit_event WHERE tenant_id = u('a0') \gset
SELECT sequence = :last - row_number() OVER () + 1 AS newest_first, action
	FROM teamrbac.audit_page(u('a0'), page_size => 3);
CREATE FUNCTION events(size int) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE before bigint; row record; shown int;
BEGIN
	LOOP
		shown := 0;
		FOR row IN SELECT * FROM teamrbac.audit_page(u('a0'), before, size) LOOP
			RETURN NEXT row.sequence; before := row.sequence; shown := shown + 1;
		END LOOP;
		EXIT WHEN shown = 0;
	END LOOP;
END $$;
SELECT count(*) = :events AS all, count(DISTINCT n) = :events AS once FROM events(7) AS n;
SELECT b.before, count(e) FROM unnest(ARRAY[-9223372036854775808, -1, 0, 1, 3, 9223372036854775807]) AS b(before)
	LEFT JOIN LATERAL teamrbac.audit_page(u('a0'), b.before, 5) AS e ON true GROUP BY b.before ORDER BY b.before;
SELECT DISTINCT action, count(*) FROM teamrbac.audit_page(u('a0'), of_action => 'invitation.cancelled') GROUP BY
	action;
SELECT count(*) = (SELECT count(*) FROM teamrbac.audit_event WHERE tenant_id = u('a0')
	AND actor_id = u('01')) AS of_actor FROM teamrbac.audit_page(u('a0'), of_actor => u('01'), page_size => 1000);
SELECT array_agg(action ORDER BY sequence) AS of_subject
	FROM teamrbac.audit_page(u('a0'), of_subject => 'member:' || m(2));
SELECT count(*) AS nobody FROM teamrbac.audit_page(u('a0'), of_actor => u('ff'));

-- The views give the first of a large team in the order of their keys.
SELECT count(*) AS members FROM (SELECT FROM teamrbac.team WHERE tenant_id = u('a0') ORDER BY user_id LIMIT 5) AS t;
SELECT sequence = :last - row_number() OVER () + 1 AS newest_first FROM teamrbac.audit_trail
	WHERE tenant_id = u('a0') ORDER BY sequence DESC LIMIT 2;

-- TRUNCATE leaves nothing to find anybody by.
BEGIN;
SET client_min_messages = error;
TRUNCATE teamrbac.tenant, teamrbac.app_user CASCADE;
SELECT count(*) FROM teamrbac.member_term;
ROLLBACK;

DROP VIEW truth;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION walk, everybody, events, u, m;
