/*
 * api_key.c
 *	  Commands on API keys: making, rotating and revoking one.
 *
 * Each reads: arguments, lock, authority, change, record.  Whoever may not manage a key is told the same as
 * if there were none.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "command/api_key.h"
#include "record/audit.h"
#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "command/key_format.h"
#include "command/limit.h"
#include "store/query.h"
#include "authority/permission.h"
#include "authority/team.h"
#include "store/text_rules.h"

PG_FUNCTION_INFO_V1(teamrbac_create_api_key);
PG_FUNCTION_INFO_V1(teamrbac_rotate_api_key);
PG_FUNCTION_INFO_V1(teamrbac_revoke_api_key);
PG_FUNCTION_INFO_V1(teamrbac_rename_api_key);
PG_FUNCTION_INFO_V1(teamrbac_set_api_key_expiry);

/* A row of the table. */
typedef struct ApiKey
{
	pg_uuid_t   tenant_id;
	pg_uuid_t   key_id;
	char       *name;
	char       *role;
	ArrayType  *permissions; /* NULL: all of the role's */
	pg_uuid_t   created_by;
	TimestampTz expires_at; /* DT_NOEND: never */
	bool        replaced;
	bool        revoked;
} ApiKey;

/* ---- the table ------------------------------------------------------------------------------------- */

static bool
find_key(const pg_uuid_t *key_id, ApiKey *key)
{
	static SavedQuery select = {
		.sql = "SELECT tenant_id, name, role::pg_catalog.text, permissions, created_by, expires_at,"
			   " replaced_by IS NOT NULL, revoked_at IS NOT NULL"
			   " FROM teamrbac.api_key WHERE key_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	Datum values[8];
	bool  nulls[8];

	if (!query_row(&select, (Datum[]){UUIDPGetDatum(key_id)}, NULL, 8, values, nulls))
		return false;
	key->tenant_id = *DatumGetUUIDP(values[0]);
	key->key_id = *key_id;
	key->name = TextDatumGetCString(values[1]);
	key->role = TextDatumGetCString(values[2]);
	key->permissions = nulls[3] ? NULL : DatumGetArrayTypeP(values[3]);
	key->created_by = *DatumGetUUIDP(values[4]);
	key->expires_at = nulls[5] ? DT_NOEND : DatumGetTimestampTz(values[5]);
	key->replaced = DatumGetBool(values[6]);
	key->revoked = DatumGetBool(values[7]);
	return true;
}

/*
 * release_name lets a new key have the name of one that has expired: time alone takes nothing out of an
 * index.
 */
static void
release_name(const ApiKey *successor)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.api_key SET replaced_by = $3"
			   " WHERE tenant_id = $1 AND name = $2"
			   " AND revoked_at IS NULL AND replaced_by IS NULL"
			   " AND expires_at <= pg_catalog.clock_timestamp()",
		.nargs = 3,
		.argtypes = {UUIDOID, TEXTOID, UUIDOID},
	};

	query_execute(&update,
	              (Datum[]){UUIDPGetDatum(&successor->tenant_id),
	                        CStringGetTextDatum(successor->name),
	                        UUIDPGetDatum(&successor->key_id)},
	              NULL);
}

static Datum
hash_datum(const char *secret)
{
	bytea *hash = palloc(VARHDRSZ + KEY_HASH_LENGTH);

	SET_VARSIZE(hash, VARHDRSZ + KEY_HASH_LENGTH);
	hash_key(secret, strlen(secret), (uint8 *) VARDATA(hash));
	return PointerGetDatum(hash);
}

pg_noreturn static void
refuse_taken_name(const char *name)
{
	ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), errreason("key_name_taken"),
	                errmsg("an active API key has the name \"%s\"", name),
	                errhint("Choose another, or rotate or revoke that one.")));
}

