# What the tests of dumps, upgrades and crashes share: a populated database, and what is in one.
package Teamrbac;

use strict;
use warnings;
use Exporter 'import';
use Test::More;

our @EXPORT = qw(id sign_in contents team differences broken_chains catalogue populate populate_more application commands is_intact secrets_work
	remedied);

# A well-known uuid: id('a1').
sub id { return '00000000-0000-0000-0000-0000000000' . shift }

# SQL that signs a user in for the session.
sub sign_in { return "SELECT teamrbac.sign_in('" . id(shift) . "', false);" }

# Who may execute what an application needs.
sub application
{
	return <<'SQL';
CREATE ROLE app LOGIN;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean), teamrbac.sign_in_as_member(uuid, uuid, boolean), teamrbac.register_user(text, text, uuid),
	teamrbac.update_user(uuid, text, text) TO app;
SQL
}

# A team of each kind: roles and permissions of the application's own, an expired and a future membership,
# a deleted tenant, a disabled user, tables with policies of both kinds.
sub populate
{
	my ($node, $db) = @_;
	my ($olivia, $adam, $dora, $rita, $carl) = map { id($_) } qw(a1 a2 a3 a4 a5);
	$node->safe_psql($db, <<"SQL");
SELECT teamrbac.register_user(n || '\@example.com', n, ('00000000-0000-0000-0000-0000000000' || i)::uuid)
	FROM (VALUES ('Olivia', 'a1'), ('Adam', 'a2'), ('Dora', 'a3'), ('Rita', 'a4'), ('Carl', 'a5')) AS t(n, i);
SELECT teamrbac.define_permission('reports.view', 'View "reports"', '{reader}', true);
SELECT teamrbac.define_permission('reports.edit', E'Edit\\\\reports', '{admin}');
SELECT teamrbac.define_role('auditor', 'Reads \\N and NULL', '{reports.view,logs.view,audit.view}');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name, slug) VALUES
	('${\id('01')}', 'Acme', 'acme'), ('${\id('02')}', E'Bor\\\\ealis "Ltd"', NULL), ('${\id('03')}', 'Gone', 'gone');
INSERT INTO teamrbac.membership (tenant_id, user_id, role, expires_at) VALUES
	('${\id('01')}', '$olivia', 'owner', NULL), ('${\id('01')}', '$adam', 'admin', NULL),
	('${\id('01')}', '$dora', 'developer', '2999-01-01'), ('${\id('01')}', '$rita', 'reader', '2001-01-01'),
	('${\id('01')}', '$carl', 'auditor', NULL),
	('${\id('02')}', '$adam', 'owner', NULL), ('${\id('02')}', '$dora', 'admin', NULL),
	('${\id('03')}', '$dora', 'owner', NULL);
COMMIT;
${\sign_in('a1')}
CALL teamrbac.set_membership_expiry('${\id('01')}', '$carl', '2998-01-01');
CALL teamrbac.transfer_ownership('${\id('01')}', '$adam');
${\sign_in('a2')}
CALL teamrbac.change_role('${\id('01')}', '$dora', 'reader');
CALL teamrbac.transfer_ownership('${\id('01')}', '$olivia');
${\sign_in('a3')}
CALL teamrbac.delete_tenant('${\id('03')}', 'Gone');
SELECT teamrbac.sign_out();
CALL teamrbac.disable_user('$rita');
CREATE ROLE psql_user LOGIN;
SELECT teamrbac.map_database_role('$dora', 'psql_user');
CREATE TABLE prompt (tenant_id uuid NOT NULL REFERENCES teamrbac.tenant, id int, state text DEFAULT 'draft', PRIMARY KEY (tenant_id, id));
INSERT INTO prompt SELECT t, g FROM unnest('{${\id('01')},${\id('02')},${\id('03')}}'::uuid[]) AS t, generate_series(1, 10) AS g;
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit', across_tenants => true);
CREATE TRIGGER promote BEFORE UPDATE ON prompt FOR EACH ROW WHEN (NEW.state = 'live')
	EXECUTE FUNCTION teamrbac.require_permission_on_change('prompts.promote', 'tenant_id');
CREATE TABLE report (tenant_id uuid PRIMARY KEY, body text);
INSERT INTO report VALUES ('${\id('01')}', 'x'), ('${\id('02')}', 'y');
SELECT teamrbac.protect_table('report', 'reports.view', 'reports.edit');
GRANT SELECT, INSERT, UPDATE, DELETE ON prompt, report TO app, psql_user;
SQL
	return;
}

