/*
 * last_use.c
 *	  When an API key was last used, and a user last active.
 *
 * Many sessions at once may use one key, in transactions that stay open for long.  The first of them to find
 * the time out of date updates it; the others find the row locked, and leave it at that.  No snapshot of the
 * transaction's is involved, so that in REPEATABLE READ and SERIALIZABLE none of this can fail either.
 *
 * A key's row is made with the key.  A user's is made when they first sign in, because users come in by other
 * ways than our commands too.
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
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/catalog.h"
#include "compat.h"
#include "authority/last_use.h"
#include "store/settings.h"

/* How many users a backend remembers to have been noted today. */
#define MAX_NOTED 1024

/* A table that has one row for whatever is used, and in its last column when that was. */
typedef struct UseTable
{
	CatalogTable table;
	CatalogIndex index;
	int          nkeys; /* the first columns */
} UseTable;

static const UseTable key_uses = {CATALOG_API_KEY_USE, CATALOG_API_KEY_USE_PKEY, 2};
static const UseTable user_activity = {CATALOG_USER_ACTIVITY, CATALOG_USER_ACTIVITY_PKEY, 1};

/* ---- rows ------------------------------------------------------------------------------------------- */

/* open_unless_waiting opens a table for writing; NULL if that would take waiting for a lock. */
static Relation
open_unless_waiting(CatalogTable table, LOCKMODE mode)
{
	Oid oid = catalog_table_oid(table);

	return ConditionalLockRelationOid(oid, mode) ? table_open(oid, NoLock) : NULL;
}

/* find_row copies the newest row with this key that the snapshot shows; NULL if none. */
static HeapTuple
find_row(Relation relation, CatalogIndex index, int nkeys, const pg_uuid_t *keys, Snapshot snapshot)
{
	ScanKeyData scankeys[2];
	SysScanDesc scan;
	HeapTuple   tuple;

	for (int i = 0; i < nkeys; i++)
		ScanKeyInit(&scankeys[i], i + 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&keys[i]));
	scan = systable_beginscan(relation, catalog_index_oid(index), true, snapshot, nkeys, scankeys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

/* is_own tells whether this transaction has written the row: then it must be left alone. */
static bool
is_own(HeapTuple row)
{
	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(row->t_data));
}

/* lock_row locks a row, unless that would take any waiting. */
static bool
lock_row(Relation relation, HeapTuple row, LockTupleMode mode)
{
	HeapTupleData  locked = {.t_self = row->t_self};
	Buffer         buffer;
	TM_FailureData failure;
	TM_Result      result;

	result = heap_lock_tuple(relation, &locked, GetCurrentCommandId(true), mode, LockWaitSkip,
	                         false, &buffer, &failure);
	ReleaseBuffer(buffer);
	return result == TM_Ok;
}

static Datum
last_use(Relation uses, HeapTuple row, bool *never)
{
	return heap_getattr(row, RelationGetNumberOfAttributes(uses), RelationGetDescr(uses), never);
}

static void
write_use(Relation uses, HeapTuple row, Datum now)
{
	Datum     values[3] = {0};
	bool      nulls[3] = {false};
	bool      replace[3] = {false};
	int       last = RelationGetNumberOfAttributes(uses) - 1;
	HeapTuple renewed;

	Assert(last < (int) lengthof(values));
	values[last] = now;
	replace[last] = true;
	renewed = heap_modify_tuple(row, RelationGetDescr(uses), values, nulls, replace);
	CatalogTupleUpdate(uses, &renewed->t_self, renewed);
}

static bool
may_write(void)
{
	return !XactReadOnly && !RecoveryInProgress() && !IsInParallelMode();
}

/* ---- keys ------------------------------------------------------------------------------------------- */

/* key_use_is_due tells whether a use is to be noted, and when the last one was, as far as that is committed. */
static bool
key_use_is_due(Relation uses, HeapTuple row, TimestampTz due_since, TimestampTz *noted_at)
{
	bool  never;
	Datum last = last_use(uses, row, &never);

	if (never)
		return true;
	*noted_at = DatumGetTimestampTz(last);
	return *noted_at <= due_since;
}

