/*
 * offers.h
 *	  What somebody has offered to others: invitations, links and domains.
 */
#ifndef TEAMRBAC_OFFERS_H
#define TEAMRBAC_OFFERS_H

#include "utils/uuid.h"

/*
 * Ends what this member, or former member, has offered and could no longer offer: pending invitations, links and
 * domains.  The caller has locked the tenant and changed the member.
 */
extern void end_offers_beyond(const pg_uuid_t *tenant, const pg_uuid_t *member);

#endif /* TEAMRBAC_OFFERS_H */
