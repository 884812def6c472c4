/*
 * der.c
 *	  The little of ASN.1 that public keys and ECDSA signatures are handed to libcrypto in.
 *
 * Every version of libcrypto reads this form and checks what it reads, whereas the functions that put a key
 * together from numbers differ between 1.1.1 and 3, and want every number freed one by one.
 */
#include "postgres.h"

#include "der.h"

void
der_append(StringInfo out, uint8 tag, const void *content, int length)
{
	Assert(length >= 0 && length <= 0xFFFF);
	appendStringInfoChar(out, tag);
	if (length > 0xFF)
	{
		appendStringInfoChar(out, (char) 0x82);
		appendStringInfoChar(out, length >> 8);
	}
	else if (length > 0x7F)
		appendStringInfoChar(out, (char) 0x81);
	appendStringInfoChar(out, length & 0xFF);
	appendBinaryStringInfo(out, content, length);
}

void
der_append_integer(StringInfo out, const uint8 *bytes, int length)
{
	StringInfoData content;

	while (length > 0 && bytes[0] == 0)
	{
		bytes++;
		length--;
	}
	initStringInfo(&content);
	/* A first bit that is set would say negative; and zero is one byte too. */
	if (length == 0 || bytes[0] >= 0x80)
		appendStringInfoChar(&content, 0);
	appendBinaryStringInfo(&content, (const char *) bytes, length);
	der_append(out, DER_INTEGER, content.data, content.len);
	pfree(content.data);
}
