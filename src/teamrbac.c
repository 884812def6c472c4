/*
 * teamrbac.c
 *	  The library's entry.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"

#include "store/catalog.h"
#include "authority/identity.h"
#include "authority/permission_use.h"
#include "authority/precedence.h"
#include "authority/statement.h"
#include "authority/ticket.h"
#include "authority/worker.h"
#include "store/settings.h"
#include "store/statistics.h"

PG_MODULE_MAGIC;

void _PG_init(void);

void
_PG_init(void)
{
	catalog_init();
	identity_init();
	statement_init();
	worker_init();
	ticket_init();
	settings_init();
	precedence_init();
	permission_use_init();
	statistics_init();
	MarkGUCPrefixReserved("teamrbac");
}
