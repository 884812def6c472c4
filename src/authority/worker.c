/*
 * worker.c
 *	  What parallel workers take over of their leader's authority.
 *
 * A worker that looked for itself might see a change that its leader did not: a parallel index scan with another array
 * of tenants in each process loses rows, or gives them twice.  So the leader settles its authority before there are
 * workers, and describes it in a setting, which PostgreSQL copies into each worker as it copies all settings.  As with the
 * identity, nobody can set it: the check hook lets it through only while we write it, or a worker starts.
 *
 * The other way goes what is to be recorded as used: by memory that the session's processes share.
 *
 * The description: the place of that memory (0: nothing is to be recorded), who is asking, time and acting tenant, a line
 * each, then the grants (description.c).
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/session.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/dsa.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "authority/description.h"
#include "authority/identity.h"
#include "authority/worker.h"
#include "compat.h"
#include "store/settings.h"

#define WORKER_SETTING "teamrbac.leader_authority"

static char *worker_setting;
static bool  writing = false;

/* ---- the setting ----------------------------------------------------------------------------------- */

static bool
check_worker_setting(char **newval, void **extra, GucSource source)
{
	if (*newval == NULL || **newval == '\0' || writing ||
	    (InitializingParallelWorker && source == PGC_S_SESSION))
		return true;
	GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
	GUC_check_errmsg("setting \"%s\" cannot be set", WORKER_SETTING);
	GUC_check_errdetail("A parallel query tells its workers by it what its leader may do.");
	return false;
}

void
worker_init(void)
{
	DefineCustomStringVariable(
		WORKER_SETTING, "What the leader of a parallel query may do.",
		"Written for the workers of a parallel query; nobody can set it.", &worker_setting, "",
		PGC_SUSET, GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE | GUC_NO_SHOW_ALL | GUC_SUPERUSER_ONLY,
		check_worker_setting, NULL, NULL);
}

/* ---- what workers tell -------------------------------------------------------------------------------- */

/* More than one query's workers will tell, unless somebody in very many tenants reads from all of them. */
#define MAX_TOLD 256

typedef struct Told
{
	slock_t   mutex;
	int       nuses;
	WorkerUse uses[MAX_TOLD];
} Told;

/* The leader's; kept for the session, since a worker may outlive its query by a moment, after an error. */
static dsa_pointer told_at = InvalidDsaPointer;

static bool
make_told(void)
{
	Told *told;

	if (DsaPointerIsValid(told_at))
		return true;
	if (GetSessionDsmHandle() == DSM_HANDLE_INVALID)
		return false;
	told_at = dsa_allocate(CurrentSession->area, sizeof(Told));
	told = dsa_get_address(CurrentSession->area, told_at);
	SpinLockInit(&told->mutex);
	told->nuses = 0;
	return true;
}

/* leaders_told finds the memory of a worker's leader, or NULL. */
static Told *
leaders_told(void)
{
	uint64 place = strtoull(worker_setting, NULL, 10);

	if (place == 0 || CurrentSession->area == NULL)
		return NULL;
	return dsa_get_address(CurrentSession->area, (dsa_pointer) place);
}

void
worker_tell_use(const WorkerUse *use)
{
	Told *told = leaders_told();

	if (told == NULL)
		return;
	SpinLockAcquire(&told->mutex);
	if (told->nuses < MAX_TOLD)
		told->uses[told->nuses++] = *use;
	SpinLockRelease(&told->mutex);
}

bool
worker_take_use(WorkerUse *use)
{
	Told *told;
	bool  any;

	if (!DsaPointerIsValid(told_at))
		return false;
	told = dsa_get_address(CurrentSession->area, told_at);
	SpinLockAcquire(&told->mutex);
	any = told->nuses > 0;
	if (any)
		*use = told->uses[--told->nuses];
	SpinLockRelease(&told->mutex);
	return any;
}

/* ---- describing ------------------------------------------------------------------------------------ */

static char *
describe(const Authority *authority)
{
	StringInfoData text;
	const Grant  **grants;
	int            ngrants;

	initStringInfo(&text);
	appendStringInfo(&text, UINT64_FORMAT "\n",
	                 record_permission_use && make_told() ? (uint64) told_at : 0);
	appendStringInfo(&text, "%s\n", identity_text(principal_identity(authority->principal)));
	appendStringInfo(&text, INT64_FORMAT " %d %s\n", authority->settled_at, (int) authority->acting,
	                 authority->acting == ACTING_IN_ONE ? uuid_text(&authority->tenant) : "-");
	principal_complete(authority->principal);
	grants = principal_known_grants(authority->principal, &ngrants);
	describe_grants(&text, grants, ngrants);
	return text.data;
}

void
worker_hand_over(const Authority *authority)
{
	char *description = describe(authority);

	Assert(!writing);
	writing = true;
	PG_TRY();
	{
		(void) set_config_option(WORKER_SETTING, description, PGC_SUSET, PGC_S_SESSION,
		                         GUC_ACTION_SAVE, true, ERROR, false);
	}
	PG_FINALLY();
	{
		writing = false;
	}
	PG_END_TRY();
	pfree(description);
}

/* ---- understanding --------------------------------------------------------------------------------- */

static void
understand_authority(char *line, Authority *authority)
{
	authority->settled_at = strtoll(require_word(&line), NULL, 10);
	authority->acting = (ActingTenant) atoi(require_word(&line));
	if (authority->acting == ACTING_IN_ONE)
		authority->tenant = require_uuid(&line);
}

/* understand_identity reads who is asking: the leader's word, since a proof may have ended meanwhile. */
static Principal *
understand_identity(const char *text)
{
	Identity identity = IDENTITY_INITIALIZER;

	if (*text != '\0' && !identity_parse(text, &identity))
		elog(ERROR, "malformed description of the leader's authority");
	return principal_make_described(&identity);
}

static void
understand(char *description, Authority *authority)
{
	(void) strsep(&description, "\n"); /* see leaders_told */
	authority->principal = understand_identity(strsep(&description, "\n"));
	understand_authority(strsep(&description, "\n"), authority);
	if (description != NULL)
		understand_grants(description, authority->principal);
}

bool
worker_take_over(Authority *authority)
{
	static Authority taken;
	static bool      taken_over = false;

	if (*worker_setting == '\0')
		return false;
	if (!taken_over)
		understand(pstrdup(worker_setting), &taken);
	taken_over = true;
	*authority = taken;
	return true;
}
