/*
 * invite.c
 *	  Commands of those who invite: invite, send again, take back.
 *
 * Each reads: arguments, lock, authority, change, record.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "record/audit.h"
#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "command/invitation.h"
#include "command/limit.h"
#include "authority/team.h"
#include "store/text_rules.h"

PG_FUNCTION_INFO_V1(teamrbac_invite_member);
PG_FUNCTION_INFO_V1(teamrbac_resend_invitation);
PG_FUNCTION_INFO_V1(teamrbac_cancel_invitation);

/* refuse_member makes sure that nobody with this address is a member. */
static void
refuse_member(const pg_uuid_t *tenant, const char *email)
{
	if (address_is_member(tenant, email))
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
		                errmsg("a user with this e-mail address is a member already"),
		                errhint("Use teamrbac.change_role to give a member another role.")));
}

/*
 * refuse_invited makes sure that no invitation of this address is pending, but this one (or none, for NULL).
 * One whose time is over gives way.
 */
static void
refuse_invited(const pg_uuid_t *tenant, const char *email, const pg_uuid_t *except)
{
	Invitation pending = {0};

	if (!find_pending_invitation(tenant, email, &pending) ||
	    (except != NULL && uuid_same(&pending.invitation_id, except)))
		return;
	if (pending.state == INVITATION_PENDING)
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
		                errmsg("this e-mail address is invited already"),
		                errhint("Use teamrbac.resend_invitation to send the invitation again.")));
	end_invitation(&pending, INVITATION_EXPIRED, NULL);
}

/* refuse_too_many makes sure that one more invitation may be pending in the tenant. */
static void
refuse_too_many(const pg_uuid_t *tenant)
{
	if (room_for_invitations(tenant) <= 0)
		refuse_too_many_invitations(tenant);
}

/* invite_member(tenant_id, email, role, membership_expires_at): somebody is asked to join. */
Datum
teamrbac_invite_member(PG_FUNCTION_ARGS)
{
	Invitation invitation = {
		.tenant_id = uuid_arg(fcinfo, 0, "tenant_id"),
		.email = text_arg(fcinfo, 1, "email"),
		.role = text_arg(fcinfo, 2, "role"),
		.membership_expires_at = membership_end_arg(fcinfo, 3),
	};
	const pg_uuid_t *tenant = &invitation.tenant_id;
	char            *token;

	require_email(invitation.email);
	invitation.invited_by = require_user(tenant);
	lock_tenant_for(tenant, PERMISSION_MANAGE_TEAM);

	require_authority_over_role(tenant, invitation.role);
	refuse_member(tenant, invitation.email);
	refuse_invited(tenant, invitation.email, NULL);
	refuse_too_many(tenant);

	token = send_invitation(&invitation);
	return row_result(fcinfo,
	                  (Datum[]){UUIDPGetDatum(&invitation.invitation_id),
	                            CStringGetTextDatum(token),
	                            TimestampTzGetDatum(invitation.expires_at)},
	                  NULL);
}

/* require_resendable lets an invitation be sent again that is pending, or expired and not made anew since. */
static void
require_resendable(const Invitation *invitation)
{
	if (invitation->state == INVITATION_PENDING)
		return;
	if (invitation->state != INVITATION_EXPIRED)
		require_pending(invitation);
	refuse_invited(&invitation->tenant_id, invitation->email, &invitation->invitation_id);
	refuse_too_many(&invitation->tenant_id);
}

/* resend_invitation(invitation_id): another mail, another token, all the time again. */
Datum
teamrbac_resend_invitation(PG_FUNCTION_ARGS)
{
	pg_uuid_t  id = uuid_arg(fcinfo, 0, "invitation_id");
	pg_uuid_t  user = require_user(NULL);
	Invitation invitation;
	char      *token;

	invitation = lock_managed_invitation(&id);

	require_resendable(&invitation);
	refuse_member(&invitation.tenant_id, invitation.email);

	token = send_invitation_again(&invitation, &user);
	return row_result(
		fcinfo, (Datum[]){CStringGetTextDatum(token), TimestampTzGetDatum(invitation.expires_at)},
		NULL);
}

/* cancel_invitation(invitation_id): a pending invitation is taken back. */
Datum
teamrbac_cancel_invitation(PG_FUNCTION_ARGS)
{
	pg_uuid_t  id = uuid_arg(fcinfo, 0, "invitation_id");
	Invitation invitation;

	(void) require_user(NULL);
	invitation = lock_managed_invitation(&id);

	require_pending(&invitation);

	end_invitation(&invitation, INVITATION_CANCELLED, NULL);
	PG_RETURN_VOID();
}
