/*
 * outbox.c
 *	  Mail: queued by commands, claimed and reported on by senders.
 *
 * A mail is unsent as long as next_attempt_at is set.  Claiming it moves that time to the end of the lease, so
 * a sender that dies needs no cleaning up after: the mail is simply due again.  Nothing here takes a tenant's
 * lock, and no command waits for a sender but for the moment of its statement.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "authority/errors.h"
#include "record/outbox.h"
#include "store/query.h"
#include "record/mail_allowance.h"
#include "store/settings.h"
#include "authority/team.h"

#define OUTBOX_CHANNEL "teamrbac_outbox"

#define BATCH_MAX 1000
#define REASON_MAX_CHARACTERS 500

PG_FUNCTION_INFO_V1(teamrbac_claim_mail);
PG_FUNCTION_INFO_V1(teamrbac_mail_sent);
PG_FUNCTION_INFO_V1(teamrbac_mail_failed);
PG_FUNCTION_INFO_V1(teamrbac_mail_blocked);
PG_FUNCTION_INFO_V1(teamrbac_mail_refused);

static const char *const kind_names[] = {
	[MAIL_INVITATION] = "invitation",
	[MAIL_INVITATION_RESENT] = "invitation_resent",
	[MAIL_ROLE_CHANGED] = "role_changed",
	[MAIL_REMOVED] = "removed",
	[MAIL_OWNERSHIP_TRANSFERRED] = "ownership_transferred",
	[MAIL_INVITATION_ACCEPTED] = "invitation_accepted",
	[MAIL_INVITATION_DECLINED] = "invitation_declined",
};

/* ---- for commands ----------------------------------------------------------------------------------- */

void
mail_queue(const pg_uuid_t *tenant, MailKind kind, const char *recipient,
           const pg_uuid_t *invitation, const char *token, const char *fields)
{
	static SavedQuery insert = {
		.sql =
			"INSERT INTO teamrbac.outbox (tenant_id, mail_id, kind, recipient, invitation_id, token, fields)"
			" VALUES ($1, pg_catalog.gen_random_uuid(), $2::teamrbac.mail_kind, $3, $4, $5, $6::pg_catalog.jsonb"
			" || COALESCE((SELECT pg_catalog.jsonb_build_object('locale', u.locale) FROM teamrbac.app_user AS u"
			" WHERE teamrbac.address_key(u.email) = teamrbac.address_key($3) AND u.locale IS NOT NULL), '{}'))",
		.nargs = 6,
		.argtypes = {UUIDOID, TEXTOID, TEXTOID, UUIDOID, TEXTOID, TEXTOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant),
	                CStringGetTextDatum(kind_names[kind]),
	                CStringGetTextDatum(recipient),
	                UUIDPGetDatum(invitation),
	                token != NULL ? CStringGetTextDatum(token) : (Datum) 0,
	                CStringGetTextDatum(fields != NULL ? fields : "{}")};
	char  nulls[] = {' ', ' ', ' ', invitation != NULL ? ' ' : 'n', token != NULL ? ' ' : 'n', ' '};

	query_execute(&insert, args, nulls);
	/* Without a payload: whoever may LISTEN learns that there is mail, and nothing of it. */
	if (notify_mailer)
		Async_Notify(OUTBOX_CHANNEL, "");
}

void
mail_user(const pg_uuid_t *tenant, MailKind kind, const pg_uuid_t *user, const char *fields)
{
	static SavedQuery select = {
		.sql = "SELECT email::pg_catalog.text FROM teamrbac.app_user WHERE user_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	Datum email;
	bool  isnull;

	/* What is done is done; to tell of it is less important than that nobody is flooded. */
	if (query_row(&select, (Datum[]){UUIDPGetDatum(user)}, NULL, 1, &email, &isnull) &&
	    mail_is_allowed(tenant, TextDatumGetCString(email)))
		mail_queue(tenant, kind, TextDatumGetCString(email), NULL, NULL, fields);
}

void
mail_withdraw(const pg_uuid_t *tenant, const pg_uuid_t *invitation)
{
	static SavedQuery update = {
		.sql =
			"UPDATE teamrbac.outbox"
			" SET withdrawn_at = pg_catalog.clock_timestamp(), next_attempt_at = NULL, token = NULL"
			" WHERE tenant_id = $1 AND invitation_id = $2"
			" AND next_attempt_at IS NOT NULL",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};

	query_execute(&update, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(invitation)}, NULL);
}

/* ---- for senders ------------------------------------------------------------------------------------ */

/* this_session names a session as log_line_prefix does by %c. */
static char *
this_session(void)
{
	return psprintf("%lx.%x", (long) MyStartTime, MyProcPid);
}

static int
batch_arg(FunctionCallInfo fcinfo, int arg)
{
	if (PG_ARGISNULL(arg) || PG_GETARG_INT32(arg) < 1 || PG_GETARG_INT32(arg) > BATCH_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("batch must be between 1 and %d", BATCH_MAX)));
	return PG_GETARG_INT32(arg);
}

