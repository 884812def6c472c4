/*
 * distributed.h
 *	  Queries that Citus sends to its workers.
 */
#ifndef TEAMRBAC_DISTRIBUTED_H
#define TEAMRBAC_DISTRIBUTED_H

#include "executor/execdesc.h"

/* Whether Citus executes a part of this query, which has been started.  Costs next to nothing where it is not loaded. */
extern bool query_is_distributed(const QueryDesc *query);

/* Whether a query within one that Citus executes is no function's, but for a part of that one. */
extern bool query_is_part(const QueryDesc *query);

/*
 * Whether Citus made this session's connection, or somebody says so; and whether it made it for queries, or for those of a
 * process with this number, on whichever node.
 */
extern bool session_is_of_citus(void);
extern bool session_is_for_queries(void);
extern bool session_is_for_queries_of(int pid);

/* Whether this session's connection comes from the server's own machine. */
extern bool session_is_from_here(void);

/*
 * Citus sends settings to its workers within a transaction block alone.  Begins one for a statement outside any, and
 * tells whether it did; after the statement it must be ended, so that the transaction ends as it would have.  After an
 * error the end of the transaction sees to that.
 */
extern bool begin_statement_block(void);
extern void end_statement_block(void);

#endif /* TEAMRBAC_DISTRIBUTED_H */
