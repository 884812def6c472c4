/*
 * config.h
 *	  Settings, from a file and from the environment.
 */
#ifndef TEAMRBAC_MAILER_CONFIG_H
#define TEAMRBAC_MAILER_CONFIG_H

#include <stdbool.h>

typedef struct Config
{
	char *database;     /* connection string for libpq */
	char *smtp_url;     /* smtp://host:port or smtps://host:port */
	bool  smtp_tls;     /* STARTTLS, or nothing is sent */
	char *smtp_ca_file; /* certificates to trust instead of the system's */
	char *smtp_user;    /* empty: no authentication */
	char *smtp_password;
	char *from_address;
	char *from_name;
	char *reply_to;
	char *accept_url;      /* with {{token}} */
	char *unsubscribe_url; /* the same; may be empty */
	char *template_file;
	int   poll_interval; /* these in seconds */
	int   connect_timeout;
	int   send_timeout;   /* for a mail up to its last byte */
	int   answer_timeout; /* for the answer to that */
} Config;

/*
 * Reads the settings: defaults, then the file, then the environment.  file is NULL for the default one, which
 * may be missing.  Ends the program where something is wrong with them.
 */
extern void config_load(Config *config, const char *file);

extern void config_free(Config *config);

#endif /* TEAMRBAC_MAILER_CONFIG_H */
