/*
 * audit_statement.c
 *	  Signed statements of where a chain of the audit stood, to be kept where this server's superusers have no hand.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/jwk.h"
#include "authority/jws.h"
#include "authority/jws_sign.h"
#include "authority/team.h"
#include "compat.h"
#include "store/reason.h"
#include "store/query.h"
#include "store/settings.h"

PG_FUNCTION_INFO_V1(teamrbac_audit_statement);
PG_FUNCTION_INFO_V1(teamrbac_audit_public_keys);
PG_FUNCTION_INFO_V1(teamrbac_verify_audit_statement);

/* What else is signed by such a key is no statement. */
#define STATEMENT_TYPE "teamrbac-head+jws"

static const char *
require_signing_key(void)
{
	if (audit_signing_key_file == NULL || *audit_signing_key_file == '\0')
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errreason("signing_key_missing"), errmsg("there is no key to sign with"),
		                errhint("A superuser sets teamrbac.audit_signing_key_file.")));
	return audit_signing_key_file;
}

/* audit_statement(tenant_id, scope): where the chain stands, signed. */
Datum
teamrbac_audit_statement(PG_FUNCTION_ARGS)
{
	static SavedQuery select = {
		.sql = "SELECT teamrbac.head_statement($1, $2)",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	pg_uuid_t tenant = uuid_arg(fcinfo, 0, "tenant_id");
	char     *scope = text_arg(fcinfo, 1, "scope");
	Datum     payload;
	bool      isnull;

	/* Chains of people and definitions are the DBA's. */
	if (!superuser_is_asking())
	{
		require_permission(&tenant, PERMISSION_VIEW_AUDIT);
		if (strcmp(scope, "tenant") != 0)
			refuse_permission(&tenant, PERMISSION_VIEW_AUDIT);
	}
	if (!query_row(&select, (Datum[]){UUIDPGetDatum(&tenant), CStringGetTextDatum(scope)}, NULL, 1,
	               &payload, &isnull) ||
	    isnull)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errreason("no_such_chain"),
		                errmsg("there is no such chain of events")));
	PG_RETURN_TEXT_P(cstring_to_text(jws_sign(require_signing_key(),
	                                          "{\"alg\":\"EdDSA\",\"typ\":\"" STATEMENT_TYPE "\"}",
	                                          TextDatumGetCString(payload))));
}

/* audit_public_keys(): what such statements are verified by. */
Datum
teamrbac_audit_public_keys(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(
		DirectFunctionCall1(jsonb_in, CStringGetDatum(jws_public_keys(require_signing_key()))));
}

/* verify_audit(tenant_id, statement, jwks): whether the chain is whole, and the one that the statement is about. */
Datum
teamrbac_verify_audit_statement(PG_FUNCTION_ARGS)
{
	static SavedQuery verify = {
		.sql = "SELECT * FROM teamrbac.statement_verdict($1, $2::pg_catalog.jsonb)",
		.nargs = 2,
		.argtypes = {UUIDOID, TEXTOID},
	};
	pg_uuid_t  tenant = uuid_arg(fcinfo, 0, "tenant_id");
	char      *statement = text_arg(fcinfo, 1, "statement");
	Jws        jws;
	JwkSet    *keys;
	TokenFault fault;

	if (PG_ARGISNULL(2))
		refuse_null("jwks");
	if (!superuser_is_asking())
		require_permission(&tenant, PERMISSION_VIEW_AUDIT);

	keys = jwk_set_make(PG_GETARG_JSONB_P(2));
	fault = jws_parse(statement, (int) strlen(statement), &jws);
	if (fault == TOKEN_GOOD)
		fault = jws_verify(&jws, keys, JWS_ALGORITHM_BIT(JWS_EDDSA));
	if (fault == TOKEN_GOOD && (jws.type == NULL || strcmp(jws.type, STATEMENT_TYPE) != 0))
		fault = TOKEN_TYPE;
	MemoryContextDelete(keys->context);
	if (fault != TOKEN_GOOD)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("statement_invalid"),
		                errmsg("statement is not one of these keys'"),
		                errdetail("%s", token_fault_detail(fault))));
	query_return_set(fcinfo, &verify,
	                 (Datum[]){UUIDPGetDatum(&tenant),
	                           PointerGetDatum(cstring_to_text_with_len((const char *) jws.payload,
	                                                                    jws.payload_length))},
	                 NULL);
	return (Datum) 0;
}
