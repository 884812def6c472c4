/*
 * key_revocation.c
 *	  Revoking many API keys at once.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "command/api_key.h"
#include "record/audit.h"
#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/precedence.h"
#include "store/query.h"
#include "authority/team.h"
#include "store/text_rules.h"

PG_FUNCTION_INFO_V1(teamrbac_revoke_member_keys);
PG_FUNCTION_INFO_V1(teamrbac_revoke_api_keys);
PG_FUNCTION_INFO_V1(teamrbac_revoke_user_keys);

/* Which active keys of a tenant; what is NULL, or DT_NOEND, is no condition. */
typedef struct KeyFilter
{
	const pg_uuid_t *created_by;
	TimestampTz      unused_since;
	const char      *name_like;
} KeyFilter;

static void
record_each(const pg_uuid_t *tenant, ArrayType *keys, ArrayType *names, ArrayType *roles,
            const char *reason)
{
	Datum *key;
	Datum *name;
	Datum *role;
	int    nkeys;

	deconstruct_array(keys, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &key, NULL, &nkeys);
	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &name, NULL, &nkeys);
	deconstruct_array(roles, TEXTOID, -1, false, TYPALIGN_INT, &role, NULL, &nkeys);
	for (int i = 0; i < nkeys; i++)
		audit_tenant(tenant, "api_key.revoked", audit_subject("api_key", DatumGetUUIDP(key[i])),
		             audit_fields("name", TextDatumGetCString(name[i]), "role",
		                          TextDatumGetCString(role[i]), NULL),
		             audit_fields("reason", reason, NULL));
}

/* revoke_keys revokes the keys that pass the filter, and records each; returns how many. */
static uint64
revoke_keys(const pg_uuid_t *tenant, const KeyFilter *filter, const char *reason)
{
	static SavedQuery update = {
		.sql =
			"WITH revoked AS (UPDATE teamrbac.api_key AS k"
			" SET revoked_at = pg_catalog.clock_timestamp(), revoked_by = $2, revoke_reason = $3"
			" WHERE k.tenant_id = $1 AND k.revoked_at IS NULL"
			" AND (k.expires_at IS NULL OR k.expires_at > pg_catalog.clock_timestamp())"
			" AND ($4 IS NULL OR k.created_by = $4)"
			" AND ($5 IS NULL OR GREATEST(k.created_at, (SELECT used.last_used_at FROM teamrbac.api_key_use AS used"
			" WHERE used.tenant_id = k.tenant_id AND used.key_id = k.key_id))"
			" < $5)"
			" AND ($6 IS NULL OR k.name ~~ $6)"
			" RETURNING k.key_id, k.name, k.role)"
			" SELECT pg_catalog.count(*), pg_catalog.array_agg(key_id ORDER BY name, key_id),"
			" pg_catalog.array_agg(name ORDER BY name, key_id),"
			" pg_catalog.array_agg(role::pg_catalog.text ORDER BY name, key_id) FROM revoked",
		.nargs = 6,
		.argtypes = {UUIDOID, UUIDOID, TEXTOID, UUIDOID, TIMESTAMPTZOID, TEXTOID},
	};
	pg_uuid_t user = require_user(tenant);
	Datum     args[6] = {UUIDPGetDatum(tenant), UUIDPGetDatum(&user)};
	char      nulls[] = "  nnnn";
	Datum     values[4];
	bool      isnull[4];

	if (reason != NULL)
		args[2] = CStringGetTextDatum(reason), nulls[2] = ' ';
	if (filter->created_by != NULL)
		args[3] = UUIDPGetDatum(filter->created_by), nulls[3] = ' ';
	if (filter->unused_since != DT_NOEND)
		args[4] = TimestampTzGetDatum(filter->unused_since), nulls[4] = ' ';
	if (filter->name_like != NULL)
		args[5] = CStringGetTextDatum(filter->name_like), nulls[5] = ' ';

	if (!query_row(&update, args, nulls, 4, values, isnull))
		elog(ERROR, "an aggregate has no row");
	if (!isnull[1])
		record_each(tenant, DatumGetArrayTypeP(values[1]), DatumGetArrayTypeP(values[2]),
		            DatumGetArrayTypeP(values[3]), reason);
	return DatumGetInt64(values[0]);
}

uint64
revoke_keys_of(const pg_uuid_t *tenant, const pg_uuid_t *creator, const char *reason)
{
	KeyFilter filter = {.created_by = creator, .unused_since = DT_NOEND};

	return revoke_keys(tenant, &filter, reason);
}

static Datum
revoked_row(FunctionCallInfo fcinfo, uint64 revoked)
{
	TupleDesc tupdesc;
	Datum     values[] = {Int64GetDatum(revoked)};
	bool      nulls[] = {false};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

/* has_keys tells whether there is a key of this user's to revoke. */
static bool
has_keys(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	static SavedQuery find = {
		.sql = "SELECT FROM teamrbac.api_key WHERE tenant_id = $1 AND created_by = $2"
			   " AND revoked_at IS NULL LIMIT 1",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};

	return query_execute(&find, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(user)}, NULL) > 0;
}

