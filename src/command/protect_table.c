/*
 * policy.c
 *	  Protection of the application's tables: the policies, and the trigger that guards a transition.
 *
 * These run with the caller's own privileges: who owns the table may protect it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/catalog.h"
#include "catalog/indexing.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "authority/check.h"
#include "authority/permission.h"
#include "command/wall.h"
#include "compat.h"
#include "authority/errors.h"

PG_FUNCTION_INFO_V1(teamrbac_protect_table);
PG_FUNCTION_INFO_V1(teamrbac_unprotect_table);
PG_FUNCTION_INFO_V1(teamrbac_require_permission_on_change);

/* The policies that protect_table makes, one a command. */
static const struct
{
	const char *name;
	const char *command;
	bool        uses_edit; /* the edit permission, not the view permission */
	bool        is_using;
	bool        is_check;
} policies[] = {
	{"teamrbac_view", "SELECT", false, true, false},
	{"teamrbac_insert", "INSERT", true, false, true},
	{"teamrbac_update", "UPDATE", true, true, true},
	{"teamrbac_delete", "DELETE", true, true, false},
};

/*
 * The policy that each row of a table is checked by besides, restrictive.  PostgreSQL takes tenant_id = permitted_tenant(...)
 * and a query's own tenant_id = value for the same statement about the column, compares the two values with each
 * other once, and the column with only one of them: with a value that was not the same the second time, such as a
 * setting that the query changes, rows of another tenant would pass.  What a function is asked about the column is
 * asked of each row.
 */
#define HERE_POLICY "teamrbac_here"

static bool
is_our_policy(const char *name)
{
	if (strcmp(name, HERE_POLICY) == 0)
		return true;
	for (size_t i = 0; i < lengthof(policies); i++)
	{
		if (strcmp(policies[i].name, name) == 0)
			return true;
	}
	return false;
}

/*
 * survey_policies reads a table's policies: the names of ours, how many others there are, and the names of
 * the permissive ones among these.
 */
static void
survey_policies(Relation table, List **ours, int *nothers, StringInfo permissive)
{
	Relation    catalog = table_open(PolicyRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple   tuple;

	*ours = NIL;
	*nothers = 0;
	ScanKeyInit(&key, Anum_pg_policy_polrelid, BTEqualStrategyNumber, F_OIDEQ,
	            ObjectIdGetDatum(RelationGetRelid(table)));
	scan = systable_beginscan(catalog, PolicyPolrelidPolnameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_policy policy = (Form_pg_policy) GETSTRUCT(tuple);

		if (is_our_policy(NameStr(policy->polname)))
		{
			*ours = lappend(*ours, pstrdup(NameStr(policy->polname)));
			continue;
		}
		(*nothers)++;
		if (policy->polpermissive)
			appendStringInfo(permissive, "%s%s", permissive->len > 0 ? ", " : "",
			                 quote_identifier(NameStr(policy->polname)));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

static char *
qualified_name(Relation table)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)),
	                                  RelationGetRelationName(table));
}

/* open_table locks the table and makes sure that it is one, and the caller's. */
static Relation
open_table(Oid relid)
{
	Relation table;
	char     relkind;

	/* Ownership before the lock: a stranger must not be able to block the table. */
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("there is no table with OID %u", relid)));
	if (!compat_is_relation_owner(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(relid)),
		               get_rel_name(relid));
	relkind = get_rel_relkind(relid);
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		     errmsg("\"%s\" is not a table", get_rel_name(relid)),
		     errdetail("Only ordinary and partitioned tables can be protected."),
		     relkind == RELKIND_VIEW
		         ? errhint(
					   "Protect the tables under the view, and create it with (security_invoker = true).")
		         : 0));
	table = table_open(relid, AccessExclusiveLock);
	if (IsCatalogRelation(table) ||
	    strcmp(get_namespace_name(RelationGetNamespace(table)), "teamrbac") == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("\"%s\" is not a table of the application",
		                       RelationGetRelationName(table))));
	return table;
}

