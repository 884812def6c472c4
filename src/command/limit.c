/*
 * limit.c
 *	  How much a tenant and a member may have, by settings or for one tenant alone.
 *
 * What is counted stands under the tenant's lock, which whoever adds to it takes first.  Nothing is counted where there
 * is no limit.  How many tenants a user may own is another matter: owned_tenants.c.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/team.h"
#include "command/limit.h"
#include "record/audit.h"
#include "store/dependents.h"
#include "store/query.h"
#include "store/settings.h"

PG_FUNCTION_INFO_V1(teamrbac_set_tenant_limit);
PG_FUNCTION_INFO_V1(teamrbac_tenant_limits);

/* What can be limited for one tenant, in the order of tenant_limits. */
static const struct
{
	const char *name;
	int        *setting;
} limits[] = {
	{"members", &max_members},
	{"keys_per_member", &max_keys_per_member},
	{"pending_invitations", &max_pending_invitations},
};

enum
{
	LIMIT_MEMBERS,
	LIMIT_KEYS_PER_MEMBER,
	LIMIT_PENDING_INVITATIONS
};

/* own_limit finds the limit that is the tenant's own. */
static bool
own_limit(const pg_uuid_t *tenant, int limit, int *value)
{
	static SavedQuery select = {
		.sql = "SELECT value FROM teamrbac.tenant_limit WHERE tenant_id = $1 AND name = $2",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	Datum found;
	bool  isnull;

	if (!query_row(&select,
	               (Datum[]){UUIDPGetDatum(tenant), CStringGetTextDatum(limits[limit].name)}, NULL,
	               1, &found, &isnull))
		return false;
	*value = DatumGetInt32(found);
	return true;
}

static int
tenant_limit(const pg_uuid_t *tenant, int limit)
{
	int value;

	return own_limit(tenant, limit, &value) ? value : *limits[limit].setting;
}

/* refuse_more raises 55000: all limits are refused here. */
pg_noreturn static void
refuse_more(const char *message, const char *detail, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("%s", message),
	                errdetail("%s", detail), errhint("%s", hint)));
}

/* count_up_to counts the rows that a query with LIMIT $2 finds about one id, or about two with LIMIT $3. */
static int
count_up_to(SavedQuery *query, const pg_uuid_t *id, const pg_uuid_t *other, int limit)
{
	Datum args[3] = {UUIDPGetDatum(id)};

	if (other != NULL)
		args[1] = UUIDPGetDatum(other);
	args[other != NULL ? 2 : 1] = Int32GetDatum(limit);
	return query_execute(query, args, NULL);
}

void
require_room_for_member(const pg_uuid_t *tenant)
{
	static SavedQuery count = {
		.sql = "SELECT FROM teamrbac.membership WHERE tenant_id = $1"
			   " AND (expires_at IS NULL OR expires_at > pg_catalog.clock_timestamp()) LIMIT $2",
		.nargs = 2,
		.argtypes = {UUIDOID, INT4OID},
	};
	int limit = tenant_limit(tenant, LIMIT_MEMBERS);

	if (limit != NO_LIMIT && count_up_to(&count, tenant, NULL, limit) >= limit)
		refuse_more(
			"tenant has too many members",
			psprintf("It may have %d (teamrbac.set_tenant_limit, teamrbac.max_members).", limit),
			"Somebody else must leave before, or the limit be raised.");
}

void
require_room_for_key(const pg_uuid_t *tenant, const pg_uuid_t *member)
{
	static SavedQuery count = {
		.sql = "SELECT FROM teamrbac.api_key WHERE tenant_id = $1 AND created_by = $2"
			   " AND revoked_at IS NULL"
			   " AND (expires_at IS NULL OR expires_at > pg_catalog.clock_timestamp()) LIMIT $3",
		.nargs = 3,
		.argtypes = {UUIDOID, UUIDOID, INT4OID},
	};
	int limit = tenant_limit(tenant, LIMIT_KEYS_PER_MEMBER);

	if (limit != NO_LIMIT && count_up_to(&count, tenant, member, limit) >= limit)
		refuse_more("member has too many API keys",
		            psprintf("A member may have %d (teamrbac.set_tenant_limit, "
		                     "teamrbac.max_keys_per_member).",
		                     limit),
		            "Revoke one that is not needed.");
}

int
room_for_invitations(const pg_uuid_t *tenant)
{
	static SavedQuery count = {
		.sql = "SELECT FROM teamrbac.invitation WHERE tenant_id = $1"
			   " AND state = 'pending'"
			   " AND expires_at > pg_catalog.clock_timestamp() LIMIT $2",
		.nargs = 2,
		.argtypes = {UUIDOID, INT4OID},
	};
	int limit = tenant_limit(tenant, LIMIT_PENDING_INVITATIONS);

	if (limit == NO_LIMIT)
		return PG_INT32_MAX;
	return limit - count_up_to(&count, tenant, NULL, limit);
}

