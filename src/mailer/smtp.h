/*
 * smtp.h
 *	  Hands messages to the mail server, through libcurl.
 */
#ifndef TEAMRBAC_MAILER_SMTP_H
#define TEAMRBAC_MAILER_SMTP_H

#include "config.h"
#include "reply.h"
#include "text.h"

typedef struct Smtp Smtp;

/* Prepares a connection, which is made by the first mail and kept between mails. */
extern Smtp *smtp_open(const Config *config);

/* Seconds that smtp_send takes at most, by these settings. */
extern int smtp_longest(const Config *config);

/*
 * Sends a message; recipient is as address_to_ascii makes it.  Unless it was sent, appends the reason, one
 * printable line in which secret (may be empty) does not occur.
 */
extern SmtpOutcome smtp_send(Smtp *smtp, const char *recipient, const Text *message,
                             const char *secret, Text *reason);

/* Says good-bye to the mail server. */
extern void smtp_close(Smtp *smtp);

#endif /* TEAMRBAC_MAILER_SMTP_H */
