/*
 * dependents.c
 *	  What becomes of the rows of others that refer to a row of ours when it goes.
 *
 * Left to the server, ON DELETE CASCADE and SET NULL would be done as the owner of the referring table, but the
 * triggers that fire after that belong to our statement, and would run with our rights.  So where there are such
 * foreign keys, the row goes without the server's triggers, and then each key's table is changed as its owner: rows that
 * refer to nothing can no longer be added meanwhile, as with the server's own way.  The checks of the other foreign keys
 * are made likewise: they too run code of the table's owner, which could leave some behind for the commit.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "store/catalog.h"
#include "store/dependents.h"
#include "store/reason.h"

/* A foreign key to a table of ours: a row of teamrbac.dependents. */
typedef struct Dependent
{
	char *constraint;
	char *relation;
	Oid   owner;
	char *statement; /* what ON DELETE says; NULL: that no row may refer */
	char *probe;
	int   ncolumns;
	int16 columns[QUERY_MAX_ARGS]; /* referred to, the statements' parameters */
} Dependent;

/* has_dependents tells whether tables of others refer to ours.  Its triggers tell, which the server remembers. */
static bool
has_dependents(Relation table)
{
	TriggerDesc *triggers = table->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger *trigger = &triggers->triggers[i];

		if (trigger->tgisinternal && RI_FKey_trigger_type(trigger->tgfoid) == RI_TRIGGER_PK &&
		    TRIGGER_FOR_DELETE(trigger->tgtype) &&
		    catalog_relation_owner(trigger->tgconstrrelid) != table->rd_rel->relowner)
			return true;
	}
	return false;
}

static void
read_columns(Dependent *dependent, Datum columns)
{
	ArrayType *array = DatumGetArrayTypeP(columns);

	dependent->ncolumns = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (dependent->ncolumns > QUERY_MAX_ARGS)
		elog(ERROR, "foreign key of %d columns", dependent->ncolumns);
	memcpy(dependent->columns, ARR_DATA_PTR(array), dependent->ncolumns * sizeof(int16));
}

static void
refuse_foreign_code(const Dependent *dependent, const char *table, const char *beyond)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("table_owner_differs"),
	     errmsg("foreign key \"%s\" of table %s reaches a table of another owner",
	            dependent->constraint, dependent->relation),
	     errdetail("Deleting a row of teamrbac.%s would change table %s as well, whose triggers "
	               "would run with the rights of the owner of %s.",
	               table, beyond, dependent->relation),
	     errhint("Let one role own both tables, or declare one of the foreign keys without "
	             "CASCADE, SET NULL and SET DEFAULT.")));
}

static int
read_dependents(Relation table, Dependent **dependents)
{
	static SavedQuery select = {
		.sql = "SELECT \"constraint\", relation, owner, statement, probe, columns, obstacle"
			   " FROM teamrbac.dependents($1::pg_catalog.regclass)",
		.nargs = 1,
		.argtypes = {OIDOID},
	};
	Datum *values;
	bool  *nulls;
	int    ndependents = (int) query_rows(
		   &select, (Datum[]){ObjectIdGetDatum(RelationGetRelid(table))}, NULL, 7, &values, &nulls);

	*dependents = palloc0((ndependents + 1) * sizeof(Dependent));
	for (int i = 0; i < ndependents; i++)
	{
		Datum     *value = values + 7 * i;
		Dependent *dependent = *dependents + i;

		dependent->constraint = TextDatumGetCString(value[0]);
		dependent->relation = TextDatumGetCString(value[1]);
		dependent->owner = DatumGetObjectId(value[2]);
		dependent->statement = nulls[7 * i + 3] ? NULL : TextDatumGetCString(value[3]);
		dependent->probe = TextDatumGetCString(value[4]);
		read_columns(dependent, value[5]);
		if (!nulls[7 * i + 6])
			refuse_foreign_code(dependent, RelationGetRelationName(table),
			                    TextDatumGetCString(value[6]));
	}
	return ndependents;
}

