/*
 * purge_rows.c
 *	  The rows of a tenant that is being purged, the application's included where its foreign keys say ON DELETE
 *	  CASCADE.
 *
 * They go by the plan of teamrbac.purge_plan, those that refer before those that are referred to.  Each table is
 * read and changed as its owner.  What the server itself would do behind a deletion it does as the owner of the
 * table that refers, but for the triggers of that table, which fire as whoever deleted the row referred to: so
 * where another role's table is behind, nothing is deleted of the tenant's (see require_no_strangers).  Behind our
 * own tables there may be any role's, since any table may refer to the tenant: their rows go first, and ours
 * without triggers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/itemptr.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "job/as_owner.h"
#include "job/purge_rows.h"
#include "store/catalog.h"
#include "store/query.h"
#include "store/reason.h"

/* A table with rows of tenants: a row of teamrbac.purge_plan. */
typedef struct PurgeStep
{
	Oid   relation;
	char *name;
	char *row;       /* the alias of the rows in question */
	char *condition; /* that they are the tenant's, whose id is $1, and slug $2 */
	char *leaves;    /* that no other row refers to them; NULL: the order sees to that */
	bool  cascades;  /* they go with the tenant; if not, they keep it */
	bool  ours;
} PurgeStep;

static int
read_plan(PurgeStep **steps)
{
	static SavedQuery select = {
		.sql = "SELECT relation, name, row_name, condition, leaves, cascades, ours"
			   " FROM teamrbac.purge_plan()",
	};
	Datum *values;
	bool  *nulls;
	int    nsteps = (int) query_rows(&select, NULL, NULL, 7, &values, &nulls);

	*steps = palloc0((nsteps + 1) * sizeof(PurgeStep));
	for (int i = 0; i < nsteps; i++)
	{
		Datum     *value = values + 7 * i;
		PurgeStep *step = *steps + i;

		step->relation = DatumGetObjectId(value[0]);
		step->name = TextDatumGetCString(value[1]);
		step->row = TextDatumGetCString(value[2]);
		step->condition = TextDatumGetCString(value[3]);
		step->leaves = nulls[7 * i + 4] ? NULL : TextDatumGetCString(value[4]);
		step->cascades = DatumGetBool(value[5]);
		step->ours = DatumGetBool(value[6]);
	}
	return nsteps;
}

/* ---- what stands behind a table ----------------------------------------------------------------------- */

static int
tables_behind(ArrayType *relations, bool deletes, Datum **values, bool **nulls)
{
	static SavedQuery select = {
		.sql = "SELECT relation, owner, behind, behind_owner FROM teamrbac.purge_reach($1, $2)",
		.nargs = 2,
		.argtypes = {OIDARRAYOID, BOOLOID},
	};

	return (int) query_rows(&select, (Datum[]){PointerGetDatum(relations), BoolGetDatum(deletes)},
	                        NULL, 4, values, nulls);
}

/*
 * require_no_strangers makes sure that the foreign keys through which deletions from tables (or updates of them)
 * go on to others reach tables of the same role only.  The locks keep it so until the transaction ends: what
 * makes a foreign key or gives a table away waits for them.  For code that runs within the transaction, it is
 * asked anew before each statement.
 */
static void
require_no_strangers(const Oid *relations, int nrelations, bool deletes)
{
	Datum     *oids = palloc((nrelations + 1) * sizeof(Datum));
	ArrayType *array;
	Datum     *values;
	bool      *nulls;
	int        nrows;

	for (int i = 0; i < nrelations; i++)
	{
		LockRelationOid(relations[i], RowExclusiveLock);
		oids[i] = ObjectIdGetDatum(relations[i]);
	}
	array = construct_array(oids, nrelations, OIDOID, sizeof(Oid), true, TYPALIGN_INT);
	nrows = tables_behind(array, deletes, &values, &nulls);
	for (int i = 0; i < nrows; i++)
		LockRelationOid(DatumGetObjectId(values[4 * i + 2]), RowExclusiveLock);
	nrows = tables_behind(array, deletes, &values, &nulls);
	for (int i = 0; i < nrows; i++)
	{
		Oid owner = DatumGetObjectId(values[4 * i + 1]);
		Oid behind_owner = DatumGetObjectId(values[4 * i + 3]);

		if (owner == behind_owner)
			continue;
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errreason("purge_owner_differs"),
		         errmsg("table %s stands behind table %s and belongs to another role",
		                table_name(DatumGetObjectId(values[4 * i + 2])),
		                table_name(DatumGetObjectId(values[4 * i]))),
		         errdetail("They belong to roles \"%s\" and \"%s\".",
		                   GetUserNameFromId(behind_owner, false), GetUserNameFromId(owner, false)),
		         errhint("Give both the same owner, or let the one refer to teamrbac.tenant itself "
		                 "ON DELETE CASCADE, and to the other without ON DELETE.")));
	}
}

