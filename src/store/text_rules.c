/*
 * text_rules.c
 *	  The form of names and addresses.
 */
#include "postgres.h"

#include "catalog/pg_collation_d.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

#include "compat.h"
#include "store/characters.h"
#include "store/reason.h"
#include "store/text_rules.h"

#define NAME_MAX_CHARACTERS 200
#define EMAIL_MAX_BYTES 254
#define IDENTIFIER_MAX_BYTES 63
#define DOMAIN_MAX_BYTES 253
#define LOCALE_MAX_BYTES 35

PG_FUNCTION_INFO_V1(teamrbac_is_printable_name);
PG_FUNCTION_INFO_V1(teamrbac_is_email_address);

static bool
matches(const char *text, const char *pattern)
{
	return RE_compile_and_execute(cstring_to_text(pattern), (char *) text, strlen(text),
	                              REG_ADVANCED, C_COLLATION_OID, 0, NULL);
}

static char *
shown(const char *text)
{
	return pnstrdup(text, pg_mbcliplen(text, strlen(text), 100));
}

/* What is wrong with a name. */
typedef enum NameFault
{
	NAME_FINE,
	NAME_UNTRIMMED,
	NAME_LENGTH,
	NAME_INVISIBLE,
	NAME_CONTROL,
	NAME_HIDDEN
} NameFault;

/*
 * examine_name finds what is wrong with a name but for spaces around it, and where it begins and ends without
 * them.
 */
static NameFault
examine_name(const char *name, int bytes, int *begin, int *end)
{
	int  characters = 0;
	int  trimmed = 0;
	bool visible = false;

	*begin = *end = 0;
	for (int at = 0, length; at < bytes; at += length)
	{
		CharacterKind kind = character_kind(name + at, bytes - at, &length);

		CHECK_FOR_INTERRUPTS();
		if (kind == CHARACTER_CONTROL)
			return NAME_CONTROL;
		if (kind == CHARACTER_HIDDEN)
			return NAME_HIDDEN;
		if (kind == CHARACTER_SPACE && characters == 0)
		{
			*begin = *end = at + length;
			continue;
		}
		characters++;
		if (kind != CHARACTER_SPACE)
		{
			trimmed = characters;
			*end = at + length;
		}
		visible |= kind == CHARACTER_VISIBLE;
	}
	if (trimmed == 0 || trimmed > NAME_MAX_CHARACTERS)
		return NAME_LENGTH;
	if (!visible)
		return NAME_INVISIBLE;
	return *begin > 0 || *end < bytes ? NAME_UNTRIMMED : NAME_FINE;
}

char *
require_printable_name(const char *argument, const char *name)
{
	int begin;
	int end;

	switch (examine_name(name, strlen(name), &begin, &end))
	{
		case NAME_FINE:
		case NAME_UNTRIMMED:
			break;
		case NAME_LENGTH:
			ereport(ERROR,
			        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("name_wrong_length"),
			         errmsg("%s must have 1 to %d characters", argument, NAME_MAX_CHARACTERS)));
			break;
		case NAME_INVISIBLE:
			ereport(ERROR,
			        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("name_not_printable"),
			         errmsg("%s must have a visible character", argument)));
			break;
		case NAME_CONTROL:
			ereport(ERROR,
			        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("name_not_printable"),
			         errmsg("%s must not contain control characters", argument)));
			break;
		case NAME_HIDDEN:
			ereport(ERROR,
			        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("name_not_printable"),
			         errmsg("%s must not contain invisible characters", argument),
			         errdetail("Neither those of no width nor those that turn the direction of "
			                   "writing can be part of a name.")));
			break;
	}
	return pnstrdup(name + begin, end - begin);
}

char *
printable_name(const char *name)
{
	int       begin;
	int       end;
	NameFault fault = examine_name(name, strlen(name), &begin, &end);

	return fault == NAME_FINE || fault == NAME_UNTRIMMED ? pnstrdup(name + begin, end - begin)
	                                                     : NULL;
}

/* is_printable_name(name): the same rule as a constraint, of a name that is trimmed already. */
Datum
teamrbac_is_printable_name(PG_FUNCTION_ARGS)
{
	text *name = PG_GETARG_TEXT_PP(0);
	int   begin;
	int   end;

	PG_RETURN_BOOL(examine_name(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), &begin, &end) ==
	               NAME_FINE);
}

void
require_slug(const char *slug)
{
	if (strlen(slug) > IDENTIFIER_MAX_BYTES || !matches(slug, "^[a-z0-9]+(-[a-z0-9]+)*$"))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("slug_malformed"),
		     errmsg("malformed slug \"%s\"", shown(slug)),
		     errdetail(
				 "A slug is at most %d lower-case letters, digits and single hyphens between them.",
				 IDENTIFIER_MAX_BYTES)));
}

/*
 * fits_address: one name, "@" and one domain.  Deliberately loose, but for what could smuggle a second header or address
 * into a mail, or look like another address.
 */
static bool
fits_address(const char *email, int bytes)
{
	int at_sign = -1;

	if (bytes > EMAIL_MAX_BYTES)
		return false;
	for (int at = 0, length; at < bytes; at += length)
	{
		if (character_kind(email + at, bytes - at, &length) != CHARACTER_VISIBLE ||
		    (length == 1 && strchr("<>(),;:\"\\", email[at]) != NULL))
			return false;
		if (length > 1 || email[at] != '@')
			continue;
		if (at_sign >= 0)
			return false;
		at_sign = at;
	}
	return at_sign > 0 && at_sign < bytes - 1;
}

bool
is_email(const char *email)
{
	return fits_address(email, strlen(email));
}

void
require_email(const char *email)
{
	if (!is_email(email))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("email_malformed"),
		     errmsg("malformed e-mail address"),
		     errdetail(
				 "An address is one name, \"@\" and one domain, at most %d bytes, without spaces, quotes, "
				 "brackets, control characters or invisible ones.",
				 EMAIL_MAX_BYTES)));
}

/* is_email_address(address): the same rule as a constraint. */
Datum
teamrbac_is_email_address(PG_FUNCTION_ARGS)
{
	text *address = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(fits_address(VARDATA_ANY(address), VARSIZE_ANY_EXHDR(address)));
}

char *
require_domain(const char *domain)
{
	char *lowered = asc_tolower(domain, strlen(domain));

	if (strlen(domain) > DOMAIN_MAX_BYTES ||
	    !matches(lowered, "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$"))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("domain_malformed"),
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
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("locale_malformed"),
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
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("name_malformed"),
		     errmsg("malformed %s \"%s\"", argument, shown(name)),
		     errdetail(
				 "A name is at most %d lower-case letters, digits and underscores, in words that begin with a "
				 "letter and are joined by dots.",
				 IDENTIFIER_MAX_BYTES)));
}