# What only commands can make: API keys, used, revoked and rotated; invitations in every state; mail, sent and
# unsent.  Returns the secrets.
sub populate_more
{
	my ($node, $db) = @_;
	my $acme = id('01');
	my $out = $node->safe_psql($db, <<"SQL");
${\sign_in('a2')}
SELECT secret FROM teamrbac.create_api_key('$acme', 'deploy "x"', 'developer');
SELECT secret FROM teamrbac.create_api_key('$acme', 'logs', 'reader', '2999-01-01', '{logs.view}');
SELECT secret FROM teamrbac.create_api_key('$acme', 'revoked', 'reader');
SELECT key_id FROM teamrbac.api_key WHERE name = 'revoked' \\gset
CALL teamrbac.revoke_api_key(:'key_id', 'lost');
SELECT token FROM teamrbac.invite_member('$acme', 'new\@example.com', 'developer', '2999-01-01');
SELECT token FROM teamrbac.invite_member('$acme', 'no\@example.com', 'reader');
SELECT token FROM teamrbac.invite_member('$acme', 'cancelled\@example.com', 'reader');
SELECT invitation_id FROM teamrbac.invitation WHERE email = 'cancelled\@example.com' \\gset
CALL teamrbac.cancel_invitation(:'invitation_id');
-- Roles of a tenant's own, of a member, an invitation and a key; another tenant has one of the same name.
SELECT teamrbac.define_tenant_role('$acme', 'editor', 'Edits', '{prompts.view,prompts.edit}');
SELECT teamrbac.define_tenant_role('$acme', 'nobodys', 'Nothing', '{}');
SELECT teamrbac.define_tenant_role('${\id('02')}', 'editor', 'Reads', '{prompts.view}');
CALL teamrbac.change_role('${\id('02')}', '${\id('a3')}', 'editor');
SELECT count(*) FROM teamrbac.invite_member('$acme', 'editor\@example.com', 'editor');
SELECT key_id FROM teamrbac.create_api_key('$acme', 'edits', 'editor');
-- A review that goes on, of all of these.
SELECT teamrbac.start_review('$acme', '2999-01-01') AS review \\gset
SELECT item FROM teamrbac.review_items(:'review') WHERE name = 'nobodys' \\gset
CALL teamrbac.decide(:'review', :item, 'keep', 'Perhaps somebody will');
SELECT teamrbac.sign_out();
SELECT count(teamrbac.mail_sent(mail_id)) FROM teamrbac.claim_mail(1) AS m;
SELECT teamrbac.register_user('new\@example.com', 'New', '${\id('a6')}');
SQL
	my @secrets = grep { length > 30 && !/^[-0-9a-f]{36}$/ } split /\n/, $out;
	is(scalar @secrets, 6, 'three keys and three invitations') or diag($out);
	$node->safe_psql($db, <<"SQL");
SET teamrbac.record_permission_use = on;
SELECT teamrbac.sign_in_with_api_key('$secrets[1]', false);
SELECT teamrbac.has_permission('$acme', 'logs.view');
${\sign_in('a2')}
SELECT teamrbac.has_permission('$acme', 'audit.view');
SQL
	# Limits, other ways in, what is noted about somebody, and somebody erased.
	$node->safe_psql($db, <<"SQL");
SELECT teamrbac.register_user(n || '\@example.com', n, i::uuid) FROM (VALUES ('asks', '${\id('e7')}'), ('gone', '${\id('e8')}')) AS t(n, i);
CALL teamrbac.set_tenant_limit('$acme', 'members', 1000);
CALL teamrbac.set_public_mail_domain('example.net', true);
CALL teamrbac.set_public_mail_domain('gmail.com', false);
CALL teamrbac.set_user_locale('${\id('a6')}', 'de');
SELECT teamrbac.add_member('$acme', '${\id('e8')}', 'reader');
${\sign_in('a2')}
CALL teamrbac.set_member_metadata('$acme', '${\id('e8')}', '{"nickname": "Go"}');
SELECT FROM teamrbac.invite_by_link('$acme', 'reader', 5);
CALL teamrbac.allow_domain('$acme', 'example.com', 'reader', false);
${\sign_in('e7')}
CALL teamrbac.request_to_join('$acme');
SELECT teamrbac.sign_out();
CALL teamrbac.delete_user('${\id('e8')}');
SQL
	return \@secrets;
}

