/*
 * restore.h
 *	  What must wait while a dump is restored.
 */
#ifndef TEAMRBAC_RESTORE_H
#define TEAMRBAC_RESTORE_H

#include "utils/rel.h"

/*
 * Whether this session restores a dump: then rows come table by table, in a parallel restore in any order, and
 * were recorded when they were made.  table is the one whose rows are being changed.
 */
extern bool restoring(Relation table);

#endif /* TEAMRBAC_RESTORE_H */
