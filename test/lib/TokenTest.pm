# What the tests of tokens share: a server with the functions that verify, and tokens signed by a shared secret.
#
# The functions are called as they are, by a module that is built here and never installed.  They are told what time
# it is.
package TokenTest;

use strict;
use warnings;
use Exporter 'import';
use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(build start_node start_server functions quoted array jwks jws answers keys_of read_json signed with_header
  with_claims answer %claims %secret $secret $json @algorithms $files);

our $files      = "$ENV{TESTDIR}/test/tokens";
our $json       = JSON::PP->new->canonical->ascii;
our @algorithms = qw(RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA HS256 HS384 HS512);
my $node;

# ---- the module ----------------------------------------------------------------------------------------------

# Builds the module, in a copy of its sources; returns the library.
sub build
{
	my ($where, @more) = @_;
	system_or_bail('mkdir', '-p', "$where/src",                   "$where/test");
	system_or_bail('cp',    '-R', "$ENV{TESTDIR}/src/compat.h",   "$ENV{TESTDIR}/src/authority", "$ENV{TESTDIR}/src/store", "$where/src");
	system_or_bail('cp',    '-R', "$ENV{TESTDIR}/test/modules",   "$where/test");
	system_or_bail('sh',    '-c', 'rm -f "$1"/src/authority/*.o', '-', $where);

	# The outer make's options are not for this one; a cache of compilations may belong to another user than ours.
	local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL CCACHE_DISABLE)} = ('', '', '', 1);
	system_or_bail('make', '-s', '-C', "$where/test/modules/test_jws", "PG_CONFIG=$ENV{PG_CONFIG}", @more);
	return "$where/test/modules/test_jws/test_jws.so";
}

sub functions
{
	my ($path) = @_;
	return <<"SQL";
CREATE FUNCTION test_base64url(text) RETURNS bytea STRICT LANGUAGE c AS '$path', 'test_base64url';
CREATE FUNCTION test_keys(jsonb) RETURNS int STRICT LANGUAGE c AS '$path', 'test_keys';
CREATE FUNCTION test_jws(text, jsonb, text[]) RETURNS text STRICT LANGUAGE c AS '$path', 'test_jws';
CREATE FUNCTION test_token(text, jsonb, text, text[], text[], text, interval, timestamptz) RETURNS text
	LANGUAGE c AS '$path', 'test_token';
CREATE FUNCTION test_cost(text, jsonb, int, boolean) RETURNS float8 STRICT LANGUAGE c AS '$path', 'test_cost';
CREATE FUNCTION test_malloced() RETURNS bigint LANGUAGE c AS '$path', 'test_malloced';
SQL
}

sub quoted
{
	my ($text) = @_;
	$text =~ s/'/''/g;
	return "'$text'";
}

sub array
{
	return 'ARRAY[' . join(', ', map { quoted($_) } @_) . ']::text[]';
}

# A JWKS of these keys.
sub jwks { return $json->encode({ keys => [@_] }) }

sub jws
{
	my ($token, $keys, @algorithms) = @_;
	return $node->safe_psql('postgres',
		'SELECT test_jws(' . quoted($token) . ', ' . quoted($keys) . ', ' . array(@algorithms) . ')');
}

# The answers to many tokens at once, verified by the same rules.
my %rules = (
	issuer   => 'https://jose.example.com',
	audience => ['teamrbac'],
	type     => undef,
	leeway   => '30 s',
	now      => 1800000000
);

sub answers
{
	my ($keys, $algorithms, $tokens, %more) = @_;
	my %with = (%rules, %more);
	my $sql  = join ";\n", map {
			'SELECT test_token('
		  . quoted($_) . ', '
		  . quoted($keys) . ', '
		  . quoted($with{issuer}) . ', '
		  . array(@{ $with{audience} }) . ', '
		  . array(@$algorithms) . ', '
		  . (defined $with{type} ? quoted($with{type}) : 'NULL')
		  . ", '$with{leeway}', "
		  . "to_timestamp($with{now}))"
	} @$tokens;
	return split /\n/, $node->safe_psql('postgres', $sql);
}

# The error that a set of keys is refused with, or how many of them can verify.
sub keys_of
{
	my ($jwks) = @_;
	my ($out, $err);
	$node->psql(
		'postgres', "\\set VERBOSITY verbose\nSELECT test_keys(" . quoted($jwks) . ')',
		stdout => \$out,
		stderr => \$err
	);
	return $out if $out ne '';
	my ($state)  = $err =~ /ERROR:\s+(\w{5}):/;
	my ($detail) = $err =~ /DETAIL:\s+(.*)/;
	return "$state $detail";
}

sub read_json { return $json->decode(slurp_file(shift)) }

# Starts a server, and under the sanitizers, where `make sanitize` runs this, the server alone.
sub start_server
{
	my ($server) = @_;
	local $ENV{LD_PRELOAD} = $ENV{TEAMRBAC_SERVER_PRELOAD} // $ENV{LD_PRELOAD} // '';
	$server->start;
	return;
}

# Starts a server that has them; returns it, and the library.
sub start_node
{
	my $library = build(PostgreSQL::Test::Utils::tempdir());
	$node = PostgreSQL::Test::Cluster->new('main');
	$node->init;
	start_server($node);
	$node->safe_psql('postgres', functions($library));
	return ($node, $library);
}

# ---- tokens of our own, by a shared secret -------------------------------------------------------------------

our $secret = 'the secret that 32 bytes are for';
our %secret = (kty => 'oct', k => encode_base64url($secret));
our %claims = (iss => $rules{issuer}, sub => 'somebody', aud => 'teamrbac', exp => 1800000100, iat => 1799999900);

sub signed
{
	my ($header, $payload, $key, $hash) = @_;
	my $text = encode_base64url($header) . '.' . encode_base64url($payload);
	return $text . '.' . encode_base64url(($hash // \&hmac_sha256)->($text, $key // $secret));
}

sub with_header { return signed(shift, $json->encode(\%claims)) }

sub with_claims
{
	my (%more) = @_;
	my %all = (%claims, %more);
	return signed('{"alg":"HS256"}', $json->encode({ map { defined $all{$_} ? ($_ => $all{$_}) : () } keys %all }));
}

# The answer to one token by that secret.
sub answer
{
	my ($token, %more) = @_;
	my ($answer) = answers(jwks(\%secret), ['HS256'], [$token], %more);
	return $answer;
}

1;
