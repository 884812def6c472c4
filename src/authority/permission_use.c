/*
 * permission_use.c
 *	  Remembers which permissions are used, and notes them where that is in nobody's way.
 *
 * Checks happen in read-only transactions, on standbys, and in transactions that are rolled back, and none of them may
 * write for that.  So a check only remembers, in this backend's memory: of each tenant, principal and permission the
 * last day, which takes one look-up a statement and call site.  What is new that day is written as a transaction commits
 * that uses something and may write anyway, after all user-defined code: locks are kept for that moment only, so that
 * nobody who may merely read can hold up a manager by them, and never by PREPARE TRANSACTION.  What has not been written
 * by then, as all transactions were read-only, is when the backend ends, in a transaction of its own.
 *
 * Each use bears whose it is, so it does not matter by whose transaction it is written.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "authority/permission.h"
#include "authority/permission_use.h"
#include "authority/worker.h"
#include "compat.h"
#include "store/unwaiting.h"

/*
 * How many uses a backend remembers: those that have been written are forgotten then.  If all are still to be written,
 * no more are taken: a backend whose transactions were all read-only, with many people of many permissions in a day.
 */
#define MAX_USES 16384

/* How many are written by one transaction, which is somebody's who waits for it. */
#define MAX_WRITTEN 64

typedef struct UseKey
{
	pg_uuid_t    tenant;
	pg_uuid_t    principal; /* the user or the key */
	IdentityKind kind;
	int          permission;
} UseKey;

typedef struct Use
{
	UseKey     key; /* hash key */
	DateADT    used_on;
	bool       noted;   /* of that day, by a committed transaction; else it is in pending */
	bool       written; /* by this transaction */
	dlist_node node;    /* in pending */
} Use;

/* The tables, and the rows without which nothing is noted there. */
typedef struct UseTable
{
	NoteTable    notes;
	CatalogTable principals;
	CatalogIndex principals_index;
	bool         tenant_first; /* in that index */
} UseTable;

static const UseTable member_uses = {
	{CATALOG_MEMBER_PERMISSION_USE, CATALOG_MEMBER_PERMISSION_USE_PKEY, 3},
	CATALOG_MEMBERSHIP,
	CATALOG_MEMBERSHIP_USER_IDX,
	false};
static const UseTable key_uses = {{CATALOG_KEY_PERMISSION_USE, CATALOG_KEY_PERMISSION_USE_PKEY, 3},
                                  CATALOG_API_KEY,
                                  CATALOG_API_KEY_PKEY,
                                  true};

static HTAB      *uses = NULL;
static Use       *latest = NULL; /* one call is most often followed by another of its kind */
static dlist_head pending = DLIST_STATIC_INIT(pending);
static int        npending = 0;
static bool       writing = false; /* this transaction has written some of them */
static bool       ending = false;  /* the backend is */

/* The last transaction that has used anything. */
static LocalTransactionId last_using = InvalidLocalTransactionId;

static void at_exit(int code, Datum arg);

/* ---- remembering ------------------------------------------------------------------------------------ */

static void
make_uses(void)
{
	HASHCTL     control = {.keysize = sizeof(UseKey), .entrysize = sizeof(Use)};
	static bool registered = false;

	uses = hash_create("teamrbac uses of permissions", 64, &control, HASH_ELEM | HASH_BLOBS);
	if (!registered)
	{
		before_shmem_exit(at_exit, (Datum) 0);
		registered = true;
	}
}

static void
add_pending(Use *use)
{
	use->noted = false;
	use->written = false;
	dlist_push_tail(&pending, &use->node);
	npending++;
}

static void
remove_pending(Use *use)
{
	dlist_delete(&use->node);
	npending--;
}

/* make_room forgets what has been noted; false if there is nothing. */
static bool
make_room(void)
{
	HASH_SEQ_STATUS scan;
	Use            *use;

	latest = NULL;
	hash_seq_init(&scan, uses);
	while ((use = hash_seq_search(&scan)) != NULL)
	{
		if (use->noted)
			hash_search(uses, &use->key, HASH_REMOVE, NULL);
	}
	return hash_get_num_entries(uses) < MAX_USES;
}

