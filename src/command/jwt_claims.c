/*
 * jwt_claims.c
 *	  Signing in by claims that a gateway has verified.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/jsonb.h"

#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/last_use.h"
#include "command/sign_in.h"

#define CLAIMS_SETTING "request.jwt.claims"

PG_FUNCTION_INFO_V1(teamrbac_sign_in_from_jwt_claims);

/*
 * parse_subject reads sub from JWT claims: true and the user, or false where there is none.  What is wrong
 * with the claims is wrong with the identity, hence the change of SQLSTATE.
 */
static bool
parse_subject(const char *claims, pg_uuid_t *user_id)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool found = false;

	PG_TRY();
	{
		Jsonb     *object = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(claims)));
		JsonbValue value;

		if (!JB_ROOT_IS_OBJECT(object))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			                errmsg("claims are not a JSON object")));
		if (getKeyJsonValueFromContainer(&object->root, "sub", 3, &value) != NULL &&
		    value.type != jbvNull)
		{
			char *sub;

			if (value.type != jbvString)
				ereport(ERROR,
				        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("sub is not a string")));
			sub = pnstrdup(value.val.string.val, value.val.string.len);
			*user_id = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(sub)));
			found = true;
		}
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		refuse_identity(psprintf("malformed claims in setting \"%s\"", CLAIMS_SETTING),
		                error->message, NULL);
	}
	PG_END_TRY();
	return found;
}

/* sign_in_from_jwt_claims(): the transaction acts as the user that the gateway's verified claims name. */
Datum
teamrbac_sign_in_from_jwt_claims(PG_FUNCTION_ARGS)
{
	const char *claims = GetConfigOption(CLAIMS_SETTING, true, false);
	Identity    identity = IDENTITY_INITIALIZER;
	pg_uuid_t  *user_id = palloc(sizeof(pg_uuid_t));

	if (claims == NULL || *claims == '\0' || !parse_subject(claims, user_id))
	{
		identity_set(&identity, true);
		PG_RETURN_NULL();
	}
	AcceptInvalidationMessages();
	identity = require_active_user(user_id);
	identity_set(&identity, true);
	note_user_activity(user_id);
	warn_if_over(true);
	PG_RETURN_UUID_P(user_id);
}
