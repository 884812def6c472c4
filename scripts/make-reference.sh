#!/bin/bash
# Prints docs/reference.md, in the throw-away server that scripts/with-cluster.sh has started.
set -euo pipefail
cd "$(dirname "$0")"
psql -X -q -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION teamrbac CASCADE'
exec psql -X -q -v ON_ERROR_STOP=1 -f reference.sql
