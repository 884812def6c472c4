/*
 * purge.c
 *	  The end of deleted tenants: their rows go, a batch in a transaction, the application's included where its
 *	  foreign keys say ON DELETE CASCADE.
 *
 * The cascade itself would do it all in one transaction, however many rows that takes.  So the rows go first, by
 * the plan of teamrbac.purge_plan, those that refer before those that are referred to, and the tenant's row
 * last.  As with a cascade, each table's rows are deleted with the rights of the table's owner: a trigger of
 * theirs must not run with ours, neither now nor at commit.  Nor do we as much as read a table with our rights:
 * the planner evaluates what its indexes are made of.  And the tenant's row goes without a cascade, whose
 * triggers that fire once a statement would be ours, rows or none.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "record/audit.h"
#include "compat.h"
#include "store/query.h"
#include "store/settings.h"
#include "authority/team.h"

PG_FUNCTION_INFO_V1(teamrbac_next_tenant_to_purge);
PG_FUNCTION_INFO_V1(teamrbac_purge_tenant_batch);
PG_FUNCTION_INFO_V1(teamrbac_purge_mail_batch);

/* As long as somebody may still ask what became of a mail. */
#define MAIL_RETENTION_DAYS 30

/* The tenant, locked. */
typedef struct DoomedTenant
{
	pg_uuid_t id;
	char     *name;
	char     *slug; /* or NULL */
	bool      began;
} DoomedTenant;

/* A table with rows of tenants: a row of teamrbac.purge_plan. */
typedef struct PurgeStep
{
	Oid   relation;
	char *name;
	char *row;       /* the alias of the rows in question */
	char *condition; /* that they are the tenant's, whose id is $1, and slug $2 */
	char *leaves;    /* that no other row refers to them; NULL: the order sees to that */
	bool  cascades;  /* they go with the tenant; if not, they keep it */
} PurgeStep;

static int
read_plan(PurgeStep **steps)
{
	static SavedQuery select = {
		.sql =
			"SELECT relation, name, row_name, condition, leaves, cascades FROM teamrbac.purge_plan()",
	};
	Datum *values;
	bool  *nulls;
	int    nsteps = (int) query_rows(&select, NULL, NULL, 6, &values, &nulls);

	*steps = palloc0((nsteps + 1) * sizeof(PurgeStep));
	for (int i = 0; i < nsteps; i++)
	{
		Datum     *value = values + 6 * i;
		PurgeStep *step = *steps + i;

		step->relation = DatumGetObjectId(value[0]);
		step->name = TextDatumGetCString(value[1]);
		step->row = TextDatumGetCString(value[2]);
		step->condition = TextDatumGetCString(value[3]);
		step->leaves = nulls[6 * i + 4] ? NULL : TextDatumGetCString(value[4]);
		step->cascades = DatumGetBool(value[5]);
	}
	return nsteps;
}

/* ---- which tenant ------------------------------------------------------------------------------------ */

/* deleted_before returns the time of deletion up to which tenants are past retention. */
static TimestampTz
deleted_before(void)
{
	return GetCurrentTimestamp() - setting_duration(SETTING_DELETED_TENANT_RETENTION);
}

/*
 * next_tenant_to_purge(after): the tenant past its retention that comes next after this one; NULL begins, and
 * ends.
 */
Datum
teamrbac_next_tenant_to_purge(PG_FUNCTION_ARGS)
{
	static SavedQuery select = {
		.sql = "SELECT tenant_id FROM teamrbac.tenant"
			   " WHERE deleted_at IS NOT NULL AND ($1 IS NULL OR tenant_id > $1)"
			   " AND (deleted_at <= $2 OR purge_began_at IS NOT NULL)"
			   " ORDER BY tenant_id LIMIT 1",
		.nargs = 2,
		.argtypes = {UUIDOID, TIMESTAMPTZOID},
	};
	Datum args[] = {PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0),
	                TimestampTzGetDatum(deleted_before())};
	Datum tenant;
	bool  isnull;

	if (!query_row(&select, args, PG_ARGISNULL(0) ? "n " : NULL, 1, &tenant, &isnull))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(tenant);
}

/* lock_tenant_to_purge locks a tenant's row, unless somebody else has, or has restored it. */
static bool
lock_tenant_to_purge(DoomedTenant *tenant)
{
	static SavedQuery lock = {
		.sql = "SELECT name, slug, purge_began_at FROM teamrbac.tenant"
			   " WHERE tenant_id = $1 AND deleted_at IS NOT NULL"
			   " AND (deleted_at <= $2 OR purge_began_at IS NOT NULL)"
			   " FOR NO KEY UPDATE SKIP LOCKED",
		.nargs = 2,
		.argtypes = {UUIDOID, TIMESTAMPTZOID},
	};
	Datum args[] = {UUIDPGetDatum(&tenant->id), TimestampTzGetDatum(deleted_before())};
	Datum values[3];
	bool  nulls[3];

	if (!query_row(&lock, args, NULL, 3, values, nulls))
		return false;
	tenant->name = TextDatumGetCString(values[0]);
	tenant->slug = nulls[1] ? NULL : TextDatumGetCString(values[1]);
	tenant->began = !nulls[2];
	return true;
}

