-- The invitee's side of an invitation whose mail was lost, and many invitations at once.

CREATE FUNCTION teamrbac.my_invitations(OUT invitation_id uuid, OUT tenant_id uuid, OUT tenant_name text, OUT role text,
		OUT invited_by text, OUT invited_at timestamptz, OUT expires_at timestamptz, OUT membership_expires_at timestamptz)
	RETURNS SETOF record
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 10 AS 'MODULE_PATHNAME', 'teamrbac_my_invitations';
COMMENT ON FUNCTION teamrbac.my_invitations(OUT uuid, OUT uuid, OUT text, OUT text, OUT text, OUT timestamptz, OUT timestamptz, OUT timestamptz) IS
	'The invitations that the signed-in user can accept now, by their verified e-mail address, the oldest first; none for nobody and for an API key. invited_by is a name; membership_expires_at: NULL for never. Takes no lock.';
CREATE FUNCTION teamrbac.accept_my_invitation(invitation_id uuid, OUT tenant_id uuid, OUT role text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_accept_my_invitation';
COMMENT ON FUNCTION teamrbac.accept_my_invitation(uuid, OUT uuid, OUT text) IS
	'accept_invitation without the token, which may have been lost with its mail: the verified address is proof enough. Errors: 42501 no such invitation, or for somebody else, which look the same; otherwise as accept_invitation. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.decline_my_invitation(invitation_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_decline_my_invitation';
COMMENT ON PROCEDURE teamrbac.decline_my_invitation(uuid) IS
	'decline_invitation without the token. Errors: 42501 no such invitation, or for somebody else, which look the same; 55000 no longer pending; 28000 no user signed in. Locks the tenant''s row.';

CREATE FUNCTION teamrbac.invite_members(tenant_id uuid, emails text[], role text, membership_expires_at timestamptz DEFAULT NULL,
		OUT email text, OUT outcome text, OUT invitation_id uuid, OUT token text, OUT expires_at timestamptz)
	RETURNS SETOF record
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 10 AS 'MODULE_PATHNAME', 'teamrbac_invite_members';
COMMENT ON FUNCTION teamrbac.invite_members(uuid, text[], text, timestamptz, OUT text, OUT text, OUT uuid, OUT text, OUT timestamptz) IS
	'Invites many addresses into the tenant, as invite_member does one. Returns a row for each address, in their order. outcome: invited; invited again, one that was pending, with a new token, the role and the time given; member already; malformed; over the limit, which pending invitations or a day''s mails have reached, as for invite_member; not allowed, where a pending invitation is for a role beyond one''s own; repeated, an address that stands further up. Nothing but the first two changes anything, and no address hinders the others; the same call once more leaves the same invitations. Needs team.manage, and every permission of the role. Errors, of the whole call: 42501 not allowed, or owner; 22023 unknown role, membership_expires_at not in the future, a null argument, or more than 10000 addresses; 28000 nobody signed in. Locks the tenant''s row.';

CREATE FUNCTION teamrbac.add_member(tenant_id uuid, user_id uuid, role text, expires_at timestamptz DEFAULT NULL) RETURNS boolean
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_add_member';
COMMENT ON FUNCTION teamrbac.add_member(uuid, uuid, text, timestamptz) IS
	'Makes a registered user a member without asking them, for a back end that may (SCIM, provisioning). While somebody is signed in, it needs of them team.manage and every permission of the role; while nobody is, it is the DBA''s doing. Returns whether it changed anything: false for a member who has that role and end already. Errors: 42501 not allowed, or owner; 22023 unknown role, unknown or disabled user, or expires_at not in the future; 23505 a member with another role or end; P0002 no such tenant, for the DBA; 55000 no room by set_tenant_limit. Trusted: grant EXECUTE to the back end alone. Locks the tenant''s row, then the user''s.';
REVOKE ALL ON FUNCTION teamrbac.add_member(uuid, uuid, text, timestamptz) FROM PUBLIC;
