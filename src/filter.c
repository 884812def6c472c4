/*
 * filter.c
 *	  Plans without a filter for what an index condition has settled already.
 *
 * has_permission as a filter is called for each row.  Where an index brings the rows, one call a scan is
 * enough; but the planner cannot know that in two cases, so we change the finished plan:
 *
 * An index scan for the query's own tenant = value, with has_permission(tenant, permission) as the filter
 * behind it, becomes one for tenant = permitted_tenant(value, permission), which is NULL where the permission
 * is missing: no row equals that.  The value is computed once, so even one that differed at each evaluation
 * would be the same that was checked.
 *
 * An index scan drops a clause that the support function has turned into an exact index condition; a bitmap
 * scan's plan keeps it as a filter all the same, since the planner compares it with the conditions by
 * equality and by proof, and can prove nothing of a stable function.  We move such a call to where it
 * belongs, the recheck condition, which is evaluated only for pages whose bitmap became lossy.
 *
 * The walk costs nothing where no table of the query has a call that an index could answer.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/plannodes.h"
#include "nodes/primnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "utils/fmgroids.h"
#include "utils/plancache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "filter.h"
#include "named_tenant.h"

static planner_hook_type previous_planner_hook = NULL;

/* How many calls of the planner are under way, and about the innermost: */
static int            planning_depth = 0;
static bool           planning_for_cursor = false;
static bool           noted = false; /* filter_note_functions was called */
static CheckFunctions functions;

/* The hook was not there yet when the present planning began. */
static bool came_late = false;

bool
planner_is_running(void)
{
	return planning_depth > 0;
}

bool
planning_cursor(void)
{
	return planning_depth == 0 || planning_for_cursor;
}

/*
 * plan_again drops all cached plans at the end of a transaction in which the planner loaded the library, by
 * asking the support function: too late for that query's plan, which a session must not keep for ever.
 */
static void
plan_again(XactEvent event, void *arg)
{
	if (!came_late)
		return;
	came_late = false;
	ResetPlanCache();
}

void
filter_note_functions(const CheckFunctions *present)
{
	noted = true;
	functions = *present;
	if (planning_depth == 0 && !came_late)
	{
		came_late = true;
		RegisterXactCallback(plan_again, NULL);
	}
}

static bool
is_call(Node *node, Oid function)
{
	return IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid == function;
}

bool
filter_is_check(Node *node)
{
	return noted && is_call(node, functions.has_permission);
}

/* stands_for tells whether an index condition is the one made of this call of has_permission. */
static bool
stands_for(Node *condition, FuncExpr *call)
{
	ScalarArrayOpExpr *array_condition = (ScalarArrayOpExpr *) condition;
	FuncExpr          *tenants;

	if (!IsA(condition, ScalarArrayOpExpr) || !array_condition->useOr)
		return false;
	tenants = lsecond(array_condition->args);
	return is_call((Node *) tenants, functions.permitted_tenants) &&
	       equal(linitial(array_condition->args), linitial(call->args)) &&
	       equal(linitial(tenants->args), lsecond(call->args));
}

/*
 * names_tenant tells whether an index condition equates the call's tenant, a column or a value, with some value or column,
 * while its permission is the same for all rows.
 */
static bool
names_tenant(Node *condition, FuncExpr *call)
{
	OpExpr *equality = (OpExpr *) condition;
	Node   *permission = lsecond(call->args);

	return IsA(condition, OpExpr) && equality->opfuncid == F_UUID_EQ &&
	       (equal(linitial(equality->args), linitial(call->args)) ||
	        equal(lsecond(equality->args), linitial(call->args))) &&
	       (IsA(permission, Const) ||
	        (!contain_var_clause(permission) && !contain_volatile_functions(permission) &&
	         !contain_subplans(permission)));
}

/* permitted is what a condition's value becomes: permitted_tenant(value, permission). */
static Node *
permitted(Node *condition, FuncExpr *call)
{
	Node *value = lsecond(((OpExpr *) condition)->args);

	return (Node *) makeFuncExpr(functions.permitted_tenant, UUIDOID,
	                             list_make2(value, lsecond(call->args)), InvalidOid,
	                             call->inputcollid, COERCE_EXPLICIT_CALL);
}

