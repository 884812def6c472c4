/*
 * audit_line.c
 *	  An event of the audit as others may keep it: values of a person as digests, and as a line of JSON for a collector
 *	  of logs.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "record/audit.h"
#include "store/secret.h"
#include "store/uuid_text.h"

PG_FUNCTION_INFO_V1(teamrbac_audit_is_personal);
PG_FUNCTION_INFO_V1(teamrbac_audit_sealed);
PG_FUNCTION_INFO_V1(teamrbac_audit_line);

/* ---- values of a person ------------------------------------------------------------------------------ */

#define DIGEST_LENGTH (2 * SHA256_LENGTH)

static const char *const personal[] = {"email", "display_name", "metadata"};

static bool
is_personal(const JsonbValue *key)
{
	for (int i = 0; i < lengthof(personal); i++)
		if (key->val.string.len == strlen(personal[i]) &&
		    memcmp(key->val.string.val, personal[i], key->val.string.len) == 0)
			return true;
	return false;
}

/* has_personal tells whether before or after of an event has values of a person. */
static bool
has_personal(Jsonb *fields)
{
	JsonbValue found;

	if (!JB_ROOT_IS_OBJECT(fields))
		return false;
	for (int i = 0; i < lengthof(personal); i++)
		if (getKeyJsonValueFromContainer(&fields->root, personal[i], strlen(personal[i]), &found))
			return true;
	return false;
}

/* is_digest tells whether a value has been erased already: an object of a digest in hexadecimal, and no more. */
static bool
is_digest(const JsonbValue *value)
{
	JsonbValue digest;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data) ||
	    JsonContainerSize(value->val.binary.data) != 1 ||
	    !getKeyJsonValueFromContainer(value->val.binary.data, "erased", strlen("erased"),
	                                  &digest) ||
	    digest.type != jbvString || digest.val.string.len != DIGEST_LENGTH)
		return false;
	for (int i = 0; i < DIGEST_LENGTH; i++)
		if (strchr("0123456789abcdef", digest.val.string.val[i]) == NULL)
			return false;
	return true;
}

/* salted_digest is the SHA-256 of the salt, followed by a value as JSON in UTF-8, in hexadecimal. */
static char *
salted_digest(JsonbValue *value, const bytea *salt)
{
	Jsonb         *json = JsonbValueToJsonb(value);
	char          *text = JsonbToCString(NULL, &json->root, VARSIZE(json));
	char          *digest = palloc(DIGEST_LENGTH);
	StringInfoData salted;
	uint8          hash[SHA256_LENGTH];

	text = (char *) pg_do_encoding_conversion((unsigned char *) text, strlen(text),
	                                          GetDatabaseEncoding(), PG_UTF8);
	initStringInfo(&salted);
	appendBinaryStringInfo(&salted, VARDATA_ANY(salt), VARSIZE_ANY_EXHDR(salt));
	appendStringInfoString(&salted, text);
	hash_bytes_sha256(salted.data, salted.len, hash);
	hex_encode((char *) hash, SHA256_LENGTH, digest);
	return digest;
}

/* push_digest adds {"erased": digest} in the place of a value; null where there is no salt to make one of. */
static void
push_digest(JsonbParseState **state, JsonbValue *value, const bytea *salt)
{
	JsonbValue key = {.type = jbvString};
	JsonbValue digest = {.type = jbvNull};

	key.val.string.val = "erased";
	key.val.string.len = strlen("erased");
	if (salt != NULL)
	{
		digest.type = jbvString;
		digest.val.string.val = salted_digest(value, salt);
		digest.val.string.len = DIGEST_LENGTH;
	}
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_VALUE, &digest);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/*
 * seal gives before or after of an event with digests in the place of values of a person.  Where there is a salt nothing has
 * been erased, and what looks like a digest is somebody's value like any other.
 */
