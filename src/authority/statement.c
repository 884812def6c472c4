/*
 * statement.c
 *	  The authority of a statement: settled once, shared by all its checks, compared when the query is resumed.
 *
 * PostgreSQL may evaluate a policy wherever it likes: at start-up to prune partitions, once or again at each rescan,
 * at another table whose column is equal, for a row read again after a lock, in a worker.  So what a check answers
 * must not depend on where and when within a query it is asked.  The first check of a query settles who is asking
 * and what they have, and every other takes that.
 *
 * Which query a call belongs to is told by the memory that its call site lives in: the executor makes the call sites
 * of a plan in the query's memory context, or below.  The hooks keep a stack of the queries at work, one frame each
 * for as long as the executor works on it.
 *
 * A query that is left and resumed later (FETCH, a portion, a loop's next rows, a cursor that a function reads)
 * keeps its authority, because its rows cannot be told apart any more: a sort, a hash table or a function's result
 * holds what was let through before.  But it goes on only while nothing of what it relied on is withdrawn.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "authority/identity.h"
#include "authority/permission.h"
#include "authority/permission_use.h"
#include "authority/statement.h"
#include "authority/worker.h"
#include "compat.h"
#include "store/catalog.h"
#include "store/reason.h"

/* What a query, or one that ran within it, has relied on. */
typedef struct Reliance
{
	Authority  authority;   /* the last one relied on; no principal: none */
	Bitmapset *permissions; /* relied on, of that and of earlier ones */
	bool       memberships; /* relied on, whatever they give */
	bool       withdrawn;   /* something of an earlier one is gone */
} Reliance;

struct Statement
{
	dlist_node            node; /* in statements */
	MemoryContextCallback callback;
	MemoryContext         context; /* the query's own; holds this struct */
	bool                  settled;
	Authority             authority;
	Reliance              reliance;
};

/* A query that the executor is working on; frames live on the C stack. */
typedef struct Frame
{
	const QueryDesc *query;
	Statement       *statement; /* NULL: none made yet */
	struct Frame    *outer;
} Frame;

static Frame     *innermost = NULL;
static dlist_head statements = DLIST_STATIC_INIT(statements);

static ExecutorStart_hook_type  previous_start_hook = NULL;
static ExecutorRun_hook_type    previous_run_hook = NULL;
static ExecutorFinish_hook_type previous_finish_hook = NULL;
static ExecutorEnd_hook_type    previous_end_hook = NULL;

/* ---- statements ------------------------------------------------------------------------------------ */

/* forget_statement is called when the query's memory goes, after an error as well. */
static void
forget_statement(void *arg)
{
	Statement *statement = arg;

	if (statement->reliance.authority.principal != NULL)
		principal_unpin(statement->reliance.authority.principal);
	if (statement->settled)
		principal_unpin(statement->authority.principal);
	dlist_delete(&statement->node);
}

static Statement *
make_statement(MemoryContext context)
{
	Statement *statement = MemoryContextAllocZero(context, sizeof(Statement));

	statement->context = context;
	statement->callback.func = forget_statement;
	statement->callback.arg = statement;
	MemoryContextRegisterResetCallback(context, &statement->callback);
	dlist_push_head(&statements, &statement->node);
	return statement;
}

/* find_statement finds what an earlier run of a query, or its start, has left. */
static Statement *
find_statement(const QueryDesc *query)
{
	dlist_iter iter;

	dlist_foreach(iter, &statements)
	{
		Statement *statement = dlist_container(Statement, node, iter.cur);

		if (statement->context == query->estate->es_query_cxt)
			return statement;
	}
	return NULL;
}

/* The frame's statement; NULL while the executor has not made the query's memory yet. */
static Statement *
statement_of_frame(Frame *frame)
{
	if (frame->statement == NULL && frame->query->estate != NULL)
		frame->statement = make_statement(frame->query->estate->es_query_cxt);
	return frame->statement;
}

/* lives_in tells whether a call site belongs to a query. */
static bool
lives_in(MemoryContext site, const QueryDesc *query)
{
	if (query->estate == NULL)
		return false;
	for (; site != NULL; site = MemoryContextGetParent(site))
	{
		if (site == query->estate->es_query_cxt)
			return true;
	}
	return false;
}

Statement *
statement_of_call(const FmgrInfo *flinfo)
{
	if (flinfo == NULL)
		return NULL;
	for (Frame *frame = innermost; frame != NULL; frame = frame->outer)
	{
		if (lives_in(flinfo->fn_mcxt, frame->query))
			return statement_of_frame(frame);
	}
	return NULL;
}

/* ---- settling -------------------------------------------------------------------------------------- */

