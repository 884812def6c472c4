/*
 * member.c
 *	  Commands on members: another role, removal, leaving.
 *
 * Each reads: arguments, lock, authority, change, record.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "command/api_key.h"
#include "record/audit.h"
#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "command/offers.h"
#include "command/join.h"
#include "command/limit.h"
#include "command/renewal.h"
#include "record/outbox.h"
#include "store/dependents.h"
#include "store/query.h"
#include "authority/team.h"

PG_FUNCTION_INFO_V1(teamrbac_change_role);
PG_FUNCTION_INFO_V1(teamrbac_remove_member);
PG_FUNCTION_INFO_V1(teamrbac_leave_tenant);
PG_FUNCTION_INFO_V1(teamrbac_set_membership_expiry);
PG_FUNCTION_INFO_V1(teamrbac_removal_impact);

static void
end_membership(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.membership AS m"
			   " WHERE tenant_id = $1 AND user_id = $2 RETURNING m",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	static SavedQuery forget = {
		.sql = "DELETE FROM teamrbac.member_permission_use AS u"
			   " WHERE tenant_id = $1 AND user_id = $2 RETURNING u",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(user)};

	/* In this order: whoever notes a use holds the membership. */
	query_delete("membership", &delete, args, NULL);
	query_delete("member_permission_use", &forget, args, NULL);
	bar_from_joining(tenant, user);
}

/* this_users_name returns who the mail to a member says it was. */
static char *
this_users_name(const pg_uuid_t *tenant)
{
	pg_uuid_t user = require_person(tenant);

	return user_display_name(&user);
}

static void
mail_role_changed(const pg_uuid_t *tenant, const pg_uuid_t *user, const char *old_role,
                  const char *role)
{
	if (strcmp(old_role, role) != 0)
		mail_user(tenant, MAIL_ROLE_CHANGED, user,
		          audit_fields("role", role, "old_role", old_role, "changed_by",
		                       this_users_name(tenant), NULL));
}

/* change_role(tenant_id, user_id, role, revoke_keys): gives a member another role. */
Datum
teamrbac_change_role(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t user = uuid_arg(fcinfo, 1, "user_id");
	char     *role = text_arg(fcinfo, 2, "role");
	bool      revoke_keys = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	char     *old_role;

	TimestampTz expires_at;

	lock_tenant_for(&tenant, PERMISSION_MANAGE_TEAM);

	require_authority_over_role(&tenant, role);
	old_role = member_role(&tenant, &user, &expires_at);
	require_authority_over_role(&tenant, old_role);
	if (revoke_keys)
		require_permission(&tenant, PERMISSION_MANAGE_KEYS);

	set_member_role(&tenant, &user, role);
	if (revoke_keys)
		revoke_keys_of(&tenant, &user, "role of their maker changed");

	audit_tenant(&tenant, "member.role_changed", audit_subject("member", &user),
	             audit_membership(old_role, expires_at), audit_membership(role, expires_at));
	end_offers_beyond(&tenant, &user);
	mail_role_changed(&tenant, &user, old_role, role);
	PG_RETURN_VOID();
}

/* remove_member(tenant_id, user_id, revoke_keys): ends a membership. */
Datum
teamrbac_remove_member(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t user = uuid_arg(fcinfo, 1, "user_id");
	bool      revoke_keys = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	char     *role;

	TimestampTz expires_at;

	lock_tenant_for(&tenant, PERMISSION_MANAGE_TEAM);

	role = member_role(&tenant, &user, &expires_at);
	require_authority_over_role(&tenant, role);
	if (revoke_keys)
		require_permission(&tenant, PERMISSION_MANAGE_KEYS);

	end_membership(&tenant, &user);
	if (revoke_keys)
		revoke_keys_of(&tenant, &user, "their maker was removed");

	audit_tenant(&tenant, "member.removed", audit_subject("member", &user),
	             audit_membership(role, expires_at), NULL);
	end_offers_beyond(&tenant, &user);
	mail_user(&tenant, MAIL_REMOVED, &user,
	          audit_fields("role", role, "changed_by", this_users_name(&tenant), NULL));
	PG_RETURN_VOID();
}

