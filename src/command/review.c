/*
 * review.c
 *	  Reviews of a team as a campaign: begin, decide item by item, finish.
 *
 * Each command reads: arguments, lock, authority, change, record.  What was decided is carried out by the commands on
 * members, keys, invitations and roles, which ask for the reviewer's own rights (carry_out_decision, in SQL).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/team.h"
#include "compat.h"
#include "record/audit.h"
#include "store/reason.h"
#include "store/dependents.h"
#include "store/query.h"
#include "store/text_rules.h"

PG_FUNCTION_INFO_V1(teamrbac_start_review);
PG_FUNCTION_INFO_V1(teamrbac_review_items);
PG_FUNCTION_INFO_V1(teamrbac_review_subject_now);
PG_FUNCTION_INFO_V1(teamrbac_decide);
PG_FUNCTION_INFO_V1(teamrbac_finish_review);
PG_FUNCTION_INFO_V1(teamrbac_schedule_reviews);

/* find_review finds the tenant of a review. */
static bool
find_review(const pg_uuid_t *review, pg_uuid_t *tenant)
{
	static SavedQuery find = {
		.sql = "SELECT tenant_id FROM teamrbac.review WHERE review_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	Datum value;
	bool  isnull;

	if (!query_row(&find, (Datum[]){UUIDPGetDatum(review)}, NULL, 1, &value, &isnull))
		return false;
	*tenant = *DatumGetUUIDP(value);
	return true;
}

/* lock_review locks the tenant of a review for a person who manages its team, and returns both. */
static pg_uuid_t
lock_review(const pg_uuid_t *review, pg_uuid_t *tenant)
{
	pg_uuid_t user = require_user(NULL);

	/* The same whether there is no such review or it is somebody else's. */
	if (!find_review(review, tenant))
		refuse_permission(NULL, PERMISSION_MANAGE_TEAM);
	lock_tenant_for(tenant, PERMISSION_MANAGE_TEAM);
	return user;
}

static pg_uuid_t
insert_review(const pg_uuid_t *tenant, const pg_uuid_t *user, TimestampTz due,
              bool remove_undecided)
{
	static SavedQuery insert = {
		.sql = "INSERT INTO teamrbac.review (tenant_id, started_by, due, remove_undecided)"
			   " VALUES ($1, $2, $3, $4) RETURNING review_id",
		.nargs = 4,
		.argtypes = {UUIDOID, UUIDOID, TIMESTAMPTZOID, BOOLOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(user), TimestampTzGetDatum(due),
	                BoolGetDatum(remove_undecided)};
	Datum review;
	bool  isnull;

	if (!query_row(&insert, args, NULL, 1, &review, &isnull))
		elog(ERROR, "review has no id");
	return *DatumGetUUIDP(review);
}

/* start_review(tenant_id, due, remove_undecided): begins a review of the team as it is. */
Datum
teamrbac_start_review(PG_FUNCTION_ARGS)
{
	static SavedQuery fill = {
		.sql =
			"INSERT INTO teamrbac.review_item"
			" (tenant_id, review_id, item, kind, subject_id, name, role, expires_at, permissions)"
			" SELECT $1, $2, i.item, i.kind, i.subject_id, i.name, i.role, i.expires_at, i.permissions"
			" FROM teamrbac.items_to_review($1) AS i",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	pg_uuid_t   tenant = uuid_arg(fcinfo, 0, "tenant_id");
	TimestampTz due;
	bool        remove_undecided = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	pg_uuid_t   user = require_user(&tenant);
	pg_uuid_t  *review = palloc(sizeof(pg_uuid_t));
	uint64      items;

	if (PG_ARGISNULL(1))
		refuse_null("due");
	due = PG_GETARG_TIMESTAMPTZ(1);

	lock_tenant_for(&tenant, PERMISSION_MANAGE_TEAM);

	if (due <= GetCurrentTimestamp() || TIMESTAMP_NOT_FINITE(due))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("due_invalid"),
		                errmsg("due must be a time in the future")));

	*review = insert_review(&tenant, &user, due, remove_undecided);
	items = query_execute(&fill, (Datum[]){UUIDPGetDatum(&tenant), UUIDPGetDatum(review)}, NULL);

	audit_tenant(&tenant, "review.started", audit_subject("review", review), NULL,
	             audit_fields("due", audit_time(due), "items", psprintf(UINT64_FORMAT, items),
	                          "remove_undecided", remove_undecided ? "true" : "false", NULL));
	PG_RETURN_UUID_P(review);
}

/* review_items(review_id): what is to be decided, and what has been. */
Datum
teamrbac_review_items(PG_FUNCTION_ARGS)
{
	static SavedQuery select = {
		.sql = "SELECT * FROM teamrbac.items_of_review($1, $2)",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	pg_uuid_t review = uuid_arg(fcinfo, 0, "review_id");
	pg_uuid_t tenant;
	bool      known = find_review(&review, &tenant);

	if (!superuser_is_asking())
		require_permission(known ? &tenant : NULL, PERMISSION_MANAGE_TEAM);
	else if (!known)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errreason("no_such_review"),
		                errmsg("there is no such review")));
	query_return_set(fcinfo, &select, (Datum[]){UUIDPGetDatum(&tenant), UUIDPGetDatum(&review)},
	                 NULL);
	return (Datum) 0;
}

