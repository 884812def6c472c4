/*
 * identity_type.h
 *	  What every layer knows about whoever is asking.
 */
#ifndef TEAMRBAC_IDENTITY_TYPE_H
#define TEAMRBAC_IDENTITY_TYPE_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#include "store/uuid_text.h"

typedef enum IdentityKind
{
	IDENTITY_NONE,
	IDENTITY_USER,
	IDENTITY_KEY
} IdentityKind;

/* What somebody of the platform's staff, who is no member, may do in the tenant that they visit. */
typedef enum StaffAccess
{
	STAFF_NONE, /* it is no such visit */
	STAFF_READ,
	STAFF_CHANGE
} StaffAccess;

typedef struct Identity
{
	IdentityKind kind;
	pg_uuid_t    user_id;   /* IDENTITY_USER */
	pg_uuid_t    key_id;    /* IDENTITY_KEY */
	bool         in_tenant; /* tenant_id was entered, or is the key's: nothing is had elsewhere */
	pg_uuid_t    tenant_id; /* the acting tenant, if in_tenant */
	bool         outlives;  /* it was signed in for the session, not the transaction */
	Oid database_role;      /* of a mapped user: the login role that makes them so; else invalid */
	TimestampTz ends_at;    /* when its proof ends; DT_NOEND: never */
	TimestampTz issued_at;  /* when its proof was issued; DT_NOBEGIN: it has none */
	int32       issuer;     /* who issued its proof; 0: nobody */
	StaffAccess staff;      /* of a user in_tenant: as whom they act there, if not as a member */
	bool carried; /* a ticket says so, and what it has (ticket.c); nothing of it is in our tables */
} Identity;

/* Nobody, from which every other identity is made: the fields that it leaves alone mean "none". */
#define IDENTITY_INITIALIZER                                                \
	{                                                                       \
		.kind = IDENTITY_NONE, .ends_at = DT_NOEND, .issued_at = DT_NOBEGIN \
	}

/* Whether two identities are the same person or key in the same capacity, wherever they act and by whatever proof. */
extern bool identity_is_same_actor(const Identity *a, const Identity *b);

#endif /* TEAMRBAC_IDENTITY_TYPE_H */
