/*
 * linked_identity.c
 *	  Who the subject of a token is: linked to a user, or made one.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "authority/principal.h"
#include "authority/team.h"
#include "command/account.h"
#include "command/issuer.h"
#include "command/linked_identity.h"
#include "command/token_revocation.h"
#include "record/audit.h"
#include "store/catalog.h"
#include "store/dependents.h"
#include "store/query.h"
#include "store/reason.h"
#include "store/secret.h"

PG_FUNCTION_INFO_V1(teamrbac_link_identity);
PG_FUNCTION_INFO_V1(teamrbac_unlink_identity);
PG_FUNCTION_INFO_V1(teamrbac_register_token_user);

bool
linked_user(const char *issuer, const char *subject, pg_uuid_t *user_id)
{
	Datum       keys[] = {CStringGetTextDatum(issuer), CStringGetTextDatum(subject)};
	CatalogScan scan = catalog_scan_begin(NULL, CATALOG_LINKED_IDENTITY_PKEY, 2, keys);
	HeapTuple   tuple = catalog_scan_next(&scan);
	bool        found = HeapTupleIsValid(tuple);

	if (found)
	{
		bool isnull;

		*user_id =
			*DatumGetUUIDP(catalog_scan_value(&scan, tuple, Anum_linked_identity_user_id, &isnull));
	}
	catalog_scan_end(&scan);
	return found;
}

/* The bits by which a uuid is of version 8, as no user's is that the server or a library has made at random. */
pg_uuid_t
subject_id(const char *issuer, const char *subject)
{
	StringInfoData text;
	uint8          hash[SHA256_LENGTH];
	pg_uuid_t      id;

	initStringInfo(&text);
	/* With the zero between them, no other two make the same text. */
	appendBinaryStringInfo(&text, issuer, strlen(issuer) + 1);
	appendStringInfoString(&text, subject);
	hash_bytes_sha256(text.data, text.len, hash);
	memcpy(id.data, hash, UUID_LEN);
	id.data[6] = (id.data[6] & 0x0F) | 0x80;
	id.data[8] = (id.data[8] & 0x3F) | 0x80;
	pfree(text.data);
	return id;
}

void
revoke_tokens_of_erased(const pg_uuid_t *user_id)
{
	static SavedQuery select = {
		.sql = "SELECT issuer, subject FROM teamrbac.linked_identity WHERE user_id = $1",
		.nargs = 1,
		.argtypes = {UUIDOID},
	};
	Datum *values;
	bool  *nulls;
	uint64 nlinks =
		query_rows(&select, (Datum[]){UUIDPGetDatum(user_id)}, NULL, 2, &values, &nulls);

	revoke_tokens_of(user_id, 0);
	for (uint64 i = 0; i < nlinks; i++)
	{
		pg_uuid_t subject =
			subject_id(TextDatumGetCString(values[2 * i]), TextDatumGetCString(values[2 * i + 1]));

		revoke_tokens_of(&subject, 0);
	}
}

bool
subject_uuid(const char *subject, pg_uuid_t *user_id)
{
	char        lower[37];
	const char *at = lower;
	int         length = strlen(subject);

	if (length != sizeof(lower) - 1)
		return false;
	for (int i = 0; i <= length; i++)
		lower[i] = pg_ascii_tolower((unsigned char) subject[i]);
	return parse_uuid(&at, user_id) && *at == '\0';
}

/* ---- links ----------------------------------------------------------------------------------------- */

/* name_arg takes an issuer or a subject, of a length that an index can hold. */
static char *
name_arg(FunctionCallInfo fcinfo, int arg, const char *name)
{
	char *value = text_arg(fcinfo, arg, name);

	if (*value == '\0' || strlen(value) > 1000)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("text_wrong_length"),
		                errmsg("%s must have 1 to 1000 bytes", name)));
	return value;
}

