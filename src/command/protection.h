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

/*
 * Reads a table's policies: the names of ours, how many others there are, and the names of those that let rows
 * through.
 */
extern void protection_survey(Relation table, List **ours, int *nothers, StringInfo permissive);

/* The statements that make a table's policies, and where Citus is its wall. */
extern List *protection_statements(Relation table, const Protection *protection);

/*
 * What a table lacks of the protection that it is to have, as a sentence for an error's detail; NULL if nothing.  A
 * policy that another permissive one stands beside is worth nothing.
 */
extern char *protection_gap(Relation table, const Protection *protection);

#endif /* TEAMRBAC_PROTECTION_H */
