/*
 * restore.c
 *	  What must wait while a dump is restored, and how a restore is told from anything else.
 *
 * The tables of an extension, their foreign keys included, exist before pg_restore loads the first row, and
 * its parallel workers load tables in any order.  So the check of a new row is made by a trigger of ours (see
 * sql/parts/95_restore.sql), which calls the server's own check unless a dump is being restored.
 *
 * No setting alone proves that: migration tools turn function bodies' check off as well, and whoever owns the
 * database may do so for every session.  pg_dump and pg_restore write a whole head of settings into the session
 * itself, and then bring rows by COPY or INSERT ... VALUES, as statements of their own.  A restore is all of that.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/syscache.h"

#include "compat.h"
#include "store/query.h"
#include "store/restore.h"

PG_FUNCTION_INFO_V1(teamrbac_check_reference);
PG_FUNCTION_INFO_V1(teamrbac_row_is_restored);

/* ---- the session ------------------------------------------------------------------------------------- */

/* A setting of the head that pg_dump and pg_restore of every version from 15 on write. */
typedef struct HeadSetting
{
	const char            *name;
	const char            *value; /* NULL: any */
	struct config_generic *setting;
} HeadSetting;

/* The one that other sessions are least likely to have comes first. */
static HeadSetting head[] = {
	{"check_function_bodies", "off", NULL},
	{"search_path", "", NULL},
	{"xmloption", "content", NULL},
	{"client_min_messages", "warning", NULL},
	{"row_security", NULL, NULL}, /* on with --enable-row-security */
	{"standard_conforming_strings", "on", NULL},
	{"statement_timeout", "0", NULL},
	{"lock_timeout", "0", NULL},
	{"idle_in_transaction_session_timeout", "0", NULL},
};

/*
 * said_by_session: whether the session itself has set this, by SET outside any function, for longer than a
 * transaction.  The search_path is looked for beneath the one that a function of ours has set.
 */
static bool
said_by_session(HeadSetting *required)
{
	GucStack   *stack;
	GucSource   source;
	const char *value;

	if (required->setting == NULL)
		required->setting = compat_find_setting(required->name);
	if (required->setting == NULL)
		return false;
	stack = required->setting->stack;
	source = required->setting->source;
	value = GetConfigOption(required->name, false, false);
	if (required->setting->vartype == PGC_STRING && stack != NULL && stack->state == GUC_SAVE &&
	    value != NULL && strcmp(value, QUERY_SEARCH_PATH) == 0)
	{
		source = stack->source;
		value = stack->prior.val.stringval;
		stack = stack->prev;
	}
	for (; stack != NULL; stack = stack->prev)
	{
		if (stack->state != GUC_SET)
			return false;
	}
	return source == PGC_S_SESSION && value != NULL &&
	       (required->value == NULL || strcmp(value, required->value) == 0);
}

static bool
session_has_head(void)
{
	for (int i = 0; i < lengthof(head); i++)
	{
		if (!said_by_session(&head[i]))
			return false;
	}
	return true;
}

/* ---- the statement ----------------------------------------------------------------------------------- */

/* loads_by_copy: COPY schema.table FROM stdin. */
static bool
loads_by_copy(const Node *statement, Relation table)
{
	const CopyStmt *copy = (const CopyStmt *) statement;

	return IsA(statement, CopyStmt) && copy->is_from && !copy->is_program &&
	       copy->filename == NULL && copy->relation != NULL && copy->relation->schemaname != NULL &&
	       get_namespace_oid(copy->relation->schemaname, true) == RelationGetNamespace(table) &&
	       strcmp(copy->relation->relname, RelationGetRelationName(table)) == 0;
}

