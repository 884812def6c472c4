-- The settings: what they take, what they refuse, and that only a superuser changes them.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
SELECT name, setting, context FROM pg_settings WHERE name LIKE 'teamrbac.%' AND name <> 'teamrbac.identity' ORDER BY name;
-- Durations: an interval between 0 and 1000 years, empty only where that means for ever.
SET teamrbac.invitation_lifetime = 'soon';
SET teamrbac.invitation_lifetime = '7 parsecs';
SET teamrbac.invitation_lifetime = '-1 day';
SET teamrbac.invitation_lifetime = '1001 years';
SET teamrbac.invitation_lifetime = 'now';
SET teamrbac.invitation_lifetime = '';
SET teamrbac.audit_retention = 'never';
SET teamrbac.audit_retention = '';
SET teamrbac.unused_after = '';
SET teamrbac.record_permission_use = 'sometimes';
SET teamrbac.max_pending_invitations = -1;
SET teamrbac.log_denials = 'loudly';
-- What they say is done, by however many words it is said.
SELECT teamrbac.register_user('olivia@example.com', 'Olivia', '00000000-0000-0000-0000-0000000000a1');
SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000a1', false);
SELECT teamrbac.create_tenant('Acme') AS acme \gset
SET teamrbac.invitation_lifetime = '1 day 2 hours 3 minutes 4 seconds 5 milliseconds';
BEGIN;
SELECT date_trunc('second', expires_at - now()) AS lifetime FROM teamrbac.invite_member(:'acme', 'one@example.com', 'reader');
SET LOCAL teamrbac.invitation_lifetime = '2 hours';
SELECT date_trunc('second', expires_at - now()) AS lifetime FROM teamrbac.invite_member(:'acme', 'two@example.com', 'reader');
SET LOCAL teamrbac.invitation_lifetime = '1 mon 1 year';
SELECT date_trunc('second', expires_at - now()) AS lifetime FROM teamrbac.invite_member(:'acme', 'three@example.com', 'reader');
ROLLBACK;
-- An ordinary role changes none.
CREATE ROLE regress_setter;
SET ROLE regress_setter;
SET teamrbac.invitation_lifetime = '1 day';
SET teamrbac.audit_retention = '1 day';
SET teamrbac.log_denials = 'off';
SET teamrbac.record_permission_use = 'off';
SET teamrbac.unused_after = '1 day';
RESET ROLE;
DROP ROLE regress_setter;
SELECT teamrbac.sign_out();
DROP EXTENSION teamrbac;