/* insert_key gives a key its secret, stores it without the latter, and returns the secret. */
static char *
insert_key(ApiKey *key)
{
	static SavedQuery insert = {
		.sql =
			"INSERT INTO teamrbac.api_key (tenant_id, key_id, name, role, permissions, secret_hash, created_by, expires_at)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
			" ON CONFLICT (tenant_id, name) WHERE revoked_at IS NULL AND replaced_by IS NULL DO NOTHING",
		.nargs = 8,
		.argtypes = {UUIDOID, UUIDOID, TEXTOID, TEXTOID, TEXTARRAYOID, BYTEAOID, UUIDOID,
	                 TIMESTAMPTZOID},
	};
	static SavedQuery insert_use = {
		.sql = "INSERT INTO teamrbac.api_key_use (tenant_id, key_id) VALUES ($1, $2)",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	char *secret = make_key(&key->key_id);
	Datum args[] = {UUIDPGetDatum(&key->tenant_id),    UUIDPGetDatum(&key->key_id),
	                CStringGetTextDatum(key->name),    CStringGetTextDatum(key->role),
	                PointerGetDatum(key->permissions), hash_datum(secret),
	                UUIDPGetDatum(&key->created_by),   TimestampTzGetDatum(key->expires_at)};
	char  nulls[] = "        ";

	nulls[4] = key->permissions == NULL ? 'n' : ' ';
	nulls[7] = key->expires_at == DT_NOEND ? 'n' : ' ';
	if (query_execute(&insert, args, nulls) == 0)
		refuse_taken_name(key->name);
	query_execute(&insert_use, args, NULL);
	return secret;
}

/* replace_key takes the name from a key; it works on until end, DT_NOEND for as long as it would have. */
static void
replace_key(const ApiKey *key, const pg_uuid_t *successor, TimestampTz end)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.api_key SET replaced_by = $3, expires_at = LEAST(expires_at, $4)"
			   " WHERE tenant_id = $1 AND key_id = $2",
		.nargs = 4,
		.argtypes = {UUIDOID, UUIDOID, UUIDOID, TIMESTAMPTZOID},
	};
	Datum args[] = {UUIDPGetDatum(&key->tenant_id), UUIDPGetDatum(&key->key_id),
	                UUIDPGetDatum(successor), TimestampTzGetDatum(end)};

	query_execute(&update, args, end == DT_NOEND ? "   n" : NULL);
}

static void
revoke_key(const ApiKey *key, const pg_uuid_t *user, const char *reason)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.api_key"
			   " SET revoked_at = pg_catalog.clock_timestamp(), revoked_by = $3, revoke_reason = $4"
			   " WHERE tenant_id = $1 AND key_id = $2",
		.nargs = 4,
		.argtypes = {UUIDOID, UUIDOID, UUIDOID, TEXTOID},
	};
	Datum args[] = {UUIDPGetDatum(&key->tenant_id), UUIDPGetDatum(&key->key_id),
	                UUIDPGetDatum(user), reason != NULL ? CStringGetTextDatum(reason) : (Datum) 0};

	query_execute(&update, args, reason != NULL ? NULL : "   n");
}

/* ---- authority ------------------------------------------------------------------------------------- */

static void
require_key_maker(const pg_uuid_t *tenant)
{
	/* The lesser one is what is used, of those who have both, and what is missed by those who have neither. */
	if (asker_may(tenant, PERMISSION_CREATE_PERSONAL_KEY) ||
	    !asker_uses(tenant, PERMISSION_MANAGE_KEYS))
		require_permission(tenant, PERMISSION_CREATE_PERSONAL_KEY);
}

/* lock_tenant_as_key_maker locks the tenant for somebody who may make keys there, and returns them. */
static pg_uuid_t
lock_tenant_as_key_maker(const pg_uuid_t *tenant)
{
	pg_uuid_t user = require_user(tenant);

	require_key_maker(tenant);
	if (!lock_tenant_yielding(tenant))
		refuse_permission(tenant, PERMISSION_CREATE_PERSONAL_KEY);
	require_key_maker(tenant);
	return user;
}

