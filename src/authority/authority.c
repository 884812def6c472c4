/*
 * authority.c
 *	  A cursor gives no rows that its user may no longer read.
 *
 * Each FETCH of a cursor is a statement of its own, and so is each part of a result that a client asks for by
 * portions.  A scan that checks row by row looks again by itself.  But a sort, a hash or an index condition
 * has let its rows through before: when a query is resumed by another command of the client than before, we
 * compare what its call sites answered by with what is true now.  Where something was withdrawn, the rows
 * that are left cannot be told apart any more.  If nothing of it remains, none of them may be seen, and the
 * result ends; otherwise, or if rows were made into others (by aggregates, outer joins, ...), it is an error.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"

#include "authority/authority.h"
#include "authority/check.h"
#include "compat.h"

static ExecutorRun_hook_type previous_run_hook = NULL;

uint64 client_command = 1;

static dlist_head authorities = DLIST_STATIC_INIT(authorities);

/* ---- keeping --------------------------------------------------------------------------------------- */

/* count_command notices that the client has sent another command than at its last call. */
static void
count_command(void)
{
	static TimestampTz present = 0;
	TimestampTz        start = GetCurrentStatementStartTimestamp();

	if (start == present)
		return;
	present = start;
	client_command++;
}

static void
release_subject(Authority *authority)
{
	if (authority->subject != NULL)
		subject_unpin(authority->subject);
	authority->subject = NULL;
}

static void
end_authority(void *arg)
{
	Authority *authority = arg;

	release_subject(authority);
	dlist_delete(&authority->node);
}

void
authority_begin(Authority *authority, MemoryContext query)
{
	authority->query = query;
	authority->subject = NULL;
	authority->permission = -1;
	authority->command = 0;
	authority->npassed = -1;
	authority->passed = NULL;
	dlist_push_head(&authorities, &authority->node);
	authority->callback.func = end_authority;
	authority->callback.arg = authority;
	MemoryContextRegisterResetCallback(query, &authority->callback);
}

void
authority_take(Authority *authority, Subject *subject)
{
	count_command();
	subject_pin(subject);
	release_subject(authority);
	authority->subject = subject;
	authority->permission = -1;
	authority->command = client_command;
	authority->command_start = GetCurrentStatementStartTimestamp();
}

void
authority_track(Authority *authority)
{
	authority->passed = MemoryContextAlloc(authority->query, MAX_PASSED * sizeof(pg_uuid_t));
	authority->npassed = 0;
}

void
authority_pass(Authority *authority, const pg_uuid_t *tenant)
{
	for (int i = 0; i < authority->npassed; i++)
	{
		if (uuid_same(&authority->passed[i], tenant))
			return;
	}
	if (authority->npassed == MAX_PASSED)
		authority->npassed = -1;
	else if (authority->npassed >= 0)
		authority->passed[authority->npassed++] = *tenant;
}

/* ---- comparing ------------------------------------------------------------------------------------- */

/* What became of the tenants whose rows were let through. */
typedef struct Withdrawal
{
	bool some_lost;
	bool some_kept;
} Withdrawal;

static const char *
permission_name(const Authority *authority)
{
	return subject_definitions(authority->subject)->permission_names[authority->permission];
}

static void
compare_tenant(Subject *now, int permission, const pg_uuid_t *tenant, Withdrawal *withdrawal)
{
	if (permission >= 0 &&
	    grant_allows(subject_grant(now, tenant), permission, GetCurrentStatementStartTimestamp()))
		withdrawal->some_kept = true;
	else
		withdrawal->some_lost = true;
}

/* compare_grants finds out what of an authority is lost by now. */
static void
compare_grants(const Authority *authority, Withdrawal *withdrawal)
{
	Subject      *before = authority->subject;
	Subject      *now = current_subject();
	const char   *name = permission_name(authority);
	int           permission = find_permission(subject_definitions(now), name, strlen(name));
	const Grant **grants;
	int           ngrants;

	if (now == before && !subject_expires(before))
	{
		withdrawal->some_kept = true;
		return;
	}
	for (int i = 0; i < authority->npassed; i++)
		compare_tenant(now, permission, &authority->passed[i], withdrawal);
	if (authority->npassed >= 0)
		return;
	grants = subject_known_grants(before, &ngrants);
	for (int i = 0; i < ngrants; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (grant_allows(grants[i], authority->permission, authority->command_start))
			compare_tenant(now, permission, &grants[i]->tenant_id, withdrawal);
	}
	pfree(grants);
}

/* ---- the plan -------------------------------------------------------------------------------------- */

/* How the rows of a plan relate to those of the tables, in rising order. */
typedef enum RowsOrigin
{
	ROWS_CHECKED, /* each is checked when it is handed out */
	ROWS_READ,    /* each was let through, maybe earlier */
	ROWS_DERIVED  /* they may tell something of rows that are gone */
} RowsOrigin;

static RowsOrigin origin_of(Plan *plan);

