/*
 * renewal.c
 *	  Memberships whose time is over: members for no command, but for the one that renews.
 *
 * Until expire_memberships comes by, such a membership is a row of teamrbac.membership like any other, but for its
 * time; afterwards it is one of teamrbac.expired_membership.  Nobody but this file tells one from the other.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "command/renewal.h"
#include "compat.h"
#include "store/query.h"
#include "store/restore.h"
#include "store/settings.h"

PG_FUNCTION_INFO_V1(teamrbac_forget_expired_membership);

/* What expired after this time can be renewed. */
static TimestampTz
renewable_since(TimestampTz now)
{
	return now - setting_duration(SETTING_MEMBERSHIP_RENEWAL_PERIOD);
}

char *
expired_member_role(const pg_uuid_t *tenant, const pg_uuid_t *user, TimestampTz *expired_at)
{
	static SavedQuery select = {
		.sql = "SELECT role::pg_catalog.text, expires_at FROM teamrbac.membership"
			   " WHERE tenant_id = $1 AND user_id = $2 AND expires_at <= $3 AND expires_at > $4"
			   " UNION ALL "
			   "SELECT role::pg_catalog.text, expires_at FROM teamrbac.expired_membership"
			   " WHERE tenant_id = $1 AND user_id = $2 AND expires_at > $4",
		.nargs = 4,
		.argtypes = {UUIDOID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
	};
	TimestampTz now = GetCurrentTimestamp();
	Datum       args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(user), TimestampTzGetDatum(now),
	                      TimestampTzGetDatum(renewable_since(now))};
	Datum       values[2];
	bool        nulls[2];

	if (!query_row(&select, args, NULL, 2, values, nulls))
		return NULL;
	*expired_at = DatumGetTimestampTz(values[1]);
	return TextDatumGetCString(values[0]);
}

void
renew_membership(const pg_uuid_t *tenant, const pg_uuid_t *user, TimestampTz expires_at)
{
	/* A row that was removed comes back as it was; the trigger forgets it then. */
	static SavedQuery renew = {
		.sql =
			"INSERT INTO teamrbac.membership (tenant_id, user_id, role, joined_at, metadata, expires_at)"
			" SELECT m.tenant_id, m.user_id, m.role, m.joined_at, m.metadata, $3 FROM teamrbac.membership AS m"
			" WHERE m.tenant_id = $1 AND m.user_id = $2"
			" UNION ALL "
			"SELECT e.tenant_id, e.user_id, e.role, e.joined_at, e.metadata, $3"
			" FROM teamrbac.expired_membership AS e"
			" WHERE e.tenant_id = $1 AND e.user_id = $2"
			" ON CONFLICT (tenant_id, user_id) DO UPDATE SET expires_at = EXCLUDED.expires_at",
		.nargs = 3,
		.argtypes = {UUIDOID, UUIDOID, TIMESTAMPTZOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(user), TimestampTzGetDatum(expires_at)};

	query_execute(&renew, args, expires_at == DT_NOEND ? "  n" : NULL);
}

void
forget_unrenewable_memberships(int batch_size)
{
	static SavedQuery delete = {
		.sql = "WITH due AS (SELECT tenant_id, user_id FROM teamrbac.expired_membership"
			   " WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
			   " DELETE FROM teamrbac.expired_membership AS e USING due"
			   " WHERE e.tenant_id = due.tenant_id AND e.user_id = due.user_id",
		.nargs = 2,
		.argtypes = {TIMESTAMPTZOID, INT4OID},
	};
	TimestampTz now = GetCurrentTimestamp();

	query_execute(&delete,
	              (Datum[]){TimestampTzGetDatum(renewable_since(now)), Int32GetDatum(batch_size)},
	              NULL);
}

/* forget_expired_membership(): the trigger behind each membership that begins. */
Datum
teamrbac_forget_expired_membership(PG_FUNCTION_ARGS)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.expired_membership WHERE tenant_id = $1 AND user_id = $2",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TupleDesc    tupdesc;
	Datum        args[2];
	bool         isnull;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		                errmsg("function \"%s\" must be called by a row trigger",
		                       "forget_expired_membership")));
	/* Each of the two tables is restored as it was. */
	if (restoring(trigdata->tg_relation))
		return PointerGetDatum(NULL);
	tupdesc = RelationGetDescr(trigdata->tg_relation);
	args[0] =
		SPI_getbinval(trigdata->tg_trigtuple, tupdesc, SPI_fnumber(tupdesc, "tenant_id"), &isnull);
	args[1] =
		SPI_getbinval(trigdata->tg_trigtuple, tupdesc, SPI_fnumber(tupdesc, "user_id"), &isnull);
	query_execute(&delete, args, NULL);
	return PointerGetDatum(NULL);
}
