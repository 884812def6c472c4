/*
 * main.c
 *	  teamrbac-mailer: sends the mail that teamrbac queues in a database.
 *
 * A loop around one mail at a time: claim it, send it, report.  Whatever happens in between, the mail is sent
 * at least once, and nearly always exactly once: the report is kept until the database takes it.
 */
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>

#include "address.h"
#include "config.h"
#include "message.h"
#include "queue.h"
#include "smtp.h"
#include "template.h"
#include "text.h"

/* How long to wait before another try at a server that is away: twice as long each time. */
#define PAUSE_MAX_SECONDS 60

/* How long a report may take to reach the database, after an interruption that it has survived. */
#define REPORT_SECONDS (2 * PAUSE_MAX_SECONDS)

typedef struct Mailer
{
	Config      config;
	TemplateSet templates;
	Smtp       *smtp;
	Queue       queue;
	bool        once;
	int         database_pause; /* seconds, 0 while all is well */
	int         smtp_pause;
	sigset_t    waiting_mask; /* the signals that remain blocked while it waits */
} Mailer;

static volatile sig_atomic_t stopping = false;

static void
stop(int signal_number)
{
	(void) signal_number;
	stopping = true;
}

/*
 * catch_signals has signals delivered only while the mailer waits: the mail in hand is finished first.
 */
static void
catch_signals(sigset_t *waiting_mask)
{
	struct sigaction action = {.sa_handler = stop};
	sigset_t         blocked;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, waiting_mask);
	sigdelset(waiting_mask, SIGTERM);
	sigdelset(waiting_mask, SIGINT);
}

/* must_stop tells whether a signal to stop has come, one that is blocked at present included. */
static bool
must_stop(void)
{
	sigset_t pending;

	sigpending(&pending);
	return stopping || sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1;
}

/* pause_longer waits for a server to come back, or for a signal. */
static void
pause_longer(const Mailer *mailer, int *pause)
{
	struct timespec timeout;

	*pause = *pause == 0 ? 1 : 2 * *pause;
	if (*pause > PAUSE_MAX_SECONDS)
		*pause = PAUSE_MAX_SECONDS;
	timeout = (struct timespec){.tv_sec = *pause};
	pselect(0, NULL, NULL, NULL, &timeout, &mailer->waiting_mask);
}

/* connect_again connects to the database, patiently unless --once; returns whether it has. */
static bool
connect_again(Mailer *mailer)
{
	while (!queue_connect(&mailer->queue, &mailer->config))
	{
		if (mailer->once || must_stop())
			return false;
		pause_longer(mailer, &mailer->database_pause);
	}
	return true;
}

/* send_mail sends one mail; reason is filled unless it was sent. */
static SmtpOutcome
send_mail(Mailer *mailer, const Mail *mail, Text *reason)
{
	Text        recipient = {0};
	Letter      letter = {0};
	Text        message = {0};
	SmtpOutcome outcome = SMTP_REFUSED;

	if (!address_to_ascii(&recipient, mail->recipient))
		text_add(reason, "malformed address");
	else if (!template_render(&mailer->templates, mail, mailer->config.accept_url, &letter))
		text_format(reason, "no template for mail of kind %s", mail->kind);
	else
	{
		message_build(&message, &mailer->config, mail, recipient.data, &letter);
		outcome = smtp_send(mailer->smtp, recipient.data, &message, mail->token, reason);
	}
	text_free(&recipient);
	letter_free(&letter);
	text_free(&message);
	return outcome;
}

/*
 * report tells the database of a mail, however often it has to connect for that.  mail_id is a copy, since a
 * mail does not outlive its connection.
 */
static bool
report(Mailer *mailer, const char *mail_id, SmtpOutcome outcome, const char *reason)
{
	static const QueueReport reports[] = {
		[SMTP_SENT] = REPORT_SENT,          [SMTP_REFUSED] = REPORT_REFUSED,
		[SMTP_FAILED] = REPORT_FAILED,      [SMTP_BLOCKED] = REPORT_BLOCKED,
		[SMTP_UNAVAILABLE] = REPORT_FAILED, [SMTP_UNWELCOME] = REPORT_BLOCKED,
	};

	while (!queue_report(&mailer->queue, mail_id, reports[outcome], reason))
	{
		if (!connect_again(mailer))
			return false;
	}
	return true;
}

static void
log_outcome(const Mail *mail, SmtpOutcome outcome, const char *reason)
{
	switch (outcome)
	{
		case SMTP_SENT:
			log_line("sent %s (%s)", mail->mail_id, mail->kind);
			break;
		case SMTP_REFUSED:
			log_line("gave up %s (%s), attempt %d: %s", mail->mail_id, mail->kind, mail->attempt,
			         reason);
			break;
		case SMTP_BLOCKED:
		case SMTP_UNWELCOME:
			log_line("kept %s (%s), attempt %d: the mail server refuses the sender: %s",
			         mail->mail_id, mail->kind, mail->attempt, reason);
			break;
		case SMTP_FAILED:
		case SMTP_UNAVAILABLE:
			log_line("could not send %s (%s), attempt %d: %s", mail->mail_id, mail->kind,
			         mail->attempt, reason);
			break;
	}
}

