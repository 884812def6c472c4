/*
 * issuer.c
 *	  Whose tokens are believed, and by which keys.
 *
 * Who may execute these is the DBA's choice: whoever trusts an issuer of their own makes themselves any user.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "authority/errors.h"
#include "authority/jwk.h"
#include "authority/team.h"
#include "command/issuer.h"
#include "compat.h"
#include "record/audit.h"
#include "store/dependents.h"
#include "store/query.h"

PG_FUNCTION_INFO_V1(teamrbac_trust_issuer);
PG_FUNCTION_INFO_V1(teamrbac_set_issuer_keys);
PG_FUNCTION_INFO_V1(teamrbac_distrust_issuer);

/* ---- arguments ------------------------------------------------------------------------------------- */

pg_noreturn static void
refuse_argument(const char *reason, const char *message)
{
	ereport(ERROR,
	        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason(reason), errmsg("%s", message)));
}

/* list_arg takes a text[] without NULLs; NULL is taken only for one that may be. */
static ArrayType *
list_arg(FunctionCallInfo fcinfo, int arg, const char *name, bool may_be_null)
{
	ArrayType *array;

	if (PG_ARGISNULL(arg))
	{
		if (!may_be_null)
			refuse_null(name);
		return NULL;
	}
	array = PG_GETARG_ARRAYTYPE_P(arg);
	if (ARR_NDIM(array) != 1 || array_contains_nulls(array))
		refuse_argument("list_malformed", psprintf("%s must be a list of one or more names", name));
	return array;
}

/* require_algorithms finds out which algorithms these are. */
static JwsAlgorithmSet
require_algorithms(ArrayType *names)
{
	JwsAlgorithmSet set = 0;
	Datum          *elements;
	int             count;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		JwsAlgorithm algorithm;

		if (!jws_algorithm_named(TextDatumGetCString(elements[i]), &algorithm))
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("unknown_algorithm"),
			     errmsg("unknown algorithm"),
			     errhint("RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, "
			             "HS256, HS384 and HS512 are known.")));
		set |= JWS_ALGORITHM_BIT(algorithm);
	}
	return set;
}

static bool
key_fits(const Jwk *key, JwsAlgorithmSet algorithms)
{
	for (int i = 0; i < JWS_ALGORITHMS; i++)
	{
		if ((algorithms & JWS_ALGORITHM_BIT(i)) != 0 && jws_algorithms[i].key_type == key->type &&
		    (key->only < 0 || key->only == i))
			return true;
	}
	return false;
}

/* require_keys takes a key set of which at least one key is for one of the algorithms. */
static Jsonb *
require_keys(FunctionCallInfo fcinfo, int arg, JwsAlgorithmSet algorithms)
{
	Jsonb  *jwks;
	JwkSet *set;
	bool    fits = false;

	if (PG_ARGISNULL(arg))
		refuse_null("keys");
	jwks = PG_GETARG_JSONB_P(arg);
	set = jwk_set_make(jwks);
	for (int i = 0; i < set->nkeys; i++)
		fits = fits || key_fits(&set->keys[i], algorithms);
	MemoryContextDelete(set->context);
	if (!fits)
		refuse_argument("key_set_invalid",
		                "none of the keys is for one of the issuer's algorithms");
	return jwks;
}

static char *
issuer_arg(FunctionCallInfo fcinfo)
{
	char *issuer = text_arg(fcinfo, 0, "issuer");

	if (*issuer == '\0' || strlen(issuer) > 1000)
		refuse_argument("text_wrong_length", "issuer must have 1 to 1000 bytes");
	return issuer;
}

/* ---- issuers and their keys ------------------------------------------------------------------------ */

/* A trusted issuer, locked. */
typedef struct LockedIssuer
{
	int32      number;
	ArrayType *algorithms;
} LockedIssuer;

static bool
read_locked(const char *issuer, LockedIssuer *locked)
{
	static SavedQuery lock = {
		.sql = "SELECT issuer_number, algorithms FROM teamrbac.token_issuer WHERE issuer = $1"
			   " FOR NO KEY UPDATE",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	Datum values[2];
	bool  nulls[2];

	if (!query_row(&lock, (Datum[]){CStringGetTextDatum(issuer)}, NULL, 2, values, nulls))
		return false;
	locked->number = DatumGetInt32(values[0]);
	locked->algorithms = DatumGetArrayTypeP(values[1]);
	return true;
}

pg_noreturn static void
refuse_unknown(void)
{
	ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errreason("issuer_not_found"),
	                errmsg("there is no such issuer")));
}

