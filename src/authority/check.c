/*
 * check.c
 *	  The permission check: has_permission and its family.
 *
 * How new is an answer?  Each call looks whether anything has changed since the last one, which costs a
 * look at one flag in shared memory.  Two cases are different.  A check of each row of a scan (its tenant
 * comes from the row) keeps the subject that it started with until the client's command has ended, so that an
 * UPDATE never changes half of its rows because of a demotion on its way.  And within the plan of the client's
 * own query, a check looks once: what is committed meanwhile is for the next statement.  A cursor's next FETCH
 * is a command of its own and looks again.
 *
 * fn_extra alone must not be trusted for that: PL/pgSQL keeps it for a whole transaction for what it
 * evaluates without the executor.  Such an expression has no row and belongs to no plan, and so each call
 * looks.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "executor/execdesc.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "tcop/pquery.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "authority/authority.h"
#include "authority/check.h"
#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "store/query.h"
#include "store/statistics.h"

PG_FUNCTION_INFO_V1(teamrbac_has_permission);
PG_FUNCTION_INFO_V1(teamrbac_permitted_tenant);
PG_FUNCTION_INFO_V1(teamrbac_require_permission);
PG_FUNCTION_INFO_V1(teamrbac_permitted_tenants);
PG_FUNCTION_INFO_V1(teamrbac_my_permissions);
PG_FUNCTION_INFO_V1(teamrbac_my_tenants);
PG_FUNCTION_INFO_V1(teamrbac_explain_permission);

/* Up to how many tenants a scan compares with one after the other, rather than look them up. */
#define MAX_LISTED 4

/* Of how many grants these are picked; to go through more would cost each statement too much. */
#define MAX_LISTABLE 32

/* What one call site of has_permission remembers between its calls. */
typedef struct CheckMemo
{
	uint64 cache_epoch; /* as of the subject */
	uint64 identity_epoch;
	Oid    session_user_id;   /* to whom a user may be mapped */
	bool   checks_rows;       /* the tenant comes from the row of a scan */
	bool   of_clients_query;  /* see is_of_clients_query */
	bool   permission_stable; /* the permission is the same in each call */
	bool   quick;             /* listed or answered, for the same permission */

	/*
	 * All tenants for which the answer is yes, once a scan has asked about many: a row is then compared
	 * with these and nothing else.
	 */
	bool      listed;
	bool      list_tried; /* whether or not it came to one */
	int       npermitted;
	pg_uuid_t permitted[MAX_LISTED];

	/* The last answer, if it holds as long as the subject does. */
	bool      asked; /* about any tenant, since the subject was taken */
	bool      answered;
	bool      answer;
	pg_uuid_t tenant;

	/* Last, so that what each row of a scan looks at lies together. */
	Authority authority; /* its permission is a new one in each call, unless permission_stable */
} CheckMemo;

bool
grant_is_live(const Grant *grant, TimestampTz now)
{
	return grant->state == GRANT_LIVE && (grant->expires_at == DT_NOEND || grant->expires_at > now);
}

bool
grant_allows(const Grant *grant, int permission, TimestampTz now)
{
	return grant_is_live(grant, now) && bms_is_member(permission, grant->permissions);
}

/* known_subject is whoever is asking, as of the news that the caller has accepted. */
static Subject *
known_subject(void)
{
	Identity identity = identity_now();

	return cache_refresh(&identity);
}

Subject *
current_subject(void)
{
	/* The mapping of a database role is cached too: first the news, then who is asking. */
	AcceptInvalidationMessages();
	return known_subject();
}

/* ---- names ----------------------------------------------------------------------------------------- */

