/*
 * key_sign_in.c
 *	  Signing in as an API key.
 *
 * Whatever is wrong with a key, the work is the same, and so is the answer: a key that looks like none is
 * hashed, looked for and compared too, under an id that nobody has.  Whether a key that was found is good is
 * decided by the same grant that the permission check decides by.  Only a key that is good in all respects is
 * recognised faster the next time.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/memutils.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "authority/principal.h"
#include "command/sign_in.h"
#include "store/catalog.h"
#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "command/key_format.h"
#include "authority/last_use.h"

/* A key that has signed in in this backend. */
typedef struct VerifiedKey
{
	uint64      generation; /* of FACTS_API_KEYS, as it was before the key was read */
	uint8       hash[KEY_HASH_LENGTH];
	Identity    identity;  /* IDENTITY_NONE: an unused entry */
	NotedKeyUse noted_use; /* see note_key_use */
} VerifiedKey;

/* By the first byte of the hash, the last one seen of each. */
static VerifiedKey verified_keys[256];

PG_FUNCTION_INFO_V1(teamrbac_sign_in_with_api_key);

/*
 * find_key looks for the key with this id, and puts its tenant and its hash where asked; zeros if there is
 * none.
 */
static bool
find_key(const pg_uuid_t *key_id, pg_uuid_t *tenant, uint8 *hash)
{
	Datum       key = UUIDPGetDatum(key_id);
	CatalogScan scan = catalog_scan_begin(NULL, CATALOG_API_KEY_KEY_ID_IDX, 1, &key);
	HeapTuple   tuple = catalog_scan_next(&scan);
	bool        found = HeapTupleIsValid(tuple);

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

/*
 * remembered finds the identity of a key that this backend has seen before, while no key has changed since.
 * Only a whole key finds one, so that a wrong one always takes the other way.
 */
static VerifiedKey *
remembered(const uint8 *hash)
{
	VerifiedKey *entry = &verified_keys[hash[0]];

	if (entry->identity.kind == IDENTITY_KEY && entry->generation == generation[FACTS_API_KEYS] &&
	    same_hash(entry->hash, hash))
		return entry;
	return NULL;
}

/* live_role returns the role of a key that may do something at this time, else NULL. */
static const Role *
live_role(const Identity *identity)
{
	const Grant *grant = principal_grant(principal_of(identity), &identity->tenant_id);

	return grant_is_live(grant, GetCurrentTimestamp()) ? grant->role : NULL;
}

/*
 * verify takes a key, and finds out which one it is, and its role.  NULL, after the same work in each case,
 * if it is malformed, unknown, revoked or expired, or if its tenant is deleted.
 */
static VerifiedKey *
verify(const char *key, int length, const Role **role)
{
	Identity     identity = IDENTITY_INITIALIZER;
	uint64       before;
	uint8        hash[KEY_HASH_LENGTH];
	uint8        stored_hash[KEY_HASH_LENGTH];
	bool         good;
	VerifiedKey *entry;

	identity.kind = IDENTITY_KEY;
	identity.in_tenant = true;
	good = parse_key(key, length, &identity.key_id);
	hash_key(key, length, hash);
	AcceptInvalidationMessages();
	entry = remembered(hash);
	if (entry != NULL && (*role = live_role(&entry->identity)) != NULL)
		return entry;

	/* The generation first, as everywhere. */
	before = generation[FACTS_API_KEYS];
	good &= find_key(&identity.key_id, &identity.tenant_id, stored_hash);
	good &= same_hash(hash, stored_hash);
	*role = live_role(&identity);
	good &= *role != NULL;
	if (!good)
		return NULL;
	entry = &verified_keys[hash[0]];
	entry->generation = before;
	memcpy(entry->hash, hash, KEY_HASH_LENGTH);
	entry->identity = identity;
	memset(&entry->noted_use, 0, sizeof(NotedKeyUse));
	return entry;
}

/* result_row makes the result.  Its type is made once: its columns are those of the function's declaration. */
static Datum
result_row(const Identity *identity, const Role *role)
{
	static TupleDesc tupdesc = NULL;
	Datum            values[3];
	bool             nulls[3] = {false};

	if (tupdesc == NULL)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc     made = CreateTemplateTupleDesc(lengthof(values));

		TupleDescInitEntry(made, 1, "tenant_id", UUIDOID, -1, 0);
		TupleDescInitEntry(made, 2, "key_id", UUIDOID, -1, 0);
		TupleDescInitEntry(made, 3, "role", TEXTOID, -1, 0);
		tupdesc = BlessTupleDesc(made);
		MemoryContextSwitchTo(oldcontext);
	}
	values[0] = UUIDPGetDatum(&identity->tenant_id);
	values[1] = UUIDPGetDatum(&identity->key_id);
	values[2] = CStringGetTextDatum(role->name);
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}

/* sign_in_with_api_key(secret, local): the transaction or the session acts as this key. */
Datum
teamrbac_sign_in_with_api_key(PG_FUNCTION_ARGS)
{
	text        *secret = PG_ARGISNULL(0) ? cstring_to_text("") : PG_GETARG_TEXT_PP(0);
	bool         local = PG_ARGISNULL(1) || PG_GETARG_BOOL(1);
	const Role  *role;
	VerifiedKey *key = verify(VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret), &role);
	Datum        result;

	if (key == NULL)
		refuse_identity("key_invalid", "invalid API key",
		                "It is malformed, unknown, revoked or expired, or its tenant is deleted.",
		                NULL);
	result = result_row(&key->identity, role);
	identity_set(&key->identity, local);
	note_key_use(&key->identity.tenant_id, &key->identity.key_id, &key->noted_use);
	warn_if_over(local);
	PG_RETURN_DATUM(result);
}