static Jsonb *
seal(Jsonb *fields, const bytea *salt)
{
	JsonbParseState   *state = NULL;
	JsonbIterator     *left;
	JsonbIteratorToken token;
	JsonbValue         value;
	JsonbValue        *sealed = NULL;
	bool               sealing = false;

	if (!has_personal(fields))
		return fields;
	left = JsonbIteratorInit(&fields->root);
	while ((token = JsonbIteratorNext(&left, &value, true)) != WJB_DONE)
	{
		if (token == WJB_VALUE && sealing && value.type != jbvNull &&
		    (salt != NULL || !is_digest(&value)))
			push_digest(&state, &value, salt);
		else
			sealed = pushJsonbValue(&state, token, token < WJB_BEGIN_ARRAY ? &value : NULL);
		sealing = token == WJB_KEY && is_personal(&value);
	}
	return JsonbValueToJsonb(sealed);
}

/* audit_is_personal(fields): whether there is something to seal. */
Datum
teamrbac_audit_is_personal(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(has_personal(PG_GETARG_JSONB_P(0)));
}

/* audit_sealed(fields, salt): before or after of an event without values of a person. */
Datum
teamrbac_audit_sealed(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(seal(PG_GETARG_JSONB_P(0), PG_ARGISNULL(1) ? NULL : PG_GETARG_BYTEA_PP(1)));
}

/* ---- a line of JSON ---------------------------------------------------------------------------------- */

/* The columns of audit_event, in their order. */
typedef enum EventColumn
{
	EVENT_TENANT_ID,
	EVENT_SCOPE,
	EVENT_SEQUENCE,
	EVENT_OCCURRED_AT,
	EVENT_ACTOR_KIND,
	EVENT_ACTOR_ID,
	EVENT_SESSION_ROLE,
	EVENT_APPLICATION_NAME,
	EVENT_ACTION,
	EVENT_SUBJECT,
	EVENT_BEFORE,
	EVENT_AFTER,
	EVENT_SALT,
	EVENT_PREVIOUS_HASH,
	EVENT_HASH,
	EVENT_NCOLUMNS
} EventColumn;

typedef struct Event
{
	Datum values[EVENT_NCOLUMNS];
	bool  isnull[EVENT_NCOLUMNS];
} Event;

static void
read_event(HeapTupleHeader row, Event *event)
{
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(row), .t_data = row};
	TupleDesc     columns =
		lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));

	if (columns->natts != EVENT_NCOLUMNS)
		elog(ERROR, "audit_event has %d columns", columns->natts);
	heap_deform_tuple(&tuple, columns, event->values, event->isnull);
	ReleaseTupleDesc(columns);
}

static void
append_text(StringInfo line, const Event *event, EventColumn column)
{
	escape_json(line, TextDatumGetCString(event->values[column]));
}

static void
append_uuid(StringInfo line, const Event *event, EventColumn column)
{
	if (event->isnull[column])
		appendStringInfoString(line, "null");
	else
		appendStringInfo(line, "\"%s\"", uuid_text(DatumGetUUIDP(event->values[column])));
}

static void
append_hash(StringInfo line, Datum hash)
{
	bytea *bytes = DatumGetByteaPP(hash);
	int    length = VARSIZE_ANY_EXHDR(bytes);

	appendStringInfoChar(line, '"');
	enlargeStringInfo(line, 2 * length);
	line->len += hex_encode(VARDATA_ANY(bytes), length, line->data + line->len);
	appendStringInfoChar(line, '"');
}

/* append_fields appends before or after, sealed. */
static void
append_fields(StringInfo line, const Event *event, EventColumn column)
{
	const bytea *salt =
		event->isnull[EVENT_SALT] ? NULL : DatumGetByteaPP(event->values[EVENT_SALT]);
	Jsonb *fields;

	if (event->isnull[column])
	{
		appendStringInfoString(line, "null");
		return;
	}
	fields = seal(DatumGetJsonbP(event->values[column]), salt);
	(void) JsonbToCString(line, &fields->root, VARSIZE(fields));
}

