#!/bin/bash
# Measures whether roles of tenants' own cost anybody anything, and prints a table of ratios with their bars.
#
#   make bench-roles       on a throw-away server; the table also goes to bench/ROLES.md
#
# Expects what scripts/with-cluster.sh gives: a running server, PGHOST, PGUSER (a superuser), and the extension
# installed.
#
#   BENCH_TENANTS       how many tenants (default 100000)
#   BENCH_TENANT_ROLES  how many roles each has (default 10)
#   BENCH_ROUNDS        how often each is measured (default 101)
#
# Three databases with the same tenants and members: in one, no tenant has a role of its own but the one that redefines
# it; in the second, every tenant has one; in the third, as many as above.  A check is timed within its statement, by the
# clock, so that neither connecting nor planning counts; the two that are compared take turns, and a ratio is that of the
# medians.
set -euo pipefail

tenants=${BENCH_TENANTS:-100000}
roles=${BENCH_TENANT_ROLES:-10}
rounds=${BENCH_ROUNDS:-101}
bar=1.10

. "$(dirname "$0")/common.sh"

say() {
    echo "bench: $*" >&2
}

# load DATABASE ROLES: tenant n has owner o<n> and two members: d<n>, a developer, and e<n>, who has the tenant's first
# role if there are any.
load() {
    say "loading $1: $tenants tenants with $2 roles each"
    query -d postgres -c "CREATE DATABASE $1"
    query -d "$1" -v tenants="$tenants" -v roles="$2" >&2 <<'END'
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
-- Loaded as by a restore: no trigger records each row.
SET session_replication_role = replica;
INSERT INTO teamrbac.app_user (user_id, email, display_name)
	SELECT md5(k || n)::uuid, k || n || '@example.com', k || n FROM generate_series(1, :tenants) AS n, unnest('{o,d,e}'::text[]) AS k;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT md5('t' || n)::uuid, 'Tenant ' || n FROM generate_series(1, :tenants) AS n;
INSERT INTO teamrbac.tenant_role (tenant_id, role, description)
	SELECT md5('t' || n)::uuid, 'role' || r, 'Role ' || r FROM generate_series(1, :tenants) AS n, generate_series(1, :roles) AS r;
INSERT INTO teamrbac.tenant_role_permission (tenant_id, role, permission)
	SELECT tenant_id, role, unnest('{prompts.view,prompts.edit,logs.view}'::text[]) FROM teamrbac.tenant_role;
INSERT INTO teamrbac.membership (tenant_id, user_id, role, own_role)
	SELECT md5('t' || n)::uuid, md5(k || n)::uuid,
		CASE WHEN k = 'o' THEN 'owner' WHEN k = 'd' OR :roles = 0 THEN 'developer' ELSE 'role1' END, k = 'e' AND :roles > 0
	FROM generate_series(1, :tenants) AS n, unnest('{o,d,e}'::text[]) AS k;
INSERT INTO teamrbac.audit_head (tenant_id, scope) SELECT tenant_id, 'tenant' FROM teamrbac.tenant;
RESET session_replication_role;
VACUUM ANALYZE;
CHECKPOINT;
END
}

# check N: a check by whoever is signed in, timed in microseconds; it must be allowed, or the division fails.
check() {
    cat <<END
SELECT 1e6 * extract(epoch FROM ended - began) / allowed::integer
	FROM (SELECT clock_timestamp() AS began, teamrbac.has_permission(md5('t$1')::uuid, 'prompts.edit') AS allowed,
			clock_timestamp() AS ended OFFSET 0) AS timed;
END
}

# first_check DATABASE MEMBER ROUND: of a new connection, as another member each time.
first_check() {
    local n=$(($3 * 7 + 11))
    {
        echo "SELECT teamrbac.sign_in(md5('$2$n')::uuid, false) \\g /dev/null"
        check "$n"
    } | query -d "$1"
}

# redefined DATABASE MEMBER ROUND: after the Owner of another tenant has redefined a role of theirs; the check before
# that has the backend remember who is asking.
redefined() {
    local n=$(($3 * 7 + 11))
    {
        echo "SELECT teamrbac.sign_in(md5('$2$n')::uuid, false) \\g /dev/null"
        echo '\o /dev/null'
        check "$n"
        echo "BEGIN; SELECT teamrbac.sign_in(md5('o1')::uuid);"
        echo "SELECT teamrbac.define_tenant_role(md5('t1')::uuid, 'role1', 'Round $3', '{prompts.view}'); COMMIT;"
        echo '\o'
        check "$n"
    } | query -d "$1"
}

# compare TEXT BAR FUNCTION DATABASE MEMBER DATABASE MEMBER: one line of the table, the second against the first; "-" for
# no bar.
compare() {
    local round
    say "$1"
    for round in $(seq "$rounds"); do
        echo "$("$3" "$4" "$5" "$round") $("$3" "$6" "$7" "$round")"
    done | awk -v text="$1" -v bar="$2" "$(<"$(dirname "$0")/median.awk")"'
        { first[NR] = $1; second[NR] = $2 }
        END {
            before = middle(first, NR, text); after = middle(second, NR, text)
            printf("| %s | %s | %.3f | %s | %.1f us of %.1f us |\n", text, bar == "-" ? "" : "<= " bar, after / before,
                   bar == "-" ? "" : after <= bar * before ? "met" : "**MISSED**", after, before)
        }'
}

load bench_none 0
load bench_one 1
load bench_full "$roles"
# Before the first round, each has been read once: what a disk takes is no matter of roles.
for database in bench_none bench_one bench_full; do
    for round in $(seq "$rounds"); do
        first_check "$database" d "$round" >/dev/null
        first_check "$database" e "$round" >/dev/null
    done
done

cat <<END
# What roles of tenants' own cost

Written by \`make bench-roles\`: $tenants tenants with $roles roles each, against the same with none or with one, in one
server; see bench/roles.sh for what each line measures.

| | |
|---|---|
$(PGDATABASE=bench_full tested)
| roles | $(query -d bench_full -c 'SELECT count(*) FROM teamrbac.tenant_role'), with $(query -d bench_full -c 'SELECT count(*) FROM teamrbac.tenant_role_permission') permissions |
| rounds | $rounds; medians |

| has_permission | bar | measured | | medians |
|---|---|---|---|---|
END
first="the first check of a new connection"
after="a check after another tenant has redefined a role"
compare "$first, by a developer, against no roles" "$bar" first_check bench_none d bench_full d
compare "$first, by a member with a role of the tenant's own, against one role a tenant" "$bar" first_check bench_one e bench_full e
compare "$first, by a member with a role of the tenant's own, against a developer" - first_check bench_full d bench_full e
compare "$after, by a developer, against no roles" "$bar" redefined bench_none d bench_full d
compare "$after, by a member with a role of the tenant's own, against one role a tenant" "$bar" redefined bench_one e bench_full e
compare "$after, by a member with a role of the tenant's own, against a developer" - redefined bench_full d bench_full e
