/*
 * message.h
 *	  A mail in the form of RFC 5322 and MIME.
 */
#ifndef TEAMRBAC_MAILER_MESSAGE_H
#define TEAMRBAC_MAILER_MESSAGE_H

#include "config.h"
#include "mail.h"
#include "template.h"
#include "text.h"

/*
 * Appends the whole message, lines ending with CRLF.  recipient is as address_to_ascii makes it, the letter is
 * UTF-8.  Whatever they contain, no header is added: here is the one place that writes headers.
 */
extern void message_build(Text *message, const Config *config, const Mail *mail,
                          const char *recipient, const Letter *letter);

#endif /* TEAMRBAC_MAILER_MESSAGE_H */
