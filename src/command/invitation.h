/*
 * invitation.h
 *	  Invitations as the commands on them find them, and how they end.
 */
#ifndef TEAMRBAC_INVITATION_H
#define TEAMRBAC_INVITATION_H

#include "datatype/timestamp.h"
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

/*
 * Cancels the pending invitations sent by this member, or former member, or for NULL by anybody, which they could no
 * longer send.  The caller has locked the tenant and changed the member, or what roles give.
 */
extern void cancel_invitations_beyond(const pg_uuid_t *tenant, const pg_uuid_t *inviter);

#endif /* TEAMRBAC_INVITATION_H */
