/*
 * access_review.c
 *	  The review of a team, for whoever manages it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "store/query.h"
#include "store/settings.h"
#include "authority/team.h"

PG_FUNCTION_INFO_V1(teamrbac_access_review);
PG_FUNCTION_INFO_V1(teamrbac_note_review);
PG_FUNCTION_INFO_V1(teamrbac_unused_days);

/* access_review(tenant_id): what in a team should be looked at, and what to do about it. */
Datum
teamrbac_access_review(PG_FUNCTION_ARGS)
{
	static SavedQuery review = {
		.sql = "SELECT r.finding, r.severity, r.subject, r.detail, r.remedy"
			   " FROM teamrbac.review_tenant($1) AS r",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");

	require_permission(&tenant, PERMISSION_MANAGE_TEAM);
	query_return_set(fcinfo, &review, (Datum[]){UUIDPGetDatum(&tenant)}, NULL);
	return (Datum) 0;
}

/* unused_days(): after how many days something counts as unused. */
Datum
teamrbac_unused_days(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32((int32) (setting_duration(SETTING_UNUSED_AFTER) / USECS_PER_DAY));
}

/* How far a review is, and when it said so. */
typedef struct ReviewProgress
{
	TimestampTz told_at;
	uint64      members;
} ReviewProgress;

/* note_review(): says about once a second how many members the query that calls it has looked at. */
Datum
teamrbac_note_review(PG_FUNCTION_ARGS)
{
	ReviewProgress *progress = fcinfo->flinfo->fn_extra;

	if (progress == NULL)
	{
		progress = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(ReviewProgress));
		progress->told_at = GetCurrentTimestamp();
		progress->members = 0;
		fcinfo->flinfo->fn_extra = progress;
	}
	/* Not the clock for each. */
	if (++progress->members % 1000 == 0 &&
	    TimestampDifferenceExceeds(progress->told_at, GetCurrentTimestamp(), 1000))
	{
		CHECK_FOR_INTERRUPTS();
		ereport(NOTICE, (errmsg("reviewed " UINT64_FORMAT " members", progress->members)));
		progress->told_at = GetCurrentTimestamp();
	}
	PG_RETURN_BOOL(true);
}
