/*
 * catalog.h
 *	  Our own tables as the C code finds them, and the signals that they have changed.
 */
#ifndef TEAMRBAC_CATALOG_H
#define TEAMRBAC_CATALOG_H

#include "access/genam.h"
#include "access/htup.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* The tables read without SPI.  Their columns are numbered by the Anum_ constants below. */
typedef enum CatalogTable
{
	CATALOG_PERMISSION,
	CATALOG_ROLE,
	CATALOG_ROLE_PERMISSION,
	CATALOG_TENANT_ROLE,
	CATALOG_TENANT_ROLE_PERMISSION,
	CATALOG_APP_USER,
	CATALOG_TENANT,
	CATALOG_MEMBERSHIP,
	CATALOG_DATABASE_ROLE,
	CATALOG_API_KEY,
	CATALOG_API_KEY_USE,
	CATALOG_USER_ACTIVITY,
	CATALOG_CLUSTER,
	CATALOG_MEMBER_PERMISSION_USE,
	CATALOG_KEY_PERMISSION_USE,
	CATALOG_TOKEN_ISSUER,
	CATALOG_TOKEN_KEY,
	CATALOG_TOKEN_SECRET,
	CATALOG_TOKEN_REVOCATION,
	CATALOG_LINKED_IDENTITY,
	CATALOG_TABLES /* how many there are */
} CatalogTable;

typedef enum CatalogIndex
{
	CATALOG_ROLE_PKEY,                   /* role */
	CATALOG_ROLE_PERMISSION_PKEY,        /* role, permission */
	CATALOG_TENANT_ROLE_PKEY,            /* tenant_id, role */
	CATALOG_TENANT_ROLE_NAME_IDX,        /* role, not unique */
	CATALOG_TENANT_ROLE_PERMISSION_PKEY, /* tenant_id, role, permission */
	CATALOG_APP_USER_PKEY,               /* user_id */
	CATALOG_TENANT_DELETED_IDX,          /* tenant_id, of deleted tenants only */
	CATALOG_TENANT_SLUG_KEY,             /* slug */
	CATALOG_MEMBERSHIP_USER_IDX,         /* user_id, tenant_id */
	CATALOG_DATABASE_ROLE_PKEY,          /* database_role */
	CATALOG_API_KEY_PKEY,                /* tenant_id, key_id */
	CATALOG_API_KEY_KEY_ID_IDX,          /* key_id, not unique */
	CATALOG_API_KEY_USE_PKEY,            /* tenant_id, key_id */
	CATALOG_USER_ACTIVITY_PKEY,          /* user_id */
	CATALOG_MEMBER_PERMISSION_USE_PKEY,  /* tenant_id, user_id, permission */
	CATALOG_KEY_PERMISSION_USE_PKEY,     /* tenant_id, key_id, permission */
	CATALOG_TOKEN_ISSUER_PKEY,           /* issuer */
	CATALOG_TOKEN_ISSUER_NUMBER_KEY,     /* issuer_number */
	CATALOG_TOKEN_KEY_PKEY,              /* issuer_number, key_hash */
	CATALOG_TOKEN_SECRET_PKEY,           /* issuer_number, secret_hash */
	CATALOG_TOKEN_REVOCATION_PKEY,       /* user_id, issuer_number */
	CATALOG_LINKED_IDENTITY_PKEY,        /* issuer, subject */
	CATALOG_INDEXES                      /* how many there are */
} CatalogIndex;

/* The kinds of facts in our tables; the change of each has a signal of its own (see sql/parts/00_schema.sql). */
typedef enum Facts
{
	FACTS_DEFINITIONS, /* which permissions there are; mapped database roles */
	FACTS_ROLES,
	FACTS_USERS,
	FACTS_TENANTS,
	FACTS_MEMBERSHIPS,
	FACTS_API_KEYS,
	FACTS_ISSUERS,
	FACTS_REVOCATIONS,
	FACTS_KINDS /* how many there are */
} Facts;

#define Anum_permission_permission 1
#define Anum_permission_grantable_to_keys 3

#define Anum_role_role 1

#define Anum_role_permission_role 1
#define Anum_role_permission_permission 2

#define Anum_tenant_role_tenant_id 1
#define Anum_tenant_role_role 2

#define Anum_tenant_role_permission_tenant_id 1
#define Anum_tenant_role_permission_role 2
#define Anum_tenant_role_permission_permission 3

#define Anum_app_user_user_id 1
#define Anum_app_user_disabled_at 5

#define Anum_tenant_tenant_id 1
#define Anum_tenant_slug 3

#define Anum_membership_tenant_id 1
#define Anum_membership_user_id 2
#define Anum_membership_role 3
#define Anum_membership_expires_at 4
#define Anum_membership_own_role 5

#define Anum_database_role_database_role 1
#define Anum_database_role_user_id 2

