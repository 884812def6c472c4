/*
 * trusted_issuer.h
 *	  The issuers of tokens that are trusted: their rules and their keys.
 */
#ifndef TEAMRBAC_TRUSTED_ISSUER_H
#define TEAMRBAC_TRUSTED_ISSUER_H

#include "token.h"

typedef struct TrustedIssuer
{
	TokenRules         rules; /* but for the leeway */
	int32              number;
	const char *const *tenant_claim;  /* the path of names to it */
	int                ntenant_claim; /* 0: there is none */
	bool               register_users;
	bool               one_time;
	bool               subject_is_user_id;
	JwkSet            *keys;
	TimestampTz        keys_until; /* when one of the keys ends; DT_NOEND: none does */
} TrustedIssuer;

/*
 * The issuer of that name, with the keys that are good at this time; NULL if it is not trusted.  In memory until a signal
 * says that issuers have changed, or one of its keys ends.  Good until the next call.  Accept invalidations first.
 */
extern const TrustedIssuer *trusted_issuer(const char *issuer, TimestampTz now);

#endif /* TEAMRBAC_TRUSTED_ISSUER_H */
