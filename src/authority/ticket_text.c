/*
 * ticket_text.c
 *	  How a ticket is written, signed and read.
 *
 * Text: "1 SIGNATURE ISSUED EXPIRES PID\n" and the content: "ROLE\nIDENTITY\n" and the grants (description.c).  The role's
 * name is in hexadecimal digits, as the signature is, of TICKET_DOMAIN and all that follows it.
 */
#include "postgres.h"

#include "common/hmac.h"
#include "common/sha2.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "authority/identity.h"
#include "authority/ticket_text.h"
#include "compat.h"

#define TICKET_VERSION "1 "
#define SIGNATURE_DIGITS (2 * PG_SHA256_DIGEST_LENGTH)
#define MAX_IDENTITY_TEXT 256

/* What nothing else begins with that the secret may ever sign. */
#define TICKET_DOMAIN "teamrbac ticket 1"

/* ---- signing --------------------------------------------------------------------------------------- */

/* compute_signature signs a text with one of the secrets; false if the library that does it fails. */
static bool
compute_signature(const uint8 *secret, const char *text, char *signature)
{
	uint8        digest[PG_SHA256_DIGEST_LENGTH];
	pg_hmac_ctx *context = pg_hmac_create(PG_SHA256);
	bool         done;

	if (context == NULL)
		return false;
	done = pg_hmac_init(context, secret, CLUSTER_SECRET_BYTES) >= 0 &&
	       pg_hmac_update(context, (const uint8 *) TICKET_DOMAIN, strlen(TICKET_DOMAIN)) >= 0 &&
	       pg_hmac_update(context, (const uint8 *) text, strlen(text)) >= 0 &&
	       pg_hmac_final(context, digest, sizeof(digest)) >= 0;
	pg_hmac_free(context);
	hex_encode((const char *) digest, sizeof(digest), signature);
	return done;
}

/* In a time that says nothing of how nearly right a signature is. */
bool
ticket_is_signed(const char *text, const ClusterSecrets *secrets)
{
	const char *signature = text + strlen(TICKET_VERSION);
	bool        found = false;

	for (int i = 0; i < secrets->nsecrets; i++)
	{
		char  computed[SIGNATURE_DIGITS];
		uint8 difference = 0;

		if (!compute_signature(secrets->secrets[i], signature + SIGNATURE_DIGITS, computed))
			return false;
		for (int digit = 0; digit < SIGNATURE_DIGITS; digit++)
			difference |= computed[digit] ^ signature[digit];
		found = found || difference == 0;
	}
	return found;
}

/* ---- reading a ticket ------------------------------------------------------------------------------ */

/* next_line cuts the next line off a text, without changing it: where it ends, or NULL if it doesn't. */
static const char *
next_line(const char **text)
{
	const char *end = strchr(*text, '\n');

	if (end != NULL)
		*text = end + 1;
	return end;
}

static bool
read_role(const char *line, const char *end, char *role)
{
	int length = (end - line) / 2;

	if (length == 0 || length >= NAMEDATALEN || (end - line) % 2 != 0 ||
	    strspn(line, "0123456789abcdef") != (size_t) (end - line))
		return false;
	(void) hex_decode(line, end - line, role);
	role[length] = '\0';
	return true;
}

/* read_content reads who is asking, and where their grants begin. */
static bool
read_content(Ticket *ticket)
{
	static const Identity nobody = IDENTITY_INITIALIZER;
	const char           *rest = ticket->content;
	const char           *line = rest;
	const char           *end = next_line(&rest);
	char                  identity[MAX_IDENTITY_TEXT];

	if (end == NULL || !read_role(line, end, ticket->role))
		return false;
	line = rest;
	end = next_line(&rest);
	if (end == NULL || end - line >= MAX_IDENTITY_TEXT)
		return false;
	strlcpy(identity, line, end - line + 1);
	ticket->grants = rest - ticket->content;
	ticket->identity = nobody;
	if (*identity != '\0' && !identity_parse(identity, &ticket->identity))
		return false;
	ticket->identity.carried = true;
	ticket->identity.ends_at = ticket->expires_at;
	return true;
}

Ticket *
ticket_read(const char *text)
{
	const char *content = strchr(text, '\n');
	Ticket     *ticket;
	long long   issued_at;
	long long   expires_at;

	if (content == NULL || strncmp(text, TICKET_VERSION, strlen(TICKET_VERSION)) != 0 ||
	    strspn(text + strlen(TICKET_VERSION), "0123456789abcdef") != SIGNATURE_DIGITS)
		return NULL;
	content++;
	ticket = guc_malloc(LOG, offsetof(Ticket, content) + strlen(content) + 1);
	if (ticket == NULL)
		return NULL;
	memset(ticket, 0, offsetof(Ticket, content));
	strcpy(ticket->content, content);
	if (sscanf(text + strlen(TICKET_VERSION) + SIGNATURE_DIGITS, " %lld %lld %d\n", &issued_at,
	           &expires_at, &ticket->pid) == 3)
	{
		ticket->issued_at = issued_at;
		ticket->expires_at = expires_at;
		if (read_content(ticket))
			return ticket;
	}
	guc_free(ticket);
	return NULL;
}

char *
ticket_write(const char *content, TimestampTz issued_at, TimestampTz expires_at, int pid,
             const uint8 *secret)
{
	char  signature[SIGNATURE_DIGITS + 1] = "";
	char *text =
		psprintf(" " INT64_FORMAT " " INT64_FORMAT " %d\n%s", issued_at, expires_at, pid, content);

	if (!compute_signature(secret, text, signature))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not sign a ticket")));
	return psprintf("%s%s%s", TICKET_VERSION, signature, text);
}
