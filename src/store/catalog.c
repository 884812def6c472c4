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
#include "store/reason.h"

#define EXTENSION_NAME "teamrbac"

static const char *const table_names[CATALOG_TABLES] = {
	[CATALOG_PERMISSION] = "permission",
	[CATALOG_ROLE] = "role",
	[CATALOG_ROLE_PERMISSION] = "role_permission",
	[CATALOG_TENANT_ROLE] = "tenant_role",
	[CATALOG_TENANT_ROLE_PERMISSION] = "tenant_role_permission",
	[CATALOG_APP_USER] = "app_user",
	[CATALOG_TENANT] = "tenant",
	[CATALOG_MEMBERSHIP] = "membership",
	[CATALOG_DATABASE_ROLE] = "database_role",
	[CATALOG_API_KEY] = "api_key",
	[CATALOG_API_KEY_USE] = "api_key_use",
	[CATALOG_USER_ACTIVITY] = "user_activity",
	[CATALOG_CLUSTER] = "cluster",
	[CATALOG_MEMBER_PERMISSION_USE] = "member_permission_use",
	[CATALOG_KEY_PERMISSION_USE] = "key_permission_use",
	[CATALOG_TOKEN_ISSUER] = "token_issuer",
	[CATALOG_TOKEN_KEY] = "token_key",
	[CATALOG_TOKEN_SECRET] = "token_secret",
	[CATALOG_TOKEN_REVOCATION] = "token_revocation",
	[CATALOG_LINKED_IDENTITY] = "linked_identity",
};

/* Which caches must be dropped when a table itself is redefined, truncated or dropped. */
static const Facts table_facts[CATALOG_TABLES] = {
	[CATALOG_PERMISSION] = FACTS_DEFINITIONS,
	[CATALOG_ROLE] = FACTS_ROLES,
	[CATALOG_ROLE_PERMISSION] = FACTS_ROLES,
	[CATALOG_TENANT_ROLE] = FACTS_ROLES,
	[CATALOG_TENANT_ROLE_PERMISSION] = FACTS_ROLES,
	[CATALOG_APP_USER] = FACTS_USERS,
	[CATALOG_TENANT] = FACTS_TENANTS,
	[CATALOG_MEMBERSHIP] = FACTS_MEMBERSHIPS,
	[CATALOG_DATABASE_ROLE] = FACTS_DEFINITIONS,
	[CATALOG_API_KEY] = FACTS_API_KEYS,
	[CATALOG_API_KEY_USE] = FACTS_API_KEYS,
	[CATALOG_USER_ACTIVITY] = FACTS_USERS,
	[CATALOG_CLUSTER] = FACTS_DEFINITIONS,
	[CATALOG_MEMBER_PERMISSION_USE] = FACTS_MEMBERSHIPS,
	[CATALOG_KEY_PERMISSION_USE] = FACTS_API_KEYS,
	[CATALOG_TOKEN_ISSUER] = FACTS_ISSUERS,
	[CATALOG_TOKEN_KEY] = FACTS_ISSUERS,
	[CATALOG_TOKEN_SECRET] = FACTS_ISSUERS,
	[CATALOG_TOKEN_REVOCATION] = FACTS_REVOCATIONS,
	[CATALOG_LINKED_IDENTITY] = FACTS_REVOCATIONS,
};

/*
 * An index goes or changes together with its table, which is the one that is watched.  The keys are its leading columns,
 * as many as scans ask for: their numbers in the table, and what tells that they are equal.
 */
