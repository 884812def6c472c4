/*
 * trusted_issuer.c
 *	  The backend's memory of the issuers whose tokens it saw lately.
 *
 * As with principals, the generation is noted before the snapshot is taken, and all that is known of an issuer is read
 * with that one snapshot.  What is remembered is bounded by number, and is of trusted issuers only: whoever invents
 * issuers fills nothing.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/catalog.h"
#include "trusted_issuer.h"

/* How many issuers a backend remembers. */
#define MAX_ISSUERS 32

typedef struct IssuerEntry
{
	dlist_node    node; /* in issuers, most recently used first */
	MemoryContext context;
	uint64        generation; /* of FACTS_ISSUERS */
	TrustedIssuer issuer;
} IssuerEntry;

static dlist_head issuers = DLIST_STATIC_INIT(issuers);
static int        nissuers = 0;

/* ---- reading --------------------------------------------------------------------------------------- */

/* strings returns the elements of a text[] in a column; NULL and 0 if that is NULL. */
static const char *const *
strings(CatalogScan *scan, HeapTuple tuple, AttrNumber column, int *count)
{
	bool         isnull;
	Datum        value = catalog_scan_value(scan, tuple, column, &isnull);
	Datum       *elements;
	const char **result;

	*count = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL,
	                  count);
	result = palloc(*count * sizeof(char *));
	for (int i = 0; i < *count; i++)
		result[i] = TextDatumGetCString(elements[i]);
	return result;
}

static JwsAlgorithmSet
algorithm_set(const char *const *names, int count)
{
	JwsAlgorithmSet set = 0;

	for (int i = 0; i < count; i++)
	{
		JwsAlgorithm algorithm;

		if (jws_algorithm_named(names[i], &algorithm))
			set |= JWS_ALGORITHM_BIT(algorithm);
	}
	return set;
}

static bool
flag(CatalogScan *scan, HeapTuple tuple, AttrNumber column)
{
	bool isnull;

	return DatumGetBool(catalog_scan_value(scan, tuple, column, &isnull));
}

/* read_issuer reads the issuer's row. */
static void
read_issuer(CatalogScan *scan, HeapTuple tuple, TrustedIssuer *issuer)
{
	bool               isnull;
	Datum              value;
	const char *const *algorithms;
	int                nalgorithms;

	value = catalog_scan_value(scan, tuple, Anum_token_issuer_issuer, &isnull);
	issuer->rules.issuer = TextDatumGetCString(value);
	value = catalog_scan_value(scan, tuple, Anum_token_issuer_issuer_number, &isnull);
	issuer->number = DatumGetInt32(value);
	issuer->rules.audiences =
		strings(scan, tuple, Anum_token_issuer_audience, &issuer->rules.naudiences);
	algorithms = strings(scan, tuple, Anum_token_issuer_algorithms, &nalgorithms);
	issuer->rules.algorithms = algorithm_set(algorithms, nalgorithms);
	value = catalog_scan_value(scan, tuple, Anum_token_issuer_typ, &isnull);
	issuer->rules.type = isnull ? NULL : TextDatumGetCString(value);
	issuer->tenant_claim =
		strings(scan, tuple, Anum_token_issuer_tenant_claim, &issuer->ntenant_claim);
	issuer->register_users = flag(scan, tuple, Anum_token_issuer_register_users);
	issuer->one_time = flag(scan, tuple, Anum_token_issuer_one_time);
	issuer->subject_is_user_id = flag(scan, tuple, Anum_token_issuer_subject_is_user_id);
}

static bool
find_issuer(Snapshot snapshot, const char *name, TrustedIssuer *issuer)
{
	Datum       key = CStringGetTextDatum(name);
	CatalogScan scan = catalog_scan_begin(snapshot, CATALOG_TOKEN_ISSUER_PKEY, 1, &key);
	HeapTuple   tuple = catalog_scan_next(&scan);
	bool        found = HeapTupleIsValid(tuple);

	if (found)
		read_issuer(&scan, tuple, issuer);
	catalog_scan_end(&scan);
	return found;
}

