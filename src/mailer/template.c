/*
 * template.c
 *	  What a mail of each kind says.
 *
 * The file has a section for each kind, "[invitation]" and so on: a line "Subject: ...", an empty line, the
 * text.  {{name}} stands for a value.  Names are checked when the file is read, so that a slip shows at
 * start and not in a customer's mail.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "template.h"

#define FILE_MAX_BYTES 65536
/* What the schema allows a name to have; whatever is longer came there by other ways. */
#define VALUE_MAX_CHARACTERS 200

static const char *const kind_names[TEMPLATE_KINDS] = {
	[TEMPLATE_INVITATION] = "invitation",
	[TEMPLATE_INVITATION_RESENT] = "invitation_resent",
	[TEMPLATE_ROLE_CHANGED] = "role_changed",
	[TEMPLATE_REMOVED] = "removed",
	[TEMPLATE_OWNERSHIP_TRANSFERRED] = "ownership_transferred",
	[TEMPLATE_INVITATION_ACCEPTED] = "invitation_accepted",
	[TEMPLATE_INVITATION_DECLINED] = "invitation_declined",
};

static const char *const value_names[] = {
	"tenant",     "recipient", "role",       "inviter",   "accept_url", "token",
	"expires_at", "old_role",  "changed_by", "old_owner", "new_owner",  "invitee",
};

/* find_kind returns which kind this is the name of, TEMPLATE_KINDS if none. */
static int
find_kind(const char *name, size_t length)
{
	int kind;

	for (kind = 0; kind < TEMPLATE_KINDS; kind++)
	{
		if (strlen(kind_names[kind]) == length && strncmp(kind_names[kind], name, length) == 0)
			break;
	}
	return kind;
}

static bool
is_value_name(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(value_names) / sizeof(value_names[0]); i++)
	{
		if (strlen(value_names[i]) == length && strncmp(value_names[i], name, length) == 0)
			return true;
	}
	return false;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

/* check_line refuses a line that is not UTF-8, or with a {{name}} that nothing will ever stand for. */
static void
check_line(const char *line, const char *path, int number)
{
	const char *open;

	for (const char *c = line; *c != '\0'; c += utf8_length(c))
	{
		if (utf8_length(c) == 0)
			die(EXIT_USAGE, "%s:%d: not UTF-8", path, number);
	}
	for (open = strstr(line, "{{"); open != NULL; open = strstr(open + 2, "{{"))
	{
		const char *close = strstr(open, "}}");

		if (close == NULL || !is_value_name(open + 2, close - open - 2))
			die(EXIT_USAGE, "%s:%d: unknown name after \"{{\"", path, number);
	}
}

/*
 * read_line takes a line into the section that it belongs to; kind is that of the section, TEMPLATE_KINDS
 * before the first, and changes with a line that starts one.
 */
static void
read_line(Template *template, int *kind, const char *line, const char *path, int number)
{
	TemplateSection *section;
	size_t           length = strlen(line);

	if (line[0] == '[' && line[length - 1] == ']')
	{
		*kind = find_kind(line + 1, length - 2);
		if (*kind == TEMPLATE_KINDS)
			die(EXIT_USAGE, "%s:%d: no kind of mail is called %s", path, number, line);
		if (template->sections[*kind].subject.length > 0)
			die(EXIT_USAGE, "%s:%d: %s was there already", path, number, line);
		return;
	}
	if (*kind == TEMPLATE_KINDS)
	{
		if (*line != '\0' && *line != '#')
			die(EXIT_USAGE, "%s:%d: text before the first [kind]", path, number);
		return;
	}
	section = &template->sections[*kind];
	check_line(line, path, number);
	if (section->subject.length == 0)
	{
		if (strncmp(line, "Subject: ", 9) != 0 || line[9] == '\0')
			die(EXIT_USAGE, "%s:%d: a section starts with \"Subject: ...\"", path, number);
		text_add(&section->subject, line + 9);
	}
	else if (section->body.length > 0 || *line != '\0')
		text_format(&section->body, "%s\n", line);
}

/* read_whole_file returns a file's text. */
static void
read_whole_file(const char *path, Text *content)
{
	FILE  *file = fopen(path, "r");
	char   chunk[4096];
	size_t length;

	if (file == NULL)
		die(EXIT_USAGE, "cannot open \"%s\": %s", path, strerror(errno));
	while ((length = fread(chunk, 1, sizeof(chunk), file)) > 0)
	{
		text_append(content, chunk, length);
		if (content->length > FILE_MAX_BYTES)
			die(EXIT_USAGE, "\"%s\" has more than %d bytes", path, FILE_MAX_BYTES);
	}
	if (ferror(file))
		die(EXIT_USAGE, "cannot read \"%s\": %s", path, strerror(errno));
	fclose(file);
	if (content->length == 0 || strlen(content->data) != content->length)
		die(EXIT_USAGE, "\"%s\" is no template", path);
}

