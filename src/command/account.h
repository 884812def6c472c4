/*
 * account.h
 *	  The application's users, for commands.
 */
#ifndef TEAMRBAC_ACCOUNT_H
#define TEAMRBAC_ACCOUNT_H

#include "utils/uuid.h"

/* Makes a user known, and records it; false if the address or the id is taken.  Errors: 22023 malformed. */
extern bool insert_user(const pg_uuid_t *user_id, const char *email, const char *display_name);

/* Locks the user's row until the transaction ends.  Errors: P0002 no such user. */
extern void lock_known_user(const pg_uuid_t *user_id);

#endif /* TEAMRBAC_ACCOUNT_H */
