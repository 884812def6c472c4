/*
 * cache.c
 *	  The backend's memory of who may do what.
 *
 * One rule keeps it right: whatever is loaded is labelled with the invalidation counts as they stood before
 * the snapshot was taken that it is read with.  News that comes in between makes the label old, never the
 * content: the worst is one more load.
 *
 * A subject is never changed once loaded, except that grants not asked for yet are added; when something
 * has changed, a new one takes its place and the old one goes with its last pin.  A statement that pins its
 * subject is therefore judged by one state of the team, however long it runs.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "authority/cache.h"
#include "compat.h"
#include "store/statistics.h"

/* How many subjects, and how many grants among them, a backend remembers beside the present subject's. */
#define MAX_SUBJECTS 64
#define MAX_GRANTS 65536

/*
 * After this many single probes for one subject all its grants are loaded by one scan: a sequential scan
 * over the rows of many tenants asks about each of them.
 */
#define MAX_PROBES 8

/* How many grants the planner is ready to count. */
#define ESTIMATE_LIMIT 64

/* How many deleted tenants are remembered; beyond, each is looked up. */
#define MAX_DELETED_TENANTS 65536

static inline uint32
tenant_hash(const pg_uuid_t *uuid)
{
	uint64 halves[2];
	uint64 mixed;

	memcpy(halves, uuid->data, UUID_LEN);
	mixed = halves[0] ^ (halves[1] << 1);
	return murmurhash32((uint32) mixed ^ (uint32) (mixed >> 32));
}

#define SH_PREFIX grants
#define SH_ELEMENT_TYPE Grant
#define SH_KEY_TYPE pg_uuid_t
#define SH_KEY tenant_id
#define SH_HASH_KEY(table, key) tenant_hash(&(key))
#define SH_EQUAL(table, a, b) uuid_same(&(a), &(b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct TenantEntry
{
	pg_uuid_t tenant_id; /* hash key */
	char      status;    /* simplehash's */
} TenantEntry;

#define SH_PREFIX tenants
#define SH_ELEMENT_TYPE TenantEntry
#define SH_KEY_TYPE pg_uuid_t
#define SH_KEY tenant_id
#define SH_HASH_KEY(table, key) tenant_hash(&(key))
#define SH_EQUAL(table, a, b) uuid_same(&(a), &(b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct Subject
{
	dlist_node    node;   /* in subjects, most recently used first */
	bool          listed; /* false once another has taken its place */
	int           pins;
	Identity      identity;
	MemoryContext context;        /* holds this struct and all below */
	uint64        epochs[FACETS]; /* the label */
	Definitions  *definitions;    /* a counted reference */
	bool          active;         /* the user exists and isn't disabled */
	grants_hash  *grants;
	int           probes;
	bool          complete; /* grants has all there are */
	bool          expires;  /* one of grants ends by itself */
	double        estimate; /* number of grants, as far as known; -1: not */
};

static dlist_head subjects = DLIST_STATIC_INIT(subjects);
static int        nsubjects = 0;

static Definitions *current_definitions = NULL;

static struct
{
	MemoryContext context; /* NULL: not loaded */
	uint64        epoch;
	tenants_hash *tenants;
	bool          overflow; /* too many to remember */
} deleted_tenants;

static struct
{
	bool      loaded;
	uint64    epoch;
	Oid       database_role;
	bool      mapped;
	pg_uuid_t user_id;
} mapping;

/* ---- definitions ---------------------------------------------------------------------------------- */

