/*
 * protected_table.h
 *	  The record of how each table of the application is protected, so that what a schema tool took away is known.
 */
#ifndef TEAMRBAC_PROTECTED_TABLE_H
#define TEAMRBAC_PROTECTED_TABLE_H

#include "access/attnum.h"

/* Which of two: permissions[FOR_VIEW] lets rows be seen, permissions[FOR_EDIT] changed. */
#define FOR_VIEW 0
#define FOR_EDIT 1

/* How a table is protected.  Columns by number, so that a renaming changes nothing. */
typedef struct Protection
{
	AttrNumber tenant_column;
	AttrNumber owner_column; /* InvalidAttrNumber: rows belong to nobody in particular */
	bool       across_tenants;
	char      *permissions[2];     /* NULL: nobody, but for one's own rows */
	char      *own_permissions[2]; /* for the rows that are one's own; NULL: none are */
} Protection;

/* How the table is to be protected; false if it is not on record. */
extern bool protected_table_find(Oid relation, Protection *protection);

/*
 * Both are seen by the following commands of the transaction.  They ask nobody's privileges: the caller has made sure
 * that the table is the user's.
 */
extern void protected_table_record(Oid relation, const Protection *protection);
extern bool protected_table_forget(Oid relation);

#endif /* TEAMRBAC_PROTECTED_TABLE_H */
