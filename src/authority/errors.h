/*
 * errors.h
 *	  Refusals, worded once where more than one command gives them.
 */
#ifndef TEAMRBAC_ERRORS_H
#define TEAMRBAC_ERRORS_H

#include "postgres.h"

#include "utils/uuid.h"

#include "compat.h"
#include "authority/identity_type.h"

/*
 * The only ways to say that somebody may not (42501), and that an identity is none (28000): all refusals go
 * through here, to be counted and logged.  detail and hint may be NULL; none of the three may hold a secret.
 * tenant: what the command was about, for the log only; NULL where that is not known.
 */
pg_noreturn extern void refuse_command(const pg_uuid_t *tenant, const char *message,
                                       const char *detail, const char *hint);
pg_noreturn extern void refuse_identity(const char *message, const char *detail, const char *hint);

/*
 * 28000 with a stable reason in the error's constraint field, for programs to tell apart.  The server's log does not get
 * the statement, which may hold a token.
 */
pg_noreturn extern void refuse_proof(const char *reason, const char *message, const char *detail,
                                     const char *hint);

/*
 * 42501.  The same whether the tenant doesn't exist, isn't the caller's, or the caller may not: existence
 * does not leak.  permission may be NULL where membership itself is what is needed.
 */
pg_noreturn extern void refuse_permission(const pg_uuid_t *tenant, const char *permission);

/* 28000: this needs somebody, or (user only) a person, and nobody is signed in, or a key. */
pg_noreturn extern void refuse_nobody(const pg_uuid_t *tenant);

/* 22023: an argument that must not be NULL is. */
pg_noreturn extern void refuse_null(const char *argument);

#endif /* TEAMRBAC_ERRORS_H */
