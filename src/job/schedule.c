/*
 * schedule.c
 *	  Maintenance by pg_cron.
 *
 * pg_cron lives in one database of the cluster, the setting cron.database_name says which, and runs jobs in all of
 * them.  Where that is another database than ours, a background worker goes there for us: it needs no password
 * and no dblink, acts as whoever called, and what it has done stays done if the caller's transaction fails.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "store/catalog.h"
#include "compat.h"
#include "store/query.h"
#include "authority/team.h"
#include "store/reason.h"

#define CRON_EXTENSION "pg_cron"

PG_FUNCTION_INFO_V1(teamrbac_cron_call);
PG_FUNCTION_INFO_V1(teamrbac_unschedule_at_drop);

PGDLLEXPORT void teamrbac_cron_worker(Datum main_arg);

typedef enum CronOperation
{
	CRON_SCHEDULE,
	CRON_UNSCHEDULE,
	CRON_LIST
} CronOperation;

/* What a worker is told, and answers, in shared memory. */
typedef struct CronCall
{
	char          cron_database[NAMEDATALEN];
	char          role[NAMEDATALEN];
	char          database[NAMEDATALEN]; /* whose jobs */
	CronOperation operation;
	bool          done;     /* answered; if not, it did not even get there */
	int           sqlstate; /* 0: it went well */
	char          reason[NAMEDATALEN];
	char          answer[32 * 1024];
} CronCall;

/* ---- in pg_cron's database --------------------------------------------------------------------------- */

/*
 * Of our jobs in a database: those of others, and those that later versions don't have any more.  A job's name is
 * of type name, so that a long database name has no place in it.
 */
#define OUR_JOBS                                   \
	"database = $1 AND jobname::pg_catalog.text ~" \
	" '^teamrbac\\.[a-z_]+ in '"
#define JOB_NAME                                                                           \
	"pg_catalog.concat('teamrbac.', j.name, ' in ', CASE WHEN pg_catalog.octet_length($1)" \
	" <= 32 THEN $1 ELSE pg_catalog.md5($1) END)"

static void
unschedule_jobs(const char *database, bool all)
{
	static SavedQuery unschedule = {
		.sql = "SELECT cron.unschedule(jobid) FROM cron.job WHERE " OUR_JOBS
			   " AND ($2 OR username <> CURRENT_USER)",
		.nargs = 2,
		.argtypes = {TEXTOID, BOOLOID},
		.anywhere = true,
	};

	query_execute(&unschedule, (Datum[]){CStringGetTextDatum(database), BoolGetDatum(all)}, NULL);
}

static void
schedule_jobs(const char *database)
{
	static SavedQuery schedule = {
		.sql =
			"SELECT cron.schedule_in_database(" JOB_NAME ", j.schedule,"
			" pg_catalog.concat('CALL teamrbac.', j.name, '()'), $1)"
			" FROM (VALUES ('expire_invitations', '* * * * *'), ('expire_memberships', '* * * * *'),"
			" ('purge', '17 3 * * *')) AS j(name, schedule)",
		.nargs = 1,
		.argtypes = {TEXTOID},
		.anywhere = true,
	};

	/* Once, whoever did it before. */
	unschedule_jobs(database, false);
	query_execute(&schedule, (Datum[]){CStringGetTextDatum(database)}, NULL);
}

static char *
list_jobs(const char *database)
{
	static SavedQuery list = {
		.sql =
			"SELECT COALESCE(pg_catalog.json_agg(j ORDER BY j.job, j.run_as), '[]')::pg_catalog.text FROM ("
			"SELECT jobid AS job_id, jobname AS job, schedule, command, username AS run_as, active,"
			" d.status AS last_status, d.start_time AS last_start,"
			" pg_catalog.left(d.return_message, 200) AS last_message"
			" FROM cron.job LEFT JOIN LATERAL ("
			"SELECT r.status, r.start_time, r.return_message FROM cron.job_run_details AS r"
			" WHERE r.jobid = job.jobid ORDER BY r.runid DESC LIMIT 1) AS d ON true"
			" WHERE " OUR_JOBS ") AS j",
		.nargs = 1,
		.argtypes = {TEXTOID},
		.anywhere = true,
	};
	Datum jobs;
	bool  isnull;

	if (!query_row(&list, (Datum[]){CStringGetTextDatum(database)}, NULL, 1, &jobs, &isnull))
		elog(ERROR, "no list of jobs");
	return TextDatumGetCString(jobs);
}

