/*
 * team_page.c
 *	  What a front end reads of a team: who may read it, and which buttons it may offer.  The queries stand in
 *	  sql/parts/89_team_page.sql.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "compat.h"
#include "authority/team.h"

PG_FUNCTION_INFO_V1(teamrbac_require_reader);
PG_FUNCTION_INFO_V1(teamrbac_may_give_role);

/* require_reader(tenant_id, permission): an error unless whoever is asking has it there; NULL: is a live member. */
Datum
teamrbac_require_reader(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");

	if (PG_ARGISNULL(1))
		(void) require_member(&tenant);
	else
		require_permission(&tenant, text_arg(fcinfo, 1, "permission"));
	PG_RETURN_VOID();
}

/* may_give_role(tenant_id, role): whether whoever is asking may give it there, change it or take it away. */
Datum
teamrbac_may_give_role(PG_FUNCTION_ARGS)
{
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");

	PG_RETURN_BOOL(asker_has_authority_over_role(&tenant, text_arg(fcinfo, 1, "role")));
}
