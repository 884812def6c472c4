#!/bin/bash
# PostgreSQL's own regression and isolation suites, against a server with our library preloaded: no test may fail that
# passes without it.  `make test-postgres` calls this.
#
#   POSTGRES_SOURCE   the source tree that PG_CONFIG's PostgreSQL was built from, built in place (make, and make -C
#                     src/test/regress for regress.so): packages don't bring the suites
#   VARIANTS          which of the settings below are tried (default: all of them)
#
# The last line printed is "N passed, N failed": tests times variants; failed are those that the library breaks.
set -euo pipefail

source_tree=${POSTGRES_SOURCE:?names the source tree of PostgreSQL, built}
top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

[ -e "$source_tree/src/test/regress/regress.so" ] || {
    echo "test-postgres-suites: $source_tree/src/test/regress/regress.so is not built" >&2
    exit 2
}

# Each variant: settings for the server.
declare -A settings=(
    [plain]=''
    [parallel]='force_parallel_mode = regress'
    [generic]='plan_cache_mode = force_generic_plan'
    [custom]='plan_cache_mode = force_custom_plan'
    [jit]='jit_above_cost = 0'
)

# Runs both suites; what each test came to goes to FILE, "suite test ok" or "suite test FAILED".
cat >"$work/run" <<'END'
#!/bin/bash
source_tree=$1 regress=$(dirname "$("$PG_CONFIG" --pgxs)")/../../src/test
out=$(mktemp -d)
# Before 16 "test NAME ... ok", in groups "     NAME ... ok"; since then TAP.
outcome() {
    awk -v suite="$1" '
        / \.\.\. / { for (i = 2; i < NF; i++) if ($i == "...") print suite, $(i - 1), ($(i + 1) == "ok" ? "ok" : "FAILED") }
        /^(not )?ok [0-9]/ { print suite, ($1 == "not" ? $5 : $4), ($1 == "not" ? "FAILED" : "ok") }' | sort
}
"$regress/regress/pg_regress" --inputdir="$source_tree/src/test/regress" --outputdir="$out" --dlpath="$source_tree/src/test/regress" \
    --bindir="$("$PG_CONFIG" --bindir)" --schedule="$source_tree/src/test/regress/parallel_schedule" 2>&1 | outcome regress
"$regress/isolation/pg_isolation_regress" --inputdir="$source_tree/src/test/isolation" --outputdir="$out" \
    --bindir="$("$PG_CONFIG" --bindir)" --schedule="$source_tree/src/test/isolation/isolation_schedule" 2>&1 | outcome isolation
rm -rf "$out"
END
chmod 755 "$work/run"

# suites FILE SETTING...: on a server of its own.
suites() {
    local file=$1 options=(--set 'max_prepared_transactions = 10' --set "search_path = '\"\$user\", public'")
    shift
    for setting; do
        [ -z "$setting" ] || options+=(--set "$setting")
    done
    "$top/scripts/with-cluster.sh" "${options[@]}" -- "$work/run" "$source_tree" >"$file"
}

passed=0
failed=0
for variant in ${VARIANTS:-plain parallel generic custom jit}; do
    suites "$work/without" "${settings[$variant]}"
    suites "$work/with" "${settings[$variant]}" "shared_preload_libraries = 'teamrbac'"
    if [ "$(awk '{ print $1 }' "$work/without" | sort -u | wc -l)" -ne 2 ]; then
        echo "test-postgres-suites: one of the suites did not run" >&2
        exit 1
    fi
    # What passes without the library and does not pass with it.
    broken=$(comm -23 <(grep ' ok$' "$work/without" | sort) <(grep ' ok$' "$work/with" | sort) | awk '{ print $1, $2 }')
    passing=$(grep -c ' ok$' "$work/with" || true)
    count=$(grep -c . <<<"$broken" || true)
    echo "$variant: $(wc -l <"$work/with") tests, $passing passed with the library, $(grep -c ' ok$' "$work/without") without"
    [ -z "$broken" ] || sed "s/^/$variant: broken: /" <<<"$broken"
    passed=$((passed + passing))
    failed=$((failed + count))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
