/*
 * protect_table.c
 *	  Protection of the application's tables: the policies, and the trigger that guards a transition.
 *
 * These run with the caller's own privileges: who owns the table may protect it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/catalog.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "authority/check.h"
#include "authority/cluster.h"
#include "authority/errors.h"
#include "authority/permission.h"
#include "command/condition.h"
#include "command/protection.h"
#include "command/wall.h"
#include "compat.h"
#include "store/protected_table.h"

PG_FUNCTION_INFO_V1(teamrbac_protect_table);
PG_FUNCTION_INFO_V1(teamrbac_unprotect_table);
PG_FUNCTION_INFO_V1(teamrbac_restore_table_protection);
PG_FUNCTION_INFO_V1(teamrbac_require_permission_on_change);

/* open_table locks the table and makes sure that it is one, and the caller's. */
static Relation
open_table(Oid relid, LOCKMODE lockmode)
{
	Relation table;
	char     relkind;

	/* Ownership before the lock: a stranger must not be able to block the table. */
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("unknown_table"),
		                errmsg("there is no table with OID %u", relid)));
	if (!compat_is_relation_owner(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(relid)),
		               get_rel_name(relid));
	relkind = get_rel_relkind(relid);
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("not_a_table"),
		     errmsg("\"%s\" is not a table", get_rel_name(relid)),
		     errdetail("Only ordinary and partitioned tables can be protected."),
		     relkind == RELKIND_VIEW
		         ? errhint(
					   "Protect the tables under the view, and create it with (security_invoker = true).")
		         : 0));
	table = table_open(relid, lockmode);
	if (IsCatalogRelation(table) ||
	    strcmp(get_namespace_name(RelationGetNamespace(table)), "teamrbac") == 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("table_not_of_application"),
		     errmsg("\"%s\" is not a table of the application", RelationGetRelationName(table))));
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
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("unknown_column"),
		                errmsg("table \"%s\" has no column \"%s\"", RelationGetRelationName(table),
		                       column),
		                errhint("Name the column that holds the %s as %s.",
		                        not_null ? "tenant" : "user", argument)));
	attribute = (Form_pg_attribute) GETSTRUCT(tuple);
	number = attribute->attnum;
	if (attribute->atttypid != UUIDOID || (not_null && !attribute->attnotnull))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("column_wrong_type"),
		                errmsg("column \"%s\" of table \"%s\" is not uuid%s", column,
		                       RelationGetRelationName(table), not_null ? " NOT NULL" : ""),
		                errdetail("It has type %s%s.", format_type_be(attribute->atttypid),
		                          attribute->attnotnull ? "" : " and allows nulls"),
		                attribute->atttypid == UUIDOID
		                    ? errhint("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL;",
		                              protection_table_name(table), quote_identifier(column))
		                    : 0));
	ReleaseSysCache(tuple);
	return number;
}

/* require_column_number is require_column for a column on record, which may have been dropped or changed since. */
static void
require_column_number(Relation table, const char *argument, AttrNumber column, bool not_null)
{
	char *name = get_attname(RelationGetRelid(table), column, true);

	if (name == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("unknown_column"),
		     errmsg("table \"%s\" has lost the column that was its %s",
		            RelationGetRelationName(table), argument),
		     errhint("Call teamrbac.unprotect_table, then teamrbac.protect_table with another.")));
	(void) require_column(table, argument, name, not_null);
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

/*
 * begin_ddl and end_ddl enclose statements.  Citus writes them anew for its workers, and leaves out the schemas that the
 * search_path has here; there it would have others.
 */
static int
begin_ddl(void)
{
	int settings = NewGUCNestLevel();

	(void) set_config_option("search_path", "pg_catalog", PGC_USERSET, PGC_S_SESSION,
	                         GUC_ACTION_SAVE, true, ERROR, false);
	SPI_connect();
	return settings;
}

/* run_ddl runs a statement of ours, of a table that may be half protected at that moment. */
static void
run_ddl(const char *statement)
{
	int result;

	protection_changes = true;
	PG_TRY();
	{
		result = SPI_execute(statement, false, 0);
	}
	PG_FINALLY();
	{
		protection_changes = false;
	}
	PG_END_TRY();
	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
}

