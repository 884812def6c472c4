/*
 * distributed.c
 *	  Queries that Citus sends to its workers: known by the nodes that it puts into plans.
 */
#include "postgres.h"

#include "access/xact.h"
#include "libpq/libpq-be.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/extensible.h"
#include "nodes/nodeFuncs.h"

#include "authority/distributed.h"

/* What the names of all of Citus' nodes begin with; the one that it registers first of all. */
#define CITUS_NODE_PREFIX "Citus "
#define CITUS_NODE "Citus Adaptive"

/* Every connection between its nodes begins with this name. */
#define CITUS_APPLICATION "citus_internal "

/* citus_is_loaded asks once: Citus can be preloaded only. */
static bool
citus_is_loaded(void)
{
	static bool asked = false;
	static bool loaded;

	if (!asked)
		loaded = GetCustomScanMethods(CITUS_NODE, true) != NULL;
	asked = true;
	return loaded;
}

static bool
has_citus_node(PlanState *state, void *context)
{
	if (state == NULL)
		return false;
	if (IsA(state, CustomScanState))
	{
		const CustomScan *scan = (const CustomScan *) state->plan;

		if (strncmp(scan->methods->CustomName, CITUS_NODE_PREFIX, strlen(CITUS_NODE_PREFIX)) == 0)
			return true;
	}
	return planstate_tree_walker(state, has_citus_node, context);
}

bool
query_is_distributed(const QueryDesc *query)
{
	return citus_is_loaded() && has_citus_node(query->planstate, NULL);
}

bool
session_is_of_citus(void)
{
	return MyProcPort != NULL && MyProcPort->application_name != NULL &&
	       strncmp(MyProcPort->application_name, CITUS_APPLICATION, strlen(CITUS_APPLICATION)) == 0;
}

bool
begin_statement_block(void)
{
	if (IsTransactionBlock())
		return false;
	BeginImplicitTransactionBlock();
	return true;
}

void
end_statement_block(void)
{
	EndImplicitTransactionBlock();
}