# That the secrets of populate_more() are good for what they were, the audit is whole, and no mail waits that might
# have been sent from where the database came from.
sub secrets_work
{
	my ($node, $db, $secrets, $what) = @_;
	my ($deploy, $logs, $revoked, $new, $no, $cancelled) = @$secrets;
	my ($rc, $out, $err);
	is($node->safe_psql($db, "SELECT (teamrbac.sign_in_with_api_key('$deploy', false)).role; SET ROLE app; SELECT count(*) FROM prompt;"), "developer\n10", "$what: a key signs in and sees its tenant's rows");
	is($node->safe_psql($db, "SELECT (teamrbac.sign_in_with_api_key('$logs', false)).role; SELECT teamrbac.my_permissions('${\id('01')}');"), "reader\n{logs.view}", "$what: a key has its permissions");
	($rc, $out, $err) = $node->psql($db, "SELECT teamrbac.sign_in_with_api_key('$revoked')");
	like($err, qr/ERROR/, "$what: a revoked key stays revoked");
	is($node->safe_psql($db, "SELECT state FROM teamrbac.peek_invitation('$no')"), 'pending', "$what: an invitation waits");
	is($node->safe_psql($db, "SELECT count(*) FROM teamrbac.peek_invitation('$cancelled') WHERE state = 'pending'"), '0', "$what: a cancelled one does not");
	is($node->safe_psql($db, "SELECT count(*) FROM teamrbac.tenant AS t, teamrbac.verify_audit(t.tenant_id) AS v WHERE NOT v.valid"), '0', "$what: every chain of the audit is whole");
	my $sign_in = sign_in('a6');
	is($node->safe_psql($db, "$sign_in SELECT role FROM teamrbac.accept_invitation('$new'); SELECT count(*) FROM teamrbac.my_tenants();") =~ s/^\n//r, "developer\n1", "$what: the other is accepted");
	return;
}

# All rows of the extension's own tables, and of the others in public: "table: row" in order.  Of the
# extension's tables only the rows that a dump takes.
sub contents
{
	my ($node, $db) = @_;
	my $queries = $node->safe_psql($db, <<'SQL');
SELECT format('SELECT %L || t::text FROM %s AS t %s;', relation::text || ': ', relation, condition)
	FROM (SELECT unnest(extconfig)::regclass AS relation, unnest(extcondition) AS condition
			FROM pg_extension WHERE extname = 'teamrbac'
		  UNION ALL
		  SELECT oid::regclass, '' FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r') AS r
	WHERE (SELECT relkind FROM pg_class WHERE oid = relation) = 'r'
	ORDER BY relation::text;
SQL
	# Rows in the byte order of their text: no collation, which differs between servers.
	my @rows = sort split /\n/, $node->safe_psql($db, "SET row_security = off; $queries");
	return \@rows;
}

# All rows but those that signing in wrote, which are committed before the command that follows.
sub team
{
	my ($node, $db) = @_;
	return [ grep { !/^teamrbac\.user_activity: / } @{ contents($node, $db) } ];
}

# SQL that counts the audit's chains that are not whole.
sub broken_chains
{
	return 'SELECT count(*) FROM (SELECT DISTINCT tenant_id FROM teamrbac.audit_event) AS t, teamrbac.verify_audit(t.tenant_id) AS v WHERE NOT v.valid';
}

# The schema and all that belongs to it, object by object, each with everything a fresh installation gives it.
sub catalogue
{
	my ($node, $db) = @_;
	my $folded = $node->safe_psql($db, <<'SQL');
SET search_path = pg_catalog;
CREATE FUNCTION pg_temp.acl(acl aclitem[]) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(item::text, ' ' ORDER BY item::text COLLATE "C") FROM unnest(acl) AS item $$;
CREATE VIEW pg_temp.relation AS SELECT * FROM pg_class WHERE relnamespace = 'teamrbac'::regnamespace;
CREATE VIEW pg_temp.member AS SELECT classid, objid, objsubid FROM pg_depend
	WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'teamrbac');
SELECT regexp_replace(concat(what, ' ', line), '\s+', ' ', 'g') FROM (
	SELECT 'member', pg_describe_object(classid, objid, objsubid) FROM pg_temp.member
	UNION ALL SELECT 'version', extversion FROM pg_extension WHERE extname = 'teamrbac'
	UNION ALL SELECT 'dumped', ROW(relation, condition)::text
		FROM (SELECT unnest(extconfig)::regclass AS relation, unnest(extcondition) AS condition FROM pg_extension WHERE extname = 'teamrbac') AS d
	UNION ALL SELECT 'schema', pg_temp.acl(nspacl) FROM pg_namespace WHERE nspname = 'teamrbac'
	UNION ALL SELECT 'function', ROW(oid::regprocedure, pg_get_function_arguments(oid), prorettype::regtype, prokind, prosecdef, proleakproof,
			proisstrict, proretset, provolatile, proparallel, procost, prorows, prosupport, proconfig, pg_temp.acl(proacl), probin, prosrc,
			pg_get_function_sqlbody(oid))::text
		FROM pg_proc WHERE pronamespace = 'teamrbac'::regnamespace
	UNION ALL SELECT 'relation', ROW(oid::regclass, relkind, relpersistence, relrowsecurity, relforcerowsecurity, relreplident, reloptions,
			pg_temp.acl(relacl), CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) WHEN 'i' THEN pg_get_indexdef(oid) END)::text
		FROM pg_temp.relation
	UNION ALL SELECT 'column', ROW(attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
			attstorage, attislocal, attcollation::regcollation, (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum),
			pg_temp.acl(attacl))::text
		FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_temp.relation) AND attnum > 0
	UNION ALL SELECT 'sequence', ROW(seqrelid::regclass, seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle)::text
		FROM pg_sequence WHERE seqrelid IN (SELECT oid FROM pg_temp.relation)
	UNION ALL SELECT 'constraint', ROW(conrelid::regclass, contypid::regtype, conname, pg_get_constraintdef(oid), condeferrable, condeferred, convalidated)::text
		FROM pg_constraint WHERE connamespace = 'teamrbac'::regnamespace
	UNION ALL SELECT 'trigger', ROW(pg_get_triggerdef(oid), tgenabled)::text
		FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM pg_temp.relation) AND NOT tgisinternal
	UNION ALL SELECT 'event trigger', ROW(evtname, evtevent, evtfoid::regproc, evtenabled, evttags)::text
		FROM pg_event_trigger WHERE oid IN (SELECT objid FROM pg_temp.member WHERE classid = 'pg_event_trigger'::regclass)
	UNION ALL SELECT 'policy', ROW(polrelid::regclass, polname, polcmd, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid),
			pg_get_expr(polwithcheck, polrelid))::text
		FROM pg_policy WHERE polrelid IN (SELECT oid FROM pg_temp.relation)
	UNION ALL SELECT 'type', ROW(oid::regtype, typtype, typbasetype::regtype, typnotnull, typdefault, typcollation::regcollation,
			(SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid), pg_temp.acl(typacl))::text
		FROM pg_type AS t WHERE typnamespace = 'teamrbac'::regnamespace
	UNION ALL SELECT 'privileges', ROW(pg_describe_object(classoid, objoid, p.objsubid), pg_temp.acl(initprivs))::text
		FROM pg_init_privs AS p JOIN pg_temp.member AS m ON (m.classid, m.objid) = (p.classoid, p.objoid)
	UNION ALL SELECT 'comment', ROW(pg_describe_object(c.classoid, c.objoid, c.objsubid), description)::text
		FROM pg_description AS c WHERE EXISTS (SELECT FROM pg_temp.member AS m WHERE (m.classid, m.objid) = (c.classoid, c.objoid))
			OR classoid IN ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass)
				AND pg_describe_object(classoid, objoid, objsubid) ~ 'teamrbac'
	UNION ALL SELECT 'permission', p::text FROM teamrbac.permission AS p WHERE built_in
	UNION ALL SELECT 'role', r::text FROM teamrbac.role AS r WHERE built_in
	UNION ALL SELECT 'role_permission', rp::text FROM teamrbac.role_permission AS rp WHERE built_in
) AS every(what, line);
SQL
	my @lines = sort split /\n/, $folded;
	return \@lines;
}

