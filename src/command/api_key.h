/*
 * api_key.h
 *	  What commands on members do with API keys.
 */
#ifndef TEAMRBAC_API_KEY_H
#define TEAMRBAC_API_KEY_H

#include "utils/uuid.h"

#define PERMISSION_CREATE_PERSONAL_KEY "api_keys.create_personal"

/*
 * Revokes and records the active keys of a tenant that this user made; returns how many.  The caller has
 * locked the tenant, and required PERMISSION_MANAGE_KEYS of whoever is asking.
 */
extern uint64 revoke_keys_of(const pg_uuid_t *tenant, const pg_uuid_t *creator, const char *reason);

/* Locks the tenant of a key that a user may manage, and returns it; 42501 for any other key. */
extern pg_uuid_t lock_managed_key(const pg_uuid_t *key_id, const pg_uuid_t *user);

#endif /* TEAMRBAC_API_KEY_H */