static void
end_ddl(int settings)
{
	SPI_finish();
	AtEOXact_GUC(true, settings);
}

static void
refuse_permissive_policies(Relation table, const char *permissive)
{
	if (permissive[0] == '\0')
		return;
	if (cluster_has_citus())
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errreason("permissive_policies"),
		         errmsg("table \"%s\" has policies of its own", RelationGetRelationName(table)),
		         errdetail("On the shards of Citus, where each is permissive, these let rows "
		                   "through whatever teamrbac says: %s.",
		                   permissive),
		         errhint("Drop them.")));
	ereport(ERROR,
	        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("permissive_policies"),
	         errmsg("table \"%s\" has permissive policies", RelationGetRelationName(table)),
	         errdetail("Each of these lets rows through whatever teamrbac says: %s.", permissive),
	         errhint("Drop them, or make them AS RESTRICTIVE.")));
}

static void
refuse_present_policies(Relation table)
{
	StringInfoData permissive;
	List          *ours;
	int            nothers;

	initStringInfo(&permissive);
	protection_survey(table, &ours, &nothers, &permissive);
	if (ours != NIL)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("table_protected"),
		     errmsg("table \"%s\" is protected already", RelationGetRelationName(table)),
		     errhint(
				 "Call teamrbac.unprotect_table first, in the same transaction, to change its permissions.")));
	refuse_permissive_policies(table, permissive.data);
}

/* protection_args takes how a table is to be protected: all arguments but the table. */
static Protection
protection_args(FunctionCallInfo fcinfo)
{
	Protection protection = {0};
	bool       has_own = !PG_ARGISNULL(6) || !PG_ARGISNULL(7);

	if (PG_ARGISNULL(1) && PG_ARGISNULL(7))
		refuse_null("view_permission");
	protection.permissions[FOR_VIEW] = permission_arg(fcinfo, 1);
	protection.permissions[FOR_EDIT] = permission_arg(fcinfo, 2);
	protection.own_permissions[FOR_EDIT] = permission_arg(fcinfo, 6);
	protection.own_permissions[FOR_VIEW] = permission_arg(fcinfo, 7);
	if (PG_ARGISNULL(3))
		refuse_null("tenant_column");
	protection.across_tenants = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);
	if (has_own == PG_ARGISNULL(5))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("owner_column_mismatch"),
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
	ereport(WARNING, (errmsg("no index of table \"%s\" leads with column \"%s\"",
	                         RelationGetRelationName(table), column),
	                  errdetail("Each query will read the rows of all tenants."),
	                  errhint("CREATE INDEX ON %s (%s);", protection_table_name(table),
	                          quote_identifier(column))));
}

/*
 * protect makes the policies and records them.  While the table is off the record, guard_protection's event trigger
 * leaves alone what is half done.
 */
static void
protect(Relation table, const Protection *protection)
{
	Oid       relid = RelationGetRelid(table);
	char     *name = protection_table_name(table);
	List     *statements = protection_statements(table, protection);
	ListCell *cell;
	int       settings;

	(void) protected_table_forget(relid);
	table_close(table, NoLock);
	settings = begin_ddl();
	foreach(cell, statements)
		run_ddl(lfirst(cell));
	run_ddl(psprintf("ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", name));
	end_ddl(settings);
	protected_table_record(relid, protection);
}

static void
drop_protection(const char *table, List *policies, bool has_wall)
{
	ListCell *cell;
	int       settings = begin_ddl();

	if (has_wall)
		run_ddl(psprintf("ALTER TABLE %s DROP CONSTRAINT " WALL, table));
	foreach(cell, policies)
		run_ddl(psprintf("DROP POLICY %s ON %s", (char *) lfirst(cell), table));
	end_ddl(settings);
}

/*
 * protect_table(table, view_permission, edit_permission, tenant_column, across_tenants, owner_column,
 * edit_own_permission, view_own_permission): whose rows are seen and changed is decided by us from now on, for the
 * table's owner too.
 */
