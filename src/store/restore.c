/*
 * restore.c
 *	  Foreign keys that a parallel restore survives.
 *
 * The tables of an extension, their foreign keys included, exist before pg_restore loads the first row, and
 * its parallel workers load tables in any order.  So the check of a new row is made by a trigger of ours (see
 * sql/parts/95_restore.sql), which calls the server's own check unless a dump is being restored.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "compat.h"
#include "store/restore.h"

PG_FUNCTION_INFO_V1(teamrbac_check_reference);

/*
 * pg_dump and pg_restore tell us by a setting that they write into every session.  Everybody may write it, so
 * it counts only for the table's owner and superusers, not for those who call our commands.
 */
bool
restoring(Relation table)
{
	return strcmp(GetConfigOption("check_function_bodies", false, false), "off") == 0 &&
	       compat_is_relation_owner(RelationGetRelid(table), GetOuterUserId());
}

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
	if (restoring(trigdata->tg_relation))
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
