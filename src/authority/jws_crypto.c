/*
 * jws_crypto.c
 *	  What libcrypto does for JSON Web Signatures.
 *
 * The server is linked with libcrypto already.  Its objects are malloc'd: none of these functions raises an error
 * while it holds one.  They leave libcrypto's queue of errors empty, as the server's own use of it expects.
 */
#include "postgres.h"

#include "jws_crypto.h"

#ifdef USE_OPENSSL

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

void
crypto_require(void)
{
}

PublicKey *
public_key_read(const uint8 *der, int length)
{
	const uint8 *at = der;
	EVP_PKEY    *key = d2i_PUBKEY(NULL, &at, length);

	ERR_clear_error();
	if (key != NULL && at == der + length)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

void
public_key_free(PublicKey *key)
{
	EVP_PKEY_free(key);
}

static const EVP_MD *
message_digest(int bits)
{
	switch (bits)
	{
		case 256:
			return EVP_sha256();
		case 384:
			return EVP_sha384();
		case 512:
			return EVP_sha512();
	}
	return NULL;
}

/* The salt of RSA-PSS is as long as the hash, whatever the signature says (RFC 7518, section 3.5). */
static bool
set_pss(EVP_PKEY_CTX *context)
{
	return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0;
}

bool
public_key_verifies(PublicKey *key, const JwsAlgorithmFacts *algorithm, const char *text,
                    int length, const uint8 *signature, int signature_length)
{
	EVP_MD_CTX   *context;
	EVP_PKEY_CTX *key_context;
	bool          good;

	/* As long as the modulus, zeros in front included: libcrypto takes RSA-PSS without them, a second text. */
	if (algorithm->key_type == JWK_RSA && signature_length != EVP_PKEY_size(key))
		return false;
	context = EVP_MD_CTX_new();
	good =
		context != NULL &&
		EVP_DigestVerifyInit(context, &key_context, message_digest(algorithm->hash_bits), NULL,
	                         key) == 1 &&
		(!algorithm->pss || set_pss(key_context)) &&
		EVP_DigestVerify(context, signature, signature_length, (const uint8 *) text, length) == 1;
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return good;
}

bool
same_bytes(const uint8 *a, const uint8 *b, int length)
{
	return CRYPTO_memcmp(a, b, length) == 0;
}

#else /* !USE_OPENSSL */

void
crypto_require(void)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
	                errmsg("tokens cannot be verified by this server"),
	                errdetail("PostgreSQL was built without OpenSSL.")));
}

PublicKey *
public_key_read(const uint8 *der, int length)
{
	crypto_require();
	return NULL;
}

void
public_key_free(PublicKey *key)
{
}

bool
public_key_verifies(PublicKey *key, const JwsAlgorithmFacts *algorithm, const char *text,
                    int length, const uint8 *signature, int signature_length)
{
	crypto_require();
	return false;
}

bool
same_bytes(const uint8 *a, const uint8 *b, int length)
{
	crypto_require();
	return false;
}

#endif /* USE_OPENSSL */
