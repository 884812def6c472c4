/*
 * team.c
 *	  What the commands on a tenant have in common: arguments, lock, authority.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/precedence.h"
#include "store/query.h"
#include "authority/permission.h"
#include "authority/team.h"
#include "store/catalog.h"

pg_uuid_t
uuid_arg(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		refuse_null(name);
	return *PG_GETARG_UUID_P(arg);
}

char *
text_arg(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		refuse_null(name);
	return text_to_cstring(PG_GETARG_TEXT_PP(arg));
}

int
batch_size_arg(FunctionCallInfo fcinfo, int arg)
{
	if (PG_ARGISNULL(arg) || PG_GETARG_INT32(arg) < 1)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("batch_size must be positive")));
	return PG_GETARG_INT32(arg);
}

Datum
row_result(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	static bool none[MaxTupleAttributeNumber] = {false};
	TupleDesc   tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls != NULL ? nulls : none));
}

/* lock_row locks the tenant's row, past its gate. */
static bool
lock_row(const pg_uuid_t *tenant)
{
	static SavedQuery lock = {
		.sql = "SELECT FROM teamrbac.tenant"
			   " WHERE tenant_id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant)};
	bool  found = query_execute(&lock, args, NULL) > 0;

	generation_advance();
	return found;
}

bool
lock_tenant(const pg_uuid_t *tenant)
{
	take_precedence(GATE_TENANT, tenant);
	return lock_row(tenant);
}

/* asker_manages tells whether whoever is asking manages something of the tenant's: such a one need not yield. */
static bool
asker_manages(const pg_uuid_t *tenant)
{
	return asker_may(tenant, PERMISSION_MANAGE_TEAM) || asker_may(tenant, PERMISSION_MANAGE_KEYS);
}

/*
 * lock_while_managing locks the tenant for whoever manages it.  Returns false, with nothing locked, if they have ceased
 * to while they waited: they would hold as a manager's what they must yield.
 */
static bool
lock_while_managing(const pg_uuid_t *tenant, bool *found)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool managing = false;

	/* Nothing less than a subtransaction's end gives a lock of a row back. */
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		*found = lock_tenant(tenant);
		managing = asker_manages(tenant);
		if (managing)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		ReThrowError(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	return managing;
}

bool
lock_tenant_yielding(const pg_uuid_t *tenant)
{
	bool found;

	if (asker_manages(tenant) && lock_while_managing(tenant, &found))
		return found;
	yield_precedence(GATE_TENANT, tenant);
	return lock_row(tenant);
}

void
lock_tenant_for(const pg_uuid_t *tenant, const char *permission)
{
	require_permission(tenant, permission);
	if (!lock_tenant(tenant))
		refuse_permission(tenant, permission);
	require_permission(tenant, permission);
}

void
require_membership(const pg_uuid_t *tenant)
{
	if (!grant_is_live(principal_grant(current_principal(), tenant), GetCurrentTimestamp()))
		refuse_permission(tenant, NULL);
}

pg_uuid_t
require_member(const pg_uuid_t *tenant)
{
	pg_uuid_t user = require_user(tenant);

	require_membership(tenant);
	return user;
}

pg_uuid_t
lock_tenant_as_member(const pg_uuid_t *tenant)
{
	pg_uuid_t user = require_member(tenant);

	if (!lock_tenant_yielding(tenant))
		refuse_permission(tenant, NULL);
	require_membership(tenant);
	return user;
}

static void
require_ownership(const pg_uuid_t *tenant)
{
	const Grant *grant;

	require_membership(tenant);
	grant = principal_grant(current_principal(), tenant);
	if (grant->role == NULL || strcmp(grant->role->name, ROLE_OWNER) != 0)
		refuse_command(tenant, "only the Owner may do this", NULL, NULL);
}

pg_uuid_t
lock_tenant_as_owner(const pg_uuid_t *tenant)
{
	pg_uuid_t user = require_user(tenant);

	require_ownership(tenant);
	if (!lock_tenant(tenant))
		refuse_permission(tenant, NULL);
	require_ownership(tenant);
	return user;
}

void
refuse_unknown_tenant(void)
{
	ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("there is no such tenant")));
}

