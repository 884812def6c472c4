/*
 * protection.c
 *	  What protects a table of the application: which policies there are, what they say, and whether a table has them.
 *
 * Nothing here changes anything.  Whether a policy is the one that was made is found by comparing what the server has
 * stored with what it would store, never by the text that it prints.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_type.h"
#include "nodes/nodes.h"
#include "nodes/parsenodes.h"
#include "parser/parse_clause.h"
#include "parser/parse_collate.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "command/protection.h"

bool protection_changes = false;

/* The policies that protect_table makes, one a command. */
static const struct
{
	const char *name;
	const char *command;
	int         purpose; /* whose permission it asks for */
	bool        is_using;
	bool        is_check;
} policies[] = {
	{"teamrbac_view", "SELECT", FOR_VIEW, true, false},
	{"teamrbac_insert", "INSERT", FOR_EDIT, false, true},
	{"teamrbac_update", "UPDATE", FOR_EDIT, true, true},
	{"teamrbac_delete", "DELETE", FOR_EDIT, true, false},
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

void
protection_survey(Relation table, List **ours, int *nothers, StringInfo permissive)
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

char *
protection_table_name(Relation table)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)),
	                                  RelationGetRelationName(table));
}

/* Of the server's schema: the caller's search_path, which others may have made, must not choose what a policy asks. */
#define EQUALS "OPERATOR(pg_catalog.=)"

/* rows_anywhere is the condition that somebody has a permission in the row's tenant, whichever that is. */
static char *
rows_anywhere(const char *column, const char *permission)
{
	return psprintf("teamrbac.has_permission(%s, %s)", column, quote_literal_cstr(permission));
}

/*
 * owned_by_asker: that a row is one's own.  IS TRUE keeps PostgreSQL from taking it for one of several equalities that
 * say the same (see HERE_POLICY).
 */
static char *
owned_by_asker(const char *owner)
{
	return psprintf("(%s " EQUALS " teamrbac.current_user_id()) IS TRUE", owner);
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
 * own rows too: the tenant of either permission, and then without the first one only one's own.  CASE, since PostgreSQL
 * does not know of COALESCE that it tells nobody the row.
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
	return psprintf("%s " EQUALS
	                " CASE WHEN %s IS NULL THEN %s ELSE %s END AND (%s IS NOT NULL OR %s)",
	                column, permitted_here(permission), permitted_here(own_permission),
	                permitted_here(permission), permitted_here(permission), owned_by_asker(owner));
}

/* column_name quotes the name of a column; NULL for none. */
static const char *
column_name(Relation table, AttrNumber column)
{
	if (column == InvalidAttrNumber)
		return NULL;
	return quote_identifier(get_attname(RelationGetRelid(table), column, false));
}

/* policy_command is pg_policy's letter for a command. */
static char
policy_command(const char *command)
{
	switch (command[0])
	{
		case 's':
			return ACL_SELECT_CHR;
		case 'i':
			return ACL_INSERT_CHR;
		case 'u':
			return ACL_UPDATE_CHR;
		case 'd':
			return ACL_DELETE_CHR;
		default:
			return '*';
	}
}

/* condition makes what the policies for this purpose say; NULL where nobody is let through. */
static char *
condition(Relation table, const Protection *protection, int purpose)
{
	const char *permission = protection->permissions[purpose];
	const char *own_permission = protection->own_permissions[purpose];
	const char *column = column_name(table, protection->tenant_column);
	const char *owner = column_name(table, protection->owner_column);

	if (permission == NULL && own_permission == NULL)
		return NULL; /* no policy, nobody */
	return protection->across_tenants
	           ? condition_across_tenants(column, owner, permission, own_permission)
	           : condition_here(column, owner, permission, own_permission);
}

/* policy_statement makes the statement that creates a policy; NULL where there is to be none. */
static char *
policy_statement(Relation table, const Protection *protection, size_t i)
{
	char *check = condition(table, protection, policies[i].purpose);

	if (check == NULL)
		return NULL;
	return psprintf("CREATE POLICY %s ON %s AS PERMISSIVE FOR %s TO PUBLIC%s%s", policies[i].name,
	                protection_table_name(table), policies[i].command,
	                policies[i].is_using ? psprintf(" USING (%s)", check) : "",
	                policies[i].is_check ? psprintf(" WITH CHECK (%s)", check) : "");
}

