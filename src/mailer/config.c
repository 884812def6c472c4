/*
 * config.c
 *	  Settings, from a file and from the environment.
 *
 * There is no way to give a setting on the command line, where everybody on the machine could read a password.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "address.h"
#include "config.h"
#include "text.h"

#define ENVIRONMENT_PREFIX "TEAMRBAC_MAILER_"
#define LINE_MAX_BYTES 4096

typedef enum SettingType
{
	SETTING_TEXT,
	SETTING_SECRET,      /* text, all of it a secret */
	SETTING_CONNECTION,  /* a connection string for libpq, perhaps with secrets in it */
	SETTING_SECRET_FILE, /* the name of a file with the secret in its first line */
	SETTING_SWITCH,
	SETTING_SECONDS
} SettingType;

typedef struct Setting
{
	const char *name;
	SettingType type;
	size_t      offset; /* within Config */
	const char *initial;
} Setting;

#define FIELD(member) offsetof(Config, member)

static const Setting settings[] = {
	{"database", SETTING_CONNECTION, FIELD(database), ""},
	{"smtp_url", SETTING_TEXT, FIELD(smtp_url), ""},
	{"smtp_tls", SETTING_SWITCH, FIELD(smtp_tls), "on"},
	{"smtp_ca_file", SETTING_TEXT, FIELD(smtp_ca_file), ""},
	{"smtp_user", SETTING_TEXT, FIELD(smtp_user), ""},
	{"smtp_password", SETTING_SECRET, FIELD(smtp_password), ""},
	{"smtp_password_file", SETTING_SECRET_FILE, FIELD(smtp_password), NULL},
	{"from_address", SETTING_TEXT, FIELD(from_address), ""},
	{"from_name", SETTING_TEXT, FIELD(from_name), ""},
	{"reply_to", SETTING_TEXT, FIELD(reply_to), ""},
	{"accept_url", SETTING_TEXT, FIELD(accept_url), ""},
	{"unsubscribe_url", SETTING_TEXT, FIELD(unsubscribe_url), ""},
	{"template", SETTING_TEXT, FIELD(template_file), MAILER_TEMPLATE},
	{"poll_interval", SETTING_SECONDS, FIELD(poll_interval), "5"},
	{"connect_timeout", SETTING_SECONDS, FIELD(connect_timeout), "10"},
	{"send_timeout", SETTING_SECONDS, FIELD(send_timeout), "60"},
	/* What RFC 5321 (4.5.3.2.6) says at least: a server that is given up on sooner may have taken the mail. */
	{"answer_timeout", SETTING_SECONDS, FIELD(answer_timeout), "600"},
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

extern char **environ;

static const Setting *
find_setting(const char *name)
{
	for (size_t i = 0; i < SETTINGS; i++)
	{
		if (strcasecmp(settings[i].name, name) == 0)
			return &settings[i];
	}
	return NULL;
}

static void
set_text(char **field, const char *value)
{
	free(*field);
	*field = copy_string(value);
}

/* trim cuts white space off both ends of a line, in place. */
static char *
trim(char *line)
{
	char *end = line + strlen(line);

	while (end > line && isspace((unsigned char) end[-1]))
		*--end = '\0';
	while (isspace((unsigned char) *line))
		line++;
	return line;
}

/* require_private refuses a file with a secret that others than its owner could read or write. */
static void
require_private(FILE *file, const char *path)
{
	struct stat status;

	if (fstat(fileno(file), &status) != 0)
		die(EXIT_USAGE, "cannot tell who may read \"%s\": %s", path, strerror(errno));
	if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		die(EXIT_USAGE, "\"%s\" holds a password and is open to others (mode %04o): chmod 600 it",
		    path, (unsigned int) status.st_mode & 07777);
}

static void
set_secret_from_file(char **field, const char *path)
{
	FILE *file = fopen(path, "r");
	char  line[LINE_MAX_BYTES];

	if (file == NULL)
		die(EXIT_USAGE, "cannot open \"%s\": %s", path, strerror(errno));
	require_private(file, path);
	if (fgets(line, sizeof(line), file) == NULL)
		die(EXIT_USAGE, "\"%s\" is empty", path);
	fclose(file);
	line[strcspn(line, "\r\n")] = '\0';
	set_text(field, line);
	explicit_bzero(line, sizeof(line));
}

/* is_secret_option tells whether an option of libpq's is not to be seen. */
static bool
is_secret_option(const PQconninfoOption *option)
{
	/* Mostly libpq marks them, for programs that ask for them. */
	return *option->dispchar == '*' || strstr(option->keyword, "password") != NULL ||
	       strstr(option->keyword, "secret") != NULL || strncmp(option->keyword, "scram_", 6) == 0;
}

/*
 * connection_has_password reads a connection string as libpq does.  One that is malformed is not shown, nor is what
 * libpq says of it, for either may hold a password; where is as in set_setting.
 */
static bool
connection_has_password(const char *value, const char *where)
{
	PQconninfoOption *options;
	bool              found = false;

	/* Neither form: the name of a database. */
	if (strchr(value, '=') == NULL && strstr(value, "://") == NULL)
		return false;
	options = PQconninfoParse(value, NULL);
	if (options == NULL)
		die(EXIT_USAGE, "%s: malformed connection string", where);
	for (PQconninfoOption *option = options; option->keyword != NULL; option++)
	{
		if (option->val != NULL && *option->val != '\0' && is_secret_option(option))
			found = true;
	}
	PQconninfoFree(options);
	return found;
}

/* url_has_user tells whether somebody stands before the host of a URL, with or without a password. */
static bool
url_has_user(const char *value)
{
	const char *authority = strstr(value, "://");

	return authority != NULL && memchr(authority + 3, '@', strcspn(authority + 3, "/?#")) != NULL;
}

/* holds_password tells whether a value is for nobody else to see. */
static bool
holds_password(const Setting *setting, const char *value, const char *where)
{
	switch (setting->type)
	{
		case SETTING_SECRET:
			return *value != '\0';
		case SETTING_CONNECTION:
			return connection_has_password(value, where);
		case SETTING_TEXT:
			return url_has_user(value);
		default:
			return false;
	}
}

/* set_setting gives a setting a value; where says where it stands, for the error, which never shows it. */
static void
set_setting(Config *config, const Setting *setting, const char *value, const char *where)
{
	void *field = (char *) config + setting->offset;
	char *end;
	long  seconds;

	switch (setting->type)
	{
		case SETTING_TEXT:
		case SETTING_SECRET:
		case SETTING_CONNECTION:
			set_text(field, value);
			break;
		case SETTING_SECRET_FILE:
			set_secret_from_file(field, value);
			break;
		case SETTING_SWITCH:
			if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
				die(EXIT_USAGE, "%s: %s must be on or off", where, setting->name);
			*(bool *) field = strcmp(value, "on") == 0;
			break;
		case SETTING_SECONDS:
			seconds = strtol(value, &end, 10);
			if (end == value || *end != '\0' || seconds < 1 || seconds > 3600)
				die(EXIT_USAGE, "%s: %s must be a number of seconds, 1 to 3600", where,
				    setting->name);
			*(int *) field = (int) seconds;
			break;
	}
}

static void
read_line(Config *config, char *line, FILE *file, const char *path, int number)
{
	char           where[PATH_MAX + 32];
	char          *name = trim(line);
	char          *value = strchr(name, '=');
	const Setting *setting;

	snprintf(where, sizeof(where), "%s:%d", path, number);
	if (*name == '\0' || *name == '#')
		return;
	if (value == NULL)
		die(EXIT_USAGE, "%s: expected \"name = value\"", where);
	*value = '\0';
	name = trim(name);
	value = trim(value + 1);
	setting = find_setting(name);
	if (setting == NULL)
		die(EXIT_USAGE, "%s: there is no setting \"%s\"", where, name);
	if (holds_password(setting, value, where))
		require_private(file, path);
	set_setting(config, setting, value, where);
}

static void
read_file(Config *config, const char *path, bool may_be_missing)
{
	FILE *file = fopen(path, "r");
	char  line[LINE_MAX_BYTES];

	if (file == NULL)
	{
		if (may_be_missing && errno == ENOENT)
			return;
		die(EXIT_USAGE, "cannot open \"%s\": %s", path, strerror(errno));
	}
	for (int number = 1; fgets(line, sizeof(line), file) != NULL; number++)
	{
		if (strlen(line) == sizeof(line) - 1)
			die(EXIT_USAGE, "%s:%d: line is too long", path, number);
		read_line(config, line, file, path, number);
	}
	if (ferror(file))
		die(EXIT_USAGE, "cannot read \"%s\": %s", path, strerror(errno));
	fclose(file);
	explicit_bzero(line, sizeof(line));
}

static void
read_environment(Config *config)
{
	for (char **variable = environ; *variable != NULL; variable++)
	{
		const char    *value = strchr(*variable, '=');
		char           name[64];
		size_t         length = value != NULL ? (size_t) (value - *variable) : 0;
		const Setting *setting;

		if (strncmp(*variable, ENVIRONMENT_PREFIX, strlen(ENVIRONMENT_PREFIX)) != 0 ||
		    value == NULL || length >= sizeof(name))
			continue;
		memcpy(name, *variable, length);
		name[length] = '\0';
		setting = find_setting(name + strlen(ENVIRONMENT_PREFIX));
		if (setting == NULL)
			die(EXIT_USAGE, "environment: there is no setting \"%s\"", name);
		set_setting(config, setting, value + 1, name);
	}
}

/* require_address puts an address of ours into ASCII: its header and the envelope go to any server. */
static void
require_address(char **field, const char *name)
{
	Text ascii = {0};

	if (!address_to_ascii(&ascii, *field) || has_non_ascii(ascii.data))
		die(EXIT_USAGE, "%s must be one e-mail address, in ASCII before the @", name);
	set_text(field, ascii.data);
	text_free(&ascii);
}

static void
require_url(const char *url, const char *name)
{
	bool ok = strstr(url, "{{token}}") != NULL;

	for (const char *c = url; *c != '\0'; c++)
		ok = ok && isgraph((unsigned char) *c) && strchr("<>\"", *c) == NULL;
	if (!ok || has_non_ascii(url))
		die(EXIT_USAGE, "%s must be a URL with {{token}} in it", name);
}

static void
require_consistent(Config *config)
{
	bool smtps = strncmp(config->smtp_url, "smtps://", 8) == 0;

	if (!smtps && strncmp(config->smtp_url, "smtp://", 7) != 0)
		die(EXIT_USAGE, "smtp_url must be smtp://host:port or smtps://host:port");
	/* A password in there would be shown wherever the URL is. */
	if (strchr(config->smtp_url, '@') != NULL)
		die(EXIT_USAGE, "smtp_url must not have a user name: use smtp_user and smtp_password");
	if (*config->smtp_user != '\0' && !smtps && !config->smtp_tls)
		die(EXIT_USAGE, "smtp_user needs smtp_tls = on: a password is not sent in clear");
	require_address(&config->from_address, "from_address");
	if (*config->reply_to != '\0')
		require_address(&config->reply_to, "reply_to");
	require_url(config->accept_url, "accept_url");
	if (*config->unsubscribe_url != '\0')
		require_url(config->unsubscribe_url, "unsubscribe_url");
	/* In the environment no file tells; libpq would quote a malformed one in its error. */
	connection_has_password(config->database, "database");
}

void
config_load(Config *config, const char *file)
{
	*config = (Config){0};
	for (size_t i = 0; i < SETTINGS; i++)
	{
		if (settings[i].initial != NULL)
			set_setting(config, &settings[i], settings[i].initial, "default");
	}
	read_file(config, file != NULL ? file : MAILER_CONFIG, file == NULL);
	read_environment(config);
	require_consistent(config);
}

void
config_free(Config *config)
{
	for (size_t i = 0; i < SETTINGS; i++)
	{
		char **field = (char **) ((char *) config + settings[i].offset);

		if (settings[i].type == SETTING_SWITCH || settings[i].type == SETTING_SECONDS)
			continue;
		free(*field);
		*field = NULL;
	}
}
