/*
 * identity.c
 *	  Who is asking: the setting that nobody can forge, and the functions that write it.
 *
 * The identity is a setting because settings already do what is wanted: SET LOCAL's lifetime, savepoints,
 * copies in parallel workers, DISCARD ALL, and nothing left behind for the next client of a pooled
 * connection.  It must be written from here only, though.  PGC_SUSET keeps ordinary roles out; the check hook
 * keeps everyone else out, and with it whatever was planted as a placeholder before the library was loaded:
 * by SET, ALTER ROLE, ALTER DATABASE or PGOPTIONS.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "authority/cache.h"
#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/last_use.h"

#define IDENTITY_SETTING "teamrbac.identity"
#define CLAIMS_SETTING "request.jwt.claims"

uint64 identity_epoch = 0;

/* The setting's value, and what it says; signed_in is the setting's "extra", or NULL for nobody. */
static char           *identity_setting;
static const Identity *signed_in = NULL;

/* True while identity_set writes the setting. */
static bool writing = false;

PG_FUNCTION_INFO_V1(teamrbac_sign_in);
PG_FUNCTION_INFO_V1(teamrbac_sign_in_from_jwt_claims);
PG_FUNCTION_INFO_V1(teamrbac_sign_out);
PG_FUNCTION_INFO_V1(teamrbac_current_identity);
PG_FUNCTION_INFO_V1(teamrbac_current_user_id);

/* ---- the setting ----------------------------------------------------------------------------------- */

static inline int
hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

/*
 * parse_uuid reads what uuid_out wrote.  It is not uuid_in because a check hook must not raise errors.
 */
static bool
parse_uuid(const char **text, pg_uuid_t *uuid)
{
	const char *at = *text;

	for (int i = 0; i < UUID_LEN; i++)
	{
		int high;
		int low;

		if (i == 4 || i == 6 || i == 8 || i == 10)
		{
			if (*at++ != '-')
				return false;
		}
		high = hex_value(at[0]);
		if (high < 0)
			return false;
		low = hex_value(at[1]);
		if (low < 0)
			return false;
		uuid->data[i] = high << 4 | low;
		at += 2;
	}
	*text = at;
	return true;
}

static bool
parse_identity(const char *text, Identity *identity)
{
	memset(identity, 0, sizeof(Identity));
	if (strncmp(text, "user:", 5) == 0)
	{
		text += 5;
		identity->kind = IDENTITY_USER;
		return parse_uuid(&text, &identity->user_id) && *text == '\0';
	}
	if (strncmp(text, "api_key:", 8) == 0)
	{
		text += 8;
		identity->kind = IDENTITY_KEY;
		return parse_uuid(&text, &identity->tenant_id) && *text++ == ':' &&
		       parse_uuid(&text, &identity->key_id) && *text == '\0';
	}
	return false;
}

static char *
identity_text(const Identity *identity)
{
	switch (identity->kind)
	{
		case IDENTITY_USER:
			return psprintf("user:%s", uuid_text(&identity->user_id));
		case IDENTITY_KEY:
			return psprintf("api_key:%s:%s", uuid_text(&identity->tenant_id),
			                uuid_text(&identity->key_id));
		case IDENTITY_NONE:
			break;
	}
	return "";
}

/*
 * refuse_setting refuses a value from outside.  A check hook leaves the error to the server, and must not look
 * at tables: whose role is mapped to which user is not asked.
 */
static bool
refuse_setting(void)
{
	static const Identity nobody = {.kind = IDENTITY_NONE};
	static const char    *detail =
		"It says who is asking, and is written by the functions that sign in only.";

	/* Not where no session is at work: a file that the postmaster reads, a library that it loads. */
	if (IsTransactionState())
		note_refusal(ERRCODE_INSUFFICIENT_PRIVILEGE, signed_in != NULL ? signed_in : &nobody, NULL,
		             "setting \"" IDENTITY_SETTING "\" cannot be set", detail);
	GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
	GUC_check_errmsg("setting \"%s\" cannot be set", IDENTITY_SETTING);
	GUC_check_errdetail("%s", detail);
	return false;
}

/*
 * check_identity lets a value through only while identity_set writes it, or while a parallel worker takes
 * over its leader's: that one bears the source that identity_set gave it, which what ALTER ROLE or ALTER
 * DATABASE planted does not.
 */
static bool
check_identity(char **newval, void **extra, GucSource source)
{
	Identity *identity;

	*extra = NULL;
	if (*newval == NULL || **newval == '\0')
		return true;
	if (!writing && !(InitializingParallelWorker && source == PGC_S_SESSION))
		return refuse_setting();
	identity = guc_malloc(LOG, sizeof(Identity));
	if (identity == NULL)
		return false;
	if (!parse_identity(*newval, identity))
	{
		GUC_check_errdetail("The value names no identity.");
		return false;
	}
	*extra = identity;
	return true;
}

static void
assign_identity(const char *newval, void *extra)
{
	signed_in = extra;
	identity_epoch++;
}

void
identity_init(void)
{
	DefineCustomStringVariable(
		IDENTITY_SETTING, "Who is asking.",
		"Written by teamrbac.sign_in and its like; nobody can set it.", &identity_setting, "",
		PGC_SUSET, GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE, check_identity, assign_identity, NULL);
}

