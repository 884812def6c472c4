/*
 * invite.c
 *	  Commands of those who invite: invite, send again, take back.
 *
 * Each reads: arguments, lock, authority, change, record.
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
#include "record/mail_allowance.h"
#include "record/outbox.h"
#include "store/query.h"
#include "store/secret.h"
#include "store/settings.h"
#include "authority/team.h"
#include "store/text_rules.h"

PG_FUNCTION_INFO_V1(teamrbac_invite_member);
PG_FUNCTION_INFO_V1(teamrbac_resend_invitation);
PG_FUNCTION_INFO_V1(teamrbac_cancel_invitation);

/*
 * refuse_member makes sure that nobody with this address is a member.  A membership that has expired is none.
 */
static void
refuse_member(const pg_uuid_t *tenant, const char *email)
{
	static SavedQuery find = {
		.sql = "SELECT FROM teamrbac.app_user AS u"
			   " JOIN teamrbac.membership AS m ON m.user_id = u.user_id"
			   " WHERE m.tenant_id = $1"
			   " AND teamrbac.address_key(u.email) = teamrbac.address_key($2)"
			   " AND (m.expires_at IS NULL OR m.expires_at > pg_catalog.clock_timestamp())",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};

	if (query_execute(&find, (Datum[]){UUIDPGetDatum(tenant), CStringGetTextDatum(email)}, NULL) >
	    0)
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
	static SavedQuery find = {
		.sql = "SELECT FROM teamrbac.invitation WHERE tenant_id = $1"
			   " AND state = 'pending'"
			   " AND expires_at > pg_catalog.clock_timestamp() LIMIT $2",
		.nargs = 2,
		.argtypes = {UUIDOID, INT4OID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), Int32GetDatum(max_pending_invitations)};

	if (query_execute(&find, args, NULL) >= max_pending_invitations)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("too many invitations are pending"),
		         errdetail("A tenant may have %d at once (teamrbac.max_pending_invitations).",
		                   max_pending_invitations),
		         errhint("Cancel some, or wait until they are accepted or expire.")));
}

static TimestampTz
end_of_lifetime(void)
{
	return GetCurrentTimestamp() + setting_duration(SETTING_INVITATION_LIFETIME);
}

/* mail_invitation queues the mail that brings the token, within the limits. */
static void
mail_invitation(const Invitation *invitation, MailKind kind, const char *token)
{
	mail_queue(&invitation->tenant_id, kind, invitation->email, &invitation->invitation_id, token,
	           audit_fields("role", invitation->role, "inviter",
	                        user_display_name(&invitation->invited_by), "expires_at",
	                        audit_time(invitation->expires_at), NULL));
	require_mail_allowance(&invitation->tenant_id, invitation->email);
}

static void
insert_invitation(Invitation *invitation, const char *token)
{
	static SavedQuery insert = {
		.sql =
			"INSERT INTO teamrbac.invitation (tenant_id, invitation_id, email, role, membership_expires_at,"
			" invited_by, token_hash, expires_at)"
			" VALUES ($1, pg_catalog.gen_random_uuid(), $2, $3, $4, $5, $6, $7) RETURNING invitation_id",
		.nargs = 7,
		.argtypes = {UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, UUIDOID, BYTEAOID, TIMESTAMPTZOID},
	};
	Datum args[] = {UUIDPGetDatum(&invitation->tenant_id),
	                CStringGetTextDatum(invitation->email),
	                CStringGetTextDatum(invitation->role),
	                TimestampTzGetDatum(invitation->membership_expires_at),
	                UUIDPGetDatum(&invitation->invited_by),
	                hash_secret(token),
	                TimestampTzGetDatum(invitation->expires_at)};
	bool  forever = invitation->membership_expires_at == DT_NOEND;
	Datum id;
	bool  isnull;

	/* No row: a trigger of the DBA's has swallowed it. */
	if (!query_row(&insert, args, forever ? "   n   " : NULL, 1, &id, &isnull))
		elog(ERROR, "invitation was not inserted");
	invitation->invitation_id = *DatumGetUUIDP(id);
}

