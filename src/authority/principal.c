/*
 * principal.c
 *	  The backend's memory of those who asked lately, and of what they have been granted.
 *
 * One rule keeps it right: the generations are noted before the snapshot is taken that a principal is read with.
 * A signal that comes in between makes the principal old, never its content wrong: the worst is one more reading.
 *
 * And one rule keeps it whole: all that a principal consists of (the user's state, the tenant's, memberships, roles)
 * is read with one snapshot, because a signal comes a moment after its change can be seen: parts read at different
 * times could add up to what was true at no time.  Somebody in too many tenants to remember is asked one tenant at a
 * time; for a statement, with a snapshot that is kept as long as the statement.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "authority/identity.h"
#include "authority/permission.h"
#include "authority/principal.h"
#include "authority/proof.h"
#include "authority/role.h"
#include "store/catalog.h"
#include "store/statistics.h"

/* How many principals a backend remembers beside the present one. */
#define MAX_PRINCIPALS 64

/* How many tenants of one principal it remembers. */
#define MAX_KEPT_GRANTS 1024

/* How many tenants are remembered in which somebody has nothing: a scan may ask about any number. */
#define MAX_KEPT_REFUSALS 65536

static inline uint32
tenant_hash(const pg_uuid_t *uuid)
{
	uint64 halves[2];
	uint64 mixed;

	memcpy(halves, uuid->data, UUID_LEN);
	mixed = halves[0] ^ (halves[1] << 1);
	/* Each row of a table may ask about another tenant, so this is one multiplication (by 2^64 over the golden ratio). */
	return (uint32) ((mixed * UINT64CONST(0x9E3779B97F4A7C15)) >> 32);
}

/* Half empty, since most of those asked about are in none: such a search ends at the first empty place. */

#define SH_FILLFACTOR 0.5
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

/* A role that some of a principal's grants give, in a list of them. */
typedef struct RememberedRole
{
	struct RememberedRole *next;
	Role                  *role;
} RememberedRole;

struct Principal
{
	dlist_node      node;   /* in principals, most recently used first */
	bool            listed; /* false once another has taken its place, and for a statement's own */
	int             pins;
	Identity        identity; /* as it was presented */
	Identity        asker;    /* who that is: the same, or nobody if its proof has been revoked */
	MemoryContext   context;  /* holds this struct and all below */
	uint64          generations[FACTS_KINDS]; /* as of reading */
	bool            active;                   /* the user exists and isn't disabled */
	bool            complete;                 /* grants has all there are */
	bool            expires;                  /* one of grants ends by itself */
	int             nlive;                    /* grants that are live but for their time */
	pg_uuid_t       live_tenant;              /* of one of these */
	grants_hash    *grants;
	RememberedRole *roles;    /* global ones */
	Snapshot        snapshot; /* what the rest is read with; NULL: the newest, each time */
};

static dlist_head principals = DLIST_STATIC_INIT(principals);
static int        nprincipals = 0;

/* What a ticket says of whoever is asking, pinned; see ticket.c. */
static Principal *carried = NULL;

static const Grant no_grant = {.state = GRANT_NONE, .expires_at = DT_NOEND};

/* ---- reading: users and tenants -------------------------------------------------------------------- */

static bool
read_user_active(Snapshot snapshot, const pg_uuid_t *user_id)
{
	Datum       key = UUIDPGetDatum(user_id);
	CatalogScan scan = catalog_scan_begin(snapshot, CATALOG_APP_USER_PKEY, 1, &key);
	HeapTuple   tuple = catalog_scan_next(&scan);
	bool        active = false;

	if (HeapTupleIsValid(tuple))
		(void) catalog_scan_value(&scan, tuple, Anum_app_user_disabled_at,
		                          &active); /* it is NULL */
	catalog_scan_end(&scan);
	return active;
}

bool
user_is_active(const pg_uuid_t *user_id)
{
	return read_user_active(NULL, user_id);
}

bool
user_is_known(const pg_uuid_t *user_id)
{
	Datum       key = UUIDPGetDatum(user_id);
	CatalogScan scan = catalog_scan_begin(NULL, CATALOG_APP_USER_PKEY, 1, &key);
	bool        known = HeapTupleIsValid(catalog_scan_next(&scan));

	catalog_scan_end(&scan);
	return known;
}

