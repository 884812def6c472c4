/*
 * join_domain.c
 *	  Tenants that let in whoever has an e-mail address at a domain of theirs.
 *
 * That the domain is the tenant's, the application has proved before it calls allow_domain; that the address is
 * the user's, before it registered them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/team.h"
#include "command/join.h"
#include "record/audit.h"
#include "store/dependents.h"
#include "store/query.h"
#include "store/text_rules.h"

PG_FUNCTION_INFO_V1(teamrbac_set_public_mail_domain);
PG_FUNCTION_INFO_V1(teamrbac_allow_domain);
PG_FUNCTION_INFO_V1(teamrbac_disallow_domain);
PG_FUNCTION_INFO_V1(teamrbac_joinable_tenants);
PG_FUNCTION_INFO_V1(teamrbac_join_tenant);

/* ---- public mail domains ---------------------------------------------------------------------------- */

static bool
is_public_mail_domain(const char *domain)
{
	static SavedQuery select = {
		.sql = "SELECT teamrbac.is_public_mail_domain($1)",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	Datum value;
	bool  isnull;

	return query_row(&select, (Datum[]){CStringGetTextDatum(domain)}, NULL, 1, &value, &isnull) &&
	       DatumGetBool(value);
}

/* set_public_mail_domain(domain, is_public): whether anybody may have an address there. */
Datum
teamrbac_set_public_mail_domain(PG_FUNCTION_ARGS)
{
	static SavedQuery upsert = {
		.sql = "INSERT INTO teamrbac.public_mail_domain (domain, is_public) VALUES ($1, $2)"
			   " ON CONFLICT (domain, built_in) DO UPDATE SET is_public = EXCLUDED.is_public",
		.nargs = 2,
		.argtypes = {TEXTOID, BOOLOID},
	};
	char *domain = require_domain(text_arg(fcinfo, 0, "domain"));
	bool  was_public = is_public_mail_domain(domain);
	bool  is_public;

	if (PG_ARGISNULL(1))
		refuse_null("is_public");
	is_public = PG_GETARG_BOOL(1);

	query_execute(&upsert, (Datum[]){CStringGetTextDatum(domain), BoolGetDatum(is_public)}, NULL);

	audit_platform("mail_domain.set", psprintf("mail_domain:%s", domain),
	               audit_fields("is_public", was_public ? "true" : "false", NULL),
	               audit_fields("is_public", is_public ? "true" : "false", NULL));
	PG_RETURN_VOID();
}

/* ---- for managers ----------------------------------------------------------------------------------- */

/* find_domain reads what a tenant, which is locked, has allowed for a domain. */
static bool
find_domain(const pg_uuid_t *tenant, const char *name, Domain *domain)
{
	static SavedQuery select = {
		.sql = "SELECT role::pg_catalog.text, automatic, allowed_by FROM teamrbac.tenant_domain"
			   " WHERE tenant_id = $1 AND domain = $2",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	Datum values[3];
	bool  nulls[3];

	if (!query_row(&select, (Datum[]){UUIDPGetDatum(tenant), CStringGetTextDatum(name)}, NULL, 3,
	               values, nulls))
		return false;
	domain->domain = name;
	domain->role = TextDatumGetCString(values[0]);
	domain->automatic = DatumGetBool(values[1]);
	domain->allowed_by = *DatumGetUUIDP(values[2]);
	return true;
}

static void
write_domain(const pg_uuid_t *tenant, const Domain *domain)
{
	static SavedQuery upsert = {
		.sql =
			"INSERT INTO teamrbac.tenant_domain (tenant_id, domain, role, automatic, allowed_by)"
			" VALUES ($1, $2, $3, $4, $5)"
			" ON CONFLICT (tenant_id, domain) DO UPDATE SET role = EXCLUDED.role,"
			" automatic = EXCLUDED.automatic, allowed_by = EXCLUDED.allowed_by, allowed_at = EXCLUDED.allowed_at",
		.nargs = 5,
		.argtypes = {UUIDOID, TEXTOID, TEXTOID, BOOLOID, UUIDOID},
	};

	query_execute(&upsert,
	              (Datum[]){UUIDPGetDatum(tenant), CStringGetTextDatum(domain->domain),
	                        CStringGetTextDatum(domain->role), BoolGetDatum(domain->automatic),
	                        UUIDPGetDatum(&domain->allowed_by)},
	              NULL);
}

static char *
domain_subject(const char *domain)
{
	return psprintf("domain:%s", domain);
}

static char *
domain_fields(const Domain *domain)
{
	return audit_fields("role", domain->role, "automatic", domain->automatic ? "true" : "false",
	                    NULL);
}

/* allow_domain(tenant_id, domain, role, automatic): whoever has an address there may join, or ask. */
Datum
teamrbac_allow_domain(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	Domain    domain = {
		   .domain = require_domain(text_arg(fcinfo, 1, "domain")),
		   .role = text_arg(fcinfo, 2, "role"),
    };
	Domain old;
	bool   had;

	if (PG_ARGISNULL(3))
		refuse_null("automatic");
	domain.automatic = PG_GETARG_BOOL(3);
	domain.allowed_by = require_user(&tenant);
	lock_tenant_for(&tenant, PERMISSION_MANAGE_TEAM);

	require_authority_over_role(&tenant, domain.role);
	had = find_domain(&tenant, domain.domain, &old);
	if (had)
		require_authority_over_role(&tenant, old.role);
	if (is_public_mail_domain(domain.domain))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("\"%s\" is a public mail domain", domain.domain),
		                errdetail("Anybody may have an address there.")));

	write_domain(&tenant, &domain);

	audit_tenant(&tenant, "domain.allowed", domain_subject(domain.domain),
	             had ? domain_fields(&old) : NULL, domain_fields(&domain));
	PG_RETURN_VOID();
}

