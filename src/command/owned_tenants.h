/*
 * owned_tenants.h
 *	  How many tenants somebody may own.
 */
#ifndef TEAMRBAC_OWNED_TENANTS_H
#define TEAMRBAC_OWNED_TENANTS_H

#include "utils/uuid.h"

/*
 * Raises 55000 if a user, who has just become the owner of another tenant, owns more than
 * teamrbac.max_tenants_per_user.
 */
extern void require_tenant_allowance(const pg_uuid_t *user);

#endif /* TEAMRBAC_OWNED_TENANTS_H */
