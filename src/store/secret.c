/*
 * secret.c
 *	  Random secrets, and the hashes that are stored in their stead.
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "store/secret.h"

#define SECRET_BYTES 32

char *
make_secret(void)
{
	char  random[SECRET_BYTES];
	char *secret = palloc(2 * SECRET_BYTES + 1);

	if (!pg_strong_random(random, SECRET_BYTES))
		ereport(ERROR,
		        (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	hex_encode(random, SECRET_BYTES, secret);
	secret[2 * SECRET_BYTES] = '\0';
	explicit_bzero(random, SECRET_BYTES);
	return secret;
}

Datum
hash_secret(const char *secret)
{
	/* A text is a bytea with the same bytes. */
	return DirectFunctionCall1(sha256_bytea, CStringGetTextDatum(secret));
}

void
hash_bytes_sha256(const char *bytes, int length, uint8 *hash)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);

	StaticAssertStmt(SHA256_LENGTH == PG_SHA256_DIGEST_LENGTH, "not SHA-256");
	if (context == NULL || pg_cryptohash_init(context) < 0 ||
	    pg_cryptohash_update(context, (const uint8 *) bytes, length) < 0 ||
	    pg_cryptohash_final(context, hash, SHA256_LENGTH) < 0)
		elog(ERROR, "could not compute a SHA-256 hash");
	pg_cryptohash_free(context);
}

bool
same_sha256(const uint8 *a, const uint8 *b)
{
	/* Volatile, so that no compiler may stop at the first difference. */
	volatile uint8 difference = 0;

	for (int i = 0; i < SHA256_LENGTH; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}
