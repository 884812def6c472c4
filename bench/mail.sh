#!/bin/bash
# Mail: how fast invitations are made with their mail, and how fast mailers send it to a mail server on loopback.
# Runs in the throw-away cluster that scripts/with-cluster.sh has started; prints Markdown.
#
#   BENCH_MAILS    how many (default 10000)
set -euo pipefail
cd "$(dirname "$0")"

mails=${BENCH_MAILS:-10000}
tenants=$(((mails + 999) / 1000))
smtp=$(mktemp -d)
server=
mailers=()

clean_up() {
    kill $server "${mailers[@]}" 2>/dev/null || true
    rm -rf "$smtp"
}
trap clean_up EXIT

. ./common.sh

# Seconds since the epoch, with decimals.
now() {
    date +%s.%N
}

start_smtp() {
    /usr/bin/python3 ../test/smtp/server.py "$smtp" --discard >"$smtp/log" 2>&1 &
    server=$!
    for _ in {1..100}; do
        [ ! -e "$smtp/ready" ] || return 0
        sleep 0.1
    done
    cat "$smtp/log" >&2
    return 1
}

set_up() {
    query <<SQL
CREATE EXTENSION teamrbac CASCADE;
SET teamrbac.max_tenants_per_user = 1000000;
SELECT teamrbac.register_user('olivia@example.com', 'Olivia', '00000000-0000-0000-0000-0000000000a1') \g /dev/null
CREATE ROLE mailer LOGIN;
GRANT EXECUTE ON FUNCTION teamrbac.claim_mail(integer, interval), teamrbac.mail_sent(uuid),
	teamrbac.mail_failed(uuid, text), teamrbac.mail_blocked(uuid, text), teamrbac.mail_refused(uuid, text) TO mailer;
BEGIN;
SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000a1') \g /dev/null
SELECT count(teamrbac.create_tenant('Tenant ' || n)) FROM generate_series(1, $tenants) AS n \g /dev/null
COMMIT;
SQL
}

# Invites, each in a transaction of its own, as an application would.
invite() {
    query <<SQL
SET teamrbac.max_tenant_mails_per_day = 1000000;
DELETE FROM teamrbac.outbox;
DELETE FROM teamrbac.invitation;
SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000a1', false) \g /dev/null
SELECT format('SELECT count(*) FROM teamrbac.invite_member(%L, %L, %L)', tenant_id, 'n' || n || '@example.com', 'developer')
	FROM (SELECT tenant_id, row_number() OVER () - 1 AS i FROM teamrbac.tenant) AS t
	JOIN generate_series(0, $mails - 1) AS n ON n % $tenants = i ORDER BY n \gexec
SQL
}

# send N: runs N mailers until all is sent; prints the seconds.
send() {
    local begin
    begin=$(now)
    for ((i = 0; i < $1; i++)); do
        teamrbac-mailer --once 2>"$smtp/mailer.$i" &
        mailers+=($!)
    done
    wait "${mailers[@]}"
    mailers=()
    awk -v begin="$begin" -v end="$(now)" 'BEGIN { print end - begin }'
}

report() {
    awk -v what="$1" -v mails="$mails" -v seconds="$2" 'BEGIN { printf "| %s | %.1f | %.0f |\n", what, seconds, mails / seconds }'
}

set_up
start_smtp
export TEAMRBAC_MAILER_DATABASE="user=mailer" TEAMRBAC_MAILER_SMTP_TLS=off
export TEAMRBAC_MAILER_SMTP_URL="smtp://127.0.0.1:$(<"$smtp/port")"
export TEAMRBAC_MAILER_FROM_ADDRESS=no-reply@app.example
export TEAMRBAC_MAILER_ACCEPT_URL='https://app.example/join?token={{token}}'

echo "# Mail: $mails invitations"
echo
echo "On $(nproc) processors, everything on one machine, fsync $(query -c "SHOW fsync"), load $(cut -d" " -f1 /proc/loadavg) before;"
echo "the mail server is Python (aiosmtpd) and throws away what it gets."
echo
echo '| | seconds | a second |'
echo '|---|---|---|'
begin=$(now)
invite >/dev/null
report 'invite_member, a transaction each, one session' "$(awk -v begin="$begin" -v end="$(now)" 'BEGIN { print end - begin }')"
report 'sent by one mailer' "$(send 1)"
invite >/dev/null
report 'sent by two mailers' "$(send 2)"
[ "$(query -c 'SELECT count(*) FROM teamrbac.outbox WHERE sent_at IS NOT NULL AND attempts = 1')" -eq "$mails" ]
[ "$(query -c 'SELECT count(*) FROM teamrbac.outbox WHERE token IS NOT NULL')" -eq 0 ]
