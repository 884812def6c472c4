-- The outbox: who may send, leases, back-off, giving up, and where a token is no more.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
\set SHOW_CONTEXT never
\set acme '''00000000-0000-0000-0000-000000000001'''
\set bolt '''00000000-0000-0000-0000-000000000002'''
SELECT count(teamrbac.register_user('olivia@example.com', 'Olivia', '00000000-0000-0000-0000-0000000000a1'));
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (:acme, 'Acme'), (:bolt, 'Bolt');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT tenant_id, '00000000-0000-0000-0000-0000000000a1', 'owner' FROM teamrbac.tenant;
COMMIT;
-- Mail as the commands queue it, one a second.
CREATE FUNCTION queue(tenant uuid, n integer, kind teamrbac.mail_kind DEFAULT 'invitation') RETURNS void
LANGUAGE sql AS $$
	INSERT INTO teamrbac.outbox (tenant_id, mail_id, kind, recipient, invitation_id, token, fields, created_at, next_attempt_at)
	VALUES (tenant, ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, kind, 'r' || n || '@example.com',
		NULL, CASE WHEN kind = 'invitation' THEN 'secret' || n END,
		jsonb_build_object('role', 'developer'), now() - interval '1 hour' + n * interval '1 s', now() - interval '1 hour' + n * interval '1 s')
$$;
-- What a sender sees of its queue, and what a DBA sees, without times: how long until the next attempt.
CREATE VIEW state AS
	SELECT right(mail_id::text, 2) AS mail, token IS NOT NULL AS token, attempts,
		CASE WHEN sent_at IS NOT NULL AND failed_at IS NOT NULL THEN 'came back' WHEN sent_at IS NOT NULL THEN 'sent' WHEN failed_at IS NOT NULL THEN 'given up' WHEN withdrawn_at IS NOT NULL THEN 'withdrawn'
			 WHEN next_attempt_at <= clock_timestamp() THEN 'due'
			 ELSE 'in ' || justify_interval(date_trunc('minute', next_attempt_at - now() + interval '30 s')) END AS state,
		claimed_by IS NOT NULL AS claimed, last_error, error_kind AS kind
	FROM teamrbac.outbox ORDER BY mail_id;
SELECT count(queue(:acme, n)) FROM generate_series(1, 3) AS n;

-- Only whom the DBA lets: the mailer's role needs these functions and nothing else.
CREATE ROLE regress_mailer;
SET ROLE regress_mailer;
SELECT * FROM teamrbac.claim_mail();
SELECT teamrbac.mail_sent('00000000-0000-0000-0000-000000000001');
SELECT teamrbac.mail_failed('00000000-0000-0000-0000-000000000001', 'x');
SELECT teamrbac.mail_blocked('00000000-0000-0000-0000-000000000001', 'x');
SELECT teamrbac.mail_refused('00000000-0000-0000-0000-000000000001', 'x');
SELECT * FROM teamrbac.outbox;
RESET ROLE;
GRANT EXECUTE ON FUNCTION teamrbac.claim_mail(integer, interval), teamrbac.mail_sent(uuid),
	teamrbac.mail_failed(uuid, text), teamrbac.mail_blocked(uuid, text), teamrbac.mail_refused(uuid, text) TO regress_mailer;
SET ROLE regress_mailer;

-- Oldest first; nobody gets them again while the lease lasts.
SELECT mail_id, kind, recipient, tenant_id, tenant_name, invitation_id, token, fields, attempt FROM teamrbac.claim_mail(2);
SELECT mail_id, attempt FROM teamrbac.claim_mail();
SELECT mail_id, attempt FROM teamrbac.claim_mail();
-- A claim that is rolled back has not happened.
RESET ROLE;
SELECT queue(:acme, 4);
BEGIN;
SELECT right(mail_id::text, 2) AS mail, attempt FROM teamrbac.claim_mail();
ROLLBACK;
SELECT * FROM state;

-- Sent: the token is gone. To report it twice, or without having claimed, does no harm.
SELECT teamrbac.mail_sent('00000000-0000-0000-0000-000000000001');
SELECT teamrbac.mail_sent('00000000-0000-0000-0000-000000000001');
SELECT teamrbac.mail_failed('00000000-0000-0000-0000-000000000001', 'late');
-- A bounce, which comes after the server had taken the mail; the first one counts.
SELECT teamrbac.mail_refused('00000000-0000-0000-0000-000000000001', 'mailbox unknown');
SELECT teamrbac.mail_refused('00000000-0000-0000-0000-000000000001', 'late');
SELECT teamrbac.mail_sent('00000000-0000-0000-0000-0000000000ff');
SELECT teamrbac.mail_failed('00000000-0000-0000-0000-0000000000ff', 'no such mail');
SELECT * FROM state;

