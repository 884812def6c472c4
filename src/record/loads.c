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
	static SavedQuery select = {
		.sql = "SELECT (after ->> 'rows')::bigint, previous_hash FROM teamrbac.audit_event"
			   " WHERE tenant_id = $1 AND scope = 'restore' AND sequence = $2 AND subject = $3",
		.nargs = 3,
		.argtypes = {UUIDOID, INT8OID, TEXTOID},
	};
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.audit_event AS e"
			   " WHERE tenant_id = $1 AND scope = 'restore' AND sequence = $2 RETURNING e",
		.nargs = 2,
		.changes_audit = true,
		.argtypes = {UUIDOID, INT8OID},
	};
	Datum args[] = {UUIDPGetDatum(&chain->id), Int64GetDatum(chain->sequence),
	                CStringGetTextDatum(subject)};
	Datum values[2];
	bool  nulls[2];

	if (!query_row(&select, args, NULL, 2, values, nulls))
		return 0;
	query_delete("audit_event", &delete, args, NULL);
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

/* lock_chains locks the sessions' chains, but for one that is being appended to, and returns their ids. */
static Datum
lock_chains(void)
{
	static SavedQuery lock = {
		.sql = "SELECT tenant_id FROM teamrbac.audit_head WHERE scope = 'restore'"
			   " FOR UPDATE SKIP LOCKED",
	};
	Datum *ids;
	bool  *nulls;
	uint64 nchains = query_rows(&lock, NULL, NULL, 1, &ids, &nulls);

	return PointerGetDatum(
		construct_array(ids, (int) nchains, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

static uint64
read_loads(Datum ids, Datum **values, bool **nulls)
{
	static SavedQuery select = {
		.sql = "SELECT subject, (after || jsonb_build_object('loaded_at', occurred_at,"
			   " 'loaded_by', session_role, 'application_name', application_name))::text"
			   " FROM teamrbac.audit_event WHERE tenant_id = ANY ($1) AND scope = 'restore'"
			   " ORDER BY occurred_at, tenant_id, sequence",
		.nargs = 1,
		.argtypes = {UUIDARRAYOID},
	};

	return query_rows(&select, &ids, NULL, 2, values, nulls);
}

static void
remove_chains(Datum ids)
{
	static SavedQuery events = {
		.sql = "DELETE FROM teamrbac.audit_event AS e"
			   " WHERE tenant_id = ANY ($1) AND scope = 'restore' RETURNING e",
		.nargs = 1,
		.changes_audit = true,
		.argtypes = {UUIDARRAYOID},
	};
	static SavedQuery heads = {
		.sql = "DELETE FROM teamrbac.audit_head AS h"
			   " WHERE tenant_id = ANY ($1) AND scope = 'restore' RETURNING h",
		.nargs = 1,
		.changes_audit = true,
		.argtypes = {UUIDARRAYOID},
	};

	query_delete("audit_event", &events, &ids, NULL);
	query_delete("audit_head", &heads, &ids, NULL);
}

/* confirm_loads(): whoever has looked at what was loaded makes it part of the platform's audit. */
Datum
teamrbac_confirm_loads(PG_FUNCTION_ARGS)
{
	Datum  ids = lock_chains();
	Datum *values;
	bool  *nulls;
	uint64 nloads = read_loads(ids, &values, &nulls);

	remove_chains(ids);
	for (uint64 i = 0; i < nloads; i++)
		audit_platform("restore.loaded", TextDatumGetCString(values[2 * i]), NULL,
		               TextDatumGetCString(values[2 * i + 1]));
	PG_RETURN_VOID();
}
