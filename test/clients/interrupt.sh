#!/bin/bash
# Waits until clients are in the middle of something, then kills their backends, and what connections the pooler has.
set -euo pipefail
asleep="SELECT count(*) FROM pg_stat_activity WHERE usename = 'web' AND query LIKE '%pg_sleep%' AND state = 'active'"
for ((i = 0; i < 600; i++)); do
    [ "$(psql -XAtq -c "$asleep")" -lt 3 ] || break
    sleep 0.1
done
psql -XAtq -c "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE usename = 'web'" >/dev/null
psql -XAtq -h 127.0.0.1 -p "$POOLER_PORT" -U web -d pgbouncer -c "KILL $PGDATABASE" -c "RESUME $PGDATABASE" >/dev/null
