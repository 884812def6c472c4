/*
 * audit.c
 *	  Records what was done, and checks that nobody has meddled with the record.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "record/audit.h"
#include "record/audit_internal.h"
#include "compat.h"
#include "authority/errors.h"
#include "authority/cluster.h"
#include "authority/identity.h"
#include "store/query.h"
#include "authority/team.h"

PG_FUNCTION_INFO_V1(teamrbac_verify_audit);

static const pg_uuid_t platform = {{0}};

/* ---- the values of an event ------------------------------------------------------------------------- */

char *
audit_subject(const char *kind, const pg_uuid_t *id)
{
	return psprintf("%s:%s", kind, uuid_text(id));
}

char *
audit_fields(const char *name, ...)
{
	StringInfoData json;
	va_list        args;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	va_start(args, name);
	for (bool first = true; name != NULL; first = false, name = va_arg(args, const char *))
	{
		const char *value = va_arg(args, const char *);

		if (!first)
			appendStringInfoString(&json, ", ");
		escape_json(&json, name);
		appendStringInfoString(&json, ": ");
		if (value != NULL)
			escape_json(&json, value);
		else
			appendStringInfoString(&json, "null");
	}
	va_end(args);
	appendStringInfoChar(&json, '}');
	return json.data;
}

char *
audit_time(TimestampTz time)
{
	struct pg_tm tm;
	fsec_t       microseconds;

	/* In UTC, whatever the session's time zone and DateStyle. */
	if (TIMESTAMP_NOT_FINITE(time) || timestamp2tm(time, NULL, &tm, &microseconds, NULL, NULL) != 0)
		return NULL;
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year, tm.tm_mon, tm.tm_mday,
	                tm.tm_hour, tm.tm_min, tm.tm_sec, (int) microseconds);
}

char *
audit_membership(const char *role, TimestampTz expires_at)
{
	return audit_fields("role", role, "expires_at", audit_time(expires_at), NULL);
}

/* ---- recording --------------------------------------------------------------------------------------- */

