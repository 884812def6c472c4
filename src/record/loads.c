/*
 * loads.c
 *	  What a restore loads is recorded once a table, with the number of rows.
 *
 * The chains of events are among what is loaded, in any order and by several sessions at a time, so that none of
 * them can be appended to.  Each session that loads has one of its own instead, of scope "restore", which is not
 * dumped; confirm_loads, when somebody has looked at what came, moves its events into the platform's.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "record/audit.h"
#include "record/audit_internal.h"
#include "record/loads.h"
#include "compat.h"
#include "store/dependents.h"
#include "store/query.h"

PG_FUNCTION_INFO_V1(teamrbac_confirm_loads);

/* session_chain names the session's chain, by an id that no dump holds. */
static AuditChain
session_chain(void)
{
	static pg_uuid_t id;
	static bool      known = false;
	AuditChain       chain = {.scope = "restore"};

	if (!known)
	{
		LOCAL_FCINFO(call, 0);

		InitFunctionCallInfoData(*call, NULL, 0, InvalidOid, NULL, NULL);
		id = *DatumGetUUIDP(gen_random_uuid(call));
		known = true;
	}
	chain.id = id;
	return chain;
}

/*
 * take_back removes the chain's last event if it is about the same table, since INSERTs bring a row or a few each,
 * and returns the rows that it counted.
 */
static int64
take_back(AuditChain *chain, const char *subject)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.audit_event"
			   " WHERE tenant_id = $1 AND scope = $2 AND sequence = $3 AND subject = $4"
			   " RETURNING (after ->> 'rows')::bigint, previous_hash",
		.nargs = 4,
		.argtypes = {UUIDOID, TEXTOID, INT8OID, TEXTOID},
		.changes_audit = true,
	};
	Datum args[] = {UUIDPGetDatum(&chain->id), CStringGetTextDatum(chain->scope),
	                Int64GetDatum(chain->sequence), CStringGetTextDatum(subject)};
	Datum values[2];
	bool  nulls[2];

	if (!query_row(&delete, args, NULL, 2, values, nulls))
		return 0;
	chain->sequence--;
	chain->hash = DatumGetByteaPP(values[1]);
	return nulls[0] ? 0 : DatumGetInt64(values[0]);
}

void
loads_note(Relation table, int64 rows)
{
	AuditChain chain = session_chain();
	AuditEntry entry = {.actor_kind = "database_role", .action = "restore.loaded"};

	if (rows == 0)
		return;
	audit_open_chain(&chain);
	entry.subject = psprintf("table:%s", RelationGetRelationName(table));
	rows += take_back(&chain, entry.subject);
	entry.after = psprintf("{\"rows\": %lld}", (long long) rows);
	audit_append(&chain, &entry);
	audit_close_chain(&chain);
}

/* end_chains removes sessions' chains, whose heads are locked. */
static void
end_chains(ArrayType *chains)
{
	static SavedQuery events = {
		.sql = "DELETE FROM teamrbac.audit_event AS e"
			   " WHERE tenant_id = ANY ($1) AND scope = 'restore' RETURNING e",
		.nargs = 1,
		.argtypes = {UUIDARRAYOID},
		.changes_audit = true,
	};
	static SavedQuery heads = {
		.sql = "DELETE FROM teamrbac.audit_head AS h"
			   " WHERE tenant_id = ANY ($1) AND scope = 'restore' RETURNING h",
		.nargs = 1,
		.argtypes = {UUIDARRAYOID},
		.changes_audit = true,
	};
	Datum args[] = {PointerGetDatum(chains)};

	query_delete("audit_event", &events, args, NULL);
	query_delete("audit_head", &heads, args, NULL);
}

/* confirm_loads(): whoever has looked at what was loaded makes it part of the platform's audit. */
Datum
teamrbac_confirm_loads(PG_FUNCTION_ARGS)
{
	static SavedQuery read = {
		.sql = "SELECT chain, subject, after FROM teamrbac.loads_to_confirm()",
	};
	Datum *values;
	bool  *nulls;
	uint64 nloads = query_rows(&read, NULL, NULL, 3, &values, &nulls);
	Datum *chains = palloc((nloads + 1) * sizeof(Datum));

	for (uint64 i = 0; i < nloads; i++)
		chains[i] = values[3 * i];
	end_chains(construct_array(chains, (int) nloads, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	for (uint64 i = 0; i < nloads; i++)
		audit_platform("restore.loaded", TextDatumGetCString(values[3 * i + 1]), NULL,
		               TextDatumGetCString(values[3 * i + 2]));
	PG_RETURN_VOID();
}
