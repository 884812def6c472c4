/*
 * sign_in.h
 *	  What all ways of signing in have in common.
 */
#ifndef TEAMRBAC_SIGN_IN_H
#define TEAMRBAC_SIGN_IN_H

#include "authority/identity_type.h"

/*
 * Warns (25P01) the developer at a prompt who signs in for a transaction that is this statement alone, of what they
 * would else find out by missing rows.  A function that signs in and goes on within the same statement is left alone:
 * it has put itself on the error context stack.
 */
extern void warn_if_over(bool local);

/* Makes an active user the asker, in no tenant.  Errors: 28000 unknown or disabled user.  Accept invalidations first. */
extern Identity require_active_user(const pg_uuid_t *user_id);

/* Has the identity act in the tenant.  Errors: 42501 unless it is live there. */
extern void enter_tenant(Identity *identity, const pg_uuid_t *tenant);

#endif /* TEAMRBAC_SIGN_IN_H */