/* append_ecs appends what the Elastic Common Schema has a name for. */
static void
append_ecs(StringInfo line, const Event *event)
{
	const char *type = "change";

	if (event->isnull[EVENT_BEFORE] != event->isnull[EVENT_AFTER])
		type = event->isnull[EVENT_BEFORE] ? "creation" : "deletion";
	appendStringInfo(
		line,
		"{\"@timestamp\": \"%s\", \"ecs\": {\"version\": \"8.11\"}, "
		"\"event\": {\"kind\": \"event\", \"category\": [\"iam\"], \"type\": [\"%s\"], "
		"\"outcome\": \"success\", \"module\": \"teamrbac\", "
		"\"dataset\": \"teamrbac.audit\", \"action\": ",
		audit_time(DatumGetTimestampTz(event->values[EVENT_OCCURRED_AT])), type);
	append_text(line, event, EVENT_ACTION);
	appendStringInfo(line, ", \"sequence\": " INT64_FORMAT ", \"hash\": ",
	                 DatumGetInt64(event->values[EVENT_SEQUENCE]));
	append_hash(line, event->values[EVENT_HASH]);
	appendStringInfoString(line, "}, ");
	if (strcmp(TextDatumGetCString(event->values[EVENT_SCOPE]), "tenant") == 0)
	{
		appendStringInfoString(line, "\"organization\": {\"id\": ");
		append_uuid(line, event, EVENT_TENANT_ID);
		appendStringInfoString(line, "}, ");
	}
	if (strcmp(TextDatumGetCString(event->values[EVENT_ACTOR_KIND]), "user") == 0 &&
	    !event->isnull[EVENT_ACTOR_ID])
	{
		appendStringInfoString(line, "\"user\": {\"id\": ");
		append_uuid(line, event, EVENT_ACTOR_ID);
		appendStringInfoString(line, "}, ");
	}
}

/* append_own appends what the schema has no name for. */
static void
append_own(StringInfo line, const Event *event, int64 head_sequence, Datum head_hash)
{
	appendStringInfoString(line, "\"teamrbac\": {\"chain\": ");
	append_uuid(line, event, EVENT_TENANT_ID);
	appendStringInfoString(line, ", \"scope\": ");
	append_text(line, event, EVENT_SCOPE);
	appendStringInfoString(line, ", \"actor_kind\": ");
	append_text(line, event, EVENT_ACTOR_KIND);
	appendStringInfoString(line, ", \"actor_id\": ");
	append_uuid(line, event, EVENT_ACTOR_ID);
	appendStringInfoString(line, ", \"session_role\": ");
	append_text(line, event, EVENT_SESSION_ROLE);
	appendStringInfoString(line, ", \"application_name\": ");
	append_text(line, event, EVENT_APPLICATION_NAME);
	appendStringInfoString(line, ", \"subject\": ");
	append_text(line, event, EVENT_SUBJECT);
	appendStringInfoString(line, ", \"before\": ");
	append_fields(line, event, EVENT_BEFORE);
	appendStringInfoString(line, ", \"after\": ");
	append_fields(line, event, EVENT_AFTER);
	appendStringInfoString(line, ", \"previous_hash\": ");
	append_hash(line, event->values[EVENT_PREVIOUS_HASH]);
	appendStringInfo(line,
	                 ", \"head\": {\"sequence\": " INT64_FORMAT ", \"hash\": ", head_sequence);
	append_hash(line, head_hash);
	appendStringInfoString(line, "}}}");
}

/* audit_line(event, head_sequence, head_hash): an event as JSON, in the field names of the Elastic Common Schema. */
Datum
teamrbac_audit_line(PG_FUNCTION_ARGS)
{
	StringInfoData line;
	Event          event;

	read_event(PG_GETARG_HEAPTUPLEHEADER(0), &event);
	initStringInfo(&line);
	/* json, in memory, is text: a header and the characters. */
	appendStringInfoSpaces(&line, VARHDRSZ);
	append_ecs(&line, &event);
	append_own(&line, &event, PG_GETARG_INT64(1), PG_GETARG_DATUM(2));
	SET_VARSIZE(line.data, line.len);
	PG_RETURN_POINTER(line.data);
}
