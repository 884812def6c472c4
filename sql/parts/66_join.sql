-- Other ways into a team than an invitation by address: a link, a domain of e-mail addresses, a request.

CREATE TABLE teamrbac.invitation_link (
	tenant_id  uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	link_id    uuid NOT NULL,
	role       teamrbac.role_name NOT NULL,
	token_hash bytea NOT NULL,
	uses       integer NOT NULL,
	used       integer NOT NULL DEFAULT 0,
	made_by    uuid NOT NULL,
	made_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	expires_at timestamptz NOT NULL,
	revoked_at timestamptz,
	own_role   boolean NOT NULL DEFAULT false,
	role_in_use teamrbac.role_name REFERENCES teamrbac.role
		GENERATED ALWAYS AS (CASE WHEN revoked_at IS NULL AND used < uses AND NOT own_role THEN role END) STORED,
	tenant_role_in_use teamrbac.role_name
		GENERATED ALWAYS AS (CASE WHEN revoked_at IS NULL AND used < uses AND own_role THEN role END) STORED,
	PRIMARY KEY (tenant_id, link_id),
	CONSTRAINT invitation_link_tenant_role_fkey FOREIGN KEY (tenant_id, tenant_role_in_use) REFERENCES teamrbac.tenant_role,
	CONSTRAINT invitation_link_owner_never CHECK (role <> 'owner'),
	CONSTRAINT invitation_link_token_hash CHECK (pg_catalog.octet_length(token_hash) = 32),
	CONSTRAINT invitation_link_uses CHECK (used >= 0 AND used <= uses)
);
CREATE INDEX invitation_link_id_idx ON teamrbac.invitation_link (link_id);
CREATE INDEX invitation_link_token_idx ON teamrbac.invitation_link (token_hash);
CREATE INDEX invitation_link_expires_idx ON teamrbac.invitation_link (expires_at);
CREATE INDEX invitation_link_maker_idx ON teamrbac.invitation_link (tenant_id, made_by) WHERE revoked_at IS NULL;
CREATE INDEX invitation_link_role_idx ON teamrbac.invitation_link (role_in_use)
	WHERE role_in_use <> ALL (ARRAY['reader', 'developer', 'admin', 'owner']);
CREATE INDEX invitation_link_tenant_role_idx ON teamrbac.invitation_link (tenant_id, tenant_role_in_use)
	WHERE tenant_role_in_use IS NOT NULL;
COMMENT ON TABLE teamrbac.invitation_link IS 'Invitations without an address: whoever has the link may join, so and so often. Change it by invite_by_link and its like.';
COMMENT ON COLUMN teamrbac.invitation_link.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN teamrbac.invitation_link.link_id IS 'As revoke_invitation_link takes it.';
COMMENT ON COLUMN teamrbac.invitation_link.role IS 'What whoever uses it will be there.';
COMMENT ON COLUMN teamrbac.invitation_link.own_role IS 'Whether the role is one of the tenant''s own. Filled by resolve_role.';
COMMENT ON COLUMN teamrbac.invitation_link.role_in_use IS
	'The role, until the link is revoked or used up, if it is a global one: only then does it keep the role from being dropped.';
