/*
 * text.h
 *	  Growing texts, UTF-8, and what may be shown of a text that somebody else wrote.
 */
#ifndef TEAMRBAC_MAILER_TEXT_H
#define TEAMRBAC_MAILER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* A text that grows; zero-initialized it is empty.  data is NULL or ends with a zero byte. */
typedef struct Text
{
	char  *data;
	size_t length;
	size_t size;
} Text;

extern void text_append(Text *text, const char *data, size_t length);
extern void text_add(Text *text, const char *string);
extern void text_format(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern void text_free(Text *text);

extern char *copy_string(const char *string);

/*
 * Appends what is printable of a string, on one line: control characters, line separators and characters that
 * turn the direction of writing become spaces, malformed UTF-8 question marks; what is beyond max_characters
 * becomes an ellipsis.  Everything that enters a header, a body or the log from outside comes through here.
 */
extern void text_add_printable(Text *text, const char *string, size_t max_characters);

/* Whether a string has bytes beyond ASCII. */
extern bool has_non_ascii(const char *string);

/* The length in bytes, 1 to 4, of the UTF-8 character that starts here; 0 if it is malformed. */
extern int utf8_length(const char *string);

/* Whether a character, so many bytes long, is no visible part of a line: a control, a separator, a direction mark. */
extern bool is_hidden(const char *string, int length);

/* Logs one line to standard error. */
extern void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, then ends the program. */
extern void die(int status, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* Exit statuses. */
#define EXIT_UNREACHABLE 1 /* --once: the database or the mail server could not be used */
#define EXIT_USAGE 2       /* command line, settings or template */

#endif /* TEAMRBAC_MAILER_TEXT_H */