static HTAB *
name_table(const char *title, Size entrysize, MemoryContext context)
{
	HASHCTL control = {.keysize = NAMEDATALEN, .entrysize = entrysize, .hcxt = context};

	return hash_create(title, 64, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

static void
read_name(CatalogScan *scan, HeapTuple tuple, AttrNumber column, char *name)
{
	bool  isnull;
	Datum value = catalog_scan_value(scan, tuple, column, &isnull);

	Assert(!isnull);
	text_to_cstring_buffer(DatumGetTextPP(value), name, NAMEDATALEN);
}

static void
load_permissions(Definitions *definitions)
{
	CatalogScan scan =
		catalog_scan_begin(CATALOG_PERMISSION, CATALOG_NO_INDEX, 0, NULL, NULL, NULL);
	int       room = 64;
	HeapTuple tuple;

	definitions->latest = palloc0(sizeof(PermissionDefinition *));
	definitions->permission_names = palloc(room * sizeof(char *));
	while (HeapTupleIsValid(tuple = catalog_scan_next(&scan)))
	{
		char                  name[NAMEDATALEN];
		PermissionDefinition *permission;
		bool                  isnull;

		read_name(&scan, tuple, Anum_permission_permission, name);
		permission = hash_search(definitions->permissions, name, HASH_ENTER, NULL);
		permission->number = definitions->npermissions++;
		if (permission->number == room)
		{
			room *= 2;
			definitions->permission_names =
				repalloc(definitions->permission_names, room * sizeof(char *));
		}
		definitions->permission_names[permission->number] = permission->name;
		if (DatumGetBool(
				catalog_scan_value(&scan, tuple, Anum_permission_grantable_to_keys, &isnull)))
			definitions->grantable_to_keys =
				bms_add_member(definitions->grantable_to_keys, permission->number);
	}
	catalog_scan_end(&scan);
}

static void
load_roles(Definitions *definitions)
{
	CatalogScan scan = catalog_scan_begin(CATALOG_ROLE, CATALOG_NO_INDEX, 0, NULL, NULL, NULL);
	HeapTuple   tuple;

	while (HeapTupleIsValid(tuple = catalog_scan_next(&scan)))
	{
		char            name[NAMEDATALEN];
		RoleDefinition *role;

		read_name(&scan, tuple, Anum_role_role, name);
		role = hash_search(definitions->roles, name, HASH_ENTER, NULL);
		role->permissions = NULL;
	}
	catalog_scan_end(&scan);
}

static void
load_role_permissions(Definitions *definitions)
{
	CatalogScan scan =
		catalog_scan_begin(CATALOG_ROLE_PERMISSION, CATALOG_NO_INDEX, 0, NULL, NULL, NULL);
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = catalog_scan_next(&scan)))
	{
		char                  name[NAMEDATALEN];
		RoleDefinition       *role;
		PermissionDefinition *permission;

		read_name(&scan, tuple, Anum_role_permission_role, name);
		role = hash_search(definitions->roles, name, HASH_FIND, NULL);
		read_name(&scan, tuple, Anum_role_permission_permission, name);
		permission = hash_search(definitions->permissions, name, HASH_FIND, NULL);
		/* Each scan has a snapshot of its own: one made in between is complete at the next load. */
		if (role != NULL && permission != NULL)
			role->permissions = bms_add_member(role->permissions, permission->number);
	}
	catalog_scan_end(&scan);
}

static Definitions *
load_definitions(void)
{
	uint64        epoch = facet_epoch[FACET_DEFINITIONS];
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "teamrbac definitions", ALLOCSET_SMALL_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	Definitions  *definitions = palloc0(sizeof(Definitions));

	definitions->context = context;
	definitions->epoch = epoch;
	definitions->permissions =
		name_table("teamrbac permissions", sizeof(PermissionDefinition), context);
	definitions->roles = name_table("teamrbac roles", sizeof(RoleDefinition), context);
	load_permissions(definitions);
	load_roles(definitions);
	load_role_permissions(definitions);
	MemoryContextSwitchTo(oldcontext);

	/* Only now: an error above leaves nothing behind. */
	MemoryContextSetParent(context, CacheMemoryContext);
	definitions->references = 1;
	return definitions;
}

static void
release_definitions(Definitions *definitions)
{
	if (--definitions->references == 0)
		MemoryContextDelete(definitions->context);
}

static Definitions *
get_definitions(void)
{
	if (current_definitions == NULL || current_definitions->epoch != facet_epoch[FACET_DEFINITIONS])
	{
		Definitions *loaded = load_definitions();

		if (current_definitions != NULL)
			release_definitions(current_definitions);
		current_definitions = loaded;
	}
	return current_definitions;
}

