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

#include "authority/distributed.h"
#include "authority/identity.h"
#include "authority/permission_use.h"
#include "authority/reliance.h"
#include "authority/statement.h"
#include "authority/ticket.h"
#include "authority/worker.h"
#include "compat.h"
#include "store/catalog.h"
#include "store/reason.h"

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
	Statement       *statement;   /* NULL: none made yet */
	Oid              user;        /* who runs it */
	bool             distributed; /* Citus executes a part of it, and gives its workers tickets */
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
	if (principal_identity(authority->principal)->kind == IDENTITY_NONE)
		ticket_require();
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
	if (identity.kind == IDENTITY_NONE)
		ticket_require();
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

/* pass_reliance_on has the queries of a frame and around it rely on what one within them relies on. */
static void
pass_reliance_on(Frame *frame, const Reliance *reliance)
{
	for (; frame != NULL; frame = frame->outer)
	{
		Statement *statement = statement_of_frame(frame);

		if (statement != NULL)
			reliance_add(&statement->reliance, reliance, statement->context);
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
	if (!statement->reliance.withdrawn && !reliance_is_withdrawn(&statement->reliance, &now))
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
	if (creating_extension || !catalog_is_installed() || ticket_is_missing())
		return;
	statement = statement_of_frame(frame);
	settle(statement);
	worker_hand_over(&statement->authority);
}

/* is_part tells whether Citus runs a query for a part of the one around it: with that one's authority and its ticket. */
static bool
is_part(const Frame *frame)
{
	return frame->outer != NULL && frame->outer->distributed && query_is_part(frame->query);
}

/*
 * carry has Citus give its workers the authority of a query that it sends them, and tells whether a block was begun for
 * that.  What they will check is not known here: the query relies on all it has.
 */
static bool
carry(Frame *frame)
{
	Statement *statement = statement_of_frame(frame);
	Reliance   reliance = {.memberships = true};
	bool       begun;

	settle(statement);
	begun = begin_statement_block();
	ticket_carry(&statement->authority, frame->user);
	reliance.authority = statement->authority;
	reliance.permissions = principal_permissions(statement->authority.principal);
	pass_reliance_on(frame, &reliance);
	return begun;
}

/* carry_outer gives them again what a query around this one had given them, which Citus has not finished. */
static void
carry_outer(const Frame *frame)
{
	for (frame = frame->outer; frame != NULL; frame = frame->outer)
	{
		if (!frame->distributed || is_part(frame))
			continue;
		ticket_carry(&frame->statement->authority, frame->user);
		return;
	}
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
	Frame frame = {.query = query, .user = GetUserId(), .outer = innermost};
	bool  carried = false;
	bool  block = false;
	int   settings;

	if (!ScanDirectionIsNoMovement(direction))
	{
		resume(&frame);
		frame.distributed = query_is_distributed(query) && ticket_is_wanted();
		carried = frame.distributed && !is_part(&frame);
		block = carried && carry(&frame);
	}
	settings = query->plannedstmt->parallelModeNeeded ? NewGUCNestLevel() : 0;
	run_in_frame(&frame, EXECUTOR_RUN_ARGUMENTS);
	/* What workers were handed goes; after an error, the end of the transaction sees to that. */
	if (settings > 0)
	{
		AtEOXact_GUC(true, settings);
		take_workers_uses();
	}
	if (carried)
		carry_outer(&frame);
	if (block)
		end_statement_block();
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
