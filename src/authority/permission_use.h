/*
 * permission_use.h
 *	  Which permissions members and API keys use, and on which day last, while teamrbac.record_permission_use is on.
 *
 * A use is a check that granted: a permission that was asked for, and had.  It is remembered by the backend, and noted in
 * the tables when a transaction of the backend is about to commit that uses something and may write, this one or a later
 * one, or when the backend ends.  It waits for nobody, and nobody for it.  A crash loses what has not been noted.
 */
#ifndef TEAMRBAC_PERMISSION_USE_H
#define TEAMRBAC_PERMISSION_USE_H

#include "authority/identity_type.h"
#include "store/settings.h"

/* Remembers a use; for use_permission below. */
extern void remember_permission_use(const Identity *identity, const pg_uuid_t *tenant,
                                    int permission);

/* Remembers what the workers of a parallel query have told. */
extern void take_workers_uses(void);

/* Whoever has been granted a permission in a tenant uses it. */
static inline void
use_permission(const Identity *identity, const pg_uuid_t *tenant, int permission)
{
	if (unlikely(record_permission_use))
		remember_permission_use(identity, tenant, permission);
}

/* Once, when the library is loaded. */
extern void permission_use_init(void);

#endif /* TEAMRBAC_PERMISSION_USE_H */
