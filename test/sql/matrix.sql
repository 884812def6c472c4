-- The table of the team page, cell by cell: each of the four roles asks for each permission, and so do a
-- member of another tenant, somebody in no tenant, and nobody.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
RESET client_min_messages;
\pset null '-'

CREATE TABLE page (permission text, reader text, developer text, admin text, owner text);
INSERT INTO page VALUES
	('endpoints.view',           'x', 'x', 'x', 'x'),
	('prompts.view',             'x', 'x', 'x', 'x'),
	('snippets.view',            'x', 'x', 'x', 'x'),
	('logs.view',                'x', 'x', 'x', 'x'),
	('endpoints.edit',           '',  'x', 'x', 'x'),
	('prompts.edit',             '',  'x', 'x', 'x'),
	('snippets.edit',            '',  'x', 'x', 'x'),
	('prompts.promote',          '',  'x', 'x', 'x'),
	('api_keys.create_personal', '',  'x', 'x', 'x'),
	('api_keys.manage',          '',  '',  'x', 'x'),
	('team.manage',              '',  '',  'x', 'x'),
	('audit.view',               '',  '',  'x', 'x'),
	('roles.manage',             '',  '',  'x', 'x'),
	('billing.manage',           '',  '',  '',  'x'),
	('tenant.delete',            '',  '',  '',  'x'),
	('tenant.rename',            '',  '',  '',  'x');

CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(name || '@example.com', name, u(n)))
	FROM (VALUES ('owner', '01'), ('admin', '02'), ('developer', '03'), ('reader', '04'), ('elsewhere', '05'), ('stranger', '06')) AS t(name, n);
BEGIN;
SELECT teamrbac.sign_in(u('01'));
SELECT teamrbac.create_tenant('Acme') AS acme \gset
SELECT teamrbac.sign_in(u('05'));
SELECT teamrbac.create_tenant('Borealis') AS borealis \gset
COMMIT;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(:'acme', u('02'), 'admin'), (:'acme', u('03'), 'developer'), (:'acme', u('04'), 'reader');

-- Asks as a user, and lists where the answer is not the page's.  In each of the four ways to ask.
CREATE FUNCTION differences(tenant uuid, who uuid, role text) RETURNS TABLE (permission text, page text, has boolean, listed boolean, required boolean)
LANGUAGE plpgsql AS $$
DECLARE
	p record;
BEGIN
	IF who IS NOT NULL THEN
		PERFORM teamrbac.sign_in(who);
	ELSE
		PERFORM teamrbac.sign_out();
	END IF;
	FOR p IN SELECT g.permission, COALESCE(to_jsonb(g) ->> role, '') AS cell FROM page AS g LOOP
		permission := p.permission;
		page := p.cell;
		has := teamrbac.has_permission(tenant, p.permission);
		listed := tenant = ANY (teamrbac.permitted_tenants(p.permission));
		IF has IS DISTINCT FROM (teamrbac.permitted_tenant(p.permission) IS NOT DISTINCT FROM tenant) THEN
			RAISE EXCEPTION 'permitted_tenant differs for %', p.permission;
		END IF;
		BEGIN
			PERFORM teamrbac.require_permission(tenant, p.permission);
			required := true;
		EXCEPTION WHEN insufficient_privilege OR invalid_authorization_specification THEN
			required := false;
		END;
		IF has IS DISTINCT FROM (page = 'x') OR listed IS DISTINCT FROM has OR required IS DISTINCT FROM has THEN
			RETURN NEXT;
		END IF;
		IF has IS DISTINCT FROM (p.permission = ANY (teamrbac.my_permissions(tenant))) THEN
			RAISE EXCEPTION 'my_permissions differs for %', p.permission;
		END IF;
	END LOOP;
	PERFORM teamrbac.sign_out();
END $$;
SELECT * FROM differences(:'acme', u('01'), 'owner');
SELECT * FROM differences(:'acme', u('02'), 'admin');
SELECT * FROM differences(:'acme', u('03'), 'developer');
SELECT * FROM differences(:'acme', u('04'), 'reader');
-- Somebody else's tenant, no tenant at all, and nobody: no cell.
SELECT * FROM differences(:'acme', u('05'), 'none');
SELECT * FROM differences(:'acme', u('06'), 'none');
SELECT * FROM differences(:'acme', NULL, 'none');
SELECT * FROM differences(:'borealis', u('01'), 'none');
SELECT * FROM differences('99999999-9999-9999-9999-999999999999', u('01'), 'none');
-- The test is able to fail.
SELECT count(*) FROM differences(:'acme', u('04'), 'owner');

