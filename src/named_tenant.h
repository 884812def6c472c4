/*
 * named_tenant.h
 *	  Queries that name the tenant whose rows they read are planned without the policy's call at first.
 */
#ifndef TEAMRBAC_NAMED_TENANT_H
#define TEAMRBAC_NAMED_TENANT_H

#include "nodes/pathnodes.h"

/* A call of has_permission that the query being planned is without for now. */
typedef struct WithheldCall
{
	Query    *query; /* as it is planned; NULL: none is missing */
	FuncExpr *call;  /* has_permission(column, constant) */
	Node     *value; /* to which the query equates the column */
} WithheldCall;

/* The innermost planner's; whoever calls another one keeps it meanwhile. */
extern PGDLLIMPORT WithheldCall withheld_call;

/*
 * Returns the query to plan in place of this one: itself, or, if it names the tenant and is as simple as this needs, a copy
 * without the policy's call, which withheld_call then holds.
 */
extern Query *withhold_call(Query *query);

/* Puts the call back among the restrictions of its table when the paths have been made; false if it is not of this one. */
extern bool put_back_call(PlannerInfo *root, RelOptInfo *rel);

#endif /* TEAMRBAC_NAMED_TENANT_H */
