/*
 * claims.c
 *	  What a token says, and whether it may say so here and now.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "claims.h"

/* The last second of the year 9999.  A later one is milliseconds, which would never end. */
#define LAST_DATE 253402300799.0

/* A claim that may be missing, and may be wrong. */
typedef enum ClaimState
{
	CLAIM_MISSING,
	CLAIM_PRESENT,
	CLAIM_WRONG /* is of another kind */
} ClaimState;

static bool
find_claim(Jsonb *claims, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(&claims->root, name, strlen(name), value) != NULL;
}

static ClaimState
string_claim(Jsonb *claims, const char *name, const char **string)
{
	JsonbValue value;

	*string = NULL;
	if (!find_claim(claims, name, &value))
		return CLAIM_MISSING;
	if (value.type != jbvString || value.val.string.len == 0)
		return CLAIM_WRONG;
	*string = pnstrdup(value.val.string.val, value.val.string.len);
	return CLAIM_PRESENT;
}

/* time_claim reads a NumericDate: seconds since 1970, perhaps with a fraction. */
static ClaimState
time_claim(Jsonb *claims, const char *name, TimestampTz *time)
{
	JsonbValue value;
	float8     seconds;

	if (!find_claim(claims, name, &value))
		return CLAIM_MISSING;
	if (value.type != jbvNumeric)
		return CLAIM_WRONG;
	/* Too large a number becomes infinity here, and no error. */
	seconds = DatumGetFloat8(
		DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value.val.numeric)));
	if (!(seconds >= 0 && seconds <= LAST_DATE))
		return CLAIM_WRONG;
	/* Down rather than up, so that nothing lives longer than it says. */
	*time = (TimestampTz) floor(seconds * USECS_PER_SEC) -
	        (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	return CLAIM_PRESENT;
}

static bool
is_audience(const JsonbValue *value, const TokenRules *rules)
{
	for (int i = 0; i < rules->naudiences; i++)
	{
		if (strlen(rules->audiences[i]) == value->val.string.len &&
		    memcmp(rules->audiences[i], value->val.string.val, value->val.string.len) == 0)
			return true;
	}
	return false;
}

/* check_audience: aud is one name, or an array of them, one of which must be ours. */
static TokenFault
check_audience(Jsonb *claims, const TokenRules *rules)
{
	JsonbValue      value;
	JsonbContainer *array;
	TokenFault      fault = TOKEN_AUDIENCE;

	if (!find_claim(claims, "aud", &value))
		return TOKEN_CLAIMS;
	if (value.type == jbvString)
		return is_audience(&value, rules) ? TOKEN_GOOD : TOKEN_AUDIENCE;
	if (value.type != jbvBinary || !JsonContainerIsArray(value.val.binary.data))
		return TOKEN_CLAIMS;
	array = value.val.binary.data;
	for (uint32 i = 0; i < JsonContainerSize(array); i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(array, i);

		if (element->type != jbvString)
			return TOKEN_CLAIMS;
		if (is_audience(element, rules))
			fault = TOKEN_GOOD;
		pfree(element);
	}
	return fault;
}

/* check_times: what has ended has ended; what begins may begin a little early, as clocks differ. */
static TokenFault
check_times(Token *token, const TokenRules *rules, TimestampTz now)
{
	TimestampTz not_before = DT_NOBEGIN;

	token->issued_at = DT_NOBEGIN;
	if (time_claim(token->claims, "exp", &token->expires_at) != CLAIM_PRESENT ||
	    time_claim(token->claims, "nbf", &not_before) == CLAIM_WRONG ||
	    time_claim(token->claims, "iat", &token->issued_at) == CLAIM_WRONG)
		return TOKEN_CLAIMS;
	if (now >= token->expires_at)
		return TOKEN_EXPIRED;
	if (not_before > now + rules->leeway)
		return TOKEN_NOT_YET;
	if (token->issued_at > now + rules->leeway)
		return TOKEN_FROM_FUTURE;
	return TOKEN_GOOD;
}

TokenFault
claims_check(Token *token, const TokenRules *rules, TimestampTz now)
{
	TokenFault fault;

	if (strcmp(token->issuer, rules->issuer) != 0)
		return TOKEN_ISSUER;
	if (string_claim(token->claims, "sub", &token->subject) != CLAIM_PRESENT ||
	    string_claim(token->claims, "jti", &token->id) == CLAIM_WRONG)
		return TOKEN_CLAIMS;
	fault = check_audience(token->claims, rules);
	return fault != TOKEN_GOOD ? fault : check_times(token, rules, now);
}

/* follow follows a path of names, until there is nothing more; false, with the value null, if a name leads nowhere. */
static bool
follow(Jsonb *claims, const char *const *path, int npath, JsonbValue *value)
{
	JsonbContainer *container = &claims->root;

	value->type = jbvNull;
	for (int i = 0; i < npath; i++)
	{
		if (container == NULL || !JsonContainerIsObject(container))
			return false;
		if (getKeyJsonValueFromContainer(container, path[i], strlen(path[i]), value) == NULL)
		{
			value->type = jbvNull;
			return false;
		}
		container = value->type == jbvBinary ? value->val.binary.data : NULL;
	}
	return true;
}

char *
claim_string(Jsonb *claims, const char *const *path, int npath)
{
	JsonbValue value;

	return follow(claims, path, npath, &value) && value.type == jbvString
	           ? pnstrdup(value.val.string.val, value.val.string.len)
	           : NULL;
}

bool
claim_is_present(Jsonb *claims, const char *const *path, int npath)
{
	JsonbValue value;

	(void) follow(claims, path, npath, &value);
	return value.type != jbvNull;
}

bool
claim_is_true(Jsonb *claims, const char *name)
{
	JsonbValue value;

	return find_claim(claims, name, &value) && value.type == jbvBool && value.val.boolean;
}

bool
claim_time(Jsonb *claims, const char *name, TimestampTz *time)
{
	*time = DT_NOBEGIN;
	return time_claim(claims, name, time) != CLAIM_WRONG;
}
