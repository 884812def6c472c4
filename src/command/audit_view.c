/*
 * audit_view.c
 *	  What whoever may view the audit learns: who could do what at a time that is past, the events themselves for a
 *	  collector of logs, and who used what lately.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "authority/errors.h"
#include "authority/permission.h"
#include "authority/team.h"
#include "compat.h"
#include "store/reason.h"
#include "store/query.h"

PG_FUNCTION_INFO_V1(teamrbac_team_at);
PG_FUNCTION_INFO_V1(teamrbac_roles_at);
PG_FUNCTION_INFO_V1(teamrbac_explain_permission_at);
PG_FUNCTION_INFO_V1(teamrbac_audit_export);
PG_FUNCTION_INFO_V1(teamrbac_access_used);

/* past_arg takes a time at which what has happened until now is all there is to know. */
static TimestampTz
past_arg(FunctionCallInfo fcinfo, int arg)
{
	TimestampTz at;

	if (PG_ARGISNULL(arg))
		refuse_null("at");
	at = PG_GETARG_TIMESTAMPTZ(arg);
	if (at > GetCurrentTimestamp())
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("time_in_future"),
		                errmsg("at must not be in the future")));
	return at;
}

/* tenant_of_audit takes a tenant whose audit whoever is asking may view; a superuser may any. */
static pg_uuid_t
tenant_of_audit(FunctionCallInfo fcinfo)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");

	if (!superuser_arg(GetOuterUserId()))
		require_permission(&tenant, PERMISSION_VIEW_AUDIT);
	return tenant;
}

/* return_as_of returns what a query finds in the audit of a tenant until then. */
static Datum
return_as_of(FunctionCallInfo fcinfo, SavedQuery *select)
{
	pg_uuid_t   tenant = tenant_of_audit(fcinfo);
	TimestampTz at = past_arg(fcinfo, 1);

	query_return_set(fcinfo, select, (Datum[]){UUIDPGetDatum(&tenant), TimestampTzGetDatum(at)},
	                 NULL);
	return (Datum) 0;
}

/* team_at(tenant_id, at): who was a member then. */
Datum
teamrbac_team_at(PG_FUNCTION_ARGS)
{
	static SavedQuery select = {
		.sql = "SELECT * FROM teamrbac.team_as_of($1, $2)",
		.nargs = 2,
		.argtypes = {UUIDOID, TIMESTAMPTZOID},
	};

	return return_as_of(fcinfo, &select);
}

/* roles_at(tenant_id, at): which roles there were then. */
Datum
teamrbac_roles_at(PG_FUNCTION_ARGS)
{
	static SavedQuery select = {
		.sql = "SELECT * FROM teamrbac.roles_as_of($1, $2)",
		.nargs = 2,
		.argtypes = {UUIDOID, TIMESTAMPTZOID},
	};

	return return_as_of(fcinfo, &select);
}

/* require_permission_of_any_time lets a name pass that was a permission's once. */
static void
require_permission_of_any_time(const char *name)
{
	static SavedQuery find = {
		.sql = "SELECT FROM teamrbac.permission_as_of($1, pg_catalog.now()) AS p WHERE p.known",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};

	if (query_execute(&find, (Datum[]){CStringGetTextDatum(name)}, NULL) == 0)
		(void) require_known_permission(name, strlen(name));
}

/* explain_permission_at(tenant_id, user_or_key_id, permission, at): what has_permission answered, and why. */
Datum
teamrbac_explain_permission_at(PG_FUNCTION_ARGS)
{
	static SavedQuery select = {
		.sql = "SELECT * FROM teamrbac.permission_explained_as_of($1, $2, $3, $4)",
		.nargs = 4,
		.argtypes = {UUIDOID, UUIDOID, TEXTOID, TIMESTAMPTZOID},
	};
	pg_uuid_t   tenant = tenant_of_audit(fcinfo);
	pg_uuid_t   who = uuid_arg(fcinfo, 1, "user_or_key_id");
	char       *permission = text_arg(fcinfo, 2, "permission");
	TimestampTz at = past_arg(fcinfo, 3);

	require_permission_of_any_time(permission);
	query_return_set(fcinfo, &select,
	                 (Datum[]){UUIDPGetDatum(&tenant), UUIDPGetDatum(&who),
	                           CStringGetTextDatum(permission), TimestampTzGetDatum(at)},
	                 NULL);
	return (Datum) 0;
}

/* audit_export(tenant_id, after_sequence, limit): the events after one of them. */
Datum
teamrbac_audit_export(PG_FUNCTION_ARGS)
{
	static SavedQuery select = {
		.sql = "SELECT * FROM teamrbac.audit_lines($1, $2, $3)",
		.nargs = 3,
		.argtypes = {UUIDOID, INT8OID, INT4OID},
	};
	pg_uuid_t tenant = tenant_of_audit(fcinfo);
	char      nulls[] = "   ";

	nulls[1] = PG_ARGISNULL(1) ? 'n' : ' ';
	nulls[2] = PG_ARGISNULL(2) ? 'n' : ' ';
	query_return_set(fcinfo, &select,
	                 (Datum[]){UUIDPGetDatum(&tenant),
	                           PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1),
	                           PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2)},
	                 nulls);
	return (Datum) 0;
}

/* access_used(tenant_id, since): which permissions members and keys have used, each on which day last. */
Datum
teamrbac_access_used(PG_FUNCTION_ARGS)
{
	static SavedQuery select = {
		.sql = "SELECT * FROM teamrbac.uses_in_tenant($1, $2)",
		.nargs = 2,
		.argtypes = {UUIDOID, DATEOID},
	};
	pg_uuid_t tenant = tenant_of_audit(fcinfo);

	query_return_set(
		fcinfo, &select,
		(Datum[]){UUIDPGetDatum(&tenant), PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1)},
		PG_ARGISNULL(1) ? " n" : NULL);
	return (Datum) 0;
}
