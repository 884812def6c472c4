#!/bin/bash
# Measures what the permission check costs, and prints a table of ratios with their bars.
#
#   make bench        on a throw-away server; the table also goes to bench/RESULTS.md, a plot to docs/pictures/bench.svg
#
# Expects what scripts/with-cluster.sh gives: a running server, PGHOST, PGUSER (a superuser), PGDATABASE
# (empty), PG_CONFIG, and the extension installed and preloaded.
#
#   BENCH_SECONDS     how long each query is measured in a round (default 1)
#   BENCH_ROUNDS      how many rounds (default 7)
#   BENCH_CASES       only these, of the cases below, for a look at something (default: all of them)
#
# Each query of ours is compared with the same query on the same rows without row-level security, with
# `tenant_id = $1` named on every table.  Both sides are BEGIN; SELECT teamrbac.sign_in(...); the query; COMMIT, in the
# same session, so that only the query differs.  A ratio is of whole transactions; beside it stands that of the query alone.
#
# What else the machine does must hit both sides of a ratio alike: one connection draws, for each transaction, one of
# the two, and of each the mean of the middle half of its times counts.  Where the two need different databases or
# another load (growth, churn), or take long (bulk), they take turns.  A ratio is the median of the rounds' ratios,
# and the table tells between what values the middle half of these lies.
set -euo pipefail

seconds=${BENCH_SECONDS:-1}
rounds=${BENCH_ROUNDS:-7}
cases=${BENCH_CASES:-all}
here=$(cd "$(dirname "$0")" && pwd)
database=$PGDATABASE
large=${PGDATABASE}_large
pg_config=${PG_CONFIG:-pg_config}
work=$(mktemp -d)
log=$work/log
started=$SECONDS
churn=

