/*
 * condition.c
 *	  What the policies of a protected table say of its rows.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "nodes/nodes.h"
#include "parser/parse_clause.h"
#include "parser/parse_collate.h"
#include "parser/parse_relation.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "authority/cluster.h"
#include "command/condition.h"

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
 * is_true, is_given and one_of say IS TRUE, IS NOT NULL and COALESCE.  CASE where Citus is: it analyses an expression a
 * second time, which PostgreSQL has no support for where these tests stand in it.
 */
static char *
is_true(const char *comparison)
{
	return cluster_has_citus() ? psprintf("CASE WHEN %s THEN true ELSE false END", comparison)
	                           : psprintf("(%s) IS TRUE", comparison);
}

static char *
is_given(const char *value)
{
	return cluster_has_citus() ? is_true(psprintf("%s " EQUALS " %s", value, value))
	                           : psprintf("%s IS NOT NULL", value);
}

/* CASE, since PostgreSQL does not know of COALESCE that it tells nobody the row. */
static char *
one_of(const char *value, const char *other)
{
	return cluster_has_citus()
	           ? psprintf("CASE WHEN %s " EQUALS " %s THEN %s ELSE %s END", value, value, value,
	                      other)
	           : psprintf("CASE WHEN %s IS NULL THEN %s ELSE %s END", value, other, value);
}

/*
 * owned_by_asker: that a row is one's own.  IS TRUE keeps PostgreSQL from taking it for one of several equalities that
 * say the same (see protection.c, HERE_POLICY).
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

/* column_name quotes the name of a column; NULL for none. */
static const char *
column_name(Relation table, AttrNumber column)
{
	if (column == InvalidAttrNumber)
		return NULL;
	return quote_identifier(get_attname(RelationGetRelid(table), column, false));
}

char *
protection_condition(Relation table, const Protection *protection, int purpose)
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

char *
here_condition(Relation table, const Protection *protection)
{
	return psprintf("teamrbac.is_acting_tenant(%s)", column_name(table, protection->tenant_column));
}

/* analyzed makes of a condition what the server would store. */
static Node *
analyzed(Relation table, Node *condition, ParseExprKind kind)
{
	ParseState         *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item =
		addRangeTableEntryForRelation(pstate, table, AccessShareLock, NULL, false, false);
	Node *result;

	addNSItemToQuery(pstate, item, false, true, true);
	result = transformWhereClause(pstate, condition, kind, "POLICY");
	assign_expr_collations(pstate, result);
	free_parsestate(pstate);
	return result;
}

bool
condition_is_stored(Relation table, Relation catalog, HeapTuple tuple, AttrNumber column,
                    Node *made, ParseExprKind kind)
{
	bool  isnull;
	Datum stored = heap_getattr(tuple, column, RelationGetDescr(catalog), &isnull);

	if (isnull || made == NULL)
		return isnull && made == NULL;
	return equal(stringToNode(TextDatumGetCString(stored)), analyzed(table, made, kind));
}
