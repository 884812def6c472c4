/*
 * ticket.c
 *	  A ticket: who is asking and what they have, signed by the server that keeps the team for one that doesn't.
 *
 * It travels in the setting teamrbac.ticket.  Anybody may try to set that, since Citus' connections to its workers are
 * made by the database role that asks; what counts is the signature, which only a server makes that knows the secret.
 * Whether a ticket has expired, and is for this session's role, is asked each time it is used: Citus repeats to
 * a connection that it opens late all that the transaction has set, old tickets first.
 *
 * The server that issues a ticket to its workers keeps it in the same setting, marked as its own, so that it is taken
 * back there by whatever takes it back on the workers: ROLLBACK TO SAVEPOINT, and the end of the transaction.  An own
 * one says nothing about who is asking here.
 *
 * Text: "1 SIGNATURE ISSUED EXPIRES PID\n" and the content: "ROLE\nIDENTITY\n" and the grants (description.c).  The role's
 * name is in hexadecimal digits, as the signature of all that follows it.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "libpq/libpq-be.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "authority/cluster.h"
#include "authority/description.h"
#include "authority/distributed.h"
#include "authority/identity.h"
#include "authority/ticket.h"
#include "compat.h"
#include "store/catalog.h"

#define TICKET_SETTING "teamrbac.ticket"
#define TICKET_VERSION "1 "
#define OWN_MARK "own "
#define SIGNATURE_DIGITS (2 * PG_SHA256_DIGEST_LENGTH)
#define MAX_IDENTITY_TEXT 256

/* The setting's "extra". */
typedef struct Ticket
{
	bool        own; /* issued by this session, for others */
	TimestampTz issued_at;
	TimestampTz expires_at;
	int         pid; /* of the process that issued it */
	char        role[NAMEDATALEN];
	Identity    identity;
	size_t      grants; /* where they begin in content */
	char        content[FLEXIBLE_ARRAY_MEMBER];
} Ticket;

static char *ticket_setting;
static int   ticket_lifetime = 60;

/* What the setting says: a ticket that was accepted here, or one that this session has issued; or neither. */
static const Ticket *accepted = NULL;
static const Ticket *issued = NULL;

/* Whether accepted's principal has been made. */
static bool understood = false;

/* True while ticket_carry writes the setting. */
static bool writing = false;

/* ---- signing --------------------------------------------------------------------------------------- */

/* compute_signature signs a text with one of the secrets; false if the library that does it fails. */
static bool
compute_signature(const uint8 *secret, const char *text, char *signature)
{
	uint8        digest[PG_SHA256_DIGEST_LENGTH];
	pg_hmac_ctx *context = pg_hmac_create(PG_SHA256);
	bool         done;

	if (context == NULL)
		return false;
	done = pg_hmac_init(context, secret, CLUSTER_SECRET_BYTES) >= 0 &&
	       pg_hmac_update(context, (const uint8 *) text, strlen(text)) >= 0 &&
	       pg_hmac_final(context, digest, sizeof(digest)) >= 0;
	pg_hmac_free(context);
	hex_encode((const char *) digest, sizeof(digest), signature);
	return done;
}

/* is_signed tells whether a text bears the signature of one of the secrets, in a time that says nothing of how nearly. */
static bool
is_signed(const ClusterSecrets *secrets, const char *signature, const char *text)
{
	bool found = false;

	for (int i = 0; i < secrets->nsecrets; i++)
	{
		char  computed[SIGNATURE_DIGITS];
		uint8 difference = 0;

		if (!compute_signature(secrets->secrets[i], text, computed))
			return false;
		for (int digit = 0; digit < SIGNATURE_DIGITS; digit++)
			difference |= computed[digit] ^ signature[digit];
		found = found || difference == 0;
	}
	return found;
}

/* ---- reading a ticket ------------------------------------------------------------------------------ */

/* next_line cuts the next line off a text, without changing it: where it ends, or NULL if it doesn't. */
static const char *
next_line(const char **text)
{
	const char *end = strchr(*text, '\n');

	if (end != NULL)
		*text = end + 1;
	return end;
}

static bool
read_role(const char *line, const char *end, char *role)
{
	int length = (end - line) / 2;

	if (length == 0 || length >= NAMEDATALEN || (end - line) % 2 != 0 ||
	    strspn(line, "0123456789abcdef") != (size_t) (end - line))
		return false;
	(void) hex_decode(line, end - line, role);
	role[length] = '\0';
	return true;
}

