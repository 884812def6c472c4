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
} TemplateSection;

typedef struct Template
{
	TemplateSection sections[TEMPLATE_KINDS];
} Template;

/* Reads a template file.  Ends the program where something is wrong with it. */
extern void template_load(Template *template, const char *path);

/*
 * Fills in the section of the mail's kind.  Values are put in as they are found, once: braces within a value
 * mean nothing.  Returns false if the template has no such kind.
 */
extern bool template_render(const Template *template, const Mail *mail, const char *accept_url,
                            Text *subject, Text *body);

#endif /* TEAMRBAC_MAILER_TEMPLATE_H */
