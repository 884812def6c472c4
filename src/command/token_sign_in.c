/*
 * token_sign_in.c
 *	  Signing in by a token that we verify.
 *
 * A token says who somebody is, and perhaps in which tenant they act.  What they may do there is the team's present
 * state: whatever roles a token names were true when it was issued, and count for nothing.
 *
 * A token that was good once is recognised by its hash, as long as nothing has changed that it was good by; whether its
 * user is, and what they may, is asked each time.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/last_use.h"
#include "authority/principal.h"
#include "authority/proof.h"
#include "authority/trusted_issuer.h"
#include "command/linked_identity.h"
#include "command/sign_in.h"
#include "command/token_sign_in.h"
#include "compat.h"
#include "store/catalog.h"
#include "store/secret.h"
#include "store/settings.h"
#include "store/text_rules.h"

/* As long as the longest slug; an id has 36. */
#define TENANT_TEXT_LENGTH 63

/* What a token comes to, before the tenant is looked for. */
typedef struct Proven
{
	Identity identity;
	bool     names_tenant;
	char     tenant[TENANT_TEXT_LENGTH + 1]; /* as the token names it; empty: by what can be none */
} Proven;

/* A token that has signed in in this backend. */
typedef struct SeenToken
{
	uint64      issuers; /* the generations before it was verified */
	uint64      revocations;
	uint8       hash[SHA256_LENGTH];
	TimestampTz until; /* when it ends, or the key that has signed it; 0: an unused entry */
	Proven      proven;
} SeenToken;

/* By the first byte of the hash, the last one seen of each. */
static SeenToken seen_tokens[256];

PG_FUNCTION_INFO_V1(teamrbac_sign_in_with_token);

pg_noreturn static void
refuse_fault(TokenFault fault)
{
	refuse_proof(token_fault_reason(fault), "invalid token", token_fault_detail(fault), NULL);
}

/* ---- what is written ------------------------------------------------------------------------------- */

/*
 * call_internal calls one of our functions that run with their owner's rights.  Nobody may call these by SQL; that this
 * asks for no privilege is the point.
 */
static Datum
call_internal(const char *name, int nargs, const Oid *types, NullableDatum *args, bool *isnull)
{
	Oid function = LookupFuncName(list_make2(makeString("teamrbac"), makeString(pstrdup(name))),
	                              nargs, types, false);
	FmgrInfo flinfo;
	Datum    result;
	LOCAL_FCINFO(fcinfo, 5);

	fmgr_info(function, &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, nargs, InvalidOid, NULL, NULL);
	for (int i = 0; i < nargs; i++)
		fcinfo->args[i] = args[i];
	result = FunctionCallInvoke(fcinfo);
	*isnull = fcinfo->isnull;
	return result;
}

/* use_once notes that a token is used, and refuses one that was. */
static void
use_once(const TrustedIssuer *issuer, const Token *token)
{
	static const Oid types[] = {INT4OID, BYTEAOID, TIMESTAMPTZOID};
	bytea           *hash = palloc(VARHDRSZ + SHA256_LENGTH);
	NullableDatum    args[3] = {{.value = Int32GetDatum(issuer->number)},
	                            {.value = PointerGetDatum(hash)},
	                            {.value = TimestampTzGetDatum(token->expires_at)}};
	bool             isnull;

	if (token->id == NULL)
		refuse_fault(TOKEN_CLAIMS);
	SET_VARSIZE(hash, VARHDRSZ + SHA256_LENGTH);
	hash_bytes_sha256(token->id, strlen(token->id), (uint8 *) VARDATA(hash));
	if (!DatumGetBool(call_internal("use_token", 3, types, args, &isnull)))
		refuse_proof("token_used", "invalid token", "It was used before, and is good for once.",
		             NULL);
}

/* ---- who ------------------------------------------------------------------------------------------- */

pg_noreturn static void
refuse_revoked(void)
{
	refuse_proof("token_revoked", "invalid token", "It has been revoked.", NULL);
}

pg_noreturn static void
refuse_unregistered(const char *detail)
{
	refuse_proof("user_unregistered", "unknown user", detail,
	             "Make them known by teamrbac.register_user, or teamrbac.link_identity.");
}

/* display_name_of is what a token calls its subject, if that is fit to be printed; else the address's first part. */
static char *
display_name_of(const Token *token, const char *email)
{
	static const char *const path[] = {"name"};
	char                    *name = claim_string(token->claims, path, 1);

	if (name != NULL)
		name = printable_name(name);
	return name != NULL ? name : pnstrdup(email, strchr(email, '@') - email);
}

/* require_unrevoked_subject: whoever was somebody's subject until their link was undone becomes nobody new by a token of then. */
static void
require_unrevoked_subject(const TrustedIssuer *issuer, const Token *token)
{
	Identity former = IDENTITY_INITIALIZER;

	former.kind = IDENTITY_USER;
	former.user_id = subject_id(token->issuer, token->subject);
	former.issuer = issuer->number;
	former.issued_at = Min(token->issued_at, GetCurrentTimestamp());
	if (!proof_stands(NULL, &former))
		refuse_revoked();
}