/* review_subject_now(tenant_id, kind, subject_id, role_name): what an item is at this moment. */
Datum
teamrbac_review_subject_now(PG_FUNCTION_ARGS)
{
	static SavedQuery select = {
		.sql = "SELECT s.role, i.state = 'accepted', s.expires_at, s.permissions"
			   " FROM (VALUES (1)) AS one"
			   " LEFT JOIN teamrbac.review_subject($1, $2, $3, $4) AS s ON true"
			   " LEFT JOIN teamrbac.invitation AS i"
			   " ON $2 = 'invitation' AND i.tenant_id = $1 AND i.invitation_id = $3",
		.nargs = 4,
		.argtypes = {UUIDOID, TEXTOID, UUIDOID, TEXTOID},
	};
	Datum args[4];
	char  nulls[] = "    ";

	for (int i = 0; i < lengthof(args); i++)
	{
		args[i] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	query_return_changed(fcinfo, &select, args, nulls);
	return (Datum) 0;
}

static void
require_decision(const char *decision)
{
	if (strcmp(decision, "keep") != 0 && strcmp(decision, "change") != 0 &&
	    strcmp(decision, "remove") != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("decision_invalid"),
		                errmsg("decision must be \"keep\", \"change\" or \"remove\"")));
}

/* decide(review_id, item, decision, note, new_role, new_expiry): what becomes of an item. */
Datum
teamrbac_decide(PG_FUNCTION_ARGS)
{
	static SavedQuery decide = {
		.sql = "SELECT before, after FROM teamrbac.decide_item($1, $2, $3, $4, $5, $6, $7, $8)",
		.nargs = 8,
		.argtypes = {UUIDOID, UUIDOID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, UUIDOID},
	};
	pg_uuid_t review = uuid_arg(fcinfo, 0, "review_id");
	char     *decision = text_arg(fcinfo, 2, "decision");
	char     *note = PG_ARGISNULL(3) ? NULL : text_arg(fcinfo, 3, "note");
	pg_uuid_t tenant;
	pg_uuid_t user;
	Datum     args[8];
	char      nulls[] = "        ";
	Datum     values[2];
	bool      isnull[2];

	if (PG_ARGISNULL(1))
		refuse_null("item");
	require_decision(decision);
	if (note != NULL)
		note = require_printable_name("note", note);

	user = lock_review(&review, &tenant);

	args[0] = UUIDPGetDatum(&tenant);
	args[1] = UUIDPGetDatum(&review);
	args[2] = PG_GETARG_DATUM(1);
	args[3] = CStringGetTextDatum(decision);
	args[4] = note != NULL ? CStringGetTextDatum(note) : (Datum) 0;
	nulls[4] = note != NULL ? ' ' : 'n';
	args[5] = PG_ARGISNULL(4) ? (Datum) 0 : PG_GETARG_DATUM(4);
	nulls[5] = PG_ARGISNULL(4) ? 'n' : ' ';
	args[6] = PG_ARGISNULL(5) ? (Datum) 0 : PG_GETARG_DATUM(5);
	nulls[6] = PG_ARGISNULL(5) ? 'n' : ' ';
	args[7] = UUIDPGetDatum(&user);
	if (!query_row(&decide, args, nulls, 2, values, isnull))
		elog(ERROR, "a decision has no row");

	audit_tenant(&tenant, "review.decided", audit_subject("review", &review),
	             TextDatumGetCString(values[0]), TextDatumGetCString(values[1]));
	PG_RETURN_VOID();
}