/* complete finds the time and the acting tenant of an authority whose principal is known. */
static void
complete(Authority *authority)
{
	const Identity *identity = principal_identity(authority->principal);

	authority->settled_at =
		principal_expires(authority->principal) ? GetCurrentTimestamp() : DT_NOBEGIN;
	authority->acting = ACTING_IN_ONE;
	if (identity->in_tenant)
	{
		authority->tenant = identity->tenant_id;
		return;
	}
	switch (principal_live_tenants(authority->principal, authority->settled_at, &authority->tenant))
	{
		case 0:
			authority->acting = ACTING_NOWHERE;
			break;
		case 1:
			break;
		default:
			authority->acting = ACTING_UNDECIDED;
			break;
	}
}

/* newest_authority is what whoever is asking has at this moment; the principal is not pinned. */
static void
newest_authority(Authority *authority)
{
	authority->principal = current_principal();
	complete(authority);
}

/* is_workers_own tells whether this is what a parallel worker was started for: the leader's query, no function's. */
static bool
is_workers_own(const Statement *statement)
{
	const Frame *frame = innermost;

	if (!IsParallelWorker() || frame == NULL)
		return false;
	while (frame->outer != NULL)
		frame = frame->outer;
	return frame->statement == statement;
}

/* settle decides what all checks of a statement answer from. */
static void
settle(Statement *statement)
{
	Authority *authority = &statement->authority;
	Identity   identity;

	if (statement->settled)
		return;
	if (is_workers_own(statement) && worker_take_over(authority))
	{
		principal_pin(authority->principal);
		statement->settled = true;
		return;
	}
	AcceptInvalidationMessages();
	identity = identity_now();
	authority->principal = principal_for_statement(&identity);
	statement->settled = true;
	complete(authority);
}

const Authority *
authority_of_call(Statement *statement, Authority *anew)
{
	if (statement != NULL)
	{
		settle(statement);
		return &statement->authority;
	}
	newest_authority(anew);
	return anew;
}

/* ---- relying --------------------------------------------------------------------------------------- */

/* grant_is_lost tells whether what a grant gave is not given in the same tenant by a later authority. */
static bool
grant_is_lost(const Reliance *reliance, const Grant *grant, const Authority *now)
{
	const Grant *present;
	Bitmapset   *relied;
	bool         lost;

	if (!grant_is_live(grant, reliance->authority.settled_at))
		return false;
	relied = bms_intersect(reliance->permissions, grant->permissions);
	if (bms_is_empty(relied) && !reliance->memberships)
		return false;
	present = principal_grant(now->principal, &grant->tenant_id);
	lost = !grant_is_live(present, now->settled_at) || !bms_is_subset(relied, present->permissions);
	bms_free(relied);
	return lost;
}

/* is_withdrawn tells whether anything relied on is gone in a later authority. */
static bool
is_withdrawn(const Reliance *reliance, const Authority *now)
{
	Principal    *before = reliance->authority.principal;
	const Grant **grants;
	int           ngrants;
	bool          withdrawn = false;

	if (before == NULL || (before == now->principal && !principal_expires(before)))
		return false;
	if (!identity_is_same_actor(principal_identity(before), principal_identity(now->principal)))
		return principal_identity(before)->kind != IDENTITY_NONE;
	grants = principal_known_grants(before, &ngrants);
	for (int i = 0; i < ngrants && !withdrawn; i++)
		withdrawn = grant_is_lost(reliance, grants[i], now);
	pfree(grants);
	return withdrawn;
}

/* take_reliance has a statement rely on what another relies on, besides what it relied on before. */
static void
take_reliance(Statement *statement, const Reliance *other)
{
	Reliance *reliance = &statement->reliance;

	reliance->withdrawn = reliance->withdrawn || other->withdrawn;
	if (reliance->authority.principal != other->authority.principal)
	{
		reliance->withdrawn = reliance->withdrawn || is_withdrawn(reliance, &other->authority);
		principal_pin(other->authority.principal);
		if (reliance->authority.principal != NULL)
			principal_unpin(reliance->authority.principal);
		reliance->authority = other->authority;
	}
	reliance->memberships = reliance->memberships || other->memberships;
	if (!bms_is_subset(other->permissions, reliance->permissions))
	{
		MemoryContext caller = MemoryContextSwitchTo(statement->context);

		reliance->permissions = bms_add_members(reliance->permissions, other->permissions);
		MemoryContextSwitchTo(caller);
	}
}

/* pass_reliance_on has the queries of a frame and around it rely on what one within them relies on. */
static void
pass_reliance_on(Frame *frame, const Reliance *reliance)
{
	for (; frame != NULL; frame = frame->outer)
	{
		Statement *statement = statement_of_frame(frame);

		if (statement != NULL)
			take_reliance(statement, reliance);
	}
}

void
rely_on(const Authority *authority, int what)
{
	Reliance reliance = {.authority = *authority, .memberships = what == ON_MEMBERSHIPS};

	if (what >= 0)
		reliance.permissions = bms_make_singleton(what);
	pass_reliance_on(innermost, &reliance);
	bms_free(reliance.permissions);
}

