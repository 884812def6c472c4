/*
 * member_term.c
 *	  Keeps what members are found by (table member_term) as their names and addresses are.
 *
 * Both sides lock before they look: a new membership its user's row, a renamed user their memberships.  So whichever
 * commits last has seen the other.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "compat.h"
#include "store/query.h"
#include "store/restore.h"

PG_FUNCTION_INFO_V1(teamrbac_index_members);
PG_FUNCTION_INFO_V1(teamrbac_shared_length);
PG_FUNCTION_INFO_V1(teamrbac_prefix_end);

/* row_uuid returns a column of a trigger's row; such columns are NOT NULL. */
static Datum
row_uuid(const TriggerData *trigdata, HeapTuple row, const char *column)
{
	TupleDesc tupdesc = RelationGetDescr(trigdata->tg_relation);
	bool      isnull;

	return SPI_getbinval(row, tupdesc, SPI_fnumber(tupdesc, column), &isnull);
}

static void
forget_member(Datum tenant, Datum user)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.member_term WHERE user_id = $1 AND tenant_id = $2",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};

	query_execute(&delete, (Datum[]){user, tenant}, NULL);
}

static void
index_member(Datum tenant, Datum user)
{
	static SavedQuery insert = {
		.sql =
			"INSERT INTO teamrbac.member_term (tenant_id, kind, shared, term, user_id)"
			" SELECT $1, t.kind, t.shared, t.term, $2"
			" FROM (SELECT u.display_name, u.email::pg_catalog.text AS email FROM teamrbac.app_user AS u"
			" WHERE u.user_id = $2 FOR SHARE) AS u"
			" CROSS JOIN LATERAL teamrbac.terms_of_name(u.display_name, u.email) AS t"
			" ON CONFLICT DO NOTHING",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};

	query_execute(&insert, (Datum[]){tenant, user}, NULL);
}

static void
forget_user(Datum user)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.member_term WHERE user_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};

	query_execute(&delete, (Datum[]){user}, NULL);
}

static void
index_user(Datum user)
{
	static SavedQuery lock = {
		.sql =
			"SELECT FROM teamrbac.membership WHERE user_id = $1 ORDER BY tenant_id FOR KEY SHARE",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	static SavedQuery insert = {
		.sql =
			"INSERT INTO teamrbac.member_term (tenant_id, kind, shared, term, user_id)"
			" SELECT m.tenant_id, t.kind, t.shared, t.term, u.user_id"
			" FROM teamrbac.app_user AS u"
			" CROSS JOIN LATERAL teamrbac.terms_of_name(u.display_name, u.email::pg_catalog.text) AS t"
			" JOIN teamrbac.membership AS m ON m.user_id = u.user_id WHERE u.user_id = $1"
			" ON CONFLICT DO NOTHING",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};

	query_execute(&lock, (Datum[]){user}, NULL);
	forget_user(user);
	query_execute(&insert, (Datum[]){user}, NULL);
}

static void
forget_all(void)
{
	static SavedQuery delete = {.sql = "DELETE FROM teamrbac.member_term"};

	query_execute(&delete, NULL, NULL);
}

/* follow_row brings the terms of one changed row up to date; a row of app_user has no tenant. */
static void
follow_row(const TriggerData *trigdata, bool is_user)
{
	TriggerEvent event = trigdata->tg_event;
	HeapTuple    old = TRIGGER_FIRED_BY_INSERT(event) ? NULL : trigdata->tg_trigtuple;
	HeapTuple new = TRIGGER_FIRED_BY_UPDATE(event)   ? trigdata->tg_newtuple
	                : TRIGGER_FIRED_BY_INSERT(event) ? trigdata->tg_trigtuple
	                                                 : NULL;

	if (is_user)
	{
		if (old != NULL && new == NULL)
			forget_user(row_uuid(trigdata, old, "user_id"));
		if (new != NULL)
			index_user(row_uuid(trigdata, new, "user_id"));
		return;
	}
	if (old != NULL)
		forget_member(row_uuid(trigdata, old, "tenant_id"), row_uuid(trigdata, old, "user_id"));
	if (new != NULL)
		index_member(row_uuid(trigdata, new, "tenant_id"), row_uuid(trigdata, new, "user_id"));
}

/* index_members(): the trigger on memberships and users. */
Datum
teamrbac_index_members(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigdata->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		                errmsg("function \"%s\" must be called by a trigger after the change",
		                       "index_members")));
	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		forget_all();
	/* A dump brings the terms along, and a parallel restore could not see the other table's rows. */
	else if (!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) || !restoring(trigdata->tg_relation))
		follow_row(trigdata,
		           SPI_fnumber(RelationGetDescr(trigdata->tg_relation), "tenant_id") <= 0);
	return PointerGetDatum(NULL);
}

/* shared_length(a, b): how many characters the two begin with alike. */
Datum
teamrbac_shared_length(PG_FUNCTION_ARGS)
{
	text       *a = PG_GETARG_TEXT_PP(0);
	text       *b = PG_GETARG_TEXT_PP(1);
	const char *at = VARDATA_ANY(a);
	int         rest = Min(VARSIZE_ANY_EXHDR(a), VARSIZE_ANY_EXHDR(b));
	const char *other = VARDATA_ANY(b);
	int16       shared = 0;

	while (rest > 0)
	{
		int length = pg_mblen(at);

		if (length > rest || memcmp(at, other, length) != 0)
			break;
		at += length;
		other += length;
		rest -= length;
		shared++;
	}
	PG_RETURN_INT16(shared);
}

/*
 * prefix_end(prefix): what follows, byte by byte, all that begins with the prefix.  No text in any encoding, and for
 * comparison only.
 */
Datum
teamrbac_prefix_end(PG_FUNCTION_ARGS)
{
	static const char last[] = "\xff\xff\xff\xff";
	text             *prefix = PG_GETARG_TEXT_PP(0);
	int               length = VARSIZE_ANY_EXHDR(prefix);
	text             *end = palloc(VARHDRSZ + length + strlen(last));

	SET_VARSIZE(end, VARHDRSZ + length + strlen(last));
	memcpy(VARDATA(end), VARDATA_ANY(prefix), length);
	memcpy(VARDATA(end) + length, last, strlen(last));
	PG_RETURN_TEXT_P(end);
}
