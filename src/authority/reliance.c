/*
 * reliance.c
 *	  What a query has relied on, and whether that has been withdrawn.
 */
#include "postgres.h"

#include "authority/identity.h"
#include "authority/reliance.h"

/* grant_is_lost tells whether what a grant gave is not given in the same tenant by a later authority. */
static bool
grant_is_lost(const Reliance *reliance, const Grant *grant, const Authority *now)
{
	const Grant *present;
	Bitmapset   *relied;
	bool         lost;

	if (!grant_is_live(grant, reliance->authority.settled_at))
		return false;
	relied = bms_intersect(reliance->permissions, grant->permissions);
	if (bms_is_empty(relied) && !reliance->memberships)
		return false;
	present = principal_grant(now->principal, &grant->tenant_id);
	lost = !grant_is_live(present, now->settled_at) || !bms_is_subset(relied, present->permissions);
	bms_free(relied);
	return lost;
}

bool
reliance_is_withdrawn(const Reliance *reliance, const Authority *now)
{
	Principal    *before = reliance->authority.principal;
	const Grant **grants;
	int           ngrants;
	bool          withdrawn = false;

	if (before == NULL || (before == now->principal && !principal_expires(before)))
		return false;
	if (!identity_is_same_actor(principal_identity(before), principal_identity(now->principal)))
		return principal_identity(before)->kind != IDENTITY_NONE;
	grants = principal_known_grants(before, &ngrants);
	for (int i = 0; i < ngrants && !withdrawn; i++)
		withdrawn = grant_is_lost(reliance, grants[i], now);
	pfree(grants);
	return withdrawn;
}

void
reliance_add(Reliance *reliance, const Reliance *other, MemoryContext context)
{
	MemoryContext caller;

	reliance->withdrawn = reliance->withdrawn || other->withdrawn;
	if (reliance->authority.principal != other->authority.principal)
	{
		reliance->withdrawn =
			reliance->withdrawn || reliance_is_withdrawn(reliance, &other->authority);
		principal_pin(other->authority.principal);
		if (reliance->authority.principal != NULL)
			principal_unpin(reliance->authority.principal);
		reliance->authority = other->authority;
	}
	reliance->memberships = reliance->memberships || other->memberships;
	if (bms_is_subset(other->permissions, reliance->permissions))
		return;
	caller = MemoryContextSwitchTo(context);
	reliance->permissions = bms_add_members(reliance->permissions, other->permissions);
	MemoryContextSwitchTo(caller);
}
