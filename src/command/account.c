/*
 * account.c
 *	  The application's users as teamrbac knows them.
 *
 * Who may execute these is the DBA's choice, as with sign_in: they take the application's word.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "command/account.h"
#include "record/audit.h"
#include "authority/principal.h"
#include "command/account.h"
#include "compat.h"
#include "authority/errors.h"
#include "store/dependents.h"
#include "authority/precedence.h"
#include "store/query.h"
#include "authority/team.h"
#include "store/text_rules.h"

PG_FUNCTION_INFO_V1(teamrbac_register_user);
PG_FUNCTION_INFO_V1(teamrbac_update_user);
PG_FUNCTION_INFO_V1(teamrbac_disable_user);
PG_FUNCTION_INFO_V1(teamrbac_enable_user);
PG_FUNCTION_INFO_V1(teamrbac_map_database_role);

static void
refuse_taken(const char *what)
{
	ereport(ERROR,
	        (errcode(ERRCODE_UNIQUE_VIOLATION), errmsg("another user has this %s already", what)));
}

/* require_free_email looks for another user with the address.  The unique index has the last word. */
static void
require_free_email(const char *email, const pg_uuid_t *user)
{
	static SavedQuery find = {
		.sql = "SELECT FROM teamrbac.app_user"
			   " WHERE teamrbac.address_key(email) = teamrbac.address_key($1)"
			   " AND user_id <> $2",
		.nargs = 2,
		.argtypes = {TEXTOID, UUIDOID},
	};
	Datum args[] = {CStringGetTextDatum(email), UUIDPGetDatum(user)};

	if (query_execute(&find, args, NULL) > 0)
		refuse_taken("e-mail address");
}

bool
insert_user(const pg_uuid_t *user_id, const char *email, const char *display_name)
{
	static SavedQuery insert = {
		.sql = "INSERT INTO teamrbac.app_user (user_id, email, display_name) VALUES ($1, $2, $3)"
			   " ON CONFLICT DO NOTHING",
		.nargs = 3,
		.argtypes = {UUIDOID, TEXTOID, TEXTOID},
	};
	Datum args[3];

	require_email(email);
	display_name = require_printable_name("display_name", display_name);
	args[0] = UUIDPGetDatum(user_id);
	args[1] = CStringGetTextDatum(email);
	args[2] = CStringGetTextDatum(display_name);
	if (query_execute(&insert, args, NULL) == 0)
		return false;

	audit_user(user_id, "user.registered", NULL,
	           audit_fields("email", email, "display_name", display_name, NULL));
	return true;
}

/* register_user(email, display_name, user_id): makes a user of the application known. */
Datum
teamrbac_register_user(PG_FUNCTION_ARGS)
{
	char      *email = text_arg(fcinfo, 0, "email");
	char      *display_name = text_arg(fcinfo, 1, "display_name");
	pg_uuid_t *user = palloc(sizeof(pg_uuid_t));

	*user = uuid_arg(fcinfo, 2, "user_id");
	require_email(email);
	display_name = require_printable_name("display_name", display_name);
	require_free_email(email, user);
	if (!insert_user(user, email, display_name))
	{
		/* Another transaction may have been faster since the address was looked for. */
		require_free_email(email, user);
		refuse_taken("user_id");
	}
	PG_RETURN_UUID_P(user);
}

void
refuse_no_such_user(void)
{
	ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("there is no such user")));
}

/* A user's row, locked. */
typedef struct LockedUser
{
	char *email;
	char *display_name;
	bool  disabled;
} LockedUser;

/*
 * lock_user locks a user's row until the transaction ends, and reads it; P0002 if there is none.  The user does not
 * keep it from the application.
 */
static LockedUser
lock_user(const pg_uuid_t *user)
{
	static SavedQuery lock = {
		.sql = "SELECT email::pg_catalog.text, display_name, disabled_at FROM teamrbac.app_user"
			   " WHERE user_id = $1 FOR NO KEY UPDATE",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	Datum      values[3];
	bool       nulls[3];
	LockedUser result;

	take_precedence(GATE_USER, user);
	if (!query_row(&lock, (Datum[]){UUIDPGetDatum(user)}, NULL, 3, values, nulls))
		refuse_no_such_user();
	result.email = TextDatumGetCString(values[0]);
	result.display_name = TextDatumGetCString(values[1]);
	result.disabled = !nulls[2];
	return result;
}

void
lock_known_user(const pg_uuid_t *user_id)
{
	(void) lock_user(user_id);
}

/* update_user(user_id, email, display_name): changes what the application knows of a user. */
Datum
teamrbac_update_user(PG_FUNCTION_ARGS)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.app_user SET email = $2, display_name = $3"
			   " WHERE user_id = $1",
		.nargs = 3,
		.argtypes = {UUIDOID, TEXTOID, TEXTOID},
	};
	pg_uuid_t  user = uuid_arg(fcinfo, 0, "user_id");
	LockedUser old = lock_user(&user);
	char      *email = old.email;
	char      *display_name = old.display_name;

	if (!PG_ARGISNULL(1))
	{
		email = text_arg(fcinfo, 1, "email");
		require_email(email);
		require_free_email(email, &user);
	}
	if (!PG_ARGISNULL(2))
	{
		display_name = require_printable_name("display_name", text_arg(fcinfo, 2, "display_name"));
	}

	query_execute(&update,
	              (Datum[]){UUIDPGetDatum(&user), CStringGetTextDatum(email),
	                        CStringGetTextDatum(display_name)},
	              NULL);

	audit_user(&user, "user.updated",
	           audit_fields("email", old.email, "display_name", old.display_name, NULL),
	           audit_fields("email", email, "display_name", display_name, NULL));
	PG_RETURN_VOID();
}