void
template_load(Template *template, const char *path)
{
	Text  content = {0};
	char *rest;
	int   kind = TEMPLATE_KINDS;

	*template = (Template){0};
	read_whole_file(path, &content);
	rest = content.data;
	for (int number = 1; rest != NULL && *rest != '\0'; number++)
	{
		char *line = strsep(&rest, "\n");

		line[strcspn(line, "\r")] = '\0';
		read_line(template, &kind, line, path, number);
	}
	text_free(&content);
	for (kind = 0; kind < TEMPLATE_KINDS; kind++)
	{
		TemplateSection *section = &template->sections[kind];

		if (section->subject.length == 0 || section->body.length == 0)
			die(EXIT_USAGE, "%s: there is no text for [%s]", path, kind_names[kind]);
		/* Empty lines at the end separate the sections. */
		while (section->body.length > 1 && section->body.data[section->body.length - 2] == '\n')
			section->body.data[--section->body.length] = '\0';
	}
}

/* ---- filling in ------------------------------------------------------------------------------------- */

/* add_url_escaped adds a token as it may stand within a URL. */
static void
add_url_escaped(Text *text, const char *token)
{
	for (const char *c = token; *c != '\0'; c++)
	{
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", *c) !=
		    NULL)
			text_append(text, c, 1);
		else
			text_format(text, "%%%02X", (unsigned char) *c);
	}
}

static void
add_accept_url(Text *text, const char *url, const char *token)
{
	static const char placeholder[] = "{{token}}";
	const char       *found;

	while ((found = strstr(url, placeholder)) != NULL)
	{
		text_append(text, url, found - url);
		add_url_escaped(text, token);
		url = found + strlen(placeholder);
	}
	text_add(text, url);
}

static bool
is_name(const char *name, size_t length, const char *wanted)
{
	return strlen(wanted) == length && strncmp(name, wanted, length) == 0;
}

/* add_time adds a time, 2026-12-02T10:30:00.000000Z, as people write it: 2026-12-02 10:30 UTC. */
static void
add_time(Text *text, const char *value)
{
	size_t length = strlen(value);

	if (length >= 20 && value[10] == 'T' && value[length - 1] == 'Z' &&
	    strspn(value, "0123456789-T:.Z") == length)
		text_format(text, "%.10s %.5s UTC", value, value + 11);
	else
		text_add_printable(text, value, VALUE_MAX_CHARACTERS);
}

/* add_value adds what a name stands for: nothing, if this mail doesn't say. */
static void
add_value(Text *text, const Mail *mail, const char *accept_url, const char *name, size_t length)
{
	if (is_name(name, length, "accept_url"))
	{
		add_accept_url(text, accept_url, mail->token);
		return;
	}
	if (is_name(name, length, "token"))
	{
		add_url_escaped(text, mail->token);
		return;
	}
	if (is_name(name, length, "recipient"))
	{
		text_add_printable(text, mail->recipient, VALUE_MAX_CHARACTERS);
		return;
	}
	for (int i = 0; i < mail->nfields; i++)
	{
		if (!is_name(name, length, mail->fields[i].name))
			continue;
		if (is_name(name, length, "expires_at"))
			add_time(text, mail->fields[i].value);
		else
			text_add_printable(text, mail->fields[i].value, VALUE_MAX_CHARACTERS);
	}
}

static void
fill_in(Text *result, const char *pattern, const Mail *mail, const char *accept_url)
{
	const char *open;

	while ((open = strstr(pattern, "{{")) != NULL)
	{
		const char *close = strstr(open, "}}");

		text_append(result, pattern, open - pattern);
		add_value(result, mail, accept_url, open + 2, close - open - 2);
		pattern = close + 2;
	}
	text_add(result, pattern);
}

bool
template_render(const Template *template, const Mail *mail, const char *accept_url, Text *subject,
                Text *body)
{
	int kind = find_kind(mail->kind, strlen(mail->kind));

	if (kind == TEMPLATE_KINDS)
		return false;
	fill_in(subject, template->sections[kind].subject.data, mail, accept_url);
	fill_in(body, template->sections[kind].body.data, mail, accept_url);
	return true;
}