/* end_domain deletes a tenant's word for a domain, and records it. */
static void
end_domain(const pg_uuid_t *tenant, const Domain *domain)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.tenant_domain AS d"
			   " WHERE tenant_id = $1 AND domain = $2 RETURNING d",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};

	query_delete("tenant_domain", &delete,
	             (Datum[]){UUIDPGetDatum(tenant), CStringGetTextDatum(domain->domain)}, NULL);
	audit_tenant(tenant, "domain.disallowed", domain_subject(domain->domain), domain_fields(domain),
	             NULL);
}

/* disallow_domain(tenant_id, domain): undoes allow_domain. */
Datum
teamrbac_disallow_domain(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	char     *name = require_domain(text_arg(fcinfo, 1, "domain"));
	Domain    domain;

	lock_tenant_for(&tenant, PERMISSION_MANAGE_TEAM);

	if (!find_domain(&tenant, name, &domain))
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("the domain is not allowed")));
	require_authority_over_role(&tenant, domain.role);

	end_domain(&tenant, &domain);
	PG_RETURN_VOID();
}

void
end_domains_beyond(const pg_uuid_t *tenant, const pg_uuid_t *allower)
{
	static SavedQuery select = {
		.sql = "SELECT domain, role::pg_catalog.text, automatic FROM teamrbac.tenant_domain"
			   " WHERE tenant_id = $1 AND allowed_by = $2 ORDER BY domain FOR UPDATE",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	Datum *values;
	bool  *nulls;
	uint64 ndomains = query_rows(&select, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(allower)},
	                             NULL, 3, &values, &nulls);

	for (uint64 i = 0; i < ndomains; i++)
	{
		Domain domain = {.domain = TextDatumGetCString(values[3 * i]),
		                 .role = TextDatumGetCString(values[3 * i + 1]),
		                 .automatic = DatumGetBool(values[3 * i + 2])};

		if (!member_may_give_role(tenant, allower, domain.role))
			end_domain(tenant, &domain);
	}
}

/* ---- for whoever wants to join ---------------------------------------------------------------------- */

