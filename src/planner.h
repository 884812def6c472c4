/*
 * planner.h
 *	  What the planner should know about has_permission.
 */
#ifndef TEAMRBAC_PLANNER_H
#define TEAMRBAC_PLANNER_H

/* Registers the callback that watches for new functions; once, when the library is loaded. */
extern void planner_init(void);

#endif /* TEAMRBAC_PLANNER_H */
