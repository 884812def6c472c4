/*
 * accept.c
 *	  Commands of those who are invited: look, accept, decline.
 *
 * They are no members yet: a token says which tenant's row to lock, and the invitation is read again under that
 * lock.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "record/audit.h"
#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "command/invitation.h"
#include "command/join.h"
#include "record/outbox.h"
#include "store/query.h"
#include "store/settings.h"
#include "authority/team.h"

PG_FUNCTION_INFO_V1(teamrbac_peek_invitation);
PG_FUNCTION_INFO_V1(teamrbac_accept_invitation);
PG_FUNCTION_INFO_V1(teamrbac_decline_invitation);

pg_noreturn static void
refuse_unknown_token(void)
{
	ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("invitation not found"),
	                errhint("If it was sent again, only the newest link is good.")));
}

InvitationState
state_on_acceptance(const Invitation *invitation)
{
	if (invitation->state != INVITATION_PENDING)
		return invitation->state;
	if (!member_may_give_role(&invitation->tenant_id, &invitation->invited_by, invitation->role))
		return INVITATION_CANCELLED;
	if (invitation->membership_expires_at <= GetCurrentTimestamp())
		return INVITATION_EXPIRED;
	return INVITATION_PENDING;
}

/* peek_invitation(token): what a token is for. */
Datum
teamrbac_peek_invitation(PG_FUNCTION_ARGS)
{
	char           *token = text_arg(fcinfo, 0, "token");
	Invitation      invitation = {0};
	Link            link;
	InvitationState state;

	if (find_invitation_by_token(token, false, &invitation))
		state = state_on_acceptance(&invitation);
	else if (find_link_by_token(token, false, &link))
	{
		state = link_state_on_acceptance(&link);
		invitation.tenant_name = link.tenant_name;
		invitation.role = link.role;
		invitation.expires_at = link.expires_at;
	}
	else
		refuse_unknown_token();
	return row_result(
		fcinfo,
		(Datum[]){CStringGetTextDatum(invitation.tenant_name), CStringGetTextDatum(invitation.role),
	              invitation.email != NULL ? CStringGetTextDatum(invitation.email) : (Datum) 0,
	              invitation_state_datum(state), TimestampTzGetDatum(invitation.expires_at)},
		(bool[]){false, false, invitation.email == NULL, false, false});
}

bool
is_invitee(const Invitation *invitation, const pg_uuid_t *user)
{
	static SavedQuery find = {
		.sql = "SELECT FROM teamrbac.app_user WHERE user_id = $1"
			   " AND teamrbac.address_key(email) = teamrbac.address_key($2)",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	Datum args[] = {UUIDPGetDatum(user), CStringGetTextDatum(invitation->email)};

	return query_execute(&find, args, NULL) > 0;
}

static void
require_invitee(const Invitation *invitation, const pg_uuid_t *user)
{
	if (!is_invitee(invitation, user))
		refuse_command(&invitation->tenant_id, "the invitation is for somebody else", NULL,
		               "Sign in as the user with the e-mail address that was invited.");
}

/*
 * lock_invitation_of locks the tenant that an invitation is into, and reads it again, which is for this user.
 * Anybody else is refused before the lock, and so cannot hold up the team.
 */
static void
lock_invitation_of(const pg_uuid_t *user, const char *token, Invitation *invitation)
{
	require_invitee(invitation, user);
	(void) lock_tenant_to_join(&invitation->tenant_id, user);
	/* Not there any more if it was sent again meanwhile, or its tenant deleted. */
	if (!find_invitation_by_token(token, true, invitation))
		refuse_unknown_token();
	require_invitee(invitation, user);
}

/*
 * require_standing_offer makes sure that the invitation still says what may be said: whoever sent it could send
 * it now as well.
 */
static void
require_standing_offer(const Invitation *invitation)
{
	require_giver(&invitation->tenant_id, &invitation->invited_by, invitation->role);
	if (invitation->membership_expires_at <= GetCurrentTimestamp())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("the membership offered would have ended already"),
		                errhint("Ask for another invitation.")));
}

/* joined_by tells whether this user has accepted the invitation before, and is a member still. */
static bool
joined_by(const Invitation *invitation, const pg_uuid_t *user)
{
	return invitation->state == INVITATION_ACCEPTED && uuid_same(&invitation->accepted_by, user) &&
	       grant_is_live(principal_grant(current_principal(), &invitation->tenant_id),
	                     GetCurrentTimestamp());
}

/* tell_inviter mails what came of an invitation to whoever sent it, if they still have to do with it. */
static void
tell_inviter(const Invitation *invitation, MailKind kind, const pg_uuid_t *invitee)
{
	if (mail_inviter &&
	    member_may_give_role(&invitation->tenant_id, &invitation->invited_by, invitation->role))
		mail_user(
			&invitation->tenant_id, kind, &invitation->invited_by,
			audit_fields("role", invitation->role, "invitee", user_display_name(invitee), NULL));
}

void
accept_as(const Invitation *invitation, const pg_uuid_t *user)
{
	if (joined_by(invitation, user))
		return;
	require_pending(invitation);
	require_standing_offer(invitation);

	admit_member(&invitation->tenant_id, user, invitation->role, invitation->membership_expires_at);
	end_invitation(invitation, INVITATION_ACCEPTED, user);
	audit_tenant(&invitation->tenant_id, "member.joined", audit_subject("member", user), NULL,
	             audit_fields("role", invitation->role, "expires_at",
	                          audit_time(invitation->membership_expires_at), NULL));
	settle_joining(&invitation->tenant_id, user);
	tell_inviter(invitation, MAIL_INVITATION_ACCEPTED, user);
}

void
decline_as(const Invitation *invitation, const pg_uuid_t *user)
{
	require_pending(invitation);

	end_invitation(invitation, INVITATION_DECLINED, NULL);
	tell_inviter(invitation, MAIL_INVITATION_DECLINED, user);
}

/* accept_invitation(token): the signed-in user joins the tenant. */
Datum
teamrbac_accept_invitation(PG_FUNCTION_ARGS)
{
	char      *token = text_arg(fcinfo, 0, "token");
	pg_uuid_t  user = require_user(NULL);
	Invitation invitation = {0};
	Link       link;

	if (find_invitation_by_token(token, false, &invitation))
	{
		lock_invitation_of(&user, token, &invitation);
		accept_as(&invitation, &user);
	}
	else if (find_link_by_token(token, false, &link))
	{
		join_by_link(&link, token, &user);
		invitation.tenant_id = link.tenant_id;
		invitation.role = link.role;
	}
	else
		refuse_unknown_token();
	return row_result(
		fcinfo,
		(Datum[]){UUIDPGetDatum(&invitation.tenant_id), CStringGetTextDatum(invitation.role)},
		NULL);
}

/* decline_invitation(token): the signed-in user does not want to join. */
Datum
teamrbac_decline_invitation(PG_FUNCTION_ARGS)
{
	char      *token = text_arg(fcinfo, 0, "token");
	pg_uuid_t  user = require_user(NULL);
	Invitation invitation = {0};

	if (!find_invitation_by_token(token, false, &invitation))
		refuse_unknown_token();
	lock_invitation_of(&user, token, &invitation);
	decline_as(&invitation, &user);
	PG_RETURN_VOID();
}
