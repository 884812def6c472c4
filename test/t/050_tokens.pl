# JSON Web Tokens: known answers, tokens of other implementations, and what RFC 8725 warns of, one by one.
#
# The functions that verify are called as they are, by a module that this test builds and nobody installs.  They
# are told what time it is.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256 hmac_sha384 hmac_sha512);
use JSON::PP;
use MIME::Base64 qw(encode_base64url decode_base64url decode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $files = "$ENV{TESTDIR}/test/tokens";
my $json = JSON::PP->new->canonical->ascii;

# ---- the module ----------------------------------------------------------------------------------------------

# Builds the module, in a copy of its sources; returns the library.
sub build
{
	my ($where, @more) = @_;
	system_or_bail('mkdir', '-p', "$where/src", "$where/test");
	system_or_bail('cp', '-R', "$ENV{TESTDIR}/src/compat.h", "$ENV{TESTDIR}/src/authority", "$where/src");
	system_or_bail('cp', '-R', "$ENV{TESTDIR}/test/modules", "$where/test");
	system_or_bail('sh', '-c', 'rm -f "$1"/src/authority/*.o', '-', $where);
	# The outer make's options are not for this one; a cache of compilations may belong to another user than ours.
	local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL CCACHE_DISABLE)} = ('', '', '', 1);
	system_or_bail('make', '-s', '-C', "$where/test/modules/test_jws", "PG_CONFIG=$ENV{PG_CONFIG}", @more);
	return "$where/test/modules/test_jws/test_jws.so";
}

my $library = build(PostgreSQL::Test::Utils::tempdir());
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

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
$node->safe_psql('postgres', functions($library));

sub quoted
{
	my ($text) = @_;
	$text =~ s/'/''/g;
	return "'$text'";
}

sub array { return 'ARRAY[' . join(', ', map { quoted($_) } @_) . ']::text[]' }

# A JWKS of these keys.
sub jwks { return $json->encode({ keys => [@_] }) }

sub jws
{
	my ($token, $keys, @algorithms) = @_;
	return $node->safe_psql('postgres',
		'SELECT test_jws(' . quoted($token) . ', ' . quoted($keys) . ', ' . array(@algorithms) . ')');
}

# The answers to many tokens at once, verified by the same rules.
my %rules = (issuer => 'https://jose.example.com', audience => ['teamrbac'], type => undef, leeway => '30 s', now => 1800000000);

sub answers
{
	my ($keys, $algorithms, $tokens, %more) = @_;
	my %with = (%rules, %more);
	my $sql = join ";\n", map {
			'SELECT test_token(' . quoted($_) . ', ' . quoted($keys) . ', ' . quoted($with{issuer}) . ', ' . array(@{ $with{audience} })
		  . ', ' . array(@$algorithms) . ', ' . (defined $with{type} ? quoted($with{type}) : 'NULL') . ", '$with{leeway}', "
		  . "to_timestamp($with{now}))"
	} @$tokens;
	return split /\n/, $node->safe_psql('postgres', $sql);
}

# The error that a set of keys is refused with, or how many of them can verify.
sub keys_of
{
	my ($jwks) = @_;
	my ($out, $err);
	$node->psql('postgres', "\\set VERBOSITY verbose\nSELECT test_keys(" . quoted($jwks) . ')', stdout => \$out, stderr => \$err);
	return $out if $out ne '';
	my ($state) = $err =~ /ERROR:\s+(\w{5}):/;
	my ($detail) = $err =~ /DETAIL:\s+(.*)/;
	return "$state $detail";
}

sub read_json { return $json->decode(slurp_file(shift)) }

# ---- known answers -------------------------------------------------------------------------------------------

