/*
 * dirty_scan.c
 *	  Counting for a limit what other transactions are about to commit as well.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "store/catalog.h"
#include "store/dirty_scan.h"
#include "store/reason.h"

static Oid
our_relation(const char *name)
{
	Oid oid = get_relname_relid(name, get_namespace_oid("teamrbac", false));

	if (!OidIsValid(oid))
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("extension_damaged"),
		         errmsg("extension \"%s\" is damaged", "teamrbac"),
		         errdetail("%s.%s is missing.", "teamrbac", name)));
	return oid;
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(pg_uuid_t));
}

/* compact leaves one of each id: a row that is being updated is there twice. */
static int
compact(pg_uuid_t *ids, int nids)
{
	int ndistinct = 0;

	qsort(ids, nids, sizeof(pg_uuid_t), compare_ids);
	for (int i = 0; i < nids; i++)
	{
		if (ndistinct == 0 || compare_ids(&ids[ndistinct - 1], &ids[i]) != 0)
			ids[ndistinct++] = ids[i];
	}
	return ndistinct;
}

int
dirty_scan(const char *table, const char *index, int nkeys, ScanKey keys, AttrNumber column,
           pg_uuid_t **ids)
{
	Relation        relation = table_open(our_relation(table), AccessShareLock);
	Relation        by = index_open(our_relation(index), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	SnapshotData    snapshot;
	IndexScanDesc   scan;
	int             nids = 0;
	int             size = 16;

	*ids = palloc(size * sizeof(pg_uuid_t));
	InitDirtySnapshot(snapshot);
	scan = compat_index_beginscan(relation, by, &snapshot, nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		bool  isnull;
		Datum id = slot_getattr(slot, column, &isnull);

		CHECK_FOR_INTERRUPTS();
		if (nids == size)
			*ids = repalloc_huge(*ids, (Size) (size *= 2) * sizeof(pg_uuid_t));
		(*ids)[nids++] = *DatumGetUUIDP(id);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(by, AccessShareLock);
	table_close(relation, AccessShareLock);
	return compact(*ids, nids);
}
