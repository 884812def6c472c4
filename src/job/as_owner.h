/*
 * as_owner.h
 *	  Statements on the application's tables, run as their owner.
 */
#ifndef TEAMRBAC_AS_OWNER_H
#define TEAMRBAC_AS_OWNER_H

#include "nodes/params.h"

/* A statement on rows of one table, its parameters $1 and on. */
typedef struct OwnerStatement
{
	Oid         relation; /* the first table that it names */
	const char *sql;
	int         nargs;
	Oid         argtypes[3];
	Datum       args[3];
	bool        isnull[3];
} OwnerStatement;

/* relation_owner returns the owner of a table, without opening it. */
extern Oid relation_owner(Oid relation);

/* table_name returns the name of a table for a message; its number, if it has been dropped. */
extern char *table_name(Oid relation);

/*
 * run_as_owner runs a statement as the owner of its table, with a snapshot taken now, and returns the number of
 * rows.  Where every table that it would open is that owner's, and every function in it is the owner's or a
 * superuser's; else it raises 55000, and nothing has been opened.  values: NULL, or where to put the first column
 * of all rows, allocated in the caller's memory context.
 */
extern uint64 run_as_owner(const OwnerStatement *statement, Datum **values);

/*
 * begin_as_owner makes us a table's owner, who can put nothing off until our rights are back; end_as_owner makes us
 * ourselves again.  So does the end of a transaction that fails.
 */
typedef struct OwnerSwitch
{
	Oid user;
	int context;
	int settings;
} OwnerSwitch;

extern OwnerSwitch begin_as_owner(Oid owner);
extern void        end_as_owner(const OwnerSwitch *before);

#endif /* TEAMRBAC_AS_OWNER_H */