static Use *
add_use(const UseKey *key, DateADT day)
{
	Use *use;

	if (hash_get_num_entries(uses) >= MAX_USES && !make_room())
		return NULL;
	use = hash_search(uses, key, HASH_ENTER, NULL);
	use->used_on = day;
	add_pending(use);
	return use;
}

/* tell_leader has a worker's leader remember a use, once. */
static void
tell_leader(const UseKey *key)
{
	WorkerUse told = {.kind = key->kind, .principal = key->principal, .tenant = key->tenant};
	bool      found;

	(void) hash_search(uses, key, HASH_ENTER, &found);
	if (found)
		return;
	strlcpy(told.permission, permission_name(key->permission), sizeof(told.permission));
	worker_tell_use(&told);
}

static void
remember(const UseKey *key)
{
	DateADT day = day_of(GetCurrentStatementStartTimestamp());
	Use    *use;

	last_using = MyProc->COMPAT_LXID;
	if (latest != NULL && latest->used_on == day && memcmp(&latest->key, key, sizeof(UseKey)) == 0)
		return;
	if (uses == NULL)
		make_uses();
	if (IsParallelWorker())
	{
		tell_leader(key);
		return;
	}
	use = hash_search(uses, key, HASH_FIND, NULL);
	if (use == NULL)
		use = add_use(key, day);
	else if (use->used_on < day)
	{
		use->used_on = day;
		use->written = false;
		if (use->noted)
			add_pending(use);
	}
	latest = use;
}

void
remember_permission_use(const Identity *identity, const pg_uuid_t *tenant, int permission)
{
	UseKey key = {.tenant = *tenant, .kind = identity->kind, .permission = permission};

	/* A visitor of the platform's staff is no member, and their visit stands in the audit. */
	if (identity->kind == IDENTITY_NONE || identity->staff != STAFF_NONE)
		return;
	key.principal = identity->kind == IDENTITY_USER ? identity->user_id : identity->key_id;
	remember(&key);
}

void
take_workers_uses(void)
{
	WorkerUse told;

	while (worker_take_use(&told))
	{
		UseKey key = {.tenant = told.tenant,
		              .principal = told.principal,
		              .kind = told.kind,
		              .permission = permission_number(told.permission)};

		remember(&key);
	}
}

/* ---- writing ---------------------------------------------------------------------------------------- */

typedef enum Outcome
{
	OUTCOME_LEFT, /* somebody is in the way */
	OUTCOME_WRITTEN,
	OUTCOME_NOTED, /* it is there already */
	OUTCOME_NOBODY /* nobody is there to be noted */
} Outcome;

static Outcome
write_new(const UseTable *table, Relation notes, const Use *use, const Datum *values)
{
	static const bool nulls[] = {false, false, false, false};
	Datum             tenant = UUIDPGetDatum(&use->key.tenant);
	Datum             principal = UUIDPGetDatum(&use->key.principal);
	Datum             keys[] = {table->tenant_first ? tenant : principal,
                    table->tenant_first ? principal : tenant};

	switch (hold_unless_waiting(table->principals, table->principals_index, 2, keys))
	{
		case HOLD_NO_ROW:
			return OUTCOME_NOBODY;
		case HOLD_REFUSED:
			return OUTCOME_LEFT;
		case HOLD_TAKEN:
			break;
	}
	return insert_unless_waiting(&table->notes, notes, values, nulls) ? OUTCOME_WRITTEN
	                                                                  : OUTCOME_LEFT;
}

static Outcome
write_again(const UseTable *table, Relation notes, HeapTuple row, const Use *use)
{
	bool  isnull;
	Datum day = DateADTGetDatum(use->used_on);
	Datum last =
		heap_getattr(row, Anum_permission_use_last_used_on, RelationGetDescr(notes), &isnull);

	if (is_own_note(row))
		return OUTCOME_LEFT;
	if (DatumGetDateADT(last) >= use->used_on)
		return OUTCOME_NOTED;
	return rewrite_unless_waiting(&table->notes, notes, row, &day, &isnull) ? OUTCOME_WRITTEN
	                                                                        : OUTCOME_LEFT;
}

