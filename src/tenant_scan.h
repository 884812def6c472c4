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

/* Shows conditions, in terms of the table, as an index scan's are shown. */
extern void explain_index_conditions(CustomScanState *node, List *quals, List *ancestors,
                                     ExplainState *es);

#endif /* TEAMRBAC_TENANT_SCAN_H */
