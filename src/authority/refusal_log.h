/*
 * refusal_log.h
 *	  What happens when somebody is refused, besides the error.
 */
#ifndef TEAMRBAC_REFUSAL_LOG_H
#define TEAMRBAC_REFUSAL_LOG_H

#include "authority/identity_type.h"

/*
 * Counts and logs that somebody was refused; the error is for the caller to raise.  tenant: what it was about, NULL
 * where that is not known.  detail may be NULL; neither it nor the message may hold a secret.
 */
extern void note_refusal(int sqlstate, const Identity *identity, const pg_uuid_t *tenant,
                         const char *message, const char *detail);

#endif /* TEAMRBAC_REFUSAL_LOG_H */
