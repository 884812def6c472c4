/*
 * join_link.c
 *	  Invitations without an address: whoever has the link may join, so and so often.
 *
 * A link is judged as an invitation is: under the tenant's lock, by the clock then, and by whether whoever made
 * it may still give its role.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/team.h"
#include "command/join.h"
#include "command/limit.h"
#include "record/audit.h"
#include "record/outbox.h"
#include "store/dependents.h"
#include "store/query.h"
#include "store/secret.h"
#include "store/settings.h"

#define USES_MAX 10000

PG_FUNCTION_INFO_V1(teamrbac_invite_by_link);
PG_FUNCTION_INFO_V1(teamrbac_revoke_invitation_link);

#define SELECT_LINK                                                                         \
	"SELECT l.tenant_id, l.link_id, t.name, l.role::pg_catalog.text, l.uses, l.used,"       \
	" l.made_by, l.expires_at, l.revoked_at IS NOT NULL FROM teamrbac.invitation_link AS l" \
	" JOIN teamrbac.tenant AS t ON t.tenant_id = l.tenant_id WHERE t.deleted_at IS NULL AND "
#define LINK_NCOLUMNS 9

static void
fill_link(Link *link, const Datum *values)
{
	link->tenant_id = *DatumGetUUIDP(values[0]);
	link->link_id = *DatumGetUUIDP(values[1]);
	link->tenant_name = TextDatumGetCString(values[2]);
	link->role = TextDatumGetCString(values[3]);
	link->uses = DatumGetInt32(values[4]);
	link->used = DatumGetInt32(values[5]);
	link->made_by = *DatumGetUUIDP(values[6]);
	link->expires_at = DatumGetTimestampTz(values[7]);
	link->revoked = DatumGetBool(values[8]);
}

static bool
read_link(SavedQuery *select, Datum arg, Link *link)
{
	Datum values[LINK_NCOLUMNS];
	bool  nulls[LINK_NCOLUMNS];

	if (!query_row(select, &arg, NULL, LINK_NCOLUMNS, values, nulls))
		return false;
	fill_link(link, values);
	return true;
}

bool
find_link_by_token(const char *token, bool lock, Link *link)
{
	static SavedQuery select = {
		.sql = SELECT_LINK "l.token_hash = $1",
		.nargs = 1,
		.argtypes = {BYTEAOID},
	};
	static SavedQuery select_and_lock = {
		.sql = SELECT_LINK "l.token_hash = $1 FOR UPDATE OF l",
		.nargs = 1,
		.argtypes = {BYTEAOID},
	};

	return read_link(lock ? &select_and_lock : &select, hash_secret(token), link);
}

static bool
find_link(const pg_uuid_t *id, Link *link)
{
	static SavedQuery select = {
		.sql = SELECT_LINK "l.link_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};

	return read_link(&select, UUIDPGetDatum(id), link);
}

InvitationState
link_state_on_acceptance(const Link *link)
{
	if (link->revoked || !member_may_give_role(&link->tenant_id, &link->made_by, link->role))
		return INVITATION_CANCELLED;
	if (link->used >= link->uses || link->expires_at <= GetCurrentTimestamp())
		return INVITATION_EXPIRED;
	return INVITATION_PENDING;
}

/* ---- joining ---------------------------------------------------------------------------------------- */

static void
require_usable(const Link *link)
{
	const char *message = link->revoked              ? "invitation has been cancelled"
	                      : link->used >= link->uses ? "invitation link has been used up"
	                      : link->expires_at <= GetCurrentTimestamp() ? "invitation has expired"
	                                                                  : NULL;

	if (message != NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("%s", message),
		                errhint("Ask whoever sent the link for another one.")));
}

static void
count_use(const Link *link)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.invitation_link SET used = used + 1"
			   " WHERE tenant_id = $1 AND link_id = $2",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};

	query_execute(&update,
	              (Datum[]){UUIDPGetDatum(&link->tenant_id), UUIDPGetDatum(&link->link_id)}, NULL);
}

void
join_by_link(Link *link, const char *token, const pg_uuid_t *user)
{
	const pg_uuid_t *tenant = &link->tenant_id;

	(void) lock_tenant_to_join(tenant, user);
	if (!find_link_by_token(token, true, link))
		refuse_permission(tenant, NULL); /* its tenant was deleted meanwhile */

	require_no_member(tenant, user);
	require_not_barred(tenant, user);
	require_usable(link);
	require_giver(tenant, &link->made_by, link->role);

	admit_member(tenant, user, link->role, DT_NOEND);
	count_use(link);

	audit_tenant(tenant, "member.joined", audit_subject("member", user), NULL,
	             audit_fields("role", link->role, "link_id", uuid_text(&link->link_id), NULL));
	settle_joining(tenant, user);
	if (mail_inviter)
		mail_user(tenant, MAIL_INVITATION_ACCEPTED, &link->made_by,
		          audit_fields("role", link->role, "invitee", user_display_name(user), NULL));
}

/* ---- making and ending links ------------------------------------------------------------------------ */

static int
uses_arg(FunctionCallInfo fcinfo, int arg)
{
	if (PG_ARGISNULL(arg))
		refuse_null("uses");
	if (PG_GETARG_INT32(arg) < 1 || PG_GETARG_INT32(arg) > USES_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("uses must be between 1 and %d", USES_MAX)));
	return PG_GETARG_INT32(arg);
}

static TimestampTz
end_arg(FunctionCallInfo fcinfo, int arg)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz end;

	if (PG_ARGISNULL(arg))
		return now + setting_duration(SETTING_INVITATION_LIFETIME);
	end = PG_GETARG_TIMESTAMPTZ(arg);
	if (end <= now || TIMESTAMP_NOT_FINITE(end))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("expires_at must be in the future, and not infinite")));
	return end;
}

