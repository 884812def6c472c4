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
extern pg_uuid_t require_user(const pg_uuid_t *tenant);

#endif /* TEAMRBAC_CHECK_H */
