/*
 * audit_retention.c
 *	  Events past their retention go, oldest first, each verified before; an anchor keeps what the rest of the
 *	  chain hangs on.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/catalog.h"
#include "compat.h"
#include "authority/errors.h"
#include "store/dependents.h"
#include "store/query.h"
#include "store/settings.h"

PG_FUNCTION_INFO_V1(teamrbac_purge_audit_batch);

/* A chain whose first events may be due. */
typedef struct DueChain
{
	Datum id;
	Datum scope;
	Datum anchor_sequence;
	Datum anchor_hash;
} DueChain;

/* What there is to remove of a chain. */
typedef struct Prefix
{
	int64 events; /* due and sound, one after the other */
	Datum sequence;
	Datum hash;      /* both of the last of them */
	bool  broken;    /* the next one is due and not sound */
	int64 broken_at; /* its sequence */
} Prefix;

/* find_due_chain finds the chain of the oldest event that is due, but for those to be passed over. */
static bool
find_due_chain(TimestampTz due_before, ArrayType *passed_over, DueChain *chain)
{
	static SavedQuery find = {
		.sql = "SELECT tenant_id, scope FROM teamrbac.audit_event"
			   " WHERE occurred_at < $1"
			   " AND pg_catalog.concat(scope, tenant_id) <> ALL ($2)"
			   " ORDER BY occurred_at LIMIT 1",
		.nargs = 2,
		.argtypes = {TIMESTAMPTZOID, TEXTARRAYOID},
	};
	Datum values[2];
	bool  nulls[2];

	if (!query_row(&find, (Datum[]){TimestampTzGetDatum(due_before), PointerGetDatum(passed_over)},
	               NULL, 2, values, nulls))
		return false;
	chain->id = values[0];
	chain->scope = values[1];
	return true;
}

/* lock_head locks a chain's head and reads its anchor; false if somebody is appending, or it has none. */
static bool
lock_head(DueChain *chain)
{
	static SavedQuery lock = {
		.sql = "SELECT anchor_sequence, anchor_hash FROM teamrbac.audit_head"
			   " WHERE tenant_id = $1 AND scope = $2"
			   " FOR NO KEY UPDATE SKIP LOCKED",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	Datum values[2];
	bool  nulls[2];

	if (!query_row(&lock, (Datum[]){chain->id, chain->scope}, NULL, 2, values, nulls))
		return false;
	chain->anchor_sequence = values[0];
	chain->anchor_hash = values[1];
	return true;
}

static Prefix
verify_prefix(const DueChain *chain, TimestampTz due_before, int64 limit)
{
	static SavedQuery verify = {
		.sql =
			"WITH event AS (SELECT e.sequence, e.hash, e.occurred_at < $5 AS due,"
			" e.sequence = (pg_catalog.lag(e.sequence, 1, $3) OVER chain + 1)"
			" AND e.previous_hash = pg_catalog.lag(e.hash, 1, $4) OVER chain"
			" AND e.hash = teamrbac.audit_hash(e) AS sound"
			" FROM teamrbac.audit_event AS e"
			" WHERE e.tenant_id = $1 AND e.scope = $2"
			" WINDOW chain AS (ORDER BY e.sequence) ORDER BY e.sequence LIMIT $6),"
			" prefix AS (SELECT *, pg_catalog.bool_and(due AND sound) OVER (ORDER BY sequence) AS removable FROM event)"
			" SELECT pg_catalog.count(*) FILTER (WHERE removable), pg_catalog.max(sequence) FILTER (WHERE removable),"
			" (pg_catalog.array_agg(hash ORDER BY sequence DESC) FILTER (WHERE removable))[1],"
			" (pg_catalog.array_agg(CASE WHEN due AND NOT sound THEN sequence END ORDER BY sequence) FILTER (WHERE NOT removable))[1]"
			" FROM prefix",
		.nargs = 6,
		.argtypes = {UUIDOID, TEXTOID, INT8OID, BYTEAOID, TIMESTAMPTZOID, INT8OID},
	};
	Datum  args[] = {chain->id,
	                 chain->scope,
	                 chain->anchor_sequence,
	                 chain->anchor_hash,
	                 TimestampTzGetDatum(due_before),
	                 Int64GetDatum(limit)};
	Datum  values[4];
	bool   nulls[4];
	Prefix prefix = {0};

	if (!query_row(&verify, args, NULL, 4, values, nulls))
		elog(ERROR, "an aggregate has no row");
	prefix.events = DatumGetInt64(values[0]);
	prefix.sequence = values[1];
	prefix.hash = values[2];
	prefix.broken = !nulls[3];
	prefix.broken_at = prefix.broken ? DatumGetInt64(values[3]) : 0;
	return prefix;
}

/* remove_prefix removes events, and keeps the last of them as the anchor. */
static void
remove_prefix(const DueChain *chain, const Prefix *prefix)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.audit_event AS e WHERE tenant_id = $1"
			   " AND scope = $2 AND sequence <= $3 RETURNING e",
		.nargs = 3,
		.changes_audit = true,
		.argtypes = {UUIDOID, TEXTOID, INT8OID},
	};
	static SavedQuery anchor = {
		.sql = "UPDATE teamrbac.audit_head SET anchor_sequence = $3, anchor_hash = $4"
			   " WHERE tenant_id = $1 AND scope = $2",
		.nargs = 4,
		.changes_audit = true,
		.argtypes = {UUIDOID, TEXTOID, INT8OID, BYTEAOID},
	};

	query_delete("audit_event", &delete, (Datum[]){chain->id, chain->scope, prefix->sequence},
	             NULL);
	query_execute(&anchor, (Datum[]){chain->id, chain->scope, prefix->sequence, prefix->hash},
	              NULL);
}

