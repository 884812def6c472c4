/*
 * jwk.h
 *	  An issuer's keys: a JSON Web Key Set (RFC 7517), checked and ready for use.
 */
#ifndef TEAMRBAC_JWK_H
#define TEAMRBAC_JWK_H

#include "utils/jsonb.h"

#include "jws_crypto.h"

/* More would be tried one after the other for tokens that name none. */
#define JWK_SET_MAX_KEYS 64

typedef struct Jwk
{
	JwkType     type;
	const char *id; /* kid; NULL: it has none */
	int only;       /* the one algorithm that it is for, as alg says; -1: each that fits its type */
	PublicKey *public_key;
	bytea     *secret; /* of JWK_SECRET, in place of a public key */
} Jwk;

typedef struct JwkSet
{
	MemoryContext         context; /* holds it all; the keys are released and wiped with it */
	MemoryContextCallback callback;
	int                   nkeys;
	Jwk                   keys[JWK_SET_MAX_KEYS];
} JwkSet;

/*
 * Makes keys of a JWKS, in a memory context of its own below the current one: MemoryContextSetParent keeps them,
 * MemoryContextDelete(set->context) ends them.  Keys that are not for verifying, or of a kind that we don't know,
 * are left out, as the RFC wants it.
 *
 * Errors, none of which shows a key: 22023 no JWKS, a malformed, weak or private key, or none that can verify;
 * 0A000 without OpenSSL.
 */
extern JwkSet *jwk_set_make(Jsonb *jwks);

/* The same, of keys that were taken once: there may be none left that can verify. */
extern JwkSet *jwk_set_read(Jsonb *jwks);

#endif /* TEAMRBAC_JWK_H */
