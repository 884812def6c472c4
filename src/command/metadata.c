/*
 * metadata.c
 *	  What the application notes about tenants, members, invitations and keys.
 *
 * A column of ours, because columns that somebody else adds to an extension's tables are lost by a restore.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/team.h"
#include "command/api_key.h"
#include "command/invitation.h"
#include "record/audit.h"
#include "store/query.h"

#define METADATA_MAX_BYTES 8192

PG_FUNCTION_INFO_V1(teamrbac_set_tenant_metadata);
PG_FUNCTION_INFO_V1(teamrbac_tenant_metadata);
PG_FUNCTION_INFO_V1(teamrbac_set_member_metadata);
PG_FUNCTION_INFO_V1(teamrbac_set_invitation_metadata);
PG_FUNCTION_INFO_V1(teamrbac_set_api_key_metadata);

static char *
jsonb_text(Datum value)
{
	Jsonb *json = DatumGetJsonbP(value);

	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

static Datum
metadata_arg(FunctionCallInfo fcinfo, int arg)
{
	Datum metadata;

	if (PG_ARGISNULL(arg))
		refuse_null("metadata");
	metadata = PG_GETARG_DATUM(arg);
	/* Its size in memory first, since it may be huge: "1, " of the text is 16 bytes there. */
	if (VARSIZE_ANY_EXHDR(PG_GETARG_JSONB_P(arg)) > 8 * METADATA_MAX_BYTES ||
	    strlen(jsonb_text(metadata)) > METADATA_MAX_BYTES)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("metadata must not have more than %d bytes", METADATA_MAX_BYTES)));
	if (!JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(arg)))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("metadata must be an object")));
	return metadata;
}

/*
 * replace_metadata runs an update that returns the metadata before, and records the change.  The caller has
 * locked the tenant, and checked authority.
 */
static void
replace_metadata(SavedQuery *update, const pg_uuid_t *tenant, const pg_uuid_t *id, Datum metadata,
                 const char *kind)
{
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(id), metadata};
	Datum old;
	bool  isnull;

	if (!query_row(update, args, NULL, 1, &old, &isnull))
		elog(ERROR, "there is nothing that metadata could be about");
	audit_tenant(tenant, psprintf("%s.metadata_set", kind), audit_subject(kind, id),
	             psprintf("{\"metadata\": %s}", jsonb_text(old)),
	             psprintf("{\"metadata\": %s}", jsonb_text(metadata)));
}

/* An update of a table by tenant and id, which are the same for the tenant's own. */
#define REPLACE_METADATA(table, id)                                                        \
	{                                                                                      \
		.sql = "WITH old AS (SELECT metadata FROM teamrbac." table " WHERE tenant_id = $1" \
			   " AND " id " = $2 FOR NO KEY UPDATE)"                                       \
			   " UPDATE teamrbac." table " AS t SET metadata = $3 FROM old"                \
			   " WHERE t.tenant_id = $1 AND t." id " = $2 RETURNING old.metadata",         \
		.nargs = 3, .argtypes = {UUIDOID, UUIDOID, JSONBOID},                              \
	}

/* set_tenant_metadata(tenant_id, metadata) */
Datum
teamrbac_set_tenant_metadata(PG_FUNCTION_ARGS)
{
	static SavedQuery update = REPLACE_METADATA("tenant", "tenant_id");
	pg_uuid_t         tenant = uuid_arg(fcinfo, 0, "tenant_id");
	Datum             metadata = metadata_arg(fcinfo, 1);

	lock_tenant_for(&tenant, "tenant.rename");

	replace_metadata(&update, &tenant, &tenant, metadata, "tenant");
	PG_RETURN_VOID();
}

/* tenant_metadata(tenant_id): what is noted about a tenant, for those who manage its team. */
Datum
teamrbac_tenant_metadata(PG_FUNCTION_ARGS)
{
	static SavedQuery select = {
		.sql = "SELECT metadata FROM teamrbac.tenant WHERE tenant_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	Datum     metadata;
	bool      isnull;

	require_permission(&tenant, PERMISSION_MANAGE_TEAM);
	if (!query_row(&select, (Datum[]){UUIDPGetDatum(&tenant)}, NULL, 1, &metadata, &isnull))
		refuse_permission(&tenant, PERMISSION_MANAGE_TEAM);
	PG_RETURN_DATUM(metadata);
}

/* set_member_metadata(tenant_id, user_id, metadata) */
Datum
teamrbac_set_member_metadata(PG_FUNCTION_ARGS)
{
	static SavedQuery update = REPLACE_METADATA("membership", "user_id");
	pg_uuid_t         tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t         user = uuid_arg(fcinfo, 1, "user_id");
	Datum             metadata = metadata_arg(fcinfo, 2);

	lock_tenant_for(&tenant, PERMISSION_MANAGE_TEAM);

	require_role_within_own(&tenant, member_role(&tenant, &user, NULL));

	replace_metadata(&update, &tenant, &user, metadata, "member");
	PG_RETURN_VOID();
}

/* set_invitation_metadata(invitation_id, metadata) */
Datum
teamrbac_set_invitation_metadata(PG_FUNCTION_ARGS)
{
	static SavedQuery update = REPLACE_METADATA("invitation", "invitation_id");
	pg_uuid_t         id = uuid_arg(fcinfo, 0, "invitation_id");
	Datum             metadata = metadata_arg(fcinfo, 1);
	Invitation        invitation;

	(void) require_user(NULL);
	invitation = lock_managed_invitation(&id);

	replace_metadata(&update, &invitation.tenant_id, &id, metadata, "invitation");
	PG_RETURN_VOID();
}

/* set_api_key_metadata(key_id, metadata) */
Datum
teamrbac_set_api_key_metadata(PG_FUNCTION_ARGS)
{
	static SavedQuery update = REPLACE_METADATA("api_key", "key_id");
	pg_uuid_t         id = uuid_arg(fcinfo, 0, "key_id");
	Datum             metadata = metadata_arg(fcinfo, 1);
	pg_uuid_t         user = require_user(NULL);
	pg_uuid_t         tenant = lock_managed_key(&id, &user);

	replace_metadata(&update, &tenant, &id, metadata, "api_key");
	PG_RETURN_VOID();
}