/* require_column finds a column that holds a tenant or a user; 22023 unless it is uuid, and NOT NULL if it must be. */
static AttrNumber
require_column(Relation table, const char *argument, const char *column, bool not_null)
{
	HeapTuple         tuple = SearchSysCacheAttName(RelationGetRelid(table), column);
	Form_pg_attribute attribute;
	AttrNumber        number;

	if (!HeapTupleIsValid(tuple) || ((Form_pg_attribute) GETSTRUCT(tuple))->attnum <= 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("table \"%s\" has no column \"%s\"", RelationGetRelationName(table),
		                       column),
		                errhint("Name the column that holds the %s as %s.",
		                        not_null ? "tenant" : "user", argument)));
	attribute = (Form_pg_attribute) GETSTRUCT(tuple);
	number = attribute->attnum;
	if (attribute->atttypid != UUIDOID || (not_null && !attribute->attnotnull))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("column \"%s\" of table \"%s\" is not uuid%s", column,
		                       RelationGetRelationName(table), not_null ? " NOT NULL" : ""),
		                errdetail("It has type %s%s.", format_type_be(attribute->atttypid),
		                          attribute->attnotnull ? "" : " and allows nulls"),
		                attribute->atttypid == UUIDOID
		                    ? errhint("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL;",
		                              qualified_name(table), quote_identifier(column))
		                    : 0));
	ReleaseSysCache(tuple);
	return number;
}

static bool
is_btree(Oid index)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	bool      btree;

	if (!HeapTupleIsValid(tuple))
		return false;
	btree = ((Form_pg_class) GETSTRUCT(tuple))->relam == BTREE_AM_OID;
	ReleaseSysCache(tuple);
	return btree;
}

/* has_leading_index tells whether a whole, valid B-tree index leads with the column. */
static bool
has_leading_index(Relation table, AttrNumber column)
{
	ListCell *cell;

	foreach(cell, RelationGetIndexList(table))
	{
		HeapTuple     tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		Form_pg_index index;
		bool          fits;

		if (!HeapTupleIsValid(tuple))
			continue;
		index = (Form_pg_index) GETSTRUCT(tuple);
		fits = index->indisvalid && index->indkey.values[0] == column &&
		       heap_attisnull(tuple, Anum_pg_index_indpred, NULL) && is_btree(index->indexrelid);
		ReleaseSysCache(tuple);
		if (fits)
			return true;
	}
	return false;
}

/* permission_arg takes the name of a permission that exists; NULL for NULL. */
static char *
permission_arg(FunctionCallInfo fcinfo, int arg)
{
	char *name;

	if (PG_ARGISNULL(arg))
		return NULL;
	name = text_to_cstring(PG_GETARG_TEXT_PP(arg));
	(void) require_known_permission(name, strlen(name));
	return name;
}

/* What the rows of a table are seen and changed by. */
typedef struct Protection
{
	char *tenant_column;
	bool  across_tenants;
	char *owner_column; /* NULL: rows belong to nobody in particular */
} Protection;

/* Of the server's schema: the caller's search_path, which others may have made, must not choose what a policy asks. */
#define EQUALS "OPERATOR(pg_catalog.=)"

/* rows_anywhere is the condition that somebody has a permission in the row's tenant, whichever that is. */
static char *
rows_anywhere(const char *column, const char *permission)
{
	return psprintf("teamrbac.has_permission(%s, %s)", column, quote_literal_cstr(permission));
}

/*
 * is_true, is_given and one_of say IS TRUE, IS NOT NULL and COALESCE.  CASE where Citus is: it analyses an expression a
 * second time, which PostgreSQL has no support for where these tests stand in it.
 */
static char *
is_true(const char *comparison)
{
	return wall_is_needed() ? psprintf("CASE WHEN %s THEN true ELSE false END", comparison)
	                        : psprintf("(%s) IS TRUE", comparison);
}

static char *
is_given(const char *value)
{
	return wall_is_needed() ? is_true(psprintf("%s " EQUALS " %s", value, value))
	                        : psprintf("%s IS NOT NULL", value);
}

