/*
 * errors.c
 *	  The refusals that more than one command gives, worded once.
 */
#include "postgres.h"

#include "errors.h"
#include "statistics.h"

pg_noreturn static void
refuse(int sqlstate, const char *message, const char *detail, const char *hint)
{
	statistics_attach();
	counters->denials++;
	ereport(ERROR,
	        (errcode(sqlstate), errmsg("%s", message), detail != NULL ? errdetail("%s", detail) : 0,
	         hint != NULL ? errhint("%s", hint) : 0));
}

void
refuse_command(const char *message, const char *detail, const char *hint)
{
	refuse(ERRCODE_INSUFFICIENT_PRIVILEGE, message, detail, hint);
}

void
refuse_identity(const char *message, const char *detail, const char *hint)
{
	refuse(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, message, detail, hint);
}

void
refuse_permission(const char *permission)
{
	refuse_command("permission denied for tenant",
	               permission != NULL
	                   ? psprintf("This needs permission \"%s\" in the tenant.", permission)
	                   : "This needs a membership of the tenant.",
	               NULL);
}

void
refuse_nobody(void)
{
	refuse_identity("nobody is signed in", NULL,
	                "Call teamrbac.sign_in first, in the same transaction.");
}

void
refuse_null(const char *argument)
{
	ereport(ERROR,
	        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must not be null", argument)));
}
