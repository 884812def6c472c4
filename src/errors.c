/*
 * errors.c
 *	  The refusals that more than one command gives, worded once.
 */
#include "postgres.h"

#include "errors.h"

void
refuse_permission(const char *permission)
{
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for tenant"),
	                permission != NULL
	                    ? errdetail("This needs permission \"%s\" in the tenant.", permission)
	                    : errdetail("This needs a membership of the tenant.")));
}

void
refuse_nobody(void)
{
	ereport(ERROR,
	        (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION), errmsg("nobody is signed in"),
	         errhint("Call teamrbac.sign_in first, in the same transaction.")));
}

void
refuse_null(const char *argument)
{
	ereport(ERROR,
	        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must not be null", argument)));
}
