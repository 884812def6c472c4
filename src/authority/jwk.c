/*
 * jwk.c
 *	  An issuer's keys.
 *
 * Whether a key is good enough is decided here, once, and not again when it verifies: RSA of 2048 bits or more with
 * an exponent other than 1, a point that is on its curve, a secret as long as the hash.  Which algorithms a key
 * goes with follows from its type, so that no public key can be taken for a secret.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "base64url.h"
#include "compat.h"
#include "der.h"
#include "jwk.h"

#define RSA_MIN_BITS 2048
/* Verification takes four times as long with each doubling; nobody has a use for more than that. */
#define RSA_MAX_BITS 8192
#define SECRET_MAX_LENGTH 1024

/* How libcrypto's form of a key begins: the AlgorithmIdentifier of each type (RFC 3279, 5480, 8410). */
static const uint8 rsa_identifier[] = {0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86,
                                       0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00};
static const uint8 p256_identifier[] = {0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
                                        0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A,
                                        0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};
static const uint8 p384_identifier[] = {0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D,
                                        0x02, 0x01, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22};
static const uint8 p521_identifier[] = {0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D,
                                        0x02, 0x01, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23};
static const uint8 ed25519_identifier[] = {0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70};

static const struct
{
	const char  *kty;
	const char  *crv; /* NULL: has none */
	int          coordinate_length;
	const uint8 *identifier;
	int          identifier_length;
} types[] = {
	[JWK_RSA] = {"RSA", NULL, 0, rsa_identifier, sizeof(rsa_identifier)},
	[JWK_P256] = {"EC", "P-256", 32, p256_identifier, sizeof(p256_identifier)},
	[JWK_P384] = {"EC", "P-384", 48, p384_identifier, sizeof(p384_identifier)},
	[JWK_P521] = {"EC", "P-521", 66, p521_identifier, sizeof(p521_identifier)},
	[JWK_ED25519] = {"OKP", "Ed25519", 32, ed25519_identifier, sizeof(ed25519_identifier)},
	[JWK_SECRET] = {"oct", NULL, 0, NULL, 0},
};

/* The key that is being read: its place in the set, from 1, is all that an error tells about it. */
typedef struct Source
{
	JsonbContainer *object;
	int             number;
} Source;

pg_noreturn static void
refuse_set(const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid key set"),
	                errdetail("%s", detail), errhidestmt(true)));
}

pg_noreturn static void
refuse_key(const Source *source, const char *what)
{
	refuse_set(psprintf("Key %d %s.", source->number, what));
}

/* member returns a member of the key that is a string, or NULL if it has none of that name. */
static const char *
member(const Source *source, const char *name)
{
	JsonbValue value;

	if (getKeyJsonValueFromContainer(source->object, name, strlen(name), &value) == NULL)
		return NULL;
	if (value.type != jbvString)
		refuse_key(source, psprintf("has a \"%s\" that is not a string", name));
	return pnstrdup(value.val.string.val, value.val.string.len);
}

/* member_bytes decodes a member that must be there. */
static uint8 *
member_bytes(const Source *source, const char *name, int *length)
{
	const char *text = member(source, name);
	uint8      *bytes;

	if (text == NULL)
		refuse_key(source, psprintf("lacks \"%s\"", name));
	bytes = palloc(BASE64URL_MAX_BYTES(strlen(text)));
	*length = base64url_decode(text, strlen(text), bytes);
	if (*length <= 0)
		refuse_key(source, psprintf("has a \"%s\" that is not base64url", name));
	return bytes;
}

/* is_for_verifying follows use and key_ops, each of which a key may lack. */
static bool
is_for_verifying(const Source *source)
{
	const char *use = member(source, "use");
	JsonbValue  operations;
	JsonbValue  verify = {.type = jbvString, .val.string = {.val = "verify", .len = 6}};

	if (use != NULL && strcmp(use, "sig") != 0)
		return false;
	if (getKeyJsonValueFromContainer(source->object, "key_ops", 7, &operations) == NULL)
		return true;
	if (operations.type != jbvBinary || !JsonContainerIsArray(operations.val.binary.data))
		refuse_key(source, "has a \"key_ops\" that is not an array");
	return findJsonbValueFromContainer(operations.val.binary.data, JB_FARRAY, &verify) != NULL;
}

