/*
 * role.h
 *	  Roles and their permissions, as the tables have them.
 */
#ifndef TEAMRBAC_ROLE_H
#define TEAMRBAC_ROLE_H

#include "nodes/bitmapset.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

#include "authority/principal.h"

/*
 * The permissions of a tenant's own role, or for NULL of a global one, palloc'd, read with a snapshot of
 * catalog_snapshot or NULL.
 */
extern Bitmapset *read_role_permissions(Snapshot snapshot, const pg_uuid_t *tenant,
                                        const char *name);

/*
 * A role that can be given in the tenant (NULL: in any), read now and palloc'd; NULL if there is none of the name.
 * A name is either of a global role or of tenants' own: guard_role_name sees to that.
 */
extern const Role *find_role(const pg_uuid_t *tenant, const char *name);

/* The same; 22023 if there is none. */
extern const Role *require_known_role(const pg_uuid_t *tenant, const char *name);

#endif /* TEAMRBAC_ROLE_H */
