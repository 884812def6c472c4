/*
 * lookup_path.c
 *	  Offers the planner a look-up of a row by its key under a policy.
 *
 * PostgreSQL's own plan reads the key's index and calls has_permission as a filter.  To prepare that expression for each
 * execution takes longer than the answer; and the rows of somebody's only tenant lie closer together in an index on
 * (tenant_id, key) than in that of the key.  Which of the two to read is known at execution only.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_am.h"
#include "nodes/makefuncs.h"
#include "optimizer/pathnode.h"
#include "optimizer/restrictinfo.h"
#include "utils/lsyscache.h"

#include "lookup.h"
#include "tenant_scan.h"

/* What the look-up costs, of an index scan with a filter: less, so that the planner takes it. */
#define COST_FACTOR 0.98

/* key_qual finds the restriction that equates a column of the index to some value, and returns it as its condition. */
static Node *
key_qual(PlannerInfo *root, IndexOptInfo *index, int column, List *restrictions,
         RestrictInfo **found)
{
	ListCell *cell;

	foreach(cell, restrictions)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		Node         *qual = index_qual(root, index, column, restriction);

		if (qual == NULL ||
		    get_op_opfamily_strategy(((OpExpr *) qual)->opno, index->opfamily[column]) !=
		        BTEqualStrategyNumber)
			continue;
		*found = restriction;
		return qual;
	}
	return NULL;
}

/* key_quals finds conditions for columns of the index, from the first one given on; NIL if one of them has none. */
static List *
key_quals(PlannerInfo *root, IndexOptInfo *index, int first, int ncolumns, List *restrictions,
          List **applied)
{
	List *quals = NIL;

	*applied = NIL;
	if (first + ncolumns > index->nkeycolumns)
		return NIL;
	for (int column = first; column < first + ncolumns; column++)
	{
		RestrictInfo *restriction;
		Node         *qual = key_qual(root, index, column, restrictions, &restriction);

		if (qual == NULL)
			return NIL;
		quals = lappend(quals, qual);
		*applied = list_append_unique_ptr(*applied, restriction);
	}
	return quals;
}

/* tenant_index finds an index of the tenant and then the same columns. */
static IndexOptInfo *
tenant_index(PlannerInfo *root, RelOptInfo *rel, RestrictInfo *call, List *applied, List **quals)
{
	ListCell *cell;

	foreach(cell, rel->indexlist)
	{
		IndexOptInfo *index = lfirst_node(IndexOptInfo, cell);
		List         *same;

		if (!leads_with_tenant(index, call) || index->indpred != NIL)
			continue;
		*quals = key_quals(root, index, 1, list_length(applied), applied, &same);
		if (*quals != NIL && list_length(same) == list_length(applied))
			return index;
	}
	return NULL;
}

static Plan *
plan_lookup(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
            List *children)
{
	return plan_tenant_scan(rel, path, tlist, clauses, &lookup_scan_methods);
}

static const CustomPathMethods path_methods = {
	.CustomName = "TenantLookup",
	.PlanCustomPath = plan_lookup,
};

/* offer_for_key offers to do what an index scan does, if that is a look-up. */
static bool
offer_for_key(PlannerInfo *root, RelOptInfo *rel, RestrictInfo *call, const IndexPath *scan)
{
	IndexOptInfo *key = scan->indexinfo;
	FuncExpr     *check = (FuncExpr *) call->clause;
	IndexOptInfo *by_tenant;
	List         *by_key_quals, *by_tenant_quals, *applied;
	CustomPath   *path;

	if (!key->unique || key->indpred != NIL || key->hypothetical || key->relam != BTREE_AM_OID ||
	    scan->path.param_info != NULL || scan->path.pathtype != T_IndexScan)
		return false;
	by_key_quals = key_quals(root, key, 0, key->nkeycolumns, key->indrestrictinfo, &applied);
	if (by_key_quals == NIL || list_length(applied) != key->nkeycolumns)
		return false;
	by_tenant = tenant_index(root, rel, call, applied, &by_tenant_quals);
	if (by_tenant == NULL)
		return false;
	path = makeNode(CustomPath);
	path->path = scan->path;
	path->path.type = T_CustomPath;
	path->path.pathtype = T_CustomScan;
	path->path.pathtarget = rel->reltarget;
	path->path.parallel_safe = false;
	path->path.total_cost *= COST_FACTOR;
	path->path.startup_cost *= COST_FACTOR;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_private =
		list_make3(lcons(call, applied), list_concat(by_tenant_quals, by_key_quals),
	               list_make3(list_make2_oid(by_tenant->indexoid, key->indexoid),
	                          list_make1_int(((Var *) linitial(check->args))->varattno),
	                          list_make1(lsecond(check->args))));
	path->methods = &path_methods;
	add_path(rel, &path->path);
	return true;
}

bool
offer_lookup(PlannerInfo *root, RelOptInfo *rel, RestrictInfo *call)
{
	ListCell *cell;

	foreach(cell, rel->pathlist)
	{
		Path *path = lfirst(cell);

		if (IsA(path, IndexPath) && offer_for_key(root, rel, call, (IndexPath *) path))
			return true;
	}
	return false;
}
