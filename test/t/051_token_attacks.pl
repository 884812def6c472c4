# JSON Web Tokens that are bad: in form, header, claims and time; and what RFC 8725 warns of, one by one.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use Digest::SHA  qw(hmac_sha512);
use MIME::Base64 qw(encode_base64url decode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TokenTest;

my ($node) = start_node();
my %made = map { $_->{alg} => $_ } @{ read_json("$files/jose.json") };
my ($rsa, $ec, $ed) = @made{qw(RS256 ES256 EdDSA)};
my %rsa = %{ $rsa->{key} };
delete @rsa{qw(alg use kid)};

my $good = with_claims();
is(answer($good), 'somebody -', 'a good token');

# Form.
my ($h, $p, $s) = split /\./, $good;
is(answer($_->[0]), $_->[1], "form: $_->[2]")
  for (
	[ '',               'token_malformed', 'nothing' ],
	[ '..',             'token_malformed', 'two dots' ],
	[ "$h.$p",          'token_malformed', 'no signature part' ],
	[ "$h.$p.",         'token_signature', 'an empty signature' ],
	[ ".$p.$s",         'token_malformed', 'no header' ],
	[ "$h..$s",         'token_malformed', 'a detached payload' ],
	[ "$h.$p.$s.",      'token_malformed', 'a fourth part' ],
	[ "$h.$p.$s.$s.$s", 'token_malformed', 'five parts, as encrypted tokens have' ],
	[ " $good",         'token_malformed', 'a leading space' ],
	[ "$good ",         'token_malformed', 'a trailing space' ],
	[ "$good\n",        'token_malformed', 'a line\'s end' ],
	[ "$h=.$p.$s",      'token_malformed', 'padding in the header' ],
	[ "$h.$p.$s=",      'token_malformed', 'padding in the signature' ],
	[ "Bearer $good",   'token_malformed', 'the word before it' ],
	[ $json->encode({ protected => $h, payload => $p, signature => $s }), 'token_malformed', 'the JSON form' ],
	[ 'x' x (16 * 1024 + 1),                                              'token_too_long',  'too long' ],
	[ 'x' x (16 * 1024), 'token_malformed', 'as long as may be, and no token' ]
  );
is(answer(with_claims(long => 'x' x 11000)), 'somebody -', 'form: a long token');

# The last character of 32 bytes holds two bits that belong to none of them.
my $last     = substr $s, -1;
my $alphabet = join '', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_';
my $twin     = substr $alphabet, index($alphabet, $last) + 1, 1;
is(answer("$h.$p." . substr($s, 0, -1) . $twin), 'token_malformed', 'form: a second text for the same signature');
is(
	answer("$h.$p." . ($s =~ tr#-_#+/#r)),
	$s =~ /[-_]/ ? 'token_malformed' : 'somebody -',
	'form: the other alphabet'
);

# base64url by itself, against another decoder.
for my $length (0 .. 20)
{
	my $bytes = join '', map { chr(($_ * 37 + $length * 11) % 256) } 1 .. $length;
	is(
		$node->safe_psql(
			'postgres', 'SELECT encode(test_base64url(' . quoted(encode_base64url($bytes)) . "), 'hex')"
		),
		unpack('H*', $bytes),
		"base64url of $length bytes"
	);
}
is(
	$node->safe_psql(
		'postgres',
		'SELECT count(test_base64url(x)) FROM unnest('
		  . array(qw(A AB AAB AAAAA A=== AA== AA+A AA/A), 'A A', "AA\nA", 'AA.A')
		  . ') AS t(x)'
	),
	0,
	'base64url: no text that an encoder does not write'
);

# Header.
is(answer(with_header($_->[0])), $_->[1], "header: $_->[0]")
  for (
	[ '{"alg":"HS256","typ":"JWT","cty":"x","x":[1,{"y":null}]}', 'somebody -' ],
	[ '{"alg":"none"}',                                           'token_algorithm' ],
	[ '{"alg":"None"}',                                           'token_algorithm' ],
	[ '{"alg":"nOnE"}',                                           'token_algorithm' ],
	[ '{"alg":"hs256"}',                                          'token_algorithm' ],
	[ '{"alg":"HS256 "}',                                         'token_algorithm' ],
	[ '{"alg":"HS1"}',                                            'token_algorithm' ],
	[ '{"alg":""}',                                               'token_algorithm' ],
	[ '{"alg":"ES256K"}',                                         'token_algorithm' ],
	[ '{"alg":"dir","enc":"A256GCM"}',                            'token_algorithm' ],
	[ '{"alg":"HS512"}',                                          'token_algorithm' ],
	[ '{"alg":"RS256"}',                                          'token_algorithm' ],
	[ '{}',                                                       'token_malformed' ],
	[ '{"alg":null}',                                             'token_malformed' ],
	[ '{"alg":["HS256"]}',                                        'token_malformed' ],
	[ '{"alg":256}',                                              'token_malformed' ],
	[ '{"alg":"HS256","alg":"HS256"}',                            'token_malformed' ],
	[ '{"alg":"none","alg":"HS256"}',                             'token_malformed' ],
	[ '{"\u0061lg":"none","alg":"HS256"}',                        'token_malformed' ],
	[ '{"alg":"HS256","x":{"a":1,"a":2}}',                        'token_malformed' ],
	[ '{"\u0061lg":"HS256"}',                                     'somebody -' ],
	[ '{"alg":"HS256","x":{"alg":"none"}}',                       'somebody -' ],
	[ '{"alg":"HS256","crit":["exp"]}',                           'token_critical' ],
	[ '{"alg":"HS256","crit":[]}',                                'token_critical' ],
	[ '{"alg":"HS256","crit":null}',                              'token_critical' ],
	[ '{"alg":"HS256","crit":["b64"],"b64":false}',               'token_critical' ],
	[ '{"alg":"HS256","b64":false}',                              'token_critical' ],
	[ '{"alg":"HS256","b64":true}',                               'token_critical' ],
	[ '{"alg":"HS256","kid":1}',                                  'token_malformed' ],
	[ '{"alg":"HS256","typ":1}',                                  'token_malformed' ],
	[ '{"alg":"HS256","kid":"\' OR 1=1; --"}',                    'somebody -' ],
	[ '{"alg":"HS256","kid":"../../../dev/null"}',                'somebody -' ],
	[ '["alg"]',                                                  'token_malformed' ],
	[ '"HS256"',                                                  'token_malformed' ],
	[ '{"alg":"HS256"',                                           'token_malformed' ],
	[ '{"alg":"HS256"}{}',                                        'token_malformed' ],
	[ "\xef\xbb\xbf{\"alg\":\"HS256\"}",                          'token_malformed' ],
	[ '{"alg":"HS256",}',                                         'token_malformed' ],
	[ "{'alg':'HS256'}",                                          'token_malformed' ],
	[ '{"alg":"HS256\u0000"}',                                    'token_malformed' ],
	[ "{\"alg\":\"HS256\"}\0",                                    'token_malformed' ],
	[ "{\"alg\":\"HS256\",\"x\":\"\xff\"}",                       'token_malformed' ],
	[ "{\"alg\":\"HS256\",\"x\":\"\xc0\xaf\"}",                   'token_malformed' ],
	[ '{"alg":"HS256","x":"\ud800"}',                             'token_malformed' ],
	[ '{"alg":"HS256","x":' . ('[' x 31) . (']' x 31) . '}',      'somebody -' ],
	[ '{"alg":"HS256","x":' . ('[' x 32) . (']' x 32) . '}',      'token_malformed' ],
	[ ('[' x 8000),                                               'token_malformed' ],
	[ ('{"a":' x 2000),                                           'token_malformed' ],
	[ '{"alg":"HS256","x":"' . ('[' x 100) . '\""}',              'somebody -' ],
	[ '{"alg":"HS256","x":1e999999999}',                          'token_malformed' ]
  );

# typ, where the issuer demands it.
is(answer(with_header($_->[0]), type => 'at+jwt'), $_->[1], "typ: $_->[0]")
  for (
	[ '{"alg":"HS256","typ":"at+jwt"}',                         'somebody -' ],
	[ '{"alg":"HS256","typ":"AT+JWT"}',                         'somebody -' ],
	[ '{"alg":"HS256","typ":"application/at+jwt"}',             'somebody -' ],
	[ '{"alg":"HS256","typ":"JWT"}',                            'token_type' ],
	[ '{"alg":"HS256"}',                                        'token_type' ],
	[ '{"alg":"HS256","typ":""}',                               'token_type' ],
	[ '{"alg":"HS256","typ":"application/application/at+jwt"}', 'token_type' ]
  );

# Claims.
is(answer(with_claims(%{ $_->[0] })), $_->[1], 'claims: ' . $json->encode($_->[0]))
  for (
	[ { iss  => undef },                        'token_claims' ],
	[ { iss  => 'https://jose.example.com/' },  'token_issuer' ],
	[ { iss  => ['https://jose.example.com'] }, 'token_claims' ],
	[ { sub  => undef },                        'token_claims' ],
	[ { sub  => '' },                           'token_claims' ],
	[ { sub  => 1 },                            'token_claims' ],
	[ { aud  => undef },                        'token_claims' ],
	[ { aud  => 'other' },                      'token_audience' ],
	[ { aud  => 'TEAMRBAC' },                   'token_audience' ],
	[ { aud  => [] },                           'token_audience' ],
	[ { aud  => [ 'a', 'teamrbac' ] },          'somebody -' ],
	[ { aud  => [ 'teamrbac', 1 ] },            'token_claims' ],
	[ { aud  => { teamrbac => 1 } },            'token_claims' ],
	[ { aud  => 'teamrbac ' },                  'token_audience' ],
	[ { aud  => 'team' },                       'token_audience' ],
	[ { aud  => '' },                           'token_audience' ],
	[ { jti  => 'once' },                       'somebody once' ],
	[ { jti  => 1 },                            'token_claims' ],
	[ { jti  => '' },                           'token_claims' ],
	[ { exp  => undef },                        'token_claims' ],
	[ { exp  => '1800000100' },                 'token_claims' ],
	[ { exp  => JSON::PP::true },               'token_claims' ],
	[ { exp  => -1 },                           'token_claims' ],
	[ { exp  => 1800000000000 },                'token_claims' ],
	[ { exp  => 0 },                            'token_expired' ],
	[ { nbf  => 'x' },                          'token_claims' ],
	[ { iat  => undef },                        'somebody -' ],
	[ { iat  => 'x' },                          'token_claims' ],
	[ { role => 'owner', roles => ['admin'] },  'somebody -' ]
  );
is(answer(signed('{"alg":"HS256"}', $_->[0])), $_->[1], "claims: $_->[2]")
  for (
	[
		'{"iss":"https://jose.example.com","sub":"a","sub":"b","aud":"teamrbac","exp":1800000100}',
		'token_malformed', 'sub twice'
	],
	[
		'{"iss":"https://jose.example.com","sub":"a","s\u0075b":"b","aud":"teamrbac","exp":1800000100}',
		'token_malformed', 'sub twice, once in disguise'
	],
	[
		'{"iss":"https://jose.example.com","sub":"a","aud":"teamrbac","exp":1800000100,"o":{"id":1,"id":2}}',
		'token_malformed', 'a name twice, further down'
	],
	[
		'{"iss":"https://jose.example.com","sub":"a","aud":"teamrbac","exp":1800000100,"o":[{"id":1},{"id":2}]}',
		'a -', 'a name in two objects'
	],
	[
		'{"iss":"https://jose.example.com","sub":"a","aud":"teamrbac","exp":1e400}', 'token_claims',
		'exp beyond any number'
	],
	[
		'{"iss":"https://jose.example.com","sub":"a","aud":"teamrbac","exp":1e999999}', 'token_malformed',
		'exp beyond the server\'s numbers'
	],
	[
		'{"iss":"https://jose.example.com","sub":"a\u0000","aud":"teamrbac","exp":1800000100}', 'token_malformed',
		'a zero in sub'
	],
	[ 'It\'s no JSON', 'token_malformed', 'none' ],
	[ '[]',            'token_malformed', 'an array' ],
	[ 'null',          'token_malformed', 'null' ]
  );

# The clock.
is(answer(with_claims(%{ $_->[0] }), leeway => $_->[1]),
	$_->[2], "clock, leeway $_->[1]: " . $json->encode($_->[0]))
  for (
	[ { exp => 1800000000 },        '30 s', 'token_expired' ],
	[ { exp => 1800000001 },        '30 s', 'somebody -' ],
	[ { exp => 1799999999 },        '30 s', 'token_expired' ],
	[ { exp => 1800000000.5 },      '0',    'somebody -' ],
	[ { exp => 1799999999.999999 }, '0',    'token_expired' ],
	[ { nbf => 1800000030 },        '30 s', 'somebody -' ],
	[ { nbf => 1800000031 },        '30 s', 'token_not_yet_valid' ],
	[ { nbf => 1800000001 },        '0',    'token_not_yet_valid' ],
	[ { nbf => 1800000000 },        '0',    'somebody -' ],
	[ { iat => 1800000030 },        '30 s', 'somebody -' ],
	[ { iat => 1800000031 },        '30 s', 'token_issued_in_future' ],
	[ { iat => 1800000001 },        '0',    'token_issued_in_future' ]
  );

# ---- RFC 8725, section 2: the attacks ------------------------------------------------------------------------

# 2.1, weak signatures: "none" is above.  An RSA or EC public key, in whatever form, is no secret.
for my $form ($rsa{n}, decode_base64url($rsa{n}), $json->encode(\%rsa))
{
	my $forged = signed('{"alg":"HS256"}', $json->encode(\%claims), $form);
	my ($answer) = answers(jwks(\%rsa), \@algorithms, [$forged]);
	is($answer, 'token_key', 'RFC 8725, 2.1: a public RSA key is no secret');
}
like(
	keys_of(jwks({ kty => 'oct', k => encode_base64url("-----BEGIN PUBLIC KEY-----\n" . 'x' x 100) })),
	qr/^22023 Key 1 is no secret/,
	'RFC 8725, 2.1: nor is a public key that somebody stores as one'
);

# The same key for two algorithms of its type is a matter of the issuer's list and of alg.
my ($swapped) = answers(jwks({ %rsa, alg => 'PS256' }),
	\@algorithms, [ $rsa->{token} =~ s/^[^.]+/encode_base64url('{"alg":"RS256"}')/er ]);
is($swapped, 'token_key', 'RFC 8725, 3.1: a key serves the algorithm it is for');

# 2.2, weak secrets.
is(
	keys_of(jwks({ kty => 'oct', k => encode_base64url('x' x 31) })),
	'22023 Key 1 is a secret of fewer than 32 or more than 1024 bytes.',
	'RFC 8725, 2.2: no secret shorter than the hash'
);
is(
	keys_of(jwks({ kty => 'oct', alg => 'HS512', k => encode_base64url('x' x 63) })),
	'22023 Key 1 is a secret of fewer than 64 or more than 1024 bytes.',
	'RFC 8725, 2.2: of its own algorithm'
);
my $hs512 = signed('{"alg":"HS512"}', $json->encode(\%claims), $secret, \&hmac_sha512);
is((answers(jwks(\%secret), \@algorithms, [$hs512]))[0], 'token_key', 'RFC 8725, 2.2: of the token\'s algorithm');

# 2.3 to 2.6 are about encryption: there is none.
# 2.4, r and s of zero and beyond the order.
my ($eh, $ep) = split /\./, $ec->{token};
my $order = pack 'H*', 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551';
for my $r ("\0" x 32, $order, "\0" x 31 . "\1", "\xff" x 32)
{
	for my $second ("\0" x 32, $order, "\xff" x 32)
	{
		is(jws("$eh.$ep." . encode_base64url($r . $second), jwks($ec->{key}), 'ES256'),
			'token_signature', 'an ECDSA signature of nothing');
	}
}

# A point that is on no curve.
is(
	keys_of(jwks({ kty => 'EC', crv => 'P-256', x => $ec->{key}{x}, y => $ec->{key}{x} })),
	'22023 Key 1 is not on its curve, or is none that OpenSSL takes.',
	'RFC 8725, 3.4: an invalid point'
);
is(
	keys_of(
		jwks({ kty => 'EC', crv => 'P-256', x => encode_base64url("\0" x 32), y => encode_base64url("\0" x 32) })
	),
	'22023 Key 1 is not on its curve, or is none that OpenSSL takes.',
	'RFC 8725, 3.4: the point at infinity'
);

# 2.7, substitution, and 2.8, cross-JWT confusion: iss, aud and typ are above.
# 2.9 and 2.10, indirect attacks: what the header says about keys is not looked at.
my $embedded = with_header(
	$json->encode(
		{
			alg => 'HS256',
			jwk => { kty => 'oct', k => encode_base64url('y' x 32) },
			jku => 'http://127.0.0.1/',
			x5u => 'x',
			x5c => ['x']
		}
	)
);
is(answer($embedded), 'somebody -', 'RFC 8725, 2.10: keys in the header are not looked at');
my $own = signed(
	$json->encode({ alg => 'HS256', jwk => { kty => 'oct', k => encode_base64url('y' x 32) } }),
	$json->encode(\%claims),
	'y' x 32
);
is(answer($own), 'token_signature', 'RFC 8725, 2.10: and do not verify');

# ---- chance ----------------------------------------------------------------------------------------------------

# Changes that nobody thought of: no error, and never another token than the one that was signed.
my $seed = $ENV{TEAMRBAC_FUZZ_SEED} // int(time);
srand $seed;
note("TEAMRBAC_FUZZ_SEED=$seed");

# Bytes with one of them changed, left out, doubled, or put in.
sub mutated
{
	my ($bytes) = @_;
	my $at = int rand length $bytes;
	my $how = int rand 4;
	my $new = rand() < 0.5 ? chr int rand 256 : substr('{}[]":,\\0.e-', int rand 12, 1);
	substr($bytes, $at, $how == 3 ? 0 : 1) = $how == 0 ? '' : $how == 1 ? substr($bytes, $at, 1) x 2 : $new;
	return $bytes;
}

my $all = jwks(\%secret, map { $_->{key} } values %made);
for my $alg (@algorithms)
{
	my @parts = map { decode_base64url($_) } split /\./, $made{$alg}{token};
	my @tokens;
	while (@tokens < 200)
	{
		my @changed = @parts;
		my $which = int rand 3;
		$changed[$which] = mutated($parts[$which]) for 1 .. 1 + int rand 2;
		push @tokens, join '.', map { encode_base64url($_) } @changed if join('.', @changed) ne join('.', @parts);
	}
	my @got = answers($all, \@algorithms, \@tokens);
	is(scalar(grep { /^token_\w+$/ } @got), 200, "$alg: no changed token is good");
}

# Signed, so that what reads them has to.
my @signed;
my ($header, $claims) = ('{"alg":"HS256","typ":"JWT","x":[1,2.5e3,"\u00e4\n",null]}', $json->encode({%claims, o => {id => ['a', {}]}}));
for (1 .. 1500)
{
	my ($h, $c) = ($header, $claims);
	$h = mutated($h) for 1 .. int rand 3;
	$c = mutated($c) for 1 .. int rand 4;
	push @signed, signed($h, $c) if length $h && length $c;
}
my @got = answers(jwks(\%secret), ['HS256'], \@signed);
is(scalar(@got), scalar(@signed), 'signed ones have an answer each');
cmp_ok(scalar(grep { $_ eq 'somebody -' } @got), '>', 0, 'some of them are good');
cmp_ok(scalar(grep { /^token_/ } @got), '>', 0, 'and some are not');

$node->stop;
done_testing();
