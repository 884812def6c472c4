/*
 * ownership.c
 *	  Who owns a tenant, and the end of a tenant.
 *
 * Each command reads: arguments, lock, authority, change, record.  The order of the two updates of a transfer
 * matters: a unique index allows one owner at any moment, a deferred trigger none until commit.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "record/audit.h"
#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/precedence.h"
#include "command/offers.h"
#include "command/owned_tenants.h"
#include "record/outbox.h"
#include "store/query.h"
#include "store/settings.h"
#include "authority/team.h"

PG_FUNCTION_INFO_V1(teamrbac_transfer_ownership);
PG_FUNCTION_INFO_V1(teamrbac_assign_owner);
PG_FUNCTION_INFO_V1(teamrbac_delete_tenant);
PG_FUNCTION_INFO_V1(teamrbac_restore_tenant);

/* require_heir makes sure that a member is an Admin, for good, and not disabled while this goes on. */
static void
require_heir(const pg_uuid_t *tenant, const pg_uuid_t *heir)
{
	TimestampTz expires_at;

	if (strcmp(member_role(tenant, heir, &expires_at), ROLE_ADMIN) != 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errreason("heir_not_admin"), errmsg("the new owner must be an Admin"),
		                errhint("Give them role \"admin\" first, by teamrbac.change_role.")));
	if (expires_at != DT_NOEND)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errreason("heir_membership_ends"),
		                errmsg("the new owner's membership must not expire"),
		                errhint("Let it last, by teamrbac.set_membership_expiry with NULL.")));
	if (!lock_active_user(heir))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errreason("user_disabled"), errmsg("the new owner is disabled")));
}

/* mail_transfer tells both who owns the tenant now. */
static void
mail_transfer(const pg_uuid_t *tenant, const pg_uuid_t *old_owner, const pg_uuid_t *new_owner)
{
	const pg_uuid_t *users[] = {old_owner, new_owner};
	const char      *roles[] = {ROLE_ADMIN, ROLE_OWNER};

	for (int i = 0; i < 2; i++)
		mail_user(tenant, MAIL_OWNERSHIP_TRANSFERRED, users[i],
		          audit_fields("role", roles[i], "old_owner", user_display_name(old_owner),
		                       "new_owner", user_display_name(new_owner), NULL));
}

/* transfer_ownership(tenant_id, new_owner): the Owner hands the tenant to an Admin. */
Datum
teamrbac_transfer_ownership(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t heir = uuid_arg(fcinfo, 1, "new_owner");
	pg_uuid_t owner;

	owner = lock_tenant_as_owner(&tenant);

	require_heir(&tenant, &heir);

	set_member_role(&tenant, &owner, ROLE_ADMIN);
	set_member_role(&tenant, &heir, ROLE_OWNER);
	require_tenant_allowance(&heir);

	audit_tenant(&tenant, "ownership.transferred", audit_subject("member", &heir),
	             audit_fields("owner", uuid_text(&owner), NULL),
	             audit_fields("owner", uuid_text(&heir), NULL));
	end_offers_beyond(&tenant, &owner);
	mail_transfer(&tenant, &owner, &heir);
	PG_RETURN_VOID();
}

static bool
find_owner(const pg_uuid_t *tenant, pg_uuid_t *owner)
{
	static SavedQuery select = {
		.sql = "SELECT user_id FROM teamrbac.membership"
			   " WHERE tenant_id = $1 AND role = '" ROLE_OWNER "'",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	Datum value;
	bool  isnull;

	if (!query_row(&select, (Datum[]){UUIDPGetDatum(tenant)}, NULL, 1, &value, &isnull))
		return false;
	*owner = *DatumGetUUIDP(value);
	return true;
}

static void
make_owner(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	static SavedQuery upsert = {
		.sql =
			"INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ($1, $2, '" ROLE_OWNER
			"')"
			" ON CONFLICT (tenant_id, user_id) DO UPDATE SET role = EXCLUDED.role, expires_at = NULL",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};

	query_execute(&upsert, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(user)}, NULL);
}

/* state_before_assignment is what the audit says of the tenant's owner, and of the one to come; NULL: there are none. */
static char *
state_before_assignment(const pg_uuid_t *tenant, const pg_uuid_t *user, const pg_uuid_t *owner)
{
	static SavedQuery select = {
		.sql = "SELECT role::pg_catalog.text, expires_at FROM teamrbac.membership"
			   " WHERE tenant_id = $1 AND user_id = $2",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	char *owner_id = owner != NULL ? uuid_text(owner) : NULL;
	Datum values[2];
	bool  nulls[2];

	if (query_row(&select, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(user)}, NULL, 2, values,
	              nulls))
		return audit_fields("owner", owner_id, "role", TextDatumGetCString(values[0]), "expires_at",
		                    nulls[1] ? NULL : audit_time(DatumGetTimestampTz(values[1])), NULL);
	return owner != NULL ? audit_fields("owner", owner_id, NULL) : NULL;
}