-- The view prints the same page.
SELECT m.* FROM teamrbac.permission_matrix AS m LEFT JOIN page AS p USING (permission)
	WHERE m.granted IS DISTINCT FROM to_jsonb(p) ->> m.role;
SELECT * FROM teamrbac.permission_matrix \crosstabview

-- What a front end asks.
SELECT teamrbac.sign_in(u('03'), false);
SELECT teamrbac.my_permissions(:'acme');
SELECT name, slug, role FROM teamrbac.my_tenants();
SELECT teamrbac.my_permissions(NULL), teamrbac.my_permissions(:'borealis');

-- Why.
CREATE FUNCTION why(tenant uuid, permission text) RETURNS TABLE (allowed boolean, reason text, role text, kind text)
	LANGUAGE sql AS $$ SELECT allowed, reason, role, (identity).kind FROM teamrbac.explain_permission($1, $2) $$;
SELECT * FROM why(:'acme', 'prompts.edit');
SELECT * FROM why(:'acme', 'team.manage');
SELECT * FROM why(:'borealis', 'prompts.edit');
SELECT * FROM why('99999999-9999-9999-9999-999999999999', 'prompts.edit');
UPDATE teamrbac.membership SET expires_at = now() - interval '1 s' WHERE user_id = u('03');
SELECT * FROM why(:'acme', 'prompts.edit');
UPDATE teamrbac.membership SET expires_at = now() + interval '1 hour' WHERE user_id = u('03');
SELECT * FROM why(:'acme', 'prompts.edit');
UPDATE teamrbac.tenant SET deleted_at = now() WHERE tenant_id = :'acme';
SELECT * FROM why(:'acme', 'prompts.edit');
UPDATE teamrbac.tenant SET deleted_at = NULL WHERE tenant_id = :'acme';
UPDATE teamrbac.app_user SET disabled_at = now() WHERE user_id = u('03');
SELECT * FROM why(:'acme', 'prompts.edit');
SELECT teamrbac.sign_in(u('03'));
UPDATE teamrbac.app_user SET disabled_at = NULL WHERE user_id = u('03');
SELECT teamrbac.sign_out();
SELECT * FROM why(:'acme', 'prompts.edit');

-- Bad input: an error that helps, or false.
SELECT teamrbac.sign_in(u('01'), false);
\set VERBOSITY verbose
\set SHOW_CONTEXT never
SELECT teamrbac.has_permission(NULL, 'prompts.edit');
\set VERBOSITY default
SELECT teamrbac.has_permission(:'acme', NULL);
SELECT teamrbac.has_permission(:'acme', 'prompts.edti');
SELECT teamrbac.has_permission(:'acme', 'xyzzy');
SELECT teamrbac.has_permission(:'acme', '');
SELECT teamrbac.has_permission(:'acme', repeat('ä', 1000)) IS NULL;
SELECT teamrbac.has_permission('not a uuid', 'prompts.edit');
SELECT teamrbac.permitted_tenant('prompts.edit') = :'acme' AS permitted;
SELECT teamrbac.permitted_tenant('Prompts.Edit');
SELECT teamrbac.permitted_tenant(NULL);
SELECT teamrbac.permitted_tenants('Prompts.Edit');
SELECT teamrbac.permitted_tenants(NULL);
SELECT teamrbac.require_permission(NULL, 'prompts.edit');
SELECT teamrbac.explain_permission(:'acme', NULL);
-- A permission that changes from row to row is looked up for each.
SELECT p, teamrbac.has_permission(:'acme', p) FROM unnest(ARRAY['prompts.edit', 'billing.manage']) AS p;
SELECT p, teamrbac.has_permission(:'acme', p) FROM unnest(ARRAY['prompts.edit', 'nonsense']) AS p;
SELECT teamrbac.sign_out();

DROP FUNCTION why, differences, u;
DROP TABLE page;
DROP EXTENSION teamrbac CASCADE;