Domain
require_domain_of(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	static SavedQuery select = {
		.sql =
			"SELECT d.domain, d.role::pg_catalog.text, d.automatic, d.allowed_by"
			" FROM teamrbac.app_user AS u"
			" JOIN teamrbac.tenant_domain AS d ON d.domain = teamrbac.domain_of(u.email::pg_catalog.text)"
			" JOIN teamrbac.tenant AS t ON t.tenant_id = d.tenant_id AND t.deleted_at IS NULL"
			" WHERE u.user_id = $2 AND d.tenant_id = $1 AND NOT teamrbac.is_public_mail_domain(d.domain)",
		.nargs = 2,
		.argtypes = {UUIDOID, UUIDOID},
	};
	Datum  values[4];
	bool   nulls[4];
	Domain domain;

	if (!query_row(&select, (Datum[]){UUIDPGetDatum(tenant), UUIDPGetDatum(user)}, NULL, 4, values,
	               nulls))
		refuse_command(
			tenant, "permission denied for tenant",
			"There is no such tenant, or it lets in nobody with an e-mail address like yours.",
			NULL);
	domain.domain = TextDatumGetCString(values[0]);
	domain.role = TextDatumGetCString(values[1]);
	domain.automatic = DatumGetBool(values[2]);
	domain.allowed_by = *DatumGetUUIDP(values[3]);
	return domain;
}

Domain
lock_tenant_by_domain(const pg_uuid_t *tenant, const pg_uuid_t *user)
{
	/* Whoever has nothing to do with the tenant is refused before the lock, and so cannot hold up the team. */
	(void) require_domain_of(tenant, user);
	(void) lock_tenant_to_join(tenant, user);
	return require_domain_of(tenant, user);
}

/* joinable_tenants(): where the signed-in user may join by their domain. */
Datum
teamrbac_joinable_tenants(PG_FUNCTION_ARGS)
{
	static SavedQuery select = {
		.sql =
			"SELECT t.tenant_id, t.name, d.role::pg_catalog.text, d.automatic,"
			" CASE WHEN r.state = 'pending' THEN r.changed_at END"
			" FROM teamrbac.app_user AS u"
			" JOIN teamrbac.tenant_domain AS d ON d.domain = teamrbac.domain_of(u.email::pg_catalog.text)"
			" JOIN teamrbac.tenant AS t ON t.tenant_id = d.tenant_id AND t.deleted_at IS NULL"
			" LEFT JOIN teamrbac.join_request AS r ON r.tenant_id = d.tenant_id AND r.user_id = u.user_id"
			" WHERE u.user_id = $1 AND u.disabled_at IS NULL"
			" AND NOT teamrbac.is_public_mail_domain(d.domain)"
			" AND (r.state IS NULL OR r.state = 'pending')"
			" AND NOT EXISTS (SELECT FROM teamrbac.membership AS m"
			" WHERE m.tenant_id = d.tenant_id AND m.user_id = u.user_id)"
			" ORDER BY t.name, t.tenant_id",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	Identity identity = identity_now();

	if (identity.kind != IDENTITY_USER)
	{
		InitMaterializedSRF(fcinfo, 0);
		return (Datum) 0;
	}
	query_return_set(fcinfo, &select, (Datum[]){UUIDPGetDatum(&identity.user_id)}, NULL);
	return (Datum) 0;
}

/* join_tenant(tenant_id): the signed-in user joins by the domain of their address. */
Datum
teamrbac_join_tenant(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	pg_uuid_t user = require_user(&tenant);
	Domain    domain;

	domain = lock_tenant_by_domain(&tenant, &user);

	require_no_member(&tenant, &user);
	require_not_barred(&tenant, &user);
	if (!domain.automatic)
		refuse_command(&tenant, "joining the tenant must be approved", NULL,
		               "Ask by teamrbac.request_to_join.");
	require_giver(&tenant, &domain.allowed_by, domain.role);

	admit_member(&tenant, &user, domain.role, DT_NOEND);

	audit_tenant(&tenant, "member.joined", audit_subject("member", &user), NULL,
	             audit_fields("role", domain.role, "domain", domain.domain, NULL));
	settle_joining(&tenant, &user);
	PG_RETURN_TEXT_P(cstring_to_text(domain.role));
}
