/*
 * bitmap.h
 *	  Bitmap scans without a filter that the index has applied already.
 */
#ifndef TEAMRBAC_BITMAP_H
#define TEAMRBAC_BITMAP_H

/* Installs the planner hook; once, when the library is loaded. */
extern void bitmap_init(void);

/*
 * Tells the hook that the query being planned has an index condition that stands for a call of function
 * has_permission: tenant = ANY (permitted_tenants(permission)).
 */
extern void bitmap_note_condition(Oid has_permission, Oid permitted_tenants);

/* Whether a query is being planned: what a function answers then is for an estimate only. */
extern bool planner_is_running(void);

#endif /* TEAMRBAC_BITMAP_H */