/* CASE, since PostgreSQL does not know of COALESCE that it tells nobody the row. */
static char *
one_of(const char *value, const char *other)
{
	return wall_is_needed()
	           ? psprintf("CASE WHEN %s " EQUALS " %s THEN %s ELSE %s END", value, value, value,
	                      other)
	           : psprintf("CASE WHEN %s IS NULL THEN %s ELSE %s END", value, other, value);
}

/*
 * owned_by_asker: that a row is one's own.  IS TRUE keeps PostgreSQL from taking it for one of several equalities that
 * say the same (see HERE_POLICY).
 */
static char *
owned_by_asker(const char *owner)
{
	return is_true(psprintf("%s " EQUALS " teamrbac.current_user_id()", owner));
}

static char *
condition_across_tenants(const char *column, const char *owner, const char *permission,
                         const char *own_permission)
{
	char *own;

	if (own_permission == NULL)
		return rows_anywhere(column, permission);
	own = psprintf("%s AND %s", owned_by_asker(owner), rows_anywhere(column, own_permission));
	if (permission == NULL)
		return own;
	return psprintf("%s OR %s", rows_anywhere(column, permission), own);
}

static char *
permitted_here(const char *permission)
{
	return psprintf("teamrbac.permitted_tenant(%s)", quote_literal_cstr(permission));
}

/*
 * condition_here compares the tenant's column with one value whoever asks, so that it is an index condition, for one's
 * own rows too: the tenant of either permission, and then without the first one only one's own.
 */
static char *
condition_here(const char *column, const char *owner, const char *permission,
               const char *own_permission)
{
	if (own_permission == NULL)
		return psprintf("%s " EQUALS " %s", column, permitted_here(permission));
	if (permission == NULL)
		return psprintf("%s " EQUALS " %s AND %s", column, permitted_here(own_permission),
		                owned_by_asker(owner));
	return psprintf("%s " EQUALS " %s AND (%s OR %s)", column,
	                one_of(permitted_here(permission), permitted_here(own_permission)),
	                is_given(permitted_here(permission)), owned_by_asker(owner));
}

/* condition makes what a policy says of the rows that these permissions let through; one of the two may be NULL. */
static char *
condition(const Protection *protection, const char *permission, const char *own_permission)
{
	const char *column = quote_identifier(protection->tenant_column);
	const char *owner =
		protection->owner_column != NULL ? quote_identifier(protection->owner_column) : NULL;

	return protection->across_tenants
	           ? condition_across_tenants(column, owner, permission, own_permission)
	           : condition_here(column, owner, permission, own_permission);
}

/* here is the condition that a row is of the acting tenant (see HERE_POLICY). */
static char *
here(const Protection *protection)
{
	return psprintf("teamrbac.is_acting_tenant(%s)", quote_identifier(protection->tenant_column));
}

/* Citus makes a restrictive policy a permissive one on the shards, which would let all through: there it is part of each. */
static bool
has_here_policy(const Protection *protection)
{
	return !protection->across_tenants && !wall_is_needed();
}

static void
create_policies(const char *table, const Protection *protection, const char *const permissions[2],
                const char *const own_permissions[2])
{
	for (size_t i = 0; i < lengthof(policies); i++)
	{
		const char *permission = permissions[policies[i].uses_edit];
		const char *own_permission = own_permissions[policies[i].uses_edit];
		char       *check;
		char       *seen;

		if (permission == NULL && own_permission == NULL)
			continue; /* no policy, nobody */
		check = psprintf("(%s)", condition(protection, permission, own_permission));
		seen = has_here_policy(protection) || protection->across_tenants
		           ? check
		           : psprintf("(%s AND %s)", check, here(protection));
		run_ddl(psprintf("CREATE POLICY %s ON %s AS PERMISSIVE FOR %s TO PUBLIC%s%s%s%s",
		                 policies[i].name, table, policies[i].command,
		                 policies[i].is_using ? " USING " : "", policies[i].is_using ? seen : "",
		                 policies[i].is_check ? " WITH CHECK " : "",
		                 policies[i].is_check ? check : ""));
	}
}

