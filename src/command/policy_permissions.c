/*
 * policy_permissions.c
 *	  Which permissions a policy names, read from its expressions as the server stores them.
 *
 * Printing an expression would take locks on the tables that it reads, which their owner can hold for as long
 * as they like, and a name within the printed text may look like a call.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "store/catalog.h"

PG_FUNCTION_INFO_V1(teamrbac_policy_permissions);

typedef struct NamedPermissions
{
	Oid              schema; /* ours */
	ArrayBuildState *names;
} NamedPermissions;

/* asks_for_permission tells whether a function is one of those that a policy asks for a permission. */
static bool
asks_for_permission(Oid function, Oid schema)
{
	static const char *const askers[] = {"has_permission", "require_permission", "permitted_tenant",
	                                     "permitted_tenants"};
	char                    *name;

	if (get_func_namespace(function) != schema)
		return false;
	name = get_func_name(function);
	for (size_t i = 0; name != NULL && i < lengthof(askers); i++)
	{
		if (strcmp(name, askers[i]) == 0)
			return true;
	}
	return false;
}

/* add_permissions adds the arguments of such a call that are constants; what else they are is nobody's to know. */
static void
add_permissions(FuncExpr *call, NamedPermissions *found)
{
	ListCell *cell;

	foreach(cell, call->args)
	{
		Node  *argument = lfirst(cell);
		Const *constant;

		if (IsA(argument, NamedArgExpr))
			argument = (Node *) ((NamedArgExpr *) argument)->arg;
		constant = (Const *) argument;
		if (IsA(argument, Const) && constant->consttype == TEXTOID && !constant->constisnull)
			found->names = accumArrayResult(found->names, constant->constvalue, false, TEXTOID,
			                                CurrentMemoryContext);
	}
}

static bool
find_permissions(Node *node, NamedPermissions *found)
{
	CHECK_FOR_INTERRUPTS();
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, compat_walker(find_permissions), found, 0);
	if (IsA(node, FuncExpr) && asks_for_permission(((FuncExpr *) node)->funcid, found->schema))
		add_permissions((FuncExpr *) node, found);
	return expression_tree_walker(node, compat_walker(find_permissions), found);
}

static void
find_permissions_of(HeapTuple policy, AttrNumber column, Relation catalog, NamedPermissions *found)
{
	bool  isnull;
	Datum expression = heap_getattr(policy, column, RelationGetDescr(catalog), &isnull);

	if (!isnull)
		(void) find_permissions(stringToNode(TextDatumGetCString(expression)), found);
}

/*
 * policy_permissions(policy): the permissions that the policy names, in any order, perhaps repeatedly.
 */
Datum
teamrbac_policy_permissions(PG_FUNCTION_ARGS)
{
	NamedPermissions found = {.schema = get_func_namespace(fcinfo->flinfo->fn_oid)};
	Relation         catalog;
	ScanKeyData      key;
	SysScanDesc      scan;
	HeapTuple        policy;

	catalog_require_version();
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	catalog = table_open(PolicyRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_policy_oid, BTEqualStrategyNumber, F_OIDEQ, PG_GETARG_DATUM(0));
	scan = systable_beginscan(catalog, PolicyOidIndexId, true, NULL, 1, &key);
	policy = systable_getnext(scan);
	if (HeapTupleIsValid(policy))
	{
		find_permissions_of(policy, Anum_pg_policy_polqual, catalog, &found);
		find_permissions_of(policy, Anum_pg_policy_polwithcheck, catalog, &found);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	if (found.names == NULL)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(TEXTOID));
	PG_RETURN_DATUM(makeArrayResult(found.names, CurrentMemoryContext));
}
