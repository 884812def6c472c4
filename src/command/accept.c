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
#include "store/query.h"
#include "authority/team.h"

PG_FUNCTION_INFO_V1(teamrbac_peek_invitation);
PG_FUNCTION_INFO_V1(teamrbac_accept_invitation);
PG_FUNCTION_INFO_V1(teamrbac_decline_invitation);

static Invitation
require_invitation(const char *token, bool lock)
{
	Invitation invitation = {0};

	if (!find_invitation_by_token(token, lock, &invitation))
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("invitation not found"),
		                errhint("If it was sent again, only the newest link is good.")));
	return invitation;
}

/*
 * state_on_acceptance is the invitation's state as whoever accepts it now would find it: nobody has marked it yet
 * as what it has become when its sender lost their authority, by a DBA's hand or in time, or when the membership
 * that it offers would be over.
 */
static InvitationState
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
	char      *token = text_arg(fcinfo, 0, "token");
	Invitation invitation = require_invitation(token, false);

	return row_result(fcinfo,
	                  (Datum[]){CStringGetTextDatum(invitation.tenant_name),
	                            CStringGetTextDatum(invitation.role),
	                            CStringGetTextDatum(invitation.email),
	                            invitation_state_datum(state_on_acceptance(&invitation)),
	                            TimestampTzGetDatum(invitation.expires_at)},
	                  NULL);
}

/* require_invitee makes sure that it was this user's e-mail address that was invited. */
static void
require_invitee(const Invitation *invitation, const pg_uuid_t *user)
{
	static SavedQuery find = {
		.sql = "SELECT FROM teamrbac.app_user WHERE user_id = $1"
			   " AND teamrbac.address_key(email) = teamrbac.address_key($2)",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	Datum args[] = {UUIDPGetDatum(user), CStringGetTextDatum(invitation->email)};

	if (query_execute(&find, args, NULL) == 0)
		refuse_command(&invitation->tenant_id, "the invitation is for somebody else", NULL,
		               "Sign in as the user with the e-mail address that was invited.");
}

/*
 * lock_invitation_of locks the tenant that a token invites into, and reads the invitation, which is for this
 * user.  Anybody else is refused before the lock, and so cannot hold up the team.
 */
static Invitation
lock_invitation_of(const pg_uuid_t *user, const char *token)
{
	Invitation invitation = require_invitation(token, false);

	require_invitee(&invitation, user);
	(void) lock_tenant_yielding(&invitation.tenant_id);
	/* Not there any more if it was sent again meanwhile, or its tenant deleted. */
	invitation = require_invitation(token, true);
	require_invitee(&invitation, user);
	return invitation;
}

/*
 * require_standing_offer makes sure that the invitation still says what may be said: whoever sent it could send
 * it now as well.
 */
static void
require_standing_offer(const Invitation *invitation)
{
	if (!member_may_give_role(&invitation->tenant_id, &invitation->invited_by, invitation->role))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("whoever sent the invitation may no longer give its role"),
		                errhint("Ask somebody else who manages the team for an invitation.")));
	if (invitation->membership_expires_at <= GetCurrentTimestamp())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("the membership offered would have ended already"),
		                errhint("Ask for another invitation.")));
}

/* add_member makes the user a member; a membership that has expired gives way. */
static void
add_member(const Invitation *invitation, const pg_uuid_t *user)
{
	static SavedQuery insert = {
		.sql =
			"INSERT INTO teamrbac.membership AS m (tenant_id, user_id, role, expires_at) VALUES ($1, $2, $3, $4)"
			" ON CONFLICT (tenant_id, user_id) DO UPDATE"
			" SET role = EXCLUDED.role, expires_at = EXCLUDED.expires_at, joined_at = EXCLUDED.joined_at"
			" WHERE m.expires_at <= pg_catalog.clock_timestamp()",
		.nargs = 4,
		.argtypes = {UUIDOID, UUIDOID, TEXTOID, TIMESTAMPTZOID},
	};
	Datum args[] = {UUIDPGetDatum(&invitation->tenant_id), UUIDPGetDatum(user),
	                CStringGetTextDatum(invitation->role),
	                TimestampTzGetDatum(invitation->membership_expires_at)};
	bool  forever = invitation->membership_expires_at == DT_NOEND;

	if (query_execute(&insert, args, forever ? "   n" : NULL) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
		                errmsg("user is a member of the tenant already"),
		                errdetail("The role stays as it is.")));
}

/* joined_by tells whether this user has accepted the invitation before, and is a member still. */
static bool
joined_by(const Invitation *invitation, const pg_uuid_t *user)
{
	return invitation->state == INVITATION_ACCEPTED && uuid_same(&invitation->accepted_by, user) &&
	       grant_is_live(principal_grant(current_principal(), &invitation->tenant_id),
	                     GetCurrentTimestamp());
}

/* accept_invitation(token): the signed-in user joins the tenant. */
Datum
teamrbac_accept_invitation(PG_FUNCTION_ARGS)
{
	char      *token = text_arg(fcinfo, 0, "token");
	pg_uuid_t  user = require_user(NULL);
	Invitation invitation;

	invitation = lock_invitation_of(&user, token);

	if (!joined_by(&invitation, &user))
	{
		require_pending(&invitation);
		require_standing_offer(&invitation);

		add_member(&invitation, &user);
		end_invitation(&invitation, INVITATION_ACCEPTED, &user);
		audit_tenant(&invitation.tenant_id, "member.joined", audit_subject("member", &user), NULL,
		             audit_membership(invitation.role, invitation.membership_expires_at));
	}
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
	Invitation invitation;

	invitation = lock_invitation_of(&user, token);

	require_pending(&invitation);

	end_invitation(&invitation, INVITATION_DECLINED, NULL);
	PG_RETURN_VOID();
}