const RoleDefinition *
find_role(const Definitions *definitions, const char *name)
{
	if (strlen(name) >= NAMEDATALEN)
		return NULL;
	return hash_search(definitions->roles, name, HASH_FIND, NULL);
}

int
find_permission(const Definitions *definitions, const char *name, int length)
{
	char                        key[NAMEDATALEN];
	const PermissionDefinition *permission = *definitions->latest;

	if (length >= NAMEDATALEN)
		return -1;
	if (permission != NULL && memcmp(permission->name, name, length) == 0 &&
	    permission->name[length] == '\0')
		return permission->number;
	memcpy(key, name, length);
	key[length] = '\0';
	permission = hash_search(definitions->permissions, key, HASH_FIND, NULL);
	if (permission == NULL)
		return -1;
	*definitions->latest = permission;
	return permission->number;
}

/* ---- tenants and users ----------------------------------------------------------------------------- */

static bool
probe_tenant_deleted(const pg_uuid_t *tenant)
{
	const AttrNumber column = Anum_tenant_tenant_id;
	const Oid        type = UUIDOID;
	Datum            key = UUIDPGetDatum(tenant);
	CatalogScan      scan =
		catalog_scan_begin(CATALOG_TENANT, CATALOG_TENANT_DELETED_IDX, 1, &column, &key, &type);
	bool deleted = HeapTupleIsValid(catalog_scan_next(&scan));

	catalog_scan_end(&scan);
	return deleted;
}

static void
load_deleted_tenants(void)
{
	uint64        epoch = facet_epoch[FACET_TENANTS];
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "teamrbac deleted tenants",
	                                              ALLOCSET_SMALL_SIZES);
	tenants_hash *tenants = tenants_create(context, 16, NULL);
	CatalogScan   scan =
		catalog_scan_begin(CATALOG_TENANT, CATALOG_TENANT_DELETED_IDX, 0, NULL, NULL, NULL);
	bool      overflow = false;
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = catalog_scan_next(&scan)))
	{
		bool isnull;
		bool known;

		if (tenants->members == MAX_DELETED_TENANTS)
		{
			overflow = true;
			break;
		}
		tenants_insert(
			tenants,
			*DatumGetUUIDP(catalog_scan_value(&scan, tuple, Anum_tenant_tenant_id, &isnull)),
			&known);
	}
	catalog_scan_end(&scan);

	MemoryContextSetParent(context, CacheMemoryContext);
	if (deleted_tenants.context != NULL)
		MemoryContextDelete(deleted_tenants.context);
	deleted_tenants.context = context;
	deleted_tenants.epoch = epoch;
	deleted_tenants.tenants = tenants;
	deleted_tenants.overflow = overflow;
}

static bool
tenant_is_deleted(const pg_uuid_t *tenant)
{
	if (deleted_tenants.context == NULL || deleted_tenants.epoch != facet_epoch[FACET_TENANTS])
		load_deleted_tenants();
	if (deleted_tenants.overflow)
		return probe_tenant_deleted(tenant);
	return deleted_tenants.tenants->members > 0 &&
	       tenants_lookup(deleted_tenants.tenants, *tenant) != NULL;
}

bool
user_is_active(const pg_uuid_t *user_id)
{
	const AttrNumber column = Anum_app_user_user_id;
	const Oid        type = UUIDOID;
	Datum            key = UUIDPGetDatum(user_id);
	CatalogScan      scan =
		catalog_scan_begin(CATALOG_APP_USER, CATALOG_APP_USER_PKEY, 1, &column, &key, &type);
	HeapTuple tuple = catalog_scan_next(&scan);
	bool      active = false;

	if (HeapTupleIsValid(tuple))
		(void) catalog_scan_value(&scan, tuple, Anum_app_user_disabled_at,
		                          &active); /* it is NULL */
	catalog_scan_end(&scan);
	return active;
}

