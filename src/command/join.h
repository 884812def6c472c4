/*
 * join.h
 *	  How somebody becomes a member, and the ways in that are no invitation by address.
 */
#ifndef TEAMRBAC_JOIN_H
#define TEAMRBAC_JOIN_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#include "command/invitation.h"

/* ---- join.c ---- */

/*
 * lock_tenant_yielding for somebody who wants to join, or to have nothing more to do with it, and whose own row will be
 * referred to: neither keeps a manager waiting, nor the application that erases the user.
 */
extern bool lock_tenant_to_join(const pg_uuid_t *tenant, const pg_uuid_t *user);

/*
 * Makes a user a member; a membership that has expired gives way.  expires_at: DT_NOEND for never.  Raises
 * 23505 for a member, 55000 where there is no room.  The caller has locked the tenant, checked authority, and
 * records it.
 */
extern void admit_member(const pg_uuid_t *tenant, const pg_uuid_t *user, const char *role,
                         TimestampTz expires_at);

/* Ends a request, or a bar. */
extern void forget_joining(const pg_uuid_t *tenant, const pg_uuid_t *user);

/* Ends what a new member no longer needs: a pending invitation of their address, a request, a bar. */
extern void settle_joining(const pg_uuid_t *tenant, const pg_uuid_t *user);

/* Raises 55000 unless whoever offered a role may still give it. */
extern void require_giver(const pg_uuid_t *tenant, const pg_uuid_t *giver, const char *role);

/*
 * Whoever was a member comes back only if somebody lets them in by name: not if they were removed or their time
 * ran out, nor by leaving to get rid of a lesser role or an end.  The caller has locked the tenant, and ended the
 * membership.
 */
extern void bar_from_joining(const pg_uuid_t *tenant, const pg_uuid_t *user);

/* Raises 42501 for somebody who was a member; the caller has locked the tenant. */
extern void require_not_barred(const pg_uuid_t *tenant, const pg_uuid_t *user);

/* Raises 23505 for somebody who is a member already. */
extern void require_no_member(const pg_uuid_t *tenant, const pg_uuid_t *user);

/* ---- join_link.c ---- */

/* An invitation without an address. */
typedef struct Link
{
	pg_uuid_t   tenant_id;
	pg_uuid_t   link_id;
	const char *tenant_name;
	const char *role;
	int         uses;
	int         used;
	pg_uuid_t   made_by;
	TimestampTz expires_at;
	bool        revoked;
} Link;

/* Finds a link by the hash of its token, as find_invitation_by_token does an invitation. */
extern bool find_link_by_token(const char *token, bool lock, Link *link);

/* What state_on_acceptance says of an invitation; used up is expired. */
extern InvitationState link_state_on_acceptance(const Link *link);

/* The user joins by a link, which was found without a lock. */
extern void join_by_link(Link *link, const char *token, const pg_uuid_t *user);

/* Ends the links that this member, or former member, could no longer make; the tenant is locked. */
extern void end_links_beyond(const pg_uuid_t *tenant, const pg_uuid_t *maker);

/* Deletes at most so many links that expired before that time, and returns how many; waits for no lock. */
extern uint64 purge_links(TimestampTz before, int at_most);

/* ---- join_domain.c ---- */

/* A tenant's word for a domain. */
typedef struct Domain
{
	const char *domain;
	const char *role;
	bool        automatic;
	pg_uuid_t   allowed_by;
} Domain;

/*
 * Finds what a tenant has allowed for the domain of the user's address; 42501, as for a tenant that doesn't
 * exist, if it hasn't.
 */
extern Domain require_domain_of(const pg_uuid_t *tenant, const pg_uuid_t *user);

/* Locks the tenant for somebody who may join it by their domain; errors as above. */
extern Domain lock_tenant_by_domain(const pg_uuid_t *tenant, const pg_uuid_t *user);

/* Ends the domains that this member, or former member, could no longer allow; the tenant is locked. */
extern void end_domains_beyond(const pg_uuid_t *tenant, const pg_uuid_t *allower);

#endif /* TEAMRBAC_JOIN_H */