/* run_here does what is asked in this database, pg_cron's, and returns the jobs concerned as JSON. */
static char *
run_here(CronOperation operation, const char *database)
{
	char *jobs;

	if (!OidIsValid(get_extension_oid(CRON_EXTENSION, true)))
	{
		if (operation == CRON_LIST)
			return "[]";
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("pg_cron_missing"),
		         errmsg("extension \"%s\" is not installed in database \"%s\"", CRON_EXTENSION,
		                get_database_name(MyDatabaseId)),
		         errhint("CREATE EXTENSION %s there.", CRON_EXTENSION)));
	}
	if (operation == CRON_SCHEDULE)
		schedule_jobs(database);
	jobs = list_jobs(database);
	if (operation == CRON_UNSCHEDULE)
		unschedule_jobs(database, true);
	return jobs;
}

/* ---- from another database --------------------------------------------------------------------------- */

static void
answer(CronCall *call, int sqlstate, const char *text)
{
	if (sqlstate == 0 && strlen(text) >= sizeof(call->answer))
		elog(ERROR, "too many jobs");
	strlcpy(call->answer, text, sizeof(call->answer));
	call->sqlstate = sqlstate;
}

/* The background worker: connects to pg_cron's database, does what is asked, and ends. */
void
teamrbac_cron_worker(Datum main_arg)
{
	dsm_segment *segment;
	CronCall    *call;

	BackgroundWorkerUnblockSignals();
	segment = dsm_attach(DatumGetUInt32(main_arg));
	if (segment == NULL)
		return; /* the caller has given up */
	call = dsm_segment_address(segment);
	BackgroundWorkerInitializeConnection(call->cron_database, call->role, 0);
	SetConfigOption("search_path", QUERY_SEARCH_PATH, PGC_USERSET, PGC_S_SESSION);

	StartTransactionCommand();
	PG_TRY();
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		answer(call, 0, run_here(call->operation, call->database));
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(TopMemoryContext);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		if (error->constraint_name != NULL)
			strlcpy(call->reason, error->constraint_name, NAMEDATALEN);
		answer(call, error->sqlerrcode, error->message);
	}
	PG_END_TRY();
	call->done = true;
}

static void
start_worker(dsm_segment *segment, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_ConsistentState,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "$libdir/teamrbac",
		.bgw_function_name = "teamrbac_cron_worker",
		.bgw_name = "teamrbac maintenance scheduler",
		.bgw_type = "teamrbac maintenance scheduler",
	};

	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(segment));
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, handle))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
		                errmsg("could not start a background worker"),
		                errhint("Consider increasing max_worker_processes.")));
}

/* run_there has a worker do what is asked in pg_cron's database. */
static char *
run_there(CronOperation operation, const char *database, const char *cron_database)
{
	dsm_segment            *segment = dsm_create(sizeof(CronCall), 0);
	CronCall               *call = dsm_segment_address(segment);
	BackgroundWorkerHandle *handle;
	char                   *jobs;

	memset(call, 0, sizeof(CronCall));
	strlcpy(call->cron_database, cron_database, NAMEDATALEN);
	strlcpy(call->role, GetUserNameFromId(GetUserId(), false), NAMEDATALEN);
	strlcpy(call->database, database, NAMEDATALEN);
	call->operation = operation;
	start_worker(segment, &handle);
	if (WaitForBackgroundWorkerShutdown(handle) == BGWH_POSTMASTER_DIED || !call->done)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errreason("pg_cron_unreachable"),
		         errmsg("could not reach pg_cron in database \"%s\"", cron_database),
		         errhint("The server's log says why; role \"%s\" must be able to connect to it.",
		                 call->role)));
	if (call->sqlstate != 0)
		ereport(ERROR,
		        (errcode(call->sqlstate), call->reason[0] != '\0' ? errreason(call->reason) : 0,
		         errmsg("%s", call->answer),
		         errcontext("pg_cron in database \"%s\"", cron_database)));
	jobs = pstrdup(call->answer);
	dsm_detach(segment);
	return jobs;
}

