#!/bin/bash
# Runs clients behind a pgbouncer in transaction mode, each with the block of its section in docs/clients.md; within
# scripts/with-cluster.sh, or with PGHOST, PGPORT and an empty PGDATABASE of a superuser postgres otherwise.
#
#   run.sh MODULES CLIENT...     MODULES: where npm has put node's packages; - for Debian's
set -euo pipefail
cd "$(dirname "$0")/../.."
modules=$1
shift

work=$(mktemp -d "${TMPDIR:-/tmp}/clients.XXXXXX")
pooler=
stop() {
    [ -z "$pooler" ] || kill -INT "$pooler" 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 143' TERM HUP INT

# A port that nobody listens on.
if [ -z "${POOLER_PORT:-}" ]; then
    POOLER_PORT=$(perl -MIO::Socket::INET \
        -e 'print IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1)->sockport')
fi
export POOLER_PORT
echo '"web" ""' >"$work/users"
cat >"$work/pgbouncer.ini" <<INI
[databases]
* = host=$PGHOST port=$PGPORT
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $POOLER_PORT
unix_socket_dir =
auth_type = trust
auth_file = $work/users
admin_users = web
pool_mode = transaction
default_pool_size = 5
max_client_conn = 400
ignore_startup_parameters = extra_float_digits
logfile = $work/log
INI
PATH=$PATH:/usr/sbin pgbouncer -q "$work/pgbouncer.ini" 2>"$work/err" &
pooler=$!

psql -Xq -v ON_ERROR_STOP=1 -f test/clients/setup.sql >/dev/null
export DATABASE_URL=postgresql://web@127.0.0.1:$POOLER_PORT/$PGDATABASE
export INTERRUPT=$PWD/test/clients/interrupt.sh
for ((i = 0; i < 100; i++)); do
    ! psql -Xqc 'SELECT 1' "$DATABASE_URL" >/dev/null 2>&1 || break
    sleep 0.1
done

javascript() {
    [ "$modules" != - ] || export NODE_PATH=/usr/share/nodejs
    TITLE=$1 MODULES=$modules node test/clients/node/load.js
}

python() {
    TITLE=$1 /usr/bin/python3 test/clients/load.py
}

java_program() {
    mkdir "$work/java"
    sed -e '/BLOCK FROM docs/{r '"$work/block"'' -e 'd}' test/clients/Load.java >"$work/java/Load.java"
    javac -cp /usr/share/java/postgresql.jar -d "$work/java" "$work/java/Load.java"
    java -cp "/usr/share/java/postgresql.jar:$work/java" Load
}

go_program() {
    mkdir "$work/go"
    cat test/clients/load.go "$work/block" >"$work/go/main.go"
    GOPATH=/usr/share/gocode GO111MODULE=off GOCACHE=$work/cache GOFLAGS= go run "$work/go/main.go"
}

failed=0
for client; do
    perl -Itest/lib -MMarkdown=section -0777 -e '
        open my $document, "<", "docs/clients.md" or die;
        print section(<$document>, $ARGV[0]) =~ /^```\w+\n(.*?)^```/ms' "$client" >"$work/block"
    psql -Xq -c 'UPDATE note SET n = 0'
    status=0
    case $client in
        node-postgres | postgres.js | Prisma | Drizzle | Kysely | Knex) javascript "$client" || status=$? ;;
        'psycopg 3' | SQLAlchemy | Django) python "$client" || status=$? ;;
        ActiveRecord) ruby test/clients/load.rb "$work/block" || status=$? ;;
        JDBC) java_program || status=$? ;;
        pgx) go_program || status=$? ;;
        *) echo "run.sh: no client is called $client" >&2 && exit 2 ;;
    esac
    # Eight tenths of each user's hundred requests have counted, and nothing that failed.
    wrong=$(psql -XAtq -c 'SELECT count(*) FROM note WHERE n <> CASE id WHEN 1 THEN 80 ELSE 0 END')
    if [ "$status" -ne 0 ] || [ "$wrong" -ne 0 ]; then
        echo "$client: FAILED, status $status, $wrong rows with a wrong count" >&2
        failed=1
    fi
done
exit "$failed"
