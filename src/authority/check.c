/*
 * check.c
 *	  The permission check: has_permission, permitted_tenant and their family.
 *
 * Each answers from the authority of the statement that the call belongs to (statement.c), or outside any query from
 * the newest.  A call site of a query remembers its last answer: within the query it cannot become another.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "authority/check.h"
#include "authority/cluster.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/permission.h"
#include "authority/permission_use.h"
#include "authority/statement.h"
#include "store/statistics.h"

PG_FUNCTION_INFO_V1(teamrbac_has_permission);
PG_FUNCTION_INFO_V1(teamrbac_require_permission);
PG_FUNCTION_INFO_V1(teamrbac_permitted_tenant);
PG_FUNCTION_INFO_V1(teamrbac_permitted_tenants);
PG_FUNCTION_INFO_V1(teamrbac_is_acting_tenant);
PG_FUNCTION_INFO_V1(teamrbac_visible_tenants);
PG_FUNCTION_INFO_V1(teamrbac_my_permissions);

/* What a call site of a query remembers.  One outside any query has no memory of its own, and none of this. */
typedef struct CallSite
{
	Statement       *statement;
	bool             fixed;      /* the permission is the same in each call */
	int              permission; /* -1 before the first call, and if it is not fixed */
	const Authority *authority;  /* settled; NULL before the first call, and if it is not fixed */
	bool             answered;   /* for the permission, and for has_permission in this tenant */
	bool             answer;
	pg_uuid_t        tenant; /* asked about last, or permitted */
	Datum            list;   /* permitted_tenants' answer */
} CallSite;

/* ---- call sites ------------------------------------------------------------------------------------ */

/*
 * call_site returns the memory of a call site within a query, else NULL.  flinfo's own memory alone must not be
 * trusted: PL/pgSQL keeps it for a whole transaction for what it evaluates without the executor.
 */
static CallSite *
call_site(FunctionCallInfo fcinfo, int permission_arg)
{
	CallSite  *site = fcinfo->flinfo != NULL ? fcinfo->flinfo->fn_extra : NULL;
	Statement *statement;

	if (site != NULL)
		return site;
	statement = statement_of_call(fcinfo->flinfo);
	if (statement == NULL)
		return NULL;
	site = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(CallSite));
	site->statement = statement;
	site->fixed = get_fn_expr_arg_stable(fcinfo->flinfo, permission_arg);
	site->permission = -1;
	fcinfo->flinfo->fn_extra = site;
	return site;
}

/*
 * authority_and_permission finds what a call answers from, and the permission it asks about; and remembers that the
 * queries at work rely on it.  site may be NULL.
 */
