/*
 * query.c
 *	  SQL that the commands run.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/tstoreReceiver.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "tcop/dest.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/plancache.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "store/catalog.h"
#include "compat.h"
#include "store/query.h"

/* How many of our statements are running, one inside the other. */
static int depth = 0;

/* A statement that may change the audit has begun, and no trigger has asked. */
static bool changing_audit = false;

bool
query_may_change_audit(void)
{
	bool result = changing_audit;

	changing_audit = false;
	return result;
}

bool
query_is_ours(void)
{
	return depth > 0;
}

/*
 * require_our_path: the statements' operators are not qualified, so a caller's search_path must not reach them.
 * Each of our functions that runs one sets the path in its definition; this finds one that forgot.
 */
static void
require_our_path(void)
{
	if (strcmp(namespace_search_path, QUERY_SEARCH_PATH) != 0)
		elog(ERROR, "a statement of teamrbac's runs under search_path \"%s\"",
		     namespace_search_path);
}

/*
 * require_one_statement: a query is one statement that reads, changes or locks rows, so that whatever slipped into its
 * text could neither add another one nor define anything.
 */
static void
require_one_statement(SavedQuery *query)
{
	List *sources = SPI_plan_get_plan_sources(query->plan);
	Node *statement = NULL;

	if (list_length(sources) == 1)
		statement = ((CachedPlanSource *) linitial(sources))->raw_parse_tree->stmt;
	if (statement != NULL &&
	    (IsA(statement, InsertStmt) || IsA(statement, UpdateStmt) || IsA(statement, DeleteStmt) ||
	     IsA(statement, LockStmt) ||
	     (IsA(statement, SelectStmt) && ((SelectStmt *) statement)->intoClause == NULL)))
		return;
	elog(ERROR, "not a statement that teamrbac runs: %s", query->sql);
}

/* require_tables_of refuses a statement that names, by a rule perhaps, a table of somebody else's. */
static void
require_tables_of(SavedQuery *query)
{
	CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(query->plan));
	ListCell         *cell;

	foreach(cell, source->relationOids)
	{
		Oid relation = lfirst_oid(cell);

		if (catalog_relation_owner(relation) != query->tables_of)
			ereport(ERROR,
			        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			         errmsg("table \"%s\" does not belong to role \"%s\"", get_rel_name(relation),
			                GetUserNameFromId(query->tables_of, true)),
			         errdetail("Its owner's code would run with the rights of that role.")));
	}
}

