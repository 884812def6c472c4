/*
 * statement.h
 *	  The authority of a statement: who is asking, in which tenant, with which grants, at what time; settled once.
 */
#ifndef TEAMRBAC_STATEMENT_H
#define TEAMRBAC_STATEMENT_H

#include "fmgr.h"

#include "authority/principal.h"

/* Where somebody acts who asks about "here". */
typedef enum ActingTenant
{
	ACTING_NOWHERE,
	ACTING_IN_ONE,    /* entered, the key's, or the only one */
	ACTING_UNDECIDED, /* in several, and none entered */
} ActingTenant;

/* What checks answer from. */
typedef struct Authority
{
	Principal   *principal;
	TimestampTz  settled_at;
	ActingTenant acting;
	pg_uuid_t    tenant; /* ACTING_IN_ONE */
} Authority;

/* A query that is being executed, and what it relied on so far. */
typedef struct Statement Statement;

/*
 * The statement that a call belongs to: the innermost running query whose plan has the call site.  NULL for a call
 * outside any query, as PL/pgSQL makes them for simple expressions.  flinfo may be NULL.
 */
extern Statement *statement_of_call(const FmgrInfo *flinfo);

/*
 * The authority that a call answers from: the statement's, settled at its first check and the same until its end; or,
 * outside any query, the newest, in *anew, good until the next call that accepts invalidations.
 */
extern const Authority *authority_of_call(Statement *statement, Authority *anew);

/* What may be relied on besides the permission of a number. */
#define ON_IDENTITY (-1)    /* who is asking */
#define ON_MEMBERSHIPS (-2) /* and of which tenants they are live members */

/*
 * Remembers, for all queries at work, that they rely on this authority: on one of the above, or on a permission.  When
 * one of them is resumed, and any of that has been withdrawn, it cannot go on (24000).
 */
extern void rely_on(const Authority *authority, int what);

/* Installs the executor's hooks; once, when the library is loaded. */
extern void statement_init(void);

#endif /* TEAMRBAC_STATEMENT_H */
