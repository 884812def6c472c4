/*
 * reply.h
 *	  What a mail server's answer means for a mail.
 */
#ifndef TEAMRBAC_MAILER_REPLY_H
#define TEAMRBAC_MAILER_REPLY_H

/* How far the conversation about a message has come. */
typedef enum SmtpStage
{
	STAGE_GREETING, /* connection, TLS, authentication */
	STAGE_SENDER,
	STAGE_RECIPIENT,
	STAGE_DATA,
	STAGE_MESSAGE
} SmtpStage;

typedef enum SmtpOutcome
{
	SMTP_SENT,
	SMTP_REFUSED,     /* this mail, for good */
	SMTP_FAILED,      /* this mail, for now */
	SMTP_BLOCKED,     /* whoever sends, in this mail: the recipient was not judged */
	SMTP_UNAVAILABLE, /* not a matter of this mail: others would fare no better at present */
	SMTP_UNWELCOME    /* whoever sends, whatever the mail: others would fare no better either */
} SmtpOutcome;

/*
 * Judges how a mail that got to this stage has ended; reply is the server's last answer, all its lines, or empty
 * if there was none.
 */
extern SmtpOutcome reply_judge(SmtpStage stage, const char *reply);

#endif /* TEAMRBAC_MAILER_REPLY_H */
