/*
 * wall.h
 *	  What keeps COPY into a shard on this very node within the policies of its table.
 */
#ifndef TEAMRBAC_WALL_H
#define TEAMRBAC_WALL_H

#include "postgres.h"

/* Executes DDL within SPI. */
extern void run_ddl(const char *statement);

/* Raises 55000 where what is done to a table would not reach its shards, or no worker would learn who is asking. */
extern void wall_require_citus_ready(Oid relid);

/* Whether tables need a wall here: where Citus is. */
extern bool wall_is_needed(void);

/* Whether a table has one. */
extern bool wall_stands(Oid relid);

/* Builds one, of the condition that rows must fulfil to be written; removes it.  Within SPI. */
extern void wall_build(const char *table, const char *condition);
extern void wall_remove(const char *table);

#endif /* TEAMRBAC_WALL_H */