bool
mapped_user(Oid database_role, pg_uuid_t *user_id)
{
	if (!mapping.loaded || mapping.database_role != database_role ||
	    mapping.epoch != facet_epoch[FACET_DEFINITIONS])
	{
		const AttrNumber column = Anum_database_role_database_role;
		const Oid        type = OIDOID;
		Datum            key = ObjectIdGetDatum(database_role);
		uint64           epoch = facet_epoch[FACET_DEFINITIONS];
		CatalogScan      scan;
		HeapTuple        tuple;

		mapping.loaded = false;
		scan = catalog_scan_begin(CATALOG_DATABASE_ROLE, CATALOG_DATABASE_ROLE_PKEY, 1, &column,
		                          &key, &type);
		tuple = catalog_scan_next(&scan);
		mapping.mapped = HeapTupleIsValid(tuple);
		if (mapping.mapped)
		{
			bool isnull;

			mapping.user_id = *DatumGetUUIDP(
				catalog_scan_value(&scan, tuple, Anum_database_role_user_id, &isnull));
		}
		catalog_scan_end(&scan);
		mapping.database_role = database_role;
		mapping.epoch = epoch;
		mapping.loaded = true;
	}
	if (mapping.mapped)
		*user_id = mapping.user_id;
	return mapping.mapped;
}

/* ---- subjects -------------------------------------------------------------------------------------- */

static void
free_subject(Subject *subject)
{
	release_definitions(subject->definitions);
	MemoryContextDelete(subject->context);
}

/* unlist_subject takes a subject out of the cache; it goes now, or with its last pin. */
static void
unlist_subject(Subject *subject)
{
	dlist_delete(&subject->node);
	nsubjects--;
	subject->listed = false;
	if (subject->pins == 0)
		free_subject(subject);
}

/* list_subject puts a new subject first, and drops those unused for longest beyond the bounds. */
static void
list_subject(Subject *subject)
{
	uint64             ngrants = 0;
	int                nkept = 0;
	dlist_mutable_iter iter;

	dlist_push_head(&subjects, &subject->node);
	nsubjects++;
	subject->listed = true;
	dlist_foreach_modify(iter, &subjects)
	{
		Subject *kept = dlist_container(Subject, node, iter.cur);

		ngrants += kept->grants->members;
		if (++nkept > 1 && (nkept > MAX_SUBJECTS || ngrants > MAX_GRANTS))
			unlist_subject(kept);
	}
}

static bool
same_identity(const Identity *a, const Identity *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind)
	{
		case IDENTITY_NONE:
			return true;
		case IDENTITY_USER:
			return uuid_same(&a->user_id, &b->user_id);
		case IDENTITY_KEY:
			return uuid_same(&a->key_id, &b->key_id) && uuid_same(&a->tenant_id, &b->tenant_id);
	}
	return false;
}

static Subject *
find_subject(const Identity *identity)
{
	dlist_iter iter;

	dlist_foreach(iter, &subjects)
	{
		Subject *subject = dlist_container(Subject, node, iter.cur);

		if (same_identity(&subject->identity, identity))
		{
			dlist_move_head(&subjects, &subject->node);
			return subject;
		}
	}
	return NULL;
}

/* subject_is_fresh tells whether nothing has changed that this subject depends on. */
static bool
subject_is_fresh(const Subject *subject)
{
	if (subject->epochs[FACET_DEFINITIONS] != facet_epoch[FACET_DEFINITIONS])
		return false;
	switch (subject->identity.kind)
	{
		case IDENTITY_NONE:
			return true;
		case IDENTITY_USER:
			/* Registering a user sends no signal, so that one unknown as yet is looked up each time. */
			return subject->active &&
			       subject->epochs[FACET_MEMBERSHIPS] == facet_epoch[FACET_MEMBERSHIPS] &&
			       subject->epochs[FACET_TENANTS] == facet_epoch[FACET_TENANTS] &&
			       subject->epochs[FACET_USERS] == facet_epoch[FACET_USERS];
		case IDENTITY_KEY:
			return subject->epochs[FACET_API_KEYS] == facet_epoch[FACET_API_KEYS] &&
			       subject->epochs[FACET_TENANTS] == facet_epoch[FACET_TENANTS];
	}
	return false;
}

