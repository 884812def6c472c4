-- access_review: every finding is made, seen, remedied by running its remedy as it stands, and gone.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
SELECT count(teamrbac.register_user(name || '@example.com', name, u(n)))
	FROM (VALUES ('olga', '01'), ('adam', '02'), ('dora', '03'), ('rita', '04'), ('sven', '05'), ('zoe', '99')) AS t(name, n);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('a0'), 'Acme'), (u('b0'), 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	(u('a0'), u('01'), 'owner'), (u('a0'), u('02'), 'admin'), (u('a0'), u('03'), 'developer'), (u('a0'), u('04'), 'reader'),
	(u('b0'), u('99'), 'owner');
COMMIT;
CREATE FUNCTION readable(text) RETURNS text LANGUAGE sql IMMUTABLE
	AS $$ SELECT regexp_replace(regexp_replace(regexp_replace($1, '00000000-0000-0000-0000-0000000000', '', 'g'), '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|, [0-9a-f]{8}\M', 'ID', 'g'), '\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?(\.\d+)?(\+00|Z)?)?', 'DAY', 'g') $$;
-- What is found, its remedies run in order by Olga, and what is left.
CREATE PROCEDURE review() LANGUAGE plpgsql AS $$
DECLARE
	f record;
BEGIN
	PERFORM teamrbac.sign_in(u('01'));
	FOR f IN SELECT * FROM teamrbac.access_review(u('a0')) LOOP
		RAISE WARNING '% | % | % | %', f.finding, f.severity, f.subject, readable(f.detail) USING DETAIL = COALESCE(readable(f.remedy), 'No remedy.');
		IF f.remedy IS NOT NULL THEN
			EXECUTE f.remedy;
		END IF;
	END LOOP;
	FOR f IN SELECT * FROM teamrbac.access_review(u('a0')) AS r WHERE r.remedy IS NOT NULL LOOP
		RAISE WARNING 'left: % | % | %', f.finding, f.subject, readable(f.detail);
	END LOOP;
END $$;
-- A team in good order.
CALL review();

-- Members who have not been active for long; one who came lately has had no time to be.
INSERT INTO teamrbac.user_activity (user_id, last_active_on) VALUES (u('02'), current_date - 91), (u('03'), current_date - 89);
UPDATE teamrbac.membership SET joined_at = now() - interval '1 year';
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('a0'), u('05'), 'admin');
-- Whoever is somebody by their database role need not sign in.
CREATE ROLE regress_psql;
SELECT teamrbac.map_database_role(u('04'), 'regress_psql');
CALL review();
SELECT teamrbac.map_database_role(NULL, 'regress_psql');
CALL review();
SELECT m.role, u.display_name FROM teamrbac.membership AS m JOIN teamrbac.app_user AS u USING (user_id) WHERE tenant_id = u('a0') ORDER BY 1, 2;
-- Disabled ones.
UPDATE teamrbac.app_user SET disabled_at = now() WHERE user_id = u('03');
CALL review();
UPDATE teamrbac.app_user SET disabled_at = NULL;
-- A single manager: no remedy makes another one.
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('a0'), u('03'), 'developer');
DELETE FROM teamrbac.membership WHERE user_id = u('05');
CALL review();
DELETE FROM teamrbac.membership WHERE user_id = u('03');
CALL review();
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('a0'), u('02'), 'admin'), (u('a0'), u('03'), 'developer'), (u('a0'), u('04'), 'reader');
UPDATE teamrbac.user_activity SET last_active_on = current_date;
-- Pending invitations (the one just sent among them); those that have expired don't wait for anybody.
SELECT teamrbac.sign_in(u('01'), false);
SELECT count(*) FROM teamrbac.invite_member(u('a0'), 'new@example.com', 'reader') AS k0, teamrbac.invite_member(u('a0'), 'late@example.com', 'reader') AS k1;
UPDATE teamrbac.invitation SET expires_at = now() - interval '1 day' WHERE email = 'late@example.com';
CALL review();
-- Memberships about to expire.
CALL teamrbac.set_membership_expiry(u('a0'), u('04'), now() + interval '13 days');
CALL teamrbac.set_membership_expiry(u('a0'), u('03'), now() + interval '15 days');
CALL review();
CALL teamrbac.set_membership_expiry(u('a0'), u('03'), NULL);
CALL teamrbac.set_membership_expiry(u('a0'), u('04'), NULL);