/* finish_review(review_id): ends a review that is decided, or due. */
Datum
teamrbac_finish_review(PG_FUNCTION_ARGS)
{
	static SavedQuery end = {
		.sql = "SELECT teamrbac.end_review($1, $2, $3)",
		.nargs = 3,
		.argtypes = {UUIDOID, UUIDOID, UUIDOID},
	};
	pg_uuid_t review = uuid_arg(fcinfo, 0, "review_id");
	pg_uuid_t tenant;
	pg_uuid_t user = lock_review(&review, &tenant);
	Datum     counts;
	bool      isnull;

	if (!query_row(&end,
	               (Datum[]){UUIDPGetDatum(&tenant), UUIDPGetDatum(&review), UUIDPGetDatum(&user)},
	               NULL, 1, &counts, &isnull))
		elog(ERROR, "a review has no end");

	audit_tenant(&tenant, "review.finished", audit_subject("review", &review), NULL,
	             TextDatumGetCString(counts));
	PG_RETURN_VOID();
}

/* set_schedule keeps when a tenant's team is to be reviewed; every = NULL: not by itself. */
static void
set_schedule(const pg_uuid_t *tenant, const pg_uuid_t *user, Datum every, Datum due_in,
             bool remove_undecided)
{
	static SavedQuery upsert = {
		.sql =
			"INSERT INTO teamrbac.review_schedule AS s"
			" (tenant_id, scheduled_by, every, due_in, remove_undecided) VALUES ($1, $2, $3, $4, $5)"
			" ON CONFLICT (tenant_id) DO UPDATE SET scheduled_by = EXCLUDED.scheduled_by,"
			" every = EXCLUDED.every, due_in = EXCLUDED.due_in,"
			" remove_undecided = EXCLUDED.remove_undecided",
		.nargs = 5,
		.argtypes = {UUIDOID, UUIDOID, INTERVALOID, INTERVALOID, BOOLOID},
	};
	Datum args[] = {UUIDPGetDatum(tenant), UUIDPGetDatum(user), every, due_in,
	                BoolGetDatum(remove_undecided)};

	query_execute(&upsert, args, NULL);
}

static void
remove_schedule(const pg_uuid_t *tenant)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.review_schedule AS s WHERE tenant_id = $1 RETURNING s",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};

	query_delete("review_schedule", &delete, (Datum[]){UUIDPGetDatum(tenant)}, NULL);
}

/* schedule_reviews(tenant_id, every, due_in, remove_undecided): reviews the team now and then. */
Datum
teamrbac_schedule_reviews(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	bool      remove_undecided = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	pg_uuid_t user = require_user(&tenant);
	char     *every = NULL;
	char     *due_in = NULL;

	if (PG_ARGISNULL(2))
		refuse_null("due_in");

	lock_tenant_for(&tenant, PERMISSION_MANAGE_TEAM);

	if (PG_ARGISNULL(1))
		remove_schedule(&tenant);
	else
	{
		set_schedule(&tenant, &user, PG_GETARG_DATUM(1), PG_GETARG_DATUM(2), remove_undecided);
		every = OidOutputFunctionCall(F_INTERVAL_OUT, PG_GETARG_DATUM(1));
		due_in = OidOutputFunctionCall(F_INTERVAL_OUT, PG_GETARG_DATUM(2));
	}

	audit_tenant(&tenant, "reviews.scheduled", audit_subject("tenant", &tenant), NULL,
	             audit_fields("every", every, "due_in", due_in, "remove_undecided",
	                          remove_undecided ? "true" : "false", NULL));
	PG_RETURN_VOID();
}
