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

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_constraint.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"

#include "authority/cluster.h"
#include "command/condition.h"
#include "command/wall.h"
#include "compat.h"
#include "store/reason.h"

PG_FUNCTION_INFO_V1(teamrbac_policies_bind);

void
wall_require_citus_ready(Relation table)
{
	const char *propagation;

	if (!cluster_has_citus())
		return;
	propagation = GetConfigOption("citus.enable_ddl_propagation", true, false);
	if (propagation != NULL && strcmp(propagation, "on") != 0)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("propagation_off"),
		         errmsg("cannot change the policies of table \"%s\" while they would not "
		                "reach its shards",
		                RelationGetRelationName(table)),
		         errdetail("Setting \"citus.enable_ddl_propagation\" is off."),
		         errhint("SET citus.enable_ddl_propagation = on;")));
	cluster_require_team();
	if (cluster_secrets()->nsecrets == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errreason("cluster_secret_missing"),
		                errmsg("no secret is set to tell the nodes of Citus who is asking"),
		                errhint("CALL teamrbac.set_cluster_secret(...), as a superuser.")));
}

char *
wall_statement(Relation table, const Protection *protection)
{
	char *condition = protection_condition(table, protection, FOR_EDIT);

	/* Not for the rows that are there: whoever protects a table may be nobody. */
	return psprintf("ALTER TABLE %s ADD CONSTRAINT " WALL
	                " CHECK (NOT teamrbac.policies_bind() OR COALESCE(%s, false)) NOT VALID",
	                protection_table_name(table), condition == NULL ? "false" : condition);
}

bool
wall_stands(Relation table)
{
	return OidIsValid(get_relation_constraint_oid(RelationGetRelid(table), WALL, true));
}

bool
wall_is_as_made(Relation table, AlterTableStmt *made)
{
	Constraint *constraint = castNode(Constraint, linitial_node(AlterTableCmd, made->cmds)->def);
	Relation    catalog = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple   tuple;
	bool        as_made = false;

	ScanKeyInit(&keys[0], Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ,
	            ObjectIdGetDatum(RelationGetRelid(table)));
	ScanKeyInit(&keys[1], Anum_pg_constraint_contypid, BTEqualStrategyNumber, F_OIDEQ,
	            ObjectIdGetDatum(InvalidOid));
	ScanKeyInit(&keys[2], Anum_pg_constraint_conname, BTEqualStrategyNumber, F_NAMEEQ,
	            CStringGetDatum(constraint->conname));
	scan = systable_beginscan(catalog, ConstraintRelidTypidNameIndexId, true, NULL, 3, keys);
	if (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);

		as_made = form->contype == CONSTRAINT_CHECK && compat_is_enforced(form) &&
		          condition_is_stored(table, catalog, tuple, Anum_pg_constraint_conbin,
		                              constraint->raw_expr, EXPR_KIND_CHECK_CONSTRAINT);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return as_made;
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
