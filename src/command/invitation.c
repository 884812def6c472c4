/*
 * invitation.c
 *	  Invitations as the commands on them find them, and how they end.
 *
 * Whoever changes one has locked its tenant's row first, then reads it, locked, as it is now: an invitation
 * found before that lock says only which tenant to lock.  One that is pending has expired once its time is
 * over, whether or not expire_invitations has marked it; it is read as expired.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "record/audit.h"
#include "compat.h"
#include "authority/errors.h"
#include "command/invitation.h"
#include "record/outbox.h"
#include "store/catalog.h"
#include "store/dependents.h"
#include "store/query.h"
#include "store/secret.h"
#include "store/settings.h"
#include "authority/team.h"

PG_FUNCTION_INFO_V1(teamrbac_expire_invitation_batch);

#define INVITATION_COLUMNS                                                                      \
	" i.tenant_id, i.invitation_id, t.name, i.email::pg_catalog.text, i.role::pg_catalog.text," \
	" i.membership_expires_at, i.invited_by, i.expires_at, i.state::pg_catalog.text, i.accepted_by"
#define INVITATION_NCOLUMNS 10
#define INVITATION_FROM              \
	" FROM teamrbac.invitation AS i" \
	" JOIN teamrbac.tenant AS t ON t.tenant_id = i.tenant_id"
#define SELECT_INVITATION \
	"SELECT" INVITATION_COLUMNS INVITATION_FROM " WHERE t.deleted_at IS NULL AND "

static const char *const state_names[] = {
	[INVITATION_PENDING] = "pending",   [INVITATION_ACCEPTED] = "accepted",
	[INVITATION_DECLINED] = "declined", [INVITATION_CANCELLED] = "cancelled",
	[INVITATION_EXPIRED] = "expired",
};

Datum
invitation_state_datum(InvitationState state)
{
	Oid schema = get_namespace_oid("teamrbac", false);
	Oid type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("invitation_state"),
	                           ObjectIdGetDatum(schema));

	return OidInputFunctionCall(F_ENUM_IN, unconstify(char *, state_names[state]), type, -1);
}

static InvitationState
state_now(const char *name, TimestampTz expires_at)
{
	InvitationState state = INVITATION_PENDING;

	while (strcmp(state_names[state], name) != 0)
		state++;
	if (state == INVITATION_PENDING && expires_at <= GetCurrentTimestamp())
		return INVITATION_EXPIRED;
	return state;
}

/* fill_invitation takes a row of INVITATION_COLUMNS. */
static void
fill_invitation(Invitation *invitation, const Datum *values, const bool *nulls)
{
	invitation->tenant_id = *DatumGetUUIDP(values[0]);
	invitation->invitation_id = *DatumGetUUIDP(values[1]);
	invitation->tenant_name = TextDatumGetCString(values[2]);
	invitation->email = TextDatumGetCString(values[3]);
	invitation->role = TextDatumGetCString(values[4]);
	invitation->membership_expires_at = nulls[5] ? DT_NOEND : DatumGetTimestampTz(values[5]);
	invitation->invited_by = *DatumGetUUIDP(values[6]);
	invitation->expires_at = DatumGetTimestampTz(values[7]);
	invitation->state = state_now(TextDatumGetCString(values[8]), invitation->expires_at);
	if (!nulls[9])
		invitation->accepted_by = *DatumGetUUIDP(values[9]);
}

static bool
read_invitation(SavedQuery *select, Datum *args, Invitation *invitation)
{
	Datum values[INVITATION_NCOLUMNS];
	bool  nulls[INVITATION_NCOLUMNS];

	if (!query_row(select, args, NULL, INVITATION_NCOLUMNS, values, nulls))
		return false;
	fill_invitation(invitation, values, nulls);
	return true;
}

bool
find_invitation(const pg_uuid_t *id, bool lock, Invitation *invitation)
{
	static SavedQuery select = {
		.sql = SELECT_INVITATION "i.invitation_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	static SavedQuery select_and_lock = {
		.sql = SELECT_INVITATION "i.invitation_id = $1 FOR UPDATE OF i",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};

	return read_invitation(lock ? &select_and_lock : &select, (Datum[]){UUIDPGetDatum(id)},
	                       invitation);
}

