/*
 * merge_scan.c
 *	  Executes a scan of the user's tenants in the order of the query.
 *
 * Who may read which tenants is asked when the scan starts, and again at each rescan: the plan holds no
 * tenant.  The index is read for those alone, so no filter is needed behind it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "executor/nodeIndexscan.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sortsupport.h"
#include "utils/tuplesort.h"
#include "utils/uuid.h"

#include "check.h"
#include "compat.h"
#include "merge.h"
#include "tenant_scan.h"

/* One tenant's rows, in order. */
typedef struct Stream
{
	IndexScanDesc   scan;
	TupleTableSlot *slot;
} Stream;

typedef struct MergeState
{
	CustomScanState css; /* first, as the executor wants it */
	List *private;
	Relation      index;
	ScanDirection direction;

	/* The index's conditions: keys[0] is the tenant's, the others are copied from conditions. */
	ScanKey              keys;
	ScanKey              conditions;
	int                  nconditions;
	IndexRuntimeKeyInfo *runtime_keys;
	int                  nruntime_keys;
	ExprContext         *runtime_context;

	Authority authority; /* that the tenants came from */

	/* The order. */
	int         ncolumns;
	SortSupport columns;

	/* A scan under way; all of it lives in context. */
	bool            started;
	MemoryContext   context;
	Stream         *streams;
	int             nstreams;
	binaryheap     *heap;    /* of the streams that have a row */
	bool            advance; /* the heap's first has given its row */
	Tuplesortstate *sorted;  /* instead of the heap, for too many tenants */
	TupleTableSlot *sorted_slot;
} MergeState;

static List *
private_list(const MergeState *state, MergePrivate what)
{
	return list_nth(state->private, what);
}

/* ---- begin ----------------------------------------------------------------------------------------- */

static void
begin_order(MergeState *state)
{
	List *columns = private_list(state, MERGE_COLUMNS);

	state->ncolumns = list_length(columns);
	state->columns = palloc0(state->ncolumns * sizeof(SortSupportData));
	for (int i = 0; i < state->ncolumns; i++)
	{
		SortSupport column = &state->columns[i];

		column->ssup_cxt = CurrentMemoryContext;
		column->ssup_collation = list_nth_oid(private_list(state, MERGE_COLLATIONS), i);
		column->ssup_nulls_first = list_nth_int(private_list(state, MERGE_NULLS_FIRST), i);
		column->ssup_attno = list_nth_int(columns, i);
		PrepareSortSupportFromOrderingOp(list_nth_oid(private_list(state, MERGE_OPERATORS), i),
		                                 column);
	}
}

static void
begin_keys(MergeState *state, List *quals)
{
	ExecIndexBuildScanKeys(&state->css.ss.ps, state->index, quals, false, &state->conditions,
	                       &state->nconditions, &state->runtime_keys, &state->nruntime_keys, NULL,
	                       NULL);
	state->keys = palloc((state->nconditions + 1) * sizeof(ScanKeyData));
	if (state->nruntime_keys > 0)
		state->runtime_context = CreateExprContext(state->css.ss.ps.state);
}

static void
merge_begin(CustomScanState *node, EState *estate, int eflags)
{
	MergeState *state = (MergeState *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	LOCKMODE    lockmode = exec_rt_fetch(plan->scan.scanrelid, estate)->rellockmode;

	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0)
		return;
	state->index = index_open(linitial_oid(private_list(state, MERGE_INDEX)), lockmode);
	state->direction = linitial_int(private_list(state, MERGE_DIRECTION));
	begin_keys(state,
	           list_truncate(list_copy(plan->custom_exprs), list_length(plan->custom_exprs) / 2));
	begin_order(state);
	authority_begin(&state->authority, estate->es_query_cxt);
	state->context = AllocSetContextCreate(estate->es_query_cxt, "teamrbac tenant merge",
	                                       ALLOCSET_DEFAULT_SIZES);
}

/* ---- streams --------------------------------------------------------------------------------------- */

static bool
next_row(MergeState *state, Stream *stream)
{
	CHECK_FOR_INTERRUPTS();
	return index_getnext_slot(stream->scan, state->direction, stream->slot);
}

