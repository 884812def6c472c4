/*
 * condition.h
 *	  What the policies of a protected table say of its rows.
 */
#ifndef TEAMRBAC_CONDITION_H
#define TEAMRBAC_CONDITION_H

#include "access/htup.h"
#include "parser/parse_node.h"
#include "utils/relcache.h"

#include "store/protected_table.h"

/* The table's name as statements have it. */
extern char *protection_table_name(Relation table);

/* The condition of the policies for this purpose; NULL where nobody is let through. */
extern char *protection_condition(Relation table, const Protection *protection, int purpose);

/* The condition that a row is of the acting tenant. */
extern char *here_condition(Relation table, const Protection *protection);

/* Whether a catalogue's row has stored, in a column, what the server makes of a parsed condition on the table. */
extern bool condition_is_stored(Relation table, Relation catalog, HeapTuple tuple,
                                AttrNumber column, Node *made, ParseExprKind kind);

#endif /* TEAMRBAC_CONDITION_H */