/* with_value returns a condition that compares with another value.  What it doesn't change, it shares. */
static Node *
with_value(Node *condition, Node *value)
{
	OpExpr *equality = makeNode(OpExpr);

	*equality = *(OpExpr *) condition;
	equality->args = list_make2(linitial(equality->args), value);
	return (Node *) equality;
}

static List *
with_nth(List *list, int n, Node *node)
{
	List *result = list_copy(list);

	lfirst(list_nth_cell(result, n)) = node;
	return result;
}

/*
 * apply_call has an index scan's conditions apply a call of has_permission, if they can: true if so.  The
 * lists hold the same conditions, in terms of the index and of what the filter's columns are.  Other nodes
 * of the plan may share them, so both are made anew.
 */
static bool
apply_call(List **conditions, List **originals, FuncExpr *call)
{
	Assert(list_length(*conditions) == list_length(*originals));
	for (int i = 0; i < list_length(*originals); i++)
	{
		Node *tenant;

		if (!names_tenant(list_nth(*originals, i), call))
			continue;
		tenant = permitted(list_nth(*originals, i), call);
		*originals = with_nth(*originals, i, with_value(list_nth(*originals, i), tenant));
		*conditions = with_nth(*conditions, i, with_value(list_nth(*conditions, i), tenant));
		return true;
	}
	return false;
}

/* strip_filter takes those calls off an index scan's filter which its conditions can apply. */
static void
strip_filter(Plan *scan, List **conditions, List **originals)
{
	List     *kept = NIL;
	ListCell *cell;

	foreach(cell, scan->qual)
	{
		Node *clause = lfirst(cell);

		if (!is_call(clause, functions.has_permission) ||
		    !apply_call(conditions, originals, (FuncExpr *) clause))
			kept = lappend(kept, clause);
	}
	scan->qual = kept;
}

/* ---- bitmap scans ---------------------------------------------------------------------------------- */

static bool can_apply(Plan *bitmap, FuncExpr *call);

/* count_able counts the bitmaps among several that hold, or can be made to hold, only rows that satisfy it. */
static int
count_able(List *bitmaps, FuncExpr *call)
{
	int       n = 0;
	ListCell *cell;

	foreach(cell, bitmaps)
	{
		if (can_apply(lfirst(cell), call))
			n++;
	}
	return n;
}

/* can_apply tells whether a bitmap, while exact, can hold only rows that satisfy the call. */
static bool
can_apply(Plan *bitmap, FuncExpr *call)
{
	ListCell *cell;

	check_stack_depth();
	if (IsA(bitmap, BitmapAnd))
		return count_able(((BitmapAnd *) bitmap)->bitmapplans, call) > 0;
	if (IsA(bitmap, BitmapOr))
	{
		List *bitmaps = ((BitmapOr *) bitmap)->bitmapplans;

		return count_able(bitmaps, call) == list_length(bitmaps);
	}
	if (!IsA(bitmap, BitmapIndexScan))
		return false;
	foreach(cell, ((BitmapIndexScan *) bitmap)->indexqualorig)
	{
		if (stands_for(lfirst(cell), call) || names_tenant(lfirst(cell), call))
			return true;
	}
	return false;
}

/* apply_to_bitmap changes the conditions that name the tenant, so that what can_apply said comes true. */
static void
apply_to_bitmap(Plan *bitmap, FuncExpr *call)
{
	List     *bitmaps = NIL;
	ListCell *cell;

	check_stack_depth();
	if (IsA(bitmap, BitmapAnd))
		bitmaps = ((BitmapAnd *) bitmap)->bitmapplans;
	else if (IsA(bitmap, BitmapOr))
		bitmaps = ((BitmapOr *) bitmap)->bitmapplans;
	else if (IsA(bitmap, BitmapIndexScan))
	{
		BitmapIndexScan *scan = (BitmapIndexScan *) bitmap;

		(void) apply_call(&scan->indexqual, &scan->indexqualorig, call);
	}
	foreach(cell, bitmaps)
		apply_to_bitmap(lfirst(cell), call);
}

