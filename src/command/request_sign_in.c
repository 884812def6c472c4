/*
 * request_sign_in.c
 *	  Signing in by what a gateway leaves of an HTTP request in settings.
 *
 * Everybody can set these settings.  They carry a token, which is verified, and wishes that only narrow.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#include "authority/claims.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/strict_json.h"
#include "command/sign_in.h"
#include "command/token_sign_in.h"
#include "compat.h"

#define HEADERS_SETTING "request.headers"
#define TOKEN_SETTING "request.token"
#define TENANT_SETTING "request.tenant"

#define SCHEME "Bearer"

PG_FUNCTION_INFO_V1(teamrbac_sign_in_from_request);

/* setting returns what a setting says; NULL if there is none, or it is empty, as a past transaction leaves it. */
static const char *
setting(const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	return value == NULL || *value == '\0' ? NULL : value;
}

pg_noreturn static void
refuse_headers(const char *detail)
{
	refuse_proof("headers_malformed", "malformed headers in setting \"" HEADERS_SETTING "\"",
	             detail, NULL);
}

/* header returns a header field, palloc'd; NULL if there is none. */
static const char *
header(Jsonb *headers, const char *name)
{
	const char *value;

	if (!claim_is_present(headers, &name, 1))
		return NULL;
	value = claim_string(headers, &name, 1);
	if (value == NULL)
		refuse_headers("A header is no string.");
	return value;
}

static Jsonb *
read_headers(void)
{
	const char *text = setting(HEADERS_SETTING);
	Jsonb      *headers;

	if (text == NULL)
		return NULL;
	headers = strict_json_object((const uint8 *) text, strlen(text));
	if (headers == NULL)
		refuse_headers("They are no JSON object without repeated names.");
	return headers;
}

/* bearer_token returns the token of an authorization field; NULL if it is of another scheme (RFC 6750, 2.1). */
static const char *
bearer_token(const char *authorization)
{
	const int length = strlen(SCHEME);

	if (authorization == NULL || pg_strncasecmp(authorization, SCHEME, length) != 0 ||
	    (authorization[length] != ' ' && authorization[length] != '\0'))
		return NULL;
	authorization += length;
	return authorization + strspn(authorization, " ");
}

/*
 * require_one_way: a gateway that leaves headers sets no settings beside them, and one that sets settings leaves no headers.
 * Otherwise somebody whose SQL ran on a pooled connection could plant, in the one that this gateway does not use, a token of
 * theirs for whoever comes next without one.
 */
static void
require_one_way(const Jsonb *headers)
{
	if (headers != NULL && (GetConfigOption(TOKEN_SETTING, true, false) != NULL ||
	                        GetConfigOption(TENANT_SETTING, true, false) != NULL))
		refuse_proof("request_ambiguous", "ambiguous request",
		             "Setting \"" HEADERS_SETTING "\" is set, and so is \"" TOKEN_SETTING
		             "\" or \"" TENANT_SETTING "\".",
		             "A gateway uses the one or the others.");
}

/* sign_in_from_request(): the transaction acts as the request's token says; without one, as nobody. */
Datum
teamrbac_sign_in_from_request(PG_FUNCTION_ARGS)
{
	Identity    identity = IDENTITY_INITIALIZER;
	Jsonb      *headers = read_headers();
	const char *token;
	const char *tenant;
	pg_uuid_t  *user_id = palloc(sizeof(pg_uuid_t));

	require_one_way(headers);
	token =
		headers != NULL ? bearer_token(header(headers, "authorization")) : setting(TOKEN_SETTING);
	tenant = headers != NULL ? header(headers, "teamrbac-tenant") : setting(TENANT_SETTING);
	if (token == NULL)
	{
		identity_set(&identity, true);
		PG_RETURN_NULL();
	}
	identity = sign_in_by_token(token, strlen(token), tenant, true);
	warn_if_over(true);
	*user_id = identity.user_id;
	PG_RETURN_UUID_P(user_id);
}
