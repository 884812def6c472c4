#!/bin/bash
# Measures expire_invitations on a million due invitations, and prints a table: rate, how long it holds up a
# command on one of the tenants, memory.
#
#   make bench-expire    on a throw-away server; the table also goes to bench/EXPIRE.md
#
# Expects what scripts/with-cluster.sh gives: a running server, PGHOST, PGUSER (a superuser), PGDATABASE
# (empty), and the extension installed; runs as the server's user, whose processes it looks at.
#
#   BENCH_TENANTS        how many tenants (default 1000)
#   BENCH_INVITATIONS    how many due invitations each has (default 1000)
set -euo pipefail

tenants=${BENCH_TENANTS:-1000}
invitations=${BENCH_INVITATIONS:-1000}
total=$((tenants * invitations))
work=$(mktemp -d)
children=()

clean_up() {
    [ ${#children[@]} -eq 0 ] || kill "${children[@]}" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

say() {
    echo "bench: $*" >&2
}

. "$(dirname "$0")/common.sh"

load() {
    say "loading $total due invitations"
    query -v tenants="$tenants" -v invitations="$invitations" >&2 <<'END'
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
-- Loaded as by a restore: no trigger records each row.
SET session_replication_role = replica;
INSERT INTO teamrbac.app_user (user_id, email, display_name)
	SELECT md5('u' || n)::uuid, 'owner' || n || '@example.com', 'Owner ' || n FROM generate_series(1, :tenants) AS n;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT md5('t' || n)::uuid, 'Tenant ' || n FROM generate_series(1, :tenants) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role)
	SELECT md5('t' || n)::uuid, md5('u' || n)::uuid, 'owner' FROM generate_series(1, :tenants) AS n;
-- Each tenant has a history.
INSERT INTO teamrbac.audit_head (tenant_id, scope) SELECT tenant_id, 'tenant' FROM teamrbac.tenant;
-- Round the tenants, so that each batch touches as many as it can.
INSERT INTO teamrbac.invitation (tenant_id, invitation_id, email, role, invited_by, token_hash, expires_at)
	SELECT md5('t' || n)::uuid, gen_random_uuid(), 'invited' || i || '@example.com', 'developer', md5('u' || n)::uuid,
		sha256(gen_random_uuid()::text::bytea), now() - interval '1 day' + i * interval '1 ms'
	FROM generate_series(1, :invitations) AS i, generate_series(1, :tenants) AS n;
RESET session_replication_role;
VACUUM ANALYZE;
CHECKPOINT;
END
}

# A command on a tenant, as far as waiting goes: it takes the lock that every command takes first.
write_probe() {
    cat >"$work/probe.sql" <<END
\set n random(1, $tenants)
SELECT FROM teamrbac.tenant WHERE tenant_id = md5('t' || :n)::uuid FOR NO KEY UPDATE;
END
}

# run_probe SECONDS: the longest that a command waited, in ms.
run_probe() {
    (cd "$work" && pgbench -n -c 1 -T "$1" -R 500 -l --log-prefix=probe -f probe.sql "$PGDATABASE" >probe.out 2>&1)
    # Latency less the wait for its turn under -R.
    awk '{ ms = ($3 - $NF) / 1000; if (ms > max) max = ms } END { printf "%.1f", max }' "$work"/probe.*[0-9]
    rm -f "$work"/probe.*[0-9]
}

# sample_memory PID FILE: the most private memory of a process, in kB, until it ends.
sample_memory() {
    local kb most=0
    while kb=$(awk '/^RssAnon/ { print $2 }' "/proc/$1/status" 2>/dev/null) && [ -n "$kb" ]; do
        if [ "$kb" -gt "$most" ]; then
            most=$kb
            echo "$most" >"$2"
        fi
        sleep 0.05
    done
}

expire() {
    {
        echo 'SELECT pg_backend_pid();'
        echo '\o'
        # Time for the sampler to start.
        echo 'SELECT pg_sleep(0.5) \g /dev/null'
        echo '\timing on'
        echo 'CALL teamrbac.expire_invitations();'
    } | psql -XqAt -v ON_ERROR_STOP=1 >"$work/expire.out" &
    children+=($!)
    local psql=$! pid
    sleep 0.3
    pid=$(head -n 1 "$work/expire.out")
    sample_memory "${pid:?the session did not start}" "$work/memory" &
    children+=($!)
    sleep 0.3
    while kill -0 "$psql" 2>/dev/null; do
        run_probe 5 >>"$work/waits"
        echo >>"$work/waits"
    done
    wait "$psql"
    ms=$(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$work/expire.out")
}

check_result() {
    local left events
    left=$(query -c "SELECT count(*) FROM teamrbac.invitation WHERE state <> 'expired'")
    events=$(query -c "SELECT count(*) FROM teamrbac.audit_event WHERE action = 'invitation.expired'")
    [ "$left" = 0 ] && [ "$events" = "$total" ] || {
        say "$left are left, $events of $total events"
        exit 1
    }
}

load
write_probe
say "without the job"
idle=$(run_probe 5)
say "expire_invitations"
expire
check_result
cat <<END
# What expire_invitations costs

Written by \`make bench-expire\`: $total invitations that are due, of $tenants tenants, batches of 1,000, an audit event
for each. Meanwhile one session takes and leaves the lock of a random tenant 500 times a second, as a command would.

| | |
|---|---|
$(tested)
| settings | fsync = $(query -c 'SHOW fsync'), shared_buffers = $(query -c 'SHOW shared_buffers') |
| load average of the machine (1, 5, 15 min) | $(cut -d ' ' -f 1-3 /proc/loadavg) |
| time | $(awk -v ms="$ms" 'BEGIN { printf "%.1f s", ms / 1000 }') |
| rate | $(awk -v ms="$ms" -v n="$total" 'BEGIN { printf "%d invitations/s", n / ms * 1000 }') |
| longest wait of a command for a tenant's lock | $(sort -n "$work/waits" | tail -n 1) ms (without the job: $idle ms) |
| private memory of the session at most | $(awk '{ printf "%.1f MB", $1 / 1024 }' "$work/memory") |
END
