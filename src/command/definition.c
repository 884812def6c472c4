/*
 * definition.c
 *	  The application's own roles and permissions.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "record/audit.h"
#include "compat.h"
#include "authority/errors.h"
#include "store/dependents.h"
#include "store/query.h"
#include "authority/permission.h"
#include "authority/team.h"
#include "store/catalog.h"
#include "store/text_rules.h"

PG_FUNCTION_INFO_V1(teamrbac_define_permission);
PG_FUNCTION_INFO_V1(teamrbac_drop_permission);
PG_FUNCTION_INFO_V1(teamrbac_define_role);
PG_FUNCTION_INFO_V1(teamrbac_drop_role);
PG_FUNCTION_INFO_V1(teamrbac_guard_built_in);

/* lock_definitions has one definition made at a time, and the newest ones read afterwards. */
static void
lock_definitions(void)
{
	static SavedQuery lock = {
		.sql = "LOCK TABLE teamrbac.permission IN SHARE ROW EXCLUSIVE MODE",
	};

	query_execute(&lock, NULL, NULL);
	generation_advance();
}

static bool
is_built_in(SavedQuery *query, const char *name)
{
	Datum args[] = {CStringGetTextDatum(name)};

	return query_execute(query, args, NULL) > 0;
}

static void
refuse_built_in(const char *what, const char *name)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("is_built_in"),
	                errmsg("%s \"%s\" is built in", what, name),
	                errdetail("What is built in is neither changed nor dropped."),
	                errhint("Define one of the application's own under another name.")));
}

static void
refuse_built_in_permission(const char *name)
{
	static SavedQuery find = {
		.sql = "SELECT FROM teamrbac.permission WHERE permission = $1 AND built_in",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};

	if (is_built_in(&find, name))
		refuse_built_in("permission", name);
}

static void
refuse_built_in_role(const char *name)
{
	static SavedQuery find = {
		.sql = "SELECT FROM teamrbac.role WHERE role = $1 AND built_in",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};

	if (is_built_in(&find, name))
		refuse_built_in("role", name);
}

static char *
definition_state(SavedQuery *select, const char *name)
{
	Datum state;
	bool  isnull;

	if (!query_row(select, (Datum[]){CStringGetTextDatum(name)}, NULL, 1, &state, &isnull))
		return NULL;
	return TextDatumGetCString(state);
}

/* What a permission is, as JSON for the audit, or NULL. */
static char *
permission_state(const char *name)
{
	static SavedQuery select = {
		.sql =
			"SELECT pg_catalog.jsonb_build_object('description', p.description, 'grantable_to_keys', p.grantable_to_keys,"
			" 'roles', ARRAY(SELECT rp.role::pg_catalog.text FROM teamrbac.role_permission AS rp"
			" WHERE rp.permission = p.permission ORDER BY 1))::pg_catalog.text"
			" FROM teamrbac.permission AS p WHERE p.permission = $1",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};

	return definition_state(&select, name);
}

/* What a role is, as JSON for the audit, or NULL. */
static char *
role_state(const char *name)
{
	static SavedQuery select = {
		.sql =
			"SELECT pg_catalog.jsonb_build_object('description', r.description,"
			" 'permissions', ARRAY(SELECT rp.permission::pg_catalog.text FROM teamrbac.role_permission AS rp"
			" WHERE rp.role = r.role ORDER BY 1))::pg_catalog.text"
			" FROM teamrbac.role AS r WHERE r.role = $1",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};

	return definition_state(&select, name);
}

/*
 * define_permission(name, description, roles, grantable_to_keys): a permission of the application's own.
 *
 * The built-in roles stay a ladder: the lowest one named passes the permission on to those above.
 */
