/*
 * catalog.c
 *	  Finds our tables and indexes, scans them with a fresh snapshot, and counts invalidations.
 *
 * Reading goes by index probe rather than SPI: a permission check must be cheap, must work inside a parallel
 * worker and on a standby, and must see the newest committed state even in a REPEATABLE READ transaction.
 * A system-catalogue scan does all of that: its snapshot is taken anew for every scan of a table without a
 * syscache, and sees the transaction's own changes.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "store/catalog.h"
#include "compat.h"

#define EXTENSION_NAME "teamrbac"

static const char *const table_names[CATALOG_TABLES] = {
	[CATALOG_PERMISSION] = "permission",
	[CATALOG_ROLE] = "role",
	[CATALOG_ROLE_PERMISSION] = "role_permission",
	[CATALOG_APP_USER] = "app_user",
	[CATALOG_TENANT] = "tenant",
	[CATALOG_MEMBERSHIP] = "membership",
	[CATALOG_DATABASE_ROLE] = "database_role",
	[CATALOG_API_KEY] = "api_key",
	[CATALOG_API_KEY_USE] = "api_key_use",
	[CATALOG_USER_ACTIVITY] = "user_activity",
	[CATALOG_CLUSTER] = "cluster",
	[CATALOG_TOKEN_ISSUER] = "token_issuer",
	[CATALOG_TOKEN_KEY] = "token_key",
	[CATALOG_TOKEN_SECRET] = "token_secret",
	[CATALOG_TOKEN_REVOCATION] = "token_revocation",
	[CATALOG_LINKED_IDENTITY] = "linked_identity",
};

/* Which caches must be dropped when a table itself is redefined, truncated or dropped. */
static const Facts table_facts[CATALOG_TABLES] = {
	[CATALOG_PERMISSION] = FACTS_DEFINITIONS,
	[CATALOG_ROLE] = FACTS_DEFINITIONS,
	[CATALOG_ROLE_PERMISSION] = FACTS_DEFINITIONS,
	[CATALOG_APP_USER] = FACTS_USERS,
	[CATALOG_TENANT] = FACTS_TENANTS,
	[CATALOG_MEMBERSHIP] = FACTS_MEMBERSHIPS,
	[CATALOG_DATABASE_ROLE] = FACTS_DEFINITIONS,
	[CATALOG_API_KEY] = FACTS_API_KEYS,
	[CATALOG_API_KEY_USE] = FACTS_API_KEYS,
	[CATALOG_USER_ACTIVITY] = FACTS_USERS,
	[CATALOG_CLUSTER] = FACTS_DEFINITIONS,
	[CATALOG_TOKEN_ISSUER] = FACTS_ISSUERS,
	[CATALOG_TOKEN_KEY] = FACTS_ISSUERS,
	[CATALOG_TOKEN_SECRET] = FACTS_ISSUERS,
	[CATALOG_TOKEN_REVOCATION] = FACTS_REVOCATIONS,
	[CATALOG_LINKED_IDENTITY] = FACTS_REVOCATIONS,
};

static const char *const index_names[CATALOG_INDEXES] = {
	[CATALOG_ROLE_PKEY] = "role_pkey",
	[CATALOG_ROLE_PERMISSION_PKEY] = "role_permission_pkey",
	[CATALOG_APP_USER_PKEY] = "app_user_pkey",
	[CATALOG_TENANT_DELETED_IDX] = "tenant_deleted_idx",
	[CATALOG_TENANT_SLUG_KEY] = "tenant_slug_key",
	[CATALOG_MEMBERSHIP_USER_IDX] = "membership_user_idx",
	[CATALOG_DATABASE_ROLE_PKEY] = "database_role_pkey",
	[CATALOG_API_KEY_PKEY] = "api_key_pkey",
	[CATALOG_API_KEY_KEY_ID_IDX] = "api_key_key_id_idx",
	[CATALOG_API_KEY_USE_PKEY] = "api_key_use_pkey",
	[CATALOG_USER_ACTIVITY_PKEY] = "user_activity_pkey",
	[CATALOG_TOKEN_ISSUER_PKEY] = "token_issuer_pkey",
	[CATALOG_TOKEN_ISSUER_NUMBER_KEY] = "token_issuer_number_key",
	[CATALOG_TOKEN_KEY_PKEY] = "token_key_pkey",
	[CATALOG_TOKEN_SECRET_PKEY] = "token_secret_pkey",
	[CATALOG_TOKEN_REVOCATION_PKEY] = "token_revocation_pkey",
	[CATALOG_LINKED_IDENTITY_PKEY] = "linked_identity_pkey",
};

