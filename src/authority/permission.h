/*
 * permission.h
 *	  Permissions by name and by number.
 */
#ifndef TEAMRBAC_PERMISSION_H
#define TEAMRBAC_PERMISSION_H

#include "nodes/bitmapset.h"

/*
 * The number of a permission's name, given at first sight and kept as long as the backend lives: a set of
 * permissions means the same in whatever generation it was made.
 */
extern int permission_number(const char *name);

/* The name of a number. */
extern const char *permission_name(int number);

/*
 * The number of a permission that exists, or -1.  Answers from memory while no definition has changed; accepting
 * invalidations is for the caller.
 */
extern int find_permission(const char *name, int length);

/*
 * Tells that permissions of a role, which exist, were read when the definitions had this generation: about those
 * find_permission need not read the list of all.
 */
extern void permissions_exist(const Bitmapset *permissions, uint64 as_of);

/* The same as find_permission; 22023, with the nearest known name, if there is none. */
extern int require_known_permission(const char *name, int length);

/* Those that an API key may have. */
extern const Bitmapset *permissions_for_keys(void);

#endif /* TEAMRBAC_PERMISSION_H */