static void
open_stream(MergeState *state, Stream *stream)
{
	Relation table = state->css.ss.ss_currentRelation;

	stream->scan = compat_index_beginscan(table, state->index, state->css.ss.ps.state->es_snapshot,
	                                      state->nconditions + 1);
	stream->slot = table_slot_create(table, NULL);
}

/* seek has a stream begin with the first of a tenant's rows. */
static void
seek(MergeState *state, Stream *stream, const pg_uuid_t *tenant)
{
	ScanKeyInit(&state->keys[0], 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(tenant));
	index_rescan(stream->scan, state->keys, state->nconditions + 1, NULL, 0);
}

static void
close_stream(Stream *stream)
{
	index_endscan(stream->scan);
	ExecDropSingleTupleTableSlot(stream->slot);
}

/* compare_rows has the row that comes first in the order be the greater one, as the heap wants it. */
static int
compare_rows(Datum a, Datum b, void *arg)
{
	MergeState     *state = arg;
	TupleTableSlot *slot1 = state->streams[DatumGetInt32(a)].slot;
	TupleTableSlot *slot2 = state->streams[DatumGetInt32(b)].slot;

	for (int i = 0; i < state->ncolumns; i++)
	{
		SortSupport column = &state->columns[i];
		bool        null1;
		bool        null2;
		Datum       value1 = slot_getattr(slot1, column->ssup_attno, &null1);
		Datum       value2 = slot_getattr(slot2, column->ssup_attno, &null2);
		int         order = ApplySortComparator(value1, null1, value2, null2, column);

		if (order != 0)
			return order < 0 ? 1 : -1;
	}
	return 0;
}

/* ---- a scan ---------------------------------------------------------------------------------------- */

static void
start_merge(MergeState *state, const pg_uuid_t *tenants, int ntenants)
{
	state->streams = palloc((ntenants + 1) * sizeof(Stream));
	state->heap = binaryheap_allocate(ntenants + 1, compare_rows, state);
	for (int i = 0; i < ntenants; i++)
	{
		Stream *stream = &state->streams[i];

		open_stream(state, stream);
		state->nstreams++;
		seek(state, stream, &tenants[i]);
		if (next_row(state, stream))
			binaryheap_add_unordered(state->heap, Int32GetDatum(i));
	}
	binaryheap_build(state->heap);
	state->advance = false;
}

/* start_sort reads all rows, one tenant after the other: a scan for each at once would hold too many buffers. */
static void
start_sort(MergeState *state, const pg_uuid_t *tenants, int ntenants)
{
	TupleDesc   tupdesc = RelationGetDescr(state->css.ss.ss_currentRelation);
	AttrNumber *columns = palloc(state->ncolumns * sizeof(AttrNumber));
	Oid        *operators = palloc(state->ncolumns * sizeof(Oid));
	Oid        *collations = palloc(state->ncolumns * sizeof(Oid));
	bool       *nulls_first = palloc(state->ncolumns * sizeof(bool));
	Stream      stream;

	for (int i = 0; i < state->ncolumns; i++)
	{
		columns[i] = state->columns[i].ssup_attno;
		operators[i] = list_nth_oid(private_list(state, MERGE_OPERATORS), i);
		collations[i] = state->columns[i].ssup_collation;
		nulls_first[i] = state->columns[i].ssup_nulls_first;
	}
	state->sorted = tuplesort_begin_heap(tupdesc, state->ncolumns, columns, operators, collations,
	                                     nulls_first, work_mem, NULL, TUPLESORT_NONE);
	state->sorted_slot = MakeSingleTupleTableSlot(tupdesc, &TTSOpsMinimalTuple);
	open_stream(state, &stream);
	for (int i = 0; i < ntenants; i++)
	{
		seek(state, &stream, &tenants[i]);
		while (next_row(state, &stream))
			tuplesort_puttupleslot(state->sorted, stream.slot);
	}
	close_stream(&stream);
	tuplesort_performsort(state->sorted);
}