clean_up() {
    # What was measured before a failure is worth something.
    [ $? -eq 0 ] || cat "$log" >&2 || true
    [ -z "$churn" ] || kill "$churn" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

say() {
    echo "bench: $((SECONDS - started)) s: $*" >&2
}

wanted() {
    [ "$cases" = all ] || [[ " $cases " == *" $1 "* ]]
}

. "$here/common.sh"

# ---- the data -------------------------------------------------------------------------------------------

build_empty() {
    cp "$here/empty.c" "$work/"
    local pgxs
    pgxs=$("$pg_config" --pgxs)
    make -s -C "$work" -f "$pgxs" PGXS="$pgxs" PG_CONFIG="$pg_config" MODULES=empty with_llvm=no >&2
    chmod 755 "$work"
}

load() {
    say "loading 1,000 tenants and 1,000,000 rows"
    query -f "$here/setup.sql" >&2
    if wanted growth; then
        query -c 'VACUUM ANALYZE'
        say "loading 1,000,000 tenants"
        createdb -T "$database" "$large"
        query -d "$large" -f "$here/large.sql" >&2
    fi
    say "loading the other tables"
    query -v empty="$work/empty" -f "$here/tables.sql" >&2
    query -c 'VACUUM ANALYZE'
    query -c CHECKPOINT
}

# ---- scripts --------------------------------------------------------------------------------------------

sign_in="SELECT teamrbac.sign_in(:user);"

# transaction NAME SET QUERY [SIGN-IN]: a pgbench script; SET draws the keys it needs.
transaction() {
    printf '%s\n' "$2" 'BEGIN;' "${4:-$sign_in}" "$3" 'COMMIT;' >"$work/$1"
}

# pair NAME SET OURS PLAIN [SIGN-IN]: scripts NAME.ours and NAME.plain.
pair() {
    transaction "$1.ours" "$2" "$3" "${5:-}"
    transaction "$1.plain" "$2" "$4" "${5:-}"
}

write_reads() {
    # Ids of tenant 7.
    local item='\set id 1000 * random(0, 999) + 6' folder='\set id 1000 * random(0, 99) + 6'
    local project='\set id 1000 * random(0, 9) + 6'
    local columns='id, tenant_id, created_at, title, body'

    pair point "$item" "SELECT $columns FROM bench.item WHERE id = :id;" \
        "SELECT $columns FROM bench.item_plain WHERE tenant_id = :tenant AND id = :id;"
    pair page '' "SELECT $columns FROM bench.item ORDER BY id LIMIT 50;" \
        "SELECT $columns FROM bench.item_plain WHERE tenant_id = :tenant ORDER BY id LIMIT 50;"
    pair count '' "SELECT count(*) FROM bench.item;" \
        "SELECT count(*) FROM bench.item_plain WHERE tenant_id = :tenant;"
    pair join2 "$folder" \
        "SELECT i.id, i.title, f.name FROM bench.item AS i JOIN bench.folder AS f ON f.id = i.folder_id WHERE f.id = :id;" \
        "SELECT i.id, i.title, f.name FROM bench.item_plain AS i JOIN bench.folder_plain AS f ON f.id = i.folder_id WHERE f.id = :id AND i.tenant_id = :tenant AND f.tenant_id = :tenant;"
    pair join5 "$folder" \
        "SELECT c.id, c.body, i.title, f.name, p.name, a.name FROM bench.comment AS c JOIN bench.item AS i ON i.id = c.item_id JOIN bench.folder AS f ON f.id = i.folder_id JOIN bench.project AS p ON p.id = f.project_id JOIN bench.person AS a ON a.id = i.author_id WHERE i.id = :id;" \
        "SELECT c.id, c.body, i.title, f.name, p.name, a.name FROM bench.comment_plain AS c JOIN bench.item_plain AS i ON i.id = c.item_id JOIN bench.folder_plain AS f ON f.id = i.folder_id JOIN bench.project_plain AS p ON p.id = f.project_id JOIN bench.person_plain AS a ON a.id = i.author_id WHERE i.id = :id AND c.tenant_id = :tenant AND i.tenant_id = :tenant AND f.tenant_id = :tenant AND p.tenant_id = :tenant AND a.tenant_id = :tenant;"
    pair exists "$project" \
        "SELECT f.id, f.name FROM bench.folder AS f WHERE f.project_id = :id AND EXISTS (SELECT FROM bench.item AS i WHERE i.folder_id = f.id AND i.created_at > '2026-01-11');" \
        "SELECT f.id, f.name FROM bench.folder_plain AS f WHERE f.project_id = :id AND f.tenant_id = :tenant AND EXISTS (SELECT FROM bench.item_plain AS i WHERE i.folder_id = f.id AND i.created_at > '2026-01-11' AND i.tenant_id = :tenant);"
    pair exists_column "$project" \
        "SELECT f.id, EXISTS (SELECT FROM bench.item AS i WHERE i.folder_id = f.id AND i.created_at > '2026-01-11') FROM bench.folder AS f WHERE f.project_id = :id;" \
        "SELECT f.id, EXISTS (SELECT FROM bench.item_plain AS i WHERE i.folder_id = f.id AND i.created_at > '2026-01-11' AND i.tenant_id = :tenant) FROM bench.folder_plain AS f WHERE f.project_id = :id AND f.tenant_id = :tenant;"
    local part='\set id 1000 * random(0, 199) + 6'
    pair part "$part" "SELECT id, title FROM bench.part WHERE id = :id;" \
        "SELECT id, title FROM bench.part_plain WHERE tenant_id = :tenant AND id = :id;"
    pair part_named "$part" "SELECT id, title FROM bench.part WHERE tenant_id = :tenant AND id = :id;" \
        "SELECT id, title FROM bench.part_plain WHERE tenant_id = :tenant AND id = :id;"
    pair part_stable "$part" "SELECT id, title FROM bench.part WHERE id = :id;" \
        "SELECT id, title FROM bench.part_plain WHERE tenant_id = current_setting('bench.tenant')::uuid AND id = :id;"
    cp "$work/count.ours" "$work/scan.ours"
    cp "$work/count.plain" "$work/scan.plain"
}

# across_tenants and a policy by hand, for user 8; bench.user is a setting of the role.
write_across() {
    # Ids of tenants 3 to 8.
    local item='\set id 1000 * random(0, 299) + random(2, 7)' columns='id, tenant_id, created_at, title, body'
    local sign_in="SELECT teamrbac.sign_in(:user8);"
    local table

    for table in across array; do
        transaction "across_point.$table" "$item" "SELECT $columns FROM bench.item_$table WHERE id = :id;" "$sign_in"
        transaction "across_page.$table" '' "SELECT $columns FROM bench.item_$table ORDER BY id LIMIT 50;" "$sign_in"
        transaction "across_count.$table" '' "SELECT count(*) FROM bench.item_$table;" "$sign_in"
    done
}

write_others() {
    local table name function item='\set id 1000 * random(0, 999) + 6'

    for name in ours plain; do
        # Whose role is mapped, and has nothing to do with teamrbac otherwise.
        sed -e '/^BEGIN/d' -e '/sign_in/d' -e '/^COMMIT/d' "$work/point.$name" >"$work/first.$name"
        cp "$work/point.$name" "$work/first_signed.$name"
    done
    transaction growth.one "$item" "SELECT id, title FROM bench.item WHERE id = :id;" \
        "SELECT teamrbac.sign_in_as_member(:user, :tenant);"
    transaction growth.many "$item" "SELECT id, title FROM bench.item WHERE id = :id;" \
        "SELECT teamrbac.sign_in_as_member(:user_many, :tenant);"
    # Half a million calls a query, of five a row.
    for function in bench.empty teamrbac.has_permission; do
        transaction "call.$function" '' "SELECT count($function(:tenant, 'prompts.view')), count($function(:tenant, 'logs.view')), count($function(:tenant, 'endpoints.view')), count($function(:tenant, 'snippets.view')), count($function(:tenant, 'prompts.edit')) FROM generate_series(1, 100000);"
    done
    for table in teamrbac.membership bench.unrelated; do
        # Another user's role in another tenant than the reader's.
        cat >"$work/churn.$table" <<END
\set n random(8, 1000)
\set k random(1, 5)
UPDATE $table SET role = CASE role WHEN 'reader' THEN 'developer' ELSE 'reader' END
 WHERE tenant_id = bench.tenant(:n) AND user_id = bench.user((:n::int + :k::int - 1) % 1000 + 1);
END
    done
    write_bulk bulk ours ''
    write_bulk bulk_plain plain 'WHERE tenant_id = :tenant'
}

# write_bulk TABLE VARIANT WHERE: with the tenant's rows in an empty table, so that each run does the same work.
write_bulk() {
    cat >"$work/bulk.$2" <<END
TRUNCATE bench.$1;
BEGIN;
$sign_in
INSERT INTO bench.$1 (id, tenant_id, n) SELECT i, :tenant, i FROM generate_series(1, 300000) AS i;
UPDATE bench.$1 SET n = n + 1 $3;
COMMIT;
END
}

# ---- running --------------------------------------------------------------------------------------------

# variables MODE: the ids, as parameters of a prepared statement, but as text within a simple one.
variables() {
    local name quote="'"
    [ "$1" = simple ] || quote=
    for name in tenant user user8 user_many; do
        echo "-D $name=$quote${id_of[$name]}$quote"
    done
}

# per_second LABEL ROUND NUMBER: logs a result.
per_second() {
    echo "$1 $2 ${3:?"no result of $1"}" >>"$log"
}

# run_pgbench LABEL ROLE SCRIPT MODE SECONDS [OPTION...]: logs the transactions per second.
run_pgbench() {
    local label=$1 role=$2 script=$3 mode=$4 duration=$5 tps try
    shift 5
    # Its time includes the connecting, so that on a busy machine a second may pass without a transaction.
    for try in 1 2 3; do
        # shellcheck disable=SC2046
        tps=$(pgbench -n -c 1 -j 1 -M "$mode" -T "$duration" -U "$role" $(variables "$mode") -f "$script" "$@" |
            sed -n 's/^tps = \([0-9.]*\) .*/\1/p')
        [ -z "$tps" ] || break
        say "run $try of $label did nothing"
    done
    per_second "$label" "$round" "$tps"
}

# statement_alone SCRIPT: of pgbench's report, what a second of that script's query (the statement before the last, or
# the only one) does, by its mean time.
statement_alone() {
    awk -v script="SQL script $(($1 + 1)):" '
        /^SQL script/ { here = index($0, script) == 1; listing = 0 }
        here && /latencies in milliseconds/ { listing = 1; next }
        here && listing && $1 ~ /^[0-9.]+$/ && $3 !~ /^\\/ { time[++n] = $1 }
        END { print 1000 / time[(n > 1) ? n - 1 : n] }'
}

# run_mixed MODE SECONDS SCRIPT SCRIPT [OPTION...]: one connection, which for each transaction draws one of the two;
# prints how many a second each would do alone, and how many its queries would.
run_mixed() {
    local mode=$1 duration=$2 first=$3 second=$4 try tps=()
    shift 4
    for try in 1 2 3; do
        rm -f "$work"/run.*
        # shellcheck disable=SC2046
        pgbench -n -c 1 -j 1 -M "$mode" -T "$duration" $(variables "$mode") -r -l --log-prefix="$work/run" \
            -f "$first" -f "$second" "$@" >"$work/report"
        tps=("$(middle_half 0 <"$(ls "$work"/run.*)")" "$(middle_half 1 <"$(ls "$work"/run.*)")")
        [ -z "${tps[0]}" ] || [ -z "${tps[1]}" ] || break
        say "run $try of $first and $second did nothing"
    done
    echo "${tps[@]} $(statement_alone 0 <"$work/report") $(statement_alone 1 <"$work/report")"
}

# compare CASE MODE VARIANT VARIANT [OPTION...]: two scripts of the case, mixed; every other round in the other order.
compare() {
    local name=$1 mode=$2 ours=$3 plain=$4 round results
    shift 4
    for round in $(seq "$rounds"); do
        if [ $((round % 2)) -eq 0 ]; then
            read -ra results < <(run_mixed "$mode" $((2 * seconds)) "$work/$name.$plain" "$work/$name.$ours" "$@")
            results=("${results[1]}" "${results[0]}" "${results[3]}" "${results[2]}")
        else
            read -ra results < <(run_mixed "$mode" $((2 * seconds)) "$work/$name.$ours" "$work/$name.$plain" "$@")
        fi
        per_second "$name/$mode/$ours" "$round" "${results[0]}"
        per_second "$name/$mode/$plain" "$round" "${results[1]}"
        per_second "$name/$mode/$ours/query" "$round" "${results[2]}"
        per_second "$name/$mode/$plain/query" "$round" "${results[3]}"
    done
}

# rows_of SCRIPT: what its query gives, for the first key.
rows_of() {
    # shellcheck disable=SC2046
    sed '/^\\set/d' "$work/$1" | query -U bench_app -v id=6 $(variables simple | sed 's/^-D/-v/') | sort
}

# Wrong rows would be no result at all.
check_rows() {
    local name ours theirs nrows
    for name in point page count join2 join5 exists exists_column part part_named part_stable across_point across_page across_count; do
        ours=ours theirs=plain
        [ -e "$work/$name.ours" ] || ours=across theirs=array
        rows_of "$name.$ours" >"$work/rows.ours"
        rows_of "$name.$theirs" >"$work/rows.theirs"
        # One empty line is what sign_in returns.
        nrows=$(grep -c . "$work/rows.ours" || true)
        if [ "$nrows" -eq 0 ] || ! cmp -s "$work/rows.ours" "$work/rows.theirs"; then
            say "$name: the two queries have $nrows and $(grep -c . "$work/rows.theirs") rows, or others"
            exit 1
        fi
    done
}

# ---- the cases ------------------------------------------------------------------------------------------

measure_reads() {
    local name mode
    for name in point page count join2 join5 exists exists_column part part_named part_stable; do
        wanted "$name" || continue
        say "$name"
        for mode in simple prepared; do
            compare "$name" "$mode" ours plain -U bench_app
        done
    done
    wanted scan || return 0
    say "scan"
    for mode in simple prepared; do
        PGOPTIONS='-c enable_indexscan=off -c enable_bitmapscan=off -c enable_indexonlyscan=off -c max_parallel_workers_per_gather=0' \
            compare scan "$mode" ours plain -U bench_app
    done
}

measure_across() {
    local name mode
    wanted across || return 0
    say "across_tenants"
    for name in across_point across_page across_count; do
        for mode in simple prepared; do
            compare "$name" "$mode" across array -U bench_app
        done
    done
}

# first_of CASE VARIANT ROLE: how many connections a second, each with one transaction, and how many of its queries.
first_of() {
    local key="$1/simple/$2"
    # shellcheck disable=SC2046
    pgbench -n -c 1 -j 1 -C -r -T "$seconds" -U "$3" $(variables simple) -f "$work/$1.$2@1" -f "$work/nothing@0" >"$work/report"
    per_second "$key" "$round" "$(sed -n 's/^tps = \([0-9.]*\) .*/\1/p' "$work/report")"
    per_second "$key/query" "$round" "$(statement_alone 0 <"$work/report")"
}

measure_first() {
    local round
    wanted first || return 0
    say "first statement of a connection"
    # A second script, which is never drawn, has pgbench report of each.
    echo 'SELECT;' >"$work/nothing"
    for round in $(seq $((2 * rounds))); do
        if [ $((round % 2)) -eq 0 ]; then
            first_of first plain bench_plain && first_of first ours bench_mapped
            first_of first_signed plain bench_app && first_of first_signed ours bench_app
        else
            first_of first ours bench_mapped && first_of first plain bench_plain
            first_of first_signed ours bench_app && first_of first_signed plain bench_app
        fi
    done
}

# The time of each statement, of a run that does it once.
bulk_of() {
    local variant=$1 result
    # shellcheck disable=SC2046
    result=$(pgbench -n -c 1 -j 1 -t 1 -r -U bench_app $(variables simple) -f "$work/bulk.$variant" |
        awk '$3 == "INSERT" { insert = 1000 / $1 } $3 == "UPDATE" { print insert, 1000 / $1 }')
    per_second "insert/simple/$variant" "$round" "${result% *}"
    per_second "update/simple/$variant" "$round" "${result#* }"
}

measure_bulk() {
    local round
    wanted bulk || return 0
    say "300,000 rows"
    for round in $(seq "$rounds"); do
        if [ $((round % 2)) -eq 0 ]; then
            bulk_of plain && bulk_of ours
        else
            bulk_of ours && bulk_of plain
        fi
    done
}

measure_calls() {
    wanted call || return 0
    say "has_permission with constant arguments"
    PGOPTIONS='-c work_mem=64MB -c jit=off -c max_parallel_workers_per_gather=0' \
        compare call simple teamrbac.has_permission bench.empty -U bench_app
}

measure_growth() {
    local mode round
    wanted growth || return 0
    say "growth"
    for mode in simple prepared; do
        for round in $(seq "$rounds"); do
            run_pgbench "growth/$mode/thousand" bench_app "$work/growth.one" "$mode" "$seconds" "$database"
            run_pgbench "growth/$mode/million" bench_app "$work/growth.one" "$mode" "$seconds" "$large"
            run_pgbench "growth/$mode/many" bench_app "$work/growth.many" "$mode" "$seconds" "$large"
        done
    done
}

# churn_of VARIANT MODE: a reader, alone or while two sessions commit 1,000 changes a second of a table.
churn_of() {
    local variant=$1 mode=$2 table
    case $variant in
        idle) table= ;;
        control) table=bench.unrelated ;;
        churn) table=teamrbac.membership ;;
    esac
    if [ -n "$table" ]; then
        pgbench -n -c 2 -j 1 -R 1000 -M prepared -T $((seconds + 1)) -f "$work/churn.$table" "$database" \
            >"$work/churn.out" 2>&1 &
        churn=$!
        sleep 0.5
    fi
    run_pgbench "churn/$mode/$variant" bench_app "$work/point.ours" "$mode" "$seconds"
    if [ -n "$table" ]; then
        wait "$churn" || {
            cat "$work/churn.out" >&2
            exit 1
        }
        churn=
        per_second "churn/$mode/rate_$variant" "$round" "$(sed -n 's/^tps = \([0-9.]*\) .*/\1/p' "$work/churn.out")"
    fi
}

