/*
 * reason.h
 *	  What a refusal tells programs.
 *
 * A reason is a name in snake case that says what is wrong.  It stands in the error's constraint field, which drivers
 * show, and stays the same from version to version, unlike the message.  docs/errors.md lists them all.
 */
#ifndef TEAMRBAC_REASON_H
#define TEAMRBAC_REASON_H

#include "postgres.h"

#define errreason(reason) err_generic_string(PG_DIAG_CONSTRAINT_NAME, (reason))

#endif /* TEAMRBAC_REASON_H */