COMMENT ON COLUMN teamrbac.invitation_link.tenant_role_in_use IS 'Likewise, if it is one of the tenant''s own.';
COMMENT ON COLUMN teamrbac.invitation_link.token_hash IS 'SHA-256 of the token, which is in the link alone.';
COMMENT ON COLUMN teamrbac.invitation_link.uses IS 'How many may join by it.';
COMMENT ON COLUMN teamrbac.invitation_link.used IS 'How many have joined by it.';
COMMENT ON COLUMN teamrbac.invitation_link.made_by IS 'Whoever made it: it works for as long as they may give its role. No reference, since it outlives them.';
COMMENT ON COLUMN teamrbac.invitation_link.made_at IS 'When it was made.';
COMMENT ON COLUMN teamrbac.invitation_link.expires_at IS 'From then on it is refused.';
COMMENT ON COLUMN teamrbac.invitation_link.revoked_at IS 'When it was revoked; NULL: it was not.';
COMMENT ON CONSTRAINT invitation_link_owner_never ON teamrbac.invitation_link IS 'Ownership is transferred, never given by invitation.';
COMMENT ON CONSTRAINT invitation_link_token_hash ON teamrbac.invitation_link IS 'A SHA-256, not the token itself.';
COMMENT ON CONSTRAINT invitation_link_uses ON teamrbac.invitation_link IS 'Never used more often than it may be, whatever runs concurrently.';
COMMENT ON INDEX teamrbac.invitation_link_id_idx IS 'Answers revoke_invitation_link.';
COMMENT ON INDEX teamrbac.invitation_link_token_idx IS 'Answers peek_invitation and accept_invitation.';
COMMENT ON INDEX teamrbac.invitation_link_expires_idx IS 'Answers purge.';
COMMENT ON INDEX teamrbac.invitation_link_maker_idx IS 'Answers the removal and demotion of whoever made them.';
COMMENT ON INDEX teamrbac.invitation_link_role_idx IS 'Answers drop_role; the built-in roles are never dropped.';
COMMENT ON INDEX teamrbac.invitation_link_tenant_role_idx IS 'Answers drop_tenant_role.';

