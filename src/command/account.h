/*
 * account.h
 *	  What the commands on users have in common.
 */
#ifndef TEAMRBAC_ACCOUNT_H
#define TEAMRBAC_ACCOUNT_H

#include "utils/uuid.h"

#include "compat.h"

/* P0002. */
pg_noreturn extern void refuse_no_such_user(void);

/*
 * Raises 55000 for somebody who owns a tenant: nobody could manage it.  deleted_too: also one that is deleted,
 * since it may be restored.
 */
extern void refuse_owner(const pg_uuid_t *user, bool deleted_too);

/* Ends the mapping of a database role, if there is one, and records it. */
extern void unmap_database_role(Oid role);

/* Makes a user known, and records it; false if the address or the id is taken.  Errors: 22023 malformed. */
extern bool insert_user(const pg_uuid_t *user_id, const char *email, const char *display_name);

/* Locks the user's row until the transaction ends.  Errors: P0002 no such user. */
extern void lock_known_user(const pg_uuid_t *user_id);

#endif /* TEAMRBAC_ACCOUNT_H */
