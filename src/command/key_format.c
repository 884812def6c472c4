/*
 * key_format.c
 *	  What an API key looks like: trk_<public id>_<secret>.
 */
#include "postgres.h"

#include "utils/pg_crc.h"

#include "compat.h"
#include "command/key_format.h"
#include "store/secret.h"

#define PREFIX "trk_"
#define PREFIX_LENGTH 4
#define ID_LENGTH (2 * UUID_LEN)
#define RANDOM_LENGTH 43
#define CHECKSUM_LENGTH 6

#define SECRET_START (PREFIX_LENGTH + ID_LENGTH + 1)
#define CHECKSUM_START (SECRET_START + RANDOM_LENGTH)
#define KEY_LENGTH (CHECKSUM_START + CHECKSUM_LENGTH)

#define BASE 62

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char hex_digits[] = "0123456789abcdef";

/* write_random writes digits, each as likely as the others. */
static void
write_random(char *to, int length)
{
	while (length > 0)
	{
		uint8 byte;

		if (!pg_strong_random(&byte, 1))
			ereport(ERROR,
			        (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
		/* The bytes above the last whole multiple would make the first digits likelier. */
		if (byte >= 256 / BASE * BASE)
			continue;
		*to++ = digits[byte % BASE];
		length--;
	}
}

/* write_checksum writes the CRC-32 (zlib's) of a key's other characters in base 62. */
static void
write_checksum(const char *key, char *to)
{
	pg_crc32 crc;

	INIT_TRADITIONAL_CRC32(crc);
	COMP_TRADITIONAL_CRC32(crc, key, CHECKSUM_START);
	FIN_TRADITIONAL_CRC32(crc);
	for (int i = CHECKSUM_LENGTH - 1; i >= 0; i--)
	{
		to[i] = digits[crc % BASE];
		crc /= BASE;
	}
}

char *
make_key(const pg_uuid_t *key_id)
{
	char *key = palloc(KEY_LENGTH + 1);

	memcpy(key, PREFIX, PREFIX_LENGTH);
	for (int i = 0; i < UUID_LEN; i++)
	{
		key[PREFIX_LENGTH + 2 * i] = hex_digits[key_id->data[i] >> 4];
		key[PREFIX_LENGTH + 2 * i + 1] = hex_digits[key_id->data[i] & 0xF];
	}
	key[SECRET_START - 1] = '_';
	write_random(key + SECRET_START, RANDOM_LENGTH);
	write_checksum(key, key + CHECKSUM_START);
	key[KEY_LENGTH] = '\0';
	return key;
}

static bool
parse_id(const char *from, pg_uuid_t *key_id)
{
	for (int i = 0; i < ID_LENGTH; i++)
	{
		const char *digit = from[i] != '\0' ? strchr(hex_digits, from[i]) : NULL;

		if (digit == NULL)
			return false;
		key_id->data[i / 2] = key_id->data[i / 2] << 4 | (digit - hex_digits);
	}
	return true;
}

bool
parse_key(const char *key, int length, pg_uuid_t *key_id)
{
	char checksum[CHECKSUM_LENGTH];

	memset(key_id, 0, sizeof(pg_uuid_t));
	if (length != KEY_LENGTH)
		return false;
	write_checksum(key, checksum);
	if (memcmp(key, PREFIX, PREFIX_LENGTH) == 0 && key[SECRET_START - 1] == '_' &&
	    memcmp(key + CHECKSUM_START, checksum, CHECKSUM_LENGTH) == 0 &&
	    parse_id(key + PREFIX_LENGTH, key_id))
		return true;
	memset(key_id, 0, sizeof(pg_uuid_t));
	return false;
}

void
hash_key(const char *key, int length, uint8 *hash)
{
	/* No key is longer: whoever sends a novel instead makes no work. */
	hash_bytes_sha256(key, Min(length, KEY_LENGTH + 1), hash);
}

bool
same_hash(const uint8 *a, const uint8 *b)
{
	return same_sha256(a, b);
}