# What one list has and the other hasn't, for is(); empty where they are the same.
sub differences
{
	my ($before, $after) = @_;
	my %count;
	$count{$_}-- for @$before;
	$count{$_}++ for @$after;
	return join "\n", map { ($count{$_} < 0 ? '- ' : '+ ') . $_ } sort grep { $count{$_} } keys %count;
}

# Every command, each with a team of its own to work on, as [name, SQL]: none waits for another's tenant.
sub commands
{
	my ($node, $db) = @_;
	my @templates = (
		[ 'create_tenant', 'owner', q{SELECT teamrbac.create_tenant('New %n');} ],
		[ 'register_user', '', q{SELECT teamrbac.register_user('new%n@example.com', 'New', '60000000-0000-0000-0000-0000000000%n');} ],
		[ 'update_user', '', q{SELECT teamrbac.update_user('%developer', 'changed%n@example.com', 'Changed');} ],
		[ 'change_role', 'admin', q{CALL teamrbac.change_role('%tenant', '%developer', 'reader', true);} ],
		[ 'remove_member', 'owner', q{CALL teamrbac.remove_member('%tenant', '%admin', true);} ],
		[ 'leave_tenant', 'developer', q{CALL teamrbac.leave_tenant('%tenant');} ],
		[ 'set_membership_expiry', 'admin', q{CALL teamrbac.set_membership_expiry('%tenant', '%developer', '2999-01-01');} ],
		[ 'transfer_ownership', 'owner', q{CALL teamrbac.transfer_ownership('%tenant', '%admin');} ],
		[ 'assign_owner', '', q{CALL teamrbac.assign_owner('%tenant', '%developer');} ],
		[ 'delete_tenant', 'owner', q{CALL teamrbac.delete_tenant('%tenant', 'Team %n');} ],
		[ 'restore_tenant', 'deleted', q{CALL teamrbac.restore_tenant('%tenant');} ],
		[ 'disable_user', '', q{CALL teamrbac.disable_user('%developer');} ],
		[ 'enable_user', 'disabled', q{CALL teamrbac.enable_user('%invitee');} ],
		[ 'invite_member', 'admin', q{SELECT teamrbac.invite_member('%tenant', 'more%n@example.com', 'developer');} ],
		[ 'resend_invitation', 'admin', q{SELECT teamrbac.resend_invitation('%invitation');} ],
		[ 'cancel_invitation', 'admin', q{CALL teamrbac.cancel_invitation('%invitation');} ],
		[ 'accept_invitation', 'invitee', q{SELECT teamrbac.accept_invitation('%token');} ],
		[ 'decline_invitation', 'invitee', q{CALL teamrbac.decline_invitation('%token');} ],
		[ 'update_tenant', 'owner', q{SELECT teamrbac.update_tenant('%tenant', 'Renamed %n');} ],
		[ 'set_member_metadata', 'admin', q{CALL teamrbac.set_member_metadata('%tenant', '%developer', '{"a": 1}');} ],
		[ 'set_tenant_limit', '', q{CALL teamrbac.set_tenant_limit('%tenant', 'members', 10);} ],
		[ 'set_user_locale', '', q{CALL teamrbac.set_user_locale('%developer', 'de');} ],
		[ 'invite_members', 'admin', q{SELECT teamrbac.invite_members('%tenant', '{x%n@example.com,invitee%n@example.com}', 'reader');} ],
		[ 'accept_my_invitation', 'invitee', q{SELECT teamrbac.accept_my_invitation('%invitation');} ],
		[ 'decline_my_invitation', 'invitee', q{CALL teamrbac.decline_my_invitation('%invitation');} ],
		[ 'add_member', '', q{SELECT teamrbac.add_member('%tenant', '%invitee', 'reader');} ],
		[ 'invite_by_link', 'admin', q{SELECT teamrbac.invite_by_link('%tenant', 'reader');} ],
		[ 'allow_domain', 'admin', q{CALL teamrbac.allow_domain('%tenant', 'd%n.example', 'reader');} ],
		[ 'delete_user', '', q{CALL teamrbac.delete_user('%developer');} ],
		[ 'create_api_key', 'developer', q{SELECT teamrbac.create_api_key('%tenant', 'more');} ],
		[ 'rotate_api_key', 'owner', q{SELECT teamrbac.rotate_api_key('%key', '1 day');} ],
		[ 'revoke_api_key', 'owner', q{CALL teamrbac.revoke_api_key('%key', 'lost');} ],
		[ 'revoke_member_keys', 'owner', q{CALL teamrbac.revoke_member_keys('%tenant', '%owner');} ],
		[ 'revoke_user_keys', '', q{CALL teamrbac.revoke_user_keys('%owner');} ],
		[ 'map_database_role', '', q{SELECT teamrbac.map_database_role('%developer', 'pg_monitor');} ],
		[ 'define_permission', '', q{SELECT teamrbac.define_permission('custom.p%n', 'Custom', '{reader}');} ],
		[ 'define_role', '', q{SELECT teamrbac.define_role('custom%n', 'Custom', '{logs.view}');} ],
		[ 'direct change', '', q{UPDATE teamrbac.membership SET role = 'reader' WHERE tenant_id = '%tenant' AND user_id = '%developer';} ]);
	my @commands;
	my %digits = (tenant => 1, owner => 2, admin => 3, developer => 4, invitee => 5);
	for my $i (0 .. $#templates)
	{
		my ($name, $as, $sql) = @{ $templates[$i] };
		my $n = sprintf '%02d', $i;
		my %value = (n => $n, map { $_ => "$digits{$_}0000000-0000-0000-0000-0000000000$n" } keys %digits);
		my $out = $node->safe_psql($db, <<"SQL");
SELECT count(teamrbac.register_user(name || '$n\@example.com', name, id::uuid))
	FROM (VALUES ('owner', '$value{owner}'), ('admin', '$value{admin}'), ('developer', '$value{developer}'), ('invitee', '$value{invitee}')) AS u(name, id);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('$value{tenant}', 'Team $n');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES
	('$value{tenant}', '$value{owner}', 'owner'), ('$value{tenant}', '$value{admin}', 'admin'), ('$value{tenant}', '$value{developer}', 'developer');
COMMIT;
SELECT teamrbac.sign_in('$value{owner}', false);
SELECT key_id FROM teamrbac.create_api_key('$value{tenant}', 'key', 'developer');
SELECT invitation_id, token FROM teamrbac.invite_member('$value{tenant}', 'invitee$n\@example.com', 'reader');
@{[ $as eq 'deleted' ? "CALL teamrbac.delete_tenant('$value{tenant}', 'Team $n');" : '' ]}
SELECT teamrbac.sign_out();
@{[ $as eq 'disabled' ? "CALL teamrbac.disable_user('$value{invitee}');" : '' ]}
SQL
		@value{qw(key invitation token)} = $out =~ /^([-0-9a-f]{36})\n([-0-9a-f]{36})\|(\S+)$/m;
		$sql =~ s/%(tenant|owner|admin|developer|invitee|invitation|token|key|n)/$value{$1}/g;
		my $sign_in = exists $digits{$as} ? "SELECT teamrbac.sign_in('$value{$as}', false); " : '';
		push @commands, [ $name, $sign_in, $sql ];
	}
	return @commands;
}

# That people and rows are what populate() made of them, by the checks that an application makes.
sub is_intact
{
	my ($node, $db, $what) = @_;
	my $see = "SELECT count(*), array_agg(DISTINCT right(tenant_id::text, 2)) FROM prompt;";
	my %expected = (
		a1 => '10|{01}',
		a2 => '20|{01,02}',
		a3 => '20|{01,02}',
		a5 => '0|');
	is($node->safe_psql($db, sign_in($_) . " SET ROLE app; $see") =~ s/^\n//r, $expected{$_}, "$what: $_ sees their rows")
		for sort keys %expected;
	is($node->safe_psql($db, "SET ROLE app; $see"), '0|', "$what: nobody sees none");
	is($node->safe_psql($db, $see, extra_params => [ '-U', 'psql_user' ]), '20|{01,02}', "$what: a mapped role is its user");
	is($node->safe_psql($db, sign_in('a5') . " SET ROLE app; SELECT body FROM report;") =~ s/^\n//r, 'x', "$what: a role of the application's own counts");
	my ($rc, $out, $err) = $node->psql($db, sign_in('a4'));
	like($err, qr/unknown or disabled user/, "$what: a disabled user stays disabled");
	($rc, $out, $err) = $node->psql($db, sign_in('a3') . " SET ROLE app; UPDATE prompt SET state = 'live' WHERE tenant_id = '${\id('01')}' AND id = 1;");
	is($rc, 0, "$what: a reader's update finds no row");
	($rc, $out, $err) = $node->psql($db, "INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (gen_random_uuid(), 'Nobody''s');");
	like($err, qr/exactly one owner/, "$what: a tenant without an owner is refused");
	return;
}

# What the check of the set-up finds of a kind, and finds no more once its remedies have run.
sub remedied
{
	my ($node, $db, $problem, $name) = @_;
	my $remedies = $node->safe_psql($db, "SELECT remedy FROM teamrbac.check_setup() WHERE problem LIKE '$problem%'");
	isnt($remedies, '', "$name: check_setup finds what is '$problem...'");
	$node->safe_psql($db, $remedies);
	is($node->safe_psql($db, "SELECT count(*) FROM teamrbac.check_setup() WHERE problem LIKE '$problem%'"), '0', "$name: the remedies leave nothing of it");
	return;
}

1;
