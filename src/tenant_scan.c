/*
 * tenant_scan.c
 *	  What our own scans of the user's tenants have in common.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#include "compat.h"
#include "filter.h"
#include "planner.h"
#include "tenant_scan.h"

bool
is_plain_read(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	return rel->reloptkind == RELOPT_BASEREL && rte->rtekind == RTE_RELATION &&
	       rte->relkind == RELKIND_RELATION && !rte->inh && rte->tablesample == NULL &&
	       root->parse->commandType == CMD_SELECT && root->rowMarks == NIL &&
	       bms_is_empty(rel->lateral_relids) && enable_indexscan && !planning_cursor();
}

RestrictInfo *
find_call(PlannerInfo *root, RelOptInfo *rel)
{
	ListCell *cell;

	foreach(cell, rel->baserestrictinfo)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		FuncExpr     *call = (FuncExpr *) restriction->clause;
		Const        *permission;

		if (!filter_is_check((Node *) call))
			continue;
		permission = lsecond(call->args);
		if (IsA(linitial(call->args), Var) && IsA(permission, Const) && !permission->constisnull &&
		    !column_is_fixed(root, rel, linitial(call->args)))
			return restriction;
	}
	return NULL;
}

bool
reads_system_columns(RelOptInfo *rel)
{
	Bitmapset *columns = NULL;
	int        column;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &columns);
	pull_varattnos((Node *) extract_actual_clauses(rel->baserestrictinfo, false), rel->relid,
	               &columns);
	pull_varattnos((Node *) extract_actual_clauses(rel->joininfo, false), rel->relid, &columns);
	column = bms_next_member(columns, -1);
	return column >= 0 && column + FirstLowInvalidHeapAttributeNumber < 0;
}

bool
leads_with_tenant(const IndexOptInfo *index, const RestrictInfo *call)
{
	return index->opfamily[0] == UUID_BTREE_FAMILY && index->sortopfamily != NULL &&
	       (index->indpred == NIL || index->predOK) && !index->hypothetical &&
	       match_index_to_operand(linitial(((FuncExpr *) call->clause)->args), 0,
	                              (IndexOptInfo *) index);
}

Node *
index_qual(PlannerInfo *root, IndexOptInfo *index, int column, RestrictInfo *restriction)
{
	OpExpr *clause = (OpExpr *) restriction->clause;
	Node   *left;
	OpExpr *qual;

	if (!IsA(clause, OpExpr) || list_length(clause->args) != 2 || index->indexkeys[column] <= 0)
		return NULL;
	left = linitial(clause->args);
	if (!match_index_to_operand(left, column, index) ||
	    !is_pseudo_constant_for_index(root, lsecond(clause->args), index) ||
	    !op_in_opfamily(clause->opno, index->opfamily[column]) ||
	    (OidIsValid(index->indexcollations[column]) &&
	     index->indexcollations[column] != clause->inputcollid) ||
	    !restriction_is_securely_promotable(restriction, index->rel))
		return NULL;
	qual = copyObject(clause);
	linitial(qual->args) =
		makeVar(INDEX_VAR, column + 1, exprType(left), exprTypmod(left), exprCollation(left), 0);
	return (Node *) qual;
}

Plan *
plan_tenant_scan(RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
                 const CustomScanMethods *methods)
{
	CustomScan *scan = makeNode(CustomScan);
	List       *applied = linitial(path->custom_private);
	List       *filter = NIL;
	ListCell   *cell;

	foreach(cell, clauses)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);

		if (!restriction->pseudoconstant && !list_member_ptr(applied, restriction))
			filter = lappend(filter, restriction->clause);
	}
	scan->scan.plan.targetlist = tlist;
	scan->scan.plan.qual = filter;
	scan->scan.scanrelid = rel->relid;
	scan->flags = path->flags;
	scan->custom_exprs = list_concat_copy(lsecond(path->custom_private),
	                                      get_actual_clauses(list_copy_tail(applied, 1)));
	scan->custom_private = lthird(path->custom_private);
	scan->methods = methods;
	return &scan->scan.plan;
}

TupleTableSlot *
store_row(TupleTableSlot *slot, TupleTableSlot *row)
{
	slot_getallattrs(row);
	memcpy(slot->tts_values, row->tts_values, row->tts_nvalid * sizeof(Datum));
	memcpy(slot->tts_isnull, row->tts_isnull, row->tts_nvalid * sizeof(bool));
	return ExecStoreVirtualTuple(slot);
}

bool
recheck_row(ScanState *node, TupleTableSlot *slot)
{
	return false;
}

void
explain_tenant_scan(CustomScanState *node, const Const *permission, int nterms, List *ancestors,
                    ExplainState *es)
{
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	int         nexprs = list_length(plan->custom_exprs);
	List       *quals = list_copy_tail(plan->custom_exprs, nexprs - nexprs / nterms);
	char       *name = TextDatumGetCString(permission->constvalue);
	List       *context;

	ExplainPropertyText("Tenants",
	                    psprintf("teamrbac.permitted_tenants(%s)", quote_literal_cstr(name)), es);
	if (quals == NIL)
		return;
	context = set_deparse_context_plan(es->deparse_cxt, &plan->scan.plan, ancestors);
	ExplainPropertyText("Index Cond",
	                    deparse_expression((Node *) make_ands_explicit(quals), context,
	                                       list_length(es->rtable) > 1 || es->verbose, false),
	                    es);
}
