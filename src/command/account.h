/*
 * account.h
 *	  What the commands on users have in common.
 */
#ifndef TEAMRBAC_ACCOUNT_H
#define TEAMRBAC_ACCOUNT_H

#include "compat.h"
#include "utils/uuid.h"

/* P0002. */
pg_noreturn extern void refuse_no_such_user(void);

/*
 * Raises 55000 for somebody who owns a tenant: nobody could manage it.  deleted_too: also one that is deleted,
 * since it may be restored.
 */
extern void refuse_owner(const pg_uuid_t *user, bool deleted_too);

/* Ends the mapping of a database role, if there is one, and records it. */
extern void unmap_database_role(Oid role);

#endif /* TEAMRBAC_ACCOUNT_H */
