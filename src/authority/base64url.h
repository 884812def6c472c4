/*
 * base64url.h
 *	  Base64url as JSON Web Tokens use it (RFC 7515, appendix C): one text for each string of bytes.
 */
#ifndef TEAMRBAC_BASE64URL_H
#define TEAMRBAC_BASE64URL_H

#include "postgres.h"

/* The most bytes that so many characters can stand for. */
#define BASE64URL_MAX_BYTES(length) ((length) / 4 * 3 + 3)

/*
 * Decodes length characters into bytes, which has room for BASE64URL_MAX_BYTES(length).  Returns how many there
 * are; -1 if the text is not what an encoder writes: padding, white space, characters of the other alphabet, a
 * length that no bytes have, or bits that belong to no byte.
 */
extern int base64url_decode(const char *text, int length, uint8 *bytes);

#endif /* TEAMRBAC_BASE64URL_H */
