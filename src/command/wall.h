/*
 * wall.h
 *	  What keeps COPY into a shard on this very node within the policies of its table.
 */
#ifndef TEAMRBAC_WALL_H
#define TEAMRBAC_WALL_H

#include "utils/relcache.h"

#include "store/protected_table.h"

/* The name of the constraint. */
#define WALL "teamrbac_rows"

/* Raises 55000 where what is done to a table would not reach its shards, or no worker would learn who is asking. */
extern void wall_require_citus_ready(Relation table);

/* The statement that builds a table's wall. */
extern char *wall_statement(Relation table, const Protection *protection);

typedef enum WallState
{
	WALL_NONE,
	WALL_OWN,
	WALL_INHERITED /* the parent's, which goes with the parent's */
} WallState;

extern WallState wall_state(Relation table);

/* Whether a table's wall is as that statement makes it. */
extern bool wall_is_as_made(Relation table, const Protection *protection);

/* Raises 55000 if a table inherits another wall than it needs. */
extern void wall_require_fitting(Relation table, const Protection *protection);

#endif /* TEAMRBAC_WALL_H */