/*
 * make_subject loads a subject as of now; predecessor is the one it replaces, or NULL, whose knowledge that
 * still holds is taken over.
 */
static Subject *
make_subject(const Identity *identity, const Subject *predecessor)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "teamrbac subject", ALLOCSET_SMALL_SIZES);
	Subject *subject = MemoryContextAllocZero(context, sizeof(Subject));

	memcpy(subject->epochs, facet_epoch, sizeof(facet_epoch));
	subject->identity = *identity;
	subject->context = context;
	subject->definitions = get_definitions();
	subject->grants = grants_create(context, 4, NULL);
	subject->estimate = predecessor != NULL ? predecessor->estimate : -1;
	subject->complete = identity->kind == IDENTITY_NONE;
	if (identity->kind == IDENTITY_USER)
		subject->active = (predecessor != NULL && predecessor->active &&
		                   predecessor->epochs[FACET_USERS] == subject->epochs[FACET_USERS]) ||
		                  user_is_active(&identity->user_id);

	/* Only now: an error above leaves nothing behind. */
	MemoryContextSetParent(context, CacheMemoryContext);
	subject->definitions->references++;
	return subject;
}

Subject *
cache_refresh(const Identity *identity)
{
	Subject *subject;
	Subject *successor;

	subject = find_subject(identity);
	if (subject != NULL && subject_is_fresh(subject))
	{
		counters->cache_hits++;
		return subject;
	}
	statistics_attach();
	counters->reloads++;
	successor = make_subject(identity, subject);
	if (subject != NULL)
		unlist_subject(subject);
	list_subject(successor);
	return successor;
}

const Definitions *
subject_definitions(const Subject *subject)
{
	return subject->definitions;
}

void
subject_pin(Subject *subject)
{
	subject->pins++;
}

void
subject_unpin(Subject *subject)
{
	Assert(subject->pins > 0);
	if (--subject->pins == 0 && !subject->listed)
		free_subject(subject);
}

/* ---- grants ---------------------------------------------------------------------------------------- */

static const Grant no_grant = {.state = GRANT_NONE, .expires_at = DT_NOEND};

/* add_grant remembers a grant, unless the subject has answered for that tenant before. */
static const Grant *
add_grant(Subject *subject, const Grant *grant)
{
	bool   known;
	Grant *entry = grants_insert(subject->grants, grant->tenant_id, &known);

	if (!known)
	{
		entry->state = grant->state;
		entry->expires_at = grant->expires_at;
		entry->role = grant->role;
		entry->permissions = grant->permissions;
		subject->expires = subject->expires || grant->expires_at != DT_NOEND;
	}
	return entry;
}

/* read_membership turns a row of the membership table into a grant. */
static void
read_membership(const Subject *subject, CatalogScan *scan, HeapTuple tuple, Grant *grant)
{
	char  role[NAMEDATALEN];
	bool  isnull;
	Datum expires_at;

	memset(grant, 0, sizeof(Grant));
	grant->tenant_id =
		*DatumGetUUIDP(catalog_scan_value(scan, tuple, Anum_membership_tenant_id, &isnull));
	expires_at = catalog_scan_value(scan, tuple, Anum_membership_expires_at, &isnull);
	grant->expires_at = isnull ? DT_NOEND : DatumGetTimestampTz(expires_at);
	read_name(scan, tuple, Anum_membership_role, role);
	/* A role defined since the definitions were read gives nothing yet; its signal is on the way. */
	grant->role = find_role(subject->definitions, role);
	grant->permissions = grant->role != NULL ? grant->role->permissions : NULL;
	grant->state = subject->active ? GRANT_LIVE : GRANT_USER_DISABLED;
}