/* ---- statements -------------------------------------------------------------------------------------- */

/*
 * run runs a statement on a table's rows of the tenant ($1, its slug $2), with one more argument.  On a table of
 * ours the statement counts as ours, and names no table but ours.
 */
static uint64
run(Oid relation, bool ours, const char *sql, const DoomedTenant *tenant, Oid argtype, Datum arg,
    Datum **values)
{
	OwnerStatement statement = {
		.relation = relation,
		.sql = sql,
		.nargs = OidIsValid(argtype) ? 3 : 2,
		.argtypes = {UUIDOID, TEXTOID, argtype},
		.args = {UUIDPGetDatum(&tenant->id),
	             tenant->slug != NULL ? CStringGetTextDatum(tenant->slug) : (Datum) 0, arg},
		.isnull = {false, tenant->slug == NULL, false},
	};
	SavedQuery query = {
		.sql = sql,
		.nargs = statement.nargs,
		.argtypes = {UUIDOID, TEXTOID, argtype},
		.once = true,
	};
	char        nulls[] = {' ', tenant->slug != NULL ? ' ' : 'n', ' '};
	OwnerSwitch before;
	bool       *isnull;
	uint64      nrows;

	if (!ours)
		return run_as_owner(&statement, values);
	before = begin_as_owner(relation_owner(relation));
	nrows = values != NULL ? query_rows(&query, statement.args, nulls, 1, values, &isnull)
	                       : query_execute(&query, statement.args, nulls);
	end_as_owner(&before);
	return nrows;
}

/* require_no_reference raises 23503 if rows of a table keep the tenant. */
static void
require_no_reference(Oid relation, bool ours, const char *name, const char *rows,
                     const char *condition, const DoomedTenant *tenant)
{
	char *sql = psprintf("SELECT FROM %s WHERE %s LIMIT 1", rows, condition);

	if (run(relation, ours, sql, tenant, InvalidOid, (Datum) 0, NULL) > 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION), errreason("still_referenced"),
		     errmsg("rows of table %s refer to the tenant or its rows", name),
		     errhint(
				 "Delete them, or declare the foreign key with ON DELETE CASCADE or SET NULL.")));
}

/*
 * end_references does what foreign keys to a table of ours say with SET NULL and SET DEFAULT, for all rows of the
 * tenant; then none may be left, of whatever kind.
 */
static void
end_references(Oid parent, const DoomedTenant *tenant)
{
	static SavedQuery select = {
		.sql = "SELECT relation, name, target, condition, assignments, ours"
			   " FROM teamrbac.purge_references($1)",
		.nargs = 1,
		.argtypes = {OIDOID},
	};
	Datum *values;
	bool  *nulls;
	int    nreferences =
		(int) query_rows(&select, (Datum[]){ObjectIdGetDatum(parent)}, NULL, 6, &values, &nulls);

	for (int i = 0; i < nreferences; i++)
	{
		Datum *value = values + 6 * i;
		Oid    relation = DatumGetObjectId(value[0]);
		char  *name = TextDatumGetCString(value[1]);
		char  *rows = psprintf("%s AS t1", TextDatumGetCString(value[2]));
		char  *condition;
		bool   ours = DatumGetBool(value[5]);

		if (nulls[6 * i + 3])
			ereport(ERROR,
			        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			         errreason("foreign_key_without_tenant"),
			         errmsg("a foreign key of table %s names rows of a tenant without it", name),
			         errhint("Let the foreign key include the tenant_id of the table that it "
			                 "refers to.")));
		condition = TextDatumGetCString(value[3]);
		if (!nulls[6 * i + 4])
		{
			if (!ours)
				require_no_strangers(&relation, 1, false);
			run(relation, ours,
			    psprintf("UPDATE %s SET %s WHERE %s", rows, TextDatumGetCString(value[4]),
			             condition),
			    tenant, InvalidOid, (Datum) 0, NULL);
		}
		require_no_reference(relation, ours, name, rows, condition, tenant);
	}
}