void
identity_set(const Identity *identity, bool local)
{
	Assert(!writing);
	writing = true;
	PG_TRY();
	{
		(void) set_config_option(IDENTITY_SETTING, identity_text(identity), PGC_SUSET,
		                         PGC_S_SESSION, local ? GUC_ACTION_LOCAL : GUC_ACTION_SET, true,
		                         ERROR, false);
	}
	PG_FINALLY();
	{
		writing = false;
	}
	PG_END_TRY();
}

/* ---- reading it ------------------------------------------------------------------------------------ */

Identity
identity_now(void)
{
	Identity mapped = {.kind = IDENTITY_NONE};

	if (signed_in != NULL)
		return *signed_in;
	/* The role that logged in: SET ROLE and SECURITY DEFINER functions must not make one somebody else. */
	if (mapped_user(GetSessionUserId(), &mapped.user_id))
		mapped.kind = IDENTITY_USER;
	return mapped;
}

pg_uuid_t
require_user(const pg_uuid_t *tenant)
{
	Identity identity;

	AcceptInvalidationMessages();
	identity = identity_now();
	if (identity.kind == IDENTITY_NONE)
		refuse_nobody(tenant);
	if (identity.kind == IDENTITY_KEY)
		refuse_command(tenant, "an API key may not do this", "This is for people only.", NULL);
	if (!user_is_active(&identity.user_id))
		refuse_identity("unknown or disabled user", NULL, NULL);
	return identity.user_id;
}

Datum
identity_datum(const Identity *identity)
{
	static const char *const kinds[] = {"none", "user", "api_key"};
	Oid                      schema = get_namespace_oid("teamrbac", false);
	Oid       type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("identity"),
	                                 ObjectIdGetDatum(schema));
	TupleDesc tupdesc = lookup_rowtype_tupdesc_copy(type, -1);
	Datum     values[4] = {0};
	bool      nulls[4] = {false, true, true, true};

	values[0] = CStringGetTextDatum(kinds[identity->kind]);
	if (identity->kind == IDENTITY_USER)
	{
		values[1] = UUIDPGetDatum(&identity->user_id);
		nulls[1] = false;
	}
	else if (identity->kind == IDENTITY_KEY)
	{
		values[2] = UUIDPGetDatum(&identity->tenant_id);
		values[3] = UUIDPGetDatum(&identity->key_id);
		nulls[2] = nulls[3] = false;
	}
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}

/* current_identity(): who is asking, as a composite. */
Datum
teamrbac_current_identity(PG_FUNCTION_ARGS)
{
	Identity identity;

	AcceptInvalidationMessages();
	identity = identity_now();
	PG_RETURN_DATUM(identity_datum(&identity));
}

/* current_user_id(): the user who is asking, or NULL. */
Datum
teamrbac_current_user_id(PG_FUNCTION_ARGS)
{
	Identity   identity;
	pg_uuid_t *result;

	AcceptInvalidationMessages();
	identity = identity_now();
	if (identity.kind != IDENTITY_USER)
		PG_RETURN_NULL();
	result = palloc(sizeof(pg_uuid_t));
	*result = identity.user_id;
	PG_RETURN_UUID_P(result);
}

/* ---- signing in and out ---------------------------------------------------------------------------- */

static void
sign_in_user(const pg_uuid_t *user_id, bool local)
{
	Identity identity = {.kind = IDENTITY_USER, .user_id = *user_id};

	AcceptInvalidationMessages();
	if (!user_is_active(user_id))
		refuse_identity("unknown or disabled user",
		                psprintf("There is no active user %s.", uuid_text(user_id)),
		                "The application makes its users known by teamrbac.register_user.");
	identity_set(&identity, local);
	note_user_activity(user_id);
}

void
identity_warn_if_over(bool local)
{
	if (local && !IsTransactionBlock() && error_context_stack == NULL)
		ereport(WARNING, (errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION),
		                  errmsg("sign_in has no effect beyond this statement"),
		                  errhint("Call it after BEGIN, or with local => false for the session.")));
}

/* sign_in(user_id, local): the transaction or the session acts as this user. */
Datum
teamrbac_sign_in(PG_FUNCTION_ARGS)
{
	bool local = PG_ARGISNULL(1) || PG_GETARG_BOOL(1);

	if (PG_ARGISNULL(0))
		refuse_identity("user_id must not be null", NULL, NULL);
	sign_in_user(PG_GETARG_UUID_P(0), local);
	identity_warn_if_over(local);
	PG_RETURN_VOID();
}

/* sign_out(): the session acts as nobody. */
Datum
teamrbac_sign_out(PG_FUNCTION_ARGS)
{
	Identity nobody = {.kind = IDENTITY_NONE};

	identity_set(&nobody, false);
	PG_RETURN_VOID();
}

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
	Identity    nobody = {.kind = IDENTITY_NONE};
	pg_uuid_t  *user_id = palloc(sizeof(pg_uuid_t));

	if (claims == NULL || *claims == '\0' || !parse_subject(claims, user_id))
	{
		identity_set(&nobody, true);
		PG_RETURN_NULL();
	}
	sign_in_user(user_id, true);
	identity_warn_if_over(true);
	PG_RETURN_UUID_P(user_id);
}
