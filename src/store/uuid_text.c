/*
 * uuid_text.c
 *	  UUIDs as text.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "store/uuid_text.h"

char *
uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

static inline int
hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

bool
parse_uuid(const char **text, pg_uuid_t *uuid)
{
	const char *at = *text;

	for (int i = 0; i < UUID_LEN; i++)
	{
		int high;
		int low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *at++ != '-')
			return false;
		high = hex_value(at[0]);
		if (high < 0)
			return false;
		low = hex_value(at[1]);
		if (low < 0)
			return false;
		uuid->data[i] = high << 4 | low;
		at += 2;
	}
	*text = at;
	return true;
}
