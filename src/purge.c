/*
 * purge.c
 *	  The end of deleted tenants: their rows go, a batch in a transaction, the application's included where its
 *	  foreign keys say ON DELETE CASCADE.
 *
 * The cascade itself would do it all in one transaction, however many rows that takes.  So the rows go first, by
 * the plan of teamrbac.purge_plan, those that refer before those that are referred to, and the tenant's row
 * last; whatever has come in between is left to the cascade.  As with a cascade, each table's rows are deleted
 * with the rights of the table's owner: a trigger of theirs must not run with ours.
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
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "audit.h"
#include "compat.h"
#include "query.h"
#include "settings.h"
#include "team.h"

PG_FUNCTION_INFO_V1(teamrbac_next_tenant_to_purge);
PG_FUNCTION_INFO_V1(teamrbac_purge_tenant_batch);
PG_FUNCTION_INFO_V1(teamrbac_purge_mail_batch);

/* As long as somebody may still ask what became of a mail. */
#define MAIL_RETENTION_DAYS 30

/* A table with rows of tenants: a row of teamrbac.purge_plan. */
typedef struct PurgeStep
{
	Oid   relation;
	char *name;
	char *row;       /* the alias of the rows in question */
	char *condition; /* that they are the tenant's, $1 */
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
		.sql =
			"SELECT tenant_id FROM teamrbac.tenant"
			" WHERE deleted_at IS NOT NULL AND ($1 IS NULL OR tenant_id OPERATOR(pg_catalog.>) $1)"
			" AND (deleted_at OPERATOR(pg_catalog.<=) $2 OR purge_began_at IS NOT NULL)"
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
lock_tenant_to_purge(const pg_uuid_t *tenant, char **name, bool *began)
{
	static SavedQuery lock = {
		.sql = "SELECT name, purge_began_at FROM teamrbac.tenant"
			   " WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND deleted_at IS NOT NULL"
			   " AND (deleted_at OPERATOR(pg_catalog.<=) $2 OR purge_began_at IS NOT NULL)"
			   " FOR NO KEY UPDATE SKIP LOCKED",
		.nargs = 2,
		.argtypes = {UUIDOID, TIMESTAMPTZOID},
	};
	Datum values[2];
	bool  nulls[2];

	if (!query_row(&lock, (Datum[]){UUIDPGetDatum(tenant), TimestampTzGetDatum(deleted_before())},
	               NULL, 2, values, nulls))
		return false;
	*name = TextDatumGetCString(values[0]);
	*began = !nulls[1];
	return true;
}

/* ---- the application's rows -------------------------------------------------------------------------- */

/* refuse_reference raises 23503 if a table keeps the tenant: better before the first row has gone. */
static void
refuse_reference(const PurgeStep *step, const pg_uuid_t *tenant)
{
	SavedQuery exists = {
		.sql = psprintf("SELECT FROM %s AS %s WHERE %s LIMIT 1", step->name, step->row,
	                    step->condition),
		.nargs = 1,
		.argtypes = {UUIDOID},
		.once = true,
	};

	if (query_execute(&exists, (Datum[]){UUIDPGetDatum(tenant)}, NULL) > 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
		     errmsg("rows of table %s refer to the tenant or its rows", step->name),
		     errhint(
				 "Delete them, or declare the foreign key with ON DELETE CASCADE or SET NULL.")));
}

static uint64
find_rows(const PurgeStep *step, bool leaves, const pg_uuid_t *tenant, int limit, Datum **ctids)
{
	SavedQuery select = {
		.sql = psprintf("SELECT %s.ctid FROM ONLY %s AS %s WHERE %s%s%s LIMIT $2 FOR UPDATE OF %s",
	                    step->row, step->name, step->row, step->condition, leaves ? " AND " : "",
	                    leaves ? step->leaves : "", step->row),
		.nargs = 2,
		.argtypes = {UUIDOID, INT4OID},
		.once = true,
	};
	bool *nulls;

	return query_rows(&select, (Datum[]){UUIDPGetDatum(tenant), Int32GetDatum(limit)}, NULL, 1,
	                  ctids, &nulls);
}

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

/* fire_deferred_triggers does so now, where an error concerns this tenant only, and not at commit. */
static void
fire_deferred_triggers(void)
{
	ConstraintsSetStmt *stmt = makeNode(ConstraintsSetStmt);

	stmt->deferred = false;
	AfterTriggerSetState(stmt);
}

