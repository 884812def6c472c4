/*
 * token.c
 *	  JSON Web Tokens: read, then verified.
 *
 * The signature comes before everything that the claims say, so that somebody without a key learns nothing about
 * what the rules are.
 */
#include "postgres.h"

#include "strict_json.h"
#include "token.h"

#define TYPE_PREFIX "application/"

/* has_type compares media types, which know no case; their usual beginning may be left out (RFC 7515, 4.1.9). */
static bool
has_type(const Jws *jws, const char *type)
{
	const char *actual = jws->type;

	if (type == NULL)
		return true;
	if (actual == NULL)
		return false;
	if (pg_strncasecmp(actual, TYPE_PREFIX, strlen(TYPE_PREFIX)) == 0)
		actual += strlen(TYPE_PREFIX);
	return pg_strcasecmp(actual, type) == 0;
}

TokenFault
token_read(const char *text, int length, Token *token)
{
	static const char *const iss[] = {"iss"};
	TokenFault               fault;

	memset(token, 0, sizeof(Token));
	fault = jws_parse(text, length, &token->jws);
	if (fault != TOKEN_GOOD)
		return fault;
	token->claims = strict_json_object(token->jws.payload, token->jws.payload_length);
	if (token->claims == NULL)
		return TOKEN_MALFORMED;
	token->issuer = claim_string(token->claims, iss, 1);
	return token->issuer != NULL ? TOKEN_GOOD : TOKEN_CLAIMS;
}

TokenFault
token_verify(Token *token, const TokenRules *rules, const JwkSet *keys, TimestampTz now)
{
	TokenFault fault = jws_verify(&token->jws, keys, rules->algorithms);

	if (fault != TOKEN_GOOD)
		return fault;
	return has_type(&token->jws, rules->type) ? claims_check(token, rules, now) : TOKEN_TYPE;
}