static const char *const signal_names[FACTS_KINDS] = {
	[FACTS_DEFINITIONS] = "definitions_changed", [FACTS_USERS] = "users_changed",
	[FACTS_TENANTS] = "tenants_changed",         [FACTS_MEMBERSHIPS] = "memberships_changed",
	[FACTS_API_KEYS] = "api_keys_changed",       [FACTS_ISSUERS] = "issuers_changed",
	[FACTS_REVOCATIONS] = "revocations_changed",
};

uint64 generation[FACTS_KINDS];
uint64 any_generation;

typedef struct CatalogOids
{
	Oid tables[CATALOG_TABLES];
	Oid indexes[CATALOG_INDEXES];
	Oid signals[FACTS_KINDS];
} CatalogOids;

/* The OIDs found last.  They keep being watched when they are no longer valid, until others replace them. */
static CatalogOids found;
static bool        found_valid = false;

/* Counts all news, to notice what arrives during a look-up. */
static uint64 news;

PG_FUNCTION_INFO_V1(teamrbac_signal_change);

static void
count_change(Facts kind)
{
	generation[kind]++;
	any_generation++;
}

void
generation_advance(void)
{
	for (int kind = 0; kind < FACTS_KINDS; kind++)
		count_change(kind);
}

/*
 * relcache_callback only counts: it runs wherever invalidations are accepted, in the middle of a scan of
 * ours as well, and must neither read nor free anything.
 */
static void
relcache_callback(Datum arg, Oid relid)
{
	news++;
	if (!OidIsValid(relid))
	{
		found_valid = false;
		generation_advance();
		return;
	}
	for (int kind = 0; kind < FACTS_KINDS; kind++)
	{
		if (relid == found.signals[kind])
			count_change(kind);
	}
	for (int table = 0; table < CATALOG_TABLES; table++)
	{
		if (relid == found.tables[table])
		{
			found_valid = false;
			count_change(table_facts[table]);
		}
	}
}

void
catalog_init(void)
{
	CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
}

/* installed_version returns the version of the extension in this database, palloc'd, or NULL. */
static char *
installed_version(void)
{
	Relation    extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple   tuple;
	char       *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
	            CStringGetDatum(EXTENSION_NAME));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool  isnull;
		Datum value = heap_getattr(tuple, Anum_pg_extension_extversion,
		                           RelationGetDescr(extensions), &isnull);

		version = TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
	return version;
}

/* An extension script on its way to the version that this library was built for may call us already. */
static bool
is_our_version(const char *version)
{
	return strcmp(version, TEAMRBAC_VERSION) == 0 || creating_extension;
}

/* require_our_version raises 55000 unless the extension is installed here in the library's version. */
static void
require_our_version(void)
{
	char *version = installed_version();

	if (version == NULL)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("extension \"%s\" is not installed in this database", EXTENSION_NAME),
		         errhint("Run CREATE EXTENSION %s.", EXTENSION_NAME)));
	if (!is_our_version(version))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		     errmsg("extension \"%s\" does not have the version of its library", EXTENSION_NAME),
		     errdetail(
				 "The extension in this database has version %s, the library loaded has version %s.",
				 version, TEAMRBAC_VERSION),
		     errhint(
				 "Run ALTER EXTENSION %s UPDATE, or install the files of version %s and reconnect.",
				 EXTENSION_NAME, version)));
}

bool
catalog_is_installed(void)
{
	char *version;

	if (found_valid)
		return true;
	version = installed_version();
	return version != NULL && is_our_version(version);
}

static Oid
find_relation(Oid schema, const char *name)
{
	Oid oid = get_relname_relid(name, schema);

	if (!OidIsValid(oid))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("extension \"%s\" is damaged", EXTENSION_NAME),
		                errdetail("%s.%s is missing.", EXTENSION_NAME, name)));
	return oid;
}

static void
find_each(CatalogOids *oids)
{
	Oid schema;

	require_our_version();
	schema = get_namespace_oid(EXTENSION_NAME, false);
	for (int table = 0; table < CATALOG_TABLES; table++)
		oids->tables[table] = find_relation(schema, table_names[table]);
	for (int index = CATALOG_NO_INDEX + 1; index < CATALOG_INDEXES; index++)
		oids->indexes[index] = find_relation(schema, index_names[index]);
	for (int kind = 0; kind < FACTS_KINDS; kind++)
		oids->signals[kind] = find_relation(schema, signal_names[kind]);
}