/* create_here_policy: what is seen, changed or deleted is of the acting tenant.  What is written is checked as it is. */
static void
create_here_policy(const char *table, const Protection *protection)
{
	run_ddl(psprintf("CREATE POLICY " HERE_POLICY " ON %s AS RESTRICTIVE FOR ALL TO PUBLIC"
	                 " USING (%s) WITH CHECK (true)",
	                 table, here(protection)));
}

static void
refuse_present_policies(Relation table)
{
	StringInfoData permissive;
	List          *ours;
	int            nothers;

	initStringInfo(&permissive);
	survey_policies(table, &ours, &nothers, &permissive);
	if (ours != NIL)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		     errmsg("table \"%s\" is protected already", RelationGetRelationName(table)),
		     errhint(
				 "Call teamrbac.unprotect_table first, in the same transaction, to change its permissions.")));
	if (permissive.len > 0)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("table \"%s\" has permissive policies", RelationGetRelationName(table)),
		         errdetail("Each of these lets rows through whatever teamrbac says: %s.",
		                   permissive.data),
		         wall_is_needed() ? errhint("Drop them.")
		                          : errhint("Drop them, or make them AS RESTRICTIVE.")));
	if (nothers > 0 && wall_is_needed())
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("table \"%s\" has restrictive policies", RelationGetRelationName(table)),
		         errdetail("Citus makes them permissive on its shards."), errhint("Drop them.")));
}

/* protection_args takes how a table is to be protected: all arguments but the table and the permissions. */
static Protection
protection_args(FunctionCallInfo fcinfo)
{
	Protection protection = {0};
	bool       has_own = !PG_ARGISNULL(6) || !PG_ARGISNULL(7);

	if (PG_ARGISNULL(3))
		refuse_null("tenant_column");
	protection.tenant_column = NameStr(*PG_GETARG_NAME(3));
	protection.across_tenants = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);
	if (!PG_ARGISNULL(5))
		protection.owner_column = NameStr(*PG_GETARG_NAME(5));
	if (has_own != (protection.owner_column != NULL))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                has_own ? errmsg("owner_column must not be null")
		                        : errmsg("owner_column needs a permission"),
		                errhint("Name owner_column together with edit_own_permission or "
		                        "view_own_permission.")));
	return protection;
}

static void
warn_of_missing_index(Relation table, const char *column, AttrNumber number)
{
	if (has_leading_index(table, number))
		return;
	ereport(WARNING,
	        (errmsg("no index of table \"%s\" leads with column \"%s\"",
	                RelationGetRelationName(table), column),
	         errdetail("Each query will read the rows of all tenants."),
	         errhint("CREATE INDEX ON %s (%s);", qualified_name(table), quote_identifier(column))));
}

/*
 * protect_table(table, view_permission, edit_permission, tenant_column, across_tenants, owner_column,
 * edit_own_permission, view_own_permission): whose rows are seen and changed is decided by us from now on, for the
 * table's owner too.
 */
Datum
teamrbac_protect_table(PG_FUNCTION_ARGS)
{
	Protection  protection;
	Relation    table;
	char       *name;
	AttrNumber  number;
	const char *permissions[2];
	const char *own_permissions[2];

	if (PG_ARGISNULL(0))
		refuse_null("table");
	if (PG_ARGISNULL(1) && PG_ARGISNULL(7))
		refuse_null("view_permission");
	permissions[false] = permission_arg(fcinfo, 1);
	permissions[true] = permission_arg(fcinfo, 2);
	own_permissions[true] = permission_arg(fcinfo, 6);
	own_permissions[false] = permission_arg(fcinfo, 7);
	protection = protection_args(fcinfo);
	table = open_table(PG_GETARG_OID(0));
	wall_require_citus_ready(RelationGetRelid(table));
	number = require_column(table, "tenant_column", protection.tenant_column, true);
	if (protection.owner_column != NULL)
		(void) require_column(table, "owner_column", protection.owner_column, false);
	refuse_present_policies(table);

	name = qualified_name(table);
	warn_of_missing_index(table, protection.tenant_column, number);
	table_close(table, NoLock);

	SPI_connect();
	create_policies(name, &protection, permissions, own_permissions);
	if (has_here_policy(&protection))
		create_here_policy(name, &protection);
	run_ddl(psprintf("ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", name));
	if (wall_is_needed())
		wall_build(name, permissions[true] == NULL && own_permissions[true] == NULL
		                     ? "false"
		                     : condition(&protection, permissions[true], own_permissions[true]));
	SPI_finish();
	PG_RETURN_VOID();
}

