/*
 * template.h
 *	  What a mail of each kind says.
 */
#ifndef TEAMRBAC_MAILER_TEMPLATE_H
#define TEAMRBAC_MAILER_TEMPLATE_H

#include "mail.h"
#include "text.h"

typedef enum TemplateKind
{
	TEMPLATE_INVITATION,
	TEMPLATE_INVITATION_RESENT,
	TEMPLATE_ROLE_CHANGED,
	TEMPLATE_REMOVED,
	TEMPLATE_OWNERSHIP_TRANSFERRED,
	TEMPLATE_INVITATION_ACCEPTED,
	TEMPLATE_INVITATION_DECLINED,
	TEMPLATE_KINDS /* how many there are */
} TemplateKind;

typedef struct TemplateSection
{
	Text subject;
	Text body;
	Text html; /* empty: text alone */
} TemplateSection;

/* What one language says. */
typedef struct Template
{
	char           *locale; /* empty: for all that have none of their own */
	TemplateSection sections[TEMPLATE_KINDS];
} Template;

/* The first is for all that have none of their own. */
typedef struct TemplateSet
{
	Template *templates;
	int       count;
} TemplateSet;

/* A mail's text, filled in. */
typedef struct Letter
{
	Text subject;
	Text body;
	Text html; /* empty: text alone */
} Letter;

/*
 * Reads a template file, and what lies beside it: FILE.html, and FILE.LOCALE and FILE.LOCALE.html for each locale.
 * Ends the program where something is wrong with them.
 */
extern void template_load(TemplateSet *set, const char *path);

extern void template_free(TemplateSet *set);

/*
 * Fills in the section of the mail's kind, in the language that its field "locale" asks for, if there is such a
 * template.  Values are put in as they are found, once: braces within a value mean nothing, nor does HTML.
 * Returns false if the template has no such kind.
 */
extern bool template_render(const TemplateSet *set, const Mail *mail, const char *accept_url,
                            Letter *letter);

extern void letter_free(Letter *letter);

/* Adds a URL, with the token in place of {{token}}. */
extern void add_url(Text *text, const char *url, const char *token);

#endif /* TEAMRBAC_MAILER_TEMPLATE_H */
