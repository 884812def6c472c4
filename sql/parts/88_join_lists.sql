-- Links, domains, requests and lost mail for people at a psql prompt, as 87_lists.sql does others.

CREATE VIEW teamrbac.invitation_link_list WITH (security_barrier = true) AS
	SELECT COALESCE(t.slug, t.name)::varchar(20) AS tenant,
		   l.role,
		   l.state,
		   l.used || ' of ' || l.uses AS used,
		   l.maker::varchar(30) AS maker,
		   pg_catalog.to_char(l.expires_at, 'YYYY-MM-DD HH24:MI') AS expires_at
	FROM teamrbac.invitation_link_overview AS l
	JOIN teamrbac.tenant AS t ON t.tenant_id = l.tenant_id
	ORDER BY 1, l.made_at, l.link_id;
COMMENT ON VIEW teamrbac.invitation_link_list IS 'View invitation_link_overview for people: no ids, within 120 columns.';
COMMENT ON COLUMN teamrbac.invitation_link_list.tenant IS 'The tenant''s slug, or else its name, cut after 20 characters.';
COMMENT ON COLUMN teamrbac.invitation_link_list.role IS 'What whoever uses it will be there.';
COMMENT ON COLUMN teamrbac.invitation_link_list.state IS 'active, used up, expired or revoked.';
COMMENT ON COLUMN teamrbac.invitation_link_list.used IS 'How many have joined by it, of how many who may.';
COMMENT ON COLUMN teamrbac.invitation_link_list.maker IS 'The name of whoever made it, cut after 30 characters; NULL: deleted.';
COMMENT ON COLUMN teamrbac.invitation_link_list.expires_at IS 'From then on it is refused; in the session''s time zone.';

CREATE VIEW teamrbac.tenant_domain_list WITH (security_barrier = true) AS
	SELECT COALESCE(t.slug, t.name)::varchar(20) AS tenant,
		   d.domain::varchar(40) AS domain,
		   d.role,
		   d.automatic,
		   d.allower::varchar(20) AS allower
	FROM teamrbac.tenant_domain_overview AS d
	JOIN teamrbac.tenant AS t ON t.tenant_id = d.tenant_id
	ORDER BY 1, d.tenant_id, d.domain;
COMMENT ON VIEW teamrbac.tenant_domain_list IS 'View tenant_domain_overview for people: no ids, within 120 columns.';
COMMENT ON COLUMN teamrbac.tenant_domain_list.tenant IS 'The tenant''s slug, or else its name, cut after 20 characters.';
COMMENT ON COLUMN teamrbac.tenant_domain_list.domain IS 'The domain, cut after 40 characters.';
COMMENT ON COLUMN teamrbac.tenant_domain_list.role IS 'What whoever joins will be there.';
COMMENT ON COLUMN teamrbac.tenant_domain_list.automatic IS 'Whether they may join by themselves, or ask.';
COMMENT ON COLUMN teamrbac.tenant_domain_list.allower IS 'The name of whoever allowed it, cut after 20 characters; NULL: deleted.';

CREATE VIEW teamrbac.join_request_list WITH (security_barrier = true) AS
	SELECT COALESCE(t.slug, t.name)::varchar(20) AS tenant,
		   r.display_name::varchar(20) AS name,
		   r.email,
		   r.role,
		   r.state
	FROM teamrbac.join_request_overview AS r
	JOIN teamrbac.tenant AS t ON t.tenant_id = r.tenant_id
	ORDER BY 1, r.changed_at, r.user_id;
COMMENT ON VIEW teamrbac.join_request_list IS 'View join_request_overview for people: no ids, within 120 columns.';
COMMENT ON COLUMN teamrbac.join_request_list.tenant IS 'The tenant''s slug, or else its name, cut after 20 characters.';
COMMENT ON COLUMN teamrbac.join_request_list.name IS 'Who asks, cut after 20 characters.';
COMMENT ON COLUMN teamrbac.join_request_list.email IS 'Their address.';
COMMENT ON COLUMN teamrbac.join_request_list.role IS 'What they will be unless another role is given.';
COMMENT ON COLUMN teamrbac.join_request_list.state IS 'pending or refused.';

CREATE VIEW teamrbac.undelivered_mail_list WITH (security_barrier = true) AS
	SELECT COALESCE(t.slug, t.name)::varchar(15) AS tenant,
		   o.kind,
		   o.recipient::varchar(30) AS recipient,
		   o.failed_at::date AS failed,
		   o.reason::varchar(30) AS reason
	FROM teamrbac.undelivered_mail AS o
	JOIN teamrbac.tenant AS t ON t.tenant_id = o.tenant_id
	ORDER BY 1, o.failed_at, o.mail_id;
COMMENT ON VIEW teamrbac.undelivered_mail_list IS 'View undelivered_mail for people: no ids, within 120 columns.';
COMMENT ON COLUMN teamrbac.undelivered_mail_list.tenant IS 'The tenant''s slug, or else its name, cut after 15 characters.';
COMMENT ON COLUMN teamrbac.undelivered_mail_list.kind IS 'What it says: invitation, removed, ...';
COMMENT ON COLUMN teamrbac.undelivered_mail_list.recipient IS 'Whom it should have gone to, cut after 30 characters.';
COMMENT ON COLUMN teamrbac.undelivered_mail_list.failed IS 'The day it was given up or came back, in the session''s time zone.';
COMMENT ON COLUMN teamrbac.undelivered_mail_list.reason IS 'What the mail server said, cut after 30 characters.';

GRANT SELECT ON teamrbac.invitation_link_list, teamrbac.tenant_domain_list, teamrbac.join_request_list, teamrbac.undelivered_mail_list TO PUBLIC;