static bool
read_tenant_deleted(Snapshot snapshot, const pg_uuid_t *tenant)
{
	Datum       key = UUIDPGetDatum(tenant);
	CatalogScan scan = catalog_scan_begin(snapshot, CATALOG_TENANT_DELETED_IDX, 1, &key);
	bool        deleted = HeapTupleIsValid(catalog_scan_next(&scan));

	catalog_scan_end(&scan);
	return deleted;
}

/* ---- reading: roles -------------------------------------------------------------------------------- */

/* make_role makes a role that lives as long as the principal; its permissions are none as yet. */
static Role *
make_role(Principal *principal, const char *name)
{
	Role *role = MemoryContextAllocZero(principal->context, sizeof(Role));

	strlcpy(role->name, name, NAMEDATALEN);
	return role;
}

/* remember_role makes one that other grants of the principal may give too. */
static Role *
remember_role(Principal *principal, const char *name)
{
	RememberedRole *entry = MemoryContextAlloc(principal->context, sizeof(RememberedRole));

	entry->role = make_role(principal, name);
	entry->next = principal->roles;
	principal->roles = entry;
	return entry->role;
}

static Role *
remembered_role(Principal *principal, const char *name)
{
	for (RememberedRole *entry = principal->roles; entry != NULL; entry = entry->next)
	{
		if (strcmp(entry->role->name, name) == 0)
			return entry->role;
	}
	return NULL;
}

/*
 * role_of returns a role that the principal has in a tenant.  A global one is read at most once; the tenant's own, which
 * nothing else of the principal can have, each time.
 */
static const Role *
role_of(Principal *principal, const pg_uuid_t *tenant, const char *name, bool own)
{
	Role         *role = own ? NULL : remembered_role(principal, name);
	Bitmapset    *permissions;
	MemoryContext caller;

	if (role != NULL)
		return role;
	permissions = read_role_permissions(principal->snapshot, own ? tenant : NULL, name);
	permissions_exist(permissions, principal->generations[FACTS_DEFINITIONS]);
	role = own ? make_role(principal, name) : remember_role(principal, name);
	caller = MemoryContextSwitchTo(principal->context);
	role->permissions = bms_copy(permissions);
	MemoryContextSwitchTo(caller);
	return role;
}

/* ---- reading: grants ------------------------------------------------------------------------------- */

/* add_grant remembers a grant. */
static const Grant *
add_grant(Principal *principal, const Grant *grant)
{
	bool   present;
	Grant *entry = grants_insert(principal->grants, grant->tenant_id, &present);

	if (present)
		return entry;
	entry->state = grant->state;
	entry->expires_at = grant->expires_at;
	entry->role = grant->role;
	entry->permissions = grant->permissions;
	principal->expires = principal->expires || grant->expires_at != DT_NOEND;
	if (grant->state == GRANT_LIVE)
	{
		principal->nlive++;
		principal->live_tenant = grant->tenant_id;
	}
	return entry;
}

/* read_membership turns a row of the membership table into a grant. */
static void
read_membership(Principal *principal, CatalogScan *scan, HeapTuple tuple, Grant *grant)
{
	char         role[NAMEDATALEN];
	bool         isnull;
	bool         own;
	Datum        value;
	const Grant *known;

	memset(grant, 0, sizeof(Grant));
	value = catalog_scan_value(scan, tuple, Anum_membership_tenant_id, &isnull);
	grant->tenant_id = *DatumGetUUIDP(value);
	known = grants_lookup(principal->grants, grant->tenant_id);
	if (known != NULL)
	{
		*grant = *known;
		return;
	}
	value = catalog_scan_value(scan, tuple, Anum_membership_expires_at, &isnull);
	grant->expires_at = isnull ? DT_NOEND : DatumGetTimestampTz(value);
	catalog_scan_name(scan, tuple, Anum_membership_role, role);
	own = DatumGetBool(catalog_scan_value(scan, tuple, Anum_membership_own_role, &isnull));
	grant->role = role_of(principal, &grant->tenant_id, role, own);
	grant->permissions = grant->role->permissions;
	if (!principal->active)
		grant->state = GRANT_USER_DISABLED;
	else if (read_tenant_deleted(principal->snapshot, &grant->tenant_id))
		grant->state = GRANT_TENANT_DELETED;
	else
		grant->state = GRANT_LIVE;
}

