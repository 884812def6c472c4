#!/bin/bash
# The part of test-gateways.sh that runs inside with-cluster.sh, for the gateways that are in a directory: a database as
# docs/gateways.md makes it, and the same requests to each.
set -euo pipefail
cd "$(dirname "$0")/../.."

# blocks SECTION: the SQL of a section of the document; of its beginning, if none is named.
blocks() {
    perl -Itest/lib -MMarkdown=section,sql_blocks -0777 -ne '
        print sql_blocks($ENV{SECTION} ? section($_, $ENV{SECTION}) : s/^## .*//msr)' docs/gateways.md
}

sql() {
    PGOPTIONS='-c client_min_messages=warning' psql -Xq -v ON_ERROR_STOP=1
}

SECTION='' blocks | sql
if [ -d "$1/postgrest" ]; then
    timeout 120 node test/gateways/postgrest.js "$1/postgrest"
fi
for gateway in postgraphile4 postgraphile5; do
    if [ "$gateway" = postgraphile5 ]; then
        SECTION='PostGraphile 5' blocks | sql
    fi
    if [ -d "$1/$gateway" ]; then
        GRAPHILE_ENV=production timeout 120 node test/gateways/requests.js "$gateway" "$1/$gateway"
    fi
done
