/*
 * secret.h
 *	  Random secrets, and the hashes that are stored in their stead.
 */
#ifndef TEAMRBAC_SECRET_H
#define TEAMRBAC_SECRET_H

/* 256 bits of the server's strong randomness, as 64 lower-case hexadecimal digits, palloc'd. */
extern char *make_secret(void);

/* The SHA-256 of a secret as a bytea: what pgcrypto's digest(secret, 'sha256') gives. */
extern Datum hash_secret(const char *secret);

#define SHA256_LENGTH 32

/* The same of any bytes, all of them, into hash. */
extern void hash_bytes_sha256(const char *bytes, int length, uint8 *hash);

/* Compares two hashes in a time that says nothing of where they differ. */
extern bool same_sha256(const uint8 *a, const uint8 *b);

#endif /* TEAMRBAC_SECRET_H */