static void
move_to_recheck(BitmapHeapScan *scan)
{
	Plan     *plan = &scan->scan.plan;
	List     *kept = NIL;
	ListCell *cell;

	foreach(cell, plan->qual)
	{
		FuncExpr *call = lfirst(cell);

		if (is_call((Node *) call, functions.has_permission) && can_apply(plan->lefttree, call))
		{
			apply_to_bitmap(plan->lefttree, call);
			scan->bitmapqualorig = lappend(list_copy(scan->bitmapqualorig), call);
		}
		else
			kept = lappend(kept, call);
	}
	plan->qual = kept;
}

/* ---- the walk -------------------------------------------------------------------------------------- */

static void walk(Plan *plan);

static void
walk_list(List *plans)
{
	ListCell *cell;

	foreach(cell, plans)
		walk(lfirst(cell));
}

/* walk finds the scans; a kind of node that it doesn't know keeps its filters, which is right too. */
static void
walk(Plan *plan)
{
	if (plan == NULL)
		return;
	check_stack_depth();
	switch (nodeTag(plan))
	{
		case T_IndexScan:
		{
			IndexScan *scan = (IndexScan *) plan;

			strip_filter(plan, &scan->indexqual, &scan->indexqualorig);
			return;
		}
		case T_IndexOnlyScan:
		{
			IndexOnlyScan *scan = (IndexOnlyScan *) plan;

			strip_filter(plan, &scan->indexqual, &scan->recheckqual);
			return;
		}
		case T_BitmapHeapScan:
			move_to_recheck((BitmapHeapScan *) plan);
			return;
		case T_Append:
			walk_list(((Append *) plan)->appendplans);
			break;
		case T_MergeAppend:
			walk_list(((MergeAppend *) plan)->mergeplans);
			break;
		case T_SubqueryScan:
			walk(((SubqueryScan *) plan)->subplan);
			break;
		case T_CustomScan:
			walk_list(((CustomScan *) plan)->custom_plans);
			break;
		default:
			break;
	}
	walk(plan->lefttree);
	walk(plan->righttree);
}

/* depend_on has a cached plan made anew when the function changes, as for any that the query calls. */
static void
depend_on(PlannedStmt *plan, Oid function)
{
	PlanInvalItem *item = makeNode(PlanInvalItem);

	item->cacheId = PROCOID;
	item->hashValue = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(function));
	plan->invalItems = lappend(plan->invalItems, item);
}

static void
change_plan(PlannedStmt *plan)
{
	walk(plan->planTree);
	walk_list(plan->subplans);
	depend_on(plan, functions.permitted_tenant);
}

static PlannedStmt *
call_planner(Query *parse, const char *query_string, int cursor_options, ParamListInfo bound_params)
{
	if (previous_planner_hook != NULL)
		return previous_planner_hook(parse, query_string, cursor_options, bound_params);
	if (!planning_for_cursor)
		parse = withhold_call(parse);
	return standard_planner(parse, query_string, cursor_options, bound_params);
}

static PlannedStmt *
plan_query(Query *parse, const char *query_string, int cursor_options, ParamListInfo bound_params)
{
	bool         noted_outside = noted;
	bool         cursor_outside = planning_for_cursor;
	WithheldCall withheld_outside = withheld_call;
	PlannedStmt *result;

	noted = false;
	planning_for_cursor = (cursor_options & CURSOR_OPT_FAST_PLAN) != 0;
	planning_depth++;
	withheld_call.query = NULL;
	PG_TRY();
	{
		result = call_planner(parse, query_string, cursor_options, bound_params);
		if (withheld_call.query != NULL)
			elog(ERROR, "a policy's condition is missing in the plan");
		if (noted && !planning_for_cursor)
			change_plan(result);
	}
	PG_FINALLY();
	{
		planning_depth--;
		withheld_call = withheld_outside;
		noted = noted_outside;
		planning_for_cursor = cursor_outside;
	}
	PG_END_TRY();
	return result;
}

void
filter_init(void)
{
	previous_planner_hook = planner_hook;
	planner_hook = plan_query;
}
