#!/bin/bash
# The team page in the throw-away cluster that scripts/with-cluster.sh has started: examples/team-page with demo data, a
# mail server on loopback and the mailer. scripts/team-page.sh calls this.
#
#   run.sh MODULES [COMMAND...]    until COMMAND ends, to which the address is added, or without one until a signal
set -euo pipefail
cd "$(dirname "$0")/../.."

ln -s "$1/node_modules" examples/team-page/node_modules
shift
directory=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || :; rm -rf "$directory"' EXIT

# wait_for FILE: half a minute at most, and no longer than what writes it runs.
wait_for() {
    local _
    for _ in $(seq 300); do
        [ ! -e "$1" ] || return 0
        kill -0 "${pids[-1]}" || return 1
        sleep 0.1
    done
    return 1
}

PGOPTIONS='-c client_min_messages=warning' psql -Xq -v ON_ERROR_STOP=1 -o /dev/null \
    -f examples/team-page/schema.sql -f demo/web/demo.sql
/usr/bin/python3 test/smtp/server.py "$directory" &
pids+=($!)
wait_for "$directory/ready"
NODE_ENV=production node demo/web/demo.js "$directory" &
pids+=($!)
wait_for "$directory/address"
if [ $# -gt 0 ]; then
    "$@" "$(cat "$directory/address")"
else
    wait "${pids[-1]}"
fi
