#!/bin/bash
# Measures what the team page reads in one large tenant: its pages, the views, access_review and verify_audit, and prints
# a table.
#
#   make bench-pages    on a throw-away server; the table also goes to bench/PAGES.md
#
# Expects what scripts/with-cluster.sh gives: a running server, PGHOST, PGUSER (a superuser), PGDATABASE (empty), and the
# extension installed; runs as the server's user, whose processes it looks at.
#
#   BENCH_MEMBERS    how many members the tenant has, and as many users are in none (default 1000000)
#   BENCH_EVENTS     how many events its audit has (default 1000000)
#   BENCH_RUNS       how often each page is read after five times that don't count (default 51)
set -euo pipefail

members=${BENCH_MEMBERS:-1000000}
events=${BENCH_EVENTS:-1000000}
runs=${BENCH_RUNS:-51}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() {
    echo "bench: $*" >&2
}

. "$(dirname "$0")/common.sh"

load() {
    say "loading $members members, $((members / 10)) invitations and $events events"
    query -v members="$members" -v events="$events" >&2 <<'END'
SET client_min_messages = warning;
SET bench.events = :events;
SET bench.members = :members;
CREATE EXTENSION teamrbac CASCADE;
CREATE SCHEMA bench;
CREATE FUNCTION bench.id(what text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5(what || n::text)::uuid $$;
-- 100 given names and 10,000 surnames: a search finds from one to a hundredth of the members.
CREATE FUNCTION bench.name(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
	$$ SELECT 'Given' || lpad((n * 7919 % 100)::text, 2, '0') || ' Surname' || lpad((n * 104729 % 10000)::text, 4, '0') $$;
-- Loaded as by a restore: no trigger records each row.
SET session_replication_role = replica;
INSERT INTO teamrbac.app_user (user_id, email, display_name)
	SELECT bench.id('u', n), 'user' || n || '@example.com', bench.name(n) FROM generate_series(1, 2 * :members) AS n;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (bench.id('t', 1), 'Large'), (bench.id('t', 2), 'Small');
INSERT INTO teamrbac.membership (tenant_id, user_id, role, joined_at)
	SELECT bench.id('t', 1), bench.id('u', n), CASE WHEN n = 1 THEN 'owner' WHEN n <= 10 THEN 'admin' WHEN n % 3 = 0 THEN 'developer' ELSE 'reader' END,
		   now() - interval '1 year'
	FROM generate_series(1, :members) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (bench.id('t', 2), bench.id('u', 1), 'owner');
INSERT INTO teamrbac.member_term (tenant_id, kind, shared, term, user_id)
	SELECT m.tenant_id, t.kind, t.shared, t.term, m.user_id
	FROM teamrbac.membership AS m JOIN teamrbac.app_user AS u ON u.user_id = m.user_id, teamrbac.terms_of_name(u.display_name, u.email) AS t;
-- Nine in ten are active.
INSERT INTO teamrbac.user_activity (user_id, last_active_on) SELECT bench.id('u', n), current_date FROM generate_series(1, :members) AS n WHERE n % 10 <> 0;
INSERT INTO teamrbac.invitation (tenant_id, invitation_id, email, role, invited_by, token_hash, expires_at)
	SELECT bench.id('t', 1), bench.id('i', n), 'invited' || n || '@example.com', 'developer', bench.id('u', n % 10 + 1), sha256(n::text::bytea), now() + interval '7 days'
	FROM generate_series(1, :members / 10) AS n;
INSERT INTO teamrbac.outbox (tenant_id, mail_id, kind, recipient, invitation_id, next_attempt_at, sent_at)
	SELECT tenant_id, invitation_id, 'invitation', email, invitation_id, NULL, now() FROM teamrbac.invitation;
DO $do$
DECLARE
	e teamrbac.audit_event;
BEGIN
	e.tenant_id := bench.id('t', 1); e.scope := 'tenant'; e.actor_kind := 'user'; e.session_role := 'app'; e.application_name := 'bench';
	e.before := '{"role": "reader"}'; e.after := '{"role": "developer"}'; e.hash := '';
	FOR n IN 1 .. (SELECT current_setting('bench.events')::bigint) LOOP
		e.sequence := n; e.occurred_at := clock_timestamp(); e.previous_hash := e.hash;
		e.actor_id := bench.id('u', n % 10 + 1); e.subject := 'member:' || bench.id('u', n % current_setting('bench.members')::bigint + 1);
		-- One in 100,000 is rare.
		e.action := CASE WHEN n % 100000 = 5 THEN 'member.removed' ELSE 'member.role_changed' END;
		e.hash := teamrbac.audit_hash(e);
		INSERT INTO teamrbac.audit_event SELECT e.*;
	END LOOP;
	INSERT INTO teamrbac.audit_head (tenant_id, scope, sequence, hash) VALUES (e.tenant_id, 'tenant', e.sequence, e.hash);
END $do$;
RESET session_replication_role;
CREATE ROLE bench_app;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO bench_app;
GRANT USAGE ON SCHEMA bench TO bench_app;
VACUUM ANALYZE;
CHECKPOINT;
END
}

# as_admin: what each session begins with: an Admin of the large tenant, by the application's role.
as_admin() {
    cat <<'END'
SET ROLE bench_app;
\o /dev/null
SELECT teamrbac.sign_in(bench.id('u', 2), false);
SELECT bench.id('t', 1) AS t \gset
END
}

# median TITLE STATEMENT: a row of the table.
median() {
    {
        as_admin
        printf 'PREPARE page AS %s;\n' "$2"
        for ((i = 0; i < 5; i++)); do echo 'EXECUTE page;'; done
        echo '\timing on'
        for ((i = 0; i < runs; i++)); do echo 'EXECUTE page;'; done
    } | psql -XqAt -v ON_ERROR_STOP=1 2>&1 | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | sort -n \
        | awk -v title="$1" '{ t[NR] = $1 } END { printf "| %s | %.2f |\n", title, t[int((NR + 1) / 2)] }'
}

# once TITLE STATEMENT: a row of the table, of one run: time, notices, and the most private memory of the session.
once() {
    {
        as_admin
        echo '\o'
        echo 'SELECT pg_backend_pid();'
        echo '\o /dev/null'
        echo 'SELECT pg_sleep(0.3);'
        echo '\timing on'
        printf '%s;\n' "$2"
    } | psql -XqAt -v ON_ERROR_STOP=1 -v FETCH_COUNT=1000 >"$work/out" 2>"$work/notices" &
    local psql=$! pid kb most=0
    sleep 0.2
    pid=$(head -n 1 "$work/out")
    while kill -0 "$psql" 2>/dev/null; do
        kb=$(awk '/^RssAnon/ { print $2 }' "/proc/$pid/status" 2>/dev/null || true)
        [ -z "$kb" ] || [ "$kb" -le "$most" ] || most=$kb
        sleep 0.05
    done
    wait "$psql"
    printf '| %s | %s | %s | %s |\n' "$1" "$(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$work/out" | awk '{ printf "%.1f", $1 / 1000 }')" \
        "$(grep -c '^NOTICE' "$work/notices" || true)" "$((most / 1024))"
}

load
middle=$((events / 2))
place="(SELECT p.place FROM teamrbac.members_page(bench.id('t', 1), bench.id('u', 1)::text || ':given50 surname5000', 1) AS p)"
cat <<END
# What the team page costs

Written by \`make bench-pages\`: a tenant of $members members (and as many users in no tenant), $((members / 10)) pending invitations
and $events events of the audit; an Admin reads, as the application's role, pages of 50.

| | |
|---|---|
$(tested)
| settings | shared_buffers = $(query -c 'SHOW shared_buffers'), work_mem = $(query -c 'SHOW work_mem') |
| load average of the machine (1, 5, 15 min) | $(cut -d ' ' -f 1-3 /proc/loadavg) |

| page | median of $runs runs, ms |
|---|---|
END
say "pages"
t="bench.id('t', 1)"
median 'members, first' "SELECT * FROM teamrbac.members_page($t)"
median 'members, in the middle' "SELECT * FROM teamrbac.members_page($t, $place)"
median 'members, search "g" (all of them)' "SELECT * FROM teamrbac.members_page($t, search => 'g')"
median 'members, search "given42 s" (a hundredth)' "SELECT * FROM teamrbac.members_page($t, search => 'given42 s')"
median 'members, search "surname1234" (a ten-thousandth)' "SELECT * FROM teamrbac.members_page($t, search => 'surname1234')"
median 'members, search "user12345@example.com" (one)' "SELECT * FROM teamrbac.members_page($t, search => 'user12345@example.com')"
median 'members, search that finds nobody' "SELECT * FROM teamrbac.members_page($t, search => 'zebra')"
median 'invitations, first' "SELECT * FROM teamrbac.invitations_page($t)"
median 'invitations, search' "SELECT * FROM teamrbac.invitations_page($t, search => 'invited77')"
median 'audit, newest' "SELECT * FROM teamrbac.audit_page($t)"
median 'audit, in the middle' "SELECT * FROM teamrbac.audit_page($t, $middle)"
median 'audit, of one action (rare)' "SELECT * FROM teamrbac.audit_page($t, of_action => 'member.removed')"
median 'audit, of one actor' "SELECT * FROM teamrbac.audit_page($t, of_actor => bench.id('u', 3))"
median 'audit, of one member' "SELECT * FROM teamrbac.audit_page($t, of_subject => 'member:' || bench.id('u', 777))"
median 'assignable_roles' "SELECT * FROM teamrbac.assignable_roles($t)"
median 'team_counts' "SELECT * FROM teamrbac.team_counts($t)"
median 'view team, one member' "SELECT * FROM teamrbac.team WHERE tenant_id = $t AND user_id = bench.id('u', 777)"
median 'view audit_trail, 50 events by sequence' "SELECT * FROM teamrbac.audit_trail WHERE tenant_id = $t AND sequence BETWEEN $middle AND $middle + 49 ORDER BY sequence"
cat <<END

| all of the tenant | s | notices | private memory at most, MB |
|---|---|---|---|
END
say "all of the tenant"
once 'view team, `ORDER BY user_id LIMIT 50`' "SELECT * FROM teamrbac.team WHERE tenant_id = $t ORDER BY user_id LIMIT 50"
once 'view audit_trail, `ORDER BY sequence DESC LIMIT 50`' "SELECT * FROM teamrbac.audit_trail WHERE tenant_id = $t ORDER BY sequence DESC LIMIT 50"
once 'member_actions' "SELECT * FROM teamrbac.member_actions($t)"
once 'access_review' "SELECT * FROM teamrbac.access_review($t)"
once 'verify_audit' "SELECT * FROM teamrbac.verify_audit($t)"