static const Authority *
authority_and_permission(FunctionCallInfo fcinfo, int permission_arg, CallSite *site,
                         Authority *anew, int *permission)
{
	const Authority *authority;
	text            *name;

	if (likely(site != NULL && site->authority != NULL))
	{
		*permission = site->permission;
		return site->authority;
	}
	authority = authority_of_call(site != NULL ? site->statement : NULL, anew);
	if (PG_ARGISNULL(permission_arg))
		refuse_null("permission");
	name = PG_GETARG_TEXT_PP(permission_arg);
	*permission = require_known_permission(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (site != NULL)
	{
		site->answered = false;
		site->permission = *permission;
	}
	rely_on(authority, *permission);
	if (site != NULL && site->fixed)
		site->authority = authority;
	return authority;
}

/* grants answers whether an authority has a permission in a tenant, for whoever asks in order to use it. */
static bool
grants(const Authority *authority, const pg_uuid_t *tenant, int permission)
{
	if (!grant_allows(principal_grant(authority->principal, tenant), permission,
	                  authority->settled_at))
		return false;
	use_permission(principal_identity(authority->principal), tenant, permission);
	return true;
}

/* ---- in a tenant that is named --------------------------------------------------------------------- */

static pg_noinline bool
has_permission_slowly(FunctionCallInfo fcinfo, CallSite *site)
{
	Authority        anew;
	int              permission;
	const Authority *authority = authority_and_permission(fcinfo, 1, site, &anew, &permission);
	const pg_uuid_t *tenant;
	bool             answer;

	if (PG_ARGISNULL(0))
		return false;
	tenant = PG_GETARG_UUID_P(0);
	answer = grants(authority, tenant, permission);
	if (site != NULL)
	{
		site->answered = site->fixed;
		site->tenant = *tenant;
		site->answer = answer;
	}
	return answer;
}

/* has_permission(tenant_id, permission): may whoever is asking do this there? */
Datum
teamrbac_has_permission(PG_FUNCTION_ARGS)
{
	CallSite *site = call_site(fcinfo, 1);

	counters->checks++;
	if (likely(site != NULL && site->answered && !PG_ARGISNULL(0) &&
	           uuid_same(&site->tenant, PG_GETARG_UUID_P(0))))
		PG_RETURN_BOOL(site->answer);
	PG_RETURN_BOOL(has_permission_slowly(fcinfo, site));
}

static void
refuse_asker(const Identity *identity, const pg_uuid_t *tenant, const char *permission)
{
	if (identity->kind == IDENTITY_NONE)
		refuse_nobody(tenant);
	refuse_permission(tenant, permission);
}

/* require_permission(tenant_id, permission): an error unless has_permission(tenant_id, permission). */
Datum
teamrbac_require_permission(PG_FUNCTION_ARGS)
{
	CallSite        *site = call_site(fcinfo, 1);
	Authority        anew;
	int              permission;
	const Authority *authority = authority_and_permission(fcinfo, 1, site, &anew, &permission);
	pg_uuid_t       *tenant = PG_ARGISNULL(0) ? NULL : PG_GETARG_UUID_P(0);

	counters->checks++;
	if (tenant == NULL || !grants(authority, tenant, permission))
		refuse_asker(principal_identity(authority->principal), tenant, permission_name(permission));
	PG_RETURN_VOID();
}

/* asker_has answers whether whoever is asking has a permission at this moment, and whether it is used by that. */
static bool
asker_has(const pg_uuid_t *tenant, const char *permission, bool uses)
{
	int        number = require_known_permission(permission, strlen(permission));
	Principal *principal = current_principal();
	Identity   identity;

	counters->checks++;
	if (tenant == NULL)
		return false;
	identity = *principal_identity(principal);
	if (!grant_allows(principal_grant(principal, tenant), number, GetCurrentTimestamp()))
		return false;
	if (uses)
		use_permission(&identity, tenant, number);
	return true;
}

bool
asker_may(const pg_uuid_t *tenant, const char *permission)
{
	return asker_has(tenant, permission, false);
}

bool
asker_uses(const pg_uuid_t *tenant, const char *permission)
{
	return asker_has(tenant, permission, true);
}

void
require_permission_of_call(const FmgrInfo *flinfo, const pg_uuid_t *tenant, const char *permission)
{
	int              number = require_known_permission(permission, strlen(permission));
	Authority        anew;
	const Authority *authority = authority_of_call(statement_of_call(flinfo), &anew);

	counters->checks++;
	rely_on(authority, number);
	if (tenant == NULL || !grants(authority, tenant, number))
		refuse_asker(principal_identity(authority->principal), tenant, permission);
}

void
require_permission(const pg_uuid_t *tenant, const char *permission)
{
	Identity identity;

	if (asker_uses(tenant, permission))
		return;
	identity = identity_now();
	refuse_asker(&identity, tenant, permission);
}

/* ---- as a person ---------------------------------------------------------------------------------- */

pg_uuid_t
require_person(const pg_uuid_t *tenant)
{
	Identity identity;

	AcceptInvalidationMessages();
	identity = identity_now();
	if (identity.kind == IDENTITY_NONE)
		refuse_nobody(tenant);
	if (identity.kind == IDENTITY_KEY)
		refuse_command(tenant, "people_only", "an API key may not do this",
		               "This is for people only.", NULL);
	cluster_require_team();
	if (!user_is_active(&identity.user_id))
		refuse_identity(user_is_known(&identity.user_id) ? "user_disabled" : "user_unregistered",
		                "unknown or disabled user", NULL, NULL);
	return identity.user_id;
}

pg_uuid_t
require_user(const pg_uuid_t *tenant)
{
	pg_uuid_t user = require_person(tenant);

	if (identity_now().staff != STAFF_NONE)
		refuse_command(tenant, "staff_not_allowed",
		               "a visitor of the platform's staff may not do this",
		               "This is for users in their own name, not for sign_in_as_staff.", NULL);
	return user;
}

void
require_no_own_access(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	Identity identity = identity_now();

	if (identity.staff != STAFF_NONE && uuid_same(&identity.user_id, user))
		refuse_command(tenant, "staff_not_allowed",
		               "a visitor of the platform's staff may not do this",
		               "Nobody becomes more in a tenant by their own visit.", NULL);
}

/* ---- here ------------------------------------------------------------------------------------------ */

static void
refuse_undecided(void)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
	                errreason("tenant_undecided"), errmsg("no tenant has been entered"),
	                errdetail("Whoever is asking is a member of several tenants."),
	                errhint("Call teamrbac.act_in_tenant after signing in, or "
	                        "teamrbac.sign_in_as_member instead.")));
}

