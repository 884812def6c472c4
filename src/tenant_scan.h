/*
 * tenant_scan.h
 *	  What our own scans of the user's tenants have in common.
 */
#ifndef TEAMRBAC_TENANT_SCAN_H
#define TEAMRBAC_TENANT_SCAN_H

#include "commands/explain.h"
#include "nodes/extensible.h"
#include "nodes/pathnodes.h"

/* Whether a query reads a table as such scans can: nothing is changed, locked or fetched from a cursor. */
extern bool is_plain_read(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte);

/*
 * Finds the policy's call, has_permission(column, constant), among a table's restrictions, unless the query names the
 * tenant; NULL if there is none.
 */
extern RestrictInfo *find_call(PlannerInfo *root, RelOptInfo *rel);

/* Whether a query reads system columns of a table: our scans' rows have none. */
extern bool reads_system_columns(RelOptInfo *rel);

/* Whether an index can be read for one tenant after the other. */
extern bool leads_with_tenant(const IndexOptInfo *index, const RestrictInfo *call);

/*
 * Makes a restriction into a condition on a column of the index, or returns NULL.  Only column operator value, as a
 * page's "id > the last one" is.
 */
extern Node *index_qual(PlannerInfo *root, IndexOptInfo *index, int column,
                        RestrictInfo *restriction);

/*
 * Makes the plan of a path whose custom_private holds three lists: the restrictions that the scan applies, the call first;
 * all but the call's as conditions on the columns of an index, in such terms as the scan reads; and what becomes the plan's
 * custom_private.  The plan's custom_exprs are those conditions, and then the same in terms of the table.
 */
extern Plan *plan_tenant_scan(RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
                              const CustomScanMethods *methods);

/*
 * Hands a row on in the kind of slot that a custom scan's expressions are made for; it is good as long as the row is.
 * The slot is empty.
 */
extern TupleTableSlot *store_row(TupleTableSlot *slot, TupleTableSlot *row);

/* No lock is taken on such a scan's rows, so there is nothing to recheck. */
extern bool recheck_row(ScanState *node, TupleTableSlot *slot);

/*
 * Shows the tenants, and as an index scan's are shown the conditions: custom_exprs holds these in so many terms, the table's
 * last.
 */
extern void explain_tenant_scan(CustomScanState *node, const Const *permission, int nterms,
                                List *ancestors, ExplainState *es);

#endif /* TEAMRBAC_TENANT_SCAN_H */
