-- The findings of check_setup about what leaves the database, and what runs in it by itself.

-- Publications that copy secrets to another server.
CREATE FUNCTION teamrbac.check_setup_publications(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH secret AS (
		SELECT c.oid AS relation, c.relname, a.attname
		FROM (VALUES ('api_key', 'secret_hash'), ('invitation', 'token_hash'), ('outbox', 'token')) AS s(relname, attname)
		JOIN pg_class AS c ON c.relname = s.relname AND c.relnamespace = 'teamrbac'::regnamespace
		JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = s.attname
	), copied AS (
		SELECT DISTINCT p.oid AS publication, s.relation
		FROM pg_publication AS p
		JOIN pg_publication_tables AS t ON t.pubname = p.pubname AND t.schemaname = 'teamrbac'
		JOIN secret AS s ON s.relname = t.tablename AND s.attname = ANY (t.attnames)
	), listed AS (
		SELECT p.oid AS publication, string_agg(c.relation::regclass::text, ', ' ORDER BY c.relation::regclass::text COLLATE "C") AS tables
		FROM copied AS c JOIN pg_publication AS p ON p.oid = c.publication
		GROUP BY p.oid
	)
	SELECT 'critical', 5, format('publication %I', p.pubname), 'copies all tables to its subscribers, hashes and tokens in ' || l.tables || ' included',
		   format('DROP PUBLICATION %I', p.pubname)
		   || COALESCE('; CREATE PUBLICATION ' || quote_ident(p.pubname) || ' FOR TABLE ' || others.tables
					   || format(' WITH (publish = %L, publish_via_partition_root = %s)',
								 concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
										   CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END),
								 p.pubviaroot::text), '')
	FROM listed AS l JOIN pg_publication AS p ON p.oid = l.publication,
		 (SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid::regclass::text COLLATE "C") AS tables
		  FROM pg_class AS c
		  WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relispartition AND c.oid >= 16384
			AND c.relnamespace <> 'information_schema'::regnamespace AND c.oid NOT IN (SELECT s.relation FROM secret AS s)) AS others
	WHERE p.puballtables
	UNION ALL
	SELECT 'critical', 5, format('publication %I', p.pubname), 'copies a whole schema to its subscribers, hashes and tokens in ' || l.tables || ' included',
		   format('ALTER PUBLICATION %I DROP TABLES IN SCHEMA teamrbac', p.pubname)
	FROM listed AS l JOIN pg_publication AS p ON p.oid = l.publication
	JOIN pg_publication_namespace AS n ON n.pnpubid = p.oid AND n.pnnspid = 'teamrbac'::regnamespace
	UNION ALL
	SELECT 'critical', 5, format('publication %I', p.pubname), 'copies hashes or tokens to its subscribers',
		   format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname, string_agg(c.relation::regclass::text, ', ' ORDER BY c.relation::regclass::text COLLATE "C"))
	FROM copied AS c JOIN pg_publication AS p ON p.oid = c.publication
	JOIN pg_publication_rel AS r ON r.prpubid = p.oid AND r.prrelid = c.relation
	GROUP BY p.pubname;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_publications(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: publications that copy hashes or tokens.';

-- Mail that was given up.
CREATE FUNCTION teamrbac.check_setup_mail(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH failed AS (
		SELECT o.kind, o.last_error, count(*) AS mails, o.kind IN ('invitation', 'invitation_resent') AS had_token,
			   format('failed_at IS NOT NULL AND kind = %L AND last_error IS NOT DISTINCT FROM %L', o.kind, o.last_error) AS condition
		FROM teamrbac.outbox AS o WHERE o.failed_at IS NOT NULL
		GROUP BY o.kind, o.last_error
	)
	SELECT 'warning', 5, format('mail %s', f.kind),
		   format('%s given up: %s', f.mails, COALESCE(f.last_error, 'no reason known'))
		   || CASE WHEN f.had_token THEN '; whoever manages the team can send a pending invitation again, by resend_invitation' ELSE '' END,
		   CASE WHEN f.had_token THEN format('DELETE FROM teamrbac.outbox WHERE %s', f.condition)
				ELSE format('UPDATE teamrbac.outbox SET failed_at = NULL, attempts = 0, next_attempt_at = pg_catalog.clock_timestamp() WHERE %s', f.condition) END
	FROM failed AS f;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_mail(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: mail that was given up; its remedy sends it again, or forgets it where its token is gone.';

REVOKE ALL ON FUNCTION teamrbac.check_setup_publications() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_mail() FROM PUBLIC;
