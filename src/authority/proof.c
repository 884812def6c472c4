/*
 * proof.c
 *	  Whether what an identity was proven by still counts.
 *
 * An identity bears when its proof was issued, and by whom.  Whatever was issued until a revocation is over, so that one
 * row revokes all tokens of a user, or of an issuer, none of which needs to be known.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "authority/proof.h"
#include "store/catalog.h"

/* covers tells whether a revocation, in a column that may be NULL, covers a proof. */
static bool
covers(CatalogScan *scan, HeapTuple tuple, AttrNumber column, const Identity *identity)
{
	bool  isnull;
	Datum revoked_at = catalog_scan_value(scan, tuple, column, &isnull);

	return !isnull && identity->issued_at <= DatumGetTimestampTz(revoked_at);
}

static bool
issuer_stands(Snapshot snapshot, const Identity *identity)
{
	Datum       key = Int32GetDatum(identity->issuer);
	CatalogScan scan = catalog_scan_begin(snapshot, CATALOG_TOKEN_ISSUER_NUMBER_KEY, 1, &key);
	HeapTuple   tuple = catalog_scan_next(&scan);
	bool        stands =
		HeapTupleIsValid(tuple) && !covers(&scan, tuple, Anum_token_issuer_revoked_at, identity);

	catalog_scan_end(&scan);
	return stands;
}

/* user_stands looks at the revocations of the user's tokens: of this issuer's, and of all. */
static bool
user_stands(Snapshot snapshot, const Identity *identity)
{
	Datum       key = UUIDPGetDatum(&identity->user_id);
	CatalogScan scan = catalog_scan_begin(snapshot, CATALOG_TOKEN_REVOCATION_PKEY, 1, &key);
	HeapTuple   tuple;
	bool        stands = true;

	while (stands && HeapTupleIsValid(tuple = catalog_scan_next(&scan)))
	{
		bool  isnull;
		int32 issuer = DatumGetInt32(
			catalog_scan_value(&scan, tuple, Anum_token_revocation_issuer_number, &isnull));

		if (issuer == 0 || issuer == identity->issuer)
			stands = !covers(&scan, tuple, Anum_token_revocation_revoked_at, identity);
	}
	catalog_scan_end(&scan);
	return stands;
}

bool
proof_stands(Snapshot snapshot, const Identity *identity)
{
	return identity->issuer == 0 ||
	       (issuer_stands(snapshot, identity) && user_stands(snapshot, identity));
}

bool
foreign_proof_stands(const Identity *identity)
{
	return identity->issuer != 0 ? proof_stands(NULL, identity) : user_stands(NULL, identity);
}
