/*
 * table_column.h
 *	  A column of a table as a value of SQL (type teamrbac.table_column): the table's OID and the column's number, which
 *	  a renaming leaves as they are; as text, and so in a dump, their names.
 */
#ifndef TEAMRBAC_TABLE_COLUMN_H
#define TEAMRBAC_TABLE_COLUMN_H

#include "access/attnum.h"

/* 0: of no table. */
typedef int64 TableColumn;

static inline TableColumn
table_column(Oid relation, AttrNumber number)
{
	return (TableColumn) (((uint64) relation << 16) | (uint16) number);
}

static inline Oid
table_column_relation(TableColumn column)
{
	return (Oid) ((uint64) column >> 16);
}

static inline AttrNumber
table_column_number(TableColumn column)
{
	return (AttrNumber) ((uint64) column & 0xffff);
}

#endif /* TEAMRBAC_TABLE_COLUMN_H */