static bool
may_manage(const ApiKey *key, const pg_uuid_t *user)
{
	const Grant *grant = principal_grant(current_principal(), &key->tenant_id);

	if (!grant_is_live(grant, GetCurrentTimestamp()))
		return false;
	return uuid_same(&key->created_by, user) || asker_uses(&key->tenant_id, PERMISSION_MANAGE_KEYS);
}

/*
 * lock_key finds a key that a user may manage, and locks its tenant.  A key of another tenant must look like
 * one that doesn't exist.
 */
static void
lock_key(const pg_uuid_t *key_id, const pg_uuid_t *user, ApiKey *key)
{
	bool known = find_key(key_id, key);

	if (!known || !may_manage(key, user) || !lock_tenant_yielding(&key->tenant_id) ||
	    !find_key(key_id, key) || !may_manage(key, user))
		refuse_command(
			known ? &key->tenant_id : NULL, "permission_denied", "permission denied for API key",
			"There is no such key, or it is neither one that you made nor one that you manage.",
			NULL);
}

pg_uuid_t
lock_managed_key(const pg_uuid_t *key_id, const pg_uuid_t *user)
{
	ApiKey key;

	lock_key(key_id, user, &key);
	return key.tenant_id;
}

static void
require_not_revoked(const ApiKey *key)
{
	if (key->revoked)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("key_revoked"),
		                errmsg("API key is already revoked")));
}

/* require_rotatable refuses a key that no longer is the one of its name: its time must not begin again. */
static void
require_rotatable(const ApiKey *key)
{
	require_not_revoked(key);
	if (key->expires_at <= GetCurrentTimestamp())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("key_expired"),
		                errmsg("API key has expired"), errhint("Make a new one instead.")));
	if (key->replaced)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("key_rotated"),
		                errmsg("API key has already been rotated"),
		                errhint("Rotate the key that has replaced it.")));
}

/* ---- arguments and results ------------------------------------------------------------------------- */

static TimestampTz
expiry_arg(FunctionCallInfo fcinfo, int arg)
{
	TimestampTz expires_at = PG_ARGISNULL(arg) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(arg);

	if (expires_at <= GetCurrentTimestamp())
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("time_not_in_future"),
		                errmsg("expires_at must be in the future")));
	return expires_at;
}

static void
require_key_permission(const Role *role, const char *name)
{
	int number = require_known_permission(name, strlen(name));

	if (!bms_is_member(number, role->permissions))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("permission_not_in_role"),
		         errmsg("role \"%s\" does not have permission \"%s\"", role->name, name),
		         errdetail("The permissions of a key narrow those of its role.")));
	if (!bms_is_member(number, permissions_for_keys()))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("permission_for_people"),
		         errmsg("permission \"%s\" is for people only", name)));
}

/* key_permissions takes a list of permissions that keys with a role of the tenant may have; NULL for all of them. */
static ArrayType *
key_permissions(FunctionCallInfo fcinfo, int arg, const pg_uuid_t *tenant, const char *role_name)
{
	const Role *role = require_known_role(tenant, role_name);
	Datum      *names;
	bool       *nulls;
	int         nnames;

	if (PG_ARGISNULL(arg))
		return NULL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(arg), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls,
	                  &nnames);
	if (nnames == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("list_empty"),
		                errmsg("permissions must not be empty"),
		                errhint("Leave them out for all that the role may.")));
	for (int i = 0; i < nnames; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("argument_null"),
			                errmsg("permissions must not contain nulls")));
		require_key_permission(role, TextDatumGetCString(names[i]));
	}
	/* In one dimension, whatever was given. */
	return construct_array(names, nnames, TEXTOID, -1, false, TYPALIGN_INT);
}