/* find_type finds out what a key is made of; false for a kind that we don't know. */
static bool
find_type(const Source *source, JwkType *type)
{
	const char *kty = member(source, "kty");
	const char *crv = member(source, "crv");

	if (kty == NULL)
		refuse_key(source, "lacks \"kty\"");
	for (int i = 0; i < lengthof(types); i++)
	{
		if (strcmp(types[i].kty, kty) == 0 &&
		    (types[i].crv == NULL || (crv != NULL && strcmp(types[i].crv, crv) == 0)))
		{
			*type = i;
			return true;
		}
	}
	return false;
}

/*
 * find_algorithm reads alg; false if it is one that we don't know, such as one for encryption.
 */
static bool
find_algorithm(const Source *source, JwkType type, int *only)
{
	const char  *name = member(source, "alg");
	JwsAlgorithm algorithm;

	*only = -1;
	if (name == NULL)
		return true;
	if (!jws_algorithm_named(name, &algorithm))
		return false;
	if (jws_algorithms[algorithm].key_type != type)
		refuse_key(source, "has an \"alg\" that does not fit its type");
	*only = algorithm;
	return true;
}

/* bit_length counts the bits of a number, and takes its leading zeros away. */
static int
bit_length(uint8 **bytes, int *length)
{
	while (*length > 0 && (*bytes)[0] == 0)
	{
		(*bytes)++;
		(*length)--;
	}
	return *length == 0 ? 0 : *length * 8 - (7 - pg_leftmost_one_pos32((*bytes)[0]));
}

static void
append_rsa(const Source *source, StringInfo key)
{
	int            n_length;
	int            e_length;
	uint8         *n = member_bytes(source, "n", &n_length);
	uint8         *e = member_bytes(source, "e", &e_length);
	int            n_bits = bit_length(&n, &n_length);
	int            e_bits = bit_length(&e, &e_length);
	StringInfoData numbers;

	if (n_bits < RSA_MIN_BITS || n_bits > RSA_MAX_BITS)
		refuse_key(source, psprintf("is an RSA key of fewer than %d or more than %d bits",
		                            RSA_MIN_BITS, RSA_MAX_BITS));
	/* With 1, a message would be its own signature. */
	if (e_bits < 2 || e_bits > 64 || e[e_length - 1] % 2 == 0 || n[n_length - 1] % 2 == 0)
		refuse_key(source, "has an RSA modulus or exponent that nobody makes");
	initStringInfo(&numbers);
	der_append_integer(&numbers, n, n_length);
	der_append_integer(&numbers, e, e_length);
	der_append(key, DER_SEQUENCE, numbers.data, numbers.len);
}

static void
append_coordinate(const Source *source, const char *name, JwkType type, StringInfo key)
{
	int    length;
	uint8 *bytes = member_bytes(source, name, &length);

	/* Leading zeros belong to it (RFC 7518, section 6.2.1.2). */
	if (length != types[type].coordinate_length)
		refuse_key(source, psprintf("has a \"%s\" of the wrong length", name));
	appendBinaryStringInfo(key, (const char *) bytes, length);
}

/* read_public_key hands the key to libcrypto, as a SubjectPublicKeyInfo. */
static void
read_public_key(const Source *source, Jwk *key)
{
	static const char *const private[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};
	StringInfoData bits;
	StringInfoData content;
	StringInfoData der;

	for (int i = 0; i < lengthof(private); i++)
	{
		JsonbValue value;

		if (getKeyJsonValueFromContainer(source->object, private[i], strlen(private[i]), &value) !=
		    NULL)
			refuse_key(source, "is a private key");
	}
	initStringInfo(&bits);
	appendStringInfoChar(&bits, 0); /* no bit is unused */
	if (key->type == JWK_RSA)
		append_rsa(source, &bits);
	else
	{
		if (key->type != JWK_ED25519)
			appendStringInfoChar(&bits, 4); /* both coordinates follow */
		append_coordinate(source, "x", key->type, &bits);
		if (key->type != JWK_ED25519)
			append_coordinate(source, "y", key->type, &bits);
	}
	initStringInfo(&content);
	appendBinaryStringInfo(&content, (const char *) types[key->type].identifier,
	                       types[key->type].identifier_length);
	der_append(&content, DER_BIT_STRING, bits.data, bits.len);
	initStringInfo(&der);
	der_append(&der, DER_SEQUENCE, content.data, content.len);

	key->public_key = public_key_read((const uint8 *) der.data, der.len);
	if (key->public_key == NULL)
		refuse_key(source, "is not on its curve, or is none that OpenSSL takes");
}

