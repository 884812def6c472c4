-- What a scheduler does: nothing of it decides what is allowed, since whatever has expired is refused at
-- once.  The procedures run as whoever calls them, a superuser as a rule: a procedure that commits can
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

-- The end of deleted tenants, by the plan of the part before.

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
	'Internal to purge: deletes at most batch_size rows of a tenant past teamrbac.deleted_tenant_retention, each as the owner of its table, and the tenant when none is left. Returns whether there is more to do. Errors: 22023 batch_size not positive; 23503 a foreign key without ON DELETE keeps the tenant; 55000 a table of another role stands behind one of the tenant''s. Locks the tenant''s row, and the tables ROW EXCLUSIVE; does nothing if somebody else has locked the row.';
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

CREATE FUNCTION teamrbac.purge_token_batch(batch_size integer) RETURNS bigint
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_purge_token_batch';
COMMENT ON FUNCTION teamrbac.purge_token_batch(integer) IS
	'Internal to purge: deletes at most batch_size notes of one-time tokens that have expired, and returns how many. Errors: 22023 batch_size not positive. Skips rows that others have locked.';
REVOKE ALL ON FUNCTION teamrbac.purge_token_batch(integer) FROM PUBLIC;

CREATE FUNCTION teamrbac.purge_use_batch(batch_size integer) RETURNS bigint
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_purge_use_batch';
COMMENT ON FUNCTION teamrbac.purge_use_batch(integer) IS
	'Internal to purge: forgets which permissions former members and revoked keys used, at most batch_size of each, and returns how many. Errors: 22023 batch_size not positive. Skips rows that others have locked.';
REVOKE ALL ON FUNCTION teamrbac.purge_use_batch(integer) FROM PUBLIC;

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
		RAISE EXCEPTION 'batch_size must be positive' USING ERRCODE = '22023', CONSTRAINT = 'batch_size_invalid';
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
		EXIT WHEN teamrbac.purge_token_batch(batch_size) OPERATOR(pg_catalog.=) 0;
		COMMIT;
	END LOOP;
	LOOP
		EXIT WHEN teamrbac.purge_use_batch(batch_size) OPERATOR(pg_catalog.=) 0;
		COMMIT;
	END LOOP;
	LOOP
		EXIT WHEN teamrbac.purge_audit_batch(batch_size) OPERATOR(pg_catalog.=) 0;
		COMMIT;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE teamrbac.purge(integer) IS
	'Deletes for good, at most batch_size rows in a transaction: tenants deleted longer ago than teamrbac.deleted_tenant_retention, with the application''s rows whose foreign keys say ON DELETE CASCADE; mail that was sent, withdrawn or given up and is 30 days old; invitations that ceased to be pending, and links that expired, longer ago than teamrbac.invitation_retention; what is known of one-time tokens that have expired; what was recorded of former members and revoked keys; audit events older than teamrbac.audit_retention. Each table is read and changed as its owner. A tenant that a foreign key without ON DELETE keeps is left, with a WARNING that names the table; so is one with a table behind which, by foreign keys with ON DELETE, there is a table of another role. For a scheduler. Errors: 22023 batch_size not positive. Locks the tenant''s row; leaves a tenant that somebody else has locked for the next run.';
REVOKE ALL ON PROCEDURE teamrbac.purge(integer) FROM PUBLIC;