static Datum
key_and_secret(FunctionCallInfo fcinfo, const pg_uuid_t *key_id, const char *secret)
{
	TupleDesc tupdesc;
	Datum     values[] = {UUIDPGetDatum(key_id), CStringGetTextDatum(secret)};
	bool      nulls[] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

static char *
permissions_text(const ApiKey *key)
{
	if (key->permissions == NULL)
		return NULL;
	return OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(key->permissions));
}

/* A key that takes another's place has its own event too: whoever asks about a key looks for it by its id. */
static void
record_creation(const ApiKey *key)
{
	audit_tenant(&key->tenant_id, "api_key.created", audit_subject("api_key", &key->key_id), NULL,
	             audit_fields("name", key->name, "role", key->role, "permissions",
	                          permissions_text(key), "expires_at", audit_time(key->expires_at),
	                          NULL));
}

/* ---- commands -------------------------------------------------------------------------------------- */

/* create_api_key(tenant_id, name, role, expires_at, permissions): makes a key. */
Datum
teamrbac_create_api_key(PG_FUNCTION_ARGS)
{
	ApiKey key = {0};
	char  *secret;

	key.tenant_id = uuid_arg(fcinfo, 0, "tenant_id");
	key.key_id = *DatumGetUUIDP(OidFunctionCall0(F_GEN_RANDOM_UUID));
	key.name = text_arg(fcinfo, 1, "name");
	key.role = text_arg(fcinfo, 2, "role");
	key.expires_at = expiry_arg(fcinfo, 3);
	key.name = require_printable_name("name", key.name);

	key.created_by = lock_tenant_as_key_maker(&key.tenant_id);

	key.permissions = key_permissions(fcinfo, 4, &key.tenant_id, key.role);
	require_role_within_own(&key.tenant_id, key.role);
	require_room_for_key(&key.tenant_id, &key.created_by);

	release_name(&key);
	secret = insert_key(&key);

	record_creation(&key);
	return key_and_secret(fcinfo, &key.key_id, secret);
}

static TimestampTz
end_of_overlap(FunctionCallInfo fcinfo, int arg, TimestampTz now)
{
	TimestampTz end;

	if (PG_ARGISNULL(arg))
		refuse_null("overlap");
	end = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now),
	                                              PG_GETARG_DATUM(arg)));
	if (end < now)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("overlap_negative"),
		                errmsg("overlap must not be negative")));
	return end;
}

/* rotate_api_key(key_id, overlap): a new key takes the place of one. */
Datum
teamrbac_rotate_api_key(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	pg_uuid_t   key_id = uuid_arg(fcinfo, 0, "key_id");
	TimestampTz end = end_of_overlap(fcinfo, 1, now);
	pg_uuid_t   user = require_user(NULL);
	ApiKey      old;
	ApiKey      key;
	char       *secret;

	lock_key(&key_id, &user, &old);

	require_role_within_own(&old.tenant_id, old.role);
	require_rotatable(&old);
	/* The old one goes at once, or takes room for its overlap. */
	if (end > now || !uuid_same(&old.created_by, &user))
		require_room_for_key(&old.tenant_id, &user);

	key = old;
	key.key_id = *DatumGetUUIDP(OidFunctionCall0(F_GEN_RANDOM_UUID));
	key.created_by = user;
	replace_key(&old, &key.key_id, end > now ? end : DT_NOEND);
	if (end <= now)
		revoke_key(&old, &user, "rotated");
	secret = insert_key(&key);

	audit_tenant(&key.tenant_id, "api_key.rotated", audit_subject("api_key", &old.key_id),
	             audit_fields("name", old.name, "role", old.role, "expires_at",
	                          audit_time(old.expires_at), NULL),
	             audit_fields("replaced_by", uuid_text(&key.key_id), "works_until",
	                          audit_time(end > now ? Min(end, old.expires_at) : now), NULL));
	record_creation(&key);
	return key_and_secret(fcinfo, &key.key_id, secret);
}

