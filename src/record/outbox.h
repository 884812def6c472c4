/*
 * outbox.h
 *	  Mail that commands queue in their own transaction, so that nothing is sent for what was rolled back.
 */
#ifndef TEAMRBAC_OUTBOX_H
#define TEAMRBAC_OUTBOX_H

#include "utils/uuid.h"

typedef enum MailKind
{
	MAIL_INVITATION,
	MAIL_INVITATION_RESENT,
	MAIL_ROLE_CHANGED,
	MAIL_REMOVED,
	MAIL_OWNERSHIP_TRANSFERRED,
	MAIL_INVITATION_ACCEPTED,
	MAIL_INVITATION_DECLINED
} MailKind;

/*
 * Queues a mail, and wakes the senders at commit.  invitation and token are NULL unless it is about one;
 * fields is a JSON object as text, for the template.  The caller holds the tenant's lock.
 */
extern void mail_queue(const pg_uuid_t *tenant, MailKind kind, const char *recipient,
                       const pg_uuid_t *invitation, const char *token, const char *fields);

/* The same for a mail to a user that is about no invitation: to their present address. */
extern void mail_user(const pg_uuid_t *tenant, MailKind kind, const pg_uuid_t *user,
                      const char *fields);

/*
 * Withdraws the unsent mail of an invitation that was cancelled, superseded, accepted, declined or has
 * expired; its token is wiped.  The caller holds the tenant's lock.
 */
extern void mail_withdraw(const pg_uuid_t *tenant, const pg_uuid_t *invitation);

#endif /* TEAMRBAC_OUTBOX_H */
