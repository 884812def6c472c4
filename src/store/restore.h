/*
 * restore.h
 *	  What must wait while a dump is restored.
 */
#ifndef TEAMRBAC_RESTORE_H
#define TEAMRBAC_RESTORE_H

#include "utils/rel.h"

/*
 * Whether the statement at work restores a dump's rows of that table: they come table by table, in a parallel
 * restore in any order, and were recorded when they were made.  For triggers on INSERT while the statement runs;
 * no restore updates or deletes.
 */
extern bool restoring(Relation table);

#endif /* TEAMRBAC_RESTORE_H */
