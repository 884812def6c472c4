/*
 * identity_type.h
 *	  What every layer knows about whoever is asking.
 */
#ifndef TEAMRBAC_IDENTITY_TYPE_H
#define TEAMRBAC_IDENTITY_TYPE_H

#include "utils/uuid.h"

typedef enum IdentityKind
{
	IDENTITY_NONE,
	IDENTITY_USER,
	IDENTITY_KEY
} IdentityKind;

typedef struct Identity
{
	IdentityKind kind;
	pg_uuid_t    user_id;   /* IDENTITY_USER */
	pg_uuid_t    tenant_id; /* IDENTITY_KEY */
	pg_uuid_t    key_id;    /* IDENTITY_KEY */
} Identity;

static inline bool
uuid_same(const pg_uuid_t *a, const pg_uuid_t *b)
{
	return memcmp(a->data, b->data, UUID_LEN) == 0;
}

/* As uuid_out writes it, palloc'd. */
extern char *uuid_text(const pg_uuid_t *uuid);

#endif /* TEAMRBAC_IDENTITY_TYPE_H */
