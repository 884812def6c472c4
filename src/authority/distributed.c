/*
 * distributed.c
 *	  Queries that Citus sends to its workers: known by the nodes that it puts into plans.
 */
#include "postgres.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/extensible.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgrprotos.h"

#include "authority/distributed.h"
#include "compat.h"

/* What the names of all of Citus' nodes begin with; the one that it registers first of all. */
#define CITUS_NODE_PREFIX "Citus "
#define CITUS_NODE "Citus Adaptive"

/* What the names of all connections begin with that it makes between nodes, and of those that its queries take. */
#define CITUS_APPLICATION "citus_"
#define CITUS_QUERY_APPLICATION "citus_internal gpid="

/* The last digits of what Citus calls a global process number are the number of the process on its node. */
#define GLOBAL_PID_NODE UINT64CONST(10000000000)

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
	return planstate_tree_walker(state, compat_walker(has_citus_node), context);
}

bool
query_is_distributed(const QueryDesc *query)
{
	return citus_is_loaded() && has_citus_node(query->planstate, NULL);
}

bool
query_is_part(const QueryDesc *query)
{
	/* Nor has what an SQL function executes a text, if its body was parsed when it was made. */
	return query->sourceText[0] == '\0' && query->dest != None_Receiver &&
	       query->dest->mydest != DestSQLFunction;
}

/*
 * What the client, or the server that made the connection, called this session as it began: what RESET would give.  Of
 * the connection itself, it could be read by those alone who have the headers of each way to authenticate.
 */
static const char *
session_name(void)
{
	const struct config_string *name =
		(const struct config_string *) compat_find_setting("application_name");

	return MyProcPort != NULL && name->reset_val != NULL ? name->reset_val : "";
}

bool
session_is_of_citus(void)
{
	return strncmp(session_name(), CITUS_APPLICATION, strlen(CITUS_APPLICATION)) == 0;
}

bool
session_is_for_queries(void)
{
	return strncmp(session_name(), CITUS_QUERY_APPLICATION, strlen(CITUS_QUERY_APPLICATION)) == 0;
}

bool
session_is_for_queries_of(int pid)
{
	return session_is_for_queries() &&
	       strtoull(session_name() + strlen(CITUS_QUERY_APPLICATION), NULL, 10) % GLOBAL_PID_NODE ==
	           (uint64) pid;
}

/* address_of asks a function of the server's for one end of the connection; false where that has no address. */
static bool
address_of(PGFunction end, Datum *address)
{
	LOCAL_FCINFO(fcinfo, 0);

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	*address = end(fcinfo);
	return !fcinfo->isnull;
}

bool
session_is_from_here(void)
{
	Datum client;
	Datum server;
	bool  has_address;

	if (MyProcPort == NULL)
		return false;
	/* A connection through a socket in the file system has addresses at neither end. */
	has_address = address_of(inet_client_addr, &client);
	if (has_address != address_of(inet_server_addr, &server))
		return false;
	return !has_address || DatumGetBool(DirectFunctionCall2(network_eq, client, server));
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
