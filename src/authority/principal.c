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

#include "lib/ilist.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "authority/identity.h"
#include "authority/principal_internal.h"
#include "store/catalog.h"
#include "store/statistics.h"

/* How many principals a backend remembers beside the present one. */
#define MAX_PRINCIPALS 64

static dlist_head principals = DLIST_STATIC_INIT(principals);
static int        nprincipals = 0;

/* What a ticket says of whoever is asking, pinned; see ticket.c. */
static Principal *carried = NULL;

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
