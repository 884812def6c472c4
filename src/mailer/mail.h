/*
 * mail.h
 *	  A mail as the database hands it out.
 */
#ifndef TEAMRBAC_MAILER_MAIL_H
#define TEAMRBAC_MAILER_MAIL_H

#define MAIL_MAX_FIELDS 32

typedef struct MailField
{
	const char *name;
	const char *value;
} MailField;

/* All of it is text of unknown origin, as long as it was stored. */
typedef struct Mail
{
	const char *mail_id; /* a uuid, the same at every attempt */
	const char *kind;
	const char *recipient;
	const char *token; /* empty unless it is about an invitation */
	int         attempt;
	int         nfields;
	MailField   fields[MAIL_MAX_FIELDS];
} Mail;

#endif /* TEAMRBAC_MAILER_MAIL_H */
