/*
 * planner.c
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

#include "check.h"
#include "compat.h"
#include "filter.h"
#include "merge.h"
#include "planner.h"

PG_FUNCTION_INFO_V1(teamrbac_has_permission_support);

/* ---- finding our functions ------------------------------------------------------------------------- */

/* Counts the changes of any function, beginning with 1. */
static uint64 function_epoch = 1;

static void
count_function_change(Datum arg, int cacheid, uint32 hashvalue)
{
	function_epoch++;
}

void
planner_init(void)
{
	CacheRegisterSyscacheCallback(PROCOID, count_function_change, (Datum) 0);
}

static Oid
find_function(const char *name, int nargs, const Oid *argtypes)
{
	return LookupFuncName(list_make2(makeString("teamrbac"), makeString(pstrdup(name))), nargs,
	                      argtypes, true);
}

/* What find_functions found, and when. */
static CheckFunctions found;
static uint64         found_epoch = 0;

const CheckFunctions *
planner_known_functions(void)
{
	if (found_epoch != function_epoch || !OidIsValid(found.permitted_tenants) ||
	    !OidIsValid(found.permitted_tenant))
		return NULL;
	return &found;
}

/*
 * find_functions returns what can take the place of this function, or NULL where that is missing.  It
 * remembers them, since each query is planned with them; a change that comes in meanwhile makes the label
 * old, and the query is planned as if they were missing.
 */
static const CheckFunctions *
find_functions(Oid has_permission)
{
	const Oid argtypes[] = {UUIDOID, TEXTOID};

	if (found_epoch != function_epoch || found.has_permission != has_permission)
	{
		uint64 epoch = function_epoch;

		found_epoch = 0;
		found.has_permission = has_permission;
		found.permitted_tenants = find_function("permitted_tenants", 1, &argtypes[1]);
		found.permitted_tenant = find_function("permitted_tenant", 2, argtypes);
		found_epoch = epoch;
	}
	return planner_known_functions();
}

/* ---- answers --------------------------------------------------------------------------------------- */

bool
column_is_fixed_by(PlannerInfo *root, RelOptInfo *rel, List *restrictions, Node *column)
{
	ListCell *cell;

	foreach(cell, restrictions)
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
		if (IsA(other, Const) || IsA(other, Param) ||
		    (!bms_is_member(rel->relid, pull_varnos(root, other)) &&
		     !contain_volatile_functions(other)))
			return true;
	}
	return false;
}

bool
column_is_fixed(PlannerInfo *root, RelOptInfo *rel, Node *column)
{
	return column_is_fixed_by(root, rel, rel->baserestrictinfo, column);
}

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
	FuncExpr             *call = (FuncExpr *) req->node;
	const CheckFunctions *functions;
	Node                 *column;
	Node                 *permission;

	if (!is_funcclause(req->node) || req->indexarg != 0)
		return NIL;
	if (req->opfamily != UUID_BTREE_FAMILY || !req->index->amsearcharray)
		return NIL;
	column = linitial(call->args);
	permission = lsecond(call->args);
	if (!is_pseudo_constant_for_index(req->root, permission, req->index))
		return NIL;
	functions = find_functions(call->funcid);
	if (functions == NULL)
		return NIL;
	filter_note_functions(functions);
	/*
	 * Where the query names the tenant, the index need only search for that one; ours would have it search
	 * for each of the user's tenants in turn.  The filter behind it goes after planning.
	 */
	if (!ARRAY_CONDITION_KEEPS_INDEX_ORDER(req->indexcol) ||
	    column_is_fixed(req->root, req->index->rel, column))
		return NIL;
	/* Nor is there a better index for a row that is looked up by its key, or a better scan for a page. */
	if (relation_has_unique_index_for(req->root, req->index->rel, NIL, NIL, NIL) ||
	    merge_gives_page(req->root, req->index))
		return NIL;
	req->lossy = planning_cursor();
	return list_make1(is_any_of(column, functions->permitted_tenants, permission));
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
