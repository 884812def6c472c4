/*
 * token_revocation.c
 *	  Revoking tokens that were issued, and using one once.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "authority/team.h"
#include "command/account.h"
#include "command/issuer.h"
#include "command/token_revocation.h"
#include "record/audit.h"
#include "store/query.h"

PG_FUNCTION_INFO_V1(teamrbac_revoke_tokens);
PG_FUNCTION_INFO_V1(teamrbac_use_token);

void
revoke_tokens_of(const pg_uuid_t *user_id, int32 issuer)
{
	static SavedQuery revoke = {
		.sql =
			"INSERT INTO teamrbac.token_revocation (user_id, issuer_number) VALUES ($1, $2)"
			" ON CONFLICT (user_id, issuer_number) DO UPDATE SET revoked_at = GREATEST(token_revocation.revoked_at, EXCLUDED.revoked_at)",
		.nargs = 2,
		.argtypes = {UUIDOID, INT4OID},
	};

	query_execute(&revoke, (Datum[]){UUIDPGetDatum(user_id), Int32GetDatum(issuer)}, NULL);
}

/* revoke_all_tokens revokes what an issuer, locked, has issued to anybody until now. */
static void
revoke_all_tokens(int32 issuer)
{
	static SavedQuery revoke = {
		.sql =
			"UPDATE teamrbac.token_issuer SET revoked_at = GREATEST(revoked_at, clock_timestamp()) WHERE issuer_number = $1",
		.nargs = 1,
		.argtypes = {INT4OID},
	};

	query_execute(&revoke, (Datum[]){Int32GetDatum(issuer)}, NULL);
}

/* revoke_tokens(user_id, issuer): tokens issued until now are refused, and the identities made from them over. */
Datum
teamrbac_revoke_tokens(PG_FUNCTION_ARGS)
{
	char     *issuer = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	int32     number = 0;
	pg_uuid_t user;

	if (PG_ARGISNULL(0) && issuer == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("user_id and issuer must not both be null")));
	if (issuer != NULL)
		number = require_issuer(issuer);
	if (PG_ARGISNULL(0))
	{
		revoke_all_tokens(number);
		audit_platform("issuer.tokens_revoked", psprintf("issuer:%s", issuer), NULL, NULL);
		PG_RETURN_VOID();
	}
	user = *PG_GETARG_UUID_P(0);
	lock_known_user(&user);

	revoke_tokens_of(&user, number);

	audit_user(&user, "user.tokens_revoked", NULL,
	           issuer != NULL ? audit_fields("issuer", issuer, NULL) : NULL);
	PG_RETURN_VOID();
}

/* use_token(issuer_number, token_hash, expires_at): whether a token is used for the first time. */
Datum
teamrbac_use_token(PG_FUNCTION_ARGS)
{
	static SavedQuery insert = {
		.sql =
			"INSERT INTO teamrbac.token_use (issuer_number, token_hash, expires_at) VALUES ($1, $2, $3)"
			" ON CONFLICT DO NOTHING",
		.nargs = 3,
		.argtypes = {INT4OID, BYTEAOID, TIMESTAMPTZOID},
	};

	PG_RETURN_BOOL(
		query_execute(&insert,
	                  (Datum[]){PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)},
	                  NULL) == 1);
}
