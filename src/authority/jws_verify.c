/*
 * jws_verify.c
 *	  Whether a key has signed a message.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "der.h"
#include "jwk.h"
#include "jws.h"

/*
 * fits tells whether a key may have signed a message.  That its type is the algorithm's own keeps an algorithm of
 * the sender's choice from an issuer's key of another kind.  A key without a name serves tokens that name one, too:
 * by naming one, a sender cannot gain more than by naming none.
 */
static bool
fits(const Jwk *key, const Jws *jws)
{
	const JwsAlgorithmFacts *algorithm = &jws_algorithms[jws->algorithm];

	if (key->type != algorithm->key_type || (key->only >= 0 && key->only != (int) jws->algorithm))
		return false;
	if (key->type == JWK_SECRET &&
	    (VARSIZE(key->secret) - VARHDRSZ) * BITS_PER_BYTE < algorithm->hash_bits)
		return false;
	return jws->key_id == NULL || key->id == NULL || strcmp(jws->key_id, key->id) == 0;
}

/*
 * mac_verifies compares with what pgcrypto's hmac gives.  The function is taken from pgcrypto's library, and not by
 * a name in a schema that somebody else may own.
 */
static bool
mac_verifies(const Jwk *key, const JwsAlgorithmFacts *algorithm, const Jws *jws)
{
	static PGFunction hmac = NULL;
	bytea            *text;
	bytea            *mac;
	int               length = algorithm->hash_bits / BITS_PER_BYTE;

	if (jws->signature_length != length)
		return false;
	if (hmac == NULL)
		hmac = load_external_function("$libdir/pgcrypto", "pg_hmac", true, NULL);
	text = (bytea *) cstring_to_text_with_len(jws->signed_text, jws->signed_length);
	mac = DatumGetByteaPP(
		DirectFunctionCall3(hmac, PointerGetDatum(text), PointerGetDatum(key->secret),
	                        CStringGetTextDatum(psprintf("sha%d", algorithm->hash_bits))));
	return VARSIZE_ANY_EXHDR(mac) == length &&
	       same_bytes((const uint8 *) VARDATA_ANY(mac), jws->signature, length);
}

/* append_ecdsa turns r and s, one after the other, into the form that libcrypto reads; false: wrong length. */
static bool
append_ecdsa(const JwsAlgorithmFacts *algorithm, const Jws *jws, StringInfo der)
{
	int half = algorithm->key_type == JWK_P256 ? 32 : algorithm->key_type == JWK_P384 ? 48 : 66;
	StringInfoData numbers;

	if (jws->signature_length != 2 * half)
		return false;
	initStringInfo(&numbers);
	der_append_integer(&numbers, jws->signature, half);
	der_append_integer(&numbers, jws->signature + half, half);
	der_append(der, DER_SEQUENCE, numbers.data, numbers.len);
	return true;
}

static bool
verifies(const Jwk *key, const Jws *jws)
{
	const JwsAlgorithmFacts *algorithm = &jws_algorithms[jws->algorithm];
	const uint8             *signature = jws->signature;
	int                      length = jws->signature_length;
	StringInfoData           der;

	if (jws->signature == NULL)
		return false;
	switch (key->type)
	{
		case JWK_SECRET:
			return mac_verifies(key, algorithm, jws);
		case JWK_P256:
		case JWK_P384:
		case JWK_P521:
			initStringInfo(&der);
			if (!append_ecdsa(algorithm, jws, &der))
				return false;
			signature = (const uint8 *) der.data;
			length = der.len;
			break;
		case JWK_RSA:
		case JWK_ED25519:
			break;
	}
	return public_key_verifies(key->public_key, algorithm, jws->signed_text, jws->signed_length,
	                           signature, length);
}

TokenFault
jws_verify(const Jws *jws, const struct JwkSet *keys, JwsAlgorithmSet allowed)
{
	TokenFault fault = TOKEN_KEY;

	if ((allowed & JWS_ALGORITHM_BIT(jws->algorithm)) == 0)
		return TOKEN_ALGORITHM;
	for (int i = 0; i < keys->nkeys; i++)
	{
		if (!fits(&keys->keys[i], jws))
			continue;
		if (verifies(&keys->keys[i], jws))
			return TOKEN_GOOD;
		fault = TOKEN_SIGNATURE;
	}
	return fault;
}