/* insert_link links a subject to a user, and records it; false if it is linked already. */
static bool
insert_link(const char *issuer, const char *subject, const pg_uuid_t *user_id)
{
	static SavedQuery insert = {
		.sql = "INSERT INTO teamrbac.linked_identity (issuer, subject, user_id) VALUES ($1, $2, $3)"
			   " ON CONFLICT DO NOTHING",
		.nargs = 3,
		.argtypes = {TEXTOID, TEXTOID, UUIDOID},
	};

	if (query_execute(&insert,
	                  (Datum[]){CStringGetTextDatum(issuer), CStringGetTextDatum(subject),
	                            UUIDPGetDatum(user_id)},
	                  NULL) == 0)
		return false;
	audit_user(user_id, "user.identity_linked", NULL,
	           audit_fields("issuer", issuer, "subject", subject, NULL));
	return true;
}

/* link_identity(issuer, subject, user_id): tokens of this subject are of this user. */
Datum
teamrbac_link_identity(PG_FUNCTION_ARGS)
{
	char     *issuer = name_arg(fcinfo, 0, "issuer");
	char     *subject = name_arg(fcinfo, 1, "subject");
	pg_uuid_t user = uuid_arg(fcinfo, 2, "user_id");
	pg_uuid_t present;

	lock_known_user(&user);

	if (!insert_link(issuer, subject, &user) &&
	    !(linked_user(issuer, subject, &present) && uuid_same(&present, &user)))
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), errreason("subject_taken"),
		                errmsg("this subject is another user already"),
		                errhint("Undo that by teamrbac.unlink_identity.")));
	PG_RETURN_VOID();
}

/* unlink_identity(issuer, subject): the subject is nobody, and its tokens end. */
Datum
teamrbac_unlink_identity(PG_FUNCTION_ARGS)
{
	static SavedQuery delete = {
		.sql = "DELETE FROM teamrbac.linked_identity AS l"
			   " WHERE issuer = $1 AND subject = $2 AND user_id = $3 RETURNING l",
		.nargs = 3,
		.argtypes = {TEXTOID, TEXTOID, UUIDOID},
	};
	char     *issuer = text_arg(fcinfo, 0, "issuer");
	char     *subject = text_arg(fcinfo, 1, "subject");
	int32     number = lock_issuer(issuer);
	pg_uuid_t user;
	bool      linked = linked_user(issuer, subject, &user);
	pg_uuid_t former;

	if (linked)
		lock_known_user(&user);
	if (!linked || query_delete("linked_identity", &delete,
	                            (Datum[]){CStringGetTextDatum(issuer), CStringGetTextDatum(subject),
	                                      UUIDPGetDatum(&user)},
	                            NULL) == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errreason("identity_not_linked"),
		                errmsg("there is no such link")));
	if (number != 0)
		revoke_tokens_of(&user, number);
	former = subject_id(issuer, subject);
	revoke_tokens_of(&former, 0);

	audit_user(&user, "user.identity_unlinked",
	           audit_fields("issuer", issuer, "subject", subject, NULL), NULL);
	PG_RETURN_VOID();
}

/* ---- registration ---------------------------------------------------------------------------------- */

/*
 * register_token_user(issuer, subject, user_id, email, display_name): makes a user of claims that were verified.  Whoever
 * registers the same subject meanwhile is waited for, and is taken then.
 */
Datum
teamrbac_register_token_user(PG_FUNCTION_ARGS)
{
	char      *issuer = text_arg(fcinfo, 0, "issuer");
	char      *subject = text_arg(fcinfo, 1, "subject");
	bool       linked = PG_ARGISNULL(2);
	char      *email = text_arg(fcinfo, 3, "email");
	char      *display_name = text_arg(fcinfo, 4, "display_name");
	pg_uuid_t *user = palloc(sizeof(pg_uuid_t));

	*user = linked ? *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0))
	               : *PG_GETARG_UUID_P(2);
	if (!insert_user(user, email, display_name))
	{
		bool known = linked ? linked_user(issuer, subject, user) : user_is_known(user);

		if (!known)
			PG_RETURN_NULL();
		PG_RETURN_UUID_P(user);
	}
	if (linked && !insert_link(issuer, subject, user))
		ereport(ERROR,
		        (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE), errreason("changed_meanwhile"),
		         errmsg("this subject has become another user meanwhile"), errhint("Try again.")));
	PG_RETURN_UUID_P(user);
}
