/*
 * make_ticket.c
 *	  Tickets for those who carry them to another server by other means than Citus'.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "authority/statement.h"
#include "authority/ticket.h"

PG_FUNCTION_INFO_V1(teamrbac_make_ticket);

/* make_ticket(database_role): a ticket for whoever is asking, in sessions of this database role. */
Datum
teamrbac_make_ticket(PG_FUNCTION_ARGS)
{
	Authority        anew;
	const Authority *authority = authority_of_call(NULL, &anew);
	const char      *role = PG_ARGISNULL(0) ? GetUserNameFromId(GetSessionUserId(), false)
	                                        : NameStr(*PG_GETARG_NAME(0));

	PG_RETURN_TEXT_P(cstring_to_text(ticket_make(authority, role)));
}
