-- Reviews of a team, item by item: tables of the campaigns.  The commands are in part 85.

CREATE TABLE teamrbac.review (
	tenant_id        uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	review_id        uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	started_at       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	started_by       uuid NOT NULL,
	due              timestamptz NOT NULL,
	remove_undecided boolean NOT NULL,
	finished_at      timestamptz,
	finished_by      uuid,
	PRIMARY KEY (tenant_id, review_id)
);
CREATE INDEX review_id_idx ON teamrbac.review (review_id);
CREATE INDEX review_open_idx ON teamrbac.review (due) WHERE finished_at IS NULL;
COMMENT ON TABLE teamrbac.review IS 'Reviews of teams. The record that counts is in the audit: this one is purged with its tenant.';
COMMENT ON COLUMN teamrbac.review.tenant_id IS 'The tenant whose team is reviewed.';
COMMENT ON COLUMN teamrbac.review.review_id IS 'Of the review.';
COMMENT ON COLUMN teamrbac.review.started_at IS 'When it was begun: what is newer is not reviewed.';
COMMENT ON COLUMN teamrbac.review.started_by IS 'The user who began it, or had it begin. No reference: the user may be deleted.';
COMMENT ON COLUMN teamrbac.review.due IS 'Until when all is to be decided.';
COMMENT ON COLUMN teamrbac.review.remove_undecided IS 'Whether what is undecided then is removed; otherwise it is reported.';
COMMENT ON COLUMN teamrbac.review.finished_at IS 'When it was finished; NULL: not yet.';
COMMENT ON COLUMN teamrbac.review.finished_by IS 'The user who finished it.';
COMMENT ON INDEX teamrbac.review_id_idx IS 'Answers the commands on a review.';
COMMENT ON INDEX teamrbac.review_open_idx IS 'Answers access_review and hold_reviews.';

CREATE TABLE teamrbac.review_item (
	tenant_id  uuid NOT NULL,
	review_id  uuid NOT NULL,
	item       integer NOT NULL,
	kind       text NOT NULL,
	subject_id uuid,
	name       text NOT NULL,
	role       text NOT NULL,
	expires_at timestamptz,
	permissions text[] NOT NULL,
	decision   text,
	outcome    text,
	note       text,
	decided_by uuid,
	decided_at timestamptz,
	PRIMARY KEY (tenant_id, review_id, item),
	FOREIGN KEY (tenant_id, review_id) REFERENCES teamrbac.review ON DELETE CASCADE,
	CONSTRAINT review_item_kind CHECK (kind = ANY (ARRAY['member', 'api_key', 'invitation', 'role'])),
	CONSTRAINT review_item_subject CHECK ((subject_id IS NULL) = (kind = 'role')),
	CONSTRAINT review_item_decision CHECK (decision = ANY (ARRAY['keep', 'change', 'remove'])),
	CONSTRAINT review_item_note CHECK (teamrbac.is_printable_name(note))
);
CREATE INDEX review_item_member_idx ON teamrbac.review_item (subject_id) WHERE kind = 'member';
CREATE INDEX review_item_address_idx ON teamrbac.review_item (teamrbac.address_key(name)) WHERE kind = 'invitation';
COMMENT ON INDEX teamrbac.review_item_member_idx IS 'Answers delete_user.';
COMMENT ON INDEX teamrbac.review_item_address_idx IS 'Answers delete_user, by the address that was invited.';
COMMENT ON TABLE teamrbac.review_item IS 'What is to be decided in a review, and what has been.';
COMMENT ON COLUMN teamrbac.review_item.tenant_id IS 'The review''s tenant.';
COMMENT ON COLUMN teamrbac.review_item.review_id IS 'The review.';
COMMENT ON COLUMN teamrbac.review_item.item IS 'Its number in the review, from 1.';
COMMENT ON COLUMN teamrbac.review_item.kind IS 'member, api_key, invitation, or role: one of the tenant''s own.';
COMMENT ON COLUMN teamrbac.review_item.subject_id IS 'The user, the key or the invitation; NULL for a role, whose name is its key.';
COMMENT ON COLUMN teamrbac.review_item.name IS 'For people, as it was when the review began. delete_user puts the kind and the id in its place.';
COMMENT ON COLUMN teamrbac.review_item.role IS 'What it had when the review began: only that can be kept. For a role, its name.';
COMMENT ON COLUMN teamrbac.review_item.expires_at IS 'When that was to end, as the review began; NULL: never. No later end can be kept.';
COMMENT ON COLUMN teamrbac.review_item.permissions IS 'What it might do when the review began: no more than that can be kept.';
COMMENT ON COLUMN teamrbac.review_item.decision IS 'keep, change or remove; NULL: undecided.';
COMMENT ON COLUMN teamrbac.review_item.outcome IS 'What was done about it.';
COMMENT ON COLUMN teamrbac.review_item.note IS 'Why, for people.';
COMMENT ON COLUMN teamrbac.review_item.decided_by IS 'The user who decided it, under their own rights.';
COMMENT ON COLUMN teamrbac.review_item.decided_at IS 'When.';
COMMENT ON CONSTRAINT review_item_kind ON teamrbac.review_item IS 'What has access, is about to, or is given with it.';
COMMENT ON CONSTRAINT review_item_subject ON teamrbac.review_item IS 'A role is known by its name, everything else by an id.';
COMMENT ON CONSTRAINT review_item_decision ON teamrbac.review_item IS 'The three answers.';
COMMENT ON CONSTRAINT review_item_note ON teamrbac.review_item IS 'Fit to be printed.';

CREATE TABLE teamrbac.review_schedule (
	tenant_id        uuid PRIMARY KEY REFERENCES teamrbac.tenant ON DELETE CASCADE,
	every            interval NOT NULL,
	due_in           interval NOT NULL,
	remove_undecided boolean NOT NULL,
	scheduled_by     uuid NOT NULL,
	CONSTRAINT review_schedule_times CHECK (every >= interval '1 day' AND due_in >= interval '1 hour' AND due_in <= every),
	-- It can be taken from the present time, which hold_reviews does for all tenants at once.  The comparison alone does
	-- not tell: days may outweigh months that lead out of all time.
	CONSTRAINT review_schedule_possible CHECK (every <= interval '1000 years'
		AND timestamp '1970-01-01' - every < timestamp '9999-01-01' - every)
);
COMMENT ON TABLE teamrbac.review_schedule IS 'The teams that are reviewed regularly.';
COMMENT ON COLUMN teamrbac.review_schedule.tenant_id IS 'The tenant.';
COMMENT ON COLUMN teamrbac.review_schedule.every IS 'How long after one review began the next one does.';
COMMENT ON COLUMN teamrbac.review_schedule.due_in IS 'How long there is to decide.';
COMMENT ON COLUMN teamrbac.review_schedule.remove_undecided IS 'As in review.';
COMMENT ON COLUMN teamrbac.review_schedule.scheduled_by IS 'The user under whose rights the reviews begin. No reference: the user may be deleted.';
COMMENT ON CONSTRAINT review_schedule_times ON teamrbac.review_schedule IS 'One review at a time, and time to decide.';
COMMENT ON CONSTRAINT review_schedule_possible ON teamrbac.review_schedule IS 'Nothing that hold_reviews could not compute.';

ALTER TABLE teamrbac.review_schedule ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('teamrbac.review_schedule', '');
ALTER TABLE teamrbac.review ENABLE ROW LEVEL SECURITY;
ALTER TABLE teamrbac.review_item ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('teamrbac.review', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.review_item', '');
