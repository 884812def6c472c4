/*
 * ticket.c
 *	  A ticket: who is asking and what they have, signed by the server that keeps the team for one that doesn't.
 *
 * It travels in the setting teamrbac.ticket.  Anybody may try to set that, since Citus' connections to its workers are
 * made by the database role that asks; what counts is the signature, which only a server makes that knows the secret.
 * Whether a ticket has expired, and is for this session's role, is asked each time it is used: Citus repeats to
 * a connection that it opens late all that the transaction has set, old tickets first.
 *
 * Where others of the same role may see it (pg_stat_activity, statistics, logs of a worker), it must be of no use to them:
 * one that Citus carries counts only in connections that Citus makes for the process that issued it.
 *
 * The server that issues a ticket to its workers keeps it in the same setting, marked as its own, so that it is taken
 * back there by whatever takes it back on the workers: ROLLBACK TO SAVEPOINT, and the end of the transaction.  An own
 * one says nothing about who is asking here.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pgstat.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

#include "authority/cluster.h"
#include "authority/description.h"
#include "authority/distributed.h"
#include "authority/identity.h"
#include "authority/ticket.h"
#include "authority/ticket_text.h"
#include "compat.h"
#include "store/catalog.h"
#include "store/reason.h"
#include "store/settings.h"

#define TICKET_SETTING "teamrbac.ticket"
#define OWN_MARK "own "

static char *ticket_setting;
static int   ticket_lifetime = 60;

/* What the setting says: a ticket that was accepted here, or one that this session has issued; or neither. */
static const Ticket *accepted = NULL;
static const Ticket *issued = NULL;

/* Whether accepted's principal has been made. */
static bool understood = false;

/* True while ticket_carry writes the setting. */
static bool writing = false;

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
	PGPROC *process;

	if (!session_is_for_queries_of(ticket->pid) || !session_is_from_here())
		return false;
	process = BackendPidGetProc(ticket->pid);
	return process != NULL && process->databaseId == MyDatabaseId && process != MyProc;
}

/* is_in_right_hands tells whether a ticket has come the way that it was issued for. */
static bool
is_in_right_hands(const Ticket *ticket)
{
	if (!cluster_is_worker())
		return is_own_connection(ticket);
	return session_is_of_citus() ? session_is_for_queries_of(ticket->pid) : ticket->pid == 0;
}

static bool
refuse_ticket(int sqlstate, const char *reason)
{
	GUC_check_errcode(sqlstate);
	GUC_check_errmsg("setting \"%s\" cannot be set", TICKET_SETTING);
	GUC_check_errdetail("%s", reason);
	return false;
}

/* hide_statement has other sessions of the role no longer see the statement that the ticket stands in. */
static void
hide_statement(void)
{
	pgstat_report_activity(STATE_RUNNING, "SET LOCAL " TICKET_SETTING);
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
	if (ticket == NULL || !ticket_is_signed(text, secrets))
		return refuse_ticket(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
		                     "It is not a ticket that was signed with a secret of this server's.");
	if (!is_in_right_hands(ticket))
		return refuse_ticket(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
		                     "The ticket is for another session.");
	hide_statement();
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

/*
 * refuse_clearing refuses to take away what this session has issued, which a function's SET clause would put back after it:
 * the workers, who do not hear of that, would have what was issued within.  RESET, which is seen here, may.
 */
static bool
refuse_clearing(void)
{
	return refuse_ticket(ERRCODE_INSUFFICIENT_PRIVILEGE,
	                     "What this session has issued ends with the transaction.");
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
		return writing || issued == NULL || refuse_clearing();
	/* Stored, or sent before the session begins: nothing that lasts as short as a ticket is. */
	if (!writing && !inherited && (source != PGC_S_SESSION || !IsTransactionState()))
		return refuse_ticket(ERRCODE_INSUFFICIENT_PRIVILEGE, "It can be set by SET alone.");
	own = writing || (inherited && strncmp(*newval, OWN_MARK, strlen(OWN_MARK)) == 0);
	ticket = ticket_read(*newval + (own && inherited ? strlen(OWN_MARK) : 0));
	if (!(own || inherited) && !accept_ticket(*newval, ticket))
	{
		guc_free(ticket);
		return false;
	}
	if (ticket == NULL || (writing && !mark_as_own(newval)))
		return false;
	ticket->own = own;
	ticket->issued_in = GetCurrentSubTransactionId();
	ticket->accepted_in = inherited ? InvalidLocalTransactionId : MyProc->COMPAT_LXID;
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

/* outlives_unduly tells whether the ticket is from an earlier transaction, where no identity may be. */
static bool
outlives_unduly(void)
{
	return !allow_session_identity && LocalTransactionIdIsValid(accepted->accepted_in) &&
	       accepted->accepted_in != MyProc->COMPAT_LXID;
}

/* in_force tells whether the ticket that was accepted, if any, says who is asking. */
static bool
in_force(void)
{
	return accepted != NULL && accepted->expires_at > GetCurrentTimestamp() &&
	       is_for_role(accepted) && !outlives_unduly();
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

static int
say_what_is_missing(void)
{
	if (accepted == NULL)
		return errdetail("The team is kept on another server.");
	if (!is_for_role(accepted))
		return errdetail("The ticket is for another database role.");
	if (outlives_unduly())
		return errdetail("The ticket has ended with its transaction.");
	return errdetail("The ticket has expired.");
}

void
ticket_require(void)
{
	if (!ticket_is_missing())
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION), errreason("ticket_missing"),
	     errmsg("no valid ticket says who is asking"), say_what_is_missing(),
	     accepted == NULL
	         ? errhint("Connect to the server that keeps the team: with Citus, the coordinator.")
	         : errhint(
				   "A statement that runs for long asks for a longer teamrbac.ticket_lifetime.")));
}