/* read_head locks the chain's head, if there is one, and reads it. */
static bool
read_head(AuditChain *chain)
{
	static SavedQuery lock = {
		.sql = "SELECT sequence, hash, occurred_at FROM teamrbac.audit_head"
			   " WHERE tenant_id = $1 AND scope = $2 FOR NO KEY UPDATE",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	Datum values[3];
	bool  nulls[3];

	if (!query_row(&lock, (Datum[]){UUIDPGetDatum(&chain->id), CStringGetTextDatum(chain->scope)},
	               NULL, 3, values, nulls))
		return false;
	chain->sequence = DatumGetInt64(values[0]);
	chain->hash = DatumGetByteaPP(values[1]);
	chain->occurred_at = DatumGetTimestampTz(values[2]);
	return true;
}

void
audit_open_chain(AuditChain *chain)
{
	static SavedQuery begin = {
		.sql =
			"INSERT INTO teamrbac.audit_head (tenant_id, scope) VALUES ($1, $2) ON CONFLICT DO NOTHING",
		.nargs = 2,
		.changes_audit = true,
		.argtypes = {UUIDOID, TEXTOID},
	};

	if (read_head(chain))
		return;
	query_execute(&begin, (Datum[]){UUIDPGetDatum(&chain->id), CStringGetTextDatum(chain->scope)},
	              NULL);
	if (!read_head(chain))
		elog(ERROR, "audit chain has no head");
}

void
audit_close_chain(const AuditChain *chain)
{
	static SavedQuery advance = {
		.sql = "UPDATE teamrbac.audit_head SET sequence = $3, hash = $4, occurred_at = $5"
			   " WHERE tenant_id = $1 AND scope = $2",
		.nargs = 5,
		.changes_audit = true,
		.argtypes = {UUIDOID, TEXTOID, INT8OID, BYTEAOID, TIMESTAMPTZOID},
	};

	query_execute(&advance,
	              (Datum[]){UUIDPGetDatum(&chain->id), CStringGetTextDatum(chain->scope),
	                        Int64GetDatum(chain->sequence), PointerGetDatum(chain->hash),
	                        TimestampTzGetDatum(chain->occurred_at)},
	              NULL);
}

static Datum
text_or_null(const char *text, char *null)
{
	*null = text != NULL ? ' ' : 'n';
	return text != NULL ? CStringGetTextDatum(text) : (Datum) 0;
}

void
audit_append(AuditChain *chain, const AuditEntry *entry)
{
	/* A chain's time never goes back, even if the clock does: what was as of a time is asked by both. */
	/* Columns that hold hashes of secrets are nobody's business, a direct change's whole rows included. */
	static SavedQuery append = {
		.sql =
			"INSERT INTO teamrbac.audit_event"
			" SELECT e.*, teamrbac.audit_hash(ROW(e.*, NULL)::teamrbac.audit_event)"
			" FROM (SELECT $1 AS tenant_id, $2 AS scope, $3 AS sequence,"
			" GREATEST(pg_catalog.clock_timestamp(), $12) AS occurred_at, $4, $5,"
			" SESSION_USER::pg_catalog.text, $6, $7, $8, f.before, f.after,"
			" CASE WHEN teamrbac.audit_is_personal(f.before) OR teamrbac.audit_is_personal(f.after)"
			" THEN pg_catalog.uuid_send(pg_catalog.gen_random_uuid()) END,"
			" $11"
			" FROM (SELECT $9::pg_catalog.jsonb - ARRAY['secret_hash', 'secret_key', 'token_hash', 'token'],"
			" $10::pg_catalog.jsonb - ARRAY['secret_hash', 'secret_key', 'token_hash', 'token']) AS f(before, after)) AS e"
			" RETURNING hash, occurred_at",
		.nargs = 12,
		.changes_audit = true,
		.argtypes = {UUIDOID, TEXTOID, INT8OID, TEXTOID, UUIDOID, TEXTOID, TEXTOID, TEXTOID,
	                 TEXTOID, TEXTOID, BYTEAOID, TIMESTAMPTZOID},
	};
	Datum args[12];
	char  nulls[13] = "            ";
	Datum values[2];
	bool  isnull[2];

	args[0] = UUIDPGetDatum(&chain->id);
	args[1] = CStringGetTextDatum(chain->scope);
	args[2] = Int64GetDatum(++chain->sequence);
	args[3] = CStringGetTextDatum(entry->actor_kind);
	args[4] = UUIDPGetDatum(entry->actor_id);
	nulls[4] = entry->actor_id != NULL ? ' ' : 'n';
	args[5] = CStringGetTextDatum(application_name != NULL ? application_name : "");
	args[6] = CStringGetTextDatum(entry->action);
	args[7] = CStringGetTextDatum(entry->subject);
	args[8] = text_or_null(entry->before, &nulls[8]);
	args[9] = text_or_null(entry->after, &nulls[9]);
	args[10] = PointerGetDatum(chain->hash);
	args[11] = TimestampTzGetDatum(chain->occurred_at);
	if (!query_row(&append, args, nulls, 2, values, isnull))
		elog(ERROR, "audit event has no hash");
	chain->hash = DatumGetByteaPP(values[0]);
	chain->occurred_at = DatumGetTimestampTz(values[1]);
}

void
audit_set_actor(AuditEntry *entry, const Identity *identity)
{
	switch (identity->kind)
	{
		case IDENTITY_USER:
			entry->actor_kind = "user";
			entry->actor_id = &identity->user_id;
			break;
		case IDENTITY_KEY:
			entry->actor_kind = "api_key";
			entry->actor_id = &identity->key_id;
			break;
		case IDENTITY_NONE:
			entry->actor_kind = "database_role";
			entry->actor_id = NULL;
			break;
	}
}

/* record appends one event. */
static void
record(const Identity *identity, const pg_uuid_t *chain_id, const char *scope, const char *action,
       const char *subject, const char *before, const char *after)
{
	AuditChain chain = {.id = *chain_id, .scope = scope};
	AuditEntry entry = {.action = action, .subject = subject, .before = before, .after = after};

	cluster_require_team();
	audit_set_actor(&entry, identity);
	audit_open_chain(&chain);
	audit_append(&chain, &entry);
	audit_close_chain(&chain);
}

void
audit_tenant(const pg_uuid_t *tenant, const char *action, const char *subject, const char *before,
             const char *after)
{
	Identity identity = identity_now();

	record(&identity, tenant, "tenant", action, subject, before, after);
}

void
audit_tenant_by_dba(const pg_uuid_t *tenant, const char *action, const char *subject,
                    const char *before, const char *after)
{
	Identity nobody = IDENTITY_INITIALIZER;

	record(&nobody, tenant, "tenant", action, subject, before, after);
}

void
audit_tenant_events_by_dba(const pg_uuid_t *tenant, const AuditEvent *events, int nevents)
{
	Identity   nobody = IDENTITY_INITIALIZER;
	AuditChain chain = {.id = *tenant, .scope = "tenant"};

	audit_open_chain(&chain);
	for (int i = 0; i < nevents; i++)
	{
		AuditEntry entry = {.action = events[i].action,
		                    .subject = events[i].subject,
		                    .before = events[i].before,
		                    .after = events[i].after};

		audit_set_actor(&entry, &nobody);
		audit_append(&chain, &entry);
	}
	audit_close_chain(&chain);
}

void
audit_user(const pg_uuid_t *user, const char *action, const char *before, const char *after)
{
	Identity identity = identity_now();

	record(&identity, user, "user", action, audit_subject("user", user), before, after);
}

void
audit_platform(const char *action, const char *subject, const char *before, const char *after)
{
	/* Definitions are the DBA's, whoever is signed in. */
	Identity nobody = IDENTITY_INITIALIZER;

	record(&nobody, &platform, "platform", action, subject, before, after);
}

/* ---- verification ------------------------------------------------------------------------------------ */

/*
 * verify_audit(tenant_id): whether the tenant's chain of events is whole, and where it breaks first.
 *
 * For whoever may view the tenant's audit, and for superusers, who may name a user or the nil uuid as well.
 */
Datum
teamrbac_verify_audit(PG_FUNCTION_ARGS)
{
	static SavedQuery verify = {
		.sql = "SELECT problem IS NULL, events, broken_at, problem FROM teamrbac.audit_verdict($1)",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");

	if (!superuser_is_asking())
		require_permission(&tenant, PERMISSION_VIEW_AUDIT);
	query_return_set(fcinfo, &verify, (Datum[]){UUIDPGetDatum(&tenant)}, NULL);
	return (Datum) 0;
}
