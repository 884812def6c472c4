/*
 * refusal_log.c
 *	  What happens when somebody is refused, besides the error: it is counted, and logged if the DBA wishes.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "authority/refusal_log.h"
#include "store/settings.h"
#include "store/statistics.h"

/* asker describes who is asking, for the log. */
static const char *
asker(const Identity *identity)
{
	switch (identity->kind)
	{
		case IDENTITY_USER:
			return psprintf("user %s", uuid_text(&identity->user_id));
		case IDENTITY_KEY:
			return psprintf("API key %s of tenant %s", uuid_text(&identity->key_id),
			                uuid_text(&identity->tenant_id));
		case IDENTITY_NONE:
			break;
	}
	return "nobody";
}

/*
 * log_refusal writes a line of its own, not the error: that one goes to whoever asked, who may catch it, and
 * to the log with a statement that may hold a secret.
 */
static void
log_refusal(int sqlstate, const Identity *identity, const pg_uuid_t *tenant, const char *message,
            const char *detail)
{
	if (log_denials == LOG_DENIALS_OFF)
		return;
	ereport(LOG_SERVER_ONLY,
	        (errcode(sqlstate),
	         errmsg("teamrbac refused (%s): %s", unpack_sql_state(sqlstate), message),
	         errdetail("%s%s%sAsked by %s, logged in as \"%s\".", detail != NULL ? detail : "",
	                   detail != NULL ? " " : "",
	                   tenant != NULL ? psprintf("The tenant is %s. ", uuid_text(tenant)) : "",
	                   asker(identity), GetUserNameFromId(GetSessionUserId(), false)),
	         errhidestmt(true), errhidecontext(true)));
}

void
note_refusal(int sqlstate, const Identity *identity, const pg_uuid_t *tenant, const char *message,
             const char *detail)
{
	statistics_attach();
	counters->denials++;
	log_refusal(sqlstate, identity, tenant, message, detail);
}
