/*
 * erase_user.c
 *	  The end of a user: access, memberships and every trace of who they were.
 *
 * The tenants' rows are locked first, in the order of their ids, then the user's: the order in which everybody
 * locks them.  Erasure comes last, after everything has been recorded that has an address in it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "compat.h"
#include "authority/errors.h"
#include "authority/precedence.h"
#include "authority/team.h"
#include "command/account.h"
#include "command/invitation.h"
#include "command/linked_identity.h"
#include "command/offers.h"
#include "record/audit.h"
#include "store/catalog.h"
#include "store/dependents.h"
#include "store/query.h"
#include "store/text_rules.h"

PG_FUNCTION_INFO_V1(teamrbac_delete_user);
PG_FUNCTION_INFO_V1(teamrbac_set_user_locale);

/* The addresses and names that a user has and had, as SQL arrays. */
typedef struct Traces
{
	Datum addresses;
	Datum names;
} Traces;

static Traces
find_traces(const pg_uuid_t *user)
{
	static SavedQuery select = {
		.sql = "SELECT addresses, names FROM teamrbac.user_traces($1)",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	Datum values[2];
	bool  nulls[2];

	if (!query_row(&select, (Datum[]){UUIDPGetDatum(user)}, NULL, 2, values, nulls))
		elog(ERROR, "user has no traces");
	return (Traces){.addresses = values[0], .names = values[1]};
}

/* pass_gates_of passes the gates of tenants, in the order of their ids, so that none of their people holds this up. */
static void
pass_gates_of(const pg_uuid_t *user, const Traces *traces)
{
	static SavedQuery select = {
		.sql = "SELECT m.tenant_id FROM teamrbac.membership AS m WHERE m.user_id = $1"
			   " UNION SELECT i.tenant_id FROM teamrbac.invitation AS i"
			   " WHERE teamrbac.address_key(i.email) = ANY ($2) AND i.state = 'pending'"
			   " ORDER BY tenant_id",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTARRAYOID},
	};
	Datum *values;
	bool  *nulls;
	uint64 ntenants = query_rows(&select, (Datum[]){UUIDPGetDatum(user), traces->addresses}, NULL,
	                             1, &values, &nulls);

	for (uint64 i = 0; i < ntenants; i++)
	{
		CHECK_FOR_INTERRUPTS();
		take_precedence(GATE_TENANT, DatumGetUUIDP(values[i]));
	}
}

/*
 * lock_tenants_of locks the tenants, deleted ones too, in which the user is a member, or their address is
 * invited.
 */
static void
lock_tenants_of(const pg_uuid_t *user, const Traces *traces)
{
	static SavedQuery lock = {
		.sql = "SELECT FROM teamrbac.tenant AS t WHERE t.tenant_id IN ("
			   "SELECT m.tenant_id FROM teamrbac.membership AS m WHERE m.user_id = $1"
			   " UNION SELECT i.tenant_id FROM teamrbac.invitation AS i"
			   " WHERE teamrbac.address_key(i.email) = ANY ($2) AND i.state = 'pending')"
			   " ORDER BY t.tenant_id FOR NO KEY UPDATE",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTARRAYOID},
	};

	pass_gates_of(user, traces);
	query_execute(&lock, (Datum[]){UUIDPGetDatum(user), traces->addresses}, NULL);
	generation_advance();
}

static uint64
count_memberships(const pg_uuid_t *user)
{
	static SavedQuery select = {
		.sql = "SELECT FROM teamrbac.membership WHERE user_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};

	return query_execute(&select, (Datum[]){UUIDPGetDatum(user)}, NULL);
}

/* lock_user_for_good locks the user's row, so that no other row comes to refer to it. */
static void
lock_user_for_good(const pg_uuid_t *user)
{
	static SavedQuery lock = {
		.sql = "SELECT FROM teamrbac.app_user WHERE user_id = $1 FOR UPDATE",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	uint64 nmemberships = count_memberships(user);

	take_precedence(GATE_USER, user);
	if (query_execute(&lock, (Datum[]){UUIDPGetDatum(user)}, NULL) == 0)
		refuse_no_such_user();
	/* A tenant that they joined since must be locked before the user: too late for this transaction. */
	if (count_memberships(user) > nmemberships)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE), errreason("changed_meanwhile"),
		                errmsg("user has joined a tenant meanwhile"), errhint("Try again.")));
}