/* require_not_withdrawn lets a query go on only while it still has all that it relied on. */
static void
require_not_withdrawn(const Statement *statement)
{
	Authority now;

	if (statement->reliance.authority.principal == NULL)
		return;
	newest_authority(&now);
	if (!statement->reliance.withdrawn && !is_withdrawn(&statement->reliance, &now))
		return;
	ereport(ERROR, (errcode(ERRCODE_INVALID_CURSOR_STATE), errreason("cursor_withdrawn"),
	                errmsg("cursor can no longer be read"),
	                errdetail("Some of what its rows were read by has been withdrawn meanwhile."),
	                errhint("Close the cursor and open it again.")));
}

/* ---- the executor's hooks -------------------------------------------------------------------------- */

/* Checks happen here too: for the pruning of partitions at start-up. */
static void
start_query(QueryDesc *query, int eflags)
{
	Frame frame = {.query = query, .outer = innermost};

	innermost = &frame;
	PG_TRY();
	{
		if (previous_start_hook != NULL)
			previous_start_hook(query, eflags);
		else
			standard_ExecutorStart(query, eflags);
	}
	PG_FINALLY();
	{
		innermost = frame.outer;
	}
	PG_END_TRY();
}

/*
 * hand_over gives the workers of a parallel query the authority that its leader settles, before there are any.  Only
 * where something of ours is installed: the hook runs in every database.
 */
static void
hand_over(Frame *frame)
{
	Statement *statement;

	/* Nor while an extension's script may be making our tables. */
	if (creating_extension || !catalog_is_installed())
		return;
	statement = statement_of_frame(frame);
	settle(statement);
	worker_hand_over(&statement->authority);
}

static void
resume(Frame *frame)
{
	const Reliance *reliance;

	if (dlist_is_empty(&statements))
		return;
	frame->statement = find_statement(frame->query);
	if (frame->statement == NULL)
		return;
	/* A worker only ever runs a part of what its leader has begun. */
	if (!IsParallelWorker() || frame->outer != NULL)
		require_not_withdrawn(frame->statement);
	reliance = &frame->statement->reliance;
	if (reliance->authority.principal != NULL)
		pass_reliance_on(frame->outer, reliance);
}

/* run_in_frame runs a query with its frame on the stack, whether it ends well or in an error. */
static void
run_in_frame(Frame *frame, EXECUTOR_RUN_PARAMETERS)
{
	innermost = frame;
	PG_TRY();
	{
		if (query->plannedstmt->parallelModeNeeded && !IsParallelWorker())
			hand_over(frame);
		if (previous_run_hook != NULL)
			previous_run_hook(EXECUTOR_RUN_ARGUMENTS);
		else
			standard_ExecutorRun(EXECUTOR_RUN_ARGUMENTS);
	}
	PG_FINALLY();
	{
		innermost = frame->outer;
	}
	PG_END_TRY();
}

static void
run_query(EXECUTOR_RUN_PARAMETERS)
{
	Frame frame = {.query = query, .outer = innermost};
	int   settings = query->plannedstmt->parallelModeNeeded ? NewGUCNestLevel() : 0;

	if (!ScanDirectionIsNoMovement(direction))
		resume(&frame);
	run_in_frame(&frame, EXECUTOR_RUN_ARGUMENTS);
	/* What workers were handed goes; after an error, the end of the transaction sees to that. */
	if (settings > 0)
	{
		AtEOXact_GUC(true, settings);
		take_workers_uses();
	}
}

/* What the executor leaves for the end: changes in WITH that nobody reads, and triggers after the query. */
static void
finish_query(QueryDesc *query)
{
	Frame frame = {.query = query, .outer = innermost};

	if (!dlist_is_empty(&statements))
		frame.statement = find_statement(query);
	innermost = &frame;
	PG_TRY();
	{
		if (previous_finish_hook != NULL)
			previous_finish_hook(query);
		else
			standard_ExecutorFinish(query);
	}
	PG_FINALLY();
	{
		innermost = frame.outer;
	}
	PG_END_TRY();
}

static void
end_query(QueryDesc *query)
{
	Statement *statement = dlist_is_empty(&statements) ? NULL : find_statement(query);

	if (statement != NULL && statement->settled)
		principal_end_statement(statement->authority.principal);
	if (previous_end_hook != NULL)
		previous_end_hook(query);
	else
		standard_ExecutorEnd(query);
}

void
statement_init(void)
{
	previous_start_hook = ExecutorStart_hook;
	ExecutorStart_hook = start_query;
	previous_run_hook = ExecutorRun_hook;
	ExecutorRun_hook = run_query;
	previous_finish_hook = ExecutorFinish_hook;
	ExecutorFinish_hook = finish_query;
	previous_end_hook = ExecutorEnd_hook;
	ExecutorEnd_hook = end_query;
}
