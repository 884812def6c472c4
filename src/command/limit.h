/*
 * limit.h
 *	  How much a tenant and a member may have.
 *
 * Each raises 55000 when there is no room for one more.  The caller has locked the tenant, so that two cannot
 * take the last room.
 */
#ifndef TEAMRBAC_LIMIT_H
#define TEAMRBAC_LIMIT_H

#include "utils/uuid.h"

#include "compat.h"

/* One more member of the tenant. */
extern void require_room_for_member(const pg_uuid_t *tenant);

/* One more active API key that this member made in the tenant. */
extern void require_room_for_key(const pg_uuid_t *tenant, const pg_uuid_t *member);

/* How many more invitations may be pending in the tenant; none is 0. */
extern int room_for_invitations(const pg_uuid_t *tenant);

/* Raises 55000 that no more may be pending. */
pg_noreturn extern void refuse_too_many_invitations(const pg_uuid_t *tenant);

/* How many links a tenant may have that can be used: as many as invitations may be pending. */
extern void require_room_for_link(const pg_uuid_t *tenant);

#endif /* TEAMRBAC_LIMIT_H */