bool
find_invitation_by_token(const char *token, bool lock, Invitation *invitation)
{
	static SavedQuery select = {
		.sql = SELECT_INVITATION "i.token_hash = $1",
		.nargs = 1,
		.argtypes = {BYTEAOID},
	};
	static SavedQuery select_and_lock = {
		.sql = SELECT_INVITATION "i.token_hash = $1 FOR UPDATE OF i",
		.nargs = 1,
		.argtypes = {BYTEAOID},
	};

	return read_invitation(lock ? &select_and_lock : &select, (Datum[]){hash_secret(token)},
	                       invitation);
}

bool
find_pending_invitation(const pg_uuid_t *tenant, const char *email, Invitation *invitation)
{
	static SavedQuery select = {
		.sql = SELECT_INVITATION "i.tenant_id = $1"
								 " AND teamrbac.address_key(i.email) = teamrbac.address_key($2)"
								 " AND i.state = 'pending' FOR UPDATE OF i",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};

	return read_invitation(&select, (Datum[]){UUIDPGetDatum(tenant), CStringGetTextDatum(email)},
	                       invitation);
}

void
require_pending(const Invitation *invitation)
{
	static const char *const messages[] = {
		[INVITATION_ACCEPTED] = "invitation has been accepted already",
		[INVITATION_DECLINED] = "invitation has been declined",
		[INVITATION_CANCELLED] = "invitation has been cancelled",
		[INVITATION_EXPIRED] = "invitation has expired",
	};

	if (invitation->state != INVITATION_PENDING)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		     errmsg("%s", messages[invitation->state]),
		     invitation->state == INVITATION_EXPIRED
		         ? errhint(
					   "Someone who manages the team can send it again, by teamrbac.resend_invitation.")
		         : 0));
}

/* end_event says that a pending invitation is now in another state. */
static AuditEvent
end_event(const pg_uuid_t *id, const char *email, const char *role, InvitationState state)
{
	AuditEvent event = {
		.action = psprintf("invitation.%s", state_names[state]),
		.subject = audit_subject("invitation", id),
		.before = audit_fields("email", email, "role", role, "state",
	                           state_names[INVITATION_PENDING], NULL),
		.after = audit_fields("state", state_names[state], NULL),
	};

	return event;
}

void
end_invitation(const Invitation *invitation, InvitationState state, const pg_uuid_t *accepted_by)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.invitation SET state = $3::teamrbac.invitation_state,"
			   " decided_at = pg_catalog.clock_timestamp(), accepted_by = $4"
			   " WHERE tenant_id = $1 AND invitation_id = $2",
		.nargs = 4,
		.argtypes = {UUIDOID, UUIDOID, TEXTOID, UUIDOID},
	};
	const pg_uuid_t *tenant = &invitation->tenant_id;
	const pg_uuid_t *id = &invitation->invitation_id;
	AuditEvent       event;

	query_execute(&update,
	              (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(id),
	                        CStringGetTextDatum(state_names[state]),
	                        accepted_by != NULL ? UUIDPGetDatum(accepted_by) : (Datum) 0},
	              accepted_by != NULL ? NULL : "   n");
	mail_withdraw(tenant, id);
	event = end_event(id, invitation->email, invitation->role, state);
	audit_tenant(tenant, event.action, event.subject, event.before, event.after);
}

void
cancel_invitations_beyond(const pg_uuid_t *tenant, const pg_uuid_t *inviter)
{
	static SavedQuery select = {
		.sql = SELECT_INVITATION "i.tenant_id = $1 AND i.invited_by = $2"
								 " AND i.state = 'pending' FOR UPDATE OF i",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	Datum *values;
	bool  *nulls;
	uint64 nsent = query_rows(&select, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(inviter)},
	                          NULL, INVITATION_NCOLUMNS, &values, &nulls);

	for (uint64 i = 0; i < nsent; i++)
	{
		Invitation invitation = {0};

		fill_invitation(&invitation, values + i * INVITATION_NCOLUMNS,
		                nulls + i * INVITATION_NCOLUMNS);
		if (invitation.state == INVITATION_PENDING &&
		    !member_may_give_role(tenant, inviter, invitation.role))
			end_invitation(&invitation, INVITATION_CANCELLED, NULL);
	}
}

/* An invitation that has just been marked as expired. */
typedef struct ExpiredInvitation
{
	pg_uuid_t   tenant_id;
	pg_uuid_t   invitation_id;
	const char *email;
	const char *role;
} ExpiredInvitation;