static CatalogScan
begin_membership_scan(const Subject *subject, const pg_uuid_t *tenant)
{
	static const AttrNumber columns[] = {Anum_membership_user_id, Anum_membership_tenant_id};
	static const Oid        types[] = {UUIDOID, UUIDOID};
	Datum keys[] = {UUIDPGetDatum(&subject->identity.user_id), UUIDPGetDatum(tenant)};

	return catalog_scan_begin(CATALOG_MEMBERSHIP, CATALOG_MEMBERSHIP_USER_IDX,
	                          tenant != NULL ? 2 : 1, columns, keys, types);
}

/* probe_membership reads the user's membership of one tenant. */
static void
probe_membership(Subject *subject, const pg_uuid_t *tenant, Grant *grant)
{
	CatalogScan scan = begin_membership_scan(subject, tenant);
	HeapTuple   tuple = catalog_scan_next(&scan);

	if (HeapTupleIsValid(tuple))
		read_membership(subject, &scan, tuple, grant);
	else
		*grant = no_grant;
	catalog_scan_end(&scan);
	grant->tenant_id = *tenant;
	if (grant->state == GRANT_LIVE && tenant_is_deleted(tenant))
		grant->state = GRANT_TENANT_DELETED;
}

/* load_memberships reads up to limit memberships of the user, and knows whether these were all. */
static void
load_memberships(Subject *subject, int limit)
{
	CatalogScan scan = begin_membership_scan(subject, NULL);
	int         nread = 0;
	bool        complete = false;

	for (; nread < limit; nread++)
	{
		HeapTuple tuple = catalog_scan_next(&scan);
		Grant     grant;

		if (!HeapTupleIsValid(tuple))
		{
			complete = true;
			break;
		}
		read_membership(subject, &scan, tuple, &grant);
		if (grant.state == GRANT_LIVE && tenant_is_deleted(&grant.tenant_id))
			grant.state = GRANT_TENANT_DELETED;
		add_grant(subject, &grant);
	}
	catalog_scan_end(&scan);

	subject->complete = complete;
	if (complete || nread > subject->estimate)
		subject->estimate = nread;
}

