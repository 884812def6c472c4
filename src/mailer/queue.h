/*
 * queue.h
 *	  The outbox, as a client of the database sees it.
 */
#ifndef TEAMRBAC_MAILER_QUEUE_H
#define TEAMRBAC_MAILER_QUEUE_H

#include <libpq-fe.h>
#include <signal.h>

#include "config.h"
#include "mail.h"
#include "text.h"

typedef struct Queue
{
	PGconn   *connection; /* NULL while there is none */
	PGresult *claimed;    /* what the mail in hand points into */
	bool      heard;      /* of new mail, since the last claim was sent */
} Queue;

typedef enum QueueReport
{
	REPORT_SENT,
	REPORT_FAILED,
	REPORT_BLOCKED, /* the mail server refuses the sender, and has not judged the recipient */
	REPORT_REFUSED
} QueueReport;

/* Connects, and listens for new mail.  Returns false, having logged why, if that fails. */
extern bool queue_connect(Queue *queue, const Config *config);

extern void queue_disconnect(Queue *queue);

/*
 * Claims one mail, for so many seconds: one at a time, so that a mailer that stops or dies holds up no
 * more than that.  Returns 1, or 0 if none is due, or -1, having logged why and disconnected, if that fails.
 * The mail lasts until the next call.
 */
extern int queue_claim(Queue *queue, int lease, Mail *mail);

/* Reports on a mail.  Returns false, having logged why and disconnected, if that fails. */
extern bool queue_report(Queue *queue, const char *mail_id, QueueReport report, const char *reason);

/*
 * Waits until mail is queued, the connection breaks, the time is over, or a signal comes that is not in the
 * mask.
 */
extern void queue_wait(Queue *queue, int seconds, const sigset_t *mask);

#endif /* TEAMRBAC_MAILER_QUEUE_H */
