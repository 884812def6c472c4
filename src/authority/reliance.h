/*
 * reliance.h
 *	  What a query has relied on, and whether that has been withdrawn.
 */
#ifndef TEAMRBAC_RELIANCE_H
#define TEAMRBAC_RELIANCE_H

#include "authority/statement.h"

/* What a query, or one that ran within it, has relied on. */
typedef struct Reliance
{
	Authority  authority;   /* the last one relied on; no principal: none */
	Bitmapset *permissions; /* relied on, of that and of earlier ones */
	bool       memberships; /* relied on, whatever they give */
	bool       withdrawn;   /* something of an earlier one is gone */
} Reliance;

/* Whether anything relied on is gone in a later authority. */
extern bool reliance_is_withdrawn(const Reliance *reliance, const Authority *now);

/* Adds what another relies on to what was relied on before; the set of permissions is kept in a memory context. */
extern void reliance_add(Reliance *reliance, const Reliance *other, MemoryContext context);

#endif /* TEAMRBAC_RELIANCE_H */