static void
insert_link(Link *link, const char *token)
{
	static SavedQuery insert = {
		.sql = "INSERT INTO teamrbac.invitation_link"
			   " (tenant_id, link_id, role, token_hash, uses, made_by, expires_at)"
			   " VALUES ($1, pg_catalog.gen_random_uuid(), $2, $3, $4, $5, $6) RETURNING link_id",
		.nargs = 6,
		.argtypes = {UUIDOID, TEXTOID, BYTEAOID, INT4OID, UUIDOID, TIMESTAMPTZOID},
	};
	Datum args[] = {UUIDPGetDatum(&link->tenant_id),
	                CStringGetTextDatum(link->role),
	                hash_secret(token),
	                Int32GetDatum(link->uses),
	                UUIDPGetDatum(&link->made_by),
	                TimestampTzGetDatum(link->expires_at)};
	Datum id;
	bool  isnull;

	/* No row: a trigger of the DBA's has swallowed it. */
	if (!query_row(&insert, args, NULL, 1, &id, &isnull))
		elog(ERROR, "link was not inserted");
	link->link_id = *DatumGetUUIDP(id);
}

/* invite_by_link(tenant_id, role, uses, expires_at): whoever has the link is asked to join. */
Datum
teamrbac_invite_by_link(PG_FUNCTION_ARGS)
{
	Link link = {
		.tenant_id = uuid_arg(fcinfo, 0, "tenant_id"),
		.role = text_arg(fcinfo, 1, "role"),
		.uses = uses_arg(fcinfo, 2),
		.expires_at = end_arg(fcinfo, 3),
	};
	char *token;

	link.made_by = require_user(&link.tenant_id);
	lock_tenant_for(&link.tenant_id, PERMISSION_MANAGE_TEAM);

	require_authority_over_role(&link.tenant_id, link.role);
	require_room_for_link(&link.tenant_id);

	token = make_secret();
	insert_link(&link, token);

	audit_tenant(&link.tenant_id, "link.created", audit_subject("link", &link.link_id), NULL,
	             audit_fields("role", link.role, "uses", psprintf("%d", link.uses), "expires_at",
	                          audit_time(link.expires_at), NULL));
	return row_result(fcinfo,
	                  (Datum[]){UUIDPGetDatum(&link.link_id), CStringGetTextDatum(token),
	                            TimestampTzGetDatum(link.expires_at)},
	                  NULL);
}

/* end_link revokes a link and records it. */
static void
end_link(const Link *link)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.invitation_link SET revoked_at = pg_catalog.clock_timestamp()"
			   " WHERE tenant_id = $1 AND link_id = $2",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};

	query_execute(&update,
	              (Datum[]){UUIDPGetDatum(&link->tenant_id), UUIDPGetDatum(&link->link_id)}, NULL);
	audit_tenant(&link->tenant_id, "link.revoked", audit_subject("link", &link->link_id),
	             audit_fields("role", link->role, "used", psprintf("%d", link->used), NULL), NULL);
}

/* revoke_invitation_link(link_id): nobody joins by a link any more. */
Datum
teamrbac_revoke_invitation_link(PG_FUNCTION_ARGS)
{
	pg_uuid_t id = uuid_arg(fcinfo, 0, "link_id");
	Link      link;

	(void) require_user(NULL);
	if (!find_link(&id, &link))
		refuse_permission(NULL, PERMISSION_MANAGE_TEAM);
	lock_tenant_for(&link.tenant_id, PERMISSION_MANAGE_TEAM);
	if (!find_link(&id, &link))
		refuse_permission(&link.tenant_id, PERMISSION_MANAGE_TEAM);
	require_authority_over_role(&link.tenant_id, link.role);

	if (link.revoked)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("link is revoked already")));

	end_link(&link);
	PG_RETURN_VOID();
}

void
end_links_beyond(const pg_uuid_t *tenant, const pg_uuid_t *maker)
{
	static SavedQuery select = {
		.sql = SELECT_LINK "l.tenant_id = $1 AND l.made_by = $2 AND l.revoked_at IS NULL"
						   " AND l.used < l.uses AND l.expires_at > pg_catalog.clock_timestamp()"
						   " FOR UPDATE OF l",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	Datum *values;
	bool  *nulls;
	uint64 nlinks = query_rows(&select, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(maker)},
	                           NULL, LINK_NCOLUMNS, &values, &nulls);

	for (uint64 i = 0; i < nlinks; i++)
	{
		Link link;

		fill_link(&link, values + i * LINK_NCOLUMNS);
		if (!member_may_give_role(tenant, maker, link.role))
			end_link(&link);
	}
}

/* Locks as purge_invitation_batch does.  What became of a link stays in the audit. */
uint64
purge_links(TimestampTz before, int at_most)
{
	static SavedQuery delete = {
		.sql = "WITH due AS ("
			   "SELECT l.tenant_id, l.link_id FROM teamrbac.invitation_link AS l"
			   " JOIN teamrbac.tenant AS t ON t.tenant_id = l.tenant_id"
			   " WHERE l.expires_at <= $1 ORDER BY l.expires_at LIMIT $2"
			   " FOR NO KEY UPDATE OF t SKIP LOCKED FOR UPDATE OF l SKIP LOCKED)"
			   " DELETE FROM teamrbac.invitation_link AS l USING due"
			   " WHERE l.tenant_id = due.tenant_id AND l.link_id = due.link_id RETURNING l",
		.nargs = 2,
		.argtypes = {TIMESTAMPTZOID, INT4OID},
	};

	return query_delete("invitation_link", &delete,
	                    (Datum[]){TimestampTzGetDatum(before), Int32GetDatum(at_most)}, NULL);
}
