/*
 * token.h
 *	  JSON Web Tokens: read, then verified.
 *
 *	Token      token;
 *	TokenFault fault = token_read(text, length, &token);
 *
 *	if (fault == TOKEN_GOOD)
 *		... look for the issuer that the token claims to be of, token.issuer: its rules and its keys
 *	    fault = token_verify(&token, &rules, keys, now);
 *	if (fault != TOKEN_GOOD)
 *		... refuse, with token_fault_reason(fault)
 *
 * Only then is anything in the token to be believed.  What remains to the caller is what tables tell: who the
 * subject is, and whether the token has been revoked or, by its id, used before.
 */
#ifndef TEAMRBAC_TOKEN_H
#define TEAMRBAC_TOKEN_H

#include "claims.h"
#include "jwk.h"

/*
 * Reads a token, of which nothing is to be believed yet.  text: the caller's, which must outlive the token.
 */
extern TokenFault token_read(const char *text, int length, Token *token);

/*
 * Verifies a token that was read, by its issuer's rules and keys, at the time now.  Errors: 0A000 without OpenSSL.
 */
extern TokenFault token_verify(Token *token, const TokenRules *rules, const JwkSet *keys,
                               TimestampTz now);

#endif /* TEAMRBAC_TOKEN_H */
