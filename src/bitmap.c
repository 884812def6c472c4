/*
 * bitmap.c
 *	  Bitmap scans without a filter that the index has applied already.
 *
 * An index scan drops a clause that a support function has turned into an exact index condition; a bitmap
 * scan's plan keeps it as a filter all the same, since the planner compares it with the conditions by
 * equality and by proof, and can prove nothing of a stable function.  So every row would be checked twice.
 * After planning we move such a call to where it belongs, the recheck condition, which is evaluated only for
 * pages whose bitmap became lossy.
 *
 * The walk costs nothing where no such condition was made.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/plannodes.h"
#include "nodes/primnodes.h"
#include "optimizer/planner.h"

#include "bitmap.h"
#include "compat.h"

static planner_hook_type previous_planner_hook = NULL;

/* How many calls of the planner are under way. */
static int planning_depth = 0;

bool
planner_is_running(void)
{
	return planning_depth > 0;
}

/* What bitmap_note_condition said during the present planning. */
static bool noted = false;
static Oid  has_permission_oid;
static Oid  permitted_tenants_oid;

void
bitmap_note_condition(Oid has_permission, Oid permitted_tenants)
{
	noted = true;
	has_permission_oid = has_permission;
	permitted_tenants_oid = permitted_tenants;
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
	return IsA(tenants, FuncExpr) && tenants->funcid == permitted_tenants_oid &&
	       equal(linitial(array_condition->args), linitial(call->args)) &&
	       equal(linitial(tenants->args), lsecond(call->args));
}

static bool bitmap_applies(Plan *bitmap, FuncExpr *call);

/* count_applying counts the bitmaps among several that hold only rows that satisfy the call. */
static int
count_applying(List *bitmaps, FuncExpr *call)
{
	int       n = 0;
	ListCell *cell;

	foreach(cell, bitmaps)
	{
		if (bitmap_applies(lfirst(cell), call))
			n++;
	}
	return n;
}

/* bitmap_applies tells whether a bitmap, while exact, holds only rows that satisfy the call. */
static bool
bitmap_applies(Plan *bitmap, FuncExpr *call)
{
	ListCell *cell;

	check_stack_depth();
	if (IsA(bitmap, BitmapAnd))
		return count_applying(((BitmapAnd *) bitmap)->bitmapplans, call) > 0;
	if (IsA(bitmap, BitmapOr))
	{
		List *bitmaps = ((BitmapOr *) bitmap)->bitmapplans;

		return count_applying(bitmaps, call) == list_length(bitmaps);
	}
	if (!IsA(bitmap, BitmapIndexScan))
		return false;
	foreach(cell, ((BitmapIndexScan *) bitmap)->indexqualorig)
	{
		if (stands_for(lfirst(cell), call))
			return true;
	}
	return false;
}

static void
move_applied_calls(BitmapHeapScan *scan)
{
	Plan     *plan = &scan->scan.plan;
	List     *kept = NIL;
	ListCell *cell;

	foreach(cell, plan->qual)
	{
		FuncExpr *call = lfirst(cell);

		if (IsA(call, FuncExpr) && call->funcid == has_permission_oid &&
		    bitmap_applies(plan->lefttree, call))
			scan->bitmapqualorig = lappend(scan->bitmapqualorig, call);
		else
			kept = lappend(kept, call);
	}
	plan->qual = kept;
}

static void walk(Plan *plan);

static void
walk_list(List *plans)
{
	ListCell *cell;

	foreach(cell, plans)
		walk(lfirst(cell));
}

/* walk finds the bitmap scans; a kind of node that it doesn't know keeps its filters, which is right too. */
static void
walk(Plan *plan)
{
	if (plan == NULL)
		return;
	check_stack_depth();
	switch (nodeTag(plan))
	{
		case T_BitmapHeapScan:
			move_applied_calls((BitmapHeapScan *) plan);
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

static PlannedStmt *
plan_query(Query *parse, const char *query_string, int cursor_options, ParamListInfo bound_params)
{
	bool         noted_outside = noted;
	PlannedStmt *result;

	noted = false;
	planning_depth++;
	PG_TRY();
	{
		if (previous_planner_hook != NULL)
			result = previous_planner_hook(parse, query_string, cursor_options, bound_params);
		else
			result = standard_planner(parse, query_string, cursor_options, bound_params);
	}
	PG_FINALLY();
	{
		planning_depth--;
	}
	PG_END_TRY();
	if (noted)
	{
		walk(result->planTree);
		walk_list(result->subplans);
	}
	noted = noted_outside;
	return result;
}

void
bitmap_init(void)
{
	previous_planner_hook = planner_hook;
	planner_hook = plan_query;
}