int32
lock_issuer(const char *issuer)
{
	LockedIssuer locked;

	return read_locked(issuer, &locked) ? locked.number : 0;
}

int32
require_issuer(const char *issuer)
{
	int32 number = lock_issuer(issuer);

	if (number == 0)
		refuse_unknown();
	return number;
}

static char *
issuer_subject(const char *issuer)
{
	return psprintf("issuer:%s", issuer);
}

/* delete_keys deletes those keys of an issuer that have ended, or all. */
static void
delete_keys(int32 number, bool all)
{
	static SavedQuery public_keys = {
		.sql = "DELETE FROM teamrbac.token_key AS k WHERE issuer_number = $1"
			   " AND ($2 OR ends_at <= clock_timestamp()) RETURNING k",
		.nargs = 2,
		.argtypes = {INT4OID, BOOLOID},
	};
	static SavedQuery secrets = {
		.sql = "DELETE FROM teamrbac.token_secret AS k WHERE issuer_number = $1"
			   " AND ($2 OR ends_at <= clock_timestamp()) RETURNING k",
		.nargs = 2,
		.argtypes = {INT4OID, BOOLOID},
	};
	Datum args[] = {Int32GetDatum(number), BoolGetDatum(all)};

	query_delete("token_key", &public_keys, args, NULL);
	query_delete("token_secret", &secrets, args, NULL);
}

static int64
count_keys(int32 number)
{
	static SavedQuery count = {
		.sql = "SELECT (SELECT count(*) FROM teamrbac.token_key WHERE issuer_number = $1)"
			   " + (SELECT count(*) FROM teamrbac.token_secret WHERE issuer_number = $1)",
		.nargs = 1,
		.argtypes = {INT4OID},
	};
	Datum nkeys;
	bool  isnull;

	if (!query_row(&count, (Datum[]){Int32GetDatum(number)}, NULL, 1, &nkeys, &isnull))
		elog(ERROR, "keys are not counted");
	return DatumGetInt64(nkeys);
}

/* replace_keys gives an issuer these keys; what it has else ends at that time. */
static void
replace_keys(int32 number, Jsonb *jwks, TimestampTz ends_at)
{
	static SavedQuery replace = {
		.sql = "SELECT teamrbac.replace_issuer_keys($1, $2, $3)",
		.nargs = 3,
		.argtypes = {INT4OID, JSONBOID, TIMESTAMPTZOID},
	};

	query_execute(
		&replace,
		(Datum[]){Int32GetDatum(number), JsonbPGetDatum(jwks), TimestampTzGetDatum(ends_at)}, NULL);
	delete_keys(number, false);
	if (count_keys(number) > JWK_SET_MAX_KEYS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("too_many_issuer_keys"),
		                errmsg("an issuer has at most %d keys", JWK_SET_MAX_KEYS),
		                errhint("With a shorter overlap, the former ones end earlier.")));
}

/* key_ids lists the names of the keys in a set, for the audit. */
static char *
key_ids(Jsonb *jwks)
{
	static SavedQuery list = {
		.sql = "SELECT string_agg(COALESCE(key ->> 'kid', '-'), ', ' ORDER BY key ->> 'kid')"
			   " FROM teamrbac.jwks_keys($1)",
		.nargs = 1,
		.argtypes = {JSONBOID},
	};
	Datum ids;
	bool  isnull;

	if (!query_row(&list, (Datum[]){JsonbPGetDatum(jwks)}, NULL, 1, &ids, &isnull) || isnull)
		elog(ERROR, "a key set without a key");
	return TextDatumGetCString(ids);
}

