/*
 * renewal.h
 *	  Memberships whose time is over: members for no command, but for the one that renews.
 */
#ifndef TEAMRBAC_RENEWAL_H
#define TEAMRBAC_RENEWAL_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/*
 * The role of a membership that has expired within teamrbac.membership_renewal_period, and when it did, whether
 * or not a job has removed it since; NULL if there is none.  The caller has locked the tenant.
 */
extern char *expired_member_role(const pg_uuid_t *tenant, const pg_uuid_t *user,
                                 TimestampTz *expired_at);

/*
 * Makes a membership, expired or not, last until expires_at, DT_NOEND for ever.  The caller has locked the
 * tenant.
 */
extern void renew_membership(const pg_uuid_t *tenant, const pg_uuid_t *user,
                             TimestampTz expires_at);

/* Has a job forget, a batch at a time, what can no longer be renewed; skips what others have locked. */
extern void forget_unrenewable_memberships(int batch_size);

#endif /* TEAMRBAC_RENEWAL_H */
