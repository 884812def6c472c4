/*
 * claims.h
 *	  What a token says (RFC 7519), and whether it may say so here and now.
 */
#ifndef TEAMRBAC_CLAIMS_H
#define TEAMRBAC_CLAIMS_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "jws.h"

/* What an issuer's tokens must be like. */
typedef struct TokenRules
{
	const char *issuer;
	int         naudiences;
	const char *const
				   *audiences; /* a token must be for one of them; with none of them, no token is */
	JwsAlgorithmSet algorithms;
	const char     *type; /* typ, "application/" left out; NULL: whatever it is */
	int64 leeway; /* microseconds that nbf and iat may be ahead of our clock; exp has none */
} TokenRules;

/* A token, and what is in it.  Strings are palloc'd. */
typedef struct Token
{
	Jws    jws;
	Jsonb *claims;
	const char
		*issuer; /* iss, as soon as the token has been read: to choose the issuer's keys by */

	/* Set by token_verify, if it finds nothing wrong. */
	const char *subject;    /* sub */
	const char *id;         /* jti; NULL: it has none */
	TimestampTz expires_at; /* exp */
	TimestampTz issued_at; /* iat; DT_NOBEGIN: it has none, which no time of revocation is before */
} Token;

/*
 * Checks the registered claims at the time now, and puts them into the token.
 */
extern TokenFault claims_check(Token *token, const TokenRules *rules, TimestampTz now);

/*
 * The string at a path of names, such as {o,id}, palloc'd; NULL if there is none or it is no string.
 */
extern char *claim_string(Jsonb *claims, const char *const *path, int npath);

/*
 * Whether there is anything but null at such a path, or something on the way to it that is no object: what claim_string
 * cannot tell from nothing.
 */
extern bool claim_is_present(Jsonb *claims, const char *const *path, int npath);

/* Whether the claim of that name is true: the value, and not the string. */
extern bool claim_is_true(Jsonb *claims, const char *name);

/* Reads a claim that is a time, DT_NOBEGIN if there is none of that name; false if it is something else. */
extern bool claim_time(Jsonb *claims, const char *name, TimestampTz *time);

#endif /* TEAMRBAC_CLAIMS_H */