my %rfc = map { $_->{name} => $_ } @{ read_json("$files/rfc.json") };
for my $name (sort keys %rfc)
{
	my $v = $rfc{$name};
	my ($header, $payload, $signature) = split /\./, $v->{token};
	my $expected = $v->{payload};
	utf8::encode($expected);
	$expected =~ s/\r//g;
	my $got = jws($v->{token}, jwks($v->{key}), $v->{alg});
	$got =~ s/\r//g;
	is($got, $expected, "$name, $v->{alg}");

	# Each bit that somebody changes, of the first and the last bytes of each part, and of what is signed.
	my $bytes = decode_base64url($signature);
	for my $i (0, length($bytes) / 2, length($bytes) - 1)
	{
		my $changed = $bytes;
		substr($changed, $i, 1) ^= "\x01";
		is(jws("$header.$payload." . encode_base64url($changed), jwks($v->{key}), $v->{alg}), 'token_signature',
			"$name: not with another signature");
	}
	my $other = decode_base64url($payload);
	substr($other, 0, 1) ^= "\x01";
	is(jws("$header." . encode_base64url($other) . ".$signature", jwks($v->{key}), $v->{alg}), 'token_signature',
		"$name: not with another payload");
	is(jws("$header.$payload." . encode_base64url($bytes . "\0"), jwks($v->{key}), $v->{alg}), 'token_signature',
		"$name: not with a longer signature");
	is(jws("$header.$payload." . encode_base64url(substr $bytes, 0, -1), jwks($v->{key}), $v->{alg}), 'token_signature',
		"$name: not with a shorter signature");
}
is(jws('eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.',
		jwks($rfc{'RFC 7515, A.1'}{key}), 'HS256'), 'token_algorithm', 'RFC 7515, A.5: unsecured');

# ---- other implementations -----------------------------------------------------------------------------------

my @all = qw(RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA HS256 HS384 HS512);
my ($python) = run_command([ '/usr/bin/python3', "$files/make_pyjwt.py" ]);
my %implementations = (jose => read_json("$files/jose.json"), PyJWT => $json->decode($python));
for my $by (sort keys %implementations)
{
	my @made = @{ $implementations{$by} };
	my $keys = jwks(map { $_->{key} } @made);
	is_deeply([ map { $_->{alg} } @made ], \@all, "$by makes tokens of every algorithm");
	is_deeply([ answers($keys, \@all, [ map { $_->{token} } @made ]) ], [ map { "subject of $_ $_" } @all ],
		"$by: every token is verified by its key among all");
	is_deeply([ answers($keys, [ grep { $_ ne 'ES256' } @all ], [ map { $_->{token} } @made ]) ],
		[ map { $_ eq 'ES256' ? 'token_algorithm' : "subject of $_ $_" } @all ], "$by: an issuer's algorithms are a choice");
	# No key verifies what another has signed, and none another algorithm than its own.
	my %got = map { $_ => 1 } answers(jwks(map { my %k = %{ $_->{key} }; $k{kid} =~ s/-/-not-/; \%k } @made), \@all, [ map { $_->{token} } @made ]);
	is_deeply([ sort keys %got ], ['token_key'], "$by: a token that names a key gets no other");
}
for my $alg (@all)
{
	my ($jose) = grep { $_->{alg} eq $alg } @{ $implementations{jose} };
	my ($py) = grep { $_->{alg} eq $alg } @{ $implementations{PyJWT} };
	my %wrong = (%{ $py->{key} }, kid => $jose->{key}{kid});
	is(jws($jose->{token}, jwks(\%wrong), @all), 'token_signature', "$alg: not by somebody else's key");
	my %nameless = %{ $jose->{key} };
	delete @nameless{qw(kid alg use)};
	my ($header) = split /\./, $jose->{token};
	like(jws($jose->{token}, jwks(\%nameless), @all), qr/subject of $alg/, "$alg: a key with no name serves tokens that name one");
	like(jws($jose->{token}, jwks(\%wrong, $jose->{key}), @all), qr/subject of $alg/, "$alg: of two keys with one name, either");
}

# ---- tokens of our own, by a shared secret -------------------------------------------------------------------

my $secret = 'the secret that 32 bytes are for';
my %secret = (kty => 'oct', k => encode_base64url($secret));
my %claims = (iss => $rules{issuer}, sub => 'somebody', aud => 'teamrbac', exp => 1800000100, iat => 1799999900);

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

my $good = with_claims();
is(answer($good), 'somebody -', 'a good token');