static const struct
{
	const char  *name;
	CatalogTable table;
	struct
	{
		AttrNumber   column;
		RegProcedure equals;
	} keys[3];
} indexes[CATALOG_INDEXES] = {
	/* clang-format off */
	[CATALOG_ROLE_PKEY] = {"role_pkey", CATALOG_ROLE,
		{{Anum_role_role, F_TEXTEQ}}},
	[CATALOG_ROLE_PERMISSION_PKEY] = {"role_permission_pkey", CATALOG_ROLE_PERMISSION,
		{{Anum_role_permission_role, F_TEXTEQ}}},
	[CATALOG_TENANT_ROLE_PKEY] = {"tenant_role_pkey", CATALOG_TENANT_ROLE,
		{{Anum_tenant_role_tenant_id, F_UUID_EQ}, {Anum_tenant_role_role, F_TEXTEQ}}},
	[CATALOG_TENANT_ROLE_NAME_IDX] = {"tenant_role_name_idx", CATALOG_TENANT_ROLE,
		{{Anum_tenant_role_role, F_TEXTEQ}}},
	[CATALOG_TENANT_ROLE_PERMISSION_PKEY] = {"tenant_role_permission_pkey", CATALOG_TENANT_ROLE_PERMISSION,
		{{Anum_tenant_role_permission_tenant_id, F_UUID_EQ}, {Anum_tenant_role_permission_role, F_TEXTEQ}}},
	[CATALOG_APP_USER_PKEY] = {"app_user_pkey", CATALOG_APP_USER,
		{{Anum_app_user_user_id, F_UUID_EQ}}},
	[CATALOG_TENANT_DELETED_IDX] = {"tenant_deleted_idx", CATALOG_TENANT,
		{{Anum_tenant_tenant_id, F_UUID_EQ}}},
	[CATALOG_TENANT_SLUG_KEY] = {"tenant_slug_key", CATALOG_TENANT,
		{{Anum_tenant_slug, F_TEXTEQ}}},
	[CATALOG_MEMBERSHIP_USER_IDX] = {"membership_user_idx", CATALOG_MEMBERSHIP,
		{{Anum_membership_user_id, F_UUID_EQ}, {Anum_membership_tenant_id, F_UUID_EQ}}},
	[CATALOG_DATABASE_ROLE_PKEY] = {"database_role_pkey", CATALOG_DATABASE_ROLE,
		{{Anum_database_role_database_role, F_OIDEQ}}},
	[CATALOG_API_KEY_PKEY] = {"api_key_pkey", CATALOG_API_KEY,
		{{Anum_api_key_tenant_id, F_UUID_EQ}, {Anum_api_key_key_id, F_UUID_EQ}}},
	[CATALOG_API_KEY_KEY_ID_IDX] = {"api_key_key_id_idx", CATALOG_API_KEY,
		{{Anum_api_key_key_id, F_UUID_EQ}}},
	[CATALOG_API_KEY_USE_PKEY] = {"api_key_use_pkey", CATALOG_API_KEY_USE,
		{{Anum_api_key_use_tenant_id, F_UUID_EQ}, {Anum_api_key_use_key_id, F_UUID_EQ}}},
	[CATALOG_USER_ACTIVITY_PKEY] = {"user_activity_pkey", CATALOG_USER_ACTIVITY,
		{{Anum_user_activity_user_id, F_UUID_EQ}}},
	[CATALOG_MEMBER_PERMISSION_USE_PKEY] = {"member_permission_use_pkey", CATALOG_MEMBER_PERMISSION_USE,
		{{Anum_permission_use_tenant_id, F_UUID_EQ}, {Anum_permission_use_principal, F_UUID_EQ},
			{Anum_permission_use_permission, F_TEXTEQ}}},
	[CATALOG_KEY_PERMISSION_USE_PKEY] = {"key_permission_use_pkey", CATALOG_KEY_PERMISSION_USE,
		{{Anum_permission_use_tenant_id, F_UUID_EQ}, {Anum_permission_use_principal, F_UUID_EQ},
			{Anum_permission_use_permission, F_TEXTEQ}}},
	[CATALOG_TOKEN_ISSUER_PKEY] = {"token_issuer_pkey", CATALOG_TOKEN_ISSUER,
		{{Anum_token_issuer_issuer, F_TEXTEQ}}},
	[CATALOG_TOKEN_ISSUER_NUMBER_KEY] = {"token_issuer_number_key", CATALOG_TOKEN_ISSUER,
		{{Anum_token_issuer_issuer_number, F_INT4EQ}}},
	[CATALOG_TOKEN_KEY_PKEY] = {"token_key_pkey", CATALOG_TOKEN_KEY,
		{{Anum_token_key_issuer_number, F_INT4EQ}}},
	[CATALOG_TOKEN_SECRET_PKEY] = {"token_secret_pkey", CATALOG_TOKEN_SECRET,
		{{Anum_token_key_issuer_number, F_INT4EQ}}},
	[CATALOG_TOKEN_REVOCATION_PKEY] = {"token_revocation_pkey", CATALOG_TOKEN_REVOCATION,
		{{Anum_token_revocation_user_id, F_UUID_EQ}}},
	[CATALOG_LINKED_IDENTITY_PKEY] = {"linked_identity_pkey", CATALOG_LINKED_IDENTITY,
		{{Anum_linked_identity_issuer, F_TEXTEQ}, {Anum_linked_identity_subject, F_TEXTEQ}}},
	/* clang-format on */
};

static const char *const signal_names[FACTS_KINDS] = {
	[FACTS_DEFINITIONS] = "definitions_changed",
	[FACTS_ROLES] = "roles_changed",
	[FACTS_USERS] = "users_changed",
	[FACTS_TENANTS] = "tenants_changed",
	[FACTS_MEMBERSHIPS] = "memberships_changed",
	[FACTS_API_KEYS] = "api_keys_changed",
	[FACTS_ISSUERS] = "issuers_changed",
	[FACTS_REVOCATIONS] = "revocations_changed",
};

uint64 generation[FACTS_KINDS];
uint64 any_generation;

/*
 * A relation as it was found last.  One that is no longer known to be right keeps being watched until another
 * replaces it.  One that has not been looked for has no OID: nothing was read from it yet.
 */
typedef struct Found
{
	Oid  oid;
	bool valid;
} Found;

static Found found_tables[CATALOG_TABLES];
static Found found_indexes[CATALOG_INDEXES];
static Found found_signals[FACTS_KINDS];