/* unprotect_table(table): undoes protect_table; other policies, and row-level security for them, stay. */
Datum
teamrbac_unprotect_table(PG_FUNCTION_ARGS)
{
	Relation       table;
	StringInfoData permissive;
	char          *name;
	List          *ours;
	int            nothers;
	bool           has_wall;
	ListCell      *cell;

	if (PG_ARGISNULL(0))
		refuse_null("table");
	table = open_table(PG_GETARG_OID(0));
	initStringInfo(&permissive);
	survey_policies(table, &ours, &nothers, &permissive);
	if (ours == NIL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("table \"%s\" is not protected", RelationGetRelationName(table)),
		                errhint("Call teamrbac.protect_table to protect it.")));
	name = qualified_name(table);
	wall_require_citus_ready(RelationGetRelid(table));
	has_wall = wall_stands(RelationGetRelid(table));
	table_close(table, NoLock);

	SPI_connect();
	if (has_wall)
		wall_remove(name);
	foreach(cell, ours)
		run_ddl(psprintf("DROP POLICY %s ON %s", (char *) lfirst(cell), name));
	if (nothers == 0)
		run_ddl(psprintf("ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
		                 name));
	SPI_finish();
	PG_RETURN_VOID();
}

/* ---- transitions ----------------------------------------------------------------------------------- */

static void
require_permission_of_row(const FmgrInfo *flinfo, const TriggerData *trigdata, HeapTuple row)
{
	char    **args = trigdata->tg_trigger->tgargs;
	TupleDesc tupdesc = RelationGetDescr(trigdata->tg_relation);
	int       column = SPI_fnumber(tupdesc, args[1]);
	Datum     tenant;
	bool      isnull;

	if (column <= 0 || TupleDescAttr(tupdesc, column - 1)->atttypid != UUIDOID)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		     errmsg("table \"%s\" has no uuid column \"%s\"",
		            RelationGetRelationName(trigdata->tg_relation), args[1]),
		     errhint(
				 "The second argument of trigger \"%s\" names the column that holds the tenant.",
				 trigdata->tg_trigger->tgname)));
	tenant = heap_getattr(row, column, tupdesc, &isnull);
	require_permission_of_call(flinfo, isnull ? NULL : DatumGetUUIDP(tenant), args[0]);
}

/*
 * require_permission_on_change(permission, tenant column): lets a row's change pass only with the permission
 * in the tenant it belongs to, and in the one it came from.
 */
Datum
teamrbac_require_permission_on_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TriggerEvent event;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) ||
	    trigdata->tg_trigger->tgnargs != 2)
		ereport(
			ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		     errmsg(
				 "function \"require_permission_on_change\" must be called by a row trigger with two arguments"),
		     errhint(
				 "EXECUTE FUNCTION teamrbac.require_permission_on_change('prompts.promote', 'tenant_id')")));
	event = trigdata->tg_event;
	require_permission_of_row(fcinfo->flinfo, trigdata, trigdata->tg_trigtuple);
	if (!TRIGGER_FIRED_BY_UPDATE(event))
		return PointerGetDatum(trigdata->tg_trigtuple);
	require_permission_of_row(fcinfo->flinfo, trigdata, trigdata->tg_newtuple);
	return PointerGetDatum(trigdata->tg_newtuple);
}
