/*
 * worker.h
 *	  What parallel workers take over of their leader's authority.
 */
#ifndef TEAMRBAC_WORKER_H
#define TEAMRBAC_WORKER_H

#include "authority/statement.h"

/* Defines the setting that carries it; once, when the library is loaded. */
extern void worker_init(void);

/*
 * Hands an authority to all workers that are started until the setting is put back; within a GUC nest level, which
 * the caller ends.
 */
extern void worker_hand_over(const Authority *authority);

/* In a worker: the authority that its leader handed over, its principal pinned for the worker's life. */
extern bool worker_take_over(Authority *authority);

/* A use of a permission that a worker has seen (see permission_use.h). */
typedef struct WorkerUse
{
	IdentityKind kind;
	pg_uuid_t    principal;
	pg_uuid_t    tenant;
	char         permission[NAMEDATALEN];
} WorkerUse;

/* A worker tells its leader; what there is no room for is lost. */
extern void worker_tell_use(const WorkerUse *use);

/* The leader takes one that a worker has told; false: no more. */
extern bool worker_take_use(WorkerUse *use);

#endif /* TEAMRBAC_WORKER_H */
