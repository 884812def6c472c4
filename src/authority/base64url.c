/*
 * base64url.c
 *	  Base64url, strictly.
 *
 * The server's own decoder knows the other alphabet only, and skips white space: a token would have many texts,
 * and what is recognised by its text, or forbidden by it, could be changed without harm to its signature.
 */
#include "postgres.h"

#include "base64url.h"

/* sextet returns the six bits that a character stands for, or -1. */
static inline int
sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	if (c == '_')
		return 63;
	return -1;
}

int
base64url_decode(const char *text, int length, uint8 *bytes)
{
	uint32 bits = 0;
	int    nbits = 0;
	int    nbytes = 0;

	if (length % 4 == 1)
		return -1;
	for (int i = 0; i < length; i++)
	{
		int value = sextet(text[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | value;
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			bytes[nbytes++] = bits >> nbits & 0xFF;
		}
	}
	/* The bits left over are an encoder's filling, which is zeros. */
	return (bits & ((1U << nbits) - 1)) == 0 ? nbytes : -1;
}