/*
 * deliver sends the mail in hand and reports.  Returns false if a server could not be used: --once ends then,
 * otherwise the mailer has paused.
 */
static bool
deliver(Mailer *mailer, const Mail *mail)
{
	Text        reason = {0};
	char        mail_id[64];
	SmtpOutcome outcome = send_mail(mailer, mail, &reason);
	bool        reported;

	snprintf(mail_id, sizeof(mail_id), "%s", mail->mail_id);
	log_outcome(mail, outcome, reason.data);
	reported = report(mailer, mail_id, outcome, reason.data);
	text_free(&reason);
	if (outcome != SMTP_UNAVAILABLE && outcome != SMTP_UNWELCOME)
	{
		mailer->smtp_pause = 0;
		return reported;
	}
	if (!mailer->once && !must_stop())
		pause_longer(mailer, &mailer->smtp_pause);
	return false;
}

/*
 * work sends mail until there is none left (--once) or a signal comes.  Returns the exit status.
 *
 * The lease covers the sending, with the longest wait for its acceptance, the good-bye after it, and a report that
 * comes late; a mail whose mailer died is sent again after it.
 */
static int
work(Mailer *mailer)
{
	int lease = smtp_longest(&mailer->config) + mailer->config.connect_timeout + REPORT_SECONDS;

	while (!must_stop())
	{
		Mail mail;
		int  found;

		if (mailer->queue.connection == NULL && !connect_again(mailer))
			return EXIT_UNREACHABLE;
		found = queue_claim(&mailer->queue, lease, &mail);
		if (found < 0)
		{
			if (mailer->once)
				return EXIT_UNREACHABLE;
			pause_longer(mailer, &mailer->database_pause);
			continue;
		}
		mailer->database_pause = 0;
		if (found > 0)
		{
			if (!deliver(mailer, &mail) && mailer->once)
				return EXIT_UNREACHABLE;
		}
		else if (mailer->once)
			return 0;
		else
			queue_wait(&mailer->queue, mailer->config.poll_interval, &mailer->waiting_mask);
	}
	return 0;
}

static void
print_help(void)
{
	puts("teamrbac-mailer sends the mail that teamrbac queues in a database.\n"
	     "\n"
	     "Usage: teamrbac-mailer [OPTION]...\n"
	     "\n"
	     "  -c, --config=FILE  settings (default: " MAILER_CONFIG ")\n"
	     "  -1, --once         send what is due, then exit\n"
	     "  -V, --version      print the version, then exit\n"
	     "  -h, --help         print this, then exit\n"
	     "\n"
	     "Settings come from the file and from the environment (TEAMRBAC_MAILER_SMTP_URL, ...),\n"
	     "which wins. teamrbac-mailer(1) has them all.");
}

/* read_options returns the settings file, NULL for the default. */
static const char *
read_options(int argc, char **argv, bool *once)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"once", no_argument, NULL, '1'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *file = NULL;

	for (int option; (option = getopt_long(argc, argv, "c:1Vh", options, NULL)) != -1;)
	{
		if (option == 'c')
			file = optarg;
		else if (option == '1')
			*once = true;
		else if (option == 'V')
		{
			puts("teamrbac-mailer " TEAMRBAC_VERSION);
			exit(0);
		}
		else if (option == 'h')
		{
			print_help();
			exit(0);
		}
		else
			exit(EXIT_USAGE);
	}
	if (optind < argc)
		die(EXIT_USAGE, "there are no arguments, only options: try --help");
	return file;
}

int
main(int argc, char **argv)
{
	static Mailer mailer;
	const char   *file;
	int           status;

	/* libcurl takes addresses to be in the locale's encoding. */
	setlocale(LC_CTYPE, "C.UTF-8");
	/* Each line of the log as it comes, also into a file. */
	setvbuf(stderr, NULL, _IOLBF, 0);
	file = read_options(argc, argv, &mailer.once);
	config_load(&mailer.config, file);
	template_load(&mailer.templates, mailer.config.template_file);
	catch_signals(&mailer.waiting_mask);
	mailer.smtp = smtp_open(&mailer.config);
	if (!mailer.once)
		log_line("version %s started", TEAMRBAC_VERSION);
	status = work(&mailer);
	queue_disconnect(&mailer.queue);
	smtp_close(mailer.smtp);
	template_free(&mailer.templates);
	config_free(&mailer.config);
	if (!mailer.once)
		log_line("stopped");
	return status;
}
