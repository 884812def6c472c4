/*
 * guard_protection.c
 *	  What guard_protection's event trigger asks of each table that a command has changed: whether it is still protected.
 *
 * The state afterwards is what counts, not the command: a schema tool has many ways to undress a table.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/deparse_utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "command/protection.h"
#include "compat.h"
#include "store/protected_table.h"

PG_FUNCTION_INFO_V1(teamrbac_require_protection);

/* changes_owner tells whether a command gives a table away. */
static bool
changes_owner(CollectedCommand *command)
{
	ListCell *cell;

	if (command == NULL || command->type != SCT_AlterTable)
		return false;
	foreach(cell, command->d.alterTable.subcmds)
	{
		CollectedATSubcmd *part = lfirst(cell);

		if (castNode(AlterTableCmd, part->parsetree)->subtype == AT_ChangeOwner)
			return true;
	}
	return false;
}

/* gap_after tells what the table lacks once the command has been executed. */
static char *
gap_after(Relation table, const Protection *protection, CollectedCommand *command)
{
	Oid owner = table->rd_rel->relowner;

	if (changes_owner(command) && (superuser_arg(owner) || has_bypassrls_privilege(owner)))
		return psprintf(_("It would belong to \"%s\", for whom row-level security does not hold."),
		                GetUserNameFromId(owner, false));
	return protection_gap(table, protection);
}

/*
 * require_protection(table oid, command pg_ddl_command): raises 55000 if the table is on record as protected and no
 * longer is.
 */
Datum
teamrbac_require_protection(PG_FUNCTION_ARGS)
{
	CollectedCommand *command = PG_ARGISNULL(1) ? NULL : (CollectedCommand *) PG_GETARG_POINTER(1);
	Protection        protection;
	Relation          table;
	char             *gap;

	if (PG_ARGISNULL(0) || !protected_table_find(PG_GETARG_OID(0), &protection))
		PG_RETURN_VOID();
	table = try_table_open(PG_GETARG_OID(0), AccessShareLock);
	if (table == NULL)
		PG_RETURN_VOID();
	gap = gap_after(table, &protection, command);
	if (gap != NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		     errmsg("this would leave table \"%s\" without its protection",
		            RelationGetRelationName(table)),
		     errdetail("%s", gap),
		     errhint(
				 "Tell the tool that made this statement of the policies, or to leave them alone; "
				 "teamrbac.unprotect_table takes the protection away on purpose, and "
				 "teamrbac.restore_protection puts back what is missing already.")));
	table_close(table, AccessShareLock);
	PG_RETURN_VOID();
}
