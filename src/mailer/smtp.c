/*
 * smtp.c
 *	  Hands messages to the mail server, through libcurl.
 *
 * libcurl says that something failed; what is to be done about it depends on the command that failed and on the
 * server's answer.  Both are seen by the callback that libcurl has for debugging.
 *
 * Time is kept here too, for libcurl knows one limit for the whole transfer.  After the final dot the server may have
 * taken the message whatever it says afterwards: to give up then means to send it twice, and so that answer is
 * waited for longer than any other (RFC 5321, 4.5.3.2.6).
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "smtp.h"

#define REASON_MAX_CHARACTERS 500
#define REPLY_MAX_BYTES 2000

/* How long to wait for an answer to QUIT. */
#define GOODBYE_SECONDS 10

static const char *const stage_names[] = {
	[STAGE_GREETING] = "connecting", [STAGE_SENDER] = "MAIL FROM",    [STAGE_RECIPIENT] = "RCPT TO",
	[STAGE_DATA] = "DATA",           [STAGE_MESSAGE] = "the message",
};

struct Smtp
{
	CURL       *curl;
	char        error[CURL_ERROR_SIZE];
	int         send_timeout; /* seconds */
	int         answer_timeout;
	time_t      deadline; /* of what goes on at present, by the clock of now() */
	SmtpStage   stage;
	bool        over;     /* libcurl has said good-bye, because of what came before */
	bool        smtputf8; /* the server has said that it takes international addresses */
	Text        reply;    /* to the last command */
	const Text *message;
	size_t      given; /* so much of the message is with libcurl */
};

static time_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

/* keep_time is called by libcurl every second or so; what it returns ends the transfer unless it is 0. */
static int
keep_time(void *state, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
	const Smtp *smtp = state;

	(void) dltotal;
	(void) dlnow;
	(void) ultotal;
	(void) ulnow;
	return now() > smtp->deadline;
}

/* note_reply takes a line of the server's. */
static void
note_reply(Smtp *smtp, const char *line, size_t length)
{
	static const char smtputf8[] = "SMTPUTF8";

	if (smtp->over)
		return;
	if (length >= 4 + strlen(smtputf8) && strncasecmp(line + 4, smtputf8, strlen(smtputf8)) == 0)
		smtp->smtputf8 = true;
	if (smtp->reply.length + length <= REPLY_MAX_BYTES)
		text_append(&smtp->reply, line, length);
}

static bool
starts_with(const char *line, size_t length, const char *command)
{
	return length >= strlen(command) && strncmp(line, command, strlen(command)) == 0;
}

/* note_command takes a line of ours.  It may be a password: nothing is kept of it. */
static void
note_command(Smtp *smtp, const char *line, size_t length)
{
	if (starts_with(line, length, "QUIT\r\n"))
	{
		smtp->over = true;
		smtp->deadline = now() + GOODBYE_SECONDS;
	}
	if (smtp->over)
		return;
	text_free(&smtp->reply);
	if (starts_with(line, length, "EHLO "))
		smtp->smtputf8 = false;
	else if (starts_with(line, length, "MAIL FROM:"))
		smtp->stage = STAGE_SENDER;
	else if (starts_with(line, length, "RCPT TO:"))
		smtp->stage = STAGE_RECIPIENT;
	else if (starts_with(line, length, "DATA\r\n"))
		smtp->stage = STAGE_DATA;
}

static int
watch(CURL *curl, curl_infotype type, char *data, size_t length, void *state)
{
	(void) curl;
	if (type == CURLINFO_HEADER_IN)
		note_reply(state, data, length);
	else if (type == CURLINFO_HEADER_OUT)
		note_command(state, data, length);
	return 0;
}

static size_t
give_message(char *buffer, size_t size, size_t count, void *state)
{
	Smtp  *smtp = state;
	size_t length = smtp->message->length - smtp->given;

	if (smtp->stage != STAGE_MESSAGE)
	{
		smtp->stage = STAGE_MESSAGE;
		text_free(&smtp->reply);
	}
	if (length > size * count)
		length = size * count;
	memcpy(buffer, smtp->message->data + smtp->given, length);
	smtp->given += length;
	if (smtp->given == smtp->message->length)
		smtp->deadline = now() + smtp->answer_timeout;
	return length;
}

static size_t
ignore_output(char *data, size_t size, size_t count, void *state)
{
	(void) data;
	(void) state;
	return size * count;
}

