/*
 * identity.c
 *	  Who is asking: the setting that nobody can forge.
 *
 * The identity is a setting because settings already do what is wanted: SET LOCAL's lifetime, savepoints,
 * copies in parallel workers, DISCARD ALL, and nothing left behind for the next client of a pooled
 * connection.  It must be written from here only, though.  PGC_SUSET keeps ordinary roles out; the check hook
 * keeps everyone else out, and with it whatever was planted as a custom setting before the library was loaded:
 * by SET, ALTER ROLE, ALTER DATABASE or PGOPTIONS.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "authority/cluster.h"
#include "authority/identity.h"
#include "authority/proof.h"
#include "authority/refusal_log.h"
#include "compat.h"
#include "store/catalog.h"
#include "store/reason.h"
#include "store/settings.h"

#define IDENTITY_SETTING "teamrbac.identity"

uint64 identity_generation = 0;

/* The setting's value, and what it says; signed_in is the setting's "extra", or NULL for nobody. */
static char           *identity_setting;
static const Identity *signed_in = NULL;

static IdentityCarrier carrier = NULL;

/* True while identity_set writes the setting. */
static bool writing = false;

/* ---- the setting ----------------------------------------------------------------------------------- */

/* parse_time reads a number of microseconds since 2000, and moves *text behind it. */
static bool
parse_time(const char **text, TimestampTz *time)
{
	char *end;

	errno = 0;
	*time = strtoll(*text, &end, 10);
	if (errno != 0 || end == *text)
		return false;
	*text = end;
	return true;
}

/* parse_number reads a number of 32 bits, and moves *text behind it. */
static bool
parse_number(const char **text, uint32 *number)
{
	TimestampTz value;

	if (!parse_time(text, &value) || value < 0 || value > PG_UINT32_MAX)
		return false;
	*number = (uint32) value;
	return true;
}

static bool
parse_property(const char *name, int length, const char **value, Identity *identity)
{
	uint32 number = 0;

#define IS(word) (length == sizeof(word) - 1 && memcmp(name, word, length) == 0)
	if (IS("user"))
	{
		identity->kind = IDENTITY_USER;
		return parse_uuid(value, &identity->user_id);
	}
	if (IS("api_key"))
	{
		identity->kind = IDENTITY_KEY;
		return parse_uuid(value, &identity->key_id);
	}
	if (IS("tenant"))
	{
		identity->in_tenant = true;
		return parse_uuid(value, &identity->tenant_id);
	}
	if (IS("ends"))
		return parse_time(value, &identity->ends_at);
	if (IS("issued"))
		return parse_time(value, &identity->issued_at);
	if (!(IS("issuer") || IS("role") || IS("outlives") || IS("staff")) ||
	    !parse_number(value, &number))
		return false;
	if (IS("issuer"))
		identity->issuer = (int32) number;
	else if (IS("staff"))
		identity->staff = number == STAFF_CHANGE ? STAFF_CHANGE : STAFF_READ;
	else if (IS("role"))
		identity->database_role = number;
	else
		identity->outlives = number != 0;
#undef IS
	return true;
}

bool
identity_parse(const char *text, Identity *identity)
{
	static const Identity nobody = IDENTITY_INITIALIZER;

	*identity = nobody;
	while (*text != '\0')
	{
		const char *equals = strchr(text, '=');
		const char *value;

		if (equals == NULL)
			return false;
		value = equals + 1;
		if (!parse_property(text, equals - text, &value, identity))
			return false;
		if (*value != '\0' && *value++ != ' ')
			return false;
		text = value;
	}
	return identity->kind != IDENTITY_NONE;
}

