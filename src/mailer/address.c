/*
 * address.c
 *	  E-mail addresses, as they go into an envelope and a header.
 */
#include <stdlib.h>
#include <string.h>

#include <idn2.h>

#include "address.h"

#define ADDRESS_MAX_BYTES 254

bool
is_safe_address(const char *address)
{
	const char *at = strchr(address, '@');

	if (at == NULL || at == address || at[1] == '\0' || strchr(at + 1, '@') != NULL ||
	    strlen(address) > ADDRESS_MAX_BYTES)
		return false;
	while (*address != '\0')
	{
		int length = utf8_length(address);

		if (length == 0 || is_hidden(address, length) || strchr(" <>(),;:\"\\", *address) != NULL)
			return false;
		address += length;
	}
	return true;
}

/* is_domain tells whether this is a domain as the DNS has them: labels of letters, digits and hyphens. */
static bool
is_domain(const char *domain)
{
	static const char characters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

	return *domain != '\0' && *domain != '.' && domain[strlen(domain) - 1] != '.' &&
	       strstr(domain, "..") == NULL && domain[strspn(domain, characters)] == '\0';
}

/*
 * domain_to_ascii returns a domain in A-labels, NULL if it is none.  Without IDN2_USE_STD3_ASCII_RULES: libidn2 2.3.3
 * drops the characters that these forbid, and so makes another domain of it.  is_domain refuses them.
 */
static char *
domain_to_ascii(const char *domain)
{
	uint8_t *ascii;
	char    *copy = NULL;

	if (idn2_lookup_u8((const uint8_t *) domain, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) !=
	    IDN2_OK)
		return NULL;
	if (is_domain((const char *) ascii))
		copy = copy_string((const char *) ascii);
	idn2_free(ascii);
	return copy;
}

bool
address_to_ascii(Text *result, const char *address)
{
	const char *at = strchr(address, '@');
	char       *domain;

	if (!is_safe_address(address))
		return false;
	if (!has_non_ascii(at))
	{
		text_add(result, address);
		return true;
	}
	domain = domain_to_ascii(at + 1);
	/* A-labels are longer. */
	if (domain == NULL || at + 1 - address + strlen(domain) > ADDRESS_MAX_BYTES)
	{
		free(domain);
		return false;
	}
	text_append(result, address, at + 1 - address);
	text_add(result, domain);
	free(domain);
	return true;
}
