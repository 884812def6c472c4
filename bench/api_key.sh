#!/bin/bash
# Measures what signing in as an API key costs, and prints a table of ratios with their bars.
#
#   make bench-keys        on a throw-away server; the table also goes to bench/KEYS.md
#
# Expects what scripts/with-cluster.sh gives: a running server, PGHOST, PGUSER (a superuser), PGDATABASE (empty),
# and the extension installed.
#
#   BENCH_SECONDS     how long each run of pgbench lasts (default 3)
#   BENCH_ROUNDS      how often each is repeated (default 5)
#
# The peer is what people write instead, SELECT ... WHERE key_hash = digest($1, 'sha256'), which looks neither at
# the end of a key nor of its tenant, signs nobody in, and notes no use. Each session draws one of both for each
# transaction, so that what else the machine does hits both; a ratio, by their mean times, is the median of the rounds'.
set -euo pipefail

seconds=${BENCH_SECONDS:-3}
rounds=${BENCH_ROUNDS:-5}
bar=0.9
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

. "$here/common.sh"

# Writes the pgbench scripts: one key or any of 5,000, as a statement of its own and at a transaction's start.
write_scripts() {
    local ours="SELECT tenant_id, key_id, role FROM teamrbac.sign_in_with_api_key"
    local peer="SELECT tenant_id, key_id, role FROM bench.peer WHERE key_hash = digest"

    echo "$ours(:key, false);" >"$work/hot.ours"
    echo "$peer(:key, 'sha256');" >"$work/hot.peer"
    printf '%s\n' BEGIN\; "$ours(:key);" COMMIT\; >"$work/begin.ours"
    printf '%s\n' BEGIN\; "$peer(:key, 'sha256');" COMMIT\; >"$work/begin.peer"
    printf '%s\n' '\set id random(1, 5000)' \
        "SELECT k.tenant_id, k.key_id, k.role FROM bench.key AS s, teamrbac.sign_in_with_api_key(s.secret, false) AS k WHERE s.id = :id;" \
        >"$work/any.ours"
    printf '%s\n' '\set id random(1, 5000)' \
        "SELECT k.tenant_id, k.key_id, k.role FROM bench.key AS s JOIN bench.peer AS k ON k.key_hash = digest(s.secret, 'sha256') WHERE s.id = :id;" \
        >"$work/any.peer"
    local kind
    for kind in unknown malformed revoked expired deleted; do
        echo "SELECT bench.refused('$(query -c "SELECT secret FROM bench.refused_key WHERE kind = '$kind'")');" \
            >"$work/refused.$kind"
    done
}

# pair SCRIPT SCRIPT MODE SESSIONS: each session draws one of the two for each transaction; prints how many a second each
# would do alone.
pair() {
    local key=$secret
    # A parameter of a prepared statement, but text within a simple one.
    [ "$3" = prepared ] || key="'$key'"
    pgbench -n -c "$4" -j 2 -M "$3" -T "$seconds" -U bench_app -D key="$key" -f "$work/$1" -f "$work/$2" |
        awk -v sessions="$4" '
            /^SQL script/ { script++ }
            script && / - latency average = / { print 1000 * sessions / $5 }' | xargs
}

# compare TEXT SCRIPT SCRIPT BAR MODE SESSIONS: one line of the table; "-" for no bar.
compare() {
    local text=$1 round ours peer
    for round in $(seq "$rounds"); do
        if [ $((round % 2)) -eq 0 ]; then
            read -r peer ours < <(pair "$3" "$2" "$5" "$6")
        else
            read -r ours peer < <(pair "$2" "$3" "$5" "$6")
        fi
        echo "${ours:?pgbench printed no result} ${peer:?pgbench printed no result}"
    done | awk -v text="$text, $5, sessions: $6" -v bar="$4" "$(<"$here/median.awk")"'
        { ours[NR] = $1; peer[NR] = $2; ratio[NR] = $1 / $2 }
        END {
            measured = middle(ratio, NR, text)
            printf("| %s | %s | %.3f | %s | %.0f/s of %.0f/s |\n", text, bar == "-" ? "" : ">= " bar, measured,
                   bar == "-" ? "" : measured >= bar ? "met" : "**MISSED**", middle(ours, NR, text), middle(peer, NR, text))
        }'
}

query -f "$here/api_key.sql" >/dev/null
query -c 'VACUUM ANALYZE'
secret=$(query -c 'SELECT secret FROM bench.key WHERE id = 7')
write_scripts

cat <<END
# What signing in as an API key costs

Written by \`make bench-keys\`: see bench/api_key.sh for what each line measures.

| | |
|---|---|
$(tested)
| rounds | $rounds of $seconds s; each session draws one of the two queries each time; medians of the rounds |

END
echo "| signing in, relative to \`SELECT ... WHERE key_hash = digest(\$1, 'sha256')\` | bar | measured | | medians |"
echo "|---|---|---|---|---|"
for sessions in 1 8 100; do
    for mode in simple prepared; do
        compare "one key" hot.ours hot.peer "$bar" "$mode" "$sessions"
        compare "one key, within BEGIN and COMMIT" begin.ours begin.peer "$bar" "$mode" "$sessions"
    done
done
compare "any of 5,000 keys" any.ours any.peer "$bar" prepared 1

echo
echo "| a refusal, relative to that of an unknown key, the handler of the exception included | | measured | | medians |"
echo "|---|---|---|---|---|"
for kind in malformed revoked expired deleted; do
    compare "$kind" "refused.$kind" refused.unknown - prepared 1
done
