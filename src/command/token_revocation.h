/*
 * token_revocation.h
 *	  Revoking tokens that were issued.
 */
#ifndef TEAMRBAC_TOKEN_REVOCATION_H
#define TEAMRBAC_TOKEN_REVOCATION_H

#include "utils/uuid.h"

/* Revokes what was issued to a user until now: by one issuer (its number), or by all (0).  Lock the user's row first. */
extern void revoke_tokens_of(const pg_uuid_t *user_id, int32 issuer);

#endif /* TEAMRBAC_TOKEN_REVOCATION_H */
