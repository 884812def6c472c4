/*
 * invitation.h
 *	  Invitations as the commands on them find them, and how they end.
 */
#ifndef TEAMRBAC_INVITATION_H
#define TEAMRBAC_INVITATION_H

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/uuid.h"

typedef enum InvitationState
{
	INVITATION_PENDING,
	INVITATION_ACCEPTED,
	INVITATION_DECLINED,
	INVITATION_CANCELLED,
	INVITATION_EXPIRED /* marked so, or not yet */
} InvitationState;

typedef struct Invitation
{
	pg_uuid_t       tenant_id;
	pg_uuid_t       invitation_id;
	const char     *tenant_name;
	const char     *email;
	const char     *role;
	TimestampTz     membership_expires_at; /* DT_NOEND: never */
	pg_uuid_t       invited_by;
	TimestampTz     expires_at;
	InvitationState state;       /* at the moment it was read */
	pg_uuid_t       accepted_by; /* if it was */
} Invitation;

/* The state as a value of the SQL type teamrbac.invitation_state. */
extern Datum invitation_state_datum(InvitationState state);

/*
 * Finds an invitation by its id, or by the hash of its token; false if there is none, or its tenant is
 * deleted.  lock: its row is locked until the transaction ends, which is done with the tenant locked only.
 */
extern bool find_invitation(const pg_uuid_t *id, bool lock, Invitation *invitation);
extern bool find_invitation_by_token(const char *token, bool lock, Invitation *invitation);

/*
 * A pending invitation, expired perhaps, of an address compared lower-cased; false if there is none.  The
 * caller has locked the tenant.
 */
extern bool find_pending_invitation(const pg_uuid_t *tenant, const char *email,
                                    Invitation *invitation);

/* Raises 55000 unless the invitation is pending, saying what it is instead. */
extern void require_pending(const Invitation *invitation);

/*
 * Ends an invitation, withdraws its unsent mail and records it.  accepted_by: who joined, or NULL.  The
 * caller has locked the tenant.
 */
extern void end_invitation(const Invitation *invitation, InvitationState state,
                           const pg_uuid_t *accepted_by);

/* ---- on its way out: sending.c ---- */

/* The argument membership_expires_at; DT_NOEND for NULL.  22023 unless it is in the future. */
extern TimestampTz membership_end_arg(FunctionCallInfo fcinfo, int arg);

/* Whether a member, whose membership hasn't expired, has this address.  The caller has locked the tenant. */
extern bool address_is_member(const pg_uuid_t *tenant, const char *email);

/*
 * Makes an invitation of tenant_id, email, role, membership_expires_at and invited_by, queues its mail and
 * records it; sets invitation_id and expires_at.  Returns the token.  The caller has locked the tenant.
 */
extern char *send_invitation(Invitation *invitation);

/* Makes an invitation pending for another lifetime, sent by this user now; likewise. */
extern char *send_invitation_again(Invitation *invitation, const pg_uuid_t *sender);

/*
 * Locks the tenant of an invitation, for whoever manages its team and may give its role, and reads the
 * invitation.  One that doesn't exist reads like one of a tenant that isn't theirs.
 */
extern Invitation lock_managed_invitation(const pg_uuid_t *id);

/* ---- at its goal: accept.c ---- */

/*
 * What the invitation would be if it were accepted now: nobody has marked it yet as what it has become when
 * its sender lost their authority, by a DBA's hand or in time, or when the membership that it offers would be
 * over.
 */
extern InvitationState state_on_acceptance(const Invitation *invitation);

/* Whether it was this user's e-mail address that was invited. */
extern bool is_invitee(const Invitation *invitation, const pg_uuid_t *user);

/*
 * What accept_invitation and decline_invitation do once the invitation is locked, and found to be the user's:
 * the same however it was named.
 */
extern void accept_as(const Invitation *invitation, const pg_uuid_t *user);
extern void decline_as(const Invitation *invitation, const pg_uuid_t *user);

/*
 * Cancels the pending invitations sent by this member, or former member, which they could no longer send: see offers.h.
 */
extern void cancel_invitations_beyond(const pg_uuid_t *tenant, const pg_uuid_t *inviter);

/* Deletes at most so many invitations that were decided before that time, and returns how many; waits for no lock. */
extern uint64 purge_invitations(TimestampTz before, int at_most);

#endif /* TEAMRBAC_INVITATION_H */
