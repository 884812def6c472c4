/*
 * offers.c
 *	  What somebody has offered to others, by whichever way, ends with their authority to offer it.
 */
#include "postgres.h"

#include "command/invitation.h"
#include "command/join.h"
#include "command/offers.h"

void
end_offers_beyond(const pg_uuid_t *tenant, const pg_uuid_t *member)
{
	cancel_invitations_beyond(tenant, member);
	end_links_beyond(tenant, member);
	end_domains_beyond(tenant, member);
}
