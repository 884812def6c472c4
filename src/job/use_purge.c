/*
 * use_purge.c
 *	  The end of what was recorded of those who have no access any more.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"

#include "authority/team.h"
#include "store/dependents.h"

PG_FUNCTION_INFO_V1(teamrbac_purge_use_batch);

/* purge_use_batch(batch_size): forgets what former members and revoked keys used, and says how much. */
Datum
teamrbac_purge_use_batch(PG_FUNCTION_ARGS)
{
	/* An expired membership can be renewed, and what was used before then is still in its period. */
	static SavedQuery members = {
		.sql =
			"DELETE FROM teamrbac.member_permission_use AS u WHERE ROW(tenant_id, user_id, permission) = ANY ("
			"SELECT o.tenant_id, o.user_id, o.permission FROM teamrbac.member_permission_use AS o"
			" WHERE NOT EXISTS (SELECT FROM teamrbac.membership AS m"
			" WHERE m.tenant_id = o.tenant_id AND m.user_id = o.user_id)"
			" AND NOT EXISTS (SELECT FROM teamrbac.expired_membership AS e"
			" WHERE e.tenant_id = o.tenant_id AND e.user_id = o.user_id)"
			" LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING u",
		.nargs = 1,
		.argtypes = {INT4OID},
	};
	static SavedQuery keys = {
		.sql =
			"DELETE FROM teamrbac.key_permission_use AS u WHERE ROW(tenant_id, key_id, permission) = ANY ("
			"SELECT o.tenant_id, o.key_id, o.permission FROM teamrbac.key_permission_use AS o"
			" JOIN teamrbac.api_key AS k ON k.tenant_id = o.tenant_id AND k.key_id = o.key_id"
			" WHERE k.revoked_at IS NOT NULL LIMIT $1 FOR UPDATE OF o SKIP LOCKED) RETURNING u",
		.nargs = 1,
		.argtypes = {INT4OID},
	};
	Datum  batch_size = Int32GetDatum(batch_size_arg(fcinfo, 0));
	uint64 ndeleted = query_delete("member_permission_use", &members, &batch_size, NULL);

	PG_RETURN_INT64(ndeleted + query_delete("key_permission_use", &keys, &batch_size, NULL));
}
