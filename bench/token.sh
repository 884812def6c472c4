#!/bin/bash
# Measures what signing in by a token costs, and prints tables of ratios with their bars.
#
#   make bench-tokens      on a throw-away server; the tables also go to bench/TOKENS.md
#
# Expects what scripts/with-cluster.sh gives: a running server, PGHOST, PGUSER (a superuser), PGDATABASE (empty),
# and the extension installed.
#
#   BENCH_TOKENS      how many tokens of each algorithm (default 2000)
#   BENCH_ROUNDS      how often each is measured (default 5)
#
# Tokens of each algorithm are made by PyJWT. A new one is one that the session has not seen, or has forgotten: a session
# remembers 256, and takes thousands in turn. The peer is libcrypto's verification of the same tokens by itself, one
# EVP_DigestVerify after another in the same backend (test/modules/test_jws): neither base64 nor JSON, keys, claims, tables or
# an identity. In simple and prepared mode, a statement is compared with one that takes the token and does nothing with it.
set -euo pipefail

tokens=${BENCH_TOKENS:-2000}
rounds=${BENCH_ROUNDS:-5}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

. "$here/common.sh"

algorithms="RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA HS256 HS384 HS512"

# The module with the peer, built beside the sources.
mkdir -p "$work/src" "$work/test"
cp -R "$here/../src/compat.h" "$here/../src/authority" "$work/src"
cp -R "$here/../test/modules" "$work/test"
rm -f "$work"/src/authority/*.o
MAKEFLAGS='' CCACHE_DISABLE=1 make -s -C "$work/test/modules/test_jws" PG_CONFIG="${PG_CONFIG:-pg_config}" >&2
chmod -R a+rX "$work"

/usr/bin/python3 "$here/make_tokens.py" "$tokens" $algorithms >"$work/tokens.sql"
query -f "$here/token.sql" -v module="$work/test/modules/test_jws/test_jws.so" >/dev/null
query -f "$work/tokens.sql" >/dev/null
query -c 'VACUUM ANALYZE'

# measured ALGORITHM: microseconds of a new token, of a seen one, and of libcrypto's verification, each of one round.
measured() {
    query -c "SELECT bench.new_tokens('$1'), bench.seen_token('$1'), bench.bare('$1')"
}

# mode_cost MODE SCRIPT: microseconds that a statement takes.
mode_cost() {
    pgbench -n -M "$1" -T 3 -U bench_app -D token="$3" -f "$2" | awk '/^latency average/ { print 1000 * $4 }'
}

cat <<END
# What signing in by a token costs

Written by \`make bench-tokens\`: see bench/token.sh for what each line measures.

| | |
|---|---|
$(tested)
| rounds | $rounds, of $tokens tokens each; medians |

| algorithm | libcrypto alone | a new token | ratio | above libcrypto (bar: 50 us) | | a seen token (bar: 10 us) | |
|---|---|---|---|---|---|---|---|
END
for algorithm in $algorithms; do
    for _ in $(seq "$rounds"); do
        measured "$algorithm"
    done | awk -F'|' -v name="$algorithm" "$(<"$here/median.awk")"'
        { new[NR] = $1; seen[NR] = $2; bare[NR] = $3; ratio[NR] = $1 / $3; above[NR] = $1 - $3 }
        END {
            printf("| %s | %.1f us | %.1f us | %.2f | %.1f us | %s | %.1f us | %s |\n", name, middle(bare, NR, name), middle(new, NR, name),
                   middle(ratio, NR, name), middle(above, NR, name), middle(above, NR, name) <= 50 ? "met" : "**MISSED**",
                   middle(seen, NR, name), middle(seen, NR, name) <= 10 ? "met" : "**MISSED**")
        }'
done

cat <<END

| a statement of its own, one ES256 token that the session has seen | median | above a statement that does nothing |
|---|---|---|
END
token=$(query -c "SELECT token FROM bench.token WHERE algorithm = 'ES256' AND n = 1")
echo "SELECT user_id FROM teamrbac.sign_in_with_token(:token, local => false);" >"$work/seen"
echo "SELECT length(:token);" >"$work/nothing"
for mode in simple prepared; do
    value=$token
    [ "$mode" = prepared ] || value="'$token'"
    for _ in $(seq "$rounds"); do
        echo "$(mode_cost "$mode" "$work/seen" "$value") $(mode_cost "$mode" "$work/nothing" "$value")"
    done | awk -v name="$mode" "$(<"$here/median.awk")"'
        { seen[NR] = $1; above[NR] = $1 - $2 }
        END { printf("| %s | %.1f us | %.1f us |\n", name, middle(seen, NR, name), middle(above, NR, name)) }'
done
