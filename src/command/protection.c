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
#include "parser/parse_node.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "authority/cluster.h"
#include "command/condition.h"
#include "command/protection.h"
#include "command/wall.h"

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
		/* On the shards of Citus every policy is. */
		if (policy->polpermissive || cluster_has_citus())
			appendStringInfo(permissive, "%s%s", permissive->len > 0 ? ", " : "",
			                 quote_identifier(NameStr(policy->polname)));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
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

/* Citus makes a restrictive policy a permissive one on the shards, which would let all through: there it is part of each. */
static bool
has_here_policy(const Protection *protection)
{
	return !protection->across_tenants && !cluster_has_citus();
}

/* policy_statement makes the statement that creates a policy; NULL where there is to be none. */
static char *
policy_statement(Relation table, const Protection *protection, size_t i)
{
	char *check = protection_condition(table, protection, policies[i].purpose);
	char *seen = check;

	if (check == NULL)
		return NULL; /* no policy, nobody */
	if (!protection->across_tenants && !has_here_policy(protection))
		seen = psprintf("(%s) AND %s", check, here_condition(table, protection));
	return psprintf("CREATE POLICY %s ON %s AS PERMISSIVE FOR %s TO PUBLIC%s%s", policies[i].name,
	                protection_table_name(table), policies[i].command,
	                policies[i].is_using ? psprintf(" USING (%s)", seen) : "",
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
	if (has_here_policy(protection))
		statements =
			lappend(statements,
		            psprintf("CREATE POLICY " HERE_POLICY " ON %s AS RESTRICTIVE FOR ALL TO PUBLIC"
		                     " USING (%s) WITH CHECK (true)",
		                     protection_table_name(table), here_condition(table, protection)));
	if (cluster_has_citus() && wall_state(table) != WALL_INHERITED)
		statements = lappend(statements, wall_statement(table, protection));
	return statements;
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

		as_made = policy->polpermissive == made->permissive &&
		          policy->polcmd == policy_command(made->cmd_name) && ARR_DIMS(roles)[0] == 1 &&
		          ((Oid *) ARR_DATA_PTR(roles))[0] == ACL_ID_PUBLIC &&
		          condition_is_stored(table, catalog, tuple, Anum_pg_policy_polqual, made->qual,
		                              EXPR_KIND_POLICY) &&
		          condition_is_stored(table, catalog, tuple, Anum_pg_policy_polwithcheck,
		                              made->with_check, EXPR_KIND_POLICY);
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
	StringInfoData permissive;
	List          *ours;
	ListCell      *cell;
	int            nothers;
	int            nmade = 0;

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
		CreatePolicyStmt *made;

		if (!IsA(parsed->stmt, CreatePolicyStmt))
			continue;
		made = (CreatePolicyStmt *) parsed->stmt;
		nmade++;
		if (!policy_is_as_made(table, made))
			return psprintf(_("Policy \"%s\" is gone or other than protect_table made it."),
			                made->policy_name);
	}
	if (cluster_has_citus() && !wall_is_as_made(table, protection))
		return psprintf(_("Constraint \"%s\" is gone or other than protect_table made it."), WALL);
	initStringInfo(&permissive);
	protection_survey(table, &ours, &nothers, &permissive);
	if (list_length(ours) != nmade)
		return pstrdup(_("A policy bears a name of protect_table's that did not make it."));
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
