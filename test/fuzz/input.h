/*
 * input.h
 *	  Random inputs: good ones, spoiled.
 */
#ifndef TEAMRBAC_FUZZ_INPUT_H
#define TEAMRBAC_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define INPUT_MAX_BYTES 8192

/* What the program opens, or takes. */
typedef struct Input
{
	char   bytes[INPUT_MAX_BYTES + 1];
	size_t length;
	mode_t mode;
} Input;

/* Good ones of a kind. */
typedef struct Seeds
{
	const char *const *texts;
	size_t             count;
} Seeds;

extern const Seeds config_seeds;
extern const Seeds template_seeds;
extern const Seeds text_seeds;
extern const Seeds address_seeds;
extern const Seeds reply_seeds;

/* All that follows depends on these two. */
extern void   random_start(uint64_t seed, uint64_t number);
extern size_t random_below(size_t limit);

#define PICK(array) ((array)[random_below(sizeof(array) / sizeof((array)[0]))])

/* Starts with a good input and spoils it, mostly a little. */
extern void make_input(Input *in, Seeds seeds);

/* Returns a spoiled text, which lasts until so many others were made. */
#define TEXTS_AT_ONCE 16
extern const char *make_text(Seeds seeds);

#endif /* TEAMRBAC_FUZZ_INPUT_H */
