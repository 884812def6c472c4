/*
 * issuer.h
 *	  The issuers of tokens, for commands.
 */
#ifndef TEAMRBAC_ISSUER_H
#define TEAMRBAC_ISSUER_H

/* Locks a trusted issuer's row until the transaction ends, and returns its number; 0 if there is none. */
extern int32 lock_issuer(const char *issuer);

/* The same; P0002 if there is none. */
extern int32 require_issuer(const char *issuer);

#endif /* TEAMRBAC_ISSUER_H */
