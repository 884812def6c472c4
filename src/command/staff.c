/*
 * staff.c
 *	  Visits of the platform's staff in a customer's tenant.
 *
 * A visit is an event in the tenant's audit.  What a transaction reads it has read even if it is rolled back, the
 * event with it; so nobody is signed in by an event that is not committed yet: the first call notes the visit, and a
 * call in a later transaction finds it and signs in.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/last_use.h"
#include "authority/principal.h"
#include "authority/team.h"
#include "command/sign_in.h"
#include "record/audit.h"
#include "store/query.h"
#include "store/reason.h"
#include "store/settings.h"
#include "store/text_rules.h"

PG_FUNCTION_INFO_V1(teamrbac_sign_in_as_staff);

typedef struct Visit
{
	Identity identity; /* without an end as yet */
	char    *reason;
} Visit;

/* visit_end takes how long a visit may last, and says when it ends. */
static TimestampTz
visit_end(FunctionCallInfo fcinfo, int arg)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz end;

	if (PG_ARGISNULL(arg))
		refuse_null("duration");
	end = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now),
	                                              PG_GETARG_DATUM(arg)));
	if (end <= now || end - now > setting_duration(SETTING_MAX_STAFF_VISIT))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("duration_invalid"),
		         errmsg("duration must be positive, and no longer than teamrbac.max_staff_visit")));
	return end;
}

/* refuse_member: members act in their own name, by what they were given. */
static void
refuse_member(const pg_uuid_t *user, const pg_uuid_t *tenant)
{
	Identity member = IDENTITY_INITIALIZER;

	member.kind = IDENTITY_USER;
	member.user_id = *user;
	member.in_tenant = true;
	member.tenant_id = *tenant;
	if (principal_grant(principal_of(&member), tenant)->state != GRANT_NONE)
		refuse_command(tenant, "staff_is_member", "a member of the tenant is no visitor there",
		               NULL, "Sign them in as a member.");
}

/* committed_visit finds a visit that was noted by an earlier transaction and goes on, and when it ends. */
static bool
committed_visit(const Visit *visit, TimestampTz *ends_at)
{
	static SavedQuery select = {
		.sql = "SELECT v.noted_by, v.ends_at FROM teamrbac.staff_visits_of($1, $2) AS v"
			   " WHERE v.reason = $3 AND v.allow_changes = $4"
			   " AND v.ends_at > pg_catalog.clock_timestamp() ORDER BY v.ends_at DESC",
		.nargs = 4,
		.argtypes = {UUIDOID, UUIDOID, TEXTOID, BOOLOID},
	};
	const Identity *identity = &visit->identity;
	Datum  args[] = {UUIDPGetDatum(&identity->tenant_id), UUIDPGetDatum(&identity->user_id),
	                 CStringGetTextDatum(visit->reason),
	                 BoolGetDatum(identity->staff == STAFF_CHANGE)};
	Datum *values;
	bool  *nulls;
	uint64 nfound = query_rows(&select, args, NULL, 2, &values, &nulls);

	for (uint64 i = 0; i < nfound; i++, values += 2)
	{
		if (TransactionIdIsCurrentTransactionId(DatumGetTransactionId(values[0])))
			continue;
		*ends_at = DatumGetTimestampTz(values[1]);
		return true;
	}
	return false;
}

/* note_visit notes a visit in the tenant's audit, in the visitor's own name. */
static void
note_visit(const Visit *visit, TimestampTz ends_at)
{
	const Identity *identity = &visit->identity;
	const Identity  nobody = IDENTITY_INITIALIZER;

	/* Nobody as yet, whom managers need not wait for. */
	identity_set(&nobody, true);
	if (!lock_tenant_yielding(&identity->tenant_id))
		refuse_unknown_tenant();
	identity_set(identity, true);
	audit_tenant(&identity->tenant_id, "staff.entered", audit_subject("user", &identity->user_id),
	             NULL,
	             audit_fields("reason", visit->reason, "access",
	                          identity->staff == STAFF_CHANGE ? "change" : "read", "ends_at",
	                          audit_time(ends_at), NULL));
	identity_set(&nobody, true);
}

/*
 * sign_in_as_staff(user_id, tenant_id, reason, allow_changes, duration, local): the transaction or the session acts as
 * this user, who is no member, in the tenant, until the visit ends.
 */
Datum
teamrbac_sign_in_as_staff(PG_FUNCTION_ARGS)
{
	pg_uuid_t   user = uuid_arg(fcinfo, 0, "user_id");
	pg_uuid_t   tenant = uuid_arg(fcinfo, 1, "tenant_id");
	Visit       visit = {.reason = text_arg(fcinfo, 2, "reason")};
	TimestampTz ends_at = visit_end(fcinfo, 4);
	bool        local = PG_ARGISNULL(5) || PG_GETARG_BOOL(5);
	Identity   *identity = &visit.identity;

	visit.reason = require_printable_name("reason", visit.reason);
	AcceptInvalidationMessages();
	*identity = require_active_user(&user);
	identity->in_tenant = true;
	identity->tenant_id = tenant;
	identity->staff = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3) ? STAFF_CHANGE : STAFF_READ;
	refuse_member(&user, &tenant);

	if (!committed_visit(&visit, &ends_at))
	{
		note_visit(&visit, ends_at);
		ereport(NOTICE, (errmsg("the visit is noted, and nobody is signed in yet"),
		                 errhint("Commit, and sign in again in the next transaction.")));
		PG_RETURN_NULL();
	}
	identity->ends_at = ends_at;
	enter_tenant(identity, &tenant);
	identity_set(identity, local);
	note_user_activity(&user);
	warn_if_over(local);
	PG_RETURN_TIMESTAMPTZ(ends_at);
}
