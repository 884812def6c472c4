-- The audit's retention.

CREATE FUNCTION teamrbac.purge_audit_batch(batch_size integer) RETURNS bigint
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_purge_audit_batch';
COMMENT ON FUNCTION teamrbac.purge_audit_batch(integer) IS
	'Internal to the maintenance: removes up to batch_size events older than teamrbac.audit_retention and returns how many. Each is verified before; the last one removed of a chain stays as its anchor, on which verify_audit goes on. A chain that is broken keeps its events from the break on, with a warning. Errors: 22023 batch_size not positive. Locks the heads of the chains, skips those that somebody has locked.';
REVOKE ALL ON FUNCTION teamrbac.purge_audit_batch(integer) FROM PUBLIC;
