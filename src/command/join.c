/*
 * join.c
 *	  How somebody becomes a member, by whichever way, and the command that needs none of the ways.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/precedence.h"
#include "authority/team.h"
#include "command/join.h"
#include "command/limit.h"
#include "record/audit.h"
#include "store/dependents.h"
#include "store/query.h"

PG_FUNCTION_INFO_V1(teamrbac_add_member);

pg_noreturn static void
refuse_member_already(void)
{
	ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), errreason("already_member"),
	                errmsg("user is a member of the tenant already"),
	                errdetail("The role stays as it is.")));
}

/* find_membership reads a membership, expired or not. */
static bool
find_membership(const pg_uuid_t *tenant, const pg_uuid_t *user, char **role,
                TimestampTz *expires_at)
{
	static SavedQuery select = {
		.sql = "SELECT role::pg_catalog.text, expires_at FROM teamrbac.membership"
			   " WHERE tenant_id = $1 AND user_id = $2",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	Datum values[2];
	bool  nulls[2];

	if (!query_row(&select, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(user)}, NULL, 2, values,
	               nulls))
		return false;
	*role = TextDatumGetCString(values[0]);
	*expires_at = nulls[1] ? DT_NOEND : DatumGetTimestampTz(values[1]);
	return true;
}

bool
lock_tenant_to_join(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	bool found = lock_tenant_yielding(tenant);

	/* A membership's reference locks their row as well. */
	yield_precedence(GATE_USER, user);
	return found;
}

void
require_no_member(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	char       *role;
	TimestampTz expires_at;

	if (find_membership(tenant, user, &role, &expires_at) && expires_at > GetCurrentTimestamp())
		refuse_member_already();
}

void
admit_member(const pg_uuid_t *tenant, const pg_uuid_t *user, const char *role,
             TimestampTz expires_at)
{
	static SavedQuery insert = {
		.sql =
			"INSERT INTO teamrbac.membership AS m (tenant_id, user_id, role, expires_at) VALUES ($1, $2, $3, $4)"
			" ON CONFLICT (tenant_id, user_id) DO UPDATE"
			" SET role = EXCLUDED.role, expires_at = EXCLUDED.expires_at, joined_at = EXCLUDED.joined_at,"
			" metadata = EXCLUDED.metadata"
			" WHERE m.expires_at <= pg_catalog.clock_timestamp()",
		.nargs = 4,
		.argtypes = {UUIDOID, UUIDOID, TEXTOID, TIMESTAMPTZOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(user), CStringGetTextDatum(role),
	                TimestampTzGetDatum(expires_at)};

	require_no_own_access(tenant, user);
	/* Before the room: a member is told that they are one. */
	require_no_member(tenant, user);
	require_room_for_member(tenant);
	if (query_execute(&insert, args, expires_at == DT_NOEND ? "   n" : NULL) == 0)
		refuse_member_already();
}

static bool
read_address(const pg_uuid_t *user, char **email)
{
	static SavedQuery select = {
		.sql = "SELECT email::pg_catalog.text FROM teamrbac.app_user WHERE user_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	Datum value;
	bool  isnull;

	if (!query_row(&select, (Datum[]){UUIDPGetDatum(user)}, NULL, 1, &value, &isnull))
		return false;
	*email = TextDatumGetCString(value);
	return true;
}

void
forget_joining(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.join_request AS r"
			   " WHERE tenant_id = $1 AND user_id = $2 RETURNING r",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};

	query_delete("join_request", &delete, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(user)},
	             NULL);
}

void
settle_joining(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	Invitation invitation = {0};
	char      *email;

	forget_joining(tenant, user);
	if (read_address(user, &email) && find_pending_invitation(tenant, email, &invitation))
		end_invitation(&invitation,
		               invitation.state == INVITATION_PENDING ? INVITATION_CANCELLED
		                                                      : INVITATION_EXPIRED,
		               NULL);
}

void
require_giver(const pg_uuid_t *tenant, const pg_uuid_t *giver, const char *role)
{
	if (!member_may_give_role(tenant, giver, role))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errreason("inviter_lost_authority"),
		                errmsg("whoever sent the invitation may no longer give its role"),
		                errhint("Ask somebody else who manages the team for an invitation.")));
}

void
bar_from_joining(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	static SavedQuery upsert = {
		.sql =
			"INSERT INTO teamrbac.join_request (tenant_id, user_id, state) VALUES ($1, $2, 'former')"
			" ON CONFLICT (tenant_id, user_id) DO UPDATE"
			" SET state = EXCLUDED.state, role = NULL, changed_at = EXCLUDED.changed_at",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};

	query_execute(&upsert, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(user)}, NULL);
}

void
require_not_barred(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	static SavedQuery find = {
		/* Also whose time has run out, before any job has noticed. */
		.sql =
			"SELECT 1 FROM teamrbac.join_request"
			" WHERE tenant_id = $1 AND user_id = $2 AND state = 'former'"
			" UNION ALL SELECT 1 FROM teamrbac.membership"
			" WHERE tenant_id = $1 AND user_id = $2 AND expires_at <= pg_catalog.clock_timestamp()",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};

	if (query_execute(&find, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(user)}, NULL) > 0)
		refuse_command(tenant, "membership_ended", "your membership of the tenant has ended", NULL,
		               "Ask somebody who manages the team for an invitation.");
}

/* ---- add_member ------------------------------------------------------------------------------------- */

/* lock_tenant_to_add locks the tenant for whoever is signed in, or, when nobody is, for the DBA. */
static void
lock_tenant_to_add(const pg_uuid_t *tenant, const char *role)
{
	AcceptInvalidationMessages();
	if (nobody_has_signed_in())
	{
		if (!lock_tenant(tenant))
			refuse_unknown_tenant();
		if (strcmp(role, ROLE_OWNER) == 0)
			refuse_command(tenant, "owner_role", "the owner's role is neither given nor taken away",
			               NULL, "A superuser may give it by teamrbac.assign_owner.");
		(void) require_known_role(tenant, role);
		return;
	}
	lock_tenant_for(tenant, PERMISSION_MANAGE_TEAM);
	require_authority_over_role(tenant, role);
}

static void
refuse_unknown_user(void)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("unknown_user"),
	                errmsg("unknown or disabled user")));
}

/* add_member(tenant_id, user_id, role, expires_at): a back end makes a user a member without asking them. */
Datum
teamrbac_add_member(PG_FUNCTION_ARGS)
{
	pg_uuid_t   tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t   user = uuid_arg(fcinfo, 1, "user_id");
	char       *role = text_arg(fcinfo, 2, "role");
	TimestampTz expires_at = PG_ARGISNULL(3) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(3);
	char       *old_role;
	TimestampTz old_expires_at;

	if (expires_at <= GetCurrentTimestamp())
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("time_not_in_future"),
		                errmsg("expires_at must be in the future")));
	lock_tenant_to_add(&tenant, role);

	if (find_membership(&tenant, &user, &old_role, &old_expires_at) &&
	    strcmp(old_role, role) == 0 && old_expires_at == expires_at)
		PG_RETURN_BOOL(false);
	if (!lock_active_user(&user))
		refuse_unknown_user();

	admit_member(&tenant, &user, role, expires_at);

	audit_tenant(&tenant, "member.added", audit_subject("member", &user), NULL,
	             audit_fields("role", role, "expires_at", audit_time(expires_at), NULL));
	settle_joining(&tenant, &user);
	PG_RETURN_BOOL(true);
}
