/*
 * lookup_scan.c
 *	  Executes a look-up of a row by its key under a policy.
 *
 * Who may read which tenants is asked when the scan starts: the plan holds no tenant.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "executor/nodeIndexscan.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "check.h"
#include "compat.h"
#include "lookup.h"
#include "tenant_scan.h"

/* One of the two indexes that the row may be found by. */
typedef struct LookupIndex
{
	Relation             relation; /* NULL until it is needed */
	ScanKey              keys;     /* the first one is the tenant's in the tenant's index */
	int                  nkeys;
	ScanKey              conditions; /* copied into keys when they have been evaluated */
	int                  nconditions;
	IndexRuntimeKeyInfo *runtime_keys;
	int                  nruntime_keys;
	IndexScanDesc        scan;
} LookupIndex;

typedef struct LookupState
{
	CustomScanState css; /* first, as the executor wants it */
	List *private;
	AttrNumber      column; /* the tenant's */
	ExprContext    *runtime_context;
	TupleTableSlot *row;
	LookupIndex     by_tenant;
	LookupIndex     by_key;
	Authority       authority; /* that rows are let through by */

	PermittedTenants permitted; /* by the authority, once in a command */
	pg_uuid_t        tenant;    /* if in one */

	bool         started;
	LookupIndex *present; /* which one is read; NULL: no row may be */
} LookupState;

static List *
private_list(const LookupState *state, LookupPrivate what)
{
	return list_nth(state->private, what);
}

/* ---- begin ----------------------------------------------------------------------------------------- */

static void
lookup_begin(CustomScanState *node, EState *estate, int eflags)
{
	LookupState *state = (LookupState *) node;

	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0)
		return;
	state->column = linitial_int(private_list(state, LOOKUP_COLUMN));
	state->row = table_slot_create(node->ss.ss_currentRelation, NULL);
	authority_begin(&state->authority, estate->es_query_cxt);
}

/* open_index opens one of the indexes at its first use; most look-ups need one only. */
static void
open_index(LookupState *state, LookupIndex *index)
{
	EState     *estate = state->css.ss.ps.state;
	CustomScan *plan = (CustomScan *) state->css.ss.ps.plan;
	bool        by_tenant = index == &state->by_tenant;
	int         n = list_length(plan->custom_exprs) / 3;
	List       *quals = list_truncate(list_copy_tail(plan->custom_exprs, by_tenant ? 0 : n), n);
	LOCKMODE    lockmode = exec_rt_fetch(plan->scan.scanrelid, estate)->rellockmode;

	index->relation =
		index_open(list_nth_oid(private_list(state, LOOKUP_INDEXES), by_tenant ? 0 : 1), lockmode);
	ExecIndexBuildScanKeys(&state->css.ss.ps, index->relation, quals, false, &index->conditions,
	                       &index->nconditions, &index->runtime_keys, &index->nruntime_keys, NULL,
	                       NULL);
	index->nkeys = index->nconditions + (by_tenant ? 1 : 0);
	index->keys = palloc(index->nkeys * sizeof(ScanKeyData));
	if (index->nruntime_keys > 0 && state->runtime_context == NULL)
		state->runtime_context = CreateExprContext(estate);
	index->scan = compat_index_beginscan(state->css.ss.ss_currentRelation, index->relation,
	                                     estate->es_snapshot, index->nkeys);
}

/* ---- a scan ---------------------------------------------------------------------------------------- */

/* seek has the index begin with the key's row, of this tenant unless NULL. */
static void
seek(LookupState *state, LookupIndex *index, const pg_uuid_t *tenant)
{
	if (index->relation == NULL)
		open_index(state, index);
	if (index->nruntime_keys > 0)
	{
		ResetExprContext(state->runtime_context);
		ExecIndexEvalRuntimeKeys(state->runtime_context, index->runtime_keys, index->nruntime_keys);
	}
	if (tenant != NULL)
		ScanKeyInit(&index->keys[0], 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(tenant));
	memcpy(&index->keys[tenant != NULL ? 1 : 0], index->conditions,
	       index->nconditions * sizeof(ScanKeyData));
	index_rescan(index->scan, index->keys, index->nkeys, NULL, 0);
	state->present = index;
}

