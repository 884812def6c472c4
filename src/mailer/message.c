/*
 * message.c
 *	  A mail in the form of RFC 5322 and MIME.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "message.h"

#define HEADER_MAX_CHARACTERS 400

/* A line with an encoded word has at most 76 characters (RFC 2047), the header's name included. */
#define ENCODED_WORD_BYTES 39
#define HEADER_LINE_LENGTH 76

/* What SMTP can carry of one line, and what quoted-printable makes of it. */
#define BODY_LINE_LENGTH 998
#define URL_MAX_BYTES 900
#define QUOTED_LINE_LENGTH 76

static void
add_base64(Text *text, const char *data, size_t length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *bytes = (const unsigned char *) data;

	for (size_t i = 0; i < length; i += 3)
	{
		unsigned int group = bytes[i] << 16;
		char         four[4];

		if (i + 1 < length)
			group |= bytes[i + 1] << 8;
		if (i + 2 < length)
			group |= bytes[i + 2];
		four[0] = digits[group >> 18];
		four[1] = digits[(group >> 12) & 63];
		four[2] = i + 1 < length ? digits[(group >> 6) & 63] : '=';
		four[3] = i + 2 < length ? digits[group & 63] : '=';
		text_append(text, four, sizeof(four));
	}
}

/* add_encoded_words adds UTF-8 as encoded words, a folded line each, which never split a character. */
static void
add_encoded_words(Text *text, const char *value)
{
	while (*value != '\0')
	{
		size_t length = 0;

		while (value[length] != '\0' && length + utf8_length(value + length) <= ENCODED_WORD_BYTES)
			length += utf8_length(value + length);
		text_add(text, "=?UTF-8?B?");
		add_base64(text, value, length);
		text_add(text, "?=");
		value += length;
		if (*value != '\0')
			text_add(text, "\r\n ");
	}
}

/*
 * add_header adds a header whose value is text for people: one printable line, plain where it is short ASCII,
 * encoded otherwise.
 */
static void
add_header(Text *message, const char *name, const char *value)
{
	Text line = {0};

	text_add_printable(&line, value, HEADER_MAX_CHARACTERS);
	text_format(message, "%s: ", name);
	if (line.data != NULL && (has_non_ascii(line.data) || strstr(line.data, "=?") != NULL ||
	                          strlen(name) + 2 + line.length > HEADER_LINE_LENGTH))
		add_encoded_words(message, line.data);
	else
		text_add(message, line.data != NULL ? line.data : "");
	text_add(message, "\r\n");
	text_free(&line);
}

/* add_mailbox adds a header with one address, as address_to_ascii makes it, and perhaps a name. */
static void
add_mailbox(Text *message, const char *header, const char *name, const char *address)
{
	Text phrase = {0};

	text_format(message, "%s: ", header);
	text_add_printable(&phrase, name, HEADER_MAX_CHARACTERS);
	if (phrase.length > 0)
	{
		/* Encoded always: then there is nothing to quote. */
		add_encoded_words(message, phrase.data);
		text_add(message, "\r\n ");
	}
	text_format(message, "<%s>\r\n", address);
	text_free(&phrase);
}

/* add_date adds the present time, in English whatever the locale. */
static void
add_date(Text *message)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t                   now = time(NULL);
	struct tm                tm;

	gmtime_r(&now, &tm);
	text_format(message, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday],
	            tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* ---- body ------------------------------------------------------------------------------------------- */

/* is_plain tells whether a body can be sent as it is. */
static bool
is_plain(const char *body)
{
	size_t length = 0;

	for (; *body != '\0'; body++)
	{
		length = *body == '\n' ? 0 : length + 1;
		if ((unsigned char) *body >= 0x80 || *body == '\r' || length > BODY_LINE_LENGTH)
			return false;
	}
	return true;
}

static void
add_plain(Text *message, const char *body)
{
	for (const char *end; (end = strchr(body, '\n')) != NULL; body = end + 1)
	{
		text_append(message, body, end - body);
		text_add(message, "\r\n");
	}
	text_add(message, body);
}

static void
add_quoted_printable(Text *message, const char *body)
{
	size_t column = 0;

	for (const char *c = body; *c != '\0'; c++)
	{
		bool ends_line = c[1] == '\n' || c[1] == '\0';
		bool literal = (*c > ' ' && *c <= '~' && *c != '=') || (*c == ' ' && !ends_line);

		if (*c == '\n')
		{
			text_add(message, "\r\n");
			column = 0;
			continue;
		}
		if (column + (literal ? 1 : 3) >= QUOTED_LINE_LENGTH)
		{
			text_add(message, "=\r\n");
			column = 0;
		}
		if (literal)
			text_append(message, c, 1);
		else
			text_format(message, "=%02X", (unsigned char) *c);
		column += literal ? 1 : 3;
	}
}

static void
add_part(Text *message, const char *type, bool plain, const Text *body)
{
	text_format(message,
	            "Content-Type: text/%s; charset=utf-8\r\n"
	            "Content-Transfer-Encoding: %s\r\n\r\n",
	            type, plain ? "7bit" : "quoted-printable");
	if (plain)
		add_plain(message, body->data);
	else
		add_quoted_printable(message, body->data);
}

/* add_alternatives adds text and HTML, of which mail programs show what they like. */
static void
add_alternatives(Text *message, const Mail *mail, const Letter *letter)
{
	/* Nothing in quoted-printable has "=_", so it stands in no part. */
	text_format(message, "Content-Type: multipart/alternative; boundary=\"=_%s\"\r\n\r\n",
	            mail->mail_id);
	text_format(message, "--=_%s\r\n", mail->mail_id);
	add_part(message, "plain", false, &letter->body);
	text_format(message, "\r\n--=_%s\r\n", mail->mail_id);
	add_part(message, "html", false, &letter->html);
	text_format(message, "\r\n--=_%s--\r\n", mail->mail_id);
}

/*
 * add_unsubscribe adds where somebody who does not want to hear of an invitation again says so; other mail is about
 * what they are a member of.
 */
static void
add_unsubscribe(Text *message, const Config *config, const Mail *mail)
{
	Text url = {0};

	if (*config->unsubscribe_url == '\0' || *mail->token == '\0')
		return;
	add_url(&url, config->unsubscribe_url, mail->token);
	if (url.length <= URL_MAX_BYTES)
		text_format(message, "List-Unsubscribe: <%s>\r\n", url.data);
	text_free(&url);
}

void
message_build(Text *message, const Config *config, const Mail *mail, const char *recipient,
              const Letter *letter)
{
	add_mailbox(message, "From", config->from_name, config->from_address);
	add_mailbox(message, "To", "", recipient);
	if (*config->reply_to != '\0')
		add_mailbox(message, "Reply-To", "", config->reply_to);
	add_header(message, "Subject", letter->subject.data);
	add_date(message);
	/* The same at every attempt, so that whoever received it twice sees it once. */
	text_format(message, "Message-ID: <%s%s>\r\n", mail->mail_id,
	            strchr(config->from_address, '@'));
	text_add(message, "Auto-Submitted: auto-generated\r\n");
	add_unsubscribe(message, config, mail);
	text_add(message, "MIME-Version: 1.0\r\n");
	if (letter->html.length > 0)
		add_alternatives(message, mail, letter);
	else
		add_part(message, "plain", is_plain(letter->body.data), &letter->body);
}