static CatalogScan
begin_membership_scan(const Principal *principal, const pg_uuid_t *tenant)
{
	Datum keys[] = {UUIDPGetDatum(&principal->identity.user_id), UUIDPGetDatum(tenant)};

	return catalog_scan_begin(principal->snapshot, CATALOG_MEMBERSHIP_USER_IDX,
	                          tenant != NULL ? 2 : 1, keys);
}

/* probe_membership reads the user's membership of one tenant. */
static const Grant *
probe_membership(Principal *principal, const pg_uuid_t *tenant)
{
	CatalogScan scan = begin_membership_scan(principal, tenant);
	HeapTuple   tuple = catalog_scan_next(&scan);
	Grant       grant = no_grant;

	counters->probes++;
	if (HeapTupleIsValid(tuple))
		read_membership(principal, &scan, tuple, &grant);
	catalog_scan_end(&scan);
	grant.tenant_id = *tenant;
	if (grant.state == GRANT_NONE && principal->grants->members >= MAX_KEPT_REFUSALS)
		return &no_grant;
	return add_grant(principal, &grant);
}

/* read_memberships reads memberships up to a limit, and tells whether these were all. */
static bool
read_memberships(Principal *principal, int limit)
{
	CatalogScan scan = begin_membership_scan(principal, NULL);
	bool        complete = false;

	while (!complete && principal->grants->members < limit)
	{
		HeapTuple tuple = catalog_scan_next(&scan);
		Grant     grant;

		complete = !HeapTupleIsValid(tuple);
		if (complete)
			break;
		read_membership(principal, &scan, tuple, &grant);
		add_grant(principal, &grant);
	}
	catalog_scan_end(&scan);
	return complete;
}

/* key_permissions says what a key may do: what its role and its own list have in common, for people only excepted. */
static Bitmapset *
key_permissions(const Role *role, Datum list, bool no_list)
{
	Bitmapset *permissions = bms_intersect(role->permissions, permissions_for_keys());
	Bitmapset *listed = NULL;
	Datum     *names;
	int        nnames;

	if (no_list)
		return permissions;
	deconstruct_array(DatumGetArrayTypeP(list), TEXTOID, -1, false, TYPALIGN_INT, &names, NULL,
	                  &nnames);
	for (int i = 0; i < nnames; i++)
	{
		text *name = DatumGetTextPP(names[i]);
		int   number = find_permission(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

		if (number >= 0)
			listed = bms_add_member(listed, number);
	}
	return bms_int_members(permissions, listed);
}

/* read_key turns a row of the table of API keys into a grant. */
static void
read_key(Principal *principal, CatalogScan *scan, HeapTuple tuple, Grant *grant)
{
	char          name[NAMEDATALEN];
	bool          isnull;
	bool          own;
	Datum         value;
	Bitmapset    *permissions;
	MemoryContext caller;

	value = catalog_scan_value(scan, tuple, Anum_api_key_expires_at, &isnull);
	grant->expires_at = isnull ? DT_NOEND : DatumGetTimestampTz(value);
	(void) catalog_scan_value(scan, tuple, Anum_api_key_revoked_at, &isnull);
	grant->state = isnull ? GRANT_LIVE : GRANT_KEY_REVOKED;
	catalog_scan_name(scan, tuple, Anum_api_key_role, name);
	own = DatumGetBool(catalog_scan_value(scan, tuple, Anum_api_key_own_role, &isnull));
	grant->role = role_of(principal, &principal->identity.tenant_id, name, own);
	value = catalog_scan_value(scan, tuple, Anum_api_key_permissions, &isnull);
	permissions = key_permissions(grant->role, value, isnull);

	caller = MemoryContextSwitchTo(principal->context);
	grant->permissions = bms_copy(permissions);
	MemoryContextSwitchTo(caller);
}

/* read_key_grant reads the one grant that an API key has: in its own tenant. */
static void
read_key_grant(Principal *principal)
{
	const Identity *identity = &principal->identity;
	Datum       keys[] = {UUIDPGetDatum(&identity->tenant_id), UUIDPGetDatum(&identity->key_id)};
	CatalogScan scan = catalog_scan_begin(principal->snapshot, CATALOG_API_KEY_PKEY, 2, keys);
	HeapTuple   tuple = catalog_scan_next(&scan);
	/* A key whose row is gone is as good as revoked. */
	Grant grant = {.state = GRANT_KEY_REVOKED, .expires_at = DT_NOEND};

	if (HeapTupleIsValid(tuple))
		read_key(principal, &scan, tuple, &grant);
	catalog_scan_end(&scan);
	grant.tenant_id = identity->tenant_id;
	if (grant.state == GRANT_LIVE && read_tenant_deleted(principal->snapshot, &grant.tenant_id))
		grant.state = GRANT_TENANT_DELETED;
	add_grant(principal, &grant);
}

/*
 * read_staff_grant makes the one grant that a visitor of the platform's staff has: what a built-in role gives, never
 * the owner's, and no membership of theirs.  The visit's end is the identity's.
 */
static void
read_staff_grant(Principal *principal)
{
	const Identity *identity = &principal->identity;
	Grant           grant = {
				  .tenant_id = identity->tenant_id, .state = GRANT_LIVE, .expires_at = identity->ends_at};

	grant.role = role_of(principal, &identity->tenant_id,
	                     identity->staff == STAFF_CHANGE ? "admin" : "reader", false);
	grant.permissions = grant.role->permissions;
	if (!principal->active)
		grant.state = GRANT_USER_DISABLED;
	else if (read_tenant_deleted(principal->snapshot, &grant.tenant_id))
		grant.state = GRANT_TENANT_DELETED;
	add_grant(principal, &grant);
}

/* ---- making ---------------------------------------------------------------------------------------- */

/* make_principal makes one without grants, in a memory context that goes with the caller's as yet. */
static Principal *
make_principal(const Identity *identity)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "teamrbac principal", ALLOCSET_SMALL_SIZES);
	Principal *principal = MemoryContextAllocZero(context, sizeof(Principal));

	memcpy(principal->generations, generation, sizeof(generation));
	principal->identity = *identity;
	principal->asker = *identity;
	principal->context = context;
	principal->grants = grants_create(context, 4, NULL);
	return principal;
}

