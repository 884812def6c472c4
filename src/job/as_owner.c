/*
 * as_owner.c
 *	  Statements on the application's tables, run as their owner, and never a table of another's with them.
 *
 * To plan a statement is to run code: the planner evaluates what a table's indexes and statistics are made of, and
 * whoever owns the table has written that.  So one statement opens tables of one owner only.  Names are no proof
 * of that: whoever owns a schema may rename it between two moments and put a table of theirs in the place.
 * The statement is therefore parsed and rewritten first, which runs nobody's code, its tables are looked at, and
 * what is planned and run is that very tree, in which tables are numbers.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "job/as_owner.h"
#include "store/reason.h"

/* ---- who ---------------------------------------------------------------------------------------------- */

Oid
relation_owner(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid       owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
		                errmsg("a table to purge has been dropped meanwhile")));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

char *
table_name(Oid relation)
{
	char *name = get_rel_name(relation);
	char *schema = name != NULL ? get_namespace_name(get_rel_namespace(relation)) : NULL;

	return schema != NULL ? quote_qualified_identifier(schema, name) : psprintf("%u", relation);
}

static Oid
function_owner(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid       owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Row security of other tables must not hide rows from us; and exclusion by constraints would have the planner
 * open what a partition belongs to.
 */
OwnerSwitch
begin_as_owner(Oid owner)
{
	OwnerSwitch before;

	before.settings = NewGUCNestLevel();
	GetUserIdAndSecContext(&before.user, &before.context);
	(void) set_config_option("row_security", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
	                         true, 0, false);
	(void) set_config_option("constraint_exclusion", "off", PGC_USERSET, PGC_S_SESSION,
	                         GUC_ACTION_SAVE, true, 0, false);
	SetUserIdAndSecContext(owner, before.context | SECURITY_LOCAL_USERID_CHANGE |
	                                  SECURITY_NOFORCE_RLS | SECURITY_RESTRICTED_OPERATION);
	return before;
}

void
end_as_owner(const OwnerSwitch *before)
{
	SetUserIdAndSecContext(before->user, before->context);
	AtEOXact_GUC(false, before->settings);
}

/* ---- what a statement would open ---------------------------------------------------------------------- */

static void
require_table_of(Oid relation, Oid owner)
{
	Oid other = relation_owner(relation);

	if (other != owner)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errreason("purge_owner_differs"),
		                errmsg("table %s belongs to another role than the tables that purge would "
		                       "read together with it",
		                       table_name(relation)),
		                errdetail("It belongs to role \"%s\", they belong to role \"%s\".",
		                          GetUserNameFromId(other, false), GetUserNameFromId(owner, false)),
		                errhint("Give these tables the same owner.")));
}

static bool
refuse_strange_function(Oid function, void *context)
{
	Oid owner = *(Oid *) context;
	Oid other = function_owner(function);

	if (other != owner && !superuser_arg(other))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errreason("purge_owner_differs"),
		                errmsg("function %s stands behind a foreign key of tables of another role",
		                       get_func_name(function)),
		                errdetail("It belongs to role \"%s\", the tables belong to role \"%s\".",
		                          GetUserNameFromId(other, false), GetUserNameFromId(owner, false)),
		                errhint("Give the function to the tables' owner.")));
	return false;
}

/* require_own_tables looks at a whole query: its tables, with those that inherit, and its functions. */
static bool
require_own_tables(Node *node, void *context)
{
	Query    *query = (Query *) node;
	ListCell *cell;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
	{
		(void) check_functions_in_node(node, refuse_strange_function, context);
		return expression_tree_walker(node, compat_walker(require_own_tables), context);
	}
	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);
		ListCell      *heir;

		if (entry->rtekind != RTE_RELATION)
			continue;
		require_table_of(entry->relid, *(Oid *) context);
		if (!entry->inh)
			continue;
		foreach(heir, find_all_inheritors(entry->relid, entry->rellockmode, NULL))
			require_table_of(lfirst_oid(heir), *(Oid *) context);
	}
	return query_tree_walker(query, compat_walker(require_own_tables), context, 0);
}

