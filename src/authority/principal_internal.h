/*
 * principal_internal.h
 *	  What a principal consists of, for those files alone that read it (principal_read.c) and keep it (principal.c).
 */
#ifndef TEAMRBAC_PRINCIPAL_INTERNAL_H
#define TEAMRBAC_PRINCIPAL_INTERNAL_H

#include "postgres.h"

#include "lib/ilist.h"
#include "utils/snapshot.h"

#include "authority/principal.h"
#include "authority/role.h"
#include "store/catalog.h"
#include "store/uuid_text.h"

/* How many tenants of one principal a backend remembers. */
#define MAX_KEPT_GRANTS 1024

static inline uint32
tenant_hash(const pg_uuid_t *uuid)
{
	uint64 halves[2];
	uint64 mixed;

	memcpy(halves, uuid->data, UUID_LEN);
	mixed = halves[0] ^ (halves[1] << 1);
	/* Each row of a table may ask about another tenant, so this is one multiplication (by 2^64 over the golden ratio). */
	return (uint32) ((mixed * UINT64CONST(0x9E3779B97F4A7C15)) >> 32);
}

/* Half empty, since most of those asked about are in none: such a search ends at the first empty place. */

#define SH_FILLFACTOR 0.5
#define SH_PREFIX grants
#define SH_ELEMENT_TYPE Grant
#define SH_KEY_TYPE pg_uuid_t
#define SH_KEY tenant_id
#define SH_HASH_KEY(table, key) tenant_hash(&(key))
#define SH_EQUAL(table, a, b) uuid_same(&(a), &(b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* A role that some of a principal's grants give, in a list of them. */
typedef struct RememberedRole
{
	struct RememberedRole *next;
	Role                  *role;
} RememberedRole;

struct Principal
{
	dlist_node      node;   /* in principals, most recently used first */
	bool            listed; /* false once another has taken its place, and for a statement's own */
	int             pins;
	Identity        identity; /* as it was presented */
	Identity        asker;    /* who that is: the same, or nobody if its proof has been revoked */
	MemoryContext   context;  /* holds this struct and all below */
	uint64          generations[FACTS_KINDS]; /* as of reading */
	bool            active;                   /* the user exists and isn't disabled */
	bool            complete;                 /* grants has all there are */
	bool            expires;                  /* one of grants ends by itself */
	int             nlive;                    /* grants that are live but for their time */
	pg_uuid_t       live_tenant;              /* of one of these */
	grants_hash    *grants;
	RememberedRole *roles;    /* global ones */
	Snapshot        snapshot; /* what the rest is read with; NULL: the newest, each time */
};

/* What somebody has in a tenant in which they have nothing. */
extern const Grant no_grant;

/* The role of that name that grants of a principal give already, or NULL; and one made for them, which lives as long. */
extern Role *remembered_role(Principal *principal, const char *name);
extern Role *remember_role(Principal *principal, const char *name);

/* Remembers a grant, unless there is one of its tenant; returns the one remembered. */
extern const Grant *add_grant(Principal *principal, const Grant *grant);

/* Reads the user's membership of one tenant. */
extern const Grant *probe_membership(Principal *principal, const pg_uuid_t *tenant);

/* Reads the user's memberships up to a limit, and tells whether these were all. */
extern bool read_memberships(Principal *principal, int limit);

/* Reads all that a principal consists of; of somebody known to have too many tenants, without these. */
extern void read_principal(Principal *principal, bool too_many);

#endif /* TEAMRBAC_PRINCIPAL_INTERNAL_H */
