/*
 * cluster.c
 *	  What this server is among several, and the secrets that they share.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_namespace.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "authority/cluster.h"
#include "authority/distributed.h"
#include "store/catalog.h"
#include "store/reason.h"

/* Citus' table of one row: the group of nodes that this server is in, 0 for the coordinator. */
#define CITUS_LOCAL_GROUP "pg_dist_local_group"

static ClusterSecrets known;
static bool           is_known = false;
static uint64         known_generation;

static void
read_secret(CatalogScan *scan, HeapTuple tuple, AttrNumber column, ClusterSecrets *secrets)
{
	bool   isnull;
	Datum  value = catalog_scan_value(scan, tuple, column, &isnull);
	bytea *secret;

	if (isnull)
		return;
	secret = DatumGetByteaPP(value);
	if (VARSIZE_ANY_EXHDR(secret) != CLUSTER_SECRET_BYTES)
		return;
	memcpy(secrets->secrets[secrets->nsecrets++], VARDATA_ANY(secret), CLUSTER_SECRET_BYTES);
}

const ClusterSecrets *
cluster_secrets(void)
{
	uint64         before = generation[FACTS_DEFINITIONS];
	ClusterSecrets read = {.keeps_team = true};
	CatalogScan    scan;
	HeapTuple      tuple;

	if (is_known && known_generation == before)
		return &known;
	scan = catalog_scan_begin_all(CATALOG_CLUSTER);
	if (HeapTupleIsValid(tuple = catalog_scan_next(&scan)))
	{
		bool isnull;

		read.keeps_team =
			DatumGetBool(catalog_scan_value(&scan, tuple, Anum_cluster_keeps_team, &isnull));
		read_secret(&scan, tuple, Anum_cluster_secret, &read);
		read_secret(&scan, tuple, Anum_cluster_previous_secret, &read);
	}
	catalog_scan_end(&scan);
	known = read;
	known_generation = before;
	is_known = true;
	return &known;
}

/* is_citus_worker tells whether this is a node of Citus' that another one coordinates. */
static bool
is_citus_worker(void)
{
	Oid         relid = get_relname_relid(CITUS_LOCAL_GROUP, PG_CATALOG_NAMESPACE);
	Relation    table;
	SysScanDesc scan;
	HeapTuple   tuple;
	bool        worker = false;

	if (!OidIsValid(relid))
		return false;
	table = table_open(relid, AccessShareLock);
	scan = systable_beginscan(table, InvalidOid, false, NULL, 0, NULL);
	if (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool  isnull;
		Datum group = heap_getattr(tuple, 1, RelationGetDescr(table), &isnull);

		worker = !isnull && DatumGetInt32(group) != 0;
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return worker;
}

bool
cluster_has_citus(void)
{
	return OidIsValid(get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE));
}

bool
cluster_is_worker(void)
{
	return !cluster_secrets()->keeps_team || is_citus_worker();
}

void
cluster_require_team(void)
{
	/* Whoever asks in a connection of Citus' to this very server asks by a ticket, as on a worker. */
	if (!cluster_is_worker() && !session_is_for_queries())
		return;
	ereport(ERROR,
	        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errreason("team_elsewhere"),
	         cluster_is_worker()
	             ? errmsg("the team is not kept on this server")
	             : errmsg("the team is not asked for by a connection that Citus makes for queries"),
	         errdetail("Tickets alone say who is asking here."),
	         errhint("Connect to the server that keeps the team: with Citus, the coordinator.")));
}