/* new_number draws the number of an issuer: nobody may be mistaken for one that was there before. */
static int32
new_number(void)
{
	uint32 number;

	do
	{
		if (!pg_strong_random(&number, sizeof(number)))
			ereport(ERROR,
			        (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
		number &= PG_INT32_MAX;
	} while (number == 0);
	return (int32) number;
}

static Datum
bool_arg(FunctionCallInfo fcinfo, int arg, bool otherwise)
{
	return BoolGetDatum(PG_ARGISNULL(arg) ? otherwise : PG_GETARG_BOOL(arg));
}

/* write_issuer makes an issuer trusted, or changes what is known of it; returns its number. */
static int32
write_issuer(FunctionCallInfo fcinfo, const char *issuer, ArrayType *audience,
             ArrayType *algorithms, ArrayType *tenant_claim)
{
	static SavedQuery write = {
		.sql =
			"INSERT INTO teamrbac.token_issuer AS i (issuer, issuer_number, audience, algorithms, typ,"
			" tenant_claim, register_users, one_time, subject_is_user_id)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
			" ON CONFLICT (issuer) DO UPDATE SET audience = $3, algorithms = $4, typ = $5,"
			" tenant_claim = $6, register_users = $7, one_time = $8, subject_is_user_id = $9"
			" RETURNING i.issuer_number",
		.nargs = 9,
		.argtypes = {TEXTOID, INT4OID, TEXTARRAYOID, TEXTARRAYOID, TEXTOID, TEXTARRAYOID, BOOLOID,
	                 BOOLOID, BOOLOID},
	};
	Datum args[9];
	char  nulls[] = "         ";
	Datum number;
	bool  isnull;

	args[0] = CStringGetTextDatum(issuer);
	args[1] = Int32GetDatum(new_number());
	args[2] = PointerGetDatum(audience);
	args[3] = PointerGetDatum(algorithms);
	args[4] = PG_ARGISNULL(4) ? (Datum) 0 : PG_GETARG_DATUM(4);
	nulls[4] = PG_ARGISNULL(4) ? 'n' : ' ';
	args[5] = PointerGetDatum(tenant_claim);
	nulls[5] = tenant_claim == NULL ? 'n' : ' ';
	args[6] = bool_arg(fcinfo, 6, false);
	args[7] = bool_arg(fcinfo, 7, false);
	args[8] = bool_arg(fcinfo, 8, true);
	if (!query_row(&write, args, nulls, 1, &number, &isnull))
		elog(ERROR, "an issuer has no number");
	return DatumGetInt32(number);
}

/* issuer_facts describes an issuer for the audit; NULL if it is not trusted. */
static char *
issuer_facts(const char *issuer)
{
	static SavedQuery describe = {
		.sql = "SELECT (to_jsonb(i) - ARRAY['issuer_number', 'trusted_at'])::text"
			   " FROM teamrbac.token_issuer AS i WHERE i.issuer = $1",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	Datum facts;
	bool  isnull;

	if (!query_row(&describe, (Datum[]){CStringGetTextDatum(issuer)}, NULL, 1, &facts, &isnull))
		return NULL;
	return TextDatumGetCString(facts);
}

/*
 * resume_revocations has what was revoked and used before an issuer was distrusted stay so now that it is trusted again,
 * under another number.  The event of its distrust says what that was before.
 */
static void
resume_revocations(const char *issuer, int32 number)
{
	static SavedQuery find = {
		.sql =
			"SELECT (e.after ->> 'number')::integer, (e.before ->> 'revoked_at')::timestamptz"
			" FROM teamrbac.audit_event AS e WHERE e.tenant_id = '00000000-0000-0000-0000-000000000000'"
			" AND e.scope = 'platform' AND e.action = 'issuer.distrusted' AND e.subject = $1"
			" ORDER BY e.sequence DESC LIMIT 1",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	static SavedQuery tokens = {
		.sql = "UPDATE teamrbac.token_revocation SET issuer_number = $2 WHERE issuer_number = $1",
		.nargs = 2,
		.argtypes = {INT4OID, INT4OID},
	};
	static SavedQuery uses = {
		.sql = "UPDATE teamrbac.token_use SET issuer_number = $2 WHERE issuer_number = $1",
		.nargs = 2,
		.argtypes = {INT4OID, INT4OID},
	};
	static SavedQuery all = {
		.sql = "UPDATE teamrbac.token_issuer SET revoked_at = $2 WHERE issuer_number = $1",
		.nargs = 2,
		.argtypes = {INT4OID, TIMESTAMPTZOID},
	};
	Datum former[2];
	bool  nulls[2];
	Datum args[] = {0, Int32GetDatum(number)};

	if (!query_row(&find, (Datum[]){CStringGetTextDatum(issuer_subject(issuer))}, NULL, 2, former,
	               nulls))
		return;
	args[0] = former[0];
	if (!nulls[0])
	{
		query_execute(&tokens, args, NULL);
		query_execute(&uses, args, NULL);
	}
	if (!nulls[1])
		query_execute(&all, (Datum[]){Int32GetDatum(number), former[1]}, NULL);
}

/*
 * trust_issuer(issuer, keys, audience, algorithms, ...): tokens of this issuer are believed from now on.
 */
Datum
teamrbac_trust_issuer(PG_FUNCTION_ARGS)
{
	char      *issuer = issuer_arg(fcinfo);
	ArrayType *audience = list_arg(fcinfo, 2, "audience", false);
	ArrayType *algorithms = list_arg(fcinfo, 3, "algorithms", false);
	ArrayType *tenant_claim = list_arg(fcinfo, 5, "tenant_claim", true);
	Jsonb     *jwks = require_keys(fcinfo, 1, require_algorithms(algorithms));
	bool       trusted_already = lock_issuer(issuer) != 0;
	char      *before = issuer_facts(issuer);
	int32      number;

	number = write_issuer(fcinfo, issuer, audience, algorithms, tenant_claim);
	if (!trusted_already)
		resume_revocations(issuer, number);
	replace_keys(number, jwks, GetCurrentTimestamp());

	audit_platform("issuer.trusted", issuer_subject(issuer), before, issuer_facts(issuer));
	audit_platform("issuer.keys_set", issuer_subject(issuer), NULL,
	               audit_fields("kid", key_ids(jwks), NULL));
	PG_RETURN_VOID();
}

/* has_these_keys tells whether an issuer's present keys are exactly these. */
static bool
has_these_keys(int32 number, Jsonb *jwks)
{
	static SavedQuery compare = {
		.sql = "SELECT NOT EXISTS (SELECT FROM (SELECT k.key_hash FROM teamrbac.token_key AS k"
			   " WHERE k.issuer_number = $1 AND k.ends_at IS NULL"
			   " UNION ALL SELECT s.secret_hash FROM teamrbac.token_secret AS s"
			   " WHERE s.issuer_number = $1 AND s.ends_at IS NULL) AS present(hash)"
			   " FULL JOIN teamrbac.jwks_keys($2) AS given ON given.hash = present.hash"
			   " WHERE given.hash IS NULL OR present.hash IS NULL)",
		.nargs = 2,
		.argtypes = {INT4OID, JSONBOID},
	};
	Datum same;
	bool  isnull;

	return query_row(&compare, (Datum[]){Int32GetDatum(number), JsonbPGetDatum(jwks)}, NULL, 1,
	                 &same, &isnull) &&
	       DatumGetBool(same);
}

/* overlap_end takes the interval for which former keys go on, and says when it ends. */
static TimestampTz
overlap_end(FunctionCallInfo fcinfo, int arg)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz end;

	if (PG_ARGISNULL(arg))
		refuse_null("overlap");
	end = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now),
	                                              PG_GETARG_DATUM(arg)));
	if (end < now)
		refuse_argument("overlap_negative", "overlap must not be negative");
	return end;
}

