#!/bin/bash
# Runs all tests on a library built for gcov, and says how many lines of each C file they have executed;
# `make coverage` calls this. Ends with a non-zero status if a test fails, or fewer than 95 % of all lines were.
# The lines that were not are listed.
#
# TESTS and the like narrow the tests, as for run-tests.sh.
set -euo pipefail

if [ "${1:-}" != inside ]; then
    cd "$(dirname "$0")/.."
    # Optimized code would blur the lines; JIT has code of its own.
    export COPT='--coverage -O0' with_llvm=no
    exec scripts/with-cluster.sh --cron=contrib_regression -- scripts/coverage.sh inside
fi

status=0
scripts/test-runners.sh || status=$?
# A backend writes its counts when it ends.
work=$(dirname "$SERVER_LOG")
pg_ctl -s -w -m fast -D "$work/data" stop

gcov --relative-only --source-prefix "$PWD" --object-directory src src/*.c src/*/*.c >"$work/gcov.out" 2>&1
echo
awk '
    /^File / { gsub("\047", "", $2); file = $2 }
    /^Lines executed:/ && file ~ /^src\/[a-z_]*\.c$/ {
        split($0, part, "[:% ]+")
        n = part[length(part)]
        hit = part[3] * n / 100
        printf "%6.1f %% of %4d lines  %s\n", part[3], n, file
        lines += n
        executed += hit
        file = ""
    }
    END {
        printf "%6.1f %% of %4d lines\n", 100 * executed / lines, lines
        exit executed < 0.95 * lines
    }' "$work/gcov.out" || status=1
echo
echo "Not executed:"
grep -H '^ *#####:' ./*.c.gcov | sed -e 's|^\./||' -e 's|\.gcov: *#####: *|:|'
exit "$status"
