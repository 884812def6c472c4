/*
 * wall.h
 *	  What keeps COPY into a shard on this very node within the policies of its table.
 */
#ifndef TEAMRBAC_WALL_H
#define TEAMRBAC_WALL_H

#include "nodes/parsenodes.h"
#include "utils/relcache.h"

#include "store/protected_table.h"

/* The name of the constraint. */
#define WALL "teamrbac_rows"

/* Raises 55000 where what is done to a table would not reach its shards, or no worker would learn who is asking. */
extern void wall_require_citus_ready(Relation table);

/* The statement that builds a table's wall. */
extern char *wall_statement(Relation table, const Protection *protection);

/* Whether a table has one, and one that is as that statement made it. */
extern bool wall_stands(Relation table);
extern bool wall_is_as_made(Relation table, AlterTableStmt *made);

#endif /* TEAMRBAC_WALL_H */
