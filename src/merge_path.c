/*
 * merge_path.c
 *	  Offers the planner a scan of the user's tenants in the order of the query.
 *
 * A page such as ORDER BY id LIMIT 50 under a policy alone has no good plan of PostgreSQL's own: an index on
 * (tenant_id, id) gives each tenant's rows in order, but not those of several tenants, and how many there are
 * is known at execution only.  So all rows of all of the user's tenants would be read and sorted.  Our scan
 * reads the index once for each tenant that is permitted when it starts, and merges.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"

#include "check.h"
#include "compat.h"
#include "filter.h"
#include "lookup.h"
#include "merge.h"
#include "named_tenant.h"
#include "planner.h"
#include "tenant_scan.h"

/* Up to how many rows are a page, for which no other scan of an index is considered than ours. */
#define MAX_PAGE 1000

static set_rel_pathlist_hook_type previous_hook = NULL;

/* What a path carries from the offer to the plan. */
typedef struct MergeOffer
{
	RestrictInfo *call;       /* has_permission(column, constant) */
	List         *pathkeys;   /* the order it gives */
	List         *conditions; /* RestrictInfos that the index applies besides */
	List         *clauses;    /* IndexClauses of these */
	List         *quals;      /* and as the executor wants them */
	List         *columns, *operators, *collations, *nulls_first;
} MergeOffer;

/* ---- what fits ------------------------------------------------------------------------------------- */

/* is_ordered_by tells whether one column of an index gives the order that a path key asks for. */
static bool
is_ordered_by(PathKey *key, RelOptInfo *rel, IndexOptInfo *index, int column, bool backward)
{
	EquivalenceClass *class = key->pk_eclass;
	ListCell *cell;

	if (key->pk_opfamily != index->sortopfamily[column] || index->indexkeys[column] <= 0 ||
	    PATHKEY_IS_DESCENDING(key) != (index->reverse_sort[column] != backward) ||
	    key->pk_nulls_first != (index->nulls_first[column] != backward) || class->ec_has_volatile ||
	    class->ec_collation != index->indexcollations[column])
		return false;
	foreach(cell, class->ec_members)
	{
		EquivalenceMember *member = lfirst(cell);

		if (!member->em_is_const && !member->em_is_child &&
		    bms_equal(member->em_relids, rel->relids) &&
		    match_index_to_operand((Node *) member->em_expr, column, index))
			return true;
	}
	return false;
}

/* match_order finds how much of the query's order the index's columns after the tenant give. */
static void
match_order(MergeOffer *offer, PlannerInfo *root, RelOptInfo *rel, IndexOptInfo *index,
            bool backward)
{
	int       column = 1;
	ListCell *cell;

	foreach(cell, root->query_pathkeys)
	{
		PathKey *key = lfirst_node(PathKey, cell);
		Oid      operator;

		if (column >= index->nkeycolumns || !is_ordered_by(key, rel, index, column, backward))
			break;
		operator= get_opfamily_member(
			index->sortopfamily[column], index->opcintype[column], index->opcintype[column],
			PATHKEY_IS_DESCENDING(key) ? BTGreaterStrategyNumber : BTLessStrategyNumber);
		if (!OidIsValid(operator))
			break;
		offer->pathkeys = lappend(offer->pathkeys, key);
		offer->columns = lappend_int(offer->columns, index->indexkeys[column]);
		offer->operators = lappend_oid(offer->operators, operator);
		offer->collations = lappend_oid(offer->collations, index->indexcollations[column]);
		offer->nulls_first = lappend_int(offer->nulls_first, key->pk_nulls_first);
		column++;
	}
}

static void
match_conditions(MergeOffer *offer, PlannerInfo *root, IndexOptInfo *index)
{
	/* In the order of the columns, as a B-tree wants its keys. */
	for (int column = 1; column < index->nkeycolumns; column++)
	{
		ListCell *cell;

		foreach(cell, index->indrestrictinfo)
		{
			RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
			Node         *qual = index_qual(root, index, column, restriction);
			IndexClause  *clause;

			if (qual == NULL || list_member_ptr(offer->conditions, restriction))
				continue;
			clause = makeNode(IndexClause);
			clause->rinfo = restriction;
			clause->indexquals = list_make1(restriction);
			clause->indexcol = column;
			offer->clauses = lappend(offer->clauses, clause);
			offer->conditions = lappend(offer->conditions, restriction);
			offer->quals = lappend(offer->quals, qual);
		}
	}
}

/* ---- cost ------------------------------------------------------------------------------------------ */

static double
offered_tenants(void)
{
	return Max(subject_estimate(current_subject()), 1.0);
}

/* one_tenant is an index scan for one tenant not known yet. */
static Path *
one_tenant(MergeOffer *offer, PlannerInfo *root, IndexOptInfo *index, ScanDirection direction)
{
	FuncExpr    *call = (FuncExpr *) offer->call->clause;
	IndexClause *clause = makeNode(IndexClause);
	Param       *tenant = makeNode(Param);

	tenant->paramkind = PARAM_EXEC;
	tenant->paramtype = UUIDOID;
	tenant->paramtypmod = -1;
	tenant->location = -1;
	clause->rinfo = make_simple_restrictinfo(
		root, make_opclause(UUID_EQUALITY, BOOLOID, false, linitial(call->args), (Expr *) tenant,
	                        InvalidOid, InvalidOid));
	/* Known from the call's, which is of all of the user's tenants: the server need not estimate it again. */
	clause->rinfo->norm_selec = offer->call->norm_selec / offered_tenants();
	clause->indexquals = list_make1(clause->rinfo);
	return (Path *) create_index_path(root, index, lcons(clause, list_copy(offer->clauses)), NIL,
	                                  NIL, offer->pathkeys, direction, false, NULL, 1.0, false);
}

