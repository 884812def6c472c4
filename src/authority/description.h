/*
 * description.h
 *	  What somebody has been granted, as text for another process.
 */
#ifndef TEAMRBAC_DESCRIPTION_H
#define TEAMRBAC_DESCRIPTION_H

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "authority/principal.h"

/* Appends grants: the sets of permissions that occur, by name, then the grants themselves, a line each. */
extern void describe_grants(StringInfo text, const Grant *const *grants, int ngrants);

/* Adds the grants that such a text describes, which is cut into pieces, to a principal that has none. */
extern void understand_grants(char *text, Principal *principal);

/* The next word of a line, which is cut; an error at its end. */
extern char     *require_word(char **line);
extern pg_uuid_t require_uuid(char **line);

#endif /* TEAMRBAC_DESCRIPTION_H */
