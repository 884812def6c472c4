# psql as a user interface: what people look at fits into a window of 120 columns, in psql's own format.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'teamrbac'\n");
$node->start;
# Names and e-mail addresses of 30 characters, and everything else as long as it comes without trying.
my ($owner, $admin, $tenant) = map { "00000000-0000-0000-0000-0000000000$_" } qw(a1 a2 01);
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION teamrbac CASCADE;
SELECT teamrbac.register_user(rpad('olivia', 18, 'o') || '\@example.com', rpad('Olivia', 30, 'o'), '$owner'),
	teamrbac.register_user(rpad('adam', 18, 'a') || '\@example.com', rpad('Adam', 30, 'a'), '$admin'),
	teamrbac.register_user('dora\@example.com', rpad('Dora', 60, 'x'));
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name, slug) VALUES ('$tenant', rpad('Acme', 60, 'e'), rpad('acme', 40, 'e'));
INSERT INTO teamrbac.membership (tenant_id, user_id, role, expires_at)
	SELECT '$tenant', user_id, CASE user_id WHEN '$owner' THEN 'owner' WHEN '$admin' THEN 'admin' ELSE 'developer' END,
		CASE display_name WHEN rpad('Dora', 60, 'x') THEN now() + interval '1 day' END FROM teamrbac.app_user;
COMMIT;
SELECT teamrbac.sign_in('$admin', false);
SELECT teamrbac.invite_member('$tenant', rpad('invited', 18, 'i') || '\@example.com', 'developer', now() + interval '1 year'),
	teamrbac.create_api_key('$tenant', rpad('key', 60, 'y'), 'developer', now() + interval '1 day', '{prompts.view,logs.view}'),
	teamrbac.create_api_key('$tenant', rpad('bot', 60, 't'), 'developer');
SELECT key_id, secret FROM teamrbac.create_api_key('$tenant', 'rotated') \\gset
SELECT FROM teamrbac.rotate_api_key(:'key_id', '1 hour');
BEGIN;
SELECT teamrbac.sign_in_with_api_key(:'secret');
COMMIT;
CALL teamrbac.revoke_api_keys('$tenant', name_like => 'bot%', reason => 'The laptop that had it was lost in a train');
SELECT user_id FROM teamrbac.team WHERE role = 'developer' \\gset
CALL teamrbac.set_membership_expiry('$tenant', :'user_id', '2999-01-01');
SELECT teamrbac.invite_by_link('$tenant', 'developer', 10000);
CALL teamrbac.allow_domain('$tenant', rpad('d', 20, 'd') || '.example', 'developer', false);
SELECT teamrbac.register_user('ask\@' || rpad('d', 20, 'd') || '.example', rpad('Ask', 60, 'k'), '00000000-0000-0000-0000-0000000000a3');
SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000a3', false);
CALL teamrbac.request_to_join('$tenant');
SELECT teamrbac.mail_refused(mail_id, rpad('550 no such mailbox', 200, '.')) FROM teamrbac.outbox WHERE kind = 'invitation';
SELECT teamrbac.sign_out();
CREATE ROLE a_database_role_of_some_length LOGIN;
SELECT teamrbac.map_database_role('$admin', 'a_database_role_of_some_length');
UPDATE teamrbac.membership SET role = 'reader' WHERE role = 'developer';
SQL

# What psql prints, as a person sees it who is an Admin and a superuser besides.
sub printed
{
	my ($query) = @_;
	my ($out, $err);
	IPC::Run::run([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
		'<', \"SELECT teamrbac.sign_in('$admin', false) \\g /dev/null\n$query\n", '>', \$out, '2>', \$err);
	is($err, '', "$query: no error");
	return $out;
}

# The longest line's length.
sub width
{
	my ($width) = sort { $b <=> $a } map { length } split /\n/, shift;
	return $width;
}

# The views that say ids cannot: two uuids with the lines around them take 77 columns, and what is left of 120 is too
# little for a name, an e-mail address and a role.  Each has a list for people.
my %list = map { $_ => "${_}_list" } qw(team pending_invitation undelivered_mail);
@list{qw(api_key_overview audit_trail audit_list)} = qw(api_key_list audit_list_narrow audit_list_narrow);
$list{"${_}_overview"} = "${_}_list" for qw(invitation_link tenant_domain join_request);
for my $view (split /\n/, $node->safe_psql('postgres', "SELECT relname FROM pg_class WHERE relnamespace = 'teamrbac'::regnamespace AND relkind = 'v' AND relname NOT IN ('audit_name', 'invitation_detail') ORDER BY relname"))
{
	my $out = printed("TABLE teamrbac.$view;");
	unlike($out, qr/\(0 rows\)/, "$view: has something to show");
	if (my $list = delete $list{$view})
	{
		my ($rows) = $out =~ /^(\(\d+ rows?\))/m;
		like(printed("TABLE teamrbac.$list;"), qr/^\Q$rows\E/m, "$view: its list has as many rows");
		next;
	}
	cmp_ok(width($out), '<=', 120, "$view: fits") or diag($out);
	note($out);
}
is(join(' ', keys %list), '', 'what cannot fit is there');
cmp_ok(width(printed('SELECT * FROM teamrbac.permission_matrix \crosstabview')), '<=', 120, 'the table of the team page fits');

# A list shows to nobody what its view does not.
for my $list (qw(team_list pending_invitation_list api_key_list audit_list audit_list_narrow invitation_link_list
	tenant_domain_list join_request_list undelivered_mail_list))
{
	is($node->safe_psql('postgres', "SET ROLE a_database_role_of_some_length; SELECT count(*) FROM teamrbac.$list"), 0, "$list: nothing for nobody");
}

# Names instead of ids.
my $audit = printed('SELECT actor, action, subject FROM teamrbac.audit_list_narrow;');
like($audit, qr/^ Adam\S+ +\| invitation\.created +\| invited/m, 'an invitation is its address');
like($audit, qr/^ Adam\S+ +\| api_key\.rotated +\| key rotated/m, 'a key is its name');
like($audit, qr/^ Adam\S+ +\| member\.expiry_set +\| Dora/m, 'a member is their name');
like($audit, qr/^ role \S+ +\| direct\.membership\.updated +\| /m, 'a change by hand');

$node->stop;
done_testing();
