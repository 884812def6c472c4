/*
 * guard_protection.c
 *	  What guard_protection's event trigger asks of each table that a command has changed: whether it is still protected.
 *
 * The state afterwards is what counts, not the command: a schema tool has many ways to undress a table.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_policy.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/deparse_utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "command/protection.h"
#include "compat.h"
#include "store/reason.h"
#include "store/catalog.h"
#include "store/protected_table.h"

PG_FUNCTION_INFO_V1(teamrbac_require_protection);
PG_FUNCTION_INFO_V1(teamrbac_require_named_protection);
PG_FUNCTION_INFO_V1(teamrbac_forget_protected_table);
PG_FUNCTION_INFO_V1(teamrbac_protection_lack);

/* refuse_gap says what is wrong with a table. */
pg_noreturn static void
refuse_gap(Oid relid, const char *gap)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("table_guarded"),
	     errmsg("this would leave table \"%s\" without its protection", get_rel_name(relid)),
	     errdetail_internal("%s", gap),
	     errhint("Tell the tool that made this statement of the policies, or to leave them alone; "
	             "teamrbac.unprotect_table takes the protection away on purpose, and "
	             "teamrbac.restore_protection puts back what is missing already.")));
}

/* ---- tables that inherit ------------------------------------------------------------------------------ */

static bool
is_protected(Oid relid)
{
	Protection protection;

	return protected_table_find(relid, &protection);
}

/*
 * is_open tells whether rows of a table that inherits could be read through this one: whoever reads a parent reads
 * its children by the parent's policies alone.  Those that are none of ours, whatever their names, let through what they
 * like.
 */
static bool
is_open(Oid relid)
{
	Relation       table = try_table_open(relid, AccessShareLock);
	StringInfoData permissive;
	List          *ours;
	int            nothers;
	bool           open;

	if (table == NULL)
		return false;
	initStringInfo(&permissive);
	protection_survey(table, &ours, &nothers, &permissive);
	open = !table->rd_rel->relrowsecurity || !table->rd_rel->relforcerowsecurity ||
	       permissive.len > 0 || (ours != NIL && !is_protected(relid));
	table_close(table, AccessShareLock);
	return open;
}

/* protected_below finds a table on record that inherits from this one, or is it; InvalidOid for none. */
static Oid
protected_below(Oid relid)
{
	ListCell *cell;

	foreach(cell, find_all_inheritors(relid, NoLock, NULL))
	{
		if (is_protected(lfirst_oid(cell)))
			return lfirst_oid(cell);
	}
	return InvalidOid;
}

