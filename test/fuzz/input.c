/*
 * input.c
 *	  Random inputs: good ones, spoiled.
 */
#include <string.h>

#include "input.h"

static uint64_t random_state;

static uint64_t
random_number(void)
{
	/* splitmix64 */
	uint64_t z = (random_state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void
random_start(uint64_t seed, uint64_t number)
{
	random_state = seed ^ (number * 0xd1342543de82ef95u);
	random_number();
}

size_t
random_below(size_t limit)
{
	return limit == 0 ? 0 : random_number() % limit;
}

static const char *const config_texts[] = {
	"database = dbname=app user=mailer\nsmtp_url = smtp://smtp.example.com:587\nsmtp_user = app\n"
	"smtp_password_file = /p\nfrom_address = no-reply@app.example\nfrom_name = App\n"
	"accept_url = https://app.example/join?token={{token}}\n",
	"database = postgres://u:p@h:5432/db?sslmode=require&connect_timeout=3\nsmtp_url=smtps://h\n"
	"smtp_password = x\nfrom_address = a@b\xc3\xbc.example\naccept_url = {{token}}\nreply_to = c@d\n",
	"database = dbname='a b' password='c\\'d' host=/tmp\nsmtp_url = smtp://[::1]:25/me\nsmtp_tls = off\n"
	"from_address = a@b\naccept_url = x{{token}}{{token}}\npoll_interval = 3600\nsend_timeout = 1\n",
	"# comment\n\n smtp_url\t=\tsmtp://u:p@h\r\nanswer_timeout = 99999999999999999999\nconnect_timeout = -1\n",
};
static const char *const template_texts[] = {
	"# comment\n[invitation]\nSubject: {{inviter}} invites you to {{tenant}}\n\nHello {{recipient}},\n\n"
	"{{accept_url}} {{token}} {{expires_at}} {{role}}\n[invitation_resent]\nSubject: s\n\nt\n"
	"[role_changed]\nSubject: {{old_role}}{{role}}\n\n{{changed_by}}\n[removed]\nSubject: \xc3\xa9\n\nt\n"
	"[ownership_transferred]\nSubject: {{new_owner}}\n\n{{old_owner}}\n",
};
static const char *const text_texts[] = {
	"Acme",
	"Evil\r\nBcc: victim@example.com\r\n\r\nbody {{token}} =?UTF-8?Q?=0D=0ABcc=3A_x?=",
	".\r\nMAIL FROM:<x@example.com>",
	"\xe2\x80\xaereversed\xe2\x80\xa8 \xc2\x85 \xf0\x9f\x9a\x80",
	"2026-12-02T10:30:00.123456Z",
	"trailing blanks  \n=\n.\n..\n",
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
};
static const char *const address_texts[] = {
	"ann@example.com",
	"J\xc3\xb6rg@b\xc3\xbc"
	"cher.example",
	"a@\xe4\xbe\x8b\xe3\x81\x88.example",
	"a@\xef\xbc\xa0"
	"b.example",
	"a@xn--bcher-kva.example",
	"a@[192.0.2.1]",
};
static const char *const reply_texts[] = {
	"550 5.1.1 no such mailbox\r\n",
	"550-5.7.1 relaying denied\r\n550 5.7.1 see https://example.com\r\n",
	"250 2.0.0 OK\r\n",
	"550 relay not permitted\r\n",
	"421 4.3.2 going down\r\n",
	"554 5.5.2 <localhost>: Helo command rejected\r\n",
	"550 <a@b>: user unknown\r\n",
};
#define SEEDS(texts)                              \
	{                                             \
		texts, sizeof(texts) / sizeof((texts)[0]) \
	}

const Seeds config_seeds = SEEDS(config_texts);
const Seeds template_seeds = SEEDS(template_texts);
const Seeds text_seeds = SEEDS(text_texts);
const Seeds address_seeds = SEEDS(address_texts);
const Seeds reply_seeds = SEEDS(reply_texts);

static const char *const words[] = {
	"{{",
	"}}",
	"{{token}}",
	"[",
	"]",
	"[removed]\n",
	"Subject: ",
	"\n",
	"\r\n",
	"\r",
	"=",
	"@",
	"://",
	"%00",
	"%",
	"password",
	"password=x",
	"'",
	"\\",
	"\xc3",
	"\xf4\x8f\xbf\xbf",
	"\xed\xa0\x80",
	"\xc0\x80",
	"\xef\xbc\xae",
	"xn--",
	".",
	"5.7.1 ",
	"5.1.1 ",
	"5.",
	"-1",
	"999",
	"=?UTF-8?B?",
	"?=",
	"\xe2\x80\xae",
	" ",
	"\t",
	"missing",
	"smtp_password",
	"smtp_password_file = /p\n",
	"database = ",
	"on",
	"off",
};

static void
insert(Input *in, size_t at, const char *bytes, size_t length)
{
	if (in->length + length > INPUT_MAX_BYTES)
		return;
	memmove(in->bytes + at + length, in->bytes + at, in->length - at);
	memcpy(in->bytes + at, bytes, length);
	in->length += length;
}

static void
mutate_once(Input *in)
{
	size_t at = random_below(in->length + 1);
	size_t length = random_below(in->length - at + 1);
	char   copy[INPUT_MAX_BYTES];
	char   byte = (char) random_number();

	switch (random_below(6))
	{
		case 0:
			insert(in, at, &byte, 1);
			break;
		case 1:
			if (at < in->length)
				in->bytes[at] = byte;
			break;
		case 2: /* cut out, mostly a little */
			length = random_below(4) == 0 ? length : length % 8;
			memmove(in->bytes + at, in->bytes + at + length, in->length - at - length);
			in->length -= length;
			break;
		case 3: /* double */
			memcpy(copy, in->bytes + at, length);
			insert(in, random_below(in->length + 1), copy, length);
			break;
		default:
		{
			const char *word = PICK(words);

			insert(in, at, word, strlen(word));
		}
	}
}

void
make_input(Input *in, Seeds seeds)
{
	const char *seed = seeds.texts[random_below(seeds.count)];
	size_t      times = random_below(8) == 0 ? random_below(60) : random_below(5);

	in->length = strlen(seed);
	memcpy(in->bytes, seed, in->length);
	while (times-- > 0)
		mutate_once(in);
	in->bytes[in->length] = '\0';
	in->mode = random_below(2) == 0 ? 0600 : 0644;
}

const char *
make_text(Seeds seeds)
{
	static Input texts[TEXTS_AT_ONCE];
	static int   next;
	Input       *text = &texts[next++ % TEXTS_AT_ONCE];

	make_input(text, seeds);
	return text->bytes;
}