/*
 * no_deferred_triggers has deferred triggers fire at once, since a restricted operation may defer none.  Those that are
 * pending fire now, as they would have at commit: as the session's own user, not as ours.
 */
static void
no_deferred_triggers(void)
{
	ConstraintsSetStmt *stmt = makeNode(ConstraintsSetStmt);
	Oid                 user;
	int                 context;

	stmt->deferred = false;
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(GetOuterUserId(), context | SECURITY_LOCAL_USERID_CHANGE);
	AfterTriggerSetState(stmt);
	SetUserIdAndSecContext(user, context);
}

/* delete_alone runs the DELETE past the server's triggers; those that tell other sessions fire always. */
static uint64
delete_alone(SavedQuery *query, Datum *args, const char *nulls, Datum **rows)
{
	int    settings = NewGUCNestLevel();
	bool  *isnull;
	uint64 nrows;

	(void) set_config_option("session_replication_role", "replica", PGC_SUSET, PGC_S_SESSION,
	                         GUC_ACTION_SAVE, true, 0, false);
	nrows = query_rows(query, args, nulls, 1, rows, &isnull);
	AtEOXact_GUC(false, settings);
	return nrows;
}

/* run_on_key runs a statement as the dependent's owner, with the row's referenced columns as its parameters. */
static uint64
run_on_key(const Dependent *dependent, const char *sql, TupleDesc tupdesc, HeapTupleHeader row)
{
	SavedQuery query = {.sql = sql, .nargs = dependent->ncolumns, .once = true};
	Datum      args[QUERY_MAX_ARGS];

	for (int i = 0; i < dependent->ncolumns; i++)
	{
		bool isnull;

		args[i] = GetAttributeByNum(row, dependent->columns[i], &isnull);
		if (isnull)
			return 0;
		query.argtypes[i] =
			getBaseType(TupleDescAttr(tupdesc, dependent->columns[i] - 1)->atttypid);
	}
	return query_execute_as(dependent->owner, &query, args, NULL);
}

static void
end_dependent(const Dependent *dependent, Relation table, HeapTupleHeader row)
{
	TupleDesc tupdesc = RelationGetDescr(table);

	if (dependent->statement != NULL)
		(void) run_on_key(dependent, dependent->statement, tupdesc, row);
	if (run_on_key(dependent, dependent->probe, tupdesc, row) > 0)
		ereport(ERROR, (errcode(ERRCODE_FOREIGN_KEY_VIOLATION), errreason("still_referenced"),
		                errmsg("rows of table %s refer to the row of teamrbac.%s",
		                       dependent->relation, RelationGetRelationName(table)),
		                errdetail("They do by foreign key \"%s\".", dependent->constraint),
		                dependent->statement != NULL
		                    ? errhint("Most likely a trigger or a rule of the table keeps them.")
		                    : errhint("Delete them, or declare the foreign key with ON DELETE "
		                              "CASCADE or SET NULL.")));
}

/* delete_with_dependents deletes rows of ours, and then does what the foreign keys of others say. */
static uint64
delete_with_dependents(Relation table, SavedQuery *query, Datum *args, const char *nulls)
{
	Dependent *dependents;
	int        ndependents = read_dependents(table, &dependents);
	Datum     *rows;
	uint64     nrows = delete_alone(query, args, nulls, &rows);

	if (nrows > 0)
		no_deferred_triggers();
	for (uint64 i = 0; i < nrows; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < ndependents; j++)
			end_dependent(&dependents[j], table, DatumGetHeapTupleHeader(rows[i]));
	}
	return nrows;
}

uint64
query_delete(const char *table, SavedQuery *query, Datum *args, const char *nulls)
{
	Oid      oid = get_relname_relid(table, get_namespace_oid("teamrbac", false));
	Relation relation;
	uint64   ndeleted;

	/* The lock, which the DELETE would take, keeps new foreign keys out until the transaction ends. */
	relation = table_open(oid, RowExclusiveLock);
	if (has_dependents(relation))
		ndeleted = delete_with_dependents(relation, query, args, nulls);
	else
		ndeleted = query_execute(query, args, nulls);
	table_close(relation, NoLock);
	return ndeleted;
}
