#!/bin/bash
# What the audit's readers cost with a million events of one tenant; called by `make bench-evidence`.
#
#   BENCH_EVENTS    how many (1000000)
#   BENCH_MEMBERS   of how many members (1000)
set -euo pipefail
events=${BENCH_EVENTS:-1000000}
members=${BENCH_MEMBERS:-1000}
tenant=00000000-0000-0000-0000-000000000001

sql() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

sql >/dev/null <<SQL
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
ALTER DATABASE $PGDATABASE SET jit = off;
SET synchronous_commit = off;
SELECT count(teamrbac.register_user(n || '@example.com', 'Member ' || n, ('00000000-0000-0000-0001-' || lpad(n::text, 12, '0'))::uuid)) FROM generate_series(1, $members) AS n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('$tenant', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role)
	SELECT '$tenant', ('00000000-0000-0000-0001-' || lpad(n::text, 12, '0'))::uuid, CASE n WHEN 1 THEN 'owner' ELSE 'reader' END FROM generate_series(1, $members) AS n;
COMMIT;
-- By hand, as a million commands would: each of a batch's rows is an event, by the same trigger.
CREATE PROCEDURE fill() LANGUAGE plpgsql AS \$\$
BEGIN
	WHILE (SELECT sequence FROM teamrbac.audit_head WHERE tenant_id = '$tenant' AND scope = 'tenant') < $events LOOP
		UPDATE teamrbac.membership SET role = CASE role WHEN 'reader' THEN 'developer' ELSE 'reader' END WHERE tenant_id = '$tenant' AND role <> 'owner';
		COMMIT;
	END LOOP;
END \$\$;
CALL fill();
VACUUM ANALYZE;
SQL

# The median of the milliseconds of a statement, the first three left out.
median() {
	local statement=$1
	{ echo '\timing on'; echo '\o /dev/null'; for _ in $(seq 14); do echo "$statement;"; done; } | sql | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 11 | sort -n | sed -n 6p
}

first=$(sql -c "SELECT occurred_at + interval '1 ms' FROM teamrbac.audit_event WHERE tenant_id = '$tenant' AND sequence = $members + 1")
middle=$(sql -c "SELECT occurred_at FROM teamrbac.audit_event WHERE tenant_id = '$tenant' AND sequence = (SELECT sequence / 2 FROM teamrbac.audit_head WHERE tenant_id = '$tenant')")
last=$(sql -c "SELECT max(occurred_at) FROM teamrbac.audit_event WHERE tenant_id = '$tenant'")
member=00000000-0000-0000-0001-000000000700

echo '# What the audit'"'"'s readers cost'
echo
echo "\`make bench-evidence\`: $(sql -c "SELECT to_char(count(*), 'FM9,999,999') FROM teamrbac.audit_event WHERE tenant_id = '$tenant'") events of one tenant of $members members; PostgreSQL $(sql -c 'SHOW server_version'), $(nproc) cores. Medians of 11, warm."
echo
echo '| question | as of | ms |'
echo '|---|---|---|'
for when in first middle last; do
	echo "| \`team_at\`, all $members members | the $when event | $(median "SELECT * FROM teamrbac.team_at('$tenant', '${!when}')") |"
done
for when in first middle last; do
	echo "| \`explain_permission_at\` | the $when event | $(median "SELECT * FROM teamrbac.explain_permission_at('$tenant', '$member', 'prompts.edit', '${!when}')") |"
done
echo "| \`roles_at\` | the middle event | $(median "SELECT * FROM teamrbac.roles_at('$tenant', '$middle')") |"
echo
# By pages, each from where the last one ended, as a shipper goes.
export_pages() {
	local after=0 line
	while true; do
		psql -XqAt -c "SELECT teamrbac.audit_export('$tenant', $after, 10000)" >page
		[ -s page ] || break
		line=$(tail -n 1 page)
		after=$(sed 's/.*"action": "[^"]*", "sequence": \([0-9]*\), .*/\1/' <<<"$line")
		wc -l <page
	done | awk '{ n += $1 } END { print n }'
}
cd "$(mktemp -d)"
start=$(date +%s.%N)
exported=$(export_pages)
end=$(date +%s.%N)
echo "\`audit_export\` by pages of 10,000 with psql into files: $exported events, $(awk -v n="$exported" -v s="$start" -v e="$end" 'BEGIN { printf "%d", n / (e - s) }') a second."