void
note_key_use(const pg_uuid_t *tenant, const pg_uuid_t *key, TimestampTz *noted_at)
{
	pg_uuid_t   keys[] = {*tenant, *key};
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz due_since = now - setting_duration(SETTING_KEY_USE_GRANULARITY);
	Relation    uses;
	HeapTuple   row;
	bool        written = false;

	if (*noted_at > due_since || !may_write() ||
	    (uses = open_unless_waiting(key_uses.table, RowExclusiveLock)) == NULL)
		return;
	row = find_row(uses, key_uses.index, key_uses.nkeys, keys, SnapshotSelf);
	if (HeapTupleIsValid(row) && !is_own(row) && key_use_is_due(uses, row, due_since, noted_at) &&
	    lock_row(uses, row, LockTupleNoKeyExclusive))
	{
		write_use(uses, row, TimestampTzGetDatum(now));
		written = true;
	}
	/* The lock is kept, as for any change, until the transaction ends. */
	table_close(uses, written ? NoLock : RowExclusiveLock);
}

/* ---- users ------------------------------------------------------------------------------------------ */

/* The users known to have been noted, by committed transactions, on a day. */
static HTAB   *noted_users = NULL;
static DateADT noted_day;

/* The day in UTC: everywhere the same, whatever TimeZone says. */
static DateADT
today(void)
{
	TimestampTz now = GetCurrentTimestamp();

	return (DateADT) (now / USECS_PER_DAY - (now % USECS_PER_DAY < 0 ? 1 : 0));
}

static bool
is_noted(const pg_uuid_t *user, DateADT day)
{
	return noted_users != NULL && noted_day == day &&
	       hash_search(noted_users, user, HASH_FIND, NULL) != NULL;
}

static void
remember_noted(const pg_uuid_t *user, DateADT day)
{
	if (noted_users != NULL && (noted_day != day || hash_get_num_entries(noted_users) >= MAX_NOTED))
	{
		hash_destroy(noted_users);
		noted_users = NULL;
	}
	if (noted_users == NULL)
	{
		HASHCTL control = {.keysize = sizeof(pg_uuid_t), .entrysize = sizeof(pg_uuid_t)};

		noted_users =
			hash_create("teamrbac users noted today", 16, &control, HASH_ELEM | HASH_BLOBS);
		noted_day = day;
	}
	(void) hash_search(noted_users, user, HASH_ENTER, NULL);
}

/* lock_user locks the user's row as a foreign key would. */
static bool
lock_user(const pg_uuid_t *user)
{
	Relation  users;
	HeapTuple row;
	bool      locked;

	users = open_unless_waiting(CATALOG_APP_USER, RowShareLock);
	if (users == NULL)
		return false;
	row = find_row(users, CATALOG_APP_USER_PKEY, 1, user, SnapshotSelf);
	locked = HeapTupleIsValid(row) && lock_row(users, row, LockTupleKeyShare);
	table_close(users, NoLock);
	return locked;
}

/*
 * insert_activity notes a user for the first time; false if somebody else is, or has been, about to: for the end of
 * whose transaction the unique index would have us wait.  The lock is for the moment between looking and inserting
 * only, so that a transaction that signs in many users has no more than one.
 */
static bool
insert_activity(Relation activity, const pg_uuid_t *user, DateADT day)
{
	Datum        values[] = {UUIDPGetDatum(user), DateADTGetDatum(day)};
	bool         nulls[] = {false, false};
	SnapshotData dirty;
	LOCKTAG      tag;
	bool         inserted = false;

	if (!lock_user(user))
		return false;
	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationGetRelid(activity),
	                   hash_bytes(user->data, UUID_LEN), 0);
	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	InitDirtySnapshot(dirty);
	if (!HeapTupleIsValid(
			find_row(activity, user_activity.index, user_activity.nkeys, user, &dirty)))
	{
		CatalogTupleInsert(activity, heap_form_tuple(RelationGetDescr(activity), values, nulls));
		inserted = true;
	}
	LockRelease(&tag, ExclusiveLock, false);
	return inserted;
}

void
note_user_activity(const pg_uuid_t *user)
{
	DateADT   day = today();
	Relation  activity;
	HeapTuple row;
	bool      written = false;

	if (is_noted(user, day) || !may_write() ||
	    (activity = open_unless_waiting(user_activity.table, RowExclusiveLock)) == NULL)
		return;
	row = find_row(activity, user_activity.index, user_activity.nkeys, user, SnapshotSelf);
	if (!HeapTupleIsValid(row))
		written = insert_activity(activity, user, day);
	else if (!is_own(row))
	{
		bool never;

		if (DatumGetDateADT(last_use(activity, row, &never)) >= day)
			remember_noted(user, day);
		else if (lock_row(activity, row, LockTupleNoKeyExclusive))
		{
			write_use(activity, row, DateADTGetDatum(day));
			written = true;
		}
	}
	table_close(activity, written ? NoLock : RowExclusiveLock);
}
