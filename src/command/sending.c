/*
 * sending.c
 *	  An invitation on its way out: whom it may go to, its token and its mail.
 *
 * The commands that invite one and many, and those on an invitation that its senders manage, share this.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "authority/errors.h"
#include "authority/team.h"
#include "command/invitation.h"
#include "record/audit.h"
#include "record/mail_allowance.h"
#include "record/outbox.h"
#include "store/query.h"
#include "store/secret.h"
#include "store/settings.h"

TimestampTz
membership_end_arg(FunctionCallInfo fcinfo, int arg)
{
	TimestampTz end = PG_ARGISNULL(arg) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(arg);

	if (end <= GetCurrentTimestamp())
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("membership_expires_at must be in the future")));
	return end;
}

/* A membership that has expired is none. */
bool
address_is_member(const pg_uuid_t *tenant, const char *email)
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

	return query_execute(&find, (Datum[]){UUIDPGetDatum(tenant), CStringGetTextDatum(email)},
	                     NULL) > 0;
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

char *
send_invitation(Invitation *invitation)
{
	char *token = make_secret();

	invitation->expires_at = end_of_lifetime();
	insert_invitation(invitation, token);
	mail_invitation(invitation, MAIL_INVITATION, token);
	audit_tenant(&invitation->tenant_id, "invitation.created",
	             audit_subject("invitation", &invitation->invitation_id), NULL,
	             audit_fields("email", invitation->email, "role", invitation->role, "expires_at",
	                          audit_time(invitation->expires_at), "membership_expires_at",
	                          audit_time(invitation->membership_expires_at), NULL));
	return token;
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

char *
send_invitation_again(Invitation *invitation, const pg_uuid_t *sender)
{
	TimestampTz expired_at = invitation->expires_at;
	char       *token = make_secret();

	invitation->expires_at = end_of_lifetime();
	invitation->invited_by = *sender;
	renew_invitation(invitation, token);
	mail_withdraw(&invitation->tenant_id, &invitation->invitation_id);
	mail_invitation(invitation, MAIL_INVITATION_RESENT, token);
	audit_tenant(&invitation->tenant_id, "invitation.resent",
	             audit_subject("invitation", &invitation->invitation_id),
	             audit_fields("expires_at", audit_time(expired_at), NULL),
	             audit_fields("expires_at", audit_time(invitation->expires_at), NULL));
	return token;
}

Invitation
lock_managed_invitation(const pg_uuid_t *id)
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
