/*
 * principal_read.c
 *	  Reads what somebody has been granted: the user's state, memberships, a key's tenant, roles, all by one snapshot.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "authority/identity.h"
#include "authority/permission.h"
#include "authority/principal_internal.h"
#include "authority/proof.h"
#include "authority/role.h"
#include "store/catalog.h"
#include "store/statistics.h"

/* How many tenants are remembered in which somebody has nothing: a scan may ask about any number. */
#define MAX_KEPT_REFUSALS 65536

const Grant no_grant = {.state = GRANT_NONE, .expires_at = DT_NOEND};

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

Role *
remember_role(Principal *principal, const char *name)
{
	RememberedRole *entry = MemoryContextAlloc(principal->context, sizeof(RememberedRole));

	entry->role = make_role(principal, name);
	entry->next = principal->roles;
	principal->roles = entry;
	return entry->role;
}

Role *
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

const Grant *
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

const Grant *
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

bool
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

/* ---- reading: all of it -------------------------------------------------------------------------------- */

/* forget_grants empties a principal that turned out to have too many tenants. */
static void
forget_grants(Principal *principal)
{
	grants_reset(principal->grants);
	principal->nlive = 0;
	principal->expires = false;
}

void
read_principal(Principal *principal, bool too_many)
{
	const Identity *identity = &principal->asker;

	/* Once more, and with the snapshot of the rest: see the head of principal.c. */
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