/* lease_arg returns when a lease that begins now ends. */
static TimestampTz
lease_arg(FunctionCallInfo fcinfo, int arg, TimestampTz now)
{
	TimestampTz end = DT_NOBEGIN;

	if (!PG_ARGISNULL(arg))
		end = DatumGetTimestampTz(DirectFunctionCall2(
			timestamptz_pl_interval, TimestampTzGetDatum(now), PG_GETARG_DATUM(arg)));
	if (end <= now || TIMESTAMP_NOT_FINITE(end))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("lease must be positive")));
	return end;
}

/*
 * claim_mail(batch, lease): hands out mail that is due.
 *
 * A mail whose last permitted attempt was never reported on is given up here: it may be what kills its senders.
 * One about an invitation that can no longer be accepted, whether or not a job has noticed, is withdrawn.
 */
Datum
teamrbac_claim_mail(PG_FUNCTION_ARGS)
{
	static SavedQuery claim = {
		.sql =
			"WITH due AS ("
			"SELECT o.tenant_id, o.mail_id,"
			" o.attempts - o.blocked_attempts >= $5 AS last,"
			/* Not by EXISTS, which the planner may answer by a hash of all invitations. */
			" o.invitation_id IS NOT NULL AND (SELECT i.state = 'pending'"
			" AND i.expires_at > $3 FROM teamrbac.invitation AS i"
			" WHERE i.tenant_id = o.tenant_id"
			" AND i.invitation_id = o.invitation_id) IS NOT TRUE AS pointless"
			" FROM teamrbac.outbox AS o"
			" JOIN teamrbac.tenant AS t ON t.tenant_id = o.tenant_id"
			" WHERE o.next_attempt_at <= $3 AND t.deleted_at IS NULL"
			" ORDER BY o.next_attempt_at LIMIT $1 FOR UPDATE OF o SKIP LOCKED"
			"), claimed AS ("
			"UPDATE teamrbac.outbox AS o SET"
			" attempts = CASE WHEN last OR pointless THEN o.attempts ELSE o.attempts + 1 END,"
			" next_attempt_at = CASE WHEN last OR pointless THEN NULL ELSE $2 END,"
			" token = CASE WHEN last OR pointless THEN NULL ELSE o.token END,"
			" claimed_by = CASE WHEN last OR pointless THEN NULL ELSE $4 END,"
			" withdrawn_at = CASE WHEN pointless THEN $3 END,"
			" failed_at = CASE WHEN last AND NOT pointless THEN $3 END,"
			" last_error = CASE WHEN last AND NOT pointless AND o.claimed_by IS NOT NULL"
			" THEN 'the sender of the last attempt did not report back' ELSE o.last_error END,"
			" error_kind = CASE WHEN last AND NOT pointless AND o.claimed_by IS NOT NULL"
			" THEN 'temporary' ELSE o.error_kind END"
			" FROM due"
			" WHERE o.tenant_id = due.tenant_id"
			" AND o.mail_id = due.mail_id"
			" RETURNING o.*"
			") SELECT c.mail_id, c.kind::pg_catalog.text, c.recipient::pg_catalog.text, c.tenant_id, t.name,"
			" c.invitation_id, c.token, c.fields, c.attempts, c.created_at"
			" FROM claimed AS c"
			" JOIN teamrbac.tenant AS t ON t.tenant_id = c.tenant_id"
			" WHERE c.next_attempt_at IS NOT NULL ORDER BY c.created_at, c.mail_id",
		.nargs = 5,
		.argtypes = {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, INT4OID},
	};
	TimestampTz now = GetCurrentTimestamp();
	int         batch = batch_arg(fcinfo, 0);
	TimestampTz lease_end = lease_arg(fcinfo, 1, now);

	query_return_changed(fcinfo, &claim,
	                     (Datum[]){Int32GetDatum(batch), TimestampTzGetDatum(lease_end),
	                               TimestampTzGetDatum(now), CStringGetTextDatum(this_session()),
	                               Int32GetDatum(mail_max_attempts)},
	                     NULL);
	return (Datum) 0;
}

/*
 * mail_sent(mail_id): a mail was sent.
 *
 * True whoever reports it, and so it wins over whatever happened since the mail was claimed.
 */
Datum
teamrbac_mail_sent(PG_FUNCTION_ARGS)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.outbox"
			   " SET sent_at = pg_catalog.clock_timestamp(), next_attempt_at = NULL, token = NULL,"
			   " claimed_by = NULL, failed_at = NULL, last_error = NULL, error_kind = NULL"
			   " WHERE mail_id = $1 AND sent_at IS NULL",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	pg_uuid_t mail = uuid_arg(fcinfo, 0, "mail_id");

	PG_RETURN_BOOL(query_execute(&update, (Datum[]){UUIDPGetDatum(&mail)}, NULL) > 0);
}

/*
 * reason_arg returns a reason that is safe to show: one line, not endless, whatever a mail server may have
 * answered.
 */
