/*
 * settings.c
 *	  What a superuser can set.
 *
 * Durations are text in the form of an interval, because that is what SQL's users write; the server's own
 * integer settings know "7d" but not "7 days".
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/datetime.h"
#include "utils/guc.h"

#include "compat.h"
#include "store/settings.h"

int   max_pending_invitations;
int   max_tenant_roles;
int   max_tenants_per_user;
int   max_members;
int   max_keys_per_member;
int   max_tenant_mails_per_day;
int   max_recipient_mails_per_day;
bool  mail_inviter;
bool  notify_mailer;
char *audit_signing_key_file;
int   mail_max_attempts;
int   log_denials;
bool  allow_session_identity;
bool  record_permission_use;

static const struct config_enum_entry log_denials_options[] = {
	{"off", LOG_DENIALS_OFF, false},
	{"log", LOG_DENIALS_LOG, false},
	{NULL, 0, false},
};

static char *duration_settings[DURATION_SETTINGS];

/*
 * parse_duration reads an interval that is not negative.  It does what interval_in does, but without raising
 * errors, which a check hook must not.
 */
static bool
parse_duration(const char *text, int64 *microseconds)
{
	char             workbuf[256];
	char            *fields[MAXDATEFIELDS];
	int              types[MAXDATEFIELDS];
	int              nfields;
	int              type;
	struct pg_itm_in parsed = {0};
	double           total;

	if (ParseDateTime(text, workbuf, sizeof(workbuf), fields, types, MAXDATEFIELDS, &nfields) != 0)
		return false;
	if (DecodeInterval(fields, types, nfields, INTERVAL_FULL_RANGE, &type, &parsed) != 0 ||
	    type != DTK_DELTA)
		return false;
	total = parsed.tm_usec + (double) USECS_PER_DAY * parsed.tm_mday +
	        (double) USECS_PER_DAY * DAYS_PER_MONTH *
	            (parsed.tm_mon + (double) MONTHS_PER_YEAR * parsed.tm_year);
	/* Small enough to be added to any present time. */
	if (total < 0 || total > (double) USECS_PER_DAY * DAYS_PER_MONTH * MONTHS_PER_YEAR * 1000)
		return false;
	*microseconds = (int64) total;
	return true;
}

static bool
check_duration(char **newval, void **extra, GucSource source)
{
	int64 microseconds;

	if (parse_duration(*newval, &microseconds))
		return true;
	GUC_check_errdetail("It must be an interval between 0 and 1000 years, such as '7 days'.");
	return false;
}

static bool
check_duration_or_empty(char **newval, void **extra, GucSource source)
{
	return **newval == '\0' || check_duration(newval, extra, source);
}

static void
define_duration(DurationSetting setting, const char *name, const char *short_desc,
                const char *long_desc, const char *initial)
{
	DefineCustomStringVariable(
		name, short_desc, long_desc, &duration_settings[setting], initial, PGC_SUSET, 0,
		*initial == '\0' ? check_duration_or_empty : check_duration, NULL, NULL);
}