static RowsOrigin
origin_of_list(List *plans)
{
	RowsOrigin origin = ROWS_CHECKED;
	ListCell  *cell;

	foreach(cell, plans)
		origin = Max(origin, origin_of(lfirst(cell)));
	return origin;
}

/* origin_of_join: a join that makes up rows, or decides by rows' absence, derives. */
static RowsOrigin
origin_of_join(const Join *join)
{
	return join->jointype == JOIN_INNER || join->jointype == JOIN_SEMI ? ROWS_READ : ROWS_DERIVED;
}

static RowsOrigin
origin_of_node(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_FunctionScan:
		case T_ValuesScan:
		case T_Result:
		case T_ProjectSet:
		case T_LockRows:
		case T_Limit:
			return ROWS_CHECKED;
		case T_Append:
			return origin_of_list(((Append *) plan)->appendplans);
		case T_SubqueryScan:
			return origin_of(((SubqueryScan *) plan)->subplan);
		case T_MergeAppend:
			return Max(ROWS_READ, origin_of_list(((MergeAppend *) plan)->mergeplans));
		case T_Sort:
		case T_IncrementalSort:
		case T_Material:
		case T_Memoize:
		case T_Hash:
		case T_Unique:
			return ROWS_READ;
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
			return origin_of_join((Join *) plan);
		default:
			return ROWS_DERIVED;
	}
}

static RowsOrigin
origin_of(Plan *plan)
{
	RowsOrigin origin;

	if (plan == NULL)
		return ROWS_CHECKED;
	check_stack_depth();
	origin = origin_of_node(plan);
	/* A bitmap of rows is not the rows. */
	if (IsA(plan, BitmapHeapScan))
		return origin;
	return Max(origin, Max(origin_of(plan->lefttree), origin_of(plan->righttree)));
}

bool
portal_is_cursor(void)
{
	return (ActivePortal->cursorOptions & CURSOR_OPT_FAST_PLAN) != 0;
}

/*
 * rows_origin: only where the planner knew that the query is a cursor's did it keep the filters behind index
 * conditions.
 */
static RowsOrigin
rows_origin(const QueryDesc *query)
{
	RowsOrigin origin = ROWS_READ;

	if (query->plannedstmt->subplans != NIL)
		return ROWS_DERIVED;
	if (ActivePortal != NULL && ActivePortal->queryDesc == query && portal_is_cursor())
		origin = ROWS_CHECKED;
	return Max(origin, origin_of(query->plannedstmt->planTree));
}

/* ---- the hook -------------------------------------------------------------------------------------- */

/* find_withdrawal compares all that a query relied on in earlier commands. */
static Withdrawal
find_withdrawal(const QueryDesc *query)
{
	Withdrawal withdrawal = {false, false};
	dlist_iter iter;

	dlist_foreach(iter, &authorities)
	{
		Authority *authority = dlist_container(Authority, node, iter.cur);

		if (authority->query == query->estate->es_query_cxt && authority->subject != NULL &&
		    authority->permission >= 0 && authority->command != client_command)
			compare_grants(authority, &withdrawal);
	}
	return withdrawal;
}

/* is_rewound tells whether COMMIT reads a cursor's rows from the first one on, to hold them, and counts on each. */
static bool
is_rewound(const QueryDesc *query)
{
	const int options = CURSOR_OPT_HOLD | CURSOR_OPT_SCROLL;

	return query->dest->mydest == DestTuplestore && ActivePortal != NULL &&
	       ActivePortal->queryDesc == query && (ActivePortal->cursorOptions & options) == options;
}

/* may_resume tells whether a query may hand out further rows; 24000 if some of them only. */
static bool
may_resume(const QueryDesc *query)
{
	Withdrawal withdrawal = find_withdrawal(query);
	RowsOrigin origin;

	if (!withdrawal.some_lost)
		return true;
	origin = rows_origin(query);
	if (!is_rewound(query))
	{
		if (origin == ROWS_CHECKED)
			return true;
		if (origin == ROWS_READ && !withdrawal.some_kept)
			return false;
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_CURSOR_STATE), errmsg("cursor can no longer be read"),
	                errdetail("Some of what its rows were read by has been withdrawn meanwhile."),
	                errhint("Close the cursor and open it again.")));
}

static void
run_query(EXECUTOR_RUN_PARAMETERS)
{
	count_command();
	if (query->already_executed && !ScanDirectionIsNoMovement(direction) &&
	    !dlist_is_empty(&authorities) && !may_resume(query))
	{
		/* The receiver is started and ended, and gets no row. */
		direction = NoMovementScanDirection;
	}
	if (previous_run_hook != NULL)
		previous_run_hook(EXECUTOR_RUN_ARGUMENTS);
	else
		standard_ExecutorRun(EXECUTOR_RUN_ARGUMENTS);
}

void
authority_init(void)
{
	previous_run_hook = ExecutorRun_hook;
	ExecutorRun_hook = run_query;
}
