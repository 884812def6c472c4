/*
 * last_use.h
 *	  When an API key was last used, and a user last active.  With it goes since when, without a gap, what they use has
 *	  been recorded: a sign-in while teamrbac.record_permission_use is off ends that, the next one while it is on begins anew.
 *
 * Noting it waits for nothing and nobody: if others are in the way, they are noting it.  Nothing is noted where
 * the transaction may not write.
 */
#ifndef TEAMRBAC_LAST_USE_H
#define TEAMRBAC_LAST_USE_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/* What is remembered between two calls of what was noted of a key; all zeros at first. */
typedef struct NotedKeyUse
{
	TimestampTz at;
	bool        recorded;
} NotedKeyUse;

/* Notes that a key is being used, unless that was noted within teamrbac.key_use_granularity. */
extern void note_key_use(const pg_uuid_t *tenant, const pg_uuid_t *key, NotedKeyUse *noted);

/* Notes that a user is active today. */
extern void note_user_activity(const pg_uuid_t *user);

#endif /* TEAMRBAC_LAST_USE_H */