/* append_keys appends the issuer's keys in an index's table to a list in JSON, and notes when the first of them ends. */
static void
append_keys(Snapshot snapshot, CatalogIndex index, TimestampTz now, TrustedIssuer *issuer,
            StringInfo list)
{
	Datum       number = Int32GetDatum(issuer->number);
	CatalogScan scan = catalog_scan_begin(snapshot, index, 1, &number);
	HeapTuple   tuple;

	while (HeapTupleIsValid(tuple = catalog_scan_next(&scan)))
	{
		bool        isnull;
		Datum       value = catalog_scan_value(&scan, tuple, Anum_token_key_ends_at, &isnull);
		TimestampTz ends_at = isnull ? DT_NOEND : DatumGetTimestampTz(value);
		Jsonb      *key;

		if (ends_at <= now)
			continue;
		issuer->keys_until = Min(issuer->keys_until, ends_at);
		key = DatumGetJsonbP(catalog_scan_value(&scan, tuple, Anum_token_key_key, &isnull));
		if (list->data[list->len - 1] != '[')
			appendStringInfoChar(list, ',');
		(void) JsonbToCString(list, &key->root, VARSIZE(key));
	}
	catalog_scan_end(&scan);
}

static void
read_keys(Snapshot snapshot, TimestampTz now, TrustedIssuer *issuer)
{
	StringInfoData list;

	initStringInfo(&list);
	appendStringInfoString(&list, "{\"keys\": [");
	issuer->keys_until = DT_NOEND;
	append_keys(snapshot, CATALOG_TOKEN_KEY_PKEY, now, issuer, &list);
	append_keys(snapshot, CATALOG_TOKEN_SECRET_PKEY, now, issuer, &list);
	appendStringInfoString(&list, "]}");
	issuer->keys =
		jwk_set_read(DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(list.data))));
	explicit_bzero(list.data, list.len);
}

/* ---- remembering ----------------------------------------------------------------------------------- */

static void
forget(IssuerEntry *entry)
{
	dlist_delete(&entry->node);
	nissuers--;
	MemoryContextDelete(entry->context);
}

/* load reads an issuer into memory of its own; NULL if it is not trusted. */
static IssuerEntry *
load(const char *name, TimestampTz now)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "teamrbac issuer", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	IssuerEntry  *entry = palloc0(sizeof(IssuerEntry));
	Snapshot      snapshot;
	bool          found;

	entry->context = context;
	entry->generation = generation[FACTS_ISSUERS];
	snapshot = catalog_snapshot();
	found = find_issuer(snapshot, name, &entry->issuer);
	if (found)
		read_keys(snapshot, now, &entry->issuer);
	UnregisterSnapshot(snapshot);
	MemoryContextSwitchTo(caller);
	if (found)
		return entry;
	MemoryContextDelete(context);
	return NULL;
}

/* find finds an issuer in memory, and forgets it if it is out of date. */
static IssuerEntry *
find(const char *name, TimestampTz now)
{
	dlist_iter iter;

	dlist_foreach(iter, &issuers)
	{
		IssuerEntry *entry = dlist_container(IssuerEntry, node, iter.cur);

		if (strcmp(entry->issuer.rules.issuer, name) != 0)
			continue;
		if (entry->generation == generation[FACTS_ISSUERS] && now < entry->issuer.keys_until)
		{
			dlist_move_head(&issuers, &entry->node);
			return entry;
		}
		forget(entry);
		return NULL;
	}
	return NULL;
}

const TrustedIssuer *
trusted_issuer(const char *issuer, TimestampTz now)
{
	IssuerEntry *entry = find(issuer, now);

	if (entry != NULL)
		return &entry->issuer;
	entry = load(issuer, now);
	if (entry == NULL)
		return NULL;
	MemoryContextSetParent(entry->context, CacheMemoryContext);
	dlist_push_head(&issuers, &entry->node);
	nissuers++;
	if (nissuers > MAX_ISSUERS)
		forget(dlist_tail_element(IssuerEntry, node, &issuers));
	return &entry->issuer;
}
