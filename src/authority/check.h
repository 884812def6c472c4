/*
 * check.h
 *	  The permission check, for C callers.
 */
#ifndef TEAMRBAC_CHECK_H
#define TEAMRBAC_CHECK_H

#include "fmgr.h"
#include "utils/uuid.h"

/*
 * Whether whoever is asking has the permission in the tenant (NULL: in none) at this moment; 22023 for an
 * unknown one.
 */
extern bool asker_may(const pg_uuid_t *tenant, const char *permission);

/* The same where it decides whether something is done: what was needed for that has been used, if it is recorded. */
extern bool asker_uses(const pg_uuid_t *tenant, const char *permission);

/*
 * Raises 28000 when nobody is asking, 42501 unless whoever is asking has the permission in the tenant at
 * this moment, 22023 for an unknown permission.
 */
extern void require_permission(const pg_uuid_t *tenant, const char *permission);

/* The same by the authority of the query that a call belongs to, as policies ask. */
extern void require_permission_of_call(const FmgrInfo *flinfo, const pg_uuid_t *tenant,
                                       const char *permission);

/*
 * The user who is asking.  Errors: 28000 for nobody, 42501 for an API key.  tenant: see errors.h.
 */
extern pg_uuid_t require_person(const pg_uuid_t *tenant);

/* The same for what is done in one's own name: 42501 for a visitor of the platform's staff as well. */
extern pg_uuid_t require_user(const pg_uuid_t *tenant);

/* Raises 42501 where a visitor of the platform's staff would give access in the tenant to themselves. */
extern void require_no_own_access(const pg_uuid_t *tenant, const pg_uuid_t *user);

#endif /* TEAMRBAC_CHECK_H */
