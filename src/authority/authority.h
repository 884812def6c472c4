/*
 * authority.h
 *	  What the rows of a query were let through by, and whether a cursor may go on with them.
 */
#ifndef TEAMRBAC_AUTHORITY_H
#define TEAMRBAC_AUTHORITY_H

#include "lib/ilist.h"

#include "authority/cache.h"

/* How many tenants of rows that were let through a call site remembers. */
#define MAX_PASSED 16

/* One call site's answers: of whom, about what, since when. */
typedef struct Authority
{
	dlist_node            node;
	MemoryContextCallback callback;
	MemoryContext         query;   /* the call site's: of its executor, if it belongs to a plan */
	Subject              *subject; /* pinned; NULL before the first answer */
	int                   permission; /* its number in the subject's definitions; -1: unknown */
	uint64      command;       /* the client's command that took the subject: see client_command */
	TimestampTz command_start; /* and when that began */
	int         npassed;       /* -1: any that the subject may have passed */
	pg_uuid_t  *passed;        /* room for MAX_PASSED, where they are remembered */
} Authority;

/*
 * Counts the client's commands that execute plans.  What belongs to a plan is reached by way of ExecutorRun alone,
 * and there it is brought up to date; anything else must compare GetCurrentStatementStartTimestamp().
 */
extern PGDLLIMPORT uint64 client_command;

/* Begins, with no subject; the authority lives in this memory context and is released with it. */
extern void authority_begin(Authority *authority, MemoryContext query);

/* Takes a subject, of the client's present command, in place of the one before; the permission is unknown. */
extern void authority_take(Authority *authority, Subject *subject);

/* Remembers which tenants' rows are let through, if authority_pass is told of each. */
extern void authority_track(Authority *authority);
extern void authority_pass(Authority *authority, const pg_uuid_t *tenant);

/*
 * Whether the running portal's query was planned as a cursor's; there is a running portal.  A client's query is not,
 * even if it is fetched by portions.
 */
extern bool portal_is_cursor(void);

/* Installs the executor hook; once, when the library is loaded. */
extern void authority_init(void);

#endif /* TEAMRBAC_AUTHORITY_H */
