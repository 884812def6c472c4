/*
 * statistics.c
 *	  What each backend counts, and who reads it.
 *
 * A check takes some ten nanoseconds, so that counting it must be one increment: no lock, no atomic.  Each
 * backend has a slot of its own in shared memory, which only it writes.  When it ends, its counts are added to
 * those of all that have ended.  Without shared memory (the library was not preloaded) each backend counts
 * for itself.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "compat.h"
#include "store/statistics.h"

#define SHMEM_NAME "teamrbac statistics"

typedef struct StatisticsSlot
{
	int      pid; /* 0: free */
	Counters counters;
	/* Two backends never write to one cache line. */
	char padding[PG_CACHE_LINE_SIZE - sizeof(Counters) - sizeof(uint64)];
} StatisticsSlot;

typedef struct SharedStatistics
{
	slock_t        mutex; /* for ended, and for taking and freeing slots */
	Counters       ended; /* of all backends that have ended */
	StatisticsSlot slots[FLEXIBLE_ARRAY_MEMBER];
} SharedStatistics;

static Counters own_counters;
Counters       *counters = &own_counters;

static SharedStatistics *shared = NULL;
static StatisticsSlot   *own_slot = NULL;

static shmem_request_hook_type previous_shmem_request_hook = NULL;
static shmem_startup_hook_type previous_shmem_startup_hook = NULL;

PG_FUNCTION_INFO_V1(teamrbac_statistics);

static Size
shared_size(void)
{
	return add_size(offsetof(SharedStatistics, slots),
	                mul_size(MaxBackends, sizeof(StatisticsSlot)));
}

static void
request_shmem(void)
{
	if (previous_shmem_request_hook != NULL)
		previous_shmem_request_hook();
	RequestAddinShmemSpace(shared_size());
}

static void
start_shmem(void)
{
	bool found;

	if (previous_shmem_startup_hook != NULL)
		previous_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct(SHMEM_NAME, shared_size(), &found);
	if (!found)
	{
		memset(shared, 0, shared_size());
		SpinLockInit(&shared->mutex);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
statistics_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	previous_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_shmem;
}

static void
add_counters(Counters *sum, const Counters *counts)
{
	sum->checks += counts->checks;
	sum->cache_hits += counts->cache_hits;
	sum->reloads += counts->reloads;
	sum->probes += counts->probes;
	sum->denials += counts->denials;
}

/* leave_slot keeps the counts of a backend that ends. */
static void
leave_slot(int code, Datum arg)
{
	counters = &own_counters;
	SpinLockAcquire(&shared->mutex);
	add_counters(&shared->ended, &own_slot->counters);
	memset(own_slot, 0, sizeof(StatisticsSlot));
	SpinLockRelease(&shared->mutex);
	own_slot = NULL;
}

void
statistics_attach(void)
{
	int slot = MY_BACKEND_SLOT;

	if (shared == NULL || own_slot != NULL || slot < 0 || slot >= MaxBackends)
		return;
	own_slot = &shared->slots[slot];
	on_shmem_exit(leave_slot, (Datum) 0);
	SpinLockAcquire(&shared->mutex);
	own_slot->counters = own_counters;
	own_slot->pid = MyProcPid;
	SpinLockRelease(&shared->mutex);
	counters = &own_slot->counters;
}

static void
put_row(ReturnSetInfo *result, int pid, const Counters *counts)
{
	Datum values[] = {Int32GetDatum(pid),
	                  Int64GetDatum(counts->checks),
	                  Int64GetDatum(counts->cache_hits),
	                  Int64GetDatum(counts->reloads),
	                  Int64GetDatum(counts->probes),
	                  Int64GetDatum(counts->denials)};
	bool  nulls[lengthof(values)] = {pid == 0};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* statistics(): a row for each backend, and one for all that have ended; without shared memory, one's own. */
Datum
teamrbac_statistics(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Counters       ended;

	InitMaterializedSRF(fcinfo, 0);
	statistics_attach();
	if (shared == NULL)
	{
		put_row(result, MyProcPid, counters);
		return (Datum) 0;
	}
	SpinLockAcquire(&shared->mutex);
	ended = shared->ended;
	SpinLockRelease(&shared->mutex);
	put_row(result, 0, &ended);
	for (int i = 0; i < MaxBackends; i++)
	{
		StatisticsSlot slot;

		SpinLockAcquire(&shared->mutex);
		slot = shared->slots[i];
		SpinLockRelease(&shared->mutex);
		if (slot.pid != 0)
			put_row(result, slot.pid, &slot.counters);
	}
	return (Datum) 0;
}
