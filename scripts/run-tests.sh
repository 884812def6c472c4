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

# pg_regress works in contrib_regression, so pg_cron has to.
cd "$(dirname "$0")/.."
exec scripts/with-cluster.sh --werror --cron=contrib_regression -- scripts/test-runners.sh