/* register_subject makes a user of what a token says, if it says enough and may; user_id: NULL to make one up. */
static pg_uuid_t
register_subject(const TrustedIssuer *issuer, const Token *token, const pg_uuid_t *user_id)
{
	static const Oid         types[] = {TEXTOID, TEXTOID, UUIDOID, TEXTOID, TEXTOID};
	static const char *const path[] = {"email"};
	char                    *email = claim_string(token->claims, path, 1);
	NullableDatum            args[5] = {{0}};
	Datum                    user;
	bool                     isnull;

	if (!issuer->register_users)
		refuse_unregistered("The token's subject is no user.");
	/* Whoever sees that a user or a link is gone sees what was revoked with it. */
	require_unrevoked_subject(issuer, token);
	if (email == NULL || !claim_is_true(token->claims, "email_verified") || !is_email(email))
		refuse_unregistered("The token's subject is no user, and has no verified e-mail address.");
	if (XactReadOnly)
		refuse_unregistered(
			"The token's subject is no user, and the transaction that would make them one is "
			"read-only.");
	args[0].value = CStringGetTextDatum(token->issuer);
	args[1].value = CStringGetTextDatum(token->subject);
	args[2].value = UUIDPGetDatum(user_id);
	args[2].isnull = user_id == NULL;
	args[3].value = CStringGetTextDatum(email);
	args[4].value = CStringGetTextDatum(display_name_of(token, email));
	user = call_internal("register_token_user", 5, types, args, &isnull);
	if (isnull)
		refuse_proof("email_taken", "unknown user",
		             "The token's subject is no user, and its e-mail address is another user's.",
		             "If both are one person, teamrbac.link_identity says so.");
	return *DatumGetUUIDP(user);
}

/* find_user finds out who the subject of a verified token is. */
static pg_uuid_t
find_user(const TrustedIssuer *issuer, const Token *token)
{
	pg_uuid_t user;

	if (strlen(token->subject) > 1000)
		refuse_fault(TOKEN_CLAIMS);
	if (linked_user(token->issuer, token->subject, &user))
		return user;
	if (!issuer->subject_is_user_id || !subject_uuid(token->subject, &user))
		return register_subject(issuer, token, NULL);
	return user_is_known(&user) ? user : register_subject(issuer, token, &user);
}

/* ---- the token ------------------------------------------------------------------------------------- */

/* take_tenant_claim takes what the token says of the tenant; to no effect if it cannot be one's id or slug. */
static void
take_tenant_claim(const TrustedIssuer *issuer, const Token *token, Proven *proven)
{
	char *tenant;

	proven->names_tenant =
		issuer->ntenant_claim > 0 &&
		claim_is_present(token->claims, issuer->tenant_claim, issuer->ntenant_claim);
	if (!proven->names_tenant)
		return;
	tenant = claim_string(token->claims, issuer->tenant_claim, issuer->ntenant_claim);
	if (tenant != NULL && strlen(tenant) <= TENANT_TEXT_LENGTH)
		strcpy(proven->tenant, tenant);
}

/* verify finds out what a token comes to, and which issuer it is of; or refuses it. */
static const TrustedIssuer *
verify(const char *text, int length, Token *token)
{
	TimestampTz          now = GetCurrentTimestamp();
	TokenFault           fault = token_read(text, length, token);
	const TrustedIssuer *issuer;
	TokenRules           rules;

	if (fault != TOKEN_GOOD)
		refuse_fault(fault);
	issuer = trusted_issuer(token->issuer, now);
	if (issuer == NULL)
		refuse_fault(TOKEN_ISSUER);
	rules = issuer->rules;
	rules.leeway = setting_duration(SETTING_TOKEN_LEEWAY);
	fault = token_verify(token, &rules, issuer->keys, now);
	if (fault != TOKEN_GOOD)
		refuse_fault(fault);
	return issuer;
}

/* prove makes an identity of a token that was not seen before, and remembers it in an entry of seen_tokens. */
static void
prove(const char *text, int length, const uint8 *hash, SeenToken *entry)
{
	SeenToken            seen = {.issuers = generation[FACTS_ISSUERS],
	                             .revocations = generation[FACTS_REVOCATIONS],
	                             .proven.identity = IDENTITY_INITIALIZER};
	Identity            *identity = &seen.proven.identity;
	Token                token;
	const TrustedIssuer *issuer = verify(text, length, &token);
	bool                 one_time = issuer->one_time;

	seen.until = Min(token.expires_at, issuer->keys_until);
	identity->kind = IDENTITY_USER;
	identity->ends_at = token.expires_at;
	/* An issuer whose clock is ahead of ours has still issued it before now. */
	identity->issued_at = Min(token.issued_at, GetCurrentTimestamp());
	identity->issuer = issuer->number;
	take_tenant_claim(issuer, &token, &seen.proven);
	if (one_time)
		use_once(issuer, &token);
	identity->user_id = find_user(issuer, &token);
	if (!proof_stands(NULL, identity))
		refuse_revoked();

	memcpy(seen.hash, hash, SHA256_LENGTH);
	*entry = seen;
	if (one_time)
		entry->until = 0;
}

