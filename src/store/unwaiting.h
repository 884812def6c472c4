/*
 * unwaiting.h
 *	  Notes: rows that are written only where that waits for nothing and nobody.
 *
 * They are written past SPI, without triggers and without a snapshot of the transaction's, so that in REPEATABLE READ and
 * SERIALIZABLE no change by others makes any of this fail.  Whatever is in the way, the caller leaves the row alone.
 */
#ifndef TEAMRBAC_UNWAITING_H
#define TEAMRBAC_UNWAITING_H

#include "access/htup.h"
#include "nodes/lockoptions.h"
#include "storage/lockdefs.h"
#include "utils/date.h"

#include "store/catalog.h"

/* A table of notes: the columns of its primary key, and after them what is noted. */
typedef struct NoteTable
{
	CatalogTable table;
	CatalogIndex index; /* of the primary key */
	int          nkeys;
} NoteTable;

#define MAX_NOTE_COLUMNS 4

/* The day of a time, in UTC: everywhere the same, whatever TimeZone says. */
extern DateADT day_of(TimestampTz time);

/* Whether this transaction may write at all. */
extern bool may_write(void);

/* Opens one of our tables for writing; NULL if that would take waiting for a lock. */
extern Relation open_unless_waiting(CatalogTable table, LOCKMODE mode);

/* Copies the newest row with this key that the snapshot shows; NULL if none. */
extern HeapTuple find_note(CatalogIndex index, int nkeys, const Datum *keys, Snapshot snapshot);

/* Whether this transaction has written the row: then it must be left alone. */
extern bool is_own_note(HeapTuple row);

/* Locks a row as a foreign key that refers to it would. */
typedef enum Hold
{
	HOLD_TAKEN,
	HOLD_REFUSED, /* it would take waiting */
	HOLD_NO_ROW
} Hold;

extern Hold hold_unless_waiting(CatalogTable table, CatalogIndex index, int nkeys,
                                const Datum *keys);

/*
 * Puts other values into the columns after the key; false if that would take waiting.  notes: opened by
 * open_unless_waiting.
 */
extern bool rewrite_unless_waiting(const NoteTable *table, Relation notes, HeapTuple row,
                                   const Datum *values, const bool *nulls);

/*
 * Inserts a row, key and all; false if somebody else is, or has been, about to: for the end of whose transaction the
 * unique index would have us wait.
 */
extern bool insert_unless_waiting(const NoteTable *table, Relation notes, const Datum *values,
                                  const bool *nulls);

#endif /* TEAMRBAC_UNWAITING_H */
