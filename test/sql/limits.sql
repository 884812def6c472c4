-- Floods: mails of a tenant and to an address within a day, tenants of a user.  What is undone counts as well.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
CREATE FUNCTION u(n text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid $$;
-- How many of a number of attempts at a statement succeed, as somebody, and what the last one got instead.
CREATE FUNCTION attempt(who text, statement text, n int) RETURNS TABLE (succeeded int, refused text) LANGUAGE plpgsql AS $$
BEGIN
	succeeded := 0;
	PERFORM teamrbac.sign_in(u(who));
	FOR i IN 1 .. n LOOP
		BEGIN
			EXECUTE format(statement, i);
			succeeded := succeeded + 1;
		EXCEPTION WHEN OTHERS THEN
			refused := concat(SQLSTATE, ' ', SQLERRM);
		END;
	END LOOP;
	RETURN NEXT;
END $$;
SELECT count(teamrbac.register_user(name || '@example.com', name, u(id))) FROM (VALUES
	('Olivia', 'a1'), ('Adam', 'b1'), ('Mallory', 'c1'), ('Max', 'd1'), ('Victor', 'e1')) AS v(name, id);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (u('01'), 'Acme'), (u('02'), 'Borealis');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('01'), u('a1'), 'owner'), (u('01'), u('b1'), 'admin'), (u('02'), u('c1'), 'owner');
COMMIT;
CREATE PROCEDURE invite_and_cancel(tenant uuid, address text) LANGUAGE plpgsql AS $$
DECLARE
	id uuid;
BEGIN
	SELECT invitation_id INTO id FROM teamrbac.invite_member(tenant, address, 'reader');
	CALL teamrbac.cancel_invitation(id);
END $$;

-- To one address: by invitation and cancelling, by sending again, from one tenant and another, however it is spelt.
SET teamrbac.max_recipient_mails_per_day = 5;
SELECT * FROM attempt('c1', 'CALL invite_and_cancel(u(''02''), ''victor@example.com'')', 3);
SELECT * FROM attempt('a1', 'SELECT teamrbac.invite_member(u(''01''), ''VICTOR@example.com'', ''reader'')', 1);
SELECT * FROM attempt('b1', 'SELECT teamrbac.resend_invitation((SELECT invitation_id FROM teamrbac.pending_invitation LIMIT 1))', 10);
SELECT * FROM attempt('c1', 'SELECT teamrbac.invite_member(u(''02''), ''victor@Example.com'', ''reader'')', 2);
SELECT count(*) AS mails, count(DISTINCT tenant_id) AS tenants FROM teamrbac.outbox WHERE teamrbac.address_key(recipient) = 'victor@example.com';
-- What was refused left nothing behind: the invitation is the one that was sent.
SELECT i.state, i.token_hash = pg_catalog.sha256(o.token::bytea) AS as_sent FROM teamrbac.invitation AS i JOIN teamrbac.outbox AS o USING (tenant_id, invitation_id)
	WHERE i.state = 'pending' AND o.token IS NOT NULL;
-- Nor does rolling back, or sending it, begin anew; a day does.
UPDATE teamrbac.outbox SET sent_at = now(), next_attempt_at = NULL, token = NULL, withdrawn_at = NULL;
SELECT * FROM attempt('b1', 'SELECT teamrbac.resend_invitation((SELECT invitation_id FROM teamrbac.pending_invitation LIMIT 1))', 1);
UPDATE teamrbac.outbox SET created_at = now() - interval '25 hours' WHERE mail_id = (SELECT mail_id FROM teamrbac.outbox ORDER BY created_at LIMIT 1);
SELECT * FROM attempt('b1', 'SELECT teamrbac.resend_invitation((SELECT invitation_id FROM teamrbac.pending_invitation LIMIT 1))', 2);

-- Of one tenant: to ever other addresses.
SET teamrbac.max_tenant_mails_per_day = 6;
SELECT count(*) AS of_borealis FROM teamrbac.outbox WHERE tenant_id = u('02') AND created_at > now() - interval '1 day';
SELECT * FROM attempt('c1', 'CALL invite_and_cancel(u(''02''), ''x%s@example.com'')', 20);
SELECT * FROM attempt('c1', 'SELECT teamrbac.invite_member(u(''02''), ''y%s@example.com'', ''reader'')', 20);
SELECT count(*) AS of_borealis FROM teamrbac.outbox WHERE tenant_id = u('02') AND created_at > now() - interval '1 day';
-- Whoever is to be removed is removed, whether or not they can be told.
RESET teamrbac.max_tenant_mails_per_day;
RESET teamrbac.max_recipient_mails_per_day;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (u('01'), u('d1'), 'reader');
SET teamrbac.max_recipient_mails_per_day = 2;
SELECT * FROM attempt('a1', 'CALL teamrbac.change_role(u(''01''), u(''d1''), CASE %s %% 2 WHEN 0 THEN ''reader'' ELSE ''developer'' END)', 7);
SELECT * FROM attempt('a1', 'CALL teamrbac.remove_member(u(''01''), u(''d1''))', 1);
SELECT kind, count(*) FROM teamrbac.outbox WHERE recipient = 'Max@example.com' GROUP BY kind;
SELECT action, count(*) FROM teamrbac.audit_event WHERE subject = 'member:' || u('d1') AND action LIKE 'member.%' GROUP BY action ORDER BY action;
SET teamrbac.max_recipient_mails_per_day = 0;
SELECT * FROM attempt('a1', 'SELECT teamrbac.invite_member(u(''01''), ''nobody@example.com'', ''reader'')', 1);
RESET teamrbac.max_recipient_mails_per_day;

-- Tenants of a user: making and deleting one after the other is no way round, nor is handing them on.
SET teamrbac.max_tenants_per_user = 3;
SELECT * FROM attempt('d1', 'SELECT teamrbac.create_tenant(''Max %s'')', 5);
SELECT count(*) FROM teamrbac.membership WHERE user_id = u('d1');
CREATE PROCEDURE create_and_delete() LANGUAGE plpgsql AS $$ BEGIN CALL teamrbac.delete_tenant(teamrbac.create_tenant('Short'), 'Short'); END $$;
SELECT * FROM attempt('c1', 'CALL create_and_delete()', 5);
UPDATE teamrbac.tenant SET deleted_at = now() - interval '25 hours' WHERE name = 'Short';
SELECT * FROM attempt('c1', 'CALL create_and_delete()', 5);
SELECT teamrbac.sign_in(u('a1'), false);
SELECT token FROM teamrbac.invite_member(u('01'), 'max@example.com', 'admin') \gset
SELECT teamrbac.sign_in(u('d1'), false);
SELECT role FROM teamrbac.accept_invitation(:'token');
SELECT teamrbac.sign_out();
SELECT * FROM attempt('a1', 'CALL teamrbac.transfer_ownership(u(''01''), u(''d1''))', 1);
SELECT role FROM teamrbac.membership WHERE user_id = u('a1') AND tenant_id = u('01');
-- A superuser may.
CALL teamrbac.assign_owner(u('01'), u('d1'));
SELECT count(*) FROM teamrbac.membership WHERE user_id = u('d1') AND role = 'owner';

DROP EXTENSION teamrbac CASCADE;
DROP PROCEDURE invite_and_cancel(uuid, text);
DROP PROCEDURE create_and_delete();
DROP FUNCTION attempt(text, text, int), u(text);