/* read_content reads who is asking, and where their grants begin. */
static bool
read_content(Ticket *ticket)
{
	static const Identity nobody = IDENTITY_INITIALIZER;
	const char           *rest = ticket->content;
	const char           *line = rest;
	const char           *end = next_line(&rest);
	char                  identity[MAX_IDENTITY_TEXT];

	if (end == NULL || !read_role(line, end, ticket->role))
		return false;
	line = rest;
	end = next_line(&rest);
	if (end == NULL || end - line >= MAX_IDENTITY_TEXT)
		return false;
	strlcpy(identity, line, end - line + 1);
	ticket->grants = rest - ticket->content;
	ticket->identity = nobody;
	if (*identity != '\0' && !identity_parse(identity, &ticket->identity))
		return false;
	ticket->identity.carried = true;
	ticket->identity.ends_at = ticket->expires_at;
	return true;
}

/* read_ticket reads a ticket's text into memory that the server frees; NULL if it is none, or there is no memory. */
static Ticket *
read_ticket(const char *text)
{
	const char *content = strchr(text, '\n');
	Ticket     *ticket;
	long long   issued_at;
	long long   expires_at;

	if (content == NULL || strncmp(text, TICKET_VERSION, strlen(TICKET_VERSION)) != 0 ||
	    strspn(text + strlen(TICKET_VERSION), "0123456789abcdef") != SIGNATURE_DIGITS)
		return NULL;
	content++;
	ticket = guc_malloc(LOG, offsetof(Ticket, content) + strlen(content) + 1);
	if (ticket == NULL)
		return NULL;
	memset(ticket, 0, offsetof(Ticket, content));
	strcpy(ticket->content, content);
	if (sscanf(text + strlen(TICKET_VERSION) + SIGNATURE_DIGITS, " %lld %lld %d\n", &issued_at,
	           &expires_at, &ticket->pid) == 3)
	{
		ticket->issued_at = issued_at;
		ticket->expires_at = expires_at;
		if (read_content(ticket))
			return ticket;
	}
	guc_free(ticket);
	return NULL;
}

/* ---- accepting one --------------------------------------------------------------------------------- */

/* is_for_role tells whether a ticket is for the role that this session logged in as. */
static bool
is_for_role(const Ticket *ticket)
{
	return get_role_oid(ticket->role, true) == GetSessionUserId();
}

/*
 * is_own_connection tells whether Citus made this connection, from the server to itself, for the session that issued the
 * ticket, and which is still there.
 */
static bool
is_own_connection(const Ticket *ticket)
{
	const char *number = session_is_of_citus() ? strchr(MyProcPort->application_name, '=') : NULL;
	PGPROC     *process;

	/* The last ten digits of what Citus calls a global process number are the number of the process. */
	if (number == NULL ||
	    (int) (strtoull(number + 1, NULL, 10) % UINT64CONST(10000000000)) != ticket->pid)
		return false;
	process = BackendPidGetProc(ticket->pid);
	return process != NULL && process->databaseId == MyDatabaseId && process != MyProc;
}

static bool
refuse_ticket(int sqlstate, const char *reason)
{
	GUC_check_errcode(sqlstate);
	GUC_check_errmsg("setting \"%s\" cannot be set", TICKET_SETTING);
	GUC_check_errdetail("%s", reason);
	return false;
}

/* accept_ticket decides whether a ticket counts that came from outside. */
static bool
accept_ticket(const char *text, const Ticket *ticket)
{
	const ClusterSecrets *secrets;

	if (!catalog_is_installed())
		return refuse_ticket(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		                     "The extension is not installed in this database.");
	if (!cluster_is_worker() && !(ticket != NULL && is_own_connection(ticket)))
		return refuse_ticket(ERRCODE_INSUFFICIENT_PRIVILEGE,
		                     "This server keeps the team: whoever asks here signs in.");
	secrets = cluster_secrets();
	if (secrets->nsecrets == 0)
		return refuse_ticket(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		                     "No secret is set here to know a ticket by.");
	if (ticket == NULL || !is_signed(secrets, text + strlen(TICKET_VERSION),
	                                 text + strlen(TICKET_VERSION) + SIGNATURE_DIGITS))
		return refuse_ticket(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
		                     "It is not a ticket that was signed with a secret of this server's.");
	/* Citus may be repeating what its transaction has set so far: a newer one follows. */
	if (session_is_of_citus())
		return true;
	if (ticket->expires_at <= GetCurrentTimestamp())
		return refuse_ticket(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
		                     "The ticket has expired.");
	if (!is_for_role(ticket))
		return refuse_ticket(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
		                     "The ticket is for another database role.");
	return true;
}