static void
start(MergeState *state)
{
	Const           *permission = linitial(private_list(state, MERGE_PERMISSION));
	MemoryContext    oldcontext;
	ArrayType       *array;
	const pg_uuid_t *tenants;
	int              ntenants;

	if (state->nruntime_keys > 0)
	{
		ResetExprContext(state->runtime_context);
		ExecIndexEvalRuntimeKeys(state->runtime_context, state->runtime_keys, state->nruntime_keys);
	}
	if (state->nconditions > 0)
		memcpy(&state->keys[1], state->conditions, state->nconditions * sizeof(ScanKeyData));

	oldcontext = MemoryContextSwitchTo(state->context);
	array = permitted_tenants(DatumGetTextPP(permission->constvalue), &state->authority);
	tenants = (const pg_uuid_t *) ARR_DATA_PTR(array);
	ntenants = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (ntenants <= MAX_MERGED)
		start_merge(state, tenants, ntenants);
	else
		start_sort(state, tenants, ntenants);
	MemoryContextSwitchTo(oldcontext);
	state->started = true;
}

static void
stop(MergeState *state)
{
	if (state->sorted != NULL)
	{
		tuplesort_end(state->sorted);
		ExecDropSingleTupleTableSlot(state->sorted_slot);
		state->sorted = NULL;
	}
	for (int i = 0; i < state->nstreams; i++)
		close_stream(&state->streams[i]);
	state->nstreams = 0;
	if (state->context != NULL)
		MemoryContextReset(state->context);
	state->started = false;
}

/* next_slot returns the slot with the next row, or NULL after the last. */
static TupleTableSlot *
next_slot(MergeState *state)
{
	int first;

	if (state->sorted != NULL)
		return tuplesort_gettupleslot(state->sorted, true, false, state->sorted_slot, NULL)
		           ? state->sorted_slot
		           : NULL;
	if (state->advance)
	{
		first = DatumGetInt32(binaryheap_first(state->heap));
		if (next_row(state, &state->streams[first]))
			binaryheap_replace_first(state->heap, Int32GetDatum(first));
		else
			(void) binaryheap_remove_first(state->heap);
	}
	state->advance = !binaryheap_empty(state->heap);
	if (!state->advance)
		return NULL;
	first = DatumGetInt32(binaryheap_first(state->heap));
	return state->streams[first].slot;
}

static TupleTableSlot *
next_tuple(ScanState *node)
{
	MergeState     *state = (MergeState *) node;
	TupleTableSlot *result = node->ss_ScanTupleSlot;
	TupleTableSlot *row;

	if (!state->started)
		start(state);
	row = next_slot(state);
	ExecClearTuple(result);
	if (row == NULL)
		return result;
	return store_row(result, row);
}

static TupleTableSlot *
merge_exec(CustomScanState *node)
{
	return ExecScan(&node->ss, next_tuple, recheck_row);
}

static void
merge_rescan(CustomScanState *node)
{
	stop((MergeState *) node);
	ExecScanReScan(&node->ss);
}

static void
merge_end(CustomScanState *node)
{
	MergeState *state = (MergeState *) node;

	stop(state);
	if (state->index != NULL)
		index_close(state->index, NoLock);
}

static void
merge_explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
	MergeState *state = (MergeState *) node;
	Const      *permission = linitial(private_list(state, MERGE_PERMISSION));

	ExplainPropertyText("Index", get_rel_name(linitial_oid(private_list(state, MERGE_INDEX))), es);
	explain_tenant_scan(node, permission, 2, ancestors, es);
}

static const CustomExecMethods exec_methods = {
	.CustomName = "TenantMerge",
	.BeginCustomScan = merge_begin,
	.ExecCustomScan = merge_exec,
	.EndCustomScan = merge_end,
	.ReScanCustomScan = merge_rescan,
	.ExplainCustomScan = merge_explain,
};

static Node *
create_state(CustomScan *plan)
{
	MergeState *state = (MergeState *) newNode(sizeof(MergeState), T_CustomScanState);

	state->css.methods = &exec_methods;
	state->private = plan->custom_private;
	return (Node *) state;
}

const CustomScanMethods merge_scan_methods = {
	.CustomName = "TenantMerge",
	.CreateCustomScanState = create_state,
};