/* forget_grants empties a principal that turned out to have too many tenants. */
static void
forget_grants(Principal *principal)
{
	grants_reset(principal->grants);
	principal->nlive = 0;
	principal->expires = false;
}

/* read_principal reads all that a principal consists of, up to the tenants of somebody known to have too many. */
static void
read_principal(Principal *principal, bool too_many)
{
	const Identity *identity = &principal->asker;

	/* Once more, and with the snapshot of the rest: see the head of this file. */
	if (!proof_stands(principal->snapshot, identity))
	{
		static const Identity nobody = IDENTITY_INITIALIZER;

		principal->asker = nobody;
	}
	switch (identity->kind)
	{
		case IDENTITY_NONE:
			principal->complete = true;
			break;
		case IDENTITY_KEY:
			read_key_grant(principal);
			principal->complete = true;
			break;
		case IDENTITY_USER:
			principal->active = read_user_active(principal->snapshot, &identity->user_id);
			if (identity->staff != STAFF_NONE)
			{
				read_staff_grant(principal);
				principal->complete = true;
			}
			else if (identity->in_tenant)
			{
				(void) probe_membership(principal, &identity->tenant_id);
				principal->complete = true;
			}
			else if (!too_many)
				principal->complete = read_memberships(principal, MAX_KEPT_GRANTS);
			if (!principal->complete)
				forget_grants(principal);
			break;
	}
}

/* keep_principal has a principal outlive an error, and the caller's memory. */
static void
keep_principal(Principal *principal)
{
	MemoryContextSetParent(principal->context, CacheMemoryContext);
}

/* load_principal makes a principal as of now, with one snapshot. */
static Principal *
load_principal(const Identity *identity, bool too_many)
{
	Principal *principal = make_principal(identity);

	if (identity->kind != IDENTITY_NONE)
		principal->snapshot = catalog_snapshot();
	read_principal(principal, too_many);
	if (principal->snapshot != NULL)
		UnregisterSnapshot(principal->snapshot);
	principal->snapshot = NULL;
	keep_principal(principal);
	return principal;
}

/* ---- remembering ----------------------------------------------------------------------------------- */

