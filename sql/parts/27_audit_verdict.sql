-- The verdict on the chains of one id, whoever asks: one pass over the events in their order, in the memory of one event.

CREATE FUNCTION teamrbac.audit_verdict(for_id uuid, OUT scope text, OUT events bigint, OUT broken_at bigint,
	OUT problem text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	chain text;
	head teamrbac.audit_head;
	event record;
	due bigint;             -- what the next event should bear
	due_hash bytea;
	found_at bigint;        -- the first problem's place
	ending text;
	told timestamptz := clock_timestamp();
	total bigint := (SELECT sum(h.sequence - h.anchor_sequence) FROM teamrbac.audit_head AS h
		WHERE h.tenant_id = for_id);
BEGIN
	events := 0;
	FOREACH chain IN ARRAY ARRAY['platform', 'restore', 'tenant', 'user'] LOOP
		SELECT h.* INTO head FROM teamrbac.audit_head AS h WHERE h.tenant_id = for_id AND h.scope = chain;
		due := head.anchor_sequence + 1;
		due_hash := head.anchor_hash;
		ending := 'missing';
		FOR event IN
			SELECT e.sequence, e.previous_hash, e.hash, e.hash IS DISTINCT FROM teamrbac.audit_hash(e) AS changed
			FROM teamrbac.audit_event AS e
			WHERE e.tenant_id = for_id AND e.scope = chain ORDER BY e.sequence
		LOOP
			IF problem IS NULL THEN
				problem := CASE WHEN due IS NULL THEN 'the chain has no head'
								WHEN event.sequence > due THEN 'missing'
								WHEN event.sequence < due THEN 'older than the events that were removed'
								WHEN event.changed THEN 'changed'
								WHEN event.previous_hash <> due_hash THEN 'not the successor of the event before' END;
				IF problem IS NOT NULL THEN
					scope := chain;
					found_at := LEAST(event.sequence, due);
					broken_at := CASE problem WHEN 'missing' THEN due ELSE event.sequence END;
				END IF;
			END IF;
			due := event.sequence + 1;
			due_hash := event.hash;
			ending := CASE WHEN event.sequence > head.sequence THEN 'added' WHEN event.sequence = head.sequence
						   THEN 'not the event that was recorded last' ELSE 'missing' END;
			events := events + 1;
			IF events % 1000 = 0 AND clock_timestamp() >= told + interval '1 second' THEN
				RAISE NOTICE 'verified % of about % events', events, total;
				told := clock_timestamp();
			END IF;
		END LOOP;
		-- The head remembers the end, which no event's successor could.
		CONTINUE WHEN head.sequence IS NULL OR (due - 1, due_hash) = (head.sequence, head.hash);
		IF problem IS NULL OR scope = chain AND (LEAST(head.sequence, due - 1) + 1, ending) < (found_at, problem) THEN
			scope := chain;
			found_at := LEAST(head.sequence, due - 1) + 1;
			broken_at := found_at;
			problem := ending;
		END IF;
	END LOOP;
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION teamrbac.audit_verdict(uuid, OUT text, OUT bigint, OUT bigint, OUT text) IS
	'Internal to verify_audit and check_setup: what is wrong first with the chains of a tenant, a user, the nil uuid or a session that loaded, and how many events they have; problem NULL: nothing. About once a second a notice says how far it is.';
REVOKE ALL ON FUNCTION teamrbac.audit_verdict(uuid) FROM PUBLIC;