CREATE TABLE teamrbac.public_mail_domain (
	domain    text COLLATE "C" NOT NULL,
	built_in  boolean NOT NULL DEFAULT false,
	is_public boolean NOT NULL DEFAULT true,
	PRIMARY KEY (domain, built_in),
	CONSTRAINT public_mail_domain_form CHECK
		(domain ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$' AND pg_catalog.octet_length(domain) <= 253)
);
COMMENT ON TABLE teamrbac.public_mail_domain IS
	'Domains at which anybody may have an address: no tenant may let them in. A row of the DBA''s, which is dumped, has precedence over one that is built in. Change it by set_public_mail_domain.';
COMMENT ON COLUMN teamrbac.public_mail_domain.domain IS 'The domain, lower-cased; its subdomains are others.';
COMMENT ON COLUMN teamrbac.public_mail_domain.built_in IS 'Part of the extension.';
COMMENT ON COLUMN teamrbac.public_mail_domain.is_public IS 'false: a built-in one that the DBA does not hold for public.';
COMMENT ON CONSTRAINT public_mail_domain_form ON teamrbac.public_mail_domain IS 'As DNS has it: labels of a-z, 0-9 and hyphens, two at least, joined by dots.';
INSERT INTO teamrbac.public_mail_domain (domain, built_in)
	SELECT d.domain, true FROM pg_catalog.unnest(ARRAY[
		'126.com', '163.com', 'aol.com', 'bk.ru', 'btinternet.com', 'comcast.net', 'daum.net', 'duck.com', 'fastmail.com', 'fastmail.fm',
		'foxmail.com', 'free.fr', 'freenet.de', 'gmail.com', 'gmx.at', 'gmx.ch', 'gmx.com', 'gmx.de', 'gmx.net', 'googlemail.com', 'guerrillamail.com',
		'hanmail.net', 'hey.com', 'hotmail.co.uk', 'hotmail.com', 'hotmail.de', 'hotmail.es', 'hotmail.fr', 'hotmail.it', 'hushmail.com', 'icloud.com',
		'inbox.com', 'inbox.ru', 'laposte.net', 'libero.it', 'list.ru', 'live.com', 'live.co.uk', 'live.fr', 'live.nl', 'mac.com', 'mail.com', 'mail.ru',
		'mailbox.org', 'mailinator.com', 'me.com', 'msn.com', 'naver.com', 'orange.fr', 'outlook.com', 'outlook.de', 'outlook.fr', 'pm.me', 'posteo.de',
		'proton.me', 'protonmail.ch', 'protonmail.com', 'qq.com', 'rediffmail.com', 'rocketmail.com', 'seznam.cz', 'sfr.fr', 'sina.com', 'sohu.com',
		't-online.de', 'tuta.com', 'tuta.io', 'tutanota.com', 'tutanota.de', 'verizon.net', 'wanadoo.fr', 'web.de', 'wp.pl', 'yahoo.ca', 'yahoo.co.in',
		'yahoo.co.jp', 'yahoo.co.uk', 'yahoo.com', 'yahoo.com.br', 'yahoo.de', 'yahoo.es', 'yahoo.fr', 'yahoo.it', 'yandex.com', 'yandex.ru', 'yeah.net',
		'ymail.com', 'yopmail.com', 'zoho.com']) AS d(domain);
CREATE TRIGGER guard_built_in BEFORE INSERT OR UPDATE OR DELETE ON teamrbac.public_mail_domain
	FOR EACH ROW EXECUTE FUNCTION teamrbac.guard_built_in();
CREATE TRIGGER guard_built_in_truncate BEFORE TRUNCATE ON teamrbac.public_mail_domain
	FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.guard_built_in();

CREATE TABLE teamrbac.tenant_domain (
	tenant_id  uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	domain     text COLLATE "C" NOT NULL,
	role       teamrbac.role_name NOT NULL,
	automatic  boolean NOT NULL,
	allowed_by uuid NOT NULL,
	allowed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	own_role   boolean NOT NULL DEFAULT false,
	global_role teamrbac.role_name REFERENCES teamrbac.role
		GENERATED ALWAYS AS (CASE WHEN NOT own_role THEN role END) STORED,
	tenant_role teamrbac.role_name GENERATED ALWAYS AS (CASE WHEN own_role THEN role END) STORED,
	PRIMARY KEY (tenant_id, domain),
	CONSTRAINT tenant_domain_tenant_role_fkey FOREIGN KEY (tenant_id, tenant_role) REFERENCES teamrbac.tenant_role,
	CONSTRAINT tenant_domain_owner_never CHECK (role <> 'owner'),
	CONSTRAINT tenant_domain_form CHECK
		(domain ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$' AND pg_catalog.octet_length(domain) <= 253)
);
CREATE INDEX tenant_domain_domain_idx ON teamrbac.tenant_domain (domain);
CREATE INDEX tenant_domain_allower_idx ON teamrbac.tenant_domain (tenant_id, allowed_by);
CREATE INDEX tenant_domain_role_idx ON teamrbac.tenant_domain (global_role)
	WHERE global_role <> ALL (ARRAY['reader', 'developer', 'admin', 'owner']);
CREATE INDEX tenant_domain_tenant_role_idx ON teamrbac.tenant_domain (tenant_id, tenant_role)
	WHERE tenant_role IS NOT NULL;
COMMENT ON TABLE teamrbac.tenant_domain IS 'Whose users may join a tenant by the domain of their e-mail address. Change it by allow_domain and disallow_domain.';
COMMENT ON COLUMN teamrbac.tenant_domain.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN teamrbac.tenant_domain.domain IS 'The domain, lower-cased; its subdomains are others.';
COMMENT ON COLUMN teamrbac.tenant_domain.role IS 'What whoever joins will be there.';
COMMENT ON COLUMN teamrbac.tenant_domain.own_role IS 'Whether the role is one of the tenant''s own. Filled by resolve_role.';
COMMENT ON COLUMN teamrbac.tenant_domain.global_role IS 'The role, if it is not one of the tenant''s own: what the foreign key checks.';
COMMENT ON COLUMN teamrbac.tenant_domain.tenant_role IS 'The role, if it is one of the tenant''s own: likewise.';
COMMENT ON COLUMN teamrbac.tenant_domain.automatic IS 'Whether they may join by themselves (join_tenant), or ask (request_to_join).';
COMMENT ON COLUMN teamrbac.tenant_domain.allowed_by IS 'Whoever allowed it last: it lets in for as long as they may give the role. No reference, since it outlives them.';
COMMENT ON COLUMN teamrbac.tenant_domain.allowed_at IS 'When.';
COMMENT ON CONSTRAINT tenant_domain_owner_never ON teamrbac.tenant_domain IS 'Ownership is transferred, never given so.';
COMMENT ON CONSTRAINT tenant_domain_form ON teamrbac.tenant_domain IS 'As DNS has it: labels of a-z, 0-9 and hyphens, two at least, joined by dots.';
COMMENT ON INDEX teamrbac.tenant_domain_domain_idx IS 'Answers joinable_tenants.';
COMMENT ON INDEX teamrbac.tenant_domain_allower_idx IS 'Answers the removal and demotion of whoever allowed them.';
COMMENT ON INDEX teamrbac.tenant_domain_role_idx IS 'Answers drop_role; the built-in roles are never dropped.';
COMMENT ON INDEX teamrbac.tenant_domain_tenant_role_idx IS 'Answers drop_tenant_role.';

CREATE TYPE teamrbac.join_state AS ENUM ('pending', 'refused', 'former');
COMMENT ON TYPE teamrbac.join_state IS
	'What became of a request to join: refused ones are not asked again. former: was a member, and joins again neither by link nor by domain, but by an invitation to their address or by add_member.';
CREATE TABLE teamrbac.join_request (
	tenant_id  uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE,
	user_id    uuid NOT NULL REFERENCES teamrbac.app_user ON DELETE CASCADE,
	role       teamrbac.role_name,
	state      teamrbac.join_state NOT NULL DEFAULT 'pending',
	changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	own_role   boolean NOT NULL DEFAULT false,
	pending_role teamrbac.role_name REFERENCES teamrbac.role
		GENERATED ALWAYS AS (CASE WHEN state = 'pending' AND NOT own_role THEN role END) STORED,
	pending_tenant_role teamrbac.role_name
		GENERATED ALWAYS AS (CASE WHEN state = 'pending' AND own_role THEN role END) STORED,
	PRIMARY KEY (tenant_id, user_id),
	CONSTRAINT join_request_tenant_role_fkey FOREIGN KEY (tenant_id, pending_tenant_role) REFERENCES teamrbac.tenant_role,
	CONSTRAINT join_request_role CHECK ((role IS NULL) = (state = 'former'))
);
CREATE INDEX join_request_user_idx ON teamrbac.join_request (user_id);
CREATE INDEX join_request_role_idx ON teamrbac.join_request (pending_role)
	WHERE pending_role <> ALL (ARRAY['reader', 'developer', 'admin', 'owner']);
CREATE INDEX join_request_tenant_role_idx ON teamrbac.join_request (tenant_id, pending_tenant_role)
	WHERE pending_tenant_role IS NOT NULL;
COMMENT ON TABLE teamrbac.join_request IS 'Who asks to join which tenant, and who may not join by themselves. A row goes when the user becomes a member, or withdraws.';
COMMENT ON COLUMN teamrbac.join_request.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN teamrbac.join_request.user_id IS 'Who asks.';
COMMENT ON COLUMN teamrbac.join_request.role IS 'What their domain''s row in tenant_domain said; whoever approves may give another.';
COMMENT ON COLUMN teamrbac.join_request.state IS 'pending, refused or former.';
COMMENT ON COLUMN teamrbac.join_request.own_role IS 'Whether the role is one of the tenant''s own. Filled by resolve_role.';
COMMENT ON COLUMN teamrbac.join_request.pending_role IS
	'The role, while it is pending, if it is a global one: only then does it keep the role from being dropped.';
COMMENT ON COLUMN teamrbac.join_request.pending_tenant_role IS 'Likewise, if it is one of the tenant''s own.';
COMMENT ON COLUMN teamrbac.join_request.changed_at IS 'When it came to this state.';
COMMENT ON CONSTRAINT join_request_role ON teamrbac.join_request IS 'Whoever was a member asks for nothing.';
COMMENT ON INDEX teamrbac.join_request_user_idx IS 'Answers joinable_tenants and the deletion of a user.';
COMMENT ON INDEX teamrbac.join_request_role_idx IS 'Answers drop_role; the built-in roles are never dropped.';
COMMENT ON INDEX teamrbac.join_request_tenant_role_idx IS 'Answers drop_tenant_role.';

CREATE TRIGGER resolve_role BEFORE INSERT OR UPDATE OF tenant_id, role, own_role, uses, used, revoked_at ON teamrbac.invitation_link
	FOR EACH ROW WHEN (NEW.own_role OR NEW.role <> ALL (ARRAY['reader', 'developer', 'admin', 'owner']))
	EXECUTE FUNCTION teamrbac.resolve_role();
CREATE TRIGGER resolve_role BEFORE INSERT OR UPDATE OF tenant_id, role, own_role ON teamrbac.tenant_domain
	FOR EACH ROW WHEN (NEW.own_role OR NEW.role <> ALL (ARRAY['reader', 'developer', 'admin', 'owner']))
	EXECUTE FUNCTION teamrbac.resolve_role();
-- Of the state too: one that is pending again may find that its role is another one by now.
CREATE TRIGGER resolve_role BEFORE INSERT OR UPDATE OF tenant_id, role, own_role, state ON teamrbac.join_request
	FOR EACH ROW WHEN (NEW.own_role OR NEW.role <> ALL (ARRAY['reader', 'developer', 'admin', 'owner']))
	EXECUTE FUNCTION teamrbac.resolve_role();

DO $$
DECLARE
	audited record;
BEGIN
	FOR audited IN SELECT * FROM (VALUES
		('invitation_link', 'link', 'link_id'), ('tenant_domain', 'domain', 'domain'),
		('join_request', 'join_request', 'user_id'), ('public_mail_domain', 'mail_domain', 'domain')) AS t(name, kind, id)
	LOOP
		EXECUTE pg_catalog.format('CREATE TRIGGER audit_insert AFTER INSERT ON teamrbac.%I REFERENCING NEW TABLE AS new_rows
			FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change(%L, %L)', audited.name, audited.kind, audited.id);
		EXECUTE pg_catalog.format('CREATE TRIGGER audit_update AFTER UPDATE ON teamrbac.%I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
			FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change(%L, %L)', audited.name, audited.kind, audited.id);
		EXECUTE pg_catalog.format('CREATE TRIGGER audit_delete AFTER DELETE ON teamrbac.%I REFERENCING OLD TABLE AS old_rows
			FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change(%L, %L)', audited.name, audited.kind, audited.id);
		EXECUTE pg_catalog.format('CREATE TRIGGER audit_truncate AFTER TRUNCATE ON teamrbac.%I
			FOR EACH STATEMENT EXECUTE FUNCTION teamrbac.audit_direct_change(%L, %L)', audited.name, audited.kind, audited.id);
		EXECUTE pg_catalog.format('ALTER TABLE teamrbac.%I ENABLE ROW LEVEL SECURITY', audited.name);
	END LOOP;
END
$$;
SELECT pg_catalog.pg_extension_config_dump('teamrbac.invitation_link', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.tenant_domain', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.join_request', '');
SELECT pg_catalog.pg_extension_config_dump('teamrbac.public_mail_domain', 'WHERE NOT built_in');

-- Links.

CREATE FUNCTION teamrbac.invite_by_link(tenant_id uuid, role text, uses integer DEFAULT 1, expires_at timestamptz DEFAULT NULL,
		OUT link_id uuid, OUT token text, OUT expires_at timestamptz)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_invite_by_link';
COMMENT ON FUNCTION teamrbac.invite_by_link(uuid, text, integer, timestamptz, OUT uuid, OUT text, OUT timestamptz) IS
	'Makes an invitation without an address: as many registered users as uses may join by accept_invitation with its token, which is returned this once and not stored, until expires_at (NULL: for teamrbac.invitation_lifetime). It ends when whoever made it may no longer give its role. Needs team.manage, and every permission of the role. Errors: 42501 not allowed, or owner; 22023 unknown role, uses not within 1 and 10000, expires_at not in the future or infinite; 55000 as many links as invitations may be pending; 28000 nobody signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.revoke_invitation_link(link_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_revoke_invitation_link';
COMMENT ON PROCEDURE teamrbac.revoke_invitation_link(uuid) IS
	'Nobody joins by the link any more; whoever has, stays. Needs team.manage, and every permission of its role. Errors: 42501 not allowed, or no such link; 55000 revoked already; 28000 nobody signed in. Locks the tenant''s row.';
CREATE VIEW teamrbac.invitation_link_overview WITH (security_barrier = true) AS
	SELECT l.tenant_id,
		   l.link_id,
		   l.role::text AS role,
		   CASE WHEN l.revoked_at IS NOT NULL THEN 'revoked'
				WHEN l.used >= l.uses THEN 'used up'
				WHEN l.expires_at <= pg_catalog.clock_timestamp() THEN 'expired'
				ELSE 'active' END AS state,
		   l.uses,
		   l.used,
		   l.made_by,
		   u.display_name AS maker,
		   l.made_at,
		   l.expires_at
	FROM teamrbac.invitation_link AS l
	LEFT JOIN LATERAL (SELECT u.display_name FROM teamrbac.app_user AS u WHERE u.user_id = l.made_by OFFSET 0) AS u ON true
	WHERE teamrbac.has_permission(l.tenant_id, 'team.manage');
COMMENT ON VIEW teamrbac.invitation_link_overview IS 'The links of invite_by_link, of the tenants in which whoever is asking has team.manage.';
COMMENT ON COLUMN teamrbac.invitation_link_overview.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN teamrbac.invitation_link_overview.link_id IS 'As revoke_invitation_link takes it.';
COMMENT ON COLUMN teamrbac.invitation_link_overview.role IS 'What whoever uses it will be there.';
COMMENT ON COLUMN teamrbac.invitation_link_overview.state IS 'active, used up, expired or revoked.';
COMMENT ON COLUMN teamrbac.invitation_link_overview.uses IS 'How many may join by it.';
COMMENT ON COLUMN teamrbac.invitation_link_overview.used IS 'How many have joined by it; who, the audit says.';
COMMENT ON COLUMN teamrbac.invitation_link_overview.made_by IS 'Whoever made it.';
COMMENT ON COLUMN teamrbac.invitation_link_overview.maker IS 'Their name; NULL: deleted.';
COMMENT ON COLUMN teamrbac.invitation_link_overview.made_at IS 'When it was made.';
COMMENT ON COLUMN teamrbac.invitation_link_overview.expires_at IS 'From then on it is refused.';
GRANT SELECT ON teamrbac.invitation_link_overview TO PUBLIC;

-- Domains.

CREATE PROCEDURE teamrbac.set_public_mail_domain(domain text, is_public boolean)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_set_public_mail_domain';
COMMENT ON PROCEDURE teamrbac.set_public_mail_domain(text, boolean) IS
	'Whether anybody may have an address at a domain, so that no tenant can allow it; the common ones are known. What tenants have allowed already lets nobody in any more. Errors: 22023 malformed domain, or NULL. For the DBA. Locks the row.';
REVOKE ALL ON PROCEDURE teamrbac.set_public_mail_domain(text, boolean) FROM PUBLIC;
CREATE FUNCTION teamrbac.is_public_mail_domain(of_domain text) RETURNS boolean
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
	RETURN COALESCE((SELECT d.is_public FROM teamrbac.public_mail_domain AS d WHERE d.domain = of_domain ORDER BY d.built_in LIMIT 1), false);
COMMENT ON FUNCTION teamrbac.is_public_mail_domain(text) IS 'Internal to allow_domain and join_tenant: whether a domain, lower-cased, is one of public_mail_domain.';
REVOKE ALL ON FUNCTION teamrbac.is_public_mail_domain(text) FROM PUBLIC;
CREATE FUNCTION teamrbac.domain_of(email text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN teamrbac.address_key(pg_catalog.split_part(email, '@', 2)) COLLATE "C";
COMMENT ON FUNCTION teamrbac.domain_of(text) IS 'Internal to join_tenant: the domain of an e-mail address, A to Z lower-cased.';
REVOKE ALL ON FUNCTION teamrbac.domain_of(text) FROM PUBLIC;

CREATE PROCEDURE teamrbac.allow_domain(tenant_id uuid, domain text, role text, automatic boolean DEFAULT true)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_allow_domain';
COMMENT ON PROCEDURE teamrbac.allow_domain(uuid, text, text, boolean) IS
	'Registered users with an e-mail address at the domain, which the application has proved to be the tenant''s, may join by join_tenant with that role, or, unless automatic, ask by request_to_join. Repeated, it says so anew. It ends when whoever allowed it may no longer give the role. Needs team.manage, and every permission of the role, and of the one before. Errors: 42501 not allowed, or owner; 22023 malformed domain, public mail domain, or unknown role; 28000 nobody signed in. Trusted: grant EXECUTE to what proves domains. Locks the tenant''s row.';
REVOKE ALL ON PROCEDURE teamrbac.allow_domain(uuid, text, text, boolean) FROM PUBLIC;
CREATE PROCEDURE teamrbac.disallow_domain(tenant_id uuid, domain text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_disallow_domain';
COMMENT ON PROCEDURE teamrbac.disallow_domain(uuid, text) IS
	'Undoes allow_domain; whoever has joined stays. Needs team.manage, and every permission of the role. Errors: 42501 not allowed; P0002 the domain is not allowed; 28000 nobody signed in. Locks the tenant''s row.';
CREATE VIEW teamrbac.tenant_domain_overview WITH (security_barrier = true) AS
	SELECT d.tenant_id,
		   d.domain,
		   d.role::text AS role,
		   d.automatic,
		   d.allowed_by,
		   u.display_name AS allower,
		   d.allowed_at
	FROM teamrbac.tenant_domain AS d
	LEFT JOIN LATERAL (SELECT u.display_name FROM teamrbac.app_user AS u WHERE u.user_id = d.allowed_by OFFSET 0) AS u ON true
	WHERE teamrbac.has_permission(d.tenant_id, 'team.manage');
COMMENT ON VIEW teamrbac.tenant_domain_overview IS 'The domains of allow_domain, of the tenants in which whoever is asking has team.manage.';
COMMENT ON COLUMN teamrbac.tenant_domain_overview.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN teamrbac.tenant_domain_overview.domain IS 'The domain.';
COMMENT ON COLUMN teamrbac.tenant_domain_overview.role IS 'What whoever joins will be there.';
COMMENT ON COLUMN teamrbac.tenant_domain_overview.automatic IS 'Whether they may join by themselves, or ask.';
COMMENT ON COLUMN teamrbac.tenant_domain_overview.allowed_by IS 'Whoever allowed it last.';
COMMENT ON COLUMN teamrbac.tenant_domain_overview.allower IS 'Their name; NULL: deleted.';
COMMENT ON COLUMN teamrbac.tenant_domain_overview.allowed_at IS 'When.';
GRANT SELECT ON teamrbac.tenant_domain_overview TO PUBLIC;

CREATE FUNCTION teamrbac.joinable_tenants(OUT tenant_id uuid, OUT tenant_name text, OUT role text, OUT automatic boolean, OUT requested_at timestamptz)
	RETURNS SETOF record
	LANGUAGE c STABLE SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	ROWS 10 AS 'MODULE_PATHNAME', 'teamrbac_joinable_tenants';
COMMENT ON FUNCTION teamrbac.joinable_tenants(OUT uuid, OUT text, OUT text, OUT boolean, OUT timestamptz) IS
	'The tenants that the signed-in user may join by their verified e-mail address, by join_tenant if automatic, else by request_to_join; requested_at: when they asked. None for nobody and for an API key. Takes no lock.';
CREATE FUNCTION teamrbac.join_tenant(tenant_id uuid, OUT role text)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_join_tenant';
COMMENT ON FUNCTION teamrbac.join_tenant(uuid, OUT text) IS
	'The signed-in user joins a tenant that has allowed the domain of their verified e-mail address; returns what they are there. Errors: 42501 no such tenant, or not for them, or only on request, or they were a member before; 55000 whoever allowed the domain may no longer give the role, or no room by set_tenant_limit; 23505 a member already, whose role stays; 28000 no user signed in. Locks the tenant''s row.';

-- Requests.

CREATE PROCEDURE teamrbac.request_to_join(tenant_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_request_to_join';
COMMENT ON PROCEDURE teamrbac.request_to_join(uuid) IS
	'The signed-in user asks to join a tenant that has allowed the domain of their verified e-mail address. Repeated, it changes nothing. Errors: 42501 no such tenant, or not for them, or they were a member before; 55000 refused before; 23505 a member already; 28000 no user signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.withdraw_join_request(tenant_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_withdraw_join_request';
COMMENT ON PROCEDURE teamrbac.withdraw_join_request(uuid) IS
	'The signed-in user no longer asks to join. Errors: 42501 they do not ask to join this tenant; 28000 no user signed in. Locks the tenant''s row.';
CREATE PROCEDURE teamrbac.approve_join_request(tenant_id uuid, user_id uuid, role text DEFAULT NULL)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_approve_join_request';
COMMENT ON PROCEDURE teamrbac.approve_join_request(uuid, uuid, text) IS
	'Whoever asks to join, or was refused before, becomes a member, with the role of their domain unless another is given. Needs team.manage, and every permission of the role. Errors: 42501 not allowed, or owner; P0002 they do not ask, or no longer; 22023 unknown role; 55000 the user is disabled, or no room by set_tenant_limit; 28000 nobody signed in. Locks the tenant''s row, then the user''s.';
CREATE PROCEDURE teamrbac.refuse_join_request(tenant_id uuid, user_id uuid)
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, teamrbac, pg_temp
	AS 'MODULE_PATHNAME', 'teamrbac_refuse_join_request';
COMMENT ON PROCEDURE teamrbac.refuse_join_request(uuid, uuid) IS
	'Whoever asks to join shall not, and cannot ask again. Needs team.manage. Errors: 42501 not allowed; P0002 they do not ask, or no longer; 28000 nobody signed in. Locks the tenant''s row.';
CREATE VIEW teamrbac.join_request_overview WITH (security_barrier = true) AS
	SELECT r.tenant_id,
		   r.user_id,
		   u.display_name,
		   u.email::text AS email,
		   r.role::text AS role,
		   r.state::text AS state,
		   r.changed_at
	FROM teamrbac.join_request AS r
	CROSS JOIN LATERAL (SELECT u.display_name, u.email FROM teamrbac.app_user AS u WHERE u.user_id = r.user_id OFFSET 0) AS u
	WHERE teamrbac.has_permission(r.tenant_id, 'team.manage')
	  AND r.state <> 'former';
COMMENT ON VIEW teamrbac.join_request_overview IS 'Who asks to join, and who was refused, of the tenants in which whoever is asking has team.manage.';
COMMENT ON COLUMN teamrbac.join_request_overview.tenant_id IS 'The tenant to join.';
COMMENT ON COLUMN teamrbac.join_request_overview.user_id IS 'Who asks.';
COMMENT ON COLUMN teamrbac.join_request_overview.display_name IS 'Their name.';
COMMENT ON COLUMN teamrbac.join_request_overview.email IS 'Their address.';
COMMENT ON COLUMN teamrbac.join_request_overview.role IS 'What they will be unless another role is given.';
COMMENT ON COLUMN teamrbac.join_request_overview.state IS 'pending or refused.';
COMMENT ON COLUMN teamrbac.join_request_overview.changed_at IS 'When they asked or were refused.';
GRANT SELECT ON teamrbac.join_request_overview TO PUBLIC;
