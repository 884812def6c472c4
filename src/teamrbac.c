/*
 * teamrbac.c
 *	  The library's entry.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"

#include "authority.h"
#include "catalog.h"
#include "filter.h"
#include "identity.h"
#include "merge.h"
#include "planner.h"
#include "settings.h"
#include "statistics.h"

PG_MODULE_MAGIC;

void _PG_init(void);

void
_PG_init(void)
{
	catalog_init();
	identity_init();
	planner_init();
	filter_init();
	merge_init();
	authority_init();
	settings_init();
	statistics_init();
	MarkGUCPrefixReserved("teamrbac");
}
