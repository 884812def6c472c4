/*
 * der.h
 *	  The little of ASN.1 that public keys and ECDSA signatures are handed to libcrypto in.
 */
#ifndef TEAMRBAC_DER_H
#define TEAMRBAC_DER_H

#include "lib/stringinfo.h"

#define DER_INTEGER 0x02
#define DER_BIT_STRING 0x03
#define DER_SEQUENCE 0x30

/* Appends a value of that type, of at most 64 kB. */
extern void der_append(StringInfo out, uint8 tag, const void *content, int length);

/* Appends a number that is not negative, given by its bytes, the most significant one first. */
extern void der_append_integer(StringInfo out, const uint8 *bytes, int length);

#endif /* TEAMRBAC_DER_H */
