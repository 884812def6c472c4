/*
 * errors.c
 *	  The refusals that more than one command gives, worded once.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "authority/errors.h"
#include "authority/identity.h"
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

pg_noreturn static void
refuse(int sqlstate, const pg_uuid_t *tenant, const char *message, const char *detail,
       const char *hint)
{
	Identity identity = identity_now();

	note_refusal(sqlstate, &identity, tenant, message, detail);
	ereport(ERROR,
	        (errcode(sqlstate), errmsg("%s", message), detail != NULL ? errdetail("%s", detail) : 0,
	         hint != NULL ? errhint("%s", hint) : 0));
}

void
refuse_command(const pg_uuid_t *tenant, const char *message, const char *detail, const char *hint)
{
	refuse(ERRCODE_INSUFFICIENT_PRIVILEGE, tenant, message, detail, hint);
}

void
refuse_identity(const char *message, const char *detail, const char *hint)
{
	refuse(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, NULL, message, detail, hint);
}

void
refuse_permission(const pg_uuid_t *tenant, const char *permission)
{
	refuse_command(tenant, "permission denied for tenant",
	               permission != NULL
	                   ? psprintf("This needs permission \"%s\" in the tenant.", permission)
	                   : "This needs a membership of the tenant.",
	               NULL);
}

void
refuse_nobody(const pg_uuid_t *tenant)
{
	refuse(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, tenant, "nobody is signed in", NULL,
	       "Call teamrbac.sign_in first, in the same transaction.");
}

void
refuse_null(const char *argument)
{
	ereport(ERROR,
	        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must not be null", argument)));
}
