/*
 * role.c
 *	  Roles and their permissions, as the tables have them.
 *
 * A role is read when somebody who has it is, by an index: however many there are costs nobody anything.  A global
 * one is in teamrbac.role; a tenant's own, in teamrbac.tenant_role, exists in its tenant alone.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "authority/permission.h"
#include "authority/role.h"
#include "compat.h"
#include "store/catalog.h"
#include "store/reason.h"
#include "store/restore.h"

PG_FUNCTION_INFO_V1(teamrbac_resolve_role);
PG_FUNCTION_INFO_V1(teamrbac_guard_role_name);

/* ---- reading --------------------------------------------------------------------------------------- */

/* begin_scan finds by a name what all tenants have, or by an index of a tenant's own, what this one has. */
static CatalogScan
begin_scan(Snapshot snapshot, CatalogIndex global, CatalogIndex own, const pg_uuid_t *tenant,
           const char *name)
{
	Datum name_key = CStringGetTextDatum(name);
	Datum own_keys[] = {UUIDPGetDatum(tenant), name_key};

	return tenant != NULL ? catalog_scan_begin(snapshot, own, 2, own_keys)
	                      : catalog_scan_begin(snapshot, global, 1, &name_key);
}

Bitmapset *
read_role_permissions(Snapshot snapshot, const pg_uuid_t *tenant, const char *name)
{
	const AttrNumber column =
		tenant != NULL ? Anum_tenant_role_permission_permission : Anum_role_permission_permission;
	Bitmapset  *permissions = NULL;
	CatalogScan scan = begin_scan(snapshot, CATALOG_ROLE_PERMISSION_PKEY,
	                              CATALOG_TENANT_ROLE_PERMISSION_PKEY, tenant, name);
	HeapTuple   tuple;

	while (HeapTupleIsValid(tuple = catalog_scan_next(&scan)))
	{
		char permission[NAMEDATALEN];

		catalog_scan_name(&scan, tuple, column, permission);
		permissions = bms_add_member(permissions, permission_number(permission));
	}
	catalog_scan_end(&scan);
	return permissions;
}

static bool
role_exists(const pg_uuid_t *tenant, const char *name)
{
	CatalogScan scan = begin_scan(NULL, CATALOG_ROLE_PKEY, CATALOG_TENANT_ROLE_PKEY, tenant, name);
	bool        exists = HeapTupleIsValid(catalog_scan_next(&scan));

	catalog_scan_end(&scan);
	return exists;
}

static bool
some_tenant_has_role(const char *name)
{
	Datum       key = CStringGetTextDatum(name);
	CatalogScan scan = catalog_scan_begin(NULL, CATALOG_TENANT_ROLE_NAME_IDX, 1, &key);
	bool        exists = HeapTupleIsValid(catalog_scan_next(&scan));

	catalog_scan_end(&scan);
	return exists;
}

pg_noreturn static void
refuse_global_name(const char *name)
{
	ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), errreason("role_name_taken"),
	                errmsg("role \"%s\" exists for all tenants", name),
	                errhint("Choose another name for a role of the tenant's own.")));
}

/* is_own_role tells whether a tenant means one of its own by a name. */
static bool
is_own_role(const pg_uuid_t *tenant, const char *name)
{
	return !role_exists(NULL, name) && role_exists(tenant, name);
}

const Role *
find_role(const pg_uuid_t *tenant, const char *name)
{
	bool  global = role_exists(NULL, name);
	Role *role;

	if (!global && (tenant == NULL || !role_exists(tenant, name)))
		return NULL;
	role = palloc0(sizeof(Role));
	strlcpy(role->name, name, NAMEDATALEN);
	role->permissions = read_role_permissions(NULL, global ? NULL : tenant, name);
	return role;
}