/* invite_member(tenant_id, email, role, membership_expires_at): somebody is asked to join. */
Datum
teamrbac_invite_member(PG_FUNCTION_ARGS)
{
	Invitation invitation = {
		.tenant_id = uuid_arg(fcinfo, 0, "tenant_id"),
		.email = text_arg(fcinfo, 1, "email"),
		.role = text_arg(fcinfo, 2, "role"),
		.membership_expires_at = PG_ARGISNULL(3) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(3),
	};
	const pg_uuid_t *tenant = &invitation.tenant_id;
	char            *token;

	require_email(invitation.email);
	if (invitation.membership_expires_at <= GetCurrentTimestamp())
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("membership_expires_at must be in the future")));
	invitation.invited_by = require_user(tenant);
	lock_tenant_for(tenant, PERMISSION_MANAGE_TEAM);

	require_authority_over_role(tenant, invitation.role);
	refuse_member(tenant, invitation.email);
	refuse_invited(tenant, invitation.email, NULL);
	refuse_too_many(tenant);

	token = make_secret();
	invitation.expires_at = end_of_lifetime();
	insert_invitation(&invitation, token);
	mail_invitation(&invitation, MAIL_INVITATION, token);
	audit_tenant(tenant, "invitation.created",
	             audit_subject("invitation", &invitation.invitation_id), NULL,
	             audit_fields("email", invitation.email, "role", invitation.role, "expires_at",
	                          audit_time(invitation.expires_at), "membership_expires_at",
	                          audit_time(invitation.membership_expires_at), NULL));
	return row_result(fcinfo,
	                  (Datum[]){UUIDPGetDatum(&invitation.invitation_id),
	                            CStringGetTextDatum(token),
	                            TimestampTzGetDatum(invitation.expires_at)},
	                  NULL);
}

/*
 * lock_invitation locks the tenant of an invitation, for whoever manages its team and may give its role, and
 * reads the invitation.  One that doesn't exist reads like one of a tenant that isn't theirs.
 */
static Invitation
lock_invitation(const pg_uuid_t *id)
{
	Invitation invitation = {0};

	if (!find_invitation(id, false, &invitation))
		refuse_permission(NULL, PERMISSION_MANAGE_TEAM);
	lock_tenant_for(&invitation.tenant_id, PERMISSION_MANAGE_TEAM);
	if (!find_invitation(id, true, &invitation))
		refuse_permission(&invitation.tenant_id, PERMISSION_MANAGE_TEAM);
	require_authority_over_role(&invitation.tenant_id, invitation.role);
	return invitation;
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

/* renew_invitation makes an invitation pending, with another token. */
static void
renew_invitation(const Invitation *invitation, const char *token)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.invitation SET state = 'pending', decided_at = NULL,"
			   " token_hash = $3, expires_at = $4, invited_by = $5"
			   " WHERE tenant_id = $1 AND invitation_id = $2",
		.nargs = 5,
		.argtypes = {UUIDOID, UUIDOID, BYTEAOID, TIMESTAMPTZOID, UUIDOID},
	};
	Datum args[] = {UUIDPGetDatum(&invitation->tenant_id),
	                UUIDPGetDatum(&invitation->invitation_id), hash_secret(token),
	                TimestampTzGetDatum(invitation->expires_at),
	                UUIDPGetDatum(&invitation->invited_by)};

	query_execute(&update, args, NULL);
}

/* resend_invitation(invitation_id): another mail, another token, all the time again. */
Datum
teamrbac_resend_invitation(PG_FUNCTION_ARGS)
{
	pg_uuid_t   id = uuid_arg(fcinfo, 0, "invitation_id");
	pg_uuid_t   user = require_user(NULL);
	Invitation  invitation;
	TimestampTz expired_at;
	char       *token;

	invitation = lock_invitation(&id);

	require_resendable(&invitation);
	refuse_member(&invitation.tenant_id, invitation.email);

	token = make_secret();
	expired_at = invitation.expires_at;
	invitation.expires_at = end_of_lifetime();
	invitation.invited_by = user;
	renew_invitation(&invitation, token);
	mail_withdraw(&invitation.tenant_id, &id);
	mail_invitation(&invitation, MAIL_INVITATION_RESENT, token);
	audit_tenant(&invitation.tenant_id, "invitation.resent", audit_subject("invitation", &id),
	             audit_fields("expires_at", audit_time(expired_at), NULL),
	             audit_fields("expires_at", audit_time(invitation.expires_at), NULL));
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
	invitation = lock_invitation(&id);

	require_pending(&invitation);

	end_invitation(&invitation, INVITATION_CANCELLED, NULL);
	PG_RETURN_VOID();
}
