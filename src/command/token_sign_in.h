/*
 * token_sign_in.h
 *	  Signing in by a token that we verify.
 */
#ifndef TEAMRBAC_TOKEN_SIGN_IN_H
#define TEAMRBAC_TOKEN_SIGN_IN_H

#include "authority/identity_type.h"

/*
 * Makes whoever a token says the asker, for the transaction (local) or the session, and returns who that is.  tenant: the
 * acting tenant as whoever sends the request names it, an id or a slug; NULL: by the token alone.  Errors: 28000 with a
 * reason; 42501 no live member of the tenant, or another one than the token's.
 */
extern Identity sign_in_by_token(const char *token, int length, const char *tenant, bool local);

#endif /* TEAMRBAC_TOKEN_SIGN_IN_H */