List *
protection_statements(Relation table, const Protection *protection)
{
	List *statements = NIL;

	for (size_t i = 0; i < lengthof(policies); i++)
	{
		char *statement = policy_statement(table, protection, i);

		if (statement != NULL)
			statements = lappend(statements, statement);
	}
	/* What is seen, changed or deleted is of the acting tenant.  What is written is checked as it is. */
	if (!protection->across_tenants)
		statements = lappend(
			statements,
			psprintf("CREATE POLICY " HERE_POLICY " ON %s AS RESTRICTIVE FOR ALL TO PUBLIC"
		             " USING (teamrbac.is_acting_tenant(%s)) WITH CHECK (true)",
		             protection_table_name(table), column_name(table, protection->tenant_column)));
	return statements;
}

/* analyzed makes of a policy's condition what the server would store. */
static Node *
analyzed(Relation table, Node *condition)
{
	ParseState         *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item =
		addRangeTableEntryForRelation(pstate, table, AccessShareLock, NULL, false, false);
	Node *result;

	addNSItemToQuery(pstate, item, false, true, true);
	result = transformWhereClause(pstate, condition, EXPR_KIND_POLICY, "POLICY");
	assign_expr_collations(pstate, result);
	free_parsestate(pstate);
	return result;
}

/* stored_as_made compares a condition of a policy's row with the one in the statement that made it. */
static bool
stored_as_made(Relation table, Relation catalog, HeapTuple policy, AttrNumber column, Node *made)
{
	bool  isnull;
	Datum stored = heap_getattr(policy, column, RelationGetDescr(catalog), &isnull);

	if (isnull || made == NULL)
		return isnull && made == NULL;
	return equal(stringToNode(TextDatumGetCString(stored)), analyzed(table, made));
}

/* policy_is_as_made tells whether a policy says what the statement that made it does. */
static bool
policy_is_as_made(Relation table, CreatePolicyStmt *made)
{
	Relation    catalog = table_open(PolicyRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple   tuple;
	bool        as_made = false;

	ScanKeyInit(&keys[0], Anum_pg_policy_polrelid, BTEqualStrategyNumber, F_OIDEQ,
	            ObjectIdGetDatum(RelationGetRelid(table)));
	ScanKeyInit(&keys[1], Anum_pg_policy_polname, BTEqualStrategyNumber, F_NAMEEQ,
	            CStringGetDatum(made->policy_name));
	scan = systable_beginscan(catalog, PolicyPolrelidPolnameIndexId, true, NULL, 2, keys);
	if (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_policy policy = (Form_pg_policy) GETSTRUCT(tuple);
		bool           isnull;
		ArrayType     *roles = DatumGetArrayTypePCopy(
				heap_getattr(tuple, Anum_pg_policy_polroles, RelationGetDescr(catalog), &isnull));

		as_made =
			policy->polpermissive == made->permissive &&
			policy->polcmd == policy_command(made->cmd_name) && ARR_DIMS(roles)[0] == 1 &&
			((Oid *) ARR_DATA_PTR(roles))[0] == ACL_ID_PUBLIC &&
			stored_as_made(table, catalog, tuple, Anum_pg_policy_polqual, made->qual) &&
			stored_as_made(table, catalog, tuple, Anum_pg_policy_polwithcheck, made->with_check);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return as_made;
}

static bool
is_uuid_column(Relation table, AttrNumber column)
{
	return column > 0 && column <= RelationGetNumberOfAttributes(table) &&
	       TupleDescAttr(RelationGetDescr(table), column - 1)->atttypid == UUIDOID;
}

char *
protection_lack(Relation table, const Protection *protection)
{
	ListCell *cell;

	if (!table->rd_rel->relrowsecurity)
		return pstrdup(_("Row-level security is disabled."));
	if (!table->rd_rel->relforcerowsecurity)
		return pstrdup(_("Row-level security is not forced on the table's owner."));
	if (!is_uuid_column(table, protection->tenant_column) ||
	    (protection->owner_column != InvalidAttrNumber &&
	     !is_uuid_column(table, protection->owner_column)))
		return pstrdup(_("A column that the policies compare is no uuid any more."));
	foreach(cell, protection_statements(table, protection))
	{
		RawStmt          *parsed = linitial(raw_parser(lfirst(cell), RAW_PARSE_DEFAULT));
		CreatePolicyStmt *made = castNode(CreatePolicyStmt, parsed->stmt);

		if (!policy_is_as_made(table, made))
			return psprintf(_("Policy \"%s\" is gone or other than protect_table made it."),
			                made->policy_name);
	}
	return NULL;
}

char *
protection_gap(Relation table, const Protection *protection)
{
	char          *lack = protection_lack(table, protection);
	StringInfoData permissive;
	List          *ours;
	int            nothers;

	if (lack != NULL)
		return lack;
	initStringInfo(&permissive);
	protection_survey(table, &ours, &nothers, &permissive);
	if (permissive.len > 0)
		return psprintf(_("Each of these lets rows through whatever teamrbac says: %s."),
		                permissive.data);
	return NULL;
}
