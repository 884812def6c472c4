/*
 * failing_malloc.c
 *	  For the test of out of memory only: preloaded, its malloc fails once after a given number of calls; loaded as an
 *	  extension's library, its functions arm and disarm it in the session's own process.
 */
#define _GNU_SOURCE
#include "postgres.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

#include "fmgr.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(fail_malloc);
PG_FUNCTION_INFO_V1(stop_failing);

/* How many calls from now; 0: never. */
static int countdown = 0;

static bool
is_due(void)
{
	return countdown > 0 && --countdown == 0;
}

PGDLLEXPORT void *
malloc(size_t size)
{
	static void *(*real)(size_t);

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "malloc");
	if (is_due())
	{
		errno = ENOMEM;
		return NULL;
	}
	return real(size);
}

PGDLLEXPORT void *
realloc(void *pointer, size_t size)
{
	static void *(*real)(void *, size_t);

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "realloc");
	if (is_due())
	{
		errno = ENOMEM;
		return NULL;
	}
	return real(pointer, size);
}

/* fail_malloc(calls): that many calls from now, one fails. */
Datum
fail_malloc(PG_FUNCTION_ARGS)
{
	countdown = PG_GETARG_INT32(0);
	PG_RETURN_VOID();
}

/* stop_failing(): none fails any more; true if one has. */
Datum
stop_failing(PG_FUNCTION_ARGS)
{
	bool failed = countdown == 0;

	countdown = 0;
	PG_RETURN_BOOL(failed);
}
