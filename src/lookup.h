/*
 * lookup.h
 *	  A look-up of a row by its key under a policy: its plan and its execution.
 */
#ifndef TEAMRBAC_LOOKUP_H
#define TEAMRBAC_LOOKUP_H

#include "nodes/extensible.h"
#include "nodes/pathnodes.h"

/*
 * What CustomScan.custom_private holds.  custom_exprs are the conditions on the key three times: in terms of the tenant's
 * index, of the key's, and of the table.
 */
typedef enum LookupPrivate
{
	LOOKUP_INDEXES,   /* OID list: of the tenant with the key, and of the key alone */
	LOOKUP_COLUMN,    /* integer list: the table's column of the tenant */
	LOOKUP_PERMISSION /* expression list: a constant */
} LookupPrivate;

extern const CustomScanMethods lookup_scan_methods;

/*
 * Offers a look-up, if the table's restrictions name all of a unique key, and an index has the same after the tenant; true
 * if so.
 */
extern bool offer_lookup(PlannerInfo *root, RelOptInfo *rel, RestrictInfo *call);

#endif /* TEAMRBAC_LOOKUP_H */
