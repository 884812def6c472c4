/*
 * audit_view.c
 *	  What whoever may view the audit learns: who could do what at a time that is past, the events themselves for a
 *	  collector of logs, and who used what lately.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/permission.h"
#include "authority/team.h"
#include "compat.h"
#include "store/reason.h"
#include "store/query.h"

PG_FUNCTION_INFO_V1(teamrbac_team_at);
PG_FUNCTION_INFO_V1(teamrbac_roles_at);
PG_FUNCTION_INFO_V1(teamrbac_explain_permission_at);
PG_FUNCTION_INFO_V1(teamrbac_audit_export);
PG_FUNCTION_INFO_V1(teamrbac_audit_lines);
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

	if (!superuser_is_asking())
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

#define MOST_LINES 10000

/* How far a chain of events has come, and from where on it is kept. */
typedef struct ChainEnds
{
	Datum sequence;
	Datum hash;
	Datum kept_after;
} ChainEnds;

/* chain_ends reads the head of a chain; one without, from which nothing has been recorded or which is gone, ends at 0. */
static ChainEnds
chain_ends(const pg_uuid_t *chain, const char *scope)
{
	static SavedQuery select = {
		.sql =
			"SELECT COALESCE(h.sequence, 0), COALESCE(h.hash, ''), COALESCE(h.anchor_sequence, 0)"
			" FROM (VALUES (1)) AS one"
			" LEFT JOIN teamrbac.audit_head AS h ON h.tenant_id = $1 AND h.scope = $2",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	Datum values[3];
	bool  isnull[3];

	if (!query_row(&select, (Datum[]){UUIDPGetDatum(chain), CStringGetTextDatum(scope)}, NULL, 3,
	               values, isnull))
		elog(ERROR, "a chain has no ends");
	return (ChainEnds){values[0], values[1], values[2]};
}

static int
lines_arg(FunctionCallInfo fcinfo, int arg)
{
	int limit = PG_ARGISNULL(arg) ? 0 : PG_GETARG_INT32(arg);

	if (limit < 1 || limit > MOST_LINES)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("limit_invalid"),
		                errmsg("limit must be between 1 and %d", MOST_LINES)));
	return limit;
}

static void
require_kept(int64 after, int64 kept_after)
{
	if (after < kept_after)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("audit_not_kept"),
		     errmsg("events after " INT64_FORMAT " are no longer kept", after),
		     errdetail("Those up to " INT64_FORMAT
		               " have been removed by teamrbac.audit_retention.",
		               kept_after),
		     errhint("Let after_sequence be NULL to begin with the first event that is kept.")));
}

/*
 * return_lines returns the events of a chain after the one that the second argument names, as lines, no more than the
 * third.
 *
 * A chain's events become visible in their order, as each is recorded under the lock of the chain's head: what a
 * snapshot shows has no gap, and nothing before what it shows comes later.  The head may be newer than the caller's
 * snapshot, and is never older.
 */
static void
return_lines(FunctionCallInfo fcinfo, const pg_uuid_t *chain, const char *scope)
{
	static SavedQuery select = {
		.sql = "SELECT teamrbac.audit_line(e, $5, $6) FROM teamrbac.audit_event AS e"
			   " WHERE e.tenant_id = $1 AND e.scope = $2 AND e.sequence > $3"
			   " ORDER BY e.sequence LIMIT $4",
		.nargs = 6,
		.argtypes = {UUIDOID, TEXTOID, INT8OID, INT4OID, INT8OID, BYTEAOID},
	};
	int       limit = lines_arg(fcinfo, 2);
	int64     after = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	ChainEnds ends = chain_ends(chain, scope);

	if (!PG_ARGISNULL(1))
		require_kept(after, DatumGetInt64(ends.kept_after));
	query_return_set(fcinfo, &select,
	                 (Datum[]){UUIDPGetDatum(chain), CStringGetTextDatum(scope),
	                           Int64GetDatum(after), Int32GetDatum(limit), ends.sequence,
	                           ends.hash},
	                 NULL);
}

/* audit_export(tenant_id, after_sequence, limit): the events after one of them. */
Datum
teamrbac_audit_export(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = tenant_of_audit(fcinfo);

	return_lines(fcinfo, &tenant, "tenant");
	return (Datum) 0;
}

/* audit_lines(chain, after_sequence, limit, scope): the same of any chain, for whom a superuser lets. */
Datum
teamrbac_audit_lines(PG_FUNCTION_ARGS)
{
	pg_uuid_t chain = uuid_arg(fcinfo, 0, "tenant_id");
	char     *scope = PG_ARGISNULL(3) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(3));

	if (strcmp(scope, "tenant") != 0 && strcmp(scope, "user") != 0 &&
	    strcmp(scope, "platform") != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("scope_invalid"),
		                errmsg("scope must be tenant, user or platform")));
	return_lines(fcinfo, &chain, scope);
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
