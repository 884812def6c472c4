/*
 * cluster.h
 *	  What this server is among several: the one that keeps the team, one that takes its word for it, or alone.
 */
#ifndef TEAMRBAC_CLUSTER_H
#define TEAMRBAC_CLUSTER_H

#include "postgres.h"

#define CLUSTER_SECRET_BYTES 32

/* The secrets that tickets are signed with: by the first alone, and accepted by either. */
typedef struct ClusterSecrets
{
	int   nsecrets; /* 0, 1 or 2 */
	uint8 secrets[2][CLUSTER_SECRET_BYTES];
	bool  keeps_team; /* the team's tables are this server's own */
} ClusterSecrets;

/*
 * The secrets of this database, from memory while no definition has changed; good until the next call.  Errors: 55000
 * when the extension isn't installed here.
 */
extern const ClusterSecrets *cluster_secrets(void);

/* Whether Citus is installed in this database. */
extern bool cluster_has_citus(void);

/* Whether this server keeps no team: it was told so by set_cluster_secret, or is a node of Citus' that is no coordinator. */
extern bool cluster_is_worker(void);

/* Raises 55000 on such a server, and where Citus made the connection for queries: who is a member of what is decided elsewhere. */
extern void cluster_require_team(void);

#endif /* TEAMRBAC_CLUSTER_H */
