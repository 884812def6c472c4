/*
 * linked_identity.h
 *	  Who the subject of a token is.
 */
#ifndef TEAMRBAC_LINKED_IDENTITY_H
#define TEAMRBAC_LINKED_IDENTITY_H

#include "utils/uuid.h"

/* The user to whom a subject of an issuer is linked, read at this moment; false if it is linked to none. */
extern bool linked_user(const char *issuer, const char *subject, pg_uuid_t *user_id);

/*
 * An id that stands for a subject that is nobody, in the place of a user's: what is revoked by it is not to make a user
 * of the subject again.  Made of a hash, so that it says nothing of who that was.
 */
extern pg_uuid_t subject_id(const char *issuer, const char *subject);

/* Revokes what was issued until now to a user who is about to be erased, and to all subjects linked to them. */
extern void revoke_tokens_of_erased(const pg_uuid_t *user_id);

/* Reads a uuid in its usual form of 36 characters, in either case; false if the text is none. */
extern bool subject_uuid(const char *subject, pg_uuid_t *user_id);

#endif /* TEAMRBAC_LINKED_IDENTITY_H */
