/*
 * jwt_claims.c
 *	  Signing in by claims that a gateway has verified.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "authority/claims.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/last_use.h"
#include "authority/proof.h"
#include "authority/strict_json.h"
#include "authority/trusted_issuer.h"
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

/* issuer_of returns the issuer that the claims name, if it is one that is trusted here; else NULL. */
static const TrustedIssuer *
issuer_of(const char *name)
{
	return name != NULL ? trusted_issuer(name, GetCurrentTimestamp()) : NULL;
}

/*
 * find_user finds out who the claims are about: by a link, or by sub itself.  False where there is no sub.  What the DBA
 * has said of an issuer holds whoever verifies its tokens.
 */
static bool
find_user(Jsonb *claims, Identity *identity)
{
	static const char *const sub[] = {"sub"};
	static const char *const iss[] = {"iss"};
	char                    *subject = claim_string(claims, sub, 1);
	char                    *name = claim_string(claims, iss, 1);
	const TrustedIssuer     *issuer = issuer_of(name);

	if (!claim_is_present(claims, sub, 1))
		return false;
	if (subject == NULL)
		refuse_claims("\"sub\" is not a string.");
	identity->issuer = issuer != NULL ? issuer->number : 0;
	if (name != NULL && linked_user(name, subject, &identity->user_id))
		return true;
	if ((issuer != NULL && !issuer->subject_is_user_id) ||
	    !subject_uuid(subject, &identity->user_id))
		refuse_proof("user_unregistered", "unknown or disabled user",
		             "\"sub\" is no user's id, and not linked to a user.",
		             "Link it by teamrbac.link_identity.");
	return true;
}

/* identity_of makes an identity of the claims, unless what they come from has been revoked; nobody, if there is no sub. */
static Identity
identity_of(Jsonb *claims)
{
	Identity    found = IDENTITY_INITIALIZER;
	Identity    identity = IDENTITY_INITIALIZER;
	TimestampTz issued_at;

	if (!claim_time(claims, "iat", &issued_at))
		refuse_claims("\"iat\" is not a time.");
	if (!find_user(claims, &found))
		return identity;
	identity = require_active_user(&found.user_id);
	identity.issuer = found.issuer;
	identity.issued_at = Min(issued_at, GetCurrentTimestamp());
	if (!foreign_proof_stands(&identity))
		refuse_proof("token_revoked", "invalid token", "It has been revoked.", NULL);
	return identity;
}

/* sign_in_from_jwt_claims(): the transaction acts as the user that the gateway's verified claims name. */
Datum
teamrbac_sign_in_from_jwt_claims(PG_FUNCTION_ARGS)
{
	const char *claims = GetConfigOption(CLAIMS_SETTING, true, false);
	Identity    identity = IDENTITY_INITIALIZER;
	pg_uuid_t  *user_id = palloc(sizeof(pg_uuid_t));

	AcceptInvalidationMessages();
	if (claims != NULL && *claims != '\0')
		identity = identity_of(read_claims(claims));
	identity_set(&identity, true);
	if (identity.kind == IDENTITY_NONE)
		PG_RETURN_NULL();
	note_user_activity(&identity.user_id);
	warn_if_over(true);
	*user_id = identity.user_id;
	PG_RETURN_UUID_P(user_id);
}