/* analyze makes the tree of a statement; there is one, on the table that was meant, or an error. */
static Query *
analyze(const OwnerStatement *statement, Oid owner)
{
	List  *raw = pg_parse_query(statement->sql);
	List  *queries = pg_analyze_and_rewrite_fixedparams(linitial_node(RawStmt, raw), statement->sql,
	                                                    statement->argtypes, statement->nargs, NULL);
	Query *query = queries != NIL ? linitial_node(Query, queries) : NULL;

	if (list_length(queries) != 1 || !query->canSetTag || query->querySource != QSRC_ORIGINAL)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("purge_rule_in_way"),
		         errmsg("table %s has a rule in the way of purge", table_name(statement->relation)),
		         errhint("Drop the rule, or use a trigger instead.")));
	if (linitial_node(RangeTblEntry, query->rtable)->relid != statement->relation)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("table_renamed"),
		         errmsg("a table to purge has been renamed meanwhile"),
		         errdetail("The table was %s a moment ago.", table_name(statement->relation))));
	(void) require_own_tables((Node *) query, &owner);
	return query;
}

/* ---- execution ---------------------------------------------------------------------------------------- */

static ParamListInfo
parameters(const OwnerStatement *statement)
{
	ParamListInfo list = makeParamList(statement->nargs);

	for (int i = 0; i < statement->nargs; i++)
	{
		list->params[i].ptype = statement->argtypes[i];
		list->params[i].value = statement->args[i];
		list->params[i].isnull = statement->isnull[i];
		list->params[i].pflags = PARAM_FLAG_CONST;
	}
	return list;
}

/* execute plans and runs a query; its rows go into the store, if there is one. */
static uint64
execute(Query *query, const OwnerStatement *statement, Tuplestorestate *store)
{
	ParamListInfo params = parameters(statement);
	PlannedStmt  *plan = pg_plan_query(query, statement->sql, 0, params);
	DestReceiver *receiver = None_Receiver;
	QueryDesc    *running;
	uint64        nrows;

	if (store != NULL)
	{
		receiver = CreateDestReceiver(DestTuplestore);
		SetTuplestoreDestReceiverParams(receiver, store, CurrentMemoryContext, false, NULL, NULL);
	}
	running = CreateQueryDesc(plan, statement->sql, GetActiveSnapshot(), InvalidSnapshot, receiver,
	                          params, NULL, 0);
	ExecutorStart(running, 0);
	compat_executor_run(running);
	nrows = running->estate->es_processed;
	ExecutorFinish(running);
	ExecutorEnd(running);
	FreeQueryDesc(running);
	return nrows;
}

/* first_column copies the first column of the stored rows into a memory context. */
static Datum *
first_column(Tuplestorestate *store, uint64 nrows, TupleDesc tupdesc, MemoryContext context)
{
	Form_pg_attribute attribute = TupleDescAttr(tupdesc, 0);
	TupleTableSlot   *slot = MakeSingleTupleTableSlot(tupdesc, &TTSOpsMinimalTuple);
	Datum            *values = MemoryContextAlloc(context, (nrows + 1) * sizeof(Datum));

	for (uint64 i = 0; i < nrows && tuplestore_gettupleslot(store, true, false, slot); i++)
	{
		MemoryContext ours = MemoryContextSwitchTo(context);
		bool          isnull;

		values[i] =
			datumCopy(slot_getattr(slot, 1, &isnull), attribute->attbyval, attribute->attlen);
		MemoryContextSwitchTo(ours);
	}
	ExecDropSingleTupleTableSlot(slot);
	return values;
}

uint64
run_as_owner(const OwnerStatement *statement, Datum **values)
{
	Oid              owner = relation_owner(statement->relation);
	MemoryContext    caller = CurrentMemoryContext;
	MemoryContext    ours = AllocSetContextCreate(caller, "teamrbac purge", ALLOCSET_DEFAULT_SIZES);
	OwnerSwitch      before = begin_as_owner(owner);
	Tuplestorestate *store = NULL;
	Query           *query;
	uint64           nrows;

	MemoryContextSwitchTo(ours);
	CommandCounterIncrement();
	PushCopiedSnapshot(GetLatestSnapshot());
	query = analyze(statement, owner);
	if (values != NULL)
		store = tuplestore_begin_heap(false, false, work_mem);
	/* The planner scribbles on the query. */
	nrows = execute(copyObject(query), statement, store);
	PopActiveSnapshot();
	CommandCounterIncrement();
	if (values != NULL)
	{
		*values = first_column(store, nrows, ExecCleanTypeFromTL(query->targetList), caller);
		tuplestore_end(store);
	}
	end_as_owner(&before);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(ours);
	return nrows;
}