/* No limit unless somebody decides so: what a plan is worth is the application's business. */
static void
define_limit(const char *name, const char *short_desc, int *variable)
{
	DefineCustomIntVariable(name, short_desc, "-1: any number.", variable, NO_LIMIT, NO_LIMIT,
	                        PG_INT32_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
}

void
settings_init(void)
{
	/* Long enough for a holiday week, short enough that a leaked mail is soon worth nothing. */
	define_duration(SETTING_INVITATION_LIFETIME, "teamrbac.invitation_lifetime",
	                "How long an invitation can be accepted.", NULL, "7 days");
	/* Time to notice a mistake; purge removes the rows for good afterwards. */
	define_duration(SETTING_DELETED_TENANT_RETENTION, "teamrbac.deleted_tenant_retention",
	                "How long a deleted tenant can be restored.", NULL, "30 days");
	/* Nothing is forgotten unless somebody decides so. */
	define_duration(SETTING_AUDIT_RETENTION, "teamrbac.audit_retention",
	                "How long audit events are kept.", "Empty: for ever.", "");
	/* Likewise: who was invited is asked long after, and the addresses of those who never came are theirs. */
	define_duration(
		SETTING_INVITATION_RETENTION, "teamrbac.invitation_retention",
		"How long invitations are kept that are no longer pending, and links that have expired.",
		"Empty: for ever.", "");
	/* Fine enough to tell a key in use from a forgotten one, rare enough that nobody waits for it. */
	define_duration(SETTING_KEY_USE_GRANULARITY, "teamrbac.key_use_granularity",
	                "How exactly the last use of an API key is known.", NULL, "5 minutes");
	/* As far as clocks differ that nobody looks after; what has ended is never given more time. */
	define_duration(SETTING_TOKEN_LEEWAY, "teamrbac.token_leeway",
	                "How far ahead of our clock a token's nbf and iat may be.", NULL, "30 seconds");
	/* A working day: whoever goes on tomorrow says so, and why, once more. */
	define_duration(SETTING_MAX_STAFF_VISIT, "teamrbac.max_staff_visit",
	                "How long a visit by sign_in_as_staff may last.", NULL, "8 hours");
	/* A contractor who is back after a season is renewed; one of years ago is invited like a stranger. */
	define_duration(SETTING_MEMBERSHIP_RENEWAL_PERIOD, "teamrbac.membership_renewal_period",
	                "How long after its end an expired membership can be renewed.", NULL,
	                "90 days");
	/* Against somebody who has us send mail to the whole world. */
	DefineCustomIntVariable(
		"teamrbac.max_pending_invitations", "How many invitations of one tenant may be pending.",
		NULL, &max_pending_invitations, 1000, 0, 1000000, PGC_SUSET, 0, NULL, NULL, NULL);
	/* Against somebody who fills the table; more than people can tell apart. */
	DefineCustomIntVariable("teamrbac.max_tenant_roles",
	                        "How many roles of its own a tenant may have.", NULL, &max_tenant_roles,
	                        100, 0, 100000, PGC_SUSET, 0, NULL, NULL, NULL);
	define_limit("teamrbac.max_members", "How many members a tenant may have.", &max_members);
	define_limit("teamrbac.max_keys_per_member",
	             "How many active API keys a member may have made in a tenant.",
	             &max_keys_per_member);
	/* On: whoever invites waits for the answer. */
	DefineCustomBoolVariable("teamrbac.mail_inviter",
	                         "Tells whoever sent an invitation by mail what came of it.", NULL,
	                         &mail_inviter, true, PGC_SUSET, 0, NULL, NULL, NULL);
	/* Of somebody who makes one after the other: each may send as much mail as any other. */
	DefineCustomIntVariable("teamrbac.max_tenants_per_user", "How many tenants one user may own.",
	                        "Those deleted within the last day count too.", &max_tenants_per_user,
	                        100, 0, INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	/* What max_pending_invitations leaves open: an invitation that is taken back, or sent again, was sent. */
	DefineCustomIntVariable("teamrbac.max_tenant_mails_per_day",
	                        "How many mails of one tenant may be queued within 24 hours.", NULL,
	                        &max_tenant_mails_per_day, 2000, 0, INT_MAX, PGC_SUSET, 0, NULL, NULL,
	                        NULL);
	/* More than anybody needs, and too few to annoy anybody with. */
	DefineCustomIntVariable("teamrbac.max_recipient_mails_per_day",
	                        "How many mails to one address may be queued within 24 hours.",
	                        "Those of all tenants count.", &max_recipient_mails_per_day, 20, 0,
	                        INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	/*
	 * Off, as the server has transactions that notify commit one by one, in all databases, each until its standby
	 * has confirmed it: a command would wait for another database's.  The mailer looks every few seconds instead.
	 */
	DefineCustomBoolVariable("teamrbac.notify_mailer",
	                         "Wakes the mailer by NOTIFY when mail is queued.", NULL,
	                         &notify_mailer, false, PGC_SUSET, 0, NULL, NULL, NULL);
	/* Longer than transactions take whose client is at work, shorter than a manager's patience. */
	define_duration(
		SETTING_YIELD_AFTER, "teamrbac.yield_after",
		"How long a manager's command waits for the transaction of somebody who does not "
		"manage the team, before that one's session is ended.",
		NULL, "500 ms");
	/* A file, as a secret in a setting would be shown and logged; its name is nobody's business either. */
	DefineCustomStringVariable(
		"teamrbac.audit_signing_key_file",
		"The file of the Ed25519 private key that signs statements of the audit.",
		"In PEM, for the server to read. Empty: nothing is signed.", &audit_signing_key_file, "",
		PGC_SUSET, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomIntVariable("teamrbac.mail_max_attempts", "How often sending a mail is tried.",
	                        NULL, &mail_max_attempts, 12, 1, 1000, PGC_SUSET, 0, NULL, NULL, NULL);
	/* As a rule of thumb: a quarter, holidays included. */
	define_duration(SETTING_UNUSED_AFTER, "teamrbac.unused_after",
	                "How long something goes unused before access_review says so.",
	                "In whole days: members, API keys, and permissions of a role.", "90 days");
	/* Off, as it tells what each person does, by the day: whether that is wanted is for somebody to decide. */
	DefineCustomBoolVariable(
		"teamrbac.record_permission_use",
		"Records which permissions members and API keys use, and on which day last.", NULL,
		&record_permission_use, false, PGC_SUSET, 0, NULL, NULL, NULL);
	/* On, as a connection of one's own is safe; through a pooler, other clients would inherit the identity. */
	DefineCustomBoolVariable("teamrbac.allow_session_identity",
	                         "Whether somebody may be signed in for longer than a transaction.",
	                         NULL, &allow_session_identity, true, PGC_SUSET, 0, NULL, NULL, NULL);
	/* Off, as the server logs the errors themselves already; this adds who asked. */
	DefineCustomEnumVariable(
		"teamrbac.log_denials", "Writes refused commands and failed sign-ins to the server's log.",
		NULL, &log_denials, LOG_DENIALS_OFF, log_denials_options, PGC_SUSET, 0, NULL, NULL, NULL);
}

int64
setting_duration(DurationSetting setting)
{
	/* What was parsed last of each: some are asked for with each statement. */
	static struct
	{
		char  text[32];
		int64 microseconds;
	} parsed[DURATION_SETTINGS];
	const char *text = duration_settings[setting];
	int64       microseconds;

	if (*text == '\0')
		return DURATION_FOREVER;
	if (strcmp(parsed[setting].text, text) == 0)
		return parsed[setting].microseconds;
	if (!parse_duration(text, &microseconds))
		elog(ERROR, "unparsable duration"); /* the check hook let it through */
	if (strlcpy(parsed[setting].text, text, sizeof(parsed[setting].text)) <
	    sizeof(parsed[setting].text))
		parsed[setting].microseconds = microseconds;
	else
		parsed[setting].text[0] = '\0';
	return microseconds;
}
