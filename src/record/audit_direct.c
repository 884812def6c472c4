/*
 * audit_direct.c
 *	  The audit of changes that somebody makes by hand, past the commands, and the guard of the audit itself.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "record/audit_internal.h"
#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "record/loads.h"
#include "store/query.h"
#include "store/restore.h"
#include "authority/team.h"

PG_FUNCTION_INFO_V1(teamrbac_audit_direct_change);
PG_FUNCTION_INFO_V1(teamrbac_guard_audit);

/* The row in a slot as a JSON object. */
static char *
row_json(TupleTableSlot *slot)
{
	return TextDatumGetCString(DirectFunctionCall1(row_to_json, ExecFetchSlotHeapTupleDatum(slot)));
}

static pg_uuid_t
slot_uuid(TupleTableSlot *slot, int column)
{
	bool  isnull;
	Datum value = slot_getattr(slot, column, &isnull);

	Assert(!isnull);
	return *DatumGetUUIDP(value);
}

/* slot_text shows a column's value as text. */
static char *
slot_text(TupleTableSlot *slot, int column)
{
	bool  isnull;
	Datum value = slot_getattr(slot, column, &isnull);
	Oid   output;
	bool  varlena;

	if (isnull)
		return "";
	getTypeOutputInfo(TupleDescAttr(slot->tts_tupleDescriptor, column - 1)->atttypid, &output,
	                  &varlena);
	return OidOutputFunctionCall(output, value);
}

/* row_chain names the chain that a row belongs to: its tenant's, its user's or the platform's. */
static AuditChain
row_chain(TupleTableSlot *row)
{
	TupleDesc  tupdesc = row->tts_tupleDescriptor;
	int        tenant = SPI_fnumber(tupdesc, "tenant_id");
	AuditChain chain = {.scope = "platform"};

	if (tenant > 0)
	{
		chain.scope = "tenant";
		chain.id = slot_uuid(row, tenant);
	}
	else if (SPI_fnumber(tupdesc, "email") > 0)
	{
		chain.scope = "user";
		chain.id = slot_uuid(row, SPI_fnumber(tupdesc, "user_id"));
	}
	return chain;
}

/* The chains that one statement appends to. */
typedef struct StatementChains
{
	MemoryContext context; /* theirs; holds the hashes too */
	HTAB         *chains;  /* AuditChain, by id: a table's rows are of one scope */
	MemoryContext row;     /* for one row's work */
	Identity      asker;   /* whose statement it is, if anybody has signed in */
} StatementChains;

static AuditChain *
open_chain(StatementChains *statement, TupleTableSlot *row)
{
	AuditChain  named = row_chain(row);
	bool        known;
	AuditChain *chain = hash_search(statement->chains, &named.id, HASH_ENTER, &known);

	if (!known)
	{
		MemoryContext caller = MemoryContextSwitchTo(statement->context);

		*chain = named;
		audit_open_chain(chain);
		MemoryContextSwitchTo(caller);
	}
	return chain;
}

static void
record_row(StatementChains *statement, const TriggerData *trigdata, const char *action,
           TupleTableSlot *old, TupleTableSlot *new)
{
	char          **args = trigdata->tg_trigger->tgargs;
	TupleTableSlot *row = old != NULL ? old : new;
	AuditEntry      entry = {.action = action};
	AuditChain     *chain;
	bytea          *old_hash;

	entry.before = old != NULL ? row_json(old) : NULL;
	entry.after = new != NULL ? row_json(new) : NULL;
	if (old != NULL && new != NULL && strcmp(entry.before, entry.after) == 0)
		return;
	entry.subject =
		psprintf("%s:%s", args[0], slot_text(row, SPI_fnumber(row->tts_tupleDescriptor, args[1])));
	audit_set_actor(&entry, &statement->asker);
	chain = open_chain(statement, row);
	old_hash = chain->hash;
	audit_append(chain, &entry);
	MemoryContextSwitchTo(statement->context);
	chain->hash = (bytea *) datumCopy(PointerGetDatum(chain->hash), false, -1);
	pfree(old_hash);
}

static void
close_chains(StatementChains *statement)
{
	HASH_SEQ_STATUS scan;
	AuditChain     *chain;

	hash_seq_init(&scan, statement->chains);
	while ((chain = hash_seq_search(&scan)) != NULL)
		audit_close_chain(chain);
}