static void
read_secret(const Source *source, Jwk *key)
{
	int    length;
	uint8 *bytes = member_bytes(source, "k", &length);
	int    bits = key->only >= 0 ? jws_algorithms[key->only].hash_bits : 256;

	if (length * 8 < bits || length > SECRET_MAX_LENGTH)
		refuse_key(source, psprintf("is a secret of fewer than %d or more than %d bytes", bits / 8,
		                            SECRET_MAX_LENGTH));
	/* Somebody's public key, pasted into the wrong place, is known to everybody. */
	if (length > 11 && memcmp(bytes, "-----BEGIN ", 11) == 0)
		refuse_key(source, "is no secret, but a file in the PEM format");
	key->secret = palloc(VARHDRSZ + length);
	SET_VARSIZE(key->secret, VARHDRSZ + length);
	memcpy(VARDATA(key->secret), bytes, length);
	explicit_bzero(bytes, length);
}

/* read_key adds a key to the set, unless it is none for us. */
static void
read_key(const Source *source, JwkSet *set)
{
	Jwk *key = &set->keys[set->nkeys];

	if (!is_for_verifying(source) || !find_type(source, &key->type) ||
	    !find_algorithm(source, key->type, &key->only))
		return;
	key->id = member(source, "kid");
	/* Counted first, so that it is released whatever happens. */
	set->nkeys++;
	if (key->type == JWK_SECRET)
		read_secret(source, key);
	else
		read_public_key(source, key);
}

/* release_keys is called when the set's memory goes. */
static void
release_keys(void *arg)
{
	JwkSet *set = arg;

	for (int i = 0; i < set->nkeys; i++)
	{
		public_key_free(set->keys[i].public_key);
		if (set->keys[i].secret != NULL)
			explicit_bzero(VARDATA(set->keys[i].secret), VARSIZE(set->keys[i].secret) - VARHDRSZ);
	}
}

/* find_keys returns the array of keys in a JWKS. */
static JsonbContainer *
find_keys(Jsonb *jwks)
{
	JsonbValue keys;

	if (!JB_ROOT_IS_OBJECT(jwks) ||
	    getKeyJsonValueFromContainer(&jwks->root, "keys", 4, &keys) == NULL ||
	    keys.type != jbvBinary || !JsonContainerIsArray(keys.val.binary.data))
		refuse_set("It must be a JSON object with an array \"keys\".");
	if (JsonContainerSize(keys.val.binary.data) > JWK_SET_MAX_KEYS)
		refuse_set(psprintf("It has more than %d keys.", JWK_SET_MAX_KEYS));
	return keys.val.binary.data;
}

JwkSet *
jwk_set_read(Jsonb *jwks)
{
	MemoryContext   context;
	MemoryContext   caller;
	JwkSet         *set;
	Source          source = {.number = 0};
	JsonbContainer *keys;

	crypto_require();
	context = AllocSetContextCreate(CurrentMemoryContext, "teamrbac keys", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(context);
	set = palloc0(sizeof(JwkSet));
	set->context = context;
	set->callback.func = release_keys;
	set->callback.arg = set;
	MemoryContextRegisterResetCallback(context, &set->callback);

	keys = find_keys(jwks);
	for (uint32 i = 0; i < JsonContainerSize(keys); i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(keys, i);

		source.number = i + 1;
		if (element->type != jbvBinary || !JsonContainerIsObject(element->val.binary.data))
			refuse_key(&source, "is not a JSON object");
		source.object = element->val.binary.data;
		read_key(&source, set);
	}
	MemoryContextSwitchTo(caller);
	return set;
}

JwkSet *
jwk_set_make(Jsonb *jwks)
{
	JwkSet *set = jwk_set_read(jwks);

	if (set->nkeys == 0)
		refuse_set("None of its keys can verify a token by an algorithm known here.");
	return set;
}
