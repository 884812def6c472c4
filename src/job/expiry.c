/*
 * expiry.c
 *	  Memberships that end by themselves.
 *
 * Whoever has expired is refused whether or not this runs: it tidies up, and records.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "record/audit.h"
#include "compat.h"
#include "command/offers.h"
#include "command/join.h"
#include "command/renewal.h"
#include "store/dependents.h"
#include "store/query.h"
#include "authority/team.h"

PG_FUNCTION_INFO_V1(teamrbac_expire_membership_batch);

/*
 * end_due_membership ends a membership, whose tenant is locked, if it is still due: it may have been prolonged
 * before the lock.  What it was is kept, for a renewal.
 */
static bool
end_due_membership(const pg_uuid_t *tenant, const pg_uuid_t *user, TimestampTz now)
{
	static SavedQuery keep = {
		.sql =
			"INSERT INTO teamrbac.expired_membership (tenant_id, user_id, role, expires_at, joined_at, metadata)"
			" SELECT tenant_id, user_id, role, expires_at, joined_at, metadata FROM teamrbac.membership"
			" WHERE tenant_id = $1 AND user_id = $2 AND expires_at <= $3"
			" RETURNING role::pg_catalog.text, expires_at",
		.nargs = 3,
		.argtypes = {UUIDOID, UUIDOID, TIMESTAMPTZOID},
	};
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.membership AS m"
			   " WHERE tenant_id = $1 AND user_id = $2 RETURNING m",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(user), TimestampTzGetDatum(now)};
	Datum values[2];
	bool  nulls[2];

	if (!query_row(&keep, args, NULL, 2, values, nulls))
		return false;
	query_delete("membership", &delete, args, NULL);

	audit_tenant_by_dba(tenant, "member.expired", audit_subject("member", user),
	                    audit_fields("role", TextDatumGetCString(values[0]), "expires_at",
	                                 audit_time(DatumGetTimestampTz(values[1])), NULL),
	                    NULL);
	bar_from_joining(tenant, user);
	end_offers_beyond(tenant, user);
	return true;
}

/*
 * expire_membership_batch(batch_size): ends memberships that are due, and says how many.
 *
 * What can no longer be renewed goes too.  Takes each tenant's lock as every change of a team does, but never waits for
 * one: a tenant that somebody else has locked is left for the next run.
 */
Datum
teamrbac_expire_membership_batch(PG_FUNCTION_ARGS)
{
	static SavedQuery lock = {
		.sql = "SELECT m.tenant_id, m.user_id FROM teamrbac.membership AS m"
			   " JOIN teamrbac.tenant AS t ON t.tenant_id = m.tenant_id"
			   " WHERE m.expires_at <= $1"
			   " ORDER BY m.expires_at LIMIT $2 FOR NO KEY UPDATE OF t SKIP LOCKED",
		.nargs = 2,
		.argtypes = {TIMESTAMPTZOID, INT4OID},
	};
	int         batch_size = batch_size_arg(fcinfo, 0);
	TimestampTz now = GetCurrentTimestamp();
	Datum      *due;
	bool       *nulls;
	uint64      ndue;
	int64       ended = 0;

	ndue = query_rows(&lock, (Datum[]){TimestampTzGetDatum(now), Int32GetDatum(batch_size)}, NULL,
	                  2, &due, &nulls);

	for (uint64 i = 0; i < ndue; i++)
	{
		if (end_due_membership(DatumGetUUIDP(due[2 * i]), DatumGetUUIDP(due[2 * i + 1]), now))
			ended++;
	}
	forget_unrenewable_memberships(batch_size);
	PG_RETURN_INT64(ended);
}