/* Whether the extension is here in our version, its schema is this one, and all signals are found. */
static bool found_valid = false;
static Oid  found_schema;

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

/* forget_found has everything looked for again when it is needed next. */
static void
forget_found(void)
{
	found_valid = false;
	for (int table = 0; table < CATALOG_TABLES; table++)
		found_tables[table].valid = false;
	for (int index = 0; index < CATALOG_INDEXES; index++)
		found_indexes[index].valid = false;
	for (int kind = 0; kind < FACTS_KINDS; kind++)
		found_signals[kind].valid = false;
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
		forget_found();
		generation_advance();
		return;
	}
	for (int kind = 0; kind < FACTS_KINDS; kind++)
	{
		if (relid == found_signals[kind].oid)
			count_change(kind);
	}
	for (int table = 0; table < CATALOG_TABLES; table++)
	{
		if (relid == found_tables[table].oid)
		{
			forget_found();
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
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("extension_missing"),
		         errmsg("extension \"%s\" is not installed in this database", EXTENSION_NAME),
		         errhint("Run CREATE EXTENSION %s.", EXTENSION_NAME)));
	if (!is_our_version(version))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("extension_version"),
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
look_up_relation(const char *name)
{
	Oid oid = get_relname_relid(name, found_schema);

	if (!OidIsValid(oid))
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("extension_damaged"),
		         errmsg("extension \"%s\" is damaged", EXTENSION_NAME),
		         errdetail("%s.%s is missing.", EXTENSION_NAME, name)));
	return oid;
}

/*
 * find sees to it that a relation's OID is right, in the schema found; false if all that was found must be looked at
 * again: a look-up can accept invalidations, among them the news that what was just found has gone.
 */
static bool
find(Found *relation, const char *name)
{
	uint64 news_before = news;
	Oid    oid;

	if (relation->valid)
		return true;
	oid = look_up_relation(name);
	if (news != news_before)
		return false;
	/* What was read from another one of this name, or told by it, may be no longer so. */
	if (OidIsValid(relation->oid) && relation->oid != oid)
		generation_advance();
	relation->oid = oid;
	relation->valid = true;
	return true;
}

/*
 * find_signals must be first: from a table whose signal nobody watches nothing may be read.  News of a signal does
 * not say whether it was dropped, so the table that the script creates first is watched with them.
 */
static bool
find_signals(void)
{
	for (int kind = 0; kind < FACTS_KINDS; kind++)
	{
		if (!find(&found_signals[kind], signal_names[kind]))
			return false;
	}
	return find(&found_tables[CATALOG_PERMISSION], table_names[CATALOG_PERMISSION]);
}

/* find_extension sees to it that the extension is here, and that its signals are watched. */
static void
find_extension(void)
{
	while (!found_valid)
	{
		uint64 news_before = news;

		CHECK_FOR_INTERRUPTS();
		require_our_version();
		found_schema = get_namespace_oid(EXTENSION_NAME, false);
		found_valid = find_signals() && news == news_before;
	}
}

static Oid
find_table(CatalogTable table)
{
	do
	{
		CHECK_FOR_INTERRUPTS();
		find_extension();
	} while (!find(&found_tables[table], table_names[table]) || !found_valid);
	return found_tables[table].oid;
}

static Oid
find_index(CatalogIndex index)
{
	do
		(void) find_table(indexes[index].table);
	while (!find(&found_indexes[index], indexes[index].name) || !found_valid);
	return found_indexes[index].oid;
}

void
catalog_require_version(void)
{
	find_extension();
}

Oid
catalog_table_oid(CatalogTable table)
{
	return find_table(table);
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

Snapshot
catalog_snapshot(void)
{
	Oid table = find_table(CATALOG_MEMBERSHIP);

	/* Of a table without a catalogue cache, the snapshot for catalogue scans is always a new one. */
	return RegisterSnapshot(GetCatalogSnapshot(table));
}

CatalogScan
catalog_scan_begin(Snapshot snapshot, CatalogIndex index, int nkeys, const Datum *keys)
{
	CatalogScan result;
	ScanKeyData scankeys[lengthof(indexes[0].keys)];
	Oid         index_oid = find_index(index);
	Oid         table_oid = find_table(indexes[index].table);

	for (int i = 0; i < nkeys; i++)
	{
		Assert(RegProcedureIsValid(indexes[index].keys[i].equals));
		ScanKeyInit(&scankeys[i], indexes[index].keys[i].column, BTEqualStrategyNumber,
		            indexes[index].keys[i].equals, keys[i]);
	}
	result.relation = table_open(table_oid, AccessShareLock);
	result.scan = systable_beginscan(result.relation, index_oid, true, snapshot, nkeys, scankeys);
	return result;
}

CatalogScan
catalog_scan_begin_all(CatalogTable table)
{
	CatalogScan result = {.relation = table_open(find_table(table), AccessShareLock)};

	result.scan = systable_beginscan(result.relation, InvalidOid, false, NULL, 0, NULL);
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
	find_extension();
	CacheInvalidateRelcacheByRelid(found_signals[kind].oid);
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