-- Failed: due again later and later, in the end given up, the reason kept and the token wiped.
SELECT teamrbac.mail_failed('00000000-0000-0000-0000-000000000002', E'451 try\r\nagain \u00e9' || repeat('.', 1000));
SELECT mail, token, attempts, state, claimed, left(last_error, 20) AS last_error, length(last_error) FROM state WHERE mail = '02';
SELECT mail_id FROM teamrbac.claim_mail(10, '1 s') WHERE mail_id = '00000000-0000-0000-0000-000000000002';
CREATE FUNCTION attempt(n integer, nth integer) RETURNS TABLE (attempt integer, again boolean, state text)
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE teamrbac.outbox SET next_attempt_at = now() WHERE right(mail_id::text, 2)::int = n AND next_attempt_at IS NOT NULL;
	SELECT c.attempt INTO attempt FROM teamrbac.claim_mail() AS c WHERE right(mail_id::text, 2)::int = n;
	again := teamrbac.mail_failed(('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, '451 try again');
	SELECT s.state INTO state FROM state AS s WHERE s.mail::int = n;
	RETURN NEXT;
END $$;
SELECT a.* FROM generate_series(2, 12) AS g, attempt(2, g) AS a;
SELECT * FROM state WHERE mail = '02';
SELECT * FROM attempt(2, 13);
-- Refused for good: given up at once.
SELECT teamrbac.mail_refused('00000000-0000-0000-0000-000000000003', '550 no such mailbox');
SELECT * FROM state WHERE mail = '03';
-- A sender whose report came late after all did send it.
SELECT teamrbac.mail_sent('00000000-0000-0000-0000-000000000003');
SELECT * FROM state WHERE mail = '03';

-- Refused for the sender's sake: later and later as well, but never given up for that; the token stays.
DELETE FROM teamrbac.outbox;
SELECT queue(:acme, 4);
CREATE FUNCTION blocked(n integer, times integer) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	again boolean;
BEGIN
	FOR i IN 1 .. times LOOP
		UPDATE teamrbac.outbox SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL;
		PERFORM teamrbac.claim_mail();
		again := teamrbac.mail_blocked(('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, '550 5.7.1 relaying denied');
	END LOOP;
	RETURN again;
END $$;
SELECT blocked(4, 1);
SELECT * FROM state;
SELECT blocked(4, 30);
SELECT * FROM state;
-- To report it twice makes it no more attempts than there were.
SELECT teamrbac.mail_blocked('00000000-0000-0000-0000-000000000004', '550 5.7.1 relaying denied');
SELECT attempts, blocked_attempts FROM teamrbac.outbox;
-- What is put right is tried as often as ever.
SELECT a.* FROM generate_series(1, 12) AS g, attempt(4, g) AS a;
SELECT * FROM state;
-- Nothing comes back: not what was given up, sent, or never there.
SELECT teamrbac.mail_blocked('00000000-0000-0000-0000-000000000004', 'late');
SELECT teamrbac.mail_sent('00000000-0000-0000-0000-000000000004');
SELECT teamrbac.mail_blocked('00000000-0000-0000-0000-000000000004', 'late');
SELECT teamrbac.mail_blocked('00000000-0000-0000-0000-0000000000ff', 'late');
SELECT * FROM state;
DROP FUNCTION blocked;

-- A sender that dies: its lease ends, the mail is handed out again.
DELETE FROM teamrbac.outbox;
SELECT queue(:acme, 5);
SELECT token, attempt FROM teamrbac.claim_mail(1, '0.2 s');
SELECT pg_sleep(0.3);
SELECT token, attempt FROM teamrbac.claim_mail(1, '20 minutes');
-- It was claimed by another session since: a failure reported by this one leaves that lease alone.
UPDATE teamrbac.outbox SET claimed_by = 'another';
SELECT teamrbac.mail_failed('00000000-0000-0000-0000-000000000005', 'timeout');
SELECT * FROM state;
-- One that kills its senders is not handed out for ever.
UPDATE teamrbac.outbox SET attempts = 12, next_attempt_at = now() - interval '1 s';
SELECT token, attempt FROM teamrbac.claim_mail(1);
SELECT * FROM state;

-- Mail of a deleted tenant waits, and does not hold up the others'.
DELETE FROM teamrbac.outbox;
SELECT queue(:bolt, 6), queue(:acme, 7, 'removed');
UPDATE teamrbac.tenant SET deleted_at = now() WHERE tenant_id = :bolt;
SELECT kind, tenant_name, token, attempt FROM teamrbac.claim_mail(1);
SELECT kind, tenant_name, token, attempt FROM teamrbac.claim_mail(1);
UPDATE teamrbac.tenant SET deleted_at = NULL WHERE tenant_id = :bolt;
SELECT kind, tenant_name, token, attempt FROM teamrbac.claim_mail(1);
-- It goes with its tenant.
DELETE FROM teamrbac.tenant WHERE tenant_id = :bolt;
SELECT * FROM state;

-- What commands queue, for whom it concerns; nothing for what was rolled back, or changed nothing.
DELETE FROM teamrbac.outbox;
SELECT count(teamrbac.register_user(n || '@example.com', initcap(n), ('00000000-0000-0000-0000-0000000000' || i)::uuid)) FROM (VALUES ('ann', 'b1'), ('bob', 'c1')) AS t (n, i);
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES (:acme, '00000000-0000-0000-0000-0000000000b1', 'developer'), (:acme, '00000000-0000-0000-0000-0000000000c1', 'reader');
SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000a1', false);
BEGIN;
CALL teamrbac.change_role(:acme, '00000000-0000-0000-0000-0000000000b1', 'reader');
ROLLBACK;
CALL teamrbac.change_role(:acme, '00000000-0000-0000-0000-0000000000c1', 'reader');
CALL teamrbac.change_role(:acme, '00000000-0000-0000-0000-0000000000b1', 'admin');
CALL teamrbac.remove_member(:acme, '00000000-0000-0000-0000-0000000000c1');
CALL teamrbac.transfer_ownership(:acme, '00000000-0000-0000-0000-0000000000b1');
SELECT recipient, kind, token, fields FROM teamrbac.claim_mail();

-- An invitation that can no longer be accepted is not sent: cancelled, superseded, or expired, whether or not a job
-- has marked it. The token is gone with it.
DELETE FROM teamrbac.outbox;
SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000b1', false);
SELECT invitation_id AS cancelled FROM teamrbac.invite_member(:acme, 'cancelled@example.com', 'reader') \gset
SELECT invitation_id AS resent FROM teamrbac.invite_member(:acme, 'resent@example.com', 'reader') \gset
SELECT count(*) FROM teamrbac.invite_member(:acme, 'expired@example.com', 'reader');
SELECT count(*) FROM teamrbac.invite_member(:acme, 'sent@example.com', 'reader');
CALL teamrbac.cancel_invitation(:'cancelled');
SELECT token AS new_token FROM teamrbac.resend_invitation(:'resent') \gset
UPDATE teamrbac.invitation SET expires_at = clock_timestamp() WHERE email = 'expired@example.com';
SELECT recipient, kind, token = :'new_token' AS new_token, tenant_name FROM teamrbac.claim_mail();
SELECT recipient, kind, token IS NOT NULL AS token, attempts, withdrawn_at IS NOT NULL AS withdrawn FROM teamrbac.outbox ORDER BY created_at;
-- One that ended while its mail was with a sender: a failure is not tried again, and a mail that was sent was sent.
SELECT mail_id FROM teamrbac.outbox WHERE recipient = 'sent@example.com' \gset
UPDATE teamrbac.invitation SET state = 'cancelled', decided_at = now() WHERE email = 'sent@example.com';
UPDATE teamrbac.outbox SET next_attempt_at = now() WHERE mail_id = :'mail_id';
SELECT count(*) FROM teamrbac.claim_mail();
SELECT teamrbac.mail_failed(:'mail_id', 'late');
SELECT teamrbac.mail_sent(:'mail_id');
SELECT token, sent_at IS NOT NULL AS sent, withdrawn_at IS NOT NULL AS withdrawn, last_error FROM teamrbac.outbox WHERE mail_id = :'mail_id';
SELECT teamrbac.sign_out();

-- Arguments.
\set VERBOSITY sqlstate
SELECT * FROM teamrbac.claim_mail(0);
SELECT * FROM teamrbac.claim_mail(1001);
SELECT * FROM teamrbac.claim_mail(NULL);
SELECT * FROM teamrbac.claim_mail(1, NULL);
SELECT * FROM teamrbac.claim_mail(1, '0');
SELECT * FROM teamrbac.claim_mail(1, '-1 s');
SELECT teamrbac.mail_sent(NULL);
SELECT teamrbac.mail_failed(NULL, 'x');
SELECT teamrbac.mail_failed('00000000-0000-0000-0000-000000000007', NULL);
SELECT teamrbac.mail_blocked(NULL, 'x');
SELECT teamrbac.mail_blocked('00000000-0000-0000-0000-000000000007', NULL);
SELECT teamrbac.mail_refused('00000000-0000-0000-0000-000000000007', NULL);
-- A token stays with no mail that is done, an address is one address, and fields are an object: by the schema.
UPDATE teamrbac.outbox SET sent_at = now(), next_attempt_at = NULL, token = 'secret';
UPDATE teamrbac.outbox SET sent_at = now();
UPDATE teamrbac.outbox SET next_attempt_at = NULL;
UPDATE teamrbac.outbox SET recipient = E'a@example.com\r\nBcc: b@example.com';
UPDATE teamrbac.outbox SET fields = '[]';
\set VERBOSITY default
-- What a dump has of it: nothing unsent.
SELECT c FROM pg_extension, unnest(extconfig, extcondition) AS u (t, c) WHERE extname = 'teamrbac' AND t = 'teamrbac.outbox'::regclass;

DROP VIEW state;
DROP FUNCTION queue;
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION attempt;
DROP OWNED BY regress_mailer;
DROP ROLE regress_mailer;
