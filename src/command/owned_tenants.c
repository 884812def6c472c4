/*
 * owned_tenants.c
 *	  How many tenants somebody may own.
 *
 * Those deleted within the last day count too: otherwise making and deleting one after the other would have no limit.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "command/owned_tenants.h"
#include "compat.h"
#include "store/catalog.h"
#include "store/dirty_scan.h"
#include "store/query.h"
#include "store/reason.h"
#include "store/settings.h"

/* count_owned counts the tenants that a user owns, in transactions in progress too. */
static int64
count_owned(const pg_uuid_t *user)
{
	static SavedQuery count = {
		.sql = "SELECT pg_catalog.count(*) FROM pg_catalog.unnest($1) AS owned(tenant_id)"
			   " LEFT JOIN teamrbac.tenant AS t ON t.tenant_id = owned.tenant_id"
			   " WHERE t.deleted_at IS NULL OR t.deleted_at > $2",
		.nargs = 2,
		.argtypes = {UUIDARRAYOID, TIMESTAMPTZOID},
	};
	ScanKeyData key;
	pg_uuid_t  *tenants;
	int         ntenants;
	Datum      *elements;
	Datum       owned;
	bool        isnull;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(user));
	ntenants = dirty_scan("membership", "membership_owned_idx", 1, &key, Anum_membership_tenant_id,
	                      &tenants);
	elements = palloc((ntenants + 1) * sizeof(Datum));
	for (int i = 0; i < ntenants; i++)
		elements[i] = UUIDPGetDatum(&tenants[i]);
	if (!query_row(&count,
	               (Datum[]){PointerGetDatum(construct_array(elements, ntenants, UUIDOID, UUID_LEN,
	                                                         false, TYPALIGN_CHAR)),
	                         TimestampTzGetDatum(GetCurrentTimestamp() - USECS_PER_DAY)},
	               NULL, 1, &owned, &isnull))
		elog(ERROR, "an aggregate has no row");
	return DatumGetInt64(owned);
}

void
require_tenant_allowance(const pg_uuid_t *user)
{
	if (count_owned(user) > max_tenants_per_user)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("too_many_tenants"),
		         errmsg("user owns too many tenants"),
		         errdetail("A user may own %d (teamrbac.max_tenants_per_user); those deleted "
		                   "within the last day count.",
		                   max_tenants_per_user)));
}
