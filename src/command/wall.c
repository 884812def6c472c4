/*
 * wall.c
 *	  What keeps COPY into a shard on this very node within the policies of its table.
 *
 * PostgreSQL refuses COPY FROM on a table with row-level security.  Citus, which COPY, INSERT ... SELECT and some others
 * reach first, hands the rows to the shards: those on other nodes refuse them as PostgreSQL does, those on the node
 * that the client is connected to are written without being asked.  A CHECK constraint is evaluated there too, and Citus
 * gives it to every shard, as it does with no trigger.  Whom policies do not bind, it does not bind either.
 */
#include "postgres.h"

#include "catalog/pg_constraint.h"
#include "catalog/pg_namespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "authority/cluster.h"
#include "command/wall.h"

#define WALL "teamrbac_rows"

PG_FUNCTION_INFO_V1(teamrbac_policies_bind);

void
run_ddl(const char *statement)
{
	int result = SPI_execute(statement, false, 0);

	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
}

bool
wall_is_needed(void)
{
	return OidIsValid(get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE));
}

void
wall_require_citus_ready(Oid relid)
{
	const char *propagation;

	if (!wall_is_needed())
		return;
	propagation = GetConfigOption("citus.enable_ddl_propagation", true, false);
	if (propagation != NULL && strcmp(propagation, "on") != 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("cannot change the policies of table \"%s\" while they would not "
		                       "reach its shards",
		                       get_rel_name(relid)),
		                errdetail("Setting \"citus.enable_ddl_propagation\" is off."),
		                errhint("SET citus.enable_ddl_propagation = on;")));
	cluster_require_team();
	if (cluster_secrets()->nsecrets == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("no secret is set to tell the nodes of Citus who is asking"),
		                errhint("CALL teamrbac.set_cluster_secret(...), as a superuser.")));
}

bool
wall_stands(Oid relid)
{
	return OidIsValid(get_relation_constraint_oid(relid, WALL, true));
}

void
wall_build(const char *table, const char *condition)
{
	/* Not for the rows that are there: whoever protects a table may be nobody. */
	run_ddl(psprintf("ALTER TABLE %s ADD CONSTRAINT " WALL
	                 " CHECK (NOT teamrbac.policies_bind() OR COALESCE(%s, false)) NOT VALID",
	                 table, condition));
}

void
wall_remove(const char *table)
{
	run_ddl(psprintf("ALTER TABLE %s DROP CONSTRAINT " WALL, table));
}

/*
 * policies_bind(): whether the policies of a table that forces them bind whoever runs this: not superusers, roles with
 * BYPASSRLS, and the server itself where it enforces a foreign key.
 */
Datum
teamrbac_policies_bind(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!InNoForceRLSOperation() && !has_bypassrls_privilege(GetUserId()));
}