/*
 * mark_expired marks up to batch_size invitations, in order of their tenants.  Their tenants' rows are locked
 * first, as everywhere, but nobody is waited for: whatever a command holds is left for the next run.
 */
static ExpiredInvitation *
mark_expired(int batch_size, int *nexpired)
{
	static SavedQuery mark = {
		.sql =
			"WITH due AS ("
			"SELECT i.tenant_id, i.invitation_id" INVITATION_FROM " WHERE i.state = 'pending'"
			" AND i.expires_at <= $2"
			" ORDER BY i.expires_at LIMIT $1"
			" FOR NO KEY UPDATE OF t SKIP LOCKED FOR UPDATE OF i SKIP LOCKED"
			"), marked AS ("
			"UPDATE teamrbac.invitation AS i SET state = 'expired', decided_at = pg_catalog.clock_timestamp()"
			" FROM due WHERE i.tenant_id = due.tenant_id"
			" AND i.invitation_id = due.invitation_id"
			" RETURNING i.tenant_id, i.invitation_id, i.email::pg_catalog.text, i.role::pg_catalog.text"
			") SELECT * FROM marked ORDER BY tenant_id",
		.nargs = 2,
		.argtypes = {INT4OID, TIMESTAMPTZOID},
	};
	/* A parameter, because clock_timestamp() is no index condition: it would read all that is pending. */
	Datum  args[] = {Int32GetDatum(batch_size), TimestampTzGetDatum(GetCurrentTimestamp())};
	Datum *values;
	bool  *nulls;
	uint64 nrows = query_rows(&mark, args, NULL, 4, &values, &nulls);
	ExpiredInvitation *expired = palloc((nrows + 1) * sizeof(ExpiredInvitation));

	for (uint64 i = 0; i < nrows; i++, values += 4)
	{
		expired[i].tenant_id = *DatumGetUUIDP(values[0]);
		expired[i].invitation_id = *DatumGetUUIDP(values[1]);
		expired[i].email = TextDatumGetCString(values[2]);
		expired[i].role = TextDatumGetCString(values[3]);
	}
	*nexpired = nrows;
	return expired;
}

/* finish_expired withdraws the mail of some invitations of one tenant, and records that they have expired. */
static void
finish_expired(const ExpiredInvitation *expired, int nexpired)
{
	AuditEvent *events = palloc0(nexpired * sizeof(AuditEvent));

	for (int i = 0; i < nexpired; i++)
	{
		mail_withdraw(&expired[i].tenant_id, &expired[i].invitation_id);
		events[i] = end_event(&expired[i].invitation_id, expired[i].email, expired[i].role,
		                      INVITATION_EXPIRED);
	}
	audit_tenant_events_by_dba(&expired->tenant_id, events, nexpired);
}

/* expire_invitation_batch(batch_size): marks what has expired, and returns how many. */
Datum
teamrbac_expire_invitation_batch(PG_FUNCTION_ARGS)
{
	ExpiredInvitation *expired;
	int                nexpired;
	int                first = 0;

	expired = mark_expired(batch_size_arg(fcinfo, 0), &nexpired);
	for (int i = 1; i <= nexpired; i++)
	{
		if (i < nexpired && uuid_same(&expired[i].tenant_id, &expired[first].tenant_id))
			continue;
		finish_expired(&expired[first], i - first);
		first = i;
	}
	PG_RETURN_INT64(nexpired);
}

/* Locks as mark_expired does: an expired one may be about to be sent again.  What became of them stays in the audit. */
uint64
purge_invitations(TimestampTz before, int at_most)
{
	static SavedQuery delete = {
		.sql = "WITH due AS ("
			   "SELECT i.tenant_id, i.invitation_id" INVITATION_FROM " WHERE i.decided_at <= $1"
			   " ORDER BY i.decided_at LIMIT $2"
			   " FOR NO KEY UPDATE OF t SKIP LOCKED FOR UPDATE OF i SKIP LOCKED)"
			   " DELETE FROM teamrbac.invitation AS i USING due"
			   " WHERE i.tenant_id = due.tenant_id"
			   " AND i.invitation_id = due.invitation_id RETURNING i",
		.nargs = 2,
		.argtypes = {TIMESTAMPTZOID, INT4OID},
	};

	return query_delete("invitation", &delete,
	                    (Datum[]){TimestampTzGetDatum(before), Int32GetDatum(at_most)}, NULL);
}
