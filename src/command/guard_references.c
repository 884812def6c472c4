/*
 * guard_references.c
 *	  What keeps the code of others from running with our rights when a row of ours is referred to, or changed.
 *
 * The server checks a foreign key with the rights of the table that is referred to, and casts the new value for it: a
 * cast that the referring table's owner wrote would run with ours.  Only types of their own have such casts.
 *
 * What a command has left counts, not which command it was: a column's type changes with that of a parent's, or with
 * the type that its table is made of.  And the catalogues count as they are now, which in REPEATABLE READ a query of
 * ours would not see: the column may have become another since the transaction's snapshot.  A foreign key whose column
 * gets another type is made anew, so those of this transaction are the ones to look at.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_trigger.h"
#include "commands/event_trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "store/reason.h"

PG_FUNCTION_INFO_V1(teamrbac_guard_references);

static char *
qualified_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
	                                  get_rel_name(relation));
}

/* is_new tells whether this transaction has made a row of a catalogue. */
static bool
is_new(HeapTuple tuple)
{
	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
}

/* require_servers_types refuses a foreign key by a column whose type somebody has made, and perhaps casts of it. */
static void
require_servers_types(HeapTuple tuple)
{
	Form_pg_constraint key = (Form_pg_constraint) GETSTRUCT(tuple);
	AttrNumber         columns[INDEX_MAX_KEYS];
	AttrNumber         referenced[INDEX_MAX_KEYS];
	Oid                operators[INDEX_MAX_KEYS];
	int                ncolumns;

	DeconstructFkConstraintRow(tuple, &ncolumns, columns, referenced, operators, NULL, NULL, NULL,
	                           NULL);
	for (int i = 0; i < ncolumns; i++)
	{
		if (getBaseType(get_atttype(key->conrelid, columns[i])) < FirstNormalObjectId)
			continue;
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("column_wrong_type"),
		         errmsg("foreign key \"%s\" of table %s refers to %s by a column of a type that is "
		                "not the server's own",
		                NameStr(key->conname), qualified_name(key->conrelid),
		                qualified_name(key->confrelid)),
		         errdetail("The check of column \"%s\" would run a cast of its type with the "
		                   "rights of teamrbac.",
		                   get_attname(key->conrelid, columns[i], false)),
		         errhint("Give the column the type of the column that it refers to.")));
	}
}

/* check_keys looks at the foreign keys of others to our tables that this transaction has made. */
static void
check_keys(Oid schema)
{
	Relation    catalog = table_open(ConstraintRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	HeapTuple   tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint key = (Form_pg_constraint) GETSTRUCT(tuple);

		CHECK_FOR_INTERRUPTS();
		if (key->contype == CONSTRAINT_FOREIGN && is_new(tuple) && key->connamespace != schema &&
		    get_rel_namespace(key->confrelid) == schema)
			require_servers_types(tuple);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

/* check_trigger refuses a trigger on a table of ours: it would run with our rights. */
static void
check_trigger(const char *name, Oid schema)
{
	Relation    catalog = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	HeapTuple   tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		CHECK_FOR_INTERRUPTS();
		if (!is_new(tuple) || strcmp(NameStr(trigger->tgname), name) != 0 ||
		    get_rel_namespace(trigger->tgrelid) != schema)
			continue;
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errreason("superuser_only"),
		                errmsg("only a superuser may create a trigger on table %s",
		                       qualified_name(trigger->tgrelid)),
		                errdetail("Trigger \"%s\" would run with the rights of teamrbac.", name)));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

/* guard_references(): an event trigger, after each command. */
Datum
teamrbac_guard_references(PG_FUNCTION_ARGS)
{
	Oid   schema = get_namespace_oid("teamrbac", true);
	Node *command;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
		        (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
		         errmsg("function \"%s\" must be called by an event trigger", "guard_references")));
	if (!OidIsValid(schema))
		PG_RETURN_NULL();
	check_keys(schema);
	command = ((EventTriggerData *) fcinfo->context)->parsetree;
	if (command != NULL && IsA(command, CreateTrigStmt) && !superuser())
		check_trigger(((CreateTrigStmt *) command)->trigname, schema);
	PG_RETURN_NULL();
}