/* key_permissions says what a key may do: what its role and its own list have in common, for people only excepted. */
static Bitmapset *
key_permissions(const Subject *subject, const RoleDefinition *role, Datum list, bool no_list)
{
	const Definitions *definitions = subject->definitions;
	Bitmapset         *permissions;
	Bitmapset         *listed = NULL;
	Datum             *names;
	int                nnames;

	if (role == NULL)
		return NULL;
	permissions = bms_intersect(role->permissions, definitions->grantable_to_keys);
	if (no_list)
		return permissions;
	deconstruct_array(DatumGetArrayTypeP(list), TEXTOID, -1, false, TYPALIGN_INT, &names, NULL,
	                  &nnames);
	for (int i = 0; i < nnames; i++)
	{
		text *name = DatumGetTextPP(names[i]);
		int   number = find_permission(definitions, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

		if (number >= 0)
			listed = bms_add_member(listed, number);
	}
	return bms_int_members(permissions, listed);
}

/* read_key turns a row of the table of API keys into a grant. */
static void
read_key(const Subject *subject, CatalogScan *scan, HeapTuple tuple, Grant *grant)
{
	char          name[NAMEDATALEN];
	bool          isnull;
	Datum         value;
	Bitmapset    *permissions;
	MemoryContext oldcontext;

	value = catalog_scan_value(scan, tuple, Anum_api_key_expires_at, &isnull);
	grant->expires_at = isnull ? DT_NOEND : DatumGetTimestampTz(value);
	(void) catalog_scan_value(scan, tuple, Anum_api_key_revoked_at, &isnull);
	grant->state = isnull ? GRANT_LIVE : GRANT_KEY_REVOKED;
	read_name(scan, tuple, Anum_api_key_role, name);
	grant->role = find_role(subject->definitions, name);
	value = catalog_scan_value(scan, tuple, Anum_api_key_permissions, &isnull);
	permissions = key_permissions(subject, grant->role, value, isnull);

	oldcontext = MemoryContextSwitchTo(subject->context);
	grant->permissions = bms_copy(permissions);
	MemoryContextSwitchTo(oldcontext);
}

/* load_key reads the one grant that an API key has: in its own tenant. */
static void
load_key(Subject *subject)
{
	static const AttrNumber columns[] = {Anum_api_key_tenant_id, Anum_api_key_key_id};
	static const Oid        types[] = {UUIDOID, UUIDOID};
	const Identity         *identity = &subject->identity;
	Datum       keys[] = {UUIDPGetDatum(&identity->tenant_id), UUIDPGetDatum(&identity->key_id)};
	CatalogScan scan =
		catalog_scan_begin(CATALOG_API_KEY, CATALOG_API_KEY_PKEY, 2, columns, keys, types);
	HeapTuple tuple = catalog_scan_next(&scan);
	Grant     grant = {.state = GRANT_KEY_REVOKED, .expires_at = DT_NOEND};

	/* A key whose row is gone is as good as revoked. */
	if (HeapTupleIsValid(tuple))
		read_key(subject, &scan, tuple, &grant);
	catalog_scan_end(&scan);
	grant.tenant_id = identity->tenant_id;
	if (grant.state == GRANT_LIVE && tenant_is_deleted(&grant.tenant_id))
		grant.state = GRANT_TENANT_DELETED;
	add_grant(subject, &grant);
	subject->complete = true;
}

static void
load_all_grants(Subject *subject)
{
	if (subject->complete)
		return;
	if (subject->identity.kind == IDENTITY_KEY)
		load_key(subject);
	else
		load_memberships(subject, INT_MAX);
}

const Grant *
subject_grant(Subject *subject, const pg_uuid_t *tenant)
{
	const Grant *grant = grants_lookup(subject->grants, *tenant);
	Grant        read;

	if (grant != NULL)
		return grant;
	if (!subject->complete &&
	    (subject->identity.kind == IDENTITY_KEY || subject->probes++ >= MAX_PROBES))
	{
		load_all_grants(subject);
		grant = grants_lookup(subject->grants, *tenant);
		if (grant != NULL)
			return grant;
	}
	if (subject->complete)
		return &no_grant;
	counters->probes++;
	probe_membership(subject, tenant, &read);
	return add_grant(subject, &read);
}

bool
subject_is_complete(const Subject *subject)
{
	return subject->complete;
}

static int
compare_grants(const void *a, const void *b)
{
	return memcmp((*(const Grant *const *) a)->tenant_id.data,
	              (*(const Grant *const *) b)->tenant_id.data, UUID_LEN);
}

/* list_grants lists up to limit of the grants in memory. */
static const Grant **
list_grants(const Subject *subject, int limit, int *ngrants)
{
	int             room = Min((int64) limit, (int64) subject->grants->members);
	const Grant   **result = palloc_extended((room + 1) * sizeof(Grant *), MCXT_ALLOC_HUGE);
	const Grant    *grant;
	grants_iterator iterator;
	int             n = 0;

	grants_start_iterate(subject->grants, &iterator);
	while (n < room && (grant = grants_iterate(subject->grants, &iterator)) != NULL)
		result[n++] = grant;
	*ngrants = n;
	return result;
}

const Grant **
subject_known_grants(const Subject *subject, int *ngrants)
{
	return list_grants(subject, INT_MAX, ngrants);
}

bool
subject_expires(const Subject *subject)
{
	return subject->expires;
}

const Grant **
subject_grants(Subject *subject, int *ngrants)
{
	const Grant **result;

	load_all_grants(subject);
	result = list_grants(subject, INT_MAX, ngrants);
	qsort(result, *ngrants, sizeof(Grant *), compare_grants);
	return result;
}

const Grant **
subject_some_grants(Subject *subject, int limit, int *ngrants)
{
	(void) subject_estimate(subject);
	return list_grants(subject, limit, ngrants);
}

double
subject_estimate(Subject *subject)
{
	if (subject->identity.kind == IDENTITY_KEY)
		load_all_grants(subject);
	if (subject->complete)
		return subject->grants->members;
	if (subject->estimate < 0)
		load_memberships(subject, ESTIMATE_LIMIT);
	return subject->estimate;
}
