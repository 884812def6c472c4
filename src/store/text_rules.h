/*
 * text_rules.h
 *	  The form of names and addresses, checked before a constraint would be, for the better error.
 *
 * The schema has the same rules as constraints and domains, of names and addresses by these very functions; these say
 * which argument is wrong, and how.
 * All raise 22023.
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

/* Whether that is one address, as require_email requires it. */
extern bool is_email_address(const char *email);

/* One address, without anything that a mail header could take for its end or for a second address. */
extern void require_email(const char *email);

/* The name of a role or permission: words of a-z, 0-9 and _ that start with a letter, joined by dots; at most
 * 63 bytes. */
extern void require_definition_name(const char *argument, const char *name);

#endif /* TEAMRBAC_TEXT_RULES_H */
