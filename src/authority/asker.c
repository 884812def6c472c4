/*
 * asker.c
 *	  Who is asking, and why they may or may not, as SQL sees it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "authority/cluster.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/permission.h"
#include "authority/statement.h"
#include "store/query.h"

PG_FUNCTION_INFO_V1(teamrbac_current_identity);
PG_FUNCTION_INFO_V1(teamrbac_current_user_id);
PG_FUNCTION_INFO_V1(teamrbac_current_tenant_id);
PG_FUNCTION_INFO_V1(teamrbac_my_tenants);
PG_FUNCTION_INFO_V1(teamrbac_explain_permission);

/* ---- who ------------------------------------------------------------------------------------------- */

/*
 * authority_of_asker returns what a call that asks who is asking answers from.  A call site of a query remembers it,
 * since policies for one's own rows ask for each row.
 */
static const Authority *
authority_of_asker(FunctionCallInfo fcinfo, Authority *anew, int relies)
{
	const Authority *authority = fcinfo->flinfo != NULL ? fcinfo->flinfo->fn_extra : NULL;
	Statement       *statement;

	if (authority != NULL)
		return authority;
	statement = statement_of_call(fcinfo->flinfo);
	authority = authority_of_call(statement, anew);
	rely_on(authority, relies);
	if (statement != NULL)
		fcinfo->flinfo->fn_extra = unconstify(Authority *, authority);
	return authority;
}

/* identity_datum makes a value of the SQL type teamrbac.identity. */
static Datum
identity_datum(const Authority *authority)
{
	static const char *const kinds[] = {"none", "user", "api_key"};
	const Identity          *identity = principal_identity(authority->principal);
	Oid                      schema = get_namespace_oid("teamrbac", false);
	Oid       type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("identity"),
	                                 ObjectIdGetDatum(schema));
	TupleDesc tupdesc = lookup_rowtype_tupdesc_copy(type, -1);
	Datum     values[5] = {0};
	bool      nulls[5] = {false};

	values[0] = CStringGetTextDatum(kinds[identity->kind]);
	values[1] = UUIDPGetDatum(&identity->user_id);
	nulls[1] = identity->kind != IDENTITY_USER;
	values[2] = UUIDPGetDatum(&authority->tenant);
	nulls[2] = authority->acting != ACTING_IN_ONE;
	values[3] = UUIDPGetDatum(&identity->key_id);
	nulls[3] = identity->kind != IDENTITY_KEY;
	values[4] = TimestampTzGetDatum(identity->ends_at);
	nulls[4] = identity->ends_at == DT_NOEND;
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}

/* current_identity(): who is asking, as a composite. */
Datum
teamrbac_current_identity(PG_FUNCTION_ARGS)
{
	Authority anew;

	PG_RETURN_DATUM(identity_datum(authority_of_asker(fcinfo, &anew, ON_MEMBERSHIPS)));
}

static Datum
uuid_result(const pg_uuid_t *uuid)
{
	pg_uuid_t *result = palloc(sizeof(pg_uuid_t));

	*result = *uuid;
	return UUIDPGetDatum(result);
}

/* current_user_id(): the user who is asking, or NULL. */
Datum
teamrbac_current_user_id(PG_FUNCTION_ARGS)
{
	Authority       anew;
	const Identity *identity =
		principal_identity(authority_of_asker(fcinfo, &anew, ON_IDENTITY)->principal);

	if (identity->kind != IDENTITY_USER)
		PG_RETURN_NULL();
	return uuid_result(&identity->user_id);
}

/* current_tenant_id(): the acting tenant, or NULL. */
Datum
teamrbac_current_tenant_id(PG_FUNCTION_ARGS)
{
	Authority        anew;
	const Authority *authority = authority_of_asker(fcinfo, &anew, ON_MEMBERSHIPS);

	if (authority->acting != ACTING_IN_ONE)
		PG_RETURN_NULL();
	return uuid_result(&authority->tenant);
}

/* ---- where ----------------------------------------------------------------------------------------- */

/* principal_everywhere is whoever is asking, whatever tenant they have entered; a visitor is nowhere else. */
static Principal *
principal_everywhere(void)
{
	Identity identity;

	AcceptInvalidationMessages();
	identity = identity_now();
	if (identity.kind == IDENTITY_USER && identity.staff == STAFF_NONE)
		identity.in_tenant = false;
	return principal_of(&identity);
}

