/*
 * worker.c
 *	  What parallel workers take over of their leader's authority.
 *
 * A worker that looked for itself might see a change that its leader did not: a parallel index scan with another array
 * of tenants in each process loses rows, or gives them twice.  So the leader settles its authority before there are
 * workers, and describes it in a setting, which PostgreSQL copies into each worker as it copies all settings.  As with the
 * identity, nobody can set it: the check hook lets it through only while we write it, or a worker starts.
 *
 * The other way goes what is to be recorded as used: by memory that the session's processes share, whose place the
 * description begins with.
 *
 * The description: that place, who is asking, time, acting tenant, then the sets of permissions that occur, then the grants, a line each.
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

#include "authority/identity.h"
#include "authority/permission.h"
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
	if (strncmp(worker_setting, "u ", 2) != 0 || CurrentSession->area == NULL)
		return NULL;
	return dsa_get_address(CurrentSession->area, strtoull(worker_setting + 2, NULL, 10));
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

/* set_number finds a set among those described, or describes it. */
static int
set_number(StringInfo sets, List **known, const Bitmapset *permissions)
{
	ListCell *cell;
	int       number = -1;

	foreach(cell, *known)
	{
		if (bms_equal(lfirst(cell), permissions))
			return foreach_current_index(cell);
	}
	*known = lappend(*known, bms_copy(permissions));
	appendStringInfoChar(sets, 's');
	while ((number = bms_next_member(permissions, number)) >= 0)
		appendStringInfo(sets, " %s", permission_name(number));
	appendStringInfoChar(sets, '\n');
	return list_length(*known) - 1;
}

static char *
describe(const Authority *authority)
{
	StringInfoData sets;
	StringInfoData grants;
	List          *known = NIL;
	const Grant  **list;
	int            nlist;

	initStringInfo(&sets);
	initStringInfo(&grants);
	if (record_permission_use && make_told())
		appendStringInfo(&sets, "u " UINT64_FORMAT "\n", (uint64) told_at);
	appendStringInfo(&sets, "i %s\n", identity_text(principal_identity(authority->principal)));
	appendStringInfo(&sets, "a " INT64_FORMAT " %d %s\n", authority->settled_at,
	                 (int) authority->acting,
	                 authority->acting == ACTING_IN_ONE ? uuid_text(&authority->tenant) : "-");
	principal_complete(authority->principal);
	list = principal_known_grants(authority->principal, &nlist);
	for (int i = 0; i < nlist; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (list[i]->role != NULL)
			appendStringInfo(&grants, "g %s %d " INT64_FORMAT " %d %s\n",
			                 uuid_text(&list[i]->tenant_id), (int) list[i]->state,
			                 list[i]->expires_at, set_number(&sets, &known, list[i]->permissions),
			                 list[i]->role->name);
	}
	appendBinaryStringInfo(&sets, grants.data, grants.len);
	return sets.data;
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

/* next_word takes the next word of a line, which it cuts; NULL at its end. */
static char *
next_word(char **line)
{
	char *word = *line;

	if (word == NULL || *word == '\0')
		return NULL;
	*line = strchr(word, ' ');
	if (*line != NULL)
		*(*line)++ = '\0';
	return word;
}

static char *
require_word(char **line)
{
	char *word = next_word(line);

	if (word == NULL)
		elog(ERROR, "malformed description of the leader's authority");
	return word;
}

static pg_uuid_t
require_uuid(char **line)
{
	const char *word = require_word(line);
	pg_uuid_t   uuid;

	if (!parse_uuid(&word, &uuid))
		elog(ERROR, "malformed description of the leader's authority");
	return uuid;
}

static void
understand_authority(char *line, Authority *authority)
{
	authority->settled_at = strtoll(require_word(&line), NULL, 10);
	authority->acting = (ActingTenant) atoi(require_word(&line));
	if (authority->acting == ACTING_IN_ONE)
		authority->tenant = require_uuid(&line);
}

static Bitmapset *
understand_set(char *line)
{
	Bitmapset *set = NULL;
	char      *name;

	while ((name = next_word(&line)) != NULL)
		set = bms_add_member(set, permission_number(name));
	return set;
}

static void
understand_grant(char *line, List *sets, Principal *principal)
{
	Grant grant = {.tenant_id = require_uuid(&line)};

	grant.state = (GrantState) atoi(require_word(&line));
	grant.expires_at = strtoll(require_word(&line), NULL, 10);
	grant.permissions = list_nth(sets, atoi(require_word(&line)));
	principal_add_described(principal, &grant, require_word(&line));
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
	List *sets = NIL;
	char *line;

	while ((line = strsep(&description, "\n")) != NULL && *line != '\0')
	{
		char *rest = line + Min(strlen(line), 2);

		CHECK_FOR_INTERRUPTS();
		if (*line == 'u')
			continue;
		if (*line == 'i')
			authority->principal = understand_identity(rest);
		else if (*line == 'a')
			understand_authority(rest, authority);
		else if (*line == 's')
			sets = lappend(sets, understand_set(rest));
		else
			understand_grant(rest, sets, authority->principal);
	}
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