const Role *
require_known_role(const pg_uuid_t *tenant, const char *name)
{
	const Role *role = find_role(tenant, name);

	if (role == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("unknown_role"),
		                errmsg("role \"%s\" does not exist",
		                       pnstrdup(name, pg_mbcliplen(name, strlen(name), 100))),
		                errhint("All roles are listed in view teamrbac.permission_matrix.")));
	return role;
}

/* ---- writing --------------------------------------------------------------------------------------- */

/* new_row returns the row that fires a trigger before it is written. */
static HeapTuple
new_row(FunctionCallInfo fcinfo, const char *function)
{
	const TriggerData *trigdata = (const TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigdata->tg_event) ||
	    !TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) || TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		ereport(ERROR,
		        (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		         errmsg("function \"%s\" must be called by a row trigger before insert or update",
		                function)));
	return TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newtuple
	                                                   : trigdata->tg_trigtuple;
}

static bool
loading(FunctionCallInfo fcinfo)
{
	const TriggerData *trigdata = (const TriggerData *) fcinfo->context;

	return TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) && restoring(trigdata->tg_relation);
}

/*
 * resolve_role(): notes in a row that gives somebody a role whether it is one of the tenant's own.  So the row goes on
 * meaning the role that it was given by, whatever is defined later; the foreign keys see to it that there is one.
 */
Datum
teamrbac_resolve_role(PG_FUNCTION_ARGS)
{
	HeapTuple row = new_row(fcinfo, "resolve_role");
	Relation  table = ((TriggerData *) fcinfo->context)->tg_relation;
	TupleDesc tupdesc = RelationGetDescr(table);
	int       column = SPI_fnumber(tupdesc, "own_role");
	Datum     tenant;
	Datum     name;
	Datum     own;
	bool      isnull[2];
	bool      no_null = false;

	/* A restore brings the answer along, and roles perhaps later. */
	if (loading(fcinfo))
		return PointerGetDatum(row);
	tenant = heap_getattr(row, SPI_fnumber(tupdesc, "tenant_id"), tupdesc, &isnull[0]);
	name = heap_getattr(row, SPI_fnumber(tupdesc, "role"), tupdesc, &isnull[1]);
	/* A row without a role, as that of a former member in join_request, has none of the tenant's own. */
	own = BoolGetDatum(!isnull[0] && !isnull[1] &&
	                   is_own_role(DatumGetUUIDP(tenant), TextDatumGetCString(name)));
	return PointerGetDatum(heap_modify_tuple_by_cols(row, tupdesc, 1, &column, &own, &no_null));
}

/*
 * guard_role_name(): no tenant's own role has the name of a global one, in whatever order and by whomever they are
 * defined.  Who adds a role of a tenant has the table's lock already; who adds a global one waits for all these, and
 * keeps new ones out.  The snapshot of either look-up is newer than that lock.
 */
Datum
teamrbac_guard_role_name(PG_FUNCTION_ARGS)
{
	HeapTuple row = new_row(fcinfo, "guard_role_name");
	Relation  table = ((TriggerData *) fcinfo->context)->tg_relation;
	TupleDesc tupdesc = RelationGetDescr(table);
	bool      isnull;
	Datum     value = heap_getattr(row, SPI_fnumber(tupdesc, "role"), tupdesc, &isnull);
	char     *name;

	if (loading(fcinfo) || isnull)
		return PointerGetDatum(row);
	name = TextDatumGetCString(value);
	if (RelationGetRelid(table) == catalog_table_oid(CATALOG_TENANT_ROLE))
	{
		if (role_exists(NULL, name))
			refuse_global_name(name);
		return PointerGetDatum(row);
	}
	LockRelationOid(catalog_table_oid(CATALOG_TENANT_ROLE), ShareLock);
	if (some_tenant_has_role(name))
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), errreason("role_name_taken"),
		                errmsg("a tenant has a role \"%s\" of its own", name),
		                errdetail("Its members would have another role than they were given."),
		                errhint("Choose another name.")));
	return PointerGetDatum(row);
}