char *
identity_text(const Identity *identity)
{
	StringInfoData text;

	initStringInfo(&text);
	if (identity->kind == IDENTITY_NONE)
		return text.data;
	if (identity->kind == IDENTITY_USER)
		appendStringInfo(&text, "user=%s", uuid_text(&identity->user_id));
	else
		appendStringInfo(&text, "api_key=%s", uuid_text(&identity->key_id));
	if (identity->in_tenant)
		appendStringInfo(&text, " tenant=%s", uuid_text(&identity->tenant_id));
	if (identity->ends_at != DT_NOEND)
		appendStringInfo(&text, " ends=" INT64_FORMAT, identity->ends_at);
	if (identity->issued_at != DT_NOBEGIN)
		appendStringInfo(&text, " issued=" INT64_FORMAT, identity->issued_at);
	if (identity->issuer != 0)
		appendStringInfo(&text, " issuer=%d", identity->issuer);
	if (identity->staff != STAFF_NONE)
		appendStringInfo(&text, " staff=%d", (int) identity->staff);
	if (OidIsValid(identity->database_role))
		appendStringInfo(&text, " role=%u", identity->database_role);
	if (identity->outlives)
		appendStringInfoString(&text, " outlives=1");
	return text.data;
}

bool
identity_is_same_actor(const Identity *a, const Identity *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind)
	{
		case IDENTITY_USER:
			return a->staff == b->staff && uuid_same(&a->user_id, &b->user_id);
		case IDENTITY_KEY:
			return uuid_same(&a->key_id, &b->key_id) && uuid_same(&a->tenant_id, &b->tenant_id);
		case IDENTITY_NONE:
			break;
	}
	return true;
}

/*
 * refuse_setting refuses a value from outside.  A check hook leaves the error to the server, and must not look
 * at tables: whose role is mapped to which user is not asked.
 */
static bool
refuse_setting(void)
{
	static const Identity nobody = IDENTITY_INITIALIZER;
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
	if (!identity_parse(*newval, identity))
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
	identity_generation++;
}

void
identity_init(void)
{
	DefineCustomStringVariable(
		IDENTITY_SETTING, "Who is asking.",
		"Written by teamrbac.sign_in and its like; nobody can set it.", &identity_setting, "",
		PGC_SUSET, GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE, check_identity, assign_identity, NULL);
}

/* refuse_session_identity refuses to sign anybody in for longer than the transaction. */
pg_noreturn static void
refuse_session_identity(const Identity *identity)
{
	static const char *message = "an identity may not outlive its transaction here";
	static const char *detail = "Setting \"teamrbac.allow_session_identity\" is off.";

	note_refusal(ERRCODE_INSUFFICIENT_PRIVILEGE, identity, NULL, message, detail);
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errreason("session_identity_off"),
	                errmsg("%s", message), errdetail("%s", detail),
	                errhint("Sign in within each transaction, with local => true.")));
}

void
identity_carried_by(IdentityCarrier new_carrier)
{
	carrier = new_carrier;
}

void
identity_set(const Identity *identity, bool local)
{
	Identity set = *identity;

	if (set.kind != IDENTITY_NONE)
		cluster_require_team();
	if (!local && set.kind != IDENTITY_NONE && !allow_session_identity)
		refuse_session_identity(&set);
	set.outlives = !local && set.kind != IDENTITY_NONE;
	Assert(!writing);
	writing = true;
	PG_TRY();
	{
		(void) set_config_option(IDENTITY_SETTING, identity_text(&set), PGC_SUSET, PGC_S_SESSION,
		                         local ? GUC_ACTION_LOCAL : GUC_ACTION_SET, true, ERROR, false);
	}
	PG_FINALLY();
	{
		writing = false;
	}
	PG_END_TRY();
}

/* ---- reading it ------------------------------------------------------------------------------------ */

/* Which user a database role is, as of a generation of the definitions. */
static struct
{
	bool      loaded;
	uint64    generation;
	Oid       database_role;
	bool      mapped;
	pg_uuid_t user_id;
} mapping;

