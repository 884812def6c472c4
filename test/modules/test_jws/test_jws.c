/*
 * test_jws.c
 *	  What verifies tokens, callable from SQL.
 *
 * For tests only: these functions believe whatever keys and rules they are given.
 */
#include "postgres.h"

#include <malloc.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base64url.h"
#include "der.h"
#include "token.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(test_base64url);
PG_FUNCTION_INFO_V1(test_keys);
PG_FUNCTION_INFO_V1(test_jws);
PG_FUNCTION_INFO_V1(test_token);
PG_FUNCTION_INFO_V1(test_cost);
PG_FUNCTION_INFO_V1(test_bare_cost);
PG_FUNCTION_INFO_V1(test_malloced);

/* strings returns the elements of a text[]. */
static const char **
strings(ArrayType *array, int *count)
{
	Datum       *elements;
	const char **result;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, count);
	result = palloc((*count + 1) * sizeof(char *));
	for (int i = 0; i < *count; i++)
		result[i] = TextDatumGetCString(elements[i]);
	return result;
}

static JwsAlgorithmSet
algorithm_set(ArrayType *array)
{
	int             count;
	const char    **names = strings(array, &count);
	JwsAlgorithmSet set = 0;

	for (int i = 0; i < count; i++)
	{
		JwsAlgorithm algorithm;

		if (!jws_algorithm_named(names[i], &algorithm))
			elog(ERROR, "unknown algorithm %s", names[i]);
		set |= JWS_ALGORITHM_BIT(algorithm);
	}
	return set;
}

/* test_base64url(text): the bytes, or NULL. */
Datum
test_base64url(PG_FUNCTION_ARGS)
{
	text  *encoded = PG_GETARG_TEXT_PP(0);
	int    length = VARSIZE_ANY_EXHDR(encoded);
	bytea *result = palloc(VARHDRSZ + BASE64URL_MAX_BYTES(length));

	length = base64url_decode(VARDATA_ANY(encoded), length, (uint8 *) VARDATA(result));
	if (length < 0)
		PG_RETURN_NULL();
	SET_VARSIZE(result, VARHDRSZ + length);
	PG_RETURN_BYTEA_P(result);
}

/* test_keys(jwks): how many of them can verify. */
Datum
test_keys(PG_FUNCTION_ARGS)
{
	JwkSet *set = jwk_set_make(PG_GETARG_JSONB_P(0));
	int     nkeys = set->nkeys;

	MemoryContextDelete(set->context);
	PG_RETURN_INT32(nkeys);
}

/* test_jws(token, jwks, algorithms): the payload if it is signed, else the reason. */
Datum
test_jws(PG_FUNCTION_ARGS)
{
	text      *token = PG_GETARG_TEXT_PP(0);
	Jws        jws;
	TokenFault fault = jws_parse(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), &jws);

	if (fault == TOKEN_GOOD)
		fault = jws_verify(&jws, jwk_set_make(PG_GETARG_JSONB_P(1)),
		                   algorithm_set(PG_GETARG_ARRAYTYPE_P(2)));
	if (fault != TOKEN_GOOD)
		PG_RETURN_TEXT_P(cstring_to_text(token_fault_reason(fault)));
	PG_RETURN_TEXT_P(cstring_to_text_with_len((char *) jws.payload, jws.payload_length));
}

/*
 * test_token(token, jwks, issuer, audiences, algorithms, typ, leeway, now): the reason, or what the token says.
 */
Datum
test_token(PG_FUNCTION_ARGS)
{
	text      *token = PG_GETARG_TEXT_PP(0);
	TokenRules rules = {0};
	Token      read;
	TokenFault fault;

	rules.issuer = text_to_cstring(PG_GETARG_TEXT_PP(2));
	rules.audiences = strings(PG_GETARG_ARRAYTYPE_P(3), &rules.naudiences);
	rules.algorithms = algorithm_set(PG_GETARG_ARRAYTYPE_P(4));
	rules.type = PG_ARGISNULL(5) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(5));
	rules.leeway = PG_GETARG_INTERVAL_P(6)->time;
	fault = token_read(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), &read);
	if (fault == TOKEN_GOOD)
		fault = token_verify(&read, &rules, jwk_set_make(PG_GETARG_JSONB_P(1)),
		                     PG_GETARG_TIMESTAMPTZ(7));
	if (fault != TOKEN_GOOD)
		PG_RETURN_TEXT_P(cstring_to_text(token_fault_reason(fault)));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s %s", read.subject, read.id ? read.id : "-")));
}

