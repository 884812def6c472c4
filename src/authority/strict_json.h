/*
 * strict_json.h
 *	  JSON from whoever sends it: an object that two readers cannot understand in two ways.
 */
#ifndef TEAMRBAC_STRICT_JSON_H
#define TEAMRBAC_STRICT_JSON_H

#include "utils/jsonb.h"

/* Deeper than any token's header or claims are, and far from the end of the stack. */
#define STRICT_JSON_MAX_DEPTH 32

/*
 * Reads a JSON object in UTF-8; NULL if it is none, is nested deeper than that, has one name twice in the same
 * object, at whatever depth, or holds what the database's encoding cannot.  Never raises an error about the
 * text, and none that shows it.
 */
extern Jsonb *strict_json_object(const uint8 *text, int length);

#endif /* TEAMRBAC_STRICT_JSON_H */
