#!/bin/bash
# Measures what the permission check costs, and prints a table of ratios with their bars.
#
#   make bench        on a throw-away server; the table also goes to bench/RESULTS.md
#
# Expects what scripts/with-cluster.sh gives: a running server, PGHOST, PGUSER (a superuser), PGDATABASE
# (empty), PG_CONFIG, and the extension installed.
#
#   BENCH_SECONDS     how long each run of a round lasts (default 1)
#   BENCH_ROUNDS      how many rounds (default 11; growth: two thirds as many)
#
# What else the machine does must hit both sides of a ratio alike: one connection draws, for each transaction, one of
# the two queries, and of each the mean of the middle half of its times counts.  Where the two need different
# databases or another load (growth, churn, the peers), short runs take turns, and all of each counts.  A ratio is
# the median of the rounds' ratios, and the table tells between what values the middle half of these lies.
set -euo pipefail

seconds=${BENCH_SECONDS:-1}
rounds=${BENCH_ROUNDS:-11}
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
    query -v empty="$work/empty" -f "$here/setup.sql" >&2
    query -c 'VACUUM ANALYZE'
    say "loading 1,000,000 tenants"
    createdb -T "$database" "$large"
    query -d "$large" -f "$here/large.sql" >&2
    query -c CHECKPOINT
}

# ---- the cases ------------------------------------------------------------------------------------------

# Writes the pgbench scripts, one a case and table.
write_scripts() {
    local table name
    # The ids of tenant 7.
    local any_id='\set id 1000 * random(0, 999) + 6'
    local columns='id, tenant_id, created_at, title, body'

    for table in item item_plain item_peer; do
        name=$work/$table
        printf '%s\n' "$any_id" "SELECT $columns FROM bench.$table WHERE id = :id;" >"$name.point"
        printf '%s\n' "$any_id" "SELECT $columns FROM bench.$table WHERE tenant_id = :tenant AND id = :id;" \
            >"$name.point_named"
        echo "SELECT $columns FROM bench.$table ORDER BY id LIMIT 50;" >"$name.page"
        echo "SELECT $columns FROM bench.$table WHERE tenant_id = :tenant ORDER BY id LIMIT 50;" \
            >"$name.page_named"
        echo "SELECT count(*) FROM bench.$table;" >"$name.count"
        echo "SELECT count(*) FROM bench.$table WHERE tenant_id = :tenant;" >"$name.count_named"
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
}

role_of() {
    case $1 in
        plain*) echo bench_plain ;;
        in) echo bench_in ;;
        array) echo bench_array ;;
        function) echo bench_function ;;
        many) echo bench_many ;;
        *) echo bench_ours ;;
    esac
}

# run_pgbench LABEL ROLE SCRIPT MODE SECONDS [OPTION...]: logs the transactions per second.
run_pgbench() {
    local label=$1 role=$2 script=$3 mode=$4 duration=$5 tenant=$tenant
    shift 5
    # A parameter of a prepared statement, but text within a simple one.
    [ "$mode" = prepared ] || tenant="'$tenant'"
    local tps try
    # Its time includes the connecting, so that on a busy machine a second may pass without a transaction.
    for try in 1 2 3; do
        tps=$(pgbench -n -c 1 -j 1 -M "$mode" -T "$duration" -U "$role" -D tenant="$tenant" -f "$script" "$@" |
            sed -n 's/^tps = \([0-9.]*\) .*/\1/p')
        [ -z "$tps" ] || break
        say "run $try of $label did nothing"
    done
    echo "$label $round ${tps:?pgbench printed no result}" >>"$log"
}

# middle_half SCRIPT: of pgbench's log, what a second of that script (0 or 1) does, by the mean of the middle half of
# its transactions' times.
middle_half() {
    awk -v script="$1" '$4 == script { print $3 }' | sort -n | awk '
        { time[NR] = $1 }
        END {
            for (i = int(NR / 4) + 1; i <= NR - int(NR / 4); i++) {
                sum += time[i]
                n++
            }
            if (n > 0)
                print 1000000 * n / sum
        }'
}

# run_mixed MODE SECONDS SCRIPT SCRIPT: one connection, which for each transaction draws one of the two; prints how many a
# second each would do alone.
run_mixed() {
    local tenant=$tenant try first second
    [ "$1" = prepared ] || tenant="'$tenant'"
    for try in 1 2 3; do
        rm -f "$work"/run.*
        pgbench -n -c 1 -j 1 -M "$1" -T "$2" -U bench_ours -D tenant="$tenant" -l --log-prefix="$work/run" \
            -f "$3" -f "$4" "$database" >/dev/null
        first=$(middle_half 0 <"$(ls "$work"/run.*)")
        second=$(middle_half 1 <"$(ls "$work"/run.*)")
        [ -z "$first" ] || [ -z "$second" ] || break
        say "run $try of $3 and $4 did nothing"
    done
    echo "${first:?} ${second:?}"
}

# run_rounds CASE MODE SCRIPT SCRIPT LABEL LABEL: two scripts, mixed; every other round in the other order.
run_rounds() {
    local first second
    for round in $(seq "$rounds"); do
        if [ $((round % 2)) -eq 0 ]; then
            read -r second first < <(run_mixed "$2" $((2 * seconds)) "$4" "$3")
        else
            read -r first second < <(run_mixed "$2" $((2 * seconds)) "$3" "$4")
        fi
        printf '%s %s %s\n' "$1/$2/$5" "$round" "${first:?pgbench printed no result}" \
            "$1/$2/$6" "$round" "${second:?}" >>"$log"
    done
}