static void
set_disabled(const pg_uuid_t *user, bool disabled)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.app_user"
			   " SET disabled_at = CASE WHEN $2 THEN pg_catalog.clock_timestamp() END"
			   " WHERE user_id = $1",
		.nargs = 2,
		.argtypes = {UUIDOID, BOOLOID},
	};

	query_execute(&update, (Datum[]){UUIDPGetDatum(user), BoolGetDatum(disabled)}, NULL);
}

void
refuse_owner(const pg_uuid_t *user, bool deleted_too)
{
	static SavedQuery find = {
		.sql = "SELECT m.tenant_id FROM teamrbac.membership AS m"
			   " JOIN teamrbac.tenant AS t ON t.tenant_id = m.tenant_id"
			   " WHERE m.user_id = $1 AND m.role = '" ROLE_OWNER "'"
			   " AND (t.deleted_at IS NULL OR $2 AND t.purge_began_at IS NULL)"
			   " ORDER BY t.deleted_at NULLS FIRST, m.tenant_id LIMIT 1",
		.nargs = 2,
		.argtypes = {UUIDOID, BOOLOID},
	};
	Datum tenant;
	bool  isnull;

	if (query_row(&find, (Datum[]){UUIDPGetDatum(user), BoolGetDatum(deleted_too)}, NULL, 1,
	              &tenant, &isnull))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		     errmsg("user is the owner of a tenant"),
		     errdetail("They own tenant %s.", uuid_text(DatumGetUUIDP(tenant))),
		     errhint(
				 "Let them transfer ownership first, or have a superuser CALL teamrbac.assign_owner.")));
}

/*
 * disable_user(user_id): a user can do nothing from now on.  The row's lock keeps out whoever would make the
 * user an owner meanwhile: they share-lock it first.
 */
Datum
teamrbac_disable_user(PG_FUNCTION_ARGS)
{
	pg_uuid_t user = uuid_arg(fcinfo, 0, "user_id");

	if (lock_user(&user).disabled)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("user is disabled already")));
	refuse_owner(&user, false);

	set_disabled(&user, true);

	audit_user(&user, "user.disabled", NULL, NULL);
	PG_RETURN_VOID();
}

/* enable_user(user_id): undoes disable_user. */
Datum
teamrbac_enable_user(PG_FUNCTION_ARGS)
{
	pg_uuid_t user = uuid_arg(fcinfo, 0, "user_id");

	if (!lock_user(&user).disabled)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("user is not disabled")));

	set_disabled(&user, false);

	audit_user(&user, "user.enabled", NULL, NULL);
	PG_RETURN_VOID();
}

static char *
database_role_subject(Oid role)
{
	return psprintf("database_role:%s", DatumGetCString(DirectFunctionCall1(regroleout, role)));
}

void
unmap_database_role(Oid role)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.database_role AS d WHERE database_role = $1 RETURNING d",
		.nargs = 1,
		.argtypes = {OIDOID},
	};
	Datum args[] = {ObjectIdGetDatum(role)};

	if (query_delete("database_role", &delete, args, NULL) > 0)
		audit_platform("database_role.unmapped", database_role_subject(role), NULL, NULL);
}

/* map_database_role(user_id, role): who somebody at a psql prompt is. */
Datum
teamrbac_map_database_role(PG_FUNCTION_ARGS)
{
	static SavedQuery map = {
		.sql =
			"INSERT INTO teamrbac.database_role (database_role, user_id) VALUES ($1::pg_catalog.regrole, $2)"
			" ON CONFLICT (database_role) DO UPDATE SET user_id = EXCLUDED.user_id",
		.nargs = 2,
		.argtypes = {OIDOID, UUIDOID},
	};
	Oid       role;
	pg_uuid_t user;
	Datum     args[2];

	if (PG_ARGISNULL(1))
		refuse_null("role");
	role = PG_GETARG_OID(1);
	if (PG_ARGISNULL(0))
	{
		unmap_database_role(role);
		PG_RETURN_VOID();
	}
	user = *PG_GETARG_UUID_P(0);
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("there is no database role with OID %u", role)));
	if (!user_is_active(&user))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown or disabled user")));

	args[0] = ObjectIdGetDatum(role);
	args[1] = UUIDPGetDatum(&user);
	query_execute(&map, args, NULL);

	audit_platform("database_role.mapped", database_role_subject(role), NULL,
	               audit_fields("user_id", uuid_text(&user), NULL));
	PG_RETURN_VOID();
}