/* set_issuer_keys(issuer, keys, overlap): other keys for an issuer, and the former ones for a time. */
Datum
teamrbac_set_issuer_keys(PG_FUNCTION_ARGS)
{
	char        *issuer = text_arg(fcinfo, 0, "issuer");
	TimestampTz  end = overlap_end(fcinfo, 2);
	LockedIssuer locked;
	Jsonb       *jwks;

	if (!read_locked(issuer, &locked))
		refuse_unknown();
	jwks = require_keys(fcinfo, 1, require_algorithms(locked.algorithms));
	/* Whoever fetches them every minute wakes nobody. */
	if (has_these_keys(locked.number, jwks) && end > GetCurrentTimestamp())
		PG_RETURN_VOID();

	replace_keys(locked.number, jwks, end);

	audit_platform("issuer.keys_set", issuer_subject(issuer), NULL,
	               audit_fields("kid", key_ids(jwks), "former_until", audit_time(end), NULL));
	PG_RETURN_VOID();
}

/* distrust_issuer(issuer): its tokens are refused, and the identities made from them over. */
Datum
teamrbac_distrust_issuer(PG_FUNCTION_ARGS)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.token_issuer AS i WHERE issuer = $1 RETURNING i",
		.nargs = 1,
		.argtypes = {TEXTOID},
	};
	char *issuer = text_arg(fcinfo, 0, "issuer");
	int32 number = require_issuer(issuer);
	char *before = issuer_facts(issuer);

	delete_keys(number, true);
	query_delete("token_issuer", &delete, (Datum[]){CStringGetTextDatum(issuer)}, NULL);

	audit_platform("issuer.distrusted", issuer_subject(issuer), before,
	               audit_fields("number", psprintf("%d", number), NULL));
	PG_RETURN_VOID();
}
