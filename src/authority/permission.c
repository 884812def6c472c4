/*
 * permission.c
 *	  Permissions by name and by number.
 *
 * A check compares numbers.  They are given out as names come along and never taken back, so that sets read at
 * different times can be compared; which of the names exist is another question, answered by a list that is read
 * again when a definition has changed.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "authority/cluster.h"
#include "authority/permission.h"
#include "store/catalog.h"
#include "store/reason.h"

typedef struct PermissionName
{
	char name[NAMEDATALEN]; /* hash key */
	int  number;
} PermissionName;

static HTAB        *numbers = NULL;
static const char **names = NULL; /* by number */
static int          nnames = 0;
static int          names_room = 0;

/* The permissions there are, as of a generation of the definitions. */
static struct
{
	MemoryContext context; /* NULL: not read yet */
	uint64        generation;
	Bitmapset    *existing;
	Bitmapset    *for_keys;
} known;

/* Permissions that roles were found to have, which exist: as of a generation of the definitions. */
static Bitmapset *granted = NULL;
static uint64     granted_generation;

/* The name looked up last, probably the next one too; NULL at first. */
static const PermissionName *latest = NULL;

/* ---- numbers --------------------------------------------------------------------------------------- */

/* make_room makes sure that one more name can be added, without losing any if memory runs out. */
static void
make_room(void)
{
	if (numbers == NULL)
	{
		HASHCTL control = {.keysize = NAMEDATALEN, .entrysize = sizeof(PermissionName)};

		numbers = hash_create("teamrbac permissions", 64, &control, HASH_ELEM | HASH_STRINGS);
	}
	if (names == NULL)
	{
		names = MemoryContextAlloc(TopMemoryContext, 64 * sizeof(char *));
		names_room = 64;
	}
	else if (nnames == names_room)
	{
		names = repalloc(names, 2 * names_room * sizeof(char *));
		names_room *= 2;
	}
}

int
permission_number(const char *name)
{
	PermissionName *permission;
	bool            known_name;

	make_room();
	permission = hash_search(numbers, name, HASH_ENTER, &known_name);
	if (!known_name)
	{
		permission->number = nnames;
		names[nnames++] = permission->name;
	}
	return permission->number;
}

const char *
permission_name(int number)
{
	Assert(number >= 0 && number < nnames);
	return names[number];
}

/* ---- existence ------------------------------------------------------------------------------------- */

/* read_permissions reads the list of all permissions. */
static void
read_permissions(Bitmapset **existing, Bitmapset **for_keys)
{
	CatalogScan scan = catalog_scan_begin_all(CATALOG_PERMISSION);
	HeapTuple   tuple;

	while (HeapTupleIsValid(tuple = catalog_scan_next(&scan)))
	{
		char name[NAMEDATALEN];
		bool isnull;
		int  number;

		catalog_scan_name(&scan, tuple, Anum_permission_permission, name);
		number = permission_number(name);
		*existing = bms_add_member(*existing, number);
		if (DatumGetBool(
				catalog_scan_value(&scan, tuple, Anum_permission_grantable_to_keys, &isnull)))
			*for_keys = bms_add_member(*for_keys, number);
	}
	catalog_scan_end(&scan);
}

/* refresh makes the list as new as the last signal that has come in. */
static void
refresh(void)
{
	uint64        before = generation[FACTS_DEFINITIONS];
	MemoryContext context;
	MemoryContext caller;
	Bitmapset    *existing = NULL;
	Bitmapset    *for_keys = NULL;

	if (known.context != NULL && known.generation == before)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "teamrbac list of permissions",
	                                ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(context);
	read_permissions(&existing, &for_keys);
	MemoryContextSwitchTo(caller);

	/* Only now does it outlive an error: a list half read goes with the caller's memory. */
	MemoryContextSetParent(context, CacheMemoryContext);
	if (known.context != NULL)
		MemoryContextDelete(known.context);
	known.context = context;
	known.generation = before;
	known.existing = existing;
	known.for_keys = for_keys;
}

void
permissions_exist(const Bitmapset *permissions, uint64 as_of)
{
	MemoryContext caller;

	if (as_of != generation[FACTS_DEFINITIONS])
		return;
	if (granted_generation != as_of)
	{
		bms_free(granted);
		granted = NULL;
		granted_generation = as_of;
	}
	if (bms_is_subset(permissions, granted))
		return;
	caller = MemoryContextSwitchTo(CacheMemoryContext);
	granted = bms_add_members(granted, permissions);
	MemoryContextSwitchTo(caller);
}

/* exists tells whether there is a permission; the list of all of them is read only for one that nobody had. */
static bool
exists(int number)
{
	if (granted_generation == generation[FACTS_DEFINITIONS] && bms_is_member(number, granted))
		return true;
	refresh();
	return bms_is_member(number, known.existing);
}

/* find_number finds the number of a name; NULL if it has none, as no name has that was not read yet. */
static const PermissionName *
find_number(const char *name, int length)
{
	char key[NAMEDATALEN];

	if (latest != NULL && memcmp(latest->name, name, length) == 0 && latest->name[length] == '\0')
		return latest;
	if (numbers == NULL)
		return NULL;
	memcpy(key, name, length);
	key[length] = '\0';
	return hash_search(numbers, key, HASH_FIND, NULL);
}

int
find_permission(const char *name, int length)
{
	const PermissionName *permission;

	if (length >= NAMEDATALEN)
		return -1;
	permission = find_number(name, length);
	if (permission == NULL)
	{
		refresh();
		permission = find_number(name, length);
	}
	if (permission == NULL || !exists(permission->number))
		return -1;
	latest = permission;
	return permission->number;
}

const Bitmapset *
permissions_for_keys(void)
{
	refresh();
	return known.for_keys;
}

/* nearest_permission finds the name that a misspelt one was probably meant to be, or NULL. */
static const char *
nearest_permission(const char *name, int length)
{
	const char *nearest = NULL;
	int         least = Max(2, length / 3) + 1;
	int         number = -1;

	if (length > 255)
		return NULL; /* more than the distance function takes */
	while ((number = bms_next_member(known.existing, number)) >= 0)
	{
		const char *candidate = names[number];
		int distance = varstr_levenshtein_less_equal(name, length, candidate, strlen(candidate), 1,
		                                             1, 1, least, true);

		if (distance < least)
		{
			least = distance;
			nearest = candidate;
		}
	}
	return nearest;
}

int
require_known_permission(const char *name, int length)
{
	int         number = find_permission(name, length);
	const char *nearest;

	if (number >= 0)
		return number;
	/* The application's own are defined where the team is kept: a ticket names what is had. */
	if (length < NAMEDATALEN && cluster_is_worker())
		return permission_number(pnstrdup(name, length));
	nearest = nearest_permission(name, length);
	ereport(ERROR,
	        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errreason("unknown_permission"),
	         errmsg("permission \"%s\" does not exist",
	                pnstrdup(name, pg_mbcliplen(name, length, 100))),
	         nearest != NULL
	             ? errhint("Did you mean \"%s\"?", nearest)
	             : errhint("All permissions are listed in view teamrbac.permission_matrix.")));
}
