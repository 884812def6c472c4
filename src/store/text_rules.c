/*
 * text_rules.c
 *	  The form of names and addresses.
 */
#include "postgres.h"

#include "catalog/pg_collation_d.h"
#include "mb/pg_wchar.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

#include "authority/identity_type.h"
#include "store/text_rules.h"

#define NAME_MAX_CHARACTERS 200
#define EMAIL_MAX_BYTES 254
#define IDENTIFIER_MAX_BYTES 63
#define DOMAIN_MAX_BYTES 253
#define LOCALE_MAX_BYTES 35

static bool
matches(const char *text, const char *pattern)
{
	return RE_compile_and_execute(cstring_to_text(pattern), (char *) text, strlen(text),
	                              REG_ADVANCED, C_COLLATION_OID, 0, NULL);
}

static bool
has_control_character(const char *text)
{
	return matches(text, "[[:cntrl:]]");
}

char *
uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

static char *
shown(const char *text)
{
	return pnstrdup(text, pg_mbcliplen(text, strlen(text), 100));
}

void
require_printable_name(const char *argument, const char *name)
{
	if (*name == '\0' || pg_mbstrlen(name) > NAME_MAX_CHARACTERS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("%s must have 1 to %d characters", argument, NAME_MAX_CHARACTERS)));
	if (has_control_character(name))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("%s must not contain control characters", argument)));
}

void
require_slug(const char *slug)
{
	if (strlen(slug) > IDENTIFIER_MAX_BYTES || !matches(slug, "^[a-z0-9]+(-[a-z0-9]+)*$"))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("malformed slug \"%s\"", shown(slug)),
		     errdetail(
				 "A slug is at most %d lower-case letters, digits and single hyphens between them.",
				 IDENTIFIER_MAX_BYTES)));
}

bool
is_email(const char *email)
{
	return strlen(email) <= EMAIL_MAX_BYTES &&
	       matches(email,
	               "^[^[:space:][:cntrl:]@<>(),;:\"\\\\]+@[^[:space:][:cntrl:]@<>(),;:\"\\\\]+$");
}

void
require_email(const char *email)
{
	if (!is_email(email))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("malformed e-mail address"),
		     errdetail(
				 "An address is one name, \"@\" and one domain, at most %d bytes, without spaces, quotes, "
				 "brackets or control characters.",
				 EMAIL_MAX_BYTES)));
}

char *
require_domain(const char *domain)
{
	char *lowered = asc_tolower(domain, strlen(domain));

	if (strlen(domain) > DOMAIN_MAX_BYTES ||
	    !matches(lowered, "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$"))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		     errmsg("malformed domain \"%s\"", shown(domain)),
		     errdetail(
				 "A domain is at most %d bytes: two labels or more, joined by dots, of letters, "
				 "digits and hyphens between them.",
				 DOMAIN_MAX_BYTES)));
	return lowered;
}

void
require_locale(const char *locale)
{
	if (strlen(locale) > LOCALE_MAX_BYTES ||
	    !matches(locale, "^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*$"))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("malformed locale \"%s\"", shown(locale)),
		                errdetail("A locale is a language tag such as \"de\" or \"pt-BR\".")));
}

void
require_definition_name(const char *argument, const char *name)
{
	if (strlen(name) > IDENTIFIER_MAX_BYTES ||
	    !matches(name, "^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)*$"))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		     errmsg("malformed %s \"%s\"", argument, shown(name)),
		     errdetail(
				 "A name is at most %d lower-case letters, digits and underscores, in words that begin with a "
				 "letter and are joined by dots.",
				 IDENTIFIER_MAX_BYTES)));
}
