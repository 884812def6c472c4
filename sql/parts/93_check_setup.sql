-- All findings.

CREATE FUNCTION teamrbac.check_setup(OUT severity text, OUT object text, OUT problem text, OUT remedy text)
	RETURNS SETOF record
	LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 10
AS $$
	SELECT f.severity, f.object, f.problem, f.remedy || ';'
	FROM (SELECT * FROM teamrbac.check_setup_tables()
		  UNION ALL SELECT * FROM teamrbac.check_setup_policies()
		  UNION ALL SELECT * FROM teamrbac.check_setup_views()
		  UNION ALL SELECT * FROM teamrbac.check_setup_privileges()
		  UNION ALL SELECT * FROM teamrbac.check_setup_functions()
		  UNION ALL SELECT * FROM teamrbac.check_setup_own_tables()
		  UNION ALL SELECT * FROM teamrbac.check_setup_publications()
		  UNION ALL SELECT * FROM teamrbac.check_setup_mail()
		  UNION ALL SELECT * FROM teamrbac.check_setup_rows()
		  UNION ALL SELECT * FROM teamrbac.check_setup_maintenance()) AS f
	ORDER BY array_position(ARRAY['critical', 'warning', 'notice'], f.severity), f.step, f.object COLLATE "C", f.problem COLLATE "C";
$$;
COMMENT ON FUNCTION teamrbac.check_setup(OUT text, OUT text, OUT text, OUT text) IS
	'What is wrong with the set-up: severity (critical, warning, notice), object, problem, and remedy, a statement to run after reading it; all of them, run in order, leave nothing to report. For the DBA. Errors: none of its own. Takes ACCESS SHARE on system catalogues. Where pg_cron lives in another database, a background worker asks there for the jobs.';
REVOKE ALL ON FUNCTION teamrbac.check_setup() FROM PUBLIC;
