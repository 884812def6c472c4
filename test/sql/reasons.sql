-- What refusals tell programs: the SQLSTATE, and a reason in the constraint field.  docs/errors.md lists them all; here
-- are those that people meet most.  Olivia owns Acme, Adam is an Admin and Rita a reader there; Mal is a stranger.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(name text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
	SELECT ('00000000-0000-0000-0000-0000000000' || CASE name
		WHEN 'Acme' THEN '01' WHEN 'Borealis' THEN '02' WHEN 'Olivia' THEN 'a1' WHEN 'Adam' THEN 'b1' WHEN 'Rita' THEN 'c1'
		WHEN 'Victor' THEN 'd1' WHEN 'Mal' THEN 'e1' ELSE 'ff' END)::uuid
$$;
-- What a statement is refused with, as somebody; its effect is undone if it has one.
CREATE FUNCTION refusal(who text, statement text, OUT code text, OUT reason text) LANGUAGE plpgsql AS $$
BEGIN
	IF who IS NOT NULL THEN
		PERFORM teamrbac.sign_in(u(who));
	END IF;
	EXECUTE statement;
	RAISE EXCEPTION 'it is not refused' USING CONSTRAINT = 'not_refused';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, reason = CONSTRAINT_NAME;
END $$;
SELECT count(teamrbac.register_user(lower(name) || '@example.com', name, u(name)))
	FROM unnest('{Olivia,Adam,Rita,Victor,Mal}'::text[]) AS name;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name, slug)
	VALUES (u('Acme'), 'Acme', 'acme'), (u('Borealis'), 'Borealis', 'borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role)
	VALUES (u('Acme'), u('Olivia'), 'owner'), (u('Acme'), u('Adam'), 'admin'), (u('Acme'), u('Rita'), 'reader'),
	       (u('Borealis'), u('Adam'), 'owner');
COMMIT;
CREATE TABLE note (tenant_id uuid NOT NULL REFERENCES teamrbac.tenant ON DELETE CASCADE, body text);
CREATE INDEX ON note (tenant_id);
SELECT teamrbac.protect_table('note', 'prompts.view', 'prompts.edit');

-- Whoever may not: a tenant that does not exist, another's, and one's own look alike.
SELECT who, tenant, r.*
	FROM (VALUES (NULL, 'Acme'), ('Mal', 'Acme'), ('Mal', 'Nowhere'), ('Rita', 'Acme')) AS v(who, tenant),
	refusal(who, format('SELECT teamrbac.invite_member(u(%L), ''x@example.com'', ''reader'')', tenant)) AS r;
SELECT who, statement, r.* FROM (VALUES
	('Adam', 'SELECT teamrbac.invite_member(u(''Acme''), ''x@example.com'', ''owner'')'),
	('Adam', 'CALL teamrbac.change_role(u(''Acme''), u(''Olivia''), ''reader'')'),
	('Adam', 'CALL teamrbac.delete_tenant(u(''Acme''), ''Acme'')'),
	('Adam', 'CALL teamrbac.transfer_ownership(u(''Acme''), u(''Rita''))'),
	('Olivia', 'CALL teamrbac.leave_tenant(u(''Acme''))'),
	('Adam', 'CALL teamrbac.remove_member(u(''Acme''), u(''Mal''))')) AS v(who, statement), refusal(who, statement) AS r;

-- Beyond one's own: a manager of the application's own, who lacks what an Admin has.
SELECT teamrbac.define_role('lead', 'Manages the team alone', '{team.manage}');
SELECT teamrbac.sign_in(u('Olivia'), false);
CALL teamrbac.change_role(u('Acme'), u('Rita'), 'lead');
SELECT teamrbac.sign_out();
SELECT * FROM refusal('Rita', 'CALL teamrbac.change_role(u(''Acme''), u(''Adam''), ''reader'')');
SELECT * FROM refusal('Rita', 'SELECT teamrbac.invite_member(u(''Acme''), ''x@example.com'', ''admin'')');
SELECT * FROM refusal(NULL, 'SELECT teamrbac.define_role(''reader'', ''Reads'', ''{prompts.view}'')');

-- Arguments.
SELECT statement, r.* FROM (VALUES
	('SELECT teamrbac.invite_member(u(''Acme''), NULL, ''reader'')'),
	('SELECT teamrbac.invite_member(u(''Acme''), ''nobody'', ''reader'')'),
	('SELECT teamrbac.invite_member(u(''Acme''), ''x@example.com'', ''king'')'),
	('SELECT teamrbac.invite_member(u(''Acme''), ''x@example.com'', ''reader'', now())'),
	('SELECT teamrbac.invite_member(u(''Acme''), ''rita@example.com'', ''reader'')'),
	('SELECT teamrbac.create_tenant('' '')'),
	('SELECT teamrbac.create_tenant(E''a\u202eb'')'),
	('SELECT teamrbac.create_tenant(repeat(''x'', 1000))'),
	('SELECT teamrbac.create_tenant(''Acme'', ''Acme!'')'),
	('SELECT teamrbac.create_tenant(''Acme'', ''acme'')'),
	('SELECT teamrbac.has_permission(u(''Acme''), ''prompts.veiw'')'),
	('CALL teamrbac.delete_tenant(u(''Acme''), ''Acmee'')'),
	('SELECT * FROM teamrbac.members_page(u(''Acme''), page_size => 0)'),
	('SELECT * FROM teamrbac.members_page(u(''Acme''), after_place => ''x'')'),
	('CALL teamrbac.transfer_ownership(u(''Acme''), u(''Rita''))')) AS v(statement), refusal('Olivia', statement) AS r;

-- Invitations.  Each state that is no longer pending has its own.
SELECT teamrbac.sign_in(u('Olivia'), false);
SELECT invitation_id AS id, token FROM teamrbac.invite_member(u('Acme'), 'victor@example.com', 'reader') \gset
SELECT teamrbac.sign_out();
SELECT set_config('test.accept', format('SELECT teamrbac.accept_invitation(%L)', :'token'), false) <> '' AS set,
	set_config('test.id', :'id', false) <> '' AS set;
SELECT * FROM refusal('Olivia', 'SELECT teamrbac.invite_member(u(''Acme''), ''VICTOR@example.com'', ''reader'')');
SELECT * FROM refusal('Victor', 'SELECT teamrbac.accept_invitation(''none'')');
SELECT * FROM refusal('Mal', current_setting('test.accept'));
SELECT * FROM refusal(NULL, current_setting('test.accept'));
UPDATE teamrbac.invitation SET expires_at = now();
SELECT * FROM refusal('Victor', current_setting('test.accept'));
UPDATE teamrbac.invitation SET expires_at = now() + interval '1 day';
BEGIN;
UPDATE teamrbac.membership SET role = 'reader' WHERE user_id = u('Adam') AND tenant_id = u('Acme');
UPDATE teamrbac.invitation SET invited_by = u('Adam');
SELECT * FROM refusal('Victor', current_setting('test.accept'));
ROLLBACK;
SELECT teamrbac.sign_in(u('Olivia'), false);
CALL teamrbac.cancel_invitation(:'id');
SELECT teamrbac.sign_out();
SELECT * FROM refusal('Victor', current_setting('test.accept'));
SELECT * FROM refusal('Olivia', format('SELECT teamrbac.resend_invitation(%L)', current_setting('test.id')));
SET teamrbac.max_pending_invitations = 0;
SELECT * FROM refusal('Olivia', 'SELECT teamrbac.invite_member(u(''Acme''), ''x@example.com'', ''reader'')');
RESET teamrbac.max_pending_invitations;

-- Identities, and which tenant.
SELECT * FROM refusal('Nobody', 'SELECT');
SELECT * FROM refusal(NULL, 'SELECT teamrbac.sign_in(NULL)');
SELECT * FROM refusal(NULL, 'SELECT teamrbac.sign_in_with_api_key(''trk_x'')');
CALL teamrbac.disable_user(u('Victor'));
SELECT * FROM refusal('Victor', 'SELECT');
CREATE ROLE regress_reasons;
GRANT SELECT ON note TO regress_reasons;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO regress_reasons;
SET ROLE regress_reasons;
SELECT * FROM refusal('Adam', 'SELECT count(*) FROM note');
RESET ROLE;
SELECT * FROM refusal('Adam', 'SELECT teamrbac.act_in_tenant(u(''Acme'')), teamrbac.act_in_tenant(u(''Borealis''))');
SELECT * FROM refusal('Rita', 'SELECT teamrbac.act_in_tenant(u(''Borealis''))');

DROP TABLE note;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION u(text), refusal(text, text);
DROP ROLE regress_reasons;
