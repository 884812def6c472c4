/*
 * precedence.c
 *	  Whoever manages a team does not wait for somebody who may not.
 *
 * A gate is a lock of the server's lock manager, which managers take in a mode that does not conflict with itself,
 * and others in another such.  Behind a door, so that none of the others comes in any more while a manager waits:
 * whoever waits at the gate keeps the door, and managers and others exclude each other there too.  A manager who has
 * the door therefore waits for those only who hold the gate, whose number can but fall.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/timeout.h"

#include "authority/precedence.h"
#include "compat.h"
#include "store/catalog.h"
#include "store/reason.h"
#include "store/settings.h"

/* Either does not conflict with itself, and both with each other. */
#define MANAGERS_MODE ShareLock
#define OTHERS_MODE RowExclusiveLock

/* What a lock of ours is on. */
typedef enum LockedThing
{
	LOCKED_GATE,
	LOCKED_DOOR,
	LOCKED_SLUG
} LockedThing;

/* A transaction that holds the gate. */
typedef struct Holder
{
	PGPROC            *process;
	int                pid;
	LocalTransactionId transaction;
} Holder;

/* Those whom the manager in this session waits for; read by a signal handler. */
static Holder *volatile holders = NULL;
static volatile int          nholders = 0;
static volatile sig_atomic_t ended = 0;
static TimeoutId             timeout;
static bool                  timeout_registered = false;

/* The transaction, if any, that may not be prepared. */
static LocalTransactionId yielding = InvalidLocalTransactionId;

/*
 * thing_tag names a lock.  By a hash, whose 45 bits hardly ever take two tenants for one; nothing worse comes of it
 * than that they share a gate.
 */
static LOCKTAG
thing_tag(CatalogTable table, LockedThing thing, const void *key, int length)
{
	uint64  hash = hash_bytes_extended(key, length, 0);
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, catalog_table_oid(table), (uint32) hash,
	                   (uint16) ((hash >> 32 & 0x1fff) << 3 | thing));
	return tag;
}

static LOCKTAG
gate_tag(Gate gate, LockedThing thing, const pg_uuid_t *id)
{
	return thing_tag(gate == GATE_TENANT ? CATALOG_TENANT : CATALOG_APP_USER, thing, id->data,
	                 UUID_LEN);
}

/* ---- those who do not manage -------------------------------------------------------------------------- */

void
yield_precedence(Gate gate, const pg_uuid_t *id)
{
	LOCKTAG door = gate_tag(gate, LOCKED_DOOR, id);
	LOCKTAG tag = gate_tag(gate, LOCKED_GATE, id);

	/* A standby has nobody to wait for, and refuses the command's own lock in its words. */
	if (RecoveryInProgress() || compat_lock_held(&tag, MANAGERS_MODE))
		return;
	yielding = MyProc->COMPAT_LXID;
	if (compat_lock_held(&tag, OTHERS_MODE))
		return;
	(void) LockAcquire(&door, OTHERS_MODE, false, false);
	(void) LockAcquire(&tag, OTHERS_MODE, false, false);
	LockRelease(&door, OTHERS_MODE, false);
}

/* refuse_prepare keeps whoever must yield from leaving their locks behind without a session to be ended. */
static void
refuse_prepare(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_PREPARE && yielding == MyProc->COMPAT_LXID)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errreason("prepare_not_allowed"),
		         errmsg("cannot PREPARE a transaction with a command of somebody who does not "
		                "manage the team"),
		         errdetail("Prepared, it would hold up those who do."), errhint("Commit it.")));
}

void
precedence_init(void)
{
	RegisterXactCallback(refuse_prepare, NULL);
}

bool
reserve_slug(const char *slug)
{
	LOCKTAG tag = thing_tag(CATALOG_TENANT, LOCKED_SLUG, slug, strlen(slug));

	return RecoveryInProgress() ||
	       LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* ---- managers ------------------------------------------------------------------------------------------ */

/* find_holders finds out who holds the gate.  The caller has the door. */
static void
find_holders(const LOCKTAG *tag)
{
	int                   nfound;
	VirtualTransactionId *found = GetLockConflicts(tag, MANAGERS_MODE, &nfound);
	Holder               *list = palloc((nfound + 1) * sizeof(Holder));
	int                   n = 0;

	for (int i = 0; i < nfound; i++)
	{
		PGPROC *process = compat_vxid_process(found[i]);

		if (process == NULL || process->pid == 0)
			continue;
		list[n].process = process;
		list[n].pid = process->pid;
		list[n].transaction = found[i].localTransactionId;
		n++;
	}
	ended = 0;
	nholders = n;
	holders = list;
}

/*
 * end_holders has the sessions ended that still hold the gate, by the signal that pg_terminate_backend sends: nothing
 * less takes a lock from a session that waits for its client.  Runs within a signal handler.
 */
static void
end_holders(void)
{
	int saved_errno = errno;

	for (int i = 0; i < nholders; i++)
	{
		const Holder *holder = &holders[i];

		if (holder->process->pid == holder->pid &&
		    holder->process->COMPAT_LXID == holder->transaction && kill(holder->pid, SIGTERM) == 0)
			ended++;
	}
	errno = saved_errno;
}

/* stop_ending forgets the holders, whether they have gone, or the wait has been given up. */
static void
stop_ending(void)
{
	Holder *list = holders;

	disable_timeout(timeout, false);
	nholders = 0;
	holders = NULL;
	if (list != NULL)
		pfree(list);
}

/* wait_at_gate waits for those who hold it, for as long as they may keep a manager waiting. */
static void
wait_at_gate(const LOCKTAG *tag)
{
	int64 patience = setting_duration(SETTING_YIELD_AFTER) / 1000;

	if (!timeout_registered)
	{
		timeout = RegisterTimeout(USER_TIMEOUT, end_holders);
		timeout_registered = true;
	}
	find_holders(tag);
	PG_TRY();
	{
		enable_timeout_after(timeout, (int) Max(1, Min(patience, INT_MAX)));
		(void) LockAcquire(tag, MANAGERS_MODE, false, false);
	}
	PG_FINALLY();
	{
		stop_ending();
	}
	PG_END_TRY();
	if (ended > 0)
		ereport(LOG_SERVER_ONLY,
		        (errmsg("teamrbac ended %d sessions that held up somebody who manages a team",
		                (int) ended),
		         errdetail("Their transactions had stayed open for longer than "
		                   "teamrbac.yield_after since."),
		         errhidestmt(true), errhidecontext(true)));
}

void
take_precedence(Gate gate, const pg_uuid_t *id)
{
	LOCKTAG door = gate_tag(gate, LOCKED_DOOR, id);
	LOCKTAG tag = gate_tag(gate, LOCKED_GATE, id);

	if (RecoveryInProgress() || compat_lock_held(&tag, MANAGERS_MODE))
		return;
	(void) LockAcquire(&door, MANAGERS_MODE, false, false);
	if (LockAcquire(&tag, MANAGERS_MODE, false, true) == LOCKACQUIRE_NOT_AVAIL)
		wait_at_gate(&tag);
	LockRelease(&door, MANAGERS_MODE, false);
}
