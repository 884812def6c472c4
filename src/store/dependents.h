/*
 * dependents.h
 *	  Deletes rows of ours to which rows of others may refer.
 */
#ifndef TEAMRBAC_DEPENDENTS_H
#define TEAMRBAC_DEPENDENTS_H

#include "store/query.h"

/*
 * Runs a DELETE on a table of schema teamrbac that returns one column, the whole row, and does what the foreign keys of
 * others' tables say as the owners of these tables.  23503 where rows still refer; 55000 where the code of yet another
 * owner would run.  Returns the number of rows deleted, not counting others'.
 */
extern uint64 query_delete(const char *table, SavedQuery *query, Datum *args, const char *nulls);

#endif /* TEAMRBAC_DEPENDENTS_H */