static void
warn_of_break(const DueChain *chain, const Prefix *prefix)
{
	char *id = DatumGetCString(DirectFunctionCall1(uuid_out, chain->id));

	ereport(WARNING,
	        (errcode(ERRCODE_DATA_CORRUPTED),
	         errmsg("audit events are kept beyond their retention, since their chain is broken"),
	         errdetail("It is broken at event %lld of scope \"%s\", %s.",
	                   (long long) prefix->broken_at, TextDatumGetCString(chain->scope), id),
	         errhint("SELECT * FROM teamrbac.verify_audit('%s');", id)));
}

static ArrayType *
pass_over(ArrayType *passed_over, const DueChain *chain)
{
	char *key = psprintf("%s%s", TextDatumGetCString(chain->scope),
	                     DatumGetCString(DirectFunctionCall1(uuid_out, chain->id)));
	int   next = ArrayGetNItems(ARR_NDIM(passed_over), ARR_DIMS(passed_over)) + 1;

	return DatumGetArrayTypeP(array_set_element(PointerGetDatum(passed_over), 1, &next,
	                                            CStringGetTextDatum(key), false, -1, -1, false,
	                                            TYPALIGN_INT));
}

/*
 * purge_audit_batch(batch_size): removes up to batch_size events past teamrbac.audit_retention and returns
 * how many.  A chain that somebody is appending to waits for the next time, one that is broken for good.
 */
Datum
teamrbac_purge_audit_batch(PG_FUNCTION_ARGS)
{
	int64       room;
	int64       removed = 0;
	TimestampTz due_before;
	DueChain    chain;
	ArrayType  *passed_over = construct_empty_array(TEXTOID);

	if (PG_ARGISNULL(0) || PG_GETARG_INT32(0) < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("batch_size_invalid"),
		                errmsg("batch_size must be positive")));
	room = PG_GETARG_INT32(0);
	catalog_require_version();
	if (setting_duration(SETTING_AUDIT_RETENTION) == DURATION_FOREVER)
		PG_RETURN_INT64(0);
	due_before = GetCurrentTimestamp() - setting_duration(SETTING_AUDIT_RETENTION);

	while (removed < room && find_due_chain(due_before, passed_over, &chain))
	{
		Prefix prefix = {0};

		if (lock_head(&chain))
			prefix = verify_prefix(&chain, due_before, room - removed);
		if (prefix.events > 0)
			remove_prefix(&chain, &prefix);
		removed += prefix.events;
		if (prefix.broken)
			warn_of_break(&chain, &prefix);
		if (prefix.broken || prefix.events == 0)
			passed_over = pass_over(passed_over, &chain);
	}
	PG_RETURN_INT64(removed);
}