/* loads_by_insert: INSERT INTO table VALUES ..., which reads nothing else. */
static bool
loads_by_insert(const PlannedStmt *plan, Relation table)
{
	ListCell *cell;

	if (plan->commandType != CMD_INSERT || plan->hasModifyingCTE || plan->hasReturning ||
	    plan->subplans != NIL || list_length(plan->resultRelations) != 1 ||
	    rt_fetch(linitial_int(plan->resultRelations), plan->rtable)->relid !=
	        RelationGetRelid(table))
		return false;
	foreach(cell, plan->rtable)
	{
		const RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind != RTE_VALUES && entry->rtekind != RTE_RESULT &&
		    !(entry->rtekind == RTE_RELATION && entry->relid == RelationGetRelid(table)))
			return false;
	}
	return true;
}

/*
 * statement_loads: whether the client's own statement is one that brings a dump's rows of this table.  Only those
 * that the client sends as they are run in a portal without a name.
 */
static bool
statement_loads(Relation table)
{
	const PlannedStmt *plan;

	if (ActivePortal == NULL || ActivePortal->name[0] != '\0' ||
	    list_length(ActivePortal->stmts) != 1 ||
	    (ActivePortal->commandTag != CMDTAG_COPY && ActivePortal->commandTag != CMDTAG_INSERT))
		return false;
	plan = linitial_node(PlannedStmt, ActivePortal->stmts);
	return plan->utilityStmt != NULL ? loads_by_copy(plan->utilityStmt, table)
	                                 : loads_by_insert(plan, table);
}

/* What everybody may write counts only for the table's owner and superusers, not for callers of our commands. */
bool
restoring(Relation table)
{
	return statement_loads(table) && session_has_head() &&
	       compat_is_relation_owner(RelationGetRelid(table), GetOuterUserId());
}

/*
 * row_is_restored(relation): whether the statement at work restores rows of that table, for the condition of a
 * deferred trigger, which is evaluated when the row comes.
 */
Datum
teamrbac_row_is_restored(PG_FUNCTION_ARGS)
{
	Relation table = RelationIdGetRelation(PG_GETARG_OID(0));
	bool     result = table != NULL && restoring(table);

	if (table != NULL)
		RelationClose(table);
	PG_RETURN_BOOL(result);
}

/* ---- the check of a new row -------------------------------------------------------------------------- */

/* impersonate makes the trigger look like the one that the server has made for the foreign key of its name. */
static void
impersonate(Trigger *trigger, Oid table)
{
	HeapTuple          tuple;
	Form_pg_constraint constraint = NULL;

	trigger->tgconstraint = get_relation_constraint_oid(table, trigger->tgname, true);
	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(trigger->tgconstraint));
	if (HeapTupleIsValid(tuple))
		constraint = (Form_pg_constraint) GETSTRUCT(tuple);
	if (constraint == NULL || constraint->contype != CONSTRAINT_FOREIGN)
		ereport(ERROR,
		        (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		         errmsg("trigger \"%s\" does not bear the name of a foreign key of its table",
		                trigger->tgname)));
	trigger->tgconstrrelid = constraint->confrelid;
	ReleaseSysCache(tuple);
}

/*
 * check_reference(): checks a new or changed row by the foreign key that has the trigger's name, as the
 * server's own trigger does that it stands in for.
 */
Datum
teamrbac_check_reference(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TriggerData  as_constraint;
	Trigger      trigger;
	LOCAL_FCINFO(check, 0);

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
	    !TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) || TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		ereport(ERROR,
		        (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		         errmsg("function \"%s\" must be called by a row trigger after insert or update",
		                "check_reference")));
	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) && restoring(trigdata->tg_relation))
		return PointerGetDatum(NULL);

	trigger = *trigdata->tg_trigger;
	impersonate(&trigger, RelationGetRelid(trigdata->tg_relation));
	as_constraint = *trigdata;
	as_constraint.tg_trigger = &trigger;
	InitFunctionCallInfoData(*check, fcinfo->flinfo, 0, InvalidOid, (Node *) &as_constraint, NULL);
	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		return RI_FKey_check_ins(check);
	return RI_FKey_check_upd(check);
}