void
refuse_too_many_invitations(const pg_uuid_t *tenant)
{
	refuse_more("too many invitations are pending",
	            psprintf("A tenant may have %d at once (teamrbac.max_pending_invitations).",
	                     tenant_limit(tenant, LIMIT_PENDING_INVITATIONS)),
	            "Cancel some, or wait until they are accepted or expire.");
}

void
require_room_for_link(const pg_uuid_t *tenant)
{
	static SavedQuery count = {
		.sql = "SELECT FROM teamrbac.invitation_link WHERE tenant_id = $1"
			   " AND revoked_at IS NULL AND used < uses"
			   " AND expires_at > pg_catalog.clock_timestamp() LIMIT $2",
		.nargs = 2,
		.argtypes = {UUIDOID, INT4OID},
	};
	int limit = tenant_limit(tenant, LIMIT_PENDING_INVITATIONS);

	if (limit != NO_LIMIT && count_up_to(&count, tenant, NULL, limit) >= limit)
		refuse_more(
			"tenant has too many links",
			psprintf("It may have %d that can be used (teamrbac.max_pending_invitations).", limit),
			"Revoke some, by teamrbac.revoke_invitation_link.");
}

/* ---- commands -------------------------------------------------------------------------------------- */

static int
limit_arg(FunctionCallInfo fcinfo, int arg)
{
	char *name = text_arg(fcinfo, arg, "name");

	for (int i = 0; i < lengthof(limits); i++)
	{
		if (strcmp(name, limits[i].name) == 0)
			return i;
	}
	ereport(ERROR,
	        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown limit"),
	         errhint("There are \"members\", \"keys_per_member\" and \"pending_invitations\".")));
}

static void
write_limit(const pg_uuid_t *tenant, int limit, const int *value)
{
	static SavedQuery upsert = {
		.sql = "INSERT INTO teamrbac.tenant_limit (tenant_id, name, value) VALUES ($1, $2, $3)"
			   " ON CONFLICT (tenant_id, name) DO UPDATE SET value = EXCLUDED.value",
		.nargs = 3,
		.argtypes = {UUIDOID, TEXTOID, INT4OID},
	};
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.tenant_limit AS l"
			   " WHERE tenant_id = $1 AND name = $2 RETURNING l",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), CStringGetTextDatum(limits[limit].name),
	                value != NULL ? Int32GetDatum(*value) : (Datum) 0};

	if (value != NULL)
		query_execute(&upsert, args, NULL);
	else
		query_delete("tenant_limit", &delete, args, NULL);
}

static const char *
limit_text(const int *value)
{
	return value != NULL ? psprintf("%d", *value) : NULL;
}

/* set_tenant_limit(tenant_id, name, value): how many of something a tenant may have. */
Datum
teamrbac_set_tenant_limit(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	int       limit = limit_arg(fcinfo, 1);
	int       value = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2);
	int       old_value;
	bool      had_own;

	if (value < NO_LIMIT)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("value must be at least -1"),
		         errhint("-1 is no limit, NULL what the setting says.")));
	if (!lock_tenant(&tenant))
		refuse_unknown_tenant();

	had_own = own_limit(&tenant, limit, &old_value);
	write_limit(&tenant, limit, PG_ARGISNULL(2) ? NULL : &value);

	audit_tenant(
		&tenant, "tenant.limit_set", audit_subject("tenant", &tenant),
		audit_fields(limits[limit].name, limit_text(had_own ? &old_value : NULL), NULL),
		audit_fields(limits[limit].name, limit_text(PG_ARGISNULL(2) ? NULL : &value), NULL));
	PG_RETURN_VOID();
}

/* tenant_limits(tenant_id): what the tenant may have, and has. */
Datum
teamrbac_tenant_limits(PG_FUNCTION_ARGS)
{
	static SavedQuery usage = {
		.sql = "SELECT members, keys, invitations FROM teamrbac.tenant_usage($1, $2)",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	pg_uuid_t      tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t      user;
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum          used[lengthof(limits)];
	bool           nulls[lengthof(limits)];

	require_permission(&tenant, PERMISSION_MANAGE_TEAM);
	user = require_user(&tenant);
	InitMaterializedSRF(fcinfo, 0);
	if (!query_row(&usage, (Datum[]){UUIDPGetDatum(&tenant), UUIDPGetDatum(&user)}, NULL,
	               lengthof(limits), used, nulls))
		elog(ERROR, "usage was not counted");
	for (int i = 0; i < lengthof(limits); i++)
	{
		int value = tenant_limit(&tenant, i);

		tuplestore_putvalues(
			result->setResult, result->setDesc,
			(Datum[]){CStringGetTextDatum(limits[i].name), Int32GetDatum(value), used[i]},
			(bool[]){false, value == NO_LIMIT, false});
	}
	return (Datum) 0;
}