/* lock_tenant_key keeps out whoever would refer to the tenant; false if somebody is about to. */
static bool
lock_tenant_key(const DoomedTenant *tenant)
{
	static SavedQuery lock = {
		.sql = "SELECT FROM teamrbac.tenant WHERE tenant_id = $1"
			   " FOR UPDATE SKIP LOCKED",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};

	return query_execute(&lock, (Datum[]){UUIDPGetDatum(&tenant->id)}, NULL) > 0;
}

/* ---- the application's rows -------------------------------------------------------------------------- */

static Oid
relation_owner(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid       owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relation);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * query_as_owner runs a statement on a table's rows of the tenant ($1, its slug $2) with the rights of the
 * table's owner, as a cascade does.  Nothing of the owner's can put off to the commit what would then run with
 * ours.  A reader must see all rows or fail, whatever policies other tables have.
 */
static uint64
query_as_owner(Oid relation, char *sql, bool reads, const DoomedTenant *tenant, Oid argtype,
               Datum arg, Datum **values)
{
	SavedQuery query = {
		.sql = sql,
		.nargs = OidIsValid(argtype) ? 3 : 2,
		.argtypes = {UUIDOID, TEXTOID, argtype},
		.once = true,
	};
	Datum  args[] = {UUIDPGetDatum(&tenant->id),
                    tenant->slug != NULL ? CStringGetTextDatum(tenant->slug) : (Datum) 0, arg};
	char   nulls[] = {' ', tenant->slug != NULL ? ' ' : 'n', ' '};
	Oid    user;
	int    context;
	int    settings = NewGUCNestLevel();
	bool  *isnull;
	uint64 nrows;

	/* An error's clean-up puts these back. */
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(relation_owner(relation), context | SECURITY_LOCAL_USERID_CHANGE |
	                                                     SECURITY_NOFORCE_RLS |
	                                                     SECURITY_RESTRICTED_OPERATION);
	if (reads)
		(void) set_config_option("row_security", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
		                         true, 0, false);
	nrows = values != NULL ? query_rows(&query, args, nulls, 1, values, &isnull)
	                       : query_execute(&query, args, nulls);
	SetUserIdAndSecContext(user, context);
	AtEOXact_GUC(false, settings);
	return nrows;
}

/* refuse_reference raises 23503 if rows of a table keep the tenant. */
static void
refuse_reference(Oid relation, const char *name, const char *rows, const char *condition,
                 const DoomedTenant *tenant)
{
	char *sql = psprintf("SELECT FROM %s WHERE %s LIMIT 1", rows, condition);

	if (query_as_owner(relation, sql, true, tenant, InvalidOid, (Datum) 0, NULL) > 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
		     errmsg("rows of table %s refer to the tenant or its rows", name),
		     errhint(
				 "Delete them, or declare the foreign key with ON DELETE CASCADE or SET NULL.")));
}

static uint64
find_rows(const PurgeStep *step, bool leaves, const DoomedTenant *tenant, int limit, Datum **ctids)
{
	char *sql = psprintf("SELECT %s.ctid FROM ONLY %s AS %s WHERE %s%s%s LIMIT $3 FOR UPDATE OF %s",
	                     step->row, step->name, step->row, step->condition, leaves ? " AND " : "",
	                     leaves ? step->leaves : "", step->row);

	return query_as_owner(step->relation, sql, true, tenant, INT4OID, Int32GetDatum(limit), ctids);
}

/* no_deferred_triggers has them fire as soon as others, where an error concerns this tenant only. */
static void
no_deferred_triggers(void)
{
	ConstraintsSetStmt *stmt = makeNode(ConstraintsSetStmt);

	stmt->deferred = false;
	AfterTriggerSetState(stmt);
}

/* delete_rows deletes locked rows. */
static uint64
delete_rows(const PurgeStep *step, const DoomedTenant *tenant, Datum *ctids, uint64 nrows)
{
	ArrayType *array =
		construct_array(ctids, (int) nrows, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT);
	char *sql = psprintf("DELETE FROM ONLY %s WHERE ctid = ANY ($3)", step->name);

	return query_as_owner(step->relation, sql, false, tenant, TIDARRAYOID, PointerGetDatum(array),
	                      NULL);
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
		ereport(ERROR, (errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
		                errmsg("rows of table %s were not deleted", step->name),
		                errhint("Most likely a trigger or a rule of the table prevents it.")));
	return ndeleted;
}

/*
 * purge_rows deletes up to batch_size rows of the tenant in all tables, and says how many.
 *
 * Rows that no other refers to go first, since a cascade knows no limit.  Where rows refer to each other in a
 * circle there may be none such left: then the cascade takes its way, from the top.
 */
