#!/bin/bash
# Runs each client of docs/clients.md behind a pgbouncer in transaction mode, by the block of its section, against a
# throw-away server, then what schema tools do to protected tables; `make test-clients` calls this, then the gateways'
# test. Packages come from Debian and npm, the latter into a temporary directory.
#
#   CLIENTS   which sections of docs/clients.md, separated by commas (default: all of them)
#   TOOLS     which of test/tools (default: all of them)
set -euo pipefail
exec </dev/null
cd "$(dirname "$0")/.."

packages=(
    python3-psycopg python3-psycopg-pool python3-psycopg2 python3-sqlalchemy python3-django python3-alembic
    ruby-activerecord ruby-pg
    default-jdk-headless libpostgresql-jdbc-java
    golang-go golang-github-jackc-pgx-v4-dev
)
command -v npm >/dev/null || packages+=(nodejs npm)
scripts/install-dependencies.sh "${packages[@]}"

work=$(mktemp -d "${TEAMRBAC_TMPDIR:-/tmp}/teamrbac-clients.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
cp test/clients/node/package.json test/clients/node/schema.prisma "$work"
# Prisma 7 does without an engine, but not with Debian's Node; its predecessor is told to.
if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a * 100 + +b >= 2019 ? 0 : 1)'; then
    sed -i -E '/prisma/s/\^7[.0-9]*/^6.19.0/' "$work/package.json"
    sed -i -e 's/prisma-client-js"/&\n  engineType = "client"/' -e 's/"postgresql"/&\n  url = env("DATABASE_URL")/' \
        "$work/schema.prisma"
fi
# Nothing of Prisma's but what npm has: its engine is for its own migrations.
export PRISMA_SCHEMA_ENGINE_BINARY=/bin/true PRISMA_ENGINES_CHECKSUM_IGNORE_MISSING=1 CHECKPOINT_DISABLE=1
(cd "$work" && npm install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel=error &&
    npx prisma generate --schema schema.prisma) >&2
mkdir "$work/prisma-tools"
cp test/tools/prisma/package.json "$work/prisma-tools"
(cd "$work/prisma-tools" && npm install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel=error) >&2
# The command runs as another user.
chmod -R a+rX "$work"

clients='node-postgres,postgres.js,Prisma,Drizzle,Kysely,Knex,psycopg 3,SQLAlchemy,Django,ActiveRecord,JDBC,pgx'
IFS=, read -ra chosen <<<"${CLIENTS-$clients}"
scripts/with-cluster.sh -- test/clients/run.sh "$work" "${chosen[@]}"

tools='drizzle-kit,Django,Alembic,Rails,Prisma'
IFS=, read -ra chosen <<<"${TOOLS-$tools}"
scripts/with-cluster.sh -- test/tools/run.sh "$work" "${chosen[@]}"
