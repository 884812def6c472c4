/*
 * unwaiting.c
 *	  Notes: rows that are written only where that waits for nothing and nobody.
 */
#include "postgres.h"

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
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "store/unwaiting.h"

DateADT
day_of(TimestampTz time)
{
	return (DateADT) (time / USECS_PER_DAY - (time % USECS_PER_DAY < 0 ? 1 : 0));
}

bool
may_write(void)
{
	return !XactReadOnly && !RecoveryInProgress() && !IsInParallelMode();
}

Relation
open_unless_waiting(CatalogTable table, LOCKMODE mode)
{
	Oid oid = catalog_table_oid(table);

	return ConditionalLockRelationOid(oid, mode) ? table_open(oid, NoLock) : NULL;
}

HeapTuple
find_note(CatalogIndex index, int nkeys, const Datum *keys, Snapshot snapshot)
{
	CatalogScan scan = catalog_scan_begin(snapshot, index, nkeys, keys);
	HeapTuple   tuple = catalog_scan_next(&scan);

	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	catalog_scan_end(&scan);
	return tuple;
}

bool
is_own_note(HeapTuple row)
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

Hold
hold_unless_waiting(CatalogTable table, CatalogIndex index, int nkeys, const Datum *keys)
{
	Relation  relation = open_unless_waiting(table, RowShareLock);
	HeapTuple row;
	Hold      hold = HOLD_NO_ROW;

	if (relation == NULL)
		return HOLD_REFUSED;
	row = find_note(index, nkeys, keys, SnapshotSelf);
	if (HeapTupleIsValid(row))
		hold = lock_row(relation, row, LockTupleKeyShare) ? HOLD_TAKEN : HOLD_REFUSED;
	table_close(relation, NoLock);
	return hold;
}

bool
rewrite_unless_waiting(const NoteTable *table, Relation notes, HeapTuple row, const Datum *values,
                       const bool *nulls)
{
	Datum     all_values[MAX_NOTE_COLUMNS] = {0};
	bool      all_nulls[MAX_NOTE_COLUMNS] = {false};
	bool      replace[MAX_NOTE_COLUMNS] = {false};
	int       ncolumns = RelationGetNumberOfAttributes(notes);
	HeapTuple renewed;

	if (!lock_row(notes, row, LockTupleNoKeyExclusive))
		return false;
	Assert(ncolumns <= MAX_NOTE_COLUMNS);
	for (int i = table->nkeys; i < ncolumns; i++)
	{
		all_values[i] = values[i - table->nkeys];
		all_nulls[i] = nulls[i - table->nkeys];
		replace[i] = true;
	}
	renewed = heap_modify_tuple(row, RelationGetDescr(notes), all_values, all_nulls, replace);
	CatalogTupleUpdate(notes, &renewed->t_self, renewed);
	return true;
}

/* key_hash is of all of a key's columns. */
static uint32
key_hash(const NoteTable *table, Relation notes, const Datum *keys)
{
	uint32 hash = 0;

	for (int i = 0; i < table->nkeys; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(notes), i);
		Size              size = datumGetSize(keys[i], false, column->attlen);

		hash =
			hash_combine(hash, hash_bytes((const unsigned char *) DatumGetPointer(keys[i]), size));
	}
	return hash;
}

/*
 * The lock is for the moment between looking and inserting only, so that a transaction that inserts many has no more
 * than one.
 */
bool
insert_unless_waiting(const NoteTable *table, Relation notes, const Datum *values,
                      const bool *nulls)
{
	SnapshotData dirty;
	LOCKTAG      tag;
	bool         inserted = false;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationGetRelid(notes), key_hash(table, notes, values),
	                   0);
	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	InitDirtySnapshot(dirty);
	if (!HeapTupleIsValid(find_note(table->index, table->nkeys, values, &dirty)))
	{
		CatalogTupleInsert(notes,
		                   heap_form_tuple(RelationGetDescr(notes), unconstify(Datum *, values),
		                                   unconstify(bool *, nulls)));
		inserted = true;
	}
	LockRelease(&tag, ExclusiveLock, false);
	return inserted;
}
