/*
 * my_invitation.c
 *	  Invitations of the signed-in user, found by their verified address, so that a lost mail is no dead end.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/team.h"
#include "command/invitation.h"
#include "command/join.h"
#include "store/query.h"

PG_FUNCTION_INFO_V1(teamrbac_my_invitations);
PG_FUNCTION_INFO_V1(teamrbac_accept_my_invitation);
PG_FUNCTION_INFO_V1(teamrbac_decline_my_invitation);

/* The columns of my_invitations, and whoever sent it besides. */
#define MY_INVITATION_NCOLUMNS 8
#define SENDER_COLUMN 8

/* my_invitations(): what the signed-in user can accept now. */
Datum
teamrbac_my_invitations(PG_FUNCTION_ARGS)
{
	static SavedQuery select = {
		.sql =
			"SELECT i.invitation_id, i.tenant_id, t.name, i.role::pg_catalog.text, s.display_name,"
			" i.invited_at, i.expires_at, i.membership_expires_at, i.invited_by"
			" FROM teamrbac.app_user AS u"
			" JOIN teamrbac.invitation AS i"
			" ON teamrbac.address_key(i.email) = teamrbac.address_key(u.email)"
			" JOIN teamrbac.tenant AS t ON t.tenant_id = i.tenant_id AND t.deleted_at IS NULL"
			" LEFT JOIN teamrbac.app_user AS s ON s.user_id = i.invited_by"
			" WHERE u.user_id = $1 AND u.disabled_at IS NULL AND i.state = 'pending'"
			" AND i.expires_at > pg_catalog.clock_timestamp()"
			" AND (i.membership_expires_at IS NULL"
			" OR i.membership_expires_at > pg_catalog.clock_timestamp())"
			" ORDER BY i.invited_at, i.invitation_id",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	Identity       identity = identity_now();
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum         *values;
	bool          *nulls;
	uint64         nfound;

	InitMaterializedSRF(fcinfo, 0);
	if (identity.kind != IDENTITY_USER)
		return (Datum) 0;
	nfound = query_rows(&select, (Datum[]){UUIDPGetDatum(&identity.user_id)}, NULL,
	                    MY_INVITATION_NCOLUMNS + 1, &values, &nulls);
	for (uint64 i = 0; i < nfound;
	     i++, values += MY_INVITATION_NCOLUMNS + 1, nulls += MY_INVITATION_NCOLUMNS + 1)
	{
		CHECK_FOR_INTERRUPTS();
		if (member_may_give_role(DatumGetUUIDP(values[1]), DatumGetUUIDP(values[SENDER_COLUMN]),
		                         TextDatumGetCString(values[3])))
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * lock_my_invitation locks the tenant that an invitation is into, and reads the invitation.  Another's looks like
 * one that doesn't exist, and is refused before the lock.
 */
static Invitation
lock_my_invitation(const pg_uuid_t *id, const pg_uuid_t *user)
{
	Invitation invitation = {0};

	if (!find_invitation(id, false, &invitation) || !is_invitee(&invitation, user) ||
	    !lock_tenant_to_join(&invitation.tenant_id, user) ||
	    !find_invitation(id, true, &invitation) || !is_invitee(&invitation, user))
		refuse_command(NULL, "permission denied for invitation",
		               "There is no such invitation, or it is not for your e-mail address.", NULL);
	return invitation;
}

/* accept_my_invitation(invitation_id): the signed-in user joins the tenant. */
Datum
teamrbac_accept_my_invitation(PG_FUNCTION_ARGS)
{
	pg_uuid_t  id = uuid_arg(fcinfo, 0, "invitation_id");
	pg_uuid_t  user = require_user(NULL);
	Invitation invitation = lock_my_invitation(&id, &user);

	accept_as(&invitation, &user);
	return row_result(
		fcinfo,
		(Datum[]){UUIDPGetDatum(&invitation.tenant_id), CStringGetTextDatum(invitation.role)},
		NULL);
}

/* decline_my_invitation(invitation_id): the signed-in user does not want to join. */
Datum
teamrbac_decline_my_invitation(PG_FUNCTION_ARGS)
{
	pg_uuid_t  id = uuid_arg(fcinfo, 0, "invitation_id");
	pg_uuid_t  user = require_user(NULL);
	Invitation invitation = lock_my_invitation(&id, &user);

	decline_as(&invitation, &user);
	PG_RETURN_VOID();
}
