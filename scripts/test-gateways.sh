#!/bin/bash
# Runs teamrbac_api behind PostgREST and PostGraphile 4 and 5, configured by the blocks of docs/gateways.md, against a
# throw-away server; `make test-gateways` calls this. Needs Node; what comes from npm goes into a temporary directory.
#
#   GATEWAYS    which of test/gateways to run (default: postgrest postgraphile4 postgraphile5)
#   POSTGREST   the program (default: the one on PATH); without one, PostgREST is skipped
set -euo pipefail
exec </dev/null
cd "$(dirname "$0")/.."

packages=()
command -v npm >/dev/null || packages=(nodejs npm)
scripts/install-dependencies.sh "${packages[@]}"
work=$(mktemp -d "${TEAMRBAC_TMPDIR:-/tmp}/teamrbac-gateways.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [ -n "${POSTGREST:-}" ] && ! command -v "$POSTGREST" >/dev/null; then
    echo "test-gateways: there is no program '$POSTGREST'" >&2
    exit 1
fi
POSTGREST=$(realpath "$(command -v "${POSTGREST:-postgrest}")" 2>/dev/null) || POSTGREST=
export POSTGREST
for gateway in ${GATEWAYS:-postgrest postgraphile4 postgraphile5}; do
    if [ "$gateway" = postgrest ] && [ -z "$POSTGREST" ]; then
        echo "test-gateways: postgrest is skipped, as there is none (POSTGREST may name one)" >&2
        continue
    fi
    mkdir "$work/$gateway"
    cp "test/gateways/$gateway/package.json" "$work/$gateway"
    # Some ask for a newer Node than Debian has; the test tells whether they do without.
    (cd "$work/$gateway" && npm install --no-audit --no-fund --no-package-lock --loglevel=error) >&2
done
# The command runs as another user.
chmod -R a+rX "$work"
scripts/with-cluster.sh -- test/gateways/run.sh "$work"