/* my_tenants(): the tenants of whoever is asking, for the menu that switches between them. */
Datum
teamrbac_my_tenants(PG_FUNCTION_ARGS)
{
	static SavedQuery describe = {
		.sql = "SELECT t.tenant_id, t.name, t.slug, mine.role"
			   "  FROM ROWS FROM (unnest($1), unnest($2)) AS mine(tenant_id, role)"
			   "  JOIN teamrbac.tenant AS t ON t.tenant_id = mine.tenant_id"
			   " ORDER BY t.name, t.tenant_id",
		.nargs = 2,
		.argtypes = {UUIDARRAYOID, TEXTARRAYOID},
	};
	Authority     anew;
	int           ngrants;
	const Grant **grants;
	TimestampTz   now = GetCurrentTimestamp();
	Datum        *tenants;
	Datum        *roles;
	int           n = 0;
	Datum         args[2];

	cluster_require_team();
	rely_on(authority_of_call(statement_of_call(fcinfo->flinfo), &anew), ON_MEMBERSHIPS);
	grants = principal_grants(principal_everywhere(), &ngrants);
	tenants = palloc_extended((ngrants + 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	roles = palloc_extended((ngrants + 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	for (int i = 0; i < ngrants; i++)
	{
		if (!grant_is_live(grants[i], now))
			continue;
		tenants[n] = UUIDPGetDatum(&grants[i]->tenant_id);
		roles[n++] = CStringGetTextDatum(grants[i]->role->name);
	}
	args[0] = PointerGetDatum(construct_array(tenants, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	args[1] = PointerGetDatum(construct_array(roles, n, TEXTOID, -1, false, TYPALIGN_INT));
	query_return_set(fcinfo, &describe, args, NULL);
	return (Datum) 0;
}

/* ---- why ------------------------------------------------------------------------------------------- */

static const char *
explain_grant(const Authority *authority, const Grant *grant, int permission)
{
	IdentityKind kind = principal_identity(authority->principal)->kind;

	if (kind == IDENTITY_NONE)
		return "nobody is signed in";
	switch (grant->state)
	{
		case GRANT_NONE:
			return kind == IDENTITY_KEY ? "key belongs to another tenant" : "not a member";
		case GRANT_TENANT_DELETED:
			return "tenant deleted";
		case GRANT_USER_DISABLED:
			return "user disabled";
		case GRANT_KEY_REVOKED:
			return "key revoked";
		case GRANT_LIVE:
			break;
	}
	if (!grant_is_live(grant, authority->settled_at))
		return kind == IDENTITY_KEY ? "key expired" : "membership expired";
	if (bms_is_member(permission, grant->permissions))
		return psprintf("granted by role %s", grant->role->name);
	if (!bms_is_member(permission, grant->role->permissions))
		return psprintf("not granted by role %s", grant->role->name);
	if (!bms_is_member(permission, permissions_for_keys()))
		return "for people only, not for keys";
	return "outside the key's permissions";
}

/* explain_permission(tenant_id, permission): why has_permission answers as it does. */
Datum
teamrbac_explain_permission(PG_FUNCTION_ARGS)
{
	static const Grant none = {.state = GRANT_NONE, .expires_at = DT_NOEND};
	Authority          anew;
	const Authority   *authority;
	const Grant       *grant = &none;
	text              *name;
	int                permission;
	TupleDesc          tupdesc;
	Datum              values[4];
	bool               nulls[4] = {false};

	if (PG_ARGISNULL(1))
		refuse_null("permission");
	cluster_require_team();
	name = PG_GETARG_TEXT_PP(1);
	authority = authority_of_call(statement_of_call(fcinfo->flinfo), &anew);
	permission = require_known_permission(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	rely_on(authority, ON_MEMBERSHIPS);
	rely_on(authority, permission);
	if (!PG_ARGISNULL(0))
		grant = principal_grant(authority->principal, PG_GETARG_UUID_P(0));

	values[0] = BoolGetDatum(grant_allows(grant, permission, authority->settled_at));
	values[1] = CStringGetTextDatum(explain_grant(authority, grant, permission));
	nulls[2] = grant->role == NULL;
	values[2] = nulls[2] ? (Datum) 0 : CStringGetTextDatum(grant->role->name);
	values[3] = identity_datum(authority);
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}
