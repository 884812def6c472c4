/*
 * precedence.h
 *	  Whoever manages a team does not wait for somebody who may not.
 *
 * A command locks a tenant's row until its transaction ends, and its client says when that is.  So that an open
 * transaction of a Reader's keeps no manager waiting, each command passes a gate first, on its own side of it.
 * Managers pass side by side, and so do the others, but not both at once; a manager who finds others inside has
 * their sessions ended once teamrbac.yield_after is over.  Nor can their transactions be prepared, which would hold
 * their locks without a session.
 */
#ifndef TEAMRBAC_PRECEDENCE_H
#define TEAMRBAC_PRECEDENCE_H

#include "utils/uuid.h"

/* What there is a gate before. */
typedef enum Gate
{
	GATE_TENANT, /* its row, and all that is locked after it */
	GATE_USER    /* their row */
} Gate;

/*
 * Passes the gate as somebody who manages the tenant, or a user by the application's right; the lock that the gate
 * is before comes right after.  Lasts until the transaction ends.
 */
extern void take_precedence(Gate gate, const pg_uuid_t *id);

/*
 * Passes it as somebody who does not: this transaction cannot be prepared any more, and the session may be ended.
 * One that passed as a manager before stays what it is.
 */
extern void yield_precedence(Gate gate, const pg_uuid_t *id);

/*
 * Reserves a slug until the transaction ends, without waiting: false if another transaction has.  Whoever inserts
 * one that another is inserting waits for that one's end otherwise.
 */
extern bool reserve_slug(const char *slug);

/* Registers what refuses to prepare a transaction; once, when the library is loaded. */
extern void precedence_init(void);

#endif /* TEAMRBAC_PRECEDENCE_H */
