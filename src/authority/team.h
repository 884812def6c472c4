/*
 * team.h
 *	  What the commands on a tenant have in common: arguments, lock, authority.
 */
#ifndef TEAMRBAC_TEAM_H
#define TEAMRBAC_TEAM_H

#include "fmgr.h"

#include "compat.h"
#include "authority/check.h"
#include "authority/principal.h"
#include "authority/role.h"

#define PERMISSION_MANAGE_TEAM "team.manage"
#define PERMISSION_MANAGE_KEYS "api_keys.manage"
#define PERMISSION_VIEW_AUDIT "audit.view"

#define ROLE_OWNER "owner"
#define ROLE_ADMIN "admin"

/* Arguments; 22023 for NULL, naming the argument. */
extern pg_uuid_t uuid_arg(FunctionCallInfo fcinfo, int arg, const char *name);
extern char     *text_arg(FunctionCallInfo fcinfo, int arg, const char *name);

/* The batch_size of a job; 22023 unless it is positive. */
extern int batch_size_arg(FunctionCallInfo fcinfo, int arg);

/* The row that a function with OUT arguments returns; nulls may be NULL. */
extern Datum row_result(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

/*
 * Locks the tenant's row FOR NO KEY UPDATE until the transaction ends, and sees to it that all authority is
 * read anew from the tables afterwards.  Returns false if there is no such tenant, or it is deleted.  For those who
 * manage something there: nobody else keeps them waiting for long (see precedence.h).
 */
extern bool lock_tenant(const pg_uuid_t *tenant);

/* The same for whoever is asking, who may be nobody that a manager has to wait for. */
extern bool lock_tenant_yielding(const pg_uuid_t *tenant);

/*
 * Locks the tenant, then requires a permission of whoever is asking: what every command that changes a team
 * starts with.  Errors: 28000, 42501.  Somebody who obviously may not is refused before the lock, and so
 * cannot hold up the team.
 */
extern void lock_tenant_for(const pg_uuid_t *tenant, const char *permission);

/* Raises 42501 unless whoever is asking has a live grant in the tenant. */
extern void require_membership(const pg_uuid_t *tenant);

/*
 * The same for what any member may do, who yields to those who manage: returns the member who is asking.  Errors: 28000, 42501.
 */
extern pg_uuid_t lock_tenant_as_member(const pg_uuid_t *tenant);

/*
 * The same for the Owner alone: returns the Owner, who is asking.  Errors: 28000, 42501.
 */
extern pg_uuid_t lock_tenant_as_owner(const pg_uuid_t *tenant);

/* P0002: for a DBA, from whom it is no secret which tenants there are. */
pg_noreturn extern void refuse_unknown_tenant(void);

/*
 * The live member of the tenant who is asking, without a lock: for what any member may read.  Errors: 28000, 42501.
 */
extern pg_uuid_t require_member(const pg_uuid_t *tenant);

/*
 * Locks the row of a user FOR SHARE until the transaction ends, so that they are not disabled meanwhile.
 * Returns false if there is no such user, or they are disabled.  Taken after a tenant's lock, never before.
 */
extern bool lock_active_user(const pg_uuid_t *user);

/* The name of a user, as a mail has it; empty if there is no such user. */
extern char *user_display_name(const pg_uuid_t *user);

/*
 * The one rule against escalation: whoever is asking may give, change or take away this role in the tenant
 * only if every permission of it is among their own; owner never.  Errors: 42501.
 */
extern void require_authority_over_role(const pg_uuid_t *tenant, const char *role);

/* The same as an answer, for a command that goes on and for what a front end offers: manages the team as well. */
extern bool asker_has_authority_over_role(const pg_uuid_t *tenant, const char *role);

/*
 * The same where no role of a person is given or taken away: an Owner may have an API key that may do what
 * the owner's role may.  Errors: 42501.
 */
extern void require_role_within_own(const pg_uuid_t *tenant, const char *role);

/*
 * The same rule about somebody who isn't asking: whether this user is a member now, not disabled, who manages
 * the team and has all permissions of the role.  The caller has locked the tenant.
 */
extern bool member_may_give_role(const pg_uuid_t *tenant, const pg_uuid_t *member,
                                 const char *role);

/*
 * The present role of a member; P0002 if the user is not a member, as they are not once their time is over.
 * expires_at may be NULL; DT_NOEND for never.
 */
extern char *member_role(const pg_uuid_t *tenant, const pg_uuid_t *user, TimestampTz *expires_at);

/* Gives a member another role. */
extern void set_member_role(const pg_uuid_t *tenant, const pg_uuid_t *user, const char *role);

#endif /* TEAMRBAC_TEAM_H */
