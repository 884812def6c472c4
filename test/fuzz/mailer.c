/*
 * mailer.c
 *	  Random settings, templates, mails and answers for the mailer's own code, which scripts/fuzz-mailer.sh
 *	  compiles under AddressSanitizer and UndefinedBehaviorSanitizer.
 *
 *	  fuzz-mailer SEED FIRST COUNT SECONDS
 *
 * Inputs are mutations of good ones.  Each has a number, from which and the seed all of it follows: a failure is
 * repeated by "SEED NUMBER 1".  Besides what the sanitizers see, promises are checked: no header that is not ours,
 * no password from an open file, no mail used up by an answer about the sender.  Stops at COUNT inputs or SECONDS,
 * whichever is first; 0 is no limit.
 *
 * The linker hands us the program's die, which here ends an input, and its fopen, which opens the input.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "address.h"
#include "config.h"
#include "input.h"
#include "message.h"
#include "reply.h"
#include "template.h"
#include "text.h"

#define BATCH 1000
#define BATCH_SECONDS 120

#define REQUIRE(condition)                \
	do                                    \
	{                                     \
		if (!(condition))                 \
			broken(#condition, __LINE__); \
	} while (0)

extern char **environ;

static Input   input;
static jmp_buf dead;
static FILE   *opened[8];
static char   *no_environment[] = {NULL};

static void __attribute__((noreturn)) broken(const char *condition, int line)
{
	fprintf(stderr, "fuzz-mailer: line %d: not so: %s\ninput, %zu bytes:\n%s\n", line, condition,
	        input.length, input.bytes);
	abort();
}

/* ---- in place of the program's ---------------------------------------------------------------------- */