/* acts_somewhere tells whether there is an acting tenant; 55000 while it is undecided which. */
static bool
acts_somewhere(const Authority *authority)
{
	if (authority->acting == ACTING_UNDECIDED)
		refuse_undecided();
	return authority->acting == ACTING_IN_ONE;
}

/* permitted_here answers whether the acting tenant, if there is one, gives the permission. */
static bool
permitted_here(const Authority *authority, int permission)
{
	if (!acts_somewhere(authority))
		return false;
	return grants(authority, &authority->tenant, permission);
}

/* A function of its own, so that permitted_tenant's usual way is short. */
static pg_noinline Datum
permitted_tenant_slowly(FunctionCallInfo fcinfo, CallSite *site)
{
	Authority        anew;
	int              permission;
	const Authority *authority = authority_and_permission(fcinfo, 0, site, &anew, &permission);
	bool             answer = permitted_here(authority, permission);
	pg_uuid_t       *tenant;

	if (site != NULL)
	{
		site->answered = site->fixed;
		site->answer = answer;
		site->tenant = authority->tenant;
	}
	if (!answer)
		PG_RETURN_NULL();
	tenant = palloc(sizeof(pg_uuid_t));
	*tenant = authority->tenant;
	PG_RETURN_UUID_P(tenant);
}

/* permitted_tenant(permission): the acting tenant, if whoever is asking may do this there, else NULL. */
Datum
teamrbac_permitted_tenant(PG_FUNCTION_ARGS)
{
	CallSite *site = call_site(fcinfo, 0);

	counters->checks++;
	if (unlikely(site == NULL || !site->answered))
		return permitted_tenant_slowly(fcinfo, site);
	if (!site->answer)
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(&site->tenant);
}

static pg_noinline bool
is_acting_tenant_slowly(FunctionCallInfo fcinfo)
{
	Statement       *statement = statement_of_call(fcinfo->flinfo);
	Authority        anew;
	const Authority *authority = authority_of_call(statement, &anew);
	bool             somewhere = acts_somewhere(authority);
	CallSite        *site;

	rely_on(authority, ON_IDENTITY);
	if (statement != NULL)
	{
		site = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(CallSite));
		site->answer = somewhere;
		site->tenant = authority->tenant;
		fcinfo->flinfo->fn_extra = site;
	}
	return somewhere && !PG_ARGISNULL(0) && uuid_same(&authority->tenant, PG_GETARG_UUID_P(0));
}

