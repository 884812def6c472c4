-- What others chose (names of objects, people and jobs, errors of servers), made fit to be shown to the DBA and to be
-- part of a statement that a superuser runs.  Such text is nothing but an identifier or a literal there, and no
-- character of it can hide, move a terminal's cursor or turn the direction of what follows.

CREATE FUNCTION teamrbac.escape_unprintable(value text, short_escape text, long_escape text) RETURNS text
	LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
AS $$
	SELECT CASE WHEN value !~ h.hidden THEN value
				ELSE (SELECT string_agg(CASE WHEN c.letter !~ h.hidden THEN c.letter
											 WHEN ascii(c.letter) < 65536 THEN short_escape
											     || lpad(to_hex(ascii(c.letter)), 4, '0')
											 ELSE long_escape || lpad(to_hex(ascii(c.letter)), CASE long_escape
											     WHEN '\U' THEN 8 ELSE 6 END, '0') END,
										'' ORDER BY c.place)
					  FROM string_to_table(value, NULL) WITH ORDINALITY AS c(letter, place)) END
	FROM (SELECT CASE WHEN getdatabaseencoding() = 'UTF8'
					  THEN '[\x01-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f'
						   '\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]'
					  ELSE '[\x01-\x1f\x7f]' END) AS h(hidden);
$$;
COMMENT ON FUNCTION teamrbac.escape_unprintable(text, text, text) IS
	'Internal to check_setup and access_review: the text with the code of each character that does not show: control '
		'characters, marks of direction, what has no width.';

-- PL/pgSQL keeps the plan of what it calls; SQL would plan it for each name of a large team.
CREATE FUNCTION teamrbac.printable(value text) RETURNS text
	LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
AS $$
BEGIN
	RETURN teamrbac.escape_unprintable(value, '\u', '\U');
END
$$;
COMMENT ON FUNCTION teamrbac.printable(text) IS
	'Internal to check_setup and access_review: the text as it can be shown.';

CREATE FUNCTION teamrbac.printable_identifier(name text) RETURNS text
	LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
AS $$
	SELECT CASE WHEN teamrbac.printable(name) = name THEN quote_ident(name)
				ELSE 'U&"' || teamrbac.escape_unprintable(replace(replace(name, '\', '\\'), '"', '""'), '\', '\+')
					|| '"' END;
$$;
COMMENT ON FUNCTION teamrbac.printable_identifier(text) IS
	'Internal to check_setup: the name as quote_ident gives it, or with the codes of characters that do not show.';

CREATE FUNCTION teamrbac.printable_literal(value text) RETURNS text
	LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
AS $$
	SELECT CASE WHEN teamrbac.printable(value) = value THEN quote_literal(value)
				ELSE 'E''' || teamrbac.escape_unprintable(replace(replace(value, '\', '\\'), '''', ''''''), '\u', '\U')
					|| '''' END;
$$;
COMMENT ON FUNCTION teamrbac.printable_literal(text) IS
	'Internal to check_setup and access_review: the text as quote_literal gives it, or with the codes of characters '
		'that do not show.';

CREATE FUNCTION teamrbac.printable_relation(relation oid) RETURNS text
	LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
	SELECT teamrbac.printable_identifier(n.nspname) || '.' || teamrbac.printable_identifier(c.relname)
	FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = relation;
$$;
COMMENT ON FUNCTION teamrbac.printable_relation(oid) IS
	'Internal to check_setup: the name of a table, view or index with its schema, as part of a statement.';

CREATE FUNCTION teamrbac.printable_routine(routine oid) RETURNS text
	LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('%s.%s(%s)', teamrbac.printable_identifier(n.nspname), teamrbac.printable_identifier(p.proname),
				  (SELECT string_agg(CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN format_type(t.oid, NULL)
										  ELSE teamrbac.printable_identifier(tn.nspname) || '.'
										      || teamrbac.printable_identifier(t.typname) END,
									 ',' ORDER BY a.place)
				   FROM unnest(p.proargtypes) WITH ORDINALITY AS a(type, place)
				   JOIN pg_type AS t ON t.oid = a.type JOIN pg_namespace AS tn ON tn.oid = t.typnamespace))
	FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE p.oid = routine;
$$;
COMMENT ON FUNCTION teamrbac.printable_routine(oid) IS
	'Internal to check_setup: the name of a function or procedure with its schema and argument types, as part of a '
		'statement.';

REVOKE ALL ON FUNCTION teamrbac.escape_unprintable(text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.printable(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.printable_identifier(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.printable_literal(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.printable_relation(oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.printable_routine(oid) FROM PUBLIC;
