#!/bin/bash
# Plays the team page in the throw-away cluster that scripts/with-cluster.sh has started.
# Ends with a non-zero status if anything happens that the page does not say.
set -euo pipefail
cd "$(dirname "$0")"

# A mail server on a free port of 127.0.0.1, which keeps what it is given in $DEMO_MAIL/mail.
DEMO_MAIL=$(mktemp -d)
export DEMO_MAIL
/usr/bin/python3 ../test/smtp/server.py "$DEMO_MAIL" &
smtp=$!
trap 'kill "$smtp"; rm -rf "$DEMO_MAIL"' EXIT
for _ in $(seq 100); do
    [ ! -e "$DEMO_MAIL/ready" ] || break
    sleep 0.1
done

# In production, /etc/teamrbac/mailer.conf says this.
TEAMRBAC_MAILER_SMTP_URL=smtp://127.0.0.1:$(cat "$DEMO_MAIL/port")
export TEAMRBAC_MAILER_SMTP_URL
export TEAMRBAC_MAILER_SMTP_TLS=off
export TEAMRBAC_MAILER_DATABASE='user=demo_mailer'
export TEAMRBAC_MAILER_FROM_ADDRESS=no-reply@app.example TEAMRBAC_MAILER_FROM_NAME='The App'
export TEAMRBAC_MAILER_ACCEPT_URL='https://app.example/join?token={{token}}'

# The server's key for statements of the audit, and what docs/audit.md gives whoever checks them.
openssl genpkey -algorithm ed25519 -out "$DEMO_MAIL/audit.pem"
openssl pkey -in "$DEMO_MAIL/audit.pem" -pubout -out "$DEMO_MAIL/public.pem"
awk '/^```bash$/ { inside = 1; block = ""; next }
    /^```$/ { if (inside && block ~ /\n# check-head /) printf "%s", block; inside = 0 }
    inside { block = block $0 "\n" }' ../docs/audit.md >"$DEMO_MAIL/check-head"

psql -X -q -v ON_ERROR_STOP=1 -P pager=off -P footer=off -f demo.sql 2>&1
