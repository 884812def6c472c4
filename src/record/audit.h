/*
 * audit.h
 *	  One event for each thing that a command did, in the command's transaction.
 *
 * Events form chains: each carries the hash of the one before.  A tenant has a chain; so has each user, for
 * what concerns no tenant, and the platform, for definitions.  Recording locks the chain's head, after the
 * locks that the command holds already; an event comes last in a command.
 */
#ifndef TEAMRBAC_AUDIT_H
#define TEAMRBAC_AUDIT_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/*
 * Records what whoever is asking did to a tenant, whose row the caller has locked.  action: "member.removed";
 * subject: see audit_subject; before and after: JSON objects as text (see audit_fields), or NULL.
 */
extern void audit_tenant(const pg_uuid_t *tenant, const char *action, const char *subject,
                         const char *before, const char *after);

/* The same, of what a DBA did by the right of their database role, whoever is signed in. */
extern void audit_tenant_by_dba(const pg_uuid_t *tenant, const char *action, const char *subject,
                                const char *before, const char *after);

/* The same, of several things that a job did to one tenant at once. */
typedef struct AuditEvent
{
	const char *action;
	const char *subject;
	const char *before;
	const char *after;
} AuditEvent;

extern void audit_tenant_events_by_dba(const pg_uuid_t *tenant, const AuditEvent *events,
                                       int nevents);

/* Records what concerns a user and no tenant; the caller has locked or made the user's row. */
extern void audit_user(const pg_uuid_t *user, const char *action, const char *before,
                       const char *after);

/* Records what concerns all: definitions, mapped database roles.  One such event at a time. */
extern void audit_platform(const char *action, const char *subject, const char *before,
                           const char *after);

/* "member:1b4e28ba-...", palloc'd. */
extern char *audit_subject(const char *kind, const pg_uuid_t *id);

/*
 * A JSON object of strings, palloc'd: audit_fields("role", "reader", "expires_at", NULL, NULL) is
 * {"role": "reader", "expires_at": null}.  A NULL name ends the list.
 */
extern char *audit_fields(const char *name, ...);

/* What a membership is, in the form that all its events have: team_at reads them. */
extern char *audit_membership(const char *role, TimestampTz expires_at);

/* A timestamp as audit_fields wants it: ISO 8601 in UTC, or NULL for one that is not finite. */
extern char *audit_time(TimestampTz time);

#endif /* TEAMRBAC_AUDIT_H */