-- Keys: without expiry, with a name that says nothing, or both.
SELECT count(*) FROM teamrbac.create_api_key(u('a0'), 'CI of the web shop') AS k0, teamrbac.create_api_key(u('a0'), 'api-key 2', 'reader', now() + interval '1 month') AS k1, teamrbac.create_api_key(u('a0'), 'Test', 'reader') AS k2;
CALL review();
SELECT readable(name) AS name, expires_at IS NOT NULL AS expires FROM teamrbac.api_key ORDER BY 1;
-- What vague is.
SELECT count(teamrbac.create_api_key(u('a0'), name, 'reader', now() + interval '1 month')) FROM unnest(ARRAY['key', 'my key', 'MyKey', 'test_key_3', 'token', 'new', 'tmp', 'abc', '42', 'API', 'deploy key of Dora', 'staging loader', 'keyboard lab', 'newsletter']) AS name;
SELECT string_agg(subject, ', ' ORDER BY subject COLLATE "C") AS vague FROM teamrbac.access_review(u('a0')) WHERE finding = 'vague key name';
CALL teamrbac.revoke_api_keys(u('a0'), name_like => '%');
-- Unused.
SELECT count(*) FROM teamrbac.create_api_key(u('a0'), 'loader of Olga', 'reader', now() + interval '1 month') AS k0, teamrbac.create_api_key(u('a0'), 'backup of Olga', 'reader', now() + interval '1 month') AS k1;
UPDATE teamrbac.api_key SET created_at = now() - interval '91 days';
UPDATE teamrbac.api_key_use SET last_used_at = now() - interval '89 days' WHERE key_id = (SELECT key_id FROM teamrbac.api_key WHERE name LIKE 'backup%' AND revoked_at IS NULL);
CALL review();
CALL teamrbac.revoke_api_keys(u('a0'), name_like => '%');
-- Of members who have left, and of those who may do less by now; a narrower key may be within that.
SELECT teamrbac.sign_in(u('03'), false);
SELECT count(*) FROM teamrbac.create_api_key(u('a0'), 'deploy of Dora', 'developer', now() + interval '1 month') AS k0, teamrbac.create_api_key(u('a0'), 'log reader of Dora', 'developer', now() + interval '1 month', '{logs.view}') AS k1;
SELECT teamrbac.sign_in(u('02'), false);
SELECT count(*) FROM teamrbac.create_api_key(u('a0'), 'loader of Adam', 'reader', now() + interval '1 month') AS k0;
SELECT teamrbac.sign_in(u('01'), false);
CALL teamrbac.change_role(u('a0'), u('03'), 'reader');
CALL teamrbac.change_role(u('a0'), u('04'), 'admin');
CALL teamrbac.remove_member(u('a0'), u('02'));
CALL review();
-- An Owner who is gone: whether somebody is to follow, or the team is to go, is no statement to be run unread.
UPDATE teamrbac.user_activity SET last_active_on = current_date - 200 WHERE user_id IN (u('01'), u('99'));
INSERT INTO teamrbac.user_activity VALUES (u('04'), current_date), (u('99'), current_date - 200) ON CONFLICT DO NOTHING;
SELECT tenant, finding, severity, subject, readable(detail) AS detail, readable(remedy) AS remedy FROM teamrbac.access_review();
CALL teamrbac.assign_owner(u('a0'), u('04'));
SELECT display_name FROM teamrbac.membership JOIN teamrbac.app_user USING (user_id) WHERE tenant_id = u('a0') AND role = 'owner';
-- Deleted tenants are nobody's business.
UPDATE teamrbac.tenant SET deleted_at = now();
SELECT count(*) FROM teamrbac.access_review();
UPDATE teamrbac.tenant SET deleted_at = NULL;

