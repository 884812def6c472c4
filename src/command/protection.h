/*
 * protection.h
 *	  What protects a table of the application: the policies, and whether they are there.
 */
#ifndef TEAMRBAC_PROTECTION_H
#define TEAMRBAC_PROTECTION_H

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

#include "store/protected_table.h"

/* While a statement of protect_table's or its like is run, which makes of a table what was asked for. */
extern bool protection_changes;

/*
 * Reads a table's policies: the names of ours, how many others there are, and the names of those that let rows
 * through.
 */
extern void protection_survey(Relation table, List **ours, int *nothers, StringInfo permissive);

/* The statements that make a table's policies, and where Citus is its wall. */
extern List *protection_statements(Relation table, const Protection *protection);

/* What a table lacks of what protect_table made, as a sentence for an error's detail; NULL if nothing. */
extern char *protection_lack(Relation table, const Protection *protection);

/* The same, and whether another permissive policy stands beside, for then they are worth nothing. */
extern char *protection_gap(Relation table, const Protection *protection);

#endif /* TEAMRBAC_PROTECTION_H */
