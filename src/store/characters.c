/*
 * characters.c
 *	  Which characters people can see, in whatever encoding the database has.
 *
 * Not by the server's character classes: they depend on the collation, and know neither what turns the direction of
 * writing nor what is there without being seen.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"

#include "store/characters.h"

/* Bytes that no reader of Unicode could be shown; the audit, whose hashes are of UTF-8, could not take them. */
#define CODE_POINT_NONE 0xfff0

typedef struct CharacterRange
{
	pg_wchar      first;
	pg_wchar      last;
	CharacterKind kind;
} CharacterRange;

/*
 * What is not visible, in order: Unicode's categories Cc, Zs, Zl and Zp, and what has the property
 * Default_Ignorable_Code_Point, without the selectors of variants (emoji, ideographs and Mongolian need them); and
 * what looks like a space though it is called a letter or a symbol.
 */
static const CharacterRange ranges[] = {
	{0x0000, 0x001f, CHARACTER_CONTROL},
	{0x0020, 0x0020, CHARACTER_SPACE},
	{0x007f, 0x009f, CHARACTER_CONTROL},
	{0x00a0, 0x00a0, CHARACTER_SPACE},
	{0x00ad, 0x00ad, CHARACTER_HIDDEN}, /* soft hyphen */
	{0x034f, 0x034f, CHARACTER_HIDDEN}, /* combining grapheme joiner */
	{0x061c, 0x061c, CHARACTER_HIDDEN}, /* Arabic letter mark */
	{0x070f, 0x070f, CHARACTER_HIDDEN}, /* Syriac abbreviation mark */
	{0x115f, 0x1160, CHARACTER_HIDDEN}, /* Hangul fillers */
	{0x1680, 0x1680, CHARACTER_SPACE},
	{0x17b4, 0x17b5, CHARACTER_HIDDEN}, /* Khmer inherent vowels */
	{0x180b, 0x180d, CHARACTER_UNSEEN},
	{0x180e, 0x180e, CHARACTER_HIDDEN}, /* Mongolian vowel separator */
	{0x180f, 0x180f, CHARACTER_UNSEEN},
	{0x2000, 0x200a, CHARACTER_SPACE},
	{0x200b, 0x200f, CHARACTER_HIDDEN},  /* zero width, left-to-right and right-to-left marks */
	{0x2028, 0x2029, CHARACTER_CONTROL}, /* line and paragraph separators */
	{0x202a, 0x202e, CHARACTER_HIDDEN},  /* bidirectional embeddings and overrides */
	{0x202f, 0x202f, CHARACTER_SPACE},
	{0x205f, 0x205f, CHARACTER_SPACE},
	{0x2060, 0x206f, CHARACTER_HIDDEN}, /* word joiner, bidirectional isolates, ... */
	{0x2800, 0x2800, CHARACTER_SPACE},  /* Braille blank */
	{0x3000, 0x3000, CHARACTER_SPACE},
	{0x3164, 0x3164, CHARACTER_HIDDEN}, /* Hangul filler */
	{0xfe00, 0xfe0f, CHARACTER_UNSEEN},
	{0xfeff, 0xfeff, CHARACTER_HIDDEN},   /* zero width no-break space */
	{0xffa0, 0xffa0, CHARACTER_HIDDEN},   /* halfwidth Hangul filler */
	{0xfff0, 0xfffb, CHARACTER_HIDDEN},   /* interlinear annotation */
	{0x13430, 0x1343f, CHARACTER_HIDDEN}, /* Egyptian hieroglyph format controls */
	{0x1bca0, 0x1bca3, CHARACTER_HIDDEN}, /* shorthand format controls */
	{0x1d173, 0x1d17a, CHARACTER_HIDDEN}, /* musical formatting */
	{0xe0000, 0xe00ff, CHARACTER_HIDDEN}, /* tags */
	{0xe0100, 0xe01ef, CHARACTER_UNSEEN},
	{0xe01f0, 0xe0fff, CHARACTER_HIDDEN},
};

static CharacterKind
kind_of(pg_wchar code_point)
{
	int low = 0;
	int high = lengthof(ranges);

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (ranges[middle].last < code_point)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < (int) lengthof(ranges) && ranges[low].first <= code_point)
		return ranges[low].kind;
	return CHARACTER_VISIBLE;
}

/* Nobody says what the bytes of SQL_ASCII mean: they are taken for UTF-8. */
static pg_wchar
decode_ascii(const char *text, int bytes, int *length)
{
	const unsigned char *first = (const unsigned char *) text;

	*length = pg_utf_mblen(first);
	if (*length <= bytes && pg_utf8_islegal(first, *length))
		return utf8_to_unicode(first);
	*length = 1;
	return CODE_POINT_NONE;
}

/* decode_converting asks the server what a character of the database's encoding is; it may be none of Unicode's. */
static pg_wchar
decode_converting(const char *text, int length)
{
	int           encoding = GetDatabaseEncoding();
	Oid           conversion = FindDefaultConversionProc(encoding, PG_UTF8);
	unsigned char converted[4 * MAX_CONVERSION_GROWTH + 1];

	if (!OidIsValid(conversion) ||
	    pg_do_encoding_conversion_buf(conversion, encoding, PG_UTF8,
	                                  (unsigned char *) unconstify(char *, text), length, converted,
	                                  sizeof(converted), true) < length)
		return CODE_POINT_NONE;
	return utf8_to_unicode(converted);
}

CharacterKind
character_kind(const char *text, int bytes, int *length)
{
	*length = 1;
	if (!IS_HIGHBIT_SET(*text))
		return kind_of((unsigned char) *text);
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		return kind_of(decode_ascii(text, bytes, length));
	*length = Min(pg_mblen(text), bytes);
	if (GetDatabaseEncoding() == PG_UTF8)
		return kind_of(utf8_to_unicode((const unsigned char *) text));
	return kind_of(decode_converting(text, *length));
}