static void
free_principal(Principal *principal)
{
	MemoryContextDelete(principal->context);
}

/* unlist_principal takes a principal out of the memory; it goes now, or with its last pin. */
static void
unlist_principal(Principal *principal)
{
	dlist_delete(&principal->node);
	nprincipals--;
	principal->listed = false;
	if (principal->pins == 0)
		free_principal(principal);
}

/* list_principal puts a new principal first, and drops those unused for longest beyond the bound. */
static void
list_principal(Principal *principal)
{
	dlist_push_head(&principals, &principal->node);
	nprincipals++;
	principal->listed = true;
	while (nprincipals > MAX_PRINCIPALS)
		unlist_principal(dlist_tail_element(Principal, node, &principals));
}

/* same_identity tells whether two identities have the same grants. */
static bool
same_identity(const Identity *a, const Identity *b)
{
	return identity_is_same_actor(a, b) && a->in_tenant == b->in_tenant &&
	       (!a->in_tenant || uuid_same(&a->tenant_id, &b->tenant_id)) &&
	       a->issued_at == b->issued_at && a->issuer == b->issuer && a->ends_at == b->ends_at &&
	       a->carried == b->carried;
}

static Principal *
find_principal(const Identity *identity)
{
	dlist_iter iter;

	dlist_foreach(iter, &principals)
	{
		Principal *principal = dlist_container(Principal, node, iter.cur);

		if (same_identity(&principal->identity, identity))
		{
			dlist_move_head(&principals, &principal->node);
			return principal;
		}
	}
	return NULL;
}

static bool
same_generation(const Principal *principal, Facts kind)
{
	return principal->generations[kind] == generation[kind];
}

/* principal_is_fresh tells whether nothing has changed that this principal depends on. */
static bool
principal_is_fresh(const Principal *principal)
{
	switch (principal->identity.kind)
	{
		case IDENTITY_NONE:
			return true;
		case IDENTITY_USER:
			/* Registering a user sends no signal, so that one unknown as yet is looked up each time. */
			return principal->active && same_generation(principal, FACTS_MEMBERSHIPS) &&
			       same_generation(principal, FACTS_TENANTS) &&
			       same_generation(principal, FACTS_USERS) &&
			       same_generation(principal, FACTS_ROLES) &&
			       same_generation(principal, FACTS_DEFINITIONS) &&
			       (principal->identity.issuer == 0 ||
			        (same_generation(principal, FACTS_ISSUERS) &&
			         same_generation(principal, FACTS_REVOCATIONS)));
		case IDENTITY_KEY:
			return same_generation(principal, FACTS_API_KEYS) &&
			       same_generation(principal, FACTS_TENANTS) &&
			       same_generation(principal, FACTS_ROLES) &&
			       same_generation(principal, FACTS_DEFINITIONS);
	}
	return false;
}

void
principal_carry(Principal *principal)
{
	if (carried != NULL)
		principal_unpin(carried);
	carried = principal;
}

Principal *
principal_of(const Identity *identity)
{
	Principal *principal;
	Principal *successor;

	if (identity->carried)
		return carried;
	principal = find_principal(identity);
	if (principal != NULL && principal_is_fresh(principal))
	{
		counters->cache_hits++;
		return principal;
	}
	statistics_attach();
	counters->reloads++;
	successor = load_principal(identity, principal != NULL && !principal->complete);
	if (principal != NULL)
		unlist_principal(principal);
	list_principal(successor);
	return successor;
}

Principal *
current_principal(void)
{
	Identity identity;

	/* Which user a database role is mapped to is remembered too: first the signals, then who is asking. */
	AcceptInvalidationMessages();
	identity = identity_now();
	return principal_of(&identity);
}

Principal *
principal_for_statement(const Identity *identity)
{
	Principal *principal = principal_of(identity);

	if (!principal->complete)
	{
		principal = make_principal(identity);
		principal->snapshot = catalog_snapshot();
		read_principal(principal, true);
		keep_principal(principal);
	}
	principal_pin(principal);
	return principal;
}

void
principal_end_statement(Principal *principal)
{
	if (principal->snapshot != NULL)
		UnregisterSnapshot(principal->snapshot);
	principal->snapshot = NULL;
}

void
principal_pin(Principal *principal)
{
	principal->pins++;
}

