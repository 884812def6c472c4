/*
 * jws_crypto.h
 *	  What libcrypto does for JSON Web Signatures.
 */
#ifndef TEAMRBAC_JWS_CRYPTO_H
#define TEAMRBAC_JWS_CRYPTO_H

#include "jws.h"

/* A public key of libcrypto's, which knows nothing of memory contexts. */
typedef struct evp_pkey_st PublicKey;

/* 0A000 if the server, and with it this library, was built without OpenSSL. */
extern void crypto_require(void);

/*
 * Reads a SubjectPublicKeyInfo; NULL if it is none, or a point that is not on its curve.  Raises no error, so that
 * the caller can give the key an owner first; it is released by public_key_free.
 */
extern PublicKey *public_key_read(const uint8 *der, int length);
extern void       public_key_free(PublicKey *key);

/*
 * Whether the signature, an ECDSA one in DER, is this key's.  The key is of the algorithm's type.
 */
extern bool public_key_verifies(PublicKey *key, const JwsAlgorithmFacts *algorithm,
                                const char *text, int length, const uint8 *signature,
                                int signature_length);

/* Compares in a time that does not depend on where they differ. */
extern bool same_bytes(const uint8 *a, const uint8 *b, int length);

#endif /* TEAMRBAC_JWS_CRYPTO_H */
