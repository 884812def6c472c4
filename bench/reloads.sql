-- How often a reader looks anew for what it may do when somebody else's memberships change: prints the reloads and the
-- probes for 200 changes, each of which is followed by five statements of the reader.
\set ON_ERROR_STOP on
\o /dev/null
CREATE EXTENSION dblink;
SELECT dblink_connect('writer', 'dbname=' || quote_literal(current_database()) || ' user=' || quote_literal(current_user));
GRANT pg_monitor TO bench_app;
SET ROLE bench_app;
BEGIN;
SELECT teamrbac.sign_in(bench.user(0));
SELECT count(*) FROM bench.item WHERE id = 6;
CREATE TEMPORARY TABLE counted AS SELECT reloads, probes FROM teamrbac.backend_statistics;
DO $$
BEGIN
	FOR n IN 8..207 LOOP
		PERFORM dblink_exec('writer', format('UPDATE teamrbac.membership SET role = %L WHERE tenant_id = %L AND user_id = %L',
			'reader', bench.tenant(n), bench.user(n + 1)));
		FOR k IN 1..5 LOOP
			PERFORM count(*) FROM bench.item WHERE id = 1000 * k + 6;
		END LOOP;
	END LOOP;
END $$;
\o
SELECT s.reloads - c.reloads, s.probes - c.probes FROM teamrbac.backend_statistics AS s, counted AS c;
\o /dev/null
COMMIT;
RESET ROLE;
REVOKE pg_monitor FROM bench_app;
SELECT dblink_disconnect('writer');
DROP EXTENSION dblink;
