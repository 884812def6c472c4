/*
 * protected_table.c
 *	  The table teamrbac.protected_table, kept as the server keeps its catalogues: by C alone, without SPI.
 *
 * Whoever owns a table of the application protects it with their own rights, and has none on ours.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "store/catalog.h"
#include "store/protected_table.h"
#include "store/reason.h"
#include "store/table_column.h"

#define Anum_protected_table_tenant_column 1
#define Anum_protected_table_owner_column 2
#define Anum_protected_table_across_tenants 3
#define Anum_protected_table_view_permission 4
#define Anum_protected_table_edit_permission 5
#define Anum_protected_table_view_own_permission 6
#define Anum_protected_table_edit_own_permission 7
#define Natts_protected_table 7

/* open_record opens the record; 55000 unless the extension is here in the library's version. */
static Relation
open_record(LOCKMODE lockmode)
{
	Oid record;

	catalog_require_version();
	record = get_relname_relid("protected_table", get_namespace_oid("teamrbac", false));
	if (!OidIsValid(record))
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("extension_damaged"),
		         errmsg("table \"teamrbac.protected_table\" is missing")));
	return table_open(record, lockmode);
}

static TableColumn
tenant_column_of(Relation record, HeapTuple tuple)
{
	bool  isnull;
	Datum value =
		heap_getattr(tuple, Anum_protected_table_tenant_column, RelationGetDescr(record), &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static char *
text_of(Relation record, HeapTuple tuple, AttrNumber column)
{
	bool  isnull;
	Datum value = heap_getattr(tuple, column, RelationGetDescr(record), &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* read_protection takes a row of the record apart. */
static void
read_protection(Relation record, HeapTuple tuple, Protection *protection)
{
	TupleDesc columns = RelationGetDescr(record);
	bool      isnull;
	Datum     value;

	protection->tenant_column = table_column_number(tenant_column_of(record, tuple));
	value = heap_getattr(tuple, Anum_protected_table_owner_column, columns, &isnull);
	protection->owner_column =
		isnull ? InvalidAttrNumber : table_column_number(DatumGetInt64(value));
	value = heap_getattr(tuple, Anum_protected_table_across_tenants, columns, &isnull);
	protection->across_tenants = !isnull && DatumGetBool(value);
	protection->permissions[FOR_VIEW] =
		text_of(record, tuple, Anum_protected_table_view_permission);
	protection->permissions[FOR_EDIT] =
		text_of(record, tuple, Anum_protected_table_edit_permission);
	protection->own_permissions[FOR_VIEW] =
		text_of(record, tuple, Anum_protected_table_view_own_permission);
	protection->own_permissions[FOR_EDIT] =
		text_of(record, tuple, Anum_protected_table_edit_own_permission);
}

bool
protected_table_find(Oid relation, Protection *protection)
{
	Relation    record = open_record(AccessShareLock);
	SysScanDesc scan = systable_beginscan(record, InvalidOid, false, NULL, 0, NULL);
	HeapTuple   tuple;
	bool        found = false;

	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		found = table_column_relation(tenant_column_of(record, tuple)) == relation;
		if (found)
			read_protection(record, tuple, protection);
	}
	systable_endscan(scan);
	table_close(record, AccessShareLock);
	return found;
}

static void
put_text(Datum *values, bool *nulls, AttrNumber column, const char *text)
{
	nulls[column - 1] = text == NULL;
	if (text != NULL)
		values[column - 1] = CStringGetTextDatum(text);
}

void
protected_table_record(Oid relation, const Protection *protection)
{
	Relation  record;
	Datum     values[Natts_protected_table] = {0};
	bool      nulls[Natts_protected_table] = {0};
	HeapTuple tuple;

	(void) protected_table_forget(relation);
	record = open_record(RowExclusiveLock);
	values[Anum_protected_table_tenant_column - 1] =
		Int64GetDatum(table_column(relation, protection->tenant_column));
	values[Anum_protected_table_owner_column - 1] =
		Int64GetDatum(table_column(relation, protection->owner_column));
	nulls[Anum_protected_table_owner_column - 1] = protection->owner_column == InvalidAttrNumber;
	values[Anum_protected_table_across_tenants - 1] = BoolGetDatum(protection->across_tenants);
	put_text(values, nulls, Anum_protected_table_view_permission,
	         protection->permissions[FOR_VIEW]);
	put_text(values, nulls, Anum_protected_table_edit_permission,
	         protection->permissions[FOR_EDIT]);
	put_text(values, nulls, Anum_protected_table_view_own_permission,
	         protection->own_permissions[FOR_VIEW]);
	put_text(values, nulls, Anum_protected_table_edit_own_permission,
	         protection->own_permissions[FOR_EDIT]);
	tuple = heap_form_tuple(RelationGetDescr(record), values, nulls);
	CatalogTupleInsert(record, tuple);
	table_close(record, NoLock);
	CommandCounterIncrement();
}

bool
protected_table_forget(Oid relation)
{
	Relation    record = open_record(RowExclusiveLock);
	SysScanDesc scan = systable_beginscan(record, InvalidOid, false, NULL, 0, NULL);
	HeapTuple   tuple;
	bool        found = false;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid recorded = table_column_relation(tenant_column_of(record, tuple));

		CHECK_FOR_INTERRUPTS();
		if (recorded != relation)
			continue;
		found = true;
		CatalogTupleDelete(record, &tuple->t_self);
	}
	systable_endscan(scan);
	table_close(record, NoLock);
	CommandCounterIncrement();
	return found;
}
