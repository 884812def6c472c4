/*
 * jwt_claims.c
 *	  Signing in by claims that a gateway has verified.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"
#include "utils/inval.h"

#include "authority/claims.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/last_use.h"
#include "authority/strict_json.h"
#include "command/linked_identity.h"
#include "command/sign_in.h"
#include "compat.h"

#define CLAIMS_SETTING "request.jwt.claims"

PG_FUNCTION_INFO_V1(teamrbac_sign_in_from_jwt_claims);

/* refuse_claims: what is wrong with the claims is wrong with the identity. */
pg_noreturn static void
refuse_claims(const char *detail)
{
	refuse_proof("claims_malformed", "malformed claims in setting \"" CLAIMS_SETTING "\"", detail,
	             NULL);
}

static Jsonb *
read_claims(const char *text)
{
	Jsonb *claims = strict_json_object((const uint8 *) text, strlen(text));

	if (claims == NULL)
		refuse_claims("They are no JSON object without repeated names.");
	return claims;
}

/* find_user finds out who the claims are about: by a link, or by sub itself.  False where there is no sub. */
static bool
find_user(Jsonb *claims, pg_uuid_t *user_id)
{
	static const char *const sub[] = {"sub"};
	static const char *const iss[] = {"iss"};
	char                    *subject = claim_string(claims, sub, 1);
	char                    *issuer = claim_string(claims, iss, 1);

	if (!claim_is_present(claims, sub, 1))
		return false;
	if (subject == NULL)
		refuse_claims("\"sub\" is not a string.");
	if (issuer != NULL && linked_user(issuer, subject, user_id))
		return true;
	if (!subject_uuid(subject, user_id))
		refuse_proof("user_unregistered", "unknown or disabled user",
		             "\"sub\" is no user's id, and not linked to a user.",
		             "Link it by teamrbac.link_identity.");
	return true;
}

/* sign_in_from_jwt_claims(): the transaction acts as the user that the gateway's verified claims name. */
Datum
teamrbac_sign_in_from_jwt_claims(PG_FUNCTION_ARGS)
{
	const char *claims = GetConfigOption(CLAIMS_SETTING, true, false);
	Identity    identity = IDENTITY_INITIALIZER;
	pg_uuid_t  *user_id = palloc(sizeof(pg_uuid_t));

	if (claims == NULL || *claims == '\0' || !find_user(read_claims(claims), user_id))
	{
		identity_set(&identity, true);
		PG_RETURN_NULL();
	}
	AcceptInvalidationMessages();
	identity = require_active_user(user_id);
	identity_set(&identity, true);
	note_user_activity(user_id);
	warn_if_over(true);
	PG_RETURN_UUID_P(user_id);
}
