/*
 * text.c
 *	  Growing texts, UTF-8, and what may be shown of a text that somebody else wrote.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define LOG_MAX_CHARACTERS 2000

void
text_append(Text *text, const char *data, size_t length)
{
	if (text->length + length + 1 > text->size)
	{
		size_t size = 2 * (text->length + length + 1);
		char  *grown = realloc(text->data, size);

		if (grown == NULL)
		{
			fputs("teamrbac-mailer: out of memory\n", stderr);
			exit(EXIT_UNREACHABLE);
		}
		text->data = grown;
		text->size = size;
	}
	memcpy(text->data + text->length, data, length);
	text->length += length;
	text->data[text->length] = '\0';
}

void
text_add(Text *text, const char *string)
{
	text_append(text, string, strlen(string));
}

static void __attribute__((format(printf, 2, 0)))
text_vformat(Text *text, const char *format, va_list args)
{
	char   *formatted;
	va_list copy;

	va_copy(copy, args);
	if (vasprintf(&formatted, format, copy) < 0)
		formatted = NULL;
	va_end(copy);
	text_add(text, formatted != NULL ? formatted : "out of memory");
	free(formatted);
}

void
text_format(Text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_vformat(text, format, args);
	va_end(args);
}

void
text_free(Text *text)
{
	free(text->data);
	*text = (Text){0};
}

char *
copy_string(const char *string)
{
	Text copy = {0};

	text_add(&copy, string);
	return copy.data;
}

int
utf8_length(const char *string)
{
	const unsigned char *s = (const unsigned char *) string;
	int                  length;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		length = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		length = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		length = 4;
	else
		return 0;
	for (int i = 1; i < length; i++)
	{
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Overlong forms, surrogates, and what is beyond Unicode. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return length;
}

bool
is_hidden(const char *string, int length)
{
	const unsigned char *s = (const unsigned char *) string;

	switch (length)
	{
		case 1:
			return s[0] < ' ' || s[0] == 0x7f;
		case 2: /* U+0080 to U+009F */
			return s[0] == 0xc2 && s[1] < 0xa0;
		case 3: /* U+2028 to U+202E, U+2066 to U+2069 */
			return s[0] == 0xe2 && ((s[1] == 0x80 && s[2] >= 0xa8 && s[2] <= 0xae) ||
			                        (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));
		default:
			return false;
	}
}

void
text_add_printable(Text *text, const char *string, size_t max_characters)
{
	while (*string != '\0')
	{
		int length = utf8_length(string);

		if (max_characters-- == 0)
		{
			text_add(text, "\xe2\x80\xa6");
			return;
		}
		if (length == 0)
			text_add(text, "?");
		else if (is_hidden(string, length))
			text_add(text, " ");
		else
			text_append(text, string, length);
		string += length > 0 ? length : 1;
	}
}

bool
has_non_ascii(const char *string)
{
	for (; *string != '\0'; string++)
	{
		if ((unsigned char) *string >= 0x80)
			return true;
	}
	return false;
}

static void __attribute__((format(printf, 1, 0))) log_vline(const char *format, va_list args)
{
	Text message = {0};
	Text line = {0};

	text_vformat(&message, format, args);
	text_add(&line, "teamrbac-mailer: ");
	text_add_printable(&line, message.data, LOG_MAX_CHARACTERS);
	text_add(&line, "\n");
	fputs(line.data, stderr);
	text_free(&message);
	text_free(&line);
}

void
log_line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vline(format, args);
	va_end(args);
}

void
die(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vline(format, args);
	va_end(args);
	exit(status);
}