/* without_triggers runs a statement on a table of ours past the triggers that would cascade. */
static uint64
without_triggers(Oid relation, const char *sql, const DoomedTenant *tenant, Oid argtype, Datum arg)
{
	int    settings = NewGUCNestLevel();
	uint64 nrows;

	(void) set_config_option("session_replication_role", "replica", PGC_SUSET, PGC_S_SESSION,
	                         GUC_ACTION_SAVE, true, 0, false);
	nrows = run(relation, true, sql, tenant, argtype, arg, NULL);
	AtEOXact_GUC(false, settings);
	return nrows;
}

/* ---- rows -------------------------------------------------------------------------------------------- */

static uint64
find_rows(const PurgeStep *step, bool leaves, const DoomedTenant *tenant, int limit, Datum **ctids)
{
	char *sql = psprintf("SELECT %s.ctid FROM ONLY %s AS %s WHERE %s%s%s LIMIT $3 FOR UPDATE OF %s",
	                     step->row, step->name, step->row, step->condition, leaves ? " AND " : "",
	                     leaves ? step->leaves : "", step->row);

	return run(step->relation, step->ours, sql, tenant, INT4OID, Int32GetDatum(limit), ctids);
}

/* delete_rows deletes locked rows. */
static uint64
delete_rows(const PurgeStep *step, const DoomedTenant *tenant, Datum *ctids, uint64 nrows)
{
	ArrayType *array =
		construct_array(ctids, (int) nrows, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT);
	char *sql = psprintf("DELETE FROM ONLY %s WHERE ctid = ANY ($3)", step->name);

	if (step->ours)
	{
		end_references(step->relation, tenant);
		return without_triggers(step->relation, sql, tenant, TIDARRAYOID, PointerGetDatum(array));
	}
	require_no_strangers(&step->relation, 1, true);
	return run(step->relation, false, sql, tenant, TIDARRAYOID, PointerGetDatum(array), NULL);
}

/* purge_table deletes up to limit of the tenant's rows in a table. */
static uint64
purge_table(const PurgeStep *step, bool leaves, const DoomedTenant *tenant, int limit)
{
	Datum *ctids;
	uint64 nrows = find_rows(step, leaves, tenant, limit, &ctids);
	uint64 ndeleted;

	if (nrows == 0)
		return 0;
	ndeleted = delete_rows(step, tenant, ctids, nrows);
	if (ndeleted == 0)
		ereport(ERROR,
		        (errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION), errreason("rows_not_deleted"),
		         errmsg("rows of table %s were not deleted", step->name),
		         errhint("Most likely a trigger of the table prevents it.")));
	return ndeleted;
}

/* require_way makes sure of all tables, before anything goes, that nothing will stand in the way. */
static void
require_way(const PurgeStep *steps, int nsteps, const DoomedTenant *tenant)
{
	Oid *relations = palloc((nsteps + 1) * sizeof(Oid));
	int  nrelations = 0;

	for (int i = 0; i < nsteps; i++)
	{
		if (steps[i].cascades && !steps[i].ours)
			relations[nrelations++] = steps[i].relation;
	}
	require_no_strangers(relations, nrelations, true);
	for (int i = 0; i < nsteps; i++)
	{
		const PurgeStep *step = &steps[i];

		if (!step->cascades)
			require_no_reference(step->relation, step->ours, step->name,
			                     psprintf("%s AS %s", step->name, step->row), step->condition,
			                     tenant);
	}
}

/*
 * Rows that no other refers to go first, since a cascade knows no limit.  Where rows refer to each other in a
 * circle there may be none such left: then the cascade takes its way, from the top.
 */
uint64
purge_rows(const DoomedTenant *tenant, int batch_size)
{
	PurgeStep *steps;
	int        nsteps = read_plan(&steps);
	uint64     ndeleted = 0;

	require_way(steps, nsteps, tenant);
	for (int i = 0; i < nsteps && ndeleted < batch_size; i++)
	{
		if (steps[i].cascades)
			ndeleted += purge_table(&steps[i], steps[i].leaves != NULL, tenant,
			                        batch_size - (int) ndeleted);
	}
	for (int i = nsteps - 1; i >= 0 && ndeleted == 0; i--)
	{
		if (steps[i].cascades && steps[i].leaves != NULL)
			ndeleted += purge_table(&steps[i], false, tenant, batch_size);
	}
	return ndeleted;
}

void
purge_tenant_row(const DoomedTenant *tenant)
{
	Oid relation = catalog_table_oid(CATALOG_TENANT);

	end_references(relation, tenant);
	(void) without_triggers(relation, "DELETE FROM teamrbac.tenant WHERE tenant_id = $1", tenant,
	                        InvalidOid, (Datum) 0);
}
