# Statements of where a chain stood: made by the database, checked without it by openssl, and against it by verify_audit, which a
# chain that was made anew, hashes and all, does not pass.
use strict;
use warnings;
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir();
is(system('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$dir/key.pem"), 0, 'a key is made');
is(system('openssl', 'pkey', '-in', "$dir/key.pem", '-pubout', '-out', "$dir/public.pem"), 0, 'and its public half');
system('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$dir/other.pem");
my ($acme, $ann, $bob) = map { "00000000-0000-0000-0000-0000000000$_" } qw(01 a1 b1);
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION teamrbac CASCADE;
SELECT count(teamrbac.register_user(n || '\@example.com', n, id::uuid)) FROM (VALUES ('Ann', '$ann'), ('Bob', '$bob')) AS u(n, id);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('$acme', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$acme', '$ann', 'owner'), ('$acme', '$bob', 'reader');
COMMIT;
CREATE ROLE app LOGIN;
GRANT EXECUTE ON FUNCTION teamrbac.sign_in(uuid, boolean) TO app;
SQL
sub fails { my ($sql, $pattern, $name, @params) = @_; my ($rc, $out, $err) = $node->psql('postgres', $sql, extra_params => \@params); like($err, $pattern, $name); return }

fails("SELECT teamrbac.audit_statement('$acme')", qr/there is no key to sign with/, 'without a key, nothing is signed');
$node->append_conf('postgresql.conf', "teamrbac.audit_signing_key_file = '$dir/none.pem'");
$node->reload;
fails("LOAD 'teamrbac'; SELECT teamrbac.audit_statement('$acme')", qr/could not open the file of the signing key/, 'nor with a file that is not there');
$node->append_conf('postgresql.conf', "teamrbac.audit_signing_key_file = '$dir/public.pem'");
$node->reload;
fails("SELECT teamrbac.audit_statement('$acme')", qr/holds no Ed25519 private key/, 'nor with one that holds no key to sign with');
$node->append_conf('postgresql.conf', "teamrbac.audit_signing_key_file = '$dir/key.pem'");
$node->reload;

my $statement = $node->safe_psql('postgres', "SELECT teamrbac.audit_statement('$acme')");
my $keys = $node->safe_psql('postgres', 'SELECT teamrbac.audit_public_keys()');
# By a third party, without the database: by what docs/audit.md gives them.
my %script = map { /^# ([\w-]+) /m ? ($1 => $_) : () } slurp_file("$ENV{TESTDIR}/docs/audit.md") =~ /^```bash\n(.*?)^```/msg;
append_to_file("$dir/$_", $script{$_}) for 'check-head', 'keep-heads';
# What the script says of a statement by a key, or that it is none.
sub checked
{
	my ($key, $jws) = @_;
	my ($out, $err) = ('', '');
	return IPC::Run::run([ 'env', '-i', "PATH=$ENV{PATH}", 'bash', "$dir/check-head", "$dir/$key.pem", $jws ], '>', \$out, '2>', \$err) ? $out : 'none';
}
my $payload = checked('public', $statement);
like($payload, qr/"sequence" : 3, "hash" : "[0-9a-f]{64}"/, 'it says where the chain stands');
is($node->safe_psql('postgres', "SELECT '$payload'::json ->> 'hash' = encode(hash, 'hex') FROM teamrbac.audit_head WHERE tenant_id = '$acme'"), 't', 'and its hash');
my $verify = "SELECT valid, broken_at, problem FROM teamrbac.verify_audit('$acme', '$statement', '$keys')";
is($node->safe_psql('postgres', $verify), 't||', 'the chain is the one that was stated');
$node->safe_psql('postgres', "SELECT teamrbac.sign_in('$ann', false); CALL teamrbac.change_role('$acme', '$bob', 'developer');");
is($node->safe_psql('postgres', $verify), 't||', 'and still is when it has gone on');

# Who may ask.
fails("SELECT teamrbac.sign_in('$bob', false); SELECT teamrbac.audit_statement('$acme')", qr/permission denied for tenant/, 'a developer gets no statement', '-U', 'app');
fails("SELECT teamrbac.sign_in('$ann', false); SELECT teamrbac.audit_statement('$bob', 'user')", qr/permission denied for tenant/, 'an Owner none of a user', '-U', 'app');
fails("SELECT teamrbac.sign_in('$ann', false); SELECT teamrbac.audit_statement('$acme', 'platform')", qr/permission denied for tenant/, 'nor of definitions', '-U', 'app');
like($node->safe_psql('postgres', "SELECT teamrbac.sign_in('$ann', false); SELECT teamrbac.audit_statement('$acme')", extra_params => [ '-U', 'app' ]), qr/\w\.\w+\.\w/, 'but one of the tenant');
# Once the library is there, which knows whose the setting is.
fails('SELECT teamrbac.current_user_id(); SHOW teamrbac.audit_signing_key_file', qr/must be superuser|permission denied|pg_read_all_settings/, 'where the key is, is not told', '-U', 'app');
fails("SELECT teamrbac.current_user_id(); SET teamrbac.audit_signing_key_file = '/etc/passwd'", qr/permission denied/, 'nor set', '-U', 'app');

# Of each chain, kept in a folder.
{
	local @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER)} = ($node->host, $node->port, 'postgres', $node->safe_psql('postgres', 'SELECT session_user'));
	is(system('bash', "$dir/keep-heads", $dir), 0, 'a job keeps them');
}
my @kept = map { [ split / / ] } split /\n/, slurp_file("$dir/heads");
is(scalar(@kept), $node->safe_psql('postgres', 'SELECT count(*) FROM teamrbac.audit_heads()'), 'one of each chain');
for (@kept)
{
	my ($scope, $chain, $jws) = @$_;
	like(checked('public', $jws), qr/"$chain".*"$scope"/s, "that of $scope $chain can be checked");
}

# What is no statement.
my $other = $node->safe_psql('postgres', "SET teamrbac.audit_signing_key_file = '$dir/other.pem'; SELECT teamrbac.audit_statement('$acme')");
fails("SELECT * FROM teamrbac.verify_audit('$acme', '$other', '$keys')", qr/not one of these keys/, 'what another key has signed');
(my $changed = $statement) =~ s/\.(.)/'.' . ($1 eq 'f' ? 'e' : 'f')/e;
fails("SELECT * FROM teamrbac.verify_audit('$acme', '$changed', '$keys')", qr/not one of these keys/, 'what was changed');
fails("SELECT * FROM teamrbac.verify_audit('$acme', 'nonsense', '$keys')", qr/not one of these keys/, 'nonsense');
is(checked('public', $_->[0]), 'none', "nor does a third party take $_->[1]")
	for [ $other, 'what another key has signed' ], [ $changed, 'what was changed' ], [ 'nonsense', 'nonsense' ], [ "$statement.x", 'what has more to it' ];
is(checked('other', $statement), 'none', 'or check by another key');
# By the right key, but of another kind.
my $unlike = encode_base64url('{"alg":"EdDSA","typ":"JWT"}') . '.' . encode_base64url($payload);
append_to_file("$dir/unlike", $unlike);
is(system("openssl pkeyutl -sign -inkey $dir/key.pem -rawin -in $dir/unlike -out $dir/unlike.signature"), 0, 'the key signs something else');
$unlike .= '.' . encode_base64url(slurp_file("$dir/unlike.signature"));
is(checked('public', $unlike), 'none', 'which is no statement to a third party');
fails("SELECT * FROM teamrbac.verify_audit('$acme', '$unlike', '$keys')", qr/not one of these keys|no statement/, 'nor to the database');
my $of_bob = $node->safe_psql('postgres', "SELECT teamrbac.audit_statement('$bob', 'user')");
is($node->safe_psql('postgres', "SELECT valid, problem FROM teamrbac.verify_audit('$acme', '$of_bob', '$keys')"), 'f|the statement is about another chain', 'one of another chain');

# A superuser makes the chain anew from its second event on: it verifies by itself, and not against the statement.
$node->safe_psql('postgres', <<"SQL");
DO \$\$
DECLARE
	e teamrbac.audit_event;
	last bytea;
BEGIN
	FOR e IN SELECT * FROM teamrbac.audit_event WHERE tenant_id = '$acme' ORDER BY sequence LOOP
		IF e.sequence = 2 THEN
			e.after := e.after || '{"role": "reader"}';
		END IF;
		e.previous_hash := COALESCE(last, e.previous_hash);
		e.hash := teamrbac.audit_hash(e);
		UPDATE teamrbac.audit_event SET after = e.after, previous_hash = e.previous_hash, hash = e.hash WHERE tenant_id = '$acme' AND sequence = e.sequence;
		last := e.hash;
	END LOOP;
	UPDATE teamrbac.audit_head SET hash = last WHERE tenant_id = '$acme';
END \$\$;
SQL
is($node->safe_psql('postgres', "SELECT valid FROM teamrbac.verify_audit('$acme')"), 't', 'a chain that was made anew is whole');
is($node->safe_psql('postgres', $verify), 'f|3|not the event that was stated', 'and not the one that was stated');
$node->stop;
done_testing();
