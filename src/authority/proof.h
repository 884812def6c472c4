/*
 * proof.h
 *	  Whether what an identity was proven by still counts.
 */
#ifndef TEAMRBAC_PROOF_H
#define TEAMRBAC_PROOF_H

#include "utils/snapshot.h"

#include "authority/identity_type.h"

/*
 * Whether the issuer of an identity's proof is still trusted, and has not had this proof revoked; true for an identity
 * that nobody issued a proof for.  Reads the tables with a snapshot from catalog_snapshot, or NULL for the newest.
 */
extern bool proof_stands(Snapshot snapshot, const Identity *identity);

/* The same of a proof that somebody else has verified, whose issuer need be none of ours (0). */
extern bool foreign_proof_stands(const Identity *identity);

#endif /* TEAMRBAC_PROOF_H */
