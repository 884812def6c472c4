-- Names that people can read, and addresses that are compared by A to Z alone: one rule for the commands and the tables.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
SELECT count(teamrbac.register_user(name || '@example.com', name, u(id))) FROM (VALUES ('Olivia', 'a1'), ('Mike', 'b1'), ('Indira', 'c1')) AS v(name, id);
SELECT teamrbac.sign_in(u('a1'), false);
SELECT teamrbac.create_tenant('Acme') AS acme \gset
CREATE FUNCTION key() RETURNS uuid LANGUAGE sql AS $$ SELECT key_id FROM teamrbac.api_key LIMIT 1 $$;

-- Every way a name comes in, against every kind of name that is none.  With the same through the table's constraint.
CREATE TABLE bad (n int, kind text, name text);
INSERT INTO bad VALUES
	(1, 'nothing', ''), (2, 'a space', ' '), (3, 'no-break spaces', E'\u00a0\u2003\u3000'), (4, 'Braille blank', E'\u2800'), (5, 'a variant of nothing', E'\ufe0f'),
	(6, 'line break', E'a\nb'), (7, 'tab before', E'\ta'), (8, 'delete', E'a\u007fb'), (9, 'C1 control', E'a\u0085b'), (10, 'line separator', E'a\u2028b'),
	(11, 'paragraph separator', E'a\u2029b'), (12, 'right-to-left override', E'gro.elpmaxe\u202e'), (13, 'left-to-right embedding', E'\u202aa'),
	(14, 'isolate', E'a\u2066b\u2069'), (15, 'left-to-right mark', E'a\u200e'), (16, 'right-to-left mark', E'a\u200fb'), (17, 'Arabic letter mark', E'a\u061c'),
	(18, 'zero-width space', E'Ad\u200bam'), (19, 'joiner', E'a\u200db'), (20, 'non-joiner', E'a\u200cb'), (21, 'byte order mark', E'\ufeffAdam'), (22, 'soft hyphen', E'Ad\u00adam'),
	(23, 'word joiner', E'a\u2060b'), (24, 'invisible plus', E'a\u2064b'), (25, 'tags', E'a\U000e0041'), (26, 'Hangul filler', E'\u3164'), (27, 'Mongolian separator', E'a\u180eb'),
	(28, 'annotation', E'a\ufff9b'), (29, 'grapheme joiner', E'a\u034fb'), (30, 'too long', repeat('x', 201));
CREATE TABLE way (n int, way text, statement text);
INSERT INTO way VALUES
	(1, 'register_user', 'SELECT teamrbac.register_user(''new@example.com'', %1$L)'),
	(2, 'update_user', 'SELECT teamrbac.update_user(u(''b1''), NULL, %1$L)'),
	(3, 'create_tenant', 'SELECT teamrbac.create_tenant(%1$L)'),
	(4, 'create_api_key', 'SELECT teamrbac.create_api_key(' || quote_literal(:'acme') || ', %1$L)'),
	(5, 'rename_api_key', 'CALL teamrbac.rename_api_key(key(), %1$L)'),
	(6, 'revoke_api_key', 'CALL teamrbac.revoke_api_key(key(), %1$L)'),
	(7, 'revoke_api_keys', 'CALL teamrbac.revoke_api_keys(' || quote_literal(:'acme') || ', name_like => ''%%'', reason => %1$L)'),
	(8, 'define_role', 'SELECT teamrbac.define_role(''helper'', %1$L, ''{logs.view}'')'),
	(9, 'define_permission', 'SELECT teamrbac.define_permission(''shop.view'', %1$L)'),
	(11, 'app_user', 'UPDATE teamrbac.app_user SET display_name = %1$L'),
	(12, 'tenant', 'UPDATE teamrbac.tenant SET name = %1$L'),
	(13, 'api_key', 'UPDATE teamrbac.api_key SET name = %1$L'),
	(14, 'api_key''s reason', 'UPDATE teamrbac.api_key SET revoked_at = now(), revoke_reason = %1$L'),
	(15, 'role', 'INSERT INTO teamrbac.role (role, description) VALUES (''x'', %1$L)'),
	(16, 'permission', 'INSERT INTO teamrbac.permission (permission, description) VALUES (''x'', %1$L)');
SELECT count(*) FROM teamrbac.create_api_key(:'acme', 'Key');
SELECT b.kind, count(*) AS ways, string_agg(w.way || ' ' || r.outcome, ', ' ORDER BY w.n) FILTER (WHERE r.outcome <> CASE WHEN w.n < 10 THEN '22023' ELSE '23514' END) AS other
	FROM bad AS b CROSS JOIN way AS w CROSS JOIN LATERAL try(format(w.statement, b.name)) AS r(outcome) GROUP BY b.n, b.kind ORDER BY b.n;