/*
 * find_all sees to it that the OIDs are right.  A look-up can accept invalidations, among them the news
 * that what was just found has gone: then it looks again.
 */
static void
find_all(void)
{
	while (!found_valid)
	{
		CatalogOids oids = {0};
		uint64      news_before = news;

		CHECK_FOR_INTERRUPTS();
		find_each(&oids);
		if (news != news_before)
			continue;
		if (memcmp(&oids, &found, sizeof(found)) != 0)
			generation_advance();
		found = oids;
		found_valid = true;
	}
}

void
catalog_require_version(void)
{
	find_all();
}

Oid
catalog_table_oid(CatalogTable table)
{
	find_all();
	return found.tables[table];
}

Oid
catalog_relation_owner(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid       owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
		        (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("a table has been dropped meanwhile")));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

Oid
catalog_index_oid(CatalogIndex index)
{
	find_all();
	return found.indexes[index];
}

Snapshot
catalog_snapshot(void)
{
	find_all();
	/* Of a table without a catalogue cache, the snapshot for catalogue scans is always a new one. */
	return RegisterSnapshot(GetCatalogSnapshot(found.tables[CATALOG_MEMBERSHIP]));
}

/* scan_operator is the equality of the types that our keys have. */
static RegProcedure
scan_operator(Oid type)
{
	switch (type)
	{
		case UUIDOID:
			return F_UUID_EQ;
		case TEXTOID:
			return F_TEXTEQ;
		case INT4OID:
			return F_INT4EQ;
		default:
			return F_OIDEQ;
	}
}

CatalogScan
catalog_scan_begin(Snapshot snapshot, CatalogTable table, CatalogIndex index, int nkeys,
                   const AttrNumber *keycols, const Datum *keys, const Oid *keytypes)
{
	CatalogScan result;
	ScanKeyData scankeys[2];

	Assert(nkeys <= (int) lengthof(scankeys));
	find_all();
	for (int i = 0; i < nkeys; i++)
		ScanKeyInit(&scankeys[i], keycols[i], BTEqualStrategyNumber, scan_operator(keytypes[i]),
		            keys[i]);

	result.relation = table_open(found.tables[table], AccessShareLock);
	result.scan =
		systable_beginscan(result.relation, found.indexes[index], index != CATALOG_NO_INDEX,
	                       snapshot, nkeys, nkeys > 0 ? scankeys : NULL);
	return result;
}

HeapTuple
catalog_scan_next(CatalogScan *scan)
{
	CHECK_FOR_INTERRUPTS();
	return systable_getnext(scan->scan);
}

Datum
catalog_scan_value(CatalogScan *scan, HeapTuple tuple, AttrNumber column, bool *isnull)
{
	return heap_getattr(tuple, column, RelationGetDescr(scan->relation), isnull);
}

void
catalog_scan_name(CatalogScan *scan, HeapTuple tuple, AttrNumber column, char *name)
{
	bool  isnull;
	Datum value = catalog_scan_value(scan, tuple, column, &isnull);

	Assert(!isnull);
	text_to_cstring_buffer(DatumGetTextPP(value), name, NAMEDATALEN);
}

void
catalog_scan_end(CatalogScan *scan)
{
	systable_endscan(scan->scan);
	table_close(scan->relation, AccessShareLock);
}

void
catalog_signal(Facts kind)
{
	find_all();
	CacheInvalidateRelcacheByRelid(found.signals[kind]);
}

/* The trigger function behind every change of a table that a cache depends on, a DBA's own included. */
Datum
teamrbac_signal_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	const char  *name;

	if (!CALLED_AS_TRIGGER(fcinfo) || trigdata->tg_trigger->tgnargs != 1)
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		                errmsg("function \"%s\" must be called as a trigger with one argument",
		                       "signal_change")));
	name = trigdata->tg_trigger->tgargs[0];
	for (int kind = 0; kind < FACTS_KINDS; kind++)
	{
		if (strcmp(name, signal_names[kind]) == 0)
		{
			catalog_signal(kind);
			return PointerGetDatum(NULL);
		}
	}
	ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
	                errmsg("unknown signal \"%s\"", name)));
}