# Form.
my ($h, $p, $s) = split /\./, $good;
is(answer($_->[0]), $_->[1], "form: $_->[2]") for (
	[ '', 'token_malformed', 'nothing' ],
	[ '..', 'token_malformed', 'two dots' ],
	[ "$h.$p", 'token_malformed', 'no signature part' ],
	[ "$h.$p.", 'token_signature', 'an empty signature' ],
	[ ".$p.$s", 'token_malformed', 'no header' ],
	[ "$h..$s", 'token_malformed', 'a detached payload' ],
	[ "$h.$p.$s.", 'token_malformed', 'a fourth part' ],
	[ "$h.$p.$s.$s.$s", 'token_malformed', 'five parts, as encrypted tokens have' ],
	[ " $good", 'token_malformed', 'a leading space' ],
	[ "$good ", 'token_malformed', 'a trailing space' ],
	[ "$good\n", 'token_malformed', 'a line\'s end' ],
	[ "$h=.$p.$s", 'token_malformed', 'padding in the header' ],
	[ "$h.$p.$s=", 'token_malformed', 'padding in the signature' ],
	[ "Bearer $good", 'token_malformed', 'the word before it' ],
	[ $json->encode({ protected => $h, payload => $p, signature => $s }), 'token_malformed', 'the JSON form' ],
	[ 'x' x (16 * 1024 + 1), 'token_too_long', 'too long' ],
	[ 'x' x (16 * 1024), 'token_malformed', 'as long as may be, and no token' ]);
