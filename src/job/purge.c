/*
 * purge.c
 *	  The end of deleted tenants, a batch in a transaction, and of old mail.
 *
 * The cascade of the tenant's row would do it all in one transaction, however many rows that takes.  So the rows go
 * first (see purge_rows.c), and the tenant's row last.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "record/audit.h"
#include "compat.h"
#include "job/purge_rows.h"
#include "store/dependents.h"
#include "store/query.h"
#include "store/settings.h"
#include "authority/team.h"

PG_FUNCTION_INFO_V1(teamrbac_next_tenant_to_purge);
PG_FUNCTION_INFO_V1(teamrbac_purge_tenant_batch);
PG_FUNCTION_INFO_V1(teamrbac_purge_mail_batch);

/* As long as somebody may still ask what became of a mail. */
#define MAIL_RETENTION_DAYS 30

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

/* no_deferred_triggers has them fire as soon as others, where an error concerns this tenant only. */
static void
no_deferred_triggers(void)
{
	ConstraintsSetStmt *stmt = makeNode(ConstraintsSetStmt);

	stmt->deferred = false;
	AfterTriggerSetState(stmt);
}

/*
 * purge_tenant_batch(tenant_id, batch_size): deletes up to batch_size rows of a tenant past its retention, and at
 * last the tenant.  Returns whether there is more to do.
 *
 * It becomes the owner of each table whose rows it deletes, which no right of its own owner's but this code lets it.
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
	purge_tenant_row(&tenant);

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
		.sql = "DELETE FROM teamrbac.outbox AS m WHERE ROW(tenant_id, mail_id) = ANY ("
			   "SELECT o.tenant_id, o.mail_id FROM teamrbac.outbox AS o"
			   " WHERE o.next_attempt_at IS NULL AND o.created_at <= $1"
			   " ORDER BY o.created_at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING m",
		.nargs = 2,
		.argtypes = {TIMESTAMPTZOID, INT4OID},
	};
	int         batch_size = batch_size_arg(fcinfo, 0);
	TimestampTz before = GetCurrentTimestamp() - MAIL_RETENTION_DAYS * USECS_PER_DAY;

	PG_RETURN_INT64(query_delete("outbox", &delete,
	                             (Datum[]){TimestampTzGetDatum(before), Int32GetDatum(batch_size)},
	                             NULL));
}
