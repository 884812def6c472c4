/*
 * ticket.h
 *	  A ticket: who is asking and what they have, signed by the server that keeps the team for one that doesn't.
 */
#ifndef TEAMRBAC_TICKET_H
#define TEAMRBAC_TICKET_H

#include "authority/statement.h"

/* In how many tenants somebody may be live whom a ticket describes. */
#define MAX_TICKET_TENANTS 256

/* Defines the settings; once, when the library is loaded. */
extern void ticket_init(void);

/*
 * A ticket for what an authority has, palloc'd: for sessions that log in as the database role, until the lifetime is over.
 * Errors: 55000 no secret is set here; 54000 live in more than MAX_TICKET_TENANTS tenants.
 */
extern char *ticket_make(const Authority *authority, const char *database_role);

/*
 * Sees to it that Citus has given its workers, in this transaction, a ticket for this authority that is less than half
 * its lifetime old, for the connections of a database role.  Errors: as ticket_make, and what the workers raise.
 */
extern void ticket_carry(const Authority *authority, Oid database_role);

/* Whether this server signs tickets. */
extern bool ticket_is_wanted(void);

/* Whether a server that takes another's word has no ticket in force for this session. */
extern bool ticket_is_missing(void);

/* Raises 28000, with the reason, where it is. */
extern void ticket_require(void);

#endif /* TEAMRBAC_TICKET_H */
