/*
 * sign_in.c
 *	  Signing in as a user, entering a tenant, and signing out.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/last_use.h"
#include "authority/principal.h"
#include "authority/team.h"
#include "command/sign_in.h"

PG_FUNCTION_INFO_V1(teamrbac_sign_in);
PG_FUNCTION_INFO_V1(teamrbac_sign_in_as_member);
PG_FUNCTION_INFO_V1(teamrbac_act_in_tenant);
PG_FUNCTION_INFO_V1(teamrbac_sign_out);

void
warn_if_over(bool local)
{
	if (local && !IsTransactionBlock() && error_context_stack == NULL)
		ereport(
			WARNING,
			(errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION),
		     errmsg("sign_in has no effect beyond this statement"),
		     errhint(
				 "Call it after BEGIN.  With local => false it would last for the session: on a "
				 "connection that a pooler shares, other clients would inherit the identity.")));
}

Identity
require_active_user(const pg_uuid_t *user_id)
{
	Identity identity = IDENTITY_INITIALIZER;

	identity.kind = IDENTITY_USER;
	identity.user_id = *user_id;
	if (!user_is_active(user_id))
		refuse_proof(user_is_known(user_id) ? "user_disabled" : "user_unregistered",
		             "unknown or disabled user",
		             psprintf("There is no active user %s.", uuid_text(user_id)),
		             "The application makes its users known by teamrbac.register_user.");
	return identity;
}

void
enter_tenant(Identity *identity, const pg_uuid_t *tenant)
{
	identity->in_tenant = true;
	identity->tenant_id = *tenant;
	if (!grant_is_live(principal_grant(principal_of(identity), tenant), GetCurrentTimestamp()))
		refuse_permission(tenant, NULL);
}

/* user_arg takes the user who signs in. */
static pg_uuid_t *
user_arg(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		refuse_identity("user_id must not be null", NULL, NULL);
	return PG_GETARG_UUID_P(0);
}

/* sign_in(user_id, local): the transaction or the session acts as this user. */
Datum
teamrbac_sign_in(PG_FUNCTION_ARGS)
{
	pg_uuid_t *user_id = user_arg(fcinfo);
	bool       local = PG_ARGISNULL(1) || PG_GETARG_BOOL(1);
	Identity   identity;

	AcceptInvalidationMessages();
	identity = require_active_user(user_id);
	identity_set(&identity, local);
	note_user_activity(user_id);
	warn_if_over(local);
	PG_RETURN_VOID();
}

/* sign_in_as_member(user_id, tenant_id, local): the same, in a tenant of theirs. */
Datum
teamrbac_sign_in_as_member(PG_FUNCTION_ARGS)
{
	pg_uuid_t *user_id = user_arg(fcinfo);
	pg_uuid_t  tenant = uuid_arg(fcinfo, 1, "tenant_id");
	bool       local = PG_ARGISNULL(2) || PG_GETARG_BOOL(2);
	Identity   identity;

	AcceptInvalidationMessages();
	identity = require_active_user(user_id);
	enter_tenant(&identity, &tenant);
	identity_set(&identity, local);
	note_user_activity(user_id);
	warn_if_over(local);
	PG_RETURN_VOID();
}

/*
 * act_in_tenant(tenant_id, local): whoever is asking acts in this tenant from now on, and is a stranger elsewhere.
 *
 * Whoever may execute it, which is everybody, only ever narrows what the connection may do: it is entered once, and
 * for no longer than the identity lasts.
 */
Datum
teamrbac_act_in_tenant(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	bool      local = PG_ARGISNULL(1) || PG_GETARG_BOOL(1);
	Identity  identity;

	AcceptInvalidationMessages();
	identity = identity_now();
	if (identity.kind == IDENTITY_NONE)
		refuse_nobody(&tenant);
	if (identity.in_tenant && !uuid_same(&identity.tenant_id, &tenant))
		refuse_command(&tenant, "another tenant has been entered already",
		               "An identity acts in one tenant until the next sign-in.", NULL);
	if (!local && !identity_outlives_transaction())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("the identity ends with the transaction"),
		                errhint("Enter the tenant with local => true, as you signed in.")));
	enter_tenant(&identity, &tenant);
	identity_set(&identity, local);
	warn_if_over(local);
	PG_RETURN_VOID();
}

/* sign_out(): the session acts as nobody. */
Datum
teamrbac_sign_out(PG_FUNCTION_ARGS)
{
	Identity nobody = IDENTITY_INITIALIZER;

	identity_set(&nobody, false);
	PG_RETURN_VOID();
}
