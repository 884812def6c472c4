#!/bin/bash
# Runs all tests (pg_regress, isolation, TAP) on a throw-away server; `make test` calls this. The last
# line printed is "N passed, N failed". It may be narrowed:
#
#   make test TESTS="roles iso_demote_check 003_dump"    by name, whichever runner they belong to
#   make test REGRESS="roles" ISOLATION= PROVE_TESTS=    by runner: unset is all of it, empty none
#
# With KEEP=DIR, DIR receives results/ (*.out, *.diffs) and the logs: the way to a new expected/ file.
# PROVE_FLAGS goes to prove.
set -euo pipefail

# node-postgres for 062_clients, where Debian's package is not installed.
if [ ! -d /usr/share/nodejs/pg ] && command -v npm >/dev/null && [[ ${TESTS-062_clients} == *062_clients* ]]; then
    NODE_POSTGRES=$(mktemp -d "${TEAMRBAC_TMPDIR:-/tmp}/teamrbac-npm.XXXXXX")
    run=
    trap 'rm -rf "$NODE_POSTGRES"' EXIT
    trap '[ -z "$run" ] || kill -TERM "$run"; wait; exit 143' INT TERM HUP
    export NODE_POSTGRES
    (cd "$NODE_POSTGRES" && echo '{}' >package.json &&
        npm install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel=error pg@8) >&2
    chmod -R a+rX "$NODE_POSTGRES"
fi

# pg_regress works in contrib_regression, so pg_cron has to.
cd "$(dirname "$0")/.."
scripts/with-cluster.sh --werror --cron=contrib_regression -- scripts/test-runners.sh &
run=$!
wait "$run"