/* end_memberships ends each membership as remove_member would, but for the mail and what bars from coming back. */
static void
end_memberships(const pg_uuid_t *user)
{
	static SavedQuery select = {
		.sql = "SELECT tenant_id, role::pg_catalog.text FROM teamrbac.membership"
			   " WHERE user_id = $1 ORDER BY tenant_id FOR UPDATE",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.membership AS m"
			   " WHERE tenant_id = $1 AND user_id = $2 RETURNING m",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	Datum *values;
	bool  *nulls;
	uint64 nended = query_rows(&select, (Datum[]){UUIDPGetDatum(user)}, NULL, 2, &values, &nulls);

	for (uint64 i = 0; i < nended; i++)
	{
		const pg_uuid_t *tenant = DatumGetUUIDP(values[2 * i]);

		CHECK_FOR_INTERRUPTS();
		query_delete("membership", &delete, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(user)},
		             NULL);
		audit_tenant(tenant, "member.removed", audit_subject("member", user),
		             audit_fields("role", TextDatumGetCString(values[2 * i + 1]), NULL),
		             audit_fields("reason", "user deleted", NULL));
		end_offers_beyond(tenant, user);
	}
}

/* cancel_invitations_to cancels what is pending for the addresses, in tenants that are locked. */
static void
cancel_invitations_to(const Traces *traces)
{
	static SavedQuery select = {
		.sql = "SELECT invitation_id FROM teamrbac.invitation"
			   " WHERE teamrbac.address_key(email) = ANY ($1) AND state = 'pending'"
			   " ORDER BY tenant_id, invitation_id",
		.nargs = 1,
		.argtypes = {TEXTARRAYOID},
	};
	Datum *values;
	bool  *nulls;
	uint64 nfound = query_rows(&select, (Datum[]){traces->addresses}, NULL, 1, &values, &nulls);

	for (uint64 i = 0; i < nfound; i++)
	{
		Invitation invitation = {0};

		CHECK_FOR_INTERRUPTS();
		if (find_invitation(DatumGetUUIDP(values[i]), true, &invitation))
			end_invitation(&invitation, INVITATION_CANCELLED, NULL);
	}
}

static void
unmap_database_roles(const pg_uuid_t *user)
{
	static SavedQuery select = {
		.sql = "SELECT database_role::pg_catalog.oid FROM teamrbac.database_role"
			   " WHERE user_id = $1 ORDER BY database_role",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	Datum *values;
	bool  *nulls;
	uint64 nroles = query_rows(&select, (Datum[]){UUIDPGetDatum(user)}, NULL, 1, &values, &nulls);

	for (uint64 i = 0; i < nroles; i++)
		unmap_database_role(DatumGetObjectId(values[i]));
}

/* delete_user_row deletes the user's row, and before it what of ours refers to it still. */
static void
delete_user_row(const pg_uuid_t *user)
{
	static SavedQuery expired = {
		.sql = "DELETE FROM teamrbac.expired_membership AS e WHERE user_id = $1 RETURNING e",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	static SavedQuery requests = {
		.sql = "DELETE FROM teamrbac.join_request AS r WHERE user_id = $1 RETURNING r",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	static SavedQuery activity = {
		.sql = "DELETE FROM teamrbac.user_activity AS a WHERE user_id = $1 RETURNING a",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	static SavedQuery uses = {
		.sql = "DELETE FROM teamrbac.member_permission_use AS p WHERE user_id = $1 RETURNING p",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.app_user AS u WHERE user_id = $1 RETURNING u",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	Datum args[] = {UUIDPGetDatum(user)};

	query_delete("expired_membership", &expired, args, NULL);
	query_delete("join_request", &requests, args, NULL);
	query_delete("user_activity", &activity, args, NULL);
	query_delete("member_permission_use", &uses, args, NULL);
	query_delete("app_user", &delete, args, NULL);
}

/* ---- erasure ---------------------------------------------------------------------------------------- */

/* erase_addressed deletes invitations and mail to the addresses. */
static void
erase_addressed(const Traces *traces)
{
	static SavedQuery invitations = {
		.sql = "DELETE FROM teamrbac.invitation AS i"
			   " WHERE teamrbac.address_key(i.email) = ANY ($1) RETURNING i",
		.nargs = 1,
		.argtypes = {TEXTARRAYOID},
	};
	static SavedQuery mails = {
		.sql = "DELETE FROM teamrbac.outbox AS o"
			   " WHERE teamrbac.address_key(o.recipient) COLLATE \"C\" = ANY ($1) RETURNING o",
		.nargs = 1,
		.argtypes = {TEXTARRAYOID},
	};
	Datum args[] = {traces->addresses};

	query_delete("invitation", &invitations, args, NULL);
	query_delete("outbox", &mails, args, NULL);
}

/* erase_named blanks the addresses and names in mail to others. */
static void
erase_named(const Traces *traces)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.outbox SET fields = teamrbac.fields_without(fields, $1, $2)"
			   " WHERE teamrbac.fields_without(fields, $1, $2) IS NOT NULL",
		.nargs = 2,
		.argtypes = {TEXTARRAYOID, TEXTARRAYOID},
	};

	query_execute(&update, (Datum[]){traces->addresses, traces->names}, NULL);
}

/* erase_reviewed puts ids in the place of the name and the addresses in reviews. */
static void
erase_reviewed(const pg_uuid_t *user, const Traces *traces)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.review_item AS i"
			   " SET name = pg_catalog.concat_ws(' ', i.kind, i.subject_id)"
			   " WHERE i.kind = 'member' AND i.subject_id = $1"
			   " OR i.kind = 'invitation' AND teamrbac.address_key(i.name) = ANY ($2)",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTARRAYOID},
	};

	query_execute(&update, (Datum[]){UUIDPGetDatum(user), traces->addresses}, NULL);
}

