-- The views once more, for people at a psql prompt: two uuids alone take 75 of a window's 120 columns, so these
-- say names instead, cut short, and times to the minute.  A program reads the views that have the ids.

CREATE VIEW teamrbac.team_list WITH (security_barrier = true) AS
	SELECT COALESCE(t.slug, t.name)::varchar(20) AS tenant,
		   m.display_name::varchar(30) AS member,
		   m.email,
		   m.role,
		   pg_catalog.to_char(m.expires_at, 'YYYY-MM-DD HH24:MI') AS expires_at
	FROM teamrbac.team AS m
	JOIN teamrbac.tenant AS t ON t.tenant_id = m.tenant_id
	ORDER BY 1, 2, m.tenant_id, m.user_id;
COMMENT ON VIEW teamrbac.team_list IS 'View team for people: no ids, within 120 columns.';
COMMENT ON COLUMN teamrbac.team_list.tenant IS 'The tenant''s slug, or else its name, cut after 20 characters.';
COMMENT ON COLUMN teamrbac.team_list.member IS 'Their name, cut after 30 characters.';
COMMENT ON COLUMN teamrbac.team_list.email IS 'Their address: one''s own, and all with team.manage.';
COMMENT ON COLUMN teamrbac.team_list.role IS 'What they are there.';
COMMENT ON COLUMN teamrbac.team_list.expires_at IS 'When the membership ends by itself, in the session''s time zone; NULL: never.';

CREATE VIEW teamrbac.pending_invitation_list WITH (security_barrier = true) AS
	SELECT COALESCE(t.slug, t.name)::varchar(20) AS tenant,
		   i.email,
		   i.role,
		   i.invited_by::varchar(30) AS invited_by,
		   pg_catalog.to_char(i.expires_at, 'YYYY-MM-DD HH24:MI') AS expires_at
	FROM teamrbac.pending_invitation AS i
	JOIN teamrbac.tenant AS t ON t.tenant_id = i.tenant_id
	ORDER BY 1, 2, i.tenant_id, i.invitation_id;
COMMENT ON VIEW teamrbac.pending_invitation_list IS 'View pending_invitation for people: no ids, within 120 columns.';
COMMENT ON COLUMN teamrbac.pending_invitation_list.tenant IS 'The tenant''s slug, or else its name, cut after 20 characters.';
COMMENT ON COLUMN teamrbac.pending_invitation_list.email IS 'Who is invited.';
COMMENT ON COLUMN teamrbac.pending_invitation_list.role IS 'What they will be there.';
COMMENT ON COLUMN teamrbac.pending_invitation_list.invited_by IS 'The name of whoever sent it last, cut after 30 characters; NULL: deleted.';
COMMENT ON COLUMN teamrbac.pending_invitation_list.expires_at IS 'From then on it is refused; in the session''s time zone.';

CREATE VIEW teamrbac.api_key_list WITH (security_barrier = true) AS
	SELECT COALESCE(t.slug, t.name)::varchar(15) AS tenant,
		   k.name::varchar(30) AS name,
		   k.role,
		   k.state,
		   k.creator::varchar(15) AS creator,
		   k.last_used_at::date AS last_used,
		   k.expires_at::date AS expires
	FROM teamrbac.api_key_overview AS k
	JOIN teamrbac.tenant AS t ON t.tenant_id = k.tenant_id
	ORDER BY 1, 2, k.created_at, k.key_id;
COMMENT ON VIEW teamrbac.api_key_list IS 'View api_key_overview for people: no ids, within 120 columns.';
COMMENT ON COLUMN teamrbac.api_key_list.tenant IS 'The tenant''s slug, or else its name, cut after 15 characters.';
COMMENT ON COLUMN teamrbac.api_key_list.name IS 'Whose it is and what for, cut after 30 characters.';
COMMENT ON COLUMN teamrbac.api_key_list.role IS 'What it may do, but for what is for people only.';
COMMENT ON COLUMN teamrbac.api_key_list.state IS 'active, rotated (works until it expires), expired or revoked.';
COMMENT ON COLUMN teamrbac.api_key_list.creator IS 'The name of whoever made or rotated it, cut after 15 characters; NULL: deleted.';
COMMENT ON COLUMN teamrbac.api_key_list.last_used IS 'The day it signed in last, in the session''s time zone; NULL: never.';
COMMENT ON COLUMN teamrbac.api_key_list.expires IS 'The day it ends by itself, in the session''s time zone; NULL: never.';

