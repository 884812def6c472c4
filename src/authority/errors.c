/*
 * errors.c
 *	  The refusals that more than one command gives, worded once.
 */
#include "postgres.h"

#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/refusal_log.h"

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
refuse_proof(const char *reason, const char *message, const char *detail, const char *hint)
{
	Identity identity = identity_now();

	note_refusal(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, &identity, NULL, message, detail);
	ereport(ERROR,
	        (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION), errmsg("%s", message),
	         detail != NULL ? errdetail("%s", detail) : 0, hint != NULL ? errhint("%s", hint) : 0,
	         err_generic_string(PG_DIAG_CONSTRAINT_NAME, reason), errhidestmt(true)));
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
