/*
 * uuid_text.h
 *	  UUIDs: comparison, and text.
 */
#ifndef TEAMRBAC_UUID_TEXT_H
#define TEAMRBAC_UUID_TEXT_H

#include "utils/uuid.h"

static inline bool
uuid_same(const pg_uuid_t *a, const pg_uuid_t *b)
{
	return memcmp(a->data, b->data, UUID_LEN) == 0;
}

/* As uuid_out writes it, palloc'd. */
extern char *uuid_text(const pg_uuid_t *uuid);

/*
 * Reads what uuid_text wrote, and moves *text behind it; false, with *text anywhere, if that is none.  For check
 * hooks, which must not raise errors.
 */
extern bool parse_uuid(const char **text, pg_uuid_t *uuid);

#endif /* TEAMRBAC_UUID_TEXT_H */
