/*
 * dirty_scan.h
 *	  Counting for a limit what other transactions are about to commit as well.
 */
#ifndef TEAMRBAC_DIRTY_SCAN_H
#define TEAMRBAC_DIRTY_SCAN_H

#include "access/skey.h"
#include "utils/uuid.h"

/*
 * Finds the rows of one of our tables by one of its indexes, whose columns the keys are about: committed ones, this
 * transaction's own and those of transactions in progress.  Returns the distinct ids in a column, palloc'd.
 *
 * Whoever inserts a row first and counts afterwards can rely on a limit without keeping anybody waiting: of those who
 * do so at the same time, at least the last to count sees all.
 */
extern int dirty_scan(const char *table, const char *index, int nkeys, ScanKey keys,
                      AttrNumber column, pg_uuid_t **ids);

#endif /* TEAMRBAC_DIRTY_SCAN_H */
