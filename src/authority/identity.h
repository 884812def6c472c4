/*
 * identity.h
 *	  Who is asking.
 */
#ifndef TEAMRBAC_IDENTITY_H
#define TEAMRBAC_IDENTITY_H

#include "authority/identity_type.h"

/* Counts the changes of the identity, ROLLBACK's and RESET's included. */
extern PGDLLIMPORT uint64 identity_generation;

/* Defines the setting; once, when the library is loaded. */
extern void identity_init(void);

/*
 * Who is asking: whoever has signed in, while their proof lasts; else the user that the session's login role is mapped
 * to; else nobody.  Within a security-restricted operation (ANALYZE, REINDEX, REFRESH, autovacuum, ...) nobody.  May read a
 * table; accepts no invalidations by itself.
 */
extern Identity identity_now(void);

/*
 * Whether it is a superuser's own word, for what a superuser needs no permission for: never within a security-restricted
 * operation, which runs code of a table's owner in a superuser's session, autovacuum's included.
 */
extern bool superuser_is_asking(void);

/*
 * Whether nobody has signed in, and so what is done is the word of the session's own role.  False where somebody did whose
 * proof has ended: identity_now is nobody then, and nobody may take that for more.
 */
extern bool nobody_has_signed_in(void);

/* Whether who is asking now would go on asking in the session's next transaction. */
extern bool identity_outlives_transaction(void);

/*
 * Signs in, for the transaction (local) or the session; IDENTITY_NONE signs out.  Errors: 42501 for the session,
 * where teamrbac.allow_session_identity is off.
 */
extern void identity_set(const Identity *identity, bool local);

/* An identity as text, name=value separated by spaces, palloc'd; empty for nobody.  And back; false: malformed, or nobody. */
extern char *identity_text(const Identity *identity);
extern bool  identity_parse(const char *text, Identity *identity);

/* Who another server says is asking, if one does; asked before anything else. */
typedef bool (*IdentityCarrier)(Identity *identity);
extern void identity_carried_by(IdentityCarrier carrier);

#endif /* TEAMRBAC_IDENTITY_H */
