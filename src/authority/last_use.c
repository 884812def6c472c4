/*
 * last_use.c
 *	  When an API key was last used, and a user last active; and since when what they use has been recorded.
 *
 * Many sessions at once may use one key, in transactions that stay open for long.  The first of them to find
 * the time out of date updates it; the others find the row locked, and leave it at that (see store/unwaiting.h).
 *
 * A key's row is made with the key.  A user's is made when they first sign in, because users come in by other
 * ways than our commands too.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "utils/hsearch.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "authority/last_use.h"
#include "store/settings.h"
#include "store/unwaiting.h"

/* How many users a backend remembers to have been noted today. */
#define MAX_NOTED 1024

static const NoteTable key_uses = {CATALOG_API_KEY_USE, CATALOG_API_KEY_USE_PKEY, 2};
static const NoteTable user_activity = {CATALOG_USER_ACTIVITY, CATALOG_USER_ACTIVITY_PKEY, 1};

/* What both tables say after the key: when, and the first day of the recording that has gone on since. */
typedef struct LastUse
{
	Datum   when;
	bool    never;
	DateADT recorded_since;
	bool    unrecorded;
} LastUse;

static LastUse
read_last_use(const NoteTable *table, Relation notes, HeapTuple row)
{
	LastUse   use;
	TupleDesc columns = RelationGetDescr(notes);

	use.when = heap_getattr(row, table->nkeys + 1, columns, &use.never);
	use.recorded_since =
		DatumGetDateADT(heap_getattr(row, table->nkeys + 2, columns, &use.unrecorded));
	return use;
}

/* write_last_use renews a row: a recording goes on from when it began, or begins today, or has ended. */
static bool
write_last_use(const NoteTable *table, Relation notes, HeapTuple row, const LastUse *before,
               Datum when)
{
	DateADT since = before->unrecorded ? day_of(GetCurrentTimestamp()) : before->recorded_since;
	Datum   values[] = {when, DateADTGetDatum(since)};
	bool    nulls[] = {false, !record_permission_use};

	return rewrite_unless_waiting(table, notes, row, values, nulls);
}

/* ---- keys ------------------------------------------------------------------------------------------- */

/* key_use_is_due tells whether a use is to be noted, and what the last note says, as far as that is committed. */
static bool
key_use_is_due(const LastUse *last, TimestampTz due_since, NotedKeyUse *noted)
{
	if (last->never)
		return true;
	noted->at = DatumGetTimestampTz(last->when);
	noted->recorded = !last->unrecorded;
	return noted->at <= due_since || noted->recorded != record_permission_use;
}

void
note_key_use(const pg_uuid_t *tenant, const pg_uuid_t *key, NotedKeyUse *noted)
{
	Datum       keys[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(key)};
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz due_since = now - setting_duration(SETTING_KEY_USE_GRANULARITY);
	Relation    uses;
	HeapTuple   row;
	bool        written = false;

	if ((noted->at > due_since && noted->recorded == record_permission_use) || !may_write() ||
	    (uses = open_unless_waiting(key_uses.table, RowExclusiveLock)) == NULL)
		return;
	row = find_note(key_uses.index, key_uses.nkeys, keys, SnapshotSelf);
	if (HeapTupleIsValid(row) && !is_own_note(row))
	{
		LastUse last = read_last_use(&key_uses, uses, row);

		if (key_use_is_due(&last, due_since, noted))
		{
			written = write_last_use(&key_uses, uses, row, &last, TimestampTzGetDatum(now));
			/* To be looked at again: what is written may be taken back. */
			noted->at = 0;
		}
	}
	/* The lock is kept, as for any change, until the transaction ends. */
	table_close(uses, written ? NoLock : RowExclusiveLock);
}

/* ---- users ------------------------------------------------------------------------------------------ */

/* The users known to have been noted, by committed transactions, on a day, while uses were recorded or were not. */
static HTAB   *noted_users = NULL;
static DateADT noted_day;
static bool    noted_recording;

static void
forget_noted(void)
{
	if (noted_users != NULL)
		hash_destroy(noted_users);
	noted_users = NULL;
}

static bool
is_noted(const pg_uuid_t *user, DateADT day)
{
	if (noted_day != day || noted_recording != record_permission_use)
		forget_noted();
	return noted_users != NULL && hash_search(noted_users, user, HASH_FIND, NULL) != NULL;
}

static void
remember_noted(const pg_uuid_t *user, DateADT day)
{
	if (noted_users != NULL && hash_get_num_entries(noted_users) >= MAX_NOTED)
		forget_noted();
	if (noted_users == NULL)
	{
		HASHCTL control = {.keysize = sizeof(pg_uuid_t), .entrysize = sizeof(pg_uuid_t)};

		noted_users =
			hash_create("teamrbac users noted today", 16, &control, HASH_ELEM | HASH_BLOBS);
		noted_day = day;
		noted_recording = record_permission_use;
	}
	(void) hash_search(noted_users, user, HASH_ENTER, NULL);
}

/* insert_activity notes a user for the first time. */
static bool
insert_activity(Relation activity, const pg_uuid_t *user, DateADT day)
{
	Datum values[] = {UUIDPGetDatum(user), DateADTGetDatum(day), DateADTGetDatum(day)};
	bool  nulls[] = {false, false, !record_permission_use};

	return hold_unless_waiting(CATALOG_APP_USER, CATALOG_APP_USER_PKEY, 1, values) == HOLD_TAKEN &&
	       insert_unless_waiting(&user_activity, activity, values, nulls);
}

/* renew_activity brings a user's row up to date; false if it is, or somebody is about to. */
static bool
renew_activity(Relation activity, HeapTuple row, const pg_uuid_t *user, DateADT day)
{
	LastUse last = read_last_use(&user_activity, activity, row);
	/* A day in the future, by a clock that was wrong, is left alone. */
	DateADT last_day = Max(DatumGetDateADT(last.when), day);

	if (last_day == DatumGetDateADT(last.when) && last.unrecorded != record_permission_use)
	{
		remember_noted(user, day);
		return false;
	}
	return write_last_use(&user_activity, activity, row, &last, DateADTGetDatum(last_day));
}

void
note_user_activity(const pg_uuid_t *user)
{
	Datum     key = UUIDPGetDatum(user);
	DateADT   day = day_of(GetCurrentTimestamp());
	Relation  activity;
	HeapTuple row;
	bool      written = false;

	if (is_noted(user, day) || !may_write() ||
	    (activity = open_unless_waiting(user_activity.table, RowExclusiveLock)) == NULL)
		return;
	row = find_note(user_activity.index, user_activity.nkeys, &key, SnapshotSelf);
	if (!HeapTupleIsValid(row))
		written = insert_activity(activity, user, day);
	else if (!is_own_note(row))
		written = renew_activity(activity, row, user, day);
	table_close(activity, written ? NoLock : RowExclusiveLock);
}
