/*
 * tenant_role.c
 *	  Commands on roles of a tenant's own.
 *
 * Each reads: arguments, lock, authority, change, record.  The rule against escalation is the one for members: whoever
 * changes what a role may do changes what everybody may who has it, and so needs all that it could and all that it will.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "authority/errors.h"
#include "authority/permission.h"
#include "authority/team.h"
#include "command/offers.h"
#include "compat.h"
#include "record/audit.h"
#include "store/dependents.h"
#include "store/query.h"
#include "store/reason.h"
#include "store/settings.h"
#include "store/text_rules.h"

PG_FUNCTION_INFO_V1(teamrbac_define_tenant_role);
PG_FUNCTION_INFO_V1(teamrbac_drop_tenant_role);

/* What a role is, as JSON for the audit, or NULL if the tenant has none of the name. */
static char *
role_state(const pg_uuid_t *tenant, const char *name)
{
	static SavedQuery select = {
		.sql =
			"SELECT pg_catalog.jsonb_build_object('description', r.description,"
			" 'permissions', ARRAY(SELECT rp.permission::pg_catalog.text FROM teamrbac.tenant_role_permission AS rp"
			" WHERE rp.tenant_id = r.tenant_id AND rp.role = r.role ORDER BY 1))::pg_catalog.text"
			" FROM teamrbac.tenant_role AS r WHERE r.tenant_id = $1 AND r.role = $2",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	Datum state;
	bool  isnull;

	if (!query_row(&select, (Datum[]){UUIDPGetDatum(tenant), CStringGetTextDatum(name)}, NULL, 1,
	               &state, &isnull))
		return NULL;
	return TextDatumGetCString(state);
}

/* ---- define ---------------------------------------------------------------------------------------- */

static void
refuse_global_name(const char *name)
{
	if (find_role(NULL, name) != NULL)
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), errreason("role_name_taken"),
		                errmsg("role \"%s\" exists for all tenants", name),
		                errhint("Choose another name for a role of the tenant's own.")));
}

/* require_own_permissions makes sure that these permissions exist, and that whoever is asking has all of them. */
static void
require_own_permissions(const pg_uuid_t *tenant, const Datum *names, int nnames)
{
	for (int i = 0; i < nnames; i++)
	{
		char *name = TextDatumGetCString(names[i]);

		CHECK_FOR_INTERRUPTS();
		(void) require_known_permission(name, strlen(name));
		if (!asker_may(tenant, name))
			refuse_command(tenant, "permission_beyond_own",
			               psprintf("permission \"%s\" is not yours to give", name),
			               "A role is given, within its permissions, what whoever defines it has.",
			               NULL);
		pfree(name);
	}
}

/* require_room makes sure that the tenant may have one more role of its own. */
static void
require_room(const pg_uuid_t *tenant)
{
	static SavedQuery find = {
		.sql = "SELECT FROM teamrbac.tenant_role WHERE tenant_id = $1 LIMIT $2",
		.nargs = 2,
		.argtypes = {UUIDOID, INT4OID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), Int32GetDatum(max_tenant_roles)};

	if (query_execute(&find, args, NULL) >= max_tenant_roles)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("too_many_roles"),
		         errmsg("the tenant has too many roles of its own"),
		         errdetail("It may have %d (teamrbac.max_tenant_roles).", max_tenant_roles),
		         errhint("Drop one that nobody has, by teamrbac.drop_tenant_role.")));
}

/* write_role writes a role with just these permissions. */
static void
write_role(const pg_uuid_t *tenant, const char *name, const char *description,
           ArrayType *permissions)
{
	static SavedQuery upsert = {
		.sql = "INSERT INTO teamrbac.tenant_role (tenant_id, role, description) VALUES ($1, $2, $3)"
			   " ON CONFLICT (tenant_id, role) DO UPDATE SET description = EXCLUDED.description",
		.nargs = 3,
		.argtypes = {UUIDOID, TEXTOID, TEXTOID},
	};
	static SavedQuery withdraw = {
		.sql = "DELETE FROM teamrbac.tenant_role_permission AS rp WHERE tenant_id = $1"
			   " AND role = $2 AND permission <> ALL ($3) RETURNING rp",
		.nargs = 3,
		.argtypes = {UUIDOID, TEXTOID, TEXTARRAYOID},
	};
	static SavedQuery grant = {
		.sql =
			"INSERT INTO teamrbac.tenant_role_permission (tenant_id, role, permission)"
			" SELECT $1, $2, p.permission FROM teamrbac.permission AS p WHERE p.permission = ANY ($3)"
			" ON CONFLICT DO NOTHING",
		.nargs = 3,
		.argtypes = {UUIDOID, TEXTOID, TEXTARRAYOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), CStringGetTextDatum(name),
	                CStringGetTextDatum(description)};

	query_execute(&upsert, args, NULL);
	args[2] = PointerGetDatum(permissions);
	query_delete("tenant_role_permission", &withdraw, args, NULL);
	query_execute(&grant, args, NULL);
}