# compare CASE SCRIPT SCRIPT: ours and one without row security, by both protocols.
compare() {
    local mode
    say "$1"
    for mode in simple prepared; do
        run_rounds "$1" "$mode" "$work/$2" "$work/$3" ours plain
    done
}

# Wrong rows would be no result at all.
check_rows() {
    local variant count
    for variant in ours=item plain=item_plain in=item_peer array=item_peer; do
        count=$(query -U "$(role_of "${variant%%=*}")" -v tenant="$tenant" <<END
SELECT count(*) FROM bench.${variant#*=} $([ "$variant" != plain=item_plain ] || echo "WHERE tenant_id = :'tenant'");
END
        )
        [ "$count" = 1000 ] || {
            say "variant $variant sees $count rows instead of 1000"
            exit 1
        }
    done
}

measure_reads() {
    compare point item.point item_plain.point_named
    compare point_same item.point item_plain.point
    compare point_least item_peer.point item_plain.point_named
    compare page_least item_peer.page_named item_plain.page_named
    compare page item.page_named item_plain.page_named
    compare page_by_policy item.page item_plain.page_named
    compare count item.count item_plain.count_named
    PGOPTIONS='-c enable_indexscan=off -c enable_bitmapscan=off -c enable_indexonlyscan=off -c max_parallel_workers_per_gather=0' \
        seconds=$((2 * seconds)) compare scan item.count item_plain.count_named
}

# peer CASE SECONDS VARIANT=SCRIPT...: the policies people write instead, for comparison.
peer() {
    local name=$1 duration=$2 round variant
    shift 2
    for round in 1 2; do
        for variant; do
            run_pgbench "$name/prepared/${variant%%=*}" "$(role_of "${variant%%=*}")" "$work/${variant#*=}" \
                prepared "$duration" "$database"
        done
    done
}

measure_peers() {
    say "peers"
    peer point_peer 1 in=item_peer.point array=item_peer.point function=item_peer.point
    peer page_peer 1 in=item_peer.page_named array=item_peer.page_named function=item_peer.page_named
    peer count_peer 2 in=item_peer.count array=item_peer.count
    peer count_peer 1 function=item_peer.count
}

# Half a million calls a query, of five a row; with the last argument constant nothing is hoisted.
measure_calls() {
    local function
    say "has_permission with constant arguments"
    for function in bench.empty teamrbac.has_permission; do
        cat >"$work/call.$function" <<END
SELECT count($function('$tenant', 'prompts.view')), count($function('$tenant', 'logs.view')), count($function('$tenant', 'endpoints.view')), count($function('$tenant', 'snippets.view')), count($function('$tenant', 'prompts.edit')) FROM generate_series(1, 100000);
END
    done
    PGOPTIONS='-c work_mem=64MB -c jit=off -c max_parallel_workers_per_gather=0' \
        run_rounds call simple "$work/call.teamrbac.has_permission" "$work/call.bench.empty" ours empty
}

measure_growth() {
    local mode rounds=$(((2 * rounds + 2) / 3))
    say "growth"
    for mode in simple prepared; do
        for round in $(seq "$rounds"); do
            run_pgbench "growth/$mode/thousand" bench_ours "$work/item.point" "$mode" 1 "$database"
            run_pgbench "growth/$mode/million" bench_ours "$work/item.point" "$mode" 1 "$large"
            run_pgbench "growth/$mode/many" bench_many "$work/item.point" "$mode" 1 "$large"
        done
    done
}

# churn_of VARIANT: a reader, alone or while two sessions commit 1,000 changes a second of a table.
churn_of() {
    local variant=$1 mode=$2 table
    case $variant in
        idle) table= ;;
        control) table=bench.unrelated ;;
        churn) table=teamrbac.membership ;;
    esac
    if [ -n "$table" ]; then
        pgbench -n -c 2 -j 1 -R 1000 -M prepared -T 3 -f "$work/churn.$table" "$database" \
            >"$work/churn.out" 2>&1 &
        churn=$!
        sleep 0.5
    fi
    run_pgbench "churn/$mode/$variant" bench_ours "$work/item.point" "$mode" 2 "$database"
    if [ -n "$table" ]; then
        wait "$churn" || {
            cat "$work/churn.out" >&2
            exit 1
        }
        churn=
        echo "churn/$mode/rate_$variant $round $(sed -n 's/^tps = \([0-9.]*\) .*/\1/p' "$work/churn.out")" >>"$log"
    fi
}

measure_churn() {
    local mode table
    say "churn"
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

Written by \`make bench\`: see bench/run.sh for what each line measures and bench/setup.sql for the data.

| | |
|---|---|
$(tested)
| settings | $(query -c "SELECT string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name) FROM pg_settings
    WHERE name IN ('shared_buffers', 'autovacuum', 'fsync', 'full_page_writes', 'jit', 'work_mem')") |
| rounds | $rounds of $seconds s for each query (growth: two thirds as many of 1 s; churn: 2 s), one connection that draws one of the two queries each time (growth and churn: in turns); a query's time is the mean of the middle half of a run's; a ratio is the median of the rounds' ratios, and beside it between what values the middle half of these lies |
| data | 1,000,000 rows of 1,000 tenants, PRIMARY KEY (id), index (tenant_id, id); the reader is a member of one tenant |
| identity | a role mapped by map_database_role; the peers' user is in a setting of their role |

END
}

results() {
    awk -f "$here/median.awk" -f "$here/table.awk" "$log"
}

round=1
build_empty
load
tenant=$(query -c 'SELECT bench.tenant(7)')
write_scripts
check_rows
measure_reads
measure_peers
measure_calls
measure_growth
measure_churn
say "done"
header
results
