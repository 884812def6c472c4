/*
 * compat.h
 *	  Differences between the PostgreSQL versions that we build on, 15 to 18, and nowhere else.
 */
#ifndef TEAMRBAC_COMPAT_H
#define TEAMRBAC_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "teamrbac needs PostgreSQL 15 or later"
#endif

/*
 * The "extra" of a setting is freed by the server, with free() before 16 and by its own allocator since.
 */
#if PG_VERSION_NUM < 160000
#define guc_malloc(elevel, size) malloc(size)
#define guc_free(pointer) free(pointer)
#endif

/*
 * Before 17, an index scan with an array condition on any column but the first returns its rows out of
 * index order, and the planner knows that only of conditions that were arrays in the query already.  A
 * support function must not make such a condition there.
 */
#if PG_VERSION_NUM < 170000
#define ARRAY_CONDITION_KEEPS_INDEX_ORDER(indexcol) ((indexcol) == 0)
#else
#define ARRAY_CONDITION_KEEPS_INDEX_ORDER(indexcol) true
#endif

/* 18 has the attribute in front of the declaration, under the name that C23 gives it. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* 16 replaced the ownership test of each kind of object by one. */
#if PG_VERSION_NUM < 160000
#define compat_is_relation_owner(relid, roleid) pg_class_ownercheck((relid), (roleid))
#else
#define compat_is_relation_owner(relid, roleid) \
	object_ownercheck(RelationRelationId, (relid), (roleid))
#endif

/* 16 moved what is in a text's header out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 16 made the search for a setting public; before, all settings are. */
#include "utils/guc.h"
#include "utils/guc_tables.h"
static inline struct config_generic *
compat_find_setting(const char *name)
{
#if PG_VERSION_NUM < 160000
	struct config_generic **settings = get_guc_variables();

	for (int i = 0; i < GetNumConfigOptions(); i++)
	{
		if (strcmp(settings[i]->name, name) == 0)
			return settings[i];
	}
	return NULL;
#else
	return find_option(name, false, true, 0);
#endif
}

/* 16 has a way to report a bad name without an error. */
#include "utils/regproc.h"
#if PG_VERSION_NUM < 160000
#define compat_string_to_names(text) stringToQualifiedNameList(text)
#else
#define compat_string_to_names(text) stringToQualifiedNameList((text), NULL)
#endif

/* 17 numbers backends from 0, as their places in the array of processes are. */
#if PG_VERSION_NUM < 170000
#include "storage/backendid.h"
#define MY_BACKEND_SLOT (MyBackendId - 1)
#else
#include "storage/procnumber.h"
#define MY_BACKEND_SLOT MyProcNumber
#endif

/* 17 also keeps together what a process's virtual transaction is, and asks about locks in two ways. */
#if PG_VERSION_NUM < 170000
#include "storage/lock.h"
#include "storage/sinvaladt.h"
#define COMPAT_LXID lxid
#define compat_vxid_process(vxid) BackendIdGetProc((vxid).backendId)
#define compat_lock_held(tag, mode) LockHeldByMe((tag), (mode))
#else
#include "storage/lock.h"
#include "storage/procarray.h"
#define COMPAT_LXID vxid.lxid
#define compat_vxid_process(vxid) ProcNumberGetProc((vxid).procNumber)
#define compat_lock_held(tag, mode) LockHeldByMe((tag), (mode), false)
#endif

/* 18 counts what an index scan does for EXPLAIN, if it is told where. */
#if PG_VERSION_NUM < 180000
#define compat_index_beginscan(table, index, snapshot, nkeys) \
	index_beginscan((table), (index), (snapshot), (nkeys), 0)
#else
#define compat_index_beginscan(table, index, snapshot, nkeys) \
	index_beginscan((table), (index), (snapshot), NULL, (nkeys), 0)
#endif

/* Before 16 what walks through trees is declared without parameters, which C23 takes for none; since, it is cast there. */
#if PG_VERSION_NUM < 160000
#define compat_walker(walker) ((bool (*)())(pg_funcptr_t) (walker))
#else
#define compat_walker(walker) (walker)
#endif

/* 18 has constraints that are not enforced. */
#if PG_VERSION_NUM < 180000
#define compat_is_enforced(constraint) true
#else
#define compat_is_enforced(constraint) ((constraint)->conenforced)
#endif

/* 18's executor knows by itself whether a query runs once only. */
#if PG_VERSION_NUM < 180000
#define EXECUTOR_RUN_PARAMETERS \
	QueryDesc *query, ScanDirection direction, uint64 count, bool execute_once
#define EXECUTOR_RUN_ARGUMENTS query, direction, count, execute_once
#else
#define EXECUTOR_RUN_PARAMETERS QueryDesc *query, ScanDirection direction, uint64 count
#define EXECUTOR_RUN_ARGUMENTS query, direction, count
#endif

/* What is called while JSON is parsed says since 16 whether to go on; 17 can parse without allocating. */
#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#if PG_VERSION_NUM < 160000
typedef void CompatJsonResult;
#define COMPAT_JSON_CONTINUE
#else
typedef JsonParseErrorType CompatJsonResult;
#define COMPAT_JSON_CONTINUE JSON_SUCCESS
#endif
#if PG_VERSION_NUM < 170000
#define compat_json_lexer(json, length) \
	makeJsonLexContextCstringLen(unconstify(char *, (json)), (length), GetDatabaseEncoding(), true)
#else
#define compat_json_lexer(json, length) \
	makeJsonLexContextCstringLen(NULL, (json), (length), GetDatabaseEncoding(), true)
#endif

#include "executor/executor.h"
#if PG_VERSION_NUM < 180000
#define compat_executor_run(query) ExecutorRun((query), ForwardScanDirection, 0, true)
#else
#define compat_executor_run(query) ExecutorRun((query), ForwardScanDirection, 0)
#endif

#endif /* TEAMRBAC_COMPAT_H */
