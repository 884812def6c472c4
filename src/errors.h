/*
 * errors.h
 *	  The refusals that more than one command gives, worded once.
 */
#ifndef TEAMRBAC_ERRORS_H
#define TEAMRBAC_ERRORS_H

#include "postgres.h"

/*
 * 42501.  The same whether the tenant doesn't exist, isn't the caller's, or the caller may not: existence
 * does not leak.  permission may be NULL where membership itself is what is needed.
 */
extern void refuse_permission(const char *permission) pg_attribute_noreturn();

/* 28000: this needs somebody, or (user only) a person, and nobody is signed in, or a key. */
extern void refuse_nobody(void) pg_attribute_noreturn();

/* 22023: an argument that must not be NULL is. */
extern void refuse_null(const char *argument) pg_attribute_noreturn();

#endif /* TEAMRBAC_ERRORS_H */
