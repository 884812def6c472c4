/*
 * query.h
 *	  SQL that the commands run: saved plans with parameters, on the newest snapshot.
 */
#ifndef TEAMRBAC_QUERY_H
#define TEAMRBAC_QUERY_H

#include "executor/spi.h"
#include "fmgr.h"

#define QUERY_MAX_ARGS 12

/* What functions that run such a statement say in their SET search_path; without it, it is not run. */
#define QUERY_SEARCH_PATH "pg_catalog, teamrbac, pg_temp"

/*
 * A statement, prepared at its first use and kept for the session.  Every name in it must be qualified.  One
 * that is put together for a single execution (purge's alone) says so.
 */
typedef struct SavedQuery
{
	const char *sql;
	int         nargs;
	Oid         argtypes[QUERY_MAX_ARGS];
	bool        once;
	bool       anywhere; /* reads no table of ours: runs also where the extension isn't installed */
	bool       changes_audit; /* the only ones to; see query_may_change_audit */
	Oid        tables_of;     /* if given, the role whose all its tables must be */
	SPIPlanPtr plan;          /* NULL until prepared */
} SavedQuery;

/*
 * Runs a statement that changes or locks something, with a snapshot taken now, whatever the transaction's
 * isolation level: what a command decides under the tenant's lock must be about the team as it is.  nulls as
 * for SPI_execute_plan, NULL for no nulls.  Returns the number of rows.
 */
extern uint64 query_execute(SavedQuery *query, Datum *args, const char *nulls);

/*
 * The same, and takes the columns of the first row, copied into the caller's memory context.  Returns false,
 * with the result arrays untouched, if there is no row.
 */
extern bool query_row(SavedQuery *query, Datum *args, const char *nulls, int ncolumns,
                      Datum *values, bool *isnull);

/*
 * The same for all rows: allocates the result arrays in the caller's memory context and fills them row after
 * row, ncolumns values each.  Returns the number of rows.
 */
extern uint64 query_rows(SavedQuery *query, Datum *args, const char *nulls, int ncolumns,
                         Datum **values, bool **isnull);

/*
 * Makes all rows of a read-only statement the result of a set-returning function, with the statement's
 * snapshot.  Takes no more memory than work_mem, however many rows there are.
 */
extern void query_return_set(FunctionCallInfo fcinfo, SavedQuery *query, Datum *args,
                             const char *nulls);

/*
 * The same for a statement that changes something, run as query_execute runs it.
 */
extern void query_return_changed(FunctionCallInfo fcinfo, SavedQuery *query, Datum *args,
                                 const char *nulls);

/*
 * Runs a statement with the rights of another role, in a security-restricted operation: its code can put nothing off
 * until it would run with anybody else's, and no setting that it makes stays.  Policies don't hold for the role's own
 * tables, forced or not.  What it changes does not count as ours.  All tables in it must be the role's (55000), since
 * each brings its owner's code along, and names may change hands.
 */
extern uint64 query_execute_as(Oid role, SavedQuery *query, Datum *args, const char *nulls);

/*
 * Whether the statement that fires a trigger is one of ours that may change the audit.  Asked by its first trigger,
 * answered once: what other code does while the statement runs is not ours.
 */
extern bool query_may_change_audit(void);

/* Whether such a statement is running: a trigger thereby tells a command's change from one by hand. */
extern bool query_is_ours(void);

#endif /* TEAMRBAC_QUERY_H */