CREATE VIEW teamrbac.audit_list WITH (security_barrier = true) AS
	SELECT COALESCE(t.slug, t.name) AS tenant,
		   e.sequence AS event,
		   pg_catalog.to_char(e.occurred_at, 'YYYY-MM-DD HH24:MI') AS occurred_at,
		   CASE WHEN e.actor_kind = 'api_key' THEN COALESCE('key ' || e.actor_name, e.actor) ELSE e.actor END AS actor,
		   e.action,
		   COALESCE(CASE WHEN e.subject ~ '^api_key:' THEN 'key ' || e.subject_name ELSE e.subject_name END, e.subject) AS subject,
		   e.before,
		   e.after
	FROM teamrbac.audit_trail AS e
	LEFT JOIN teamrbac.tenant AS t ON t.tenant_id = e.tenant_id
	ORDER BY e.tenant_id, e.sequence;
COMMENT ON VIEW teamrbac.audit_list IS
	'View audit_trail for people: names in full, as they are now, instead of ids. In psql, audit_list_narrow fits the window.';
COMMENT ON COLUMN teamrbac.audit_list.tenant IS 'The tenant''s slug, or else its name; NULL: gone, or the event concerns no tenant.';
COMMENT ON COLUMN teamrbac.audit_list.event IS 'Place in the tenant''s chain of events, from 1: sequence in audit_trail.';
COMMENT ON COLUMN teamrbac.audit_list.occurred_at IS 'When, in the session''s time zone.';
COMMENT ON COLUMN teamrbac.audit_list.actor IS 'Who.';
COMMENT ON COLUMN teamrbac.audit_list.action IS 'What, such as member.removed; direct.* for a change of a table by hand.';
COMMENT ON COLUMN teamrbac.audit_list.subject IS 'The name of what it was done to, or what audit_trail says.';
COMMENT ON COLUMN teamrbac.audit_list.before IS 'What it was.';
COMMENT ON COLUMN teamrbac.audit_list.after IS 'What it has become.';

CREATE VIEW teamrbac.audit_list_narrow WITH (security_barrier = true) AS
	SELECT e.tenant::varchar(15) AS tenant,
		   e.event,
		   e.occurred_at,
		   e.actor::varchar(18) AS actor,
		   e.action::varchar(26) AS action,
		   e.subject::varchar(22) AS subject
	FROM teamrbac.audit_list AS e;
COMMENT ON VIEW teamrbac.audit_list_narrow IS 'View audit_list within 120 columns: names cut short, and not what changed.';
COMMENT ON COLUMN teamrbac.audit_list_narrow.tenant IS 'As in audit_list, cut after 15 characters.';
COMMENT ON COLUMN teamrbac.audit_list_narrow.event IS 'As in audit_list.';
COMMENT ON COLUMN teamrbac.audit_list_narrow.occurred_at IS 'As in audit_list.';
COMMENT ON COLUMN teamrbac.audit_list_narrow.actor IS 'As in audit_list, cut after 18 characters.';
COMMENT ON COLUMN teamrbac.audit_list_narrow.action IS 'As in audit_list, cut after 26 characters.';
COMMENT ON COLUMN teamrbac.audit_list_narrow.subject IS 'As in audit_list, cut after 22 characters.';

GRANT SELECT ON teamrbac.team_list, teamrbac.pending_invitation_list, teamrbac.api_key_list, teamrbac.audit_list,
	teamrbac.audit_list_narrow TO PUBLIC;
