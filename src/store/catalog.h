/*
 * catalog.h
 *	  Our own tables as the C code finds them, and the news that they have changed.
 */
#ifndef TEAMRBAC_CATALOG_H
#define TEAMRBAC_CATALOG_H

#include "access/genam.h"
#include "access/htup.h"
#include "utils/relcache.h"

/* The tables read without SPI.  Their columns are numbered by the Anum_ constants below. */
typedef enum CatalogTable
{
	CATALOG_PERMISSION,
	CATALOG_ROLE,
	CATALOG_ROLE_PERMISSION,
	CATALOG_APP_USER,
	CATALOG_TENANT,
	CATALOG_MEMBERSHIP,
	CATALOG_DATABASE_ROLE,
	CATALOG_API_KEY,
	CATALOG_API_KEY_USE,
	CATALOG_USER_ACTIVITY,
	CATALOG_TABLES /* how many there are */
} CatalogTable;

typedef enum CatalogIndex
{
	CATALOG_NO_INDEX,
	CATALOG_APP_USER_PKEY,       /* user_id */
	CATALOG_TENANT_DELETED_IDX,  /* tenant_id, of deleted tenants only */
	CATALOG_MEMBERSHIP_USER_IDX, /* user_id, tenant_id */
	CATALOG_DATABASE_ROLE_PKEY,  /* database_role */
	CATALOG_API_KEY_PKEY,        /* tenant_id, key_id */
	CATALOG_API_KEY_KEY_ID_IDX,  /* key_id, not unique */
	CATALOG_API_KEY_USE_PKEY,    /* tenant_id, key_id */
	CATALOG_USER_ACTIVITY_PKEY,  /* user_id */
	CATALOG_INDEXES              /* how many there are */
} CatalogIndex;

/* What a cached fact can depend on; each has its own signal (see sql/parts/00_schema.sql). */
typedef enum Facet
{
	FACET_DEFINITIONS,
	FACET_USERS,
	FACET_TENANTS,
	FACET_MEMBERSHIPS,
	FACET_API_KEYS,
	FACETS /* how many there are */
} Facet;

#define Anum_permission_permission 1
#define Anum_permission_grantable_to_keys 3

#define Anum_role_role 1

#define Anum_role_permission_role 1
#define Anum_role_permission_permission 2

#define Anum_app_user_user_id 1
#define Anum_app_user_disabled_at 5

#define Anum_tenant_tenant_id 1

#define Anum_membership_tenant_id 1
#define Anum_membership_user_id 2
#define Anum_membership_role 3
#define Anum_membership_expires_at 4

#define Anum_database_role_database_role 1
#define Anum_database_role_user_id 2

#define Anum_api_key_tenant_id 1
#define Anum_api_key_key_id 2
#define Anum_api_key_role 4
#define Anum_api_key_permissions 5
#define Anum_api_key_secret_hash 6
#define Anum_api_key_expires_at 9
#define Anum_api_key_revoked_at 11

/*
 * Counts the invalidations seen of each facet, and of any.  A fact read while its facet's count stood at n
 * holds for as long as it stands there.
 */
extern PGDLLIMPORT uint64 facet_epoch[FACETS];
extern PGDLLIMPORT uint64 cache_epoch;

/*
 * Counts every facet on, as if all had changed: for commands, which decide under the tenant's lock and must
 * not rely on an invalidation that may still be on its way from the transaction that held the lock before.
 */
extern void catalog_forget_everything(void);

/* Registers the invalidation callback; once, when the library is loaded. */
extern void catalog_init(void);

/*
 * A scan of one of our tables with the newest snapshot there is, so that what has been committed is seen
 * whatever snapshot the transaction runs on; its own uncommitted changes are seen too.
 */
typedef struct CatalogScan
{
	Relation    relation;
	SysScanDesc scan;
} CatalogScan;

/*
 * Begins a scan of a table, all of it or by up to two leading columns of an index.  keys[i] must equal
 * column keycols[i] (their numbers in the table).  Takes ACCESS SHARE until catalog_scan_end, and may
 * process invalidations before the snapshot is taken, never after.  Errors: 55000 when the extension isn't
 * installed in this database, or in another version than the library's.
 */
extern CatalogScan catalog_scan_begin(CatalogTable table, CatalogIndex index, int nkeys,
                                      const AttrNumber *keycols, const Datum *keys,
                                      const Oid *keytypes);
extern HeapTuple   catalog_scan_next(CatalogScan *scan);
extern Datum       catalog_scan_value(CatalogScan *scan, HeapTuple tuple, AttrNumber column,
                                      bool *isnull);
extern void        catalog_scan_end(CatalogScan *scan);

/*
 * Raises 55000 unless the extension is installed in this database in the version of the library.  Costs nothing
 * while nothing has changed.
 */
extern void catalog_require_version(void);

/* For what scans aren't enough for.  Errors: as catalog_scan_begin. */
extern Oid catalog_table_oid(CatalogTable table);
extern Oid catalog_index_oid(CatalogIndex index);

/* The owner of any relation, without opening it. */
extern Oid catalog_relation_owner(Oid relation);

/* Sends the facet's signal to every session, this one included, when the transaction commits. */
extern void catalog_signal(Facet facet);

#endif /* TEAMRBAC_CATALOG_H */