static uint64
purge_rows(const DoomedTenant *tenant, int batch_size)
{
	PurgeStep *steps;
	int        nsteps = read_plan(&steps);
	uint64     ndeleted = 0;

	for (int i = 0; i < nsteps; i++)
	{
		if (!steps[i].cascades)
			refuse_reference(steps[i].relation, steps[i].name,
			                 psprintf("%s AS %s", steps[i].name, steps[i].row), steps[i].condition,
			                 tenant);
	}
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

/* ---- the tenant ------------------------------------------------------------------------------------- */

static void
mark_purge_begun(const DoomedTenant *tenant)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.tenant SET purge_began_at = pg_catalog.clock_timestamp()"
			   " WHERE tenant_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};

	query_execute(&update, (Datum[]){UUIDPGetDatum(&tenant->id)}, NULL);
}

/* end_references does what foreign keys to the tenant say with SET NULL and SET DEFAULT; then none may be left. */
static void
end_references(const DoomedTenant *tenant)
{
	static SavedQuery select = {
		.sql =
			"SELECT relation, name, target, condition, assignments FROM teamrbac.purge_references()",
	};
	Datum *values;
	bool  *nulls;
	int    nreferences = (int) query_rows(&select, NULL, NULL, 5, &values, &nulls);

	for (int i = 0; i < nreferences; i++)
	{
		Datum *value = values + 5 * i;
		Oid    relation = DatumGetObjectId(value[0]);
		char  *name = TextDatumGetCString(value[1]);
		char  *rows = psprintf("%s AS t1", TextDatumGetCString(value[2]));
		char  *condition = TextDatumGetCString(value[3]);

		if (!nulls[5 * i + 4])
			query_as_owner(relation,
			               psprintf("UPDATE %s SET %s WHERE %s", rows,
			                        TextDatumGetCString(value[4]), condition),
			               false, tenant, InvalidOid, (Datum) 0, NULL);
		refuse_reference(relation, name, rows, condition, tenant);
	}
}

/* delete_tenant_row deletes the tenant's row, to which nothing refers, past the triggers that would cascade. */
static void
delete_tenant_row(const DoomedTenant *tenant)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.tenant WHERE tenant_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	int settings = NewGUCNestLevel();

	(void) set_config_option("session_replication_role", "replica", PGC_SUSET, PGC_S_SESSION,
	                         GUC_ACTION_SAVE, true, 0, false);
	query_execute(&delete, (Datum[]){UUIDPGetDatum(&tenant->id)}, NULL);
	AtEOXact_GUC(false, settings);
}

/*
 * purge_tenant_batch(tenant_id, batch_size): deletes up to batch_size rows of a tenant past its retention, and at
 * last the tenant.  Returns whether there is more to do.
 */
Datum
teamrbac_purge_tenant_batch(PG_FUNCTION_ARGS)
{
	DoomedTenant tenant = {.id = uuid_arg(fcinfo, 0, "tenant_id")};
	int          batch_size = batch_size_arg(fcinfo, 1);

	if (!lock_tenant_to_purge(&tenant))
		PG_RETURN_BOOL(false);

	no_deferred_triggers();
	if (!tenant.began)
		mark_purge_begun(&tenant);
	if (purge_rows(&tenant, batch_size) > 0)
		PG_RETURN_BOOL(true);
	/* What has come in until now is for the next batch. */
	if (!lock_tenant_key(&tenant))
		PG_RETURN_BOOL(false);
	if (purge_rows(&tenant, batch_size) > 0)
		PG_RETURN_BOOL(true);
	end_references(&tenant);
	delete_tenant_row(&tenant);

	audit_tenant_by_dba(&tenant.id, "tenant.purged", audit_subject("tenant", &tenant.id),
	                    audit_fields("name", tenant.name, NULL), NULL);
	PG_RETURN_BOOL(false);
}

/* ---- mail ------------------------------------------------------------------------------------------- */

/* purge_mail_batch(batch_size): deletes old mail that is no longer to be sent, and says how many. */
Datum
teamrbac_purge_mail_batch(PG_FUNCTION_ARGS)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.outbox WHERE ROW(tenant_id, mail_id) = ANY ("
			   "SELECT o.tenant_id, o.mail_id FROM teamrbac.outbox AS o"
			   " WHERE o.next_attempt_at IS NULL AND o.created_at <= $1"
			   " ORDER BY o.created_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
		.nargs = 2,
		.argtypes = {TIMESTAMPTZOID, INT4OID},
	};
	int         batch_size = batch_size_arg(fcinfo, 0);
	TimestampTz before = GetCurrentTimestamp() - MAIL_RETENTION_DAYS * USECS_PER_DAY;

	PG_RETURN_INT64(query_execute(
		&delete, (Datum[]){TimestampTzGetDatum(before), Int32GetDatum(batch_size)}, NULL));
}
