/*
 * jws_sign.c
 *	  Signing with an Ed25519 key from a file of the server's.
 *
 * The key is in memory during the call alone: read, used and wiped.  libcrypto's objects are malloc'd: no error is raised
 * while there is one.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "storage/fd.h"

#include "base64url.h"
#include "compat.h"
#include "store/reason.h"
#include "jws_crypto.h"
#include "jws_sign.h"

#define ED25519_KEY_LENGTH 32
#define ED25519_SIGNATURE_LENGTH 64

/* A PEM file with such a key has some 120 bytes; more is something else. */
#define MAX_KEY_FILE 4096

#ifdef USE_OPENSSL

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

/* read_key_file reads all of the file into pem, which has room for MAX_KEY_FILE, and returns how much that is. */
static int
read_key_file(const char *key_file, char *pem)
{
	int file = OpenTransientFile(key_file, O_RDONLY | PG_BINARY);
	int length;

	if (file < 0)
		ereport(ERROR, (errcode(ERRCODE_IO_ERROR),
		                errmsg("could not open the file of the signing key: %m")));
	length = (int) read(file, pem, MAX_KEY_FILE);
	if (CloseTransientFile(file) != 0 || length < 0)
	{
		explicit_bzero(pem, MAX_KEY_FILE);
		ereport(ERROR, (errcode(ERRCODE_IO_ERROR),
		                errmsg("could not read the file of the signing key: %m")));
	}
	return length;
}

/* A passphrase is asked for by nobody, and not at the server's terminal. */
static int
no_passphrase(char *buffer, int size, int writing, void *context)
{
	return 0;
}

static EVP_PKEY *
read_private_key(const char *key_file)
{
	char      pem[MAX_KEY_FILE];
	int       length = read_key_file(key_file, pem);
	BIO      *memory = BIO_new_mem_buf(pem, length);
	EVP_PKEY *key =
		memory != NULL ? PEM_read_bio_PrivateKey(memory, NULL, no_passphrase, NULL) : NULL;

	BIO_free(memory);
	explicit_bzero(pem, sizeof(pem));
	ERR_clear_error();
	if (key != NULL && EVP_PKEY_id(key) == EVP_PKEY_ED25519)
		return key;
	EVP_PKEY_free(key);
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("signing_key_missing"),
	                errmsg("the file of the signing key holds no Ed25519 private key"),
	                errhint("Make one by: openssl genpkey -algorithm ed25519")));
	return NULL;
}

static bool
sign(const char *key_file, const char *text, uint8 *signature)
{
	EVP_PKEY   *key = read_private_key(key_file);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t      length = ED25519_SIGNATURE_LENGTH;
	bool        good;

	good = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
	       EVP_DigestSign(context, signature, &length, (const uint8 *) text, strlen(text)) == 1;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return good;
}

static bool
public_key(const char *key_file, uint8 *bytes)
{
	EVP_PKEY *key = read_private_key(key_file);
	size_t    length = ED25519_KEY_LENGTH;
	bool      good = EVP_PKEY_get_raw_public_key(key, bytes, &length) == 1;

	EVP_PKEY_free(key);
	ERR_clear_error();
	return good;
}

#else /* !USE_OPENSSL */

static bool
sign(const char *key_file, const char *text, uint8 *signature)
{
	crypto_require();
	return false;
}

static bool
public_key(const char *key_file, uint8 *bytes)
{
	crypto_require();
	return false;
}

#endif

pg_noreturn static void
refuse_failure(void)
{
	ereport(ERROR,
	        (errcode(ERRCODE_INTERNAL_ERROR), errmsg("libcrypto could not use the signing key")));
}

char *
jws_sign(const char *key_file, const char *header, const char *payload)
{
	uint8 signature[ED25519_SIGNATURE_LENGTH];
	char *text = psprintf("%s.%s", base64url_encode((const uint8 *) header, strlen(header)),
	                      base64url_encode((const uint8 *) payload, strlen(payload)));

	if (!sign(key_file, text, signature))
		refuse_failure();
	return psprintf("%s.%s", text, base64url_encode(signature, sizeof(signature)));
}

char *
jws_public_keys(const char *key_file)
{
	uint8 bytes[ED25519_KEY_LENGTH];

	if (!public_key(key_file, bytes))
		refuse_failure();
	return psprintf(
		"{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"alg\": \"EdDSA\", \"use\": "
		"\"sig\", \"x\": \"%s\"}]}",
		base64url_encode(bytes, sizeof(bytes)));
}