/* prepare plans the query, once a session; a catalogue of another version than ours might mislead it. */
static void
prepare(SavedQuery *query)
{
	require_our_path();
	if (!query->anywhere)
		catalog_require_version();
	if (query->plan != NULL)
		return;
	query->plan = SPI_prepare(query->sql, query->nargs, query->argtypes);
	if (query->plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	require_one_statement(query);
	if (OidIsValid(query->tables_of))
		require_tables_of(query);
	if (!query->once)
		SPI_keepplan(query->plan);
}

/* execute runs the query within an SPI connection. */
static void
execute(SavedQuery *query, Datum *args, const char *nulls)
{
	int result;

	prepare(query);
	depth++;
	changing_audit = query->changes_audit;
	PG_TRY();
	{
		result = SPI_execute_snapshot(query->plan, args, nulls, GetLatestSnapshot(),
		                              InvalidSnapshot, false, true, 0);
	}
	PG_FINALLY();
	{
		depth--;
		changing_audit = false;
	}
	PG_END_TRY();
	if (result < 0)
		elog(ERROR, "SPI_execute_snapshot failed: %s", SPI_result_code_string(result));
}

uint64
query_execute(SavedQuery *query, Datum *args, const char *nulls)
{
	uint64 nrows;

	SPI_connect();
	execute(query, args, nulls);
	nrows = SPI_processed;
	SPI_finish();
	CommandCounterIncrement();
	return nrows;
}

uint64
query_execute_as(Oid role, SavedQuery *query, Datum *args, const char *nulls)
{
	int    outer_depth = depth;
	int    settings = NewGUCNestLevel();
	Oid    user;
	int    context;
	uint64 nrows;

	/* An error's clean-up puts all but the depth back. */
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(role, context | SECURITY_LOCAL_USERID_CHANGE |
	                                 SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	/* Not zero, since query_execute counts itself. */
	depth = -1;
	query->tables_of = role;
	PG_TRY();
	{
		nrows = query_execute(query, args, nulls);
	}
	PG_FINALLY();
	{
		depth = outer_depth;
	}
	PG_END_TRY();
	SetUserIdAndSecContext(user, context);
	AtEOXact_GUC(false, settings);
	return nrows;
}

/* copy_row copies the first columns of a row that SPI has found into a memory context. */
static void
copy_row(uint64 row, MemoryContext context, int ncolumns, Datum *values, bool *isnull)
{
	MemoryContext caller = MemoryContextSwitchTo(context);

	for (int i = 0; i < ncolumns; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(SPI_tuptable->tupdesc, i);

		values[i] =
			SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, i + 1, &isnull[i]);
		if (!isnull[i])
			values[i] = datumCopy(values[i], attribute->attbyval, attribute->attlen);
	}
	MemoryContextSwitchTo(caller);
}

bool
query_row(SavedQuery *query, Datum *args, const char *nulls, int ncolumns, Datum *values,
          bool *isnull)
{
	MemoryContext caller = CurrentMemoryContext;
	bool          found;

	SPI_connect();
	execute(query, args, nulls);
	found = SPI_processed > 0;
	if (found)
		copy_row(0, caller, ncolumns, values, isnull);
	SPI_finish();
	CommandCounterIncrement();
	return found;
}

uint64
query_rows(SavedQuery *query, Datum *args, const char *nulls, int ncolumns, Datum **values,
           bool **isnull)
{
	MemoryContext caller = CurrentMemoryContext;
	uint64        nrows;

	SPI_connect();
	execute(query, args, nulls);
	nrows = SPI_processed;
	*values = MemoryContextAllocHuge(caller, (nrows * ncolumns + 1) * sizeof(Datum));
	*isnull = MemoryContextAllocHuge(caller, (nrows * ncolumns + 1) * sizeof(bool));
	for (uint64 i = 0; i < nrows; i++)
		copy_row(i, caller, ncolumns, *values + i * ncolumns, *isnull + i * ncolumns);
	SPI_finish();
	CommandCounterIncrement();
	return nrows;
}

/* return_rows makes what SPI has found the result of a set-returning function, and ends the connection. */
static void
return_rows(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	SPI_finish();
}

/* params_of makes a list of parameters of the arguments. */
static ParamListInfo
params_of(const SavedQuery *query, const Datum *args, const char *nulls)
{
	ParamListInfo params = makeParamList(query->nargs);

	for (int i = 0; i < query->nargs; i++)
	{
		params->params[i].value = args[i];
		params->params[i].isnull = nulls != NULL && nulls[i] == 'n';
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = query->argtypes[i];
	}
	return params;
}

void
query_return_set(FunctionCallInfo fcinfo, SavedQuery *query, Datum *args, const char *nulls)
{
	ReturnSetInfo    *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SPIExecuteOptions options = {.read_only = true};

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	prepare(query);
	/* Straight into the result, which goes to disk when it is large. */
	options.params = params_of(query, args, nulls);
	options.dest = CreateDestReceiver(DestTuplestore);
	SetTuplestoreDestReceiverParams(options.dest, result->setResult,
	                                result->econtext->ecxt_per_query_memory, false, NULL, NULL);
	if (SPI_execute_plan_extended(query->plan, &options) != SPI_OK_SELECT)
		elog(ERROR, "not a query: %s", query->sql);
	options.dest->rDestroy(options.dest);
	SPI_finish();
}

void
query_return_changed(FunctionCallInfo fcinfo, SavedQuery *query, Datum *args, const char *nulls)
{
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	execute(query, args, nulls);
	return_rows(fcinfo);
	CommandCounterIncrement();
}
