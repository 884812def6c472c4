/*
 * named_tenant.c
 *	  Queries that name the tenant whose rows they read are planned without the policy's call at first.
 *
 * Where a query says tenant_id = value, the policy's has_permission(tenant_id, permission) cannot lead to another
 * plan: it is true of all of these rows or of none.  Still the planner would estimate it, match it with each
 * index and count its cost for each path, which takes longer than to execute it.  So we plan one table's
 * query with tenant_id = value in the place of the policy, where it keeps other conditions from being evaluated
 * before it as the policy would, and give the call back to the table's restrictions once the paths have been
 * made.  The plan is then made with it, of whatever kind it is.
 *
 * What fails, fails closed: a query whose call was not put back is not executed (see filter.c).  Where another extension's
 * hook stands between us and the planner we withhold nothing, as it may plan what it likes.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"

#include "compat.h"
#include "filter.h"
#include "merge.h"
#include "named_tenant.h"
#include "planner.h"

WithheldCall withheld_call = {NULL, NULL, NULL};

/* ---- before planning ------------------------------------------------------------------------------- */

/* is_simple tells whether a query reads one table, and the planner makes one set of paths for it. */
static bool
is_simple(const Query *query)
{
	return query->commandType == CMD_SELECT && list_length(query->rtable) == 1 &&
	       list_length(query->jointree->fromlist) == 1 && query->setOperations == NULL &&
	       query->groupingSets == NIL && query->cteList == NIL && query->rowMarks == NIL &&
	       !query->hasAggs && !query->hasSubLinks;
}

/* policy_call returns the call that is all there is of a table's policy, or NULL. */
static FuncExpr *
policy_call(const RangeTblEntry *table)
{
	const CheckFunctions *functions = planner_known_functions();
	FuncExpr             *call;
	Const                *permission;

	if (functions == NULL || table->rtekind != RTE_RELATION || table->relkind != RELKIND_RELATION ||
	    table->tablesample != NULL || list_length(table->securityQuals) != 1)
		return NULL;
	call = linitial(table->securityQuals);
	if (!IsA(call, FuncExpr) || call->funcid != functions->has_permission ||
	    list_length(call->args) != 2)
		return NULL;
	permission = lsecond(call->args);
	if (!IsA(linitial(call->args), Var) || !IsA(permission, Const) || permission->constisnull)
		return NULL;
	filter_note_functions(functions);
	return call;
}

/* named_value returns what a condition equates the column to, if that is a constant or a parameter. */
static Node *
named_value(Node *condition, Node *column)
{
	OpExpr *equality = (OpExpr *) condition;
	Node   *value;

	if (!IsA(condition, OpExpr) || equality->opno != UUID_EQUALITY ||
	    !equal(linitial(equality->args), column))
		return NULL;
	value = lsecond(equality->args);
	if (IsA(value, Const) ? !((Const *) value)->constisnull
	                      : IsA(value, Param) && ((Param *) value)->paramkind == PARAM_EXTERN)
		return value;
	return NULL;
}

/* find_equality finds the condition that names the tenant; the others, possibly NULL, go into rest. */
static Node *
find_equality(Node *condition, Node *column, Node **rest)
{
	BoolExpr *conjunction = (BoolExpr *) condition;
	ListCell *cell;

	*rest = NULL;
	if (condition == NULL)
		return NULL;
	if (named_value(condition, column) != NULL)
		return condition;
	if (!is_andclause(condition))
		return NULL;
	foreach(cell, conjunction->args)
	{
		if (named_value(lfirst(cell), column) == NULL)
			continue;
		*rest = (Node *) make_ands_explicit(
			list_delete_nth_cell(list_copy(conjunction->args), foreach_current_index(cell)));
		return lfirst(cell);
	}
	return NULL;
}

/* without_policy copies the query, with the condition that names the tenant in the policy's place. */
static Query *
without_policy(const Query *query, Node *equality, Node *rest)
{
	Query         *copy = makeNode(Query);
	RangeTblEntry *table = makeNode(RangeTblEntry);

	*copy = *query;
	*table = *linitial_node(RangeTblEntry, query->rtable);
	table->securityQuals = list_make1(equality);
	/* As it is now: children that come meanwhile would not get the call. */
	table->inh = false;
	copy->rtable = list_make1(table);
	copy->jointree = makeFromExpr(query->jointree->fromlist, rest);
	return copy;
}

Query *
withhold_call(Query *query)
{
	RangeTblEntry *table;
	FuncExpr      *call;
	Node          *equality;
	Node          *rest;

	withheld_call.query = NULL;
	if (!is_simple(query) || !merge_is_alone())
		return query;
	table = linitial_node(RangeTblEntry, query->rtable);
	call = policy_call(table);
	if (call == NULL || has_subclass(table->relid) || compat_query_is_replaced(table->relid))
		return query;
	equality = find_equality(query->jointree->quals, linitial(call->args), &rest);
	if (equality == NULL)
		return query;
	withheld_call.query = without_policy(query, equality, rest);
	withheld_call.call = call;
	withheld_call.value = named_value(equality, linitial(call->args));
	return withheld_call.query;
}

/* ---- when the paths have been made ----------------------------------------------------------------- */

/*
 * every_path_has_column tells whether each way to read the table still has the condition on the column.  None has where the
 * value of a parameter was found to be null, and an index lacks it whose predicate says as much.
 */
static bool
every_path_has_column(PlannerInfo *root, RelOptInfo *rel, Node *column)
{
	ListCell *cell;

	if (!column_is_fixed(root, rel, column))
		return false;
	foreach(cell, rel->indexlist)
	{
		IndexOptInfo *index = lfirst_node(IndexOptInfo, cell);

		if (index->predOK && !column_is_fixed_by(root, rel, index->indrestrictinfo, column))
			return false;
	}
	return true;
}

/* call_on is the restriction, of the column or of the value that it is equated to. */
static RestrictInfo *
call_on(PlannerInfo *root, Node *tenant)
{
	FuncExpr     *call = makeNode(FuncExpr);
	RestrictInfo *restriction;

	*call = *withheld_call.call;
	call->args = list_make2(tenant, lsecond(call->args));
	restriction = make_simple_restrictinfo(root, (Expr *) call);
	/* What our support function would answer. */
	restriction->norm_selec = 1.0;
	restriction->eval_cost.startup = 0;
	restriction->eval_cost.per_tuple = cpu_operator_cost;
	return restriction;
}

bool
put_back_call(PlannerInfo *root, RelOptInfo *rel)
{
	List         *others = rel->baserestrictinfo;
	Node         *column;
	RestrictInfo *restriction;
	ListCell     *cell;

	if (withheld_call.query == NULL || root->parse != withheld_call.query)
		return false;
	/*
	 * An index-only scan that needed no such column must not be asked for it.  Otherwise the column, because a scan
	 * keeps the grants that it started with only if it asks about that: see check.c.
	 */
	column = linitial(withheld_call.call->args);
	restriction =
		call_on(root, every_path_has_column(root, rel, column) ? column : withheld_call.value);
	rel->baserestrictinfo = lappend(list_copy(others), restriction);
	foreach(cell, rel->indexlist)
	{
		IndexOptInfo *index = lfirst_node(IndexOptInfo, cell);

		if (index->indrestrictinfo == others)
			index->indrestrictinfo = rel->baserestrictinfo;
		else
			index->indrestrictinfo = lappend(list_copy(index->indrestrictinfo), restriction);
	}
	withheld_call.query = NULL;
	return true;
}