bool
lock_active_user(const pg_uuid_t *user)
{
	static SavedQuery lock = {
		.sql = "SELECT FROM teamrbac.app_user"
			   " WHERE user_id = $1 AND disabled_at IS NULL FOR SHARE",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};

	return query_execute(&lock, (Datum[]){UUIDPGetDatum(user)}, NULL) > 0;
}

char *
user_display_name(const pg_uuid_t *user)
{
	static SavedQuery select = {
		.sql = "SELECT display_name FROM teamrbac.app_user WHERE user_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	Datum name;
	bool  isnull;

	if (!query_row(&select, (Datum[]){UUIDPGetDatum(user)}, NULL, 1, &name, &isnull))
		return pstrdup("");
	return TextDatumGetCString(name);
}

void
require_role_within_own(const pg_uuid_t *tenant, const char *name)
{
	const Role  *role = require_known_role(tenant, name);
	const Grant *own = principal_grant(current_principal(), tenant);

	if (!grant_is_live(own, GetCurrentTimestamp()))
		refuse_permission(tenant, NULL);
	if (!bms_is_subset(role->permissions, own->permissions))
		refuse_command(
			tenant, psprintf("role \"%s\" may do more than you may", name),
			"A role is given, changed or taken away only by someone who has all its permissions.",
			NULL);
}

void
require_authority_over_role(const pg_uuid_t *tenant, const char *name)
{
	if (strcmp(name, ROLE_OWNER) == 0)
		refuse_command(tenant, "the owner's role is neither given nor taken away", NULL,
		               "The Owner may hand it on by teamrbac.transfer_ownership.");
	require_role_within_own(tenant, name);
}

/* has_authority_over_role is the rule itself, of whoever has the grant. */
static bool
has_authority_over_role(const Grant *grant, const pg_uuid_t *tenant, const char *name)
{
	const Role *role = find_role(tenant, name);
	int         manage = find_permission(PERMISSION_MANAGE_TEAM, strlen(PERMISSION_MANAGE_TEAM));

	return role != NULL && strcmp(name, ROLE_OWNER) != 0 &&
	       grant_allows(grant, manage, GetCurrentTimestamp()) &&
	       bms_is_subset(role->permissions, grant->permissions);
}

bool
asker_has_authority_over_role(const pg_uuid_t *tenant, const char *name)
{
	return has_authority_over_role(principal_grant(current_principal(), tenant), tenant, name);
}

bool
member_may_give_role(const pg_uuid_t *tenant, const pg_uuid_t *member, const char *name)
{
	Identity identity = IDENTITY_INITIALIZER;

	identity.kind = IDENTITY_USER;
	identity.user_id = *member;
	identity.in_tenant = true;
	identity.tenant_id = *tenant;
	return has_authority_over_role(principal_grant(principal_of(&identity), tenant), tenant, name);
}

char *
member_role(const pg_uuid_t *tenant, const pg_uuid_t *user, TimestampTz *expires_at)
{
	static SavedQuery select = {
		.sql = "SELECT role::pg_catalog.text, expires_at FROM teamrbac.membership"
			   " WHERE tenant_id = $1 AND user_id = $2"
			   " AND (expires_at IS NULL OR expires_at > pg_catalog.clock_timestamp())",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(user)};
	Datum values[2];
	bool  nulls[2];

	if (!query_row(&select, args, NULL, 2, values, nulls))
		ereport(ERROR,
		        (errcode(ERRCODE_NO_DATA_FOUND), errmsg("user is not a member of the tenant")));
	if (expires_at != NULL)
		*expires_at = nulls[1] ? DT_NOEND : DatumGetTimestampTz(values[1]);
	return TextDatumGetCString(values[0]);
}

void
set_member_role(const pg_uuid_t *tenant, const pg_uuid_t *user, const char *role)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.membership SET role = $3"
			   " WHERE tenant_id = $1 AND user_id = $2",
		.nargs = 3,
		.argtypes = {UUIDOID, UUIDOID, TEXTOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(user), CStringGetTextDatum(role)};

	query_execute(&update, args, NULL);
}
