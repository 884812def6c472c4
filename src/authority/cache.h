/*
 * cache.h
 *	  What a backend remembers of roles, permissions and the grants of those who asked lately.
 *
 * Everything here answers from memory while nothing has changed, and is at least as new as the last
 * AcceptInvalidationMessages() otherwise, which is for the caller to call.
 */
#ifndef TEAMRBAC_CACHE_H
#define TEAMRBAC_CACHE_H

#include "datatype/timestamp.h"
#include "nodes/bitmapset.h"
#include "utils/hsearch.h"

#include "store/catalog.h"
#include "authority/identity_type.h"

typedef struct RoleDefinition
{
	char       name[NAMEDATALEN]; /* hash key */
	Bitmapset *permissions;       /* numbers of permissions */
} RoleDefinition;

typedef struct PermissionDefinition
{
	char name[NAMEDATALEN]; /* hash key */
	int  number;            /* in the bitmaps */
} PermissionDefinition;

/* Roles and permissions at one moment.  Shared by the subjects loaded meanwhile: counted references. */
typedef struct Definitions
{
	MemoryContext context;
	int           references;
	uint64        epoch;       /* of FACET_DEFINITIONS */
	HTAB         *roles;       /* RoleDefinition */
	HTAB         *permissions; /* PermissionDefinition */
	/* The one looked up last, NULL at first: probably the next one too. */
	const PermissionDefinition **latest;

	int          npermissions;
	const char **permission_names; /* by number */
	Bitmapset   *grantable_to_keys;
} Definitions;

/* Why a grant gives nothing, if it doesn't. */
typedef enum GrantState
{
	GRANT_LIVE,
	GRANT_NONE, /* not a member */
	GRANT_TENANT_DELETED,
	GRANT_USER_DISABLED,
	GRANT_KEY_REVOKED
} GrantState;

/* What a subject has in one tenant. */
typedef struct Grant
{
	pg_uuid_t             tenant_id; /* hash key */
	char                  status;    /* simplehash's */
	GrantState            state;
	TimestampTz           expires_at;  /* DT_NOEND: never */
	const RoleDefinition *role;        /* NULL for GRANT_NONE */
	const Bitmapset      *permissions; /* all it gives while it is live and not expired */
} Grant;

/* Somebody who asks: a user with their memberships, or an API key. */
typedef struct Subject Subject;

/*
 * The subject for this identity, loaded if need be (its grants may be loaded later).  Accept invalidations
 * first.  The pointer is good until the next cache_refresh, unless pinned.
 */
extern Subject *cache_refresh(const Identity *identity);

/* The definitions a subject was loaded with; they live as long as it does. */
extern const Definitions *subject_definitions(const Subject *subject);

/* Keeps a subject, and all answers it gave, until as many subject_unpin calls. */
extern void subject_pin(Subject *subject);
extern void subject_unpin(Subject *subject);

/*
 * What the subject has in a tenant; never NULL (GRANT_NONE).  At most one index probe, none the second
 * time.  The pointer is good until the next call for the same subject.
 */
extern const Grant *subject_grant(Subject *subject, const pg_uuid_t *tenant);

/*
 * All grants of the subject, in order of tenant_id, as an array of *ngrants pointers, palloc'd.  At most one
 * index scan.
 */
extern const Grant **subject_grants(Subject *subject, int *ngrants);

/* Up to limit of them, any, for an estimate.  At most a short index scan. */
extern const Grant **subject_some_grants(Subject *subject, int limit, int *ngrants);

/* Those in memory: of all tenants that the subject was asked about.  In no order; palloc'd; reads no table. */
extern const Grant **subject_known_grants(const Subject *subject, int *ngrants);

/* Whether one of these ends by itself at some time. */
extern bool subject_expires(const Subject *subject);

/* Whether all grants are in memory: then none of these functions reads a table. */
extern bool subject_is_complete(const Subject *subject);

/* About how many grants the subject has, for the planner; at most a short index scan. */
extern double subject_estimate(Subject *subject);

/* Looks up a name; NULL if there is none. */
extern const RoleDefinition *find_role(const Definitions *definitions, const char *name);

/* The number of a permission, or -1. */
extern int find_permission(const Definitions *definitions, const char *name, int length);

/* The user to whom a database role is mapped; false if none.  Accepts no invalidations by itself. */
extern bool mapped_user(Oid database_role, pg_uuid_t *user_id);

/*
 * Whether the user exists and isn't disabled, read at this moment from the table.
 */
extern bool user_is_active(const pg_uuid_t *user_id);

#endif /* TEAMRBAC_CACHE_H */
