/*
 * mail_allowance.c
 *	  How much mail may be queued within a day.
 *
 * Whatever became of it counts: a mail that was withdrawn before it went out may as well have been sent.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "record/mail_allowance.h"
#include "store/dirty_scan.h"
#include "store/query.h"
#include "store/reason.h"
#include "store/settings.h"

/* The place of mail_id among the outbox's columns. */
#define ANUM_OUTBOX_MAIL_ID 2

static TimestampTz
a_day_ago(void)
{
	return GetCurrentTimestamp() - USECS_PER_DAY;
}

/* count_tenant_mails counts to one more than the limit. */
static uint64
count_tenant_mails(const pg_uuid_t *tenant)
{
	static SavedQuery find = {
		.sql = "SELECT FROM teamrbac.outbox WHERE tenant_id = $1 AND created_at > $2 LIMIT $3",
		.nargs = 3,
		.argtypes = {UUIDOID, TIMESTAMPTZOID, INT8OID},
	};

	return query_execute(&find,
	                     (Datum[]){UUIDPGetDatum(tenant), TimestampTzGetDatum(a_day_ago()),
	                               Int64GetDatum((int64) max_tenant_mails_per_day + 1)},
	                     NULL);
}

static Datum
address_key(const char *address)
{
	static SavedQuery key = {
		.sql = "SELECT teamrbac.address_key($1)",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	Datum value;
	bool  isnull;

	if (!query_row(&key, (Datum[]){CStringGetTextDatum(address)}, NULL, 1, &value, &isnull))
		elog(ERROR, "an expression has no value");
	return value;
}

/* count_recipient_mails counts what other tenants are about to send too. */
static int
count_recipient_mails(const char *recipient)
{
	ScanKeyData keys[2];
	pg_uuid_t  *mails;

	ScanKeyEntryInitialize(&keys[0], 0, 1, BTEqualStrategyNumber, InvalidOid, C_COLLATION_OID,
	                       F_TEXTEQ, address_key(recipient));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_TIMESTAMPTZ_GT,
	            TimestampTzGetDatum(a_day_ago()));
	return dirty_scan("outbox", "outbox_recipient_idx", 2, keys, ANUM_OUTBOX_MAIL_ID, &mails);
}

bool
mail_is_allowed(const pg_uuid_t *tenant, const char *recipient)
{
	return count_tenant_mails(tenant) < max_tenant_mails_per_day &&
	       count_recipient_mails(recipient) < max_recipient_mails_per_day;
}

void
require_mail_allowance(const pg_uuid_t *tenant, const char *recipient)
{
	if (count_tenant_mails(tenant) > max_tenant_mails_per_day)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("too_many_mails"),
		         errmsg("too many mails have been queued for the tenant"),
		         errdetail("There may be %d within 24 hours (teamrbac.max_tenant_mails_per_day).",
		                   max_tenant_mails_per_day),
		         errhint("Try again tomorrow.")));
	if (count_recipient_mails(recipient) > max_recipient_mails_per_day)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		     errreason("too_many_mails_to_address"),
		     errmsg("too many mails have been queued for this e-mail address"),
		     errdetail("There may be %d within 24 hours (teamrbac.max_recipient_mails_per_day).",
		               max_recipient_mails_per_day),
		     errhint("Try again tomorrow.")));
}
