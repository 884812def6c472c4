/*
 * strict_json.c
 *	  JSON from whoever sends it.
 *
 * A jsonb keeps the last of several members with one name, others' parsers the first: what one of them has
 * checked, the other does not use.  Therefore the text goes through the server's parser once more, by itself,
 * where the names are still all there; it takes the escapes out of them, so that "\u0061lg" is "alg".
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"

#include "compat.h"
#include "strict_json.h"

typedef struct MemberName
{
	int         object;
	const char *name;
} MemberName;

/* The names seen so far, each with the number of its object. */
typedef struct Names
{
	int         open[STRICT_JSON_MAX_DEPTH]; /* the objects that we are within */
	int         depth;
	int         nobjects;
	int         nnames;
	int         maxnames;
	MemberName *names;
} Names;

static CompatJsonResult
object_begins(void *state)
{
	Names *names = state;

	names->open[names->depth++] = names->nobjects++;
	return COMPAT_JSON_CONTINUE;
}

static CompatJsonResult
object_ends(void *state)
{
	Names *names = state;

	names->depth--;
	return COMPAT_JSON_CONTINUE;
}

static CompatJsonResult
member_begins(void *state, char *name, bool isnull)
{
	Names *names = state;

	if (names->nnames == names->maxnames)
	{
		names->maxnames *= 2;
		names->names = repalloc(names->names, names->maxnames * sizeof(MemberName));
	}
	names->names[names->nnames].object = names->open[names->depth - 1];
	names->names[names->nnames].name = name;
	names->nnames++;
	return COMPAT_JSON_CONTINUE;
}

static int
compare_names(const void *a, const void *b)
{
	const MemberName *left = a;
	const MemberName *right = b;

	if (left->object != right->object)
		return left->object < right->object ? -1 : 1;
	return strcmp(left->name, right->name);
}

/*
 * is_shallow looks at the brackets alone, because the parser is recursive and cannot be stopped from within
 * before 16.  Up to the first error in the text, both agree on what is a string.
 */
static bool
is_shallow(const char *text, int length)
{
	int  depth = 0;
	bool quoted = false;

	for (int i = 0; i < length; i++)
	{
		if (quoted)
		{
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				quoted = false;
		}
		else if (text[i] == '"')
			quoted = true;
		else if (text[i] == '{' || text[i] == '[')
		{
			if (++depth > STRICT_JSON_MAX_DEPTH)
				return false;
		}
		else if (text[i] == '}' || text[i] == ']')
			depth--;
	}
	return true;
}

/* has_single_names tells whether the text is JSON at all, and no object in it has a name twice. */
static bool
has_single_names(const char *text, int length)
{
	Names         names = {.maxnames = 16};
	JsonSemAction actions = {.semstate = &names,
	                         .object_start = object_begins,
	                         .object_end = object_ends,
	                         .object_field_start = member_begins};

	names.names = palloc(names.maxnames * sizeof(MemberName));
	if (pg_parse_json(compat_json_lexer(text, length), &actions) != JSON_SUCCESS)
		return false;
	qsort(names.names, names.nnames, sizeof(MemberName), compare_names);
	for (int i = 1; i < names.nnames; i++)
	{
		if (compare_names(&names.names[i - 1], &names.names[i]) == 0)
			return false;
	}
	return true;
}

/*
 * read_object does what may raise an error: in a database of another encoding than UTF-8, for a character that it
 * lacks; in any, for a number too large for the server.
 */
static Jsonb *
read_object(const char *text, int length)
{
	/* The names are compared as the database writes them: an escape and a character may be the same. */
	char  *json = pg_any_to_server(text, length, PG_UTF8);
	Jsonb *result;

	if (!has_single_names(json, strlen(json)))
		return NULL;
	result = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
	return JB_ROOT_IS_OBJECT(result) ? result : NULL;
}

Jsonb *
strict_json_object(const uint8 *text, int length)
{
	MemoryContext context = CurrentMemoryContext;
	char         *json = pnstrdup((const char *) text, length);
	Jsonb *volatile result = NULL;

	if (!pg_verify_mbstr(PG_UTF8, json, length, true) || !is_shallow(json, length))
		return NULL;
	PG_TRY();
	{
		result = read_object(json, length);
	}
	PG_CATCH();
	{
		int code;

		/* Nothing but memory was held. */
		MemoryContextSwitchTo(context);
		code = geterrcode();
		if (ERRCODE_TO_CATEGORY(code) != ERRCODE_DATA_EXCEPTION &&
		    code != ERRCODE_FEATURE_NOT_SUPPORTED)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	return result;
}
