/*
 * queue.c
 *	  The outbox, as a client of the database sees it.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "queue.h"

/* What a statement may take, and how long a silent connection is trusted. */
#define SESSION_OPTIONS "-c statement_timeout=30s -c lock_timeout=30s"
#define KEEPALIVE_SECONDS "30"

/* fail logs why a statement failed, and gives the connection up: a new one is a clean start. */
static void
fail(Queue *queue, const char *what)
{
	log_line("%s: %s", what, PQerrorMessage(queue->connection));
	queue_disconnect(queue);
}

bool
queue_connect(Queue *queue, const Config *config)
{
	char        timeout[16];
	const char *names[] = {"fallback_application_name",
	                       "connect_timeout",
	                       "options",
	                       "keepalives_idle",
	                       "keepalives_interval",
	                       "tcp_user_timeout",
	                       "dbname",
	                       "client_encoding",
	                       NULL};
	const char *values[] = {"teamrbac-mailer",
	                        timeout,
	                        SESSION_OPTIONS,
	                        KEEPALIVE_SECONDS,
	                        KEEPALIVE_SECONDS,
	                        "60000",
	                        config->database,
	                        "UTF8",
	                        NULL};
	PGresult   *result;

	snprintf(timeout, sizeof(timeout), "%d", config->connect_timeout);
	queue->connection = PQconnectdbParams(names, values, 1);
	if (PQstatus(queue->connection) != CONNECTION_OK)
	{
		fail(queue, "cannot connect to the database");
		return false;
	}
	result = PQexec(queue->connection, "LISTEN teamrbac_outbox");
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(queue, "cannot listen");
	PQclear(result);
	return queue->connection != NULL;
}

void
queue_disconnect(Queue *queue)
{
	PQclear(queue->claimed);
	queue->claimed = NULL;
	PQfinish(queue->connection);
	queue->connection = NULL;
}

/* drain_notifications forgets what has been heard but that it was something. */
static void
drain_notifications(Queue *queue)
{
	PGnotify *notification;

	while ((notification = PQnotifies(queue->connection)) != NULL)
	{
		PQfreemem(notification);
		queue->heard = true;
	}
}

/*
 * execute is PQexecParams, but does not collect notifications while it waits for the result: anybody may send
 * any amount of them.
 */
static PGresult *
execute(Queue *queue, const char *sql, int nparams, const char *const *values)
{
	PGconn   *connection = queue->connection;
	PGresult *result = NULL;
	PGresult *next;

	if (!PQsendQueryParams(connection, sql, nparams, NULL, values, NULL, NULL, 0))
		return NULL;
	do
	{
		while (PQisBusy(connection))
		{
			struct pollfd fd = {.fd = PQsocket(connection), .events = POLLIN};

			drain_notifications(queue);
			poll(&fd, 1, -1);
			if (!PQconsumeInput(connection))
			{
				PQclear(result);
				return NULL;
			}
		}
		next = PQgetResult(connection);
		if (next != NULL)
		{
			PQclear(result);
			result = next;
		}
	} while (next != NULL);
	drain_notifications(queue);
	return result;
}

/* read_mail takes a mail from its rows, one for each field. */
static void
read_mail(const PGresult *result, Mail *mail)
{
	mail->mail_id = PQgetvalue(result, 0, 0);
	mail->kind = PQgetvalue(result, 0, 1);
	mail->recipient = PQgetvalue(result, 0, 2);
	mail->token = PQgetvalue(result, 0, 3);
	mail->attempt = atoi(PQgetvalue(result, 0, 4));
	mail->nfields = 0;
	mail->fields[mail->nfields++] = (MailField){"tenant", PQgetvalue(result, 0, 5)};
	for (int row = 0; row < PQntuples(result) && mail->nfields < MAIL_MAX_FIELDS; row++)
	{
		if (!PQgetisnull(result, row, 6))
			mail->fields[mail->nfields++] =
				(MailField){PQgetvalue(result, row, 6), PQgetvalue(result, row, 7)};
	}
}

int
queue_claim(Queue *queue, int lease, Mail *mail)
{
	static const char *const sql =
		"SELECT c.mail_id, c.kind, c.recipient, c.token, c.attempt, c.tenant_name, f.key, f.value"
		" FROM teamrbac.claim_mail(1, pg_catalog.make_interval(secs => $1)) AS c"
		" LEFT JOIN LATERAL pg_catalog.jsonb_each_text(c.fields) AS f ON true";
	char        seconds[16];
	const char *values[] = {seconds};

	snprintf(seconds, sizeof(seconds), "%d", lease);
	PQclear(queue->claimed);
	/* This looks for whatever has been told of so far. */
	drain_notifications(queue);
	queue->heard = false;
	queue->claimed = execute(queue, sql, 1, values);
	if (PQresultStatus(queue->claimed) != PGRES_TUPLES_OK)
	{
		fail(queue, "cannot claim mail");
		return -1;
	}
	if (PQntuples(queue->claimed) == 0)
		return 0;
	read_mail(queue->claimed, mail);
	return 1;
}

bool
queue_report(Queue *queue, const char *mail_id, QueueReport report, const char *reason)
{
	static const char *const statements[] = {
		[REPORT_SENT] = "SELECT teamrbac.mail_sent($1)",
		[REPORT_FAILED] = "SELECT teamrbac.mail_failed($1, $2)",
		[REPORT_BLOCKED] = "SELECT teamrbac.mail_blocked($1, $2)",
		[REPORT_REFUSED] = "SELECT teamrbac.mail_refused($1, $2)",
	};
	const char *values[] = {mail_id, reason};
	PGresult   *result = execute(queue, statements[report], report == REPORT_SENT ? 1 : 2, values);
	bool        ok = PQresultStatus(result) == PGRES_TUPLES_OK;

	PQclear(result);
	if (!ok)
		fail(queue, "cannot report on a mail");
	return ok;
}

void
queue_wait(Queue *queue, int seconds, const sigset_t *mask)
{
	struct timespec timeout = {.tv_sec = seconds};
	struct pollfd   fd = {.fd = -1, .events = POLLIN};

	if (queue->connection != NULL)
	{
		/* What came along with the answer to a statement would wake nobody up. */
		drain_notifications(queue);
		if (queue->heard)
			return;
		fd.fd = PQsocket(queue->connection);
	}
	if (ppoll(&fd, 1, &timeout, mask) <= 0 || queue->connection == NULL)
		return;
	if (!PQconsumeInput(queue->connection))
		fail(queue, "lost the database");
	else
		drain_notifications(queue);
}