/* is_seen tells whether an entry of seen_tokens is of this token, and nothing has changed that it was good by. */
static bool
is_seen(const SeenToken *entry, const uint8 *hash)
{
	return entry->issuers == generation[FACTS_ISSUERS] &&
	       entry->revocations == generation[FACTS_REVOCATIONS] &&
	       entry->until > GetCurrentTimestamp() && same_sha256(entry->hash, hash);
}

/*
 * recognise finds out what a token comes to, by memory if it can, and that its user is one.  Whoever was registered by a
 * transaction that was rolled back may be so again.
 */
static const Proven *
recognise(const char *text, int length)
{
	uint8      hash[SHA256_LENGTH];
	SeenToken *entry;

	/* Whoever sends a novel makes no work. */
	if (length > JWS_MAX_LENGTH)
		refuse_fault(TOKEN_TOO_LONG);
	hash_bytes_sha256(text, length, hash);
	entry = &seen_tokens[hash[0]];
	if (is_seen(entry, hash) && user_is_active(&entry->proven.identity.user_id))
		return &entry->proven;
	prove(text, length, hash, entry);
	(void) require_active_user(&entry->proven.identity.user_id);
	return &entry->proven;
}

/* ---- where ----------------------------------------------------------------------------------------- */

static bool
tenant_of_slug(const char *slug, pg_uuid_t *tenant)
{
	Datum       key = CStringGetTextDatum(slug);
	CatalogScan scan = catalog_scan_begin(NULL, CATALOG_TENANT_SLUG_KEY, 1, &key);
	HeapTuple   tuple = catalog_scan_next(&scan);
	bool        found = HeapTupleIsValid(tuple);

	if (found)
	{
		bool isnull;

		*tenant = *DatumGetUUIDP(catalog_scan_value(&scan, tuple, Anum_tenant_tenant_id, &isnull));
	}
	catalog_scan_end(&scan);
	return found;
}

/* find_tenant finds the tenant that somebody names by its id or its slug. */
static pg_uuid_t
find_tenant(const char *name)
{
	pg_uuid_t tenant;

	if (!subject_uuid(name, &tenant) && !tenant_of_slug(name, &tenant))
		refuse_permission(NULL, NULL);
	return tenant;
}

/* enter enters the tenant that the token names, the request names, or both. */
static void
enter(const Proven *proven, const char *named, Identity *identity)
{
	pg_uuid_t tenant;

	if (!proven->names_tenant && named == NULL)
		return;
	tenant = find_tenant(proven->names_tenant ? proven->tenant : named);
	if (named != NULL && proven->names_tenant)
	{
		pg_uuid_t other = find_tenant(named);

		if (!uuid_same(&tenant, &other))
			refuse_command(&other, "token_other_tenant", "the token is for another tenant", NULL,
			               NULL);
	}
	enter_tenant(identity, &tenant);
}

Identity
sign_in_by_token(const char *token, int length, const char *tenant, bool local)
{
	const Proven *proven;
	Identity      identity;

	AcceptInvalidationMessages();
	proven = recognise(token, length);
	identity = proven->identity;
	enter(proven, tenant, &identity);
	identity_set(&identity, local);
	note_user_activity(&identity.user_id);
	return identity;
}

/* result_row makes the result.  Its type is made once: its columns are those of the function's declaration. */
static Datum
result_row(const Identity *identity)
{
	static TupleDesc tupdesc = NULL;
	Datum            values[3];
	bool             nulls[3] = {false};
	pg_uuid_t        tenant = identity->tenant_id;

	if (tupdesc == NULL)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc     made = CreateTemplateTupleDesc(lengthof(values));

		TupleDescInitEntry(made, 1, "user_id", UUIDOID, -1, 0);
		TupleDescInitEntry(made, 2, "tenant_id", UUIDOID, -1, 0);
		TupleDescInitEntry(made, 3, "expires_at", TIMESTAMPTZOID, -1, 0);
		tupdesc = BlessTupleDesc(made);
		MemoryContextSwitchTo(oldcontext);
	}
	nulls[1] = !identity->in_tenant &&
	           principal_live_tenants(principal_of(identity), GetCurrentTimestamp(), &tenant) != 1;
	values[0] = UUIDPGetDatum(&identity->user_id);
	values[1] = UUIDPGetDatum(&tenant);
	values[2] = TimestampTzGetDatum(identity->ends_at);
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}

/* sign_in_with_token(token, tenant_id, local): the transaction or the session acts as the token's subject. */
Datum
teamrbac_sign_in_with_token(PG_FUNCTION_ARGS)
{
	text    *token = PG_ARGISNULL(0) ? cstring_to_text("") : PG_GETARG_TEXT_PP(0);
	char    *tenant = PG_ARGISNULL(1) ? NULL : uuid_text(PG_GETARG_UUID_P(1));
	bool     local = PG_ARGISNULL(2) || PG_GETARG_BOOL(2);
	Identity identity;

	identity = sign_in_by_token(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), tenant, local);
	warn_if_over(local);
	return result_row(&identity);
}
