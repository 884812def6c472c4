/*
 * jws.h
 *	  Signed messages: the compact form of a JSON Web Signature (RFC 7515), read and verified.
 *
 * What is wrong with a token is an answer here and no error: whoever asks decides what to tell whom.  The answers
 * hold no part of the token.
 */
#ifndef TEAMRBAC_JWS_H
#define TEAMRBAC_JWS_H

#include "postgres.h"

/* No gateway lets a longer one through, in a header field. */
#define JWS_MAX_LENGTH (16 * 1024)

/* What a token is refused for. */
typedef enum TokenFault
{
	TOKEN_GOOD,
	TOKEN_TOO_LONG,
	TOKEN_MALFORMED,   /* not the compact form, or not what strict_json_object reads */
	TOKEN_CRITICAL,    /* must not be understood without an extension: crit, b64 */
	TOKEN_ALGORITHM,   /* unknown, or not one that the issuer signs with */
	TOKEN_KEY,         /* the issuer has no such key that fits the algorithm */
	TOKEN_SIGNATURE,   /* the signature is not of that key */
	TOKEN_ISSUER,      /* is of another issuer */
	TOKEN_TYPE,        /* typ is not what the issuer's tokens have */
	TOKEN_CLAIMS,      /* a claim that must be there isn't, or is of another kind */
	TOKEN_AUDIENCE,    /* meant for somebody else */
	TOKEN_EXPIRED,     /* exp */
	TOKEN_NOT_YET,     /* nbf */
	TOKEN_FROM_FUTURE, /* iat */
	TOKEN_FAULTS       /* how many there are */
} TokenFault;

/* RFC 7518, section 3, and RFC 8037.  "none" is none of them, nor is anything that signs by a shorter hash. */
typedef enum JwsAlgorithm
{
	JWS_RS256,
	JWS_RS384,
	JWS_RS512,
	JWS_PS256,
	JWS_PS384,
	JWS_PS512,
	JWS_ES256,
	JWS_ES384,
	JWS_ES512,
	JWS_EDDSA, /* with Ed25519 */
	JWS_HS256,
	JWS_HS384,
	JWS_HS512,
	JWS_ALGORITHMS /* how many there are */
} JwsAlgorithm;

/* A bit for each. */
typedef uint32 JwsAlgorithmSet;
#define JWS_ALGORITHM_BIT(algorithm) (1U << (algorithm))

/* What a key is made of, the curve included: each algorithm goes with one of these. */
typedef enum JwkType
{
	JWK_RSA,
	JWK_P256,
	JWK_P384,
	JWK_P521,
	JWK_ED25519,
	JWK_SECRET /* "oct": the bytes of a secret that issuer and database share */
} JwkType;

typedef struct JwsAlgorithmFacts
{
	const char *name;
	JwkType     key_type;
	int         hash_bits; /* SHA-2's; 0: the algorithm has its own */
	bool        pss;
} JwsAlgorithmFacts;

extern const JwsAlgorithmFacts jws_algorithms[JWS_ALGORITHMS];

/* A message in its parts; all but signed_text, which is the caller's, palloc'd. */
typedef struct Jws
{
	const char  *signed_text; /* header and payload, as they were sent */
	int          signed_length;
	JwsAlgorithm algorithm; /* alg */
	const char  *key_id;    /* kid; NULL: it has none */
	const char  *type;      /* typ, likewise */
	uint8       *payload;
	int          payload_length;
	uint8       *signature;
	int          signature_length;
} Jws;

struct JwkSet;

/*
 * Takes a message apart.  Nothing in it is to be believed yet.  token: the caller's, which must outlive the result.
 */
extern TokenFault jws_parse(const char *token, int length, Jws *jws);

/*
 * Whether one of these keys has signed the message, by an algorithm in allowed.  Errors: 0A000 without OpenSSL.
 */
extern TokenFault jws_verify(const Jws *jws, const struct JwkSet *keys, JwsAlgorithmSet allowed);

/* The algorithm of that name, exactly as the RFCs write it; false if there is none. */
extern bool jws_algorithm_named(const char *name, JwsAlgorithm *algorithm);

/* A stable name for the fault, such as token_expired, and a sentence that says more. */
extern const char *token_fault_reason(TokenFault fault);
extern const char *token_fault_detail(TokenFault fault);

#endif /* TEAMRBAC_JWS_H */