/* revoke_api_key(key_id, reason): ends a key. */
Datum
teamrbac_revoke_api_key(PG_FUNCTION_ARGS)
{
	pg_uuid_t key_id = uuid_arg(fcinfo, 0, "key_id");
	char     *reason = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	pg_uuid_t user = require_user(NULL);
	ApiKey    key;

	if (reason != NULL)
		reason = require_printable_name("reason", reason);

	lock_key(&key_id, &user, &key);

	require_not_revoked(&key);

	revoke_key(&key, &user, reason);

	audit_tenant(&key.tenant_id, "api_key.revoked", audit_subject("api_key", &key_id),
	             audit_fields("name", key.name, "role", key.role, NULL),
	             audit_fields("reason", reason, NULL));
	PG_RETURN_VOID();
}

static void
require_free_name(const ApiKey *key, const char *name)
{
	static SavedQuery select = {
		.sql = "SELECT FROM teamrbac.api_key WHERE tenant_id = $1"
			   " AND name = $2 AND revoked_at IS NULL AND replaced_by IS NULL",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};

	if (query_execute(&select, (Datum[]){UUIDPGetDatum(&key->tenant_id), CStringGetTextDatum(name)},
	                  NULL) > 0)
		refuse_taken_name(name);
}

/* rename_api_key(key_id, name): a name that says more. */
Datum
teamrbac_rename_api_key(PG_FUNCTION_ARGS)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.api_key SET name = $3"
			   " WHERE tenant_id = $1 AND key_id = $2",
		.nargs = 3,
		.argtypes = {UUIDOID, UUIDOID, TEXTOID},
	};
	pg_uuid_t key_id = uuid_arg(fcinfo, 0, "key_id");
	char     *name = text_arg(fcinfo, 1, "name");
	pg_uuid_t user = require_user(NULL);
	ApiKey    key;
	ApiKey    renamed;

	name = require_printable_name("name", name);

	lock_key(&key_id, &user, &key);

	require_rotatable(&key);
	if (strcmp(key.name, name) == 0)
		PG_RETURN_VOID();
	renamed = key;
	renamed.name = name;
	release_name(&renamed);
	require_free_name(&key, name);

	query_execute(
		&update,
		(Datum[]){UUIDPGetDatum(&key.tenant_id), UUIDPGetDatum(&key_id), CStringGetTextDatum(name)},
		NULL);

	audit_tenant(&key.tenant_id, "api_key.renamed", audit_subject("api_key", &key_id),
	             audit_fields("name", key.name, NULL), audit_fields("name", name, NULL));
	PG_RETURN_VOID();
}

/* set_api_key_expiry(key_id, expires_at): a key ends by itself; later than before only within one's own role. */
Datum
teamrbac_set_api_key_expiry(PG_FUNCTION_ARGS)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.api_key SET expires_at = $3"
			   " WHERE tenant_id = $1 AND key_id = $2",
		.nargs = 3,
		.argtypes = {UUIDOID, UUIDOID, TIMESTAMPTZOID},
	};
	pg_uuid_t   key_id = uuid_arg(fcinfo, 0, "key_id");
	TimestampTz expires_at = expiry_arg(fcinfo, 1);
	pg_uuid_t   user = require_user(NULL);
	ApiKey      key;

	lock_key(&key_id, &user, &key);

	require_rotatable(&key);
	if (expires_at > key.expires_at)
		require_role_within_own(&key.tenant_id, key.role);

	query_execute(&update,
	              (Datum[]){UUIDPGetDatum(&key.tenant_id), UUIDPGetDatum(&key_id),
	                        TimestampTzGetDatum(expires_at)},
	              expires_at == DT_NOEND ? "  n" : NULL);

	audit_tenant(&key.tenant_id, "api_key.expiry_set", audit_subject("api_key", &key_id),
	             audit_fields("expires_at", audit_time(key.expires_at), NULL),
	             audit_fields("expires_at", audit_time(expires_at), NULL));
	PG_RETURN_VOID();
}
