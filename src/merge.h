/*
 * merge.h
 *	  A scan of the user's tenants in the order of the query: its plan and its execution.
 */
#ifndef TEAMRBAC_MERGE_H
#define TEAMRBAC_MERGE_H

#include "nodes/extensible.h"
#include "nodes/pathnodes.h"

/* How many tenants are merged; the rows of more are sorted. */
#define MAX_MERGED 32

/*
 * What CustomScan.custom_private holds.  custom_exprs are the conditions on the index's further columns: in
 * terms of the index, and then all of them again in terms of the table.
 */
typedef enum MergePrivate
{
	MERGE_INDEX,      /* OID list: the index, whose first column is the tenant */
	MERGE_DIRECTION,  /* integer list: the direction in which it is read */
	MERGE_PERMISSION, /* expression list: a constant */
	MERGE_COLUMNS,    /* integer list: the table's columns that the query is ordered by */
	MERGE_OPERATORS,  /* OID list: how, for each of these */
	MERGE_COLLATIONS, /* OID list */
	MERGE_NULLS_FIRST /* integer list */
} MergePrivate;

extern const CustomScanMethods merge_scan_methods;

/*
 * Whether the query is no more than a page of one table, in an order in which such a scan of this index gives it without
 * reading further rows.  It is planned sooner if no other scan of the index is considered.
 */
extern bool merge_gives_page(PlannerInfo *root, IndexOptInfo *index);

/* Whether nobody else's hook adds paths to a table's. */
extern bool merge_is_alone(void);

/* Installs the planner hook that offers such scans; once, when the library is loaded. */
extern void merge_init(void);

#endif /* TEAMRBAC_MERGE_H */