/* define_tenant_role(tenant_id, name, description, permissions): a role of the tenant's own, with just these. */
Datum
teamrbac_define_tenant_role(PG_FUNCTION_ARGS)
{
	pg_uuid_t  tenant = uuid_arg(fcinfo, 0, "tenant_id");
	char      *name = text_arg(fcinfo, 1, "name");
	char      *description = text_arg(fcinfo, 2, "description");
	Datum     *names;
	int        nnames;
	ArrayType *permissions = names_arg(fcinfo, 3, "permissions", &names, &nnames);
	char      *before;

	require_definition_name("role name", name);
	description = require_printable_name("description", description);

	lock_tenant_for(&tenant, PERMISSION_MANAGE_ROLES);

	refuse_global_name(name);
	require_own_permissions(&tenant, names, nnames);
	before = role_state(&tenant, name);
	if (before != NULL)
		require_role_within_own(&tenant, name);
	else
		require_room(&tenant);

	write_role(&tenant, name, description, permissions);

	audit_tenant(&tenant, before != NULL ? "role.redefined" : "role.defined",
	             psprintf("role:%s", name), before, role_state(&tenant, name));
	end_offers_beyond(&tenant, NULL);
	PG_RETURN_VOID();
}

/* ---- drop ------------------------------------------------------------------------------------------ */

/* refuse_use makes sure that nobody has the role. */
static void
refuse_use(const pg_uuid_t *tenant, const char *name)
{
	static SavedQuery find = {
		.sql = "SELECT 'a member' FROM teamrbac.membership"
			   " WHERE tenant_id = $1 AND tenant_role = $2"
			   " UNION ALL"
			   " SELECT 'a pending invitation' FROM teamrbac.invitation"
			   " WHERE tenant_id = $1 AND pending_tenant_role = $2"
			   " UNION ALL"
			   " SELECT 'an invitation link' FROM teamrbac.invitation_link"
			   " WHERE tenant_id = $1 AND tenant_role_in_use = $2"
			   " UNION ALL"
			   " SELECT 'domain ' || domain FROM teamrbac.tenant_domain"
			   " WHERE tenant_id = $1 AND tenant_role = $2"
			   " UNION ALL"
			   " SELECT 'a request to join' FROM teamrbac.join_request"
			   " WHERE tenant_id = $1 AND pending_tenant_role = $2"
			   " UNION ALL"
			   " SELECT 'an API key' FROM teamrbac.api_key"
			   " WHERE tenant_id = $1 AND tenant_role_in_use = $2 LIMIT 1",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	Datum use;
	bool  isnull;

	if (query_row(&find, (Datum[]){UUIDPGetDatum(tenant), CStringGetTextDatum(name)}, NULL, 1, &use,
	              &isnull))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("definition_in_use"),
		     errmsg("role \"%s\" is in use", name),
		     errdetail("It is used by %s.", TextDatumGetCString(use)),
		     errhint(
				 "First give members another role, and end invitations, links, domains, requests and keys with this one.")));
}

/* drop_tenant_role(tenant_id, name): a role of the tenant's own goes, unless somebody has it. */
Datum
teamrbac_drop_tenant_role(PG_FUNCTION_ARGS)
{
	static SavedQuery withdraw = {
		.sql = "DELETE FROM teamrbac.tenant_role_permission AS rp"
			   " WHERE tenant_id = $1 AND role = $2 RETURNING rp",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	static SavedQuery delete = {
		.sql =
			"DELETE FROM teamrbac.tenant_role AS r WHERE tenant_id = $1 AND role = $2 RETURNING r",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	char     *name = text_arg(fcinfo, 1, "name");
	Datum     args[] = {UUIDPGetDatum(&tenant), CStringGetTextDatum(name)};
	char     *before;

	lock_tenant_for(&tenant, PERMISSION_MANAGE_ROLES);

	before = role_state(&tenant, name);
	if (before == NULL)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errreason("no_such_role"),
		                errmsg("the tenant has no role \"%s\" of its own",
		                       pnstrdup(name, pg_mbcliplen(name, strlen(name), 100)))));
	require_role_within_own(&tenant, name);
	refuse_use(&tenant, name);

	query_delete("tenant_role_permission", &withdraw, args, NULL);
	query_delete("tenant_role", &delete, args, NULL);

	audit_tenant(&tenant, "role.dropped", psprintf("role:%s", name), before, NULL);
	PG_RETURN_VOID();
}