Datum
teamrbac_define_permission(PG_FUNCTION_ARGS)
{
	static SavedQuery upsert = {
		.sql =
			"INSERT INTO teamrbac.permission (permission, description, grantable_to_keys) VALUES ($1, $2, $3)"
			" ON CONFLICT (permission) DO UPDATE"
			" SET description = EXCLUDED.description, grantable_to_keys = EXCLUDED.grantable_to_keys",
		.nargs = 3,
		.argtypes = {TEXTOID, TEXTOID, BOOLOID},
	};
	static SavedQuery withdraw = {
		.sql = "DELETE FROM teamrbac.role_permission AS rp USING teamrbac.role AS r"
			   " WHERE rp.permission = $1 AND r.role = rp.role AND r.built_in RETURNING rp",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	static SavedQuery grant = {
		.sql = "INSERT INTO teamrbac.role_permission (role, permission)"
			   " SELECT r.role, $1 FROM teamrbac.role AS r"
			   " WHERE r.role = ANY ($2) OR r.role = '" ROLE_OWNER "'"
			   " OR r.built_in AND r.position >"
			   " (SELECT pg_catalog.min(lowest.position) FROM teamrbac.role AS lowest"
			   " WHERE lowest.built_in AND lowest.role = ANY ($2))"
			   " ON CONFLICT DO NOTHING",
		.nargs = 2,
		.argtypes = {TEXTOID, TEXTARRAYOID},
	};
	char      *name = text_arg(fcinfo, 0, "name");
	char      *description = text_arg(fcinfo, 1, "description");
	ArrayType *roles;
	Datum     *names;
	int        nnames;
	char      *before;

	require_definition_name("permission name", name);
	description = require_printable_name("description", description);
	roles = names_arg(fcinfo, 2, "roles", &names, &nnames);
	if (PG_ARGISNULL(3))
		refuse_null("grantable_to_keys");

	lock_definitions();
	refuse_built_in_permission(name);
	for (int i = 0; i < nnames; i++)
		(void) require_known_role(NULL, TextDatumGetCString(names[i]));

	before = permission_state(name);
	query_execute(
		&upsert,
		(Datum[]){CStringGetTextDatum(name), CStringGetTextDatum(description), PG_GETARG_DATUM(3)},
		NULL);
	query_delete("role_permission", &withdraw, (Datum[]){CStringGetTextDatum(name)}, NULL);
	query_execute(&grant, (Datum[]){CStringGetTextDatum(name), PointerGetDatum(roles)}, NULL);

	audit_platform("permission.defined", psprintf("permission:%s", name), before,
	               permission_state(name));
	PG_RETURN_VOID();
}

/* permission_use says what still names a permission, or NULL. */
static char *
permission_use(const char *name)
{
	static SavedQuery find = {
		.sql =
			"SELECT 'role ' || rp.role"
			" FROM teamrbac.role_permission AS rp JOIN teamrbac.role AS r ON r.role = rp.role"
			" WHERE rp.permission = $1 AND NOT r.built_in"
			" UNION ALL"
			" SELECT 'role ' || rp.role || ' of tenant ' || rp.tenant_id::pg_catalog.text"
			" FROM teamrbac.tenant_role_permission AS rp WHERE rp.permission = $1"
			" UNION ALL"
			" SELECT 'an API key of tenant ' || k.tenant_id::pg_catalog.text"
			" FROM teamrbac.api_key AS k WHERE k.revoked_at IS NULL AND $1 = ANY (k.permissions)"
			" UNION ALL"
			" SELECT 'policy ' || p.polname || ' of table '"
			" || p.polrelid::pg_catalog.regclass::pg_catalog.text"
			" FROM pg_catalog.pg_policy AS p"
			" WHERE pg_catalog.strpos(pg_catalog.concat(pg_catalog.pg_get_expr(p.polqual, p.polrelid),"
			" pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)), pg_catalog.quote_literal($1)) > 0"
			" UNION ALL"
			" SELECT 'trigger ' || t.tgname || ' of table '"
			" || t.tgrelid::pg_catalog.regclass::pg_catalog.text"
			" FROM pg_catalog.pg_trigger AS t"
			" WHERE t.tgfoid = 'teamrbac.require_permission_on_change()'::pg_catalog.regprocedure"
			" AND pg_catalog.strpos(pg_catalog.encode(t.tgargs, 'escape'), $1 || E'\\\\000') = 1"
			" LIMIT 1",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	Datum use;
	bool  isnull;

	if (!query_row(&find, (Datum[]){CStringGetTextDatum(name)}, NULL, 1, &use, &isnull))
		return NULL;
	return TextDatumGetCString(use);
}

static void
refuse_use(const char *what, const char *name, const char *use)
{
	if (use != NULL)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("definition_in_use"),
		         errmsg("%s \"%s\" is in use", what, name), errdetail("It is used by %s.", use)));
}