-- Spaces around a name are no part of it: the commands leave them out, the tables have none.
SELECT w.way, try(format(w.statement, E' \u00a0 Ann Lee' || repeat('!', w.n) || E'\u3000 ')) FROM way AS w ORDER BY w.n;
SELECT 'user' AS of, '[' || display_name || ']' AS name FROM teamrbac.app_user WHERE email = 'new@example.com'
UNION ALL SELECT 'user updated', '[' || display_name || ']' FROM teamrbac.app_user WHERE user_id = u('b1')
UNION ALL SELECT 'tenant', '[' || name || ']' FROM teamrbac.tenant WHERE name <> 'Acme'
UNION ALL SELECT 'key', '[' || name || ']' FROM teamrbac.api_key WHERE replaced_by IS NULL
UNION ALL SELECT 'reason', '[' || revoke_reason || ']' FROM teamrbac.api_key WHERE revoke_reason IS NOT NULL
UNION ALL SELECT 'role', '[' || description || ']' FROM teamrbac.role WHERE NOT built_in
UNION ALL SELECT 'permission', '[' || description || ']' FROM teamrbac.permission WHERE NOT built_in;
-- What is fine in any script, variants of emoji and of ideographs included.
SELECT count(*) FILTER (WHERE teamrbac.is_printable_name(name)) AS fine, string_agg(name, ' ') FILTER (WHERE NOT teamrbac.is_printable_name(name)) AS refused FROM (VALUES
	('O''Neill & Sons'), ('Zoë Łukasz'), (E'Zoe\u0308'), ('محمد علي'), ('דוד'), ('王小明'), (E'\u845b\U000e0100城'), ('田中　太郎'), ('हिन्दी'), ('❤️'), ('👍🏽'), ('𝒜da'), (repeat('é', 200))) AS v(name);

-- Addresses: somebody whose address merely folds to another's by the rules of some language is somebody else.
SELECT count(*) AS folds FROM (VALUES (E'mi\u212ae@example.com', 'mike@example.com'), (E'\u0130ndira@example.com', 'indira@example.com')) AS v(mine, theirs)
	WHERE teamrbac.address_key(mine) = teamrbac.address_key(theirs);
SELECT token AS mike FROM teamrbac.invite_member(:'acme', 'MIKE@Example.COM', 'reader') \gset
SELECT token AS indira FROM teamrbac.invite_member(:'acme', 'Indira@example.com', 'reader') \gset
SELECT count(teamrbac.register_user(E'mi\u212ae@example.com', 'Mallory', u('e1'))), count(teamrbac.register_user(E'\u0130ndira@example.com', 'Mallory', u('e2')));
SELECT try('SELECT teamrbac.register_user(''mIke@eXample.com'', ''Mike'')') AS same_user;
SELECT teamrbac.sign_in(u('e1'), false);
SELECT try(format('SELECT teamrbac.accept_invitation(%L)', :'mike')) AS accept, try(format('CALL teamrbac.decline_invitation(%L)', :'mike')) AS decline;
SELECT teamrbac.sign_in(u('e2'), false);
SELECT try(format('SELECT teamrbac.accept_invitation(%L)', :'indira')) AS accept, try(format('CALL teamrbac.decline_invitation(%L)', :'indira')) AS decline;
SELECT teamrbac.sign_in(u('b1'), false);
SELECT role FROM teamrbac.accept_invitation(:'mike');
SELECT teamrbac.sign_in(u('a1'), false);
-- One invitation for an address, however it is spelt; another for one that merely looks like it.
SELECT try(format('SELECT teamrbac.invite_member(%L, %L, ''reader'')', :'acme', 'INDIRA@example.com')) AS again,
	try(format('SELECT teamrbac.invite_member(%L, %L, ''reader'')', :'acme', E'\u0130ndira@example.com')) AS another;
-- No address at all: the same answer everywhere, and the type's own.
SELECT count(*) AS kinds, count(DISTINCT outcomes) AS answers, min(outcomes) AS answer FROM (
	SELECT b.n, array_agg(try(format(w.statement, address)) ORDER BY w.n)::text AS outcomes
	FROM bad AS b CROSS JOIN LATERAL (SELECT 'x' || b.name || '@example.com' UNION ALL SELECT 'x@exam' || b.name || 'ple.com') AS a(address)
	CROSS JOIN (VALUES
		(1, 'SELECT teamrbac.register_user(%1$L, ''X'')'), (2, 'SELECT teamrbac.update_user(u(''c1''), %1$L)'),
		(3, 'SELECT teamrbac.invite_member(' || quote_literal(:'acme') || ', %1$L, ''reader'')'),
		(4, 'UPDATE teamrbac.app_user SET email = %1$L WHERE user_id = u(''c1'')'), (5, 'SELECT %1$L::teamrbac.email_address')) AS w(n, statement)
	WHERE b.n NOT IN (1, 30) GROUP BY b.n, a.address) AS tried;
SELECT count(*) FROM (VALUES ('a'), ('@'), ('a@'), ('@b'), ('a@b@c'), ('a b@c'), ('a,b@c'), ('<a@b>'), ('"a"@b'), ('a@b;c'), ('a@(b)'), ('a\@b'), ('a:b@c'), (repeat('x', 251) || '@b.c'), (repeat('é', 127) || '@b')) AS v(address)
	WHERE teamrbac.is_email_address(address);

DROP EXTENSION teamrbac CASCADE;
DROP TABLE bad, way;
DROP FUNCTION try(text), u(text), key();
