/*
 * filter.h
 *	  Plans without a filter for what an index condition has settled already.
 */
#ifndef TEAMRBAC_FILTER_H
#define TEAMRBAC_FILTER_H

/* The functions that stand for each other in a plan. */
typedef struct CheckFunctions
{
	Oid has_permission;
	Oid permitted_tenants;
	Oid permitted_tenant;
} CheckFunctions;

/* Installs the planner hook; once, when the library is loaded. */
extern void filter_init(void);

/*
 * Tells the hook that the query being planned calls has_permission where an index may answer instead:
 * by tenant = ANY (permitted_tenants(permission)), or by the query's own tenant = value, which then becomes
 * tenant = permitted_tenant(value, permission).
 */
extern void filter_note_functions(const CheckFunctions *functions);

/* Whether an expression of the query being planned is such a call of has_permission. */
extern bool filter_is_check(Node *node);

/* Whether a query is being planned: what a function answers then is for an estimate only. */
extern bool planner_is_running(void);

/*
 * Whether that query is a cursor's.  Each FETCH of one has to look again, which an index condition does not:
 * the filter must stay.
 */
extern bool planning_cursor(void);

#endif /* TEAMRBAC_FILTER_H */