static char *
reason_arg(FunctionCallInfo fcinfo, int arg)
{
	char *reason = text_arg(fcinfo, arg, "reason");

	reason[pg_mbcharcliplen(reason, strlen(reason), REASON_MAX_CHARACTERS)] = '\0';
	for (char *c = reason; *c != '\0'; c++)
	{
		if ((unsigned char) *c < ' ' || *c == 0x7f)
			*c = ' ';
	}
	return reason;
}

/* What the failure of an attempt is about: the enum mail_error, and how many attempts a mail has then. */
typedef struct FailureKind
{
	const char *name;
	int         max_attempts; /* those that were blocked don't count */
} FailureKind;

/*
 * record_failure gives a mail up, or has it wait.  A session that claimed it after the one that reports here
 * keeps it until its lease ends.  Returns whether the mail will be tried again.
 */
static bool
record_failure(const pg_uuid_t *mail, const char *reason, FailureKind kind)
{
	static SavedQuery update = {
		.sql = "WITH mail AS ("
			   "SELECT tenant_id, mail_id,"
			   " GREATEST(attempts - blocked_attempts, 0) >= $3 AS last"
			   " FROM teamrbac.outbox"
			   " WHERE mail_id = $1 AND next_attempt_at IS NOT NULL FOR UPDATE"
			   ") UPDATE teamrbac.outbox AS o SET"
			   " last_error = $2, error_kind = $6::teamrbac.mail_error,"
			   " blocked_attempts = CASE WHEN $6 = 'sender'"
			   " THEN LEAST(o.attempts, o.blocked_attempts + 1) ELSE o.blocked_attempts END,"
			   " next_attempt_at = CASE WHEN NOT mail.last THEN GREATEST($5 +"
			   " LEAST('6 hours', '1 minute'::pg_catalog.interval * pg_catalog.power("
			   "2.0::pg_catalog.float8, LEAST(o.attempts - 1, 10))),"
			   " CASE WHEN o.claimed_by <> $4 THEN o.next_attempt_at END) END,"
			   " token = CASE WHEN NOT mail.last THEN o.token END,"
			   " failed_at = CASE WHEN mail.last THEN $5 END,"
			   " claimed_by = CASE WHEN NOT mail.last THEN NULLIF(o.claimed_by, $4) END"
			   " FROM mail"
			   " WHERE o.tenant_id = mail.tenant_id"
			   " AND o.mail_id = mail.mail_id"
			   " RETURNING o.next_attempt_at IS NOT NULL",
		.nargs = 6,
		.argtypes = {UUIDOID, TEXTOID, INT4OID, TEXTOID, TIMESTAMPTZOID, TEXTOID},
	};
	Datum args[] = {UUIDPGetDatum(mail),
	                CStringGetTextDatum(reason),
	                Int32GetDatum(kind.max_attempts),
	                CStringGetTextDatum(this_session()),
	                TimestampTzGetDatum(GetCurrentTimestamp()),
	                CStringGetTextDatum(kind.name)};
	Datum again;
	bool  isnull;

	return query_row(&update, args, NULL, 1, &again, &isnull) && DatumGetBool(again);
}

/* mail_failed(mail_id, reason): a mail could not be sent now. */
Datum
teamrbac_mail_failed(PG_FUNCTION_ARGS)
{
	pg_uuid_t mail = uuid_arg(fcinfo, 0, "mail_id");
	char     *reason = reason_arg(fcinfo, 1);

	PG_RETURN_BOOL(record_failure(&mail, reason, (FailureKind){"temporary", mail_max_attempts}));
}

/* mail_blocked(mail_id, reason): the mail server refused the sender, whoever the recipient is. */
Datum
teamrbac_mail_blocked(PG_FUNCTION_ARGS)
{
	pg_uuid_t mail = uuid_arg(fcinfo, 0, "mail_id");
	char     *reason = reason_arg(fcinfo, 1);

	PG_RETURN_BOOL(record_failure(&mail, reason, (FailureKind){"sender", PG_INT32_MAX}));
}

/* record_bounce notes that a mail which was sent came back. */
static void
record_bounce(const pg_uuid_t *mail, const char *reason)
{
	static SavedQuery update = {
		.sql =
			"UPDATE teamrbac.outbox SET failed_at = pg_catalog.clock_timestamp(), last_error = $2,"
			" error_kind = 'recipient'"
			" WHERE mail_id = $1 AND sent_at IS NOT NULL AND failed_at IS NULL",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};

	query_execute(&update, (Datum[]){UUIDPGetDatum(mail), CStringGetTextDatum(reason)}, NULL);
}

/* mail_refused(mail_id, reason): a mail can never be delivered; a server may say so after it took the mail. */
Datum
teamrbac_mail_refused(PG_FUNCTION_ARGS)
{
	pg_uuid_t mail = uuid_arg(fcinfo, 0, "mail_id");
	char     *reason = reason_arg(fcinfo, 1);

	record_bounce(&mail, reason);
	PG_RETURN_BOOL(record_failure(&mail, reason, (FailureKind){"recipient", 0}));
}
