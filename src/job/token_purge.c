/*
 * token_purge.c
 *	  The end of what is known of tokens that have ended.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/timestamp.h"

#include "authority/team.h"
#include "store/dependents.h"

/* So long after, in case the clock is put back. */
#define TOKEN_USE_RETENTION (USECS_PER_HOUR)

PG_FUNCTION_INFO_V1(teamrbac_purge_token_batch);

/* purge_token_batch(batch_size): deletes the uses of tokens that have expired, and says how many. */
Datum
teamrbac_purge_token_batch(PG_FUNCTION_ARGS)
{
	static SavedQuery delete = {
		.sql =
			"DELETE FROM teamrbac.token_use AS t WHERE ROW(issuer_number, token_hash) = ANY ("
			"SELECT u.issuer_number, u.token_hash FROM teamrbac.token_use AS u"
			" WHERE u.expires_at <= $1 ORDER BY u.expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING t",
		.nargs = 2,
		.argtypes = {TIMESTAMPTZOID, INT4OID},
	};
	int         batch_size = batch_size_arg(fcinfo, 0);
	TimestampTz before = GetCurrentTimestamp() - TOKEN_USE_RETENTION;

	PG_RETURN_INT64(query_delete("token_use", &delete,
	                             (Datum[]){TimestampTzGetDatum(before), Int32GetDatum(batch_size)},
	                             NULL));
}
