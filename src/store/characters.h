/*
 * characters.h
 *	  Which characters people can see, in whatever encoding the database has.
 */
#ifndef TEAMRBAC_CHARACTERS_H
#define TEAMRBAC_CHARACTERS_H

typedef enum CharacterKind
{
	CHARACTER_VISIBLE,
	CHARACTER_SPACE,   /* blank, and fit to stand between words */
	CHARACTER_UNSEEN,  /* alters the one before, such as U+FE0F */
	CHARACTER_CONTROL, /* of category Cc, and what ends a line or a paragraph */
	CHARACTER_HIDDEN /* turns the direction of writing, is there without being seen, or is none of Unicode's */
} CharacterKind;

/*
 * What the first character of a text of so many bytes, at least one, is; its length goes into length.  The text is
 * valid in the database's encoding; SQL_ASCII is taken for UTF-8, and what is no character of Unicode's for a hidden
 * one.
 */
extern CharacterKind character_kind(const char *text, int bytes, int *length);

#endif /* TEAMRBAC_CHARACTERS_H */