/* seal_audit puts digests in the place of what events say of the user, and throws the salt away. */
static void
seal_audit(const pg_uuid_t *user, const Traces *traces)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.audit_event AS e SET salt = NULL,"
			   " before = teamrbac.audit_sealed(e.before, e.salt),"
			   " after = teamrbac.audit_sealed(e.after, e.salt)"
			   " WHERE e.salt IS NOT NULL AND (e.subject = $1 OR e.subject = $2"
			   " OR teamrbac.address_key(e.before ->> 'email') = ANY ($3)"
			   " OR teamrbac.address_key(e.after ->> 'email') = ANY ($3))",
		.nargs = 3,
		.changes_audit = true,
		.argtypes = {TEXTOID, TEXTOID, TEXTARRAYOID},
	};

	query_execute(&update,
	              (Datum[]){CStringGetTextDatum(audit_subject("user", user)),
	                        CStringGetTextDatum(audit_subject("member", user)), traces->addresses},
	              NULL);
}

/* delete_user(user_id): erases a user. */
Datum
teamrbac_delete_user(PG_FUNCTION_ARGS)
{
	pg_uuid_t user = uuid_arg(fcinfo, 0, "user_id");
	Traces    traces = find_traces(&user);

	lock_tenants_of(&user, &traces);
	lock_user_for_good(&user);
	refuse_owner(&user, true);

	end_memberships(&user);
	cancel_invitations_to(&traces);
	unmap_database_roles(&user);
	revoke_tokens_of_erased(&user);
	delete_user_row(&user);

	audit_user(&user, "user.deleted", NULL, NULL);
	erase_addressed(&traces);
	erase_named(&traces);
	erase_reviewed(&user, &traces);
	seal_audit(&user, &traces);
	PG_RETURN_VOID();
}

/* set_user_locale(user_id, locale): in which language a user is written to. */
Datum
teamrbac_set_user_locale(PG_FUNCTION_ARGS)
{
	static SavedQuery update = {
		.sql =
			"WITH old AS (SELECT locale FROM teamrbac.app_user WHERE user_id = $1 FOR NO KEY UPDATE)"
			" UPDATE teamrbac.app_user AS u SET locale = $2 FROM old WHERE u.user_id = $1"
			" RETURNING old.locale",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	pg_uuid_t user = uuid_arg(fcinfo, 0, "user_id");
	char     *locale = PG_ARGISNULL(1) ? NULL : text_arg(fcinfo, 1, "locale");
	Datum     old;
	bool      isnull;

	if (locale != NULL)
		require_locale(locale);
	if (!query_row(&update,
	               (Datum[]){UUIDPGetDatum(&user),
	                         locale != NULL ? CStringGetTextDatum(locale) : (Datum) 0},
	               locale != NULL ? NULL : " n", 1, &old, &isnull))
		refuse_no_such_user();

	audit_user(&user, "user.locale_set",
	           audit_fields("locale", isnull ? NULL : TextDatumGetCString(old), NULL),
	           audit_fields("locale", locale, NULL));
	PG_RETURN_VOID();
}
