/*
 * update_tenant.c
 *	  What a tenant is called.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/precedence.h"
#include "authority/team.h"
#include "record/audit.h"
#include "store/query.h"
#include "store/text_rules.h"

PG_FUNCTION_INFO_V1(teamrbac_update_tenant);
PG_FUNCTION_INFO_V1(teamrbac_is_slug_free);

static bool
slug_is_taken(const char *slug, const pg_uuid_t *tenant)
{
	static SavedQuery find = {
		.sql = "SELECT FROM teamrbac.tenant WHERE slug = $1 AND deleted_at IS NULL"
			   " AND tenant_id IS DISTINCT FROM $2",
		.nargs = 2,
		.argtypes = {TEXTOID, UUIDOID},
	};

	return query_execute(&find,
	                     (Datum[]){CStringGetTextDatum(slug),
	                               tenant != NULL ? UUIDPGetDatum(tenant) : (Datum) 0},
	                     tenant != NULL ? NULL : " n") > 0;
}

/* What a tenant is called; slug may be NULL. */
typedef struct TenantName
{
	char *name;
	char *slug;
} TenantName;

static TenantName
read_name(const pg_uuid_t *tenant)
{
	static SavedQuery select = {
		.sql = "SELECT name, slug FROM teamrbac.tenant WHERE tenant_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	TenantName result;
	Datum      values[2];
	bool       nulls[2];

	if (!query_row(&select, (Datum[]){UUIDPGetDatum(tenant)}, NULL, 2, values, nulls))
		elog(ERROR, "locked tenant is gone");
	result.name = TextDatumGetCString(values[0]);
	result.slug = nulls[1] ? NULL : TextDatumGetCString(values[1]);
	return result;
}

static void
write_name(const pg_uuid_t *tenant, const TenantName *name)
{
	static SavedQuery update = {
		.sql = "UPDATE teamrbac.tenant SET name = $2, slug = $3 WHERE tenant_id = $1",
		.nargs = 3,
		.argtypes = {UUIDOID, TEXTOID, TEXTOID},
	};

	query_execute(&update,
	              (Datum[]){UUIDPGetDatum(tenant), CStringGetTextDatum(name->name),
	                        name->slug != NULL ? CStringGetTextDatum(name->slug) : (Datum) 0},
	              name->slug != NULL ? NULL : "  n");
}

static bool
same_name(const TenantName *a, const TenantName *b)
{
	return strcmp(a->name, b->name) == 0 &&
	       (a->slug == NULL || b->slug == NULL ? a->slug == b->slug
	                                           : strcmp(a->slug, b->slug) == 0);
}

/* update_tenant(tenant_id, name, slug): NULL leaves what is.  The unique index has the last word on the slug. */
Datum
teamrbac_update_tenant(PG_FUNCTION_ARGS)
{
	pg_uuid_t  tenant = uuid_arg(fcinfo, 0, "tenant_id");
	TenantName given = {
		.name = PG_ARGISNULL(1) ? NULL : text_arg(fcinfo, 1, "name"),
		.slug = PG_ARGISNULL(2) ? NULL : text_arg(fcinfo, 2, "slug"),
	};
	TenantName old;
	TenantName new;

	if (given.name != NULL)
		given.name = require_printable_name("name", given.name);
	if (given.slug != NULL)
		require_slug(given.slug);
	lock_tenant_for(&tenant, "tenant.rename");

	old = read_name(&tenant);
	new.name = given.name != NULL ? given.name : old.name;
	new.slug = given.slug != NULL ? given.slug : old.slug;
	if (same_name(&old, &new))
		PG_RETURN_VOID();
	if (given.slug != NULL && (!reserve_slug(given.slug) || slug_is_taken(given.slug, &tenant)))
		ereport(ERROR,
		        (errcode(ERRCODE_UNIQUE_VIOLATION), errmsg("slug \"%s\" is taken", given.slug)));
	/* Whoever wants the old one is told that it is taken, instead of waiting for this transaction's end. */
	if (old.slug != NULL)
		(void) reserve_slug(old.slug);
	write_name(&tenant, &new);

	audit_tenant(&tenant, "tenant.updated", audit_subject("tenant", &tenant),
	             audit_fields("name", old.name, "slug", old.slug, NULL),
	             audit_fields("name", new.name, "slug", new.slug, NULL));
	PG_RETURN_VOID();
}

/* is_slug_free(slug): for the form in which a tenant is made or renamed. */
Datum
teamrbac_is_slug_free(PG_FUNCTION_ARGS)
{
	char *slug = text_arg(fcinfo, 0, "slug");

	require_slug(slug);
	(void) require_user(NULL);
	PG_RETURN_BOOL(!slug_is_taken(slug, NULL));
}