static void
read_mapping(Oid database_role)
{
	Datum       key = ObjectIdGetDatum(database_role);
	uint64      before = generation[FACTS_DEFINITIONS];
	CatalogScan scan;
	HeapTuple   tuple;

	mapping.loaded = false;
	scan = catalog_scan_begin(NULL, CATALOG_DATABASE_ROLE_PKEY, 1, &key);
	tuple = catalog_scan_next(&scan);
	mapping.mapped = HeapTupleIsValid(tuple);
	if (mapping.mapped)
	{
		bool  isnull;
		Datum user = catalog_scan_value(&scan, tuple, Anum_database_role_user_id, &isnull);

		mapping.user_id = *DatumGetUUIDP(user);
	}
	catalog_scan_end(&scan);
	mapping.database_role = database_role;
	mapping.generation = before;
	mapping.loaded = true;
}

/* mapped_user finds the user to whom a database role is mapped; false if none. */
static bool
mapped_user(Oid database_role, pg_uuid_t *user_id)
{
	if (!mapping.loaded || mapping.database_role != database_role ||
	    mapping.generation != generation[FACTS_DEFINITIONS])
		read_mapping(database_role);
	if (mapping.mapped)
		*user_id = mapping.user_id;
	return mapping.mapped;
}

/* The last answer of proof_stands, as of a generation of what it reads. */
static struct
{
	uint64   issuers;
	uint64   revocations;
	Identity identity;
	bool     stands;
} proof = {.identity = IDENTITY_INITIALIZER};

/* is_unrevoked tells whether the proof of an identity stands: nobody has revoked it, or distrusts its issuer. */
static bool
is_unrevoked(const Identity *identity)
{
	uint64 issuers = generation[FACTS_ISSUERS];
	uint64 revocations = generation[FACTS_REVOCATIONS];

	if (identity->issuer == 0)
		return true;
	if (proof.issuers != issuers || proof.revocations != revocations ||
	    proof.identity.issuer != identity->issuer ||
	    proof.identity.issued_at != identity->issued_at ||
	    !uuid_same(&proof.identity.user_id, &identity->user_id))
	{
		proof.identity.issuer = 0;
		proof.stands = proof_stands(NULL, identity);
		proof.issuers = issuers;
		proof.revocations = revocations;
		proof.identity = *identity;
	}
	return proof.stands;
}

/*
 * still_proven tells whether what an identity rests on still holds: the proof has not ended nor been revoked, and the
 * login role of a mapped user who has entered a tenant is still theirs.
 */
static bool
still_proven(const Identity *identity)
{
	pg_uuid_t user_id;

	if (identity->ends_at != DT_NOEND && identity->ends_at <= GetCurrentTimestamp())
		return false;
	if (!is_unrevoked(identity))
		return false;
	return !OidIsValid(identity->database_role) ||
	       (identity->database_role == GetSessionUserId() &&
	        mapped_user(identity->database_role, &user_id) &&
	        uuid_same(&user_id, &identity->user_id));
}

Identity
identity_now(void)
{
	Identity nobody = IDENTITY_INITIALIZER;
	Identity mapped = IDENTITY_INITIALIZER;
	Identity carried;

	/* Maintenance runs code of a table's owner within somebody else's session. */
	if (InSecurityRestrictedOperation())
		return nobody;
	if (carrier(&carried))
		return carried;
	if (signed_in != NULL)
		return still_proven(signed_in) ? *signed_in : nobody;
	/* The role that logged in: SET ROLE and SECURITY DEFINER functions must not make one somebody else. */
	if (!mapped_user(GetSessionUserId(), &mapped.user_id))
		return nobody;
	mapped.kind = IDENTITY_USER;
	mapped.database_role = GetSessionUserId();
	return mapped;
}

bool
nobody_has_signed_in(void)
{
	pg_uuid_t user_id;

	return !InSecurityRestrictedOperation() && signed_in == NULL &&
	       !mapped_user(GetSessionUserId(), &user_id);
}

/* The outer role: ours is what a function that runs with its owner's rights has. */
bool
superuser_is_asking(void)
{
	return !InSecurityRestrictedOperation() && superuser_arg(GetOuterUserId());
}

bool
identity_outlives_transaction(void)
{
	return signed_in == NULL || signed_in->outlives;
}
