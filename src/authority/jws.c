/*
 * jws.c
 *	  The compact form of a signed message, and what its header may say.
 *
 * Three libraries in Debian 12 read JSON Web Tokens, and none of them is used.  libjwt 1.10 knows neither EdDSA nor
 * RSA-PSS nor key sets, and brings libjansson and libb64 into every backend.  cjose 0.6 knows neither EdDSA nor key
 * sets, and brings libjansson.  rhonabwy 1.1 knows all of it, by GnuTLS and Nettle, with libcurl, libjansson,
 * liborcania and libyder: a second cryptography beside the server's OpenSSL, and code that can fetch keys from an
 * address in a token's header.  What any of them holds is malloc'd, by itself or by libjansson, and lost when an
 * error of the server's is raised in between; and libjansson lets the last of several members of one name win unless
 * it is told otherwise.  What is left to do by hand is little: the header's rules below, and the form of keys;
 * the cryptography is libcrypto's, the JSON the server's.
 */
#include "postgres.h"

#include "base64url.h"
#include "jws.h"
#include "strict_json.h"

const JwsAlgorithmFacts jws_algorithms[JWS_ALGORITHMS] = {
	[JWS_RS256] = {"RS256", JWK_RSA, 256, false},
	[JWS_RS384] = {"RS384", JWK_RSA, 384, false},
	[JWS_RS512] = {"RS512", JWK_RSA, 512, false},
	[JWS_PS256] = {"PS256", JWK_RSA, 256, true},
	[JWS_PS384] = {"PS384", JWK_RSA, 384, true},
	[JWS_PS512] = {"PS512", JWK_RSA, 512, true},
	[JWS_ES256] = {"ES256", JWK_P256, 256, false},
	[JWS_ES384] = {"ES384", JWK_P384, 384, false},
	[JWS_ES512] = {"ES512", JWK_P521, 512, false},
	[JWS_EDDSA] = {"EdDSA", JWK_ED25519, 0, false},
	[JWS_HS256] = {"HS256", JWK_SECRET, 256, false},
	[JWS_HS384] = {"HS384", JWK_SECRET, 384, false},
	[JWS_HS512] = {"HS512", JWK_SECRET, 512, false},
};

static const struct
{
	const char *reason;
	const char *detail;
} faults[TOKEN_FAULTS] = {
	[TOKEN_GOOD] = {"token_good", ""},
	[TOKEN_TOO_LONG] = {"token_too_long", "A token has at most 16 kB."},
	[TOKEN_MALFORMED] =
		{"token_malformed",
         "It is no JSON Web Signature in the compact form, or its header or claims are no JSON "
         "object without repeated names."},
	[TOKEN_CRITICAL] = {"token_critical",
                        "Its header demands an extension by \"crit\" or \"b64\"."},
	[TOKEN_ALGORITHM] = {"token_algorithm",
                         "Its issuer's tokens are not signed by this algorithm."},
	[TOKEN_KEY] = {"token_key",
                   "Its issuer has no key with this \"kid\" that fits the token's algorithm."},
	[TOKEN_SIGNATURE] = {"token_signature", "Its signature is not by the issuer's key."},
	[TOKEN_ISSUER] = {"token_issuer", "Its issuer is not trusted."},
	[TOKEN_TYPE] = {"token_type", "Its \"typ\" is not that of its issuer's tokens."},
	[TOKEN_CLAIMS] =
		{"token_claims",
         "\"iss\", \"sub\", \"aud\" or \"exp\" is missing, or a claim is of the wrong kind."},
	[TOKEN_AUDIENCE] = {"token_audience", "It is meant for another audience."},
	[TOKEN_EXPIRED] = {"token_expired", "Its time is over."},
	[TOKEN_NOT_YET] = {"token_not_yet_valid", "Its time has not come."},
	[TOKEN_FROM_FUTURE] = {"token_issued_in_future", "It was issued in the future."},
};

const char *
token_fault_reason(TokenFault fault)
{
	return faults[fault].reason;
}

const char *
token_fault_detail(TokenFault fault)
{
	return faults[fault].detail;
}

bool
jws_algorithm_named(const char *name, JwsAlgorithm *algorithm)
{
	for (int i = 0; i < JWS_ALGORITHMS; i++)
	{
		if (strcmp(jws_algorithms[i].name, name) == 0)
		{
			*algorithm = i;
			return true;
		}
	}
	return false;
}

/* header_string puts a member where asked, NULL if there is none; false if it is no string. */
static bool
header_string(Jsonb *header, const char *name, const char **value)
{
	JsonbValue member;

	*value = NULL;
	if (getKeyJsonValueFromContainer(&header->root, name, strlen(name), &member) == NULL)
		return true;
	if (member.type != jbvString)
		return false;
	*value = pnstrdup(member.val.string.val, member.val.string.len);
	return true;
}

static bool
header_has(Jsonb *header, const char *name)
{
	JsonbValue member;

	return getKeyJsonValueFromContainer(&header->root, name, strlen(name), &member) != NULL;
}

/*
 * read_header takes from the header what decides by which key and how to verify.  Keys and their addresses in it
 * (jwk, jku, x5c, x5u) are the sender's own word and not looked at.
 */
static TokenFault
read_header(const uint8 *text, int length, Jws *jws)
{
	Jsonb      *header = strict_json_object(text, length);
	const char *algorithm;

	if (header == NULL || !header_string(header, "alg", &algorithm) || algorithm == NULL ||
	    !header_string(header, "kid", &jws->key_id) || !header_string(header, "typ", &jws->type))
		return TOKEN_MALFORMED;
	/* We understand no extension, so whatever crit demands is refused; b64 is void without crit. */
	if (header_has(header, "crit") || header_has(header, "b64"))
		return TOKEN_CRITICAL;
	return jws_algorithm_named(algorithm, &jws->algorithm) ? TOKEN_GOOD : TOKEN_ALGORITHM;
}

/* decode_part decodes what is between two dots; NULL if it is empty or malformed. */
static uint8 *
decode_part(const char *from, const char *to, int *length)
{
	uint8 *bytes = palloc(BASE64URL_MAX_BYTES(to - from));

	*length = base64url_decode(from, to - from, bytes);
	return *length > 0 ? bytes : NULL;
}

TokenFault
jws_parse(const char *token, int length, Jws *jws)
{
	const char *end = token + length;
	const char *payload;
	const char *signature;
	uint8      *header;
	int         header_length;

	memset(jws, 0, sizeof(Jws));
	if (length > JWS_MAX_LENGTH)
		return TOKEN_TOO_LONG;
	/* A third dot is no base64url: encrypted tokens, which have four, end as malformed. */
	payload = memchr(token, '.', length);
	if (payload == NULL)
		return TOKEN_MALFORMED;
	signature = memchr(payload + 1, '.', end - (payload + 1));
	if (signature == NULL)
		return TOKEN_MALFORMED;
	jws->signed_text = token;
	jws->signed_length = signature - token;

	header = decode_part(token, payload, &header_length);
	jws->payload = decode_part(payload + 1, signature, &jws->payload_length);
	if (header == NULL || jws->payload == NULL)
		return TOKEN_MALFORMED;
	/* An unsigned token lacks the signature; what is wrong with it is its algorithm. */
	jws->signature = decode_part(signature + 1, end, &jws->signature_length);
	if (jws->signature == NULL && signature + 1 != end)
		return TOKEN_MALFORMED;
	return read_header(header, header_length, jws);
}
