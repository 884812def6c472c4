/*
 * access_review.c
 *	  The review of a team, for whoever manages it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"

#include "compat.h"
#include "store/query.h"
#include "authority/team.h"

PG_FUNCTION_INFO_V1(teamrbac_access_review);

/* access_review(tenant_id): what in a team should be looked at, and what to do about it. */
Datum
teamrbac_access_review(PG_FUNCTION_ARGS)
{
	static SavedQuery review = {
		.sql = "SELECT r.finding, r.severity, teamrbac.printable(r.subject),"
			   " teamrbac.printable(r.detail), r.remedy || ';'"
			   " FROM teamrbac.review_tenants($1) AS r"
			   " ORDER BY r.severity DESC, r.finding, r.subject, r.remedy",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");

	require_permission(&tenant, PERMISSION_MANAGE_TEAM);
	query_return_set(fcinfo, &review, (Datum[]){UUIDPGetDatum(&tenant)}, NULL);
	return (Datum) 0;
}
