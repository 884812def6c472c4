/*
 * loads.h
 *	  The record of rows that a restore has loaded.
 */
#ifndef TEAMRBAC_LOADS_H
#define TEAMRBAC_LOADS_H

#include "utils/rel.h"

/* Records that the session's restore has loaded so many rows more into a table. */
extern void loads_note(Relation table, int64 rows);

#endif /* TEAMRBAC_LOADS_H */