/* is_acting_tenant(tenant_id): whether a row's tenant is the one whose rows are seen; what each row is asked. */
Datum
teamrbac_is_acting_tenant(PG_FUNCTION_ARGS)
{
	const CallSite *site = fcinfo->flinfo != NULL ? fcinfo->flinfo->fn_extra : NULL;

	if (unlikely(site == NULL))
		PG_RETURN_BOOL(is_acting_tenant_slowly(fcinfo));
	PG_RETURN_BOOL(site->answer && !PG_ARGISNULL(0) &&
	               uuid_same(&site->tenant, PG_GETARG_UUID_P(0)));
}

/* ---- lists ----------------------------------------------------------------------------------------- */

/* tenants_array lists the tenants in which a principal is live, with the permission unless that is -1. */
static ArrayType *
tenants_array(const Authority *authority, int permission)
{
	int           ngrants;
	const Grant **list = principal_grants(authority->principal, &ngrants);
	Datum        *tenants = palloc_extended((ngrants + 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	int           ntenants = 0;

	for (int i = 0; i < ngrants; i++)
	{
		if (permission < 0 ? !grant_is_live(list[i], authority->settled_at)
		                   : !grant_allows(list[i], permission, authority->settled_at))
			continue;
		if (permission >= 0)
			use_permission(principal_identity(authority->principal), &list[i]->tenant_id,
			               permission);
		tenants[ntenants++] = UUIDPGetDatum(&list[i]->tenant_id);
	}
	return construct_array(tenants, ntenants, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

/* permitted_tenants(permission): where whoever is asking may do this. */
Datum
teamrbac_permitted_tenants(PG_FUNCTION_ARGS)
{
	CallSite        *site = call_site(fcinfo, 0);
	Authority        anew;
	int              permission;
	const Authority *authority = authority_and_permission(fcinfo, 0, site, &anew, &permission);
	MemoryContext    caller;

	counters->checks++;
	if (site == NULL || !site->fixed)
		PG_RETURN_ARRAYTYPE_P(tenants_array(authority, permission));
	if (!site->answered)
	{
		caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		site->list = PointerGetDatum(tenants_array(authority, permission));
		MemoryContextSwitchTo(caller);
		site->answered = true;
	}
	PG_RETURN_DATUM(site->list);
}

/* visible_tenants(): whose teams whoever is asking sees, for our views. */
Datum
teamrbac_visible_tenants(PG_FUNCTION_ARGS)
{
	Authority        anew;
	const Authority *authority = authority_of_call(statement_of_call(fcinfo->flinfo), &anew);

	cluster_require_team();
	rely_on(authority, ON_MEMBERSHIPS);
	PG_RETURN_ARRAYTYPE_P(tenants_array(authority, -1));
}

/* my_permissions(tenant_id): all that whoever is asking may do there, for a front end. */
Datum
teamrbac_my_permissions(PG_FUNCTION_ARGS)
{
	Authority        anew;
	const Authority *authority = authority_of_call(statement_of_call(fcinfo->flinfo), &anew);
	const Grant     *grant;
	const char     **names;
	Datum           *permissions;
	int              npermissions = 0;
	int              number = -1;

	rely_on(authority, ON_MEMBERSHIPS);
	if (PG_ARGISNULL(0))
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(TEXTOID));
	grant = principal_grant(authority->principal, PG_GETARG_UUID_P(0));
	if (!grant_is_live(grant, authority->settled_at))
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(TEXTOID));

	names = palloc((bms_num_members(grant->permissions) + 1) * sizeof(char *));
	while ((number = bms_next_member(grant->permissions, number)) >= 0)
	{
		names[npermissions++] = permission_name(number);
		rely_on(authority, number);
	}
	qsort(names, npermissions, sizeof(char *), pg_qsort_strcmp);
	permissions = palloc((npermissions + 1) * sizeof(Datum));
	for (int i = 0; i < npermissions; i++)
		permissions[i] = CStringGetTextDatum(names[i]);
	PG_RETURN_ARRAYTYPE_P(
		construct_array(permissions, npermissions, TEXTOID, -1, false, TYPALIGN_INT));
}
