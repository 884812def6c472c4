/*
 * statistics.h
 *	  What each backend counts.
 */
#ifndef TEAMRBAC_STATISTICS_H
#define TEAMRBAC_STATISTICS_H

#include "postgres.h"

typedef struct Counters
{
	uint64 checks;     /* answers asked for by has_permission and its like, a scan's rows each */
	uint64 cache_hits; /* what an identity may do was in memory, as new as the tables */
	uint64 reloads;    /* it was not */
	uint64 probes;     /* memberships and keys looked up one by one */
	uint64 denials;    /* refusals, 42501 and 28000 */
} Counters;

/*
 * This backend's.  Written by counters->checks++ and the like: in shared memory if the library was preloaded,
 * but by this backend only.  A reader elsewhere may see a count that is a moment old.
 */
extern PGDLLIMPORT Counters *counters;

/* Asks for shared memory; once, when the library is loaded. */
extern void statistics_init(void);

/* Has this backend count in shared memory from now on, if there is any: for paths that are seldom taken. */
extern void statistics_attach(void);

#endif /* TEAMRBAC_STATISTICS_H */
