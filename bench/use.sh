#!/bin/bash
# Measures what recording the use of permissions costs where rows are read, and prints a table of ratios.
#
#   make bench-use         on a throw-away server; the table also goes to bench/USE.md
#
# Expects what scripts/with-cluster.sh gives: a running server, PGHOST, PGUSER (a superuser), PGDATABASE (empty),
# and the extension installed.
#
#   BENCH_SECONDS     how long each run of pgbench lasts (default 3)
#   BENCH_ROUNDS      how often each is repeated (default 9)
#
# One connection draws, for each transaction, one of two that are the same but for the setting, and of each the mean of
# the middle half of its times counts, as in bench/run.sh; a ratio is the median of the rounds'. Each transaction sets it for
# itself, which is the same work on both sides; the user is so by map_database_role, as signing in notes whether uses are
# recorded. The bare check is a loop in PL/pgSQL, whose calls remember nothing; with the setting on and off in turns.
set -euo pipefail

seconds=${BENCH_SECONDS:-3}
rounds=${BENCH_ROUNDS:-9}
bar=0.98
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

. "$here/common.sh"

query >/dev/null <<'SQL'
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
CREATE FUNCTION tenant(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5('tenant ' || n::text)::uuid $$;
SELECT teamrbac.register_user('user@example.com', 'User', '00000000-0000-0000-0000-000000000001');
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT tenant(n), 'Tenant ' || n FROM generate_series(1, 100) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (tenant(7), '00000000-0000-0000-0000-000000000001', 'developer');
COMMIT;
CREATE TABLE item (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, title text NOT NULL);
INSERT INTO item SELECT n, tenant(n % 100 + 1), 'Item ' || n FROM generate_series(0, 99999) AS n;
CREATE INDEX ON item (tenant_id, id);
DO $$ BEGIN PERFORM teamrbac.protect_table('item', 'prompts.view', 'prompts.edit'); END $$;
CREATE ROLE bench_app LOGIN;
GRANT SELECT ON item TO bench_app;
GRANT SET ON PARAMETER teamrbac.record_permission_use TO bench_app;
DO $$ BEGIN PERFORM teamrbac.map_database_role('00000000-0000-0000-0000-000000000001', 'bench_app'); END $$;
SQL
query -c 'VACUUM ANALYZE'
tenant=$(query -c 'SELECT tenant(7)')

# Writes both transactions around a query.
write_scripts() {
    local setting
    for setting in on off; do
        printf '%s\n' '\set id 100 * random(0, 999) + 6' 'BEGIN;' "SET LOCAL teamrbac.record_permission_use = $setting;" "$1" 'COMMIT;' \
            >"$work/$setting"
    done
}

# pair SCRIPT SCRIPT MODE: prints how many of each a second does.
pair() {
    rm -f "$work"/run.*
    pgbench -n -M "$3" -T "$seconds" -U bench_app -l --log-prefix="$work/run" -f "$work/$1" -f "$work/$2" >"$work/report"
    echo "$(middle_half 0 <"$(ls "$work"/run.*)") $(middle_half 1 <"$(ls "$work"/run.*)")"
}

# bare SETTING: prints the nanoseconds of a check.
bare() {
    query -U bench_app <<SQL
SET teamrbac.record_permission_use = $1;
DO \$\$
DECLARE
	t uuid := '$tenant';
	ok boolean;
	began timestamptz := clock_timestamp();
BEGIN
	FOR i IN 1 .. 1000000 LOOP
		ok := teamrbac.has_permission(t, 'prompts.view');
	END LOOP;
	PERFORM set_config('bench.ns', (EXTRACT(epoch FROM clock_timestamp() - began) * 1000)::text, false);
END \$\$;
SELECT current_setting('bench.ns');
SQL
}

# compare TEXT QUERY MODE: one line of the table.
compare() {
    local round recorded plain
    write_scripts "$2"
    for round in $(seq "$rounds"); do
        if [ $((round % 2)) -eq 0 ]; then
            read -r plain recorded < <(pair off on "$3")
        else
            read -r recorded plain < <(pair on off "$3")
        fi
        echo "${recorded:?pgbench printed no result} ${plain:?pgbench printed no result}"
    done | awk -v text="$1, $3" -v bar="$bar" "$(<"$here/median.awk")"'
        { recorded[NR] = $1; plain[NR] = $2; ratio[NR] = $1 / $2; ns[NR] = 1e9 / $1 - 1e9 / $2 }
        END {
            measured = middle(ratio, NR, text)
            printf("| %s | >= %s | %.3f | %s | %.0f ns | %.0f/s of %.0f/s |\n", text, bar, measured,
                   measured >= bar ? "met" : "**MISSED**", middle(ns, NR, text), middle(recorded, NR, text), middle(plain, NR, text))
        }'
}

cat <<END
# What recording the use of permissions costs

Written by \`make bench-use\`: see bench/use.sh for what is measured.

| | |
|---|---|
$(tested)
| rounds | $rounds of $seconds s; one connection draws one of the two transactions each time, and of each the mean of the middle half of its times counts; medians of the rounds |

| a transaction with \`teamrbac.record_permission_use\` on, relative to off | bar | measured | | more | medians |
|---|---|---|---|---|---|
END
for mode in prepared simple; do
    compare 'a row by its key' 'SELECT title FROM item WHERE id = :id;' "$mode"
    compare 'a page of 50 rows' 'SELECT id, title FROM item ORDER BY tenant_id, id LIMIT 50;' "$mode"
done

for round in $(seq "$rounds"); do
    if [ $((round % 2)) -eq 0 ]; then
        plain=$(bare off)
        recorded=$(bare on)
    else
        recorded=$(bare on)
        plain=$(bare off)
    fi
    echo "$recorded $plain"
done | awk "$(<"$here/median.awk")"'
    { recorded[NR] = $1; plain[NR] = $2; more[NR] = $1 - $2 }
    END {
        printf("\nA bare check, `has_permission` in a loop in PL/pgSQL: %.0f ns more, of %.0f ns.\n",
               middle(more, NR, "more"), middle(plain, NR, "plain"))
    }'
