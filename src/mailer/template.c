/*
 * template.c
 *	  What a mail of each kind says.
 *
 * The file has a section for each kind, "[invitation]" and so on: a line "Subject: ...", an empty line, the
 * text.  {{name}} stands for a value.  Names are checked when the file is read, so that a slip shows at
 * start and not in a customer's mail.  A file of HTML has the same sections without a subject, as many as it likes.
 */
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* add_line takes a line into its section of a file of text. */
static void
add_line(TemplateSection *section, const char *line, const char *path, int number)
{
	if (section->subject.length == 0)
	{
		if (strncmp(line, "Subject: ", 9) != 0 || line[9] == '\0')
			die(EXIT_USAGE, "%s:%d: a section starts with \"Subject: ...\"", path, number);
		text_add(&section->subject, line + 9);
	}
	else if (section->body.length > 0 || *line != '\0')
		text_format(&section->body, "%s\n", line);
}

/* is_begun tells whether a section has been there already. */
static bool
is_begun(const TemplateSection *section, bool html)
{
	return html ? section->html.length > 0 : section->subject.length > 0;
}

/*
 * read_line takes a line into the section that it belongs to; kind is that of the section, TEMPLATE_KINDS
 * before the first, and changes with a line that starts one.
 */
static void
read_line(Template *template, int *kind, bool html, const char *line, const char *path, int number)
{
	TemplateSection *section;
	size_t           length = strlen(line);

	if (line[0] == '[' && line[length - 1] == ']')
	{
		*kind = find_kind(line + 1, length - 2);
		if (*kind == TEMPLATE_KINDS)
			die(EXIT_USAGE, "%s:%d: no kind of mail is called %s", path, number, line);
		if (is_begun(&template->sections[*kind], html))
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
	if (!html)
		add_line(section, line, path, number);
	else if (section->html.length > 0 || *line != '\0')
		text_format(&section->html, "%s\n", line);
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

static void
read_file(Template *template, bool html, const char *path)
{
	Text  content = {0};
	char *rest;
	int   kind = TEMPLATE_KINDS;

	read_whole_file(path, &content);
	rest = content.data;
	for (int number = 1; rest != NULL && *rest != '\0'; number++)
	{
		char *line = strsep(&rest, "\n");

		line[strcspn(line, "\r")] = '\0';
		read_line(template, &kind, html, line, path, number);
	}
	text_free(&content);
}

/* trim_end cuts off the empty lines that separate a section from the next. */
static void
trim_end(Text *text)
{
	while (text->length > 1 && text->data[text->length - 2] == '\n')
		text->data[--text->length] = '\0';
}

/* read_text reads what there has to be of a language. */
static void
read_text(Template *template, const char *path)
{
	read_file(template, false, path);
	for (int kind = 0; kind < TEMPLATE_KINDS; kind++)
	{
		TemplateSection *section = &template->sections[kind];

		if (section->subject.length == 0 || section->body.length == 0)
			die(EXIT_USAGE, "%s: there is no text for [%s]", path, kind_names[kind]);
		trim_end(&section->body);
	}
}

/* is_locale tells whether this looks like de, pt-BR or zh_Hant_TW. */
static bool
is_locale(const char *name)
{
	size_t language = strspn(name, "abcdefghijklmnopqrstuvwxyz");

	return (language == 2 || language == 3) &&
	       (name[language] == '\0' || strchr("-_", name[language])) &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] ==
	           '\0';
}

static Template *
add_template(TemplateSet *set, const char *locale)
{
	Template *grown = realloc(set->templates, (set->count + 1) * sizeof(Template));

	if (grown == NULL)
		die(EXIT_UNREACHABLE, "out of memory");
	set->templates = grown;
	grown[set->count] = (Template){.locale = copy_string(locale)};
	return &grown[set->count++];
}

/* read_html reads a language's HTML, if there is any. */
static void
read_html(Template *template, const char *path)
{
	Text html = {0};

	text_format(&html, "%s.html", path);
	if (access(html.data, F_OK) == 0)
		read_file(template, true, html.data);
	for (int kind = 0; kind < TEMPLATE_KINDS; kind++)
		trim_end(&template->sections[kind].html);
	text_free(&html);
}

void
template_load(TemplateSet *set, const char *path)
{
	Text   pattern = {0};
	glob_t found = {0};
	Template *template;

	*set = (TemplateSet){0};
	template = add_template(set, "");
	read_text(template, path);
	read_html(template, path);
	for (const char *c = path; *c != '\0'; c++)
		text_format(&pattern, strchr("*?[\\", *c) != NULL ? "\\%c" : "%c", *c);
	text_add(&pattern, ".*");
	if (glob(pattern.data, 0, NULL, &found) == 0)
	{
		for (size_t i = 0; i < found.gl_pathc; i++)
		{
			const char *file = found.gl_pathv[i];
			const char *locale = strrchr(file, '.') + 1;

			if (!is_locale(locale))
				continue;
			template = add_template(set, locale);
			read_text(template, file);
			read_html(template, file);
		}
	}
	globfree(&found);
	text_free(&pattern);
}

void
template_free(TemplateSet *set)
{
	for (int i = 0; i < set->count; i++)
	{
		free(set->templates[i].locale);
		for (int kind = 0; kind < TEMPLATE_KINDS; kind++)
		{
			TemplateSection *section = &set->templates[i].sections[kind];

			text_free(&section->subject);
			text_free(&section->body);
			text_free(&section->html);
		}
	}
	free(set->templates);
	*set = (TemplateSet){0};
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

void
add_url(Text *text, const char *url, const char *token)
{
	static const char token_mark[] = "{{token}}";
	const char       *found;

	while ((found = strstr(url, token_mark)) != NULL)
	{
		text_append(text, url, found - url);
		add_url_escaped(text, token);
		url = found + strlen(token_mark);
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
		add_url(text, accept_url, mail->token);
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

/* add_html adds a text as it may stand within HTML, an attribute's quotes included. */
static void
add_html(Text *html, const char *text)
{
	for (; *text != '\0'; text++)
	{
		if (strchr("&<>\"'", *text) != NULL)
			text_format(html, "&#%d;", *text);
		else
			text_append(html, text, 1);
	}
}

static void
fill_in(Text *result, const Text *pattern, bool html, const Mail *mail, const char *accept_url)
{
	const char *rest = pattern->data != NULL ? pattern->data : "";
	const char *open;

	while ((open = strstr(rest, "{{")) != NULL)
	{
		const char *close = strstr(open, "}}");
		Text        value = {0};

		text_append(result, rest, open - rest);
		add_value(&value, mail, accept_url, open + 2, close - open - 2);
		if (value.data != NULL && html)
			add_html(result, value.data);
		else if (value.data != NULL)
			text_add(result, value.data);
		text_free(&value);
		rest = close + 2;
	}
	text_add(result, rest);
}

/* is_same_locale compares as much as length of two, in which - and _ are one, and so are capitals and others. */
static bool
is_same_locale(const char *template, const char *wanted, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		char c = wanted[i] == '_' ? '-' : wanted[i];

		if (tolower((unsigned char) (template[i] == '_' ? '-' : template[i])) !=
		    tolower((unsigned char) c))
			return false;
	}
	return template[length] == '\0';
}

/* find_template finds the language of a mail: de-AT, else de, else the one for all. */
static const Template *
find_template(const TemplateSet *set, const Mail *mail)
{
	const char *wanted = "";

	for (int i = 0; i < mail->nfields; i++)
	{
		if (strcmp(mail->fields[i].name, "locale") == 0)
			wanted = mail->fields[i].value;
	}
	for (size_t length = strcspn(wanted, ".@"); length > 0; length--)
	{
		if (wanted[length] != '\0' && strchr("-_.@", wanted[length]) == NULL)
			continue;
		for (int i = 1; i < set->count; i++)
		{
			if (is_same_locale(set->templates[i].locale, wanted, length))
				return &set->templates[i];
		}
	}
	return &set->templates[0];
}

bool
template_render(const TemplateSet *set, const Mail *mail, const char *accept_url, Letter *letter)
{
	int                    kind = find_kind(mail->kind, strlen(mail->kind));
	const TemplateSection *section;

	if (kind == TEMPLATE_KINDS)
		return false;
	section = &find_template(set, mail)->sections[kind];
	fill_in(&letter->subject, &section->subject, false, mail, accept_url);
	fill_in(&letter->body, &section->body, false, mail, accept_url);
	if (section->html.length > 0)
		fill_in(&letter->html, &section->html, true, mail, accept_url);
	return true;
}

void
letter_free(Letter *letter)
{
	text_free(&letter->subject);
	text_free(&letter->body);
	text_free(&letter->html);
}
