/*
 * address.h
 *	  E-mail addresses, as they go into an envelope and a header.
 */
#ifndef TEAMRBAC_MAILER_ADDRESS_H
#define TEAMRBAC_MAILER_ADDRESS_H

#include "text.h"

/* Whether this is one address without anything that could end it within a header or an SMTP command. */
extern bool is_safe_address(const char *address);

/*
 * Appends an address with its domain in ASCII (A-labels, RFC 5890), so that only a local part beyond ASCII needs a
 * server with SMTPUTF8.  Returns false, and appends nothing, if it is no safe address or its domain no domain.
 */
extern bool address_to_ascii(Text *result, const char *address);

#endif /* TEAMRBAC_MAILER_ADDRESS_H */