/* nearest_permission finds the name that a misspelt one was probably meant to be, or NULL. */
static const char *
nearest_permission(const Definitions *definitions, const char *name, int length)
{
	const char *nearest = NULL;
	int         least = Max(2, length / 3) + 1;

	if (length > 255)
		return NULL; /* more than the distance function takes */
	for (int i = 0; i < definitions->npermissions; i++)
	{
		const char *candidate = definitions->permission_names[i];
		int distance = varstr_levenshtein_less_equal(name, length, candidate, strlen(candidate), 1,
		                                             1, 1, least, true);

		if (distance < least)
		{
			least = distance;
			nearest = candidate;
		}
	}
	return nearest;
}

int
require_known_permission(const Definitions *definitions, const char *name, int length)
{
	int         number = find_permission(definitions, name, length);
	const char *nearest;

	if (number >= 0)
		return number;
	nearest = nearest_permission(definitions, name, length);
	ereport(ERROR,
	        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
	         errmsg("permission \"%s\" does not exist",
	                pnstrdup(name, pg_mbcliplen(name, length, 100))),
	         nearest != NULL
	             ? errhint("Did you mean \"%s\"?", nearest)
	             : errhint("All permissions are listed in view teamrbac.permission_matrix.")));
}

static int
permission_arg(const Definitions *definitions, const text *name)
{
	return require_known_permission(definitions, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

/* ---- has_permission -------------------------------------------------------------------------------- */

/* tenant_is_from_row tells whether the call's first argument reads a column of a scanned row. */
static bool
tenant_is_from_row(const FmgrInfo *flinfo)
{
	const FuncExpr *call = (const FuncExpr *) flinfo->fn_expr;

	return call != NULL && IsA(call, FuncExpr) &&
	       (IsA(linitial(call->args), Var) || contain_var_clause(linitial(call->args)));
}

/*
 * permission_is_fixed tells whether the second argument is the same in every call from this call site.  A
 * parameter is, for one execution of a plan; PL/pgSQL evaluates its expressions again with other values.
 */
static bool
permission_is_fixed(FmgrInfo *flinfo, bool in_plan)
{
	const FuncExpr *call = (const FuncExpr *) flinfo->fn_expr;

	if (in_plan)
		return get_fn_expr_arg_stable(flinfo, 1);
	return call != NULL && IsA(call, FuncExpr) && IsA(lsecond(call->args), Const);
}

/* is_of_running_portal tells whether the call site belongs to the plan that the running portal executes. */
static bool
is_of_running_portal(const FmgrInfo *flinfo)
{
	return ActivePortal != NULL && ActivePortal->queryDesc != NULL &&
	       ActivePortal->queryDesc->estate != NULL &&
	       ActivePortal->queryDesc->estate->es_query_cxt == flinfo->fn_mcxt;
}

/*
 * is_of_clients_query tells whether the call site belongs to the plan of the query that the client's command
 * runs.  A cursor's next FETCH within a function would be the same command.
 */
static bool
is_of_clients_query(const FmgrInfo *flinfo)
{
	return is_of_running_portal(flinfo) && !portal_is_cursor();
}

/* is_of_cursor tells whether the call site belongs to the plan of the cursor being read. */
static bool
is_of_cursor(const FmgrInfo *flinfo)
{
	return is_of_running_portal(flinfo) && portal_is_cursor();
}

static CheckMemo *
make_memo(FmgrInfo *flinfo)
{
	CheckMemo *memo = MemoryContextAlloc(flinfo->fn_mcxt, sizeof(CheckMemo));

	memset(memo, 0, offsetof(CheckMemo, authority));
	memo->checks_rows = tenant_is_from_row(flinfo);
	memo->of_clients_query = is_of_clients_query(flinfo);
	memo->permission_stable = permission_is_fixed(flinfo, memo->checks_rows);
	authority_begin(&memo->authority, flinfo->fn_mcxt);
	if (memo->checks_rows && is_of_cursor(flinfo))
		authority_track(&memo->authority);
	flinfo->fn_extra = memo;
	return memo;
}

static bool
memo_is_fresh(const CheckMemo *memo)
{
	if (memo->checks_rows)
		return memo->authority.command == client_command;
	/* What has been committed since the client's query began is for the next one. */
	if (!memo->of_clients_query || memo->authority.command != client_command)
	{
		AcceptInvalidationMessages();
		if (memo->session_user_id != GetSessionUserId())
			return false;
	}
	return memo->cache_epoch == cache_epoch && memo->identity_epoch == identity_epoch;
}

/*
 * list_permitted prepares a scan's comparison, if the subject has all its grants in memory and few of them
 * count.  Not before a scan asks about a second tenant: many never do.
 */
static void
list_permitted(CheckMemo *memo)
{
	const Grant **grants;
	int           ngrants;

	if (memo->list_tried || !memo->checks_rows || memo->authority.npassed >= 0 ||
	    !memo->permission_stable || !subject_is_complete(memo->authority.subject))
		return;
	memo->list_tried = true;
	if (subject_estimate(memo->authority.subject) > MAX_LISTABLE)
		return;
	grants = subject_some_grants(memo->authority.subject, MAX_LISTABLE, &ngrants);
	memo->npermitted = 0;
	memo->listed = true;
	for (int i = 0; i < ngrants && memo->listed; i++)
	{
		if (!grant_allows(grants[i], memo->authority.permission, memo->authority.command_start))
			continue;
		if (memo->npermitted < MAX_LISTED)
			memo->permitted[memo->npermitted++] = grants[i]->tenant_id;
		else
			memo->listed = false;
	}
	pfree(grants);
}

/* renew_memo takes the present subject, and resolves the permission in its definitions. */
static void
renew_memo(CheckMemo *memo, const text *permission)
{
	Subject *subject;

	/* Should anything fail, the next call begins anew. */
	memo->authority.permission = -1;
	AcceptInvalidationMessages();
	/* Labels first, as everywhere: what comes in while loading makes the memo old at once. */
	memo->cache_epoch = cache_epoch;
	memo->identity_epoch = identity_epoch;
	memo->session_user_id = GetSessionUserId();
	subject = known_subject();
	authority_take(&memo->authority, subject);
	memo->asked = false;
	memo->answered = false;
	memo->listed = false;
	memo->list_tried = false;
	memo->quick = false;
	/* An unknown name is an error at the next call as well. */
	memo->authority.permission = permission_arg(subject_definitions(subject), permission);
}

static inline bool
is_listed(const CheckMemo *memo, const pg_uuid_t *tenant)
{
	for (int i = 0; i < memo->npermitted; i++)
	{
		if (uuid_same(&memo->permitted[i], tenant))
			return true;
	}
	return false;
}

static bool
memo_check(CheckMemo *memo, const pg_uuid_t *tenant)
{
	const Grant *grant = subject_grant(memo->authority.subject, tenant);
	TimestampTz  now = 0;
	bool         answer;

	if (memo->asked)
		list_permitted(memo);
	memo->asked = true;
	memo->tenant = *tenant;
	memo->answered = grant->expires_at == DT_NOEND;
	memo->quick = memo->listed || (memo->answered && memo->permission_stable);
	if (!memo->answered)
		now = memo->checks_rows ? memo->authority.command_start : GetCurrentTimestamp();
	answer = grant_allows(grant, memo->authority.permission, now);
	memo->answer = memo->answered && answer;
	if (answer && memo->authority.npassed >= 0)
		authority_pass(&memo->authority, tenant);
	return answer;
}

/*
 * memo_is_quick tells whether the next call may be answered by what the memo holds, without asking for news: a
 * scan's, or the client's query's, within one command.
 */
static inline bool
memo_is_quick(const CheckMemo *memo)
{
	return memo->quick && memo->authority.command == client_command &&
	       (memo->checks_rows || (memo->of_clients_query && memo->cache_epoch == cache_epoch &&
	                              memo->identity_epoch == identity_epoch));
}

/* check_call answers a call of has_permission's signature. */
static bool
check_call(FunctionCallInfo fcinfo)
{
	CheckMemo       *memo = fcinfo->flinfo->fn_extra;
	const pg_uuid_t *tenant;

	if (PG_ARGISNULL(1))
		refuse_null("permission");
	if (memo == NULL)
		memo = make_memo(fcinfo->flinfo);
	if (memo->authority.subject == NULL || memo->authority.permission < 0 || !memo_is_fresh(memo))
		renew_memo(memo, PG_GETARG_TEXT_PP(1));
	else if (!memo->permission_stable)
	{
		memo->authority.permission = -1;
		memo->answered = false;
		memo->authority.permission =
			permission_arg(subject_definitions(memo->authority.subject), PG_GETARG_TEXT_PP(1));
	}

	if (PG_ARGISNULL(0))
		return false;
	tenant = PG_GETARG_UUID_P(0);
	if (memo->listed)
		return is_listed(memo, tenant);
	if (memo->answered && uuid_same(&memo->tenant, tenant))
		return memo->answer;
	return memo_check(memo, tenant);
}

/* A call of its own, so that has_permission's usual way needs none. */
static pg_noinline Datum
has_permission_slowly(FunctionCallInfo fcinfo)
{
	PG_RETURN_BOOL(check_call(fcinfo));
}

/*
 * has_permission(tenant_id, permission): may whoever is asking do this there, now?
 *
 * What is called for each row of a scan, or with the same arguments over and over, is answered here, by
 * little more than a comparison.
 */
Datum
teamrbac_has_permission(PG_FUNCTION_ARGS)
{
	const CheckMemo *memo = fcinfo->flinfo->fn_extra;

	counters->checks++;
	if (likely(memo != NULL && memo_is_quick(memo) && !PG_ARGISNULL(0)))
	{
		const pg_uuid_t *tenant = PG_GETARG_UUID_P(0);

		if (memo->listed)
			PG_RETURN_BOOL(is_listed(memo, tenant));
		if (uuid_same(&memo->tenant, tenant))
			PG_RETURN_BOOL(memo->answer);
	}
	return has_permission_slowly(fcinfo);
}

/*
 * permitted_tenant(tenant_id, permission): the tenant, or NULL unless whoever is asking may do this there.
 */
Datum
teamrbac_permitted_tenant(PG_FUNCTION_ARGS)
{
	counters->checks++;
	if (!check_call(fcinfo))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

bool
asker_may(const pg_uuid_t *tenant, const char *permission)
{
	Subject *subject = current_subject();
	int      number =
		require_known_permission(subject_definitions(subject), permission, strlen(permission));

	counters->checks++;
	return tenant != NULL &&
	       grant_allows(subject_grant(subject, tenant), number, GetCurrentTimestamp());
}

void
require_permission(const pg_uuid_t *tenant, const char *permission)
{
	if (asker_may(tenant, permission))
		return;
	if (identity_now().kind == IDENTITY_NONE)
		refuse_nobody(tenant);
	refuse_permission(tenant, permission);
}

/* require_permission(tenant_id, permission): an error unless has_permission(tenant_id, permission). */
Datum
teamrbac_require_permission(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		refuse_null("permission");
	require_permission(PG_ARGISNULL(0) ? NULL : PG_GETARG_UUID_P(0),
	                   text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

/* ---- lists ----------------------------------------------------------------------------------------- */

PermittedTenants
only_permitted_tenant(const text *name, Authority *authority, pg_uuid_t *tenant)
{
	Subject         *subject = current_subject();
	int              permission = permission_arg(subject_definitions(subject), name);
	const Grant    **grants;
	int              ngrants;
	PermittedTenants answer = PERMITTED_NOWHERE;

	counters->checks++;
	authority_take(authority, subject);
	authority->permission = permission;
	if (subject_estimate(subject) > 1)
		return PERMITTED_IN_SOME;
	grants = subject_grants(subject, &ngrants);
	if (ngrants > 1)
		answer = PERMITTED_IN_SOME;
	else if (ngrants == 1 &&
	         grant_allows(grants[0], permission,
	                      grants[0]->expires_at == DT_NOEND ? 0 : GetCurrentTimestamp()))
	{
		answer = PERMITTED_IN_ONE;
		*tenant = grants[0]->tenant_id;
	}
	pfree(grants);
	return answer;
}

bool
authority_permits(const Authority *authority, const pg_uuid_t *tenant)
{
	return grant_allows(subject_grant(authority->subject, tenant), authority->permission,
	                    authority->command_start);
}

ArrayType *
permitted_tenants(const text *name, Authority *authority)
{
	Subject      *subject = current_subject();
	int           permission = permission_arg(subject_definitions(subject), name);
	const Grant **grants;
	int           ngrants;
	Datum        *tenants;
	int           ntenants = 0;
	TimestampTz   now = 0;

	counters->checks++;
	grants = subject_grants(subject, &ngrants);
	tenants = palloc_extended((ngrants + 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	for (int i = 0; i < ngrants; i++)
	{
		if (now == 0 && grants[i]->expires_at != DT_NOEND)
			now = GetCurrentTimestamp();
		if (grant_allows(grants[i], permission, now))
			tenants[ntenants++] = UUIDPGetDatum(&grants[i]->tenant_id);
	}
	if (authority != NULL)
	{
		authority_take(authority, subject);
		authority->permission = permission;
	}
	/* The array has copies of its own: the cache may go while a scan still holds the array. */
	return construct_array(tenants, ntenants, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

/*
 * authority_of_list returns what a call site of permitted_tenants remembers: NULL if it need not, as in the
 * planner, and in a cursor's plan, which has the filter as well.
 */
static Authority *
authority_of_list(FmgrInfo *flinfo)
{
	if (is_of_cursor(flinfo))
		return NULL;
	if (flinfo->fn_extra == NULL)
	{
		flinfo->fn_extra = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(Authority));
		authority_begin(flinfo->fn_extra, flinfo->fn_mcxt);
	}
	return flinfo->fn_extra;
}

/* permitted_tenants(permission): where whoever is asking may do this. */
Datum
teamrbac_permitted_tenants(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		refuse_null("permission");
	PG_RETURN_ARRAYTYPE_P(
		permitted_tenants(PG_GETARG_TEXT_PP(0), authority_of_list(fcinfo->flinfo)));
}

/* my_permissions(tenant_id): all that whoever is asking may do there, for a front end. */
Datum
teamrbac_my_permissions(PG_FUNCTION_ARGS)
{
	Subject           *subject = current_subject();
	const Definitions *definitions = subject_definitions(subject);
	const Grant       *grant;
	const char       **names;
	Datum             *permissions;
	int                npermissions = 0;
	int                number = -1;

	if (PG_ARGISNULL(0))
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(TEXTOID));
	grant = subject_grant(subject, PG_GETARG_UUID_P(0));
	if (!grant_is_live(grant, GetCurrentTimestamp()))
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(TEXTOID));

	names = palloc((definitions->npermissions + 1) * sizeof(char *));
	while ((number = bms_next_member(grant->permissions, number)) >= 0)
		names[npermissions++] = definitions->permission_names[number];
	qsort(names, npermissions, sizeof(char *), pg_qsort_strcmp);
	permissions = palloc((npermissions + 1) * sizeof(Datum));
	for (int i = 0; i < npermissions; i++)
		permissions[i] = CStringGetTextDatum(names[i]);
	PG_RETURN_ARRAYTYPE_P(
		construct_array(permissions, npermissions, TEXTOID, -1, false, TYPALIGN_INT));
}

/* my_tenants(): the tenants of whoever is asking, for a front end. */
Datum
teamrbac_my_tenants(PG_FUNCTION_ARGS)
{
	static SavedQuery describe = {
		.sql =
			"SELECT t.tenant_id, t.name, t.slug, mine.role"
			"  FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS mine(tenant_id, role)"
			"  JOIN teamrbac.tenant AS t ON t.tenant_id = mine.tenant_id"
			" ORDER BY t.name, t.tenant_id",
		.nargs = 2,
		.argtypes = {UUIDARRAYOID, TEXTARRAYOID},
	};
	int           ngrants;
	const Grant **grants = subject_grants(current_subject(), &ngrants);
	TimestampTz   now = GetCurrentTimestamp();
	Datum        *tenants = palloc_extended((ngrants + 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	Datum        *roles = palloc_extended((ngrants + 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	int           n = 0;
	Datum         args[2];

	for (int i = 0; i < ngrants; i++)
	{
		if (!grant_is_live(grants[i], now) || grants[i]->role == NULL)
			continue;
		tenants[n] = UUIDPGetDatum(&grants[i]->tenant_id);
		roles[n++] = CStringGetTextDatum(grants[i]->role->name);
	}
	args[0] = PointerGetDatum(construct_array(tenants, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	args[1] = PointerGetDatum(construct_array(roles, n, TEXTOID, -1, false, TYPALIGN_INT));
	query_return_set(fcinfo, &describe, args, NULL);
	return (Datum) 0;
}

/* ---- explanation ----------------------------------------------------------------------------------- */

static const char *
explain_grant(const Identity *identity, const Definitions *definitions, const Grant *grant,
              int permission)
{
	if (identity->kind == IDENTITY_NONE)
		return "nobody is signed in";
	switch (grant->state)
	{
		case GRANT_NONE:
			return identity->kind == IDENTITY_KEY ? "key belongs to another tenant"
			                                      : "not a member";
		case GRANT_TENANT_DELETED:
			return "tenant deleted";
		case GRANT_USER_DISABLED:
			return "user disabled";
		case GRANT_KEY_REVOKED:
			return "key revoked";
		case GRANT_LIVE:
			break;
	}
	if (!grant_is_live(grant, GetCurrentTimestamp()))
		return identity->kind == IDENTITY_KEY ? "key expired" : "membership expired";
	if (grant->role == NULL)
		return "role unknown";
	if (bms_is_member(permission, grant->permissions))
		return psprintf("granted by role %s", grant->role->name);
	if (!bms_is_member(permission, grant->role->permissions))
		return psprintf("not granted by role %s", grant->role->name);
	if (!bms_is_member(permission, definitions->grantable_to_keys))
		return "for people only, not for keys";
	return "outside the key's permissions";
}

/* explain_permission(tenant_id, permission): why has_permission answers as it does. */
Datum
teamrbac_explain_permission(PG_FUNCTION_ARGS)
{
	static const Grant none = {.state = GRANT_NONE, .expires_at = DT_NOEND};
	Subject           *subject;
	const Definitions *definitions;
	Identity           identity;
	const Grant       *grant = &none;
	int                permission;
	TupleDesc          tupdesc;
	Datum              values[4];
	bool               nulls[4] = {false};

	if (PG_ARGISNULL(1))
		refuse_null("permission");
	subject = current_subject();
	identity = identity_now();
	definitions = subject_definitions(subject);
	permission = permission_arg(definitions, PG_GETARG_TEXT_PP(1));
	if (!PG_ARGISNULL(0))
		grant = subject_grant(subject, PG_GETARG_UUID_P(0));

	values[0] = BoolGetDatum(grant_allows(grant, permission, GetCurrentTimestamp()));
	values[1] = CStringGetTextDatum(explain_grant(&identity, definitions, grant, permission));
	nulls[2] = grant->role == NULL;
	values[2] = nulls[2] ? (Datum) 0 : CStringGetTextDatum(grant->role->name);
	values[3] = identity_datum(&identity);
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}
