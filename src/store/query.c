/*
 * query.c
 *	  SQL that the commands run.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "funcapi.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"

#include "store/catalog.h"
#include "compat.h"
#include "store/query.h"

/* How many of our statements are running, one inside the other. */
static int depth = 0;

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
	PG_TRY();
	{
		result = SPI_execute_snapshot(query->plan, args, nulls, GetLatestSnapshot(),
		                              InvalidSnapshot, false, true, 0);
	}
	PG_FINALLY();
	{
		depth--;
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

void
query_return_set(FunctionCallInfo fcinfo, SavedQuery *query, Datum *args, const char *nulls)
{
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	prepare(query);
	if (SPI_execute_plan(query->plan, args, nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "not a query: %s", query->sql);
	return_rows(fcinfo);
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