/* ---- issuing --------------------------------------------------------------------------------------- */

static void
refuse_so_many_tenants(void)
{
	ereport(ERROR,
	        (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errreason("ticket_tenants"),
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
			refuse_so_many_tenants();
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
sign_content(const char *content, const Authority *authority, int pid)
{
	const ClusterSecrets *secrets = cluster_secrets();
	TimestampTz           now = GetCurrentTimestamp();
	TimestampTz           expires_at = now + ticket_lifetime * USECS_PER_SEC;

	cluster_require_team();
	if (secrets->nsecrets == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errreason("cluster_secret_missing"),
		                errmsg("no secret is set to sign tickets with"),
		                errhint("CALL teamrbac.set_cluster_secret(...), as a superuser.")));
	expires_at = Min(expires_at, principal_identity(authority->principal)->ends_at);
	return ticket_write(content, now, expires_at, pid, secrets->secrets[0]);
}

bool
ticket_is_wanted(void)
{
	return catalog_is_installed() && cluster_secrets()->nsecrets > 0 && !cluster_is_worker();
}

char *
ticket_make(const Authority *authority, const char *database_role)
{
	return sign_content(ticket_content(authority, database_role), authority, 0);
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

/* require_silence refuses to have Citus show the client what it sends to its workers. */
static void
require_silence(void)
{
	const char *shown = GetConfigOption("citus.log_remote_commands", true, false);

	if (shown != NULL && strcmp(shown, "on") == 0 && !superuser())
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("ticket_shown"),
		         errmsg("no ticket is given to the nodes of Citus while the client is shown it"),
		         errdetail("Setting \"citus.log_remote_commands\" is on."),
		         errhint("SET citus.log_remote_commands = off;")));
}

/*
 * is_carried tells whether the workers have been told this, and not too long ago.  To connections that Citus opens later it
 * repeats nothing that was set in a subtransaction that has ended: not even in one that was committed.
 */
static bool
is_carried(const char *content)
{
	return issued != NULL && SubTransactionIsActive(issued->issued_in) &&
	       strcmp(issued->content, content) == 0 &&
	       GetCurrentTimestamp() < issued->issued_at + (issued->expires_at - issued->issued_at) / 2;
}

void
ticket_carry(const Authority *authority, Oid database_role)
{
	char *content = ticket_content(authority, GetUserNameFromId(database_role, false));
	int   settings;

	require_silence();
	if (is_carried(content))
		return;
	Assert(!writing);
	settings = NewGUCNestLevel();
	(void) set_config_option("citus.propagate_set_commands", "local", PGC_USERSET, PGC_S_SESSION,
	                         GUC_ACTION_SAVE, true, ERROR, false);
	writing = true;
	PG_TRY();
	{
		set_local(sign_content(content, authority, MyProcPid));
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
