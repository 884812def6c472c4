/*
 * text_rules.h
 *	  The form of names and addresses, checked before a constraint would be, for the better error.
 *
 * The schema has the same rules as constraints and domains, of names and addresses by these very functions; these say
 * which argument is wrong, and how.
 * All but is_email raise 22023.
 */
#ifndef TEAMRBAC_TEXT_RULES_H
#define TEAMRBAC_TEXT_RULES_H

/*
 * A name for people, and whatever else is said about something in one line: 1 to 200 characters, at least one of them
 * visible, none of them a control character or one that hides.  Returns it without the spaces around it, palloc'd.
 */
extern char *require_printable_name(const char *argument, const char *name);

/* The same, but NULL for what is no such name. */
extern char *printable_name(const char *name);

/* Lower-case words joined by hyphens, at most 63 bytes. */
extern void require_slug(const char *slug);

/* One address, without anything that a mail header could take for its end or for a second address. */
extern void require_email(const char *email);
extern bool is_email(const char *email);

/* A domain of e-mail addresses, in the letters of DNS; returns it lower-cased, palloc'd. */
extern char *require_domain(const char *domain);

/* A language tag: nothing that could leave a folder if it became part of a file's name. */
extern void require_locale(const char *locale);

/* The name of a role or permission: words of a-z, 0-9 and _ that start with a letter, joined by dots; at most
 * 63 bytes. */
extern void require_definition_name(const char *argument, const char *name);

#endif /* TEAMRBAC_TEXT_RULES_H */