/* mark_as_own puts the mark before a text; false if there is no memory. */
static bool
mark_as_own(char **text)
{
	size_t size = strlen(OWN_MARK) + strlen(*text) + 1;
	char  *marked = guc_malloc(LOG, size);

	if (marked == NULL)
		return false;
	snprintf(marked, size, "%s%s", OWN_MARK, *text);
	guc_free(*text);
	*text = marked;
	return true;
}

static bool
check_ticket(char **newval, void **extra, GucSource source)
{
	bool    inherited = InitializingParallelWorker && source == PGC_S_SESSION;
	bool    own;
	Ticket *ticket;

	*extra = NULL;
	if (*newval == NULL || **newval == '\0')
		return true;
	/* Stored, or sent before the session begins: nothing that lasts as short as a ticket is. */
	if (!writing && !inherited && (source != PGC_S_SESSION || !IsTransactionState()))
		return refuse_ticket(ERRCODE_INSUFFICIENT_PRIVILEGE, "It can be set by SET alone.");
	own = writing || (inherited && strncmp(*newval, OWN_MARK, strlen(OWN_MARK)) == 0);
	ticket = read_ticket(*newval + (own && inherited ? strlen(OWN_MARK) : 0));
	if (!(own || inherited) && !accept_ticket(*newval, ticket))
	{
		guc_free(ticket);
		return false;
	}
	if (ticket == NULL || (writing && !mark_as_own(newval)))
		return false;
	ticket->own = own;
	*extra = ticket;
	return true;
}

static void
assign_ticket(const char *newval, void *extra)
{
	const Ticket *ticket = extra;

	accepted = ticket != NULL && !ticket->own ? ticket : NULL;
	issued = ticket != NULL && ticket->own ? ticket : NULL;
	understood = false;
	identity_generation++;
}

/* A ticket is good in the hands of whoever has its role's password: clients are not shown it. */
static const char *
show_ticket(void)
{
	return accepted != NULL || issued != NULL ? "(not shown)" : "";
}

/* ---- being asked by one ---------------------------------------------------------------------------- */

/* in_force tells whether the ticket that was accepted, if any, says who is asking. */
static bool
in_force(void)
{
	return accepted != NULL && accepted->expires_at > GetCurrentTimestamp() &&
	       is_for_role(accepted);
}

/* carried_identity is what identity_now asks first. */
static bool
carried_identity(Identity *identity)
{
	if (likely(accepted == NULL) || !in_force())
		return false;
	if (!understood)
	{
		Principal *principal = principal_make_described(&accepted->identity);

		principal_carry(principal);
		understand_grants(pstrdup(accepted->content + accepted->grants), principal);
		understood = true;
	}
	*identity = accepted->identity;
	return true;
}

bool
ticket_is_missing(void)
{
	return !InSecurityRestrictedOperation() && !in_force() &&
	       (accepted != NULL || session_is_of_citus() || cluster_is_worker());
}

void
ticket_require(void)
{
	if (!ticket_is_missing())
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
	     errmsg("no valid ticket says who is asking"),
	     accepted == NULL        ? errdetail("The team is kept on another server.")
	     : is_for_role(accepted) ? errdetail("The ticket has expired.")
	                             : errdetail("The ticket is for another database role."),
	     accepted == NULL
	         ? errhint("Connect to the server that keeps the team: with Citus, the coordinator.")
	         : errhint(
				   "A statement that runs for long asks for a longer teamrbac.ticket_lifetime.")));
}

/* ---- issuing --------------------------------------------------------------------------------------- */

static void
refuse_too_many(void)
{
	ereport(ERROR,
	        (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
	         errmsg("a ticket cannot name more than %d tenants", MAX_TICKET_TENANTS),
	         errdetail("Whoever is asking is a member of more, and has entered none."),
	         errhint("Call teamrbac.act_in_tenant after signing in, or teamrbac.sign_in_as_member "
	                 "instead.")));
}

/* add_grants describes what an authority has at this time: what is not live gives nothing anywhere. */
static void
add_grants(StringInfo content, const Authority *authority)
{
	TimestampTz   now = GetCurrentTimestamp();
	const Grant  *live[MAX_TICKET_TENANTS];
	const Grant **grants;
	int           ngrants;
	int           nlive = 0;

	grants = principal_grants(authority->principal, &ngrants);
	for (int i = 0; i < ngrants; i++)
	{
		if (!grant_is_live(grants[i], now))
			continue;
		if (nlive == MAX_TICKET_TENANTS)
			refuse_too_many();
		live[nlive++] = grants[i];
	}
	describe_grants(content, live, nlive);
	pfree(grants);
}

