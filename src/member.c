/*
 * member.c
 *	  Commands on members: another role, removal, leaving.
 *
 * Each reads: arguments, lock, authority, change.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "compat.h"
#include "errors.h"
#include "query.h"
#include "team.h"

PG_FUNCTION_INFO_V1(teamrbac_change_role);
PG_FUNCTION_INFO_V1(teamrbac_remove_member);
PG_FUNCTION_INFO_V1(teamrbac_leave_tenant);

static void
set_member_role(const pg_uuid_t *tenant, const pg_uuid_t *user, const char *role)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.membership SET role = $3"
			   " WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND user_id OPERATOR(pg_catalog.=) $2",
		.nargs = 3,
		.argtypes = {UUIDOID, UUIDOID, TEXTOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(user), CStringGetTextDatum(role)};

	query_execute(&update, args, NULL);
}

static void
end_membership(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.membership"
			   " WHERE tenant_id OPERATOR(pg_catalog.=) $1 AND user_id OPERATOR(pg_catalog.=) $2",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(user)};

	query_execute(&delete, args, NULL);
}

/* change_role(tenant_id, user_id, role, revoke_keys): gives a member another role. */
Datum
teamrbac_change_role(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t user = uuid_arg(fcinfo, 1, "user_id");
	char     *role = text_arg(fcinfo, 2, "role");

	lock_tenant_for(&tenant, "team.manage");

	require_authority_over_role(&tenant, role);
	require_authority_over_role(&tenant, member_role(&tenant, &user));

	set_member_role(&tenant, &user, role);
	PG_RETURN_VOID();
}

/* remove_member(tenant_id, user_id, revoke_keys): ends a membership. */
Datum
teamrbac_remove_member(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t user = uuid_arg(fcinfo, 1, "user_id");

	lock_tenant_for(&tenant, "team.manage");

	require_authority_over_role(&tenant, member_role(&tenant, &user));

	end_membership(&tenant, &user);
	PG_RETURN_VOID();
}

/* leave_tenant(tenant_id): the signed-in user ends their own membership; the Owner can't. */
Datum
teamrbac_leave_tenant(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t user;

	user = lock_tenant_as_member(&tenant);

	if (strcmp(member_role(&tenant, &user), ROLE_OWNER) == 0)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		                errmsg("the Owner cannot leave the tenant"),
		                errhint("Transfer ownership first, by teamrbac.transfer_ownership.")));

	end_membership(&tenant, &user);
	PG_RETURN_VOID();
}