Datum
teamrbac_protect_table(PG_FUNCTION_ARGS)
{
	Protection protection;
	Relation   table;
	char      *tenant_column;

	if (PG_ARGISNULL(0))
		refuse_null("table");
	protection = protection_args(fcinfo);
	tenant_column = NameStr(*PG_GETARG_NAME(3));
	table = open_table(PG_GETARG_OID(0), AccessExclusiveLock);
	protection.tenant_column = require_column(table, "tenant_column", tenant_column, true);
	if (!PG_ARGISNULL(5))
		protection.owner_column =
			require_column(table, "owner_column", NameStr(*PG_GETARG_NAME(5)), false);
	wall_require_citus_ready(table);
	wall_require_fitting(table, &protection);
	refuse_present_policies(table);
	warn_of_missing_index(table, tenant_column, protection.tenant_column);

	protect(table, &protection);
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
	bool           on_record;
	bool           has_wall;
	int            settings;

	if (PG_ARGISNULL(0))
		refuse_null("table");
	table = open_table(PG_GETARG_OID(0), AccessExclusiveLock);
	initStringInfo(&permissive);
	protection_survey(table, &ours, &nothers, &permissive);
	on_record = protected_table_forget(RelationGetRelid(table));
	if (ours == NIL && !on_record)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errreason("table_not_protected"),
		                errmsg("table \"%s\" is not protected", RelationGetRelationName(table)),
		                errhint("Call teamrbac.protect_table to protect it.")));
	wall_require_citus_ready(table);
	name = protection_table_name(table);
	has_wall = wall_state(table) == WALL_OWN;
	table_close(table, NoLock);

	drop_protection(name, ours, has_wall);
	if (nothers == 0)
	{
		settings = begin_ddl();
		run_ddl(psprintf("ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
		                 name));
		end_ddl(settings);
	}
	PG_RETURN_VOID();
}

/* open_if_gap opens a table that lacks some of its protection, and NULL for one that doesn't. */
static Relation
open_if_gap(Oid relid, LOCKMODE lockmode, Protection *protection)
{
	Relation table = open_table(relid, lockmode);

	if (!protected_table_find(relid, protection))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("table_not_protected"),
		     errmsg("table \"%s\" is not on record as protected", RelationGetRelationName(table)),
		     errhint("Call teamrbac.protect_table to protect it.")));
	if (protection_gap(table, protection) != NULL)
		return table;
	table_close(table, lockmode);
	return NULL;
}

/*
 * restore_table_protection(table): puts back what is missing of what protect_table made, and tells whether anything
 * was.
 */
Datum
teamrbac_restore_table_protection(PG_FUNCTION_ARGS)
{
	Protection     protection;
	Relation       table;
	StringInfoData permissive;
	List          *ours;
	int            nothers;

	if (PG_ARGISNULL(0))
		refuse_null("table");
	/* A table that lacks nothing stays in use. */
	table = open_if_gap(PG_GETARG_OID(0), AccessShareLock, &protection);
	if (table == NULL)
		PG_RETURN_BOOL(false);
	table_close(table, AccessShareLock);
	table = open_if_gap(PG_GETARG_OID(0), AccessExclusiveLock, &protection);
	if (table == NULL)
		PG_RETURN_BOOL(false);
	require_column_number(table, "tenant_column", protection.tenant_column, true);
	if (protection.owner_column != InvalidAttrNumber)
		require_column_number(table, "owner_column", protection.owner_column, false);
	initStringInfo(&permissive);
	protection_survey(table, &ours, &nothers, &permissive);
	refuse_permissive_policies(table, permissive.data);
	wall_require_citus_ready(table);
	wall_require_fitting(table, &protection);

	(void) protected_table_forget(RelationGetRelid(table));
	drop_protection(protection_table_name(table), ours, wall_state(table) == WALL_OWN);
	protect(table, &protection);
	PG_RETURN_BOOL(true);
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
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("unknown_column"),
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