/* decide asks who may read what; a scan that is repeated within a command keeps the answer, as check.c does. */
static void
decide(LookupState *state)
{
	Const *permission = linitial(private_list(state, LOOKUP_PERMISSION));

	if (state->authority.subject == NULL || state->authority.permission < 0 ||
	    state->authority.command != client_command)
		state->permitted = only_permitted_tenant(DatumGetTextPP(permission->constvalue),
		                                         &state->authority, &state->tenant);
}

static void
start(LookupState *state)
{
	MemoryContext caller = MemoryContextSwitchTo(state->css.ss.ps.state->es_query_cxt);

	decide(state);
	state->present = NULL;
	switch (state->permitted)
	{
		case PERMITTED_NOWHERE:
			break;
		case PERMITTED_IN_ONE:
			seek(state, &state->by_tenant, &state->tenant);
			break;
		case PERMITTED_IN_SOME:
			seek(state, &state->by_key, NULL);
			break;
	}
	MemoryContextSwitchTo(caller);
	state->started = true;
}

/* is_permitted tells whether the row just read may be seen. */
static bool
is_permitted(LookupState *state)
{
	bool  isnull;
	Datum tenant;

	if (state->present == &state->by_tenant)
		return true;
	tenant = slot_getattr(state->row, state->column, &isnull);
	return !isnull && authority_permits(&state->authority, DatumGetUUIDP(tenant));
}

static TupleTableSlot *
next_tuple(ScanState *node)
{
	LookupState    *state = (LookupState *) node;
	TupleTableSlot *result = node->ss_ScanTupleSlot;

	if (!state->started)
		start(state);
	ExecClearTuple(result);
	while (state->present != NULL &&
	       index_getnext_slot(state->present->scan, ForwardScanDirection, state->row))
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_permitted(state))
			continue;
		return store_row(result, state->row);
	}
	return result;
}

static TupleTableSlot *
lookup_exec(CustomScanState *node)
{
	return ExecScan(&node->ss, next_tuple, recheck_row);
}

static void
lookup_rescan(CustomScanState *node)
{
	((LookupState *) node)->started = false;
	ExecScanReScan(&node->ss);
}

static void
close_index(LookupIndex *index)
{
	if (index->relation == NULL)
		return;
	index_endscan(index->scan);
	index_close(index->relation, NoLock);
}

static void
lookup_end(CustomScanState *node)
{
	LookupState *state = (LookupState *) node;

	close_index(&state->by_tenant);
	close_index(&state->by_key);
	if (state->row != NULL)
		ExecDropSingleTupleTableSlot(state->row);
}

static void
lookup_explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
	LookupState *state = (LookupState *) node;
	List        *indexes = private_list(state, LOOKUP_INDEXES);
	Const       *permission = linitial(private_list(state, LOOKUP_PERMISSION));

	ExplainPropertyText("Index", get_rel_name(lsecond_oid(indexes)), es);
	ExplainPropertyText("Tenant Index", get_rel_name(linitial_oid(indexes)), es);
	explain_tenant_scan(node, permission, 3, ancestors, es);
}

static const CustomExecMethods exec_methods = {
	.CustomName = "TenantLookup",
	.BeginCustomScan = lookup_begin,
	.ExecCustomScan = lookup_exec,
	.EndCustomScan = lookup_end,
	.ReScanCustomScan = lookup_rescan,
	.ExplainCustomScan = lookup_explain,
};

static Node *
create_state(CustomScan *plan)
{
	LookupState *state = (LookupState *) newNode(sizeof(LookupState), T_CustomScanState);

	state->css.methods = &exec_methods;
	state->private = plan->custom_private;
	return (Node *) state;
}

const CustomScanMethods lookup_scan_methods = {
	.CustomName = "TenantLookup",
	.CreateCustomScanState = create_state,
};
