/*
 * ticket_text.h
 *	  How a ticket is written, signed and read.
 */
#ifndef TEAMRBAC_TICKET_TEXT_H
#define TEAMRBAC_TICKET_TEXT_H

#include "datatype/timestamp.h"

#include "authority/cluster.h"
#include "authority/identity_type.h"

typedef struct Ticket
{
	bool               own;         /* issued by this session, for others; no text says so */
	SubTransactionId   issued_in;   /* the subtransaction that this was in */
	LocalTransactionId accepted_in; /* the transaction that set it; invalid: a worker's leader's */
	TimestampTz        issued_at;
	TimestampTz        expires_at;
	int                pid; /* of the process whose connections bring it; 0: anybody's but Citus' */
	char               role[NAMEDATALEN];
	Identity           identity;
	size_t             grants; /* where they begin in content */
	char               content[FLEXIBLE_ARRAY_MEMBER];
} Ticket;

/* Reads a ticket's text into memory that the server frees; NULL if it is none, or there is no memory. */
extern Ticket *ticket_read(const char *text);

/* Whether a text, which ticket_read has read, bears the signature of one of the secrets. */
extern bool ticket_is_signed(const char *text, const ClusterSecrets *secrets);

/* A ticket's text, signed, palloc'd. */
extern char *ticket_write(const char *content, TimestampTz issued_at, TimestampTz expires_at,
                          int pid, const uint8 *secret);

#endif /* TEAMRBAC_TICKET_TEXT_H */