/* delete_rows deletes locked rows with the rights of the table's owner, as a cascade does. */
static uint64
delete_rows(const PurgeStep *step, Datum *ctids, uint64 nrows)
{
	ArrayType *array =
		construct_array(ctids, (int) nrows, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT);
	SavedQuery delete = {
		.sql =
			psprintf("DELETE FROM ONLY %s WHERE ctid OPERATOR(pg_catalog.=) ANY ($1)", step->name),
		.nargs = 1,
		.argtypes = {TIDARRAYOID},
		.once = true,
	};
	Oid    user;
	int    context;
	uint64 ndeleted;

	/* An error's clean-up puts these back. */
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(relation_owner(step->relation),
	                       context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	ndeleted = query_execute(&delete, (Datum[]){PointerGetDatum(array)}, NULL);
	fire_deferred_triggers();
	SetUserIdAndSecContext(user, context);
	return ndeleted;
}

/* purge_table deletes up to limit of the tenant's rows in a table. */
static uint64
purge_table(const PurgeStep *step, bool leaves, const pg_uuid_t *tenant, int limit)
{
	Datum *ctids;
	uint64 nrows = find_rows(step, leaves, tenant, limit, &ctids);
	uint64 ndeleted;

	if (nrows == 0)
		return 0;
	ndeleted = delete_rows(step, ctids, nrows);
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
purge_rows(const pg_uuid_t *tenant, int batch_size)
{
	PurgeStep *steps;
	int        nsteps = read_plan(&steps);
	uint64     ndeleted = 0;

	for (int i = 0; i < nsteps; i++)
	{
		if (!steps[i].cascades)
			refuse_reference(&steps[i], tenant);
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
mark_purge_begun(const pg_uuid_t *tenant)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.tenant SET purge_began_at = pg_catalog.clock_timestamp()"
			   " WHERE tenant_id OPERATOR(pg_catalog.=) $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};

	query_execute(&update, (Datum[]){UUIDPGetDatum(tenant)}, NULL);
}

static void
delete_tenant_row(const pg_uuid_t *tenant)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.tenant WHERE tenant_id OPERATOR(pg_catalog.=) $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};

	query_execute(&delete, (Datum[]){UUIDPGetDatum(tenant)}, NULL);
	fire_deferred_triggers();
}

/*
 * purge_tenant_batch(tenant_id, batch_size): deletes up to batch_size rows of a tenant past its retention, and at
 * last the tenant.  Returns whether there is more to do.
 */
Datum
teamrbac_purge_tenant_batch(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	int       batch_size = batch_size_arg(fcinfo, 1);
	char     *name;
	bool      began;

	if (!lock_tenant_to_purge(&tenant, &name, &began))
		PG_RETURN_BOOL(false);

	if (!began)
		mark_purge_begun(&tenant);
	if (purge_rows(&tenant, batch_size) > 0)
		PG_RETURN_BOOL(true);
	delete_tenant_row(&tenant);

	audit_tenant_by_dba(&tenant, "tenant.purged", audit_subject("tenant", &tenant),
	                    audit_fields("name", name, NULL), NULL);
	PG_RETURN_BOOL(false);
}

/* ---- mail ------------------------------------------------------------------------------------------- */

/* purge_mail_batch(batch_size): deletes old mail that is no longer to be sent, and says how many. */
Datum
teamrbac_purge_mail_batch(PG_FUNCTION_ARGS)
{
	static SavedQuery delete = {
		.sql =
			"DELETE FROM teamrbac.outbox WHERE ROW(tenant_id, mail_id) OPERATOR(pg_catalog.=) ANY ("
			"SELECT o.tenant_id, o.mail_id FROM teamrbac.outbox AS o"
			" WHERE o.next_attempt_at IS NULL AND o.created_at OPERATOR(pg_catalog.<=) $1"
			" ORDER BY o.created_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
		.nargs = 2,
		.argtypes = {TIMESTAMPTZOID, INT4OID},
	};
	int         batch_size = batch_size_arg(fcinfo, 0);
	TimestampTz before = GetCurrentTimestamp() - MAIL_RETENTION_DAYS * USECS_PER_DAY;

	PG_RETURN_INT64(query_execute(
		&delete, (Datum[]){TimestampTzGetDatum(before), Int32GetDatum(batch_size)}, NULL));
}