-- Names cannot break out of a remedy, and nothing is told to those who may not manage the team.
UPDATE teamrbac.app_user SET display_name = $$Robert'); DROP TABLE x; --$$ WHERE user_id = u('03');
SELECT teamrbac.sign_in(u('04'), false);
SELECT key_id FROM teamrbac.create_api_key(u('a0'), $$key'); CALL x(); --$$, 'reader') \gset
UPDATE teamrbac.api_key SET created_by = u('03'), name = 'key' WHERE key_id = :'key_id';
SELECT finding, readable(remedy) AS remedy FROM teamrbac.access_review(u('a0')) WHERE finding = 'vague key name';
DO $$ BEGIN EXECUTE (SELECT remedy FROM teamrbac.access_review(u('a0')) WHERE finding = 'vague key name'); END $$;
SELECT readable(name) AS name FROM teamrbac.api_key WHERE key_id = :'key_id';
CREATE ROLE regress_app;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_app;
SET ROLE regress_app;
SELECT teamrbac.sign_in(u('03'), false);
SELECT * FROM teamrbac.access_review(u('a0'));
SELECT * FROM teamrbac.access_review(u('b0'));
SELECT * FROM teamrbac.access_review(u('ff'));
SELECT * FROM teamrbac.access_review();
SELECT * FROM teamrbac.review_tenants(u('a0'));
SELECT * FROM teamrbac.access_review(NULL);
SELECT teamrbac.sign_out();
SELECT * FROM teamrbac.access_review(u('a0'));
RESET ROLE;

-- The commands that the remedies use.
SELECT teamrbac.sign_in(u('04'), false);
CALL teamrbac.rename_api_key(:'key_id', 'loader of the shop');
CALL teamrbac.rename_api_key(:'key_id', 'loader of the shop');
SELECT key_id AS other FROM teamrbac.create_api_key(u('a0'), 'other', 'reader') \gset
CALL teamrbac.rename_api_key(:'other', 'loader of the shop');
CALL teamrbac.rename_api_key(:'other', E'two\nlines');
CALL teamrbac.rename_api_key(:'other', NULL);
CALL teamrbac.set_api_key_expiry(:'other', now() - interval '1 s');
CALL teamrbac.set_api_key_expiry(:'other', now() + interval '1 day');
CALL teamrbac.set_api_key_expiry(:'other', NULL);
-- Time alone does not take a name: an expired key gives its own away.
UPDATE teamrbac.api_key SET expires_at = now() WHERE key_id = :'other';
CALL teamrbac.set_api_key_expiry(:'other', NULL);
CALL teamrbac.rename_api_key(:'key_id', 'other');
SELECT teamrbac.sign_in(u('03'), false);
-- Their own key: Dora, a reader by now, may shorten it. The key of another is out of reach.
CALL teamrbac.set_api_key_expiry(:'key_id', now() + interval '2 days');
UPDATE teamrbac.api_key SET role = 'developer' WHERE key_id = :'key_id';
CALL teamrbac.set_api_key_expiry(:'key_id', now() + interval '1 day');
CALL teamrbac.set_api_key_expiry(:'key_id', now() + interval '3 days');
UPDATE teamrbac.api_key SET created_by = u('04') WHERE key_id = :'key_id';
CALL teamrbac.rename_api_key(:'key_id', 'mine');
CALL teamrbac.set_api_key_expiry(:'key_id', now() + interval '1 day');
CALL teamrbac.rename_api_key(u('ff'), 'mine');
SELECT action, readable(before::text) AS before, readable(after::text) AS after FROM teamrbac.audit_event WHERE action IN ('api_key.renamed', 'api_key.expiry_set') AND tenant_id = u('a0') AND subject IN ('api_key:' || :'key_id', 'api_key:' || :'other') ORDER BY sequence;

DROP PROCEDURE review;
DROP OWNED BY regress_app;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u, readable;
DROP ROLE regress_app, regress_psql;
