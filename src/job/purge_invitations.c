/*
 * purge_invitations.c
 *	  The end of invitations and links that are over.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"

#include "authority/team.h"
#include "command/invitation.h"
#include "command/join.h"
#include "store/catalog.h"
#include "store/settings.h"

PG_FUNCTION_INFO_V1(teamrbac_purge_invitation_batch);

/*
 * purge_invitation_batch(batch_size): deletes invitations that were decided, and links that expired, longer ago than
 * teamrbac.invitation_retention, and returns how many.
 */
Datum
teamrbac_purge_invitation_batch(PG_FUNCTION_ARGS)
{
	int         batch_size = batch_size_arg(fcinfo, 0);
	int64       retention = setting_duration(SETTING_INVITATION_RETENTION);
	TimestampTz before = GetCurrentTimestamp() - retention;
	int64       npurged;

	catalog_require_version();
	if (retention == DURATION_FOREVER)
		PG_RETURN_INT64(0);
	npurged = purge_invitations(before, batch_size);
	if (npurged < batch_size)
		npurged += purge_links(before, batch_size - npurged);
	PG_RETURN_INT64(npurged);
}
