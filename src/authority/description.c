/*
 * description.c
 *	  What somebody has been granted, as text for another process: a parallel worker (worker.c), or another server, whose
 *	  numbers of permissions are others (ticket.c).
 */
#include "postgres.h"

#include "miscadmin.h"

#include "authority/description.h"
#include "authority/permission.h"
#include "compat.h"
#include "store/uuid_text.h"

/* ---- describing ------------------------------------------------------------------------------------ */

/* set_number finds a set among those described, or describes it. */
static int
set_number(StringInfo sets, List **known, const Bitmapset *permissions)
{
	ListCell *cell;
	int       number = -1;

	foreach(cell, *known)
	{
		if (bms_equal(lfirst(cell), permissions))
			return foreach_current_index(cell);
	}
	*known = lappend(*known, bms_copy(permissions));
	appendStringInfoChar(sets, 's');
	while ((number = bms_next_member(permissions, number)) >= 0)
		appendStringInfo(sets, " %s", permission_name(number));
	appendStringInfoChar(sets, '\n');
	return list_length(*known) - 1;
}

void
describe_grants(StringInfo text, const Grant *const *list, int nlist)
{
	StringInfoData grants;
	List          *known = NIL;

	initStringInfo(&grants);
	for (int i = 0; i < nlist; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (list[i]->role != NULL)
			appendStringInfo(&grants, "g %s %d " INT64_FORMAT " %d %s\n",
			                 uuid_text(&list[i]->tenant_id), (int) list[i]->state,
			                 list[i]->expires_at, set_number(text, &known, list[i]->permissions),
			                 list[i]->role->name);
	}
	appendBinaryStringInfo(text, grants.data, grants.len);
}

/* ---- understanding --------------------------------------------------------------------------------- */

/* What we wrote ourselves, or what bears the signature of another server of ours. */
pg_noreturn static void
refuse_description(void)
{
	elog(ERROR, "malformed description of an authority");
}

/* next_word takes the next word of a line, which it cuts; NULL at its end. */
static char *
next_word(char **line)
{
	char *word = *line;

	if (word == NULL || *word == '\0')
		return NULL;
	*line = strchr(word, ' ');
	if (*line != NULL)
		*(*line)++ = '\0';
	return word;
}

char *
require_word(char **line)
{
	char *word = next_word(line);

	if (word == NULL)
		refuse_description();
	return word;
}

pg_uuid_t
require_uuid(char **line)
{
	const char *word = require_word(line);
	pg_uuid_t   uuid;

	if (!parse_uuid(&word, &uuid))
		refuse_description();
	return uuid;
}

static Bitmapset *
understand_set(char *line)
{
	Bitmapset *set = NULL;
	char      *name;

	while ((name = next_word(&line)) != NULL)
		set = bms_add_member(set, permission_number(name));
	return set;
}

static void
understand_grant(char *line, List *sets, Principal *principal)
{
	Grant grant = {.tenant_id = require_uuid(&line)};
	int   number;

	grant.state = (GrantState) atoi(require_word(&line));
	grant.expires_at = strtoll(require_word(&line), NULL, 10);
	number = atoi(require_word(&line));
	if (number < 0 || number >= list_length(sets))
		refuse_description();
	grant.permissions = list_nth(sets, number);
	principal_add_described(principal, &grant, require_word(&line));
}

void
understand_grants(char *text, Principal *principal)
{
	List *sets = NIL;
	char *line;

	while ((line = strsep(&text, "\n")) != NULL && *line != '\0')
	{
		char *rest = line + Min(strlen(line), 2);

		CHECK_FOR_INTERRUPTS();
		if (*line == 's')
			sets = lappend(sets, understand_set(rest));
		else
			understand_grant(rest, sets, principal);
	}
}
