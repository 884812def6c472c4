/*
 * planner.h
 *	  What the planner should know about has_permission.
 */
#ifndef TEAMRBAC_PLANNER_H
#define TEAMRBAC_PLANNER_H

#include "nodes/pathnodes.h"

#include "filter.h"

/* uuid = uuid, and the operator family of B-trees of uuid, as in pg_operator.dat and pg_opfamily.dat. */
#define UUID_EQUALITY 2972
#define UUID_BTREE_FAMILY 2968

/*
 * Whether some of a table's restrictions, by the query itself, equate the tenant's column to one value; the column is
 * as it stands there.
 */
extern bool column_is_fixed_by(PlannerInfo *root, RelOptInfo *rel, List *restrictions,
                               Node *column);

/* The same of all of the table's. */
extern bool column_is_fixed(PlannerInfo *root, RelOptInfo *rel, Node *column);

/* The functions as the last query found them, or NULL where none has, or they may have changed since. */
extern const CheckFunctions *planner_known_functions(void);

/* Registers the callback that watches for new functions; once, when the library is loaded. */
extern void planner_init(void);

#endif /* TEAMRBAC_PLANNER_H */
