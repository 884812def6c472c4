/*
 * last_use.h
 *	  When an API key was last used, and a user last active.
 *
 * Noting it waits for nothing and nobody: if others are in the way, they are noting it.  Nothing is noted where
 * the transaction may not write.
 */
#ifndef TEAMRBAC_LAST_USE_H
#define TEAMRBAC_LAST_USE_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/*
 * Notes that a key is being used, unless that was noted within teamrbac.key_use_granularity.  noted_at, 0 at
 * first, is where this remembers between two calls when the last use was noted.
 */
extern void note_key_use(const pg_uuid_t *tenant, const pg_uuid_t *key, TimestampTz *noted_at);

/* Notes that a user is active today. */
extern void note_user_activity(const pg_uuid_t *user);

#endif /* TEAMRBAC_LAST_USE_H */