/* assign_owner(tenant_id, user_id): a superuser's way out when the only Owner is gone. */
Datum
teamrbac_assign_owner(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t user = uuid_arg(fcinfo, 1, "user_id");
	pg_uuid_t owner;
	bool      had_owner;
	char     *before;

	if (!superuser_is_asking())
		refuse_command(&tenant, "superuser_only", "only a superuser may assign an owner", NULL,
		               "The Owner may hand the tenant on by teamrbac.transfer_ownership.");
	if (!lock_tenant(&tenant))
		refuse_unknown_tenant();
	if (!lock_active_user(&user))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("unknown_user"),
		                errmsg("unknown or disabled user")));

	had_owner = find_owner(&tenant, &owner);
	before = state_before_assignment(&tenant, &user, had_owner ? &owner : NULL);
	if (had_owner)
	{
		if (uuid_same(&owner, &user))
			ereport(ERROR,
			        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("owner_already"),
			         errmsg("user is the owner of the tenant already")));
		set_member_role(&tenant, &owner, ROLE_ADMIN);
	}
	make_owner(&tenant, &user);

	audit_tenant_by_dba(&tenant, "ownership.assigned", audit_subject("member", &user), before,
	                    audit_fields("owner", uuid_text(&user), NULL));
	if (had_owner)
		end_offers_beyond(&tenant, &owner);
	PG_RETURN_VOID();
}

/* delete_tenant(tenant_id, confirm_name): all access to the tenant ends. */
Datum
teamrbac_delete_tenant(PG_FUNCTION_ARGS)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.tenant SET deleted_at = pg_catalog.clock_timestamp()"
			   " WHERE tenant_id = $1 AND name = $2",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	char     *confirm_name = text_arg(fcinfo, 1, "confirm_name");

	lock_tenant_for(&tenant, "tenant.delete");

	if (query_execute(&update, (Datum[]){UUIDPGetDatum(&tenant), CStringGetTextDatum(confirm_name)},
	                  NULL) == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("confirm_name_wrong"),
		                errmsg("confirm_name is not the tenant's name"),
		                errhint("Repeat the tenant's name, to the letter.")));

	audit_tenant(&tenant, "tenant.deleted", audit_subject("tenant", &tenant),
	             audit_fields("name", confirm_name, NULL), NULL);
	PG_RETURN_VOID();
}

/* require_restorable makes sure that a deleted tenant is whole, and within its retention. */
static void
require_restorable(TimestampTz deleted_at, bool purge_began)
{
	if (!purge_began &&
	    GetCurrentTimestamp() - deleted_at < setting_duration(SETTING_DELETED_TENANT_RETENTION))
		return;
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
	                errreason("tenant_not_restorable"), errmsg("tenant can no longer be restored"),
	                purge_began ? errdetail("Its rows are being purged.")
	                            : errdetail("It was deleted longer ago than "
	                                        "teamrbac.deleted_tenant_retention allows.")));
}

/* warn_of_disabled_owner tells the DBA that a restored tenant's Owner was disabled while it was deleted. */
static void
warn_of_disabled_owner(const pg_uuid_t *tenant)
{
	pg_uuid_t owner;

	if (find_owner(tenant, &owner) && !lock_active_user(&owner))
		ereport(WARNING, (errmsg("the tenant's owner is disabled"),
		                  errhint("CALL teamrbac.enable_user or teamrbac.assign_owner.")));
}

/*
 * restore makes a deleted tenant live again, without its slug where another tenant has taken that: access is what
 * matters.  Returns the slug that it had to leave, or NULL.
 */
static char *
restore(const pg_uuid_t *tenant)
{
	static SavedQuery find = {
		.sql = "SELECT t.slug, EXISTS (SELECT FROM teamrbac.tenant AS other"
			   " WHERE other.slug = t.slug AND other.deleted_at IS NULL)"
			   " FROM teamrbac.tenant AS t WHERE t.tenant_id = $1 AND t.slug IS NOT NULL",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.tenant"
			   " SET deleted_at = NULL, slug = CASE WHEN $2 THEN NULL ELSE slug END"
			   " WHERE tenant_id = $1",
		.nargs = 2,
		.argtypes = {UUIDOID, BOOLOID},
	};
	Datum values[2];
	bool  nulls[2];
	char *slug = NULL;
	bool  taken = false;

	if (query_row(&find, (Datum[]){UUIDPGetDatum(tenant)}, NULL, 2, values, nulls))
	{
		slug = TextDatumGetCString(values[0]);
		taken = !reserve_slug(slug) || DatumGetBool(values[1]);
	}
	query_execute(&update, (Datum[]){UUIDPGetDatum(tenant), BoolGetDatum(taken)}, NULL);
	if (!taken)
		return NULL;
	ereport(WARNING, (errmsg("slug \"%s\" has been taken by another tenant", slug),
	                  errdetail("The tenant is restored without a slug.")));
	return slug;
}

/* restore_tenant(tenant_id): a DBA undoes delete_tenant. */
Datum
teamrbac_restore_tenant(PG_FUNCTION_ARGS)
{
	static SavedQuery lock = {
		.sql = "SELECT deleted_at, purge_began_at FROM teamrbac.tenant"
			   " WHERE tenant_id = $1 FOR NO KEY UPDATE",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	Datum     args[] = {UUIDPGetDatum(&tenant)};
	Datum     values[2];
	bool      nulls[2];
	char     *lost_slug;

	if (!query_row(&lock, args, NULL, 2, values, nulls))
		refuse_unknown_tenant();
	if (nulls[0])
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errreason("tenant_not_deleted"), errmsg("tenant is not deleted")));
	require_restorable(DatumGetTimestampTz(values[0]), !nulls[1]);

	lost_slug = restore(&tenant);
	warn_of_disabled_owner(&tenant);

	audit_tenant_by_dba(&tenant, "tenant.restored", audit_subject("tenant", &tenant),
	                    lost_slug != NULL ? audit_fields("slug", lost_slug, NULL) : NULL,
	                    lost_slug != NULL ? audit_fields("slug", NULL, NULL) : NULL);
	PG_RETURN_VOID();
}
