/*
 * key_use.h
 *	  When an API key was last used.
 */
#ifndef TEAMRBAC_KEY_USE_H
#define TEAMRBAC_KEY_USE_H

#include "utils/uuid.h"

/*
 * Notes that a key is being used, unless that was noted within teamrbac.key_use_granularity, or the
 * transaction may not write.  Waits for nothing and nobody: if others are in the way, they are noting it.
 */
extern void note_key_use(const pg_uuid_t *tenant, const pg_uuid_t *key);

#endif /* TEAMRBAC_KEY_USE_H */
