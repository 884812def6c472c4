/*
 * jws_sign.h
 *	  Signing: the other side of jws_verify, for what this database states itself.
 */
#ifndef TEAMRBAC_JWS_SIGN_H
#define TEAMRBAC_JWS_SIGN_H

#include "postgres.h"

/*
 * Signs header and payload, both JSON, with the Ed25519 private key in a PEM file of the server's (PKCS #8), and returns
 * the compact form, palloc'd.  Errors: 58030 the file cannot be read; 22023 it holds no such key; 0A000 without OpenSSL.
 */
extern char *jws_sign(const char *key_file, const char *header, const char *payload);

/* That key's public half as a JSON Web Key Set, palloc'd.  Errors likewise. */
extern char *jws_public_keys(const char *key_file);

#endif /* TEAMRBAC_JWS_SIGN_H */
