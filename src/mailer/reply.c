/*
 * reply.c
 *	  What a mail server's answer means for a mail.
 *
 * Only what is about the recipient or the message may use a mail up at once.  Most answers of 5xx that a mailer
 * meets are about itself: relaying denied, no authentication, SPF, a name in EHLO, a list of addresses it stands on.
 * They are seen as an answer to RCPT TO because many servers put all their checks there.  The enhanced status
 * code (RFC 3463) tells them apart; where there is none, or one that says nothing, the words do.
 */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "reply.h"

typedef enum Subject
{
	ABOUT_RECIPIENT,
	ABOUT_MESSAGE,
	ABOUT_SENDER,
	ABOUT_UNKNOWN
} Subject;

/* x.y of the enhanced status code 5.x.y; both -1 if there is none. */
typedef struct EnhancedCode
{
	int subject;
	int detail;
} EnhancedCode;

/* What answers without a telling code say of the sender, and, if nothing of that, of the recipient. */
static const char *const sender_words[] = {
	"relay",      "rcpthosts",     "authenticat", "auth required", "spf",         "dkim",
	"dmarc",      "helo",          "ehlo",        "sender",        "blocked",     "blocklist",
	"block list", "blacklist",     "black list",  "denylist",      "listed",      "dnsbl",
	"rbl",        "spamhaus",      "spamcop",     "reputation",    "reverse dns", "rdns",
	"ptr ",       "client host",   "policy",      "prohibit",      "your ip",     "ip address",
	"banned",     "access denied",
};
static const char *const recipient_words[] = {
	"user unknown",      "unknown user",      "no such user",        "no such mailbox",
	"no such recipient", "no such address",   "no mailbox here",     "mailbox unavailable",
	"mailbox not found", "unknown recipient", "recipient unknown",   "user not found",
	"does not exist",    "doesn't exist",     "unrouteable address", "invalid recipient",
	"unknown address",
};

/* read_number reads one to three digits; returns -1 if there are none, or more. */
static int
read_number(const char **text)
{
	int number = 0;
	int digits = 0;

	for (; isdigit((unsigned char) **text); (*text)++)
	{
		if (++digits > 3)
			return -1;
		number = 10 * number + (**text - '0');
	}
	return digits > 0 ? number : -1;
}

/* enhanced_code reads the code that may stand behind the three digits of an answer and a space or hyphen. */
static EnhancedCode
enhanced_code(const char *reply)
{
	EnhancedCode none = {-1, -1};
	EnhancedCode code;
	const char  *text = reply + 4;

	if (strlen(reply) < 5 || text[0] != reply[0] || text[1] != '.')
		return none;
	text += 2;
	code.subject = read_number(&text);
	if (code.subject < 0 || *text++ != '.')
		return none;
	code.detail = read_number(&text);
	return code.detail < 0 || isalnum((unsigned char) *text) ? none : code;
}

/*
 * has_words tells whether one of the phrases is in an answer.  A word with an @ is passed over, for it is an
 * address, in which anything may stand.
 */
static bool
has_words(const char *reply, const char *const *words, size_t nwords)
{
	for (const char *c = reply; *c != '\0'; c++)
	{
		if (c == reply || isspace((unsigned char) c[-1]))
		{
			size_t length = strcspn(c, " \t\r\n");

			if (memchr(c, '@', length) != NULL)
			{
				c += length - 1;
				continue;
			}
		}
		for (size_t i = 0; i < nwords; i++)
		{
			if (strncasecmp(c, words[i], strlen(words[i])) == 0)
				return true;
		}
	}
	return false;
}

#define HAS_WORDS(reply, words) has_words(reply, words, sizeof(words) / sizeof(words[0]))

static Subject
subject_by_words(const char *reply)
{
	if (HAS_WORDS(reply, sender_words))
		return ABOUT_SENDER;
	return HAS_WORDS(reply, recipient_words) ? ABOUT_RECIPIENT : ABOUT_UNKNOWN;
}

/* reply_code returns the three digits that an answer starts with, 0 if it is no answer. */
static int
reply_code(const char *reply)
{
	const char *end = reply;
	int         code = read_number(&end);

	return end - reply == 3 && !isalnum((unsigned char) *end) ? code : 0;
}

/* subject_of tells what an answer of 5xx is about. */
static Subject
subject_of(const char *reply)
{
	EnhancedCode enhanced = enhanced_code(reply);

	switch (enhanced.subject)
	{
		case 1: /* addresses */
			if (enhanced.detail == 7 || enhanced.detail == 8)
				return ABOUT_SENDER;
			if ((enhanced.detail >= 1 && enhanced.detail <= 6) || enhanced.detail == 10)
				return ABOUT_RECIPIENT;
			break;
		case 2: /* the mailbox */
			return ABOUT_RECIPIENT;
		case 5: /* the protocol, as in "need fully-qualified hostname" */
		case 7: /* security and policy */
			return ABOUT_SENDER;
		case 6: /* content */
			return ABOUT_MESSAGE;
	}
	switch (reply_code(reply))
	{
		case 530: /* authentication: required, too weak, wrong, without encryption */
		case 534:
		case 535:
		case 538:
			return ABOUT_SENDER;
	}
	return subject_by_words(reply);
}

SmtpOutcome
reply_judge(SmtpStage stage, const char *reply)
{
	int code = reply_code(reply);

	/* Accepted, whatever happened to the connection afterwards. */
	if (stage == STAGE_MESSAGE && code >= 200 && code < 300)
		return SMTP_SENT;
	if (code < 400 || code >= 600 || code == 421)
		return SMTP_UNAVAILABLE;
	if (code < 500)
		return stage < STAGE_RECIPIENT ? SMTP_UNAVAILABLE : SMTP_FAILED;
	/* The server does not know the recipient yet. */
	if (stage < STAGE_RECIPIENT)
		return SMTP_UNWELCOME;
	switch (subject_of(reply))
	{
		case ABOUT_RECIPIENT:
		case ABOUT_MESSAGE:
			return SMTP_REFUSED;
		case ABOUT_SENDER:
			return SMTP_BLOCKED;
		case ABOUT_UNKNOWN:
			break;
	}
	return SMTP_FAILED;
}
