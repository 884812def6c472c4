/*
 * guard_protection.c
 *	  What guard_protection's event trigger asks of each table that a command has changed: whether it is still protected.
 *
 * The state afterwards is what counts, not the command: a schema tool has many ways to undress a table.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/deparse_utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "command/protection.h"
#include "compat.h"
#include "store/reason.h"
#include "store/catalog.h"
#include "store/protected_table.h"

PG_FUNCTION_INFO_V1(teamrbac_require_protection);
PG_FUNCTION_INFO_V1(teamrbac_forget_protected_table);

static bool
is_open(Oid relid)
{
	HeapTuple     tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;
	bool          open;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_class) GETSTRUCT(tuple);
	open = !form->relrowsecurity || !form->relforcerowsecurity;
	ReleaseSysCache(tuple);
	return open;
}

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

/* require_closed_parent: whoever reads a parent reads its children by the parent's policies alone. */
static void
require_closed_parent(Oid parent, Oid child)
{
	Protection protection;

	if (is_open(parent) && protected_table_find(child, &protection))
		refuse_gap(
			child,
			psprintf(_("Its rows would be read through table \"%s\", which is not protected."),
		             get_rel_name(parent)));
}

static void
require_closed_to_children(Oid parent)
{
	ListCell *cell;

	foreach(cell, find_inheritance_children(parent, NoLock))
		require_closed_parent(parent, lfirst_oid(cell));
}

static void
require_bound_owner(Oid relid)
{
	Protection protection;
	Oid        owner = catalog_relation_owner(relid);

	if ((superuser_arg(owner) || has_bypassrls_privilege(owner)) &&
	    protected_table_find(relid, &protection))
		refuse_gap(
			relid,
			psprintf(_("It would belong to \"%s\", for whom row-level security does not hold."),
		             GetUserNameFromId(owner, false)));
}

/* check_parts looks at what no state shows, because a table may be so from the beginning. */
static void
check_parts(Oid relid, CollectedCommand *command)
{
	ListCell *cell;

	if (command == NULL || command->type != SCT_AlterTable)
		return;
	foreach(cell, command->d.alterTable.subcmds)
	{
		CollectedATSubcmd *part = lfirst(cell);

		switch (castNode(AlterTableCmd, part->parsetree)->subtype)
		{
			case AT_ChangeOwner:
				require_bound_owner(relid);
				break;
			case AT_AddInherit:
				require_closed_parent(part->address.objectId, relid);
				break;
			case AT_AttachPartition:
				require_closed_to_children(relid);
				break;
			default:
				break;
		}
	}
}

/*
 * require_protection(table oid, command pg_ddl_command): raises 55000 if the table is on record as protected and no
 * longer is.
 */
Datum
teamrbac_require_protection(PG_FUNCTION_ARGS)
{
	Oid        relid;
	Protection protection;
	Relation   table;
	char      *gap;

	if (PG_ARGISNULL(0))
		PG_RETURN_VOID();
	relid = PG_GETARG_OID(0);
	check_parts(relid, PG_ARGISNULL(1) ? NULL : (CollectedCommand *) PG_GETARG_POINTER(1));
	if (!protected_table_find(relid, &protection))
		PG_RETURN_VOID();
	table = try_table_open(relid, AccessShareLock);
	if (table == NULL)
		PG_RETURN_VOID();
	gap = protection_gap(table, &protection);
	table_close(table, AccessShareLock);
	if (gap != NULL)
		refuse_gap(relid, gap);
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
