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
#include "parser/parser.h"
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

/* find_wall finds the row of a table's constraint; NULL if it has none. */
static HeapTuple
find_wall(Relation table, Relation catalog)
{
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple   tuple;

	ScanKeyInit(&keys[0], Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ,
	            ObjectIdGetDatum(RelationGetRelid(table)));
	ScanKeyInit(&keys[1], Anum_pg_constraint_contypid, BTEqualStrategyNumber, F_OIDEQ,
	            ObjectIdGetDatum(InvalidOid));
	ScanKeyInit(&keys[2], Anum_pg_constraint_conname, BTEqualStrategyNumber, F_NAMEEQ,
	            CStringGetDatum(WALL));
	scan = systable_beginscan(catalog, ConstraintRelidTypidNameIndexId, true, NULL, 3, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

WallState
wall_state(Relation table)
{
	Relation  catalog = table_open(ConstraintRelationId, AccessShareLock);
	HeapTuple tuple = find_wall(table, catalog);
	WallState state = WALL_NONE;

	if (HeapTupleIsValid(tuple))
		state =
			((Form_pg_constraint) GETSTRUCT(tuple))->coninhcount > 0 ? WALL_INHERITED : WALL_OWN;
	table_close(catalog, AccessShareLock);
	return state;
}

/* wall_expression is what the statement that builds a wall says, parsed. */
static Node *
wall_expression(Relation table, const Protection *protection)
{
	List           *parsed = raw_parser(wall_statement(table, protection), RAW_PARSE_DEFAULT);
	AlterTableStmt *statement = castNode(AlterTableStmt, linitial_node(RawStmt, parsed)->stmt);
	AlterTableCmd  *command = linitial_node(AlterTableCmd, statement->cmds);

	return castNode(Constraint, command->def)->raw_expr;
}

bool
wall_is_as_made(Relation table, const Protection *protection)
{
	Relation  catalog = table_open(ConstraintRelationId, AccessShareLock);
	HeapTuple tuple = find_wall(table, catalog);
	bool      as_made = false;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);

		as_made =
			form->contype == CONSTRAINT_CHECK && compat_is_enforced(form) &&
			condition_is_stored(table, catalog, tuple, Anum_pg_constraint_conbin,
		                        wall_expression(table, protection), EXPR_KIND_CHECK_CONSTRAINT);
	}
	table_close(catalog, AccessShareLock);
	return as_made;
}

void
wall_require_fitting(Relation table, const Protection *protection)
{
	if (wall_state(table) != WALL_INHERITED || wall_is_as_made(table, protection))
		return;
	ereport(ERROR,
	        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("parent_protected"),
	         errmsg("table \"%s\" inherits a constraint on who may change its rows",
	                RelationGetRelationName(table)),
	         errdetail("Constraint \"%s\" of its parent asks for something else.", WALL),
	         errhint("Protect it by the permissions to edit of its parent.")));
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
