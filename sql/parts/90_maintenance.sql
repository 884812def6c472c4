-- What a scheduler does: nothing of it decides what is allowed, since whatever has expired is refused at
-- once.  The procedures run as whoever calls them, the extension's owner as a rule: a procedure that commits can
-- be neither SECURITY DEFINER nor have settings of its own, so every name in them is qualified.

CREATE FUNCTION teamrbac.expire_membership_batch(batch_size integer) RETURNS bigint
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_expire_membership_batch';
COMMENT ON FUNCTION teamrbac.expire_membership_batch(integer) IS
	'Internal to expire_memberships: ends at most batch_size memberships that are due, and returns how many. Errors: 22023 batch_size not positive. Locks the tenants'' rows, skips those that others have locked.';
REVOKE ALL ON FUNCTION teamrbac.expire_membership_batch(integer) FROM PUBLIC;

CREATE PROCEDURE teamrbac.expire_memberships(batch_size integer DEFAULT 1000)
	LANGUAGE plpgsql
AS $$
BEGIN
	LOOP
		EXIT WHEN teamrbac.expire_membership_batch(batch_size) OPERATOR(pg_catalog.=) 0;
		COMMIT;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE teamrbac.expire_memberships(integer) IS
	'Removes memberships that have expired, batch_size in a transaction. For a scheduler. Errors: 22023 batch_size not positive. Never waits for a tenant: one that a command has locked is left for the next run.';
REVOKE ALL ON PROCEDURE teamrbac.expire_memberships(integer) FROM PUBLIC;

CREATE INDEX membership_expires_idx ON teamrbac.membership (expires_at) WHERE expires_at IS NOT NULL;
COMMENT ON INDEX teamrbac.membership_expires_idx IS 'Answers expire_memberships.';

-- The end of deleted tenants.

CREATE FUNCTION teamrbac.key_condition(foreign_key oid, parent text, child text) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format('%s OPERATOR(%I.%s) %s.%I', CASE WHEN f.confrelid = 'teamrbac.tenant'::regclass AND p.attname = 'tenant_id' THEN '$1'
															   WHEN f.confrelid = 'teamrbac.tenant'::regclass AND p.attname = 'slug' THEN '$2'
															   ELSE format('%s.%I', parent, p.attname) END,
							 n.nspname, o.oprname, child, c.attname), ' AND ' ORDER BY k.n)
	FROM pg_constraint AS f
	CROSS JOIN LATERAL unnest(f.conkey, f.confkey, f.conpfeqop) WITH ORDINALITY AS k(child_column, parent_column, equals, n)
	JOIN pg_attribute AS c ON c.attrelid = f.conrelid AND c.attnum = k.child_column
	JOIN pg_attribute AS p ON p.attrelid = f.confrelid AND p.attnum = k.parent_column
	JOIN pg_operator AS o ON o.oid = k.equals
	JOIN pg_namespace AS n ON n.oid = o.oprnamespace
	WHERE f.oid = foreign_key;
$$;
COMMENT ON FUNCTION teamrbac.key_condition(oid, text, text) IS
	'Internal to purge: that a row of alias child refers by a foreign key to the row of alias parent, or to the tenant whose id is $1 and whose slug is $2.';
REVOKE ALL ON FUNCTION teamrbac.key_condition(oid, text, text) FROM PUBLIC;

