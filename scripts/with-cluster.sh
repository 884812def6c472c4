#!/bin/bash
# Runs a command against a throw-away server that has this tree's teamrbac installed.
#
#   scripts/with-cluster.sh [--cron[=DATABASE]] [--set NAME=VALUE]... [--server-env NAME=VALUE]... [--werror]
#                           -- COMMAND...
#
#   --cron        preload pg_cron, working in DATABASE (default: $PGDATABASE, "teamrbac")
#   --set         a line for postgresql.conf
#   --server-env  a variable in the server's environment, not in COMMAND's
#   --werror      compiler warnings are errors
#
# Installs what is missing, builds a copy of the tree in a private temporary directory, installs the
# extension into PG_CONFIG's PostgreSQL (default: Debian's 15), starts a server that listens on a
# socket in that directory only, and runs COMMAND there, in the copy of the tree, as an unprivileged
# user (postgres, when started by root) with PGHOST, PGPORT, PGUSER and PGDATABASE set (a superuser,
# an empty database). Server and directory are gone afterwards, whatever happens.
#
#   PG_CONFIG            the PostgreSQL to use
#   KEEP                 a directory that receives the runners' results and the server's log
#   TEAMRBAC_TMPDIR      where the temporary directory is made (default: /tmp)
#
# COMMAND's output is all that goes to standard output.
set -euo pipefail
exec </dev/null

usage() {
    echo "usage: $0 [--cron[=DATABASE]] [--set NAME=VALUE]... [--server-env NAME=VALUE]... [--werror] -- COMMAND..." >&2
    exit 2
}

database=teamrbac
cron_database=
settings=()
server_env=()
werror=0
while [ $# -gt 0 ]; do
    case $1 in
        --cron) cron_database=$database ;;
        --cron=?*) cron_database=${1#*=} ;;
        --set) settings+=("${2:?}") && shift ;;
        --server-env) server_env+=("${2:?}") && shift ;;
        --werror) werror=1 ;;
        --) shift && break ;;
        *) usage ;;
    esac
    shift
done
[ $# -gt 0 ] || usage

top=$(cd "$(dirname "$0")/.." && pwd)
caller_dir=$PWD

# Neither an outer make's options nor a developer's psql, locale or connection may change the result.
for name in $(compgen -e); do
    case $name in
        PG_CONFIG | PG_TEST_*) ;;
        PG* | LC_* | LANGUAGE | MAKEFLAGS | MFLAGS | MAKELEVEL | MAKEOVERRIDES | PSQLRC | PSQL_*) unset "$name" ;;
    esac
done
export LANG=C.UTF-8

"$top/scripts/install-dependencies.sh"
export PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}
if ! bindir=$("$PG_CONFIG" --bindir); then
    echo "with-cluster: cannot run '$PG_CONFIG': set PG_CONFIG to that of your PostgreSQL" >&2
    exit 1
fi

umask 022
work=$(mktemp -d "${TEAMRBAC_TMPDIR:-/tmp}/teamrbac.XXXXXX")
tree=$work/tree
data=$work/data
child=
lock=

if [ "$(id -u)" -eq 0 ]; then
    # runuser sets the user's own home, which other runs would share and keep.
    unprivileged=(runuser -u postgres -- env "HOME=$work")
    may_install=()
else
    unprivileged=()
    may_install=(sudo --)
    [ ! -w "$("$PG_CONFIG" --pkglibdir)" ] || may_install=()
fi

# Copies what a developer wants to look at after the run out of the temporary directory.
keep_results() {
    mkdir -p "$KEEP" &&
        find "$tree/results" "$tree/tmp_check/log" "$work/server.log" \
            -maxdepth 0 -exec cp -R -t "$KEEP" {} + 2>/dev/null
}

# Stops the command, every server below the temporary directory, and removes the directory.
clean_up() {
    local status=$? pidfile
    set +e
    trap - EXIT
    trap '' INT TERM HUP
    cd /
    if [ -n "$child" ]; then
        kill -TERM -- "-$child" 2>/dev/null && sleep 1
        kill -KILL -- "-$child" 2>/dev/null
    fi
    # Tests start servers of their own; those of a killed test are still there.
    find "$work" -name postmaster.pid 2>/dev/null | while read -r pidfile; do
        "${unprivileged[@]}" "$bindir/pg_ctl" -s -w -m immediate -D "$(dirname "$pidfile")" stop >/dev/null 2>&1
    done
    if [ -n "${KEEP:-}" ]; then
        (cd "$caller_dir" && keep_results)
    fi
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The command is a session of its own: a terminal's interrupt reaches only this shell, which then ends
# the whole session.
run() {
    local status=0
    if [ -n "$lock" ]; then
        setsid "$@" {lock}<&- &
    else
        setsid "$@" &
    fi
    child=$!
    wait "$child" || status=$?
    child=
    return "$status"
}

# A build from scratch, so that no old object file hides a warning.
build() {
    mkdir "$tree"
    tar -C "$top" -cf - --exclude=./.git --exclude='*.o' --exclude='*.bc' --exclude='*.so' --exclude=./teamrbac-mailer \
        --exclude=./results --exclude=./tmp_check . | tar -C "$tree" -xf - --no-same-owner
    run make -C "$tree" -s -j "$(nproc)" WERROR="$werror" all >&2
}

# There is one place to install to, so two runs on one machine take turns from here to their end.
install_extension() {
    exec {lock}<"$("$PG_CONFIG" --sharedir)/extension"
    if ! flock -n "$lock"; then
        echo "with-cluster: waiting for another run on this machine to end" >&2
        flock "$lock"
    fi
    "${may_install[@]}" make -C "$tree" -s PG_CONFIG="$PG_CONFIG" install >&2
}

start_server() {
    [ "$(id -u)" -ne 0 ] || chown -R postgres: "$work"
    export HOME=$work TMPDIR=$work PGHOST=$work PGPORT=65432 PGUSER=postgres
    cd "$tree"

    run "${unprivileged[@]}" "$bindir/initdb" -D "$data" -U postgres -A trust -N --locale=C.UTF-8 \
        --encoding=UTF8 --no-instructions >"$work/initdb.log" 2>&1 || {
        cat "$work/initdb.log" >&2
        return 1
    }
    {
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$work'"
        # The data are thrown away anyhow.
        echo "fsync = off"
        echo "full_page_writes = off"
        echo "max_connections = 100"
        echo "max_worker_processes = 32"
        echo "max_prepared_transactions = 10"
        echo "log_line_prefix = '%m [%p] %q%u@%d %a '"
        if [ -n "$cron_database" ]; then
            echo "shared_preload_libraries = 'pg_cron'"
            echo "cron.database_name = '$cron_database'"
            # Otherwise its jobs would connect to localhost, where nothing listens.
            echo "cron.use_background_workers = on"
        fi
        [ "${#settings[@]}" -eq 0 ] || printf '%s\n' "${settings[@]}"
    } >>"$data/postgresql.conf"
    # pg_ctl makes the server a session of its own, which clean_up finds by its postmaster.pid.
    run "${unprivileged[@]}" env "${server_env[@]}" "$bindir/pg_ctl" -s -w -D "$data" -l "$work/server.log" start || {
        cat "$work/server.log" >&2
        return 1
    }
    export PATH=$bindir:$PATH
    createdb "$database"
    export PGDATABASE=$database SERVER_LOG=$work/server.log
}

build
install_extension
start_server
run "${unprivileged[@]}" "$@"