/* revoke_member_keys(tenant_id, user_id): ends all keys that somebody made; their own, if they ask. */
Datum
teamrbac_revoke_member_keys(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t creator = uuid_arg(fcinfo, 1, "user_id");
	pg_uuid_t user = require_user(&tenant);
	uint64    revoked;

	if (!uuid_same(&creator, &user))
		lock_tenant_for(&tenant, PERMISSION_MANAGE_KEYS);
	else if (!has_keys(&tenant, &user))
	{
		/* Nothing to lock for. */
		require_membership(&tenant);
		return revoked_row(fcinfo, 0);
	}
	else
		(void) lock_tenant_as_member(&tenant);

	revoked = revoke_keys_of(&tenant, &creator, NULL);
	return revoked_row(fcinfo, revoked);
}

/* revoke_api_keys(tenant_id, created_by, unused_since, name_like, reason): ends all keys that pass the filters. */
Datum
teamrbac_revoke_api_keys(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t creator;
	KeyFilter filter = {.unused_since = DT_NOEND};
	char     *reason = PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4));
	uint64    revoked;

	if (PG_ARGISNULL(1) && PG_ARGISNULL(2) && PG_ARGISNULL(3))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("filter_missing"),
		                errmsg("at least one filter is needed"),
		                errhint("To revoke all keys of the tenant, let name_like be '%%'.")));
	if (!PG_ARGISNULL(1))
	{
		creator = uuid_arg(fcinfo, 1, "created_by");
		filter.created_by = &creator;
	}
	if (!PG_ARGISNULL(2))
		filter.unused_since = PG_GETARG_TIMESTAMPTZ(2);
	if (!PG_ARGISNULL(3))
		filter.name_like = text_arg(fcinfo, 3, "name_like");
	if (reason != NULL)
		reason = require_printable_name("reason", reason);

	lock_tenant_for(&tenant, PERMISSION_MANAGE_KEYS);

	revoked = revoke_keys(&tenant, &filter, reason);
	return revoked_row(fcinfo, revoked);
}

/*
 * lock_tenants_of_user locks the tenants in which a user can have keys: where they have some, and where they are
 * a member, for a key that they are making there and that nobody sees yet.  In order, so that two of these
 * cannot wait for each other.
 */
static uint64
lock_tenants_of_user(const pg_uuid_t *user, Datum **tenants)
{
	static SavedQuery find = {
		.sql =
			"SELECT t.tenant_id FROM teamrbac.tenant AS t WHERE t.tenant_id IN ("
			"SELECT k.tenant_id FROM teamrbac.api_key AS k WHERE k.created_by = $1 AND k.revoked_at IS NULL"
			" UNION ALL SELECT m.tenant_id FROM teamrbac.membership AS m WHERE m.user_id = $1"
			" UNION ALL SELECT e.tenant_id FROM teamrbac.expired_membership AS e WHERE e.user_id = $1)"
			" ORDER BY t.tenant_id",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	static SavedQuery lock = {
		.sql = "SELECT FROM teamrbac.tenant WHERE tenant_id = $1 FOR NO KEY UPDATE",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	bool  *nulls;
	uint64 ntenants = query_rows(&find, (Datum[]){UUIDPGetDatum(user)}, NULL, 1, tenants, &nulls);

	for (uint64 i = 0; i < ntenants; i++)
	{
		CHECK_FOR_INTERRUPTS();
		take_precedence(GATE_TENANT, DatumGetUUIDP((*tenants)[i]));
		query_execute(&lock, (Datum[]){(*tenants)[i]}, NULL);
	}
	return ntenants;
}

/* revoke_and_record_keys revokes a user's keys in one tenant, which is locked; returns how many. */
static int64
revoke_and_record_keys(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	static SavedQuery update = {
		.sql =
			"WITH revoked AS (UPDATE teamrbac.api_key"
			" SET revoked_at = pg_catalog.clock_timestamp(), revoke_reason = 'all keys of their maker revoked'"
			" WHERE tenant_id = $1 AND created_by = $2 AND revoked_at IS NULL"
			" AND (expires_at IS NULL OR expires_at > pg_catalog.clock_timestamp())"
			" RETURNING key_id)"
			" SELECT pg_catalog.count(*), pg_catalog.string_agg(key_id::pg_catalog.text, ' ' ORDER BY key_id)"
			" FROM revoked",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	Datum values[2];
	bool  nulls[2];

	if (!query_row(&update, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(user)}, NULL, 2, values,
	               nulls))
		elog(ERROR, "an aggregate has no row");
	if (!nulls[1])
		audit_tenant(tenant, "api_key.revoked_all", audit_subject("user", user), NULL,
		             audit_fields("keys", TextDatumGetCString(values[1]), NULL));
	return DatumGetInt64(values[0]);
}

/* revoke_user_keys(user_id): ends all keys that a user made, wherever. */
Datum
teamrbac_revoke_user_keys(PG_FUNCTION_ARGS)
{
	static SavedQuery find = {
		.sql = "SELECT FROM teamrbac.app_user WHERE user_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	pg_uuid_t user = uuid_arg(fcinfo, 0, "user_id");
	Datum    *tenants;
	uint64    ntenants = lock_tenants_of_user(&user, &tenants);
	int64     revoked = 0;

	for (uint64 i = 0; i < ntenants; i++)
	{
		CHECK_FOR_INTERRUPTS();
		revoked += revoke_and_record_keys(DatumGetUUIDP(tenants[i]), &user);
	}
	/* The keys of a user who was deleted are still theirs. */
	if (revoked == 0 && query_execute(&find, (Datum[]){UUIDPGetDatum(&user)}, NULL) == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errreason("user_not_found"),
		                errmsg("there is no such user")));
	return revoked_row(fcinfo, revoked);
}
