/*
 * tenant.c
 *	  Commands on tenants, and the guard of their one rule: a tenant has exactly one Owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "record/audit.h"
#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/precedence.h"
#include "command/owned_tenants.h"
#include "store/query.h"
#include "authority/team.h"
#include "store/text_rules.h"

PG_FUNCTION_INFO_V1(teamrbac_create_tenant);
PG_FUNCTION_INFO_V1(teamrbac_check_owner);
PG_FUNCTION_INFO_V1(teamrbac_check_owners);

static pg_uuid_t
insert_tenant(const char *name, const char *slug)
{
	static SavedQuery insert = {
		.sql =
			"INSERT INTO teamrbac.tenant (tenant_id, name, slug) VALUES (pg_catalog.gen_random_uuid(), $1, $2)"
			" ON CONFLICT (slug) WHERE deleted_at IS NULL DO NOTHING RETURNING tenant_id",
		.nargs = 2,
		.argtypes = {TEXTOID, TEXTOID},
	};
	Datum args[] = {CStringGetTextDatum(name),
	                slug != NULL ? CStringGetTextDatum(slug) : (Datum) 0};
	char  nulls[] = {' ', slug != NULL ? ' ' : 'n'};
	Datum tenant;
	bool  isnull;

	/* Not by waiting for whoever inserts it: anybody might keep it for as long as they like. */
	if ((slug != NULL && !reserve_slug(slug)) ||
	    !query_row(&insert, args, nulls, 1, &tenant, &isnull))
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), errreason("slug_taken"),
		                errmsg("slug \"%s\" is taken", slug)));
	return *DatumGetUUIDP(tenant);
}

static void
insert_owner(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	static SavedQuery insert = {
		.sql =
			"INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ($1, $2, '" ROLE_OWNER
			"')",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(user)};

	query_execute(&insert, args, NULL);
}

/* create_tenant(name, slug): the signed-in user makes a tenant and becomes its Owner. */
Datum
teamrbac_create_tenant(PG_FUNCTION_ARGS)
{
	char      *name = text_arg(fcinfo, 0, "name");
	char      *slug = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	pg_uuid_t  user;
	pg_uuid_t *tenant = palloc(sizeof(pg_uuid_t));

	user = require_user(NULL);
	yield_precedence(GATE_USER, &user);
	if (!lock_active_user(&user))
		refuse_nobody(NULL);
	name = require_printable_name("name", name);
	if (slug != NULL)
		require_slug(slug);

	*tenant = insert_tenant(name, slug);
	insert_owner(tenant, &user);
	require_tenant_allowance(&user);

	audit_tenant(tenant, "tenant.created", audit_subject("tenant", tenant), NULL,
	             audit_fields("name", name, "slug", slug, NULL));
	PG_RETURN_UUID_P(tenant);
}

/* ---- exactly one Owner ------------------------------------------------------------------------------ */

pg_noreturn static void
refuse_ownerless(const pg_uuid_t *tenant)
{
	ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION), errreason("tenant_ownerless"),
	                errmsg("a tenant must have exactly one owner"),
	                errdetail("Tenant %s would have none.", uuid_text(tenant)),
	                errhint("Give another member the role \"owner\" in the same transaction.")));
}

static pg_uuid_t
trigger_row_tenant(const TriggerData *trigdata)
{
	TupleDesc tupdesc = RelationGetDescr(trigdata->tg_relation);
	bool      isnull;

	return *DatumGetUUIDP(
		SPI_getbinval(trigdata->tg_trigtuple, tupdesc, SPI_fnumber(tupdesc, "tenant_id"), &isnull));
}

/*
 * check_owner(): at commit, the tenant of a row that said who owns it still has an owner, unless it is being
 * purged; two are prevented by a unique index.  The lock makes transactions that change the same tenant's owner
 * see each other's work.  A restore, which brings tenants in one transaction and their members in another, does
 * not fire it.
 */
Datum
teamrbac_check_owner(PG_FUNCTION_ARGS)
{
	static SavedQuery exists = {
		.sql = "SELECT EXISTS (SELECT FROM teamrbac.membership AS m WHERE m.tenant_id = t.tenant_id"
			   " AND m.role = '" ROLE_OWNER "')"
			   " FROM teamrbac.tenant AS t"
			   " WHERE t.tenant_id = $1 AND t.purge_began_at IS NULL",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	static SavedQuery lock = {
		.sql = "SELECT FROM teamrbac.tenant WHERE tenant_id = $1 FOR NO KEY UPDATE",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	pg_uuid_t    tenant;
	Datum        args[1];
	Datum        has_owner;
	bool         isnull;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		                errmsg("function \"%s\" must be called by a row trigger", "check_owner")));
	tenant = trigger_row_tenant(trigdata);
	args[0] = UUIDPGetDatum(&tenant);
	query_execute(&lock, args, NULL);
	if (query_row(&exists, args, NULL, 1, &has_owner, &isnull) && !DatumGetBool(has_owner))
		refuse_ownerless(&tenant);
	return PointerGetDatum(NULL);
}

/*
 * check_owners(): the same for all tenants, after TRUNCATE, which leaves no rows to fire triggers for and cannot be
 * checked at commit.
 */
Datum
teamrbac_check_owners(PG_FUNCTION_ARGS)
{
	static SavedQuery find = {
		.sql = "SELECT t.tenant_id FROM teamrbac.tenant AS t WHERE t.purge_began_at IS NULL"
			   " AND NOT EXISTS (SELECT FROM teamrbac.membership AS m"
			   " WHERE m.tenant_id = t.tenant_id"
			   " AND m.role = '" ROLE_OWNER "') LIMIT 1",
	};
	Datum tenant;
	bool  isnull;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		                errmsg("function \"%s\" must be called by a trigger", "check_owners")));
	if (query_row(&find, NULL, NULL, 1, &tenant, &isnull))
		refuse_ownerless(DatumGetUUIDP(tenant));
	return PointerGetDatum(NULL);
}
