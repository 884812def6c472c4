/*
 * check.h
 *	  The permission check, for C callers.
 */
#ifndef TEAMRBAC_CHECK_H
#define TEAMRBAC_CHECK_H

#include "utils/array.h"

#include "authority/authority.h"
#include "authority/cache.h"

/*
 * Whoever is asking, with the newest grants this backend can know of.  The pointer is good until the next
 * call that accepts invalidations.
 */
extern Subject *current_subject(void);

/* The number of a permission; 22023, with the nearest known name, if there is none. */
extern int require_known_permission(const Definitions *definitions, const char *name, int length);

/* Whether a grant gives the permission at this time. */
extern bool grant_allows(const Grant *grant, int permission, TimestampTz now);

/* Whether a grant gives anything at this time. */
extern bool grant_is_live(const Grant *grant, TimestampTz now);

/*
 * Whether whoever is asking has the permission in the tenant (NULL: in none) at this moment; 22023 for an
 * unknown one.
 */
extern bool asker_may(const pg_uuid_t *tenant, const char *permission);

/*
 * Where whoever is asking has the permission at this moment, in order; 22023 for an unknown one.  What the answer
 * came from goes into authority, unless that is NULL.
 */
extern ArrayType *permitted_tenants(const text *permission, Authority *authority);

/* Where whoever is asking has a permission. */
typedef enum PermittedTenants
{
	PERMITTED_NOWHERE,
	PERMITTED_IN_ONE,
	PERMITTED_IN_SOME /* or in one, or nowhere: each row must be asked about */
} PermittedTenants;

/*
 * Whether whoever is asking has the permission in one tenant only at this moment, and in which; without going through more
 * than one grant.  What the answer came from goes into authority.  22023 for an unknown permission.
 */
extern PermittedTenants only_permitted_tenant(const text *permission, Authority *authority,
                                              pg_uuid_t *tenant);

/* Whether the subject and the permission of an authority let a tenant's rows through. */
extern bool authority_permits(const Authority *authority, const pg_uuid_t *tenant);

/*
 * Raises 28000 when nobody is asking, 42501 unless whoever is asking has the permission in the tenant at
 * this moment, 22023 for an unknown permission.
 */
extern void require_permission(const pg_uuid_t *tenant, const char *permission);

#endif /* TEAMRBAC_CHECK_H */