#define Anum_api_key_tenant_id 1
#define Anum_api_key_key_id 2
#define Anum_api_key_role 4
#define Anum_api_key_permissions 5
#define Anum_api_key_secret_hash 6
#define Anum_api_key_expires_at 9
#define Anum_api_key_revoked_at 11
#define Anum_api_key_own_role 14

#define Anum_api_key_use_tenant_id 1
#define Anum_api_key_use_key_id 2

#define Anum_user_activity_user_id 1

#define Anum_cluster_keeps_team 2
#define Anum_cluster_secret 3
#define Anum_cluster_previous_secret 4

/* Of member_permission_use and key_permission_use alike. */
#define Anum_permission_use_tenant_id 1
#define Anum_permission_use_principal 2
#define Anum_permission_use_permission 3
#define Anum_permission_use_last_used_on 4

#define Anum_token_issuer_issuer 1
#define Anum_token_issuer_issuer_number 2
#define Anum_token_issuer_audience 3
#define Anum_token_issuer_algorithms 4
#define Anum_token_issuer_typ 5
#define Anum_token_issuer_tenant_claim 6
#define Anum_token_issuer_register_users 7
#define Anum_token_issuer_one_time 8
#define Anum_token_issuer_subject_is_user_id 9
#define Anum_token_issuer_revoked_at 10

/* Of token_key and token_secret alike. */
#define Anum_token_key_issuer_number 1
#define Anum_token_key_key 3
#define Anum_token_key_ends_at 4

#define Anum_token_revocation_user_id 1
#define Anum_token_revocation_issuer_number 2
#define Anum_token_revocation_revoked_at 3

#define Anum_linked_identity_issuer 1
#define Anum_linked_identity_subject 2
#define Anum_linked_identity_user_id 3

/*
 * The generation of each kind of facts, and of all together: counts the changes that this backend has been told
 * of.  What was read while the generation stood at n holds for as long as it stands there.
 */
extern PGDLLIMPORT uint64 generation[FACTS_KINDS];
extern PGDLLIMPORT uint64 any_generation;

/*
 * Begins a new generation of everything, as if all had changed: for commands, which decide under the tenant's
 * lock and must not rely on an invalidation that may still be on its way from the transaction that held the lock
 * before.
 */
extern void generation_advance(void);

/* Registers the invalidation callback; once, when the library is loaded. */
extern void catalog_init(void);

/*
 * The newest snapshot there is, registered with the current resource owner: what has been committed is seen,
 * whatever snapshot the transaction runs on, and so are its own uncommitted changes.  For several scans that must
 * agree; UnregisterSnapshot ends it.  May process invalidations before it is taken, never after.  Errors: as
 * catalog_scan_begin.
 */
extern Snapshot catalog_snapshot(void);

/* A scan of one of our tables. */
typedef struct CatalogScan
{
	Relation    relation;
	SysScanDesc scan;
} CatalogScan;

/*
 * Begins a scan of an index's table for the rows whose leading columns, as listed above, equal the keys, with
 * a snapshot from catalog_snapshot, or NULL for the newest.  Takes ACCESS SHARE until catalog_scan_end, and may process
 * invalidations before the snapshot is taken, never after.  Errors: 55000 when the extension isn't installed in this
 * database, or in another version than the library's.
 */
extern CatalogScan catalog_scan_begin(Snapshot snapshot, CatalogIndex index, int nkeys,
                                      const Datum *keys);
/* The same of all rows, with the newest snapshot. */
extern CatalogScan catalog_scan_begin_all(CatalogTable table);
extern HeapTuple   catalog_scan_next(CatalogScan *scan);
extern Datum       catalog_scan_value(CatalogScan *scan, HeapTuple tuple, AttrNumber column,
                                      bool *isnull);
/* A name (at most NAMEDATALEN - 1 bytes) that cannot be NULL, into a buffer of NAMEDATALEN bytes. */
extern void catalog_scan_name(CatalogScan *scan, HeapTuple tuple, AttrNumber column, char *name);
extern void catalog_scan_end(CatalogScan *scan);

/*
 * Raises 55000 unless the extension is installed in this database in the version of the library.  Costs nothing
 * while nothing has changed.
 */
extern void catalog_require_version(void);

/*
 * Whether that function would raise nothing.  For hooks, which run in every database of the cluster and must leave
 * alone those that have nothing of ours.
 */
extern bool catalog_is_installed(void);

/* For what scans aren't enough for.  Errors: as catalog_scan_begin. */
extern Oid catalog_table_oid(CatalogTable table);

/* Sends this kind's signal to every session, this one included, when the transaction commits. */
extern void catalog_signal(Facts kind);

/* The owner of any relation, without opening it. */
extern Oid catalog_relation_owner(Oid relation);


#endif /* TEAMRBAC_CATALOG_H */
