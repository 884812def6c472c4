/*
 * purge_rows.h
 *	  The rows of a tenant that is being purged.
 */
#ifndef TEAMRBAC_PURGE_ROWS_H
#define TEAMRBAC_PURGE_ROWS_H

#include "utils/uuid.h"

/* The tenant, locked. */
typedef struct DoomedTenant
{
	pg_uuid_t id;
	char     *name;
	char     *slug; /* or NULL */
	bool      began;
} DoomedTenant;

/* Deletes up to batch_size rows of the tenant in all tables but teamrbac.tenant, and says how many. */
extern uint64 purge_rows(const DoomedTenant *tenant, int batch_size);

/* Deletes the tenant's row, when purge_rows finds nothing any more. */
extern void purge_tenant_row(const DoomedTenant *tenant);

#endif /* TEAMRBAC_PURGE_ROWS_H */