static StatementChains
begin_statement(void)
{
	HASHCTL         control = {.keysize = sizeof(pg_uuid_t), .entrysize = sizeof(AuditChain)};
	StatementChains statement;

	statement.context =
		AllocSetContextCreate(CurrentMemoryContext, "teamrbac audit", ALLOCSET_DEFAULT_SIZES);
	statement.row =
		AllocSetContextCreate(statement.context, "teamrbac audit row", ALLOCSET_DEFAULT_SIZES);
	control.hcxt = statement.context;
	statement.chains =
		hash_create("teamrbac audit chains", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	statement.asker = identity_now();
	return statement;
}

/*
 * record_rows records each row of the transition tables.  An update appends a row to both of them at a time,
 * so that they are read side by side.
 */
static void
record_rows(const TriggerData *trigdata, const char *action)
{
	TupleDesc       tupdesc = RelationGetDescr(trigdata->tg_relation);
	TupleTableSlot *old = MakeSingleTupleTableSlot(tupdesc, &TTSOpsMinimalTuple);
	TupleTableSlot *new = MakeSingleTupleTableSlot(tupdesc, &TTSOpsMinimalTuple);
	StatementChains statement = begin_statement();
	MemoryContext   caller = CurrentMemoryContext;

	for (;;)
	{
		bool has_old;
		bool has_new;

		CHECK_FOR_INTERRUPTS();
		has_old = trigdata->tg_oldtable != NULL &&
		          tuplestore_gettupleslot(trigdata->tg_oldtable, true, false, old);
		has_new = trigdata->tg_newtable != NULL &&
		          tuplestore_gettupleslot(trigdata->tg_newtable, true, false, new);
		if (!has_old && !has_new)
			break;
		MemoryContextSwitchTo(statement.row);
		record_row(&statement, trigdata, action, has_old ? old : NULL, has_new ? new : NULL);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(statement.row);
	}
	close_chains(&statement);
	ExecDropSingleTupleTableSlot(old);
	ExecDropSingleTupleTableSlot(new);
	MemoryContextDelete(statement.context);
}

static void
record_truncate(const TriggerData *trigdata)
{
	AuditChain chain = {.scope = "platform"};
	Identity   asker = identity_now();
	AuditEntry entry = {0};

	audit_set_actor(&entry, &asker);
	entry.action = psprintf("direct.%s.truncated", RelationGetRelationName(trigdata->tg_relation));
	entry.subject = psprintf("table:%s", RelationGetRelationName(trigdata->tg_relation));
	audit_open_chain(&chain);
	audit_append(&chain, &entry);
	audit_close_chain(&chain);
}

/* audit_direct_change(): the trigger behind each table that a DBA may change by hand. */
Datum
teamrbac_audit_direct_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	const char  *verb;

	if (!CALLED_AS_TRIGGER(fcinfo) || TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) ||
	    trigdata->tg_trigger->tgnargs != 2)
		ereport(ERROR,
		        (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		         errmsg("function \"%s\" must be called by a statement trigger with two arguments",
		                "audit_direct_change")));
	if (query_is_ours())
		return PointerGetDatum(NULL);
	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) && restoring(trigdata->tg_relation))
	{
		loads_note(trigdata->tg_relation, tuplestore_tuple_count(trigdata->tg_newtable));
		return PointerGetDatum(NULL);
	}
	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
	{
		record_truncate(trigdata);
		return PointerGetDatum(NULL);
	}
	verb = TRIGGER_FIRED_BY_INSERT(trigdata->tg_event)   ? "inserted"
	       : TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? "updated"
	                                                     : "deleted";
	record_rows(trigdata,
	            psprintf("direct.%s.%s", RelationGetRelationName(trigdata->tg_relation), verb));
	return PointerGetDatum(NULL);
}

/*
 * guard_audit(): the audit is changed by our own statements for it, and by superusers.  Neither a grant on its tables,
 * made by mistake, nor the rights of the role that owns them are enough, but for a restore in a session of its own
 * (pg_restore --use-set-session-authorization).
 */
Datum
teamrbac_guard_audit(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		                errmsg("function \"%s\" must be called by a trigger", "guard_audit")));
	if (!query_may_change_audit() && !superuser() &&
	    !(TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) && restoring(trigdata->tg_relation) &&
	      GetUserId() == GetOuterUserId()))
		refuse_command(NULL, "only a superuser may change the audit", NULL, NULL);
	return PointerGetDatum(NULL);
}