/* leave_tenant(tenant_id): the signed-in user ends their own membership; the Owner can't. */
Datum
teamrbac_leave_tenant(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t user;
	char     *role;

	TimestampTz expires_at;

	user = lock_tenant_as_member(&tenant);

	role = member_role(&tenant, &user, &expires_at);
	if (strcmp(role, ROLE_OWNER) == 0)
		refuse_command(&tenant, "owner_cannot_leave", "the Owner cannot leave the tenant", NULL,
		               "Transfer ownership first, by teamrbac.transfer_ownership.");

	end_membership(&tenant, &user);

	audit_tenant(&tenant, "member.left", audit_subject("member", &user),
	             audit_membership(role, expires_at), NULL);
	end_offers_beyond(&tenant, &user);
	PG_RETURN_VOID();
}

/*
 * set_membership_expiry(tenant_id, user_id, expires_at): a contractor's access ends by itself, or begins again
 * after it did.
 */
Datum
teamrbac_set_membership_expiry(PG_FUNCTION_ARGS)
{
	pg_uuid_t   tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t   user = uuid_arg(fcinfo, 1, "user_id");
	TimestampTz expires_at = PG_ARGISNULL(2) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(2);
	TimestampTz old_expires_at;
	char       *expired_role;
	char       *role;

	lock_tenant_for(&tenant, PERMISSION_MANAGE_TEAM);

	expired_role = expired_member_role(&tenant, &user, &old_expires_at);
	role = expired_role != NULL ? expired_role : member_role(&tenant, &user, &old_expires_at);
	require_authority_over_role(&tenant, role);
	if (expires_at <= GetCurrentTimestamp())
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("time_not_in_future"),
		                errmsg("expires_at must be in the future"),
		                errhint("Use teamrbac.remove_member to end a membership now.")));
	/* One that has ended took no room. */
	if (expired_role != NULL)
		require_room_for_member(&tenant);

	renew_membership(&tenant, &user, expires_at);

	audit_tenant(&tenant, "member.expiry_set", audit_subject("member", &user),
	             /* No role in it says that the membership was over, and has begun again. */
	             audit_fields("expires_at", audit_time(old_expires_at),
	                          expired_role == NULL ? "role" : NULL, role, NULL),
	             audit_membership(role, expires_at));
	if (expired_role != NULL)
		settle_joining(&tenant, &user);
	PG_RETURN_VOID();
}

/* removal_impact(tenant_id, user_id): what remove_member would end or leave behind. */
Datum
teamrbac_removal_impact(PG_FUNCTION_ARGS)
{
	static SavedQuery select = {
		.sql =
			"SELECT 'membership', u.display_name, pg_catalog.concat('ends: role ', m.role)"
			" FROM teamrbac.membership AS m"
			" JOIN teamrbac.app_user AS u ON u.user_id = m.user_id"
			" WHERE m.tenant_id = $1 AND m.user_id = $2"
			" UNION ALL "
			"SELECT 'invitation', i.email, pg_catalog.concat('cancelled: role ', i.role)"
			" FROM teamrbac.invitation AS i"
			" WHERE i.tenant_id = $1 AND i.invited_by = $2"
			" AND i.state = 'pending'"
			" AND i.expires_at > pg_catalog.clock_timestamp()"
			" UNION ALL "
			"SELECT 'api_key', k.name, pg_catalog.concat('stays active: role ', k.role,"
			" CASE WHEN used.last_used_at IS NULL THEN ', never used'"
			" ELSE ', last used ' || pg_catalog.to_char(used.last_used_at, 'YYYY-MM-DD HH24:MI') END,"
			" ', expires ' || pg_catalog.to_char(k.expires_at, 'YYYY-MM-DD HH24:MI'))"
			" FROM teamrbac.api_key AS k"
			" LEFT JOIN teamrbac.api_key_use AS used ON used.tenant_id = k.tenant_id"
			" AND used.key_id = k.key_id"
			" WHERE k.tenant_id = $1 AND k.created_by = $2"
			" AND k.revoked_at IS NULL"
			" AND (k.expires_at IS NULL OR k.expires_at > pg_catalog.clock_timestamp())"
			" ORDER BY 1 DESC, 2",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t user = uuid_arg(fcinfo, 1, "user_id");

	require_permission(&tenant, PERMISSION_MANAGE_TEAM);
	(void) member_role(&tenant, &user, NULL);
	query_return_set(fcinfo, &select, (Datum[]){UUIDPGetDatum(&tenant), UUIDPGetDatum(&user)},
	                 NULL);
	return (Datum) 0;
}
