/*
 * settings.h
 *	  What a superuser can set; teamrbac.identity is no such setting and stands in identity.c.
 */
#ifndef TEAMRBAC_SETTINGS_H
#define TEAMRBAC_SETTINGS_H

/* Durations, written as intervals are: '7 days', '90 min'.  A month counts 30 days. */
typedef enum DurationSetting
{
	SETTING_INVITATION_LIFETIME,       /* teamrbac.invitation_lifetime */
	SETTING_DELETED_TENANT_RETENTION,  /* teamrbac.deleted_tenant_retention */
	SETTING_AUDIT_RETENTION,           /* teamrbac.audit_retention; may be for ever */
	SETTING_INVITATION_RETENTION,      /* teamrbac.invitation_retention; likewise */
	SETTING_KEY_USE_GRANULARITY,       /* teamrbac.key_use_granularity */
	SETTING_MEMBERSHIP_RENEWAL_PERIOD, /* teamrbac.membership_renewal_period */
	SETTING_TOKEN_LEEWAY,              /* teamrbac.token_leeway */
	SETTING_YIELD_AFTER,               /* teamrbac.yield_after */
	SETTING_MAX_STAFF_VISIT,           /* teamrbac.max_staff_visit */
	SETTING_UNUSED_AFTER,              /* teamrbac.unused_after */
	DURATION_SETTINGS                  /* how many there are */
} DurationSetting;

/* What setting_duration answers for an empty value: without end. */
#define DURATION_FOREVER PG_INT64_MAX

/* How many invitations of a tenant may be pending at once (teamrbac.max_pending_invitations). */
extern PGDLLIMPORT int max_pending_invitations;

/* How many roles of its own a tenant may have (teamrbac.max_tenant_roles). */
extern PGDLLIMPORT int max_tenant_roles;

/* How many tenants one user may own (teamrbac.max_tenants_per_user). */
extern PGDLLIMPORT int max_tenants_per_user;

/*
 * How many members a tenant may have, and API keys a member in a tenant; NO_LIMIT for any number
 * (teamrbac.max_members, max_keys_per_member).
 */
#define NO_LIMIT (-1)
extern PGDLLIMPORT int max_members;
extern PGDLLIMPORT int max_keys_per_member;

/*
 * How many mails may be queued within 24 hours about one tenant's team, and for one address, whoever sends them
 * (teamrbac.max_tenant_mails_per_day, teamrbac.max_recipient_mails_per_day).
 */
extern PGDLLIMPORT int max_tenant_mails_per_day;
extern PGDLLIMPORT int max_recipient_mails_per_day;

/* Whether whoever sent an invitation is told by mail what came of it (teamrbac.mail_inviter). */
extern PGDLLIMPORT bool mail_inviter;

/* Whether a command that queues mail wakes the senders by NOTIFY (teamrbac.notify_mailer). */
extern PGDLLIMPORT bool notify_mailer;

/* The file of the private key that signs statements of the audit (teamrbac.audit_signing_key_file); may be empty. */
extern PGDLLIMPORT char *audit_signing_key_file;

/* How often sending a mail is tried (teamrbac.mail_max_attempts). */
extern PGDLLIMPORT int mail_max_attempts;

/* Whether somebody may be signed in for longer than a transaction (teamrbac.allow_session_identity). */
extern PGDLLIMPORT bool allow_session_identity;

/* Whether what members and keys use is recorded, by permission (teamrbac.record_permission_use). */
extern PGDLLIMPORT bool record_permission_use;

/* Whether refusals go to the server's log (teamrbac.log_denials). */
typedef enum LogDenials
{
	LOG_DENIALS_OFF,
	LOG_DENIALS_LOG
} LogDenials;

extern PGDLLIMPORT int log_denials;

/* Defines the settings; once, when the library is loaded. */
extern void settings_init(void);

/* A duration in microseconds, or DURATION_FOREVER. */
extern int64 setting_duration(DurationSetting setting);

#endif /* TEAMRBAC_SETTINGS_H */