static char *
ticket_content(const Authority *authority, const char *database_role)
{
	Identity       identity = *principal_identity(authority->principal);
	char           role[2 * NAMEDATALEN];
	StringInfoData content;

	role[hex_encode(database_role, strlen(database_role), role)] = '\0';
	/* What its proof rests on is looked at here alone. */
	identity.database_role = InvalidOid;
	identity.ends_at = DT_NOEND;
	identity.issued_at = DT_NOBEGIN;
	identity.issuer = 0;
	identity.outlives = false;
	initStringInfo(&content);
	appendStringInfo(&content, "%s\n%s\n", role, identity_text(&identity));
	add_grants(&content, authority);
	return content.data;
}

/* sign_content signs what is asserted of an authority, for no longer than the proof lasts that it rests on. */
static char *
sign_content(const char *content, const Authority *authority)
{
	const ClusterSecrets *secrets = cluster_secrets();
	TimestampTz           now = GetCurrentTimestamp();
	TimestampTz           expires_at = now + ticket_lifetime * USECS_PER_SEC;
	char                  signature[SIGNATURE_DIGITS + 1] = "";
	char                 *text;

	if (secrets->nsecrets == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("no secret is set to sign tickets with"),
		                errhint("CALL teamrbac.set_cluster_secret(...), as a superuser.")));
	cluster_require_team();
	expires_at = Min(expires_at, principal_identity(authority->principal)->ends_at);
	text =
		psprintf(" " INT64_FORMAT " " INT64_FORMAT " %d\n%s", now, expires_at, MyProcPid, content);
	if (!compute_signature(secrets->secrets[0], text, signature))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not sign a ticket")));
	return psprintf("%s%s%s", TICKET_VERSION, signature, text);
}

bool
ticket_is_wanted(void)
{
	return catalog_is_installed() && cluster_secrets()->nsecrets > 0 && !cluster_is_worker();
}

char *
ticket_make(const Authority *authority, const char *database_role)
{
	return sign_content(ticket_content(authority, database_role), authority);
}

/* ---- carrying -------------------------------------------------------------------------------------- */

/* set_local executes SET LOCAL as a client's would be: Citus repeats it on its workers. */
static void
set_local(const char *ticket)
{
	VariableSetStmt *set = makeNode(VariableSetStmt);
	PlannedStmt     *statement = makeNode(PlannedStmt);
	A_Const         *value = makeNode(A_Const);
	char *text = psprintf("SET LOCAL %s = %s", TICKET_SETTING, quote_literal_cstr(ticket));

	value->val.sval.type = T_String;
	value->val.sval.sval = unconstify(char *, ticket);
	value->location = -1;
	set->kind = VAR_SET_VALUE;
	set->name = TICKET_SETTING;
	set->args = list_make1(value);
	set->is_local = true;
	statement->commandType = CMD_UTILITY;
	statement->utilityStmt = (Node *) set;
	statement->stmt_len = strlen(text);
	ProcessUtility(statement, text, false, PROCESS_UTILITY_QUERY, NULL, NULL, None_Receiver, NULL);
}

void
ticket_carry(const Authority *authority)
{
	char *content = ticket_content(authority, GetUserNameFromId(GetUserId(), false));
	int   settings;

	if (issued != NULL && strcmp(issued->content, content) == 0 &&
	    GetCurrentTimestamp() < issued->issued_at + (issued->expires_at - issued->issued_at) / 2)
		return;
	Assert(!writing);
	settings = NewGUCNestLevel();
	(void) set_config_option("citus.propagate_set_commands", "local", PGC_USERSET, PGC_S_SESSION,
	                         GUC_ACTION_SAVE, true, ERROR, false);
	writing = true;
	PG_TRY();
	{
		set_local(sign_content(content, authority));
	}
	PG_FINALLY();
	{
		writing = false;
	}
	PG_END_TRY();
	AtEOXact_GUC(true, settings);
}

/* ---- settings -------------------------------------------------------------------------------------- */

void
ticket_init(void)
{
	DefineCustomIntVariable("teamrbac.ticket_lifetime",
	                        "How long a ticket is good that this server signs for another.",
	                        "Renewed when half of it is over.", &ticket_lifetime, 60, 10, 3600,
	                        PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomStringVariable(
		TICKET_SETTING, "Who is asking, by the word of the server that keeps the team.",
		"Accepted where its signature is right.", &ticket_setting, "", PGC_USERSET,
		GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE | GUC_NO_SHOW_ALL, check_ticket, assign_ticket,
		show_ticket);
	identity_carried_by(carried_identity);
}
