/*
 * identity.h
 *	  Who is asking.
 */
#ifndef TEAMRBAC_IDENTITY_H
#define TEAMRBAC_IDENTITY_H

#include "authority/identity_type.h"

/* Counts the changes of the identity, ROLLBACK's and RESET's included. */
extern PGDLLIMPORT uint64 identity_epoch;

/* Defines the setting; once, when the library is loaded. */
extern void identity_init(void);

/*
 * Who is asking: whoever has signed in, else the user that the session's login role is mapped to, else
 * nobody.  May read a table; accepts no invalidations by itself.
 */
extern Identity identity_now(void);

/*
 * The user who is asking.  Errors: 28000 for nobody, 42501 for an API key.  tenant: see errors.h.
 */
extern pg_uuid_t require_user(const pg_uuid_t *tenant);

/*
 * Signs in, for the transaction (local) or the session; IDENTITY_NONE signs out.
 */
extern void identity_set(const Identity *identity, bool local);

/*
 * Tells the developer at a prompt what they would else find out by missing rows.  A function that signs in
 * and goes on within the same statement is left alone: it has put itself on the error context stack.
 */
extern void identity_warn_if_over(bool local);

/* The identity as a value of the SQL type teamrbac.identity. */
extern Datum identity_datum(const Identity *identity);

#endif /* TEAMRBAC_IDENTITY_H */