static void
set_up_tls(CURL *curl, const Config *config)
{
	curl_easy_setopt(curl, CURLOPT_USE_SSL,
	                 (long) (config->smtp_tls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	if (*config->smtp_ca_file != '\0')
		curl_easy_setopt(curl, CURLOPT_CAINFO, config->smtp_ca_file);
	if (*config->smtp_user != '\0')
	{
		curl_easy_setopt(curl, CURLOPT_USERNAME, config->smtp_user);
		curl_easy_setopt(curl, CURLOPT_PASSWORD, config->smtp_password);
	}
}

Smtp *
smtp_open(const Config *config)
{
	Smtp *smtp = calloc(1, sizeof(Smtp));
	CURL *curl;

	if (smtp == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0 ||
	    (curl = curl_easy_init()) == NULL)
		die(EXIT_UNREACHABLE, "cannot initialize libcurl");
	smtp->curl = curl;
	smtp->send_timeout = config->send_timeout;
	smtp->answer_timeout = config->answer_timeout;
	curl_easy_setopt(curl, CURLOPT_URL, config->smtp_url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long) config->connect_timeout);
	/* For a single answer; libcurl's own limit is two minutes.  keep_time is stricter where it may be. */
	curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT,
	                 (long) (config->answer_timeout + config->send_timeout));
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, keep_time);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, smtp);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, smtp->error);
	curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L);
	curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, watch);
	curl_easy_setopt(curl, CURLOPT_DEBUGDATA, smtp);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore_output);
	curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_message);
	curl_easy_setopt(curl, CURLOPT_READDATA, smtp);
	curl_easy_setopt(curl, CURLOPT_MAIL_FROM, config->from_address);
	set_up_tls(curl, config);
	return smtp;
}

/* add_without_secret adds a text, but for the secret, which a server may have quoted from the message. */
static void
add_without_secret(Text *reason, const char *text, const char *secret)
{
	Text        clean = {0};
	const char *found;

	while (*secret != '\0' && (found = strstr(text, secret)) != NULL)
	{
		text_append(&clean, text, found - text);
		text_add(&clean, "[...]");
		text = found + strlen(secret);
	}
	text_add(&clean, text);
	text_add_printable(reason, clean.data, REASON_MAX_CHARACTERS);
	text_free(&clean);
}

static void
add_reason(const Smtp *smtp, CURLcode result, const char *secret, Text *reason)
{
	Text text = {0};

	text_format(&text, "%s: ", stage_names[smtp->stage]);
	if (smtp->reply.length > 4 && atoi(smtp->reply.data) >= 400)
	{
		/* Lines of a long answer become one. */
		text_append(&text, smtp->reply.data, strcspn(smtp->reply.data, "\r\n"));
	}
	else if (result == CURLE_ABORTED_BY_CALLBACK)
		text_add(&text, "no answer in time");
	else
		text_add(&text, *smtp->error != '\0' ? smtp->error : curl_easy_strerror(result));
	add_without_secret(reason, text.data, secret);
	text_free(&text);
}

/* begin has the conversation about a mail begin, or about whether to have one. */
static void
begin(Smtp *smtp, const Text *message)
{
	smtp->stage = STAGE_GREETING;
	smtp->over = false;
	smtp->message = message;
	smtp->given = 0;
	smtp->deadline = now() + smtp->send_timeout;
	*smtp->error = '\0';
	text_free(&smtp->reply);
}

/*
 * greet connects, if need be, so that the server's abilities are known.  An address that only SMTPUTF8 can carry is
 * not told to a server without it, which libcurl would do.
 */
static CURLcode
greet(Smtp *smtp)
{
	CURLcode result;

	begin(smtp, NULL);
	curl_easy_setopt(smtp->curl, CURLOPT_UPLOAD, 0L);
	curl_easy_setopt(smtp->curl, CURLOPT_CUSTOMREQUEST, "NOOP");
	result = curl_easy_perform(smtp->curl);
	curl_easy_setopt(smtp->curl, CURLOPT_CUSTOMREQUEST, NULL);
	curl_easy_setopt(smtp->curl, CURLOPT_UPLOAD, 1L);
	return result;
}

static CURLcode
transfer(Smtp *smtp, const char *recipient, const Text *message)
{
	struct curl_slist *recipients = curl_slist_append(NULL, recipient);
	CURLcode           result;

	begin(smtp, message);
	curl_easy_setopt(smtp->curl, CURLOPT_MAIL_RCPT, recipients);
	curl_easy_setopt(smtp->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t) message->length);
	result = curl_easy_perform(smtp->curl);
	curl_easy_setopt(smtp->curl, CURLOPT_MAIL_RCPT, NULL);
	curl_slist_free_all(recipients);
	return result;
}

SmtpOutcome
smtp_send(Smtp *smtp, const char *recipient, const Text *message, const char *secret, Text *reason)
{
	SmtpOutcome outcome;
	CURLcode    result = CURLE_OK;

	if (has_non_ascii(recipient))
	{
		result = greet(smtp);
		if (result == CURLE_OK && !smtp->smtputf8)
		{
			text_add(reason, "the mail server does not take international addresses (SMTPUTF8)");
			return SMTP_REFUSED;
		}
	}
	if (result == CURLE_OK)
		result = transfer(smtp, recipient, message);
	if (result == CURLE_OK)
		return SMTP_SENT;
	outcome = reply_judge(smtp->stage, smtp->reply.data != NULL ? smtp->reply.data : "");
	if (outcome != SMTP_SENT)
		add_reason(smtp, result, secret, reason);
	return outcome;
}

int
smtp_longest(const Config *config)
{
	/* To greet and to send; the answer to the message; and a good-bye. */
	return 2 * config->send_timeout + config->answer_timeout + GOODBYE_SECONDS;
}

void
smtp_close(Smtp *smtp)
{
	curl_easy_cleanup(smtp->curl);
	curl_global_cleanup();
	text_free(&smtp->reply);
	free(smtp);
}
