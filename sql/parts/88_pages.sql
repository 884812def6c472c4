-- What pages of a large team are read by: indexes that begin with the tenant, in the order of the page.

-- Members by name, and by what a search for them may begin with.  A member has several terms, and is to be found once:
-- by the one of them that shares least with those before it.  So a search for n characters reads the terms that share
-- less than n, each group of them in order, and no more rows than the page has.
CREATE TABLE teamrbac.member_term (
	tenant_id uuid NOT NULL,
	kind      "char" NOT NULL,
	shared    smallint NOT NULL,
	term      text COLLATE "C" NOT NULL,
	user_id   uuid NOT NULL,
	PRIMARY KEY (tenant_id, kind, shared, term, user_id),
	CONSTRAINT member_term_kind CHECK (kind = ANY (ARRAY['n', 'w', 'a']::"char"[]))
);
CREATE INDEX member_term_user_idx ON teamrbac.member_term (user_id, tenant_id);
COMMENT ON TABLE teamrbac.member_term IS
	'What members_page finds the members of each tenant by, made of app_user and kept by triggers. No reference: it follows membership.';
COMMENT ON COLUMN teamrbac.member_term.tenant_id IS 'The tenant.';
COMMENT ON COLUMN teamrbac.member_term.kind IS
	'n: the name; w: the name from a later word of it on; a: the e-mail address.';
COMMENT ON COLUMN teamrbac.member_term.shared IS
	'How many characters it begins with like another term of the same member''s that is found before it.';
COMMENT ON COLUMN teamrbac.member_term.term IS 'In lower case.';
COMMENT ON COLUMN teamrbac.member_term.user_id IS 'The member.';
COMMENT ON CONSTRAINT member_term_kind ON teamrbac.member_term IS
	'Addresses are apart, since only who manages the team may search them.';
COMMENT ON INDEX teamrbac.member_term_user_idx IS
	'Finds the terms of a user who is renamed, and of a member who goes.';
ALTER TABLE teamrbac.member_term ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('teamrbac.member_term', '');

CREATE FUNCTION teamrbac.shared_length(a text, b text) RETURNS smallint
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_shared_length';
COMMENT ON FUNCTION teamrbac.shared_length(text, text) IS
	'Internal to terms_of_name: how many characters the two begin with alike.';
CREATE FUNCTION teamrbac.prefix_end(prefix text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'teamrbac_prefix_end';
COMMENT ON FUNCTION teamrbac.prefix_end(text) IS
	'Internal to members_page and invitations_page: what follows, under collation "C", all that begins with the prefix. For comparison only.';
CREATE FUNCTION teamrbac.terms_of_name(display_name text, email text, OUT kind "char", OUT shared smallint,
	OUT term text)
	RETURNS SETOF record
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp ROWS 3
AS $$
	WITH term AS MATERIALIZED (
		SELECT w.place, CASE w.place WHEN 0 THEN 'n' ELSE 'w' END AS kind, w.words[1] AS term
		FROM (SELECT i.place, regexp_match(l.name, format('^(?:\S+\s+){%s}(.*)$', i.place)) AS words
			  FROM (SELECT regexp_replace(btrim(lower(display_name)), '\s+', ' ', 'g') AS name) AS l,
				   generate_series(0, 3) AS i(place)) AS w
		WHERE w.place = 0 OR w.words[1] <> ''
		UNION ALL
		SELECT 4, 'a', lower(email)
	)
	SELECT t.kind::"char",
		   COALESCE((SELECT max(teamrbac.shared_length(t.term, before.term)) FROM term AS before
			WHERE before.place < t.place), 0::smallint),
		   COALESCE(t.term, '')
	FROM term AS t;
$$;
COMMENT ON FUNCTION teamrbac.terms_of_name(text, text, OUT "char", OUT smallint, OUT text) IS
	'Internal to index_members: the rows of member_term for a name and an address: the name from each of its first four words on, and the address.';
CREATE FUNCTION teamrbac.index_members() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_index_members';
COMMENT ON FUNCTION teamrbac.index_members() IS
	'Trigger function on membership and app_user: keeps member_term. Locks the user''s row FOR SHARE, or the user''s memberships FOR KEY SHARE.';
REVOKE ALL ON FUNCTION teamrbac.shared_length(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.prefix_end(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.terms_of_name(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION teamrbac.index_members() FROM PUBLIC;

-- Not enabled ALWAYS: a subscriber of logical replication gets the terms with the other tables, and would have them twice.
CREATE TRIGGER index_members AFTER INSERT OR UPDATE OF tenant_id, user_id OR DELETE ON teamrbac.membership
	FOR EACH ROW EXECUTE FUNCTION teamrbac.index_members();
CREATE TRIGGER index_members_truncate AFTER TRUNCATE ON teamrbac.membership
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.index_members();
CREATE TRIGGER index_members AFTER INSERT OR UPDATE OF user_id, email, display_name OR DELETE ON teamrbac.app_user
	FOR EACH ROW EXECUTE FUNCTION teamrbac.index_members();

CREATE INDEX invitation_page_idx ON teamrbac.invitation
	(tenant_id, (teamrbac.address_key(email) COLLATE "C"), invitation_id) WHERE state = 'pending';
COMMENT ON INDEX teamrbac.invitation_page_idx IS 'Answers invitations_page.';

CREATE INDEX audit_event_action_idx ON teamrbac.audit_event (tenant_id, action, sequence) WHERE scope = 'tenant';
CREATE INDEX audit_event_actor_idx ON teamrbac.audit_event (tenant_id, actor_id, sequence) WHERE scope = 'tenant'
	AND actor_id IS NOT NULL;
CREATE INDEX audit_event_subject_idx ON teamrbac.audit_event (tenant_id, subject, sequence) WHERE scope = 'tenant';
COMMENT ON INDEX teamrbac.audit_event_action_idx IS 'Answers audit_page by action.';
COMMENT ON INDEX teamrbac.audit_event_actor_idx IS 'Answers audit_page by actor.';
COMMENT ON INDEX teamrbac.audit_event_subject_idx IS 'Answers audit_page by subject.';
