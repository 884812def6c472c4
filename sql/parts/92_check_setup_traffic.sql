-- The findings of check_setup about what leaves the database, and what runs in it by itself.

-- Publications that copy secrets to another server.
CREATE FUNCTION teamrbac.check_setup_publications(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH secret AS (
		SELECT c.oid AS relation, a.attnum
		FROM (VALUES ('api_key', 'secret_hash'), ('invitation', 'token_hash'), ('outbox', 'token'), ('cluster', 'secret')) AS s(relname, attname)
		JOIN pg_class AS c ON c.relname = s.relname AND c.relnamespace = 'teamrbac'::regnamespace
		JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = s.attname
	), copied AS (
		-- Not from pg_publication_tables, which opens all published tables: their owners may have them locked.
		SELECT p.oid AS publication, s.relation
		FROM pg_publication AS p CROSS JOIN secret AS s
		WHERE p.puballtables
		   OR EXISTS (SELECT FROM pg_publication_namespace AS n WHERE n.pnpubid = p.oid AND n.pnnspid = 'teamrbac'::regnamespace)
		   OR EXISTS (SELECT FROM pg_publication_rel AS r
					  WHERE r.prpubid = p.oid AND r.prrelid = s.relation AND (r.prattrs IS NULL OR s.attnum = ANY (r.prattrs::smallint[])))
	), listed AS (
		SELECT p.oid AS publication, string_agg(teamrbac.printable_relation(c.relation), ', ' ORDER BY teamrbac.printable_relation(c.relation) COLLATE "C") AS tables
		FROM copied AS c JOIN pg_publication AS p ON p.oid = c.publication
		GROUP BY p.oid
	)
	SELECT 'critical', 5, 'publication ' || teamrbac.printable_identifier(p.pubname), 'copies all tables to its subscribers, hashes and tokens in ' || l.tables || ' included; the remedy lists the others, and those made later have to be added',
		   'DROP PUBLICATION ' || teamrbac.printable_identifier(p.pubname)
		   || COALESCE('; CREATE PUBLICATION ' || teamrbac.printable_identifier(p.pubname) || ' FOR TABLE ' || others.tables
					   || format(' WITH (publish = %L, publish_via_partition_root = %s)',
								 concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
										   CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END),
								 p.pubviaroot::text), '')
	FROM listed AS l JOIN pg_publication AS p ON p.oid = l.publication,
		 (SELECT string_agg(teamrbac.printable_relation(c.oid), ', ' ORDER BY teamrbac.printable_relation(c.oid) COLLATE "C") AS tables
		  FROM pg_class AS c
		  WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relispartition AND c.oid >= 16384
			AND c.relnamespace <> 'information_schema'::regnamespace AND c.oid NOT IN (SELECT s.relation FROM secret AS s)) AS others
	WHERE p.puballtables
	UNION ALL
	SELECT 'critical', 5, 'publication ' || teamrbac.printable_identifier(p.pubname), 'copies a whole schema to its subscribers, hashes and tokens in ' || l.tables || ' included',
		   format('ALTER PUBLICATION %s DROP TABLES IN SCHEMA teamrbac', teamrbac.printable_identifier(p.pubname))
	FROM listed AS l JOIN pg_publication AS p ON p.oid = l.publication
	JOIN pg_publication_namespace AS n ON n.pnpubid = p.oid AND n.pnnspid = 'teamrbac'::regnamespace
	UNION ALL
	SELECT 'critical', 5, 'publication ' || teamrbac.printable_identifier(p.pubname), 'copies hashes or tokens to its subscribers',
		   format('ALTER PUBLICATION %s DROP TABLE %s', teamrbac.printable_identifier(p.pubname), string_agg(teamrbac.printable_relation(c.relation), ', ' ORDER BY teamrbac.printable_relation(c.relation) COLLATE "C"))
	FROM copied AS c JOIN pg_publication AS p ON p.oid = c.publication
	JOIN pg_publication_rel AS r ON r.prpubid = p.oid AND r.prrelid = c.relation
	GROUP BY p.pubname;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_publications(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: publications that copy hashes or tokens.';

-- Mail that was given up, mail that is kept for the sender's fault, and mail that nobody sends.
CREATE FUNCTION teamrbac.check_setup_mail(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH failed AS (
		SELECT o.kind, o.last_error, count(*) AS mails, o.kind IN ('invitation', 'invitation_resent') AS had_token,
			   -- The operators' schema is said, lest somebody's of the same name be found first.
			   format('failed_at IS NOT NULL AND kind::pg_catalog.text OPERATOR(pg_catalog.=) %L AND ', o.kind)
			   || CASE WHEN o.last_error IS NULL THEN 'last_error IS NULL'
					   ELSE 'last_error OPERATOR(pg_catalog.=) ' || teamrbac.printable_literal(o.last_error) END AS condition
		FROM teamrbac.outbox AS o WHERE o.failed_at IS NOT NULL
		GROUP BY o.kind, o.last_error
	)
	SELECT 'warning', 5, format('mail %s', f.kind),
		   format('%s given up: %s', f.mails, COALESCE(teamrbac.printable_literal(f.last_error), 'no reason known'))
		   || CASE WHEN f.had_token THEN '; whoever manages the team can send a pending invitation again, by resend_invitation' ELSE '' END
		   || CASE WHEN t.only_ours THEN '' ELSE '; there is a remedy once others have nothing on teamrbac.outbox' END,
		   CASE WHEN NOT t.only_ours THEN NULL
				WHEN f.had_token THEN format('DELETE FROM teamrbac.outbox WHERE %s', f.condition)
				ELSE format('UPDATE teamrbac.outbox SET failed_at = NULL, attempts = 0, next_attempt_at = pg_catalog.clock_timestamp() WHERE %s', f.condition) END
	FROM failed AS f, teamrbac.setup_runs_only_ours('teamrbac.outbox'::regclass) AS t(only_ours)
	UNION ALL
	SELECT 'warning', 5, 'mail', format('%s kept, since the mail server refuses the sender: %s; put that right, the remedy has it tried at once', count(*),
				  teamrbac.printable_literal((array_agg(o.last_error ORDER BY o.next_attempt_at DESC, o.mail_id))[1])),
		   CASE WHEN bool_and(teamrbac.setup_runs_only_ours('teamrbac.outbox'::regclass)) THEN 'UPDATE teamrbac.outbox SET next_attempt_at = pg_catalog.now() WHERE error_kind OPERATOR(pg_catalog.=) ''sender''::teamrbac.mail_error AND next_attempt_at OPERATOR(pg_catalog.>) pg_catalog.now() AND claimed_by IS NULL' END
	FROM teamrbac.outbox AS o
	WHERE o.error_kind = 'sender' AND o.next_attempt_at > now() AND o.claimed_by IS NULL
	HAVING count(*) > 0
	UNION ALL
	SELECT 'warning', 5, 'mail', format('%s due for more than a day, and nobody takes it: start teamrbac-mailer, or another sender; the remedy is for what shall not be sent any more', count(*)),
		   CASE WHEN bool_and(teamrbac.setup_runs_only_ours('teamrbac.outbox'::regclass)) THEN 'UPDATE teamrbac.outbox SET next_attempt_at = NULL, withdrawn_at = pg_catalog.clock_timestamp(), claimed_by = NULL, token = NULL WHERE next_attempt_at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) interval ''1 day'') AND tenant_id OPERATOR(pg_catalog.=) ANY (SELECT tenant_id FROM teamrbac.tenant WHERE deleted_at IS NULL)' END
	FROM teamrbac.outbox AS o JOIN teamrbac.tenant AS t ON t.tenant_id = o.tenant_id
	WHERE o.next_attempt_at < now() - interval '1 day' AND t.deleted_at IS NULL
	HAVING count(*) > 0;
$$;
COMMENT ON FUNCTION teamrbac.check_setup_mail(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: mail that was given up, whose remedy sends it again, or forgets it where its token is gone; mail kept since the mail server refuses the sender; mail that nobody sends. No remedy while the table has triggers, rules or foreign keys of others, which are findings of their own.';

-- Maintenance.  In PL/pgSQL, since it reads pg_cron's table where there is one, and only a real one: somebody who
-- may create schemas might have planted a view of that name.  It stays a superuser's: shared_preload_libraries, and the
-- jobs of other roles, are shown to nobody else.
CREATE FUNCTION teamrbac.check_setup_maintenance(OUT severity text, OUT step integer, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
DECLARE
	cron_database CONSTANT text := current_setting('cron.database_name', true);
	cron_is_here CONSTANT boolean := EXISTS (
		SELECT FROM pg_extension AS e JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
		WHERE e.extname = 'pg_cron' AND d.classid = 'pg_class'::regclass AND d.objid = to_regclass('cron.job'));
	missing text;
	orphaned text;
BEGIN
	severity := 'notice';
	step := 5;
	object := 'maintenance';
	remedy := 'SELECT * FROM teamrbac.schedule_maintenance()';
	IF cron_database IS NULL THEN
		problem := 'nothing is known to run it: pg_cron is not loaded; after the remedy, restart, and see what is found then';
		remedy := format('ALTER SYSTEM SET shared_preload_libraries = %s',
						 (SELECT string_agg(quote_literal(trim(l)), ', ') FROM unnest(string_to_array(concat_ws(',', NULLIF(current_setting('shared_preload_libraries'), ''), 'pg_cron'), ',')) AS l));
		RETURN NEXT;
		RETURN;
	END IF;
	IF cron_database = current_database() AND NOT cron_is_here THEN
		problem := 'nothing is known to run it: pg_cron is not installed in this database, where it is to live';
		remedy := 'CREATE EXTENSION pg_cron; ' || remedy;
		RETURN NEXT;
		RETURN;
	END IF;
	BEGIN
		-- A job comes along with a restore, its role does not; pg_cron lists it as active all the same.
		SELECT string_agg(d.procedure, ', ' ORDER BY d.procedure) FILTER (WHERE NOT d.runs AND NOT d.orphaned),
			   string_agg(d.procedure, ', ' ORDER BY d.procedure) FILTER (WHERE d.orphaned)
		INTO missing, orphaned
		FROM (SELECT due.procedure, COALESCE(bool_or(j.active AND r.oid IS NOT NULL), false) AS runs,
					 bool_or(j.job_id IS NOT NULL AND r.oid IS NULL) AS orphaned
			  FROM unnest(ARRAY['expire_invitations', 'expire_memberships', 'purge']) AS due(procedure)
			  LEFT JOIN teamrbac.maintenance_jobs() AS j ON j.command = format('CALL teamrbac.%s()', due.procedure)
			  LEFT JOIN pg_roles AS r ON r.rolname = j.run_as
			  GROUP BY due.procedure) AS d;
		IF missing IS NOT NULL OR orphaned IS NOT NULL THEN
			problem := concat_ws('; ', 'not scheduled, or not active: ' || missing, 'scheduled by a role that is gone: ' || orphaned);
			remedy := 'SELECT teamrbac.unschedule_maintenance(); ' || remedy;
			RETURN NEXT;
		END IF;
	EXCEPTION WHEN OTHERS THEN
		problem := format('nothing is known to run it: %s (%s)', SQLERRM, SQLSTATE);
		RETURN NEXT;
	END;
	IF cron_is_here THEN
		RETURN QUERY
			SELECT 'warning', 5, format('cron job %s, %s', j.jobid, quote_nullable(j.jobname)),
				   CASE WHEN d.oid IS NULL THEN format('its database, %I, is gone', j.database)
						ELSE format('its role, %I, is gone', j.username) END,
				   format('SELECT cron.unschedule(%L::pg_catalog.int8)', j.jobid)
			FROM cron.job AS j
			LEFT JOIN pg_database AS d ON d.datname = j.database
			LEFT JOIN pg_roles AS r ON r.rolname = j.username
			WHERE teamrbac.setup_mentions(j.command, 'teamrbac.') AND (d.oid IS NULL OR r.oid IS NULL);
	END IF;
END
$$;
COMMENT ON FUNCTION teamrbac.check_setup_maintenance(OUT text, OUT integer, OUT text, OUT text, OUT text) IS
	'Internal to check_setup: maintenance that nothing runs, and jobs of databases and roles that are gone.';

REVOKE ALL ON FUNCTION teamrbac.check_setup_publications() FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.check_setup_maintenance() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION teamrbac.check_setup_maintenance() TO teamrbac_owner;
REVOKE ALL ON FUNCTION teamrbac.check_setup_mail() FROM PUBLIC;