static void
set_cost(Path *path, const Path *one, RelOptInfo *rel)
{
	double ntenants = offered_tenants();

	path->rows = rel->rows;
	path->startup_cost = ntenants * one->startup_cost;
	path->total_cost = ntenants * one->total_cost;
	if (ntenants > 1)
		path->total_cost += 2.0 * cpu_operator_cost * log2(ntenants) * path->rows;
	/* So many are sorted, not merged. */
	if (ntenants > MAX_MERGED)
		path->startup_cost = path->total_cost;
}

/* ---- the path and the plan ------------------------------------------------------------------------- */

static Plan *
plan_merge(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses,
           List *children)
{
	return plan_tenant_scan(rel, path, tlist, clauses, &merge_scan_methods);
}

static const CustomPathMethods path_methods = {
	.CustomName = "TenantMerge",
	.PlanCustomPath = plan_merge,
};

/* make_private is what MergePrivate describes. */
static List *
make_private(MergeOffer *offer, IndexOptInfo *index, ScanDirection direction)
{
	FuncExpr *call = (FuncExpr *) offer->call->clause;
	List *private = list_make5(list_make1_oid(index->indexoid), list_make1_int(direction),
	                           list_make1(lsecond(call->args)), offer->columns, offer->operators);

	private = lappend(private, offer->collations);
	return lappend(private, offer->nulls_first);
}

static void
offer_index(PlannerInfo *root, RelOptInfo *rel, IndexOptInfo *index, RestrictInfo *call,
            ScanDirection direction)
{
	MergeOffer  offer = {.call = call};
	CustomPath *path;

	match_order(&offer, root, rel, index, ScanDirectionIsBackward(direction));
	if (offer.pathkeys == NIL)
		return;
	match_conditions(&offer, root, index);
	path = makeNode(CustomPath);
	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->path.pathkeys = offer.pathkeys;
	set_cost(&path->path, one_tenant(&offer, root, index, direction), rel);
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_private = list_make3(lcons(call, offer.conditions), offer.quals,
	                                  make_private(&offer, index, direction));
	path->methods = &path_methods;
	add_path(rel, &path->path);
}

/* wants_order tells whether the query wants the first few of a table's rows in some order. */
static bool
wants_order(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	return is_plain_read(root, rel, rte) && rel->consider_startup && root->query_pathkeys != NIL;
}

static void
offer_merges(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	RestrictInfo *call;
	ListCell     *cell;

	if (put_back_call(root, rel))
		return;
	if (previous_hook != NULL)
		previous_hook(root, rel, rti, rte);
	if (!is_plain_read(root, rel, rte))
		return;
	call = find_call(root, rel);
	if (call == NULL || reads_system_columns(rel) || offer_lookup(root, rel, call) ||
	    !wants_order(root, rel, rte))
		return;
	foreach(cell, rel->indexlist)
	{
		IndexOptInfo *index = lfirst_node(IndexOptInfo, cell);

		if (!leads_with_tenant(index, call))
			continue;
		offer_index(root, rel, index, call, ForwardScanDirection);
		offer_index(root, rel, index, call, BackwardScanDirection);
	}
}

/* wants_page tells whether the query is a page of one table's rows as they are. */
static bool
wants_page(PlannerInfo *root)
{
	Query *query = root->parse;

	return root->limit_tuples > 0 && root->limit_tuples <= MAX_PAGE &&
	       bms_membership(root->all_baserels) == BMS_SINGLETON && query->groupClause == NIL &&
	       query->groupingSets == NIL && query->distinctClause == NIL &&
	       query->setOperations == NULL && query->havingQual == NULL && !query->hasAggs &&
	       !query->hasWindowFuncs && !query->hasTargetSRFs;
}

/* orders_page tells whether the index gives all of the order, and applies all conditions. */
static bool
orders_page(PlannerInfo *root, IndexOptInfo *index, RestrictInfo *call, bool backward)
{
	MergeOffer offer = {.call = call};

	match_order(&offer, root, index->rel, index, backward);
	if (list_length(offer.pathkeys) < list_length(root->query_pathkeys))
		return false;
	match_conditions(&offer, root, index);
	return list_length(offer.conditions) + 1 == list_length(index->rel->baserestrictinfo);
}

bool
merge_gives_page(PlannerInfo *root, IndexOptInfo *index)
{
	RelOptInfo   *rel = index->rel;
	RestrictInfo *call;

	if (!wants_page(root) || !wants_order(root, rel, planner_rt_fetch(rel->relid, root)))
		return false;
	/* The rows of more are sorted, and any other scan may be better. */
	if (offered_tenants() > MAX_MERGED)
		return false;
	call = find_call(root, rel);
	return call != NULL && leads_with_tenant(index, call) && !reads_system_columns(rel) &&
	       (orders_page(root, index, call, false) || orders_page(root, index, call, true));
}

bool
merge_is_alone(void)
{
	return previous_hook == NULL && set_rel_pathlist_hook == offer_merges;
}

void
merge_init(void)
{
	previous_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = offer_merges;
}