/* test_cost(token, jwks, times, whole): microseconds that one verification takes, the parsing included if whole. */
Datum
test_cost(PG_FUNCTION_ARGS)
{
	text         *token = PG_GETARG_TEXT_PP(0);
	JwkSet       *keys = jwk_set_make(PG_GETARG_JSONB_P(1));
	int           times = PG_GETARG_INT32(2);
	bool          whole = PG_GETARG_BOOL(3);
	MemoryContext once =
		AllocSetContextCreate(CurrentMemoryContext, "once", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(once);
	Token         read;
	instr_time    start;
	instr_time    end;

	if (token_read(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), &read) != TOKEN_GOOD)
		elog(ERROR, "no token");
	INSTR_TIME_SET_CURRENT(start);
	for (int i = 0; i < times; i++)
	{
		if (whole)
		{
			MemoryContextReset(once);
			(void) token_read(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), &read);
		}
		if (jws_verify(&read.jws, keys, ~0U) != TOKEN_GOOD)
			elog(ERROR, "not verified");
	}
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	MemoryContextSwitchTo(before);
	PG_RETURN_FLOAT8(INSTR_TIME_GET_DOUBLE(end) * 1000000 / times);
}

/*
 * test_bare_cost(tokens, jwks): microseconds that libcrypto takes to verify one of them, by the first key: what was
 * parsed before is not counted, and of ECDSA the signatures are in the form that it reads.
 */
Datum
test_bare_cost(PG_FUNCTION_ARGS)
{
	int                      ntokens;
	const char             **tokens = strings(PG_GETARG_ARRAYTYPE_P(0), &ntokens);
	const Jwk               *key = &jwk_set_make(PG_GETARG_JSONB_P(1))->keys[0];
	Jws                     *jws = palloc(ntokens * sizeof(Jws));
	StringInfoData          *der = palloc0(ntokens * sizeof(StringInfoData));
	JwsAlgorithmSet          all = ~0U;
	const JwsAlgorithmFacts *facts;
	instr_time               start;
	instr_time               end;
	bool                     good = true;

	for (int i = 0; i < ntokens; i++)
	{
		if (jws_parse(tokens[i], strlen(tokens[i]), &jws[i]) != TOKEN_GOOD)
			elog(ERROR, "no token");
		initStringInfo(&der[i]);
		if (key->type == JWK_P256 || key->type == JWK_P384 || key->type == JWK_P521)
		{
			StringInfoData numbers;

			initStringInfo(&numbers);
			der_append_integer(&numbers, jws[i].signature, jws[i].signature_length / 2);
			der_append_integer(&numbers, jws[i].signature + jws[i].signature_length / 2,
			                   jws[i].signature_length / 2);
			der_append(&der[i], DER_SEQUENCE, numbers.data, numbers.len);
		}
		else
			appendBinaryStringInfo(&der[i], (char *) jws[i].signature, jws[i].signature_length);
	}
	facts = &jws_algorithms[jws[0].algorithm];
	INSTR_TIME_SET_CURRENT(start);
	for (int i = 0; i < ntokens; i++)
	{
		/* A MAC is pgcrypto's. */
		if (key->type == JWK_SECRET)
		{
			JwkSet set = {.nkeys = 1, .keys = {*key}};

			good = good && jws_verify(&jws[i], &set, all) == TOKEN_GOOD;
		}
		else
			good = good && public_key_verifies(key->public_key, facts, jws[i].signed_text,
			                                   jws[i].signed_length, (uint8 *) der[i].data,
			                                   der[i].len);
	}
	INSTR_TIME_SET_CURRENT(end);
	if (!good)
		elog(ERROR, "not verified");
	INSTR_TIME_SUBTRACT(end, start);
	PG_RETURN_FLOAT8(INSTR_TIME_GET_DOUBLE(end) * 1000000 / ntokens);
}

/* test_malloced(): how many bytes this backend has from malloc and has not given back. */
Datum
test_malloced(PG_FUNCTION_ARGS)
{
	struct mallinfo2 info = mallinfo2();

	PG_RETURN_INT64(info.uordblks + info.hblkhd);
}
