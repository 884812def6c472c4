#!/bin/bash
# Plays the team page in the throw-away cluster that scripts/with-cluster.sh has started.
# Ends with a non-zero status if anything happens that the page does not say.
set -euo pipefail
cd "$(dirname "$0")"
exec psql -X -q -v ON_ERROR_STOP=1 -P pager=off -P footer=off -f demo.sql 2>&1