/* parents lists what a table inherits from, or is a partition of. */
static List *
parents(Oid relid)
{
	Relation    catalog = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple   tuple;
	List       *found = NIL;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
	            ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = lappend_oid(found, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

static void
require_closed(Oid relid, Oid below)
{
	if (OidIsValid(below) && !protection_changes && is_open(relid))
		refuse_gap(
			below,
			psprintf(_("Its rows would be read through table \"%s\", which is not protected."),
		             get_rel_name(relid)));
}

/* require_closed_above refuses a table, or one that inherits from it, that is read through what it inherits from. */
static void
require_closed_above(Oid relid, Oid below)
{
	ListCell *cell;

	check_stack_depth();
	foreach(cell, parents(relid))
	{
		require_closed(lfirst_oid(cell), below);
		require_closed_above(lfirst_oid(cell), below);
	}
}

static void
require_children_closed_above(Oid parent)
{
	ListCell *cell;

	foreach(cell, find_inheritance_children(parent, NoLock))
		require_closed_above(lfirst_oid(cell), protected_below(lfirst_oid(cell)));
}

/* ---- what a command has done -------------------------------------------------------------------------- */

static void
require_bound_owner(Oid relid)
{
	Oid owner = catalog_relation_owner(relid);

	if ((superuser_arg(owner) || has_bypassrls_privilege(owner)) && is_protected(relid))
		refuse_gap(
			relid,
			psprintf(_("It would belong to \"%s\", for whom row-level security does not hold."),
		             GetUserNameFromId(owner, false)));
}

static void
check_part(Oid relid, const AlterTableCmd *part)
{
	switch (part->subtype)
	{
		case AT_ChangeOwner:
			require_bound_owner(relid);
			break;
		case AT_AddInherit:
			require_closed_above(relid, protected_below(relid));
			break;
		case AT_AttachPartition:
			require_children_closed_above(relid);
			break;
		case AT_DisableRowSecurity:
		case AT_NoForceRowSecurity:
			require_closed(relid, protected_below(relid));
			break;
		default:
			break;
	}
}

/* check_parts looks at what no state shows, because a table may be so from the beginning. */
static void
check_parts(Oid relid, CollectedCommand *command)
{
	ListCell *cell;

	if (command == NULL)
		return;
	if (command->type == SCT_Simple && command->d.simple.address.classId == PolicyRelationId)
		require_closed(relid, protected_below(relid));
	if (command->type != SCT_AlterTable)
		return;
	foreach(cell, command->d.alterTable.subcmds)
		check_part(relid, castNode(AlterTableCmd, ((CollectedATSubcmd *) lfirst(cell))->parsetree));
}

/* require_whole refuses a table that is on record as protected and no longer is. */
static void
require_whole(Oid relid)
{
	Protection protection;
	Relation   table;
	char      *gap;

	if (!protected_table_find(relid, &protection))
		return;
	table = try_table_open(relid, AccessShareLock);
	if (table == NULL)
		return;
	gap = protection_gap(table, &protection);
	table_close(table, AccessShareLock);
	if (gap != NULL)
		refuse_gap(relid, gap);
}

/*
 * require_protection(table oid, command pg_ddl_command): raises 55000 if the table is on record as protected and no
 * longer is.
 */
Datum
teamrbac_require_protection(PG_FUNCTION_ARGS)
{
	Oid               relid;
	CollectedCommand *command;

	if (PG_ARGISNULL(0))
		PG_RETURN_VOID();
	relid = PG_GETARG_OID(0);
	command = PG_ARGISNULL(1) ? NULL : (CollectedCommand *) PG_GETARG_POINTER(1);
	require_whole(relid);
	check_parts(relid, command);
	PG_RETURN_VOID();
}

/*
 * require_named_protection(schema, table): the same for the table of a policy that was dropped, of which the names are
 * left.  They are looked up here, since a query would see the names that the transaction's snapshot has.
 */
Datum
teamrbac_require_named_protection(PG_FUNCTION_ARGS)
{
	Oid schema = InvalidOid;
	Oid relid = InvalidOid;

	catalog_require_version();
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1))
		schema = get_namespace_oid(text_to_cstring(PG_GETARG_TEXT_PP(0)), true);
	if (OidIsValid(schema))
		relid = get_relname_relid(text_to_cstring(PG_GETARG_TEXT_PP(1)), schema);
	if (OidIsValid(relid))
		require_whole(relid);
	PG_RETURN_VOID();
}

/*
 * forget_protected_table(table oid): takes a table that was dropped off the record.  Not by a DELETE, which a publication
 * of all tables would refuse for want of a key.
 */
Datum
teamrbac_forget_protected_table(PG_FUNCTION_ARGS)
{
	catalog_require_version();
	PG_RETURN_BOOL(!PG_ARGISNULL(0) && protected_table_forget(PG_GETARG_OID(0)));
}

/* ---- for check_setup ---------------------------------------------------------------------------------- */

/*
 * protection_lack(table oid): what a table on record lacks of what protect_table made; NULL: nothing.  Whoever has it
 * locked, its owner perhaps, is not waited for: 55P03.
 */
Datum
teamrbac_protection_lack(PG_FUNCTION_ARGS)
{
	Oid        relid;
	Protection protection;
	Relation   table;
	char      *lack;

	catalog_require_version();
	if (PG_ARGISNULL(0) || !protected_table_find(PG_GETARG_OID(0), &protection))
		PG_RETURN_NULL();
	relid = PG_GETARG_OID(0);
	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
		                errmsg("table \"%s\" is locked", get_rel_name(relid))));
	table = try_table_open(relid, NoLock);
	if (table == NULL)
	{
		UnlockRelationOid(relid, AccessShareLock);
		PG_RETURN_NULL();
	}
	lack = protection_lack(table, &protection);
	table_close(table, AccessShareLock);
	if (lack == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(lack));
}