/* forget_uses forgets who used a permission: another one of the name would be something else. */
static void
forget_uses(const char *permission)
{
	static SavedQuery members = {
		.sql = "DELETE FROM teamrbac.member_permission_use AS u WHERE permission = $1 RETURNING u",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	static SavedQuery keys = {
		.sql = "DELETE FROM teamrbac.key_permission_use AS u WHERE permission = $1 RETURNING u",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	Datum args[] = {CStringGetTextDatum(permission)};

	query_delete("member_permission_use", &members, args, NULL);
	query_delete("key_permission_use", &keys, args, NULL);
}

/* drop_permission(name): a permission of the application's own goes, unless something names it. */
Datum
teamrbac_drop_permission(PG_FUNCTION_ARGS)
{
	static SavedQuery withdraw = {
		.sql = "DELETE FROM teamrbac.role_permission AS rp WHERE permission = $1 RETURNING rp",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.permission AS p WHERE permission = $1 RETURNING p",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	char *name = text_arg(fcinfo, 0, "name");
	char *before;

	lock_definitions();
	(void) require_known_permission(name, strlen(name));
	refuse_built_in_permission(name);
	refuse_use("permission", name, permission_use(name));

	before = permission_state(name);
	query_delete("role_permission", &withdraw, (Datum[]){CStringGetTextDatum(name)}, NULL);
	query_delete("permission", &delete, (Datum[]){CStringGetTextDatum(name)}, NULL);
	forget_uses(name);

	audit_platform("permission.dropped", psprintf("permission:%s", name), before, NULL);
	PG_RETURN_VOID();
}

/* define_role(name, description, permissions): a role of the application's own, with just these permissions. */
Datum
teamrbac_define_role(PG_FUNCTION_ARGS)
{
	static SavedQuery upsert = {
		.sql = "INSERT INTO teamrbac.role (role, description) VALUES ($1, $2)"
			   " ON CONFLICT (role) DO UPDATE SET description = EXCLUDED.description",
		.nargs = 2,
		.argtypes = {TEXTOID, TEXTOID},
	};
	static SavedQuery withdraw = {
		.sql = "DELETE FROM teamrbac.role_permission AS rp WHERE role = $1"
			   " AND permission <> ALL ($2) RETURNING rp",
		.nargs = 2,
		.argtypes = {TEXTOID, TEXTARRAYOID},
	};
	static SavedQuery grant = {
		.sql =
			"INSERT INTO teamrbac.role_permission (role, permission)"
			" SELECT $1, p.permission FROM teamrbac.permission AS p WHERE p.permission = ANY ($2)"
			" ON CONFLICT DO NOTHING",
		.nargs = 2,
		.argtypes = {TEXTOID, TEXTARRAYOID},
	};
	char      *name = text_arg(fcinfo, 0, "name");
	char      *description = text_arg(fcinfo, 1, "description");
	ArrayType *permissions;
	Datum     *names;
	int        nnames;
	char      *before;

	require_definition_name("role name", name);
	description = require_printable_name("description", description);
	permissions = names_arg(fcinfo, 2, "permissions", &names, &nnames);

	lock_definitions();
	refuse_built_in_role(name);
	for (int i = 0; i < nnames; i++)
	{
		char *permission = TextDatumGetCString(names[i]);

		(void) require_known_permission(permission, strlen(permission));
	}

	before = role_state(name);
	query_execute(&upsert, (Datum[]){CStringGetTextDatum(name), CStringGetTextDatum(description)},
	              NULL);
	query_delete("role_permission", &withdraw,
	             (Datum[]){CStringGetTextDatum(name), PointerGetDatum(permissions)}, NULL);
	query_execute(&grant, (Datum[]){CStringGetTextDatum(name), PointerGetDatum(permissions)}, NULL);

	audit_platform("role.defined", psprintf("role:%s", name), before, role_state(name));
	PG_RETURN_VOID();
}

/* role_use says who still has a role, or NULL. */
static char *
role_use(const char *name)
{
	static SavedQuery find = {
		.sql = "SELECT 'a member of tenant ' || tenant_id::pg_catalog.text"
			   " FROM teamrbac.membership WHERE global_role = $1"
			   " UNION ALL"
			   " SELECT 'an invitation into tenant ' || tenant_id::pg_catalog.text"
			   " FROM teamrbac.invitation WHERE pending_role = $1"
			   " UNION ALL"
			   " SELECT 'a link into tenant ' || tenant_id::pg_catalog.text"
			   " FROM teamrbac.invitation_link WHERE role_in_use = $1"
			   " UNION ALL"
			   " SELECT 'domain ' || domain || ' of tenant ' || tenant_id::pg_catalog.text"
			   " FROM teamrbac.tenant_domain WHERE global_role = $1"
			   " UNION ALL"
			   " SELECT 'a request to join tenant ' || tenant_id::pg_catalog.text"
			   " FROM teamrbac.join_request WHERE pending_role = $1"
			   " UNION ALL"
			   " SELECT 'an API key of tenant ' || tenant_id::pg_catalog.text"
			   " FROM teamrbac.api_key WHERE role_in_use = $1 LIMIT 1",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	Datum use;
	bool  isnull;

	if (!query_row(&find, (Datum[]){CStringGetTextDatum(name)}, NULL, 1, &use, &isnull))
		return NULL;
	return TextDatumGetCString(use);
}

/* drop_role(name): a role of the application's own goes, unless somebody has it. */
Datum
teamrbac_drop_role(PG_FUNCTION_ARGS)
{
	static SavedQuery withdraw = {
		.sql = "DELETE FROM teamrbac.role_permission AS rp WHERE role = $1 RETURNING rp",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.role AS r WHERE role = $1 RETURNING r",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	char *name = text_arg(fcinfo, 0, "name");
	char *before;

	lock_definitions();
	(void) require_known_role(NULL, name);
	refuse_built_in_role(name);
	refuse_use("role", name, role_use(name));

	before = role_state(name);
	query_delete("role_permission", &withdraw, (Datum[]){CStringGetTextDatum(name)}, NULL);
	query_delete("role", &delete, (Datum[]){CStringGetTextDatum(name)}, NULL);

	audit_platform("role.dropped", psprintf("role:%s", name), before, NULL);
	PG_RETURN_VOID();
}

static bool
row_is_built_in(TriggerData *trigdata, HeapTuple row)
{
	TupleDesc tupdesc = RelationGetDescr(trigdata->tg_relation);
	bool      isnull;

	return DatumGetBool(SPI_getbinval(row, tupdesc, SPI_fnumber(tupdesc, "built_in"), &isnull)) &&
	       !isnull;
}

/*
 * guard_built_in(): what is built in stays as it is, whoever asks.  An extension script, an upgrade's above
 * all, may change it.
 */
Datum
teamrbac_guard_built_in(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	bool         built_in;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		                errmsg("function \"%s\" must be called by a trigger", "guard_built_in")));
	built_in = TRIGGER_FIRED_FOR_STATEMENT(trigdata->tg_event) ||
	           row_is_built_in(trigdata, trigdata->tg_trigtuple);
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
		built_in = built_in || row_is_built_in(trigdata, trigdata->tg_newtuple);
	if (built_in && !creating_extension)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("is_built_in"),
		                errmsg("built-in rows of table \"%s\" cannot be changed",
		                       RelationGetRelationName(trigdata->tg_relation))));
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newtuple
	                                                                   : trigdata->tg_trigtuple);
}