static Outcome
write_use(const Use *use)
{
	const UseTable *table = use->key.kind == IDENTITY_USER ? &member_uses : &key_uses;
	Datum           values[] = {UUIDPGetDatum(&use->key.tenant), UUIDPGetDatum(&use->key.principal),
	                            CStringGetTextDatum(permission_name(use->key.permission)),
	                            DateADTGetDatum(use->used_on)};
	Relation        notes = open_unless_waiting(table->notes.table, RowExclusiveLock);
	HeapTuple       row;
	Outcome         outcome;

	if (notes == NULL)
		return OUTCOME_LEFT;
	row = find_note(table->notes.index, table->notes.nkeys, values, SnapshotSelf);
	outcome = HeapTupleIsValid(row) ? write_again(table, notes, row, use)
	                                : write_new(table, notes, use, values);
	table_close(notes, outcome == OUTCOME_WRITTEN ? NoLock : RowExclusiveLock);
	return outcome;
}

static void
settle_use(Use *use)
{
	remove_pending(use);
	use->noted = true;
}

static void
write_pending(void)
{
	for (int n = ending ? npending : Min(npending, MAX_WRITTEN); n > 0; n--)
	{
		Use    *use = dlist_head_element(Use, node, &pending);
		Outcome outcome = write_use(use);

		if (outcome == OUTCOME_NOTED)
			settle_use(use);
		else if (outcome == OUTCOME_NOBODY)
		{
			latest = NULL;
			remove_pending(use);
			hash_search(uses, &use->key, HASH_REMOVE, NULL);
		}
		else
		{
			/* Next time those first that were not looked at. */
			dlist_delete(&use->node);
			dlist_push_tail(&pending, &use->node);
			use->written = outcome == OUTCOME_WRITTEN;
			writing = writing || use->written;
		}
	}
}

/* is_disregarded tells whether others take this transaction for one that never writes, as VACUUM's. */
static bool
is_disregarded(void)
{
	return (MyProc->statusFlags & (PROC_IN_VACUUM | PROC_IN_SAFE_IC)) != 0;
}

/*
 * write_at_commit writes what there is to be written.  Only in a transaction that has used something itself: the server
 * has some of its own, in which an error would end the session.  One that would change nothing else is not made to wait
 * for the disk or for a standby by that.
 */
static void
write_at_commit(void)
{
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;

	if (npending == 0 || (last_using != MyProc->COMPAT_LXID && !ending) || !may_write() ||
	    is_disregarded() || !catalog_is_installed())
		return;
	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
		(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
		                         GUC_ACTION_LOCAL, true, 0, false);
	context = AllocSetContextCreate(caller, "teamrbac uses to be written", ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = TopTransactionResourceOwner;
	PushActiveSnapshot(GetTransactionSnapshot());
	write_pending();
	PopActiveSnapshot();
	CurrentResourceOwner = owner;
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/* end_written forgets what the transaction has written, if that is there to stay, or that it has. */
static void
end_written(bool committed)
{
	dlist_mutable_iter iter;

	if (!writing)
		return;
	writing = false;
	dlist_foreach_modify(iter, &pending)
	{
		Use *use = dlist_container(Use, node, iter.cur);

		if (use->written && committed)
			settle_use(use);
		use->written = false;
	}
}

static void
at_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT)
		write_at_commit();
	else if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		end_written(event == XACT_EVENT_COMMIT);
}

/*
 * Such callbacks are called in turn, the last that was registered first: ours after those of libraries that were loaded
 * later, and commit elsewhere, as postgres_fdw does, which may take as long as a server there likes.
 */
void
permission_use_init(void)
{
	RegisterXactCallback(at_transaction, NULL);
}

/*
 * at_exit writes what is left, whatever default_transaction_read_only says: that is the session's word on its own
 * transactions.  It waits for no standby, as nobody could end that any more.
 */
static void
at_exit(int code, Datum arg)
{
	if (npending == 0 || RecoveryInProgress())
		return;
	ending = true;
	AbortOutOfAnyTransaction();
	StartTransactionCommand();
	XactReadOnly = false;
	CommitTransactionCommand();
}
