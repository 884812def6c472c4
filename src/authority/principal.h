/*
 * principal.h
 *	  Somebody who asks, and what they have been granted where.
 */
#ifndef TEAMRBAC_PRINCIPAL_H
#define TEAMRBAC_PRINCIPAL_H

#include "datatype/timestamp.h"
#include "nodes/bitmapset.h"

#include "authority/identity_type.h"

/* A role, and the numbers of its permissions. */
typedef struct Role
{
	char       name[NAMEDATALEN];
	Bitmapset *permissions;
} Role;

/* Why a grant gives nothing, if it doesn't. */
typedef enum GrantState
{
	GRANT_LIVE,
	GRANT_NONE, /* not a member */
	GRANT_TENANT_DELETED,
	GRANT_USER_DISABLED,
	GRANT_KEY_REVOKED
} GrantState;

/* What a principal has in one tenant. */
typedef struct Grant
{
	pg_uuid_t        tenant_id; /* hash key */
	char             status;    /* simplehash's */
	GrantState       state;
	TimestampTz      expires_at;  /* DT_NOEND: never */
	const Role      *role;        /* NULL for GRANT_NONE */
	const Bitmapset *permissions; /* all it gives while it is live and not expired */
} Grant;

/* Whether a grant gives anything at this time, and whether it gives the permission. */
extern bool grant_is_live(const Grant *grant, TimestampTz now);
extern bool grant_allows(const Grant *grant, int permission, TimestampTz now);

/* A user with their memberships, an API key with its tenant, or nobody. */
typedef struct Principal Principal;

/*
 * Whoever is asking, by the newest state of the tables that this backend can know of.  The pointer is good until
 * the next call that accepts invalidations, unless pinned.
 */
extern Principal *current_principal(void);

/* The same of any identity; accept invalidations first. */
extern Principal *principal_of(const Identity *identity);

/*
 * The same for a statement: however many tenants it has and however late it is asked about them, all that it
 * answers is of one state.  Where that takes a snapshot (somebody in more tenants than a backend remembers), it is
 * registered with the current resource owner until principal_end_statement.  Pinned.
 */
extern Principal *principal_for_statement(const Identity *identity);
extern void       principal_end_statement(Principal *principal);

/* Keeps a principal, and all answers it gave, until as many principal_unpin calls. */
extern void principal_pin(Principal *principal);
extern void principal_unpin(Principal *principal);

/* Who it is. */
extern const Identity *principal_identity(const Principal *principal);

/*
 * What the principal has in a tenant; never NULL (GRANT_NONE).  Reads the tables only for somebody in more tenants
 * than a backend remembers.  The pointer is good until the next call for the same principal.
 */
extern const Grant *principal_grant(Principal *principal, const pg_uuid_t *tenant);

/* All grants of the principal, in order of tenant_id, as an array of *ngrants pointers, palloc'd. */
extern const Grant **principal_grants(Principal *principal, int *ngrants);

/* Those in memory: of all tenants that the principal was asked about.  In no order; palloc'd; reads no table. */
extern const Grant **principal_known_grants(const Principal *principal, int *ngrants);

/* All permissions that any of these gives; palloc'd. */
extern Bitmapset *principal_permissions(const Principal *principal);

/* Whether something that the principal has may end by itself. */
extern bool principal_expires(const Principal *principal);

/* How many tenants the principal is live in at this time: 0, 1 or 2 for more; the tenant if there is but one. */
extern int principal_live_tenants(Principal *principal, TimestampTz now, pg_uuid_t *tenant);

/* About how many grants the principal has, for the planner. */
extern double principal_estimate(const Principal *principal);

/* Reads all grants of a statement's principal that are not in memory yet. */
extern void principal_complete(Principal *principal);

/* A principal that another process has described (see worker.c), pinned: nothing of it is read from the tables. */
extern Principal *principal_make_described(const Identity *identity);
extern void principal_add_described(Principal *principal, const Grant *grant, const char *role);

/* Whoever asks by a ticket is this principal from now on; NULL: nobody does. */
extern void principal_carry(Principal *principal);

/* Whether the user exists and isn't disabled, read at this moment from the table. */
extern bool user_is_active(const pg_uuid_t *user_id);

/* Whether the user exists, likewise. */
extern bool user_is_known(const pg_uuid_t *user_id);

#endif /* TEAMRBAC_PRINCIPAL_H */
