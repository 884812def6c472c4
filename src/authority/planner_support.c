/*
 * planner_support.c
 *	  What the planner should know about has_permission: that it is an index condition, how many rows it lets
 *	  through, and what it costs.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "parser/parse_func.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

#include "authority/principal.h"
#include "compat.h"

PG_FUNCTION_INFO_V1(teamrbac_has_permission_support);
PG_FUNCTION_INFO_V1(teamrbac_is_acting_tenant_support);

/* ---- answers --------------------------------------------------------------------------------------- */

/* The equality of uuid, and its B-tree family: numbers that PostgreSQL fixes and gives no names. */
#define UUID_EQUALITY 2972
#define UUID_BTREE_FAMILY 2968

/* is_any_of makes column = ANY (permitted_tenants(permission)). */
static Node *
is_any_of(Node *column, Oid permitted_tenants, Node *permission)
{
	FuncExpr *tenants =
		makeFuncExpr(permitted_tenants, UUIDARRAYOID, list_make1(copyObject(permission)),
	                 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	ScalarArrayOpExpr *condition = makeNode(ScalarArrayOpExpr);

	condition->opno = UUID_EQUALITY;
	condition->opfuncid = F_UUID_EQ;
	condition->useOr = true;
	condition->args = list_make2(copyObject(column), tenants);
	condition->location = -1;
	return (Node *) condition;
}

/*
 * index_condition answers has_permission(tenant_id, permission) on an index of tenant_id by
 * tenant_id = ANY (permitted_tenants(permission)): the same rows, so no filter remains.
 */
static List *
index_condition(SupportRequestIndexCondition *req)
{
	const Oid argtypes[] = {TEXTOID};
	FuncExpr *call = (FuncExpr *) req->node;
	Node     *permission;
	Oid       permitted_tenants;

	if (!is_funcclause(req->node) || req->indexarg != 0)
		return NIL;
	if (req->opfamily != UUID_BTREE_FAMILY || !req->index->amsearcharray)
		return NIL;
	permission = lsecond(call->args);
	if (!is_pseudo_constant_for_index(req->root, permission, req->index))
		return NIL;
	if (!ARRAY_CONDITION_KEEPS_INDEX_ORDER(req->indexcol))
		return NIL;
	permitted_tenants = LookupFuncName(
		list_make2(makeString("teamrbac"), makeString("permitted_tenants")), 1, argtypes, true);
	if (!OidIsValid(permitted_tenants))
		return NIL;
	req->lossy = false;
	return list_make1(is_any_of(linitial(call->args), permitted_tenants, permission));
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
	ntenants = Max(principal_estimate(current_principal()), 1.0);
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

/*
 * is_acting_tenant stands in policies beside an equality that lets no other rows through: it takes none of their estimate,
 * and costs a comparison.
 */
Datum
teamrbac_is_acting_tenant_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);
	Node *answer = NULL;

	if (IsA(request, SupportRequestSelectivity))
	{
		((SupportRequestSelectivity *) request)->selectivity = 1.0;
		answer = request;
	}
	else if (IsA(request, SupportRequestCost))
	{
		cost((SupportRequestCost *) request);
		answer = request;
	}
	PG_RETURN_POINTER(answer);
}
