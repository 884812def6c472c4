/*
 * key_use.c
 *	  When an API key was last used.
 *
 * Many sessions at once may use one key, in transactions that stay open for long.  The first of them to find
 * the time out of date updates it; the others find the row locked, and leave it at that.  No snapshot of the
 * transaction's is involved, so that in REPEATABLE READ and SERIALIZABLE none of this can fail either.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "compat.h"
#include "key_use.h"
#include "settings.h"

/* find_use copies the newest row of a key that is committed, or this transaction's own; NULL if none. */
static HeapTuple
find_use(Relation uses, const pg_uuid_t *tenant, const pg_uuid_t *key)
{
	ScanKeyData scankeys[2];
	SysScanDesc scan;
	HeapTuple   tuple;

	ScanKeyInit(&scankeys[0], Anum_api_key_use_tenant_id, BTEqualStrategyNumber, F_UUID_EQ,
	            UUIDPGetDatum(tenant));
	ScanKeyInit(&scankeys[1], Anum_api_key_use_key_id, BTEqualStrategyNumber, F_UUID_EQ,
	            UUIDPGetDatum(key));
	scan = systable_beginscan(uses, catalog_index_oid(CATALOG_API_KEY_USE_PKEY), true, SnapshotSelf,
	                          2, scankeys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

static bool
is_due(Relation uses, HeapTuple use, TimestampTz now)
{
	int64 granularity = setting_duration(SETTING_KEY_USE_GRANULARITY);
	bool  never;
	Datum last;

	/* Once in a transaction is enough, and what an earlier command of it wrote must be left alone. */
	if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(use->t_data)))
		return false;
	last = heap_getattr(use, Anum_api_key_use_last_used_at, RelationGetDescr(uses), &never);
	return never || now - DatumGetTimestampTz(last) >= granularity;
}

/* lock_use locks the row, unless that would take any waiting. */
static bool
lock_use(Relation uses, HeapTuple use)
{
	HeapTupleData  locked = {.t_self = use->t_self};
	Buffer         buffer;
	TM_FailureData failure;
	TM_Result      result;

	result = heap_lock_tuple(uses, &locked, GetCurrentCommandId(true), LockTupleNoKeyExclusive,
	                         LockWaitSkip, false, &buffer, &failure);
	ReleaseBuffer(buffer);
	return result == TM_Ok;
}

static void
write_use(Relation uses, HeapTuple use, TimestampTz now)
{
	Datum     values[Natts_api_key_use] = {0};
	bool      nulls[Natts_api_key_use] = {false};
	bool      replace[Natts_api_key_use] = {false};
	HeapTuple renewed;

	values[Anum_api_key_use_last_used_at - 1] = TimestampTzGetDatum(now);
	replace[Anum_api_key_use_last_used_at - 1] = true;
	renewed = heap_modify_tuple(use, RelationGetDescr(uses), values, nulls, replace);
	CatalogTupleUpdate(uses, &renewed->t_self, renewed);
}

void
note_key_use(const pg_uuid_t *tenant, const pg_uuid_t *key)
{
	Oid         table;
	Relation    uses;
	HeapTuple   use;
	TimestampTz now = GetCurrentTimestamp();

	if (XactReadOnly || RecoveryInProgress() || IsInParallelMode())
		return;
	table = catalog_table_oid(CATALOG_API_KEY_USE);
	if (!ConditionalLockRelationOid(table, RowExclusiveLock))
		return;
	uses = table_open(table, NoLock);
	use = find_use(uses, tenant, key);
	if (HeapTupleIsValid(use) && is_due(uses, use, now) && lock_use(uses, use))
	{
		write_use(uses, use, now);
		table_close(uses, NoLock); /* as for any change, until the transaction ends */
	}
	else
		table_close(uses, RowExclusiveLock);
}