CREATE FUNCTION teamrbac.purge_plan(OUT relation regclass, OUT name text, OUT row_name text, OUT condition text, OUT leaves text, OUT cascades boolean)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE reference AS MATERIALIZED (
		-- Foreign keys as they were declared, without their copies for partitions.
		SELECT f.oid, f.conrelid AS child, f.confrelid AS parent, f.confdeltype AS on_delete, f.conkey, f.confkey, f.conpfeqop
		FROM pg_constraint AS f WHERE f.contype = 'f' AND f.conparentid = 0
	), reached AS (
		-- From the tenant's row downwards: which rows of a table are the tenant's.  A table that names the tenant
		-- itself is not looked for along longer ways.
		SELECT 'teamrbac.tenant'::regclass::oid AS relation, 0 AS depth, a.attnum AS tenant_column,
			   't0.tenant_id = $1' COLLATE "C" AS condition, true AS cascades, ARRAY['teamrbac.tenant'::regclass::oid] AS path
		FROM pg_attribute AS a WHERE a.attrelid = 'teamrbac.tenant'::regclass AND a.attname = 'tenant_id'
		UNION ALL
		SELECT r.child, p.depth + 1, own.attnum,
			   CASE WHEN own.attnum IS NOT NULL THEN format('t%s.%I = $1', p.depth + 1, own.attname)
					WHEN p.depth = 0 THEN teamrbac.key_condition(r.oid, 't0', 't1')
					ELSE format('EXISTS (SELECT FROM %s%s AS t%s WHERE %s AND %s)', CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END,
								r.parent::regclass, p.depth, teamrbac.key_condition(r.oid, 't' || p.depth, 't' || (p.depth + 1)), p.condition) END,
			   r.on_delete = 'c', p.path || r.child
		FROM reached AS p
		JOIN reference AS r ON r.parent = p.relation AND r.child <> ALL (p.path)
		JOIN pg_class AS c ON c.oid = r.parent
		LEFT JOIN LATERAL (SELECT a.attnum, a.attname
						   FROM unnest(r.conkey, r.confkey) AS k(child_column, parent_column)
						   JOIN pg_attribute AS a ON a.attrelid = r.child AND a.attnum = k.child_column
						   WHERE k.parent_column = p.tenant_column AND a.atttypid = 'uuid'::regtype) AS own ON true
		WHERE p.cascades AND r.on_delete IN ('a', 'r', 'c')
		  AND (p.depth = 0 OR NOT EXISTS (SELECT FROM reference AS direct WHERE direct.child = r.child
										  AND direct.parent = 'teamrbac.tenant'::regclass AND direct.on_delete = 'c'))
	), step AS (
		SELECT DISTINCT ON (r.relation) r.relation, r.depth, r.condition, r.cascades
		FROM reached AS r WHERE r.depth > 0
		ORDER BY r.relation, r.cascades DESC, r.depth, r.condition
	), way(relation, n) AS (
		-- How many tables a row may refer on through that leads here; round and round, if they refer in a circle.
		SELECT s.relation, 0::bigint FROM step AS s
		UNION
		SELECT parent.relation, w.n + 1
		FROM way AS w
		JOIN reference AS r ON COALESCE(pg_partition_root(r.child), r.child) = w.relation
		JOIN step AS parent ON parent.relation = COALESCE(pg_partition_root(r.parent), r.parent) AND parent.relation <> w.relation
		WHERE w.n < (SELECT count(*) FROM step)
	), ordered AS (
		SELECT s.relation, s.depth, s.condition, s.cascades, 't' || s.depth AS row_name,
			   (SELECT max(w.n) FROM way AS w WHERE w.relation = s.relation) AS height
		FROM step AS s
	)
	SELECT COALESCE(leaf.relid, o.relation), COALESCE(leaf.relid, o.relation)::regclass::text, o.row_name, o.condition,
		   -- Where the order does not see to it: in trees and circles.
		   (SELECT string_agg(format('NOT EXISTS (SELECT FROM %s AS c WHERE %s AND ROW(c.tableoid, c.ctid) <> ROW(%s.tableoid, %s.ctid))',
									 r.child::regclass, teamrbac.key_condition(r.oid, o.row_name, 'c'), o.row_name, o.row_name), ' AND ' ORDER BY r.oid)
			FROM reference AS r JOIN ordered AS other ON other.relation = r.child AND other.cascades AND other.height >= o.height
			WHERE r.parent = o.relation AND r.on_delete IN ('a', 'r', 'c')),
		   o.cascades
	FROM ordered AS o
	LEFT JOIN LATERAL pg_partition_tree(o.relation) AS leaf ON leaf.isleaf AND o.cascades
	ORDER BY o.height, o.depth DESC, o.relation::regclass::text COLLATE "C", leaf.relid;
