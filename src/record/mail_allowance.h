/*
 * mail_allowance.h
 *	  How much mail may be queued within a day.
 */
#ifndef TEAMRBAC_MAIL_ALLOWANCE_H
#define TEAMRBAC_MAIL_ALLOWANCE_H

#include "utils/uuid.h"

/* Whether one more mail may go to a recipient, and be about a tenant, which the caller has locked. */
extern bool mail_is_allowed(const pg_uuid_t *tenant, const char *recipient);

/*
 * Raises 55000 if a mail that has just been queued is one too many for its tenant, which the caller has locked, or
 * for its recipient, whoever else is sending them mail at the same time.
 */
extern void require_mail_allowance(const pg_uuid_t *tenant, const char *recipient);

#endif /* TEAMRBAC_MAIL_ALLOWANCE_H */
