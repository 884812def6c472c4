/*
 * planner.c
 *	  What the planner should know about has_permission: that it is an index condition, how many rows it lets
 *	  through, and what it costs.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/namespace.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

#include "bitmap.h"
#include "check.h"
#include "compat.h"

/* uuid = uuid, as in pg_operator.dat. */
#define UUID_EQUALITY 2972

PG_FUNCTION_INFO_V1(teamrbac_has_permission_support);

/*
 * column_is_fixed tells whether the query itself equates the tenant's column, as it stands in a table's
 * restrictions, to one value.
 */
static bool
column_is_fixed(PlannerInfo *root, RelOptInfo *rel, Node *column)
{
	ListCell *cell;

	foreach(cell, rel->baserestrictinfo)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		OpExpr       *clause = (OpExpr *) restriction->clause;
		Node         *other;

		if (!IsA(clause, OpExpr) || clause->opno != UUID_EQUALITY)
			continue;
		if (equal(linitial(clause->args), column))
			other = lsecond(clause->args);
		else if (equal(lsecond(clause->args), column))
			other = linitial(clause->args);
		else
			continue;
		if (!bms_is_member(rel->relid, pull_varnos(root, other)) &&
		    !contain_volatile_functions(other))
			return true;
	}
	return false;
}

/*
 * index_condition answers has_permission(tenant_id, permission) on an index of tenant_id by
 * tenant_id = ANY (permitted_tenants(permission)): the same rows, so no filter remains.
 */
static List *
index_condition(SupportRequestIndexCondition *req)
{
	List              *args;
	Node              *column;
	Node              *permission;
	Oid                equality;
	Oid                permitted_tenants;
	FuncExpr          *tenants;
	ScalarArrayOpExpr *condition;
	const Oid          argtypes[] = {TEXTOID};

	if (!is_funcclause(req->node) || req->indexarg != 0)
		return NIL;
	if (req->index->relam != BTREE_AM_OID || !req->index->amsearcharray ||
	    !ARRAY_CONDITION_KEEPS_INDEX_ORDER(req->indexcol))
		return NIL;
	args = ((FuncExpr *) req->node)->args;
	column = linitial(args);
	permission = lsecond(args);
	if (!is_pseudo_constant_for_index(req->root, permission, req->index))
		return NIL;
	equality = get_opfamily_member(req->opfamily, UUIDOID, UUIDOID, BTEqualStrategyNumber);
	/*
	 * Where the query names the tenant, its own condition with has_permission as the filter behind it reads
	 * that tenant's rows; ours would have the index search for each of the user's tenants in turn.
	 */
	if (!OidIsValid(equality) || column_is_fixed(req->root, req->index->rel, column))
		return NIL;

	permitted_tenants = LookupFuncName(
		list_make2(makeString("teamrbac"), makeString("permitted_tenants")), 1, argtypes, true);
	if (!OidIsValid(permitted_tenants))
		return NIL;
	tenants = makeFuncExpr(permitted_tenants, UUIDARRAYOID, list_make1(copyObject(permission)),
	                       InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	condition = makeNode(ScalarArrayOpExpr);
	condition->opno = equality;
	condition->opfuncid = get_opcode(equality);
	condition->useOr = true;
	condition->args = list_make2(copyObject(column), tenants);
	condition->location = -1;
	bitmap_note_condition(((FuncExpr *) req->node)->funcid, permitted_tenants);
	req->lossy = false;
	return list_make1(condition);
}

/*
 * selectivity: the rows of as many tenants as whoever is asking has, of all tenants in the table.  A generic
 * plan is made for whoever plans it, as with any parameter.
 */
static bool
selectivity(SupportRequestSelectivity *req)
{
	VariableStatData column;
	double           ntenants;
	double           ndistinct;
	bool             isdefault;

	Var *var = linitial(req->args);

	if (req->is_join || !contain_var_clause((Node *) var))
		return false;
	/* Where the query names the tenant, all of its rows or none. */
	if (IsA(var, Var) && var->varlevelsup == 0 &&
	    column_is_fixed(req->root, find_base_rel(req->root, var->varno), (Node *) var))
	{
		req->selectivity = 1.0;
		return true;
	}
	ntenants = Max(subject_estimate(current_subject()), 1.0);
	examine_variable(req->root, linitial(req->args), req->varRelid, &column);
	ndistinct = get_variable_numdistinct(&column, &isdefault);
	ReleaseVariableStats(column);
	req->selectivity = Min(ntenants / Max(ndistinct, 1.0), 1.0);
	return true;
}

/* cost: one look-up in memory a call, whatever the number of tenants. */
static void
cost(SupportRequestCost *req)
{
	req->startup = 0;
	req->per_tuple = cpu_operator_cost;
}

Datum
teamrbac_has_permission_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);
	Node *answer = NULL;

	if (IsA(request, SupportRequestIndexCondition))
		answer = (Node *) index_condition((SupportRequestIndexCondition *) request);
	else if (IsA(request, SupportRequestSelectivity))
	{
		if (selectivity((SupportRequestSelectivity *) request))
			answer = request;
	}
	else if (IsA(request, SupportRequestCost))
	{
		cost((SupportRequestCost *) request);
		answer = request;
	}
	PG_RETURN_POINTER(answer);
}
