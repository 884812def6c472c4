#!/bin/bash
# Measures what the permission check costs, and prints a table of ratios with their bars.
#
#   make bench        on a throw-away server; the table also goes to bench/RESULTS.md
#
# Expects what scripts/with-cluster.sh gives: a running server, PGHOST, PGUSER (a superuser), PGDATABASE
# (empty), PG_CONFIG, and the extension installed.
#
#   BENCH_SECONDS     how long each run of pgbench lasts (default 3)
#   BENCH_ROUNDS      how often each is repeated (default 5)
#
# The variants that are compared take turns, and each round begins with another one; a ratio is the median
# of the rounds' ratios.  So what else the machine does meanwhile hits both sides.
set -euo pipefail

seconds=${BENCH_SECONDS:-3}
rounds=${BENCH_ROUNDS:-5}
here=$(cd "$(dirname "$0")" && pwd)
database=$PGDATABASE
large=${PGDATABASE}_large
pg_config=${PG_CONFIG:-pg_config}
work=$(mktemp -d)
log=$work/log
started=$SECONDS
churn=

clean_up() {
    [ -z "$churn" ] || kill "$churn" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

say() {
    echo "bench: $((SECONDS - started)) s: $*" >&2
}

query() {
    psql -XqAt -v ON_ERROR_STOP=1 "$@"
}

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
    local tps
    tps=$(pgbench -n -c 1 -j 1 -M "$mode" -T "$duration" -U "$role" -D tenant="$tenant" -f "$script" "$@" |
        sed -n 's/^tps = \([0-9.]*\) .*/\1/p')
    echo "$label $round ${tps:?pgbench printed no result}" >>"$log"
}

# compare CASE MODES VARIANT=SCRIPT...: each variant once a round; odd rounds in order, even ones reversed.
compare() {
    local name=$1 modes=$2 mode variants variant i
    shift 2
    say "$name"
    for mode in $modes; do
        for round in $(seq "$rounds"); do
            variants=("$@")
            if [ $((round % 2)) -eq 0 ]; then
                variants=()
                for ((i = $#; i > 0; i--)); do variants+=("${!i}"); done
            fi
            for variant in "${variants[@]}"; do
                run_pgbench "$name/$mode/${variant%%=*}" "$(role_of "${variant%%=*}")" "$work/${variant#*=}" \
                    "$mode" "$seconds" "$database"
            done
        done
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
    local both='simple prepared'
    compare point "$both" ours=item.point plain=item_plain.point_named
    compare page "$both" ours=item.page_named plain=item_plain.page_named
    compare page_by_policy "$both" ours=item.page plain=item_plain.page_named
    compare count "$both" ours=item.count plain=item_plain.count_named
    PGOPTIONS='-c enable_indexscan=off -c enable_bitmapscan=off -c enable_indexonlyscan=off -c max_parallel_workers_per_gather=0' \
        compare scan "$both" ours=item.count plain=item_plain.count_named
}

# The policies people write instead, for comparison: fewer rounds.
measure_peers() {
    local rounds=2
    compare point_peer prepared in=item_peer.point array=item_peer.point function=item_peer.point
    compare page_peer prepared in=item_peer.page_named array=item_peer.page_named function=item_peer.page_named
    compare count_peer prepared in=item_peer.count array=item_peer.count
    rounds=1 seconds=1 compare count_peer prepared function=item_peer.count
}

# Nanoseconds a call, of five calls a row; with the last argument constant nothing is hoisted.
time_calls() {
    query -U bench_ours <<END | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 1
SET work_mem = '1GB';
SET max_parallel_workers_per_gather = 0;
SET jit = off;
SELECT count(*) FROM generate_series(1, 10);
\timing on
SELECT count($1('$tenant', 'prompts.view')), count($1('$tenant', 'logs.view')), count($1('$tenant', 'endpoints.view')),
       count($1('$tenant', 'snippets.view')), count($1('$tenant', 'prompts.edit')) FROM generate_series(1, 1000000);
END
}

measure_calls() {
    local name ms
    say "has_permission with constant arguments"
    for round in $(seq $((2 * rounds + 1))); do
        for name in bench.empty teamrbac.has_permission; do
            ms=$(time_calls "$name")
            echo "call/-/$name $round ${ms:?no time measured}" >>"$log"
        done
    done
}

measure_growth() {
    local mode
    say "growth"
    for mode in simple prepared; do
        for round in $(seq "$rounds"); do
            run_pgbench "growth/$mode/thousand" bench_ours "$work/item.point" "$mode" "$seconds" "$database"
            run_pgbench "growth/$mode/million" bench_ours "$work/item.point" "$mode" "$seconds" "$large"
            run_pgbench "growth/$mode/many" bench_many "$work/item.point" "$mode" "$seconds" "$large"
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
        pgbench -n -c 2 -j 1 -R 1000 -M prepared -T $((seconds + 1)) -f "$work/churn.$table" "$database" \
            >"$work/churn.out" 2>&1 &
        churn=$!
        sleep 0.5
    fi
    run_pgbench "churn/$mode/$variant" bench_ours "$work/item.point" "$mode" "$seconds" "$database"
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
    local mode
    say "churn"
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
| processor | $(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores |
| PostgreSQL | $(query -c 'SHOW server_version') |
| teamrbac | $(query -c "SELECT extversion FROM pg_extension WHERE extname = 'teamrbac'") |
| date | $(date -u +%F) |
| settings | $(query -c "SELECT string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name) FROM pg_settings
    WHERE name IN ('shared_buffers', 'autovacuum', 'fsync', 'full_page_writes', 'jit', 'work_mem')") |
| rounds | $rounds of $seconds s for each variant, in turns; one connection; a ratio is the median of the rounds' ratios |
| data | 1,000,000 rows of 1,000 tenants, PRIMARY KEY (id), index (tenant_id, id); the reader is a member of one tenant |
| identity | a role mapped by map_database_role; the peers' user is in a setting of their role |

END
}

results() {
    awk -f "$here/table.awk" "$log"
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