$$;
COMMENT ON FUNCTION teamrbac.purge_plan(OUT regclass, OUT text, OUT text, OUT text, OUT text, OUT boolean) IS
	'Internal to purge: the tables with rows that refer to a tenant or to its rows, in the order of deletion. cascades false: their foreign key says neither ON DELETE CASCADE nor SET NULL nor SET DEFAULT, so that a tenant with such rows stays. condition: of the rows, of alias row_name, whose tenant is $1, with slug $2; leaves: that no other row refers to them, where the order does not see to that.';
REVOKE ALL ON FUNCTION teamrbac.purge_plan(OUT regclass, OUT text, OUT text, OUT text, OUT text, OUT boolean) FROM PUBLIC;

CREATE FUNCTION teamrbac.purge_references(OUT relation regclass, OUT name text, OUT target text, OUT condition text, OUT assignments text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT f.conrelid, f.conrelid::regclass::text, CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END || f.conrelid::regclass, teamrbac.key_condition(f.oid, 't0', 't1'),
		   CASE WHEN f.confdeltype IN ('n', 'd')
				THEN (SELECT string_agg(format('%I = %s', a.attname, CASE f.confdeltype WHEN 'n' THEN 'NULL' ELSE 'DEFAULT' END), ', ' ORDER BY a.attnum)
					  FROM pg_attribute AS a WHERE a.attrelid = f.conrelid AND a.attnum = ANY (COALESCE(f.confdelsetcols, f.conkey))) END
	FROM pg_constraint AS f JOIN pg_class AS c ON c.oid = f.conrelid
	WHERE f.contype = 'f' AND f.confrelid = 'teamrbac.tenant'::regclass AND f.conparentid = 0
	ORDER BY f.conrelid::regclass::text COLLATE "C", f.conname;
$$;
COMMENT ON FUNCTION teamrbac.purge_references(OUT regclass, OUT text, OUT text, OUT text, OUT text) IS
	'Internal to purge: the foreign keys to teamrbac.tenant. target: the table, as UPDATE names it; condition: of the rows, of alias t1, that refer to the tenant whose id is $1 and whose slug is $2; assignments: what ON DELETE SET NULL or SET DEFAULT does to them.';
REVOKE ALL ON FUNCTION teamrbac.purge_references(OUT regclass, OUT text, OUT text, OUT text, OUT text) FROM PUBLIC;

CREATE FUNCTION teamrbac.next_tenant_to_purge(after uuid) RETURNS uuid
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_next_tenant_to_purge';
COMMENT ON FUNCTION teamrbac.next_tenant_to_purge(uuid) IS
	'Internal to purge: the next tenant past teamrbac.deleted_tenant_retention, in the order of their ids; NULL begins, and ends.';
REVOKE ALL ON FUNCTION teamrbac.next_tenant_to_purge(uuid) FROM PUBLIC;
CREATE FUNCTION teamrbac.purge_tenant_batch(tenant_id uuid, batch_size integer) RETURNS boolean
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_purge_tenant_batch';
COMMENT ON FUNCTION teamrbac.purge_tenant_batch(uuid, integer) IS
	'Internal to purge: deletes at most batch_size rows of a tenant past teamrbac.deleted_tenant_retention, with the rights of their tables'' owners (who may read the tables that these rows refer to), and the tenant when none is left. Returns whether there is more to do. Errors: 22023 batch_size not positive; 23503 a foreign key without ON DELETE keeps the tenant. Locks the tenant''s row; does nothing if somebody else has.';
REVOKE ALL ON FUNCTION teamrbac.purge_tenant_batch(uuid, integer) FROM PUBLIC;

CREATE FUNCTION teamrbac.purge_mail_batch(batch_size integer) RETURNS bigint
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_purge_mail_batch';
COMMENT ON FUNCTION teamrbac.purge_mail_batch(integer) IS
	'Internal to purge: deletes at most batch_size mails that were queued 30 days ago and are no longer to be sent, and returns how many. Errors: 22023 batch_size not positive. Skips rows that others have locked.';
REVOKE ALL ON FUNCTION teamrbac.purge_mail_batch(integer) FROM PUBLIC;
CREATE INDEX outbox_done_idx ON teamrbac.outbox (created_at) WHERE next_attempt_at IS NULL;
COMMENT ON INDEX teamrbac.outbox_done_idx IS 'Answers purge.';

CREATE FUNCTION teamrbac.purge_invitation_batch(batch_size integer) RETURNS bigint
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_purge_invitation_batch';
COMMENT ON FUNCTION teamrbac.purge_invitation_batch(integer) IS
	'Internal to purge: deletes at most batch_size invitations that ceased to be pending, and links that expired, longer ago than teamrbac.invitation_retention, and returns how many. Errors: 22023 batch_size not positive. Locks the tenants'' rows, skips those that others have locked.';
REVOKE ALL ON FUNCTION teamrbac.purge_invitation_batch(integer) FROM PUBLIC;
CREATE INDEX invitation_decided_idx ON teamrbac.invitation (decided_at) WHERE decided_at IS NOT NULL;
COMMENT ON INDEX teamrbac.invitation_decided_idx IS 'Answers purge.';

CREATE PROCEDURE teamrbac.purge(batch_size integer DEFAULT 1000)
	LANGUAGE plpgsql
AS $$
DECLARE
	tenant uuid;
	more boolean;
	detail text;
	hint text;
BEGIN
	IF batch_size IS NULL OR batch_size OPERATOR(pg_catalog.<) 1 THEN
		RAISE EXCEPTION 'batch_size must be positive' USING ERRCODE = '22023';
	END IF;
	LOOP
		tenant := teamrbac.next_tenant_to_purge(tenant);
		EXIT WHEN tenant IS NULL;
		more := true;
		WHILE more LOOP
			BEGIN
				more := teamrbac.purge_tenant_batch(tenant, batch_size);
			EXCEPTION WHEN OTHERS THEN
				-- One tenant must not keep the others.
				more := false;
				GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
				RAISE WARNING 'tenant % is not purged: %', tenant, SQLERRM
					USING ERRCODE = SQLSTATE,
						DETAIL = pg_catalog.rtrim(pg_catalog.replace(pg_catalog.concat_ws(' ', pg_catalog.concat('SQLSTATE ', SQLSTATE, '.'), detail, hint), '  ', ' '));
			END;
			COMMIT;
		END LOOP;
	END LOOP;
	LOOP
		EXIT WHEN teamrbac.purge_mail_batch(batch_size) OPERATOR(pg_catalog.=) 0;
		COMMIT;
	END LOOP;
	LOOP
		EXIT WHEN teamrbac.purge_invitation_batch(batch_size) OPERATOR(pg_catalog.=) 0;
		COMMIT;
	END LOOP;
	LOOP
		EXIT WHEN teamrbac.purge_audit_batch(batch_size) OPERATOR(pg_catalog.=) 0;
		COMMIT;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE teamrbac.purge(integer) IS
	'Deletes for good, at most batch_size rows in a transaction: tenants deleted longer ago than teamrbac.deleted_tenant_retention, with the application''s rows whose foreign keys say ON DELETE CASCADE; mail that was sent, withdrawn or given up and is 30 days old; invitations that ceased to be pending, and links that expired, longer ago than teamrbac.invitation_retention; audit events older than teamrbac.audit_retention. A tenant that a foreign key without ON DELETE keeps is left, with a WARNING that names the table. For a scheduler. Errors: 22023 batch_size not positive. Locks the tenant''s row; leaves a tenant that somebody else has locked for the next run.';
REVOKE ALL ON PROCEDURE teamrbac.purge(integer) FROM PUBLIC;