measure_churn() {
    local mode table round result
    wanted churn || return 0
    say "churn"
    result=$(query -F ' ' -f "$here/reloads.sql")
    per_second reloads 1 "${result% *}"
    per_second probes 1 "${result#* }"
    # What is empty is planned as such until autovacuum, which is off here, has looked again.
    for table in teamrbac.membership bench.unrelated; do
        pgbench -n -c 2 -j 1 -M prepared -T 3 -f "$work/churn.$table" "$database" >"$work/churn.out" 2>&1
    done
    query -c 'VACUUM ANALYZE'
    for mode in simple prepared; do
        for round in $(seq "$rounds"); do
            if [ $((round % 2)) -eq 0 ]; then
                churn_of churn "$mode" && churn_of control "$mode" && churn_of idle "$mode"
            else
                churn_of idle "$mode" && churn_of control "$mode" && churn_of churn "$mode"
            fi
        done
    done
}

# ---- the table ------------------------------------------------------------------------------------------

header() {
    cat <<END
# What the permission check costs

Written by \`make bench\`: see bench/run.sh for what each line measures, bench/setup.sql and bench/tables.sql for the data.

| | |
|---|---|
$(tested)
| settings | $(query -c "SELECT string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name) FROM pg_settings
    WHERE name IN ('shared_buffers', 'autovacuum', 'fsync', 'full_page_writes', 'jit', 'work_mem')") |
| a transaction | \`BEGIN; SELECT teamrbac.sign_in(...); query; COMMIT\` on both sides, one connection, by the default policies of protect_table; the other side is the same query on the same rows without row-level security, with \`tenant_id = \$1\` named on every table |
| a ratio | of the transactions a second; one connection draws one of the two transactions each time ($rounds rounds of $((2 * seconds)) s), and of each the mean of the middle half of its times counts; the median of the rounds' ratios, and beside it between what values the middle half of these lies. The last column has the same of the query alone, by its mean time |
| taking turns | growth, churn ($rounds rounds of $seconds s each) and the changes of 300,000 rows ($rounds rounds of one each) |
| data | 1,000,000 rows of 1,000 tenants, PRIMARY KEY (id), indexes (tenant_id, id) and (tenant_id, folder_id); whoever signs in is a member of one tenant |

END
}

round=1
build_empty
load
declare -A id_of=([tenant]=$(query -c 'SELECT bench.tenant(7)') [user]=$(query -c 'SELECT bench.user(0)')
    [user8]=$(query -c 'SELECT bench.user(8)') [user_many]=$(query -c 'SELECT bench.user(-1)'))
write_reads
write_across
write_others
check_rows
measure_reads
measure_across
measure_first
measure_bulk
measure_calls
measure_growth
measure_churn
say "done"
header
awk -f "$here/median.awk" -f "$here/table.awk" "$log"
