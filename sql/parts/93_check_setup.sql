-- All findings.

CREATE FUNCTION teamrbac.check_setup(OUT severity text, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp SET quote_all_identifiers = off
	ROWS 10
AS $$
	SELECT f.severity, teamrbac.printable(f.object), teamrbac.printable(f.problem), f.remedy || ';'
	FROM (SELECT * FROM teamrbac.check_setup_tables()
		  UNION ALL SELECT * FROM teamrbac.check_setup_policies()
		  UNION ALL SELECT * FROM teamrbac.check_setup_views()
		  UNION ALL SELECT * FROM teamrbac.check_setup_privileges()
		  UNION ALL SELECT * FROM teamrbac.check_setup_functions()
		  UNION ALL SELECT * FROM teamrbac.check_setup_parts()
		  UNION ALL SELECT * FROM teamrbac.check_setup_followers()
		  UNION ALL SELECT * FROM teamrbac.check_setup_schema()
		  UNION ALL SELECT * FROM teamrbac.check_setup_grants()
		  UNION ALL SELECT * FROM teamrbac.check_setup_own_tables()
		  UNION ALL SELECT * FROM teamrbac.check_setup_owner()
		  UNION ALL SELECT * FROM teamrbac.check_setup_publications()
		  UNION ALL SELECT * FROM teamrbac.check_setup_mail()
		  UNION ALL SELECT * FROM teamrbac.check_setup_rows()
		  UNION ALL SELECT * FROM teamrbac.check_setup_citus_tables()
		  UNION ALL SELECT * FROM teamrbac.check_setup_cluster()
		  UNION ALL SELECT * FROM teamrbac.check_setup_maintenance()) AS f
	ORDER BY array_position(ARRAY['critical', 'warning', 'notice'], f.severity), f.step, f.object COLLATE "C", f.problem COLLATE "C", f.remedy COLLATE "C";
$$;
COMMENT ON FUNCTION teamrbac.check_setup(OUT text, OUT text, OUT text, OUT text) IS
	'What is wrong with the set-up: severity (critical, warning, notice), object, problem, and remedy, a statement to run after reading it; run in order, they leave nothing to report but findings without a remedy, whose problem says what to do. A remedy has nothing of others in it but quoted names, and gives nobody a right that they did not have. Characters that do not show are printed as their codes. For the DBA. Errors: none of its own. Takes ACCESS SHARE on system catalogues. Where pg_cron lives in another database, a background worker asks there for the jobs.';
REVOKE ALL ON FUNCTION teamrbac.check_setup() FROM PUBLIC;