/* ---- from here --------------------------------------------------------------------------------------- */

/* find_cron_database returns the database that pg_cron works in, NULL if it isn't running. */
static const char *
find_cron_database(void)
{
	const char *database = GetConfigOption("cron.database_name", true, false);

	/* A setting of a library that isn't loaded is but a line in a file. */
	if (database == NULL ||
	    (GetConfigOptionFlags("cron.database_name", true) & GUC_CUSTOM_PLACEHOLDER) != 0)
		return NULL;
	return database;
}

static char *
run(CronOperation operation)
{
	const char *cron_database = find_cron_database();
	char       *database = get_database_name(MyDatabaseId);

	if (cron_database == NULL)
	{
		if (operation == CRON_LIST)
			return "[]";
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("pg_cron_missing"),
		     errmsg("%s is not running on this server", CRON_EXTENSION),
		     errhint(
				 "Install it, add it to shared_preload_libraries, set cron.database_name, restart, and "
				 "CREATE EXTENSION %s in that database; or have another scheduler CALL "
				 "teamrbac.expire_invitations(), teamrbac.expire_memberships() and teamrbac.purge().",
				 CRON_EXTENSION)));
	}
	if (strcmp(cron_database, database) == 0)
		return run_here(operation, database);
	return run_there(operation, database, cron_database);
}

/* cron_call(operation): schedules, unschedules or lists our jobs in pg_cron; returns them as JSON. */
Datum
teamrbac_cron_call(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		[CRON_SCHEDULE] = "schedule", [CRON_UNSCHEDULE] = "unschedule", [CRON_LIST] = "list"};
	char *name = text_arg(fcinfo, 0, "operation");

	catalog_require_version();
	for (int operation = 0; operation < lengthof(names); operation++)
	{
		if (strcmp(name, names[operation]) == 0)
			PG_RETURN_TEXT_P(cstring_to_text(run(operation)));
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("unknown_operation"),
	                errmsg("unknown operation")));
}

/* ---- DROP EXTENSION --------------------------------------------------------------------------------- */

/* drops_us tells whether a DROP EXTENSION takes us along: by name, or what we require, with CASCADE. */
static bool
drops_us(const DropStmt *stmt)
{
	ListCell *cell;

	foreach(cell, stmt->objects)
	{
		const char *name = strVal(lfirst(cell));

		if (strcmp(name, "teamrbac") == 0 ||
		    (stmt->behavior == DROP_CASCADE && strcmp(name, "pgcrypto") == 0))
			return true;
	}
	return false;
}

/*
 * unschedule_at_drop(): an event trigger, before DROP EXTENSION, so that no job of ours stays behind to fail every
 * minute.
 */
Datum
teamrbac_unschedule_at_drop(PG_FUNCTION_ARGS)
{
	EventTriggerData *trigger = (EventTriggerData *) fcinfo->context;
	const char       *cron_database = find_cron_database();

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
		                errmsg("function \"%s\" must be called by an event trigger",
		                       "unschedule_at_drop")));
	if (!IsA(trigger->parsetree, DropStmt) || !drops_us((DropStmt *) trigger->parsetree))
		PG_RETURN_NULL();
	if (cron_database == NULL || !OidIsValid(get_database_oid(cron_database, true)) ||
	    strcmp(run(CRON_LIST), "[]") == 0)
		PG_RETURN_NULL();
	(void) run(CRON_UNSCHEDULE);
	ereport(NOTICE, (errmsg("maintenance of this database is no longer scheduled"),
	                 errdetail("Its jobs in database \"%s\" were removed.", cron_database)));
	PG_RETURN_NULL();
}
