/*
 * role.c
 *	  Roles and their permissions, as the tables have them.
 *
 * A role is read when somebody who has it is, by an index: however many there are costs nobody anything.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "authority/permission.h"
#include "authority/role.h"
#include "store/catalog.h"
#include "store/reason.h"

Bitmapset *
read_role_permissions(Snapshot snapshot, const pg_uuid_t *tenant, const char *name)
{
	const AttrNumber column = Anum_role_permission_role;
	const Oid        type = TEXTOID;
	Datum            key = CStringGetTextDatum(name);
	Bitmapset       *permissions = NULL;
	CatalogScan      scan = catalog_scan_begin(snapshot, CATALOG_ROLE_PERMISSION,
	                                           CATALOG_ROLE_PERMISSION_PKEY, 1, &column, &key, &type);
	HeapTuple        tuple;

	while (HeapTupleIsValid(tuple = catalog_scan_next(&scan)))
	{
		char permission[NAMEDATALEN];

		catalog_scan_name(&scan, tuple, Anum_role_permission_permission, permission);
		permissions = bms_add_member(permissions, permission_number(permission));
	}
	catalog_scan_end(&scan);
	return permissions;
}

static bool
role_exists(const char *name)
{
	const AttrNumber column = Anum_role_role;
	const Oid        type = TEXTOID;
	Datum            key = CStringGetTextDatum(name);
	CatalogScan      scan =
		catalog_scan_begin(NULL, CATALOG_ROLE, CATALOG_ROLE_PKEY, 1, &column, &key, &type);
	bool exists = HeapTupleIsValid(catalog_scan_next(&scan));

	catalog_scan_end(&scan);
	return exists;
}

const Role *
find_role(const pg_uuid_t *tenant, const char *name)
{
	Role *role;

	if (strlen(name) >= NAMEDATALEN || !role_exists(name))
		return NULL;
	role = palloc0(sizeof(Role));
	strlcpy(role->name, name, NAMEDATALEN);
	role->permissions = read_role_permissions(NULL, tenant, name);
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
