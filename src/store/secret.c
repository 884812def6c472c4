/*
 * secret.c
 *	  Random secrets, and the hashes that are stored in their stead.
 */
#include "postgres.h"

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