is(answer(with_claims(long => 'x' x 11000)), 'somebody -', 'form: a long token');
# The last character of 32 bytes holds two bits that belong to none of them.
my $last = substr $s, -1;
my $alphabet = join '', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_';
my $twin = substr $alphabet, index($alphabet, $last) + 1, 1;
is(answer("$h.$p." . substr($s, 0, -1) . $twin), 'token_malformed', 'form: a second text for the same signature');
is(answer("$h.$p." . ($s =~ tr#-_#+/#r)), $s =~ /[-_]/ ? 'token_malformed' : 'somebody -', 'form: the other alphabet');

# base64url by itself, against another decoder.
for my $length (0 .. 20)
{
	my $bytes = join '', map { chr(($_ * 37 + $length * 11) % 256) } 1 .. $length;
	is($node->safe_psql('postgres', 'SELECT encode(test_base64url(' . quoted(encode_base64url($bytes)) . "), 'hex')"), unpack('H*', $bytes),
		"base64url of $length bytes");
}
is($node->safe_psql('postgres', 'SELECT count(test_base64url(x)) FROM unnest(' . array(qw(A AB AAB AAAAA A=== AA== AA+A AA/A), 'A A', "AA\nA", 'AA.A') . ') AS t(x)'),
	0, 'base64url: no text that an encoder does not write');

# Header.
is(answer(with_header($_->[0])), $_->[1], "header: $_->[0]") for (
	[ '{"alg":"HS256","typ":"JWT","cty":"x","x":[1,{"y":null}]}', 'somebody -' ],
	[ '{"alg":"none"}', 'token_algorithm' ], [ '{"alg":"None"}', 'token_algorithm' ], [ '{"alg":"nOnE"}', 'token_algorithm' ],
	[ '{"alg":"hs256"}', 'token_algorithm' ], [ '{"alg":"HS256 "}', 'token_algorithm' ], [ '{"alg":"HS1"}', 'token_algorithm' ],
	[ '{"alg":""}', 'token_algorithm' ], [ '{"alg":"ES256K"}', 'token_algorithm' ], [ '{"alg":"dir","enc":"A256GCM"}', 'token_algorithm' ],
	[ '{"alg":"HS512"}', 'token_algorithm' ], [ '{"alg":"RS256"}', 'token_algorithm' ],
	[ '{}', 'token_malformed' ], [ '{"alg":null}', 'token_malformed' ], [ '{"alg":["HS256"]}', 'token_malformed' ], [ '{"alg":256}', 'token_malformed' ],
	[ '{"alg":"HS256","alg":"HS256"}', 'token_malformed' ], [ '{"alg":"none","alg":"HS256"}', 'token_malformed' ],
	[ '{"\u0061lg":"none","alg":"HS256"}', 'token_malformed' ], [ '{"alg":"HS256","x":{"a":1,"a":2}}', 'token_malformed' ],
	[ '{"\u0061lg":"HS256"}', 'somebody -' ], [ '{"alg":"HS256","x":{"alg":"none"}}', 'somebody -' ],
	[ '{"alg":"HS256","crit":["exp"]}', 'token_critical' ], [ '{"alg":"HS256","crit":[]}', 'token_critical' ],
	[ '{"alg":"HS256","crit":null}', 'token_critical' ], [ '{"alg":"HS256","crit":["b64"],"b64":false}', 'token_critical' ],
	[ '{"alg":"HS256","b64":false}', 'token_critical' ], [ '{"alg":"HS256","b64":true}', 'token_critical' ],
	[ '{"alg":"HS256","kid":1}', 'token_malformed' ], [ '{"alg":"HS256","typ":1}', 'token_malformed' ],
	[ '{"alg":"HS256","kid":"\' OR 1=1; --"}', 'somebody -' ], [ '{"alg":"HS256","kid":"../../../dev/null"}', 'somebody -' ],
	[ '["alg"]', 'token_malformed' ], [ '"HS256"', 'token_malformed' ], [ '{"alg":"HS256"', 'token_malformed' ],
	[ '{"alg":"HS256"}{}', 'token_malformed' ], [ "\xef\xbb\xbf{\"alg\":\"HS256\"}", 'token_malformed' ],
	[ '{"alg":"HS256",}', 'token_malformed' ], [ "{'alg':'HS256'}", 'token_malformed' ], [ '{"alg":"HS256\u0000"}', 'token_malformed' ],
	[ "{\"alg\":\"HS256\"}\0", 'token_malformed' ], [ "{\"alg\":\"HS256\",\"x\":\"\xff\"}", 'token_malformed' ],
	[ "{\"alg\":\"HS256\",\"x\":\"\xc0\xaf\"}", 'token_malformed' ], [ '{"alg":"HS256","x":"\ud800"}', 'token_malformed' ],
	[ '{"alg":"HS256","x":' . ('[' x 31) . (']' x 31) . '}', 'somebody -' ], [ '{"alg":"HS256","x":' . ('[' x 32) . (']' x 32) . '}', 'token_malformed' ],
	[ ('[' x 8000), 'token_malformed' ], [ ('{"a":' x 2000), 'token_malformed' ], [ '{"alg":"HS256","x":"' . ('[' x 100) . '\""}', 'somebody -' ],
	[ '{"alg":"HS256","x":1e999999999}', 'token_malformed' ]);

# typ, where the issuer demands it.
is(answer(with_header($_->[0]), type => 'at+jwt'), $_->[1], "typ: $_->[0]") for (
	[ '{"alg":"HS256","typ":"at+jwt"}', 'somebody -' ], [ '{"alg":"HS256","typ":"AT+JWT"}', 'somebody -' ],
	[ '{"alg":"HS256","typ":"application/at+jwt"}', 'somebody -' ], [ '{"alg":"HS256","typ":"JWT"}', 'token_type' ],
	[ '{"alg":"HS256"}', 'token_type' ], [ '{"alg":"HS256","typ":""}', 'token_type' ], [ '{"alg":"HS256","typ":"application/application/at+jwt"}', 'token_type' ]);

# Claims.
is(answer(with_claims(%{ $_->[0] })), $_->[1], 'claims: ' . $json->encode($_->[0])) for (
	[ { iss => undef }, 'token_claims' ], [ { iss => 'https://jose.example.com/' }, 'token_issuer' ], [ { iss => ['https://jose.example.com'] }, 'token_claims' ],
	[ { sub => undef }, 'token_claims' ], [ { sub => '' }, 'token_claims' ], [ { sub => 1 }, 'token_claims' ],
	[ { aud => undef }, 'token_claims' ], [ { aud => 'other' }, 'token_audience' ], [ { aud => 'TEAMRBAC' }, 'token_audience' ], [ { aud => [] }, 'token_audience' ],
	[ { aud => [ 'a', 'teamrbac' ] }, 'somebody -' ], [ { aud => ['teamrbac', 1] }, 'token_claims' ], [ { aud => { teamrbac => 1 } }, 'token_claims' ],
	[ { aud => 'teamrbac ' }, 'token_audience' ], [ { aud => 'team' }, 'token_audience' ], [ { aud => '' }, 'token_audience' ],
	[ { jti => 'once' }, 'somebody once' ], [ { jti => 1 }, 'token_claims' ], [ { jti => '' }, 'token_claims' ],
	[ { exp => undef }, 'token_claims' ], [ { exp => '1800000100' }, 'token_claims' ], [ { exp => JSON::PP::true }, 'token_claims' ],
	[ { exp => -1 }, 'token_claims' ], [ { exp => 1800000000000 }, 'token_claims' ], [ { exp => 0 }, 'token_expired' ], [ { nbf => 'x' }, 'token_claims' ],
	[ { iat => undef }, 'somebody -' ], [ { iat => 'x' }, 'token_claims' ], [ { role => 'owner', roles => ['admin'] }, 'somebody -' ]);
is(answer(signed('{"alg":"HS256"}', $_->[0])), $_->[1], "claims: $_->[2]") for (
	[ '{"iss":"https://jose.example.com","sub":"a","sub":"b","aud":"teamrbac","exp":1800000100}', 'token_malformed', 'sub twice' ],
	[ '{"iss":"https://jose.example.com","sub":"a","s\u0075b":"b","aud":"teamrbac","exp":1800000100}', 'token_malformed', 'sub twice, once in disguise' ],
	[ '{"iss":"https://jose.example.com","sub":"a","aud":"teamrbac","exp":1800000100,"o":{"id":1,"id":2}}', 'token_malformed', 'a name twice, further down' ],
	[ '{"iss":"https://jose.example.com","sub":"a","aud":"teamrbac","exp":1800000100,"o":[{"id":1},{"id":2}]}', 'a -', 'a name in two objects' ],
	[ '{"iss":"https://jose.example.com","sub":"a","aud":"teamrbac","exp":1e400}', 'token_claims', 'exp beyond any number' ],
	[ '{"iss":"https://jose.example.com","sub":"a","aud":"teamrbac","exp":1e999999}', 'token_malformed', 'exp beyond the server\'s numbers' ],
	[ '{"iss":"https://jose.example.com","sub":"a\u0000","aud":"teamrbac","exp":1800000100}', 'token_malformed', 'a zero in sub' ],
	[ 'It\'s no JSON', 'token_malformed', 'none' ], [ '[]', 'token_malformed', 'an array' ], [ 'null', 'token_malformed', 'null' ]);

# The clock.
is(answer(with_claims(%{ $_->[0] }), leeway => $_->[1]), $_->[2], "clock, leeway $_->[1]: " . $json->encode($_->[0])) for (
	[ { exp => 1800000000 }, '30 s', 'token_expired' ], [ { exp => 1800000001 }, '30 s', 'somebody -' ], [ { exp => 1799999999 }, '30 s', 'token_expired' ],
	[ { exp => 1800000000.5 }, '0', 'somebody -' ], [ { exp => 1799999999.999999 }, '0', 'token_expired' ],
	[ { nbf => 1800000030 }, '30 s', 'somebody -' ], [ { nbf => 1800000031 }, '30 s', 'token_not_yet_valid' ], [ { nbf => 1800000001 }, '0', 'token_not_yet_valid' ],
	[ { nbf => 1800000000 }, '0', 'somebody -' ],
	[ { iat => 1800000030 }, '30 s', 'somebody -' ], [ { iat => 1800000031 }, '30 s', 'token_issued_in_future' ], [ { iat => 1800000001 }, '0', 'token_issued_in_future' ]);

# ---- RFC 8725, section 2: the attacks ------------------------------------------------------------------------

# 2.1, weak signatures: "none" is above.  An RSA or EC public key, in whatever form, is no secret.
my ($rsa) = grep { $_->{alg} eq 'RS256' } @{ $implementations{jose} };
my ($ec) = grep { $_->{alg} eq 'ES256' } @{ $implementations{jose} };
my %rsa = %{ $rsa->{key} };
delete @rsa{qw(alg use kid)};
for my $form ($rsa{n}, decode_base64url($rsa{n}), $json->encode(\%rsa))
{
	my $forged = signed('{"alg":"HS256"}', $json->encode(\%claims), $form);
	my ($answer) = answers(jwks(\%rsa), \@all, [$forged]);
	is($answer, 'token_key', 'RFC 8725, 2.1: a public RSA key is no secret');
}
like(keys_of(jwks({ kty => 'oct', k => encode_base64url("-----BEGIN PUBLIC KEY-----\n" . 'x' x 100) })), qr/^22023 Key 1 is no secret/,
	'RFC 8725, 2.1: nor is a public key that somebody stores as one');
# The same key for two algorithms of its type is a matter of the issuer's list and of alg.
my ($swapped) = answers(jwks({ %rsa, alg => 'PS256' }), \@all, [ $rsa->{token} =~ s/^[^.]+/encode_base64url('{"alg":"RS256"}')/er ]);
is($swapped, 'token_key', 'RFC 8725, 3.1: a key serves the algorithm it is for');

# 2.2, weak secrets.
is(keys_of(jwks({ kty => 'oct', k => encode_base64url('x' x 31) })), '22023 Key 1 is a secret of fewer than 32 or more than 1024 bytes.',
	'RFC 8725, 2.2: no secret shorter than the hash');
is(keys_of(jwks({ kty => 'oct', alg => 'HS512', k => encode_base64url('x' x 63) })),
	'22023 Key 1 is a secret of fewer than 64 or more than 1024 bytes.', 'RFC 8725, 2.2: of its own algorithm');
my $hs512 = signed('{"alg":"HS512"}', $json->encode(\%claims), $secret, \&hmac_sha512);
is((answers(jwks(\%secret), \@all, [$hs512]))[0], 'token_key', 'RFC 8725, 2.2: of the token\'s algorithm');

# 2.3 to 2.6 are about encryption: there is none.
# 2.4, r and s of zero and beyond the order.
my ($eh, $ep) = split /\./, $ec->{token};
my $order = pack 'H*', 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551';
for my $r ("\0" x 32, $order, "\0" x 31 . "\1", "\xff" x 32)
{
	for my $second ("\0" x 32, $order, "\xff" x 32)
	{
		is(jws("$eh.$ep." . encode_base64url($r . $second), jwks($ec->{key}), 'ES256'), 'token_signature', 'an ECDSA signature of nothing');
	}
}
# A point that is on no curve.
is(keys_of(jwks({ kty => 'EC', crv => 'P-256', x => $ec->{key}{x}, y => $ec->{key}{x} })),
	'22023 Key 1 is not on its curve, or is none that OpenSSL takes.', 'RFC 8725, 3.4: an invalid point');
is(keys_of(jwks({ kty => 'EC', crv => 'P-256', x => encode_base64url("\0" x 32), y => encode_base64url("\0" x 32) })),
	'22023 Key 1 is not on its curve, or is none that OpenSSL takes.', 'RFC 8725, 3.4: the point at infinity');

# 2.7, substitution, and 2.8, cross-JWT confusion: iss, aud and typ are above.
# 2.9 and 2.10, indirect attacks: what the header says about keys is not looked at.
my $embedded = with_header($json->encode({ alg => 'HS256', jwk => { kty => 'oct', k => encode_base64url('y' x 32) }, jku => 'http://127.0.0.1/', x5u => 'x', x5c => ['x'] }));
is(answer($embedded), 'somebody -', 'RFC 8725, 2.10: keys in the header are not looked at');
my $own = signed($json->encode({ alg => 'HS256', jwk => { kty => 'oct', k => encode_base64url('y' x 32) } }), $json->encode(\%claims), 'y' x 32);
is(answer($own), 'token_signature', 'RFC 8725, 2.10: and do not verify');

# ---- keys ----------------------------------------------------------------------------------------------------

my ($ed) = grep { $_->{alg} eq 'EdDSA' } @{ $implementations{jose} };
is(keys_of($_->[0]), $_->[1], "keys: $_->[2]") for (
	[ '{}', '22023 It must be a JSON object with an array "keys".', 'none' ],
	[ '[]', '22023 It must be a JSON object with an array "keys".', 'an array' ],
	[ '1', '22023 It must be a JSON object with an array "keys".', 'a number' ],
	[ '{"keys": {}}', '22023 It must be a JSON object with an array "keys".', 'an object of keys' ],
	[ '{"keys": []}', '22023 None of its keys can verify a token by an algorithm known here.', 'an empty array' ],
	[ '{"keys": [1]}', '22023 Key 1 is not a JSON object.', 'a number for a key' ],
	[ '{"keys": [[]]}', '22023 Key 1 is not a JSON object.', 'an array for a key' ],
	[ '{"keys": [{}]}', '22023 Key 1 lacks "kty".', 'no type' ],
	[ '{"keys": [{"kty": 1}]}', '22023 Key 1 has a "kty" that is not a string.', 'a type of the wrong kind' ],
	[ jwks({ %rsa, use => 'enc' }), '22023 None of its keys can verify a token by an algorithm known here.', 'for encryption' ],
	[ jwks({ %rsa, key_ops => ['sign'] }), '22023 None of its keys can verify a token by an algorithm known here.', 'for signing' ],
	[ jwks({ %rsa, key_ops => ['verify'] }), 1, 'for verifying' ],
	[ jwks({ %rsa, key_ops => 'verify' }), '22023 Key 1 has a "key_ops" that is not an array.', 'operations of the wrong kind' ],
	[ jwks({ %rsa, alg => 'RSA-OAEP' }, \%rsa, { kty => 'XX' }, { kty => 'EC', crv => 'secp256k1' }, { kty => 'OKP', crv => 'X25519' }), 1, 'of unknown kinds beside a known one' ],
	[ jwks({ %rsa, alg => 'ES256' }), '22023 Key 1 has an "alg" that does not fit its type.', 'an algorithm of another type' ],
	[ jwks(\%secret, { %rsa, d => 'AQAB' }), '22023 Key 2 is a private key.', 'a private RSA key' ],
	[ jwks({ %{ $ec->{key} }, d => 'AQAB' }), '22023 Key 1 is a private key.', 'a private EC key' ],
	[ jwks({ %{ $ed->{key} }, d => 'AQAB' }), '22023 Key 1 is a private key.', 'a private Ed25519 key' ],
	[ jwks({ %rsa, n => encode_base64url("\x80" . 'x' x 127) }), '22023 Key 1 is an RSA key of fewer than 2048 or more than 8192 bits.', '1024 bits' ],
	[ jwks({ %rsa, n => encode_base64url("\x7f" . 'x' x 254 . "\x01") }), '22023 Key 1 is an RSA key of fewer than 2048 or more than 8192 bits.', '2047 bits' ],
	[ jwks({ %rsa, n => encode_base64url("\0" x 200 . "\x80" . 'x' x 127) }), '22023 Key 1 is an RSA key of fewer than 2048 or more than 8192 bits.', 'zeros in front' ],
	[ jwks({ %rsa, n => encode_base64url("\xff" x 1025) }), '22023 Key 1 is an RSA key of fewer than 2048 or more than 8192 bits.', 'too many bits' ],
	[ jwks({ %rsa, e => 'AQ' }), '22023 Key 1 has an RSA modulus or exponent that nobody makes.', 'an exponent of 1' ],
	[ jwks({ %rsa, e => 'AA' }), '22023 Key 1 has an RSA modulus or exponent that nobody makes.', 'an exponent of 0' ],
	[ jwks({ %rsa, e => 'Ag' }), '22023 Key 1 has an RSA modulus or exponent that nobody makes.', 'an exponent of 2' ],
	[ jwks({ %rsa, e => 'AQAB=' }), '22023 Key 1 has a "e" that is not base64url.', 'padding' ],
	[ jwks({ kty => 'RSA', n => $rsa{n} }), '22023 Key 1 lacks "e".', 'no exponent' ],
	[ jwks({ kty => 'EC', crv => 'P-256', x => 'AQ', y => 'AQ' }), '22023 Key 1 has a "x" of the wrong length.', 'a short coordinate' ],
	[ jwks({ kty => 'EC', crv => 'P-384', x => $ec->{key}{x}, y => $ec->{key}{y} }), '22023 Key 1 has a "x" of the wrong length.', 'another curve\'s coordinates' ],
	[ jwks({ kty => 'OKP', crv => 'Ed25519', x => 'AQ' }), '22023 Key 1 has a "x" of the wrong length.', 'a short Ed25519 key' ],
	[ jwks({ kty => 'oct' }), '22023 Key 1 lacks "k".', 'no secret' ],
	[ jwks((\%rsa) x 64), 64, 'as many as may be' ], [ jwks((\%rsa) x 65), '22023 It has more than 64 keys.', 'too many' ]);

# ---- what stays behind ---------------------------------------------------------------------------------------

# Keys are malloc'd by libcrypto: neither an end nor an error may leave one.
my $leaked = $node->safe_psql('postgres', <<'SQL' =~ s/KEYS/quoted(jwks(map { $_->{key} } @{ $implementations{jose} }))/er =~ s/BAD/quoted(jwks(\%rsa, $ec->{key}, { kty => 'oct' }))/er);
DO $$
DECLARE keys jsonb := KEYS; bad jsonb := BAD; before bigint;
BEGIN
	FOR i IN 1 .. 3000 LOOP
		IF i = 1000 THEN before := test_malloced(); END IF;
		PERFORM test_keys(keys);
		BEGIN
			PERFORM test_keys(bad);
			RAISE 'not refused';
		EXCEPTION WHEN invalid_parameter_value THEN
		END;
	END LOOP;
	PERFORM set_config('my.leaked', (test_malloced() - before)::text, false);
END $$;
SELECT current_setting('my.leaked');
SQL
cmp_ok($leaked, '<', 200_000, "two thousand sets and as many errors leave no key behind ($leaked bytes)");

# No error shows a key, or a token.
my $log = slurp_file($node->logfile);
$log =~ s/^.*(?:STATEMENT|LOG): .*\n(?:\t.*\n)*//mg;
unlike($log, qr/\Q$rsa{n}\E|\Q$secret{k}\E|\Q$s\E/, 'no key in any error');

# ---- other databases, other servers --------------------------------------------------------------------------

$node->safe_psql('postgres', "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'; CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'");
for my $db (qw(latin ascii))
{
	$node->safe_psql($db, functions($library));
	for my $case ([ '"J\u00f6rg"', 1 ], [ "\"J\xc3\xb6rg\"", 1 ], [ '"\u20ac"', 0 ], [ "\"\xe2\x82\xac\"", 0 ])
	{
		my $token =
		  signed('{"alg":"HS256"}', '{"iss":"https://jose.example.com","sub":"a","aud":"teamrbac","exp":1800000100,"name":' . $case->[0] . '}');
		my $got = $node->safe_psql($db, 'SELECT test_token(' . quoted($token) . ', ' . quoted(jwks(\%secret))
			  . ", 'https://jose.example.com', '{teamrbac}', '{HS256}', NULL, '30 s', to_timestamp(1800000000))");
		like($got, qr/^(?:a -|token_malformed)$/, "$db: $case->[0] raises no error");
		is($got, $case->[1] ? 'a -' : 'token_malformed', "$db: $case->[0]") if $db eq 'latin';
	}
}

my $twice = signed('{"alg":"HS256"}', "{\"iss\":\"https://jose.example.com\",\"sub\":\"a\",\"aud\":\"teamrbac\",\"exp\":1800000100,\"\xc3\xb6\":1,\"\\u00f6\":2}");
is(answer($twice), 'token_malformed', 'one name, once as it is and once escaped');
is($node->safe_psql('latin', 'SELECT test_token(' . quoted($twice) . ', ' . quoted(jwks(\%secret))
	  . ", 'https://jose.example.com', '{teamrbac}', '{HS256}', NULL, '30 s', to_timestamp(1800000000))"), 'token_malformed', 'likewise in LATIN1');

# A server without OpenSSL says so.
my $without = PostgreSQL::Test::Utils::tempdir();
my ($headers) = run_command([ $ENV{PG_CONFIG}, '--includedir-server' ]);
system_or_bail('cp', '-RL', $headers, "$without/server");
append_to_file("$without/server/pg_config.h", "#undef USE_OPENSSL\n");
my $plain = build($without, "includedir_server=$without/server", 'with_ssl=no');
my ($symbols) = run_command([ 'nm', '-D', $plain ]);
unlike($symbols, qr/EVP_|CRYPTO_/, 'without OpenSSL, the library needs none');
$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->safe_psql('plain', functions($plain));
my ($out, $err);
$node->psql('plain', "\\set VERBOSITY verbose\nSELECT test_keys(" . quoted(jwks(\%secret)) . ')', stdout => \$out, stderr => \$err);
like($err, qr/ERROR:  0A000: tokens cannot be verified by this server\nDETAIL:  PostgreSQL was built without OpenSSL/, 'without OpenSSL, a clear error');

$node->stop;
done_testing();