void
principal_unpin(Principal *principal)
{
	Assert(principal->pins > 0);
	if (--principal->pins == 0 && !principal->listed)
		free_principal(principal);
}

/* ---- asking ---------------------------------------------------------------------------------------- */

const Identity *
principal_identity(const Principal *principal)
{
	return &principal->asker;
}

bool
grant_is_live(const Grant *grant, TimestampTz now)
{
	return grant->state == GRANT_LIVE && (grant->expires_at == DT_NOEND || grant->expires_at > now);
}

bool
grant_allows(const Grant *grant, int permission, TimestampTz now)
{
	return grant_is_live(grant, now) && bms_is_member(permission, grant->permissions);
}

const Grant *
principal_grant(Principal *principal, const pg_uuid_t *tenant)
{
	const Grant *grant = grants_lookup(principal->grants, *tenant);

	if (grant != NULL)
		return grant;
	return principal->complete ? &no_grant : probe_membership(principal, tenant);
}

static int
compare_grants(const void *a, const void *b)
{
	return memcmp((*(const Grant *const *) a)->tenant_id.data,
	              (*(const Grant *const *) b)->tenant_id.data, UUID_LEN);
}

const Grant **
principal_known_grants(const Principal *principal, int *ngrants)
{
	int             room = principal->grants->members;
	const Grant   **result = palloc_extended((room + 1) * sizeof(Grant *), MCXT_ALLOC_HUGE);
	const Grant    *grant;
	grants_iterator iterator;
	int             n = 0;

	grants_start_iterate(principal->grants, &iterator);
	while ((grant = grants_iterate(principal->grants, &iterator)) != NULL)
		result[n++] = grant;
	*ngrants = n;
	return result;
}

Bitmapset *
principal_permissions(const Principal *principal)
{
	const Grant    *grant;
	grants_iterator iterator;
	Bitmapset      *permissions = NULL;

	grants_start_iterate(principal->grants, &iterator);
	while ((grant = grants_iterate(principal->grants, &iterator)) != NULL)
		permissions = bms_add_members(permissions, grant->permissions);
	return permissions;
}

void
principal_complete(Principal *principal)
{
	if (principal->complete)
		return;
	(void) read_memberships(principal, INT_MAX);
	/* One that is read anew each time is not known to have them all a moment later. */
	principal->complete = principal->snapshot != NULL;
}

const Grant **
principal_grants(Principal *principal, int *ngrants)
{
	const Grant **result;

	principal_complete(principal);
	result = principal_known_grants(principal, ngrants);
	qsort(result, *ngrants, sizeof(Grant *), compare_grants);
	return result;
}

bool
principal_expires(const Principal *principal)
{
	return principal->expires || !principal->complete;
}

int
principal_live_tenants(Principal *principal, TimestampTz now, pg_uuid_t *tenant)
{
	const Grant    *grant;
	grants_iterator iterator;
	int             nlive = 0;

	if (!principal->complete)
		return 2; /* somebody in so many tenants */
	if (!principal->expires)
	{
		*tenant = principal->live_tenant;
		return Min(principal->nlive, 2);
	}
	grants_start_iterate(principal->grants, &iterator);
	while (nlive < 2 && (grant = grants_iterate(principal->grants, &iterator)) != NULL)
	{
		if (!grant_is_live(grant, now))
			continue;
		nlive++;
		*tenant = grant->tenant_id;
	}
	return nlive;
}

double
principal_estimate(const Principal *principal)
{
	return principal->complete ? principal->grants->members : MAX_KEPT_GRANTS;
}

/* ---- described by another process ------------------------------------------------------------------ */

Principal *
principal_make_described(const Identity *identity)
{
	Principal *principal = make_principal(identity);

	principal->complete = true;
	principal->active = true;
	keep_principal(principal);
	principal_pin(principal);
	return principal;
}

void
principal_add_described(Principal *principal, const Grant *grant, const char *role)
{
	Grant         entry = *grant;
	MemoryContext caller = MemoryContextSwitchTo(principal->context);

	entry.role = remembered_role(principal, role);
	if (entry.role == NULL)
		entry.role = remember_role(principal, role);
	entry.permissions = bms_copy(grant->permissions);
	MemoryContextSwitchTo(caller);
	add_grant(principal, &entry);
}
