/*
 * key_format.h
 *	  What an API key looks like: trk_<public id>_<secret>.
 *
 * The public id is the key's uuid as 32 hexadecimal digits; the secret is 43 random characters out of 62,
 * more than 256 bits, and 6 more that are a checksum of all before them, for people who mistype and for
 * programs that search for leaked keys.
 */
#ifndef TEAMRBAC_KEY_FORMAT_H
#define TEAMRBAC_KEY_FORMAT_H

#include "utils/uuid.h"

#define KEY_HASH_LENGTH 32

/* Makes a new key with this id, palloc'd. */
extern char *make_key(const pg_uuid_t *key_id);

/* Reads the id of a key.  Returns false, with the id zeroed, if the text is no key or mistyped. */
extern bool parse_key(const char *key, int length, pg_uuid_t *key_id);

/* Puts the SHA-256 of a key into hash; of what is longer than any key, that of its beginning. */
extern void hash_key(const char *key, int length, uint8 *hash);

/* Compares two hashes in a time that says nothing of where they differ. */
extern bool same_hash(const uint8 *a, const uint8 *b);

#endif /* TEAMRBAC_KEY_FORMAT_H */