void __wrap_die(int status, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
FILE *__wrap_fopen(const char *path, const char *mode);
int   __wrap_fclose(FILE *file);
int   __real_fclose(FILE *file);

void
__wrap_die(int status, const char *format, ...)
{
	char    message[1000];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	REQUIRE(status == EXIT_USAGE && *message != '\0');
	longjmp(dead, 1);
}

FILE *
__wrap_fopen(const char *path, const char *mode)
{
	int fd;

	if (strcmp(path, "missing") == 0)
	{
		errno = ENOENT;
		return NULL;
	}
	fd = memfd_create("input", 0);
	REQUIRE(fd >= 0 && write(fd, input.bytes, input.length) == (ssize_t) input.length);
	REQUIRE(fchmod(fd, input.mode) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	for (size_t i = 0; i < sizeof(opened) / sizeof(opened[0]); i++)
	{
		if (opened[i] == NULL)
			return opened[i] = fdopen(fd, mode);
	}
	/* A settings file may name the file of a password as often as it likes. */
	close(fd);
	errno = EMFILE;
	return NULL;
}

int
__wrap_fclose(FILE *file)
{
	for (size_t i = 0; i < sizeof(opened) / sizeof(opened[0]); i++)
	{
		if (opened[i] == file)
			opened[i] = NULL;
	}
	return __real_fclose(file);
}

static void
close_all(void)
{
	for (size_t i = 0; i < sizeof(opened) / sizeof(opened[0]); i++)
	{
		if (opened[i] != NULL)
			__wrap_fclose(opened[i]);
	}
}

/* ---- promises --------------------------------------------------------------------------------------- */

static void
require_utf8(const char *text)
{
	for (int length; *text != '\0'; text += length)
	{
		length = utf8_length(text);
		REQUIRE(length > 0);
	}
}

/* require_no_secret: what an open file says has no password in it. */
static void
require_no_secret(const Config *config)
{
	PQconninfoOption *options = PQconninfoParse(config->database, NULL);

	REQUIRE(*config->smtp_password == '\0');
	for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
		REQUIRE(strcmp(option->keyword, "password") != 0 || option->val == NULL ||
		        *option->val == '\0');
	PQconninfoFree(options);
}

static void
try_config(void)
{
	Config config;

	make_input(&input, config_seeds);
	if (setjmp(dead) == 0)
	{
		config_load(&config, "config");
		REQUIRE(is_safe_address(config.from_address) && !has_non_ascii(config.from_address));
		REQUIRE(*config.reply_to == '\0' || is_safe_address(config.reply_to));
		REQUIRE(strchr(config.smtp_url, '@') == NULL);
		REQUIRE(config.answer_timeout >= 1 && config.answer_timeout <= 3600);
		if (input.mode != 0600)
			require_no_secret(&config);
		config_free(&config);
	}
	close_all();
}

/* The same settings from the environment. */
static void
try_environment(void)
{
	static char  variables[64][600];
	static char *environment[65];
	Config       config;
	int          count = 0;

	make_input(&input, config_seeds);
	for (char *line = strtok(input.bytes, "\n"); line != NULL && count < 64;
	     line = strtok(NULL, "\n"))
	{
		snprintf(variables[count], sizeof(variables[count]), "TEAMRBAC_MAILER_%.500s", line);
		environment[count] = variables[count];
		count++;
	}
	environment[count] = NULL;
	input.length = 0;
	environ = environment;
	if (setjmp(dead) == 0)
	{
		config_load(&config, "config");
		config_free(&config);
	}
	environ = no_environment;
	close_all();
}

static void
make_mail(Mail *mail)
{
	static const char *const kinds[] = {"invitation", "invitation_resent",     "role_changed",
	                                    "removed",    "ownership_transferred", "other"};
	static const char *const names[] = {"tenant",    "role",       "inviter", "expires_at",
	                                    "old_role",  "changed_by", "locale",  "old_owner",
	                                    "new_owner", "",           "token"};

	*mail = (Mail){
		.mail_id = "00000000-0000-0000-0000-000000000001",
		.kind = PICK(kinds),
		.recipient = make_text(address_seeds),
		.token = make_text(text_seeds),
	};
	mail->nfields = (int) random_below(8);
	for (int i = 0; i < mail->nfields; i++)
		mail->fields[i] = (MailField){PICK(names), make_text(text_seeds)};
}

/* require_headers: those named, each once and in order, and nothing else; returns where the body begins. */
static const char *
require_headers(const char *message, const char *const *headers)
{
	while (strncmp(message, "\r\n", 2) != 0)
	{
		if (*message != ' ')
		{
			REQUIRE(*headers != NULL && strncmp(message, *headers, strlen(*headers)) == 0);
			headers++;
		}
		message = strstr(message, "\r\n");
		REQUIRE(message != NULL);
		message += 2;
	}
	REQUIRE(*headers == NULL);
	return message + 2;
}

static const char *const part_headers[] = {"Content-Type: text/",
                                           "Content-Transfer-Encoding: ", NULL};

static void
require_lines(const char *message)
{
	size_t length = 0;

	for (; *message != '\0'; message++)
	{
		REQUIRE(*message != '\n');
		if (*message != '\r')
		{
			REQUIRE(++length <= 998);
			continue;
		}
		REQUIRE(message[1] == '\n');
		message++;
		length = 0;
	}
}

/* require_body: what is read, up to the end, is what was written. */
static void
require_body(const char *encoded, const char *end, bool quoted, const char *body)
{
	Text text = {0};

	while (encoded < end)
	{
		unsigned int byte;

		if (quoted && strncmp(encoded, "=\r\n", 3) == 0)
			encoded += 3;
		else if (quoted && *encoded == '=')
		{
			char c;

			REQUIRE(sscanf(encoded + 1, "%2X", &byte) == 1);
			c = (char) byte;
			text_append(&text, &c, 1);
			encoded += 3;
		}
		else if (strncmp(encoded, "\r\n", 2) == 0)
		{
			text_add(&text, "\n");
			encoded += 2;
		}
		else
			text_append(&text, encoded++, 1);
	}
	REQUIRE(encoded == end && strcmp(text.data != NULL ? text.data : "", body) == 0);
	text_free(&text);
}

/* require_part: a part of a mail with alternatives; returns what comes after its delimiter. */
static const char *
require_part(const char *part, const char *delimiter, const char *body)
{
	const char *encoded;
	const char *end = strstr(part, delimiter);

	REQUIRE(end != NULL);
	encoded = require_headers(part, part_headers);
	require_body(encoded, end, true, body);
	return end + strlen(delimiter);
}

static void
require_message(const Text *message, const Config *config, const Mail *mail, const Letter *letter)
{
	static const char delimiter[] = "\r\n--=_00000000-0000-0000-0000-000000000001";
	const char       *headers[12] = {"From: ", "To: "};
	int               next = 2;
	const char       *body;

	if (*config->reply_to != '\0')
		headers[next++] = "Reply-To: ";
	headers[next++] = "Subject: ";
	headers[next++] = "Date: ";
	headers[next++] = "Message-ID: ";
	headers[next++] = "Auto-Submitted: ";
	if (*mail->token != '\0' &&
	    strstr(message->data, "\r\nList-Unsubscribe: <https://app.example/no?") != NULL)
		headers[next++] = "List-Unsubscribe:";
	headers[next++] = "MIME-Version: ";
	if (letter->html.length == 0)
	{
		memcpy(headers + next, part_headers, sizeof(part_headers));
		body = require_headers(message->data, headers);
		require_body(body, message->data + message->length,
		             strstr(message->data,
		                    "\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n") != NULL,
		             letter->body.data);
		return;
	}
	headers[next++] = "Content-Type: multipart/alternative";
	body = require_headers(message->data, headers);
	REQUIRE(strncmp(body, delimiter + 2, strlen(delimiter + 2)) == 0);
	body = require_part(body + strlen(delimiter), delimiter, letter->body.data);
	body = require_part(body + 2, delimiter, letter->html.data);
	REQUIRE(strcmp(body, "--\r\n") == 0);
}

static void
try_message(void)
{
	Config config = {.from_address = "no-reply@app.example", .reply_to = "", .unsubscribe_url = ""};
	Mail   mail;
	Text   recipient = {0};
	Text   message = {0};
	Letter letter = {0};

	config.from_name = (char *) make_text(text_seeds);
	if (random_below(2) == 0)
		config.reply_to = "help@app.example";
	if (random_below(2) == 0)
		config.unsubscribe_url = "https://app.example/no?{{token}}";
	make_mail(&mail);
	text_add(&letter.subject, make_text(text_seeds));
	make_input(&input, text_seeds);
	text_add(&letter.body, input.bytes);
	if (random_below(2) == 0)
		text_add(&letter.html, make_text(text_seeds));
	if (address_to_ascii(&recipient, mail.recipient))
	{
		REQUIRE(is_safe_address(recipient.data) && !has_non_ascii(strchr(recipient.data, '@')));
		message_build(&message, &config, &mail, recipient.data, &letter);
		require_lines(message.data);
		require_message(&message, &config, &mail, &letter);
	}
	letter_free(&letter);
	text_free(&recipient);
	text_free(&message);
}

/* No value adds a tag: the template of HTML has none but its own. */
static void
require_html(const char *html)
{
	static const char own[] = "<p>";

	for (const char *c = html; (c = strpbrk(c, "<\"'")) != NULL; c += strlen(own))
		REQUIRE(strncmp(c, own, strlen(own)) == 0);
}

static void
try_template(void)
{
	static const char html[] =
		"<p>{{inviter}}{{tenant}}{{accept_url}}{{role}}{{recipient}}{{changed_by}}";
	TemplateSet set;
	Mail        mail;
	Letter      letter = {0};

	make_input(&input, template_seeds);
	make_mail(&mail);
	if (setjmp(dead) == 0)
	{
		template_load(&set, "template");
		for (int kind = 0; kind < TEMPLATE_KINDS; kind++)
			text_add(&set.templates[0].sections[kind].html, html);
		if (template_render(&set, &mail, "https://app.example/{{token}}", &letter))
		{
			REQUIRE(strpbrk(letter.subject.data, "\r\n") == NULL);
			require_utf8(letter.subject.data);
			require_utf8(letter.body.data);
			require_utf8(letter.html.data);
			require_html(letter.html.data);
		}
		letter_free(&letter);
		template_free(&set);
	}
	close_all();
}

static void
try_reply(void)
{
	SmtpStage   stage = (SmtpStage) random_below(STAGE_MESSAGE + 1);
	SmtpOutcome outcome;

	make_input(&input, reply_seeds);
	outcome = reply_judge(stage, input.bytes);
	REQUIRE(outcome != SMTP_SENT || (stage == STAGE_MESSAGE && input.bytes[0] == '2'));
	/* A digit behind the first is no part of the code that counts. */
	if (outcome == SMTP_REFUSED)
		REQUIRE(stage >= STAGE_RECIPIENT && strchr(input.bytes, '5') != NULL &&
		        strncmp(input.bytes + 4, "5.7.1 ", 6) != 0);
}

static void
try(uint64_t seed, uint64_t number)
{
	static void (*const targets[])(void) = {try_config, try_environment, try_message, try_template,
	                                        try_reply};

	random_start(seed, number);
	PICK(targets)();
}

/* run_batch has a process of its own, which takes along what an input that died has left. */
static void
run_batch(uint64_t seed, uint64_t first, uint64_t count)
{
	uint64_t *number =
		mmap(NULL, sizeof(*number), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int   status;
	pid_t child = fork();

	if (child == 0)
	{
		alarm(BATCH_SECONDS);
		for (*number = first; *number < first + count; (*number)++)
			try(seed, *number);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0)
	{
		fprintf(stderr, "fuzz-mailer: failed; again by: scripts/fuzz-mailer.sh %llu %llu 1\n",
		        (unsigned long long) seed, (unsigned long long) *number);
		exit(1);
	}
	munmap(number, sizeof(*number));
}

int
main(int argc, char **argv)
{
	uint64_t numbers[4];
	uint64_t done = 0;
	time_t   start = time(NULL);

	for (int i = 0; i < 4; i++)
		numbers[i] = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;
	if (argc != 5 || (numbers[2] == 0 && numbers[3] == 0))
	{
		fputs("usage: fuzz-mailer SEED FIRST COUNT SECONDS\n", stderr);
		return 2;
	}
	environ = no_environment;
	while ((numbers[2] == 0 || done < numbers[2]) &&
	       (numbers[3] == 0 || time(NULL) - start < (time_t) numbers[3]))
	{
		uint64_t count = numbers[2] != 0 && numbers[2] - done < BATCH ? numbers[2] - done : BATCH;

		run_batch(numbers[0], numbers[1] + done, count);
		done += count;
	}
	printf("fuzz-mailer: %llu inputs of seed %llu, and nothing broke\n", (unsigned long long) done,
	       (unsigned long long) numbers[0]);
	return 0;
}
