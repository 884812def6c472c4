/*
 * audit_internal.h
 *	  What the two files of the audit share: commands' events and changes by hand.
 */
#ifndef TEAMRBAC_AUDIT_INTERNAL_H
#define TEAMRBAC_AUDIT_INTERNAL_H

#include "utils/uuid.h"

#include "authority/identity_type.h"

/* A chain of events, open to be appended to. */
typedef struct AuditChain
{
	pg_uuid_t   id;    /* the tenant, the user, nil or a session */
	const char *scope; /* tenant, user, platform, restore */
	int64       sequence;
	bytea      *hash; /* of the last event, in the memory context of the last call */
} AuditChain;

/* An event before it has its place in a chain. */
typedef struct AuditEntry
{
	const char      *actor_kind;
	const pg_uuid_t *actor_id; /* or NULL */
	const char      *action;
	const char      *subject;
	const char      *before; /* JSON objects, or NULL */
	const char      *after;
} AuditEntry;

/* Says whose doing an event is: whoever is asking; nobody signed in is a database role at work. */
extern void audit_set_actor(AuditEntry *entry, const Identity *identity);

/* Begins to append to the chain of that id and scope: locks its head until the transaction ends. */
extern void audit_open_chain(AuditChain *chain);

/* Appends an event. */
extern void audit_append(AuditChain *chain, const AuditEntry *entry);

/*
 * Writes the chain's new end.  Not with each event: a statement's thousand updates of one row would each read
 * through the versions that those before have left.
 */
extern void audit_close_chain(const AuditChain *chain);

#endif /* TEAMRBAC_AUDIT_INTERNAL_H */
