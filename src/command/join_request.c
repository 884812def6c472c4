/*
 * join_request.c
 *	  Asking to join, and what managers say to that.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/team.h"
#include "command/join.h"
#include "record/audit.h"
#include "store/query.h"

PG_FUNCTION_INFO_V1(teamrbac_request_to_join);
PG_FUNCTION_INFO_V1(teamrbac_withdraw_join_request);
PG_FUNCTION_INFO_V1(teamrbac_approve_join_request);
PG_FUNCTION_INFO_V1(teamrbac_refuse_join_request);

/* A request that is pending or was refused. */
typedef struct JoinRequest
{
	const char *role;
	bool        refused;
} JoinRequest;

static bool
find_request(const pg_uuid_t *tenant, const pg_uuid_t *user, JoinRequest *request)
{
	static SavedQuery select = {
		.sql = "SELECT role::pg_catalog.text, state = 'refused' FROM teamrbac.join_request"
			   " WHERE tenant_id = $1 AND user_id = $2 AND state <> 'former'",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	Datum values[2];
	bool  nulls[2];

	if (!query_row(&select, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(user)}, NULL, 2, values,
	               nulls))
		return false;
	request->role = TextDatumGetCString(values[0]);
	request->refused = DatumGetBool(values[1]);
	return true;
}

/* require_request is for a manager, from whom requests are no secret; P0002 if there is none. */
static JoinRequest
require_request(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	JoinRequest request;

	if (!find_request(tenant, user, &request))
		ereport(ERROR,
		        (errcode(ERRCODE_NO_DATA_FOUND), errmsg("user does not ask to join the tenant")));
	return request;
}

static void
insert_request(const pg_uuid_t *tenant, const pg_uuid_t *user, const char *role)
{
	static SavedQuery insert = {
		.sql = "INSERT INTO teamrbac.join_request (tenant_id, user_id, role) VALUES ($1, $2, $3)",
		.nargs = 3,
		.argtypes = {UUIDOID, UUIDOID, TEXTOID},
	};

	query_execute(&insert,
	              (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(user), CStringGetTextDatum(role)},
	              NULL);
}

/* request_to_join(tenant_id): the signed-in user asks to join. */
Datum
teamrbac_request_to_join(PG_FUNCTION_ARGS)
{
	pg_uuid_t   tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t   user = require_user(&tenant);
	Domain      domain;
	JoinRequest request;

	domain = lock_tenant_by_domain(&tenant, &user);

	require_no_member(&tenant, &user);
	require_not_barred(&tenant, &user);
	if (find_request(&tenant, &user, &request))
	{
		if (request.refused)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			                errmsg("the request to join has been refused"),
			                errhint("Ask somebody who manages the team for an invitation.")));
		PG_RETURN_VOID();
	}

	insert_request(&tenant, &user, domain.role);

	audit_tenant(&tenant, "join_request.created", audit_subject("join_request", &user), NULL,
	             audit_fields("role", domain.role, "domain", domain.domain, NULL));
	PG_RETURN_VOID();
}

/* withdraw_join_request(tenant_id): the signed-in user no longer asks. */
Datum
teamrbac_withdraw_join_request(PG_FUNCTION_ARGS)
{
	pg_uuid_t   tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t   user = require_user(&tenant);
	JoinRequest request;

	if (!find_request(&tenant, &user, &request) || !lock_tenant_to_join(&tenant, &user) ||
	    !find_request(&tenant, &user, &request) || request.refused)
		refuse_command(&tenant, "permission denied for tenant",
		               "There is no such tenant, or you do not ask to join it.", NULL);

	forget_joining(&tenant, &user);

	audit_tenant(&tenant, "join_request.withdrawn", audit_subject("join_request", &user),
	             audit_fields("role", request.role, NULL), NULL);
	PG_RETURN_VOID();
}

/* approve_join_request(tenant_id, user_id, role): whoever asks becomes a member. */
Datum
teamrbac_approve_join_request(PG_FUNCTION_ARGS)
{
	pg_uuid_t   tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t   user = uuid_arg(fcinfo, 1, "user_id");
	JoinRequest request;
	const char *role;

	lock_tenant_for(&tenant, PERMISSION_MANAGE_TEAM);

	request = require_request(&tenant, &user);
	role = PG_ARGISNULL(2) ? request.role : text_arg(fcinfo, 2, "role");
	require_authority_over_role(&tenant, role);

	if (!lock_active_user(&user))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("the user is disabled")));

	admit_member(&tenant, &user, role, DT_NOEND);

	audit_tenant(&tenant, "join_request.approved", audit_subject("join_request", &user),
	             audit_fields("role", request.role, NULL), audit_fields("role", role, NULL));
	audit_tenant(&tenant, "member.joined", audit_subject("member", &user), NULL,
	             audit_fields("role", role, NULL));
	settle_joining(&tenant, &user);
	PG_RETURN_VOID();
}

/* refuse_join_request(tenant_id, user_id): whoever asks shall not become a member, nor ask again. */
Datum
teamrbac_refuse_join_request(PG_FUNCTION_ARGS)
{
	static SavedQuery update = {
		.sql =
			"UPDATE teamrbac.join_request SET state = 'refused', changed_at = pg_catalog.clock_timestamp()"
			" WHERE tenant_id = $1 AND user_id = $2",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	pg_uuid_t   tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t   user = uuid_arg(fcinfo, 1, "user_id");
	JoinRequest request;

	lock_tenant_for(&tenant, PERMISSION_MANAGE_TEAM);

	request = require_request(&tenant, &user);
	if (request.refused)
		PG_RETURN_VOID();

	query_execute(&update, (Datum[]){UUIDPGetDatum(&tenant), UUIDPGetDatum(&user)}, NULL);

	audit_tenant(&tenant, "join_request.refused", audit_subject("join_request", &user),
	             audit_fields("role", request.role, NULL), NULL);
	PG_RETURN_VOID();
}
