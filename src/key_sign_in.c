/*
 * key_sign_in.c
 *	  Signing in as an API key.
 *
 * Whatever is wrong with a key, the work is the same, and so is the answer: a key that looks like none is
 * hashed, looked for and compared too, under an id that nobody has.  Whether a key that was found is good is
 * decided by the same grant that the permission check decides by.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "check.h"
#include "compat.h"
#include "errors.h"
#include "identity.h"
#include "key_format.h"
#include "last_use.h"

PG_FUNCTION_INFO_V1(teamrbac_sign_in_with_api_key);

/*
 * find_key looks for the key with this id, and puts its tenant and its hash where asked; zeros if there is
 * none.
 */
static bool
find_key(const pg_uuid_t *key_id, pg_uuid_t *tenant, uint8 *hash)
{
	const AttrNumber column = Anum_api_key_key_id;
	const Oid        type = UUIDOID;
	Datum            key = UUIDPGetDatum(key_id);
	CatalogScan      scan =
		catalog_scan_begin(CATALOG_API_KEY, CATALOG_API_KEY_KEY_ID_IDX, 1, &column, &key, &type);
	HeapTuple tuple = catalog_scan_next(&scan);
	bool      found = HeapTupleIsValid(tuple);

	memset(tenant, 0, sizeof(pg_uuid_t));
	memset(hash, 0, KEY_HASH_LENGTH);
	if (found)
	{
		bool   isnull;
		bytea *stored;

		*tenant = *DatumGetUUIDP(catalog_scan_value(&scan, tuple, Anum_api_key_tenant_id, &isnull));
		stored =
			DatumGetByteaPP(catalog_scan_value(&scan, tuple, Anum_api_key_secret_hash, &isnull));
		Assert(VARSIZE_ANY_EXHDR(stored) == KEY_HASH_LENGTH);
		memcpy(hash, VARDATA_ANY(stored), KEY_HASH_LENGTH);
	}
	catalog_scan_end(&scan);
	return found;
}

static Datum
identity_row(FunctionCallInfo fcinfo, const Identity *identity, const RoleDefinition *role)
{
	TupleDesc tupdesc;
	Datum     values[3];
	bool      nulls[3] = {false};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = UUIDPGetDatum(&identity->tenant_id);
	values[1] = UUIDPGetDatum(&identity->key_id);
	values[2] = CStringGetTextDatum(role->name);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

/* sign_in_with_api_key(secret, local): the transaction or the session acts as this key. */
Datum
teamrbac_sign_in_with_api_key(PG_FUNCTION_ARGS)
{
	text        *secret = PG_ARGISNULL(0) ? cstring_to_text("") : PG_GETARG_TEXT_PP(0);
	bool         local = PG_ARGISNULL(1) || PG_GETARG_BOOL(1);
	Identity     identity = {.kind = IDENTITY_KEY};
	uint8        hash[KEY_HASH_LENGTH];
	uint8        stored_hash[KEY_HASH_LENGTH];
	bool         good;
	const Grant *grant;
	Datum        result;

	AcceptInvalidationMessages();
	good = parse_key(VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret), &identity.key_id);
	hash_key(VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret), hash);
	good &= find_key(&identity.key_id, &identity.tenant_id, stored_hash);
	good &= same_hash(hash, stored_hash);
	grant = subject_grant(cache_refresh(&identity), &identity.tenant_id);
	good &= grant_is_live(grant, GetCurrentTimestamp()) && grant->role != NULL;
	if (!good)
		refuse_identity("invalid API key",
		                "It is malformed, unknown, revoked or expired, or its tenant is deleted.",
		                NULL);

	result = identity_row(fcinfo, &identity, grant->role);
	identity_set(&identity, local);
	note_key_use(&identity.tenant_id, &identity.key_id);
	identity_warn_if_over(local);
	PG_RETURN_DATUM(result);
}
